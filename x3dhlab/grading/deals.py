"""Hunts: which bugs a notebook was dealt, and the cells in which it shows them.

The seed of a hunt stands in the notebook's code, `check, hint = hunt(4711)`, and is read from the
text without running anything. Whoever grades can name the seed instead; then the text counts for
nothing.
"""

import re

from x3dhlab.errors import Refused
from x3dhlab.grading.task import Task
from x3dhlab.grading.tasks import hunt, hunting

LARGEST = 10**9
STUB = 'raise NotImplementedError("your code here")'
_SEED = re.compile(rb"\bhunt\(\s*(?:seed\s*=\s*)?(\d{1,10})\s*\)")
_PART = 4  # slots of a sitting
_PARTS = "who may know", "which bytes", "in which order"


class HuntProblem(Refused):
    """The hunt cannot be told: one sentence for the person who grades."""


def seed_of(data: bytes) -> int | None:
    """The seed that stands in a submission; None when it is no hunt. Raises `HuntProblem`."""
    seeds = {int(found) for found in _SEED.findall(data)}
    if len(seeds) > 1:
        names = " and ".join(map(str, sorted(seeds)))
        raise HuntProblem(f"the file names several hunts, {names}; only one may stay")
    return seeds.pop() if seeds else None


def enforced(rules, learner: str) -> int | None:
    """The seed that `rules`, texts "N" or "NAME=N", demand of a learner; a name comes first.

    Raises `HuntProblem` for a rule of another form.
    """
    demanded = dict(_rule(text) for text in rules)
    return demanded.get(learner, demanded.get(None))


def _rule(text):
    name, sign, number = text.rpartition("=")
    if not re.fullmatch(r"\d{1,10}", number):
        raise HuntProblem(f"--hunt {text}: write a number, or NAME=number for one learner")
    return (name if sign else None), int(number)


def replaced(tasks: list[Task], seed: int | None) -> list[Task]:
    """The tasks, with those of a hunt as this seed deals them."""
    known = {} if seed is None else hunt.deal(seed)
    return [known.get(task.id, task) for task in tasks]


# The notebook


def notebook_cells(seed: int, solved: bool = False) -> list[dict]:
    """The cells of a hunt's exercise, or of its solution with marks around the answers."""
    bugs, tasks = hunt.dealt(seed), hunt.deal(seed)
    cells = [_text("hunt", _opening(seed, tasks)), _code("hunt-check", _check(seed))]
    cells.append(_code("hunt-imports", _imports(bugs)))
    for bug in bugs:
        if bug.slot % _PART == 1:
            cells.append(_text(f"part-{bug.slot}", _part(bug.slot, tasks)))
        name = f"{bug.slot:02}"
        cells += _task_cells(tasks[f"hunt.find_{name}"], _shown(bug), solved)
        if bug.slot in hunting.CURED:
            cells += _task_cells(tasks[f"hunt.cure_{hunting.CURED[bug.slot]:02}"], "", solved)
    return cells


def _text(name, text):
    return {"cell_type": "markdown", "id": name, "metadata": {}, "source": text}


def _code(name, text):
    nothing = {"execution_count": None, "outputs": []}
    return {"cell_type": "code", "id": name, "metadata": {}, "source": text, **nothing}


def _opening(seed, tasks):
    minutes = sum(task.minutes for task in tasks.values())
    deal = "" if seed == hunt.COURSE else f" This is hunt number {seed}."
    return (
        "# 15 · Bugs in the wild: tasks\n\n"
        "Twelve programs, each broken in one way. First return the values that show the flaw: each "
        "right one counts, so there is more than one answer. For six of them, write the function "
        f"right. About {minutes} minutes in three parts.{deal} Read "
        "[lesson 15](../notebooks/15_bugs_in_the_wild.ipynb) first, one sitting before each part.\n"
        "\nThe first line of each program is its promise. All arguments are plain data. You may "
        "call the program in your answer, and try values in cells of your own. "
        '`hint("hunt.find_01")` prints a hint for this task; called again, it prints the next one.'
    )


def _check(seed):
    if seed == hunt.COURSE:
        return "from x3dhlab.grading import check, hint"
    return f"from x3dhlab.grading import hunt\n\ncheck, hint = hunt({seed})"


def _imports(bugs):
    """One line for each module that the twelve programs need."""
    lines = {line for bug in bugs for line in hunting.parts(bug.function)[0].splitlines()}
    return hunting.joined_imports(sorted(lines))


def _part(slot, tasks):
    number = slot // _PART
    ids = [f"hunt.find_{n:02}" for n in range(slot, slot + _PART)]
    ids += [f"hunt.cure_{n:02}" for at, n in hunting.CURED.items() if slot <= at < slot + _PART]
    minutes = sum(tasks[name].minutes for name in ids)
    return f"## Part {number + 1}: {_PARTS[number]}\n\nFour programs, about {minutes} minutes."


def _shown(bug):
    _, needed, own = hunting.parts(bug.function)
    return f"{needed}\n\n\n{own}" if needed else own


def _task_cells(task, program, solved):
    name = task.function.replace("_", "-")
    subject = task.title.split(":")[0]
    cells = [_text(f"task-{name}", f"### Task `{task.id}` · {subject}\n\n{task.statement}")]
    if program:
        cells.append(_code(f"program-{name}", program))
    cells.append(_code(f"def-{name}", _answer(task, solved)))
    cells.append(_code(f"check-{name}", f'check("{task.id}", {task.function})'))
    return cells


def _answer(task, solved):
    """The answer with its marks, or the stub; the first lines of a half-worked one stay."""
    head, *body = task.reference.strip().split("\n")
    given, rest = body[: task.started], body[task.started :]
    indent = re.match(r" *", rest[0])[0]
    if not solved:
        return "\n".join([head, *given, indent + STUB])
    begin, end = f"{indent}### BEGIN SOLUTION", f"{indent}### END SOLUTION"
    return "\n".join([head, *given, begin, *rest, end])
