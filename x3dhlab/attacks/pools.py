"""What goes wrong with pools of one-time prekeys, most of it on the real store.

A9: a reply that carries the whole pool. A25: anybody drains a pool. A43: retries burn keys. A78: a
refill rule that never reaches its target. A79: numbers that are unique for everybody instead of
for each device. Nobody has to break cryptography for any of these; the owner sees a pool that is
low, or first messages that do not open.
"""

import json
import sqlite3
import threading
from collections import Counter
from dataclasses import dataclass, field, replace

from x3dhlab import prekeys, x3dh
from x3dhlab.attacks import targets
from x3dhlab.attacks.entry import Attack, Result
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


# For the catalogue


class JsonPool:
    """Design C's pool: a JSON text in one field, which each request reads, changes and writes."""

    def __init__(self, count: int):
        self.field = json.dumps(list(range(count)))

    def read(self) -> list[int]:
        """What one request finds."""
        return json.loads(self.field)

    def write(self, numbers: list[int]) -> None:
        """What one request leaves."""
        self.field = json.dumps(numbers)


def race_on_json(requests: int = 8) -> list[int]:
    """A70: all requests read before the first one writes. The number that each gives out."""
    pool = JsonPool(100)
    found = [pool.read() for _ in range(requests)]
    for numbers in found:
        pool.write(numbers[1:])
    return [numbers[0] for numbers in found]


def race_on_store(threads: int = 8, each: int = 10) -> list[int]:
    """The same race on the store of this course: the numbers that all threads got."""
    store, got, start = PreKeyStore(), [], threading.Barrier(threads)
    store.publish("Bob", prekeys.publication(prekeys.generate(one_time=threads * each)))

    def ask():
        start.wait()
        got.extend(store.fetch("Bob").one_time_prekey_id for _ in range(each))

    crowd = [threading.Thread(target=ask) for _ in range(threads)]
    for thread in crowd:
        thread.start()
    for thread in crowd:
        thread.join()
    store.close()
    return got


def _given_twice(numbers):
    twice = len(numbers) - len(set(numbers))
    return Result(twice > 0, f"{len(set(numbers))} keys for {len(numbers)} requests")


def _one_key_for_two() -> Result:
    """A8: a server gives Alice and Carol one bundle; Bob deletes the key after the first."""
    friends = targets.friends()
    network = _Repeating(friends.network, friends.network.fetch("Bob", "Alice"))
    for name in ("Alice", "Carol"):
        targets.Party(name, network).send("Bob", b"hello")
        (received,) = friends.bob.receive()
    return Result(bool(received.error), f"Carol's message: {received.error}")


@dataclass(slots=True)
class _Repeating:
    """A network whose server gives everybody the same bundle."""

    network: targets.LocalTransport
    bundle: bytes

    def fetch(self, name, requester):
        return self.bundle

    def send(self, sender, recipient, data):
        self.network.send(sender, recipient, data)


def _two_keys_for_two() -> Result:
    friends = targets.friends()
    for name in ("Alice", "Carol"):
        targets.Party(name, friends.network).send("Bob", b"hello")
    errors = [received.error for received in friends.bob.receive() if received.error]
    return Result(bool(errors), "Bob reads both", "the store takes and deletes in one step")


def _leak() -> Result:
    store = LeakyStore()
    store.put("Bob", {"one_time": [(n, b"key") for n in range(100)]})
    reply, _ = store.get_and_pop("Bob")
    return Result(len(reply["one_time"]) > 1, f"{len(reply['one_time'])} keys in one reply")


def _no_leak() -> Result:
    store = PreKeyStore()
    offer = prekeys.publication(prekeys.generate(one_time=100))
    store.publish("Bob", offer)
    reply = store.fetch("Bob").encode()
    store.close()
    keys = [key.one_time_prekey for key in offer.one_time_prekeys if key.one_time_prekey in reply]
    return Result(len(keys) > 1, f"{len(keys)} key in the reply", "a PreKeyBundle has room for one")


def _retries(leases: bool) -> Result:
    store = PreKeyStore()
    store.publish("Bob", prekeys.publication(prekeys.generate(one_time=20)))
    fetch_stubbornly(LosingNetwork(store, 9, leases), "Bob")
    gone = 20 - store.count("Bob")
    store.close()
    return Result(
        gone > 1, f"{gone} keys gone for one session", "" if gone > 1 else "a request number"
    )


def _never_full() -> Result:
    top = max(live(DESIGN_C).refilled_to, 0)
    seen = f"after the first refill never more than {top}; the target is 100"
    return Result(top < DESIGN_C.target, seen)


def _full_again() -> Result:
    friends = targets.friends(one_time=2)
    friends.bob.replenish()
    left = friends.network.count("Bob")
    return Result(left < 100, f"{left} keys after a refill", "a whole batch is made and published")


def _one_number_space(upload) -> Result:
    """A79: Alice and Bob both count from 1."""
    try:
        upload()
    except sqlite3.IntegrityError as problem:
        return Result(True, str(problem))
    return Result(False, "both pools are complete", "numbers belong to a user")


def _global_upload():
    table = GlobalNumbers()
    for name in ("Alice", "Bob"):
        table.upload(name, {1: b"key"})


CATALOGUE = (
    Attack(
        "A8",
        "One one-time key for two people",
        "SD",
        "03",
        "The server hands out a key twice.",
        "Two different secrets, and the second first message does not open.",
        "Choose and delete the key in one step; remember its number.",
        "X3DH §4.7; design B's challenge.",
        works=_one_key_for_two,
        fails=_two_keys_for_two,
    ),
    Attack(
        "A9",
        "The whole pool in one reply",
        "I",
        "03",
        "The server returns the stored object instead of a reply made for one request.",
        "The caller gets every one-time key.",
        "A new reply with one key in it, and a test of all bytes that leave.",
        "Design B's sample code.",
        works=_leak,
        fails=_no_leak,
    ),
    Attack(
        "A43",
        "Requests that take a key each",
        "D",
        "03",
        "Replies get lost, and the client asks again.",
        "Ten one-time keys are gone for one session.",
        "One number for each request; the server repeats its reply to that number.",
        "Analysis.",
        works=lambda: _retries(leases=False),
        fails=lambda: _retries(leases=True),
    ),
    Attack(
        "A70",
        "A pool that two requests read at once",
        "D",
        "17",
        "Reading, changing and writing the pool are three steps.",
        "Several requests get one and the same key.",
        "A deletion in the database that returns what it deleted.",
        "Design C stores its pool as a JSON text.",
        works=lambda: _given_twice(race_on_json()),
        fails=lambda: replace(_given_twice(race_on_store()), stopped_by="DELETE … RETURNING"),
    ),
    Attack(
        "A78",
        "A refill that misses its target",
        "D",
        "03",
        "Refill 50 below 20, with a target of 100.",
        "After the first refill the pool is never larger than 69.",
        "Fill up to the target, or make whole batches and say so.",
        "Design C's three numbers.",
        works=_never_full,
        fails=_full_again,
    ),
    Attack(
        "A79",
        "One table of numbers for everybody",
        "I",
        "03",
        "The number that a client counts is the key of the whole table.",
        "The second user cannot publish, or overwrites the first one's keys.",
        "User, device and number together are the key.",
        "Design A's table.",
        works=lambda: _one_number_space(_global_upload),
        fails=lambda: _one_number_space(targets.friends),
    ),
)
