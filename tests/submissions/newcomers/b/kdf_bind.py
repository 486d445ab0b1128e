from x3dhlab.primitives import hkdf


def bind(secret, label, parts):
    info = b""
    for part in [label] + parts:
        info += len(part).to_bytes(4, "big") + part
    return hkdf(secret, salt=bytes(32), info=info, length=32)
