"""The workspace: what it receives, and that no answer is ever lost. The courses here are small."""

import json
import os
import signal
import socket
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest
from jupyter_client import BlockingKernelClient

from x3dhlab import course, progress

LESSON = "notebooks/00_begin.ipynb"
EXERCISE = "exercises/00_begin.ipynb"
STUB = 'def add(a, b):\n    raise NotImplementedError("your code here")'
PATIENCE = 60  # seconds; a limit for a broken run, not a measurement


def cell(text, name, kind="code", **more):
    extra = {"outputs": [], "execution_count": None} if kind == "code" else {}
    return {"cell_type": kind, "id": name, "metadata": {}, "source": text, **extra, **more}


def write(path, *cells):
    path.parent.mkdir(parents=True, exist_ok=True)
    notebook = {"cells": list(cells), "metadata": {}, "nbformat": 4, "nbformat_minor": 5}
    path.write_bytes(course.to_bytes(notebook))


def sources(path):
    return [course.source(c) for c in json.loads(path.read_text(encoding="utf-8"))["cells"]]


def edit(path, position, text):
    notebook = json.loads(path.read_text(encoding="utf-8"))
    notebook["cells"][position]["source"] = text
    path.write_bytes(course.to_bytes(notebook))


@pytest.fixture
def shelf(tmp_path, monkeypatch):
    """A course of two lessons; the first has an output and an exercise with two tasks."""
    root = tmp_path / "shelf"
    output = [{"output_type": "stream", "name": "stdout", "text": "spoiler\n"}]
    write(
        root / LESSON,
        cell("# 00 · Begin", "title", "markdown"),
        cell("print('spoiler')", "run", outputs=output, execution_count=1),
    )
    write(root / "notebooks/07_later.ipynb", cell("# Later", "title", "markdown"))
    write(
        root / EXERCISE,
        cell(STUB, "add"),
        cell('check("sum.add", add)', "check-add"),
        cell(STUB.replace("add", "take"), "take"),
        cell('check("sum.take", take)', "check-take"),
    )
    monkeypatch.setattr(course, "root", lambda: root)
    return root


@pytest.fixture
def workspace(shelf, tmp_path):
    folder = tmp_path / "mine"
    course.prepare(folder)
    return folder


def test_lessons_are_ordered_by_the_number_in_their_file_name(shelf):
    first, second = course.lessons()
    assert (first.number, first.name, first.title) == ("00", "begin", "Begin")
    assert first.tasks == ("sum.add", "sum.take")
    assert (second.number, second.title, second.tasks) == ("07", "Later", ())


def test_a_workspace_holds_every_lesson_without_its_outputs(workspace, shelf):
    assert "spoiler\\n" in (shelf / LESSON).read_text(encoding="utf-8")
    copy = json.loads((workspace / LESSON).read_text(encoding="utf-8"))
    assert copy["cells"][1]["outputs"] == [] and copy["cells"][1]["execution_count"] is None
    assert sources(workspace / LESSON) == sources(shelf / LESSON)
    assert "notebooks/00_begin.ipynb" in (workspace / "README.txt").read_text()


def test_a_second_run_keeps_everything_the_learner_changed(workspace):
    edit(workspace / EXERCISE, 0, "my answer")
    (workspace / "notes.txt").write_text("mine")
    (workspace / "notebooks/07_later.ipynb").unlink()
    changes = course.prepare(workspace)
    assert sources(workspace / EXERCISE)[0] == "my answer"
    assert (workspace / "notes.txt").read_text() == "mine"
    assert changes.new == ["notebooks/07_later.ipynb"]


def test_an_update_renews_a_lesson_that_was_only_run(workspace, shelf):
    ran = json.loads((workspace / LESSON).read_text(encoding="utf-8"))
    ran["cells"][1] |= {"execution_count": 3, "metadata": {"trusted": True}}
    (workspace / LESSON).write_text(json.dumps(ran))
    edit(shelf / LESSON, 1, "print('better')")
    assert course.prepare(workspace).waiting == [LESSON]
    assert sources(workspace / LESSON)[1] == "print('spoiler')"
    assert course.update(workspace).renewed == [LESSON]
    assert sources(workspace / LESSON)[1] == "print('better')"


def test_an_update_leaves_an_answer_alone_when_the_course_did_not_change(workspace):
    edit(workspace / EXERCISE, 0, "my answer")
    changes = course.update(workspace)
    assert (changes.kept, changes.offered, changes.renewed) == ([EXERCISE], {}, [])
    assert sources(workspace / EXERCISE)[0] == "my answer"


def test_when_both_changed_the_new_version_comes_beside_the_answer(workspace, shelf):
    edit(workspace / EXERCISE, 0, "my answer")
    edit(shelf / EXERCISE, 2, "# clearer")
    changes = course.update(workspace)
    beside = "exercises/00_begin.new.ipynb"
    assert changes.offered == {EXERCISE: beside}
    assert sources(workspace / EXERCISE)[0] == "my answer"
    assert sources(workspace / beside) == sources(shelf / EXERCISE)
    assert course.update(workspace).offered == {}


def test_a_new_version_that_the_learner_worked_in_is_not_overwritten(workspace, shelf):
    beside = workspace / "exercises/00_begin.new.ipynb"
    edit(workspace / EXERCISE, 0, "my answer")
    edit(shelf / EXERCISE, 2, "# clearer")
    course.update(workspace)
    edit(beside, 0, "my second answer")
    edit(shelf / EXERCISE, 2, "# clearer still")
    assert course.update(workspace).offered == {EXERCISE: "exercises/00_begin.new2.ipynb"}
    assert sources(beside)[0] == "my second answer"


def test_a_new_version_nobody_touched_is_replaced_by_the_next(workspace, shelf):
    edit(workspace / EXERCISE, 0, "my answer")
    for text in ("# clearer", "# clearer still"):
        edit(shelf / EXERCISE, 2, text)
        assert course.update(workspace).offered == {EXERCISE: "exercises/00_begin.new.ipynb"}
    assert sources(workspace / "exercises/00_begin.new.ipynb")[2] == "# clearer still"


def test_a_file_that_left_the_course_is_kept_and_named(workspace, shelf):
    (shelf / "notebooks/07_later.ipynb").unlink()
    assert course.update(workspace).retired == ["notebooks/07_later.ipynb"]
    assert (workspace / "notebooks/07_later.ipynb").exists()


@pytest.mark.parametrize("damage", ["", "{", "[]", '{"files": 3, "offered": {}}'])
def test_a_damaged_manifest_costs_no_answer(workspace, shelf, damage):
    edit(workspace / EXERCISE, 0, "my answer")
    edit(shelf / EXERCISE, 2, "# clearer")
    (workspace / ".x3dhlab/manifest.json").write_text(damage)
    course.update(workspace)
    assert sources(workspace / EXERCISE)[0] == "my answer"


def test_a_broken_notebook_of_the_learner_is_kept(workspace, shelf):
    (workspace / EXERCISE).write_text("{ half a noteb")
    edit(shelf / EXERCISE, 2, "# clearer")
    course.update(workspace)
    assert (workspace / EXERCISE).read_text() == "{ half a noteb"


def test_reset_puts_one_task_back_and_keeps_the_old_text(workspace):
    edit(workspace / EXERCISE, 0, "def add(a, b):\n    return a - b")
    edit(workspace / EXERCISE, 2, "def take(a, b):\n    return a")
    name, backup = course.reset("sum.add", workspace)
    assert name == EXERCISE
    assert sources(workspace / EXERCISE)[0] == STUB
    assert sources(workspace / EXERCISE)[2] == "def take(a, b):\n    return a"
    assert "return a - b" in backup.read_text()
    assert course.reset("sum.add", workspace)[1] != backup


def test_reset_keeps_the_other_answer_of_a_cell_that_holds_two(workspace):
    both = "def add(a, b):\n    return a - b\n\n\ndef take(a, b):\n    return a"
    edit(workspace / EXERCISE, 0, both)
    _, backup = course.reset("sum.add", workspace)
    mine = sources(workspace / EXERCISE)
    assert mine[:2] == ["def take(a, b):\n    return a", STUB]
    assert backup.read_text().strip() == both
    ids = [c["id"] for c in json.loads((workspace / EXERCISE).read_text())["cells"]]
    assert len(ids) == len(set(ids))


def test_reset_finds_the_answer_in_a_cell_that_was_copied(workspace):
    write(workspace / EXERCISE, cell("1", "x"), cell("def add(a, b):\n    return 3", "other"))
    course.reset("sum.add", workspace)
    assert sources(workspace / EXERCISE) == ["1", STUB]


def test_reset_names_the_tasks_when_it_does_not_know_one(workspace):
    with pytest.raises(course.CourseProblem, match="sum.add, sum.take"):
        course.reset("sum.divide", workspace)


def test_standing_tells_passed_tasks_from_tried_ones(workspace, monkeypatch):
    monkeypatch.setenv(progress.VARIABLE, str(workspace / ".x3dhlab" / progress.FILE))
    progress.record("task", "sum.add", {"passed": True})
    progress.record("task", "sum.take", {"passed": False})
    first, second = course.standing(workspace)
    assert (first.passed, first.open, first.begun) == (("sum.add",), ("sum.take",), True)
    assert not second.begun


def test_a_workspace_that_is_a_file_is_refused_in_one_sentence(shelf, tmp_path):
    (tmp_path / "taken").write_text("")
    for folder in (tmp_path / "taken", tmp_path / "taken" / "below"):
        with pytest.raises(course.CourseProblem, match="is a file, not a folder"):
            course.prepare(folder)


def test_a_folder_without_write_permission_is_refused_in_one_sentence(shelf, tmp_path, monkeypatch):
    def denied(self, *_, **__):
        raise PermissionError(13, "Permission denied", str(self))

    monkeypatch.setattr(Path, "mkdir", denied)
    with pytest.raises(course.CourseProblem, match="You may not write in"):
        course.prepare(tmp_path / "mine")


def test_a_full_disk_leaves_the_old_notebook_whole(workspace, shelf, monkeypatch):
    edit(shelf / LESSON, 1, "print('better')")

    def full(self, content):
        self.open("wb").close()
        raise OSError(28, "No space left on device", str(self))

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(course.CourseProblem, match="No space left"):
        course.update(workspace)
    assert sources(workspace / LESSON)[1] == "print('spoiler')"


def test_a_busy_port_is_refused_before_anything_is_written(shelf, tmp_path):
    with socket.socket() as taken:
        taken.bind(("localhost", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(course.CourseProblem, match=f"Port {port} is busy"):
            course.lab(tmp_path / "mine", browser=False, port=port)
    assert not (tmp_path / "mine").exists()


def test_the_workspace_around_the_current_folder_is_the_default(workspace, monkeypatch):
    monkeypatch.chdir(workspace / "notebooks")
    assert course.default_folder() == workspace
    monkeypatch.chdir(workspace.parent)
    assert course.default_folder() == workspace.parent / course.DEFAULT_FOLDER


# The real server


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    """`x3dhlab lab` with an empty home folder: (process, address, token, workspace, home)."""
    place = tmp_path_factory.mktemp("served")
    home, folder = place / "home", place / "course with space"
    home.mkdir()
    keep = {k: v for k, v in os.environ.items() if not k.startswith(("JUPYTER", "XDG", "IPYTHON"))}
    process = subprocess.Popen(
        [sys.executable, "-m", "x3dhlab.cli", "lab", str(folder), "--no-browser"],
        env=keep | {"HOME": str(home)},
        cwd=place,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        # A shell that runs the tests in the background has told them to ignore Ctrl+C.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    for line in process.stdout:
        if "?token=" in line:
            break
    else:
        pytest.fail("the server stopped before it named its address")
    address, token = line.strip().split("/?token=")
    yield process, address, token, folder, home
    if process.poll() is None:
        process.kill()
    process.communicate(timeout=PATIENCE)


def ask(address, token, data=None):
    request = urllib.request.Request(address, data, {"Authorization": f"token {token}"})
    with urllib.request.urlopen(request, timeout=PATIENCE) as answer:
        return answer.url, answer.read()


def test_the_server_opens_the_first_lesson_and_keeps_the_home_folder_empty(served):
    process, address, token, folder, home = served
    url, page = ask(f"{address}/?token={token}", token)
    assert "/lab/tree/notebooks/00_start_here.ipynb" in url and b"JupyterLab" in page
    kernel = json.loads(ask(f"{address}/api/kernels", token, b'{"name": "python3"}')[1])
    connection = folder / ".x3dhlab/jupyter/runtime" / f"kernel-{kernel['id']}.json"
    told = run_in_kernel(connection, "import sys, matplotlib.pyplot", "sys.executable")
    assert told == repr(sys.executable)
    process.send_signal(signal.SIGINT)
    rest, _ = process.communicate(timeout=PATIENCE)
    assert process.returncode == 0, rest
    assert f"Your work is in {folder}" in rest and "Traceback" not in rest
    assert [str(path.relative_to(home)) for path in home.rglob("*")] == []
    settings = folder / ".x3dhlab/jupyter/settings/@jupyterlab/apputils-extension"
    news = json.loads((settings / "notification.jupyterlab-settings").read_text())
    assert news == {"fetchNews": "false", "checkForUpdates": False}


@pytest.mark.parametrize(("before", "others"), [("intranet.example", False), ("*", True)])
def test_no_proxy_stands_between_a_lesson_and_what_it_serves(before, others, tmp_path, monkeypatch):
    monkeypatch.setenv("http_proxy", "http://proxy.example:3128")
    monkeypatch.setenv("no_proxy", before)
    for name, value in course.environment(tmp_path).items():
        monkeypatch.setenv(name, value)
    hosts = ("localhost", "127.0.0.1", "intranet.example", "example.org")
    assert [bool(urllib.request.proxy_bypass(host)) for host in hosts] == [True, True, True, others]


def run_in_kernel(connection, code, expression):
    """The value of an expression after some code. It waits for answers and not for heartbeats,
    which a busy machine misses."""
    client = BlockingKernelClient(connection_file=str(connection))
    client.load_connection_file()
    client.start_channels(hb=False)
    try:
        client.kernel_info(reply=True, timeout=PATIENCE)
        asked = {"value": expression}
        answer = client.execute(code, user_expressions=asked, reply=True, timeout=PATIENCE)
        client.complete("sys.exec", reply=True, timeout=PATIENCE)
    finally:
        client.stop_channels()
    return answer["content"]["user_expressions"]["value"]["data"]["text/plain"]
