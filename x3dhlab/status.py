"""What a learner has done, and what is next: as text for the terminal, as a table in a notebook."""

import html
from dataclasses import dataclass
from pathlib import Path

from x3dhlab import course
from x3dhlab.course import Standing
from x3dhlab.grading.tasks import TASKS


@dataclass(frozen=True, slots=True)
class Status:
    """Every lesson with its tasks; a notebook shows it as a table."""

    standings: tuple[Standing, ...]

    @property
    def points(self) -> tuple[int, int]:
        """(earned, possible) over all lessons."""
        earned = sum(_points(standing.passed) for standing in self.standings)
        return earned, sum(_points(standing.lesson.tasks) for standing in self.standings)

    @property
    def next(self) -> str:
        """One sentence: the first open task and where it is, or that nothing is open."""
        for standing in self.standings:
            if standing.open:
                file = standing.lesson.file
                return f"Next: {standing.open[0]}, in exercises/{file} (lesson: notebooks/{file})"
        prepared = any(standing.prepared for standing in self.standings)
        return "Every task is done or prepared." if prepared else "Every task is done."

    def __repr__(self):
        lines = [_line(standing) for standing in self.standings]
        return "\n".join([*lines, "", self._total(), self.next])

    def _total(self):
        earned, possible = self.points
        return f"{earned} of {possible} points."

    def _repr_html_(self):
        heads = "".join(
            f"<th scope='col' style='text-align:left'>{name}</th>"
            for name in ("lesson", "predictions", "questions", "tasks", "points", "state")
        )
        rows = "".join(map(_row, self.standings))
        return (
            f"<table><caption style='text-align:left'>{self._total()} {html.escape(self.next)}"
            f"</caption><tr>{heads}</tr>{rows}</table>"
        )


def status(folder: Path | None = None) -> Status:
    """The state of the workspace around the current folder, or of another one.

    Raises `CourseProblem` when there is no workspace.
    """
    return Status(tuple(course.standing(folder or course.default_folder())))


def here() -> Status:
    """The same for the notebook that runs this, in a workspace or not: the map of the course."""
    return Status(tuple(course.standing(None)))


def _points(tasks):
    return sum(TASKS[task].points for task in tasks if task in TASKS)


def _state(standing):
    prepared = [f"{len(standing.prepared)} prepared"] if standing.prepared else []
    return ", ".join([*filter(None, [_begun(standing)]), *prepared])


def _begun(standing):
    if standing.lesson.tasks and len(standing.passed) == len(standing.lesson.tasks):
        return "done"
    complete, sittings = standing.sittings
    if complete and sittings > 1:
        return f"{complete} of {sittings} sittings"
    return "begun" if standing.begun or standing.passed else ""


def _count(standing):
    lesson = standing.lesson
    if not lesson.tasks:
        return "no tasks"
    return f"{len(standing.passed)} of {len(lesson.tasks)} tasks"


def _line(standing):
    lesson = standing.lesson
    points = f"{_points(standing.passed)}/{_points(lesson.tasks)}" if lesson.tasks else ""
    asked = f"{_of(standing.predictions)} predictions, {_tried(standing)} questions"
    line = f"{lesson.number}  {lesson.title:<26}  {asked}  {_count(standing):<12}  {points:>7}"
    return f"{line}  {_state(standing)}".rstrip()


def _of(pair):
    return f"{pair[0]} of {pair[1]}"


def _tried(standing):
    wrong = f" ({standing.wrong} not right yet)" if standing.wrong else ""
    return f"{_of(standing.questions)}{wrong}"


def _row(standing):
    lesson = standing.lesson
    cells = [
        _of(standing.predictions),
        _tried(standing),
        f"{len(standing.passed)} of {len(lesson.tasks)}",
        f"{_points(standing.passed)} of {_points(lesson.tasks)}" if lesson.tasks else "",
        _state(standing) or "not begun",
    ]
    title = html.escape(f"{lesson.number} {lesson.title}")
    head = f"<a href='{html.escape(lesson.file)}'>{title}</a>"
    body = "".join(f"<td style='text-align:left'>{html.escape(cell)}</td>" for cell in cells)
    return f"<tr><th scope='row' style='text-align:left'>{head}</th>{body}</tr>"
