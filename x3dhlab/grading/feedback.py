"""The words of the feedback: called, got, expected, likely cause, cure, and where to read.

It decides nothing; `engine` has the verdict already. Values are shortened, long inputs never
shown, and where the right value would solve the task only its salted digest is.
"""

import hashlib
import json
import re
from dataclasses import replace

from x3dhlab.grading import advice, judge, plain, report, sequence
from x3dhlab.grading.report import Feedback

WIDE = 200  # characters of a value: where got or expected is longer, only what differs is shown
SAID = 240  # of a value and the objection to it: the value is cut off first, within three lines
CALL = 210  # characters of a call: three lines, and what is special about it is never cut off
_DELEGATED = (
    "The answer hands the step to the package. The task is to write the step itself.",
    "An answer may use {modules} of the package, and nothing else.",
)


def of_state(task, answers):
    """(mistake, feedback) for an answer that never came to a call, else None."""
    state = answers.state.get("state")
    expected = f"a function {task.function}({', '.join(task.parameters)})"
    if state == "defined":
        return None
    if state == "undefined":
        got = f"no function with the name {task.function}"
        likely = "The function is missing, commented out, or has another name."
        return "not defined", Feedback("", got, expected, likely, "", task.section)
    if state == "broken":
        got = f"text that Python cannot read: {answers.state.get('message')}"
        got += f" ({_where(answers.state)})"
        likely = "A bracket, quote, colon or indent is missing in this line or the one before."
        return "syntax error", Feedback("", got, expected, likely, "", task.section)
    if state == "unbuilt":
        raised = answers.state.get("raised")
        found = judge.Outcome(error="!", detail=raised if type(raised) is dict else {})
        likely, cure = _error_advice(task, found, "")
        got = _show_error(found)
        return kind(found), Feedback("", got, expected, likely, cure, task.section)
    got = "nothing: the process ended, ran too long or used too much memory"
    return "no answer", Feedback("", got, expected, *advice.LOST, task.section)


def kind(found):
    """A short name for a wrong answer that no named mistake explains."""
    if found is None:
        return "no answer"
    because = found.detail.get("because")
    if _foreign_import(because if type(because) is dict else found.detail):
        return "delegated to the package"
    if found.detail.get("type") == "_TooSlow":
        return "too slow"
    raised = found.error or found.ended
    return f"raised {report.clean(found.detail.get('type', ''))[:60]}" if raised else ""


def is_constant(got):
    """True if every call gave one and the same value."""
    if any(found is None or found.error or found.objection is not None for found in got):
        return False
    return all(plain.same(found.value, got[0].value) for found in got)


def of_case(task, case, got, wanted, mistake, everywhere=False):
    """The feedback on one wrong outcome. `everywhere`: every input gave the same value."""
    explained = ""
    if task.explain and got and not got.error and not plain.others(got.value):
        explained = task.explain(case, got.value)
    if got is not None and got.objection:
        explained = got.objection
    if mistake is not None:
        likely, cure, section = mistake.misconception, mistake.cure, mistake.section
    elif got is not None and (got.error or got.ended):
        (likely, cure), section = _error_advice(task, got, _refusal(got, wanted)), ""
    else:
        (likely, cure), section = _value_advice(task, case, got, wanted, everywhere), ""
    last = _last_step(got, wanted) if case.steps else None
    return Feedback(
        _show_call(task, case, last),
        _show_outcome(got, wanted, case, last, explained),
        _show_expected(task, wanted, got, case, last),
        likely,
        cure,
        section or task.section,
    )


def of_parts(words, wrong):
    """The feedback where functions that the answer uses fail as tasks of their own."""
    ids = " and ".join(task.id for task in wrong)
    likely = f"This answer uses functions that do not pass as tasks of their own: {ids}."
    cure = f"First pass {ids}; then check this task again."
    return replace(words, likely=likely, cure=cure, read=wrong[0].section)


def _last_step(got, wanted):
    """How many calls of a sequence are needed to see the difference."""
    place = None if got is None else sequence.differing(got.value, wanted.value, plain.same)
    return len(wanted.value) if place is None else place + 1


def _show_call(task, case, last):
    if last is None:
        shown = _show_arguments(task, case, CALL - len(task.function) - len(case.about))
        return f"{task.function}({shown}), {case.about}"
    steps = [step.about for step in case.steps[:last]]
    if last == 1:
        return f"{task.function} once, {case.about}: {steps[0]}"
    numbered = "; ".join(f"{number}. {about}" for number, about in enumerate(steps, 1))
    return f"{task.function} {last} times in a row, {case.about}: {numbered}"


def _show_arguments(task, case, room):
    """The arguments in `room` characters: the longest one is cut first, the short ones stay."""
    pairs = zip(task.parameters, case.arguments, strict=True)
    texts = [f"{name}={_show_argument(value)}" for name, value in pairs]
    longest = max(range(len(texts)), key=lambda place: len(texts[place]))
    over = len(", ".join(texts)) - room
    if over > 0:
        texts[longest] = f"{texts[longest][: -over - 2]} …"
    shown = ", ".join(texts)
    return shown if len(shown) <= room else f"{shown[:room]} …"


def _show_argument(value):
    if type(value) is dict and any(type(item) in (bytes, dict) for item in value.values()):
        return "{…}"
    return report.show(value)


def _show_outcome(got, wanted, case, last, explained):
    if got is None:
        return "nothing: the process ended, ran too long or used too much memory"
    if got.error:
        return _show_error(got)
    if last is not None:
        text = _show_steps(got, wanted, case, last)
        if got.holds and not wanted.holds:
            text += f", and what is kept holds {' and '.join(got.holds)}"
    elif got.objection is None and type(got.value) is type(wanted.value) is dict:
        text = _different_keys(got.value, wanted.value, case)
        if 0 < _count_wrong(got.value, wanted.value) < len(got.value):
            text += ", and the right value for the rest"
    else:
        text = _show_value(got, wanted, case)
    if not wanted.error and not _unchanged(got, wanted):
        right = plain.same(got.value, wanted.value)
        text = f"{'the right value' if right else text}, and an argument was changed in place"
    room = max(40, SAID - len(explained))
    if got.objection and len(text) > room:
        text = f"{text[:room]} …"
    return f"{text}: {explained}" if explained else text


def _unchanged(got, wanted):
    return plain.same(list(got.after), list(wanted.after))


def _different_keys(value, other, case):
    """The entries of a dict that differ from another's; all of it when none does."""
    keys = [key for key in value if key not in other or not plain.same(value[key], other[key])]
    missing = [report.show_key(key) for key in other if key not in value]
    text = report.show({key: value[key] for key in keys or value}, case.labels)
    return f"{text}, without {', '.join(missing)}" if missing else text


def _count_wrong(value, other):
    return sum(key not in other or not plain.same(value[key], other[key]) for key in value)


_ABSENT = plain.Other("nothing")


def _show_value(outcome, other, case):
    """A value in full, or the parts in which it differs from another one."""
    text = report.show(outcome.value, case.labels)
    if other is None or other.error:
        return text
    wide = max(len(text), len(report.show(other.value, case.labels))) > WIDE
    return _show_differing(outcome.value, other.value, case.labels) if wide else text


def _show_differing(value, other, labels):
    """Lists of one length and dicts without what is equal in both."""
    if plain.same(value, other):
        return "…"
    if type(value) is type(other) is list and len(value) == len(other):
        pairs = zip(value, other, strict=True)
        return f"[{', '.join(_show_differing(*pair, labels) for pair in pairs)}]"
    if type(value) is not dict or type(other) is not dict:
        return report.show(value, labels)
    texts = []
    for name, item in value.items():
        shown = _show_differing(item, other.get(name, _ABSENT), labels)
        texts += [] if shown == "…" else [f"{report.show_key(name)}: {shown}"]
    texts += [f"no {report.show_key(name)}" for name in other if name not in value]
    return f"{{{', '.join(texts)}}}"


def _show_steps(outcome, other, case, last):
    """What each call of a sequence gave; numbered when there are several.

    Where that is long, the last one alone, and of it what differs from the other outcome.
    """
    both = [one.value[:last] for one in (outcome, other) if one]
    texts = [[_show_step(outcome, case, *step) for step in steps] for steps in both]
    ends = [steps[-1] for steps in both if len(steps) == last]
    shown = [f"{n}. {text}" if last > 1 else text for n, text in enumerate(texts[0], 1)]
    wide = max(sum(map(len, each)) for each in texts) > WIDE
    if wide and [kind for kind, _ in ends] == [sequence.GAVE] * 2:
        differing = _show_differing(ends[0][1], ends[1][1], case.labels)
        return f"{last}. {differing}" if last > 1 else differing
    return "; ".join(shown)


def _show_step(outcome, case, kind, value):
    if kind == sequence.GAVE:
        return report.show(value, case.labels)
    if kind == sequence.REFUSED:
        return f"refused ({report.clean(value)[:40]})"
    if kind == sequence.NO_PAIR:
        return f"no list of two values, but {report.show(value, case.labels)}"
    return _show_error(outcome)


def _show_expected(task, wanted, got, case, last):
    if wanted.error:
        return f"the error {wanted.error}"
    if last is not None:
        text = _show_steps(wanted, got, case, last)
        held = got.holds if got else ()
        return f"{text}, and no {' or '.join(held)} in what is kept" if held else text
    if task.witness:
        return task.witness.goal
    if got and not got.error and plain.same(got.value, wanted.value):
        return "the same value, and every argument as it was before the call"
    if task.withheld:
        return _show_digests(case, wanted, got)
    if type(wanted.value) is dict and got and type(got.value) is dict:
        return _different_keys(wanted.value, got.value, case).split(", without ")[0]
    return _show_value(wanted, got, case)


def _show_digests(case, wanted, got):
    """The right value is not shown; equal digests would mean equal values."""
    ours = _digest(case, wanted.value)
    theirs = _digest(case, got.value) if got and not got.error else ""
    yours = f", and yours {theirs}" if theirs else ""
    text = f"another value; it is not shown. Its salted digest is {ours}{yours}"
    return f"{text} (a short fingerprint of inputs and value: equal values have equal ones)"


def _digest(case, value):
    """Eight hexadecimal digits of SHA-256 over the inputs, which are the salt, and the value."""
    try:
        body = [plain.encode(list(case.arguments)), plain.encode(_sorted(value))]
    except plain.NotPlainError:
        return ""
    return hashlib.sha256(json.dumps(body).encode()).hexdigest()[:8]


def _sorted(value):
    return dict(sorted(value.items(), key=repr)) if type(value) is dict else value


def _where(fact):
    """ "in make_batch, line 5 of its cell"; without a function "the 4th code cell, line 5"."""
    place, line = report.clean(fact.get("place") or ""), fact.get("line")
    function = report.clean(fact.get("function") or "")
    numbered = f"line {line}" if type(line) is int else ""
    if function:
        return f"in {function}, {numbered}{' of its cell' if place else ''}"
    return ", ".join(part for part in (place, numbered) if part)


def _show_error(found):
    because = found.detail.get("because")
    detail = because if type(because) is dict else found.detail
    name = report.clean(detail.get("type", "an error"))
    if name == "_TooSlow":
        return "no result within the time limit"
    where = _where(detail)
    text = _without_inputs(report.clean(detail.get("text", "")))
    return f"the error {name}: {text}{f' ({where})' if where else ''}"


def _without_inputs(text):
    """An exception's text without long values: it must not carry hidden inputs outside."""
    text = re.sub(r"b(['\"]).{12,}?\1|(?:[0-9a-fA-F]{2}){8,}|\d{12,}", "…", text)
    return text[:160]


def _foreign_import(detail):
    name = detail.get("import") or ""
    return name if type(name) is str and name.split(".")[0] == "x3dhlab" else ""


def _refusal(got, wanted):
    """The name of the error that is asked for where the outcomes differ; "" if none is."""
    if not wanted.steps:
        return wanted.error
    place = sequence.differing(got.value, wanted.value, plain.same)
    kind, value = wanted.value[place] if place is not None else ("", "")
    return value if kind == sequence.REFUSED else ""


def _error_advice(task, found, asked):
    """(likely cause, cure) of an error that no named mistake explains; `asked` names the right."""
    detail = found.detail
    because = detail.get("because")
    if type(because) is dict:
        detail = because
    if _foreign_import(detail):
        modules = ", ".join(f"x3dhlab.{name}" for name in task.modules) or "no module"
        return _DELEGATED[0], _DELEGATED[1].format(modules=modules)
    if advice.lacks_text(detail):
        return advice.NO_TEXT[0], advice.NO_TEXT[1].format(error=asked or "TheError")
    if asked and not advice.is_pythons(detail):
        return (
            f"The input was refused with another error than the task asks for: {asked}.",
            f"If your own line raises it, raise {asked} there. Else look at the order of the "
            "checks, and at which value each of them gets.",
        )
    if asked:
        return (
            f"An error of Python ended the call; the task asks for {asked}.",
            f"Test the input first, and raise {asked} yourself.",
        )
    return advice.of_error(detail)


def _value_advice(task, case, got, wanted, everywhere):
    """(likely cause, cure) of a wrong value, from its shape alone."""
    if got is None:
        return advice.LOST
    if everywhere and got.value is not None:
        return "The result is the same for every input.", "Compute it from the arguments."
    if wanted.error:
        return (
            "A value came back where the protocol must stop.",
            f"Let {wanted.error} pass to the caller.",
        )
    if wanted.steps:
        return _step_advice(case, got, wanted)
    if got.objection and got.value is not None:
        return _form_advice(got, wanted)
    if got.value is None:
        return (
            "A way through the function ends without `return`, or with `return None`.",
            "Give the result back on every way that is no refusal. A search that finds nothing "
            "comes to the end, too.",
        )
    if plain.same(wanted.value, got.value):
        return advice.STEPS["changed"]
    ours, theirs = type(wanted.value), type(got.value)
    if ours is not theirs:
        return _type_advice(got, wanted)
    if alien := plain.others(got.value):
        return _alien_advice(alien[0])
    if ours in (bytes, list) and not task.withheld and len(wanted.value) != len(got.value):
        unit, cure = ("bytes", _COUNT) if ours is bytes else ("values", _EACH)
        return f"{len(got.value)} {unit} came back, {len(wanted.value)} were expected.", cure
    return _ENTRIES if ours is dict else ("", "")


def _type_advice(got, wanted):
    ours, theirs = type(wanted.value), type(got.value)
    name = got.value.name if theirs is plain.Other else theirs.__name__
    return f"The result is of type {name}; the task asks for {ours.__name__}.", _CONVERT


def _alien_advice(name):
    """What a value of a type that is no plain data does inside a result."""
    likely = f"A value inside the result is of type {name}; the task asks for none of these."
    return likely, _WHOLE if name == "float" else _CONVERT_INSIDE


def _form_advice(got, wanted):
    """What a witness of another type should be; other objections say all by themselves."""
    if got.objection != judge.OTHER_FORM:
        return "", ""
    if type(wanted.value) is not type(got.value):
        return _type_advice(got, wanted)
    alien = plain.others(got.value)
    return _alien_advice(alien[0]) if alien else ("", "")


_ENTRIES = (
    "No single known mistake gives these results; there may be two at once.",
    "Take the entries that differ one by one: correct one, and check again.",
)
_CONVERT = "Look at the value after `return`, and print its type."
_CONVERT_INSIDE = "Print the type of each part of the result."
_WHOLE = "`/` always gives a float. Count in whole numbers: multiply first, then divide with `//`."
_COUNT = "Print the length of each part; one is missing, doubled or in another form."
_EACH = "Compare got and expected one by one: which is missing, which is too many?"


def _step_advice(case, got, wanted):
    """(likely cause, cure) of a wrong sequence, from the first step that differs."""
    place = sequence.differing(got.value, wanted.value, plain.same)
    if place is None:
        return advice.STEPS["kept" if got.holds != wanted.holds else "changed"]
    if place >= len(got.value) or got.value[place][0] == sequence.NO_PAIR:
        return advice.STEPS["no pair"]
    if case.steps[place].again:
        return advice.STEPS["changed"]
    if alien := plain.others(got.value[place][1]):
        return _alien_advice(alien[0])
    pair = wanted.value[place][0], got.value[place][0]
    if pair == (sequence.GAVE, sequence.REFUSED):
        before = [kind for kind, _ in wanted.value[:place]]
        return advice.STEPS["after a refusal" if sequence.REFUSED in before else "refused"]
    return advice.STEPS["accepted" if pair[0] == sequence.REFUSED else "value"]
