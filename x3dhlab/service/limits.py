"""Who may fetch how many bundles: token buckets, because each fetch may take a one-time prekey.

One bucket for each requester and target, as Signal's server has it, and one for each target, which
is this course's own: many requesters together must not empty a pool either. Its price is that
they can make everybody wait. `decide` is pure; state, event and time are arguments.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from x3dhlab.errors import InvalidField, RateLimited, expect

STEP = "X3DH §4.7"


@dataclass(frozen=True, slots=True)
class Limit:
    """A bucket of `size` tokens; one comes back every `seconds`."""

    size: int
    seconds: int


# Signal's server: a bucket of 6, one token per 10 minutes, for a requester and a target.
PER_PAIR = Limit(6, 600)
# A burst takes at most half of a full batch of 100; then one key a minute.
PER_TARGET = Limit(50, 60)
SWEEP_SECONDS = 60  # between two looks for buckets that are full again


class Fetch(NamedTuple):
    """`requester` asks for a bundle of `target` at `now`, in seconds."""

    requester: str
    target: str
    now: int


# (requester, target) or (target,) → (credit in seconds, when). A missing bucket is full.
State = Mapping[tuple[str, ...], tuple[int, int]]


def decide(
    state: State, event: Fetch, *, pair: Limit = PER_PAIR, target: Limit = PER_TARGET
) -> tuple[dict, int]:
    """The next state, and how many seconds to wait: 0 means that the fetch is allowed.

    A token of both buckets is taken, or none. Time that goes backwards brings no token.
    """
    expect(event, Fetch, "event", step=STEP)
    expect(event.requester, str, "requester", step=STEP)
    expect(event.target, str, "target", step=STEP)
    if type(event.now) is not int:
        raise InvalidField("now is a whole number of seconds", step=STEP)
    buckets = {(event.requester, event.target): pair, (event.target,): target}
    credits = {key: _credit(state, key, limit, event.now) for key, limit in buckets.items()}
    wait = max(limit.seconds - credits[key][0] for key, limit in buckets.items())
    if wait > 0:
        return dict(state), wait
    taken = {
        key: (credits[key][0] - limit.seconds, credits[key][1]) for key, limit in buckets.items()
    }
    return {**state, **taken}, 0


def forget_full(
    state: State, now: int, *, pair: Limit = PER_PAIR, target: Limit = PER_TARGET
) -> dict:
    """The state without buckets that are full again: what is missing counts as full."""
    limits = {2: pair, 1: target}
    return {
        key: bucket
        for key, bucket in state.items()
        if _credit(state, key, limits[len(key)], now)[0]
        < limits[len(key)].size * limits[len(key)].seconds
    }


def _credit(state, key, limit, now):
    """Credit counts in seconds: a token is worth `limit.seconds`, so nothing is ever rounded."""
    full = limit.size * limit.seconds
    credit, then = state.get(key, (full, now))
    return min(full, credit + max(0, now - then)), max(now, then)


@dataclass(slots=True)
class FetchLimits:
    """What a transport asks before it hands out a bundle. Whoever keeps the time sets `now`."""

    pair: Limit = PER_PAIR
    target: Limit = PER_TARGET
    now: int = 0
    state: dict = field(default_factory=dict, repr=False)
    _swept: int = field(default=0, repr=False)

    def check(self, requester: str, target: str) -> None:
        """Take a token. Raises `RateLimited` with the seconds to wait."""
        limits = {"pair": self.pair, "target": self.target}
        if abs(self.now - self._swept) >= SWEEP_SECONDS:
            self.state, self._swept = forget_full(self.state, self.now, **limits), self.now
        keys = ((requester, target), (target,))
        two = {key: self.state[key] for key in keys if key in self.state}
        after, wait = decide(two, Fetch(requester, target, self.now), **limits)
        self.state.update(after)
        if wait:
            raise RateLimited(
                f"too many requests for keys of {target}: wait {wait} seconds",
                step=STEP,
                name=target,
                seconds=wait,
            )
