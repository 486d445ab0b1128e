"""A state that goes from call to call: `function(state, *arguments)` returns [next state, result].

Only results are judged; what the state looks like is up to its author. Stand-alone: the worker
carries a copy of this file.
"""

GAVE, REFUSED, NO_PAIR, RAISED = "gave", "refused", "no pair", "raised"


def play(function, state, steps, is_refusal, kept):
    """Yield ["gave", result] or ["refused", name of the error] for each call.

    A step is (again, arguments). With `again`, the call gets the state that the call before got,
    as if its result had never been saved. A refusal keeps the state object, changed or not. The
    bytes and texts of each new state are added to the list `kept`.
    Ends with ["no pair", value] when no pair came back; other exceptions pass to the caller.
    """
    before = state
    for again, arguments in steps:
        if again:
            state = before
        before = state
        try:
            value = function(state, *arguments)
        except Exception as problem:
            if not is_refusal(problem):
                raise
            yield [REFUSED, type(problem).__name__]
            continue
        if type(value) not in (list, tuple) or len(value) != 2:
            yield [NO_PAIR, value]
            return
        state = value[0]
        kept += leaves(state)
        yield [GAVE, value[1]]


def leaves(value, depth=6) -> list:
    """All bytes and texts inside a value of any form, as far as `depth` containers down."""
    if type(value) in (bytes, bytearray, str):
        return [bytes(value) if type(value) is bytearray else value]
    if type(value) is dict:
        value = [*value, *value.values()]
    if not depth or type(value) not in (list, tuple, set, frozenset):
        return []
    return [leaf for item in value for leaf in leaves(item, depth - 1)]


def same_step(left, right, same) -> bool:
    """Equal results; two refusals are equal, whatever their names."""
    if left[0] == right[0] == REFUSED:
        return True
    return left[0] == right[0] and same(left[1], right[1])


def differing(left, right, same) -> int | None:
    """The index of the first step at which two sequences differ, or None."""
    for number, pair in enumerate(zip(left, right, strict=False)):
        if not same_step(*pair, same):
            return number
    return None if len(left) == len(right) else min(len(left), len(right))
