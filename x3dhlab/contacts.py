"""What a device remembers about each person it talks to, and what it therefore refuses.

Trust on first use: the first identity key is pinned. A key that comes later waits until the person
at the phone answers; until then nothing is sent. Signed prekeys count up, a contact that spoke
PQXDH does not go back to X3DH. Functions are pure; time is an argument, in seconds.

On first contact none of this helps: whatever key and prekey the server serves is what is pinned.
X3DH signs Encode(SPK) alone, no date and no number, so an old signed prekey that this device has
never seen looks fresh, and its age counts from the day it was first seen here. The server can also
give an old key a new number; only the newest one seen is recognised then. Comparing safety numbers
(`fingerprint`) settles the identity key, never the age of a prekey.

Alarms have a price. The server chooses the name under which a message arrives, so it can raise one
whenever it likes; it could as well deliver nothing. And a maximum age also refuses the honest owner
whose phone was off for longer.
"""

from dataclasses import dataclass, replace

from x3dhlab.errors import Downgraded, IdentityChanged, IdentityMismatch, StalePreKey, expect
from x3dhlab.primitives import KEY_LENGTH, check_bytes
from x3dhlab.wire import PreKeyBundle

# Signal for Android replaces its signed prekey every 2 days, and refuses to send at 14.
MAX_AGE = 14 * 24 * 3600  # seconds


@dataclass(frozen=True, slots=True)
class Contact:
    """One person, as this device knows them.

    `changed_to` is another identity key that waits for an answer. `signed_prekey_id` and
    `signed_prekey` are the newest ones seen, `seen` is when that was first.
    """

    identity: bytes
    verified: bool = False
    changed_to: bytes | None = None
    post_quantum: bool = False
    signed_prekey_id: int = 0
    signed_prekey: bytes | None = None
    seen: int = 0


def meet(contact: Contact | None, identity: bytes) -> Contact:
    """X3DH §4.1: pin the key on first use; another one than the pinned waits in `changed_to`."""
    check_bytes(identity, "identity key", KEY_LENGTH, step="X3DH §4.1")
    if contact is None:
        return Contact(identity)
    expect(contact, Contact, "contact", step="X3DH §4.1")
    return contact if identity == contact.identity else replace(contact, changed_to=identity)


def accept(contact: Contact, identity: bytes) -> Contact:
    """Settle a change: `identity` counts from now on, the new key or the one that was pinned.

    The caller names the key, so that one which came meanwhile is not accepted by mistake. A new
    key is not verified and has shown no signed prekey. Raises `IdentityMismatch` for a third key.
    """
    expect(contact, Contact, "contact", step="X3DH §4.1")
    check_bytes(identity, "identity key", KEY_LENGTH, step="X3DH §4.1")
    if identity == contact.identity:
        return replace(contact, changed_to=None)
    if identity != contact.changed_to:
        raise IdentityMismatch(
            "this is neither the pinned key nor the one that waits", step="X3DH §4.1"
        )
    return Contact(identity, post_quantum=contact.post_quantum)


def verify(contact: Contact) -> Contact:
    """Note that two people compared their safety number. Refused while another key waits."""
    check_sending(contact)
    return replace(contact, verified=True)


def check_sending(contact: Contact, name: str = "this contact") -> None:
    """Raise `IdentityChanged` while a new key waits: after a swap, every message would be read."""
    expect(contact, Contact, "contact", step="X3DH §4.1")
    if contact.changed_to is not None:
        verified = " The safety number was verified with the old key." if contact.verified else ""
        raise IdentityChanged(
            f"{name} comes with another identity key than before.{verified} "
            "Nothing is sent until the change is accepted",
            step="X3DH §4.1",
            name=name,
            pinned=contact.identity.hex(),
            offered=contact.changed_to.hex(),
        )


def check_handshake(contact: Contact, post_quantum: bool) -> Contact:
    """Note that a handshake was PQXDH. Raises `Downgraded` when it is X3DH again."""
    expect(contact, Contact, "contact", step="PQXDH §3.3")
    if contact.post_quantum and not post_quantum:
        raise Downgraded("this contact has spoken PQXDH before", step="PQXDH §3.3")
    return replace(contact, post_quantum=post_quantum)


def check_prekey(
    contact: Contact, bundle: PreKeyBundle, *, now: int = 0, max_age: int | None = None
) -> Contact:
    """X3DH §3.2: note the signed prekey of a bundle. Raises `StalePreKey`.

    That is: its number is below one seen before (A5), number and key were not together before, or
    it was first seen more than `max_age` seconds before `now`. Without `max_age` the age does not
    matter.
    """
    expect(contact, Contact, "contact", step="X3DH §3.2")
    expect(bundle, PreKeyBundle, "bundle", step="X3DH §3.2")
    number, key = bundle.signed_prekey_id, bundle.signed_prekey
    same_number, same_key = number == contact.signed_prekey_id, key == contact.signed_prekey
    if number < contact.signed_prekey_id:
        raise _stale(f"signed prekey {contact.signed_prekey_id} was seen before", number)
    if contact.signed_prekey is not None and same_number != same_key:
        raise _stale("the number and the key were not together before", number)
    if not same_key:
        return replace(contact, signed_prekey_id=number, signed_prekey=key, seen=now)
    if max_age is not None and now - contact.seen > max_age:
        raise _stale(f"it was first seen {now - contact.seen} seconds ago", number)
    return contact


def _stale(why, number):
    return StalePreKey(
        f"signed prekey {number} is refused: {why}", step="X3DH §3.2", identifier=number
    )
