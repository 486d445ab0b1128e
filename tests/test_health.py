"""What `x3dhlab doctor` finds: each thing made bad once, the verdict, what the JSON never says."""

import importlib.metadata
import json
import shutil
import socket
import tempfile
from collections import namedtuple
from pathlib import Path

import pytest

from x3dhlab import cli, course, health, kem
from x3dhlab.grading import runner

KEYS = {
    *("python", "disk", "folder", "port", "browser", "isolation", "liboqs"),
    *("jupyterlab", "anywidget", "matplotlib", "cryptography", "pynacl", "sqlalchemy"),
    *("ml-kem-768", "ml-kem-1024", "kyber-768", "kyber-1024"),
}
Space = namedtuple("Space", "total used free")


@pytest.fixture(autouse=True)
def sound(monkeypatch, tmp_path):
    """A machine on which everything is good, whatever the machine of the tests is like."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(kem, "find_liboqs", lambda: "/usr/lib/liboqs.so")
    monkeypatch.setattr(health, "_is_free", lambda port: True)
    monkeypatch.setattr(shutil, "which", lambda name: f"/usr/bin/{name}")
    monkeypatch.setattr(shutil, "disk_usage", lambda place: Space(10**12, 0, 10**12))
    monkeypatch.setattr(runner, "run", lambda *_, **__: runner.Run("bubblewrap", {}))


def old_python(patch):
    patch.setattr("sys.version_info", (3, 10, 4))


def narrow_python(patch):
    patch.setattr("sys.maxsize", 2**31 - 1)


def space(free):
    return lambda patch: patch.setattr(shutil, "disk_usage", lambda place: Space(free, 0, free))


def read_only(patch):
    def refuse(**_):
        raise PermissionError(13, "Permission denied", "/home/ada/secret")

    patch.setattr(tempfile, "NamedTemporaryFile", refuse)


def no_port(patch):
    patch.setattr(health, "_is_free", lambda port: False)


def nothing_on_the_path(patch):
    patch.setattr(shutil, "which", lambda name: None)
    patch.setattr("sys.platform", "linux")


def no_isolation(patch):
    def refuse(*_, **__):
        raise runner.IsolationError("nothing works")

    patch.setattr(runner, "run", refuse)


def no_library(patch):
    def version(name):
        raise importlib.metadata.PackageNotFoundError(name)

    patch.setattr(importlib.metadata, "version", version)


def no_kem(patch):
    patch.setattr(kem, "available", list)


def no_liboqs(patch):
    patch.setattr(kem, "find_liboqs", lambda: None)


BAD = [
    (old_python, "python", health.MISSING, "install Python 3.11"),
    (narrow_python, "python", health.MISSING, "64 bits"),
    (space(health.LEAST_SPACE - 1), "disk", health.MISSING, "free some space"),
    (space(health.ENOUGH_SPACE - 1), "disk", health.LIMIT, "free some space"),
    (read_only, "folder", health.MISSING, "in which you may write"),
    (no_port, "port", health.MISSING, "--port N"),
    (nothing_on_the_path, "browser", health.LIMIT, "Firefox"),
    (no_isolation, "isolation", health.LIMIT, "sudo"),
    (no_library, "jupyterlab", health.MISSING, "-m pip install jupyterlab"),
    (no_kem, "ml-kem-768", health.MISSING, "-m pip install kyber-py"),
    (no_liboqs, "liboqs", health.OPTIONAL, "git clone"),
]
VERDICTS = {
    health.MISSING: (health.NOT_READY, 2),
    health.LIMIT: (health.LIMITED, 0),
    health.OPTIONAL: (health.READY, 0),
}


def told(capsys, monkeypatch, *arguments):
    """(exit code, standard output) of `x3dhlab doctor`."""
    monkeypatch.setattr("sys.argv", ["x3dhlab", "doctor", *arguments])
    with pytest.raises(SystemExit) as stop:
        cli.main()
    return stop.value.code or 0, capsys.readouterr().out


def test_a_sound_machine_is_ready(capsys, monkeypatch):
    assert {finding.mark for finding in health.examine()} == {health.GOOD}
    code, out = told(capsys, monkeypatch)
    assert code == 0 and out.endswith("This machine is ready.\n") and "to do" not in out


@pytest.mark.parametrize(("spoil", "key", "mark", "cure"), BAD)
def test_what_is_bad_is_found_and_decides_the_verdict(capsys, monkeypatch, spoil, key, mark, cure):
    spoil(monkeypatch)
    (finding,) = (finding for finding in health.examine() if finding.key == key)
    verdict, expected = VERDICTS[mark]
    assert finding.mark == mark and cure in finding.cure
    code, out = told(capsys, monkeypatch)
    assert code == expected and out.endswith(f"This machine is {verdict}.\n")
    assert f"to do: {finding.cure}\n" in out
    code, out = told(capsys, monkeypatch, "--json")
    assert code == expected and json.loads(out)["verdict"] == verdict


@pytest.mark.parametrize(("spoil", "key", "mark", "cure"), BAD)
def test_every_finding_that_is_not_good_has_a_remedy_of_one_line(
    monkeypatch, spoil, key, mark, cure
):
    spoil(monkeypatch)
    for finding in health.examine():
        assert bool(finding.cure) == (finding.mark != health.GOOD)
        assert "\n" not in finding.cure + finding.what + finding.name


def test_the_worst_finding_decides():
    marks = health.GOOD, health.OPTIONAL, health.LIMIT, health.MISSING
    found = [health.Finding(mark, mark, mark, "") for mark in marks]
    assert [health.verdict(found[: n + 1]) for n in range(4)] == [
        *(health.READY, health.READY, health.LIMITED, health.NOT_READY)
    ]


def test_the_json_keeps_its_keys(capsys, monkeypatch):
    found = json.loads(told(capsys, monkeypatch, "--json")[1])
    assert list(found) == [
        *("schema", "x3dhlab", "verdict", "system", "machine", "python", "findings")
    ]
    assert found["schema"] == 1 and set(found["findings"]) == KEYS
    for finding in found["findings"].values():
        assert list(finding) == ["state", "found", "remedy"]
        assert finding["state"] in ("good", "optional", "limit", "missing")


@pytest.mark.parametrize("spoil", [lambda patch: None, *(case[0] for case in BAD)])
def test_the_json_names_no_person_no_machine_and_no_folder(monkeypatch, tmp_path, spoil):
    home = tmp_path / "ada-lovelace"
    (home / "x3dh-course").mkdir(parents=True)
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("USER", "ada-lovelace")
    monkeypatch.setattr("platform.node", lambda: "laptop-of-ada")
    monkeypatch.setattr("sys.executable", str(home / "venv/bin/python"))
    monkeypatch.setattr(kem, "find_liboqs", lambda: str(home / "_oqs/lib/liboqs.so"))
    monkeypatch.chdir(home)
    spoil(monkeypatch)
    findings = health.examine()
    assert any("ada" in finding.place for finding in findings)
    text = health.as_json(findings)
    for private in ("ada", str(tmp_path), str(Path.cwd())):
        assert private not in text


def test_a_busy_port_is_passed_over_and_said(monkeypatch):
    monkeypatch.setattr(health, "_is_free", lambda port: port > health.PORTS[0])
    (port,) = (finding for finding in health.examine() if finding.key == "port")
    assert port.what == f"{health.PORTS[1]} is free"


def test_a_port_that_somebody_serves_is_not_free(monkeypatch):
    monkeypatch.undo()
    with socket.create_server(("localhost", 0)) as server:
        assert not health._is_free(server.getsockname()[1])


def test_the_ports_are_those_that_lab_tries(tmp_path):
    options = course._arguments(tmp_path, browser=False, port=None)
    assert f"--ServerApp.port={health.PORTS[0]}" in options
    assert f"--ServerApp.port_retries={len(health.PORTS) - 1}" in options


def test_the_folder_is_tried_by_writing_and_left_clean(tmp_path):
    assert health.examine() and list(tmp_path.iterdir()) == []


def test_isolation_is_tried_with_a_real_process(monkeypatch):
    """No task, no case: what comes back is only which means worked here, if any."""
    monkeypatch.undo()
    found = health._isolation()
    assert found.mark in (health.GOOD, health.LIMIT)
    assert (found.mark == health.GOOD) == (found.what in runner.NAMES.values())


@pytest.mark.parametrize("system", ["darwin", "win32"])
def test_other_systems_bring_a_browser_and_no_isolation(monkeypatch, system):
    nothing_on_the_path(monkeypatch)
    no_isolation(monkeypatch)
    monkeypatch.setattr("sys.platform", system)
    monkeypatch.setattr("webbrowser.get", lambda: object())
    assert health._browser().mark == health.GOOD
    assert health._isolation().cure == "grade other people's answers on Linux"
