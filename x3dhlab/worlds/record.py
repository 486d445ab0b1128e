"""The lines of a history, written while real parties talk over a real transport.

`Recorder` wraps any `Transport`: the local one, a simulated network, the client of the real
service. It reads what crosses it, and keeps no key and no text. What happens inside of a party is
seen from its device before and after a step: `watching`, and `receive` for a mailbox.
"""

from collections.abc import Callable
from contextlib import contextmanager
from dataclasses import dataclass, field

from x3dhlab.layout import explain
from x3dhlab.party import Party, Received, Transport
from x3dhlab.wire import InitialMessage, Message, PreKeyBundle, Publication
from x3dhlab.worlds.history import History, line


@dataclass
class Log:
    """One history for several recorders. `clock` gives whole milliseconds."""

    clock: Callable[[], int] = lambda: 0
    history: History = field(default_factory=list)
    names: dict = field(default_factory=dict, repr=False)
    requests: int = 0

    def write(self, op: str, at: str, **fields) -> None:
        """One more line, now."""
        self.history.append(line(self.clock(), op, at, **fields))

    def name(self, recipient: str, data: bytes) -> str:
        """`m1`, `m2`, …: equal bytes for one recipient are one message."""
        return self.names.setdefault((recipient, data), f"m{len(self.names) + 1}")


class Recorder:
    """A transport that writes down what crosses `inner`; `at` names the server or region."""

    def __init__(self, inner: Transport, log: Log, at: str = "server"):
        self.inner, self.log, self.at = inner, log, at

    def __getattr__(self, name):
        # What a transport can do besides, such as introducing people to a service.
        return getattr(self.inner, name)

    def publish(self, name, publication):
        self.inner.publish(name, publication)
        found = Publication.decode(publication)
        keys = [prekey.one_time_prekey_id for prekey in found.one_time_prekeys]
        self.log.write("publish", self.at, user=name, spk=found.signed_prekey_id, keys=keys)

    def fetch(self, name, requester):
        data = self.inner.fetch(name, requester)
        bundle = PreKeyBundle.decode(data)
        numbers = {"spk": bundle.signed_prekey_id, "key": bundle.one_time_prekey_id}
        self.log.requests += 1
        request = f"q{self.log.requests}"
        self.log.write("issue", self.at, user=name, to=requester, **numbers, request=request)
        return data

    def count(self, name):
        return self.inner.count(name)

    def send(self, sender, recipient, data):
        people = {"sender": sender, "recipient": recipient}
        name = self.log.name(recipient, data)
        self.log.write("send", sender, message=name, **people, **_named(data))
        self.inner.send(sender, recipient, data)

    def collect(self, name):
        arrived = self.inner.collect(name)
        for _, data in arrived:
            self.log.write("deliver", name, message=self.log.name(name, data))
        return arrived


def _named(data):
    """The prekeys that a message names, if it is a first one."""
    message, _ = explain(data, Message, InitialMessage)
    if not isinstance(message, InitialMessage):
        return {"spk": None, "key": None, "first": False}
    return {"spk": message.signed_prekey_id, "key": message.one_time_prekey_id, "first": True}


class _Mailbox:
    """A transport to collect from once."""

    def __init__(self, *arrived):
        self.arrived = list(arrived)

    def collect(self, name):
        arrived, self.arrived = self.arrived, []
        return arrived


def receive(party: Party, log: Log) -> list[Received]:
    """`party.receive()`, one message at a time, with a line for what came of each."""
    transport, results = party.transport, []
    for sender, data in transport.collect(party.name):
        name = log.name(party.name, data)
        with watching(party, log):
            party.transport = _Mailbox((sender, data))
            try:
                (result,) = party.receive()
            finally:
                party.transport = transport
            if result.error is None:
                log.write("accept", party.name, message=name)
            else:
                reason = type(result.error).__name__
                log.write("refuse", party.name, message=name, reason=reason)
        results.append(result)
    return results


@contextmanager
def watching(party: Party, log: Log):
    """Writes what this step changes on the party's device: prekeys made or deleted, sessions."""
    before = party.device
    yield
    old, new, user = before.ring, party.device.ring, party.name
    for number in sorted(set(new.signed) - set(old.signed)):
        log.write("rotate", user, user=user, spk=number)
    for number in sorted(set(old.signed) - set(new.signed)):
        log.write("forget", user, user=user, spk=number, key=None)
    for number in sorted(set(old.one_time) - set(new.one_time)):
        log.write("forget", user, user=user, spk=None, key=number)
    for identity, sessions in party.device.sessions.items():
        kept = [one.identifier for one in sessions]
        if len(kept) == 1 and kept != [one.identifier for one in before.sessions.get(identity, ())]:
            # Several sessions side by side overwrite nothing.
            peer = _peer(party, identity)
            log.write("session", user, user=user, peer=peer, session=kept[0].hex()[:8])


def _peer(party, identity):
    known = (name for name, contact in party.contacts.items() if contact.identity == identity)
    return next(known, identity.hex()[:8])
