"""A22: public keys of low order, which make every Diffie-Hellman result zero.

Precondition: the receiver's X25519 does not refuse an all-zero output. The attacker needs no
private key at all. Nobody notices: the session works. `primitives.dh` refuses such keys, so the
attack runs on a small ladder of RFC 7748 §5 that has no check. It is slow, and its time depends
on secrets: for this demonstration only.
"""

from dataclasses import dataclass, replace

from x3dhlab import x3dh
from x3dhlab.attacks import targets
from x3dhlab.attacks.entry import Attack, Result, attempt
from x3dhlab.attacks.weakened import PAIRS, Cast
from x3dhlab.errors import DecryptionFailed
from x3dhlab.primitives import open_sealed, seal
from x3dhlab.wire import InitialMessage, PreKeyBundle
from x3dhlab.x3dh import associated_data, derive

P = 2**255 - 19
ZEROS = bytes(32)
TEXT = b"Send the report to this new address."


def _number(value):
    return value.to_bytes(32, "little")


_POINTS = {
    "0": ZEROS,
    "1": _number(1),
    "p - 1": _number(P - 1),
    "p": _number(P),
    "p + 1": _number(P + 1),
    "order 8, first": bytes.fromhex(
        "e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800"
    ),
    "order 8, second": bytes.fromhex(
        "5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157"
    ),
}


def with_bit_255(public: bytes) -> bytes:
    """The same point written differently: X25519 ignores the top bit of the last byte."""
    return public[:31] + bytes([public[31] | 128])


# Every way to write a point of low order in 32 bytes.
LOW_ORDER = {
    **_POINTS,
    **{f"{name}, bit 255 set": with_bit_255(point) for name, point in _POINTS.items()},
}


def ladder(private: bytes, public: bytes, *, clamp: bool = True) -> bytes:
    """X25519 of RFC 7748 §5, without the check of §6.1. With `clamp=False` for any scalar."""
    k = int.from_bytes(private, "little")
    if clamp:
        k = k & ~7 & ~(1 << 255) | 1 << 254
    x1 = int.from_bytes(public, "little") & ~(1 << 255)
    doubled, added = (1, 0), (x1, 1)
    for t in reversed(range(256)):
        if k >> t & 1:
            added, doubled = _step(x1, added, doubled)
        else:
            doubled, added = _step(x1, doubled, added)
    x, z = doubled
    return _number(x * pow(z, P - 2, P) % P)


def _step(x1, double, other):
    """RFC 7748 §5: twice the first point, and the sum of both."""
    (x2, z2), (x3, z3) = double, other
    A, B, C, D = x2 + z2, x2 - z2, x3 + z3, x3 - z3
    AA, BB, DA, CB = A * A % P, B * B % P, D * A % P, C * B % P
    E = AA - BB
    total = ((DA + CB) ** 2 % P, x1 * (DA - CB) ** 2 % P)
    return (AA * BB % P, E * (AA + 121665 * E) % P), total


CHECKS = {
    "no check": lambda key, output: True,
    "the key is not 32 zeros": lambda key, output: key != ZEROS,
    "the key is not on a list of seven": lambda key, output: key not in _POINTS.values(),
    "the output is not zero": lambda key, output: output != ZEROS,
}


@dataclass(frozen=True, slots=True)
class Contact:
    """What Bob did with a first message: the text that he read, or the check that refused."""

    read: str
    refused: str
    secret: bytes


def public_secret(terms: int = 4) -> bytes:
    """SK when every term is zero: the same 32 bytes for everybody in the world."""
    return derive((ZEROS,) * terms)


def write_as_nobody(key: bytes, check: str, bob: Cast | None = None) -> Contact:
    """Write to Bob with IK_A = EK_A = `key`, of which nobody knows a private half."""
    bob = bob or Cast()
    AD = associated_data(key, bob.IK_B.public)
    return _receive(bob, key, seal(public_secret(), TEXT, AD), CHECKS[check])


def _receive(bob, key, sealed, accepts):
    """Bob, with the ladder in place of a library, and one of the checks."""
    private = bob.private("IK_B", "SPK_B", "OPK_B")
    dhs = []
    for _, name in PAIRS.values():
        dhs.append(ladder(private[name], key))
        if not accepts(key, dhs[-1]):
            return Contact("", "refused before anything was opened", b"")
    SK = derive(tuple(dhs))
    try:
        text = open_sealed(SK, sealed, associated_data(key, bob.IK_B.public))
    except DecryptionFailed as problem:
        return Contact("", problem.args[0], SK)
    return Contact(text.decode(), "", SK)


def refusals() -> dict[str, int]:
    """Check → how many of `LOW_ORDER` it refuses."""
    bob = Cast()
    return {
        check: sum(not write_as_nobody(key, check, bob).read for key in LOW_ORDER.values())
        for check in CHECKS
    }


# For the catalogue


def same_with_and_without(public: bytes, filler: bytes | None = ZEROS) -> tuple[bytes, bytes]:
    """A23: SK of a program that fills a missing DH4 with zeros, without an OPK and with this one.

    Nobody checks for zero here. The server chooses `public`; Alice notes that an OPK was used. With
    the filler None the program leaves the term out, as X3DH says.
    """
    bob = Cast(OPK_B=None)
    alice = bob.private("IK_A", "EK_A")
    terms = [ladder(alice[own], bob.public[peer]) for own, peer in list(PAIRS.values())[:1]]
    terms += [ladder(alice["EK_A"], bob.public[peer]) for peer in ("IK_B", "SPK_B")]
    without = terms if filler is None else [*terms, filler]
    return derive(tuple(without)), derive((*terms, ladder(alice["EK_A"], public)))


def _filled() -> Result:
    without, with_key = same_with_and_without(_number(1))
    return Result(without == with_key, "one SK, with and without the server's one-time key")


def _refused_message() -> Result:
    """A22 against a party: IK_A = EK_A = 0."""
    friends = targets.friends()
    number = friends.bob.device.ring.current
    sealed = seal(public_secret(), TEXT, associated_data(ZEROS, friends.bob.identity.public))
    forged = InitialMessage(ZEROS, ZEROS, number, payload=sealed)
    ring = friends.bob.device.ring
    return attempt(lambda: x3dh.respond(ring.identity, ring.signed[number].pair, None, forged))


def _refused_prekey() -> Result:
    """A23 against `x3dh`: a bundle whose one-time key has low order."""
    friends = targets.friends()
    bundle = PreKeyBundle.decode(friends.network.fetch("Bob", "Alice"))
    bundle = replace(bundle, one_time_prekey=_number(1))
    return attempt(lambda: x3dh.initiate(friends.alice.identity, bundle))


def _nobody() -> Result:
    found = write_as_nobody(ZEROS, "no check")
    return Result(bool(found.read), found.read)


CATALOGUE = (
    Attack(
        "A22",
        "A key that gives zero",
        "NI",
        "02",
        "The program does not look at the output of X25519.",
        "Every term is zero, so everybody in the world knows SK.",
        "Refuse an all-zero Diffie-Hellman result.",
        "RFC 7748 §6.1; vodozemac and libsignal, February 2026.",
        works=_nobody,
        fails=_refused_message,
    ),
    Attack(
        "A23",
        "Zeros for a missing term",
        "I",
        "16",
        "The program fills an absent DH4 with zeros, and does not refuse a zero output.",
        "SK is the same with and without a one-time key, and Alice notes that one was used.",
        "Leave the term out, and refuse an all-zero result.",
        "Design E computes DH4 in every case; analysis.",
        works=_filled,
        fails=_refused_prekey,
    ),
)
