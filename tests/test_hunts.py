"""The bug bank and the hunts: every bug is one flaw, every deal is graded as the course's own."""

import inspect
import itertools
import json
import re

import nbformat
import pytest
from nbclient import NotebookClient
from submissions import corpus
from test_cli import command, one_sentence  # noqa: F401  (a fixture)

from x3dhlab import authoring, course
from x3dhlab.attacks.wild import bank, broken, sound
from x3dhlab.grading import classreport, deals, engine, grade, hints, judge, runner
from x3dhlab.grading.runner import Submission
from x3dhlab.grading.tasks import TASKS, generic, hunt, hunting, variants

BUGS = pytest.mark.parametrize("bug", bank.BUGS, ids=[bug.function for bug in bank.BUGS])
DEALT = {f"find {n}": t for n, t in hunt.FINDS.items()} | {
    f"cure {n}": t for n, t in hunt.CURES.items()
}
EACH = pytest.mark.parametrize("task", DEALT.values(), ids=DEALT.keys())
SEEDS = (1, 2, 7, 4711)


def functions(module):
    own = inspect.getmembers(module, inspect.isfunction)
    own = [function for _, function in own if function.__module__ == module.__name__]
    return [f.__name__ for f in sorted(own, key=lambda f: f.__code__.co_firstlineno)]


def judged(text, tasks, seed=5, name="answer.py"):
    submission = Submission(name, text.encode())
    return engine.judge_submission(submission, list(tasks), seed, 2.0, True)[0]


def together(pairs, seed=5):
    text = corpus.batch([(task.function, text) for task, text in pairs])
    return judged(text, [task for task, _ in pairs], seed)


def rounds(tasks):
    """Lists of tasks in which no id stands twice, so that one worker can answer each list."""
    columns = {}
    for task in tasks:
        columns.setdefault(task.id, []).append(task)
    return [list(filter(None, row)) for row in itertools.zip_longest(*columns.values())]


ROUNDS = rounds(DEALT.values())


def solved(seed):
    """A solved hunt as a notebook file."""
    cells = deals.notebook_cells(seed, solved=True)
    return course.to_bytes({"cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 5})


# The bank


def test_broken_and_sound_have_the_same_functions_in_the_same_order():
    assert functions(broken) == functions(sound)
    for name in functions(broken):
        ours, theirs = getattr(broken, name), getattr(sound, name)
        assert (
            inspect.signature(ours) == inspect.signature(theirs) and ours.__doc__ == theirs.__doc__
        )


def test_there_are_twenty_bugs_and_each_slot_has_one():
    assert len(bank.BUGS) >= 20 and len(bank.SLOTS) == 12
    counts = [len(bank.of_slot(slot)) for slot in range(1, 13)]
    assert min(counts) >= 1 and sum(count > 1 for count in counts) >= 6
    helpers = {name for bug in bank.BUGS for name in bug.with_helpers}
    assert {bug.function for bug in bank.BUGS} | helpers == set(functions(broken))


@BUGS
def test_a_bug_says_what_is_wrong_and_where_it_was_seen(bug):
    assert bug.flaw and bug.seen.endswith(".") and len(bug.seen.split()) <= 25
    assert bug.function in hunt.FINDS and (bug.slot in hunting.CURED) == (
        bug.function in hunt.CURES
    )


@BUGS
def test_the_program_that_is_shown_does_not_name_its_flaw(bug):
    shown = "".join(hunting.parts(bug.function))
    assert bug.flaw not in shown and "flaw" not in shown and "broken" not in shown


UNCHANGED = {"key_of", "is_signed"}


@pytest.mark.parametrize("name", [n for n in functions(broken) if n not in UNCHANGED])
def test_the_sound_function_is_another_one(name):
    assert inspect.getsource(getattr(broken, name)) != inspect.getsource(getattr(sound, name))


def in_sound(monkeypatch):
    """From now on the checkers run the sound functions where they ran the broken ones."""
    for name in functions(sound):
        monkeypatch.setattr(broken, name, getattr(sound, name))


@BUGS
def test_what_shows_the_flaw_shows_nothing_in_the_sound_function(bug, monkeypatch):
    task = hunt.FINDS[bug.function]
    cases = task.cases(3)
    found = [judge.outcome(task, task.reference, case) for case in cases]
    assert [outcome.objection for outcome in found] == [""] * len(cases)
    in_sound(monkeypatch)
    values = zip(task.cases(3), found, strict=True)
    assert all(bug.objection(case.arguments, case.labels, ours.value) for case, ours in values)


@BUGS
@pytest.mark.parametrize("value", [None, "", b"", 0, True, [], {}, [[]], [None, None], 1.5, ["x"]])
def test_no_value_of_another_form_shows_a_flaw(bug, value):
    for case in hunt.FINDS[bug.function].cases(1):
        said = bug.objection(case.arguments, case.labels, value)
        assert said.endswith(".") and len(said.split()) <= 20


def test_the_steps_of_a_comparison_are_counted_not_timed():
    right = bytes(range(16))
    for places in range(16):
        given = right[:places] + bytes([right[places] ^ 1]) + right[places + 1 :]
        assert bank.steps(broken.same_tag, right, given) == places + 1


# The tasks of every deal


@EACH
def test_a_dealt_task_is_complete(task):
    assert task.id in TASKS and task.function == task.id.split(".")[1]
    assert task.title == TASKS[task.id].title and task.points and task.minutes
    assert len(task.mistakes) >= 5 and task.lesson == "15"
    assert all(name in task.statement + task.signature for name in task.parameters)
    assert all(len(word) for word in (task.why, task.hints.nudge, task.hints.principle))


@EACH
def test_every_mistake_in_a_dealt_task_is_diagnosed_as_itself(task):
    for seed in (2, 3):
        cases = task.cases(seed)
        wanted = [judge.outcome(task, task.reference, case) for case in cases]
        for mistake in task.mistakes:
            got = [judge.outcome(task, mistake.source, case) for case in cases]
            assert judge.diagnose(task, cases, wanted, got, mistake.source) is mistake, mistake.name


@EACH
def test_the_inputs_of_a_dealt_task_change_with_the_seed(task):
    def inputs(seed):
        return [(case.arguments, case.steps) for case in task.cases(seed)]

    assert inputs(3) == inputs(3) != inputs(4)


@EACH
def test_the_headings_that_a_dealt_task_names_are_in_the_lesson(task):
    cells = course._read(course.root() / "notebooks" / "15_bugs_in_the_wild.ipynb")["cells"]
    text = "\n".join(course.source(cell) for cell in cells if cell["cell_type"] == "markdown")
    (heading,) = re.findall("“(.+?)”", task.section)
    assert f"# {heading}\n" in text


@pytest.mark.parametrize("tasks", ROUNDS, ids=len)
def test_the_right_answers_of_every_deal_pass(tasks):
    text = "".join(corpus.reference(task) for task in tasks)
    results = judged(text, tasks, range(10))
    assert [result.task for result in results if not result.passed] == []


@pytest.mark.parametrize("tasks", ROUNDS, ids=len)
@pytest.mark.parametrize("kind", corpus.LAZY)
def test_a_lazy_answer_to_a_dealt_task_fails(tasks, kind):
    text = "\n".join(corpus.lazy(task, kind) for task in tasks)
    assert [result.task for result in judged(text, tasks) if result.passed] == []


@pytest.mark.parametrize("way", corpus.WAYS)
def test_delegating_a_dealt_task_is_named(way):
    for tasks in ROUNDS:
        text = "".join(corpus.delegation(task, way) for task in tasks)
        assert {r.mistake for r in judged(text, tasks)} == {"delegated to the package"}


def test_the_bank_cannot_be_imported_by_an_answer():
    for name in ("attacks.wild.sound", "attacks.wild.bank", "grading.tasks.hunt"):
        tasks = [hunt.CURES["purpose_key"]]
        text = f"from x3dhlab.{name} import *\ndef cure_02(secret, label):\n"
        text += "    return purpose_key(secret, label)\n"
        assert not any(result.passed for result in judged(text, tasks))


@pytest.mark.parametrize("name", hunt.FINDS)
def test_a_learner_who_mends_the_program_in_the_notebook_changes_nothing(name):
    """The checker runs its own copy of the broken program."""
    task = hunt.FINDS[name]
    mended = "\n\n".join(part for part in hunting.parts(name, sound) if part)
    (result,) = judged(mended + "\n\n" + task.reference, [task])
    assert result.passed or name in {"secret_of", "new_values", "prekey_private", "open_message"}


RIGHT_FOR_BOTH = {"cure take_prekey", "cure checked_prekey"}
"""A verdict that is read, and errors that pass: either cure does both."""


def test_the_answers_to_other_bugs_of_the_same_slot_fail():
    for (one, task), (other, wrong) in itertools.permutations(DEALT.items(), 2):
        if task.id == wrong.id:
            (result,) = judged(corpus.reference(wrong), [task])
            assert result.passed == ({one, other} == RIGHT_FOR_BOTH), (one, other)


def test_mistakes_with_one_name_in_one_slot_are_one_mistake():
    for name in {task.id for task in DEALT.values()}:
        known = {}
        for mistake in itertools.chain(*(task.mistakes for task in variants(name))):
            words = mistake.misconception, mistake.cure
            assert known.setdefault(mistake.name, words) == words, (name, mistake.name)


def test_a_task_that_is_not_dealt_has_one_form():
    assert variants("x3dh.initiate") == [TASKS["x3dh.initiate"]]
    assert len(variants("hunt.find_02")) == 2


# What the feedback says of answers that no row was written for


def said(task, answer):
    """The verdict on a wrong answer: a text, or what changes in the reference."""
    text = answer if type(answer) is str else generic.replaced(task.reference, *answer)
    (result,) = judged(task.given + text, [task])
    assert not result.passed
    return result


READ = hunt.CURES["read"]
_FAR, _PAST = 'raise TooManySkipped("the jump is too long")', "raise DecryptionFailed("


@pytest.mark.parametrize(
    ("changes", "asked"),
    [
        ([(_FAR, 'raise DecryptionFailed("no")')], "TooManySkipped"),
        ([(_PAST, "raise TooManySkipped(")], "DecryptionFailed"),
        ([(_FAR, 'raise ValueError("no")')], "TooManySkipped"),
    ],
)
def test_a_cure_that_refuses_with_another_error_is_told_which_one(changes, asked):
    words = said(READ, changes).feedback
    assert asked in words.likely and f"raise {asked}" in words.cure


@pytest.mark.parametrize(
    ("name", "value", "objection"),
    [
        ("publish", "{'1': bytes(32)}", "whole numbers"),
        ("publish", "[1]", "another form"),
        ("handshake_secret", "[[bytes(16), None], [None, bytes(16)]]", "None or 32 bytes"),
        ("remember", "{**args[0], 'prekey': b'5'}", "another type"),
        ("take_prekey", "{**args[0], 'signature': None}", "not bytes"),
    ],
)
def test_only_text_is_called_text(name, value, objection):
    task = hunt.FINDS[name]
    result = said(task, f"def {task.function}(*args):\n    return {value}\n")
    assert result.mistake == "" and objection in result.feedback.got
    assert "text" not in result.feedback.likely and "without" not in result.feedback.got[:30]


def test_a_witness_of_another_type_is_told_the_type():
    task = hunt.FINDS["publish"]
    words = said(task, f"def {task.function}(hers):\n    return [1]\n").feedback
    assert "list" in words.likely and "dict" in words.likely


def test_a_search_that_finds_nothing_is_not_called_a_missing_return():
    task = hunt.FINDS["accepts"]
    words = said(task, [("(0, 1, p - 1, p, p + 1)", "(0,)"), ("(0, 1 << 255)", "(0,)")]).feedback
    assert "None" in words.got and "`if`" in words.cure + words.likely


def test_the_empty_associated_data_are_named():
    result = said(hunt.CURES["open_message"], [("sealed, header)", "sealed, b'')")])
    assert "header" in result.feedback.cure and "witness" not in result.feedback.cure
    result = said(hunt.CURES["open_message"], [("sealed, header)", "sealed, header[:7])")])
    assert result.mistake != "empty associated data"


def test_the_objection_to_another_form_is_the_judges():
    assert bank.OTHER_FORM == judge.OTHER_FORM


# Dealing


def test_a_seed_deals_the_same_bugs_every_time_and_seeds_differ():
    deals_of = {seed: [bug.function for bug in hunt.dealt(seed)] for seed in range(200)}
    assert all([bug.slot for bug in hunt.dealt(seed)] == list(range(1, 13)) for seed in range(50))
    assert deals_of[7] == [bug.function for bug in hunt.dealt(7)]
    assert len({tuple(names) for names in deals_of.values()}) >= 180
    assert set().union(*deals_of.values()) == {bug.function for bug in bank.BUGS}


def test_a_seed_keeps_its_bugs_in_the_next_version():
    names = [bug.function for bug in hunt.dealt(7)]
    assert names == KEPT


KEPT = ["same_tag", "new_values", "read_and_log", "purpose_key", "nonces_used", "associated"]
KEPT += ["handshake_secret", "secret_of", "checked_prekey", "remember_recent", "lost_messages"]
KEPT += ["take_one"]


def test_every_deal_has_the_same_eighteen_ids():
    ids = [f"hunt.find_{n:02}" for n in range(1, 13)] + [f"hunt.cure_{n:02}" for n in range(1, 7)]
    for seed in range(40):
        assert list(hunt.deal(seed)) == ids
    assert [task.id for task in hunt.TASKS] == ids
    assert {task.id: TASKS[task.id] for task in hunt.TASKS} == hunt.deal(hunt.COURSE)


def test_the_exercise_of_the_course_is_the_deal_number_0():
    name = "15_bugs_in_the_wild.ipynb"
    exercise = course._read(course.root() / "exercises" / name)
    plain = [(c["id"], c["cell_type"], course.source(c)) for c in exercise["cells"]]
    ours = deals.notebook_cells(hunt.COURSE)
    assert plain == [(cell["id"], cell["cell_type"], cell["source"]) for cell in ours]
    solution = course._read(course.root() / "solutions" / name)
    kept = [c for c in solution["cells"] if not authoring._tags(c) & authoring.LEFT_OUT]
    ours = deals.notebook_cells(hunt.COURSE, solved=True)
    assert [course.source(cell) for cell in kept] == [cell["source"] for cell in ours]


@pytest.mark.parametrize("seed", SEEDS)
def test_a_hunt_is_the_stub_of_its_solution(seed):
    right = {"cells": deals.notebook_cells(seed, solved=True), "metadata": {}}
    made = authoring.exercise_from(right | {"nbformat": 4, "nbformat_minor": 5})
    texts = [course.source(cell) for cell in made["cells"]]
    assert texts == [cell["source"] for cell in deals.notebook_cells(seed)]
    assert sum("NotImplementedError" in text for text in texts) == 18


@pytest.mark.parametrize("seed", range(24))
def test_the_cells_of_a_hunt_are_short(seed):
    lengths = [
        cell["source"].count("\n") + 1
        for cell in deals.notebook_cells(seed)
        if cell["cell_type"] == "code"
    ]
    assert max(lengths) <= 15 and sorted(lengths)[len(lengths) // 2] <= 5


# Grading


@pytest.fixture
def hunted(tmp_path):
    """A folder with the solved and the untouched hunt of each seed."""
    for seed in SEEDS:
        (tmp_path / f"15_solved_{seed}.ipynb").write_bytes(solved(seed))
        course.write_hunt(seed, tmp_path / f"15_hunt_{seed}.ipynb")
    return tmp_path


@pytest.mark.parametrize("seed", SEEDS)
def test_a_hunt_is_graded_by_the_seed_in_the_file(seed, hunted):
    report = grade([hunted / f"15_solved_{seed}.ipynb"], seed=3)
    assert (len(report.results), report.exit_code) == (18, 0)
    assert {result.hunt for result in report.results} == {seed}
    report = grade([hunted / f"15_hunt_{seed}.ipynb"], seed=3)
    assert (len(report.results), report.points) == (18, 0)


def test_another_learners_answers_fail_where_the_bugs_differ(hunted):
    ours, theirs = (hunt.dealt(seed) for seed in (1, 7))
    differing = {f"hunt.find_{bug.slot:02}" for bug in ours if bug not in theirs}
    differing |= {
        f"hunt.cure_{hunting.CURED[b.slot]:02}"
        for b in ours
        if b not in theirs and b.slot in hunting.CURED
    }
    assert len(differing) >= 5
    report = grade([hunted / "15_solved_1.ipynb"], seed=3, hunt=7)
    assert {result.task for result in report.results if not result.passed} == differing
    assert {result.hunt for result in report.results} == {7}


def test_a_seed_that_was_changed_in_the_file_gains_nothing(hunted):
    path = hunted / "15_solved_1.ipynb"
    path.write_bytes(path.read_bytes().replace(b"hunt(1)", b"hunt(7)"))
    honest = grade([hunted / "15_solved_7.ipynb"], seed=3, hunt=7)
    forged = grade([path], seed=3, hunt=7)
    assert honest.points > forged.points == grade([path], seed=3).points


def test_an_exercise_without_a_seed_is_the_courses_own():
    path = course.root() / "solutions" / "15_bugs_in_the_wild.ipynb"
    report = grade([path], ["hunt.find_01", "hunt.cure_06"], seed=3)
    assert report.exit_code == 0 and {result.hunt for result in report.results} == {None}


@pytest.mark.parametrize(
    ("text", "seed"),
    [
        (b"check, hint = hunt(4711)", 4711),
        (b'"check, hint = hunt( seed = 12 )\\n"', 12),
        (b"from x3dhlab.grading import hunt", None),
        (b"x = hunting(5); y = hunt(z)", None),
        (b"hunt(5)\nhunt(5)", 5),
    ],
)
def test_the_seed_is_read_without_running_the_file(text, seed):
    assert deals.seed_of(text) == seed


def test_a_file_with_two_hunts_is_a_problem_unless_one_is_demanded(tmp_path):
    path = tmp_path / "15_x.py"
    path.write_text("hunt(5)\nhunt(6)\n")
    report = grade([path], seed=1)
    assert report.exit_code == 2 and "several hunts, 5 and 6" in report.problems[0]
    assert grade([path], seed=1, hunt=5).exit_code == 1


@pytest.mark.parametrize(
    ("rules", "learner", "seed"),
    [
        ((), "ann", None),
        (("7",), "ann", 7),
        (("7", "ann=9"), "ann", 9),
        (("7", "ann=9"), "bea", 7),
        (("ann=9",), "bea", None),
    ],
)
def test_a_seed_is_demanded_of_all_or_of_one(rules, learner, seed):
    assert deals.enforced(rules, learner) == seed


@pytest.mark.parametrize("rule", ["", "x", "ann=", "=x", "-1", "1.5", "ann=7=x"])
def test_a_rule_of_another_form_is_refused(rule):
    with pytest.raises(deals.HuntProblem, match="NAME=number"):
        deals.enforced((rule,), "ann")


def test_a_hostile_hunt_gains_nothing(tmp_path):
    task = hunt.FINDS["same_tag"]
    for name in ("os_exit", "forged_pipe", "lying_equal", "patched_plain", "read_checks"):
        text = corpus.HOSTILE[name].read_text().replace("hello", task.function)
        path = tmp_path / f"15_{name}.py"
        path.write_text("# hunt(7)\n" + text)
        report = grade([path], [task.id], seed=3, timeout=0.6)
        assert (report.points, report.exit_code) == (0, 1)
        assert report.isolation != runner.NAMES["none"]


# The commands


def test_the_command_writes_a_notebook_and_never_over_answers(command, tmp_path):  # noqa: F811
    code, out, _ = command("hunt", "--seed", 7)
    path = tmp_path / "15_hunt_7.ipynb"
    assert code == 0 and "15_hunt_7.ipynb" in out
    notebook = json.loads(path.read_text())
    assert course.tasks_of(notebook).keys() == hunt.deal(7).keys()
    path.write_text("my answers")
    code, out, err = command("hunt", "--seed", 7)
    assert (code, out) == (2, "") and one_sentence(err) and "--out" in err
    assert path.read_text() == "my answers"
    assert command("hunt", "--seed", 7, "--out", tmp_path / "new" / "mine.ipynb")[0] == 0
    assert (tmp_path / "new" / "mine.ipynb").read_bytes() != b"my answers"


def test_in_a_workspace_a_hunt_goes_among_the_exercises(command, tmp_path, monkeypatch):  # noqa: F811
    course.prepare(tmp_path)
    monkeypatch.chdir(tmp_path / "notebooks")
    code, out, _ = command("hunt", "--seed", 7)
    path = tmp_path / "exercises" / "15_hunt_7.ipynb"
    assert code == 0 and "../exercises/15_hunt_7.ipynb" in out.replace("\\", "/")
    (link,) = re.findall(r"\]\((.+?)\)", course.source(json.loads(path.read_text())["cells"][0]))
    assert (path.parent / link).is_file()


@pytest.mark.parametrize("arguments", [(), ("--seed", "x"), ("--seed", "-1")])
def test_a_hunt_without_a_good_seed_is_refused(command, arguments):  # noqa: F811
    assert command("hunt", *arguments)[0] == 2


def test_a_hunt_is_a_notebook_only(command, tmp_path):  # noqa: F811
    code, _, err = command("hunt", "--seed", 3, "--out", "hunt.py")
    assert code == 2 and one_sentence(err) and ".ipynb" in err


def test_a_class_report_names_each_learners_hunt(command, tmp_path):  # noqa: F811
    for name, seed in (("ann", 1), ("bea", 7)):
        (tmp_path / "class" / name).mkdir(parents=True)
        (tmp_path / "class" / name / "15_hunt.ipynb").write_bytes(solved(seed))
    folder = tmp_path / "report"
    code, out, _ = command("grade", "class", "--report", folder, "--hunt", "ann=1", "--hunt", "7")
    assert code == 0, out
    marks = (folder / "marks.csv").read_text().splitlines()
    assert (
        marks[0].endswith("problems,hunt") and marks[1].endswith(",1") and marks[2].endswith(",7")
    )
    found = json.loads((folder / "class.json").read_text())
    assert [learner["hunts"] for learner in found["learners"]] == ["1", "7"]
    page = (folder / "class.html").read_text()
    assert "hunt 1" in page and "hunt 7" in page
    code, _, err = command("grade", "class", "--report", folder, "--resume", "--hunt", "8")
    assert code == 2 and "other settings" in err


def test_the_terminal_names_the_hunt_and_refuses_a_bad_rule(command, tmp_path):  # noqa: F811
    (tmp_path / "15_hunt_7.ipynb").write_bytes(solved(7))
    code, out, _ = command("grade", "15_hunt_7.ipynb", "--task", "hunt.find_02")
    assert code == 0 and out.startswith("15_hunt_7.ipynb (hunt 7)\n")
    code, _, err = command("grade", "15_hunt_7.ipynb", "--hunt", "x")
    assert code == 2 and one_sentence(err) and "NAME=number" in err


def test_a_mistake_in_a_bug_that_was_dealt_is_on_the_list_of_what_to_teach():
    task = hunt.FINDS["prekey_private"]
    assert task not in TASKS.values()
    names = {mistake.name for mistake in classreport._mistakes(task.id)}
    assert {mistake.name for mistake in task.mistakes} <= names


# In a notebook


def test_hunt_gives_check_and_hints_for_its_own_bugs(capsys):
    from x3dhlab.grading import hunt as deal

    seed = next(n for n in range(1, 99) if hunt.dealt(n)[1].function == "prekey_private")
    check, hint = deal(seed)
    hints._taken.clear()
    hint("hunt.find_02")
    assert hunt.FINDS["prekey_private"].hints.nudge in capsys.readouterr().out
    check("hunt.find_13")
    assert "There is no task 'hunt.find_13'" in capsys.readouterr().out
    assert check.keywords["tasks"] == hunt.deal(seed)


def test_a_solved_hunt_passes_in_its_own_notebook(tmp_path):
    cells = deals.notebook_cells(7, solved=True)
    made = {"cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 5}
    place = {"metadata": {"path": str(tmp_path)}}
    notebook = nbformat.from_dict(made)
    NotebookClient(notebook, timeout=120, resources=place).execute()
    ran = [cell for cell in notebook.cells if cell["id"].startswith("check-")]
    told = ["".join(out.get("text", "") for out in cell.outputs) for cell in ran]
    assert len(told) == 18 and [text for text in told if ": passed" not in text] == []
