"""Two phones, and a network between them that somebody else is in charge of.

A `Theatre` runs real devices: each step is one frozen moment, so that it can be undone. It tells
what is there as plain data, and computes from the recorded run what a thief can read.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from itertools import accumulate
from types import MappingProxyType

from x3dhlab import observe, pqxdh, prekeys, proof, session, x3dh
from x3dhlab.errors import Refused
from x3dhlab.layout import explain
from x3dhlab.party import SERVER, LocalTransport, crossing
from x3dhlab.primitives import deterministic
from x3dhlab.service.store import PreKeyStore
from x3dhlab.trace import Trace
from x3dhlab.wire import InitialMessage, Message, PreKeyBundle

MESSAGES = 60  # so many may be written: the picture stays readable, each step stays fast
COPIES = 30  # so many messages may be under way at once


@dataclass(frozen=True, slots=True)
class _Parcel:
    """One message under way. Its id is its number; the copies of message 3 are 103, 203, …"""

    id: int
    number: int
    sender: str
    recipient: str
    data: bytes = field(repr=False)
    remark: str = ""


@dataclass(frozen=True, slots=True)
class _Moment:
    """The whole theatre between two steps. Everything in it is frozen, so going back is free."""

    devices: Mapping[str, session.Device]
    parcels: tuple[_Parcel, ...] = ()
    written: tuple[tuple[str, bytes, bytes], ...] = ()  # sender, text, sealed text
    read: tuple[tuple[str, int], ...] = ()  # reader, number of the message
    copies: tuple[tuple[str, int, frozenset[bytes]], ...] = ()  # owner, step, stolen bytes
    told: Mapping = field(default_factory=dict)
    events: tuple = ()


class Theatre:
    """Real devices and a network that obeys. `act` does one step, `view` tells what is there.

    Every step is recorded; `trace` is the run so far, without what was undone. The same seed and
    the same steps give the same bytes.
    """

    def __init__(self, seed=1, names=("Alice", "Bob"), protocol=x3dh):
        self.names = tuple(names)
        if len(set(self.names)) != 2 or not all(isinstance(n, str) and n for n in self.names):
            raise ValueError("a theatre has two people with different names")
        self._seed = seed
        self._protocol = protocol
        self._identity = {}
        self._past, self._future = [], []
        self._closure = None
        self._advance(self._open())

    # Steps

    def act(self, name: str, **facts) -> None:
        """One step: `write` (sender, text), `deliver`, `delay`, `drop`, `copy` or `damage` (id),
        `place` (id, before: an id or None for the end), `steal` (owner), `undo`, `redo`.

        Raises `ValueError` for a step that the theatre cannot make. A refusal by a phone is no
        error: it is a step that changed nothing.
        """
        steps = {
            "write": self._write,
            "deliver": self._deliver,
            "delay": self._delay,
            "place": self._place,
            "drop": self._drop,
            "copy": self._copy,
            "damage": self._damage,
            "steal": self._steal,
        }
        if name in ("undo", "redo"):
            self._travel(name)
        elif name in steps:
            self._advance(self._run(steps[name], facts))
            self._future.clear()
        else:
            raise ValueError(f"there is no step {name!r}")

    def _run(self, step, facts):
        """One step with its own randomness, so that it gives the same bytes after an undo."""
        events = []
        with deterministic(f"{self._seed}/{len(self._past)}"), observe.listen(events.append):
            moment = step(self._now, **facts) if self._past else step()
        return replace(moment, events=tuple(events))

    def _advance(self, moment):
        self._past.append(moment)
        self._closure = None

    def _travel(self, name):
        source, target = (
            (self._past, self._future) if name == "undo" else (self._future, self._past)
        )
        if len(source) <= (name == "undo"):
            raise ValueError(f"there is nothing to {name}")
        target.append(source.pop())
        self._closure = None

    @property
    def _now(self):
        return self._past[-1]

    def _open(self):
        return self._run(self._handshake, {})

    def _handshake(self):
        writer, reader = self.names
        post_quantum = "ML-KEM-768" if self._protocol is pqxdh else None
        devices = {}
        for name in self.names:
            with observe.acting(name):
                ring = prekeys.generate(one_time=1, kem=post_quantum)
                devices[name] = session.Device(ring, protocol=self._protocol)
                self._identity[name] = ring.identity.public
        network = LocalTransport(PreKeyStore())
        with observe.acting(reader):
            network.publish(reader, prekeys.publication(devices[reader].ring).encode())
        with observe.acting(writer):
            bundle = PreKeyBundle.decode(network.fetch(reader, writer))
            devices[writer] = session.start(devices[writer], bundle)
        words = (
            f"{writer} has made the handshake. {reader} gets its other half with the first message."
        )
        return _Moment(MappingProxyType(devices), told=_told("open", words, "X3DH §3.3", writer))

    def _other(self, name):
        if name not in self.names:
            raise ValueError(f"there is no {name!r} in this theatre")
        return self.names[1 - self.names.index(name)]

    def _write(self, now, sender, text=""):
        recipient = self._other(sender)
        number = len(now.written) + 1
        if number > MESSAGES or len(now.parcels) >= COPIES:
            raise ValueError("no room for another message: deliver or drop some, or go back")
        if not isinstance(text, str):
            raise ValueError("a message is a text")
        plaintext = (text.strip() or f"Message {number}").encode("utf-8", "replace")[:400]
        try:
            with observe.acting(sender):
                device, data = session.send(
                    now.devices[sender], self._identity[recipient], plaintext
                )
        except Refused as problem:
            words = f"{sender} cannot write yet: {problem.args[0]}."
            return replace(now, told=_refused("write", words, problem, sender))
        crossing(sender, SERVER, "message", data, about=recipient)
        sealed = _ratchet_message(data)[0].ciphertext
        parcel = _Parcel(number, number, sender, recipient, data)
        return replace(
            now,
            devices=MappingProxyType({**now.devices, sender: device}),
            parcels=(*now.parcels, parcel),
            written=(*now.written, (sender, plaintext, sealed)),
            told=_told(
                "write",
                f"{sender} seals message {number} with the next key of the sending chain.",
                "Double Ratchet §3.4",
                sender,
            ),
        )

    def _deliver(self, now, id):
        parcel, rest = self._take(now, id)
        recipient = parcel.recipient
        before = now.devices[recipient]
        crossing(SERVER, recipient, "message", parcel.data, about=parcel.sender)
        try:
            with observe.acting(recipient):
                device, *_ = session.receive(before, self._identity[parcel.sender], parcel.data)
        except Refused as problem:
            words = f"{recipient} refuses {_name(parcel)}: {problem.args[0]}."
            return replace(now, parcels=rest, told=_refused("deliver", words, problem, recipient))
        return replace(
            now,
            devices=MappingProxyType({**now.devices, recipient: device}),
            parcels=rest,
            read=(*now.read, (recipient, parcel.number)),
            told=_told(
                "deliver",
                f"{recipient} reads {_name(parcel)}. {_reading(before, device, recipient)}",
                "Double Ratchet §3.5",
                recipient,
            ),
        )

    def _delay(self, now, id):
        parcel, rest = self._take(now, id)
        words = f"The network holds {_name(parcel)} back: it waits behind the others."
        return replace(now, parcels=(*rest, parcel), told=_told("delay", words))

    def _place(self, now, id, before=None):
        parcel, rest = self._take(now, id)
        places = [other.id for other in rest]
        if before is not None and before not in places:
            raise ValueError("there is no such place")
        place = len(rest) if before is None else places.index(before)
        where = f"in front of {_name(rest[place])}" if before is not None else "behind the others"
        moved = (*rest[:place], parcel, *rest[place:])
        words = f"The network moves {_name(parcel)} {where}."
        return replace(now, parcels=moved, told=_told("place", words))

    def _drop(self, now, id):
        parcel, rest = self._take(now, id)
        words = f"The network drops {_name(parcel)}. Neither phone notices."
        return replace(now, parcels=rest, told=_told("drop", words))

    def _copy(self, now, id):
        parcel, _ = self._take(now, id)
        if len(now.parcels) >= COPIES:
            raise ValueError("no room for another copy: deliver or drop some, or go back")
        last = max(other.id for other in now.parcels if other.number == parcel.number)
        twin = replace(parcel, id=last + 100, remark=_remark(parcel, "copy"))
        place = now.parcels.index(parcel) + 1
        words = f"The network copies {_name(parcel)}."
        parcels = (*now.parcels[:place], twin, *now.parcels[place:])
        return replace(now, parcels=parcels, told=_told("copy", words))

    def _damage(self, now, id):
        parcel, _ = self._take(now, id)
        data = parcel.data[:-1] + bytes([parcel.data[-1] ^ 1])
        bad = replace(parcel, data=data, remark=_remark(parcel, "damaged"))
        words = f"The network flips the last bit of {_name(parcel)}."
        parcels = tuple(bad if other is parcel else other for other in now.parcels)
        return replace(now, parcels=parcels, told=_told("damage", words))

    def _steal(self, now, owner):
        self._other(owner)
        state = self._state(now, owner)
        if state is None:
            raise ValueError(f"{owner} has no ratchet state yet")
        copy = (owner, len(self._past), frozenset(proof.stolen(state)))
        words = f"A thief copies the ratchet state of {owner}. Nothing on the phone changes."
        return replace(now, copies=(*now.copies, copy), told=_told("steal", words, "", owner))

    @staticmethod
    def _take(now, id):
        for parcel in now.parcels:
            if parcel.id == id:
                return parcel, tuple(other for other in now.parcels if other is not parcel)
        raise ValueError("this message is not under way any more")

    # What is there

    @property
    def trace(self) -> Trace:
        """The run so far, from the handshake on."""
        trace = Trace()
        trace.events = [event for moment in self._past for event in moment.events]
        return trace

    def view(self) -> dict:
        """The theatre as plain data: `phones`, `lanes`, `now`, `steps`, `messages` and `thief`."""
        now = self._now
        return {
            "phones": [self._phone(name) for name in self.names],
            "lanes": [self._lane(name) for name in self.names],
            "now": dict(now.told),
            "steps": [moment.told["words"] for moment in self._past],
            "messages": [self._message(number) for number in range(1, len(now.written) + 1)],
            "thief": self._thief(),
            "undo": len(self._past) > 1,
            "redo": bool(self._future),
        }

    def proof(self, number: int) -> list[str]:
        """How the thief opens message `number`, as operations in order; none if he cannot."""
        verdict = self._verdict(number)
        return [str(step) for step in verdict.steps] if verdict else []

    def _state(self, moment, name):
        sessions = moment.devices[name].sessions.get(self._identity[self._other(name)])
        return sessions[0].ratchet if sessions else None

    def _phone(self, name):
        now, other = self._now, self._other(name)
        state = self._state(now, name)
        before = self._state(self._past[-2], name) if len(self._past) > 1 else None
        read = [number for reader, number in now.read if reader == name]
        return {
            "name": name,
            "ready": state is not None,
            "waits": "" if state else f"No session yet. The first message from {other} opens it.",
            "fields": self._fields(state, before),
            "skipped": _skipped(state, before),
            "read": [{"number": n, "text": _shown(now.written[n - 1][1])} for n in read],
        }

    def _fields(self, state, before):
        known = self._leak.known if self._leak else {}
        old = {field["name"]: field["value"] for field in _state_fields(before, {})}
        changes = len(self._past) > 1
        return [
            {
                **field,
                "changed": changes and old.get(field["name"], "") != field["value"],
                "was": old.get(field["name"], ""),
            }
            for field in _state_fields(state, known)
        ]

    def _lane(self, sender):
        parcels = [p for p in self._now.parcels if p.sender == sender]
        return {
            "sender": sender,
            "recipient": self._other(sender),
            "parcels": [_describe_parcel(p, self._now.written[p.number - 1][1]) for p in parcels],
        }

    def _message(self, number):
        sender, text, _ = self._now.written[number - 1]
        verdict = self._verdict(number)
        under_way = sum(p.number == number for p in self._now.parcels)
        read = (self._other(sender), number) in self._now.read
        return {
            "number": number,
            "sender": sender,
            "text": _shown(text),
            "fate": "read" if read else "under way" if under_way else "lost",
            "readable": bool(verdict and verdict.readable),
            "stolen_text": _shown(verdict.plaintext) if verdict and verdict.readable else "",
            "missing": self._missing(verdict) if verdict and not verdict.readable else "",
        }

    # The thief

    @property
    def _leak(self):
        """What the thief can compute from all copies and all that crossed the network, or None."""
        if not self._now.copies:
            return None
        if self._closure is None:
            leaked = set().union(*(values for _, _, values in self._now.copies))
            trace = self.trace  # one recording for all, so that it is prepared once
            self._closure = trace.closure(leaked)
            self._sent = trace.closure(leaked | self._ratchet_keys()).known
            self._verdicts = {
                verdict.ciphertext: verdict
                for verdict in proof.verdicts(trace, closure=self._closure)
            }
        return self._closure

    def _ratchet_keys(self):
        """The public ratchet keys of both phones: the next header shows one of them."""
        states = [self._state(moment, name) for moment in self._past for name in self.names]
        return {state.DHs.public for state in states if state}

    def _verdict(self, number):
        if not self._leak or not 1 <= number <= len(self._now.written):
            return None
        return self._verdicts.get(self._now.written[number - 1][2])

    def _missing(self, verdict):
        """What the thief lacks to read a message, in a few words."""
        if self._step_of(verdict.event) < self._now.copies[0][1]:
            return "its message key, which the copy did not hold any more"
        nodes = {node.value: node for node in verdict.closure.lineage.nodes}
        first = [nodes[value] for value in verdict.missing.first if value in nodes]
        words = [
            f"the private {node.name.removesuffix('.private')} of {node.actor}, made in step "
            f"{self._step_of(node.event)}"
            for node in first
        ]
        more = f", and {len(words) - 2} more" if len(words) > 2 else ""
        return ", and ".join(words[:2]) + more if words else str(verdict.missing)

    def _step_of(self, event):
        """The step in which the operation number `event` of the run was made."""
        ends = accumulate(len(moment.events) for moment in self._past)
        return next(step for step, end in enumerate(ends) if event < end)

    def _thief(self):
        return {
            "copies": [{"owner": owner, "step": step} for owner, step, _ in self._now.copies],
            "next": [self._healing(name) for name in self.names] if self._leak else [],
        }

    def _healing(self, name):
        """Whether the next message of a phone will be readable; since which step it is not."""
        chains = [getattr(self._state(moment, name), "CKs", None) for moment in self._past]
        readable = [chain in self._sent for chain in chains]
        since = len(chains)
        while since and not readable[since - 1]:
            since -= 1
        return {
            "name": name,
            "ready": chains[-1] is not None,
            "readable": readable[-1],
            "since": since if any(readable) and not readable[-1] else None,
        }


def _told(kind, words, section="", actor=""):
    return {"kind": kind, "words": words, "section": section, "actor": actor, "refusal": ""}


def _refused(kind, words, problem, actor):
    # Without a session there is no receiving chain either: the responder must read first.
    told = _told(kind, words, problem.step or "Double Ratchet §3.3", actor)
    return {**told, "refusal": type(problem).__name__}


def _ratchet_message(data):
    """The ratchet message in these bytes, and whether the handshake header stands before it."""
    message, _ = explain(data, Message, InitialMessage)
    if isinstance(message, InitialMessage):
        return Message.decode(message.payload), True
    return message, False


def _name(parcel):
    return f"message {parcel.number}" + (f" ({parcel.remark})" if parcel.remark else "")


def _remark(parcel, word):
    words = parcel.remark.split(", ") if parcel.remark else []
    return ", ".join(dict.fromkeys([*words, word]))


def _reading(before, after, reader):
    """What a ratchet did to read one message."""
    ((new, *_),) = after.sessions.values()
    old = next((kept[0].ratchet for kept in before.sessions.values()), None)
    new = new.ratchet
    kept = len(new.MKSKIPPED) - (len(old.MKSKIPPED) if old else 0)
    if kept < 0:
        return "Its key was kept for it, and is deleted now."
    turned = old is None or old.DHr != new.DHr
    parts = ["The header brings a new ratchet key: both chains are new."] if turned else []
    if kept:
        several = "a key" if kept == 1 else f"{kept} keys"
        parts.append(f"{reader} keeps {several} for what is still missing.")
    return " ".join(parts) or "The receiving chain makes one step."


def _state_fields(state, known):
    """The fields of one ratchet state. `stolen` is true where the thief knows the secret."""
    if state is None:
        return []
    secrets = [
        ("DHs", "our ratchet key pair", state.DHs.private, state.DHs.public),
        ("DHr", "their ratchet key", None, state.DHr),
        ("RK", "root key", state.RK, state.RK),
        ("CKs", "sending chain key", state.CKs, state.CKs),
        ("CKr", "receiving chain key", state.CKr, state.CKr),
    ]
    counts = [
        ("Ns", "number of the next message to send", state.Ns),
        ("Nr", "number of the next message to receive", state.Nr),
        ("PN", "length of the previous sending chain", state.PN),
    ]
    return [
        {
            "name": name,
            "meaning": meaning,
            "value": shown.hex()[:8] if shown else "none",
            "secret": secret is not None,
            "stolen": secret in known if secret else False,
        }
        for name, meaning, secret, shown in secrets
    ] + [
        {
            "name": name,
            "meaning": meaning,
            "value": str(count),
            "secret": False,
            "stolen": False,
        }
        for name, meaning, count in counts
    ]


def _skipped(state, before):
    """The stored keys by name: the ratchet key of their chain and their number."""
    old = before.MKSKIPPED if before else {}
    names = state.MKSKIPPED if state else {}
    kept = [
        {"chain": chain.hex()[:8], "number": number, "new": (chain, number) not in old}
        for chain, number in names
    ]
    return {"keys": kept, "changed": dict(names).keys() != dict(old).keys()}


def _describe_parcel(parcel, text):
    message, opens = _ratchet_message(parcel.data)
    return {
        "id": parcel.id,
        "number": parcel.number,
        "text": _shown(text),
        "remark": parcel.remark,
        "key": message.header.ratchet_key.hex()[:8],
        "PN": message.header.previous_length,
        "N": message.header.number,
        "handshake": opens,
        "size": len(parcel.data),
    }


def _shown(text):
    return text.decode("utf-8", "replace")
