"""The Double Ratchet, revision 4, §2 and §3.

A frozen `State`; `encrypt` and `decrypt` return the next state and a result. A step that raises
has changed nothing, because there is nothing it could have changed. This module does not know who
is talking, how the first secret came about, or how messages travel.
"""

from dataclasses import dataclass, field, replace
from types import MappingProxyType

from x3dhlab.errors import (
    DecryptionFailed,
    NotReadyToSend,
    OldMessage,
    TooManySkipped,
    expect,
)
from x3dhlab.keys import KeyPair
from x3dhlab.primitives import (
    AEAD,
    CBC_HMAC,
    check_bytes,
    concat,
    dh,
    hkdf,
    hmac_sha256,
    open_sealed,
    seal,
    split,
)
from x3dhlab.wire import Header, Message

INFO = b"x3dhlab Double Ratchet"

# How far a header may jump ahead. It bounds the work that a forged header can cause (§8.4).
MAX_SKIP = 1000
# How many skipped keys a state may hold; beyond it the oldest go (§8.4).
MAX_STORED = 2000
# How many messages may be received before an unused skipped key is discarded (§8.4).
MAX_AGE = 2000

_NONE_SKIPPED = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class State:
    """One end of a conversation, in the specification's names (§3.2).

    `MKSKIPPED` maps (DHr, n) to (message key, count of messages received when it was stored).
    """

    DHs: KeyPair
    DHr: bytes | None
    RK: bytes = field(repr=False)
    CKs: bytes | None = field(default=None, repr=False)
    CKr: bytes | None = field(default=None, repr=False)
    Ns: int = 0
    Nr: int = 0
    PN: int = 0
    MKSKIPPED: MappingProxyType = field(default_factory=lambda: _NONE_SKIPPED, repr=False)
    received: int = 0
    aead: AEAD = CBC_HMAC
    info: bytes = INFO

    @classmethod
    def initiator(
        cls,
        secret: bytes,
        peer_public: bytes,
        *,
        ratchet_key: KeyPair | None = None,
        aead: AEAD = CBC_HMAC,
        info: bytes = INFO,
    ) -> "State":
        """Double Ratchet §3.3, RatchetInitAlice: `secret` is SK, `peer_public` Bob's SPK."""
        check_bytes(secret, "SK", 32, step="Double Ratchet §3.3")
        DHs = ratchet_key or KeyPair.generate()
        DH = dh(DHs.private, peer_public)
        RK, CKs = kdf_rk(secret, DH, info=info)
        return cls(DHs=DHs, DHr=peer_public, RK=RK, CKs=CKs, aead=aead, info=info)

    @classmethod
    def responder(
        cls, secret: bytes, key_pair: KeyPair, *, aead: AEAD = CBC_HMAC, info: bytes = INFO
    ) -> "State":
        """Double Ratchet §3.3, RatchetInitBob: `key_pair` is Bob's signed prekey pair."""
        check_bytes(secret, "SK", 32, step="Double Ratchet §3.3")
        expect(key_pair, KeyPair, "key_pair", step="Double Ratchet §3.3")
        return cls(DHs=key_pair, DHr=None, RK=secret, aead=aead, info=info)


def kdf_rk(rk: bytes, dh: bytes, *, info: bytes = INFO) -> tuple[bytes, bytes]:
    """Double Ratchet §7.2, KDF_RK: HKDF with salt = rk, IKM = dh; root and chain key, 32 each."""
    output = hkdf(dh, salt=rk, info=info, length=64)
    root_key, chain_key = split(output, 32, 32)
    return root_key, chain_key


def kdf_ck(ck: bytes) -> tuple[bytes, bytes]:
    """Double Ratchet §7.2, KDF_CK: (next chain key, message key) = (HMAC(ck, 02), HMAC(ck, 01))."""
    message_key = hmac_sha256(ck, b"\x01")
    chain_key = hmac_sha256(ck, b"\x02")
    return chain_key, message_key


def bind(associated_data: bytes, header: bytes) -> bytes:
    """Double Ratchet §3.1, CONCAT(ad, header): ad after its length in 4 bytes, then the header."""
    check_bytes(associated_data, "associated data")
    return concat(len(associated_data).to_bytes(4, "big"), associated_data, header)


def encrypt(state: State, plaintext: bytes, associated_data: bytes) -> tuple[State, Message]:
    """Double Ratchet §3.4, RatchetEncrypt: the next state and the message.

    Raises `NotReadyToSend` for a responder who has not received anything yet.
    """
    expect(state, State, "state", step="Double Ratchet §3.4")
    if state.CKs is None:
        raise NotReadyToSend(
            "the first message must come from the peer", step="Double Ratchet §3.3"
        )
    CKs, mk = kdf_ck(state.CKs)
    header = Header(state.DHs.public, state.PN, state.Ns)
    AD = bind(associated_data, header.encode())
    ciphertext = seal(mk, plaintext, AD, aead=state.aead)
    return replace(state, CKs=CKs, Ns=state.Ns + 1), Message(header, ciphertext)


def decrypt(
    state: State,
    message: Message,
    associated_data: bytes,
    *,
    ratchet_key: KeyPair | None = None,
) -> tuple[State, bytes]:
    """Double Ratchet §3.5, RatchetDecrypt: the next state and the plaintext.

    `ratchet_key` is the fresh pair for a DH ratchet step, if one is due.

    Raises `TooManySkipped`, `OldMessage`, `LowOrderKey` or `DecryptionFailed`.
    """
    expect(state, State, "state", step="Double Ratchet §3.5")
    expect(message, Message, "message", step="Double Ratchet §3.5")
    header = message.header
    AD = bind(associated_data, header.encode())
    state, mk = take_skipped(state, (header.ratchet_key, header.number))
    if mk is None:
        if header.ratchet_key != state.DHr:
            state = skip_message_keys(state, header.previous_length, state.DHr)
            state = dh_ratchet(state, header, ratchet_key)
        state = skip_message_keys(state, header.number, state.DHr)
        state, mk = receiving_key(state, header.number)
    plaintext = open_sealed(mk, message.ciphertext, AD, aead=state.aead)
    return discard_old(state), plaintext


def take_skipped(state: State, name: tuple[bytes, int]) -> tuple[State, bytes | None]:
    """Double Ratchet §3.5, TrySkippedMessageKeys: a stored key, taken out of the state."""
    if name not in state.MKSKIPPED:
        return state, None
    skipped = dict(state.MKSKIPPED)
    message_key, _ = skipped.pop(name)
    received = state.received + 1
    return replace(state, MKSKIPPED=MappingProxyType(skipped), received=received), message_key


def skip_message_keys(state: State, until: int, chain: bytes | None) -> State:
    """Double Ratchet §3.5, SkipMessageKeys: store the keys of this chain up to `until` - 1.

    `chain` is the name that they are found by: DHr, or HKr where headers are encrypted.
    """
    if until > state.Nr + MAX_SKIP:
        raise TooManySkipped(
            f"the header jumps over {until - state.Nr} messages, the limit is {MAX_SKIP}",
            step="Double Ratchet §3.5",
            jump=until - state.Nr,
        )
    if state.CKr is None or until <= state.Nr:
        return state
    skipped, CKr = dict(state.MKSKIPPED), state.CKr
    for number in range(state.Nr, until):
        CKr, mk = kdf_ck(CKr)
        skipped[chain, number] = mk, state.received
    return replace(state, CKr=CKr, Nr=until, MKSKIPPED=MappingProxyType(skipped))


def receiving_key(state: State, number: int) -> tuple[State, bytes]:
    """Double Ratchet §3.5, the step of the receiving chain: the key of message `number`."""
    if number < state.Nr:
        raise OldMessage(
            "this message was decrypted before, or its key was discarded",
            step="Double Ratchet §3.5",
            number=number,
        )
    # An unset chain is None, never zero bytes: a forger could derive keys from those (A46).
    if state.CKr is None:
        raise DecryptionFailed("there is no receiving chain yet", step="Double Ratchet §3.3")
    CKr, mk = kdf_ck(state.CKr)
    return replace(state, CKr=CKr, Nr=state.Nr + 1, received=state.received + 1), mk


def dh_ratchet(state: State, header: Header, ratchet_key: KeyPair | None = None) -> State:
    """Double Ratchet §3.5, DHRatchet: a chain from their new key, and one from our new key."""
    DHr = header.ratchet_key
    DH = dh(state.DHs.private, DHr)
    RK, CKr = kdf_rk(state.RK, DH, info=state.info)
    DHs = ratchet_key or KeyPair.generate()
    DH = dh(DHs.private, DHr)
    RK, CKs = kdf_rk(RK, DH, info=state.info)
    return replace(state, DHs=DHs, DHr=DHr, RK=RK, CKs=CKs, CKr=CKr, PN=state.Ns, Ns=0, Nr=0)


def discard_old(state: State) -> State:
    """Double Ratchet §8.4: skipped keys go beyond MAX_STORED, or after MAX_AGE messages."""
    if not state.MKSKIPPED:
        return state
    surplus = len(state.MKSKIPPED) - MAX_STORED
    _, oldest = next(iter(state.MKSKIPPED.values()))
    if surplus <= 0 and state.received - oldest <= MAX_AGE:
        return state
    kept = {
        name: (mk, since)
        for position, (name, (mk, since)) in enumerate(state.MKSKIPPED.items())
        if position >= surplus and state.received - since <= MAX_AGE
    }
    return replace(state, MKSKIPPED=MappingProxyType(kept))
