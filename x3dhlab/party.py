"""A named device on a transport: the only place with names, mailboxes and time.

A transport has five methods: `publish`, `fetch`, `count`, `send` and `collect`, all of names and
bytes. Attacks and simulated networks are transports that wrap another one.
"""

from collections import defaultdict, deque
from dataclasses import dataclass, field, replace
from types import ModuleType
from typing import Protocol

from x3dhlab import observe, pqxdh, prekeys, session, x3dh
from x3dhlab.errors import IdentityMismatch, Refused
from x3dhlab.keys import KeyPair
from x3dhlab.primitives import AEAD, CBC_HMAC, check_plaintext
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
    """The honest transport: a prekey store and mailboxes in this process."""

    def __init__(self, store):
        self.store = store
        self._mailboxes = defaultdict(deque)

    def publish(self, name, publication):
        crossing(name, SERVER, "publication", publication)
        with observe.acting(SERVER):
            self.store.publish(name, Publication.decode(publication))

    def fetch(self, name, requester):
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
    """A named person with one device. Trusts an identity key on first use, and keeps it pinned."""

    name: str
    transport: Transport
    protocol: ModuleType = x3dh
    kem: str = DEFAULT_KEM
    aead: AEAD = CBC_HMAC
    one_time: int = 10
    identity: KeyPair | None = field(default=None, repr=False)
    device: session.Device = field(init=False, repr=False)
    pins: dict[str, bytes] = field(init=False, default_factory=dict, repr=False)

    def __post_init__(self):
        with observe.acting(self.name):
            kem = self.kem if self.protocol is pqxdh else None
            ring = prekeys.generate(identity=self.identity, one_time=self.one_time, kem=kem)
            self.identity = ring.identity
            self.device = session.Device(ring, protocol=self.protocol, aead=self.aead)

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

    def send(self, peer: str, plaintext: bytes) -> None:
        """Encrypt for `peer` and send, after a handshake if there is no session yet."""
        # Before the bundle is fetched: it costs the peer a one-time prekey.
        check_plaintext(plaintext)
        with observe.acting(self.name):
            device = self.device
            identity = self.pins.get(peer)
            if not device.sessions.get(identity):
                bundle = PreKeyBundle.decode(self.transport.fetch(peer, self.name))
                self._check_pin(peer, bundle.identity_key)
                identity = bundle.identity_key
                device = session.start(device, bundle)
            device, data = session.send(device, identity, plaintext)
            # Keep the new state before the ciphertext leaves: a crash must not reuse a key.
            self.pins[peer] = identity
            self.device = device
            self.transport.send(self.name, peer, data)

    def receive(self) -> list[Received]:
        """Decrypt the whole mailbox. A refused message changes nothing and stops nothing."""
        with observe.acting(self.name):
            return [self._open(*arrived) for arrived in self.transport.collect(self.name)]

    def _open(self, sender, data):
        try:
            device, identity, plaintext = session.receive(self.device, self.pins.get(sender), data)
            self._check_pin(sender, identity)
        except Refused as problem:
            return Received(sender, None, problem)
        self.pins[sender] = identity
        self.device = device
        return Received(sender, plaintext)

    def _check_pin(self, name, identity):
        if self.pins.get(name, identity) != identity:
            raise IdentityMismatch(
                f"{name} comes with another identity key than before", step="X3DH §4.1", name=name
            )
