"""How a bug of the bank becomes two tasks: show it (`hunt.find_NN`), and write it right (`cure`).

The code that learners get is the text of `wild.broken` itself, with the imports it needs. An answer
is written here under the name `find`; the reference of a cure is the text of `wild.sound`.
"""

import functools
import inspect
import random
import re
from dataclasses import replace

from x3dhlab.attacks.wild import bank, broken, sound
from x3dhlab.grading import reader
from x3dhlab.grading.task import Hints, Mistake, Task, Witness
from x3dhlab.grading.tasks import generic

LESSON = "15"
CURED = {3: 1, 4: 2, 6: 3, 7: 4, 9: 5, 11: 6}
"""Slot → number of its cure."""

_BUGS = {bug.function: bug for bug in bank.BUGS}
_FROM = re.compile(r"from ([\w.]+) import ([\w, ]+)")


@functools.cache
def _source(module):
    return reader.read([reader.Cell("", inspect.getsource(module))])


@functools.cache
def parts(function: str, module=broken) -> tuple[str, str, str]:
    """What a function of the bank consists of: imports, the functions that it needs, its own text.

    Functions that belong to it (`Bug.with_helpers`) count as needed.
    """
    names = (*_BUGS[function].with_helpers, function)
    found = {item.order: item for name in names for item in reader.gather(_source(module), name)[0]}
    items = [found[order] for order in sorted(found)]
    imports = joined_imports([item.text for item in items if not item.function])
    needed = [item.text for item in items if item.function not in ("", function)]
    (own,) = (item.text for item in items if item.function == function)
    return imports, "\n\n\n".join(needed), own


def joined_imports(lines) -> str:
    """One line for each module, as a person would write them."""
    plain, grouped = [], {}
    for line in lines:
        match = _FROM.fullmatch(line)
        if match:
            grouped.setdefault(match[1], set()).update(match[2].split(", "))
        else:
            plain.append(line)
    wide = [f"from {module} import {', '.join(sorted(n))}" for module, n in sorted(grouped.items())]
    return "\n\n".join(filter(None, ("\n".join(sorted(plain)), "\n".join(wide))))


def _joined(*texts):
    return "\n\n\n".join(text for text in texts if text) + "\n"


def _named(source, old, new):
    return re.sub(rf"\b{old}\(", f"{new}(", source, count=1)


def find(function, signature, statement, why, **rest) -> Task:
    """The task to show a bug.

    `rest`: minutes, section, goal, hints, answer (a text that defines `find`), started (lines of
    the answer that the exercise gives), cases (of a random generator), rows (wrong answers as rows
    of `generic.variants`, over the answer).
    """
    bug = _BUGS[function]
    name = f"find_{bug.slot:02}"
    answer = rest["answer"]
    wrong = generic.variants(answer, *rest["rows"])
    wrong = tuple(_renamed(mistake, "find", name) for mistake in wrong)
    reference = _named(answer, "find", name)
    usual = [generic.nothing_returned(name, reference)]
    if rest.get("hex", True):
        usual.append(generic.hex_for_bytes(name, reference))
    return Task(
        id=f"hunt.{name}",
        lesson=LESSON,
        title=f"{bank.SLOTS[bug.slot - 1]}: show it",
        signature=name + signature,
        statement=statement,
        why=why,
        points=rest.get("points", 2),
        minutes=rest.get("minutes", 5),
        section=rest["section"],
        modules=("primitives", "errors"),
        hints=Hints(*rest["hints"]),
        reference=reference,
        cases=_seeded(rest["cases"], f"{name} {function}"),
        mistakes=(*usual, *wrong),
        given=_joined(*parts(function)),
        started=rest.get("started", 0),
        witness=Witness(rest["goal"], functools.partial(_objection, bug)),
    )


def _objection(bug, case, value):
    return bug.objection(case.arguments, case.labels, value)


def _renamed(mistake, old, new):
    return replace(mistake, source=_named(mistake.source, old, new))


def _seeded(cases, name):
    return lambda seed: cases(random.Random(f"{name} {seed}"))


UNCURED = (
    "the flaw is still there",
    "This does what the broken function does.",
    "Take your witness of the task before, and follow it through your function line by line.",
    "",
)


def cure(function, signature, statement, why, **rest) -> Task:
    """The task to write the function right; `rest` as for `find`, rows over the sound function.

    `tells` and `sections` map the names of rows to their `Mistake.tell` and `.section`. `uncured`
    has name, misconception, cure and tell of the broken function, where the usual ones do not fit.
    """
    bug = _BUGS[function]
    name = f"cure_{CURED[bug.slot]:02}"
    imports, needed, own = parts(function)
    reference = cured_text(function) + "\n"
    tells, sections = rest.get("tells", {}), rest.get("sections", {})
    wrong = generic.variants(reference, *rest["rows"])
    wrong = tuple(
        replace(row, tell=tells.get(row.name, ""), section=sections.get(row.name, ""))
        for row in wrong
    )
    said, *words, tell = rest.get("uncured", UNCURED)
    uncured = Mistake(said, _named(own, function, name) + "\n", *words, tell=tell)
    usual = [generic.nothing_returned(name, reference)]
    if rest.get("hex", True):
        usual.append(generic.hex_for_bytes(name, reference))
    return Task(
        id=f"hunt.{name}",
        lesson=LESSON,
        title=f"{bank.SLOTS[bug.slot - 1]}: cure it",
        signature=name + signature,
        statement=statement,
        why=why,
        points=2,
        minutes=rest.get("minutes", 5),
        section=rest["section"],
        modules=("primitives", "errors"),
        hints=Hints(*rest["hints"]),
        reference=reference,
        cases=_seeded(rest["cases"], f"{name} {function}"),
        mistakes=(*usual, uncured, *wrong),
        given=_joined(imports, needed),
    )


def cured_text(function: str) -> str:
    """The sound function under the name of its cure, without its docstring."""
    own = parts(function, sound)[2]
    own = re.sub(r'\n    """.*?"""', "", own, count=1, flags=re.DOTALL)
    return _named(own, function, f"cure_{CURED[_BUGS[function].slot]:02}")
