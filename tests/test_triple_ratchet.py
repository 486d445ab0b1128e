"""The Triple Ratchet: both ratchets are needed, by the receiver and by every attacker."""

import functools
import hashlib
import hmac
import random
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from x3dhlab import observe, party, primitives, proof, ratchet, spqr, trace
from x3dhlab.errors import (
    DecryptionFailed,
    NotReadyToSend,
    OldMessage,
    Refused,
    UnknownVersion,
    WrongLength,
    WrongType,
)
from x3dhlab.keys import KeyPair
from x3dhlab.primitives import AES_256_GCM, CBC_HMAC
from x3dhlab.triple_ratchet import State, decrypt, encrypt, expand, kdf_hybrid
from x3dhlab.wire import NOTHING, BraidMessage, Message, TripleMessage

AD = b"associated data"
SK = b"\x07" * 32


def flip(value, position=0):
    return value[:position] + bytes([value[position] ^ 1]) + value[position + 1 :]


class Run:
    """Alice and Bob, who put each message on the wire; `sent` holds the ciphertexts in order."""

    def __init__(self, secret=SK, aead=CBC_HMAC):
        SPK_B = KeyPair.generate()
        alice = State.initiator(secret, SPK_B.public, aead=aead)
        self.states = {"A": alice, "B": State.responder(secret, SPK_B, aead=aead)}
        self.sent = []

    def send(self, who, text=b"text"):
        self.states[who], message = encrypt(self.states[who], text, AD)
        party.crossing(who, "AB".replace(who, ""), "message", message.encode())
        self.sent.append(message.ciphertext)
        return message

    def receive(self, who, message):
        data = TripleMessage.decode(message.encode())
        self.states[who], text = decrypt(self.states[who], data, AD)
        return text

    def turns(self, times=1):
        for _ in range(times):
            for who, other in ("AB", "BA"):
                text = b"%d" % len(self.sent)
                assert self.receive(other, self.send(who, text)) == text

    def epoch(self):
        return min(state.pq.scka.epoch for state in self.states.values())

    def epochs(self, number):
        """Turns until both sides are `number` epochs further."""
        goal = self.epoch() + number
        while self.epoch() < goal:
            self.turns()


@settings(max_examples=20)
@given(st.integers(0, 2**32), st.floats(0, 0.5), st.sampled_from([CBC_HMAC, AES_256_GCM]))
def test_each_message_is_read_once_whatever_is_lost_late_or_doubled(seed, loss, aead):
    chance, run, flying = random.Random(seed), Run(aead=aead), []
    run.turns()
    for number in range(300):
        who = chance.choice("AB")
        text = b"message %d" % number
        message = run.send(who, text)
        if chance.random() >= loss:
            flying.append(("AB".replace(who, ""), message, text))
        while len(flying) > chance.randrange(6):
            receiver, message, text = flying.pop(chance.randrange(len(flying)))
            assert run.receive(receiver, message) == text
            with pytest.raises(Refused):
                run.receive(receiver, message)
    run.epochs(1)


@functools.cache
def in_the_middle(turns, same_chain=False):
    """A state of Bob and the next message for it, with or without a DH step."""
    run = Run()
    run.turns(turns)
    if same_chain:
        run.receive("B", run.send("A"))
    return run.states["B"], run.send("A")


@pytest.mark.parametrize("turns", [1, 2, 20, 41, 50])
@pytest.mark.parametrize("same_chain", [False, True])
def test_a_message_with_any_altered_byte_changes_no_state(turns, same_chain):
    state, message = in_the_middle(turns, same_chain)
    encoded = message.encode()
    before = proof.stolen(state), repr(state)
    for position in range(len(encoded)):
        with pytest.raises(Refused):
            decrypt(state, TripleMessage.decode(flip(encoded, position)), AD)
    assert (proof.stolen(state), repr(state)) == before
    assert decrypt(state, message, AD)[1] == b"text"


def test_a_forged_chunk_under_a_good_looking_header_changes_no_state():
    state, message = in_the_middle(20)
    sparse = message.header.pq
    forged = replace(sparse, braid=replace(sparse.braid, chunk=flip(sparse.braid.chunk)))
    with pytest.raises(DecryptionFailed):
        decrypt(state, replace(message, header=replace(message.header, pq=forged)), AD)
    after, _ = decrypt(state, message, AD)
    assert sparse.braid.chunk in after.pq.scka.chunks.values()


def said_deleted(recorded, who):
    """Every value that this side has announced as deleted."""
    events = [event for event in recorded.events if (event.kind, event.actor) == ("FORGET", who)]
    return {value for event in events for _, value in event.inputs}


def test_a_value_is_said_to_be_deleted_only_when_a_kept_state_lets_it_go():
    held = {"A": set(), "B": set()}

    def no_kept_value_was_said_to_be_deleted():
        for who, state in run.states.items():
            assert not said_deleted(recorded, who) & proof.stolen(state)
            held[who] |= {state.pq.scka.private, getattr(state.pq.scka.half, "m", None)} - {None}

    with primitives.deterministic("deleted"), trace.record() as recorded:
        run = Run()
        while run.epoch() < 3:
            for who, other in ("AB", "BA"):
                with observe.acting(who), pytest.raises(WrongType):
                    run.send(who, "not bytes")
                no_kept_value_was_said_to_be_deleted()
                with observe.acting(who):
                    message = run.send(who)
                forged = replace(message, ciphertext=flip(message.ciphertext, -1))
                with observe.acting(other), pytest.raises(DecryptionFailed):
                    run.receive(other, forged)
                no_kept_value_was_said_to_be_deleted()
                with observe.acting(other):
                    run.receive(other, message)
                no_kept_value_was_said_to_be_deleted()
    for who, state in run.states.items():
        old = held[who] - proof.stolen(state)
        assert len(old) >= 2  # each side was A once and B once: a private key, and an m
        assert old < said_deleted(recorded, who)  # and, beside them, the chain key of an old epoch


def test_other_associated_data_is_refused():
    state, message = in_the_middle(1)
    with pytest.raises(DecryptionFailed):
        decrypt(state, message, AD + b".")


@pytest.mark.parametrize("position", range(32))
def test_every_byte_of_both_message_keys_matters(position):
    ec_mk, pq_mk = b"\x01" * 32, b"\x02" * 32
    mks = {
        kdf_hybrid(ec_mk, pq_mk),
        kdf_hybrid(flip(ec_mk, position), pq_mk),
        kdf_hybrid(ec_mk, flip(pq_mk, position)),
        kdf_hybrid(pq_mk, ec_mk),
    }
    assert len(mks) == 4


def test_kdf_hybrid_is_hkdf_with_the_quantum_key_as_salt():
    ec_mk, pq_mk = b"\x01" * 32, b"\x02" * 32
    prk = hmac.digest(pq_mk, ec_mk, "sha256")
    expected = hmac.new(prk, b"x3dhlab Triple Ratchet message key\x01", hashlib.sha256).digest()
    assert kdf_hybrid(ec_mk, pq_mk) == expected


def test_the_two_secrets_differ_and_depend_on_the_handshake():
    assert len({*expand(SK), *expand(flip(SK))}) == 4
    for call in (lambda: expand(bytes(31)), lambda: kdf_hybrid(bytes(31), SK)):
        with pytest.raises(WrongLength):
            call()


@pytest.mark.parametrize("place", [0, 1])
def test_each_of_the_two_secrets_is_needed(place):
    SPK_B = KeyPair.generate()
    ours, theirs = expand(SK), list(expand(SK))
    theirs[place] = bytes(32)
    start = ratchet.State.initiator(ours[0], SPK_B.public), spqr.State.initiator(ours[1])
    ends = ratchet.State.responder(theirs[0], SPK_B), spqr.State.responder(theirs[1])
    _, message = encrypt(State(*start), b"text", AD)
    with pytest.raises(DecryptionFailed):
        decrypt(State(*ends), message, AD)


# A57: the post-quantum part stripped or altered


def test_a_message_without_the_quantum_part_is_refused():
    state, message = in_the_middle(20)
    classical = Message(message.header.ec, message.ciphertext)
    with pytest.raises(UnknownVersion):
        TripleMessage.decode(classical.encode())
    with pytest.raises(WrongType):
        decrypt(state, classical, AD)


def test_a_message_whose_chunk_was_taken_out_is_refused():
    state, message = in_the_middle(20)
    empty = BraidMessage(message.header.pq.braid.epoch, NOTHING)
    stripped = replace(message.header, pq=replace(message.header.pq, braid=empty))
    with pytest.raises(DecryptionFailed):
        decrypt(state, replace(message, header=stripped), AD)


@pytest.mark.parametrize("guess", [bytes(32), None])
def test_a_side_that_drops_the_quantum_key_is_refused(guess):
    """Whoever has broken the Double Ratchet still cannot send: the other key is missing."""
    run = Run()
    run.turns(20)
    ec = run.states["A"].ec
    _, ec_mk = ratchet.kdf_ck(ec.CKs)
    header = run.send("A").header
    mk = ec_mk if guess is None else kdf_hybrid(ec_mk, guess)
    sealed = primitives.seal(mk, b"pay Eve", ratchet.bind(AD, header.encode()))
    with pytest.raises(DecryptionFailed):
        decrypt(run.states["B"], TripleMessage(header, sealed), AD)


# Attackers. The closure says who reads, and each verdict is recomputed from the attacker's bytes.


def verdicts(recorded, leaked):
    closure = recorded.closure(leaked)
    read = {v.ciphertext: v.readable for v in proof.verdicts(recorded, closure=closure)}
    return closure, read


def private_keys(recorded):
    """Every private key of the elliptic-curve side: what a quantum computer finds."""
    return {event.inputs[0][1] for event in recorded.events if event.kind == "DH"}


def keys_of(recorded, name):
    """Every message key of one ratchet: an input of KDF_HYBRID."""
    hybrid = [e for e in recorded.events if e.function == "kdf_hybrid"]
    found = {value for e in hybrid for called, value in e.inputs if called == name}
    assert len(found) == len(hybrid) // 2  # sender and receiver have the same one
    return found


def test_a_quantum_attacker_with_all_of_the_elliptic_curve_side_reads_nothing():
    with primitives.deterministic("quantum"), trace.record() as recorded:
        run = Run()
        run.turns(60)
    SK_EC, _ = expand(SK)
    closure, read = verdicts(recorded, {SK_EC, *private_keys(recorded)})
    assert keys_of(recorded, "ec_mk") <= closure.known.keys()
    assert not any(read[ciphertext] for ciphertext in run.sent)


def test_a_future_break_of_the_kem_alone_reads_nothing():
    with primitives.deterministic("kem"), trace.record() as recorded:
        run = Run()
        run.turns(60)
    _, SK_PQ = expand(SK)
    coins = {e.inputs[1][1] for e in recorded.events if e.kind == "ENCAPS"}
    closure, read = verdicts(recorded, {SK_PQ, *coins})
    assert keys_of(recorded, "pq_mk") <= closure.known.keys()
    assert not any(read[ciphertext] for ciphertext in run.sent)


def test_both_together_read_everything():
    """The control of the two tests above."""
    with primitives.deterministic("both"), trace.record() as recorded:
        run = Run()
        run.turns(60)
    coins = {e.inputs[1][1] for e in recorded.events if e.kind == "ENCAPS"}
    _, read = verdicts(recorded, {*expand(SK), *coins, *private_keys(recorded)})
    assert all(read[ciphertext] for ciphertext in run.sent)


def test_after_an_epoch_in_each_direction_even_a_quantum_thief_reads_no_more():
    """A53: both states are stolen once; the curve is broken for good; the KEM side heals."""
    with primitives.deterministic("theft"), trace.record() as recorded:
        run = Run()
        run.turns(10)
        thief = proof.stolen(*run.states.values())
        before = len(run.sent)
        run.turns(2)
        soon = len(run.sent)
        run.epochs(1)
        run.turns(1)
        one_epoch = len(run.sent)
        run.epochs(1)
        run.turns(1)
        healed = len(run.sent)
        run.turns(3)
    _, read = verdicts(recorded, thief | private_keys(recorded))
    assert all(read[ciphertext] for ciphertext in run.sent[before:soon])
    # The epoch that was on its way at the theft was made from stolen values too.
    assert all(read[ciphertext] for ciphertext in run.sent[soon:one_epoch])
    assert not any(read[ciphertext] for ciphertext in run.sent[healed:])
    assert not any(read[ciphertext] for ciphertext in run.sent[: before - 1])


def test_a_thief_without_a_quantum_computer_is_shut_out_by_the_next_dh_steps():
    with primitives.deterministic("thief"), trace.record() as recorded:
        run = Run()
        run.turns(10)
        thief = proof.stolen(*run.states.values())
        before = len(run.sent)
        run.turns(3)
    _, read = verdicts(recorded, thief)
    assert read[run.sent[before]]
    assert not any(read[ciphertext] for ciphertext in run.sent[before + 2 :])


# Limits and forms


def test_bob_cannot_send_first():
    run = Run()
    with pytest.raises(NotReadyToSend):
        run.send("B")


def test_a_message_comes_out_as_it_was_encoded():
    _, message = in_the_middle(20)
    assert TripleMessage.decode(message.encode()) == message
    names = [part.name for part in message.fields()]
    assert len(set(names)) == len(names)
    assert b"".join(part.value for part in message.fields()) == message.encode()


def test_a_message_of_a_dropped_epoch_is_lost():
    run = Run()
    late = run.send("A")
    run.turns(1)
    run.epochs(spqr.EPOCHS_KEPT + 2)
    with pytest.raises(OldMessage):
        run.receive("B", late)


def test_no_secret_shows_in_the_repr_of_a_state():
    run = Run()
    run.turns(50)
    for state in run.states.values():
        text = repr(state)
        secret = {state.ec.RK, state.ec.CKs, state.pq.RK, state.pq.scka.auth_mac}
        assert not any(str(value)[2:20] in text or value.hex() in text for value in secret)


def test_other_types_are_refused():
    state, message = in_the_middle(1)
    for call in (
        lambda: encrypt(state.ec, b"text", AD),
        lambda: decrypt(state, message.encode(), AD),
        lambda: decrypt(state.pq, message, AD),
    ):
        with pytest.raises(WrongType):
            call()
