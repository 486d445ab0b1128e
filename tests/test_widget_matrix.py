"""The compromise matrix without a browser: predictions, their lock, the truth and its forms."""

import itertools
import json
from xml.etree import ElementTree

import pytest

from x3dhlab import progress, proof, scenes
from x3dhlab.widgets import FALLS, HOLDS, CompromiseMatrix, Heading, Truth


@pytest.fixture(autouse=True)
def progress_file(tmp_path, monkeypatch):
    path = tmp_path / "progress.jsonl"
    monkeypatch.setenv(progress.VARIABLE, str(path))
    return path


def judge(row, column):
    if row == column:
        return Truth(FALLS, "the diagonal falls", ("one = step", "two = steps"))
    return Truth(HOLDS, "off the diagonal")


def small(judge=judge, id="m"):
    return CompromiseMatrix(id, "Small", ["m1", "m2"], [Heading("key", "a key"), "state"], judge)


def predict_all(matrix, guess=HOLDS):
    for row, line in enumerate(matrix.guesses):
        for column in range(len(line)):
            matrix.predict(row, column, guess)


def truth_of(matrix):
    """The verdicts of a revealed matrix: one string for each column, from the first row down."""
    predict_all(matrix)
    matrix.reveal()
    rows = [[cell["verdict"] for cell in line] for line in matrix.outcome["cells"]]
    return {
        column["name"]: "".join("x" if row[n] == FALLS else "." for row in rows)
        for n, column in enumerate(matrix.asked["columns"])
    }


# Predicting


def test_every_cell_is_open_at_first():
    assert small().guesses == [["", ""], ["", ""]] and small().open_cells == 4


def test_the_judge_is_not_asked_before_the_reveal():
    asked = []
    matrix = small(lambda row, column: asked.append((row, column)) or judge(row, column))
    predict_all(matrix)
    repr(matrix), matrix._svg()
    assert asked == []
    matrix.reveal()
    assert sorted(asked) == list(itertools.product(range(2), repeat=2))


def test_open_cells_hold_back_the_reveal():
    matrix = small()
    matrix.predict(0, 0, FALLS)
    with pytest.raises(ValueError, match="3 cells"):
        matrix.reveal()
    matrix._on_message(matrix, {"kind": "reveal", "guesses": [[FALLS]]}, [])
    assert matrix.outcome == {} and progress.first("prediction", "m") is None


def test_a_reveal_that_overtakes_the_last_prediction_brings_it_along():
    matrix = small()
    matrix._on_message(matrix, {"kind": "reveal", "guesses": [[FALLS, HOLDS], [HOLDS, FALLS]]}, [])
    assert matrix.outcome["right"] == 4


@pytest.mark.parametrize("call", [(2, 0, FALLS), (0, 9, FALLS), (-1, 0, HOLDS), (0, 0, "maybe")])
def test_an_impossible_prediction_is_refused(call):
    matrix = small()
    with pytest.raises(ValueError):
        matrix.predict(*call)
    assert matrix.open_cells == 4


@pytest.mark.parametrize("junk", [[], [["falls"]], [[1, 2], [3]], [None, None], [{"a": 1}, "xy"]])
def test_junk_from_a_page_counts_as_no_prediction(junk):
    matrix = small()
    matrix.guesses = junk
    assert [len(line) for line in matrix.guesses] == [2, 2]
    assert set(itertools.chain(*matrix.guesses)) <= {"", FALLS}


# Revealing


def test_the_score_counts_the_right_cells_and_each_cell_is_explained():
    matrix = small()
    predict_all(matrix)
    matrix.predict(0, 0, FALLS)
    matrix.reveal()
    assert (matrix.outcome["right"], matrix.outcome["of"]) == (3, 4)
    assert matrix.outcome["cells"][1][1]["steps"] == ["one = step", "two = steps"]
    assert matrix.outcome["cells"][0][1]["why"] == "off the diagonal"


def test_a_locked_prediction_does_not_change():
    matrix = small()
    predict_all(matrix)
    matrix.reveal()
    shown = matrix.outcome
    matrix.guesses = [[FALLS, FALLS], [FALLS, FALLS]]
    matrix.predict(0, 0, FALLS)
    matrix.reveal()
    assert matrix.guesses == [[HOLDS, HOLDS], [HOLDS, HOLDS]] and matrix.outcome == shown


def test_predictions_come_back_before_they_are_locked():
    first = small()
    first.predict(0, 0, FALLS)
    first.predict(0, 1, HOLDS)
    first.predict(0, 0, HOLDS)
    first.predict(0, 1, "")
    again = small()
    assert again.guesses == first.guesses == [[HOLDS, ""], ["", ""]]
    again.predict(1, 1, FALLS)
    assert small().guesses == [[HOLDS, ""], ["", FALLS]]
    assert small(id="another").open_cells == 4


def test_a_draft_is_no_prediction_and_a_locked_one_hides_it(progress_file):
    matrix = small()
    predict_all(matrix)
    assert progress.first("prediction", "m") is None and small().outcome == {}
    matrix.reveal()
    progress.record("draft", "m", {"cells": {m: {"key": FALLS, "state": ""} for m in ("m1", "m2")}})
    written = progress_file.read_bytes()
    again = small()
    assert again.guesses == [[HOLDS] * 2] * 2 and again.outcome["earlier"]
    assert progress_file.read_bytes() == written


@pytest.mark.parametrize(
    "value", [None, 3, {}, {"cells": 1}, {"cells": {"m1": 1}}, {"cells": {"no": {"key": FALLS}}}]
)
def test_a_strange_draft_of_the_progress_file_is_left_alone(value):
    progress.record("draft", "m", value)
    assert small().open_cells == 4


def test_the_prediction_is_recorded_once_and_comes_back(progress_file):
    matrix = small()
    predict_all(matrix)
    matrix.predict(0, 0, FALLS)
    matrix.reveal()
    matrix.reveal()
    lines = [json.loads(line) for line in progress_file.read_text().splitlines()]
    lines = [line for line in lines if line["kind"] != "draft"]
    assert [(line["kind"], line["name"]) for line in lines] == [("prediction", "m")]
    assert lines[0]["value"]["cells"]["m1"] == {"key": FALLS, "state": HOLDS}
    again = small()
    assert again.outcome["earlier"] and again.guesses == matrix.guesses


def test_a_matrix_with_other_columns_is_a_new_question():
    matrix = small()
    predict_all(matrix)
    matrix.reveal()
    other = CompromiseMatrix("m", "Other", ["m1", "m2"], ["key", "another"], judge)
    assert other.outcome == {} and other.open_cells == 4


@pytest.mark.parametrize("value", [None, 7, [], {"cells": 3}, {"cells": {"m1": "falls"}}])
def test_a_damaged_record_is_no_prediction(value):
    progress.record("prediction", "m", value)
    assert small().outcome == {}


def test_a_full_disk_is_told_and_the_truth_still_shown(monkeypatch):
    def refuse(*_):
        raise OSError(28, "No space left on device")

    matrix = small()
    predict_all(matrix)
    monkeypatch.setattr(progress, "record", refuse)
    matrix.reveal()
    assert "No space left" in matrix.outcome["problem"] and matrix.outcome["cells"]


# Forms


def test_no_form_shows_the_truth_before_the_reveal():
    matrix = small()
    blank = (repr(matrix), matrix._svg())
    other = small(lambda row, column: Truth(FALLS, "secret reason"))
    assert blank == (repr(other), other._svg())
    traits = json.dumps({name: getattr(matrix, name) for name in ("asked", "guesses", "outcome")})
    assert "diagonal" not in traits + blank[0] + blank[1]


def test_after_the_reveal_the_text_has_every_cell_with_its_reason():
    matrix = small()
    predict_all(matrix)
    matrix.reveal()
    text = repr(matrix)
    assert "Predicted: 2 of 4 cells right." in text
    assert "✗ m1 × key: predicted holds, falls. the diagonal falls" in text
    assert "✓ m1 × state: predicted holds, holds." in text


def test_the_still_picture_is_well_formed():
    matrix = CompromiseMatrix("m", "A <b> & \x00", ["阿里斯" * 30, "\u202ex"], ["c" * 90], judge)
    ElementTree.fromstring(matrix._svg())


@pytest.mark.parametrize("rows", [[], [""], ["a", "a"], [3], [Heading("")]])
def test_rows_and_columns_need_different_names(rows):
    with pytest.raises(ValueError):
        CompromiseMatrix("m", "t", rows, ["c"], judge)
    with pytest.raises(ValueError):
        CompromiseMatrix("m", "t", ["r"], rows, judge)


# The scenes: the truth of real runs


def test_without_a_one_time_prekey_two_stolen_keys_open_the_first_message():
    pair = "Bob's identity key and signed prekey"
    assert truth_of(scenes.handshake_matrix(one_time=False, id="a"))[pair] == "x.."
    assert truth_of(scenes.handshake_matrix(one_time=True, id="b"))[pair] == "..."


def test_only_a_deleted_one_time_prekey_protects_the_first_message_from_a_later_theft():
    phone = "Bob's phone after message 1"
    assert truth_of(scenes.handshake_matrix(one_time=False, id="a"))[phone] == "xxx"
    assert truth_of(scenes.handshake_matrix(one_time=True, id="b"))[phone] == ".xx"


def test_the_handshake_matrix_follows_the_secrets():
    found = truth_of(scenes.handshake_matrix())
    assert found["both identity keys"] == found["SK"] == "..."
    assert found["Bob's phone before message 1"] == "x.."
    assert found["Alice's phone after message 1"] == ".x."
    assert found["Bob's phone after message 1"] == ".xx"


def test_a_stolen_state_does_not_open_the_past_but_the_keys_it_kept():
    found = truth_of(scenes.conversation_matrix("A B A a A B A", [("Bob", 3), ("Bob", 5)]))
    assert found["state of Bob after message 3"] == "...xxxx"
    # Message 4 was lost: Bob still keeps its key, while message 5 is read and its key is gone.
    assert found["state of Bob after message 5"] == "...x.xx"


def test_after_a_new_ratchet_key_of_the_victim_the_thief_is_out():
    found = truth_of(scenes.conversation_matrix("A B A B A B A", [("Alice", 1)]))
    assert found["state of Alice after message 1"] == ".x....."


def test_the_matrix_agrees_with_closure_for_every_theft():
    run = scenes.conversation("A B b A a B A", seed=4)
    steal = [(name, n) for name, n in run.states if n and run.states[name, n]]
    matrix = scenes.conversation_matrix("A B b A a B A", steal, seed=4)
    found = truth_of(matrix)
    for name, number in steal:
        closure = run.trace.closure(proof.stolen(run.states[name, number]))
        expected = [
            "x" if verdict.readable else "."
            for verdict in proof.verdicts(run.trace, closure=closure)
        ]
        assert found[f"state of {name} after message {number}"] == "".join(expected)


def test_each_cell_of_a_scene_has_a_proof_or_what_is_missing():
    matrix = scenes.conversation_matrix()
    truth_of(matrix)
    for cell in itertools.chain(*matrix.outcome["cells"]):
        assert bool(cell["steps"]) == (cell["verdict"] == FALLS)
        assert cell["why"].startswith("Missing: ") == (cell["verdict"] == HOLDS)


@pytest.mark.parametrize("script", ["", "B A", "A C", "AB"])
def test_an_impossible_script_is_refused(script):
    with pytest.raises(ValueError):
        scenes.conversation(script)


def test_a_state_that_does_not_exist_cannot_be_stolen():
    with pytest.raises(ValueError, match="Bob after message 9"):
        scenes.conversation_matrix("A B", [("Bob", 9)])
    with pytest.raises(ValueError, match="Bob after message 1"):
        scenes.conversation_matrix("a A", [("Bob", 1)])
