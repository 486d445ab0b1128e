"""Every task of the course, by id, in the order of the lessons."""

from x3dhlab.grading.task import Task
from x3dhlab.grading.tasks import start, x3dh

TASKS: dict[str, Task] = {task.id: task for task in (*start.TASKS, *x3dh.TASKS)}


def of_lesson(number: str) -> list[Task]:
    """The tasks of a lesson, "04"; an empty list when it has none."""
    return [task for task in TASKS.values() if task.lesson == number]
