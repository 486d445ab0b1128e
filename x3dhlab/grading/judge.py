"""The trusted side: what the right answer is, what each mistake gives, and which one was made."""

import functools
import re
from dataclasses import dataclass, field, replace

from x3dhlab import errors
from x3dhlab.errors import Refused
from x3dhlab.grading import plain, sequence
from x3dhlab.grading.task import Case, Mistake, Task

OTHER_FORM = "The value has another form than the task asks for."
"""The objection to a value whose type or parts do not fit."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one call gave: a value or the name of an error, and the arguments afterwards.

    Of a sequence of calls (`steps`), the value lists what each call gave, and `holds` names the
    forbidden secrets that a returned state held. Where a task looks for a witness, `objection` says
    why the value is none, or "".
    """

    value: object = None
    error: str = ""
    after: tuple = ()
    detail: dict = field(default_factory=dict)
    steps: bool = False
    holds: tuple[str, ...] = ()
    objection: str | None = None

    @property
    def ended(self) -> bool:
        """True if an error of Python's own ended a sequence of calls."""
        return self.steps and bool(self.value) and self.value[-1][0] == sequence.RAISED

    def equals(self, other: "Outcome") -> bool:
        """The same value or the same error, with the arguments in the same state.

        A refusal that is more exact than ours (a class below it in the tree) is the same.
        """
        if self.error or other.error:
            return self.error == other.error or _is_below(other.error, self.error)
        if not plain.same(list(self.after), list(other.after)):
            return False
        if self.steps:
            if self.holds != other.holds:
                return False
            return sequence.differing(self.value, other.value, plain.same) is None
        if self.objection is not None:
            alike = self.objection != OTHER_FORM or type(self.value) is type(other.value)
            return self.objection == other.objection and alike
        return plain.same(self.value, other.value)


def _is_below(name, above):
    kinds = getattr(errors, name, None), getattr(errors, above, None)
    return all(isinstance(kind, type) for kind in kinds) and issubclass(*kinds)


@functools.lru_cache(maxsize=512)
def _function(source, name):
    space = {"__name__": "answer"}
    exec(compile(source, "<answer>", "exec"), space)
    return space[name]


def outcome(task: Task, source: str, case: Case) -> Outcome:
    """Call our own source, the reference or a mistake, on a fresh copy of the arguments."""
    if case.steps:
        return _played(task, source, case)
    arguments = _copied(case.arguments)
    try:
        value = plain.encode_or_name(_function(task.given + source, task.function)(*arguments))
    except Exception as problem:
        return Outcome(error=_error_name(problem))
    return weighed(task, case, Outcome(plain.decode(value), "", tuple(arguments)))


def weighed(task: Task, case: Case, found: Outcome | None) -> Outcome | None:
    """The outcome with the objection to its value, if the task looks for a witness."""
    if task.witness is None or found is None or found.error:
        return found
    try:
        alien = plain.others(found.value)
        objection = OTHER_FORM if alien else task.witness.objection(case, found.value)
    except Exception:
        objection = OTHER_FORM
    return replace(found, objection=objection)


def _played(task, source, case):
    state, *_ = _copied(case.arguments)
    steps = [(step.again, _copied(step.arguments)) for step in case.steps]
    function, found, kept = _function(task.given + source, task.function), [], []
    try:
        for kind, value in sequence.play(function, state, steps, _is_refusal, kept):
            found.append([kind, plain.decode(plain.encode_or_name(value))])
    except Exception as problem:
        found.append([sequence.RAISED, type(problem).__name__])
    after = tuple(x for _, items in steps for x in items)
    return Outcome(found, after=after, steps=True, holds=_held(case, kept))


def _held(case, kept):
    """The names of the forbidden secrets that stand in kept bytes, or in kept hexadecimal text."""
    digits = [item.hex() if type(item) is bytes else str(item).lower() for item in kept]
    return tuple(
        name
        for name, secrets in case.forbidden.items()
        if any(secret.hex() in text for secret in secrets for text in digits)
    )


def _copied(values):
    return [plain.decode(plain.encode(value)) for value in values]


def _is_refusal(problem):
    return isinstance(problem, Refused)


def _error_name(problem):
    return type(problem).__name__ if isinstance(problem, Refused) else f"!{type(problem).__name__}"


def heard(fact: dict, case: Case) -> Outcome | None:
    """The outcome that a worker reported, or None if it is malformed."""
    try:
        if case.steps:
            return _heard_steps(fact, case)
        raised = fact.get("raised")
        if type(raised) is dict:
            known = raised.get("module") == "x3dhlab.errors"
            return Outcome(error=("" if known else "!") + str(raised.get("type")), detail=raised)
        value = plain.decode(fact["returned"])
        after = tuple(plain.decode(item) for item in fact["after"])
        return Outcome(value, "", after) if len(after) == len(case.arguments) else None
    except (plain.NotPlainError, KeyError, TypeError, ValueError, AttributeError):
        return None


def _heard_steps(fact, case):
    """Outcome of a sequence; None when a step is missing or malformed."""
    found, raised = plain.decode(fact["returned"]), fact.get("raised")
    after = tuple(plain.decode(item) for item in fact["after"])
    kept = plain.decode(fact["kept"])
    if type(kept) is not list:
        return None
    ended = type(raised) is dict
    if ended:
        found.append([sequence.RAISED, str(raised.get("type"))])
    kinds = [kind for kind, _ in found]  # ValueError for anything but pairs
    known = {sequence.GAVE, sequence.REFUSED, sequence.NO_PAIR, sequence.RAISED}
    complete = len(found) == len(case.steps) or kinds[-1:] in (
        [sequence.NO_PAIR],
        [sequence.RAISED],
    )
    if not complete or not known.issuperset(kinds) or len(found) > len(case.steps):
        return None
    detail = raised if ended else {}
    return Outcome(found, after=after, detail=detail, steps=True, holds=_held(case, kept))


def diagnose(task: Task, cases: list[Case], wanted: list, got: list, text: str) -> Mistake | None:
    """The named mistake that gives what the learner's function gave, or None.

    It agrees on the case that is shown, the first wrong one, and explains at least half of the
    wrong ones. On no case does the mistake give a wrong outcome that the learner did not give.
    Of mistakes that explain equally many, one that the text tells comes first.
    """
    known = [n for n, found in enumerate(got) if found is not None]
    wrong = [n for n in known if not wanted[n].equals(got[n])]
    best, most = None, (len(wrong) - 1) // 2
    for mistake in sorted(task.mistakes, key=lambda mistake: not mistake.tell):
        if wrong and _gives(task, mistake, cases, got, wrong[0]) and re.search(mistake.tell, text):
            explained = _explained(task, mistake, cases, wanted, got, known)
            if explained > most:
                best, most = mistake, explained
    return best


def _gives(task, mistake, cases, got, number):
    return outcome(task, mistake.source, cases[number]).equals(got[number])


def _explained(task, mistake, cases, wanted, got, known):
    """How many wrong outcomes the mistake gives as well; 0 when it contradicts one.

    Python's own errors (TypeError, …) have many causes: without a `tell` they prove nothing.
    """
    count, proof = 0, False
    for number in known:
        ours = outcome(task, mistake.source, cases[number])
        if wanted[number].equals(ours):
            continue
        if not ours.equals(got[number]):
            return 0
        count, proof = count + 1, proof or not ours.error.startswith("!")
    return count if proof or mistake.tell else 0
