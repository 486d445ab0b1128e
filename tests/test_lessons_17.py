"""What lesson 17 claims: races for a one-time key, in every order, and what a service knows."""

import threading
from collections import Counter

import pytest

from x3dhlab import course, prekeys, scenes
from x3dhlab.attacks import gateway
from x3dhlab.errors import NotYours, RateLimited
from x3dhlab.grading.tasks import service as tasks
from x3dhlab.party import Party
from x3dhlab.primitives import deterministic
from x3dhlab.service.accounts import TOKEN_SECONDS
from x3dhlab.service.app import ANSWER_SECONDS, Limits
from x3dhlab.service.client import HttpTransport
from x3dhlab.service.limits import Limit
from x3dhlab.service.mailbox import MAILBOX_LIMIT, Mailbox
from x3dhlab.service.running import running
from x3dhlab.service.store import PreKeyStore
from x3dhlab.widgets import FALLS, HOLDS
from x3dhlab.wire import PreKeyBundle
from x3dhlab.worlds import crowds, isolation, takers
from x3dhlab.worlds.crowds import processes_on_json, processes_on_store, threads_on_json
from x3dhlab.worlds.takers import DELETE, LOOK, in_one

POSTGRES = takers.EXAMPLES["postgresql"]


# Threads and processes


def test_threads_that_meet_get_each_key_as_often_as_there_are_threads(tmp_path):
    got = threads_on_json(tmp_path / "pool.db", crowd=8, each=10)
    assert sorted(got) == sorted(list(range(10)) * 8)


def test_a_lock_in_the_program_is_enough_for_its_threads(tmp_path):
    got = threads_on_json(tmp_path / "pool.db", crowd=4, each=5, lock=True)
    assert sorted(got) == list(range(20))


def test_with_a_lock_every_request_goes_through_it(tmp_path, monkeypatch):
    turns, real = [], threading.Lock()

    class Counting:
        def __enter__(self):
            turns.append(real.__enter__())

        def __exit__(self, *problem):
            real.__exit__(*problem)

    monkeypatch.setattr(crowds, "_Lock", Counting)
    threads_on_json(tmp_path / "pool.db", crowd=2, each=3, lock=True, meet=False)
    assert len(turns) == 6


def test_a_lock_in_each_process_is_none_between_them(tmp_path):
    got = processes_on_json(tmp_path / "pool.db", crowd=3, each=4)
    assert sorted(got) == sorted(list(range(4)) * 3)


def test_processes_on_the_store_get_different_keys(tmp_path):
    url = f"sqlite:///{tmp_path / 'store.db'}"
    store = PreKeyStore(url)
    store.publish("Bob", prekeys.publication(prekeys.generate(one_time=9)))
    got = processes_on_store(url, "Bob", crowd=3, each=3)
    assert sorted(got) == list(range(2, 11)) and store.count("Bob") == 0
    store.close()


# Every order


@pytest.mark.parametrize(("count", "orders"), [(1, 1), (2, 3), (3, 10), (4, 35), (5, 126)])
def test_every_order_is_there_once_and_begins_with_x(count, orders):
    found = list(takers.orders(count))
    assert len(found) == len(set(found)) == orders
    assert all(order[0] == 0 and sum(order) == count for order in found)


def claim(endings):
    """Two keys in every order: with one statement and its lock, or a lock before looking."""
    right = {name for name, ways in endings.items() if set(+Counter(ways)) == {takers.RIGHT}}
    locking = ("IMMEDIATE", "FOR UPDATE", "SKIP LOCKED", "SQLite: DELETE")
    return right == {name for name in endings if any(word in name for word in locking)}


def test_only_ways_that_lock_or_need_no_lock_are_right_in_every_order():
    endings = scenes.takers.endings()
    assert claim(endings)
    level = "PostgreSQL: BEGIN {}, look, delete"
    lax, strict = (endings[level.format(name)] for name in (isolation.LEVELS[0], "SERIALIZABLE"))
    assert lax[takers.SAME] == strict[takers.ERROR] == 30 and strict[takers.SAME] == 0
    assert lax[takers.RIGHT] == strict[takers.RIGHT]


def test_the_claim_fails_when_a_lock_is_left_out(monkeypatch):
    name = "PostgreSQL: BEGIN, look FOR UPDATE, delete"
    unlocked = ("postgresql", ["BEGIN", LOOK, DELETE, "COMMIT"])
    monkeypatch.setitem(scenes.takers.WAYS, name, unlocked)
    assert not claim(scenes.takers.endings())


def test_the_model_counts_as_the_recorded_server():
    record = takers.recorded()
    assert record["server"].startswith("PostgreSQL ")
    assert set(record["orders"]) == set(POSTGRES)
    for name, statements in POSTGRES.items():
        assert takers.counts(takers.races("postgresql", statements)) == record["orders"][name]


def test_only_skip_locked_waits_for_nobody():
    def waits(lock):
        runs = takers.races("postgresql", [in_one(lock)])
        return any("waits" in move for ended in runs for move in ended.moves)

    assert [waits(lock) for lock in ("", "FOR UPDATE", "FOR UPDATE SKIP LOCKED")] == [1, 1, 0]


def test_what_is_not_committed_is_undone():
    statements = ["BEGIN", LOOK + " FOR UPDATE", DELETE]
    assert "both get key 1" in takers.objection("postgresql", statements)
    assert "both get key 1" in takers.objection("sqlite", ["BEGIN IMMEDIATE", LOOK, DELETE])


OTHERS = {
    "nowait": ["BEGIN", LOOK + " FOR UPDATE NOWAIT", DELETE, "COMMIT"],
    "repeatable and locked": [
        "BEGIN ISOLATION LEVEL REPEATABLE READ",
        *(LOOK + " FOR UPDATE", DELETE, "COMMIT"),
    ],
    "no commit": ["BEGIN", LOOK + " FOR UPDATE", DELETE],
    "rolled back": ["BEGIN", in_one("FOR UPDATE SKIP LOCKED"), "ROLLBACK"],
    "compare and swap": [LOOK, DELETE + " RETURNING identifier, prekey"],
    "all of them": [
        "DELETE FROM one_time_prekeys WHERE name = :name RETURNING identifier, prekey",
    ],
    "the newest": [in_one().replace("LIMIT", "DESC LIMIT")],
    "with": [
        "WITH one AS (SELECT identifier FROM one_time_prekeys WHERE name = :name LIMIT 1 "
        "FOR UPDATE SKIP LOCKED) DELETE FROM one_time_prekeys WHERE name = :name AND "
        "identifier IN (SELECT identifier FROM one) RETURNING identifier, prekey"
    ],
    "least": [
        "DELETE FROM one_time_prekeys WHERE name = :name AND identifier = (SELECT "
        "min(identifier) FROM one_time_prekeys WHERE name = :name) RETURNING identifier, prekey"
    ],
}


@pytest.mark.parametrize("name", [*POSTGRES, *OTHERS])
@pytest.mark.parametrize("keys", [3, 1])
def test_the_model_does_in_every_order_what_a_real_server_does(name, keys, new_postgres):
    on_postgres = pytest.importorskip("tests.takers_on_postgres")
    statements = POSTGRES.get(name) or OTHERS[name]
    with on_postgres.real(new_postgres()) as server:
        real = list(takers.races("postgresql", statements, keys, on=server))
    model = list(takers.races("postgresql", statements, keys))
    assert [_seen(ended) for ended in model] == [_seen(ended) for ended in real]


def _seen(ended):
    """What both have: moves, results and what is left; of errors only that there is one."""
    return ended.moves, ended.given, [bool(error) for error in ended.errors], ended.left


RIGHT = {
    "sqlite": [
        [in_one()],
        ["BEGIN IMMEDIATE", LOOK, DELETE, "COMMIT"],
        ["BEGIN EXCLUSIVE", LOOK, DELETE, "COMMIT"],
        ["BEGIN", in_one(), "COMMIT"],
        [in_one() + ";"],
    ],
    "postgresql": [
        [in_one("FOR UPDATE SKIP LOCKED")],
        [in_one("FOR UPDATE")],
        ["BEGIN", LOOK + " FOR UPDATE", DELETE, "COMMIT"],
        ["begin", LOOK.lower() + " for update skip locked;", DELETE.lower() + ";", "commit;"],
        OTHERS["with"],
    ],
}


@pytest.mark.parametrize(
    ("dialect", "statements"),
    [(dialect, statements) for dialect, all_ in RIGHT.items() for statements in all_],
)
def test_there_are_many_right_ways(dialect, statements):
    assert takers.objection(dialect, statements) == ""


@pytest.mark.parametrize(
    ("statement", "refused"),
    [
        ("ATTACH 'x.db' AS x", "not authorized"),
        ("PRAGMA user_version = 7", "not authorized"),
        ("CREATE TABLE x (y)", "not authorized"),
        ("DROP TABLE one_time_prekeys", "not authorized"),
        ("SELECT load_extension('x')", "not authorized"),
        ("SELECT name AS identifier, sql AS prekey FROM sqlite_master", "prohibited"),
        ("SELECT randomblob(1000000000) AS prekey", "not authorized"),
        (
            "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) "
            "SELECT max(i) AS identifier, 1 AS prekey FROM n",
            "not authorized",
        ),
        ("SELECT 1; SELECT 2", "one statement"),
        ("SELECT :other", "binding"),
    ],
)
def test_a_statement_may_read_and_delete_in_its_table_and_no_more(statement, refused):
    assert refused in takers.objection("sqlite", [statement])


def test_a_statement_that_never_ends_is_stopped():
    crowd = ", ".join(f"one_time_prekeys t{n}" for n in range(20))
    query = f"SELECT count(*) AS identifier, 1 AS prekey FROM {crowd}"
    assert "interrupted" in takers.objection("sqlite", [query])


@pytest.mark.parametrize(
    "statement",
    [
        "",
        "UPDATE one_time_prekeys SET name = :name",
        "SELECT identifier FROM users",
        "SELECT identifier FROM one_time_prekeys LIMIT x",
        "SELECT identifier, FROM one_time_prekeys",
        "DELETE FROM one_time_prekeys WHERE identifier < 3",
        "BEGIN ISOLATION LEVEL READ UNCOMMITTED",
        "SELECT min(identifier) FROM one_time_prekeys WHERE name = :name FOR UPDATE",
        "SELECT identifier FROM one_time_prekeys WHERE name = :user",
        "(" * 5000,
    ],
)
def test_what_the_model_does_not_know_it_says(statement):
    assert "ends with an error" in takers.objection("postgresql", [statement])


def test_a_wrong_list_is_answered_with_its_order_and_a_long_one_is_not_run():
    sqlite = tasks.take_cases(1)[0]
    assert "X1, Y1, X2, Y2" in tasks.take_objection(sqlite, [LOOK, DELETE])
    assert "1 to 5" in tasks.take_objection(sqlite, ["COMMIT"] * 6)


def test_the_experiment_runs_again_at_every_change():
    experiment = scenes.two_takers()
    assert experiment.outcome["verdict"] == FALLS
    experiment.set(way="PostgreSQL: DELETE … RETURNING", keys=3)
    assert experiment.outcome["verdict"] == FALLS
    experiment.set(keys=1)
    assert experiment.outcome["verdict"] == HOLDS
    experiment.set(way="PostgreSQL: look, delete")
    assert experiment.outcome["verdict"] == FALLS
    experiment.set(keys=0)
    assert experiment.outcome["verdict"] == HOLDS


# What the server knows


def test_two_services_on_one_database_share_keys_and_tokens_but_not_limits(tmp_path):
    place = f"sqlite:///{tmp_path / 'service.db'}"
    with running(database=place) as first, running(database=place) as second:
        Party("Bob", HttpTransport(first.url), one_time=20).publish()
        numbers = [number for url in (first.url, second.url) for number in _taken(url)]
    assert len(numbers) == len(set(numbers)) == 12


def _taken(url):
    """The one-time keys that Alice gets at one service until it refuses."""
    network, numbers = HttpTransport(url), []
    with deterministic("Alice of two services"):
        Party("Alice", network)
    with pytest.raises(RateLimited):
        while True:
            bundle = PreKeyBundle.decode(network.fetch("Bob", "Alice"))
            numbers.append(bundle.one_time_prekey_id)
    return numbers


def test_one_count_runs_over_the_letters_of_all_users(tmp_path):
    """What a sender subtracts: his two numbers, and what others sent in between."""
    mailbox = Mailbox(f"sqlite:///{tmp_path / 'letters.db'}")
    before, _ = mailbox.put("Bob", "Alice", b"one", message_id="a1")
    for number in range(5):
        mailbox.put("Dave", "Carol", b"other", message_id=f"c{number}")
    after, _ = mailbox.put("Bob", "Alice", b"two", message_id="a2")
    assert after - before - 1 == 5


def test_the_number_of_keys_left_is_told_to_their_owner_only(tmp_path):
    with running(database=f"sqlite:///{tmp_path / 'service.db'}") as service:
        network = HttpTransport(service.url)
        Party("Bob", network).publish()
        Party("Alice", network)
        with pytest.raises(NotYours):
            network._ask("Alice", "GET", "/v1/users/Bob/counts")


def test_the_table_of_limits_names_the_numbers_of_the_service():
    limits = Limits()
    assert (limits.pair, limits.target) == (Limit(6, 600), Limit(50, 60))
    assert (limits.account, limits.address) == ((100, 20), (1000, 300))
    assert (MAILBOX_LIMIT, ANSWER_SECONDS, TOKEN_SECONDS) == (1000, 3600, 900)
    lesson = (course.root() / "notebooks/17_the_prekey_service.ipynb").read_text("utf-8")
    for words in ("20 requests a second", "burst of 100 ", "300 a second", "burst of 1,000 "):
        assert words in lesson
    for words in ("6 for a pair, then one in 10 minutes", "50 for a target, then one a minute"):
        assert words in lesson


def test_a_gateway_that_made_the_keys_reads_and_this_service_cannot():
    assert gateway.made_by_the_server().succeeded
    assert gateway.kept_by_the_server(5).seen == "the server reads 5 messages"
    assert not any(entry.fails().succeeded for entry in gateway.CATALOGUE)
