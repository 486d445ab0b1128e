"""Lesson 13: safety numbers on two phones, with an honest server and with one that swaps keys."""

from x3dhlab import fingerprint
from x3dhlab.attacks.server import SwapIdentity
from x3dhlab.party import LocalTransport, Party
from x3dhlab.service.store import PreKeyStore
from x3dhlab.widgets import Phone, SafetyNumber

# Stable names, as a phone number is one.
_NUMBERS = {"Alice": "+49 151 0000001", "Bob": "+49 151 0000002"}


def safety_numbers(swapped: bool = False) -> SafetyNumber:
    """Alice's safety number with Bob after they have written to each other.

    With `swapped` the server gave each of them a key of its own, and relays. Both parties, their
    messages and their keys are real; each phone shows the keys that it holds.
    """
    alice, bob = _after_a_talk(swapped)
    held = _held_by(alice, bob)

    def compare(seen):
        sides = fingerprint.compare(seen, *held)
        names = {fingerprint.MINE: alice.name, fingerprint.THEIRS: bob.name}
        return tuple(names[side] for side in sides)

    server = "a server that swaps keys" if swapped else "an honest server"
    title = f"Alice and Bob, after a talk through {server}"
    return SafetyNumber(title, _phone(alice, bob), compare, other=_phone(bob, alice))


def _after_a_talk(swapped):
    network = LocalTransport(PreKeyStore())
    alice, bob = (Party(name, network, one_time=2) for name in ("Alice", "Bob"))
    for party in (alice, bob):
        party.publish()
    server = SwapIdentity(network) if swapped else network
    for party in (alice, bob):
        party.transport = server
    alice.send("Bob", b"Is it you?")
    bob.receive()
    bob.send("Alice", b"Yes.")
    alice.receive()
    return alice, bob


def _held_by(owner, other):
    """The two names and keys that this phone holds."""
    mine = _NUMBERS[owner.name], owner.identity.public
    return *mine, _NUMBERS[other.name], owner.pins[other.name]


def _phone(owner, other):
    my_id, mine, their_id, theirs = held = _held_by(owner, other)
    digits = {
        owner.name: fingerprint.digits(my_id, mine),
        other.name: fingerprint.digits(their_id, theirs),
    }
    return Phone(owner.name, digits, fingerprint.qr_payload(*held))
