"""Hunting, slots 5 to 8: nonces, what the tag covers, names and places, keys from outside."""

from x3dhlab.attacks.wild import broken, sound
from x3dhlab.grading.task import Case
from x3dhlab.grading.tasks.hunting import cure, find

_SAME = "Lesson 15, “Two inputs, one output”"
_EDGES = "Lesson 15, “The edges of the input”"
_REFUSED = "Lesson 15, “After a refusal”"
_ORDER = "Lesson 15, “The order of events”"


# 5 Nonces


def _numbers(rng):
    low = rng.randint(2, 255)
    rows = [
        (low, "one of the first messages"),
        (256 * rng.randint(1, 9) + rng.randint(2, 255), "a later message"),
        (256 * rng.randint(100, 999) + rng.randint(2, 255), "a long conversation"),
    ]
    return [Case((number,), about) for number, about in rows]


MESSAGE_NONCE = find(
    "message_nonce",
    "(number: int) -> int",
    "All messages of a session are sealed under one key; `message_nonce` makes the nonce of each. "
    "Return the number of another message that gets the same nonce as message `number`.",
    "A counter of one byte comes back to where it was after 256 messages.",
    minutes=3,
    hex=False,
    section=_SAME,
    goal="the number of another message with the same nonce",
    hints=(
        "How many different nonces can this function make at all?",
        "The number is reduced to its remainder modulo 256.",
        "number + 256 has the same remainder.",
    ),
    answer="def find(number):\n    return number + 256\n",
    cases=_numbers,
    rows=(
        (
            "the same message",
            "One message has one nonce; that is no fault. Two messages with one nonce are.",
            "Find a second number with the same remainder modulo 256.",
            ("number + 256", "number"),
        ),
        (
            "the next message",
            "The nonce is the remainder modulo 256, and the next number has another one.",
            "How far apart are two numbers with the same remainder?",
            ("number + 256", "number + 1"),
        ),
        (
            "a round number",
            "A thousand is no multiple of 256.",
            "Add 256, or a multiple of it.",
            ("number + 256", "number + 1000"),
        ),
        (
            "a negative number",
            "Python computes with it, and no message has such a number.",
            "Go forward.",
            ("number + 256", "number % 256 - 256"),
        ),
        (
            "text for a number",
            "The number came back as text.",
            "Return an int.",
            ("number + 256", "str(number + 256)"),
        ),
    ),
)


def _intervals(rng):
    rows = [
        (rng.randint(3, 9), "stored often"),
        (rng.randint(10, 40), "stored seldom"),
        (rng.randint(41, 200), "stored very seldom"),
    ]
    return [Case((every,), about) for every, about in rows]


_CRASH = '["send", "crash", "send"]'

NONCES_USED = find(
    "nonces_used",
    "(every: int) -> list",
    "The program stores its counter after each `every` messages; see `nonces_used`. Return a list "
    'of events, "send" or "crash", after which one nonce was used twice.',
    "What a crash forgets, the program does again, under the same key and nonce.",
    hex=False,
    section=_ORDER,
    goal="events after which one nonce was used twice",
    hints=(
        "What does the program know after a crash?",
        "The counter goes back to the stored value. Which messages were sent since then?",
        "One message, a crash, one more message.",
    ),
    answer=f"def find(every):\n    return {_CRASH}\n",
    cases=_intervals,
    rows=(
        (
            "no crash",
            "As long as the program runs, its counter only grows.",
            "Put a crash between two messages.",
            (_CRASH, '["send"] * (2 * every)'),
        ),
        (
            "the crash comes first",
            "Before the first message there is nothing to forget.",
            "Send something before the crash.",
            (_CRASH, '["crash", "send", "send"]'),
        ),
        (
            "right after storing",
            "The counter had just been stored, so nothing was lost.",
            "Let the crash come between two times of storing.",
            (_CRASH, '["send"] * every + ["crash", "send"]'),
        ),
        (
            "nothing after the crash",
            "The counter is wrong, and nobody used it yet.",
            "Send a message after the crash.",
            (_CRASH, '["send", "crash"]'),
        ),
        (
            "an event of another name",
            "The function knows two events, and passes over every other word.",
            'Use "send" and "crash".',
            (_CRASH, '["send", "restart", "send"]'),
        ),
    ),
)


# 6 What the tag covers


def _message(rng, about):
    key, header = rng.randbytes(32), rng.randbytes(8)
    data = broken.seal_message(key, header, rng.randbytes(rng.randint(5, 30)))
    return Case((data,), about, {"key": key})


OPEN_MESSAGE = find(
    "open_message",
    "(data: bytes) -> bytes",
    "`data` is a message made by `seal_message` under a key that you do not have. Return changed "
    "bytes that `open_message` still opens, with another header.",
    "The tag covers the text alone, so the header is anybody's.",
    minutes=3,
    section="Lesson 15, “A list for an audit”",
    goal="bytes that open under the same key with another header",
    hints=(
        "Which bytes go into `seal`, and which do not?",
        "The eight bytes in front are only joined to the rest.",
        "Change the first byte of data.",
    ),
    answer="def find(data):\n    return bytes([data[0] ^ 1]) + data[1:]\n",
    cases=lambda rng: [_message(rng, about) for about in ("a message", "another message")],
    rows=(
        (
            "the honest message",
            "These are the bytes that were sent.",
            "Change something that the tag does not cover.",
            ("bytes([data[0] ^ 1]) + data[1:]", "data"),
        ),
        (
            "the sealed part changed",
            "The tag covers this part, and the message no longer opens.",
            "Change only the header.",
            ("bytes([data[0] ^ 1]) + data[1:]", "data[:-1] + bytes([data[-1] ^ 1])"),
        ),
        (
            "the header dropped",
            "The function takes eight bytes of the sealed part for the header.",
            "Keep the length.",
            ("bytes([data[0] ^ 1]) + data[1:]", "data[8:]"),
        ),
    ),
)


def _bound(rng):
    key, header = rng.randbytes(32), rng.randbytes(8)
    data = sound.seal_message(key, header, b"Meet me at noon")
    other = bytes([data[7] ^ 1])
    rows = [
        (data, "an honest message"),
        (data[:7] + other + data[8:], "the last byte of the header changed"),
        (bytes([data[0] ^ 1]) + data[1:], "the first byte of the header changed"),
        (data[:-1] + bytes([data[-1] ^ 1]), "the tag changed"),
    ]
    return [Case((key, data), about, {"key": key}) for data, about in rows]


_OPENED = "open_sealed(key, sealed, header)"

CURE_OPEN_MESSAGE = cure(
    "open_message",
    "(key: bytes, data: bytes) -> list",
    "The sender was mended already: its tag covers the header, as associated data, and the sealed "
    "text. Return the header (8 bytes) and the text of `data`. What was changed anywhere raises "
    "DecryptionFailed, as `open_sealed(key, sealed, associated_data)` does by itself.",
    "One tag covers all that the receiver relies on.",
    section="Lesson 15, “A list for an audit”",
    hints=(
        "`open_sealed` takes three arguments. What is the third one for?",
        "The associated data are not sealed, and yet covered by the tag.",
        f"text = {_OPENED}",
    ),
    cases=_bound,
    uncured=(
        "empty associated data",
        "The associated data are empty. The sender's tag covers the header, so even the honest "
        "message does not open.",
        "Give the header as the third argument.",
        r"sealed, b(?:''|\"\")\)",
    ),
    tells={
        "half of the header": r"header\[:4\]",
        "the whole message as associated data": r"sealed, data\)",
    },
    rows=(
        (
            "half of the header",
            "Only four of the eight bytes are covered.",
            "Give the whole header.",
            (_OPENED, "open_sealed(key, sealed, header[:4])"),
        ),
        (
            "the whole message as associated data",
            "The sealed part cannot be part of its own associated data.",
            "Give the header alone.",
            (_OPENED, "open_sealed(key, sealed, data)"),
        ),
        (
            "an error becomes None",
            "A changed message gives None; callers that do not look go on.",
            "Let DecryptionFailed pass.",
            ("return [header", "try:\n        return [header"),
            ("header)]", "header)]\n    except Exception:\n        return None"),
        ),
        (
            "the header is not given back",
            "Only the text came back.",
            "Return a list of header and text.",
            (f"[header, {_OPENED}]", _OPENED),
        ),
    ),
)


def _names(rng):
    number = str(rng.randint(20, 98))
    rows = [
        ("user1", number, rng.randrange(10**4, 10**6), "names that end or begin with digits"),
        ("anna", "bell" + number, rng.randrange(10**9), "names of letters"),
        ("Zoë", "Émile" + number, rng.randrange(10**9), "names with accents"),
    ]
    return [Case(tuple(values), about) for *values, about in rows]


_MOVED = "[sender + recipient[0], recipient[1:], time]"

ASSOCIATED = find(
    "associated",
    "(sender: str, recipient: str, time: int) -> list",
    "`associated` makes the associated data of a message. Return three other values, as a list, "
    "that give the same bytes.",
    "Where one field ends is not written down, so it can be moved.",
    section=_SAME,
    goal="three other values with the same associated data",
    hints=(
        "Write the bytes of the three values next to each other. Where does the first one end?",
        "A letter may move from the beginning of one name to the end of the other.",
        _MOVED,
    ),
    answer=f"def find(sender, recipient, time):\n    return {_MOVED}\n",
    cases=_names,
    hex=False,
    rows=(
        (
            "the same values",
            "The same values give the same bytes; that is no fault.",
            "Move the border between two of them.",
            (_MOVED, "[sender, recipient, time]"),
        ),
        (
            "sender and recipient exchanged",
            "The order of the bytes is another one now.",
            "Leave all bytes where they are; move only the border.",
            (_MOVED, "[recipient, sender, time]"),
        ),
        (
            "the time as text",
            "The time is a whole number in this program.",
            "Return an int as the third value.",
            (_MOVED, "[sender + recipient[0], recipient[1:], str(time)]"),
        ),
        (
            "another time",
            "The names join to the same text, and the time has changed.",
            "Keep every digit.",
            (_MOVED, "[sender + recipient[0], recipient[1:], time + 1]"),
        ),
        (
            "something added",
            "One byte more is in the result.",
            "Add nothing and leave nothing out.",
            (_MOVED, '[sender + " ", recipient, time]'),
        ),
    ),
)


def _fields(rng):
    time = rng.randrange(10**6)
    rows = [
        ("alice", "bob", time, "two names"),
        ("alic", "ebob", time, "the border moved"),
        ("alice", "", time, "an empty name"),
        ("Zoë", "Émile", time, "names with accents"),
        ("a" * 300, "bob", time, "a long name"),
    ]
    return [Case(tuple(values), about) for *values, about in rows]


CURE_ASSOCIATED = cure(
    "associated",
    "(sender: str, recipient: str, time: int) -> bytes",
    "Return associated data that are unambiguous: the two names and the digits of the time, each "
    "as UTF-8, and before each its length in bytes, as two bytes, high byte first.",
    "With its length in front, each field ends where its writer meant it to end.",
    section=_SAME,
    hints=(
        "Which number would tell a reader where a field ends?",
        "Write the length in front of each field. Count bytes, not letters.",
        'part = sender.encode(); len(part).to_bytes(2, "big") + part',
    ),
    cases=_fields,
    rows=(
        (
            "a sign between the fields",
            "A sign between them can also stand inside a name.",
            "Write lengths.",
            ('len(part).to_bytes(2, "big") + part', 'part + b"|"'),
        ),
        (
            "letters counted",
            "The length counts letters; an accent takes two bytes.",
            "Encode first, then count.",
            ("len(part)", "len(part.decode())"),
        ),
        (
            "the length behind",
            "The length stands behind its field. A reader needs it before.",
            "Length first, then the bytes.",
            ('len(part).to_bytes(2, "big") + part', 'part + len(part).to_bytes(2, "big")'),
        ),
        (
            "the low byte first",
            "The two bytes of the length are in the other order.",
            'Use to_bytes(2, "big").',
            ('"big"', '"little"'),
        ),
        (
            "the time without length",
            "The last field has no length; the task asks for three.",
            "Treat all three alike.",
            (", str(time).encode())", ")"),
            ("return joined", "return joined + str(time).encode()"),
        ),
    ),
)


# 7 Names and places


def _uploads(rng):
    rows = [(1, "one key, with number 1"), (3, "three keys"), (6, "six keys")]
    return [
        Case(({n: rng.randbytes(32) for n in range(1, count + 1)},), about) for count, about in rows
    ]


PUBLISH = find(
    "publish",
    "(hers: dict) -> dict",
    "Alice publishes `hers`, a dict from numbers to keys. Then Bob publishes. Return what Bob "
    "publishes, in the same form, so that the server no longer finds some key of Alice. Bob has "
    "no key of hers.",
    "Each phone counts its keys from 1, and the table has one place for each number.",
    minutes=3,
    section=_SAME,
    goal="an upload of Bob's that replaces a key of Alice's",
    hints=(
        "Under what does the table keep a key?",
        "The number alone names it. Who chooses the numbers?",
        "Use the numbers that Alice used.",
    ),
    answer="def find(hers):\n    return {number: bytes(32) for number in hers}\n",
    cases=_uploads,
    rows=(
        (
            "Alice's own keys",
            "Bob publishes Alice's keys, and he does not have them.",
            "Give him keys of his own.",
            ("{number: bytes(32) for number in hers}", "dict(hers)"),
        ),
        (
            "nothing",
            "An empty upload changes nothing.",
            "Publish at least one key.",
            ("{number: bytes(32) for number in hers}", "{}"),
        ),
        (
            "fresh numbers",
            "With numbers that nobody has, the table works.",
            "Which numbers would Bob's phone choose, if it counts as Alice's does?",
            ("{number: bytes(32) for number in hers}", "{max(hers) + 1: bytes(32)}"),
        ),
    ),
)


def _tables(rng):
    old, new = {1: rng.randbytes(32), 2: rng.randbytes(32)}, {1: rng.randbytes(32)}
    later = {2: rng.randbytes(32), 3: rng.randbytes(32)}
    rows = [
        ({}, "Alice", dict(new), "the first upload of all"),
        ({"Bob": dict(old)}, "Alice", dict(new), "another user has the same numbers"),
        ({"Alice": dict(old)}, "Alice", dict(later), "a second upload with a number again"),
    ]
    return [Case((table, user, keys), about) for table, user, keys, about in rows]


_TABLE = "{**table, user: {**table.get(user, {}), **keys}}"

CURE_PUBLISH = cure(
    "publish",
    "(table: dict, user: str, keys: dict) -> dict",
    "The server's table is now a dict from users to dicts, each from numbers to keys. Return the "
    "table after `user` published `keys`. Keys of this user under other numbers stay; under the "
    "same number the new one counts. Leave the arguments as they are.",
    "A number counts inside one user's keys only.",
    section=_SAME,
    hints=(
        "What must stand beside the number, so that it names one key?",
        "One dict for each user. Begin with what this user has already, or with nothing.",
        "table.get(user, {}) is what the user has.",
    ),
    cases=_tables,
    sections={"an argument changed in place": _REFUSED},
    rows=(
        (
            "older keys lost",
            "The new upload replaced all keys of this user.",
            "Join the older keys and the new ones.",
            (_TABLE, "{**table, user: keys}"),
        ),
        (
            "an argument changed in place",
            "The table that was given is changed. A caller that fails later cannot go back.",
            "Build new dicts, also the inner one.",
            (f"return {_TABLE}", "table.setdefault(user, {}).update(keys)\n    return table"),
        ),
        (
            "the first upload wins",
            "A key published again under its number was ignored.",
            "The newer one comes last in the new dict.",
            ("{**table.get(user, {}), **keys}", "{**keys, **table.get(user, {})}"),
        ),
        (
            "user and number joined as text",
            "The name and the number are joined: “user1” with 2 and “user” with 12 meet.",
            "Use a dict for each user.",
            (_TABLE, '{**table, **{f"{user}{number}": key for number, key in keys.items()}}'),
        ),
    ),
)


def _handshakes(rng):
    abouts = ("one handshake", "another handshake", "a third one")
    return [Case(([rng.randbytes(32) for _ in range(3)],), about) for about in abouts]


_TWO = "[[value, None], [None, value]]"

HANDSHAKE_SECRET = find(
    "handshake_secret",
    "(dhs: list) -> list",
    "`dhs` has three Diffie-Hellman results. Return two handshakes with them that differ and get "
    "one secret: a list of two lists [one_time, kem], where each value is None or 32 bytes.",
    "A fourth Diffie-Hellman result and a KEM secret share one place.",
    section=_SAME,
    goal="two different handshakes with one secret",
    hints=(
        "Which inputs does the function join, and does it say which of them are there?",
        "Four values of 32 bytes: is the last one DH4 or the KEM secret?",
        "Give the same 32 bytes once as one_time and once as kem.",
    ),
    answer=f"def find(dhs):\n    value = bytes(range(32))\n    return {_TWO}\n",
    cases=_handshakes,
    rows=(
        (
            "the same handshake twice",
            "Both lists are equal.",
            "Put the value into the other place.",
            (_TWO, "[[value, None], [value, None]]"),
        ),
        (
            "both values exchanged",
            "With both values there, their order counts.",
            "Leave one of them out each time.",
            (_TWO, "[[value, bytes(32)], [bytes(32), value]]"),
        ),
        (
            "two different values",
            "The bytes that are joined are not the same.",
            "Use the same 32 bytes both times.",
            (_TWO, "[[value, None], [None, bytes(32)]]"),
        ),
    ),
)


def _suites(rng):
    def values():
        return [rng.randbytes(32) for _ in range(3)]

    rows = [
        (values(), rng.randbytes(32), None, "with a one-time key"),
        (values(), None, rng.randbytes(32), "with a KEM secret"),
        (values(), None, None, "with neither"),
        (values(), rng.randbytes(32), rng.randbytes(32), "with both"),
    ]
    return [Case(tuple(row), about) for *row, about in rows]


_PRESENT = "bytes([one_time is not None, kem is not None])"

CURE_HANDSHAKE_SECRET = cure(
    "handshake_secret",
    "(dhs: list, one_time: bytes, kem: bytes) -> bytes",
    'Derive the secret as before, and put into the info what is there: b"Sparrow", then one byte '
    "for `one_time` and one for `kem`, 01 if it is there and 00 if it is None. The input stays: 32 "
    "bytes FF, dhs, one_time, kem, without what is None. Salt: 32 zero bytes; length: 32.",
    "What the input does not say about itself, the info says.",
    section=_SAME,
    hints=(
        "What would a reader have to know to take the input apart again?",
        "Say in the info which of the two values are there.",
        _PRESENT,
    ),
    cases=_suites,
    rows=(
        (
            "one value is not named",
            "The info says whether there is a KEM secret, and is silent about the other value.",
            "One byte for each of the two.",
            (_PRESENT, "bytes([kem is not None])"),
        ),
        (
            "zeros for what is absent",
            "An absent value became 32 zero bytes. Somebody may send a value that is zero.",
            "Leave it out, and say so in the info.",
            (
                "value for value in (one_time, kem) if value is not None",
                "value or bytes(32) for value in (one_time, kem)",
            ),
        ),
        (
            "the number of values",
            "The info says how many values there are, not which.",
            "One byte for each of the two.",
            (_PRESENT, "bytes([len(extra)])"),
        ),
        (
            "in the other order",
            "The KEM secret stands before the fourth Diffie-Hellman result.",
            "Keep the order of the specification: DH4, then the KEM secret.",
            ("(one_time, kem) if", "(kem, one_time) if"),
        ),
    ),
)


# 8 Keys from outside

_PRIME = 2**255 - 19
_SPELLINGS = [
    (u + top).to_bytes(32, "little")
    for u in (0, 1, _PRIME - 1, _PRIME, _PRIME + 1)
    for top in (0, 1 << 255)
]


def _block_lists(rng):
    rows = [(2, "a short list"), (5, "a longer list"), (8, "a long list")]
    return [Case((_block_list(rng, count),), about) for count, about in rows]


def _block_list(rng, count):
    """The zero key first, and always some spelling left that nobody thought of."""
    return [_SPELLINGS[0], *rng.sample(_SPELLINGS[1:], count)]


_SEARCH = """def find(refused):
    p = 2**255 - 19
    for u in (0, 1, p - 1, p, p + 1):
        for top in (0, 1 << 255):
            key = (u + top).to_bytes(32, "little")
            if key not in refused:
                return key
"""

ACCEPTS = find(
    "accepts",
    "(refused: list) -> bytes",
    "The program has a list `refused` of bad public keys, and accepts every other 32 bytes. "
    "Return a public key that it accepts, and with which every Diffie-Hellman result is 32 zero "
    "bytes. (`dh` of the package raises LowOrderKey for such a key.)",
    "There are more spellings of a bad key than a list has. The output is what must be tested.",
    points=3,
    minutes=6,
    section=_EDGES,
    goal="a public key that is accepted and always gives zeros",
    hints=(
        "Which numbers u give zero for every private key? Lesson 02 met some of them.",
        "u = 0, 1, p - 1, and the same again modulo p, with p = 2^255 - 19. Bit 255 is ignored.",
        'Try each u, with and without 1 << 255: (u + top).to_bytes(32, "little").',
    ),
    answer=_SEARCH,
    cases=_block_lists,
    rows=(
        (
            "the zero key",
            "It is the first one on every such list.",
            "Try other spellings, until one is not on the list.",
            (
                "            if key not in refused:\n                return key",
                "            return key",
            ),
        ),
        (
            "any key that is not on the list",
            "An ordinary key is accepted, and its results are not zero.",
            "It must be one of the few points whose result is always zero.",
            ('(u + top).to_bytes(32, "little")', "bytes(range(32))"),
        ),
        (
            "33 bytes",
            "The byte 05 belongs to the encoding on the wire, not to the key.",
            "Return 32 bytes.",
            ("return key", 'return b"\\x05" + key'),
        ),
        (
            "the high byte first",
            "X25519 writes the lowest byte first.",
            'Use to_bytes(32, "little").',
            (
                '            key = (u + top).to_bytes(32, "little")\n'
                "            if key not in refused:",
                '            key = (u + top).to_bytes(32, "big")\n'
                "            if u > 1 and key[::-1] not in refused:",
            ),
        ),
    ),
)


def _without_fourth(rng):
    abouts = ("a first message", "another first message", "a third one")
    return [Case(([rng.randbytes(32) for _ in range(3)],), about) for about in abouts]


_PAIR = "[bytes([1]) + bytes(31), secret_of(dhs, None)]"

SECRET_OF = find(
    "secret_of",
    "(dhs: list) -> list",
    "A server gives Alice a one-time key of its choice. She computes DH4 = DH(EK_A, one-time key) "
    "without any check, and then `secret_of(dhs, DH4)`. Return a list: a one-time public key for "
    "which her secret is the same as without one, and that secret. You do not have EK_A.",
    "Alice notes that a one-time key was used, and her secret is the one of three values.",
    points=3,
    minutes=5,
    section=_EDGES,
    goal="a one-time key that changes nothing, and the secret",
    hints=(
        "What stands in the place of DH4 when there is none?",
        "The server needs a key for which DH4 is always 32 zero bytes (lesson 02).",
        "u = 1 is such a key: a byte 01, then 31 bytes 00.",
    ),
    answer=f"def find(dhs):\n    return {_PAIR}\n",
    cases=_without_fourth,
    rows=(
        (
            "an ordinary one-time key",
            "DH4 with this key is not zero.",
            "Take a public key whose result is always zero.",
            ("bytes([1]) + bytes(31)", "bytes(range(32))"),
        ),
        (
            "the secret of three values alone",
            "This is what a sound program derives without a one-time key.",
            "Call secret_of with None.",
            (
                "secret_of(dhs, None)",
                'hkdf(b"\\xff" * 32 + b"".join(dhs), salt=bytes(32), info=b"Sparrow", length=32)',
            ),
        ),
        (
            "the public key taken for DH4",
            "DH4 is the result of the computation, not the key that goes in.",
            "DH4 is zero here, as if it were absent.",
            ("secret_of(dhs, None)", "secret_of(dhs, bytes([1]) + bytes(31))"),
        ),
        (
            "33 bytes",
            "The byte 05 belongs to the encoding on the wire, not to the key.",
            "Return 32 bytes.",
            ("bytes([1]) + bytes(31)", "bytes([5, 1]) + bytes(31)"),
        ),
    ),
)

FINDS = {
    "message_nonce": MESSAGE_NONCE,
    "nonces_used": NONCES_USED,
    "open_message": OPEN_MESSAGE,
    "associated": ASSOCIATED,
    "publish": PUBLISH,
    "handshake_secret": HANDSHAKE_SECRET,
    "accepts": ACCEPTS,
    "secret_of": SECRET_OF,
}
CURES = {
    "open_message": CURE_OPEN_MESSAGE,
    "associated": CURE_ASSOCIATED,
    "publish": CURE_PUBLISH,
    "handshake_secret": CURE_HANDSHAKE_SECRET,
}
