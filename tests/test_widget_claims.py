"""The claim deck without a browser: what counts, what is told, and what the page may know."""

import json
from xml.etree import ElementTree

import pytest

from x3dhlab import progress
from x3dhlab.widgets import Card, ClaimDeck

RUNS = {"sizes": "A key, counted", "pool": "A pool, emptied", "": "No run"}
CARDS = [
    Card("B-1", "A key has 32 bytes.", "holds", "It is one number.", RUNS, "sizes"),
    Card("C-1", "A pool never gets empty.", "false", "Nobody refilled it.", RUNS, "pool"),
    Card("C-2", "People like this.", "depends", "Ask them.", RUNS),
    Card(
        *("C-3", "It is secret.", "contradicts", "Both say it.", RUNS, "sizes"),
        beside="All may read it.",
        also=("false",),
    ),
    Card("D-1", "Groups need no new keys.", "false", "A member left.", RUNS, "pool", "24"),
]


@pytest.fixture(autouse=True)
def progress_file(tmp_path, monkeypatch):
    monkeypatch.setenv(progress.VARIABLE, str(tmp_path / "progress.jsonl"))


def deck(ran=None, cards=CARDS):
    def run(name):
        if ran is not None:
            ran.append(name)
        return f"{name} ran"

    return ClaimDeck("Claims", cards, run)


@pytest.mark.parametrize(
    ("verdict", "run", "counts", "said"),
    [
        ("false", "pool", True, "This counts: the claim is false."),
        ("holds", "pool", False, "speak against the sentence, or for it?"),
        ("depends", "pool", False, "Which condition would make the sentence true?"),
        ("contradicts", "pool", False, "This card shows one."),
        ("false", "sizes", False, "does not decide"),
        ("holds", "sizes", False, "does not decide"),
        ("false", "", False, "words alone do not count"),
    ],
)
def test_a_verdict_counts_only_with_the_run_that_decides(verdict, run, counts, said):
    ran = []
    widget = deck(ran)
    assert widget.judge("C-1", verdict, run) is counts
    outcome = widget.outcomes["C-1"]
    assert outcome["counts"] is counts and said in outcome["said"]
    assert ran == [run] * bool(run)
    assert outcome["seen"] == (f"{run} ran" if run else "")
    assert outcome["why"] == ("Nobody refilled it." if counts else "")


@pytest.mark.parametrize(
    ("verdict", "counts", "said"),
    [
        ("contradicts", True, "This counts: the design contradicts itself."),
        ("false", True, "The card's own verdict: the design contradicts itself."),
        ("holds", False, "Can both be true?"),
        ("depends", False, "Can both be true?"),
    ],
)
def test_a_contradiction_is_read_from_the_card_and_what_the_run_supports_counts(
    verdict, counts, said
):
    widget = deck()
    assert widget.judge("C-3", verdict, "sizes") is counts
    assert said in widget.outcomes["C-3"]["said"]
    assert ("C-3" in deck().counted) is counts


def test_two_sentences_are_not_always_a_contradiction():
    card = Card("B-2", "It is long.", "depends", "See.", RUNS, "sizes", beside="It is old.")
    widget = deck(cards=[card])
    assert not widget.judge("B-2", "contradicts", "sizes")
    assert "they can be true together" in widget.outcomes["B-2"]["said"]
    assert not widget.judge("B-2", "holds", "sizes")
    assert "a case of each kind" in widget.outcomes["B-2"]["said"]


def test_a_claim_without_a_run_counts_by_words_and_by_nothing_else():
    widget = deck()
    assert not widget.judge("C-2", "depends", "pool")
    assert widget.judge("C-2", "depends", "")


def test_the_page_knows_neither_verdict_nor_reason_nor_the_run_that_decides():
    widget = deck()
    widget.judge("C-1", "holds", "pool")
    known = json.dumps([widget.cards, widget.outcomes])
    assert "Nobody refilled it" not in known
    assert all(set(card) == {"id", "claim", "beside", "runs", "after"} for card in widget.cards)
    assert all(len(card["runs"]) == len(RUNS) for card in widget.cards)


def test_what_counted_comes_back_without_running_again():
    first = deck()
    first.judge("C-1", "false", "pool")
    first.judge("B-1", "false", "sizes")
    ran = []
    again = deck(ran)
    assert again.counted == ["C-1"] and ran == []
    assert again.outcomes["C-1"]["earlier"] is True


def test_what_counted_once_stays_and_a_later_slip_is_told():
    widget = deck()
    widget.judge("C-1", "false", "pool")
    widget.judge("C-1", "holds", "pool")
    assert widget.counted == deck().counted == ["C-1"]
    assert widget.outcomes["C-1"]["counts"] is False
    assert widget.outcomes["C-1"]["attempt"] == 2


@pytest.mark.parametrize(
    "choice",
    [("D-1", "false", "pool"), ("X-9", "false", "pool"), ("C-1", "maybe", "pool")]
    + [("C-1", "false", "other"), ("C-1", None, None)],
)
def test_a_locked_card_and_unknown_choices_are_refused(choice):
    ran = []
    widget = deck(ran)
    with pytest.raises(ValueError):
        widget.judge(*choice)
    assert ran == [] and widget.outcomes == {}


def test_a_message_judges_and_a_bad_one_is_answered():
    widget = deck()
    widget._on_message(
        None, {"kind": "judge", "id": "B-1", "verdict": "holds", "shown_by": "sizes"}, []
    )
    assert widget.counted == ["B-1"]
    widget._on_message(
        None, {"kind": "judge", "id": "D-1", "verdict": "false", "shown_by": "pool"}, []
    )
    assert "does not count" in widget.outcomes["D-1"]["problem"]
    assert widget.counted == ["B-1"]


def test_a_run_that_breaks_is_told_and_counts_for_nothing():
    def broken(name):
        raise OSError("no disk")

    widget = ClaimDeck("Claims", CARDS, broken)
    message = {"kind": "judge", "id": "B-1", "verdict": "holds", "shown_by": "sizes"}
    widget._on_message(None, message, [])
    assert "no disk" in widget.outcomes["B-1"]["problem"]
    assert widget.counted == [] and progress.last("answer", "claim.B-1") is None


@pytest.mark.parametrize(
    "cards",
    [
        [],
        [CARDS[0], CARDS[0]],
        [Card("B-1", "A claim.", "maybe", "Why.", RUNS, "pool")],
        [Card("B-1", "A claim.", "false", "Why.", RUNS, "other")],
        [Card("B-1", "A claim.", "contradicts", "Why.", RUNS, "pool")],
        [Card("B-1", "A claim.", "holds", "Why.", RUNS, "pool", also=("maybe",))],
    ],
)
def test_a_deck_of_wrong_cards_is_refused(cards):
    with pytest.raises(ValueError):
        deck(cards=cards)


def test_text_and_picture_say_which_cards_are_open_and_not_what_is_right():
    widget = deck()
    widget.judge("C-1", "false", "pool")
    text, picture = repr(widget), widget._svg()
    assert "1 of 5 count, 4 are open." in text and "1 of 5 count" in picture
    assert "C-1 (counts): A pool never gets empty." in text
    assert "It is secret. Elsewhere: All may read it." in text
    assert "D-1 (opens after lesson 24)" in text
    ElementTree.fromstring(picture)
    assert "1 more cards" in picture
    for form in (text, picture):
        assert not any(card.why in form for card in CARDS)
