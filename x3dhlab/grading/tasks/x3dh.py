"""Tasks of lesson 04: the four Diffie-Hellman results, and the handshake that Alice starts."""

import hmac
import itertools
import random

from x3dhlab.grading.task import Case, Hints, Mistake, Task
from x3dhlab.grading.tasks import generic
from x3dhlab.primitives import KEY_LENGTH, dh, public_key, sign
from x3dhlab.wire import encode_key
from x3dhlab.x3dh import INFO, F

ZEROS = bytes(32)
ZERO = "a bundle with one-time prekey 0"


# The inputs


class _Cast:
    """Private and public keys of a handshake, from a random source."""

    def __init__(self, rng):
        for name in ("IK_A", "EK_A", "IK_B", "SPK_B", "OPK_B"):
            private = rng.randbytes(KEY_LENGTH)
            setattr(self, f"{name}_private", private)
            setattr(self, name, public_key(private))
        self.nonce = rng.randbytes(64)
        self.ids = rng.randint(1, 9999), rng.randint(10_000, 99_999)

    def bundle(self, one_time=True, signed_prekey=None, flip=None, one_time_id=None):
        """A bundle as a dict. `flip` names a bit of the signature to turn over."""
        one_time_id = self.ids[1] if one_time_id is None else one_time_id
        signed_prekey = self.SPK_B if signed_prekey is None else signed_prekey
        signature = sign(self.IK_B_private, encode_key(self.SPK_B), nonce=self.nonce)
        if flip is not None:
            changed = int.from_bytes(signature, "little") ^ 1 << flip
            signature = changed.to_bytes(64, "little")
        return {
            "identity_key": self.IK_B,
            "signed_prekey_id": self.ids[0],
            "signed_prekey": signed_prekey,
            "signed_prekey_signature": signature,
            "one_time_prekey_id": one_time_id if one_time else None,
            "one_time_prekey": self.OPK_B if one_time else None,
        }

    def labels(self, one_time=True):
        """Names for the values that an answer, right or wrong, may hold."""
        pairs = [
            ("DH1", self.SPK_B, self.IK_A_private),
            ("DH2", self.IK_B, self.EK_A_private),
            ("DH3", self.SPK_B, self.EK_A_private),
            ("DH4", self.OPK_B, self.EK_A_private),
        ]
        turned = [(name, dh(public, private)) for name, public, private in pairs]
        found = {
            "DH1": dh(self.IK_A_private, self.SPK_B),
            "DH2": dh(self.EK_A_private, self.IK_B),
            "DH3": dh(self.EK_A_private, self.SPK_B),
        }
        if one_time:
            found["DH4"] = dh(self.EK_A_private, self.OPK_B)
            found["DH(IK_A, OPK_B)"] = dh(self.IK_A_private, self.OPK_B)
        found["DH(IK_A, IK_B)"] = dh(self.IK_A_private, self.IK_B)
        found |= {f"{name} with its two arguments exchanged": value for name, value in turned}
        found["32 zero bytes"] = ZEROS
        return found


def initiator_cases(seed: int) -> list[Case]:
    """Bundles with and without a one-time prekey, and one with one-time prekey 0."""
    rng = random.Random(f"x3dh.initiator_dhs {seed}")
    cases = [_initiator_case(_Cast(rng), one_time) for one_time in (True, False, True, False)]
    return [*cases, _initiator_case(_Cast(rng), True, ZERO, one_time_id=0)]


def _initiator_case(cast, one_time, about="", **changes):
    arguments = (cast.IK_A_private, cast.EK_A_private, cast.bundle(one_time, **changes))
    return Case(arguments, about or _with_or_without(one_time), cast.labels(one_time))


def _with_or_without(one_time):
    return f"a bundle {'with' if one_time else 'without'} a one-time prekey"


def responder_cases(seed: int) -> list[Case]:
    """Messages that used a one-time prekey, and messages that did not."""
    rng = random.Random(f"x3dh.responder_dhs {seed}")
    return [_responder_case(_Cast(rng), one_time) for one_time in (True, False, True, False)]


def _responder_case(cast, one_time):
    one_time_private = cast.OPK_B_private if one_time else None
    arguments = (cast.IK_B_private, cast.SPK_B_private, one_time_private, cast.IK_A, cast.EK_A)
    labels = cast.labels(one_time)
    if one_time:
        del labels["DH(IK_A, OPK_B)"]
        labels["DH(OPK_B, IK_A)"] = dh(cast.OPK_B_private, cast.IK_A)
    about = "with a one-time prekey" if one_time else "without a one-time prekey"
    return Case(arguments, f"a first message {about}", labels)


def initiate_cases(seed: int) -> list[Case]:
    """Good bundles, a damaged signature, another prekey, a low-order one, and number 0."""
    rng = random.Random(f"x3dh.initiate {seed}")
    flip = rng.randrange(240)  # a bit of R; a damaged s is refused for another reason
    casts = [_Cast(rng) for _ in range(6)]
    cases = [_initiate_case(cast, bool(n % 2 == 0)) for n, cast in enumerate(casts[:4])]
    damaged = _initiate_case(casts[4], True, "a bundle with a damaged signature", flip=flip)
    other = public_key(rng.randbytes(32))
    about = "a bundle whose signed prekey was exchanged"
    exchanged = _initiate_case(casts[5], False, about, signed_prekey=other)
    about = "a bundle with a bad signature and a signed prekey of low order"
    low_order = _initiate_case(casts[5], True, about, signed_prekey=ZEROS)
    zero = _initiate_case(_Cast(rng), True, ZERO, one_time_id=0)
    return [*cases, damaged, exchanged, low_order, zero]


def _initiate_case(cast, one_time, about="", **changes):
    arguments = (
        cast.IK_A_private,
        cast.IK_A,
        cast.EK_A_private,
        cast.EK_A,
        cast.bundle(one_time, **changes),
    )
    return Case(arguments, about or _with_or_without(one_time), cast.labels(one_time))


# What a wrong value is


def explain_list(case: Case, got) -> str:
    """Say which of the known values stands at each wrong place of a list of DH results."""
    if type(got) is bytes:
        return _explain_joined(case, got)
    if type(got) is not list:
        return ""
    unknown = [str(n) for n, value in enumerate(got, 1) if not _name(case, value)]
    return f"value {', '.join(unknown)} is no result of these key pairs" if unknown else ""


def _explain_joined(case, got):
    parts = [_name(case, got[start : start + 32]) for start in range(0, len(got), 32)]
    return f"this is {' ‖ '.join(parts)}" if all(parts) else ""


def _name(case, value):
    return next((name for name, known in case.labels.items() if known == value), "")


def _terms(case):
    return [name for name in ("DH1", "DH2", "DH3", "DH4") if name in case.labels]


def explain_initiate(case: Case, got) -> str:
    """Compare the labelled KDF input that gives the learner's secret with the specification's."""
    secret = got.get("secret") if type(got) is dict else None
    if type(secret) is not bytes or len(secret) != 32:
        return ""
    wanted = _terms(case)
    for names in _sequences(case):
        if names != wanted and _kdf(b"".join(case.labels[name] for name in names)) == secret:
            return _difference(names, wanted)
    return ""


def _sequences(case):
    names = list(case.labels)
    for length in (3, 4, 2, 1, 0):
        yield from map(list, itertools.product(names, repeat=length))
    yield from ([*_terms(case), name] for name in names)


def _kdf(key_material):
    """`x3dh.derive` without its checks and announcements: thousands of inputs are tried."""
    prk = hmac.digest(ZEROS, F + key_material, "sha256")
    return hmac.digest(prk, INFO + b"\x01", "sha256")


def _difference(names, wanted):
    """One sentence on a KDF input `names` that should be `wanted`; byte 0 is the first of F."""
    if len(names) < len(wanted):
        missing = [name for name in wanted if name not in names]
        return f"the KDF input has {len(names)} values; missing: {', '.join(missing) or 'one'}"
    if len(names) > len(wanted):
        extra = ", ".join(names[len(wanted) :])
        return (
            f"the KDF input has {len(names)} values instead of {len(wanted)}; the last is {extra}"
        )
    wrong = [
        place for place, pair in enumerate(zip(names, wanted, strict=True)) if len({*pair}) > 1
    ]
    start, end = 32 + 32 * wrong[0], 63 + 32 * wrong[-1]
    if len(wrong) == 2 and sorted(names) == sorted(wanted):
        pair = f"{wanted[wrong[0]]} and {wanted[wrong[1]]}"
        return f"bytes {start}–{end} of the KDF input: {pair} are swapped"
    held = ", ".join(names[place] for place in wrong)
    needed = ", ".join(wanted[place] for place in wrong)
    return f"bytes {start}–{end} of the KDF input: {held} stands where {needed} belongs"


# x3dh.initiator_dhs

_IMPORTS = "from x3dhlab.primitives import dh\n"

INITIATOR = (
    _IMPORTS
    + """
def initiator_dhs(identity_private, ephemeral_private, bundle):
    DH1 = dh(identity_private, bundle["signed_prekey"])
    DH2 = dh(ephemeral_private, bundle["identity_key"])
    DH3 = dh(ephemeral_private, bundle["signed_prekey"])
    if bundle["one_time_prekey"] is None:
        return [DH1, DH2, DH3]
    return [DH1, DH2, DH3, dh(ephemeral_private, bundle["one_time_prekey"])]
"""
)

_DH1 = 'DH1 = dh(identity_private, bundle["signed_prekey"])'
_DH2 = 'DH2 = dh(ephemeral_private, bundle["identity_key"])'
_DH3 = 'DH3 = dh(ephemeral_private, bundle["signed_prekey"])'
_NO_DH4 = 'if bundle["one_time_prekey"] is None:\n        return [DH1, DH2, DH3]\n    '
_DH4 = 'dh(ephemeral_private, bundle["one_time_prekey"])'

SWAPPED = (
    "DH1 and DH2 are swapped. If both sides swap them, your own tests still pass.",
    "DH1 is the one with Alice's identity key, DH2 the one with Bob's. Their order is fixed.",
)
ZERO_DH4 = (
    "Zeros stand in for the missing DH4. A server can then give out a key that makes DH4 zero.",
    "Without a one-time prekey there is no DH4: leave the value out.",
    "Lesson 04, “Alice's four”; X3DH §3.3",
)
NO_DH4 = (
    "The one-time prekey is never used, so DH4 is missing even when the bundle has one.",
    "When the bundle has a one-time prekey, add DH4 = DH(EK_A, OPK_B).",
)
ALWAYS_DH4 = (
    "DH4 is computed always. Without a one-time prekey there is no key to compute it with.",
    "Test for None first; without a one-time prekey, leave DH4 out.",
)
FALSE_ZERO = (
    "The number 0 counts as no key, because 0 is false in Python. DH4 is then missing.",
    'Test `bundle["one_time_prekey"] is not None`; 0 is a number like any other.',
)
EK_IN_DH1 = (
    "DH1 uses the ephemeral key where the identity key belongs. Nothing then proves who Alice is.",
    "DH1 = DH(IK_A, SPK_B): Alice's identity key with Bob's signed prekey.",
)
IK_IN_DH2 = (
    "DH2 uses Alice's identity key where her ephemeral key belongs. It is equal in every session.",
    "DH2 = DH(EK_A, IK_B): Alice's ephemeral key with Bob's identity key.",
)
IK_IN_DH3 = (
    "DH3 uses Alice's identity key. It then equals DH1, and nothing fresh meets the signed prekey.",
    "DH3 = DH(EK_A, SPK_B): the ephemeral key with the signed prekey.",
)
IK_IN_DH4 = (
    "DH4 uses an identity key where the ephemeral key belongs.",
    "DH4 = DH(EK_A, OPK_B): the ephemeral key with the one-time prekey.",
)


def _variants(reference, table):
    return tuple(
        Mistake(name, generic.replaced(reference, *changes), *texts)
        for name, texts, changes in table
    )


_SWAP_KEYS = (
    "Private and public are swapped in the calls of `dh`. Both are 32 bytes, so nothing warns you.",
    "The first argument of `dh` is your private key, the second the peer's public key.",
)
_SHIFTED = (
    "The list begins one value too late: DH1 is missing.",
    "Python counts from 0; return DH1 as the first value.",
)
_JOINED = (
    "The values are joined to one bytes value. The task asks for a list, one value each.",
    "Return [DH1, DH2, DH3], and DH4 when there is one. Joining them is the next step.",
)

_INITIATOR = Task(
    id="x3dh.initiator_dhs",
    lesson="04",
    title="Alice's Diffie-Hellman results",
    signature=(
        "initiator_dhs(identity_private: bytes, ephemeral_private: bytes, bundle: dict) -> list"
    ),
    statement=(
        "DH1 = DH(IK_A, SPK_B), DH2 = DH(EK_A, IK_B), DH3 = DH(EK_A, SPK_B), and DH4 = "
        "DH(EK_A, OPK_B). Alice has the private halves of IK_A and EK_A; the bundle has Bob's "
        "public halves. Return [DH1, DH2, DH3], and DH4 as a fourth value if the bundle has a "
        "one-time prekey. dh(private, public) comes from x3dhlab.primitives."
    ),
    why="Each value joins two keys in the fixed order, and DH4 is there only when it is used.",
    points=3,
    minutes=8,
    section="Lesson 04, “Alice's four”; X3DH §3.3",
    modules=("primitives",),
    hints=Hints(
        "Write down the four pairs of keys first. Which of Alice's keys is in three of them?",
        "Alice's identity key appears once (DH1). Her ephemeral key appears in all others.",
        'DH1 = dh(identity_private, bundle["signed_prekey"]). Go on with IK_B, SPK_B, OPK_B.',
    ),
    reference=INITIATOR,
    cases=initiator_cases,
    explain=explain_list,
    mistakes=(
        generic.nothing_returned("initiator_dhs", INITIATOR),
        generic.hex_for_bytes("initiator_dhs", INITIATOR),
        generic.changed_argument(
            "initiator_dhs", INITIATOR, "arguments[2].pop('one_time_prekey', None)"
        ),
        *_variants(
            INITIATOR,
            [
                ("DH1 and DH2 swapped", SWAPPED, [("[DH1, DH2", "[DH2, DH1")]),
                (
                    "DH4 as zeros",
                    ZERO_DH4,
                    [("return [DH1, DH2, DH3]\n", "return [DH1, DH2, DH3, bytes(32)]\n")],
                ),
                ("DH4 never computed", NO_DH4, [(f"DH3, {_DH4}", "DH3")]),
                (
                    "number 0 taken for none",
                    FALSE_ZERO,
                    [
                        (
                            'if bundle["one_time_prekey"] is None',
                            'if not bundle["one_time_prekey_id"]',
                        )
                    ],
                ),
                (
                    "DH4 always expected",
                    ALWAYS_DH4,
                    [(_NO_DH4, "")],
                ),
                ("EK where IK belongs", EK_IN_DH1, [("dh(identity_", "dh(ephemeral_")]),
                ("IK where EK belongs", IK_IN_DH2, [(_DH2, _DH2.replace("ephemeral", "identity"))]),
                ("IK in DH3", IK_IN_DH3, [(_DH3, _DH3.replace("ephemeral", "identity"))]),
                ("IK in DH4", IK_IN_DH4, [(_DH4, _DH4.replace("ephemeral", "identity"))]),
                (
                    "private and public swapped",
                    _SWAP_KEYS,
                    [(_IMPORTS, f"{_IMPORTS}_dh = dh\ndh = lambda x, y: _dh(y, x)\n")],
                ),
                (
                    "one value off",
                    _SHIFTED,
                    [("return [DH1, ", "return [")],
                ),
                (
                    "joined to one value",
                    _JOINED,
                    [
                        ("return [", 'return b"".join(['),
                        ("DH3]\n", "DH3])\n"),
                        ('key"])]', 'key"])])'),
                    ],
                ),
            ],
        ),
    ),
)

# x3dh.responder_dhs

RESPONDER = (
    _IMPORTS
    + """
def responder_dhs(
    identity_private,
    signed_prekey_private,
    one_time_prekey_private,
    alice_identity,
    alice_ephemeral,
):
    DH1 = dh(signed_prekey_private, alice_identity)
    DH2 = dh(identity_private, alice_ephemeral)
    DH3 = dh(signed_prekey_private, alice_ephemeral)
    if one_time_prekey_private is None:
        return [DH1, DH2, DH3]
    return [DH1, DH2, DH3, dh(one_time_prekey_private, alice_ephemeral)]
"""
)

_MIRRORED = (
    "Alice's formulas were copied with Bob's keys in their places: DH1 and DH2 are swapped.",
    "Bob computes the same values: DH1 is his signed prekey with IK_A, DH2 his identity with EK_A.",
)
_EK_FOR_IK = (
    "DH1 uses Alice's ephemeral key where her identity key belongs. Anybody can then be Alice.",
    "DH1 joins SPK_B and IK_A: dh(signed_prekey_private, alice_identity).",
)
_IK_FOR_EK = (
    "DH2 uses Alice's identity key where her ephemeral key belongs. It is equal in every session.",
    "DH2 joins IK_B and EK_A: dh(identity_private, alice_ephemeral).",
)
_IK_FOR_SPK = (
    "DH3 uses Bob's identity key. It then equals DH2, and the signed prekey does not meet EK_A.",
    "DH3 joins SPK_B and EK_A: dh(signed_prekey_private, alice_ephemeral).",
)

_RESPONDER = Task(
    id="x3dh.responder_dhs",
    lesson="04",
    title="Bob's Diffie-Hellman results",
    signature=(
        "responder_dhs(identity_private: bytes, signed_prekey_private: bytes, "
        "one_time_prekey_private: bytes, alice_identity: bytes, alice_ephemeral: bytes) -> list"
    ),
    statement=(
        "Bob has the private halves of IK_B, SPK_B and OPK_B, and Alice's public halves of IK_A "
        "and EK_A. Return the values that Alice computed, in her order: [DH1, DH2, DH3], and DH4 "
        "when `one_time_prekey_private` is not None. DH1 = DH(IK_A, SPK_B), DH2 = DH(EK_A, IK_B), "
        "DH3 = DH(EK_A, SPK_B), DH4 = DH(EK_A, OPK_B)."
    ),
    why="Bob has the other private half of every pair, so he gets Alice's values in her order.",
    points=3,
    minutes=8,
    section="Lesson 04, “Bob's four”; X3DH §3.4",
    modules=("primitives",),
    hints=Hints(
        "For each of Alice's four pairs: which of the two keys is Bob's?",
        "dh(a, B) equals dh(b, A). Bob takes his private half and Alice's public half each time.",
        "DH1 = DH(IK_A, SPK_B), so Bob computes dh(signed_prekey_private, alice_identity).",
    ),
    reference=RESPONDER,
    cases=responder_cases,
    explain=explain_list,
    mistakes=(
        generic.nothing_returned("responder_dhs", RESPONDER),
        generic.hex_for_bytes("responder_dhs", RESPONDER),
        *_variants(
            RESPONDER,
            [
                ("DH1 and DH2 swapped", _MIRRORED, [("[DH1, DH2", "[DH2, DH1")]),
                (
                    "DH4 as zeros",
                    ZERO_DH4,
                    [("return [DH1, DH2, DH3]\n", "return [DH1, DH2, DH3, bytes(32)]\n")],
                ),
                (
                    "DH4 never computed",
                    NO_DH4,
                    [("DH3, dh(one_time_prekey_private, alice_ephemeral)]", "DH3]")],
                ),
                (
                    "DH4 always expected",
                    ALWAYS_DH4,
                    [("if one_time_prekey_private is None:", "if False:")],
                ),
                (
                    "EK where IK belongs",
                    _EK_FOR_IK,
                    [("_private, alice_identity)", "_private, alice_ephemeral)")],
                ),
                (
                    "IK where EK belongs",
                    _IK_FOR_EK,
                    [
                        (
                            "dh(identity_private, alice_ephemeral",
                            "dh(identity_private, alice_identity",
                        )
                    ],
                ),
                (
                    "IK in DH3",
                    _IK_FOR_SPK,
                    [("DH3 = dh(signed_prekey_private", "DH3 = dh(identity_private")],
                ),
                (
                    "IK in DH4",
                    IK_IN_DH4,
                    [
                        (
                            "dh(one_time_prekey_private, alice_ephemeral",
                            "dh(one_time_prekey_private, alice_identity",
                        )
                    ],
                ),
                (
                    "private and public swapped",
                    _SWAP_KEYS,
                    [(_IMPORTS, f"{_IMPORTS}_dh = dh\ndh = lambda x, y: _dh(y, x)\n")],
                ),
                ("one value off", _SHIFTED, [("return [DH1, ", "return [")]),
                (
                    "joined to one value",
                    _JOINED,
                    [
                        ("return [", 'return b"".join(['),
                        ("DH3]\n", "DH3])\n"),
                        ("ephemeral)]", "ephemeral)])"),
                    ],
                ),
            ],
        ),
    ),
)

# x3dh.initiate

GIVEN = '''
from x3dhlab.errors import BadSignature
from x3dhlab.primitives import dh, hkdf, verify


def encode_key(public):
    """Encode(PK): the byte 05, then the 32 bytes of the key."""
    return b"\\x05" + public


def kdf(dhs):
    """KDF(DH1 ‖ DH2 ‖ DH3 [‖ DH4]): 32 bytes."""
    return hkdf(b"\\xff" * 32 + b"".join(dhs), salt=bytes(32), info=b"x3dhlab X3DH", length=32)


def associated_data(identity_a, identity_b):
    """AD = Encode(IK_A) ‖ Encode(IK_B): 66 bytes."""
    return encode_key(identity_a) + encode_key(identity_b)
'''

_CHECK = """    verify(
        bundle["identity_key"],
        encode_key(bundle["signed_prekey"]),
        bundle["signed_prekey_signature"],
    )
"""
_DHS = """    dhs = [
        dh(identity_private, bundle["signed_prekey"]),
        dh(ephemeral_private, bundle["identity_key"]),
        dh(ephemeral_private, bundle["signed_prekey"]),
    ]
    if bundle["one_time_prekey"] is not None:
        dhs.append(dh(ephemeral_private, bundle["one_time_prekey"]))
"""
_RESULT = """    return {
        "secret": kdf(dhs),
        "associated_data": associated_data(identity_public, bundle["identity_key"]),
        "signed_prekey_id": bundle["signed_prekey_id"],
        "one_time_prekey_id": bundle["one_time_prekey_id"],
    }
"""
_HEAD = """
def initiate(identity_private, identity_public, ephemeral_private, ephemeral_public, bundle):
"""
INITIATE = _HEAD + _CHECK + _DHS + _RESULT


def _indented(text):
    return "".join(f"    {line}\n" for line in text.splitlines())


_NOT_CHECKED = (
    "The signature is not checked, or its refusal is caught and forgotten. The server can put in "
    "its own signed prekey.",
    "Call `verify` first and let its error pass: BadSignature must end the handshake.",
)
_LATE = (
    "The signature is checked after the keys were used. Keys nobody vouched for came first.",
    "Move the call of `verify` before the first `dh`.",
)
_AFTER = _HEAD + _DHS + _CHECK + _RESULT
_AD_PUBLIC = "associated_data(identity_public, "

_INITIATE = Task(
    id="x3dh.initiate",
    lesson="04",
    title="Start the handshake",
    signature=(
        "initiate(identity_private: bytes, identity_public: bytes, ephemeral_private: bytes, "
        "ephemeral_public: bytes, bundle: dict) -> dict"
    ),
    statement=(
        "Check the bundle, compute the Diffie-Hellman results, and return a dict with secret, "
        "associated_data, signed_prekey_id and one_time_prekey_id. `ephemeral_public` is not used "
        "here: it travels in the first message (lesson 06)."
    ),
    why="The signature is checked before any key is used, and the secret joins all four results.",
    points=5,
    minutes=12,
    section="Lesson 04, “Before the first Diffie-Hellman”; X3DH §3.3",
    modules=("primitives", "errors", "wire"),
    hints=Hints(
        "In which order must the steps come, if the server may lie?",
        "First the signature over Encode(SPK_B), then DH1 to DH4, then the given functions.",
        "verify(identity_key, encode_key(signed_prekey), signature) raises by itself.",
    ),
    given=GIVEN,
    reference=INITIATE,
    cases=initiate_cases,
    explain=explain_initiate,
    mistakes=(
        generic.nothing_returned("initiate", INITIATE),
        generic.hex_for_bytes("initiate", INITIATE),
        generic.changed_argument("initiate", INITIATE, "arguments[4].pop('one_time_prekey', None)"),
        Mistake("no signature check", _HEAD + _DHS + _RESULT, *_NOT_CHECKED),
        Mistake("check after use", _AFTER, *_LATE),
        Mistake(
            "signature over the raw key",
            generic.replaced(
                INITIATE, ('encode_key(bundle["signed_prekey"])', 'bundle["signed_prekey"]')
            ),
            "The signature covers Encode(SPK_B), 33 bytes. You checked it over the raw 32 bytes.",
            'Give `verify` the encoded key: encode_key(bundle["signed_prekey"]).',
            tell=r"verify\([^,]+,\s*bundle\[.signed_prekey.\]\s*,",
        ),
        Mistake(
            "signature checked with one's own key",
            generic.replaced(
                INITIATE, ('verify(\n        bundle["identity_key"]', "verify(identity_public")
            ),
            "The signature is checked with Alice's own identity key. Bob made it with his.",
            'The key for `verify` is bundle["identity_key"].',
            tell=r"verify\(\s*identity_public",
        ),
        Mistake(
            "verdict read as a boolean",
            _HEAD
            + "    if not verify(\n"
            + _CHECK.split("\n", 1)[1].replace(
                "    )\n", "    ):\n        raise BadSignature('bad')\n"
            )
            + _DHS
            + _RESULT,
            "`verify` returns None when the signature is good, so `if not verify(…)` always fires.",
            "Just call `verify`; it raises BadSignature by itself.",
            tell=generic.VERDICT_USED,
        ),
        generic.verdict_as_truth(
            _HEAD
            + _CHECK.replace("    verify(", "    if verify(").replace("    )\n", "    ):\n")
            + _indented(_DHS + _RESULT)
        ),
        Mistake(
            "None instead of a refusal",
            _HEAD
            + "    try:\n"
            + _indented(_CHECK)
            + "    except BadSignature:\n        return None\n"
            + _DHS
            + _RESULT,
            "A bad signature gives None. A caller that does not look goes on without a secret.",
            "Let BadSignature pass to the caller.",
        ),
        *_variants(
            INITIATE,
            [
                (
                    "DH1 and DH2 swapped",
                    SWAPPED,
                    [("kdf(dhs)", "kdf([dhs[1], dhs[0], *dhs[2:]])")],
                ),
                (
                    "DH4 as zeros",
                    ZERO_DH4,
                    [("kdf(dhs)", "kdf(dhs + [bytes(32)] * (4 - len(dhs)))")],
                ),
                ("DH4 never computed", NO_DH4, [("kdf(dhs)", "kdf(dhs[:3])")]),
                (
                    "number 0 taken for none",
                    FALSE_ZERO,
                    [
                        (
                            'if bundle["one_time_prekey"] is not None',
                            'if bundle["one_time_prekey_id"]',
                        )
                    ],
                ),
                (
                    "number 0 becomes None",
                    (
                        "The number 0 is returned as None, because 0 is false in Python.",
                        'Return bundle["one_time_prekey_id"] as it is.',
                    ),
                    [
                        (
                            '"one_time_prekey_id": bundle["one_time_prekey_id"]',
                            '"one_time_prekey_id": bundle["one_time_prekey_id"] or None',
                        )
                    ],
                ),
                (
                    "DH4 always expected",
                    ALWAYS_DH4,
                    [('    if bundle["one_time_prekey"] is not None:\n        dhs', "    dhs")],
                ),
                ("EK where IK belongs", EK_IN_DH1, [("dh(identity_", "dh(ephemeral_")]),
                (
                    "IK where EK belongs",
                    IK_IN_DH2,
                    [
                        (
                            'dh(ephemeral_private, bundle["identity',
                            'dh(identity_private, bundle["identity',
                        )
                    ],
                ),
                (
                    "IK in DH3",
                    IK_IN_DH3,
                    [
                        (
                            'dh(ephemeral_private, bundle["signed',
                            'dh(identity_private, bundle["signed',
                        )
                    ],
                ),
                (
                    "IK in DH4",
                    IK_IN_DH4,
                    [('dh(ephemeral_private, bundle["one', 'dh(identity_private, bundle["one')],
                ),
                (
                    "private key in the associated data",
                    (
                        "Private and public are swapped: your private key is in the AD.",
                        "The associated data is sent and stored; only public keys belong in it.",
                    ),
                    [(_AD_PUBLIC, "associated_data(identity_private, ")],
                ),
                (
                    "ephemeral key in the associated data",
                    (
                        "The associated data names the ephemeral key, not the identity of Alice.",
                        "AD = Encode(IK_A) ‖ Encode(IK_B): it binds the two identities.",
                    ),
                    [(_AD_PUBLIC, "associated_data(ephemeral_public, ")],
                ),
                (
                    "associated data in the wrong order",
                    (
                        "The identities stand in the wrong order in the associated data.",
                        "The one who starts comes first: Encode(IK_A) ‖ Encode(IK_B).",
                    ),
                    [
                        (
                            f'{_AD_PUBLIC}bundle["identity_key"]',
                            'associated_data(bundle["identity_key"], identity_public',
                        )
                    ],
                ),
                (
                    "raw keys in the associated data",
                    (
                        "The associated data is 64 bytes: the byte 05 before each key is missing.",
                        "Use the given `associated_data`, which encodes both keys.",
                    ),
                    [
                        (
                            f'{_AD_PUBLIC}bundle["identity_key"])',
                            'identity_public + bundle["identity_key"]',
                        )
                    ],
                ),
                (
                    "one value off",
                    (
                        "The first Diffie-Hellman result is missing from the KDF input.",
                        "Give `kdf` the whole list; Python counts from 0.",
                    ),
                    [("kdf(dhs)", "kdf(dhs[1:])")],
                ),
                (
                    "no key derivation",
                    (
                        "The secret is the joined DH results. They are not uniform bytes.",
                        "Put the list through `kdf`.",
                    ),
                    [("kdf(dhs)", 'b"".join(dhs)')],
                ),
            ],
        ),
    ),
)

TASKS = (_INITIATOR, _RESPONDER, _INITIATE)
