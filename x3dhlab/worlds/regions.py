"""One prekey service in three regions: who may give a one-time prekey out, and what it costs.

A `Design` says who decides. `run` puts it through a script of requests and outages and returns the
history, and for each request how long it took and what came. When nobody may decide, the nearest
region answers from its own copy, without a one-time prekey, which X3DH allows (§3.3). The network
never lies here; what a lying server does is in `attacks`.
"""

import random
from collections import deque
from dataclasses import dataclass, field, replace
from functools import cached_property

import simpy

from x3dhlab.worlds.checker import Violation, check
from x3dhlab.worlds.copies import Counted
from x3dhlab.worlds.history import History, line
from x3dhlab.worlds.outages import LOCAL, REGIONS, Script, by_distance, round_trip

# A region waits that long for another one before it answers alone.
TIMEOUT = 1_000
# The leader says that often that it lives, and loses its place when it was silent that long.
HEARTBEAT, LEASE = 1_000, 5_000
# After a restore: how long until a phone has made new one-time prekeys, and how many.
REFILL_AFTER, REFILL = 20_000, 20
# How often a sender starts again at most, where the design says so.
ATTEMPTS = 10

FULL, WITHOUT, NOTHING = "with a one-time key", "without one", "no answer"


@dataclass(frozen=True, slots=True)
class Design:
    """Who gives one-time prekeys out, and what is done about the rest.

    `decides` is "one region" (A), "leader" (of each user) or "anywhere". `confirm`: a leader's
    answer waits until a second region has the deletion, and a new leader first asks a majority.
    `shares`: each region gives out numbers of its own only. `again`: who is refused starts again.
    `discard`: after a restore no key of the backup is given out.
    """

    name: str
    decides: str
    confirm: bool = True
    shares: bool = False
    again: bool = False
    discard: bool = False


DESIGNS = {
    design.name: design
    for design in (
        Design("linearizable", "one region"),
        Design("eventual", "anywhere"),
        Design("leader_per_user", "leader"),
        Design("detection_only", "anywhere", again=True),
    )
}
# What changes when one sentence of a design changes.
UNCONFIRMED = Design("leader, copies later", "leader", confirm=False)
SHARES = Design("shares", "anywhere", shares=True)


@dataclass(frozen=True, slots=True)
class Answer:
    """One request: when, how long in ms, and what came (`FULL`, `WITHOUT` or `NOTHING`)."""

    t: int
    latency: int
    what: str


@dataclass(frozen=True)
class Outcome:
    """A finished run. `again` counts first messages that were refused and sent anew."""

    design: Design
    script: Script
    history: History = field(repr=False)
    answers: tuple[Answer, ...] = field(repr=False)
    again: int

    @cached_property
    def violations(self) -> list[Violation]:
        """What the checker finds in the history."""
        return check(self.history)

    def count(self, name: str) -> int:
        """How many violations have that name."""
        return sum(found.name == name for found in self.violations)

    def share(self, *what: str) -> float:
        """Which part of the requests got one of these answers, from 0 to 1."""
        return sum(answer.what in what for answer in self.answers) / len(self.answers)

    def latency(self, part: float = 0.5) -> int:
        """The time in ms within which that part of the answered requests was answered."""
        times = sorted(answer.latency for answer in self.answers if answer.what != NOTHING)
        return times[min(int(part * len(times)), len(times) - 1)]


def run(design: Design, script: Script, copies=Counted) -> Outcome:
    """Play the script. `copies` is `Counted` or `Real`; both give the same history."""
    world = _World(design, script, copies(REGIONS, script.users, script.keys))
    world.env.run()
    answers = tuple(answer for _, answer in sorted(world.answers.items()))
    return Outcome(design, script, world.history, answers, world.again)


class _World:
    def __init__(self, design, script, copies):
        self.env = simpy.Environment()
        self.design, self.script, self.copies = design, script, copies
        self.history, self.answers, self.again = [], {}, 0
        self.down, self.cut = set(), set()
        self.changed = self.env.event()
        self.lags = random.Random(f"{script.seed}/lags")
        self.links = {(a, b): _Link(self, a, b) for a in REGIONS for b in REGIONS if a != b}
        self.leaders = _Leaders(self)
        self.skew = dict(zip(REGIONS, script.skew, strict=True))
        for user in script.users:
            self._publish_first(user)
        for number, request in enumerate(script.requests):
            self.env.process(self._request(number, request))
        self._faults()

    def write(self, op, at, **fields):
        self.history.append(line(self.env.now, op, at, **fields))

    def connected(self, a, b):
        up = a not in self.down and b not in self.down
        return up and (a == b or frozenset((a, b)) not in self.cut)

    def home(self, user):
        return REGIONS[self.script.users.index(user) % len(REGIONS)]

    # What users publish

    def _publish_first(self, user):
        upload = self.copies.upload(user)
        for region in REGIONS:
            self.copies.store(region, user, upload, self._mine(region))
        self._write_upload(user, self.home(user), upload)

    def _mine(self, region):
        """The numbers that a region may give out, or None for all of them."""
        if not self.design.shares:
            return None
        return _Every(REGIONS.index(region))

    def _publish(self, user, upload):
        """Upload to the nearest region that is up, or wait for one; the others get it later."""
        while (region := self._front(self.home(user))) is None:
            yield self.changed
        self._write_upload(user, region, upload)
        self.copies.store(region, user, upload, self._mine(region))
        self.spread(region, lambda to: self.copies.store(to, user, upload, self._mine(to)))

    def _write_upload(self, user, region, upload):
        numbers = getattr(upload, "numbers", None)
        if numbers is None:
            numbers = [key.one_time_prekey_id for key in upload.one_time_prekeys]
        fields = {"user": user, "spk": upload.signed_prekey_id, "keys": list(numbers)}
        self.write("publish", region, **fields)

    def spread(self, region, change):
        """Every other region gets the change, later and in order."""
        for other in REGIONS:
            if other != region:
                self.links[region, other].send(change)

    # What goes wrong

    def _faults(self):
        script = self.script
        for a, b, begin, end in script.cuts:
            self._toggle(self.cut, frozenset((a, b)), begin, end, ("partition", "heal"), a=a, b=b)
        for region, begin, end in script.downs:
            self._toggle(self.down, region, begin, end, ("down", "up"), region=region)
        if script.restore is not None:
            self.env.process(self._restore(*script.restore))
        for t, user in script.rotations:
            self.env.process(self._rotate(t, user))

    def _toggle(self, among, what, begin, end, ops, **fields):
        def change():
            yield self.env.timeout(begin)
            among.add(what)
            self.write(ops[0], "network", **fields)
            self._tell()
            yield self.env.timeout(end - begin)
            among.discard(what)
            self.write(ops[1], "network", **fields)
            self._tell()

        self.env.process(change())

    def _tell(self):
        changed, self.changed = self.changed, self.env.event()
        changed.succeed()

    def _restore(self, backup, back):
        yield self.env.timeout(backup)
        kept = self.copies.backup()
        yield self.env.timeout(back - backup)
        self.copies.restore(kept)
        for region in REGIONS:
            self.write("restore", "operator", region=region)
        if self.design.discard:
            for region in REGIONS:
                self.copies.discard(region)
            yield self.env.timeout(REFILL_AFTER)
            for user in self.script.users:
                yield from self._publish(user, self.copies.refill(user, REFILL))

    def _rotate(self, t, user):
        yield self.env.timeout(t)
        upload = self.copies.rotate(user, self.env.now)
        self.write("rotate", user, user=user, spk=upload.signed_prekey_id)
        yield from self._publish(user, upload)
        yield self.env.timeout(self.script.retention)
        for number in self.copies.retire(user):
            self.write("forget", user, user=user, spk=number, key=None)

    # What a request meets

    def _request(self, number, request):
        yield self.env.timeout(request.t)
        bundle = yield from self._fetch(number, request)
        if bundle is None:
            return
        reason = yield from self._first_message(number, request, bundle)
        attempt = 1
        while reason is not None and self.design.again and attempt < ATTEMPTS:
            self.again, attempt = self.again + 1, attempt + 1
            yield self.env.timeout(request.delay)
            bundle = yield from self._fetch(number, request, attempt)
            if bundle is not None:
                reason = yield from self._first_message(number, request, bundle)

    def _fetch(self, number, request, attempt=1):
        """One request, from the client's question until the bundle is there, or None."""
        begin = self.env.now
        front = self._front(request.region)
        if front is None:
            yield self.env.timeout(TIMEOUT)
            bundle, what = None, NOTHING
        else:
            travel = LOCAL + round_trip(request.region, front)
            yield self.env.timeout(travel // 2)
            where, bundle = yield from self._allocate(front, request.user)
            what = WITHOUT if bundle.one_time_prekey_id is None else FULL
            name = f"q{number}" if attempt == 1 else f"q{number}.{attempt}"
            self._write_issue(where, request.user, f"s{number}", bundle, name)
            back = round_trip(where, front) // 2
            yield self.env.timeout(back + travel - travel // 2)
        if attempt == 1:
            self.answers[number] = Answer(begin, self.env.now - begin, what)
        return bundle

    def _front(self, region):
        """The nearest region that is up."""
        return next((other for other in by_distance(region) if other not in self.down), None)

    def _write_issue(self, where, user, to, bundle, request):
        numbers = {"spk": bundle.signed_prekey_id, "key": bundle.one_time_prekey_id}
        self.write("issue", where, user=user, to=to, **numbers, request=request)

    def _allocate(self, front, user):
        """(region, bundle): from where somebody may decide; else from `front`, without a key."""
        decider = self._decider(front, user)
        if decider is not None:
            yield self.env.timeout(round_trip(front, decider) // 2)
            if self.design.decides != "leader" or self.leaders.may_give(decider, user):
                bundle = self.copies.take(decider, user)
                if (yield from self._confirmed(decider, user, bundle)):
                    return decider, bundle
        if decider != front or self.design.decides == "leader":
            yield self.env.timeout(TIMEOUT)
        return front, self.copies.peek(front, user)

    def _decider(self, front, user):
        if self.design.decides == "anywhere":
            return front
        one = "A" if self.design.decides == "one region" else self.leaders.seen(front, user)
        return one if self.connected(front, one) else None

    def _confirmed(self, region, user, bundle):
        """Tell the others that the key is gone. With `confirm`, wait until one of them has it."""
        number = bundle.one_time_prekey_id
        if number is None:
            return True
        self.spread(region, lambda to: self.copies.drop(to, user, number))
        if self.design.decides != "leader" or not self.design.confirm:
            return True
        other = next((one for one in by_distance(region)[1:] if self.connected(region, one)), None)
        if other is None:
            return False
        yield self.env.timeout(round_trip(region, other) // 2)
        if not self.connected(region, other) or not self.leaders.follows(other, region, user):
            return False
        self.copies.drop(other, user, number)
        yield self.env.timeout(round_trip(region, other) // 2)
        return True

    def _first_message(self, number, request, bundle):
        """Send it, deliver it, open it. Returns the name of the refusal, or None."""
        user, sender, message = request.user, f"s{number}", f"m{number}"
        self.copies.write(message, user, bundle)
        key = bundle.one_time_prekey_id
        named = {"spk": bundle.signed_prekey_id, "key": key, "first": True}
        self.write("send", sender, message=message, sender=sender, recipient=user, **named)
        yield self.env.timeout(request.delay)
        self.write("deliver", user, message=message)
        reason = self.copies.read(message, user)
        if reason is not None:
            self.write("refuse", user, message=message, reason=reason)
            return reason
        self.write("accept", user, message=message)
        if key is not None:
            self.write("forget", user, user=user, spk=None, key=key)
        return None


class _Every:
    """The numbers of one region's share: every third one."""

    def __init__(self, rest):
        self.rest = rest

    def __contains__(self, number):
        return number % len(REGIONS) == self.rest


class _Link:
    """Changes on their way from one region to another: late, in order, never lost."""

    def __init__(self, world, a, b):
        self.world, self.a, self.b = world, a, b
        self.waiting, self.running = deque(), False

    def send(self, change):
        world = self.world
        late = int(world.lags.expovariate(1 / world.script.lag)) if world.script.lag else 0
        self.waiting.append((world.env.now + round_trip(self.a, self.b) // 2 + late, change))
        if not self.running:
            self.running = True
            world.env.process(self._carry())

    def _carry(self):
        env = self.world.env
        while self.waiting:
            arrives, change = self.waiting.popleft()
            yield env.timeout(max(0, arrives - env.now))
            while not self.world.connected(self.a, self.b):
                yield self.world.changed
            change(self.b)
        self.running = False


class _Leaders:
    """Who leads the users of each home region, as each region sees it.

    A lease is a time on a clock: the leader writes it with its own, and the others read it with
    theirs. A region whose clock says that the lease is over becomes leader with the vote of one
    more region, which is a majority of three.
    """

    def __init__(self, world):
        self.world = world
        self.view = {(region, home): (1, home) for region in REGIONS for home in REGIONS}
        self.until = {(region, home): LEASE for region in REGIONS for home in REGIONS}
        if world.design.decides == "leader":
            world.env.process(self._beat())

    def seen(self, region, user):
        """Whom this region takes for the leader of the user."""
        return self.view[region, self.world.home(user)][1]

    def may_give(self, region, user):
        """Does this region lead, as far as it and its clock know?"""
        home = self.world.home(user)
        valid = self._clock(region) < self.until[region, home]
        return self.view[region, home][1] == region and valid

    def follows(self, other, region, user):
        """Does `other` know of nobody later than `region`?"""
        home = self.world.home(user)
        return self.view[other, home] <= self.view[region, home]

    def _clock(self, region):
        return self.world.env.now + self.world.skew[region]

    def _beat(self):
        env = self.world.env
        while env.now < self.world.script.duration:
            for home in REGIONS:
                self._renew(home)
                for region in by_distance(home):
                    self._stand(region, home)
            yield env.timeout(HEARTBEAT)

    def _renew(self, home):
        """The leader tells every region that it reaches; alone it stays silent."""
        term, leader = max(self.view[region, home] for region in REGIONS)
        reached = [region for region in REGIONS if self.world.connected(leader, region)]
        if len(reached) < 2:
            return
        for region in reached:
            self.view[region, home] = (term, leader)
            self.until[region, home] = self._clock(leader) + LEASE

    def _stand(self, region, home):
        """Become leader, if the lease is over here and one more region agrees."""
        term, leader = self.view[region, home]
        if leader == region or region in self.world.down:
            return
        others = [one for one in by_distance(region)[1:] if self.world.connected(region, one)]
        if not others or self._clock(region) < self.until[region, home]:
            return
        # Whoever agrees tells what it has seen: the newest term, and every key that is gone.
        voter = others[0]
        term = max(term, self.view[voter, home][0]) + 1
        if self.world.design.confirm:
            for user, number in self.world.copies.given(voter):
                self.world.copies.drop(region, user, number)
        for one in (region, voter):
            self.view[one, home] = (term, region)
            self.until[one, home] = self._clock(region) + LEASE
        self.world.write("lead", region, region=region, term=term)


def careful(design: Design) -> Design:
    """The same design, and no key of a backup is given out after it was put back."""
    return replace(design, name=f"{design.name}, keys discarded", discard=True)
