"""Likely cause and cure where no named mistake explains what came back: generic, by its kind."""

import builtins
import re


def is_pythons(detail: dict) -> bool:
    """True for an error of Python itself, such as TypeError."""
    return hasattr(builtins, str(detail.get("type")))


def lacks_text(detail: dict) -> bool:
    """True if an error of the package was raised without its text, which is a TypeError."""
    return detail.get("type") == "TypeError" and "Refused.__init__()" in str(detail.get("text"))


def of_error(detail: dict) -> tuple[str, str]:
    """(likely cause, cure) of an error, from its type, its text and where it is defined."""
    name, text = str(detail.get("type")), str(detail.get("text"))
    for kind, words, likely, cure in ERRORS:
        if kind == name and re.search(words, text):
            return likely, cure
    if is_pythons(detail):
        return PYTHONS
    return REFUSAL if detail.get("module") == "x3dhlab.errors" else OWN


NO_TEXT = (
    "An error of the package is raised without a text, and each of them needs one.",
    'Say what is wrong, in brackets: `raise {error}("what is wrong")`.',
)
PYTHONS = (
    "Python stopped in this line: an operation does not suit a value that it got.",
    "Read the error's text; print the values that the line uses.",
)
REFUSAL = (
    "A good input was refused.",
    "Look at the call that raises, and at the values that it gets.",
)
LOST = (
    "A loop without end, a value without limit, or a call that ends Python.",
    "Try the function in a cell on small inputs; look at each loop and each size.",
)
OWN = (
    "The answer raises an error of its own.",
    "Give a value back; to refuse an input, raise the error that the task names.",
)
# Type of the error, pattern of its text, likely cause, cure: the first row that fits counts.
# fmt: off
ERRORS = (
    ("_TooSlow", "",
     "A loop does not end, or the function waits for something.",
     "Find the loop; make sure that each turn brings it nearer to its end."),
    ("NotImplementedError", "",
     "The function is still the stub.",
     "Replace the line that raises it."),
    ("UnboundLocalError", "",
     "A variable is read before it has a value: the line that sets it did not run.",
     "Give it a value at the top of the function; a loop may not run at all."),
    ("NameError", "",
     "A name is used that is defined nowhere in the file.",
     "Define or import it in a cell; names made only by exploring do not count."),
    ("TypeError", r"argument.*\bgiven|missing \d+ required|unexpected keyword|multiple values",
     "A function is called with too many or too few arguments, or one of another name.",
     "Compare the call with the `def` line: how many arguments, and in which order."),
    ("TypeError", "NoneType",
     "A value is None. A function without `return`, or an absent entry, gives None.",
     "Find where the None comes from; test `is None` where it is allowed."),
    ("TypeError", "subscriptable|not iterable|not callable",
     "A value is used as something that it is not: a list, a dict or a function.",
     "Print its type; look for a name that is used for two things."),
    ("TypeError", "concat|unsupported operand|bytes-like|expected str|must be str|must be bytes",
     "Values of two types are put together, such as bytes with text or a number.",
     "Make both bytes: text with `.encode()`, a number with `.to_bytes(…)`."),
    ("TypeError", "",
     "A value has a type that this operation does not take.",
     "Print the type of each value in the line."),
    ("AttributeError", "NoneType",
     "A value is None. A function without `return`, or an absent entry, gives None.",
     "Find where the None comes from; test `is None` where it is allowed."),
    ("AttributeError", "",
     "A value has no attribute or method of this name.",
     'Print its type; entries of a dict are read with `["name"]`.'),
    ("KeyError", "",
     "The dict has no entry of this name.",
     "Print the keys of the dict; test `in` where an entry may be absent."),
    ("IndexError", "",
     "A list or a bytes value is shorter than the code assumes, or empty.",
     "Test its length first. The last index is the length minus 1."),
    ("ValueError", "unpack",
     "The number of names before `=` is not the number of values.",
     "Count both."),
    ("ValueError", "",
     "A value has the right type, and a content that the operation refuses.",
     "Read the error's text; print the value before this line."),
    ("OverflowError", "",
     "A number does not fit into the bytes that it gets, or it is negative.",
     "Compare the number with the length given to `.to_bytes(…)`."),
    ("UnicodeDecodeError", "",
     "Bytes that are no text were decoded. Keys and ciphertexts are not text.",
     "Work with the bytes; use `.hex()` only to look at them."),
    ("ZeroDivisionError", "",
     "A number is divided by zero.",
     "Test the number after `/`, `//` or `%` first."),
    ("StopIteration", "",
     "`next` was called on something that is empty.",
     "Test for the empty case first, or give `next` a second argument."),
    ("RuntimeError", "changed size",
     "A dict or set was changed while a loop goes through it.",
     "Build a new one, or loop over `list(…)`."),
    ("RecursionError", "",
     "The function calls itself without end.",
     "Does a helper have the same name? Add the case in which it stops."),
    ("AssertionError", "",
     "An `assert` of the answer failed.",
     "Print both sides of the `assert`; to refuse an input, raise the task's error."),
    ("WrongLength", "",
     "A key or signature of another length was handed on.",
     "Look at which value you pass, and whether an encoding byte is before it."),
    ("WrongType", "NoneType",
     "A value is None where bytes belong: an entry is absent, or a function has no `return`.",
     "Find where the None comes from; test `is None` where it is allowed."),
    ("WrongType", "",
     "A value of another type was handed on, often text or None for bytes.",
     "Look at each argument of the call in the line named above."),
    ("NotAFunction", "",
     "The name holds a value, not a function.",
     "Define it with `def`."),
    ("BadSignature", "",
     "A good bundle is refused.",
     "`verify` takes Bob's identity key, the encoded signed prekey, and the signature."),
    ("ModuleNotFoundError", "",
     "A module is imported that the answer may not use.",
     "Write the answer with the functions that are given and the standard library."),
)
# fmt: on
# What is wrong with the first call of a sequence that differs.
STEPS = {
    "no pair": (
        "The function must return two values: the state to keep, then the result.",
        "Write both after `return`, in a list or with a comma between them.",
    ),
    "changed": (
        "The argument, or a list or dict inside it, was changed in place.",
        "Build a new one and return it; a copy of the outer dict shares what is inside.",
    ),
    "kept": (
        "A secret stands in what is kept. Whoever copies that can use the secret.",
        "Keep what recognises it but cannot give it back, such as HMAC(secret, …).",
    ),
    "after a refusal": (
        "A refused call left a change behind, in the argument or in something inside it.",
        "Change nothing until every check has passed; then return new values.",
    ),
    "refused": (
        "A good call was refused.",
        "Look at the condition before the line that raises, and at what the call before kept.",
    ),
    "accepted": (
        "A call went through that must be refused.",
        "Look for the check that should raise, and for the state that it reads.",
    ),
    "value": (
        "The result of the call is not the one that is asked for.",
        "Look at both values after `return`: the result, and what the calls before it kept.",
    ),
}
