def refill_amount(left, low, target, limit):
    if left >= low:
        return 0
    return min(target, limit) - left
