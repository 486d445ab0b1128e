"""Lesson 06: inboxes for first messages, and what a message costs."""

import base64

from x3dhlab import plots, x3dh
from x3dhlab.attacks import (
    inbox,
)
from x3dhlab.plots import Picture
from x3dhlab.primitives import random_bytes
from x3dhlab.scenes.figures import measured
from x3dhlab.widgets import (
    FALLS,
    HOLDS,
    Choose,
    Experiment,
    Outcome,
)

_BURN = {"after the text has opened": False, "before": True}
_RECORDS = {"a value derived from SK": "SK", "the bytes that arrived": "bytes", "none": "none"}
_UNKNOWN = {"refuse": False, "go on without a one-time key": True}
_DELIVERIES = {
    "garbage for every one-time key": inbox.burn_with_garbage,
    "the same bytes again, no one-time key": inbox.replay,
    "the same bytes again, with a one-time key": lambda rules: inbox.replay(rules, one_time=True),
    "again with bit 255 of EK_A flipped": lambda rules: inbox.replay(rules, change=inbox.rewritten),
    "again with EK_A as 1/u": lambda rules: inbox.replay(
        rules, change=lambda data: inbox.rewritten(data, inbox.with_small_point)
    ),
    "a number without a key": inbox.hidden_downgrade,
}


def your_inbox() -> Experiment:
    """Choose the rules of an inbox and an attack; both run anew at every change."""

    def run(attack, burn, record, unknown):
        rules = inbox.Rules(_BURN[burn], _RECORDS[record], _UNKNOWN[unknown])
        result = _DELIVERIES[attack](rules)
        return Outcome(FALLS if result.succeeded else HOLDS, result.sentence, result.facts)

    controls = [
        Choose("attack", "Mallory delivers", tuple(_DELIVERIES), "garbage for every one-time key"),
        Choose("burn", "Bob burns the one-time key", tuple(_BURN), "before"),
        Choose("record", "He keeps a record of", tuple(_RECORDS), "none"),
        Choose("unknown", "A number he does not know", tuple(_UNKNOWN), "refuse"),
    ]
    return Experiment("An inbox with the rules you choose", controls, run)


def sizes_on_the_wire(lengths) -> dict[str, list[int]]:
    """Message → its size for a text of each length, counted on real messages."""
    found = {
        name: [] for name in ("first message", "later message", "design E", "design E, base64")
    }
    for length in lengths:
        text = bytes(length)
        first, later = measured(text, {"protocol": x3dh})
        raw = inbox.design_e_message(random_bytes(32), text)
        sizes = first, later, len(raw), len(base64.b64encode(raw))
        for name, size in zip(found, sizes, strict=True):
            found[name].append(size)
    return found


def show_sizes(lengths=(5, 20, 50, 100, 200, 400, 700, 999)) -> Picture:
    """The figure of `sizes_on_the_wire`, with design E's claim as a line."""
    title = "Size on the wire in percent of the text"
    return plots.growth(
        lengths, sizes_on_the_wire(lengths), claim=("claimed: 105 %", 105), title=title
    )
