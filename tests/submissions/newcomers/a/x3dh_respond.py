from x3dhlab.errors import Malformed, Replayed, UnknownPreKey
from x3dhlab.primitives import dh, hkdf, hmac_sha256, open_sealed


def encode_key(public):
    return b"\x05" + public


def kdf(dhs):
    key_material = b"\xff" * 32 + b"".join(dhs)
    return hkdf(key_material, salt=bytes(32), info=b"x3dhlab X3DH", length=32)


def associated_data(identity_a, identity_b):
    return encode_key(identity_a) + encode_key(identity_b)


def respond(identity_private, identity_public, signed_prekeys, one_time_prekeys, message):
    identity_a, ephemeral = message["identity_key"], message["ephemeral_key"]
    signed_id, one_time_id = message["signed_prekey_id"], message["one_time_prekey_id"]
    if signed_id not in signed_prekeys:
        raise UnknownPreKey("no such signed prekey")
    if one_time_id is not None and one_time_id not in one_time_prekeys:
        raise UnknownPreKey("no such one-time prekey")
    signed_private = signed_prekeys[signed_id]
    dhs = [
        dh(signed_private, identity_a),
        dh(identity_private, ephemeral),
        dh(signed_private, ephemeral),
    ]
    if one_time_id is not None:
        dhs.append(dh(one_time_prekeys[one_time_id], ephemeral))
    return {
        "secret": kdf(dhs),
        "associated_data": associated_data(identity_a, identity_public),
    }
