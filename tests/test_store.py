"""The prekey store: one key for one request, refusals, and databases that cannot be used."""

import multiprocessing
import sqlite3
import threading
from dataclasses import replace

import pytest

from x3dhlab import prekeys, x3dh
from x3dhlab.errors import (
    BadSignature,
    DuplicatePreKey,
    IdentityMismatch,
    InvalidField,
    StoreUnavailable,
    UnknownUser,
    WrongLength,
    WrongType,
)
from x3dhlab.service.store import NAME_LIMIT, PreKeyStore
from x3dhlab.wire import OneTimePreKey

PROCESSES = 8


@pytest.fixture(scope="module")
def ring():
    return prekeys.generate(one_time=3)


@pytest.fixture(scope="module")
def publication(ring):
    return prekeys.publication(ring)


@pytest.fixture(params=["memory", "file", "postgres"])
def store(request, tmp_path):
    if request.param == "postgres":
        url = request.getfixturevalue("new_postgres")()
    else:
        url = "sqlite://" if request.param == "memory" else f"sqlite:///{tmp_path}/keys.db"
    store = PreKeyStore(url)
    yield store
    store.close()


def numbered(numbers):
    """One-time prekeys whose public bytes are their number: the store does not use keys."""
    return [OneTimePreKey(number, number.to_bytes(32, "big")) for number in numbers]


def test_each_fetch_takes_another_key_and_then_there_is_none(store, publication):
    store.publish("Bob", publication)
    expected = [(k.one_time_prekey_id, k.one_time_prekey) for k in publication.one_time_prekeys]
    bundles = [store.fetch("Bob") for _ in range(4)]
    got = [(bundle.one_time_prekey_id, bundle.one_time_prekey) for bundle in bundles]
    assert got == [*expected, (None, None)]
    assert store.count("Bob") == 0
    for bundle in bundles:
        x3dh.check_bundle(bundle)


def test_replenishing_fills_an_empty_pool(store, publication):
    store.publish("Bob", replace(publication, one_time_prekeys=()))
    assert store.fetch("Bob").one_time_prekey_id is None
    store.replenish("Bob", numbered([7, 8]))
    assert store.count("Bob") == 2
    assert [store.fetch("Bob").one_time_prekey_id for _ in range(3)] == [7, 8, None]


def test_an_issued_key_that_is_uploaded_again_is_not_issued_again(store, publication):
    store.publish("Bob", publication)
    first = store.fetch("Bob").one_time_prekey_id
    store.publish("Bob", publication)
    left = [store.fetch("Bob").one_time_prekey_id for _ in range(3)]
    assert first not in left
    assert left[-1] is None


def test_publishing_the_same_keys_again_changes_nothing(store, publication):
    store.publish("Bob", publication)
    store.publish("Bob", publication)
    assert store.count("Bob") == 3


def test_two_users_do_not_share_a_pool(store, publication):
    store.publish("Bob", publication)
    other = prekeys.publication(prekeys.generate(one_time=1))
    store.publish("Carol", other)
    assert store.fetch("Carol").identity_key == other.identity_key
    assert (store.count("Carol"), store.count("Bob")) == (0, 3)


def test_a_new_signed_prekey_replaces_the_old_one(store, ring, publication):
    store.publish("Bob", publication)
    rotated = prekeys.rotate(ring)
    store.publish("Bob", prekeys.publication(rotated, since=ring.next_id))
    assert store.fetch("Bob").signed_prekey_id == rotated.current
    assert store.count("Bob") == 2


def test_kem_prekeys_are_taken_once_and_the_last_resort_stays(store):
    ring = prekeys.generate(one_time=1, kem="ML-KEM-768")
    store.publish("Bob", prekeys.publication(ring))
    one_time, last = next(iter(ring.kem_one_time)), next(iter(ring.kem_last_resort))
    assert [store.fetch("Bob").kem_prekey_id for _ in range(3)] == [one_time, last, last]


def test_a_database_outlives_its_store(database_url, publication):
    PreKeyStore(database_url).publish("Bob", publication)
    first = PreKeyStore(database_url).fetch("Bob").one_time_prekey_id
    assert PreKeyStore(database_url).fetch("Bob").one_time_prekey_id == first + 1


# Refusals change nothing


def refused(store, error, call):
    before = store.count("Bob")
    with pytest.raises(error) as caught:
        call()
    assert "§" in caught.value.step
    assert store.count("Bob") == before


def test_a_refused_upload_changes_nothing(store, ring, publication):
    store.publish("Bob", publication)
    other = prekeys.publication(prekeys.generate(one_time=1))
    taken = replace(publication.one_time_prekeys[1], one_time_prekey=bytes(32))
    fresh = numbered([77])
    short = OneTimePreKey(78, b"short")
    kem = prekeys.publication(prekeys.generate(one_time=1, kem="ML-KEM-768")).kem_prekeys
    uploads = [
        (IdentityMismatch, lambda: store.publish("Bob", other)),
        (BadSignature, lambda: store.publish("Bob", replace(publication, signed_prekey=bytes(32)))),
        (BadSignature, lambda: store.publish("Bob", replace(publication, kem_prekeys=kem))),
        (BadSignature, lambda: store.replenish("Bob", fresh, kem)),
        (DuplicatePreKey, lambda: store.replenish("Bob", [*fresh, taken])),
        (DuplicatePreKey, lambda: store.replenish("Bob", [*numbered([5, 6]), taken])),
        (WrongLength, lambda: store.replenish("Bob", [*fresh, short])),
        (WrongType, lambda: store.replenish("Bob", [*fresh, b"key"])),
        (WrongType, lambda: store.replenish("Bob", fresh, [b"key"])),
        (WrongType, lambda: store.publish("Bob", publication.encode())),
        (WrongType, lambda: store.publish("Bob", replace(publication, one_time_prekeys=(b"k",)))),
        (UnknownUser, lambda: store.replenish("Carol", fresh)),
        (UnknownUser, lambda: store.fetch("Carol")),
        (UnknownUser, lambda: store.count("Carol")),
    ]
    for error, call in uploads:
        refused(store, error, call)
    assert store.fetch("Bob").identity_key == ring.identity.public


def test_two_keys_of_one_number_in_one_upload_are_refused(store, publication):
    store.publish("Bob", publication)
    twice = [OneTimePreKey(50, bytes(32)), OneTimePreKey(50, b"\x01" * 32)]
    refused(store, DuplicatePreKey, lambda: store.replenish("Bob", twice))


@pytest.mark.parametrize("name", ["", "x" * (NAME_LIMIT + 1), b"Bob", None])
def test_a_name_is_a_short_text(store, publication, name):
    for call in (
        lambda: store.fetch(name),
        lambda: store.count(name),
        lambda: store.publish(name, publication),
        lambda: store.replenish(name, []),
    ):
        with pytest.raises((WrongType, InvalidField)) as caught:
            call()
        assert caught.value.step == "X3DH §3.2"


@pytest.mark.parametrize("name", ["'; DROP TABLE users; --", "Bøb 🔑", "%", "a" * NAME_LIMIT])
def test_a_name_is_never_a_command(store, publication, name):
    store.publish("Bob", publication)
    store.publish(name, publication)
    assert store.fetch(name).one_time_prekey_id == store.fetch("Bob").one_time_prekey_id


# Many at once


def drain(url):
    """Fetch until the pool is dry: the numbers that this process got."""
    store, got = PreKeyStore(url), []
    while (bundle := store.fetch("Bob")).one_time_prekey_id is not None:
        assert bundle.one_time_prekey == bundle.one_time_prekey_id.to_bytes(32, "big")
        got.append(bundle.one_time_prekey_id)
    store.close()
    return got


@pytest.mark.parametrize("pool_size", [400, pytest.param(5000, marks=pytest.mark.full)])
def test_eight_processes_get_every_key_exactly_once(database_url, publication, pool_size):
    store = PreKeyStore(database_url)
    store.publish("Bob", replace(publication, one_time_prekeys=()))
    store.replenish("Bob", numbered(range(1, pool_size + 1)))
    with multiprocessing.get_context("spawn").Pool(PROCESSES) as pool:
        shares = pool.map(drain, [database_url] * PROCESSES, chunksize=1)
    issued = [number for share in shares for number in share]
    assert sorted(issued) == list(range(1, pool_size + 1))
    assert store.count("Bob") == 0
    bundle = store.fetch("Bob")
    assert (bundle.one_time_prekey_id, bundle.one_time_prekey) == (None, None)
    x3dh.check_bundle(bundle)


def test_threads_share_a_store_in_memory(publication):
    store, got = PreKeyStore(), []
    store.publish("Bob", replace(publication, one_time_prekeys=()))
    store.replenish("Bob", numbered(range(200)))

    def work():
        got.extend(store.fetch("Bob").one_time_prekey_id for _ in range(25))

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(got) == list(range(200))


# Databases that cannot be used


@pytest.fixture
def file(tmp_path, publication):
    """A database file with Bob's three keys."""
    path = tmp_path / "keys.db"
    store = PreKeyStore(f"sqlite:///{path}")
    store.publish("Bob", publication)
    store.close()
    return path


def unavailable(call):
    with pytest.raises(StoreUnavailable) as caught:
        call()
    message = str(caught.value)
    assert message.startswith("the prekey store cannot be used: ")
    assert "\n" not in message
    assert caught.value.step == "X3DH §2.3"
    return caught.value.data["reason"]


def keys_left(path):
    with sqlite3.connect(path) as connection:
        return connection.execute("SELECT count(*) FROM one_time_prekeys").fetchone()[0]


def test_a_read_only_database_is_unavailable_and_loses_nothing(file):
    before = file.read_bytes()
    url = f"sqlite:///file:{file}?mode=ro&uri=true"
    assert "readonly" in unavailable(lambda: PreKeyStore(url).fetch("Bob"))
    assert file.read_bytes() == before


def test_a_locked_database_is_unavailable_and_works_again_afterwards(file):
    store = PreKeyStore(f"sqlite:///{file}", busy_seconds=0.05)
    holder = sqlite3.connect(file, isolation_level=None)
    holder.execute("BEGIN EXCLUSIVE")
    for call in (
        lambda: store.fetch("Bob"),
        lambda: store.count("Bob"),
        lambda: store.replenish("Bob", numbered([77])),
        lambda: PreKeyStore(f"sqlite:///{file}", busy_seconds=0.05),
    ):
        assert "locked" in unavailable(call)
    holder.execute("ROLLBACK")
    assert store.count("Bob") == 3
    assert store.fetch("Bob").one_time_prekey_id is not None


def test_a_directory_is_no_database(tmp_path):
    assert "unable to open" in unavailable(lambda: PreKeyStore(f"sqlite:///{tmp_path}"))


def test_a_missing_folder_is_named_as_such(tmp_path):
    assert "unable to open" in unavailable(lambda: PreKeyStore(f"sqlite:///{tmp_path}/no/keys.db"))
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_is_no_database_is_left_alone(tmp_path):
    path = tmp_path / "letter.txt"
    path.write_text("Dear Bob, " * 200)
    before = path.read_bytes()
    assert "not a database" in unavailable(lambda: PreKeyStore(f"sqlite:///{path}"))
    assert path.read_bytes() == before


def test_a_damaged_database_is_unavailable(file):
    store = PreKeyStore(f"sqlite:///{file}")
    file.write_bytes(b"x" * len(file.read_bytes()))
    unavailable(lambda: store.fetch("Bob"))


@pytest.mark.parametrize("url", ["nonsense", "", "carrier-pigeon://coop", "oracle://h/x"])
def test_an_address_that_names_no_database_is_unavailable(url):
    unavailable(lambda: PreKeyStore(url))


def test_an_address_is_a_text():
    with pytest.raises(WrongType):
        PreKeyStore(None)


def test_a_fetch_that_fails_after_taking_a_key_puts_it_back(file, monkeypatch):
    store = PreKeyStore(f"sqlite:///{file}")
    with sqlite3.connect(file) as connection:
        connection.execute("DROP TABLE issued_prekeys")
    unavailable(lambda: store.fetch("Bob"))
    assert keys_left(file) == 3
