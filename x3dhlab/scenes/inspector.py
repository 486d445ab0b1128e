"""The byte inspector: one message of a run, and its real receiver."""

from x3dhlab import observe, pqxdh, prekeys, session, x3dh
from x3dhlab.attacks import (
    cloned,
)
from x3dhlab.errors import Malformed, Refused
from x3dhlab.layout import explain
from x3dhlab.party import SERVER
from x3dhlab.service.store import PreKeyStore
from x3dhlab.trace import Trace, record
from x3dhlab.widgets import (
    ByteInspector,
    Checked,
)
from x3dhlab.widgets.player import view
from x3dhlab.wire import InitialMessage, Message, PreKeyBundle, Publication


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
        if n == what or n in kinds and type(opened(data)) is kinds[n]:
            return event
    raise ValueError(f"this run has no message {n!r} on the wire")


def opened(data: bytes) -> InitialMessage | Message | None:
    """The message in these bytes, or None if they are none."""
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
