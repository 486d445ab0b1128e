"""The post-quantum half of a ratchet taken out or altered on the way (A57).

Precondition: a relay between two phones that may change messages; it knows no key. Clients here
begin as deployed ones had to: an old peer must be able to read the first message, so it is sealed
with the key of the Double Ratchet alone, and its quantum header is an offer. Whoever sees an offer
answers with both. The phones write in turn. This negotiation is the course's own model.
Nobody notices when the offer is outside the tag and not required; `tried` runs all other cases.
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace

from x3dhlab import primitives, spqr, triple_ratchet
from x3dhlab.attacks import entry
from x3dhlab.attacks.entry import Attack, attempt
from x3dhlab.errors import Malformed, Refused
from x3dhlab.keys import KeyPair
from x3dhlab.primitives import random_bytes
from x3dhlab.ratchet import bind
from x3dhlab.wire import Header, SparseHeader

AD = b"both identity keys"
TURNS = 60  # messages from each side in one run: more than an epoch


@dataclass(frozen=True, slots=True)
class Rules:
    """`covered`: the quantum header is under the tag. `required`: no message without it."""

    covered: bool = True
    required: bool = True


@dataclass(frozen=True, slots=True)
class Offer:
    """One message: the header of the Double Ratchet, a quantum header or none, a ciphertext."""

    ec: Header
    pq: SparseHeader | None
    ciphertext: bytes = field(repr=False)


@dataclass(slots=True)
class Phone:
    """One end. `agreed` is None until the peer's first message came, then True or False."""

    state: triple_ratchet.State
    rules: Rules
    agreed: bool | None = None

    def write(self, text: bytes) -> Offer:
        ec, header, ec_mk = triple_ratchet.send_key(self.state.ec)
        pq, sparse, pq_mk = self.state.pq, None, None
        if self.agreed is not False:
            pq, sparse, pq_mk = spqr.send_key(self.state.pq)
        mk = triple_ratchet.kdf_hybrid(ec_mk, pq_mk) if self.agreed else ec_mk
        self.state = replace(self.state, ec=ec, pq=pq)
        return Offer(header, sparse, primitives.seal(mk, text, self._bound(header, sparse)))

    def read(self, message: Offer) -> bytes:
        """Raises `Refused`; nothing has changed then."""
        if message.pq is None and (self.rules.required or self.agreed):
            raise Malformed("the quantum header is missing", step="Double Ratchet §6")
        ec, ec_mk = triple_ratchet.receive_key(self.state.ec, message.ec)
        pq, mk = self.state.pq, ec_mk
        if message.pq is not None:
            pq, pq_mk = spqr.receive_key(self.state.pq, message.pq)
            # The first message of all is one that an old peer must be able to read.
            first = self.agreed is None and not pq.initiates
            mk = ec_mk if first else triple_ratchet.kdf_hybrid(ec_mk, pq_mk)
        bound = self._bound(message.ec, message.pq)
        text = primitives.open_sealed(mk, message.ciphertext, bound)
        self.state, self.agreed = triple_ratchet.State(ec, pq), message.pq is not None
        return text

    def _bound(self, header, sparse):
        covered = sparse is not None and self.rules.covered
        return bind(AD, header.encode() + (sparse.encode() if covered else b""))


def phones(rules: Rules) -> dict[str, Phone]:
    """Alice and Bob after a handshake."""
    secret, SPK_B = random_bytes(32), KeyPair.generate()
    alice = triple_ratchet.State.initiator(secret, SPK_B.public)
    bob = triple_ratchet.State.responder(secret, SPK_B)
    return {"Alice": Phone(alice, rules), "Bob": Phone(bob, rules)}


def honest(message: Offer, number: int) -> Offer:
    """The relay delivers what it got."""
    return message


def stripped(message: Offer, number: int) -> Offer:
    """The relay takes the offer out of the first message."""
    return replace(message, pq=None) if number == 1 else message


def altered(message: Offer, number: int) -> Offer:
    """The relay changes one bit of one chunk, in message 21."""
    if number != 21:
        return message
    chunk = message.pq.braid.chunk
    other = bytes([chunk[0] ^ 1]) + chunk[1:]
    return replace(message, pq=replace(message.pq, braid=replace(message.pq.braid, chunk=other)))


ATTACKS: dict[str, Callable[[Offer, int], Offer]] = {
    "delivers": honest,
    "takes the offer out of the first message": stripped,
    "alters a bit of a chunk in message 21": altered,
}


@dataclass(frozen=True, slots=True)
class Result:
    """`refused` are the numbers of messages that did not open, `hybrid` counts keys of both."""

    refused: tuple[int, ...]
    hybrid: int
    epochs: int
    reason: str = ""

    @property
    def sentence(self) -> str:
        if not self.refused:
            return (
                "All is read, with both keys from message 2 on."
                if self.hybrid
                else "All is read. Nobody notices."
            )
        first = f"Message {self.refused[0]} is refused"
        if len(self.refused) > 1:
            return f"{first}, and {len(self.refused) - 1} more after it."
        return f"{first}, the next one is read."


def tried(rules: Rules, attack: Callable[[Offer, int], Offer], turns: int = TURNS) -> Result:
    """Two phones write in turn through the relay. A refused message is not sent again."""
    made, number, refused, hybrid, reason = phones(rules), 0, [], 0, ""
    for _ in range(turns):
        for name, peer in (("Alice", "Bob"), ("Bob", "Alice")):
            if made[name].state.ec.CKs is None:
                continue  # Bob has read nothing yet, so he cannot write
            number += 1
            message = attack(made[name].write(b"text"), number)
            try:
                made[peer].read(message)
                hybrid += bool(made[name].agreed and made[peer].agreed)
            except Refused as refusal:
                refused.append(number)
                reason = reason or type(refusal).__name__
    epochs = min(phone.state.pq.scka.epoch for phone in made.values()) - 1
    return Result(tuple(refused), hybrid, epochs, reason)


# For the catalogue


def _stripped() -> entry.Result:
    found = tried(Rules(covered=False, required=False), stripped)
    return entry.Result(found.hybrid == 0 and not found.refused, found.sentence)


def _chunk_altered() -> entry.Result:
    """A57 against `triple_ratchet`: a bit of the quantum header is turned over on the way."""
    made = phones(Rules())
    _, message = triple_ratchet.encrypt(
        triple_ratchet.State(made["Alice"].state.ec, made["Alice"].state.pq), b"text", AD
    )
    pq = message.header.pq
    chunk = bytes([pq.braid.chunk[0] ^ 1]) + pq.braid.chunk[1:]
    pq = replace(pq, braid=replace(pq.braid, chunk=chunk))
    altered = replace(message, header=replace(message.header, pq=pq))
    return attempt(lambda: triple_ratchet.decrypt(made["Bob"].state, altered, AD))


CATALOGUE = (
    Attack(
        "A57",
        "The quantum half taken out",
        "NI",
        "12",
        "The quantum header is not required, and not under the tag.",
        "All is read with classical keys, and nobody notices.",
        "A minimum version, and the field under the tag.",
        "libsignal refuses sessions without it since April 2026.",
        works=_stripped,
        fails=_chunk_altered,
    ),
)
