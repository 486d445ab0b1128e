"""Tasks of lesson 03: a batch of one-time keys, one of them out, the refill, and the bundle."""

import random

from x3dhlab.grading.task import Case, Hints, Mistake, Step, Task
from x3dhlab.grading.tasks import generic
from x3dhlab.primitives import public_key, sign, verify
from x3dhlab.wire import encode_key

# prekeys.make_batch

MAKE_BATCH = """
from x3dhlab.primitives import public_key

def make_batch(next_id, privates):
    keep, upload = {}, {}
    for number, private in enumerate(privates, next_id):
        keep[number] = private
        upload[number] = public_key(private)
    return {"keep": keep, "upload": upload, "next_id": next_id + len(privates)}
"""


def make_batch_cases(seed: int) -> list[Case]:
    """A first batch, later ones, one key, and none."""
    rng = random.Random(f"prekeys.make_batch {seed}")
    shapes = [(rng.randint(50, 900), 3), (rng.randint(1000, 9000), 5), (1, 2), (7, 1), (9, 0)]
    return [_batch_case(rng, first, count) for first, count in shapes]


def _batch_case(rng, first, count):
    privates = [rng.randbytes(32) for _ in range(count)]
    labels = {f"private {number}": key for number, key in enumerate(privates, first)}
    labels |= {f"public {number}": public_key(key) for number, key in enumerate(privates, first)}
    kinds = {0: "an empty batch", 1: "a batch of one key"}
    about = "the first batch" if first == 1 else kinds.get(count, "a later batch")
    return Case((first, privates), about, labels)


_RESULT = '{"keep": keep, "upload": upload, "next_id": next_id + len(privates)}'

_MAKE_BATCH = Task(
    id="prekeys.make_batch",
    lesson="03",
    title="Make a batch of one-time prekeys",
    signature="make_batch(next_id: int, privates: list) -> dict",
    statement=(
        "Number the private keys next_id, next_id + 1, … in their order. The list may be empty. "
        "Return a dict with "
        "`keep` (number → private key), `upload` (number → public key) and `next_id`, the first "
        "number that is free afterwards. `public_key(private)` comes from x3dhlab.primitives."
    ),
    why="Numbers are never used again, and only public halves leave the device.",
    points=2,
    minutes=6,
    section="Lesson 03, “A batch of one-time keys”; X3DH §3.2",
    modules=("primitives",),
    hints=Hints(
        "What does the device keep of each key, and what may the server have?",
        "Each number stands in both dicts, once with the private and once with the public half.",
        "for number, private in enumerate(privates, next_id): fill both dicts.",
    ),
    reference=MAKE_BATCH,
    cases=make_batch_cases,
    mistakes=(
        generic.nothing_returned("make_batch", MAKE_BATCH),
        generic.hex_for_bytes("make_batch", MAKE_BATCH),
        generic.changed_argument("make_batch", MAKE_BATCH, "arguments[1].clear()"),
        *generic.variants(
            MAKE_BATCH,
            (
                "private halves uploaded",
                "The upload holds private keys. The server could read everything.",
                "Upload public_key(private); the private half stays in `keep`.",
                ("upload[number] = public_key(private)", "upload[number] = private"),
            ),
            (
                "private halves thrown away",
                "The device keeps public keys only. No message to them can ever be opened.",
                "`keep` holds the private keys.",
                ("keep[number] = private", "keep[number] = public_key(private)"),
            ),
            (
                "private and public swapped",
                "The halves are swapped: private keys go out, public keys stay.",
                "`keep` has the private keys, `upload` the public ones.",
                ('"keep": keep, "upload": upload', '"keep": upload, "upload": keep'),
            ),
            (
                "numbers begin at 1 again",
                "Every batch begins at 1, so numbers come back. Two keys then have one name.",
                "Begin at next_id, and never use a number twice.",
                ("enumerate(privates, next_id)", "enumerate(privates, 1)"),
            ),
            (
                "numbers begin at 0",
                "The numbers begin at 0, as `enumerate` does by itself.",
                "Give `enumerate` its start: enumerate(privates, next_id).",
                ("enumerate(privates, next_id)", "enumerate(privates)"),
            ),
            (
                "one number off",
                "The first number is next_id + 1: one number is left out.",
                "next_id itself is free; begin with it.",
                ("enumerate(privates, next_id)", "enumerate(privates, next_id + 1)"),
            ),
            (
                "last number for the next",
                "`next_id` is the last number that was used. The next batch would use it again.",
                "The next free number is next_id + len(privates).",
                ("next_id + len(privates)", "next_id + len(privates) - 1"),
            ),
            (
                "next number not moved",
                "`next_id` did not move, so the next batch gets the same numbers.",
                "Add the number of keys: next_id + len(privates).",
                ("next_id + len(privates)", "next_id"),
            ),
            (
                "next number counted from nothing",
                "`next_id` is the size of the batch. Earlier batches are forgotten.",
                "Add the number of keys to the old next_id.",
                ("next_id + len(privates)", "len(privates)"),
            ),
            (
                "one number for all",
                "Every key got the same number, so the dicts hold the last key only.",
                "Count up for each key.",
                (
                    "for number, private in enumerate(privates, next_id):",
                    "for number, private in [(next_id, key) for key in privates]:",
                ),
            ),
            (
                "lists for dicts",
                "The keys stand in lists, without their numbers. Messages name keys by number.",
                "Make two dicts, from number to key.",
                (
                    '"keep": keep, "upload": upload',
                    '"keep": list(keep.values()), "upload": list(upload.values())',
                ),
            ),
            (
                "numbers as text",
                "The numbers are text. On the wire and in the dicts they are integers.",
                "Use the number itself as the key of the dict, without str().",
                ("keep[number] = private", "number = str(number)\n        keep[number] = private"),
            ),
        ),
    ),
)

# prekeys.take_one

TAKE_ONE = """
def take_one(pool):
    if not pool:
        return [[], None]
    return [pool[1:], pool[0]]
"""


def take_one_cases(seed: int) -> list[Case]:
    """Every number of calls from 1 to 4 on pools of 0 to 3 keys; then with a call not saved."""
    rng = random.Random(f"prekeys.take_one {seed}")
    cases = [_take_case(rng, size, calls) for calls in range(1, 5) for size in (3, 2, 1, 0)]
    return [*cases, *(_take_case(rng, size, 2, again=True) for size in (3, 1))]


def _take_case(rng, size, calls, again=False):
    first = rng.randint(10, 900)
    numbers = [first, first + rng.randint(1, 5), first + rng.randint(6, 9)][:size]
    pool = [{"id": number, "public": public_key(rng.randbytes(32))} for number in numbers]
    steps = [Step("take") for _ in range(calls)]
    if again:
        steps[1] = Step("take again, because the new pool was not saved", again=True)
    keys = {0: "an empty pool", 1: "a pool of 1 key"}.get(size, f"a pool of {size} keys")
    about = f"{keys} and a call that is not saved" if again else keys
    return Case((pool,), about, {}, tuple(steps))


_TAKE_ONE = Task(
    id="prekeys.take_one",
    lesson="03",
    title="Hand out one key, once",
    signature="take_one(pool: list) -> list",
    statement=(
        "The pool is a list of dicts with `id` and `public`, the oldest first. Return a list of "
        "two values: the pool that remains, and the oldest key (its dict), or None when the pool "
        "is empty. The pool that remains is given to the next call. Leave the argument as it is: "
        "if saving fails, the server goes on with it."
    ),
    why="Each key goes out once, and an empty pool is an ordinary day, not an error.",
    points=2,
    minutes=6,
    section="Lesson 03, “One key out, once”; X3DH §3.3",
    modules=(),
    hints=Hints(
        "Call it twice in your head, the second time with what the first call returned.",
        "pool[0] is the oldest key, pool[1:] a new list with the others. Test for empty first.",
        "if not pool: return [[], None]. Then return [pool[1:], pool[0]].",
    ),
    reference=TAKE_ONE,
    cases=take_one_cases,
    mistakes=(
        generic.nothing_returned("take_one", TAKE_ONE),
        generic.hex_for_bytes("take_one", TAKE_ONE),
        Mistake(
            "an argument changed in place",
            "def take_one(pool):\n    return [pool, pool.pop(0) if pool else None]\n",
            "The key is removed from the pool that was given. If saving fails, it is lost.",
            "Make a new list for what remains, such as pool[1:].",
        ),
        *generic.variants(
            TAKE_ONE,
            (
                "taken without removing",
                "The key stays in the pool that is returned, so two people get the same key.",
                "Return the rest, pool[1:], for the next call.",
                ("pool[1:]", "pool"),
            ),
            (
                "the whole pool handed out",
                "The whole pool went out, not one key. One request empties it.",
                "Hand out pool[0], one dict.",
                ("pool[1:], pool[0]]", "pool[1:], pool]"),
            ),
            (
                "a list with one key",
                "The key stands in a list. A slice gives a list, also of one value.",
                "Take the dict itself with pool[0].",
                ("pool[1:], pool[0]]", "pool[1:], pool[:1]]"),
            ),
            (
                "fails on an empty pool",
                "An empty pool ends in an error. Nobody can then write to this person at all.",
                "Test for an empty pool first, and return None: X3DH works without this key.",
                ("    if not pool:\n        return [[], None]\n", ""),
            ),
            (
                "the newest key first",
                "The newest key went out. Old ones then stay for ever, with their private halves.",
                "The oldest key is the first of the list.",
                ("pool[1:], pool[0]", "pool[:-1], pool[-1]"),
            ),
            (
                "two removed for one",
                "Two keys left the pool, one was handed out: every second key is lost.",
                "The rest begins at index 1: pool[1:].",
                ("pool[1:]", "pool[2:]"),
            ),
            (
                "the other end removed",
                "The first key went out, and the last one was removed. The first goes out again.",
                "Remove what you hand out: the rest is pool[1:].",
                ("pool[1:]", "pool[:-1]"),
            ),
            (
                "the last key kept back",
                "The last key is never handed out. It is as good as the others.",
                "Hand out every key; after the last one, return None.",
                (
                    "if not pool:\n        return [[], None]",
                    "if len(pool) < 2:\n        return [pool, None]",
                ),
            ),
            (
                "the last key for ever",
                "The last key is handed out again and again. Two people then share a one-time key.",
                "A one-time key goes out once; an empty pool gives None.",
                (
                    "return [pool[1:], pool[0]]",
                    "return [pool[1:] or pool, pool[0]]",
                ),
            ),
            (
                "result before the pool",
                "The two values are in the wrong order: the key stands where the pool belongs.",
                "Return the pool that remains first, then the key.",
                ("[pool[1:], pool[0]]", "[pool[0], pool[1:]]"),
            ),
            (
                "the number only",
                "Only the number of the key came back. Alice needs the key itself.",
                "Hand out the whole dict.",
                ("pool[1:], pool[0]]", 'pool[1:], pool[0]["id"]]'),
            ),
            (
                "an empty dict for None",
                "An empty pool gives an empty dict. It is no key, and it is not None.",
                "Return None when there is no key.",
                ("[[], None]", "[[], {}]"),
            ),
        ),
    ),
)

# prekeys.refill_amount

REFILL = """
def refill_amount(left, low, target, limit):
    if left >= low:
        return 0
    return min(target - left, limit)
"""


def refill_cases(seed: int) -> list[Case]:
    """Full, low, on the threshold, empty, and pools whose gap is above the limit."""
    rng = random.Random(f"prekeys.refill_amount {seed}")
    low = rng.randint(8, 20)
    target = low + rng.randint(60, 75)
    wide = target + rng.randint(5, 20)
    gap = rng.randint(30, 45)
    return [
        Case((rng.randint(2, low - 2), low, target, wide), "a low pool"),
        Case((low - 1, low, target, wide), "one key below the threshold"),
        Case((low, low, target, wide), "exactly on the threshold"),
        Case((rng.randint(low + 2, target - 9), low, target, wide), "a pool that is high enough"),
        Case((target, low, target, wide), "a full pool"),
        Case((target + 3, low, target, wide), "more than the target"),
        Case((0, low, target, wide), "an empty pool"),
        Case((rng.randint(1, low - 1), low, target, gap), "a gap above the limit of one upload"),
        Case((0, low, target, gap), "an empty pool and a small limit"),
    ]


_REFILL_AMOUNT = Task(
    id="prekeys.refill_amount",
    lesson="03",
    title="How many keys to upload",
    signature="refill_amount(left: int, low: int, target: int, limit: int) -> int",
    statement=(
        "The server reports how many one-time keys are `left`. While there are `low` or more, "
        "upload nothing: return 0. Below, return how many keys to upload now: as many as are "
        "missing up to `target`, but at most `limit` in one upload. A later call does the rest."
    ),
    why="The refill depends on the gap to the target, so the pool reaches it.",
    points=1,
    minutes=4,
    section="Lesson 03, “When to refill”; X3DH §3.2",
    modules=(),
    hints=Hints(
        "Take low = 10, target = 100, left = 9. How many are missing? And with left = 10?",
        "Two questions: is the pool low? And how large is the gap, at most `limit`?",
        "if left >= low: return 0. Then the smaller of target - left and limit.",
    ),
    reference=REFILL,
    cases=refill_cases,
    mistakes=(
        generic.nothing_returned("refill_amount", REFILL),
        *generic.variants(
            REFILL,
            (
                "a fixed amount",
                "The same amount is uploaded however many are left. Such a pool misses its target.",
                "Compute the gap: target - left.",
                ("min(target - left, limit)", "limit"),
            ),
            (
                "half the target",
                "Half the target is uploaded each time. Such a pool never reaches its target.",
                "Compute the gap: target - left.",
                ("min(target - left, limit)", "min(target // 2, limit)"),
            ),
            (
                "the target itself",
                "As many keys as the target were added. The pool then holds more than that.",
                "Keys that are left count: target - left.",
                ("min(target - left, limit)", "min(target, limit)"),
            ),
            (
                "only up to the threshold",
                "The pool is filled to `low` only, and is low again after one message.",
                "Fill it to the target: target - left.",
                ("target - left", "low - left"),
            ),
            (
                "threshold off by one",
                "The pool is refilled with exactly `low` keys left. It is low below that number.",
                "Return 0 when left >= low.",
                ("left >= low", "left > low"),
            ),
            (
                "one key below is not low",
                "With one key below the threshold nothing happens.",
                "Return 0 when left >= low, and in no other case.",
                ("left >= low", "left >= low - 1"),
            ),
            (
                "no threshold",
                "The pool is topped up after every message. Each upload tells that a key was used.",
                "Return 0 while left >= low.",
                (
                    "    if left >= low:\n        return 0\n    return min(target - left, limit)",
                    "    return max(0, min(target - left, limit))",
                ),
            ),
            (
                "only an empty pool",
                "Nothing happens until the pool is empty. People who write meanwhile get no key.",
                "Refill when left is below low.",
                ("left >= low", "left > 0"),
            ),
            (
                "limit forgotten",
                "More keys than one upload may hold. The server refuses all of them.",
                "Return the smaller of target - left and limit.",
                ("min(target - left, limit)", "target - left"),
            ),
            (
                "limit taken from the target",
                "`limit` cut the target. It is the most that one upload may hold, not the most "
                "that the pool may hold.",
                "Cut the amount: min(target - left, limit).",
                ("min(target - left, limit)", "min(target, limit) - left"),
            ),
            (
                "the larger of both",
                "`max` takes the larger number. A limit needs the smaller one.",
                "Use min(target - left, limit).",
                ("min(", "max("),
            ),
            (
                "comparison reversed",
                "A full pool is refilled, and a low one is not.",
                "Return 0 when left >= low.",
                ("left >= low", "left < low"),
            ),
        ),
    ),
)

# prekeys.bundle

_GIVEN = '''
from x3dhlab.primitives import public_key, sign


def encode_key(public):
    """Encode(PK): the byte 05, then the 32 bytes of the key."""
    return b"\\x05" + public
'''

BUNDLE = """
def bundle(identity_private, signed_prekey_id, signed_prekey_private, one_time, nonce):
    signed_prekey = public_key(signed_prekey_private)
    signature = sign(identity_private, encode_key(signed_prekey), nonce=nonce)
    return {
        "identity_key": public_key(identity_private),
        "signed_prekey_id": signed_prekey_id,
        "signed_prekey": signed_prekey,
        "signed_prekey_signature": signature,
        "one_time_prekey_id": one_time["id"] if one_time else None,
        "one_time_prekey": one_time["public"] if one_time else None,
    }
"""


def bundle_cases(seed: int) -> list[Case]:
    """Bundles with a one-time prekey, from an empty pool, and with one-time prekey 0."""
    rng = random.Random(f"prekeys.bundle {seed}")
    cases = [_bundle_case(rng, one_time) for one_time in (True, False, True, False)]
    return [*cases, _bundle_case(rng, True, "with one-time prekey 0")]


def _bundle_case(rng, with_key, zero=""):
    identity, prekey, nonce = rng.randbytes(32), rng.randbytes(32), rng.randbytes(64)
    one_time = {"id": rng.randint(100, 999), "public": public_key(rng.randbytes(32))}
    one_time = one_time | ({"id": 0} if zero else {}) if with_key else None
    number = rng.randint(1, 99)
    labels = {
        "IK_B": public_key(identity),
        "SPK_B": public_key(prekey),
        "the private half of IK_B": identity,
        "the private half of SPK_B": prekey,
        "Encode(SPK_B)": encode_key(public_key(prekey)),
        "Encode(IK_B)": encode_key(public_key(identity)),
        "32 zero bytes": bytes(32),
    }
    about = zero or ("with a one-time prekey" if with_key else "from an empty pool")
    return Case((identity, number, prekey, one_time, nonce), f"a bundle {about}", labels)


def explain_bundle(case: Case, got) -> str:
    """Say whether a wrong signature is good, but made with another nonce."""
    signature = got.get("signed_prekey_signature") if type(got) is dict else None
    identity, _, prekey, _, nonce = case.arguments
    right = sign(identity, encode_key(public_key(prekey)), nonce=nonce)
    if type(signature) is not bytes or signature == right:
        return ""
    try:
        verify(public_key(identity), encode_key(public_key(prekey)), signature)
    except Exception:
        return ""
    return "the signature is good, and was made without the given nonce"


_BUNDLE = Task(
    id="prekeys.bundle",
    lesson="03",
    title="Build the bundle",
    signature=(
        "bundle(identity_private: bytes, signed_prekey_id: int, signed_prekey_private: bytes, "
        "one_time: dict, nonce: bytes) -> dict"
    ),
    statement=(
        "Return what Alice fetches for Bob: a dict with identity_key, signed_prekey_id, "
        "signed_prekey, signed_prekey_signature, one_time_prekey_id and one_time_prekey. All keys "
        "are public halves. The signature is by the identity key over Encode(signed prekey), with "
        "sign(private, message, nonce=nonce). `one_time` is a dict with `id` and `public`, or "
        "None when the pool is empty: then both one-time entries are None."
    ),
    why="Public halves, one signature over exactly 33 bytes, and at most one one-time key.",
    points=3,
    minutes=8,
    section="Lesson 03, “Building the bundle”; X3DH §3.2",
    modules=("primitives",),
    hints=Hints(
        "Two private keys come in. Which of their halves may stand in the result?",
        "public_key(private) gives the public half; IK signs encode_key(SPK), 33 bytes.",
        "signature = sign(identity_private, encode_key(signed_prekey), nonce=nonce)",
    ),
    given=_GIVEN,
    reference=BUNDLE,
    cases=bundle_cases,
    explain=explain_bundle,
    mistakes=(
        generic.nothing_returned("bundle", BUNDLE),
        generic.hex_for_bytes("bundle", BUNDLE),
        generic.changed_argument("bundle", BUNDLE, "arguments[3] and arguments[3].pop('id')"),
        *generic.variants(
            BUNDLE,
            (
                "signature over the raw key",
                "The signature is over the raw 32 bytes. Alice checks it over Encode(SPK_B).",
                "Sign encode_key(signed_prekey), 33 bytes.",
                (
                    "sign(identity_private, encode_key(signed_prekey)",
                    "sign(identity_private, signed_prekey",
                ),
            ),
            (
                "signed by the prekey itself",
                "The signed prekey signs itself. The server could make such a pair too.",
                "The identity key signs: sign(identity_private, …).",
                ("sign(identity_private", "sign(signed_prekey_private"),
            ),
            (
                "signature over the identity key",
                "The identity key signs itself. Nobody vouches for the signed prekey.",
                "The message is encode_key(signed_prekey).",
                ("encode_key(signed_prekey)", "encode_key(public_key(identity_private))"),
            ),
            (
                "signature over the private key",
                "The signature is over the private half. Alice cannot check it, nobody may see it.",
                "Sign the encoded public half: encode_key(signed_prekey).",
                ("encode_key(signed_prekey)", "encode_key(signed_prekey_private)"),
            ),
            (
                "private identity key in the bundle",
                "The bundle holds Bob's private identity key. Whoever fetches it can be Bob.",
                "Put public_key(identity_private) into the bundle.",
                (
                    '"identity_key": public_key(identity_private)',
                    '"identity_key": identity_private',
                ),
            ),
            (
                "private signed prekey in the bundle",
                "The bundle holds the private half of the signed prekey.",
                "Put public_key(signed_prekey_private) into the bundle.",
                ('"signed_prekey": signed_prekey,', '"signed_prekey": signed_prekey_private,'),
            ),
            (
                "both private halves in the bundle",
                "The bundle holds both private keys. The server could read everything.",
                "Only public halves leave the device: public_key(private).",
                (
                    '"identity_key": public_key(identity_private)',
                    '"identity_key": identity_private',
                ),
                ('"signed_prekey": signed_prekey,', '"signed_prekey": signed_prekey_private,'),
            ),
            (
                "encoded keys in the bundle",
                "The signed prekey stands in its encoded form, 33 bytes. The bundle holds 32.",
                "Encode for the signature only.",
                ('"signed_prekey": signed_prekey,', '"signed_prekey": encode_key(signed_prekey),'),
            ),
            (
                "zeros for a missing key",
                "Zeros stand in for a missing one-time key. They look like a key of low order.",
                "With an empty pool, both one-time entries are None.",
                (
                    'one_time["public"] if one_time else None',
                    'one_time["public"] if one_time else bytes(32)',
                ),
            ),
            (
                "no bundle without a one-time key",
                "An empty pool gives no bundle at all. Nobody can then write to Bob.",
                "Build the bundle; only the two one-time entries are None.",
                (
                    "    signed_prekey = ",
                    "    if not one_time:\n        return None\n    signed_prekey = ",
                ),
            ),
            (
                "entries left out",
                "With an empty pool, the two entries are missing. A reader cannot tell an old "
                "format from an empty pool.",
                "Keep both entries, with None.",
                ("    return {", "    result = {"),
                (
                    "    }\n",
                    "    }\n    return {k: v for k, v in result.items() if v is not None}\n",
                ),
            ),
            (
                "one-time key forgotten",
                "The one-time key is never in the bundle, also when there is one.",
                'Take its number and its key from `one_time`: one_time["id"], one_time["public"].',
                ('one_time["id"] if one_time else None', "None"),
                ('one_time["public"] if one_time else None', "None"),
            ),
            (
                "number 0 taken for none",
                "The number 0 counts as no key, because 0 is false in Python.",
                "Test whether `one_time` is None; 0 is a number like any other.",
                (
                    '"one_time_prekey_id": one_time["id"] if one_time else',
                    '"one_time_prekey_id": one_time["id"] if one_time and one_time["id"] else',
                ),
                (
                    'one_time["public"] if one_time else',
                    'one_time["public"] if one_time and one_time["id"] else',
                ),
            ),
            (
                "the whole entry as a key",
                "The one-time entry is the whole dict. Alice expects 32 bytes.",
                'Take the key out of it: one_time["public"].',
                ('one_time["public"] if', "one_time if"),
            ),
            (
                "identity and signed prekey swapped",
                "The identity key and the signed prekey stand in each other's place.",
                "identity_key comes from identity_private.",
                ('"identity_key": public_key(identity_private)', '"identity_key": signed_prekey'),
                (
                    '"signed_prekey": signed_prekey,',
                    '"signed_prekey": public_key(identity_private),',
                ),
            ),
        ),
    ),
)

TASKS = (_MAKE_BATCH, _TAKE_ONE, _REFILL_AMOUNT, _BUNDLE)
