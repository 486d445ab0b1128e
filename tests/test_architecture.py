"""What the house promises: small protocol rooms, documented, and an import that stays light."""

import ast
import inspect
import io
import subprocess
import sys
import tokenize
from pathlib import Path

import grimp
import pytest

import x3dhlab
from x3dhlab import errors

PACKAGE = Path(x3dhlab.__file__).parent
CORE = ["x3dh", "pqxdh", "ratchet"]
CORE_LIMIT = 400  # lines of code; more means that something belongs elsewhere
QUANTUM = ["braid", "spqr", "triple_ratchet"]  # the same limit, for the second ratchet
ROOMS = [
    "errors", "observe", "primitives", "kem", "keys", "layout", "wire", "fingerprint", "x3dh",
    "pqxdh", "ratchet", "header_encryption", "erasure", *QUANTUM, "prekeys", "session",
    "contacts", "party", "trace", "progress", "service/store", "service/limits",
    "service/database", "service/mailbox", "service/accounts", "service/commits", "service/guard",
    "service/metrics", "service/forms", "service/relay", "service/app", "service/running",
    "messaging/devices",
]  # fmt: skip

DEFINITIONS = (ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)


def docstring_lines(tree):
    for node in ast.walk(tree):
        if isinstance(node, (ast.Module, *DEFINITIONS)) and ast.get_docstring(node) is not None:
            yield from range(node.body[0].lineno, node.body[0].end_lineno + 1)


def code_lines(source):
    """The lines that hold code: no blank line, no comment, no docstring."""
    ignored = {
        tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT,
        tokenize.ENDMARKER,
    }  # fmt: skip
    lines = set()
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type not in ignored:
            lines.update(range(token.start[0], token.end[0] + 1))
    return lines - set(docstring_lines(ast.parse(source)))


def read(room):
    return (PACKAGE / f"{room}.py").read_text(encoding="utf-8")


def test_code_lines_counts_code_only():
    source = '"""Doc."""\n\n# comment\ndef f():\n    """Doc\n    more."""\n    return """a\nb"""\n'
    assert code_lines(source) == {4, 7, 8}


@pytest.mark.parametrize("rooms", [CORE, QUANTUM], ids=["core", "quantum"])
def test_the_protocol_core_stays_small(rooms):
    counts = {room: len(code_lines(read(room))) for room in rooms}
    assert all(counts.values())
    assert sum(counts.values()) <= CORE_LIMIT, counts


def undocumented(source):
    """Public functions and classes without a docstring."""
    for node in ast.parse(source).body:
        public = isinstance(node, DEFINITIONS) and not node.name.startswith("_")
        if public and not ast.get_docstring(node):
            yield node.name


@pytest.mark.parametrize("room", ROOMS)
def test_every_public_name_of_a_room_is_documented(room):
    assert ast.get_docstring(ast.parse(read(room)))
    assert list(undocumented(read(room))) == []


def test_the_search_for_missing_docstrings_finds_one():
    assert list(undocumented('def f(): pass\nclass C:\n    "Doc."\ndef _g(): pass')) == ["f"]


@pytest.mark.parametrize("room", CORE + QUANTUM)
def test_every_protocol_step_cites_its_section_first(room):
    for node in ast.parse(read(room)).body:
        if isinstance(node, ast.FunctionDef) and not node.name.startswith("_"):
            assert "§" in ast.get_docstring(node).split("\n")[0], node.name


def test_every_error_class_stands_in_the_drawn_tree():
    classes = [name for name, value in vars(errors).items() if inspect.isclass(value)]
    assert len(classes) > 25
    drawing = errors.__doc__.split()
    assert [name for name in classes if name not in drawing] == []


HEAVY = ["matplotlib", "jupyterlab", "notebook", "IPython", "ipywidgets", "anywidget", "traitlets"]
HEAVY += ["x3dhlab.widgets", "numpy", "sqlalchemy", "oqs", "kyber_py"]


def loaded(statement, folder):
    """Which of the heavy modules a fresh interpreter has after `statement`."""
    code = f"import sys; {statement}; print(*[name for name in {HEAVY!r} if name in sys.modules])"
    run = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=folder
    )
    assert run.stderr == ""
    return run.stdout.split()


def test_importing_the_package_loads_nothing_heavy(tmp_path):
    assert loaded("import x3dhlab", tmp_path) == []


def test_importing_the_protocols_loads_no_picture_and_no_notebook_code(tmp_path):
    rooms = ", ".join(f"x3dhlab.{room}" for room in ROOMS if "/" not in room)
    assert loaded(f"import {rooms}", tmp_path) == []


def test_the_search_for_heavy_modules_finds_one(tmp_path):
    assert "traitlets" in loaded("import traitlets", tmp_path)


# Rooms that may import a weak piece.
MEET_WEAK_PIECES = {"attacks", "worlds", "scenes", "grading"}


@pytest.fixture
def imports():
    """Every import of the package, those inside functions too."""
    return grimp.build_graph("x3dhlab", cache_dir=None)


def ways_to_weak_pieces(imports, rooms):
    """One chain of imports for each of the rooms that reaches `attacks`."""
    found = {}
    for room in rooms:
        chains = imports.find_shortest_chains(
            f"x3dhlab.{room}", "x3dhlab.attacks", as_packages=True
        )
        found |= {room: min(chains)} if chains else {}
    return found


def test_no_weak_piece_is_reachable_from_the_core(imports):
    rooms = {room.split("/")[0] for room in ROOMS} | {"proof", "bench", "widgets", "plots"}
    assert ways_to_weak_pieces(imports, rooms) == {}


def test_the_other_rooms_reach_weak_pieces_only_through_those_that_may(imports):
    rooms = {module.split(".")[1] for module in imports.find_children("x3dhlab")}
    assert {"grading", "scenes", "cli", "course"} <= rooms
    for module in list(imports.modules):
        if module.split(".")[1:2] in (["grading"], ["scenes"], ["worlds"]):
            imports.remove_module(module)
    assert ways_to_weak_pieces(imports, rooms - MEET_WEAK_PIECES) == {}


def test_the_search_for_weak_pieces_finds_them_through_other_modules(imports):
    assert set(ways_to_weak_pieces(imports, ["scenes", "wire"])) == {"scenes"}
    imports.add_import(importer="x3dhlab.layout", imported="x3dhlab.attacks.entry")
    assert set(ways_to_weak_pieces(imports, ["party", "wire", "kem"])) == {"party", "wire"}
