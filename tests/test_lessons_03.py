"""What lesson 03 claims: pools of one-time prekeys, and the designs that get them wrong."""

import inspect
import sqlite3
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from x3dhlab import prekeys, scenes, x3dh
from x3dhlab.attacks import disk, pools
from x3dhlab.attacks.pools import DESIGN_C, FILL_UP, Rule, live
from x3dhlab.errors import UsedPreKey
from x3dhlab.keys import KeyPair
from x3dhlab.service.store import PreKeyStore


def stocked(one_time=100, url="sqlite://"):
    ring, store = prekeys.generate(one_time=one_time), PreKeyStore(url)
    store.publish("Bob", prekeys.publication(ring))
    return ring, store


def test_no_private_half_is_in_the_servers_file(tmp_path):
    file = tmp_path / "keys.db"
    ring, _ = stocked(url=f"sqlite:///{file}")
    data = b"".join(path.read_bytes() for path in tmp_path.iterdir())  # with its write-ahead log
    assert all(pair.public in data for pair in ring.one_time.values())
    secrets = [ring.identity.private, *(pair.private for pair in ring.one_time.values())]
    assert not [secret for secret in secrets if secret in data]


def test_a_crowd_of_threads_gets_forty_different_keys(tmp_path):
    _, store = stocked(url=f"sqlite:///{tmp_path / 'keys.db'}")
    with ThreadPoolExecutor(8) as crowd:
        numbers = list(crowd.map(lambda _: store.fetch("Bob").one_time_prekey_id, range(40)))
    assert len(set(numbers)) == 40


def test_a_batch_costs_37_bytes_for_each_key():
    ring, _ = stocked()
    one = len(prekeys.publication(ring, since=101).encode())
    assert len(prekeys.publication(ring).encode()) - one == 99 * 37


def test_one_key_for_two_people_gives_two_secrets_and_one_lost_message():
    ring, store = stocked(1)
    bundle = store.fetch("Bob")
    (_, one), (_, two) = (x3dh.initiate(KeyPair.generate(), bundle) for _ in range(2))
    assert one.secret != two.secret
    with pytest.raises(UsedPreKey):
        number = bundle.one_time_prekey_id
        prekeys.find_one_time(prekeys.burn(ring, number), number)


def claim(rule):
    """No refill reaches the target: the pool peaks at 69."""
    return live(rule).refilled_to == 69


def test_design_cs_refills_peak_at_69_and_filling_up_reaches_the_target():
    assert claim(DESIGN_C)
    assert live(FILL_UP).refilled_to == 100


@pytest.mark.parametrize("change", [{"low": 51}, {"fixed": 81}, {"fixed": None}])
def test_the_claim_about_refills_fails_for_another_rule(change):
    assert not claim(replace(DESIGN_C, **change))


def test_the_level_that_the_figure_shows_is_the_stores_own_count():
    levels = scenes.refills()["50 more, below 20"]
    assert levels == live(DESIGN_C).levels
    assert (levels[0], levels[80], levels[81]) == (100, 20, 69)


def test_a_threshold_that_covers_the_phones_sleep_leaves_nobody_without_a_key():
    assert live(Rule(low=20, every=60)).without_key > 0
    assert live(Rule(low=61, every=60)).without_key == 0


def test_fifty_keys_for_sixty_requests_reach_90_and_are_used_up_after_the_figures_end():
    rule = Rule(low=60, fixed=50, every=60)
    assert (live(rule).refilled_to, live(rule).without_key) == (90, 0)
    assert live(rule, requests=480).without_key > 0


def test_a_higher_target_does_not_cure_a_low_threshold():
    assert live(Rule(low=20, target=200, every=60)).without_key > 0
    assert live(Rule(low=61, target=200, every=60)).without_key == 0


def test_a_control_without_effect_says_so():
    refilling, draining = scenes.refill_rule(), scenes.drain_the_pool()
    amount = ["the same number", "not used: the phone fills up"]
    accounts = ["accounts", "they change nothing while there is no limit"]
    assert amount not in refilling.outcome["facts"] and accounts in draining.outcome["facts"]
    refilling.set(how="fill up to 100")
    draining.set(limit=True)
    assert amount in refilling.outcome["facts"] and accounts not in draining.outcome["facts"]


def test_the_refill_rule_runs_again_at_every_change():
    experiment = scenes.refill_rule()
    assert "69" in experiment.outcome["sentence"]
    experiment.set(how="fill up to 100")
    assert experiment.outcome["verdict"] == "holds"
    experiment.set(every=60)
    assert "got no one-time key" in experiment.outcome["sentence"]
    experiment.set(low=61)
    assert experiment.outcome["verdict"] == "holds"


def leaky_reply():
    ring, _ = stocked()
    leaky = pools.LeakyStore()
    public = [(number, pair.public) for number, pair in ring.one_time.items()]
    leaky.put("Bob", {"identity_key": ring.identity.public, "one_time": public})
    return leaky, leaky.get_and_pop("Bob")


def test_design_bs_reply_carries_the_whole_pool():
    leaky, (reply, key) = leaky_reply()
    assert len(reply["one_time"]) == 100
    assert key in reply["one_time"]
    assert leaky.get_and_pop("Bob")[1] != key


class Watched(dict):
    """A store's bundles, which may be touched only while the lock is held."""

    def __init__(self, bundles, lock):
        super().__init__(bundles)
        self.lock = lock

    def __getitem__(self, name):
        assert self.lock.locked()
        return super().__getitem__(name)

    def __setitem__(self, name, bundle):
        assert self.lock.locked()
        super().__setitem__(name, bundle)


def test_the_leak_comes_with_a_lock_around_every_step():
    leaky, _ = leaky_reply()
    leaky._bundles = Watched(leaky._bundles, leaky._lock)
    reply, _ = leaky.get_and_pop("Bob")
    assert len(reply["one_time"]) == 99
    assert not leaky._lock.locked()


def test_the_course_store_puts_exactly_one_key_into_a_reply():
    ring, store = stocked()
    data = store.fetch("Bob").encode()
    assert sum(pair.public in data for pair in ring.one_time.values()) == 1


def test_the_source_that_the_lesson_shows_does_not_tell_the_answer():
    assert "whole pool" not in inspect.getsource(pools.LeakyStore.get_and_pop)


def test_whoever_knows_the_next_key_spoils_the_next_message():
    ring, store = stocked(3)
    bundle = store.fetch("Bob")
    assert "deleted after use" in pools.use_first(bundle, 3, ring.one_time[3].public, ring)


@pytest.mark.parametrize("burst, accounts, got", [(None, 1, False), (6, 1, True), (6, 17, False)])
def test_a_limit_stops_one_account_and_not_seventeen(burst, accounts, got):
    drained = pools.drain(102, accounts, burst)
    assert (drained.bundle.one_time_prekey is not None) == got


def test_an_empty_pool_stops_only_the_client_that_insists():
    experiment = scenes.drain_the_pool()
    assert experiment.outcome["verdict"] == "falls"
    experiment.set(client="goes on without one")
    assert experiment.outcome["sentence"] == "Alice writes, with three terms."
    experiment.set(limit=True)
    assert experiment.outcome["verdict"] == "holds"


def test_ten_tries_cost_ten_keys_and_one_with_a_lease():
    for leases, cost in ((False, 10), (True, 1)):
        _, store = stocked()
        network = pools.LosingNetwork(store, lost=9, leases=leases)
        assert pools.fetch_stubbornly(network, "Bob").one_time_prekey_id is not None
        assert store.count("Bob") == 100 - cost


def test_a_network_that_loses_everything_is_reported():
    _, store = stocked()
    with pytest.raises(TimeoutError):
        pools.fetch_stubbornly(pools.LosingNetwork(store, lost=99), "Bob", tries=3)


def test_global_numbers_refuse_or_wipe_out_the_second_user():
    keys = {number: bytes([number]) * 32 for number in (1, 2, 3)}
    table = pools.GlobalNumbers()
    table.upload("Bob", keys)
    with pytest.raises(sqlite3.IntegrityError):
        table.upload("Carol", keys)
    table = pools.GlobalNumbers("REPLACE")
    table.upload("Bob", keys)
    table.upload("Carol", keys)
    assert (table.count("Bob"), table.count("Carol")) == (0, 3)


def test_equal_numbers_on_two_devices_do_not_meet_in_the_course_store():
    store = PreKeyStore()
    for device in ("laptop", "tablet"):
        store.publish(device, prekeys.publication(prekeys.generate(one_time=3)))
    one, two = store.fetch("laptop"), store.fetch("tablet")
    assert one.one_time_prekey_id == two.one_time_prekey_id
    assert one.one_time_prekey != two.one_time_prekey


def test_numbers_from_a_restored_backup_are_not_issued_again():
    ring, store = stocked(5)
    for _ in range(5):
        store.fetch("Bob")
    restored = prekeys.generate(identity=ring.identity, one_time=5)
    store.publish("Bob", prekeys.publication(restored))
    assert store.count("Bob") == 0
    more = prekeys.add_one_time(ring, 5)
    store.publish("Bob", prekeys.publication(more, since=ring.next_id))
    assert store.count("Bob") == 5


def test_a_deleted_row_is_in_the_file_until_it_is_written_over():
    key = KeyPair.generate().private
    assert disk.deleted_row(key, overwrite=False) == (0, True)
    assert disk.deleted_row(key, overwrite=True) == (0, False)
