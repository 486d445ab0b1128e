"""Finds submissions in files, folders and archives, and says whose they are.

Links are never followed: one in a submission could point to a solution or to a neighbour's work.
"""

import os
import re
import stat
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from x3dhlab.grading import archive
from x3dhlab.grading.reader import LIMIT

_OF_COURSE = re.compile(r"\d\d_")
_PASSED_OVER = {".ipynb_checkpoints", "__MACOSX", ".git", ".x3dhlab", ".venv"}
_SOLUTIONS = "solutions"
_NO_NAMES = {"/", ".", "..", "exercises"}


@dataclass(frozen=True, slots=True)
class Item:
    """One submission: its bytes, or the sentence that says why there are none.

    `beside` marks a script that nobody named: without an answer in it, it is no submission.
    """

    name: str
    learner: str
    data: bytes = b""
    problem: str = ""
    beside: bool = False


class FileError(Exception):
    """A file cannot be graded. `args[0]` says why."""


def read(path: Path) -> bytes:
    """The bytes of one regular file of at most `LIMIT` bytes. Raises `FileError`."""
    if path.suffix.lower() not in archive.WANTED:
        raise FileError("only .ipynb and .py files are graded")
    flags = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
    flags |= getattr(os, "O_BINARY", 0)
    try:
        _expect_no_link(path)
        with os.fdopen(os.open(path, flags), "rb") as stream:
            if not stat.S_ISREG(os.fstat(stream.fileno()).st_mode):
                raise FileError("it is not a file")
            data = stream.read(LIMIT + 1)
    except OSError as problem:
        raise FileError(f"cannot be read ({problem.strerror})") from problem
    if len(data) > LIMIT:
        raise FileError(f"the file is larger than {LIMIT // 2**20} MiB")
    return data


def _expect_no_link(path):
    """No link itself, and no way through a linked folder into the answers of a course."""
    if path.is_symlink():
        raise FileError("it is a link, not a file")
    real = Path(os.path.realpath(path))
    if _SOLUTIONS in real.parts and _SOLUTIONS not in path.absolute().parts:
        raise FileError("a link leads to the solutions")


def items(paths: Iterable) -> Iterator[Item]:
    """Every submission in files, folders and archives, one after the other, in a fixed order."""
    for path in map(Path, paths):
        if path.is_dir():
            yield from _of_folder(path)
        elif path.suffix.lower() == ".zip":
            yield from _of_archive(path, str(path), archive.members(path))
        else:
            yield _of_file(path, _learner_of_file(path))


def _of_file(path, learner, beside=False):
    try:
        return Item(str(path), learner, read(path), beside=beside)
    except FileError as problem:
        return Item(str(path), learner, problem=str(problem))


def _of_folder(folder):
    found = sorted(_walk(folder))
    names = _without_common([path.relative_to(folder).parts for path in found])
    for path, parts in zip(found, names, strict=True):
        if path.suffix.lower() == ".zip":
            yield from _archive_in_folder(path, learner_of(parts))
        else:
            yield _of_file(path, learner_of(parts), beside=path.suffix.lower() == ".py")


def _walk(folder):
    """Notebooks, scripts and archives."""
    for place, folders, files in os.walk(folder):
        folders[:] = [name for name in folders if name not in _PASSED_OVER]
        yield from (Path(place, name) for name in files if name.lower().endswith(_KINDS))


_KINDS = (*archive.WANTED, ".zip")


def _archive_in_folder(path, learner):
    """One learner's archive among others'."""
    if path.is_symlink() or not path.is_file():
        yield Item(str(path), learner, problem="it is a link or a special file, not a file")
        return
    if path.stat().st_size > archive.INNER_SIZE:
        too_large = f"the archive is larger than {archive.INNER_SIZE // 2**20} MiB"
        yield Item(str(path), learner, problem=too_large)
        return
    data = path.read_bytes()
    for name, content in archive.members(data, str(path), inner=True):
        yield _item(name, learner, content)


def _of_archive(path, label, members):
    """A class's archive. Its names are needed before its bytes, to see whose each file is."""
    names = [name for name, _ in archive.members(path)] if path.is_file() else []
    whose = dict(zip(names, _without_common([_parts(name) for name in names]), strict=True))
    for name, content in members:
        learner = learner_of(whose.get(name) or (path.name,))
        yield _item(f"{label}/{name}" if name else label, learner, content)


def _parts(name):
    return PurePosixPath(name.replace("\\", "/")).parts


def _item(name, learner, content):
    if isinstance(content, bytes):
        return Item(name, learner, content, beside=name.lower().endswith(".py"))
    return Item(name, learner, problem=str(content))


def _without_common(names):
    """Without the folder in which everything lies, unless it is what tells learners apart."""
    while names and all(len(parts) > 1 and parts[0] == names[0][0] for parts in names):
        rest = [parts[1:] for parts in names]
        if any(len(parts) == 1 and _OF_COURSE.match(parts[0]) for parts in rest):
            return names
        names = rest
    return names


def learner_of(parts: tuple) -> str:
    """Whose file this is: the first folder of its path in the class, else the file's own name.

    >>> learner_of(("alice", "04_lesson.ipynb")), learner_of(("bob.ipynb",))
    ('alice', 'bob')
    """
    folders = [part for part in parts[:-1] if part not in _NO_NAMES and not _OF_COURSE.match(part)]
    return folders[0] if folders else PurePosixPath(parts[-1]).stem


def _learner_of_file(path):
    """Of a file that was named: its own name says nothing when it is the course's."""
    if not _OF_COURSE.match(path.name):
        return path.stem
    folders = [part for part in path.absolute().parts[:-1] if part not in _NO_NAMES]
    return folders[-1] if folders else path.stem
