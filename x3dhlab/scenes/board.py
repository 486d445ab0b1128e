"""Lesson 22: a design on a board, run against attacks and outages, and scored."""

from collections.abc import Sequence

from x3dhlab import plots
from x3dhlab.plots import Picture
from x3dhlab.widgets import Decision, DecisionBoard
from x3dhlab.worlds import board, lost_phone, people

# Design B's two proposals. Rows that it leaves open are filled with its simpler words.
AVAILABLE_FIRST = {
    "store": "every region by itself",
    "one-time keys": people.OPTIONAL,
    "rotation": "every 30 days, kept for 60",
    "identity keys": people.PINS,
    "devices": people.LISTED,
    "backup": lost_phone.NONE,
}
SECURE_FIRST = {
    "store": "one leader a user",
    "one-time keys": people.REQUIRED,
    "rotation": "every 7 days, kept for 30",
    "identity keys": people.MAP,
    "devices": people.LISTED,
    "backup": lost_phone.NONE,
}
SEEDS = (1, 2, 3)


def rows(choices: dict[str, str], seed: int = 1) -> list[dict]:
    """One plain dict a row, as the task `design.score` gets it."""
    return [
        {
            "decision": decision,
            "option": choices[decision],
            "kept": tally.kept,
            "secrets": tally.secrets,
            "served": tally.served,
            "wanted": tally.wanted,
            "effort": dict(tally.effort),
        }
        for decision, tally in board.design(choices, seed).items()
    ]


def scored(choices: dict[str, str], seed: int = 1) -> dict[str, int]:
    """The three numbers of a design, after its runs."""
    return board.score([*board.design(choices, seed).values()])


def decision_board(
    seed: int = 1,
    chosen: dict[str, str] | None = None,
    only: Sequence[str] = tuple(board.OPTIONS),
) -> DecisionBoard:
    """The board: choose, guess, run. The same seed attacks the same people in every design.

    `only` names the rows of a smaller board.
    """

    def run(choices):
        played = [board.run(decision, choices[decision], seed) for decision in only]
        each = [{**board.score([one]), "seen": list(one.seen)} for one in played]
        return {**board.score(played), "rows": each}

    decisions = [Decision(name, board.QUESTIONS[name], board.OPTIONS[name]) for name in only]
    count = {2: "two", 3: "three", 6: "six"}.get(len(only), str(len(only)))
    return DecisionBoard(f"A messenger in {count} decisions", decisions, run, chosen)


def designs_scored(seeds=SEEDS) -> dict[str, list[dict[str, int]]]:
    """The two proposals of design B, over several seeds."""
    both = {"availability first": AVAILABLE_FIRST, "security first": SECURE_FIRST}
    return {name: [scored(choices, seed) for seed in seeds] for name, choices in both.items()}


def show_designs(found: dict[str, list[dict[str, int]]] | None = None) -> Picture:
    """Three panels, one for each number: the proposals, with the range over the seeds."""
    found = designs_scored() if found is None else found
    measures = {
        f"{axis}{', %' if axis != 'effort' else ' for 100 things wanted'}": {
            name: [one[axis] for one in runs] for name, runs in found.items()
        }
        for axis in ("confidentiality", "availability", "effort")
    }
    return plots.panels(measures, title="Two whole designs, run three times")


def best(axis: str, seed: int = 1) -> dict[str, str]:
    """In each row, the option that is best in one number; of several equal ones, the first."""
    sign = -1 if axis == "effort" else 1

    def worth(decision, option):
        tally = board.run(decision, option, seed)
        shares = {
            "confidentiality": tally.kept / tally.secrets,
            "availability": tally.served / tally.wanted,
            "effort": board.effort(tally),
        }
        return sign * shares[axis]

    return {
        decision: max(options, key=lambda option, row=decision: worth(row, option))
        for decision, options in board.OPTIONS.items()
    }
