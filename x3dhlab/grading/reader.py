"""Finds a function by name in a notebook or script, with the imports and constants it needs.

The last definition wins. Exploratory cells, magics, broken cells, missing metadata, Windows line
ends and other encodings are survived. Nothing is run here. Stand-alone: the worker carries a copy.
"""

import ast
import io
import json
import re
import symtable
import tokenize
from dataclasses import dataclass, field

LIMIT = 16 * 2**20  # bytes of one submission
_FLAGS = ast.PyCF_ONLY_AST | ast.PyCF_ALLOW_TOP_LEVEL_AWAIT
_PYTHON_CELLS = ("time", "timeit", "capture", "prun")
_STARTS = re.compile(r"(?:async\s+def|def|class|import|from|@|\w+\s*(?::[^=]+)?=[^=])")
_BINDS = re.compile(r"^(?:async\s+)?(?:def|class)\s+(\w+)|^(\w+)\s*(?::[^=]+)?=[^=]", re.MULTILINE)


class UnreadableError(Exception):
    """The file is no notebook and no script. `args[0]` is one sentence."""


@dataclass(frozen=True)
class Cell:
    """Some source text and where it stands: "the 3rd code cell", "In [3]"; nothing for a script."""

    place: str
    source: str


@dataclass
class Statement:
    """One top-level statement: the names it binds, reads at once, and reads when called."""

    order: int
    place: str
    line: int
    text: str
    binds: frozenset = frozenset()
    now: frozenset = frozenset()
    later: frozenset = frozenset()
    changes: frozenset = frozenset()
    star: bool = False

    @property
    def function(self) -> str:
        """The name of the function or class that this defines, else an empty string."""
        found = re.match(r"(?:@.*\n)*(?:async\s+)?(?:def|class)\s+(\w+)", self.text)
        return found[1] if found else ""

    @property
    def plain_text(self) -> str:
        """The text as Python writes it: without comments, and spaced in one way."""
        try:
            return ast.unparse(ast.parse(self.text))
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            return self.text


@dataclass(frozen=True)
class Broken:
    """Text that Python cannot read, and the names it would have bound."""

    order: int
    place: str
    line: int
    message: str
    binds: frozenset


@dataclass
class Source:
    """Everything that was read: statements in order, and what could not be read."""

    statements: list = field(default_factory=list)
    broken: list = field(default_factory=list)


def cells_of(data: bytes, name: str) -> list[Cell]:
    """The code cells of a notebook, or a script as one cell. Raises `UnreadableError`."""
    if len(data) > LIMIT:
        raise UnreadableError(f"the file is larger than {LIMIT // 2**20} MiB")
    if name.lower().endswith(".ipynb"):
        return _notebook_cells(data)
    return [Cell("", _text(data))]


def _notebook_cells(data):
    try:
        notebook = json.loads(data.decode("utf-8-sig") if data[:3] == b"\xef\xbb\xbf" else data)
        sheets = notebook.get("worksheets") or [notebook]
        cells = [cell for sheet in sheets for cell in sheet["cells"]]
        sources = [
            cell.get("source", cell.get("input", ""))
            for cell in cells
            if cell.get("cell_type") == "code"
        ]
        return [Cell(_numbered(n), _joined(source)) for n, source in enumerate(sources, 1)]
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as problem:
        raise UnreadableError("this is not a notebook: its JSON cannot be read") from problem


def _numbered(number):
    ending = {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")
    return f"the {number}{'th' if number % 100 in (11, 12, 13) else ending} code cell"


def _joined(source):
    text = source if isinstance(source, str) else "".join(source)
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _text(data):
    if data[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return _joined(data.decode("utf-16", errors="replace"))
    try:
        encoding, _ = tokenize.detect_encoding(io.BytesIO(data).readline)
        return _joined(data.decode(encoding).removeprefix("\ufeff"))
    except (SyntaxError, UnicodeDecodeError):
        return _joined(data.decode("latin-1"))


def read(cells: list[Cell]) -> Source:
    """Parse every cell; what cannot be parsed is kept aside with its line and message."""
    source = Source()
    for cell in cells:
        _read_cell(source, cell)
    return source


def _read_cell(source, cell):
    text = _without_cell_magic(cell.source)
    for candidate in (text, _without_magics(text)):
        try:
            _add(source, cell.place, 0, candidate)
            return
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            continue
    for first_line, chunk in _chunks(_without_magics(text)):
        try:
            _add(source, cell.place, first_line, chunk)
        except SyntaxError as problem:
            _add_broken(source, cell.place, first_line + (problem.lineno or 1), problem.msg, chunk)
        except (ValueError, RecursionError, MemoryError) as problem:
            message = str(problem) or "the code is nested too deeply"
            _add_broken(source, cell.place, first_line + 1, message, chunk)


def _add(source, place, first_line, text):
    tree = compile(text, "<answer>", "exec", flags=_FLAGS, dont_inherit=True)
    lines = text.split("\n")
    for node in _apart(tree.body):
        start = min([node.lineno] + [item.lineno for item in getattr(node, "decorator_list", ())])
        # A node's columns count UTF-8 bytes, and `a = 1; b = 2` holds two statements on a line.
        whole = _import_text(node) or ast.get_source_segment(text, node) or ""
        if start != node.lineno:
            whole = "\n".join(lines[start - 1 : node.end_lineno])
        source.statements.append(_statement(source, place, first_line + start, whole, node))


def _apart(nodes):
    """One statement for each imported name: a name that is not needed may be missing."""
    for node in nodes:
        if not isinstance(node, (ast.Import, ast.ImportFrom)):
            yield node
            continue
        for alias in node.names:
            changed = {**vars(node), "names": [alias]}
            yield type(node)(**changed)


def _import_text(node):
    return ast.unparse(node) if isinstance(node, (ast.Import, ast.ImportFrom)) else ""


def _statement(source, place, line, text, node):
    order = len(source.statements) + len(source.broken)
    binds, changes = _bound(node)
    star = isinstance(node, ast.ImportFrom) and any(name.name == "*" for name in node.names)
    return Statement(order, place, line, text, binds, *_used(text), changes, star)


def _bound(node):
    """The names a top-level statement binds, and those whose value it changes."""
    binds, changes = set(), set()
    pending = [node]
    while pending:
        item = pending.pop()
        if isinstance(item, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            binds.add(item.name)
            continue
        if isinstance(item, (ast.Import, ast.ImportFrom)):
            binds.update(alias.asname or alias.name.split(".")[0] for alias in item.names)
        elif isinstance(item, ast.AugAssign) and isinstance(item.target, ast.Name):
            changes.add(item.target.id)
            pending.append(item.value)
            continue
        elif isinstance(item, ast.Name) and isinstance(item.ctx, ast.Store):
            binds.add(item.id)
        elif isinstance(item, (ast.Subscript, ast.Attribute)) and isinstance(item.ctx, ast.Store):
            changes.update(part.id for part in ast.walk(item.value) if isinstance(part, ast.Name))
        if not isinstance(item, (ast.Lambda, ast.ListComp, ast.SetComp, ast.DictComp)):
            pending.extend(ast.iter_child_nodes(item))
    return frozenset(binds), frozenset(changes - binds)


def _used(text):
    """The module-level names that a statement reads at once, and inside its functions."""
    try:
        table = symtable.symtable(text, "<answer>", "exec")
    except (SyntaxError, ValueError, RecursionError):
        return frozenset(), frozenset()
    now = {item.get_name() for item in table.get_symbols() if item.is_referenced()}
    later = set()
    pending = list(table.get_children())
    while pending:
        scope = pending.pop()
        later.update(item.get_name() for item in scope.get_symbols() if item.is_global())
        pending.extend(scope.get_children())
    return frozenset(now), frozenset(later)


def _add_broken(source, place, line, message, text):
    order = len(source.statements) + len(source.broken)
    binds = frozenset(first or second for first, second in _BINDS.findall(text))
    source.broken.append(Broken(order, place, line, message, binds))


def _chunks(text):
    """Cut text that cannot be read at its top-level statements: (lines before, text) pairs."""
    lines = text.split("\n")
    starts = [number for number, line in enumerate(lines) if _STARTS.match(line)]
    starts = [n for n in starts if not (n and lines[n - 1].startswith("@"))]
    starts = sorted({0, *starts})
    for start, end in zip(starts, [*starts[1:], len(lines)], strict=True):
        yield start, "\n".join(lines[start:end])


def _without_cell_magic(text):
    match = re.match(r"\s*%%(\w+)[^\n]*", text)
    if not match:
        return text
    if match[1] not in _PYTHON_CELLS:
        return ""
    return text[: match.start()] + "\n" * match[0].count("\n") + text[match.end() :]


def _without_magics(text):
    """Replace IPython's own lines by `pass`, so that line numbers stay."""
    lines = []
    for line in text.split("\n"):
        bare = line.strip()
        indent = line[: len(line) - len(line.lstrip())]
        if bare[:1] in ("%", "!", "?") or (bare.endswith("?") and "#" not in bare):
            line = indent + "pass"
        else:
            line = re.sub(r"^(\s*[\w, ]+=\s*)[%!].*$", r"\1None", line)
        lines.append(line)
    return "\n".join(lines)


def defines(source: Source, name: str) -> bool:
    """True if the name is bound somewhere, also in text that cannot be read."""
    return any(name in item.binds for item in [*source.statements, *source.broken])


def gather(source: Source, name: str) -> tuple[list[Statement], Broken | None]:
    """The statements that `name` needs, in order; or the broken text that binds it last."""
    end = len(source.statements) + len(source.broken)
    wanted, seen, chosen = [(name, end)], set(), {}
    broken = None
    while wanted:
        current = wanted.pop()
        if current in seen:
            continue
        seen.add(current)
        last = _last(source, *current)
        if isinstance(last, Broken):
            broken = broken or last
            continue
        for item in _with_changes(source, *current, last):
            chosen[item.order] = item
            # `old = f` before a second `def f` means the first one.
            wanted.extend((used, item.order) for used in item.now)
            wanted.extend((used, end) for used in item.later)
    chosen.update((item.order, item) for item in source.statements if item.star)
    return [chosen[order] for order in sorted(chosen)], broken


def _last(source, name, before):
    """The last binding before a place; in re-ordered cells, where none is before, the last."""
    found = [item for item in [*source.statements, *source.broken] if name in item.binds]
    earlier = [item for item in found if item.order < before]
    return max(earlier or found, key=lambda item: item.order, default=None)


def _with_changes(source, name, before, last):
    if last is None:
        return []
    places = range(last.order + 1, before)
    return [last, *(s for s in source.statements if name in s.changes and s.order in places)]
