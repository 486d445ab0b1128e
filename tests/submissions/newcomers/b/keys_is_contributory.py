from x3dhlab.errors import BadSignature, LowOrderKey, WrongLength
from x3dhlab.primitives import dh, verify


def is_contributory(private, public):
    try:
        dh(private, public)
    except LowOrderKey:
        return False
    return True
