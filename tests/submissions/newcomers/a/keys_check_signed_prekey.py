from x3dhlab.errors import BadSignature, LowOrderKey, WrongLength
from x3dhlab.primitives import dh, verify


def encode_key(public):
    """Encode(PK): the byte 05, then the 32 bytes of the key."""
    return b"\x05" + public


def check_signed_prekey(identity_key, signed_prekey, signature):
    verify(identity_key, encode_key(signed_prekey), signature)
    return signed_prekey
