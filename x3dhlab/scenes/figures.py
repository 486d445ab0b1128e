"""Figures whose numbers are counted in runs made for them."""

from x3dhlab import pqxdh, x3dh
from x3dhlab.kem import SIZES
from x3dhlab.party import LocalTransport, Party
from x3dhlab.plots import Picture, compromise_over_time, message_sizes
from x3dhlab.proof import stolen, verdicts
from x3dhlab.scenes.compromise import conversation
from x3dhlab.service.store import PreKeyStore
from x3dhlab.trace import record


def measured_sizes(text: bytes = b"Hello, Bob!") -> dict[str, tuple[int, int]]:
    """Handshake → (bytes of the first message, bytes of a later one), counted on the wire.

    Each one is a real run: Alice writes `text`, Bob answers, Alice writes it again.
    """
    suites = {"X3DH": {"protocol": x3dh}}
    for name in SIZES:
        suites[f"PQXDH, {name}"] = {"protocol": pqxdh, "kem": name}
    return {name: measured(text, options) for name, options in suites.items()}


def measured(text: bytes, options: dict) -> tuple[int, int]:
    """Bytes of a first and of a later message with this text, between parties with `options`."""
    network = LocalTransport(PreKeyStore())
    alice, bob = (Party(name, network, one_time=1, **options) for name in ("Alice", "Bob"))
    bob.publish()
    with record() as trace:
        for sender, receiver, words in (
            (alice, bob, text),
            (bob, alice, b"Hi"),
            (alice, bob, text),
        ):
            sender.send(receiver.name, words)
            receiver.receive()
    crossed = [(dict(event.detail), event.inputs[0]) for event in trace.wire]
    sent = [
        len(data)
        for detail, (what, data) in crossed
        if what == "message" and detail["sender"] == alice.name
    ]
    return sent[0], sent[-1]


def show_message_sizes(text: bytes = b"Hello, Bob!") -> Picture:
    """The figure of `measured_sizes`."""
    title = f"Bytes of one message with a text of {len(text)} bytes"
    return message_sizes(measured_sizes(text), title=title)


def opened_by_theft(
    script: str = "A B A B A B A B", who: str = "Bob", after=(1, 3, 5), *, seed: int = 1
) -> tuple[list[str], dict[str, tuple[int, list[bool]]]]:
    """Senders, and for each theft the message after which it happened and what it opens.

    `who` loses the ratchet state, copied right after each of the messages in `after`. Every
    verdict is proved. Raises `ValueError` for a script that is none.
    """
    run = conversation(script, seed=seed)
    thefts = {}
    for number in after:
        found = verdicts(run.trace, stolen(run.states[who, number]))
        thefts[f"{who}'s state after {number}"] = (number, [verdict.readable for verdict in found])
    return [sender for sender, _, _ in run.lines], thefts


def show_compromise(script: str = "A B A B A B A B", who: str = "Bob", after=(1, 3, 5)) -> Picture:
    """The figure of `opened_by_theft`."""
    return compromise_over_time(*opened_by_theft(script, who, after))
