"""Tasks of lesson 06: every byte of the first message, Bob's side, and accepting it once."""

import itertools
import random
from dataclasses import replace

from x3dhlab.grading.task import Case, Hints, Step, Task
from x3dhlab.grading.tasks import generic
from x3dhlab.grading.tasks.kdf import difference
from x3dhlab.primitives import dh, hkdf, public_key, seal
from x3dhlab.wire import InitialMessage, encode_key
from x3dhlab.x3dh import INFO, F

# wire.parse_initial

PARSE = """
from x3dhlab.errors import Malformed

def parse_initial(data):
    place = 0

    def take(length):
        nonlocal place
        if len(data) < place + length:
            raise Malformed("the bytes end inside a field")
        place += length
        return data[place - length : place]

    def expect(wanted):
        if take(len(wanted)) != wanted:
            raise Malformed("a fixed byte has another value")

    expect(b"\\x01\\x02")
    expect(b"\\x05")
    identity_key = take(32)
    expect(b"\\x05")
    ephemeral_key = take(32)
    signed_prekey_id = int.from_bytes(take(4), "big")
    flag = take(1)
    if flag not in (b"\\x00", b"\\x01"):
        raise Malformed("a flag is 0 or 1")
    one_time_prekey_id = int.from_bytes(take(4), "big") if flag == b"\\x01" else None
    expect(b"\\x00")
    payload = take(int.from_bytes(take(4), "big"))
    if place != len(data):
        raise Malformed("bytes follow the last field")
    return {
        "identity_key": identity_key,
        "ephemeral_key": ephemeral_key,
        "signed_prekey_id": signed_prekey_id,
        "one_time_prekey_id": one_time_prekey_id,
        "payload": payload,
    }
"""


def parse_cases(seed: int) -> list[Case]:
    """Good messages; cut ones; bytes too many; and each fixed byte altered."""
    rng = random.Random(f"wire.parse_initial {seed}")
    with_key, without = _initial(rng, True), _initial(rng, False)
    empty = _initial(rng, True, size=0)
    good = [
        (with_key, "a message with a one-time prekey"),
        (without, "a message without a one-time prekey"),
        (_initial(rng, False, one_time_id=0), "a message that names one-time prekey 0"),
        (empty, "a message with an empty payload"),
    ]
    bad = [
        (with_key[: rng.randint(5, 60)], "a message that ends inside a key"),
        (with_key[: rng.randint(69, 71)], "a message that ends inside a number"),
        (with_key[: -rng.randint(1, 9)], "a message that ends inside the payload"),
        (b"", "no bytes at all"),
        (with_key + rng.randbytes(rng.randint(1, 5)), "a message with bytes after it"),
        (without + b"\x00", "a message with bytes after it"),
        (b"\x02" + with_key[1:], "another version"),
        (b"\x01\x03" + without[2:], "another type"),
        (_with_byte(with_key, 2, 6), "an identity key of another kind"),
        (_with_byte(with_key, 35, 6), "an ephemeral key of another kind"),
        (_with_byte(with_key, 72, 2), "a flag that is neither 0 nor 1"),
        (_with_byte(without, 72, 2), "a flag that is neither 0 nor 1"),
        (_with_byte(with_key, 77, 2), "a flag that is neither 0 nor 1"),
        (_initial(rng, True, kem=True), "a message of PQXDH"),
    ]
    return [Case((data,), about) for data, about in [*good, *bad]]


def _initial(rng, one_time, size=None, one_time_id=None, kem=False):
    identifier = rng.randint(2**16, 2**31) if one_time else one_time_id
    message = InitialMessage(
        identity_key=public_key(rng.randbytes(32)),
        ephemeral_key=public_key(rng.randbytes(32)),
        signed_prekey_id=rng.randint(2**16, 2**31),
        one_time_prekey_id=identifier,
        kem_prekey_id=7 if kem else None,
        kem_ciphertext=rng.randbytes(40) if kem else None,
        payload=rng.randbytes(rng.randint(20, 60) if size is None else size),
    )
    return message.encode()


def _with_byte(data, place, value):
    return data[:place] + bytes([value]) + data[place + 1 :]


_END = '    if place != len(data):\n        raise Malformed("bytes follow the last field")\n'
_SHORT = (
    "        if len(data) < place + length:\n"
    '            raise Malformed("the bytes end inside a field")\n'
)
_FLAG = '    if flag not in (b"\\x00", b"\\x01"):\n        raise Malformed("a flag is 0 or 1")\n'
_SECOND_KEY = '    expect(b"\\x05")\n    ephemeral'

_PARSE_INITIAL = Task(
    id="wire.parse_initial",
    lesson="06",
    title="Read the first message, byte by byte",
    signature="parse_initial(data: bytes) -> dict",
    statement=(
        "The message is: version 01, type 02, 05 and the 32 bytes of IK_A, 05 and the 32 bytes of "
        "EK_A, the signed prekey's number (4 bytes, big-endian), a flag 00 or 01, after 01 the "
        "one-time prekey's number (4 bytes), a byte 00 (no KEM prekey), the payload's length "
        "(4 bytes) and the payload. Return a dict with identity_key, ephemeral_key, "
        "signed_prekey_id, one_time_prekey_id (None without one) and payload. Raise Malformed "
        "(from x3dhlab.errors), or a kind of it, for every other sequence of bytes."
    ),
    why="Exactly one sequence of bytes gives each message, so nobody can hide a second one.",
    points=4,
    minutes=15,
    section="Lesson 06, “Every byte”; X3DH §3.3",
    modules=("errors",),
    hints=Hints(
        "A slice that runs past the end gives fewer bytes and no error. Who would notice?",
        "Write one helper that takes the next n bytes or raises, and keeps its place.",
        "After the payload, the place must be len(data); else raise Malformed.",
    ),
    reference=PARSE,
    cases=parse_cases,
    mistakes=(
        generic.nothing_returned("parse_initial", PARSE),
        generic.hex_for_bytes("parse_initial", PARSE),
        *generic.variants(
            PARSE,
            (
                "bytes after the message accepted",
                "Bytes after the last field are ignored. One message then has many encodings.",
                "At the end, compare your place with len(data).",
                (_END, ""),
            ),
            (
                "cut messages accepted",
                "A message that ends too early is read as a whole one. Slices do not complain.",
                "Before each slice, test that enough bytes are left.",
                (_SHORT, ""),
                ("if place != len(data)", "if place < len(data)"),
            ),
            (
                "payload of the wrong length accepted",
                "The payload is taken to the end of the data, whatever its length says.",
                "Take as many bytes as the length says, and test that nothing follows.",
                (
                    'payload = take(int.from_bytes(take(4), "big"))',
                    "take(4)\n    payload = take(len(data) - place)",
                ),
            ),
            (
                "length inside the payload",
                "The four bytes of the length are still in the payload.",
                "Take the length first; the payload begins after it.",
                (
                    'payload = take(int.from_bytes(take(4), "big"))',
                    'length = take(4)\n    payload = length + take(int.from_bytes(length, "big"))',
                ),
            ),
            (
                "little-endian numbers",
                "The prekeys' numbers are read little-endian. On the wire the highest byte is "
                "first.",
                'int.from_bytes(value, "big")',
                (
                    'signed_prekey_id = int.from_bytes(take(4), "big")',
                    'signed_prekey_id = int.from_bytes(take(4), "little")',
                ),
                (
                    'one_time_prekey_id = int.from_bytes(take(4), "big")',
                    'one_time_prekey_id = int.from_bytes(take(4), "little")',
                ),
            ),
            (
                "type byte inside the keys",
                "The keys have 33 bytes: the type byte 05 is still before them.",
                "The byte 05 says the kind; the key is the 32 bytes after it.",
                ('"identity_key": identity_key', '"identity_key": b"\\x05" + identity_key'),
                ('"ephemeral_key": ephemeral_key', '"ephemeral_key": b"\\x05" + ephemeral_key'),
            ),
            (
                "identity and ephemeral key swapped",
                "The two keys stand in each other's place. IK_A comes first.",
                "Bytes 3–34 are IK_A, bytes 36–67 EK_A.",
                ('"identity_key": identity_key', '"identity_key": ephemeral_key'),
                ('"ephemeral_key": ephemeral_key', '"ephemeral_key": identity_key'),
            ),
            (
                "kind of the keys not checked",
                "The byte before a key is skipped. A key of another kind is read as X25519.",
                "Test that the byte before each key is 05.",
                ('    expect(b"\\x05")\n    identity', "    take(1)\n    identity"),
                (_SECOND_KEY, "    take(1)\n    ephemeral"),
            ),
            (
                "version not checked",
                "The version is skipped. A later format would be read as this one.",
                "Test that the first byte is 01.",
                ('    expect(b"\\x01\\x02")\n', '    take(1)\n    expect(b"\\x02")\n'),
            ),
            (
                "type not checked",
                "The type is skipped. A message of another type would be read as this one.",
                "Test that the second byte is 02.",
                ('    expect(b"\\x01\\x02")\n', '    expect(b"\\x01")\n    take(1)\n'),
            ),
            (
                "version and type not checked",
                "The first two bytes are skipped. Any other message would be read as this one.",
                "Test that they are 01 and 02.",
                ('    expect(b"\\x01\\x02")\n', "    take(2)\n"),
            ),
            (
                "every flag but 0 means yes",
                "A flag of 2 counts as 1. Two messages then mean the same.",
                "A flag is 00 or 01; refuse the others.",
                (_FLAG, ""),
                ('if flag == b"\\x01"', 'if flag != b"\\x00"'),
            ),
            (
                "every flag but 1 means no",
                "A flag of 2 counts as 0. Two messages then mean the same.",
                "A flag is 00 or 01; refuse the others.",
                (_FLAG, ""),
            ),
            (
                "flag ignored",
                "Four bytes are read for the one-time prekey although the flag says there is none.",
                "Read the number only after a flag 01.",
                ('if flag == b"\\x01" else None', "if flag else None"),
            ),
            (
                "0 for no key",
                "Without a one-time prekey the number is 0. Zero is a number like any other.",
                "Return None when the flag is 00.",
                ('if flag == b"\\x01" else None', 'if flag == b"\\x01" else 0'),
            ),
            (
                "number 0 taken for none",
                "The number 0 is returned as None, because 0 is false in Python.",
                "Only the flag says whether there is a number; 0 is a number like any other.",
                (
                    '"one_time_prekey_id": one_time_prekey_id,',
                    '"one_time_prekey_id": one_time_prekey_id or None,',
                ),
            ),
            (
                "KEM flag skipped",
                "The last flag is skipped, so a message of PQXDH is read as one of X3DH.",
                "Test that this byte is 00.",
                ('    expect(b"\\x00")\n', "    take(1)\n"),
            ),
            (
                "numbers as bytes",
                "The prekeys' numbers are bytes. They name keys, and are integers everywhere else.",
                'int.from_bytes(value, "big")',
                ('signed_prekey_id = int.from_bytes(take(4), "big")', "signed_prekey_id = take(4)"),
                (
                    'one_time_prekey_id = int.from_bytes(take(4), "big")',
                    "one_time_prekey_id = take(4)",
                ),
            ),
        ),
    ),
)

_NOBODY = "Lesson 06, “A number that nobody knows”; X3DH §3.4"

# x3dh.respond

_AGREE_PARTS = '''

def kdf(dhs):
    """KDF(DH1 ‖ DH2 ‖ DH3 [‖ DH4]): 32 bytes."""
    return hkdf(b"\\xff" * 32 + b"".join(dhs), salt=bytes(32), info=b"x3dhlab X3DH", length=32)


def associated_data(identity_a, identity_b):
    """AD = Encode(IK_A) ‖ Encode(IK_B): 66 bytes."""
    return b"\\x05" + identity_a + b"\\x05" + identity_b
'''
_GIVEN_RESPOND = (
    "\nfrom x3dhlab.errors import UnknownPreKey\nfrom x3dhlab.primitives import dh, hkdf\n"
    + _AGREE_PARTS
)

RESPOND = """
def respond(identity_private, identity_public, signed_prekeys, one_time_prekeys, message):
    signed_prekey = signed_prekeys.get(message["signed_prekey_id"])
    if signed_prekey is None:
        raise UnknownPreKey("no such signed prekey")
    identity_a, ephemeral = message["identity_key"], message["ephemeral_key"]
    dhs = [
        dh(signed_prekey, identity_a),
        dh(identity_private, ephemeral),
        dh(signed_prekey, ephemeral),
    ]
    number = message["one_time_prekey_id"]
    if number is not None:
        if number not in one_time_prekeys:
            raise UnknownPreKey("no such one-time prekey")
        dhs.append(dh(one_time_prekeys[number], ephemeral))
    return {
        "secret": kdf(dhs),
        "associated_data": associated_data(identity_a, identity_public),
    }
"""


class _Bob:
    """Bob's private keys, and what Alice computes with their public halves."""

    def __init__(self, rng):
        self.rng = rng
        self.identity, self.IK_A = rng.randbytes(32), rng.randbytes(32)
        first = rng.randint(2, 90)
        self.signed = {first: rng.randbytes(32), first + 1: rng.randbytes(32)}
        numbers = rng.sample(range(100, 900), 3)
        self.one_time = {number: rng.randbytes(32) for number in numbers}
        self.one_time[0] = rng.randbytes(32)
        self.numbers = [*numbers, 0]
        self.secrets = []

    def results(self, ephemeral, signed, one_time):
        """DH1 to DH3, and DH4 when a one-time private key is given."""
        prekey = public_key(self.signed[signed])
        dhs = [dh(self.IK_A, prekey), dh(ephemeral, public_key(self.identity))]
        dhs.append(dh(ephemeral, prekey))
        return dhs + ([dh(ephemeral, public_key(one_time))] if one_time else [])

    def message(self, ephemeral, signed, number):
        return {
            "identity_key": public_key(self.IK_A),
            "ephemeral_key": public_key(ephemeral),
            "signed_prekey_id": signed,
            "one_time_prekey_id": number,
        }


def respond_cases(seed: int) -> list[Case]:
    """Newer and older signed prekeys, with and without one-time prekey, and unknown numbers."""
    bob = _Bob(random.Random(f"x3dh.respond {seed}"))
    old, new = bob.signed
    one, two, _, zero = bob.numbers
    return [
        _respond_case(bob, new, one, "a message with a one-time prekey"),
        _respond_case(bob, new, None, "a message without a one-time prekey"),
        _respond_case(bob, old, two, "a message to the older signed prekey"),
        _respond_case(bob, new, zero, "a message that names one-time prekey 0"),
        _respond_case(bob, new, 4321, "a message that names an unknown one-time prekey"),
        _respond_case(bob, 999, None, "a message that names an unknown signed prekey"),
    ]


def _respond_case(bob, signed, number, about):
    ephemeral = bob.rng.randbytes(32)
    arguments = (
        bob.identity,
        public_key(bob.identity),
        dict(bob.signed),
        dict(bob.one_time),
        bob.message(ephemeral, signed, number),
    )
    dhs = bob.results(ephemeral, signed, bob.one_time.get(number)) if signed in bob.signed else []
    labels = {f"DH{place}": value for place, value in enumerate(dhs, 1)}
    return Case(arguments, about, labels)


def explain_respond(case: Case, got) -> str:
    """Find the KDF input that gives the learner's secret, and say how it differs."""
    secret = got.get("secret") if type(got) is dict else None
    known = {"F": F, **case.labels, "32 zero bytes": bytes(32)}
    wanted = ["F", *case.labels]
    for length in range(1, len(wanted) + 2):
        for names in itertools.product(list(known)[1:], repeat=min(length, 4)):
            body = F + b"".join(known[name] for name in names)
            if type(secret) is bytes and _derived(body) == secret:
                return difference(["F", *names], wanted)
    return ""


def _derived(key_material):
    return hkdf(key_material, salt=bytes(32), info=INFO, length=32)


_UNKNOWN = '            raise UnknownPreKey("no such one-time prekey")\n'

_UNKNOWN_NUMBERS = generic.variants(
    RESPOND,
    (
        "unknown key taken for none",
        "An unknown one-time prekey counts as none. DH4 is dropped without a word, and the "
        "secret is weaker or wrong.",
        "None means no key. A number that is not in the dict is an UnknownPreKey.",
        (
            "        if number not in one_time_prekeys:\n" + _UNKNOWN,
            "",
        ),
        ("if number is not None:", "if number in one_time_prekeys:"),
    ),
    (
        "zeros for an unknown key",
        "An unknown one-time prekey gives a DH4 of zeros. The answer must be a refusal.",
        "Raise UnknownPreKey when the number is not in the dict.",
        (
            _UNKNOWN,
            "            return respond(identity_private, identity_public, "
            "signed_prekeys, one_time_prekeys, {**message, 'one_time_prekey_id': None}) | "
            "{'secret': kdf([*dhs, bytes(32)])}\n",
        ),
    ),
)

_RESPOND = Task(
    id="x3dh.respond",
    lesson="06",
    title="Bob's side of the handshake",
    signature=(
        "respond(identity_private: bytes, identity_public: bytes, signed_prekeys: dict, "
        "one_time_prekeys: dict, message: dict) -> dict"
    ),
    statement=(
        "`signed_prekeys` and `one_time_prekeys` go from number to private key. The message has "
        "identity_key, ephemeral_key, signed_prekey_id and one_time_prekey_id (None without one). "
        "Return a dict with `secret` and `associated_data`. Raise UnknownPreKey when a number is "
        "not in its dict. Delete nothing here. kdf(dhs) and associated_data(a, b) are given."
    ),
    why="Bob takes exactly the keys that are named, and refuses when one of them is not there.",
    points=4,
    minutes=12,
    section="Lesson 06, “Bob's side”; X3DH §3.4",
    modules=("primitives", "errors"),
    hints=Hints(
        "Which private key does each number name? And what if the dict does not have it?",
        "None means: no one-time prekey. A number that is not there means: refuse.",
        "dh(signed_prekey, identity_key) is DH1. Test `number is not None`; 0 is a number too.",
    ),
    given=_GIVEN_RESPOND,
    reference=RESPOND,
    cases=respond_cases,
    explain=explain_respond,
    mistakes=(
        generic.nothing_returned("respond", RESPOND),
        generic.hex_for_bytes("respond", RESPOND),
        generic.changed_argument(
            "respond", RESPOND, "arguments[3].pop(arguments[4]['one_time_prekey_id'], None)"
        ),
        *(replace(mistake, section=_NOBODY) for mistake in _UNKNOWN_NUMBERS),
        *generic.variants(
            RESPOND,
            (
                "number 0 taken for none",
                "The number 0 counts as no key, because 0 is false in Python.",
                "Test `number is not None`.",
                ("if number is not None:", "if number:"),
            ),
            (
                "DH4 as zeros",
                "Zeros stand in for the missing DH4. Alice leaves the value out.",
                "Without a one-time prekey there are three values.",
                ('"secret": kdf(dhs)', '"secret": kdf([*dhs, bytes(32)][:4])'),
            ),
            (
                "DH4 never computed",
                "The one-time prekey is never used, so the secret differs from Alice's.",
                "Append dh(one_time_prekey, ephemeral_key) when a number is named.",
                ("        dhs.append(dh(one_time_prekeys[number], ephemeral))\n", ""),
            ),
            (
                "the newest signed prekey",
                "The newest signed prekey is used, whatever the message names. Late messages used "
                "an older one.",
                'Take signed_prekeys[message["signed_prekey_id"]].',
                (
                    "    identity_a, ephemeral = message",
                    "    signed_prekey = signed_prekeys[max(signed_prekeys)]\n"
                    "    identity_a, ephemeral = message",
                ),
            ),
            (
                "any signed prekey for an unknown one",
                "An unknown signed prekey is replaced by another. The secret cannot be Alice's.",
                "Raise UnknownPreKey when the number is not in the dict.",
                (
                    '        raise UnknownPreKey("no such signed prekey")\n',
                    "        signed_prekey = signed_prekeys[max(signed_prekeys)]\n",
                ),
            ),
            (
                "any one-time prekey",
                "The first one-time prekey is used, not the one that the message names.",
                "Take one_time_prekeys[number].",
                ("dh(one_time_prekeys[number]", "dh(next(iter(one_time_prekeys.values()))"),
            ),
            (
                "DH1 and DH2 swapped",
                "Alice's formulas were copied: DH1 and DH2 are swapped.",
                "DH1 = dh(signed_prekey, IK_A), DH2 = dh(identity, EK_A).",
                ("        dh(signed_prekey, identity_a),\n", ""),
                (
                    "        dh(identity_private, ephemeral),\n",
                    "        dh(identity_private, ephemeral),\n"
                    "        dh(signed_prekey, identity_a),\n",
                ),
            ),
            (
                "EK where IK belongs",
                "DH1 uses Alice's ephemeral key. Anybody can then be Alice.",
                "DH1 joins SPK_B and IK_A.",
                ("dh(signed_prekey, identity_a)", "dh(signed_prekey, ephemeral)"),
            ),
            (
                "IK where EK belongs",
                "DH2 uses Alice's identity key. It is equal in every session.",
                "DH2 joins IK_B and EK_A.",
                ("dh(identity_private, ephemeral)", "dh(identity_private, identity_a)"),
            ),
            (
                "associated data in the wrong order",
                "Bob's key comes first in the associated data. Alice began, so hers does.",
                "associated_data(IK_A, IK_B), on both sides.",
                (
                    "associated_data(identity_a, identity_public)",
                    "associated_data(identity_public, identity_a)",
                ),
            ),
            (
                "private key in the associated data",
                "Bob's private key is in the associated data. Only public keys belong in it.",
                "Give it identity_public.",
                ("(identity_a, identity_public),", "(identity_a, identity_private),"),
            ),
            (
                "no key derivation",
                "The secret is the joined results. They are not uniform bytes.",
                "Put the list through `kdf`.",
                ("kdf(dhs)", 'b"".join(dhs)'),
            ),
        ),
    ),
)

# inbox.accept_once

_GIVEN_ACCEPT = (
    "\nfrom x3dhlab.errors import DecryptionFailed, Replayed, UnknownPreKey\n"
    "from x3dhlab.primitives import dh, hkdf, hmac_sha256, open_sealed\n"
    + _AGREE_PARTS
    + '''

def agree(keys, one_time_private, message):
    """Bob's side of X3DH: (SK, AD). Without DH4 when one_time_private is None."""
    identity_a, ephemeral = message["identity_key"], message["ephemeral_key"]
    dhs = [
        dh(keys["signed_prekey_private"], identity_a),
        dh(keys["identity_private"], ephemeral),
        dh(keys["signed_prekey_private"], ephemeral),
    ]
    if one_time_private is not None:
        dhs.append(dh(one_time_private, ephemeral))
    return kdf(dhs), associated_data(identity_a, keys["identity_public"])
'''
)

ACCEPT = """
def accept_once(inbox, keys, message):
    number, one_time = message["one_time_prekey_id"], inbox["one_time_prekeys"]
    if number is not None and number not in one_time:
        raise UnknownPreKey("no such one-time prekey")
    secret, data = agree(keys, one_time.get(number), message)
    mark = hmac_sha256(secret, b"seen")
    if mark in inbox["seen"]:
        raise Replayed("this handshake was accepted before")
    plaintext = open_sealed(secret, message["ciphertext"], data)
    left = {name: key for name, key in one_time.items() if name != number}
    return [{"one_time_prekeys": left, "seen": [*inbox["seen"], mark]}, plaintext]
"""
_KEPT = '{"one_time_prekeys": left, "seen": [*inbox["seen"], mark]}'
_MARK = 'hmac_sha256(secret, b"seen")'
_SEEN = (
    '    if mark in inbox["seen"]:\n        raise Replayed("this handshake was accepted before")\n'
)
_OPEN = '    plaintext = open_sealed(secret, message["ciphertext"], data)\n'
_LEFT = "    left = {name: key for name, key in one_time.items() if name != number}\n"
_CHECK_NUMBER = (
    "    if number is not None and number not in one_time:\n"
    '        raise UnknownPreKey("no such one-time prekey")\n'
)


def accept_cases(seed: int) -> list[Case]:
    """All sequences of one and two deliveries, some of three, some of key 0, the shortest first.

    A re-encoded message comes after its original only: refusing it at once is as good.
    """
    rng = random.Random(f"inbox.accept_once {seed}")
    bob = _Bob(rng)
    events = _events(bob)
    held = [*bob.numbers[:2], 0]
    inbox = {"one_time_prekeys": {n: bob.one_time[n] for n in held}, "seen": []}
    keys = {
        "identity_private": bob.identity,
        "identity_public": public_key(bob.identity),
        "signed_prekey_private": bob.signed[max(bob.signed)],
    }
    rows = [*_sequences([name for name in events if name not in "ZY"]), ["Z"], ["Z", "Y"]]
    rows += [["N", "M", "N"], ["N", "M", "R"], ["F", "F", "G"]]
    rows = [row for row in rows if "R" not in row or "N" in row[: row.index("R")]]
    cases = [_delivery_case(inbox, keys, events, row) for row in rows]
    saved = [_delivery_case(inbox, keys, events, [name, name], again=True) for name in "GN"]
    found = sorted([*cases, *saved], key=lambda case: len(case.steps))
    return [replace(case, forbidden={"SK": tuple(bob.secrets)}) for case in found]


def _sequences(names):
    yield from ([name] for name in names)
    for first, second in itertools.product(names, repeat=2):
        yield [first, second]


def _delivery_case(inbox, keys, events, names, again=False):
    steps = [Step(about, (keys, message)) for about, message in map(events.get, names)]
    count = {1: "one delivery", 2: "two deliveries"}.get(len(names), "three deliveries")
    if again:
        about = f"{steps[1].about}, delivered again because the inbox was not saved"
        steps[1] = Step(about, steps[1].arguments, again=True)
        count = "a delivery that is not saved"
    return Case((inbox,), count, {}, tuple(steps))


def _events(bob):
    """What may arrive: one letter → (what it is, the message)."""
    one, two, gone, zero = bob.numbers
    fresh = [bob.rng.randbytes(32) for _ in range(8)]
    first = _sealed(bob, fresh[0], one, b"Hi Bob, 1")
    plain = _sealed(bob, fresh[1], None, b"Hi Bob, 2")
    forged = bytes(80)
    again = {**plain, "ephemeral_key": _with_top_bit(plain["ephemeral_key"])}
    return {
        "G": (f"a message with one-time prekey {one}", first),
        "N": ("a message without one-time prekey", plain),
        "F": (f"a forgery that names one-time prekey {one}", {**first, "ciphertext": forged}),
        "D": ("a forgery with the keys of the other message", {**plain, "ciphertext": forged}),
        "X": (
            f"a message that names the unknown one-time prekey {gone}, made without it",
            _sealed(bob, fresh[2], None, b"Hi Bob, 3") | {"one_time_prekey_id": gone},
        ),
        "M": (
            "a second message of the same sender without one-time prekey",
            _sealed(bob, fresh[3], None, b"Hi Bob, 4"),
        ),
        "K": (
            f"a second message with one-time prekey {one}",
            _sealed(bob, fresh[4], one, b"Hi Bob, 5"),
        ),
        "H": (
            f"a message with one-time prekey {two}",
            _sealed(bob, fresh[5], two, b"Hi Bob, 6"),
        ),
        "Z": ("a message with one-time prekey 0", _sealed(bob, fresh[6], zero, b"Hi Bob, 7")),
        "Y": (
            "a second message with one-time prekey 0",
            _sealed(bob, fresh[7], zero, b"Hi Bob, 8"),
        ),
        "R": ("the same message with bit 255 of EK_A set", again),
    }


def _sealed(bob, ephemeral, number, text):
    signed = max(bob.signed)
    secret = _derived(F + b"".join(bob.results(ephemeral, signed, bob.one_time.get(number))))
    bob.secrets.append(secret)
    data = encode_key(public_key(bob.IK_A)) + encode_key(public_key(bob.identity))
    message = bob.message(ephemeral, signed, number) | {"ciphertext": seal(secret, text, data)}
    del message["signed_prekey_id"]
    return message


def _with_top_bit(public):
    return public[:31] + bytes([public[31] | 128])


_AGAIN = "Lesson 06, “The same bytes twice”; X3DH §4.2"
_RESPELT = "Lesson 06, “Other bytes, same key”; X3DH §4.2"


_REPLAYS = generic.variants(
    ACCEPT,
    (
        "no record of what was accepted",
        "A message without a one-time prekey is accepted twice. Its sender wrote it once.",
        "Remember what was accepted, and raise Replayed the second time.",
        (_SEEN, ""),
    ),
    (
        "only the last message remembered",
        "Only the newest message is remembered. After another one, the old one passes again.",
        'Add to the record: [*inbox["seen"], mark].',
        ('[*inbox["seen"], mark]', "[mark]"),
    ),
    (
        "one message for each sender",
        "The record holds the sender's identity. A second conversation is refused.",
        "Remember the handshake, not the person.",
        (_MARK, 'message["identity_key"]'),
    ),
    (
        "recorded before it opened",
        "A forgery enters the record before it is opened. The genuine message is then refused.",
        "Open first; remember only what opened.",
        (_SEEN, _SEEN + '    inbox["seen"].append(mark)\n'),
        ('[*inbox["seen"], mark]', 'list(inbox["seen"])'),
    ),
)

_RECORDS = generic.variants(
    ACCEPT,
    (
        "record on the raw bytes of EK",
        "The record holds the bytes of EK_A. With bit 255 set, the same key has other bytes.",
        "Remember something that both spellings share, such as HMAC(SK, …).",
        (_MARK, 'message["ephemeral_key"]'),
    ),
    (
        "the secret as the record",
        "The record holds SK itself. A thief of the inbox can then read the message that Bob "
        "deleted.",
        'Keep a value that does not lead back to SK: hmac_sha256(SK, b"seen").',
        (_MARK, "secret"),
    ),
)

_UNKNOWN_TO_NONE = generic.variants(
    ACCEPT,
    (
        "unknown key taken for none",
        "A message that names an unknown key is opened without DH4. Its sender chose how "
        "weak the secret is.",
        "Raise UnknownPreKey when the number is not in the dict.",
        (_CHECK_NUMBER, ""),
    ),
)

_ACCEPT_ONCE = Task(
    id="inbox.accept_once",
    lesson="06",
    title="Accept the first message once",
    signature="accept_once(inbox: dict, keys: dict, message: dict) -> list",
    statement=(
        "The inbox begins with `one_time_prekeys` (number → private key) and `seen`, an empty list "
        "for your own record; put into it what you like. `keys` has identity_private, "
        "identity_public and signed_prekey_private. The message has identity_key, ephemeral_key, "
        "one_time_prekey_id (a number, or None when no one-time prekey was used) and ciphertext. "
        "Return a list: the inbox to keep, which the next call gets, and the plaintext. Refuse "
        "with any error of x3dhlab.errors: a number that is not there, a message "
        "that does not open, and a handshake that was accepted before. The same EK_A can be "
        "written in two ways, because X25519 ignores its highest bit: both are the same "
        "handshake. The inbox to keep must not hold SK itself: whoever copies it could read the "
        "message. After a good message its one-time key is gone. After a refusal, or when "
        "saving fails, the inbox is as before: do not change the argument, or what is in it. "
        "agree(keys, one_time_private, message) → (SK, AD), "
        "open_sealed(key, ciphertext, associated_data) → plaintext and hmac_sha256(key, data) "
        "are given; open_sealed raises DecryptionFailed by itself."
    ),
    why="Decrypt, then burn and record together: a forgery costs nothing, a replay gains nothing.",
    points=5,
    minutes=15,
    section="Lesson 06, “Decrypt, then burn”; X3DH §3.4",
    modules=("primitives", "errors"),
    hints=Hints(
        "Play it: a forgery that names key 7 arrives before the genuine message. What is left?",
        "Look up, agree, test the record, open. Only then make the new inbox, all in one step.",
        'Use hmac_sha256(SK, b"seen") as the mark: equal for every spelling of EK_A.',
    ),
    given=_GIVEN_ACCEPT,
    reference=ACCEPT,
    cases=accept_cases,
    mistakes=(
        generic.nothing_returned("accept_once", ACCEPT),
        generic.hex_for_bytes("accept_once", ACCEPT),
        *(replace(mistake, section=_AGAIN) for mistake in _REPLAYS),
        *(replace(mistake, section=_RESPELT) for mistake in _RECORDS),
        *(replace(mistake, section=_NOBODY) for mistake in _UNKNOWN_TO_NONE),
        *generic.variants(
            ACCEPT,
            (
                "burns first",
                "The one-time key is deleted before the message opened. A forgery deletes it too.",
                "Open first; leave the key out of the new inbox only after that.",
                (
                    "agree(keys, one_time.get(number), message)",
                    "agree(keys, one_time.pop(number, None), message)",
                ),
            ),
            (
                "an argument changed in place",
                "The inbox that was given is changed. If saving fails, the message is lost.",
                "Make a new dict and a new list for the inbox to keep.",
                (_LEFT, '    one_time.pop(number, None)\n    inbox["seen"].append(mark)\n'),
                ('{"one_time_prekeys": left, "seen": [*inbox["seen"], mark]}', "inbox"),
            ),
            (
                "number 0 taken for none",
                "The number 0 counts as no key, because 0 is false in Python.",
                "Test `number is not None`.",
                ("one_time.get(number), message", "one_time.get(number or None), message"),
            ),
            (
                "key 0 kept",
                "One-time key 0 stays after its use, because 0 is false in Python.",
                "Test `number is not None` before you leave the key out.",
                ("if name != number}", "if not number or name != number}"),
            ),
            (
                "one-time key kept",
                "The one-time key stays after its use. A second message can name it, and a thief "
                "finds it.",
                "Leave the key out of the new inbox.",
                (_LEFT, "    left = one_time\n"),
            ),
            (
                "every one-time key burned",
                "All one-time keys are gone after one message. The next sender is refused.",
                "Delete only the key that the message names.",
                (_LEFT, "    left = {}\n"),
            ),
            (
                "None instead of a refusal",
                "A message that does not open gives None. A refusal must be an error.",
                "Let DecryptionFailed pass to the caller.",
                (
                    _OPEN,
                    "    try:\n    " + _OPEN + "    except DecryptionFailed:\n"
                    "        return [inbox, None]\n",
                ),
            ),
            (
                "the secret returned",
                "The result is SK. The caller asked for the plaintext.",
                "Return what open_sealed gives.",
                ("mark]}, plaintext]", "mark]}, secret]"),
            ),
            (
                "plaintext before the inbox",
                "The two values are in the wrong order: the plaintext stands where the inbox "
                "belongs.",
                "Return the inbox to keep first, then the plaintext.",
                (
                    f"return [{_KEPT}, plaintext]",
                    f"return [plaintext, {_KEPT}]",
                ),
            ),
        ),
    ),
)

TASKS = (_PARSE_INITIAL, _RESPOND, _ACCEPT_ONCE)
