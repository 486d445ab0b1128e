"""A named device on a transport: the only place with names, mailboxes and time.

A transport has five methods: `publish`, `fetch`, `count`, `send` and `collect`, all of names and
bytes. Attacks and simulated networks are transports that wrap another one. One that leads to a
real service has a sixth, `introduce(name, identity_key, sign)`: there a party must sign in.
"""

from collections import defaultdict, deque
from dataclasses import dataclass, field, replace
from types import MappingProxyType, ModuleType
from typing import Protocol

from x3dhlab import contacts, observe, pqxdh, prekeys, session, x3dh
from x3dhlab.contacts import Contact
from x3dhlab.errors import IdentityMismatch, NoSession, Refused, TrustProblem
from x3dhlab.keys import KeyPair
from x3dhlab.primitives import AEAD, CBC_HMAC, check_plaintext, sign
from x3dhlab.wire import PreKeyBundle, Publication

SERVER = "server"
DEFAULT_KEM = "ML-KEM-1024"


class Transport(Protocol):
    """What carries bytes between named parties and a prekey service."""

    def publish(self, name: str, publication: bytes) -> None:
        """Store a party's public keys."""

    def fetch(self, name: str, requester: str) -> bytes:
        """One encoded `PreKeyBundle` of `name`, for `requester`."""

    def count(self, name: str) -> int:
        """How many one-time prekeys the service still has for `name`."""

    def send(self, sender: str, recipient: str, data: bytes) -> None:
        """Put bytes into the recipient's mailbox."""

    def collect(self, name: str) -> list[tuple[str, bytes]]:
        """Empty the mailbox of `name`: (sender, bytes) in order of arrival."""


class LocalTransport:
    """The honest transport: a prekey store and mailboxes in this process.

    `limits` (see `service.limits`) may refuse a fetch with `RateLimited`; None refuses nothing.
    """

    def __init__(self, store, limits=None):
        self.store = store
        self.limits = limits
        self._mailboxes = defaultdict(deque)

    def publish(self, name, publication):
        crossing(name, SERVER, "publication", publication)
        with observe.acting(SERVER):
            self.store.publish(name, Publication.decode(publication))

    def fetch(self, name, requester):
        if self.limits is not None:
            self.limits.check(requester, name)
        bundle = self.store.fetch(name).encode()
        crossing(SERVER, requester, "bundle", bundle, about=name)
        return bundle

    def count(self, name):
        return self.store.count(name)

    def send(self, sender, recipient, data):
        crossing(sender, SERVER, "message", data, about=recipient)
        self._mailboxes[recipient].append((sender, data))

    def collect(self, name):
        mailbox = self._mailboxes[name]
        arrived = list(mailbox)
        mailbox.clear()
        for sender, data in arrived:
            crossing(SERVER, name, "message", data, about=sender)
        return arrived


def crossing(sender: str, recipient: str, what: str, data: bytes, *, about: str = "") -> None:
    """Tell a listener that bytes cross the wire; `about` is the other person they concern."""
    about = {"what": what, "sender": sender, "recipient": recipient, "about": about}
    observe.announce("WIRE", [(what, data)], **about)


@dataclass(frozen=True, slots=True)
class Received:
    """One message from the mailbox: a plaintext, or the refusal that it met."""

    sender: str
    plaintext: bytes | None
    error: Refused | None = None


@dataclass(slots=True)
class Party:
    """A named person with one device. Trusts an identity key on first use, and keeps it pinned.

    `contacts` is what it remembers of others, `alarms` what did not fit and should be shown.
    `now` (seconds) and `max_age` switch the age rule for signed prekeys on.
    """

    name: str
    transport: Transport
    protocol: ModuleType = x3dh
    kem: str = DEFAULT_KEM
    aead: AEAD = CBC_HMAC
    one_time: int = 10
    identity: KeyPair | None = field(default=None, repr=False)
    now: int = field(default=0, repr=False)
    max_age: int | None = field(default=None, repr=False)
    device: session.Device = field(init=False, repr=False)
    contacts: dict[str, Contact] = field(init=False, default_factory=dict, repr=False)
    alarms: list[Refused] = field(init=False, default_factory=list, repr=False)

    def __post_init__(self):
        with observe.acting(self.name):
            kem = self.kem if self.protocol is pqxdh else None
            ring = prekeys.generate(identity=self.identity, one_time=self.one_time, kem=kem)
            self.identity = ring.identity
            self.device = session.Device(ring, protocol=self.protocol, aead=self.aead)
        introduce = getattr(self.transport, "introduce", None)
        if introduce is not None:
            introduce(self.name, self.identity.public, self._sign)

    def _sign(self, statement):
        """Sign in to a service: the transport never holds the key."""
        return sign(self.identity.private, statement)

    def publish(self) -> None:
        """X3DH §3.2: upload the public halves of all prekeys."""
        with observe.acting(self.name):
            self.transport.publish(self.name, prekeys.publication(self.device.ring).encode())

    def replenish(self, count: int = prekeys.BATCH) -> int:
        """X3DH §3.2: when the service has few one-time prekeys left, make and upload `count` more.

        Returns how many were uploaded: 0 or `count`.
        """
        with observe.acting(self.name):
            if self.transport.count(self.name) >= prekeys.REFILL_BELOW:
                return 0
            since = self.device.ring.next_id
            ring = prekeys.add_one_time(self.device.ring, count)
            # Save the private halves before anybody can use the public ones.
            self.device = replace(self.device, ring=ring)
            publication = prekeys.publication(ring, since=since).encode()
            self.transport.publish(self.name, publication)
            return count

    def rotate(self, *, now: int) -> None:
        """X3DH §3.2: publish a new signed prekey; the old private half stays until `retire`."""
        with observe.acting(self.name):
            since = self.device.ring.next_id
            ring = prekeys.rotate(self.device.ring, now=now)
            self.device = replace(self.device, ring=ring)
            publication = prekeys.publication(ring, since=since).encode()
            self.transport.publish(self.name, publication)

    def retire(self, *, before: int) -> None:
        """Delete the signed prekeys that were made before `before`."""
        with observe.acting(self.name):
            self.device = session.retire(self.device, before=before)

    @property
    def pins(self) -> MappingProxyType:
        """Name → the identity key that is pinned; to look at, not to change."""
        return MappingProxyType({name: known.identity for name, known in self.contacts.items()})

    def accept_change(self, peer: str, identity_key: bytes) -> None:
        """Answer an alarm: this key counts for `peer` from now on, the new one or the old one.

        Raises `IdentityMismatch` for a third key, `NoSession` for a person never met.
        """
        self.contacts[peer] = contacts.accept(self._known(peer), identity_key)

    def verify(self, peer: str) -> None:
        """Note that the safety number was compared with `peer`, and was the same."""
        self.contacts[peer] = contacts.verify(self._known(peer))

    def _known(self, peer):
        if peer not in self.contacts:
            raise NoSession(f"{peer} is not a contact yet", name=peer)
        return self.contacts[peer]

    def send(self, peer: str, plaintext: bytes, *, renew: bool = False) -> None:
        """Encrypt for `peer` and send, after a handshake if there is no session yet.

        `renew` makes a new session although there is one. Raises `IdentityChanged` while a new
        identity key of `peer` waits for `accept_change`.
        """
        # Before the bundle is fetched: it costs the peer a one-time prekey.
        check_plaintext(plaintext)
        with observe.acting(self.name):
            contact, device = self.contacts.get(peer), self.device
            if contact is not None:
                contacts.check_sending(contact, peer)
            if renew or contact is None or not device.sessions.get(contact.identity):
                contact, device = self._start(peer)
            device, data = session.send(device, contact.identity, plaintext)
            # Keep the new state before the ciphertext leaves: a crash must not reuse a key.
            self.contacts[peer] = contact
            self.device = device
            self.transport.send(self.name, peer, data)

    def _start(self, peer):
        bundle = PreKeyBundle.decode(self.transport.fetch(peer, self.name))
        post_quantum = self.device.protocol is pqxdh and bundle.kem_prekey is not None
        try:
            contact = self._meet(peer, bundle.identity_key)
            contacts.check_sending(contact, peer)
            contact = contacts.check_prekey(contact, bundle, now=self.now, max_age=self.max_age)
            contact = contacts.check_handshake(contact, post_quantum)
        except (IdentityMismatch, TrustProblem) as alarm:
            self.alarms.append(alarm)
            raise
        return contact, session.start(self.device, bundle)

    def receive(self) -> list[Received]:
        """Decrypt the whole mailbox. A refused message changes nothing and stops nothing."""
        with observe.acting(self.name):
            return [self._open(*arrived) for arrived in self.transport.collect(self.name)]

    def _open(self, sender, data):
        try:
            device, identity, plaintext = session.receive(self.device, self.pins.get(sender), data)
            contact = self._check_sender(sender, identity, device.sessions[identity][0])
        except Refused as problem:
            if isinstance(problem, (IdentityMismatch, TrustProblem)):
                self.alarms.append(problem)
            return Received(sender, None, problem)
        self.contacts[sender] = contact
        self.device = device
        return Received(sender, plaintext)

    def _check_sender(self, name, identity, used):
        contact = self._meet(name, identity)
        if contact.identity != identity:
            raise IdentityMismatch(
                f"{name} comes with another identity key than before", step="X3DH §4.1", name=name
            )
        known = {there.identifier for there in self.device.sessions.get(identity, ())}
        if used.identifier in known:
            return contact
        return contacts.check_handshake(contact, used.opening.kem_prekey_id is not None)

    def _meet(self, name, identity):
        """The contact of that name; a change of its key is kept whatever follows."""
        contact = contacts.meet(self.contacts.get(name), identity)
        if contact.changed_to is not None:
            self.contacts[name] = contact
        return contact
