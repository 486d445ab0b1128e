from x3dhlab.primitives import hmac_sha256


def step(chain):
    message_key = hmac_sha256(chain["chain_key"], b"\x01")
    new_chain = chain.copy()
    new_chain["chain_key"] = hmac_sha256(chain["chain_key"], b"\x02")
    new_chain["number"] = chain["number"] + 1
    return [new_chain, [chain["number"], message_key]]
