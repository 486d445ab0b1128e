"""The workflows that the README shows: each line is run as a runner would run it.

Only what the runner's system provides is replaced: `sudo` and `apt-get` do nothing, the package
comes from this checkout, and its dependencies from the environment of these tests.
"""

import os
import shutil
import subprocess
import sys
import sysconfig
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import nbformat
import pytest
import yaml
from submissions import corpus

from x3dhlab import course
from x3dhlab.grading.tasks import of_lesson

ROOT = course.root()
EXAMPLES = ROOT / ".ci" / "examples"
TASKS = of_lesson("00")
FILE = "exercises/00_start_here.ipynb"


def example(name):
    return yaml.safe_load((EXAMPLES / f"{name}.yml").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def runner(tmp_path_factory):
    """The variables of a fresh machine: its own Python, no network, a wheel of this checkout."""
    place = tmp_path_factory.mktemp("runner")
    subprocess.run([sys.executable, "-m", "venv", str(place / "venv")], check=True)
    _lend_dependencies(place)
    for name in ("sudo", "apt-get"):
        (place / "venv" / "bin" / name).write_text("#!/bin/sh\nexit 0\n")
        (place / "venv" / "bin" / name).chmod(0o755)
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(place)]
    subprocess.run(build, cwd=ROOT, check=True, capture_output=True)
    (wheel,) = place.glob("*.whl")
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("PYTHON", "VIRTUAL"))}
    path = f"{place / 'venv' / 'bin'}{os.pathsep}{os.environ['PATH']}"
    return environment | {"PATH": path, "X3DHLAB": str(wheel), "PIP_NO_INDEX": "1"}


def _lend_dependencies(place):
    """Everything of this environment but the course itself, which must come from the wheel."""
    lent = place / "lent"
    lent.mkdir()
    for entry in Path(sysconfig.get_path("purelib")).iterdir():
        if "x3dhlab" not in entry.name and entry.suffix != ".pth" and entry.name != "pip":
            (lent / entry.name).symlink_to(entry)
    (site,) = (place / "venv" / "lib").glob("python*/site-packages")
    (site / "lent.pth").write_text(f"{lent}\n")


def submission(folder, text):
    """A learner's repository with traps in it, and the answers as one notebook."""
    exercise = folder / FILE
    exercise.parent.mkdir(parents=True)
    cells = [nbformat.v4.new_code_cell(text)]
    nbformat.write(nbformat.v4.new_notebook(cells=cells), exercise)
    for place in (folder, exercise.parent):
        for name in ("sitecustomize", "multiprocessing", "conftest", "pip", "typer", "json"):
            (place / f"{name}.py").write_text(f"open({str(folder / 'imported')!r}, 'w')\n")
    return folder


def github(folder, text, runner):
    """Do what the steps of the GitHub workflow say; return the last process."""
    workflow = example("github")
    steps = workflow["jobs"]["grade"]["steps"]
    checkout = next(s["with"] for s in steps if s.get("uses", "").startswith("actions/checkout"))
    submission(folder / checkout["path"], text)
    environment = workflow["env"] | runner
    for step in steps:
        if "run" in step:
            command = ["bash", "-e", "-c", step["run"]]
            told = subprocess.run(
                command, cwd=folder, env=environment, capture_output=True, text=True
            )
            if told.returncode:
                break
    assert step["name"] == "Grade", told.stderr
    return told


def gitlab(folder, text, runner):
    """Do what the lines of the GitLab pipeline say; return the process and the report."""
    pipeline = example("gitlab")
    submission(folder / "project", text)
    (folder / "victim").write_text("mine")
    (folder / "project" / "x3dhlab-report.xml").symlink_to(folder / "victim")
    job = pipeline["grade"]
    lines = "\n".join([*job["before_script"], *job["script"]])
    environment = pipeline["variables"] | runner | {"CI_PROJECT_DIR": str(folder / "project")}
    told = subprocess.run(
        ["bash", "-eo", "pipefail", "-c", lines],
        cwd=folder / "project", env=environment, capture_output=True, text=True,
    )  # fmt: skip
    assert (folder / "victim").read_text() == "mine"
    report = folder / "project" / job["artifacts"]["reports"]["junit"]
    return told, ElementTree.parse(report).getroot()


RIGHT = "\n".join(corpus.reference(task) for task in TASKS)
WRONG = "\n".join(corpus.mistake(task, task.mistakes[2]) for task in TASKS)

needs_bash = pytest.mark.skipif(not shutil.which("bash"), reason="a runner has bash")


@needs_bash
@pytest.mark.parametrize(("text", "code", "kind"), [(RIGHT, 0, "notice"), (WRONG, 1, "error")])
def test_the_github_workflow_grades_a_pull_request(text, code, kind, runner, tmp_path):
    told = github(tmp_path, text, runner)
    assert told.returncode == code, told.stderr
    lines = told.stdout.splitlines()
    assert len(lines) == len(TASKS)
    assert all(line.startswith(f"::{kind} file=submission/{FILE},") for line in lines)
    assert not (tmp_path / "submission" / "imported").exists()


@needs_bash
@pytest.mark.parametrize(("text", "code"), [(RIGHT, 0), (WRONG, 1)])
def test_the_gitlab_pipeline_grades_a_project(text, code, runner, tmp_path):
    told, suite = gitlab(tmp_path, text, runner)
    assert told.returncode == code, told.stderr
    assert (suite.get("tests"), suite.get("errors")) == (str(len(TASKS)), "0")
    assert suite.get("failures") == ("0" if code == 0 else str(len(TASKS)))
    assert not (tmp_path / "project" / "imported").exists()


def test_the_workflow_and_the_package_come_from_a_protected_reference():
    text = (EXAMPLES / "github.yml").read_text()
    workflow = yaml.safe_load(text)
    assert workflow[True] == {"pull_request_target": None}  # YAML reads the key `on` as true
    assert workflow["permissions"] == {"contents": "read"} and "secrets." not in text
    assert "${{" not in "".join(s.get("run", "") for s in workflow["jobs"]["grade"]["steps"])
    for name in ("github", "gitlab"):
        content = example(name)
        address = (content.get("env") or content["variables"])["X3DHLAB"]
        assert address.endswith("@COMMIT")


def test_the_examples_run_nowhere_by_accident():
    assert not (ROOT / ".github").exists() and not (ROOT / ".gitlab-ci.yml").exists()


def test_the_readme_shows_both_examples():
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    assert all(f".ci/examples/{name}.yml" in text for name in ("github", "gitlab"))
