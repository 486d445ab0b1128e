"""What the catalogue says of an attack: its number, who can do it, and both of its runs.

Each module of attacks lists its entries in `CATALOGUE`; `attacks.catalogue()` gathers them. An
entry has two runs on fresh keys. `works` meets the bug, or a program without the defence; `fails`
meets this course's own code with the defence on, and says what stopped it.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

from x3dhlab.errors import Refused

# Who has what the attack needs.
POSITIONS = {
    "S": "the server lies",
    "N": "anybody on the network",
    "K": "a thief of keys or states",
    "I": "a mistake in the program",
    "D": "machines that fail",
    "C": "a client or its owner",
}


@dataclass(frozen=True, slots=True)
class Result:
    """One run: did the attacker get it, what was seen, and the error or alarm that stopped it."""

    succeeded: bool
    seen: str
    stopped_by: str = ""


@dataclass(frozen=True, slots=True)
class Attack:
    """One entry of the catalogue. `lesson` is the one that runs it; texts are one sentence each."""

    number: str
    name: str
    position: str  # letters of POSITIONS
    lesson: str
    precondition: str
    observed: str
    defence: str
    source: str
    works: Callable[[], Result] = field(repr=False)
    fails: Callable[[], Result] = field(repr=False)


def attempt(run: Callable[[], object], seen: Callable[[object], str] = str) -> Result:
    """Run an attack that succeeds when nothing refuses it; a refusal is what stopped it."""
    try:
        return Result(True, seen(run()))
    except Refused as refusal:
        return Result(False, refusal.args[0], type(refusal).__name__)
