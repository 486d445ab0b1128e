"""Tasks of lesson 22: three numbers for a design, and the designs that no other one beats."""

import random

from x3dhlab.grading.task import Case, Hints, Task
from x3dhlab.grading.tasks import generic

# design.score

SCORE = """
def score(rows, weights):
    attacked = [row for row in rows if row["secrets"] > 0]
    least = min(attacked, key=lambda row: row["kept"] / row["secrets"], default=None)
    served, wanted, effort = 1, 1, 0
    for row in rows:
        served, wanted = served * row["served"], wanted * row["wanted"]
        cost = sum(weights.get(kind, 0) * count for kind, count in row["effort"].items())
        effort += 100 * cost // row["wanted"]
    return {
        "confidentiality": 100 * least["kept"] // least["secrets"] if least else 100,
        "weakest": least["decision"] if least else None,
        "availability": 100 * served // wanted,
        "effort": effort,
    }
"""

_WEIGHTS = {"acts of people": 20, "more requests": 1}
_PERCENTS = ("    served, wanted, effort = 1, 1, 0\n", "    available, effort = 100, 0\n")


def score_cases(seed: int) -> list[Case]:
    """Designs of one to six rows: one weak row, rows with no attack, equal percents, no effort.

    Two have percents that a float misses: 100 * (29 / 100) is below 29, and 0.7 * 0.7 below 0.49.
    """
    rng = random.Random(f"design.score {seed}")

    def row(decision, kept, secrets, served, wanted, acts=None, requests=None):
        effort = {"acts of people": acts, "more requests": requests}
        effort = {kind: count for kind, count in effort.items() if count is not None}
        return {
            "decision": decision,
            "kept": kept,
            "secrets": secrets,
            "served": served,
            "wanted": wanted,
            "effort": effort,
        }

    weak = rng.randint(2, 7)
    some = rng.randint(80, 95)
    first = [
        row("store", 95, 100, 190, 200, requests=rng.randint(21, 60)),
        row("identity keys", weak, 40, some, 97, acts=rng.randint(3, 9), requests=12),
        row("backup", 40, 44, 80, 88, acts=5),
    ]
    rows = [
        ("three rows", first),
        ("the weakest row comes last", [first[0], first[2], first[1]]),
        ("a row without an attack", [row("lists", 0, 0, 50, 55, requests=7), *first]),
        ("no attack at all", [row("store", 0, 0, 9, 10, requests=3), row("map", 0, 0, 8, 9)]),
        # 66 of 100 and 665 of 1000: one percent number, and the second keeps more.
        ("equal percents", [row("a", 665, 1000, 99, 100), row("b", 66, 100, 98, 100)]),
        ("few secrets, many secrets", [row("a", 1, 3, 30, 31), row("b", 500, 900, 899, 900)]),
        ("losses that add up", [row(name, 9, 10, 97, 100) for name in "abcdef"]),
        (
            "a kind without a weight",
            [row("a", 9, 10, 9, 10, acts=1) | {"effort": {"nights": 3, "more requests": 41}}],
        ),
        ("a row with much effort", [first[2], row("devices", 6, 6, 60, 61, acts=37, requests=9)]),
        ("something is never served", [first[0], row("one-time keys", 8, 9, 0, 12, requests=5)]),
        ("a share as a whole percent", [row("a", rng.choice((29, 57, 58)), 100, 9, 10)]),
        ("two times 7 of 10", [row("a", 9, 10, 7, 10), row("b", 8, 10, 7, 10)]),
    ]
    return [Case((design, dict(_WEIGHTS)), about) for about, design in rows]


_SCORE = Task(
    id="design.score",
    lesson="22",
    title="Three numbers for a design",
    signature="score(rows: list, weights: dict) -> dict",
    statement=(
        "`rows` has one dict for each decision of a design: `decision` (its name), `kept` of "
        "`secrets`, `served` of `wanted` (whole numbers, `wanted` is at least 1), and `effort`, a "
        "dict kind → count. `weights` says what each kind of effort counts; a kind without a "
        "weight counts 0. Return a dict: `confidentiality`, the percent that the weakest row kept; "
        "`weakest`, the name of that row, the first one if several keep equal shares; "
        "`availability`, the percent of the product of all shares served; `effort`, the sum over "
        "rows of the weighted effort for 100 things wanted. A row in which `secrets` is 0 was not "
        "attacked: it cannot be the weakest. If no row was attacked, confidentiality is 100 and "
        "weakest None. Percents are rounded down once, at the end; effort in each row."
    ),
    why="An attacker chooses the row, so confidentiality is the smallest share. A message needs "
    "every row, so shares served are multiplied. Effort adds up.",
    points=3,
    minutes=12,
    section="Lesson 22, “Three numbers”",
    modules=(),
    hints=Hints(
        "Which of the three numbers gets better when a strong row becomes stronger?",
        "The smallest share, the product of shares, and a sum. Multiply the whole numbers first, "
        "and divide once.",
        'The weakest row is the min of the attacked ones, by row["kept"] / row["secrets"]; '
        "availability is 100 * product of served // product of wanted.",
    ),
    reference=SCORE,
    cases=score_cases,
    mistakes=(
        generic.nothing_returned("score", SCORE),
        generic.changed_argument("score", SCORE, "arguments[0].clear()"),
        *generic.variants(
            SCORE,
            (
                "the average for the weakest",
                "The shares kept were averaged. An attacker does not try all rows alike.",
                "Take the smallest share.",
                (
                    '100 * least["kept"] // least["secrets"]',
                    'int(100 * sum(row["kept"] / row["secrets"] for row in attacked)'
                    " / len(attacked) + 1e-9)",
                ),
            ),
            (
                "all secrets in one heap",
                "All secrets were put together. A row with many secrets then hides one with few.",
                "Compare the shares row by row.",
                (
                    '100 * least["kept"] // least["secrets"]',
                    '100 * sum(row["kept"] for row in attacked) // '
                    'sum(row["secrets"] for row in attacked)',
                ),
            ),
            (
                "most secrets lost",
                "The row that lost the largest number was taken. It may also have had the most.",
                "Compare shares, kept / secrets.",
                ('row["kept"] / row["secrets"],', 'row["kept"] - row["secrets"],'),
            ),
            (
                "rounded before comparing",
                "The percents were rounded first, so two different shares looked equal.",
                "Compare the shares as they are, and round at the end.",
                (
                    'key=lambda row: row["kept"] / row["secrets"]',
                    'key=lambda row: 100 * row["kept"] // row["secrets"]',
                ),
            ),
            (
                "the last of equal rows",
                "Several rows kept equal shares, and a later one of them was named.",
                "Take the first one: `min` does, and so does a search with < in place of <=.",
                ("min(attacked,", "min(reversed(attacked),"),
            ),
            (
                "a share kept as a float",
                "The share was divided first and multiplied by 100 afterwards. No float is "
                "exactly 29 / 100, so 29 of 100 comes out as 28.",
                "Multiply the whole numbers first, then divide once: 100 * kept // secrets.",
                (
                    '100 * least["kept"] // least["secrets"]',
                    'int(100 * (least["kept"] / least["secrets"]))',
                ),
            ),
            (
                "shares served as floats",
                "The shares were multiplied as floats. 0.7 * 0.7 is a little below 0.49, so the "
                "percent comes out as 48.",
                "Multiply all `served`, multiply all `wanted`, and divide once with //.",
                (
                    'served, wanted = served * row["served"], wanted * row["wanted"]',
                    'served = served * (row["served"] / row["wanted"])',
                ),
                ("100 * served // wanted", "int(100 * served)"),
            ),
            (
                "a row without an attack is the weakest",
                "A row in which nothing was attacked counted as one that lost everything.",
                "Leave rows with 0 secrets out of the comparison.",
                (
                    '[row for row in rows if row["secrets"] > 0]',
                    "list(rows)",
                ),
                ('row["kept"] / row["secrets"],', 'row["kept"] / (row["secrets"] or 1),'),
                ('// least["secrets"]', '// (least["secrets"] or 1)'),
            ),
            (
                "the smallest availability",
                "Only the row that serves least was counted. A message needs all rows.",
                "Multiply the shares.",
                (
                    '"availability": 100 * served // wanted',
                    '"availability": min(100 * row["served"] // row["wanted"] for row in rows)',
                ),
            ),
            (
                "the average availability",
                "The shares served were averaged. Losses of six rows add up for each message.",
                "Multiply the shares.",
                (
                    '"availability": 100 * served // wanted',
                    '"availability": int(100 * sum(row["served"] / row["wanted"] for row in rows)'
                    " / len(rows) + 1e-9)",
                ),
            ),
            (
                "all wishes in one heap",
                "Everything served was put together, and everything wanted. A row with many "
                "wishes then hides one with few, and a message needs both.",
                "Multiply the shares of the rows.",
                (
                    "100 * served // wanted",
                    '100 * sum(row["served"] for row in rows) // '
                    'sum(row["wanted"] for row in rows)',
                ),
            ),
            (
                "rounded in each row",
                "Each share was rounded down to a percent before it was multiplied, so small "
                "losses were counted several times.",
                "Multiply the whole numbers, and divide once.",
                _PERCENTS,
                (
                    '        served, wanted = served * row["served"], wanted * row["wanted"]\n',
                    '        percent = 100 * row["served"] // row["wanted"]\n'
                    "        available = available * percent // 100\n",
                ),
                ("100 * served // wanted", "available"),
            ),
            (
                "rounded after each row",
                "The product was rounded down after each row, so small losses were counted "
                "several times.",
                "Multiply the whole numbers, and divide once.",
                _PERCENTS,
                (
                    '        served, wanted = served * row["served"], wanted * row["wanted"]\n',
                    '        available = available * row["served"] // row["wanted"]\n',
                ),
                ("100 * served // wanted", "available"),
            ),
            (
                "effort rounded at the end",
                "The efforts of all rows were added first, and rounded down once. That is the rule "
                "for the percents.",
                "Round down in each row: 100 * cost // wanted.",
                ('100 * cost // row["wanted"]', '100 * cost / row["wanted"]'),
                ('"effort": effort,', '"effort": int(effort + 1e-9),'),
            ),
            (
                "effort without weights",
                "All kinds of effort were counted alike. An act of a person costs more.",
                "Multiply each count with the weight of its kind.",
                ("weights.get(kind, 0) * count", "count"),
            ),
            (
                "a weight for every kind",
                "A kind of effort that has no weight was counted all the same.",
                "A kind without a weight counts 0: weights.get(kind, 0).",
                ("weights.get(kind, 0)", "weights.get(kind, 1)"),
            ),
            (
                "effort of unequal crowds",
                "The effort was not divided by what was wanted: a larger run looks dearer.",
                "Count for 100 things wanted: 100 * cost // wanted.",
                ('100 * cost // row["wanted"]', "cost"),
            ),
        ),
    ),
)


# design.frontier

FRONTIER = """
def frontier(designs):
    def losses(design):
        return [-design["confidentiality"], -design["availability"], design["effort"]]

    def beats(one, other):
        pairs = list(zip(losses(one), losses(other)))
        return all(a <= b for a, b in pairs) and any(a < b for a, b in pairs)

    return [
        name
        for name, design in designs.items()
        if not any(beats(other, design) for other in designs.values())
    ]
"""


def frontier_cases(seed: int) -> list[Case]:
    """Designs that differ in one number, in two, in none."""
    rng = random.Random(f"design.frontier {seed}")
    base = rng.randint(50, 60), rng.randint(60, 70), rng.randint(200, 300)

    def designs(*changes):
        rows = [tuple(b + c for b, c in zip(base, change, strict=True)) for change in changes]
        keys = ("confidentiality", "availability", "effort")
        return {f"design {n}": dict(zip(keys, row, strict=True)) for n, row in enumerate(rows, 1)}

    rows = [
        ("one design", designs((0, 0, 0))),
        ("a better one in all three", designs((0, 0, 0), (5, 5, -20))),
        ("less effort, the rest equal", designs((0, 0, 0), (0, 0, -20))),
        ("more kept, the rest equal", designs((9, 0, 0), (0, 0, 0))),
        ("more kept, less served", designs((9, -4, 0), (0, 0, 0))),
        ("more kept, more effort", designs((9, 0, 90), (0, 0, 0))),
        ("two equal designs", designs((0, 0, 0), (0, 0, 0), (-3, -3, 9))),
        ("a middle one", designs((20, -20, 0), (3, 3, 5), (-20, 20, 0))),
        ("a middle one that is beaten", designs((20, -20, 0), (3, -21, 0), (-20, 20, 0))),
        ("a large sum", designs((30, -2, 0), (0, 0, 0), (-1, -1, 5))),
    ]
    return [Case((given,), about) for about, given in rows]


_FRONTIER = Task(
    id="design.frontier",
    lesson="22",
    title="Designs that no other one beats",
    signature="frontier(designs: dict) -> list",
    statement=(
        "`designs` maps a name to a dict with `confidentiality` and `availability` (more is "
        "better) and `effort` (less is better). One design beats another if it is at least as good "
        "in all three numbers and better in at least one. Return the names of all designs that no "
        "other one beats, in the given order. Two equal designs do not beat each other."
    ),
    why="What is left is what people can argue about. Which one is right depends on what "
    "the service is for, and no sum decides that.",
    points=2,
    minutes=10,
    section="Lesson 22, “Two whole designs”",
    modules=(),
    hints=Hints(
        "When does nobody want a design, whatever they value?",
        "Compare each design with all the others: all numbers at least as good, one better.",
        "Turn the first two numbers round with a minus, so that less is better in all three. Then "
        "beats is all(a <= b …) and any(a < b …).",
    ),
    reference=FRONTIER,
    cases=frontier_cases,
    mistakes=(
        generic.nothing_returned("frontier", FRONTIER),
        generic.changed_argument("frontier", FRONTIER, "arguments[0].clear()"),
        *generic.variants(
            FRONTIER,
            (
                "more effort is better",
                "A larger effort was taken for an advantage.",
                "Of effort, less is better.",
                ('design["effort"]]', '-design["effort"]]'),
            ),
            (
                "better in all three",
                "Only a design that is better in every number was allowed to beat another one. "
                "Equal numbers and one better one are enough.",
                "At least as good in all three, and better in one.",
                (
                    "all(a <= b for a, b in pairs) and any(a < b for a, b in pairs)",
                    "all(a < b for a, b in pairs)",
                ),
            ),
            (
                "equal designs beat each other",
                "At least as good in all three is also true of two equal designs, and of a design "
                "and itself. So nothing was left.",
                "Ask also for one number that is better.",
                (" and any(a < b for a, b in pairs)", ""),
            ),
            (
                "one of two equal designs beats the other",
                "Two designs with three equal numbers beat each other, so both are missing. "
                "At least as good is not yet better.",
                "Ask also for one number that is better.",
                (
                    "        if not any(beats(other, design) for other in designs.values())\n",
                    "        if not any(\n"
                    "            beats(other, design)\n"
                    "            for n, other in designs.items() if n != name\n"
                    "        )\n",
                ),
                (" and any(a < b for a, b in pairs)", ""),
            ),
            (
                "better in one is enough",
                "A design was beaten by every other one that is better in some number.",
                "The other one must be at least as good in all three.",
                ("all(a <= b for a, b in pairs) and ", ""),
            ),
            (
                "the largest sum",
                "The three numbers were added. A percent and an effort have no common unit.",
                "Compare number by number.",
                (
                    "    return [\n"
                    "        name\n"
                    "        for name, design in designs.items()\n"
                    "        if not any(beats(other, design) for other in designs.values())\n"
                    "    ]\n",
                    "    least = min(sum(losses(design)) for design in designs.values())\n"
                    "    return [n for n, d in designs.items() if sum(losses(d)) == least]\n",
                ),
            ),
            (
                "the best of each number",
                "Only the winners of single numbers stayed. A design in the middle, which wins "
                "nowhere and is beaten by nobody, is missing.",
                "Keep every design that no other one beats.",
                (
                    "    return [\n"
                    "        name\n"
                    "        for name, design in designs.items()\n"
                    "        if not any(beats(other, design) for other in designs.values())\n"
                    "    ]\n",
                    "    best = [min(one) for one in zip(*map(losses, designs.values()))]\n"
                    "    return [\n"
                    "        name\n"
                    "        for name, design in designs.items()\n"
                    "        if any(a == b for a, b in zip(losses(design), best))\n"
                    "    ]\n",
                ),
            ),
        ),
    ),
)

TASKS = (_SCORE, _FRONTIER)
