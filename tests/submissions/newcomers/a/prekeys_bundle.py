from x3dhlab.primitives import public_key, sign


def encode_key(public):
    """Encode(PK): the byte 05, then the 32 bytes of the key."""
    return b"\x05" + public


def bundle(identity_private, signed_prekey_id, signed_prekey_private, one_time, nonce):
    signed_prekey = public_key(signed_prekey_private)
    return {
        "identity_key": public_key(identity_private),
        "signed_prekey_id": signed_prekey_id,
        "signed_prekey": signed_prekey,
        "signed_prekey_signature": sign(identity_private, encode_key(signed_prekey), nonce=nonce),
        "one_time_prekey_id": None if one_time is None else one_time["id"],
        "one_time_prekey": None if one_time is None else one_time["public"],
    }
