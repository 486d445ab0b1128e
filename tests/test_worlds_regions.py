"""Which design allows what: found where it is allowed, never where it is excluded."""

import random
import shutil
from contextlib import closing
from dataclasses import replace

import pytest

from x3dhlab.attacks import put_back
from x3dhlab.errors import UsedPreKey
from x3dhlab.party import LocalTransport, Party
from x3dhlab.primitives import deterministic
from x3dhlab.service import app
from x3dhlab.service.client import HttpTransport
from x3dhlab.service.running import running
from x3dhlab.service.store import PreKeyStore
from x3dhlab.worlds import outages, regions
from x3dhlab.worlds.checker import check
from x3dhlab.worlds.copies import Real
from x3dhlab.worlds.history import check_line, dumps, loads
from x3dhlab.worlds.outages import FAULTS, REGIONS
from x3dhlab.worlds.record import Log, Recorder, receive, watching

LINEARIZABLE, EVENTUAL, LEADER, DETECTION = regions.DESIGNS.values()
EVERY = (LINEARIZABLE, EVENTUAL, LEADER, DETECTION, regions.UNCONFIRMED, regions.SHARES)
EXCLUDING = (LINEARIZABLE, LEADER, regions.SHARES)
NO_RESTORE = tuple(fault for fault in FAULTS if fault != "restore")
SEEDS = range(1_000)

named = pytest.mark.parametrize("design", EVERY, ids=[design.name for design in EVERY])
excluding = pytest.mark.parametrize("design", EXCLUDING, ids=[one.name for one in EXCLUDING])


def small(seed, faults, **fixed):
    options = {"requests": 40, "minutes": 1, "users": 2, "outage": 15_000, **fixed}
    return outages.script(seed, faults, **options)


def finds(design, faults, seeds=SEEDS, name="double_issue", **fixed):
    """The first seed whose run violates `name`, or None."""
    found = (
        seed for seed in seeds if regions.run(design, small(seed, faults, **fixed)).count(name)
    )
    return next(found, None)


# 1,000 seeds


@excluding
def test_no_outage_makes_these_designs_give_a_key_out_twice(design):
    assert finds(design, NO_RESTORE) is None


@pytest.mark.parametrize("seeds", [250, pytest.param(1_000, marks=pytest.mark.full)])
@excluding
def test_nor_does_a_restore_when_the_keys_of_the_backup_are_thrown_away(design, seeds):
    assert finds(regions.careful(design), FAULTS, range(seeds)) is None


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("design", [EVENTUAL, DETECTION], ids=["eventual", "detection"])
def test_a_design_in_which_anybody_decides_allows_every_fault(design, fault):
    assert finds(design, [fault]) is not None


@pytest.mark.parametrize("fault", ["partition", "failover", "skew"])
def test_a_leader_whose_copies_come_later_gives_keys_out_twice(fault):
    assert finds(regions.UNCONFIRMED, [fault, "lag"]) is not None


@named
def test_a_restore_makes_every_design_give_keys_out_twice(design):
    assert finds(design, ["restore"]) is not None


def test_a_second_leader_is_not_enough_when_a_majority_confirms():
    """The outages of the 1,000 seeds do make leaders change, also while the old one lives."""
    leads = [
        one
        for seed in range(50)
        for one in regions.run(LEADER, small(seed, NO_RESTORE)).history
        if one["op"] == "lead"
    ]
    assert len({one["term"] for one in leads}) > 2


# What the designs cost


@pytest.fixture(scope="module")
def outcomes():
    """All designs under the same outages: {design name: outcomes of a few seeds}."""
    scripts = [outages.script(seed, NO_RESTORE) for seed in range(8)]
    return {design: [regions.run(design, one) for one in scripts] for design in EVERY}


def mean(outcomes, measure):
    return sum(map(measure, outcomes)) / len(outcomes)


def test_who_asks_nobody_answers_fastest_and_who_waits_for_a_majority_slowest(outcomes):
    median = {design.name: mean(outcomes[design], lambda one: one.latency()) for design in EVERY}
    assert median["eventual"] == median["detection_only"] < median["linearizable"]
    assert median["leader, copies later"] < median["leader_per_user"]


def test_when_one_region_decides_its_outage_is_seen_everywhere(outcomes):
    without = {
        design.name: mean(outcomes[design], lambda one: one.share(regions.WITHOUT))
        for design in EVERY
    }
    assert without["eventual"] == 0 < without["leader_per_user"] < without["linearizable"]


@named
def test_a_bundle_without_a_one_time_key_keeps_the_service_answering(outcomes, design):
    assert all(one.share(regions.NOTHING) == 0 for one in outcomes[design])


def test_detection_saves_the_message_and_not_the_key(outcomes):
    lost = {design: sum(one.count("lost_first_message") for one in outcomes[design])
            for design in EVERY}  # fmt: skip
    assert lost[DETECTION] == 0 < lost[EVENTUAL]
    assert sum(one.count("double_issue") for one in outcomes[DETECTION]) > 0
    assert (
        sum(one.again for one in outcomes[DETECTION])
        > 0
        == sum(one.again for one in outcomes[EVENTUAL])
    )


def test_a_copy_that_is_late_loses_messages_when_the_old_private_half_is_gone():
    rotations, retention = ((20_000, "user 1"),), 5_000
    cut = (("A", "C", 10_000, 50_000), ("A", "B", 10_000, 50_000))
    fixed = {"rotations": rotations, "cuts": cut}
    short = small(1, [], retention=retention, **fixed)
    assert regions.run(EVENTUAL, short).count("lost_first_message") > 0
    kept = replace(short, retention=outages.Script.__dataclass_fields__["retention"].default)
    lost = regions.run(EVENTUAL, kept).violations
    assert not any(one["spk"] for found in lost for one in found.timeline if one["op"] == "forget")


# One history


@named
def test_the_real_stores_and_devices_tell_the_same_history(design):
    script = small(3, FAULTS, rotations=((20_000, "user 1"),), retention=10_000)
    with deterministic("regions"):
        real = regions.run(design, script, Real)
    counted = regions.run(design, script)
    assert dumps(real.history) == dumps(counted.history) and real.answers == counted.answers
    assert counted.count("double_issue") > 0
    assert {"forget", "refuse", "restore"} <= {one["op"] for one in counted.history}


def test_they_agree_after_a_restore_with_care_too():
    script = small(5, FAULTS)
    design = regions.careful(LEADER)
    with deterministic("regions"):
        assert regions.run(design, script, Real).history == regions.run(design, script).history


@named
def test_the_same_seed_is_the_same_history_byte_for_byte(design):
    first, again = (regions.run(design, small(9, FAULTS)) for _ in range(2))
    other = regions.run(design, small(10, FAULTS))
    assert dumps(first.history) == dumps(again.history) != dumps(other.history)


@named
def test_every_line_is_one_of_a_history_and_time_goes_forward(design):
    history = regions.run(design, small(2, FAULTS)).history
    assert loads(dumps(history)) == [check_line(one) for one in history]
    assert [one["t"] for one in history] == sorted(one["t"] for one in history)


def test_the_outages_do_not_depend_on_each_other():
    all_of_them, only_one = outages.script(4), outages.script(4, ["partition"])
    assert all_of_them.requests == only_one.requests and all_of_them.cuts == only_one.cuts
    assert only_one.downs == () and only_one.restore is None and set(only_one.skew) == {0}


def test_an_unknown_fault_is_refused():
    with pytest.raises(ValueError, match="flood"):
        outages.script(1, ["flood"])


def test_the_nearest_region_comes_first():
    assert [outages.by_distance(one)[0] for one in REGIONS] == list(REGIONS)
    assert outages.by_distance("B") == ["B", "A", "C"]


# The same checker reads what real parties do


class Twice(LocalTransport):
    """Delivers every message twice."""

    def collect(self, name):
        return [one for one in super().collect(name) for _ in range(2)]


def recorded(store, transport=LocalTransport):
    log = Log()
    network = Recorder(transport(store), log)
    return log, network, Party("bob", network, one_time=5)


def test_a_sound_run_of_real_parties_has_no_violation():
    log, network, bob = recorded(PreKeyStore(), Twice)
    bob.publish()
    alice = Party("alice", network)
    alice.send("bob", b"one")
    alice.send("bob", b"two")
    assert [one.plaintext for one in receive(bob, log) if one.error is None] == [b"one", b"two"]
    with watching(bob, log):
        bob.rotate(now=5)
    assert check(log.history) == []
    ops = [one["op"] for one in log.history]
    assert ops.count("deliver") == 4 and ops.count("refuse") == ops.count("accept") == 2
    assert ops.count("session") == 1 and {"publish", "issue", "forget", "rotate"} <= set(ops)


def test_a_restored_store_and_real_parties_show_both_violations():
    store = PreKeyStore()
    log, network, bob = recorded(store)
    bob.publish()
    kept = put_back.backup(store)
    Party("alice", network).send("bob", b"first")
    put_back.restore(store, kept)
    Party("carol", network).send("bob", b"second")
    _, refused = receive(bob, log)
    assert isinstance(refused.error, UsedPreKey)
    assert [found.name for found in check(log.history)] == ["double_issue", "lost_first_message"]


def test_the_real_service_leaves_the_same_history_as_the_local_transport():
    """The same steps over HTTP and in this process; the checker reads both."""

    def steps(transport):
        log = Log()
        network = Recorder(transport, log)
        bob, alice = (Party(name, network, one_time=2) for name in ("bob", "alice"))
        bob.publish()
        for text in (b"one", b"two"):
            alice.send("bob", text, renew=True)
        receive(bob, log)
        with watching(bob, log):
            bob.rotate(now=10)
            bob.retire(before=10)
        Party("carol", network).send("bob", b"three")
        receive(bob, log)
        return log.history

    limits = app.Limits.none()
    service = running(limits=limits)
    with service, closing(HttpTransport(service.url)) as transport:
        over_http = steps(transport)
    local = steps(LocalTransport(PreKeyStore()))
    assert _without_sessions(over_http) == _without_sessions(local)
    assert check(over_http) == [] and len(over_http) > 12


def _without_sessions(history):
    """Identifiers of sessions are random."""
    return [{name: one[name] for name in one if name != "session"} for one in history]


def test_the_real_services_database_put_back_is_seen_by_the_checker(tmp_path):
    folder, kept, log = tmp_path / "now", tmp_path / "kept", Log()
    folder.mkdir()
    bob = Party("bob", LocalTransport(PreKeyStore()), one_time=3)

    def serve(step):
        url = f"sqlite:///{folder / 'keys.db'}"
        service = running(url, limits=app.Limits.none())
        with service, closing(HttpTransport(service.url)) as transport:
            bob.transport = Recorder(transport, log)
            bob.transport.introduce("bob", bob.identity.public, bob._sign)
            step()

    def first_message_of(name):
        Party(name, bob.transport).send("bob", b"hello")
        receive(bob, log)

    serve(bob.publish)
    shutil.copytree(folder, kept)
    serve(lambda: first_message_of("alice"))
    shutil.rmtree(folder)
    shutil.copytree(kept, folder)
    serve(lambda: first_message_of("carol"))
    assert [found.name for found in check(log.history)] == ["double_issue", "lost_first_message"]


def test_a_signed_prekey_deleted_too_soon_is_seen_in_the_recording():
    log, network, bob = recorded(PreKeyStore())
    bob.publish()
    Party("alice", network).send("bob", b"late")
    with watching(bob, log):
        bob.rotate(now=10)
        bob.retire(before=10)
    receive(bob, log)
    (found,) = check(log.history)
    assert [one["op"] for one in found.timeline] == ["send", "forget", "deliver", "refuse"]


def test_a_device_that_keeps_one_session_only_overwrites_it():
    log, network, bob = recorded(PreKeyStore())
    bob.publish()
    alice = Party("alice", network)
    for text in (b"one", b"two"):
        alice.send("bob", text, renew=True)
        receive(bob, log)
        if text == b"one":
            first = bob.device
    assert check(log.history) == []
    with watching(bob, log):
        (peer, kept), *_ = bob.device.sessions.items()
        assert len(kept) == 2
        bob.device = replace(bob.device, sessions={peer: kept[:1]})
    (found,) = check(log.history)
    assert found.name == "session_overwritten" and first is not bob.device


def test_a_random_choice_of_designs_keeps_its_promises():
    """Every design refuses nothing it has: each request is answered once, in order."""
    draw = random.Random(1)
    for _ in range(20):
        script = small(draw.randrange(10**6), FAULTS)
        outcome = regions.run(draw.choice(EVERY), script)
        assert [answer.t for answer in outcome.answers] == [one.t for one in script.requests]
