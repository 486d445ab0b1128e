"""Lesson 21: tickets about first messages that fail, evidence by the minute, and repairs."""

import functools
from dataclasses import replace

from x3dhlab import plots
from x3dhlab.plots import Picture
from x3dhlab.widgets import FALLS, HOLDS, NOTE, Check, Choose, Experiment, Outcome
from x3dhlab.worlds import incidents
from x3dhlab.worlds.checker import duration
from x3dhlab.worlds.evidence import QUESTIONS, Record, ask, rows
from x3dhlab.worlds.incidents import CAUSES, FIXES, SHORTCUTS, Counted, Real, Rules

ROLL_OUT = 60  # minutes: what it costs to try a repair
TICKETS = tuple(str(number) for number in range(90, 110))  # each cause is among them
_UNKNOWN, _NONE = "not yet", "none yet"
_SHORT = (
    "go on without a one-time key",
    "7.2 keeps private halves",
    "copy brought up to date",
    "the server's clock",
    "more workers",
    "7.2 checks Encode(SPK)",
    "save at every change",
    "keep halves for 60 days",
    "accept every signature",
)


class Desk:
    """One ticket: `ask` and `repair` print what they find and add to the minutes `spent`.

    The six weeks are played by real parties with a real store, also after a repair.
    """

    def __init__(self, number: int):
        self.incident = incidents.generate(number)
        self.history = _played(number, "", Real)
        self._paid: set[str] = set()
        tried, lost = _counts(self.history)
        print(f"Ticket {number}: first messages fail for {lost / tried:.0%} of the users.")
        print(f"{lost} of {tried} first messages were lost in six weeks.")

    @property
    def spent(self) -> int:
        """Minutes since the ticket was opened. Nothing is paid twice."""
        return sum(_cost(what) for what in self._paid)

    def ask(self, question: str) -> None:
        """Print the answer to one of the `QUESTIONS`."""
        self._paid.add(question)
        print(f"{QUESTIONS[question].words} ({self.spent} minutes spent)")
        answer = ask(self.history, question)
        if question == "timeline":
            return print(answer)
        width = max(len(name) for name, _ in rows(question, answer))
        for name, fact in rows(question, answer):
            print(f"  {name:<{width}}  {fact}")
        return None

    def repair(self, fix: str) -> None:
        """Run the same weeks again with one of the `FIXES`, and print what is lost then."""
        self._paid.add(fix)
        tried, lost = _counts(_played(self.incident.number, fix, Real))
        print(f"{fix}: {lost} of {tried} lost ({self.spent} minutes spent)")


def price_list() -> None:
    """Print every question with its cost."""
    for name, question in QUESTIONS.items():
        print(f"{name:9} {question.minutes:3} min  {question.words}")


def _cost(what):
    return QUESTIONS[what].minutes if what in QUESTIONS else ROLL_OUT


def _counts(history):
    record = Record(history)
    return len(record.tried), len(record.lost)


@functools.lru_cache(64)
def _played(number, fix, keys):
    found = incidents.generate(number)
    rules = incidents.repaired(found, fix) if fix else found.rules
    return incidents.run(rules, found.plan, keys)


def incident_desk() -> Experiment:
    """Choose a ticket, buy evidence, name the cause, try a repair: the weeks are played anew.

    They are played with numbers, whose history is that of real parties, so answers come at once.
    Another ticket begins with no question asked; what was paid for a ticket stays on its bill.
    """
    paid: dict[int, set] = {}

    def run(ticket, cause, fix, **asked):
        ticket = int(ticket)
        bought = paid.setdefault(ticket, set())
        bought.update(name for name, on in asked.items() if on)
        bought.update({fix} - {_NONE})
        found, history = incidents.generate(ticket), _played(ticket, "", Counted)
        tried, lost = _counts(history)
        facts = {"minutes spent on this ticket": sum(map(_cost, bought))}
        for name in QUESTIONS:
            if asked[name]:
                lines = rows(name, ask(history, name))
                facts[QUESTIONS[name].words] = "\n".join(
                    f"{left}: {right}" for left, right in lines
                )
        if fix == _NONE:
            words = f"First messages fail for {lost / tried:.0%} of the users: {lost} of {tried}."
            if cause != _UNKNOWN:
                words += f" Your diagnosis is “{cause}”. A repair shows whether it is right."
            return Outcome(NOTE, words, facts)
        return _after(found, cause, fix, facts)

    questions = [
        Check(name, f"{question.words} ({question.minutes} min)")
        for name, question in QUESTIONS.items()
    ]
    controls = [
        Choose("ticket", "Ticket", TICKETS, TICKETS[0]),
        *questions,
        Choose("cause", "Your diagnosis", (_UNKNOWN, *CAUSES), _UNKNOWN),
        Choose("fix", f"Your repair ({ROLL_OUT} min)", (_NONE, *FIXES), _NONE),
    ]
    return Experiment("The incident desk", controls, run, opens="ticket")


def _after(found, cause, fix, facts):
    """What the repair did, and whether the diagnosis was right."""
    tried, lost = _counts(_played(found.number, fix, Counted))
    facts["after the repair"] = f"{lost} of {tried} lost"
    if lost:
        return Outcome(FALLS, f"Still {lost} of {tried} lost. The cause is another one.", facts)
    facts["the cause was"] = found.cause
    if fix in SHORTCUTS:
        return Outcome(NOTE, f"Nothing is lost, and it has a price: {price(fix)}", facts)
    said = "and your diagnosis was right" if cause == found.cause else "but that was not diagnosed"
    return Outcome(HOLDS if cause == found.cause else NOTE, f"Nothing is lost, {said}.", facts)


def price(fix: str) -> str:
    """What a shortcut gives away, in one sentence: the forgery is tried, the ages are compared."""
    rules = Rules(**FIXES[fix])
    if incidents.forgery_accepted(rules):
        return "the app now takes a signed prekey that its owner never signed."
    kept = duration(rules.retention - Rules().retention)
    return f"whoever steals a phone finds private halves that are {kept} older."


def repairs(number: int = 1) -> dict[str, list[bool]]:
    """Repair → for each cause of `CAUSES`: are messages still lost after it?"""
    found = [incidents.generate(number, cause) for cause in CAUSES]
    return {
        fix: [
            bool(incidents.lost(incidents.run(incidents.repaired(one, fix), one.plan)))
            for one in found
        ]
        for fix in FIXES
    }


def show_repairs(number: int = 1) -> Picture:
    """The figure of `repairs`: one row a repair, one column a cause."""
    outcome = dict(zip(_SHORT, repairs(number).values(), strict=True))
    title = "Seven causes, seven repairs, and two shortcuts"
    words = {"title": title, "broke": "still lost", "held": "none lost"}
    picture = plots.verdicts(outcome, list(CAUSES), **words)
    ends = [f"{fix} ends {_ended(row)}." for fix, row in outcome.items()]
    return replace(picture, alt=f"{title}. Elsewhere messages are still lost. {' '.join(ends)}")


def _ended(row):
    """The causes whose losses are gone, of one row of `repairs`."""
    ended = [f"“{cause}”" for cause, lost in zip(CAUSES, row, strict=True) if not lost]
    return " and ".join(ended) or "nothing"


def seen_by_counters(number: int = 1) -> dict[str, dict]:
    """Cause → where its messages are refused, and what the service's counters say."""
    found = {}
    for cause in CAUSES:
        one = incidents.generate(number, cause)
        record = Record(incidents.run(one.rules, one.plan, Counted))
        place = next(place for place, count in ask(record.history, "where").items() if count)
        found[cause] = {"refused by": place, **ask(record.history, "counters")}
    return found
