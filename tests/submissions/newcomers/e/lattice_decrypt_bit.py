def dot(left, right):
    return sum(a * b for a, b in zip(left, right))


def decrypt_bit(s, q, u, v):
    w = (v - dot(s, u)) % q
    if q // 4 < w < 3 * q // 4:
        return 1
    return 0
