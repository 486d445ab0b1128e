"""The checker finds what is there, nothing else, and its timelines cannot be shortened."""

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from x3dhlab.errors import Malformed
from x3dhlab.worlds.checker import ALL, Violation, check, duration
from x3dhlab.worlds.history import FIELDS, dumps, line, loads

SMALL = st.integers(1, 3)
NUMBER = st.one_of(st.none(), SMALL)
VALUES = {
    "user": st.sampled_from(["bob", "dora"]),
    "to": st.sampled_from(["alice", "carol"]),
    "sender": st.sampled_from(["alice", "carol"]),
    "recipient": st.sampled_from(["bob", "dora"]),
    "peer": st.sampled_from(["alice", "carol"]),
    "spk": SMALL,
    "spk?": NUMBER,
    "key?": NUMBER,
    "keys": st.lists(SMALL, max_size=2),
    "message": st.sampled_from(["m1", "m2"]),
    "request": st.sampled_from(["q1", "q2", "q3"]),
    "reason": st.just("UnknownPreKey"),
    "first": st.booleans(),
    "session": SMALL,
    "term": SMALL,
    "region": st.sampled_from("AB"),
    "a": st.just("A"),
    "b": st.just("B"),
}


def lines(op):
    fields = {name.rstrip("?"): VALUES.get(name, SMALL) for name in FIELDS[op]}
    return st.fixed_dictionaries({"t": st.integers(0, 10**9), "op": st.just(op), **fields}).map(
        lambda one: {**one, "at": "server"}
    )


OFTEN = ["issue", "send", "deliver", "accept", "refuse", "forget", "session"]
HISTORIES = st.lists(st.sampled_from([*OFTEN * 2, *FIELDS]).flatmap(lines), max_size=30)


def loses(history, message):
    """The same rule, straight from its sentence: four places in the history, tried one by one."""
    at = dict(enumerate(history))
    if any(one["op"] == "accept" and one["message"] == message for one in history):
        return False
    return any(
        send["op"] == "send"
        and send["first"]
        and send["message"] == message
        and at[d]["op"] == "deliver"
        and at[d]["message"] == message
        and at[r]["op"] == "refuse"
        and at[r]["message"] == message
        and at[f]["op"] == "forget"
        and at[f]["user"] == send["recipient"]
        and any(at[f][kind] == send[kind] is not None for kind in ("spk", "key"))
        for s, send in at.items()
        for d in range(s + 1, len(history))
        for r in range(d + 1, len(history))
        for f in range(r)
        if "first" in send
    )


@settings(max_examples=300, deadline=None)
@given(HISTORIES)
def test_a_timeline_shows_its_violation_and_without_any_line_it_does_not(history):
    for found in check(history):
        whole = list(found.timeline)
        assert [one.name for one in check(whole)].count(found.name) == 1
        for gone in range(len(whole)):
            rest = whole[:gone] + whole[gone + 1 :]
            assert check(rest, (found.name,)) == []


@settings(max_examples=300, deadline=None)
@given(HISTORIES)
def test_a_timeline_is_a_part_of_the_history_in_its_order(history):
    for found in check(history):
        rest = iter(history)
        assert all(any(one is other for other in rest) for one in found.timeline)


@settings(max_examples=300, deadline=None)
@given(HISTORIES)
def test_it_finds_what_the_plain_definitions_find(history):
    found = check(history)
    doubled, issued = 0, {}
    for one in history:
        if one["op"] == "issue" and one["key"] is not None:
            request = issued.setdefault((one["user"], one["key"]), one["request"])
            doubled += request != one["request"]
    accepted = [one["message"] for one in history if one["op"] == "accept"]
    assert sum(one.name == "double_issue" for one in found) == doubled
    repeated = len(accepted) - len(set(accepted))
    assert sum(one.name == "replay_accepted" for one in found) == repeated


FIRST_SENDS = ["m1", "m2", "m3"]
AFTER = ["deliver", "accept", "refuse", "forget"]


@settings(max_examples=300, deadline=None)
@given(
    st.permutations(FIRST_SENDS),
    st.lists(
        st.sampled_from(["deliver", "accept", "refuse", "forget"]).flatmap(lines), max_size=12
    ),
    st.integers(0, 3),
)
def test_a_lost_first_message_is_found_by_its_sentence(messages, later, spk):
    sent = [
        line(
            0,
            "send",
            "alice",
            message=m,
            sender="alice",
            recipient="bob",
            spk=spk,
            key=None,
            first=m != "m3",
        )
        for m in messages
    ]
    history = sent + later
    found = {
        one.timeline[0].get("message") or one.timeline[1]["message"]
        for one in check(history, ("lost_first_message",))
    }
    assert found == {m for m in FIRST_SENDS if loses(history, m)}


def lost_in(*, first=True, user="bob", spk=1, key=None):
    """Deleted, sent, delivered, refused: one message to bob that names signed prekey 1, key 7."""
    send = {"message": "m1", "sender": "alice", "recipient": "bob", "spk": 1, "key": 7}
    return [
        line(0, "forget", "bob", user=user, spk=spk, key=key),
        line(1, "send", "alice", first=first, **send),
        line(2, "publish", "server", user="bob", spk=2, keys=[8]),
        line(3, "deliver", "bob", message="m1"),
        line(4, "refuse", "bob", message="m1", reason="UsedPreKey"),
    ]


@pytest.mark.parametrize("prekey", [{"spk": 1}, {"spk": None, "key": 7}, {"spk": 1, "key": 7}])
def test_the_four_lines_of_a_lost_first_message_come_in_the_order_of_the_history(prekey):
    history = lost_in(**prekey)
    (found,) = check(history)
    assert list(found.timeline) == [history[0], *history[1:2], *history[3:]]


@pytest.mark.parametrize("other", [{"first": False}, {"user": "alice"}, {"spk": 2}, {"key": 8}])
def test_other_deletions_and_later_messages_are_no_cause(other):
    assert check(lost_in(**{"spk": None, **other} if "key" in other else other)) == []


def test_each_change_of_the_one_session_is_told():
    rows = [line(0, "session", "bob", user="bob", peer="alice", session=n) for n in (1, 2, 2, 1)]
    assert [found.timeline for found in check(rows)] == [(rows[0], rows[1]), (rows[2], rows[3])]


def test_a_session_in_the_place_of_another_one_is_overwritten():
    def stored(number, user="bob"):
        return line(0, "session", user, user=user, peer="alice", session=number)

    assert check([stored("s1"), stored("s1"), stored("s2", "dora")]) == []
    (found,) = check([stored("s1"), stored("s2")])
    assert found.name == "session_overwritten"


def test_a_retry_of_the_same_request_may_get_the_same_key():
    def issue(request):
        return line(0, "issue", "server", user="bob", to="alice", spk=1, key=7, request=request)

    assert check([issue("q1"), issue("q1")]) == []
    assert len(check([issue("q1"), issue("q2"), issue("q3")])) == 2


def test_the_work_grows_with_the_length_of_the_history():
    """Each line of a history is looked at a fixed number of times, whatever it says."""

    class Counted(dict):
        looked = 0

        def __getitem__(self, name):
            Counted.looked += 1
            return super().__getitem__(name)

    def looks(size):
        generator, Counted.looked = random.Random(1), 0
        check([Counted(one) for one in _random_history(size, generator)])
        return Counted.looked

    assert looks(8_000) < 2.2 * looks(4_000)


def _random_history(size, generator):
    def one(place):
        message, number = f"m{generator.randrange(size // 4)}", generator.randrange(size)
        return generator.choice([
            {"op": "issue", "user": "bob", "to": "alice", "spk": 1, "key": number,
             "request": f"q{place}"},
            {"op": "send", "message": message, "sender": "alice", "recipient": "bob", "spk": 1,
             "key": number, "first": True},
            {"op": "deliver", "message": message},
            {"op": "refuse", "message": message, "reason": "UsedPreKey"},
            {"op": "accept", "message": message},
            {"op": "forget", "user": "bob", "spk": None, "key": number},
        ])  # fmt: skip

    return [{"t": place, "at": "server", **one(place)} for place in range(size)]


def test_a_timeline_is_printed_with_times_from_its_first_line():
    def issue(t, request):
        return line(t, "issue", "region A", user="bob", to="alice", spk=1, key=7, request=request)

    text = Violation("double_issue", (issue(5_000, "q1"), issue(95_250, "q2"))).text()
    assert text.splitlines()[0] == "double issue"
    assert "+0 ms " in text and "+1 min 30 s" in text and "region A" in text and "key 7" in text


@pytest.mark.parametrize(
    "milliseconds, text",
    [(0, "0 ms"), (999, "999 ms"), (61_000, "1 min 1 s"), (183_600_000, "2 d 3 h")],
)
def test_a_duration_has_two_units_at_most(milliseconds, text):
    assert duration(milliseconds) == text


@settings(max_examples=100, deadline=None)
@given(HISTORIES)
def test_a_history_comes_back_from_its_lines(history):
    assert loads(dumps(history)) == history


@pytest.mark.parametrize(
    "broken",
    [
        {"op": "issue"},
        {"op": "unheard"},
        {"op": "heal", "a": "A"},
        {"op": "lead", "region": "A", "term": 1.5},
        {"op": "lead", "region": None, "term": 1},
    ],
)
def test_a_line_that_is_none_is_refused(broken):
    with pytest.raises(Malformed):
        line(**{"t": 0, "at": "server", **broken})


def test_the_names_of_the_invariants_are_those_of_the_violations():
    assert list(ALL) == [
        "double_issue",
        "lost_first_message",
        "replay_accepted",
        "session_overwritten",
    ]
