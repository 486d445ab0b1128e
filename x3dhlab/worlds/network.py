"""Links between places: bytes that travel take time, and arrive once, twice or never.

Times are whole milliseconds, and all of a world's are drawn before it runs, so that a counted world
and one with real parties meet the same ones. This module knows nothing of keys. What a link does to
one message does not depend on its bytes: an attacker who chooses is in `attacks`.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import simpy

SECOND = 1000  # milliseconds
MINUTE, HOUR, DAY = 60 * SECOND, 3600 * SECOND, 24 * 3600 * SECOND
# Later than every world: what never happens. Two of them can be added without an overflow.
NEVER = 1 << 60
# A heavy tail has no longest delay. Ten years are longer than every world.
LONGEST = 3650 * DAY


@dataclass(frozen=True, slots=True)
class Constant:
    """Every message takes `time` milliseconds."""

    time: int

    def draw(self, rng: np.random.Generator, count: int) -> np.ndarray:
        """`count` travel times, int64 milliseconds."""
        return np.full(count, self.time, dtype=np.int64)


@dataclass(frozen=True, slots=True)
class LogNormal:
    """Half of the messages take less than `median`; `sigma` is the spread of the logarithm."""

    median: int
    sigma: float

    def draw(self, rng: np.random.Generator, count: int) -> np.ndarray:
        """`count` travel times, int64 milliseconds."""
        return _whole(self.median * np.exp(self.sigma * rng.standard_normal(count)))


@dataclass(frozen=True, slots=True)
class HeavyTail:
    """Pareto: half take less than `median`, and P(longer than x) falls as x to the −`power`."""

    median: int
    power: float

    def draw(self, rng: np.random.Generator, count: int) -> np.ndarray:
        """`count` travel times, int64 milliseconds; the shortest is median / 2^(1/power)."""
        shortest = self.median / 2 ** (1 / self.power)
        return _whole(shortest * (1 - rng.random(count)) ** (-1 / self.power))


Delay = Constant | LogNormal | HeavyTail


def _whole(times):
    return np.minimum(times, LONGEST).astype(np.int64)


@dataclass(frozen=True, slots=True)
class Link:
    """A delay for each copy, the share that is lost, and the share that arrives twice.

    Copies overtake each other as their delays say.
    """

    delay: Delay = Constant(0)
    drop: float = 0.0
    duplicate: float = 0.0

    def draw(self, rng: np.random.Generator, sent: np.ndarray) -> np.ndarray:
        """When the copies of messages `sent` at these times arrive; `NEVER` for none.

        The shape is (messages, 2).
        """
        count = len(sent)
        arrives = sent[:, None] + self.delay.draw(rng, 2 * count).reshape(count, 2)
        fate = rng.random((count, 2))
        arrives[:, 1] = np.where(fate[:, 1] < self.duplicate, arrives[:, 1], NEVER)
        arrives[fate[:, 0] < self.drop] = NEVER
        return arrives


def at(env: simpy.Environment, time: int, rank: int, action: Callable[[], object]) -> None:
    """Do it at `time`. In one millisecond lower ranks go first, then the order of asking."""
    event = simpy.Event(env)
    event._ok, event._value = True, None  # as `simpy.Timeout` marks itself: it has succeeded
    event.callbacks.append(lambda _: action())
    env.schedule(event, priority=rank, delay=time - env.now)
