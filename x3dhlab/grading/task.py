"""What a task is: a function to write, the inputs to try it on, and the mistakes people make."""

from collections.abc import Callable
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Mistake:
    """A complete wrong answer, the misconception it stands for, and the sentence that cures it.

    `tell` is a pattern of the function's text as `ast.unparse` writes it, for mistakes whose
    outputs have several causes; a mistake whose `tell` is found comes before one without.
    """

    name: str
    source: str = field(repr=False)
    misconception: str
    cure: str
    section: str = ""
    tell: str = ""


@dataclass(frozen=True, slots=True)
class Step:
    """One call of a sequence: what happens, and the arguments after the state.

    `again` means that the state of the call before was not saved: this call gets the older one.
    """

    about: str
    arguments: tuple = ()
    again: bool = False


@dataclass(frozen=True, slots=True)
class Case:
    """One call: the arguments, what is special about them, and names for its secret values.

    With `steps` it is a sequence of calls, and `arguments` holds the first state only. `forbidden`
    maps a name to secret values that no state may hold which a call returns.
    """

    arguments: tuple
    about: str
    labels: dict = field(default_factory=dict, repr=False)
    steps: tuple[Step, ...] = ()
    forbidden: dict = field(default_factory=dict, repr=False)


@dataclass(frozen=True, slots=True)
class Hints:
    """A ladder: a nudge, then the principle, then a worked step."""

    nudge: str
    principle: str
    step: str


@dataclass(frozen=True, slots=True)
class Witness:
    """For tasks with many right answers: every value is right to which there is no objection.

    `goal` says in a few words what is looked for. `objection(case, value)` is "" for a right value,
    else the sentence that says why it is none; an error means that the value has another form.
    Two wrong values with one objection are the same mistake.
    """

    goal: str
    objection: Callable


@dataclass(frozen=True, slots=True)
class Task:
    """A function that a learner writes, and everything needed to judge and to help.

    `reference` and the sources of `mistakes` stand on `given`, the cell that the exercise gives.
    `cases(seed)` makes the inputs; `explain(case, got)` says in one sentence how a wrong value
    differs, or returns an empty string. `withheld` keeps the right value out of the feedback, for
    tasks with so few inputs that showing it would solve them. `started` counts the lines of the
    reference's body that the exercise gives, where a notebook is made from the task.
    """

    id: str
    lesson: str
    title: str
    signature: str
    statement: str
    why: str
    points: int
    minutes: int
    section: str
    modules: tuple[str, ...]
    hints: Hints
    reference: str = field(repr=False)
    cases: Callable = field(repr=False)
    mistakes: tuple[Mistake, ...] = field(repr=False)
    given: str = field(default="", repr=False)
    explain: Callable | None = field(default=None, repr=False)
    withheld: bool = False
    witness: Witness | None = None
    started: int = 0

    @property
    def function(self) -> str:
        """The name of the function, as learners write it."""
        return self.signature.split("(")[0]

    @property
    def parameters(self) -> list[str]:
        """The names of its arguments."""
        inside = self.signature.split("(", 1)[1].rsplit(")", 1)[0]
        return [part.split(":")[0].strip() for part in inside.split(",")]

    @property
    def tried_on(self) -> list[str]:
        """The kinds of inputs that a check uses; no other kind is kept for later."""
        return list(dict.fromkeys(case.about for case in self.cases(0)))
