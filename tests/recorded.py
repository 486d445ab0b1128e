"""Recorded conversations, for the tests of closure and proof."""

import random

from x3dhlab import observe, primitives, trace, x3dh
from x3dhlab.layout import explain
from x3dhlab.party import LocalTransport, Party
from x3dhlab.primitives import CBC_HMAC
from x3dhlab.service.store import PreKeyStore
from x3dhlab.wire import InitialMessage, Message


class Network(LocalTransport):
    """A transport whose mailboxes lose and reorder on request."""

    def waiting(self, name):
        return len(self._mailboxes[name])

    def lose(self, name, position=0):
        del self._mailboxes[name][position]

    def reverse(self, name):
        self._mailboxes[name].reverse()


class Run:
    """Alice and Bob on one network, everything recorded."""

    def __init__(self, protocol=x3dh, one_time=1, kem="ML-KEM-768", aead=CBC_HMAC):
        self.trace = trace.Trace()
        self.network = Network(PreKeyStore())
        self.listening = observe.listen(self.trace.events.append)
        self.options = {"protocol": protocol, "one_time": one_time, "kem": kem, "aead": aead}

    def __enter__(self):
        self.listening.__enter__()
        self.alice = Party("Alice", self.network, **self.options)
        self.bob = Party("Bob", self.network, **self.options)
        self.alice.publish()
        self.bob.publish()
        return self

    def __exit__(self, *problem):
        return self.listening.__exit__(*problem)

    def say(self, sender, text, deliver=True):
        """Send a text; the other one reads it at once unless `deliver` is false."""
        other = self.bob if sender is self.alice else self.alice
        sender.send(other.name, text)
        if deliver:
            assert all(item.error is None for item in other.receive())

    def state(self, party):
        """The ratchet state of a party now."""
        (sessions,) = party.device.sessions.values()
        return sessions[0].ratchet


def leaves(recorded):
    """Every value that chance gave: all private keys of the run, KEM ones too."""
    return {v for event in recorded.events if event.kind == "RANDOM" for _, v in event.outputs}


def curve_keys(recorded):
    """What a quantum computer finds from public keys: every X25519 private key of the run."""
    return {
        event.inputs[0][1]
        for event in recorded.events
        if event.kind == "PUBLIC" and not dict(event.detail)
    }


def crossed(recorded):
    """The ratchet messages on the wire, once each, in order of sending."""
    messages = {}
    for event in recorded.wire:
        if dict(event.detail)["what"] == "message":
            message, _ = explain(event.inputs[0][1], Message, InitialMessage)
            if isinstance(message, InitialMessage):
                message = Message.decode(message.payload)
            messages.setdefault(message.ciphertext, message)
    return list(messages.values())


def long_run(seed, length=200, loss=0.1, **options):
    """A conversation with loss, delay and reordering. Returns the run and states on the way."""
    chance = random.Random(seed)
    snapshots = []
    with primitives.deterministic(seed), Run(**options) as run:
        run.say(run.alice, b"message number 0")
        for number in range(1, length):
            sender = chance.choice((run.alice, run.bob))
            other = run.bob if sender is run.alice else run.alice
            run.say(sender, f"message number {number}".encode(), deliver=False)
            if chance.random() < loss:
                run.network.lose(other.name, chance.randrange(run.network.waiting(other.name)))
            if chance.random() < 0.3:
                run.network.reverse(other.name)
            if chance.random() < 0.5:
                assert all(item.error is None for item in other.receive())
            snapshots.append((run.alice.device, run.bob.device))
    return run, snapshots
