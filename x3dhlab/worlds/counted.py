"""The rotation world without keys: what happens to each message, computed with numpy.

`outcome` follows a plan by arithmetic on times, for all phones at once; `history` writes the lines
that `rotation.drive` writes for the same plan. `run` goes through a large world in blocks of
phones, each with its own generator, so that memory stays small and the same seed gives the same
bytes. Phones do not influence each other here; that is why blocks are allowed.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field, fields, replace

import numpy as np

from x3dhlab.worlds import rotation
from x3dhlab.worlds.history import History, line
from x3dhlab.worlds.network import DAY, NEVER
from x3dhlab.worlds.rotation import Plan, World

BLOCK = 5000  # phones counted together: about 150 MB for 60 days


@dataclass(frozen=True, slots=True)
class Outcome:
    """What happens in a plan. Times are int64 milliseconds, `NEVER` for what does not happen.

    `made` and `forgotten` (users, keys) of the signed prekeys. Of each message: `key`, the place of
    the prekey in the bundle; `expired`, the server refused to give one; `opened` (messages, 2),
    when each copy is read; `needed`, how long after its replacement the private half was needed
    (below 0: not at all), so that a retention of that or less loses it; `lost`, its first copy was
    refused.
    """

    made: np.ndarray
    forgotten: np.ndarray
    key: np.ndarray
    expired: np.ndarray
    opened: np.ndarray
    needed: np.ndarray
    lost: np.ndarray


class _Wakes:
    """The moments at which phones are awake, in one sorted array: user × span + time."""

    def __init__(self, wakes, end):
        self.span = end + DAY
        users = np.arange(len(wakes), dtype=np.int64)[:, None]
        self.keys = (users * self.span + wakes)[wakes < end]

    def after(self, user, time):
        """The first moment at or after `time`."""
        return self._at(user, self._place(user, time))

    def before(self, user, time):
        """The last moment before `time`; −1 if there is none."""
        found = self._at(user, self._place(user, time) - 1)
        return np.where(found == NEVER, -1, found)

    def _place(self, user, time):
        return np.searchsorted(self.keys, user * self.span + np.minimum(time, self.span - 1))

    def _at(self, user, place):
        if not len(self.keys):
            return np.full(np.shape(place), NEVER)
        inside = (place >= 0) & (place < len(self.keys))
        found = self.keys[np.where(inside, place, 0)]
        return np.where(inside & (found // self.span == user), found % self.span, NEVER)


def outcome(world: World, plan: Plan) -> Outcome:
    """What happens in this plan: every rotation, deletion, bundle and message."""
    wakes = _Wakes(plan.wakes, world.end)
    made = _rotations(world, plan, wakes)
    user, first = plan.recipient.astype(np.int64), np.minimum(*plan.arrives.T)
    key = _served(world, plan, made)
    stamp = made[user, key] + (0 if world.server_stamps else plan.skews[user])
    expired = np.zeros(len(user), dtype=bool)
    if world.ttl is not None:
        expired = plan.fetched - stamp > world.ttl
    sent = ~expired & (plan.written < world.end)
    arrives = np.where(sent[:, None], plan.arrives, NEVER)
    opened = np.stack([_opened(world, wakes, user, copy) for copy in arrives.T], axis=1)
    needed = _needed(world, wakes, made, user, key, opened.min(axis=1))
    lost = (needed >= world.retention) & (first < world.end)
    forgotten = _forgotten(world, wakes, made)
    return Outcome(made, forgotten, key, expired, opened, needed, lost)


def _opened(world, wakes, user, arrives):
    here = arrives < world.end
    return np.where(here, wakes.after(user, arrives), NEVER)


def _rotations(world, plan, wakes):
    """(users, keys): when each signed prekey was made; the first one at 0."""
    user = np.arange(len(plan.due), dtype=np.int64)
    made, due = [np.zeros(len(user), dtype=np.int64)], plan.due
    while True:
        now = wakes.after(user, due)
        made.append(now)
        if (now == NEVER).all():
            return np.stack([*made, now], axis=1)  # two columns of NEVER: no key has no successor
        due = np.where(now == NEVER, NEVER, now + world.every)


def _served(world, plan, made):
    """The place of the newest prekey that the server handed out before each fetch."""
    span = world.end + DAY
    users = np.arange(len(made), dtype=np.int64)[:, None]
    shown = made + world.lag
    shown[:, 0] = -1  # the first one is there from the beginning
    keys = np.minimum(shown, span - 2) + users * span
    user = plan.recipient.astype(np.int64)
    place = np.searchsorted(keys.ravel(), user * span + plan.fetched)
    return place - user * made.shape[1] - 1


def _needed(world, wakes, made, user, key, opened):
    """How long after its replacement a private half must stay for this message; −1: it must not."""
    replaced, next_one = made[user, key + 1], made[user, key + 2]
    tidied = wakes.before(user, opened) if world.mail_first else opened
    needed = tidied - replaced
    if world.keep_previous:
        needed = np.where(next_one <= tidied, needed, -1)
    return np.where((opened == NEVER) | (replaced == NEVER), -1, needed)


def _forgotten(world, wakes, made):
    user = np.broadcast_to(np.arange(len(made), dtype=np.int64)[:, None], made[:, 2:].shape)
    free = made[:, 1:-1] + world.retention
    if world.keep_previous:
        free = np.maximum(free, made[:, 2:])
    found = wakes.after(user, free)
    return np.where(made[:, 1:-1] == NEVER, NEVER, found)


def history(world: World, plan: Plan) -> History:
    """The lines of a small world: those that `rotation.drive` writes, without its keys."""
    found, names = outcome(world, plan), rotation.names(world)
    lines = [line(0, "publish", name, user=name, spk=1, keys=[]) for name in names]
    for name, made, forgotten in zip(names, found.made, found.forgotten, strict=True):
        for op, times, first in (("rotate", made[1:], 2), ("forget", forgotten, 1)):
            extra = {"key": None} if op == "forget" else {}
            lines += [
                line(int(time), op, name, user=name, spk=place + first, **extra)
                for place, time in enumerate(times)
                if time != NEVER
            ]
    for number in range(len(plan.recipient)):
        lines += _of_message(world, plan, found, number)
    return rotation.in_order(lines, world)


def _of_message(world, plan, found, number):
    name, stranger = f"u{plan.recipient[number]}", f"s{number}"
    fetched, written = int(plan.fetched[number]), int(plan.written[number])
    spk = int(found.key[number]) + 1
    if found.expired[number]:
        yield line(fetched, "refuse", "server", message=number, reason="StalePreKey")
        return
    about = {"user": name, "to": stranger, "spk": spk, "key": None, "request": number}
    yield line(fetched, "issue", "server", **about)
    if written >= world.end:
        return
    about = {"message": number, "sender": stranger, "recipient": name, "spk": spk, "key": None}
    yield line(written, "send", stranger, **about, first=True)
    for copy, time in enumerate(sorted(map(int, found.opened[number]))):
        if time == NEVER:
            continue
        yield line(time, "deliver", name, message=number)
        reason = "UsedPreKey" if found.lost[number] else "OldMessage" if copy else None
        if reason:
            yield line(time, "refuse", name, message=number, reason=reason)
        else:
            yield line(time, "accept", name, message=number)


@dataclass(frozen=True, slots=True)
class Summary:
    """A large world in numbers. `digest` is the SHA-256 of every time in it.

    `counts` has the lines of its history by operation. Of the first messages whose bundle was
    fetched in the first half of the time: `settled` were opened or refused, `waiting` were still
    on their way at the end, `unreachable` got no bundle, and `lost` would be lost with each of
    `retentions`.
    """

    counts: dict[str, int]
    settled: int
    waiting: int
    unreachable: int
    retentions: tuple[int, ...]
    lost: tuple[int, ...]
    digest: str = field(repr=False)

    @property
    def shares(self) -> list[float]:
        """The share of settled messages that is lost, for each retention."""
        return [lost / max(1, self.settled) for lost in self.lost]


def run(world: World, seed: int, retentions: Sequence[int] = ()) -> Summary:
    """Count a world of any size. Retentions change no plan, so one run serves all of them."""
    retentions = tuple(retentions) or (world.retention,)
    digest, parts = hashlib.sha256(), []
    for block, begin in enumerate(range(0, world.users, BLOCK)):
        small = replace(world, users=min(BLOCK, world.users - begin))
        drawn = rotation.plan(small, generator(seed, block))
        found = outcome(small, drawn)
        for part in (drawn, found):
            for one in fields(part):
                digest.update(np.ascontiguousarray(getattr(part, one.name)).data)
        parts.append((_counts(small, drawn, found), _shares(small, drawn, found, retentions)))
    counts = {op: sum(part[0][op] for part in parts) for op in parts[0][0]}
    settled, waiting, unreachable, *lost = np.sum([part[1] for part in parts], axis=0).tolist()
    return Summary(
        counts, settled, waiting, unreachable, retentions, tuple(lost), digest.hexdigest()
    )


def _counts(world, plan, found):
    """How many lines of each operation the history of this block has."""
    copies = (found.opened != NEVER).sum(axis=1)
    accepted = (copies > 0) & ~found.lost
    counts = {
        "publish": len(found.made),
        "rotate": (found.made[:, 1:] != NEVER).sum(),
        "forget": (found.forgotten != NEVER).sum(),
        "issue": (~found.expired).sum(),
        "send": (~found.expired & (plan.written < world.end)).sum(),
        "deliver": copies.sum(),
        "accept": accepted.sum(),
        "refuse": found.expired.sum() + copies.sum() - accepted.sum(),
    }
    return {op: int(count) for op, count in counts.items()}


def _shares(world, plan, found, retentions):
    """Settled, waiting, unreachable and lost for each retention, in the first half of the time."""
    early = plan.fetched < world.end // 2
    settled = early & (found.opened.min(axis=1) != NEVER)
    waiting = early & ~settled & ~found.expired & (plan.arrives.min(axis=1) != NEVER)
    needed = found.needed[settled]
    lost = [(needed >= retention).sum() for retention in retentions]
    return [settled.sum(), waiting.sum(), (early & found.expired).sum(), *lost]


def _added(rows):
    settled, waiting, unreachable, *lost = np.sum(rows, axis=0).tolist()
    return settled, waiting, unreachable, tuple(lost)


def generator(seed: int, block: int = 0) -> np.random.Generator:
    """The generator of one block of phones."""
    return np.random.Generator(np.random.PCG64(np.random.SeedSequence([seed, block])))
