"""First attempts by people new to the tasks: right ones pass, wrong ones get no false name.

They had seen the statement and the stub only. `expected.json` says of each attempt that it is
right, or what its author believed and which names of a mistake say so (none: an empty list).
"""

import json

import pytest
from submissions import corpus

from x3dhlab.grading import engine
from x3dhlab.grading.runner import Submission
from x3dhlab.grading.tasks import TASKS

EXPECTED = json.loads((corpus.NEWCOMERS / "expected.json").read_text(encoding="utf-8"))
SEEDS = (7, 8, 9)


@pytest.fixture(scope="module")
def verdicts():
    """(person, task, seed) → the result. One worker answers all attempts of a person."""
    found = {}
    for person in EXPECTED:
        texts = corpus.attempts(person)
        text = corpus.batch([(TASKS[name].function, text) for name, text in texts.items()])
        tasks = [TASKS[name] for name in texts]
        for seed in SEEDS:
            submission = Submission("answer.py", text.encode())
            results, _ = engine.judge_submission(submission, tasks, seed, 2.0, True)
            found |= {(person, result.task, seed): result for result in results}
    return found


def _expected(right):
    rows = [(person, *row) for person, tasks in EXPECTED.items() for row in tasks.items()]
    return [row for row in rows if (row[2] == "right") == right]


def _wrong(verdicts):
    """(its place, the name that it got, the names that are correct) for each wrong attempt."""
    for person, task, fact in _expected(right=False):
        for seed in SEEDS:
            place = (person, task, seed)
            yield place, verdicts[place].mistake, fact["names"]


def test_every_attempt_is_expected_and_there_are_at_least_forty():
    attempts = {(person, task) for person in EXPECTED for task in corpus.attempts(person)}
    rows = [*_expected(right=True), *_expected(right=False)]
    assert {row[:2] for row in rows} == attempts
    assert len(attempts) >= 40


def test_a_right_attempt_passes(verdicts):
    rows = _expected(right=True)
    places = [(person, task, seed) for person, task, _ in rows for seed in SEEDS]
    assert [place for place in places if not verdicts[place].passed] == []


def test_a_wrong_attempt_fails(verdicts):
    assert [place for place, _, _ in _wrong(verdicts) if verdicts[place].passed] == []


def test_no_wrong_attempt_gets_a_false_name(verdicts):
    rows = _wrong(verdicts)
    assert [(place, name) for place, name, correct in rows if name not in ("", *correct)] == []


def test_most_wrong_attempts_get_a_correct_name(verdicts):
    names = [name in correct for _, name, correct in _wrong(verdicts)]
    assert sum(names) >= 0.6 * len(names)
