"""What a learner has predicted, answered and passed: one file in the workspace.

The file is never sent. A workshop's page is told a few words about new entries, on request.

The file has one JSON object a line and only grows, so two notebooks that write at once lose
nothing and an interrupted write costs one line. Where there is no workspace, everything stays in
memory. Standard library only.
"""

import json
import os
import time
from dataclasses import dataclass
from pathlib import Path

FOLDER = ".x3dhlab"
FILE = "progress.jsonl"
VARIABLE = "X3DHLAB_PROGRESS"

# A draft is a prediction before it is locked: it counts for nothing. A task is prepared while the
# course's own answer stands in the exercise: value True, and False when it is reset.
KINDS = ("prediction", "draft", "answer", "task", "visit", "prepared")

_memory: list["Entry"] = []


@dataclass(frozen=True, slots=True)
class Entry:
    """One thing that happened: `kind` is one of `KINDS`, `value` anything that JSON can hold."""

    kind: str
    name: str
    value: object
    at: int


def path() -> Path | None:
    """The progress file: `$X3DHLAB_PROGRESS`, or that of the workspace around the current folder.

    None outside any workspace.
    """
    named = os.environ.get(VARIABLE)
    if named:
        return Path(named)
    return around(Path.cwd())


def around(place: Path) -> Path | None:
    """The progress file of the workspace that a folder or file lies in, or None."""
    place = place.absolute()
    for folder in (place, *place.parents):
        if (folder / FOLDER).is_dir():
            return folder / FOLDER / FILE
    return None


def record(kind: str, name: str, value, *, file: Path | None = None) -> None:
    """Add an entry, to `file` if another one than `path()` is meant.

    Raises `ValueError` for an unknown kind. A full disk or read-only file raises `OSError`,
    because an answer that is silently lost is worse than an error.
    """
    if kind not in KINDS:
        raise ValueError(f"kind must be one of {', '.join(KINDS)}")
    entry = Entry(kind, name, value, int(time.time()))
    file = file or path()
    if file is None:
        _memory.append(entry)
        return
    file.parent.mkdir(parents=True, exist_ok=True)
    line = json.dumps({"kind": kind, "name": name, "value": value, "at": entry.at})
    with file.open("a+b") as stream:
        # An interrupted write has no end of line; the next entry must not be glued to it.
        glue = b"\n" if _ends_inside_a_line(stream) else b""
        stream.write(glue + line.encode() + b"\n")


def _ends_inside_a_line(stream):
    if stream.seek(0, os.SEEK_END) == 0:
        return False
    stream.seek(-1, os.SEEK_END)
    return stream.read(1) != b"\n"


def entries() -> list[Entry]:
    """Everything so far, oldest first. A damaged line is left out; the others count."""
    file = path()
    if file is None:
        return list(_memory)
    if not file.exists():
        return []
    found = []
    for line in file.read_text(encoding="utf-8", errors="replace").splitlines():
        try:
            fields = json.loads(line)
            found.append(Entry(fields["kind"], fields["name"], fields["value"], fields["at"]))
        except (ValueError, KeyError, TypeError):
            continue
    return found


def first(kind: str, name: str):
    """The first value recorded under this name (a locked prediction), or None."""
    return next((e.value for e in entries() if (e.kind, e.name) == (kind, name)), None)


def last(kind: str, name: str):
    """The latest value recorded under this name, or None."""
    return next((e.value for e in reversed(entries()) if (e.kind, e.name) == (kind, name)), None)
