"""Lesson 17, first sitting: two takers in every order, and what each way of asking ends in."""

from x3dhlab import plots
from x3dhlab.plots import ORANGE, Picture
from x3dhlab.widgets import FALLS, HOLDS, Choose, Experiment, Number, Outcome
from x3dhlab.worlds import takers

_NAMES = {"sqlite": "SQLite", "postgresql": "PostgreSQL"}
WAYS = {
    f"{_NAMES[dialect]}: {way}": (dialect, statements)
    for dialect, ways in takers.EXAMPLES.items()
    for way, statements in ways.items()
}


def endings(keys: int = 3) -> dict[str, dict[str, int]]:
    """Way of taking a key → how many of its orders end how; PostgreSQL is the model."""
    return {
        name: takers.counts(takers.races(dialect, statements, keys))
        for name, (dialect, statements) in WAYS.items()
    }


def show_endings() -> Picture:
    """The figure of `endings`."""
    found = endings()
    columns = list(next(iter(found.values())))
    rows = {
        name: [_words(ending, count, sum(counts.values())) for ending, count in counts.items()]
        for name, counts in found.items()
    }
    title = "Two takers, three keys: in how many orders of the statements …"
    return plots.places(rows, columns, title=title, marked="✗", fill=ORANGE)


def _words(ending, count, total):
    mark = "✗ " if ending == takers.SAME else ""
    return f"{mark}{count} of {total}" if count else ""


def two_takers() -> Experiment:
    """Choose a way and how many keys there are; every order is run again."""

    def run(way, keys):
        dialect, statements = WAYS[way]
        runs = list(takers.races(dialect, statements, keys))
        wrong = next((ended for ended in runs if ended.objection), None)
        facts = {f"statement {n}": text for n, text in enumerate(statements, 1)}
        facts |= {"orders": len(runs)} | takers.counts(runs)
        if wrong:
            facts["an order that is wrong"] = ", ".join(wrong.moves)
            return Outcome(FALLS, f"In that order: {wrong.objection}.", facts)
        return Outcome(HOLDS, "Every order is right.", facts)

    first = next(iter(WAYS))
    return Experiment(
        "X and Y each take one key of Bob's",
        [
            Choose("way", "Each sends", tuple(WAYS), first),
            Number("keys", "Keys in the table", 0, 5, 3),
        ],
        run,
    )
