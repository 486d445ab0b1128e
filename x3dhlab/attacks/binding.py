"""What each public input of a key derivation is for: leave one out and run every attack.

The recipes are those of `context`; here each one differs from a complete one in a single thing.
Also here: names that are joined to associated data, and how many people such bytes can mean.
"""

from collections.abc import Callable

from x3dhlab import x3dh
from x3dhlab.attacks import context
from x3dhlab.attacks.context import AD, INFO, SALT, Recipe, Situation, Try
from x3dhlab.errors import DecryptionFailed
from x3dhlab.primitives import open_sealed

# Column → the attack that it runs.
ATTACKS: dict[str, Callable[[Recipe, Situation], Try | None]] = {
    "replay to another program": context.other_application,
    "another identity key": context.second_encoding,
    "another account": context.misbinding,
    "other names, same bytes": context.ambiguous_names,
    "one zero byte more": context.padded_salt,
}

NAMES = ("length of sender", "sender", "length of recipient", "recipient")


def complete(situation: Situation) -> dict:
    """The specification's recipe, and both account names in AD, each after its length."""
    values = situation.values()
    recipe = dict(context.specified(situation))
    recipe[AD] += tuple((name, len(values[name])) for name in NAMES)
    return recipe


def _without(recipe, row, *names):
    return {**recipe, row: tuple(part for part in recipe[row] if part[0] not in names)}


def recipes(situation: Situation) -> dict[str, Recipe]:
    """Name → recipe: the complete one, and five in which one thing is left out or misplaced."""
    whole = complete(situation)
    room = ("room", len(situation.values()["room"]))
    return {
        "everything bound": whole,
        "no program in info": _without(whole, INFO, "application"),
        "no identity keys in AD": _without(whole, AD, "Encode(IK_A)", "Encode(IK_B)"),
        "no accounts in AD": _without(whole, AD, *NAMES),
        "accounts without lengths": _without(whole, AD, *(n for n in NAMES if "length" in n)),
        "a room in the salt": {**whole, SALT: (room,)},
    }


def left_out() -> dict[str, list[bool]]:
    """Recipe → did each of `ATTACKS` succeed. Every attack runs, on new keys."""
    here = Situation.fresh(x3dh)
    return {
        name: [_succeeded(attack(recipe, here)) for attack in ATTACKS.values()]
        for name, recipe in recipes(here).items()
    }


def _succeeded(result):
    return result is not None and result.succeeded


# Names as bytes (A34)


def joined(sender: str, recipient: str, timestamp: str) -> bytes:
    """sender ‖ recipient ‖ timestamp, with nothing between."""
    return (sender + recipient + timestamp).encode()


def with_commas(sender: str, recipient: str, timestamp: str) -> bytes:
    """The three with a comma between; nobody forbids a comma inside a name."""
    return ",".join((sender, recipient, timestamp)).encode()


def with_lengths(sender: str, recipient: str, timestamp: str) -> bytes:
    """Each of the three after its length in bytes, as 4 bytes."""
    parts = [part.encode() for part in (sender, recipient, timestamp)]
    return b"".join(len(part).to_bytes(4, "big") + part for part in parts)


ENCODINGS = {"joined": joined, "with commas": with_commas, "with lengths": with_lengths}


def readings(encode, data: bytes) -> list[tuple[str, str, str]]:
    """Every (sender, recipient, timestamp) that `encode` turns into exactly these bytes.

    Names have at least one character; a timestamp is a number. All cuts of the bytes are tried.
    """
    found = []
    for head, gap in ((0, 0), (0, 1), (4, 4)):
        for end in range(head + 1, len(data)):
            for last in range(end + gap + 1, len(data) - gap):
                cuts = data[head:end], data[end + gap : last], data[last + gap :]
                parts = tuple(cut.decode(errors="replace") for cut in cuts)
                if parts[2].isascii() and parts[2].isdigit() and encode(*parts) == data:
                    found.append(parts)
    return found


def opened_as(key: bytes, sealed: bytes, encode, data: bytes) -> list[tuple[str, str, str]]:
    """The readings of `data` under which a sealed message opens: who may claim to be meant."""
    opened = []
    for reading in readings(encode, data):
        try:
            open_sealed(key, sealed, encode(*reading))
        except DecryptionFailed:
            continue
        opened.append(reading)
    return opened
