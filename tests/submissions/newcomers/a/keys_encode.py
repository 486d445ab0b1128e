from x3dhlab.errors import BadSignature, LowOrderKey, WrongLength
from x3dhlab.primitives import dh, verify


def encode(public):
    if len(public) != 32:
        raise WrongLength("a public key has 32 bytes")
    return b"\x05" + public
