from x3dhlab.primitives import public_key, sign


def refill_amount(left, low, target, limit):
    if left >= low:
        return 0
    return max(0, min(target - left, limit))
