"""A device's conversations: handshake, ratchet, replay record, and which session is in use.

`Device` is frozen: `start`, `send`, `receive` return the next device and a result. Burning a
one-time prekey, recording a handshake and storing its session are one returned value; there is no
moment between them. This module knows peers by identity key only; it has no names and no mailbox.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType, ModuleType

from x3dhlab import pqxdh, prekeys, ratchet, x3dh
from x3dhlab.errors import (
    DecryptionFailed,
    InvalidField,
    NoSession,
    Refused,
    Replayed,
    RolledBack,
    expect,
)
from x3dhlab.keys import Agreement, KeyPair
from x3dhlab.layout import Choice, Constant, Fixed, Layout, Many, Number, Variable, explain
from x3dhlab.prekeys import PreKeyRing
from x3dhlab.primitives import (
    AEAD,
    CBC_HMAC,
    KEY_LENGTH,
    check_bytes,
    check_canonical,
    forget,
    hmac_sha256,
)
from x3dhlab.wire import InitialMessage, Message, PreKeyBundle

# How many sessions with one peer are kept; libsignal archives 40.
MAX_SESSIONS = 40

_IDENTIFIER_LABEL = b"x3dhlab session identifier"


@dataclass(frozen=True, slots=True)
class Session:
    """One Double Ratchet conversation.

    `identifier` is HMAC(SK, label). `handshake` is the header that the initiator repeats until the
    first answer (else None); `opening` is the header that created the session, for recognising its
    repetitions. `sequence` counts the steps, so that a holder can tell an old copy from a new one.
    """

    identifier: bytes = field(repr=False)
    ratchet: ratchet.State
    associated_data: bytes
    opening: InitialMessage
    handshake: InitialMessage | None = None
    sequence: int = 0


@dataclass(frozen=True, slots=True)
class Device:
    """Everything that one device knows: prekeys, sessions (active one first) and replay record."""

    ring: PreKeyRing
    sessions: Mapping[bytes, tuple[Session, ...]] = field(
        default_factory=lambda: MappingProxyType({}), repr=False
    )
    accepted: Mapping[bytes, int] = field(default_factory=lambda: MappingProxyType({}), repr=False)
    protocol: ModuleType = x3dh
    aead: AEAD = CBC_HMAC


def start(device: Device, bundle: PreKeyBundle) -> Device:
    """X3DH §3.3: run the handshake against a bundle; the new session becomes the active one."""
    expect(device, Device, "device")
    opening, agreement = device.protocol.initiate(device.ring.identity, bundle)
    state = ratchet.State.initiator(agreement.secret, bundle.signed_prekey, aead=device.aead)
    session = _new_session(agreement, state, opening)
    return _store(device, bundle.identity_key, replace(session, handshake=opening))


def send(device: Device, peer: bytes, plaintext: bytes) -> tuple[Device, bytes]:
    """Double Ratchet §3.4: the next message for the peer with this identity key, encoded.

    Until the peer has answered, each message carries the handshake header (X3DH §3.3).
    """
    expect(device, Device, "device")
    check_bytes(peer, "peer", KEY_LENGTH)
    if not device.sessions.get(peer):
        raise NoSession("there is no session with this peer", peer=peer.hex())
    session = device.sessions[peer][0]
    state, message = ratchet.encrypt(session.ratchet, plaintext, session.associated_data)
    data = message.encode()
    if session.handshake is not None:
        data = replace(session.handshake, payload=data).encode()
    session = replace(session, ratchet=state, sequence=session.sequence + 1)
    return _store(device, peer, session), data


def receive(device: Device, peer: bytes | None, data: bytes) -> tuple[Device, bytes, bytes]:
    """Decrypt what a peer sent: the next device, the peer's identity key and the plaintext.

    `peer` is the identity key that the holder knows for the sender, or None before the first
    message. Whatever is raised, `device` is unchanged and no key is lost.
    """
    expect(device, Device, "device")
    message, _ = explain(data, Message, InitialMessage)
    if isinstance(message, InitialMessage):
        return _receive_initial(device, message)
    if peer is None or not device.sessions.get(check_bytes(peer, "peer", KEY_LENGTH)):
        raise NoSession("a message of a conversation that was never opened")
    return _receive_message(device, peer, message, device.sessions[peer])


def _receive_initial(device, message):
    """X3DH §3.4: run the responder's side, once, and open the first ratchet message."""
    peer = message.identity_key
    opening = replace(message, payload=b"")
    inner = Message.decode(message.payload)
    # The header is repeated until the first answer. A known one belongs to its session: running
    # the handshake again would ask for a one-time prekey that is burnt already (A42).
    known = [s for s in device.sessions.get(peer, ()) if s.opening == opening]
    if known:
        return _receive_message(device, peer, inner, known)
    agreement, signed_prekey = _respond(device, opening)
    state = ratchet.State.responder(agreement.secret, signed_prekey, aead=device.aead)
    session = _new_session(agreement, state, opening)
    # The record holds a value derived from SK: a re-encoded EK_A gives the same SK, and is
    # recognised (A20).
    if session.identifier in device.accepted:
        raise Replayed("this handshake was accepted before", step="X3DH §4.2")
    # EK_A is not under the tag. Re-encoded in transit it would open a session that does not know
    # the sender's own repetitions of the header.
    check_canonical(message.ephemeral_key, "ephemeral_key")
    state, plaintext = ratchet.decrypt(state, inner, session.associated_data)
    # Only now, with the tag checked, may the one-time keys go (A26).
    ring = prekeys.burn(device.ring, opening.one_time_prekey_id, opening.kem_prekey_id)
    accepted = {**device.accepted, session.identifier: opening.signed_prekey_id}
    device = replace(device, ring=ring, accepted=MappingProxyType(accepted))
    session = replace(session, ratchet=state, sequence=1)
    return _store(device, peer, session), peer, plaintext


def _respond(device, opening):
    ring = device.ring
    signed_prekey = prekeys.find_signed(ring, opening.signed_prekey_id)
    one_time_prekey = prekeys.find_one_time(ring, opening.one_time_prekey_id)
    keys = [ring.identity, signed_prekey, one_time_prekey]
    if opening.kem_prekey_id is not None:
        if device.protocol is not pqxdh:
            raise InvalidField("this device does not speak PQXDH", step="PQXDH §3.4")
        keys.append(prekeys.find_kem(ring, opening.kem_prekey_id))
    elif device.protocol is pqxdh:
        keys.append(None)
    return device.protocol.respond(*keys, opening), signed_prekey


def _receive_message(device, peer, message, candidates):
    """Sesame §3.4: the session that decrypts becomes the active one."""
    problems = []
    for session in candidates:
        try:
            state, plaintext = ratchet.decrypt(session.ratchet, message, session.associated_data)
        except Refused as problem:
            problems.append(problem)
            continue
        session = replace(session, ratchet=state, handshake=None, sequence=session.sequence + 1)
        return _store(device, peer, session), peer, plaintext
    telling = [problem for problem in problems if not isinstance(problem, DecryptionFailed)]
    raise (telling or problems)[0]


def _new_session(agreement: Agreement, state, opening):
    identifier = hmac_sha256(agreement.secret, _IDENTIFIER_LABEL)
    forget(*agreement.dh)
    return Session(identifier, state, agreement.associated_data, opening)


def _store(device, peer, session):
    others = tuple(s for s in device.sessions.get(peer, ()) if s.identifier != session.identifier)
    kept = (session, *others)[:MAX_SESSIONS]
    return replace(device, sessions=MappingProxyType({**device.sessions, peer: kept}))


def retire(device: Device, *, before: int) -> Device:
    """Delete signed prekeys made before `before`, and the replay records that they no longer need.

    A record lives as long as its signed prekey: evicting it earlier would let the handshake be
    replayed (A21).
    """
    ring = prekeys.retire(device.ring, before=before)
    accepted = {name: number for name, number in device.accepted.items() if number in ring.signed}
    return replace(device, ring=ring, accepted=MappingProxyType(accepted))


# Saving a session


@dataclass(frozen=True, slots=True)
class _SavedKey(Layout):
    ratchet_key: bytes
    number: int
    message_key: bytes = field(repr=False)
    since: int

    LAYOUT = (
        Fixed("ratchet_key", 32, "The ratchet key of the skipped message's chain."),
        Number("number", 4, "The skipped message's number."),
        Fixed("message_key", 32, "Its message key.", secret=True),
        Number("since", 8, "How many messages had been received when it was skipped."),
    )


def _optional(name, meaning, secret=True):
    return Choice(f"has {name}", (Fixed(name, 32, meaning, secret=secret),), "1 if it follows.")


@dataclass(frozen=True, slots=True)
class _Saved(Layout):
    sequence: int
    identifier: bytes = field(repr=False)
    associated_data: bytes
    opening: bytes
    handshake: int
    DHs: bytes = field(repr=False)
    DHr: bytes | None
    RK: bytes = field(repr=False)
    CKs: bytes | None = field(repr=False)
    CKr: bytes | None = field(repr=False)
    Ns: int
    Nr: int
    PN: int
    received: int
    aead: bytes
    aead_info: bytes
    info: bytes
    skipped: tuple[_SavedKey, ...] = field(repr=False)

    LAYOUT = (
        Constant("version", b"\x01", "The version of the saved form."),
        Number("sequence", 8, "How many steps the session has made."),
        Fixed("identifier", 32, "HMAC(SK, label).", secret=True),
        Variable("associated_data", 256, "AD of the handshake."),
        Variable("opening", 4096, "The handshake header that created the session."),
        Number("handshake", 1, "1 while the header is repeated."),
        Fixed("DHs", 32, "The private half of our ratchet pair.", secret=True),
        _optional("DHr", "Their ratchet key.", secret=False),
        Fixed("RK", 32, "The root key.", secret=True),
        _optional("CKs", "The sending chain key."),
        _optional("CKr", "The receiving chain key."),
        Number("Ns", 4, "The number of the next message to send."),
        Number("Nr", 4, "The number of the next message to receive."),
        Number("PN", 4, "The length of the previous sending chain."),
        Number("received", 8, "How many messages were received."),
        Variable("aead", 32, "The AEAD's name."),
        Variable("aead_info", 256, "The AEAD's HKDF info."),
        Variable("info", 256, "The info of KDF_RK."),
        Many("skipped", _SavedKey, ratchet.MAX_STORED + ratchet.MAX_SKIP, "How many keys follow."),
    )


def to_bytes(session: Session) -> bytes:
    """A session as bytes, all its secrets in clear: the holder must encrypt them at rest."""
    expect(session, Session, "session")
    state = session.ratchet
    return _Saved(
        sequence=session.sequence,
        identifier=session.identifier,
        associated_data=session.associated_data,
        opening=session.opening.encode(),
        handshake=int(session.handshake is not None),
        DHs=state.DHs.private,
        DHr=state.DHr,
        RK=state.RK,
        CKs=state.CKs,
        CKr=state.CKr,
        Ns=state.Ns,
        Nr=state.Nr,
        PN=state.PN,
        received=state.received,
        aead=state.aead.name.encode(),
        aead_info=state.aead.info,
        info=state.info,
        skipped=tuple(
            _SavedKey(ratchet_key, number, message_key, since)
            for (ratchet_key, number), (message_key, since) in state.MKSKIPPED.items()
        ),
    ).encode()


def from_bytes(data: bytes, *, last_sequence: int | None = None) -> Session:
    """The session that `to_bytes` saved.

    `last_sequence` is the highest sequence number that the holder remembers. An older copy raises
    `RolledBack`: sending from it would use message keys a second time (A49).
    """
    saved = _Saved.decode(data)
    if last_sequence is not None and saved.sequence < last_sequence:
        raise RolledBack(
            f"the saved session is at step {saved.sequence}, its holder remembers {last_sequence}",
            saved=saved.sequence,
            remembered=last_sequence,
        )
    if saved.handshake not in (0, 1) or saved.aead not in (b"CBC_HMAC", b"AES_256_GCM"):
        raise InvalidField("the saved session has an impossible field")
    opening = InitialMessage.decode(saved.opening)
    state = ratchet.State(
        DHs=KeyPair.from_private(saved.DHs),
        DHr=saved.DHr,
        RK=saved.RK,
        CKs=saved.CKs,
        CKr=saved.CKr,
        Ns=saved.Ns,
        Nr=saved.Nr,
        PN=saved.PN,
        MKSKIPPED=MappingProxyType(
            {(key.ratchet_key, key.number): (key.message_key, key.since) for key in saved.skipped}
        ),
        received=saved.received,
        aead=AEAD(saved.aead.decode(), saved.aead_info),
        info=saved.info,
    )
    return Session(
        identifier=saved.identifier,
        ratchet=state,
        associated_data=saved.associated_data,
        opening=opening,
        handshake=opening if saved.handshake else None,
        sequence=saved.sequence,
    )
