"""Hunting, slots 1 to 4: comparing, making keys, writing things down, deriving keys."""

from x3dhlab.attacks.wild import broken
from x3dhlab.grading.task import Case
from x3dhlab.grading.tasks.hunting import cure, find
from x3dhlab.primitives import public_key, seal

_WHO = "Lesson 15, “Who may know it”"
_SAME = "Lesson 15, “Two inputs, one output”"


# 1 Comparing


def _tags(rng):
    rows = [(32, "a tag of 32 bytes"), (8, "a tag of 8 bytes"), (2, "a tag of 2 bytes")]
    return [Case((rng.randbytes(length),), about) for length, about in rows]


_FIRST = "first = bytes([right[0] ^ 1]) + right[1:]"
_LAST = "last = right[:-1] + bytes([right[-1] ^ 1])"

SAME_TAG = find(
    "same_tag",
    "(right: bytes) -> list",
    "`right` is the tag that the program computed. Return a list of two wrong tags of the same "
    "length for which the loop of `same_tag` makes a different number of steps. The checker counts "
    "how often the loop looks at a byte; no clock is used.",
    "Who can tell the two apart learns how many bytes at the beginning are right.",
    minutes=3,
    section="Lesson 15, “A loop that stops early”",
    goal="two wrong tags of equal length, and two numbers of steps",
    hints=(
        "At which byte does the loop stop?",
        "Keep more of the right bytes at the beginning, and the loop makes more steps.",
        f"{_LAST}: only the last byte is wrong.",
    ),
    started=1,
    answer=f"def find(right):\n    {_FIRST}\n    {_LAST}\n    return [first, last]\n",
    cases=_tags,
    rows=(
        (
            "the right tag is one of the two",
            "The right tag takes all steps, and the attacker does not have it.",
            "Change at least one byte of `right` in both tags.",
            (_LAST, "last = right"),
        ),
        (
            "both stop at the same place",
            "Both tags differ from the right one in their first byte, so the loop ends there.",
            "Let one of them be right in its first byte.",
            (_LAST, "last = bytes([right[0] ^ 2]) + right[1:]"),
        ),
        (
            "the same tag twice",
            "One input cannot show a difference.",
            "Make a second tag that is wrong at another place.",
            (_LAST, "last = first"),
        ),
        (
            "a shorter tag",
            "A shorter tag never comes to the loop.",
            "Keep the length; change bytes.",
            (_LAST, "last = right[:-1]"),
        ),
    ),
)


# 2 Making keys


def _clocks(rng):
    rows = [
        (rng.randint(-20, -1), "the phone's clock is known to a few seconds"),
        (rng.randint(100, 299), "the clock is known to five minutes"),
        (-300, "the first second of the range"),
        (300, "the last second of the range"),
    ]
    return [_clock(rng, *row) for row in rows]


def _clock(rng, offset, about):
    started = 1_767_000_000 + rng.randrange(10**7)
    first, second, _ = broken.new_values(started, 3)
    return Case((first, second, started + offset), about, {"started": started})


NEW_VALUES = find(
    "new_values",
    "(first: bytes, second: bytes, around: int) -> bytes",
    "A program sent the first two values of `new_values` as nonces: `first` and `second`. The "
    "third one became a private key. The program started at most 300 seconds before or after the "
    "time `around`. Return the third value.",
    "A generator that starts from the clock has as many keys as there are seconds to guess.",
    points=3,
    minutes=5,
    section=_WHO,
    goal="the third value of this generator",
    hints=(
        "What does the generator start from, and who can guess that?",
        "There are only 601 possible starts. Try each, and compare what it makes with yours.",
        "if new_values(started, 2) == [first, second]: the start is found; make one value more.",
    ),
    started=2,
    answer=(
        "def find(first, second, around):\n"
        "    for started in range(around - 300, around + 301):\n"
        "        values = new_values(started, 3)\n"
        "        if values[:2] == [first, second]:\n"
        "            return values[2]\n"
    ),
    cases=_clocks,
    rows=(
        (
            "a value that was seen",
            "The second value came back: the network has it already.",
            "Make three values from the right start, and return the last one.",
            ("return values[2]", "return values[1]"),
        ),
        (
            "one value too far",
            "This is the fourth value.",
            "The first two are known; the next one is asked for.",
            ("(started, 3)", "(started, 4)"),
            ("return values[2]", "return values[3]"),
        ),
        (
            "the middle of the range taken for the start",
            "The time that is known is not exact.",
            "Try every second of the range.",
            ("range(around - 300, around + 301)", "[around]"),
            ("values[:2] == [first, second]", "True"),
        ),
        (
            "half of the value",
            "Only half of the bytes came back.",
            "A value of this generator has 32 bytes.",
            ("return values[2]", "return values[2][:16]"),
        ),
    ),
)


def _people(rng):
    rows = [("Alice", "Alice's prekey"), ("Bob", "Bob's prekey"), ("Zoë", "a name with an accent")]
    cases = []
    for name, about in rows:
        number = rng.randint(3, 5000)
        public = public_key(broken.prekey_private(name, number))
        cases.append(Case((name, number, public), about))
    return cases


PREKEY_PRIVATE = find(
    "prekey_private",
    "(name: str, number: int, public: bytes) -> bytes",
    "The server hands out `public`, the public half of prekey `number` of the person `name`. Its "
    "private half was made by `prekey_private`. Return the private half.",
    "The generator starts from values that are public, so everybody can start it.",
    points=3,
    minutes=3,
    section=_WHO,
    goal="the private half of this public key",
    hints=(
        "Which values does the function need, and which of them do you have?",
        "Nothing secret goes in, so nothing secret can come out.",
        "You may call prekey_private yourself.",
    ),
    answer="def find(name, number, public):\n    return prekey_private(name, number)\n",
    cases=_people,
    rows=(
        (
            "the public half",
            "This is the half that the server hands out.",
            "The private half is what the function made.",
            ("prekey_private(name, number)", "public"),
        ),
        (
            "another number",
            "This is the private half of the next prekey.",
            "Use the number that you were given.",
            ("(name, number)", "(name, number + 1)"),
        ),
        (
            "another name",
            "The generator was started from another text.",
            "Use the name as it is.",
            ("(name, number)", "(name.lower(), number)"),
        ),
        (
            "half of the key",
            "Only half of the bytes came back.",
            "A private key has 32 bytes.",
            ("prekey_private(name, number)", "prekey_private(name, number)[:16]"),
        ),
    ),
)


# 3 Writing things down


def _honest(rng, length=None):
    key, text = rng.randbytes(32), rng.randbytes(rng.randint(1, 40) if length is None else length)
    return key, b"\x01" + seal(key, text, b"")


def _sealed(rng):
    rows = [(5, "a short text"), (40, "a longer text"), (0, "an empty text")]
    made = [(*_honest(rng, length), about) for length, about in rows]
    return [Case((sealed,), about, {"key": key}) for key, sealed, about in made]


READ_AND_LOG = find(
    "read_and_log",
    "(sealed: bytes) -> bytes",
    "`sealed` is an honest message to Bob: version 01, then what the session's key sealed. You do "
    "not have the key. Return a message that makes `read_and_log` write a line with the session's "
    "key in it.",
    "An error path prints the whole state, and anybody can reach that path.",
    section=_WHO,
    goal="a message whose line in the log holds the session's key",
    hints=(
        "Read every line that the function can write. Which one has more in it than the others?",
        "The tag must fail, and everything before it must pass.",
        "Keep version and length, and change one bit of the last byte.",
    ),
    answer="def find(sealed):\n    return sealed[:-1] + bytes([sealed[-1] ^ 1])\n",
    cases=_sealed,
    rows=(
        (
            "the honest message",
            "This message opens. The line says only that.",
            "Make it fail at the tag: change a byte.",
            ("sealed[:-1] + bytes([sealed[-1] ^ 1])", "sealed"),
        ),
        (
            "stopped at the version",
            "The version is checked first, and its line is harmless.",
            "Keep the first byte, 01.",
            ("sealed[:-1] + bytes([sealed[-1] ^ 1])", 'b"\\x02" + sealed[1:]'),
        ),
        (
            "stopped at the length",
            "The length is checked before the tag, and its line is harmless.",
            "Keep at least 49 bytes.",
            ("sealed[:-1] + bytes([sealed[-1] ^ 1])", "sealed[:40]"),
        ),
    ),
)


def _lines(rng):
    key, good = _honest(rng)
    number = rng.randint(0, 90)
    rows = [
        (good[:-1] + bytes([good[-1] ^ 1]), "a message with a wrong tag"),
        (good, "an honest message"),
        (b"\x02" + good[1:], "a message of version 02"),
        (good[:20], "a message of 20 bytes"),
    ]
    return [
        Case(({"name": name, "key": key, "number": number + place}, data), about)
        for place, (name, (data, about)) in enumerate(zip(_NAMES, rows, strict=True))
    ]


_NAMES = "Carol", "Bob", "Dave", "Erin"
_FAILED = 'return f"{name}: cannot open"'

CURE_READ_AND_LOG = cure(
    "read_and_log",
    "(session: dict, data: bytes) -> str",
    "`session` has name, key and number; `data` is a message. Return the line for the log. It is "
    "the line of `read_and_log`, but for a message that does not open it is the session's name and "
    "then “: cannot open”, nothing more.",
    "The line names the session and what went wrong. Everything else stays inside.",
    hex=False,
    section=_WHO,
    hints=(
        "Which of the four lines has to change?",
        "A line for the log is built from named fields that were chosen, not from a whole state.",
        'return f"{name}: cannot open"',
    ),
    cases=_lines,
    rows=(
        (
            "the beginning of the key",
            "Four bytes of the key are in the line. They make guessing easier, and are not needed.",
            "Name the session, not its key.",
            (_FAILED, "return f\"{name}: cannot open, key {session['key'][:4].hex()}\""),
        ),
        (
            "the number in the line",
            "The line holds the session's number. The task asks for the name alone.",
            "Leave the number out; the line ends after “cannot open”.",
            (_FAILED, "return f\"{name}: cannot open {session['number']}\""),
        ),
        (
            "the error is hidden",
            "The line says that the message opened. Nobody will find the fault.",
            "Say that it did not open, without saying more.",
            (_FAILED, 'return f"{name}: opened"'),
        ),
        (
            "no line at all",
            "The function ends without a text when a message does not open.",
            "Return the line, without the state.",
            (_FAILED, "pass"),
            ('    return f"{name}: opened"', '    else:\n        return f"{name}: opened"'),
        ),
        (
            "the message in the line",
            "The line holds the bytes of the message. The task asks for the name alone.",
            "Leave the message out; its name and what happened are enough.",
            (_FAILED, 'return f"{name}: cannot open {data.hex()}"'),
        ),
    ),
)


def _secrets(rng):
    abouts = ("a root key", "a chain key", "a message key")
    return [Case((rng.randbytes(32),), about) for about in abouts]


LOG_LINE = find(
    "log_line",
    "(secret: bytes) -> dict",
    "Some part of the program hands its fields to `log_line`: a dict from names to bytes. `secret` "
    "is a secret of the ratchet. Return fields with which the line holds the secret.",
    "A list of what must not be written is never complete.",
    minutes=3,
    section=_WHO,
    goal="fields with which the line holds the secret",
    hints=(
        "What does the function look at before it writes a field?",
        "It looks at names only. Which names do secrets have in lesson 10?",
        "The root key is called RK there.",
    ),
    answer='def find(secret):\n    return {"RK": secret}\n',
    cases=_secrets,
    rows=(
        (
            "under a forbidden name",
            "The function leaves out every field with “key” in its name.",
            "Take a name without it.",
            ('"RK"', '"chain_key"'),
        ),
        (
            "no fields",
            "Without fields nothing can be written.",
            "Put the secret into a field.",
            ('{"RK": secret}', "{}"),
        ),
        (
            "half of the secret",
            "The line holds 16 bytes of it.",
            "The value of the field is the whole secret.",
            ('{"RK": secret}', '{"RK": secret[:16]}'),
        ),
    ),
)


def _fields(rng):
    number, version = rng.randbytes(2), b"\x01"
    rows = [
        ({"number": number, "version": version, "RK": rng.randbytes(32)}, "with a root key"),
        ({"number": number, "chain_key": rng.randbytes(32)}, "with a chain key"),
        ({"Key": rng.randbytes(32), "version": version}, "with a field “Key”"),
        ({"number": number, "seed": rng.randbytes(64)}, "with a field nobody thought of"),
        ({"number": number, "token": rng.randbytes(32)}, "with one more of these"),
        ({"version": version}, "without a secret"),
    ]
    return [Case(("sent", fields), about) for fields, about in rows]


_ALLOWED = 'if name in ("number", "version"):'

CURE_LOG_LINE = cure(
    "log_line",
    "(event: str, fields: dict) -> str",
    "Write `log_line` so that a new secret under a new name stays out: of `fields`, only number "
    "and version are written. The form of the line stays: the event, then name=hexadecimal for "
    "each field, with spaces between.",
    "Only what was chosen is written. What nobody thought of stays out.",
    hex=False,
    section=_WHO,
    hints=(
        "The broken function lists what is forbidden. What could you list instead?",
        "A list of what is allowed needs no change when somebody adds a secret.",
        _ALLOWED,
    ),
    cases=_fields,
    rows=(
        (
            "a list without capitals",
            "Large letters no longer help, and other names still do.",
            "List what may be written.",
            (_ALLOWED, 'if "key" not in name.lower():'),
        ),
        (
            "a longer list of what is forbidden",
            "The list grew. The next secret has a name that is not on it.",
            "List what may be written.",
            (_ALLOWED, 'if "key" not in name.lower() and name not in ("RK", "CK", "SK"):'),
        ),
        (
            "judged by length",
            "Secrets of another length pass.",
            "Decide by name, and by what is allowed.",
            (_ALLOWED, "if len(value) != 32:"),
        ),
        (
            "the beginning of every value",
            "Four bytes of each secret are written, under every name.",
            "Leave out whole fields.",
            (_ALLOWED, "if True:"),
            ("value.hex()", "value[:4].hex()"),
        ),
    ),
)


# 4 Deriving keys


def _labels(rng):
    rows = [
        (b"message " + rng.randbytes(2).hex().encode(), "a label of letters"),
        (b"a", "a label of one letter"),
        (b"header/" + rng.randbytes(8), "a label with other bytes"),
    ]
    return [Case((label,), about, {"secret": rng.randbytes(32)}) for label, about in rows]


PURPOSE_KEY = find(
    "purpose_key",
    "(label: bytes) -> bytes",
    "The program derives a key for each purpose: `purpose_key(secret, label)`. Return another "
    "label that gets the same key as `label`, whatever the secret is.",
    "The salt is the key of HMAC, and HMAC fills a short key up with zeros.",
    points=3,
    section=_SAME,
    goal="another label with the same key",
    hints=(
        "Where does the label go: into the input, the salt or the info of HKDF?",
        "The salt is a key of HMAC. What does HMAC do with a key shorter than 64 bytes? Lesson 05 "
        "had it.",
        'Add a zero byte at the end: label + b"\\0".',
    ),
    answer='def find(label):\n    return label + b"\\0"\n',
    cases=_labels,
    rows=(
        (
            "the same label",
            "One label twice shows nothing.",
            "Find other bytes that HMAC takes for the same key.",
            ('label + b"\\0"', "label"),
        ),
        (
            "zeros in front",
            "HMAC adds its zeros at the end.",
            "Put the zero byte behind the label.",
            ('label + b"\\0"', 'b"\\0" + label'),
        ),
        (
            "another byte behind",
            "HMAC adds bytes of value 0, and you added another one. A space is the byte 20, and "
            "the digit 0 is the byte 30.",
            "Add a byte of value 0.",
            ('label + b"\\0"', 'label + b" "'),
        ),
        (
            "capitals",
            "HMAC compares no letters. Another byte is another key.",
            "Look at what is done with short keys of HMAC.",
            ('label + b"\\0"', 'b"X" + label[1:]'),
        ),
    ),
)


def _purposes(rng):
    rows = [(b"message", "a label"), (b"message\0", "a label that ends in 00"), (b"", "no label")]
    return [Case((rng.randbytes(32), label), about) for label, about in rows]


_DERIVED = "hkdf(secret, salt=bytes(32), info=label, length=32)"

CURE_PURPOSE_KEY = cure(
    "purpose_key",
    "(secret: bytes, label: bytes) -> bytes",
    "Return a key of 32 bytes that is another one for each label. Use `hkdf(input, salt=…, "
    "info=…, length=…)`: the secret is the input, the salt is 32 zero bytes, and the label stands "
    "where HKDF has the purpose of a key.",
    "HKDF keeps the info apart from everything else; all its bytes count.",
    section=_SAME,
    hints=(
        "Which of HKDF's three places is made for a label?",
        "The info says what a key is for. It may have any length.",
        _DERIVED,
    ),
    cases=_purposes,
    rows=(
        (
            "the label in both places",
            "The label is the info, and also still the salt.",
            "The salt is 32 zero bytes.",
            ("salt=bytes(32)", "salt=label"),
        ),
        (
            "the label filled up",
            "You fill the label with zeros yourself. Two labels are one again.",
            "The info is the label as it is.",
            ("info=label", 'info=label.ljust(64, b"\\0")'),
        ),
        (
            "secret and label exchanged",
            "The secret is the salt, and the label is the input.",
            "The secret is the first argument.",
            (_DERIVED, 'hkdf(label, salt=secret, info=b"", length=32)'),
        ),
        (
            "secret and label joined",
            "The label is part of the input, where its border to the secret can move.",
            "The input is the secret alone; the label is the info.",
            (_DERIVED, 'hkdf(secret + label, salt=bytes(32), info=b"", length=32)'),
        ),
        (
            "HMAC in place of HKDF",
            "This is one HMAC over the label. HKDF is another function, with a salt and an info.",
            "Call hkdf; the label is the info.",
            ("def cure_02", "import hmac\n\n\ndef cure_02"),
            (_DERIVED, 'hmac.digest(secret, label, "sha256")'),
        ),
        (
            "no label",
            "The label is used nowhere: all purposes have one key.",
            "The label is the info.",
            ("info=label", 'info=b""'),
        ),
    ),
)


def _four(rng, count=4):
    return [rng.randbytes(32) for _ in range(count)]


def _results(rng):
    abouts = ("with a one-time key", "again with a one-time key", "one more handshake")
    return [Case((_four(rng),), about) for about in abouts]


SESSION_SECRET = find(
    "session_secret",
    "(dhs: list) -> list",
    "`dhs` has the four Diffie-Hellman results of a handshake with a one-time key. Return another "
    "list of three or four results, 32 bytes each, that gives the same secret.",
    "The fourth result is cut off. The one-time key protects nothing, and every test passes.",
    section=_SAME,
    goal="another list of results with the same secret",
    hints=(
        "How long is the input before it is cut, and how long after?",
        "32 bytes of F and four results are 160 bytes. Which 32 of them are lost?",
        "Change the last result, or leave it out.",
    ),
    answer="def find(dhs):\n    return [*dhs[:3], bytes(32)]\n",
    cases=_results,
    rows=(
        (
            "the same results",
            "One list twice shows nothing.",
            "Change what the program cuts off.",
            ("[*dhs[:3], bytes(32)]", "dhs"),
        ),
        (
            "a result that counts",
            "You changed the first result, and the secret changes with it.",
            "Count the bytes: which result is beyond byte 128?",
            ("[*dhs[:3], bytes(32)]", "[bytes(32), *dhs[1:]]"),
        ),
        (
            "another order",
            "The order of the first three counts.",
            "Leave the first three as they are.",
            ("[*dhs[:3], bytes(32)]", "[dhs[1], dhs[0], *dhs[2:]]"),
        ),
        (
            "an empty result",
            "No Diffie-Hellman result has 0 bytes.",
            "Give it 32 bytes, or leave it out of the list.",
            ("[*dhs[:3], bytes(32)]", '[*dhs[:3], b""]'),
        ),
    ),
)


def _three_or_four(rng):
    return [
        Case((_four(rng),), "with a one-time key"),
        Case((_four(rng, 3),), "without a one-time key"),
    ]


CURE_SESSION_SECRET = cure(
    "session_secret",
    "(dhs: list) -> bytes",
    "Return the secret of all results in `dhs`, three or four. Input of `hkdf`: 32 bytes FF, then "
    'the results; salt: 32 zero bytes; info: b"Sparrow"; length: 32. Every byte must count.',
    "Every result changes the secret, as many as there are.",
    section=_SAME,
    hints=(
        "Why would anybody cut the input of HKDF?",
        "HKDF takes an input of any length.",
        "hkdf(material, …) without any slice.",
    ),
    cases=_three_or_four,
    rows=(
        (
            "the beginning cut off",
            "Now the bytes FF are lost: only the last 128 bytes count.",
            "Do not cut at all.",
            ("hkdf(material,", "hkdf(material[-128:],"),
        ),
        (
            "each result shortened",
            "Everything fits into 128 bytes, because each result lost eight.",
            "A result has 32 bytes, and all of them are used.",
            ('b"".join(dhs)', 'b"".join(dh[:24] for dh in dhs)'),
        ),
        (
            "no F",
            "The 32 bytes FF are missing.",
            "The input begins with them (lesson 05).",
            ('b"\\xff" * 32 + b"".join', 'b"".join'),
        ),
        (
            "results added bit by bit",
            "The results are joined with XOR: equal ones cancel, and their order is lost.",
            "Put one behind the other.",
            (
                'b"\\xff" * 32 + b"".join(dhs)',
                'b"\\xff" * 32 + bytes(a ^ b ^ c for a, b, c in zip(*dhs[:3]))',
            ),
        ),
    ),
)

FINDS = {
    "same_tag": SAME_TAG,
    "new_values": NEW_VALUES,
    "prekey_private": PREKEY_PRIVATE,
    "read_and_log": READ_AND_LOG,
    "log_line": LOG_LINE,
    "purpose_key": PURPOSE_KEY,
    "session_secret": SESSION_SECRET,
}
CURES = {
    "read_and_log": CURE_READ_AND_LOG,
    "log_line": CURE_LOG_LINE,
    "purpose_key": CURE_PURPOSE_KEY,
    "session_secret": CURE_SESSION_SECRET,
}
