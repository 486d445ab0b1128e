"""What a thief reads who takes a key out of a chain: rules for message keys, compared by running.

Precondition: the network was recorded, and at one moment the thief copies a phone's memory, or gets
one message key from a log. Nobody notices. The chain of the Double Ratchet (§7.2) is the first
rule; the other two are what people write instead.

The thief knows the rule. He repeats every recorded step of it whose inputs he has (`Trace.closure`)
and opens what he can, so a rule has to be made of the operations of `primitives`.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

from x3dhlab.primitives import hmac_sha256, random_bytes, seal
from x3dhlab.proof import verdicts
from x3dhlab.ratchet import kdf_ck
from x3dhlab.trace import Trace, record

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
    """Sealed messages 1, 2, …; `chain[n]` is the key after message n, `used[n - 1]` its key.

    `trace` has every step of the rule.
    """

    sealed: tuple[bytes, ...]
    chain: tuple[bytes, ...] = field(repr=False)
    used: tuple[bytes, ...] = field(repr=False)
    trace: Trace


def send(rule: str, count: int = COUNT) -> Sent:
    """Seal `count` messages, each with the next key of a new chain.

    Raises `ValueError` if the trace does not lead from the first key to every other one: then it
    could not say what a thief computes.
    """
    key, chain, used, sealed = random_bytes(32), [], [], []
    with record() as trace:
        for number in range(1, count + 1):
            chain.append(key)
            key, message_key = RULES[rule](key, number)
            used.append(message_key)
            sealed.append(seal(message_key, b"message %d" % number, b""))
    chain.append(key)
    reached = trace.closure(chain[:1])
    if any(value not in reached for value in (*chain, *used)):
        raise ValueError(
            "the thief cannot follow this rule: make its keys with hmac_sha256(key, constant), "
            "hkdf, concat and split of x3dhlab.primitives"
        )
    return Sent(tuple(sealed), tuple(chain), tuple(used), trace)


def taken(sent: Sent, what: str, after: int, *, kept: bool = False) -> list[bytes]:
    """What the thief gets after message `after`. With `kept`, the phone never deleted a key."""
    if what == LOG:
        return [sent.used[after - 1]] if after else []
    old = [*sent.chain[:after], *sent.used[:after]] if kept else []
    return [sent.chain[after], *old]


def reads(sent: Sent, stolen: list[bytes]) -> list[bool]:
    """Which messages open for a thief who recorded them all and has the `stolen` keys."""
    return [verdict.readable for verdict in verdicts(sent.trace, [*stolen, *sent.sealed])]


# Row of the figure → (rule, what is stolen, whether used keys were kept).
THEFTS = {
    "two constants: phone": (TWO_CONSTANTS, MEMORY, False),
    "two constants: phone, used keys kept": (TWO_CONSTANTS, MEMORY, True),
    "two constants: log": (TWO_CONSTANTS, LOG, False),
    "one output: phone": (ONE_OUTPUT, MEMORY, False),
    "one output: log": (ONE_OUTPUT, LOG, False),
    "key and counter: phone": (COUNTER, MEMORY, False),
    "key and counter: log": (COUNTER, LOG, False),
}


def thefts(after: int = COUNT // 2) -> dict[str, tuple[int, list[bool]]]:
    """Row → (after, which messages the thief reads), each from a chain of its own."""
    rows = {}
    for name, (rule, what, kept) in THEFTS.items():
        sent = send(rule)
        rows[name] = after, reads(sent, taken(sent, what, after, kept=kept))
    return rows
