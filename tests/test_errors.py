"""The tree of refusals: as drawn, with data for programs and one sentence for people."""

import inspect
import pickle
import re

import pytest

from x3dhlab import errors
from x3dhlab.errors import BadSignature, Refused, WrongType

CLASSES = {
    name: value
    for name, value in vars(errors).items()
    if inspect.isclass(value) and issubclass(value, Exception)
}


def drawn():
    """Class name → (name of the parent, meaning), as the module's docstring draws them."""
    tree, path = {}, []
    for line in errors.__doc__.splitlines():
        match = re.match(r"^    ([│ ]*[├└]── )?([A-Z]\w+)(?:\s{2,}(.+))?$", line)
        if match:
            depth = len(match[1] or "") // 4
            path = [*path[:depth], match[2]]
            tree[match[2]] = (path[-2] if depth else "Exception", match[3])
    return tree


def test_every_error_is_drawn_in_its_place():
    assert {name: parent for name, (parent, _) in drawn().items()} == {
        name: value.__base__.__name__ for name, value in CLASSES.items()
    }
    assert len(CLASSES) > 25


def test_every_drawn_error_has_a_meaning():
    tree = drawn()
    assert [name for name in tree if name != "Refused" and not tree[name][1]] == []


@pytest.mark.parametrize("error", CLASSES.values(), ids=CLASSES)
def test_every_error_is_a_refusal_and_says_what_it_means(error):
    assert issubclass(error, Refused)
    assert error.__doc__


def test_an_error_carries_its_step_and_its_data():
    error = BadSignature("no match", step="XEdDSA §3.3", public="ab")
    assert str(error) == "no match [XEdDSA §3.3]"
    assert error.step == "XEdDSA §3.3"
    assert error.data == {"public": "ab"}


def test_an_error_without_a_step_is_its_sentence_alone():
    assert str(Refused("no")) == "no"


def test_an_error_survives_the_way_between_processes():
    error = pickle.loads(pickle.dumps(WrongType("no", step="X3DH §3.3", field="key")))
    assert (type(error), str(error)) == (WrongType, "no [X3DH §3.3]")
    assert error.data == {"field": "key"}


def test_expect_returns_what_it_was_given_or_names_both_types():
    assert errors.expect("Bob", str, "name") == "Bob"
    with pytest.raises(WrongType, match="name must be a str, not bytes") as caught:
        errors.expect(b"secret", str, "name", step="X3DH §3.2")
    assert caught.value.step == "X3DH §3.2"
    assert "secret" not in str(caught.value)
