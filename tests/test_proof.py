"""Proofs: each step is carried out again from the attacker's bytes, and a wrong one is refused."""

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from recorded import Run, curve_keys, leaves, long_run

from x3dhlab import header_encryption, observe, pqxdh, primitives, trace
from x3dhlab.keys import KeyPair
from x3dhlab.primitives import AES_256_GCM
from x3dhlab.proof import (
    ProofFailed,
    Step,
    proof_of,
    proof_of_reading,
    recompute,
    replay,
    stolen,
    verdicts,
)
from x3dhlab.session import Device


@pytest.fixture(scope="module")
def run():
    """A conversation over PQXDH in deterministic mode, so that every kind of step occurs."""
    with primitives.deterministic("proof"), Run(protocol=pqxdh, aead=AES_256_GCM) as run:
        run.say(run.alice, b"one")
        run.say(run.bob, b"two")
        run.say(run.alice, b"one")
        primitives.split(primitives.random_bytes(64), 32, 32)
    return run.trace


def carried_out(steps, given):
    """The steps, with nothing at hand but `given`: a dictionary, and no code of `replay`."""
    desk = {value: value for value in given}
    for step in steps:
        desk[step.value] = step.carry_out([desk[value] for _, value in step.inputs])
        assert desk[step.value] == step.value
    return desk


def test_the_steps_of_a_verdict_open_the_message_from_the_attackers_bytes_alone(run):
    leaked = leaves(run)
    start = run.public() | run.constants() | leaked
    for verdict, text in zip(verdicts(run, leaked), (b"one", b"two", b"one"), strict=True):
        assert verdict.plaintext == text
        assert verdict.steps[-1].rule == "OPEN"
        assert verdict.steps[-1].inputs[1][1] == verdict.ciphertext
        assert carried_out(verdict.steps, start)[text] == text


def test_every_proof_of_a_long_conversation_stands_alone():
    long, _ = long_run(11, length=60)
    leaked = leaves(long.trace)
    start = long.trace.public() | long.trace.constants() | leaked
    for verdict in verdicts(long.trace, leaked):
        carried_out(verdict.steps, start)
        replay(verdict.steps, start)


def test_a_proof_needs_what_was_leaked(run):
    leaked = leaves(run)
    for verdict in verdicts(run, leaked):
        with pytest.raises(ProofFailed):
            replay(verdict.steps, run.public() | run.constants())
        used = {value for step in verdict.steps for _, value in step.inputs} & leaked
        assert used
        for value in used:
            with pytest.raises(ProofFailed):
                replay(verdict.steps, (run.public() | run.constants() | leaked) - {value})


def test_a_proof_has_no_step_that_it_could_do_without(run):
    for verdict in verdicts(run, leaves(run)):
        used = {value for step in verdict.steps for _, value in step.inputs}
        assert all(step.value in used for step in verdict.steps[:-1])
        assert len({step.value for step in verdict.steps}) == len(verdict.steps)


def test_every_rule_can_be_recomputed(run):
    closure = run.closure(leaves(run))
    values = recompute(closure)
    assert set(values) == set(closure.known)
    rules = {origin.rule for origin in closure.known.values() if origin}
    assert rules >= {"PUBLIC", "DH", "HKDF", "HMAC", "JOIN", "CUT", "OPEN"}
    assert rules & {"DECAPS", "ENCAPS"}


REPEATED = """
import recorded
from x3dhlab.proof import verdicts
run, _ = recorded.long_run(12, length=12)
for verdict in verdicts(run.trace, recorded.leaves(run.trace)):
    print(*verdict.steps, sep="; ")
for verdict in verdicts(run.trace):
    print(verdict.missing)
"""


def test_proofs_are_the_same_in_every_process():
    """Lessons are committed with their outputs; the order of a set differs between processes."""
    said = set()
    for seed in ("1", "2", "3"):
        environment = {**os.environ, "PYTHONHASHSEED": seed}
        done = subprocess.run(
            [sys.executable, "-c", REPEATED],
            cwd=Path(__file__).parent,
            env=environment,
            capture_output=True,
            text=True,
            check=True,
        )
        said.add(done.stdout)
    assert len(said) == 1
    assert "OPEN(" in said.pop()


def test_a_signature_and_a_sealed_text_that_were_never_sent_are_proved_too():
    with trace.record() as recorded:
        private, Z, key = (primitives.random_bytes(length) for length in (32, 64, 32))
        signature = primitives.sign(private, b"a message to sign", nonce=Z)
        sealed = primitives.seal(key, b"text", b"")
    closure = recorded.closure({private, Z, key, b"text"})
    for value, rule in ((signature, "SIGN"), (sealed, "SEAL")):
        steps = proof_of(closure, value)
        assert [step.rule for step in steps] == [rule]
        replay(steps, closure.given)


@pytest.mark.parametrize("leaked", ["private", "coins"])
def test_a_kem_secret_is_proved_from_either_end(run, leaked):
    event = next(e for e in run.events if e.kind == "ENCAPS")
    public = event.inputs[0][1]
    made = next(e for e in run.events if e.kind == "PUBLIC" and e.outputs[0][1] == public)
    private = made.inputs[0][1]
    value = {"private": private, "coins": event.inputs[1][1]}[leaked]
    SS = event.outputs[1][1]
    steps = proof_of(run.closure({value}), SS)
    assert [step.rule for step in steps] == [{"private": "DECAPS", "coins": "ENCAPS"}[leaked]]
    replay(steps, run.public() | {value})


# Mutation controls: a closure that is wrong in one place is not believed


def origins(run):
    closure = run.closure(leaves(run))
    return closure, [(value, origin) for value, origin in closure.known.items() if origin]


def test_an_altered_input_of_any_step_is_refused(run):
    closure, derived = origins(run)
    other = next(value for value in closure.given if len(value) == 32)
    assert len(derived) > 30
    for value, origin in derived:
        place = next(p for p, needed in enumerate(origin.inputs) if needed != other)
        inputs = (*origin.inputs[:place], other, *origin.inputs[place + 1 :])
        known = {**closure.known, value: replace(origin, inputs=inputs)}
        with pytest.raises(ProofFailed):
            recompute(replace(closure, known=known))


def test_a_value_that_its_step_does_not_give_is_refused(run):
    closure, derived = origins(run)
    for value, origin in derived[::7]:
        forged = bytes([value[0] ^ 1]) + value[1:]
        known = {**closure.known, forged: origin}
        with pytest.raises((ProofFailed, ValueError)):
            recompute(replace(closure, known=known))


def test_a_secret_passed_off_as_given_is_refused(run):
    honest = run.closure()
    (verdict, *_) = verdicts(run)
    key = verdict.missing.alone[0]
    known = {**honest.known, key: None}
    opening = run.closure(leaves(run)).readable[verdict.ciphertext]
    forged = replace(honest, known=known, readable={verdict.ciphertext: opening})
    with pytest.raises(ProofFailed):
        verdicts(run, closure=forged)


def test_a_step_moved_before_what_it_needs_is_refused(run):
    steps = verdicts(run, leaves(run))[0].steps
    replay(steps, run.public() | run.constants() | leaves(run))
    with pytest.raises(ProofFailed):
        replay(reversed(steps), run.public() | run.constants() | leaves(run))


def test_an_altered_ciphertext_in_the_record_is_not_proved_readable(run):
    altered = trace.Trace()
    for event in run.events:
        if event.kind == "SEAL":
            (name, sealed), *_ = event.outputs
            sealed = sealed[:-1] + bytes([sealed[-1] ^ 1])
            observed = (name, sealed)
            event = replace(event, outputs=(observed,))
        altered.events.append(event)
    broken = {event.outputs[0][1] for event in altered.events if event.kind == "SEAL"}
    with pytest.raises(ProofFailed):
        verdicts(altered, leaves(run) | broken)


def test_a_recorded_output_that_the_operation_does_not_give_is_refused(run):
    place, event = next((i, e) for i, e in enumerate(run.events) if e.kind == "HMAC")
    altered = trace.Trace()
    altered.events = list(run.events)
    altered.events[place] = replace(event, outputs=((event.outputs[0][0], b"\x55" * 32),))
    closure = altered.closure(leaves(run))
    assert b"\x55" * 32 in closure
    with pytest.raises(ProofFailed):
        recompute(closure)


# Verdicts


def test_an_unreadable_verdict_has_no_text_and_no_steps(run):
    for verdict in verdicts(run, curve_keys(run)):
        assert not verdict.readable
        assert (verdict.plaintext, verdict.steps) == (None, ())
        assert verdict.missing


def test_a_verdict_names_the_event_that_sealed_its_message(run):
    for verdict in verdicts(run):
        event = run.events[verdict.event]
        assert event.kind == "SEAL"
        assert event.outputs[0][1] == verdict.ciphertext


def test_a_message_sealed_before_the_recording_is_judged_by_its_opening():
    key = primitives.random_bytes(32)
    sealed = primitives.seal(key, b"from before", b"")
    with trace.record() as recorded:
        observe.announce("WIRE", [("message", sealed)])
        primitives.open_sealed(key, sealed, b"")
    assert [v.plaintext for v in verdicts(recorded, {key})] == [b"from before"]
    assert [v.plaintext for v in verdicts(recorded)] == [None]


def test_one_ciphertext_under_two_keys_is_opened_with_the_key_that_the_attacker_has():
    """Two recorded openings of equal bytes under different associated data."""
    with trace.record() as recorded:
        one, two = primitives.random_bytes(32), primitives.random_bytes(32)
        sealed = primitives.seal(one, b"text", b"")
        observe.announce("WIRE", [("message", sealed)])
        opened = next(e for e in recorded.events if e.kind == "SEAL")
    recorded.events.append(replace(opened, inputs=(("key", two), *opened.inputs[1:])))
    assert verdicts(recorded, {one})[0].plaintext == b"text"
    with pytest.raises(ProofFailed):
        verdicts(recorded, {two})


def test_a_proof_inside_a_recording_adds_nothing_to_it():
    with trace.record() as recorded:
        key = primitives.random_bytes(32)
        observe.announce("WIRE", [("message", primitives.seal(key, b"text", b""))])
        count = len(recorded)
        (verdict,) = verdicts(recorded, {key})
        assert verdict.steps
        recompute(recorded.closure({key}))
    assert len(recorded) == count


def test_no_repr_shows_a_secret(run):
    (verdict, *_) = verdicts(run, leaves(run))
    (closed, *_) = verdicts(run)
    closure = run.closure(leaves(run))
    shown = [repr(verdict), repr(verdict.steps), repr(closed), repr(closed.missing), repr(closure)]
    shown += [repr(run), repr(run.lineage()), repr(run.lineage().nodes), str(closed.missing)]
    for text in shown:
        for value in leaves(run) | {verdict.plaintext}:
            assert value.hex() not in text
            assert repr(value) not in text


def test_a_step_reads_as_a_formula(run):
    steps = verdicts(run, leaves(run))[0].steps
    assert "CK" in str(steps) or any("HMAC(" in str(step) for step in steps)
    assert str(steps[-1]).endswith("AD)") and "OPEN(" in str(steps[-1])


def test_what_is_not_known_has_no_proof(run):
    closure = run.closure()
    (verdict, *_) = verdicts(run)
    with pytest.raises(KeyError):
        proof_of_reading(closure, verdict.ciphertext)
    with pytest.raises(KeyError):
        proof_of(closure, verdict.missing.alone[0])
    assert proof_of(closure, next(iter(closure.given))) == ()


# What a thief holds


def test_a_stolen_state_gives_every_byte_string_in_it_and_no_deleted_one():
    SPK_B = KeyPair.generate()
    SK, hka, nhkb = header_encryption.expand(primitives.random_bytes(32))
    alice = header_encryption.State.initiator(SK, SPK_B.public, hka, nhkb)
    before = alice
    alice, _ = header_encryption.encrypt(alice, b"text", b"")
    held = stolen(alice)
    assert {alice.DHs.private, alice.RK, alice.CKs, alice.HKs, alice.NHKs, alice.NHKr} <= held
    assert before.CKs not in held
    assert SK not in held


def test_a_stolen_device_gives_its_prekeys_sessions_and_skipped_keys():
    with Run() as run:
        run.say(run.alice, b"zero")
        run.say(run.alice, b"one", deliver=False)
        run.network.lose("Bob")
        run.say(run.alice, b"two")
    assert isinstance(run.bob.device, Device)
    held = stolen(run.bob)
    assert held == stolen(run.bob.device)
    assert run.bob.identity.private in held
    ((key, _),) = run.state(run.bob).MKSKIPPED.values()
    assert {key, run.state(run.bob).CKr} <= held
    assert run.alice.identity.private not in held
    assert stolen(run.alice, run.bob) == stolen(run.alice) | held


# The graph of values


def test_the_graph_has_a_node_for_each_value_and_an_edge_for_each_derivation(run):
    lineage = run.lineage()
    assert [node.id for node in lineage.nodes] == list(range(len(lineage.nodes)))
    SK = lineage.node(run.find("SK"))
    assert (SK.name, SK.actor, SK.kind) == ("SK", "Alice", "HKDF")
    assert run.events[SK.event].kind == "HKDF"
    into = {lineage.nodes[edge.source].name for edge in lineage.edges if edge.target == SK.id}
    assert "key_material" in into
    assert len(lineage[SK.value]) == 2  # Alice's and Bob's
    names = {lineage.nodes[number].name for number in lineage.ancestors(SK.value)}
    assert {"DH1", "DH2", "DH3", "DH4", "SS", "EK_A.private"} <= names


def test_the_graph_follows_exactly_the_recorded_operations(run):
    lineage = run.lineage()
    expected = {
        (source, target, index)
        for index, event in enumerate(run.events)
        for _, source in event.inputs
        for _, target in event.outputs
    }
    got = {
        (lineage.nodes[edge.source].value, lineage.nodes[edge.target].value, edge.event)
        for edge in lineage.edges
    }
    assert got == expected
    assert len(got) == len(lineage.edges)


def test_an_empty_trace_has_an_empty_graph():
    lineage = trace.Trace().lineage()
    assert (lineage.nodes, lineage.edges, dict(lineage)) == ([], [], {})


def test_a_step_is_plain_data(run):
    step = verdicts(run, leaves(run))[0].steps[0]
    assert isinstance(step, Step)
    assert 0 <= step.event < len(run.events)
