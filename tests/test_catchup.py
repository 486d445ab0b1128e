"""Catching up: stubs before a place are answered, answers stay, and nothing is earned by it."""

import json

import pytest

from x3dhlab import course, progress
from x3dhlab.classroom.catchup import catchup
from x3dhlab.course import PREPARED, CourseProblem, source
from x3dhlab.grading import cli_grade
from x3dhlab.status import status

TASK = "keys.encode"  # the first of lesson 02
EXERCISE = "exercises/02_keys_and_signatures.ipynb"


@pytest.fixture
def workspace(tmp_path, monkeypatch):
    folder = tmp_path / "mine"
    course.prepare(folder)
    monkeypatch.setenv(progress.VARIABLE, str(folder / progress.FOLDER / progress.FILE))
    return folder


def everything(folder):
    return {
        path.relative_to(folder): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and path.name != "manifest.json"
    }


def cells(folder, name=EXERCISE):
    return json.loads((folder / name).read_text(encoding="utf-8"))["cells"]


def answer(folder, function, text, name=EXERCISE):
    """Write a learner's text over the cell of a function, with an output below it."""
    notebook = json.loads((folder / name).read_text(encoding="utf-8"))
    (cell,) = [c for c in notebook["cells"] if source(c).startswith(f"def {function}(")]
    output = {"output_type": "stream", "name": "stdout", "text": "mine\n"}
    cell.update(source=text, outputs=[output], execution_count=3)
    (folder / name).write_bytes(course.to_bytes(notebook))
    return cell


def points(folder):
    return status(folder).points[0]


def test_a_new_workspace_is_made_and_every_earlier_stub_is_answered(tmp_path):
    done = catchup("03", tmp_path / "new")
    before = [lesson for lesson in course.lessons() if lesson.number < "03"]
    tasks = [task for lesson in before for task in lesson.tasks]
    assert [*done.kept, *done.prepared] == tasks
    assert done.kept == ("start.hello",)  # solved from the start
    assert done.file == "notebooks/03_publishing_prekeys.ipynb"
    assert (tmp_path / "new" / done.file).is_file()
    for lesson in course.lessons():
        text = "\n".join(source(c) for c in cells(tmp_path / "new", f"exercises/{lesson.file}"))
        assert (PREPARED in text) == (lesson.number < "03")


def test_every_stub_of_the_course_has_an_answer_without_marks():
    for lesson in course.lessons():
        for task in lesson.tasks:
            text = course.answer_of(task)
            compile(text, task, "exec")
            assert "NotImplementedError" not in text and "### " not in text


def test_what_was_prepared_is_right_and_earns_nothing(workspace):
    catchup("03", workspace)
    assert points(workspace) == 0
    assert cli_grade([str(workspace / EXERCISE)], allow_unisolated=True) == 0
    assert points(workspace) == 0
    assert "3 prepared" in repr(status(workspace)) + status(workspace)._repr_html_()
    assert status(workspace).standings[2].open == ()


def test_an_answer_is_left_as_it_is(workspace):
    mine = [
        answer(workspace, "encode", "def encode(public):\n    return public  # not right yet"),
        answer(workspace, "check_signed_prekey", "x = 1\n# begun, no function yet"),
    ]
    done = catchup("03", workspace)
    assert {TASK, "keys.check_signed_prekey"} <= set(done.kept)
    assert "keys.is_contributory" in done.prepared
    assert [cell for cell in cells(workspace) if cell["id"] in {c["id"] for c in mine}] == mine


def test_a_note_in_a_stub_is_an_answer_too(workspace):
    stub = 'def encode(public):\n    # 33 bytes?\n    raise NotImplementedError("your code here")'
    answer(workspace, "encode", stub)
    assert TASK in catchup("03", workspace).kept
    assert stub in map(source, cells(workspace))


def test_a_file_without_a_stub_is_not_written(workspace):
    catchup("03", workspace)
    before = everything(workspace)
    done = catchup("03", workspace)
    assert everything(workspace) == before
    assert done.prepared == () and TASK in done.earlier and "Prepared before" in str(done)


def test_reset_gives_the_stub_again_and_the_task_can_be_earned(workspace):
    catchup("03", workspace)
    course.reset(TASK, workspace)
    assert status(workspace).standings[2].open == (TASK,)
    progress.record("task", TASK, {"passed": True})
    assert points(workspace) > 0
    assert TASK in catchup("03", workspace).prepared
    assert points(workspace) > 0  # what was earned stays


def test_an_update_keeps_what_was_prepared(workspace):
    catchup("03", workspace)
    before = (workspace / EXERCISE).read_bytes()
    course.update(workspace)
    assert (workspace / EXERCISE).read_bytes() == before


def test_a_part_of_a_path_wants_the_tasks_of_the_parts_before_it(workspace):
    way = course.path("90min")
    last = way.sections[-1]
    done = catchup(f"90min/{last.number}", workspace)
    assert done.prepared == tuple(t for part in way.sections[:-1] for t in part.tasks)
    assert (workspace / done.file).is_file() and done.file.endswith(last.file)


def test_at_the_beginning_there_is_nothing_to_prepare(workspace):
    assert "nothing to prepare" in str(catchup("0", workspace))


@pytest.mark.parametrize(
    ("place", "told"),
    [
        ("99", "The lessons are 00 to"),
        ("four", "The lessons are 00 to"),
        ("90min/99", "The parts of 90min are 1 to"),
        ("nope/1", "90min, half-day, two-days"),
    ],
)
def test_a_place_that_is_not_there_is_refused_before_anything_is_written(tmp_path, place, told):
    with pytest.raises(CourseProblem, match=told):
        catchup(place, tmp_path / "mine")
    assert not (tmp_path / "mine").exists()


def test_a_notebook_that_cannot_be_read_is_named(workspace):
    (workspace / EXERCISE).write_text("{ half a noteb")
    with pytest.raises(CourseProblem, match="02_keys_and_signatures"):
        catchup("03", workspace)
    assert (workspace / EXERCISE).read_text() == "{ half a noteb"
