"""Lesson 14: who sees which bytes, what each stolen key opens, and a table of attackers as runs."""

from x3dhlab import plots
from x3dhlab.attacks import targets, thieves, threats
from x3dhlab.attacks.entry import attempt
from x3dhlab.attacks.server import SwapOneTime
from x3dhlab.plots import ORANGE, Picture
from x3dhlab.proof import stolen
from x3dhlab.scenes.compromise import key_lineage
from x3dhlab.trace import record
from x3dhlab.widgets import (
    FALLS,
    HOLDS,
    Check,
    Choose,
    CompromiseMatrix,
    Experiment,
    Heading,
    KeyLineage,
    Outcome,
    Truth,
)
from x3dhlab.wire import InitialMessage, Message

# Where attackers stand

POSITIONS = (
    "network of Alice",
    "server",
    "Alice's phone, after",
    "Bob's phone, before",
    "Bob's phone, after",
)


def positions(one_time: int = 3) -> dict[str, list[str]]:
    """Value → what somebody at each of `POSITIONS` has of it, found by searching the bytes.

    Alice writes to Bob once; “before” and “after” are the moments around his reading.
    """
    with record() as trace:
        pair = targets.friends(one_time=one_time)
        data, ring, before = pair.written(), pair.bob.device.ring, stolen(pair.bob)
        pair.deliver(data)
    crossed = [(dict(event.detail), event.inputs[0][1]) for event in trace.wire]
    near = [data for about, data in crossed if "Alice" in (about["sender"], about["recipient"])]
    places = near, [data for _, data in crossed], stolen(pair.alice), before, stolen(pair.bob)
    seen = [b"|".join(place) for place in places]
    message = InitialMessage.decode(data)
    rows = {
        name: [_halves(place, *halves) for place in seen]
        for name, halves in _keys(trace, pair, ring, message.one_time_prekey_id).items()
    }
    values = {
        "SK": ("private", trace.find("SK", "Alice")),
        "message 1, sealed": ("yes", Message.decode(message.payload).ciphertext),
        "message 1, text": ("private", targets.TEXT),
    }
    for name, (word, value) in values.items():
        rows[name] = [word if value in place else "" for place in seen]
    return rows


def _keys(trace, pair, ring, used):
    """(private, public) of every key of the handshake, and of a one-time key that was not used."""
    other = next(pair for number, pair in ring.one_time.items() if number != used)
    pairs = {
        "IK_A": pair.alice.identity,
        "IK_B": ring.identity,
        "SPK_B": ring.signed[ring.current].pair,
        "OPK_B, the used one": ring.one_time[used],
        "OPK_B, another one": other,
    }
    halves = {name: (key.private, key.public) for name, key in pairs.items()}
    ephemeral = trace.find("EK_A.private"), trace.find("EK_A.public")
    return {"IK_A": halves.pop("IK_A"), "EK_A": ephemeral} | halves


def _halves(place, private, public):
    return " + ".join(w for w, v in (("private", private), ("public", public)) if v in place)


def show_positions() -> Picture:
    """The figure of `positions`."""
    title = "What stands where: bytes found in one recorded first contact"
    columns = [name.replace(", ", ",\n") for name in POSITIONS]
    return plots.places(positions(), columns, title=title, wide=1.35)


# Which key opens what

THEFTS = {
    "IK_A": ("IK_A",),
    "IK_B": ("IK_B",),
    "SPK_B": ("SPK_B",),
    "IK_B and SPK_B": ("IK_B", "SPK_B"),
}
_ABOUT = {
    "read a recorded message, one-time key used": "the keys are stolen after Bob has read it",
    "read a recorded message, pool was empty": "the same with three terms",
    "read the next first message, as the server": "a new sender asks the thief for Bob's keys",
    "write to Bob as Alice": "a first message that Bob opens",
    "write to Alice as Bob": "a first message that Alice opens",
}


def theft_matrix(id: str = "theft-matrix") -> CompromiseMatrix:
    """Goals of a thief × private halves that he stole; every cell is played on new keys."""
    goals, thefts = list(thieves.GOALS), list(THEFTS.values())

    def judge(row, column):
        result = thieves.tried(goals[row], thefts[column])
        if not result.succeeded:
            return Truth(HOLDS, f"{result.seen}.")
        who = "The thief" if goals[row].startswith("read") else "The victim"
        return Truth(FALLS, f"{who} reads: “{result.seen}”")

    rows = [Heading(goal, _ABOUT[goal]) for goal in goals]
    columns = [Heading(name, f"private half of {name}") for name in THEFTS]
    title = "What does each stolen key open?"
    return CompromiseMatrix(id, title, rows, columns, judge, what="goal of the thief")


# A28

FULL, EMPTY, SWAPPED = "Bob's", "none: the pool is empty", "the server's own"
_LATER = {
    "IK_B": ("IK_B",),
    "Bob's prekeys": ("SPK_B",),
    "IK_B and Bob's prekeys": ("IK_B", "SPK_B"),
}


def read_later() -> Experiment:
    """Choose the one-time key of a recorded first message and a later theft; the thief tries."""

    def run(one_time, deletes, theft):
        run = thieves.recording(
            int(one_time != EMPTY), SwapOneTime if one_time == SWAPPED else None
        )
        ring = run.pair.bob.device.ring
        bob = attempt(lambda: run.pair.deliver(run.data))
        keys = thieves.private_halves(run.pair, *_LATER[theft])
        left = run.pair.bob.device.ring if deletes else ring
        if one_time == SWAPPED:
            keys["OPK_B"] = run.pair.alice.transport.inner.one_time.private
        elif "SPK_B" in keys and left.one_time:
            keys["OPK_B"] = left.one_time[run.bundle.one_time_prekey_id].private
        thief = attempt(lambda: thieves.read_first(run.data, run.bundle, keys), bytes.decode)
        facts = {
            "Bob": f"refuses: {bob.stopped_by}" if bob.stopped_by else "reads it",
            "the thief has": ", ".join(keys),
            "the thief": f"reads “{thief.seen}”" if thief.succeeded else f"stops: {thief.seen}",
        }
        if thief.succeeded:
            return Outcome(FALLS, "The thief reads the recorded message.", facts)
        return Outcome(HOLDS, "The recorded message stays closed.", facts)

    controls = [
        Choose("one_time", "The one-time key that Alice used is", (FULL, EMPTY, SWAPPED), FULL),
        Check("deletes", "Bob deletes one-time keys after use", True),
        Choose("theft", "Stolen later", tuple(_LATER), "IK_B and Bob's prekeys"),
    ]
    return Experiment("Recorded today, stolen later", controls, run)


# A29


def repeated_generator() -> KeyLineage:
    """Three messages; somebody may know what Alice's generator gave for them, or two other keys."""
    with record() as trace:
        pair = targets.friends(one_time=1)
        before = len(trace.events)
        for one, other in ((pair.alice, pair.bob), (pair.bob, pair.alice), (pair.alice, pair.bob)):
            one.send(other.name, targets.TEXT)
            targets.opened(other)
    thefts = {
        "Alice's generator": {
            event.outputs[0][1]
            for event in trace.events[before:]
            if event.kind == "RANDOM" and event.actor == "Alice"
        },
        "IK_A": {pair.alice.identity.private},
        "IK_B": {pair.bob.identity.private},
        "SPK_B": set(thieves.private_halves(pair, "SPK_B").values()),
    }
    return key_lineage(trace, "Three messages, and where their keys come from", thefts=thefts)


# Design B's table


def show_threats(rows: list[threats.Row]) -> Picture:
    """The figure of `threats.rows`: what a run found, design B's words, marks where they part."""
    table = {row.name: [_cell(row, column) for column in threats.COLUMNS] for row in rows}
    columns = [f"{column}?" for column in threats.COLUMNS]
    title = "Design B's table of attackers, each answer from a run"
    return plots.places(table, columns, title=title, marked="✗", fill=ORANGE)


def _cell(row, column):
    words = f"B: “{row.says[column][0]}”" if column in row.says else "B does not ask"
    mark = "✓" if row.stands(column) else "✗"
    return f"{mark} {'yes' if row.found[column] else 'no'}\n{words}"
