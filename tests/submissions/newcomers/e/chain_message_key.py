from x3dhlab.primitives import hkdf, hmac_sha256


def message_key(chain_key, number, info):
    for _ in range(number):
        chain_key = hmac_sha256(chain_key, b"\x02")
    mk = hmac_sha256(chain_key, b"\x01")
    okm = hkdf(mk, salt=bytes(32), info=info, length=80)
    return [okm[:32], okm[32:64], okm[64:]]
