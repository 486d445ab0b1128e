from x3dhlab.errors import Malformed, Replayed, UnknownPreKey
from x3dhlab.primitives import dh, hkdf, hmac_sha256, open_sealed


def require(holds):
    if not holds:
        raise Malformed("these bytes are no first message")


def cut(data, length, begins=b""):
    require(len(data) >= length and data.startswith(begins))
    return data[:length], data[length:]


def integer(part):
    return int.from_bytes(part, "big")


def parse_initial(data):
    _, data = cut(data, 2, b"\x01\x02")
    IK_A, data = cut(data, 33, b"\x05")
    EK_A, data = cut(data, 33, b"\x05")
    spk_id, data = cut(data, 4)
    flag, data = cut(data, 1)
    require(flag in (b"\x00", b"\x01"))
    opk_id = None
    if flag == b"\x01":
        opk_id, data = cut(data, 4)
        opk_id = integer(opk_id)
    _, data = cut(data, 1, b"\x00")
    length, data = cut(data, 4)
    require(len(data) == integer(length))
    return {
        "identity_key": IK_A[1:],
        "ephemeral_key": EK_A[1:],
        "signed_prekey_id": integer(spk_id),
        "one_time_prekey_id": opk_id,
        "payload": data,
    }
