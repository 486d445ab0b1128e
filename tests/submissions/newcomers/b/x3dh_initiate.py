from x3dhlab.primitives import dh, verify
from x3dhlab.primitives import hkdf


def encode_key(public):
    return b"\x05" + public


def kdf(dhs):
    key_material = b"\xff" * 32 + b"".join(dhs)
    return hkdf(key_material, salt=bytes(32), info=b"x3dhlab X3DH", length=32)


def associated_data(identity_a, identity_b):
    return encode_key(identity_a) + encode_key(identity_b)


def initiate(identity_private, identity_public, ephemeral_private, ephemeral_public, bundle):
    identity_b = bundle["identity_key"]
    signed_prekey = bundle["signed_prekey"]
    verify(identity_b, encode_key(signed_prekey), bundle["signed_prekey_signature"])
    dhs = [
        dh(identity_private, signed_prekey),
        dh(ephemeral_private, identity_b),
        dh(ephemeral_private, signed_prekey),
    ]
    if bundle["one_time_prekey"] is not None:
        dhs.append(dh(ephemeral_private, bundle["one_time_prekey"]))
    return {
        "secret": kdf(dhs),
        "associated_data": associated_data(identity_public, identity_b),
        "signed_prekey_id": bundle["signed_prekey_id"],
        "one_time_prekey_id": bundle["one_time_prekey_id"],
    }
