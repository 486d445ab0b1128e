"""The catalogue of attacks: one cell for each number, with the number as its id (`a33`).

To add an entry, add such a cell to `notebooks/attacks.ipynb`, between its neighbours. Links between
notebooks end in `#cell-id=…`: JupyterLab follows them also when it first has to open the notebook.
"""

import re
from pathlib import Path

import nbformat
import pytest

ROOT = Path(__file__).parent.parent
NOTEBOOKS = ROOT / "notebooks"
LESSONS = sorted(NOTEBOOKS.glob("[0-9]*.ipynb"))
SOLUTIONS = sorted((ROOT / "solutions").glob("*.ipynb"))
QUESTIONS = sorted((ROOT / "x3dhlab" / "questions").glob("*.toml"))

NUMBER = re.compile(r"\bA[1-9]\d?\b")
LINK = re.compile(r"\[(A\d+)\]\(([^)]*)\)")
PLACE = re.compile(r"\[(\d\d) · ([^]]+)\]\((\d\d_\w+\.ipynb)#cell-id=([\w-]+)\)")
FIELDS = ["Who can do it", "What it gives", "Who notices", "What stops it", "In the course"]


def cells(path, kind="markdown"):
    return [c for c in nbformat.read(path, as_version=4).cells if c.cell_type == kind]


def text(path):
    return "\n".join(cell.source for cell in cells(path))


def shown(path):
    """What the code cells of a committed notebook printed and drew, as text."""
    data = [output for cell in cells(path, "code") for output in cell.outputs]
    return "\n".join(o.get("text", "") + o.get("data", {}).get("text/plain", "") for o in data)


def headings(cell):
    return re.findall(r"^#+ (.+)$", cell.source, re.MULTILINE)


ENTRIES = [cell for cell in cells(NOTEBOOKS / "attacks.ipynb") if cell.source.startswith("### ")]
NUMBERS = [NUMBER.search(cell.source)[0] for cell in ENTRIES]
NAMED = {path: set(NUMBER.findall(text(path) + shown(path))) for path in LESSONS}

each_entry = pytest.mark.parametrize("entry", ENTRIES, ids=NUMBERS)
each_notebook = pytest.mark.parametrize(
    "path", [*LESSONS, *SOLUTIONS], ids=lambda path: f"{path.parent.name}/{path.stem}"
)


def test_the_numbers_stand_once_and_in_order():
    counts = [int(number[1:]) for number in NUMBERS]
    assert counts and counts == sorted(set(counts))


@each_entry
def test_an_entry_has_its_number_as_id_a_name_and_every_field(entry):
    number, name = headings(entry)[0].split(" · ")
    assert entry.id == number.lower() and name
    assert re.findall(r"^\* \*\*([^*]+):\*\* \S", entry.source, re.MULTILINE) == FIELDS


@each_entry
def test_an_entry_leads_to_a_lesson_that_has_this_heading(entry):
    places = PLACE.findall(entry.source.rpartition("**In the course:**")[2])
    assert places
    for lesson, heading, file, id in places:
        assert file.startswith(lesson)
        (cell,) = [cell for cell in cells(NOTEBOOKS / file) if cell.id == id]
        assert heading in headings(cell)


@each_entry
def test_an_entry_is_named_by_a_lesson_that_it_leads_to(entry):
    number = NUMBER.search(entry.source)[0]
    lessons = {file for _, _, file, _ in PLACE.findall(entry.source)}
    assert [path for path, named in NAMED.items() if number in named and path.name in lessons]


@each_notebook
def test_every_number_in_a_notebook_has_an_entry_and_leads_there(path):
    links = LINK.findall(text(path))
    assert sorted(number for number, _ in links) == sorted(NUMBER.findall(text(path)))
    prefix = "" if path.parent == NOTEBOOKS else "../notebooks/"
    for number, target in links:
        assert number in NUMBERS
        assert target == f"{prefix}attacks.ipynb#cell-id={number.lower()}"


@pytest.mark.parametrize("path", LESSONS, ids=lambda path: path.stem)
def test_every_number_that_a_lesson_shows_has_an_entry(path):
    assert NAMED[path] <= set(NUMBERS)


@pytest.mark.parametrize("path", QUESTIONS, ids=lambda path: path.stem)
def test_every_number_in_a_question_has_an_entry(path):
    assert set(NUMBER.findall(path.read_text(encoding="utf-8"))) <= set(NUMBERS)


@pytest.mark.parametrize("path", LESSONS, ids=lambda path: path.stem)
def test_the_catalogue_is_one_click_from_each_lesson(path):
    assert "(attacks.ipynb)" in text(path)
