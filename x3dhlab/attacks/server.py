"""A server that lies. Each class is a transport that wraps another one and does what its name says.

They compose: `Replay(WithholdOneTime(network))` does both. What a server needs for all of this is
its place between the phones; it knows no private key of theirs. `Scripted` runs misbehaviour that
somebody else wrote. Everything here talks to objects in one process, and to nothing else.
"""

from dataclasses import asdict, replace

from x3dhlab import fingerprint, pqxdh, prekeys, ratchet, x3dh
from x3dhlab.attacks.careless import AcceptsNewIdentities
from x3dhlab.attacks.entry import Attack, Result, attempt
from x3dhlab.attacks.targets import TEXT
from x3dhlab.errors import RateLimited, Refused, StoreUnavailable
from x3dhlab.kem import get
from x3dhlab.keys import KeyPair
from x3dhlab.messaging.devices import check_device, check_list, sign_list
from x3dhlab.messaging.pools import unexplained
from x3dhlab.party import SERVER, LocalTransport, Party
from x3dhlab.primitives import sign
from x3dhlab.service.limits import FetchLimits
from x3dhlab.service.store import PreKeyStore
from x3dhlab.wire import (
    InitialMessage,
    KemPreKey,
    Message,
    OneTimePreKey,
    PreKeyBundle,
    Publication,
    encode_kem,
)


class Relay:
    """Passes everything on."""

    def __init__(self, inner):
        self.inner = inner

    def introduce(self, name, identity_key, sign):
        introduce = getattr(self.inner, "introduce", None)
        if introduce is not None:
            introduce(name, identity_key, sign)

    def publish(self, name, publication):
        self.inner.publish(name, publication)

    def fetch(self, name, requester):
        return self.inner.fetch(name, requester)

    def count(self, name):
        return self.inner.count(name)

    def send(self, sender, recipient, data):
        self.inner.send(sender, recipient, data)

    def collect(self, name):
        return self.inner.collect(name)


class _Changes(Relay):
    """Changes bundles on their way out."""

    def fetch(self, name, requester):
        bundle = PreKeyBundle.decode(self.inner.fetch(name, requester))
        return self.changed(bundle, name).encode()


class SwapSignedPreKey(_Changes):
    """A3: a signed prekey and a one-time key of its own, under the honest identity and signature.

    It computes DH1, DH3 and DH4 of whoever does not check; a later theft of IK_B gives it DH2.
    """

    def __init__(self, inner):
        super().__init__(inner)
        self.signed, self.one_time = KeyPair.generate(), KeyPair.generate()

    def changed(self, bundle, name):
        bundle = replace(bundle, signed_prekey=self.signed.public)
        return _with_one_time(bundle, self.one_time)


class ServeOldSignedPreKey(_Changes):
    """A5: the first signed prekey that it saw, for ever. Its signature is good and has no date."""

    def __init__(self, inner):
        super().__init__(inner)
        self._first: dict[str, PreKeyBundle] = {}

    def changed(self, bundle, name):
        old = self._first.setdefault(name, bundle)
        fields = "signed_prekey_id", "signed_prekey", "signed_prekey_signature"
        return replace(bundle, **{field: getattr(old, field) for field in fields})


class SwapOneTime(_Changes):
    """A6: a one-time key of its own in the place of Bob's. Nobody signed that one."""

    def __init__(self, inner):
        super().__init__(inner)
        self.one_time = KeyPair.generate()

    def changed(self, bundle, name):
        return _with_one_time(bundle, self.one_time)


class SwapOneTimeKem(_Changes):
    """A6 tried on PQXDH: a KEM prekey of its own. Bob signed his, so this one needs a signature."""

    def __init__(self, inner):
        super().__init__(inner)
        self.pair = get("ML-KEM-768").generate()

    def changed(self, bundle, name):
        return replace(bundle, kem_prekey=encode_kem(self.pair.algorithm, self.pair.public))


class WithholdOneTime(_Changes):
    """A7: bundles without a one-time key, as if the pool were empty."""

    def changed(self, bundle, name):
        return replace(bundle, one_time_prekey_id=None, one_time_prekey=None)


class IssueTwice(_Changes):
    """A8: the first bundle of each person, one-time key included, for everybody."""

    def __init__(self, inner):
        super().__init__(inner)
        self._first: dict[str, PreKeyBundle] = {}

    def changed(self, bundle, name):
        return self._first.setdefault(name, bundle)


class Replay(Relay):
    """A19: every message is delivered twice."""

    def send(self, sender, recipient, data):
        self.inner.send(sender, recipient, data)
        self.inner.send(sender, recipient, data)


class Record(Relay):
    """Keeps a copy of every message."""

    def __init__(self, inner):
        super().__init__(inner)
        self.recorded: list[tuple[str, str, bytes]] = []

    def send(self, sender, recipient, data):
        self.recorded.append((sender, recipient, data))
        self.inner.send(sender, recipient, data)


class Later(Relay):
    """Honest until `strike()`; from then on what `lying` does."""

    def __init__(self, inner, lying):
        super().__init__(inner)
        self._lying = lying

    def strike(self):
        self.inner = self._lying


def _with_one_time(bundle, pair):
    return (
        bundle if bundle.one_time_prekey is None else replace(bundle, one_time_prekey=pair.public)
    )


# A1: a server that stands between two people


class SwapIdentity(Relay):
    """A1: for each of two people it plays the other one, with its own keys, and relays the texts.

    `read` has every text that passed: (writer, text). The roles are ordinary parties.
    """

    def __init__(self, inner, between=("Alice", "Bob"), **party):
        super().__init__(inner)
        self.read: list[tuple[str, bytes]] = []
        left, right = between
        # (who is deceived, whom the server plays for him)
        self.roles = {
            (victim, played): Party(played, _BackDoor(inner), **party)
            for victim, played in ((left, right), (right, left))
        }
        for role in self.roles.values():
            role.publish()

    def fetch(self, name, requester):
        role = self.roles.get((requester, name))
        return (
            role.transport.own.fetch(name, requester) if role else self.inner.fetch(name, requester)
        )

    def send(self, sender, recipient, data):
        role = self.roles.get((sender, recipient))
        if role is None:
            return self.inner.send(sender, recipient, data)
        role.transport.own.send(sender, recipient, data)
        for received in role.receive():
            if received.error is None:  # what it cannot open was for the honest one, and is lost
                self.read.append((sender, received.plaintext))
                self.roles[recipient, sender].send(recipient, received.plaintext)
        return None

    def write_first(self, text: bytes) -> None:
        """A2: both roles open new sessions, as if two people had new phones."""
        for (victim, _), role in self.roles.items():
            role.send(victim, text)


class _BackDoor(Relay):
    """What a role uses: a mailbox and keys of its own, and the real network to write to."""

    def __init__(self, inner):
        super().__init__(inner)
        self.own = LocalTransport(PreKeyStore())

    def introduce(self, name, identity_key, sign):
        """Nothing: in the real network the name is the victim's."""

    def publish(self, name, publication):
        self.own.publish(name, publication)

    def collect(self, name):
        return self.own.collect(name)


class Gateway(Relay):
    """A16: puts bundles of another service into this service's format.

    The other service signs the 32 bytes of a key, this one signs Encode(SPK), 33 bytes. The gateway
    has no private key, so it copies the signature; after the translation it does not fit. A gateway
    that wants to be accepted has to sign itself, and that is `SwapIdentity`.
    """

    def __init__(self, inner):
        super().__init__(inner)
        self._there: dict[str, PreKeyBundle] = {}

    def join(self, party):
        """A person of the other service, with the keys and the signature that it has there."""
        ring = party.device.ring
        signed = prekeys.find_signed(ring, ring.current)
        signature = sign(ring.identity.private, signed.public)
        keys = ring.identity.public, ring.current, signed.public, signature
        self._there[party.name] = PreKeyBundle(*keys)

    def fetch(self, name, requester):
        there = self._there.get(name)
        return self.inner.fetch(name, requester) if there is None else there.encode()


class RogueDevice(Relay):
    """A12: names one more device for a person, with keys of its own."""

    def __init__(self, inner, name="Bob's tablet"):
        super().__init__(inner)
        self.rogue = Party(name, inner)
        self.rogue.publish()

    def named(self, devices: dict[str, bytes]) -> dict[str, bytes]:
        """The devices that it tells a sender: the honest ones and its own."""
        return {**devices, self.rogue.name: self.rogue.identity.public}


def drain(transport, name: str, requesters: int = 1, times: int = 50) -> dict[str, int]:
    """A25: fetch in a loop, from several accounts. How many bundles came, and how many refusals."""
    found = {"bundles": 0, "refused": 0}
    for turn in range(times):
        try:
            transport.fetch(name, f"Mallory {turn % requesters}")
            found["bundles"] += 1
        except RateLimited:
            found["refused"] += 1
    return found


def open_recorded(data: bytes, identity: KeyPair, signed: KeyPair, one_time=None) -> bytes:
    """The text of a recorded first message, for whoever holds these private keys."""
    message = InitialMessage.decode(data)
    agreement = x3dh.respond(identity, signed, one_time, replace(message, payload=b""))
    state = ratchet.State.responder(agreement.secret, signed)
    inner = Message.decode(message.payload)
    return ratchet.decrypt(state, inner, agreement.associated_data)[1]


# Misbehaviour that somebody else writes


class Scripted(Relay):
    """Does what `on_frame(state, direction, frame) → [state, frames]` says, all in plain data.

    `direction` is "up" (to the server) or "down" (from it). A frame is a dict: `what` is
    "publication" (up), "bundle" (down) or "message" (up, and later down), `from` and `to` are
    names. Keys have `about`, whose keys they are, and the fields of the wire by name; a message
    has `data`. What `on_frame` returns goes on in the place of the frame: nothing, or several.
    """

    def __init__(self, inner, on_frame, state=None):
        super().__init__(inner)
        self._on_frame, self.state = on_frame, state

    def publish(self, name, publication):
        keys = {"about": name, **_fields(Publication.decode(publication))}
        for frame in self._frames("up", "publication", name, SERVER, keys):
            self.inner.publish(frame["from"], _publication(frame).encode())

    def fetch(self, name, requester):
        bundle = PreKeyBundle.decode(self.inner.fetch(name, requester))
        keys = {"about": name, **_fields(bundle)}
        frames = self._frames("down", "bundle", SERVER, requester, keys)
        if not frames:
            raise StoreUnavailable(f"the server gives no keys of {name}", step="X3DH §3.3")
        return PreKeyBundle(**_only(frames[0], bundle)).encode()

    def send(self, sender, recipient, data):
        for frame in self._frames("up", "message", sender, recipient, {"data": data}):
            self.inner.send(frame["from"], frame["to"], frame["data"])

    def collect(self, name):
        arrived = []
        for sender, data in self.inner.collect(name):
            for frame in self._frames("down", "message", sender, name, {"data": data}):
                if frame["to"] == name:
                    arrived.append((frame["from"], frame["data"]))
                else:
                    self.inner.send(frame["from"], frame["to"], frame["data"])
        return arrived

    def _frames(self, direction, what, sender, recipient, facts):
        frame = {"what": what, "from": sender, "to": recipient, **facts}
        answer = self._on_frame(self.state, direction, frame)
        if type(answer) not in (list, tuple) or len(answer) != 2 or type(answer[1]) is not list:
            raise TypeError(f"on_frame must return [state, list of frames], not {answer!r:.60}")
        self.state, frames = answer
        return frames


def _fields(layout):
    return {name: list(v) if type(v) is tuple else v for name, v in asdict(layout).items()}


def _only(frame, layout):
    return {name: frame.get(name) for name in asdict(layout)}


def _publication(frame):
    fields = {name: frame[name] for name in Publication.__dataclass_fields__}
    kinds = {
        "one_time_prekeys": OneTimePreKey,
        "kem_prekeys": KemPreKey,
        "last_resort_kem_prekeys": KemPreKey,
    }
    for name, kind in kinds.items():
        fields[name] = tuple(kind(**prekey) for prekey in fields[name])
    return Publication(**fields)


# For the catalogue


def _pair(transport, alice=Party, **options):
    """Alice and Bob on a transport, both published."""
    people = alice("Alice", transport, **options), Party("Bob", transport, **options)
    for party in people:
        party.publish()
    return people


def _said(party):
    """The texts and refusals in a mailbox, in words."""
    found = party.receive()
    return ", ".join(
        f"“{r.plaintext.decode()}”" if r.error is None else str(r.error) for r in found
    )


def numbers(left: Party, right: Party) -> tuple[str, str]:
    """The safety numbers on two phones, each from its own identity key and the pinned one."""
    mine = left.name, left.identity.public
    theirs = right.name, right.identity.public
    return (
        fingerprint.safety_number(*mine, right.name, left.pins[right.name]),
        fingerprint.safety_number(*theirs, left.name, right.pins[left.name]),
    )


def _between(compared: bool) -> Result:
    """A1: Alice writes, Bob reads; then perhaps both compare."""
    lying = SwapIdentity(LocalTransport(PreKeyStore()), one_time=1)
    alice, bob = _pair(lying, one_time=1)
    alice.send("Bob", TEXT)
    seen = f"Bob reads {_said(bob)}, the server too"
    shown = numbers(alice, bob)
    if compared and shown[0] != shown[1]:
        return Result(
            False,
            f"Alice's phone shows {shown[0][:5]}…, Bob's {shown[1][:5]}…",
            "unequal safety numbers",
        )
    return Result(lying.read == [("Alice", TEXT)], seen)


def _later(alice) -> Result:
    """A2: an honest first conversation; then Alice makes a new session, and the server strikes."""
    network = LocalTransport(PreKeyStore())
    lying = SwapIdentity(network, one_time=1)
    server = Later(network, lying)
    alice, bob = _pair(server, alice, one_time=3)
    alice.send("Bob", b"Hello")
    _said(bob)
    server.strike()
    try:
        alice.send("Bob", TEXT, renew=True)
    except Refused as refusal:
        return Result(False, refusal.args[0], type(refusal).__name__)
    return Result(
        lying.read == [("Alice", TEXT)], "the server reads Alice's text, she sees nothing"
    )


def _old_prekey(met: bool) -> Result:
    """A5: Bob has replaced his signed prekey. `met`: Alice has seen the new one before."""
    network = LocalTransport(PreKeyStore())
    old = ServeOldSignedPreKey(network)
    server = Later(network, old)
    alice, bob = _pair(server)
    old.fetch("Bob", "the server itself")  # it keeps a copy
    bob.rotate(now=1)
    if met:
        alice.send("Bob", b"Hello")
        _said(bob)
    server.strike()
    try:
        alice.send("Bob", TEXT, renew=met)
    except Refused as refusal:
        return Result(False, refusal.args[0], type(refusal).__name__)
    used = alice.device.sessions[bob.identity.public][0].opening.signed_prekey_id
    bob.retire(before=1)
    seen = f"Alice uses the old key; Bob has deleted it: {_said(bob)}"
    return Result(used != bob.device.ring.current, seen)


def _own_one_time() -> Result:
    """A6: a one-time key of the server's; IK_B and SPK_B are stolen later."""
    lying = SwapOneTime(LocalTransport(PreKeyStore()))
    server = Record(lying)
    alice, bob = _pair(server)
    alice.send("Bob", TEXT)
    _, _, data = server.recorded[0]
    ring = bob.device.ring
    text = open_recorded(
        data, ring.identity, prekeys.find_signed(ring, ring.current), lying.one_time
    )
    return Result(text == TEXT, f"Bob: {_said(bob)}. After the theft the server reads it")


def _own_kem_prekey() -> Result:
    """The same against PQXDH, where each one-time KEM prekey is signed."""
    server = SwapOneTimeKem(LocalTransport(PreKeyStore()))
    alice, _ = _pair(server, protocol=pqxdh, kem="ML-KEM-768", one_time=1)
    return attempt(lambda: alice.send("Bob", TEXT))


def _withheld() -> tuple[Result, int]:
    """A7: no one-time keys; IK_B and SPK_B are stolen after Bob has read the message."""
    server = Record(WithholdOneTime(LocalTransport(PreKeyStore())))
    alice, bob = _pair(server)
    alice.send("Bob", TEXT)
    seen = _said(bob)
    ring = bob.device.ring
    _, _, data = server.recorded[0]
    text = open_recorded(data, ring.identity, prekeys.find_signed(ring, ring.current))
    found = unexplained(bob.device, server.count("Bob"))
    return Result(text == TEXT, f"Bob reads {seen}. After the theft the server reads it"), found


def _counted() -> Result:
    """The owner's count notices it, after the fact; nothing stops it."""
    _, found = _withheld()
    seen = f"{found} first message without a one-time key, and the pool is not empty"
    return Result(found == 0, seen, "the owner's count" if found else "")


def _rogue_device(checks: bool) -> Result:
    """A12: Alice writes to each device that the server names."""
    network = LocalTransport(PreKeyStore())
    alice, phone, laptop = (
        Party(name, network) for name in ("Alice", "Bob's phone", "Bob's laptop")
    )
    devices = {party.name: party.identity.public for party in (phone, laptop)}
    signed = check_list(sign_list(phone.identity, devices, 1), phone.identity.public)
    server = RogueDevice(network)
    for party in (phone, laptop):
        party.publish()
    try:
        for name, key in server.named(devices).items():
            if checks:
                check_device(signed, name, key)
            alice.send(name, TEXT)
    except Refused as refusal:
        return Result(False, refusal.args[0], type(refusal).__name__)
    read = _said(server.rogue)
    seen = f"{server.rogue.name}, which is the server's, reads {read}"
    return Result(read == f"“{TEXT.decode()}”", seen)


def _through_a_gateway() -> Result:
    """A16 with a gateway that signs for itself: it is the other end for both."""
    gateway = SwapIdentity(LocalTransport(PreKeyStore()), one_time=1)
    alice, bob = _pair(gateway, one_time=1)
    alice.send("Bob", TEXT)
    return Result(gateway.read == [("Alice", TEXT)], f"Bob reads {_said(bob)}, the gateway too")


def _translated() -> Result:
    gateway = Gateway(LocalTransport(PreKeyStore()))
    gateway.join(Party("Bob", gateway))
    alice = Party("Alice", gateway)
    return attempt(lambda: alice.send("Bob", TEXT))


def _drained(limits) -> Result:
    """A25: 60 requests from 10 accounts; Bob has 60 one-time keys."""
    network = LocalTransport(PreKeyStore(), limits)
    Party("Bob", network, one_time=60).publish()
    found = drain(network, "Bob", requesters=10, times=60)
    left = network.count("Bob")
    stopped = "RateLimited" if found["refused"] else ""
    return Result(left == 0, f"{left} of 60 one-time keys are left", stopped)


CATALOGUE = (
    Attack(
        "A1",
        "A Bob that the server invented",
        "S",
        "13",
        precondition="Alice and Bob have never compared their identity keys.",
        observed="All signatures are good, both read the right texts, and so does the server.",
        defence="Compare safety numbers; pin; let a public log show which keys a name has.",
        source="X3DH §4.1.",
        works=lambda: _between(compared=False),
        fails=lambda: _between(compared=True),
    ),
    Attack(
        "A2",
        "Another Bob, later",
        "SC",
        "13",
        precondition="The client takes a new identity key without asking.",
        observed="A new session under a new key, and the server reads on.",
        defence="Send nothing until a person has accepted the new key.",
        source="X3DH §4.1; libsignal asks for the trust of a key before it sends.",
        works=lambda: _later(AcceptsNewIdentities),
        fails=lambda: _later(Party),
    ),
    Attack(
        "A5",
        "An old signed prekey",
        "S",
        "13",
        precondition="The signature covers the key and no date, and Alice has seen no newer one.",
        observed="Alice uses a key that Bob has replaced, and cannot know it.",
        defence="Remember the newest number; a maximum age; a date under the signature.",
        source="Analysis; Signal signs the key alone.",
        works=lambda: _old_prekey(met=False),
        fails=lambda: _old_prekey(met=True),
    ),
    Attack(
        "A6",
        "A one-time key of the server's own",
        "SK",
        "13",
        precondition="One-time keys of X3DH are not signed; IK_B and SPK_B are stolen later.",
        observed="Bob cannot open the message. After the theft the server reads its recording.",
        defence="Sign one-time keys, as PQXDH signs its KEM prekeys.",
        source="X3DH §2.4; symbolic analysis of PQXDH.",
        works=_own_one_time,
        fails=_own_kem_prekey,
    ),
    Attack(
        "A7",
        "One-time keys withheld",
        "SK",
        "13",
        precondition="None: a sender cannot tell it from an empty pool.",
        observed="Three terms in place of four; a later theft of IK_B and SPK_B opens the message.",
        defence="Nothing at the time. Later the owner's count; a signed prekey that lives shortly.",
        source="X3DH §4.7, PQXDH §4.9.",
        works=lambda: _withheld()[0],
        fails=_counted,
    ),
    Attack(
        "A12",
        "A device that nobody owns",
        "S",
        "13",
        precondition="Clients encrypt for every device that the server names.",
        observed="One message more is sealed, and the server opens it.",
        defence="A device list that the account's key has signed; a notice that people see.",
        source="Sesame §3.1 and its security considerations.",
        works=lambda: _rogue_device(checks=False),
        fails=lambda: _rogue_device(checks=True),
    ),
    Attack(
        "A16",
        "A gateway that translates keys",
        "SC",
        "13",
        precondition="The gateway signs for itself, and nobody compares safety numbers.",
        observed="Both sides work, and the gateway reads everything.",
        defence="Hand bundles on as they are; both services sign the same bytes.",
        source="Design C's federation flow.",
        works=_through_a_gateway,
        fails=_translated,
    ),
    Attack(
        "A25",
        "An empty pool",
        "N",
        "13",
        precondition="Everybody may ask for bundles as often as they like.",
        observed="No one-time keys are left, and later senders get three terms.",
        defence="Limits per requester and per target; clients that go on with three terms.",
        source="X3DH §4.7; “Prekey Pogo”, WOOT 2025.",
        works=lambda: _drained(None),
        fails=lambda: _drained(FetchLimits()),
    ),
)
