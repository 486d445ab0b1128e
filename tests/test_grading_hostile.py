"""Submissions that try to gain a point or to hurt the grader get nothing and leave nothing."""

import dataclasses
import functools
import json
import os
import tempfile
import uuid
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest
from submissions import corpus

from x3dhlab.grading import engine, grade, render, runner
from x3dhlab.grading.runner import Submission
from x3dhlab.grading.tasks import TASKS

CONFINED = [means for means in runner.MEANS if means != "none"]
RIGHT = corpus.reference(TASKS["start.hello"])


end = runner._end


def long(means):
    """A parameter for `make test-full` only."""
    return pytest.param(means, marks=pytest.mark.full)


def works(means, monkeypatch):
    """Make this means, or the strongest that works, the only one; skip where there is none."""
    wanted = CONFINED if means == "strongest" else [means]
    chosen = next(filter(_starts, wanted), None)
    if chosen is None:
        pytest.skip(f"{' and '.join(wanted)} do not work here")
    monkeypatch.setattr(runner, "MEANS", (chosen,))
    return chosen


@functools.cache
def _starts(means):
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(runner, "MEANS", (means,))
        return _answers()


def _answers():
    submission = Submission("right.py", RIGHT.encode())
    try:
        engine.judge_submission(submission, [TASKS["start.hello"]], 1, 5, False)
    except runner.IsolationError:
        return False
    return True


@pytest.fixture
def mark(monkeypatch):
    """A name that only the workers of this test have in their command lines."""
    name = f"x3dhlab-{uuid.uuid4().hex}-"
    monkeypatch.setattr(runner, "PREFIX", name)
    return name


def workers(mark):
    """The command lines of all processes of this test's workers that are alive now."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            command = (process / "cmdline").read_bytes()
        except OSError:
            continue
        if mark.encode() in command:
            found.append(command)
    return found


@pytest.mark.skipif(not os.path.isdir("/proc/self"), reason="isolation exists on Linux only")
@pytest.mark.parametrize("means", ["strongest", *(long(means) for means in CONFINED)])
@pytest.mark.parametrize("name", corpus.HOSTILE)
def test_a_hostile_submission_gains_and_leaves_nothing(name, means, monkeypatch, mark, tmp_path):
    means = works(means, monkeypatch)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    report = grade([corpus.HOSTILE[name]], ["start.hello"], seed=3, timeout=0.6)
    (result,) = report.results
    assert (result.passed, result.points, report.exit_code) == (False, 0, 1)
    assert report.isolation == runner.NAMES[means]
    assert list(tmp_path.iterdir()) == [] and workers(mark) == []
    for folder in ("/", "/tmp", Path.home(), "/usr/lib", Path(runner.__file__).parent):
        assert not Path(folder, "x3dhlab-was-here").exists()
    _is_harmless(report)


def _is_harmless(report):
    """No form of the report carries an escape sequence, a forged command or broken markup."""
    text = render(report, "text")
    assert text.isprintable() or all(c.isprintable() or c == "\n" for c in text)
    assert json.loads(render(report, "json"))["points"] == 0
    assert ElementTree.fromstring(render(report, "junit")).get("failures") == "1"
    lines = render(report, "github").splitlines()
    assert len(lines) == 1 and lines[0].startswith("::error file=")
    assert json.loads(render(report, "gradescope"))["score"] == 0


def test_a_worker_is_seen_by_its_mark_and_by_no_other(mark, monkeypatch):
    seen = []
    monkeypatch.setattr(runner, "_end", lambda process: seen.append(workers(mark)) or end(process))
    path = corpus.HOSTILE["signals_ignored"]
    grade([path], ["start.hello"], seed=1, timeout=0.3, allow_unisolated=True)
    assert seen[0] and workers(mark) == [] and workers(mark + "x") == []


def test_the_corpus_is_large():
    assert len(corpus.HOSTILE) >= 40


@pytest.mark.parametrize("name", ["os_exit", "signals_ignored", "endless_output", "closed_pipe"])
def test_a_lost_worker_costs_only_its_own_task(name, tmp_path):
    path = tmp_path / "both.py"
    secret = corpus.reference(TASKS["start.shared_secret"])
    path.write_text(corpus.HOSTILE[name].read_text() + secret)
    tasks = ["start.hello", "start.shared_secret"]
    report = grade([path], tasks, seed=1, timeout=0.6, allow_unisolated=True)
    assert [result.passed for result in report.results] == [False, True]


def test_a_file_beside_the_submission_is_never_imported(tmp_path):
    mark = tmp_path / "imported"
    for name in ("json", "multiprocessing", "x3dhlab", "plain", "reader"):
        (tmp_path / f"{name}.py").write_text(f"open({str(mark)!r}, 'w').close()\n")
    path = tmp_path / "answer.py"
    path.write_text("import multiprocessing, json\n" + RIGHT)
    assert grade([path], ["start.hello"], seed=1, allow_unisolated=True).exit_code == 0
    assert not mark.exists()


def test_without_isolation_grading_is_refused_unless_asked_for(monkeypatch, tmp_path):
    monkeypatch.setattr(runner, "MEANS", ("none",))
    path = tmp_path / "answer.py"
    path.write_text(RIGHT)
    with pytest.raises(runner.IsolationError, match="bubblewrap"):
        grade([path], ["start.hello"])
    report = grade([path], ["start.hello"], allow_unisolated=True)
    assert report.exit_code == 0 and report.isolation.startswith("none")


def test_a_broken_sandbox_is_never_blamed_on_the_learner(monkeypatch, tmp_path):
    monkeypatch.setattr(runner, "_command", lambda *a: ["false"])
    monkeypatch.setattr(runner, "_works", {})
    path = tmp_path / "answer.py"
    path.write_text(RIGHT)
    with pytest.raises(runner.IsolationError):
        grade([path], ["start.hello"], allow_unisolated=True)


def test_the_worker_sees_inputs_and_no_expected_value():
    task = TASKS["start.shared_secret"]
    request = json.dumps(runner._task_request(task, task.cases(1)))
    expected = engine.judge.outcome(task, task.reference, task.cases(1)[0]).value
    assert expected.hex() not in request
    assert task.cases(1)[0].arguments[0].hex() in request


@pytest.mark.parametrize(
    "lost", [{}, {"case": 0}, {"returned": 3, "after": []}, {"returned": {"int": "x"}, "after": 3}]
)
def test_a_missing_or_malformed_answer_is_not_passed(lost):
    task = TASKS["start.hello"]
    answers = runner.Answers({"state": "defined"}, dict.fromkeys(range(9), lost))
    result = engine.verdict("x", task, task.cases(1), answers)
    assert (result.passed, result.mistake) == (False, "no answer")


PROBE = """
import os, socket
def attempt(action):
    try:
        action()
        return True
    except BaseException:
        return False
def hello(folder):
    return {
        "read": attempt(lambda: open(folder + "/secret").read()),
        "list": attempt(lambda: os.listdir(folder)),
        "write": attempt(lambda: open(folder + "/written", "w").close()),
        "stat parent": attempt(lambda: open(f"/proc/{os.getppid()}/environ").read()),
        "fork": attempt(lambda: os.fork() or os._exit(0)),
        "signal": attempt(lambda: os.kill(os.getppid(), 0)),
        "session": attempt(lambda: os.setsid()),
        "udp": attempt(lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM)),
        "package": attempt(lambda: __import__("x3dhlab.x3dh")),
        "grader": attempt(lambda: __import__("x3dhlab.grading")),
        "work": attempt(lambda: os.urandom(1)),
    }
"""


@pytest.mark.parametrize("means", CONFINED)
def test_confinement_takes_everything_but_work(means, monkeypatch, tmp_path):
    works(means, monkeypatch)
    probed = _probe(tmp_path)
    assert {name for name, possible in probed.items() if possible} == {"work"}


def test_the_probe_can_tell_the_difference(monkeypatch, tmp_path):
    monkeypatch.setattr(runner, "MEANS", ("none",))
    probed = _probe(tmp_path)
    assert probed["read"] and probed["write"] and probed["udp"] and not probed["package"]


def _probe(folder):
    (folder / "secret").write_text("secret")
    task = TASKS["start.hello"]
    jobs = {task.id: (task, [runner.Case((str(folder),), "a folder")])}
    submission = Submission("probe.py", PROBE.encode())
    answers = runner.run(submission, jobs, seconds=5, allow_unisolated=True).answers[task.id]
    return runner.plain.decode(answers.outcomes[0]["returned"])


ALLOWED = ("primitives", "kem", "wire", "keys", "x3dh", "pqxdh", "ratchet", "prekeys", "session")


@pytest.mark.parametrize("means", ["strongest", *(long(means) for means in CONFINED)])
@pytest.mark.parametrize("module", ALLOWED)
def test_a_task_may_allow_any_module_of_the_protocol(module, means, monkeypatch):
    works(means, monkeypatch)
    task = dataclasses.replace(TASKS["start.hello"], modules=(module,))
    use = f"\n    assert {module}.__name__ == 'x3dhlab.{module}'\n    return"
    text = f"from x3dhlab import {module}\n" + RIGHT.replace("\n    return", use)
    ((result,), _) = engine.judge_submission(Submission("a.py", text.encode()), [task], 1, 5, False)
    assert "assert" in text and result.passed, result.feedback


@pytest.mark.parametrize("means", ["strongest", *(long(means) for means in CONFINED)])
@pytest.mark.parametrize("algorithm", ["ML-KEM-768", "Kyber-1024"])
def test_a_kem_works_inside_the_sandbox(algorithm, means, monkeypatch):
    works(means, monkeypatch)
    task = dataclasses.replace(TASKS["start.hello"], modules=("kem",))
    use = f"""
    scheme = kem.get("{algorithm}")
    pair = scheme.generate()
    ciphertext, secret = scheme.encapsulate(pair.public)
    assert scheme.decapsulate(pair.private, ciphertext) == secret
    return"""
    text = "from x3dhlab import kem\n" + RIGHT.replace("\n    return", use)
    ((result,), _) = engine.judge_submission(Submission("a.py", text.encode()), [task], 1, 5, False)
    assert result.passed, result.feedback
