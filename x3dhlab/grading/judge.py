"""The trusted side: what the right answer is, what each mistake gives, and which one was made."""

import functools
import re
from dataclasses import dataclass, field

from x3dhlab.errors import Refused
from x3dhlab.grading import plain
from x3dhlab.grading.task import Case, Mistake, Task


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one call gave: a value or the name of an error, and the arguments afterwards."""

    value: object = None
    error: str = ""
    after: tuple = ()
    detail: dict = field(default_factory=dict)

    def equals(self, other: "Outcome") -> bool:
        """The same value or the same error, with the arguments in the same state."""
        if self.error or other.error:
            return self.error == other.error
        return plain.same(self.value, other.value) and plain.same(
            list(self.after), list(other.after)
        )


@functools.lru_cache(maxsize=512)
def _function(source, name):
    space = {"__name__": "answer"}
    exec(compile(source, "<answer>", "exec"), space)
    return space[name]


def outcome(task: Task, source: str, case: Case) -> Outcome:
    """Call our own source, the reference or a mistake, on a fresh copy of the arguments."""
    arguments = [plain.decode(plain.encode(item)) for item in case.arguments]
    try:
        value = plain.encode_or_name(_function(task.given + source, task.function)(*arguments))
    except Exception as problem:
        return Outcome(error=_error_name(problem))
    return Outcome(plain.decode(value), "", tuple(arguments))


def _error_name(problem):
    return type(problem).__name__ if isinstance(problem, Refused) else f"!{type(problem).__name__}"


def heard(fact: dict, case: Case) -> Outcome | None:
    """The outcome that a worker reported, or None if it is malformed."""
    try:
        raised = fact.get("raised")
        if type(raised) is dict:
            known = raised.get("module") == "x3dhlab.errors"
            return Outcome(error=("" if known else "!") + str(raised.get("type")), detail=raised)
        value = plain.decode(fact["returned"])
        after = tuple(plain.decode(item) for item in fact["after"])
        return Outcome(value, "", after) if len(after) == len(case.arguments) else None
    except (plain.NotPlainError, KeyError, TypeError):
        return None


def diagnose(task: Task, cases: list[Case], got: list, first: int, text: str) -> Mistake | None:
    """The named mistake that gives what the learner's function gave, or None.

    One that agrees on every case comes first; else one that agrees on the case that is shown.
    """
    known = [(number, outcome_) for number, outcome_ in enumerate(got) if outcome_ is not None]
    agreeing = [m for m in task.mistakes if _agrees(task, m, cases, [(first, got[first])])]
    agreeing = [m for m in agreeing if re.search(m.tell, text)]
    whole = [m for m in agreeing if _agrees(task, m, cases, known)]
    return next(iter(whole or agreeing), None)


def _agrees(task, mistake, cases, known):
    """Equal outcomes. Python's own errors (TypeError, …) have many causes and prove nothing."""
    if any(found is None for _, found in known):
        return False
    pairs = [(outcome(task, mistake.source, cases[number]), found) for number, found in known]
    return all(ours.equals(found) for ours, found in pairs) and any(
        not found.error.startswith("!") for _, found in pairs
    )
