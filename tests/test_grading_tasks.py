"""Every task is complete, its answer passes, and each of its mistakes is recognised."""

import re

import pytest
from submissions import corpus

from x3dhlab.grading import engine, judge, report
from x3dhlab.grading.runner import Submission
from x3dhlab.grading.tasks import TASKS, of_lesson

EACH = pytest.mark.parametrize("task", TASKS.values(), ids=TASKS.keys())
MISTAKES = [(task, mistake) for task in TASKS.values() for mistake in task.mistakes]
IDS = [f"{task.id}-{mistake.name}" for task, mistake in MISTAKES]


def judged(text, task, seed=7, seconds=2.0):
    submission = Submission("answer.py", text.encode())
    (result,), _ = engine.judge_submission(submission, [task], seed, seconds, True)
    return result


@EACH
def test_a_task_has_everything_a_learner_needs(task):
    assert task.id == f"{task.id.split('.')[0]}.{task.function}"
    assert of_lesson(task.lesson) and task.points > 0 and task.minutes > 0
    assert all((task.title, task.statement, task.why, task.section, task.reference))
    assert all((task.hints.nudge, task.hints.principle, task.hints.step))
    names = [mistake.name for mistake in task.mistakes]
    assert len(names) >= 5 and len(set(names)) == len(names)
    assert all(mistake.misconception and mistake.cure for mistake in task.mistakes)


@EACH
def test_the_reference_passes_with_twenty_seeds(task):
    for seed in range(20):
        assert judged(corpus.reference(task), task, seed).passed, seed


@EACH
def test_cases_depend_on_the_seed_only(task):
    assert task.cases(3) == task.cases(3)
    assert [case.arguments for case in task.cases(3)] != [case.arguments for case in task.cases(4)]


@pytest.mark.parametrize(("task", "mistake"), MISTAKES, ids=IDS)
def test_a_named_mistake_is_rejected_and_named_in_few_lines(task, mistake):
    result = judged(corpus.mistake(task, mistake), task, seed=11)
    assert (result.passed, result.points, result.mistake) == (False, 0, mistake.name)
    assert mistake.misconception[:40] in result.feedback.likely
    _is_short_and_in_order(report.lines(result))


def _is_short_and_in_order(lines):
    """Called, got, expected, likely mistake, cure, where to read: at most twelve lines."""
    labels = [line.split()[0] for line in lines[1:] if line[2:3].strip()]
    assert labels == ["called", "got", "expected", "likely", "cure", "read"]
    assert len(lines) <= report.LINES and all(len(line) <= report.WIDTH for line in lines)


@pytest.mark.parametrize(("task", "mistake"), MISTAKES, ids=IDS)
def test_no_two_mistakes_and_no_reference_are_alike(task, mistake):
    cases = task.cases(5)

    def outcomes(source):
        return [judge.outcome(task, source, case) for case in cases]

    def alike(left, right):
        return all(a.equals(b) for a, b in zip(left, right, strict=True))

    ours = outcomes(mistake.source)
    assert not alike(ours, outcomes(task.reference))
    for other in task.mistakes:
        if other is not mistake and alike(ours, outcomes(other.source)):
            assert mistake.tell and other.tell
            assert not re.search(other.tell, mistake.source)


@pytest.mark.parametrize("kind", corpus.LAZY)
@EACH
def test_a_lazy_submission_fails(task, kind):
    result = judged(corpus.lazy(task, kind), task)
    assert (result.passed, result.points) == (False, 0)


@EACH
def test_the_answer_to_another_task_fails(task):
    for other, text in corpus.copies(task):
        assert not judged(text, task).passed, other


@EACH
def test_delegating_to_the_package_fails_and_is_named(task):
    for way, text in corpus.delegations(task):
        result = judged(text, task)
        assert (way, result.passed, result.mistake) == (way, False, "delegated to the package")


def test_a_late_check_is_told_from_a_right_answer_by_one_bundle():
    task = TASKS["x3dh.initiate"]
    late = next(m for m in task.mistakes if m.name == "check after use")
    differing = [
        case.about
        for case in task.cases(1)
        if not judge.outcome(task, late.source, case).equals(
            judge.outcome(task, task.reference, case)
        )
    ]
    assert differing == ["a bundle with a bad signature and a signed prekey of low order"]


def test_a_wrong_secret_is_explained_by_its_kdf_input():
    task = TASKS["x3dh.initiate"]
    text = corpus.reference(task)
    for change, words in [
        (
            "kdf([dhs[1], dhs[0], *dhs[2:]])",
            "bytes 32–95 of the KDF input: DH1 and DH2 are swapped",
        ),
        ("kdf([dhs[0], dhs[2], dhs[1], *dhs[3:]])", "bytes 64–127"),
        ("kdf(dhs[:2] + dhs[3:])", "missing: DH3"),
        ("kdf(dhs + [bytes(32)])", "the last is 32 zero bytes"),
    ]:
        assert words in judged(text.replace(": kdf(dhs)", f": {change}"), task).feedback.got


def test_two_mistakes_at_once_are_named_by_the_case_that_is_shown():
    task = TASKS["x3dh.initiate"]
    wrong = next(m for m in task.mistakes if m.name == "no signature check").source
    text = task.given + wrong.replace(": kdf(dhs)", ": kdf([dhs[1], dhs[0], *dhs[2:]])")
    assert judged(text, task).mistake == "DH1 and DH2 swapped"


def test_a_wrong_answer_that_no_mistake_explains_gets_no_name():
    task = TASKS["start.shared_secret"]
    text = "def shared_secret(a, b):\n    return bytes(x ^ y for x, y in zip(a, b))\n"
    result = judged(text, task)
    assert (result.passed, result.mistake) == (False, "")


def test_a_bytes_subclass_and_a_lying_object_are_not_bytes():
    task = TASKS["start.hello"]
    for text in (
        "class B(bytes): pass\ndef hello(name):\n    return B(b'Hello, ' + name.encode() + b'!')\n",
        "class L:\n    __eq__ = lambda *a: True\ndef hello(name):\n    return L()\n",
        "def hello(name):\n    return bytearray(b'Hello, ' + name.encode() + b'!')\n",
    ):
        assert not judged(text, task).passed
