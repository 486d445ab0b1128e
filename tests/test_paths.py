"""Paths for workshops: what they name is there, their minutes fit, and each part starts alone."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest

from x3dhlab import course, progress
from x3dhlab.classroom.walk import install, walk
from x3dhlab.course import CourseProblem, Section, source
from x3dhlab.widgets.questions import entry

ROOT = Path(__file__).resolve().parent.parent
WAYS = course.paths()
SECTIONS = [section for way in WAYS for section in way.sections]
LESSONS = {lesson.number: lesson for lesson in course.lessons()}

each_way = pytest.mark.parametrize("way", WAYS, ids=lambda way: way.name)
each_section = pytest.mark.parametrize("section", SECTIONS, ids=lambda s: f"{s.path}/{s.number}")


def lesson_cells(section):
    file = LESSONS[section.lesson].file
    return json.loads((ROOT / "notebooks" / file).read_text(encoding="utf-8"))["cells"]


def own_cells(section):
    """The cells of a section that are the lesson's."""
    return [
        cell
        for cell in course.section(section)["cells"]
        if not cell["id"].startswith(("section-", "path-"))
    ]


# The data


def test_there_are_the_three_paths_and_the_shortest_is_first():
    assert [(way.name, way.minutes, way.days) for way in WAYS] == [
        ("90min", 90, 1),
        ("half-day", 210, 1),
        ("two-days", 720, 2),
    ]


@each_way
def test_the_minutes_of_a_path_fit_also_day_by_day(way):
    assert way.used <= way.minutes
    for day in range(1, way.days + 1):
        taught = sum(part.minutes + part.pause for part in way.sections if part.day == day)
        assert taught and taught + way.opening + way.closing <= way.minutes / way.days
    assert min(part.minutes for part in way.sections) > 0 and way.opening >= 5 <= way.closing


@each_way
def test_a_path_is_walked_forwards(way):
    places = [(part.day, part.number) for part in way.sections]
    assert places == sorted(places)
    assert len({part.file for part in way.sections}) == len(way.sections)
    assert any(part.tasks for part in way.sections)


@each_way
def test_nobody_teaches_longer_than_two_hours_without_a_break(way):
    for day in range(1, way.days + 1):
        stretch = 0
        for part in (part for part in way.sections if part.day == day):
            stretch += part.minutes
            assert stretch <= 120
            stretch = 0 if part.pause else stretch


@each_section
def test_a_section_lies_between_its_headings(section):
    text = "\n".join(source(cell) for cell in own_cells(section) if cell["cell_type"] == "markdown")
    headings = re.findall(r"^#+ +(.+?) *$", text, re.MULTILINE)
    assert headings[0] == section.start
    assert section.end not in headings


@each_section
def test_a_section_has_the_lessons_cells_one_after_the_other(section):
    lesson = [cell for cell in lesson_cells(section) if cell["cell_type"] == "code"]
    mine = [cell for cell in own_cells(section) if cell["cell_type"] == "code"]
    first = [cell["id"] for cell in lesson].index(mine[0]["id"])
    assert mine == lesson[first : first + len(mine)]


@each_section
def test_no_cell_of_a_section_comes_twice_and_it_is_a_valid_notebook(section):
    notebook = course.section(section)
    ids = [cell["id"] for cell in notebook["cells"]]
    assert len(ids) == len(set(ids))
    nbformat.validate(nbformat.from_dict(notebook))


@each_section
def test_the_picture_of_a_section_is_one(section):
    (cell,) = [cell for cell in lesson_cells(section) if cell["id"] == section.picture]
    shown = "".join("".join(o["data"].get("text/html", "")) for o in cell["outputs"] if "data" in o)
    assert "<img " in shown


@each_section
def test_the_tasks_of_a_section_are_those_of_its_lesson(section):
    assert set(section.tasks) <= set(LESSONS[section.lesson].tasks)
    last = "\n".join(source(cell) for cell in course.section(section)["cells"][-2:])
    assert all(f"[`{task}`](../../exercises/" in last for task in section.tasks)


@each_section
def test_every_answer_points_to_a_heading_of_its_section(section):
    text = "\n".join(source(cell) for cell in own_cells(section) if cell["cell_type"] == "markdown")
    headings = {found.lower() for found in re.findall(r"^#+ +(.+?) *$", text, re.MULTILINE)}
    for name in course.asked(section):
        anchors = [option.get("cell", "") for option in entry(name).get("options", ())]
        assert {anchor.lstrip("#").lower() for anchor in anchors if anchor} <= headings, name


@each_section
def test_what_is_skipped_is_one_sentence(section):
    assert re.fullmatch(r"[A-Z][^.?!]+\.", section.skipped)
    assert section.skipped in source(course.section(section)["cells"][0])


@each_way
def test_every_link_of_a_path_leads_to_a_file_of_the_workspace(way):
    there = {*course.course_files(), *course.path_files(way.name)}
    found = 0
    for name, content in course.path_files(way.name).items():
        for cell in json.loads(content)["cells"]:
            text = source(cell) if cell["cell_type"] == "markdown" else ""
            for link in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", text):
                found += 1
                assert os.path.normpath(Path(name).parent / link) in there, (name, link)
    assert found > len(way.sections)


def test_a_wrong_name_lists_the_paths():
    with pytest.raises(CourseProblem, match=r"90min, half-day, two-days"):
        course.path("three-weeks")


@pytest.mark.parametrize(
    ("start", "end"),
    [("No such heading", None), ("Box 1: Diffie-Hellman", "Nor this one")],
)
def test_a_heading_that_is_not_there_is_named(start, end):
    part = Section("90min", 1, "x", "00", start, end, 5, "Nothing.", "x")
    with pytest.raises(CourseProblem, match="No such heading|Nor this one"):
        course.section(part)


def test_a_section_without_an_end_goes_to_the_end_of_the_lesson():
    part = Section("90min", 1, "x", "00", "Where you go next", None, 5, "Nothing.", "x")
    assert own_cells(part)[-1]["id"] == lesson_cells(part)[-1]["id"]


# Each part runs alone


def starts_later(section):
    """True unless the section begins where its lesson does: that one runs with the lesson."""
    code = [cell["id"] for cell in lesson_cells(section) if cell["cell_type"] == "code"]
    return next(c["id"] for c in own_cells(section) if c["cell_type"] == "code") != code[0]


def by_length(way):
    """The shortest path runs always, the others with the long counts."""
    return pytest.param(way, id=way.name, marks=[] if way == WAYS[0] else [pytest.mark.full])


@pytest.mark.parametrize("way", [by_length(way) for way in WAYS])
def test_each_part_gives_the_saved_outputs_alone(way, tmp_path):
    parts = {(part.lesson, part.start, part.end): part for part in way.sections}
    shorter = WAYS[: WAYS.index(way)]
    for part in (part for other in shorter for part in other.sections):
        parts.pop((part.lesson, part.start, part.end), None)
    parts = [part for part in parts.values() if starts_later(part)]
    assert parts
    for part in parts:
        notebook = course.section(part)
        notebook["cells"].pop()  # what is next: it has no saved output
        (tmp_path / f"{way.name}_{part.file}").write_bytes(course.to_bytes(notebook))
    told = nbval(tmp_path)
    assert told.returncode == 0, told.stdout[-4000:]


def nbval(folder):
    private = {name: str(folder / "private") for name in ("IPYTHONDIR", "MPLCONFIGDIR", "TMPDIR")}
    (folder / "private").mkdir()
    options = ["--nbval", "--nbval-current-env", "--nbval-cell-timeout", "120"]
    options += ["--nbval-sanitize-with", str(ROOT / "tests" / "nbval.ini")]
    return subprocess.run(
        [
            sys.executable,
            "-m",
            "pytest",
            "-q",
            "-p",
            "no:cacheprovider",
            "-p",
            "tests.nbval_history",
        ]
        + [*options, str(folder), "--rootdir", str(folder)],
        env={**os.environ, **private, "PYTHONPATH": str(ROOT)},
        cwd=ROOT,
        capture_output=True,
        text=True,
    )


# In a workspace

NAME = "90min"
FIRST = course.path(NAME).sections[0]


@pytest.fixture
def workspace(tmp_path, monkeypatch):
    folder = tmp_path / "mine"
    course.prepare(folder)
    monkeypatch.setenv(progress.VARIABLE, str(folder / progress.FOLDER / progress.FILE))
    return folder


def edit(path, text):
    notebook = json.loads(path.read_text(encoding="utf-8"))
    notebook["cells"][0]["source"] = text
    path.write_bytes(course.to_bytes(notebook))


def test_a_path_is_a_list_and_its_parts_and_shows_no_output_too_early(workspace):
    assert install(workspace, NAME) == f"paths/{NAME}/start.ipynb"
    folder = workspace / "paths" / NAME
    files = {"start.ipynb", *(part.file for part in course.path(NAME).sections)}
    assert {path.name for path in folder.iterdir()} == files
    for file in files - {"start.ipynb"}:
        cells = json.loads((folder / file).read_text(encoding="utf-8"))["cells"]
        assert not any(cell.get("outputs") for cell in cells)


def test_the_list_stands_there_before_a_kernel_runs_and_is_renewed(workspace):
    start = workspace / install(workspace, NAME)
    assert f"Next: {FIRST.title}" in shown(start)["text/plain"]
    assert FIRST.file in shown(start)["text/html"]
    walk(NAME, done=1)
    install(workspace, NAME)
    assert f"Next: {course.path(NAME).sections[1].title}" in shown(start)["text/plain"]


def shown(start):
    cells = json.loads(start.read_text(encoding="utf-8"))["cells"]
    ((output,),) = [cell["outputs"] for cell in cells if cell["cell_type"] == "code"]
    return output["data"]


def test_the_list_is_there_as_text_too(workspace):
    start = workspace / install(workspace, NAME)
    cells = json.loads(start.read_text(encoding="utf-8"))["cells"]
    text = "\n".join(source(cell) for cell in cells if cell["cell_type"] == "markdown")
    for part in course.path(NAME).sections:
        assert f"| {part.number} | [{part.title}]({part.file}) | {part.minutes} |" in text


def test_a_part_that_the_learner_changed_is_kept(workspace, monkeypatch):
    start = workspace / install(workspace, NAME)
    mine = workspace / "paths" / NAME / FIRST.file
    for path in (mine, start):
        edit(path, "my notes")
    before = mine.read_bytes(), start.read_bytes()
    install(workspace, NAME)
    assert (mine.read_bytes(), start.read_bytes()) == before
    newer = {name: data.replace(b"About", b"Ca.") for name, data in course.path_files(NAME).items()}
    monkeypatch.setattr(course, "path_files", lambda way: newer)
    changes = course.update(workspace)
    beside = f"paths/{NAME}/{FIRST.file.replace('.ipynb', '.new.ipynb')}"
    assert changes.offered == {f"paths/{NAME}/{FIRST.file}": beside}
    assert len(changes.renewed) == len(course.path(NAME).sections) - 1
    assert mine.read_bytes() == before[0] and changes.retired == []


def test_an_update_brings_no_path_that_was_not_asked_for(workspace):
    course.update(workspace)
    assert not (workspace / "paths").exists()


def test_what_is_done_comes_from_the_progress_file(workspace):
    part = next(part for part in course.path(NAME).sections if part.tasks and course.asked(part))
    assert not step(part).done and step(part).tasks == (0, len(part.tasks))
    for name in course.asked(part):
        progress.record("prediction", name, {"choice": "x"})
    assert not step(part).done and step(part).asked[0] == step(part).asked[1]
    for task in part.tasks:
        progress.record("task", task, {"passed": True})
    assert step(part).done and "done" in step(part).state


def step(part):
    return walk(part.path).steps[part.number - 1]


def test_who_goes_on_without_an_answer_is_not_sent_back(workspace):
    assert walk(NAME).next.section == FIRST
    after = walk(NAME, done=FIRST.number)
    assert after.next.section.number == FIRST.number + 1
    assert after.steps[0].asked[0] == 0 and after.steps[0].state.startswith("left open")


def test_a_part_that_asks_nothing_is_done_when_it_is_left(workspace):
    quiet = next(part for part in SECTIONS if not course.asked(part) and not part.tasks)
    assert step(quiet).state == "" and not step(quiet).done
    assert walk(quiet.path, done=quiet.number).steps[quiet.number - 1].state == "done"


def test_at_the_end_the_list_says_so(workspace):
    for part in course.path(NAME).sections:
        last = walk(NAME, done=part.number)
    assert last.next is None
    assert "every part is done" in repr(last) and "every part is done" in last._repr_html_()


def test_a_wrong_path_is_refused_before_anything_is_written(tmp_path):
    told = subprocess.run(
        [sys.executable, "-m", "x3dhlab.cli", "lab", "--path", "nope", str(tmp_path / "mine")],
        capture_output=True,
        text=True,
    )
    assert told.returncode == 2 and "90min, half-day, two-days" in told.stderr
    assert len(told.stderr.strip().splitlines()) == 1
    assert not (tmp_path / "mine").exists()
