from x3dhlab.primitives import public_key, sign


def take_one(pool):
    if not pool:
        return [[], None]
    return [pool[1:], pool[0]]
