"""What a thief reads who takes a key out of a chain: rules for message keys, compared by running.

Precondition: the network was recorded, and at one moment the thief copies a phone's memory, or gets
one message key from a log. Nobody notices. The chain of the Double Ratchet (§7.2) is the first
rule; the other two are what people write instead.
"""

from collections.abc import Callable
from dataclasses import dataclass

from x3dhlab.errors import DecryptionFailed
from x3dhlab.primitives import hmac_sha256, open_sealed, random_bytes, seal
from x3dhlab.ratchet import kdf_ck

COUNT = 8  # messages of one run
MEMORY, LOG = "the phone's memory", "one message key, from a log"


def one_output(key: bytes, number: int) -> tuple[bytes, bytes]:
    """The message key is the next chain key."""
    both = hmac_sha256(key, b"\x01")
    return both, both


def counter(key: bytes, number: int) -> tuple[bytes, bytes]:
    """The key stays, and the number of the message makes the difference."""
    return key, hmac_sha256(key, number.to_bytes(4, "big"))


# Rule → (key, number of the message) → (next key, message key).
RULES: dict[str, Callable[[bytes, int], tuple[bytes, bytes]]] = {
    "HMAC with two constants": lambda key, number: kdf_ck(key),
    "one output for both": one_output,
    "one key and a counter": counter,
}
TWO_CONSTANTS, ONE_OUTPUT, COUNTER = RULES


@dataclass(frozen=True, slots=True)
class Sent:
    """Sealed messages 1, 2, …; `chain[n]` is the key after message n, `used[n - 1]` its key."""

    sealed: tuple[bytes, ...]
    chain: tuple[bytes, ...]
    used: tuple[bytes, ...]


def send(rule: str, count: int = COUNT) -> Sent:
    """Seal `count` messages, each with the next key of a new chain."""
    key, chain, used, sealed = random_bytes(32), [], [], []
    for number in range(1, count + 1):
        chain.append(key)
        key, message_key = RULES[rule](key, number)
        used.append(message_key)
        sealed.append(seal(message_key, b"message %d" % number, b""))
    return Sent(tuple(sealed), (*chain, key), tuple(used))


def taken(sent: Sent, what: str, after: int, *, kept: bool = False) -> list[bytes]:
    """What the thief gets after message `after`. With `kept`, the phone never deleted a key."""
    if what == LOG:
        return [sent.used[after - 1]] if after else []
    old = [*sent.chain[:after], *sent.used[:after]] if kept else []
    return [sent.chain[after], *old]


def reads(rule: str, stolen: list[bytes], sealed: tuple[bytes, ...]) -> list[bool]:
    """Which messages open: the thief tries every stolen key, and every key that follows from it."""
    tried: list[set[bytes]] = [set(stolen) for _ in sealed]
    for start in range(len(sealed)):
        for key in stolen:
            for number in range(start, len(sealed)):
                key, message_key = RULES[rule](key, number + 1)
                tried[number].add(message_key)
    return [
        any(_opens(key, text) for key in keys) for keys, text in zip(tried, sealed, strict=True)
    ]


def _opens(key, sealed):
    try:
        open_sealed(key, sealed, b"")
    except DecryptionFailed:
        return False
    return True


# Row of the figure → (rule, what is stolen, whether used keys were kept).
THEFTS = {
    "chain key, used keys deleted": (TWO_CONSTANTS, MEMORY, False),
    "chain key, used keys kept": (TWO_CONSTANTS, MEMORY, True),
    "one message key": (TWO_CONSTANTS, LOG, False),
    "one message key, one output for both": (ONE_OUTPUT, LOG, False),
    "one key and a counter": (COUNTER, MEMORY, False),
}


def thefts(after: int = COUNT // 2) -> dict[str, tuple[int, list[bool]]]:
    """Row → (after, which messages the thief reads), each from a chain of its own."""
    rows = {}
    for name, (rule, what, kept) in THEFTS.items():
        sent = send(rule)
        rows[name] = after, reads(rule, taken(sent, what, after, kept=kept), sent.sealed)
    return rows
