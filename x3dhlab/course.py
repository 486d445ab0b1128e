"""The course on disk: its lessons in order, a learner's workspace, and JupyterLab on top of it.

A workspace is one folder: `notebooks/`, `exercises/`, a README and a hidden `.x3dhlab/` that holds
the progress file, the manifest and every setting of Jupyter. Nothing is written outside it, and
nothing that a learner changed is ever overwritten. This module knows no lesson by name: the number
at the start of a file name is the only ordering.
"""

import ast
import contextlib
import difflib
import errno
import hashlib
import json
import os
import re
import secrets
import socket
import sys
import threading
import tomllib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

from x3dhlab import __version__, progress, slices
from x3dhlab.errors import Refused

DEFAULT_FOLDER = "x3dh-course"
INSTALLED = ("notebooks", "exercises")
FIRST_PORT = 8888
PREPARED = "# prepared by catchup"

_NUMBERED = re.compile(r"(\d\d)_(\w+)\.ipynb")
_ASKED = re.compile(
    r"""^(?:Predict|Quiz|Order|Match|FreeAnswer)\(["']([\w.-]+)["']""", re.MULTILINE
)
_STOP = re.compile(r"^## Stop here", re.MULTILINE)
_HEADING = re.compile(r"^#+ +(.+?) *$", re.MULTILINE)
_BESIDE = re.compile(r"\]\((?=\w+\.(?:ipynb|pv)\b)")  # a link to a file beside the lesson
_OF_THE_WHOLE = re.compile(  # what the head of a lesson says of all its sittings
    r" \*\*About[^*]+\*\*[^.\n]*\.?"
    r"|\n<details><summary>What you will be able to do(?s:.*?)</details>\n"
)
_MARK = re.compile(r"^[ \t]*### (?:BEGIN|END) SOLUTION.*\n?", re.MULTILINE)
_CHECK = re.compile(r"""^\s*check\(\s*["']([\w.]+)["']\s*,\s*(\w+)""", re.MULTILINE)


class CourseProblem(Refused):
    """A command cannot do its job: one sentence for the person who typed it."""


METADATA = {
    "kernelspec": {
        "display_name": "Python 3 (ipykernel)",
        "language": "python",
        "name": "python3",
    },
    "language_info": {"name": "python"},
}


# Where the course is, and in which order


def root() -> Path:
    """The folder that holds `notebooks/`: inside an installed package, else the repository."""
    package = Path(__file__).resolve().parent
    inside = package / "_course"
    return inside if inside.is_dir() else package.parent


@dataclass(frozen=True, slots=True)
class Lesson:
    """One lesson: `number` is two digits, `name` the rest of its file name."""

    number: str
    name: str
    title: str
    tasks: tuple[str, ...]
    sittings: tuple[frozenset[str], ...] = ()  # the predictions and questions of each sitting

    @property
    def file(self) -> str:
        """The file name, the same for lesson, exercise and solution."""
        return f"{self.number}_{self.name}.ipynb"


def lessons() -> list[Lesson]:
    """Every lesson of the course in its order, with the tasks of the exercise beside it."""
    found = []
    for path in sorted((root() / "notebooks").glob("*.ipynb")):
        match = _NUMBERED.fullmatch(path.name)
        if not match:
            continue
        exercise = root() / "exercises" / path.name
        tasks = tuple(tasks_of(_read(exercise))) if exercise.exists() else ()
        lesson = _read(path)
        title, sittings = _title(lesson) or match[2], _sittings(lesson)
        found.append(Lesson(*match.groups(), title, tasks, sittings))
    return found


def tasks_of(notebook: dict) -> dict[str, str]:
    """Task id → name of the function, from the lines `check("id", function)` of an exercise."""
    code = [source(cell) for cell in notebook["cells"] if cell["cell_type"] == "code"]
    return dict(pair for text in code for pair in _CHECK.findall(text))


def source(cell: dict) -> str:
    """The text of a cell; the file format allows one string or a list of lines."""
    text = cell["source"]
    return text if isinstance(text, str) else "".join(text)


def _title(notebook):
    for cell in notebook["cells"]:
        match = re.search(r"^# +(.+)$", source(cell), re.MULTILINE)
        if cell["cell_type"] == "markdown" and match:
            return re.sub(r"^\d\d\W+", "", match[1].strip())
    return None


def _sittings(notebook):
    """What is asked in each sitting; a heading that begins with "Stop here" ends one."""
    found = [set()]
    for cell in notebook["cells"]:
        if cell["cell_type"] == "code":
            found[-1] |= set(_ASKED.findall(source(cell)))
        elif _STOP.search(source(cell)):
            found.append(set())
    return tuple(map(frozenset, found))


def _read(path):
    return json.loads(path.read_text(encoding="utf-8"))


# Paths through the course

PATHS = "paths"  # the folder of a workspace in which the parts of a path lie
START = "start.ipynb"


@dataclass(frozen=True, slots=True)
class Notes:
    """What the instructor needs in one section and finds in no lesson: lines of Markdown.

    `say` opens it, in place of the lesson's sentence; `words` explains those that the section does
    not; `steps` is what learners do, with minutes. `wrong` pairs an answer with what to ask back,
    in place of the lesson's, `answers` a learner's question with what to say.
    """

    say: str = ""
    words: tuple[str, ...] = ()
    steps: tuple[str, ...] = ()
    wrong: tuple[tuple[str, str], ...] = ()
    answers: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Section:
    """A part of a lesson that is taught on its own, on one path.

    `start` and `end` are texts of headings in the lesson. The section begins with the first and
    ends before the second; None is the end of the lesson. `minutes` include the `tasks`, ids of
    the lesson's exercise. `skipped` is one sentence. `picture` is the id of a cell of the lesson,
    for the projector. `pause` is the break after it, in minutes; `day` counts from 1.
    """

    path: str
    number: int
    title: str
    lesson: str
    start: str
    end: str | None
    minutes: int
    skipped: str
    picture: str
    tasks: tuple[str, ...] = ()
    pause: int = 0
    day: int = 1
    notes: Notes = Notes()

    @property
    def file(self) -> str:
        """The file name in the folder of its path."""
        return f"{self.number}_{'_'.join(re.findall('[a-z0-9]+', self.title.lower()))}.ipynb"


@dataclass(frozen=True, slots=True)
class Way:
    """A path through the course for a workshop of `minutes`, breaks counted.

    `opening` and `closing` are the minutes before the first and after the last section of each
    day; `welcome` and `farewell` are what to say in them. `skipped` is one sentence on the lessons
    that are left out.
    """

    name: str
    title: str
    minutes: int
    opening: int
    closing: int
    skipped: str
    sections: tuple[Section, ...]
    welcome: tuple[str, ...] = ()
    farewell: tuple[str, ...] = ()

    @property
    def days(self) -> int:
        """How many days it takes."""
        return max(section.day for section in self.sections)

    @property
    def used(self) -> int:
        """The minutes that are planned; the rest of `minutes` is reserve."""
        taught = sum(section.minutes + section.pause for section in self.sections)
        return taught + self.days * (self.opening + self.closing)


def paths() -> list[Way]:
    """Every path, the shortest first."""
    file = Path(__file__).parent / "paths.toml"
    tables = tomllib.loads(file.read_text(encoding="utf-8"))
    found = [_way(name, table) for name, table in tables.items()]
    return sorted(found, key=lambda way: way.minutes)


def _way(name, table):
    sections = enumerate(table.pop("section"), 1)
    made = (_section(name, number, fields) for number, fields in sections)
    return Way(name, sections=tuple(made), **_frozen(table))


def _section(path, number, fields):
    notes = Notes(**_frozen(fields.pop("notes", {})))
    return Section(path, number, notes=notes, **{"end": None} | _frozen(fields))


def _frozen(value):
    """Lists as tuples, also inside."""
    if isinstance(value, dict):
        return {key: _frozen(inner) for key, inner in value.items()}
    return tuple(map(_frozen, value)) if isinstance(value, list) else value


def path(name: str) -> Way:
    """The path of this name. Raises `CourseProblem`, which lists the names."""
    known = {way.name: way for way in paths()}
    if name not in known:
        raise CourseProblem(f"No path is called {name}. The paths are: {', '.join(known)}.")
    return known[name]


def path_section(place: str) -> Section:
    """The part of a path that "90min/4" names. Raises `CourseProblem`."""
    name, _, number = place.partition("/")
    way = path(name)
    for part in way.sections:
        if str(part.number) == number:
            return part
    raise CourseProblem(f"The parts of {way.name} are 1 to {len(way.sections)}.")


def section(part: Section) -> dict:
    """The section as a notebook that starts alone, with the lesson's outputs.

    A folded cell before it has the code of the lesson that it depends on. Raises `CourseProblem`
    where the lesson has no such heading.
    """
    lesson = _lesson_file(part)
    earlier, cells = _parts(_read(root() / "notebooks" / lesson), part)
    code = [source(cell) for cell in earlier if cell["cell_type"] == "code"]
    wanted = [source(cell) for cell in cells if cell["cell_type"] == "code"]
    needed = slices.needed(code, wanted)
    cells = [_head(part, lesson, needed), *_before(needed), *map(_moved, cells), *_foot(part)]
    return {"cells": cells, "metadata": METADATA, "nbformat": 4, "nbformat_minor": 5}


def _lesson_file(section):
    for file in (root() / "notebooks").glob(f"{section.lesson}_*.ipynb"):
        return file.name
    raise CourseProblem(f"The path {section.path} names lesson {section.lesson}: there is none.")


def _parts(notebook, section):
    """(the lesson's cells before the section, those of the section); a text is cut in two."""
    cells = [part for cell in notebook["cells"] for part in _by_heading(cell)]
    headings = [_first_heading(cell) for cell in cells]
    ends = [section.start, *([section.end] if section.end else [])]
    for heading in ends:
        if headings.count(heading) != 1:
            raise CourseProblem(f"Lesson {section.lesson} has no single heading “{heading}”.")
    first, *last = map(headings.index, ends)
    return cells[:first], _joined(cells[first : last[0] if last else None])


def _by_heading(cell):
    """A text cell in pieces that begin with their heading; another cell as it is."""
    text = source(cell)
    if cell["cell_type"] != "markdown":
        return [cell]
    places = [0, *(m.start() for m in _HEADING.finditer(text) if m.start()), len(text)]
    return [cell | {"source": text[a:b]} for a, b in pairwise(places)]


def _first_heading(cell):
    found = _HEADING.match(source(cell)) if cell["cell_type"] == "markdown" else None
    return found[1] if found else None


def _joined(cells):
    """Pieces of one text cell are one cell again: no id comes twice."""
    whole = []
    for cell in cells:
        if whole and whole[-1]["id"] == cell["id"]:
            whole[-1] = cell | {"source": source(whole[-1]) + source(cell)}
        else:
            whole.append(cell)
    return whole


def _moved(cell):
    """A text whose links fit the folder of a path."""
    if cell["cell_type"] != "markdown":
        return cell
    text = _BESIDE.sub("](../../notebooks/", _OF_THE_WHOLE.sub("", source(cell)).strip("\n"))
    return cell | {"source": text.replace("](../exercises/", "](../../exercises/")}


def _text(id, *paragraphs):
    text = "\n\n".join(filter(None, paragraphs))
    return {"cell_type": "markdown", "id": id, "metadata": {}, "source": text}


def _head(section, lesson, needed):
    folded = "The next cell is folded: it does again what this part needs of the lesson."
    return _text(
        "section-head",
        f"# {section.number} · {section.title}",
        f"About {section.minutes} minutes. This is a part of "
        f"[lesson {section.lesson}](../../notebooks/{lesson}). {section.skipped}",
        f"{folded} Run it first." if needed else "",
    )


def _before(needed):
    if not needed:
        return []
    # Its prints and pictures belong to the part that is not shown; an error is shown.
    text = "\n\n".join(["%%capture\n# what came before in the lesson", *needed])
    folded = {"jupyter": {"source_hidden": True}, "tags": ["before"]}
    return [_code_cell("section-before", text, **folded)]


def _foot(part):
    """The tasks, and a cell that notes that the part is done and says what is next."""
    todo = "\n".join(f"* {_task_link(task)}" for task in part.tasks)
    solve = f"Solve this in the exercise:\n\n{todo}" if todo else ""
    run = f"When you have finished, run this cell. Back to the [list of this path]({START})."
    return _text("section-foot", "## What is next", solve, run), _walk_cell(part.path, part.number)


def _walk_cell(name, done=None):
    given = f'"{name}"' if done is None else f'"{name}", done={done}'
    return _code_cell("path-walk", f"from x3dhlab.classroom.walk import walk\n\nwalk({given})")


def _code_cell(id, text, **metadata):
    cell = {"cell_type": "code", "id": id, "metadata": metadata, "source": text}
    return cell | {"execution_count": None, "outputs": []}


def _task_link(task):
    file = _home_of(task)[0]
    for cell in _read(root() / file)["cells"]:
        if cell["cell_type"] == "markdown" and f"`{task}`" in source(cell):
            return f"[`{task}`](../../{file}#cell-id={cell['id']})"
    return f"[`{task}`](../../{file})"


def asked(part: Section) -> frozenset[str]:
    """The names of the predictions and questions in a section."""
    own = [cell for cell in section(part)["cells"] if cell["id"] != "section-before"]
    return frozenset(name for cell in own for name in _ASKED.findall(source(cell)))


def path_files(name: str) -> dict[str, bytes]:
    """Path in the workspace → content, for a path: its list, and its sections without outputs."""
    way = path(name)
    folder = f"{PATHS}/{way.name}"
    made = {s.file: to_bytes(without_outputs(section(s))) for s in way.sections}
    made[START] = to_bytes(_start(way))
    return {f"{folder}/{file}": content for file, content in made.items()}


def _start(way):
    """The list of a path as text, and the cell that shows what of it is done."""
    lines = [
        f"| {s.number} | [{s.title}]({s.file}) | {s.minutes} | {' '.join(map(_code, s.tasks))}"
        f" | {s.skipped} |"
        for s in way.sections
    ]
    taught = sum(section.minutes for section in way.sections)
    about = (
        f"{len(way.sections)} parts, {taught} minutes; with opening, breaks and closing "
        f"{way.used} of {way.minutes}. {way.skipped}"
    )
    table = "\n".join(["| | part | minutes | tasks | left out |", "|---|---|---|---|---|", *lines])
    first = f"[lesson 00](../../notebooks/{lessons()[0].file})"
    cells = [
        _text("path-head", f"# {way.title}", about, "What is next, and what is done:"),
        _walk_cell(way.name),
        _text("path-list", "Run the cell again when you come back.", table),
        _text("path-more", f"Every part stands alone. The whole course begins with {first}."),
    ]
    return {"cells": cells, "metadata": METADATA, "nbformat": 4, "nbformat_minor": 5}


def _code(text):
    return f"`{text}`"


# What a workspace receives


def course_files() -> dict[str, bytes]:
    """Path in the workspace → content, for everything that `prepare` installs."""
    found = {"README.txt": _readme().encode()}
    for folder in INSTALLED:
        for path in sorted((root() / folder).rglob("*")):
            name = path.relative_to(root())
            if path.is_file() and not any(part.startswith(".") for part in name.parts):
                found[name.as_posix()] = _for_learners(path)
    return found


def _for_learners(path):
    if path.suffix != ".ipynb":
        return path.read_bytes()
    return to_bytes(without_outputs(_read(path)))


def without_outputs(notebook: dict) -> dict:
    """The same notebook with no output in it, so that no prediction is spoiled."""
    cells = [
        cell | {"outputs": [], "execution_count": None} if cell["cell_type"] == "code" else cell
        for cell in notebook["cells"]
    ]
    return notebook | {"cells": cells}


def to_bytes(notebook: dict) -> bytes:
    """A notebook as Jupyter itself writes it: indent 1, UTF-8, one newline at the end."""
    return (json.dumps(notebook, indent=1, ensure_ascii=False, sort_keys=True) + "\n").encode()


def fingerprint(name: str, content: bytes) -> str:
    """SHA-256 of what a person can change: of a notebook its cells' text, not its outputs."""
    if name.endswith(".ipynb"):
        with contextlib.suppress(ValueError, KeyError, TypeError):
            cells = [[cell["cell_type"], source(cell)] for cell in json.loads(content)["cells"]]
            content = json.dumps(cells).encode()
    return hashlib.sha256(content).hexdigest()


def _readme():
    first = lessons()[0] if lessons() else None
    start = f"notebooks/{first.file}" if first else "notebooks/"
    return (
        "This folder is your workspace for the x3dhlab course.\n\n"
        f"Start with        {start}\n"
        "Open the course   x3dhlab lab\n"
        "What is done      x3dhlab status\n"
        "Grade an answer   x3dhlab grade exercises/NAME.ipynb\n"
        "Begin a task anew x3dhlab reset TASK\n"
        "Newer lessons     x3dhlab update (your answers stay as they are)\n\n"
        "notebooks/ has the lessons, exercises/ has what you fill in. Your predictions and\n"
        "results are in .x3dhlab/progress.jsonl. Nothing is sent anywhere, unless you join\n"
        "a workshop's room with --room; what it is told then, x3dhlab lab --help says.\n"
        "To remove everything, delete this folder.\n"
    )


# The workspace


@dataclass(slots=True)
class Changes:
    """What a run did, by path: `offered` maps a changed file to the new version beside it."""

    new: list[str] = field(default_factory=list)
    renewed: list[str] = field(default_factory=list)
    kept: list[str] = field(default_factory=list)
    offered: dict[str, str] = field(default_factory=dict)
    retired: list[str] = field(default_factory=list)
    waiting: list[str] = field(default_factory=list)


def default_folder() -> Path:
    """The workspace around the current folder, else `x3dh-course` in it."""
    here = Path.cwd()
    for folder in (here, *here.parents):
        if _manifest_file(folder).is_file():
            return folder
    return here / DEFAULT_FOLDER


def existing(folder: Path) -> Path:
    """The folder, absolute, if it is a workspace; else `CourseProblem`."""
    folder = Path(folder).expanduser().absolute()
    if not _manifest_file(folder).is_file():
        raise CourseProblem(
            f"There is no workspace in {folder}. Make one with: x3dhlab lab {folder}"
        )
    return folder


def prepare(folder: Path) -> Changes:
    """Create the workspace, or add to it what is missing; change no file that is there.

    Raises `CourseProblem` when the folder cannot be written.
    """
    folder = Path(folder).expanduser().absolute()
    with _writing_in(folder):
        folder.mkdir(parents=True, exist_ok=True)
        manifest, changes = _load_manifest(folder), Changes()
        for name, content in course_files().items():
            if not (folder / name).exists():
                _install(folder, manifest, name, content)
                changes.new.append(name)
            elif manifest["files"].get(name) != fingerprint(name, content):
                changes.waiting.append(name)
            else:
                changes.kept.append(name)
        _save_manifest(folder, manifest)
        _progress_file(folder).touch()
    return changes


def update(folder: Path) -> Changes:
    """Renew what the learner left alone. A changed file stays, and where the course changed it
    too, the new version is put beside it as `NAME.new.ipynb`."""
    folder = existing(folder)
    with _writing_in(folder):
        manifest, changes = _load_manifest(folder), Changes()
        wanted = course_files() | _path_files_in(manifest)
        for name, content in wanted.items():
            _update_one(folder, manifest, changes, name, content)
        gone = [name for name in manifest["files"] if name not in wanted]
        changes.retired = [name for name in gone if (folder / name).exists()]
        _save_manifest(folder, manifest)
    return changes


def _path_files_in(manifest):
    """The files of the paths that this workspace has."""
    begun = {name.split("/")[1] for name in manifest["files"] if name.startswith(f"{PATHS}/")}
    known = begun & {way.name for way in paths()} if begun else ()
    return {name: content for way in known for name, content in path_files(way).items()}


def prepare_path(folder: Path, name: str, shown: dict[str, str]) -> str:
    """Write the notebooks of a path into a workspace, or renew them, as `update` does.

    `shown` is what the list's cell shows, by kind of content: it stands there before any kernel
    runs. Returns the list's path in the workspace.
    """
    folder, files = existing(folder), path_files(name)
    start = f"{PATHS}/{name}/{START}"
    with _writing_in(folder):
        manifest = _load_manifest(folder)
        for file, content in files.items():
            _update_one(folder, manifest, Changes(), file, content)
        if fingerprint(start, (folder / start).read_bytes()) == manifest["files"].get(start):
            _write(folder / start, _with_output(files[start], "path-walk", shown))
        _save_manifest(folder, manifest)
    return start


def _with_output(content, id, shown):
    notebook = json.loads(content)
    (cell,) = [cell for cell in notebook["cells"] if cell["id"] == id]
    output = {"output_type": "execute_result", "metadata": {}, "data": shown}
    cell |= {"outputs": [output | {"execution_count": 1}], "execution_count": 1}
    return to_bytes(notebook)


def _update_one(folder, manifest, changes, name, content):
    path = folder / name
    if not path.exists():
        _install(folder, manifest, name, content)
        changes.new.append(name)
        return
    before, after = manifest["files"].get(name), fingerprint(name, content)
    now = fingerprint(name, path.read_bytes())
    if now == after:
        manifest["files"][name] = after
    elif now == before:
        _install(folder, manifest, name, content)
        changes.renewed.append(name)
    elif before == after:
        changes.kept.append(name)
    else:
        changes.offered[name] = _offer(folder, manifest, name, content)
        manifest["files"][name] = after


def _offer(folder, manifest, name, content):
    """Write the new version beside the learner's, over no file that a learner may have changed."""
    stem, dot, suffix = name.rpartition(".")
    for number in range(1, 1000):
        beside = f"{stem}.new{number if number > 1 else ''}{dot}{suffix}"
        path = folder / beside
        ours = manifest["offered"].get(beside)
        if not path.exists() or fingerprint(beside, path.read_bytes()) == ours:
            _write(path, content)
            manifest["offered"][beside] = fingerprint(beside, content)
            return beside
    raise CourseProblem(f"There are too many new versions beside {name}: please delete some.")


def differing(folder: Path) -> dict[str, str]:
    """The learner's files that have a newer version beside them → that version, the latest."""
    folder, found = existing(folder), {}
    for beside in sorted(_load_manifest(folder)["offered"]):
        name = re.sub(r"\.new\d*(?=\.\w+$)", "", beside)
        if (folder / name).exists() and (folder / beside).exists():
            found[name] = beside
    return found


def difference(folder: Path, name: str, beside: str) -> str:
    """A unified diff of what a person can read: cells of a notebook, lines of another file."""
    mine, theirs = (_readable(Path(folder) / part) for part in (name, beside))
    lines = difflib.unified_diff(mine, theirs, f"yours: {name}", f"new: {beside}", lineterm="")
    return "".join(f"{line}\n" for line in lines)


def _readable(path):
    text = path.read_text(encoding="utf-8", errors="replace")
    if path.suffix == ".ipynb":
        with contextlib.suppress(ValueError, KeyError, TypeError):
            cells = [(cell["cell_type"], source(cell)) for cell in json.loads(text)["cells"]]
            text = "\n".join(f"# [{kind}]\n{body}\n" for kind, body in cells)
    return text.splitlines()


def _install(folder, manifest, name, content):
    _write(folder / name, content)
    manifest["files"][name] = fingerprint(name, content)


def _write(path, content):
    """All of it or nothing: a full disk must not leave half a notebook."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.draft")
    draft.write_bytes(content)
    os.replace(draft, path)


def _hidden(folder):
    return folder / progress.FOLDER


def _manifest_file(folder):
    return _hidden(folder) / "manifest.json"


def _progress_file(folder):
    return _hidden(folder) / progress.FILE


def _load_manifest(folder):
    """A damaged manifest counts as none: then every file there counts as changed, and stays."""
    try:
        found = json.loads(_manifest_file(folder).read_text(encoding="utf-8"))
        return {"files": dict(found["files"]), "offered": dict(found["offered"])}
    except (FileNotFoundError, ValueError, KeyError, TypeError):
        return {"files": {}, "offered": {}}


def _save_manifest(folder, manifest):
    content = {"version": __version__, **manifest}
    _write(_manifest_file(folder), (json.dumps(content, indent=1) + "\n").encode())


@contextlib.contextmanager
def _writing_in(folder) -> Iterator[None]:
    try:
        yield
    except (FileExistsError, NotADirectoryError) as problem:
        raise CourseProblem(
            f"{problem.filename or folder} is a file, not a folder. Please choose another folder."
        ) from problem
    except PermissionError as problem:
        raise CourseProblem(
            f"You may not write in {problem.filename or folder}. Please choose another folder."
        ) from problem
    except OSError as problem:
        raise CourseProblem(f"Cannot write in {folder}: {problem.strerror}.") from problem


# A hunt


def write_hunt(seed: int, path: Path) -> Path:
    """Write the notebook of a hunt. Raises `CourseProblem` where a file is already."""
    from x3dhlab.grading import deals

    cells = [
        cell | {"source": source(cell).splitlines(keepends=True)}
        for cell in deals.notebook_cells(seed)
    ]
    notebook = {"cells": cells, "metadata": METADATA, "nbformat": 4, "nbformat_minor": 5}
    path = Path(path)
    if path.suffix != ".ipynb":
        raise CourseProblem(f"{path} would be no notebook. Choose a name that ends in .ipynb.")
    with _writing_in(path.parent):
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with path.open("xb") as stream:
                stream.write(to_bytes(notebook))
        except FileExistsError as problem:
            raise CourseProblem(
                f"{path} is there already, perhaps with answers. Choose another name with --out."
            ) from problem
    return path


# One task


def reset(task: str, folder: Path) -> tuple[str, Path]:
    """Put a task's cells back to the stub. Returns (notebook, file with the old text)."""
    folder = existing(folder)
    name, function, others = _home_of(task)
    path = folder / name
    if not path.exists():
        raise CourseProblem(f"{name} is missing. To have it again: x3dhlab update {folder}")
    mine, stubs = _read_learners(path), _cells_defining(_read(root() / name), [function])
    old = _put_back(mine, stubs, function, others)
    with _writing_in(folder):
        backup = _free_name(folder / "backup", task)
        _write(backup, "\n\n\n".join(old).encode() + b"\n")
        _write(path, to_bytes(without_outputs(mine)))
        _release(folder, task)
    return name, backup


def _release(folder, task):
    """A stub can be earned again."""
    with progress_of(folder):
        if progress.last("prepared", task) is True:
            progress.record("prepared", task, False)


def put_answer(task: str, folder: Path, answer: str) -> bool:
    """Write the course's answer over a stub. False, and nothing written, where no stub is left.

    The task then counts as prepared, until `reset`.
    """
    folder = existing(folder)
    name, function, _ = _home_of(task)
    (stub,) = _cells_defining(_read(root() / name), [function])
    mine = _read_learners(folder / name)
    cells = _cells_defining(mine, [function])
    if [source(cell) for cell in cells] != [source(stub)] or source(stub) == answer:
        return False
    cells[0].update(source=f"{PREPARED}\n{answer}", outputs=[], execution_count=None)
    with _writing_in(folder):
        _write(folder / name, to_bytes(mine))
        with progress_of(folder):
            progress.record("prepared", task, True)
    return True


def answer_of(task: str) -> str:
    """The code of a task's cell in the solution, without the marks of what learners write."""
    name, function, _ = _home_of(task)
    solution = _read(root() / name.replace("exercises/", "solutions/"))
    (cell,) = _cells_defining(solution, [function])
    return _MARK.sub("", source(cell)).strip("\n")


def _home_of(task):
    """(exercise, function, the functions of the other tasks there)."""
    known = []
    for path in sorted((root() / "exercises").glob("*.ipynb")):
        tasks = tasks_of(_read(path))
        known += tasks
        if task in tasks:
            others = [name for other, name in tasks.items() if other != task]
            return f"exercises/{path.name}", tasks[task], others
    raise CourseProblem(f"No task is called {task}. The tasks are: {', '.join(known)}.")


def _read_learners(path):
    try:
        notebook = _read(path)
        texts = [source(cell) + cell["cell_type"] for cell in notebook["cells"]]
        return notebook if texts else notebook | {"cells": []}
    except (ValueError, KeyError, TypeError) as problem:
        raise CourseProblem(
            f"{path} is not a readable notebook. Rename it, then run: x3dhlab update"
        ) from problem


def _cells_defining(notebook, functions):
    code = [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]
    return [cell for cell in code if any(_defines(source(cell), name) for name in functions)]


def _defines(text, function):
    return re.search(rf"^(async\s+)?def\s+{re.escape(function)}\b", text, re.MULTILINE)


def _put_back(notebook, stubs, function, others):
    """Replace every cell that defines the function or has a stub's id; return the old texts.

    A cell that also answers another task keeps that answer.
    """
    ids, cells, old, place = {stub.get("id") for stub in stubs}, [], [], None
    for cell in notebook["cells"]:
        text = source(cell)
        if cell.get("id") not in ids and not _defines(text, function):
            cells.append(cell)
            continue
        old.append(text)
        if any(_defines(text, other) for other in others):
            rest = _without(text, function)
            cells.append(cell | {"source": rest, "id": secrets.token_hex(4)})
        place = len(cells)
    place = len(cells) if place is None else place
    notebook["cells"] = cells[:place] + stubs + cells[place:]
    return old


def _without(text, function):
    """The text of a cell without its definitions of this function; unchanged if it is no Python."""
    try:
        tree = ast.parse(text)
    except SyntaxError:
        return text
    lines = text.splitlines()
    for node in reversed(tree.body):
        if getattr(node, "name", None) == function:
            first = min([node.lineno, *(d.lineno for d in node.decorator_list)])
            del lines[first - 1 : node.end_lineno]
    return "\n".join(lines).strip("\n")


def _free_name(folder, task):
    number = 1
    while (folder / f"{task}.{number}.py").exists():
        number += 1
    return folder / f"{task}.{number}.py"


@dataclass(frozen=True, slots=True)
class Standing:
    """Where a learner is in one lesson: the tasks that passed, and whether anything was done.

    `predictions` and `questions` are (answered, asked), `sittings` (complete, of the lesson).
    `wrong` counts the questions that were answered and never right: who was right may look
    at the other answers. `prepared` are tasks that the course has answered: no merit of the
    learner, and nothing to do.
    """

    lesson: Lesson
    passed: tuple[str, ...]
    begun: bool
    predictions: tuple[int, int] = (0, 0)
    questions: tuple[int, int] = (0, 0)
    sittings: tuple[int, int] = (0, 1)
    wrong: int = 0
    prepared: tuple[str, ...] = ()

    @property
    def open(self) -> tuple[str, ...]:
        """The tasks that are still to do."""
        done = {*self.passed, *self.prepared}
        return tuple(task for task in self.lesson.tasks if task not in done)


def standing(folder: Path | None) -> list[Standing]:
    """Every lesson with what the progress file of this workspace says about it.

    None asks for the progress that the running program sees, in a workspace or not.
    """
    if folder is None:
        return _standings(progress.entries())
    with progress_of(folder):
        return _standings(progress.entries())


def progress_of(folder: Path) -> contextlib.AbstractContextManager:
    """While it is open, the progress file is that of this workspace. Raises `CourseProblem`."""
    return _variable(progress.VARIABLE, str(_progress_file(existing(folder))))


def _standings(entries):
    passed, prepared = earned(entries)
    done = {kind: {e.name for e in entries if e.kind == kind} for kind in progress.KINDS}
    judged = [e for e in entries if e.kind == "answer" and isinstance(e.value, dict)]
    right = {e.name for e in judged if e.value.get("correct")}
    wrong = {e.name for e in judged if e.value.get("correct") is False} - right
    found = []
    for lesson in lessons():
        predictions, questions = _asked(lesson.number)
        answered = done["prediction"] | done["answer"]
        complete = sum(asked <= answered for asked in lesson.sittings)
        names = {lesson.name, lesson.file, *lesson.tasks, *predictions, *questions}
        found.append(
            Standing(
                lesson,
                tuple(task for task in lesson.tasks if task in passed),
                any(names & did for kind, did in done.items() if kind != "prepared"),
                (len(predictions & done["prediction"]), len(predictions)),
                (len(questions & done["answer"]), len(questions)),
                (complete, len(lesson.sittings)),
                len(questions & wrong),
                tuple(task for task in lesson.tasks if task in prepared),
            )
        )
    return found


def earned(entries: list[progress.Entry]) -> tuple[set[str], set[str]]:
    """(the tasks that the learner has passed, those that stand prepared).

    While an answer stands prepared, a check of it earns nothing.
    """
    passed, prepared = set(), set()
    for entry in entries:
        if entry.kind == "prepared":
            (prepared.add if entry.value is True else prepared.discard)(entry.name)
        elif entry.kind == "task" and _is_pass(entry.value) and entry.name not in prepared:
            passed.add(entry.name)
    return passed, prepared - passed


def _asked(number):
    """The names of a lesson's predictions, and of its other questions."""
    file = Path(__file__).parent / "questions" / f"{number}.toml"
    tables = tomllib.loads(file.read_text(encoding="utf-8")) if file.is_file() else {}
    names = {f"{number}.{name}": table["kind"] for name, table in tables.items()}
    predictions = {name for name, kind in names.items() if kind == "prediction"}
    return predictions, names.keys() - predictions


def _is_pass(value):
    return value is True or (isinstance(value, dict) and value.get("passed") is True)


@contextlib.contextmanager
def _variable(name, value):
    before = os.environ.get(name)
    os.environ[name] = value
    try:
        yield
    finally:
        os.environ.pop(name)
        if before is not None:
            os.environ[name] = before


# JupyterLab


def lab(
    folder: Path,
    *,
    browser: bool = True,
    port: int | None = None,
    ready: Callable[[Path], str] | None = None,
) -> None:
    """Prepare the workspace and serve it until Ctrl+C.

    `ready` is called when the workspace is there; it returns the file that is opened first.
    Raises `CourseProblem` when the folder cannot be written or the port is taken.
    """
    folder = Path(folder).expanduser().absolute()
    if port is not None:
        _expect_free(port)
    changes = prepare(folder)
    with _writing_in(folder):
        write_settings(folder)
    first = ready(folder) if ready else f"notebooks/{lessons()[0].file}"
    if changes.waiting:
        _say(f"Some files have a newer version. To have them: x3dhlab update {folder}")
    _say("Starting JupyterLab ...")
    os.environ.update(environment(folder))
    os.environ.pop("JUPYTER_PATH", None)
    os.environ.pop("JUPYTER_CONFIG_PATH", None)
    _serve(folder, _arguments(folder, browser, port, first))
    _say(f"Stopped. Your work is in {folder}")


def _say(text):
    print(text, flush=True)


def environment(folder: Path) -> dict[str, str]:
    """The variables that keep what Jupyter and other tools write inside the workspace, and what
    lessons ask on this machine."""
    hidden = _hidden(Path(folder).absolute())
    return {
        progress.VARIABLE: str(hidden / progress.FILE),
        "JUPYTER_CONFIG_DIR": str(hidden / "jupyter" / "config"),
        "JUPYTER_DATA_DIR": str(hidden / "jupyter" / "data"),
        "JUPYTER_RUNTIME_DIR": str(hidden / "jupyter" / "runtime"),
        "JUPYTERLAB_SETTINGS_DIR": str(hidden / "jupyter" / "settings"),
        "JUPYTERLAB_WORKSPACES_DIR": str(hidden / "jupyter" / "workspaces"),
        "IPYTHONDIR": str(hidden / "ipython"),
        "MPLCONFIGDIR": str(hidden / "matplotlib"),
        "HYPOTHESIS_STORAGE_DIRECTORY": str(hidden / "hypothesis"),
        # The kernel written by `write_settings` comes before any other of the same name.
        "JUPYTER_PREFER_ENV_PATH": "0",
        # What lessons serve on this machine is asked directly, whatever proxy is set.
        "NO_PROXY": _direct(),
        "no_proxy": _direct(),
        "JUPYTER_TOKEN": os.environ.get("JUPYTER_TOKEN") or secrets.token_hex(24),
    }


def _direct():
    before = os.environ.get("no_proxy") or os.environ.get("NO_PROXY") or ""
    if before == "*":  # all hosts; as a part of a list it would mean none
        return before
    return ",".join([*filter(None, [before]), "localhost", "127.0.0.1", "::1"])


def write_settings(folder: Path) -> None:
    """The kernel of this very interpreter, and no question about news from the network.

    `folder` is a workspace. Raises OSError when it cannot be written.
    """
    jupyter = _hidden(folder) / "jupyter"
    kernel = {
        "argv": [
            *(sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"),
            "--IPKernelApp.log_level=ERROR",
        ],
        "display_name": "Python 3 (ipykernel)",
        "language": "python",
        "metadata": {"debugger": True},
        "env": {"XDG_CACHE_HOME": str(_hidden(folder) / "cache")},
    }
    _write_json(jupyter / "data" / "kernels" / "python3" / "kernel.json", kernel)
    news = jupyter / "settings" / "@jupyterlab" / "apputils-extension"
    news = news / "notification.jupyterlab-settings"
    if not news.exists():
        _write_json(news, {"fetchNews": "false", "checkForUpdates": False})


def _write_json(path, value):
    _write(path, (json.dumps(value, indent=1) + "\n").encode())


def _arguments(folder, browser, port, first=""):
    arguments = [
        *server_arguments(folder),
        f"--LabApp.default_url=/lab/tree/{first}",
        f"--ServerApp.port={port or FIRST_PORT}",
        f"--ServerApp.port_retries={0 if port else 50}",
        "--ServerApp.answer_yes=True",
        "--ServerApp.log_level=ERROR",
        "--LabApp.log_level=ERROR",
    ]
    if not browser:
        arguments.append("--no-browser")
    if hasattr(os, "geteuid") and os.geteuid() == 0:
        arguments.append("--allow-root")
    return arguments


def server_arguments(folder: Path) -> list[str]:
    """What every Jupyter server of a workspace is told, here and behind a hub."""
    return [
        f"--ServerApp.root_dir={folder}",
        # Looking for language servers would run npm, which writes into the home folder.
        "--LanguageServerManager.autodetect=False",
        f"--FileContentsManager.pre_save_hook={__name__}.{keep_still_pictures.__name__}",
    ]


def keep_still_pictures(model: dict, **_) -> None:
    """Before a notebook is saved: an output that has a still picture loses its live view.

    The live view needs the kernel that made it. Opened on another day, JupyterLab would show an
    error in its place instead of the picture. Raises nothing.
    """
    content = model.get("content") if model.get("type") == "notebook" else None
    for cell in (content or {}).get("cells", ()):
        for output in cell.get("outputs", ()):
            if "text/html" in output.get("data", ()):
                output["data"].pop("application/vnd.jupyter.widget-view+json", None)


def _serve(folder, arguments):
    from jupyterlab.labapp import LabApp

    stopped = threading.Event()
    telling = threading.Thread(target=_tell_address, args=(folder, stopped), daemon=True)
    telling.start()
    try:
        LabApp.launch_instance(arguments)
    finally:
        stopped.set()
        telling.join()


def _tell_address(folder, stopped):
    """Wait for the file in which the running server names its address, then say it."""
    file = _hidden(folder) / "jupyter" / "runtime" / f"jpserver-{os.getpid()}.json"
    while not stopped.wait(0.1):
        with contextlib.suppress(OSError, ValueError, KeyError):
            server = json.loads(file.read_text(encoding="utf-8"))
            _say("The course is open. If no browser appears, open this address in one:")
            _say(f"\n    {server['url']}?token={server['token']}\n")
            _say(f"Your work is kept in {folder}\nTo stop: Ctrl+C in this window.")
            return


def _expect_free(port):
    with contextlib.closing(socket.socket()) as probe:
        if os.name == "posix":
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("localhost", port))
        except OSError as problem:
            why = "not yours to use" if problem.errno == errno.EACCES else "busy"
            raise CourseProblem(
                f"Port {port} is {why}. Choose another one, or leave out --port."
            ) from problem
