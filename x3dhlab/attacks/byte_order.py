"""A half-finished encapsulation read back with the wrong byte order (A58).

Between ct1 and ct2 the sender of the ML-KEM Braid keeps secret coefficients, and a phone saves them
to its disk. Here one version of a program writes each number with its high byte first, and the next
one reads with the low byte first. Nobody attacks, and each version alone passes its own tests. The
sender notices nothing; the receiver, many messages later, sees a MAC that does not match.
"""

import struct
from dataclasses import dataclass, replace

from x3dhlab import braid, kem
from x3dhlab.attacks.entry import Attack, Result
from x3dhlab.errors import Refused
from x3dhlab.primitives import random_bytes

NUMBERS = 1024  # coefficients in `HalfCiphertext.noise`, two bytes each
Q = 3329  # ML-KEM's modulus
LITTLE, BIG = "<", ">"


def swapped(noise: bytes, *, reduce: bool = True) -> bytes:
    """These coefficients as a reader with the other byte order gets them.

    With `reduce` it then computes mod q, as arithmetic does, so no coefficient looks wrong. A
    strict reader refuses numbers that are not below q.
    """
    numbers = struct.unpack(f"{BIG}{NUMBERS}H", noise)
    if reduce:
        numbers = [number % Q for number in numbers]
    return struct.pack(f"{LITTLE}{NUMBERS}H", *numbers)


def two_secrets(*, wrong: bool) -> tuple[bytes, bytes]:
    """SS of the sender and SS of the receiver, when `noise` was read back right or wrong."""
    pair = kem.get(kem.INCREMENTAL).generate()
    header, ek_vector = braid.split_public(pair.public)
    ct1, SS, half = kem.encapsulate1(header)
    if wrong:
        half = replace(half, noise=swapped(half.noise))
    CT = ct1 + kem.encapsulate2(half, ek_vector)
    return SS, kem.get(kem.INCREMENTAL).decapsulate(pair.private, CT)


@dataclass(frozen=True, slots=True)
class Found:
    """When the state was saved and read back, and when and how the fault showed: message numbers.

    `refused_by` is "" when nothing was refused in the whole epoch.
    """

    read_back: int
    message: int = 0
    refused_by: str = ""
    error: str = ""

    def __str__(self):
        if not self.refused_by:
            return "nothing is refused in this epoch"
        return f"{self.refused_by} refuses message {self.message}: {self.error}"


def upgraded_after(message: int, *, wrong: bool = True, strict: bool = False) -> Found:
    """One epoch in which Bob's program is updated after `message`, counted from 1.

    `strict` leaves the wrong numbers as they are, so that the package's own check sees them. Raises
    `ValueError` when Bob keeps no half-finished ciphertext at that moment.
    """
    SK = random_bytes(32)
    ends = {"Alice": braid.State.initiator(SK), "Bob": braid.State.responder(SK)}
    number = 0
    while min(end.epoch for end in ends.values()) == 1:
        name, peer = ("Alice", "Bob") if number % 2 == 0 else ("Bob", "Alice")
        number += 1
        try:
            ends[name], sent, *_ = braid.send(ends[name])
            ends[peer], *_ = braid.receive(ends[peer], sent)
        except Refused as refusal:
            return Found(message, number, peer, type(refusal).__name__)
        if number == message:
            ends["Bob"] = _read_back(ends["Bob"], wrong, strict)
    return Found(message)


def _read_back(state, wrong, strict):
    if state.half is None:
        raise ValueError("Bob has no half-finished ciphertext after this message")
    if not wrong:
        return state
    noise = swapped(state.half.noise, reduce=not strict)
    return replace(state, half=replace(state.half, noise=noise))


# For the catalogue


def _two_orders() -> Result:
    sender, receiver = two_secrets(wrong=True)
    return Result(sender != receiver, "two secrets, and no error")


def _one_order() -> Result:
    """A58 against `braid`, whose check sees numbers that cannot be."""
    found = upgraded_after(40, strict=True)
    return Result(not found.error, str(found), found.error)


CATALOGUE = (
    Attack(
        "A58",
        "A stored KEM state in the wrong byte order",
        "ID",
        "12",
        "One version writes a half-finished state, the next one reads it in another order.",
        "The secrets of both sides differ, and sessions die many messages later.",
        "One written encoding, checked when it is read, and vectors across machines.",
        "libcrux issue 1275; repair code in SPQR, January 2026.",
        works=_two_orders,
        fails=_one_order,
    ),
)
