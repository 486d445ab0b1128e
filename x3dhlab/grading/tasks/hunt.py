"""Tasks of lesson 15: every bug of the bank as tasks, and which of them a seed deals.

Task ids are the same in every deal: `hunt.find_01` to `_12`, `hunt.cure_01` to `_06`.
"""

import random

from x3dhlab.attacks.wild import bank
from x3dhlab.grading.task import Task
from x3dhlab.grading.tasks import hunt_messages, hunt_secrets, hunt_states

COURSE = 0
"""The seed of the exercise that comes with the course: the first bug of each slot."""

_PARTS = hunt_secrets, hunt_messages, hunt_states
FINDS: dict[str, Task] = {name: task for part in _PARTS for name, task in part.FINDS.items()}
CURES: dict[str, Task] = {name: task for part in _PARTS for name, task in part.CURES.items()}
"""Function of the bank → its task. Tasks of bugs in one slot have the same id."""


def dealt(seed: int) -> tuple[bank.Bug, ...]:
    """The twelve bugs of a hunt. Equal seeds, equal bugs, on every machine."""
    slots = [bank.of_slot(number) for number in range(1, len(bank.SLOTS) + 1)]
    if seed == COURSE:
        return tuple(bugs[0] for bugs in slots)
    rng = random.Random(f"hunt {seed}")
    return tuple(bugs[rng.randrange(len(bugs))] for bugs in slots)


def deal(seed: int) -> dict[str, Task]:
    """The eighteen tasks of a hunt by id: the twelve to find, then the six to cure."""
    names = [bug.function for bug in dealt(seed)]
    tasks = [FINDS[name] for name in names] + [CURES[name] for name in names if name in CURES]
    return {task.id: task for task in tasks}


TASKS = tuple(deal(COURSE).values())
