"""Every refusal of the package, as one tree.

    Refused
    ├── Malformed                   the bytes are not what the step expects
    │   ├── WrongType               not bytes (or not the type named)
    │   ├── WrongLength             a fixed-size value of another size
    │   ├── Truncated               the bytes end inside a field
    │   ├── TrailingBytes           bytes follow the last field
    │   ├── TooLarge                a field above its limit
    │   ├── UnknownVersion          a version or message type we do not speak
    │   └── InvalidField            a field holds a value that nobody may send
    ├── KeyRefused                  a public key is not acceptable
    │   ├── LowOrderKey             the Diffie-Hellman output is all zero
    │   └── BadKemKey               the KEM refuses the key
    ├── BadSignature                XEdDSA verification failed
    ├── DecryptionFailed            the tag does not match: wrong key, or altered bytes
    ├── PreKeyProblem               the prekeys do not fit the message
    │   ├── UnknownPreKey           nobody here ever had the key that is named
    │   ├── UsedPreKey              the key existed and was deleted after use
    │   └── MissingKemPreKey        PQXDH was asked for, the KEM prekey is not there
    ├── SessionProblem              the ratchet cannot accept or make this message
    │   ├── NoSession               there is no conversation with this peer yet
    │   ├── NotReadyToSend          no sending chain before the first message arrives
    │   ├── TooManySkipped          the jump is longer than MAX_SKIP
    │   ├── OldMessage              already decrypted, or its key was discarded
    │   ├── UnknownEpoch            an epoch that the sender cannot have reached yet
    │   ├── Replayed                this handshake was accepted before
    │   └── RolledBack              the stored state is older than its holder remembers
    ├── StoreProblem                the prekey service cannot do it
    │   ├── UnknownUser             nobody published under this name
    │   ├── IdentityMismatch        the name is bound to another identity key
    │   │   └── IdentityChanged     a contact's new key waits for an answer: nothing is sent
    │   ├── RateLimited             too many requests: wait
    │   ├── DuplicatePreKey         this identifier is taken, with another key
    │   ├── NotSignedIn             the service does not know who asks
    │   ├── NotYours                it belongs to another account
    │   └── StoreUnavailable        the store is read-only, locked or missing
    ├── TrustProblem                what arrives does not fit what is remembered or signed
    │   ├── StalePreKey             a signed prekey that was replaced before, or is too old
    │   ├── Downgraded              X3DH from a contact that spoke PQXDH before
    │   ├── UnsignedDevice          the account's key did not sign for this device
    │   └── OldDeviceList           a device list older than one seen before
    └── Unavailable                 a library or algorithm is not installed here

Each error carries `step`, the place in a specification that demands the refusal, and `data`,
the facts behind it. Neither ever holds a secret.
"""


class Refused(Exception):
    """The root. `str(error)` is one sentence; `error.step` and `error.data` are for programs."""

    def __init__(self, message: str, *, step: str = "", **data):
        super().__init__(message)
        self.step = step
        self.data = data

    def __str__(self):
        message = super().__str__()
        return f"{message} [{self.step}]" if self.step else message


class Malformed(Refused):
    """The bytes are not what the step expects."""


class WrongType(Malformed):
    """A value of another Python type."""


class WrongLength(Malformed):
    """A fixed-size value of another size."""


class Truncated(Malformed):
    """The bytes end inside a field."""


class TrailingBytes(Malformed):
    """Bytes follow the last field."""


class TooLarge(Malformed):
    """A field is longer than its limit."""


class UnknownVersion(Malformed):
    """A version or message type we do not speak."""


class InvalidField(Malformed):
    """A field holds a value that nobody may send."""


class KeyRefused(Refused):
    """A public key is not acceptable."""


class LowOrderKey(KeyRefused):
    """The Diffie-Hellman output is all zero."""


class BadKemKey(KeyRefused):
    """The KEM refuses the key."""


class BadSignature(Refused):
    """XEdDSA verification failed."""


class DecryptionFailed(Refused):
    """The tag does not match: wrong key, or altered bytes."""


class PreKeyProblem(Refused):
    """The prekeys do not fit the message."""


class UnknownPreKey(PreKeyProblem):
    """Nobody here ever had the key that is named."""


class UsedPreKey(PreKeyProblem):
    """The key existed and was deleted after use."""


class MissingKemPreKey(PreKeyProblem):
    """PQXDH was asked for, the KEM prekey is not there."""


class SessionProblem(Refused):
    """The ratchet cannot accept or make this message."""


class NoSession(SessionProblem):
    """There is no conversation with this peer yet."""


class NotReadyToSend(SessionProblem):
    """No sending chain before the first message arrives."""


class TooManySkipped(SessionProblem):
    """The jump is longer than MAX_SKIP."""


class OldMessage(SessionProblem):
    """Already decrypted, or its key was discarded."""


class UnknownEpoch(SessionProblem):
    """An epoch that the sender cannot have reached yet."""


class Replayed(SessionProblem):
    """This handshake was accepted before."""


class RolledBack(SessionProblem):
    """The stored state is older than its holder remembers."""


class StoreProblem(Refused):
    """The prekey service cannot do it."""


class UnknownUser(StoreProblem):
    """Nobody published under this name."""


class IdentityMismatch(StoreProblem):
    """The name is bound to another identity key."""


class IdentityChanged(IdentityMismatch):
    """A contact's new key waits for an answer: nothing is sent."""


class RateLimited(StoreProblem):
    """Too many requests. `data["seconds"]` is how long to wait."""


class DuplicatePreKey(StoreProblem):
    """This identifier is taken, with another key."""


class NotSignedIn(StoreProblem):
    """The service does not know who asks: no token, or one that has run out."""


class NotYours(StoreProblem):
    """It belongs to another account."""


class StoreUnavailable(StoreProblem):
    """The store is read-only, locked or missing."""


class TrustProblem(Refused):
    """What arrives does not fit what is remembered or signed."""


class StalePreKey(TrustProblem):
    """A signed prekey that was replaced before, or is too old."""


class Downgraded(TrustProblem):
    """X3DH from a contact that spoke PQXDH before."""


class UnsignedDevice(TrustProblem):
    """The account's key did not sign for this device."""


class OldDeviceList(TrustProblem):
    """A device list older than one seen before."""


class Unavailable(Refused):
    """A library or algorithm is not installed here."""


def expect(value, kind: type, name: str, *, step: str = ""):
    """Return `value` if it is an instance of `kind`, else raise `WrongType`."""
    if not isinstance(value, kind):
        raise WrongType(
            f"{name} must be a {kind.__name__}, not {type(value).__name__}", step=step, field=name
        )
    return value
