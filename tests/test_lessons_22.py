"""What lesson 22 claims: the numbers in its sentences, and the figure of two whole designs."""

from unittest.mock import patch

import pytest

from x3dhlab import attacks
from x3dhlab.attacks import ferrypost
from x3dhlab.scenes import board as scene
from x3dhlab.scenes import checklist, claims
from x3dhlab.worlds import board, people
from x3dhlab.worlds.people import MAP, PINS

# The key figure: in no run does one of the two designs beat the other


def beats(one, other):
    """At least as good in all three numbers, and better in one."""
    pairs = [
        (one["confidentiality"], other["confidentiality"]),
        (one["availability"], other["availability"]),
        (-one["effort"], -other["effort"]),
    ]
    return all(a >= b for a, b in pairs) and any(a > b for a, b in pairs)


def nobody_wins(found):
    first, second = found.values()
    pairs = list(zip(first, second, strict=True))
    return len(pairs) == 3 and not any(beats(a, b) or beats(b, a) for a, b in pairs)


def test_neither_of_two_designs_beats_the_other():
    found = scene.designs_scored()
    assert nobody_wins(found)
    first, second = found.values()
    assert all(
        a["confidentiality"] < b["confidentiality"] for a, b in zip(first, second, strict=True)
    )
    assert all(a["availability"] > b["availability"] for a, b in zip(first, second, strict=True))


def test_the_figures_claim_fails_if_the_second_design_asks_for_nothing_extra():
    """With limits in place of a demand, and effort that counts nothing, it beats the first one."""
    mended = scene.SECURE_FIRST | {"one-time keys": people.LIMITED}
    with (
        patch.dict(board.WEIGHTS, {people.REQUESTS: 0, people.ACTS: 0}),
        patch.object(scene, "SECURE_FIRST", mended),
    ):
        assert not nobody_wins(scene.designs_scored())


def test_the_picture_has_the_numbers_of_both_designs():
    words = scene.show_designs().alt
    assert (
        "availability first" in words
        and "security first" in words
        and "confidentiality, %" in words
    )


# Sentences with numbers


def seen(decision, option):
    return " / ".join(board.run(decision, option).seen)


@pytest.mark.parametrize(
    ("decision", "option", "words"),
    [
        ("store", "one region decides", "65 of 900 requests got no one-time key"),
        ("store", "one region decides", "0 keys were given out twice"),
        ("store", "one leader a user", "55 of 900 requests got no one-time key"),
        ("store", "one leader a user", "890 requests waited for another region"),
        ("store", "every region by itself", "61 first messages were lost"),
        ("store", "every region, who is refused asks again", "0 first messages were lost"),
        ("store", "every region its own share", "78 of 900 requests got no one-time key"),
        ("identity keys", PINS, "the server read 29 of 35 messages"),
        ("identity keys", PINS, "6 of 85 honest messages had to wait"),
        ("identity keys", MAP, "the server read 8 of 35 messages"),
        ("identity keys", MAP, "2 of 85 honest messages had to wait"),
        ("backup", "the whole phone, with its sessions", "3 pairs of texts under one message key"),
        ("backup", "the whole phone, with its sessions", "0 on their way cannot be read"),
        ("backup", "identity key and history", "0 old messages are gone, 5 on their way"),
        ("backup", "no backup", "6 answers cannot be read by friends"),
    ],
)
def test_a_sentence_of_the_lesson_is_what_the_run_saw(decision, option, words):
    assert words in seen(decision, option)


def test_most_senders_without_a_key_could_not_reach_the_region_that_decides():
    with patch.object(board, "KEYS", 900):  # so many that no pool gets empty
        unreached = board._store("one region decides", 1)
    without = [
        one.secrets - one.kept for one in (unreached, board.run("store", "one region decides"))
    ]
    assert without[1] / 2 < without[0] < without[1]


def test_the_map_costs_twice_the_effort_of_pins():
    pins, mapped = (board.effort(board.run("identity keys", option)) for option in (PINS, MAP))
    assert (pins, mapped) == (211, 421)


def test_the_false_entries_and_no_views_are_what_was_read_with_the_map():
    world = people._Contacts(MAP, 1)
    with patch.object(people._Contacts, "lie", _views_only):
        for number in range(people.PEOPLE):
            world.pair(number)
    assert world.count["read"] == 0 < world.secrets


def _views_only(world, lying, names, alone):
    world.directory.views[names[0]] = {names[1]: lying.roles[names].identity.public}


def test_two_rows_make_86_and_17():
    rows = [board.run("store", "every region by itself"), board.run("identity keys", PINS)]
    assert board.score(rows)["availability"] == 86 and board.score(rows)["confidentiality"] == 17
    assert board.WEIGHTS == {people.ACTS: 20, people.REQUESTS: 1}


def test_two_days_lose_one_message_in_five_and_sixty_open_nearly_everything():
    short, *_, long = (board.run("rotation", option) for option in board.ROTATIONS)
    assert 0.78 < short.served / short.wanted < 0.82
    assert long.kept / long.secrets < 0.2


def test_which_improvement_raises_what():
    now = scene.AVAILABLE_FIRST | {"rotation": "every 7 days, kept for 30"}
    before = scene.scored(now)
    mapped = scene.scored(now | {"identity keys": MAP})
    leader = scene.scored(now | {"store": "one leader a user"})
    backup = scene.scored(now | {"backup": "identity key and history"})
    assert (before["confidentiality"], mapped["confidentiality"]) == (17, 50)
    assert leader["confidentiality"] == backup["confidentiality"] == 17
    assert (before["availability"], backup["availability"], leader["availability"]) == (63, 82, 68)
    each = board.design(now | {"identity keys": MAP})
    shares = {name: one.kept / one.secrets for name, one in each.items()}
    assert min(shares, key=shares.get) == "devices"


def test_the_best_in_each_row_wins_one_number_and_pays_with_another():
    best = {
        axis: scene.scored(scene.best(axis))
        for axis in ("confidentiality", "availability", "effort")
    }
    for axis, sign in (("confidentiality", 1), ("availability", 1), ("effort", -1)):
        assert sign * best[axis][axis] == max(sign * one[axis] for one in best.values())
    assert scene.best("confidentiality")["store"] == "every region by itself"
    assert not any(beats(a, b) for a in best.values() for b in best.values())


def test_in_no_row_is_one_option_best_in_all_three_numbers():
    for decision, options in board.OPTIONS.items():
        played = [board.run(decision, option) for option in options]
        numbers = [(one.kept / one.secrets, one.served / one.wanted, -board.effort(one))
                   for one in played]  # fmt: skip
        assert tuple(map(max, *numbers)) not in numbers
        axes = ("confidentiality", "availability", "effort")
        named = {scene.best(axis)[decision] for axis in axes}
        assert len(named) > 1


def test_two_best_designs_cost_the_same_by_coincidence():
    costs = [
        [board.effort(board.run(*row)) for row in scene.best(axis).items()]
        for axis in ("confidentiality", "availability")
    ]
    assert costs == [[2, 0, 42, 421, 60, 112], [68, 0, 3, 421, 0, 145]]
    assert sum(costs[0]) == sum(costs[1]) == 637


def test_more_terms_are_no_cure_for_a_key_given_out_twice():
    assert next(a for a in attacks.catalogue() if a.number == "A8").works().succeeded


# The checklist


TICKS = [tick for group in checklist.GROUPS.values() for tick in group]


def test_the_checklist_has_design_es_27_rows_in_its_five_groups():
    assert [len(group) for group in checklist.GROUPS.values()] == [5, 6, 6, 5, 5]
    assert [tick.item for tick in TICKS if not tick.run] == ["call set-up, ready"]


@pytest.mark.parametrize("group", checklist.GROUPS)
def test_every_row_has_a_run_that_shows_something(group):
    assert all(bool(words) == bool(tick.run) for tick, words in checklist.checked(group))


def test_a_run_that_shows_nothing_any_more_is_told():
    with (
        patch.dict(claims.RUNS, {"missing chunks": ("", lambda: attacks.entry.Result(False, ""))}),
        pytest.raises(RuntimeError, match="shows nothing"),
    ):
        checklist.checked("more")


# Ferrypost


CUT = [("cut",), ("write", "Left"), ("read", "Left"), ("write", "Right"), ("read", "Right")]


def test_a_number_of_one_relay_deletes_a_letter_of_the_other():
    assert ferrypost.tried(CUT).startswith("Promise 1 is broken: Right took letter 2")
    down = [("fail", "Right"), ("write", "Left"), ("read", "Left"), ("fail", "Left"),
            ("back", "Right"), ("write", "Right"), ("read", "Right")]  # fmt: skip
    assert ferrypost.tried(down).startswith("Promise 1 is broken")


SHORT = [("cut",), ("write", "Left"), ("write", "Right"), ("read", "Right")]


@pytest.mark.parametrize("left_out", range(len(SHORT)))
def test_each_event_of_the_shortest_list_is_needed(left_out):
    assert ferrypost.tried(SHORT).startswith("Promise 1 is broken")
    fewer = [event for place, event in enumerate(SHORT) if place != left_out]
    assert ferrypost.tried(fewer).startswith("All promises hold")


def test_without_an_outage_every_promise_holds_and_with_one_no_other_breaks():
    import random

    rng, writes = random.Random(3), [("write", relay) for relay in ferrypost.RELAYS]
    calm = [event for event in ferrypost.EVENTS if event[0] in ("write", "read", "fetch")]
    for kinds in (calm, ferrypost.EVENTS):
        said = set()
        for _ in range(4_000):
            days = [rng.choice(writes), *rng.choices(kinds, k=rng.randrange(2, 11))]
            said.add(ferrypost.tried(days)[:9])
        assert said == ({"All promi"} if kinds is calm else {"All promi", "Promise 1"})


def test_a_number_for_each_relay_cures_it():
    def ask(phone, relay):
        phone.seen = phone.seen or {}
        for number, letter in relay.collect(phone.seen.get(relay.name, 0)):
            if letter not in phone.shown:
                phone.shown.append(letter)
            phone.seen[relay.name] = number

    with patch.object(ferrypost.Phone, "ask", ask):
        assert ferrypost.tried(CUT).startswith("All promises hold: 2 of 2")


@pytest.mark.parametrize("events", [[], [("fetch", "Left")], [("fail", "Left"), ("write", "Left")]])
def test_a_day_on_which_no_relay_takes_a_letter_proves_nothing(events):
    assert ferrypost.tried(events).startswith("Nothing was tried")


@pytest.mark.parametrize(
    "event",
    [("sink", "Left"), ("write", "Middle"), ("write",), ("fail",), (), ("cut", "Left"), "cut"],
)
def test_what_is_no_event_is_told(event):
    assert "is no event" in ferrypost.tried([event])
