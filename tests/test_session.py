"""Sessions: handshake and ratchet together, in any order of arrival, across restarts."""

import tracemalloc
from dataclasses import replace
from types import MappingProxyType

import nacl.bindings as sodium
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from x3dhlab import pqxdh, prekeys, primitives, ratchet, session, x3dh
from x3dhlab.errors import (
    BadSignature,
    DecryptionFailed,
    InvalidField,
    Malformed,
    MissingKemPreKey,
    NoSession,
    OldMessage,
    Refused,
    Replayed,
    RolledBack,
    UnknownPreKey,
    UnknownVersion,
    UsedPreKey,
    WrongType,
)
from x3dhlab.primitives import AES_256_GCM, CBC_HMAC
from x3dhlab.wire import InitialMessage, Message, PreKeyBundle

PROTOCOLS = {"X3DH": (x3dh, None), "PQXDH": (pqxdh, "ML-KEM-768")}


def make_device(protocol=x3dh, kem=None, one_time=3, aead=CBC_HMAC):
    ring = prekeys.generate(one_time=one_time, kem=kem)
    return session.Device(ring, protocol=protocol, aead=aead)


def bundle_of(device, position=0):
    """What a server hands out: with the one-time keys at `position`, as far as there are any."""
    published = prekeys.publication(device.ring)
    optional = {}
    if position is not None and position < len(published.one_time_prekeys):
        one_time = published.one_time_prekeys[position]
        optional["one_time_prekey_id"] = one_time.one_time_prekey_id
        optional["one_time_prekey"] = one_time.one_time_prekey
    kem_keys = published.last_resort_kem_prekeys
    if position is not None and position < len(published.kem_prekeys):
        kem_keys = published.kem_prekeys[position:]
    if kem_keys:
        for name in ("kem_prekey_id", "kem_prekey", "kem_prekey_signature"):
            optional[name] = getattr(kem_keys[0], name)
    return PreKeyBundle(
        published.identity_key,
        published.signed_prekey_id,
        published.signed_prekey,
        published.signed_prekey_signature,
        **optional,
    )


class Server:
    """An honest store for one device: each one-time key is handed out once."""

    def __init__(self, device):
        self.last_resort = bundle_of(device, None)
        self.supply = [bundle_of(device, place) for place in range(len(device.ring.one_time))]

    def hand_out(self, one_time=True):
        return self.supply.pop(0) if one_time and self.supply else self.last_resort


class World:
    """Two devices, each with a memory that moves on only when a call succeeds."""

    def __init__(self, protocol=x3dh, kem=None, **options):
        self.devices = {name: make_device(protocol, kem, **options) for name in "AB"}
        self.server = {name: Server(device) for name, device in self.devices.items()}

    def identity(self, name):
        return self.devices[name].ring.identity.public

    def start(self, name, one_time=True):
        bundle = self.server[other_of(name)].hand_out(one_time)
        self.devices[name] = session.start(self.devices[name], bundle)

    def send(self, name, text=b"text"):
        peer = self.identity(other_of(name))
        self.devices[name], data = session.send(self.devices[name], peer, text)
        return data

    def receive(self, name, data):
        peer = self.identity(other_of(name))
        self.devices[name], sender, text = session.receive(self.devices[name], peer, data)
        assert sender == peer
        return text

    def exchange(self, *senders):
        for name in senders:
            assert self.receive(other_of(name), self.send(name, name.encode())) == name.encode()

    def refused(self, name, data, *errors):
        """The refusal of `data`, after a check that it changed nothing."""
        before = snapshot(self.devices[name])
        with pytest.raises(errors or Refused) as refusal:
            self.receive(name, data)
        assert snapshot(self.devices[name]) == before
        return refusal.value


def other_of(name):
    return "AB".replace(name, "")


def snapshot(device):
    """Everything a device knows, as plain values: a later change cannot hide in it."""
    sessions = {
        peer: [session.to_bytes(one) for one in several]
        for peer, several in device.sessions.items()
    }
    ring = device.ring
    keys = [dict(kind) for kind in (ring.signed, ring.one_time, ring.kem_one_time)]
    return sessions, keys, dict(ring.kem_last_resort), ring.next_id, dict(device.accepted)


@pytest.fixture(params=PROTOCOLS)
def world(request):
    return World(*PROTOCOLS[request.param])


def test_a_conversation_begins_with_the_first_message(world):
    world.start("A")
    world.exchange(*"ABBABA")


@pytest.mark.parametrize("one_time", [True, False], ids=["one-time key", "no one-time key"])
def test_the_handshake_header_is_repeated_until_the_first_answer(world, one_time):
    """A42: the repeated header never runs the handshake again."""
    world.start("A", one_time)
    messages = [world.send("A", b"%d" % number) for number in range(5)]
    headers = [replace(InitialMessage.decode(data), payload=b"") for data in messages]
    assert headers == [headers[0]] * 5
    assert [world.receive("B", data) for data in messages] == [b"0", b"1", b"2", b"3", b"4"]
    assert len(world.devices["B"].sessions[world.identity("A")]) == 1
    world.exchange("B")
    with pytest.raises(UnknownVersion):
        InitialMessage.decode(world.send("A"))


def test_repeated_headers_may_arrive_in_any_order(world):
    """A42."""
    world.start("A")
    messages = [world.send("A", b"%d" % number) for number in range(4)]
    assert [world.receive("B", messages[place]) for place in (2, 0, 3, 1)] == [
        b"2",
        b"0",
        b"3",
        b"1",
    ]


def test_a_late_header_is_still_understood_after_the_answer(world):
    world.start("A")
    late = world.send("A", b"late")
    world.exchange(*"AB" * 3)
    assert world.receive("B", late) == b"late"


def test_one_time_keys_are_burnt_by_the_first_message_that_decrypts(world):
    """A26: and not before."""
    world.start("A")
    data = world.send("A")
    ring = world.devices["B"].ring
    header = InitialMessage.decode(data)
    forged = replace(header, payload=header.payload[:-1] + bytes([header.payload[-1] ^ 1]))
    world.refused("B", forged.encode(), DecryptionFailed)
    assert header.one_time_prekey_id in world.devices["B"].ring.one_time
    world.receive("B", data)
    left = world.devices["B"].ring
    assert set(ring.one_time) - set(left.one_time) == {header.one_time_prekey_id}
    assert set(ring.kem_one_time) - set(left.kem_one_time) == {header.kem_prekey_id} - {None}


def test_garbage_that_names_every_one_time_key_burns_none():
    """A26: a hundred forged first messages, then a genuine one that was already on its way."""
    world = World(one_time=100)
    world.start("A")
    genuine = world.send("A")
    mallory = World()
    for identifier in list(world.devices["B"].ring.one_time):
        forged = replace(
            InitialMessage.decode(genuine),
            identity_key=mallory.identity("A"),
            one_time_prekey_id=identifier,
        )
        world.refused("B", forged.encode(), DecryptionFailed)
    assert len(world.devices["B"].ring.one_time) == 100
    assert world.receive("B", genuine) == b"text"


def test_a_burnt_key_and_an_unknown_key_are_different_errors(world):
    world.start("A")
    data = world.send("A")
    world.receive("B", data)
    header = InitialMessage.decode(data)
    stranger = replace(header, identity_key=World().identity("A"))
    world.refused("B", stranger.encode(), UsedPreKey)
    unknown = replace(stranger, one_time_prekey_id=10_000)
    world.refused("B", unknown.encode(), UnknownPreKey)


def test_a_replayed_first_message_is_refused(world):
    """X3DH §4.2: without a one-time key only the record stops it."""
    world.start("A", one_time=False)
    data = world.send("A")
    world.receive("B", data)
    world.refused("B", data, OldMessage)
    # The session may have gone; the record stays.
    world.devices["B"] = replace(world.devices["B"], sessions=MappingProxyType({}))
    world.refused("B", data, Replayed)


def with_order_8_point(public):
    """Another point with the same DH outputs: clamped keys are multiples of 8."""
    edwards = primitives._convert_mont(public)
    torsion = bytes.fromhex("26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05")
    total = sodium.crypto_core_ed25519_add(edwards, torsion)
    p = 2**255 - 19
    y = int.from_bytes(total[:31] + bytes([total[31] & 127]), "little")
    return ((1 + y) * pow(1 - y, -1, p) % p).to_bytes(32, "little")


REENCODINGS = {
    "bit 255": lambda public: public[:31] + bytes([public[31] | 128]),
    "order 8": with_order_8_point,
}


@pytest.mark.parametrize("name", REENCODINGS)
def test_a_re_encoded_ephemeral_key_does_not_pass_the_replay_record(world, name):
    """A20: other bytes, same DH outputs, same SK."""
    world.start("A", one_time=False)
    data = world.send("A")
    world.receive("B", data)
    header = InitialMessage.decode(data)
    other = REENCODINGS[name](header.ephemeral_key)
    assert other != header.ephemeral_key
    assert primitives.dh(b"\x09" * 32, other) == primitives.dh(b"\x09" * 32, header.ephemeral_key)
    world.refused("B", replace(header, ephemeral_key=other).encode(), Replayed)


@pytest.mark.parametrize("name", REENCODINGS)
def test_a_re_encoded_ephemeral_key_opens_no_session_before_the_genuine_one(world, name):
    """A20 in transit: it would orphan the sender's repeated headers."""
    world.start("A")
    first, second = world.send("A", b"1"), world.send("A", b"2")
    header = InitialMessage.decode(first)
    other = REENCODINGS[name](header.ephemeral_key)
    world.refused("B", replace(header, ephemeral_key=other).encode(), InvalidField)
    assert [world.receive("B", data) for data in (first, second)] == [b"1", b"2"]


def test_the_replay_record_is_not_pushed_out_by_other_handshakes():
    """A21: many valid handshakes, then the old message again."""
    world = World()
    world.start("A", one_time=False)
    victim = world.send("A")
    world.receive("B", victim)
    for _ in range(3 * session.MAX_SESSIONS):
        world.start("A", one_time=False)
        world.receive("B", world.send("A"))
    assert len(world.devices["B"].sessions[world.identity("A")]) == session.MAX_SESSIONS
    world.refused("B", victim, Replayed)


def test_the_record_lives_exactly_as_long_as_its_signed_prekey():
    """A21: retiring the prekey makes the replay fail for another reason."""
    world = World()
    world.start("A", one_time=False)
    data = world.send("A")
    world.receive("B", data)
    bob = world.devices["B"]
    bob = replace(bob, ring=prekeys.rotate(bob.ring, now=10), sessions=MappingProxyType({}))
    world.devices["B"] = session.retire(bob, before=0)
    assert len(world.devices["B"].accepted) == 1
    world.refused("B", data, Replayed)
    world.devices["B"] = session.retire(bob, before=10)
    assert len(world.devices["B"].accepted) == 0
    world.refused("B", data, UsedPreKey)


def test_simultaneous_initiation_converges(world):
    """A76: both send first; nothing is lost, and the next answer settles on one session."""
    world.start("A")
    world.start("B")
    from_a, from_b = world.send("A", b"from A"), world.send("B", b"from B")
    assert world.receive("B", from_a) == b"from A"
    assert world.receive("A", from_b) == b"from B"
    world.exchange(*"ABAB")
    used = {
        name: world.devices[name].sessions[world.identity(other_of(name))][0].identifier
        for name in "AB"
    }
    assert used["A"] == used["B"]


def test_messages_of_the_other_session_still_open_after_convergence(world):
    """A76."""
    world.start("A")
    world.start("B")
    from_a, late = world.send("A"), world.send("A", b"late")
    from_b = world.send("B")
    world.receive("B", from_a)
    world.receive("A", from_b)
    world.exchange(*"BABA")
    assert world.receive("B", late) == b"late"


def test_a_restored_session_continues(world):
    world.start("A")
    world.exchange(*"ABA")
    lost = world.send("A", b"late")
    world.exchange("A")
    for name in "AB":
        world.devices[name] = restarted(world.devices[name])
    world.exchange(*"BABA")
    assert world.receive("B", lost) == b"late"


def restarted(device):
    sessions = {
        peer: tuple(session.from_bytes(session.to_bytes(one)) for one in several)
        for peer, several in device.sessions.items()
    }
    return replace(device, sessions=MappingProxyType(sessions))


@pytest.mark.parametrize("aead", [CBC_HMAC, AES_256_GCM], ids=lambda aead: aead.name)
def test_saving_keeps_every_field_of_a_session(aead):
    world = World(aead=aead)
    world.start("A")
    for step in range(6):
        if step == 3:
            world.send("A")
        world.exchange("AB"[step % 2], "A")
        for device in world.devices.values():
            for several in device.sessions.values():
                for one in several:
                    assert session.from_bytes(session.to_bytes(one)) == one


def saved(world, name):
    return session.to_bytes(world.devices[name].sessions[world.identity(other_of(name))][0])


def test_a_rolled_back_session_is_refused_if_the_holder_knows_the_last_number(world):
    """A49: sending from an old copy would use a message key twice."""
    world.start("A")
    old = saved(world, "A")
    world.send("A")
    new = saved(world, "A")
    last = session.from_bytes(new).sequence
    assert session.from_bytes(new, last_sequence=last).sequence == last
    with pytest.raises(RolledBack) as refusal:
        session.from_bytes(old, last_sequence=last)
    assert refusal.value.data == {"saved": last - 1, "remembered": last}


def test_without_that_number_a_rolled_back_session_repeats_a_key(world):
    """A49: this is what the number protects from."""
    world.start("A")
    world.exchange("A", "B")
    peer = world.identity("B")
    old = session.from_bytes(saved(world, "A"))
    first = world.send("A", b"one")
    world.devices["A"] = replace(world.devices["A"], sessions=MappingProxyType({peer: (old,)}))
    second = world.send("A", b"two")
    assert Message.decode(first).header == Message.decode(second).header
    world.receive("B", first)
    world.refused("B", second, OldMessage)


def test_each_step_of_a_session_has_its_own_number(world):
    world.start("A")
    numbers = []
    for name in "ABAB":
        world.exchange(name)
        numbers.append(session.from_bytes(saved(world, "A")).sequence)
    assert numbers == sorted(set(numbers))


def test_a_saved_session_of_another_version_is_refused(world):
    world.start("A")
    data = saved(world, "A")
    with pytest.raises(UnknownVersion):
        session.from_bytes(b"\x02" + data[1:])


@pytest.mark.parametrize("cut", [0, 1, 40, -1])
def test_a_truncated_saved_session_is_refused(world, cut):
    world.start("A")
    with pytest.raises(Malformed):
        session.from_bytes(saved(world, "A")[:cut])


def test_a_message_without_any_session_is_refused(world):
    world.start("A")
    world.exchange("A", "B")
    stranger = World(*PROTOCOLS["X3DH"]).devices["A"]
    data = world.send("A")
    for peer in (None, world.identity("A")):
        with pytest.raises(NoSession):
            session.receive(stranger, peer, data)
    with pytest.raises(NoSession):
        session.send(stranger, world.identity("B"), b"text")


def test_a_pqxdh_device_refuses_a_stripped_first_message():
    """A10."""
    world = World(*PROTOCOLS["PQXDH"])
    world.start("A")
    header = InitialMessage.decode(world.send("A"))
    stripped = replace(header, kem_prekey_id=None, kem_ciphertext=None)
    world.refused("B", stripped.encode(), MissingKemPreKey)


def test_a_pqxdh_device_starts_nothing_from_a_stripped_or_unsigned_bundle():
    """A10, A11."""
    world = World(*PROTOCOLS["PQXDH"])
    bundle = bundle_of(world.devices["B"])
    stripped = replace(bundle, kem_prekey_id=None, kem_prekey=None, kem_prekey_signature=None)
    with pytest.raises(MissingKemPreKey):
        session.start(world.devices["A"], stripped)
    with pytest.raises(BadSignature):
        session.start(world.devices["A"], replace(bundle, kem_prekey_signature=bytes(64)))


def test_an_x3dh_device_does_not_answer_pqxdh():
    world = World(*PROTOCOLS["PQXDH"])
    world.devices["B"] = replace(world.devices["B"], protocol=x3dh)
    world.start("A")
    world.refused("B", world.send("A"), InvalidField)


@pytest.mark.parametrize(
    "wrong", [None, 7, "text", b"", (), object()], ids=lambda v: type(v).__name__
)
def test_arguments_of_another_type_are_refused(world, wrong):
    world.start("A")
    peer = world.identity("B")
    data = world.send("A")
    with pytest.raises(WrongType):
        session.start(world.devices["A"], wrong)
    with pytest.raises(WrongType):
        session.start(wrong, bundle_of(world.devices["B"]))
    with pytest.raises(Malformed):
        session.send(world.devices["A"], wrong, b"text")
    with pytest.raises(Malformed):
        session.receive(world.devices["B"], None, wrong)
    with pytest.raises(WrongType):
        session.receive(wrong, peer, data)
    if wrong != b"":
        with pytest.raises(WrongType):
            session.send(world.devices["A"], peer, wrong)


def test_no_secret_of_a_device_shows_in_its_repr(world):
    world.start("A")
    world.exchange(*"ABA")
    for name, device in world.devices.items():
        shown = repr(device) + repr(device.sessions[world.identity(other_of(name))])
        one = device.sessions[world.identity(other_of(name))][0]
        secrets = [device.ring.identity.private, one.ratchet.RK, one.ratchet.CKs]
        secrets += [pair.private for pair in device.ring.one_time.values()]
        assert not any(repr(secret) in shown for secret in secrets)


def live_sessions(count):
    """Bob's side of `count` conversations, each after a first message."""
    world, peers = World(one_time=0), []
    header = bundle_of(world.devices["B"], None)
    for _ in range(count):
        alice = session.start(make_device(one_time=0), header)
        alice, data = session.send(alice, header.identity_key, b"text")
        world.devices["B"], peer, _ = session.receive(world.devices["B"], None, data)
        peers.append(peer)
    return world.devices["B"], peers


def bytes_per_session(count):
    tracemalloc.start()
    try:
        device, _ = live_sessions(count)
        held, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert len(device.sessions) == count
    return held / count


def test_ten_thousand_sessions_of_this_size_fit_into_150_megabytes():
    assert bytes_per_session(300) * 10_000 < 150e6


@pytest.mark.full
def test_ten_thousand_live_sessions_fit_into_150_megabytes():
    assert bytes_per_session(10_000) * 10_000 < 150e6


def test_the_work_per_message_does_not_grow_with_the_conversation(world):
    from x3dhlab import observe

    def operations():
        seen = []
        with observe.listen(seen.append):
            world.exchange("A", "B")
        return len(seen)

    world.start("A")
    world.exchange(*"ABAB")
    early, length = operations(), len(saved(world, "A"))
    world.exchange(*"AB" * 40)
    assert operations() == early
    assert len(saved(world, "A")) == length


# Any interleaving at all.

MAX_STARTS = 10  # fewer than MAX_SESSIONS: no session with a message on its way is dropped


class Interleavings(RuleBasedStateMachine):
    """Two devices, a network that loses, delays, repeats and alters, and restarts from bytes.

    `network` holds (receiver, data, text) of what is on its way; `opened` what has arrived.
    """

    protocol = PROTOCOLS["X3DH"]

    def __init__(self):
        super().__init__()
        self.world = World(*self.protocol, one_time=2)
        self.network, self.opened = [], []
        self.sent = self.starts = 0

    names = st.sampled_from("AB")
    places = st.integers(0, 10**6)

    @rule(name=names)
    def start(self, name):
        if self.starts < MAX_STARTS:
            self.world.start(name)
            self.starts += 1

    @rule(name=names, burst=st.integers(1, 4))
    def send(self, name, burst):
        if self.world.devices[name].sessions:
            for _ in range(burst):
                self.sent += 1
                text = b"%d from %s" % (self.sent, name.encode())
                self.network.append((other_of(name), self.world.send(name, text), text))

    @precondition(lambda self: self.network)
    @rule(place=places)
    def deliver(self, place):
        """Any message on its way, so that every order of arrival occurs."""
        receiver, data, text = self.network.pop(place % len(self.network))
        assert self.world.receive(receiver, data) == text
        self.opened.append((receiver, data))

    @precondition(lambda self: self.network)
    @rule()
    def deliver_the_oldest(self):
        self.deliver(0)

    @precondition(lambda self: self.network)
    @rule(place=places)
    def drop(self, place):
        self.network.pop(place % len(self.network))

    @precondition(lambda self: self.opened)
    @rule(place=places)
    def duplicate(self, place):
        self.world.refused(*self.opened[place % len(self.opened)])

    @precondition(lambda self: self.network)
    @rule(place=places, position=places, bit=st.integers(0, 7))
    def alter(self, place, position, bit):
        receiver, data, _ = self.network[place % len(self.network)]
        altered = bytearray(data)
        altered[position % len(data)] ^= 1 << bit
        self.world.refused(receiver, bytes(altered))

    @precondition(lambda self: self.network)
    @rule(place=places)
    def misroute(self, place):
        """A message comes back to its own sender."""
        receiver, data, _ = self.network[place % len(self.network)]
        self.world.refused(other_of(receiver), data)

    @rule(name=names)
    def restart(self, name):
        before = snapshot(self.world.devices[name])
        self.world.devices[name] = restarted(self.world.devices[name])
        assert snapshot(self.world.devices[name]) == before

    @invariant()
    def every_message_that_arrived_is_a_message_that_was_sent_once(self):
        assert len({data for _, data in self.opened}) == len(self.opened)

    def teardown(self):
        """What is still on its way opens too, from the newest to the oldest."""
        while self.network:
            self.deliver(len(self.network) - 1)


COUNTS = {
    "max_examples": 300,
    "stateful_step_count": 40,
    "deadline": None,
    "suppress_health_check": list(HealthCheck),
}


class PqInterleavings(Interleavings):
    protocol = PROTOCOLS["PQXDH"]


TestInterleavings = Interleavings.TestCase
TestInterleavings.settings = settings(**COUNTS)

TestPqInterleavings = PqInterleavings.TestCase
TestPqInterleavings.settings = settings(**{**COUNTS, "max_examples": 80})


@pytest.mark.full
class TestManyInterleavings(Interleavings.TestCase):
    settings = settings(**{**COUNTS, "max_examples": 3000, "stateful_step_count": 80})


def test_an_interleaving_catches_a_state_that_changes_on_failure(monkeypatch):
    """Mutation control: a ratchet that commits before the tag is checked is found."""
    genuine = ratchet.decrypt

    def hasty(state, message, associated_data, **options):
        try:
            return genuine(state, message, associated_data, **options)
        except DecryptionFailed:
            object.__setattr__(state, "Nr", state.Nr + 1)
            raise

    monkeypatch.setattr(ratchet, "decrypt", hasty)
    world = World()
    world.start("A")
    world.exchange("A", "B")
    data = world.send("A")
    with pytest.raises(AssertionError):
        world.refused("B", data[:-1] + bytes([data[-1] ^ 1]))
