"""What is done and what is next, in the terminal and in a notebook; and what `update` offers."""

import xml.etree.ElementTree as ElementTree

import pytest

from x3dhlab import course, progress
from x3dhlab.grading import cli_grade
from x3dhlab.grading.tasks import TASKS
from x3dhlab.status import Status, here, status


@pytest.fixture
def workspace(tmp_path, monkeypatch):
    folder = tmp_path / "mine"
    course.prepare(folder)
    monkeypatch.setenv(progress.VARIABLE, str(folder / progress.FOLDER / progress.FILE))
    return folder


def passed(name):
    progress.record("task", name, {"passed": True, "points": TASKS[name].points})


def test_a_new_workspace_has_no_points_and_names_the_first_task(workspace):
    found = status(workspace)
    earned, possible = found.points
    assert earned == 0 < possible
    assert found.next.startswith("Next: start.hello, in exercises/00_start_here.ipynb")


def test_a_passed_task_gives_its_points_and_is_no_longer_next(workspace):
    passed("start.hello")
    found = status(workspace)
    assert found.points[0] == TASKS["start.hello"].points
    assert "start.hello" not in found.next and "begun" in repr(found)


def test_a_lesson_with_all_tasks_passed_is_done(workspace):
    for task in status(workspace).standings[0].lesson.tasks:
        passed(task)
    assert repr(status(workspace)).splitlines()[0].endswith("done")


def test_the_notebook_shows_the_same_facts_as_a_table(workspace):
    passed("start.hello")
    found = status(workspace)
    table = ElementTree.fromstring(found._repr_html_().replace("<br>", ""))
    heads = [row[0][0].text for row in table.findall("tr")[1:]]
    assert [head[:2] for head in heads] == [s.lesson.number for s in found.standings]
    caption = table.find("caption").text
    assert found.next in caption and f"{found.points[0]} of {found.points[1]}" in caption
    assert all(cell.get("scope") in ("row", "col") for cell in table.iter("th"))


def test_predictions_and_answers_are_counted_by_lesson(workspace):
    before = status(workspace).standings[0]
    progress.record("prediction", "00.flip", {"choice": "x"})
    progress.record("answer", "00.offline", {"choices": ["x"], "correct": False})
    after = status(workspace).standings[0]
    assert before.predictions == (0, after.predictions[1])
    assert (after.predictions[0], after.questions[0]) == (1, 1)
    assert after.predictions[1] >= 2 and after.questions[1] >= 4
    assert after.begun and not before.begun


def test_an_answer_that_is_not_right_is_told_until_it_is(workspace):
    progress.record("answer", "00.offline", {"choices": ["x"], "correct": False})
    progress.record("answer", "00.stored-key", {"choices": ["y"], "correct": True})
    tried = f"2 of {status(workspace).standings[0].questions[1]}"
    for shown in (repr(status(workspace)), status(workspace)._repr_html_()):
        assert f"{tried} (1 not right yet)" in shown
    progress.record("answer", "00.offline", {"choices": ["z"], "correct": True})
    assert tried in repr(status(workspace)) and "not right yet" not in repr(status(workspace))
    progress.record("answer", "00.offline", {"choices": ["x"], "correct": False})  # a look around
    assert "not right yet" not in repr(status(workspace))


def test_a_finished_sitting_is_told(workspace):
    lesson = next(s.lesson for s in status(workspace).standings if len(s.lesson.sittings) == 2)
    *asked, last = sorted(lesson.sittings[0])
    for name in asked:
        progress.record("answer", name, {"choice": "x"})
    line = int(lesson.number)
    assert repr(status(workspace)).splitlines()[line].endswith("begun")
    progress.record("answer", last, {"choice": "x"})
    assert repr(status(workspace)).splitlines()[line].endswith("1 of 2 sittings")


def test_a_grade_in_ones_own_workspace_counts(workspace, monkeypatch):
    monkeypatch.delenv(progress.VARIABLE)
    cli_grade([str(workspace / "exercises" / "00_start_here.ipynb")], allow_unisolated=True)
    assert status(workspace).points[0] == TASKS["start.hello"].points


def test_the_map_needs_no_workspace(monkeypatch, tmp_path):
    monkeypatch.setenv(progress.VARIABLE, str(tmp_path / "none.jsonl"))
    assert here().points[0] == 0
    progress.record("task", "start.hello", {"passed": True})
    assert here().points[0] == TASKS["start.hello"].points


def test_a_title_is_escaped_in_the_table():
    lesson = course.Lesson("00", "x", "<b>&", ())
    shown = Status((course.Standing(lesson, (), False),))._repr_html_()
    assert "<b>" not in shown and "&lt;b&gt;&amp;" in shown


def test_update_shows_what_changed_on_both_sides(workspace, monkeypatch):
    name = "exercises/00_start_here.ipynb"
    mine = (workspace / name).read_text().replace("Hello, ", "Good day, ")
    (workspace / name).write_text(mine)
    newer = dict(course.course_files())
    newer[name] = newer[name].replace(b"Hello, ", b"Hi, ")
    monkeypatch.setattr(course, "course_files", lambda: newer)
    assert course.differing(workspace) == {}
    course.update(workspace)
    ((found, beside),) = course.differing(workspace).items()
    lines = course.difference(workspace, found, beside).splitlines()
    assert found == name and (workspace / name).read_text() == mine
    assert any(line.startswith("-") and "Good day, " in line for line in lines)
    assert any(line.startswith("+") and "Hi, " in line for line in lines)
