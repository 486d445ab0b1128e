"""What an instructor says, asks and shows in each section of a path: collected, not written.

Everything comes from where it stands for other purposes: the section "Teaching this" of the
explained answers, the questions of the lesson, its pictures, and the named mistakes of its tasks.
"""

import re
from collections import Counter
from dataclasses import dataclass
from functools import cache
from itertools import zip_longest

from x3dhlab import course
from x3dhlab.classroom import present
from x3dhlab.classroom.present import Shown
from x3dhlab.course import CourseProblem, Lesson, Section, Way
from x3dhlab.grading.tasks import TASKS
from x3dhlab.widgets.questions import bank, entry

TEACHING = "## Teaching this"
STUCK = 3  # named mistakes in a cue: more are not read at a lectern
_ITEM = re.compile(r"^\* \*\*(.+?)\*\*(.*(?:\n {2}.*)*)", re.MULTILINE)
_WRONG = re.compile(r"^ {2}\* (.+?) Ask: (.+)$", re.MULTILINE)
_ASKED = re.compile(r"""^(Predict|Quiz)\(["']([\w.-]+)["']""", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Teaching:
    """The section "Teaching this" of one lesson. `wrong` pairs an answer with what to ask back;
    `more` has what only this lesson says."""

    timing: str
    board: str
    wrong: tuple[tuple[str, str], ...]
    skip: str
    fast: str
    debrief: tuple[str, ...]
    more: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Asked:
    """A question with its options in the order of the learner's card: (text, right?, why)."""

    question: str
    options: tuple[tuple[str, bool, str], ...]

    @property
    def right(self) -> tuple[int, str, str]:
        """(number on the card, text, why)."""
        return next((n, t, why) for n, (t, right, why) in enumerate(self.options, 1) if right)


@dataclass(frozen=True, slots=True)
class Cue:
    """One section of a path at the lectern.

    `first` and `last` say whether the path comes to its lesson for the first or the last time:
    what holds for the whole lesson is said once.
    `hands` is what everybody votes on before it is seen: the section's first prediction, or a
    question where it has none. `stuck` pairs what people do with what helps; `tasks` are (title,
    minutes).
    """

    section: Section
    lesson: Lesson
    teaching: Teaching
    ask: Asked
    hands: Asked
    picture: Shown
    stuck: tuple[tuple[str, str], ...]
    tasks: tuple[tuple[str, int], ...]
    first: bool
    last: bool


def teaching(lesson: Lesson) -> Teaching:
    """What the explained answers say about teaching this lesson.

    Raises `CourseProblem` when a part is missing.
    """
    text = next(
        (t for t in _texts(present.notebook(lesson, "solutions")) if TEACHING in t), ""
    ).partition(TEACHING)[2]
    items = [(label.strip(" .:"), body) for label, body in _ITEM.findall(text)]
    named = {label.split(",")[0]: body for label, body in items}
    wrong = tuple(_WRONG.findall(named.pop("Three wrong answers", "")))
    named = {label: body.strip() for label, body in named.items()}
    # No path has a closing problem: of its debrief only the question about one's own work stays.
    asked = [body for label, body in named.items() if label.startswith("Debrief")]
    debrief = tuple(body.rpartition("Then ask: ")[2] for body in asked)
    try:
        found = [named[key] for key in ("Timing", "One sentence for the board")]
        skip, fast = named["Skip"], named["For the fast"]
    except KeyError as problem:
        raise CourseProblem(
            f"The teaching notes of lesson {lesson.number} lack {problem}."
        ) from problem
    known = {"Timing", "One sentence for the board", "Skip", "For the fast"}
    more = tuple(
        f"{label} {body}"
        for label, body in named.items()
        if label not in known and not label.startswith("Debrief")
    )
    return Teaching(*found, wrong, f"Skip {skip}", _sentence(fast), _all(debrief), more)


def _texts(notebook):
    return [course.source(c) for c in notebook["cells"] if c["cell_type"] == "markdown"]


def _sentence(text):
    return text[:1].upper() + text[1:]


def _all(texts):
    return tuple(map(_sentence, texts))


# One section


def cue(section: Section) -> Cue:
    """What to say, ask and show in one section of a path."""
    chosen = present.lesson(section.lesson)
    cells = present.of_section(section)
    asked = _ranked(chosen, {heading for heading, _ in cells})
    hands = [*_ids(cells, "Predict"), *asked[1:]]
    ask = _card(asked[0])
    visits = [s for s in course.path(section.path).sections if s.lesson == section.lesson]
    return Cue(
        section,
        chosen,
        teaching(chosen),
        ask,
        _card(hands[0]),
        _picture(section, chosen),
        _stuck(section.tasks, ask),
        tuple((TASKS[task].title, TASKS[task].minutes) for task in section.tasks),
        section == visits[0],
        section == visits[-1],
    )


def _ids(cells, kind):
    code = [course.source(cell) for _, cell in cells if cell["cell_type"] == "code"]
    return [id for text in code for found, id in _ASKED.findall(text) if found == kind]


def _ranked(lesson, here):
    """The lesson's questions; first those whose wrong answers lead back to these headings only."""

    def fit(id):
        back = [option["cell"] for option in entry(id)["options"] if option.get("cell")]
        return sum(1 if heading in here else -1 for heading in back) if back else -STUCK

    return sorted(_ids(present.part(lesson), "Quiz"), key=fit, reverse=True)


def _card(id):
    question, options = bank(id)
    return Asked(question, tuple((o.text, o.correct, o.why) for o in options))


def _picture(section, lesson):
    for heading, cell in present.part(lesson):
        if cell.get("id") == section.picture:
            for shown in present.pictures([(heading, cell)]):
                return shown
    raise CourseProblem(f"Lesson {lesson.number} has no picture in the cell {section.picture}.")


def _stuck(tasks, ask):
    """The first mistakes of each task in turn; without a task, the question's wrong answers."""
    if not tasks:
        return tuple((text, why) for text, right, why in ask.options if not right)[:STUCK]
    ladders = [[m for m in TASKS[task].mistakes if m.name not in _general()] for task in tasks]
    turns = [m for row in zip_longest(*ladders) for m in row if m]
    cures = {}
    for mistake in turns:
        cures.setdefault(mistake.name, mistake.cure)
    return tuple(cures.items())[:STUCK]


@cache
def _general():
    """Names of mistakes that come in more than half of the lessons: they tell nothing of one."""
    lessons = {task.lesson for task in TASKS.values()}
    named = {(m.name, task.lesson) for task in TASKS.values() for m in task.mistakes}
    count = Counter(name for name, _ in named)
    return {name for name in count if count[name] > len(lessons) / 2}


# The clock


@dataclass(frozen=True, slots=True)
class Slot:
    """A stretch of one day: minutes `start` to `end` of it, and what it is for.

    `section` is None for the opening, for a break and for the closing.
    """

    day: int
    start: int
    end: int
    title: str
    section: Section | None = None


def clock(way: Way) -> list[Slot]:
    """Every minute of a path that is planned, each day from its own minute 0."""
    found = []
    for day in range(1, way.days + 1):
        found += _day(way, day)
    return found


def _day(way, day):
    own = [section for section in way.sections if section.day == day]
    parts = [("Opening", way.opening, None)]
    for section in own:
        parts.append((section.title, section.minutes, section))
        if section.pause and section is not own[-1]:
            parts.append(("Break", section.pause, None))
    now = 0
    for title, minutes, section in [*parts, ("Closing", way.closing, None)]:
        if minutes:
            yield Slot(day, now, now + minutes, title, section)
        now += minutes
