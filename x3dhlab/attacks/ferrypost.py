"""Ferrypost, version 1: a small service that no lesson contains. It closes part V of the course.

A ferry line has two relays, Left and Right, for the letters to its captains, and for their one-time
keys. Relays fail, the line between them is cut, and both come back. Nobody lies. The service
promises four things: a letter that a relay took is shown, once that relay and its line are back and
the phone has asked both; the phone shows no letter twice; no one-time key is given to two senders;
and no person has to repair anything after an outage. Not every promise holds.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field

RELAYS = ("Left", "Right")


@dataclass(slots=True)
class Relay:
    """One relay: its letters by its own numbers, and the one-time keys that it may give out."""

    name: str
    keys: list[int]
    box: dict[int, str] = field(default_factory=dict)
    last: int = 0
    met: set[str] = field(default_factory=set)
    up: bool = True

    def take(self, letter: str) -> None:
        """Put a letter into the box under the next number, unless it was here before."""
        if letter not in self.met:
            self.met.add(letter)
            self.last += 1
            self.box[self.last] = letter

    def collect(self, seen: int) -> list[tuple[int, str]]:
        """Delete what the phone has seen, and give it everything after that, oldest first."""
        self.box = {number: letter for number, letter in self.box.items() if number > seen}
        return sorted(self.box.items())

    def give_key(self) -> int | None:
        """A one-time key of this relay's share, each once."""
        return self.keys.pop(0) if self.keys else None


@dataclass(slots=True)
class Phone:
    """The captain's phone: the last number that it saw, and the letters that it has shown."""

    seen: int = 0
    shown: list[str] = field(default_factory=list)

    def ask(self, relay: Relay) -> None:
        """Fetch what is new and show it. The relays copy in order, so their numbers agree."""
        for number, letter in relay.collect(self.seen):
            if letter not in self.shown:
                self.shown.append(letter)
            self.seen = number


@dataclass(slots=True)
class Ferrypost:
    """Two relays with a line between them, and one phone. Left gives even keys, Right odd ones."""

    relays: dict[str, Relay] = field(
        default_factory=lambda: {
            "Left": Relay("Left", [*range(0, 20, 2)]),
            "Right": Relay("Right", [*range(1, 20, 2)]),
        }
    )
    phone: Phone = field(default_factory=Phone)
    joined: bool = True

    def write(self, relay: str, letter: str) -> bool:
        """A sender gives a letter to a relay. True if it took the letter."""
        if self.relays[relay].up:
            self.relays[relay].take(letter)
            self.copy()
        return self.relays[relay].up

    def copy(self) -> None:
        """Each relay gives the other one what is in its box, while both are up and joined."""
        if self.joined and all(relay.up for relay in self.relays.values()):
            left, right = self.relays.values()
            for one, other in ((left, right), (right, left)):
                for number in sorted(one.box):
                    other.take(one.box[number])

    def read(self, relay: str) -> None:
        """The phone asks one relay, if that is up."""
        if self.relays[relay].up:
            self.phone.ask(self.relays[relay])

    def fetch(self, relay: str) -> int | None:
        """A sender asks for a one-time key."""
        return self.relays[relay].give_key() if self.relays[relay].up else None

    def change(self, what: str, relay: str) -> None:
        """An outage begins or ends."""
        if what in ("cut", "heal"):
            self.joined = what == "heal"
        else:
            self.relays[relay].up = what == "back"
        self.copy()


EVENTS = (
    *((what, relay) for what in ("write", "read", "fetch", "fail", "back") for relay in RELAYS),
    ("cut",),
    ("heal",),
)


def tried(events: Iterable) -> str:
    """Play a list of events, let everything come back, and say which promise broke.

    An event is a list or tuple: `("write", relay)`, `("read", relay)`, `("fetch", relay)`,
    `("fail", relay)`, `("back", relay)`, `("cut",)`, `("heal",)`. Letters are numbered 1, 2, 3 …
    In the end the line and both relays are back, and the phone asks each of them twice. Where no
    relay took a letter, nothing was tried, and the sentence says so.
    """
    post, taken, given = Ferrypost(), [], []
    written = 0
    for event in [*events, ("heal",), *(("back", relay) for relay in RELAYS)]:
        if tuple(event) not in EVENTS:
            return (
                f"{event!r} is no event: write, read, fetch, fail and back have a relay, "
                "Left or Right; cut and heal have none."
            )
        what, relay = (*event, "")[:2]
        if what == "write":
            written += 1
            if post.write(relay, f"letter {written}"):
                taken.append((f"letter {written}", relay))
        elif what == "read":
            post.read(relay)
        elif what == "fetch":
            given.append(post.fetch(relay))
        else:
            post.change(what, relay)
    for relay in (*RELAYS, *RELAYS):
        post.read(relay)
    return _verdict(post, taken, given)


def _verdict(post, taken, given):
    shown, keys = post.phone.shown, [key for key in given if key is not None]
    for letter, relay in taken:
        if letter not in shown:
            return f"Promise 1 is broken: {relay} took {letter}, and the phone never shows it."
    if len(set(shown)) < len(shown):
        return "Promise 2 is broken: the phone shows a letter twice."
    if len(set(keys)) < len(keys):
        return "Promise 3 is broken: one key was given to two senders."
    if not taken:
        return "Nothing was tried: no relay took a letter. Begin with a write."
    return f"All promises hold: {len(shown)} of {len(taken)} letters that were taken are shown."
