"""Lesson 12, first sitting: a relay that sorts mixed messages by their headers."""

from collections.abc import Sequence

from x3dhlab.attacks import headers
from x3dhlab.attacks.headers import CLEAR, FIXED, HIDDEN, Passed
from x3dhlab.widgets import FALLS, HOLDS, Choose, Experiment, Number, Outcome


def score(passed: Sequence[Passed]) -> dict:
    """What the linker finds in this traffic, against the truth.

    `chains` and `groups` count both; `right` counts groups that are all that passed of one chain;
    `together` counts messages that it puts with another one; `missing` those it knows were lost.
    """
    messages = [message.data for message in passed]
    groups = headers.linked(messages)
    whole = [[n for n, m in enumerate(passed) if m.chain == passed[g[0]].chain] for g in groups]
    clear = messages and messages[0][1:2] == b"\x03"
    missing = sum(len(headers.told(messages, group)["missing"]) for group in groups) if clear else 0
    return {
        "messages": len(passed),
        "chains": len({message.chain for message in passed}),
        "groups": len(groups),
        "together": sum(len(group) for group in groups if len(group) > 1),
        "right": sum(group == real for group, real in zip(groups, whole, strict=True)),
        "missing": missing,
    }


def sort_the_traffic() -> Experiment:
    """Choose how headers travel; new traffic passes the relay, which sorts it without a key."""

    def run(kind, pairs, loss):
        found = score(headers.traffic(kind, pairs=pairs, count=40, loss=loss / 100))
        facts = {
            "messages that passed": found["messages"],
            "chains there really are": found["chains"],
            "piles that the relay makes": found["groups"],
            "messages on a pile with others": found["together"],
            "lost ones that it knows of": found["missing"],
        }
        if not found["together"]:
            return Outcome(HOLDS, "Every message lies alone.", facts)
        sentence = f"{found['right']} of {found['groups']} piles are all that passed of one chain."
        return Outcome(FALLS, sentence, facts)

    controls = [
        Choose("kind", "Headers travel", (CLEAR, HIDDEN, FIXED), CLEAR),
        Number("pairs", "pairs of people", 1, 8, 3),
        Number("loss", "of 100 messages are lost", 0, 60, 15),
    ]
    return Experiment("A relay sorts what passes", controls, run)
