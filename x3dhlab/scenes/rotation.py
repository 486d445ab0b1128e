"""Lesson 18: rotation against late mail, in small real worlds and large counted ones."""

import functools
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from x3dhlab import plots
from x3dhlab.plots import KeyLife, Picture
from x3dhlab.widgets import FALLS, HOLDS, NOTE, Check, Choose, Experiment, Number, Outcome
from x3dhlab.worlds import counted, rotation, scale
from x3dhlab.worlds.history import History
from x3dhlab.worlds.network import DAY, HOUR, Constant, HeavyTail, Link, LogNormal
from x3dhlab.worlds.rotation import World

# One phone, and mail that is late: small enough for real keys.
ONE_PHONE = World(users=1, days=16, retention=DAY, link=Link(LogNormal(DAY, 1.0)))

DAYS = (0, 1, 2, 4, 7, 10, 14, 21, 30, 45)
DELAYS = {
    "always one day": Constant(DAY),
    "log-normal, σ = 1.6": LogNormal(DAY, 1.6),
    "heavy tail": HeavyTail(DAY, 0.8),
}
LATE = World(users=20, days=90, link=Link(DELAYS["log-normal, σ = 1.6"]))
RUNS = 20

# The company of the lesson and its exercise: strangers keep bundles, a region lags, phones sleep.
COMPANY = World(
    users=500,
    days=90,
    lag=HOUR,
    held=LogNormal(HOUR, 1.8),
    link=Link(LogNormal(4 * HOUR, 1.2)),
    sleeps=0.03,
)
ONE_IN = 1000  # first messages of which one may be lost
LONGEST = 21  # days that a private half may live


def one_phone(seed: int = 3, world: World = ONE_PHONE) -> History:
    """The history of one phone's prekeys and mail, from real parties and messages."""
    return rotation.drive(world, rotation.plan(world, counted.generator(seed)))


def key_lives(history: History, user: str = "u0") -> list[KeyLife]:
    """What a history says of one phone's signed prekeys and of the messages to them."""
    about = [one for one in history if one.get("user", one.get("recipient", user)) == user]
    made = {one["spk"]: one["t"] for one in about if one["op"] in ("publish", "rotate")}
    gone = {one["spk"]: one["t"] for one in about if one["op"] == "forget"}
    fetched = {one["request"]: one for one in about if one["op"] == "issue"}
    mail, read = {}, set()
    for one in about:
        if one["op"] in ("accept", "refuse") and one["message"] in fetched.keys() - read:
            begin = fetched[one["message"]]
            read.add(one["message"])
            times = begin["t"] / DAY, one["t"] / DAY
            mail.setdefault(begin["spk"], []).append((*times, one["op"] == "refuse"))
    return [
        KeyLife(
            f"SPK {number}",
            time / DAY,
            made[number + 1] / DAY if number + 1 in made else None,
            gone[number] / DAY if number in gone else None,
            mail.get(number, ()),
        )
        for number, time in made.items()
    ]


def show_lives(history: History, days: int = ONE_PHONE.days) -> Picture:
    """The figure of `key_lives`."""
    title = "One phone: its signed prekeys, and the first messages to them"
    return plots.lives(key_lives(history), end=days, title=title)


def rotate_one_phone() -> Experiment:
    """Choose rotation, retention and delay for one phone; real parties play it."""
    first, last = "read the mail", "delete old keys"

    def run(every, retention, late, order, seed):
        world = replace(
            ONE_PHONE,
            every=every * DAY,
            retention=retention * DAY,
            link=Link(LogNormal(late * HOUR, 1.0)),
            mail_first=order == first,
        )
        lives = key_lives(one_phone(seed, world))
        mail = [lost for key in lives for *_, lost in key.mail]
        facts = {
            "signed prekeys made": len(lives),
            "first messages read": len(mail) - sum(mail),
            "lost": sum(mail),
            "days that a private half lives, about": every + retention,
        }
        if any(mail):
            return Outcome(FALLS, f"{sum(mail)} of {len(mail)} messages do not open.", facts)
        return Outcome(HOLDS, "Every message that arrived opens.", facts)

    controls = [
        Number("every", "A new signed prekey every … days", 1, 8, 2),
        Number("retention", "the old private half stays for … days", 0, 16, 1),
        Number("late", "half of the mail is later than … hours", 0, 96, 24),
        Choose("order", "On waking, the phone's first work is to", (first, last), first),
        Number("seed", "another course of chance", 0, 99, 3),
    ]
    return Experiment("One phone, 16 days, one stranger a day", controls, run)


@functools.cache
def lost_mail(runs: int = RUNS, world: World = LATE) -> Mapping[str, np.ndarray]:
    """Kind of delay → percent of first messages lost, of the shape (runs, retentions of `DAYS`)."""
    retentions = [days * DAY for days in DAYS]
    return {
        name: np.array(
            [
                counted.run(replace(world, link=Link(delay)), seed, retentions).shares
                for seed in range(runs)
            ]
        )
        * 100
        for name, delay in DELAYS.items()
    }


def show_lost_mail() -> Picture:
    """The figure of `lost_mail`: the middle run, and a band that holds nine of ten runs."""
    found = lost_mail()
    return plots.curves(
        DAYS,
        {name: np.median(values, axis=0) for name, values in found.items()},
        bands={
            name: tuple(np.quantile(values, (0.05, 0.95), axis=0)) for name, values in found.items()
        },
        title="First messages lost, for each retention: only a bounded delay comes to zero",
        along="days that an old private half is kept",
        upward="% of first messages lost",
    )


# What a retention must cover, in a world in which every time has a bound.
PARTS = {
    "the lag of a region": 6 * HOUR,
    "the bundle that a stranger keeps": 3 * DAY,
    "the way of the message": 30 * HOUR,
    "the time until the next look": DAY,
}
BOUNDED = World(
    users=300,
    days=60,
    lag=PARTS["the lag of a region"],
    held=Constant(PARTS["the bundle that a stranger keeps"]),
    link=Link(Constant(PARTS["the way of the message"])),
    mail_first=False,
)


def without_each_part(seed: int = 1) -> dict[str, tuple[float, float]]:
    """Retention in days, and percent lost: the sum of `PARTS`, and without one part each."""
    whole = sum(PARTS.values())
    cases = {"all of them": whole} | {f"without {name}": whole - PARTS[name] for name in PARTS}
    shares = counted.run(BOUNDED, seed, list(cases.values())).shares
    return {
        name: (retention / DAY, 100 * share)
        for (name, retention), share in zip(cases.items(), shares, strict=True)
    }


def rotation_costs(retention: int = 4, seed: int = 1) -> list[tuple[int, float, int]]:
    """(days between rotations, lost in 1,000, days that a private half lives), one retention."""
    rows = []
    for every in (1, 2, 7, 14, 30):
        summary = counted.run(replace(COMPANY, every=every * DAY), seed, [retention * DAY])
        rows.append((every, 1000 * summary.shares[0], every + retention))
    return rows


def unreachable(skews: Sequence[int] = (0, 6, 12, 24, 48)) -> dict[str, list[float]]:
    """Percent of requests that the server refuses, by the spread of the phones' clocks in hours."""
    world = World(users=400, days=40, wakes_a_day=4, ttl=3 * DAY)
    found = {}
    for name, stamps in (("the phone's clock", False), ("the server's clock", True)):
        worlds = [replace(world, skew=hours * HOUR, server_stamps=stamps) for hours in skews]
        runs = [counted.run(one, 1) for one in worlds]
        found[name] = [
            100 * run.unreachable / (run.unreachable + run.settled + run.waiting) for run in runs
        ]
    return found


def show_unreachable(skews: Sequence[int] = (0, 6, 12, 24, 48)) -> Picture:
    """The figure of `unreachable`."""
    return plots.curves(
        skews,
        unreachable(skews),
        title="Requests refused: prekeys expire after 3 days on the server",
        along="hours by which phones' clocks are wrong (standard deviation)",
        upward="% of requests",
    )


def score(
    every: int,
    retention: int,
    mail_first: bool = True,
    seed: int = 1,
    sleeps: float = COMPANY.sleeps,
) -> dict:
    """A policy in the company: `lost` and `of` first messages, and how many days a key lives.

    `sleeps` is the chance that a phone begins a sleep, on each day.
    """
    days = {"every": every * DAY, "retention": retention * DAY}
    summary = counted.run(replace(COMPANY, **days, mail_first=mail_first, sleeps=sleeps), seed)
    return {"lost": summary.lost[0], "of": summary.settled, "life": every + retention}


def needed_days(every: Sequence[int], seed: int = 1) -> list[dict]:
    """What a company measures: for each rotation, the days that its late messages needed a key."""
    found = []
    for days in every:
        world = replace(COMPANY, every=days * DAY)
        outcome = counted.outcome(world, rotation.plan(world, counted.generator(seed)))
        found.append({"every": days, "needed": (outcome.needed // DAY).tolist()})
    return found


def choose_a_policy() -> Experiment:
    """Choose rotation and retention for the company; a world of 500 phones scores them."""

    def run(every, retention, mail_first, seed):
        got = score(every, retention, mail_first, seed)
        facts = {
            "first messages lost": f"{got['lost']} of {got['of']:,}",
            "allowed": f"{got['of'] // ONE_IN}",
            "days that a private half lives, about": got["life"],
            "new signed prekeys in 90 days": f"about {90 // every}",
        }
        if got["lost"] * ONE_IN > got["of"]:
            return Outcome(FALLS, "Too many first messages are lost.", facts)
        if got["life"] > LONGEST:
            sentence = f"Few are lost, and a thief's copy is good for more than {LONGEST} days."
            return Outcome(NOTE, sentence, facts)
        return Outcome(HOLDS, "Few are lost, and a stolen key is soon worth nothing.", facts)

    controls = [
        Number("every", "A new signed prekey every … days", 1, 45, 7),
        Number("retention", "the old private half stays for … days", 0, 60, 2),
        Check("mail_first", "Read the mail before deleting", True),
        Number("seed", "another year", 0, 99, 1),
    ]
    title = f"500 phones: at most one of {ONE_IN:,} lost, at most {LONGEST} days of life"
    return Experiment(title, controls, run)


SIZES = (20, 2_000, 200_000, 20_000_000, 2_000_000_000)
COUNTED = (20, 200, 2_000, 20_000)


def loads() -> tuple[list[scale.Load], list[scale.Load]]:
    """The service on paper for `SIZES`, and counted for `COUNTED`."""
    return [scale.paper(users) for users in SIZES], [scale.simulated(n, 1) for n in COUNTED]


def show_scale() -> Picture:
    """The figure of `loads`: what one user costs, counted up to 20,000, multiplied above."""
    paper, small = loads()
    both = sorted([*small, *paper[2:]], key=lambda load: load.users)
    lines = {
        "bundles a second": [load.bundles for load in both],
        "new signed prekeys a second": [load.rotations for load in both],
        "MB stored": [load.stored / 1e6 for load in both],
        "kB a second of refill": [load.refill / 1e3 for load in both],
    }
    return plots.curves(
        [load.users for load in both],
        lines,
        title="A prekey service: counted up to 20,000 users, multiplied above",
        along="users",
        upward="",
        log=True,
        across=True,
    )


def dry(sizes: Sequence[int] = (20, 2_000, 200_000)) -> list[tuple[int, float, float]]:
    """Users, percent of requests without a one-time key, and the heaviest of 100 shards ÷ mean.

    Popularity falls as 1 / place.
    """
    rows = []
    for users in sizes:
        rates = scale.unequal(users)
        pools, shards = scale.pools(rates, 1), scale.shards(rates, 100, 1)
        percent = 100 * pools.dry.sum() / pools.requests.sum()
        rows.append((users, float(percent), float(shards.max() / shards.mean())))
    return rows
