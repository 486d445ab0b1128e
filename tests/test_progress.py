"""The progress file: what is written stays, whatever else happens to the file."""

import multiprocessing

import pytest

from x3dhlab import progress


@pytest.fixture
def file(tmp_path, monkeypatch):
    path = tmp_path / "deep" / "progress.jsonl"
    monkeypatch.setenv(progress.VARIABLE, str(path))
    return path


def test_what_is_recorded_is_read_in_order(file):
    progress.record("prediction", "four", {"choice": 2})
    progress.record("task", "x3dh.initiate", True)
    assert [(e.kind, e.name, e.value) for e in progress.entries()] == [
        ("prediction", "four", {"choice": 2}),
        ("task", "x3dh.initiate", True),
    ]


def test_the_first_and_the_last_value_are_found_by_kind_and_name(file):
    progress.record("prediction", "q", "first")
    progress.record("answer", "q", "other kind")
    progress.record("prediction", "q", "second")
    assert progress.first("prediction", "q") == "first"
    assert progress.last("prediction", "q") == "second"
    assert progress.first("prediction", "unknown") is progress.last("task", "q") is None


def test_nothing_is_written_before_the_first_entry(file):
    assert progress.entries() == []
    assert not file.exists()


def test_an_unknown_kind_is_refused_and_not_written(file):
    with pytest.raises(ValueError, match="kind must be one of"):
        progress.record("guess", "q", 1)
    assert not file.exists()


def test_an_entry_after_an_interrupted_write_is_not_lost(file):
    progress.record("answer", "before", 1)
    with file.open("ab") as stream:
        stream.write(b'{"kind": "answer", "name": "half')
    progress.record("answer", "after", 2)
    assert [entry.name for entry in progress.entries()] == ["before", "after"]


@pytest.mark.parametrize(
    "line", [b"\xff\xfe\x00", b"[]", b"7", b"null", b'{"kind": "task"}', b"not json", b""]
)
def test_a_damaged_line_costs_only_itself(file, line):
    progress.record("answer", "before", 1)
    with file.open("ab") as stream:
        stream.write(line + b"\n")
    progress.record("answer", "after", 2)
    assert [entry.name for entry in progress.entries()] == ["before", "after"]


def test_any_text_survives_as_one_line(file):
    text = "two\nlines, \u2028 a separator, ü, 🔑"
    progress.record("answer", text, text)
    assert progress.last("answer", text) == text
    assert len(file.read_bytes().splitlines()) == 1


def test_a_place_that_cannot_be_written_raises_instead_of_forgetting(tmp_path, monkeypatch):
    monkeypatch.setenv(progress.VARIABLE, str(tmp_path))
    with pytest.raises(OSError, match="directory"):
        progress.record("answer", "q", 1)


def test_the_workspace_around_the_current_folder_is_found(tmp_path, monkeypatch):
    monkeypatch.delenv(progress.VARIABLE, raising=False)
    inner = tmp_path / "notebooks" / "inner"
    inner.mkdir(parents=True)
    (tmp_path / progress.FOLDER).mkdir()
    monkeypatch.chdir(inner)
    assert progress.path() == tmp_path / progress.FOLDER / progress.FILE


def test_outside_a_workspace_everything_stays_in_memory(tmp_path, monkeypatch):
    monkeypatch.delenv(progress.VARIABLE, raising=False)
    monkeypatch.setattr(progress, "path", lambda: None)
    monkeypatch.setattr(progress, "_memory", [])
    monkeypatch.chdir(tmp_path)
    progress.record("visit", "lesson", 1)
    assert progress.last("visit", "lesson") == 1
    assert list(tmp_path.iterdir()) == []


def write_many(who):
    for number in range(100):
        progress.record("answer", f"{who}/{number}", "x" * 100)


def test_two_notebooks_that_write_at_once_lose_nothing(file):
    with multiprocessing.get_context("spawn").Pool(2) as pool:
        pool.map(write_many, ["a", "b"], chunksize=1)
    assert len({entry.name for entry in progress.entries()}) == 200
