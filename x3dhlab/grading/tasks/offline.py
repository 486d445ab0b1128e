"""Tasks of lesson 01: where each half of a key lives, and what X3DH promises."""

import itertools
import random

from x3dhlab.grading.task import Case, Hints, Mistake, Task
from x3dhlab.grading.tasks import generic

# cast.who_stores

WHO_STORES = """
def who_stores(key):
    gone = key["used"] and key["kind"] in ("OPK", "EK")
    if gone:
        return []
    if key["half"] == "private" or key["kind"] == "EK":
        return ["device"]
    return ["device", "server"]
"""

_OWNERS = ("Alice", "Bob", "Carol", "Dana")


def who_stores_cases(seed: int) -> list[Case]:
    """Every kind, half and age of a key once, in a random order, with random owners."""
    rng = random.Random(f"cast.who_stores {seed}")
    keys = list(itertools.product(("IK", "SPK", "OPK", "EK"), ("private", "public"), (False, True)))
    rng.shuffle(keys)
    return [_key_case(rng, *key) for key in keys]


def _key_case(rng, kind, half, used):
    key = {
        "kind": kind,
        "half": half,
        "used": used,
        "owner": rng.choice(_OWNERS),
        "number": rng.randint(1, 9999),
    }
    return Case((key,), f"a {half} half {'after' if used else 'before'} its handshake")


_WHO_STORES = Task(
    id="cast.who_stores",
    lesson="01",
    title="Where each half of a key lives",
    signature="who_stores(key: dict) -> list",
    statement=(
        "A key has a kind (IK, SPK, OPK or EK), a half (private or public) and `used`: True when "
        "a handshake used it and its first message was read. Return the places that hold it: "
        '[], ["device"] or ["device", "server"]. "device" is its owner\'s phone, "server" the '
        "prekey server. Both halves of an ephemeral key stay off the server: the public one "
        "travels inside the message. Nobody has replaced a key yet."
    ),
    why="Private halves never leave the device, and what is used once is deleted everywhere.",
    points=2,
    minutes=5,
    section="Lesson 01, “Where each half lives”; X3DH §2.4",
    modules=(),
    withheld=True,
    hints=Hints(
        "Ask three questions: is it private? Who must find it while its owner is away? Is it used?",
        "The server keeps what a stranger must fetch. One-time and ephemeral keys end with use.",
        'First: if key["used"] and key["kind"] in ("OPK", "EK"), the list is empty.',
    ),
    reference=WHO_STORES,
    cases=who_stores_cases,
    mistakes=(
        generic.nothing_returned("who_stores", WHO_STORES),
        generic.changed_argument("who_stores", WHO_STORES, "arguments[0].pop('used')"),
        *generic.variants(
            WHO_STORES,
            (
                "private halves at the server",
                "The server holds private halves. Whoever has them can read every message.",
                "A private half stays on its owner's device, whatever its kind.",
                ('key["half"] == "private" or key["kind"]', 'key["kind"]'),
            ),
            (
                "private and public swapped",
                "The halves are swapped: the private one is published, the public one kept.",
                "The server gives out public halves; the private half stays on the device.",
                ('key["half"] == "private"', 'key["half"] == "public"'),
            ),
            (
                "ephemeral key at the server",
                "An ephemeral key is stored at the server. It is made when a message is written.",
                "EK travels inside the first message; nobody has to fetch it beforehand.",
                (' or key["kind"] == "EK"', ""),
            ),
            (
                "one-time key kept after use",
                "A one-time prekey stays after its use. A later thief of the phone finds it.",
                "OPK: the server deletes it when it is handed out, the device after the message.",
                ('in ("OPK", "EK")', 'in ("EK",)'),
            ),
            (
                "ephemeral key kept after use",
                "An ephemeral key stays after the handshake. With it, DH results can be repeated.",
                "Delete EK as soon as the secret is computed.",
                ('in ("OPK", "EK")', 'in ("OPK",)'),
            ),
            (
                "every key used once",
                "Long-lived keys are deleted after one handshake. The next person finds nothing.",
                "IK stays for years and SPK for days or weeks. Only OPK and EK are used once.",
                (' and key["kind"] in ("OPK", "EK")', ""),
            ),
            (
                "nothing is ever deleted",
                "Every key stays for ever, so a thief of the phone can open the past.",
                "Look at `used`: one-time and ephemeral keys end with their handshake.",
                ("if gone:", "if False:"),
            ),
            (
                "signed prekey used once",
                "The signed prekey is deleted after one handshake. It is shared by many.",
                "SPK serves everybody until it is replaced; only OPK and EK are used once.",
                ('in ("OPK", "EK")', 'in ("SPK", "OPK", "EK")'),
            ),
            (
                "public half only at the server",
                "The device has no public halves. It made them, and its identity is one of them.",
                'The owner\'s device keeps both halves: ["device", "server"].',
                ('return ["device", "server"]', 'return ["server"]'),
            ),
            (
                "server before device",
                "The places are right, their order is not.",
                'Return ["device", "server"], in this order.',
                ('return ["device", "server"]', 'return ["server", "device"]'),
            ),
            (
                "text for a list",
                "The place is a text. The task asks for a list of places.",
                'Return ["device"], with brackets.',
                ('return ["device"]\n', 'return "device"\n'),
            ),
        ),
        Mistake(
            "used key left at the server",
            WHO_STORES.replace(
                "        return []", '        return ["server"] if key["half"] == "public" else []'
            ),
            "The server keeps the public half of a used key, and would hand it out again.",
            "A one-time prekey is given out once; an ephemeral key was never there.",
        ),
    ),
)

# goal.properties

PROPERTIES = """
def properties(scenario):
    starts = scenario["method"] == "X3DH" or scenario["bob_online"]
    swapped = starts and scenario["server"] == "swaps keys"
    agreed = starts and not swapped
    kept = scenario["method"] == "X3DH" and not scenario["one_time_prekey"]
    return {
        "agreed": agreed,
        "server_reads": swapped and not scenario["compared"],
        "name_proven": agreed and scenario["compared"],
        "thief_reads": agreed and scenario["stolen_later"] and kept,
    }
"""


_CAUSES = {
    "agreed": "ask whether the method starts, and whose public key each of the two got",
    "server_reads": "it reads what is written to its own keys, unless a comparison stopped Alice",
    "name_proven": "it takes a secret with Bob and a comparison, both",
    "thief_reads": "he needs a private key that is still on the phone, and a secret with Bob",
}


def explain_properties(case: Case, got) -> str:
    """For each wrong entry, what to ask."""
    space: dict = {}
    exec(PROPERTIES, space)
    right = space["properties"](*case.arguments)
    if type(got) is not dict:
        return ""
    wrong = [name for name in right if name in got and got[name] is not right[name]]
    return "; ".join(f"{name}: {_CAUSES[name]}" for name in wrong)


def properties_cases(seed: int) -> list[Case]:
    """Every scenario that makes sense, in a random order."""
    rng = random.Random(f"goal.properties {seed}")
    cases = [_scenario(*choice) for choice in itertools.product((False, True), repeat=6)]
    cases = [case for case in cases if case is not None]
    rng.shuffle(cases)
    return cases


def _scenario(x3dh, bob_online, swaps, compared, one_time, stolen):
    """Plain Diffie-Hellman has no prekeys; the theft is asked about for honest servers only."""
    if (one_time and not x3dh) or (stolen and swaps):
        return None
    scenario = {
        "method": "X3DH" if x3dh else "plain DH",
        "bob_online": bob_online,
        "server": "swaps keys" if swaps else "honest",
        "compared": compared,
        "one_time_prekey": one_time,
        "stolen_later": stolen,
    }
    method = scenario["method"]
    about = f"{method}, a server that swaps keys" if swaps else f"{method}, an honest server"
    return Case((scenario,), about + (", a theft later" if stolen else ""))


_PROPERTIES = Task(
    id="goal.properties",
    lesson="01",
    title="What X3DH promises, and what it does not",
    signature="properties(scenario: dict) -> dict",
    statement=(
        'A scenario has `method` ("X3DH", or "plain DH": both make fresh keys, exchange them live '
        'through the server, and delete them after use), `bob_online`, `server` ("honest", or '
        '"swaps keys": it always hands out its own keys in place of Bob\'s), `compared` (by '
        "another way they compare keys: the identity keys of X3DH, the fresh keys of plain DH; if "
        "the keys differ, Alice writes nothing), `one_time_prekey` (X3DH used one) and "
        "`stolen_later` (a thief takes every private key on Bob's phone after he read Alice's "
        "first message). X3DH starts also while Bob is offline. Plain DH then does not start: no "
        "key is handed out, no secret exists, and Alice writes nothing. Return four booleans: "
        "`agreed` (Alice and Bob share a secret), `server_reads` (what Alice writes), "
        "`name_proven` (Alice shares a secret with Bob, and knows that the key is his) and "
        "`thief_reads` (Alice's first message, from a recording)."
    ),
    why="X3DH needs nobody online; names need a comparison, and full deletion a one-time key.",
    points=3,
    minutes=8,
    section="Lesson 01, “What X3DH promises”; X3DH §4",
    modules=(),
    withheld=True,
    hints=Hints(
        "Answer `agreed` first: can it start at all, and with whom?",
        "Keys are proven, not names. A thief finds only the private keys that still exist.",
        'starts = scenario["method"] == "X3DH" or scenario["bob_online"]',
    ),
    reference=PROPERTIES,
    cases=properties_cases,
    explain=explain_properties,
    mistakes=(
        generic.nothing_returned("properties", PROPERTIES),
        generic.changed_argument("properties", PROPERTIES, "arguments[0].clear()"),
        *generic.variants(
            PROPERTIES,
            (
                "plain DH with an absent person",
                "Plain Diffie-Hellman starts although Bob is away. Nobody answers with his half.",
                "Without prekeys at a server, both must be online.",
                ('scenario["method"] == "X3DH" or scenario["bob_online"]', "True"),
            ),
            (
                "the server answers for an absent person",
                "The server reads although plain DH never started. Bob is offline.",
                "Ask first whether the method starts; without a start, nothing is written.",
                (
                    '"server_reads": swapped and',
                    '"server_reads": scenario["server"] == "swaps keys" and',
                ),
            ),
            (
                "comparing is useless with plain DH",
                "A comparison counts for X3DH only. Fresh keys can be compared as well.",
                "With plain DH too, a comparison finds a swapped key, or proves whose key it is.",
                (
                    "    return {\n",
                    '    compared = scenario["method"] == "X3DH" and scenario["compared"]\n'
                    "    return {\n",
                ),
                ('swapped and not scenario["compared"]', "swapped and not compared"),
                ('agreed and scenario["compared"]', "agreed and compared"),
            ),
            (
                "useless comparison, absent person",
                "Two things about plain DH: a comparison helps there too, and with Bob offline "
                "nothing starts, so nobody can read.",
                "Ask whether the method starts, then use `compared` for both methods alike.",
                (
                    "    return {\n",
                    '    compared = scenario["method"] == "X3DH" and scenario["compared"]\n'
                    "    return {\n",
                ),
                (
                    'swapped and not scenario["compared"]',
                    'scenario["server"] == "swaps keys" and not compared',
                ),
                ('agreed and scenario["compared"]', "agreed and compared"),
            ),
            (
                "X3DH with both online",
                "X3DH starts only when Bob is online. Its whole point is that he need not be.",
                "Bob's prekeys wait at the server, so X3DH always starts.",
                ('scenario["method"] == "X3DH" or ', ""),
            ),
            (
                "the server always reads",
                "The server reads whatever it carries. It sees public keys and ciphertext only.",
                "It reads only when it put in its own keys and nobody noticed.",
                ('"server_reads": swapped and not scenario["compared"]', '"server_reads": starts'),
            ),
            (
                "the server never reads",
                "The server cannot read even when it swapped the keys. Encrypted to whom?",
                "With swapped keys, Alice shares her secret with the server.",
                (
                    '"server_reads": swapped and not scenario["compared"]',
                    '"server_reads": False',
                ),
            ),
            (
                "a comparison that does not help",
                "A server that swaps keys reads although Alice and Bob compared them.",
                "The comparison shows two different keys, and Alice writes nothing.",
                (' and not scenario["compared"],', ","),
            ),
            (
                "a key proves a name",
                "Alice knows the name without a comparison. A key says nothing about a person.",
                "Only a comparison of identity keys by another way ties the key to Bob.",
                ('"name_proven": agreed and scenario["compared"]', '"name_proven": agreed'),
            ),
            (
                "a comparison that always succeeds",
                "The name is proven because they compared, whatever they saw.",
                "With swapped keys the comparison fails; it proves a name only when they agreed.",
                ('agreed and scenario["compared"]', 'scenario["compared"]'),
            ),
            (
                "agreed with the server",
                "Alice and Bob share a secret although the server swapped the keys.",
                "With swapped keys, each of them shares a secret with the server.",
                ("agreed = starts and not swapped", "agreed = starts"),
            ),
            (
                "a theft always opens the past",
                "The thief reads the past although the key for it was deleted.",
                "A used one-time prekey is gone, and so are the fresh keys of plain DH.",
                (" and kept", ""),
            ),
            (
                "the past is always safe",
                "The thief never reads the past. Without one-time prekey, nothing was deleted.",
                "Without OPK, the identity and signed prekeys are enough, and both still exist.",
                (
                    'agreed and scenario["stolen_later"] and kept',
                    "False",
                ),
            ),
            (
                "one-time prekey read the wrong way",
                "The theft opens the past when a one-time prekey was used, and not without one.",
                "The one-time prekey protects: it is deleted after use.",
                ('and not scenario["one_time_prekey"]', 'and scenario["one_time_prekey"]'),
            ),
            (
                "plain DH keeps its keys",
                "The thief also reads what plain DH protected. Its keys were fresh and deleted.",
                "With plain DH nothing stays on the phone that could open the past.",
                ('kept = scenario["method"] == "X3DH" and not', "kept = not"),
            ),
        ),
    ),
)

TASKS = (_WHO_STORES, _PROPERTIES)
