"""Many submissions at once: whose they are, what is refused, and what the class report says."""

import csv
import importlib.util
import io
import json
import os
import random
import stat
import subprocess
import sys
import weakref
import zipfile
from pathlib import Path

import nbformat
import pytest
from submissions import corpus

from x3dhlab.grading import archive, batch, classreport, cli_grade, collect, grade, runner
from x3dhlab.grading.safe import neutral_place
from x3dhlab.grading.tasks import TASKS

HELLO = TASKS["start.hello"]
RIGHT = corpus.reference(HELLO)
WRONG = corpus.mistake(HELLO, HELLO.mistakes[2])


def notebook(text):
    return nbformat.writes(nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(text)]))


@pytest.fixture
def room(tmp_path):
    """A class of five: two right, two with one mistake, one file that is no notebook."""
    texts = {"ann": RIGHT, "bea": WRONG, "cem": RIGHT, "dan": WRONG}
    for name, text in texts.items():
        (tmp_path / "class" / name).mkdir(parents=True)
        (tmp_path / "class" / name / "answer.ipynb").write_text(notebook(text))
    (tmp_path / "class" / "eve").mkdir()
    (tmp_path / "class" / "eve" / "answer.ipynb").write_text("{")
    return tmp_path


def report_on(room, *, paths=None, **options):
    """(exit code, class.json) of a class report."""
    settings = {"task": "start.hello", "seed": 5, "allow_unisolated": True, "jobs": 2} | options
    code = cli_grade(paths or [room / "class"], folder=room / "report", **settings)
    return code, json.loads((room / "report" / "class.json").read_text())


def test_one_bad_submission_never_stops_the_rest(room, capsys):
    code, body = report_on(room)
    assert code == 1
    marks = {learner["name"]: learner["points"] for learner in body["learners"]}
    assert marks == {"ann": 1, "bea": 0, "cem": 1, "dan": 0, "eve": 0}
    (eve,) = [learner for learner in body["learners"] if learner["problems"]]
    assert eve["name"] == "eve" and "JSON" in eve["problems"][0]
    assert "5 learners" in capsys.readouterr().out


def test_a_crash_of_the_grader_costs_one_submission_only(room, monkeypatch):
    def explode(submission, *arguments):
        raise ZeroDivisionError

    monkeypatch.setattr(batch.engine, "grade_one", explode)
    item = collect.Item("a.py", "ann", b"x")
    found = batch.grade_item(item, batch.Settings(1))
    assert found.report.problems == ("a.py: could not be graded (ZeroDivisionError)",)


def test_the_report_says_what_to_teach(room):
    _, body = report_on(room)
    (first, *_) = body["teach"]
    assert first == {
        "task": "start.hello", "mistake": HELLO.mistakes[2].name, "learners": 2, "answered": 4
    }  # fmt: skip
    page = (room / "report" / "class.html").read_text()
    assert "2 of 4 learners" in page and HELLO.mistakes[2].misconception in page
    assert "<script" not in page and "http" not in page.replace("http-equiv", "")


def test_the_marks_are_a_table_with_a_row_for_each_learner(room):
    report_on(room)
    rows = list(csv.DictReader((room / "report" / "marks.csv").open()))
    assert [(row["learner"], row["start.hello"]) for row in rows] == [
        ("ann", "1"), ("bea", "0"), ("cem", "1"), ("dan", "0"), ("eve", "")
    ]  # fmt: skip
    answers = list(csv.DictReader((room / "report" / "answers.csv").open()))
    assert [row["mistake"] for row in answers if row["passed"] == "no"] == ["text for bytes"] * 2


@pytest.mark.parametrize(
    "text", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", " =1", "\r\n=1", "＝1", "|calc"]
)
def test_no_cell_of_a_spreadsheet_is_a_formula(text):
    assert not classreport.cell(text).startswith(tuple("=+-@|＝ \t\r\n"))
    row = next(csv.reader(io.StringIO(classreport._table([[text, 'a "b", c']]))))
    assert row[1] == 'a "b", c' and len(row) == 2


def test_hostile_names_stay_text_in_every_form(tmp_path, capsys):
    name = '=HYPERLINK("x")<img src=x onerror=alert(1)>\x1b[31m'
    (tmp_path / "class" / name).mkdir(parents=True)
    raising = "class Evil(Exception): pass\nEvil.__name__ = '<b>=1'\n"
    raising += "def hello(name):\n    raise Evil\n"
    (tmp_path / "class" / name / "answer.ipynb").write_text(notebook(raising))
    (tmp_path / "class" / "other.ipynb").write_text(notebook(WRONG))
    report_on(tmp_path)
    page = (tmp_path / "report" / "class.html").read_text()
    assert "<img" not in page and "<b>=1" not in page and "\x1b" not in page
    for row in csv.reader((tmp_path / "report" / "marks.csv").open()):
        assert not any(value.startswith(("=", "+", "-", "@")) for value in row)
    assert "\x1b" not in capsys.readouterr().out


# Whose a file is


@pytest.mark.parametrize(
    ("paths", "learners"),
    [
        (["ann.ipynb", "bea.ipynb"], ["ann", "bea"]),
        (["class/ann.ipynb", "class/bea.ipynb"], ["ann", "bea"]),
        (["class/ann/04_x.ipynb", "class/bea/exercises/04_x.ipynb"], ["ann", "bea"]),
        (["ann/00_y.ipynb", "ann/04_x.ipynb"], ["ann", "ann"]),
        (["submitted/ann/04_x/04_x.ipynb", "submitted/bea/04_x/04_x.ipynb"], ["ann", "bea"]),
        (["ann_1_file_/answer.ipynb", "bea_2_file_/answer.ipynb"], ["ann_1_file_", "bea_2_file_"]),
    ],
)
def test_a_learner_is_the_folder_or_the_file(paths, learners, tmp_path):
    for path in paths:
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text("{}")
    assert [item.learner for item in collect.items([tmp_path])] == learners
    packed = pack(tmp_path / "all.zip", dict.fromkeys(paths, "{}"))
    assert [item.learner for item in collect.items([packed])] == learners


def test_the_best_of_several_files_counts(room):
    (room / "class" / "bea" / "again.ipynb").write_text(notebook(RIGHT))
    _, body = report_on(room)
    (bea,) = [learner for learner in body["learners"] if learner["name"] == "bea"]
    assert (bea["files"], bea["points"]) == (2, 1)


def test_a_script_beside_the_answer_is_no_submission(room, capsys):
    (room / "class" / "ann" / "helper.py").write_text("x = 1\n")
    (room / "class" / "ann" / "hello.py").write_text(RIGHT)
    _, body = report_on(room, task=None)
    ann = body["learners"][0]
    assert (ann["files"], ann["problems"]) == (2, [])


# Links and archives


def test_a_link_is_never_followed(tmp_path):
    solution = tmp_path / "solutions" / "00_a.ipynb"
    solution.parent.mkdir()
    solution.write_text(notebook(RIGHT))
    mine = tmp_path / "mine"
    mine.mkdir()
    (mine / "00_a.ipynb").symlink_to(solution)
    (mine / "deep").symlink_to(solution.parent)
    os.mkfifo(mine / "pipe.ipynb")
    problems = {Path(item.name).name: item.problem for item in collect.items([mine])}
    assert problems == {"00_a.ipynb": "it is a link, not a file", "pipe.ipynb": "it is not a file"}
    for path in (mine / "00_a.ipynb", mine / "deep" / "00_a.ipynb"):
        report = grade([path], ["start.hello"], seed=1, allow_unisolated=True)
        assert report.points == 0 and "link" in report.problems[0]
    assert grade([solution], ["start.hello"], seed=1, allow_unisolated=True).points == 1


def pack(path, files, kind=0, **options):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, **options) as packed:
        for name, content in files.items():
            info = zipfile.ZipInfo(name)
            info.compress_type = zipfile.ZIP_DEFLATED
            info.external_attr = (kind | 0o644) << 16
            packed.writestr(info, content)
    return path


def refused(path):
    """The sentences about everything in an archive that is not graded."""
    return [item.problem for item in collect.items([path]) if item.problem]


@pytest.mark.parametrize(
    "name", ["../../x.ipynb", "/etc/x.ipynb", "a/../../x.ipynb", "..\\x.ipynb", "C:\\x.ipynb"]
)
def test_a_name_that_leads_out_of_an_archive_is_refused(name, tmp_path):
    path = pack(tmp_path / "a.zip", {name: "{}", "good.ipynb": "{}"})
    assert refused(path) == ["the name leads out of the archive"]
    assert [item.data for item in collect.items([path]) if not item.problem] == [b"{}"]


@pytest.mark.parametrize("kind", [stat.S_IFLNK, stat.S_IFIFO, stat.S_IFCHR])
def test_a_link_in_an_archive_is_refused(kind, tmp_path):
    path = pack(tmp_path / "a.zip", {"x.ipynb": "/etc/passwd"}, kind)
    assert refused(path) == ["it is a link or a special file, not a file"]


def test_a_bomb_is_refused_by_what_it_says_and_by_what_it_does(tmp_path):
    bomb = pack(tmp_path / "a.zip", {"x.ipynb": bytes(10 * 2**20)})
    assert "too well" in refused(bomb)[0]
    large = pack(tmp_path / "b.zip", {"x.ipynb": bytes(17 * 2**20)})
    assert "larger than 16 MiB" in refused(large)[0]
    lying = bytearray(bomb.read_bytes())
    place = lying.index(b"PK\x01\x02")
    lying[place + 24 : place + 28] = (100).to_bytes(4, "little")
    (tmp_path / "c.zip").write_bytes(lying)
    (item,) = collect.items([tmp_path / "c.zip"])
    assert item.problem or len(item.data) == 100


def test_an_archive_of_archives_is_read_one_level_deep(tmp_path):
    inner = pack(tmp_path / "inner.zip", {"04_x.ipynb": "{}", "more.zip": "x"}).read_bytes()
    path = pack(tmp_path / "all.zip", {"ann.zip": inner, "bea.zip": inner, "bad.zip": b"no"})
    found = [(item.name[len(str(path)) + 1 :], item.problem) for item in collect.items([path])]
    assert found == [
        ("ann.zip/04_x.ipynb", ""),
        ("bad.zip", "the archive cannot be read (BadZipFile)"),
        ("bea.zip/04_x.ipynb", ""),
    ]


def test_archives_in_a_folder_belong_to_one_learner_each(room):
    inner = pack(room / "class" / "fay.zip", {"x/answer.ipynb": notebook(RIGHT)})
    assert inner.is_file()
    _, body = report_on(room)
    assert {n["name"]: n["points"] for n in body["learners"]}["fay"] == 1


def test_an_archive_with_too_many_or_doubled_members_is_refused(tmp_path, monkeypatch):
    path = pack(tmp_path / "a.zip", {f"{n}.ipynb": "{}" for n in range(9)})
    monkeypatch.setattr(archive, "MEMBERS", 8)
    assert refused(path) == ["the archive has more than 8 members"]
    with zipfile.ZipFile(tmp_path / "b.zip", "w") as packed, pytest.warns(UserWarning):
        packed.writestr("a.ipynb", "{}")
        packed.writestr("a.ipynb", "{ }")
    assert set(refused(tmp_path / "b.zip")) == {"the archive has two members of this name"}


def test_encrypted_and_oddly_compressed_members_are_refused(tmp_path):
    with zipfile.ZipFile(tmp_path / "a.zip", "w", zipfile.ZIP_BZIP2) as packed:
        packed.writestr("a.ipynb", "{}")
    assert "unusual" in refused(tmp_path / "a.zip")[0]
    secret = bytearray(pack(tmp_path / "b.zip", {"a.ipynb": "{}"}).read_bytes())
    secret[secret.index(b"PK\x01\x02") + 8] |= 1
    (tmp_path / "b.zip").write_bytes(secret)
    assert refused(tmp_path / "b.zip") == ["it is encrypted"]


@pytest.mark.parametrize("seed", range(20))
def test_a_damaged_archive_is_survived(seed, tmp_path):
    data = bytearray(pack(tmp_path / "a.zip", {"a/x.ipynb": "{}", "b/x.ipynb": "{}"}).read_bytes())
    rng = random.Random(seed)
    for _ in range(6):
        data[rng.randrange(len(data))] = rng.randrange(256)
    (tmp_path / "a.zip").write_bytes(data)
    assert all(isinstance(item, collect.Item) for item in collect.items([tmp_path / "a.zip"]))


# Interruptions


class Interrupted:
    """Lets the first submissions through, then does what Ctrl+C does."""

    def __init__(self, after):
        self.left, self.graded, self.real = after, [], batch.grade_item

    def __call__(self, item, settings):
        if not self.left:
            raise KeyboardInterrupt
        self.left -= 1
        self.graded.append(item.learner)
        return self.real(item, settings)


def test_an_interrupted_report_goes_on_where_it_stopped(room, monkeypatch, capsys):
    whole = report_on(room, jobs=1)[1]
    first, second = Interrupted(2), Interrupted(9)
    monkeypatch.setattr(batch, "grade_item", first)
    options = {"task": "start.hello", "jobs": 1, "allow_unisolated": True}
    options["folder"] = room / "report"
    assert cli_grade([room / "class"], seed=5, **options) == 2
    assert "--resume" in capsys.readouterr().err
    journal = room / "report" / "journal.jsonl"
    journal.write_bytes(journal.read_bytes() + b'{"name": "torn')
    monkeypatch.setattr(batch, "grade_item", second)
    assert cli_grade([room / "class"], resume=True, **options) == 1
    assert (first.graded, second.graded) == (["ann", "bea"], ["cem", "dan", "eve"])
    assert json.loads((room / "report" / "class.json").read_text()) == whole


def test_a_changed_submission_is_graded_again(room, monkeypatch):
    report_on(room)
    (room / "class" / "bea" / "answer.ipynb").write_text(notebook(RIGHT))
    again = Interrupted(9)
    monkeypatch.setattr(batch, "grade_item", again)
    _, body = report_on(room, resume=True, jobs=1)
    assert again.graded == ["bea"]
    assert {n["name"]: n["points"] for n in body["learners"]}["bea"] == 1


def test_a_journal_with_other_settings_or_none_is_refused(room, capsys):
    options = {"folder": room / "report", "allow_unisolated": True, "resume": True}
    assert cli_grade([room / "class"], "start.hello", **options) == 2
    report_on(room)
    assert cli_grade([room / "class"], "start.hello", seed=6, **options) == 2
    assert cli_grade([room / "class"], "start.hello", timeout=1, **options) == 2
    told = capsys.readouterr().err
    assert "no interrupted grading" in told and "seed 5" in told and "Traceback" not in told


def test_without_resume_an_old_journal_gives_no_marks(room):
    report_on(room)
    journal = room / "report" / "journal.jsonl"
    journal.write_text(journal.read_text().replace('"points": 0', '"points": 1'))
    _, body = report_on(room)
    assert sum(learner["points"] for learner in body["learners"]) == 2


def test_a_report_inside_the_submissions_is_refused(room, capsys):
    for folder in (room / "class" / "report", room / "class"):
        assert cli_grade([room / "class"], folder=folder, allow_unisolated=True) == 2
    assert "inside the submissions" in capsys.readouterr().err


def test_a_planted_link_is_replaced_and_not_written_through(room):
    victim = room / "victim"
    victim.write_text("mine")
    (room / "report").mkdir()
    for name in (*classreport.FILES, classreport.JOURNAL, ".class.json.draft"):
        (room / "report" / name).symlink_to(victim)
    report_on(room)
    assert victim.read_text() == "mine"
    assert not (room / "report" / "class.json").is_symlink()


# Backends


RAY = pytest.param(
    "ray",
    marks=pytest.mark.skipif(not importlib.util.find_spec("ray"), reason="Ray is not installed"),
)


@pytest.mark.parametrize("backend", ["loky", "dask", RAY])
def test_every_backend_gives_the_same_report(room, backend):
    expected = report_on(room, jobs=1)
    assert report_on(room, backend=backend) == expected


def test_an_unknown_or_missing_backend_is_one_sentence(room, monkeypatch, capsys):
    monkeypatch.setattr(batch.importlib.util, "find_spec", lambda name: None)
    for name in ("spark", "ray"):
        assert cli_grade([room / "class"], folder=room / "report", backend=name) == 2
    told = capsys.readouterr().err.splitlines()
    assert told[0].startswith("The backend is one of") and told[1].endswith("pip install ray")


def test_a_refusal_for_want_of_isolation_stops_the_batch(room, monkeypatch, capsys):
    monkeypatch.setattr(runner, "MEANS", ("none",))
    for jobs in (1, 2):
        code = cli_grade([room / "class"], "start.hello", folder=room / "report", jobs=jobs)
        assert code == 2
    assert "apt install bubblewrap" in capsys.readouterr().err
    assert not (room / "report" / "class.json").exists()
    assert report_on(room)[1]["isolation"] == [runner.NAMES["none"]]


TRAPS = ["multiprocessing", "sitecustomize", "usercustomize", "conftest", "joblib", "rich", "json"]
TRAPS += ["pickle", "x3dhlab", "nacl", "cloudpickle", "distributed", "runpy", "typing"]


@pytest.mark.parametrize("backend", ["threading", "loky", "dask", RAY])
def test_no_file_beside_a_submission_is_imported_by_a_trusted_process(backend, tmp_path):
    mine, mark = tmp_path / "mine", tmp_path / "imported"
    mine.mkdir()
    for name in TRAPS:
        (mine / f"{name}.py").write_text(f"open({str(mark)!r}, 'a').write({name!r})\n")
    for name in ("ann", "bea"):
        (mine / f"{name}.ipynb").write_text(notebook(RIGHT))
    command = [Path(sys.executable).parent / "x3dhlab", "grade", ".", "--task", "start.hello"]
    command += ["--jobs", "2", "--backend", backend, "--allow-unisolated", "--format", "json"]
    # An empty entry means the current folder; Python looks there after the standard library.
    environment = os.environ | {"PYTHONPATH": ""}
    told = subprocess.run(command, cwd=mine, env=environment, capture_output=True, text=True)
    assert not mark.exists(), mark.read_text()
    assert json.loads(told.stdout)["points"] == 2, told.stderr
    subprocess.run([sys.executable, "-c", "import multiprocessing"], cwd=mine, check=True)
    assert mark.read_text() == "multiprocessing"


def test_the_neutral_place_is_left_as_it_was_found(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path / "lib"))
    before = os.getcwd(), sys.path[:], dict(os.environ)
    with neutral_place([tmp_path]) as place:
        assert os.getcwd() == str(place) and list(place.iterdir()) == []
        assert str(tmp_path / "lib") not in sys.path and "" not in sys.path
        assert os.environ["PYTHONSAFEPATH"] == "1"
    assert (os.getcwd(), sys.path, dict(os.environ)) == before


@pytest.mark.skipif(not os.path.isdir("/proc/self"), reason="isolation exists on Linux only")
def test_a_hostile_class_gains_nothing_and_every_submission_is_in_the_report(room):
    folder = corpus.HOSTILE["os_exit"].parent
    options = {"paths": [folder], "jobs": 4, "timeout": 0.6, "allow_unisolated": False}
    code, body = report_on(room, **options)
    assert code == 1
    assert [learner["name"] for learner in body["learners"]] == list(corpus.HOSTILE)
    assert sum(learner["points"] for learner in body["learners"]) == 0
    assert all("start.hello" in learner["answers"] for learner in body["learners"])


# Amounts


def test_several_rounds_of_inputs_need_one_worker(monkeypatch, tmp_path):
    started = []
    real = runner._work
    monkeypatch.setattr(runner, "_work", lambda *a: started.append(a[0]) or real(*a))
    path = tmp_path / "answer.py"
    path.write_text(corpus.reference(TASKS["x3dh.initiate"]))
    report = grade([path], ["x3dh.initiate"], seed=1, allow_unisolated=True, rounds=20)
    assert report.exit_code == 0 and len(started) == 1


def test_a_later_round_can_fail_an_answer(tmp_path):
    names = [HELLO.cases(seed)[0].arguments[0] for seed in (1, 2)]
    path = tmp_path / "answer.py"
    path.write_text(RIGHT + f"right = hello\ndef hello(name):\n    if name == {names[1]!r}:\n")
    path.write_text(path.read_text() + "        return b''\n    return right(name)\n")
    one, two = (
        grade([path], ["start.hello"], seed=1, allow_unisolated=True, rounds=rounds).exit_code
        for rounds in (1, 2)
    )
    assert (one, two) == (0, 1)


def test_only_the_submissions_at_work_are_in_memory(monkeypatch):
    alive, most = set(), []

    class Tracked(collect.Item):
        __slots__ = ("__weakref__",)

    def many():
        for number in range(300):
            item = Tracked(f"{number}.py", "ann", b"x" * 1000)
            alive.add(number)
            weakref.finalize(item, alive.discard, number)
            yield item
            del item
            most.append(len(alive))

    quick = batch.Report((), seed=1)
    monkeypatch.setattr(batch.engine, "grade_one", lambda *a: quick)
    assert sum(1 for _ in batch.run(many(), batch.Settings(1), jobs=2)) == 300
    assert max(most) < 30
