"""The trace of a run: lineage, and what an attacker can compute after a leak."""

from dataclasses import replace
from itertools import combinations

import pytest

from x3dhlab import observe, ratchet, trace, x3dh
from x3dhlab.errors import DecryptionFailed
from x3dhlab.keys import KeyPair
from x3dhlab.party import LocalTransport, Party
from x3dhlab.primitives import dh
from x3dhlab.service.store import PreKeyStore
from x3dhlab.wire import InitialMessage, Message, PreKeyBundle

TEXT = b"Meet me at noon, by the old bridge."


class Run:
    """Alice writes to Bob once; every private key of the handshake by its name."""

    def __init__(self, one_time):
        transport = LocalTransport(PreKeyStore())
        with trace.record() as self.trace:
            self.bob = Party("Bob", transport, one_time=one_time)
            self.bob.publish()
            ring = self.bob.device.ring
            self.alice = Party("Alice", transport, one_time=0)
            self.alice.send("Bob", TEXT)
            [received] = self.bob.receive()
        assert received.plaintext == TEXT
        find = self.trace.find
        self.keys = {
            "ik_a": self.alice.identity.private,
            "ek_a": find("EK_A.private", "Alice"),
            "ik_b": ring.identity.private,
            "spk_b": ring.signed[ring.current].pair.private,
        }
        if one_time:
            self.keys["opk_b"] = next(iter(ring.one_time.values())).private
        self.SK = find("SK", "Alice")
        self.ciphertext = find("ciphertext", "Alice")

    def closure(self, *names):
        return self.trace.closure([self.keys[name] for name in names])

    def subsets(self):
        for size in range(len(self.keys) + 1):
            yield from combinations(self.keys, size)


WITH, WITHOUT = Run(one_time=1), Run(one_time=0)
RUNS = pytest.mark.parametrize("run", [WITH, WITHOUT], ids=["with OPK", "without OPK"])


def sk_follows(leaked, one_time):
    """Each DH needs one of its two private keys; SK needs all of them."""
    pairs = [("ik_a", "spk_b"), ("ek_a", "ik_b"), ("ek_a", "spk_b")]
    pairs += [("ek_a", "opk_b")] if one_time else []
    return all(a in leaked or b in leaked for a, b in pairs)


@RUNS
def test_sk_follows_from_a_leak_exactly_when_every_dh_does(run):
    verdicts = set()
    for leaked in run.subsets():
        expected = sk_follows(leaked, run is WITH)
        assert (run.SK in run.closure(*leaked)) == expected, leaked
        verdicts.add(expected)
    assert verdicts == {True, False}


@RUNS
def test_the_first_message_needs_sk_and_the_first_ratchet_step(run):
    for leaked in run.subsets():
        expected = sk_follows(leaked, run is WITH) and "spk_b" in leaked
        assert run.closure(*leaked).reads(run.ciphertext) == expected, leaked


@pytest.mark.parametrize(
    ("run", "leaked", "known"),
    [
        (WITH, ["ik_b"], False),
        (WITH, ["spk_b"], False),
        (WITH, ["ik_b", "spk_b"], False),  # A28: a used and deleted one-time prekey protects SK
        (WITH, ["spk_b", "opk_b"], False),
        (WITH, ["ik_b", "opk_b"], False),
        (WITH, ["ik_b", "spk_b", "opk_b"], True),
        (WITHOUT, ["ik_b"], False),
        (WITHOUT, ["spk_b"], False),
        (WITHOUT, ["ik_b", "spk_b"], True),  # A28: without one, IK_B and SPK_B are enough
    ],
)
def test_leaks_at_bob_have_the_verdicts_of_the_specification(run, leaked, known):
    assert (run.SK in run.closure(*leaked)) == known


@RUNS
def test_public_bytes_alone_give_no_secret(run):
    closure = run.closure()
    assert run.SK not in closure
    assert not closure.reads(run.ciphertext)
    assert not any(key in closure for key in run.keys.values())
    assert run.bob.identity.public in closure


def test_what_bob_still_holds_after_the_run_gives_sk_only_without_a_one_time_prekey():
    for run, known in ((WITH, False), (WITHOUT, True)):
        ring = run.bob.device.ring
        held = [ring.identity.private, *(pair.private for pair in ring.one_time.values())]
        held += [key.pair.private for key in ring.signed.values()]
        assert (run.SK in run.trace.closure(held)) == known


def test_a_known_secret_can_be_recomputed_from_the_leak():
    keys, message = WITHOUT.keys, WITHOUT.bob.device.sessions
    [[session]] = message.values()
    EK_A, IK_A = session.opening.ephemeral_key, session.opening.identity_key
    dhs = dh(keys["spk_b"], IK_A), dh(keys["ik_b"], EK_A), dh(keys["spk_b"], EK_A)
    assert x3dh.derive(dhs) == WITHOUT.SK


# Key-compromise impersonation (A27)


def forge(bob, transport, name, stolen):
    """A first message "from" the holder of IK_A, made with a stolen private key of Bob."""
    bundle = PreKeyBundle.decode(transport.fetch("Bob", "Mallory"))
    IK_A, e = KeyPair.generate().public, KeyPair.generate()
    DH1 = dh(stolen, IK_A)
    others = bundle.identity_key, bundle.signed_prekey, bundle.one_time_prekey
    SK = x3dh.derive((DH1, *(dh(e.private, public) for public in others)))
    state = ratchet.State.initiator(SK, bundle.signed_prekey)
    AD = x3dh.associated_data(IK_A, bundle.identity_key)
    _, inner = ratchet.encrypt(state, TEXT, AD)
    assert isinstance(inner, Message)
    message = InitialMessage(IK_A, e.public, bundle.signed_prekey_id, bundle.one_time_prekey_id)
    transport.send(name, "Bob", replace(message, payload=inner.encode()).encode())
    return bob.receive()[0]


def test_a_stolen_signed_prekey_impersonates_anybody_to_bob(bob, transport):
    ring = bob.device.ring
    received = forge(bob, transport, "Alice", ring.signed[ring.current].pair.private)
    assert (received.sender, received.plaintext) == ("Alice", TEXT)


def test_a_stolen_identity_key_alone_does_not(bob, transport):
    received = forge(bob, transport, "Alice", bob.device.ring.identity.private)
    assert type(received.error) is DecryptionFailed


@RUNS
def test_the_closure_has_the_same_verdict_on_impersonation(run):
    # The forger makes EK_A, so its private half is known.
    assert run.SK in run.closure("ek_a", "spk_b")
    assert run.SK not in run.closure("ek_a", "ik_b")


# Lineage, names, constants


def test_lineage_leads_from_sk_back_to_the_private_keys():
    lineage, seen, open_values = WITH.trace.lineage(), set(), [WITH.SK]
    while open_values:
        value = open_values.pop()
        for index in lineage.get(value, ()):
            if index not in seen:
                seen.add(index)
                open_values += [v for _, v in WITH.trace.events[index].inputs]
    ancestors = {v for i in seen for _, v in WITH.trace.events[i].inputs}
    assert set(WITH.keys.values()) <= ancestors
    kinds = [WITH.trace.events[index].kind for index in seen]
    assert kinds.count("DH") == 8  # four results, each computed by both


def test_both_sides_make_the_same_secret():
    makers = [WITH.trace.events[index].actor for index in WITH.trace.lineage()[WITH.SK]]
    assert makers == ["Alice", "Bob"]
    assert WITH.trace.find("SK", "Bob") == WITH.SK
    with pytest.raises(KeyError, match="at Carol"):
        WITH.trace.find("SK", "Carol")


def test_the_wire_shows_who_sent_what_to_whom():
    crossings = [dict(event.detail) for event in WITH.trace.wire]
    assert [(c["what"], c["sender"], c["recipient"]) for c in crossings] == [
        ("publication", "Bob", "server"),
        ("bundle", "server", "Alice"),
        ("message", "Alice", "server"),
        ("message", "server", "Bob"),
    ]


def test_no_event_belongs_to_nobody():
    assert {event.actor for event in WITH.trace.events} <= {"Alice", "Bob", "server"}


def test_a_key_of_one_repeated_byte_is_a_key_and_no_constant(cast):
    # The vectors use such keys; padding and salts look the same.
    with trace.record() as recorded:
        pairs = [KeyPair.from_private(bytes([i]) * 32) for i in range(1, 6)]
        observe.announce("WIRE", [("bundle", b"".join(pair.public for pair in pairs))])
        _, agreement = cast.initiate()
    closure = recorded.closure()
    assert agreement.secret not in closure
    assert not any(pair.private in closure for pair in pairs)
    assert x3dh.F in closure
    assert bytes(32) in closure
    assert agreement.secret in recorded.closure([cast.EK_A.private, cast.IK_A.private])


def test_an_empty_trace_is_still_a_trace():
    assert bool(trace.Trace())
    assert len(trace.Trace()) == 0
    assert repr(WITH.trace) == f"<Trace of {len(WITH.trace)} operations>"
