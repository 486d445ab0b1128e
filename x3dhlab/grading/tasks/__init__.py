"""Every task of the course, by id, in the order of the lessons.

To add the tasks of a lesson: one new file here, and its name in `_LESSONS`. In the file, for each
task, in this order: the reference answer as text; `…_cases(seed)`, the same for the same seed, easy
cases first, since the first wrong one is shown; then `Task(…)`, whose fields `task.Task` explains.
All of the file's tasks stand in its `TASKS`. Arguments and results are plain data; a state that
goes from call to call is a case with `steps`. `modules` are all that an answer may import of the
package; what these need comes along. Mistakes begin with those of `generic`, then `variants` of the
reference: at least five, each with other outputs than its siblings, or with a `tell`. Headings in
`section` must be in the lesson, which has a solution notebook with the same statement. Where the
package has the step itself, name it in `PACKAGE` of tests/submissions/corpus.py. The tests in
test_grading_tasks.py do the rest: no test is written for a task alone.
"""

from x3dhlab.grading.task import Task
from x3dhlab.grading.tasks import (
    audit,
    board,
    chain,
    defence,
    duplicates,
    first_message,
    healing,
    hunt,
    incidents,
    kdf,
    kem,
    keys,
    offline,
    pqxdh,
    prekeys,
    ratchet,
    regions,
    rotation,
    server,
    service,
    start,
    thefts,
    triple,
    x3dh,
)

_LESSONS = (
    start,
    offline,
    keys,
    prekeys,
    x3dh,
    kdf,
    first_message,
    kem,
    pqxdh,
    chain,
    ratchet,
    healing,
    triple,
    server,
    defence,
    thefts,
    hunt,
    audit,
    service,
    rotation,
    duplicates,
    regions,
    incidents,
    board,
)
TASKS: dict[str, Task] = {task.id: task for lesson in _LESSONS for task in lesson.TASKS}


def of_lesson(number: str) -> list[Task]:
    """The tasks of a lesson, "04"; an empty list when it has none."""
    return [task for task in TASKS.values() if task.lesson == number]


def variants(name: str) -> list[Task]:
    """A task in every form in which it can be dealt; most have one."""
    dealt = [*hunt.FINDS.values(), *hunt.CURES.values()]
    return [task for task in dealt if task.id == name] or [TASKS[name]]
