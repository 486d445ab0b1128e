"""Order, Match and FreeAnswer without a browser: what they tell, record and explain."""

import base64
import json
import re
from itertools import permutations
from xml.etree import ElementTree

import pytest

from x3dhlab import progress
from x3dhlab.widgets import FreeAnswer, Match, Order, Pair, Step, questions

STEPS = [
    Step("fetch the bundle", "Nothing is known of Bob before it."),
    Step("check the signature", "A key is used only after it was checked."),
    Step("compute DH1"),
    Step("derive SK", "It needs every DH output."),
]
PAIRS = [
    Pair("kept for years", "IK", "It is what people compare."),
    Pair("used once", "OPK", "It stops a replay.", {"kept for years": "An OPK is deleted."}),
    Pair("made for one handshake", "EK", "It is fresh each time."),
    Pair("never used", why="Every key has a use."),
]
SECRETS = ["after it was checked", "stops a replay", "nobody can compute", "the right reason"]


@pytest.fixture(autouse=True)
def progress_file(tmp_path, monkeypatch):
    monkeypatch.setenv(progress.VARIABLE, str(tmp_path / "progress.jsonl"))


def order():
    return Order("try.order", "In which order?", STEPS, explain="the right reason")


def match():
    return Match("try.match", "What belongs together?", PAIRS, explain="the right reason")


def free():
    return FreeAnswer("try.free", "Why?", "The thief lacks what nobody can compute.", ["new keys"])


def numbers(widget, texts):
    return [widget.asked["options"].index(text) for text in texts]


def right(widget):
    solution = [step.text for step in STEPS] if isinstance(widget, Order) else None
    return numbers(widget, solution or [pair.right for pair in PAIRS if pair.left])


# Order


def test_the_steps_are_mixed_and_the_same_every_time():
    first, second = order(), order()
    assert first.asked == second.asked
    assert sorted(first.asked["options"]) == sorted(step.text for step in STEPS)
    assert first.asked["options"] != [step.text for step in STEPS]


def test_no_id_gives_the_right_order_away():
    for number in range(60):
        widget = Order(f"try.{number}", "Order?", ["a", "b"])
        assert widget.asked["options"] == ["b", "a"]


@pytest.mark.parametrize("number", range(60))
def test_three_steps_or_more_are_neither_in_order_nor_reversed(number):
    texts = [f"step {place}" for place in range(3 + number % 6)]
    shown = Order(f"try.{number}", "Order?", texts).asked["options"]
    assert sorted(shown) == texts and shown not in (texts, texts[::-1])


def test_the_right_order_is_right_and_explained():
    widget = order()
    assert widget.answer(right(widget)) is True
    assert widget.outcome["wrong"] == []
    assert widget.outcome["explain"] == "the right reason"


def test_only_the_moved_step_counts_as_wrong_and_is_explained():
    widget = order()
    moved = ["derive SK", "fetch the bundle", "check the signature", "compute DH1"]
    assert widget.answer(numbers(widget, moved)) is False
    assert widget.outcome["wrong"] == [[0, "Too early. ", "It needs every DH output."]]
    assert widget.outcome["explain"] == ""


def test_a_step_that_comes_too_late_is_said_to():
    widget = order()
    moved = ["check the signature", "compute DH1", "derive SK", "fetch the bundle"]
    widget.answer(numbers(widget, moved))
    assert widget.outcome["wrong"] == [[3, "Too late. ", "Nothing is known of Bob before it."]]


def test_every_wrong_order_names_at_least_one_step_and_no_right_one_does():
    widget = order()
    for texts in permutations([step.text for step in STEPS]):
        correct = widget.answer(numbers(widget, texts))
        assert correct == (list(texts) == [step.text for step in STEPS])
        assert bool(widget.outcome["wrong"]) == (not correct)


def test_steps_of_one_place_may_stand_in_any_order():
    steps = [Step("a", place=0), Step("b", place=1), Step("c", place=1), Step("d", place=2)]
    widget = Order("try.any", "Order?", steps)
    assert widget.answer(numbers(widget, "acbd"))
    assert widget.answer(numbers(widget, "abcd"))
    assert not widget.answer(numbers(widget, "bacd"))


@pytest.mark.parametrize(
    "answer", [None, [], [0, 1, 2], [0, 0, 1, 2], [0, 1, 2, 9], [0, 1, 2, "3"]]
)
def test_an_impossible_order_is_refused_and_not_recorded(answer):
    widget = order()
    with pytest.raises(ValueError):
        widget.answer(answer)
    assert not progress.entries()


@pytest.mark.parametrize(
    "steps", [[], ["one"], ["same", "same"], [Step("a", place=1), Step("b", place=0)], ["a", 3]]
)
def test_steps_without_an_order_are_refused(steps):
    with pytest.raises(ValueError):
        Order("id", "Order?", steps)


# Match


def test_the_right_pairs_are_right():
    widget = match()
    assert widget.answer(right(widget)) is True
    assert [meaning["correct"] for meaning in widget.outcome["meanings"]] == [True] * 3


def test_every_wrong_pair_is_explained():
    widget = match()
    texts = ["never used", "kept for years", "made for one handshake"]
    assert widget.answer(numbers(widget, texts)) is False
    assert widget.outcome["meanings"] == [
        {"correct": False, "why": "Every key has a use."},
        {"correct": False, "why": "An OPK is deleted."},
        {"correct": True, "why": "It is fresh each time."},
    ]


def test_a_right_side_of_several_may_be_used_again():
    sides = {"IK": "phone", "SPK": "phone", "bundle": "server"}
    widget = Match("try.where", "Where?", [Pair(right, left) for left, right in sides.items()])
    assert widget.asked["again"]
    assert widget.answer(numbers(widget, sides.values())) is True


@pytest.mark.parametrize("answer", [None, [0, 1], [0, 1, 7], [0, 0, 1], [0, 1, None]])
def test_an_impossible_match_is_refused_and_not_recorded(answer):
    widget = match()
    with pytest.raises(ValueError):
        widget.answer(answer)
    assert not progress.entries()


# Answers in one's own words


def test_the_model_answer_opens_only_after_something_was_written():
    widget = free()
    assert "nobody can compute" not in json.dumps(widget.get_state(), default=str)
    for nothing in ("", "  \n ", "too short", None):
        with pytest.raises(ValueError):
            widget.answer(nothing)
    assert not widget.outcome
    widget.answer("Because new key pairs were made since then.")
    assert widget.outcome["model"] == "The thief lacks what nobody can compute."


def test_a_written_answer_comes_back_with_its_points():
    free().answer("Because new key pairs were made since then.", [0])
    again = free()
    assert again.outcome["text"] == "Because new key pairs were made since then."
    assert (again.outcome["ticked"], again.outcome["earlier"]) == ([0], True)


def test_the_saved_form_counts_the_words_and_does_not_repeat_them():
    widget = free()
    widget.answer("A very private opinion about this.")
    assert repr(widget).endswith("Answered in 6 words.")


# All three


def answered(widget):
    widget.answer("Some words of my own, long enough." if isinstance(widget, FreeAnswer) else
                  right(widget))  # fmt: skip
    return widget


@pytest.mark.parametrize("make", [order, match, free])
def test_an_answer_comes_back_on_another_day(make):
    before = answered(make()).outcome
    after = make().outcome
    assert after["earlier"]
    assert {**before, "earlier": 0, "attempt": 0} == {**after, "earlier": 0, "attempt": 0}


@pytest.mark.parametrize("make", [order, match, free])
@pytest.mark.parametrize("value", [None, 3, {}, {"order": "x"}, {"pairs": []}, {"text": 4}])
def test_a_strange_entry_of_the_progress_file_is_left_alone(make, value):
    name = make().asked["id"]
    progress.record("answer", name, value)
    assert make().outcome == {}


@pytest.mark.parametrize("make", [order, match, free])
def test_the_browser_and_the_saved_forms_do_not_know_the_answer(make):
    widget = make()
    data, _ = widget._repr_mimebundle_()
    picture = base64.b64decode(re.search(r"base64,([^\"]+)", data["text/html"])[1]).decode()
    ElementTree.fromstring(picture)
    for form in (data["text/plain"], picture, json.dumps(widget.get_state(), default=str)):
        assert not [secret for secret in SECRETS if secret in form]
        assert "Not answered yet." in form or form.startswith("{")


@pytest.mark.parametrize("make", [order, match, free])
def test_the_saved_forms_do_not_explain_after_the_answer_either(make):
    data, _ = answered(make())._repr_mimebundle_()
    assert not [secret for secret in SECRETS if secret in data["text/plain"]]
    assert "Answered" in data["text/plain"]


def test_the_text_of_a_match_has_both_sides_and_leads_each_left_side_to_its_choice():
    widget = match()
    lefts, rights = ([pair.left for pair in PAIRS if pair.left], widget.asked["options"])
    head, *lines = repr(widget).split("\n")
    assert head == "Match try.match: What belongs together?"
    assert lines[: len(lefts)] == [f"  {left} → ?" for left in lefts]
    assert "Choose from these, each at most once:" in lines[len(lefts)]
    assert lines[len(lefts) + 1 : -1] == [f"  {n}. {text}" for n, text in enumerate(rights, 1)]
    widget.answer(right(widget))
    assert f"  IK → {rights.index('kept for years') + 1}" in repr(widget).split("\n")


@pytest.mark.parametrize("make", [order, match, free])
def test_a_strange_message_of_the_browser_gets_a_sentence(make):
    widget = make()
    widget._handle_custom_msg({"kind": "answer", "answer": 5}, [])
    assert widget.outcome["problem"].startswith("This answer does not count: ")
    widget._handle_custom_msg({"kind": "answer"}, [])
    assert widget.outcome["attempt"] == 2


@pytest.mark.parametrize("make", [order, match, free])
def test_a_disk_that_refuses_is_told(make, monkeypatch):
    def refuse(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(progress, "record", refuse)
    assert answered(make()).outcome["problem"].endswith("No space left on device.")


BANK = """
[turn]
kind = "order"
question = "In which order?"
steps = [{text = "a", why = "first"}, {text = "b", why = "second"}]
[keys]
kind = "match"
question = "What belongs together?"
pairs = [{left = "x", right = "1", why = "one"}, {left = "y", right = "2", why = "two"}]
[why]
kind = "free"
question = "Why?"
model = "Because."
points = ["it says because"]
"""


@pytest.fixture
def collection(tmp_path, monkeypatch):
    (tmp_path / "questions").mkdir()
    (tmp_path / "questions" / "99.toml").write_text(BANK)
    monkeypatch.setattr(questions, "files", lambda _: tmp_path)


def test_questions_come_from_the_collection(collection):
    assert Order("99.turn").asked["options"] == ["b", "a"]
    assert Match("99.keys").asked["lefts"] == ["x", "y"]
    assert FreeAnswer("99.why").asked["question"] == "Why?"


@pytest.mark.parametrize("make, name", [(Order, "keys"), (Match, "why"), (FreeAnswer, "turn")])
def test_a_question_of_another_kind_is_refused(collection, make, name):
    with pytest.raises(ValueError, match="is of the kind"):
        make(f"99.{name}")
    with pytest.raises(ValueError, match="has no question"):
        make("99.nothing")
