"""What earlier cells a cell needs: small notebooks as lists of texts."""

import pytest

from x3dhlab.slices import needed


def test_a_name_brings_the_cell_that_made_it_and_what_that_one_needs():
    cells = ["a = 1", "unused = 2", "b = a + 1"]
    assert needed(cells, ["print(b)"]) == ["a = 1", "b = a + 1"]


def test_a_later_value_makes_an_earlier_one_needless():
    assert needed(["a = 1", "a = 2"], ["a"]) == ["a = 2"]
    assert needed(["a = 1", "if x:\n    a = 2"], ["a"]) == ["a = 1", "if x:\n    a = 2"]


def test_a_value_made_from_its_old_one_needs_both():
    cells = ["a = 1", "a = a + 1", "state, out = step(state)", "state = 0"]
    assert needed(cells[:2], ["a"]) == cells[:2]
    assert needed(["state = 0", cells[2]], ["state"]) == ["state = 0", cells[2]]


@pytest.mark.parametrize(
    "change",
    ["box.add(1)", "box.part.add(1)", "box[0] = 1", "box.x = 1", "fill(box)", "del box[0]"],
)
def test_a_cell_that_may_change_an_object_is_needed(change):
    assert needed(["box = Box()", change], ["box"]) == ["box = Box()", change]


def test_a_cell_that_only_shows_an_object_is_not_needed():
    assert needed(["box = [1]", "print(box, len(box))"], ["box"]) == ["box = [1]"]


def test_a_function_that_changes_a_global_object_counts_where_it_is_called():
    cells = ["box = Box()", "def fill():\n    box.add(1)", "def other():\n    pass", "fill()"]
    assert needed(cells, ["box"]) == [cells[0], cells[1], cells[3]]


def test_names_inside_a_function_and_a_comprehension_are_needed():
    cells = ["a = 1", "b = 2", "n = 3", "def f(n):\n    return [a for n in range(n)]"]
    assert needed(cells, ["f(b)"]) == [cells[0], cells[1], cells[3]]


def test_names_bound_in_the_cell_itself_are_not_needed():
    wanted = [
        "for n in range(3):\n    print(n)",
        "with open(name) as stream:\n    stream.read()",
        "try:\n    pass\nexcept ValueError as error:\n    print(error)",
    ]
    before = ["n = 1", "stream = 2", "error = 3", "name = 4"]
    assert needed(before, wanted) == ["name = 4"]


def test_of_a_cell_that_is_needed_for_its_imports_only_they_come():
    cells = ["from a import b, c\nimport d.e\n\nshow('a picture')", "c.load(b)"]
    assert needed(cells, ["b()"]) == ["from a import b, c"]
    assert needed(cells, ["d.e()"]) == ["import d.e"]


def test_a_name_that_an_earlier_wanted_cell_makes_is_not_needed():
    assert needed(["a = 1"], ["a = 2", "print(a)"]) == []


def test_a_cell_that_is_no_python_is_refused():
    with pytest.raises(SyntaxError):
        needed(["a ="], ["a"])
