"""What a few code cells need of the earlier ones: a backward slice by names.

A cell is needed when it gives a needed name its value, or may change the object behind one: by a
call of its method, by an assignment into it, or by handing it to a function. The slice errs on the
side of too much. It knows names only: a change through a second name of one object is not seen.
Standard library only; nothing is run.
"""

import ast
import builtins
import symtable
from dataclasses import dataclass
from functools import reduce

# Functions that leave their arguments as they are.
_HARMLESS = set(dir(builtins)) - {"delattr", "exec", "next", "setattr"}


@dataclass(frozen=True, slots=True)
class _Cell:
    """What a cell does with names; `gives` are those that it binds whatever happens."""

    uses: frozenset[str]
    binds: frozenset[str]
    gives: frozenset[str]
    changes: frozenset[str]


def needed(before: list[str], wanted: list[str]) -> list[str]:
    """The cells of `before` that must run first, so that `wanted` can run, in their order.

    Of a cell that only imports what is needed, these imports. Raises `SyntaxError` for a cell
    that is no Python.
    """
    trees = [ast.parse(text) for text in before]
    inert, effects = _inert(trees), _effects(trees)
    names, found = set(), []
    for text in reversed(wanted):
        cell = _cell(ast.parse(text), {})
        names = (names - cell.gives) | cell.uses
    for text, tree in zip(reversed(before), reversed(trees), strict=True):
        cell = _cell(tree, effects)
        hits = names & (cell.binds | cell.changes - inert)
        imports = {node: got for node in tree.body if (got := _imported(node) & hits)}
        if hits and hits == set().union(*imports.values()):
            found.append("\n".join(map(ast.unparse, imports)))
            names -= hits
        elif hits:
            found.append(text)
            names = (names - cell.gives) | cell.uses
    return found[::-1]


def _inert(trees):
    """Names that no call changes: of modules, functions and classes."""
    nodes = [node for tree in trees for node in tree.body]
    made = {n.name for n in nodes if isinstance(n, ast.FunctionDef | ast.ClassDef)}
    return made.union(*map(_imported, nodes))


def _imported(node):
    if not isinstance(node, ast.Import | ast.ImportFrom):
        return set()
    return {alias.asname or alias.name.partition(".")[0] for alias in node.names}


def _effects(trees):
    """Function → the names that a call of it may change, besides its arguments."""
    functions = [n for tree in trees for n in tree.body if isinstance(n, ast.FunctionDef)]
    return {function.name: _changes(function, {}) for function in functions}


def _cell(tree, effects):
    uses, known, binds = set(), set(), set()
    for step in _steps(tree.body):
        used, bound = _names(step)
        uses |= used - known
        known |= bound
        binds |= bound
    gives = reduce(set.union, (_names(step)[1] for step in _sure(tree.body)), set())
    changes = _changes(tree, effects)
    return _Cell(*map(frozenset, (uses, binds, gives, changes)))


def _steps(body):
    """The statements in their order; of one that holds others, its head and then its parts."""
    for node in body:
        inside = [getattr(node, part, []) for part in ("body", "handlers", "orelse", "finalbody")]
        if isinstance(node, ast.FunctionDef | ast.ClassDef | ast.AsyncFunctionDef):
            yield node
        elif any(inside):
            yield from _head(node)
            for part in inside:
                yield from _steps(part)
        else:
            yield node


def _head(node):
    """What the first line of a compound statement does, as statements of its own."""
    if isinstance(node, ast.For):
        yield ast.Assign([node.target], node.iter)
    elif isinstance(node, ast.With):
        for item in node.items:
            target = item.optional_vars
            yield ast.Assign([target], item.context_expr) if target else ast.Expr(item.context_expr)
    elif isinstance(node, ast.If | ast.While):
        yield ast.Expr(node.test)
    elif isinstance(node, ast.ExceptHandler):
        if node.type:
            yield ast.Expr(node.type)
        if node.name:
            yield ast.Assign([ast.Name(node.name, ast.Store())], ast.Constant(None))


def _sure(body):
    """The statements that run whatever happens."""
    for node in body:
        if isinstance(node, ast.With):
            yield from _head(node)
            yield from _sure(node.body)
        elif isinstance(node, ast.FunctionDef | ast.ClassDef) or not hasattr(node, "body"):
            yield node


def _names(statement):
    """(names that a statement reads, also inside its functions; names that it binds)."""
    text = ast.unparse(ast.fix_missing_locations(ast.Module([statement], [])))
    table = symtable.symtable(text, "cell", "exec")
    used = {s.get_name() for s in table.get_symbols() if s.is_referenced()}
    bound = {s.get_name() for s in table.get_symbols() if s.is_assigned() or s.is_imported()}
    return used | _globals(table), bound


def _globals(table):
    found = set()
    for child in table.get_children():
        found |= {s.get_name() for s in child.get_symbols() if s.is_global()} | _globals(child)
    return found


def _changes(tree, effects):
    """Names whose object may be another one afterwards, wherever in the tree that happens."""
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute | ast.Subscript) and not isinstance(node.ctx, ast.Load):
            found |= _root(node)
        elif isinstance(node, ast.Call):
            found |= _called(node, effects)
    return found


def _called(call, effects):
    if isinstance(call.func, ast.Name):
        harmless, changed = call.func.id in _HARMLESS, effects.get(call.func.id, set())
    else:
        harmless, changed = False, _root(call.func)
    given = [*call.args, *(keyword.value for keyword in call.keywords)]
    return changed.union(*(() if harmless else map(_root, given)))


def _root(node):
    while isinstance(node, ast.Attribute | ast.Subscript | ast.Call | ast.Starred):
        node = node.func if isinstance(node, ast.Call) else node.value
    return {node.id} if isinstance(node, ast.Name) else set()
