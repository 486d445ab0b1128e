"""A report on a class: marks for a spreadsheet, everything as JSON, and a page that says which
mistakes were made by how many, so that an instructor knows what to teach tomorrow.

Every result is written to a journal at once. After an interruption, the journal says what is done.
"""

import csv
import hashlib
import html
import io
import json
import os
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path

from x3dhlab import __version__
from x3dhlab.grading.batch import Graded, Settings
from x3dhlab.grading.report import Feedback, Report, TaskResult, clean
from x3dhlab.grading.tasks import TASKS, hunt, variants

JOURNAL = "journal.jsonl"
FILES = ("marks.csv", "answers.csv", "class.json", "class.html")
TEACH = 5  # mistakes on the first list of the page
_FORMULA = tuple("=+-@|%＝＋－＠")


class JournalError(Exception):
    """The journal does not belong to this grading. `args[0]` says what to do."""


def course_digest() -> str:
    """A fingerprint of all tasks: another course gives other verdicts."""
    text = [
        [task.id, task.given, task.reference, [[m.name, m.source, m.tell] for m in task.mistakes]]
        for task in [*TASKS.values(), *hunt.FINDS.values(), *hunt.CURES.values()]
    ]
    return hashlib.sha256(json.dumps([__version__, text]).encode()).hexdigest()[:16]


class Journal:
    """The results of one grading, a line each, in a folder that no submission can reach."""

    def __init__(self, folder: Path, settings: Settings):
        self.path, self.settings = Path(folder) / JOURNAL, settings
        self._places: dict[str, tuple[int, str]] = {}
        self._stream = None

    def begin(self, resume: bool) -> None:
        """Start anew, or take over what an interrupted grading with these settings has written.

        Raises `JournalError` and `OSError`.
        """
        kept = _results(self.path) if resume else ()
        draft = self.path.with_name(f".{JOURNAL}.draft")
        draft.unlink(missing_ok=True)
        with draft.open("xb+") as self._stream:
            self._write({"course": course_digest(), "settings": asdict(self.settings)})
            for line in kept:
                self._add(line)
        os.replace(draft, self.path)
        self._stream = self.path.open("rb+")

    def _write(self, value):
        place = self._stream.seek(0, os.SEEK_END)
        self._stream.write(json.dumps(value).encode() + b"\n")
        self._stream.flush()
        return place

    def _add(self, line):
        self._places[line["name"]] = self._write(line), line["digest"]

    def add(self, graded: Graded) -> None:
        """Write one result; after this line, an interruption does not lose it."""
        self._add(asdict(graded))

    def has(self, name: str, digest: str) -> bool:
        """True if this very submission was graded already."""
        return self._places.get(name, (0, ""))[1] == digest

    def results(self, names) -> Iterator[Graded]:
        """What is known of these submissions, read again from the disk one by one."""
        for name in names:
            self._stream.seek(self._places[name][0])
            yield _graded(json.loads(self._stream.readline()))

    def close(self) -> None:
        """Close the file."""
        if self._stream:
            self._stream.close()


def settings_of(folder: Path) -> Settings:
    """The settings of the grading that was interrupted here. Raises `JournalError`."""
    path = Path(folder) / JOURNAL
    head = next(iter(_lines(path)), None) if path.is_file() and not path.is_symlink() else None
    if head is None:
        raise JournalError(f"There is no interrupted grading in {folder}. Leave out --resume.")
    if head.get("course") != course_digest():
        raise JournalError(
            f"The grading in {folder} was made by another version of the course. "
            "Leave out --resume to begin anew."
        )
    known = head["settings"]
    return Settings(**known | {name: tuple(known[name]) for name in ("tasks", "hunts")})


def _lines(path):
    """The whole lines; the last one may be torn by the interruption."""
    with path.open("rb") as stream:
        for line in stream:
            try:
                value = json.loads(line)
            except ValueError:
                continue
            if isinstance(value, dict) and line.endswith(b"\n"):
                yield value


def _results(path):
    return (line for line in _lines(path) if {"name", "digest", "report"} <= line.keys())


def _graded(line):
    body = line["report"]
    results = tuple(
        TaskResult(**item | {"feedback": Feedback(**item["feedback"])}) for item in body["results"]
    )
    report = Report(**body | {"results": results, "problems": tuple(body["problems"])})
    return Graded(line["name"], line["learner"], line["digest"], report)


# What the results say together


@dataclass(slots=True)
class Best:
    """A learner's best answer to one task, by points; of equals, the last file's."""

    points: int
    passed: bool
    mistake: str
    file: str
    hunt: int | None = None


@dataclass(slots=True)
class Learner:
    """One learner: the best answer to each task, and the files that could not be graded."""

    name: str
    files: int = 0
    answers: dict[str, Best] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)

    @property
    def points(self) -> int:
        """The points of the best answers."""
        return sum(best.points for best in self.answers.values())

    @property
    def hunts(self) -> str:
        """The seeds of the hunts that were graded, "" without any."""
        seeds = {best.hunt for best in self.answers.values()} - {None}
        return " ".join(map(str, sorted(seeds)))


@dataclass(slots=True)
class Summary:
    """A class: learners by name, and the tasks that anybody answered, in the course's order."""

    learners: dict[str, Learner] = field(default_factory=dict)
    tasks: list[str] = field(default_factory=list)
    isolation: set[str] = field(default_factory=set)
    seed: int = 0

    @property
    def possible(self) -> int:
        """The points that a learner could earn."""
        return sum(TASKS[name].points for name in self.tasks)

    @property
    def passed(self) -> bool:
        """True if every learner passed every task that is in their files."""
        everyone = self.learners.values()
        return bool(everyone) and all(
            not learner.problems and all(best.passed for best in learner.answers.values())
            for learner in everyone
        )

    def mistakes(self, task: str) -> Counter:
        """How many learners made which mistake in a task."""
        answers = [learner.answers.get(task) for learner in self.learners.values()]
        return Counter(best.mistake or UNNAMED for best in answers if best and not best.passed)

    def teach(self) -> list[tuple[str, str, int, int]]:
        """(task, named mistake, learners who made it, learners who answered), most made first."""
        found = []
        for task in self.tasks:
            answered = sum(task in learner.answers for learner in self.learners.values())
            names = {mistake.name for mistake in _mistakes(task)}
            counts = self.mistakes(task).items()
            found += [(task, name, n, answered) for name, n in counts if name in names]
        return sorted(found, key=lambda item: (-item[2] / item[3], item[:2]))


def _mistakes(task):
    """Every named mistake of a task, in all the forms in which it may have been dealt."""
    return [mistake for each in variants(task) for mistake in each.mistakes]


UNNAMED = "a wrong value without a name"


def summarise(results, seed: int) -> Summary:
    """The class as a whole; the results may be a generator, they are not kept."""
    summary = Summary(seed=seed)
    seen = set()
    for graded in results:
        learner = summary.learners.setdefault(graded.learner, Learner(graded.learner))
        learner.files += 1
        learner.problems += graded.report.problems
        if graded.report.isolation:
            summary.isolation.add(graded.report.isolation)
        for result in graded.report.results:
            seen.add(result.task)
            _keep_best(learner.answers, result)
    summary.tasks = [name for name in TASKS if name in seen]
    summary.learners = dict(sorted(summary.learners.items()))
    return summary


def _keep_best(answers, result):
    known = answers.get(result.task)
    if known is None or result.points >= known.points:
        answers[result.task] = Best(
            result.points, result.passed, result.mistake, result.file, result.hunt
        )


# The forms


def write(folder: Path, summary: Summary) -> list[Path]:
    """Write `FILES` into the folder and return their paths. Raises `OSError`."""
    forms = (marks_csv, answers_csv, as_json, as_html)
    paths = []
    for name, form in zip(FILES, forms, strict=True):
        path, draft = Path(folder) / name, Path(folder) / f".{name}.draft"
        draft.unlink(missing_ok=True)
        with draft.open("x", encoding="utf-8", newline="") as stream:
            stream.write(form(summary))
        os.replace(draft, path)
        paths.append(path)
    return paths


def cell(value) -> str:
    """A value for a spreadsheet: printable, and never read as a formula."""
    text = clean(value).strip()
    return f"'{text}" if text.startswith(_FORMULA) else text


def _table(rows):
    stream = io.StringIO()
    csv.writer(stream, lineterminator="\n").writerows(
        [cell(value) for value in row] for row in rows
    )
    return stream.getvalue()


def marks_csv(summary: Summary) -> str:
    """One row a learner: points in all, then the points of each task; empty: not handed in.

    A column with the seeds comes last where somebody was dealt a hunt.
    """
    hunts = ["hunt"] if any(learner.hunts for learner in summary.learners.values()) else []
    rows = [["learner", "points", "possible", *summary.tasks, "problems", *hunts]]
    for learner in summary.learners.values():
        points = [
            learner.answers[task].points if task in learner.answers else ""
            for task in summary.tasks
        ]
        problems = " | ".join(learner.problems)
        dealt = [learner.hunts for _ in hunts]
        rows.append([learner.name, learner.points, summary.possible, *points, problems, *dealt])
    return _table(rows)


def answers_csv(summary: Summary) -> str:
    """One row an answer: learner, task, passed, points, mistake, file."""
    rows = [["learner", "task", "passed", "points", "mistake", "file"]]
    for learner in summary.learners.values():
        for task, best in learner.answers.items():
            passed = "yes" if best.passed else "no"
            rows.append([learner.name, task, passed, best.points, best.mistake, best.file])
    return _table(rows)


def as_json(summary: Summary) -> str:
    """Everything that the other forms show, for programs."""
    body = {
        "seed": summary.seed,
        "isolation": sorted(summary.isolation),
        "possible": summary.possible,
        "teach": [
            dict(zip(("task", "mistake", "learners", "answered"), item, strict=True))
            for item in summary.teach()
        ],
        "tasks": {task: _task_facts(summary, task) for task in summary.tasks},
        "learners": [
            asdict(learner) | {"points": learner.points, "hunts": learner.hunts}
            for learner in summary.learners.values()
        ],
    }
    return json.dumps(body, indent=1) + "\n"


def _task_facts(summary, task):
    answers = [learner.answers.get(task) for learner in summary.learners.values()]
    return {
        "title": TASKS[task].title,
        "points": TASKS[task].points,
        "passed": sum(best is not None and best.passed for best in answers),
        "not passed": sum(best is not None and not best.passed for best in answers),
        "not handed in": answers.count(None),
        "mistakes": dict(summary.mistakes(task).most_common()),
    }


def as_text(summary: Summary, folder: Path) -> str:
    """The few lines that the terminal shows."""
    learners, marks = summary.learners.values(), summary.possible
    mean = sum(learner.points for learner in learners) / max(1, len(learners))
    bad = sum(bool(learner.problems) for learner in learners)
    found = [f"{len(learners)} learners, {mean:.1f} of {marks} points on average."]
    if bad:
        found += [f"{bad} of them with a file that could not be graded."]
    for task, name, count, answered in summary.teach()[:TEACH]:
        found += [f"  {count:>4} of {answered:<4}  {task}: {name}"]
    found += [f"Isolation: {_isolation(summary)}. Seed: {summary.seed}."]
    found += [f"Written to {clean(folder)}: {', '.join(FILES)}"]
    return "\n".join(found) + "\n"


def _isolation(summary):
    return ", ".join(sorted(summary.isolation)) or "nothing was run"


def as_html(summary: Summary) -> str:
    """A page without scripts and without addresses: what to teach, each task, each learner."""
    body = [
        "<h1>Class report</h1>",
        f"<p>{len(summary.learners)} learners. Isolation: {_html(_isolation(summary))}. "
        f"Seed: {summary.seed}.</p>",
        *_html_teach(summary),
        *(line for task in summary.tasks for line in _html_task(summary, task)),
        *_html_learners(summary),
    ]
    return _PAGE.replace("BODY", "\n".join(body))


def _html(text):
    return html.escape(clean(text))


def _html_teach(summary):
    found = summary.teach()[:TEACH]
    yield "<h2>What to teach tomorrow</h2>"
    if not found:
        yield "<p>Nobody made a mistake that has a name.</p>"
        return
    yield "<ol>"
    for task, name, count, answered in found:
        mistake = next(item for item in _mistakes(task) if item.name == name)
        yield (
            f"<li><b>{_html(name)}</b> in <code>{_html(task)}</code>: "
            f"{count} of {answered} learners.<br>{_html(mistake.misconception)}<br>"
            f"Cure: {_html(mistake.cure)}<br>"
            f"Read: {_html(mistake.section or TASKS[task].section)}</li>"
        )
    yield "</ol>"


def _html_task(summary, task):
    facts = _task_facts(summary, task)
    answered = facts["passed"] + facts["not passed"]
    yield f"<h2><code>{_html(task)}</code> {_html(facts['title'])}</h2>"
    yield f"<table><caption>{answered} answers, {facts['not handed in']} not handed in</caption>"
    yield "<tr><th scope='col'>result</th><th scope='col'>learners</th><td></td></tr>"
    rows = [("passed", facts["passed"]), *facts["mistakes"].items()]
    for name, count in rows:
        width = round(100 * count / max(1, answered))
        kind = " class='good'" if name == "passed" else ""
        yield (
            f"<tr><th scope='row'>{_html(name)}</th><td class='number'>{count}</td>"
            f"<td class='bar'><span{kind} style='width:{width}%'></span></td></tr>"
        )
    yield "</table>"


def _html_learners(summary):
    yield "<h2>Learners</h2><div class='wide'><table><caption>Points of the best answer</caption>"
    heads = "".join(f"<th scope='col'>{_html(task)}</th>" for task in summary.tasks)
    yield f"<tr><th scope='col'>learner</th><th scope='col'>points</th>{heads}</tr>"
    for learner in summary.learners.values():
        marks = "".join(_html_mark(learner.answers.get(task)) for task in summary.tasks)
        yield (
            f"<tr><th scope='row'>{_html(learner.name)}{_html_hunts(learner)}</th>"
            f"<td class='number'>{learner.points} of {summary.possible}</td>{marks}</tr>"
        )
    yield "</table></div>"
    problems = [text for learner in summary.learners.values() for text in learner.problems]
    if problems:
        yield "<h2>Files that could not be graded</h2><ul>"
        yield from (f"<li>{_html(text)}</li>" for text in problems)
        yield "</ul>"


def _html_hunts(learner):
    return f"<br>hunt {_html(learner.hunts)}" if learner.hunts else ""


def _html_mark(best):
    if best is None:
        return "<td>not handed in</td>"
    return f"<td>{best.points}: {'passed' if best.passed else _html(best.mistake or UNNAMED)}</td>"


_PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Class report</title>
<style>
:root { color-scheme: light dark; }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; }
table { border-collapse: collapse; margin: 1rem 0; }
caption { text-align: left; }
th, td { text-align: left; padding: 0.2rem 0.8rem 0.2rem 0; vertical-align: top; font-weight: 400; }
th[scope=col] { font-weight: 600; }
tr { border-bottom: 1px solid #8888; }
.number { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }
.bar { width: 16rem; }
.bar span { display: block; height: 1rem; background: #b35900; }
.bar span.good { background: #00796b; }
.wide { overflow-x: auto; }
li { margin-bottom: 0.6rem; }
</style>
</head>
<body>
<main>
BODY
</main>
</body>
</html>
"""
