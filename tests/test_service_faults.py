"""Processes that are killed: no key is issued twice, none is lost, nothing is half done."""

import base64
import contextlib
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace

import crashing
import fetching
import pytest
import sqlalchemy

from x3dhlab import prekeys
from x3dhlab.errors import StoreUnavailable
from x3dhlab.keys import KeyPair
from x3dhlab.messaging.devices import sign_list
from x3dhlab.primitives import sign
from x3dhlab.service.client import HttpTransport
from x3dhlab.service.store import PreKeyStore
from x3dhlab.wire import OneTimePreKey, PreKeyBundle


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


# The service dies between two of its writes


MOST = 200  # points; more than there are
FETCHING = 1  # answers that a day has when it asks for a bundle


@dataclass
class Day:
    """What two people want of the service, step by step; each step has its number."""

    number: int
    ring: prekeys.PreKeyRing
    alice: KeyPair = field(default_factory=KeyPair.generate)
    answers: list = field(default_factory=list)

    def __post_init__(self):
        identity = self.ring.identity
        self.publication = prekeys.publication(self.ring)
        self.devices = sign_list(identity, {"phone": identity.public}, 1)
        self.people = {f"Alice {self.number}": self.alice, self.bob: identity}

    @property
    def bob(self):
        return f"Bob {self.number}"

    @property
    def steps(self):
        alice, bob = f"Alice {self.number}", self.bob
        users, mailbox = f"/v1/users/{bob}", f"/v1/mailboxes/{bob}"
        return [
            lambda to: to.publish(bob, self.publication.encode()),
            lambda to: to._ask(alice, "POST", f"{users}/bundles", {"Idempotency-Key": "1"}),
            lambda to: to._ask(alice, "POST", f"{mailbox}/messages", id="1", envelope=b"letter"),
            lambda to: to._ask(bob, "PUT", f"{users}/devices", list=self.devices),
            lambda to: to._ask(bob, "GET", f"{mailbox}/messages"),
            lambda to: to._ask(
                bob, "POST", f"{mailbox}/acknowledgements", sequences=[self.letter["sequence"]]
            ),
        ]

    @property
    def letter(self):
        (letter,) = self.answers[4]["messages"]
        return letter

    def go_on(self, url):
        """The steps that are not answered yet, the first of them once more."""
        with contextlib.closing(HttpTransport(url, patience=0)) as transport:
            for name, keys in (
                (f"Alice {self.number}", self.alice),
                (self.bob, self.ring.identity),
            ):
                signing = lambda told, keys=keys: sign(keys.private, told)  # noqa: E731
                transport.introduce(name, keys.public, signing)
            for step in self.steps[len(self.answers) :]:
                self.answers.append(step(transport))


def numbers(store, table, name):
    statement = sqlalchemy.text(f"SELECT kind, identifier FROM {table} WHERE name = :name")
    with store.database.transaction() as connection:
        return {tuple(row) for row in connection.execute(statement, {"name": name})}


def check(store, day):
    """The day ended as if nobody had died."""
    bundle = PreKeyBundle.decode(base64.b64decode(day.answers[1]["bundle"]))
    taken = {("EC", bundle.one_time_prekey_id), ("KEM", bundle.kem_prekey_id)}
    published = {("EC", key.one_time_prekey_id) for key in day.publication.one_time_prekeys}
    published |= {("KEM", key.kem_prekey_id) for key in day.publication.kem_prekeys}
    assert numbers(store, "issued_prekeys", day.bob) == taken
    assert numbers(store, "one_time_prekeys", day.bob) == published - taken
    assert len(published - taken) == 2
    assert store.devices(day.bob) == day.devices
    assert base64.b64decode(day.letter["envelope"]) == b"letter"
    with store.database.transaction() as connection:
        waiting = sqlalchemy.text("SELECT count(*) FROM letters WHERE recipient = :name")
        assert connection.execute(waiting, {"name": day.bob}).scalar_one() == 0


@pytest.mark.parametrize("apart", [4, pytest.param(1, marks=pytest.mark.full)])
def test_a_service_that_dies_at_a_write_and_returns_has_lost_and_doubled_nothing(
    database_url, apart
):
    ring, store = prekeys.generate(one_time=2, kem="ML-KEM-768"), None
    with contextlib.ExitStack() as stack:
        service = stack.enter_context(crashing.service(database_url))
        point, died = 0, True
        while died and point < MOST:
            day = Day(point, ring)
            service.arm(point)
            with contextlib.suppress(StoreUnavailable):
                day.go_on(service.url)
            died = service.died()
            # A fetch can lose or double a key: it dies at every point of it.
            point += 1 if len(day.answers) == FETCHING else apart
            if died:
                service = stack.enter_context(crashing.service(database_url))
            day.go_on(service.url)
            store = store or PreKeyStore(database_url)
            check(store, day)
    assert not died and point > 20
