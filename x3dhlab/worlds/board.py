"""A decision board: choose one option a row, run each against attacks and outages, and score.

`OPTIONS` has the rows of a design, `run(decision, option, seed)` plays one option and returns a
`Tally`, and `score` makes three numbers of a whole design. Where the numbers come from: real
parties and stores for identity keys, one-time keys, devices and backup; the world of regions for
the store; the counted world of rotation for signed prekeys. What is stated and not run: the shares
of people in `people`, the distances in `outages`, and `WEIGHTS`.
"""

from dataclasses import replace
from functools import cache
from math import prod

import numpy as np

from x3dhlab import primitives
from x3dhlab.worlds import counted, lost_phone, people, regions, rotation
from x3dhlab.worlds.network import DAY, HOUR, Link, LogNormal
from x3dhlab.worlds.outages import LOCAL, script
from x3dhlab.worlds.people import ACTS, REQUESTS, Tally

# An act of a person counts as much as twenty requests of a program. Change it, and look again.
WEIGHTS = {ACTS: 20, REQUESTS: 1}

STORES = {
    "one region decides": regions.DESIGNS["linearizable"],
    "one leader a user": regions.DESIGNS["leader_per_user"],
    "every region by itself": regions.DESIGNS["eventual"],
    "every region, who is refused asks again": regions.DESIGNS["detection_only"],
    "every region its own share": regions.SHARES,
}
ROTATIONS = {  # days: a new key every, the old one kept for
    "every 2 days, kept for 2": (2, 2),
    "every 2 days, kept for 30": (2, 30),
    "every 7 days, kept for 30": (7, 30),
    "every 30 days, kept for 60": (30, 60),
}
OPTIONS = {
    "store": tuple(STORES),
    "one-time keys": (people.OPTIONAL, people.REQUIRED, people.LIMITED),
    "rotation": tuple(ROTATIONS),
    "identity keys": (people.PINS, people.MAP),
    "devices": (people.LISTED, people.SIGNED, people.SHARED),
    "backup": (lost_phone.NONE, lost_phone.KEYS, lost_phone.WHOLE),
}
QUESTIONS = {
    "store": "Who gives a one-time prekey out?",
    "one-time keys": "May a first message go without one?",
    "rotation": "How often is the signed prekey new, and how long is an old one kept?",
    "identity keys": "How does Alice know Bob's identity key?",
    "devices": "Which devices belong to Bob?",
    "backup": "What does a new phone begin with?",
}
KEYS = 100  # one-time keys a user; about as many strangers ask
OUTAGES = ("lag", "partition", "failover", "skew")


@cache
def run(decision: str, option: str, seed: int = 1) -> Tally:
    """Play one option. Raises `ValueError` for what does not stand on the board."""
    if option not in OPTIONS.get(decision, ()):
        raise ValueError(f"{option!r} is no option of {decision!r}")
    with primitives.deterministic(f"{decision} {seed}"):
        return _PLAYED[decision](option, seed)


def score(tallies: list[Tally], weights: dict[str, int] = WEIGHTS) -> dict[str, int]:
    """Three whole numbers for a design, of one tally a row.

    Confidentiality is that of the weakest row, in percent: an attacker may choose. Availability is
    the product of all rows: a message needs each of them. Effort is the sum, for 100 things that
    somebody wanted. All are rounded down at the very end.
    """
    return {
        "confidentiality": min(100 * one.kept // one.secrets for one in tallies),
        "availability": 100
        * prod(one.served for one in tallies)
        // prod(one.wanted for one in tallies),
        "effort": sum(effort(one, weights) for one in tallies),
    }


def effort(tally: Tally, weights: dict[str, int] = WEIGHTS) -> int:
    """The weighted effort of one row, for 100 things that somebody wanted."""
    return 100 * sum(weights[kind] * count for kind, count in tally.effort.items()) // tally.wanted


def design(choices: dict[str, str], seed: int = 1) -> dict[str, Tally]:
    """Run one option of each row. Raises `ValueError` where a row has none."""
    return {decision: run(decision, choices.get(decision, ""), seed) for decision in OPTIONS}


# Rows that worlds play


def _store(option, seed):
    """Three scripts of requests and outages in three regions."""
    found = [
        regions.run(STORES[option], script(3 * seed + n, OUTAGES, keys=KEYS)) for n in range(3)
    ]
    answers = [answer for one in found for answer in one.answers]
    full = sum(answer.what == regions.FULL for answer in answers)
    nothing = sum(answer.what == regions.NOTHING for answer in answers)
    lost = sum(one.count("lost_first_message") for one in found)
    waits = sum(answer.latency > LOCAL for answer in answers)
    again = sum(one.again for one in found)
    return Tally(
        full,
        len(answers),
        len(answers) - nothing - lost,
        len(answers),
        {REQUESTS: waits + 2 * again},
        (
            f"{sum(one.count('double_issue') for one in found)} keys were given out twice",
            f"{len(answers) - full} of {len(answers)} requests got no one-time key",
            f"{lost} first messages were lost, {waits} requests waited for another region",
        ),
    )


# Phones that sleep, senders who keep a bundle, and mail with a long tail.
_PHONES = rotation.World(
    users=150,
    days=150,
    sleeps=0.01,
    held=LogNormal(12 * HOUR, 1.6),
    link=Link(LogNormal(8 * HOUR, 1.6)),
)
_STOLEN, _RECORDED = 120 * DAY, 90 * DAY


def _rotation(option, seed):
    """A phone is stolen on day 120: which first messages of 60 days can its old keys still open?"""
    every, retention = (days * DAY for days in ROTATIONS[option])
    world = replace(_PHONES, every=every, retention=retention)
    plan = rotation.plan(world, counted.generator(seed))
    found = counted.outcome(world, plan)
    opened = found.opened.min(axis=1)
    secret = (opened < _STOLEN) & (plan.fetched > _STOLEN - _RECORDED) & ~found.lost
    gone = found.forgotten[plan.recipient, np.minimum(found.key, found.forgotten.shape[1] - 1)]
    closed = secret & (gone <= _STOLEN)
    settled = opened < world.end
    uploads = int((found.made[:, 1:] < world.end).sum())
    return Tally(
        int(closed.sum()),
        int(secret.sum()),
        int((settled & ~found.lost).sum()),
        int(settled.sum()),
        {REQUESTS: uploads},
        (
            f"the thief opens {int(secret.sum() - closed.sum())} of {int(secret.sum())} recorded "
            "first messages of 90 days",
            f"{int((settled & found.lost).sum())} of {int(settled.sum())} came too late",
            f"{uploads} uploads",
        ),
    )


_PLAYED = {
    "store": _store,
    "one-time keys": people.one_time,
    "rotation": _rotation,
    "identity keys": people.identity,
    "devices": people.devices,
    "backup": lost_phone.backup,
}
