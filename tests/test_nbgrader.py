"""The exercises in nbgrader's form: what is marked, and that nbgrader itself gives the points."""

import csv
import json
import os
import subprocess
from pathlib import Path

import pytest

from x3dhlab import authoring, course
from x3dhlab.grading import require
from x3dhlab.grading.tasks import TASKS

ROOT = course.root()
NAME = "04_four_diffie_hellmans"
PYTHON = Path(os.environ.get("X3DHLAB_NBGRADER", ROOT / ".venv" / "nbgrader" / "bin" / "python"))


def made():
    return authoring.nbgrader_from(authoring._load(ROOT / "solutions" / f"{NAME}.ipynb"))


def about(cell):
    return cell["metadata"].get("nbgrader", {})


def test_every_check_gives_the_points_of_its_task_and_is_locked():
    graded = [about(cell) for cell in made()["cells"] if about(cell).get("grade")]
    points = {task.id.replace(".", "-"): task.points for task in TASKS.values()}
    assert graded and all(cell["locked"] and not cell["solution"] for cell in graded)
    assert {c["grade_id"]: c["points"] for c in graded}.items() <= points.items()


def test_every_marked_region_is_a_solution_and_no_explanation_travels():
    cells = made()["cells"]
    for cell in cells:
        assert ("### BEGIN SOLUTION" in course.source(cell)) == about(cell).get("solution", False)
        assert not set(cell["metadata"].get("tags", ())) & authoring.LEFT_OUT
    ids = [about(cell)["grade_id"] for cell in cells if about(cell)]
    assert len(ids) == len(set(ids))


def test_the_committed_exercises_carry_no_metadata_of_a_grader():
    for path in (ROOT / "exercises").glob("*.ipynb"):
        assert '"nbgrader"' not in path.read_text(encoding="utf-8")


def test_require_raises_the_feedback_for_a_wrong_answer_only():
    def hello(name):
        return b"Hello, " + name.encode() + b"!"

    require("start.hello", hello)
    with pytest.raises(AssertionError, match="expected"):
        require("start.hello", lambda name: b"")


@pytest.fixture(scope="module")
def classroom(tmp_path_factory):
    """A course of nbgrader with a right and an untouched submission, graded by its commands."""
    if not PYTHON.exists():
        pytest.skip("nbgrader is not installed beside the course: `make test-full` installs it")
    place = tmp_path_factory.mktemp("nbgrader")
    tool(place, "python", "-m", "x3dhlab.authoring", "--nbgrader", place, NAME)
    tool(place, "nbgrader", "generate_assignment", NAME, "--create")
    hand_in(place, "ann", solved=True)
    hand_in(place, "bea", solved=False)
    for command in ("autograde", "generate_feedback"):
        tool(place, "nbgrader", command, NAME)
    tool(place, "nbgrader", "export")
    return place


def tool(place, name, *arguments):
    """Run a program of nbgrader's environment in the course's folder."""
    own = {"HOME": str(place), "JUPYTER_PREFER_ENV_PATH": "1"}
    own["PATH"] = f"{PYTHON.parent}{os.pathsep}{os.environ['PATH']}"
    told = subprocess.run(
        [PYTHON.parent / name, *arguments], cwd=place, env=os.environ | own,
        capture_output=True, text=True,
    )  # fmt: skip
    assert told.returncode == 0, told.stderr[-2000:]


def hand_in(place, learner, solved):
    file = Path(NAME, f"{NAME}.ipynb")
    released, source = (json.loads((place / d / file).read_text()) for d in ("release", "source"))
    answers = {cell["id"]: cell["source"] for cell in source["cells"]}
    for cell in released["cells"]:
        if solved and about(cell).get("solution"):
            cell["source"] = answers[cell["id"]]
    target = place / "submitted" / learner / file
    target.parent.mkdir(parents=True)
    target.write_text(json.dumps(released))


@pytest.mark.full
def test_nbgrader_releases_stubs_without_answers_or_hidden_tests(classroom):
    text = (classroom / "release" / NAME / f"{NAME}.ipynb").read_text()
    assert authoring.STUB.replace('"', '\\"') in text
    assert "SOLUTION" not in text and "HIDDEN" not in text and "require(" not in text


@pytest.mark.full
def test_nbgrader_gives_all_points_to_a_right_and_none_to_an_untouched_submission(classroom):
    rows = csv.DictReader((classroom / "grades.csv").open())
    marks = {row["student_id"]: (float(row["score"]), float(row["max_score"])) for row in rows}
    most = sum(about(cell).get("points", 0) for cell in made()["cells"])
    assert marks == {"ann": (most, most), "bea": (0, most)} and most > 0


@pytest.mark.full
def test_the_feedback_of_nbgrader_holds_ours(classroom):
    page = classroom / "feedback" / "bea" / NAME / f"{NAME}.html"
    assert "not passed" in page.read_text() and "Replace the line" in page.read_text()
