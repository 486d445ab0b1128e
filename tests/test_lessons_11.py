"""What lesson 11 claims: when a thief of a state is shut out, what it costs, what does not help."""

import random
from dataclasses import replace
from types import MappingProxyType

import pytest

from x3dhlab import ratchet, scenes
from x3dhlab.attacks import healing
from x3dhlab.attacks.ratchets import AD
from x3dhlab.errors import DecryptionFailed, LowOrderKey, OldMessage
from x3dhlab.grading.tasks import healing as tasks
from x3dhlab.primitives import AES_256_GCM, CBC_HMAC
from x3dhlab.proof import stolen, verdicts

EVERYTHING = list(range(2, 11))
THREE = healing.READING, healing.WRITING, healing.FIFTY


def opens(run, who, after, also=()):
    found = verdicts(run.trace, stolen(run.states[who, after]) | set(also))
    return [number for number, verdict in enumerate(found, 1) if verdict.readable]


def oracle():
    """The two functions of the task's answer."""
    made: dict = {}
    exec(tasks.WALK + tasks.READABLE, made)
    return made["readable"], made["walk"]


def as_messages(script):
    names = {"A": "Alice", "B": "Bob"}
    return [[names[letter.upper()], letter.isupper()] for letter in script.split()]


# The rule


@pytest.mark.parametrize(
    "script",
    [
        "A B A B A B",
        "A A B a A B A",
        "A B A a A B A B A B",
        "A b A b A B A B A",
        "A B b b B A a B",
        "A A A A",
    ],
)
def test_the_rule_says_for_every_theft_what_the_proof_finds(script):
    readable, _ = oracle()
    run = scenes.conversation(script)
    thefts = [theft for theft, state in run.states.items() if state]
    assert thefts
    for who, after in thefts:
        assert opens(run, who, after) == readable(as_messages(script), who, after)


def test_the_rule_holds_for_conversations_drawn_by_chance():
    readable, _ = oracle()
    rng, checked = random.Random(11), 0
    while checked < 200:
        script = tasks._script(rng)
        try:
            run = scenes.conversation(script)
        except Exception as refusal:
            assert type(refusal).__name__ in ("NoSession", "NotReadyToSend")
            continue
        for (who, after), state in run.states.items():
            if state:
                assert opens(run, who, after) == readable(as_messages(script), who, after)
                checked += 1


def test_two_changes_of_direction_after_a_message_of_ones_own_and_three_after_a_read_one():
    run = scenes.conversation("A B A B A B A B")
    assert opens(run, "Alice", 3) == [4]
    assert opens(run, "Alice", 4) == [5, 6]
    assert opens(run, "Alice", 3, also=stolen(run.states["Bob", 3])) == [4, 5]


def test_the_thief_who_uses_the_copy_reads_what_the_proof_finds():
    for senders in ("ABABAB", "AABBAABB", "ABBBAAAB"):
        run, talk = scenes.conversation(" ".join(senders)), healing.talk(senders)
        for (who, after), state in run.states.items():
            if state:
                assert healing.listen(talk, who[0], after) == opens(run, who, after)


def test_a_weak_key_delays_and_a_weak_generator_prevents_healing():
    run = scenes.conversation("A B A B A B A B A B")
    weak = [run.states["Alice", n].DHs.private for n in range(4, 11)]
    assert opens(run, "Alice", 3, also=weak[:1]) == [4, 5, 6]
    assert opens(run, "Alice", 3, also=weak) == list(range(4, 11))


def test_a_skipped_key_survives_every_turn_until_it_is_removed():
    run = scenes.conversation("A B A a A B A B A B")
    assert [opens(run, "Bob", n)[0] for n in range(5, 11)] == [4] * 6
    state = replace(run.states["Bob", 10], MKSKIPPED=MappingProxyType({}))
    assert not any(verdict.readable for verdict in verdicts(run.trace, stolen(state)))


# The matrix


def test_the_matrix_of_the_lesson_is_what_its_answer_says():
    thefts = ("Alice", 1), ("Bob", 2), ("Bob", 5)
    matrix = scenes.conversation_matrix("A A B a A B A", thefts, id="test.11")
    told = [[2, 3], [3, 4, 5], [4, 6, 7]]
    for row in range(7):
        for column, numbers in enumerate(told):
            matrix.predict(row, column, "falls" if row + 1 in numbers else "holds")
    matrix.reveal()
    assert matrix.outcome["right"] == matrix.outcome["of"] == 21


# The key figure


def claim(cost):
    """Answers: the rhythm of the conversation. Late keys: half of it. Fifty: more than fifty."""
    reading, writing = cost[healing.READING], cost[healing.WRITING]
    return (
        reading[0] < 2
        and reading == sorted(reading)
        and all(late <= early / 2 for late, early in zip(writing, reading, strict=True))
        and min(cost[healing.FIFTY]) > 50
    )


@pytest.fixture(scope="module")
def cost():
    return healing.cost_of_a_theft()


def test_a_theft_costs_the_rhythm_of_the_conversation_or_the_fixed_number(cost):
    assert claim(cost)
    assert cost[healing.TEN][-1] < cost[healing.READING][-1]  # the lines cross


def test_the_claim_fails_when_the_phones_never_turn(monkeypatch):
    pair = healing._pair
    monkeypatch.setattr(healing, "_pair", lambda rule: pair(healing.NEVER))
    never = healing.cost_of_a_theft((1,), THREE)
    assert not claim(never)


def test_the_claim_fails_when_the_late_key_is_made_early(monkeypatch):
    monkeypatch.setitem(healing._EVERY, healing.WRITING, 10)
    assert not claim(healing.cost_of_a_theft((1,), THREE))


@pytest.mark.parametrize("rule", healing.RULES)
def test_the_phones_of_every_rule_understand_each_other(rule):
    talk = healing.talk("AABABBBAAB" * 12, rule)
    assert len(talk.sent) == 120
    keys = {message.header.ratchet_key for _, message in talk.sent}
    assert (len(keys) == 2) == (rule == healing.NEVER)


@pytest.mark.parametrize("senders", ["", "B", "BA", "AxB"])
def test_what_is_no_conversation_is_refused(senders):
    with pytest.raises(ValueError):
        healing.talk(senders)


def test_only_an_answer_ends_a_monologue():
    assert healing.listen(healing.talk("A" * 20), "A", 1) == list(range(2, 21))
    assert healing.listen(healing.talk("A" * 10 + "B" + "A" * 9), "A", 1)[-1] == 11


def test_fifty_of_ones_own_cost_ninety_nine_where_an_answer_costs_one():
    counts = {
        rule: len(healing.listen(healing.talk("AB" * 150, rule), "A", 101))
        for rule in (healing.READING, healing.FIFTY)
    }
    assert counts == {healing.READING: 1, healing.FIFTY: 99}


# An attacker who stays


def read_by_eve(told):
    return [number for number, (_, reads, _) in enumerate(told, 1) if reads]


def refusals(told):
    return [n for n, (*_, text) in enumerate(told, 1) if text != f"message {n}"]


def test_who_relays_everything_reads_everything_and_nobody_notices():
    told = healing.stay("ABABABABAB", 1, 2, 10)
    assert read_by_eve(told) == EVERYTHING and not refusals(told)


@pytest.mark.parametrize("last", range(2, 10))
def test_both_phones_refuse_as_soon_as_the_relaying_ends(last):
    told = healing.stay("ABABABABAB", 1, 2, last)
    assert read_by_eve(told) == list(range(2, last + 1))
    assert refusals(told) == list(range(last + 1, 11))


@pytest.mark.parametrize(("after", "healed"), [(1, 3), (2, 5), (3, 5), (4, 7)])
def test_she_must_begin_before_the_first_chain_with_two_new_keys(after, healed):
    for begin in range(after + 1, 11):
        told = healing.stay("ABABABABAB", after, begin, 10)
        end = 11 if begin < healed else healed
        assert read_by_eve(told) == list(range(after + 1, end)) and not refusals(told)


def test_the_experiment_has_all_three_endings():
    experiment = scenes.stay_between()
    seen = [experiment.outcome["verdict"]]
    for change in ({"begin": 3}, {"begin": 2, "last": 5}):
        experiment.set(**change)
        seen.append(experiment.outcome["verdict"])
    assert seen == ["falls", "holds", "note"]


def test_eve_reads_no_more_is_said_only_of_messages_that_she_does_not_read():
    experiment = scenes.stay_between()
    for after, begin in ((1, 3), (2, 5), (4, 7), (9, 10)):
        experiment.set(after=after, begin=begin, last=10)
        last = read_by_eve(healing.stay("ABABABABAB", after, begin, 10))[-1]
        sentence = experiment.outcome["sentence"]
        assert f"From message {last + 1} on" in sentence or (
            last == 10 and "to the end" in sentence
        )


@pytest.mark.parametrize(("after", "begin", "last"), [(1, 2, 1), (1, 3, 2), (5, 6, 5), (5, 5, 9)])
def test_a_relay_that_begins_before_its_copy_or_after_its_end_is_refused(after, begin, last):
    with pytest.raises(ValueError, match="let her"):
        healing.stay("ABABABABAB", after, begin, last)
    experiment = scenes.stay_between()
    experiment.set(after=after, begin=begin, last=last)
    assert experiment.outcome["verdict"] == "note" and not experiment.outcome["facts"]


def test_the_theft_is_played_again_at_every_change():
    experiment = scenes.steal_a_state()
    seen = [experiment.outcome["sentence"]]
    for change in ({"after": 2}, {"rule": healing.WRITING}, {"rule": healing.NEVER}):
        experiment.set(**change)
        seen.append(experiment.outcome["sentence"])
    assert len(set(seen)) == 4 and experiment.outcome["verdict"] == "falls"
    experiment.set(senders="A B")
    assert experiment.outcome["verdict"] == "note"


@pytest.mark.parametrize("change", [{"senders": "B A"}, {"senders": ""}, {"after": 7}])
def test_a_theft_that_cannot_be_played_is_explained(change):
    experiment = scenes.steal_a_state()
    experiment.set(**change)
    assert experiment.outcome["verdict"] not in ("falls", "holds")


# States that should not exist


def restored(aead):
    alice, bob = healing.states(aead)
    after, first = ratchet.encrypt(alice, b"yes, I will come on Friday", AD)
    _, second = ratchet.encrypt(alice, b"no, my brother is in jail.", AD)
    bob, _ = ratchet.decrypt(bob, first, AD)
    return bob, first, second


def xor(a, b):
    return bytes(x ^ y for x, y in zip(a, b, strict=False))


def test_a_restored_state_gives_away_the_xor_of_two_texts_and_its_message_is_dropped():
    bob, first, second = restored(AES_256_GCM)
    assert first.header == second.header
    both = xor(first.ciphertext, second.ciphertext)
    assert xor(both, b"yes, I will come on Friday") == b"no, my brother is in jail."
    with pytest.raises(OldMessage):
        ratchet.decrypt(bob, second, AD)


def test_with_cbc_the_xor_of_two_texts_does_not_show():
    _, first, second = restored(CBC_HMAC)
    both = xor(first.ciphertext, second.ciphertext)
    assert xor(both, b"yes, I will come on Friday") != b"no, my brother is in jail."


def test_zeros_for_an_empty_state_open_a_message_that_nobody_with_a_secret_made():
    _, bob = healing.states()
    forged = healing.zero_forgery(b"forged")
    zeroed = replace(bob, DHr=bytes(32), CKr=bytes(32))
    assert ratchet.decrypt(zeroed, forged, AD)[1] == b"forged"
    with pytest.raises(LowOrderKey):
        ratchet.decrypt(bob, forged, AD)
    with pytest.raises(DecryptionFailed):
        ratchet.decrypt(replace(zeroed, CKr=None), forged, AD)
