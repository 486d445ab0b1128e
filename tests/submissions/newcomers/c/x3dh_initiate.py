from x3dhlab.primitives import dh, verify
from x3dhlab.primitives import hkdf


def encode_key(public):
    return b"\x05" + public


def kdf(dhs):
    key_material = b"\xff" * 32 + b"".join(dhs)
    return hkdf(key_material, salt=bytes(32), info=b"x3dhlab X3DH", length=32)


def associated_data(identity_a, identity_b):
    return encode_key(identity_a) + encode_key(identity_b)

def initiator_dhs(identity_private, ephemeral_private, bundle):
    DH1 = dh(identity_private, bundle["signed_prekey"])
    DH2 = dh(ephemeral_private, bundle["identity_key"])
    DH3 = dh(ephemeral_private, bundle["signed_prekey"])
    out = [DH1, DH2, DH3]
    if bundle["one_time_prekey"] is not None:
        out.append(dh(ephemeral_private, bundle["one_time_prekey"]))
    return out


def initiate(identity_private, identity_public, ephemeral_private, ephemeral_public, bundle):
    verify(bundle["identity_key"], bundle["signed_prekey"], bundle["signed_prekey_signature"])
    dhs = initiator_dhs(identity_private, ephemeral_private, bundle)
    return {
        "secret": kdf(dhs),
        "associated_data": associated_data(identity_public, bundle["identity_key"]),
        "signed_prekey_id": bundle["signed_prekey_id"],
        "one_time_prekey_id": bundle["one_time_prekey_id"],
    }
