"""What happens to a service, the same for every design: requests and outages, drawn from a seed.

Times are whole milliseconds. The distances and durations are chosen for the course and are
arguments or constants here; nothing of them is measured.
"""

import random
from collections.abc import Collection
from dataclasses import dataclass

REGIONS = ("A", "B", "C")
# There and back between two regions, and between a client and its own region.
ROUND_TRIP = {frozenset("AB"): 80, frozenset("AC"): 160, frozenset("BC"): 220}
LOCAL = 10
# A copy is that much later than the change, on average, when "lag" is among the faults.
LAG = 400

FAULTS = ("lag", "partition", "failover", "skew", "restore")


@dataclass(frozen=True, slots=True)
class Request:
    """Somebody new near `region` wants to write to `user`; the message travels `delay` ms."""

    t: int
    user: str
    region: str
    delay: int


@dataclass(frozen=True, slots=True)
class Script:
    """Everything that the designs cannot choose. Pairs of times are begin and end."""

    seed: int
    duration: int
    users: tuple[str, ...]
    keys: int
    requests: tuple[Request, ...]
    cuts: tuple[tuple[str, str, int, int], ...] = ()
    downs: tuple[tuple[str, int, int], ...] = ()
    restore: tuple[int, int] | None = None  # the backup's time, and when it is put back
    skew: tuple[int, ...] = (0, 0, 0)  # what each region's clock shows too much
    lag: int = 0
    rotations: tuple[tuple[int, str], ...] = ()
    retention: int = 10**12  # how long a user keeps the old private half


def round_trip(a: str, b: str) -> int:
    """Milliseconds there and back; 0 inside of a region."""
    return 0 if a == b else ROUND_TRIP[frozenset((a, b))]


def by_distance(region: str) -> list[str]:
    """All regions, this one first."""
    return sorted(REGIONS, key=lambda other: (round_trip(region, other), other))


def script(
    seed: int,
    faults: Collection[str] = FAULTS,
    *,
    requests: int = 300,
    users: int = 3,
    minutes: int = 10,
    outage: int = 60_000,
    **fixed,
) -> Script:
    """Requests at random times, and each of the `faults` once; `outage` is its mean length in ms.

    `fixed` sets fields of the `Script` as they are.
    """
    unknown = set(faults) - set(FAULTS)
    if unknown:
        raise ValueError(f"no such fault: {sorted(unknown)}; there are {', '.join(FAULTS)}")
    names, duration = tuple(f"user {n}" for n in range(1, users + 1)), minutes * 60_000
    draw = {what: random.Random(f"{seed}/{what}") for what in ("requests", *FAULTS)}
    values = {
        "requests": _requests(draw["requests"], requests, names, duration),
        "lag": LAG if "lag" in faults else 0,
        "keys": min(requests, 3 * requests // users + 20),
    }
    if "partition" in faults:
        values["cuts"] = _cuts(draw["partition"], duration, outage)
    if "failover" in faults:
        where = draw["failover"].choice(REGIONS)
        values["downs"] = ((where, *_while(draw["failover"], duration, outage)),)
    if "skew" in faults:
        values["skew"] = tuple(draw["skew"].randint(-10_000, 10_000) for _ in REGIONS)
    if "restore" in faults:
        values["restore"] = tuple(sorted(draw["restore"].sample(range(duration), 2)))
    return Script(seed=seed, duration=duration, users=names, **{**values, **fixed})


def _requests(draw, count, users, duration):
    times = sorted(draw.randrange(duration) for _ in range(count))
    return tuple(
        Request(t, draw.choice(users), draw.choice(REGIONS), 200 + int(draw.expovariate(1 / 2_000)))
        for t in times
    )


def _cuts(draw, duration, outage):
    """One region cut off from both others, or only one line cut."""
    begin, end = _while(draw, duration, outage)
    alone = draw.choice(REGIONS)
    others = [region for region in REGIONS if region != alone]
    cut_off = others if draw.random() < 0.75 else others[:1]
    return tuple((*sorted((alone, other)), begin, end) for other in cut_off)


def _while(draw, duration, outage):
    begin = draw.randrange(duration)
    return begin, begin + 1 + int(draw.expovariate(1 / outage))
