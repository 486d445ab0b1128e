from x3dhlab.primitives import hkdf


def x3dh_secret(dhs, info):
    key_material = b"\xff" * 32 + b"".join(dhs)
    return hkdf(key_material, salt=bytes(32), info=info, length=32)
