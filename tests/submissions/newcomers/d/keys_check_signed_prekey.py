from x3dhlab.errors import BadSignature
from x3dhlab.primitives import verify


def encode_key(public):
    return b"\x05" + public


def check_signed_prekey(identity_key, signed_prekey, signature):
    if verify(identity_key, encode_key(signed_prekey), signature):
        return signed_prekey
