"""Processes that are killed: no key is issued twice, none is lost, nothing is half done."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import fetching
import pytest

from x3dhlab import prekeys
from x3dhlab.service.store import PreKeyStore
from x3dhlab.wire import OneTimePreKey


def stock(url, count):
    """A store with `count` one-time prekeys, numbered from 1."""
    store = PreKeyStore(url)
    publication = prekeys.publication(prekeys.generate(one_time=1))
    store.publish(fetching.TARGET, replace(publication, one_time_prekeys=()))
    for first in range(1, count + 1, 1000):
        numbers = range(first, min(first + 1000, count + 1))
        keys = [OneTimePreKey(number, number.to_bytes(32, "big")) for number in numbers]
        store.replenish(fetching.TARGET, keys)
    return store


@pytest.mark.parametrize(
    ("clients", "count", "kills"),
    [(3, 40, 2), pytest.param(8, 10_000, 5, marks=pytest.mark.full)],
)
def test_clients_that_are_killed_and_return_get_every_key_exactly_once(
    database_url, clients, count, kills
):
    store = stock(database_url, clients * count)
    with ThreadPoolExecutor(clients) as pool:
        work = [
            pool.submit(fetching.fetch, database_url, f"client {n}", count, kills)
            for n in range(clients)
        ]
    issued = [number for done in work for number in done.result()]
    assert sorted(issued) == list(range(1, clients * count + 1))
    assert store.count(fetching.TARGET) == 0
