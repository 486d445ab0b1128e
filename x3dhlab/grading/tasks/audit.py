"""Tasks of lesson 16: judge a design's promises, and produce inputs on which claims fail."""

import random

from x3dhlab.attacks import binding, claimed, low_order
from x3dhlab.errors import Refused
from x3dhlab.grading.task import Case, Hints, Mistake, Task, Witness
from x3dhlab.grading.tasks import generic
from x3dhlab.primitives import hkdf, hmac_sha256, seal
from x3dhlab.x3dh import F

NOTHING = "Nothing was returned."

# audit.verdicts

OPPOSITES = """
OPPOSITES = {
    "deniable": "provable", "provable": "deniable",
    "late": "never stored", "never stored": "late",
    "reads nothing": "any phone", "any phone": "reads nothing",
}


def simple(design):
    return {  # the promises that hang on one decision
        "any phone": design["state"] == "server",
        "deniable": not design["signs"],
        "provable": design["signs"],
        "late": design["keeps_skipped"],
        "never stored": not design["keeps_skipped"],
    }
"""

VERDICTS = """
def verdicts(design):
    holds = simple(design)
    one_each = design["one_time"] == "every" and design["deletes"]
    holds["reads nothing"] = design["compares_keys"] and design["state"] == "phone"
    holds["once"] = one_each or design["record"] == "key"
    holds["closed"] = one_each
    found = {}
    for promise in design["promises"]:
        if OPPOSITES.get(promise) in design["promises"]:
            found[promise] = "contradicts"
        else:
            found[promise] = "holds" if holds[promise] else "fails"
    return found
"""

_SOUND = {
    "compares_keys": True,
    "checks_signature": True,
    "one_time": "every",
    "deletes": True,
    "record": "key",
    "state": "phone",
    "signs": False,
    "keeps_skipped": True,
}
_ALONE = ("reads nothing", "once", "closed", "deniable", "late")


def verdicts_cases(seed: int) -> list[Case]:
    """A sound design, designs with one or two other decisions, and promises that exclude others."""
    rng = random.Random(f"audit.verdicts {seed}")
    rows = [
        ("a sound design", {}, _ALONE),
        ("keys are not compared", {"compares_keys": False}, _ALONE),
        ("signatures are not checked", {"checks_signature": False}, _ALONE),
        ("the state is on the server", {"state": "server"}, _ALONE),
        ("the server helps any phone", {"state": "server"}, ("any phone", "once")),
        ("one-time keys while they last", {"one_time": "while they last"}, _ALONE),
        ("while they last, a raw record", {"one_time": "while they last", "record": "raw"}, _ALONE),
        ("no one-time keys, no record", {"one_time": "none", "record": "none"}, _ALONE),
        ("used keys are kept, no record", {"deletes": False, "record": "none"}, _ALONE),
        ("no record", {"record": "none"}, _ALONE),
        ("messages are signed", {"signs": True}, ("deniable", "closed")),
        ("a proof is promised", {"signs": rng.random() < 0.5}, ("provable", "late")),
        ("skipped keys are dropped", {"keeps_skipped": False}, ("never stored", "once")),
        ("skipped keys are kept", {}, ("never stored", "deniable")),
        ("two opposites", {"signs": rng.random() < 0.5}, ("deniable", "once", "provable")),
        ("four opposites", {}, ("late", "reads nothing", "never stored", "any phone")),
    ]
    return [_design(rng, *row) for row in rows]


def _design(rng, about, changes, promises):
    promised = rng.sample(promises, len(promises))
    return Case(({**_SOUND, **changes, "promises": promised},), about)


_VERDICTS = Task(
    id="audit.verdicts",
    lesson="16",
    title="A design on one page",
    signature="verdicts(design: dict) -> dict",
    statement=(
        "`design` is a design on one page: eight decisions and a list of promises. Return a dict: "
        'for each promise of the list "holds", "fails" or "contradicts". A promise contradicts '
        "when the design promises its opposite too, whatever was decided; `OPPOSITES` has the "
        "pairs. Otherwise the decisions say whether it holds. `simple` judges the five promises "
        "that hang on one decision."
    ),
    why="A promise is judged by the decision that carries it. `checks_signature` carries none of "
    "these: no key is stolen, so DH2 with the compared identity key stays closed. A design is "
    "judged promise by promise, and against itself.",
    points=3,
    minutes=9,
    section="Lesson 16, “A design on one page”",
    modules=(),
    hints=Hints(
        "For each promise: which attack would break it, and which decision stops that attack?",
        "A signature under a wrong identity key fits; under a compared one, DH2 is closed without "
        "it while no key is stolen. A one-time key that may be missing or kept "
        "stops nothing for sure. A record of raw bytes does not know the same key in other bytes.",
        '"once" holds with a record of keys, or if every message uses up a one-time key. "closed" '
        "needs the one-time keys: a record closes no recording.",
    ),
    reference=VERDICTS,
    cases=verdicts_cases,
    given=OPPOSITES,
    started=1,
    mistakes=(
        generic.nothing_returned("verdicts", VERDICTS),
        generic.changed_argument("verdicts", VERDICTS, "arguments[0]['promises'].clear()"),
        *generic.variants(
            VERDICTS,
            (
                "a signature for a comparison",
                "The signature is taken for the proof of identity. A server that exchanges all "
                "keys signs too.",
                '"reads nothing" needs people who compare their keys.',
                ('design["compares_keys"] and', 'design["checks_signature"] and'),
            ),
            (
                "a signature beside the comparison",
                "The signature was asked for too. Unchecked, the server forges the signed prekey, "
                "and still lacks DH2 with the compared identity key: no key is stolen here.",
                'Leave `checks_signature` out of "reads nothing". It counts when IK_B is stolen '
                "later.",
                (
                    'design["compares_keys"] and',
                    'design["compares_keys"] and design["checks_signature"] and',
                ),
            ),
            (
                "the state forgotten",
                "Keys are compared, and the server has the ratchet's state: it reads along.",
                "Look at `state` as well.",
                (' and design["state"] == "phone"', ""),
            ),
            (
                "a raw record is enough",
                "The record has the bytes of EK_A. The same key in other bytes is not in it.",
                'Only the record "key" stops a message that was written anew.',
                ('design["record"] == "key"', 'design["record"] != "none"'),
            ),
            (
                "while they last is every",
                "A pool that can be empty is empty when an attacker wants it.",
                'Only "every" says that each handshake has a one-time key.',
                ('design["one_time"] == "every"', 'design["one_time"] != "none"'),
            ),
            (
                "kept keys count as deleted",
                "A used key that is kept opens the recording, and accepts a message twice.",
                "One-time keys help if they are deleted.",
                (' and design["deletes"]', ""),
            ),
            (
                "a record closes recordings",
                "A record refuses messages that come again. It does not keep a thief from opening "
                "a recorded one.",
                '"closed" depends on one-time keys alone.',
                (
                    'holds["closed"] = one_each',
                    'holds["closed"] = one_each or design["record"] == "key"',
                ),
            ),
            (
                "replay without the record",
                "A record of keys refuses every repetition, with or without one-time keys.",
                '"once" holds with either of the two.',
                ('one_each or design["record"] == "key"', "one_each"),
            ),
            (
                "the record alone",
                "A one-time key that is always there and always deleted stops a repetition too: "
                "the second time its private half is gone.",
                '"once" holds with either of the two.',
                ('one_each or design["record"] == "key"', 'design["record"] == "key"'),
            ),
            (
                "deleted is enough",
                "Only deletion was asked for. Where no one-time key was there, none is deleted, "
                "and IK_B and SPK_B open the recording.",
                '"closed" needs a one-time key in every handshake, and its deletion.',
                ('holds["closed"] = one_each', 'holds["closed"] = design["deletes"]'),
            ),
            (
                "no contradiction",
                "Each promise was judged by the decisions alone. A design that promises both of "
                "two opposites cannot keep its word.",
                "First look for the opposite among the promises.",
                ("if OPPOSITES.get(promise) in design", "if promise is None and design"),
            ),
            (
                "only the second one contradicts",
                "Of two opposites, one was judged as if it stood alone.",
                "Look at the whole list, not at the promises before this one.",
                ('in design["promises"]:\n        ', "in found:\n        "),
            ),
            (
                "contradiction is failure",
                "A contradiction was called a failure. It needs no run: the design's own words "
                "exclude each other.",
                'Return "contradicts" for both.',
                ('"contradicts"', '"fails"'),
            ),
        ),
    ),
)


# Tasks that look for an input


def _witness(number, title, parameters, **rest):
    """A task `audit.counterexample_N`; each row of `wrong` is a complete body of the function."""
    name = f"counterexample_{number}"
    head = f"def {name}({', '.join(part.split(':')[0] for part in parameters.split(', '))}):\n"
    source = head + rest["answer"]
    wrong = [Mistake(mistake, head + body, why, cure) for mistake, body, why, cure in rest["wrong"]]
    usual = [generic.nothing_returned(name, source)]
    if rest.get("hex", True):
        usual.append(generic.hex_for_bytes(name, source))
    return Task(
        id=f"audit.{name}",
        lesson="16",
        title=title,
        signature=f"{name}({parameters}) -> {rest['returns']}",
        statement=rest["statement"],
        why=rest["why"],
        points=2,
        minutes=rest["minutes"],
        section=f"Lesson 16, “{rest['section']}”",
        modules=(),
        hints=Hints(*rest["hints"]),
        reference=source,
        cases=rest["cases"],
        mistakes=(*usual, *wrong),
        given=rest.get("given", ""),
        witness=Witness(rest["goal"], rest["objection"]),
        started=rest.get("started", 0),
    )


def _difference(ours, theirs):
    """Where two byte strings begin to differ, in words."""
    if len(ours) != len(theirs):
        return f"The one has {len(ours)} bytes, the other {len(theirs)}."
    place = next(n for n, pair in enumerate(zip(ours, theirs, strict=True)) if pair[0] != pair[1])
    return f"The two differ from byte {place} on."


# 1: a slot for two secrets


def _material(run):
    return b"".join(run["dhs"]) + (run["ss"] or b"")


def design_d_key(run: dict) -> bytes:
    """One KDF, one info, for both protocols."""
    return hkdf(F + _material(run), salt=bytes(32), info=b"design D", length=32)


def slot_cases(seed: int) -> list[Case]:
    """X3DH with a one-time key, PQXDH without one."""
    rng = random.Random(f"audit.counterexample_1 {seed}")

    def run(protocol, terms):
        ss = rng.randbytes(32) if protocol == "PQXDH" else None
        return {"protocol": protocol, "dhs": [rng.randbytes(32) for _ in range(terms)], "ss": ss}

    rows = [("X3DH", 4), ("PQXDH", 3), ("X3DH", 4), ("PQXDH", 3)]
    return [Case((run(*row),), f"a run of {row[0]}") for row in rows]


def _slot_objection(case, value):
    (given,) = case.arguments
    if value is None:
        return NOTHING
    if set(value) != {"protocol", "dhs", "ss"} or value["protocol"] not in ("X3DH", "PQXDH"):
        return "It is no dict with protocol, dhs and ss."
    if value["protocol"] == given["protocol"]:
        return "Both runs are of one protocol."
    secrets = value["dhs"] + ([] if value["ss"] is None else [value["ss"]])
    if any(type(secret) is not bytes or len(secret) != 32 for secret in secrets):
        return "A secret is not 32 bytes."
    if len(value["dhs"]) not in (3, 4) or (value["ss"] is None) != (value["protocol"] == "X3DH"):
        words = "with" if value["ss"] else "without"
        return f"{value['protocol']} has no run with {len(value['dhs'])} terms {words} SS."
    if design_d_key(value) == design_d_key(given):
        return ""
    return f"The keys differ. {_difference(_material(value), _material(given))}"


_SLOT = _witness(
    1,
    "Two protocols, one key",
    "run: dict",
    returns="dict",
    statement=(
        "Claim of design D: one KDF with one info serves X3DH and PQXDH, and runs of the two never "
        "give one key. `run` has protocol, dhs (the list of three or four terms) and ss (bytes, "
        "None in X3DH); the key is made of F, the terms and ss, one after the other. Return a "
        "possible run of the other protocol, as such a dict, with the same key. The first line is "
        "there."
    ),
    why="Two secrets of equal length share a place, and nothing says which one stands there.",
    minutes=3,
    section="Two inputs, one key",
    hints=(
        "How many bytes go into the KDF, and which value stands in the last 32?",
        "The KDF sees bytes, no names: DH4 of the one can be SS of the other.",
        "From X3DH: dhs is secrets[:3], ss is secrets[3]. From PQXDH: dhs is all four.",
    ),
    started=1,
    answer=(
        '    secrets = run["dhs"] + ([run["ss"]] if run["ss"] else [])\n'
        '    if run["protocol"] == "X3DH":\n'
        '        return {"protocol": "PQXDH", "dhs": secrets[:3], "ss": secrets[3]}\n'
        '    return {"protocol": "X3DH", "dhs": secrets, "ss": None}\n'
    ),
    cases=slot_cases,
    goal="a run of the other protocol with the same key",
    objection=_slot_objection,
    wrong=(
        (
            "the same run",
            "    return run\n",
            "The run came back as it was. Of course it has the same key.",
            "Make a run of the other protocol out of the same secrets.",
        ),
        (
            "only the name changed",
            '    other = "PQXDH" if run["protocol"] == "X3DH" else "X3DH"\n'
            "    return dict(run, protocol=other)\n",
            "The protocol has another name and the same values. X3DH has no SS, PQXDH has one.",
            "Move the last secret from the one place to the other.",
        ),
        (
            "four terms and no SS",
            '    secrets = run["dhs"] + ([run["ss"]] if run["ss"] else [])\n'
            '    other = "PQXDH" if run["protocol"] == "X3DH" else "X3DH"\n'
            '    return {"protocol": other, "dhs": secrets, "ss": None}\n',
            "From PQXDH it works. From X3DH, all four secrets stayed terms, and PQXDH has an SS.",
            "The last secret leaves the list and becomes SS.",
        ),
        (
            "DH4 stands twice",
            '    if run["protocol"] == "X3DH":\n'
            '        return {"protocol": "PQXDH", "dhs": run["dhs"], "ss": run["dhs"][3]}\n'
            '    dhs = run["dhs"] + [run["ss"]]\n'
            '    return {"protocol": "X3DH", "dhs": dhs, "ss": None}\n',
            "DH4 became SS and stayed among the terms, so 32 bytes more go into the KDF.",
            "Take the fourth term out of the list.",
        ),
        (
            "SS first",
            '    secrets = run["dhs"] + ([run["ss"]] if run["ss"] else [])\n'
            '    if run["protocol"] == "X3DH":\n'
            '        return {"protocol": "PQXDH", "dhs": secrets[1:], "ss": secrets[0]}\n'
            '    return {"protocol": "X3DH", "dhs": [secrets[-1], *secrets[:3]], "ss": None}\n',
            "The secrets are the same and stand in another order. The KDF sees other bytes.",
            "SS comes last, so it takes the place of DH4.",
        ),
        (
            "one direction only",
            '    if run["protocol"] == "X3DH":\n'
            '        return {"protocol": "PQXDH", "dhs": run["dhs"][:3], "ss": run["dhs"][3]}\n'
            "    return run\n",
            "From X3DH it works. A run of PQXDH came back as it was.",
            "The other way round: three terms and SS become four terms.",
        ),
    ),
)


# 2: names that run into each other


def names_cases(seed: int) -> list[Case]:
    """Long names, a short sender, two short names, and digits with zeros behind them."""
    rng = random.Random(f"audit.counterexample_2 {seed}")
    letters = "abcdefghijklmnopqrstuvwxyz"

    def name(length):
        return "".join(rng.choice(letters) for _ in range(length))

    rows = [
        ("long names", name(5), name(3), rng.randint(1000, 9999)),
        ("a sender of one letter", name(1), name(4), rng.randint(1000, 9999)),
        ("two names of one letter", name(1), name(1), rng.randint(1, 9) * 1000 + 123),
        ("a zero in the second place", name(1), name(1), rng.randint(1, 9) * 100 + 5),
        ("zeros to the end", name(1), name(1), rng.randint(1, 9) * 100),
    ]
    return [Case(tuple(rest), about) for about, *rest in rows]


def _names_objection(case, value):
    if value is None:
        return NOTHING
    if type(value) is not list or [type(part) for part in value] != [str, str, int]:
        return "It is no list of two texts and a whole number."
    if value == list(case.arguments):
        return "These are the people and the time that were given."
    if not value[0] or not value[1] or value[2] < 0:
        return "A name is empty, or the time is below zero."
    ours, theirs = (binding.joined(s, r, str(t)) for s, r, t in (value, case.arguments))
    return "" if ours == theirs else _difference(ours, theirs)


_NAMES = _witness(
    2,
    "Two pairs of people, the same bytes",
    "sender: str, recipient: str, timestamp: int",
    returns="list",
    statement=(
        "Claim of design C: the associated data binds a message to its two people. It is the text "
        "of `sender`, `recipient` and `timestamp` (in digits), one after the other. Return a "
        "different list [sender, recipient, timestamp] with the same bytes. Names are not empty, "
        "the time is a whole number from 0 on."
    ),
    why="Without lengths, nothing says where a part ends. Any border may move.",
    minutes=5,
    section="Two inputs, one key",
    hints=(
        "Write the three parts side by side. Which borders can you move?",
        "Move a letter over a border. A name of one letter cannot give its last one away.",
        "Two names of one letter: move digits from the time to the recipient. What is left must "
        "not begin with 0, unless it is 0.",
    ),
    answer=(
        "    if len(sender) > 1:\n"
        "        return [sender[:-1], sender[-1] + recipient, timestamp]\n"
        "    if len(recipient) > 1:\n"
        "        return [sender + recipient[0], recipient[1:], timestamp]\n"
        "    digits, cut = str(timestamp), 1\n"
        '    while digits[cut] == "0" and cut < len(digits) - 1:\n'
        "        cut += 1\n"
        "    return [sender, recipient + digits[:cut], int(digits[cut:])]\n"
    ),
    cases=names_cases,
    goal="other people or another time, with the same bytes",
    objection=_names_objection,
    hex=False,
    wrong=(
        (
            "the same three",
            "    return [sender, recipient, timestamp]\n",
            "The three parts came back as they were.",
            "At least one part must differ.",
        ),
        (
            "the people exchanged",
            "    return [recipient, sender, timestamp]\n",
            "Sender and recipient changed places, and with them the bytes.",
            "Keep the order of the letters; move a border.",
        ),
        (
            "a tuple",
            "    return [sender, recipient, str(timestamp)]\n",
            "The time is text. The task asks for a whole number.",
            "Use int(…) for the digits that stay in the time.",
        ),
        (
            "always the sender's last letter",
            "    return [sender[:-1], sender[-1] + recipient, timestamp]\n",
            "A sender of one letter has an empty name after it.",
            "With one letter, move the border on the other side.",
        ),
        (
            "names only",
            "    if len(sender) > 1:\n"
            "        return [sender[:-1], sender[-1] + recipient, timestamp]\n"
            "    return [sender + recipient[0], recipient[1:], timestamp]\n",
            "With two names of one letter no letter can move between them.",
            "The time has a border too.",
        ),
        (
            "a zero is lost",
            "    if len(sender) > 1:\n"
            "        return [sender[:-1], sender[-1] + recipient, timestamp]\n"
            "    if len(recipient) > 1:\n"
            "        return [sender + recipient[0], recipient[1:], timestamp]\n"
            "    digits = str(timestamp)\n"
            "    return [sender, recipient + digits[0], int(digits[1:])]\n",
            "What is left of the time began with 0, and a whole number does not keep that.",
            "Move digits until the rest begins with another one, or is a single 0.",
        ),
        (
            "the time one later",
            "    return [sender, recipient, timestamp + 1]\n",
            "Another time gives other digits, so other bytes.",
            "Move digits; do not change them.",
        ),
    ),
)


# 3: a refill rule


def pool_cases(seed: int) -> list[Case]:
    """Rules with a batch, days that come out even and days that do not, a tight limit."""
    rng = random.Random(f"audit.counterexample_3 {seed}")
    shift = rng.randint(1, 9)
    rows = [
        ("design C's numbers", 100, 20, 50, 25),
        ("another limit for a day", 100, 20, 50, 30 + shift),
        ("a day is one more than the threshold", 100 + shift, 20, 50, 21),
        ("a large pool", 500 + shift, 40, 100, 64),
    ]
    return [Case(tuple(rest), about) for about, *rest in rows]


def _pool_objection(case, value):
    target, threshold, batch, most = case.arguments
    if value is None:
        return NOTHING
    if type(value) is not list or any(type(day) is not int or day < 0 for day in value):
        return "It is no list of whole numbers from 0 on."
    if any(day > most for day in value):
        return "A day has more requests than the limit allows."
    if len(value) > 60:
        return "The list has more than 60 days."
    unserved, lowest = claimed.play(target, threshold, batch, value)
    return "" if unserved else f"Everybody got a key. The lowest level was {lowest}."


_POOL = _witness(
    3,
    "A day without keys",
    "target: int, threshold: int, batch: int, most: int",
    returns="list",
    statement=(
        "Claim of design C: with a look every evening, everybody gets a one-time key. The pool "
        "starts with `target` keys. At each day's end the phone adds `batch` keys if fewer than "
        "`threshold` are left. The server allows at most `most` requests a day. Return a list of "
        "requests for each day, at most 60 days, after which somebody got no key."
    ),
    why="A rule is judged at its edge: exactly at the threshold nothing is refilled.",
    minutes=6,
    section="A rule, played day by day",
    hints=(
        "When is the pool as low as possible, and still not refilled?",
        "“Fewer than” leaves the pool alone at the threshold itself. After that comes a full day.",
        "Full days as long as the threshold is not passed, then one day for the rest, then `most`.",
    ),
    answer=(
        "    full, rest = divmod(target - threshold, most)\n"
        "    return [most] * full + [rest, most]\n"
    ),
    cases=pool_cases,
    goal="a list of days after which somebody got no key",
    objection=_pool_objection,
    hex=False,
    wrong=(
        (
            "everything on one day",
            "    return [target + 1]\n",
            "So many requests on one day are not allowed.",
            "Each day has at most `most`.",
        ),
        (
            "a full day each day",
            "    return [most] * 6\n",
            "Full days pass the threshold, and the evening's refill comes in time.",
            "Stop exactly at the threshold first.",
        ),
        (
            "full days for two months",
            "    return [most] * 60\n",
            "More full days do not help where each evening's refill comes in time.",
            "Use one shorter day, which ends exactly at the threshold.",
        ),
        (
            "one limit for all",
            "    return [25] * 60\n",
            "25 is design C's limit in the lesson. Each rule has its own `most`, and full days "
            "alone meet the refill.",
            "Compute the days from `target`, `threshold` and `most`.",
        ),
        (
            "one below the threshold",
            "    full, rest = divmod(target - threshold + 1, most)\n"
            "    return [most] * full + [rest, most]\n",
            "One key fewer, and the phone refills in the evening.",
            "At the threshold itself it does not.",
        ),
        (
            "one above the threshold",
            "    full, rest = divmod(target - threshold - 1, most)\n"
            "    return [most] * full + [rest, most]\n",
            "One key more is left than need be. Where a day is just long enough, all are served.",
            "Go down to the threshold itself.",
        ),
        (
            "the last day is missing",
            "    full, rest = divmod(target - threshold, most)\n"
            "    return [most] * full + [rest]\n",
            "The pool is as low as can be, and then nobody comes.",
            "Add one more full day.",
        ),
        (
            "one request a day",
            "    return [1] * 60\n",
            "So slowly the pool is refilled long before it is empty.",
            "Use full days.",
        ),
        (
            "too long a list",
            "    return [1] * (target - threshold) + [most]\n",
            "That works, and takes more days than allowed.",
            "Full days first.",
        ),
    ),
)


# 4: a file without an end


def file_cases(seed: int) -> list[Case]:
    """A file of several chunks, one of a single chunk with another file beside it, and both."""
    rng = random.Random(f"audit.counterexample_4 {seed}")
    rows = [("four chunks", 4, 0), ("a single chunk", 1, 3), ("three and two", 3, 2)]
    return [_file(rng, *row) for row in rows]


def _file(rng, about, count, others):
    key = rng.randbytes(32)
    files = [[_sealed(key, n, rng.randbytes(20)) for n in range(m)] for m in (count, others)]
    return Case(tuple(files), about, {"the key": key})


def _sealed(key, number, data):
    return seal(hmac_sha256(key, b"%d" % number), data, b"%d" % number)


def _file_objection(case, value):
    chunks, _ = case.arguments
    if value is None:
        return NOTHING
    if type(value) is not list or any(type(chunk) is not bytes for chunk in value):
        return "It is no list of chunks as bytes."
    if not value:
        return "An empty list is no file."
    if value == chunks:
        return "It is the file that was sent."
    if value[0] != chunks[0]:
        return "It does not begin with the first chunk of the file."
    for place in range(1, len(value) + 1):
        try:
            claimed.received(case.labels["the key"], value[:place])
        except Refused:
            return f"Chunk {place - 1} does not open at its place."
    return ""


_FILE = _witness(
    4,
    "Another file, and no error",
    "chunks: list, other: list",
    returns="list",
    statement=(
        "Claim of design D: each chunk is sealed with its number, so the receiver gets the file "
        "that was sent. The receiver opens chunk 0, 1, 2 … until no more come. `chunks` are the "
        "sealed chunks of a file, `other` those of a second file under the same key (it may be "
        "empty). Return another list that the receiver accepts. It begins with the first chunk of "
        "the file."
    ),
    why="A number says where a chunk stands. Neither the end nor the file was named.",
    minutes=4,
    section="What no number says",
    hints=(
        "What does the receiver know of the file before the first chunk comes?",
        "It does not know how many chunks there are, nor which file they belong to.",
        "chunks[:1] is accepted. If that is the whole file, go on with the other one's chunk 1.",
    ),
    answer=("    if len(chunks) > 1:\n        return chunks[:1]\n    return chunks + other[1:]\n"),
    cases=file_cases,
    goal="another list that the receiver accepts without an error",
    objection=_file_objection,
    wrong=(
        (
            "the file itself",
            "    return list(chunks)\n",
            "The list came back as it was.",
            "The receiver must get something else.",
        ),
        (
            "nothing",
            "    return []\n",
            "With no chunk at all there is no file to open.",
            "Keep the first chunk.",
        ),
        (
            "one chunk in the middle left out",
            "    return chunks[:1] + chunks[2:] + other[2:]\n",
            "What follows moves up by one place, and does not open there.",
            "Leave out chunks at the end.",
        ),
        (
            "the last chunk first",
            "    return chunks[::-1] + other[:1]\n",
            "Chunks in another order meet other numbers.",
            "Keep the order; change the end.",
        ),
        (
            "in reverse",
            "    return chunks[::-1]\n",
            "Chunks in another order meet other numbers, and a single chunk stays as it was.",
            "Keep the order; change the end.",
        ),
        (
            "cut off only",
            "    return chunks[:-1]\n",
            "A file of one chunk is empty when its last one is cut off.",
            "Then add something: the other file has chunks with higher numbers.",
        ),
        (
            "the other file",
            "    return other or chunks\n",
            "That is the other file, from its first chunk on.",
            "The list begins with the first chunk of `chunks`.",
        ),
        (
            "both files in a row",
            "    return chunks + other\n",
            "The other file's chunk 0 stands at a higher place, where it does not open.",
            "Take those of its chunks whose numbers come next.",
        ),
    ),
)


# 5: a record of bytes

PRIME = "\nP = 2**255 - 19\n"


def record_cases(seed: int) -> list[Case]:
    """Records with one, two and three forms of the same key."""
    rng = random.Random(f"audit.counterexample_5 {seed}")
    rows = [("a record with this key", 1), ("two forms", 2), ("three forms", 3)]
    return [_record(rng, *row) for row in rows]


def _record(rng, about, count):
    base = (9).to_bytes(32, "little")
    key, private = low_order.ladder(rng.randbytes(32), base), rng.randbytes(32)
    small = pow(int.from_bytes(key, "little"), -1, low_order.P).to_bytes(32, "little")
    forms = [key, low_order.with_bit_255(key), small][:count]
    return Case((key, rng.sample(forms, count)), about, {"Bob's private key": private})


def _record_objection(case, value):
    key, record = case.arguments
    if value is None:
        return NOTHING
    if type(value) is not bytes:
        return "It is no bytes."
    if len(value) != 32:
        return f"A key has 32 bytes, this has {len(value)}."
    if value in record:
        return "The record has these bytes."
    private = case.labels["Bob's private key"]
    same = low_order.ladder(private, value) == low_order.ladder(private, key)
    return "" if same else "Bob computes another result with it."


_RECORD = _witness(
    5,
    "The same key, not in the record",
    "key: bytes, record: list",
    returns="bytes",
    statement=(
        "Claim of design B: the record of ephemeral keys recognises a first message that comes "
        "again. `key` is EK_A of such a message, `record` the list of byte strings that Bob "
        "refuses. Return 32 bytes that are not in the record and with which Bob computes the same "
        "Diffie-Hellman results. `P` is the prime of the curve."
    ),
    why="A record of bytes recognises bytes. One key has several forms, and others act like it.",
    minutes=6,
    section="A record of bytes",
    hints=(
        "Which bit of a public key does X25519 not read?",
        "If that form is refused too: the point of order 2 added to a key makes u into 1/u, and "
        "private keys are even, so it cancels.",
        "1/u is pow(u, -1, P). It has a form with bit 255 as well.",
    ),
    answer=(
        '    u = int.from_bytes(key, "little") % 2**255\n'
        "    for number in (u, pow(u, -1, P)):\n"
        "        for bit in (0, 2**255):\n"
        '            form = (number + bit).to_bytes(32, "little")\n'
        "            if form not in record:\n"
        "                return form\n"
    ),
    given=PRIME,
    cases=record_cases,
    goal="32 bytes with the same Diffie-Hellman results, not in the record",
    objection=_record_objection,
    wrong=(
        (
            "the key itself",
            "    return key\n",
            "These bytes are the first that the record has.",
            "Find other bytes that act the same.",
        ),
        (
            "another key",
            "    return bytes([key[0] ^ 1]) + key[1:]\n",
            "The lowest bit belongs to the number u: this is another key.",
            "Bit 255, the highest one, is not read.",
        ),
        (
            "bit 255 only",
            "    return key[:31] + bytes([key[31] | 128])\n",
            "That form may be in the record as well.",
            "Look, and have a second way ready.",
        ),
        (
            "1/u only",
            '    u = int.from_bytes(key, "little")\n'
            '    return pow(u, -1, P).to_bytes(32, "little")\n',
            "1/u acts like the key, and may be in the record as well.",
            "1/u has two forms, like u.",
        ),
        (
            "the lesson's three forms",
            '    u = int.from_bytes(key, "little") % 2**255\n'
            "    for number in (u, u + 2**255, pow(u, -1, P)):\n"
            '        form = number.to_bytes(32, "little")\n'
            "        if form not in record:\n"
            "            return form\n",
            "The search ran out of forms: all that it tried are in the record.",
            "1/u has a second form as well: bit 255 of it is not read either.",
        ),
        (
            "highest byte first",
            "    top = key[:31] + bytes([key[31] | 128])\n"
            "    if top not in record:\n"
            "        return top\n"
            '    u = int.from_bytes(key, "big")\n'
            '    return pow(u, -1, P).to_bytes(32, "big")\n',
            "Keys are written with the lowest byte first.",
            'Use "little" in both directions.',
        ),
        (
            "a longer key",
            '    return key + b"\\x00"\n',
            "33 bytes are no key; Bob refuses them by their length.",
            "Stay with 32 bytes.",
        ),
    ),
)


# 6: a key where none came


def filler_cases(seed: int) -> list[Case]:
    """Lists of refused keys: none, zeros, all five numbers, and all but one form."""
    rng = random.Random(f"audit.counterexample_6 {seed}")
    plain = [low_order.LOW_ORDER[name] for name in ("0", "1", "p - 1", "p", "p + 1")]
    forms = plain + [low_order.with_bit_255(key) for key in plain]
    left = rng.choice(forms[8:])  # P or P + 1, in the form with bit 255
    rows = [
        ("a list with zeros", plain[:1]),
        ("a list with 0 and 1", plain[:2]),
        ("a list of five", rng.sample(plain, 5)),
        ("a list of nine", rng.sample([key for key in forms if key != left], 9)),
    ]
    return [Case((refused,), about, {"EK_A": rng.randbytes(32)}) for about, refused in rows]


def _filler_objection(case, value):
    (refused,) = case.arguments
    if value is None:
        return NOTHING
    if type(value) is not bytes:
        return "It is no bytes."
    if len(value) != 32:
        return f"A key has 32 bytes, this has {len(value)}."
    if value in refused:
        return "Alice's list refuses this key."
    DH4 = low_order.ladder(case.labels["EK_A"], value)
    return "" if DH4 == low_order.ZEROS else "DH4 is not zero, so SK is another one."


_FILLER = _witness(
    6,
    "A one-time key that changes nothing",
    "refused: list",
    returns="bytes",
    statement=(
        "Claim of design E: DH4 is computed in every case, so a one-time key always makes SK "
        "stronger. Where no key came, its program puts 32 zero bytes in the place of DH4. It does "
        "not look at results; it has a list `refused` of keys. Return a one-time key, 32 bytes, "
        "that is not in the list and with which SK is the same as without a key. `P` is given."
    ),
    why="A list of bad keys is never complete while one key has several forms. Look at the result.",
    minutes=5,
    section="A key where none came",
    hints=(
        "Which result must DH4 have, so that SK is the same as with the filler?",
        "The numbers 0, 1 and P - 1 have low order: multiplied by any private key they give zero. "
        "A key is read modulo P, and bit 255 is not read.",
        "Try 0, 1, P - 1, P and P + 1, each with and without 2**255, until one is not in the list.",
    ),
    answer=(
        "    for u in (0, 1, P - 1, P, P + 1):\n"
        "        for bit in (0, 2**255):\n"
        '            key = (u + bit).to_bytes(32, "little")\n'
        "            if key not in refused:\n"
        "                return key\n"
    ),
    given=PRIME,
    cases=filler_cases,
    goal="a one-time key with which SK is the same as without one",
    objection=_filler_objection,
    wrong=(
        (
            "always zeros",
            "    return bytes(32)\n",
            "32 zeros are the first key that such a list has.",
            "Other numbers give zero as well.",
        ),
        (
            "always one",
            '    return (1).to_bytes(32, "little")\n',
            "The number 1 gives zero, and is in some lists.",
            "Look into the list, and have more keys ready.",
        ),
        (
            "highest byte first",
            '    return (1).to_bytes(32, "big")\n',
            "With the highest byte first this is a large number, not 1, and an honest point.",
            "Keys are written with the lowest byte first.",
        ),
        (
            "five numbers, one form each",
            "    for u in (0, 1, P - 1, P, P + 1):\n"
            '        key = u.to_bytes(32, "little")\n'
            "        if key not in refused:\n"
            "            return key\n"
            "    return key\n",
            "All five numbers may be refused.",
            "Bit 255 is not read: each number has a second form.",
        ),
        (
            "the search runs out of forms",
            "    for u in (0, 1, P - 1, P, P + 1):\n"
            '        key = u.to_bytes(32, "little")\n'
            "        if key not in refused:\n"
            "            return key\n",
            "The search ran out: all five numbers are in the list, and none was returned.",
            "Bit 255 is not read: each number has a second form.",
        ),
        (
            "three numbers, two forms each",
            "    for u in (0, 1, P - 1):\n"
            "        for bit in (0, 2**255):\n"
            '            key = (u + bit).to_bytes(32, "little")\n'
            "            if key not in refused:\n"
            "                return key\n",
            "The search ran out of numbers: 0, 1 and P - 1 are refused in both forms.",
            "A key is read modulo P, so P and P + 1 are further ways to write 0 and 1.",
        ),
        (
            "zero in two forms",
            "    for bit in (0, 2**255):\n"
            '        key = bit.to_bytes(32, "little")\n'
            "        if key not in refused:\n"
            "            return key\n"
            "    return key\n",
            "Zero has two forms, and a long list has both.",
            "1 and P - 1 give zero as well, and so do P and P + 1, which are 0 and 1 again.",
        ),
        (
            "a short key",
            "    return bytes(31)\n",
            "31 bytes are no key.",
            "Keys have 32 bytes.",
        ),
    ),
)

TASKS = (_VERDICTS, _SLOT, _NAMES, _POOL, _FILE, _RECORD, _FILLER)
