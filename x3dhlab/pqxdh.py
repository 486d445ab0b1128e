"""PQXDH revision 3: X3DH with a post-quantum secret beside the elliptic-curve ones.

The same functions as in `x3dh`, in the same order: the diff is the lesson. What is new: a signed
KEM prekey in every bundle, a ciphertext CT in the first message, and SS at the end of the KDF
input. Authentication stays with the elliptic curve (§4.8).
"""

from x3dhlab import kem
from x3dhlab.errors import MissingKemPreKey, UnknownPreKey, WrongLength, expect
from x3dhlab.kem import KemKeyPair
from x3dhlab.keys import Agreement, KeyPair
from x3dhlab.primitives import check_bytes, concat, dh, forget, hkdf, verify
from x3dhlab.wire import InitialMessage, PreKeyBundle, decode_kem, encode_key
from x3dhlab.x3dh import F, associated_data

APPLICATION = "x3dhlab"


def info_for(algorithm: str, application: str = APPLICATION) -> bytes:
    """PQXDH §2.1: application, curve, hash and KEM in one string, so that suites never mix."""
    return f"{application}_CURVE25519_SHA-256_{algorithm}".encode()


def check_bundle(bundle: PreKeyBundle) -> None:
    """PQXDH §3.3: Alice verifies the signatures of both prekeys and aborts if one fails.

    Raises `BadSignature`, or `MissingKemPreKey` when the KEM prekey is gone: falling back to X3DH
    would let any server switch the post-quantum protection off.
    """
    expect(bundle, PreKeyBundle, "bundle", step="PQXDH §3.3")
    if (bundle.one_time_prekey_id is None) != (bundle.one_time_prekey is None):
        raise UnknownPreKey("a one-time prekey and its number come together", step="PQXDH §3.3")
    if None in (bundle.kem_prekey_id, bundle.kem_prekey, bundle.kem_prekey_signature):
        raise MissingKemPreKey("the bundle has no KEM prekey", step="PQXDH §3.2")
    encoded = encode_key(bundle.signed_prekey)
    verify(bundle.identity_key, encoded, bundle.signed_prekey_signature)
    decode_kem(bundle.kem_prekey)
    verify(bundle.identity_key, bundle.kem_prekey, bundle.kem_prekey_signature)


def initiate(
    identity: KeyPair,
    bundle: PreKeyBundle,
    *,
    ephemeral: KeyPair | None = None,
    coins: bytes | None = None,
    info: bytes | None = None,
) -> tuple[InitialMessage, Agreement]:
    """PQXDH §3.3: Alice, from Bob's bundle to SK, AD and the first message (without payload)."""
    IK_A = expect(identity, KeyPair, "identity", step="PQXDH §3.3")
    check_bundle(bundle)
    EK_A = ephemeral or KeyPair.generate()
    expect(EK_A, KeyPair, "ephemeral", step="PQXDH §3.3")
    IK_B, SPK_B, OPK_B = bundle.identity_key, bundle.signed_prekey, bundle.one_time_prekey
    algorithm, PQPK_B = decode_kem(bundle.kem_prekey)
    CT, SS = kem.get(algorithm).encapsulate(PQPK_B, coins=coins)
    DH1 = dh(IK_A.private, SPK_B)
    DH2 = dh(EK_A.private, IK_B)
    DH3 = dh(EK_A.private, SPK_B)
    dhs = (DH1, DH2, DH3)
    if OPK_B is not None:
        DH4 = dh(EK_A.private, OPK_B)
        dhs = (DH1, DH2, DH3, DH4)
    SK = derive(dhs, SS, info=info or info_for(algorithm))
    forget(EK_A.private, SS)
    AD = associated_data(IK_A.public, IK_B)
    message = InitialMessage(
        identity_key=IK_A.public,
        ephemeral_key=EK_A.public,
        signed_prekey_id=bundle.signed_prekey_id,
        one_time_prekey_id=bundle.one_time_prekey_id,
        kem_prekey_id=bundle.kem_prekey_id,
        kem_ciphertext=CT,
    )
    return message, Agreement(SK, AD, dhs)


def respond(
    identity: KeyPair,
    signed_prekey: KeyPair,
    one_time_prekey: KeyPair | None,
    kem_prekey: KemKeyPair,
    message: InitialMessage,
    *,
    info: bytes | None = None,
) -> Agreement:
    """PQXDH §3.4: Bob, from Alice's first message to the same SK and AD.

    Raises `UnknownPreKey` as in X3DH, and `MissingKemPreKey` when the message carries no KEM
    ciphertext. A wrong ciphertext raises nothing (FIPS 203 §6.3, implicit rejection): SK differs.
    """
    IK_B = expect(identity, KeyPair, "identity", step="PQXDH §3.4")
    SPK_B = expect(signed_prekey, KeyPair, "signed prekey", step="PQXDH §3.4")
    OPK_B = one_time_prekey
    if OPK_B is not None:
        expect(OPK_B, KeyPair, "one-time prekey", step="PQXDH §3.4")
    expect(message, InitialMessage, "message", step="PQXDH §3.4")
    if (message.one_time_prekey_id is None) != (OPK_B is None):
        raise UnknownPreKey(
            "the message and the responder must agree on whether a one-time prekey is used",
            step="PQXDH §3.4",
            named=message.one_time_prekey_id,
            given=OPK_B is not None,
        )
    if message.kem_ciphertext is None:
        raise MissingKemPreKey("the message carries no KEM ciphertext", step="PQXDH §3.4")
    PQPK_B = expect(kem_prekey, KemKeyPair, "KEM prekey", step="PQXDH §3.4")
    IK_A, EK_A, CT = message.identity_key, message.ephemeral_key, message.kem_ciphertext
    SS = kem.get(PQPK_B.algorithm).decapsulate(PQPK_B.private, CT)
    DH1 = dh(SPK_B.private, IK_A)
    DH2 = dh(IK_B.private, EK_A)
    DH3 = dh(SPK_B.private, EK_A)
    dhs = (DH1, DH2, DH3)
    if OPK_B is not None:
        DH4 = dh(OPK_B.private, EK_A)
        dhs = (DH1, DH2, DH3, DH4)
    SK = derive(dhs, SS, info=info or info_for(PQPK_B.algorithm))
    forget(SS)
    AD = associated_data(IK_A, IK_B.public)
    return Agreement(SK, AD, dhs)


def derive(dhs: tuple[bytes, ...], shared_secret: bytes, *, info: bytes) -> bytes:
    """PQXDH §2.2, KDF(KM): 32 bytes of HKDF over F ‖ DH1 ‖ DH2 ‖ DH3 [‖ DH4] ‖ SS, zero salt."""
    if len(dhs) not in (3, 4):
        raise WrongLength("KM is three or four outputs and SS", step="PQXDH §3.3", got=len(dhs))
    for value in (*dhs, shared_secret):
        check_bytes(value, "a DH output or SS", 32, step="PQXDH §3.3")
    key_material = concat(F, *dhs, shared_secret)
    return hkdf(key_material, salt=bytes(32), info=info, length=32)
