"""Opens the course from an unpacked bundle: no network, no compiler, no administrator rights.

`start.sh`, `start.command` and `start.bat` look for a Python that fits and run this file. The first
start installs the wheels of this folder into `venv` beside them; a later start opens the course at
once. Everything stays in this folder. Standard library only, and nothing of the course: this file
runs before the course is installed. `bundle` uses its names for kinds of machines.
"""

from __future__ import annotations  # an older Python must get as far as its refusal

import os
import platform
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

SYSTEMS = {"linux": "linux", "darwin": "macos", "win32": "windows"}
FITS, UNABLE = 0, 2
OLDEST = (3, 11)


def kind(system: str, machine: str) -> str:
    """The name of a kind of machine, as `linux-x86_64`, from `sys.platform` and `uname -m`."""
    return f"{SYSTEMS.get(system, system)}-{machine.lower()}"


def here() -> str:
    """This machine and this Python, as `linux-x86_64-py3.12`."""
    python = f"{sys.version_info[0]}.{sys.version_info[1]}"
    return f"{kind(sys.platform, platform.machine())}-py{python}"


def wanted(folder: Path) -> list[str]:
    """What the bundle in this folder is for, by the names of its lists of wheels."""
    return sorted(path.stem for path in (folder / "wheels").glob("*.txt"))


def refusal(folder: Path) -> str:
    """Why this Python cannot start this bundle, in one sentence; empty when it can."""
    found, known = here(), wanted(folder)
    if not known:
        return f"The folder {folder / 'wheels'} is not complete: unpack the whole archive again."
    if sys.version_info[:2] < OLDEST:
        return f"The course needs Python 3.11 or newer; this is Python {sys.version.split()[0]}."
    if found not in known:
        return f"This bundle is for {', '.join(known)}; here is {found}."
    if sys.maxsize < 2**32 or sys.implementation.name != "cpython":
        return "The course needs the usual Python (CPython) with 64 bits; this is another one."
    if sysconfig.get_config_var("Py_GIL_DISABLED"):
        return "The course needs the usual Python; this is the free-threaded one."
    return ""


def main(arguments: list[str]) -> int:
    """Install once, then open the course. Exit code 2 with one sentence if that cannot be."""
    folder = Path(__file__).resolve().parent
    problem = refusal(folder)
    if not problem and arguments != ["--fits"]:
        problem = install(folder)
    if problem:
        sys.stderr.write(f"{problem}\n")
        return UNABLE
    if arguments == ["--fits"]:
        return FITS
    os.chdir(folder)
    command = [str(program(folder)), "-m", "x3dhlab.cli", "lab", *arguments]
    if os.name == "posix":  # in place of this process: who stops it stops the course
        os.execve(command[0], command, surroundings())
    try:
        return subprocess.call(command, env=surroundings())
    except KeyboardInterrupt:
        return FITS


def program(folder: Path) -> Path:
    """The Python that the course runs with."""
    inside = ("Scripts", "python.exe") if os.name == "nt" else ("bin", "python")
    return folder.joinpath("venv", *inside)


def surroundings() -> dict[str, str]:
    """The variables, without those that would bring in other people's packages or settings."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("PIP_", "PYTHON"))}
    return {**kept, "PIP_CONFIG_FILE": os.devnull}


def install(folder: Path) -> str:
    """Make `venv`, unless it is complete. Returns why it cannot be, in one sentence, or nothing."""
    wheels, stamp = folder / "wheels", folder / "venv" / "complete.txt"
    wheel_list = wheels / f"{here()}.txt"
    try:
        if stamp.is_file() and stamp.read_bytes() == wheel_list.read_bytes():
            return ""
        print("Installing the course into this folder (once; a minute or two) ...", flush=True)
        command = [str(made(folder / "venv")), "-I", str(next(wheels.glob("pip-*.whl")) / "pip")]
        command += ["install", "--isolated", "--quiet", "--no-index", "--find-links", str(wheels)]
        command += ["--no-deps", "--require-hashes", "--no-compile", "--no-cache-dir"]
        command += ["--no-warn-script-location", "--disable-pip-version-check"]
        if subprocess.call([*command, "-r", str(wheel_list)], env=surroundings()):
            return "The course could not be installed; the lines above say why."
        shutil.copyfile(wheel_list, stamp)
    except (OSError, StopIteration, ImportError, subprocess.SubprocessError) as problem:
        return f"The course cannot be installed in {folder}: {problem or 'a wheel is missing'}."
    return ""


def made(folder: Path) -> Path:
    """A new virtual environment without pip, which some systems leave out; its Python."""
    import venv

    venv.EnvBuilder(clear=True, symlinks=os.name != "nt", with_pip=False).create(folder)
    return program(folder.parent)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
