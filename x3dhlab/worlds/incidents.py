"""Incidents: a few first messages do not open, and one of seven faults is the cause.

A fleet of phones runs for six weeks. `generate` draws everything that chance decides, and a fault;
`run` plays the weeks with real parties, a real store and real messages (`Real`), or with numbers
only (`Counted`), and both write the same history. To repair is to change the `Rules` and to run
the same weeks again. What can be asked about a history is in `evidence`.

Not in this world: answers, groups, and attackers. Every fault is an honest mistake.
"""

import functools
import random
from dataclasses import dataclass, field, replace
from types import SimpleNamespace

import simpy

from x3dhlab import prekeys, primitives, session, x3dh
from x3dhlab.attacks.careless import UNCHECKED
from x3dhlab.errors import (
    BadSignature,
    DecryptionFailed,
    DuplicatePreKey,
    OldMessage,
    PreKeyProblem,
    Refused,
    Replayed,
    StalePreKey,
    UnknownPreKey,
    UsedPreKey,
)
from x3dhlab.party import Party
from x3dhlab.service.metrics import (
    ONE_TIME_KEY_MISSING,
    REPLAY,
    SIGNATURE_INVALID,
    SIGNED_PREKEY_UNKNOWN,
)
from x3dhlab.service.store import PreKeyStore
from x3dhlab.wire import PreKeyBundle, Publication
from x3dhlab.worlds.history import History, line
from x3dhlab.worlds.network import DAY, HOUR, MINUTE, at

PHONES, DAYS, MESSAGES, BURST = 16, 42, 110, 13
OLD, NEW = "7.1", "7.2"  # versions of the app; the newer one is on few phones yet
REGIONS = ("north", "east", "south", "west")
QUEUES = ("q1", "q2", "q3", "q4")
ROTATION, RETENTION, TTL = 7 * DAY, 14 * DAY, 9 * DAY
BATCH, REFILL_BELOW = 10, 4
OTHER = "other"  # a refusal that has no counter of its own

# What goes first when two things fall into one millisecond.
_COPY, _FETCH, _ARRIVE, _RESTORE, _WAKE = range(5)


@dataclass(frozen=True, slots=True)
class Rules:
    """How the fleet works. The defaults are sound; each fault changes one of them.

    `retention` is in milliseconds. `hasty` and `raw` name a version: the first deletes the old
    private half as soon as it rotates, the second checks the signature over SPK and not over
    Encode(SPK). `ttl` is the age at which the server hands a signed prekey out no more, counted
    by its own clock or, without `server_stamps`, from the phone's. `saves`: a phone saves its
    state after every change, so that a backup is never older than its keys.
    """

    retention: int = RETENTION
    needs_one_time: bool = False
    hasty: str = ""
    stuck: bool = False
    ttl: int | None = None
    server_stamps: bool = True
    slow: bool = False
    raw: str = ""
    checks: bool = True
    saves: bool = True


CAUSES: dict[str, dict] = {
    "exhaustion": {"needs_one_time": True},
    "premature deletion": {"hasty": NEW},
    "stale region": {"stuck": True},
    "expiry by a wrong clock": {"ttl": TTL, "server_stamps": False},
    "queue delay": {"slow": True},
    "signature encoding": {"raw": NEW},
    "lost client state": {"saves": False},
}
# The repair of each cause, in the same order, then two shortcuts.
FIXES: dict[str, dict] = {
    "start without a one-time prekey when the pool is dry": {"needs_one_time": False},
    f"make {NEW} keep old private halves for the agreed time": {"hasty": ""},
    "bring the copy of the region up to date": {"stuck": False},
    "stamp prekeys with the server's clock": {"server_stamps": True},
    "give the slow queue more workers": {"slow": False},
    f"make {NEW} check the signature over Encode(SPK)": {"raw": ""},
    "save the state at every change": {"saves": True},
    "keep old private halves for 60 days": {"retention": 60 * DAY},
    "accept every signature": {"raw": "", "checks": False},
}
REPAIR: dict[str, str] = dict(zip(CAUSES, FIXES, strict=False))
SHORTCUTS: tuple[str, ...] = tuple(FIXES)[len(CAUSES) :]


@dataclass(frozen=True, slots=True)
class Phone:
    """What chance gives a phone; its clock is ahead by `clock` milliseconds."""

    name: str
    version: str
    queue: str
    clock: int
    wakes: int
    due: int
    # It breaks at the first time and gets back what it had at the second one.
    restored: tuple[int, int] | None = None


@dataclass(frozen=True, slots=True)
class Writer:
    """Somebody who fetches a bundle at `time` and sends a first message, once.

    It arrives `delay` later, `late` later if its queue is slow that day, and again after `copy`.
    """

    number: int
    recipient: str
    time: int
    version: str
    region: str
    delay: int
    late: int
    copy: int | None


@dataclass(frozen=True, slots=True)
class Plan:
    """Everything that chance decides: phones, writers, and what a fault would hit, and when."""

    phones: tuple[Phone, ...]
    writers: tuple[Writer, ...]
    region: str
    stuck_from: int
    queue: str
    slow: tuple[int, int]


@dataclass(frozen=True, slots=True)
class Incident:
    """One ticket: its number and its weeks. The cause is what somebody has to find."""

    number: int
    plan: Plan = field(repr=False)
    cause: str = field(repr=False)
    rules: Rules = field(repr=False)


def plan(rng: random.Random) -> Plan:
    """Draw the chances of one fleet. The same generator state gives the same plan."""
    phones = _phones(rng)
    start, begin = rng.randint(11 * DAY, 14 * DAY), rng.randint(4 * DAY, 12 * DAY)
    writers = [_writer(rng, rng.choice(phones).name) for _ in range(MESSAGES)]
    popular, noon = rng.choice(phones).name, rng.randint(3 * DAY, 33 * DAY)
    writers += [
        replace(_writer(rng, popular), time=noon + rng.randint(0, 4 * HOUR)) for _ in range(BURST)
    ]
    writers.sort(key=lambda one: one.time)
    return Plan(
        phones=tuple(phones),
        writers=tuple(replace(one, number=n) for n, one in enumerate(writers)),
        region=rng.choice(REGIONS),
        stuck_from=start,
        queue=rng.choice(QUEUES),
        slow=(begin, begin + 6 * DAY),
    )


def _phones(rng):
    new, slow = set(rng.sample(range(PHONES), 3)), rng.randrange(PHONES)
    broken = rng.sample(range(PHONES), 4)
    phones = []
    for number in range(PHONES):
        clock = -rng.randint(3 * DAY, 6 * DAY) if number == slow else rng.randint(-MINUTE, MINUTE)
        time = rng.randint(14 * DAY, 28 * DAY)
        age = rng.randint(6 * DAY, 10 * DAY) if number in broken[1:] else rng.randint(HOUR, DAY)
        phones.append(
            Phone(
                name=f"p{number}",
                version=NEW if number in new else OLD,
                queue=QUEUES[number % len(QUEUES)],
                clock=clock,
                wakes=rng.randrange(DAY),
                due=rng.randint(1, ROTATION),
                restored=(time, time - age) if number in broken else None,
            )
        )
    return phones


def _writer(rng, recipient):
    return Writer(
        number=0,
        recipient=recipient,
        time=rng.randint(DAY, 33 * DAY),
        version=NEW if rng.random() < 0.06 else OLD,
        region=rng.choice(REGIONS),
        delay=min(int(rng.lognormvariate(0, 1.1) * 12 * HOUR), 9 * DAY),
        late=rng.randint(16 * DAY, 24 * DAY),
        copy=rng.randint(HOUR, 3 * DAY) if rng.random() < 0.05 else None,
    )


@functools.lru_cache(4096)
def generate(number: int, cause: str = "") -> Incident:
    """The incident of that number; `cause` chooses the fault, else the number does.

    Plans are drawn until 2 to 7 % of the first messages are lost.
    """
    rng = random.Random(f"incident {number} {cause}")
    cause = cause or rng.choice(list(CAUSES))
    rules = replace(Rules(), **CAUSES[cause])
    while True:
        drawn = plan(rng)
        if 3 <= len(lost(run(rules, drawn))) <= 8:
            return Incident(number, drawn, cause, rules)


def repaired(incident: Incident, fix: str) -> Rules:
    """The rules after that fix of `FIXES`."""
    return replace(incident.rules, **FIXES[fix])


def lost(history: History) -> list[int]:
    """The first messages that were refused and never accepted."""
    accepted = {one["message"] for one in history if one["op"] == "accept"}
    refused = {one["message"] for one in history if one["op"] == "refuse"}
    return sorted(refused - accepted)


def run(rules: Rules, plan: Plan, keys=None, *, seed: int = 0) -> History:
    """Play the weeks: `keys` is `Counted` (the default) or `Real`, whose keys come from `seed`."""
    with primitives.deterministic(seed):
        return _Fleet(rules, plan, keys or Counted).play()


class _Fleet:
    def __init__(self, rules, plan, keys):
        self.rules, self.plan = rules, plan
        self.env, self.history = simpy.Environment(), []
        self.phones = {phone.name: phone for phone in plan.phones}
        self.keys = keys(rules, list(self.phones))
        self.boxes = {name: [] for name in self.phones}  # what has arrived and was not read
        self.heads = {region: {} for region in REGIONS}  # region → name → (upload, stamp)
        self.due = {phone.name: phone.due for phone in plan.phones}
        for phone in plan.phones:
            self.publish(phone, since=0)

    def note(self, op, at, **fields):
        self.history.append(line(self.env.now, op, at, **fields))

    def play(self):
        for phone in self.plan.phones:
            for day in range(DAYS):
                at(self.env, day * DAY + phone.wakes, _WAKE, functools.partial(self.wake, phone))
            self.plan_restore(phone)
        for writer in self.plan.writers:
            at(self.env, writer.time, _FETCH, functools.partial(self.write, writer))
        self.env.run(until=DAYS * DAY)
        return self.history

    # Phones

    def publish(self, phone, since):
        upload = self.keys.upload(phone.name, since)
        try:
            self.keys.store(phone.name, upload)
        except DuplicatePreKey:
            return
        spk, numbers = self.keys.numbers(upload)
        clock = self.env.now + phone.clock
        self.note("publish", phone.name, user=phone.name, spk=spk, keys=numbers, clock=clock)
        stamp = self.env.now if self.rules.server_stamps else clock
        for number, region in enumerate(REGIONS):
            put = functools.partial(self.copy, region, phone.name, (upload, stamp))
            if self.env.now == 0:
                put()
            else:
                at(self.env, self.env.now + number * MINUTE, _COPY, put)

    def copy(self, region, name, head):
        """A region learns of new keys, unless its copy is stuck."""
        late = self.env.now >= self.plan.stuck_from
        if not (self.rules.stuck and late and region == self.plan.region):
            self.heads[region][name] = head

    def wake(self, phone):
        name = phone.name
        mail = list(self.boxes[name])
        self.boxes[name].clear()
        for number in mail:
            self.read(name, number)
        if self.env.now >= self.due[name]:
            since = self.keys.rotate(name, self.env.now)
            self.note("rotate", name, user=name, spk=self.keys.current(name))
            self.due[name] += ROTATION
            self.publish(phone, since)
        if mail and self.keys.left(name) < REFILL_BELOW:
            self.publish(phone, self.keys.refill(name))
        hasty = self.rules.hasty == phone.version
        self.forget(
            name, self.keys.retire(name, self.env.now, 0 if hasty else self.rules.retention)
        )

    def forget(self, name, gone):
        for number in gone:
            self.note("forget", name, user=name, spk=number, key=None)

    def read(self, name, number):
        self.note("deliver", name, message=number)
        key, refusal = self.keys.read(name, number)
        if refusal is None:
            self.note("accept", name, message=number)
            if key is not None:
                self.note("forget", name, user=name, spk=None, key=key)
        else:
            self.refuse(name, number, refusal, key)

    def refuse(self, at, number, refusal, key=None, **about):
        said = {"reason": reason(refusal, key), "error": type(refusal).__name__}
        self.note("refuse", at, message=number, **said, **about)

    def plan_restore(self, phone):
        if phone.restored is None:
            return
        time, saved = phone.restored
        if not self.rules.saves:
            at(self.env, saved, _RESTORE, lambda: self.keys.save(phone.name))
        at(self.env, time, _RESTORE, lambda: self.restore(phone.name, saved))

    def restore(self, name, saved):
        """The phone broke, and gets back what it had; what it saved just now is what it has."""
        gone = ((), ()) if self.rules.saves else self.keys.restore(name)
        self.note("recover", name, user=name, saved=self.env.now if self.rules.saves else saved)
        for kind, numbers in zip(("spk", "key"), gone, strict=True):
            for number in numbers:
                lost = {"spk": None, "key": None, kind: number}
                self.note("forget", name, user=name, **lost)

    # Writers

    def write(self, writer):
        name, number, stranger = writer.recipient, writer.number, f"s{writer.number}"
        phone = self.phones[name]
        # What the service knows of a request, besides names.
        about = {"version": phone.version, "app": writer.version}
        about |= {"region": writer.region, "queue": phone.queue}
        head, stamp = self.heads[writer.region][name]
        if self.rules.ttl is not None and self.env.now - stamp > self.rules.ttl:
            stale = StalePreKey("the server counts this prekey as too old", step="X3DH §3.2")
            return self.refuse("server", number, stale, user=name, **about)
        bundle = self.keys.take(name, head)
        spk, key = self.keys.named(bundle)
        names = {"user": name, "to": stranger, "request": number}
        self.note("issue", "server", **names, spk=spk, key=key, **about)
        try:
            self.keys.write(number, stranger, bundle, writer.version)
        except Refused as refusal:
            return self.refuse(stranger, number, refusal)
        names = {"sender": stranger, "recipient": name}
        self.note("send", stranger, message=number, **names, spk=spk, key=key, first=True)
        begin, end = self.plan.slow
        slow = self.rules.slow and phone.queue == self.plan.queue and begin <= writer.time < end
        first = writer.time + (writer.late if slow else writer.delay)
        for time in (first, *([first + writer.copy] if writer.copy else ())):
            at(self.env, time, _ARRIVE, functools.partial(self.boxes[name].append, number))
        return None


def reason(refusal: Refused, key: str | None = None) -> str:
    """The service's counter for this refusal; `key` is "spk" or "key" where a prekey is missing."""
    if isinstance(refusal, (Replayed, OldMessage)):
        return REPLAY
    if isinstance(refusal, BadSignature):
        return SIGNATURE_INVALID
    if isinstance(refusal, StalePreKey) or key == "spk":
        return SIGNED_PREKEY_UNKNOWN
    return ONE_TIME_KEY_MISSING if isinstance(refusal, PreKeyProblem) else OTHER


# Keys that are numbers


@dataclass(slots=True)
class _Ring:
    """A phone without keys: number → when it was made, and which life of the phone made it."""

    signed: dict
    one_time: dict = field(default_factory=dict)
    next_id: int = 2
    read: frozenset = frozenset()

    def copied(self):
        return _Ring(dict(self.signed), dict(self.one_time), self.next_id, self.read)


class Counted:
    """Phones and a store of numbers: what would happen, without a key.

    A key is its number and the life of the phone in which it was made: after a restore a phone
    makes another key of the same number.
    """

    def __init__(self, rules: Rules, names: list[str]):
        self.rules, self.life = rules, 0
        self.rings = {name: _Ring({1: (0, 0)}) for name in names}
        self.saved = {}
        self.pools, self.issued = {name: {} for name in names}, {name: set() for name in names}
        self.sealed = {}
        for name in names:
            self.refill(name)

    def current(self, name):
        return next(reversed(self.rings[name].signed))

    def rotate(self, name, now):
        ring = self.rings[name]
        since, ring.next_id = ring.next_id, ring.next_id + 1
        ring.signed[since] = (now, self.life)
        return since

    def refill(self, name):
        ring = self.rings[name]
        since, ring.next_id = ring.next_id, ring.next_id + BATCH
        ring.one_time |= dict.fromkeys(range(since, since + BATCH), self.life)
        return since

    def retire(self, name, now, retention):
        signed = self.rings[name].signed
        gone = _expired({number: made for number, (made, _) in signed.items()}, now, retention)
        for number in gone:
            del signed[number]
        return gone

    def save(self, name):
        self.saved[name] = self.rings[name].copied()

    def restore(self, name):
        before, after = self.rings[name], self.saved[name].copied()
        self.rings[name], self.life = after, self.life + 1
        return sorted(before.signed.keys() - after.signed), sorted(
            before.one_time.keys() - after.one_time
        )

    def upload(self, name, since):
        ring = self.rings[name]
        number = self.current(name)
        keys = {number: life for number, life in ring.one_time.items() if number >= since}
        return (number, ring.signed[number][1]), keys

    def numbers(self, upload):
        return upload[0][0], sorted(upload[1])

    def store(self, name, upload):
        pool, fresh = self.pools[name], {}
        for number, life in upload[1].items():
            if number in self.issued[name]:
                continue
            if pool.get(number, life) != life:
                raise DuplicatePreKey(f"one-time prekey {number} exists with another key")
            fresh[number] = life
        pool |= fresh

    def left(self, name):
        return len(self.pools[name])

    def take(self, name, head):
        pool = self.pools[name]
        number = min(pool, default=None)
        key = None if number is None else (number, pool.pop(number))
        if key is not None:
            self.issued[name].add(number)
        return head[0], key

    def named(self, bundle):
        (spk, _), key = bundle
        return spk, None if key is None else key[0]

    def write(self, number, stranger, bundle, version):
        if bundle[1] is None and self.rules.needs_one_time:
            raise PreKeyProblem("the bundle has no one-time prekey")
        if self.rules.raw == version:
            raise BadSignature("the signature does not fit")
        self.sealed[number] = bundle

    def read(self, name, number):
        ring, (spk, key) = self.rings[name], self.sealed[number]
        if number in ring.read:
            return None, OldMessage("read before")
        named = (("spk", ring.signed, spk), ("key", ring.one_time, key))
        for kind, there, wanted in named:
            if wanted is not None and wanted[0] not in there:
                error = UsedPreKey if wanted[0] < ring.next_id else UnknownPreKey
                return kind, error("no such private half")
        if ring.signed[spk[0]][1] != spk[1] or (key and ring.one_time[key[0]] != key[1]):
            return None, DecryptionFailed("another key of that number")
        ring.read |= {number}
        if key is None:
            return None, None
        del ring.one_time[key[0]]
        return key[0], None


def _expired(made, now, retention):
    """The numbers of signed prekeys that were replaced `retention` ago or earlier."""
    numbers = list(made)
    later = zip(numbers, numbers[1:], strict=False)
    return [number for number, following in later if now >= made[following] + retention]


# Real keys


class _Post:
    """A transport with one bundle to fetch and a box for what is sent."""

    def __init__(self, bundle=b"", letters=()):
        self.bundle, self.sent, self.letters = bundle, [], list(letters)

    def fetch(self, name, requester):
        return self.bundle

    def send(self, sender, recipient, data):
        self.sent.append(data)

    def collect(self, name):
        letters, self.letters = self.letters, []
        return letters


class Real:
    """The same questions, answered by parties, their devices, a prekey store and messages."""

    def __init__(self, rules: Rules, names: list[str]):
        self.rules, self.database = rules, PreKeyStore()
        self.parties = {name: Party(name, _Post(), one_time=BATCH) for name in names}
        self.saved, self.sealed = {}, {}

    def _ring(self, name):
        return self.parties[name].device.ring

    def _keep(self, name, ring):
        party = self.parties[name]
        since, party.device = self._ring(name).next_id, replace(party.device, ring=ring)
        return since

    def current(self, name):
        return self._ring(name).current

    def rotate(self, name, now):
        return self._keep(name, prekeys.rotate(self._ring(name), now=now))

    def refill(self, name):
        return self._keep(name, prekeys.add_one_time(self._ring(name), BATCH))

    def retire(self, name, now, retention):
        made = {number: key.made for number, key in self._ring(name).signed.items()}
        gone = _expired(made, now, retention)
        if gone:
            first = min(made[number] for number in made if number not in gone)
            self.parties[name].retire(before=first)
        return gone

    def save(self, name):
        self.saved[name] = self.parties[name].device

    def restore(self, name):
        party, before = self.parties[name], self._ring(name)
        party.device, after = self.saved[name], self.saved[name].ring
        return sorted(before.signed.keys() - after.signed), sorted(
            before.one_time.keys() - after.one_time
        )

    def upload(self, name, since):
        return prekeys.publication(self._ring(name), since=since)

    def numbers(self, upload):
        keys = [prekey.one_time_prekey_id for prekey in upload.one_time_prekeys]
        return upload.signed_prekey_id, sorted(keys)

    def store(self, name, upload):
        self.database.publish(name, Publication.decode(upload.encode()))

    def left(self, name):
        return self.database.count(name)

    def take(self, name, head):
        """One-time prekeys come from the one store; the rest from the region's copy."""
        return replace(
            self.database.fetch(name),
            signed_prekey_id=head.signed_prekey_id,
            signed_prekey=head.signed_prekey,
            signed_prekey_signature=head.signed_prekey_signature,
        )

    def named(self, bundle):
        return bundle.signed_prekey_id, bundle.one_time_prekey_id

    def write(self, number, stranger, bundle, version):
        post = _Post(bundle.encode())
        writer = Party(stranger, post, protocol=_protocol(self.rules, version), one_time=0)
        writer.send("somebody", b"Hello")
        (self.sealed[number],) = post.sent

    def read(self, name, number):
        party, before = self.parties[name], self._ring(name)
        party.transport = _Post(letters=[(f"s{number}", self.sealed[number])])
        (received,) = party.receive()
        if received.error is not None:
            return self._missing(number, received.error), received.error
        burnt = before.one_time.keys() - self._ring(name).one_time
        return next(iter(burnt), None), None

    def _missing(self, number, refusal):
        """Which of the prekeys that the message names is not there."""
        if not isinstance(refusal, PreKeyProblem):
            return None
        named = session.explain(self.sealed[number], session.Message, session.InitialMessage)[0]
        return "spk" if refusal.data["identifier"] == named.signed_prekey_id else "key"


def _protocol(rules, version):
    """X3DH as that version of the app speaks it under these rules."""

    def initiate(identity, bundle):
        if bundle.one_time_prekey is None and rules.needs_one_time:
            raise PreKeyProblem("the bundle has no one-time prekey", step="X3DH §3.3")
        if rules.raw == version:
            signature = bundle.signed_prekey_signature
            primitives.verify(bundle.identity_key, bundle.signed_prekey, signature)
        return (x3dh if rules.checks else UNCHECKED).initiate(identity, bundle)

    return SimpleNamespace(initiate=initiate, respond=x3dh.respond)


def forgery_accepted(rules: Rules, version: str = NEW) -> bool:
    """Does this app start a session with a signed prekey that its owner never signed (A3)?"""
    ring, false = prekeys.generate(one_time=0), prekeys.generate(one_time=0)
    mine, theirs = prekeys.publication(ring), prekeys.publication(false)
    bundle = PreKeyBundle(
        mine.identity_key,
        mine.signed_prekey_id,
        theirs.signed_prekey,
        mine.signed_prekey_signature,
    )
    try:
        _protocol(rules, version).initiate(false.identity, bundle)
    except BadSignature:
        return False
    return True
