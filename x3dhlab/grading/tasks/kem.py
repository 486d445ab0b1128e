"""Tasks of lesson 07: a bit in and out of a toy lattice cipher, and a confirmed KEM secret."""

import hashlib
import random

from x3dhlab import kem
from x3dhlab.grading.task import Case, Hints, Mistake, Task
from x3dhlab.grading.tasks import generic
from x3dhlab.primitives import hmac_sha256

GIVEN_SUMS = """
def dot(left, right):
    return sum(a * b for a, b in zip(left, right))

def columns(A):
    return [list(column) for column in zip(*A)]
"""


def _short(rng, count, bound=1):
    return [rng.randint(-bound, bound) for _ in range(count)]


def _uniform(rng, count, q):
    return [rng.randrange(q) for _ in range(count)]


# lattice.encrypt_bit

ENCRYPT = """
def encrypt_bit(A, t, q, bit, y, e1, e2):
    u = [(dot(column, y) + small) % q for column, small in zip(columns(A), e1)]
    v = (dot(t, y) + e2 + bit * ((q + 1) // 2)) % q
    return [u, v]
"""
_U = "[(dot(column, y) + small) % q for column, small in zip(columns(A), e1)]"
_V = "(dot(t, y) + e2 + bit * ((q + 1) // 2)) % q"
_HALF = "bit * ((q + 1) // 2)"


def encrypt_cases(seed: int) -> list[Case]:
    """Both bits, several sizes, the toy's modulus and ML-KEM's; at half of them v passes q."""
    rng = random.Random(f"lattice.encrypt_bit {seed}")
    kinds = [(4, 97, 1), (4, 97, 0), (3, 97, 1), (5, 3329, 0), (5, 3329, 1), (6, 97, 1)]
    return [_encrypt_case(rng, *kind, passes=n % 2 == 0) for n, kind in enumerate(kinds)]


def _encrypt_case(rng, n, q, bit, *, passes):
    """With `passes`, t·y + e2 is at least q/2, also mod q: with half of q it passes q."""
    A = [_uniform(rng, n, q) for _ in range(n)]
    y, e1 = _short(rng, n), _short(rng, n, 2)
    place = rng.randrange(n)
    y[place] = 1
    e1[0], e2 = rng.choice([(1, -2), (2, -1), (-1, 2), (-2, 1)])
    t = _uniform(rng, n, q)
    if passes:
        y = [abs(number) for number in y]
        wanted = rng.randrange(q // 2 + 1, q)
        t[place] += wanted - e2 - sum(a * b for a, b in zip(t, y, strict=True))
        t[place] %= q
    arguments = (A, t, q, bit, y, e1, e2)
    return Case(arguments, f"bit {bit}, size {n}, q = {q}")


def explain_encrypt(case: Case, got) -> str:
    """Say which half is wrong, and by how much v is off."""
    if type(got) is not list or len(got) != 2 or type(got[0]) is not list:
        return ""
    space: dict = {}
    exec(GIVEN_SUMS + ENCRYPT, space)
    u, v = space["encrypt_bit"](*case.arguments)
    if got[0] != u:
        return "u is wrong" + ("" if got[1] == v else ", and v too")
    if type(got[1]) is not int:
        return "u is right, v is not a whole number"
    if off := (got[1] - v) % case.arguments[2]:
        return f"u is right, v is too large by {off} mod q"
    return "u is right, and so is v mod q; but v must lie between 0 and q − 1"


_ENCRYPT_BIT = Task(
    id="lattice.encrypt_bit",
    lesson="07",
    title="One bit into two sums",
    signature="encrypt_bit(A: list, t: list, q: int, bit: int, y: list, e1: list, e2: int) -> list",
    statement=(
        "Return [u, v]. u has one number for each column of A: dot(column, y) plus the number of "
        "e1 at the same place, mod q. v is dot(t, y) + e2, and for the bit 1 also half of q, "
        "rounded up, which is (q + 1) // 2; then mod q. `dot` and `columns` are given."
    ),
    why="Only who knows s can take t·y away from v again, up to the noise.",
    points=2,
    minutes=8,
    section="Lesson 07, “A bit goes in”",
    modules=(),
    hints=Hints(
        "u is there already. What does v need besides t, y and e2, and when?",
        "A bit 1 is half of q, a bit 0 is zero. Half of an odd number is rounded up here.",
        "v = (dot(t, y) + e2 + bit * ((q + 1) // 2)) % q",
    ),
    reference=ENCRYPT,
    given=GIVEN_SUMS,
    cases=encrypt_cases,
    explain=explain_encrypt,
    mistakes=(
        generic.nothing_returned("encrypt_bit", ENCRYPT),
        generic.changed_argument("encrypt_bit", ENCRYPT, "arguments[4].append(0)"),
        *generic.variants(
            ENCRYPT,
            (
                "rows for columns",
                "u is made from the rows of A. Bob's s takes it apart only with the columns.",
                "Use zip(columns(A), e1).",
                ("columns(A)", "A"),
            ),
            (
                "the bit is not scaled",
                "The bit is added as 0 or 1. The noise is as large as that, and hides it.",
                "Add half of q for a bit 1: bit * ((q + 1) // 2).",
                (_HALF, "bit"),
            ),
            (
                "half of q rounded down",
                "Half of q is rounded down. Bob reads the bit all the same; the task says upwards.",
                "(q + 1) // 2",
                ("(q + 1) // 2", "q // 2"),
            ),
            (
                "half of 97",
                "Half of 97 is added, whatever q is. The modulus is an argument.",
                "(q + 1) // 2",
                ("(q + 1) // 2", "49"),
            ),
            (
                "a quarter of q",
                "The bit is a quarter of q. That is the border between 0 and 1.",
                "Add half of q: it is as far from 0 as a number can be.",
                ("(q + 1) // 2", "q // 4"),
            ),
            (
                "the whole of q",
                "The bit is scaled by q, and mod q that is zero: both bits look alike.",
                "Add half of q.",
                ("((q + 1) // 2)", "q"),
            ),
            (
                "the bit inverted",
                "A bit 0 adds half of q, and a bit 1 adds nothing.",
                "Multiply half of q by `bit`.",
                (_HALF, "(1 - bit) * ((q + 1) // 2)"),
            ),
            (
                "no noise in u",
                "e1 is left out. Then u gives y away: the equations have no noise.",
                "Add the numbers of e1 to the numbers of u.",
                ("dot(column, y) + small", "dot(column, y)"),
            ),
            (
                "no noise in v",
                "e2 is left out of v.",
                "Add e2 to v.",
                (" + e2", ""),
            ),
            (
                "noise of u in v",
                "v has the first number of e1 as its noise. Its own is e2.",
                "Add e2 to v.",
                ("+ e2", "+ e1[0]"),
            ),
            (
                "v without mod q",
                "v is not reduced mod q. It tells more than it should. A % q after the last term "
                "belongs to that term alone: % binds tighter than +.",
                "Put brackets around the whole sum, and % q behind them.",
                (_V, _V.removesuffix(" % q")),
            ),
            (
                "half of q added after mod q",
                "% q was taken before half of q was added, so v can be q or more.",
                "Add everything first, then take % q once.",
                (_V, f"(dot(t, y) + e2) % q + {_HALF}"),
            ),
            (
                "v from u",
                "v is made from u. It needs Bob's public t.",
                "v begins with dot(t, y).",
                ("dot(t, y)", "dot(u, y)"),
            ),
            (
                "v and u exchanged",
                "The two halves are in the other order.",
                "return [u, v]",
                ("[u, v]", "[v, u]"),
            ),
            (
                "the bit in u",
                "The bit is added to u. It belongs into v only.",
                "Leave u as it is.",
                ("+ small)", f"+ small + {_HALF})"),
                (f" + {_HALF}) % q\n", ") % q\n"),
            ),
        ),
    ),
)

# lattice.decrypt_bit

DECRYPT = """
def decrypt_bit(s, q, u, v):
    w = (v - dot(s, u)) % q
    return 1 if q < 4 * w < 3 * q else 0
"""
_WITHIN = "q < 4 * w < 3 * q"


def decrypt_cases(seed: int) -> list[Case]:
    """Values near 0, near q/2, and on either side of both borders, for two moduli."""
    rng = random.Random(f"lattice.decrypt_bit {seed}")
    wanted = []
    for q in (97, 3329):
        low, high = q // 4, 3 * q // 4
        wanted += [
            (q, (q + 1) // 2 + rng.randint(2, 8), "a little above q/2"),
            (q, (q + 1) // 2 - rng.randint(2, 8), "a little below q/2"),
            (q, rng.randint(1, 8), "a little above 0"),
            (q, q - rng.randint(1, 8), "a little below q, which is 0 again"),
            (q, low, "the last number that is nearer to 0"),
            (q, low + 1, "the first number that is nearer to q/2"),
            (q, high, "the last number that is nearer to q/2"),
            (q, high + 1, "the first number that is nearer to q"),
        ]
    return [_decrypt_case(rng, *value) for value in wanted]


def _decrypt_case(rng, q, w, about):
    n = rng.randint(3, 6)
    s, u = _short(rng, n), _uniform(rng, n, q)
    s[rng.randrange(n)] = rng.choice((-1, 1))
    v = (w + sum(a * b for a, b in zip(s, u, strict=True))) % q
    return Case((s, q, u, v), f"q = {q}, v − s·u is {about}", {"w": w})


def explain_decrypt(case: Case, got) -> str:
    """The number that had to be decided, and its distances."""
    if got not in (0, 1):
        return ""
    q, w = case.arguments[1], case.labels["w"]
    zero, half = min(w, q - w), abs(w - q / 2)
    return f"v − s·u mod q is {w}: {zero} away from 0 and {half} away from q/2"


_DECRYPT_BIT = Task(
    id="lattice.decrypt_bit",
    lesson="07",
    title="Noise away, bit out",
    signature="decrypt_bit(s: list, q: int, u: list, v: int) -> int",
    statement=(
        "Compute w = v − s·u mod q. Return 1 if w is nearer to q/2 than to 0, else 0. The "
        "numbers mod q form a circle: q − 1 is as near to 0 as 1 is. q is odd. `dot` is given."
    ),
    why="What is left of the noise is small, so the nearest of the two values is the bit.",
    points=2,
    minutes=8,
    section="Lesson 07, “And out again”",
    modules=(),
    hints=Hints(
        "Draw the numbers mod q as a circle. Where is 0, where is q/2, where are the borders?",
        "The borders are q/4 and 3q/4: between them is the half that means 1.",
        "w = (v - dot(s, u)) % q, and 1 if q < 4 * w < 3 * q.",
    ),
    reference=DECRYPT,
    given=GIVEN_SUMS,
    cases=decrypt_cases,
    explain=explain_decrypt,
    mistakes=(
        generic.nothing_returned("decrypt_bit", DECRYPT),
        generic.changed_argument("decrypt_bit", DECRYPT, "arguments[0].append(0)"),
        *generic.variants(
            DECRYPT,
            (
                "above q/2",
                "Everything above q/2 became 1. Numbers just below q are near 0, and numbers just "
                "below q/2 are near q/2.",
                "The borders are q/4 and 3q/4.",
                (_WITHIN, "2 * w > q"),
            ),
            (
                "above q/4",
                "Everything above q/4 became 1. Numbers just below q are near 0 again.",
                "There is a second border, at 3q/4.",
                (_WITHIN, "4 * w > q"),
            ),
            (
                "below 3q/4",
                "Everything below 3q/4 became 1. Numbers near 0 mean 0.",
                "There is a first border, at q/4.",
                (_WITHIN, "4 * w < 3 * q"),
            ),
            (
                "anything but zero",
                "Everything but 0 became 1. The noise makes an exact 0 rare.",
                "Ask which of 0 and q/2 is nearer.",
                (_WITHIN, "w != 0"),
            ),
            (
                "exactly half of q",
                "Only the exact half of q became 1. The noise makes it rare.",
                "Ask which of 0 and q/2 is nearer.",
                (_WITHIN, "w == (q + 1) // 2"),
            ),
            (
                "the lower bits of w",
                "The bit is w mod 2. The noise changes exactly these bits.",
                "The bit is in the size of w: near 0, or near q/2.",
                ("1 if q < 4 * w < 3 * q else 0", "w % 2"),
            ),
            (
                "the bit inverted",
                "0 and 1 are exchanged.",
                "Near q/2 means 1.",
                ("return 1 if q < 4 * w < 3 * q else 0", "return 0 if q < 4 * w < 3 * q else 1"),
            ),
            (
                "borders at thirds",
                "The borders are q/3 and 2q/3. A number between q/4 and q/3 is nearer to q/2.",
                "The middle between 0 and q/2 is q/4.",
                (_WITHIN, "q < 3 * w < 2 * q"),
            ),
            (
                "upper border rounded down",
                "3 * q // 4 is rounded down, and `<` leaves that number out. It is nearer to q/2: "
                "for q = 97 it is 72, and the border is 72¾.",
                "Compare without rounding: q < 4 * w < 3 * q.",
                (_WITHIN, "q // 4 < w < 3 * q // 4"),
            ),
            (
                "lower border rounded down",
                "q // 4 is rounded down, and `<=` takes that number in. It is nearer to 0: for "
                "q = 97 it is 24, and the border is 24¼.",
                "Compare without rounding: q < 4 * w < 3 * q.",
                (_WITHIN, "q // 4 <= w <= 3 * q // 4"),
            ),
            (
                "both borders rounded down",
                "q // 4 and 3 * q // 4 are rounded down, and the numbers between them and the "
                "real borders got the other bit.",
                "Compare without rounding: q < 4 * w < 3 * q.",
                (_WITHIN, "q // 4 <= w < 3 * q // 4"),
            ),
            (
                "no mod q",
                "v − s·u is not reduced mod q, so the borders do not fit it.",
                "w = (v - dot(s, u)) % q",
                ("(v - dot(s, u)) % q", "v - dot(s, u)"),
            ),
            (
                "s·u added",
                "s·u is added. It has to be taken away from v.",
                "w = (v - dot(s, u)) % q",
                ("v - dot", "v + dot"),
            ),
            (
                "v alone",
                "Only v was looked at. Without taking s·u away it looks random, to Bob as to all.",
                "w = (v - dot(s, u)) % q",
                ("(v - dot(s, u)) % q", "v % q"),
            ),
            (
                "w returned",
                "The number came back. The bit is asked for.",
                "Return 1 or 0.",
                ("1 if q < 4 * w < 3 * q else 0", "w"),
            ),
            (
                "true for one",
                "The result is True or False. A bit is the number 1 or 0.",
                "Return 1 or 0, or int(…) of the comparison.",
                ("1 if q < 4 * w < 3 * q else 0", _WITHIN),
            ),
        ),
    ),
)

# kem.establish

GIVEN_KEM = """
from x3dhlab import kem
from x3dhlab.primitives import hmac_sha256

def confirmation(secret, ciphertext):
    return hmac_sha256(secret, b"confirm" + ciphertext)
"""
ESTABLISH = """
def establish(private, public, coins, message):
    mechanism = kem.get("ML-KEM-768")
    if message is None:
        ct, ss = mechanism.encapsulate(public, coins=coins)
        return {"message": ct + confirmation(ss, ct), "secret": ss}
    ct, tag = message[:1088], message[1088:]
    ss = mechanism.decapsulate(private, ct)
    if tag != confirmation(ss, ct):
        return {"message": None, "secret": None}
    return {"message": None, "secret": ss}
"""
_CHECK = """    if tag != confirmation(ss, ct):
        return {"message": None, "secret": None}
"""
_CIPHERTEXT = 1088


def establish_cases(seed: int) -> list[Case]:
    """A start; an honest message; and messages altered, mixed up or made with Kyber."""
    rng = random.Random(f"kem.establish {seed}")
    mechanism, kyber = kem.get("ML-KEM-768"), kem.get("Kyber-768")
    mine, theirs = (mechanism.generate(seed=rng.randbytes(64)) for _ in range(2))
    coins = rng.randbytes(32)
    honest = _message(*mechanism.encapsulate(mine.public, coins=rng.randbytes(32)))
    foreign = _message(*mechanism.encapsulate(theirs.public, coins=rng.randbytes(32)))
    mixed = _message(*kyber.encapsulate(mine.public, coins=rng.randbytes(32)))
    place = rng.randrange(8 * _CIPHERTEXT)
    tries = [
        (None, "you start"),
        (honest, "an honest message"),
        (_flipped(honest, place), "one bit of the ciphertext flipped"),
        (_flipped(honest, 8 * _CIPHERTEXT + place % 256), "one bit of the confirmation flipped"),
        (mixed, "a message made with round-3 Kyber"),
        (foreign, "a message for another key"),
    ]
    return [_establish_case(mine.private, theirs.public, coins, *one) for one in tries]


def _message(ciphertext, secret):
    return ciphertext + hmac_sha256(secret, b"confirm" + ciphertext)


def _flipped(data, place):
    changed = bytearray(data)
    changed[place // 8] ^= 1 << place % 8
    return bytes(changed)


def _establish_case(private, public, coins, message, about):
    mechanism, labels = kem.get("ML-KEM-768"), {}
    if message is None:
        labels["CT"], labels["SS"] = mechanism.encapsulate(public, coins=coins)
    else:
        ciphertext = message[:_CIPHERTEXT]
        refused = hashlib.shake_256(private[32:] + ciphertext).digest(32)
        labels |= {"CT": ciphertext, "the secret of implicit rejection": refused}
        labels |= {"SS": mechanism.decapsulate(private, ciphertext)}
    return Case((private, public, coins, message), about, labels)


def explain_establish(case: Case, got) -> str:
    """Name the values that came back."""
    if type(got) is not dict:
        return ""
    found = []
    for key, value in got.items():
        names = [name for name, known in case.labels.items() if known == value]
        if key == "secret" and names:
            found.append(f"the secret is {names[0].removeprefix('the ')}")
        if key == "message" and type(value) is bytes:
            found.append(f"the message has {len(value)} bytes")
    return ", ".join(found)


_ESTABLISH = Task(
    id="kem.establish",
    lesson="07",
    title="One secret, confirmed",
    signature="establish(private: bytes, public: bytes, coins: bytes, message: bytes) -> dict",
    statement=(
        "You are one of two people who use ML-KEM-768. If `message` is None, you start: "
        "encapsulate to the other's `public` with `coins`, and return {'message': CT ‖ "
        "confirmation(SS, CT), 'secret': SS}. Else you answer: the first 1088 bytes of `message` "
        "are CT, the rest is the confirmation. Decapsulate with your `private` key. Return "
        "{'message': None, 'secret': SS} if the confirmation is right, and {'message': None, "
        "'secret': None} if not."
    ),
    why="Decapsulation never fails, so only the confirmation says that both have one secret.",
    points=3,
    minutes=12,
    section="Lesson 07, “No error is no success”; FIPS 203 §6.3",
    modules=("kem", "primitives"),
    hints=Hints(
        "What does `decapsulate` do with a ciphertext that was altered on the way?",
        "It returns another secret. Compute the confirmation from it, and compare.",
        "ct, ss = mechanism.encapsulate(public, coins=coins); to answer: "
        "if message[1088:] != confirmation(ss, ct), return {'message': None, 'secret': None}.",
    ),
    reference=ESTABLISH,
    given=GIVEN_KEM,
    cases=establish_cases,
    explain=explain_establish,
    mistakes=(
        generic.nothing_returned("establish", ESTABLISH),
        generic.hex_for_bytes("establish", ESTABLISH),
        *generic.variants(
            ESTABLISH,
            (
                "(ss, ct) order",
                "Ciphertext and secret are exchanged: the secret goes to the network. Some "
                "libraries return (SS, CT); this one returns (CT, SS).",
                "ct, ss = mechanism.encapsulate(public, coins=coins)",
                ("ct, ss = mechanism", "ss, ct = mechanism"),
            ),
            (
                "success inferred from no exception",
                "Whatever `decapsulate` returned was taken for a shared secret. It returns one "
                "for every ciphertext of the right length.",
                "Compare the rest of the message with confirmation(ss, ct).",
                (_CHECK, ""),
            ),
            (
                "the check inverted",
                "The secret came back when the confirmation was wrong, and None when it was right.",
                "Return None for both if the confirmation differs.",
                ("tag != confirmation", "tag == confirmation"),
            ),
            (
                "None for the dictionary",
                "A wrong confirmation gave None. A dictionary is asked for then too.",
                "Return {'message': None, 'secret': None}.",
                ('return {"message": None, "secret": None}', "return None"),
            ),
            (
                "two values for the dictionary",
                "A wrong confirmation gave two values. A dictionary is asked for then too.",
                "Return {'message': None, 'secret': None}.",
                ('return {"message": None, "secret": None}', "return None, None"),
            ),
            (
                "no confirmation sent",
                "The message is the ciphertext alone, so the other side cannot check anything.",
                "Send ct + confirmation(ss, ct).",
                ("ct + confirmation(ss, ct)", "ct"),
            ),
            (
                "the secret as confirmation",
                "The secret itself is sent to confirm it. Everybody on the way reads it.",
                "Send confirmation(ss, ct): it needs the secret and does not show it.",
                ("ct + confirmation(ss, ct)", "ct + ss"),
            ),
            (
                "confirmation first",
                "The confirmation stands before the ciphertext.",
                "ct + confirmation(ss, ct)",
                ("ct + confirmation(ss, ct)", "confirmation(ss, ct) + ct"),
            ),
            (
                "ciphertext as secret",
                "The ciphertext came back as the secret. It crossed the network.",
                "Return ss as the secret.",
                (', "secret": ss}\n    ct,', ', "secret": ct}\n    ct,'),
            ),
            (
                "the key used as secret",
                "Your private key came back as the secret.",
                "Return what `decapsulate` gives.",
                (
                    'return {"message": None, "secret": ss}',
                    'return {"message": None, "secret": private[:32]}',
                ),
            ),
            (
                "encapsulated twice",
                "To answer, you made a new secret. The other one does not know it.",
                "Decapsulate the ciphertext that came.",
                (
                    "ss = mechanism.decapsulate(private, ct)",
                    "ss = mechanism.encapsulate(public, coins=coins)[1]",
                ),
                (_CHECK, ""),
            ),
            (
                "encapsulated to oneself",
                "The secret was made for your own key. It has to be for the other one's.",
                "Encapsulate to `public`.",
                ("encapsulate(public", "encapsulate(mechanism.public_of(private)"),
            ),
            (
                "private and public exchanged",
                "The two keys are exchanged: you encapsulate to a public key, and decapsulate "
                "with your private one.",
                "encapsulate(public, …) and decapsulate(private, …)",
                ("encapsulate(public", "encapsulate(private"),
                ("decapsulate(private", "decapsulate(public"),
            ),
            (
                "Kyber for ML-KEM",
                "The secret is round-3 Kyber's. Its ciphertext has the same length, and no error "
                "shows the difference.",
                'kem.get("ML-KEM-768")',
                (
                    "ct, ss = mechanism.encapsulate",
                    'ct, ss = kem.get("Kyber-768").encapsulate',
                ),
            ),
            (
                "the whole message confirmed",
                "The confirmation was computed over the whole message. It covers CT only.",
                "confirmation(ss, ct)",
                ("if tag != confirmation(ss, ct)", "if tag != confirmation(ss, message)"),
            ),
            (
                "the message sent back",
                "An answer needs no message of its own here.",
                "'message' is None when you answer.",
                ('return {"message": None, "secret": ss}', 'return {"message": tag, "secret": ss}'),
            ),
        ),
        Mistake(
            "an exception expected",
            ESTABLISH.replace(_CHECK, "").replace(
                "    ss = mechanism.decapsulate(private, ct)\n",
                "    try:\n        ss = mechanism.decapsulate(private, ct)\n"
                "    except Exception:\n        ss = None\n",
            ),
            "`decapsulate` was expected to raise for an altered ciphertext. It never does.",
            "Compare the rest of the message with confirmation(ss, ct).",
            tell=r"except",
        ),
    ),
)

TASKS = (_ENCRYPT_BIT, _DECRYPT_BIT, _ESTABLISH)
