"""What lesson 15 claims: what a loop tells, when nonces come back, what orders and refusals do."""

import ast
import inspect
import json
import math
import random
import re
from itertools import permutations

import pytest

from x3dhlab import course, primitives, scenes
from x3dhlab.attacks.wild import bank, broken
from x3dhlab.errors import Refused
from x3dhlab.primitives import deterministic
from x3dhlab.scenes import hunting

LESSON = course.root() / "notebooks" / "15_bugs_in_the_wild.ipynb"
CELLS = json.loads(LESSON.read_text(encoding="utf-8"))["cells"]
CODE = {cell["id"]: course.source(cell) for cell in CELLS if cell["cell_type"] == "code"}
RIGHT = bytes(range(100, 116))


def cell(*names):
    """What the functions of these cells are, without a notebook around them."""
    space = {"open_sealed": None, "random": random}
    for name in names:
        exec(CODE[name], space)
    return space


# The key figure


def claim(lines):
    """One step more for each right byte on one line, the same number everywhere on the other."""
    stops, looks = lines[hunting.STOPS], lines[hunting.LOOKS]
    rising = all(later == earlier + 1 for earlier, later in zip(stops, stops[1:], strict=False))
    return rising and len(set(looks)) == 1


def test_a_loop_that_stops_early_tells_how_many_bytes_are_right():
    lines = hunting.steps_of(RIGHT)
    assert claim(lines)
    assert lines[hunting.STOPS] == [n + 1 for n in range(16)]
    assert set(lines[hunting.LOOKS]) == {16}


@pytest.mark.parametrize(
    ("name", "compare"),
    [(hunting.STOPS, hunting.looks_at_all), (hunting.LOOKS, broken.same_tag)],
)
def test_the_claim_fails_when_a_comparison_is_exchanged(name, compare, monkeypatch):
    monkeypatch.setitem(hunting.COMPARE, name, compare)
    assert not claim(hunting.steps_of(RIGHT))


def test_both_comparisons_give_the_right_answers():
    rng = random.Random(15)
    for _ in range(300):
        left = rng.randbytes(rng.randint(1, 5))
        given = left if rng.random() < 0.3 else rng.randbytes(rng.randint(0, 5))
        for compare in hunting.COMPARE.values():
            assert compare(left, given) == (left == given)


def test_steps_and_verdicts_give_away_a_tag_and_equal_steps_do_not():
    tag, tries = scenes.recovered(RIGHT, broken.same_tag)
    assert (tag, tries) == (RIGHT, 256 * 16)
    assert scenes.recovered(RIGHT, hunting.looks_at_all)[0] != RIGHT


def test_the_code_of_the_experiment_can_be_found_by_hand_digit_by_digit():
    experiment, known, tries = scenes.guess_a_code(), "", 0
    while experiment.outcome["verdict"] != "falls":
        for digit in "0123456789":
            experiment.set(guess=(known + digit).ljust(4, "0"))
            tries += 1
            if f"digit {len(known) + 1}." not in experiment.outcome["sentence"]:
                break
        known += digit
    assert len(known) == 4 and 4 < tries <= 40
    experiment.set(guess="0000", compare=hunting.LOOKS)
    assert experiment.outcome["verdict"] == "holds"
    for other in ("", "00", "α00"):
        experiment.set(guess=other, compare=hunting.STOPS)
        assert experiment.outcome["verdict"] == "note"


# Nonces


def test_nonces_come_again_where_the_lesson_says_so():
    assert hunting.first_repeated(hunting.BYTE, 300) == (1, 257)
    assert hunting.first_repeated(hunting.BYTE, 256) is None
    assert hunting.first_repeated(hunting.CLOCK, 2) == (1, 2)
    for rule in (hunting.TWELVE, hunting.RANDOM_12):
        assert hunting.first_repeated(rule, 5000) is None


def test_two_random_bytes_repeat_within_300_messages_about_every_second_time():
    repeated = 0
    for seed in range(200):
        with deterministic(f"birthday {seed}"):
            repeated += hunting.first_repeated(hunting.RANDOM_2, 300) is not None
    assert 70 <= repeated <= 130
    assert 300 * 299 // 2 == 44_850
    assert round((2 * 2**96 * math.log(2)) ** 0.5, -14) == 3e14  # twelve random bytes


def test_the_experiment_with_nonces_runs_anew():
    experiment = scenes.choose_nonces()
    assert experiment.outcome["verdict"] == "holds"
    experiment.set(rule=hunting.BYTE)
    assert experiment.outcome["verdict"] == "falls" and "257" in experiment.outcome["sentence"]
    experiment.set(messages=256)
    assert experiment.outcome["verdict"] == "holds"


# The cells


def test_a_code_that_starts_from_the_minute_has_as_many_values_as_minutes():
    recovery_code = cell("recovery-code")["recovery_code"]
    codes = [recovery_code(minute) for minute in range(24 * 60)]
    assert len(set(codes)) == 1439  # two minutes share one code
    assert all(re.fullmatch(r"\d{6}", code) for code in codes)


def test_channels_meet_where_the_border_moves():
    channel = cell("search")["channel"]
    assert channel("red1", 0) == channel("red", 10)
    assert channel("red1", 0) != channel("red", 1)


def meetings(name_of, teams, rooms):
    names = [name_of(team, room) for team in teams for room in rooms]
    return len(names) - len(set(names))


def test_a_colon_helps_until_it_may_stand_inside_and_a_length_helps_always():
    steps = [CODE["search"]]
    for new in ("{team}:{room}", "{len(team)}{team}:{room}"):
        steps.append(CODE["search"].replace("{team}{room}", new))
    spaces = [{} for _ in steps]
    for text, space in zip(steps, spaces, strict=True):
        exec(text, space)
    plain, colon, length = (space["channel"] for space in spaces)
    honest, inside = (("red", "red1"), range(12)), (("red", "red:1"), ("0", "1:0"))
    assert [meetings(name_of, *honest) for name_of in (plain, colon, length)] == [2, 0, 0]
    assert [meetings(name_of, *inside) for name_of in (colon, length)] == [1, 0]


CURED = """def receive(store, number, sealed):
    text = open_sealed(store[number], sealed, b"")
    del store[number]
    return text
"""


def test_the_comparison_after_the_forgery_tells_a_cured_store(capsys):
    for cure, line in (("", "as before: False"), (CURED, "as before: True")):
        space = {name: getattr(primitives, name) for name in ("open_sealed", "seal")}
        space["Refused"] = Refused
        for text in (CODE["inbox"], cure, CODE["refused"]):
            exec(text, space)
        assert line in capsys.readouterr().out


def test_zero_is_taken_for_absent():
    named_key = cell("or-none")["named_key"]
    assert [named_key({"one_time": n}) for n in (7, 0)] == [7, None] and named_key({}) is None


def test_four_of_six_orders_lose_a_subtraction():
    count_down = cell("count-down")["count_down"]
    ends = [count_down(10, order) for order in set(permutations("AABB"))]
    assert sorted(ends) == [8, 8, 9, 9, 9, 9]


def test_the_words_of_a_search_stand_in_ten_programs():
    texts = [inspect.getsource(getattr(broken, bug.function)) for bug in bank.BUGS]
    words = re.search(r"for word in \((.*?)\):", CODE["words"])[1]
    words = [ast.literal_eval(word) for word in words.split(", ")]
    assert len(words) == 5 and 'b""' in words
    found = [sum(word in text for word in words) for text in texts]
    assert (sum(n == 0 for n in found), len(texts)) == (13, 23)
    assert sum('b""' in text for text in texts) == 7


def test_ten_spellings_give_zero():
    told = next(c for c in CELLS if c["id"] == "special")["outputs"]
    lines = "".join(told[0]["text"]).splitlines()
    assert len(lines) == 10 and all("LowOrderKey" in line for line in lines)
    assert not any("u = 9" in line for line in lines)


@pytest.mark.parametrize("secret", [bytes(range(64, 96)), bytes(32), b"\xff" * 32])
def test_a_secret_in_a_line_is_seen_in_several_spellings(secret):
    for line in (f"key {secret}", f"key={secret.hex()}", secret.hex(" ").upper()):
        assert bank.holds(line, secret)
    assert not bank.holds("cannot open message 7 of Bob", secret)


# The exercise


def test_the_minutes_of_the_three_parts_are_honest_and_short():
    from x3dhlab.grading.tasks import hunt, hunting

    for seed in range(30):
        tasks = hunt.deal(seed)
        for first in (1, 5, 9):
            ids = [f"hunt.find_{n:02}" for n in range(first, first + 4)]
            ids += [f"hunt.cure_{n:02}" for s, n in hunting.CURED.items() if first <= s < first + 4]
            assert 18 <= sum(tasks[name].minutes for name in ids) <= 35


def test_the_lesson_says_the_minutes_of_the_exercise():
    exercise = course._read(course.root() / "exercises" / LESSON.name)
    parts = [
        re.search(r"about (\d+) minutes", course.source(cell))[1]
        for cell in exercise["cells"]
        if cell["id"].startswith("part-")
    ]
    text = "".join(course.source(c) for c in CELLS if c["id"] in ("stop-here", "stop-again"))
    assert re.findall(r"fits here.*?(\d+) minutes", text) == parts[:2] and len(parts) == 3


def test_the_lesson_has_three_sittings_of_four_programs():
    lesson = next(item for item in course.lessons() if item.number == "15")
    assert len(lesson.sittings) == 3 and all(lesson.sittings)
    assert len(lesson.tasks) == 18


def test_the_figure_says_in_words_what_it_shows():
    alt = hunting.show_steps(RIGHT).alt
    assert "stops at the first difference: 1 at 0, 2 at 1" in alt and "16 at 15." in alt
