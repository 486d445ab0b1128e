"""What lesson 10 claims: turns, headers, what disorder costs, what a forger can do, properties."""

import functools
import itertools
import json
from dataclasses import replace

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from x3dhlab import course, ratchet, scenes
from x3dhlab.attacks import ratchets
from x3dhlab.attacks.ratchets import (
    DESIGN_C,
    NOTHING_KEPT,
    ONE_CHAIN,
    RATCHETS,
    RIGHT,
    USED_KEPT,
    Rules,
    phones,
    tried,
)
from x3dhlab.errors import Replayed, UsedPreKey
from x3dhlab.grading.tasks import TASKS
from x3dhlab.keys import KeyPair
from x3dhlab.proof import stolen
from x3dhlab.ratchet import MAX_SKIP
from x3dhlab.scenes.double_ratchet import chains
from x3dhlab.wire import Message

quiet = settings(
    derandomize=True, database=None, deadline=None, max_examples=60, phases=[Phase.generate]
)


def made(**rules):
    return functools.partial(phones, Rules(**rules))


# The first sitting


@pytest.mark.parametrize(
    ("script", "count"),
    [("A A A A A", 1), ("A B A B A", 5), ("A A B B A A", 3), ("A A b A", 2), ("A A a B A", 3)],
)
def test_the_direction_turns_the_ratchet_and_a_lost_answer_does_not(script, count):
    run = scenes.conversation(script)
    found = chains(run)
    roots = {chain["root"] for chain in found}
    keys = {chain["keys"][0] for chain in found}
    assert len(found) == len(roots) == len(keys) == count
    assert sum(len(chain["messages"]) for chain in found) == len(script.split())


def test_the_tree_names_both_keys_of_each_turn():
    text = scenes.key_tree(scenes.conversation("A B A b A"))
    assert [line.split("  ")[1] for line in text.splitlines() if "DH(" in line] == [
        "DH(a1, SPK_B)",
        "DH(b1, a1)",
        "DH(a2, b1)",
        "DH(b2, a2)",
    ]
    assert "message 4 (lost)" in text and "message 3, 5" in text


def test_the_experiment_shows_a_lost_message_in_the_length_of_its_chain():
    experiment = scenes.write_a_conversation()
    experiment.set(script="A A a B A")
    assert dict(experiment.outcome["facts"])["5. Alice writes"] == "a2, PN 3, N 0"


@pytest.mark.parametrize(("one_time", "error"), [(1, UsedPreKey), (0, Replayed)])
def test_a_repeated_handshake_belongs_to_its_session(one_time, error):
    """A42."""
    device, messages = ratchets.before_the_answer(5, one_time)
    forgetful, _ = ratchets.without_memory(device, messages[0])
    for data in messages[1:]:
        with pytest.raises(error):
            ratchets.without_memory(forgetful, data)
    texts = []
    for data in messages:
        device, text = ratchets.with_memory(device, data)
        texts.append(text)
    assert texts == [b"message %d" % n for n in range(1, 6)]


# The key figure


def order_costs_nothing_and_haste_costs_most(lost):
    """The claim below the figure."""
    late = range(2, len(ratchets.LATENESS))
    return (
        not any(lost[RIGHT])
        and all(0 < lost[ONE_CHAIN][n] < lost[DESIGN_C][n] for n in late)
        and all(lost[DESIGN_C][n] > ratchets.COUNT / 2 for n in late)
    )


def test_the_double_ratchet_reads_all_that_arrives_and_design_c_loses_most():
    assert order_costs_nothing_and_haste_costs_most(ratchets.lost_by_lateness())


@pytest.mark.parametrize(
    ("name", "rules"),
    [(RIGHT, Rules(previous=False)), (DESIGN_C, Rules(previous=False)), (ONE_CHAIN, Rules())],
)
def test_the_claim_about_disorder_fails_when_a_ratchet_gets_other_rules(monkeypatch, name, rules):
    monkeypatch.setitem(RATCHETS, name, functools.partial(phones, rules))
    assert not order_costs_nothing_and_haste_costs_most(ratchets.lost_by_lateness())


def test_in_order_every_ratchet_reads_everything():
    assert all(values[0] == 0 for values in ratchets.lost_by_lateness((0,)).values())


def test_one_key_is_kept_for_each_lost_message():
    run = scenes.conversation("A a a A B A a a A B A")
    for n in (4, 9, 11):
        lost = sum(lost for _, _, lost in run.lines[:n])
        assert len(run.states["Bob", n].MKSKIPPED) == lost > 0


# The attacks: each falls to one rule, and the Double Ratchet stops them


@pytest.mark.parametrize(
    ("network", "rule", "value"),
    [
        ("delivers in the order below", "previous", False),
        ("delivers in the order below", "keeps", False),
        ("delivers one message twice", "deletes", False),
        ("forges a new ratchet key", "changes", "before the message has opened"),
        ("sets PN to 0", "header", False),
        ("claims message 5,000", "limit", False),
    ],
)
def test_each_rule_of_the_experiment_stops_what_the_network_does(network, rule, value):
    experiment = scenes.your_ratchet()
    right = {"keeps": True, "previous": True, "header": True, "limit": True, "deletes": True}
    experiment.set(network=network, changes="after it has opened", **right)
    assert experiment.outcome["verdict"] == "holds"
    experiment.set(**{rule: value})
    assert experiment.outcome["verdict"] == "falls"


@pytest.mark.parametrize("order", ["A C", "hello", "A,A", "A-1", "A+", ""])
def test_the_experiment_says_what_an_order_must_look_like(order):
    experiment = scenes.your_ratchet()
    experiment.set(order=order)
    assert "write A or B, or" in experiment.outcome["sentence"]


def test_the_experiment_says_why_a_refused_change_costs_the_late_message():
    experiment = scenes.your_ratchet()
    experiment.set(network="sets PN to 0", header=True)
    assert "why the late one fails too" in dict(experiment.outcome["facts"])
    experiment.set(changes="after it has opened")
    assert "why the late one fails too" not in dict(experiment.outcome["facts"])


def test_one_chain_is_not_called_chains():
    experiment = scenes.write_a_conversation()
    experiment.set(script="A A")
    assert experiment.outcome["sentence"] == "2 messages, 1 chain, 1 root key."


def test_a_forged_turn_destroys_a_session_that_changes_first():
    """A45."""
    assert ratchets.forged_turn()[1] == "honest"
    assert ratchets.forged_turn(made(copies=False))[1] == "DecryptionFailed"


@pytest.mark.parametrize("field", ["previous_length", "number", "ratchet_key"])
@pytest.mark.parametrize("bound", [True, False])
def test_only_a_changed_pn_goes_unnoticed_and_only_without_a_tag(field, bound):
    """A47."""
    alice, bob = phones(Rules(header_in_ad=bound))
    bob.read(alice.write(b"one"))
    late = alice.write(b"two")
    alice.read(bob.write(b"answer"))
    message = alice.write(b"three")
    value = {"previous_length": 0, "number": 1, "ratchet_key": KeyPair.generate().public}[field]
    changed = replace(message, header=replace(message.header, **{field: value}))
    unnoticed = tried(bob, changed) == "three"
    assert unnoticed == (field == "previous_length" and not bound)
    assert (tried(bob, late) == "two") != unnoticed


def test_a_claimed_number_costs_its_steps_only_without_a_limit():
    """A44."""
    assert ratchets.claimed_jump(made(limit=None), 5000) == ("DecryptionFailed", 5000)
    assert ratchets.claimed_jump(claimed=5000) == ("TooManySkipped", 0)
    assert ratchets.claimed_jump(claimed=MAX_SKIP) == ("DecryptionFailed", MAX_SKIP)


def test_a_gap_above_the_limit_ends_the_session():
    alice, bob = phones()
    bob.read(alice.write(b"one"))
    for _ in range(MAX_SKIP + 1):
        alice.write(b"lost")
    assert tried(bob, alice.write(b"next")) == "TooManySkipped"
    alice.read(bob.write(b"answer"))
    assert tried(bob, alice.write(b"new chain")) == "TooManySkipped"


def test_a_phone_with_the_right_rules_is_the_packages_ratchet():
    """The phones of the lesson and `ratchet` read each other's messages."""
    alice, bob = phones()
    message = alice.write(b"one")
    state, text = ratchet.decrypt(bob.state, message, ratchets.AD)
    assert text == bob.read(message) == b"one"
    assert (state.CKr, state.Nr, state.PN) == (bob.state.CKr, bob.state.Nr, bob.state.PN)
    _, answer = ratchet.encrypt(bob.state, b"answer", ratchets.AD)
    assert alice.read(answer) == b"answer"


# Properties


def broken_by(check):
    return {name for name, verdict in ratchets.judge(check).items() if verdict != "holds"}


def test_permutations_of_one_chain_find_one_fault_and_both_directions_find_three():
    """What the lesson says of design D's sample, and what the exercise asks for."""

    @quiet
    @given(order=st.permutations(range(6)))
    def one_direction(make, order):
        alice, bob = make()
        sent = [alice.write(b"%d" % n) for n in range(6)]
        assert [bob.read(sent[n]) for n in order] == [b"%d" % n for n in order]

    pairs = st.tuples(st.sampled_from("AB"), st.integers(0, 5))

    @settings(quiet, max_examples=100)
    @given(order=st.lists(pairs, min_size=6, max_size=16))
    def any_order(make, order):
        assert ratchets.talk(order, make) == []

    assert broken_by(one_direction) == {NOTHING_KEPT}
    assert broken_by(any_order) == {NOTHING_KEPT, ONE_CHAIN, DESIGN_C}


def test_short_lists_and_another_spelling_find_three_as_well():
    pairs = st.tuples(st.sampled_from("AB"), st.integers(0, 5))
    generated = settings(quiet, max_examples=100, phases=[Phase.generate])

    @generated
    @given(order=st.lists(pairs, max_size=8))
    def nothing_is_lost(make, order):
        assert not ratchets.talk(order, make)

    @generated
    @given(order=st.lists(pairs, max_size=8))
    def no_text_is_unread(make, order):
        assert len(ratchets.talk(order, make)) == 0

    for check in (nothing_is_lost, no_text_is_unread):
        assert broken_by(check) == {NOTHING_KEPT, ONE_CHAIN, DESIGN_C}


def test_used_keys_are_found_in_the_state_that_keeps_them():
    def used_keys_are_gone(make):
        alice, bob = make()
        for _ in range(3):
            message_key = ratchet.kdf_ck(alice.state.CKs)[1]
            bob.read(alice.write(b"text"))
            assert message_key not in stolen(bob.state)

    assert broken_by(used_keys_are_gone) == {USED_KEPT}


def test_four_messages_show_the_fault_of_design_c_and_no_three_do():
    smallest = [("A", 0), ("A", 2), ("B", 0), ("A", 0)]
    assert ratchets.talk(smallest, RATCHETS[ONE_CHAIN]) == ["A1"]
    pairs = list(itertools.product("AB", range(3)))
    for order in itertools.product(pairs, repeat=3):
        assert ratchets.talk(order, RATCHETS[ONE_CHAIN]) == []


def test_a_delayed_message_arrives_behind_those_that_arrive_then():
    assert ratchets.talk([("A", 1), ("A", 0)], RATCHETS[NOTHING_KEPT]) == ["A0"]
    assert ratchets.talk([("B", 0), ("A", 0), ("B", 0)]) == []


# The tasks and the package


def space():
    task, names = TASKS["ratchet.decrypt"], {}
    exec(task.given + TASKS["ratchet.encrypt"].reference + task.reference, names)
    return names


def test_the_reference_answers_talk_to_the_package_in_both_directions():
    answers, SPK_B, ephemeral = space(), KeyPair.generate(), KeyPair.generate()
    bob = {"SPK": {"private": SPK_B.private, "public": SPK_B.public}, "AD": b"AD"}
    SK = answers["begin"](bob, ephemeral.public)["RK"]
    alice, state = ratchet.State.initiator(SK, SPK_B.public), None
    for number in range(6):
        alice, message = ratchet.encrypt(alice, b"%d" % number, b"AD")
        head, fresh = message.header, KeyPair.generate()
        told = {"DH": head.ratchet_key, "PN": head.previous_length, "N": head.number}
        packed = {
            "handshake": ephemeral.public,
            "header": told,
            "ciphertext": message.ciphertext,
        }
        pair = {"private": fresh.private, "public": fresh.public}
        state, text = answers["decrypt"](state, bob, packed, pair)
        assert text == b"%d" % number
        if number % 2:
            state, answer = answers["encrypt"](state, b"answer", b"AD")
            data = b"\x01\x03" + answers["encode"](answer["header"])
            data += len(answer["ciphertext"]).to_bytes(4, "big") + answer["ciphertext"]
            alice, text = ratchet.decrypt(alice, Message.decode(data), b"AD")
            assert text == b"answer"


def test_the_exercise_ends_with_the_package_reading_out_of_order():
    path = course.root() / "solutions" / "10_double_ratchet.ipynb"
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    shown = ["".join(out.get("text", "")) for c in cells for out in c.get("outputs", ())]
    assert any(text.split() == ["b'three'", "b'one'", "b'two'", "b'four'"] for text in shown)
