"""What must never happen, looked for in a history: each violation with its minimal timeline.

A timeline is a part of the history that shows the violation by itself: without any one of its
lines, the rest shows it no more. Every invariant reads the history once, so that the work grows
with its length. The checker knows no design and no world; it believes what the lines say.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from x3dhlab.worlds.history import History

_UNITS = ((86_400_000, "d"), (3_600_000, "h"), (60_000, "min"), (1_000, "s"), (1, "ms"))


@dataclass(frozen=True, slots=True)
class Violation:
    """One broken invariant; `timeline` holds its lines, oldest first."""

    name: str
    timeline: tuple[dict, ...]

    def text(self) -> str:
        """The timeline as a table. Times count from its first line."""
        begin = self.timeline[0]["t"]
        rows = [
            (duration(one["t"] - begin), one["at"], one["op"], _details(one))
            for one in self.timeline
        ]
        widths = [max(len(row[place]) for row in rows) for place in range(3)]
        lines = [
            f"  +{time:<{widths[0]}}  {at:<{widths[1]}}  {op:<{widths[2]}}  {details}"
            for time, at, op, details in rows
        ]
        return "\n".join([self.name.replace("_", " "), *lines])


def duration(milliseconds: int) -> str:
    """Two units at most: `2 d 4 h`, `350 ms`."""
    parts = []
    for size, unit in _UNITS:
        count, milliseconds = divmod(milliseconds, size)
        if count:
            parts.append(f"{count} {unit}")
    return " ".join(parts[:2]) or "0 ms"


def double_issue(history: History) -> Iterator[Violation]:
    """One one-time prekey given out for two requests. The same request may get it again."""
    first = {}
    for one in history:
        if one["op"] != "issue" or one["key"] is None:
            continue
        earlier = first.setdefault((one["user"], one["key"]), one)
        if earlier["request"] != one["request"]:
            yield Violation("double_issue", (earlier, one))


def lost_first_message(history: History) -> Iterator[Violation]:
    """A first message that arrived and was refused: a private half that it names was deleted.

    A message that was accepted at any time is not lost; its second copy may be refused.
    """
    sent, arrived, gone, lost = {}, {}, {}, {}
    for place, one in enumerate(history):
        op, message = one["op"], one.get("message")
        if op == "send" and one["first"]:
            sent.setdefault(message, (place, one))
        elif op == "deliver" and message in sent:
            arrived.setdefault(message, (place, one))
        elif op == "forget":
            for kind in ("spk", "key"):
                gone.setdefault((one["user"], kind, one[kind]), (place, one))
        elif op == "refuse" and message in arrived and message not in lost:
            deleted = _deleted(sent[message][1], gone)
            if deleted is not None:
                lost[message] = (sent[message], deleted, arrived[message], (place, one))
    # Only the whole history tells that a message was never accepted.
    accepted = {one["message"] for one in history if one["op"] == "accept"}
    for message, lines in lost.items():
        if message not in accepted:
            in_order = sorted(lines, key=lambda line: line[0])
            yield Violation("lost_first_message", tuple(one for _, one in in_order))


def _deleted(send, gone):
    """Where the private half of a prekey that the message names was deleted, or None."""
    named = [(kind, send[kind]) for kind in ("spk", "key") if send[kind] is not None]
    found = [gone.get((send["recipient"], kind, number)) for kind, number in named]
    return next((place for place in found if place is not None), None)


def replay_accepted(history: History) -> Iterator[Violation]:
    """One message accepted twice."""
    first = {}
    for one in history:
        if one["op"] == "accept":
            earlier = first.setdefault(one["message"], one)
            if earlier is not one:
                yield Violation("replay_accepted", (earlier, one))


def session_overwritten(history: History) -> Iterator[Violation]:
    """A second session stored as THE session with a peer, in the place of another one."""
    stored = {}
    for one in history:
        if one["op"] == "session":
            pair = one["user"], one["peer"]
            earlier = stored.get(pair)
            if earlier is not None and earlier["session"] != one["session"]:
                yield Violation("session_overwritten", (earlier, one))
            stored[pair] = one


Invariant = Callable[[History], Iterator[Violation]]

ALL: dict[str, Invariant] = {
    one.__name__: one
    for one in (double_issue, lost_first_message, replay_accepted, session_overwritten)
}


def check(history: History, invariants: tuple[str, ...] = tuple(ALL)) -> list[Violation]:
    """Every violation of the invariants named, in the order of `ALL`, then of the history."""
    return [found for name in invariants for found in ALL[name](history)]


def _details(one):
    skip = {"t", "op", "at"}
    return ", ".join(f"{name} {value}" for name, value in one.items() if name not in skip)
