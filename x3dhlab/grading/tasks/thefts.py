"""Tasks of lesson 14: write with a stolen prekey, read with stolen keys, and judge an attacker."""

import random

from x3dhlab.errors import Refused
from x3dhlab.grading.task import Case, Hints, Task
from x3dhlab.grading.tasks import generic
from x3dhlab.grading.tasks import x3dh as handshake
from x3dhlab.primitives import KEY_LENGTH, dh, open_sealed, public_key
from x3dhlab.x3dh import associated_data

KDF = '''
from x3dhlab.primitives import dh, hkdf, public_key, seal


def kdf(dhs):
    """KDF(DH1 ‖ DH2 ‖ DH3 [‖ DH4]): 32 bytes."""
    return hkdf(b"\\xff" * 32 + b"".join(dhs), salt=bytes(32), info=b"x3dhlab X3DH", length=32)


def associated_data(identity_a, identity_b):
    """AD = Encode(IK_A) ‖ Encode(IK_B): 66 bytes."""
    return b"\\x05" + identity_a + b"\\x05" + identity_b
'''

PAIRS = """
PAIRS = [("IK_A", "SPK_B"), ("EK_A", "IK_B"), ("EK_A", "SPK_B"), ("EK_A", "OPK_B")]
"""

# attack.impersonate_to_bob

IMPERSONATE = """
def impersonate_to_bob(victim, stolen, bundle, ephemeral_private, text):
    number, signed_private = stolen
    DH1 = dh(signed_private, victim)
    DH2 = dh(ephemeral_private, bundle["identity_key"])
    DH3 = dh(ephemeral_private, public_key(signed_private))
    dhs = [DH1, DH2, DH3]
    if bundle["one_time_prekey"] is not None:
        dhs.append(dh(ephemeral_private, bundle["one_time_prekey"]))
    return {
        "identity_key": victim,
        "ephemeral_key": public_key(ephemeral_private),
        "signed_prekey_id": number,
        "one_time_prekey_id": bundle["one_time_prekey_id"],
        "sealed": seal(kdf(dhs), text, associated_data(victim, bundle["identity_key"])),
    }
"""

_TEXTS = (b"It is really me.", b"Send the money today.", b"Open the door at nine.", b"")


def impersonate_cases(seed: int) -> list[Case]:
    """Bundles with and without a one-time prekey, number 0, and a Bob who has rotated since."""
    rng = random.Random(f"attack.impersonate_to_bob {seed}")
    return [
        _impersonation(rng, "a bundle with a one-time prekey"),
        _impersonation(rng, "a bundle without a one-time prekey", one_time=False),
        _impersonation(rng, "Bob has rotated, and keeps the old key for late messages", old=True),
        _impersonation(rng, "a bundle with one-time prekey 0", one_time_id=0),
        _impersonation(rng, "rotated, and the pool is empty", one_time=False, old=True),
    ]


def _impersonation(rng, about, *, one_time=True, old=False, one_time_id=None):
    cast, text = handshake._Cast(rng), rng.choice(_TEXTS)
    bundle = cast.bundle(one_time, one_time_id=one_time_id)
    stolen = [cast.ids[0], cast.SPK_B_private]
    if old:
        newer = public_key(rng.randbytes(KEY_LENGTH))
        bundle |= {"signed_prekey": newer, "signed_prekey_id": cast.ids[0] + 7}
    labels = cast.labels(one_time)
    labels["DH(EK, IK_V)"] = dh(cast.EK_A_private, cast.IK_A)
    labels["DH(SPK_B, IK_B)"] = dh(cast.SPK_B_private, cast.IK_B)
    if old:
        labels["DH(EK, the new SPK_B)"] = dh(cast.EK_A_private, newer)
    names = "32 zero bytes", "DH(IK_A, IK_B)", "DH(IK_A, OPK_B)"
    labels = {name: value for name, value in labels.items() if name not in names[1:]}
    return Case((cast.IK_A, stolen, bundle, cast.EK_A_private, text), about, labels)


def explain_impersonation(case: Case, got) -> str:
    """The first field that is wrong; for the sealed text, the KDF input of its key."""
    victim, (number, _), bundle, ephemeral, text = case.arguments
    if type(got) is not dict:
        return ""
    wanted = {
        "identity_key": victim,
        "ephemeral_key": public_key(ephemeral),
        "signed_prekey_id": number,
        "one_time_prekey_id": bundle["one_time_prekey_id"],
    }
    wrong = [name for name, value in wanted.items() if got.get(name) != value]
    return f"{wrong[0]} is another value" if wrong else _explain_sealed(case, got.get("sealed"))


def _explain_sealed(case, sealed):
    victim, _, bundle, *_ = case.arguments
    wanted, AD = handshake._terms(case), associated_data(victim, bundle["identity_key"])
    for names in handshake._sequences(case):
        key = handshake._kdf(b"".join(case.labels[name] for name in names))
        try:
            open_sealed(key, sealed, AD)
        except Refused:
            continue
        return handshake._difference(names, wanted) if names != wanted else ""
    return ""


_DH3 = "DH3 = dh(ephemeral_private, public_key(signed_private))"
_DH1 = "DH1 = dh(signed_private, victim)"
_AD = 'associated_data(victim, bundle["identity_key"])'

_IMPERSONATE_MISTAKES = generic.variants(
    IMPERSONATE,
    (
        "EK in DH1",
        "DH1 uses the thief's own ephemeral key. Bob computes DH1 from his signed prekey and the "
        "victim's identity key.",
        "DH1 = DH(SPK_B, IK_V). The stolen half is the one of SPK_B.",
        (_DH1, "DH1 = dh(ephemeral_private, victim)"),
    ),
    (
        "Bob's identity in DH1",
        "DH1 joins two keys of Bob. Nothing in it stands for the victim.",
        "DH1 = DH(SPK_B, IK_V): the stolen private half, the victim's public one.",
        (_DH1, 'DH1 = dh(signed_private, bundle["identity_key"])'),
    ),
    (
        "DH1 and DH2 swapped",
        "DH1 and DH2 stand in each other's place.",
        "Keep Bob's order: DH1 is the one with the victim's identity key.",
        ("[DH1, DH2, DH3]", "[DH2, DH1, DH3]"),
    ),
    (
        "DH1 left out",
        "DH1 is missing. Bob computes it, so his secret differs.",
        "The stolen key gives DH1; put it first.",
        ("[DH1, DH2, DH3]", "[DH2, DH3]"),
    ),
    (
        "the new signed prekey in DH3",
        "DH3 uses the signed prekey of the bundle. The thief has the private half of another one, "
        "and DH1 must use the same pair.",
        "Take public_key(signed_private) for DH3: the pair whose number the message names.",
        ("public_key(signed_private))", 'bundle["signed_prekey"])'),
    ),
    (
        "the new number",
        "The message names the signed prekey of the bundle. Bob then takes his new key, and his "
        "DH1 and DH3 differ.",
        "Name the number of the stolen key. Bob still keeps it.",
        ('"signed_prekey_id": number', '"signed_prekey_id": bundle["signed_prekey_id"]'),
    ),
    (
        "the thief's own name",
        "The message carries the thief's ephemeral key as identity key. Bob sees a stranger, and "
        "the tag does not fit.",
        'identity_key is the victim\'s: "identity_key": victim.',
        ('"identity_key": victim', '"identity_key": public_key(ephemeral_private)'),
    ),
    (
        "AD in the other order",
        "The associated data has Bob first. The initiator comes first, and that is the victim.",
        "AD = associated_data(victim, IK_B).",
        (_AD, 'associated_data(bundle["identity_key"], victim)'),
    ),
    (
        "AD with the thief's key",
        "The associated data holds a key of the thief. Bob puts the identity key of the message "
        "there.",
        "AD = associated_data(victim, IK_B).",
        (_AD, 'associated_data(public_key(ephemeral_private), bundle["identity_key"])'),
    ),
    (
        "DH4 never computed",
        "The one-time prekey of the bundle is not used, so DH4 is missing.",
        "When the bundle has a one-time prekey, add DH(EK, OPK_B). Anybody can fetch one.",
        ('if bundle["one_time_prekey"] is not None:', "if False:"),
    ),
    (
        "the one-time prekey left out",
        "The message names no one-time prekey, and DH4 is missing. Bob would open it; the task "
        "asks for the number of the bundle.",
        "When the bundle has a one-time prekey, name its number, and add DH(EK, OPK_B).",
        ('if bundle["one_time_prekey"] is not None:', "if False:"),
        ('"one_time_prekey_id": bundle["one_time_prekey_id"]', '"one_time_prekey_id": None'),
    ),
    (
        "DH4 as zeros",
        "Zeros stand in for the missing DH4.",
        "Without a one-time prekey, leave DH4 out.",
        (
            "    return {",
            "    else:\n        dhs.append(bytes(32))\n    return {",
        ),
    ),
    (
        "number 0 taken for none",
        "The number 0 counts as no key, because 0 is false in Python.",
        'Test `bundle["one_time_prekey"] is not None`.',
        ('if bundle["one_time_prekey"] is not None', 'if bundle["one_time_prekey_id"]'),
    ),
    (
        "the private half sent",
        "The message carries the private half of the ephemeral key.",
        '"ephemeral_key" is public_key(ephemeral_private).',
        ('"ephemeral_key": public_key(ephemeral_private)', '"ephemeral_key": ephemeral_private'),
    ),
    (
        "the text not sealed",
        "The text stands in the message as it is.",
        "Seal it: seal(kdf(dhs), text, AD).",
        (f"seal(kdf(dhs), text, {_AD})", "text"),
    ),
    (
        "sealed without AD",
        "The text was sealed with empty associated data. Bob opens it with both identity keys.",
        "Pass AD as the third value of `seal`.",
        (f"text, {_AD})", 'text, b"")'),
    ),
)

_IMPERSONATE = Task(
    id="attack.impersonate_to_bob",
    lesson="14",
    title="Write to Bob with his stolen prekey",
    signature=(
        "impersonate_to_bob(victim: bytes, stolen: list, bundle: dict, "
        "ephemeral_private: bytes, text: bytes) -> dict"
    ),
    statement=(
        "You have stolen the private half of one signed prekey of Bob; `stolen` is [number, "
        "private half]. Write to Bob in the name of the person with the public identity key "
        "`victim`. `bundle` is what the server hands out for Bob now; he may have a newer signed "
        "prekey by now, and he still keeps the stolen one for late messages. Return a dict with "
        "identity_key, ephemeral_key, signed_prekey_id, one_time_prekey_id and sealed: `text` "
        "sealed under SK and AD, so that Bob opens it. `ephemeral_private` is fresh. Given: "
        "kdf(dhs), associated_data(identity_a, identity_b), and dh, public_key, seal."
    ),
    why="Every term needs one private half. DH1 takes the stolen one, all others your own.",
    points=4,
    minutes=12,
    section="Lesson 14, “To Bob in anybody's name”",
    modules=("primitives",),
    given=KDF,
    hints=Hints(
        "Write down Bob's four results. For which of them is your own fresh key not enough?",
        "DH1 joins IK_V and SPK_B. You lack the private half of the first, and have the second.",
        "DH1 = dh(signed_private, victim). DH3 = dh(ephemeral_private, "
        "public_key(signed_private)). The message names the stolen number.",
    ),
    reference=IMPERSONATE,
    cases=impersonate_cases,
    explain=explain_impersonation,
    mistakes=(
        generic.nothing_returned("impersonate_to_bob", IMPERSONATE),
        generic.hex_for_bytes("impersonate_to_bob", IMPERSONATE),
        generic.changed_argument(
            "impersonate_to_bob", IMPERSONATE, "arguments[2].pop('one_time_prekey', None)"
        ),
        *_IMPERSONATE_MISTAKES,
    ),
)

# attack.recover_secret

RECOVER = """
def recover_secret(public, stolen):
    fitting = {name: key for name, key in stolen.items() if public_key(key) == public[name]}
    dhs = []
    for left, right in PAIRS:
        if public[right] is None:
            continue
        if left in fitting:
            dhs.append(dh(fitting[left], public[right]))
        elif right in fitting:
            dhs.append(dh(fitting[right], public[left]))
        else:
            return None
    return kdf(dhs)
"""


def recover_cases(seed: int) -> list[Case]:
    """Thefts that are enough and thefts that are not, with and without a one-time key."""
    rng = random.Random(f"attack.recover_secret {seed}")
    rows = [
        ("IK_B and SPK_B, the pool was empty", "IK_B SPK_B", False),
        ("IK_B and SPK_B, a one-time key was used", "IK_B SPK_B", True),
        ("EK_A and SPK_B", "EK_A SPK_B", True),
        ("EK_A and IK_A", "EK_A IK_A", True),
        ("EK_A alone", "EK_A", True),
        ("both identity keys", "IK_A IK_B", False),
        ("everything of Bob", "IK_B SPK_B OPK_B", True),
        ("EK_A and IK_A, the pool was empty", "IK_A EK_A", False),
    ]
    cases = [_theft(rng, about, names.split(), one_time) for about, names, one_time in rows]
    about = "IK_B, and a signed prekey that Bob made later"
    return [*cases, _theft(rng, about, ["IK_B", "SPK_B"], False, other="SPK_B")]


def _theft(rng, about, names, one_time, other=""):
    cast = handshake._Cast(rng)
    public = {n: getattr(cast, n) for n in ("IK_A", "EK_A", "IK_B", "SPK_B", "OPK_B")}
    public["OPK_B"] = cast.OPK_B if one_time else None
    stolen = {name: getattr(cast, f"{name}_private") for name in names}
    if other:
        stolen[other] = rng.randbytes(KEY_LENGTH)
    return Case((public, stolen), about, cast.labels(one_time))


def explain_recovered(case: Case, got) -> str:
    """Compare the labelled KDF input of a wrong secret with the right one."""
    return handshake.explain_initiate(case, {"secret": got})


_NONE_LEFT = "        else:\n            return None\n"

_RECOVER_MISTAKES = generic.variants(
    RECOVER,
    (
        "only Bob's halves",
        "A result was computed only where Bob's half was stolen. Either half of a pair is enough.",
        "Test for the left name first, then for the right one.",
        ("if left in fitting:", "if False:"),
    ),
    (
        "only Alice's halves",
        "A result was computed only where Alice's half was stolen. Either half of a pair is "
        "enough.",
        "Test for the left name, then for the right one.",
        ("elif right in fitting:", "elif False:"),
    ),
    (
        "missing terms left out",
        "Where a term could not be computed, it was left out. That gives another secret, which "
        "opens nothing.",
        "If one term cannot be computed, nothing can: return None.",
        (_NONE_LEFT, ""),
    ),
    (
        "zeros for missing terms",
        "Where a term could not be computed, zeros stand in its place.",
        "If one term cannot be computed, return None.",
        ("            return None\n", "            dhs.append(bytes(32))\n"),
    ),
    (
        "a key that does not fit",
        "A stolen private half was used although its public half is not the one of the recording.",
        "Compare public_key(key) with public[name] first.",
        (" if public_key(key) == public[name]}", "}"),
    ),
    (
        "DH4 always expected",
        "DH4 was wanted although no one-time key was used.",
        "If public[right] is None, the handshake has no such term: go on.",
        ("            continue\n", "            return None\n"),
    ),
    (
        "DH4 never computed",
        "DH4 is missing although a one-time key was used.",
        "Go through all four pairs.",
        ("in PAIRS:", "in PAIRS[:3]:"),
    ),
    (
        "DH1 and DH2 swapped",
        "DH1 and DH2 stand in each other's place.",
        "Keep the order of PAIRS.",
        ("in PAIRS:", "in [PAIRS[1], PAIRS[0], *PAIRS[2:]]:"),
    ),
    (
        "private and public swapped",
        "Private and public are swapped in the calls of `dh`.",
        "dh(stolen[left], public[right]): the private half comes first.",
        ("dh(fitting[left], public[right])", "dh(public[right], fitting[left])"),
        ("dh(fitting[right], public[left])", "dh(public[left], fitting[right])"),
    ),
    (
        "empty bytes for none",
        "Where the secret cannot be computed, the result has empty bytes. Wanted is None.",
        "Return None.",
        ("return None", 'return b""'),
    ),
    (
        "the results for the secret",
        "The result is the key material. Wanted is what the KDF makes of it.",
        "Return kdf(dhs).",
        ("return kdf(dhs)", 'return b"".join(dhs)'),
    ),
    (
        "a list of results",
        "The result is a list. Wanted is SK.",
        "Return kdf(dhs).",
        ("return kdf(dhs)", "return dhs"),
    ),
)

_RECOVER = Task(
    id="attack.recover_secret",
    lesson="14",
    title="SK from stolen keys",
    signature="recover_secret(public: dict, stolen: dict) -> bytes",
    statement=(
        "A first message was recorded. `public` has the public halves that it used, by name: IK_A, "
        "EK_A, IK_B, SPK_B, OPK_B (None if there was no one-time key). `stolen` has private "
        "halves by name; one may belong to a newer key pair, then it is of no use. Return SK, or "
        "None if it cannot be computed. Given: PAIRS, the two keys of DH1 to DH4 in order, and "
        "kdf(dhs), dh, public_key."
    ),
    why="Either private half of a pair gives the term; one missing term keeps SK closed.",
    points=4,
    minutes=10,
    section="Lesson 14, “Two questions for each key”",
    modules=("primitives",),
    given=KDF + PAIRS,
    hints=Hints(
        "For one pair of keys: which two thefts give its Diffie-Hellman?",
        "Go through PAIRS. Take the left private half if you have it, else the right one, else "
        "give up. A pair without a one-time key is no term.",
        "First keep the keys that fit: public_key(key) == public[name]. Then "
        "dhs.append(dh(fitting[left], public[right])), or the other way round.",
    ),
    reference=RECOVER,
    cases=recover_cases,
    explain=explain_recovered,
    mistakes=(
        generic.nothing_returned("recover_secret", RECOVER),
        generic.hex_for_bytes("recover_secret", RECOVER),
        generic.changed_argument("recover_secret", RECOVER, "arguments[1].clear()"),
        *_RECOVER_MISTAKES,
    ),
)

# matrix.threats

THREATS = """
def threats(attacker):
    has, serves = set(attacker["stolen"]), attacker["serves"]
    terms = PAIRS if attacker["one_time"] else PAIRS[:3]
    swaps = serves and not attacker["compared"]
    mine = has - {"EK_A"}
    if serves:
        mine = mine | {"OPK_B"}
        if "IK_B" in has:
            mine = mine | {"SPK_B"}
    return {
        "recorded": all(has & set(pair) for pair in terms),
        "next": swaps or all(mine & set(pair) for pair in terms),
        "as_bob": swaps or bool(has & {"IK_B", "SPK_A"}),
        "as_alice": swaps or bool(has & {"IK_A", "SPK_B"}),
    }
"""
_KEYS = ("IK_A", "EK_A", "SPK_A", "IK_B", "SPK_B")

_ATTACKERS = (
    ("SPK_B alone", "SPK_B", False, True, True),
    ("IK_B alone", "IK_B", False, True, False),
    ("IK_B, and the server", "IK_B", True, True, True),
    ("IK_B and SPK_B, and the server", "IK_B SPK_B", True, True, True),
    ("IK_B and SPK_B, the pool was empty", "IK_B SPK_B", False, True, False),
    ("IK_B and SPK_B, a one-time key was used", "IK_B SPK_B", False, True, True),
    ("Alice's identity key and prekey", "IK_A SPK_A", False, True, True),
    ("SPK_A alone", "SPK_A", False, True, True),
    ("the server, first contact", "", True, False, True),
    ("the server, keys were compared", "", True, True, True),
    ("first contact, an honest server", "", False, False, True),
    ("SPK_B, and the server", "SPK_B", True, True, True),
    ("EK_A of the recording, and SPK_B", "EK_A SPK_B", False, True, True),
    ("EK_A of the recording, SPK_B, and the server", "EK_A SPK_B", True, True, True),
    ("EK_A of the recording, and IK_A", "EK_A IK_A", False, True, True),
    ("EK_A of the recording alone", "EK_A", False, True, True),
    ("both identity keys, and the server", "IK_A IK_B", True, True, True),
    ("both identity keys", "IK_A IK_B", False, True, False),
    ("IK_B at first contact, an honest server", "IK_B", False, False, True),
    ("IK_B, and the server at first contact", "IK_B", True, False, True),
    ("IK_A, and the server at first contact", "IK_A", True, False, True),
    ("SPK_B, and the server at first contact", "SPK_B", True, False, False),
    ("SPK_A, and the server at first contact", "SPK_A", True, False, True),
    ("EK_A of the recording, and the server at first contact", "EK_A", True, False, False),
)


def threats_cases(seed: int) -> list[Case]:
    """The attackers of the lesson, the names in any order, and a few that chance has made."""
    rng = random.Random(f"matrix.threats {seed}")
    cases = [_attacker(rng, about, names.split(), *more) for about, names, *more in _ATTACKERS]
    for _ in range(6):
        names = rng.sample(_KEYS, rng.randint(1, 4))
        flags = [rng.random() < 0.5 for _ in range(3)]
        cases.append(_attacker(rng, "an attacker made by chance", names, *flags))
    return cases


def _attacker(rng, about, names, serves, compared, one_time):
    stolen = rng.sample(names, len(names))
    facts = {"stolen": stolen, "serves": serves, "compared": compared, "one_time": one_time}
    return Case((facts,), about)


_REASONS = {
    "recorded": "each term of the recorded handshake needs one stolen half",
    "next": "which private halves of tomorrow's handshake are the attacker's, or of his making?",
    "as_bob": "to Alice, DH1 joins IK_B and SPK_A",
    "as_alice": "to Bob, DH1 joins IK_A and SPK_B",
}
_PLACED = "at first contact, nobody knows whose identity key the server shows"


def explain_threats(case: Case, got) -> str:
    """The first answer that is wrong, and what decides it."""
    made: dict = {}
    exec(PAIRS + THREATS, made)
    right = made["threats"](*case.arguments)
    if type(got) is not dict:
        return ""
    wrong = [name for name in right if got.get(name) is not right[name]]
    (facts,) = case.arguments
    placed = facts["serves"] and not facts["compared"] and wrong[:1] != ["recorded"]
    return f"{wrong[0]}: {_PLACED if placed else _REASONS[wrong[0]]}" if wrong else ""


_AS_ALICE = 'bool(has & {"IK_A", "SPK_B"})'
_AS_BOB = 'bool(has & {"IK_B", "SPK_A"})'
_RECORDED = "all(has & set(pair) for pair in terms)"
_SWAPS = 'swaps = serves and not attacker["compared"]'

_THREATS_MISTAKES = generic.variants(
    THREATS,
    (
        "Bob's prekey harmless",
        "A thief of SPK_B cannot write to Bob as Alice, says the answer. He can: SPK_B gives DH1.",
        "as_alice is true for IK_A and for SPK_B.",
        (_AS_ALICE, '"IK_A" in has'),
    ),
    (
        "IK_B writes to Bob",
        "A thief of IK_B writes to Bob as Alice, says the answer. IK_B is in DH2 only, and DH1 "
        "stays closed.",
        "as_alice is true for IK_A and for SPK_B, not for IK_B.",
        (_AS_ALICE, 'bool(has & {"IK_A", "SPK_B", "IK_B"})'),
    ),
    (
        "Alice's prekey harmless",
        "A thief of SPK_A cannot write to Alice as Bob, says the answer. Impersonation with a "
        "prekey works against whoever owns it.",
        "as_bob is true for IK_B and for SPK_A.",
        (_AS_BOB, '"IK_B" in has'),
    ),
    (
        "Bob's prekey makes a Bob",
        "A thief of SPK_B writes to Alice as Bob, says the answer. For that he needs IK_B or "
        "SPK_A.",
        "SPK_B stands in the messages to Bob, not in those that Bob starts.",
        (_AS_BOB, 'bool(has & {"IK_B", "SPK_A", "SPK_B"})'),
    ),
    (
        "IK_B opens recordings",
        "IK_B alone opens what was recorded, says the answer. It gives DH2 and no other term.",
        "Every term needs a stolen half.",
        (f'"recorded": {_RECORDED}', '"recorded": "IK_B" in has'),
    ),
    (
        "one term is enough",
        "One computable term counts as enough. SK needs all terms.",
        "Use all(), not any().",
        (f'"recorded": {_RECORDED}', '"recorded": any(has & set(pair) for pair in terms)'),
    ),
    (
        "both halves wanted",
        "A term counts only if both of its private halves were stolen.",
        "One half is enough: has & set(pair).",
        (
            f'"recorded": {_RECORDED}',
            '"recorded": all(set(pair) <= has for pair in terms)',
        ),
    ),
    (
        "DH4 always there",
        "DH4 counts although no one-time key was used.",
        "Without a one-time key there are three terms: PAIRS[:3].",
        ('PAIRS if attacker["one_time"] else PAIRS[:3]', "PAIRS"),
    ),
    (
        "DH4 never there",
        "DH4 does not count although a one-time key was used.",
        "With a one-time key there are four terms.",
        ('PAIRS if attacker["one_time"] else PAIRS[:3]', "PAIRS[:3]"),
    ),
    (
        "the server reads the past",
        "A server that lies today opens what was recorded before. The old handshake used honest "
        "keys.",
        "recorded depends on what was stolen, not on `serves`.",
        (f'"recorded": {_RECORDED}', f'"recorded": swaps or {_RECORDED}'),
    ),
    (
        "an old EK_A for the next message",
        "EK_A of the recorded message was used for the next one. That message has a new EK_A, and "
        "only the old one was stolen.",
        "Leave EK_A out for the next message.",
        ('has - {"EK_A"}', "set(has)"),
    ),
    (
        "IK_B signs nothing",
        "A server with IK_B does not read the next message, says the answer. IK_B also signs: it "
        "makes a signed prekey of the server's own look like Bob's.",
        "With IK_B, a server makes signed prekeys, and knows their private halves.",
        ('mine | {"SPK_B"}', "set(mine)"),
    ),
    (
        "one-time keys taken for signed",
        "The server cannot give out a one-time key of its own, says the answer. Nobody signed "
        "that key.",
        "A server always knows the private half of a one-time key that it made.",
        ('mine = mine | {"OPK_B"}', "mine = set(mine)"),
    ),
    (
        "comparing does not count",
        "The server exchanges identity keys although they were compared.",
        "A server swaps identity keys only where `compared` is false.",
        (_SWAPS, "swaps = serves"),
    ),
    (
        "strangers without a liar",
        "Keys that nobody compared count as exchanged, although the server is honest.",
        "Somebody must exchange them: serves and not compared.",
        (_SWAPS, 'swaps = not attacker["compared"]'),
    ),
    (
        "IK_B is never Alice",
        "A lying server that has IK_B is not Alice to Bob at first contact, says the answer. For "
        "that it needs no stolen key: it shows Bob a key of its own as Alice's.",
        "A server at first contact is both people, whatever else it has stolen.",
        (f"swaps or {_AS_ALICE}", f'(swaps and "IK_B" not in has) or {_AS_ALICE}'),
    ),
    (
        "a thief does not swap",
        "A server that has stolen a key exchanges no identity keys, says the answer. It can do "
        "both.",
        "A server at first contact is both people, whatever else it has stolen.",
        (_SWAPS, f"{_SWAPS} and not has"),
    ),
    (
        "comparing stops thieves",
        "Compared identity keys stop a thief as well. His message carries the right identity key.",
        "Comparing keys tells whose key it is, not who has the private half.",
        (_AS_ALICE, f'(not attacker["compared"] and {_AS_ALICE})'),
    ),
    (
        "the roles exchanged",
        "as_bob and as_alice stand in each other's place.",
        "as_bob: Alice believes that Bob writes. as_alice: Bob believes that Alice writes.",
        ('"as_bob":', '"as_x":'),
        ('"as_alice":', '"as_bob":'),
        ('"as_x":', '"as_alice":'),
    ),
    (
        "words for booleans",
        "The result has words. Wanted are True and False.",
        "Write True and False, without quotes.",
        ("    return {", "    found = {"),
        (
            f"{_AS_ALICE},\n    }}\n",
            f'{_AS_ALICE},\n    }}\n    return {{k: "yes" if v else "no" for k, v in '
            "found.items()}\n",
        ),
    ),
)

_THREATS = Task(
    id="matrix.threats",
    lesson="14",
    title="A row of the table of attackers",
    signature="threats(attacker: dict) -> dict",
    statement=(
        "`attacker` has stolen (a list of names of private halves: IK_A, EK_A, SPK_A, IK_B, SPK_B),"
        " serves (True: he is the server from now on), compared (True: Alice and Bob know each "
        "other's identity keys) and one_time (True: Bob's pool has keys; used ones are deleted). "
        "EK_A is the one of the recorded message alone; the next one has a new EK_A. Return a dict "
        "of True and False: recorded (he computes SK of the message that Alice sent to Bob before "
        "the theft, over an honest server), next (SK of Alice's next first message to Bob), "
        "as_bob (Alice opens a first message of his as Bob's), as_alice (Bob opens one as "
        "Alice's). Given: PAIRS."
    ),
    why="Reading needs a half of every term; writing needs one half of DH1, the rest is one's own.",
    points=6,
    minutes=18,
    section="Lesson 14, “A table of attackers”",
    modules=(),
    given=PAIRS,
    hints=Hints(
        "Ask of each term: which private half could he have? Of which one is he the maker?",
        "A writer makes EK_A himself, so only DH1 is in question. A server makes one-time keys "
        "himself, and with IK_B signed prekeys, too.",
        "recorded = all(has & set(pair) for pair in terms). For next, leave EK_A out and add what "
        "a server makes. as_alice: IK_A or SPK_B. as_bob: IK_B or SPK_A.",
    ),
    reference=THREATS,
    cases=threats_cases,
    explain=explain_threats,
    mistakes=(
        generic.nothing_returned("threats", THREATS),
        generic.changed_argument("threats", THREATS, "arguments[0]['stolen'].append('IK_B')"),
        *_THREATS_MISTAKES,
    ),
)

TASKS = (_IMPERSONATE, _RECOVER, _THREATS)
