"""Tasks of lesson 02: encoding a key, checking a signature, refusing a useless result."""

import random

from x3dhlab.grading.task import Case, Hints, Mistake, Task
from x3dhlab.grading.tasks import generic
from x3dhlab.primitives import public_key, sign
from x3dhlab.wire import encode_key

ZEROS = bytes(32)
_P = 2**255 - 19

# keys.encode

ENCODE = """
from x3dhlab.errors import WrongLength

def encode(public):
    if len(public) != 32:
        raise WrongLength("a public key has 32 bytes")
    return b"\\x05" + public
"""


def encode_cases(seed: int) -> list[Case]:
    """Random keys, a small one, and values of other lengths."""
    rng = random.Random(f"keys.encode {seed}")
    cases = [Case((public_key(rng.randbytes(32)),), "a random key") for _ in range(3)]
    cases += [Case((b"\x05" + rng.randbytes(31),), "a key that begins with 05")]
    wrong = [(33, b"\x05" + rng.randbytes(32)), (31, rng.randbytes(31)), (0, b"")]
    return cases + [Case((value,), f"a value of {size} bytes") for size, value in wrong]


_ENCODE = Task(
    id="keys.encode",
    lesson="02",
    title="Encode a public key",
    signature="encode(public: bytes) -> bytes",
    statement=(
        "Return Encode(PK): the byte 05, then the 32 bytes of the key, 33 bytes in all. Raise "
        "WrongLength (from x3dhlab.errors) when the key does not have 32 bytes."
    ),
    why="One byte says which kind of key follows, so that no other value can pass for it.",
    points=1,
    minutes=3,
    section="Lesson 02, “Encode(PK)”; X3DH §2.1",
    modules=("errors",),
    hints=Hints(
        "How long is the result, and what is the first byte for?",
        "The type byte stands before the key. A key of another length must not be encoded.",
        'b"\\x05" is one byte; "05" and 5 are not. Put it before `public`.',
    ),
    reference=ENCODE,
    cases=encode_cases,
    mistakes=(
        generic.nothing_returned("encode", ENCODE),
        generic.hex_for_bytes("encode", ENCODE),
        *generic.variants(
            ENCODE,
            (
                "no type byte",
                "The key is returned without its type byte: 32 bytes, not 33.",
                'Put b"\\x05" before the key.',
                ('b"\\x05" + public', "public"),
            ),
            (
                "type byte at the end",
                "The type byte stands after the key. A reader must know the kind first.",
                'Put b"\\x05" before the key.',
                ('b"\\x05" + public', 'public + b"\\x05"'),
            ),
            (
                "the digits 0 and 5",
                "The type is two characters, 0 and 5: the bytes 30 and 35. The byte is 05.",
                'Write b"\\x05", with a backslash and an x.',
                ('b"\\x05" + public', 'b"05" + public'),
            ),
            (
                "the digit 5",
                "The type is the character 5, which is the byte 35. The byte is 05.",
                'Write b"\\x05", with a backslash and an x.',
                ('b"\\x05" + public', 'b"5" + public'),
            ),
            (
                "five bytes of zero",
                "bytes(5) is five zero bytes. It is not the byte with the value 5.",
                'Write b"\\x05", or bytes([5]).',
                ('b"\\x05" + public', "bytes(5) + public"),
            ),
            (
                "length for type",
                "The first byte is 20, the length of the key. It must say the kind of key.",
                'The type byte of an X25519 key is b"\\x05".',
                ('b"\\x05" + public', 'b"\\x20" + public'),
            ),
            (
                "bytes in reverse",
                "The bytes of the key are reversed. Its 32 bytes are taken as they are.",
                "An X25519 key is a byte string; do not turn it round.",
                ('b"\\x05" + public', 'b"\\x05" + public[::-1]'),
            ),
            (
                "length not checked",
                "A value of another length was encoded. A signature over it would mean nothing.",
                "Raise WrongLength unless len(public) is 32.",
                ("len(public) != 32", "False"),
            ),
            (
                "only too long is refused",
                "Short values pass. 31 bytes are no key, and neither is nothing.",
                "Raise WrongLength unless len(public) is exactly 32.",
                ("len(public) != 32", "len(public) > 32"),
            ),
            (
                "only too short is refused",
                "Long values pass. 33 bytes are a key that is encoded already.",
                "Raise WrongLength unless len(public) is exactly 32.",
                ("len(public) != 32", "len(public) < 32"),
            ),
            (
                "an encoded key passed on",
                "A value of 33 bytes is taken for an encoded key and returned as it is.",
                "Refuse it: whoever calls must know which of the two it holds.",
                (
                    "    if len(public) != 32:",
                    "    if len(public) == 33:\n        return public\n    if len(public) != 32:",
                ),
            ),
        ),
    ),
)

# keys.check_signed_prekey

_GIVEN = '''
from x3dhlab.errors import BadSignature
from x3dhlab.primitives import verify


def encode_key(public):
    """Encode(PK): the byte 05, then the 32 bytes of the key."""
    return b"\\x05" + public
'''

CHECK = """
def check_signed_prekey(identity_key, signed_prekey, signature):
    verify(identity_key, encode_key(signed_prekey), signature)
    return signed_prekey
"""


def check_cases(seed: int) -> list[Case]:
    """Good signatures, and five kinds of bad ones."""
    rng = random.Random(f"keys.check_signed_prekey {seed}")
    good = [_signed(rng, "a good signature") for _ in range(3)]
    return [
        *good,
        _signed(rng, "a damaged signature", flip=rng.randrange(240)),
        _signed(rng, "another signed prekey", other=True),
        _signed(rng, "a signature by somebody else", signer="other"),
        _signed(rng, "a signature by the prekey itself", signer="prekey"),
        _signed(rng, "a signature over the raw 32 bytes", message=lambda prekey, _: prekey),
        _signed(rng, "a signature over the identity key", message=lambda _, key: encode_key(key)),
    ]


def _signed(rng, about, *, flip=None, other=False, signer="identity", message=None):
    private = {name: rng.randbytes(32) for name in ("identity", "prekey", "other")}
    public = {name: public_key(value) for name, value in private.items()}
    nonce, prekey = rng.randbytes(64), public["prekey"]
    text = message(prekey, public["identity"]) if message else encode_key(prekey)
    signature = sign(private[signer], text, nonce=nonce)
    if flip is not None:
        signature = (int.from_bytes(signature, "little") ^ 1 << flip).to_bytes(64, "little")
    shown = public["other"] if other else prekey
    labels = {"the identity key": public["identity"], "the signed prekey": shown}
    return Case((public["identity"], shown, signature), about, labels)


_CHECK_SIGNED_PREKEY = Task(
    id="keys.check_signed_prekey",
    lesson="02",
    title="Check a signed prekey",
    signature=(
        "check_signed_prekey(identity_key: bytes, signed_prekey: bytes, signature: bytes) -> bytes"
    ),
    statement=(
        "Return the signed prekey when the signature by the identity key over "
        "Encode(signed prekey) is good; else let BadSignature pass. "
        "verify(public, message, signature) and encode_key(public) are given."
    ),
    why="The key comes back only when the identity key has vouched for exactly these 33 bytes.",
    points=2,
    minutes=5,
    section="Lesson 02, “What the signature covers”; X3DH §3.3",
    modules=("primitives", "errors"),
    hints=Hints(
        "Three values go into `verify`. Which key made the signature, and over which bytes?",
        "IK signs Encode(SPK), 33 bytes. `verify` returns nothing, and raises when it is bad.",
        "verify(identity_key, encode_key(signed_prekey), signature) is the first line.",
    ),
    given=_GIVEN,
    reference=CHECK,
    cases=check_cases,
    mistakes=(
        generic.nothing_returned("check_signed_prekey", CHECK),
        generic.hex_for_bytes("check_signed_prekey", CHECK),
        *generic.variants(
            CHECK,
            (
                "no signature check",
                "Nothing is checked, or the refusal is caught and forgotten. A server can put in "
                "its own prekey.",
                "Call `verify` and let its error pass to the caller.",
                ("    verify(identity_key, encode_key(signed_prekey), signature)\n", ""),
            ),
            (
                "signature over the raw key",
                "The signature covers 33 bytes, Encode(SPK). You checked it over the raw 32 bytes.",
                "Give `verify` the encoded key: encode_key(signed_prekey).",
                ("encode_key(signed_prekey)", "signed_prekey"),
            ),
            (
                "both forms accepted",
                "Both forms are tried, raw and encoded. This cures a symptom: now two messages "
                "pass for one.",
                "Keep to one encoding, and repair the side that signs other bytes.",
                (
                    "    verify(identity_key, encode_key(signed_prekey), signature)\n",
                    "    try:\n        verify(identity_key, encode_key(signed_prekey), signature)\n"
                    "    except BadSignature:\n"
                    "        verify(identity_key, signed_prekey, signature)\n",
                ),
            ),
            (
                "prekey vouches for itself",
                "The signature is checked with the signed prekey. Anybody can sign a key with "
                "itself.",
                "The key for `verify` is the identity key.",
                ("verify(identity_key,", "verify(signed_prekey,"),
            ),
            (
                "the identity key as the message",
                "The signature is checked over the identity key. It says nothing about the prekey.",
                "The message is encode_key(signed_prekey).",
                ("encode_key(signed_prekey)", "encode_key(identity_key)"),
            ),
            (
                "None instead of a refusal",
                "A bad signature gives None. A caller that does not look goes on without a key.",
                "Let BadSignature pass to the caller.",
                (
                    "    verify(identity_key, encode_key(signed_prekey), signature)\n",
                    "    try:\n        verify(identity_key, encode_key(signed_prekey), signature)\n"
                    "    except BadSignature:\n        return None\n",
                ),
            ),
            (
                "True for a key",
                "The verdict came back instead of the key. A verdict can be left unread.",
                "Return signed_prekey, so that nobody gets the key without the check.",
                ("return signed_prekey", "return True"),
            ),
            (
                "the encoded key returned",
                "The result is the encoded key, 33 bytes. Diffie-Hellman needs the 32 bytes.",
                "Return signed_prekey as it came.",
                ("return signed_prekey", "return encode_key(signed_prekey)"),
            ),
            (
                "identity key returned",
                "The result is the identity key. The caller asked for the signed prekey.",
                "Return signed_prekey.",
                ("return signed_prekey", "return identity_key"),
            ),
        ),
        Mistake(
            "verdict read as a boolean",
            generic.replaced(
                CHECK,
                (
                    "    verify(identity_key, encode_key(signed_prekey), signature)\n",
                    "    if not verify(identity_key, encode_key(signed_prekey), signature):\n"
                    "        raise BadSignature('bad')\n",
                ),
            ),
            "`verify` returns None when the signature is good, so `if not verify(…)` always fires.",
            "Just call `verify`; it raises BadSignature by itself.",
            tell=generic.VERDICT_USED,
        ),
        generic.verdict_as_truth(
            generic.replaced(
                CHECK,
                ("    verify(", "    if verify("),
                ("signature)\n", "signature):\n    "),
            )
        ),
    ),
)

# keys.is_contributory

CONTRIBUTORY = """
from x3dhlab.errors import LowOrderKey
from x3dhlab.primitives import dh

def is_contributory(private, public):
    try:
        dh(private, public)
    except LowOrderKey:
        return False
    return True
"""

_ORDER_EIGHT = (
    "e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800",
    "5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157",
)
LOW_ORDER = [n.to_bytes(32, "little") for n in (0, 1, _P - 1, _P, _P + 1)]
LOW_ORDER += [bytes.fromhex(text) for text in _ORDER_EIGHT]


def _with_top_bit(public):
    return public[:31] + bytes([public[31] | 128])


def contributory_cases(seed: int) -> list[Case]:
    """Good keys in both spellings, every key of low order, and a value that is no key."""
    rng = random.Random(f"keys.is_contributory {seed}")
    good = [public_key(rng.randbytes(32)) for _ in range(4)]
    cases = [(key, "a good key") for key in good[:2]]
    cases += [(_with_top_bit(key), "a good key with bit 255 set") for key in good[2:]]
    cases += [(key, "a key of low order") for key in LOW_ORDER]
    cases += [(_with_top_bit(key), "a key of low order with bit 255 set") for key in LOW_ORDER]
    cases += [(rng.randbytes(31), "a value of 31 bytes")]
    return [Case((rng.randbytes(32), public), about) for public, about in cases]


def _contributory_mistake(name, body, misconception, cure):
    source = CONTRIBUTORY.split("def ")[0] + "def is_contributory(private, public):\n"
    return Mistake(name, source + body, misconception, cure)


_LENGTH = "    if len(public) != 32:\n        dh(private, public)\n"
_LIST = "[bytes.fromhex(x) for x in " + repr([key.hex() for key in LOW_ORDER]) + "]"

_IS_CONTRIBUTORY = Task(
    id="keys.is_contributory",
    lesson="02",
    title="Did the other key contribute?",
    signature="is_contributory(private: bytes, public: bytes) -> bool",
    statement=(
        "Return False when the Diffie-Hellman result of the two keys would be all zero, whatever "
        "the private key; else True. `dh` of x3dhlab.primitives raises LowOrderKey in this case. "
        "Its other errors, such as WrongLength, must pass to the caller."
    ),
    why="Many byte strings name the few points of low order; only the result tells them all.",
    points=2,
    minutes=6,
    section="Lesson 02, “Keys of low order”; RFC 7748 §6.1",
    modules=("primitives", "errors"),
    hints=Hints(
        "Is it enough to look at the key? How many byte strings give a zero result?",
        "Look at the output of `dh`, not at its input, and catch one kind of error only.",
        "try: dh(private, public), except LowOrderKey: return False. After it, return True.",
    ),
    reference=CONTRIBUTORY,
    cases=contributory_cases,
    mistakes=(
        generic.nothing_returned("is_contributory", CONTRIBUTORY),
        _contributory_mistake(
            "the key compared with zeros",
            _LENGTH + "    return public != bytes(32)\n",
            "The key itself is compared with zeros. Other keys give a zero result too.",
            "Look at the output of `dh`; LowOrderKey says that it would be zero.",
        ),
        _contributory_mistake(
            "two keys in a list",
            _LENGTH + '    return public not in (bytes(32), b"\\x01" + bytes(31))\n',
            "Only the keys 0 and 1 are refused. There are more, and more ways to write them.",
            "Do not list keys; look at the output of `dh`.",
        ),
        _contributory_mistake(
            "seven keys in a list",
            f"{_LENGTH}    return public not in {_LIST}\n",
            "The list holds each value once. With bit 255 set the same points pass.",
            "Do not list keys; look at the output of `dh`.",
        ),
        _contributory_mistake(
            "bit 255 refused",
            "    try:\n        dh(private, public)\n    except LowOrderKey:\n        return False\n"
            "    return public[31] < 128\n",
            "A key with bit 255 set is refused. X25519 ignores this bit, so the result is good.",
            "Whether a key has another spelling is another question; look at the output only.",
        ),
        _contributory_mistake(
            "refusal passed on",
            "    dh(private, public)\n    return True\n",
            "The error of `dh` ends the call. The task asks for a verdict, True or False.",
            "Catch LowOrderKey, and return False there.",
        ),
        _contributory_mistake(
            "every error swallowed",
            "    try:\n        dh(private, public)\n    except Exception:\n        return False\n"
            "    return True\n",
            "Every error counts as a low-order key. A value of 31 bytes is the caller's mistake.",
            "Catch LowOrderKey only; let the others pass.",
        ),
        _contributory_mistake(
            "verdict reversed",
            "    try:\n        dh(private, public)\n    except LowOrderKey:\n        return True\n"
            "    return False\n",
            "The verdict is reversed: True means that the key contributes.",
            "Return False in the `except` branch, True after it.",
        ),
        _contributory_mistake(
            "the secret returned",
            "    try:\n        return dh(private, public)\n"
            "    except LowOrderKey:\n        return False\n",
            "The shared secret itself came back. A question must not hand out the secret.",
            "Return True.",
        ),
        _contributory_mistake(
            "None for False",
            "    try:\n        dh(private, public)\n        return True\n"
            "    except LowOrderKey:\n        pass\n",
            "A key of low order gives None. The task asks for a boolean.",
            "Return False in the `except` branch.",
        ),
        _contributory_mistake(
            "length checked instead",
            "    return len(public) == 32\n",
            "Only the length is looked at. A key of low order has 32 bytes too.",
            "Call `dh`, and catch LowOrderKey.",
        ),
    ),
)

TASKS = (_ENCODE, _CHECK_SIGNED_PREKEY, _IS_CONTRIBUTORY)
