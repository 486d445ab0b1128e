"""The command behind `x3dhlab grade`."""

import os
import sys
from dataclasses import replace
from pathlib import Path

from x3dhlab import progress
from x3dhlab.grading import batch, classreport, collect, deals, report
from x3dhlab.grading.engine import SECONDS, new_seed
from x3dhlab.grading.runner import IsolationError
from x3dhlab.grading.safe import neutral_place
from x3dhlab.grading.tasks import TASKS

_UNABLE = (IsolationError, batch.BackendError, classreport.JournalError, deals.HuntProblem)


def cli_grade(
    paths,
    task=None,
    format="text",
    seed=None,
    timeout=SECONDS,
    jobs=None,
    allow_unisolated=False,
    folder=None,
    backend="threading",
    rounds=1,
    resume=False,
    hunts=(),
) -> int:
    """Grade files, folders and archives, print the report, return the exit code 0, 1 or 2.

    `task` is an id or a list of ids; `jobs` run at a time (None: one for each processor);
    `folder` receives a class report; `hunts` are the seeds that count for hunts, "N" or "NAME=N".
    """
    wanted = tuple([task] if isinstance(task, str) else list(task or ()))
    complaint = _complaint(paths, wanted, format, timeout, folder, resume)
    if complaint:
        print(complaint, file=sys.stderr)
        return 2
    settings = batch.Settings(seed, wanted, timeout, rounds, allow_unisolated, tuple(hunts or ()))
    try:
        deals.enforced(settings.hunts, "")
        batch.expect_backend(backend)
        if folder is None:
            return _grade(paths, settings, format, jobs, backend)
        return _grade_class(paths, settings, format, jobs, backend, Path(folder), resume)
    except _UNABLE as problem:
        print(problem, file=sys.stderr)
        return 2


def _complaint(paths, wanted, format, timeout, folder, resume):
    if not paths:
        return "Name at least one notebook or script to grade."
    if format not in report.FORMATS:
        return f"The format is one of {', '.join(report.FORMATS)}."
    if not timeout or timeout <= 0:
        return "The time limit must be more than 0 seconds."
    unknown = [name for name in wanted if name not in TASKS]
    if unknown:
        return f"There is no task {unknown[0]!r}; there are {', '.join(TASKS)}."
    if resume and folder is None:
        return "--resume goes on with a class report: name its folder with --report."
    if folder is not None and _is_within(folder, paths):
        return "The report must not be inside the submissions. Name another folder for --report."
    return ""


def _is_within(folder, paths):
    """True if a submission could have made the report's folder, or a file in it."""
    real = Path(os.path.realpath(folder))
    roots = {os.path.realpath(path) for path in paths if os.path.isdir(path)}
    return bool(roots & {str(real), *map(str, real.parents)})


def _items(paths, base):
    """Submissions under the names that were typed, read from wherever the work goes on."""
    for path in map(Path, paths):
        for item in collect.items([base / path]):
            yield replace(item, name=_short(item.name, str(base / path), str(path)))


def _short(name, long, short):
    if not name.startswith(long):
        return name
    rest = name.removeprefix(long)
    return rest.lstrip("/\\") if short == "." else short + rest


def _grade(paths, settings, format, jobs, backend):
    settings = replace(settings, seed=new_seed() if settings.seed is None else settings.seed)
    base = Path.cwd()
    with neutral_place(paths):
        found = batch.run(_items(paths, base), settings, jobs or batch.cores(), backend)
        result = report.joined([graded.report for graded in found], settings.seed)
    if not result.results and not result.problems:
        result = replace(result, problems=("there is no answer to grade here",))
    _remember(paths, base, result)
    print(report.render(result, format), end="")
    return result.exit_code


def _remember(paths, base, result):
    """Note in a learner's own workspace what passed, as the check in the notebook does."""
    file = progress.around(base / paths[0]) if len(paths) == 1 else None
    if file is None:
        return
    for done in result.results:
        fact = {"passed": done.passed, "points": done.points, "mistake": done.mistake}
        try:
            progress.record("task", done.task, fact, file=file)
        except OSError as problem:
            print(f"(Your progress could not be saved: {problem.strerror}.)", file=sys.stderr)
            return


def _grade_class(paths, settings, format, jobs, backend, folder, resume):
    base, folder = Path.cwd(), folder.absolute()
    if resume:
        settings = _resumed(settings, classreport.settings_of(folder))
    elif settings.seed is None:
        settings = replace(settings, seed=new_seed())
    folder.mkdir(parents=True, exist_ok=True)
    journal = classreport.Journal(folder, settings)
    with neutral_place(paths):
        try:
            journal.begin(resume)
            names = _fill(journal, paths, base, settings, jobs or batch.cores(), backend)
            summary = classreport.summarise(journal.results(names), settings.seed)
            if not names:
                print("There is no answer to grade here.", file=sys.stderr)
                return 2
            classreport.write(folder, summary)
            print(_class_text(journal, names, summary, format, folder), end="")
        except KeyboardInterrupt:
            print("Stopped. To go on: the same command with --resume.", file=sys.stderr)
            return 2
        finally:
            journal.close()
    return 0 if summary.passed else 1


def _resumed(settings, old):
    """The old settings, unless the person asked for other ones."""
    asked = replace(settings, seed=old.seed if settings.seed is None else settings.seed)
    if asked != old:
        raise classreport.JournalError(
            f"The interrupted grading had other settings: seed {old.seed}, time limit "
            f"{old.timeout:g} s, {old.rounds} rounds, tasks {', '.join(old.tasks) or 'all'}."
        )
    return old


def _fill(journal, paths, base, settings, jobs, backend):
    """Grade what the journal does not have yet; return the names of all that counts."""
    names = []
    with _Progress(_items(paths, base)) as bar:
        waiting = _not_yet(_items(paths, base), journal, names, bar)
        for graded in batch.run(waiting, settings, jobs, backend):
            if graded.report.results or graded.report.problems:
                journal.add(graded)
                names.append(graded.name)
            bar.step()
    return sorted(set(names))


def _not_yet(items, journal, names, bar):
    for item in items:
        if journal.has(item.name, batch.digest(item)):
            names.append(item.name)
            bar.step()
        else:
            yield item


class _Progress:
    """A progress bar on standard error; nothing at all where that is no terminal."""

    def __init__(self, items):
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeRemainingColumn

        console = Console(stderr=True)
        columns = ("Grading", BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        self.bar = Progress(*columns, console=console, disable=not console.is_terminal)
        total = sum(1 for _ in items) if console.is_terminal else None
        self.task = self.bar.add_task("", total=total)

    def __enter__(self):
        self.bar.start()
        return self

    def __exit__(self, *problem):
        self.bar.stop()

    def step(self):
        """One submission more."""
        self.bar.advance(self.task)


def _class_text(journal, names, summary, format, folder):
    if format == "text":
        return classreport.as_text(summary, folder)
    reports = (graded.report for graded in journal.results(names))
    return report.render(report.joined(reports, summary.seed), format)
