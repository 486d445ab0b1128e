"""The decision board: one choice a row, a guess which row is the weakest, then a run of them all.

The widget shows plain data. `run` is handed in and does the work with real parties and worlds.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import traitlets

from x3dhlab.widgets import drawing
from x3dhlab.widgets.base import View, module, style
from x3dhlab.widgets.experiment import Choose

GUESS, OPEN, UNKNOWN = "the weakest row", "not said yet", "I don't know"
AXES = ("confidentiality", "availability", "effort")
_UNITS = {"confidentiality": " %", "availability": " %", "effort": ""}


@dataclass(frozen=True, slots=True)
class Decision:
    """A row of the board: a short unique name, the question, and what can be chosen."""

    name: str
    question: str
    options: tuple[str, ...]


class DecisionBoard(View):
    """Choose an option for each of `decisions`, guess the weakest row, and `run`.

    `run(choices)` gets {decision: option} and returns a dict with the numbers `confidentiality`,
    `availability` and `effort` of the design, and `rows`: for each decision, in order, a dict of
    the same numbers and `seen`, a list of sentences. `chosen` are the options at the beginning.
    `report` is empty until a run; `tried` has one line for each design that was run.
    """

    _esm = module("decisions")
    _css = style("decisions")
    title = traitlets.Unicode("").tag(sync=True)
    controls = traitlets.List().tag(sync=True)
    values = traitlets.Dict().tag(sync=True)
    report = traitlets.Dict().tag(sync=True)
    tried = traitlets.List().tag(sync=True)

    def __init__(
        self,
        title: str,
        decisions,
        run: Callable[[dict], dict],
        chosen: Mapping[str, str] | None = None,
    ):
        self._decisions, self._run, self._turn = list(decisions), run, 0
        names = [one.name for one in self._decisions]
        if not names or len({*names, GUESS}) <= len(names):
            raise ValueError("a board needs rows with different names")
        rows = [Choose(one.name, one.question, one.options) for one in self._decisions]
        guess = Choose(GUESS, "Before you run: which row keeps least?", (OPEN, UNKNOWN, *names))
        self._controls = {control.name: control for control in (*rows, guess)}
        first = {one.name: one.options[0] for one in rows}
        super().__init__(
            title=title,
            controls=[control.describe() for control in self._controls.values()],
            values={**first, GUESS: OPEN},
        )
        self.observe(self._changed, "values")
        self.on_msg(self._on_message)
        self._clear()
        if chosen:
            self.choose(chosen)

    def choose(self, choices: Mapping[str, str]) -> None:
        """Set options, as a click would. Raises `ValueError` for what does not stand on the board.

        The guess and the report belong to the design before, and go.
        """
        for name, option in choices.items():
            if name == GUESS or not self._accepts(name, option):
                raise ValueError(f"{name} cannot be {option!r}")
        self.values = {**self.values, **choices}

    def guess(self, name: str) -> None:
        """Say which row is the weakest, or `UNKNOWN`. Raises `ValueError` for another name."""
        if not self._accepts(GUESS, name) or name == OPEN:
            raise ValueError(f"{name!r} is no row of the board")
        self.values = {**self.values, GUESS: name}

    def run(self) -> None:
        """Run the design. Raises `ValueError` before the guess."""
        if self.values[GUESS] == OPEN:
            raise ValueError("first say which row is the weakest; you may say that you don't know")
        choices = {one.name: self.values[one.name] for one in self._decisions}
        try:
            found = self._run(choices)
        except Exception as problem:
            self._clear(f"This run stopped: {problem}")
            return
        least = min(row["confidentiality"] for row in found["rows"])
        rows = [
            {"name": one.name, "option": choices[one.name], **row}
            for one, row in zip(self._decisions, found["rows"], strict=True)
        ]
        weakest = [row["name"] for row in rows if row["confidentiality"] == least]
        guess = self.values[GUESS]
        self._turn += 1
        report = {axis: found[axis] for axis in AXES}
        self.tried = [*self.tried, {**report, "weakest": weakest, "choices": choices}]
        told = _told(guess, weakest)
        self.report = {**report, "rows": rows, "told": told, "turn": self._turn}

    def _accepts(self, name, value):
        return name in self._controls and self._controls[name].accepts(value)

    def _clear(self, problem=""):
        # The turn makes each answer a new value, also where nothing changed.
        self._turn += 1
        self.report = {"turn": self._turn, "problem": problem}

    def _changed(self, change):
        """Keep what can be chosen; another option makes guess and report those of a past design."""
        kept = {
            name: self.values[name] if self._accepts(name, self.values.get(name)) else control.value
            for name, control in self._controls.items()
        }
        kept = {name: value or self._controls[name].options[0] for name, value in kept.items()}
        before = change["old"] if isinstance(change["old"], dict) else {}
        if any(before.get(one.name) != kept[one.name] for one in self._decisions):
            kept[GUESS] = OPEN
        if kept != self.values:
            self.values = kept
        else:
            self._clear()

    def _on_message(self, _, content, buffers):
        # The message may overtake the last change of the trait, so it brings the values.
        if content.get("kind") == "run" and isinstance(content.get("values"), dict):
            guess = content["values"].get(GUESS)
            self.values = {**self.values, **content["values"]}
            if self._accepts(GUESS, guess) and guess != OPEN:
                self.guess(guess)
                self.run()

    # Forms without a kernel

    def _lines(self):
        """The report as (name, words, bold)."""
        if "rows" not in self.report:
            for one in self._decisions:
                yield one.name, self.values[one.name], False
            yield "", self.report["problem"] or "Not run yet.", True
            return
        for row in self.report["rows"]:
            yield row["name"], row["option"], False
            yield "", f"{_numbers(row)}. {'; '.join(row['seen'])}", False
        yield "the design", f"{_numbers(self.report)}. {self.report['told']}", True

    def _text(self):
        lines = [f"Decision board: {self.title}"]
        for name, words, _ in self._lines():
            lines.append(f"  {name}: {words}" if name else f"    {words}")
        for number, one in enumerate(self.tried, 1):
            lines.append(
                f"  design {number}: {_numbers(one)}; least in {' and '.join(one['weakest'])}"
            )
        return "\n".join(lines)

    def _svg(self):
        y, body = 32, [drawing.text(20, 32, self.title, "t b")]
        y += 8
        for name, words, bold in self._lines():
            for number, line in enumerate(drawing.wrap(words, 66)):
                y += 22
                if number == 0 and name:
                    body.append(drawing.text(20, y, name, "m s"))
                body.append(drawing.text(160, y, line, "t b" if bold else "t s"))
        return drawing.document(680, y + 24, body, title=self.title)


def _numbers(report):
    return ", ".join(f"{axis} {report[axis]}{_UNITS[axis]}" for axis in AXES)


def _told(guess, weakest):
    least = " and ".join(weakest)
    if guess == UNKNOWN:
        return f"Least is kept in: {least}."
    if guess in weakest:
        return f"As you said: least is kept in {least}."
    return f"You said {guess}; least is kept in {least}."
