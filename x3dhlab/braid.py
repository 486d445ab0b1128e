"""The ML-KEM Braid: a sparse continuous key agreement (SCKA), one KEM secret per epoch.

Side A makes an ML-KEM-768 key pair; side B encapsulates. Public key and ciphertext travel in
chunks of 32 bytes, one per message, both at once: ct1 needs only A's 64-byte header, so B sends it
while A sends the rest of the key. Any sufficient subset of chunks is enough (`erasure`). After an
epoch the sides swap. `send` and `receive` also say in which epoch a message's keys stand: an epoch
is used for sending only when both sides can know its key. This module does not know messages.

The parts, in chunks: header ‖ MAC 3, ek_vector 36, ct1 30, ct2 ‖ MAC 5.

A chunk carries no MAC of its own. One false chunk spoils its part, and is found when the part is
complete. So use this under an authenticated message, and drop the new state when that fails. Only
who keeps the new state may say what is deleted by it, as `spqr.discard` does.

Simplified: labels and encodings are this course's own, the code is `erasure`'s, and an epoch that
stands still has no time limit. Unconfirmed: the flow is that of the specification's overview, §2.1;
the states and the authenticator follow a description of the reference code, and their exact inputs
were not compared with it. Steps cite the chapter only, where no section number is confirmed.
"""

import hmac
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import Enum
from types import MappingProxyType

from x3dhlab import erasure, kem
from x3dhlab.errors import DecryptionFailed, InvalidField, UnknownEpoch, expect
from x3dhlab.primitives import check_bytes, concat, hkdf, hmac_sha256, random_bytes, split
from x3dhlab.wire import CT1, CT2, EK, EK_CT1_ACK, HEADER, NOTHING, BraidMessage

INFO = b"x3dhlab ML-KEM Braid"
STEP = "ML-KEM Braid §2"
MAC_LENGTH = 32

_NO_CHUNKS = MappingProxyType({})

EpochKey = tuple[int, bytes]


class Phase(Enum):
    """The machine's states: first those of side A, then those of side B."""

    KEYS_UNSAMPLED = "A has no key pair for this epoch yet"
    KEYS_SAMPLED = "A sends the header"
    HEADER_SENT = "A sends ek_vector, and collects ct1"
    CT1_RECEIVED = "A sends ek_vector, and says that ct1 is here"
    EK_SENT_CT1_RECEIVED = "A collects ct2"
    NO_HEADER_RECEIVED = "B collects the header"
    HEADER_RECEIVED = "B can encapsulate"
    CT1_SAMPLED = "B sends ct1, and collects ek_vector"
    EK_RECEIVED_CT1_SAMPLED = "B sends ct1 until A has it"
    CT1_ACKNOWLEDGED = "B collects the rest of ek_vector"
    CT2_SAMPLED = "B sends ct2 until A is in the next epoch"


@dataclass(frozen=True, slots=True)
class State:
    """One end of the agreement.

    `sending` are the blocks of the part on its way out and `sent` counts its chunks; `chunks` are
    those of the part on its way in, by number. `auth_root` and `auth_mac` are the authenticator.
    """

    phase: Phase
    epoch: int
    auth_root: bytes = field(repr=False)
    auth_mac: bytes = field(repr=False)
    sending: tuple[bytes, ...] = field(default=(), repr=False)
    sent: int = 0
    chunks: Mapping[int, bytes] = field(default_factory=lambda: _NO_CHUNKS, repr=False)
    private: bytes | None = field(default=None, repr=False)
    ek_vector: bytes | None = field(default=None, repr=False)
    ct1: bytes | None = field(default=None, repr=False)
    header: bytes | None = field(default=None, repr=False)
    half: kem.HalfCiphertext | None = field(default=None, repr=False)

    @classmethod
    def initiator(cls, secret: bytes) -> "State":
        """ML-KEM Braid §2, InitAlice: `secret` is SK of the ratchet; she is side A in epoch 1."""
        check_bytes(secret, "SK", 32, step=STEP)
        return cls(Phase.KEYS_UNSAMPLED, 1, *kdf_auth(bytes(32), secret, 0))

    @classmethod
    def responder(cls, secret: bytes) -> "State":
        """ML-KEM Braid §2, InitBob: he is side B in epoch 1."""
        return replace(cls.initiator(secret), phase=Phase.NO_HEADER_RECEIVED)


def kdf_auth(root: bytes, key: bytes, epoch: int) -> tuple[bytes, bytes]:
    """ML-KEM Braid §2, authenticator Update: the next root and MAC key, 32 bytes each."""
    info = INFO + b" authenticator" + epoch.to_bytes(4, "big")
    output = hkdf(key, salt=root, info=info, length=64)
    auth_root, auth_mac = split(output, 32, 32)
    return auth_root, auth_mac


def kdf_ok(SS: bytes, epoch: int) -> bytes:
    """ML-KEM Braid §2, KDF_OK: the epoch key, 32 bytes, from the KEM's secret."""
    info = INFO + b" epoch key" + epoch.to_bytes(4, "big")
    return hkdf(SS, salt=bytes(32), info=info, length=32)


def mac(state: State, label: bytes, data: bytes) -> bytes:
    """ML-KEM Braid §2, MacHdr and MacCt: HMAC-SHA-256 over label, epoch and data."""
    return hmac_sha256(state.auth_mac, concat(label, state.epoch.to_bytes(4, "big"), data))


def send(
    state: State, *, pair: kem.KemKeyPair | None = None, coins: bytes | None = None
) -> tuple[State, BraidMessage, int, EpochKey | None]:
    """ML-KEM Braid §2, Send: next state, message, sending epoch, and (epoch, key) if one is new.

    `pair` and `coins` are the fresh values, where a step needs them.
    """
    expect(state, State, "state", step=STEP)
    output = None
    if state.phase is Phase.KEYS_UNSAMPLED:
        state = sample_keys(state, pair)
    elif state.phase is Phase.HEADER_RECEIVED:
        state, output = sample_ct1(state, coins)
    kind = _SENDS.get(state.phase, NOTHING)
    if kind == NOTHING:
        return state, BraidMessage(state.epoch, NOTHING), state.epoch - 1, None
    index = state.sent % erasure.MOST_CHUNKS
    message = BraidMessage(state.epoch, kind, index, erasure.chunk(state.sending, index))
    return replace(state, sent=state.sent + 1), message, state.epoch - 1, output


def receive(state: State, message: BraidMessage) -> tuple[State, int, EpochKey | None]:
    """ML-KEM Braid §2, Receive: next state, the message's epoch, and (epoch, key) if one is new.

    What comes late or twice changes nothing. Raises `UnknownEpoch`, `InvalidField`, or where a
    completed part is false, `DecryptionFailed` or `BadKemKey`.
    """
    expect(state, State, "state", step=STEP)
    check_message(message)
    if message.epoch == state.epoch + 1 and state.phase is Phase.CT2_SAMPLED:
        return next_epoch(state, Phase.KEYS_UNSAMPLED), state.epoch, None
    if message.epoch > state.epoch:
        raise UnknownEpoch("the sender cannot be there yet", step=STEP, epoch=message.epoch)
    output, takes = None, _TAKES.get(state.phase, {}).get(message.kind)
    if message.epoch == state.epoch and takes is not None:
        chunks = {message.index: message.chunk, **state.chunks}
        state, output = takes(replace(state, chunks=MappingProxyType(chunks)), message.kind)
    return state, message.epoch - 1, output


def check_message(message: BraidMessage) -> None:
    """ML-KEM Braid §2, the form of a message. Raises `InvalidField`."""
    expect(message, BraidMessage, "message", step=STEP)
    empty = message.chunk is None
    if message.kind not in range(CT2 + 1) or (message.kind == NOTHING) is not empty:
        raise InvalidField("a message of this kind does not exist", step=STEP, field="kind")
    if not empty:
        erasure.check_chunk(message.index, message.chunk)
    if message.epoch < 1:
        raise InvalidField("epochs are counted from 1", step=STEP, field="epoch")


def split_public(public: bytes) -> tuple[bytes, bytes]:
    """ML-KEM Braid §2.1, the parts of a public key: header (64 bytes) and ek_vector (1,152).

    The hash covers the key as FIPS 203 writes it, ek_vector first. With the other order a standard
    decapsulation gives another secret.
    """
    hash_of_ek = kem.hash_of(public)
    ek_vector, ek_seed = split(public, kem.VECTOR_LENGTH, 32)
    header = concat(ek_seed, hash_of_ek)
    return header, ek_vector


def sample_keys(state: State, pair: kem.KemKeyPair | None) -> State:
    """ML-KEM Braid §2, KeysUnsampled.Send: a key pair; the header and its MAC are to be sent."""
    pair = pair or kem.get(kem.INCREMENTAL).generate()
    header, ek_vector = split_public(pair.public)
    tag = mac(state, b"header", header)
    sending = erasure.blocks_of(concat(header, tag))
    state = replace(state, private=pair.private, ek_vector=ek_vector, sending=sending)
    return replace(state, phase=Phase.KEYS_SAMPLED)


def sample_ct1(state: State, coins: bytes | None) -> tuple[State, EpochKey]:
    """ML-KEM Braid §2, HeaderReceived.Send: encapsulate; this side knows the epoch key."""
    m = random_bytes(kem.COINS_LENGTH) if coins is None else coins
    ct1, SS, half = kem.encapsulate1(state.header, coins=m)
    key = kdf_ok(SS, state.epoch)
    state = _authenticate(state, key)
    state = replace(state, phase=Phase.CT1_SAMPLED, half=half, sending=erasure.blocks_of(ct1))
    return state, (state.epoch, key)


def take_header(state: State, kind: int) -> tuple[State, None]:
    """ML-KEM Braid §2, NoHeaderReceived.Receive: at the third chunk, check the header's MAC."""
    data = _joined(state, kem.HEADER_LENGTH + MAC_LENGTH)
    if data is None:
        return state, None
    header, tag = split(data, kem.HEADER_LENGTH, MAC_LENGTH)
    _check(tag, mac(state, b"header", header))
    return replace(state, phase=Phase.HEADER_RECEIVED, header=header, chunks=_NO_CHUNKS), None


def take_ct1(state: State, kind: int) -> tuple[State, None]:
    """ML-KEM Braid §2, KeysSampled and HeaderSent.Receive: the header is there; collect ct1."""
    if state.phase is Phase.KEYS_SAMPLED:
        sending = erasure.blocks_of(state.ek_vector)
        state = replace(state, phase=Phase.HEADER_SENT, sending=sending, sent=0)
    ct1 = _joined(state, kem.CT1_LENGTH)
    if ct1 is None:
        return state, None
    return replace(state, phase=Phase.CT1_RECEIVED, ct1=ct1, chunks=_NO_CHUNKS), None


def take_ek(state: State, kind: int) -> tuple[State, None]:
    """ML-KEM Braid §2, Ct1Sampled.Receive: with ek_vector and the acknowledgement, make ct2."""
    acknowledged = kind == EK_CT1_ACK or state.phase is Phase.CT1_ACKNOWLEDGED
    ek_vector = _joined(state, kem.VECTOR_LENGTH)
    if ek_vector is None:
        return replace(state, phase=Phase.CT1_ACKNOWLEDGED) if acknowledged else state, None
    if not acknowledged:
        return replace(state, phase=Phase.EK_RECEIVED_CT1_SAMPLED), None
    ct2 = kem.encapsulate2(state.half, ek_vector)
    tag = mac(state, b"ciphertext", concat(state.half.ct1, ct2))
    sending = erasure.blocks_of(concat(ct2, tag))
    state = replace(state, phase=Phase.CT2_SAMPLED, half=None, chunks=_NO_CHUNKS)
    return replace(state, sending=sending, sent=0), None


def take_ct2(state: State, kind: int) -> tuple[State, EpochKey | None]:
    """ML-KEM Braid §2, EkSentCt1Received.Receive: decapsulate, check the MAC, swap the sides."""
    state = replace(state, phase=Phase.EK_SENT_CT1_RECEIVED)
    data = _joined(state, kem.CT2_LENGTH + MAC_LENGTH)
    if data is None:
        return state, None
    ct2, tag = split(data, kem.CT2_LENGTH, MAC_LENGTH)
    CT = concat(state.ct1, ct2)
    SS = kem.get(kem.INCREMENTAL).decapsulate(state.private, CT)
    key = kdf_ok(SS, state.epoch)
    state = _authenticate(state, key)
    # A wrong CT is no error of the KEM: another SS comes out, and so another MAC key.
    _check(tag, mac(state, b"ciphertext", CT))
    return next_epoch(state, Phase.NO_HEADER_RECEIVED), (state.epoch, key)


def next_epoch(state: State, phase: Phase) -> State:
    """ML-KEM Braid §2, the end of an epoch: of all that was, the authenticator stays."""
    return State(phase, state.epoch + 1, state.auth_root, state.auth_mac)


def _authenticate(state, key):
    auth_root, auth_mac = kdf_auth(state.auth_root, key, state.epoch)
    return replace(state, auth_root=auth_root, auth_mac=auth_mac)


def _check(tag, expected):
    if not hmac.compare_digest(tag, expected):
        raise DecryptionFailed("the MAC of a completed part does not match", step=STEP)


def _joined(state, length):
    """The part on its way in, `length` bytes, or None while there are too few chunks."""
    if len(state.chunks) < erasure.chunks_needed(length):
        return None
    return erasure.join(state.chunks, length)


_SENDS = {
    Phase.KEYS_SAMPLED: HEADER,
    Phase.HEADER_SENT: EK,
    Phase.CT1_RECEIVED: EK_CT1_ACK,
    Phase.CT1_SAMPLED: CT1,
    Phase.EK_RECEIVED_CT1_SAMPLED: CT1,
    Phase.CT2_SAMPLED: CT2,
}

_EK = {EK: take_ek, EK_CT1_ACK: take_ek}
_TAKES = {
    Phase.NO_HEADER_RECEIVED: {HEADER: take_header},
    Phase.KEYS_SAMPLED: {CT1: take_ct1},
    Phase.HEADER_SENT: {CT1: take_ct1},
    Phase.CT1_RECEIVED: {CT2: take_ct2},
    Phase.EK_SENT_CT1_RECEIVED: {CT2: take_ct2},
    Phase.CT1_SAMPLED: _EK,
    Phase.EK_RECEIVED_CT1_SAMPLED: _EK,
    Phase.CT1_ACKNOWLEDGED: _EK,
}
