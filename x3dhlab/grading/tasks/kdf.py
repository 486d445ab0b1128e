"""Tasks of lesson 05: the key derivation, the associated data, an input with one reading."""

import hmac
import itertools
import random
from dataclasses import replace

from x3dhlab.grading.task import Case, Hints, Mistake, Task
from x3dhlab.grading.tasks import generic
from x3dhlab.primitives import public_key
from x3dhlab.wire import encode_key

ZEROS = bytes(32)
F = b"\xff" * 32


def _hkdf(ikm, info, salt=ZEROS):
    """32 bytes of HKDF-SHA-256 without checks and announcements: thousands of inputs are tried."""
    return hmac.digest(hmac.digest(salt, ikm, "sha256"), info + b"\x01", "sha256")


# kdf.x3dh_secret

SECRET = """
from x3dhlab.primitives import hkdf

def x3dh_secret(dhs, info):
    key_material = b"\\xff" * 32 + b"".join(dhs)
    return hkdf(key_material, salt=bytes(32), info=info, length=32)
"""
_MATERIAL = 'b"\\xff" * 32 + b"".join(dhs)'


def secret_cases(seed: int) -> list[Case]:
    """Three and four Diffie-Hellman results, with the names of several applications."""
    rng = random.Random(f"kdf.x3dh_secret {seed}")
    return [_secret_case(rng, count) for count in (4, 3, 4, 3)]


def _secret_case(rng, count):
    dhs = [rng.randbytes(32) for _ in range(count)]
    info = b"App " + rng.randbytes(3).hex().encode() + b" X3DH 1"
    labels = {f"DH{number}": value for number, value in enumerate(dhs, 1)}
    about = "four results" if count == 4 else "three results, without a one-time prekey"
    return Case((dhs, info), about, labels)


def explain_secret(case: Case, got) -> str:
    """Find the KDF input that gives the learner's secret, and say how it differs."""
    dhs, info = case.arguments
    if type(got) is not bytes or len(got) != 32:
        return ""
    known = {"F": F, **case.labels, "32 zero bytes": ZEROS}
    wanted = ["F", *case.labels]
    for names in _inputs(list(known), wanted):
        if _hkdf(b"".join(known[name] for name in names), info) == got:
            return difference(names, wanted)
    return ""


def _inputs(names, wanted):
    """Permutations first, then everything of up to five values."""
    yield from map(list, itertools.permutations(wanted))
    for length in range(len(wanted) + 2):
        yield from map(list, itertools.product(names, repeat=min(length, 5)))


def difference(names: list, wanted: list, size: int = 32) -> str:
    """One sentence on a labelled input `names` of equal parts that should be `wanted`."""
    if names == wanted:
        return ""
    if len(names) != len(wanted):
        lost = [name for name in wanted if name not in names]
        more = [name for name in names if name not in wanted] or ["a value twice"]
        what = f"missing: {', '.join(lost)}" if lost else f"too much: {', '.join(more)}"
        return f"the KDF input has {len(names) * size} bytes, not {len(wanted) * size}; {what}"
    wrong = [n for n, pair in enumerate(zip(names, wanted, strict=True)) if len({*pair}) > 1]
    place = f"bytes {size * wrong[0]}–{size * wrong[-1] + size - 1} of the KDF input"
    if len(wrong) == 2 and sorted(names) == sorted(wanted):
        return f"{place}: {wanted[wrong[0]]} and {wanted[wrong[1]]} are swapped"
    held = ", ".join(names[n] for n in wrong)
    return f"{place}: {held} stands where {', '.join(wanted[n] for n in wrong)} belongs"


_X3DH_SECRET = Task(
    id="kdf.x3dh_secret",
    lesson="05",
    title="From the results to one secret",
    signature="x3dh_secret(dhs: list, info: bytes) -> bytes",
    statement=(
        "Return SK, the 32 bytes of KDF(DH1 ‖ DH2 ‖ DH3 [‖ DH4]) of X3DH §2.2: HKDF with 32 zero "
        "bytes as its salt, and `info`. Its input is F ‖ DH1 ‖ DH2 ‖ DH3 [‖ DH4]. F is 32 bytes "
        "FF; it is not in `dhs`, you put it first. "
        "hkdf(ikm, salt=…, info=…, length=…) comes from x3dhlab.primitives."
    ),
    why="F, the order, the salt and the info are fixed: only then do two programs agree.",
    points=2,
    minutes=6,
    section="Lesson 05, “HKDF by hand”; X3DH §2.2",
    modules=("primitives",),
    hints=Hints(
        "HKDF takes four values. Which one is secret, and which one names the application?",
        "The input is F ‖ DH1 ‖ DH2 ‖ …, all of it as bytes; the salt carries no data.",
        'key_material = b"\\xff" * 32 + b"".join(dhs); the salt is bytes(32).',
    ),
    reference=SECRET,
    cases=secret_cases,
    explain=explain_secret,
    mistakes=(
        generic.nothing_returned("x3dh_secret", SECRET),
        generic.hex_for_bytes("x3dh_secret", SECRET),
        generic.changed_argument("x3dh_secret", SECRET, "arguments[0].pop()"),
        *(
            replace(mistake, section="Lesson 05, “Without F”; X3DH §2.2")
            for mistake in generic.variants(
                SECRET,
                (
                    "no F",
                    "F is missing: the input begins with DH1. It could pass for an encoded key.",
                    'Put 32 bytes FF before the results: b"\\xff" * 32.',
                    (_MATERIAL, 'b"".join(dhs)'),
                ),
            )
        ),
        *generic.variants(
            SECRET,
            (
                "F after the key material",
                "F stands after the results. It must come first, where a key would begin.",
                'b"\\xff" * 32 + b"".join(dhs)',
                (_MATERIAL, 'b"".join(dhs) + b"\\xff" * 32'),
            ),
            (
                "zeros for F",
                "F is made of zeros. Its bytes are FF; the zeros belong into the salt.",
                'F is b"\\xff" * 32, the salt is bytes(32).',
                ('b"\\xff" * 32', "bytes(32)"),
            ),
            (
                "one byte of F",
                "F is a single byte. For X25519 it has 32.",
                'Write b"\\xff" * 32.',
                ('b"\\xff" * 32', 'b"\\xff"'),
            ),
            (
                "F for X448",
                "F has 57 bytes. That is its length for X448; for X25519 it has 32.",
                'Write b"\\xff" * 32.',
                ('b"\\xff" * 32', 'b"\\xff" * 57'),
            ),
            (
                "F between the results",
                "F stands before every result. It stands once, at the very beginning.",
                "Join the results first, then put F before them.",
                (_MATERIAL, 'b"".join(b"\\xff" * 32 + value for value in dhs)'),
            ),
            (
                "text joined",
                "The results are joined as Python's notation for bytes, not as bytes.",
                'Join bytes with b"".join(dhs).',
                ('b"".join(dhs)', '"".join(str(value) for value in dhs).encode()'),
            ),
            (
                "hexadecimal text joined",
                "The results are joined as hexadecimal text: 64 characters for 32 bytes.",
                'Join bytes with b"".join(dhs).',
                ('b"".join(dhs)', '"".join(value.hex() for value in dhs).encode()'),
            ),
            (
                "salt and info exchanged",
                "The name of the application is in the salt, and the zeros are the info.",
                "salt=bytes(32), info=info",
                ("salt=bytes(32), info=info", "salt=info, info=bytes(32)"),
            ),
            (
                "salt carrying data",
                "The salt carries the info. HMAC fills a short salt with zeros, so two salts may "
                "be one.",
                "Keep the salt at 32 zero bytes; data belongs into the info or the input.",
                ("salt=bytes(32)", "salt=info"),
            ),
            (
                "salt of FF",
                "The salt is 32 bytes FF. These belong before the input; the salt is zero.",
                "salt=bytes(32)",
                ("salt=bytes(32)", 'salt=b"\\xff" * 32'),
            ),
            (
                "info left out",
                "The info is empty. Two applications that share keys then share secrets too.",
                "Give `hkdf` the argument info.",
                ("info=info", 'info=b""'),
            ),
            (
                "a fixed info",
                "The info is a fixed name. It must be the name that the caller gives.",
                "Give `hkdf` the argument info.",
                ("info=info", 'info=b"x3dhlab X3DH"'),
            ),
            (
                "64 bytes",
                "The secret has 64 bytes. SK has 32.",
                "length=32",
                ("length=32", "length=64"),
            ),
            (
                "results in reverse",
                "The results are joined in reverse.",
                "Join them in the order of the list: DH1 first.",
                ('b"".join(dhs)', 'b"".join(reversed(dhs))'),
            ),
            (
                "DH1 and DH2 swapped",
                "DH1 and DH2 are swapped. If both sides swap them, your own tests still pass.",
                "Join them in the order of the list.",
                ('b"".join(dhs)', 'b"".join([dhs[1], dhs[0], *dhs[2:]])'),
            ),
            (
                "DH4 left out",
                "The fourth result is not in the input, so the one-time key protects nothing.",
                "Join the whole list, with three values or four.",
                ('b"".join(dhs)', 'b"".join(dhs[:3])'),
            ),
            (
                "DH4 as zeros",
                "Zeros stand in for a missing fourth result. A server can then fake one.",
                "Join the values that are there, three or four.",
                ('b"".join(dhs)', 'b"".join([*dhs, bytes(32)][:4])'),
            ),
            (
                "results combined by XOR",
                "The results are combined by XOR. Whoever chooses the last can cancel the others.",
                'Join them: b"".join(dhs).',
                (
                    'b"".join(dhs)',
                    "bytes(a ^ b ^ c ^ d for a, b, c, d in "
                    "zip(*dhs, *[bytes(32)] * (4 - len(dhs))))",
                ),
            ),
            (
                "no derivation",
                "The joined results came back. They are not uniform, and too long for a key.",
                "Put them through `hkdf`.",
                (
                    "return hkdf(key_material, salt=bytes(32), info=info, length=32)",
                    "return key_material",
                ),
            ),
        ),
        Mistake(
            "a plain hash",
            "import hashlib\ndef x3dh_secret(dhs, info):\n"
            '    return hashlib.sha256(b"\\xff" * 32 + b"".join(dhs) + info).digest()\n',
            "This is a hash of the input and the info. The specification asks for HKDF.",
            "Use hkdf(key_material, salt=bytes(32), info=info, length=32).",
        ),
        Mistake(
            "extract without expand",
            "from x3dhlab.primitives import hmac_sha256\ndef x3dh_secret(dhs, info):\n"
            '    return hmac_sha256(bytes(32), b"\\xff" * 32 + b"".join(dhs))\n',
            "This is the first half of HKDF (extract). The info is not in it.",
            "Use `hkdf`, or add the second half: HMAC(PRK, info ‖ 01).",
        ),
    ),
)

# kdf.associated_data

ASSOCIATED = """
def associated_data(own, peer, initiator):
    first, second = (own, peer) if initiator else (peer, own)
    return b"\\x05" + first + b"\\x05" + second
"""


def associated_cases(seed: int) -> list[Case]:
    """Alice's side and Bob's side of two conversations, of either order of the keys."""
    rng = random.Random(f"kdf.associated_data {seed}")
    pairs = [sorted(public_key(rng.randbytes(32)) for _ in range(2)) for _ in range(2)]
    pairs = [pairs[0], pairs[1][::-1]]
    return [_associated_case(*pair, initiator) for pair in pairs for initiator in (True, False)]


def _associated_case(key_a, key_b, initiator):
    own, peer = (key_a, key_b) if initiator else (key_b, key_a)
    labels = {"Encode(IK_A)": encode_key(key_a), "Encode(IK_B)": encode_key(key_b)}
    labels |= {"IK_A": key_a, "IK_B": key_b}
    about = "Alice's side, who began" if initiator else "Bob's side, who answers"
    return Case((own, peer, initiator), about, labels)


def explain_associated(case: Case, got) -> str:
    """Name the parts of a wrong value, with their bytes."""
    if type(got) is not bytes:
        return ""
    parts, place = [], 0
    while place < len(got):
        name = next((n for n, v in case.labels.items() if got.startswith(v, place)), "")
        if not name:
            return ""
        size = len(case.labels[name])
        parts.append(f"bytes {place}–{place + size - 1} are {name}")
        place += size
    return ", ".join(parts)


_JOINED = 'b"\\x05" + first + b"\\x05" + second'
_ORDER = "(own, peer) if initiator else (peer, own)"

_ASSOCIATED_DATA = Task(
    id="kdf.associated_data",
    lesson="05",
    title="Bind the two identities",
    signature="associated_data(own: bytes, peer: bytes, initiator: bool) -> bytes",
    statement=(
        "Return AD = Encode(IK_A) ‖ Encode(IK_B), 66 bytes, where A is the one who began. `own` is "
        "your identity key, `peer` the other one, `initiator` is True when you began. Encode puts "
        "the byte 05 before the 32 bytes of a key."
    ),
    why="Both sides build the same bytes, because roles decide the order and not who computes.",
    points=1,
    minutes=4,
    section="Lesson 05, “Who is first”; X3DH §3.3",
    modules=(),
    hints=Hints(
        "Alice and Bob call the same function. Which of their arguments differ?",
        "The one who began comes first on both sides. Bob began nothing: his key comes second.",
        "first, second = (own, peer) if initiator else (peer, own)",
    ),
    reference=ASSOCIATED,
    cases=associated_cases,
    explain=explain_associated,
    mistakes=(
        generic.nothing_returned("associated_data", ASSOCIATED),
        generic.hex_for_bytes("associated_data", ASSOCIATED),
        *generic.variants(
            ASSOCIATED,
            (
                "own key first",
                "Your own key comes first on both sides, so Alice and Bob get different values.",
                "Look at `initiator`: the key of the one who began comes first.",
                (_ORDER, "(own, peer)"),
            ),
            (
                "the peer's key first",
                "The other one's key comes first on both sides, so the two values differ.",
                "Look at `initiator`: the key of the one who began comes first.",
                (_ORDER, "(peer, own)"),
            ),
            (
                "roles reversed",
                "The roles are reversed: the one who answers comes first.",
                "When `initiator` is True, your own key comes first.",
                (_ORDER, "(peer, own) if initiator else (own, peer)"),
            ),
            (
                "keys sorted",
                "The keys are sorted. Both sides agree, but the value does not say who began.",
                "Let the roles decide the order, not the bytes.",
                (_ORDER, "sorted([own, peer])"),
            ),
            (
                "raw keys",
                "The value has 64 bytes: the byte 05 before each key is missing.",
                'Encode both keys: b"\\x05" + key.',
                (_JOINED, "first + second"),
            ),
            (
                "one key encoded",
                "Only the first key is encoded. Each key has its own type byte.",
                'Put b"\\x05" before both keys.',
                (_JOINED, 'b"\\x05" + first + second'),
            ),
            (
                "type bytes after the keys",
                "The type bytes stand after the keys.",
                "The byte 05 comes before each key.",
                (_JOINED, 'first + b"\\x05" + second + b"\\x05"'),
            ),
            (
                "one identity only",
                "Only the identity of the one who began is bound. Bob could be anybody.",
                "Put both identities in: Encode(IK_A) ‖ Encode(IK_B).",
                (_JOINED, 'b"\\x05" + first'),
            ),
            (
                "one identity twice",
                "The same key stands twice, and the other one is not bound.",
                "Use both keys.",
                (_JOINED, 'b"\\x05" + first + b"\\x05" + first'),
            ),
            (
                "hashed",
                "The identities are hashed. AD is the 66 bytes themselves.",
                "Return the joined bytes.",
                (
                    "    return " + _JOINED,
                    "    import hashlib\n    return hashlib.sha256(" + _JOINED + ").digest()",
                ),
            ),
            (
                "separated",
                "A byte stands between the two keys. They have a fixed length and need none.",
                "Join the two encoded keys directly.",
                (_JOINED, 'b"\\x05" + first + b"|" + b"\\x05" + second'),
            ),
        ),
    ),
)

# kdf.bind

BIND = """
from x3dhlab.primitives import hkdf

def bind(secret, label, parts):
    info = b""
    for part in [label, *parts]:
        info += len(part).to_bytes(4, "big") + part
    return hkdf(secret, salt=bytes(32), info=info, length=32)
"""
_STEP = 'len(part).to_bytes(4, "big") + part'
_LOOP = f'    info = b""\n    for part in [label, *parts]:\n        info += {_STEP}\n'


def bind_cases(seed: int) -> list[Case]:
    """Names and numbers that read the same when they are joined without lengths."""
    rng = random.Random(f"kdf.bind {seed}")
    secret = rng.randbytes(32)
    one, two = rng.choice(("user", "alice", "phone")).encode(), str(rng.randint(10, 99)).encode()
    label = b"App " + rng.randbytes(2).hex().encode()
    rows = [
        ((one, two), "two parts"),
        ((one + two[:1], two[1:]), "the same bytes, cut elsewhere"),
        ((one, two, b"device 1"), "three parts"),
        ((one, b"", two), "an empty part"),
        ((one + b"|" + two, b"x"), "a part that holds a separator"),
        ((rng.randbytes(rng.randint(300, 400)), one), "a long part"),
        ((), "no part"),
    ]
    return [Case((secret, label, list(parts)), about) for parts, about in rows]


def explain_bind(case: Case, got) -> str:
    """Find the labelled info that gives the learner's key, and say which bytes differ."""
    secret, label, parts = case.arguments
    if type(got) is not bytes or len(got) != 32:
        return ""
    fields, place = [], 0
    for name, value in [("the label", label), *_numbered(parts)]:
        for what, body in ((f"the length of {name}", len(value).to_bytes(4, "big")), (name, value)):
            fields.append((what, body, place))
            place += len(body)
    for lost in itertools.chain.from_iterable(
        itertools.combinations(fields, count) for count in range(1, 4)
    ):
        info = b"".join(body for what, body, at in fields if (what, body, at) not in lost)
        if _hkdf(secret, info) == got:
            return "; ".join(_missing(*item) for item in lost)
    return ""


def _numbered(parts):
    return [(f"part {number}", part) for number, part in enumerate(parts, 1)]


def _missing(what, body, place):
    return f"bytes {place}–{place + len(body) - 1} of the info, {what}, are missing"


_BIND = Task(
    id="kdf.bind",
    lesson="05",
    title="A key for one context only",
    signature="bind(secret: bytes, label: bytes, parts: list) -> bytes",
    statement=(
        "Return 32 bytes of HKDF with `secret` as its input, 32 zero bytes as its salt, and an "
        "info that has one reading only: the label, then each part, and before each of them its "
        "length as four bytes, big-endian. hkdf(ikm, salt=…, info=…, length=…) comes from "
        "x3dhlab.primitives."
    ),
    why="A length before each part leaves one reading, so two contexts never share a key.",
    points=3,
    minutes=8,
    section="Lesson 05, “Names without lengths”; RFC 5869 §3.2",
    modules=("primitives",),
    hints=Hints(
        'What do the parts "user1", "23" and the parts "user", "123" give when they are joined?',
        "Write the length of each value before it, always with the same number of bytes.",
        'len(part).to_bytes(4, "big") + part, for the label and for every part.',
    ),
    reference=BIND,
    cases=bind_cases,
    explain=explain_bind,
    mistakes=(
        generic.nothing_returned("bind", BIND),
        generic.hex_for_bytes("bind", BIND),
        generic.changed_argument("bind", BIND, "arguments[2].append(b'')"),
        *generic.variants(
            BIND,
            (
                "missing lengths",
                "The parts are joined without lengths. Two contexts then give the same key.",
                "Put the length before each value, as four bytes.",
                (_STEP, "part"),
            ),
            (
                "a separator for lengths",
                "A separator stands between the parts. A part that holds it can pass for two.",
                "Put the length before each value instead.",
                (_LOOP, '    info = b"|".join([label, *parts])\n'),
            ),
            (
                "a zero byte for lengths",
                "A zero byte ends each part. A part that holds one can pass for two.",
                "Put the length before each value instead.",
                (_STEP, 'part + b"\\x00"'),
            ),
            (
                "little-endian lengths",
                "The lengths are little-endian. The task asks for the highest byte first.",
                'len(part).to_bytes(4, "big")',
                ('"big"', '"little"'),
            ),
            (
                "lengths of two bytes",
                "The lengths have two bytes. The task asks for four.",
                'len(part).to_bytes(4, "big")',
                ("to_bytes(4", "to_bytes(2"),
            ),
            (
                "lengths of one byte",
                "The length has one byte. A long part does not fit, or is cut.",
                'len(part).to_bytes(4, "big")',
                ('len(part).to_bytes(4, "big")', "bytes([len(part) % 256])"),
            ),
            (
                "lengths as text",
                "The lengths are written as digits. A part that begins with a digit changes them.",
                'Four bytes: len(part).to_bytes(4, "big").',
                ('len(part).to_bytes(4, "big")', "str(len(part)).encode()"),
            ),
            (
                "length after the part",
                "The lengths stand after the parts. A reader needs them first.",
                'len(part).to_bytes(4, "big") + part',
                (_STEP, 'part + len(part).to_bytes(4, "big")'),
            ),
            (
                "label without length",
                "The label has no length, so a longer label can pass for a label and a part.",
                "Treat the label like the parts.",
                ('b""\n    for part in [label, *parts]', "label\n    for part in parts"),
            ),
            (
                "label left out",
                "The label is not in the info. Two protocols that share the secret share the key.",
                "Begin with the label.",
                ("[label, *parts]", "parts"),
            ),
            (
                "label at the end",
                "The label stands at the end. The task asks for the label first.",
                "Go through [label, *parts].",
                ("[label, *parts]", "[*parts, label]"),
            ),
            (
                "parts left out",
                "The parts are not in the info: one key for every context.",
                "Go through [label, *parts].",
                ("[label, *parts]", "[label]"),
            ),
            (
                "data in the salt",
                "The data is in the salt. HMAC fills it with zeros: a salt and the same salt with "
                "a zero byte are one.",
                "Keep the salt at zero, and put the data into the info.",
                ("salt=bytes(32), info=info", 'salt=info, info=b""'),
            ),
            (
                "data in the input",
                "The data stands in the input, after the secret. The task asks for it in the info.",
                "hkdf(secret, salt=bytes(32), info=info, length=32)",
                (
                    "hkdf(secret, salt=bytes(32), info=info",
                    'hkdf(secret + info, salt=bytes(32), info=b""',
                ),
            ),
            (
                "text joined",
                "The parts are joined as Python's notation for bytes.",
                "Join the bytes themselves.",
                (_LOOP, "    info = str([label, *parts]).encode()\n"),
            ),
            (
                "parts sorted",
                "The parts are sorted. Sender and receiver then stand for each other.",
                "Keep the order of the list.",
                ("[label, *parts]", "[label, *sorted(parts)]"),
            ),
            (
                "a count for lengths",
                "The number of parts stands first, not their lengths: they can be cut elsewhere.",
                "Put the length before each value.",
                (
                    _LOOP,
                    '    info = len(parts).to_bytes(4, "big") + label + b"".join(parts)\n',
                ),
            ),
        ),
    ),
)

TASKS = (_X3DH_SECRET, _ASSOCIATED_DATA, _BIND)
