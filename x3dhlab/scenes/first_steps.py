"""Lessons 00 and 04: a damaged message, the parts of a message, handshakes with missing terms."""

from x3dhlab.attacks import (
    weakened,
)
from x3dhlab.errors import DecryptionFailed
from x3dhlab.layout import explain
from x3dhlab.plots import Picture, shares
from x3dhlab.primitives import open_sealed, random_bytes, seal
from x3dhlab.trace import Trace
from x3dhlab.widgets import (
    FALLS,
    HOLDS,
    NOTE,
    Check,
    Choose,
    Experiment,
    Number,
    Outcome,
    Text,
)
from x3dhlab.wire import InitialMessage, Message


def flip_a_bit(text: str = "Pay 10 euros to Eve", position: int = 0) -> Experiment:
    """Seal a text, damage one bit on the way, and try to open it."""

    def run(text, position, damage):
        key = random_bytes(32)
        sealed = bytearray(seal(key, text.encode(), b""))
        place = position % len(sealed)
        if damage:
            sealed[place] ^= 1
        where = f"byte {place}" + ("" if place == position else ": counted on from byte 0")
        facts = {"sealed bytes": len(sealed), "damaged": where if damage else "none"}
        try:
            opened = open_sealed(key, bytes(sealed), b"")
        except DecryptionFailed as refusal:
            return Outcome(HOLDS, f"Refused: {refusal.args[0]}.", facts)
        return Outcome(NOTE, "It opens.", {**facts, "Bob reads": opened.decode()})

    return Experiment(
        "Damage one bit of a sealed message",
        [
            Text("text", "Alice writes", text),
            Check("damage", "Flip one bit on the way", True),
            Number("position", "in the byte number", 0, 79, position),
        ],
        run,
    )


def first_message_parts(trace: Trace) -> dict[str, int]:
    """Bytes of the first message on the wire, by purpose: public keys, sealed text and the rest."""
    data = next(value for event in trace.wire for name, value in event.inputs if name == "message")
    message, fields = explain(data, InitialMessage)
    fields = [field for field in fields if field.name != "payload"]
    fields += Message.decode(message.payload).fields()
    parts = {"public keys": 0, "sealed text and its tag": 0, "numbers and lengths": 0}
    for field in fields:
        if field.name.endswith("_key"):
            parts["public keys"] += field.length
        elif field.secret:
            parts["sealed text and its tag"] += field.length
        else:
            parts["numbers and lengths"] += field.length
    return parts


def show_parts(parts: dict[str, int]) -> Picture:
    """The figure of `first_message_parts`."""
    return shares(parts, title="Alice's first message, byte by byte", unit="bytes")


def weakened_handshake() -> Experiment:
    """Choose the terms of a handshake and an attack; both run anew at every change."""

    full, empty = "full: Alice gets a one-time prekey", "empty: DH4 is left out"

    def run(attack, pool, **terms):
        ticked = [term for term in weakened.TERMS if terms[term]]
        chosen = tuple(term for term in ticked if term != "DH4" or pool == full)
        if not chosen:
            why = "DH4 needs a one-time prekey, and the pool is empty. " if ticked else ""
            return Outcome(FALLS, f"{why}Without any term the secret is a public constant.")
        result = weakened.attempt(attack, chosen, one_time=pool == full)
        facts = {"the attacker has": weakened.ATTACKS[attack][0], "terms": ", ".join(chosen)}
        if result.succeeded:
            who = "Bob reads, from “Alice”" if attack.startswith("write") else "the attacker reads"
            return Outcome(FALLS, "The attack works.", {**facts, who: result.evidence})
        return Outcome(HOLDS, f"The attack fails: {result.evidence}.", facts)

    terms = [
        Check(term, f"{term} ({' · '.join(pair)})", term == "DH3")
        for term, pair in weakened.PAIRS.items()
    ]
    pool = Choose("pool", "Bob's pool of one-time prekeys", (full, empty), full)
    attack = Choose("attack", "Attack", tuple(weakened.ATTACKS), "write as Alice")
    return Experiment("A handshake with the terms you choose", [*terms, pool, attack], run)
