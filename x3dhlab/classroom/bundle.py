"""A bundle: one archive from which the course opens with no network (`x3dhlab bundle`).

It holds the wheels of the course and of what it needs, at the versions of `constraints.txt`, a
list of them with their hashes for each target, and the start scripts. pip fetches one wheel at a
time; the dependencies' markers are judged here, for the target, because pip judges them for the
machine that it runs on. Complete wheels stay in a folder of the user's cache with their SHA-256, so
an interrupted run goes on where it was.
"""

import contextlib
import email.parser
import functools
import hashlib
import importlib.util
import io
import os
import re
import subprocess
import sys
import tarfile
import tempfile
import threading
import time
import zipfile
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import platformdirs
from packaging import tags, utils
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet

from x3dhlab import course
from x3dhlab.classroom import start
from x3dhlab.course import CourseProblem

LIMIT = 400 * 10**6  # bytes of an archive: what thirty laptops can copy from one USB stick
AT_A_TIME = 4  # pip mostly waits
SCRIPTS = Path(__file__).parent / "scripts"
COURSE, INSTALLER = "x3dhlab", "pip"

_SUM = re.compile(r"^([0-9a-f]{64})  (\S+\.whl)$", re.MULTILINE)
_OFFLINE = re.compile(r"Retrying \(|Could not fetch URL|timed out", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Platform:
    """A kind of machine: `names` are pip's, best first; the rest is what markers ask about."""

    names: tuple[str, ...]
    os_name: str
    platform_system: str
    sys_platform: str
    platform_machine: str
    tested: bool = False


def _linux(machine, tested=False):
    """glibc 2.28 of 2018 and newer: Debian 10, Ubuntu 18.10, Fedora 29."""
    new = [f"manylinux_2_{minor}_{machine}" for minor in range(28, 4, -1)]
    old = [f"manylinux{name}_{machine}" for name in ("2014", "2010", "1")]
    return Platform((*new, *old), "posix", "Linux", "linux", machine, tested)


def _macos(machine):
    """macOS 11 of 2020 and newer."""
    names = tuple(tags.mac_platforms((11, 0), machine))
    return Platform(names, "posix", "Darwin", "darwin", machine)


PLATFORMS = {
    "linux-x86_64": _linux("x86_64", tested=True),
    "linux-aarch64": _linux("aarch64"),
    "macos-arm64": _macos("arm64"),
    "macos-x86_64": _macos("x86_64"),
    "windows-amd64": Platform(("win_amd64",), "nt", "Windows", "win32", "AMD64"),
}


@dataclass(frozen=True, slots=True)
class Target:
    """A kind of machine with a version of Python, as `3.12`. Raises `CourseProblem`."""

    platform: str
    python: str

    def __post_init__(self):
        if self.platform not in PLATFORMS:
            raise CourseProblem(
                f"No bundle is made for {self.platform}. Choose from: {', '.join(PLATFORMS)}."
            )
        match = re.fullmatch(r"3\.(\d\d?)", self.python)
        if not match or (3, int(match[1])) < start.OLDEST:
            raise CourseProblem(f"Python must be given as 3.11 or newer, not as {self.python}.")

    def __str__(self):
        return f"{self.platform}-py{self.python}"

    @property
    def version(self) -> tuple[int, int]:
        """The version of Python as numbers."""
        return 3, int(self.python[2:])

    @property
    def oldest(self) -> str:
        """The oldest Python of this version: every laptop's must do."""
        return f"{self.python}.0"

    def markers(self) -> dict[str, str]:
        """What the markers of a dependency ask about a machine (PEP 508)."""
        kind = PLATFORMS[self.platform]
        asked = ("os_name", "platform_system", "sys_platform", "platform_machine")
        return {
            **{name: getattr(kind, name) for name in asked},
            "python_version": self.python,
            "python_full_version": self.oldest,
            "implementation_name": "cpython",
            "implementation_version": self.oldest,
            "platform_python_implementation": "CPython",
            "platform_release": "",
            "platform_version": "",
        }

    def options(self) -> list[str]:
        """What tells pip to fetch for this target and not for this machine."""
        names = [part for name in PLATFORMS[self.platform].names for part in ("--platform", name)]
        return [*names, "--implementation", "cp", "--python-version", self.python]


@functools.cache
def takes(target: Target) -> frozenset[tags.Tag]:
    """The tags of wheels that run there; on this machine also those of what is built here."""
    names = PLATFORMS[target.platform].names
    own = tags.cpython_tags(target.version, platforms=names)
    interpreter = f"cp{target.python.replace('.', '')}"
    here = tags.sys_tags() if str(target) == start.here() else ()
    return frozenset((*own, *tags.compatible_tags(target.version, interpreter, names), *here))


def targets(platforms: Iterable[str] = (), pythons: Iterable[str] = ()) -> list[Target]:
    """Every platform with every Python; this machine and this Python where none is named."""
    ours, _, python = start.here().rpartition("-py")
    return [Target(p, v) for v in pythons or (python,) for p in platforms or (ours,)]


class Store:
    """Complete wheels in one folder; the file `SHA256SUMS` says what each one must be."""

    def __init__(self, folder: Path):
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self._sums = folder / "SHA256SUMS"
        self._lock = threading.Lock()
        text = self._sums.read_text(encoding="utf-8") if self._sums.is_file() else ""
        self._known = {file: digest for digest, file in _SUM.findall(text)}

    def find(self, name: str, version: str, target: Target) -> Path | None:
        """A complete wheel of this version that runs on the target. A broken one is deleted."""
        for file in sorted(self._known):
            wheel = utils.parse_wheel_filename(file)
            if (wheel[0], str(wheel[1])) == (name, version) and wheel[3] & takes(target):
                path = self.folder / file
                if path.is_file() and digest(path) == self._known[file]:
                    return path
                path.unlink(missing_ok=True)
        return None

    def add(self, path: Path) -> Path:
        """Take in a complete wheel: first the file, then the line that says so."""
        final = self.folder / path.name
        os.replace(path, final)
        with self._lock:
            self._known[final.name] = digest(final)
            draft = self._sums.with_suffix(".draft")
            draft.write_text("".join(f"{self._known[file]}  {file}\n" for file in self._known))
            os.replace(draft, self._sums)
        return final


def digest(path: Path) -> str:
    """SHA-256 of a file, in hex."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


class NoWheel(CourseProblem):
    """A package that cannot come along: which one, and why."""


@dataclass(slots=True)
class Workbench:
    """What one run shares: pip, the store, the tested versions, and who hears of each wheel."""

    pip: list[str]
    store: Store
    pins: dict[str, str]
    step: object = field(default=lambda known, done: None)

    def wheel(self, name: str, target: Target) -> Path:
        """The tested version for the target, from the store, from pip's index, or built here."""
        version = self.pins.get(name)
        if version is None:
            raise NoWheel(f"{name} has no tested version in constraints.txt")
        found = self.store.find(name, version, target)
        if found:
            return found
        with tempfile.TemporaryDirectory(dir=self.store.folder) as room:
            place = ["--no-deps", f"{name}=={version}", "-d", room]
            fetch = ["download", "--only-binary=:all:", *target.options(), *place]
            if not self._run(fetch):
                return self.store.add(_only(room))
            if self._run(["wheel", "--no-deps", f"{name}=={version}", "-w", room]):
                raise NoWheel(f"{name} {version} has no wheel and cannot be built here")
            built = _only(room)
            if not utils.parse_wheel_filename(built.name)[3] & takes(target):
                raise NoWheel(f"{name} {version} has no wheel and must be built on such a machine")
            if not SpecifierSet(_about(built)["Requires-Python"] or "").contains(target.oldest):
                raise NoWheel(f"{name} {version} has no wheel for every Python {target.python}")
            return self.store.add(built)

    def own(self, root: Path, room: str) -> Path:
        """The wheel of the course itself."""
        if problem := self._run(["wheel", "--no-deps", str(root), "-w", room]):
            raise CourseProblem(f"The course's own wheel cannot be built: {problem}")
        return _only(room)

    def _run(self, arguments):
        """The last line of what pip said if it failed. Raises `CourseProblem` without a network."""
        command = [*self.pip, *arguments, "--quiet", "--no-cache-dir"]
        done = subprocess.run(command, capture_output=True, text=True, stdin=subprocess.DEVNULL)
        if done.returncode and _OFFLINE.search(done.stderr):
            raise CourseProblem(
                "pip cannot reach its index. Complete wheels are kept: give the same command again."
            )
        return done.returncode and (done.stderr.strip() or "no reason given").splitlines()[-1]


def _only(room):
    (path,) = Path(room).glob("*.whl")
    return path


def write(out: Path, wanted: list[Target], *, root: Path | None = None, cache: Path | None = None):
    """Write the archive. Returns the wheels of each target.

    Raises `CourseProblem` when a wheel cannot be had, or the archive would be above `LIMIT`.
    """
    root, suffix = root or course.root(), _suffix(out)
    cache = cache or platformdirs.user_cache_path(COURSE) / "bundle"
    with tempfile.TemporaryDirectory() as room, _bar() as step:
        bench = Workbench(pip(cache), Store(cache / "wheels"), tested(root), step)
        own = bench.own(root, room)
        found = {target: _gather(bench, own, target) for target in wanted}
        _expect_small({path for wheels in found.values() for path in wheels})
        _pack(out, suffix, files(own, found))
    return found


def _suffix(out):
    for suffix in (".zip", ".tar.gz"):
        if out.name.endswith(suffix) and out.name != suffix:
            return suffix
    raise CourseProblem(f"{out.name} is no archive: choose a name that ends in .zip or .tar.gz.")


def tested(root: Path) -> dict[str, str]:
    """Name → tested version. Raises `CourseProblem` outside a clone of the course."""
    try:
        lines = (root / "constraints.txt").read_text(encoding="utf-8").split()
    except FileNotFoundError as problem:
        raise CourseProblem(
            "A bundle is made from a clone of the course: this one was installed without its source"
        ) from problem
    pairs = (line.split("==") for line in lines)
    return {utils.canonicalize_name(name): version for name, version in pairs}


def pip(cache: Path) -> list[str]:
    """pip's command: that of this Python, else one in a small environment in the cache."""
    if importlib.util.find_spec("pip"):
        return [sys.executable, "-m", "pip"]
    command = [str(start.program(cache)), "-m", "pip"]
    try:
        subprocess.run([*command, "--version"], capture_output=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        _make_pip(cache / "venv")
    return command


def _make_pip(folder):
    import venv

    try:
        venv.create(folder, clear=True, with_pip=True, symlinks=os.name != "nt")
    except subprocess.CalledProcessError as problem:
        cure = f'"{sys.executable}" -m ensurepip'
        raise CourseProblem(f"There is no pip here. To add it: {cure}") from problem


def _gather(bench, own, target):
    """Every wheel that the course needs on the target, the course's first."""
    have, asked, wave, missing = {COURSE: own}, set(), {(COURSE, ""), (INSTALLER, "")}, []
    with ThreadPoolExecutor(AT_A_TIME) as pool:
        while wave:
            asked |= wave
            names = sorted({name for name, _ in wave} - have.keys())
            bench.step(len(names), 0)
            for name, result in zip(names, pool.map(_tried(bench, target), names), strict=True):
                missing += [result] if isinstance(result, NoWheel) else []
                have[name] = None if isinstance(result, NoWheel) else result
            needs = (needed(have[name], extra, target) for name, extra in wave if have[name])
            wave = set().union(*needs) - asked
    if missing:
        raise CourseProblem(f"{target}: {'; '.join(str(why) for why in missing)}.")
    return list(have.values())


def _tried(bench, target):
    def attempt(name):
        try:
            return bench.wheel(name, target)
        except NoWheel as problem:
            return problem
        finally:
            bench.step(0, 1)

    return attempt


def needed(wheel: Path, extra: str, target: Target) -> set[tuple[str, str]]:
    """(name, extra) of what a wheel requires on the target when installed with this extra."""
    found = set()
    for requirement in _requirements(wheel):
        marker = requirement.marker
        if marker is None or marker.evaluate({**target.markers(), "extra": extra}):
            name = utils.canonicalize_name(requirement.name)
            found |= {(name, wanted) for wanted in ("", *requirement.extras)}
    return found


@functools.cache
def _requirements(wheel):
    return [Requirement(line) for line in _about(wheel).get_all("Requires-Dist", ())]


def _about(wheel):
    with zipfile.ZipFile(wheel) as archive:
        name = next(n for n in archive.namelist() if n.endswith(".dist-info/METADATA"))
        return email.parser.BytesHeaderParser().parsebytes(archive.read(name))


# The archive


def size(bytes_: int) -> str:
    """A size for people."""
    return f"{bytes_ / 10**6:.0f} MB" if bytes_ >= 10**6 else f"{bytes_ / 1000:.0f} kB"


def largest(wheels: Iterable[Path]) -> str:
    """The five largest wheels with their sizes."""
    first = sorted(wheels, key=lambda path: -path.stat().st_size)[:5]
    return ", ".join(f"{path.name.split('-')[0]} {size(path.stat().st_size)}" for path in first)


def _expect_small(wheels):
    total = sum(path.stat().st_size for path in wheels)
    if total > LIMIT:
        raise CourseProblem(
            f"The wheels have {size(total)}; the limit is {size(LIMIT)}. The largest: "
            f"{largest(wheels)}. Make one bundle for fewer systems, and another for the others."
        )


def files(own: Path, found: dict[Target, list[Path]]) -> dict[str, bytes | Path]:
    """Name in the archive → content, for everything in it."""
    version = str(utils.parse_wheel_filename(own.name)[1])
    names = {"start.sh": "start.sh", "start.command": "start.sh"}
    inside = {name: (SCRIPTS / script).read_bytes() for name, script in names.items()}
    inside["start.bat"] = _for_windows((SCRIPTS / "start.bat").read_text(encoding="utf-8"))
    inside["start.py"] = Path(start.__file__).read_bytes()
    inside["README.txt"] = _for_windows(readme(version, found))
    for target, wheels in found.items():
        inside[f"wheels/{target}.txt"] = _list(wheels)
        inside |= {f"wheels/{path.name}": path for path in wheels}
    return {f"{COURSE}-{version}/{name}": content for name, content in inside.items()}


def _for_windows(text):
    """Line ends that every system's simplest editor, and its command processor, understand."""
    return text.replace("\n", "\r\n").encode()


def readme(version: str, found: Iterable[Target]) -> str:
    """The text for who unpacks the archive: which systems it is for, and which were tested."""
    text = (SCRIPTS / "README.txt").read_text(encoding="utf-8")
    return text.format(version=version, targets="\n".join(f"  {line(t)}" for t in found))


def line(target: Target) -> str:
    """A target with its Python, and whether anybody saw a bundle start there."""
    seen = "tested" if PLATFORMS[target.platform].tested else "NOT TESTED on such a system"
    return f"{target.platform:<15} Python {target.python:<5} {seen}"


def _list(wheels):
    """A requirements file: pip checks each hash again when it installs."""
    lines = []
    for path in wheels:
        name, version, *_ = utils.parse_wheel_filename(path.name)
        lines.append(f"{name}=={version} --hash=sha256:{digest(path)}\n")
    return "".join(sorted(lines)).encode()


def _pack(out, suffix, inside):
    """All of it or nothing: a half archive has another name and is removed."""
    out.parent.mkdir(parents=True, exist_ok=True)
    draft = out.with_name(f".{out.name}.draft")
    try:
        (_zip if suffix == ".zip" else _tar)(draft, inside)
        os.replace(draft, out)
    finally:
        draft.unlink(missing_ok=True)


def _mode(name):
    return 0o755 if name.endswith((".sh", ".command")) else 0o644


def _zip(draft, inside):
    with zipfile.ZipFile(draft, "w") as archive:
        for name, content in inside.items():
            entry = zipfile.ZipInfo(name, time.localtime()[:6])
            entry.create_system, entry.external_attr = 3, (0o100000 | _mode(name)) << 16
            archive.writestr(entry, _bytes(content))


def _tar(draft, inside):
    with tarfile.open(draft, "w:gz", compresslevel=1) as archive:
        for name, content in inside.items():
            data, entry = _bytes(content), tarfile.TarInfo(name)
            entry.size, entry.mode, entry.mtime = len(data), _mode(name), int(time.time())
            archive.addfile(entry, io.BytesIO(data))


def _bytes(content):
    return content.read_bytes() if isinstance(content, Path) else content


@contextlib.contextmanager
def _bar():
    """A progress bar on standard error; nothing at all where that is no terminal."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeElapsedColumn

    console = Console(stderr=True)
    columns = ("Wheels", BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console, disable=not console.is_terminal) as bar:
        task = bar.add_task("", total=0)

        def step(known, done):
            bar.update(task, total=bar.tasks[0].total + known, advance=done)

        yield step
