"""What travels: the wheel alone must be enough to open the course."""

import re
import subprocess
import sys
import tomllib
import zipfile

import pytest

from x3dhlab import course

ROOT = course.root()
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
PINS = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """The names inside the wheel that `pip install .` builds."""
    place = tmp_path_factory.mktemp("dist")
    build = [sys.executable, "-m", "hatchling", "build", "-d", str(place)]
    subprocess.run([*build, "-t", "wheel"], cwd=ROOT, check=True, capture_output=True)
    (path,) = place.glob("*.whl")
    return set(zipfile.ZipFile(path).namelist())


def test_the_wheel_carries_every_lesson_and_exercise(wheel):
    for folder in ("notebooks", "exercises", "solutions"):
        for path in (ROOT / folder).glob("*.ipynb"):
            assert f"x3dhlab/_course/{folder}/{path.name}" in wheel


def test_the_wheel_carries_the_static_files_of_the_widgets(wheel):
    static = [path for path in (ROOT / "x3dhlab").rglob("static/*") if path.is_file()]
    assert static
    assert {path.relative_to(ROOT).as_posix() for path in static} <= wheel


def test_the_wheel_carries_no_test_and_no_hidden_folder(wheel):
    assert [n for n in wheel if n.startswith("tests/") or "/." in n or "__pycache__" in n] == []


def bare(requirement):
    return re.match(r"[\w.-]+", requirement)[0].lower().replace("_", "-")


def test_every_dependency_has_a_tested_version():
    wanted = (
        PROJECT["project"]["dependencies"] + PROJECT["project"]["optional-dependencies"]["test"]
    )
    assert {bare(line) for line in wanted} - {bare(line) for line in PINS} == set()


def test_the_tested_versions_are_plain_pins_without_addresses():
    assert PINS
    assert [line for line in PINS if not re.fullmatch(r"[\w.-]+==[\w.]+", line)] == []
