"""An experiment: a few controls, and a run that is made anew whenever one of them changes."""

from collections.abc import Callable
from dataclasses import dataclass, field

import traitlets

from x3dhlab.widgets import drawing
from x3dhlab.widgets.base import View, module

HOLDS, FALLS, NOTE = "holds", "falls", "note"
_MARKS = {HOLDS: "✓", FALLS: "✗", NOTE: "·"}


@dataclass(frozen=True, slots=True)
class Check:
    """A control that is on or off."""

    name: str
    label: str
    value: bool = False

    def accepts(self, value) -> bool:
        return type(value) is bool

    def describe(self) -> dict:
        return {"kind": "check", "name": self.name, "label": self.label}

    def show(self, value) -> str:
        return "on" if value else "off"


@dataclass(frozen=True, slots=True)
class Choose:
    """A control with one of several values."""

    name: str
    label: str
    options: tuple[str, ...]
    value: str = ""

    def accepts(self, value) -> bool:
        return value in self.options

    def describe(self) -> dict:
        options = list(self.options)
        return {"kind": "choose", "name": self.name, "label": self.label, "options": options}

    def show(self, value) -> str:
        return value


@dataclass(frozen=True, slots=True)
class Number:
    """A control with a whole number from `low` to `high`."""

    name: str
    label: str
    low: int
    high: int
    value: int = 0

    def accepts(self, value) -> bool:
        return type(value) is int and self.low <= value <= self.high

    def describe(self) -> dict:
        limits = {"low": self.low, "high": self.high}
        return {"kind": "number", "name": self.name, "label": self.label, **limits}

    def show(self, value) -> str:
        return str(value)


@dataclass(frozen=True, slots=True)
class Text:
    """A control with a line of text of at most `limit` characters."""

    name: str
    label: str
    value: str = ""
    limit: int = 200

    def accepts(self, value) -> bool:
        return isinstance(value, str) and len(value) <= self.limit

    def describe(self) -> dict:
        return {"kind": "text", "name": self.name, "label": self.label, "limit": self.limit}

    def show(self, value) -> str:
        return f"“{value}”"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a run gave: a verdict (`HOLDS`, `FALLS` or `NOTE`), a sentence, and facts by name."""

    verdict: str
    sentence: str
    facts: dict[str, str] = field(default_factory=dict)


class Experiment(View):
    """Shows `controls` and the outcome of `run(**values)`, which is called again at every change.

    `run` is handed in and does the work; it returns an `Outcome`. If it raises, the error's
    sentence is the outcome, so that an unusual setting never leaves an empty cell. A fact may have
    several lines. A new value of the control named `opens` puts all others back to their first
    values, unless they change with it.
    """

    _esm = module("experiment")
    title = traitlets.Unicode("").tag(sync=True)
    controls = traitlets.List().tag(sync=True)
    values = traitlets.Dict().tag(sync=True)
    outcome = traitlets.Dict().tag(sync=True)

    def __init__(self, title: str, controls, run: Callable[..., Outcome], opens: str = ""):
        self._controls = {control.name: control for control in controls}
        self._run, self._turn, self._opens = run, 0, opens
        super().__init__(
            title=title,
            controls=[control.describe() for control in controls],
            values={control.name: control.value for control in controls},
        )
        self.observe(self._again, "values")
        self._again()

    def set(self, **values) -> None:
        """Change some controls, as a click would. Raises `ValueError` for what they cannot hold."""
        for name, value in values.items():
            if name not in self._controls or not self._controls[name].accepts(value):
                raise ValueError(f"{name} cannot be {value!r}")
        self.values = {**self.values, **values}

    def _opened(self, old, new):
        """The values after a change from `old` to `new`: fresh ones where the change opens."""
        if old.get(self._opens) == new.get(self._opens):
            return new
        return {
            name: new.get(name) if new.get(name) != old.get(name) else control.value
            for name, control in self._controls.items()
        }

    def _again(self, change=None):
        opened = self._opened(change.old, change.new) if change else self.values
        if opened != self.values:
            self.values = opened  # which calls this function again
            return
        values = {
            name: self.values[name] if control.accepts(self.values.get(name)) else control.value
            for name, control in self._controls.items()
        }
        try:
            outcome = self._run(**values)
        except Exception as problem:
            outcome = Outcome(NOTE, f"This run stopped: {problem}")
        facts = [[name, str(fact)] for name, fact in outcome.facts.items()]
        # The turn makes each answer a new value, also where nothing changed.
        self._turn += 1
        self.outcome = {
            "turn": self._turn,
            "verdict": outcome.verdict,
            "mark": _MARKS[outcome.verdict],
            "sentence": outcome.sentence,
            "facts": facts,
        }

    def _settings(self):
        return [
            (control.label, control.show(self.values[name]))
            for name, control in self._controls.items()
        ]

    def _text(self):
        lines = [f"Experiment: {self.title}"]
        lines += [f"  {label}: {value}" for label, value in self._settings()]
        lines.append(f"{self.outcome['mark']} {self.outcome['sentence']}")
        for name, fact in self.outcome["facts"]:
            lines.append(f"  {name}: {fact}".replace("\n", "\n    "))
        return "\n".join(lines)

    def _svg(self):
        y, body = 32, [drawing.text(20, 32, self.title, "t b")]
        y += 8
        for label, value in self._settings():
            y += 22
            body.append(drawing.text(20, y, label, "m"))
            body.append(drawing.text(300, y, drawing.cut(value, 42)))
        y += 14
        for line in drawing.wrap(f"{self.outcome['mark']} {self.outcome['sentence']}", 80):
            y += 22
            body.append(drawing.text(20, y, line, "t b"))
        for name, fact in self.outcome["facts"]:
            body.append(drawing.text(20, y + 22, name, "m s"))
            for line in fact.splitlines() or [""]:
                y += 22
                body.append(drawing.text(300, y, drawing.cut(line, 46), "t mono"))
        return drawing.document(640, y + 24, body, title=self.title)
