"""A mailbox that delivers at least once, and phones whose power fails between two steps.

A21, A75: a phone opens a message, changes its state, puts the text into the conversation and
acknowledges. `Plan` says in which order, and which steps are one transaction. A message is lost,
appears twice or comes for ever when the plan is wrong; its owner sees just that, and no error.
"""

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from types import MappingProxyType

from x3dhlab import session
from x3dhlab.attacks import targets
from x3dhlab.errors import Refused
from x3dhlab.party import Party
from x3dhlab.service.mailbox import Mailbox
from x3dhlab.session import Device

STATE, TEXT, ACKNOWLEDGE = "state", "text", "acknowledge"
TEXTS = tuple(f"Pay {10 * n} euros to Carol.".encode() for n in range(1, 13))
EVENTS = ("write", "work", "cut 1", "cut 2", "again")


@dataclass(frozen=True, slots=True)
class Plan:
    """What a phone does with a message that opened: its steps in order, each a transaction.

    With `answers_all` it acknowledges also what it refuses. With `room` it remembers so many
    handshakes; then it deletes the oldest with its session, or with `waits` leaves new ones in the
    mailbox.
    """

    steps: tuple[tuple[str, ...], ...]
    answers_all: bool = True
    room: int | None = None
    waits: bool = False


PLANS = {
    "acknowledge, then the rest": Plan(((ACKNOWLEDGE,), (STATE, TEXT))),
    "state, text, acknowledge": Plan(((STATE,), (TEXT,), (ACKNOWLEDGE,))),
    "text, state, acknowledge": Plan(((TEXT,), (STATE,), (ACKNOWLEDGE,))),
    "state with text; no word about copies": Plan(((STATE, TEXT), (ACKNOWLEDGE,)), False),
    "state with text, then acknowledge": Plan(((STATE, TEXT), (ACKNOWLEDGE,))),
}
RIGHT = "state with text, then acknowledge"


class PowerCutError(Exception):
    """The power fails: what is not on the disk is gone."""


@dataclass(slots=True)
class Phone:
    """Bob's phone. `device` and `texts` are on its disk; nothing else survives a power cut.

    `name` is whose mailbox it empties. `history` notes what happened, one dict an operation.
    """

    mailbox: Mailbox
    name: str
    device: Device = field(repr=False)
    plan: Plan = PLANS[RIGHT]
    texts: tuple[bytes, ...] = ()
    history: list[dict] = field(default_factory=list)

    @property
    def pending(self) -> list:
        """What the relay still keeps for this phone."""
        return self.mailbox.pending(self.name)

    def work(self, cut: int | None = None) -> None:
        """Take in everything that is pending; with `cut`, the power fails after so many steps."""
        left = cut
        for entry in self.pending:
            try:
                left = self._take(entry, left)
            except PowerCutError:
                self._note("cut")
                return

    def _take(self, entry, left):
        self._note("deliver", entry)
        try:
            device, _, text = session.receive(self.device, None, entry.envelope)
        except Refused as refusal:
            self._note("refuse", entry, reason=type(refusal).__name__)
            if self.plan.answers_all:
                self._do((ACKNOWLEDGE,), entry)
            return left
        if self._full(device):
            self._note("refuse", entry, reason="the record is full")
            return left
        for step in self.plan.steps:
            self._do(step, entry, device, text)
            left = None if left is None else left - 1
            if left == 0:
                raise PowerCutError
        return left

    def _full(self, device):
        """Whether a new handshake has to wait until an entry is deleted."""
        return self.plan.waits and len(device.accepted) > self.plan.room

    def _do(self, step, entry, device=None, text=None):
        if STATE in step:
            self.device = _remembering(device, self.plan.room)
        if TEXT in step:
            self.texts += (text,)
            self._note("accept", entry)
        if ACKNOWLEDGE in step:
            self.mailbox.acknowledge(self.name, [entry.sequence])
            self._note("acknowledge", entry)

    def _note(self, op, entry=None, **more):
        about = {} if entry is None else {"message": entry.sender}
        self.history.append({"t": len(self.history), "op": op, "at": "Bob", **about, **more})


def _remembering(device, room):
    """The device with its newest `room` handshakes only; None keeps all."""
    if room is None:
        return device
    accepted = dict(list(device.accepted.items())[-room:])
    kept = {
        peer: known
        for peer, known in device.sessions.items()
        if any(one.identifier in accepted for one in known)
    }
    return replace(device, accepted=MappingProxyType(accepted), sessions=MappingProxyType(kept))


@cache
def letters() -> tuple[Device, tuple[bytes, ...]]:
    """Bob's device, and first messages from strangers, made without one-time keys."""
    friends = targets.friends(one_time=0)
    written = []
    for number, text in enumerate(TEXTS):
        Party(f"sender {number + 1}", friends.network, one_time=0).send("Bob", text)
        ((_, data),) = friends.network.collect("Bob")
        written.append(data)
    return friends.bob.device, tuple(written)


@cache
def _relay() -> tuple[Mailbox, Iterator[int]]:
    return Mailbox(), itertools.count(1)


def play(plan: Plan, events: Sequence[str]) -> Phone:
    """Run `EVENTS` on a phone with this plan; the mailboxes are those of the real service.

    "write": one more stranger writes. "work": Bob's phone takes in what is pending. "cut n": it
    does, and the power fails after n steps. "again": everybody sends once more what was sent,
    because no answer came back; the messages keep their numbers.
    """
    device, data = letters()
    mailbox, numbers = _relay()
    phone = Phone(mailbox, f"Bob-{next(numbers)}", device, plan)
    sent = 0
    for event in events:
        if event == "write" and sent < len(data):
            sent += 1
            _put(phone, [sent])
        elif event == "again":
            _put(phone, range(1, sent + 1))
        elif event != "write":
            phone.work(int(event.split()[1]) if event.startswith("cut") else None)
    return phone


def _put(phone, numbers):
    for number in numbers:
        envelope = letters()[1][number - 1]
        phone.mailbox.put(phone.name, f"sender {number}", envelope, message_id=str(number))


def evicted(room: int, strangers: int, waits: bool) -> Phone:
    """A21: the first message is read, `strangers` write, and the first one comes once more."""
    plan = replace(PLANS[RIGHT], room=room, waits=waits)
    return play(plan, ["write", "work", *["write"] * strangers, "work", "again", "work"])


# The three promises, each over every moment at which the power may fail

PROMISES = ("a text is lost", "a text comes twice", "a message comes for ever")


def broken(plan: Plan, cuts: bool = True) -> list[bool]:
    """For each of `PROMISES`: is there a moment at which a power cut breaks it?"""
    moments = range(1, len(plan.steps) + 1) if cuts else ()
    found = [False] * len(PROMISES)
    for end in ("work", *(f"cut {moment}" for moment in moments)):
        phone = play(plan, ["write", end, "work", "work"])
        read = phone.texts.count(TEXTS[0])
        now = read == 0, read > 1, bool(phone.pending)
        found = [a or b for a, b in zip(found, now, strict=True)]
    return found


def table(cuts: bool = True) -> dict[str, list[bool]]:
    """Plan → `broken` of it; every run is made anew."""
    return {name: broken(plan, cuts) for name, plan in PLANS.items()}
