"""Meterpost, version 1: a small ratchet that no lesson contains. It closes part III of the course.

A meter reports every hour to its company, and the company answers with a price. A thief may copy
the meter's memory once, and all that is sent is public. The protocol uses a KEM, so that a quantum
computer does not help, and promises four things: only the two read; a report counts once, in its
order; a copy of the memory opens no earlier report; and once the company has answered after it, it
opens no later one either. One promise does not hold.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace

from x3dhlab import kem
from x3dhlab.errors import Refused
from x3dhlab.primitives import hkdf, open_sealed, random_bytes, seal, split

LABEL = b"Meterpost v1"
KEM = kem.get("ML-KEM-768")
HOURS, COPIED = 5, 2  # reports of one run, and the report after which the memory is copied


@dataclass(frozen=True, slots=True)
class State:
    """What each end keeps: a root key and the number of the hour. Both ends keep the same."""

    root: bytes = field(repr=False)
    hour: int = 0


@dataclass(frozen=True, slots=True)
class Frame:
    """What crosses the network: a KEM key or a ciphertext, and a sealed text. All is public."""

    kem: bytes = field(repr=False)
    sealed: bytes = field(repr=False)


def keys(state: State) -> tuple[bytes, bytes, bytes, bytes]:
    """The next root, the key of the report, the key of the answer, the seed of the KEM pair."""
    info = LABEL + state.hour.to_bytes(4, "big")
    output = hkdf(state.root, salt=bytes(32), info=info, length=160)
    return split(output, 32, 32, 32, 64)


def fresh_pair(state: State) -> kem.KemKeyPair:
    """The meter's KEM pair of this hour. It is made again when the answer comes, and not stored."""
    return KEM.generate(seed=keys(state)[3])


def report(state: State, text: bytes) -> Frame:
    """The meter: a report under a key of its own, and the public key of a new KEM pair."""
    public = fresh_pair(state).public
    return Frame(public, seal(keys(state)[1], text, public))


def answer(state: State, frame: Frame, price: bytes, *, coins=None) -> tuple[State, Frame, bytes]:
    """The company: reads the report, encapsulates with fresh coins, and moves on."""
    text = open_sealed(keys(state)[1], frame.sealed, frame.kem)
    CT, SS = KEM.encapsulate(frame.kem, coins=coins or random_bytes(32))
    sealed = seal(keys(state)[2], price, frame.kem + CT)
    return moved(state, SS), Frame(CT, sealed), text


def take(state: State, frame: Frame) -> tuple[State, bytes]:
    """The meter: reads the price, gets the company's secret and moves on."""
    pair = fresh_pair(state)
    price = open_sealed(keys(state)[2], frame.sealed, pair.public + frame.kem)
    return moved(state, KEM.decapsulate(pair.private, frame.kem)), price


def moved(state: State, SS: bytes) -> State:
    """Both: the next root is made of the old one and of the new secret. The old one is deleted."""
    root = hkdf(SS, salt=keys(state)[0], info=LABEL + b" root", length=32)
    return replace(state, root=root, hour=state.hour + 1)


def tried(attack: Callable[[State, list[tuple[Frame, Frame]]], Iterable[bytes]]) -> str:
    """Run an attack, and say which of the later reports it opened.

    `attack(memory, frames)` gets a copy of the meter's state and, for each hour after that, the
    report and the answer as they crossed the network. It returns or yields the texts that it found.
    When a call in it is refused, it is run again with fewer hours, to say how far it comes.
    """
    meter = company = State(random_bytes(32))
    memory, later, secret = None, [], []
    for hour in range(1, HOURS + 1):
        text = b"hour %d: %d kWh, " % (hour, hour) + random_bytes(4).hex().encode()
        sent = report(meter, text)
        company, back, _ = answer(company, sent, b"31 cents")
        meter, _ = take(meter, back)
        if hour == COPIED:
            memory = meter
        elif hour > COPIED:
            later.append((sent, back))
            secret.append(text)
    found, end = _as_far_as_it_comes(attack, memory, later)
    read = sum(text in found for text in secret)
    return f"The thief reads {read} of {len(secret)} later reports{end}."


def _as_far_as_it_comes(attack, memory, later):
    """The texts that the attack finds, and how it ends if it is refused on the way."""
    found, end = [], ""
    for hours in range(len(later), -1, -1):
        try:
            for text in attack(memory, later[:hours]):
                found.append(text)
            break
        except Refused as refusal:
            end = f", then a call is refused: {type(refusal).__name__}"
    return found, end
