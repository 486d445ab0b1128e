"""From a submission to verdicts: one engine for the cell, the terminal and the class report."""

import contextvars
import re
import secrets
from pathlib import Path

from x3dhlab.grading import judge, report, runner
from x3dhlab.grading.report import Feedback, Report, TaskResult
from x3dhlab.grading.runner import Submission
from x3dhlab.grading.task import Task
from x3dhlab.grading.tasks import TASKS, of_lesson

SECONDS = 5.0  # for one call; the right answers take milliseconds
_DELEGATED = (
    "The answer hands the step to the package. The task is to write the step itself.",
    "An answer may use {modules} of the package, and nothing else.",
)


def new_seed() -> int:
    """A seed for the inputs of one grading."""
    return secrets.randbelow(2**31)


def grade(paths, tasks=None, seed=None, timeout=SECONDS, allow_unisolated=False) -> Report:
    """Grade files (`.ipynb` or `.py`). `tasks` are ids; without them, the file tells.

    A file is graded for the tasks of the lesson whose number begins its name, else for those
    whose function it defines. `timeout` is in seconds for one call. Raises `IsolationError`.
    """
    seed = new_seed() if seed is None else seed
    results, problems, means = [], [], ""
    for path in map(Path, paths):
        try:
            submission = _load(path)
            named, only_defined = _tasks_of(path, tasks)
            found, means = judge_submission(
                submission, named, seed, timeout, allow_unisolated, only_defined
            )
        except _GradeError as problem:
            problems.append(f"{path}: {problem}")
            continue
        results += found
        if not found:
            problems.append(f"{path}: no task of the course is defined here")
    return Report(tuple(results), runner.NAMES.get(means, ""), seed, tuple(problems))


class _GradeError(Exception):
    """The file cannot be graded at all. `args[0]` says why."""


def _load(path):
    if path.suffix.lower() not in (".ipynb", ".py"):
        raise _GradeError("only .ipynb and .py files are graded")
    try:
        return Submission(str(path), path.read_bytes())
    except OSError as problem:
        raise _GradeError(f"cannot be read ({problem.strerror})") from problem


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
    """The verdicts on one submission, and the means of isolation.

    A fresh context, so that a recording or seeded randomness around the call changes nothing.
    """
    arguments = (submission, tasks, seed, seconds, allow_unisolated, only_defined)
    return contextvars.Context().run(_judge, *arguments)


def _judge(submission, tasks, seed, seconds, allow_unisolated, only_defined):
    jobs = {task.id: task.cases(seed) for task in tasks}
    run = runner.run(
        submission,
        {task.id: (task, jobs[task.id]) for task in tasks},
        seconds=seconds,
        allow_unisolated=allow_unisolated,
    )
    if run.unreadable:
        raise _GradeError(run.unreadable)
    results = []
    for task in tasks:
        answers = run.answers[task.id]
        if only_defined and answers.state.get("state") == "undefined":
            continue
        results.append(verdict(submission.name, task, jobs[task.id], answers))
    return results, run.means


def verdict(file: str, task: Task, cases, answers) -> TaskResult:
    """Passed only if every case was answered, and every answer equals the reference's."""
    early = _state_feedback(task, answers)
    if early is not None:
        return _failed(file, task, *early)
    got = [judge.heard(answers.outcomes.get(n, {}), case) for n, case in enumerate(cases)]
    wanted = [judge.outcome(task, task.reference, case) for case in cases]
    wrong = [n for n, case in enumerate(cases) if not (got[n] and wanted[n].equals(got[n]))]
    if not wrong and cases:
        return TaskResult(file, task.id, task.title, True, task.points, task.points, task.why)
    first = wrong[0]
    text = str(answers.state.get("text", ""))
    mistake = judge.diagnose(task, cases, got, first, text) if got[first] else None
    everywhere = _constant(got)
    feedback = _feedback(task, cases[first], got[first], wanted[first], mistake, everywhere)
    return _failed(file, task, mistake.name if mistake else _kind(got[first]), feedback)


def _failed(file, task, mistake, feedback):
    return TaskResult(file, task.id, task.title, False, 0, task.points, "", mistake, feedback)


def _state_feedback(task, answers):
    """(mistake, feedback) for an answer that never came to a call, else None."""
    state = answers.state.get("state")
    expected = f"a function {task.function}({', '.join(task.parameters)})"
    if state == "defined":
        return None
    if state == "undefined":
        got = f"no function with the name {task.function}"
        likely = "The function is missing, commented out, or has another name."
        return "not defined", Feedback("", got, expected, likely, "", task.section)
    if state == "broken":
        got = f"text that Python cannot read: {answers.state.get('message')}"
        got += f" ({_where(answers.state)})"
        likely = "A bracket, quote, colon or indent is missing in this line or the one before."
        return "syntax error", Feedback("", got, expected, likely, "", task.section)
    if state == "unbuilt":
        raised = answers.state.get("raised")
        found = judge.Outcome(error="!", detail=raised if type(raised) is dict else {})
        likely, cure = _error_advice(task, found)
        got = _show_error(found)
        return _kind(found), Feedback("", got, expected, likely, cure, task.section)
    got = "nothing: the process ended, ran too long or used too much memory"
    return "no answer", Feedback("", got, expected, "", "", task.section)


def _kind(found):
    """A short name for a wrong answer that no named mistake explains."""
    if found is None:
        return "no answer"
    because = found.detail.get("because")
    if _foreign_import(because if type(because) is dict else found.detail):
        return "delegated to the package"
    if found.detail.get("type") == "_TooSlow":
        return "too slow"
    return f"raised {report.clean(found.detail.get('type', ''))[:60]}" if found.error else ""


def _constant(got):
    """True if every call gave one and the same value."""
    if any(found is None or found.error for found in got):
        return False
    return all(judge.plain.same(found.value, got[0].value) for found in got)


def _feedback(task, case, got, wanted, mistake, everywhere=False):
    called = f"{task.function}({_show_arguments(task, case)}), {case.about}"
    explained = ""
    if got is not None and not got.error and task.explain:
        explained = task.explain(case, got.value)
    if mistake is not None:
        likely, cure, section = mistake.misconception, mistake.cure, mistake.section
    elif got is not None and got.error:
        (likely, cure), section = _error_advice(task, got), ""
    else:
        (likely, cure), section = _value_advice(got, wanted, everywhere), ""
    return Feedback(
        called,
        _show_outcome(got, wanted, case, explained),
        _show_expected(wanted, got, case),
        likely,
        cure,
        section or task.section,
    )


def _show_arguments(task, case):
    pairs = zip(task.parameters, case.arguments, strict=True)
    return ", ".join(
        f"{name}={'{…}' if type(value) is dict else report.show(value)}" for name, value in pairs
    )


def _show_outcome(got, wanted, case, explained):
    if got is None:
        return "nothing: the process ended, ran too long or used too much memory"
    if got.error:
        return _show_error(got)
    if not wanted.error and type(got.value) is dict and type(wanted.value) is dict:
        text = _different_keys(got.value, wanted.value, case)
    else:
        text = report.show(got.value, case.labels)
    if not wanted.error and not _unchanged(got, wanted):
        right = judge.plain.same(got.value, wanted.value)
        text = f"{'the right value' if right else text}, and an argument was changed in place"
    return f"{text}: {explained}" if explained else text


def _unchanged(got, wanted):
    return judge.plain.same(list(got.after), list(wanted.after))


def _different_keys(value, other, case):
    """The entries of a dict that differ from another's; all of it when none does."""
    keys = [
        key for key in value if key not in other or not judge.plain.same(value[key], other[key])
    ]
    missing = [report.show_key(key) for key in other if key not in value]
    text = report.show({key: value[key] for key in keys or value}, case.labels)
    return f"{text}, without {', '.join(missing)}" if missing else text


def _show_expected(wanted, got, case):
    if wanted.error:
        return f"the error {wanted.error}"
    if type(wanted.value) is dict and got and type(got.value) is dict:
        return _different_keys(wanted.value, got.value, case).split(", without ")[0]
    return report.show(wanted.value, case.labels)


def _where(fact):
    place = report.clean(fact.get("place") or "")
    line = fact.get("line")
    return ", ".join(part for part in (place, f"line {line}" if type(line) is int else "") if part)


def _show_error(found):
    because = found.detail.get("because")
    detail = because if type(because) is dict else found.detail
    name = report.clean(detail.get("type", "an error"))
    if name == "_TooSlow":
        return "no result within the time limit"
    where = _where(detail)
    text = _without_inputs(report.clean(detail.get("text", "")))
    return f"the error {name}: {text}{f' ({where})' if where else ''}"


def _without_inputs(text):
    """An exception's text without long values: it must not carry hidden inputs outside."""
    text = re.sub(r"b(['\"]).{12,}?\1|(?:[0-9a-fA-F]{2}){8,}|\d{12,}", "…", text)
    return text[:160]


def _foreign_import(detail):
    name = detail.get("import") or ""
    return name if type(name) is str and name.split(".")[0] == "x3dhlab" else ""


def _error_advice(task, found):
    """(likely cause, cure) of an error that no named mistake explains."""
    detail = found.detail
    because = detail.get("because")
    if type(because) is dict:
        detail = because
    if _foreign_import(detail):
        modules = ", ".join(f"x3dhlab.{name}" for name in task.modules) or "no module"
        return _DELEGATED[0], _DELEGATED[1].format(modules=modules)
    return _ERRORS.get(detail.get("type"), ("", ""))


_ERRORS = {
    "_TooSlow": ("A loop does not end, or the function waits for something.", ""),
    "NotImplementedError": ("The function is still the stub.", "Replace the line that raises it."),
    "NameError": (
        "A name is used that is defined nowhere in the file.",
        "Define or import it in a cell; names made only by exploring do not count.",
    ),
    "WrongLength": (
        "A key or signature of another length was handed on.",
        "Look at which value you pass, and whether an encoding byte is before it.",
    ),
    "WrongType": (
        "A value of another type was handed on, often text or None for bytes.",
        "Look at each argument of the call in the line named above.",
    ),
    "KeyError": ("The dict has no entry of this name.", "Print the keys of the bundle."),
    "NotAFunction": ("The name holds a value, not a function.", "Define it with `def`."),
    "BadSignature": (
        "A good bundle is refused.",
        "`verify` takes Bob's identity key, the encoded signed prekey, and the signature.",
    ),
    "ModuleNotFoundError": ("A module is imported that the answer may not use.", ""),
}


def _value_advice(got, wanted, everywhere):
    """(likely cause, cure) of a wrong value, from its shape alone."""
    if got is None:
        return "", ""
    if everywhere and got.value is not None:
        return "The result is the same for every input.", "Compute it from the arguments."
    if wanted.error:
        return (
            "A value came back where the protocol must stop.",
            f"Let {wanted.error} pass to the caller.",
        )
    if got.value is None:
        return "The function ends without `return`, or with `pass`.", "Give the result back."
    ours, theirs = type(wanted.value), type(got.value)
    if ours is not theirs:
        name = got.value.name if theirs is judge.plain.Other else theirs.__name__
        return f"The result is of type {name}; the task asks for {ours.__name__}.", ""
    if ours in (bytes, list) and len(wanted.value) != len(got.value):
        unit = "bytes" if ours is bytes else "values"
        return f"{len(got.value)} {unit} came back, {len(wanted.value)} were expected.", ""
    return "", ""
