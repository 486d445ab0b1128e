"""The form of every committed notebook, and the command that makes exercises from solutions."""

import json
import re
import statistics

import pytest

from x3dhlab import authoring, course, plots, widgets
from x3dhlab.widgets.base import View

ROOT = course.root()
GALLERY = ROOT / "notebooks" / "gallery.ipynb"
GLOSSARY = ROOT / "notebooks" / "glossary.ipynb"
ATTACKS = ROOT / "notebooks" / "attacks.ipynb"
LESSONS = sorted((ROOT / "notebooks").glob("[0-9]*.ipynb"))
EXERCISES = sorted((ROOT / "exercises").glob("*.ipynb"))
SOLUTIONS = sorted((ROOT / "solutions").glob("*.ipynb"))
ALL = [*LESSONS, *EXERCISES, *SOLUTIONS, ATTACKS, GALLERY, GLOSSARY]

MAX_LINES, MEDIAN_LINES = 15, 5
MAX_BYTES = 300_000
GALLERY_BYTES = 400_000  # every widget and every kind of figure
WORDS_BEFORE_CODE = 150
ADDRESS = re.compile(r"\bat 0x[0-9a-fA-F]{6,}")


def name(path):
    return f"{path.parent.name}/{path.stem}"


def load(path):
    return json.loads(path.read_text(encoding="utf-8"))


def code_cells(notebook):
    return [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]


def outputs(notebook):
    return [output for cell in code_cells(notebook) for output in cell["outputs"]]


def lengths(notebook):
    """Lines of code in each cell; the marks around a solution are not code."""
    texts = (course.source(cell).strip().splitlines() for cell in code_cells(notebook))
    return [sum(not line.strip().startswith("### ") for line in text) for text in texts]


def visible(markdown):
    """The words a reader sees at once: without folded parts, tags, comments and link targets."""
    text = re.sub(r"<details.*?</details>|<!--.*?-->", " ", markdown, flags=re.DOTALL)
    text = re.sub(r"<[^>]+>|\]\([^)]*\)", " ", text)
    return re.findall(r"\w[\w'’-]*", text)


each = pytest.mark.parametrize("path", ALL, ids=name)
each_lesson = pytest.mark.parametrize("path", [*LESSONS, GALLERY], ids=name)
each_exercise = pytest.mark.parametrize("path", EXERCISES, ids=name)


def test_there_are_lessons_exercises_and_solutions():
    assert LESSONS and EXERCISES and SOLUTIONS


def test_every_file_has_a_number_and_every_exercise_a_lesson_and_a_solution():
    beside = [ATTACKS, GALLERY, GLOSSARY]
    unnumbered = [p for p in ALL if not re.fullmatch(r"\d\d_[a-z0-9_]+\.ipynb", p.name)]
    assert unnumbered == beside
    assert sorted((ROOT / "notebooks").glob("*.ipynb")) == sorted([*LESSONS, *beside])
    assert {p.name for p in EXERCISES} == {p.name for p in SOLUTIONS}
    assert {p.name for p in EXERCISES} <= {p.name for p in LESSONS}
    numbers = [p.name[:2] for p in LESSONS]
    assert len(numbers) == len(set(numbers))


@each
def test_the_metadata_names_kernel_and_language_only(path):
    notebook = load(path)
    assert notebook["metadata"] == authoring.METADATA
    assert (notebook["nbformat"], notebook["nbformat_minor"]) == (4, 5)
    for cell in notebook["cells"]:
        assert set(cell["metadata"]) <= set(authoring.KEPT_CELL_METADATA)


@each
def test_cell_ids_are_unique(path):
    ids = [cell["id"] for cell in load(path)["cells"]]
    assert len(ids) == len(set(ids))


@each
def test_code_cells_are_short(path):
    counts = lengths(load(path)) or [0]
    assert max(counts) <= MAX_LINES
    assert statistics.median(counts) <= MEDIAN_LINES


@each
def test_a_notebook_is_light(path):
    assert path.stat().st_size < (GALLERY_BYTES if path == GALLERY else MAX_BYTES)


@each
def test_outputs_hold_no_error_no_address_and_no_widget_model(path):
    for output in outputs(load(path)):
        assert output["output_type"] != "error"
        assert not ADDRESS.search(json.dumps(output))
        assert set(output.get("data", ())) <= set(authoring.KEPT_OUTPUTS)


@each_lesson
def test_a_lesson_is_committed_executed_with_counts_in_order(path):
    notebook = load(path)
    assert outputs(notebook)
    counts = [cell["execution_count"] for cell in code_cells(notebook)]
    assert counts == list(range(1, len(counts) + 1))


@each_lesson
def test_a_lesson_has_something_to_do_within_150_words(path):
    cells, words = load(path)["cells"], []
    first = next(i for i, cell in enumerate(cells) if cell["cell_type"] == "code")
    for cell in cells[:first]:
        words += visible(course.source(cell))
    assert len(words) <= WORDS_BEFORE_CODE


def test_the_gallery_has_one_cell_for_each_widget_and_for_each_kind_of_figure():
    kinds = [kind for kind in vars(widgets).values() if isinstance(kind, type)]
    views = [kind for kind in kinds if issubclass(kind, View)]
    figures = [f for f in vars(plots).values() if getattr(f, "__annotations__", {}).get("return")]
    drawn = [output["data"] for output in outputs(load(GALLERY)) if "data" in output]
    assert views and figures
    html = ["".join(data.get("text/html", ())) for data in drawn]
    assert sum("data:image/svg+xml" in text for text in html) == len(views)
    assert sum("data:image/png" in text for text in html) == len(figures)


def images(output):
    """The attributes of each `<img>` in an output, and "no words" for a picture without HTML."""
    data = output.get("data", {})
    found = re.findall(r"<img\b[^>]*>", "".join(data.get("text/html", ())))
    return found + ["no words"] * (not found and any(kind.startswith("image/") for kind in data))


@each
def test_every_picture_has_an_alternative_text(path):
    found = [image for output in outputs(load(path)) for image in images(output)]
    assert [image[-200:] for image in found if not re.search(r' alt="[^"]{10,}"', image)] == []


def test_a_picture_without_words_is_seen():
    assert images({"data": {"image/png": "…", "text/plain": "words"}}) == ["no words"]


@each_exercise
def test_an_exercise_has_no_outputs_and_at_least_two_tasks(path):
    notebook = load(path)
    assert outputs(notebook) == []
    assert len(course.tasks_of(notebook)) >= 2


@each_exercise
def test_an_exercise_is_what_its_solution_generates(path):
    assert path.read_bytes() == authoring._generated(ROOT / "solutions" / path.name)


@each_exercise
def test_every_unmarked_region_is_a_stub_that_raises(path):
    marked = "\n".join(course.source(c) for c in load(ROOT / "solutions" / path.name)["cells"])
    plain = re.findall(r"^\s*### BEGIN SOLUTION$", marked, re.MULTILINE)
    written = "\n".join(course.source(cell) for cell in load(path)["cells"])
    assert plain and written.count(authoring.STUB) == len(plain)
    assert "SOLUTION" not in written


# The command


def solution_of(*cells):
    return {"cells": list(cells), "metadata": {}, "nbformat": 4, "nbformat_minor": 5}


def code(text, *tags, **more):
    metadata = {"tags": list(tags)} if tags else {}
    base = {"cell_type": "code", "id": "a", "metadata": metadata, "source": text}
    return base | {"outputs": [], "execution_count": None} | more


def test_a_region_becomes_a_stub_at_the_same_indentation():
    text = "def f(a):\n    b = a\n    ### BEGIN SOLUTION\n    return b\n    ### END SOLUTION\nf(1)"
    expected = f"def f(a):\n    b = a\n    {authoring.STUB}\nf(1)"
    assert authoring.stubbed(text) == expected


def test_a_region_with_a_replacement_becomes_the_replacement():
    text = "  ### BEGIN SOLUTION: return None  # change this\n  return 1\n  ### END SOLUTION"
    assert authoring.stubbed(text) == "  return None  # change this"


@pytest.mark.parametrize(
    "marks",
    [
        "### BEGIN SOLUTION",
        "### END SOLUTION",
        "### BEGIN SOLUTION\n### BEGIN SOLUTION\n### END SOLUTION",
        "### BEGIN SOLUTION\n### END SOLUTION\n### END SOLUTION",
    ],
)
def test_markers_that_do_not_alternate_are_refused(marks):
    with pytest.raises(authoring.MarkerError):
        authoring.stubbed(marks)


def test_cells_that_explain_the_solution_are_left_out():
    made = authoring.exercise_from(
        solution_of(code("kept"), code("x", "teaching"), code("y", "solution", "other"))
    )
    assert [course.source(cell) for cell in made["cells"]] == ["kept"]


def test_an_exercise_keeps_ids_and_tags_and_loses_outputs_and_timestamps():
    ran = code("1", "keep", execution_count=4, outputs=[{"output_type": "stream", "text": "1"}])
    ran["metadata"]["execution"] = {"iopub.execute_input": "2026-01-01"}
    (cell,) = authoring.exercise_from(solution_of(ran))["cells"]
    assert (cell["id"], cell["metadata"]) == ("a", {"tags": ["keep"]})
    assert (cell["outputs"], cell["execution_count"]) == ([], None)


def test_tidying_removes_widget_models_and_numbers_the_cells():
    view = {"application/vnd.jupyter.widget-view+json": {"model_id": "1"}}
    output = {"output_type": "display_data", "data": view | {"text/plain": "Player"}}
    only = {"output_type": "display_data", "data": view, "metadata": {}}
    made = authoring.tidy(
        solution_of(
            code("a", execution_count=7, outputs=[output | {"metadata": {}}, only]),
            code("b", execution_count=9),
        )
        | {"metadata": {"widgets": {}}}
    )
    first, second = made["cells"]
    assert [o["data"] for o in first["outputs"]] == [{"text/plain": ["Player"]}]
    assert (first["execution_count"], second["execution_count"]) == (1, 2)
    assert made["metadata"] == authoring.METADATA


@pytest.fixture
def shelf(tmp_path, monkeypatch):
    monkeypatch.setattr(course, "root", lambda: tmp_path)
    for folder in ("solutions", "exercises", "notebooks"):
        (tmp_path / folder).mkdir()
    text = "### BEGIN SOLUTION\n6 * 7\n### END SOLUTION"
    notebook = authoring.tidy(solution_of(code(text)))
    (tmp_path / "solutions/00_a.ipynb").write_bytes(course.to_bytes(notebook))
    return tmp_path


def test_the_check_fails_until_the_exercise_is_generated(shelf, capsys):
    assert authoring.main(["--check"]) == 1
    assert "exercises/00_a.ipynb does not match" in capsys.readouterr().out
    assert authoring.generate() == ["00_a.ipynb"]
    assert authoring.main(["--check"]) == 0
    assert authoring.generate() == []


def test_the_check_fails_for_an_edited_or_a_stray_exercise(shelf):
    authoring.generate()
    exercise = shelf / "exercises/00_a.ipynb"
    exercise.write_text(exercise.read_text().replace("your code", "your answer"))
    assert authoring.out_of_date() == ["00_a.ipynb"]
    authoring.generate()
    (shelf / "exercises/01_b.ipynb").write_bytes(exercise.read_bytes())
    assert authoring.out_of_date() == ["01_b.ipynb"]


def test_running_saves_the_outputs_of_a_workspace_without_progress(shelf):
    path = shelf / "notebooks/00_a.ipynb"
    text = "from x3dhlab import progress\nprint(progress.entries(), progress.path().name)\n6 * 7"
    path.write_bytes(course.to_bytes(authoring.tidy(solution_of(code(text)))))
    authoring.run_in_place(path)
    first = path.read_bytes()
    told, result = outputs(load(path))
    assert told["text"] == ["[] progress.jsonl\n"]
    assert result["data"] == {"text/plain": ["42"]}
    authoring.run_in_place(path)
    assert path.read_bytes() == first
