"""Plain data as JSON: bytes, int, str, bool, None, list and dict, of exactly these types.

A value of any other type, also of a subclass, crosses only as the name of its type. Stand-alone:
the worker carries a copy of this file.
"""

DEPTH = 6  # nesting: a list of dicts of lists is already unusual
SIZE = 65_536  # bytes, characters or items in one value
INT_BITS = 8_192  # above every number of the course


class NotPlainError(Exception):
    """A value of another type, too large or too deep. `args[0]` names it."""


class Other:
    """Stands for a value that is not plain data: equal to nothing, known by its type's name."""

    def __init__(self, name: str):
        self.name = name


def encode(value, depth: int = DEPTH):
    """A JSON form of `value`. Raises `NotPlainError`."""
    kind = type(value)
    if value is None or kind is bool:
        return value
    if kind is int and value.bit_length() <= INT_BITS:
        return {"int": hex(value)}
    if kind is str and len(value) <= SIZE:
        return {"str": value}
    if kind is bytes and len(value) <= SIZE:
        return {"bytes": value.hex()}
    if _is_container(value, depth):
        return _encode_container(value, encode, depth - 1)
    raise NotPlainError(kind.__name__ if kind not in _PLAIN else f"{kind.__name__}, too large")


_PLAIN = (int, str, bytes, list, tuple, dict)


def _is_container(value, depth):
    return type(value) in (list, tuple, dict) and depth and len(value) <= SIZE


def _encode_container(value, each, depth):
    if type(value) is dict:
        return {"dict": [[each(key, depth), each(item, depth)] for key, item in value.items()]}
    # A tuple is what `return a, b` makes; it counts as a list.
    return {"list": [each(item, depth) for item in value]}


def encode_or_name(value, depth: int = DEPTH):
    """Like `encode`, with {"other": type name} in each place that is not plain data."""
    try:
        return encode(value, depth)
    except NotPlainError as problem:
        if _is_container(value, depth):
            return _encode_container(value, encode_or_name, depth - 1)
        return {"other": str(problem)[:60]}
    except Exception:  # an object that fights back
        return {"other": "object"}


def decode(form, depth: int = DEPTH + 1):
    """The inverse of `encode_or_name`. Raises `NotPlainError` for anything malformed."""
    if form is None or type(form) is bool:
        return form
    if type(form) is not dict or len(form) != 1 or not depth:
        raise NotPlainError("malformed")
    ((kind, body),) = form.items()
    try:
        return _DECODERS[kind](body, depth - 1)
    except (KeyError, ValueError, TypeError, AttributeError) as problem:
        raise NotPlainError("malformed") from problem


def _text(body, depth):
    if type(body) is not str:
        raise ValueError("not text")
    return body


def _items(body, depth):
    if type(body) is not list:
        raise ValueError("not a list")
    return [decode(item, depth) for item in body]


def _pairs(body, depth):
    return {decode(key, depth): decode(item, depth) for key, item in body}


_DECODERS = {
    "int": lambda body, depth: int(body, 16),
    "str": _text,
    "bytes": lambda body, depth: bytes.fromhex(body),
    "list": _items,
    "dict": _pairs,
    "other": lambda body, depth: Other(_text(body, depth)),
}


def others(value) -> list[str]:
    """The names of the types that are not plain data, anywhere in a decoded value."""
    if type(value) is Other:
        return [value.name]
    items = [*value, *value.values()] if type(value) is dict else value
    return [name for item in items for name in others(item)] if type(items) is list else []


def same(left, right) -> bool:
    """Equality of plain data with exact types: True is not 1, and a str is not bytes."""
    if type(left) is not type(right) or type(left) is Other:
        return False
    if type(left) is list:
        return len(left) == len(right) and all(map(same, left, right))
    if type(left) is dict:
        return left.keys() == right.keys() and all(same(left[key], right[key]) for key in left)
    return left == right
