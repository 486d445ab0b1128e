"""The runs and experiments that lessons show: ready-made callables handed to widgets.

A scene may use every room but grading. It does the work that a widget must not do.
"""

import base64
from dataclasses import dataclass

from x3dhlab import observe, plots, pqxdh, prekeys, session, x3dh
from x3dhlab.attacks import (
    binding,
    cloned,
    context,
    inbox,
    low_order,
    placement,
    pools,
    signing,
    weakened,
)
from x3dhlab.errors import DecryptionFailed, Malformed, Refused
from x3dhlab.kem import SIZES
from x3dhlab.keys import KeyPair
from x3dhlab.layout import explain
from x3dhlab.party import SERVER, LocalTransport, Party
from x3dhlab.plots import Picture, compromise_over_time, message_sizes, shares
from x3dhlab.primitives import deterministic, dh, open_sealed, random_bytes, seal
from x3dhlab.proof import stolen, verdicts
from x3dhlab.service.store import PreKeyStore
from x3dhlab.theatre import Theatre
from x3dhlab.trace import Trace, record
from x3dhlab.widgets import (
    FALLS,
    HOLDS,
    NOTE,
    Block,
    ByteInspector,
    Check,
    Checked,
    Choose,
    CompromiseMatrix,
    Experiment,
    Finding,
    Heading,
    KdfWorkbench,
    KeyLineage,
    Number,
    Outcome,
    RatchetTheatre,
    Report,
    Row,
    Text,
    Truth,
)
from x3dhlab.widgets.lineage import proof_line
from x3dhlab.widgets.names import Names
from x3dhlab.widgets.player import view
from x3dhlab.wire import InitialMessage, Message, PreKeyBundle, Publication


def flip_a_bit(text: str = "Pay 10 euros to Eve", position: int = 0) -> Experiment:
    """Seal a text, damage one bit on the way, and try to open it."""

    def run(text, position, damage):
        key = random_bytes(32)
        sealed = bytearray(seal(key, text.encode(), b""))
        place = position % len(sealed)
        if damage:
            sealed[place] ^= 1
        facts = {"sealed bytes": len(sealed), "damaged": f"byte {place}" if damage else "none"}
        try:
            opened = open_sealed(key, bytes(sealed), b"")
        except DecryptionFailed as refusal:
            return Outcome(HOLDS, f"Refused: {refusal.args[0]}.", facts)
        return Outcome(NOTE, "It opens.", {**facts, "Bob reads": opened.decode()})

    return Experiment(
        "Damage one bit of a sealed message",
        [
            Text("text", "Alice writes", text),
            Check("damage", "Flip one bit on the way", True),
            Number("position", "in the byte number", 0, 79, position),
        ],
        run,
    )


def first_message_parts(trace: Trace) -> dict[str, int]:
    """Bytes of the first message on the wire, by purpose: public keys, sealed text and the rest."""
    data = next(value for event in trace.wire for name, value in event.inputs if name == "message")
    message, fields = explain(data, InitialMessage)
    fields = [field for field in fields if field.name != "payload"]
    fields += Message.decode(message.payload).fields()
    parts = {"public keys": 0, "sealed text and its tag": 0, "numbers and lengths": 0}
    for field in fields:
        if field.name.endswith("_key"):
            parts["public keys"] += field.length
        elif field.secret:
            parts["sealed text and its tag"] += field.length
        else:
            parts["numbers and lengths"] += field.length
    return parts


def show_parts(parts: dict[str, int]) -> Picture:
    """The figure of `first_message_parts`."""
    return shares(parts, title="Alice's first message, byte by byte", unit="bytes")


def weakened_handshake() -> Experiment:
    """Choose the terms of a handshake and an attack; both run anew at every change."""

    def run(attack, **terms):
        chosen = tuple(term for term in weakened.TERMS if terms[term])
        if not chosen:
            return Outcome(FALLS, "Without any term the secret is a public constant.")
        needs, one_time, _ = weakened.ATTACKS[attack]
        result = weakened.attempt(attack, chosen)
        facts = {"the attacker has": needs, "one-time prekey used": "yes" if one_time else "no"}
        if result.succeeded:
            who = "Bob reads, from “Alice”" if attack.startswith("write") else "the attacker reads"
            return Outcome(FALLS, "The attack works.", {**facts, who: result.evidence})
        return Outcome(HOLDS, f"The attack fails: {result.evidence}.", facts)

    terms = [
        Check(term, f"{term} ({' · '.join(pair)})", term == "DH3")
        for term, pair in weakened.PAIRS.items()
    ]
    attack = Choose("attack", "Attack", tuple(weakened.ATTACKS), "write as Alice")
    return Experiment("A handshake with the terms you choose", [*terms, attack], run)


# The byte inspector: one message of a run, and its real receiver


def inspect_message(trace: Trace, n: int | str = 0, title: str = "") -> ByteInspector:
    """The message number `n` on the wire (from 0), or the first of a kind such as "bundle".

    Edited bytes go through the real receiving code, each time on a fresh copy of the receiver as
    it was before the message: nothing is consumed. Kinds: "publication", "bundle", "initial
    message", "ratchet message". Raises `ValueError`.
    """
    event = _crossing(trace, n)
    return ByteInspector(event.inputs[0][1], title, trace=trace, check=_receiver(trace, event))


def _crossing(trace, n):
    if type(n) is int and -len(trace.wire) <= n < len(trace.wire):
        return trace.wire[n]
    kinds = {"initial message": InitialMessage, "ratchet message": Message}
    for event in trace.wire:
        what, data = dict(event.detail)["what"], event.inputs[0][1]
        if n == what or n in kinds and type(_first(data)) is kinds[n]:
            return event
    raise ValueError(f"this run has no message {n!r} on the wire")


def _first(data):
    try:
        return explain(data, InitialMessage, Message)[0]
    except Refused:
        return None


def _receiver(trace, event):
    """A callable that gives bytes to whoever receives this message in the run."""
    detail = dict(event.detail)
    position = next(at for at, other in enumerate(trace.events) if other is event)
    if detail["what"] == "publication":
        return _watched("server", _publishing(trace, detail["sender"], position))
    reader = detail["recipient"]
    if detail["what"] == "bundle":
        return _watched(reader, _starting(event.inputs[0][1]))
    if reader == SERVER:
        reader, position = _reading(trace, event, detail["about"], position)
    found = cloned.device_before(trace, reader, position)
    if found is None:
        return _watched("", lambda: _format_only)
    device, pins = found
    sender = detail["about"] if detail["sender"] == SERVER else detail["sender"]
    return _watched(reader, _receiving(device, pins.get(sender), reader))


def _reading(trace, event, reader, position):
    """Who takes this message from the server, and when; after the run if nobody does."""
    for at in range(position + 1, len(trace.events)):
        other = trace.events[at]
        same = other.kind == "WIRE" and other.inputs[0][1] == event.inputs[0][1]
        if same and dict(other.detail)["recipient"] == reader:
            return reader, at
    return reader, len(trace.events)


def _publishing(trace, name, position):
    earlier = [
        (dict(event.detail)["sender"], Publication.decode(event.inputs[0][1]))
        for event in trace.events[:position]
        if event.kind == "WIRE" and dict(event.detail)["what"] == "publication"
    ]

    def prepare():
        store = PreKeyStore()
        for sender, publication in earlier:
            store.publish(sender, publication)
        return lambda data: store.publish(name, Publication.decode(data)) or "the server stores it."

    return prepare


def _starting(original):
    protocol = pqxdh if PreKeyBundle.decode(original).kem_prekey else x3dh

    def prepare():
        device = session.Device(prekeys.generate(one_time=0), protocol=protocol)

        def start(data):
            session.start(device, PreKeyBundle.decode(data))
            return "the handshake runs, and a first message would be sent."

        return start

    return prepare


def _receiving(device, peer, reader):
    def receive(data):
        plaintext = session.receive(device, peer, data)[2]
        return f"{reader} reads “{plaintext.decode(errors='replace')}”"

    return lambda: receive


def _format_only(data):
    explain(data, Publication, PreKeyBundle, InitialMessage, Message)
    return "the format is right. The recording does not hold the receiver's keys, so that is all."


def _watched(reader, prepare):
    """Let a fresh receiver from `prepare()` have the bytes, and tell what happened step by step."""

    def check(data):
        refusal, sentence = None, ""
        receive = prepare()
        with record() as run, observe.acting(reader):
            try:
                sentence = f"Accepted: {receive(data)}"
            except Refused as problem:
                refusal = problem
        steps = view(run)["steps"]
        passed = ["Read the fields"] if steps or not isinstance(refusal, Malformed) else []
        for step in steps:
            passed.append(f"{'✗ ' if step['error'] else ''}{step['title']}")
        if refusal is not None and not any(words.startswith("✗") for words in passed):
            passed.append(f"✗ {type(refusal).__name__}")
        return Checked(sentence, refusal, tuple(passed))

    return check


# Lineage and compromise


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


# Figures


def measured_sizes(text: bytes = b"Hello, Bob!") -> dict[str, tuple[int, int]]:
    """Handshake → (bytes of the first message, bytes of a later one), counted on the wire.

    Each one is a real run: Alice writes `text`, Bob answers, Alice writes it again.
    """
    suites = {"X3DH": {"protocol": x3dh}}
    for name in SIZES:
        suites[f"PQXDH, {name}"] = {"protocol": pqxdh, "kem": name}
    return {name: _measured(text, options) for name, options in suites.items()}


def _measured(text, options):
    network = LocalTransport(PreKeyStore())
    alice, bob = (Party(name, network, one_time=1, **options) for name in _WHO.values())
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


# The KDF workbench of lesson 05

_PARTS = {
    "F": "32 bytes ff: keeps this input apart from XEdDSA's.",
    "DH1": "DH(IK_A, SPK_B): only Alice can make it without Bob's keys.",
    "DH2": "DH(EK_A, IK_B): only Bob can make it without Alice's keys.",
    "DH3": "DH(EK_A, SPK_B): forward secrecy once SPK_B is gone.",
    "DH4": "DH(EK_A, OPK_B): forward secrecy once OPK_B is deleted.",
    "SS": "The shared secret of the KEM.",
    "zeros": "The salt of the specification: 32 zero bytes.",
    "room": "A text in the salt. The specification has none.",
    "application": "The name of the program.",
    "protocol": "The name of the protocol.",
    "curve": "The curve.",
    "hash": "The hash function.",
    "KEM": "The KEM and its parameters.",
    "Encode(IK_A)": "Alice's identity key after its type byte.",
    "Encode(IK_B)": "Bob's identity key after its type byte.",
    "sender": "The sender's account. The specification leaves it to the application.",
    "recipient": "The recipient's account. The specification leaves it to the application.",
    "length of sender": "4 bytes: where the sender's name ends.",
    "length of recipient": "4 bytes: where the recipient's name ends.",
}


def kdf_workbench(protocol=pqxdh, title: str = "") -> KdfWorkbench:
    """The KDF input of a real handshake. At every change it is derived and attacked anew."""
    here = context.Situation.fresh(protocol)
    name = "PQXDH" if protocol is pqxdh else "X3DH"
    title = title or f"What goes into the key of {name}"
    return KdfWorkbench(title, _kdf_rows(here), kdf_report(here))


def kdf_report(here: context.Situation):
    """A callable for a workbench: derive with a recipe, and run every attack on it."""

    def derive(recipe, one_side):
        tries = context.attempt_all(recipe, here, one_side=one_side)
        findings = tuple(
            Finding(
                t.name, FALLS if t.succeeded else HOLDS, t.sentence, number=t.number, facts=t.facts
            )
            for t in tries
        )
        key, expected = context.derive(recipe, here), context.specification_key(here)
        bound = context.join(context.AD, recipe, here)
        other = bound != context.join(context.AD, context.specified(here), here)
        words = "The key is the specification's, the associated data is not."
        return Report(key, expected, findings, words if key == expected and other else "")

    return derive


def _kdf_rows(here):
    values = here.values()
    return [
        Row(
            row,
            tuple(
                Block(
                    name,
                    values[name],
                    _PARTS.get(name, "A separator: it shows where the part before it ends."),
                    on=name not in context.OPTIONAL,
                    secret=name in (*context.TERMS, "SS"),
                    separator=name not in _PARTS,
                )
                for name in names
            ),
        )
        for row, names in context.rows(here.protocol).items()
    ]


# Lesson 05: names joined to associated data


def names_as_bytes() -> Experiment:
    """Join three names in a chosen way, seal, and let everybody whom the bytes can mean open it."""

    def run(sender, recipient, timestamp, encoding):
        encode = binding.ENCODINGS[encoding]
        key, data = random_bytes(32), encode(sender, recipient, timestamp)
        sealed = seal(key, b"Meet me at noon.", data)
        opened = binding.opened_as(key, sealed, encode, data)
        others = [reading for reading in opened if reading != (sender, recipient, timestamp)]
        facts = {"the bytes of AD": data.hex(" ", -4)}
        if not others:
            return Outcome(HOLDS, "The bytes mean these three values and nothing else.", facts)
        facts |= {
            f"also opens as {number}": " to ".join(reading[:2]) + f", at {reading[2]}"
            for number, reading in enumerate(others[:3], 1)
        }
        return Outcome(
            FALLS,
            f"The message opens for {len(others)} other reading{'s' * (len(others) > 1)}.",
            facts,
        )

    controls = [
        Text("sender", "Sender", "user1", 12),
        Text("recipient", "Recipient", "23", 12),
        Text("timestamp", "Time, a number", "4567", 12),
        Choose("encoding", "How they are joined", tuple(binding.ENCODINGS), "joined"),
    ]
    return Experiment("Three values as one string of bytes", controls, run)


# Lesson 01: the offline problem

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
            needed = " and ".join(f"public {name}" for name in contact.missing)
            return Outcome(NOTE, f"Bob is offline, and Alice cannot start: she needs {needed}.")
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
    return Outcome(HOLDS, f"Alice starts without Bob, and the server learns nothing.{few}", facts)


def whereabouts(trace: Trace) -> dict[str, list[str]]:
    """Key → what Alice's phone, the server and Bob's phone held of it in a recorded first contact.

    Found by searching the bytes: a phone held what its own operations used or what it received,
    the server held what crossed the network.
    """
    crossed = [(dict(event.detail)["what"], event.inputs[0][1]) for event in trace.wire]
    messages = [_first(data) for what, data in crossed if what == "message"]
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
    columns = [placement.READ, placement.AS_ALICE, placement.AS_BOB]
    return plots.verdicts(
        rows, columns, title="What the server can do with the private halves it was given"
    )


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


# Lesson 02: keys and signatures


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
            return Outcome(FALLS, "Alice used a forged prekey, and the server reads.", facts)
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
    columns = list(signing.OUTCOMES)
    title = "Four clients; Bob signs 33 bytes"
    return plots.verdicts(signing.clients(), columns, title=title)


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


# Lesson 06: inboxes for first messages, and what a message costs

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
        first, later = _measured(text, {"protocol": x3dh})
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


# Lesson 03: publishing prekeys


def refill_rule() -> Experiment:
    """Choose a refill rule; strangers fetch bundles from a real store, the phone refills."""
    fixed, fill = "always the same number", "fill up to 100"

    def run(low, how, amount, every):
        rule = pools.Rule(low=low, fixed=amount if how == fixed else None, every=every)
        life = pools.live(rule)
        facts = {
            "refills in 240 requests": len(life.refills),
            "highest level after a refill": life.refilled_to,
            "requests without a one-time key": life.without_key,
        }
        if life.without_key:
            return Outcome(FALLS, f"{life.without_key} people got no one-time key.", facts)
        if life.refills and life.refilled_to < rule.target:
            words = f"No refill reaches {rule.target}: {life.refilled_to} is the highest level."
            return Outcome(FALLS, words, facts)
        return Outcome(HOLDS, "Everybody got a key, and the pool reaches its target.", facts)

    return Experiment(
        "A pool of 100 keys, and 240 people who write to Bob",
        [
            Number("low", "Refill when fewer are left than", 1, 100, 20),
            Choose("how", "How much", (fixed, fill), fixed),
            Number("amount", "The same number is", 1, 100, 50),
            Number("every", "The phone looks after how many requests", 1, 120, 1),
        ],
        run,
    )


def refills() -> dict[str, list[int]]:
    """Rule → the level of the pool after each of 240 requests."""
    return {
        "50 more, below 20": pools.live(pools.DESIGN_C).levels,
        "fill up to 100, below 20": pools.live(pools.FILL_UP).levels,
    }


def show_refills() -> Picture:
    """The figure of `refills`."""
    title = "One-time keys left on the server"
    return plots.levels(refills(), target=100, title=title, along="requests for Bob's bundle")


def drain_the_pool() -> Experiment:
    """Mallory asks for Bob's bundle many times; then Alice wants to write."""
    strict, soft = "refuses without a one-time key", "goes on without one"

    def run(requests, accounts, limit, client):
        drained = pools.drain(requests, accounts, pools.BURST if limit else None)
        got = drained.bundle.one_time_prekey is not None
        facts = {
            "requests refused": drained.refused,
            "keys left when Alice comes": drained.left,
            "Alice gets a one-time key": "yes" if got else "no",
        }
        if got:
            return Outcome(HOLDS, "Alice writes, with all four terms.", facts)
        if client == strict:
            return Outcome(FALLS, "Nobody can start a conversation with Bob.", facts)
        return Outcome(NOTE, "Alice writes, with three terms.", facts)

    return Experiment(
        "Mallory empties Bob's pool of 100",
        [
            Number("requests", "Mallory's requests", 0, 400, 100),
            Number("accounts", "from how many accounts", 1, 40, 1),
            Check("limit", f"At most {pools.BURST} for one account and one target", False),
            Choose("client", "Alice's client", (strict, soft), strict),
        ],
        run,
    )
