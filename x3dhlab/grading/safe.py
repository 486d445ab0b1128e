"""Where the trusted side runs: an empty folder, with an import path that no submission is on.

A file `multiprocessing.py` beside a submission must never be imported, neither here nor in the
processes that joblib starts. They take over the folder, the path and the environment of this one.
"""

import contextlib
import os
import sys
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path

_PACKAGE_PARENT = os.path.realpath(Path(__file__).parents[2])


@contextlib.contextmanager
def neutral_place(paths: Iterable[Path]) -> Iterator[Path]:
    """Work in a new empty folder, without import path entries near `paths`; undo it at the end."""
    near = _folders(paths)
    before, old_path, old_environment = os.getcwd(), sys.path[:], dict(os.environ)
    with tempfile.TemporaryDirectory(prefix="x3dhlab-", ignore_cleanup_errors=True) as empty:
        sys.path[:] = [entry for entry in sys.path if is_safe(entry, near)]
        os.environ.update(_environment(near))
        os.chdir(empty)
        try:
            yield Path(empty)
        finally:
            os.chdir(before)
            sys.path[:] = old_path
            for name in ("PYTHONSAFEPATH", "PYTHONPATH"):
                os.environ.pop(name, None)
                if name in old_environment:
                    os.environ[name] = old_environment[name]


def _folders(paths):
    """The folders in which submissions lie, and the current one, which may be a checkout."""
    found = {os.path.realpath(os.getcwd())}
    for path in map(os.path.realpath, paths):
        found.add(path if os.path.isdir(path) else os.path.dirname(path))
    return found


def is_safe(entry: str, near: Iterable[str]) -> bool:
    """False for a relative entry, and for one in the folders `near`, other than our own."""
    if not os.path.isabs(entry):
        return False
    real = Path(os.path.realpath(entry))
    own = {os.path.realpath(place) for place in (sys.prefix, sys.base_prefix)}
    if str(real) == _PACKAGE_PARENT or own & {str(real), *map(str, real.parents)}:
        return True
    return not set(near) & {str(real), *map(str, real.parents)}


def _environment(near):
    entries = os.environ.get("PYTHONPATH", "").split(os.pathsep)
    kept = os.pathsep.join(entry for entry in entries if is_safe(entry, near))
    return {"PYTHONSAFEPATH": "1", "PYTHONPATH": kept}
