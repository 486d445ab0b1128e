"""Every word that a learner reads is in `words.txt`, and every word of the list is read."""

import pytest

from tests import spelling

TEXTS = spelling.texts()
KNOWN = spelling.known()


def test_every_word_is_in_the_list():
    missing = spelling.unknown(TEXTS, set(KNOWN))
    told = [f"{word}: {', '.join(names)}" for word, names in sorted(missing.items())]
    cure = "Mend what is misspelt. If all are right: python -m tests.spelling, and commit the list."
    assert not told, "\n".join(["words that are not in tests/words.txt:", *told, cure])


def test_the_list_is_sorted_and_has_no_word_twice():
    assert sorted(set(KNOWN)) == KNOWN


def test_every_word_of_the_list_is_used():
    used = set().union(*(spelling.words(text) for text in TEXTS.values()))
    unused = sorted(set(KNOWN) - used)
    assert not unused, f"no text uses {', '.join(unused)}: python -m tests.spelling removes them"


def test_lessons_exercises_solutions_questions_and_the_readme_are_read():
    assert {name.rpartition("/")[0] for name in TEXTS} == {
        "",
        "notebooks",
        "exercises",
        "solutions",
        "x3dhlab/questions",
    }
    assert all(spelling.words(text) for text in TEXTS.values())


@pytest.mark.parametrize(
    "text",
    ["a mesage", "(a mesage)", "**Mesage**.", "“mesage”,", "one-mesage", "the mesage’s", "mesage?"],
)
def test_a_misspelt_word_is_found_wherever_it_stands(text):
    assert "mesage" in spelling.unknown({"here": text}, {"the", "one"})


@pytest.mark.parametrize("text", ["x3dhlab", "OPK_B", "12ab", "keys.encode", "anyWidget", "a=bc"])
def test_a_name_is_no_word(text):
    assert spelling.words(text) == set()


def test_prose_is_read_without_code_tags_and_targets_of_links():
    text = "Read `codde` <detials>and</detials> [this](there.htlm):\n\n```\nnoep\n```\n"
    assert spelling.words(spelling.markdown(text)) == {"read", "and", "this"}


def test_of_code_the_comments_and_the_sentences_are_read():
    source = 'secrte = b"two wrods"  # a commnet\nprint(f"it is {secrte} agian")\nPredict("04.kci")'
    found = spelling.words(spelling.python(source))
    assert found == {"two", "wrods", "commnet", "it", "is", "agian"}
