"""Every task of the course, by id, in the order of the lessons."""

from x3dhlab.grading.task import Task
from x3dhlab.grading.tasks import (
    chain,
    first_message,
    kdf,
    kem,
    keys,
    offline,
    prekeys,
    start,
    x3dh,
)

_LESSONS = (start, offline, keys, prekeys, x3dh, kdf, first_message, kem, chain)
TASKS: dict[str, Task] = {task.id: task for lesson in _LESSONS for task in lesson.TASKS}


def of_lesson(number: str) -> list[Task]:
    """The tasks of a lesson, "04"; an empty list when it has none."""
    return [task for task in TASKS.values() if task.lesson == number]
