"""What a server can do with the private keys that somebody placed on it.

Precondition: the server follows the protocol, keeps what it was given, and then looks. Nothing is
decided by a table: each capability is tried on the bytes of a fresh handshake. Posing as Bob with
his identity key is A3 with a good signature, posing as Alice with his signed prekey is A27.
"""

from dataclasses import dataclass, replace

from x3dhlab.attacks.weakened import (
    TERMS,
    Cast,
    MissingTerm,
    accept,
    compute,
    impersonate,
    secret,
    send,
    steal_and_read,
)
from x3dhlab.errors import BadSignature, DecryptionFailed
from x3dhlab.keys import KeyPair
from x3dhlab.primitives import open_sealed, seal, sign, verify
from x3dhlab.wire import encode_key
from x3dhlab.x3dh import associated_data

PRIVATE = ("IK_A", "EK_A", "IK_B", "SPK_B", "OPK_B")
PUBLIC = ("IK_B", "SPK_B", "OPK_B")
READ, AS_ALICE, AS_BOB = "read the message", "write as Alice", "answer as Bob in a new session"
TEXT = b"See you at eight."


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing the server tried: did it work, and the text or the obstacle that shows it."""

    succeeded: bool
    evidence: str


@dataclass(frozen=True, slots=True)
class FirstContact:
    """Alice's first message to an offline Bob, and what the server then found out."""

    missing: tuple[str, ...]  # public keys of Bob's that Alice needs and the server does not have
    terms: int
    bob_reads: str
    findings: dict[str, Finding]


def first_contact(private=(), public=PUBLIC, terms=TERMS) -> FirstContact:
    """Run it with these private halves copied to the server, and these public halves of Bob's."""
    missing = tuple(name for name in ("IK_B", "SPK_B") if name not in public)
    if missing:
        return FirstContact(missing, 0, "", {})
    cast = Cast() if "OPK_B" in public else Cast(OPK_B=None)
    known = cast.private(*private)
    sealed = send(cast, TEXT, terms)
    tries = {
        READ: lambda: steal_and_read(cast, sealed, known, terms),
        AS_ALICE: lambda: impersonate(cast, b"Pay the server. Alice", known, terms),
        AS_BOB: lambda: answer_as_bob(cast, known, terms),
    }
    used = len(compute(terms, cast.private("IK_A", "EK_A"), cast.public))
    findings = {name: _tried(attack) for name, attack in tries.items()}
    return FirstContact((), used, accept(cast, sealed, terms).decode(), findings)


def _tried(attack):
    try:
        return Finding(True, attack().decode())
    except (MissingTerm, BadSignature, DecryptionFailed) as obstacle:
        return Finding(False, obstacle.args[0])


def answer_as_bob(cast: Cast, known: dict[str, bytes], terms=TERMS) -> bytes:
    """The server gives Alice a signed prekey of its own. Returns what it reads of her message.

    Alice knows the true IK_B and checks the signature. Raises `BadSignature` without ik_b.
    """
    SPK = KeyPair.generate()
    signer = known.get("IK_B") or KeyPair.generate().private
    verify(cast.IK_B.public, encode_key(SPK.public), sign(signer, encode_key(SPK.public)))
    public = {**replace(cast, OPK_B=None).public, "SPK_B": SPK.public}
    AD = associated_data(cast.IK_A.public, cast.IK_B.public)
    alice = secret(compute(terms, cast.private("IK_A", "EK_A"), public))
    server = secret(compute(terms, {**known, "SPK_B": SPK.private}, public))
    return open_sealed(server, seal(alice, TEXT, AD), AD)


PLACEMENTS = {
    "no private key": (),
    **{f"private {name}": (name,) for name in PRIVATE},
    "both of Alice's": ("IK_A", "EK_A"),
    "all three of Bob's": ("IK_B", "SPK_B", "OPK_B"),
}


def placements(terms=TERMS) -> dict[str, dict[str, Finding]]:
    """What the server can do for each of `PLACEMENTS`, with Bob's public keys uploaded."""
    return {name: first_contact(keys, terms=terms).findings for name, keys in PLACEMENTS.items()}
