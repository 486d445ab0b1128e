from x3dhlab.primitives import public_key, sign


def take_one(pool):
    if len(pool) == 0:
        return [[], None]
    return [pool[1:], pool[0]]
