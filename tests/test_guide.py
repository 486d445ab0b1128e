"""The instructor's guide, as HTML and as PDF, and the pictures for the projector."""

import html.parser
import re
import zlib

import pytest
from typer.testing import CliRunner

from x3dhlab import course
from x3dhlab.classroom import cues, guide, pdf, present
from x3dhlab.cli import app
from x3dhlab.course import CourseProblem
from x3dhlab.grading.tasks import TASKS

PATHS = [way.name for way in course.paths()]
SECTIONS = [section for way in course.paths() for section in way.sections]
ALWAYS = ["Say", "Show of hands", "Show", "Ask", "Where people stop", "Skip"]
FIRST, LAST = ["They say → ask back"], ["For the fast", "Debrief"]  # once for each lesson


@pytest.fixture(params=PATHS)
def way(request):
    return course.path(request.param)


@pytest.fixture(params=SECTIONS, ids=lambda s: f"{s.path}-{s.number}")
def cue(request):
    return cues.cue(request.param)


# What a section says


@pytest.mark.parametrize("lesson", course.lessons(), ids=lambda lesson: lesson.number)
def test_the_explained_answers_of_each_lesson_have_all_teaching_notes(lesson):
    notes = cues.teaching(lesson)
    assert re.search(r"\d+ minutes", notes.timing)
    assert len(notes.wrong) == 3
    assert all(answer and re.fullmatch("“.+”", ask) for answer, ask in notes.wrong)
    assert notes.board and notes.skip.startswith("Skip ") and notes.fast
    assert notes.debrief and all(re.search(r"\?|\bAsk\b", said) for said in notes.debrief)
    assert not any("who found it" in said for said in notes.debrief)


def test_teaching_notes_that_lack_a_part_are_named(monkeypatch):
    lesson = present.lesson("04")
    solution = present.notebook(lesson, "solutions")
    for cell in solution["cells"]:
        cell["source"] = course.source(cell).replace("* **For the fast:**", "* **Fast:**")
    monkeypatch.setattr(present, "notebook", lambda *_: solution)
    with pytest.raises(CourseProblem, match="lesson 04 lack 'For the fast'"):
        cues.teaching(lesson)


def test_each_section_has_all_its_cues(cue):
    before, after = guide.blocks(cue)
    found = [block.label for block in [*before, *after] if block.label]
    wanted = [*ALWAYS, *(FIRST if cue.first else []), *(LAST if cue.last else [])]
    assert [label for label in wanted if label not in found] == ["Show"]
    assert cue.last or not {*LAST} & {*found}
    assert all(block.lines and all(block.lines) for block in [*before, *after])
    assert cue.picture.alt and cue.picture.claim
    assert 2 <= len(cue.stuck) <= cues.STUCK
    for asked in (cue.hands, cue.ask):
        assert [right for _, right, _ in asked.options].count(True) == 1
    assert cue.hands.question != cue.ask.question


def test_hands_are_raised_on_a_prediction_of_the_section_if_it_has_one(cue):
    own = present.pictures(present.of_section(cue.section))
    predicted = [picture.claim for picture in own if picture.hands]
    assert not predicted or cue.hands.question == predicted[0]


def test_people_stop_at_mistakes_of_the_tasks_that_they_do(cue):
    mistakes = [m for task in cue.section.tasks for m in TASKS[task].mistakes]
    if mistakes:
        assert set(cue.stuck) <= {(m.name, m.cure) for m in mistakes}
        assert "nothing returned" not in dict(cue.stuck)
    else:
        assert set(cue.stuck) <= {(text, why) for text, right, why in cue.ask.options if not right}


def test_the_clock_has_every_minute_and_every_section_once(way):
    plan = cues.clock(way)
    assert [slot.section for slot in plan if slot.section] == list(way.sections)
    assert sum(slot.end - slot.start for slot in plan) == way.used <= way.minutes
    for day in range(1, way.days + 1):
        slots = [slot for slot in plan if slot.day == day]
        edges = [slot.start for slot in slots] + [slots[-1].end]
        assert edges == [0] + [slot.end for slot in slots]
    assert guide.time(plan[0]) == "0:00–0:05"


# As HTML


class Page(html.parser.HTMLParser):
    """Headings with their level, images, links, and what is never closed."""

    def __init__(self, text):
        super().__init__()
        self.headings, self.images, self.addresses, self.open = [], [], [], []
        self.landmarks, self.wrong = [], []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        found = dict(attrs)
        if tag not in ("img", "meta"):
            self.open.append(tag)
        if re.fullmatch("h[1-6]", tag):
            self.headings.append(int(tag[1]))
        if tag in ("header", "nav", "main"):
            self.landmarks.append(tag)
        if tag == "img":
            self.images.append(found)
        self.addresses += [found[key] for key in ("src", "href") if key in found]

    def handle_endtag(self, tag):
        if not self.open or self.open.pop() != tag:
            self.wrong.append(tag)


def good(text):
    page = Page(text)
    assert not page.open and not page.wrong
    assert page.landmarks.count("main") == page.landmarks.count("nav") == 1
    assert page.headings[0] == 1 and page.headings.count(1) == 1
    steps = zip(page.headings, page.headings[1:], strict=False)
    assert all(below - above <= 1 for above, below in steps)
    assert all(image["alt"].strip() for image in page.images)
    assert all(address.startswith(("data:image/", "#")) for address in page.addresses)
    return page


def test_the_page_is_sound_and_needs_nothing_else(way):
    text = guide.page(way)
    page = good(text)
    assert len(page.images) == len(way.sections)
    for label in ALWAYS:
        assert text.count(f"<h3>{label}</h3>") == len(way.sections)
    for label in LAST:
        assert text.count(f"<h3>{label}</h3>") == len({part.lesson for part in way.sections})
    for lines in ([*way.welcome, *way.farewell], *(part.notes.steps for part in way.sections)):
        assert all(guide._marked(line) in text for line in lines)
    for slot in cues.clock(way):
        assert guide.time(slot) in text


def test_marks_of_a_text_become_type_and_nothing_else_becomes_a_mark():
    marked = guide._marked("`<b>` and **two** of [three](04.ipynb#x)")
    assert marked == "<code>&lt;b&gt;</code> and <strong>two</strong> of three"


# As PDF


def objects(data):
    """Number → body of each object, streams decompressed."""
    found = {}
    for number, body in re.findall(rb"(\d+) 0 obj\n(.*?)\nendobj", data, re.DOTALL):
        head, _, rest = body.partition(b"stream\n")
        stream = rest.rpartition(b"\nendstream")[0]
        found[int(number)] = head, zlib.decompress(stream) if b"/FlateDecode" in head else stream
    return found


def pages(data):
    """(text, sizes of type) of each page."""
    known = objects(data)
    fonts = {}
    for head, _ in known.values():
        if re.search(rb"/Type /Font\b", head) and b"/ToUnicode" in head:
            table = known[int(re.search(rb"/ToUnicode (\d+)", head)[1])][1]
            pairs = re.findall(rb"<([0-9A-F]{4})> <([0-9A-F]+)>\n", table)
            name = re.search(rb"/BaseFont /(\S+)", head)[1]
            fonts[name] = {
                int(key, 16): bytes.fromhex(value.decode()).decode("utf-16-be")
                for key, value in pairs
            }
    names = font_names(known)
    streams = [
        known[int(re.search(rb"/Contents (\d+)", head)[1])][1]
        for head, _ in known.values()
        if re.search(rb"/Type /Page\b", head)
    ]
    return [read(stream, fonts, names) for stream in streams]


def font_names(known):
    """F1 → the font's base name."""
    found = {}
    for head, _ in known.values():
        for name, number in re.findall(rb"/(F\d+) (\d+) 0 R", head):
            base = re.search(rb"/BaseFont /(\S+)", known[int(number)][0])
            found[name] = base[1]
    return found


_SHOWN = re.compile(rb"/(F\d+) ([\d.]+) Tf|\(((?:[^\\()]|\\.)*)\) Tj|\[(.*?)\] TJ", re.DOTALL)
_PIECE = re.compile(rb"\(((?:[^\\()]|\\.)*)\)", re.DOTALL)


def read(stream, fonts, names):
    text, sizes, table = [], set(), {}
    for font, size, one, many in _SHOWN.findall(stream):
        if font:
            table = fonts[names[font]]
            sizes.add(float(size))
        for piece in [one] if one else _PIECE.findall(many):
            raw = re.sub(rb"\\(.)", lambda m: {b"r": b"\r", b"n": b"\n"}.get(m[1], m[1]), piece)
            codes = (int.from_bytes(raw[n : n + 2]) for n in range(0, len(raw), 2))
            text.append("".join(table.get(code, "") for code in codes))
    return "".join(text), sizes


def same(text):
    """Without spaces and marks, so that broken lines compare."""
    return re.sub(r"[\s*`]|\]\([^)]*\)|\[", "", text)


def by_section(way):
    """(text, sizes of type) of each section: its page, and the second one if it has two."""
    heads = [same(f"{section.number} · {section.title}") for section in way.sections]
    found = []
    for text, sizes in pages(guide.paper(way))[1:]:
        if len(found) < len(heads) and heads[len(found)] in same(text):
            found.append((text, sizes))
        else:
            found[-1] = (found[-1][0] + text, found[-1][1] | sizes)
    return found


def test_the_pdf_has_a_title_page_and_a_page_or_two_a_section_with_all_cues(way):
    sheets = pages(guide.paper(way))
    assert len(sheets) <= 1 + 2 * len(way.sections)
    for slot in cues.clock(way):
        assert same(guide.time(slot) + slot.title) in same(sheets[0][0])
    for line in [line for block in [guide.begin(way), *guide.edges(way)] for line in block.lines]:
        assert same(line) in same(sheets[0][0])
    for section, (text, sizes) in zip(way.sections, by_section(way), strict=True):
        cue = cues.cue(section)
        before, after = guide.blocks(cue)
        for line in [line for block in [*before, *after] for line in block.lines]:
            assert same(line) in same(text), line
        if cue.picture.kind == "png":  # a drawing has type of its own
            assert min(sizes) >= 12


def test_a_page_that_does_not_hold_its_cues_is_refused():
    picture = cues.cue(SECTIONS[0]).picture
    sheets = pdf.Sheets("too much")
    with pytest.raises(CourseProblem, match="too long"):
        many = [("Ask", ["why?"] * 60, [], False)]
        sheets.section(("0:00", "all", "1 minute"), [], (picture, "this"), many)


def test_a_drawing_is_dressed_in_its_light_style():
    rules = "text.a,.b{fill:blue}.a{fill:red}text{font:600 11px Menlo,monospace}"
    dark = "@media(prefers-color-scheme:dark){.a{fill:white}.b{fill:black}}"
    drawn = pdf.flat(
        f'<svg xmlns="{pdf.SVG}"><style>{rules}{dark}</style>'
        '<rect class="a"/><text class="a">x</text><rect class="b"/></svg>'
    )
    assert re.findall(r'<(\w+)[^>]* fill="(\w+)"', drawn) == [
        ("rect", "red"),
        ("text", "blue"),
        ("rect", "blue"),
    ]
    assert 'font-family="mono"' in drawn and "class" not in drawn and "style" not in drawn


def test_every_drawing_of_the_lessons_can_be_printed():
    for lesson in course.lessons():
        for shown in present.pictures(present.part(lesson)):
            if shown.kind != "png":
                drawn = pdf.flat(shown.data.decode())
                assert "<text" in drawn and " class=" not in drawn and "<style" not in drawn


# The projector


@pytest.mark.parametrize("lesson", course.lessons(), ids=lambda lesson: lesson.number)
def test_every_lesson_has_a_deck(lesson, tmp_path):
    path = present.present(str(int(lesson.number)), out=tmp_path / "deck.html")
    text = path.read_text(encoding="utf-8")
    page = good(text)
    shown = present.pictures(present.part(lesson))
    assert [image["alt"] for image in page.images] == [picture.alt for picture in shown]
    assert f'<output id="where">1 of {len(shown)}</output>' in text
    assert all(min(picture.size) > 100 and picture.words for picture in shown)


def test_a_deck_holds_predictions_and_no_other_question():
    alts = [picture.alt for picture in present.pictures(present.part(present.lesson("04")))]
    assert any(alt.startswith("Prediction 04.kci") for alt in alts)
    assert not any(alt.startswith(("Quiz", "Question", "Order")) for alt in alts)


def test_a_heading_has_its_own_pictures():
    lesson = present.lesson("02")
    headings = {h for h, _ in present.part(lesson, "What the signature covers")}
    assert headings == {"What the signature covers"}
    with pytest.raises(CourseProblem, match="no heading “Nowhere”"):
        present.part(lesson, "Nowhere")


def test_the_command_under_a_picture_shows_this_picture(cue, tmp_path):
    place = guide.shown_by(cue).split()[-1]
    path = present.present(place, out=tmp_path / "deck.html")
    assert cue.picture.uri in path.read_text(encoding="utf-8")


def test_a_part_shows_no_picture_of_another_part_of_the_same_name(tmp_path):
    decks = [
        present.present(place, out=tmp_path / "deck.html").read_text(encoding="utf-8")
        for place in ("90min/5", "two-days/14")
    ]
    assert "Four small lies" in decks[1] and "Four small lies" not in decks[0]


def test_a_claim_is_the_first_sentence_without_the_id():
    made = [
        ("Compromise matrix 11.matrix: Which fall? All.", "Which fall?"),
        ("Time of one handshake, X3DH = 1.5. Then more.", "Time of one handshake, X3DH = 1.5."),
        ("Safety number: Alice and Bob", "Safety number: Alice and Bob"),
    ]
    for alt, claim in made:
        assert present.Shown("png", b"", alt, "").claim == claim
    hands = present.Shown("png", b"", "Prediction 04.kci: One. Two?", "", hands=True)
    assert hands.claim == "One. Two?"


# The commands


@pytest.fixture
def command(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(present.webbrowser, "open", lambda address: opened.append(address))
    opened = []
    return lambda *words: (CliRunner().invoke(app, words), opened)


def test_guide_writes_beside_the_workspace_and_by_the_name_given(command, tmp_path):
    result, _ = command("guide", PATHS[0])
    assert result.output.split()[-1] == str(tmp_path / f"x3dhlab-guide-{PATHS[0]}.html")
    assert command("guide", PATHS[0], "--out", "sheet.pdf")[0].exit_code == 0
    assert (tmp_path / "sheet.pdf").read_bytes().startswith(b"%PDF-")


@pytest.mark.parametrize("words", [["nowhere"], [PATHS[0], "--out", "sheet.doc"]])
def test_guide_refuses_what_it_cannot_write(command, words, tmp_path):
    result, _ = command("guide", *words)
    assert isinstance(result.exception, CourseProblem)
    assert list(tmp_path.iterdir()) == []


def test_present_opens_the_file_that_it_names(command):
    result, opened = command("present", "4")
    assert opened == [f"file://{result.output.split()[-1]}"]
    result, opened = command("present", "04", "Leave one", "--no-browser", "--out", "deck.html")
    assert result.output == "The pictures are in deck.html\n" and len(opened) == 1


@pytest.mark.parametrize("words", [["99"], ["04", "nothing like it"], ["03", "Who holds what"]])
def test_present_says_what_it_does_not_find(command, words):
    result, opened = command("present", *words)
    assert isinstance(result.exception, CourseProblem) and opened == []
