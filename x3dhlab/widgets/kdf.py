"""The KDF workbench: the input of a key derivation as blocks that can be moved, cut and left out.

The widget knows blocks and their bytes. A callable that is handed in derives, compares and
attacks; what it reports is shown as it is.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import traitlets

from x3dhlab.widgets import drawing
from x3dhlab.widgets.base import View, module, style
from x3dhlab.widgets.experiment import FALLS, HOLDS, NOTE

BOTH, ONE = "both", "one"
SIDES = {BOTH: "Alice and Bob", ONE: "Alice only"}
_MARKS = {HOLDS: "✓", FALLS: "✗", NOTE: "·"}
_HEX_LIMIT = 48


@dataclass(frozen=True, slots=True)
class Block:
    """One value of a row: a name, its bytes, and what it is. A separator only marks a border."""

    name: str
    value: bytes = field(repr=False)
    meaning: str = ""
    on: bool = True
    secret: bool = False
    separator: bool = False


@dataclass(frozen=True, slots=True)
class Row:
    """One input of the derivation, with its blocks in the order of the specification."""

    name: str
    blocks: tuple[Block, ...]


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was tried on a recipe: verdict, sentence and the bytes that prove it."""

    name: str
    verdict: str
    sentence: str
    number: str = ""
    facts: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Report:
    """What came of a recipe: the key, the specification's key, and the findings."""

    key: bytes
    expected: bytes
    findings: tuple[Finding, ...] = ()
    sentence: str = ""


class KdfWorkbench(View):
    """Shows `rows` of blocks and the report of `derive(recipe, one_side)`, made at every change.

    `recipe` is row name → ((block name, kept bytes), …), only of the blocks that are in use.
    `state` holds all blocks in order, each as [name, in use, kept bytes]; `side` says who uses
    the changed recipe: "both" or "one" (Alice only).
    """

    _esm = module("kdf")
    _css = style("kdf")
    title = traitlets.Unicode("").tag(sync=True)
    rows = traitlets.List().tag(sync=True)
    start = traitlets.Dict().tag(sync=True)
    state = traitlets.Dict().tag(sync=True)
    side = traitlets.Unicode(BOTH).tag(sync=True)
    report = traitlets.Dict().tag(sync=True)

    def __init__(self, title: str, rows, derive: Callable[[dict, bool], Report]):
        self._rows = {row.name: {block.name: block for block in row.blocks} for row in rows}
        if not self._rows or not all(self._rows.values()):
            raise ValueError("a workbench needs rows, and every row needs blocks")
        self._derive = derive
        start = {
            row.name: [[block.name, block.on, len(block.value)] for block in row.blocks]
            for row in rows
        }
        super().__init__(
            title=title, rows=[_described(row) for row in rows], start=start, state=start
        )
        self.observe(self._again, ["state", "side"])
        self._again()

    # What a hand does

    def leave_out(self, row: str, *names: str) -> None:
        """Take blocks out of the input."""
        self._change(row, lambda block: [block[0], block[0] not in names and block[1], block[2]])

    def put_in(self, row: str, *names: str) -> None:
        """Put blocks into the input."""
        self._change(row, lambda block: [block[0], block[0] in names or block[1], block[2]])

    def cut(self, row: str, name: str, length: int) -> None:
        """Keep only the first `length` bytes of a block."""
        self._change(row, lambda block: [*block[:2], length if block[0] == name else block[2]])

    def swap(self, row: str, first: str, second: str) -> None:
        """Let two blocks of a row change places. Raises `ValueError` for unknown ones."""
        blocks = [list(block) for block in self.state[row]]
        places = [block[0] for block in blocks]
        one, two = places.index(first), places.index(second)
        blocks[one], blocks[two] = blocks[two], blocks[one]
        self.state = {**self.state, row: blocks}

    def reset(self) -> None:
        """Back to the beginning."""
        self.state, self.side = self.start, BOTH

    def _change(self, row, change):
        self.state = {**self.state, row: [change(block) for block in self.state[row]]}

    # What is possible

    @traitlets.validate("state")
    def _possible(self, proposal):
        state = proposal["value"]
        if set(state) != set(self._rows):
            raise ValueError("the rows of a workbench stay the same")
        return {row: self._checked(row, state[row]) for row in self._rows}

    def _checked(self, row, blocks):
        known = self._rows[row]
        if sorted(block[0] for block in blocks) != sorted(known):
            raise ValueError(f"{row} must keep its blocks: {', '.join(known)}")
        for name, on, kept in blocks:
            size = len(known[name].value)
            if type(on) is not bool or type(kept) is not int or not 0 <= kept <= size:
                raise ValueError(f"{name} has 0 to {size} bytes, not {kept!r}")
        return [list(block) for block in blocks]

    @traitlets.validate("side")
    def _known_side(self, proposal):
        if proposal["value"] not in SIDES:
            raise ValueError(f"side must be one of {', '.join(SIDES)}")
        return proposal["value"]

    # What comes of it

    @property
    def recipe(self) -> dict[str, tuple[tuple[str, int], ...]]:
        """Row → (block name, kept bytes), for the blocks that are in use."""
        return {
            row: tuple((name, kept) for name, on, kept in blocks if on)
            for row, blocks in self.state.items()
        }

    def _again(self, change=None):
        try:
            report = self._derive(self.recipe, self.side == ONE)
        except Exception as problem:
            self.report = _failed(problem)
            return
        same = report.key == report.expected
        self.report = {
            "same": same,
            "verdict": HOLDS if same else FALLS,
            "mark": _MARKS[HOLDS if same else FALLS],
            "sentence": report.sentence or _SENTENCES[same],
            "key": report.key.hex(),
            "expected": report.expected.hex(),
            "findings": [_told(finding) for finding in report.findings],
        }

    def _formulas(self):
        """Row → the input as a formula and its size: ("F ‖ DH1[:31] ‖ …", 160)."""
        found = {}
        for row, blocks in self.recipe.items():
            words = []
            for name, kept in blocks:
                block = self._rows[row][name]
                whole = kept == len(block.value)
                name = (
                    f"“{_words(block.value)}”" if block.separator and _words(block.value) else name
                )
                words.append(name if whole else f"{name}[:{kept}]")
            found[row] = " ‖ ".join(words) or "nothing", sum(kept for _, kept in blocks)
        return found

    def _text(self):
        lines = [f"Workbench: {self.title}"]
        for row, (formula, size) in self._formulas().items():
            lines.append(f"  {row}: {formula} ({size} bytes)")
        lines.append(f"  changed for: {SIDES[self.side]}")
        lines.append(f"{self.report['mark']} {self.report['sentence']}")
        if self.report["key"]:
            lines.append(f"  this key:          {self.report['key']}")
            lines.append(f"  the specification: {self.report['expected']}")
        for finding in self.report["findings"]:
            number = f" ({finding['number']})" if finding["number"] else ""
            lines.append(f"{finding['mark']} {finding['name']}{number}: {finding['sentence']}")
            lines += [f"    {name}: {fact}" for name, fact in finding["facts"]]
        return "\n".join(drawing.printable(line) for line in lines)

    def _svg(self):
        y, body = 32, [drawing.text(20, 32, self.title, "t b")]
        for row, (formula, size) in self._formulas().items():
            y += 28
            body.append(drawing.text(20, y, f"{row}, {size} bytes", "m s"))
            for line in drawing.wrap(formula, 78):
                body.append(drawing.text(220, y, line, "t mono"))
                y += 18
            y -= 18
        y += 34
        body.append(drawing.text(20, y, f"{self.report['mark']} {self.report['sentence']}", "t b"))
        for name in ("key", "expected"):
            y += 20
            label = "this key" if name == "key" else "the specification's key"
            body.append(drawing.text(20, y, label, "m s"))
            body.append(drawing.text(220, y, self.report[name], "t mono"))
        y += 8
        for finding in self.report["findings"]:
            number = f" ({finding['number']})" if finding["number"] else ""
            y += 22
            body.append(
                drawing.text(20, y, f"{finding['mark']} {finding['name']}{number}", "t s b")
            )
            for line in drawing.wrap(finding["sentence"], 76):
                body.append(drawing.text(290, y, line, "t s"))
                y += 18
            y -= 18
        return drawing.document(800, y + 24, body, title=f"Workbench: {self.title}")


_SENTENCES = {
    True: "This is the key of the specification.",
    False: "This is another key than the specification's.",
}


def _failed(problem):
    return {
        "same": False,
        "verdict": NOTE,
        "mark": _MARKS[NOTE],
        "sentence": f"This run stopped: {problem}",
        "key": "",
        "expected": "",
        "findings": [],
    }


def _described(row):
    return {
        "name": row.name,
        "blocks": [
            {
                "name": block.name,
                "size": len(block.value),
                "hex": block.value[:_HEX_LIMIT].hex(),
                "words": _words(block.value),
                "meaning": block.meaning,
                "secret": block.secret,
                "separator": block.separator,
            }
            for block in row.blocks
        ],
    }


def _words(value):
    """The bytes as text, if they are text."""
    text = value.decode("ascii", errors="replace") if len(value) <= _HEX_LIMIT else "\ufffd"
    return text if text.isprintable() and "\ufffd" not in text else ""


def _told(finding):
    return {
        "name": finding.name,
        "number": finding.number,
        "verdict": finding.verdict,
        "mark": _MARKS[finding.verdict],
        "sentence": finding.sentence,
        "facts": [[name, str(fact)] for name, fact in finding.facts.items()],
    }
