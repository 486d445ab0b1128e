"""The widgets without a browser: what they know, record, say and draw."""

import base64
import json
import re
import shutil
import subprocess
import tomllib
from collections import Counter
from importlib.resources import files
from xml.etree import ElementTree

import pytest

from x3dhlab import observe, pqxdh, primitives, progress, trace, x3dh
from x3dhlab.errors import BadSignature
from x3dhlab.keys import KeyPair
from x3dhlab.party import LocalTransport, Party
from x3dhlab.service.store import PreKeyStore
from x3dhlab.trace import Trace
from x3dhlab.widgets import (
    HOLDS,
    NOTE,
    Check,
    Choose,
    Experiment,
    Number,
    Option,
    Outcome,
    Predict,
    ProtocolPlayer,
    Quiz,
    base,
)
from x3dhlab.widgets.holdings import held
from x3dhlab.widgets.player import view
from x3dhlab.widgets.questions import bank
from x3dhlab.wire import PreKeyBundle, encode_key


@pytest.fixture(autouse=True)
def progress_file(tmp_path, monkeypatch):
    path = tmp_path / "progress.jsonl"
    monkeypatch.setenv(progress.VARIABLE, str(path))
    return path


def recorded(protocol=x3dh, *, seed=1, transport=LocalTransport, names=("Alice", "Bob")):
    """Two parties publish, one writes, the other reads."""
    with primitives.deterministic(seed), trace.record() as run:
        service = transport(PreKeyStore())
        first, second = (Party(name, service, protocol) for name in names)
        first.publish()
        second.publish()
        first.send(names[1], b"first message")
        second.receive()
    return run


def named(run, number, lane):
    """The names that a lane holds after a step, with the state of each."""
    values = held(run, number, lane)
    return {
        f"{run['values'][value]['name']} {run['values'][value]['tag']}".strip(): state
        for value, state in values.items()
    }


def step_of(run, title, actor=None):
    """The number of the first step with this title (of this actor)."""
    return next(
        number
        for number, step in enumerate(run["steps"])
        if step["title"] == title and actor in (None, step["actor"])
    )


class Corrupting(LocalTransport):
    """Changes one bit of the signed prekey in every bundle."""

    def fetch(self, name, requester):
        bundle = PreKeyBundle.decode(super().fetch(name, requester))
        changed = bytes([bundle.signed_prekey[0] ^ 1]) + bundle.signed_prekey[1:]
        fields = {name: getattr(bundle, name) for name in bundle.__slots__}
        return PreKeyBundle(**{**fields, "signed_prekey": changed}).encode()


# The player's view of a run


def test_an_x3dh_run_has_few_steps_in_three_lanes():
    run = view(recorded())
    assert [lane["name"] for lane in run["lanes"]] == ["Alice", "server", "Bob"]
    assert 15 <= len(run["steps"]) <= 26


def test_the_formulas_are_those_of_the_specification():
    run = view(recorded())
    formulas = [(step["actor"], line) for step in run["steps"] for line in step["formula"]]
    for expected in (
        ("Alice", "Sig_A = Sign(IK_A, Encode(SPK_A))"),
        ("Bob", "10 × OPK_B = new key pair"),
        ("Alice", "Verify(IK_B, Encode(SPK_B), Sig_B)"),
        ("Alice", "DH1 = DH(IK_A, SPK_B)"),
        ("Alice", "DH2 = DH(EK_A, IK_B)"),
        ("Alice", "DH3 = DH(EK_A, SPK_B)"),
        ("Alice", "DH4 = DH(EK_A, OPK_B)"),
        ("Alice", "KM = F ‖ DH1 ‖ DH2 ‖ DH3 ‖ DH4"),
        ("Alice", "AD = Encode(IK_A) ‖ Encode(IK_B)"),
        ("Alice", "RK1, CK1 = KDF_RK(SK, DH(DHs_A, SPK_B))"),
        ("Bob", "DH1 = DH(SPK_B, IK_A)"),
        ("Bob", "delete OPK_B"),
    ):
        assert expected in formulas


def test_every_step_of_the_handshake_names_its_section():
    run = view(recorded())
    assert all(step["section"] for step in run["steps"])
    assert run["steps"][step_of(run, "Compute DH1", "Alice")]["section"] == "X3DH §3.3"
    assert run["steps"][step_of(run, "Compute DH1", "Bob")]["section"] == "X3DH §3.4"


@pytest.mark.parametrize(("protocol", "name"), [(x3dh, "X3DH"), (pqxdh, "PQXDH")])
def test_every_handshake_message_names_the_section_of_its_own_protocol(protocol, name):
    sent = [step for step in view(recorded(protocol=protocol))["steps"] if step["message"]]
    sections = {step["message"]["what"]: step["section"] for step in sent}
    assert sections == {
        "publication": f"{name} §3.2",
        "prekey bundle": f"{name} §3.3",
        "first message": f"{name} §3.3",
    }


def test_both_sides_hold_the_same_bytes_under_the_same_name():
    run = view(recorded())
    made = [run["steps"][step_of(run, "Derive SK", actor)]["outputs"] for actor in ("Alice", "Bob")]
    secrets = [[v for v in values if run["values"][v]["name"] == "SK"] for values in made]
    assert secrets[0] == secrets[1] != []


def test_the_server_never_holds_a_secret():
    run = view(recorded(pqxdh))
    for number in range(len(run["steps"])):
        assert not [v for v in held(run, number, "server") if run["values"][v]["secret"]]


def test_a_fetched_one_time_prekey_leaves_the_store_but_was_seen():
    run = view(recorded())
    fetch = step_of(run, "Alice fetches Bob's bundle")
    assert named(run, fetch - 1, "server")["OPK_B #2"] == "holds"
    assert named(run, fetch, "server")["OPK_B #2"] == "saw"
    assert named(run, fetch, "server")["OPK_B #3"] == "holds"


def test_deleted_keys_are_gone_from_the_lane():
    run = view(recorded())
    last = len(run["steps"]) - 1
    assert "OPK_B #2" in named(run, last - 1, "Bob")
    assert "OPK_B #2" not in named(run, last, "Bob")
    for lane in ("Alice", "Bob"):
        assert not {"DH1", "DH2", "DH3", "DH4", "SK"} & named(run, last, lane).keys()


def test_a_long_conversation_keeps_only_the_keys_of_now():
    with trace.record() as recording:
        service = LocalTransport(PreKeyStore())
        alice, bob = (Party(name, service, one_time=1) for name in ("Alice", "Bob"))
        bob.publish()
        alice.send("Bob", b"0")
        bob.receive()
        for _ in range(5):
            bob.send("Alice", b"1")
            alice.receive()
            alice.send("Bob", b"2")
            bob.receive()
    run = view(recording)
    for lane in ("Alice", "Bob"):
        holds = held(run, len(run["steps"]) - 1, lane)
        secrets = [run["values"][v]["role"] for v in holds if run["values"][v]["secret"]]
        assert secrets.count("RK") == 1
        assert secrets.count("CK") == 2
        assert secrets.count("DHs") == 1
        assert "MK" not in secrets


def test_nobody_holds_a_value_before_it_was_made():
    run = view(recorded())
    before = step_of(run, "Compute DH1", "Bob") - 1
    assert "DH1" not in named(run, before, "Bob")
    assert "DH1" in named(run, before + 1, "Bob")


def test_secret_means_that_the_wire_does_not_give_it_away():
    run = view(recorded())
    secrets = {value["name"] for value in run["values"].values() if value["secret"]}
    public = {value["name"] for value in run["values"].values() if not value["secret"]}
    assert {"DH1", "SK", "MK", "RK1", "IK_A", "SPK_B"} <= secrets
    assert {"AD", "Sig_B", "C"} <= public


def test_the_bundle_is_shown_field_by_field():
    run = view(recorded())
    message = run["steps"][step_of(run, "Alice fetches Bob's bundle")]["message"]
    fields = {field["name"]: field for field in message["fields"]}
    assert (message["sender"], message["recipient"], message["about"]) == ("server", "Alice", "Bob")
    assert fields["signed prekey"]["size"] == 33
    assert run["values"][fields["signed prekey"]["value"]]["name"] == "SPK_B"


def test_a_pqxdh_run_shows_the_kem():
    lines = [line for step in view(recorded(pqxdh))["steps"] for line in step["formula"]]
    assert "CT, SS = Encaps(PQPK_B)" in lines
    assert "SS = Decaps(PQPK_B, CT)" in lines
    assert "KM = F ‖ DH1 ‖ DH2 ‖ DH3 ‖ DH4 ‖ SS" in lines


def test_key_pairs_from_before_the_recording_have_one_name():
    ik_a, ik_b, spk_b = (KeyPair.generate() for _ in range(3))
    signature = primitives.sign(ik_b.private, encode_key(spk_b.public))
    bundle = PreKeyBundle(ik_b.public, 1, spk_b.public, signature)
    with trace.record() as run:
        message, _ = x3dh.initiate(ik_a, bundle)
        x3dh.respond(ik_b, spk_b, None, message)
    lines = [line for step in view(run)["steps"] for line in step["formula"]]
    assert "DH1 = DH(IK_A, SPK_B)" in lines
    assert "DH1 = DH(SPK_B, IK_A)" in lines
    assert "AD = Encode(IK_A) ‖ Encode(IK_B)" in lines


def test_a_refused_bundle_is_the_last_step_and_shows_its_error():
    with pytest.raises(BadSignature), trace.record() as run:
        service = Corrupting(PreKeyStore())
        alice, bob = Party("Alice", service), Party("Bob", service)
        bob.publish()
        alice.send("Bob", b"hello")
    last = view(run)["steps"][-1]
    assert (last["actor"], last["kind"], last["error"]) == ("Alice", "verify", "BadSignature")
    assert "Refused with BadSignature" in last["sentence"]
    assert repr(ProtocolPlayer(run)).endswith("REFUSED: BadSignature")


@pytest.mark.parametrize("length", range(0, 80, 3))
def test_a_run_that_was_cut_off_anywhere_still_plays(length):
    cut = Trace()
    cut.events = recorded().events[:length]
    player = ProtocolPlayer(cut)
    assert len(player.run["steps"]) <= length
    assert repr(player)
    ElementTree.fromstring(player._svg())


def test_an_empty_run_is_a_sentence():
    player = ProtocolPlayer(Trace(), "Nothing yet")
    assert repr(player) == "Nothing yet: nothing was recorded."
    ElementTree.fromstring(player._svg())


def test_names_in_any_script_and_of_any_length_fit():
    names = ("愛麗絲 " * 12, "بوب <&\"'> x")
    player = ProtocolPlayer(recorded(names=names), names[1])
    assert [lane["name"] for lane in player.run["lanes"]] == [names[0], "server", names[1]]
    ElementTree.fromstring(player._svg())


def test_lanes_follow_the_given_order_and_none_is_lost():
    run = view(recorded(), actors=["server", "Bob", "Zoe"])
    assert [lane["name"] for lane in run["lanes"]] == ["server", "Bob", "Zoe", "Alice"]


def test_people_whose_names_begin_alike_keep_apart():
    run = view(recorded(names=("Bea", "Bob")))
    lines = [line for step in run["steps"] for line in step["formula"]]
    assert "DH1 = DH(IK_Bea, SPK_Bob)" in lines


def test_work_outside_any_party_gets_a_lane():
    with trace.record() as run:
        mine, yours = KeyPair.generate(), KeyPair.generate()
        shared = primitives.dh(mine.private, yours.public)
        primitives.hkdf(shared, salt=bytes(32), info=b"lesson", length=32)
    data = view(run)
    assert [lane["name"] for lane in data["lanes"]] == ["program"]
    assert "shared = DH(mine, yours)" in [line for s in data["steps"] for line in s["formula"]]


def test_a_deterministic_run_gives_the_same_player_every_time():
    first, second = (ProtocolPlayer(recorded(seed=7), "Run") for _ in range(2))
    assert first.run == second.run
    assert first._repr_mimebundle_()[0]["text/html"] == second._repr_mimebundle_()[0]["text/html"]


def test_every_operation_is_in_exactly_one_step():
    run = recorded(pqxdh)
    assert sum(step["operations"] for step in view(run)["steps"]) == len(run)


def test_the_index_stays_inside_the_run():
    player = ProtocolPlayer(recorded(), start=999)
    assert player.index == len(player.run["steps"]) - 1
    player.index = -5
    assert player.index == 0


def test_the_text_form_lists_every_step_with_actor_formula_section_and_hex():
    player = ProtocolPlayer(recorded(), "A run")
    lines = repr(player).split("\n")
    assert len(lines) == len(player.run["steps"]) + 1
    assert re.search(
        r"^ 10\. Alice: DH1 = DH\(IK_A, SPK_B\) \[X3DH §3\.3\] \(DH1 [0-9a-f]{8}…\)$",
        repr(player),
        re.MULTILINE,
    )


def test_the_saved_forms_are_complete_and_small():
    data, _ = ProtocolPlayer(recorded(), "A run")._repr_mimebundle_()
    assert "application/vnd.jupyter.widget-view+json" in data
    assert len(json.dumps({key: data[key] for key in ("text/html", "text/plain")})) < 60_000
    image, said = data["text/html"].split("<br>")
    assert said.startswith("A still picture. Run this cell")
    picture = re.fullmatch(
        r'<img src="data:image/svg\+xml;base64,([^"]+)" alt="A run: [^"]+" style="[^"]+">', image
    )
    drawing = ElementTree.fromstring(base64.b64decode(picture[1]))
    words = "".join(drawing.itertext())
    assert "DH1 = DH(IK_A, SPK_B)" in words
    assert "prekey bundle, 175 bytes" in words


def test_watching_a_run_changes_nothing_for_the_next_one():
    view(recorded())
    assert not observe.listening()


# Predictions


def prediction(**kwargs):
    options = ["Alice", Option("the server", True, "It relays `C`, and cannot open it.")]
    return Predict("who-sees", "Who sees the ciphertext?", options, **kwargs)


def test_a_prediction_offers_to_say_that_one_does_not_know():
    assert prediction().asked["options"] == ["Alice", "the server", "I don't know"]


def test_the_browser_does_not_get_the_answer_before_the_learner_commits():
    widget = prediction(explain="Everybody on the way does.")
    state = json.dumps(widget.get_state(), default=str)
    assert "cannot open it" not in state
    assert "Everybody on the way" not in state
    assert '"correct"' not in state


def test_a_committed_prediction_is_recorded_and_explained():
    widget = prediction(explain="Everybody on the way does.")
    widget.commit(1, "sure")
    assert progress.first("prediction", "who-sees") == {
        "choice": "the server",
        "confidence": "sure",
        "correct": True,
    }
    assert widget.outcome["options"][1]["why"] == "It relays `C`, and cannot open it."
    assert widget.outcome["explain"] == "Everybody on the way does."


def test_a_prediction_is_locked():
    widget = prediction()
    widget.commit(0, "guess")
    widget.commit(1, "sure")
    assert widget.outcome["choice"] == 0
    assert len(progress.entries()) == 1


def test_a_prediction_comes_back_on_another_day():
    prediction().commit(0, "think so")
    again = prediction()
    assert (again.outcome["choice"], again.outcome["earlier"]) == (0, True)
    again.commit(1, "sure")
    assert again.outcome["choice"] == 0


def test_a_prediction_whose_option_was_reworded_is_still_shown():
    progress.record("prediction", "who-sees", {"choice": "old words", "confidence": "sure"})
    widget = prediction()
    assert (widget.outcome["choice"], widget.outcome["text"]) == (-1, "old words")
    assert repr(widget).endswith("Predicted: old words (sure).")


@pytest.mark.parametrize("choice, confidence", [(3, "sure"), (-1, "sure"), ("0", "sure"), (0, "x")])
def test_an_impossible_prediction_is_refused_and_not_recorded(choice, confidence):
    widget = prediction()
    with pytest.raises(ValueError):
        widget.commit(choice, confidence)
    assert not widget.outcome
    assert not progress.entries()


def test_the_browser_commits_by_a_message():
    widget = prediction()
    widget._handle_custom_msg({"kind": "commit", "choice": 1, "confidence": "guess"}, [])
    assert widget.outcome["confidence"] == "guess"


@pytest.mark.parametrize("committed", [False, True])
def test_the_saved_form_of_a_prediction_never_tells_the_answer(committed):
    widget = prediction(explain="Everybody on the way does.")
    if committed:
        widget.commit(0, "sure")
    data, _ = widget._repr_mimebundle_()
    picture = base64.b64decode(re.search(r"base64,([^\"]+)", data["text/html"])[1]).decode()
    for form in (data["text/plain"], data["text/html"], picture):
        assert "cannot open it" not in form
        assert "Everybody on the way" not in form
    for form in (data["text/plain"], picture):
        assert "Who sees the ciphertext?" in form
        assert "the server" in form
        assert ("Predicted: Alice (sure)." if committed else "Not predicted yet.") in form


def test_a_disk_that_refuses_does_not_lose_the_prediction_silently(monkeypatch):
    def refuse(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(progress, "record", refuse)
    widget = prediction()
    widget.commit(0, "sure")
    assert widget.outcome["problem"] == "This answer could not be saved: No space left on device."


# Quizzes


def quiz(*, several=False):
    return Quiz(
        "dh4",
        "Who can compute DH4?",
        [
            Option("Alice", True, "She has EK_A."),
            Option("the server", why="It has public halves only.", cell="#who-reads"),
            Option("Bob", several, "He has OPK_B."),
        ],
        explain="One private key is needed.",
    )


def test_a_wrong_answer_is_explained_with_its_cell_and_nothing_else_is_given_away():
    widget = quiz()
    assert widget.answer(1) is False
    assert widget.outcome["meanings"] == [
        {
            "correct": False,
            "why": "It has public halves only.",
            "cell": "#who-reads",
            "text": "the server",
        }
    ]
    assert widget.outcome["explain"] == ""
    assert "She has EK_A." not in json.dumps(widget.get_state(), default=str)


def test_an_answer_may_be_tried_again_and_every_try_is_recorded():
    widget = quiz()
    widget.answer(1)
    assert widget.answer(0) is True
    assert widget.outcome["explain"] == "One private key is needed."
    recorded = [entry.value["correct"] for entry in progress.entries() if entry.kind == "answer"]
    assert recorded == [False, True]


def test_of_several_right_answers_all_are_needed():
    widget = quiz(several=True)
    assert widget.answer(0) is False
    assert widget.outcome["missing"] == 1
    assert widget.answer(0, 1, 2) is False
    assert widget.answer(2, 0) is True


def test_the_latest_answer_comes_back_on_another_day():
    widget = quiz()
    widget.answer(1)
    widget.answer(0)
    again = quiz()
    assert (again.outcome["chosen"], again.outcome["earlier"]) == ([0], True)


@pytest.mark.parametrize("choices", [(), (3,), ("0",), (True,), (-1,)])
def test_an_impossible_answer_is_refused_and_not_recorded(choices):
    widget = quiz()
    with pytest.raises(ValueError):
        widget.answer(*choices)
    assert not progress.entries()


def test_the_text_form_of_a_quiz_lists_the_options_and_not_the_answer():
    assert repr(quiz()).split("\n") == [
        "Question dh4: Who can compute DH4?",
        "  1. Alice",
        "  2. the server",
        "  3. Bob",
        "Not answered yet.",
    ]


@pytest.mark.parametrize(
    "options", [[], ["only one"], ["same", "same"], [Option("a"), Option("b")], ["a", 3]]
)
def test_a_quiz_without_a_choice_or_a_right_answer_is_refused(options):
    with pytest.raises(ValueError):
        Quiz("id", "Question?", options)


# The files of the browser side

MODULES = sorted(
    file.name.removesuffix(".js")
    for file in (files("x3dhlab.widgets") / "static").iterdir()
    if file.name.endswith(".js") and file.name != "shared.js"
)


def test_every_widget_has_its_module():
    assert {"player", "predict", "quiz"} <= set(MODULES)


@pytest.mark.parametrize("name", MODULES)
def test_each_module_is_small_and_asks_no_network(name):
    source = base.module(name)
    assert len(source.encode()) < 40_000
    assert not re.search(r"https?://(?!www\.w3\.org)|\bimport\b|\bfetch\(", source)


@pytest.mark.skipif(shutil.which("node") is None, reason="node is not installed")
@pytest.mark.parametrize("name", MODULES)
def test_each_module_is_valid_javascript(name, tmp_path):
    file = tmp_path / f"{name}.mjs"
    file.write_text(base.module(name))
    result = subprocess.run(["node", "--check", file], capture_output=True, text=True)
    assert result.returncode == 0, result.stderr


def asked():
    """(id, table) of every question with options."""
    for file in sorted((files("x3dhlab") / "questions").iterdir(), key=lambda file: file.name):
        for name, table in tomllib.loads(file.read_text(encoding="utf-8")).items():
            if "options" in table:
                yield f"{file.name.removesuffix('.toml')}.{name}", table


def test_no_place_holds_the_right_option_more_often():
    places = Counter()
    for id, table in asked():
        _, options = bank(id)
        assert options == bank(id)[1]
        assert {o.text for o in options} == {o["text"] for o in table["options"]}
        places.update((len(options), n) for n, o in enumerate(options) if o.correct)
    for length in (3, 4):
        of_length = [places[length, place] for place in range(length)]
        assert min(of_length) > 0 and max(of_length) < 0.6 * sum(of_length)


def test_the_right_option_is_not_known_by_its_length():
    longest = Counter()
    for id, table in asked():
        right = [len(o["text"]) for o in table["options"] if o.get("correct")]
        wrong = max((len(o["text"]) for o in table["options"] if not o.get("correct")), default=0)
        if len(right) == 1:
            assert right[0] <= 1.25 * wrong, id
            longest.update([(id[:2], right[0] > wrong)])
    for lesson, _ in list(longest):
        assert longest[lesson, True] <= 0.4 * (longest[lesson, True] + longest[lesson, False])


def test_an_experiment_answers_also_when_the_outcome_is_the_same():
    experiment = Experiment("Same", [Check("on", "On", False)], lambda on: Outcome(HOLDS, "Same."))
    answers = []
    experiment.observe(lambda change: answers.append(change.new["sentence"]), "outcome")
    experiment.set(on=True)
    assert answers == ["Same."]


def test_a_control_that_opens_puts_the_others_back():
    controls = [Choose("page", "Page", ("one", "two", "three"), "one")]
    controls += [Check("on", "On"), Number("count", "Count", 0, 9)]
    runs = []

    def run(page, on, count):
        runs.append((page, on, count))
        return Outcome(NOTE, "So it is.", {"lines": "first\nsecond"})

    experiment = Experiment("Pages", controls, run, opens="page")
    experiment.set(on=True, count=3)
    experiment.set(page="two")
    experiment.set(page="three", count=5)
    assert runs == [("one", False, 0), ("one", True, 3), ("two", False, 0), ("three", False, 5)]
    assert "lines: first\n    second" in repr(experiment)
