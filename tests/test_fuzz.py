"""All decoders under random and mutated input: what comes out is a message or a `Malformed`.

What does decode encodes to the same bytes, so that no message has two forms.
"""

import random
from dataclasses import replace

import pytest

from x3dhlab import header_encryption, pqxdh, prekeys, primitives, ratchet, session, wire, x3dh
from x3dhlab.errors import Malformed, Refused, WrongType
from x3dhlab.keys import KeyPair
from x3dhlab.layout import explain

# Over all decoders together; `make test-full` does ten times as many.
INPUTS = 100_000


def a_conversation(protocol, kem):
    """Two devices after a few messages, and examples of everything that was encoded."""
    alice, bob = (
        session.Device(prekeys.generate(one_time=3, kem=kem), protocol=protocol) for _ in "AB"
    )
    publication = prekeys.publication(bob.ring)
    one_time = publication.one_time_prekeys[0]
    kem_fields = {}
    if kem:
        key = publication.kem_prekeys[0]
        names = ("kem_prekey_id", "kem_prekey", "kem_prekey_signature")
        kem_fields = {name: getattr(key, name) for name in names}
    bundle = wire.PreKeyBundle(
        publication.identity_key,
        publication.signed_prekey_id,
        publication.signed_prekey,
        publication.signed_prekey_signature,
        one_time.one_time_prekey_id,
        one_time.one_time_prekey,
        **kem_fields,
    )
    alice = session.start(alice, bundle)
    alice, initial = session.send(alice, publication.identity_key, b"first")
    alice, _ = session.send(alice, publication.identity_key, b"lost")
    alice, third = session.send(alice, publication.identity_key, b"third")
    bob, peer, _ = session.receive(bob, None, third)
    bob, answer = session.send(bob, peer, b"answer")
    examples = [publication.encode(), bundle.encode(), initial, answer]
    saved = session.to_bytes(bob.sessions[peer][0])
    return bob, peer, examples, saved


def a_hidden_message():
    SK, hka, nhkb = header_encryption.expand(bytes(32))
    state = header_encryption.State.initiator(SK, KeyPair.generate().public, hka, nhkb)
    return header_encryption.encrypt(state, b"text", b"")[1].encode()


with primitives.deterministic("fuzz"):
    BOB, PEER, X3DH_EXAMPLES, SAVED = a_conversation(x3dh, None)
    PQ_BOB, PQ_PEER, PQXDH_EXAMPLES, PQ_SAVED = a_conversation(pqxdh, "ML-KEM-768")
    EXAMPLES = [*X3DH_EXAMPLES, *PQXDH_EXAMPLES, a_hidden_message()]

KINDS = [
    wire.PreKeyBundle,
    wire.Publication,
    wire.InitialMessage,
    wire.Message,
    wire.HiddenHeaderMessage,
    wire.Header,
    wire.OneTimePreKey,
    wire.KemPreKey,
]


def decode_and_encode_again(kind):
    def check(data):
        assert kind.decode(data).encode() == data

    return check


def explain_and_join_again(data):
    message, fields = explain(data, *KINDS)
    assert b"".join(field.value for field in fields) == data == message.encode()


def restore_and_save_again(data):
    # A key pair is rebuilt from its private half, and equal skipped names fall together, so that
    # only the second saving must be stable.
    restored = session.from_bytes(data)
    assert session.from_bytes(session.to_bytes(restored)) == restored


DECODERS = {kind.__name__: (decode_and_encode_again(kind), EXAMPLES) for kind in KINDS}
DECODERS["explain"] = (explain_and_join_again, EXAMPLES)
DECODERS["from_bytes"] = (restore_and_save_again, [SAVED, PQ_SAVED])
DECODERS["decode_kem"] = (wire.decode_kem, EXAMPLES)


def mutated(chance, data):
    """One to three small changes: flip, cut, insert, repeat, an extreme length."""
    data = bytearray(data)
    for _ in range(chance.randint(1, 3)):
        place = chance.randrange(len(data)) if data else 0
        change = chance.randrange(6)
        if change == 0 and data:
            data[place] ^= 1 << chance.randrange(8)
        elif change == 1:
            del data[place:]
        elif change == 2:
            data[place:place] = chance.randbytes(chance.randint(1, 8))
        elif change == 3:
            data += data[place:]
        elif change == 4:
            del data[place : place + chance.randint(1, 40)]
        else:
            data[place : place + 4] = chance.choice([b"\xff" * 4, bytes(4), b"\x7f\xff\xff\xff"])
    return bytes(data[:20_000])


def inputs(seed, examples, count):
    chance = random.Random(seed)
    for number in range(count):
        if number % 4 == 0:
            head = chance.choice([b"", b"\x01", b"\x01" + bytes([chance.randrange(8)])])
            yield head + chance.randbytes(chance.choice([0, 1, 2, 30, 60, 120, 300]))
        else:
            yield mutated(chance, chance.choice(examples))


def feed(name, count):
    """How many inputs were accepted and how many refused; any other error comes through."""
    check, examples = DECODERS[name]
    accepted = refused = 0
    for data in inputs(name, examples, count):
        try:
            check(data)
            accepted += 1
        except Malformed:
            refused += 1
    return accepted, refused


@pytest.mark.parametrize("name", DECODERS)
def test_only_errors_of_the_tree_come_out_of_a_decoder(name):
    count = INPUTS // len(DECODERS) + 1
    accepted, refused = feed(name, count)
    assert accepted + refused == count
    assert refused > count // 4


@pytest.mark.full
@pytest.mark.parametrize("name", DECODERS)
def test_only_errors_of_the_tree_come_out_of_a_decoder_in_long_runs(name):
    accepted, refused = feed(name, 10 * INPUTS // len(DECODERS))
    assert refused > accepted // 100


@pytest.mark.parametrize("position", range(len(EXAMPLES)))
def test_the_examples_themselves_decode(position):
    explain_and_join_again(EXAMPLES[position])


@pytest.mark.parametrize("saved", [SAVED, PQ_SAVED], ids=["X3DH", "PQXDH"])
def test_the_saved_examples_themselves_decode(saved):
    assert session.to_bytes(session.from_bytes(saved)) == saved


@pytest.mark.parametrize("name", DECODERS)
@pytest.mark.parametrize(
    "wrong",
    [None, 0, 1.5, "text", [], {}, bytearray(b"\x01"), memoryview(b"\x01"), type],
    ids=lambda value: type(value).__name__,
)
def test_a_value_of_another_type_is_refused_by_every_decoder(name, wrong):
    check, _ = DECODERS[name]
    with pytest.raises(WrongType):
        check(wrong)


@pytest.mark.parametrize(
    ("bob", "peer", "examples"),
    [(BOB, PEER, X3DH_EXAMPLES), (PQ_BOB, PQ_PEER, PQXDH_EXAMPLES)],
    ids=["X3DH", "PQXDH"],
)
def test_a_device_opens_no_mutated_message_and_raises_errors_of_the_tree_only(bob, peer, examples):
    before = session.to_bytes(bob.sessions[peer][0])
    genuine = set(examples)
    for data in inputs("device", examples, 4000):
        if data not in genuine:
            with pytest.raises(Refused):
                session.receive(bob, peer, data)
    assert session.to_bytes(bob.sessions[peer][0]) == before


def test_a_restored_state_of_random_numbers_raises_errors_of_the_tree_only():
    chance = random.Random(1)
    state = session.from_bytes(SAVED).ratchet
    for _ in range(500):
        header = wire.Header(
            chance.choice([state.DHr, state.DHs.public, bytes(32), chance.randbytes(32)]),
            chance.choice([0, 1, ratchet.MAX_SKIP, 2**32 - 1]),
            chance.choice([0, 1, 2, ratchet.MAX_SKIP, 2**32 - 1]),
        )
        odd = replace(
            state,
            CKr=chance.choice([None, state.CKr]),
            Nr=chance.choice([0, 2**32 - 1]),
            DHr=chance.choice([None, state.DHr]),
        )
        with pytest.raises(Refused):
            ratchet.decrypt(odd, wire.Message(header, bytes(48)), b"")


def test_a_loose_decoder_would_be_noticed(monkeypatch):
    """Mutation control: bytes after the last field are ignored."""
    strict = wire.Message.decode.__func__

    def loose(cls, data):
        for end in range(len(data), 0, -1):
            try:
                return strict(cls, data[:end])
            except Malformed:
                continue
        raise Malformed("nothing fits")

    monkeypatch.setattr(wire.Message, "decode", classmethod(loose))
    message = explain(X3DH_EXAMPLES[3], wire.Message)[0].encode()
    with pytest.raises(AssertionError):
        decode_and_encode_again(wire.Message)(message + b"!")
