"""Lesson 19: phones whose power fails, records that are full, and states that go back."""

import sqlite3
import tempfile
from itertools import pairwise
from pathlib import Path
from time import perf_counter

from x3dhlab import plots, session
from x3dhlab.attacks import lost_state, plain_inbox, redelivery
from x3dhlab.plots import Picture
from x3dhlab.widgets import FALLS, HOLDS, NOTE, Check, Choose, Experiment, Number, Outcome

_CUTS = {"never": None, "after step 1": 1, "after step 2": 2, "after step 3": 3}
_FULL = {"delete the oldest entry": False, "leave new messages in the mailbox": True}
_WHO = {"Alice, who writes": lost_state.sender_crashes, "Bob, who reads": lost_state.reader_crashes}
_RESETS = {"clear everything (design C)": lost_state.forgetful, "keep all": lost_state.careful}


def _times(count):
    return {0: "never", 1: "once", 2: "twice"}.get(count, f"{count} times")


def your_phone() -> Experiment:
    """Choose the order of steps and the moment of the power cut; a phone runs it anew."""

    def run(plan, cut):
        end = "work" if _CUTS[cut] is None else f"cut {_CUTS[cut]}"
        phone = redelivery.play(redelivery.PLANS[plan], ["write", end, "work", "work"])
        read, waits = len(phone.texts), len(phone.pending)
        facts = {"the text stands in the conversation": _times(read)}
        facts["what happened"] = ", ".join(line["op"] for line in phone.history)
        if read == 1 and not waits:
            return Outcome(HOLDS, "Bob read the message once, and the mailbox is empty.", facts)
        if waits:
            return Outcome(FALLS, "The message stays in the mailbox and comes for ever.", facts)
        sentence = "The message is lost." if not read else "The message stands there twice."
        return Outcome(FALLS, sentence, facts)

    controls = [
        Choose("plan", "The steps", tuple(redelivery.PLANS), "state, text, acknowledge"),
        Choose("cut", "The power fails", tuple(_CUTS), "never"),
    ]
    return Experiment("A phone, and the moment when its power fails", controls, run)


def show_promises() -> Picture:
    """The figure of `redelivery.table`: which order of steps keeps which promise."""
    return plots.verdicts(
        redelivery.table(),
        list(redelivery.PROMISES),
        title="What a power cut can do, at any moment",
        broke="can happen",
        held="never",
    )


def fill_the_record() -> Experiment:
    """Choose the room of the record, the number of strangers, and what a full record does."""

    def run(room, strangers, full):
        phone = redelivery.evicted(room, strangers, _FULL[full])
        first = phone.texts.count(redelivery.TEXTS[0])
        waiting = {line["message"] for line in phone.history if "full" in line.get("reason", "")}
        facts = {"Bob reads the first payment": _times(first)}
        facts["strangers who must wait"] = len(waiting)
        if first > 1:
            return Outcome(FALLS, "The first message is read again.", facts)
        if waiting:
            return Outcome(NOTE, "No message is read again, and strangers wait.", facts)
        return Outcome(HOLDS, "Every message is read once.", facts)

    controls = [
        Number("room", "Entries that the record can hold", 1, 12, 4),
        Number("strangers", "Strangers who write after Alice", 0, 11, 3),
        Choose("full", "A full record", tuple(_FULL), "delete the oldest entry"),
    ]
    return Experiment("A record of handshakes, and strangers who fill it", controls, run)


def crash_of_a_cache() -> Experiment:
    """Choose whose newest states were in a cache only; both phones go on after the crash."""

    def run(who, unsaved, turn):
        found = _WHO[who](unsaved, turn=turn)
        after = ", ".join(f"{count} × {said}" for said, count in sorted(found.after.items()))
        facts = {"of the messages after the crash, Bob": after}
        facts["message keys used for two texts"] = found.twice
        facts["copies that Bob reads a second time"] = found.copies
        dead = lost_state.READ not in found.after
        if dead:
            return Outcome(FALLS, "The conversation is dead: nothing opens any more.", facts)
        if found.twice:
            return Outcome(FALLS, "Keys are used twice, and new messages count as copies.", facts)
        if found.copies:
            return Outcome(FALLS, "Old messages are read a second time.", facts)
        return Outcome(HOLDS, "Nothing was lost.", facts)

    controls = [
        Choose("who", "The state that goes back", tuple(_WHO), "Alice, who writes"),
        Number("unsaved", "Messages since the last save", 0, 9, 7),
        Check("turn", "The other side answered among them", False),
    ]
    return Experiment("A cache that was not saved", controls, run)


def show_losses() -> Picture:
    """The figure of `lost_state.after_loss`: what was lost, and which message does not open."""
    rows = {loss: lost_state.after_loss(loss) for loss in lost_state.LOSSES}
    return plots.verdicts(
        {loss: [said != lost_state.READ for said in row.values()] for loss, row in rows.items()},
        list(lost_state.KINDS),
        title="Messages on their way when a phone loses something",
        broke="unreadable",
        held="opens",
    )


def your_reset() -> Experiment:
    """Choose a reset and how often a stranger asks for it; two phones run it."""

    def run(reset, requests):
        chosen = _RESETS[reset]
        found, again = lost_state.false_resets(requests, chosen), lost_state.replay_after(chosen)
        unread = sum(n for said, n in found.answers.items() if said != lost_state.READ)
        facts = {"messages on their way that are lost": unread}
        facts["one-time keys of Bob that are gone"] = found.keys
        twice = again == lost_state.READ
        facts["an old payment comes again"] = "Bob reads it" if twice else f"refused: {again}"
        if twice or unread:
            return Outcome(FALLS, "A stranger's word costs messages, keys and the record.", facts)
        return Outcome(HOLDS, "A stranger's word costs nothing.", facts)

    controls = [
        Choose("reset", "On a request for a reset", tuple(_RESETS), "clear everything (design C)"),
        Number("requests", "Requests in a friend's name", 1, 8, 5),
    ]
    return Experiment("A reset that anybody may ask for", controls, run)


def shortest_break(process_once) -> None:
    """Print the shortest run of deliveries that breaks an inbox, or that there is none."""
    try:
        print(plain_inbox.shortest_break(process_once))
    except NotImplementedError:
        print("Your function is not written yet.")


def times_of_saving(messages: int = 200) -> dict[str, float]:
    """What one message costs its writer, in milliseconds: each step, and save one in ten.

    The state is saved into SQLite in a file, with `synchronous=FULL`. Numbers differ each time.
    """
    friends = lost_state.acquainted()
    (peer,) = friends.alice.device.sessions
    device, spent = friends.alice.device, dict.fromkeys(("encrypt", "write as bytes", "save"), 0.0)
    with tempfile.TemporaryDirectory() as folder:
        table = _table(Path(folder))
        for _ in range(messages):
            times = [perf_counter()]
            device, _ = session.send(device, peer, b"a message")
            times.append(perf_counter())
            data = session.to_bytes(device.sessions[peer][0])
            times.append(perf_counter())
            table.execute("UPDATE state SET data = ?", (data,))
            times.append(perf_counter())
            for name, (begin, end) in zip(spent, pairwise(times), strict=True):
                spent[name] += end - begin
        table.close()
    each = {name: 1000 * total / messages for name, total in spent.items()}
    tenth = (each["write as bytes"] + each["save"]) / 10
    return each | {
        "in all": sum(each.values()),
        "in all, saved once for ten": each["encrypt"] + tenth,
    }


def _table(folder):
    table = sqlite3.connect(folder / "phone.db", isolation_level=None)
    table.executescript("PRAGMA synchronous = FULL; CREATE TABLE state (data BLOB)")
    table.execute("INSERT INTO state VALUES (x'00')")
    return table
