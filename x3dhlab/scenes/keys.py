"""Lesson 02: key bytes, signed bytes, keys of low order."""

from x3dhlab import plots
from x3dhlab.attacks import (
    low_order,
    signing,
)
from x3dhlab.keys import KeyPair
from x3dhlab.plots import Picture
from x3dhlab.primitives import dh
from x3dhlab.widgets import (
    FALLS,
    HOLDS,
    NOTE,
    Choose,
    Experiment,
    Number,
    Outcome,
)


def flip_a_key_bit() -> Experiment:
    """Turn over one of the 256 bits of a private or public key: does the result change?"""

    def run(half, bit):
        a, b = KeyPair.generate(), KeyPair.generate()
        before = a.private if half == "private" else b.public
        flipped = (int.from_bytes(before, "little") ^ 1 << bit).to_bytes(32, "little")
        facts = {
            f"byte {bit // 8} before": f"{before[bit // 8]:08b}",
            f"byte {bit // 8} after": f"{flipped[bit // 8]:08b}",
        }
        if half == "private":
            same = KeyPair.from_private(flipped).public == a.public
            words = "The public key is the same." if same else "The public key is another one."
        else:
            same = dh(a.private, flipped) == dh(a.private, b.public)
            words = "The secret is the same." if same else "The secret is another one."
        return Outcome(NOTE, words, facts)

    return Experiment(
        "Turn over one bit of a key",
        [
            Choose("half", "Half of the key pair", ("private", "public"), "private"),
            Number("bit", "Bit number", 0, 255, 100),
        ],
        run,
    )


def signed_bytes() -> Experiment:
    """Bob signs some bytes, Alice checks some bytes, the server is honest or not."""

    def run(signed, checked, on_failure, server):
        forged = server != "honest"
        meeting = signing.meet(checked, on_failure, signed=signed, forged=forged)
        check = "fails" if meeting.obstacle else "passes"
        facts = {"Alice's check": check, "Bob reads": meeting.bob_reads or "nothing"}
        facts["the server, when IK_B is stolen later, reads"] = meeting.read_later or "nothing"
        if meeting.read_later:
            return Outcome(
                FALLS, "Alice used a forged prekey: the server reads once IK_B is stolen.", facts
            )
        if forged:
            return Outcome(HOLDS, "Alice stops: the prekey is not Bob's.", facts)
        if meeting.bob_reads:
            return Outcome(HOLDS, "Alice writes, and Bob reads.", facts)
        return Outcome(FALLS, "Honest Bob cannot be reached: every check fails.", facts)

    ways = tuple(signing.BYTES)
    return Experiment(
        "Which bytes are signed, which are checked?",
        [
            Choose("signed", "Bob signs", ways, signing.ENCODED),
            Choose("checked", "Alice checks", ways, signing.RAW),
            Choose("on_failure", "When the check fails", (signing.STOP, signing.GO_ON), "stop"),
            Choose("server", "The server", ("honest", "exchanges Bob's prekeys"), "honest"),
        ],
        run,
    )


def show_clients() -> Picture:
    """The figure of `signing.clients`."""
    promises = ["honest Bob can be reached", "a forged prekey and a stolen IK_B open nothing"]
    title = "Four clients; Bob signs 33 bytes"
    return plots.verdicts(signing.clients(), promises, title=title, promises=True)


def write_as_nobody() -> Experiment:
    """Choose a key without owner and a check; a first message under it goes to Bob."""
    nobody = "a random key"

    def run(key, check):
        public = KeyPair.generate().public if key == nobody else low_order.LOW_ORDER[key]
        contact = low_order.write_as_nobody(public, check)
        facts = {"IK_A = EK_A": f"{public.hex()[:12]} … {public.hex()[-6:]}"}
        if contact.secret:
            facts["Bob's SK"] = f"{contact.secret.hex()[:16]} …"
        if contact.read:
            return Outcome(FALLS, "Bob reads a message that nobody's key wrote.", facts)
        return Outcome(HOLDS, f"No: {contact.refused}.", facts)

    return Experiment(
        "A message from nobody",
        [
            Choose("key", "The key", (*low_order.LOW_ORDER, nobody), "0"),
            Choose("check", "Bob's check", tuple(low_order.CHECKS), "no check"),
        ],
        run,
    )
