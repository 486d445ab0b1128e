"""Is this machine ready for the course, and what to do if not: `x3dhlab doctor`."""

import contextlib
import importlib.metadata
import json
import os
import platform
import shutil
import socket
import sys
import tempfile
import webbrowser
from dataclasses import dataclass

from x3dhlab import __version__, course, kem
from x3dhlab.grading import runner

GOOD, OPTIONAL, LIMIT, MISSING = "good", "optional", "limit", "MISSING"
READY, LIMITED, NOT_READY = "ready", "ready with limits", "not ready"

SCHEMA = 1  # of the JSON: a later version may add keys, never remove or rename one
LIBRARIES = ("jupyterlab", "anywidget", "matplotlib", "cryptography", "pynacl", "sqlalchemy")
LIBOQS_VERSION = "0.16.0"  # the one that liboqs-python of the constraints file asks for
LEAST_SPACE = 100 * 10**6  # bytes: a workspace with its pictures takes about 10 MB
ENOUGH_SPACE = 10**9  # bytes: an unpacked bundle with its environment takes about 560 MB
PORTS = range(course.FIRST_PORT, course.FIRST_PORT + 51)  # those that `x3dhlab lab` may take
BROWSERS = (
    *("firefox", "chromium", "chromium-browser", "google-chrome", "google-chrome-stable"),
    *("microsoft-edge", "brave-browser", "vivaldi", "opera", "epiphany", "konqueror", "falkon"),
)


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the report: `mark` is GOOD, OPTIONAL, LIMIT or MISSING, `cure` one line to type.

    `place` is a path on this machine. It is shown here and never leaves it.
    """

    mark: str
    key: str
    name: str
    what: str
    cure: str = ""
    place: str = ""


def examine() -> list[Finding]:
    """Every finding, the necessary things first."""
    machine = [_python(), _disk(), _folder(), _port(), _browser(), _isolation()]
    return [*machine, *map(_library, LIBRARIES), *_kems(), _liboqs()]


def verdict(findings: list[Finding]) -> str:
    """READY, LIMITED or NOT_READY. What is optional limits nothing."""
    marks = {finding.mark for finding in findings}
    if MISSING in marks:
        return NOT_READY
    return LIMITED if LIMIT in marks else READY


def as_text(findings: list[Finding]) -> str:
    """The report for a person, the verdict at its end."""
    lines = []
    for finding in findings:
        place = f"  ({finding.place})" if finding.place else ""
        lines.append(f"{finding.mark:<8}  {finding.name:<16}  {finding.what}{place}")
        lines += [f"{'':<28}to do: {finding.cure}"] if finding.cure else []
    return "\n".join([*lines, "", f"This machine is {verdict(findings)}."])


def as_json(findings: list[Finding]) -> str:
    """For who prepares a class: no name of a person or machine, and no path."""
    by_key = {
        finding.key: {
            "state": finding.mark.lower(),
            "found": finding.what,
            "remedy": finding.cure.replace(f'"{sys.executable}"', "python"),
        }
        for finding in findings
    }
    about = {
        "schema": SCHEMA,
        "x3dhlab": __version__,
        "verdict": verdict(findings),
        "system": platform.system(),
        "machine": platform.machine(),
        "python": platform.python_version(),
        "findings": by_key,
    }
    return json.dumps(about, indent=2)


def _python():
    found, bits = platform.python_version(), 64 if sys.maxsize > 2**32 else 32
    what, place = f"{found}, {bits} bits", sys.executable
    if sys.version_info < (3, 11) or bits < 64:
        cure = "install Python 3.11 or newer, with 64 bits"
        return Finding(MISSING, "python", "Python", what, cure, place)
    return Finding(GOOD, "python", "Python", what, place=place)


def _disk():
    place = _nearest()
    free = shutil.disk_usage(place).free
    enough = GOOD if free >= ENOUGH_SPACE else LIMIT if free >= LEAST_SPACE else MISSING
    cure = "" if enough == GOOD else f"free some space: {ENOUGH_SPACE // 10**6} MB are enough"
    return Finding(enough, "disk", "disk space", f"{free // 10**6} MB free", cure, str(place))


def _nearest():
    """The workspace that `x3dhlab lab` would take here, or the folder that will hold it."""
    folder = course.default_folder()
    return next(place for place in (folder, *folder.parents) if place.is_dir())


def _folder():
    place = _nearest()
    try:
        with tempfile.NamedTemporaryFile(dir=place):
            return Finding(GOOD, "folder", "workspace folder", "writable", place=str(place))
    except OSError as problem:
        what, cure = (
            f"not writable: {problem.strerror}",
            "x3dhlab lab FOLDER, in which you may write",
        )
        return Finding(MISSING, "folder", "workspace folder", what, cure, str(place))


def _port():
    port = next(filter(_is_free, PORTS), None)
    if port is None:
        what = f"none free from {PORTS[0]} to {PORTS[-1]}"
        return Finding(MISSING, "port", "port", what, "stop other servers, or x3dhlab lab --port N")
    return Finding(GOOD, "port", "port", f"{port} is free")


def _is_free(port):
    with contextlib.closing(socket.socket()) as probe:
        try:
            probe.bind(("localhost", port))
        except OSError:
            return False
    return True


def _browser():
    """Any browser with windows; a text browser cannot show JupyterLab."""
    place = next(filter(None, map(shutil.which, BROWSERS)), "")
    if place:
        return Finding(GOOD, "browser", "browser", os.path.basename(place), place=place)
    if sys.platform in ("darwin", "win32"):
        with contextlib.suppress(webbrowser.Error):
            webbrowser.get()
            return Finding(GOOD, "browser", "browser", "the system's own")
    cure = "install Firefox, or open the address that x3dhlab lab prints on another screen"
    return Finding(LIMIT, "browser", "browser", "none found", cure)


def _isolation():
    """Starts the process that grading would use, with nothing to judge."""
    nothing = runner.Submission("nothing.py")
    try:
        means = runner.run(nothing, {}, seconds=1, allow_unisolated=False).means
    except runner.IsolationError:
        what = "none: your own answers run, and nobody else's should"
        return Finding(LIMIT, "isolation", "isolation", what, _isolation_cure())
    return Finding(GOOD, "isolation", "isolation", runner.NAMES[means])


def _isolation_cure():
    if not sys.platform.startswith("linux"):
        return "grade other people's answers on Linux"
    if shutil.which("bwrap"):  # here, and not allowed to make namespaces: Ubuntu 24.04
        return "sudo sysctl -w kernel.apparmor_restrict_unprivileged_userns=0"
    return "sudo apt-get install -y bubblewrap"


def _library(name):
    try:
        return Finding(GOOD, name, name, importlib.metadata.version(name))
    except importlib.metadata.PackageNotFoundError:
        return Finding(MISSING, name, name, "not installed", _pip(name))


def _pip(name):
    return f'"{sys.executable}" -m pip install {name}'


def _kems():
    found = {}
    for algorithm, backend in kem.available():
        found.setdefault(algorithm, []).append(backend)
    for algorithm in kem.SIZES:
        backends = found.get(algorithm)
        if backends:
            yield Finding(GOOD, algorithm.lower(), algorithm, "over " + ", ".join(backends))
        else:
            what, cure = "no library here has it", _pip("kyber-py")
            yield Finding(MISSING, algorithm.lower(), algorithm, what, cure)


def _liboqs():
    """Looks only: importing liboqs-python without the native library would download and build."""
    place = kem.find_liboqs()
    if place:
        return Finding(GOOD, "liboqs", "liboqs", "found", place=place)
    what = "not found; the course works without it"
    return Finding(OPTIONAL, "liboqs", "liboqs", what, " && ".join(liboqs_recipe()))


def liboqs_recipe(system: str = sys.platform) -> tuple[str, ...]:
    """The commands that add the native library on this kind of machine."""
    if system == "darwin":
        return ("brew install liboqs",)
    home = r"%USERPROFILE%\_oqs" if system == "win32" else "$HOME/_oqs"
    source = "https://github.com/open-quantum-safe/liboqs"
    tools = ("sudo apt-get install -y git cmake gcc make libssl-dev",)
    return (
        *(tools if shutil.which("apt-get") else ()),  # elsewhere: git, cmake and a C compiler
        f"git clone --depth 1 --branch {LIBOQS_VERSION} {source}",
        "cmake -S liboqs -B liboqs/build -DBUILD_SHARED_LIBS=ON -DOQS_BUILD_ONLY_LIB=ON "
        f'-DCMAKE_INSTALL_PREFIX="{home}"',
        "cmake --build liboqs/build --parallel 2",
        "cmake --install liboqs/build",
    )
