"""Token buckets: what is allowed, what waits, and that no order of requests gets around it."""

from types import MappingProxyType

import pytest
from hypothesis import given
from hypothesis import strategies as some

from x3dhlab.errors import InvalidField, RateLimited, UnknownUser, WrongType
from x3dhlab.party import LocalTransport, Party
from x3dhlab.service.limits import (
    PER_PAIR,
    PER_TARGET,
    Fetch,
    FetchLimits,
    Limit,
    decide,
    forget_full,
)
from x3dhlab.service.store import PreKeyStore

SMALL = {"pair": Limit(2, 10), "target": Limit(3, 5)}


def run(events, **limits):
    """The waits of a list of (requester, target, now)."""
    state, waits = {}, []
    for event in events:
        state, wait = decide(state, Fetch(*event), **limits)
        waits.append(wait)
    return waits


def test_the_numbers_are_those_of_signals_server():
    assert Limit(6, 600) == PER_PAIR


def test_a_pair_gets_its_bucket_and_then_waits_for_one_token():
    asked = [("Alice", "Bob", 0)] * (PER_PAIR.size + 1)
    assert run(asked) == [0] * PER_PAIR.size + [PER_PAIR.seconds]
    later = [("Alice", "Bob", PER_PAIR.seconds - 1), ("Alice", "Bob", PER_PAIR.seconds)]
    assert run(asked + later)[-2:] == [1, 0]


def test_an_unused_bucket_holds_no_more_than_its_size():
    first, long_after = ("Alice", "Bob", 0), ("Alice", "Bob", 10**6)
    assert run([first] + [long_after] * 3, **SMALL) == [0, 0, 0, 10]


def test_another_target_has_its_own_bucket():
    assert run([("Alice", "Bob", 0)] * 2 + [("Alice", "Carol", 0)], **SMALL) == [0, 0, 0]


def test_many_requesters_together_meet_the_limit_of_the_target():
    crowd = [(f"thief {n}", "Bob", 0) for n in range(PER_TARGET.size + 1)]
    assert run(crowd) == [0] * PER_TARGET.size + [PER_TARGET.seconds]


def test_a_refused_request_takes_no_token_of_either_bucket():
    events = [("Alice", "Bob", 0)] * 20 + [("Carol", "Bob", 0), ("Carol", "Bob", 0)]
    assert run(events, **SMALL)[-2:] == [0, 5]


def test_a_clock_that_goes_back_brings_no_token():
    events = [("Alice", "Bob", 100)] * 2 + [("Alice", "Bob", 0), ("Alice", "Bob", 100)]
    assert run(events, **SMALL) == [0, 0, 10, 10]
    assert run([("Alice", "Bob", now) for now in (100, 0, 100)], **SMALL) == [0, 0, 10]


events = some.lists(
    some.tuples(some.sampled_from("AC"), some.sampled_from("BD"), some.integers(0, 60)),
    max_size=40,
)


@given(events)
def test_no_window_of_time_gets_more_than_bucket_and_refill(asked):
    asked = sorted(asked, key=lambda event: event[2])
    allowed = [event for event, wait in zip(asked, run(asked, **SMALL), strict=True) if not wait]
    for pick, limit in ((lambda e: e[:2], SMALL["pair"]), (lambda e: e[1], SMALL["target"])):
        for one in {pick(event) for event in asked}:
            times = [event[2] for event in allowed if pick(event) == one]
            for place, start in enumerate(times):
                for last, end in enumerate(times[place:], 1):
                    assert last <= limit.size + (end - start) // limit.seconds


@given(events)
def test_after_the_wait_that_was_told_the_same_request_is_allowed(asked):
    state = {}
    for event in sorted(asked, key=lambda event: event[2]):
        state, wait = decide(state, Fetch(*event), **SMALL)
        if wait:
            again = Fetch(*event[:2], event[2] + wait)
            assert decide(state, again, **SMALL)[1] == 0
            assert decide(state, again._replace(now=again.now - 1), **SMALL)[1] == 1


@given(events)
def test_a_decision_changes_nothing_but_returns_a_new_state(asked):
    state = MappingProxyType({})
    for event in asked:
        before = dict(state)
        after, _ = decide(state, Fetch(*event), **SMALL)
        assert state == before
        state = MappingProxyType(after)


@given(events)
def test_forgetting_full_buckets_changes_no_decision(asked):
    kept, forgotten = {}, {}
    for event in sorted(asked, key=lambda event: event[2]):
        kept, wait = decide(kept, Fetch(*event), **SMALL)
        forgotten, again = decide(forget_full(forgotten, event[2], **SMALL), Fetch(*event), **SMALL)
        assert wait == again
    assert forget_full(kept, 1000, **SMALL) == {}


@pytest.mark.parametrize(
    ("event", "error"),
    [
        (("Alice", "Bob", 0), WrongType),
        (Fetch("Alice", "Bob", 0.5), InvalidField),
        (Fetch(b"Alice", "Bob", 0), WrongType),
        (Fetch("Alice", None, 0), WrongType),
    ],
)
def test_a_wrong_event_is_refused(event, error):
    with pytest.raises(error):
        decide({}, event)


def test_a_transport_with_limits_stops_a_thief_and_keeps_the_pool():
    transport = LocalTransport(PreKeyStore(), limits=FetchLimits())
    bob = Party("Bob", transport, one_time=100)
    bob.publish()
    for _ in range(PER_PAIR.size):
        transport.fetch("Bob", "Mallory")
    with pytest.raises(RateLimited) as caught:
        transport.fetch("Bob", "Mallory")
    assert caught.value.data == {"name": "Bob", "seconds": PER_PAIR.seconds}
    assert transport.count("Bob") == 100 - PER_PAIR.size
    transport.limits.now += PER_PAIR.seconds
    transport.fetch("Bob", "Mallory")


def test_a_crowd_of_thieves_leaves_half_of_the_pool():
    transport = LocalTransport(PreKeyStore(), limits=FetchLimits())
    bob = Party("Bob", transport, one_time=100)
    bob.publish()
    for number in range(PER_TARGET.size):
        transport.fetch("Bob", f"thief {number}")
    with pytest.raises(RateLimited):
        transport.fetch("Bob", "Alice")  # its price: honest people wait too
    assert transport.count("Bob") == 50


def test_names_that_do_not_exist_are_limited_too():
    transport = LocalTransport(PreKeyStore(), limits=FetchLimits())
    for _ in range(PER_PAIR.size):
        with pytest.raises(UnknownUser):
            transport.fetch("Nobody", "Mallory")
    with pytest.raises(RateLimited):
        transport.fetch("Nobody", "Mallory")


def test_a_transport_without_limits_refuses_nothing(transport, bob):
    for _ in range(PER_PAIR.size + 2):
        transport.fetch("Bob", "Mallory")
