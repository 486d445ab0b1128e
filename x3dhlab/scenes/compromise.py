"""Lineage, compromise matrices and the ratchet theatre: what falls when something is stolen."""

from dataclasses import dataclass

from x3dhlab import x3dh
from x3dhlab.party import LocalTransport, Party
from x3dhlab.primitives import deterministic
from x3dhlab.proof import stolen, verdicts
from x3dhlab.scenes.theatre import Theatre
from x3dhlab.service.store import PreKeyStore
from x3dhlab.trace import Trace, record
from x3dhlab.widgets import (
    FALLS,
    HOLDS,
    CompromiseMatrix,
    Heading,
    KeyLineage,
    RatchetTheatre,
    Truth,
)
from x3dhlab.widgets.lineage import proof_line
from x3dhlab.widgets.names import Names


def key_lineage(trace: Trace, title: str = "", **options) -> KeyLineage:
    """The lineage of a run, with every verdict proved: `KeyLineage` takes the other options."""
    return KeyLineage(trace, lambda closure: verdicts(trace, closure=closure), title, **options)


class _Losing(LocalTransport):
    """A transport that loses the next message after it crossed the wire, when told to."""

    losing = False

    def send(self, sender, recipient, data):
        super().send(sender, recipient, data)
        if self.losing:
            self._mailboxes[recipient].pop()


@dataclass(frozen=True, slots=True)
class Conversation:
    """A recorded conversation of Alice and Bob.

    `lines` has (sender, text, lost) for each message; `states` and `devices` have what each of
    them held after message n (0: before the first), by (name, n).
    """

    trace: Trace
    lines: tuple[tuple[str, str, bool], ...]
    states: dict
    devices: dict


_WHO = {"A": "Alice", "B": "Bob"}


def conversation(script: str = "A B A a A B", *, one_time: int = 1, seed: int = 1) -> Conversation:
    """Record a conversation: `A` and `B` say who writes, a small letter that the message is lost.

    Alice writes first. A message that is not lost is read at once. Raises `ValueError`.
    """
    senders = script.split()
    if not senders or senders[0].upper() != "A" or any(s.upper() not in _WHO for s in senders):
        raise ValueError("a script is A and B, with a small letter for a lost message; A is first")
    states: dict = {}
    devices: dict = {}
    lines = []
    with deterministic(seed), record() as trace:
        network = _Losing(PreKeyStore())
        parties = {n: Party(name, network, one_time=one_time) for n, name in _WHO.items()}
        for party in parties.values():
            party.publish()
            devices[party.name, 0] = party.device
        for number, letter in enumerate(senders, 1):
            sender = parties[letter.upper()]
            other = parties["B" if letter.upper() == "A" else "A"]
            text = f"message {number}"
            network.losing = letter.islower()
            sender.send(other.name, text.encode())
            other.receive()
            lines.append((sender.name, text, letter.islower()))
            for party in parties.values():
                devices[party.name, number] = party.device
                states[party.name, number] = _state(party)
    return Conversation(trace, tuple(lines), states, devices)


def _state(party):
    """The ratchet state of the active session, or None."""
    sessions = next(iter(party.device.sessions.values()), ())
    return sessions[0].ratchet if sessions else None


def handshake_matrix(
    *, one_time: bool = True, seed: int = 1, id: str = "handshake-matrix"
) -> CompromiseMatrix:
    """Three messages after X3DH, with or without a one-time prekey, × stolen keys and phones."""
    run = conversation("A B A", one_time=int(one_time), seed=seed)
    alice, bob = run.devices["Alice", 0].ring, run.devices["Bob", 0].ring
    identity, signed = bob.identity.private, bob.signed[bob.current].pair.private
    thefts = {
        "both identity keys": {alice.identity.private, identity},
        "Bob's identity key and signed prekey": {identity, signed},
        "SK": {run.trace.find("SK", "Alice")},
        "Bob's phone before message 1": stolen(run.devices["Bob", 0]),
        "Alice's phone after message 1": stolen(run.devices["Alice", 1]),
        "Bob's phone after message 1": stolen(run.devices["Bob", 1]),
    }
    prekey = "with a one-time prekey" if one_time else "without a one-time prekey"
    return _matrix(id, f"X3DH {prekey}: what does each theft open?", run, thefts)


def conversation_matrix(
    script: str = "A B A a A B A",
    steal=(("Alice", 3), ("Bob", 3), ("Bob", 5), ("Alice", 6)),
    *,
    seed: int = 1,
    id: str = "conversation-matrix",
) -> CompromiseMatrix:
    """The messages of a `conversation` × the ratchet states stolen after chosen messages.

    `steal` has (name, n): the state of that person after message n. Raises `ValueError`.
    """
    run = conversation(script, seed=seed)
    missing = [f"{name} after message {n}" for name, n in steal if not run.states.get((name, n))]
    if missing:
        raise ValueError(f"there is no ratchet state of {missing[0]}")
    thefts = {
        f"state of {name} after message {n}": stolen(run.states[name, n]) for name, n in steal
    }
    return _matrix(id, "Which messages does a stolen ratchet state open?", run, thefts)


def _matrix(id, title, run, thefts):
    names = Names(run.trace, list(_WHO.values()))
    columns, taken = list(thefts), list(thefts.values())
    plain = run.trace.closure()
    closures: dict = {}

    def judge(row, column):
        if column not in closures:
            closures[column] = verdicts(run.trace, taken[column])
        return _truth(closures[column][row], plain, names)

    rows = [
        Heading(text, f"{sender} writes{', lost on the way' if lost else ''}")
        for sender, text, lost in run.lines
    ]
    details = [_contents(values, names) for values in taken]
    columns = [Heading(name, detail) for name, detail in zip(columns, details, strict=True)]
    return CompromiseMatrix(id, title, rows, columns, judge)


def _contents(values, names):
    """The secrets of a theft by their names, so that the learner knows what is in it."""
    units = {names.id(value) for value in values}
    facts = [names.values[unit] for unit in names.values if unit in units]
    secret = [fact["name"] for fact in facts if fact["secret"] and fact["role"] != "identifier"]
    return f"It holds {', '.join(secret)}." if secret else ""


_STEPS = 6  # lines of a proof that a cell shows
_MISSING = 3  # missing values that a cell names


def _truth(verdict, plain, names):
    """One cell: the proof in short without what anybody can compute, or what is missing."""
    if verdict.readable:
        lines = [proof_line(step, names.of) for step in verdict.steps if step.value not in plain]
        why = "One operation gives the text."
        if len(lines) > 1:
            why = f"{len(lines)} operations give the text, with public bytes and what was stolen."
        if len(lines) > _STEPS:
            lines = [*lines[: _STEPS - 3], "…", *lines[-2:]]
        return Truth(FALLS, why, tuple(lines))
    alone = [names.of(v) for v in verdict.missing.alone if names.id(v) and names.shown(names.id(v))]
    near = ", ".join(alone[:_MISSING])
    together = [" and ".join(map(names.of, group)) for group in verdict.missing.together]
    wanted = [f"one of {near}"] * bool(near) + [f"{group} together" for group in together[:1]]
    return Truth(HOLDS, f"Missing: {', or '.join(wanted) or 'every key that opens it'}.")


def ratchet_theatre(seed=1, *steps, title="", names=("Alice", "Bob"), protocol=x3dh):
    """A `RatchetTheatre` on real devices. `steps` are made first, such as ("write", "Alice", "Hi")
    or ("deliver", 1): a name and the values that `Theatre.act` wants, in its order."""
    theatre = Theatre(seed, names, protocol)
    for name, *values in steps:
        places = {"write": ("sender", "text"), "steal": ("owner",), "place": ("id", "before")}
        theatre.act(name, **dict(zip(places.get(name, ("id",)), values, strict=False)))
    return RatchetTheatre(theatre, title or "Two phones and a network")
