"""The Triple Ratchet, Double Ratchet revision 4, §6: the Double Ratchet and SPQR side by side.

Neither ratchet encrypts. Each gives a message key, and KDF_HYBRID makes one of both: an attacker
needs both. Both headers travel in clear and are authenticated as associated data. There is no
message without the post-quantum part, so nobody can leave it out (A57).

Unconfirmed: the text of §6 was reconstructed, as `spqr` says. KDF_HYBRID's inputs agree with
libsignal.

Simplified: one version, which always has both parts, where deployed systems had to negotiate; no
header encryption; no saved form. A message can be decrypted only while both ratchets have its key.
"""

from dataclasses import dataclass, replace

from x3dhlab import ratchet, spqr
from x3dhlab.errors import NotReadyToSend, expect
from x3dhlab.kem import KemKeyPair
from x3dhlab.keys import KeyPair
from x3dhlab.primitives import AEAD, CBC_HMAC, check_bytes, hkdf, open_sealed, seal, split
from x3dhlab.ratchet import bind
from x3dhlab.wire import Header, TripleHeader, TripleMessage

INFO = b"x3dhlab Triple Ratchet"


@dataclass(frozen=True, slots=True)
class State:
    """One end of a conversation: a state of each ratchet."""

    ec: ratchet.State
    pq: spqr.State

    @classmethod
    def initiator(
        cls,
        secret: bytes,
        peer_public: bytes,
        *,
        ratchet_key: KeyPair | None = None,
        aead: AEAD = CBC_HMAC,
    ) -> "State":
        """Double Ratchet §6, Alice: `secret` is SK of the handshake, `peer_public` Bob's SPK."""
        SK_EC, SK_PQ = expand(secret)
        ec = ratchet.State.initiator(SK_EC, peer_public, ratchet_key=ratchet_key, aead=aead)
        return cls(ec, spqr.State.initiator(SK_PQ))

    @classmethod
    def responder(cls, secret: bytes, key_pair: KeyPair, *, aead: AEAD = CBC_HMAC) -> "State":
        """Double Ratchet §6, Bob: `key_pair` is his signed prekey pair."""
        SK_EC, SK_PQ = expand(secret)
        ec = ratchet.State.responder(SK_EC, key_pair, aead=aead)
        return cls(ec, spqr.State.responder(SK_PQ))


def expand(secret: bytes) -> tuple[bytes, bytes]:
    """Double Ratchet §6, the shared secrets: one for each ratchet, from SK of the handshake."""
    check_bytes(secret, "SK", 32, step="Double Ratchet §6")
    output = hkdf(secret, salt=bytes(32), info=INFO + b" secrets", length=64)
    SK_EC, SK_PQ = split(output, 32, 32)
    return SK_EC, SK_PQ


def kdf_hybrid(ec_mk: bytes, pq_mk: bytes) -> bytes:
    """Double Ratchet §6, KDF_HYBRID: HKDF with salt = pq_mk, IKM = ec_mk; 32 bytes."""
    check_bytes(ec_mk, "ec_mk", 32, step="Double Ratchet §6")
    check_bytes(pq_mk, "pq_mk", 32, step="Double Ratchet §6")
    return hkdf(ec_mk, salt=pq_mk, info=INFO + b" message key", length=32)


def encrypt(
    state: State,
    plaintext: bytes,
    associated_data: bytes,
    *,
    pair: KemKeyPair | None = None,
    coins: bytes | None = None,
) -> tuple[State, TripleMessage]:
    """Double Ratchet §6, encrypt: the next state and the message.

    `pair` and `coins` are the fresh values of `braid.send`. Raises `NotReadyToSend` for a
    responder who has not received anything yet.
    """
    expect(state, State, "state", step="Double Ratchet §6")
    ec, ec_header, ec_mk = send_key(state.ec)
    pq, pq_header, pq_mk = spqr.send_key(state.pq, pair=pair, coins=coins)
    mk = kdf_hybrid(ec_mk, pq_mk)
    header = TripleHeader(ec_header, pq_header)
    AD = bind(associated_data, header.encode())
    ciphertext = seal(mk, plaintext, AD, aead=ec.aead)
    spqr.discard(state.pq, pq)
    return State(ec, pq), TripleMessage(header, ciphertext)


def decrypt(
    state: State,
    message: TripleMessage,
    associated_data: bytes,
    *,
    ratchet_key: KeyPair | None = None,
) -> tuple[State, bytes]:
    """Double Ratchet §6, decrypt: the next state and the plaintext.

    `ratchet_key` is the fresh pair for a DH ratchet step, if one is due. Raises what either
    ratchet raises, or `DecryptionFailed`; the given state is then still the good one.
    """
    expect(state, State, "state", step="Double Ratchet §6")
    expect(message, TripleMessage, "message", step="Double Ratchet §6")
    header = message.header
    AD = bind(associated_data, header.encode())
    ec, ec_mk = receive_key(state.ec, header.ec, ratchet_key)
    pq, pq_mk = spqr.receive_key(state.pq, header.pq)
    mk = kdf_hybrid(ec_mk, pq_mk)
    plaintext = open_sealed(mk, message.ciphertext, AD, aead=ec.aead)
    # Only now, with the tag checked, is the new state the one that counts.
    spqr.discard(state.pq, pq)
    return State(ratchet.discard_old(ec), pq), plaintext


def send_key(state: ratchet.State) -> tuple[ratchet.State, Header, bytes]:
    """Double Ratchet §3.4, RatchetEncrypt without its last line: state, header, message key."""
    if state.CKs is None:
        raise NotReadyToSend(
            "the first message must come from the peer", step="Double Ratchet §3.3"
        )
    CKs, ec_mk = ratchet.kdf_ck(state.CKs)
    header = Header(state.DHs.public, state.PN, state.Ns)
    return replace(state, CKs=CKs, Ns=state.Ns + 1), header, ec_mk


def receive_key(
    state: ratchet.State, header: Header, ratchet_key: KeyPair | None = None
) -> tuple[ratchet.State, bytes]:
    """Double Ratchet §3.5, RatchetDecrypt without its last line: state, message key."""
    state, ec_mk = ratchet.take_skipped(state, (header.ratchet_key, header.number))
    if ec_mk is not None:
        return state, ec_mk
    if header.ratchet_key != state.DHr:
        state = ratchet.skip_message_keys(state, header.previous_length, state.DHr)
        state = ratchet.dh_ratchet(state, header, ratchet_key)
    state = ratchet.skip_message_keys(state, header.number, state.DHr)
    return ratchet.receiving_key(state, header.number)
