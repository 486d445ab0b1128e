"""Clients with one defence taken out each, named for their flaw. Everything else is the package's.

They show what a lying server gains where the defence is missing (A2, A3, A12, A19).
"""

from dataclasses import replace
from types import MappingProxyType, SimpleNamespace

from x3dhlab import contacts, x3dh
from x3dhlab.keys import Agreement, KeyPair
from x3dhlab.party import Party
from x3dhlab.primitives import dh
from x3dhlab.wire import InitialMessage


class AcceptsNewIdentities(Party):
    """Takes whatever identity key comes, and says nothing."""

    def _meet(self, name, identity):
        return contacts.accept(super()._meet(name, identity), identity)


class TakesAnyPreKey(Party):
    """Does not remember which signed prekeys it has seen."""

    def _start(self, peer):
        if peer in self.contacts:
            unseen = {"signed_prekey_id": 0, "signed_prekey": None, "seen": 0}
            self.contacts[peer] = replace(self.contacts[peer], **unseen)
        return super()._start(peer)


class ForgetsFirstMessages(Party):
    """Keeps neither its record of accepted handshakes nor its sessions."""

    def _open(self, sender, data):
        received = super()._open(sender, data)
        empty = MappingProxyType({})
        self.device = replace(self.device, accepted=empty, sessions=empty)
        return received


def _initiate_unchecked(identity, bundle):
    """X3DH §3.3 without the check of the signature."""
    EK_A = KeyPair.generate()
    IK_B, SPK_B, OPK_B = bundle.identity_key, bundle.signed_prekey, bundle.one_time_prekey
    pairs = [(identity, SPK_B), (EK_A, IK_B), (EK_A, SPK_B)]
    if OPK_B is not None:
        pairs.append((EK_A, OPK_B))
    dhs = tuple(dh(own.private, public) for own, public in pairs)
    numbers = bundle.signed_prekey_id, bundle.one_time_prekey_id
    message = InitialMessage(identity.public, EK_A.public, *numbers)
    AD = x3dh.associated_data(identity.public, IK_B)
    return message, Agreement(x3dh.derive(dhs), AD, dhs)


# A protocol for `Party` that takes every signature for good.
UNCHECKED = SimpleNamespace(initiate=_initiate_unchecked, respond=x3dh.respond)
