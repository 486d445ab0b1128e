"""What a device remembers about people: pinned keys, changes, prekeys seen before, downgrades."""

from dataclasses import dataclass, replace

import pytest

from x3dhlab import contacts, pqxdh, prekeys, x3dh
from x3dhlab.contacts import MAX_AGE, Contact
from x3dhlab.errors import (
    Downgraded,
    IdentityChanged,
    IdentityMismatch,
    MissingKemPreKey,
    NoSession,
    RateLimited,
    StalePreKey,
    WrongLength,
    WrongType,
)
from x3dhlab.party import LocalTransport, Party, Received
from x3dhlab.primitives import sign
from x3dhlab.service.limits import FetchLimits
from x3dhlab.service.store import PreKeyStore
from x3dhlab.wire import PreKeyBundle

OLD, NEW, THIRD = (bytes([n]) * 32 for n in (1, 2, 3))
TEXT = b"Meet me at noon."


def bundle(number, key=OLD, identity=OLD):
    return PreKeyBundle(identity, number, key, bytes(64))


# The record of one contact


def test_the_first_key_is_pinned():
    assert contacts.meet(None, OLD) == Contact(OLD)


def test_the_pinned_key_again_changes_nothing():
    known = Contact(OLD, verified=True, signed_prekey_id=3)
    assert contacts.meet(known, OLD) is known


def test_another_key_waits_and_the_pin_stays():
    waiting = contacts.meet(Contact(OLD, verified=True), NEW)
    assert (waiting.identity, waiting.changed_to, waiting.verified) == (OLD, NEW, True)
    with pytest.raises(IdentityChanged) as caught:
        contacts.check_sending(waiting, "Bob")
    told = {"name": "Bob", "pinned": OLD.hex(), "offered": NEW.hex()}
    assert caught.value.data == told
    assert "was verified" in str(caught.value)


def test_the_pinned_key_coming_back_does_not_settle_a_change():
    waiting = contacts.meet(contacts.meet(Contact(OLD), NEW), OLD)
    assert waiting.changed_to == NEW


def test_an_accepted_key_is_pinned_and_has_to_be_verified_again():
    before = Contact(OLD, True, NEW, post_quantum=True, signed_prekey_id=9, signed_prekey=THIRD)
    after = contacts.accept(before, NEW)
    assert after == Contact(NEW, post_quantum=True)
    contacts.check_sending(after)


def test_a_change_can_be_turned_down():
    before = Contact(OLD, True, NEW, signed_prekey_id=9)
    assert contacts.accept(before, OLD) == replace(before, changed_to=None)


def test_only_the_key_that_waits_can_be_accepted():
    waiting = contacts.meet(Contact(OLD), NEW)
    for contact in (waiting, Contact(OLD)):
        with pytest.raises(IdentityMismatch):
            contacts.accept(contact, THIRD)


def test_a_contact_whose_key_waits_cannot_be_verified():
    assert contacts.verify(Contact(OLD)).verified
    with pytest.raises(IdentityChanged):
        contacts.verify(contacts.meet(Contact(OLD), NEW))


def test_the_newest_signed_prekey_is_remembered_with_the_time():
    first = contacts.check_prekey(Contact(OLD), bundle(4, OLD), now=10)
    assert (first.signed_prekey_id, first.signed_prekey, first.seen) == (4, OLD, 10)
    assert contacts.check_prekey(first, bundle(4, OLD), now=99) == first
    second = contacts.check_prekey(first, bundle(5, NEW), now=99)
    assert (second.signed_prekey_id, second.signed_prekey, second.seen) == (5, NEW, 99)


@pytest.mark.parametrize(
    ("number", "key"),
    [(3, NEW), (3, OLD), (4, NEW), (5, OLD)],
    ids=["lower", "lower, same key", "same number, new key", "new number, same key"],
)
def test_a_prekey_that_does_not_follow_the_newest_is_refused(number, key):
    seen = contacts.check_prekey(Contact(OLD), bundle(4, OLD), now=0)
    with pytest.raises(StalePreKey) as caught:
        contacts.check_prekey(seen, bundle(number, key), now=0)
    assert caught.value.data == {"identifier": number}


@pytest.mark.parametrize("late", [0, 1])
def test_a_prekey_is_refused_when_it_was_first_seen_more_than_the_maximum_age_ago(late):
    seen = contacts.check_prekey(Contact(OLD), bundle(4), now=1000)
    now = 1000 + MAX_AGE + late
    assert contacts.check_prekey(seen, bundle(4), now=now) == seen  # no rule, no refusal
    if late:
        with pytest.raises(StalePreKey):
            contacts.check_prekey(seen, bundle(4), now=now, max_age=MAX_AGE)
    else:
        contacts.check_prekey(seen, bundle(4), now=now, max_age=MAX_AGE)


def test_a_contact_that_spoke_pqxdh_does_not_go_back():
    classical = contacts.check_handshake(Contact(OLD), False)
    spoken = contacts.check_handshake(classical, True)
    assert (classical.post_quantum, spoken.post_quantum) == (False, True)
    assert contacts.check_handshake(spoken, True) == spoken
    with pytest.raises(Downgraded):
        contacts.check_handshake(spoken, False)


@pytest.mark.parametrize(
    ("call", "error"),
    [
        (lambda: contacts.meet(None, "key"), WrongType),
        (lambda: contacts.meet(None, bytes(31)), WrongLength),
        (lambda: contacts.meet({}, OLD), WrongType),
        (lambda: contacts.accept(Contact(OLD), bytes(33)), WrongLength),
        (lambda: contacts.accept(None, OLD), WrongType),
        (lambda: contacts.verify(None), WrongType),
        (lambda: contacts.check_prekey(None, bundle(1)), WrongType),
        (lambda: contacts.check_prekey(Contact(OLD), b"bundle"), WrongType),
        (lambda: contacts.check_handshake(None, True), WrongType),
    ],
)
def test_wrong_types_and_lengths_are_refused(call, error):
    with pytest.raises(error):
        call()


# Parties that remember


@dataclass
class Changing:
    """A transport whose bundles pass through `change`."""

    inner: LocalTransport
    change: object = staticmethod(lambda bundle: bundle)

    def __getattr__(self, name):
        return getattr(self.inner, name)

    def fetch(self, name, requester):
        return self.change(PreKeyBundle.decode(self.inner.fetch(name, requester))).encode()


def state(party):
    return party.device, dict(party.contacts), list(party.alarms)


def reinstalled(name, inner):
    """The same name on a new phone, at a server that forgot the old one."""
    phone = Party(name, LocalTransport(PreKeyStore()), one_time=5)
    phone.publish()
    inner.store = phone.transport.store
    phone.transport = inner
    return phone


def test_a_changed_key_in_a_bundle_blocks_sending_until_it_is_accepted(transport, alice, bob):
    alice.send("Bob", TEXT)
    alice.verify("Bob")
    bob.receive()
    new_bob = reinstalled("Bob", transport)
    for _ in range(2):
        with pytest.raises(IdentityChanged):
            alice.send("Bob", TEXT, renew=True)
    with pytest.raises(IdentityChanged):  # the old session is blocked too
        alice.send("Bob", TEXT)
    assert transport.collect("Bob") == []
    assert [type(alarm) for alarm in alice.alarms] == [IdentityChanged]
    assert alice.pins == {"Bob": bob.identity.public}
    with pytest.raises(IdentityMismatch):
        alice.accept_change("Bob", THIRD)
    alice.accept_change("Bob", new_bob.identity.public)
    assert not alice.contacts["Bob"].verified
    alice.send("Bob", TEXT)
    assert new_bob.receive() == [Received("Alice", TEXT)]


def test_a_message_under_a_new_key_is_refused_and_blocks_sending(transport, alice, bob):
    alice.send("Bob", TEXT)
    bob.receive()
    before = bob.device
    imposter = Party("Alice", transport, one_time=0)
    imposter.send("Bob", b"It is me.")
    [answer] = bob.receive()
    assert isinstance(answer.error, IdentityMismatch) and bob.alarms == [answer.error]
    assert bob.device is before
    with pytest.raises(IdentityChanged):
        bob.send("Alice", TEXT)
    # The pinned person is still heard, and a person who asked her turns the change down.
    alice.send("Bob", b"No, I have my old phone.")
    assert bob.receive() == [Received("Alice", b"No, I have my old phone.")]
    bob.accept_change("Alice", alice.identity.public)
    bob.send("Alice", TEXT)
    assert alice.receive() == [Received("Bob", TEXT)]


def test_verifying_and_accepting_need_a_contact(alice):
    with pytest.raises(NoSession):
        alice.verify("Bob")
    with pytest.raises(NoSession):
        alice.accept_change("Bob", OLD)


def test_pins_can_be_looked_at_but_not_changed(alice, bob):
    alice.send("Bob", TEXT)
    assert dict(alice.pins) == {"Bob": bob.identity.public}
    with pytest.raises(TypeError):
        alice.pins["Bob"] = OLD


def old_prekey(bob, **change):
    """A bundle of Bob's first signed prekey, as a server that kept it would serve it."""
    number, kept = next(iter(bob.device.ring.signed.items()))
    old = {
        "signed_prekey_id": number,
        "signed_prekey": kept.pair.public,
        "signed_prekey_signature": kept.signature,
    }
    return lambda bundle: replace(bundle, **{**old, **change})


def test_an_old_signed_prekey_served_again_is_refused(transport, bob):
    alice = Party("Alice", Changing(transport), one_time=0)
    bob.rotate(now=100)
    alice.send("Bob", TEXT)
    bob.receive()
    alice.transport.change = old_prekey(bob)
    before = state(alice)
    with pytest.raises(StalePreKey):
        alice.send("Bob", TEXT, renew=True)
    assert state(alice)[:2] == before[:2]
    assert [type(alarm) for alarm in alice.alarms] == [StalePreKey]
    alice.send("Bob", b"The session goes on.")
    assert bob.receive()[-1].plaintext == b"The session goes on."


def test_the_newest_prekey_under_a_later_number_is_refused(transport, bob):
    alice = Party("Alice", Changing(transport), one_time=0)
    alice.send("Bob", TEXT)
    bob.rotate(now=100)
    alice.transport.change = old_prekey(bob, signed_prekey_id=bob.device.ring.current)
    with pytest.raises(StalePreKey):
        alice.send("Bob", TEXT, renew=True)


def test_on_first_contact_an_old_prekey_looks_fresh(transport, bob):
    # The limit that the module's docstring admits.
    bob.rotate(now=100)
    alice = Party("Alice", Changing(transport, old_prekey(bob)), one_time=0)
    alice.send("Bob", TEXT)
    assert bob.receive() == [Received("Alice", TEXT)]
    assert alice.alarms == []


def test_a_party_with_a_maximum_age_refuses_a_prekey_that_never_rotates(transport, bob):
    alice = Party("Alice", transport, one_time=0, max_age=MAX_AGE)
    alice.send("Bob", TEXT)
    alice.now = MAX_AGE
    alice.send("Bob", TEXT, renew=True)
    alice.now += 1
    with pytest.raises(StalePreKey):
        alice.send("Bob", TEXT, renew=True)
    bob.rotate(now=alice.now)
    alice.send("Bob", TEXT, renew=True)
    assert {answer.plaintext for answer in bob.receive()} == {TEXT}


def quantum_pair(transport):
    alice, bob = (
        Party(name, transport, protocol=pqxdh, kem="ML-KEM-768", one_time=3)
        for name in ("Alice", "Bob")
    )
    alice.publish(), bob.publish()
    return alice, bob


def without_kem(bundle):
    return replace(bundle, kem_prekey_id=None, kem_prekey=None, kem_prekey_signature=None)


def test_a_bundle_stripped_of_its_kem_prekey_is_a_downgrade_for_a_known_contact(transport):
    alice, bob = quantum_pair(transport)
    alice.transport = Changing(transport)
    alice.send("Bob", TEXT)
    assert bob.receive() == [Received("Alice", TEXT)]
    assert alice.contacts["Bob"].post_quantum and bob.contacts["Alice"].post_quantum
    alice.transport.change = without_kem
    before = alice.device
    with pytest.raises(Downgraded):
        alice.send("Bob", TEXT, renew=True)
    assert alice.device is before and len(alice.alarms) == 1


def test_on_first_contact_a_stripped_bundle_is_no_downgrade_but_refused(transport):
    alice, bob = quantum_pair(transport)
    alice.transport = Changing(transport, without_kem)
    with pytest.raises(MissingKemPreKey):
        alice.send("Bob", TEXT)
    assert alice.contacts == {} and alice.alarms == []


def test_a_first_message_without_kem_from_a_contact_that_had_one_is_refused(transport):
    alice, bob = quantum_pair(transport)
    alice.send("Bob", TEXT)
    bob.receive()
    # An old program on both sides would talk X3DH; Bob's memory of Alice refuses it.
    alice.device = replace(alice.device, protocol=x3dh, sessions={})
    bob.device = replace(bob.device, protocol=x3dh)
    alice.contacts.clear()
    alice.send("Bob", TEXT)
    before = bob.device
    [answer] = bob.receive()
    assert type(answer.error) is Downgraded and bob.alarms == [answer.error]
    assert bob.device is before


def test_a_late_message_of_an_older_classical_session_is_no_downgrade(transport, alice, bob):
    alice.send("Bob", TEXT)
    bob.receive()
    bob.contacts["Alice"] = replace(bob.contacts["Alice"], post_quantum=True)
    alice.send("Bob", b"late")
    assert bob.receive() == [Received("Alice", b"late")]


def test_a_bundle_with_a_bad_signature_teaches_nothing(transport, bob):
    alice = Party("Alice", Changing(transport), one_time=0)
    alice.send("Bob", TEXT)
    signature = sign(alice.identity.private, b"something else")
    alice.transport.change = lambda bundle: replace(
        bundle, signed_prekey_id=999, signed_prekey=NEW, signed_prekey_signature=signature
    )
    before = state(alice)
    with pytest.raises(Exception, match="signature"):
        alice.send("Bob", TEXT, renew=True)
    assert state(alice) == before


def test_a_fetch_over_the_limit_costs_no_prekey_and_changes_nothing(bob):
    bob.transport.limits = FetchLimits()
    alice = Party("Alice", bob.transport, one_time=0)
    for _ in range(6):
        alice.send("Bob", TEXT, renew=True)
    before, left = alice.device, bob.transport.count("Bob")
    with pytest.raises(RateLimited) as caught:
        alice.send("Bob", TEXT, renew=True)
    assert caught.value.data["seconds"] == 600
    assert (alice.device, bob.transport.count("Bob")) == (before, left)
    alice.send("Bob", TEXT)  # the session needs no bundle


def test_the_protocol_of_the_memory_is_the_protocol_of_the_run(transport):
    alice, bob = quantum_pair(transport)
    alice.send("Bob", TEXT)
    bob.receive()
    ring = bob.device.ring
    assert alice.contacts["Bob"].signed_prekey_id == ring.current
    assert alice.contacts["Bob"].signed_prekey == prekeys.find_signed(ring, ring.current).public
