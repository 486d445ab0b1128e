"""What leaves a device: every byte that a server, a relay or an eavesdropper can see.

Each message begins with a version byte and a type byte. Numbers are big-endian. An X25519 public
key stands as Encode(PK) = 05 ‖ 32 bytes (X3DH §2.1), a KEM public key as EncodeKEM(PK) = one type
byte ‖ key (PQXDH §2.1); the type bytes never overlap. This module knows formats, not their use.
"""

from dataclasses import dataclass, field

from x3dhlab.errors import InvalidField, WrongLength, WrongType
from x3dhlab.layout import Choice, Constant, Fixed, Layout, Many, Nested, Number, Variable

VERSION = b"\x01"
EC_TYPE = b"\x05"
# The type bytes of round-3 Kyber and of ML-KEM-1024 are libsignal's; 09 is this course's own.
KEM_TYPES = {
    "Kyber-768": b"\x07",
    "Kyber-1024": b"\x08",
    "ML-KEM-768": b"\x09",
    "ML-KEM-1024": b"\x0a",
}

KEM_LIMIT = 2048  # bytes: the largest KEM key or ciphertext (1,568) with room for its type byte
BATCH_LIMIT = 100  # one-time prekeys in one upload, as Signal-Server allows
CIPHERTEXT_LIMIT = 2**24 + 64  # bytes: the largest plaintext, its padding and its tag
PAYLOAD_LIMIT = CIPHERTEXT_LIMIT + 128  # bytes: a whole ratchet message inside the first message


def encode_key(public: bytes) -> bytes:
    """Encode(PK), X3DH §2.1: 05 ‖ the 32-byte u-coordinate, 33 bytes."""
    if type(public) is not bytes:
        raise WrongType(
            f"a public key must be bytes, not {type(public).__name__}", step="X3DH §2.1"
        )
    if len(public) != 32:
        raise WrongLength("a public key is 32 bytes", step="X3DH §2.1", got=len(public))
    return EC_TYPE + public


def encode_kem(algorithm: str, public: bytes) -> bytes:
    """EncodeKEM(PK), PQXDH §2.1: one byte that names the algorithm ‖ the key."""
    if algorithm not in KEM_TYPES:
        raise InvalidField(f"{algorithm!r} has no type byte", step="PQXDH §2.1")
    if type(public) is not bytes:
        raise WrongType(f"a KEM key must be bytes, not {type(public).__name__}", step="PQXDH §2.1")
    return KEM_TYPES[algorithm] + public


def decode_kem(encoded: bytes) -> tuple[str, bytes]:
    """DecodeKEM, PQXDH §2.1: the algorithm and its public key."""
    if type(encoded) is not bytes:
        raise WrongType(f"a KEM key must be bytes, not {type(encoded).__name__}", step="PQXDH §2.1")
    for algorithm, kind in KEM_TYPES.items():
        if encoded[:1] == kind:
            return algorithm, encoded[1:]
    raise InvalidField(
        "the type byte names no KEM", step="PQXDH §2.1", got=encoded[:1].hex() or "nothing"
    )


def _start(kind, name):
    return (
        Constant("version", VERSION, "The version of this format."),
        Constant("type", kind, f"The message type: {name}."),
    )


def _key(name, meaning):
    return Fixed(name, 32, meaning, prefix=EC_TYPE)


@dataclass(frozen=True, slots=True)
class OneTimePreKey(Layout):
    """One unsigned X25519 prekey of a batch: a number and a public key."""

    one_time_prekey_id: int
    one_time_prekey: bytes

    STEP = "X3DH §3.2"
    LAYOUT = (
        Number("one_time_prekey_id", 4, "The number by which messages name this key."),
        _key("one_time_prekey", "OPK: used for one handshake, unsigned."),
    )


@dataclass(frozen=True, slots=True)
class KemPreKey(Layout):
    """One KEM prekey with its own signature (PQXDH §3.2)."""

    kem_prekey_id: int
    kem_prekey: bytes = field(repr=False)
    kem_prekey_signature: bytes = field(repr=False)

    STEP = "PQXDH §3.2"
    LAYOUT = (
        Number("kem_prekey_id", 4, "The number by which messages name this key."),
        Variable("kem_prekey", KEM_LIMIT, "PQPK: the algorithm's type byte and the KEM key."),
        Fixed("kem_prekey_signature", 64, "Sig(IK, EncodeKEM(PQPK)): IK vouches for this key."),
    )


_BUNDLE_HEAD = (
    _key("identity_key", "IK: the long-term identity key."),
    Number("signed_prekey_id", 4, "The number by which messages name SPK."),
    _key("signed_prekey", "SPK: the signed prekey, replaced now and then."),
    Fixed("signed_prekey_signature", 64, "Sig(IK, Encode(SPK)): IK vouches for SPK."),
)


@dataclass(frozen=True, slots=True)
class PreKeyBundle(Layout):
    """What the server hands to Alice for Bob (X3DH §3.2, PQXDH §3.2).

    The one-time prekey is there while the pool lasts. The KEM prekey is there for PQXDH: a
    one-time one while they last, else the last-resort one; the two look alike.
    """

    identity_key: bytes
    signed_prekey_id: int
    signed_prekey: bytes
    signed_prekey_signature: bytes = field(repr=False)
    one_time_prekey_id: int | None = None
    one_time_prekey: bytes | None = None
    kem_prekey_id: int | None = None
    kem_prekey: bytes | None = field(default=None, repr=False)
    kem_prekey_signature: bytes | None = field(default=None, repr=False)

    STEP = "X3DH §3.3"
    LAYOUT = (
        *_start(b"\x01", "prekey bundle"),
        *_BUNDLE_HEAD,
        Choice("has one-time prekey", OneTimePreKey.LAYOUT, "1 if a one-time prekey follows."),
        Choice("has KEM prekey", KemPreKey.LAYOUT, "1 if a KEM prekey follows."),
    )


@dataclass(frozen=True, slots=True)
class Publication(Layout):
    """What a device uploads: public halves only. One-time keys add to the stored ones."""

    identity_key: bytes
    signed_prekey_id: int
    signed_prekey: bytes
    signed_prekey_signature: bytes = field(repr=False)
    one_time_prekeys: tuple[OneTimePreKey, ...] = ()
    kem_prekeys: tuple[KemPreKey, ...] = ()
    last_resort_kem_prekeys: tuple[KemPreKey, ...] = ()

    STEP = "X3DH §3.2"
    LAYOUT = (
        *_start(b"\x04", "publication"),
        *_BUNDLE_HEAD,
        Many("one_time_prekeys", OneTimePreKey, BATCH_LIMIT, "How many one-time prekeys follow."),
        Many("kem_prekeys", KemPreKey, BATCH_LIMIT, "How many one-time KEM prekeys follow."),
        Many("last_resort_kem_prekeys", KemPreKey, 1, "1 if a last-resort KEM prekey follows."),
    )


@dataclass(frozen=True, slots=True)
class InitialMessage(Layout):
    """Alice's first message (X3DH §3.3, PQXDH §3.3).

    `payload` is opaque here: the first ratchet message, encrypted under keys that come from SK.
    """

    identity_key: bytes
    ephemeral_key: bytes
    signed_prekey_id: int
    one_time_prekey_id: int | None = None
    kem_prekey_id: int | None = None
    kem_ciphertext: bytes | None = field(default=None, repr=False)
    payload: bytes = field(default=b"", repr=False)

    STEP = "X3DH §3.3"
    LAYOUT = (
        *_start(b"\x02", "initial message"),
        _key("identity_key", "IK_A: the sender's identity key."),
        _key("ephemeral_key", "EK_A: made for this handshake only."),
        Number("signed_prekey_id", 4, "Which signed prekey of the receiver was used."),
        Choice(
            "used one-time prekey",
            (Number("one_time_prekey_id", 4, "Which one-time prekey was used."),),
            "1 if a one-time prekey was used.",
        ),
        Choice(
            "used KEM prekey",
            (
                Number("kem_prekey_id", 4, "Which KEM prekey was used."),
                Variable("kem_ciphertext", KEM_LIMIT, "CT: carries SS to the KEM key's owner."),
            ),
            "1 if a KEM prekey was used.",
        ),
        Variable("payload", PAYLOAD_LIMIT, "The first ratchet message.", secret=True),
    )


@dataclass(frozen=True, slots=True)
class Header(Layout):
    """HEADER(dh_pair, pn, n), Double Ratchet §3.4."""

    ratchet_key: bytes
    previous_length: int
    number: int

    STEP = "Double Ratchet §3.4"
    LAYOUT = (
        _key("ratchet_key", "The sender's ratchet public key."),
        Number("previous_length", 4, "PN: the length of the sender's previous chain."),
        Number("number", 4, "N: the message's place in the current chain, from 0."),
    )


@dataclass(frozen=True, slots=True)
class Message(Layout):
    """One Double Ratchet message: a header in clear under the tag, and a ciphertext."""

    header: Header
    ciphertext: bytes = field(repr=False)

    STEP = "Double Ratchet §3.4"
    LAYOUT = (
        *_start(b"\x03", "ratchet message"),
        Nested("header", Header),
        Variable("ciphertext", CIPHERTEXT_LIMIT, "The sealed text and its tag.", secret=True),
    )


@dataclass(frozen=True, slots=True)
class HiddenHeaderMessage(Layout):
    """One message of the variant with header encryption, Double Ratchet §4."""

    nonce: bytes
    header: bytes = field(repr=False)
    ciphertext: bytes = field(repr=False)

    STEP = "Double Ratchet §4"
    LAYOUT = (
        *_start(b"\x05", "ratchet message with encrypted header"),
        Fixed("nonce", 16, "Random: a header key is used more than once."),
        Variable("header", 256, "The sealed header and its tag.", secret=True),
        Variable("ciphertext", CIPHERTEXT_LIMIT, "The sealed text and its tag.", secret=True),
    )


# What a message of the ML-KEM Braid carries. The numbers are this course's own.
NOTHING, HEADER, EK, EK_CT1_ACK, CT1, CT2 = range(6)


@dataclass(frozen=True, slots=True)
class BraidMessage(Layout):
    """One step of the ML-KEM Braid: at most one chunk of what is being sent."""

    epoch: int
    kind: int
    index: int | None = None
    chunk: bytes | None = field(default=None, repr=False)

    STEP = "ML-KEM Braid §2"
    LAYOUT = (
        Number("epoch", 4, "The epoch whose key is being agreed on, from 1."),
        Number("kind", 1, "0 nothing, 1 header, 2 ek, 3 ek and ct1 is here, 4 ct1, 5 ct2."),
        Choice(
            "has chunk",
            (
                Number("index", 1, "The chunk's number in the erasure code."),
                Fixed("chunk", 32, "One chunk: a part of a KEM key, a ciphertext or a MAC."),
            ),
            "1 if a chunk follows.",
        ),
    )


@dataclass(frozen=True, slots=True)
class SparseHeader(Layout):
    """The header of the Sparse Post-Quantum Ratchet, Double Ratchet §5."""

    braid: BraidMessage
    pq_number: int

    STEP = "Double Ratchet §5.2"
    LAYOUT = (
        Nested("braid", BraidMessage),
        Number("pq_number", 4, "The message's place in the chain of its epoch, from 1."),
    )


@dataclass(frozen=True, slots=True)
class TripleHeader(Layout):
    """Both headers of a Triple Ratchet message, Double Ratchet §6. There is none without both."""

    ec: Header
    pq: SparseHeader

    STEP = "Double Ratchet §6"
    LAYOUT = (Nested("ec", Header), Nested("pq", SparseHeader))


@dataclass(frozen=True, slots=True)
class TripleMessage(Layout):
    """One Triple Ratchet message: both headers in clear under one tag, and a ciphertext."""

    header: TripleHeader
    ciphertext: bytes = field(repr=False)

    STEP = "Double Ratchet §6"
    LAYOUT = (
        *_start(b"\x06", "triple ratchet message"),
        Nested("header", TripleHeader),
        Variable("ciphertext", CIPHERTEXT_LIMIT, "The sealed text and its tag.", secret=True),
    )
