"""The attack console: switches for a server's lies and for defences, and a table of who notices.

The widget shows plain data. `run` is handed in and does the work with real parties.
"""

from collections.abc import Callable

import traitlets

from x3dhlab.widgets import drawing
from x3dhlab.widgets.base import View, module, style
from x3dhlab.widgets.experiment import FALLS, HOLDS, NOTE

_MARKS = {HOLDS: "✓", FALLS: "✗", NOTE: "·"}
_SERVER = "the server"


class AttackConsole(View):
    """Shows `groups` of controls, [(heading, [control, …]), …], and the report of `run(**values)`.

    Controls are `Check` and `Choose` of the experiments. A report is a dict: `verdict`, `sentence`,
    `noticed` (rows of who, what and the error's name), `read` (rows of who and text), `server`
    (texts that the server reads), `later` (those that it reads after a theft) and `stale` (a
    sentence about an old key in use, or "").
    """

    _esm = module("console")
    _css = style("console")
    title = traitlets.Unicode("").tag(sync=True)
    groups = traitlets.List().tag(sync=True)
    values = traitlets.Dict().tag(sync=True)
    report = traitlets.Dict().tag(sync=True)

    def __init__(self, title: str, groups, run: Callable[..., dict]):
        self._groups = [(heading, list(controls)) for heading, controls in groups]
        self._controls = {one.name: one for _, controls in self._groups for one in controls}
        self._run, self._turn = run, 0
        super().__init__(
            title=title,
            groups=[
                {"heading": heading, "controls": [one.describe() for one in controls]}
                for heading, controls in self._groups
            ],
            values={one.name: one.value for one in self._controls.values()},
        )
        self.observe(self._again, "values")
        self._again()

    def set(self, **values) -> None:
        """Change some controls, as a click would. Raises `ValueError` for what they cannot hold."""
        for name, value in values.items():
            if name not in self._controls or not self._controls[name].accepts(value):
                raise ValueError(f"{name} cannot be {value!r}")
        self.values = {**self.values, **values}

    def _again(self, change=None):
        values = {
            name: self.values[name] if control.accepts(self.values.get(name)) else control.value
            for name, control in self._controls.items()
        }
        try:
            report = self._run(**values)
        except Exception as problem:
            report = {"verdict": NOTE, "sentence": f"This run stopped: {problem}"}
        empty = {"noticed": [], "read": [], "server": [], "later": [], "stale": ""}
        # The turn makes each answer a new value, also where nothing changed.
        self._turn += 1
        self.report = {**empty, **report, "mark": _MARKS[report["verdict"]], "turn": self._turn}

    def _settings(self):
        """What is on, in words: (heading, [label, …])."""
        for heading, controls in self._groups:
            chosen = []
            for one in controls:
                value = self.values[one.name]
                if value is True:
                    chosen.append(one.label)
                elif value is not False:
                    chosen.append(f"{one.label} {one.show(value)}")
            yield heading, chosen or ["nothing of this list"]

    def _rows(self):
        """The report as lines of two columns."""
        report = self.report
        noticed = [(f"{who} notices", f"{error}: {what}") for who, what, error in report["noticed"]]
        yield from noticed or [("nobody", "notices anything")]
        yield from ((f"{who} reads", f"“{text}”") for who, text in report["read"])
        yield (f"{_SERVER} reads", ", ".join(report["server"]) or "nothing")
        for line in report["later"]:
            yield (f"{_SERVER} reads later", line)
        if report["stale"]:
            yield ("an old key", report["stale"])

    def _text(self):
        lines = [f"Attack console: {self.title}"]
        for heading, chosen in self._settings():
            lines += [heading, *(f"  {words}" for words in chosen)]
        lines.append(f"{self.report['mark']} {self.report['sentence']}")
        lines += [f"  {name}: {words}" for name, words in self._rows()]
        return "\n".join(lines)

    def _svg(self):
        y, body = 32, [drawing.text(20, 32, self.title, "t b")]
        for heading, chosen in self._settings():
            y += 26
            body.append(drawing.text(20, y, heading, "m"))
            for words in chosen:
                y += 21
                body.append(drawing.text(36, y, drawing.cut(words, 72)))
        y += 10
        for line in drawing.wrap(f"{self.report['mark']} {self.report['sentence']}", 74):
            y += 22
            body.append(drawing.text(20, y, line, "t b"))
        for name, words in self._rows():
            for number, line in enumerate(drawing.wrap(words, 52)):
                y += 21
                if number == 0:
                    body.append(drawing.text(20, y, drawing.cut(name, 26), "m s"))
                body.append(drawing.text(220, y, line, "t s"))
        return drawing.document(640, y + 24, body, title=self.title)
