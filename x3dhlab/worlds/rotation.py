"""Rotation against delivery: phones that sleep, mail that is late, keys that are deleted.

Every first message in this world comes from a stranger, who fetches a bundle, may keep it for a
while, and writes. The phone of the receiver works when it is awake: it reads its mail, replaces
its signed prekey when that is due, and deletes old private halves. `plan` draws everything that
chance decides; `drive` plays a small plan with real parties, a real store and real messages;
`counted` computes what happens from the same plan without any key.

Not in this world: one-time prekeys (all bundles come without), answers, and phones whose clock
jumps. A clock here is wrong by the same amount for the whole run.
"""

import functools
from dataclasses import dataclass

import numpy as np
import simpy

from x3dhlab import primitives
from x3dhlab.errors import Refused, StalePreKey
from x3dhlab.party import LocalTransport, Party
from x3dhlab.service.store import PreKeyStore
from x3dhlab.wire import PreKeyBundle, Publication
from x3dhlab.worlds.history import History, line
from x3dhlab.worlds.network import DAY, HOUR, NEVER, Constant, Delay, Link, LogNormal, at

# What goes first when two things fall into one millisecond.
FETCH, WRITE, ARRIVE, WAKE, SERVED = range(5)
_READING, _KEEPING = ("deliver", "accept", "refuse"), ("rotate", "forget")


@dataclass(frozen=True, slots=True)
class World:
    """The rules of one world. Times are milliseconds; shares and chances are 0 to 1.

    `every` a phone replaces its signed prekey; `retention` is how long the old private half stays
    after that, and `keep_previous` keeps the newest old one whatever its age. The server hands a
    new prekey out `lag` after the upload, and none older than `ttl`, counted from the phone's own
    clock (which is wrong by `skew`, a standard deviation) or, if `server_stamps`, from its own.
    """

    users: int = 6
    days: int = 60
    first_a_day: int = 1
    every: int = 2 * DAY
    retention: int = 30 * DAY
    keep_previous: bool = False
    mail_first: bool = True
    lag: int = 0
    held: Delay = Constant(0)
    link: Link = Link(LogNormal(HOUR, 1.0))
    wakes_a_day: int = 2
    sleeps: float = 0.0
    sleep: Delay = LogNormal(5 * DAY, 0.8)
    ttl: int | None = None
    skew: int = 0
    server_stamps: bool = False

    @property
    def end(self) -> int:
        """When the world ends."""
        return self.days * DAY


@dataclass(frozen=True, slots=True)
class Plan:
    """Everything that chance decides, for `users` phones and the messages that go to them.

    `wakes` (users, moments) has `NEVER` where a phone sleeps; `due` is each phone's first rotation;
    `skews` how far its clock is ahead. Of each message: `recipient`, when the bundle is `fetched`
    and the message `written`, and when its two copies `arrive`, of the shape (messages, 2).
    """

    wakes: np.ndarray
    due: np.ndarray
    skews: np.ndarray
    recipient: np.ndarray
    fetched: np.ndarray
    written: np.ndarray
    arrives: np.ndarray


def plan(world: World, rng: np.random.Generator) -> Plan:
    """Draw the chances of a world. The same generator state gives the same plan."""
    days, users = world.days, world.users
    count = days * world.first_a_day * users
    recipient = np.tile(np.arange(users, dtype=np.int32), days * world.first_a_day)
    day = np.repeat(np.arange(days, dtype=np.int64), world.first_a_day * users)
    fetched = day * DAY + rng.integers(1, DAY, count)
    order = np.argsort(fetched, kind="stable")
    recipient, fetched = recipient[order], fetched[order]
    written = fetched + world.held.draw(rng, count)
    return Plan(
        wakes=_wakes(world, rng),
        due=rng.integers(1, world.every + 1, users),
        skews=np.rint(rng.standard_normal(users) * world.skew).astype(np.int64),
        recipient=recipient,
        fetched=fetched,
        written=written,
        arrives=world.link.draw(rng, written),
    )


def _wakes(world, rng):
    """(users, moments): one moment in each equal part of a day, `NEVER` in days of sleep."""
    users, days, parts = world.users, world.days, world.wakes_a_day
    part = DAY // parts
    starts = np.arange(days * parts, dtype=np.int64) * part
    wakes = starts + rng.integers(1, part, (users, days * parts))
    length = world.sleep.draw(rng, users * days).reshape(users, days) // DAY
    begins = rng.random((users, days)) < world.sleeps
    day = np.arange(days)
    until = np.maximum.accumulate(np.where(begins, day + length, 0), axis=1)
    wakes[np.repeat(day < until, parts, axis=1)] = NEVER
    return wakes


def oldest_kept(made: list[int], now: int, retention: int, keep_previous: bool) -> int:
    """The place of the oldest signed prekey that stays, of those `made` at these times.

    A key was replaced when the next one was made; it stays until `retention` after that.
    """
    newest = len(made) - 1
    stays = [place for place in range(newest) if now < made[place + 1] + retention]
    if keep_previous and newest > 0:
        stays.append(newest - 1)
    return min(stays, default=newest)


def names(world: World) -> list[str]:
    """The names of the phones; the strangers are s0, s1, … after their messages."""
    return [f"u{number}" for number in range(world.users)]


def in_order(history: History, world: World) -> History:
    """The lines by time; in one millisecond as the phones do it, then by number."""
    both = (_READING, _KEEPING) if world.mail_first else (_KEEPING, _READING)
    order = {op: rank for rank, op in enumerate(("publish", "issue", "send", *both[0], *both[1]))}

    def place(one):
        number = one.get("message", one.get("request", one.get("spk", 0)))
        return one["t"], order[one["op"]], one.get("user", ""), number

    return sorted(history, key=place)


def drive(world: World, plan: Plan, *, seed: int = 0) -> History:
    """Play a small plan with real parties, a real store and real messages; its history.

    `seed` gives the keys. A message costs about two milliseconds of this machine.
    """
    with primitives.deterministic(seed):
        return _Run(world, plan).play()


class _Server(LocalTransport):
    """The honest transport with a lag between upload and service, and an age that it refuses."""

    def __init__(self, run):
        super().__init__(PreKeyStore())
        self.run = run
        self.served = {}  # name → the stamp of the prekey that is handed out

    def publish(self, name, publication):
        stamp = self.run.stamp(name)

        def serve():
            self.store.publish(name, Publication.decode(publication))
            self.served[name] = stamp

        if name not in self.served:
            return serve()
        return at(self.run.env, self.run.env.now + self.run.world.lag, SERVED, serve)

    def fetch(self, name, requester):
        age, ttl = self.run.env.now - self.served[name], self.run.world.ttl
        if ttl is not None and age > ttl:
            raise StalePreKey(f"the server counts {age} ms for this prekey", step="X3DH §3.2")
        return super().fetch(name, requester)

    def send(self, sender, recipient, data):
        for time in self.run.plan.arrives[int(sender[1:])]:
            if time < self.run.world.end:
                put = functools.partial(super().send, sender, recipient, data)
                at(self.run.env, int(time), ARRIVE, put)


class _Kept:
    """A network for one stranger, whose bundle was fetched before."""

    def __init__(self, server, bundle):
        self.server, self.bundle = server, bundle

    def fetch(self, name, requester):
        return self.bundle

    def send(self, sender, recipient, data):
        self.server.send(sender, recipient, data)


class _Run:
    def __init__(self, world, plan):
        self.world, self.plan = world, plan
        self.env, self.history = simpy.Environment(), []
        self.server = _Server(self)
        self.phones = {}
        for name in names(world):
            self.phones[name] = Party(name, self.server, one_time=0)
            self.phones[name].publish()
            self.note("publish", name, user=name, spk=1, keys=[])
        self.due = dict(zip(self.phones, map(int, plan.due), strict=True))

    def note(self, op, at, **fields):
        self.history.append(line(self.env.now, op, at, **fields))

    def stamp(self, name):
        """What the server believes to be the time when a prekey of that phone was made."""
        ahead = 0 if self.world.server_stamps else int(self.plan.skews[int(name[1:])])
        return self.env.now + ahead

    def play(self):
        for name, moments in zip(self.phones, self.plan.wakes, strict=True):
            for time in moments[moments < self.world.end]:
                at(self.env, int(time), WAKE, functools.partial(self.wake, name))
        for number, time in enumerate(self.plan.fetched):
            at(self.env, int(time), FETCH, functools.partial(self.fetch, number))
        self.env.run()
        return in_order(self.history, self.world)

    def fetch(self, number):
        name, stranger = f"u{self.plan.recipient[number]}", f"s{number}"
        try:
            bundle = self.server.fetch(name, stranger)
        except Refused as refusal:
            self.note("refuse", "server", message=number, reason=type(refusal).__name__)
            return
        spk = PreKeyBundle.decode(bundle).signed_prekey_id
        self.note("issue", "server", user=name, to=stranger, spk=spk, key=None, request=number)
        time = int(self.plan.written[number])
        if time < self.world.end:
            write = functools.partial(self.write, number, name, bundle, spk)
            at(self.env, time, WRITE, write)

    def write(self, number, name, bundle, spk):
        stranger = Party(f"s{number}", _Kept(self.server, bundle), one_time=0)
        fields = {"message": number, "sender": stranger.name, "recipient": name}
        self.note("send", stranger.name, **fields, spk=spk, key=None, first=True)
        stranger.send(name, b"hello")

    def wake(self, name):
        phone = self.phones[name]
        if self.world.mail_first:
            self.read(phone)
        if self.env.now >= self.due[name]:
            phone.rotate(now=self.env.now)
            self.note("rotate", name, user=name, spk=phone.device.ring.current)
            self.due[name] = self.env.now + self.world.every
        self.tidy(phone)
        if not self.world.mail_first:
            self.read(phone)

    def read(self, phone):
        for received in phone.receive():
            number = int(received.sender[1:])
            self.note("deliver", phone.name, message=number)
            if received.error is None:
                self.note("accept", phone.name, message=number)
            else:
                reason = type(received.error).__name__
                self.note("refuse", phone.name, message=number, reason=reason)

    def tidy(self, phone):
        before = phone.device.ring.signed
        made = [key.made for key in before.values()]
        world = self.world
        place = oldest_kept(made, self.env.now, world.retention, world.keep_previous)
        phone.retire(before=made[place])
        for number in before:
            if number not in phone.device.ring.signed:
                self.note("forget", phone.name, user=phone.name, spk=number, key=None)
