"""The command behind `x3dhlab grade`."""

import sys
from pathlib import Path

from x3dhlab.grading import report
from x3dhlab.grading.engine import SECONDS, grade, new_seed
from x3dhlab.grading.runner import IsolationError
from x3dhlab.grading.tasks import TASKS


def cli_grade(
    paths, task=None, format="text", seed=None, timeout=SECONDS, jobs=1, allow_unisolated=False
) -> int:
    """Grade files and folders, print the report, return the exit code 0, 1 or 2.

    `task` is an id or a list of ids; `jobs` are worker threads, one submission each.
    """
    wanted = [task] if isinstance(task, str) else list(task or ())
    complaint = _complaint(paths, wanted, format, timeout)
    if complaint:
        print(complaint, file=sys.stderr)
        return 2
    try:
        result = _grade_all(_files(paths), wanted, seed, timeout, jobs, allow_unisolated)
    except IsolationError as problem:
        print(problem, file=sys.stderr)
        return 2
    print(report.render(result, format), end="")
    return result.exit_code


def _complaint(paths, wanted, format, timeout):
    if not paths:
        return "Name at least one notebook or script to grade."
    if format not in report.FORMATS:
        return f"The format is one of {', '.join(report.FORMATS)}."
    if not timeout or timeout <= 0:
        return "The time limit must be more than 0 seconds."
    unknown = [name for name in wanted if name not in TASKS]
    return f"There is no task {unknown[0]!r}; there are {', '.join(TASKS)}." if unknown else ""


def _files(paths):
    files = []
    for path in map(Path, paths):
        found = sorted(p for p in path.rglob("*.ipynb") if ".ipynb_checkpoints" not in p.parts)
        files += found if path.is_dir() else [path]
    return files


def _grade_all(files, wanted, seed, timeout, jobs, allow_unisolated):
    from concurrent.futures import ThreadPoolExecutor

    seed = new_seed() if seed is None else seed
    with ThreadPoolExecutor(max(1, jobs or 1)) as pool:
        reports = list(
            pool.map(lambda path: grade([path], wanted, seed, timeout, allow_unisolated), files)
        )
    return report.Report(
        tuple(result for one in reports for result in one.results),
        next((one.isolation for one in reports if one.isolation), ""),
        seed,
        tuple(problem for one in reports for problem in one.problems)
        or (() if files else ("there is no notebook in this folder",)),
    )
