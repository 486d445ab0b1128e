"""The KDF workbench without a browser, and the attacks behind its findings."""

import re
from xml.etree import ElementTree

import pytest

from x3dhlab import pqxdh, primitives, x3dh
from x3dhlab.attacks import context
from x3dhlab.scenes import kdf_workbench
from x3dhlab.widgets import Block, KdfWorkbench, Report, Row

MATERIAL, INFO, AD, SALT = "key material", "info", "associated data", "salt"


@pytest.fixture
def bench():
    return kdf_workbench()


def wrong(bench):
    """What goes wrong, by name → facts."""
    return {
        f["name"]: dict(f["facts"]) for f in bench.report["findings"] if f["verdict"] == "falls"
    }


# What the specifications themselves leave open.
KNOWN = {
    x3dh: {"Bob's key under another name", "Record now, read later"},
    pqxdh: {"Bob's key under another name"},
}


# The specification


@pytest.mark.parametrize("protocol", [x3dh, pqxdh])
def test_the_blocks_as_given_are_the_specification(protocol):
    bench = kdf_workbench(protocol)
    assert bench.report["same"]
    assert bench.report["key"] == bench.report["expected"]
    assert set(wrong(bench)) == KNOWN[protocol]


@pytest.mark.parametrize("protocol", [x3dh, pqxdh])
def test_the_specifications_key_comes_from_the_protocol_module(protocol):
    here = context.Situation.fresh(protocol)
    assert context.derive(context.specified(here), here) == context.specification_key(here)


@pytest.mark.parametrize(
    "row, name", [(MATERIAL, n) for n in ("F", "DH1", "DH2", "DH3", "DH4", "SS")]
)
def test_leaving_any_part_of_the_material_out_gives_another_key(bench, row, name):
    bench.leave_out(row, name)
    assert not bench.report["same"]
    assert "Other people's programs" in wrong(bench)


# What each change opens


def test_without_the_application_a_message_replays_to_another_program(bench):
    bench.leave_out(INFO, "application")
    assert (
        wrong(bench)["Replay to another program"]["the second program reads"] == "Meet me at noon."
    )


def test_one_info_for_both_suites_lets_dh4_and_ss_share_a_place(bench):
    bench.leave_out(INFO, "KEM")
    facts = wrong(bench)["DH4 and SS in one place"]
    keys = [re.search(r"key (\w+)…", fact)[1] for fact in facts.values()]
    assert keys[0] == keys[1]


def test_dh4_and_ss_do_not_collide_when_another_part_stands_between(bench):
    bench.leave_out(INFO, "KEM")
    bench.swap(MATERIAL, "DH4", "DH3")
    assert "DH4 and SS in one place" not in wrong(bench)


def test_a_salt_that_carries_data_is_padded_into_another_one(bench):
    assert "S and S ‖ 00" not in wrong(bench)
    bench.put_in(SALT, "room")
    first, second = wrong(bench)["S and S ‖ 00"].values()
    assert first == second


def test_names_without_lengths_are_two_pairs_in_one_text(bench):
    bench.put_in(AD, "sender", "recipient")
    assert "Two pairs of names, one text" in wrong(bench)
    bench.put_in(AD, "length of sender", "length of recipient")
    assert set(wrong(bench)) == {"Other people's programs"}
    bench.leave_out(AD, "length of sender", "length of recipient")
    assert "Two pairs of names, one text" in wrong(bench)


def test_the_key_under_another_name_is_stopped_by_accounts_only(bench):
    bench.put_in(AD, "length of recipient", "recipient")
    assert "Bob's key under another name" not in wrong(bench)


def test_without_the_identity_key_bob_accepts_a_second_encoding(bench):
    bench.leave_out(AD, "Encode(IK_A)")
    facts = wrong(bench)["Another identity key, same secrets"]
    assert facts["DH1"] == "the same"
    assert facts["Bob reads"] == "Meet me at noon."
    assert bench.report["same"]
    assert "the associated data is not" in bench.report["sentence"]


def test_without_dh1_anybody_writes_as_alice(bench):
    bench.leave_out(MATERIAL, "DH1")
    assert wrong(bench)["Write as Alice"]["Bob reads"] == "Meet me at noon."


def test_without_ss_the_recording_opens_later(bench):
    bench.leave_out(MATERIAL, "SS")
    assert wrong(bench)["Record now, read later"]["he reads"] == "Meet me at noon."


@pytest.mark.parametrize(
    "name, attack, guess",
    [("DH1", "Write as Alice", "guessed DH1"), ("SS", "Record now, read later", "guessed SS")],
)
def test_one_byte_of_a_secret_is_guessed(bench, name, attack, guess):
    bench.cut(MATERIAL, name, 1)
    assert re.fullmatch("[0-9a-f]{2}", wrong(bench)[attack][guess])
    bench.cut(MATERIAL, name, 16)
    assert attack not in wrong(bench)


def test_a_cut_value_no_longer_counts_to_its_end(bench):
    bench.cut(MATERIAL, "DH3", 31)
    assert list(wrong(bench)["Inputs that no longer count"]) == ["DH3"]


def test_order_on_one_side_breaks_everything_and_on_both_sides_only_others(bench):
    bench.swap(MATERIAL, "DH1", "DH2")
    facts = wrong(bench)["Other people's programs"]
    assert facts["Bob reads"] == "Meet me at noon."
    assert facts["a peer that follows the specification reads"].startswith("nothing")
    bench.side = "one"
    assert wrong(bench)["Other people's programs"]["Bob reads"].startswith("nothing")
    assert len(bench.report["findings"]) == 1  # no message that Bob reads, so nothing to attack


def test_without_f_the_input_may_look_like_a_point(bench):
    bench.leave_out(MATERIAL, "F")
    assert "Room for XEdDSA" in wrong(bench)


def test_everything_left_out_is_still_a_report(bench):
    for row, blocks in bench.state.items():
        bench.leave_out(row, *(block[0] for block in blocks))
    assert len(bytes.fromhex(bench.report["key"])) == 32
    assert "Write as Alice" in wrong(bench)


# The widget


def test_reset_gives_the_specification_back(bench):
    bench.swap(MATERIAL, "DH1", "SS")
    bench.cut(INFO, "application", 2)
    bench.side = "one"
    bench.reset()
    assert bench.report["same"]
    assert bench.state == bench.start


def toy(derive=lambda recipe, one_side: Report(b"a", b"a")):
    return KdfWorkbench("Toy", [Row("row", (Block("a", b"12"), Block("b", b"\x00")))], derive)


@pytest.mark.parametrize(
    "state",
    [
        {},
        {"row": []},
        {"row": [["a", True, 2], ["a", True, 2]]},
        {"row": [["a", True, 3], ["b", True, 1]]},
        {"row": [["a", True, -1], ["b", True, 1]]},
        {"row": [["a", 1, 2], ["b", True, 1]]},
        {"row": [["a", True, "2"], ["b", True, 1]]},
    ],
)
def test_an_impossible_state_is_refused(state):
    widget = toy()
    with pytest.raises(ValueError):
        widget.state = state
    assert widget.state == widget.start


def test_an_unknown_side_and_an_empty_workbench_are_refused():
    with pytest.raises(ValueError):
        toy().side = "nobody"
    for rows in ([], [Row("empty", ())]):
        with pytest.raises(ValueError):
            KdfWorkbench("Toy", rows, None)


def test_the_callable_gets_the_recipe_in_order_without_what_is_left_out():
    seen = []
    widget = toy(lambda recipe, one_side: seen.append((recipe, one_side)) or Report(b"a", b"b"))
    widget.swap("row", "a", "b")
    widget.leave_out("row", "b")
    widget.cut("row", "a", 1)
    widget.side = "one"
    assert seen[0] == ({"row": (("a", 2), ("b", 1))}, False)
    assert seen[1][0] == {"row": (("b", 1), ("a", 2))}
    assert seen[-1] == ({"row": (("a", 1),)}, True)


def test_a_callable_that_breaks_leaves_a_sentence():
    widget = toy(lambda recipe, one_side: 1 / 0)
    assert widget.report["sentence"] == "This run stopped: division by zero"
    assert "This run stopped" in repr(widget)
    ElementTree.fromstring(widget._svg())


def test_the_text_form_tells_blocks_keys_and_every_finding(bench):
    bench.cut(MATERIAL, "DH2", 5)
    text = repr(bench)
    assert "F ‖ DH1 ‖ DH2[:5] ‖ DH3 ‖ DH4 ‖ SS (165 bytes)" in text
    assert bench.report["key"] in text
    assert bench.report["expected"] in text
    for finding in bench.report["findings"]:
        assert finding["sentence"] in text
    words = "".join(ElementTree.fromstring(bench._svg()).itertext())
    assert "F ‖ DH1 ‖ DH2[:5]" in words


def test_a_deterministic_workbench_is_the_same_every_time():
    forms = []
    for _ in range(2):
        with primitives.deterministic(5):
            forms.append(repr(kdf_workbench()))
    assert forms[0] == forms[1]
