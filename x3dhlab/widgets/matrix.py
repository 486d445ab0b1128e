"""The compromise matrix: messages × stolen things. Predict every cell, then see the truth.

The truth stays in the kernel until all cells are predicted, and no form that a notebook keeps
shows it before that.
"""

from collections.abc import Callable
from dataclasses import dataclass

import traitlets

from x3dhlab import progress
from x3dhlab.widgets import drawing
from x3dhlab.widgets.base import View, module, style
from x3dhlab.widgets.experiment import FALLS, HOLDS
from x3dhlab.widgets.questions import record

_GUESSES = (FALLS, HOLDS)


@dataclass(frozen=True, slots=True)
class Heading:
    """A row or a column: a short unique name, and a sentence about it."""

    name: str
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Truth:
    """One cell of the truth: `FALLS` or `HOLDS`, a sentence why, and proof steps as lines."""

    verdict: str
    why: str = ""
    steps: tuple[str, ...] = ()


class CompromiseMatrix(View):
    """Predict which message falls to which theft, cell by cell; then `reveal`.

    `rows` (messages, or what else `what` says) and `columns` (stolen things) are `Heading`s or
    strings. `judge(row, column)` is handed in, takes two numbers from 0, returns a `Truth`, and
    runs at the reveal. `guesses` has one list for each row, of `FALLS`, `HOLDS` or "". Predictions
    come back from the progress file, locked or not.
    """

    _esm = module("matrix")
    _css = style("matrix")
    asked = traitlets.Dict().tag(sync=True)
    guesses = traitlets.List().tag(sync=True)
    outcome = traitlets.Dict().tag(sync=True)

    def __init__(
        self, id: str, title: str, rows, columns, judge: Callable[[int, int], Truth], what="message"
    ):
        self._rows, self._columns = _headings(id, rows), _headings(id, columns)
        self._judge = judge
        super().__init__(
            asked={
                "id": id,
                "title": title,
                "what": what,
                "rows": [{"name": row.name, "detail": row.detail} for row in self._rows],
                "columns": [{"name": c.name, "detail": c.detail} for c in self._columns],
            },
            guesses=[[""] * len(self._columns) for _ in self._rows],
        )
        self.on_msg(self._on_message)
        self._resume(progress.first("prediction", id), progress.last("draft", id))
        self.observe(self._draft, "guesses")

    @traitlets.validate("guesses")
    def _keep_shape(self, proposal):
        """A locked prediction stays as it is; what is no guess counts as none."""
        if self.outcome:
            return self.guesses
        given = proposal["value"]

        def at(row, column):
            try:
                return given[row][column] if given[row][column] in _GUESSES else ""
            except (IndexError, TypeError, KeyError):
                return ""

        return [[at(r, c) for c in range(len(self._columns))] for r in range(len(self._rows))]

    def predict(self, row: int, column: int, guess: str) -> None:
        """Set one cell (from 0), as a key would. Raises `ValueError` for what is no cell or guess.

        After the reveal nothing changes any more.
        """
        if guess not in (*_GUESSES, ""):
            raise ValueError(f"a guess is {FALLS!r} or {HOLDS!r}")
        if row not in range(len(self._rows)) or column not in range(len(self._columns)):
            raise ValueError("there is no such cell")
        guesses = [list(line) for line in self.guesses]
        guesses[row][column] = guess
        self.guesses = guesses

    def _draft(self, change):
        """Keep every prediction at once. A disk that refuses is told at the reveal."""
        record("draft", self.asked["id"], {"cells": self._named(self.guesses)})

    def _found(self, value):
        """The guesses in a value of the progress file; none, if the matrix has changed since."""
        cells = value.get("cells") if isinstance(value, dict) else None
        names = {row: set(line) for row, line in self._named(self.guesses).items()}
        lines = cells.items() if isinstance(cells, dict) else ()
        if {row: set(line) for row, line in lines if isinstance(line, dict)} != names:
            return []
        return [[_at(cells, row.name, c.name) for c in self._columns] for row in self._rows]

    @property
    def open_cells(self) -> int:
        """How many cells have no prediction yet."""
        return sum(guess == "" for line in self.guesses for guess in line)

    def reveal(self) -> None:
        """Lock and record the predictions, then show the truth. A second call changes nothing.

        Raises `ValueError` while cells are open.
        """
        if self.outcome:
            return
        if self.open_cells:
            raise ValueError(f"{_cells(self.open_cells)} without a prediction")
        truth = self._truth()
        value = {"cells": self._named(self.guesses), **self._score(truth)}
        problem = record("prediction", self.asked["id"], value)
        self._show(truth, problem=problem)

    def _truth(self):
        return [[self._judge(r, c) for c in range(len(self._columns))] for r in self._numbers()]

    def _numbers(self):
        return range(len(self._rows))

    def _named(self, guesses):
        return {
            row.name: dict(zip([c.name for c in self._columns], line, strict=True))
            for row, line in zip(self._rows, guesses, strict=True)
        }

    def _score(self, truth):
        right = [
            guess == cell.verdict
            for line, cells in zip(self.guesses, truth, strict=True)
            for guess, cell in zip(line, cells, strict=True)
        ]
        return {"right": sum(right), "of": len(right)}

    def _show(self, truth, *, earlier=False, problem=""):
        cells = [
            [{"verdict": t.verdict, "why": t.why, "steps": list(t.steps)} for t in line]
            for line in truth
        ]
        self.outcome = {
            **self._score(truth),
            "cells": cells,
            "earlier": earlier,
            "problem": problem,
        }

    def _resume(self, locked, draft):
        found = self._found(locked)
        if found and all(guess for line in found for guess in line):
            self.guesses = found
            self._show(self._truth(), earlier=True)
        else:
            self.guesses = self._found(draft)

    def _on_message(self, _, content, buffers):
        if content.get("kind") != "reveal" or self.outcome:
            return
        # The message may overtake the last change of the trait, so it brings the predictions.
        self.guesses = content.get("guesses") or []
        if not self.open_cells:
            self.reveal()

    # Forms without a kernel

    def _status(self):
        if self.outcome:
            return f"Predicted: {self.outcome['right']} of {_cells(self.outcome['of'])} right."
        done = len(self._rows) * len(self._columns) - self.open_cells
        return f"{_cells(self.open_cells)} to predict, {done} done."

    def _text(self):
        head = f"Compromise matrix {self.asked['id']}: {self.asked['title']}"
        lines = [head, *(f"  {_long(row)}" for row in self._rows)]
        lines += [f"  stolen: {_long(column)}" for column in self._columns]
        lines.append(self._status())
        if self.outcome:
            lines += [line for r in self._numbers() for line in self._row_text(r)]
        return "\n".join(drawing.printable(line) for line in lines)

    def _row_text(self, r):
        for c, column in enumerate(self._columns):
            cell, guess = self.outcome["cells"][r][c], self.guesses[r][c]
            mark = "✓" if guess == cell["verdict"] else "✗"
            told = f"predicted {guess}, {cell['verdict']}. {cell['why']}".rstrip()
            yield f"  {mark} {self._rows[r].name} × {column.name}: {told}"

    def _svg(self):
        return _picture(self.asked, self._rows, self._columns, self._mark, self._status())

    def _mark(self, r, c):
        if not self.outcome:
            return "?", "m"
        verdict = self.outcome["cells"][r][c]["verdict"]
        right = verdict == self.guesses[r][c]
        return f"{verdict}{'' if right else ' ✗'}", "t b" if right else "t"


def _headings(id, given):
    made = [Heading(item) if isinstance(item, str) else item for item in given]
    if not made or any(not isinstance(item, Heading) or not item.name for item in made):
        raise ValueError(f"matrix {id!r} needs rows and columns with names")
    if len({item.name for item in made}) < len(made):
        raise ValueError(f"matrix {id!r} has two rows or columns of the same name")
    return made


def _at(cells, row, column):
    line = cells.get(row)
    guess = line.get(column) if isinstance(line, dict) else None
    return guess if guess in _GUESSES else ""


def _cells(number):
    return f"{number} cell{'' if number == 1 else 's'}"


def _long(heading):
    return f"{heading.name}: {heading.detail}" if heading.detail else heading.name


_LEFT, _CELL, _LINE = 190, 104, 38


def _picture(asked, rows, columns, mark, status):
    width = max(560, _LEFT + _CELL * len(columns) + 20)
    heads = [drawing.wrap(column.name, 15)[:5] for column in columns]
    top = 62 + 14 * max(map(len, heads))
    body = [drawing.text(20, 30, drawing.cut(asked["title"], width // 8), "t b")]
    for c, lines in enumerate(heads):
        x = _LEFT + _CELL * (c + 0.5)
        for n, line in enumerate(lines):
            y = top - 12 - 14 * (len(lines) - 1 - n)
            body.append(drawing.text(x, y, line, "m s", "middle"))
    for r, row in enumerate(rows):
        y = top + _LINE * r
        body.append(drawing.text(20, y + 23, drawing.cut(row.name, 22), "t"))
        for c in range(len(columns)):
            x = _LEFT + _CELL * c
            words, kind = mark(r, c)
            body.append(
                f'<rect class="ring" x="{x + 3}" y="{y + 3}" width="{_CELL - 6}" '
                f'height="{_LINE - 6}" rx="6"/>'
            )
            body.append(drawing.text(x + _CELL / 2, y + 24, words, kind, "middle"))
    bottom = top + _LINE * len(rows) + 26
    body.append(drawing.text(20, bottom, status, "m s"))
    return drawing.document(width, bottom + 18, body, title=asked["title"])
