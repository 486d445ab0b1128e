"""The check inside a notebook: the same worker and the same verdicts, for one's own work."""

import functools
import inspect
import sys
import textwrap

from x3dhlab import progress
from x3dhlab.grading import engine, hints, report
from x3dhlab.grading.runner import Submission
from x3dhlab.grading.tasks import TASKS
from x3dhlab.grading.tasks import hunt as dealing


def check(task_id: str, function=None, *, tasks=TASKS) -> None:
    """Judge `function` as the answer to a task and print what was found; it never raises.

    The function's source and what it needs are gathered from the notebook's history, or from
    its module in plain Python, and run in a separate process.
    """
    task = tasks.get(task_id)
    if task is None:
        print(f"There is no task {task_id!r}. The tasks are: {', '.join(tasks)}.")
        return
    if function is not None and not callable(function):
        print(
            f"{task_id}: give check the function itself, as in check({task_id!r}, {task.function})."
        )
        return
    try:
        result = judge_function(task, function)
    except Exception as problem:
        print(f"{task_id}: could not be checked here ({type(problem).__name__}: {problem}).")
        return
    print("\n".join(report.lines(result)))
    _record(task, result)


def hunt(seed: int):
    """`check` and `hint` for the bugs that this seed deals. The grader reads the seed here, too."""
    tasks = dealing.deal(seed)
    return functools.partial(check, tasks=tasks), functools.partial(hints.hint, tasks=tasks)


def require(task_id: str, function) -> None:
    """Raise `AssertionError` with the feedback unless `function` passes: for other graders.

    Those run the learner's code in the process that decides, so such a mark can be forged.
    """
    result = judge_function(TASKS[task_id], function)
    if not result.passed:
        raise AssertionError("\n".join(report.lines(result)))


def judge_function(task, function=None, seed=None, seconds=engine.SECONDS) -> report.TaskResult:
    """The verdict on a function of this process. `None` looks for the task's name."""
    submission = Submission("this notebook", cells=tuple(_cells(task, function)))
    seed = engine.new_seed() if seed is None else seed
    results, _ = engine.judge_submission(submission, [task], seed, seconds, True)
    return results[0]


def _cells(task, function):
    history = _history()
    cells = history or _module(function)
    name = getattr(function, "__name__", "")
    module = getattr(function, "__module__", "") or ""
    if module.split(".")[0] == "x3dhlab" and module != "__main__":
        return [*cells, ("your answer", f"from {module} import {name} as {task.function}")]
    source = _source(function)
    if source:
        cells.append(("your function" if history else "", source))
    if name.isidentifier() and name != task.function:
        cells.append(("your call of check", f"{task.function} = {name}"))
    return cells


def _history():
    """The cells that were run in this kernel, in order; an empty list outside IPython."""
    try:
        from IPython import get_ipython
    except ImportError:
        return []
    shell = get_ipython()
    if shell is None:
        return []
    cells = shell.history_manager.input_hist_raw[1:]
    return [(f"In [{number}]", text) for number, text in enumerate(cells, 1)]


def _module(function):
    """The source of the module that defines the function, as one cell."""
    module = sys.modules.get(getattr(function, "__module__", None))
    try:
        return [("", inspect.getsource(module))] if module else []
    except (OSError, TypeError):
        return []


def _source(function):
    """The text of a function at its lines of the cell or file; empty for a lambda or a built-in."""
    try:
        lines, first = inspect.getsourcelines(function)
    except (OSError, TypeError):
        return ""
    text = textwrap.dedent("".join(lines))
    if not text.lstrip().startswith(("def ", "@", "async def ")):
        return ""
    return "\n" * (first - 1) + text


def _record(task, result):
    fact = {"passed": result.passed, "points": result.points, "mistake": result.mistake}
    try:
        progress.record("task", task.id, fact)
    except OSError as problem:
        print(f"(Your progress could not be saved: {problem.strerror}.)")
