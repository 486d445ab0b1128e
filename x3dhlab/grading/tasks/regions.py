"""Tasks of lesson 20: the shortest part of a history that shows a violation; a fitting design."""

import random

from x3dhlab.grading.task import Case, Hints, Mistake, Task
from x3dhlab.grading.tasks import generic

# geo.minimal_violation

VIOLATIONS = '''
def violations(lines):
    """A name for each thing that is wrong in these lines, in their order."""
    found, issued, gone, accepted = [], {}, set(), set()
    for one in lines:
        op, key, message = one["op"], one["key"], one.get("message")
        if op == "issue" and key and issued.setdefault(key, one["request"]) != one["request"]:
            found.append(f"key {key} given out twice")
        elif op == "forget":
            gone.add(key)
        elif op == "refuse" and key in gone and message not in accepted:
            found.append(f"{message} lost")
        elif op == "accept":
            accepted.add(message)
    return found
'''

MINIMAL = """
def minimal_violation(history):
    found = violations(history)
    if not found:
        return []
    kept = list(range(len(history)))
    for place in range(len(history)):
        rest = [other for other in kept if other != place]
        if found[0] in violations([history[other] for other in rest]):
            kept = rest
    return kept
"""


def minimal_cases(seed: int) -> list[Case]:
    """One violation among other lines first; then several, and lines whose loss would be a lie."""
    rng = random.Random(f"geo.minimal_violation {seed}")
    one, two, three, four = rng.sample(range(2, 90), 4)
    rows = [
        (
            [*_sound(one, 1), _issue(two, 2), _issue(three, 3), _issue(two, 4)],
            "one key given out twice",
        ),
        (
            [_forget(one), *_sound(two, 1), _issue(one, 2), _refuse(one, 2)],
            "a message lost",
        ),
        (
            [*_sound(one, 1), _refuse(one, 2), _refuse(one, 2)],
            "a message lost, refused twice",
        ),
        ([*_sound(one, 1), *_sound(two, 2)], "nothing is wrong"),
        ([], "no line at all"),
        (
            [_issue(one, 1), _issue(one, 1), _issue(two, 2), _issue(two, 3)],
            "a request that was answered again",
        ),
        (
            [_issue(None, 1), _issue(None, 2), _issue(one, 3), _issue(two, 4), _issue(one, 5)],
            "answers without a one-time key",
        ),
        (
            [_issue(one, 1), _issue(two, 9), _issue(one, 2), _issue(two, 8), _issue(one, 3)],
            "one key given out three times",
        ),
        (
            [*_sound(one, 1), _refuse(one, 1), _forget(two), _issue(two, 2), _refuse(two, 2)],
            "a second copy refused, and a message lost",
        ),
        (
            [_issue(four, 1), _issue(four, 2), *_sound(three, 3), _refuse(three, 3)],
            "a key twice, and a second copy refused",
        ),
    ]
    rows += [(_drawn(rng), "a history drawn by chance") for _ in range(5)]
    return [Case((history,), about) for history, about in rows]


def _issue(key, number):
    return {"op": "issue", "key": key, "request": f"q{number}"}


def _accept(key, number):
    return {"op": "accept", "key": key, "message": f"m{number}"}


def _refuse(key, number):
    return {"op": "refuse", "key": key, "message": f"m{number}"}


def _forget(key):
    return {"op": "forget", "key": key}


def _sound(key, number):
    """A request, its first message accepted, the private half deleted."""
    return [_issue(key, number), _accept(key, number), _forget(key)]


def _drawn(rng):
    lines = []
    for number in range(1, 6):
        key = rng.randint(2, 4)
        lines += [_issue(key, number)]
        gone = any(one["op"] == "forget" and one["key"] == key for one in lines)
        lines += [_refuse(key, number)] if gone else [_accept(key, number), _forget(key)]
        if rng.random() < 0.4:
            lines.append(_refuse(key, number))
    return lines


def explain_minimal(case: Case, got) -> str:
    """Say whether the lines show the violation, and which line could still go."""
    history = case.arguments[0]
    if type(got) is not list or any(type(place) is not int for place in got):
        return ""
    if any(not 0 <= place < len(history) for place in got):
        return f"the lines have the positions 0 to {len(history) - 1}"
    made: dict = {}
    exec(VIOLATIONS, made)
    found = made["violations"](history)
    if not found:
        return "nothing is wrong in this history"
    name = found[0]
    if name not in made["violations"]([history[place] for place in got]):
        return f"these lines do not show “{name}”"
    for left_out in got:
        rest = [history[place] for place in got if place != left_out]
        if name in made["violations"](rest):
            return f"without line {left_out} they still show “{name}”"
    return f"they show “{name}”, and leaving out from the first line on ends at others"


_STILL = "found[0] in violations([history[other] for other in rest])"
_NAMED = generic.variants(
    MINIMAL,
    (
        "any violation will do",
        "A line was left out although the first violation was gone after that: another one was "
        "there. Leaving out an `accept` even makes new ones.",
        "Ask whether found[0] is still among the violations of the rest.",
        (_STILL, "violations([history[other] for other in rest])"),
    ),
    (
        "each line tried alone",
        "Each line was tried against the whole history. Where two lines can replace each other, "
        "both are left out, or neither.",
        "Go on with the rest: after a line was left out, it stays out.",
        ("for other in kept if", "for other in range(len(history)) if"),
        ("            kept = rest\n    return kept", "            gone.append(place)\n"
         "    return [other for other in kept if other not in gone]"),
        ("    kept = list", "    gone = []\n    kept = list"),
    ),
    (
        "from the last line on",
        "The lines were tried from the last one to the first. That ends at another part when a "
        "key went out three times.",
        "Try the lines from the first to the last.",
        ("for place in range(len(history)):", "for place in reversed(range(len(history))):"),
    ),
    (
        "the first of the rest",
        "A line stayed because another violation came first in the rest. The one that is looked "
        "for was still among them.",
        "Ask whether found[0] is anywhere in violations(rest): use `in`.",
        (_STILL, "violations([history[other] for other in rest])[:1] == found[:1]"),
    ),
    (
        "the first of two equal lines",
        "Two lines of the history are equal. The position of the first one stands for the second.",
        "`index` and `remove` find the first equal line. Work with positions, not with lines.",
        ("return kept", "return [history.index(history[place]) for place in kept]"),
    ),
    (
        "equal lines left out together",
        "Two lines of the history are equal, and one of them can go. They were left out together, "
        "or not at all.",
        "Compare positions (other != place), not lines.",
        ("if other != place]", "if history[other] != history[place]]"),
    ),
    (
        "equal lines left out together, and looked up",
        "Two lines of the history are equal. They were left out together or not at all, and both "
        "got the position of the first one.",
        "Work with positions from the beginning: kept = list(range(len(history))).",
        ("if other != place]", "if history[other] != history[place]]"),
        ("return kept", "return [history.index(history[place]) for place in kept]"),
    ),
    (
        "the last violation",
        "The part shows the last violation. Wanted is the first one that `violations` names.",
        "Take found[0].",
        ("found[0]", "found[-1]"),
    ),
    (
        "numbers from 1",
        "The positions count from 1.",
        "Position 0 is the first line.",
        ("return kept", "return [place + 1 for place in kept]"),
    ),
    (
        "lines for positions",
        "The result has the lines. Wanted are their positions.",
        "Return the numbers, in order.",
        ("return kept", "return [history[place] for place in kept]"),
    ),
    (
        "what was left out",
        "These are the lines that are not needed.",
        "Return the positions that are left.",
        ("return kept", "return [place for place in range(len(history)) if place not in kept]"),
    ),
    (
        "nothing for a sound history",
        "A history without a violation gives None. Wanted is an empty list.",
        "Return [] when nothing is wrong.",
        ("return []", "return None"),
    ),
    (
        "stopped at the first needed line",
        "The search ended at the first line that is needed. Later lines were not tried.",
        "Go on to the end of the history.",
        ("            kept = rest", "            kept = rest\n        else:\n            break"),
    ),
    (
        "kept what can go",
        "A line was left out when the violation was gone without it.",
        "Leave a line out if the violation is still there.",
        (_STILL, _STILL.replace(" in violations", " not in violations")),
    ),
)  # fmt: skip

_ENDS = Mistake(
    "everything between the ends",
    """
def minimal_violation(history):
    found = violations(history)
    if not found:
        return []
    end = next(n for n in range(len(history) + 1) if found[0] in violations(history[:n]))
    start = max(n for n in range(end + 1) if found[0] in violations(history[n:end]))
    return list(range(start, end))
""",
    "Lines were cut off at both ends only. Lines between that are not needed are still there.",
    "Try every line, also those in the middle.",
)

_MINIMAL_TASK = Task(
    id="geo.minimal_violation",
    lesson="20",
    title="The shortest part that shows it",
    signature="minimal_violation(history: list) -> list",
    statement=(
        "`history` is a list of dicts, oldest first, with op and key, and with request or message. "
        "`violations(lines)` is given: it names what is wrong in some lines. Take the first name "
        "of the whole history. Go through the lines from the first to the last, and leave each one "
        "out without which this name is still found. Return the positions that are left, in order, "
        "counted from 0; an empty list when nothing is wrong."
    ),
    why="What is left shows the violation by itself, and each of its lines is needed.",
    points=4,
    minutes=15,
    section="Lesson 20, “The shortest proof”",
    modules=(),
    given=VIOLATIONS,
    hints=Hints(
        "When may a line be left out?",
        "A line is not needed if the *same* violation is still found without it. It then stays out "
        "while you try the next one.",
        "Begin with all positions. For each place, make the rest without it. If found[0] is in "
        "violations(…) of the rest, go on with the rest.",
    ),
    reference=MINIMAL,
    cases=minimal_cases,
    explain=explain_minimal,
    mistakes=(
        generic.nothing_returned("minimal_violation", MINIMAL),
        generic.changed_argument("minimal_violation", MINIMAL, "arguments[0][:] = []"),
        *_NAMED,
        _ENDS,
    ),
    started=3,
)

# geo.choose

DESIGNS = """
LEVELS = ["never", "noticed", "hidden"]
DESIGNS = [
    {"name": "one region", "twice": "never", "far": 170, "region_lost": False, "cut_off": False},
    {"name": "eventual", "twice": "hidden", "far": 10, "region_lost": True, "cut_off": True},
    {"name": "detection", "twice": "noticed", "far": 10, "region_lost": True, "cut_off": True},
    {"name": "leader", "twice": "never", "far": 390, "region_lost": True, "cut_off": False},
]
"""

CHOOSE = """
def choose(requirements):
    for design in DESIGNS:
        good = LEVELS.index(design["twice"]) <= LEVELS.index(requirements["twice"])
        fast = design["far"] <= requirements["far"]
        region = design["region_lost"] or not requirements["region_lost"]
        cut = design["cut_off"] or not requirements["cut_off"]
        if good and fast and region and cut:
            also = []
            if requirements["restores"] and requirements["twice"] == "never":
                also.append("discard after a restore")
            if requirements["always"] and not (design["region_lost"] and design["cut_off"]):
                also.append("answer without a key")
            return [design["name"], also]
    return [None, []]
"""


def choose_cases(seed: int) -> list[Case]:
    """One need at a time, limits met exactly, needs that exclude each other, and random ones."""
    rng = random.Random(f"geo.choose {seed}")
    roomy = rng.randint(400, 900)
    rows = [
        (_need("hidden", roomy), "nothing is asked for"),
        (_need("noticed", roomy), "double issue must be noticed"),
        (_need("never", roomy), "no key twice"),
        (_need("never", roomy, region_lost=True), "no key twice, also while a region is lost"),
        (_need("never", 170), "a limit that is met exactly"),
        (_need("never", rng.randint(171, 389), region_lost=True), "too slow for that"),
        (_need("never", roomy, cut_off=True), "keys for those who are cut off, and none twice"),
        (_need("noticed", rng.randint(10, 169), cut_off=True), "keys for those who are cut off"),
        (_need("never", roomy, restores=True), "backups are put back"),
        (_need("noticed", roomy, restores=True), "backups are put back, keys twice are noticed"),
        (
            _need("noticed", roomy, cut_off=True, restores=True),
            "backups, and keys also when cut off",
        ),
        (_need("never", roomy, always=True), "an answer always"),
        (
            _need("never", roomy, region_lost=True, always=True, restores=True),
            "everything but keys for those who are cut off",
        ),
        (_need("hidden", roomy, always=True), "an answer always, keys twice allowed"),
        (
            _need("noticed", roomy, cut_off=True, always=True),
            "keys for those who are cut off, and an answer always",
        ),
        (
            _need("noticed", roomy, region_lost=True, cut_off=True, always=True),
            "keys in both outages, and an answer always",
        ),
        (_need("hidden", rng.randint(1, 9)), "faster than the nearest region"),
        (_need("noticed", roomy, restores=True, always=True), "backups, and an answer always"),
    ]
    rows += [(_any_need(rng), "needs drawn by chance") for _ in range(8)]
    return [Case((need,), about) for need, about in rows]


def _need(twice, far, *, region_lost=False, cut_off=False, restores=False, always=False):
    return {
        "twice": twice,
        "far": far,
        "region_lost": region_lost,
        "cut_off": cut_off,
        "restores": restores,
        "always": always,
    }


def _any_need(rng):
    twice, far = rng.choice(("never", "noticed", "hidden")), rng.choice((10, 169, 389, 390, 500))
    return _need(twice, far, **{
        name: rng.random() < 0.5 for name in ("region_lost", "cut_off", "restores", "always")
    })  # fmt: skip


def explain_choice(case: Case, got) -> str:
    """Say which need the chosen design does not meet, or what is missing beside it."""
    if type(got) is not list or len(got) != 2:
        return ""
    made: dict = {}
    exec(DESIGNS + CHOOSE, made)
    need, (right, _) = case.arguments[0], made["choose"](case.arguments[0])
    if got[0] == right:
        return "the design is right; what is needed beside it is not"
    if got[0] is None:
        return f"{right} meets every need"
    if right is None:
        return f"no design meets all of these needs, and {got[0]} does not"
    strict = {**need, "restores": False, "always": False}
    order = [design["name"] for design in made["DESIGNS"]]
    if got[0] in order and order.index(got[0]) > order.index(right):
        return f"{right} meets the same needs and is simpler"
    return f"{got[0]} does not meet {_first_need(made, strict, got[0])}"


def _first_need(made, need, name):
    """The first requirement that excludes a design, by setting the others free."""
    free = _need("hidden", 10**6)
    design = [one for one in made["DESIGNS"] if one["name"] == name]
    made["DESIGNS"][:] = design
    for field in ("twice", "far", "region_lost", "cut_off"):
        if made["choose"]({**free, field: need[field]})[0] is None:
            return f"{field}: {need[field]}"
    return "these needs"


_CHOICES = generic.variants(
    CHOOSE,
    (
        "exactly this level",
        "A design that is better than required was refused.",
        "The required level is the worst that may happen: compare with <=.",
        ('(design["twice"]) <= LEVELS', '(design["twice"]) == LEVELS'),
    ),
    (
        "levels the wrong way round",
        "A design was taken that is worse than required.",
        "LEVELS goes from the best to the worst: the design's place must not be later.",
        ('(design["twice"]) <= LEVELS', '(design["twice"]) >= LEVELS'),
    ),
    (
        "levels compared as text",
        "Two levels were compared as text, by their letters. `hidden` is the worst, and in the "
        "alphabet it comes first.",
        "Compare places in LEVELS: LEVELS.index(…).",
        (
            'LEVELS.index(design["twice"]) <= LEVELS.index(requirements["twice"])',
            'design["twice"] <= requirements["twice"]',
        ),
    ),
    (
        "the limit itself refused",
        "A design that needs exactly the allowed time was refused.",
        "The time may be as long as the limit: <=.",
        ('design["far"] <= req', 'design["far"] < req'),
    ),
    (
        "the time the wrong way round",
        "A design was taken that is slower than required, or a fast one refused.",
        "requirements[\"far\"] is the longest time that is allowed: design <= requirement.",
        ('design["far"] <= req', 'design["far"] >= req'),
    ),
    (
        "each need met exactly",
        "A design was refused because it is better, or faster, than required.",
        "The needs are limits. At least as good is enough: compare with <=, not with ==.",
        ('(design["twice"]) <= LEVELS', '(design["twice"]) == LEVELS'),
        ('design["far"] <= req', 'design["far"] == req'),
        (
            'design["region_lost"] or not requirements["region_lost"]',
            'design["region_lost"] == requirements["region_lost"]',
        ),
        (
            'design["cut_off"] or not requirements["cut_off"]',
            'design["cut_off"] == requirements["cut_off"]',
        ),
    ),
    (
        "no look at the time",
        "The time that far clients wait was not looked at.",
        'Compare design["far"] with requirements["far"].',
        ("good and fast and", "good and"),
    ),
    (
        "the strictest that fits",
        "The last design that fits was taken. The list goes from simple to complex.",
        "Take the first one that fits.",
        ("for design in DESIGNS:", "for design in reversed(DESIGNS):"),
    ),
    (
        "a lost region forgotten",
        "Whether keys are needed while a region is lost was not looked at.",
        "Check region_lost.",
        ("fast and region and", "fast and"),
    ),
    (
        "a cut forgotten",
        "Whether those who are cut off need keys was not looked at.",
        "Check cut_off.",
        ("region and cut:", "region:"),
    ),
    (
        "more than required refused",
        "A design that can do more than required was refused.",
        "A need that is False asks for nothing.",
        (
            'design["region_lost"] or not requirements["region_lost"]',
            'design["region_lost"] == requirements["region_lost"]',
        ),
        (
            'design["cut_off"] or not requirements["cut_off"]',
            'design["cut_off"] == requirements["cut_off"]',
        ),
    ),
    (
        "one need is enough",
        "A design was taken that meets one of the needs.",
        "All needs have to be met: and.",
        ("good and fast and region and cut", "good or fast or region or cut"),
    ),
    (
        "the restore forgotten",
        "After a restore every design gives keys out twice, unless they are discarded.",
        "Add “discard after a restore” when backups are put back and no key may go out twice.",
        ('if requirements["restores"] and', "if False and"),
    ),
    (
        "discarded without need",
        "Keys are discarded although a key may go out twice.",
        "Only the requirement “never” asks for that.",
        (' and requirements["twice"] == "never"', ""),
    ),
    (
        "the design asked for the restore",
        "Whether to discard was decided by the design. The requirement decides: a design that "
        "could do more does not have to.",
        'Look at requirements["twice"].',
        ('and requirements["twice"] == "never"', 'and design["twice"] == "never"'),
    ),
    (
        "a bundle without a key, without need",
        "“Answer without a key” was added for a design that always has one to give.",
        "Add it only if the design stops for a lost region or for those who are cut off.",
        (' and not (design["region_lost"] and design["cut_off"])', ""),
    ),
    (
        "one kind of outage is enough",
        "A design counts as always able that is able in one kind of outage only.",
        "It must give keys in both: and.",
        ('(design["region_lost"] and design["cut_off"])', '(design["region_lost"] or '
         'design["cut_off"])'),
    ),
    (
        "no answer in an outage",
        "“Answer without a key” was never added. A design can fit and still stop in an outage: "
        "where no keys are asked for, an answer still is.",
        "Look at the design: it stops if its region_lost or its cut_off is False.",
        ('if requirements["always"] and', "if False and"),
    ),
    (
        "the requirement asked for the outages",
        "Whether the design stops was read from the requirement. That says what must work, and "
        "not what the design does.",
        'Look at design["region_lost"] and design["cut_off"].',
        (
            'not (design["region_lost"] and design["cut_off"])',
            '(requirements["region_lost"] or requirements["cut_off"])',
        ),
    ),
    (
        "an answer only where keys are required",
        "“Answer without a key” was added only where keys are required in an outage. An answer "
        "that must always come needs no such requirement.",
        "Ask `always`, and then the design alone: where does it stop?",
        (
            'if requirements["always"] and',
            'asked = requirements["region_lost"] or requirements["cut_off"]\n'
            '            if requirements["always"] and asked and',
        ),
    ),
    (
        "some design in any case",
        "Where nothing fits, a design was named all the same.",
        "Return [None, []] when no design meets all needs.",
        ("return [None, []]", 'return [DESIGNS[-1]["name"], []]'),
    ),
    (
        "None alone",
        "Where nothing fits, the result is None. Wanted is a list of two.",
        "Return [None, []].",
        ("return [None, []]", "return None"),
    ),
    (
        "only the name",
        "The result is a name. Wanted is a list: the name, and what is needed beside it.",
        "Return [name, also].",
        ('return [design["name"], also]', 'return design["name"]'),
        ("return [None, []]", "return None"),
    ),
)  # fmt: skip

_CHOOSE_TASK = Task(
    id="geo.choose",
    lesson="20",
    title="A design for a need",
    signature="choose(requirements: dict) -> list",
    statement=(
        "DESIGNS is given, from simple to complex. For each design: twice is the worst that "
        "happens to a one-time key (one of LEVELS, which go from best to worst), far the ms until "
        "the slowest client has its answer, region_lost and cut_off whether keys are still given "
        "out while a region is lost, and to those who are cut off. `requirements` has the same "
        "four: the worst allowed level, the longest allowed time, and what must work. Return "
        "[name, also] with the first design that meets all four, else [None, []]. `also` has "
        '"discard after a restore" if requirements["restores"] and no key may ever go out twice; '
        'then "answer without a key" if requirements["always"] and the design stops in one of the '
        "two outages, whether keys are required then or not."
    ),
    why="Needs decide, and what no design excludes is a duty of the people who run it.",
    points=4,
    minutes=15,
    section="Lesson 20, “Four designs”",
    modules=(),
    given=DESIGNS,
    hints=Hints(
        "Which requirement excludes which design?",
        "Go through the designs in order. For a level, compare places in LEVELS; a need that is "
        "False excludes nothing.",
        "good = LEVELS.index(design['twice']) <= LEVELS.index(requirements['twice']), and so on; "
        "if all are met, build `also` and return.",
    ),
    reference=CHOOSE,
    cases=choose_cases,
    explain=explain_choice,
    mistakes=(
        generic.nothing_returned("choose", CHOOSE),
        generic.changed_argument("choose", CHOOSE, "arguments[0].clear()"),
        *_CHOICES,
    ),
)

TASKS = (_MINIMAL_TASK, _CHOOSE_TASK)
