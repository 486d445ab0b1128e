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
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from x3dhlab import __version__, progress
from x3dhlab.errors import Refused

DEFAULT_FOLDER = "x3dh-course"
INSTALLED = ("notebooks", "exercises")
FIRST_PORT = 8888

_NUMBERED = re.compile(r"(\d\d)_(\w+)\.ipynb")
_ASKED = re.compile(
    r"""^(?:Predict|Quiz|Order|Match|FreeAnswer)\(["']([\w.-]+)["']""", re.MULTILINE
)
_STOP = re.compile(r"^## Stop here", re.MULTILINE)
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
        manifest, changes, wanted = _load_manifest(folder), Changes(), course_files()
        for name, content in wanted.items():
            _update_one(folder, manifest, changes, name, content)
        gone = [name for name in manifest["files"] if name not in wanted]
        changes.retired = [name for name in gone if (folder / name).exists()]
        _save_manifest(folder, manifest)
    return changes


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
    return name, backup


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
    at the other answers.
    """

    lesson: Lesson
    passed: tuple[str, ...]
    begun: bool
    predictions: tuple[int, int] = (0, 0)
    questions: tuple[int, int] = (0, 0)
    sittings: tuple[int, int] = (0, 1)
    wrong: int = 0

    @property
    def open(self) -> tuple[str, ...]:
        """The tasks that are still to do."""
        return tuple(task for task in self.lesson.tasks if task not in self.passed)


def standing(folder: Path | None) -> list[Standing]:
    """Every lesson with what the progress file of this workspace says about it.

    None asks for the progress that the running program sees, in a workspace or not.
    """
    if folder is None:
        return _standings(progress.entries())
    folder = existing(folder)
    with _variable(progress.VARIABLE, str(_progress_file(folder))):
        return _standings(progress.entries())


def _standings(entries):
    passed = {e.name for e in entries if e.kind == "task" and _is_pass(e.value)}
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
                bool(names & set().union(*done.values())),
                (len(predictions & done["prediction"]), len(predictions)),
                (len(questions & done["answer"]), len(questions)),
                (complete, len(lesson.sittings)),
                len(questions & wrong),
            )
        )
    return found


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


def lab(folder: Path, *, browser: bool = True, port: int | None = None) -> None:
    """Prepare the workspace and serve it until Ctrl+C.

    Raises `CourseProblem` when the folder cannot be written or the port is taken.
    """
    folder = Path(folder).expanduser().absolute()
    if port is not None:
        _expect_free(port)
    changes = prepare(folder)
    with _writing_in(folder):
        _write_settings(folder)
    if changes.waiting:
        _say(f"Some files have a newer version. To have them: x3dhlab update {folder}")
    _say("Starting JupyterLab ...")
    os.environ.update(environment(folder))
    os.environ.pop("JUPYTER_PATH", None)
    os.environ.pop("JUPYTER_CONFIG_PATH", None)
    _serve(folder, _arguments(folder, browser, port))
    _say(f"Stopped. Your work is in {folder}")


def _say(text):
    print(text, flush=True)


def environment(folder: Path) -> dict[str, str]:
    """The variables that keep what Jupyter and other tools write inside the workspace."""
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
        # The kernel written by `_write_settings` comes before any other of the same name.
        "JUPYTER_PREFER_ENV_PATH": "0",
        "JUPYTER_TOKEN": os.environ.get("JUPYTER_TOKEN") or secrets.token_hex(24),
    }


def _write_settings(folder):
    """The kernel of this very interpreter, and no question about news from the network."""
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


def _arguments(folder, browser, port):
    first = lessons()[0].file
    arguments = [
        f"--ServerApp.root_dir={folder}",
        f"--LabApp.default_url=/lab/tree/notebooks/{first}",
        f"--ServerApp.port={port or FIRST_PORT}",
        f"--ServerApp.port_retries={0 if port else 50}",
        "--ServerApp.answer_yes=True",
        # Looking for language servers would run npm, which writes into the home folder.
        "--LanguageServerManager.autodetect=False",
        f"--FileContentsManager.pre_save_hook={__name__}.{keep_still_pictures.__name__}",
        "--ServerApp.log_level=ERROR",
        "--LabApp.log_level=ERROR",
    ]
    if not browser:
        arguments.append("--no-browser")
    if hasattr(os, "geteuid") and os.geteuid() == 0:
        arguments.append("--allow-root")
    return arguments


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
