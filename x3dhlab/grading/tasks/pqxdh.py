"""Tasks of lesson 08: two kinds of secrets into one, and both sides of PQXDH."""

import hmac
import itertools
import random
from dataclasses import replace

from x3dhlab import kem
from x3dhlab.grading.task import Case, Hints, Mistake, Task
from x3dhlab.grading.tasks import generic
from x3dhlab.grading.tasks.kdf import difference
from x3dhlab.pqxdh import info_for
from x3dhlab.primitives import dh, public_key, sign
from x3dhlab.wire import encode_kem, encode_key
from x3dhlab.x3dh import F

ZEROS = bytes(32)


def _derived(key_material, info):
    prk = hmac.digest(ZEROS, key_material, "sha256")
    return hmac.digest(prk, info + b"\x01", "sha256")


def explain_secret(case: Case, got) -> str:
    """Find the KDF input that gives the learner's secret, and say how it differs."""
    secret = got.get("secret") if type(got) is dict else got
    info = case.labels.get("info")
    if type(secret) is not bytes or info is None:
        return ""
    wanted = ["F", *(name for name in case.labels if name != "info")]
    known = {"F": F, **case.labels, "32 zero bytes": ZEROS}
    tried = itertools.chain(
        itertools.permutations(wanted),
        *(itertools.combinations(wanted, length) for length in range(1, len(wanted))),
        [[name if name != "SS" else "32 zero bytes" for name in wanted]],
    )
    for names in tried:
        if _derived(b"".join(known[name] for name in names), info) == secret:
            return difference(list(names), wanted)
    return ""


# hybrid.combine

GIVEN_COMBINE = "\nfrom x3dhlab.primitives import hkdf\n"
COMBINE = """
def combine(dhs, shared_secret, algorithm):
    info = b"x3dhlab_CURVE25519_SHA-256_" + algorithm.encode()
    key_material = b"\\xff" * 32 + b"".join(dhs) + shared_secret
    return hkdf(key_material, salt=bytes(32), info=info, length=32)
"""
_MATERIAL = 'b"\\xff" * 32 + b"".join(dhs) + shared_secret'
_HKDF = "hkdf(key_material, salt=bytes(32), info=info, length=32)"


def combine_cases(seed: int) -> list[Case]:
    """Three and four terms, and two algorithms."""
    rng = random.Random(f"hybrid.combine {seed}")
    kinds = [(3, "ML-KEM-768"), (4, "ML-KEM-768"), (4, "ML-KEM-1024"), (3, "Kyber-1024")]
    return [_combine_case(rng, *kind) for kind in kinds]


def _combine_case(rng, count, algorithm):
    values = {f"DH{n}": rng.randbytes(32) for n in range(1, count + 1)}
    secret = rng.randbytes(32)
    labels = values | {"SS": secret, "info": info_for(algorithm)}
    arguments = (list(values.values()), secret, algorithm)
    return Case(arguments, f"{count} terms, {algorithm}", labels)


SS_ONLY = (
    "Only the KEM's secret counts. The four terms are computed for nothing, and with them Alice's "
    "identity: anybody can encapsulate.",
    "The KDF input holds all the terms, and SS behind them.",
)
XORED = (
    "SS is joined by XOR. Whoever chooses one of the two parts last decides what comes out.",
    "Put SS into the KDF input, behind the terms.",
)
NO_SS = (
    "SS is missing from the KDF input: this is X3DH with a longer message.",
    "Add SS behind the last term.",
)
SS_FIRST = (
    "SS stands before the terms. Both sides of your own program agree, and nobody else's does.",
    "The order is F, DH1 …, and SS at the end.",
)

# The two secrets joined in a wrong way: the same change in `initiate` and in `respond`.
COMBINED = (
    ("the KEM's secret only", *SS_ONLY, ("kdf(dhs, ss", "kdf([], ss")),
    ("SS left out", *NO_SS, ("kdf(dhs, ss", 'kdf(dhs, b""')),
    (
        "XOR",
        *XORED,
        (
            "kdf(dhs, ss, algorithm)",
            'bytes(a ^ b for a, b in zip(kdf(dhs, b"", algorithm), ss))',
        ),
    ),
    ("SS first", *SS_FIRST, ("kdf(dhs, ss", 'kdf([ss, *dhs], b""')),
)

_COMBINE = Task(
    id="hybrid.combine",
    lesson="08",
    title="Two kinds of secrets into one",
    signature="combine(dhs: list, shared_secret: bytes, algorithm: str) -> bytes",
    statement=(
        "Return SK of PQXDH §2.2: 32 bytes of HKDF over F ‖ DH1 ‖ DH2 ‖ DH3 [‖ DH4] ‖ SS, with 32 "
        "zero bytes as salt. F is 32 bytes FF. `info` is the text "
        "x3dhlab_CURVE25519_SHA-256_ followed by `algorithm`, as bytes. hkdf(ikm, salt=…, info=…, "
        "length=…) comes from x3dhlab.primitives."
    ),
    why="Every secret stands in one KDF input, so an attacker needs all of them.",
    points=2,
    minutes=6,
    section="Lesson 08, “Step by step”; PQXDH §2.2",
    modules=("primitives",),
    hints=Hints(
        "The key material of X3DH is there. What must be added, and where?",
        "SS belongs behind the last term. The info names the algorithm.",
        'key_material = b"\\xff" * 32 + b"".join(dhs) + shared_secret',
    ),
    given=GIVEN_COMBINE,
    reference=COMBINE,
    cases=combine_cases,
    explain=explain_secret,
    mistakes=(
        generic.nothing_returned("combine", COMBINE),
        generic.hex_for_bytes("combine", COMBINE),
        generic.changed_argument("combine", COMBINE, "arguments[0].append(b'')"),
        *generic.variants(
            COMBINE,
            ("the KEM's secret only", *SS_ONLY, (_MATERIAL, 'b"\\xff" * 32 + shared_secret')),
            ("the input is replaced by SS", *SS_ONLY, (_MATERIAL, "shared_secret")),
            ("SS left out", *NO_SS, (_MATERIAL, 'b"\\xff" * 32 + b"".join(dhs)')),
            (
                "XOR",
                *XORED,
                (_MATERIAL, 'b"\\xff" * 32 + b"".join(dhs)'),
                (_HKDF, f"bytes(a ^ b for a, b in zip({_HKDF}, shared_secret))"),
            ),
            ("SS first", *SS_FIRST, (_MATERIAL, 'b"\\xff" * 32 + shared_secret + b"".join(dhs)')),
            (
                "SS in the salt",
                "SS is the salt, and the terms are the input. Both count, and the specification "
                "has another form.",
                "The salt stays 32 zero bytes; SS stands in the input.",
                (_MATERIAL, 'b"\\xff" * 32 + b"".join(dhs)'),
                ("salt=bytes(32)", "salt=shared_secret"),
            ),
            (
                "SS in info",
                "SS stands in info, which is for public names.",
                "Put SS into the key material.",
                (_MATERIAL, 'b"\\xff" * 32 + b"".join(dhs)'),
                ("info=info", "info=info + shared_secret"),
            ),
            (
                "two derivations",
                "The terms are derived first, and the result with SS again. Every input counts, "
                "and no other program agrees.",
                "One HKDF over all of it.",
                (
                    _MATERIAL,
                    'hkdf(b"\\xff" * 32 + b"".join(dhs), salt=bytes(32), info=info, length=32) '
                    "+ shared_secret",
                ),
            ),
            (
                "no F",
                "F is missing at the start of the KDF input.",
                'Begin with b"\\xff" * 32.',
                (_MATERIAL, 'b"".join(dhs) + shared_secret'),
            ),
            (
                "the first term missing",
                "The first term is missing from the KDF input.",
                "Join the whole list; Python counts from 0.",
                ("join(dhs)", "join(dhs[1:])"),
            ),
            (
                "the fourth term missing",
                "Only three terms are used, also when there are four.",
                "Join the whole list.",
                ("join(dhs)", "join(dhs[:3])"),
            ),
            (
                "one info for all algorithms",
                "The info names ML-KEM-768, whatever the algorithm is. Two suites then share keys.",
                "Use the argument `algorithm`.",
                ("algorithm.encode()", 'b"ML-KEM-768"'),
            ),
            (
                "the info of X3DH",
                "The info is X3DH's. DH4 there and SS here would stand in one place, under one "
                "info.",
                "info is x3dhlab_CURVE25519_SHA-256_ and the algorithm.",
                ('b"x3dhlab_CURVE25519_SHA-256_" + algorithm.encode()', 'b"x3dhlab X3DH"'),
            ),
            (
                "64 bytes",
                "The result is 64 bytes long. SK has 32.",
                "length=32",
                ("length=32", "length=64"),
            ),
        ),
    ),
)

# What both sides of the handshake are given

GIVEN = '''
from x3dhlab import kem
from x3dhlab.errors import BadSignature, MissingKemPreKey, UnknownPreKey
from x3dhlab.primitives import dh, hkdf, verify


def encode_key(public):
    """Encode(PK): the byte 05, then the 32 bytes of the key."""
    return b"\\x05" + public


def decode_kem(encoded):
    """DecodeKEM: the algorithm that the first byte names, and the key behind it."""
    return {9: "ML-KEM-768", 10: "ML-KEM-1024"}[encoded[0]], encoded[1:]


def kdf(dhs, shared_secret, algorithm):
    """KDF(DH1 ‖ DH2 ‖ DH3 [‖ DH4] ‖ SS): 32 bytes."""
    info = b"x3dhlab_CURVE25519_SHA-256_" + algorithm.encode()
    key_material = b"\\xff" * 32 + b"".join(dhs) + shared_secret
    return hkdf(key_material, salt=bytes(32), info=info, length=32)


def associated_data(identity_a, identity_b):
    """AD = Encode(IK_A) ‖ Encode(IK_B): 66 bytes."""
    return encode_key(identity_a) + encode_key(identity_b)
'''

# pqxdh.initiate

_HEAD = """
def pqxdh_initiate(identity_private, identity_public, ephemeral_private, coins, bundle):
"""
_MISSING = """    if bundle["kem_prekey"] is None:
        raise MissingKemPreKey("the bundle has no KEM prekey")
"""
_SPK_CHECK = """    spk = bundle["signed_prekey"]
    verify(bundle["identity_key"], encode_key(spk), bundle["signed_prekey_signature"])
"""
_KEM_CHECK = """    kem_prekey, signature = bundle["kem_prekey"], bundle["kem_prekey_signature"]
    verify(bundle["identity_key"], kem_prekey, signature)
"""
_TERMS = """    dhs = [
        dh(identity_private, spk),
        dh(ephemeral_private, bundle["identity_key"]),
        dh(ephemeral_private, spk),
    ]
    if bundle["one_time_prekey"] is not None:
        dhs.append(dh(ephemeral_private, bundle["one_time_prekey"]))
"""
_ENCAPS = """    algorithm, kem_key = decode_kem(bundle["kem_prekey"])
    ct, ss = kem.get(algorithm).encapsulate(kem_key, coins=coins)
"""
_RESULT = """    return {
        "secret": kdf(dhs, ss, algorithm),
        "associated_data": associated_data(identity_public, bundle["identity_key"]),
        "kem_ciphertext": ct,
        "kem_prekey_id": bundle["kem_prekey_id"],
    }
"""
INITIATE = _HEAD + _MISSING + _SPK_CHECK + _KEM_CHECK + _TERMS + _ENCAPS + _RESULT


class _Cast:
    """Everybody's keys, from a random source."""

    def __init__(self, rng, algorithm="ML-KEM-768"):
        self.rng, self.algorithm = rng, algorithm
        for name in ("IK_A", "EK_A", "IK_B", "SPK_B", "OPK_B"):
            private = rng.randbytes(32)
            setattr(self, f"{name}_private", private)
            setattr(self, name, public_key(private))
        self.pair = kem.get(algorithm).generate(seed=rng.randbytes(64))
        self.coins = rng.randbytes(32)

    def bundle(self, one_time, kem_id):
        encoded = encode_kem(self.algorithm, self.pair.public)
        return {
            "identity_key": self.IK_B,
            "signed_prekey_id": 7,
            "signed_prekey": self.SPK_B,
            "signed_prekey_signature": self._signed(encode_key(self.SPK_B)),
            "one_time_prekey_id": 21 if one_time else None,
            "one_time_prekey": self.OPK_B if one_time else None,
            "kem_prekey_id": kem_id,
            "kem_prekey": encoded,
            "kem_prekey_signature": self._signed(encoded),
        }

    def _signed(self, data):
        return sign(self.IK_B_private, data, nonce=self.rng.randbytes(64))

    def labels(self, one_time):
        found = {
            "DH1": dh(self.IK_A_private, self.SPK_B),
            "DH2": dh(self.EK_A_private, self.IK_B),
            "DH3": dh(self.EK_A_private, self.SPK_B),
        }
        if one_time:
            found["DH4"] = dh(self.EK_A_private, self.OPK_B)
        _, found["SS"] = kem.get(self.algorithm).encapsulate(self.pair.public, coins=self.coins)
        return found | {"info": info_for(self.algorithm)}


def _flipped(data, place):
    changed = bytearray(data)
    changed[place // 8] ^= 1 << place % 8
    return bytes(changed)


def initiate_cases(seed: int) -> list[Case]:
    """Good bundles of two algorithms; a KEM key dropped, exchanged or damaged; a forged SPK."""
    rng = random.Random(f"pqxdh.initiate {seed}")
    cast, larger, other = _Cast(rng), _Cast(rng, "ML-KEM-1024"), _Cast(rng)
    with_one, without = cast.bundle(True, 44), cast.bundle(False, 0)
    dropped = dict.fromkeys(("kem_prekey_id", "kem_prekey", "kem_prekey_signature"))
    exchanged = {"kem_prekey": encode_kem("ML-KEM-768", other.pair.public)}
    # A coefficient above q: the KEM itself refuses such a key, but the signature comes first.
    broken = {"kem_prekey": with_one["kem_prekey"][:1] + b"\xff" * 1184}
    flip = rng.randrange(240)
    forged = {"signed_prekey_signature": _flipped(with_one["signed_prekey_signature"], flip)}
    return [
        _initiate_case(cast, without, "a bundle without a one-time prekey, KEM prekey 0"),
        _initiate_case(cast, with_one, "a bundle with a one-time prekey"),
        _initiate_case(larger, larger.bundle(True, 45), "a bundle with an ML-KEM-1024 prekey"),
        _initiate_case(cast, with_one | dropped, "a bundle whose KEM prekey was dropped"),
        _initiate_case(cast, with_one | exchanged, "a bundle whose KEM prekey was exchanged"),
        _initiate_case(cast, with_one | broken, "a bundle with a damaged KEM prekey"),
        _initiate_case(cast, with_one | forged, "a bundle with a forged signed prekey"),
    ]


def _initiate_case(cast, bundle, about):
    arguments = (cast.IK_A_private, cast.IK_A, cast.EK_A_private, cast.coins, bundle)
    return Case(arguments, about, cast.labels(bundle["one_time_prekey"] is not None))


_FALLS_BACK = (
    "Without a KEM prekey your program goes on with X3DH. Any server can drop the field, and "
    "nobody notices.",
    "Raise MissingKemPreKey: no KEM prekey, no session.",
)
_KEM_UNSIGNED = (
    "The signature of the KEM prekey is not checked. The server can put in its own key, and SS "
    "is no secret from it.",
    'verify(bundle["identity_key"], bundle["kem_prekey"], bundle["kem_prekey_signature"])',
)
_LATE = (
    "The KEM prekey is used before its signature is checked.",
    "Both calls of `verify` come before you encapsulate and derive.",
)
_AD_ORDER = (
    "The identities stand in the wrong order in the associated data.",
    "Alice started: Encode(IK_A) ‖ Encode(IK_B).",
)
_AD_RAW = (
    "The raw identity keys stand in the associated data, without their encoding bytes.",
    "associated_data(IK_A, IK_B) puts the byte 05 before each key.",
)
_FALLBACK = (
    '    if bundle["kem_prekey"] is None:\n'
    '        return {"secret": kdf(dhs, b"", "ML-KEM-768"), "associated_data": associated_data('
    'identity_public, bundle["identity_key"]), "kem_ciphertext": None, "kem_prekey_id": None}\n'
)
_ZERO_FILLED = (
    '    if bundle["kem_prekey"] is None:\n'
    '        return {"secret": kdf(dhs, bytes(32), "ML-KEM-768"), "associated_data": '
    'associated_data(identity_public, bundle["identity_key"]), "kem_ciphertext": None, '
    '"kem_prekey_id": None}\n'
)


def _without_refusal(instead):
    """INITIATE that goes on where the KEM prekey is missing."""
    indented = _KEM_CHECK.replace("    ", "        ")
    check = '    if bundle["kem_prekey"] is not None:\n' + indented
    return _HEAD + _SPK_CHECK + check + _TERMS + instead + _ENCAPS + _RESULT


_INITIATE = Task(
    id="pqxdh.initiate",
    lesson="08",
    title="Alice's side, with a KEM",
    signature=(
        "pqxdh_initiate(identity_private: bytes, identity_public: bytes, ephemeral_private: bytes, "
        "coins: bytes, bundle: dict) -> dict"
    ),
    statement=(
        "The X3DH part is there. Raise MissingKemPreKey when bundle['kem_prekey'] is None. Check "
        "both signatures before you encapsulate and derive; the KEM prekey's covers "
        "bundle['kem_prekey'] as it is, with its type byte. Encapsulate with `coins`. Return a "
        "dict with secret, associated_data, kem_ciphertext and kem_prekey_id."
    ),
    why="The KEM key is checked like the signed prekey, and SS stands beside the terms.",
    points=4,
    minutes=10,
    section="Lesson 08, “Step by step”; PQXDH §3.3",
    modules=("primitives", "errors", "kem"),
    hints=Hints(
        "Which two things can a server do to the KEM prekey, and which line stops each?",
        "Missing: refuse. Exchanged: its signature, over the encoded key. Then decode and use it.",
        "algorithm, key = decode_kem(…); ct, ss = kem.get(algorithm).encapsulate(key, coins=coins)",
    ),
    given=GIVEN,
    reference=INITIATE,
    cases=initiate_cases,
    explain=explain_secret,
    mistakes=(
        generic.nothing_returned("pqxdh_initiate", INITIATE),
        generic.hex_for_bytes("pqxdh_initiate", INITIATE),
        generic.changed_argument(
            "pqxdh_initiate", INITIATE, "arguments[4].pop('one_time_prekey', None)"
        ),
        Mistake("falls back silently", _without_refusal(_FALLBACK), *_FALLS_BACK),
        Mistake(
            "zeros for a missing KEM",
            _without_refusal(_ZERO_FILLED),
            "Zeros stand in for SS when the KEM prekey is missing. Everybody knows 32 zeros.",
            "Raise MissingKemPreKey.",
        ),
        Mistake(
            "signature checked after use",
            _HEAD + _MISSING + _SPK_CHECK + _TERMS + _ENCAPS + _KEM_CHECK + _RESULT,
            *_LATE,
        ),
        *generic.variants(
            INITIATE,
            ("KEM signature unchecked", *_KEM_UNSIGNED, (_KEM_CHECK, "")),
            (
                "signed prekey unchecked",
                "The signed prekey's signature is not checked any more. The KEM does not replace "
                "it: all terms but DH2 depend on that key.",
                "Keep the check of X3DH beside the new one.",
                (_SPK_CHECK.split("\n", 1)[1], ""),
            ),
            (
                "None instead of a refusal",
                "A missing KEM prekey gives None. A caller that does not look goes on.",
                "raise MissingKemPreKey(…)",
                ('raise MissingKemPreKey("the bundle has no KEM prekey")', "return None"),
            ),
            (
                "number 0 taken for none",
                "The number 0 counts as a missing key, because 0 is false in Python.",
                'Test bundle["kem_prekey"] is None.',
                ('if bundle["kem_prekey"] is None', 'if not bundle["kem_prekey_id"]'),
            ),
            (
                "one algorithm for all",
                "The algorithm is fixed. The type byte says which one it is.",
                "Take the algorithm that decode_kem returns.",
                ("kem.get(algorithm)", 'kem.get("ML-KEM-768")'),
            ),
            (
                "ciphertext and secret exchanged",
                "CT and SS are exchanged: the shared secret travels over the network.",
                "encapsulate returns (CT, SS).",
                ("ct, ss = kem", "ss, ct = kem"),
            ),
            (
                "the secret is sent",
                "The message holds SS. Everybody on the way reads it.",
                "kem_ciphertext is CT.",
                ('"kem_ciphertext": ct', '"kem_ciphertext": ss'),
            ),
            *COMBINED,
            (
                "DH4 left out",
                "DH4 is left out: SS does not replace it. Its key is deleted after use.",
                "Keep all terms of X3DH.",
                ("kdf(dhs, ss", "kdf(dhs[:3], ss"),
            ),
            (
                "DH1 and DH2 swapped",
                "DH1 and DH2 are swapped. Both sides must have the same order.",
                "DH1 = DH(IK_A, SPK_B), DH2 = DH(EK_A, IK_B).",
                ("kdf(dhs, ss", "kdf([dhs[1], dhs[0], *dhs[2:]], ss"),
            ),
            (
                "associated data in the wrong order",
                *_AD_ORDER,
                (
                    'associated_data(identity_public, bundle["identity_key"])',
                    'associated_data(bundle["identity_key"], identity_public)',
                ),
            ),
            (
                "raw keys in the associated data",
                *_AD_RAW,
                (
                    'associated_data(identity_public, bundle["identity_key"])',
                    'identity_public + bundle["identity_key"]',
                ),
            ),
            (
                "KEM signature over the raw key",
                "The signature covers the encoded key, with its type byte. You checked it over "
                "the raw key.",
                'Give `verify` bundle["kem_prekey"] as it is.',
                (
                    '["identity_key"], kem_prekey, signature',
                    '["identity_key"], kem_prekey[1:], signature',
                ),
            ),
        ),
    ),
)

# pqxdh.respond

RESPOND = """
def pqxdh_respond(
    identity_private, identity_public, signed_prekeys, one_time_prekeys, kem_prekeys, message
):
    signed, one_time, number = (
        message["signed_prekey_id"], message["one_time_prekey_id"], message["kem_prekey_id"]
    )
    if message["kem_ciphertext"] is None:
        raise MissingKemPreKey("the message carries no KEM ciphertext")
    if signed not in signed_prekeys or number not in kem_prekeys:
        raise UnknownPreKey("no such signed prekey or KEM prekey")
    if one_time is not None and one_time not in one_time_prekeys:
        raise UnknownPreKey("no such one-time prekey")
    identity_a, ephemeral = message["identity_key"], message["ephemeral_key"]
    spk, chosen = signed_prekeys[signed], kem_prekeys[number]
    dhs = [dh(spk, identity_a), dh(identity_private, ephemeral), dh(spk, ephemeral)]
    if one_time is not None:
        dhs.append(dh(one_time_prekeys[one_time], ephemeral))
    algorithm = chosen["algorithm"]
    ss = kem.get(algorithm).decapsulate(chosen["private"], message["kem_ciphertext"])
    return {
        "secret": kdf(dhs, ss, algorithm),
        "associated_data": associated_data(identity_a, identity_public),
        "delete_one_time": one_time,
        "delete_kem": None if chosen["last_resort"] else number,
    }
"""


def respond_cases(seed: int) -> list[Case]:
    """One-time and last-resort KEM prekeys, number 0, unknown numbers, no ciphertext."""
    rng = random.Random(f"pqxdh.respond {seed}")
    bob = _Cast(rng)
    larger = kem.get("ML-KEM-1024").generate(seed=rng.randbytes(64))
    zero = kem.get("ML-KEM-768").generate(seed=rng.randbytes(64))
    keys = {
        50: {"algorithm": "ML-KEM-768", "private": bob.pair.private, "last_resort": True},
        0: {"algorithm": "ML-KEM-768", "private": zero.private, "last_resort": False},
        52: {"algorithm": "ML-KEM-1024", "private": larger.private, "last_resort": False},
    }
    public = {50: bob.pair.public, 0: zero.public, 52: larger.public}
    tries = [
        (52, 21, "a one-time KEM prekey, ML-KEM-1024"),
        (50, None, "the last-resort KEM prekey, no one-time prekey"),
        (0, 0, "KEM prekey 0 and one-time prekey 0"),
        (50, 21, "the last-resort KEM prekey and a one-time prekey"),
        (99, 21, "a KEM prekey that Bob does not have"),
        (52, 22, "a one-time prekey that Bob does not have"),
        (None, 21, "a message without a KEM ciphertext"),
    ]
    return [_respond_case(bob, keys, public, *one) for one in tries]


def _respond_case(bob, keys, public, number, one_time, about):
    pools = {21: bob.OPK_B_private, 0: bob.EK_A_private}
    ephemeral = bob.rng.randbytes(32)
    target = keys.get(number, keys[50])
    mechanism = kem.get(target["algorithm"])
    ct, ss = mechanism.encapsulate(public.get(number, public[50]), coins=bob.rng.randbytes(32))
    message = {
        "identity_key": bob.IK_A,
        "ephemeral_key": public_key(ephemeral),
        "signed_prekey_id": 7,
        "one_time_prekey_id": one_time,
        "kem_prekey_id": number,
        "kem_ciphertext": None if number is None else ct,
    }
    labels = {
        "DH1": dh(bob.IK_A_private, bob.SPK_B),
        "DH2": dh(ephemeral, bob.IK_B),
        "DH3": dh(ephemeral, bob.SPK_B),
    }
    if one_time in pools:
        labels["DH4"] = dh(pools[one_time], public_key(ephemeral))
    labels |= {"SS": ss, "info": info_for(target["algorithm"])}
    arguments = (
        bob.IK_B_private,
        bob.IK_B,
        {7: bob.SPK_B_private},
        pools,
        {number: dict(key) for number, key in keys.items()},
        message,
    )
    return Case(arguments, f"a message to {about}" if number is not None else about, labels)


_NO_CIPHERTEXT = """    if message["kem_ciphertext"] is None:
        raise MissingKemPreKey("the message carries no KEM ciphertext")
"""
_POOL = "Lesson 08, “One-time and last resort”; PQXDH §3.4"
_SECRET = 'ss = kem.get(algorithm).decapsulate(chosen["private"], message["kem_ciphertext"])'

_RESPOND = Task(
    id="pqxdh.respond",
    lesson="08",
    title="Bob's side, with a KEM",
    signature=(
        "pqxdh_respond(identity_private: bytes, identity_public: bytes, signed_prekeys: dict, "
        "one_time_prekeys: dict, kem_prekeys: dict, message: dict) -> dict"
    ),
    statement=(
        "From scratch. `signed_prekeys` and `one_time_prekeys` go from number to private key; "
        "`kem_prekeys` from number to {'algorithm', 'private', 'last_resort'}. The message has "
        "identity_key, ephemeral_key, signed_prekey_id, one_time_prekey_id (or None), "
        "kem_prekey_id and kem_ciphertext. Without a ciphertext raise MissingKemPreKey; for an "
        "unknown number raise UnknownPreKey. Return secret, associated_data, and the numbers to "
        "delete once the text has opened: delete_one_time and delete_kem, each None if nothing."
    ),
    why="Bob refuses what is not whole, and deletes one-time keys, never the last resort.",
    points=5,
    minutes=15,
    section="Lesson 08, “Step by step”; PQXDH §3.4",
    modules=("primitives", "errors", "kem"),
    hints=Hints(
        "Which keys does each number name, and which of them may be used again?",
        "Refuse first: no ciphertext, unknown numbers. Then the terms as in lesson 06, then SS.",
        "kem.get(key['algorithm']).decapsulate(key['private'], message['kem_ciphertext'])",
    ),
    given=GIVEN,
    reference=RESPOND,
    cases=respond_cases,
    explain=explain_secret,
    mistakes=(
        generic.nothing_returned("pqxdh_respond", RESPOND),
        generic.hex_for_bytes("pqxdh_respond", RESPOND),
        generic.changed_argument("pqxdh_respond", RESPOND, "arguments[4].pop(52, None)"),
        *(
            replace(mistake, section=_POOL)
            for mistake in generic.variants(
                RESPOND,
                (
                    "the last resort deleted",
                    "The last-resort KEM prekey is deleted after one use. The next message that "
                    "used it can never be read.",
                    "delete_kem is None for a last-resort key.",
                    ('None if chosen["last_resort"] else number', "number"),
                ),
                (
                    "the one-time KEM prekey kept",
                    "The one-time KEM prekey is never deleted. A thief and a quantum computer then "
                    "open the recording.",
                    "delete_kem is the number of a one-time KEM prekey.",
                    ('None if chosen["last_resort"] else number', "None"),
                ),
                (
                    "one-time and last resort exchanged",
                    "The last resort is deleted, and the one-time key is kept.",
                    "None if the key is the last resort, else its number.",
                    ('if chosen["last_resort"]', 'if not chosen["last_resort"]'),
                ),
                (
                    "the one-time prekey kept",
                    "The one-time prekey of the curve is not deleted any more.",
                    "delete_one_time is its number.",
                    ('"delete_one_time": one_time', '"delete_one_time": None'),
                ),
            )
        ),
        *generic.variants(
            RESPOND,
            (
                "falls back silently",
                "Without a ciphertext your program derives a secret of the curve alone. A server "
                "that drops the KEM is not noticed.",
                "Raise MissingKemPreKey.",
                (_NO_CIPHERTEXT, ""),
                (
                    "or number not in kem_prekeys",
                    "or number is not None and number not in kem_prekeys",
                ),
                ("kem_prekeys[number]", "kem_prekeys.get(number, kem_prekeys[50])"),
                (_SECRET, f'ss = b""\n    if message["kem_ciphertext"]:\n        {_SECRET}'),
            ),
            (
                "unknown number, last resort",
                "For an unknown number the last-resort key is tried. Its secret is another one, "
                "and the search for the cause begins in the wrong place.",
                "An unknown number is an error of its own: UnknownPreKey.",
                ("or number not in kem_prekeys", ""),
                ("kem_prekeys[number]", "kem_prekeys.get(number, kem_prekeys[50])"),
            ),
            (
                "unknown one-time number, three terms",
                "A one-time number that Bob does not have is taken for none.",
                "raise UnknownPreKey(…)",
                (
                    '        raise UnknownPreKey("no such one-time prekey")',
                    "        one_time = None",
                ),
            ),
            (
                "number 0 taken for none",
                "The number 0 counts as no one-time prekey, because 0 is false in Python.",
                "Test `is not None`.",
                ("    if one_time is not None:\n", "    if one_time:\n"),
            ),
            *COMBINED,
            (
                "DH1 and DH2 swapped",
                "DH1 and DH2 are swapped.",
                "DH1 joins IK_A and SPK_B, DH2 joins EK_A and IK_B.",
                ("kdf(dhs, ss", "kdf([dhs[1], dhs[0], *dhs[2:]], ss"),
            ),
            (
                "DH4 left out",
                "DH4 is left out: SS does not replace it.",
                "Add DH4 when the message names a one-time prekey.",
                ("kdf(dhs, ss", "kdf(dhs[:3], ss"),
            ),
            (
                "associated data in the wrong order",
                *_AD_ORDER,
                (
                    "associated_data(identity_a, identity_public)",
                    "associated_data(identity_public, identity_a)",
                ),
            ),
            (
                "raw keys in the associated data",
                *_AD_RAW,
                ("associated_data(identity_a, identity_public)", "identity_a + identity_public"),
            ),
        ),
    ),
)

TASKS = (_COMBINE, _INITIATE, _RESPOND)
