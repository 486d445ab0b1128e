"""The ratchet theatre without a browser: real states, refusals, undo, and what a thief reads."""

import json
import random
import re
from xml.etree import ElementTree

import pytest

from x3dhlab import pqxdh, proof, scenes
from x3dhlab.scenes.theatre import COPIES, MESSAGES, Theatre
from x3dhlab.widgets import ProtocolPlayer, RatchetTheatre


def played(*steps, seed=1, **options):
    """The data of a theatre after these steps."""
    return scenes.ratchet_theatre(seed, *steps, **options).scene


def field(scene, person, name):
    """One field of a person's state."""
    phone = next(phone for phone in scene["phones"] if phone["name"] == person)
    return next(field for field in phone["fields"] if field["name"] == name)


def values(scene, person):
    phone = next(phone for phone in scene["phones"] if phone["name"] == person)
    return [item["value"] for item in phone["fields"]], phone["skipped"]["keys"]


def exchange(first=1):
    """Alice writes and Bob answers; everything arrives."""
    return [
        ("write", "Alice", "ping"),
        ("deliver", first),
        ("write", "Bob", "pong"),
        ("deliver", first + 1),
    ]


def test_bob_has_no_state_before_the_first_message():
    alice, bob = played()["phones"]
    assert (alice["ready"], bob["ready"]) == (True, False)
    assert bob["waits"] == "No session yet. The first message from Alice opens it."


def test_a_message_under_way_has_moved_the_sender_only():
    scene = played(("write", "Alice", "Hi"))
    assert [item["name"] for item in scene["phones"][0]["fields"] if item["changed"]] == [
        "CKs",
        "Ns",
    ]
    assert scene["lanes"][0]["parcels"][0]["text"] == "Hi"
    assert not scene["phones"][1]["ready"]


def test_both_phones_agree_on_the_chain_after_delivery():
    scene = played(*exchange())
    assert field(scene, "Alice", "CKr")["value"] == field(scene, "Bob", "CKs")["value"]
    assert field(scene, "Alice", "DHr")["value"] == field(scene, "Bob", "DHs")["value"]


def test_a_header_shows_the_ratchet_key_of_its_sender():
    scene = played(*exchange(), ("write", "Alice", "again"))
    parcel = scene["lanes"][0]["parcels"][0]
    assert parcel["key"] == field(scene, "Alice", "DHs")["value"]
    assert (parcel["PN"], parcel["N"], parcel["handshake"]) == (1, 0, False)


def test_a_late_message_is_read_with_a_kept_key():
    writes = [("write", "Alice", str(n)) for n in range(3)]
    scene = played(*writes, ("deliver", 3))
    assert [key["number"] for key in scene["phones"][1]["skipped"]["keys"]] == [0, 1]
    scene = played(*writes, ("deliver", 3), ("deliver", 1))
    assert [key["number"] for key in scene["phones"][1]["skipped"]["keys"]] == [1]
    assert "Its key was kept" in scene["now"]["words"]


def test_bob_cannot_write_before_he_has_read():
    scene = played(("write", "Bob", "Hello?"))
    assert (scene["now"]["refusal"], scene["now"]["section"]) == (
        "NoSession",
        "Double Ratchet §3.3",
    )
    assert scene["lanes"][1]["parcels"] == []


@pytest.mark.parametrize(
    "steps, error, section",
    [
        ([("copy", 1), ("deliver", 1), ("deliver", 101)], "OldMessage", "Double Ratchet §3.5"),
        ([("damage", 1), ("deliver", 1)], "DecryptionFailed", "Double Ratchet §7.2"),
    ],
)
def test_a_refused_message_names_its_section_and_changes_no_state(steps, error, section):
    before = played(("write", "Alice", "Hi"), *steps[:-1])
    after = played(("write", "Alice", "Hi"), *steps)
    assert (after["now"]["refusal"], after["now"]["section"]) == (error, section)
    for person in ("Alice", "Bob"):
        assert values(before, person) == values(after, person)
    assert not [f for phone in after["phones"] for f in phone["fields"] if f["changed"]]


def test_a_damaged_message_does_not_cost_the_real_one():
    scene = played(
        ("write", "Alice", "Hi"), ("copy", 1), ("damage", 101), ("deliver", 101), ("deliver", 1)
    )
    assert [item["text"] for item in scene["phones"][1]["read"]] == ["Hi"]


def test_the_network_delays_drops_swaps_and_copies():
    writes = [("write", "Alice", str(n)) for n in range(3)]

    def order(*steps):
        return [parcel["id"] for parcel in played(*writes, *steps)["lanes"][0]["parcels"]]

    assert order(("delay", 1)) == [2, 3, 1]
    assert order(("place", 3, 2)) == [1, 3, 2]
    assert order(("place", 1, None)) == [2, 3, 1]
    assert order(("copy", 2)) == [1, 2, 102, 3]
    assert order(("drop", 2)) == [1, 3]


@pytest.mark.parametrize(
    "step",
    [
        ("deliver", 9),
        ("write", "Zoe", "x"),
        ("write", "Alice", 3),
        ("place", 1, 7),
        ("steal", "Bob"),
        ("jump", 1),
        ("redo",),
    ],
)
def test_an_impossible_step_is_a_sentence_and_no_step(step):
    widget = scenes.ratchet_theatre(1, ("write", "Alice", "Hi"))
    names = {"write": ("sender", "text"), "steal": ("owner",), "place": ("id", "before")}
    facts = dict(zip(names.get(step[0], ("id",)), step[1:], strict=False))
    before = widget.scene
    with pytest.raises(ValueError):
        widget.act(step[0], **facts)
    widget._handle_custom_msg({"kind": "act", "name": step[0], "facts": facts}, [])
    assert widget.scene["problem"].startswith("That is not possible: ")
    assert widget.scene["steps"] == before["steps"]


@pytest.mark.parametrize("content", [{}, {"kind": "act"}, {"kind": "act", "facts": {"x": 1}}])
def test_a_strange_message_of_the_browser_stops_nothing(content):
    widget = scenes.ratchet_theatre(1)
    widget._handle_custom_msg(content, [])
    widget._handle_custom_msg({"kind": "act", "name": "write", "facts": {"sender": "Alice"}}, [])
    assert widget.scene["lanes"][0]["parcels"][0]["text"] == "Message 1"


def test_a_stage_that_breaks_is_a_sentence():
    class Broken(Theatre):
        def act(self, name, **facts):
            raise RuntimeError("the lights went out")

    widget = RatchetTheatre(Broken())
    widget._handle_custom_msg({"kind": "act", "name": "write"}, [])
    assert widget.scene["problem"] == "This step stopped: the lights went out"


def test_the_theatre_has_room_for_so_many_messages():
    theatre = Theatre(1)
    for number in range(MESSAGES):
        theatre.act("write", sender="Alice", text="x")
        theatre.act("deliver", id=number + 1)
    with pytest.raises(ValueError, match="no room"):
        theatre.act("write", sender="Alice", text="x")


def test_the_network_holds_so_many_copies():
    theatre = Theatre(1)
    theatre.act("write", sender="Alice", text="x")
    for _ in range(COPIES - 1):
        theatre.act("copy", id=1)
    with pytest.raises(ValueError, match="no room"):
        theatre.act("copy", id=1)


# Time


def wander(theatre, chance, steps):
    """Random steps; yields what was there before each and after the last."""
    yield theatre.view()
    for _ in range(steps):
        view = theatre.view()
        ids = [parcel["id"] for lane in view["lanes"] for parcel in lane["parcels"]]
        name = chance.choice(["write", "deliver", "delay", "drop", "copy", "damage", "steal"])
        if name == "steal" and all(phone["ready"] for phone in view["phones"]):
            theatre.act("steal", owner=chance.choice(theatre.names))
        elif name == "write" or not ids or name == "steal":
            theatre.act("write", sender=chance.choice(theatre.names), text="x")
        else:
            theatre.act(name, id=chance.choice(ids))
        yield theatre.view()


def timeless(view):
    return {name: value for name, value in view.items() if name not in ("undo", "redo")}


@pytest.mark.parametrize("seed", range(8))
def test_every_step_can_be_undone_and_done_again(seed):
    theatre = Theatre(seed)
    views = list(wander(theatre, random.Random(seed), 25))
    for view in views[-2::-1]:
        theatre.act("undo")
        assert timeless(theatre.view()) == timeless(view)
    for view in views[1:]:
        theatre.act("redo")
        assert timeless(theatre.view()) == timeless(view)


def test_an_undone_step_is_in_no_trace():
    theatre = Theatre(1)
    before = len(theatre.trace)
    theatre.act("write", sender="Alice", text="Hi")
    assert len(theatre.trace) > before
    theatre.act("undo")
    assert len(theatre.trace) == before


def test_another_step_after_an_undo_ends_the_other_future():
    theatre = Theatre(1)
    theatre.act("write", sender="Alice", text="Hi")
    theatre.act("undo")
    theatre.act("write", sender="Alice", text="Ho")
    assert not theatre.view()["redo"]


def test_the_same_seed_gives_the_same_bytes_and_another_seed_others():
    assert played(*exchange()) == played(*exchange())
    first, second = (field(played(seed=seed), "Alice", "RK") for seed in (1, 2))
    assert first["value"] != second["value"]


def test_the_run_can_be_played_step_by_step():
    theatre = Theatre(1)
    theatre.act("write", sender="Alice", text="Hi")
    theatre.act("deliver", id=1)
    lanes = ProtocolPlayer(theatre.trace).run["lanes"]
    assert [lane["name"] for lane in lanes] == ["Alice", "server", "Bob"]


# The thief


def readable(scene):
    return [message["number"] for message in scene["messages"] if message["readable"]]


def test_a_thief_reads_on_and_is_locked_out_by_new_keys_of_both():
    start = [*exchange(), ("steal", "Alice")]
    scene = played(*start, *exchange(3))
    # Alice's next chain needs the private key that she has, Bob's next one that same key: stolen.
    assert 3 in readable(scene)
    healed = played(*start, *exchange(3), *exchange(5), *exchange(7))
    assert not {1, 2, 6, 7, 8} & set(readable(healed))
    assert all(phone["since"] for phone in healed["thief"]["next"])
    assert not any(phone["readable"] for phone in healed["thief"]["next"])


def test_a_next_message_is_judged_as_the_header_will_show_its_ratchet_key():
    steps = [("write", "Alice", "one"), ("deliver", 1), ("steal", "Alice")]
    before, after = played(*steps), played(*steps, ("write", "Bob", "two"))
    told = before["thief"]["next"][1]
    assert told["name"] == "Bob" and told["readable"]
    assert after["messages"][1]["readable"]


def test_healing_is_told_for_the_step_that_made_the_new_keys():
    steps = [*exchange(), ("steal", "Alice"), *exchange(3), *exchange(5)]
    since = played(*steps)["thief"]["next"][0]["since"]
    assert since == 9
    before, after = (played(*steps[:number]) for number in (since - 1, since))
    assert before["thief"]["next"][0]["readable"]
    assert not after["thief"]["next"][0]["readable"]


def test_what_the_thief_reads_is_computed_from_the_copy_and_the_network():
    widget = scenes.ratchet_theatre(1, *exchange(), ("steal", "Bob"), *exchange(3))
    message = widget.scene["messages"][2]
    assert message["stolen_text"] == "ping"
    lines = widget.explain(3)
    assert lines[-1].startswith("plaintext = OPEN(")
    assert widget.proof["lines"] == lines
    assert widget.explain(1) == [] == widget.explain(99)


def test_the_verdicts_are_those_of_the_closure():
    theatre = Theatre(3)
    views = list(wander(theatre, random.Random(5), 60))
    assert views[-1]["thief"]["copies"]
    leaked = set().union(*(copy for _, _, copy in theatre._now.copies))
    expected = {
        verdict.plaintext if verdict.readable else None
        for verdict in proof.verdicts(theatre.trace, leaked)
    }
    found = {m["stolen_text"].encode() for m in views[-1]["messages"] if m["readable"]}
    assert found == expected - {None}


def test_a_kept_key_is_stolen_with_the_state():
    steps = [("write", "Alice", "one"), ("write", "Alice", "two"), ("deliver", 2)]
    assert readable(played(*steps, ("steal", "Bob"))) == [1]
    assert readable(played(*steps, ("deliver", 1), ("steal", "Bob"))) == []


def test_stolen_fields_are_marked_only_where_the_thief_has_them():
    scene = played(*exchange(), ("steal", "Alice"))
    assert field(scene, "Alice", "RK")["stolen"]
    assert not field(scene, "Bob", "DHs")["stolen"]
    assert not any(item["stolen"] for p in played(*exchange())["phones"] for item in p["fields"])


# The forms without a kernel


def test_the_text_form_tells_states_messages_steps_and_thief():
    widget = scenes.ratchet_theatre(
        1, *exchange(), ("steal", "Alice"), ("write", "Alice", "Friday"), title="A try"
    )
    text = repr(widget)
    assert text.startswith("A try: 6 steps.\n")
    for field_ in widget.scene["phones"][1]["fields"]:
        assert re.search(rf"{field_['name']}\*? {field_['value']}", text)
    assert "Under way from Alice to Bob: 1." in text
    assert "message 3 of Alice: the thief reads “Friday”." in text
    assert "Alice's next message: the thief can read it." in text


def test_a_refusal_is_in_the_text_form_with_its_section():
    widget = scenes.ratchet_theatre(1, ("write", "Alice", "x"), ("damage", 1), ("deliver", 1))
    assert "Refused: DecryptionFailed [Double Ratchet §7.2]. The state did not change." in repr(
        widget
    )


@pytest.mark.parametrize("names", [("愛麗絲 " * 12, "بوب <&\"'> x"), ("Al", "Bo")])
def test_names_and_texts_of_any_script_make_a_picture(names):
    widget = scenes.ratchet_theatre(1, ("write", names[0], "‮مرحبا <b>\x00" * 20), names=names)
    ElementTree.fromstring(widget._svg())
    assert "\x00" not in repr(widget)
    json.dumps(widget.get_state(), default=str)


def test_post_quantum_phones_play_too():
    scene = played(*exchange(), protocol=pqxdh)
    assert [item["text"] for item in scene["phones"][0]["read"]] == ["pong"]


@pytest.mark.parametrize("names", [("Al",), ("Al", "Al"), ("", "Bo"), (1, 2)])
def test_a_theatre_needs_two_different_people(names):
    with pytest.raises(ValueError):
        Theatre(1, names)
