"""Start anywhere: the course answers the tasks before a place, where no answer is yet.

A prepared answer earns nothing; `x3dhlab reset TASK` gives the stub again. An answer of the
learner, also one that is only begun, is never touched.
"""

from dataclasses import dataclass
from pathlib import Path

from x3dhlab import course, progress
from x3dhlab.classroom import walk
from x3dhlab.course import CourseProblem


@dataclass(frozen=True, slots=True)
class Caught:
    """What a run did: `file` is where to start, the others are ids of tasks.

    `kept` have something of the learner's in them, or were solved from the start.
    """

    file: str
    prepared: tuple[str, ...]
    earlier: tuple[str, ...]
    kept: tuple[str, ...]

    def __str__(self):
        parts = (
            ("Prepared", self.prepared),
            ("Prepared before", self.earlier),
            ("Left as it was", self.kept),
        )
        lines = [line for what, tasks in parts for line in _by_lesson(what, tasks)]
        if self.prepared:
            lines += ["A prepared answer gives no points. To solve one: x3dhlab reset TASK"]
            lines += ["If an exercise is open: File > Reload Notebook from Disk."]
        return "\n".join([*(lines or ["There is nothing to prepare."]), f"Start with {self.file}"])


def _by_lesson(what, tasks):
    for lesson in course.lessons():
        if here := [task for task in lesson.tasks if task in tasks]:
            yield f"{what} in lesson {lesson.number}: {', '.join(here)}"


def catchup(place: str, folder: Path) -> Caught:
    """Prepare a workspace so that its owner can start at `place`.

    `place` is a lesson, "05", or a part of a path, "90min/4". Raises `CourseProblem`.
    """
    way, _, number = place.partition("/")
    tasks, file = _of_path(course.path_section(place)) if number else _of_lesson(place)
    course.prepare(folder)
    if number:
        walk.install(folder, way)
    with course.progress_of(folder):
        before = [task for task in tasks if progress.last("prepared", task) is True]
    prepared = [task for task in tasks if _fill(task, folder)]
    earlier = [task for task in before if task not in prepared]
    kept = [task for task in tasks if task not in (*prepared, *earlier)]
    return Caught(file, tuple(prepared), tuple(earlier), tuple(kept))


def _fill(task, folder):
    return course.put_answer(task, folder, course.answer_of(task))


def _of_lesson(number):
    lessons = {lesson.number: lesson for lesson in course.lessons()}
    here = lessons.get(number.zfill(2))
    if here is None:
        known = f"The lessons are {min(lessons)} to {max(lessons)}; a part of a path is 90min/2"
        raise CourseProblem(f"There is no lesson {number}. {known}.")
    before = [lesson for lesson in lessons.values() if lesson.number < here.number]
    return [task for lesson in before for task in lesson.tasks], f"notebooks/{here.file}"


def _of_path(here):
    """The tasks of the sections before this one."""
    before = course.path(here.path).sections[: here.number - 1]
    tasks = [task for part in before for task in part.tasks]
    return tasks, f"{course.PATHS}/{here.path}/{here.file}"
