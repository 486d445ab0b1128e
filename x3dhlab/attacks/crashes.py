"""What goes wrong without an attacker: keys deleted early, steps not saved, sessions overwritten.

A72: a signed prekey is deleted while messages for it are on their way. A75: the ciphertext leaves
before the new state is saved. A76: two people write first at the same time. A77: a phone loses its
counter and uses numbers again. The owner sees messages that do not open, or nothing.
"""

from dataclasses import replace
from types import MappingProxyType

from x3dhlab import prekeys, session
from x3dhlab.attacks import targets
from x3dhlab.attacks.entry import Attack, Result
from x3dhlab.errors import Refused
from x3dhlab.wire import InitialMessage, Message

DAY = 24 * 60 * 60


def rotated(keeps: bool) -> Result:
    """A72: Bob rotates while Alice's message is on its way; `keeps` the old key, or not."""
    friends = targets.friends(one_time=0)
    data = friends.written()
    friends.bob.rotate(now=DAY)
    if not keeps:
        friends.bob.retire(before=DAY)
    try:
        friends.deliver(data)
    except Refused as refusal:
        return Result(True, f"Bob: {refusal.args[0]}")
    return Result(False, "the message opens", "the old private half is kept")


def _key_of(data: bytes) -> tuple[bytes, int]:
    """Which message key a first message uses: the ratchet key and the number of its header."""
    header = Message.decode(InitialMessage.decode(data).payload).header
    return header.ratchet_key, header.number


def saved_after(crashes: bool = True) -> Result:
    """A75: the program sends, and saves then. It crashes between, and sends again."""
    friends = targets.friends()
    friends.written(b"the first")
    device, (peer,) = friends.alice.device, friends.alice.device.sessions
    sent = []
    for text in (b"pay Carol", b"pay Peter"):
        after, data = session.send(device, peer, text)
        sent.append(_key_of(data))
        device = device if crashes else after
    return Result(sent[0] == sent[1], "two texts under one message key")


class _Failing:
    """A network that fails when bytes are given to it; it has them all the same."""

    def __init__(self, network):
        self.network, self.seen = network, []

    def send(self, sender, recipient, data):
        self.seen.append(data)
        raise ConnectionError("the network is gone")


def _saved_before() -> Result:
    """A75 against a party: the new state is kept before the bytes leave."""
    friends = targets.friends()
    friends.written(b"the first")
    friends.alice.transport = failing = _Failing(friends.network)
    for text in (b"pay Carol", b"pay Peter"):
        try:
            friends.alice.send("Bob", text)
        except ConnectionError:
            continue
    first, second = map(_key_of, failing.seen)
    return Result(first == second, "two message keys", "the state is saved before sending")


def both_first(keeps_all: bool) -> Result:
    """A76: both write first; then each reads. `keeps_all` sessions with a peer, or the newest."""
    friends = targets.friends()
    people = (friends.alice, friends.bob)
    for party, peer in zip(people, ("Bob", "Alice"), strict=True):
        party.send(peer, b"hello")
    lost = 0
    for _ in range(2):
        lost += sum(_unread(party, keeps_all) for party in people)
        for party, peer in zip(people, ("Bob", "Alice"), strict=True):
            party.send(peer, b"how are you?")
    lost += sum(_unread(party, keeps_all) for party in people)
    if lost:
        return Result(True, f"{lost} messages cannot be read")
    return Result(False, "every message opens", "all sessions are kept")


def _unread(party, keeps_all):
    """How many messages of the mailbox do not open. Afterwards only the newest session may stay."""
    lost = sum(received.error is not None for received in party.receive())
    if not keeps_all:
        _keep_the_newest(party)
    return lost


def _keep_the_newest(party):
    newest = {peer: sessions[:1] for peer, sessions in party.device.sessions.items()}
    party.device = replace(party.device, sessions=MappingProxyType(newest))


def counted_again() -> Result:
    """A77: the phone publishes, loses its counter, and numbers new keys from the old one."""
    friends = targets.friends(one_time=2)
    ring = friends.bob.device.ring
    offer = prekeys.publication(prekeys.add_one_time(ring, 3), since=ring.next_id)
    friends.network.publish("Bob", offer.encode())
    again = prekeys.add_one_time(ring, 3)  # the counter of `ring` never moved
    offer = prekeys.publication(again, since=ring.next_id)
    try:
        friends.network.publish("Bob", offer.encode())
    except Refused as refusal:
        return Result(True, refusal.args[0])
    return Result(False, "published")


def _counter_kept() -> Result:
    """A77 against a party: the ring is saved before the upload, so a retry sends the same keys."""
    friends = targets.friends(one_time=2)
    honest, failing = friends.bob.transport, _Unreachable(friends.network)
    friends.bob.transport = failing
    attempt_to_refill(friends.bob)
    friends.bob.transport = honest
    friends.bob.publish()
    same = friends.network.count("Bob") == len(friends.bob.device.ring.one_time)
    return Result(not same, "server and phone have the same keys", "saved before the upload")


class _Unreachable:
    """A network on which an upload never arrives."""

    def __init__(self, network):
        self.network = network

    def count(self, name):
        return self.network.count(name)

    def publish(self, name, publication):
        raise ConnectionError("the network is gone")


def attempt_to_refill(party) -> None:
    """A refill whose upload fails."""
    try:
        party.replenish(3)
    except ConnectionError:
        return


CATALOGUE = (
    Attack(
        "A72",
        "A bundle older than the key",
        "D",
        "18",
        "Bob deletes a signed prekey at the moment when he replaces it.",
        "Messages that are on their way do not open.",
        "Keep the old private half for longer than any message travels.",
        "Design B's questions about delay.",
        works=lambda: rotated(keeps=False),
        fails=lambda: rotated(keeps=True),
    ),
    Attack(
        "A75",
        "A crash between two steps",
        "D",
        "19",
        "The ciphertext leaves before the new state is saved.",
        "After a crash one message key is used for two texts.",
        "Save the new state, then send.",
        "Design D keeps ratchet states in a cache.",
        works=saved_after,
        fails=_saved_before,
    ),
    Attack(
        "A76",
        "Two who write first",
        "D",
        "19",
        "A table holds one session for each pair of people.",
        "One session overwrites the other, and messages are lost.",
        "Keep all sessions; the one that decrypts becomes the active one.",
        "Sesame §3.4; design E's table has one row for each pair.",
        works=lambda: both_first(keeps_all=False),
        fails=lambda: both_first(keeps_all=True),
    ),
    Attack(
        "A77",
        "Numbers used again",
        "D",
        "19",
        "A phone uploads keys, and loses its counter before it is saved.",
        "The next upload is refused, or peers use keys whose private half is gone.",
        "Save before the upload, and try the same keys again.",
        "matrix-rust-sdk issue 1415.",
        works=counted_again,
        fails=_counter_kept,
    ),
)
