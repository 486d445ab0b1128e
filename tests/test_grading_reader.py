"""Functions are found by name, whatever happened to the cells around them."""

import json

import pytest

from x3dhlab.grading import grade, reader


def notebook(*cells, **top):
    kinds = [("markdown" if cell[:1] == "#" else "code", cell) for cell in cells]
    body = [{"cell_type": kind, "source": cell} for kind, cell in kinds]
    return json.dumps({"cells": body, "nbformat": 4, **top}).encode()


def graded(tmp_path, data, name="answers.ipynb", tasks=("start.hello",)):
    path = tmp_path / name
    path.write_bytes(data)
    return grade([path], list(tasks), seed=1, allow_unisolated=True)


HELLO = 'def hello(name):\n    return b"Hello, " + name.encode() + b"!"\n'

SURVIVED = {
    "plain": [HELLO],
    "a list of lines": [HELLO.splitlines(keepends=True)],
    "windows line ends": [HELLO.replace("\n", "\r\n")],
    "last definition wins": ["def hello(name):\n    return 1\n", HELLO],
    "a constant in another cell": [
        'START = b"Hello, "\n',
        'def hello(name):\n    return START + name.encode() + b"!"\n',
    ],
    "a constant after the function": [
        'def hello(name):\n    return START + name.encode() + b"!"\n',
        'START = b"Hello, "\n',
    ],
    "cells in another order": [
        "def hello(name):\n    return greet(name)\n",
        "def greet(name):\n    return START + end(name)\n",
        'START = b"".join(PARTS)\n',
        'PARTS = [b"Hello", b", "]\n',
        'def end(name):\n    return name.encode() + b"!"\n',
    ],
    "a changed constant": [
        "PARTS = []\n",
        'PARTS += [b"Hello, "]\n',
        'def hello(name):\n    return PARTS[0] + name.encode() + b"!"\n',
    ],
    "a dict that is filled": [
        "D = {}\n",
        'D["start"] = b"Hello, "\n',
        'def hello(name):\n    return D["start"] + name.encode() + b"!"\n',
    ],
    "line magics": ["%matplotlib inline\n!ls\nx = !ls\nhello?\n" + HELLO],
    "a timed cell": ["%%time\n" + HELLO],
    "a shell cell": ["%%bash\nrm -rf nothing (\n", HELLO],
    "an exploratory cell that raises": [HELLO, "1 / 0\n", "undefined_name\n"],
    "a broken cell": [HELLO, "print('unfinished\n"],
    "a broken cell with another function": ["def other(:\n    pass\n", HELLO],
    "a broken function beside it": ["def other(:\n    pass\n\n" + HELLO],
    "an import that is missing and not needed": ["import nothing_like_this\n" + HELLO],
    "one missing name of several": [
        "from x3dhlab import x3dh\nimport nothing_like_this, base64\n",
        HELLO.replace("return", "base64.b64encode(b'')\n    return"),
    ],
    "a decorator": [
        "def loud(f):\n    return lambda name: f(name) + b'!'\n",
        "@loud\ndef hello(name):\n    return b'Hello, ' + name.encode()\n",
    ],
    "a wrapped function": [
        "def hello(name):\n    return b'Hello, ' + name.encode()\n",
        "_first = hello\ndef hello(name):\n    return _first(name) + b'!'\n",
    ],
    "a lambda": ['hello = lambda name: b"Hello, " + name.encode() + b"!"\n'],
    "inside an if": ["if True:\n    " + HELLO.replace("\n", "\n    ").rstrip() + "\n"],
    "top-level await": ["await nothing()\n", HELLO],
    "a semicolon": ["x = 1; y = 2\n" + HELLO],
    "tabs": [HELLO.replace("    ", "\t")],
    "a name that hides a builtin": ["list = [1]\nprint = None\n", HELLO],
}


@pytest.mark.parametrize("cells", SURVIVED.values(), ids=SURVIVED.keys())
def test_an_answer_survives(tmp_path, cells):
    assert graded(tmp_path, notebook(*cells)).exit_code == 0


@pytest.mark.parametrize("minor", range(6))
def test_every_minor_format_is_read(tmp_path, minor):
    assert graded(tmp_path, notebook(HELLO, nbformat_minor=minor)).exit_code == 0


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "latin-1"])
def test_scripts_in_many_encodings_are_read(tmp_path, encoding):
    data = ("# Zoë\n" + HELLO).encode(encoding)
    assert graded(tmp_path, data, "answers.py").exit_code == 0
    assert graded(tmp_path, data[: len(data) // 2], "answers.py").exit_code != 0


def test_a_declared_encoding_is_read(tmp_path):
    data = b"# -*- coding: cp1252 -*-\nX = '\x80'\n" + HELLO.encode()
    assert graded(tmp_path, data, "answers.py").exit_code == 0


def test_a_syntax_error_costs_only_the_task_it_touches(tmp_path):
    broken = "def shared_secret(private, public:\n    return dh(private, public)\n"
    report = graded(
        tmp_path,
        notebook("# Words", "x = 1", "# More words", HELLO, broken),
        tasks=["start.hello", "start.shared_secret"],
    )
    hello, secret = report.results
    assert (hello.passed, secret.passed, secret.mistake) == (True, False, "syntax error")
    assert "(the 3rd code cell, line 1)" in secret.feedback.got


def test_an_error_is_reported_in_its_function_and_only_a_cell_has_lines_of_its_own(tmp_path):
    helper = "X = 1\n\ndef greet(name):\n    return nothing\n"
    cells = ["# Words", helper, "def hello(name):\n    return greet(name)\n"]
    places = [
        graded(tmp_path, data, name).results[0].feedback.got.split(" (")[1]
        for data, name in [
            (notebook(*cells), "a.ipynb"),
            ("\n".join(cells).encode(), "a.py"),
            (
                notebook("# Words", "1 / 0\nX = {}['a']", "def hello(name):\n    return X"),
                "b.ipynb",
            ),
        ]
    ]
    assert places == [
        "in greet, line 4 of its cell)",
        "in greet, line 5)",
        "the 1st code cell, line 2)",
    ]


@pytest.mark.parametrize(
    ("number", "words"),
    [(1, "1st"), (2, "2nd"), (3, "3rd"), (4, "4th"), (11, "11th"), (12, "12th"), (22, "22nd")],
)
def test_code_cells_are_counted_in_words_of_english(tmp_path, number, words):
    cells = ["x = 1"] * (number - 1) + ["def hello(name:\n"]
    (result,) = graded(tmp_path, notebook(*cells)).results
    assert f"(the {words} code cell, line 1)" in result.feedback.got


def test_a_broken_helper_is_reported_where_it_is_needed(tmp_path):
    cells = ["def greet(name:\n    pass\n", "def hello(name):\n    return greet(name)\n"]
    (result,) = graded(tmp_path, notebook(*cells)).results
    assert (result.mistake, result.points) == ("syntax error", 0)
    assert "(the 1st code cell, line 1)" in result.feedback.got


@pytest.mark.parametrize(
    "data", [b"", b"{", b"[]", b'{"cells": 3}', b"\xff\xfe\x00", b"[" * 100_000, b'{"cells": [3]}']
)
def test_what_is_no_notebook_is_a_problem_and_no_verdict(tmp_path, data):
    report = graded(tmp_path, data)
    assert (report.results, report.exit_code, len(report.problems)) == ((), 2, 1)


def test_only_what_is_needed_comes_along():
    cells = [reader.Cell("1", "A = 1\nB = 2\n"), reader.Cell("2", "def f(x):\n    return x + A\n")]
    statements, broken = reader.gather(reader.read(cells), "f")
    assert broken is None
    assert [statement.text for statement in statements] == ["A = 1", "def f(x):\n    return x + A"]


def test_a_file_tells_its_tasks_by_number_or_by_function(tmp_path):
    for name, count in [("00_start_here.ipynb", 2), ("04_x.ipynb", 3), ("mine.ipynb", 1)]:
        path = tmp_path / name
        path.write_bytes(notebook(HELLO))
        assert len(grade([path], seed=1, allow_unisolated=True).results) == count
