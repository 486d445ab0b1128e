"""X3DH revision 1: an agreement with somebody who is offline.

Pure functions from keys and bytes to a message for the wire and an agreement to keep. This module
does not fetch, send, store, delete or ratchet; `prekeys`, `session` and `party` do.
`pqxdh` holds the same functions in the same order: the diff is the lesson.
"""

from x3dhlab.errors import UnknownPreKey, WrongLength, expect
from x3dhlab.keys import Agreement, KeyPair
from x3dhlab.primitives import check_bytes, concat, dh, forget, hkdf, verify
from x3dhlab.wire import InitialMessage, PreKeyBundle, encode_key

INFO = b"x3dhlab X3DH"

# X3DH §2.2: F comes before the key material, so that the KDF input is no valid XEdDSA encoding.
F = b"\xff" * 32


def check_bundle(bundle: PreKeyBundle) -> None:
    """X3DH §3.3: Alice verifies the prekey signature and aborts if it fails.

    Raises `BadSignature`. It runs before any Diffie-Hellman: a forged signed prekey would give
    the forger DH1, DH3 and DH4 (§4.5).
    """
    expect(bundle, PreKeyBundle, "bundle", step="X3DH §3.3")
    if (bundle.one_time_prekey_id is None) != (bundle.one_time_prekey is None):
        raise UnknownPreKey("a one-time prekey and its number come together", step="X3DH §3.3")
    encoded = encode_key(bundle.signed_prekey)
    verify(bundle.identity_key, encoded, bundle.signed_prekey_signature)


def initiate(
    identity: KeyPair,
    bundle: PreKeyBundle,
    *,
    ephemeral: KeyPair | None = None,
    info: bytes = INFO,
) -> tuple[InitialMessage, Agreement]:
    """X3DH §3.3: Alice, from Bob's bundle to SK, AD and the first message (without payload)."""
    IK_A = expect(identity, KeyPair, "identity", step="X3DH §3.3")
    check_bundle(bundle)
    EK_A = ephemeral or KeyPair.generate()
    expect(EK_A, KeyPair, "ephemeral", step="X3DH §3.3")
    IK_B, SPK_B, OPK_B = bundle.identity_key, bundle.signed_prekey, bundle.one_time_prekey
    DH1 = dh(IK_A.private, SPK_B)
    DH2 = dh(EK_A.private, IK_B)
    DH3 = dh(EK_A.private, SPK_B)
    dhs = (DH1, DH2, DH3)
    if OPK_B is not None:
        DH4 = dh(EK_A.private, OPK_B)
        dhs = (DH1, DH2, DH3, DH4)
    SK = derive(dhs, info=info)
    forget(EK_A.private)
    AD = associated_data(IK_A.public, IK_B)
    message = InitialMessage(
        identity_key=IK_A.public,
        ephemeral_key=EK_A.public,
        signed_prekey_id=bundle.signed_prekey_id,
        one_time_prekey_id=bundle.one_time_prekey_id,
    )
    return message, Agreement(SK, AD, dhs)


def respond(
    identity: KeyPair,
    signed_prekey: KeyPair,
    one_time_prekey: KeyPair | None,
    message: InitialMessage,
    *,
    info: bytes = INFO,
) -> Agreement:
    """X3DH §3.4: Bob, from Alice's first message to the same SK and AD.

    Raises `UnknownPreKey` when the message names a one-time prekey and none is given, or the
    reverse: leaving DH4 out silently would give another SK, or a weaker one.
    """
    IK_B = expect(identity, KeyPair, "identity", step="X3DH §3.4")
    SPK_B = expect(signed_prekey, KeyPair, "signed prekey", step="X3DH §3.4")
    OPK_B = one_time_prekey
    if OPK_B is not None:
        expect(OPK_B, KeyPair, "one-time prekey", step="X3DH §3.4")
    expect(message, InitialMessage, "message", step="X3DH §3.4")
    if (message.one_time_prekey_id is None) != (OPK_B is None):
        raise UnknownPreKey(
            "the message and the responder must agree on whether a one-time prekey is used",
            step="X3DH §3.4",
            named=message.one_time_prekey_id,
            given=OPK_B is not None,
        )
    IK_A, EK_A = message.identity_key, message.ephemeral_key
    DH1 = dh(SPK_B.private, IK_A)
    DH2 = dh(IK_B.private, EK_A)
    DH3 = dh(SPK_B.private, EK_A)
    dhs = (DH1, DH2, DH3)
    if OPK_B is not None:
        DH4 = dh(OPK_B.private, EK_A)
        dhs = (DH1, DH2, DH3, DH4)
    SK = derive(dhs, info=info)
    AD = associated_data(IK_A, IK_B.public)
    return Agreement(SK, AD, dhs)


def derive(dhs: tuple[bytes, ...], *, info: bytes = INFO) -> bytes:
    """X3DH §2.2, KDF(KM): 32 bytes of HKDF over F ‖ DH1 ‖ DH2 ‖ DH3 [‖ DH4], with a zero salt."""
    if len(dhs) not in (3, 4):
        raise WrongLength("KM is three or four outputs", step="X3DH §3.3", got=len(dhs))
    for value in dhs:
        check_bytes(value, "a DH output", 32, step="X3DH §3.3")
    key_material = concat(F, *dhs)
    return hkdf(key_material, salt=bytes(32), info=info, length=32)


def associated_data(identity_a: bytes, identity_b: bytes) -> bytes:
    """X3DH §3.3: AD = Encode(IK_A) ‖ Encode(IK_B), initiator first, 66 bytes."""
    return concat(encode_key(identity_a), encode_key(identity_b))
