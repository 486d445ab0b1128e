"""For authors: generate the exercises from the solutions, run lessons and solutions in place.

    python -m x3dhlab.authoring            both: what `make notebooks` does
    python -m x3dhlab.authoring NAME ...   only the notebooks whose path contains a NAME
    python -m x3dhlab.authoring --check    exit code 1 when a committed exercise is out of date
    python -m x3dhlab.authoring --nbgrader DIR    make an nbgrader course of the solutions

A solution marks what a learner writes:

    ### BEGIN SOLUTION              becomes  raise NotImplementedError("your code here")
    ### BEGIN SOLUTION: some code   becomes  some code
    ### END SOLUTION

A cell tagged `solution` or `teaching` is left out of the exercise.
"""

import argparse
import os
import re
import sys
import tempfile
from pathlib import Path

import nbformat

from x3dhlab import course
from x3dhlab.grading import deals
from x3dhlab.grading.tasks import TASKS

STUB = deals.STUB
LEFT_OUT = {"solution", "teaching"}
KEPT_CELL_METADATA = ("tags", "jupyter")
KEPT_OUTPUTS = ("text/plain", "text/html", "image/png", "image/svg+xml", "text/latex")
CELL_SECONDS = 120

METADATA = course.METADATA

_BEGIN = re.compile(r"^(\s*)### BEGIN SOLUTION(?::\s?(.*))?$")
_END = re.compile(r"^\s*### END SOLUTION\s*$")


class MarkerError(ValueError):
    """BEGIN and END SOLUTION do not alternate in a cell."""


# Exercises from solutions


def exercise_from(solution: dict) -> dict:
    """The exercise notebook that belongs to a solution notebook. Raises `MarkerError`."""
    cells = [_exercise_cell(cell) for cell in solution["cells"] if not _tags(cell) & LEFT_OUT]
    return tidy(course.without_outputs(solution | {"cells": cells}))


def _tags(cell):
    return set(cell["metadata"].get("tags", ()))


def _exercise_cell(cell):
    if cell["cell_type"] != "code":
        return dict(cell)
    return cell | {"source": stubbed(course.source(cell))}


def stubbed(text: str) -> str:
    """The text with every marked region replaced by its stub."""
    lines, inside = [], False
    for line in text.split("\n"):
        begin, end = _BEGIN.match(line), _END.match(line)
        if (begin and inside) or (end and not inside):
            raise MarkerError(f"unexpected {line.strip()!r}")
        if begin:
            lines.append(begin[1] + (STUB if begin[2] is None else begin[2].rstrip()))
        elif not inside and not end:
            lines.append(line)
        inside = bool(begin) or (inside and not end)
    if inside:
        raise MarkerError("### BEGIN SOLUTION without an end")
    return "\n".join(lines)


def out_of_date() -> list[str]:
    """The exercises that differ from what their solution gives, or that have no partner."""
    solutions, exercises = _notebooks("solutions"), _notebooks("exercises")
    wrong = sorted(set(solutions) ^ set(exercises))
    for name in sorted(set(solutions) & set(exercises)):
        if exercises[name].read_bytes() != _generated(solutions[name]):
            wrong.append(name)
    return wrong


def _notebooks(folder):
    return {path.name: path for path in sorted((course.root() / folder).glob("*.ipynb"))}


def _generated(path):
    return course.to_bytes(exercise_from(_load(path)))


def _load(path):
    """As plain data: a version 4.5 notebook, in which every cell has an id."""
    return nbformat.read(path, as_version=4)


# The same course for nbgrader

NBGRADER_CONFIG = f"""# Made by x3dhlab.authoring. Students see the same stub as in the exercises.
c = get_config()
c.CourseDirectory.course_id = "x3dh"
c.ClearSolutions.code_stub = {{"python": {STUB!r}}}
"""


def nbgrader_from(solution: dict) -> dict:
    """The nbgrader source of a solution: marked regions to clear, checks that give points."""
    cells = [_nbgrader_cell(cell) for cell in solution["cells"] if not _tags(cell) & LEFT_OUT]
    return course.without_outputs(
        {"cells": cells, "metadata": METADATA, "nbformat": 4, "nbformat_minor": 5}
    )


def _nbgrader_cell(cell):
    text = course.source(cell)
    tasks = course.tasks_of({"cells": [cell]})
    if cell["cell_type"] == "code" and tasks:
        return _nbgrader_check(cell, text, tasks)
    if cell["cell_type"] == "code" and "### BEGIN SOLUTION" in text:
        about = _about(f"answer-{cell['id']}", solution=True)
        return cell | {"metadata": {"nbgrader": about}}
    return dict(cell)


def _nbgrader_check(cell, text, tasks):
    """What the learner sees stays; a hidden part raises when the answer is wrong."""
    hidden = [f"require({task!r}, {function})" for task, function in tasks.items()]
    hidden = "\n".join(["from x3dhlab.grading import require", "", *hidden])
    text += f"\n### BEGIN HIDDEN TESTS\n{hidden}\n### END HIDDEN TESTS"
    points = sum(TASKS[task].points for task in tasks)
    name = "-".join(tasks).replace(".", "-")
    about = _about(name, grade=True, locked=True, points=points)
    return cell | {"metadata": {"nbgrader": about}, "source": text}


def _about(name, **more):
    plain = {"grade": False, "solution": False, "locked": False, "task": False}
    return plain | {"schema_version": 3, "grade_id": name, "cell_type": "code"} | more


def write_nbgrader(folder: Path, names=()) -> list[Path]:
    """Write an nbgrader course: its settings, and an assignment for each solution, or some."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "nbgrader_config.py").write_text(NBGRADER_CONFIG, encoding="utf-8")
    written = []
    for name, path in _notebooks("solutions").items():
        if names and not any(part in name for part in names):
            continue
        target = folder / "source" / path.stem / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(course.to_bytes(nbgrader_from(_load(path))))
        written.append(target)
    return written


# The form in which notebooks are committed


def tidy(notebook: dict) -> dict:
    """Only what a reader needs: fixed metadata, ids, tags, counts 1, 2, 3 ... and safe outputs."""
    cells, count = [], 0
    for cell in notebook["cells"]:
        kept = {k: v for k, v in cell["metadata"].items() if k in KEPT_CELL_METADATA}
        clean = dict(cell) | {"metadata": kept, "source": _lines(course.source(cell))}
        if cell["cell_type"] == "code":
            ran = cell["execution_count"] is not None
            count += ran
            clean["execution_count"] = count if ran else None
            clean["outputs"] = _tidy_outputs(cell["outputs"], clean["execution_count"])
        cells.append(clean)
    return {"cells": cells, "metadata": METADATA, "nbformat": 4, "nbformat_minor": 5}


def _tidy_outputs(outputs, count):
    clean = []
    for output in map(dict, outputs):
        if output["output_type"] == "stream":
            output["text"] = _lines(output["text"])
        if "data" in output:
            output["data"] = {
                kind: _lines(value) if isinstance(value, str) and kind != "image/png" else value
                for kind, value in output["data"].items()
                if kind in KEPT_OUTPUTS
            }
            # The alternative text and the width of a picture; nothing else.
            about = output.get("metadata", {}).items()
            output["metadata"] = {kind: v for kind, v in about if kind.startswith("image/")}
            if not output["data"]:
                continue
        if output["output_type"] == "execute_result":
            output["execution_count"] = count
        clean.append(output)
    return clean


def _lines(text):
    text = text if isinstance(text, str) else "".join(text)
    return text.splitlines(keepends=True)


# Running them


def run_in_place(path: Path) -> None:
    """Execute a notebook as a learner's fresh workspace would, and save it tidied.

    Raises `nbclient.exceptions.CellExecutionError` when a cell fails.
    """
    from nbclient import NotebookClient

    notebook = _load(path)
    notebook.metadata = nbformat.from_dict(METADATA)
    client = NotebookClient(
        notebook,
        timeout=CELL_SECONDS,
        record_timing=False,
        coalesce_streams=True,
        store_widget_state=False,
        resources={"metadata": {"path": str(path.parent)}},
    )
    with tempfile.TemporaryDirectory() as folder:
        client.execute(env=_environment(folder))
    path.write_bytes(course.to_bytes(tidy(notebook)))


def _environment(folder):
    """The variables of a new workspace: no progress, nobody's own settings."""
    inside = course.environment(Path(folder))
    Path(inside["IPYTHONDIR"]).mkdir(parents=True)
    return dict(os.environ) | inside | {"PYDEVD_DISABLE_FILE_VALIDATION": "1"}


def generate() -> list[str]:
    """Write every exercise anew; return the names of those that changed."""
    changed = []
    for name, solution in _notebooks("solutions").items():
        target, content = course.root() / "exercises" / name, _generated(solution)
        if not target.exists() or target.read_bytes() != content:
            target.parent.mkdir(exist_ok=True)
            target.write_bytes(content)
            changed.append(name)
    return changed


def main(arguments: list[str] | None = None) -> int:
    """The command line; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m x3dhlab.authoring")
    parser.add_argument("names", nargs="*", help="parts of paths, such as solutions/04")
    parser.add_argument("--check", action="store_true", help="only compare the exercises")
    parser.add_argument("--nbgrader", metavar="DIR", type=Path, help="make an nbgrader course")
    options = parser.parse_args(arguments)
    if options.nbgrader:
        for path in write_nbgrader(options.nbgrader, options.names):
            print(f"wrote {path}")
        return 0
    if options.check:
        return _check()
    for path in [*_notebooks("notebooks").values(), *_notebooks("solutions").values()]:
        name = path.relative_to(course.root()).as_posix()
        if not options.names or any(part in name for part in options.names):
            print(f"running {name}", flush=True)
            run_in_place(path)
    for name in generate():
        print(f"generated exercises/{name}")
    return 0


def _check():
    wrong = out_of_date()
    for name in wrong:
        print(f"exercises/{name} does not match solutions/{name}: run make notebooks")
    print(f"{len(_notebooks('solutions'))} pairs checked.")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
