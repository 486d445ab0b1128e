"""A small audited map: which identity key a name has, as one list that everybody can compare.

The directory hands out its whole list, name → key, and a `head` that stands for it. A client
compares the head of what it was shown with the head that an observer saw, and finds the key it was
given in the list. The owner of a name looks at the own entry now and then. So a list for one
person alone is found before anything is sent, and a false entry for all when its owner looks.

Not here: a tree with short proofs, so that nobody needs the whole list, and names that the list
does not give away (both in the lesson on key transparency).
"""

import hashlib
from collections.abc import Mapping

from x3dhlab import contacts
from x3dhlab.errors import IdentityMismatch, StoreUnavailable
from x3dhlab.party import Party

STEP = "X3DH §4.1"


def head(entries: Mapping[str, bytes]) -> bytes:
    """32 bytes that stand for the whole list; each entry is length-prefixed, names in order."""
    digest = hashlib.sha256()
    for name in sorted(entries):
        for part in (name.encode(), entries[name]):
            digest.update(len(part).to_bytes(4, "big") + part)
    return digest.digest()


class Directory:
    """The list, the views that a lying directory shows to single people, and its observer."""

    def __init__(self):
        self.entries: dict[str, bytes] = {}
        self.views: dict[str, dict[str, bytes]] = {}  # who is shown another list → what changes
        self.observer_up = True
        self.asked = 0

    def shown(self, to: str) -> dict[str, bytes]:
        """The list that this person gets."""
        return {**self.entries, **self.views.get(to, {})}

    def observed(self) -> bytes:
        """The head that the observer saw. Raises `StoreUnavailable` when nobody reaches it."""
        self.asked += 1
        if not self.observer_up:
            raise StoreUnavailable("the observer does not answer", step=STEP)
        return head(self.entries)

    def listed(self, who: str, name: str) -> bytes | None:
        """The key of `name`. Raises `IdentityMismatch` if `who` is shown what others do not see."""
        shown = self.shown(who)
        if head(shown) != self.observed():
            raise IdentityMismatch(f"{who} is shown another list than the observer", step=STEP)
        return shown.get(name)


class LooksUp(Party):
    """Takes the keys that the directory's list has, and follows the list when it changes.

    `directory` is set by whoever makes the party.
    """

    directory: Directory

    def send(self, peer, plaintext, *, renew=False):
        if peer in self.contacts:
            renew |= self.directory.listed(self.name, peer) != self.pins[peer]
        super().send(peer, plaintext, renew=renew)

    def _meet(self, name, identity):
        if self.directory.listed(self.name, name) != identity:
            raise IdentityMismatch(f"the list has another key for {name}", step=STEP, name=name)
        return contacts.accept(super()._meet(name, identity), identity)
