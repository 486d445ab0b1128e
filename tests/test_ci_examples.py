"""The workflows that the README shows: each line for graders is run as a runner would run it.

Only what the runner's system provides is replaced there: `sudo` and `apt-get` do nothing, the
package comes from this checkout, and its dependencies from the environment of these tests. Of the
matrix and the images, which need other systems, the tests see that each named thing exists.
"""

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import sysconfig
import tomllib
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import nbformat
import pytest
import typer
import yaml
from submissions import corpus

from x3dhlab import cli, course
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


def commands(system):
    """The lines that the matrix runs on "Linux", or on each of the others."""
    steps = example("matrix")["jobs"]["checks"]["steps"]
    assert {step.get("if") for step in steps} == {None, *CONDITIONS.values()}
    return [step["run"] for step in steps if "run" in step and step["if"] == CONDITIONS[system]]


CONDITIONS = {"Linux": "runner.os == 'Linux'", "others": "runner.os != 'Linux'"}


def test_the_matrix_names_three_systems_and_says_that_no_runner_ran_it():
    systems = example("matrix")["jobs"]["checks"]["strategy"]["matrix"]["system"]
    assert [name.split("-")[0] for name in systems] == ["ubuntu", "macos", "windows"]
    assert "No runner has run this file yet." in (EXAMPLES / "matrix.yml").read_text()
    assert "secrets." not in (EXAMPLES / "matrix.yml").read_text()


def test_on_linux_the_matrix_runs_every_check():
    _, last = commands("Linux")
    assert last == ".ci/run" and os.access(ROOT / last, os.X_OK)


def test_elsewhere_the_matrix_calls_what_is_there():
    install, ready, tests = map(shlex.split, commands("others"))
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert (ROOT / install[install.index("-c") + 1]).is_file()
    assert re.fullmatch(r"\.\[(\w+)\]", install[-1])[1] in extras["optional-dependencies"]
    assert ready[0] == "x3dhlab" and ready[1] in typer.main.get_command(cli.app).commands
    found = subprocess.run(
        [sys.executable, *tests[1:], "--collect-only", "-p", "no:cacheprovider"],
        cwd=ROOT, capture_output=True, text=True,
    )  # fmt: skip
    assert found.returncode == 0, found.stdout
    files = [word for word in tests if word.startswith("tests/")]
    assert files and all(f"{name}::" in found.stdout for name in files)


def test_the_dev_container_installs_the_course_and_opens_nothing():
    folder = ROOT / ".devcontainer"
    told = json.loads((folder / "devcontainer.json").read_text(encoding="utf-8"))
    assert (folder / told["build"]["dockerfile"]).is_file()
    run, say = map(shlex.split, told["postCreateCommand"].split(" && "))
    dry = subprocess.run([run[0], "-n", *run[1:]], cwd=ROOT, capture_output=True, text=True)
    assert run[0] == "make" and dry.returncode == 0, dry.stderr
    assert "x3dhlab lab" not in dry.stdout and say[0] == "echo" and "make lab" in say[-1]
    assert told["forwardPorts"] == [course.FIRST_PORT]
    assert not {name for name in told if name.startswith(("postStart", "postAttach"))}


@pytest.mark.parametrize("folder", [".devcontainer", ".hub"])
def test_the_images_have_a_python_that_is_new_enough(folder):
    (version,) = re.findall(
        r"^FROM python:3\.(\d+)-", (ROOT / folder / "Dockerfile").read_text(), re.M
    )
    wanted = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["requires-python"]
    assert wanted.startswith(">=3.") and int(version) >= int(wanted.removeprefix(">=3."))


def test_the_examples_run_nowhere_by_accident():
    assert not (ROOT / ".github").exists() and not (ROOT / ".gitlab-ci.yml").exists()


def test_the_readme_shows_both_examples():
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    assert all(f".ci/examples/{name}.yml" in text for name in ("github", "gitlab"))
