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
    if message["signed_prekey_id"] not in signed_prekeys:
        raise UnknownPreKey("no such signed prekey")
    spk = signed_prekeys[message["signed_prekey_id"]]
    opk = one_time_prekeys.get(message["one_time_prekey_id"])
    IK_A = message["identity_key"]
    EK_A = message["ephemeral_key"]
    dhs = [dh(spk, IK_A), dh(identity_private, EK_A), dh(spk, EK_A)]
    if opk is not None:
        dhs.append(dh(opk, EK_A))
    return {
        "secret": kdf(dhs),
        "associated_data": associated_data(IK_A, identity_public),
    }
