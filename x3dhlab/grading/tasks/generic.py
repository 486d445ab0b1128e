"""The mistakes that every task has, made from its reference answer."""

from x3dhlab.grading.task import Mistake

_WRAP = """

_right = {function}
def {function}(*arguments):
    {body}
"""

_HEX = """

def _as_text(value):
    if type(value) is bytes:
        return value.hex()
    if type(value) is list:
        return [_as_text(item) for item in value]
    if type(value) is dict:
        return {{key: _as_text(item) for key, item in value.items()}}
    return value
"""


def _wrapped(reference, function, body, before=""):
    return reference + before.format() + _WRAP.format(function=function, body=body)


def nothing_returned(function: str, reference: str) -> Mistake:
    """The value is computed, and `return` is missing."""
    return Mistake(
        "nothing returned",
        _wrapped(reference, function, "_right(*arguments)"),
        "The result is None: no `return` with a value was reached.",
        "Give the result back with `return`; printing or storing it is not enough. Inside an `if`, "
        "the `return` runs only if its condition was true.",
    )


def hex_for_bytes(function: str, reference: str) -> Mistake:
    """The bytes are given as hexadecimal text."""
    return Mistake(
        "hex for bytes",
        _wrapped(reference, function, "return _as_text(_right(*arguments))", _HEX),
        "The result is hexadecimal text. Text shows the bytes; it is not the bytes.",
        "Return the bytes as they are, without `.hex()` or `str()`.",
    )


def changed_argument(function: str, reference: str, change: str) -> Mistake:
    """The answer is right, and an argument is changed on the way."""
    return Mistake(
        "an argument changed in place",
        _wrapped(reference, function, f"value = _right(*arguments); {change}; return value"),
        "The function changed an argument that belongs to its caller.",
        "Read from the argument, do not write, pop or sort in it; copy it first if you must.",
    )


VERDICT_USED = r"(?:\b(?:if|elif|assert|not|and|or|return)\b|=|bool\()\s*\(*verify\("


def verdict_as_truth(source: str) -> Mistake:
    """What `verify` returns decides: `if verify(…)`. The source's outputs are all None."""
    return Mistake(
        "verdict taken as truth value",
        source,
        "`verify` returns None when the signature is good, and None counts as false. Its result "
        "says nothing.",
        "Call `verify` on a line of its own; it raises by itself. Go on in the line after it.",
        tell=VERDICT_USED,
    )


def replaced(source: str, *changes) -> str:
    """The source with each (old, new) applied; a change that fits nowhere is an error."""
    for old, new in changes:
        if old not in source:
            raise ValueError(f"nothing to replace: {old}")
        source = source.replace(old, new)
    return source


def variants(reference: str, *rows) -> tuple[Mistake, ...]:
    """Mistakes that differ from the reference by a few words.

    A row is (name, misconception, cure, (old, new), …).
    """
    return tuple(
        Mistake(name, replaced(reference, *changes), misconception, cure)
        for name, misconception, cure, *changes in rows
    )
