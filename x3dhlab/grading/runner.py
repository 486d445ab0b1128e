"""Starts the untrusted worker, with the strongest isolation there is, and collects its facts.

The worker gets a scratch folder with copies of the modules that the tasks allow, and nothing else
of the package. What it says is believed about the learner's function only; a verdict is never
taken from it. The means of isolation is named in the result.
"""

import base64
import contextlib
import importlib.util
import json
import os
import queue
import re
import shutil
import signal
import subprocess
import sys
import sysconfig
import tempfile
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path

from x3dhlab.grading import plain
from x3dhlab.grading.task import Case, Task

MEANS = ("bubblewrap", "landlock", "none")
NAMES = {
    "bubblewrap": "bubblewrap with seccomp",
    "landlock": "Landlock with seccomp",
    "none": "none (a plain process with limits)",
}
OUTPUT_LIMIT = 4 * 2**20  # bytes of all facts of one worker
PREFIX = "x3dhlab-"  # of the folder of a worker, which its command line names
START_SECONDS = 20  # a cold disk, not the learner's time
END_SECONDS = 10  # for many processes to end, on a busy machine

_HERE = Path(__file__).parent
_PACKAGE = _HERE.parent
_CARRIED = ("worker.py", "confine.py", "plain.py", "reader.py", "sequence.py")
_LIBRARIES = {
    "primitives": ("nacl", "cryptography", "cffi", "_cffi_backend", "pycparser"),
    "kem": ("kyber_py",),
}
_REFUSAL = (
    "Nothing here can isolate the code of a submission. Install bubblewrap (`apt install "
    "bubblewrap`), or give --allow-unisolated to grade your own work."
)
_works: dict[str, bool] = {}


class IsolationError(Exception):
    """No means of isolation works here. `args[0]` says what to do."""


@dataclass(frozen=True, slots=True)
class Submission:
    """What a learner hands in: the bytes of a file, or cells as (place, text) pairs."""

    name: str
    data: bytes = b""
    cells: tuple | None = None

    def request(self) -> dict:
        """The part of the worker's request that holds the learner's text."""
        if self.cells is not None:
            return {"cells": [list(cell) for cell in self.cells]}
        return {"name": self.name, "data": base64.b64encode(self.data).decode()}


@dataclass(slots=True)
class Answers:
    """What the worker said of one task: a state, and one outcome a case while they lasted."""

    state: dict = field(default_factory=dict)
    outcomes: dict = field(default_factory=dict)


@dataclass(slots=True)
class Run:
    """Everything that one or more workers said about a submission."""

    means: str
    answers: dict
    unreadable: str = ""


def run(
    submission: Submission, jobs: dict[str, tuple[Task, list[Case]]], *, seconds, allow_unisolated
) -> Run:
    """Run every case of every task. A task whose worker was lost does not cost the others.

    Raises `IsolationError`.
    """
    means, facts = _isolated(submission, jobs, seconds, allow_unisolated)
    result = Run(means, {name: Answers() for name in jobs})
    finished = _sort(facts, result)
    if finished or result.unreadable or len(jobs) == 1:
        return result
    for name, (task, cases) in jobs.items():
        if _complete(result.answers[name], cases):
            continue
        result.answers[name] = Answers()
        alone = {name: (task, cases)}
        _sort(_isolated(submission, alone, seconds, allow_unisolated)[1], result)
    return result


def _complete(answers, cases):
    return answers.state.get("state") not in (None, "defined") or len(answers.outcomes) == len(
        cases
    )


def _sort(facts, result):
    """File the facts by task; True if the worker came to its end."""
    finished = False
    for number, fact in enumerate(facts):
        task = fact.get("task")
        if number == 0 and type(fact.get("unreadable")) is str:  # later, learner code could say it
            result.unreadable = fact["unreadable"][:200]
        finished = finished or fact.get("finished") is True
        if type(task) is str and task in result.answers:
            _file(fact, result.answers[task])
    return finished


def _file(fact, answers):
    """Keep the first outcome of a case; a state may change from "defined" to "unbuilt" only."""
    if type(fact.get("state")) is str:
        if fact["state"] == "unbuilt" or not answers.state:
            answers.state = _short(fact)
    elif type(fact.get("case")) is int:
        raised = fact.get("raised")
        if type(raised) is dict:
            fact["raised"] = _short(raised)
        answers.outcomes.setdefault(fact["case"], fact)


def _short(fact, depth=2):
    """Texts and line numbers of a fact, nothing long and nothing nested deeply."""
    kept = {}
    for key, value in fact.items():
        if type(value) is str:
            long = "state" in fact and key in ("text", "names")
            kept[key] = value[: 8000 if long else 300]
        elif type(value) is dict and depth:
            kept[key] = _short(value, depth - 1)
        elif type(value) is int and 0 <= value < 10**7:
            kept[key] = value
    return kept


def _isolated(submission, jobs, seconds, allow_unisolated):
    """Try the means from the strongest on; a worker that does not say "ready" is not at fault."""
    means = [name for name in MEANS if _works.get(name, _may_work(name))]
    if not allow_unisolated:
        means = [name for name in means if name != "none"]
    for name in means:
        ready, facts = _work(name, submission, jobs, seconds)
        _works[name] = _works.get(name) or ready
        if ready:
            return name, facts
    raise IsolationError(_REFUSAL)


def _may_work(name):
    return name == "none" or (
        sys.platform.startswith("linux") and (name != "bubblewrap" or bool(shutil.which("bwrap")))
    )


def _work(means, submission, jobs, seconds):
    """One worker from start to end: (did it say "ready", facts)."""
    with tempfile.TemporaryDirectory(prefix=PREFIX, ignore_cleanup_errors=True) as folder:
        room = Path(folder)
        libraries = _furnish(room, jobs)
        inside = "/room" if means == "bubblewrap" else str(room)
        request = {
            **submission.request(),
            "means": means,
            "paths": [f"{inside}/own", f"{inside}/libraries", *_unlinked(room, libraries)],
            "folder": "/scratch" if means == "bubblewrap" else str(room / "scratch"),
            "modules": sorted(
                f"x3dhlab.{name}" for task, _ in jobs.values() for name in task.modules
            ),
            "readable": _readable(room, libraries),
            "seconds": seconds,
            "cpu_seconds": int(seconds * (len(jobs) + 1)) + 2,
            "tasks": [_task_request(task, cases) for task, cases in jobs.values()],
        }
        command = _command(means, room, libraries)
        return _converse(command, room, json.dumps(request).encode(), seconds * (len(jobs) + 1))


def _task_request(task, cases):
    return {"id": task.id, "function": task.function, "cases": [_inputs(case) for case in cases]}


def _inputs(case):
    """What the worker learns of a case: arguments, or a first state and the steps."""
    if not case.steps:
        return [plain.encode(item) for item in case.arguments]
    steps = [[step.again, [plain.encode(item) for item in step.arguments]] for step in case.steps]
    return {"state": plain.encode(case.arguments[0]), "steps": steps}


def _furnish(room, jobs):
    """Copy what the worker needs to know, link the libraries, and return their real paths."""
    own, links = room / "own", room / "libraries"
    for folder in (own / "x3dhlab", links, room / "scratch"):
        folder.mkdir(parents=True)
    for name in _CARRIED:
        _copy_module(_HERE / name, own)
    allowed = {name for task, _ in jobs.values() for name in task.modules}
    needed = _with_needed(allowed)
    for name in sorted(needed):
        _copy_module(_PACKAGE / f"{name}.py", own / "x3dhlab")
    (own / "x3dhlab" / "__init__.py").write_text('"""What an answer may use of the package."""\n')
    libraries = _libraries(needed)
    for path in libraries:
        with contextlib.suppress(OSError):  # Windows: `paths` of the request name the folders
            (links / path.name).symlink_to(path)
    return libraries


def _copy_module(path, folder):
    """Copy a module with its compiled form, if there is one: compiling takes 30 ms."""
    shutil.copy2(path, folder)
    compiled = importlib.util.cache_from_source(str(path))
    if os.path.exists(compiled):
        (folder / "__pycache__").mkdir(exist_ok=True)
        shutil.copyfile(compiled, folder / "__pycache__" / os.path.basename(compiled))


def _unlinked(room, libraries):
    return sorted({str(p.parent) for p in libraries if not (room / "libraries" / p.name).exists()})


def _with_needed(names):
    """The modules and all modules of the package that they import."""
    needed, waiting = set(), list(names)
    while waiting:
        name = waiting.pop()
        if name not in needed:
            needed.add(name)
            text = (_PACKAGE / f"{name}.py").read_text(encoding="utf-8")
            waiting += re.findall(r"^\s*from x3dhlab\.(\w+) import", text, re.MULTILINE)
            for names in re.findall(r"^\s*from x3dhlab import ([\w, ]+)", text, re.MULTILINE):
                waiting += [each.split()[0] for each in names.split(",")]
    return needed


def _libraries(modules):
    found = {}
    for name in {item for module in modules for item in _LIBRARIES.get(module, ())}:
        spec = importlib.util.find_spec(name)
        if spec is None:
            continue
        path = Path(spec.origin)
        path = path.parent if path.name == "__init__.py" else path
        found[path.name] = path.resolve()
        bundled = path.parent / f"{name}.libs"
        if bundled.is_dir():
            found[bundled.name] = bundled
    return list(found.values())


def _python():
    """The interpreter itself, not the launcher of a virtual environment."""
    return os.path.realpath(getattr(sys, "_base_executable", None) or sys.executable)


def _system_paths():
    """What Python itself needs to start, without any site-packages."""
    paths = [_python(), "/usr/lib", "/lib", "/lib64", "/usr/lib64", "/etc/ld.so.cache"]
    library = Path(sysconfig.get_config_var("LIBDIR") or "/nowhere")
    paths += [str(path) for path in library.glob("libpython3*.so*")]
    return [path for path in paths if os.path.exists(path)]


def _standard_library():
    return sorted({sysconfig.get_path("stdlib"), sysconfig.get_path("platstdlib")} - _venv_paths())


def _venv_paths():
    # In a virtual environment, "platstdlib" is the environment's own and holds site-packages only.
    return {sysconfig.get_path("platstdlib")} if sys.prefix != sys.base_prefix else set()


def _readable(room, libraries):
    """Paths for Landlock, which can only add: every part of the library but site-packages."""
    parts = [
        str(part)
        for folder in _standard_library()
        for part in Path(folder).iterdir()
        if part.name not in ("site-packages", "dist-packages")
    ]
    devices = ("/dev/null", "/dev/urandom")
    return [str(room), *map(str, libraries), *parts, *_system_paths(), *devices]


def _command(means, room, libraries):
    inside = "/room" if means == "bubblewrap" else str(room)
    start = [_python(), "-I", "-S", "-B", "-X", "utf8", f"{inside}/own/worker.py", room.name]
    if means != "bubblewrap":
        return start
    command = [shutil.which("bwrap"), "--unshare-all", "--die-with-parent", "--new-session"]
    command += ["--clearenv", "--cap-drop", "ALL", "--dev", "/dev"]
    for path in (*_system_paths(), *_standard_library()):
        command += ["--ro-bind", path, path]
    for folder in _standard_library():
        for name in ("site-packages", "dist-packages"):
            if (Path(folder) / name).is_dir():
                command += ["--tmpfs", f"{folder}/{name}"]
    if os.path.isdir("/usr/lib/python3/dist-packages"):
        command += ["--tmpfs", "/usr/lib/python3/dist-packages"]
    command += ["--ro-bind", f"{room}/own", "/room/own"]
    for path in libraries:
        command += ["--ro-bind", str(path), f"/room/libraries/{path.name}"]
    command += ["--size", str(2**20), "--tmpfs", "/scratch", "--remount-ro", "/"]
    return [*command, *start]


def _converse(command, room, request, seconds):
    """Send the request, read lines until the end or the limit, and leave no process behind."""
    process = subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        cwd=room / "scratch",
        env={"LC_ALL": "C.UTF-8", **_windows_environment()},
        start_new_session=True,
    )
    try:
        with process.stdin as pipe:
            pipe.write(request)
    except OSError:  # the sandbox did not start; the missing "ready" says so
        pass
    blocks = queue.Queue(maxsize=16)
    # A thread, because Windows cannot wait for a pipe.
    threading.Thread(target=_pump, args=(process.stdout, blocks), daemon=True).start()
    try:
        facts = list(_facts(_lines(blocks, seconds)))
    finally:
        _end(process)
        _drain(blocks)
    ready = bool(facts) and "ready" in facts[0]
    return ready, facts[1:]


def _windows_environment():
    return {"SYSTEMROOT": os.environ["SYSTEMROOT"]} if "SYSTEMROOT" in os.environ else {}


def _lines(blocks, seconds):
    """Lines until end of file, `OUTPUT_LIMIT` or the deadline, which "ready" moves once."""
    deadline = time.monotonic() + START_SECONDS
    started, size, rest = False, 0, b""
    while size < OUTPUT_LIMIT:
        try:
            block = blocks.get(timeout=max(0.0, deadline - time.monotonic()))
        except queue.Empty:
            return
        if not block:
            blocks.put(b"")  # for `_drain`
            return
        size += len(block)
        *lines, rest = (rest + block).split(b"\n")
        if lines and not started:
            started, deadline = True, time.monotonic() + seconds
        yield from lines
        if time.monotonic() > deadline:
            return


def _drain(blocks):
    """Wait until the pipe has no writer left: then every process of the sandbox is gone."""
    with contextlib.suppress(queue.Empty):
        while blocks.get(timeout=END_SECONDS):
            pass


def _pump(stream, blocks):
    """Put blocks of the pipe into the queue, an empty one at the end; stop when nobody reads."""
    with stream:
        block = b"-"
        while block:
            block = os.read(stream.fileno(), 65_536)
            try:
                blocks.put(block, timeout=1)
            except queue.Full:
                return


def _facts(lines):
    """The lines that are JSON objects; the rest is noise that learner code made."""
    for line in lines:
        try:
            fact = json.loads(line)
        except (ValueError, RecursionError):
            continue
        if type(fact) is dict:
            yield fact


def _end(process):
    if hasattr(os, "killpg"):
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
    process.kill()
    process.wait()
