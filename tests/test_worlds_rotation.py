"""The rotation world: real parties and counted times tell the same story, and the same one again.

What the model says of retention is tested against worlds whose delays have a bound.
"""

import os
import subprocess
import sys
from collections import Counter
from dataclasses import replace

import pytest

from x3dhlab.worlds import checker, counted, rotation
from x3dhlab.worlds.history import dumps
from x3dhlab.worlds.network import DAY, HOUR, Constant, Link, LogNormal
from x3dhlab.worlds.rotation import World

LATE = Link(LogNormal(DAY, 1.6), drop=0.05, duplicate=0.2)
SMALL = World(users=3, days=16, retention=2 * DAY, link=LATE, sleeps=0.05, held=LogNormal(HOUR, 2))
CHANGES = {
    "as it is": {},
    "delete first": {"mail_first": False},
    "the previous key stays": {"keep_previous": True},
    "both": {"keep_previous": True, "mail_first": False},
    "a region lags": {"lag": DAY, "retention": HOUR},
    "the server lets keys expire": {"ttl": 3 * DAY, "skew": DAY},
    "by its own clock": {"ttl": 3 * DAY, "skew": DAY, "server_stamps": True},
    "nothing is kept": {"retention": 0},
    "slow rotation": {"every": 7 * DAY, "retention": 0, "lag": 3 * DAY},
    "awake once a day": {"wakes_a_day": 1, "sleeps": 0.2},
}
EACH = pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)


def drawn(world, seed=1):
    return rotation.plan(world, counted.generator(seed))


@EACH
@pytest.mark.parametrize("seed", [1, 2])
def test_real_parties_and_counted_times_agree_line_by_line(change, seed):
    world = replace(SMALL, **change)
    plan = drawn(world, seed)
    real = rotation.drive(world, plan)
    assert dumps(real) == dumps(counted.history(world, plan))
    assert {"rotate", "issue", "accept", "refuse"} <= {one["op"] for one in real}


def test_the_agreement_would_break_with_another_rule():
    plan = drawn(SMALL)
    other = replace(SMALL, mail_first=False)
    assert rotation.drive(SMALL, plan) != counted.history(other, plan)


def test_the_same_seed_gives_the_same_bytes_and_another_seed_does_not():
    plan = drawn(SMALL)
    real = dumps(rotation.drive(SMALL, plan, seed=5))
    assert real == dumps(rotation.drive(SMALL, drawn(SMALL), seed=5))
    assert real == dumps(rotation.drive(SMALL, plan, seed=6))  # keys are not in a history
    assert real != dumps(rotation.drive(SMALL, drawn(SMALL, 2), seed=5))
    digests = [counted.run(replace(SMALL, users=50), seed).digest for seed in (1, 1, 2)]
    assert digests[0] == digests[1] != digests[2]


@EACH
def test_a_summary_counts_the_lines_of_the_history(change):
    world = replace(SMALL, **change)
    summary = counted.run(world, 1)
    lines = Counter(one["op"] for one in counted.history(world, drawn(world)))
    assert summary.counts == {op: lines[op] for op in summary.counts}
    assert sum(summary.counts.values()) == sum(lines.values())


@EACH
def test_the_checker_finds_the_lost_messages_and_no_others(change):
    world = replace(SMALL, users=20, **change)
    plan = drawn(world)
    found = checker.check(counted.history(world, plan))
    assert {violation.name for violation in found} <= {"lost_first_message"}
    assert len(found) == counted.outcome(world, plan).lost.sum()


@pytest.mark.parametrize("change", [{}, {"mail_first": False}, {"keep_previous": True}])
def test_one_run_gives_the_loss_of_every_retention(change):
    world = replace(SMALL, users=40, **change)
    retentions = [0, HOUR, DAY, 2 * DAY, 5 * DAY, 30 * DAY]
    together = counted.run(world, 3, retentions)
    alone = [counted.run(replace(world, retention=r), 3).lost[0] for r in retentions]
    assert list(together.lost) == alone == sorted(alone, reverse=True) and alone[0] > alone[-2]


# What a retention must cover, in a world whose times have bounds.
BOUNDED = World(
    users=200,
    days=40,
    every=2 * DAY,
    lag=6 * HOUR,
    held=Constant(3 * DAY),
    link=Link(Constant(30 * HOUR)),
    mail_first=False,
)
PARTS = 6 * HOUR + 3 * DAY + 30 * HOUR
NEXT_WAKE = DAY  # two wakes a day, each anywhere in its half


def test_the_sum_of_lag_held_bundle_delivery_and_sleep_loses_nothing():
    summary = counted.run(BOUNDED, 1, [PARTS + NEXT_WAKE, PARTS - 6 * HOUR, PARTS - 3 * DAY])
    enough, without_lag, without_held = summary.lost
    assert enough == 0 < without_lag < without_held


@pytest.mark.parametrize("seeds", [100, pytest.param(1000, marks=pytest.mark.full)])
def test_over_many_seeds_only_a_retention_below_the_sum_loses_first_messages(seeds):
    enough = replace(BOUNDED, users=2, days=16, retention=PARTS + NEXT_WAKE)
    too_short = replace(enough, retention=PARTS - 3 * DAY)
    found = {}
    for world in (enough, too_short):
        histories = (counted.history(world, drawn(world, seed)) for seed in range(seeds))
        found[world] = [[one.name for one in checker.check(history)] for history in histories]
    assert not any(found[enough])
    assert all(set(names) == {"lost_first_message"} for names in found[too_short])


def test_with_the_mail_before_deletion_sleep_needs_no_retention():
    travel = 30 * HOUR
    asleep = replace(BOUNDED, sleeps=0.1, lag=0, held=Constant(0), link=Link(Constant(travel)))
    retentions = [HOUR, travel, travel + DAY]
    delete_first = counted.run(asleep, 1, retentions).lost
    mail_first = counted.run(replace(asleep, mail_first=True), 1, retentions).lost
    assert min(delete_first) > 0 and mail_first[0] > 0 == mail_first[1]


def test_the_previous_key_saves_messages_when_rotation_is_slow():
    slow = replace(BOUNDED, every=10 * DAY, retention=DAY)
    lost = counted.run(slow, 1).lost[0]
    assert lost > 0 == counted.run(replace(slow, keep_previous=True), 1).lost[0]


def test_a_server_that_trusts_the_phones_clocks_makes_phones_unreachable():
    # A phone rotates when it is awake, up to a day late, and the old key is served for the lag.
    world = replace(BOUNDED, ttl=3 * DAY + 6 * HOUR, skew=DAY)
    trusting = counted.run(world, 1).unreachable
    assert trusting > 0 == counted.run(replace(world, server_stamps=True), 1).unreachable
    assert counted.run(replace(world, skew=0), 1).unreachable == 0


def test_blocks_of_phones_add_up(monkeypatch):
    world = replace(SMALL, users=25)
    whole = counted.run(world, 4)
    monkeypatch.setattr(counted, "BLOCK", 10)
    parts = counted.run(world, 4)
    assert parts.counts["publish"] == whole.counts["publish"] == 25
    assert parts.counts["send"] + parts.counts["refuse"] > 0 and parts.digest != whole.digest


MEASURED = """
import resource
from x3dhlab.worlds import counted
from x3dhlab.worlds.network import DAY, Link, LogNormal
from x3dhlab.worlds.rotation import World
world = World(users={users}, days=60, sleeps=0.02, link=Link(LogNormal(DAY, 1.6)))
summary = counted.run(world, 1)
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
print(sum(summary.counts.values()) / world.users / world.days, peak)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="`resource` is not there")
@pytest.mark.parametrize(
    "users", [2_000, pytest.param(100_000, marks=pytest.mark.full)], ids=["small", "full"]
)
def test_a_large_world_has_three_events_a_user_day_and_fits_in_a_gigabyte(users):
    program = MEASURED.format(users=users)
    run = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, env=os.environ
    )
    events, peak = map(float, run.stdout.split())
    unit = 1 if sys.platform == "darwin" else 1024  # macOS counts bytes
    assert events >= 3 and peak * unit <= 1e9
