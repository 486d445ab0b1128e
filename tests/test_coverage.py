"""Each item of the five designs has a lesson and a cell: the table is `coverage.toml`."""

import re
import tomllib
from collections import Counter
from pathlib import Path

import nbformat
import pytest

ROOT = Path(__file__).parent.parent
TABLE = tomllib.loads((ROOT / "tests/coverage.toml").read_text(encoding="utf-8"))
LESSONS = range(33)  # the curriculum's, written or not
DESIGNS = set("ABCDE")
KINDS = {
    "challenge",
    "checklist",
    "claim",
    "extension",
    "feature",
    "matching",
    "picture",
    "question",
    "quiz",
    "sample",
    "table",
}
SHARED = {"Questions to take with you", "Check yourself", "Your turn"}
"""Headings with many items below them: a row must say which one it means."""


def sections(path: Path) -> dict[str, str]:
    """A lesson's headings, each with the text, code and outputs below it."""
    found, heading = {}, ""
    for cell in nbformat.read(path, as_version=4).cells:
        parts = re.split(r"^#+ (.+)$", cell.source, flags=re.M)
        if cell.cell_type == "code":
            parts = [cell.source + str(cell.outputs)]
        found[heading] = found.get(heading, "") + "\n" + parts[0]
        for heading, text in zip(parts[1::2], parts[2::2], strict=True):
            found[heading] = found.get(heading, "") + text
    return found


def written() -> dict[int, dict[str, str]]:
    """The sections of every lesson that exists, by the lesson's number."""
    paths = sorted((ROOT / "notebooks").glob("[0-9][0-9]_*.ipynb"))
    return {int(path.name[:2]): sections(path) for path in paths}


def gaps(item: dict, lessons: dict[int, dict[str, str]]) -> list[str]:
    """What is wrong with one row of the table; empty when its item is covered or rightly due."""
    if item.get("lesson") not in LESSONS:
        return ["names no lesson of the curriculum"]
    if item["lesson"] not in lessons:
        return [] if item.get("due") else ["points into a lesson that is not written"]
    if item.get("due"):
        return ["is still due, and its lesson is written"]
    text = lessons[item["lesson"]].get(item.get("heading"))
    if text is None:
        return [f"names a heading that its lesson does not have: {item.get('heading')!r}"]
    return _unseen(item, text)


def _unseen(item: dict, text: str) -> list[str]:
    """Whether the cell below the heading shows this item."""
    if item["heading"] in SHARED and "shows" not in item:
        return ["shares its heading with others and does not say what to look for"]
    if item.get("shows", "") not in text:
        return [f"should show {item['shows']!r} below {item['heading']!r}"]
    return []


def faults(table: dict, lessons: dict[int, dict[str, str]]) -> list[str]:
    """Everything that is wrong with the table, one sentence for each fault."""
    items = table.get("item", [])
    counted = Counter(item["id"] for item in items)
    found = [f"{name} stands {times} times" for name, times in counted.items() if times > 1]
    covered = {item["id"].split(".")[0] for item in items}
    found += [f"no item of design {name}" for name in sorted(DESIGNS - covered)]
    found += [f"{item['id']}: unknown kind" for item in items if item.get("kind") not in KINDS]
    found += [f"{item['id']}: no description" for item in items if not item.get("what")]
    return found + [f"{item['id']} {gap}" for item in items for gap in gaps(item, lessons)]


def test_every_item_of_the_five_designs_has_a_lesson_and_a_cell():
    found = faults(TABLE, written())
    assert not found, "\n".join(["the course has gaps:", *found])


def test_the_designs_of_the_table_are_described():
    assert set(TABLE["designs"]) == DESIGNS
    assert all(TABLE["designs"].values())


# A small table, and what is found when it is damaged

SMALL = {4: {"Leave one out": "a text", "Check yourself": 'Quiz("04.pool")'}}
ROW = {"id": "A.terms", "kind": "question", "what": "why four", "lesson": 4}
COVERED = ROW | {"heading": "Leave one out"}


def test_a_covered_item_is_no_gap():
    assert gaps(COVERED, SMALL) == []
    assert gaps(ROW | {"lesson": 9, "due": True}, SMALL) == []


@pytest.mark.parametrize(
    ("row", "complaint"),
    [
        (ROW | {"lesson": 33, "due": True}, "no lesson of the curriculum"),
        (ROW | {"lesson": "4", "due": True}, "no lesson of the curriculum"),
        (ROW | {"lesson": 9, "heading": "Leave one out"}, "not written"),
        (ROW | {"due": True}, "still due"),
        (ROW, "a heading that its lesson does not have"),
        (ROW | {"heading": "Leave two out"}, "a heading that its lesson does not have"),
        (ROW | {"heading": "Check yourself"}, "what to look for"),
        (COVERED | {"shows": "another text"}, "should show"),
    ],
)
def test_a_gap_is_found_and_named(row, complaint):
    assert complaint in " ".join(gaps(row, SMALL))


def test_a_section_holds_the_code_and_the_output_below_its_heading():
    lesson = sections(ROOT / "notebooks/04_four_diffie_hellmans.ipynb")
    assert "ProtocolPlayer(trace" in lesson["Watch it run"]
    assert "operations that ran: ['VERIFY']" in lesson["Before the first Diffie-Hellman"]
    assert "ProtocolPlayer(trace" not in lesson["Leave one out"]


def test_a_duplicate_an_unknown_kind_and_a_missing_description_are_found():
    found = faults({"item": [COVERED, COVERED | {"kind": "rumour", "what": ""}]}, SMALL)
    assert "A.terms stands 2 times" in found
    assert "A.terms: unknown kind" in found
    assert "A.terms: no description" in found


def test_an_empty_table_and_a_missing_design_are_found():
    assert len(faults({}, SMALL)) == len(DESIGNS)
    assert "no item of design B" in faults({"item": [COVERED]}, SMALL)
