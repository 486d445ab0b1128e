"""Named parties on a transport: first message, refusals that change nothing, secrets that stay."""

from dataclasses import dataclass, replace

import pytest

from x3dhlab import errors, prekeys, trace, x3dh
from x3dhlab.errors import (
    BadSignature,
    DecryptionFailed,
    IdentityMismatch,
    LowOrderKey,
    Malformed,
    NoSession,
    Refused,
    TooLarge,
    UnknownPreKey,
    UnknownUser,
    UsedPreKey,
    WrongType,
)
from x3dhlab.keys import KeyPair
from x3dhlab.party import LocalTransport, Party, Received
from x3dhlab.primitives import PLAINTEXT_LIMIT, sign
from x3dhlab.wire import Header, InitialMessage, Message, PreKeyBundle, encode_key

TEXT = b"Meet me at noon, by the old bridge."


def test_a_first_message_arrives_and_burns_one_key(alice, bob):
    before = set(bob.device.ring.one_time)
    alice.send("Bob", TEXT)
    assert bob.receive() == [Received("Alice", TEXT)]
    assert len(before - set(bob.device.ring.one_time)) == 1


def test_a_conversation_goes_on_in_both_directions(alice, bob):
    for round_number in range(3):
        alice.send("Bob", b"ping %d" % round_number)
        assert bob.receive()[0].plaintext == b"ping %d" % round_number
        bob.send("Alice", b"pong %d" % round_number)
        assert alice.receive()[0].plaintext == b"pong %d" % round_number


def test_without_a_one_time_prekey_the_message_arrives_too(transport, alice):
    bob = Party("Bob", transport, one_time=0)
    bob.publish()
    alice.send("Bob", TEXT)
    assert bob.receive() == [Received("Alice", TEXT)]


def test_the_mailbox_is_emptied_once(alice, bob):
    alice.send("Bob", TEXT)
    assert len(bob.receive()) == 1
    assert bob.receive() == []


def test_a_party_refills_its_pool_when_few_keys_are_left(transport, bob):
    assert bob.replenish(20) == 20
    assert transport.count("Bob") == 25
    assert bob.replenish(20) == 0


def test_a_rotated_prekey_still_opens_messages_that_are_on_their_way(alice, bob):
    alice.send("Bob", TEXT)
    bob.rotate(now=100)
    assert bob.receive() == [Received("Alice", TEXT)]


def test_a_retired_prekey_refuses_late_messages(alice, bob):
    alice.send("Bob", TEXT)
    bob.rotate(now=100)
    bob.retire(before=100)
    [received] = bob.receive()
    assert type(received.error) is UsedPreKey


# Attackers on the wire


def open_with_garbage(name, number, **change):
    """An initial message that names a one-time prekey and holds a forged ratchet message."""
    keys = KeyPair.generate(), KeyPair.generate()
    inner = Message(Header(KeyPair.generate().public, 0, 0), b"garbage" * 10)
    message = InitialMessage(
        identity_key=keys[0].public,
        ephemeral_key=keys[1].public,
        signed_prekey_id=name.device.ring.current,
        one_time_prekey_id=number,
        payload=inner.encode(),
    )
    return replace(message, **change).encode()


def test_a_hundred_garbage_messages_burn_nothing(transport, alice):
    # A26: deleting before the tag is checked would let anybody empty Bob's ring.
    bob = Party("Bob", transport, one_time=100)
    bob.publish()
    alice.send("Bob", TEXT)
    [(sender, genuine)] = transport.collect("Bob")
    before = bob.device
    for number in before.ring.one_time:
        transport.send("Mallory", "Bob", open_with_garbage(bob, number))
    answers = bob.receive()
    assert [type(answer.error) for answer in answers] == [DecryptionFailed] * 100
    assert bob.device is before
    transport.send(sender, "Bob", genuine)
    assert bob.receive() == [Received("Alice", TEXT)]


def refusals(bob):
    """What Mallory may send, and the refusal that it must meet."""
    first = next(iter(bob.device.ring.one_time))
    ratchet_message = Message(Header(bytes([9]) * 32, 0, 0), bytes(48)).encode()
    low_order = bytes(32)
    return {
        "nothing": (b"", errors.Truncated),
        "noise": (b"\xde\xad\xbe\xef" * 30, errors.UnknownVersion),
        "cut": (open_with_garbage(bob, first)[:-1], errors.Truncated),
        "too long": (open_with_garbage(bob, first) + b"!", errors.TrailingBytes),
        "not bytes": ("text", WrongType),
        "no payload": (open_with_garbage(bob, first, payload=b""), Malformed),
        "unknown one-time prekey": (open_with_garbage(bob, 9999), UnknownPreKey),
        "unknown signed prekey": (
            open_with_garbage(bob, first, signed_prekey_id=9999),
            UnknownPreKey,
        ),
        "one-time prekey left out": (open_with_garbage(bob, None), DecryptionFailed),
        "low-order identity": (open_with_garbage(bob, first, identity_key=low_order), LowOrderKey),
        "low-order EK": (open_with_garbage(bob, first, ephemeral_key=low_order), LowOrderKey),
        "no session": (ratchet_message, NoSession),
    }


@pytest.mark.parametrize("name", refusals(Party("Bob", None, one_time=1)))
def test_each_bad_message_meets_its_own_refusal_and_changes_nothing(name, transport, bob, alice):
    data, error = refusals(bob)[name]
    alice.send("Bob", TEXT)
    before = bob.device, dict(bob.pins)
    transport._mailboxes["Bob"].appendleft(("Mallory", data))
    bad, good = bob.receive()
    assert isinstance(bad.error, error)
    assert bad.plaintext is None
    assert bad.sender not in bob.pins
    # The refused message stops nothing: the one behind it opens.
    assert good == Received("Alice", TEXT)
    assert before[1] == {}
    assert len(before[0].ring.one_time) - len(bob.device.ring.one_time) == 1


def test_a_used_one_time_prekey_is_named_as_used(transport, alice, bob):
    before = set(bob.device.ring.one_time)
    alice.send("Bob", TEXT)
    bob.receive()
    [used] = before - set(bob.device.ring.one_time)
    transport.send("Mallory", "Bob", open_with_garbage(bob, used))
    [answer] = bob.receive()
    assert type(answer.error) is UsedPreKey
    assert answer.error.data == {"identifier": used}


def test_every_flipped_byte_of_a_first_message_is_refused_and_burns_nothing(transport, alice, bob):
    alice.send("Bob", TEXT)
    [(_, genuine)] = transport.collect("Bob")
    before = bob.device
    for position in range(len(genuine)):
        changed = bytearray(genuine)
        changed[position] ^= 1
        transport.send("Alice", "Bob", bytes(changed))
        [answer] = bob.receive()
        assert isinstance(answer.error, Refused), position
        assert bob.device is before
    transport.send("Alice", "Bob", genuine)
    assert bob.receive() == [Received("Alice", TEXT)]


# A lying server


@dataclass
class Lying:
    """A transport that changes the bundles it delivers."""

    inner: LocalTransport
    change: object = None

    def __getattr__(self, name):
        return getattr(self.inner, name)

    def fetch(self, name, requester):
        bundle = PreKeyBundle.decode(self.inner.fetch(name, requester))
        return self.change(bundle)


def forged_by(signer):
    """A bundle with the server's signed prekey under the honest identity key (A3)."""
    forged = KeyPair.generate()
    signature = sign(signer.private, encode_key(forged.public))
    return lambda bundle: replace(
        bundle, signed_prekey=forged.public, signed_prekey_signature=signature
    ).encode()


LIES = {
    "forged signed prekey": (BadSignature, forged_by(KeyPair.generate())),
    "low-order one-time prekey": (
        LowOrderKey,
        lambda bundle: replace(bundle, one_time_prekey=bytes(32)).encode(),
    ),
    "cut bundle": (errors.Truncated, lambda bundle: bundle.encode()[:-1]),
    "another message": (errors.UnknownVersion, lambda bundle: b"\x01\x02" + bytes(200)),
    "not bytes": (WrongType, lambda bundle: bundle),
}


@pytest.mark.parametrize("lie", LIES)
def test_a_lie_of_the_server_is_refused_and_nothing_is_sent(lie, transport, bob):
    error, change = LIES[lie]
    alice = Party("Alice", Lying(transport, change), one_time=0)
    before = alice.device
    with pytest.raises(error):
        alice.send("Bob", TEXT)
    assert alice.device is before
    assert alice.pins == {}
    assert transport.collect("Bob") == []


def test_a_forged_bundle_is_refused_before_any_dh(transport, bob):
    alice = Party("Alice", Lying(transport, LIES["forged signed prekey"][1]), one_time=0)
    with trace.record() as recorded, pytest.raises(BadSignature):
        alice.send("Bob", TEXT)
    kinds = [event.kind for event in recorded.events]
    assert kinds == ["WIRE", "VERIFY"]


def test_another_identity_under_a_known_name_is_refused(transport, alice, bob):
    alice.send("Bob", TEXT)
    bob.receive()
    mallory = Party("Alice", transport, one_time=0)
    mallory.send("Bob", b"It is me.")
    before = bob.device
    [answer] = bob.receive()
    assert type(answer.error) is IdentityMismatch
    assert answer.error.step == "X3DH §4.1"
    assert bob.device is before


# What a caller may get wrong


@pytest.mark.parametrize(
    ("plaintext", "error"),
    [("text", WrongType), (None, WrongType), (bytes(PLAINTEXT_LIMIT + 1), TooLarge)],
    ids=["text", "None", "too large"],
)
def test_a_plaintext_that_cannot_be_sent_costs_the_peer_no_prekey(
    transport, alice, bob, plaintext, error
):
    with pytest.raises(error):
        alice.send("Bob", plaintext)
    assert transport.count("Bob") == 5
    assert alice.pins == {}


def test_a_name_that_nobody_published_is_unknown(alice):
    with pytest.raises(UnknownUser) as caught:
        alice.send("Nobody", TEXT)
    assert caught.value.data == {"name": "Nobody"}


# Secrets stay where they are


# Values that anybody may see, although a step took or made them.
PUBLIC_KINDS = {"WIRE", "VERIFY"}


def secrets_of(recorded):
    """Every private input and output of a run, at least 16 bytes long."""
    public = recorded.public() | recorded.constants()
    public |= {
        value
        for event in recorded.events
        if event.kind in PUBLIC_KINDS
        for _, value in event.inputs
    }
    keys = {value for e in recorded.events if e.kind == "PUBLIC" for _, value in e.outputs}
    public |= keys | {encode_key(key) for key in keys}
    values = {v for e in recorded.events for _, v in (*e.inputs, *e.outputs)} - public
    joined = {v for e in recorded.events if e.kind == "CONCAT" for _, v in e.outputs}
    # Associated data is joined from public parts.
    open_parts = {v for v in joined if v[:1] == b"\x05" or v[4:5] == b"\x05"}
    return {value for value in values - open_parts if len(value) >= 16}


def shown(thing):
    """Everything that a person or a log may see of an object."""
    if isinstance(thing, Refused):
        return f"{thing!s} {thing!r} {thing.data!r} {thing.step}"
    return f"{thing!r} {thing!s}"


def leaks(things, secrets):
    text = "\n".join(shown(thing) for thing in things)
    forms = [form for s in secrets for form in (s.hex(), repr(s)[2:-1], str(list(s))[1:-1])]
    return [form for form in forms if form in text]


def test_no_secret_appears_in_any_repr_or_message(transport):
    things = []
    with trace.record() as recorded:
        bob = Party("Bob", transport, one_time=3)
        bob.publish()
        alice = Party("Alice", transport, one_time=1)
        alice.send("Bob", TEXT)
        [(_, genuine)] = transport.collect("Bob")
        for position in range(0, len(genuine), 3):
            changed = bytearray(genuine)
            changed[position] ^= 1
            transport.send("Alice", "Bob", bytes(changed))
        transport.send("Alice", "Bob", genuine)
        things += [answer.error for answer in bob.receive() if answer.error]
        bob.send("Alice", TEXT)
        things += [answer.error for answer in alice.receive() if answer.error]
        identity = KeyPair.generate()
        message, agreement = x3dh.initiate(identity, transport.store.fetch("Bob"))
    for party in (alice, bob):
        things += [party, party.device, party.device.ring, *party.device.ring.signed.values()]
        things += [s for sessions in party.device.sessions.values() for s in sessions]
        things += [s.ratchet for sessions in party.device.sessions.values() for s in sessions]
    things += [recorded, *recorded.events, recorded.closure([bob.identity.private])]
    things += [o for o in recorded.closure([bob.identity.private]).known.values() if o]
    things += [identity, message, agreement, transport, prekeys.publication(bob.device.ring)]
    secrets = secrets_of(recorded)
    assert agreement.secret in secrets
    assert set(agreement.dh) <= secrets
    assert {alice.identity.private, bob.identity.private, TEXT} <= secrets
    assert len(secrets) > 40
    assert leaks(things, secrets) == []


def test_the_search_for_secrets_finds_one_that_is_shown():
    pair = KeyPair.generate()
    assert leaks([Refused("bad key", key=pair.private.hex())], {pair.private}) != []
    assert leaks([(pair, pair.private)], {pair.private}) != []
    assert leaks([pair], {pair.private}) == []
