"""The glossary: each word has its lesson, and no lesson uses a word before."""

import re
from pathlib import Path

import nbformat
import pytest

NOTEBOOKS = Path(__file__).parent.parent / "notebooks"
LESSONS = sorted(NOTEBOOKS.glob("[0-9]*.ipynb"))


def text(path):
    notebook = nbformat.read(path, as_version=4)
    return "\n".join(cell.source for cell in notebook.cells if cell.cell_type == "markdown")


WORDS = dict(
    re.findall(r"^\| ([^|]+) \| [^|]+ \| \[(\d\d)\]\(", text(NOTEBOOKS / "glossary.ipynb"), re.M)
)


def uses(word, words):
    return re.search(rf"(?<!\w){re.escape(word)}s?(?!\w)", words, re.IGNORECASE)


def test_the_glossary_has_words():
    assert len(WORDS) >= 25


def test_the_words_are_in_order():
    assert list(WORDS) == sorted(WORDS, key=str.lower)


@pytest.mark.parametrize("word", WORDS)
def test_no_lesson_uses_a_word_before_the_lesson_that_explains_it(word):
    using = [lesson.name[:2] for lesson in LESSONS if uses(word, text(lesson))]
    assert using and using[0] == WORDS[word]


@pytest.mark.parametrize("lesson", LESSONS, ids=lambda path: path.stem)
def test_the_glossary_is_one_click_from_each_lesson(lesson):
    assert "(glossary.ipynb)" in text(lesson)
