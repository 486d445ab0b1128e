"""Many clients at once: every key once, every message at least once. `service_load` has figures."""

import asyncio

import pytest
import service_load


def test_clients_in_a_closed_loop_get_every_key_once(database_url):
    clients, each = 8, 20
    service_load.stock(database_url, clients * each).close()
    with service_load.served(database_url) as (_, address):
        accounts = service_load.tokens(address, [f"client-{n}" for n in range(clients)])
        load = asyncio.run(service_load.closed_loop(address, accounts.values(), each=each))
    assert load.errors == []
    assert sorted(load.got) == list(range(1, clients * each + 1))


@pytest.mark.parametrize(
    ("phones", "each"), [(5, 40), pytest.param(50, 100, marks=pytest.mark.full)]
)
def test_every_message_arrives_although_the_service_is_killed(database_url, phones, each):
    with service_load.Restarting(database_url) as service:
        accounts = service_load.tokens(service.address, [f"phone-{n}" for n in range(phones)])
        killed = []

        def kill():
            killed.append(True)
            service.restart()

        load = asyncio.run(service_load.relay(service.address, accounts, each=each, midway=kill))
    assert load.errors == []
    assert killed
    assert set(load.got) == {f"phone-{p} {n}" for p in range(phones) for n in range(each)}


def test_a_commit_serves_many_fetches_and_each_has_its_own_key(database_url):
    store = service_load.stock(database_url, 200)
    load = asyncio.run(service_load.fetches(store, clients=10, each=20))
    assert sorted(load.got) == list(range(1, 201))
    assert store.count(service_load.TARGET) == 0
