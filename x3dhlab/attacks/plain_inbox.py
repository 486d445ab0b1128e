"""An inbox in plain data: keys, messages and events for the tasks of lesson 19, and its search.

A message is opened with one or two Diffie-Hellman results, so that a forgery fails and one key has
two spellings, as in X3DH. `shortest_break` tries a learner's inbox with every short run.
"""

import copy
import itertools
import random
from collections.abc import Callable

from x3dhlab.errors import Refused
from x3dhlab.primitives import dh, hkdf, hmac_sha256, open_sealed, public_key, seal

OPENED = """
from x3dhlab.errors import DecryptionFailed
from x3dhlab.primitives import dh, hkdf, hmac_sha256, open_sealed

def opened(signed_private, one_time_private, message):
    shared = dh(signed_private, message["ephemeral"])
    if one_time_private is not None:
        shared += dh(one_time_private, message["ephemeral"])
    SK = hkdf(shared, salt=bytes(32), info=b"lesson 19", length=32)
    return hmac_sha256(SK, b"record"), open_sealed(SK, message["sealed"], b"")
"""


def write(state: dict, sequence: int, spk: int, key: int | None, text: bytes, ephemeral: bytes):
    """The event of a first message to the owner of `state`; `ephemeral` is a private key."""
    publics = [public_key(state["signed_prekeys"][spk])]
    if key is not None:
        publics.append(public_key(state["one_time_prekeys"][key]))
    shared = b"".join(dh(ephemeral, public) for public in publics)
    SK = hkdf(shared, salt=bytes(32), info=b"lesson 19", length=32)
    about = {"kind": "message", "sequence": sequence, "spk": spk, "key": key}
    return about | {"ephemeral": public_key(ephemeral), "sealed": seal(SK, text, b"")}


def opened(signed_private: bytes, one_time_private: bytes | None, message: dict):
    """The same function as `OPENED`: (mark for the record, text)."""
    shared = dh(signed_private, message["ephemeral"])
    if one_time_private is not None:
        shared += dh(one_time_private, message["ephemeral"])
    SK = hkdf(shared, salt=bytes(32), info=b"lesson 19", length=32)
    return hmac_sha256(SK, b"record"), open_sealed(SK, message["sealed"], b"")


def state(rng: random.Random, spks=(1, 2), keys=(0, 5, 6), room: int = 8) -> dict:
    """A phone before its first message."""
    return {
        "signed_prekeys": {number: rng.randbytes(32) for number in spks},
        "one_time_prekeys": {number: rng.randbytes(32) for number in keys},
        "accepted": [],
        "texts": [],
        "room": room,
    }


def copy_of(message: dict, sequence: int) -> dict:
    """The same message once more, as the relay's entry `sequence`."""
    return message | {"sequence": sequence}


def respelt(message: dict) -> dict:
    """The same message with the highest bit of its ephemeral key set: other bytes, same secret."""
    key = message["ephemeral"]
    return message | {"ephemeral": key[:31] + bytes([key[31] | 128])}


def forged(message: dict) -> dict:
    """Garbage that names the same prekeys."""
    return message | {"sealed": bytes(80)}


# The search

LETTERS = {
    "K": "a message with a one-time key",
    "N": "a message without one",
    "k": "the relay delivers the first one again",
    "n": "the relay delivers the other one again",
    "r": "the other one again, EK_A spelt in another way",
    "f": "a forgery of the first one",
    "2": "another message with the same one-time key",
    "S": "a message from a stranger",
}


def _events(start):
    """Letter → (event, the text that it brings, or None for a forgery)."""
    rng = random.Random("shortest break")
    texts = b"Pay Carol 10", b"Pay Carol 20", b"Pay Dora 30", b"Hello"
    keys = 5, None, 5, None
    with_key, without, other, stranger = (
        write(start, number, 1, key, text, rng.randbytes(32))
        for number, (key, text) in enumerate(zip(keys, texts, strict=True), 1)
    )
    return {
        "K": (with_key, texts[0]),
        "N": (without, texts[1]),
        "k": (copy_of(with_key, 5), texts[0]),
        "n": (copy_of(without, 6), texts[1]),
        "r": (respelt(copy_of(without, 7)), texts[1]),
        "f": (forged(copy_of(with_key, 8)), None),
        "2": (other, texts[2]),
        "S": (stranger, texts[3]),
    }


def shortest_break(process_once: Callable, length: int = 4) -> str:
    """The shortest run of deliveries, one after the other, that breaks this inbox; or that none is.

    Every run of up to `length` different `LETTERS` is tried, on an inbox with room for two
    entries. An error that the inbox raises breaks it too: it stops the queue. So does a change in
    the state or the event that was given: what was not saved would count.
    """
    start, tried = state(random.Random("phone"), room=2), 0
    events = _events(start)
    for count in range(1, length + 1):
        for run in itertools.permutations(LETTERS, count):
            tried += 1
            fault = _fault(process_once, start, [events[letter] for letter in run])
            if fault:
                steps = (f"{n}. {LETTERS[letter]}" for n, letter in enumerate(run, 1))
                return "\n".join([*steps, f"→ {fault}"])
    return f"{tried:,} runs, and none breaks it"


def _fault(process_once, now, events):
    """What is wrong after these events, in words, or an empty string."""
    for event, text in events:
        before, given, came = copy.deepcopy(now), now, dict(event)
        try:
            now, effects = process_once(given, event)
        except Refused as refusal:
            return f"the queue stops: {type(refusal).__name__}"
        if (given, event) != (before, came):
            return "an argument was changed in place, saved or not"
        acknowledged = ["acknowledge", event["sequence"]] in effects
        for promise, says in _PROMISES.items():
            if promise(before, now, event, text, acknowledged):
                return says
    return ""


def _twice(before, now, event, text, acknowledged):
    return len(set(now["texts"])) != len(now["texts"])


def _lost(before, now, event, text, acknowledged):
    could = event["key"] is None or event["key"] in before["one_time_prekeys"]
    return acknowledged and could and text is not None and text not in now["texts"]


def _alive(before, now, event, text, acknowledged):
    return now["texts"] != before["texts"] and event["key"] in now["one_time_prekeys"]


def _for_ever(before, now, event, text, acknowledged):
    gone = event["key"] is not None and event["key"] not in before["one_time_prekeys"]
    return (text is None or text in before["texts"] or gone) and not acknowledged


def _moved(before, now, event, text, acknowledged):
    return text is None and now != before


_PROMISES = {
    _twice: "a text stands twice",
    _lost: "a message was acknowledged, and its text is nowhere",
    _alive: "a one-time key is alive after its use",
    _for_ever: "a copy, or what can never open, is not acknowledged, and will come for ever",
    _moved: "a forgery changed the state",
}
