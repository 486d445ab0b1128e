"""A path in a learner's workspace: a short list, what is next on top, what is done beside it.

What counts is in the progress file: predictions, questions, tasks, and that the last cell of a
part was run.
"""

import html
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from x3dhlab import course, progress
from x3dhlab.course import Section, Way


@dataclass(frozen=True, slots=True)
class Step:
    """A part of a path, and what of it is done: `asked` and `tasks` are (done, all)."""

    section: Section
    asked: tuple[int, int]
    tasks: tuple[int, int]
    left: bool

    @property
    def complete(self) -> bool:
        """Something is asked in it, and all of it is answered."""
        (answered, asked), (solved, tasks) = self.asked, self.tasks
        return asked + tasks > 0 and answered + solved == asked + tasks

    @property
    def done(self) -> bool:
        """It is complete, or the learner went on."""
        return self.left or self.complete

    @property
    def state(self) -> str:
        """What is done in it, in words."""
        pairs = (self.asked, "questions"), (self.tasks, "tasks")
        counts = [f"{done} of {all} {what}" for (done, all), what in pairs if all]
        open = self.left and not self.complete and counts
        done = ["left open"] if open else ["done"] if self.done else []
        return ", ".join([*done, *counts])


@dataclass(frozen=True, slots=True)
class Walk:
    """A path with its steps; a notebook shows it as a table."""

    way: Way
    steps: tuple[Step, ...]

    @property
    def next(self) -> Step | None:
        """The first step that is not done."""
        return next((step for step in self.steps if not step.done), None)

    def __repr__(self):
        lines = [_line(step) for step in self.steps]
        return "\n".join([self._first(), "", *lines])

    def _first(self):
        step = self.next
        if step is None:
            return f"{self.way.title}: every part is done."
        file = f"{course.PATHS}/{self.way.name}/{step.section.file}"
        return f"Next: {step.section.title}, {step.section.minutes} minutes ({file})"

    def _repr_html_(self):
        names = ("part", "minutes", "what is done")
        heads = "".join(f"<th scope='col' style='text-align:left'>{name}</th>" for name in names)
        rows = "".join(map(_row, self.steps))
        return (
            f"<table><caption style='text-align:left'>{self._caption()}</caption>"
            f"<tr>{heads}</tr>{rows}</table>"
        )

    def _caption(self):
        if self.next is None:
            return html.escape(self._first())
        minutes = self.next.section.minutes
        return f"<b>Next: {_link(self.next.section)}</b>, {minutes} minutes"


def walk(name: str, done: int | None = None) -> Walk:
    """The path for the notebook that runs this. `done` is the number of a part that is left.

    Raises `CourseProblem` when there is no such path.
    """
    way = course.path(name)
    if done is not None:
        progress.record("visit", _visit(way.sections[done - 1]), True)
    entries = progress.entries()
    passed, prepared = course.earned(entries)
    answered = {e.name for e in entries if e.kind in ("prediction", "answer")}
    visited = {e.name for e in entries if e.kind == "visit"}
    steps = (_step(section, answered, passed | prepared, visited) for section in way.sections)
    return Walk(way, tuple(steps))


def _visit(section):
    return f"{section.path}/{section.number}"


def _step(section, answered, solved, visited):
    asked, tasks = course.asked(section), set(section.tasks)
    return Step(
        section,
        (len(asked & answered), len(asked)),
        (len(tasks & solved), len(tasks)),
        _visit(section) in visited,
    )


def install(folder: Path, name: str) -> str:
    """Write a path into a workspace; return its list, the file to open first."""
    with course.progress_of(folder):
        shown = walk(name)
    bundle = {"text/plain": repr(shown), "text/html": shown._repr_html_()}
    return course.prepare_path(folder, name, bundle)


def following(folder: Path) -> list[str]:
    """What is next on each path that this workspace has begun, one line each."""
    begun = [way for way in course.paths() if (folder / course.PATHS / way.name).is_dir()]
    with course.progress_of(folder):
        return [f"Path {way.name}. {walk(way.name)._first()}" for way in begun]


def ready(name: str) -> Callable[[Path], str]:
    """What `course.lab` calls to begin with this path. Raises `CourseProblem` at once."""
    course.path(name)
    return partial(install, name=name)


def _line(step):
    section = step.section
    return (
        f"{section.number:>2}  {section.title:<28}{section.minutes:>3} min  {step.state}".rstrip()
    )


def _link(section):
    return (
        f"<a href='{html.escape(section.file)}'>{section.number} · {html.escape(section.title)}</a>"
    )


def _row(step):
    cells = str(step.section.minutes), step.state or "not begun"
    body = "".join(f"<td style='text-align:left'>{html.escape(cell)}</td>" for cell in cells)
    head = _link(step.section)
    return f"<tr><th scope='row' style='text-align:left'>{head}</th>{body}</tr>"
