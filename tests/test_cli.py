"""The command: exit codes, one sentence for a person's mistake, and a light start."""

import subprocess
import sys

import pytest

from x3dhlab import __version__, cli, course, errors, health, kem

HEAVY = ("matplotlib", "jupyterlab", "IPython", "nbformat", "sqlalchemy", "cryptography", "nacl")


def run(capsys, monkeypatch, *arguments):
    """(exit code, standard output, standard error) of the command in this process."""
    monkeypatch.setattr(sys, "argv", ["x3dhlab", *map(str, arguments)])
    with pytest.raises(SystemExit) as stop:
        cli.main()
    told = capsys.readouterr()
    return stop.value.code or 0, told.out, told.err


@pytest.fixture
def command(capsys, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    return lambda *arguments: run(capsys, monkeypatch, *arguments)


def one_sentence(text):
    return len(text.strip().splitlines()) == 1 and "Traceback" not in text


def test_the_version_is_the_package_version(command):
    assert command("--version") == (0, f"x3dhlab {__version__}\n", "")


def test_help_names_every_command_and_loads_nothing_heavy():
    code = (
        "import sys; from x3dhlab import cli\n"
        "try: cli.app(['--help'])\n"
        "except SystemExit: pass\n"
        f"print([name for name in {HEAVY} if name in sys.modules])"
    )
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert told.stdout.splitlines()[-1] == "[]"
    for name in ("lab", "grade", "status", "reset", "update", "doctor", "bench", "hunt", "catchup"):
        assert f"\n  {name} " in told.stdout


def test_an_old_python_gets_one_sentence_and_exit_code_2():
    code = "import sys; sys.version_info = (3, 10, 4); import x3dhlab.cli"
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert told.returncode == 2
    assert told.stderr.startswith("x3dhlab needs Python 3.11 or newer")
    assert one_sentence(told.stderr)


@pytest.mark.parametrize("name", ["status", "update"])
def test_a_folder_that_is_no_workspace_is_named(command, tmp_path, name):
    code, out, err = command(name, tmp_path / "nowhere")
    assert (code, out) == (2, "")
    assert one_sentence(err) and f"x3dhlab lab {tmp_path / 'nowhere'}" in err


def test_a_workspace_that_is_a_file_ends_with_code_2(command, tmp_path):
    (tmp_path / "taken").write_text("")
    code, _, err = command("lab", tmp_path / "taken", "--no-browser")
    assert code == 2 and one_sentence(err) and "is a file" in err


def test_status_names_the_next_task(command, tmp_path):
    course.prepare(tmp_path / "mine")
    code, out, _ = command("status", tmp_path / "mine")
    assert code == 0
    assert out.startswith("00  Start here") and "Next: start.hello" in out


def test_reset_of_an_unknown_task_lists_the_known_ones(command, tmp_path):
    course.prepare(tmp_path / "mine")
    code, _, err = command("reset", "x3dh.nothing", tmp_path / "mine")
    assert code == 2 and one_sentence(err) and "x3dh.initiate" in err


def test_reset_says_where_the_old_text_is(command, tmp_path):
    course.prepare(tmp_path / "mine")
    code, out, _ = command("reset", "x3dh.initiate", tmp_path / "mine")
    assert code == 0 and str(tmp_path / "mine/backup/x3dh.initiate.1.py") in out


def test_update_with_nothing_new_says_so(command, tmp_path):
    course.prepare(tmp_path / "mine")
    assert command("update", tmp_path / "mine")[:2] == (0, "Everything is up to date.\n")


@pytest.mark.parametrize("port", ["0", "65536", "eighty"])
def test_a_port_that_cannot_exist_is_refused(command, tmp_path, port):
    code, _, err = command("lab", tmp_path / "mine", "--port", port)
    assert code == 2 and "--port" in err
    assert not (tmp_path / "mine").exists()


@pytest.mark.parametrize("code", [0, 1, 2])
def test_grade_ends_with_the_verdict_of_the_grader(command, monkeypatch, code):
    asked = {}

    def grader(paths, **options):
        asked.update(options, paths=[str(path) for path in paths])
        return code

    monkeypatch.setattr("x3dhlab.grading.cli_grade", grader)
    assert command("grade", "a.ipynb", "--task", "x3dh.initiate", "--seed", "7")[0] == code
    assert asked["paths"] == ["a.ipynb"] and asked["task"] == ["x3dh.initiate"]
    assert asked["seed"] == 7 and "timeout" not in asked


def test_grade_tells_a_stub_from_a_solution(command):
    root = course.root()
    assert command("grade", root / "solutions/00_start_here.ipynb")[0] == 0
    assert command("grade", root / "exercises/00_start_here.ipynb")[0] == 1
    assert command("grade", root / "exercises/missing.ipynb")[0] == 2


@pytest.mark.parametrize("problem", [errors.Unavailable("nothing here"), OSError(28, "Disk full")])
def test_a_problem_inside_a_command_is_one_sentence(command, monkeypatch, tmp_path, problem):
    def broken(folder):
        raise problem

    monkeypatch.setattr(course, "standing", broken)
    code, _, err = command("status", tmp_path)
    assert code == 2 and one_sentence(err)


def test_doctor_is_content_here(command):
    code, out, _ = command("doctor")
    assert code == 0 and "MISSING" not in out
    assert "ML-KEM-768" in out and "Python" in out


def test_doctor_tells_how_to_add_a_missing_library(command, monkeypatch):
    monkeypatch.setattr(kem, "available", lambda: [("ML-KEM-768", "kyber-py")])
    code, out, _ = command("doctor")
    assert code == 2
    assert "MISSING   ML-KEM-1024" in out and "-m pip install kyber-py" in out


def test_doctor_gives_the_commands_that_add_liboqs(command, monkeypatch):
    monkeypatch.setattr(kem, "find_liboqs", lambda: None)
    code, out, _ = command("doctor")
    assert code == 0
    assert f"--branch {health.LIBOQS_VERSION}" in out and "_oqs" in out
    assert health.liboqs_recipe("darwin") == ("brew install liboqs",)


def test_the_recipe_names_the_liboqs_that_the_tested_binding_wants():
    pins = (course.root() / "constraints.txt").read_text().splitlines()
    binding = next(line for line in pins if line.startswith("liboqs-python=="))
    assert binding.removeprefix("liboqs-python==").startswith(health.LIBOQS_VERSION)


def test_bench_gets_its_options(command, monkeypatch):
    asked = {}
    from x3dhlab import bench

    monkeypatch.setattr(bench, "main", lambda **options: asked.update(options))
    assert command("bench", "--json", "--seconds", "0.25")[0] == 0
    assert asked == {"json": True, "seconds": 0.25}
