"""The instructor's cue sheet for a path, as one HTML file or as PDF: it replaces slides.

Both forms are made of the same blocks, so that neither says more than the other.
"""

import html
import re
from dataclasses import dataclass
from pathlib import Path

from x3dhlab import course
from x3dhlab.classroom import cues, pdf, present
from x3dhlab.classroom.cues import Asked, Cue, Slot
from x3dhlab.course import CourseProblem, Way

_CODE = re.compile(r"`([^`]+)`")
_BOLD = re.compile(r"\*\*([^*]+)\*\*")
_STRESS = re.compile(r"(?<!\*)\*([^* ][^*]*)\*(?!\*)")
_LINK = re.compile(r"\[([^\]]+)\]\([^)]*\)")


@dataclass(frozen=True, slots=True)
class Block:
    """One cue: its label, what stands under it line by line, and whether lines are `numbered` or
    `listed`.

    Lines are Markdown with marks for code, bold and italic type only. `large` is for what is said
    first.
    """

    label: str
    lines: tuple[str, ...]
    numbered: bool = False
    large: bool = False
    listed: bool = False


def blocks(cue: Cue) -> tuple[list[Block], list[Block]]:
    """(the cues before the picture, those after it)."""
    whole, own, section = cue.teaching, cue.section.notes, cue.section
    stuck = tuple(f"**{what.rstrip('.')}:** {cure}" for what, cure in cue.stuck)
    tasks = tuple(
        f"Task `{id}` in `exercises/{cue.lesson.file}`: {title} ({minutes} minutes)"
        for id, (title, minutes) in zip(section.tasks, cue.tasks, strict=True)
    )
    answers = tuple(f"**{asked}** {said}" for asked, said in own.answers)
    before = [
        Block("Say", (own.say or whole.board,), large=True),
        *_listed("Words", own.words),
        *_vote("Show of hands", cue.hands),
    ]
    after = [
        *_listed("They do", (*own.steps, *tasks)),
        *_vote("Ask", cue.ask),
        *_listed("Where people stop", stuck),
        *_listed("They ask → say", answers),
        *_listed("They say → ask back", _wrong(cue)),
        *_listed("Skip", (section.skipped, *([whole.skip] if _whole(cue) else []))),
    ]
    if cue.last:
        after += [Block("For the fast", (whole.fast,)), Block("Debrief", whole.debrief)]
    return before, after


def _whole(cue):
    """Does the lesson's own advice fit? Not where notes say which cells are run."""
    return cue.last and not cue.section.notes.steps


def _listed(label, lines):
    return [Block(label, tuple(lines), listed=True)] if lines else []


def _wrong(cue):
    """The section's own wrong answers, or the lesson's where the path comes to it first."""
    pairs = cue.section.notes.wrong or (cue.teaching.wrong if cue.first else ())
    return [f"{answer} → {ask}" for answer, ask in pairs]


def _vote(label, asked: Asked):
    number, _, why = asked.right
    options = tuple(text for text, _, _ in asked.options)
    yield Block(label, (asked.question,))
    yield Block("", options, numbered=True)
    yield Block("", (f"Right is {number}. {why}",))


def time(slot: Slot) -> str:
    """When it begins and ends: "0:05–0:15"."""
    return f"{_clock(slot.start)}–{_clock(slot.end)}"


def _clock(minute):
    return f"{minute // 60}:{minute % 60:02}"


def begin(way: Way) -> Block:
    """What an instructor does before the first minute."""
    return Block(
        "Before you begin",
        (
            "Every machine: `x3dhlab doctor` says whether it is ready.",
            f"Everybody opens the path with `x3dhlab lab --path {way.name}`.",
            f"Who comes late, at part 4: `x3dhlab catchup {way.name}/4`.",
            f"Pictures for the projector, part 4: `x3dhlab present {way.name}/4`.",
            way.skipped,
        ),
        listed=True,
    )


def edges(way: Way) -> list[Block]:
    """What is said in the opening and in the closing."""
    closing = (*way.farewell, "Each person names one thing to look up in a system of their own.")
    return [*_listed("Opening", way.welcome), *_listed("Closing", closing)]


def shown_by(cue: Cue) -> str:
    """The command that shows the pictures of this section."""
    return f"x3dhlab present {cue.section.path}/{cue.section.number}"


# As HTML


def page(way: Way) -> str:
    """The whole guide as one HTML page that needs nothing else."""
    plan = cues.clock(way)
    sections = "".join(_section(slot) for slot in plan if slot.section)
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{html.escape(way.title)}: cue sheet</title>"
        f"<style>{present.static('guide.css')}</style></head><body>"
        f"<header><h1>{html.escape(way.title)}</h1>"
        f"{''.join(map(_block, [begin(way), *edges(way)]))}</header>"
        f'<nav aria-labelledby="clock"><h2 id="clock">Clock</h2>{_table(way, plan)}</nav>'
        f"<main>{sections}</main><script>{present.static('guide.js')}</script></body></html>\n"
    )


def _table(way, plan):
    names = (["day"] if way.days > 1 else []) + ["time", "minutes", "lesson", "part"]
    heads = "".join(f'<th scope="col">{name}</th>' for name in names)
    rows = "".join(_row(slot, way.days > 1) for slot in plan)
    return f"<table><thead><tr>{heads}</tr></thead><tbody>{rows}</tbody></table>"


def _row(slot, with_day):
    part, lesson = html.escape(slot.title), ""
    if slot.section:
        part, lesson = f'<a href="#part-{slot.section.number}">{part}</a>', slot.section.lesson
    cells = [time(slot), slot.end - slot.start, lesson, part]
    days = [slot.day] if with_day else []
    return f"<tr>{''.join(f'<td>{cell}</td>' for cell in days + cells)}</tr>"


def _section(slot):
    cue = cues.cue(slot.section)
    before, after = blocks(cue)
    number = cue.section.number
    return (
        f'<section aria-labelledby="part-{number}"><h2 id="part-{number}">'
        f'<span class="time">{time(slot)}</span> {number} · {html.escape(cue.section.title)}</h2>'
        f'<p class="from">{slot.end - slot.start} minutes{_day_of(slot)}, from lesson '
        f"{cue.lesson.number}, {html.escape(cue.lesson.title)}</p>"
        f"{''.join(map(_block, before))}{_figure(cue)}{''.join(map(_block, after))}</section>"
    )


def _day_of(slot):
    return f" of day {slot.day}" if slot.day > 1 else ""


def _figure(cue):
    shown = cue.picture
    width, height = shown.size
    return (
        f'<h3>Show</h3><figure><img class="{shown.kind[:3]}" src="{shown.uri}" width="{width}" '
        f'height="{height}" alt="{html.escape(shown.alt)}"><figcaption>'
        f"{html.escape(shown.claim)} <code>{html.escape(shown_by(cue))}</code></figcaption>"
        f"</figure><details><summary>The picture in words</summary>"
        f'<pre tabindex="0">{html.escape(shown.words)}</pre></details>'
    )


def _block(block):
    label = f"<h3>{html.escape(block.label)}</h3>" if block.label else ""
    if block.label in ("Before you begin", "Opening", "Closing"):
        label = label.replace("h3", "h2")
    if block.numbered or block.listed:
        tag = "ol" if block.numbered else "ul"
        items = "".join(f"<li>{_marked(line)}</li>" for line in block.lines)
        return f"{label}<{tag}>{items}</{tag}>"
    kind = ' class="say"' if block.large else ""
    return label + "".join(f"<p{kind}>{_marked(line)}</p>" for line in block.lines)


def _marked(line):
    text = _LINK.sub(r"\1", html.escape(line, quote=False))
    text = _BOLD.sub(r"<strong>\1</strong>", _CODE.sub(r"<code>\1</code>", text))
    return _STRESS.sub(r"<em>\1</em>", text)


# As PDF


def paper(way: Way) -> bytes:
    """The guide as PDF: a title page, then a page or two for each section."""
    plan = cues.clock(way)
    sheets = pdf.Sheets(f"{way.title}: cue sheet")
    rows = [
        (f"Day {slot.day}" if way.days > 1 else "", time(slot), slot.title, slot.section)
        for slot in plan
    ]
    sheets.title_page(
        way.title,
        [(*row[:3], f"lesson {row[3].lesson}" if row[3] else "") for row in rows],
        [line for block in [begin(way), *edges(way)] for line in _titled(block)],
    )
    for slot in plan:
        if slot.section:
            _sheet(sheets, slot)
    return sheets.bytes()


def _titled(block):
    return [f"**{block.label}**", *_flat(block)[1]]


def _sheet(sheets, slot):
    cue = cues.cue(slot.section)
    before, after = ([_flat(block) for block in side] for side in blocks(cue))
    head = f"{cue.section.number} · {cue.section.title}"
    minutes = f"{slot.end - slot.start} minutes{_day_of(slot)}, lesson {cue.lesson.number}"
    sheets.section(
        (time(slot), head, minutes),
        before,
        (cue.picture, f"{cue.picture.claim}\n{shown_by(cue)}"),
        after,
    )


def _flat(block):
    plain = (_LINK.sub(r"\1", _CODE.sub(r"\1", line)) for line in block.lines)
    lines = tuple(_STRESS.sub(r"\1", line) for line in plain)
    numbers = [str(n) for n, _ in enumerate(lines, 1)]
    marks = numbers if block.numbered else ["•"] * len(lines) if block.listed else []
    return block.label, lines, marks, block.large


def write(name: str, out: Path | None = None) -> Path:
    """Write the guide of a path; the name of the file decides the form. Returns the file.

    Without `out` it is HTML, beside the workspace. Raises `CourseProblem`.
    """
    way = course.path(name)
    path = out or course.default_folder().parent / f"x3dhlab-guide-{way.name}.html"
    if path.suffix not in (".html", ".pdf"):
        raise CourseProblem(f"{path} is neither .html nor .pdf. Choose one of them with --out.")
    content = paper(way) if path.suffix == ".pdf" else page(way).encode()
    path.write_bytes(content)
    return path
