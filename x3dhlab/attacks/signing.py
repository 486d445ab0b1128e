"""Signatures that go wrong: over the wrong bytes (A4), and with a repeated nonce (A41).

A4 needs no attacker: two programs disagree about what is signed, and every check fails. The
attacker comes with the cure that people try, which is to go on. Then the server exchanges the
prekeys (A3), and reads everything after one later theft of IK_B. A41 needs two signatures whose
nonce scalar r is equal; whoever sees them computes the identity key. The arithmetic here is
slow and its time depends on secrets: for demonstration only.
"""

import hashlib
from dataclasses import dataclass, replace

from x3dhlab import x3dh
from x3dhlab.attacks import targets
from x3dhlab.attacks.entry import Attack, Result, attempt
from x3dhlab.attacks.low_order import P
from x3dhlab.attacks.weakened import Cast, MissingTerm, accept, compute, secret, steal_and_read
from x3dhlab.errors import BadSignature, DecryptionFailed
from x3dhlab.keys import KeyPair
from x3dhlab.primitives import random_bytes, seal, sign, verify
from x3dhlab.wire import PreKeyBundle, encode_key
from x3dhlab.x3dh import associated_data

TEXT = b"The contract is signed."

# Which bytes the signature covers, for the one who signs or the one who checks.
BYTES = {"33 bytes, Encode(SPK)": encode_key, "32 bytes, SPK alone": lambda public: public}
ENCODED, RAW = BYTES
STOP, GO_ON = "stop", "go on"


@dataclass(frozen=True, slots=True)
class Meeting:
    """Did Alice start, what stopped her, what Bob reads, what the server reads after a theft."""

    started: bool
    obstacle: str
    bob_reads: str
    read_later: str


def meet(checked=ENCODED, on_failure=STOP, *, signed=ENCODED, forged=False) -> Meeting:
    """Bob signs, a server hands out his prekeys or its own, Alice checks, IK_B is stolen later."""
    bob, server = Cast(), Cast()
    signature = sign(bob.IK_B.private, BYTES[signed](bob.SPK_B.public))
    served = replace(bob, SPK_B=server.SPK_B, OPK_B=server.OPK_B) if forged else bob
    obstacle = ""
    try:
        verify(served.IK_B.public, BYTES[checked](served.SPK_B.public), signature)
    except BadSignature as problem:
        obstacle = problem.args[0]
        if on_failure == STOP:
            return Meeting(False, obstacle, "", "")
    AD = associated_data(bob.IK_A.public, bob.IK_B.public)
    SK = secret(compute(_TERMS, served.private("IK_A", "EK_A"), served.public))
    sealed = seal(SK, TEXT, AD)
    stolen = {**(server.private("SPK_B", "OPK_B") if forged else {}), **bob.private("IK_B")}
    return Meeting(
        True,
        obstacle,
        _text(lambda: accept(bob, sealed)),
        _text(lambda: steal_and_read(served, sealed, stolen)),
    )


_TERMS = ("DH1", "DH2", "DH3", "DH4")


def _text(attempt):
    try:
        return attempt().decode()
    except (DecryptionFailed, MissingTerm):
        return ""


CLIENTS = {
    f"checks {checked[:2]} bytes, {action}": (checked, action)
    for checked in (ENCODED, RAW)
    for action in (STOP, GO_ON)
}
OUTCOMES = ("honest Bob cannot be reached", "a forged prekey is used and read later")


def clients(signed=ENCODED) -> dict[str, list[bool]]:
    """For each of `CLIENTS`: does each of `OUTCOMES` happen? Bob signs 33 bytes unless told."""
    rows = {}
    for name, (checked, action) in CLIENTS.items():
        honest = meet(checked, action, signed=signed)
        forged = meet(checked, action, signed=signed, forged=True)
        rows[name] = [not honest.bob_reads, bool(forged.read_later)]
    return rows


# The Edwards curve of XEdDSA, in the plainest arithmetic

Q = 2**252 + 27742317777372353535851937790883648493
_D = -121665 * pow(121666, -1, P) % P
_BASE = (
    15112221349535400772501151409588531511454012693041857206046113283949847762202,
    46316835694926478169428394003475163141307993866256225615783033603165251855960,
    1,
)


def _add(left, right):
    (x1, y1, z1), (x2, y2, z2) = left, right
    A, C, D = z1 * z2, x1 * x2, y1 * y2
    B, E = A * A, _D * C * D
    F, G = B - E, B + E
    return A * F * ((x1 + y1) * (x2 + y2) - C - D) % P, A * G * (D + C) % P, F * G % P


def _times_base(scalar):
    """scalar · B as 32 bytes, the sign of x in the top bit."""
    total, power = (0, 1, 1), _BASE
    while scalar:
        if scalar & 1:
            total = _add(total, power)
        power, scalar = _add(power, power), scalar >> 1
    x, y, z = total
    inverse = pow(z, -1, P)
    return (y * inverse % P | (x * inverse % P & 1) << 255).to_bytes(32, "little")


def _challenge(R, A, message):
    return int.from_bytes(hashlib.sha512(R + A + message).digest(), "little") % Q


def _unsigned(encoded):
    return encoded[:31] + bytes([encoded[31] & 127])


def _clamped(private):
    return int.from_bytes(private, "little") & ~7 & ~(1 << 255) | 1 << 254


def _edwards_key(private):
    """XEdDSA §3.1 `calculate_key_pair`: the public key with sign 0, and its scalar."""
    k = _clamped(private)
    E = _times_base(k)
    return _unsigned(E), -k % Q if E[31] & 128 else k % Q


def sign_with_scalar(a: int, message: bytes, r: int) -> bytes:
    """XEdDSA §3.3 with the secret scalar `a` and a nonce scalar `r` of the caller's choice."""
    A, R = _unsigned(_times_base(a)), _times_base(r)
    return R + ((r + _challenge(R, A, message) * a) % Q).to_bytes(32, "little")


def careless_sign(private: bytes, message: bytes, nonce: bytes) -> bytes:
    """XEdDSA with the message left out of the nonce: r depends on the key and `nonce` alone.

    A good signature. With the same `nonce` for two messages it gives the key away.
    """
    _, a = _edwards_key(private)
    r = int.from_bytes(hashlib.sha512(a.to_bytes(32, "little") + nonce).digest(), "little") % Q
    return sign_with_scalar(a, message, r)


def recover_scalar(public: bytes, first: tuple, second: tuple) -> int | None:
    """A41: a = (s1 - s2) / (h1 - h2) from two (message, signature) pairs with equal R.

    Uses public values only. None when the two R differ, or the two messages are the same.
    """
    (m1, one), (m2, two) = first, second
    if one[:32] != two[:32] or m1 == m2:
        return None
    u = int.from_bytes(public, "little")
    A = ((u - 1) * pow(u + 1, -1, P) % P).to_bytes(32, "little")
    s1, s2 = (int.from_bytes(signature[32:], "little") for signature in (one, two))
    h1, h2 = _challenge(one[:32], A, m1), _challenge(two[:32], A, m2)
    return (s1 - s2) * pow(h1 - h2, -1, Q) % Q


# A second dialect: libsignal's signatures, which a strict verifier refuses for half of the keys

# A signature made by libsignal, published in its tests.
LIBSIGNAL = {
    "public": "ab7e717d4a163b7d9a1d8071dfe9dcf8cdcd1cea3339b6356be84d887e322c64",
    "message": "05edce9d9c415ca78cb7252e72c2c4a554d3eb29485a0e1d503118d1a82d99fb4a",
    "signature": (
        "5de88ca9a89b4a115da79109c67c9c7464a3e4180274f1cb8c63c2984e286dfb"
        "ede82deb9dcd9fae0bfbb821569b3d9001bd8130cd11d486cef047bd60b86e88"
    ),
}


def sign_as_libsignal(private: bytes, message: bytes, nonce: bytes) -> bytes:
    """libsignal's way: A keeps its true sign, which travels in the top bit of s."""
    k = _clamped(private)
    A = _times_base(k)
    data = b"\xfe" + b"\xff" * 31 + k.to_bytes(32, "little") + message + nonce
    r = int.from_bytes(hashlib.sha512(data).digest(), "little") % Q
    R = _times_base(r)
    s = bytearray(((r + _challenge(R, A, message) * k) % Q).to_bytes(32, "little"))
    s[31] |= A[31] & 128
    return R + bytes(s)


def refused_dialect(count: int = 40) -> int:
    """How many of `count` fresh libsignal signatures a strict XEdDSA verifier refuses."""
    refused = 0
    for _ in range(count):
        pair = KeyPair.generate()
        try:
            verify(pair.public, b"a", sign_as_libsignal(pair.private, b"a", random_bytes(64)))
        except BadSignature:
            refused += 1
    return refused


# For the catalogue


def _forged_prekey() -> Result:
    """A3 against `x3dh`: Bob's bundle with a signed prekey of the server's own."""
    friends = targets.friends()
    honest = PreKeyBundle.decode(friends.network.fetch("Bob", "Alice"))
    forged = replace(honest, signed_prekey=KeyPair.generate().public)
    return attempt(lambda: x3dh.initiate(friends.alice.identity, forged))


def _same_bytes() -> Result:
    """A4 between two parties of this course: both encode the key before they sign or check."""
    friends = targets.friends()
    text = friends.deliver(friends.written())
    return Result(
        text != targets.TEXT, "Bob is reached", "one encoding, Encode(SPK), on both sides"
    )


def _two_nonces() -> Result:
    """A41 against `primitives.sign`: the same 64 random bytes for two messages."""
    pair, nonce = KeyPair.generate(), random_bytes(64)
    signed = [(text, sign(pair.private, text, nonce=nonce)) for text in (b"one", b"two")]
    found = recover_scalar(pair.public, *signed)
    return Result(found is not None, "the two R differ", "a nonce made of key, message and chance")


def _careless_twice() -> Result:
    pair, nonce = KeyPair.generate(), random_bytes(64)
    signed = [(text, careless_sign(pair.private, text, nonce)) for text in (b"one", b"two")]
    a = recover_scalar(pair.public, *signed)
    verify(pair.public, b"three", sign_with_scalar(a, b"three", 7))
    return Result(True, "a third message with a good signature")


CATALOGUE = (
    Attack(
        "A3",
        "A forged signed prekey",
        "SK",
        "02",
        "Alice goes on after a bad signature; IK_B is stolen later.",
        "No text today, the whole text after the theft.",
        "Check the signature before the first Diffie-Hellman, and stop when it fails.",
        "X3DH §4.5.",
        works=lambda: Result(bool(text := meet(RAW, GO_ON, forged=True).read_later), text),
        fails=_forged_prekey,
    ),
    Attack(
        "A4",
        "A signature over the wrong bytes",
        "I",
        "02",
        "One program signs Encode(SPK), the other checks the 32 bytes alone.",
        "An honest Bob cannot be reached, until somebody switches the check off.",
        "One written encoding, and a known signature that both programs check.",
        "X3DH §2.5 and §3.2.",
        works=lambda: Result(not (found := meet(RAW)).bob_reads, found.obstacle),
        fails=_same_bytes,
    ),
    Attack(
        "A41",
        "One key for two jobs",
        "I",
        "02",
        "A key signs two messages with one nonce, and is a Diffie-Hellman key as well.",
        "The private identity key comes out of public values.",
        "A nonce made of the key, the message and fresh random bytes; or two keys.",
        "XEdDSA §3.3; design C uses one P-256 pair for both.",
        works=_careless_twice,
        fails=_two_nonces,
    ),
)
