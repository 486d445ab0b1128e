"""What a grading found, as data, and in the forms people and machines read.

Text of a learner never reaches a terminal, a log, XML or HTML without being escaped.
"""

import html
import json
import re
import textwrap
from dataclasses import asdict, dataclass, field

from x3dhlab.grading.plain import Other

FORMATS = ("text", "json", "junit", "github", "gradescope")
WIDTH = 100
LINES = 12


@dataclass(frozen=True, slots=True)
class Feedback:
    """What was called, what came back, what was expected, why probably, and where to read."""

    called: str = ""
    got: str = ""
    expected: str = ""
    likely: str = ""
    cure: str = ""
    read: str = ""


@dataclass(frozen=True, slots=True)
class TaskResult:
    """The verdict on one task of one file."""

    file: str
    task: str
    title: str
    passed: bool
    points: int
    possible: int
    why: str = ""
    mistake: str = ""
    feedback: Feedback = field(default_factory=Feedback)
    hunt: int | None = None  # the seed of the bugs, where they were dealt


@dataclass(frozen=True, slots=True)
class Report:
    """All verdicts of one grading. `problems` are files that could not be graded, and why."""

    results: tuple[TaskResult, ...]
    isolation: str = ""
    seed: int = 0
    problems: tuple[str, ...] = ()

    @property
    def points(self) -> int:
        """The points that were earned."""
        return sum(result.points for result in self.results)

    @property
    def possible(self) -> int:
        """The points that could be earned."""
        return sum(result.possible for result in self.results)

    @property
    def exit_code(self) -> int:
        """0 when every task passed, 1 when one failed, 2 when the job could not be done."""
        if self.problems or not self.results:
            return 2
        return 0 if all(result.passed for result in self.results) else 1


def joined(reports, seed: int) -> Report:
    """Several reports as one, in their order."""
    reports = list(reports)
    return Report(
        tuple(result for one in reports for result in one.results),
        next((one.isolation for one in reports if one.isolation), ""),
        seed,
        tuple(problem for one in reports for problem in one.problems),
    )


def show(value, labels: dict | None = None) -> str:
    """A value in one short line; long bytes are shortened, and known values named."""
    if type(value) is bytes:
        return _show_bytes(value, labels or {})
    if type(value) is list:
        return f"[{', '.join(show(item, labels) for item in value)}]"
    if type(value) is dict:
        return "{" + ", ".join(f"{show_key(k)}: {show(v, labels)}" for k, v in value.items()) + "}"
    if type(value) is Other:
        return f"a value of type {clean(value.name)}"
    text = clean(repr(value))
    return text if len(text) <= 80 else f"{text[:79]}…"


def show_key(key) -> str:
    """The key of a dict, without quotes when it is a word; digits as text are no number."""
    return clean(key)[:40] if type(key) is str and not key.isdigit() else show(key)


def _show_bytes(value, labels):
    name = next((label for label, known in labels.items() if known == value), "")
    if name:
        return f"{name} ({value[:4].hex()}…)"
    if value and len(value) <= 40 and value.isascii() and value.decode().isprintable():
        return repr(value)
    short = value.hex() if len(value) <= 8 else f"{value[:4].hex()}…{value[-2:].hex()}"
    return short if len(value) == 32 else f"{short or 'nothing'} ({len(value)} bytes)"


def clean(text: str) -> str:
    """Only printable characters: no escape sequence, no line break, no lone surrogate."""
    return "".join(c if c.isprintable() else f"\\u{ord(c):04x}" for c in str(text))


def lines(result: TaskResult) -> list[str]:
    """The feedback on one task, at most `LINES` lines."""
    if result.passed:
        return textwrap.wrap(
            f"{result.task}: passed ({_points(result.points)}). {result.why}", WIDTH
        )
    head = f"{result.task}: not passed (0 of {_points(result.possible)})."
    found = [head, *_parts(result.feedback, 3)]
    return found if len(found) <= LINES else [head, *_parts(result.feedback, 2)]


def _parts(feedback, most):
    """Each part under its label; what was called, got and expected in `most` lines at most."""
    found = []
    for label in ("called", "got", "expected", "likely", "cure", "read"):
        text = clean(getattr(feedback, label))
        if label == "called":
            text = _without_middle(text, most * (WIDTH - 12) - 35)
        if text:
            found += textwrap.wrap(
                text,
                WIDTH,
                initial_indent=f"  {label:<9} ",
                subsequent_indent=" " * 12,
                max_lines=most if label in ("called", "got", "expected") else 2,
                placeholder=" …",
            )
    return found


def _without_middle(text, room):
    """The text in `room` characters; what is special about a call stands at one of its ends."""
    return text if len(text) <= room else f"{text[: room - 83]} … {text[-80:]}"


def _points(number):
    return f"{number} point" if number == 1 else f"{number} points"


def render(report: Report, format: str = "text") -> str:
    """The report in one of `FORMATS`. Raises `ValueError` for another."""
    if format not in FORMATS:
        raise ValueError(f"the format is one of {', '.join(FORMATS)}")
    return _RENDERERS[format](report)


def _text(report):
    found, file = [], None
    for result in report.results:
        if result.file != file:
            file = result.file
            dealt = {one.hunt for one in report.results if one.file == file} - {None}
            found += [clean(file) + "".join(f" (hunt {seed})" for seed in dealt)]
        found += lines(result)
    found += [clean(problem) for problem in report.problems]
    if report.results:
        found += [
            f"{report.points} of {_points(report.possible)}. "
            f"Isolation: {report.isolation}. Seed: {report.seed}."
        ]
    return "\n".join(found) + "\n"


def _json(report):
    body = {
        "points": report.points,
        "possible": report.possible,
        "passed": report.exit_code == 0,
        "isolation": report.isolation,
        "seed": report.seed,
        "problems": list(report.problems),
        "tasks": [asdict(result) for result in report.results],
    }
    return json.dumps(body, indent=2) + "\n"


def _xml(text):
    known = re.sub(r"[^\x20-\x7e\u00a0-\ud7ff]", "?", clean(text))
    return f'"{html.escape(known)}"'


def _junit(report):
    failures = sum(not result.passed for result in report.results)
    found = [
        '<?xml version="1.0" encoding="UTF-8"?>',
        f'<testsuite name="x3dhlab" tests="{len(report.results) + len(report.problems)}" '
        f'failures="{failures}" errors="{len(report.problems)}">',
    ]
    for result in report.results:
        found += [f"  <testcase classname={_xml(result.file)} name={_xml(result.task)}>"]
        if not result.passed:
            text = " | ".join(line.strip() for line in lines(result))
            found += [f"    <failure message={_xml(text)}/>"]
        found += ["  </testcase>"]
    for problem in report.problems:
        found += [f'  <testcase name="grading"><error message={_xml(problem)}/></testcase>']
    return "\n".join([*found, "</testsuite>"]) + "\n"


def _workflow(text, name=False):
    text = text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")
    return text.replace(":", "%3A").replace(",", "%2C") if name else text


def _github(report):
    found = []
    for result in report.results:
        kind = "notice" if result.passed else "error"
        file, title = _workflow(clean(result.file), True), _workflow(result.task, True)
        found += [f"::{kind} file={file},title={title}::{_workflow(chr(10).join(lines(result)))}"]
    found += [f"::error::{_workflow(clean(problem))}" for problem in report.problems]
    return "\n".join(found) + "\n"


def _gradescope(report):
    tests = [
        {
            "name": f"{result.task}: {result.title}",
            "score": result.points,
            "max_score": result.possible,
            "status": "passed" if result.passed else "failed",
            "output": "\n".join(lines(result)),
        }
        for result in report.results
    ]
    body = {"score": report.points, "tests": tests, "visibility": "visible"}
    if report.problems:
        body["output"] = "\n".join(map(clean, report.problems))
    return json.dumps(body, indent=2) + "\n"


_RENDERERS = {
    "text": _text,
    "json": _json,
    "junit": _junit,
    "github": _github,
    "gradescope": _gradescope,
}
