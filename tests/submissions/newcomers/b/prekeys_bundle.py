from x3dhlab.primitives import public_key, sign


def encode_key(public):
    return b"\x05" + public


def bundle(identity_private, signed_prekey_id, signed_prekey_private, one_time, nonce):
    signed_prekey = public_key(signed_prekey_private)
    result = {
        "identity_key": public_key(identity_private),
        "signed_prekey_id": signed_prekey_id,
        "signed_prekey": signed_prekey,
        "signed_prekey_signature": sign(
            identity_private, encode_key(signed_prekey), nonce=nonce
        ),
        "one_time_prekey_id": None,
        "one_time_prekey": None,
    }
    if one_time is not None:
        result["one_time_prekey_id"] = one_time["id"]
        result["one_time_prekey"] = one_time["public"]
    return result
