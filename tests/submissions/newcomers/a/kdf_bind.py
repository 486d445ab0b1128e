from x3dhlab.primitives import hkdf


def bind(secret, label, parts):
    info = b"".join(len(part).to_bytes(4, "big") + part for part in [label, *parts])
    return hkdf(secret, salt=bytes(32), info=info, length=32)
