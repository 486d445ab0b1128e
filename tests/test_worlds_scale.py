"""The paper's figures, and worlds that are counted beside them."""

import numpy as np
import pytest

from x3dhlab import prekeys
from x3dhlab.wire import encode_key
from x3dhlab.worlds import scale


def test_the_sizes_are_those_of_real_keys_with_a_byte_for_the_kind():
    ring = prekeys.generate(one_time=1, kem="ML-KEM-1024")
    published = prekeys.publication(ring)
    assert len(encode_key(published.identity_key)) == scale.KEY
    assert len(published.signed_prekey_signature) == scale.SIGNATURE
    assert len(published.kem_prekeys[0].kem_prekey) == scale.KEM_KEY


def test_two_billion_users_are_a_hundred_million_times_twenty():
    small, large = scale.paper(20), scale.paper(2_000_000_000)
    for name in ("stored", "bundles", "rotations", "refill", "served"):
        assert getattr(large, name) == pytest.approx(getattr(small, name) * 1e8)


def test_the_worlds_agree_with_the_paper_where_phones_are_awake():
    paper, counted = scale.paper(2000), scale.simulated(2000, 1)
    assert counted.bundles == pytest.approx(paper.bundles)
    # Phones rotate when they wake, and pools are half full: the paper is too high, never too low.
    assert 0.7 < counted.rotations / paper.rotations < 0.95
    assert 0.5 < counted.stored / paper.stored < 0.7


@pytest.mark.parametrize("users", [20, 200, 5000])
def test_what_a_user_costs_does_not_depend_on_how_many_there_are(users):
    one, many = scale.simulated(users, 1), scale.simulated(20_000, 2)
    assert one.rotations / users == pytest.approx(many.rotations / 20_000, rel=0.1)


def test_a_popular_user_empties_the_pool_and_nobody_else_does():
    equal = scale.pools(np.ones(2000), 1)
    unequal = scale.pools(scale.unequal(2000), 1)
    assert equal.dry.sum() == 0 < unequal.dry[0]
    assert not unequal.dry[100:].any()
    assert unequal.requests.sum() == pytest.approx(equal.requests.sum(), rel=0.02)


def test_more_shards_do_not_divide_one_user():
    rates = scale.unequal(20_000)
    heaviest = {count: scale.shards(rates, count, 1).max() for count in (10, 100, 1000)}
    assert min(heaviest.values()) >= rates[0]
    assert scale.shards(rates, 1000, 1).sum() == pytest.approx(rates.sum())
    fair = scale.shards(np.ones(20_000), 10, 1)
    assert fair.max() < 1.1 * fair.mean()
