"""Conversations and handshakes with independent implementations: X3DH, XEdDSA, DoubleRatchet."""

import random

import doubleratchet
import pytest
import x3dh as their_x3dh
import xeddsa
from doubleratchet.recommended import (
    HashFunction,
    aead_aes_hmac,
    diffie_hellman_ratchet_curve25519,
    kdf_hkdf,
    kdf_separate_hmacs,
)

from x3dhlab import primitives, ratchet, wire, x3dh
from x3dhlab.errors import BadSignature
from x3dhlab.keys import KeyPair
from x3dhlab.wire import Header, Message

AD = b"associated data"
SK = b"\x07" * 32


def run(coroutine):
    """The result of a coroutine that never waits for anything."""
    try:
        coroutine.send(None)
    except StopIteration as finished:
        return finished.value
    raise AssertionError("the coroutine waits")


# DoubleRatchet: their recommended parts, with our info strings and our form of AD ‖ header.


class RootChain(kdf_hkdf.KDF):
    _get_hash_function = staticmethod(lambda: HashFunction.SHA_256)
    _get_info = staticmethod(lambda: ratchet.INFO)


class MessageChain(kdf_separate_hmacs.KDF):
    _get_hash_function = staticmethod(lambda: HashFunction.SHA_256)


class Aead(aead_aes_hmac.AEAD):
    _get_hash_function = staticmethod(lambda: HashFunction.SHA_256)
    _get_info = staticmethod(lambda: primitives.CBC_HMAC.info)


class KnownKeys(diffie_hellman_ratchet_curve25519.DiffieHellmanRatchet):
    """Ratchet keys come from a seeded source, and the last one can be read."""

    source = None
    last = None

    @classmethod
    def _generate_priv(cls):
        KnownKeys.last = KnownKeys.source.randbytes(32)
        return KnownKeys.last


class Theirs(doubleratchet.DoubleRatchet):
    @staticmethod
    def _build_associated_data(associated_data, header):
        return ratchet.bind(associated_data, Header(*header).encode())


PARAMETERS = {
    "diffie_hellman_ratchet_class": KnownKeys,
    "root_chain_kdf": RootChain,
    "message_chain_kdf": MessageChain,
    # The next chain key is HMAC(ck, 02), the message key HMAC(ck, 01).
    "message_chain_constant": b"\x02\x01",
    "dos_protection_threshold": ratchet.MAX_SKIP,
    "max_num_skipped_message_keys": ratchet.MAX_STORED,
    "aead": Aead,
}


def from_theirs(message):
    return Message(Header(*message.header), message.ciphertext)


def to_theirs(message):
    header = message.header
    return doubleratchet.EncryptedMessage(
        doubleratchet.Header(header.ratchet_key, header.previous_length, header.number),
        message.ciphertext,
    )


class OurSide:
    """One person, played by `ratchet`. The newest key of `KnownKeys` is used if a step is due."""

    def __init__(self, role, SPK_B):
        self.state = None
        if role == "B":
            self.state = ratchet.State.responder(SK, SPK_B)
        self.peer_public = SPK_B.public

    @property
    def can_send(self):
        return self.state is None or self.state.CKs is not None

    def send(self, text):
        if self.state is None:
            pair = KeyPair.from_private(KnownKeys.last)
            self.state = ratchet.State.initiator(SK, self.peer_public, ratchet_key=pair)
        self.state, message = ratchet.encrypt(self.state, text, AD)
        return message

    def receive(self, message):
        pair = KeyPair.from_private(KnownKeys.last)
        self.state, text = ratchet.decrypt(self.state, message, AD, ratchet_key=pair)
        return text


class TheirSide:
    """One person, played by DoubleRatchet."""

    def __init__(self, role, SPK_B):
        self.state, self.role, self.key = None, role, SPK_B

    @property
    def can_send(self):
        return self.role == "A" or self.state is not None

    def send(self, text):
        if self.state is not None:
            return from_theirs(run(self.state.encrypt_message(text, AD)))
        arguments = {"recipient_ratchet_pub": self.key.public, "message": text}
        self.state, message = self._begin(Theirs.encrypt_initial_message, arguments)
        return from_theirs(message)

    def receive(self, message):
        if self.state is not None:
            return run(self.state.decrypt_message(to_theirs(message), AD))
        arguments = {"own_ratchet_priv": self.key.private, "message": to_theirs(message)}
        self.state, text = self._begin(Theirs.decrypt_initial_message, arguments)
        return text

    def _begin(self, function, arguments):
        return run(function(shared_secret=SK, associated_data=AD, **arguments, **PARAMETERS))


class BothSides:
    """One person, played by both with the same ratchet keys: they must write the same bytes."""

    def __init__(self, role, SPK_B):
        self.theirs, self.ours = TheirSide(role, SPK_B), OurSide(role, SPK_B)

    @property
    def can_send(self):
        assert self.theirs.can_send == self.ours.can_send
        return self.ours.can_send

    def send(self, text):
        expected = self.theirs.send(text)
        message = self.ours.send(text)
        assert message.encode() == expected.encode()
        return message

    def receive(self, message):
        expected = self.theirs.receive(message)
        assert self.ours.receive(message) == expected
        return expected


def converse(alice, bob, seed, count, burst):
    """`count` messages in bursts, a tenth lost, the rest in disorder; how many were opened."""
    KnownKeys.source = chance = random.Random(seed)
    KnownKeys._generate_priv()
    SPK_B = KeyPair.from_private(chance.randbytes(32))
    sides = {"A": alice("A", SPK_B), "B": bob("B", SPK_B)}
    waiting, opened, sender = [], 0, "A"
    for number in range(count):
        other = "AB".replace(sender, "")
        if chance.random() < 1 / burst and sides[other].can_send:
            sender, other = other, sender
        text = b"%d " % number + chance.randbytes(chance.randrange(80))
        waiting.append((other, text, sides[sender].send(text)))
        while waiting and chance.random() < 0.55:
            receiver, expected, message = waiting.pop(chance.randrange(len(waiting)))
            if chance.random() > 0.1:
                assert sides[receiver].receive(message) == expected
                opened += 1
    return opened


ROLES = {
    "our side is Alice": (OurSide, TheirSide),
    "our side is Bob": (TheirSide, OurSide),
    "byte for byte": (BothSides, BothSides),
}


@pytest.mark.parametrize("burst", [1, 4, 40])
@pytest.mark.parametrize("roles", ROLES)
def test_a_conversation_of_a_thousand_messages_with_double_ratchet(roles, burst):
    """Lost, late and in bursts; no party can tell the other implementation from its own."""
    assert converse(*ROLES[roles], seed=burst, count=1000, burst=burst) > 800


@pytest.mark.full
@pytest.mark.parametrize("seed", range(20))
@pytest.mark.parametrize("roles", ROLES)
def test_long_conversations_with_double_ratchet(roles, seed):
    assert converse(*ROLES[roles], seed, count=5000, burst=1 + seed) > 4000


def test_another_info_does_not_pass_for_double_ratchet(monkeypatch):
    """Mutation control: the comparison above can fail."""
    monkeypatch.setattr(RootChain, "_get_info", staticmethod(lambda: b"another info"))
    with pytest.raises(AssertionError):
        converse(BothSides, BothSides, seed=1, count=10, burst=4)


def test_swapped_chain_constants_do_not_pass_for_double_ratchet(monkeypatch):
    """Mutation control."""
    monkeypatch.setitem(PARAMETERS, "message_chain_constant", b"\x01\x02")
    with pytest.raises(AssertionError):
        converse(BothSides, BothSides, seed=1, count=10, burst=4)


# X3DH and XEdDSA.


class TheirState(their_x3dh.BaseState):
    @staticmethod
    def _encode_public_key(key_format, pub):
        return wire.encode_key(pub)


def their_state():
    state = TheirState.create(
        their_x3dh.IdentityKeyFormat.CURVE_25519, their_x3dh.HashFunction.SHA_256, x3dh.INFO
    )
    state.generate_pre_keys(1)
    return state


@pytest.mark.parametrize("one_time", [True, False], ids=["one-time key", "no one-time key"])
def test_we_start_x3dh_and_their_side_answers(one_time):
    state, IK_A = their_state(), KeyPair.generate()
    theirs = state.bundle
    OPK_B = next(iter(theirs.pre_keys)) if one_time else None
    bundle = wire.PreKeyBundle(
        theirs.identity_key,
        1,
        theirs.signed_pre_key,
        theirs.signed_pre_key_sig,
        2 if one_time else None,
        OPK_B,
    )
    message, agreement = x3dh.initiate(IK_A, bundle)
    header = their_x3dh.Header(
        message.identity_key, message.ephemeral_key, theirs.signed_pre_key, OPK_B
    )
    secret, AD, _ = run(state.get_shared_secret_passive(header, require_pre_key=one_time))
    assert (secret, AD) == (agreement.secret, agreement.associated_data)


@pytest.mark.parametrize("one_time", [True, False], ids=["one-time key", "no one-time key"])
def test_their_side_starts_x3dh_and_we_answer(one_time):
    IK_B, SPK_B, OPK_B = (KeyPair.generate() for _ in range(3))
    bundle = their_x3dh.Bundle(
        IK_B.public,
        SPK_B.public,
        primitives.sign(IK_B.private, wire.encode_key(SPK_B.public)),
        frozenset([OPK_B.public] if one_time else []),
    )
    secret, AD, header = run(
        their_state().get_shared_secret_active(bundle, require_pre_key=one_time)
    )
    message = wire.InitialMessage(
        header.identity_key, header.ephemeral_key, 1, 2 if one_time else None
    )
    agreement = x3dh.respond(IK_B, SPK_B, OPK_B if one_time else None, message)
    assert (agreement.secret, agreement.associated_data) == (secret, AD)


def test_their_side_refuses_what_we_did_not_sign():
    IK_B, SPK_B, OPK_B = (KeyPair.generate() for _ in range(3))
    signature = primitives.sign(IK_B.private, SPK_B.public)
    bundle = their_x3dh.Bundle(IK_B.public, SPK_B.public, signature, frozenset([OPK_B.public]))
    with pytest.raises(their_x3dh.KeyAgreementException):
        run(their_state().get_shared_secret_active(bundle))


def keys_for_signing(count):
    chance = random.Random(3)
    return [chance.randbytes(32) for _ in range(count)]


def test_our_signatures_verify_with_xeddsa_and_theirs_with_us():
    for private in keys_for_signing(60):
        public = primitives.public_key(private)
        edwards = xeddsa.curve25519_pub_to_ed25519_pub(public, False)
        ours = primitives.sign(private, b"message")
        assert xeddsa.ed25519_verify(ours, edwards, b"message")
        theirs = xeddsa.ed25519_priv_sign(xeddsa.priv_force_sign(private, False), b"message")
        primitives.verify(public, b"message", theirs)
        with pytest.raises(BadSignature):
            primitives.verify(public, b"another", theirs)


def test_signatures_are_the_same_bytes_for_keys_of_sign_one():
    # For sign 0 XEdDSA hashes the clamped key without reducing it; the specification reduces.
    same = 0
    for private in keys_for_signing(100):
        if xeddsa.priv_to_ed25519_pub(private)[31] & 128:
            forced = xeddsa.priv_force_sign(private, False)
            theirs = xeddsa.ed25519_priv_sign(forced, b"message", bytes(64))
            assert primitives.sign(private, b"message", nonce=bytes(64)) == theirs
            same += 1
    assert same > 30


def test_public_keys_agree_with_xeddsa():
    for private in keys_for_signing(60):
        assert primitives.public_key(private) == xeddsa.priv_to_curve25519_pub(private)
