"""The Double Ratchet with header encryption, revision 4, §4.

The same functions as in `ratchet`, in the same order: the diff is the lesson. What is new: four
header keys in the state, and a header that nobody on the way can read. The receiver does not know
which chain a message belongs to until one of its header keys opens the header.
"""

from dataclasses import dataclass, field, replace

from x3dhlab import ratchet
from x3dhlab.errors import DecryptionFailed, NotReadyToSend, expect
from x3dhlab.keys import KeyPair
from x3dhlab.primitives import (
    AEAD,
    CBC_HMAC,
    check_bytes,
    concat,
    dh,
    hkdf,
    open_sealed,
    random_bytes,
    seal,
    split,
)
from x3dhlab.ratchet import bind, discard_old, kdf_ck, receiving_key, skip_message_keys
from x3dhlab.wire import Header, HiddenHeaderMessage

INFO = b"x3dhlab Double Ratchet with header encryption"


@dataclass(frozen=True, slots=True)
class State(ratchet.State):
    """One end of a conversation: the state of §3.2 and the header keys of §4.3.

    `MKSKIPPED` maps (HKr, n) instead of (DHr, n): a chain is found by the key of its headers.
    """

    HKs: bytes | None = field(default=None, repr=False)
    HKr: bytes | None = field(default=None, repr=False)
    NHKs: bytes | None = field(default=None, repr=False)
    NHKr: bytes | None = field(default=None, repr=False)

    @classmethod
    def initiator(
        cls,
        secret: bytes,
        peer_public: bytes,
        shared_hka: bytes,
        shared_nhkb: bytes,
        *,
        ratchet_key: KeyPair | None = None,
        aead: AEAD = CBC_HMAC,
        info: bytes = INFO,
    ) -> "State":
        """Double Ratchet §4.4, RatchetInitAliceHE: the three secrets come from `expand`."""
        _check(secret, shared_hka, shared_nhkb)
        DHs = ratchet_key or KeyPair.generate()
        DH = dh(DHs.private, peer_public)
        RK, CKs, NHKs = kdf_rk(secret, DH, info=info)
        state = cls(DHs=DHs, DHr=peer_public, RK=RK, CKs=CKs, aead=aead, info=info)
        return replace(state, HKs=shared_hka, NHKs=NHKs, NHKr=shared_nhkb)

    @classmethod
    def responder(
        cls,
        secret: bytes,
        key_pair: KeyPair,
        shared_hka: bytes,
        shared_nhkb: bytes,
        *,
        aead: AEAD = CBC_HMAC,
        info: bytes = INFO,
    ) -> "State":
        """Double Ratchet §4.4, RatchetInitBobHE: `key_pair` is Bob's signed prekey pair."""
        _check(secret, shared_hka, shared_nhkb)
        expect(key_pair, KeyPair, "key_pair", step="Double Ratchet §4.4")
        state = cls(DHs=key_pair, DHr=None, RK=secret, aead=aead, info=info)
        return replace(state, NHKs=shared_nhkb, NHKr=shared_hka)


def _check(secret, shared_hka, shared_nhkb):
    check_bytes(secret, "SK", 32, step="Double Ratchet §4.4")
    check_bytes(shared_hka, "shared_hka", 32, step="Double Ratchet §4.4")
    check_bytes(shared_nhkb, "shared_nhkb", 32, step="Double Ratchet §4.4")


def expand(secret: bytes, *, info: bytes = INFO) -> tuple[bytes, bytes, bytes]:
    """Double Ratchet §4.4, the shared secrets: SK, shared_hka and shared_nhkb from a handshake."""
    check_bytes(secret, "SK", 32, step="Double Ratchet §4.4")
    output = hkdf(secret, salt=bytes(32), info=info, length=96)
    SK, shared_hka, shared_nhkb = split(output, 32, 32, 32)
    return SK, shared_hka, shared_nhkb


def kdf_rk(rk: bytes, dh: bytes, *, info: bytes = INFO) -> tuple[bytes, bytes, bytes]:
    """Double Ratchet §4.2, KDF_RK_HE: root key, chain key and next header key, 32 bytes each."""
    output = hkdf(dh, salt=rk, info=info, length=96)
    root_key, chain_key, next_header_key = split(output, 32, 32, 32)
    return root_key, chain_key, next_header_key


def encrypt(
    state: State, plaintext: bytes, associated_data: bytes
) -> tuple[State, HiddenHeaderMessage]:
    """Double Ratchet §4.5, RatchetEncryptHE: the next state and the message.

    Raises `NotReadyToSend` for a responder who has not received anything yet.
    """
    expect(state, State, "state", step="Double Ratchet §4.5")
    if state.CKs is None:
        raise NotReadyToSend(
            "the first message must come from the peer", step="Double Ratchet §4.4"
        )
    CKs, mk = kdf_ck(state.CKs)
    header = Header(state.DHs.public, state.PN, state.Ns)
    # HENCRYPT: a header key serves a whole chain, so each header needs a nonce of its own.
    nonce = random_bytes(16)
    hidden = seal(state.HKs, header.encode(), b"", aead=state.aead, nonce=nonce)
    AD = bind(associated_data, concat(nonce, hidden))
    ciphertext = seal(mk, plaintext, AD, aead=state.aead)
    state = replace(state, CKs=CKs, Ns=state.Ns + 1)
    return state, HiddenHeaderMessage(nonce, hidden, ciphertext)


def decrypt(
    state: State,
    message: HiddenHeaderMessage,
    associated_data: bytes,
    *,
    ratchet_key: KeyPair | None = None,
) -> tuple[State, bytes]:
    """Double Ratchet §4.6, RatchetDecryptHE: the next state and the plaintext.

    `ratchet_key` is the fresh pair for a DH ratchet step, if one is due.

    Raises `TooManySkipped`, `OldMessage`, `LowOrderKey` or `DecryptionFailed`.
    """
    expect(state, State, "state", step="Double Ratchet §4.6")
    expect(message, HiddenHeaderMessage, "message", step="Double Ratchet §4.6")
    AD = bind(associated_data, concat(message.nonce, message.header))
    state, mk = take_skipped(state, message)
    if mk is None:
        header, new_chain = decrypt_header(state, message)
        if new_chain:
            state = skip_message_keys(state, header.previous_length, state.HKr)
            state = dh_ratchet(state, header, ratchet_key)
        state = skip_message_keys(state, header.number, state.HKr)
        state, mk = receiving_key(state, header.number)
    plaintext = open_sealed(mk, message.ciphertext, AD, aead=state.aead)
    return discard_old(state), plaintext


def take_skipped(state: State, message: HiddenHeaderMessage) -> tuple[State, bytes | None]:
    """Double Ratchet §4.6, TrySkippedMessageKeysHE: a stored key, taken out of the state."""
    for hk in dict.fromkeys(hk for hk, _ in state.MKSKIPPED):
        header = open_header(state, hk, message)
        if header is not None and (hk, header.number) in state.MKSKIPPED:
            return ratchet.take_skipped(state, (hk, header.number))
    return state, None


def decrypt_header(state: State, message: HiddenHeaderMessage) -> tuple[Header, bool]:
    """Double Ratchet §4.6, DecryptHeader: the header, and True if it opens a new chain.

    Raises `DecryptionFailed` if neither HKr nor NHKr opens it.
    """
    for hk, new_chain in ((state.HKr, False), (state.NHKr, True)):
        header = open_header(state, hk, message)
        if header is not None:
            return header, new_chain
    raise DecryptionFailed("no header key opens this header", step="Double Ratchet §4.6")


def open_header(state: State, hk: bytes | None, message: HiddenHeaderMessage) -> Header | None:
    """Double Ratchet §4.2, HDECRYPT: the header, or None under a wrong key."""
    if hk is None:
        return None
    try:
        encoded = open_sealed(hk, message.header, b"", aead=state.aead, nonce=message.nonce)
    except DecryptionFailed:
        return None
    return Header.decode(encoded)


def dh_ratchet(state: State, header: Header, ratchet_key: KeyPair | None = None) -> State:
    """Double Ratchet §4.6, DHRatchetHE: the next header keys become the current ones."""
    DHr = header.ratchet_key
    DH = dh(state.DHs.private, DHr)
    RK, CKr, NHKr = kdf_rk(state.RK, DH, info=state.info)
    DHs = ratchet_key or KeyPair.generate()
    DH = dh(DHs.private, DHr)
    RK, CKs, NHKs = kdf_rk(RK, DH, info=state.info)
    state = replace(state, HKs=state.NHKs, HKr=state.NHKr, NHKs=NHKs, NHKr=NHKr)
    return replace(state, DHs=DHs, DHr=DHr, RK=RK, CKs=CKs, CKr=CKr, PN=state.Ns, Ns=0, Nr=0)
