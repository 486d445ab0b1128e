"""Reads submissions out of a zip archive, in memory: nothing is ever unpacked to the disk.

So a name like `../../x` can overwrite nothing. It is refused all the same, as are links, encrypted
or oddly compressed members, and archives that are too large, too full, or say one name twice.
"""

import io
import stat
import zipfile
import zlib
from collections import Counter
from collections.abc import Iterator
from pathlib import PurePosixPath

from x3dhlab.grading.reader import LIMIT

WANTED = (".ipynb", ".py")
MEMBERS = 20_000  # of one archive; a class of 2,000 with ten files each
INNER_MEMBERS = 1_000  # of an archive in an archive: one learner's
INNER_SIZE = 32 * 2**20  # bytes, compressed
INNER_TOTAL = 64 * 2**20  # bytes, expanded: of all notebooks of one learner
RATIO = 200  # deflate reaches 1,032 on zeros; notebooks with pictures stay below 20

_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
_ENTRY = b"PK\x01\x02"


class ArchiveError(Exception):
    """The archive or a member cannot be used. `args[0]` says why."""


def members(source, name: str = "", inner: bool = False) -> Iterator[tuple[str, object]]:
    """(name, bytes) for each notebook or script, (name, `ArchiveError`) for each refused one.

    `source` is a path, or the bytes of an archive in an archive.
    """
    try:
        _expect_few_entries(source, INNER_MEMBERS if inner else MEMBERS)
        with zipfile.ZipFile(io.BytesIO(source) if inner else source) as archive:
            yield from _read_all(archive, name, inner)
    except ArchiveError as problem:
        yield name, problem
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError, zlib.error) as problem:
        yield name, ArchiveError(f"the archive cannot be read ({type(problem).__name__})")


def _expect_few_entries(source, limit):
    """Count before `zipfile` makes an object of each entry of a hostile directory."""
    count = source.count(_ENTRY) if isinstance(source, bytes) else _count_in_file(source)
    if count > limit:
        raise ArchiveError(f"the archive has more than {limit} members")


def _count_in_file(path):
    count, rest = 0, b""
    with open(path, "rb") as stream:
        while block := stream.read(2**20):
            count += (rest + block).count(_ENTRY)
            rest = block[-3:]
    return count


def _read_all(archive, name, inner):
    infos = [info for info in archive.infolist() if not info.is_dir()]
    twice = {key for key, count in Counter(info.filename for info in infos).items() if count > 1}
    total = 0
    for info in sorted(infos, key=lambda info: info.filename):
        label = f"{name}/{info.filename}" if name else info.filename
        if not _is_wanted(info.filename, inner):
            continue
        try:
            if info.filename in twice:
                raise ArchiveError("the archive has two members of this name")
            data = _read(archive, info)
        except ArchiveError as problem:
            yield label, problem
            continue
        except (zipfile.BadZipFile, OSError, EOFError, zlib.error, RuntimeError) as problem:
            yield label, ArchiveError(f"cannot be unpacked ({type(problem).__name__})")
            continue
        total += len(data)
        if inner and total > INNER_TOTAL:
            raise ArchiveError(f"the archive holds more than {INNER_TOTAL // 2**20} MiB")
        if info.filename.lower().endswith(".zip"):
            yield from members(data, label, inner=True)
        else:
            yield label, data


def _is_wanted(name, inner):
    path = PurePosixPath(name)
    if "__MACOSX" in path.parts or ".ipynb_checkpoints" in path.parts:
        return False
    return path.suffix.lower() in (WANTED if inner else (*WANTED, ".zip"))


def _read(archive, info):
    """The bytes of a member. The size in the directory may be a lie, so reading is limited too."""
    limit = INNER_SIZE if info.filename.lower().endswith(".zip") else LIMIT
    _expect_plain(info)
    if info.file_size > limit:
        raise ArchiveError(f"the file is larger than {limit // 2**20} MiB")
    if info.file_size > 2**20 and info.file_size > RATIO * max(1, info.compress_size):
        raise ArchiveError("the file is compressed too well to be a notebook")
    with archive.open(info) as stream:
        data = stream.read(limit + 1)
    if len(data) > limit:
        raise ArchiveError(f"the file is larger than {limit // 2**20} MiB")
    return data


def _expect_plain(info):
    path = PurePosixPath(info.filename.replace("\\", "/"))
    if path.is_absolute() or ".." in path.parts or ":" in path.parts[0]:
        raise ArchiveError("the name leads out of the archive")
    kind = stat.S_IFMT(info.external_attr >> 16)
    if kind not in (0, stat.S_IFREG):
        raise ArchiveError("it is a link or a special file, not a file")
    if info.flag_bits & 0x1:
        raise ArchiveError("it is encrypted")
    if info.compress_type not in _METHODS:
        raise ArchiveError("it is compressed in an unusual way")
