"""What lesson 19 claims: orders of steps, records that forget, states that go back, resets."""

import re
from random import Random

import pytest
from hypothesis import find, settings
from hypothesis import strategies as st

from x3dhlab import scenes
from x3dhlab.attacks import lost_state, plain_inbox, redelivery
from x3dhlab.attacks.crashes import both_first
from x3dhlab.attacks.lost_state import KINDS, LOSSES, READ
from x3dhlab.attacks.redelivery import EVENTS, PLANS, RIGHT, TEXTS, play
from x3dhlab.grading.tasks.duplicates import FAULTS, TASKS
from x3dhlab.service.mailbox import Mailbox

ONCE, INVARIANTS = TASKS


def written(task, source=None):
    """The function of a task's answer, or of one of its mistakes."""
    names = {}
    exec(task.given + (source or task.reference), names)
    return names[task.function]


def mistaken(task, name):
    (source,) = (mistake.source for mistake in task.mistakes if mistake.name == name)
    return written(task, source)


# Steps and power cuts


def only_one_order_keeps_all(table):
    kept = [name for name, broken in table.items() if not any(broken)]
    others = [broken for name, broken in table.items() if name != RIGHT]
    return kept == [RIGHT] and all(sum(broken) == 1 for broken in others)


def test_only_one_transaction_and_then_the_acknowledgement_keeps_all_three_promises():
    assert only_one_order_keeps_all(redelivery.table())


def test_the_claim_about_orders_fails_when_the_power_never_fails():
    assert not only_one_order_keeps_all(redelivery.table(cuts=False))


def test_a_state_saved_before_its_text_loses_the_text_and_looks_like_a_copy():
    phone = play(PLANS["state, text, acknowledge"], ["write", "cut 1", "work"])
    assert phone.texts == () and not phone.pending
    assert [line.get("reason") for line in phone.history if line["op"] == "refuse"] == [
        "OldMessage"
    ]


def test_a_mailbox_takes_a_repetition_for_new_after_the_acknowledgement():
    relay = Mailbox()
    first, new = relay.put("Bob", "Alice", b"sealed", message_id="7")
    assert new and relay.put("Bob", "Alice", b"sealed", message_id="7") == (first, False)
    relay.acknowledge("Bob", [first])
    again, new = relay.put("Bob", "Alice", b"sealed", message_id="7")
    assert new and again > first


def test_the_phone_of_the_experiment_runs_again_at_every_change():
    experiment = scenes.your_phone()
    assert experiment.outcome["verdict"] == "holds"
    for plan, cut, word in (
        ("state, text, acknowledge", "after step 1", "lost"),
        ("text, state, acknowledge", "after step 1", "twice"),
        ("state with text; no word about copies", "after step 1", "for ever"),
        ("acknowledge, then the rest", "after step 1", "lost"),
    ):
        experiment.set(plan=plan, cut=cut)
        assert experiment.outcome["verdict"] == "falls" and word in experiment.outcome["sentence"]
    for cut in ("after step 1", "after step 2", "after step 3"):
        experiment.set(plan=RIGHT, cut=cut)
        assert experiment.outcome["verdict"] == "holds"


# The record


@pytest.mark.parametrize("room", [1, 2, 4, 7])
def test_a_record_forgets_alice_when_as_many_strangers_write_as_it_has_room(room):
    def reads(strangers, waits):
        return redelivery.evicted(room, strangers, waits).texts.count(TEXTS[0])

    assert (reads(room - 1, False), reads(room, False)) == (1, 2)
    assert reads(room, True) == reads(room + 3, True) == 1


def test_a_full_record_leaves_strangers_in_the_mailbox_unacknowledged():
    phone = redelivery.evicted(room=2, strangers=3, waits=True)
    waiting = {letter.sender for letter in phone.pending}
    assert len(phone.texts) == 2 and waiting == {"sender 3", "sender 4"}


def test_the_experiment_with_the_record_shows_both_harms():
    experiment = scenes.fill_the_record()
    assert experiment.outcome["verdict"] == "holds"
    experiment.set(strangers=4)
    assert experiment.outcome["verdict"] == "falls"
    experiment.set(full="leave new messages in the mailbox")
    assert experiment.outcome["verdict"] == "note"


# Invariants


def nothing_lost(history):
    accepted = set()
    for line in history:
        if line["op"] == "accept":
            accepted.add(line["message"])
        if line["op"] == "acknowledge" and line["message"] not in accepted:
            return False
    return True


def nothing_twice(history):
    accepted = [line["message"] for line in history if line["op"] == "accept"]
    return len(accepted) == len(set(accepted))


@pytest.mark.parametrize(
    ("plan", "holds", "length"),
    [
        ("acknowledge, then the rest", nothing_lost, 2),
        ("state, text, acknowledge", nothing_lost, 3),
        ("text, state, acknowledge", nothing_twice, 3),
    ],
)
def test_a_search_finds_the_shortest_run_that_breaks_a_phone(plan, holds, length):
    runs = st.lists(st.sampled_from(EVENTS), max_size=7)
    quiet = settings(derandomize=True, database=None, deadline=None, max_examples=60)
    found = find(
        runs,
        lambda run: not holds(play(PLANS[plan], run).history),
        settings=quiet,
        random=Random(2),
    )
    assert len(found) == length
    for place in range(length):
        shorter = found[:place] + found[place + 1 :]
        assert holds(play(PLANS[plan], shorter).history)


def not_after_its_acknowledgement(history):
    acknowledged = set()
    for line in history:
        if line["op"] == "deliver" and line["message"] in acknowledged:
            return False
        if line["op"] == "acknowledge":
            acknowledged.add(line["message"])
    return True


@pytest.mark.parametrize("plan", PLANS)
def test_every_phone_is_handed_what_it_acknowledged_when_its_sender_repeats(plan):
    run = ["write", "work", "again", "work"]
    assert not not_after_its_acknowledgement(play(PLANS[plan], run).history)
    for place in range(len(run)):
        shorter = run[:place] + run[place + 1 :]
        assert not_after_its_acknowledgement(play(PLANS[plan], shorter).history)


def test_two_hundred_runs_find_what_is_handed_out_again():
    found = find(
        st.lists(st.sampled_from(EVENTS), max_size=7),
        lambda run: not not_after_its_acknowledgement(play(PLANS[RIGHT], run).history),
        settings=settings(derandomize=True, database=None, deadline=None, max_examples=200),
        random=Random(2),
    )
    assert found == ["write", "work", "again", "work"]


@pytest.mark.parametrize(
    ("mistake", "length", "words"),
    [
        ("no record at all", 2, "a text stands twice"),
        ("a copy is not acknowledged", 2, "will come for ever"),
        ("the text is not saved", 1, "its text is nowhere"),
        ("the one-time key kept", 1, "alive after its use"),
        ("remembered before it opened", 1, "a forgery changed the state"),
        ("an error that stops the queue", 1, "the queue stops: DecryptionFailed"),
        ("the oldest entry deleted", 4, "a text stands twice"),
        ("room before copy", 3, "will come for ever"),
        ("no acknowledgement for used_key", 2, "will come for ever"),
        ("an argument changed in place", 1, "changed in place"),
        ("the whole state changed in place", 1, "changed in place"),
    ],
)
def test_the_search_of_the_exercise_names_the_shortest_break(mistake, length, words):
    *steps, fault = plain_inbox.shortest_break(mistaken(ONCE, mistake)).splitlines()
    assert len(steps) == length and words in fault


def test_the_search_of_the_exercise_finds_nothing_in_the_right_answer():
    assert "none breaks it" in plain_inbox.shortest_break(written(ONCE))


def test_when_an_old_prekey_goes_a_waiting_message_for_the_new_one_is_accepted():
    start = plain_inbox.state(Random(19), spks=(1, 2), keys=(), room=1)
    first, new, old = (
        plain_inbox.write(start, number, spk, None, b"Hello %d" % number, bytes([number]) * 32)
        for number, spk in ((1, 1), (2, 2), (3, 1))
    )
    now, said = start, []
    for event in (first, new, old, {"kind": "retire", "spk": 1}, new, old):
        now, effects = written(ONCE)(now, event)
        said.append([effect[-1] for effect in effects])
    full = ["record_full"]
    assert said == [[1], full, full, [], [2], [3, "unknown_prekey"]]
    assert now["texts"] == [b"Hello 1", b"Hello 2"]


def test_feedback_on_a_history_names_the_line_that_breaks_it():
    invariants = written(INVARIANTS)
    broken = [case for case in INVARIANTS.cases(1) if invariants(case.arguments[0])]
    assert broken
    for case in broken:
        (history,) = case.arguments
        words = INVARIANTS.explain(case, [])
        name, line = re.match(r"(\w+) is missing. .* line (\d+) of", words).groups()
        assert name not in invariants(history[: int(line) - 1])
        assert name in invariants(history[: int(line)])


def test_feedback_on_a_sound_history_names_what_holds():
    (case, *_) = INVARIANTS.cases(1)
    assert INVARIANTS.explain(case, ["key_used_twice"]).startswith("key_used_twice holds")


def test_every_fault_that_is_put_into_a_history_is_named():
    invariants = written(INVARIANTS)
    for seed in range(20):
        found = [invariants(case.arguments[0]) for case in INVARIANTS.cases(seed)]
        about = [case.about for case in INVARIANTS.cases(seed)]
        assert all(not names for names, words in zip(found, about, strict=True) if "sound" in words)
        assert {name for names in found if len(names) == 1 for name in names} == set(FAULTS)
        assert sorted(FAULTS) in found


def test_the_histories_of_the_task_are_histories_of_the_worlds():
    from x3dhlab.worlds import history

    for case in INVARIANTS.cases(1):
        assert history.loads(history.dumps(case.arguments[0])) == case.arguments[0]


# States that go back


@pytest.mark.parametrize("unsaved", [1, 7])
def test_a_writer_who_goes_back_uses_keys_twice_and_is_taken_for_a_copy(unsaved):
    found = lost_state.sender_crashes(unsaved, later=12)
    assert found.twice == unsaved
    assert found.after == {"OldMessage": unsaved, READ: 12 - unsaved}


def test_a_writer_who_lost_a_ratchet_key_is_never_read_again():
    assert lost_state.sender_crashes(7, later=30, turn=True).after == {"DecryptionFailed": 30}


def test_a_reader_who_goes_back_reads_copies_and_goes_on():
    found = lost_state.reader_crashes(7)
    assert found.copies == 7 and found.after == {READ: 3}


def test_a_state_that_was_saved_loses_nothing():
    assert lost_state.sender_crashes(0).after == {READ: 12}
    assert lost_state.reader_crashes(0).copies == 0
    experiment = scenes.crash_of_a_cache()
    experiment.set(unsaved=0)
    assert experiment.outcome["verdict"] == "holds"


def test_one_row_for_each_pair_loses_messages_and_all_sessions_lose_none():
    assert both_first(keeps_all=False).succeeded
    assert not both_first(keeps_all=True).succeeded


def test_saving_is_timed_in_steps():
    times = scenes.times_of_saving(messages=20)
    parts = times["encrypt"] + times["write as bytes"] + times["save"]
    assert times["in all"] == pytest.approx(parts)
    assert times["in all, saved once for ten"] < times["in all"]


# What is lost with a phone


def each_kind_needs_its_own(said):
    first, plain, later = KINDS
    unread = {loss: {k for k, word in row.items() if word != READ} for loss, row in said.items()}
    return (
        unread["one-time private halves"] == {first}
        and unread["old signed private half"] == {first, plain}
        and unread["sessions"] == {later}
        and not unread["nothing is lost"]
    )


def test_each_kind_of_message_needs_its_own_private_part():
    assert each_kind_needs_its_own({loss: lost_state.after_loss(loss) for loss in LOSSES})


def test_the_claim_about_losses_fails_when_the_ring_stays(monkeypatch):
    monkeypatch.setitem(LOSSES, "one-time private halves", lambda device: device)
    assert not each_kind_needs_its_own({loss: lost_state.after_loss(loss) for loss in LOSSES})


def test_a_counter_that_is_kept_names_the_cause_and_a_new_one_hides_it():
    first, plain, _ = KINDS
    kept = lost_state.after_loss("all but identity key, counter")
    lost = lost_state.after_loss("all but the identity key")
    assert (kept[first], kept[plain]) == ("UsedPreKey", "UsedPreKey")
    assert (lost[first], lost[plain]) == ("DecryptionFailed", "DecryptionFailed")


# Sessions and resets


def test_old_sessions_rest_and_the_one_that_opens_is_the_newest():
    states = [(state, kept) for _, state, kept in lost_state.life()]
    waits, answered = "waits for an answer", "answered"
    assert states == [
        ("none", 0),
        (waits, 1),
        (answered, 1),
        (answered, 1),
        (waits, 2),
        (answered, 2),
    ]


def test_a_rotation_does_not_lock_out_the_thief_of_a_session():
    assert lost_state.rotated_in_session()


@pytest.mark.parametrize("requests", [0, 1, 5])
def test_a_reset_on_anybodys_word_costs_a_message_and_a_key_each_time(requests):
    found = lost_state.false_resets(requests, lost_state.forgetful)
    assert (found.keys, found.answers[READ]) == (requests, 0)
    careful = lost_state.false_resets(requests, lost_state.careful)
    assert (careful.keys, careful.answers[READ]) == (0, requests)


def test_a_reset_that_clears_all_lets_a_payment_come_again_and_each_half_stops_it():
    from dataclasses import replace

    def without(**names):
        return lambda device, peer: replace(device, **names)

    assert lost_state.replay_after(without(sessions={}, accepted={})) == READ
    assert lost_state.replay_after(without(sessions={})) == "Replayed"
    assert lost_state.replay_after(without(accepted={})) == "OldMessage"


def test_the_experiment_with_the_reset_runs_both():
    experiment, payment = scenes.your_reset(), "an old payment comes again"
    assert experiment.outcome["verdict"] == "falls"
    assert dict(experiment.outcome["facts"])[payment] == "Bob reads it"
    experiment.set(reset="keep all")
    assert experiment.outcome["verdict"] == "holds"
    assert dict(experiment.outcome["facts"])[payment] == "refused: OldMessage"
