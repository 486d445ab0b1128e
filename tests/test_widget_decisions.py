"""The decision board without a browser: traits, refusals, text and picture."""

import pytest

from x3dhlab.widgets import Decision, DecisionBoard
from x3dhlab.widgets.decisions import GUESS, OPEN, UNKNOWN

ROWS = (
    Decision("lock", "Which lock?", ("a chain", "a bolt")),
    Decision("window", "Which window?", ("open", "shut")),
)
KEPT = {"a chain": 40, "a bolt": 90, "open": 10, "shut": 80}


def run(choices):
    rows = [
        {
            "confidentiality": KEPT[option],
            "availability": 90,
            "effort": 3,
            "seen": [f"tried {option}"],
        }
        for option in choices.values()
    ]
    return {
        "confidentiality": min(r["confidentiality"] for r in rows),
        "availability": 81,
        "effort": 6,
    } | {"rows": rows}


@pytest.fixture
def board():
    return DecisionBoard("A house", ROWS, run)


def test_nothing_runs_before_the_guess(board):
    assert "rows" not in board.report and board.values[GUESS] == OPEN
    with pytest.raises(ValueError, match="first say"):
        board.run()
    assert board.tried == []


def test_a_run_names_the_weakest_row_and_answers_the_guess(board):
    board.guess("window")
    board.run()
    assert board.report["confidentiality"] == 10
    assert board.report["told"] == "As you said: least is kept in window."
    assert [row["option"] for row in board.report["rows"]] == ["a chain", "open"]
    board.guess("lock")
    board.run()
    assert board.report["told"] == "You said lock; least is kept in window."
    board.guess(UNKNOWN)
    board.run()
    assert board.report["told"] == "Least is kept in: window."


def test_another_choice_clears_guess_and_report_and_keeps_what_was_tried(board):
    board.guess("window")
    board.run()
    board.choose({"window": "shut"})
    assert board.values == {"lock": "a chain", "window": "shut", GUESS: OPEN}
    assert "rows" not in board.report
    assert [one["choices"]["window"] for one in board.tried] == ["open"]
    board.guess("lock")
    board.run()
    assert [one["weakest"] for one in board.tried] == [["window"], ["lock"]]


def test_every_change_is_answered(board):
    turn = board.report["turn"]
    board.guess("lock")
    assert board.report["turn"] > turn


@pytest.mark.parametrize("wrong", [{"lock": "a wish"}, {"roof": "flat"}, {GUESS: "lock"}])
def test_what_does_not_stand_on_the_board_is_refused(board, wrong):
    with pytest.raises(ValueError, match="cannot be"):
        board.choose(wrong)
    with pytest.raises(ValueError, match="no row"):
        board.guess("roof")
    with pytest.raises(ValueError, match="no row"):
        board.guess(OPEN)


def test_a_board_needs_different_rows():
    for rows in ((), (ROWS[0], ROWS[0]), (Decision(GUESS, "?", ("a",)),)):
        with pytest.raises(ValueError, match="different names"):
            DecisionBoard("none", rows, run)


def test_a_message_of_the_page_brings_its_values(board):
    board._on_message(None, {"kind": "run", "values": {"window": "shut", GUESS: "lock"}}, [])
    assert board.report["told"] == "As you said: least is kept in lock."
    assert board.values["window"] == "shut"


@pytest.mark.parametrize(
    "message",
    [
        {},
        {"kind": "run"},
        {"kind": "run", "values": None},
        {"kind": "run", "values": {GUESS: OPEN}},
        {"kind": "run", "values": {GUESS: 7}},
        {"kind": "walk", "values": {GUESS: "lock"}},
    ],
)
def test_a_broken_message_runs_nothing(board, message):
    board._on_message(None, message, [])
    assert "rows" not in board.report and board.values[GUESS] == OPEN


@pytest.mark.parametrize("junk", [{}, {"lock": 7}, {"lock": "a wish", "roof": "flat"}, {GUESS: []}])
def test_junk_in_the_values_leaves_what_can_be_chosen(board, junk):
    board.values = junk
    assert board.values == {"lock": "a chain", "window": "open", GUESS: OPEN}


def test_a_run_that_raises_is_told():
    def broken(choices):
        raise RuntimeError("no power")

    board = DecisionBoard("A house", ROWS, broken)
    board.guess("lock")
    board.run()
    assert board.report["problem"] == "This run stopped: no power" and board.tried == []
    assert "no power" in repr(board)


def test_text_and_picture_say_the_same(board):
    assert "Not run yet." in repr(board)
    board.guess("window")
    board.run()
    text, picture = repr(board), board._svg()
    assert text.startswith("Decision board: A house")
    assert "design 1: confidentiality 10 %, availability 81 %, effort 6; least in window" in text
    for words in ("a chain", "tried open", "As you said"):
        assert words in text and words in picture
