from x3dhlab import kem
from x3dhlab.primitives import hmac_sha256


def confirmation(secret, ciphertext):
    return hmac_sha256(secret, b"confirm" + ciphertext)


def establish(private, public, coins, message):
    mechanism = kem.get("ML-KEM-768")
    if message is None:
        CT, SS = mechanism.encapsulate(public, coins=coins)
        return {"message": CT + confirmation(SS, CT), "secret": SS}
    CT, tag = message[:1088], message[1088:]
    SS = mechanism.decapsulate(private, CT)
    if confirmation(SS, CT) != tag:
        return {"message": None, "secret": None}
    return {"message": None, "secret": SS}
