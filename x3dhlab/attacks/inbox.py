"""Inboxes for first messages, each with its own rules, and the attacks that the rules let in.

An `Inbox` is Bob's side of X3DH with one switch for each decision that public designs get wrong.
The text is sealed with SK itself; the package's session puts a Double Ratchet between.
"""

import sqlite3
import tempfile
from collections import Counter
from dataclasses import dataclass, field, replace
from pathlib import Path

from x3dhlab import prekeys, session, x3dh
from x3dhlab.attacks import targets
from x3dhlab.attacks.entry import Attack, Result, attempt
from x3dhlab.errors import Refused, Replayed, UnknownPreKey, UsedPreKey
from x3dhlab.keys import KeyPair
from x3dhlab.party import LocalTransport, Party
from x3dhlab.prekeys import PreKeyRing
from x3dhlab.primitives import AES_256_GCM, dh, hmac_sha256, open_sealed, random_bytes, seal
from x3dhlab.service.store import PreKeyStore
from x3dhlab.wire import Header, InitialMessage, Message, PreKeyBundle

TEXT = b"Pay 10 euros to Carol."
NEVER_MADE = 999  # a number that no ring of these attacks ever gave to a key
_P = 2**255 - 19


@dataclass(frozen=True, slots=True)
class Rules:
    """What an inbox does. The defaults are the specification's and this course's.

    `record` is "SK", "bytes" (IK_A, EK_A and both numbers as they arrive) or "none"; with `room`
    it holds so many entries, and the oldest goes.
    """

    burn_first: bool = False
    record: str = "SK"
    unknown_is_none: bool = False
    room: int | None = None


@dataclass(slots=True)
class Inbox:
    """Bob's phone: a ring of prekeys, a record of accepted handshakes, and the texts he read."""

    rules: Rules = Rules()
    ring: PreKeyRing = field(default_factory=lambda: prekeys.generate(one_time=5), repr=False)
    record: list = field(default_factory=list, repr=False)
    texts: list = field(default_factory=list)

    def bundle(self, one_time: bool = True) -> PreKeyBundle:
        """What an honest server hands out."""
        offer = prekeys.publication(self.ring)
        bundle = PreKeyBundle(
            offer.identity_key,
            offer.signed_prekey_id,
            offer.signed_prekey,
            offer.signed_prekey_signature,
        )
        if not one_time:
            return bundle
        first = offer.one_time_prekeys[0]
        number, key = first.one_time_prekey_id, first.one_time_prekey
        return replace(bundle, one_time_prekey_id=number, one_time_prekey=key)

    def receive(self, data: bytes) -> bytes:
        """X3DH §3.4 under these rules: the text, or a refusal."""
        message = InitialMessage.decode(data)
        SPK_B = prekeys.find_signed(self.ring, message.signed_prekey_id)
        OPK_B = self._one_time(message)
        if self.rules.burn_first:
            self._burn(message)
        if OPK_B is None:
            message = replace(message, one_time_prekey_id=None)
        agreement = x3dh.respond(self.ring.identity, SPK_B, OPK_B, message)
        entry = self._entry(message, agreement)
        if entry in self.record:
            raise Replayed("this handshake was accepted before", step="X3DH §4.2")
        text = open_sealed(agreement.secret, message.payload, agreement.associated_data)
        self._burn(message)
        if entry is not None:
            self.record.append(entry)
        if self.rules.room is not None and len(self.record) > self.rules.room:
            del self.record[0]
        self.texts.append(text)
        return text

    def _one_time(self, message):
        try:
            return prekeys.find_one_time(self.ring, message.one_time_prekey_id)
        except (UnknownPreKey, UsedPreKey):
            if self.rules.unknown_is_none:
                return None
            raise

    def _burn(self, message):
        self.ring = prekeys.burn(self.ring, message.one_time_prekey_id)

    def _entry(self, message, agreement):
        if self.rules.record == "none":
            return None
        if self.rules.record == "SK":
            return hmac_sha256(agreement.secret, b"record of first messages")
        numbers = message.signed_prekey_id, message.one_time_prekey_id
        return message.identity_key, message.ephemeral_key, *numbers


def write(bundle: PreKeyBundle, text: bytes = TEXT) -> bytes:
    """An honest first message from a new sender."""
    message, agreement = x3dh.initiate(KeyPair.generate(), bundle)
    payload = seal(agreement.secret, text, agreement.associated_data)
    return replace(message, payload=payload).encode()


# What travels can be rewritten


def with_last_bit(public: bytes) -> bytes:
    """The same X25519 key with bit 255 turned over; X25519 ignores that bit."""
    return public[:31] + bytes([public[31] ^ 0x80])


def with_small_point(public: bytes) -> bytes:
    """The key plus the point of order 2, which is 1/u: private keys are even and cancel it."""
    u = int.from_bytes(public, "little") % 2**255
    return pow(u, -1, _P).to_bytes(32, "little")


def rewritten(data: bytes, way=with_last_bit) -> bytes:
    """A first message with EK_A in other bytes that give the same secrets."""
    message = InitialMessage.decode(data)
    return replace(message, ephemeral_key=way(message.ephemeral_key)).encode()


def garbage(number: int) -> bytes:
    """A first message that anybody can make: it names a one-time prekey, and nothing in it fits."""
    IK, EK = KeyPair.generate(), KeyPair.generate()
    return InitialMessage(IK.public, EK.public, 1, number, payload=random_bytes(64)).encode()


# The attacks


@dataclass(frozen=True, slots=True)
class Try:
    """One attack on one inbox: did it succeed, and the facts of the run."""

    succeeded: bool
    sentence: str
    facts: dict = field(default_factory=dict)


def _delivered(inbox, data):
    """What the inbox makes of these bytes, in words."""
    try:
        return f"reads “{inbox.receive(data).decode()}”"
    except Refused as refusal:
        return f"refuses: {type(refusal).__name__}"


def burn_with_garbage(rules: Rules) -> Try:
    """A26: garbage for every one-time prekey, then the honest message that was on its way."""
    inbox = Inbox(rules)
    data, before = write(inbox.bundle()), len(inbox.ring.one_time)
    for number in tuple(inbox.ring.one_time):
        _delivered(inbox, garbage(number))
    facts = {"one-time keys": f"{before} before the garbage, {len(inbox.ring.one_time)} after"}
    facts["Alice's message"] = told = f"Bob {_delivered(inbox, data)}"
    lost = "refuses" in told
    return Try(lost, "An honest message is lost." if lost else "The honest message opens.", facts)


def replay(rules: Rules, one_time: bool = False, change=lambda data: data) -> Try:
    """A19, A20: the same first message twice, the second time perhaps rewritten."""
    inbox = Inbox(rules)
    data = write(inbox.bundle(one_time))
    facts = {"first time": f"Bob {_delivered(inbox, data)}"}
    facts["second time"] = told = f"Bob {_delivered(inbox, change(data))}"
    twice = "reads" in told
    return Try(twice, "Bob pays twice." if twice else "The second one is refused.", facts)


def hidden_downgrade(rules: Rules) -> Try:
    """Design B's sample: the server gives a number without a key, and nobody notices.

    A Bob who reads it notes, as Alice does, that a one-time key was used. A later thief of IK_B
    and SPK_B reads all.
    """
    inbox = Inbox(rules)
    alice, bundle = KeyPair.generate(), inbox.bundle(one_time=False)
    message, agreement = x3dh.initiate(alice, bundle)
    payload = seal(agreement.secret, TEXT, agreement.associated_data)
    data = replace(message, one_time_prekey_id=NEVER_MADE, payload=payload).encode()
    told = _delivered(inbox, data)
    noted = f"one-time key {NEVER_MADE} used"
    facts = {"Alice's log says": noted, "Bob": told}
    if "refuses" in told:
        return Try(False, "Bob refuses: he never had that key.", facts)
    facts["Bob's log says"] = noted
    facts["a later thief reads"] = _stolen_later(inbox, data).decode()
    return Try(True, "A weak handshake is noted as a strong one.", facts)


def _stolen_later(inbox, data):
    """The text, from the recording and the private halves of IK_B and SPK_B."""
    message = InitialMessage.decode(data)
    ik, spk = inbox.ring.identity, prekeys.find_signed(inbox.ring, message.signed_prekey_id)
    IK_A, EK_A = message.identity_key, message.ephemeral_key
    dhs = dh(spk.private, IK_A), dh(ik.private, EK_A), dh(spk.private, EK_A)
    AD = x3dh.associated_data(IK_A, ik.public)
    return open_sealed(x3dh.derive(dhs), message.payload, AD)


ATTACKS = {
    "garbage burns keys": burn_with_garbage,
    "the same bytes again": replay,
    "rewritten and again": lambda rules: replay(rules, change=rewritten),
    "a number without a key": hidden_downgrade,
}

DESIGNS = {
    "record from SK (X3DH §4.2)": Rules(),
    "burns first (design C)": Rules(burn_first=True),
    "no record": Rules(record="none"),
    "record of bytes (design B)": Rules(record="bytes"),
    "unknown is none (design B)": Rules(unknown_is_none=True),
}


def outcomes() -> dict[str, list[bool]]:
    """Design → did each of `ATTACKS` succeed. Every attack runs, on new keys."""
    return {
        name: [attack(rules).succeeded for attack in ATTACKS.values()]
        for name, rules in DESIGNS.items()
    }


def power_cut(steps: tuple[str, str], together: bool) -> dict[str, int]:
    """The power fails between two steps on a SQLite file; what the phone finds when it is back.

    `steps` are "burn" and "store" in either order; `together` puts both into one transaction.
    """
    do = {
        "burn": "DELETE FROM one_time WHERE number = 7",
        "store": "INSERT INTO session VALUES (7)",
    }
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "phone.db"
        phone = sqlite3.connect(path, isolation_level=None)
        phone.executescript("CREATE TABLE one_time(number); CREATE TABLE session(number)")
        phone.execute("INSERT INTO one_time VALUES (7)")
        if together:
            phone.execute("BEGIN")
        phone.execute(do[steps[0]])
        phone.close()  # here the power fails: the second step and the COMMIT never happen
        phone = sqlite3.connect(path)
        counts = {
            "one-time keys": phone.execute("SELECT count(*) FROM one_time").fetchone()[0],
            "sessions": phone.execute("SELECT count(*) FROM session").fetchone()[0],
        }
        phone.close()
    return counts


def design_e_message(key: bytes, text: bytes) -> bytes:
    """Design E's encrypted message: nonce 12, AES-GCM with its tag 16, HMAC 32. No header."""
    sealed = seal(key, text, b"", aead=AES_256_GCM)
    return random_bytes(12) + sealed + hmac_sha256(key, sealed)


def every_flipped_bit(text: bytes = b"Hello") -> Counter:
    """Send a first message as often as it has bits, each time with another bit turned over.

    The receiver is the package's own session, as it was before the message. Returns how often
    each refusal came; "accepted" would be a bit that nobody checks.
    """
    network = LocalTransport(PreKeyStore())
    alice, bob = Party("Alice", network), Party("Bob", network)
    bob.publish()
    alice.send("Bob", text)
    ((_, data),) = network.collect("Bob")
    found: Counter = Counter()
    for bit in range(8 * len(data)):
        flipped = bytearray(data)
        flipped[bit // 8] ^= 1 << bit % 8
        try:
            session.receive(bob.device, None, bytes(flipped))
            found["accepted"] += 1
        except Refused as refusal:
            found[type(refusal).__name__] += 1
    return found


# For the catalogue


def _burning(rules):
    found = burn_with_garbage(rules)
    return Result(found.succeeded, found.facts["Alice's message"])


def _burn_the_package() -> Result:
    """A26 against a party of this course: garbage for each number, then the honest message."""
    friends = targets.friends()
    honest, before = friends.written(TEXT), len(friends.bob.device.ring.one_time)
    for number in tuple(friends.bob.device.ring.one_time):
        formed = Message(Header(KeyPair.generate().public, 0, 0), random_bytes(48)).encode()
        forged = replace(InitialMessage.decode(garbage(number)), payload=formed)
        friends.network.send("Mallory", "Bob", forged.encode())
    refused = {type(received.error).__name__ for received in friends.bob.receive()}
    lost = friends.deliver(honest) != TEXT
    gone = before - len(friends.bob.device.ring.one_time)
    seen = f"{gone} of {before} one-time keys gone, the honest message opens"
    return Result(lost, seen, " or ".join(sorted(refused)))


def _twice(rules, **how):
    found = replay(rules, **how)
    return Result(found.succeeded, found.facts["second time"])


def _again(change=lambda data: data) -> Result:
    """A19, A20 against a party of this course, whose pool is empty."""
    friends = targets.friends(one_time=0)
    data = friends.written(TEXT)
    friends.deliver(data)
    return attempt(lambda: friends.deliver(change(data)))


EVICTING = 40  # handshakes that anybody may start


def _evicted(rules) -> Result:
    """A21: fresh first messages push the victim's entry out of the record; then it is replayed."""
    inbox = Inbox(rules)
    data = write(inbox.bundle(one_time=False))
    inbox.receive(data)
    for _ in range(EVICTING):
        inbox.receive(write(inbox.bundle(one_time=False)))
    told = _delivered(inbox, data)
    return Result("reads" in told, f"after {EVICTING} strangers Bob {told}")


def _not_evicted() -> Result:
    """A21 against a party of this course. Alice's own new sessions push her first one out, too."""
    friends = targets.friends(one_time=0)
    data = friends.written(TEXT)
    friends.deliver(data)
    for _ in range(session.MAX_SESSIONS + 1):
        again = Party("Alice", friends.network, identity=friends.alice.identity)
        again.send("Bob", b"a new session")
    friends.bob.receive()
    return attempt(lambda: friends.deliver(data))


CATALOGUE = (
    Attack(
        "A19",
        "A first message delivered twice",
        "N",
        "06",
        "No one-time key was used, and Bob keeps no record.",
        "Bob reads, and does, the same thing twice.",
        "A record of accepted handshakes that lives as long as the signed prekey.",
        "X3DH §4.2.",
        works=lambda: _twice(Rules(record="none")),
        fails=_again,
    ),
    Attack(
        "A20",
        "The same key in other bytes",
        "N",
        "06",
        "The record compares the bytes of EK_A as they arrive.",
        "Other bytes, the same secret: the record does not know them.",
        "A record of a value derived from SK, or only one accepted form of EK_A.",
        "libsignal refuses both rewritten forms since September 2025.",
        works=lambda: _twice(Rules(record="bytes"), change=rewritten),
        fails=lambda: _again(rewritten),
    ),
    Attack(
        "A21",
        "A record that forgets",
        "ND",
        "19",
        "The record has room for a fixed number, and the oldest entry goes.",
        "Fresh handshakes from anybody push the entry out; the replay is accepted.",
        "Keep each entry as long as its prekey; replace the last-resort key.",
        "The contract of libsignal's record of used last-resort keys, September 2025.",
        works=lambda: _evicted(Rules(room=EVICTING)),
        fails=_not_evicted,
    ),
    Attack(
        "A26",
        "Garbage that burns keys",
        "NI",
        "06",
        precondition="Bob deletes a one-time key before he has opened the message that names it.",
        observed="Every private one-time key is gone, and honest messages no longer open.",
        defence="Delete only after the text has opened, in one step with storing the session.",
        source="X3DH §3.4; design B's order of steps.",
        works=lambda: _burning(Rules(burn_first=True)),
        fails=_burn_the_package,
    ),
)
