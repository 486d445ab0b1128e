from x3dhlab.errors import Malformed, Replayed, UnknownPreKey
from x3dhlab.primitives import dh, hkdf, hmac_sha256, open_sealed


def encode_key(public):
    return b"\x05" + public


def kdf(dhs):
    key_material = b"\xff" * 32 + b"".join(dhs)
    return hkdf(key_material, salt=bytes(32), info=b"x3dhlab X3DH", length=32)


def associated_data(identity_a, identity_b):
    return encode_key(identity_a) + encode_key(identity_b)


def agree(keys, one_time_private, message):
    identity_a, ephemeral = message["identity_key"], message["ephemeral_key"]
    dhs = [
        dh(keys["signed_prekey_private"], identity_a),
        dh(keys["identity_private"], ephemeral),
        dh(keys["signed_prekey_private"], ephemeral),
    ]
    if one_time_private is not None:
        dhs.append(dh(one_time_private, ephemeral))
    return kdf(dhs), associated_data(identity_a, keys["identity_public"])


def accept_once(inbox, keys, message):
    new = inbox.copy()
    number = message["one_time_prekey_id"]
    one_time_private = None
    if number is not None:
        if number not in new["one_time_prekeys"]:
            raise UnknownPreKey("no such one-time prekey")
        one_time_private = new["one_time_prekeys"][number]
    SK, AD = agree(keys, one_time_private, message)
    # same EK_A in other bytes still gives the same SK
    mark = hmac_sha256(SK, b"seen")
    if mark in new["seen"]:
        raise Replayed("this handshake was accepted before")
    plaintext = open_sealed(SK, message["ciphertext"], AD)
    new["seen"].append(mark)
    if number is not None:
        del new["one_time_prekeys"][number]
    return [new, plaintext]
