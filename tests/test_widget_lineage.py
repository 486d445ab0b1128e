"""Key lineage without a browser: the graph of a run, its layers, what falls, and what is said."""

import re
from xml.etree import ElementTree

import pytest
import recorded

from x3dhlab import observe, pqxdh, primitives, proof, scenes, trace
from x3dhlab.trace import Trace
from x3dhlab.widgets import KeyLineage, layers
from x3dhlab.widgets.lineage import FOLD, NEAR, WHOLE, Graph


@pytest.fixture(scope="module")
def short():
    """Three messages: Alice, Bob, Alice."""
    return scenes.conversation("A B A")


@pytest.fixture(scope="module")
def long():
    """A conversation of more than a thousand operations."""
    run, _ = recorded.long_run(5, length=90)
    assert len(run.trace) > 1000
    return run.trace


def ids(graph):
    return {node["name"]: unit for unit, node in graph.nodes.items()}


def parents(graph, name):
    """The names of the values that a value was made from."""
    unit = ids(graph)[name]
    return {graph.nodes[source]["name"] for source, target in graph.edges if target == unit}


def states(widget):
    """Each value's name with its state, as the text form says it."""
    found = re.findall(r"^  (\S.*?) (?:\".*?\" )?\[.*?, (\w+)\]", widget._text(), re.MULTILINE)
    return dict(found)


# The graph


def test_the_graph_is_the_derivation_of_the_specification(short):
    graph = Graph(short.trace)
    assert parents(graph, "DH1") == {"IK_A", "SPK_B"}
    assert parents(graph, "DH2") == {"EK_A", "IK_B"}
    assert parents(graph, "DH4") == {"EK_A", "OPK_B"}
    assert parents(graph, "KM") == {"DH1", "DH2", "DH3", "DH4"}
    assert parents(graph, "SK") == {"KM"}
    assert parents(graph, "RK1") == parents(graph, "CK1") == {"SK", "ratchet DH"}
    assert parents(graph, "MK1") == parents(graph, "CK2") == {"CK1"}
    assert parents(graph, "C1") == {"MK1"}


def test_a_value_that_both_compute_is_one_node_of_both(short):
    graph = Graph(short.trace)
    names = [node["name"] for node in graph.nodes.values()]
    assert names.count("SK") == names.count("DH3") == 1
    assert graph.nodes[ids(graph)["SK"]]["actors"] == ["Alice", "Bob"]
    assert graph.nodes[ids(graph)["EK_A"]]["actors"] == ["Alice"]


def test_a_key_pair_is_one_node_and_a_theft_takes_its_private_half(short):
    graph = Graph(short.trace)
    unit = ids(graph)["IK_B"]
    assert graph.nodes[unit]["pair"] and graph.nodes[unit]["secret"]
    assert graph.secret_of[unit] == short.devices["Bob", 0].ring.identity.private


def test_a_kem_secret_comes_from_its_prekey():
    with recorded.Run(pqxdh) as run:
        run.say(run.alice, b"hello")
    graph = Graph(run.trace)
    assert parents(graph, "SS") == {"PQPK_B", "CT"}
    assert "SS" in parents(graph, "KM")


def test_equal_texts_of_two_messages_stay_two_messages():
    with recorded.Run() as run:
        run.say(run.alice, b"same")
        run.say(run.alice, b"same")
    graph = Graph(run.trace)
    assert [n["text"] for n in graph.nodes.values() if n["message"]] == ['"same"', '"same"']


# Layers


@pytest.mark.parametrize("seed", range(4))
def test_every_edge_leads_down_and_no_two_boxes_touch(seed):
    run, _ = recorded.long_run(seed, length=14)
    graph = Graph(run.trace)
    places, routes, width, height = layers.arrange(
        graph.nodes, graph.edges, width=100, gap=10, pitch=80
    )
    assert places.keys() == graph.nodes.keys()
    assert all(places[a][1] < places[b][1] for a, b in graph.edges)
    rows = {}
    for x, y in places.values():
        assert x + 0.01 >= 50 and x <= width - 50 + 0.01 and 0 <= y <= height
        rows.setdefault(y, []).append(x)
    for row in rows.values():
        row.sort()
        assert all(b - a >= 110 - 0.01 for a, b in zip(row, row[1:], strict=False))
    for (a, b), stops in routes.items():
        assert (stops[0], stops[-1]) == (places[a], places[b])


def test_the_same_run_is_drawn_the_same_way(short):
    assert Graph(short.trace).scene() == Graph(short.trace).scene()


def test_nothing_to_arrange_is_no_error():
    assert layers.arrange([], [], width=100, gap=10, pitch=80) == ({}, {}, 0.0, 0.0)


# Leaks


def test_nothing_falls_without_a_leak(short):
    widget = scenes.key_lineage(short.trace)
    assert widget.attack["fallen"] == widget.attack["read"] == []
    assert "reads 0 of 3 messages" in widget._text()


def test_sk_alone_opens_nothing_but_with_the_ratchet_key_it_does(short):
    widget = scenes.key_lineage(short.trace)
    widget.leak("SK")
    assert widget.attack["read"] == []
    widget.leak("DHs_A")
    found = states(widget)
    assert found["SK"] == found["DHs_A"] == "leaked"
    assert found["CK1"] == found["MK1"] == found["C1"] == found["C2"] == "falls"
    assert found["C3"] == "holds" and found["MK3"] == "secret"


def test_what_falls_is_what_the_closure_says(short):
    widget = scenes.key_lineage(short.trace)
    for unit, node in widget.graph["nodes"].items():
        if not node["secret"]:
            continue
        widget.leaked = [unit]
        closure = short.trace.closure([widget._graph.secret_of[unit]])
        for other, fallen in widget._graph.secret_of.items():
            if other in widget.graph["nodes"] and widget.graph["nodes"][other]["secret"]:
                lost = other in widget.attack["fallen"] or other in widget.attack["leaked"]
                assert lost == (fallen in closure)
        read = {widget._graph.secret_of[unit] for unit in widget.attack["read"]}
        assert read == set(closure.readable)


def test_a_leak_is_taken_back(short):
    widget = scenes.key_lineage(short.trace, leaked=["CK1"])
    assert states(widget)["C1"] == "falls"
    widget.leaked = []
    assert states(widget)["C1"] == "holds"


def test_a_theft_takes_all_that_a_phone_holds(short):
    phone = proof.stolen(short.devices["Bob", 1])
    widget = scenes.key_lineage(short.trace, thefts={"Bob's phone": phone})
    widget.steal("Bob's phone")
    found = states(widget)
    assert (found["C1"], found["C2"], found["C3"]) == ("holds", "falls", "falls")
    assert found["IK_B"] == "leaked"


def test_a_public_value_cannot_be_leaked(short):
    widget = scenes.key_lineage(short.trace)
    widget.leaked = [ids(widget._graph)["C1"], "no such node"]
    assert widget.attack["leaked"] == [] and widget.attack["read"] == []


@pytest.mark.parametrize("call", [("leak", "XK"), ("choose", "XK"), ("steal", "the moon")])
def test_an_unknown_name_is_refused(short, call):
    widget = scenes.key_lineage(short.trace)
    with pytest.raises(ValueError, match=call[1]):
        getattr(widget, call[0])(call[1])


# Proofs


def test_the_proof_of_a_fallen_message_ends_with_its_text(short):
    widget = scenes.key_lineage(short.trace, leaked=["CK1"])
    widget.choose("C1")
    assert widget.verdict["readable"] and widget.verdict["text"] == '"message 1"'
    formulas = [step["formula"] for step in widget.verdict["steps"]]
    assert "MK1 = HMAC(CK1, 01)" in formulas
    assert formulas[-1] == '"message 1" = Open(MK1, C1, AD ‖ header)'


def test_each_step_of_a_proof_uses_what_is_known_by_then(short):
    widget = scenes.key_lineage(short.trace, leaked=["SPK_B", "IK_B", "OPK_B"])
    widget.choose("C1")
    known = {"SPK_B", "IK_B", "OPK_B", "IK_A", "EK_A", "DHs_A"}
    nodes = widget.graph["nodes"]
    for step in widget.verdict["steps"]:
        assert {nodes[unit]["name"] for unit in step["used"]} <= known | {"C1"}
        known |= {nodes[step["made"]]["name"]} if step["made"] else set()
    assert {"DH1", "DH2", "DH3", "DH4", "SK", "MK1"} <= known


def test_a_message_that_holds_says_what_would_open_it(short):
    widget = scenes.key_lineage(short.trace)
    widget.choose("C1")
    nodes = widget.graph["nodes"]
    assert not widget.verdict["readable"]
    alone = [nodes[unit]["name"] for unit in widget.verdict["alone"]]
    assert alone[:2] == ["MK1", "CK1"]
    for name in alone:
        leak = scenes.key_lineage(short.trace, leaked=[name])
        assert states(leak)["C1"] == "falls"


def test_the_verdict_follows_the_leaks(short):
    widget = scenes.key_lineage(short.trace)
    widget.choose("C2")
    assert not widget.verdict["readable"]
    widget.leak("CK3")
    assert widget.verdict["readable"]


def test_the_widget_proves_nothing_itself(short):
    asked = []

    def prove(closure):
        asked.append(closure)
        return []

    widget = KeyLineage(short.trace, prove)
    widget.leak("CK1")
    assert len(asked) == 2 and widget.attack["read"] == []


# Large runs


def test_a_large_run_is_shown_piece_by_piece(long):
    graph = Graph(long)
    assert len(graph.nodes) > WHOLE
    scene = graph.scene()
    assert 1 < len(scene["nodes"]) <= NEAR and not scene["whole"]
    assert any(place["more"] for place in scene["nodes"])


def test_long_chains_are_folded_and_open_where_one_looks(long):
    graph = Graph(long)
    head, members = next(item for item in graph.chains.items() if len(item[1]) > 3 * FOLD - 3)
    parent = next(source for source, target in graph.edges if target == head)
    fold = next(p["fold"] for p in graph.scene(parent)["nodes"] if p["id"] == head)
    assert fold["members"] == members
    opened = {place["id"] for place in graph.scene(members[-1])["nodes"]}
    assert members[-1] in opened and head in graph.scene(parent, [head])["nodes"][0].keys() | opened
    assert not any(p["fold"] for p in graph.scene(parent, [head])["nodes"] if p["id"] == head)


def test_every_value_of_a_large_run_can_be_brought_into_view(long):
    graph = Graph(long)
    for unit in list(graph.nodes)[:: max(1, len(graph.nodes) // 40)]:
        scene = graph.scene(unit)
        assert unit in {place["id"] for place in scene["nodes"]}
        assert len(scene["nodes"]) <= NEAR


def test_the_text_of_a_large_run_stays_small(long):
    text = repr(scenes.key_lineage(long, "Long"))
    assert len(text) < 40_000 and "more values." in text


# Forms and bad input


def test_the_text_is_stable_and_names_every_value(short):
    first, second = (scenes.key_lineage(short.trace, "Run") for _ in range(2))
    assert repr(first) == repr(second)
    assert all(node["name"] in repr(first) for node in first.graph["nodes"].values())


def test_the_still_picture_is_well_formed_and_marks_what_falls(short):
    widget = scenes.key_lineage(short.trace, "A <run> & more", leaked=["SK", "DHs_A"])
    root = ElementTree.fromstring(widget._svg())
    words = [element.text for element in root.iter() if element.tag.endswith("text")]
    assert words.count("✗ leaked") == 2 and "✗ falls" in words and "DH1" in words


def test_an_empty_trace_says_so():
    widget = KeyLineage(Trace(), lambda closure: [], "Nothing")
    assert "nothing was recorded" in repr(widget)
    ElementTree.fromstring(widget._svg())


def test_a_trace_that_ends_in_an_exception_shows_what_there_was():
    with pytest.raises(ZeroDivisionError), trace.record() as run, observe.acting("Alice"):
        SK = primitives.random_bytes(32)
        CK = primitives.hmac_sha256(SK, b"\x01")
        C = primitives.seal(CK, b"text", b"")
        observe.announce("WIRE", [("message", C)], sender="Alice", recipient="Bob")
        raise ZeroDivisionError
    widget = scenes.key_lineage(run, leaked=["SK"])
    assert len(widget.attack["read"]) == 1 and "✗ falls" in widget._svg()


def test_a_refused_operation_makes_no_edge():
    with trace.record() as run:
        private = primitives.random_bytes(32)
        shared = primitives.dh(private, primitives.public_key(primitives.random_bytes(32)))
        with pytest.raises(primitives.LowOrderKey):
            primitives.dh(shared, bytes(32))
    assert len(Graph(run).edges) >= 1


@pytest.mark.parametrize("name", ["Ж" * 200, "阿里斯", "<b>&\u202e", "\x00\x1b[31m"])
def test_names_in_any_script_are_drawn(name):
    with trace.record() as run, observe.acting(name):
        SK = primitives.random_bytes(32)
        MK = primitives.hmac_sha256(SK, b"\x01")
        primitives.seal(MK, name.encode(), b"")
    widget = scenes.key_lineage(run, name)
    ElementTree.fromstring(widget._svg())
    assert repr(widget)
