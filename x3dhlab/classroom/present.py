"""A lesson's pictures on the projector: one HTML file, stepped by the arrow keys, offline.

The pictures are those that the lesson was committed with, so that nothing has to run. Answers to
questions are on none of them. Lessons are read as they were installed, not from a workspace.
"""

import base64
import html
import json
import re
import struct
import tempfile
import webbrowser
from dataclasses import dataclass, field
from importlib.resources import files
from pathlib import Path

from x3dhlab import course
from x3dhlab.course import CourseProblem, Lesson, Section

HEADING = re.compile(r"^(#+) +(.+)$", re.MULTILINE)
_IMAGE = re.compile(r'<img src="data:image/(png|svg\+xml);base64,([^"]+)" alt="([^"]*)"')
_CARD = re.compile(r"^(?:Quiz|Order|Match|FreeAnswer)\(", re.MULTILINE)
_HAND = re.compile(r"^Predict\(", re.MULTILINE)
_ID = re.compile(r"^[A-Z][a-z ]+ (?:\d\d\.[\w-]+): ")
_SENTENCE = re.compile(r".+?[.?!](?=\s|$)", re.DOTALL)
_SIZE = re.compile(rb'width="(\d+)" height="(\d+)"')
LONG = 110  # characters of a claim: what fits under a picture in one line or two


@dataclass(frozen=True, slots=True)
class Shown:
    """One picture of a lesson: `kind` is "png" or "svg+xml", `size` in pixels.

    `words` are its text form, which says all that the picture shows. `hands` marks the card of a
    prediction.
    """

    kind: str
    data: bytes = field(repr=False)
    alt: str
    heading: str
    words: str = field(default="", repr=False)
    hands: bool = False

    @property
    def size(self) -> tuple[int, int]:
        """(width, height)."""
        if self.kind == "png":
            return struct.unpack(">II", self.data[16:24])
        width, height = _SIZE.search(self.data).groups()
        return int(width), int(height)

    @property
    def claim(self) -> str:
        """What the picture says, in one sentence; of a prediction, the question."""
        said = _ID.sub("", self.alt)
        if self.hands:
            return said
        sentence = (_SENTENCE.match(said) or [said])[0]
        return sentence if len(sentence) <= LONG else sentence[:LONG].rpartition(": ")[0] or said

    @property
    def uri(self) -> str:
        """The picture as an address that holds it."""
        return f"data:image/{self.kind};base64,{base64.b64encode(self.data).decode()}"


def lesson(number: str) -> Lesson:
    """The lesson with this number, "4" or "04". Raises `CourseProblem`."""
    found = {lesson.number: lesson for lesson in course.lessons()}
    if number.zfill(2) not in found:
        raise CourseProblem(f"There is no lesson {number}. There are {', '.join(found)}.")
    return found[number.zfill(2)]


def notebook(lesson: Lesson, folder: str = "notebooks") -> dict:
    """The lesson as it was installed, with its outputs; `folder` may be "solutions"."""
    path = course.root() / folder / lesson.file
    return json.loads(path.read_text(encoding="utf-8"))


def part(lesson: Lesson, start: str = "") -> list[tuple[str, dict]]:
    """(heading above it, cell) for the cells under one heading, without `start` for all cells.

    Raises `CourseProblem` when the lesson has no such heading.
    """
    found, depth = [], 0 if not start else None
    for heading, marks, cell in _under(notebook(lesson)["cells"], lesson.title):
        for words, level in marks:
            if depth is None and words == start:
                depth = level
            elif depth and level <= depth:
                return found
        if depth is not None:
            found.append((heading, cell))
    if depth is None:
        raise CourseProblem(f"Lesson {lesson.number} has no heading “{start}”.")
    return found


def of_section(section: Section) -> list[tuple[str, dict]]:
    """(heading above it, cell) for the cells of a path's section."""
    return [(heading, cell) for heading, _, cell in _under(course.section(section)["cells"])]


def _under(cells, heading=""):
    for cell in cells:
        marks = HEADING.findall(course.source(cell)) if cell["cell_type"] == "markdown" else ()
        heading = marks[-1][1] if marks else heading
        yield heading, [(words, len(level)) for level, words in marks], cell


def pictures(cells: list[tuple[str, dict]]) -> list[Shown]:
    """The pictures of these cells; of the questions, only predictions."""
    found = []
    for heading, cell in cells:
        text = course.source(cell)
        if cell["cell_type"] == "code" and not _CARD.search(text):
            outputs = [output.get("data", {}) for output in cell["outputs"]]
            found += [p for data in outputs for p in _of(data, heading, bool(_HAND.search(text)))]
    return found


def _of(data, heading, hands):
    words = "".join(data.get("text/plain", ""))
    for kind, encoded, alt in _IMAGE.findall("".join(data.get("text/html", ""))):
        yield Shown(kind, base64.b64decode(encoded), html.unescape(alt), heading, words, hands)


# The deck


def deck(title: str, shown: list[Shown]) -> str:
    """One HTML page with all of these pictures. Needs no network."""
    slides = "".join(_slide(n, picture, len(shown)) for n, picture in enumerate(shown, 1))
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{html.escape(title)}</title><style>{static('present.css')}</style></head><body>"
        f"<header><h1>{html.escape(title)}</h1>"
        '<nav aria-label="Pictures"><button id="back">← Back</button>'
        f'<output id="where">1 of {len(shown)}</output><button id="on">Next →</button>'
        '<button id="full" aria-keyshortcuts="f">Full screen (F)</button></nav></header>'
        f"<main>{slides}</main><script>{static('present.js')}</script></body></html>\n"
    )


def _slide(number, picture, total):
    width, height = picture.size
    words, hidden = html.escape(picture.words), "" if number == 1 else " hidden"
    return (
        f'<section aria-label="Picture {number} of {total}"{hidden}>'
        f"<h2>{html.escape(picture.heading)}</h2>"
        f'<div class="room"><img class="{picture.kind[:3]}" src="{picture.uri}" width="{width}" '
        f'height="{height}" alt="{html.escape(picture.alt)}"></div>'
        f"<p>{html.escape(picture.claim)}</p>"
        "<details><summary>The same in words</summary>"
        f'<pre tabindex="0">{words}</pre></details></section>'
    )


def static(name: str) -> str:
    """The text of a file beside this module."""
    return (files("x3dhlab.classroom") / "static" / name).read_text(encoding="utf-8")


def present(number: str, section: str = "", out: Path | None = None) -> Path:
    """Write the deck of a lesson, of one heading of it, or of a path's section. Returns the file.

    `number` is a lesson, "04", or a part of a path, "90min/4". Raises `CourseProblem` when there is
    no such lesson, part or heading, or nothing to show in it.
    """
    own = course.path_section(number) if "/" in number else None
    chosen = lesson(own.lesson if own else number)
    title, cells = _cells_in(chosen, own) if own else _cells(chosen, section)
    shown = pictures(cells)
    if not shown:
        raise CourseProblem(f"There is no picture in “{title}”.")
    path = out or Path(tempfile.mkdtemp(prefix="x3dhlab-")) / f"{chosen.number}_{chosen.name}.html"
    path.write_text(deck(title, shown), encoding="utf-8")
    return path


def show(path: Path) -> bool:
    """Open a file in the browser. False when there is none."""
    return webbrowser.open(path.absolute().as_uri())


def _cells(lesson, section):
    """(title, cells); a path's section counts before a heading of the lesson."""
    title, wanted = f"{lesson.number} · {lesson.title}", section.strip("# ").casefold()
    if not wanted:
        return title, part(lesson)
    parts = [s for way in course.paths() for s in way.sections if s.lesson == lesson.number]
    named = [own for own in parts if own.title.casefold() == wanted]
    if named:
        return f"{lesson.number} · {named[0].title}", _cells_of(lesson, named)
    headings = [words for _, marks, _ in _under(notebook(lesson)["cells"]) for words, _ in marks]
    for heading in headings:
        if heading.casefold().startswith(wanted):
            return f"{lesson.number} · {heading}", part(lesson, heading)
    raise CourseProblem(
        f"Lesson {lesson.number} has no heading that begins with “{section}”. "
        f"It has: {'; '.join(headings[1:])}."
    )


def _cells_in(lesson, section):
    return f"{section.path}/{section.number} · {section.title}", _cells_of(lesson, [section])


def _cells_of(lesson, sections):
    """The cells of these sections and of the pictures that they name, in the lesson's order."""
    own = {cell["id"] for section in sections for _, cell in of_section(section)}
    own |= {section.picture for section in sections}
    return [(heading, cell) for heading, cell in part(lesson) if cell["id"] in own]
