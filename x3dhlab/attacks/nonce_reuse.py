"""A50: two messages under one key and nonce of AES-GCM, and a third that the receiver accepts.

Precondition: the sender sealed two texts of 16 bytes with one key and one nonce, and the attacker
saw both messages and knows one text. Nobody notices: the forged message opens. With CBC_HMAC there
is no such equation; equal texts become visible, and nothing can be forged.

The arithmetic is that of GCM (NIST SP 800-38D §6.3): a block of 16 bytes is a polynomial over
GF(2), its first bit the constant term, modulo x^128 + x^7 + x^2 + x + 1. Slow, and its time depends
on the values: for demonstration only.
"""

from x3dhlab import ratchet
from x3dhlab.attacks.entry import Attack, Result, attempt
from x3dhlab.keys import KeyPair
from x3dhlab.primitives import AES_256_GCM, open_sealed, random_bytes, seal

BLOCK = 16
ZERO = bytes(BLOCK)
_REDUCTION = 0xE1 << 120  # x^128 = x^7 + x^2 + x + 1, in GCM's order of bits


def xor(a: bytes, b: bytes) -> bytes:
    """The sum in the field; also how a stream cipher joins text and keystream. Equal lengths."""
    return bytes(x ^ y for x, y in zip(a, b, strict=True))


def multiply(a: bytes, b: bytes) -> bytes:
    """The product of two blocks, NIST SP 800-38D §6.3."""
    x, y, product = int.from_bytes(a, "big"), int.from_bytes(b, "big"), 0
    for bit in reversed(range(128)):
        if x >> bit & 1:
            product ^= y
        y = y >> 1 ^ (_REDUCTION if y & 1 else 0)
    return product.to_bytes(BLOCK, "big")


def divide(a: bytes, b: bytes) -> bytes:
    """The block whose product with `b` is `a`: a · b^(2^128 - 2). Raises `ZeroDivisionError`."""
    if b == ZERO:
        raise ZeroDivisionError("division by the zero block")
    for _ in range(127):
        b = multiply(b, b)
        a = multiply(a, b)
    return a


def parts(sealed: bytes) -> tuple[bytes, bytes]:
    """Ciphertext and tag of a GCM message."""
    return sealed[:-BLOCK], sealed[-BLOCK:]


def squared_hash_key(first: bytes, second: bytes) -> bytes:
    """H² from two messages of one block under one key and nonce: (t1 ⊕ t2) / (c1 ⊕ c2).

    Raises `ZeroDivisionError` when the two ciphertexts are equal.
    """
    (c1, t1), (c2, t2) = parts(first), parts(second)
    return divide(xor(t1, t2), xor(c1, c2))


def forge(first: bytes, second: bytes, known: bytes, wanted: bytes) -> bytes:
    """A message that opens as `wanted`. `known` is the text of `first`; all texts have 16 bytes."""
    c1, t1 = parts(first)
    ciphertext = xor(wanted, xor(c1, known))
    change = multiply(xor(c1, ciphertext), squared_hash_key(first, second))
    return ciphertext + xor(t1, change)


# For the catalogue

KNOWN, OTHER, WANTED = b"pay Carol 10 EUR", b"pay Peter 20 EUR", b"pay Eve  900 EUR"


def _one_key() -> Result:
    key = random_bytes(32)
    first, second = (seal(key, text, b"", aead=AES_256_GCM) for text in (KNOWN, OTHER))
    forged = forge(first, second, KNOWN, WANTED)
    return attempt(lambda: open_sealed(key, forged, b"", aead=AES_256_GCM).decode())


def _ratchet_keys() -> Result:
    """A50 against `ratchet` with AES-256-GCM: each message has a key of its own."""
    SK, SPK_B = random_bytes(32), KeyPair.generate()
    alice = ratchet.State.initiator(SK, SPK_B.public, aead=AES_256_GCM)
    bob = ratchet.State.responder(SK, SPK_B, aead=AES_256_GCM)
    alice, one = ratchet.encrypt(alice, KNOWN, b"")
    alice, two = ratchet.encrypt(alice, OTHER, b"")
    forged = forge(one.ciphertext, two.ciphertext, KNOWN, WANTED)
    return attempt(lambda: ratchet.decrypt(bob, type(one)(one.header, forged), b"")[1].decode())


CATALOGUE = (
    Attack(
        "A50",
        "A key and nonce used twice",
        "I",
        "09",
        "Two texts of one block under one key and nonce of AES-GCM, one of them known.",
        "A third message that the receiver accepts.",
        "A new key for each message, and no restored chain.",
        "Joux; NIST SP 800-38D.",
        works=_one_key,
        fails=_ratchet_keys,
    ),
)
