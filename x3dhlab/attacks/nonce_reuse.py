"""A50: two messages under one key and nonce of AES-GCM, and a third that the receiver accepts.

Precondition: the sender sealed two texts of 16 bytes with one key and one nonce, and the attacker
saw both messages and knows one text. Nobody notices: the forged message opens. With CBC_HMAC there
is no such equation; equal texts become visible, and nothing can be forged.

The arithmetic is that of GCM (NIST SP 800-38D §6.3): a block of 16 bytes is a polynomial over
GF(2), its first bit the constant term, modulo x^128 + x^7 + x^2 + x + 1. Slow, and its time depends
on the values: for demonstration only.
"""

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
