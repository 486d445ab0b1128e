"""Lesson 10: the keys of a conversation as a tree, and ratchets with chosen rules."""

import functools
import re

from x3dhlab import plots
from x3dhlab.attacks import ratchets
from x3dhlab.attacks.ratchets import Rules
from x3dhlab.plots import Picture
from x3dhlab.ratchet import MAX_SKIP
from x3dhlab.scenes.compromise import Conversation, conversation
from x3dhlab.widgets import FALLS, HOLDS, Check, Choose, Experiment, Outcome, Text

_PEER = {"Alice": "Bob", "Bob": "Alice"}


def chains(run: Conversation) -> list[dict]:
    """The chains of a conversation in the order of their first messages.

    Each has `sender`, `keys` (the names of the two ratchet keys whose Diffie-Hellman made it),
    `root` (the root key after that) and `messages` (pairs of a number and whether it was lost).
    a1 is Alice's first ratchet key; SPK_B stands for Bob's first one.
    """
    found, names, counts = {}, {}, {"Alice": 0, "Bob": 0}
    for number, (sender, _, lost) in enumerate(run.lines, 1):
        state = run.states[sender, number]
        public = state.DHs.public
        if public not in names:
            counts[sender] += 1
            names[public] = f"{sender[0].lower()}{counts[sender]}"
        keys = names[public], names.get(state.DHr, "SPK_B")
        chain = {"sender": sender, "keys": keys, "root": state.RK, "messages": []}
        found.setdefault(public, chain)["messages"].append((number, lost))
    return list(found.values())


def key_tree(run: Conversation) -> str:
    """The keys of a conversation as text: root keys downwards, each with its chain."""
    lines = ["SK, from the handshake"]
    for place, chain in enumerate(chains(run), 1):
        ours, theirs = chain["keys"]
        way = f"{chain['sender']} → {_PEER[chain['sender']]}"
        numbers = ", ".join(f"{n}{' (lost)' * lost}" for n, lost in chain["messages"])
        lines.append(f" │  DH({ours}, {theirs})")
        lines.append(f"RK {place}  {chain['root'].hex()[:8]}  ── chain {way}: message {numbers}")
    return "\n".join(lines)


def write_a_conversation() -> Experiment:
    """Who writes when; a new conversation is made, and its headers are shown."""

    def run(script):
        made = conversation(script)
        found = chains(made)
        keys = {n: chain["keys"][0] for chain in found for n, _ in chain["messages"]}
        facts = {}
        for number, (sender, _, lost) in enumerate(made.lines, 1):
            state = made.states[sender, number]
            header = f"{keys[number]}, PN {state.PN}, N {state.Ns - 1}"
            facts[f"{number}. {sender} writes{' (lost)' * lost}"] = header
        counted = (len(made.lines), "message"), (len(found), "chain"), (len(found), "root key")
        sentence = ", ".join(f"{n} {what}{'s' * (n != 1)}" for n, what in counted) + "."
        return Outcome("note", sentence, facts)

    label = "Who writes (a small letter: lost on the way)"
    return Experiment("The headers of a conversation", [Text("script", label, "A A B A", 40)], run)


_BEFORE, _AFTER = "before the message has opened", "after it has opened"


def _order(text):
    """`A+2 B A` as (sender, delay) pairs."""
    words = [re.fullmatch(r"([AB])(?:\+([0-9]+))?", word.upper()) for word in text.split()]
    if not words or None in words:
        raise ValueError("write A or B, or such as A+2: it arrives after the next two")
    return [(word[1], int(word[2] or 0)) for word in words]


def _late(make, order):
    pairs = _order(order)
    unread = ratchets.talk(pairs, make)
    facts = {"written": len(pairs), "arrived, and could not be read": len(unread)}
    if unread:
        facts["these"] = ", ".join(f"{text[0]} (message {int(text[1:]) + 1})" for text in unread)
    return not unread, "Bob and Alice read all that arrives.", "Messages are lost.", facts


def _twice(make, order):
    first, again = ratchets.duplicate(make)
    facts = {"the first time": first, "the second time": again}
    return first != again, "The copy is refused.", "Bob reads one message twice.", facts


def _forged(make, order):
    forgery, honest = ratchets.forged_turn(make)
    facts = {"the forgery": forgery, "Alice's next message": honest}
    return honest == "honest", "The session goes on.", "The session is destroyed.", facts


def _changed(make, order):
    opened, late = ratchets.shorter_chain(make)
    facts = {"the changed message": opened, "the late message before it": late}
    shows = opened != "new chain"
    if shows and late != "late":
        facts["why the late one fails too"] = "the refused message had changed the state"
    return shows, "The change shows.", "The change does not show, and a message is lost.", facts


def _claimed(make, order):
    answer, steps = ratchets.claimed_jump(make)
    facts = {"Bob's answer": answer, "steps of the chain before it": f"{steps:,}"}
    return steps <= MAX_SKIP, "The jump costs nothing.", "Bob works for the forger.", facts


_NETWORK = {
    "delivers in the order below": _late,
    "delivers one message twice": _twice,
    "forges a new ratchet key": _forged,
    "sets PN to 0": _changed,
    f"claims message {ratchets.CLAIMED:,}": _claimed,
}


def your_ratchet() -> Experiment:
    """Choose the rules of both phones and what the network does; all runs anew at every change."""

    def run(network, order, keeps, previous, header, changes, limit, deletes):
        bound = MAX_SKIP if limit else None
        rules = Rules(keeps, previous, header, changes == _AFTER, bound, deletes)
        make = functools.partial(ratchets.phones, rules)
        good, well, badly, facts = _NETWORK[network](make, order)
        return Outcome(HOLDS if good else FALLS, well if good else badly, facts)

    controls = [
        Choose("network", "The network", tuple(_NETWORK), "delivers in the order below"),
        Text("order", "Order: who writes, and how much later it arrives", "A A+2 B A", 60),
        Check("keeps", "Keys of missing messages are kept", True),
        Check("previous", "… of the previous chain, too", False),
        Check("header", "The header is under the tag", False),
        Choose("changes", "The state changes", (_AFTER, _BEFORE), _BEFORE),
        Check("limit", f"A jump is at most {MAX_SKIP:,}", False),
        Check("deletes", "A used key is deleted", True),
    ]
    return Experiment("A ratchet with the rules you choose", controls, run)


def show_disorder() -> Picture:
    """The figure of `ratchets.lost_by_lateness`."""
    return plots.curves(
        ratchets.LATENESS,
        ratchets.lost_by_lateness(),
        title=f"Of {ratchets.COUNT} messages that all arrive: how many cannot be read",
        along="how many places late a message may come",
        upward="unread messages",
        room=0.3,
    )
