"""A server that lies. Each class is a transport that wraps another one and does what its name says.

They compose: `Replay(WithholdOneTime(network))` does both. What a server needs for all of this is
its place between the phones; it knows no private key of theirs. `Scripted` runs misbehaviour that
somebody else wrote. Everything here talks to objects in one process, and to nothing else.
"""

from dataclasses import asdict, replace

from x3dhlab.errors import StoreUnavailable
from x3dhlab.keys import KeyPair
from x3dhlab.party import SERVER, LocalTransport, Party
from x3dhlab.service.store import PreKeyStore
from x3dhlab.wire import KemPreKey, OneTimePreKey, PreKeyBundle, Publication


class Relay:
    """Passes everything on."""

    def __init__(self, inner):
        self.inner = inner

    def publish(self, name, publication):
        self.inner.publish(name, publication)

    def fetch(self, name, requester):
        return self.inner.fetch(name, requester)

    def count(self, name):
        return self.inner.count(name)

    def send(self, sender, recipient, data):
        self.inner.send(sender, recipient, data)

    def collect(self, name):
        return self.inner.collect(name)


class _Changes(Relay):
    """Changes bundles on their way out."""

    def fetch(self, name, requester):
        bundle = PreKeyBundle.decode(self.inner.fetch(name, requester))
        return self.changed(bundle, name).encode()


class SwapSignedPreKey(_Changes):
    """A3: a signed prekey and a one-time key of its own, under the honest identity and signature.

    It computes DH1, DH3 and DH4 of whoever does not check; a later theft of IK_B gives it DH2.
    """

    def __init__(self, inner):
        super().__init__(inner)
        self.signed, self.one_time = KeyPair.generate(), KeyPair.generate()

    def changed(self, bundle, name):
        bundle = replace(bundle, signed_prekey=self.signed.public)
        return _with_one_time(bundle, self.one_time)


class ServeOldSignedPreKey(_Changes):
    """A5: the first signed prekey that it saw, for ever. Its signature is good and has no date."""

    def __init__(self, inner):
        super().__init__(inner)
        self._first: dict[str, PreKeyBundle] = {}

    def changed(self, bundle, name):
        old = self._first.setdefault(name, bundle)
        fields = "signed_prekey_id", "signed_prekey", "signed_prekey_signature"
        return replace(bundle, **{field: getattr(old, field) for field in fields})


class SwapOneTime(_Changes):
    """A6: a one-time key of its own in the place of Bob's. Nobody signed that one."""

    def __init__(self, inner):
        super().__init__(inner)
        self.one_time = KeyPair.generate()

    def changed(self, bundle, name):
        return _with_one_time(bundle, self.one_time)


class WithholdOneTime(_Changes):
    """A7: bundles without a one-time key, as if the pool were empty."""

    def changed(self, bundle, name):
        return replace(bundle, one_time_prekey_id=None, one_time_prekey=None)


class IssueTwice(_Changes):
    """A8: the first bundle of each person, one-time key included, for everybody."""

    def __init__(self, inner):
        super().__init__(inner)
        self._first: dict[str, PreKeyBundle] = {}

    def changed(self, bundle, name):
        return self._first.setdefault(name, bundle)


class Replay(Relay):
    """A19: every message is delivered twice."""

    def send(self, sender, recipient, data):
        self.inner.send(sender, recipient, data)
        self.inner.send(sender, recipient, data)


class Later(Relay):
    """Honest until `strike()`; from then on what `lying` does."""

    def __init__(self, inner, lying):
        super().__init__(inner)
        self._lying = lying

    def strike(self):
        self.inner = self._lying


def _with_one_time(bundle, pair):
    return bundle if bundle.one_time_prekey is None else replace(bundle, one_time_prekey=pair.public)


# A1: a server that stands between two people


class SwapIdentity(Relay):
    """A1: for each of two people it plays the other one, with keys of its own, and relays the texts.

    `read` has every text that passed: (writer, text). The roles are ordinary parties.
    """

    def __init__(self, inner, between=("Alice", "Bob"), **party):
        super().__init__(inner)
        self.read: list[tuple[str, bytes]] = []
        left, right = between
        # (who is deceived, whom the server plays for him)
        self.roles = {
            (victim, played): Party(played, _BackDoor(inner), **party)
            for victim, played in ((left, right), (right, left))
        }
        for role in self.roles.values():
            role.publish()

    def fetch(self, name, requester):
        role = self.roles.get((requester, name))
        return role.transport.own.fetch(name, requester) if role else self.inner.fetch(name, requester)

    def send(self, sender, recipient, data):
        role = self.roles.get((sender, recipient))
        if role is None:
            return self.inner.send(sender, recipient, data)
        role.transport.own.send(sender, recipient, data)
        for received in role.receive():
            if received.error is None:  # what it cannot open was for the honest one, and is lost
                self.read.append((sender, received.plaintext))
                self.roles[recipient, sender].send(recipient, received.plaintext)
        return None

    def write_first(self, text: bytes) -> None:
        """A2: both roles open new sessions, as if two people had new phones."""
        for (victim, _), role in self.roles.items():
            role.send(victim, text)


class _BackDoor(Relay):
    """What a role of the server uses: a mailbox and keys of its own, the real network to write to."""

    def __init__(self, inner):
        super().__init__(inner)
        self.own = LocalTransport(PreKeyStore())

    def publish(self, name, publication):
        self.own.publish(name, publication)

    def collect(self, name):
        return self.own.collect(name)


# Misbehaviour that somebody else writes


class Scripted(Relay):
    """Does what `on_frame(state, direction, frame) → [state, frames]` says, all in plain data.

    `direction` is "up" (to the server) or "down" (from it). A frame is a dict: `what` is
    "publication" (up), "bundle" (down) or "message" (up, and later down), `from` and `to` are
    names. Keys have `about`, whose keys they are, and the fields of the wire by name; a message
    has `data`. What `on_frame` returns goes on in the place of the frame: nothing, or several.
    """

    def __init__(self, inner, on_frame, state=None):
        super().__init__(inner)
        self._on_frame, self.state = on_frame, state

    def publish(self, name, publication):
        keys = {"about": name, **_fields(Publication.decode(publication))}
        for frame in self._frames("up", "publication", name, SERVER, keys):
            self.inner.publish(frame["from"], _publication(frame).encode())

    def fetch(self, name, requester):
        bundle = PreKeyBundle.decode(self.inner.fetch(name, requester))
        keys = {"about": name, **_fields(bundle)}
        frames = self._frames("down", "bundle", SERVER, requester, keys)
        if not frames:
            raise StoreUnavailable(f"the server gives no keys of {name}", step="X3DH §3.3")
        return PreKeyBundle(**_only(frames[0], bundle)).encode()

    def send(self, sender, recipient, data):
        for frame in self._frames("up", "message", sender, recipient, {"data": data}):
            self.inner.send(frame["from"], frame["to"], frame["data"])

    def collect(self, name):
        return [
            (frame["from"], frame["data"])
            for sender, data in self.inner.collect(name)
            for frame in self._frames("down", "message", sender, name, {"data": data})
        ]

    def _frames(self, direction, what, sender, recipient, facts):
        frame = {"what": what, "from": sender, "to": recipient, **facts}
        answer = self._on_frame(self.state, direction, frame)
        if type(answer) not in (list, tuple) or len(answer) != 2 or type(answer[1]) is not list:
            raise TypeError(f"on_frame must return [state, list of frames], not {answer!r:.60}")
        self.state, frames = answer
        return frames


def _fields(layout):
    return {name: list(v) if type(v) is tuple else v for name, v in asdict(layout).items()}


def _only(frame, layout):
    return {name: frame.get(name) for name in asdict(layout)}


def _publication(frame):
    fields = {name: frame[name] for name in Publication.__dataclass_fields__}
    kinds = {
        "one_time_prekeys": OneTimePreKey,
        "kem_prekeys": KemPreKey,
        "last_resort_kem_prekeys": KemPreKey,
    }
    for name, kind in kinds.items():
        fields[name] = tuple(kind(**prekey) for prekey in fields[name])
    return Publication(**fields)
