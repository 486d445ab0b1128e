"""Lesson 01: where each key lives, and what its holder can read."""

from x3dhlab import plots, prekeys, x3dh
from x3dhlab.attacks import (
    placement,
)
from x3dhlab.keys import KeyPair
from x3dhlab.party import SERVER
from x3dhlab.plots import Picture
from x3dhlab.scenes.inspector import opened
from x3dhlab.service.store import PreKeyStore
from x3dhlab.trace import Trace
from x3dhlab.widgets import (
    FALLS,
    HOLDS,
    NOTE,
    Choose,
    Experiment,
    Outcome,
)
from x3dhlab.wire import InitialMessage, PreKeyBundle

_DEVICE, _SERVER = "device only", "server too"


def place_the_keys() -> Experiment:
    """Place each private and public half; a first contact runs, and the server tries to use it."""

    def run(**places):
        private, public = (
            [name for name in names if places[f"{half}_{name}"] == _SERVER]
            for half, names in (("private", placement.PRIVATE), ("public", placement.PUBLIC))
        )
        contact = placement.first_contact(private, public)
        if contact.missing:
            lacks = ("one public key", "two public keys")[len(contact.missing) - 1]
            return Outcome(NOTE, f"Bob is offline, and Alice cannot start: she lacks {lacks}.")
        return _contact_outcome(contact)

    controls = [_place("private", name) for name in placement.PRIVATE]
    controls += [_place("public", name) for name in placement.PUBLIC]
    return Experiment("Where does each key go?", controls, run)


def _place(half, name):
    owner = "Alice" if name.endswith("_A") else "Bob"
    return Choose(f"{half}_{name}", f"{half} {name} ({owner})", (_DEVICE, _SERVER), _DEVICE)


def _contact_outcome(contact):
    facts = {"terms in the secret": contact.terms, "Bob reads": contact.bob_reads}
    for name, finding in contact.findings.items():
        facts[f"can the server {name}?"] = ("yes: " if finding.succeeded else "no: ") + (
            finding.evidence
        )
    can = [name for name, finding in contact.findings.items() if finding.succeeded]
    if can:
        return Outcome(FALLS, f"The server can {', '.join(can)}.", facts)
    few = "" if contact.terms == 4 else " No one-time key is there, so one term is missing."
    return Outcome(
        HOLDS,
        f"Alice starts without Bob, and the server cannot read anything or pose as anybody.{few}",
        facts,
    )


def whereabouts(trace: Trace) -> dict[str, list[str]]:
    """Key → what Alice's phone, the server and Bob's phone held of it in a recorded first contact.

    Found by searching the bytes: a phone held what its own operations used or what it received,
    the server held what crossed the network.
    """
    crossed = [(dict(event.detail)["what"], event.inputs[0][1]) for event in trace.wire]
    messages = [opened(data) for what, data in crossed if what == "message"]
    first = next(message for message in messages if type(message) is InitialMessage)
    bundle = PreKeyBundle.decode(next(data for what, data in crossed if what == "bundle"))
    public = {
        "IK_A": first.identity_key,
        "EK_A": first.ephemeral_key,
        "IK_B": bundle.identity_key,
        "SPK_B": bundle.signed_prekey,
        "OPK_B": bundle.one_time_prekey,
    }
    private = {
        event.outputs[0][1]: event.inputs[0][1] for event in trace.events if event.kind == "PUBLIC"
    }
    seen = {who: _seen(trace, who) for who in ("Alice", SERVER, "Bob")}
    return {
        name: [_halves_in(seen[who], private[key], key) for who in seen]
        for name, key in public.items()
    }


def _seen(trace, who):
    """Every byte string that a phone worked on or received; for the server all that crossed."""
    found = []
    for event in trace.events:
        if event.kind == "WIRE":
            detail = dict(event.detail)
            mine = who in (detail["sender"], detail["recipient"])
        else:
            mine = event.actor == who
        if mine:
            found += [value for _, value in (*event.inputs, *event.outputs)]
    return b"|".join(found)


def _halves_in(seen, private, public):
    halves = {"private": private, "public": public}
    return " + ".join(name for name, value in halves.items() if value in seen)


def show_whereabouts(trace: Trace) -> Picture:
    """The figure of `whereabouts`."""
    columns = ["Alice's phone", "server", "Bob's phone"]
    return plots.places(
        whereabouts(trace), columns, title="Which halves were where, found in a real run"
    )


def show_placements() -> Picture:
    """The figure of `placement.placements`: what one private half on the server is worth."""
    found = placement.placements()
    rows = {name: [f.succeeded for f in findings.values()] for name, findings in found.items()}
    promises = ["the message stays secret", "only Alice writes as Alice", "only Bob answers as Bob"]
    title = "What still holds when the server has these private halves"
    return plots.verdicts(rows, promises, title=title, promises=True)


def three_handshakes() -> dict[str, str]:
    """Key → its first bytes in three handshakes with Bob, who rotates before the third."""
    store = PreKeyStore()
    ring = prekeys.generate(one_time=3)
    store.publish("Bob", prekeys.publication(ring))
    seen = []
    for turn in range(3):
        if turn == 2:
            fresh = prekeys.publication(prekeys.rotate(ring), since=ring.next_id)
            store.publish("Bob", fresh)
        bundle = store.fetch("Bob")
        message, _ = x3dh.initiate(KeyPair.generate(), bundle)
        keys = bundle.identity_key, bundle.signed_prekey, bundle.one_time_prekey
        seen.append((*keys, message.ephemeral_key))
    columns = zip(("IK", "SPK", "OPK", "EK"), zip(*seen, strict=True), strict=True)
    return {name: " ".join(value.hex()[:6] for value in values) for name, values in columns}
