"""What a laptop may say to the room page: places of the course, verdicts, names of mistakes.

Both ends use this list. What a learner wrote is in none of its words: a place is the id of a task
or question of the course, a chosen option is a fingerprint of the course's own text, and the name
of a mistake is the course's own, or that of an error that Python itself has.
"""

import builtins
import hashlib
import tomllib
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files

from x3dhlab import course
from x3dhlab.grading.tasks import TASKS, variants
from x3dhlab.widgets.questions import DONT_KNOW, bank

PASSED, FAILED = "passed", "failed"
BATCH = 20  # events in one report
RAISED, SOME_ERROR = "raised ", "raised an error"
# What the grader calls an answer that is wrong in no way a task knows of.
GENERAL = ("not defined", "syntax error", "no answer", "too slow", "delegated to the package")


@dataclass(frozen=True, slots=True)
class Choice:
    """One option of a prediction. `key` is a fingerprint: eight hexadecimal digits."""

    key: str
    text: str
    correct: bool = False


@dataclass(frozen=True, slots=True)
class Place:
    """Where a learner can be: `kind` is "prediction", "question" or "task".

    `options` are those of a prediction. `mistakes` are those of a task: name → misconception.
    """

    id: str
    lesson: str
    kind: str
    title: str
    options: tuple[Choice, ...] = ()
    mistakes: dict[str, str] = field(default_factory=dict)

    def mistake(self, name: object) -> str:
        """The name as it may be said: an unknown one becomes empty, an own error is not named."""
        if not isinstance(name, str) or self.kind != "task":
            return ""
        if name in self.mistakes or name in GENERAL or name == SOME_ERROR:
            return name
        if name.startswith(RAISED):
            return name if _is_pythons_own(name.removeprefix(RAISED)) else SOME_ERROR
        return ""

    def option(self, text: object) -> str:
        """The key of the option with this text, or an empty string."""
        return next((option.key for option in self.options if option.text == text), "")


@dataclass(frozen=True, slots=True)
class Event:
    """All that is ever said about one thing a learner did. `option` is the key of a `Choice`."""

    place: str
    verdict: str = ""
    mistake: str = ""
    option: str = ""


@cache
def of_course() -> dict[str, Place]:
    """Every place by its id, in the order of the lessons: first what is asked, then the tasks."""
    found = {}
    for lesson in course.lessons():
        found |= {place.id: place for place in _asked(lesson.number)}
        tasks = [task for task in TASKS.values() if task.lesson == lesson.number]
        found |= {task.id: _of_task(task) for task in tasks}
    return found


@cache
def titles() -> dict[str, str]:
    """The title of each lesson by its number."""
    return {lesson.number: lesson.title for lesson in course.lessons()}


def _asked(number):
    file = files("x3dhlab") / "questions" / f"{number}.toml"
    tables = tomllib.loads(file.read_text(encoding="utf-8")) if file.is_file() else {}
    for name, table in tables.items():
        id = f"{number}.{name}"
        predicted = table["kind"] == "prediction"
        kind = "prediction" if predicted else "question"
        yield Place(id, number, kind, table["question"], _options(id) if predicted else ())


def _options(id):
    told = [Choice(_key(id, option.text), option.text, option.correct) for option in bank(id)[1]]
    return (*told, Choice(_key(id, DONT_KNOW), DONT_KNOW))


def _key(id, text):
    return hashlib.sha256(f"{id} {text}".encode()).hexdigest()[:8]


def _of_task(task):
    named = {m.name: m.misconception for form in variants(task.id) for m in form.mistakes}
    return Place(task.id, task.lesson, "task", task.title, mistakes=named)


def _is_pythons_own(name):
    found = getattr(builtins, name, None)
    return isinstance(found, type) and issubclass(found, BaseException)


def event(kind: object, name: object, value: object) -> Event | None:
    """What may be said about an entry of the progress file, or None for nothing at all."""
    place = of_course().get(name) if isinstance(name, str) else None
    facts = value if isinstance(value, dict) else {}
    if place is None:
        return None
    if kind == "prediction" and place.kind == "prediction":
        return Event(place.id, option=place.option(facts.get("choice")))
    if kind == "answer" and place.kind == "question":
        return Event(place.id, _verdict(facts.get("correct")))
    if kind == "task" and place.kind == "task":
        verdict = _verdict(facts.get("passed"))
        mistake = place.mistake(facts.get("mistake")) if verdict == FAILED else ""
        return Event(place.id, verdict, mistake)
    return None


def _verdict(value):
    return {True: PASSED, False: FAILED}[value] if isinstance(value, bool) else ""


def accepted(told: Event) -> Event | None:
    """The event as the page keeps it: the same, without anything that is no word of the course."""
    place = of_course().get(told.place)
    if place is None:
        return None
    keys = {option.key for option in place.options}
    verdict = told.verdict if told.verdict in (PASSED, FAILED) else ""
    mistake = place.mistake(told.mistake) if verdict == FAILED else ""
    return Event(place.id, verdict, mistake, told.option if told.option in keys else "")
