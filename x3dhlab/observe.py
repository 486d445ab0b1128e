"""Who is listening, and which actor is at work.

`primitives` and `kem` announce every operation here. While nobody listens an announcement is one
look at a context variable. While somebody listens, the caller is read from the Python stack: the
function that asked for the operation, the specification section that begins its docstring, the
statement as it stands in its source, and the local names of its values. A protocol step therefore
needs no tracing line.

This module knows nothing of cryptography, and nothing of what listeners do with an operation.
"""

import ast
import functools
import linecache
import sys
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field

_listener = ContextVar("x3dhlab_listener", default=None)
_actor = ContextVar("x3dhlab_actor", default="")

# Operations are attributed to the first caller outside these modules. A value made inside `keys`
# is named through: the `private` of the caller's `EK_A` becomes `EK_A.private`.
_INSIDE = {__name__, "x3dhlab.primitives", "x3dhlab.kem"}
_THROUGH = {"x3dhlab.keys"}


@dataclass(frozen=True, slots=True)
class Operation:
    """One operation as it happened. `inputs` and `outputs` are (name, bytes) pairs."""

    kind: str
    inputs: tuple = field(repr=False)
    outputs: tuple = field(repr=False)
    actor: str = ""
    function: str = ""
    section: str = ""
    formula: str = ""
    detail: tuple = ()
    error: str = ""


def listening() -> bool:
    """True while somebody records operations in this context."""
    return _listener.get() is not None


@contextmanager
def listen(callback):
    """Call `callback(operation)` for each operation until the block ends. Blocks may be nested."""
    outer = _listener.get()

    def both(operation):
        callback(operation)
        if outer is not None:
            outer(operation)

    token = _listener.set(both)
    try:
        yield
    finally:
        _listener.reset(token)


@contextmanager
def acting(name: str):
    """Attribute the operations of the block to the actor `name`."""
    token = _actor.set(name)
    try:
        yield
    finally:
        _actor.reset(token)


def actor() -> str:
    """The actor at work, or an empty string."""
    return _actor.get()


def announce(kind, inputs, outputs=(), *, error="", **detail):
    """Tell the listener of one operation.

    `inputs` and `outputs` are sequences of (role, bytes); a role is what the value is to the
    operation ("private", "ikm"), used where the caller has no name of its own for it.
    """
    callback = _listener.get()
    if callback is None:
        return
    call = _Call(sys._getframe(1))
    callback(
        Operation(
            kind=kind,
            # What crosses the wire is called by its kind, not by a transport's variable.
            inputs=tuple(
                (kind != "WIRE" and call.argument(value) or role, value) for role, value in inputs
            ),
            outputs=tuple(
                (call.result(position) or role, value)
                for position, (role, value) in enumerate(outputs)
            ),
            actor=_actor.get(),
            function=call.function,
            section=call.statement.section,
            formula=call.statement.formula,
            detail=tuple(detail.items()),
            error=error,
        )
    )


class _Call:
    """The call on the stack that asked for an operation, as far as it can be read."""

    def __init__(self, frame):
        prefix = []
        while frame.f_back and frame.f_globals.get("__name__") in _INSIDE | _THROUGH:
            if frame.f_globals["__name__"] in _THROUGH:
                prefix.append(_statement(frame.f_code, frame.f_lasti).targets)
            frame = frame.f_back
        self.statement = _statement(frame.f_code, frame.f_lasti)
        self.through = prefix[0] if prefix else None
        self.targets = _targets(frame, self.statement)
        self.function = frame.f_code.co_name
        self.names = _names(frame.f_locals, self.statement.arguments)

    def argument(self, value):
        """The caller's name for an input value, found by equality of bytes."""
        return self.names.get(value, "")

    def result(self, position):
        """The caller's name for the output at `position`, if its statement assigns it."""
        if self.through is not None:
            parts = [names[0] for names in (self.targets, self.through) if names and names[0]]
            return ".".join(parts)
        return self.targets[position] if position < len(self.targets) else ""


@dataclass(frozen=True, slots=True)
class _Statement:
    """What the source says about one call: see `_statement`."""

    formula: str = ""
    section: str = ""
    arguments: tuple = ()
    targets: tuple = ()
    returned: int | None = None  # the place in the tuple that a `return` gives to its caller


def _targets(frame, statement):
    """The names that a statement assigns; for `return call()`, those of the caller's statement."""
    if statement.returned is None or frame.f_back is None:
        return statement.targets
    outer = _statement(frame.f_back.f_code, frame.f_back.f_lasti)
    names = _targets(frame.f_back, outer)
    if statement.returned < 0:
        return names
    return names[statement.returned : statement.returned + 1]


def _names(variables, arguments):
    """Map bytes to the caller's name for them: its argument expressions, then its variables."""
    names = {}
    for expression in arguments:
        parts = expression.split(".")
        value = variables.get(parts[0])
        for part in parts[1:]:
            value = getattr(value, part, None)
        if isinstance(value, bytes):
            names.setdefault(value, expression)
    for name, value in list(variables.items()):
        if not name.startswith("_"):
            _collect(names, name, value, depth=2)
    return names


def _collect(names, name, value, depth):
    if isinstance(value, bytes):
        names.setdefault(value, name)
    elif isinstance(value, (list, tuple)) and depth:
        for position, item in enumerate(value[:16]):
            if isinstance(item, bytes):
                names.setdefault(item, f"{name}[{position}]")
    elif depth:
        for attribute in getattr(type(value), "__dataclass_fields__", ()):
            _collect(names, f"{name}.{attribute}", getattr(value, attribute, None), depth - 1)


@functools.lru_cache(maxsize=4096)
def _statement(code, offset):
    """Read the statement of the call at `offset` of `code` from its source, if there is source."""
    line, end, start_column, end_column = list(code.co_positions())[offset // 2]
    nodes = _nodes("".join(linecache.getlines(code.co_filename)))
    if line is None or not nodes:
        return _Statement()
    around = [node for node in nodes if node.lineno <= line <= node.end_lineno]
    simple = [node for node in around if isinstance(node, _SIMPLE)]
    functions = [node for node in around if isinstance(node, ast.FunctionDef)]
    place = (line, start_column, end, end_column)
    calls = [node for node in around if isinstance(node, ast.Call) and _place(node) == place]
    statement = min(simple, key=_height, default=None)
    documentation = ast.get_docstring(min(functions, key=_height)) if functions else ""
    targets, returned = _results(statement, place)
    return _Statement(
        formula=ast.unparse(statement) if statement else "",
        section=_section(documentation),
        arguments=tuple(
            ast.unparse(argument)
            for call in calls
            for argument in [*call.args, *(keyword.value for keyword in call.keywords)]
            if isinstance(argument, (ast.Name, ast.Attribute))
        ),
        targets=targets,
        returned=returned,
    )


def _section(documentation):
    """The section that the first line of a docstring begins with, or an empty string."""
    first = (documentation or "").split("\n")[0].split(":")[0].rstrip(".")
    return first if "§" in first else ""


_SIMPLE = (ast.Assign, ast.AugAssign, ast.AnnAssign, ast.Expr, ast.Return)


def _height(node):
    return node.end_lineno - node.lineno, -node.col_offset


def _place(node):
    # co_positions counts columns in UTF-8 bytes, as ast does.
    return node.lineno, node.col_offset, node.end_lineno, node.end_col_offset


def _results(statement, place):
    """The names that receive the value of the call at `place`, and its place in a `return`."""
    if isinstance(statement, ast.Return) and statement.value is not None:
        if _gives(statement.value, place):
            return (), -1
        for position, element in enumerate(getattr(statement.value, "elts", ())):
            if _gives(element, place):
                return (), position
    if isinstance(statement, ast.Assign):
        names = statement.targets[0]
        elements = names.elts if isinstance(names, ast.Tuple) else [names]
        if _gives(statement.value, place):
            return tuple(ast.unparse(element) for element in elements), None
        for name, value in zip(elements, getattr(statement.value, "elts", ()), strict=False):
            if _gives(value, place):
                return (ast.unparse(name),), None
    return (), None


def _gives(node, place):
    """True if the value of `node` can be the value of the call at `place`."""
    if isinstance(node, ast.IfExp):
        return _gives(node.body, place) or _gives(node.orelse, place)
    if isinstance(node, ast.BoolOp):
        return any(_gives(value, place) for value in node.values)
    return isinstance(node, ast.Call) and _place(node) == place


@functools.lru_cache(maxsize=64)
def _nodes(source):
    try:
        return [node for node in ast.walk(ast.parse(source)) if isinstance(node, _READ)]
    except (SyntaxError, ValueError):
        return []


_READ = (*_SIMPLE, ast.FunctionDef, ast.Call)
