"""Lesson 09: a key stolen from a chain, and a message forged after a nonce was used twice."""

from x3dhlab import plots
from x3dhlab.attacks import chains, nonce_reuse
from x3dhlab.errors import DecryptionFailed
from x3dhlab.plots import Picture
from x3dhlab.primitives import AES_256_GCM, CBC_HMAC, open_sealed, random_bytes, seal
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


def steal_from_a_chain() -> Experiment:
    """Choose a rule for message keys and a theft; the thief tries everything on eight messages."""

    def run(rule, what, after, kept):
        sent = chains.send(rule)
        stolen = chains.taken(sent, what, after, kept=kept)
        if not stolen:
            return Outcome(NOTE, "No message was sent yet, so the log has no key.")
        opened = [n for n, read in enumerate(chains.reads(sent, stolen), 1) if read]
        own = after if what == chains.LOG else None
        past = [n for n in opened if n <= after and n != own]
        later = [n for n in opened if n > after]
        facts = {
            "keys that the thief has": _counted(sent, stolen),
            "before the theft he reads": _listed(past),
            "after it he reads": _listed(later),
        }
        if own in opened:
            facts["the message of the stolen key"] = "he reads it"
        if past and not kept:
            facts["why before it"] = "these keys follow from the key that is still on the phone"
        if past:
            return Outcome(FALLS, "The past falls.", facts)
        if later:
            return Outcome(NOTE, "The past is safe. What comes later falls.", facts)
        return Outcome(HOLDS, "No other message falls.", facts)

    return Experiment(
        "Eight messages, and one theft",
        [
            Choose("rule", "Message keys come from", tuple(chains.RULES), chains.TWO_CONSTANTS),
            Choose("what", "The thief gets", (chains.MEMORY, chains.LOG), chains.MEMORY),
            Number("after", "after message", 0, chains.COUNT, 4),
            Check("kept", "The phone keeps used keys (not in the log)", False),
        ],
        run,
    )


def _counted(sent, stolen):
    """How many keys, of which kind. A rule may use one key for both; it counts as a chain key."""
    chain = len(set(stolen) & set(sent.chain))
    others = len(set(stolen)) - chain
    if not chain or not others:
        return str(chain + others)
    return f"{chain + others}: {_plural(chain, 'chain key')}, {_plural(others, 'message key')}"


def _plural(count, what):
    return f"{count} {what}{'s' * (count != 1)}"


def _listed(numbers):
    return ", ".join(map(str, numbers)) or "nothing"


def show_thefts() -> Picture:
    """The figure of `chains.thefts`."""
    rows = chains.thefts()
    return plots.compromise_over_time(
        ["Alice"] * chains.COUNT,
        rows,
        title="Eight messages, a theft after the fourth: ✗ read, ✓ safe",
    )


FIRST, SECOND = b"pay Ann 10 euros", b"pay Bob 20 euros"
_GCM, _FRESH, _CBC = "GCM, nonce from the key", "GCM, a new nonce each time", "CBC and HMAC"
_ONE, _NEW = "one key for both messages", "a new key for each message"


def forge_a_message() -> Experiment:
    """Alice seals two payments; Mallory knows the first text and writes a third."""

    def run(keys, box, wanted):
        wanted = wanted.encode().ljust(16)
        if len(wanted) > 16:
            return Outcome(NOTE, f"This text has {len(wanted)} bytes; one block has 16.")
        aead, key = CBC_HMAC if box == _CBC else AES_256_GCM, random_bytes(32)
        nonces = [random_bytes(16) if box == _FRESH else None for _ in range(2)]
        used = [key, key if keys == _ONE else random_bytes(32)]
        texts = zip(used, (FIRST, SECOND), nonces, strict=True)
        sent = [seal(k, text, b"", aead=aead, nonce=nonce) for k, text, nonce in texts]
        guess = nonce_reuse.xor(nonce_reuse.xor(sent[0][:16], sent[1][:16]), FIRST)
        forged = (_flipped if box == _CBC else nonce_reuse.forge)(*sent, FIRST, wanted)
        facts = {"Mallory computes as the second text": _shown(guess)}
        try:
            text = open_sealed(key, forged, b"", aead=aead, nonce=nonces[0])
        except DecryptionFailed:
            return Outcome(HOLDS, "Bob refuses the forged message.", facts)
        return Outcome(FALLS, f"Bob reads: {_shown(text)}.", facts)

    return Experiment(
        "A third message from two",
        [
            Choose("keys", "Alice uses", (_ONE, _NEW), _ONE),
            Choose("box", "The box is", (_GCM, _FRESH, _CBC), _GCM),
            Text("wanted", "Mallory writes (up to 16 bytes)", "pay Eve 99 euros"),
        ],
        run,
    )


def _flipped(first, second, known, wanted):
    """The nearest thing without an equation: change the first block, keep the tag."""
    return nonce_reuse.xor(nonce_reuse.xor(first[:16], known), wanted) + first[16:]


def _shown(text):
    shown = text.decode(errors="replace")
    if shown.isprintable() and "\ufffd" not in shown:
        return f"“{shown.strip()}”"
    return f"{text.hex(' ', 4)} (no text)"
