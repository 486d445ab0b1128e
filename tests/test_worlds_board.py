"""The decision board's worlds: what each option keeps and serves, and what an attack changes."""

from dataclasses import replace
from unittest.mock import patch

import pytest

from x3dhlab import primitives
from x3dhlab.attacks.server import Relay
from x3dhlab.errors import IdentityMismatch, StoreUnavailable
from x3dhlab.party import LocalTransport, Party
from x3dhlab.service.store import PreKeyStore
from x3dhlab.worlds import board, lost_phone, people, regions
from x3dhlab.worlds.audited import Directory, LooksUp, head
from x3dhlab.worlds.people import ACTS, REQUESTS, Tally

# The map


def test_a_head_tells_names_from_keys_and_does_not_know_an_order():
    one, other = {"ab": b"c", "d": b"e"}, {"d": b"e", "ab": b"c"}
    assert head(one) == head(other)
    assert head({"ab": b"c"}) != head({"a": b"bc"})
    assert len({head({}), head(one), head(one | {"d": b"f"})}) == 3


@pytest.fixture
def town():
    """Alice looks Bob up in a directory: (alice, bob, directory)."""
    network, directory = LocalTransport(PreKeyStore()), Directory()
    alice, bob = LooksUp("Alice", network, one_time=0), Party("Bob", network, one_time=3)
    alice.directory = directory
    bob.publish()
    directory.entries["Bob"] = bob.identity.public
    return alice, bob, directory


def test_a_listed_key_is_taken_and_a_view_for_one_person_is_not(town):
    alice, bob, directory = town
    directory.views["Alice"] = {"Bob": bytes(32)}
    with pytest.raises(IdentityMismatch, match="another list"):
        alice.send("Bob", b"hello")
    directory.views.clear()
    alice.send("Bob", b"hello")
    assert [one.plaintext for one in bob.receive()] == [b"hello"]


def test_a_key_that_the_list_does_not_have_is_refused(town):
    alice, _, directory = town
    directory.entries["Bob"] = bytes(32)
    with pytest.raises(IdentityMismatch, match="another key"):
        alice.send("Bob", b"hello")
    assert "Bob" not in alice.pins


def test_without_an_observer_nothing_is_sent(town):
    alice, bob, directory = town
    directory.observer_up = False
    with pytest.raises(StoreUnavailable):
        alice.send("Bob", b"hello")
    assert bob.receive() == []


def test_the_list_is_followed_when_a_person_has_a_new_phone():
    network, directory = people.Accounts(), Directory()
    alice = LooksUp("Alice", network, one_time=0)
    alice.directory = directory
    for _ in range(2):
        network.renew("Bob")
        network._later = PreKeyStore()
        bob = Party("Bob", network, one_time=1)
        bob.publish()
        directory.entries["Bob"] = bob.identity.public
        alice.send("Bob", b"hello")
        assert [one.plaintext for one in bob.receive()] == [b"hello"]


# Every row


EACH = pytest.mark.parametrize(
    ("decision", "option"),
    [(decision, option) for decision in board.OPTIONS for option in board.OPTIONS[decision]],
)


@EACH
def test_an_option_counts_shares_and_the_same_seed_gives_the_same(decision, option):
    first = board.run(decision, option, 5)
    assert 0 <= first.kept <= first.secrets and first.secrets > 0
    assert 0 <= first.served <= first.wanted and first.wanted > 0
    assert set(first.effort) <= {ACTS, REQUESTS} and min(first.effort.values()) >= 0
    assert len(first.seen) >= 2
    board.run.cache_clear()
    assert board.run(decision, option, 5) == first


@pytest.mark.parametrize("decision", board.OPTIONS)
def test_another_seed_gives_another_run(decision):
    options = board.OPTIONS[decision]
    runs = {
        (option, seed): board.run(decision, option, seed) for option in options for seed in (5, 6)
    }
    assert any(runs[option, 5] != runs[option, 6] for option in options)


def test_what_does_not_stand_on_the_board_is_refused():
    for decision, option in (("store", "a wish"), ("lunch", "soup")):
        with pytest.raises(ValueError, match="no option"):
            board.run(decision, option)
    with pytest.raises(ValueError, match="no option"):
        board.design({"store": "one region decides"})


def test_all_options_of_a_row_meet_the_same_people():
    for decision in ("identity keys", "devices", "backup"):
        runs = [board.run(decision, option, 5) for option in board.OPTIONS[decision]]
        assert len({(one.secrets, one.wanted) for one in runs}) == 1


# What an attack does in a row, and what happens when it is taken out


def played(function, option, seed=5):
    with primitives.deterministic(f"a test {seed}"):
        return function(option, seed)


def test_pins_let_a_first_key_pass_and_the_map_keeps_most_of_it():
    pins, mapped = (played(people.identity, option) for option in (people.PINS, people.MAP))
    assert pins.kept < pins.secrets / 2 < mapped.kept
    assert mapped.effort[REQUESTS] > pins.effort[REQUESTS] == 0


def test_if_everybody_compares_before_writing_pins_keep_more():
    seldom = played(people.identity, people.PINS)
    with patch.object(people, "COMPARES", 1.1):
        always = played(people.identity, people.PINS)
    share = [one.kept / one.secrets for one in (seldom, always)]
    assert share[1] > share[0] + 0.2 and always.effort[ACTS] > seldom.effort[ACTS]


def test_a_map_whose_views_are_not_compared_keeps_less():
    def blind(directory, who, name):
        return directory.shown(who).get(name)

    careful = played(people.identity, people.MAP)
    with patch.object(Directory, "listed", blind):
        careless = played(people.identity, people.MAP)
    assert careless.kept < careful.kept


def test_without_attacks_and_new_phones_pins_serve_everything():
    with patch.multiple(people, ATTACKED=-1, NEW_PHONE=-1):
        quiet = people._Contacts(people.PINS, 5)
        for number in range(4):
            quiet.pair(number)
    assert quiet.count["served"] == quiet.count["wanted"] == 4 * people.MESSAGES
    assert quiet.secrets == 0


def test_only_a_signed_list_stops_the_servers_device_and_the_thief():
    listed, signed, shared = (
        played(people.devices, option) for option in (people.LISTED, people.SIGNED, people.SHARED)
    )
    assert signed.kept == signed.secrets > max(listed.kept, shared.kept)
    assert "0 messages of a thief" in listed.seen[1] and "0 messages went" in shared.seen[0]
    assert signed.served < signed.wanted  # who lost the phone cannot sign for the tablet
    assert listed.served == listed.wanted


def test_a_server_without_a_device_of_its_own_reads_nothing():
    with patch.object(people, "RogueDevice", Quiet):
        assert "0 messages went" in played(people.devices, people.LISTED).seen[0]


class Quiet(Relay):
    """Names the honest devices only."""

    def __init__(self, inner, name):
        super().__init__(inner)

    def named(self, devices):
        return devices


def test_a_required_key_keeps_all_and_serves_less_and_limits_help_both():
    optional, required, limited = (
        played(people.one_time, option) for option in board.OPTIONS["one-time keys"]
    )
    assert optional.kept < optional.secrets and optional.served == optional.wanted
    assert required.kept == required.secrets and limited.kept == limited.secrets
    assert required.served < limited.served


def test_if_nobody_empties_the_pool_the_three_are_alike():
    with patch.object(people, "drain", lambda *how, **more: {}):
        runs = [played(people.one_time, option) for option in board.OPTIONS["one-time keys"][:2]]
    assert all(one.kept == one.secrets and one.served == one.wanted for one in runs)


# A lost phone


def test_each_backup_loses_something_else():
    nothing, keys, whole = (played(lost_phone.backup, option) for option in board.OPTIONS["backup"])
    assert nothing.served < min(keys.served, whole.served)
    assert keys.kept == keys.secrets == nothing.kept and whole.kept < whole.secrets
    assert "0 old messages are gone, 0 on their way" in whole.seen[0]
    assert "0 old messages are gone" in keys.seen[0] and ", 0 on" not in keys.seen[0]


def test_a_restored_session_shows_the_xor_of_two_texts():
    texts = {}
    real = lost_phone._Keeping.send

    def send(network, sender, recipient, data):
        texts[data] = world_text[-1]
        real(network, sender, recipient, data)

    world_text, make = [], lost_phone._World.text
    with (
        patch.object(lost_phone._Keeping, "send", send),
        patch.object(
            lost_phone._World, "text", lambda w: world_text.append(make(w)) or world_text[-1]
        ),
    ):
        whole = played(lost_phone.backup, lost_phone.WHOLE)
    assert whole.kept < whole.secrets
    seen = {}
    for data, text in texts.items():
        header, sealed = lost_phone._parts(data)
        seen.setdefault(header, []).append((sealed, text))
    pairs = [pair for pair in seen.values() if len(pair) == 2]
    assert pairs
    for (c1, m1), (c2, m2) in pairs:
        assert xor(c1[: len(m1)], c2[: len(m2)]) == xor(m1, m2)


def xor(one, other):
    return bytes(a ^ b for a, b in zip(one, other, strict=True))


def test_if_nobody_loses_the_phone_the_backups_are_alike():
    with patch.object(lost_phone._World, "restore", lambda world: None):
        runs = [played(lost_phone.backup, option) for option in board.OPTIONS["backup"]]
    assert len({(one.kept, one.served) for one in runs}) == 1
    assert all(one.kept == one.secrets and one.served == one.wanted for one in runs)


# The two rows that worlds play


def test_regions_that_answer_alone_lose_messages_and_give_more_keys():
    alone, one_place = (
        board.run("store", option, 5) for option in ("every region by itself", "one region decides")
    )
    assert alone.served < one_place.served == one_place.wanted
    assert alone.kept > one_place.kept and "0 keys were given out twice" in one_place.seen[0]


def test_without_outages_only_copies_on_their_way_lose_a_message():
    with patch.object(board, "OUTAGES", ()):
        lost = {option: _lost(board._store(option, 5)) for option in board.STORES}
    few = lost.pop("every region by itself")
    assert 0 < few < _lost(board.run("store", "every region by itself", 5)) / 3
    assert not any(lost.values())


def _lost(tally):
    return tally.wanted - tally.served


def test_longer_retention_serves_more_and_keeps_less():
    runs = [board.run("rotation", option, 5) for option in board.ROTATIONS]
    assert [one.served / one.wanted for one in runs] == sorted(
        one.served / one.wanted for one in runs
    )
    assert [one.kept / one.secrets for one in runs] == sorted(
        (one.kept / one.secrets for one in runs), reverse=True
    )


def test_the_store_row_uses_the_four_designs_of_the_regions():
    assert set(board.STORES.values()) == {
        *regions.DESIGNS.values(),
        regions.SHARES,
    }


# The score


ROW = Tally(9, 10, 97, 100, {ACTS: 1, REQUESTS: 30})


def test_confidentiality_is_the_weakest_row_availability_a_product_effort_a_sum():
    weak = replace(ROW, kept=2, served=50)
    assert board.score([ROW, weak]) == {"confidentiality": 20, "availability": 48, "effort": 100}
    assert board.score([ROW] * 6)["availability"] == 83  # 0.97 to the sixth
    assert board.score([ROW], {ACTS: 0, REQUESTS: 1})["effort"] == 30


def test_the_learners_answer_scores_as_the_board_does():
    from x3dhlab.grading.tasks import board as tasks
    from x3dhlab.scenes import board as scene

    learned = {}
    exec(tasks.SCORE, learned)  # the reference answer of the task
    for choices in (scene.AVAILABLE_FIRST, scene.SECURE_FIRST):
        found = learned["score"](scene.rows(choices), board.WEIGHTS)
        assert scene.scored(choices).items() <= found.items()
