"""A history: what happened in a world, one plain dict for each operation, oldest first.

Every line has `t` (whole milliseconds), `op` and `at` (who acts), then the fields of `FIELDS`.
Nothing here is secret: keys stand for themselves by their number. The same lines come from a
simulated world, from real parties and from the real service, and learners' tasks get them as they
are. This module knows the format only; `checker` knows what is wrong.
"""

import json

from x3dhlab.errors import InvalidField, UnknownVersion, WrongType, expect

# None is allowed where a field ends in `?`: no one-time prekey, or only the other key is meant.
FIELDS = {
    "publish": ("user", "spk", "keys"),
    "issue": ("user", "to", "spk", "key?", "request"),
    "send": ("message", "sender", "recipient", "spk?", "key?", "first"),
    "deliver": ("message",),
    "accept": ("message",),
    "refuse": ("message", "reason"),
    "acknowledge": ("message",),
    "rotate": ("user", "spk"),
    "forget": ("user", "spk?", "key?"),
    "restore": ("region",),
    "recover": ("user", "saved"),
    "down": ("region",),
    "up": ("region",),
    "partition": ("a", "b"),
    "heal": ("a", "b"),
    "lead": ("region", "term"),
    "session": ("user", "peer", "session"),
}
_NEEDED = {
    op: tuple((name.rstrip("?"), name.endswith("?")) for name in names)
    for op, names in FIELDS.items()
}

History = list[dict]


def line(t: int, op: str, at: str, **fields) -> dict:
    """One operation. Raises a `Malformed` when a field is missing, or is a float."""
    return check_line({"t": t, "op": op, "at": at, **fields})


def check_line(one: dict) -> dict:
    """The same dict, if it is a line of a history; further fields are kept (telemetry)."""
    expect(one, dict, "line", step="history")
    expect(one.get("t"), int, "t", step="history")
    if one.get("op") not in _NEEDED:
        raise UnknownVersion(f"no operation is called {one.get('op')!r}", step="history")
    for name, optional in (("at", False), *_NEEDED[one["op"]]):
        if name not in one or (one[name] is None and not optional):
            raise InvalidField(f"{one['op']} needs {name}", step="history", field=name)
    if any(isinstance(value, float) for value in one.values()):
        raise WrongType("a history has no floats: times are whole milliseconds", step="history")
    return one


def dumps(history: History) -> str:
    """JSON lines with sorted keys: equal histories are equal bytes."""
    return "".join(json.dumps(one, sort_keys=True) + "\n" for one in history)


def loads(text: str) -> History:
    """Read `dumps` back. Raises a `Malformed` at the first line that is none."""
    return [check_line(json.loads(one)) for one in text.splitlines() if one.strip()]
