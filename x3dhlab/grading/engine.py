"""From a submission to verdicts: one engine for the cell, the terminal and the class report."""

import contextvars
import re
import secrets
from dataclasses import replace
from pathlib import Path

from x3dhlab.grading import collect, deals, feedback, judge, report, runner
from x3dhlab.grading.report import Report, TaskResult
from x3dhlab.grading.runner import Submission
from x3dhlab.grading.task import Task
from x3dhlab.grading.tasks import TASKS, of_lesson

SECONDS = 5.0  # for one call; the right answers take milliseconds


def new_seed() -> int:
    """A seed for the inputs of one grading."""
    return secrets.randbelow(2**31)


def grade(
    paths, tasks=None, seed=None, timeout=SECONDS, allow_unisolated=False, rounds=1, hunt=None
) -> Report:
    """Grade files (`.ipynb` or `.py`). `tasks` are ids; without them, the file tells.

    A file is graded for the tasks of the lesson whose number begins its name, else for those
    whose function it defines. `timeout` is in seconds for one call; `hunt` is the seed of the
    bugs that count, whatever the file says. Raises `IsolationError`.
    """
    seed = new_seed() if seed is None else seed
    reports = []
    for path in map(Path, paths):
        try:
            data = collect.read(path)
        except collect.FileError as problem:
            reports.append(Report((), seed=seed, problems=(f"{path}: {problem}",)))
            continue
        submission = Submission(str(path), data)
        settings = tasks, seed, timeout, allow_unisolated, rounds
        reports.append(grade_one(submission, *settings, hunt=hunt))
    return report.joined(reports, seed)


def grade_one(
    submission, tasks, seed, timeout, allow_unisolated, rounds=1, beside=False, hunt=None
) -> Report:
    """Grade one submission; whatever is wrong with it becomes a problem of the report.

    `rounds` sets of inputs are made from the seeds `seed`, `seed` + 1 and so on, and one worker
    answers them all. `beside`: a file without any answer is no problem. `hunt` is the seed of the
    bugs that count; None takes the one that the file names. Raises `IsolationError`.
    """
    try:
        hunt = deals.seed_of(submission.data) if hunt is None else hunt
        named, only_defined = _tasks_of(Path(submission.name), tasks)
        named = deals.replaced(named, hunt)
        seeds = range(seed, seed + rounds)
        found, means = judge_submission(
            submission, named, seeds, timeout, allow_unisolated, only_defined or beside
        )
    except (_GradeError, deals.HuntProblem) as problem:
        return Report((), seed=seed, problems=(f"{submission.name}: {problem}",))
    found = [_with_hunt(result, hunt) for result in found]
    lost = () if found or beside else (f"{submission.name}: no task of the course is defined here",)
    return Report(tuple(found), runner.NAMES.get(means, ""), seed, lost)


def _with_hunt(result, hunt):
    return replace(result, hunt=hunt) if result.task.startswith("hunt.") else result


class _GradeError(Exception):
    """The file cannot be graded at all. `args[0]` says why."""


def _tasks_of(path, ids):
    if ids:
        unknown = [name for name in ids if name not in TASKS]
        if unknown:
            raise _GradeError(f"there is no task {unknown[0]!r}")
        return [TASKS[name] for name in ids], False
    number = re.match(r"(\d\d)_", path.name)
    if number and of_lesson(number[1]):
        return of_lesson(number[1]), False
    return list(TASKS.values()), True


def judge_submission(submission, tasks, seed, seconds, allow_unisolated, only_defined=False):
    """The verdicts on one submission, and the means of isolation. `seed` may be several seeds.

    A fresh context, so that a recording or seeded randomness around the call changes nothing.
    """
    arguments = (submission, tasks, seed, seconds, allow_unisolated, only_defined)
    return contextvars.Context().run(_judge, *arguments)


def _judge(submission, tasks, seed, seconds, allow_unisolated, only_defined):
    seeds = [seed] if isinstance(seed, int) else seed
    named = submission, seeds, seconds, allow_unisolated
    found, means = _verdicts(*named, tasks, only_defined)
    for task in tasks:
        result, names = found.get(task.id, (None, ()))
        if result and not result.passed:
            found[task.id] = _blamed(result, _wrong_parts(named, task, names, found)), names
    return [result for result, _ in found.values()], means


def _wrong_parts(named, task, names, found):
    """The other tasks of the lesson whose functions this answer uses, and that do not pass."""
    used = [other for other in of_lesson(task.lesson) if other.function in names]
    used = [other for other in used if other.id != task.id]
    missing = [other for other in used if other.id not in found]
    known = found | (_verdicts(*named, missing)[0] if missing else {})
    return [other for other in used if not known[other.id][0].passed]


def _blamed(result, wrong):
    """The result with the parts that fail themselves as its cause, if there are any."""
    if not wrong:
        return result
    return replace(result, mistake="", feedback=feedback.of_parts(result.feedback, wrong))


def _verdicts(submission, seeds, seconds, allow_unisolated, tasks, only_defined=False):
    """Task → (its verdict, the names that the answer defines and uses), and the isolation."""
    jobs = {task.id: [case for each in seeds for case in task.cases(each)] for task in tasks}
    run = runner.run(
        submission,
        {task.id: (task, jobs[task.id]) for task in tasks},
        seconds=seconds,
        allow_unisolated=allow_unisolated,
    )
    if run.unreadable:
        raise _GradeError(run.unreadable)
    found = {}
    for task in tasks:
        answers = run.answers[task.id]
        if only_defined and answers.state.get("state") == "undefined":
            continue
        names = str(answers.state.get("names", "")).split()
        found[task.id] = verdict(submission.name, task, jobs[task.id], answers), names
    return found, run.means


def verdict(file: str, task: Task, cases, answers) -> TaskResult:
    """Passed only if every case was answered, and every answer equals the reference's."""
    early = feedback.of_state(task, answers)
    if early is not None:
        return _failed(file, task, *early)
    heard = [judge.heard(answers.outcomes.get(n, {}), case) for n, case in enumerate(cases)]
    got = [judge.weighed(task, case, found) for case, found in zip(cases, heard, strict=True)]
    wanted = [judge.outcome(task, task.reference, case) for case in cases]
    wrong = [n for n, case in enumerate(cases) if not (got[n] and wanted[n].equals(got[n]))]
    if not wrong and cases:
        why = f"{task.why} Tried on: {'; '.join(task.tried_on)}."
        return TaskResult(file, task.id, task.title, True, task.points, task.points, why)
    first = wrong[0]
    text = str(answers.state.get("text", ""))
    mistake = judge.diagnose(task, cases, wanted, got, text) if got[first] else None
    everywhere = feedback.is_constant(got)
    words = feedback.of_case(task, cases[first], got[first], wanted[first], mistake, everywhere)
    name = mistake.name if mistake else feedback.kind(got[first])
    return _failed(file, task, name, words)


def _failed(file, task, mistake, words):
    return TaskResult(file, task.id, task.title, False, 0, task.points, "", mistake, words)
