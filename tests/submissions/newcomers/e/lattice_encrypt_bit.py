def dot(left, right):
    return sum(a * b for a, b in zip(left, right))


def columns(A):
    return [list(column) for column in zip(*A)]


def encrypt_bit(A, t, q, bit, y, e1, e2):
    u = [(dot(column, y) + small) % q for column, small in zip(columns(A), e1)]
    v = (dot(t, y) + e2) % q
    if bit:
        v = v + (q + 1) // 2
    return [u, v]
