"""Hints, one rung of the ladder at a time: a nudge, the principle, a worked step."""

from x3dhlab.grading.report import clean
from x3dhlab.grading.tasks import TASKS

RUNGS = ("nudge", "principle", "step")

_taken: dict[str, int] = {}


def hint(task_id: str, *, tasks=TASKS) -> None:
    """Print the next hint of a task; after the last one, the last one again."""
    task = tasks.get(task_id)
    if task is None:
        print(f"There is no task {clean(task_id)!r}. The tasks are: {', '.join(tasks)}.")
        return
    rung = min(_taken.get(task_id, 0), len(RUNGS) - 1)
    _taken[task_id] = rung + 1
    more = (
        "Call `hint` again for the next one." if rung + 1 < len(RUNGS) else "This is the last one."
    )
    print(f"Hint {rung + 1} of {len(RUNGS)}: {getattr(task.hints, RUNGS[rung])}")
    print(more)
