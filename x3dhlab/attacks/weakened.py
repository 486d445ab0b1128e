"""Handshakes with terms left out, and the attacker that each missing term lets in.

A handshake here is X3DH with a chosen subset of DH1…DH4 in its KDF input, equal on both sides, so
that Alice and Bob still agree and every ordinary test still passes. The attackers get real bytes
and return real plaintexts; nothing is decided by a table.
"""

from dataclasses import dataclass, field

from x3dhlab.errors import DecryptionFailed, Refused
from x3dhlab.keys import KeyPair
from x3dhlab.primitives import concat, dh, hkdf, open_sealed, seal
from x3dhlab.x3dh import INFO, F, associated_data

TERMS = ("DH1", "DH2", "DH3", "DH4")


@dataclass(frozen=True, slots=True)
class Cast:
    """Everybody's key pairs. The attackers below take out of it only what they say they have."""

    IK_A: KeyPair = field(default_factory=KeyPair.generate)
    EK_A: KeyPair = field(default_factory=KeyPair.generate)
    IK_B: KeyPair = field(default_factory=KeyPair.generate)
    SPK_B: KeyPair = field(default_factory=KeyPair.generate)
    OPK_B: KeyPair | None = field(default_factory=KeyPair.generate)

    @property
    def public(self) -> dict[str, bytes]:
        """The public keys by name: what everybody on the path has seen."""
        names = ("IK_A", "EK_A", "IK_B", "SPK_B", "OPK_B")
        return {name: getattr(self, name).public for name in names if getattr(self, name)}

    def private(self, *names: str) -> dict[str, bytes]:
        """The private keys of these names; a one-time key that was never used is left out."""
        return {name: getattr(self, name).private for name in names if getattr(self, name)}


# DHn is the Diffie-Hellman result of these two keys; either private half gives it.
PAIRS = {
    "DH1": ("IK_A", "SPK_B"),
    "DH2": ("EK_A", "IK_B"),
    "DH3": ("EK_A", "SPK_B"),
    "DH4": ("EK_A", "OPK_B"),
}


def compute(terms, private: dict[str, bytes], public: dict[str, bytes]) -> list[bytes]:
    """The chosen terms, from whatever private keys are at hand. Raises `MissingTerm`.

    Alice calls it with hers, Bob with his, and a thief with what was stolen.
    """
    values = []
    for term in terms:
        left, right = PAIRS[term]
        if right == "OPK_B" and right not in public:
            continue
        if left in private:
            values.append(dh(private[left], public[right]))
        elif right in private:
            values.append(dh(private[right], public[left]))
        else:
            raise MissingTerm(
                f"{term} needs the private half of {left} or of {right}", step="X3DH §3.3"
            )
    return values


class MissingTerm(Refused):
    """A Diffie-Hellman term cannot be computed: neither private key is at hand."""


def secret(values: list[bytes]) -> bytes:
    """X3DH §2.2: SK from the terms that are left, with the usual F, salt and info."""
    key_material = concat(F, *values)
    return hkdf(key_material, salt=bytes(32), info=INFO, length=32)


def send(cast: Cast, plaintext: bytes, terms=TERMS) -> bytes:
    """Alice's sealed message under the weakened handshake."""
    SK = secret(compute(terms, cast.private("IK_A", "EK_A"), cast.public))
    return seal(SK, plaintext, associated_data(cast.IK_A.public, cast.IK_B.public))


def accept(cast: Cast, ciphertext: bytes, terms=TERMS, public=None) -> bytes:
    """What Bob reads. `public` are the keys that the message claims, Alice's unless given."""
    public = {**cast.public, **(public or {})}
    SK = secret(compute(terms, cast.private("IK_B", "SPK_B", "OPK_B"), public))
    return open_sealed(SK, ciphertext, associated_data(public["IK_A"], cast.IK_B.public))


def steal_and_read(cast: Cast, ciphertext: bytes, stolen: dict[str, bytes], terms=TERMS) -> bytes:
    """A thief with some private keys and a recording. Returns the plaintext or raises."""
    SK = secret(compute(terms, stolen, cast.public))
    return open_sealed(SK, ciphertext, associated_data(cast.IK_A.public, cast.IK_B.public))


def impersonate(
    cast: Cast, plaintext: bytes, stolen: dict[str, bytes] | None = None, terms=TERMS
) -> bytes:
    """Write to Bob in Alice's name, with a fresh ephemeral key and whatever was stolen.

    Without DH1 nothing need be stolen. With the private half of SPK_B it works against the whole
    of X3DH (A27, key-compromise impersonation). Returns what Bob reads, or raises.
    """
    mine = KeyPair.generate()
    public = {**cast.public, "EK_A": mine.public}
    SK = secret(compute(terms, {**(stolen or {}), "EK_A": mine.private}, public))
    ciphertext = seal(SK, plaintext, associated_data(cast.IK_A.public, cast.IK_B.public))
    return accept(cast, ciphertext, terms, {"EK_A": mine.public})


@dataclass(frozen=True, slots=True)
class Attempt:
    """One attack on one handshake: what was tried, whether it worked, and why not."""

    attack: str
    terms: tuple[str, ...]
    succeeded: bool
    evidence: str


# Attack → (what it needs, does the run use a one-time prekey, the keys that are stolen).
ATTACKS = {
    "write as Alice": ("nothing but public keys", True, ()),
    "read with Bob's prekeys": ("stolen: SPK_B, OPK_B", True, ("SPK_B", "OPK_B")),
    "read with both identities": ("stolen later: IK_A, IK_B", False, ("IK_A", "IK_B")),
    "read with IK_B and SPK_B": ("stolen later: IK_B, SPK_B", True, ("IK_B", "SPK_B")),
}


def attempt(attack: str, terms=TERMS, one_time: bool | None = None) -> Attempt:
    """Run one of `ATTACKS` against a fresh cast whose handshake uses `terms`.

    `one_time` False empties the pool, so that DH4 is left out; None takes what the attack says.
    """
    _, usual, names = ATTACKS[attack]
    one_time = usual if one_time is None else one_time
    cast = Cast() if one_time else Cast(OPK_B=None)
    text = b"Meet me at noon."
    try:
        if attack.startswith("write"):
            got = impersonate(cast, text, cast.private(*names), terms)
        else:
            got = steal_and_read(cast, send(cast, text, terms), cast.private(*names), terms)
    except (MissingTerm, DecryptionFailed) as problem:
        return Attempt(attack, tuple(terms), False, problem.args[0])
    return Attempt(attack, tuple(terms), got == text, got.decode())


def dropped_terms() -> dict[str, list[Attempt]]:
    """Every attack against X3DH with all terms, and with each one left out."""
    handshakes = {"all four": TERMS}
    for term in TERMS:
        handshakes[f"without {term}"] = tuple(t for t in TERMS if t != term)
    return {
        name: [attempt(attack, terms) for attack in ATTACKS] for name, terms in handshakes.items()
    }
