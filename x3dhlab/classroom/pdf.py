"""Cue sheets on paper: A4, a page or two for a section, nothing smaller than 12 points.

What the pages hold is decided in `guide`; this module knows type, paper and pictures.
"""

import io
import re
import xml.etree.ElementTree as ElementTree
from itertools import zip_longest
from pathlib import Path

from fpdf import FPDF
from fpdf.enums import MethodReturnValue

from x3dhlab.course import CourseProblem

SVG = "http://www.w3.org/2000/svg"
_DARK = re.compile(r"@media[^{]*\{(?:[^{}]*\{[^{}]*\})*[^{}]*\}")
_RULE = re.compile(r"([^{}]+)\{([^{}]*)\}")
_SELECTOR = re.compile(r"(\w*)((?:\.[\w-]+)*)")
_FONT = re.compile(r"(?:(\d+) )?([\d.]+px) .*")


def flat(svg: str) -> str:
    """The picture with its style rules written to each element: the PDF library knows no rules."""
    ElementTree.register_namespace("", SVG)
    root = ElementTree.fromstring(svg)
    rules = []
    for style in root.findall(f"{{{SVG}}}style"):
        rules += [
            (selector, body)
            for selectors, body in _RULE.findall(_DARK.sub("", style.text or ""))
            for selector in selectors.split(",")
        ]
        root.remove(style)
    for element in root.iter():
        element.attrib.pop("style", None)
        _dress(element, rules)
    return ElementTree.tostring(root, encoding="unicode")


def _dress(element, rules):
    name, classes = element.tag.partition("}")[2], set(element.attrib.pop("class", "").split())
    fitting = []
    for place, (selector, body) in enumerate(rules):
        tag, names = _SELECTOR.fullmatch(selector.strip()).groups()
        wanted = set(names.split(".")) - {""}
        if tag in ("", name) and wanted <= classes:
            fitting.append((len(wanted), bool(tag), place, body))
    for *_, body in sorted(fitting):
        for declaration in filter(None, body.split(";")):
            element.attrib.update(_declared(*declaration.split(":", 1)))


def _declared(key, value):
    if key == "font":
        weight, size = _FONT.fullmatch(value).groups()
        return {**_declared("font-family", value), "font-size": size} | (
            {"font-weight": weight} if weight else {}
        )
    if key == "font-family":
        return {key: "mono" if "mono" in value else "sans"}
    return {key: value}


# Sheets

MARGIN, WIDE, TALL = 40, 595.28, 841.89  # points; the last two are A4
TYPE, LEAD, LARGE, HEAD = 12, 14.6, 16, 20  # points
NARROW = 88  # percent of the type's width; DejaVu's own condensed form has 90
GAP, INDENT = 4, 14  # points, between cues and before the text of a list
LOWEST = 120  # points: what a picture keeps at least
INK, QUIET, RULE = (23, 32, 46), (77, 88, 104), (195, 202, 212)


class _Paper(FPDF):
    """Of Markdown only `**`: in a cue, `--path` and `__init__` are what they are."""

    MARKDOWN_ITALICS_MARKER = MARKDOWN_UNDERLINE_MARKER = MARKDOWN_STRIKETHROUGH_MARKER = "\0\0"
    MARKDOWN_MARKERS = (FPDF.MARKDOWN_BOLD_MARKER,)


class Sheets:
    """Pages of cues. Nothing runs over: a page that does not hold its cues is an error."""

    def __init__(self, title: str):
        self._pdf = _Paper(unit="pt", format="A4")
        self._pdf.set_title(title)
        self._pdf.set_lang("en")
        self._pdf.set_margin(MARGIN)
        self._pdf.set_auto_page_break(False)
        for family, file in (("sans", "DejaVuSans"), ("mono", "DejaVuSansMono")):
            for style, suffix in (("", ""), ("B", "-Bold")):
                self._pdf.add_font(family, style, _fonts() / f"{file}{suffix}.ttf")

    def title_page(self, title: str, rows: list[tuple[str, ...]], lines: list[str]) -> None:
        """The path's name, what to do before, and its clock: (day, time, part, lesson)."""
        self._page(title)
        self._write(title, HEAD, "B")
        for line in lines:
            self._write(line)
        self._pdf.ln(LEAD)
        day = ""
        for first, time, part, lesson in rows:
            if first != day:
                self._pdf.ln(GAP)
                self._write(first, TYPE, "B")
                day = first
            self._row(time, part, lesson)
        self._bound()

    def section(self, head, before, picture, after) -> None:
        """`head` is (time, title, minutes); a cue is (label, lines, marks, large?).

        What does not fit under the picture begins a second page.
        """
        time, title, minutes = head
        self._page(title)
        self._write(f"{time}   {title}", HEAD, "B")
        self._write(minutes, TYPE, "", QUIET)
        self._blocks(before)
        below = self._blocks(after, dry=True)
        split = self._room(below) < LOWEST
        self._picture(*picture, 0 if split else below)
        if split:
            self._bound()
            self._page()
        self._blocks(after)
        self._bound()

    def bytes(self) -> bytes:
        """The file."""
        return bytes(self._pdf.output())

    def _page(self, title=""):
        self._pdf.add_page()
        self._pdf.set_stretching(NARROW)
        self._pdf.set_font("sans", size=TYPE)
        if title:
            self._pdf.start_section(title)

    def _bound(self):
        if self._pdf.get_y() > TALL - MARGIN / 2:
            raise CourseProblem(f"Page {self._pdf.page_no()} of the guide is too long.")

    def _blocks(self, blocks, dry=False):
        """Their height. A list has its label on a line of its own, other cues begin beside it."""
        height = 0
        for label, lines, marks, large in blocks:
            size, lines = LARGE if large else TYPE, list(lines)
            if label and marks:
                height += self._write(f"**{label}**", size, dry=dry)
            elif label:
                lines[0] = f"**{label}.** {lines[0]}"
            for mark, line in zip_longest(marks, lines):
                height += self._write(line, size, dry=dry, mark=mark)
            height += GAP
            if not dry:
                self._pdf.ln(GAP)
        return height

    def _write(self, text, size=TYPE, style="", colour=INK, dry=False, mark=None):
        """One paragraph, behind its mark if it has one. Returns the height."""
        self._pdf.set_font("sans", style, size)
        self._pdf.set_text_color(*colour)
        if mark and not dry:
            self._pdf.cell(0, LEAD, mark)
        self._pdf.set_x(MARGIN + (INDENT if mark else 0))
        return self._pdf.multi_cell(
            0, LEAD * size / TYPE, text, align="L", new_x="LMARGIN", new_y="NEXT",
            markdown=True, dry_run=dry, output=MethodReturnValue.HEIGHT,
        )  # fmt: skip

    def _row(self, time, part, lesson):
        self._pdf.set_font("sans", size=TYPE)
        for width, text in ((110, time), (290, part), (0, lesson)):
            self._pdf.cell(width, LEAD + 2, text)
        self._pdf.ln(LEAD + 2)

    def _room(self, below):
        """What is left for a picture on this page, with its caption and `below` under it."""
        return TALL - MARGIN / 2 - self._pdf.get_y() - below - 3 * LEAD - 2 * GAP

    def _picture(self, shown, caption, below):
        width, height = shown.size
        scale = min((WIDE - 2 * MARGIN) / width, max(self._room(below), LOWEST) / height)
        data = shown.data if shown.kind == "png" else flat(shown.data.decode()).encode()
        self._pdf.image(
            io.BytesIO(data), x=(WIDE - width * scale) / 2, y=self._pdf.get_y(),
            w=width * scale, h=height * scale, alt_text=shown.alt,
        )  # fmt: skip
        self._pdf.set_y(self._pdf.get_y() + height * scale + 2)
        self._write(caption, TYPE, "", QUIET)
        self._pdf.ln(GAP)


def _fonts():
    import matplotlib

    return Path(matplotlib.get_data_path()) / "fonts" / "ttf"
