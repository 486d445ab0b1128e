"""What goes wrong with pools of one-time prekeys, most of it on the real store.

A9: a reply that carries the whole pool. A25: anybody drains a pool. A43: retries burn keys. A78: a
refill rule that never reaches its target. A79: numbers that are unique for everybody instead of
for each device. Nobody has to break cryptography for any of these; the owner sees a pool that is
low, or first messages that do not open.
"""

import sqlite3
import threading
from collections import Counter
from dataclasses import dataclass, field

from x3dhlab import prekeys, x3dh
from x3dhlab.errors import UsedPreKey
from x3dhlab.keys import KeyPair
from x3dhlab.service.store import PreKeyStore
from x3dhlab.wire import BATCH_LIMIT, PreKeyBundle

# A9


class LeakyStore:
    """Design B's sample in our own words: take the first key of a pool, and return its bundle.

    The reply is the object from before the change, so that it carries the whole pool. The lock
    changes nothing about that.
    """

    def __init__(self):
        self._bundles: dict[str, dict] = {}
        self._lock = threading.Lock()

    def put(self, name: str, bundle: dict) -> None:
        """Store a bundle whose `one_time` is the list of (number, public key)."""
        self._bundles[name] = bundle

    def get_and_pop(self, name: str) -> tuple[dict, tuple | None]:
        """The bundle, and one key out of it."""
        with self._lock:
            bundle = self._bundles[name]
            pool = bundle["one_time"]
            if not pool:
                return bundle, None
            self._bundles[name] = {**bundle, "one_time": pool[1:]}
            return bundle, pool[0]


def use_first(bundle: PreKeyBundle, number: int, public: bytes, ring) -> str:
    """Mallory starts a session with a key that the server has not handed out yet; Alice gets it.

    `ring` is Bob's. Returns what Bob says when Alice's message names the same key.
    """
    mallory = KeyPair.generate()
    early = PreKeyBundle(
        bundle.identity_key,
        bundle.signed_prekey_id,
        bundle.signed_prekey,
        bundle.signed_prekey_signature,
        number,
        public,
    )
    message, _ = x3dh.initiate(mallory, early)
    signed = prekeys.find_signed(ring, message.signed_prekey_id)
    one_time = prekeys.find_one_time(ring, number)
    x3dh.respond(ring.identity, signed, one_time, message)
    ring = prekeys.burn(ring, number)
    try:
        prekeys.find_one_time(ring, number)
    except UsedPreKey as refusal:
        return refusal.args[0]
    return "Bob can read it"


# A79


class GlobalNumbers:
    """Design A's table: the number that a client counts is the key of the whole table.

    `on_conflict` is "ABORT" or "REPLACE", in SQLite's words.
    """

    def __init__(self, on_conflict: str = "ABORT"):
        self._insert = f"INSERT OR {on_conflict} INTO one_time VALUES (?, ?, ?)"
        self._database = sqlite3.connect(":memory:")
        self._database.execute("CREATE TABLE one_time (id INTEGER PRIMARY KEY, user, public)")

    def upload(self, user: str, keys: dict[int, bytes]) -> None:
        """Add one-time keys by number. Raises `sqlite3.IntegrityError` for a number in use."""
        rows = [(number, user, public) for number, public in keys.items()]
        with self._database:
            self._database.executemany(self._insert, rows)

    def count(self, user: str) -> int:
        """How many keys of this user are left."""
        query = "SELECT count(*) FROM one_time WHERE user = ?"
        return self._database.execute(query, (user,)).fetchone()[0]


# A78


@dataclass(frozen=True, slots=True)
class Rule:
    """When and how much a phone refills. `fixed` is a number of keys; None fills up to `target`."""

    low: int = 20
    target: int = 100
    fixed: int | None = None
    every: int = 1  # the phone looks after this many requests

    def amount(self, left: int) -> int:
        """How many keys to make when `left` are on the server."""
        if left >= self.low:
            return 0
        return min(BATCH_LIMIT, self.target - left if self.fixed is None else self.fixed)


DESIGN_C = Rule(fixed=50)
FILL_UP = Rule()


@dataclass(frozen=True, slots=True)
class Life:
    """A pool over time: its size after each request, the refills, and requests that got no key."""

    levels: list[int]
    refills: list[int]
    without_key: int

    @property
    def refilled_to(self) -> int:
        """The largest pool that any refill made; 0 if there was none."""
        return max((self.levels[place] for place in self.refills), default=0)


def live(rule: Rule, requests: int = 240, start: int = 100) -> Life:
    """Run it on a real store: strangers fetch bundles, the phone looks and refills."""
    store = PreKeyStore()
    ring = prekeys.generate(one_time=start)
    store.publish("Bob", prekeys.publication(ring))
    levels, refills, without = [store.count("Bob")], [], 0
    for turn in range(1, requests + 1):
        without += store.fetch("Bob").one_time_prekey is None
        left = store.count("Bob")
        amount = rule.amount(left) if turn % rule.every == 0 else 0
        if amount > 0:
            since, ring = ring.next_id, prekeys.add_one_time(ring, amount)
            store.replenish("Bob", prekeys.publication(ring, since=since).one_time_prekeys)
            left = store.count("Bob")
            refills.append(turn)
        levels.append(left)
    store.close()
    return Life(levels, refills, without)


# A43


@dataclass(slots=True)
class LosingNetwork:
    """Loses the first `lost` replies of a store, after the store has done its work.

    With `leases`, the store remembers its reply to a request number, and gives it again.
    """

    store: PreKeyStore
    lost: int
    leases: bool = False
    _replies: dict = field(default_factory=dict)

    def fetch(self, name: str, request: str) -> PreKeyBundle:
        """Raises `TimeoutError` for a lost reply."""
        bundle = self._replies.get(request) if self.leases else None
        if bundle is None:
            bundle = self._replies[request] = self.store.fetch(name)
        if self.lost > 0:
            self.lost -= 1
            raise TimeoutError("no reply")
        return bundle


def fetch_stubbornly(network: LosingNetwork, name: str, tries: int = 20) -> PreKeyBundle:
    """A client that asks again, with the same request number, until a reply comes."""
    for _ in range(tries):
        try:
            return network.fetch(name, "request 1")
        except TimeoutError:
            continue
    raise TimeoutError(f"no reply in {tries} tries")


# A25

BURST = 6  # bundles at once for one requester and one target, as Signal-Server allows


@dataclass(slots=True)
class LimitedStore:
    """Answers one requester at most `burst` times for one target. No time passes here."""

    store: PreKeyStore
    burst: int | None = BURST
    _asked: Counter = field(default_factory=Counter)

    def fetch(self, name: str, requester: str) -> PreKeyBundle | None:
        """A bundle, or None when this requester has asked too often."""
        self._asked[requester, name] += 1
        if self.burst is not None and self._asked[requester, name] > self.burst:
            return None
        return self.store.fetch(name)


@dataclass(frozen=True, slots=True)
class Drained:
    """After the attack: keys that are left, and the bundle that Alice gets."""

    left: int
    refused: int
    bundle: PreKeyBundle


def drain(requests: int, accounts: int = 1, burst: int | None = None, pool: int = 100) -> Drained:
    """Mallory asks `requests` times for Bob's bundle, from several accounts; then Alice asks."""
    store = PreKeyStore()
    store.publish("Bob", prekeys.publication(prekeys.generate(one_time=pool)))
    service = LimitedStore(store, burst)
    replies = [service.fetch("Bob", f"Mallory {n % accounts}") for n in range(requests)]
    left = store.count("Bob")
    bundle = service.fetch("Bob", "Alice")
    store.close()
    return Drained(left, sum(reply is None for reply in replies), bundle)
