"""What can be asked about a history of first messages, and what each answer costs.

Every answer is counted from the lines of the history, as an operator's counters and logs would
be; none holds a name or a key, but for the timeline of one message, which needs its owners' word.
This module knows no cause: what an answer means is for the reader to say.
"""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from statistics import median

from x3dhlab.service.metrics import ONE_TIME_KEY_MISSING, REASONS
from x3dhlab.worlds.checker import Violation, check, duration
from x3dhlab.worlds.history import History
from x3dhlab.worlds.network import HOUR

SERVICE, WRITER, PHONE = "service", "writer", "phone"


class Record:
    """A history, read once: what became of each first message. Times are milliseconds."""

    def __init__(self, history: History):
        self.history = history
        self.by_op: dict[str, list[dict]] = {}
        for one in history:
            self.by_op.setdefault(one["op"], []).append(one)

    def lines(self, op: str) -> list[dict]:
        """All lines of that operation, oldest first."""
        return self.by_op.get(op, [])

    @cached_property
    def tried(self) -> dict[int, dict]:
        """Message → the line with what the service knows of it: version, app, region, queue."""
        refused = {one["message"]: one for one in self.lines("refuse") if "region" in one}
        return refused | {one["request"]: one for one in self.lines("issue")}

    @cached_property
    def lost(self) -> dict[int, dict]:
        """Message → the line of its first refusal, if it was never accepted."""
        accepted = {one["message"] for one in self.lines("accept")}
        later = {one["message"]: one for one in reversed(self.lines("refuse"))}
        return {number: later[number] for number in sorted(later) if number not in accepted}

    def shares(self, name: str) -> dict[str, list[int]]:
        """Value of that field → [lost, tried]."""
        tried = Counter(one[name] for one in self.tried.values())
        lost = Counter(self.tried[number][name] for number in self.lost)
        return {value: [lost[value], tried[value]] for value in sorted(tried)}

    def place(self, number: int) -> str:
        """Who refused a lost message: the service, the writer's app or the reader's phone."""
        at = self.lost[number]["at"]
        return SERVICE if at == "server" else WRITER if at.startswith("s") else PHONE


def where(record: Record) -> dict:
    """How many lost messages were refused by each."""
    found = Counter(record.place(number) for number in record.lost)
    return {place: found[place] for place in (SERVICE, WRITER, PHONE)}


def counters(record: Record) -> dict:
    """The service's counters, as `reason/seen by`. They count events, also those that cost nothing.

    A bundle that goes out without a one-time prekey counts, and so does a second copy.
    """
    dry = sum(one["key"] is None for one in record.lines("issue"))
    found = Counter({f"{ONE_TIME_KEY_MISSING}/service": dry})
    for one in record.lines("refuse"):
        by_app = one["at"].startswith("s") and one["at"] != "server"
        # The service has counted a missing one-time prekey when the bundle went out.
        if one["reason"] in REASONS and not (by_app and one["reason"] == ONE_TIME_KEY_MISSING):
            found[f"{one['reason']}/{'service' if one['at'] == 'server' else 'client'}"] += 1
    return {name: count for name, count in sorted(found.items()) if count}


def versions(record: Record) -> dict:
    """[lost, tried] by the version of the reader's phone."""
    return record.shares("version")


def apps(record: Record) -> dict:
    """[lost, tried] by the version of the writer's app."""
    return record.shares("app")


def regions(record: Record) -> dict:
    """[lost, tried] by the region that gave the bundle out."""
    return record.shares("region")


def queues(record: Record) -> dict:
    """[lost, tried] by the queue that carries the reader's messages."""
    return record.shares("queue")


def delays(record: Record) -> dict:
    """Hours from sending to the phone: [shortest, middle, longest] of read and of lost messages."""
    sent = {one["message"]: one["t"] for one in record.lines("send")}
    arrived = {one["message"]: one["t"] for one in reversed(record.lines("deliver"))}
    took = {number: (arrived[number] - sent[number]) // HOUR for number in arrived}
    read = [hours for number, hours in took.items() if number not in record.lost]
    lost = [hours for number, hours in took.items() if number in record.lost]
    return {"read": _spread(read), "lost": _spread(lost)}


def _spread(values):
    return [min(values), int(median(values)), max(values)] if values else []


def clocks(record: Record) -> dict:
    """[lost, tried] for phones whose clock is right, and for those that are an hour off or more."""
    wrong = {one["user"] for one in record.lines("publish") if abs(one["clock"] - one["t"]) >= HOUR}
    return {
        word: [
            sum((_reader(record, number) in wrong) is off for number in numbers)
            for numbers in (record.lost, record.tried)
        ]
        for word, off in (("right", False), ("wrong", True))
    }


def prekeys(record: Record) -> list:
    """For each message that a phone refused, in hours: the story of the signed prekey it named.

    `behind`: it had been replaced that long when the bundle went out (0: it was the newest).
    `kept`: its private half stayed that long after it was replaced. None: it is there still.
    """
    return [_story(record, number) for number in record.lost if record.place(number) == PHONE]


def _story(record, number):
    issued = record.tried[number]
    user, spk, time = issued["user"], issued["spk"], issued["t"]
    made = _times(record, "rotate", user, spk)
    # After a restore a phone counts on from an older number, and may make one again.
    since = max((t for t in made if t <= time), default=0)
    replaced = next((t for t in _times(record, "rotate", user) if t > since), None)
    gone = next((t for t in _times(record, "forget", user, spk) if t > since), None)
    behind = max(0, time - replaced) if replaced is not None else 0
    kept = None if gone is None or replaced is None else max(0, gone - replaced) // HOUR
    return {"behind": behind // HOUR, "kept": kept}


def _times(record, op, user, spk=None):
    """When the phone did that with its signed prekeys, or with the one of that number."""
    lines = (one for one in record.lines(op) if one["user"] == user)
    return [one["t"] for one in lines if spk is None or one["spk"] == spk]


def restores(record: Record) -> list:
    """For each message that a phone refused: the age, in hours, of the backup it had come from.

    None: that phone had not been put back from a backup when it refused.
    """
    return [_backup(record, number) for number in record.lost if record.place(number) == PHONE]


def _backup(record, number):
    refusal = record.lost[number]
    before = [
        one
        for one in record.lines("recover")
        if one["user"] == refusal["at"] and one["t"] <= refusal["t"]
    ]
    return (before[-1]["t"] - before[-1]["saved"]) // HOUR if before else None


def _reader(record, number):
    """The user to whom a message was meant to go."""
    return record.tried[number]["user"]


def timeline(record: Record) -> str:
    """The minimal timeline of one lost message, or its lines if the checker finds nothing."""
    for found in check(record.history, ("lost_first_message",)):
        return found.text()
    number = next(iter(record.lost))
    lines = [one for one in record.history if number in (one.get("request"), one.get("message"))]
    return Violation("a lost message", tuple(lines)).text()


@dataclass(frozen=True, slots=True)
class Question:
    """Something to ask: its cost in minutes, in words, and how the answer is found."""

    minutes: int
    words: str
    answer: Callable[[Record], object]


QUESTIONS: dict[str, Question] = {
    "where": Question(2, "Who refuses them?", where),
    "counters": Question(3, "The service's counters", counters),
    "versions": Question(5, "By version of the reader's phone", versions),
    "apps": Question(5, "By version of the writer's app", apps),
    "regions": Question(5, "By region of the bundle", regions),
    "queues": Question(5, "By queue of the reader", queues),
    "delays": Question(10, "Hours on the way", delays),
    "clocks": Question(10, "By the clock of the reader's phone", clocks),
    "prekeys": Question(20, "The signed prekeys they named", prekeys),
    "restores": Question(20, "Were these phones put back?", restores),
    "timeline": Question(30, "One message, line by line", timeline),
}
# What a program can read: everything but the timeline.
PLAIN: tuple[str, ...] = tuple(name for name in QUESTIONS if name != "timeline")


def ask(history: History, question: str):
    """The answer to one of `QUESTIONS`, as plain data."""
    return QUESTIONS[question].answer(Record(history))


def everything(history: History) -> dict:
    """All answers of `PLAIN`."""
    record = Record(history)
    return {name: QUESTIONS[name].answer(record) for name in PLAIN}


def rows(question: str, answer) -> list[tuple[str, str]]:
    """The answer as short lines of two columns."""
    if question == "timeline":
        return [(f"line {n}", line.strip()) for n, line in enumerate(answer.splitlines())]
    if question == "delays":
        return [(name, _hours(values)) for name, values in answer.items()]
    if question == "prekeys":
        return [(f"lost message {n}", _told(row)) for n, row in enumerate(answer, 1)] or _NONE
    if question == "restores":
        return [(f"lost message {n}", _age(age)) for n, age in enumerate(answer, 1)] or _NONE
    return [(name, _share(value)) for name, value in answer.items()]


_NONE = [("no message", "was refused by a phone")]


def _share(value):
    return f"{value[0]} of {value[1]} lost" if isinstance(value, list) else str(value)


def _hours(values):
    if not values:
        return "none came to a phone"
    shortest, middle, longest = map(_time, values)
    return f"half within {middle}; {shortest} to {longest}"


def _told(row):
    behind = f"replaced {_time(row['behind'])} before the bundle" if row["behind"] else "the newest"
    kept = (
        "still there" if row["kept"] is None else f"kept {_time(row['kept'])} after its replacement"
    )
    return f"{behind}; private half {kept}"


def _time(hours):
    return duration(hours * HOUR) if hours else "0 h"


def _age(hours):
    return "no restore" if hours is None else f"restored; backup {_time(hours)} old"
