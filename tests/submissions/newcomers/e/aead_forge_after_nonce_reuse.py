def xor(a, b):
    return bytes(x ^ y for x, y in zip(a, b, strict=True))


def multiply(a, b):
    """The product of two blocks of 16 bytes in GCM's field."""
    x, y, product = int.from_bytes(a, "big"), int.from_bytes(b, "big"), 0
    for bit in reversed(range(128)):
        if x >> bit & 1:
            product ^= y
        y = y >> 1 ^ (0xE1 << 120 if y & 1 else 0)
    return product.to_bytes(16, "big")


def divide(a, b):
    """The block whose product with b is a."""
    for _ in range(127):
        b = multiply(b, b)
        a = multiply(a, b)
    return a


def forge_after_nonce_reuse(first, second, known, wanted):
    c1, t1 = first[:16], first[16:]
    c2, t2 = second[:16], second[16:]
    keystream = xor(c1, known)
    c3 = xor(wanted, keystream)
    H2 = divide(xor(t1, t2), xor(c1, c2))
    t3 = xor(t1, multiply(xor(c1, c3), H2))
    return c3 + t3
