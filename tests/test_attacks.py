"""Every attack of the catalogue works where the defence is off, and fails on the course's code."""

import re

import pytest
from test_catalogue import ENTRIES, NOTEBOOKS, NUMBERS

from x3dhlab import attacks, errors
from x3dhlab.attacks.entry import POSITIONS

CATALOGUE = attacks.catalogue()
EACH = pytest.mark.parametrize("attack", CATALOGUE, ids=[attack.number for attack in CATALOGUE])


@EACH
def test_it_works_where_the_defence_is_off(attack):
    result = attack.works()
    assert result.succeeded and result.seen, result


@EACH
def test_it_fails_against_the_course_and_what_stops_it_has_a_name(attack):
    result = attack.fails()
    assert not result.succeeded and result.seen and result.stopped_by, result


@EACH
def test_an_entry_is_complete(attack):
    assert re.fullmatch(r"A[1-9]\d?", attack.number) and set(attack.position) <= set(POSITIONS)
    texts = (attack.precondition, attack.observed, attack.defence, attack.source)
    assert all(text.endswith(".") and len(text.split()) <= 30 for text in texts)


def test_each_number_stands_once_or_is_left_out_with_its_reason():
    numbers = [attack.number for attack in CATALOGUE]
    assert len(set(numbers)) == len(numbers)
    assert not set(numbers) & set(attacks.LEFT_OUT) and all(attacks.LEFT_OUT.values())
    assert set(numbers) | set(attacks.LEFT_OUT) == {f"A{number}" for number in range(1, 80)}
    assert len(numbers) >= 55


@EACH
def test_the_lesson_of_an_attack_names_it(attack):
    found = list(NOTEBOOKS.glob(f"{attack.lesson}_*.ipynb"))
    if found:
        assert re.search(rf"\b{attack.number}\b", found[0].read_text(encoding="utf-8"))
        assert attack.number in NUMBERS


def test_the_page_and_the_code_have_one_name_for_an_attack():
    page = dict(entry.source.splitlines()[0][4:].split(" · ") for entry in ENTRIES)
    code = {attack.number: attack.name for attack in CATALOGUE}
    assert all(code[number] == page[number] for number in code if number in page)


def test_a_refusal_is_named_by_its_class():
    def refused():
        raise errors.Replayed("again")

    result = attacks.entry.attempt(refused)
    assert (result.succeeded, result.seen, result.stopped_by) == (False, "again", "Replayed")
