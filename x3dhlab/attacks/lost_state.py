"""Phones and servers that lost a part of what they knew, and resets that throw it away.

A75: a ratchet state goes back to an older one. Design C's reset is here too: anybody may ask for
it, and it deletes the record. What its owner notices is named in each function.
"""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from types import MappingProxyType

from x3dhlab import prekeys, session
from x3dhlab.attacks import targets
from x3dhlab.errors import Refused
from x3dhlab.party import Party
from x3dhlab.session import Device
from x3dhlab.wire import Message

EMPTY = MappingProxyType({})
READ = "reads it"

# A cache in front of the database (A75)


@dataclass(frozen=True, slots=True)
class Crash:
    """After a crash: keys used twice, answers to the messages after it, and copies read again."""

    twice: int
    after: Counter
    copies: int = 0


def acquainted() -> targets.Friends:
    """Alice and Bob, each of whom has read a message of the other."""
    friends = targets.friends()
    friends.deliver(friends.written(b"hello"))
    _answers(friends)
    return friends


def sender_crashes(unsaved: int, later: int = 12, turn: bool = False) -> Crash:
    """Alice's state goes back by `unsaved` messages; then she writes `later` more.

    With `turn`, Bob answers once among the unsaved ones, and her newest ratchet key is lost too.
    """
    friends = acquainted()
    saved, used = friends.alice.device, set()
    for number in range(unsaved):
        used.add(_key(_sent(friends)[0]))
        if turn and number == unsaved // 2:
            _answers(friends)
    friends.alice.device = saved
    after = [_sent(friends) for _ in range(later)]
    return Crash(sum(_key(data) in used for data, _ in after), Counter(said for _, said in after))


def reader_crashes(unsaved: int, later: int = 3, turn: bool = False) -> Crash:
    """Bob's state goes back by `unsaved` messages; they come once more, then `later` new ones.

    With `turn`, Bob answers among the unsaved ones, and Alice writes on with his new ratchet key.
    """
    friends = acquainted()
    saved, copies = friends.bob.device, []
    for number in range(unsaved):
        copies.append(_sent(friends)[0])
        if turn and number == unsaved // 2:
            _answers(friends)
    friends.bob.device = saved
    again = [_said(friends.bob, "Alice", data) for data in copies]
    after = Counter(_sent(friends)[1] for _ in range(later))
    return Crash(0, after, again.count(READ))


def _sent(friends):
    """Alice writes: the bytes, and what Bob says."""
    data = friends.written(b"a message")
    return data, _said(friends.bob, "Alice", data)


def _said(party, sender, data):
    """What a party says of these bytes: `READ`, or the name of its refusal."""
    party.transport.send(sender, party.name, data)
    (received,) = party.receive()
    return READ if received.error is None else type(received.error).__name__


def _answers(friends):
    friends.bob.send("Alice", b"an answer")
    friends.alice.receive()


def _key(data):
    """Which message key it uses: the ratchet key and the number of its header."""
    header = Message.decode(data).header
    return header.ratchet_key, header.number


# What is lost with a phone


@dataclass(frozen=True, slots=True)
class InFlight:
    """Bob with one message of each kind on its way to him. The messages are (sender, bytes)."""

    bob: Party
    messages: dict[str, tuple[str, bytes]]


def in_flight() -> InFlight:
    """Three people have written: with a one-time key, without one, and in an old conversation."""
    friends = targets.friends(one_time=2)
    dora = Party("Dora", friends.network)
    dora.publish()
    dora.send("Bob", b"hello")
    friends.bob.receive()
    friends.bob.send("Dora", b"hello Dora")
    dora.receive()
    writers = friends.alice, Party("Carol", friends.network), dora
    found = {}
    for kind, writer in zip(KINDS, writers, strict=True):
        writer.send("Bob", b"are you there?")
        ((name, data),) = friends.network.collect("Bob")
        found[kind] = name, data
    return InFlight(friends.bob, found)


KINDS = ("first message, one-time key", "first message, none", "later message")


def _no_one_time(device):
    return replace(device, ring=replace(device.ring, one_time=EMPTY))


def _no_signed(device):
    return replace(device, ring=prekeys.retire(prekeys.rotate(device.ring, now=1), before=1))


def _no_sessions(device):
    return replace(device, sessions=EMPTY, accepted=EMPTY)


def _counter_kept(device):
    bare = replace(device.ring, signed=EMPTY, one_time=EMPTY)
    return replace(device, ring=prekeys.add_one_time(prekeys.rotate(bare), 10), sessions=EMPTY)


def _identity_only(device):
    return Device(prekeys.generate(identity=device.ring.identity), protocol=device.protocol)


def _new_phone(device):
    return Device(prekeys.generate(), protocol=device.protocol)


LOSSES: dict[str, Callable[[Device], Device]] = {
    "nothing is lost": lambda device: device,
    "one-time private halves": _no_one_time,
    "old signed private half": _no_signed,
    "sessions": _no_sessions,
    "all but identity key, counter": _counter_kept,
    "all but the identity key": _identity_only,
    "everything": _new_phone,
}


def after_loss(loss: str) -> dict[str, str]:
    """Kind of message in flight → what Bob says of it after this loss."""
    scene = in_flight()
    scene.bob.device = LOSSES[loss](scene.bob.device)
    return {kind: _said(scene.bob, *sent) for kind, sent in scene.messages.items()}


# Resets


def forgetful(device: Device, peer: bytes) -> Device:
    """Design C's reset: the session state is cleared, all of it."""
    sessions = {key: known for key, known in device.sessions.items() if key != peer}
    return replace(device, sessions=MappingProxyType(sessions), accepted=EMPTY)


def careful(device: Device, peer: bytes) -> Device:
    """A reset that deletes nothing: the next message begins a new session beside the old ones."""
    return device


def replay_after(reset: Callable[[Device, bytes], Device]) -> str:
    """A payment without one-time key is read; then a reset; then the same bytes come again."""
    friends = targets.friends(one_time=0)
    data = friends.written(b"Pay 10 euros to Carol.")
    friends.deliver(data)
    friends.bob.device = reset(friends.bob.device, friends.alice.identity.public)
    return _said(friends.bob, "Alice", data)


@dataclass(frozen=True, slots=True)
class Resets:
    """What false reset requests cost: one-time keys of the peer, and answers to what was sent."""

    keys: int
    answers: Counter


def false_resets(requests: int, reset: Callable[[Device, bytes], Device]) -> Resets:
    """Mallory asks Alice for a reset in Bob's name, `requests` times, while Bob is writing.

    Design C's Alice obeys and begins anew. `careful` stands for a phone that ignores a request
    which no session authenticates.
    """
    friends = acquainted()
    before, answers = friends.network.count("Bob"), Counter()
    for _ in range(requests):
        friends.bob.send("Alice", b"on its way")
        if reset is not careful:
            peer = friends.bob.identity.public
            friends.alice.device = reset(friends.alice.device, peer)
            friends.alice.send("Bob", b"let us begin anew")
        ((_, data),) = friends.network.collect("Alice")
        answers[_said(friends.alice, "Bob", data)] += 1
        friends.bob.receive()
    return Resets(before - friends.network.count("Bob"), answers)


# The life of a session


def life() -> list[tuple[str, str, int]]:
    """What happens → the state of Alice's newest session with Bob, and how many she keeps."""
    friends, rows = targets.friends(), []

    def note(event):
        known = next(iter(friends.alice.device.sessions.values()), ())
        rows.append((event, _state(known[0]) if known else "none", len(known)))

    note("Alice has Bob's name")
    friends.alice.send("Bob", b"hello")
    note("she writes")
    friends.bob.receive()
    friends.bob.send("Alice", b"hello")
    friends.alice.receive()
    note("Bob answers")
    friends.bob.rotate(now=30)
    friends.alice.send("Bob", b"still there?")
    note("Bob rotates his signed prekey, Alice writes")
    friends.bob.receive()
    friends.bob.send("Alice", b"on its way")
    friends.alice.send("Bob", b"a new session", renew=True)
    note("Alice begins anew")
    friends.alice.receive()
    note("Bob's message on its way arrives")
    return rows


def _state(one: session.Session) -> str:
    return "waits for an answer" if one.handshake is not None else "answered"


def rotated_in_session() -> bool:
    """Does the thief of Bob's session still read after Bob rotated his signed prekey?"""
    friends = acquainted()
    stolen = friends.bob.device
    friends.bob.rotate(now=30)
    friends.bob.retire(before=30)
    data = friends.written(b"after the rotation")
    try:
        _, _, text = session.receive(stolen, friends.alice.identity.public, data)
    except Refused:
        return False
    return text == b"after the rotation"
