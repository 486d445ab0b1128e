"""The cell, the terminal and the report give one verdict, in the forms that each reader needs."""

import json
import os
import xml.etree.ElementTree as ElementTree

import nbformat
import pytest
from jupyter_client import AsyncKernelManager
from nbclient import NotebookClient
from submissions import corpus

from x3dhlab import primitives, progress, trace
from x3dhlab.grading import check, cli_grade, grade, hint, hints, render, report
from x3dhlab.grading.tasks import TASKS

HELLO, INITIATE = TASKS["start.hello"], TASKS["x3dh.initiate"]
SEED = 21


KINDS = ("stub", "pass", "true", "first argument", "always refuses", "a value")


PATIENCE = 60  # seconds for one call: on a busy machine a slow answer is still an answer


def answers(tasks):
    """A right, two wrong and a lazy answer to each task, as (task, text)."""
    for number, task in enumerate(tasks):
        yield task, corpus.reference(task)
        for mistake in (task.mistakes[number % 3 :] + task.mistakes)[:2]:
            yield task, corpus.mistake(task, mistake)
        yield task, corpus.lazy(task, KINDS[number % len(KINDS)])


def in_a_kernel(pairs, folder):
    """Run each text in one kernel, let the cell's check judge it, and return (passed, mistake)."""
    start = "import json, os\nfrom x3dhlab.grading.cell import judge_function\n"
    start += "from x3dhlab.grading.tasks import TASKS"
    cells = [start]
    for task, text in pairs:
        ask = f"judge_function(TASKS[{task.id!r}], {task.function}, {SEED}, {PATIENCE})"
        cells += [text, f"_r = {ask}\nprint(json.dumps([_r.passed, _r.mistake]))"]
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(text) for text in cells])
    place = {"metadata": {"path": str(folder)}}
    NotebookClient(notebook, km=_kernel(folder), timeout=600, resources=place).execute()
    return [json.loads(_printed(cell)) for cell in notebook.cells[2::2]]


def _kernel(folder):
    """Files as sockets: of two kernels that start together, both could choose one TCP port."""
    if os.name != "posix":
        return None
    return AsyncKernelManager(transport="ipc", ip=str(folder / "kernel"))


def _printed(cell):
    """Standard output only: a busy kernel may also warn on standard error."""
    return "".join(output.text for output in cell.outputs if output.get("name") == "stdout")


def in_the_terminal(pairs, folder):
    """Grade each text as a file of its own."""
    path, found = folder / "answer.py", []
    for task, text in pairs:
        path.write_text(text)
        report = grade([path], [task.id], SEED, PATIENCE, allow_unisolated=True)
        found += [[result.passed, result.mistake] for result in report.results]
    return found


def in_a_class(pairs, folder):
    """Hand in each text as a learner of a class, and read the report of the class."""
    found = {}
    for task in dict.fromkeys(task for task, _ in pairs):
        for number, (wanted, text) in enumerate(pairs):
            if wanted is task:
                place = folder / task.id / f"{number:03}"
                place.mkdir(parents=True)
                (place / "answer.ipynb").write_text(nbformat.writes(_one_cell(text)))
        options = {"folder": folder / "report", "jobs": 2, "allow_unisolated": True}
        cli_grade([folder / task.id], task.id, "text", SEED, PATIENCE, **options)
        body = json.loads((folder / "report" / "class.json").read_text())
        for learner in body["learners"]:
            best = learner["answers"][task.id]
            found[int(learner["name"])] = [best["passed"], best["mistake"]]
    return [found[number] for number in range(len(pairs))]


def _one_cell(text):
    return nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(text)])


@pytest.mark.parametrize("step", [4, pytest.param(1, marks=pytest.mark.full)])
def test_the_cell_the_terminal_and_the_class_report_agree_on_every_answer(step, tmp_path, capsys):
    tasks = list(TASKS.values())[::step]
    pairs = list(answers(tasks))
    assert len(pairs) >= 60
    terminal = in_the_terminal(pairs, tmp_path)
    assert in_a_class(pairs, tmp_path) == terminal
    assert in_a_kernel(pairs, tmp_path) == terminal
    assert sum(passed for passed, _ in terminal) == len(tasks)


@pytest.fixture
def own_progress(monkeypatch, tmp_path):
    monkeypatch.setenv(progress.VARIABLE, str(tmp_path / "progress.jsonl"))


def hello(name):
    return b"Hello, " + name.encode() + b"!"


def wrong_hello(name):
    return "Hello, " + name + "!"


def test_check_prints_the_same_text_for_a_right_answer_each_time(own_progress, capsys):
    assert check("start.hello", hello) is None
    first = capsys.readouterr().out
    check("start.hello", hello)
    assert capsys.readouterr().out == first
    assert first.startswith("start.hello: passed (1 point). ")


def test_check_records_the_verdict(own_progress, capsys):
    check("start.hello", wrong_hello)
    wrong = progress.last("task", "start.hello")
    check("start.hello", hello)
    right = progress.last("task", "start.hello")
    assert (wrong["passed"], wrong["mistake"]) == (False, "text for bytes")
    assert (right["passed"], right["points"]) == (True, 1)


@pytest.mark.parametrize("function", [3, None, len, print, "hello", object(), type, lambda: 1])
def test_check_never_raises(function, own_progress, capsys):
    assert check("start.shared_secret", function) is None
    assert "passed (2 points)" not in capsys.readouterr().out


def test_check_of_an_unknown_task_names_the_tasks(own_progress, capsys):
    check("start.helo", hello)
    assert "start.hello" in capsys.readouterr().out


def test_check_neither_disturbs_a_recording_nor_is_disturbed_by_one(own_progress, capsys):
    with trace.record() as recorded, primitives.deterministic(1):
        before = primitives.random_bytes(8)
        check("start.shared_secret", hello)
        after = primitives.random_bytes(8)
    with primitives.deterministic(1):
        assert [primitives.random_bytes(8), primitives.random_bytes(8)] == [before, after]
    assert len(recorded.events) == 2


def test_the_exit_code_says_passed_failed_or_could_not(tmp_path, capsys):
    path, empty = tmp_path / "hello.py", tmp_path / "empty"
    path.write_text(corpus.reference(HELLO))
    empty.mkdir()
    assert cli_grade([path], "start.hello", "text", 1, 5, 1, True) == 0
    path.write_text(corpus.lazy(HELLO, "pass"))
    assert cli_grade([path], None, "text", 1, 5, 1, True) == 1
    for arguments in (
        [[tmp_path / "missing.py"], None, "text"],
        [[path], "no.task", "text"],
        [[path], None, "pdf"],
        [[], None, "text"],
        [[empty], None, "text"],
    ):
        assert cli_grade(*arguments, 1, 5, 1, True) == 2
    written = capsys.readouterr()
    assert "no.task" in written.err and "Traceback" not in written.out + written.err


def test_one_bad_file_does_not_stop_the_others(tmp_path):
    good, bad = tmp_path / "good.py", tmp_path / "bad.ipynb"
    good.write_text(corpus.reference(HELLO))
    bad.write_text("{")
    found = grade([bad, good], ["start.hello"], seed=1, allow_unisolated=True)
    assert [result.passed for result in found.results] == [True] and len(found.problems) == 1
    assert found.exit_code == 2


def test_jobs_change_no_verdict_and_no_order(tmp_path, capsys):
    for number in range(6):
        text = corpus.reference(HELLO) if number % 2 else corpus.lazy(HELLO, "pass")
        cell = nbformat.v4.new_code_cell(text)
        nbformat.write(nbformat.v4.new_notebook(cells=[cell]), tmp_path / f"n{number}.ipynb")
    printed = []
    for jobs in (1, 3):
        assert cli_grade([tmp_path], "start.hello", "json", 1, 5, jobs, True) == 1
        printed.append(capsys.readouterr().out)
    assert printed[0] == printed[1]
    assert [task["passed"] for task in json.loads(printed[0])["tasks"]] == [False, True] * 3


@pytest.fixture(scope="module")
def mixed(tmp_path_factory):
    path = tmp_path_factory.mktemp("mixed") / "both.py"
    path.write_text(corpus.reference(INITIATE) + corpus.lazy(HELLO, "true"))
    return grade([path], ["x3dh.initiate", "start.hello"], seed=5, allow_unisolated=True)


def test_the_text_names_points_isolation_and_seed(mixed):
    last = render(mixed, "text").splitlines()[-1]
    assert last.startswith("5 of 6 points. Isolation: ") and last.endswith("Seed: 5.")


def test_json_holds_everything(mixed):
    body = json.loads(render(mixed, "json"))
    assert (body["points"], body["possible"], body["passed"], body["seed"]) == (5, 6, False, 5)
    assert [task["task"] for task in body["tasks"]] == ["x3dh.initiate", "start.hello"]
    assert body["tasks"][1]["feedback"]["expected"].startswith("b'Hello, ")


def test_junit_has_a_case_for_each_task(mixed):
    suite = ElementTree.fromstring(render(mixed, "junit"))
    cases = [(case.get("name"), len(case)) for case in suite]
    assert cases == [("x3dh.initiate", 0), ("start.hello", 1)]


def test_github_has_one_command_for_each_task(mixed):
    kinds = [line.split()[0] for line in render(mixed, "github").splitlines()]
    assert kinds == ["::notice", "::error"]


def test_gradescope_has_scores(mixed):
    body = json.loads(render(mixed, "gradescope"))
    assert (body["score"], [test["score"] for test in body["tests"]]) == (5, [5, 0])
    with pytest.raises(ValueError, match="gradescope"):
        render(mixed, "pdf")


def test_long_values_are_short_and_no_hidden_input_is_in_an_error(tmp_path):
    path = tmp_path / "answer.py"
    path.write_text(
        "def shared_secret(private, public):\n"
        "    raise ValueError(repr(private) + private.hex() + str(int.from_bytes(private)))\n"
    )
    (result,) = grade([path], ["start.shared_secret"], seed=1, allow_unisolated=True).results
    private = TASKS["start.shared_secret"].cases(1)[0].arguments[0]
    text = "\n".join(report.lines(result))
    assert (
        repr(private)[2:10] not in text
        and private.hex() not in text
        and private.hex()[:20] not in text
    )
    assert str(int.from_bytes(private))[:20] not in text


def test_the_same_seed_gives_the_same_report(tmp_path):
    path = tmp_path / "answer.py"
    path.write_text(corpus.lazy(INITIATE, "zeros"))
    first, again, other = (
        render(grade([path], ["x3dh.initiate"], seed=seed, allow_unisolated=True))
        for seed in (4, 4, 5)
    )
    assert first == again != other


def test_hints_climb_the_ladder_and_stay_on_its_last_rung(monkeypatch, capsys):
    monkeypatch.setattr(hints, "_taken", {})
    found = []
    for _ in range(4):
        hint("x3dh.initiate")
        found.append(capsys.readouterr().out)
    ladder = INITIATE.hints
    for text, wanted in zip(found, (ladder.nudge, ladder.principle, ladder.step), strict=False):
        assert wanted in text
    assert found[2] == found[3]
