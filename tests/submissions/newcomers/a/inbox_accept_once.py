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
    number = message["one_time_prekey_id"]
    one_time_keys = dict(inbox["one_time_prekeys"])
    one_time_private = None
    if number is not None:
        if number not in one_time_keys:
            raise UnknownPreKey("no such one-time prekey")
        one_time_private = one_time_keys.pop(number)
    SK, AD = agree(keys, one_time_private, message)
    # the secret is the same however EK_A is written; keep a hash of it, not SK itself
    record = hmac_sha256(SK, b"seen")
    if record in inbox["seen"]:
        raise Replayed("this handshake was accepted before")
    # guess: key, ciphertext, associated data
    plaintext = open_sealed(SK, message["ciphertext"], AD)
    return [
        {**inbox, "one_time_prekeys": one_time_keys, "seen": [*inbox["seen"], record]},
        plaintext,
    ]
