"""A toy lattice cipher that seals one bit, small enough to break, and four ways to break it.

The key equation is t = A·s + e mod q, with a short secret s and a short noise e; it is the one that
ML-KEM's key generation uses (FIPS 203 §5.1), with plain numbers where ML-KEM has polynomials. All
numbers are Python integers, vectors are lists, A is a list of n rows. Nothing here is secure: the
sizes are tiny, and the cipher answers altered ciphertexts. The attacks on it are this course's own
and have no number in the catalogue; `one_rejection_seed` is A37.

Costs are counted, not timed, so that a run gives the same cost on every machine.
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from itertools import product

from x3dhlab import kem, pqxdh
from x3dhlab.attacks import targets
from x3dhlab.attacks.entry import Attack, Result, attempt
from x3dhlab.kem import Kem, KemKeyPair
from x3dhlab.primitives import random_bytes
from x3dhlab.wire import InitialMessage, PreKeyBundle, decode_kem, encode_kem

Q = 97  # a prime: elimination needs inverses. ML-KEM's is 3329.
SHORT = 1  # entries of s and y lie in -1, 0, 1

Vector = list[int]
Matrix = list[Vector]


@dataclass(frozen=True, slots=True)
class ToyKey:
    """A key of the toy cipher: A and t are public; s (n entries of -1, 0, 1) and e stay at home."""

    A: Matrix
    t: Vector
    s: Vector = field(repr=False)
    e: Vector = field(repr=False)
    q: int = Q


@dataclass(frozen=True, slots=True)
class Attempt:
    """What an attack found, None for nothing, and its cost in the steps that it names."""

    secret: Vector | None
    steps: int


def short(count: int, bound: int = SHORT) -> Vector:
    """`count` random integers from -bound to bound (a negligible bias is left)."""
    return [number % (2 * bound + 1) - bound for number in _numbers(count)]


def uniform(count: int, q: int = Q) -> Vector:
    """`count` random integers from 0 to q - 1 (a negligible bias is left)."""
    return [number % q for number in _numbers(count)]


def _numbers(count):
    data = random_bytes(8 * count) if count else b""
    return [int.from_bytes(data[place : place + 8], "big") for place in range(0, len(data), 8)]


def dot(left: Vector, right: Vector) -> int:
    """The sum of the products of two vectors of equal length."""
    return sum(a * b for a, b in zip(left, right, strict=True))


def centred(number: int, q: int = Q) -> int:
    """The representative of `number` mod q that is nearest to zero."""
    number %= q
    return number - q if number > q // 2 else number


def generate(n: int, *, noise: int = 1, q: int = Q) -> ToyKey:
    """A key of size n; the entries of e lie in -noise … noise. Noise 0 gives t = A·s exactly."""
    A = [uniform(n, q) for _ in range(n)]
    s, e = short(n), short(n, noise)
    t = [(dot(row, s) + small) % q for row, small in zip(A, e, strict=True)]
    return ToyKey(A, t, s, e, q)


def encrypt_bit(key: ToyKey, bit: int, *, noise: int = 1) -> tuple[Vector, int]:
    """(u, v) for a bit, with the public half of the key only (compare FIPS 203 algorithm 14)."""
    A, t, q, n = key.A, key.t, key.q, len(key.t)
    y, e1, e2 = short(n), short(n, noise), short(1, noise)[0]
    columns = zip(*A, strict=True)
    u = [(dot(column, y) + small) % q for column, small in zip(columns, e1, strict=True)]
    return u, (dot(t, y) + e2 + bit * ((q + 1) // 2)) % q


def decrypt_bit(key: ToyKey, u: Vector, v: int) -> int:
    """1 if v - s·u is nearer to q/2 than to 0 (compare FIPS 203 algorithm 15). It never refuses."""
    w = (v - dot(key.s, u)) % key.q
    return int(key.q < 4 * w < 3 * key.q)


def failure_rate(n: int, noise: int, *, q: int = Q, keys: int = 10, bits: int = 40) -> float:
    """The share of `keys` × `bits` random bits that honest decryption gets wrong."""
    wrong = 0
    for _ in range(keys):
        key = generate(n, noise=noise, q=q)
        for bit in uniform(bits, 2):
            wrong += decrypt_bit(key, *encrypt_bit(key, bit, noise=noise)) != bit
    return wrong / (keys * bits)


# Attacks on the key: all start from the public A and t


def eliminate(A: Matrix, t: Vector, q: int = Q) -> Attempt:
    """Solve t = A·s by Gaussian elimination. Precondition: no noise. A step is a multiplication.

    With noise the result is a vector that has nothing to do with s. Nobody notices either.
    """
    rows = [[*row, right] for row, right in zip(A, t, strict=True)]
    n, steps = len(t), 0
    for place in range(n):
        pivot = next((r for r in range(place, n) if rows[r][place] % q), None)
        if pivot is None:
            return Attempt(None, steps)
        rows[place], rows[pivot] = rows[pivot], rows[place]
        inverse = pow(rows[place][place], -1, q)
        rows[place] = [value * inverse % q for value in rows[place]]
        steps += n + 1
        for r in range(n):
            if r != place and (factor := rows[r][place]):
                rows[r] = [(a - factor * b) % q for a, b in zip(rows[r], rows[place], strict=True)]
                steps += n + 1
    return Attempt([centred(row[n], q) for row in rows], steps)


def fits(A: Matrix, t: Vector, s: Vector, *, noise: int = 1, q: int = Q) -> bool:
    """True if every entry of t - A·s lies in -noise … noise: what a guess is checked with."""
    pairs = zip(A, t, strict=True)
    return all(abs(centred(right - dot(row, s), q)) <= noise for row, right in pairs)


def guess(A: Matrix, t: Vector, *, noise: int = 1, q: int = Q) -> Attempt:
    """Try every short vector until one fits. A step is one candidate; there are 3**n. Unnoticed."""
    steps = 0
    for candidate in product(range(-SHORT, SHORT + 1), repeat=len(t)):
        steps += 1
        if fits(A, t, candidate, noise=noise, q=q):
            return Attempt(list(candidate), steps)
    return Attempt(None, steps)


def basis_of(A: Matrix, t: Vector, q: int = Q) -> Matrix:
    """2n + 1 vectors whose whole-number sums include (s, -e, 1): the lattice of the key."""
    n = len(t)
    zeros, units = [0] * n, [[int(i == j) for j in range(n)] for i in range(n)]
    rows = [[*zeros, *(q * value for value in unit), 0] for unit in units]
    rows += [[*unit, *(row[j] for row in A), 0] for j, unit in enumerate(units)]
    return [*rows, [*zeros, *(-value for value in t), 1]]


def reduce_basis(basis: Matrix, delta: float = 0.99) -> tuple[Matrix, int]:
    """The LLL algorithm: shorter vectors of the same lattice, and the steps that it took.

    A step is one subtraction of a multiple of a vector, or one exchange of two neighbours.
    """
    rows = [list(row) for row in basis]
    mu, norms = _orthogonal(rows)
    place, steps = 1, 0
    while place < len(rows):
        for other in range(place - 1, -1, -1):
            if factor := round(mu[place][other]):
                steps += 1
                _subtract(rows, mu, place, other, factor)
        if norms[place] >= (delta - mu[place][place - 1] ** 2) * norms[place - 1]:
            place += 1
        else:
            steps += 1
            _exchange(rows, mu, norms, place)
            place = max(place - 1, 1)
    return rows, steps


def _orthogonal(rows):
    """Gram-Schmidt: the coefficients and the squared lengths of the orthogonal parts."""
    size, parts = len(rows), []
    mu, norms = [[0.0] * size for _ in rows], []
    for i, row in enumerate(rows):
        part = [float(value) for value in row]
        for j, earlier in enumerate(parts):
            mu[i][j] = dot(row, earlier) / norms[j]
            part = [a - mu[i][j] * b for a, b in zip(part, earlier, strict=True)]
        parts.append(part)
        norms.append(dot(part, part))
    return mu, norms


def _subtract(rows, mu, place, other, factor):
    rows[place] = [a - factor * b for a, b in zip(rows[place], rows[other], strict=True)]
    mu[place][other] -= factor
    for column in range(other):
        mu[place][column] -= factor * mu[other][column]


def _exchange(rows, mu, norms, k):
    """Swap vectors k - 1 and k, and bring the coefficients up to date (Cohen, algorithm 2.6.3)."""
    old, rows[k - 1], rows[k] = mu[k][k - 1], rows[k], rows[k - 1]
    new = norms[k] + old**2 * norms[k - 1]
    mu[k][k - 1] = old * norms[k - 1] / new
    norms[k - 1], norms[k] = new, norms[k - 1] * norms[k] / new
    for column in range(k - 1):
        mu[k - 1][column], mu[k][column] = mu[k][column], mu[k - 1][column]
    for row in range(k + 1, len(rows)):
        upper = mu[row][k]
        mu[row][k] = mu[row][k - 1] - old * upper
        mu[row][k - 1] = upper + mu[k][k - 1] * mu[row][k]


def by_lattice(A: Matrix, t: Vector, *, noise: int = 1, q: int = Q) -> Attempt:
    """Reduce the lattice of the key and look for s among its short vectors. Unnoticed.

    A step is a step of `reduce_basis`. Precondition: n is small, else the found vectors are not
    short enough; stronger reductions exist, and they cost more.
    """
    rows, steps = reduce_basis(basis_of(A, t, q))
    for row in rows:
        candidate = [row[-1] * value for value in row[: len(t)]]
        if abs(row[-1]) == 1 and fits(A, t, candidate, noise=noise, q=q):
            return Attempt(candidate, steps)
    return Attempt(None, steps)


# An attack on the phone: it answers ciphertexts that nobody encrypted


def by_questions(answer: Callable[[Vector, int], int], n: int, q: int = Q) -> Attempt:
    """Read s from what `answer(u, v)` says to 2n made-up ciphertexts. A step is one question.

    Precondition: the phone shows whether a bit came out as 0 or 1. The phone sees garbage; it
    notices only if it checks that somebody really encrypted it.
    """
    far, secret = q // 3, []
    for place in range(n):
        u = [far * (place == other) for other in range(n)]
        is_one, is_minus_one = answer(u, far) == 0, answer(u, -far % q) == 0
        secret.append(is_one - is_minus_one)
    return Attempt(secret, 2 * n)


# ML-KEM


def one_rejection_seed(mechanism: Kem) -> tuple[KemKeyPair, KemKeyPair]:
    """A37: two ML-KEM key pairs of one owner whose private keys share their last 32 bytes, z.

    Precondition: the owner chooses the 64-byte private keys by hand. A ciphertext that nobody made
    then gives one secret for both keys, and nobody notices.
    """
    z = random_bytes(32)
    first, second = (mechanism.generate(seed=random_bytes(32) + z) for _ in range(2))
    return first, second


# For the catalogue


def _same_rejection(pairs) -> bool:
    """A ciphertext that nobody made, given to two keys: is the secret the same?"""
    mechanism = kem.get("ML-KEM-768")
    invented = random_bytes(1088)
    return len({mechanism.decapsulate(pair.private, invented) for pair in pairs}) == 1


def _by_hand() -> Result:
    pairs = one_rejection_seed(kem.get("ML-KEM-768"))
    return Result(_same_rejection(pairs), "two keys, an invented ciphertext, one secret")


def _generated() -> Result:
    pairs = [kem.get("ML-KEM-768").generate() for _ in range(2)]
    return Result(_same_rejection(pairs), "two secrets", "64 fresh bytes for each key")


def _no_error() -> Result:
    """A38: a program that takes "it returned" for "it is genuine"."""
    mechanism = kem.get("ML-KEM-768")
    pair = mechanism.generate()
    ciphertext, secret = mechanism.encapsulate(pair.public)
    found = mechanism.decapsulate(pair.private, bytes([ciphertext[0] ^ 1]) + ciphertext[1:])
    return Result(found != secret, "no error, and another secret")


def _altered_ciphertext() -> Result:
    """A38 against two parties: one bit of CT is turned over on the way."""
    friends = targets.friends(pqxdh)
    message = InitialMessage.decode(friends.written())
    CT = message.kem_ciphertext
    altered = replace(message, kem_ciphertext=bytes([CT[0] ^ 1]) + CT[1:])
    return attempt(lambda: friends.deliver(altered.encode()))


def _mixed_up() -> Result:
    """A39: round-3 Kyber on one side, ML-KEM on the other."""
    pair = kem.get("ML-KEM-768").generate()
    ciphertext, secret = kem.get("Kyber-768").encapsulate(pair.public)
    found = kem.get("ML-KEM-768").decapsulate(pair.private, ciphertext)
    return Result(found != secret, "equal lengths, no error, two secrets")


def _relabelled() -> Result:
    """A39 against `pqxdh`: somebody writes the other name over Bob's signed key."""
    friends = targets.friends(pqxdh)
    bundle = PreKeyBundle.decode(friends.network.fetch("Bob", "Alice"))
    other = encode_kem("Kyber-768", decode_kem(bundle.kem_prekey)[1])
    named = replace(bundle, kem_prekey=other)
    return attempt(lambda: pqxdh.initiate(friends.alice.identity, named))


CATALOGUE = (
    Attack(
        "A37",
        "Two keys, one rejection seed",
        "I",
        "07",
        "The owner makes private keys by hand, with one z.",
        "A ciphertext that nobody made gives one secret for both keys.",
        "Private keys of 64 fresh random bytes; public key and ciphertext in the derivation.",
        "Cremers and others, ePrint 2023/1933; Schmieg, ePrint 2024/523.",
        works=_by_hand,
        fails=_generated,
    ),
    Attack(
        "A38",
        "No error taken for success",
        "I",
        "07",
        "A program takes a returned secret for a genuine ciphertext.",
        "One flipped bit: no exception, and another secret.",
        "A confirmation made with the secret, before anything else is done with it.",
        "FIPS 203 §6.3, implicit rejection.",
        works=_no_error,
        fails=_altered_ciphertext,
    ),
    Attack(
        "A39",
        "Kyber labelled ML-KEM",
        "I",
        "07",
        "Two programs mean different algorithms by one name.",
        "Equal lengths, no error, different secrets.",
        "A type byte for each algorithm, and its exact name in info.",
        "liboqs 0.16.0 builds both.",
        works=_mixed_up,
        fails=_relabelled,
    ),
)
