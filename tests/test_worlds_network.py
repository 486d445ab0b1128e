"""Links draw what they promise."""

import numpy as np
import pytest
import simpy

from x3dhlab.worlds import network
from x3dhlab.worlds.network import DAY, HOUR, NEVER, Constant, HeavyTail, Link, LogNormal


def generator(seed=1):
    return np.random.default_rng(seed)


SENT = np.arange(20_000, dtype=np.int64) * 1000


@pytest.mark.parametrize("delay", [Constant(HOUR), LogNormal(HOUR, 1.6), HeavyTail(HOUR, 1.2)])
def test_half_of_the_messages_take_less_than_the_median(delay):
    times = delay.draw(generator(), 20_000)
    assert times.dtype == np.int64 and times.min() >= 0
    assert np.median(times) == pytest.approx(HOUR, rel=0.05)


def test_a_heavy_tail_is_heavier_than_a_log_normal_one():
    far = {d: (d.draw(generator(), 20_000) > DAY).mean() for d in (LogNormal(HOUR, 1.0),)}
    tail = (HeavyTail(HOUR, 1.0).draw(generator(), 20_000) > DAY).mean()
    assert tail == pytest.approx(1 / 48, rel=0.2) and tail > 5 * max(far.values())


def test_the_longest_delay_has_an_end():
    assert HeavyTail(DAY, 0.05).draw(generator(), 1000).max() == network.LONGEST


def test_a_link_loses_and_repeats_the_share_that_it_says():
    arrives = Link(Constant(5), drop=0.1, duplicate=0.2).draw(generator(), SENT)
    assert (arrives[:, 0] == NEVER).mean() == pytest.approx(0.1, abs=0.01)
    assert (arrives[:, 1] != NEVER).mean() == pytest.approx(0.9 * 0.2, abs=0.01)
    assert ((arrives == NEVER) | (arrives == SENT[:, None] + 5)).all()


def test_messages_overtake_each_other_and_none_arrives_before_it_was_sent():
    arrives = Link(LogNormal(HOUR, 1.0), duplicate=0.5).draw(generator(), SENT)
    assert (np.diff(arrives[:, 0]) < 0).any() and (arrives >= SENT[:, None]).all()
    twice = arrives[:, 1] != NEVER
    assert (arrives[twice, 1] < arrives[twice, 0]).any()


def test_in_one_millisecond_lower_ranks_go_first():
    env, done = simpy.Environment(), []
    for rank in (2, 0, 1):
        network.at(env, 10, rank, lambda rank=rank: done.append(rank))
    env.run()
    assert done == [0, 1, 2] and env.now == 10
