"""What is installed on this machine, what is missing, and how to add it: `x3dhlab doctor`."""

import importlib.metadata
import platform
import shutil
import subprocess
import sys
from dataclasses import dataclass

from x3dhlab import kem

GOOD, OPTIONAL, MISSING = "good", "optional", "MISSING"

LIBRARIES = ("jupyterlab", "anywidget", "matplotlib", "cryptography", "pynacl", "sqlalchemy")
LIBOQS_VERSION = "0.16.0"  # the one that liboqs-python of the constraints file asks for


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the report: `mark` is GOOD, OPTIONAL or MISSING, `cure` the way to add it."""

    mark: str
    name: str
    what: str
    cure: tuple[str, ...] = ()


def examine() -> list[Finding]:
    """Every finding, the necessary things first."""
    return [_python(), *map(_library, LIBRARIES), *_kems(), _liboqs(), _sandbox(), _chromium()]


def _python():
    return Finding(GOOD, "Python", f"{platform.python_version()} at {sys.executable}")


def _library(name):
    try:
        return Finding(GOOD, name, importlib.metadata.version(name))
    except importlib.metadata.PackageNotFoundError:
        return Finding(MISSING, name, "not installed", _pip(name))


def _pip(name):
    return (f'"{sys.executable}" -m pip install {name}',)


def _kems():
    found = {}
    for algorithm, backend in kem.available():
        found.setdefault(algorithm, []).append(backend)
    for algorithm in kem.SIZES:
        backends = found.get(algorithm)
        if backends:
            yield Finding(GOOD, algorithm, "over " + ", ".join(backends))
        else:
            yield Finding(MISSING, algorithm, "no library here has it", _pip("kyber-py"))


def _liboqs():
    """Looks only: importing liboqs-python without the native library would download and build."""
    place = kem.find_liboqs()
    if place:
        return Finding(GOOD, "liboqs", place)
    return Finding(
        OPTIONAL, "liboqs", "not found; the course works without it. To add it:", liboqs_recipe()
    )


def liboqs_recipe(system: str = sys.platform) -> tuple[str, ...]:
    """The commands that add the native library on this kind of machine."""
    if system == "darwin":
        return ("brew install liboqs",)
    home = r"%USERPROFILE%\_oqs" if system == "win32" else "$HOME/_oqs"
    source = "https://github.com/open-quantum-safe/liboqs"
    tools = "git, cmake and a C compiler"
    if shutil.which("apt-get"):
        tools = "sudo apt-get install -y git cmake gcc make libssl-dev"
    return (
        f"(needs {tools})" if not tools.startswith("sudo") else tools,
        f"git clone --depth 1 --branch {LIBOQS_VERSION} {source}",
        "cmake -S liboqs -B liboqs/build -DBUILD_SHARED_LIBS=ON -DOQS_BUILD_ONLY_LIB=ON "
        f'-DCMAKE_INSTALL_PREFIX="{home}"',
        "cmake --build liboqs/build --parallel 2",
        "cmake --install liboqs/build",
    )


def _sandbox():
    program = shutil.which("bwrap")
    if program and _runs([program, "--unshare-all", "--ro-bind", "/", "/", "true"]):
        return Finding(GOOD, "sandbox for grading", f"bubblewrap at {program}")
    if program:
        return Finding(
            OPTIONAL,
            "sandbox for grading",
            "bubblewrap is here but may not make namespaces. On Ubuntu 24.04:",
            ("sudo sysctl -w kernel.apparmor_restrict_unprivileged_userns=0",),
        )
    cure = ("sudo apt-get install -y bubblewrap",) if shutil.which("apt-get") else ()
    return Finding(
        OPTIONAL, "sandbox for grading", "no bubblewrap; needed to grade other people's code", cure
    )


def _runs(command):
    try:
        return subprocess.run(command, capture_output=True, timeout=10).returncode == 0
    except (OSError, subprocess.SubprocessError):
        return False


def _chromium():
    names = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
    place = next(filter(None, map(shutil.which, names)), None)
    if place:
        return Finding(GOOD, "Chromium", f"{place} (only the project's own tests use it)")
    return Finding(OPTIONAL, "Chromium", "not found; only the project's own tests use it")
