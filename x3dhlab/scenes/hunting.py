"""Lesson 15: a comparison that tells too much, and nonces that come back."""

import hmac
import itertools
from collections.abc import Callable

from x3dhlab import plots
from x3dhlab.attacks.wild import broken
from x3dhlab.attacks.wild.bank import steps
from x3dhlab.plots import Picture
from x3dhlab.primitives import random_bytes
from x3dhlab.widgets import FALLS, HOLDS, NOTE, Choose, Experiment, Number, Outcome, Text

STOPS, LOOKS = "stops at the first difference", "looks at every byte"


def looks_at_all(right, given) -> bool:
    """A comparison that makes the same steps for every tag of one length."""
    difference = len(right) ^ len(given)
    for place in range(min(len(right), len(given))):
        difference |= right[place] ^ given[place]
    return difference == 0


COMPARE = {STOPS: broken.same_tag, LOOKS: looks_at_all}


def recovered(right: bytes, compare: Callable) -> tuple[bytes, int]:
    """The tag that an attacker finds who sees verdicts and steps, and the number of his tries.

    He tries the values of one byte after the other, and keeps the one with the most steps.
    """
    known, tries = b"", 0
    while len(known) < len(right):
        rest = bytes(len(right) - len(known) - 1)
        seen = {}
        for value in range(256):
            given = known + bytes([value]) + rest
            seen[value] = compare(right, given), steps(compare, right, given)
            tries += 1
        known += bytes([max(seen, key=seen.get)])
    return known, tries


def steps_of(right: bytes) -> dict[str, list[int]]:
    """Comparison → its steps for tags with 0, 1, 2, … right bytes at the beginning."""
    wrong = bytes(byte ^ 1 for byte in right)
    guesses = [right[:n] + wrong[n:] for n in range(len(right))]
    return {
        name: [steps(compare, right, given) for given in guesses]
        for name, compare in COMPARE.items()
    }


def show_steps(right: bytes) -> Picture:
    """The figure of `steps_of`."""
    return plots.curves(
        range(len(right)),
        steps_of(right),
        title="What a comparison tells about a wrong tag",
        along="right bytes at the beginning of the tag",
        upward="steps",
        room=0.2,
    )


def guess_a_code() -> Experiment:
    """Type a code of four digits; see the verdict, and how many steps it took."""
    number = int.from_bytes(hmac.digest(b"a key that you do not have", b"message", "sha256"))
    right = f"{number % 10**4:04}".encode()

    def run(guess, compare):
        given = guess.encode()
        count = steps(COMPARE[compare], right, given)
        facts = {"characters of your code": len(guess), "steps": count}
        if COMPARE[compare](right, given):
            return Outcome(FALLS, "Accepted: you found the code without the key.", facts)
        if len(given) != len(right):
            return Outcome(NOTE, f"Refused. A code has {len(right)} digits here.", facts)
        if compare == LOOKS:
            return Outcome(HOLDS, "Refused. Every code of this length takes these steps.", facts)
        return Outcome(NOTE, f"Refused at digit {count}.", facts)

    controls = [
        Text("guess", "Your code", "0000", 4),
        Choose("compare", "The comparison", tuple(COMPARE), STOPS),
    ]
    return Experiment("Find a code of four digits", controls, run)


BYTE, TWELVE = "a counter in one byte", "a counter in twelve bytes"
RANDOM_2, RANDOM_12 = "two random bytes", "twelve random bytes"
CLOCK = "the clock in seconds, three messages a second"


def _nonces(rule):
    for number in itertools.count():
        if rule == BYTE:
            yield bytes([number % 256])
        elif rule == TWELVE:
            yield number.to_bytes(12, "big")
        elif rule == CLOCK:
            yield (number // 3).to_bytes(12, "big")
        else:
            yield random_bytes(2 if rule == RANDOM_2 else 12)


def first_repeated(rule: str, messages: int) -> tuple[int, int] | None:
    """The first two messages, counted from 1, with one nonce; None when all nonces differ."""
    seen = {}
    for number, nonce in enumerate(itertools.islice(_nonces(rule), messages), 1):
        if nonce in seen:
            return seen[nonce], number
        seen[nonce] = number
    return None


def choose_nonces() -> Experiment:
    """Choose how nonces are made and how many messages are sent under one key."""

    def run(rule, messages):
        pair = first_repeated(rule, messages)
        if pair is None:
            return Outcome(HOLDS, "No nonce came twice.", {"messages": messages})
        facts = {"messages": messages, "the first two with one nonce": f"{pair[0]} and {pair[1]}"}
        return Outcome(FALLS, f"Message {pair[1]} has a nonce that was used before.", facts)

    rules = BYTE, TWELVE, RANDOM_2, RANDOM_12, CLOCK
    controls = [
        Choose("rule", "A nonce is", rules, TWELVE),
        Number("messages", "Messages under one key", 1, 5000, 300),
    ]
    return Experiment("When does a nonce come twice?", controls, run)
