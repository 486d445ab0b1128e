"""A prekey service from one class to two billion users: on paper, and counted in small worlds.

The paper multiplies: each user costs so many bytes and so many requests. `simulated` counts the
same figures in a world of phones that sleep and rotate late. `pools` and `shards` ask what the
multiplication hides: one user whom everybody writes to.

Sizes are libsignal's, with ML-KEM-1024. How many strangers write to a person in a day, and how
unequal people are, nobody has published; both are arguments.
"""

from dataclasses import dataclass, replace

import numpy as np

from x3dhlab.prekeys import BATCH, REFILL_BELOW
from x3dhlab.worlds import counted
from x3dhlab.worlds.rotation import World

KEY, SIGNATURE, KEM_KEY = 33, 64, 1569  # bytes
SIGNED = KEY + SIGNATURE
ONE_TIME = KEY + KEM_KEY + SIGNATURE  # one of each kind; EC ones are not signed
USER = KEY + SIGNED + KEM_KEY + SIGNATURE  # identity key, signed prekey, last-resort KEM prekey
A_DAY = 24 * 60 * 60
PHONES = World(days=10, sleeps=0.02)


@dataclass(frozen=True, slots=True)
class Load:
    """What a service stores (bytes) and does in a second, for so many users."""

    users: int
    stored: float
    bundles: float
    rotations: float

    @property
    def refill(self) -> float:
        """Bytes a second that phones upload: one-time keys for those used, and new signed ones."""
        return self.bundles * ONE_TIME + self.rotations * (SIGNED + KEM_KEY + SIGNATURE)

    @property
    def served(self) -> float:
        """Bytes a second of bundles."""
        return self.bundles * (USER + ONE_TIME - KEM_KEY - SIGNATURE)  # one KEM prekey, not two


def paper(users: int, *, first_a_day: float = 1.0, every: float = 2.0, batch: int = BATCH) -> Load:
    """Multiplied: `first_a_day` first messages to each user, a rotation `every` so many days."""
    a_second = users / A_DAY
    return Load(users, users * (USER + batch * ONE_TIME), a_second * first_a_day, a_second / every)


def simulated(users: int, seed: int, *, world: World = PHONES) -> Load:
    """Counted: the phones of `world`, as many as `users`, and their pools of one-time keys."""
    counts = counted.run(replace(world, users=users), seed).counts
    level = pools(np.full(users, float(world.first_a_day)), seed).level
    stored = users * USER + int(level.sum()) * ONE_TIME
    seconds = world.days * A_DAY
    return Load(users, stored, counts["issue"] / seconds, counts["rotate"] / seconds)


@dataclass(frozen=True, slots=True)
class Pools:
    """One-time keys after some days: `level` and `dry` (requests without one) for each user."""

    level: np.ndarray
    dry: np.ndarray
    requests: np.ndarray


def unequal(users: int, power: float = 1.0, first_a_day: float = 1.0) -> np.ndarray:
    """First messages a day for each user, the most popular first: as 1 / place^`power`."""
    weights = np.arange(1, users + 1) ** -power
    return weights / weights.sum() * users * first_a_day


def pools(rates: np.ndarray, seed: int, *, days: int = 10, looks: int = 2) -> Pools:
    """Pools of `BATCH` keys, each somewhere in its life; a phone looks `looks` times a day.

    It uploads `BATCH` more when fewer than `REFILL_BELOW` are left.
    """
    rng = counted.generator(seed)
    level = rng.integers(REFILL_BELOW, REFILL_BELOW + BATCH, len(rates))
    dry, total = np.zeros_like(level), np.zeros_like(level)
    for _ in range(days * looks):
        requests = rng.poisson(rates / looks)
        dry += np.maximum(0, requests - level)
        total += requests
        level = np.maximum(0, level - requests)
        level = np.where(level < REFILL_BELOW, level + BATCH, level)
    return Pools(level, dry, total)


def shards(rates: np.ndarray, count: int, seed: int) -> np.ndarray:
    """Requests a day of each of `count` shards, when users are dealt to them at random."""
    place = counted.generator(seed).integers(0, count, len(rates))
    return np.bincount(place, weights=rates, minlength=count)
