"""What lessons claim: figures, questions and the scenes that are handed to widgets."""

import re
import tomllib
from importlib.resources import files
from pathlib import Path

import nbformat
import pytest

from x3dhlab import course, scenes
from x3dhlab.attacks import weakened
from x3dhlab.party import LocalTransport, Party
from x3dhlab.service.store import PreKeyStore
from x3dhlab.trace import record

ROOT = Path(__file__).parent.parent
LESSONS = sorted((ROOT / "notebooks").glob("[0-9]*.ipynb"))
BANKS = {
    path.name.removesuffix(".toml"): tomllib.loads(path.read_text(encoding="utf-8"))
    for path in (files("x3dhlab") / "questions").iterdir()
}


def cells(path, kind):
    notebook = nbformat.read(path, as_version=4)
    return [cell.source for cell in notebook.cells if cell.cell_type == kind]


def asked(path):
    return re.findall(
        r'(?:Predict|Quiz|Order|Match|FreeAnswer)\("([^"]+)"\)', "\n".join(cells(path, "code"))
    )


def headings(path):
    return re.findall(r"^#+ (.+)$", "\n".join(cells(path, "markdown")), flags=re.M)


def first_run(text):
    with record() as trace:
        network = LocalTransport(PreKeyStore())
        alice, bob = Party("Alice", network), Party("Bob", network)
        bob.publish()
        alice.send("Bob", text)
        bob.receive()
    return trace


@pytest.mark.parametrize("lesson", LESSONS, ids=lambda path: path.stem)
def test_each_lesson_asks_the_questions_of_its_bank_and_no_others(lesson):
    number = lesson.name[:2]
    assert sorted(asked(lesson)) == sorted(f"{number}.{name}" for name in BANKS[number])


@pytest.mark.parametrize("lesson", LESSONS, ids=lambda path: path.stem)
def test_each_lesson_has_two_predictions_and_four_questions(lesson):
    kinds = [entry["kind"] for entry in BANKS[lesson.name[:2]].values()]
    assert kinds.count("prediction") >= 2
    assert kinds.count("question") >= 4


@pytest.mark.parametrize("lesson", LESSONS, ids=lambda path: path.stem)
def test_every_option_is_explained_and_every_wrong_answer_links_to_its_cell(lesson):
    for name, entry in BANKS[lesson.name[:2]].items():
        if "options" not in entry:
            continue
        assert any(option.get("correct") for option in entry["options"]), name
        for option in entry["options"]:
            assert option["why"], (name, option["text"])
            if entry["kind"] == "question" and not option.get("correct"):
                assert option["cell"] in headings(lesson), (name, option["text"])


@pytest.mark.parametrize("lesson", LESSONS, ids=lambda path: path.stem)
def test_every_step_and_pair_is_explained_and_every_free_answer_has_a_model(lesson):
    for name, entry in BANKS[lesson.name[:2]].items():
        for part in (*entry.get("steps", ()), *entry.get("pairs", ())):
            assert part["why"], (name, part)
        assert entry["kind"] != "free" or (entry["model"] and entry["points"]), name


def reasons_of(entry):
    parts = [*entry.get("options", ()), *entry.get("steps", ()), *entry.get("pairs", ())]
    model = [entry["model"]] if "model" in entry else []
    return [*model, *(part["why"] for part in parts)]


@pytest.mark.parametrize("lesson", LESSONS, ids=lambda path: path.stem)
def test_no_lesson_shows_which_option_is_right(lesson):
    number = lesson.name[:2]
    reasons = [reason for entry in BANKS[number].values() for reason in reasons_of(entry)]
    saved = lesson.read_text(encoding="utf-8")
    assert not [reason for reason in reasons if reason in saved]
    assert "correct=True" not in saved


@pytest.mark.parametrize("lesson", LESSONS, ids=lambda path: path.stem)
def test_a_folded_title_has_no_marks_that_only_markdown_reads(lesson):
    """What follows an HTML tag on its line is shown as it stands."""
    for title in re.findall(r"<summary>(.*?)</summary>", "\n".join(cells(lesson, "markdown"))):
        assert not set("`*") & set(title), title


def test_most_of_a_short_first_message_is_public_keys():
    parts = scenes.first_message_parts(first_run(b"Hello, Bob!"))
    assert parts["public keys"] == 99
    assert parts["sealed text and its tag"] == 48
    assert parts["public keys"] > sum(parts.values()) / 2


def test_the_claim_about_public_keys_fails_for_a_long_text():
    parts = scenes.first_message_parts(first_run(b"Hello, Bob! " * 20))
    assert parts["public keys"] < sum(parts.values()) / 2


def diagonal(outcome):
    rows = [[attempt.succeeded for attempt in row] for row in outcome.values()]
    return rows == [[False] * 4] + [[x == y for x in range(4)] for y in range(4)]


def test_each_dropped_term_opens_exactly_one_attack():
    assert diagonal(weakened.dropped_terms())


def test_the_claim_about_dropped_terms_fails_when_a_theft_is_larger(monkeypatch):
    larger = {**weakened.ATTACKS, "read with Bob's prekeys": ("more", True, ("SPK_B", "IK_B"))}
    monkeypatch.setattr(weakened, "ATTACKS", larger)
    assert not diagonal(weakened.dropped_terms())


def test_an_attack_that_succeeds_shows_the_text_it_read():
    attempt = weakened.attempt("write as Alice", ("DH2", "DH3", "DH4"))
    assert attempt.evidence == "Meet me at noon."


def test_a_thief_of_the_signed_prekey_writes_to_bob_as_anybody():
    cast = weakened.Cast()
    assert weakened.impersonate(cast, b"from Alice", cast.private("SPK_B")) == b"from Alice"
    with pytest.raises(weakened.MissingTerm):
        weakened.impersonate(cast, b"from Alice", cast.private("IK_B"))


def test_the_weakened_handshake_runs_again_at_every_change():
    experiment = scenes.weakened_handshake()
    assert experiment.outcome["verdict"] == "falls"
    experiment.set(DH1=True)
    assert experiment.outcome["verdict"] == "holds"
    experiment.set(DH1=False, DH2=False, DH3=False, DH4=False)
    assert "public constant" in experiment.outcome["sentence"]


def test_an_empty_pool_takes_dh4_out_of_the_weakened_handshake():
    experiment = scenes.weakened_handshake()
    full, empty = next(c["options"] for c in experiment.controls if c["name"] == "pool")
    stolen = {"attack": "read with IK_B and SPK_B", "DH1": True, "DH2": True, "DH4": True}
    experiment.set(**stolen)
    assert experiment.outcome["verdict"] == "holds"
    experiment.set(pool=empty)
    assert experiment.outcome["verdict"] == "falls"
    assert ["terms", "DH1, DH2, DH3"] in experiment.outcome["facts"]
    experiment.set(DH1=False, DH2=False, DH3=False)
    assert experiment.outcome["sentence"].startswith("DH4 needs a one-time prekey")
    experiment.set(pool=full)
    assert "public constant" not in experiment.outcome["sentence"]
    experiment.set(attack="read with both identities")
    assert experiment.outcome["verdict"] == "holds"


def test_a_lesson_of_more_than_35_minutes_that_names_sittings_has_that_many():
    """A sitting ends at a heading that the status reads, and asks at least one question."""
    named = {"two": 2, "three": 3}
    found = {lesson.file: lesson.sittings for lesson in course.lessons()}
    for lesson in LESSONS:
        words = re.search(r"in (\w+) sittings\*\*", "\n".join(cells(lesson, "markdown")))
        assert len(found[lesson.name]) == (named[words[1]] if words else 1)
        assert all(found[lesson.name])


def test_no_damaged_bit_goes_unnoticed():
    experiment = scenes.flip_a_bit("short")
    for position in range(48):
        experiment.set(position=position)
        assert experiment.outcome["verdict"] == "holds"
    experiment.set(position=50)
    assert ["damaged", "byte 2: counted on from byte 0"] in experiment.outcome["facts"]
    experiment.set(damage=False)
    assert ["Bob reads", "short"] in experiment.outcome["facts"]
