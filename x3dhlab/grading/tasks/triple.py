"""Tasks of lesson 12: header keys tried in turn, the key of both ratchets, chunks that are missing.

Headers have the package's bytes, so an answer can open what the package wrote.
"""

import hmac
import random

from x3dhlab.grading.task import Case, Hints, Task
from x3dhlab.grading.tasks import generic
from x3dhlab.primitives import hkdf, seal

# header.trial_decrypt

GIVEN_OPEN = """
from x3dhlab.errors import DecryptionFailed
from x3dhlab.primitives import open_sealed

def open_header(header_key, message):
    \"\"\"The header as a dict with DH, PN and N, or None under a wrong key.\"\"\"
    try:
        data = open_sealed(header_key, message["header"], b"", nonce=message["nonce"])
    except DecryptionFailed:
        return None
    PN, N = int.from_bytes(data[33:37], "big"), int.from_bytes(data[37:], "big")
    return {"DH": data[1:33], "PN": PN, "N": N}
"""
TRIAL = """
def trial_decrypt(state, message):
    for header_key, number in state["skipped"]:
        header = open_header(header_key, message)
        if header is not None and header["N"] == number:
            return ["skipped", header]
    for kind, name in (("current", "HKr"), ("next", "NHKr")):
        if state[name] is not None:
            header = open_header(state[name], message)
            if header is not None:
                return [kind, header]
    raise DecryptionFailed("no header key opens this header")
"""
_SKIPPED = 'header is not None and header["N"] == number'
_KINDS = '(("current", "HKr"), ("next", "NHKr"))'
_LOOP = """    for header_key, number in state["skipped"]:
        header = open_header(header_key, message)
        if header is not None and header["N"] == number:
            return ["skipped", header]
"""


def _header_state(rng, skipped=(), first=False):
    keys = {name: rng.randbytes(32) for name in ("HKs", "HKr", "NHKs", "NHKr", "old")}
    state = {name: keys[name] for name in ("HKs", "HKr", "NHKs", "NHKr")}
    if first:
        state |= {"HKs": None, "HKr": None}
    state["skipped"] = [[keys[name], number] for name, number in skipped]
    return state, keys


def _hidden(rng, key, number):
    PN = rng.randint(1, 30)
    data = b"\x05" + rng.randbytes(32) + PN.to_bytes(4, "big") + number.to_bytes(4, "big")
    nonce = rng.randbytes(16)
    return {"nonce": nonce, "header": seal(key, data, b"", nonce=nonce)}


def trial_cases(seed: int) -> list[Case]:
    """The current chain, a turn, late messages of two chains, Bob's first message, a stranger."""
    rng = random.Random(f"header.trial_decrypt {seed}")
    late = (("old", 3), ("old", 5), ("HKr", 2))
    rows = [
        ("a message of the current chain", (), False, "HKr", 4),
        ("the first message of a new chain", (), False, "NHKr", 0),
        ("a late message of an older chain", late, False, "old", 5),
        ("the first of the late messages", late, False, "old", 3),
        ("a late message of the current chain", late, False, "HKr", 2),
        ("the current chain goes on, with keys of it skipped", late, False, "HKr", 6),
        ("a turn, with skipped keys", late, False, "NHKr", 1),
        ("the very first message: there is no current key", (), True, "NHKr", 0),
        ("no key of this state fits", late, False, None, 1),
        ("the phone's own message comes back", (), False, "HKs", 1),
        ("a message under the next key for sending", (), False, "NHKs", 0),
    ]
    cases = []
    for about, skipped, first, name, number in rows:
        state, keys = _header_state(rng, skipped, first)
        key = rng.randbytes(32) if name is None else keys[name]
        cases.append(Case((state, _hidden(rng, key, number)), about))
    return cases


_TRIAL = Task(
    id="header.trial_decrypt",
    lesson="12",
    title="Which header key opens it?",
    signature="trial_decrypt(state: dict, message: dict) -> list",
    statement=(
        "`state` has HKs, HKr, NHKs, NHKr (32 bytes, or None) and skipped, a list of pairs [header "
        "key, number]. `message` has nonce and header. Return [kind, header]: kind is 'skipped' "
        "when a skipped key opens the header and the header's N is the pair's number, 'current' "
        "for HKr, 'next' for NHKr; try in this order. Raise DecryptionFailed when none fits. "
        "open_header(header_key, message) is given: a dict with DH, PN and N, or None."
    ),
    why="No label says which chain a hidden header belongs to. The key that opens it says so.",
    points=3,
    minutes=9,
    section="Lesson 12, “Which key opens it”; Double Ratchet §4.6",
    modules=("primitives", "errors"),
    given=GIVEN_OPEN,
    hints=Hints(
        "The skipped keys are tried already. Which two keys remain, and may one of them be None?",
        "A skipped header key opens every message of its chain. The number decides.",
        'for kind, name in (("current", "HKr"), ("next", "NHKr")): …',
    ),
    reference=TRIAL,
    cases=trial_cases,
    mistakes=(
        generic.nothing_returned("trial_decrypt", TRIAL),
        generic.hex_for_bytes("trial_decrypt", TRIAL),
        generic.changed_argument("trial_decrypt", TRIAL, "arguments[0]['skipped'].clear()"),
        *generic.variants(
            TRIAL,
            (
                "the number is not looked at",
                "A skipped header key opened the header, and its number was not compared. The same "
                "key opens every message of that chain.",
                'Go on with the next pair unless header["N"] == number.',
                (_SKIPPED, "header is not None"),
            ),
            (
                "only the first skipped pair",
                "Only the first of the skipped pairs is tried.",
                'Try every pair of state["skipped"].',
                ('in state["skipped"]:', 'in state["skipped"][:1]:'),
            ),
            (
                "no skipped keys",
                "Skipped keys are never tried, so a late message of an older chain is lost.",
                'First try the pairs of state["skipped"].',
                (_LOOP, ""),
            ),
            (
                "no turn",
                "NHKr is never tried. The first message after a turn cannot be read.",
                'After HKr, try NHKr: ("next", "NHKr").',
                (', ("next", "NHKr"))', ",)"),
            ),
            (
                "no current chain",
                "HKr is never tried.",
                'Before NHKr, try HKr: ("current", "HKr").',
                ('(("current", "HKr"), ', "("),
                ('"NHKr"))', '"NHKr"),)'),
            ),
            (
                "keys for sending",
                "HKs and NHKs are the keys of this phone's own headers. The peer's headers open "
                "with HKr and NHKr.",
                "Use the two keys that end in r.",
                (_KINDS, '(("current", "HKs"), ("next", "NHKs"))'),
            ),
            (
                "every key that it has",
                "All four keys are tried. A phone then reads its own headers when they come back.",
                "Try HKr and NHKr only.",
                (
                    _KINDS,
                    '(("current", "HKr"), ("next", "NHKr"), ("current", "HKs"), ("next", "NHKs"))',
                ),
            ),
            (
                "current and next exchanged",
                "The two words are exchanged: a turn is made when there is none.",
                "HKr means 'current', NHKr means 'next'.",
                (_KINDS, '(("next", "HKr"), ("current", "NHKr"))'),
            ),
            (
                "None tried as a key",
                "HKr is None until the first message was read, and None is no key.",
                "Skip a key that is None.",
                ("if state[name] is not None:", "if True:"),
            ),
            (
                "gives up at None",
                "The search ends when HKr is None. Bob never reads the first message.",
                "A key that is None is skipped; the next one is still tried.",
                (
                    "        if state[name] is not None:\n",
                    "        if state[name] is None:\n            break\n        else:\n",
                ),
            ),
            (
                "the failure as a value",
                "Nothing fits, and the function returns None. The caller cannot tell it from a "
                "header that was forgotten.",
                "Raise DecryptionFailed at the end.",
                ('raise DecryptionFailed("no header key opens this header")', "return None"),
            ),
            (
                "stops at the first pair that opens",
                "The first skipped key that opens the header ends the search, although its number "
                "is another one.",
                "Go on: another pair, or HKr, may still fit.",
                (
                    f"        if {_SKIPPED}:\n            return",
                    "        if header is not None:\n            if header['N'] != number:\n"
                    "                break\n            return",
                ),
            ),
            (
                "the header alone",
                "The header came back without its kind.",
                "Return a list of two: the kind and the header.",
                ('return ["skipped", header]', "return header"),
                ("return [kind, header]", "return header"),
            ),
        ),
    ),
)

# triple.message_key

TRIPLE = """
from x3dhlab.primitives import hkdf, hmac_sha256

def triple_message_key(ec_chain, pq_chain, counter, chain_info, hybrid_info):
    ec_key = hmac_sha256(ec_chain, b"\\x01")
    ec_chain = hmac_sha256(ec_chain, b"\\x02")
    info = chain_info + counter.to_bytes(4, "big")
    both = hkdf(pq_chain, salt=bytes(32), info=info, length=64)
    pq_chain, pq_key = both[:32], both[32:]
    key = hkdf(ec_key, salt=pq_key, info=hybrid_info, length=32)
    return [ec_chain, pq_chain, key]
"""
_HYBRID = "hkdf(ec_key, salt=pq_key, info=hybrid_info, length=32)"
_BYTES = 'counter.to_bytes(4, "big")'


def triple_cases(seed: int) -> list[Case]:
    """Counters from 1 on, also above 255, with the labels of several programs."""
    rng = random.Random(f"triple.message_key {seed}")
    rows = [
        (1, "the first message of an epoch"),
        (2, "the second message"),
        (rng.randint(20, 200), "a message further on"),
        (rng.randint(300, 60_000), "a counter above 255"),
    ]
    cases = []
    for counter, about in rows:
        app = b"App " + rng.randbytes(3).hex().encode()
        chains = rng.randbytes(32), rng.randbytes(32)
        cases.append(Case((*chains, counter, app + b" chain", app + b" message key"), about))
    return cases


def explain_triple(case: Case, got) -> str:
    """Say which of the three values is right, and what a wrong third one was made of."""
    if type(got) is not list or len(got) != 3 or any(type(part) is not bytes for part in got):
        return ""
    ec_chain, pq_chain, counter, chain_info, hybrid_info = case.arguments
    ec_key = hmac.digest(ec_chain, b"\x01", "sha256")
    info = chain_info + counter.to_bytes(4, "big")
    both = hkdf(pq_chain, salt=bytes(32), info=info, length=64)
    swapped = hkdf(both[32:], salt=ec_key, info=hybrid_info, length=32)
    known = {ec_key: "EC message key", both[32:]: "PQ message key", both[:32]: "next PQ chain key"}
    if got[2] == swapped:
        return "the third value has the two keys exchanged: salt and input"
    if got[2] in known:
        return f"the third value is the {known[got[2]]} itself"
    if got[1] != both[:32]:
        return "the second value, the next PQ chain key, is wrong already"
    return "the chains are right, the message key is not" if got[1] == both[:32] else ""


_TRIPLE = Task(
    id="triple.message_key",
    lesson="12",
    title="One key from two ratchets",
    signature=(
        "triple_message_key(ec_chain: bytes, pq_chain: bytes, counter: int, chain_info: bytes, "
        "hybrid_info: bytes) -> list"
    ),
    statement=(
        "`ec_chain` is the chain key of the Double Ratchet: step it as in lesson 09, 01 for the "
        "message key and 02 for the next chain key. `pq_chain` is the chain key of the quantum "
        "ratchet: 64 bytes of HKDF with 32 zero bytes as salt; the info is `chain_info`, then "
        "`counter` in 4 bytes, highest first. They are the next chain key, then the message key. "
        "The key of the message is HKDF with the EC key as input, the PQ key as salt and "
        "`hybrid_info`, 32 bytes. Return [next EC chain key, next PQ chain key, key]."
    ),
    why="Who breaks one of the two ratchets has one input of a KDF, and no key.",
    points=3,
    minutes=10,
    section="Lesson 12, “One key from two”; Double Ratchet §6",
    modules=("primitives",),
    hints=Hints(
        "Three derivations: an EC step, a PQ step, and one that joins the two message keys.",
        "Each chain gives a key that stays and a key that is used. Only used keys are joined.",
        "key = hkdf(ec_key, salt=pq_key, info=hybrid_info, length=32)",
    ),
    reference=TRIPLE,
    cases=triple_cases,
    explain=explain_triple,
    mistakes=(
        generic.nothing_returned("triple_message_key", TRIPLE),
        generic.hex_for_bytes("triple_message_key", TRIPLE),
        *generic.variants(
            TRIPLE,
            (
                "salt and input exchanged",
                "The PQ key is the input and the EC key the salt. Two copies of your program "
                "agree, and nobody else does.",
                "hkdf(ec_key, salt=pq_key, …)",
                (_HYBRID, "hkdf(pq_key, salt=ec_key, info=hybrid_info, length=32)"),
            ),
            (
                "the EC key alone",
                "The PQ key does not enter: a quantum computer is enough to read.",
                "Join both keys with HKDF.",
                (_HYBRID, "ec_key"),
            ),
            (
                "the PQ key alone",
                "The EC key does not enter: a fault found in the KEM is enough to read.",
                "Join both keys with HKDF.",
                (_HYBRID, "pq_key"),
            ),
            (
                "zero salt at the end",
                "HKDF at the end has no salt, so the PQ key does not enter.",
                "The PQ key is the salt of the last HKDF.",
                (_HYBRID, "hkdf(ec_key, salt=bytes(32), info=hybrid_info, length=32)"),
            ),
            (
                "XOR",
                "The two keys are joined with XOR. Who chooses one of them can then choose the "
                "result.",
                "Join them with HKDF.",
                (_HYBRID, "bytes(a ^ b for a, b in zip(ec_key, pq_key))"),
            ),
            (
                "one behind the other",
                "Both keys are the input of HKDF, one behind the other. The specification makes "
                "one of them the salt.",
                "hkdf(ec_key, salt=pq_key, …)",
                (_HYBRID, "hkdf(ec_key + pq_key, salt=bytes(32), info=hybrid_info, length=32)"),
            ),
            (
                "chain keys joined",
                "The next chain keys are joined. They stay in the phone, so a thief finds what "
                "opens the message.",
                "Join the two message keys.",
                (_HYBRID, "hkdf(ec_chain, salt=pq_chain, info=hybrid_info, length=32)"),
            ),
            (
                "lowest byte first",
                "The counter is written with its lowest byte first. Another program writes it the "
                "other way, and both look right alone.",
                'counter.to_bytes(4, "big")',
                (_BYTES, 'counter.to_bytes(4, "little")'),
            ),
            (
                "counted from 0",
                "The counter is one too small. It counts from 1 here, and comes as an argument.",
                "Use `counter` as it is.",
                (_BYTES, '(counter - 1).to_bytes(4, "big")'),
            ),
            (
                "a counter of eight bytes",
                "The counter has eight bytes.",
                'counter.to_bytes(4, "big")',
                (_BYTES, 'counter.to_bytes(8, "big")'),
            ),
            (
                "digits for bytes",
                "The counter is written in digits.",
                'counter.to_bytes(4, "big")',
                (_BYTES, "str(counter).encode()"),
            ),
            (
                "no counter",
                "The counter is left out of the info.",
                "info = chain_info, then the counter.",
                (f" + {_BYTES}", ""),
            ),
            (
                "the halves exchanged",
                "The first 32 bytes are taken as the message key. They are the next chain key.",
                "Next chain key first, then message key.",
                ("both[:32], both[32:]", "both[32:], both[:32]"),
            ),
            (
                "the old chains returned",
                "The chains come back as they were. The next message gets the same EC key again.",
                "Return the two next chain keys.",
                ("return [ec_chain, pq_chain, key]", "return [old_ec, old_pq, key]"),
                (
                    '    ec_key = hmac_sha256(ec_chain, b"\\x01")',
                    "    old_ec, old_pq = ec_chain, pq_chain\n"
                    '    ec_key = hmac_sha256(ec_chain, b"\\x01")',
                ),
            ),
            (
                "the constants exchanged",
                "01 and 02 are exchanged in the EC chain.",
                "01 gives the message key, 02 the next chain key.",
                ('b"\\x01"', 'b"zz"'),
                ('b"\\x02"', 'b"\\x01"'),
                ('b"zz"', 'b"\\x02"'),
            ),
            (
                "the key alone",
                "Only the message key came back.",
                "Return a list of three: both chains, then the key.",
                ("return [ec_chain, pq_chain, key]", "return key"),
            ),
        ),
    ),
)

# braid.chunks_needed

CHUNKS = """
def chunks_needed(lengths, epoch, arrived):
    missing = {}
    for part, length in lengths.items():
        numbers = {n for when, name, n in arrived if when == epoch and name == part}
        missing[part] = max(0, -(-length // 32) - len(numbers))
    return missing
"""
_NUMBERS = "{n for when, name, n in arrived if when == epoch and name == part}"
_COUNT = "max(0, -(-length // 32) - len(numbers))"
LENGTHS = {"header": 96, "ek": 1152, "ct1": 960, "ct2": 160}


def chunks_cases(seed: int) -> list[Case]:
    """Nothing, single chunks, copies, late epochs, parts that are complete, odd lengths."""
    rng = random.Random(f"braid.chunks_needed {seed}")
    epoch = rng.randint(2, 9)

    def some(part, count, when=epoch):
        return [[when, part, n] for n in rng.sample(range(256), count)]

    three = some("header", 3)
    copies = some("ct1", 7)
    odd = {"ct1": 768, "letter": 33 + rng.randrange(20), "note": 1}
    rows = [
        ("nothing arrived", LENGTHS, []),
        ("a few chunks of two parts", LENGTHS, some("ek", 5) + some("ct1", 2)),
        ("chunks that arrived twice", LENGTHS, copies + copies[:4]),
        ("chunks with high numbers only", LENGTHS, [[epoch, "ek", n] for n in range(200, 236)]),
        ("late chunks of the epoch before", LENGTHS, some("ek", 6) + some("ek", 9, epoch - 1)),
        ("more chunks than a part needs", LENGTHS, three + some("header", 9) + some("ct2", 8)),
        ("lengths that no chunk divides", odd, some("letter", 1) + some("ct1", 3)),
    ]
    cases = []
    for about, lengths, arrived in rows:
        arrived = list(arrived)
        rng.shuffle(arrived)
        cases.append(Case((dict(lengths), epoch, arrived), about))
    return cases


_CHUNKS = Task(
    id="braid.chunks_needed",
    lesson="12",
    title="How many chunks are missing?",
    signature="chunks_needed(lengths: dict, epoch: int, arrived: list) -> dict",
    statement=(
        "`lengths` has the length of each part in bytes; a chunk has 32 bytes. `arrived` has "
        "[epoch, part, number] for each chunk that came, in any order; some came twice, some are "
        "of other epochs. Return a dict: for each part of `lengths`, how many more different "
        "chunks of `epoch` are needed until it can be put together; 0 when it can be."
    ),
    why="Any sufficient subset is enough, so a receiver counts; it never asks for one chunk again.",
    points=3,
    minutes=9,
    section="Lesson 12, “More chunks than blocks”; ML-KEM Braid §2",
    modules=(),
    hints=Hints(
        "How many blocks of 32 bytes does 1,152 have, and how many does 33 have?",
        "What counts are different numbers of the right part in the right epoch.",
        "numbers = {n for when, name, n in arrived if when == epoch and name == part}",
    ),
    reference=CHUNKS,
    cases=chunks_cases,
    mistakes=(
        generic.nothing_returned("chunks_needed", CHUNKS),
        generic.changed_argument("chunks_needed", CHUNKS, "arguments[2].append([0, '', 0])"),
        *generic.variants(
            CHUNKS,
            (
                "copies counted",
                "A chunk that came twice is counted twice. It says nothing new.",
                "Count different numbers: use a set.",
                (_NUMBERS, _NUMBERS.replace("{", "[").replace("}", "]")),
            ),
            (
                "every epoch",
                "Chunks of other epochs are counted. They belong to another key.",
                "Count a chunk only when its epoch is `epoch`.",
                ("when == epoch and ", ""),
            ),
            (
                "every part",
                "Chunks of other parts are counted.",
                "Count a chunk only for the part that it names.",
                (" and name == part", ""),
            ),
            (
                "only the first blocks",
                "Only the numbers of the plain blocks are counted. Every chunk helps, whatever "
                "its number.",
                "Count all different numbers.",
                (
                    "when == epoch and name == part",
                    "when == epoch and name == part and n < -(-length // 32)",
                ),
            ),
            (
                "rounded down",
                "The length is divided by 32 and rounded down. The last bytes are in a block too.",
                "Round up: -(-length // 32).",
                ("-(-length // 32)", "length // 32"),
            ),
            (
                "always one more",
                "One block too many when 32 divides the length.",
                "Round up: -(-length // 32).",
                ("-(-length // 32)", "(length // 32 + 1)"),
            ),
            (
                "below zero",
                "More chunks than needed give a negative number.",
                "Not less than 0: max(0, …).",
                (_COUNT, "-(-length // 32) - len(numbers)"),
            ),
            (
                "one spare chunk",
                "One chunk more than needed is asked for. Any 36 give 36 blocks back.",
                "As many chunks as blocks, no more.",
                ("-(-length // 32) -", "-(-length // 32) + 1 -"),
            ),
            (
                "bytes for chunks",
                "The result counts bytes.",
                "Divide by 32 first, and count chunks.",
                (_COUNT, "max(0, length - 32 * len(numbers))"),
            ),
            (
                "chunks that arrived",
                "The result says how many are here, not how many are missing.",
                "Needed minus arrived.",
                (_COUNT, "len(numbers)"),
            ),
            (
                "all that are needed",
                "The result ignores what arrived.",
                "Take away the number of different chunks that are here.",
                (_COUNT, "-(-length // 32)"),
            ),
            (
                "complete parts left out",
                "Parts with nothing missing are not in the dict.",
                "Every part of `lengths` is a key; a complete one has 0.",
                ("    return missing", "    return {p: n for p, n in missing.items() if n}"),
            ),
            (
                "one sum",
                "The numbers of all parts are added up.",
                "Return a dict with one number for each part.",
                ("    return missing", "    return sum(missing.values())"),
            ),
        ),
    ),
)

TASKS = (_TRIAL, _TRIPLE, _CHUNKS)
