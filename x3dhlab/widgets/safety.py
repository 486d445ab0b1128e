"""A safety number as one phone shows it, and a field for what the other phone shows.

The keys never come here: `Phone` holds what a person may see, and the comparison is handed in.
"""

import io
from base64 import b64encode
from collections.abc import Callable
from dataclasses import dataclass

import segno
import traitlets

from x3dhlab.errors import Refused
from x3dhlab.widgets import drawing
from x3dhlab.widgets.base import View, module, style
from x3dhlab.widgets.experiment import FALLS, HOLDS, NOTE

_MARKS = {HOLDS: "✓", FALLS: "✗", NOTE: "·"}
_HALF, _GROUP = 30, 5
_LIMIT = 400  # characters of what is pasted


@dataclass(frozen=True, slots=True)
class Phone:
    """What one phone shows: its owner, whose 30 digits are which, and the bytes of its QR code."""

    owner: str
    digits: dict[str, str]
    payload: bytes

    @property
    def number(self) -> str:
        """The 60 digits as they stand on the screen: the smaller half first."""
        return "".join(sorted(self.digits.values()))


class SafetyNumber(View):
    """Digits and QR code of `phone`, and a control to compare them with another phone's.

    `compare(seen)` is handed in. It gets the digits (str) or the scanned bytes, returns the names
    of the people whose key differs, and may raise `Refused`. With `other` there are two buttons
    that read the other phone, so that nothing needs to be typed.
    """

    _esm = module("safety")
    _css = style("safety")
    shown = traitlets.Dict().tag(sync=True)
    outcome = traitlets.Dict().tag(sync=True)

    def __init__(
        self,
        title: str,
        phone: Phone,
        compare: Callable[[bytes | str], tuple[str, ...]],
        other: Phone | None = None,
    ):
        self._phone, self._other, self._compare = phone, other, compare
        super().__init__(
            shown={
                "title": title,
                "owner": phone.owner,
                "other": next(name for name in phone.digits if name != phone.owner),
                "halves": [
                    {"name": name, "groups": _groups(digits)} for name, digits in _halves(phone)
                ],
                "qr": qr_image(phone.payload),
                "size": len(phone.payload),
                "digits": other.number if other else "",
                "scanned": other.payload.hex() if other else "",
            }
        )
        self.on_msg(self._on_message)

    def compare(self, seen: bytes | str) -> None:
        """Compare with what the other phone shows: digits or hex (str), or scanned bytes."""
        seen = _read(seen)
        how = "digits" if isinstance(seen, str) else "scanned code"
        try:
            sides = self._compare(seen)
        except Refused as refusal:
            self._tell(NOTE, how, f"This cannot be compared: {refusal.args[0]}.")
            return
        if not sides:
            self._tell(HOLDS, how, "Both phones hold the same two keys.")
            return
        marks = _differing(self._phone, seen) if how == "digits" else {}
        marks = {name: marks.get(name) or list(range(_HALF // _GROUP)) for name in sides}
        self._tell(FALLS, how, _sentence(marks), marks)

    def _tell(self, verdict, how, sentence, marks=None):
        self.outcome = {
            "verdict": verdict,
            "mark": _MARKS[verdict],
            "how": how,
            "sentence": sentence,
            "differ": marks or {},
        }

    def _on_message(self, _, content, buffers):
        text = content.get("seen")
        if content.get("kind") == "compare" and isinstance(text, str) and len(text) <= _LIMIT:
            self.outcome = {}  # so that the same answer twice is a change
            self.compare(text)

    # Forms without a kernel

    def _status(self):
        if not self.outcome:
            return f"Not compared with {self.shown['other']}'s phone yet."
        return "{mark} Compared by {how}: {sentence}".format(**self.outcome)

    def _text(self):
        lines = [f"Safety number: {self.shown['title']}"]
        for half in self.shown["halves"]:
            wrong = self.outcome.get("differ", {}).get(half["name"], ())
            told = [f"{g}{'✗' if n in wrong else ''}" for n, g in enumerate(half["groups"])]
            lines.append(f"  {' '.join(told)}  from {half['name']}'s key")
        lines.append(f"  QR code on {self.shown['owner']}'s phone, {self.shown['size']} bytes")
        lines.append(self._status())
        return "\n".join(drawing.printable(line) for line in lines)

    def _svg(self):
        body = [
            drawing.text(20, 32, self.shown["title"], "t b"),
            f'<image x="20" y="50" width="190" height="190" href="{self.shown["qr"]}" '
            'style="image-rendering:pixelated"/>',
        ]
        y = 76
        for half in self.shown["halves"]:
            body.append(drawing.text(236, y, f"From {half['name']}'s key", "m s"))
            for row in (half["groups"][:3], half["groups"][3:]):
                y += 26
                body.append(drawing.text(236, y, "  ".join(row), "t digits"))
            y += 38
        y = 252
        for line in drawing.wrap(self._status(), 90):
            y += 20
            body.append(drawing.text(20, y, line, "m s"))
        digits = ".digits{font-family:ui-monospace,Menlo,Consolas,monospace;font-size:18px}"
        title = f"Safety number: {self.shown['title']}"
        return drawing.document(640, y + 20, body, title=title, style=digits)


def qr_image(payload: bytes) -> str:
    """A QR code of these bytes as the address of a PNG: dark on light, with its quiet zone."""
    code = segno.make(payload, mode="byte", error="m", micro=False, boost_error=False)
    picture = io.BytesIO()
    code.save(picture, kind="png", scale=5, border=4)
    return f"data:image/png;base64,{b64encode(picture.getvalue()).decode()}"


def _halves(phone):
    return sorted(phone.digits.items(), key=lambda item: item[1])


def _groups(digits):
    return [digits[at : at + _GROUP] for at in range(0, len(digits), _GROUP)]


def _read(seen):
    """Bytes stay; text without its spaces is digits, or else bytes in hex if it can be."""
    if not isinstance(seen, str):
        return seen
    text = "".join(seen.split())
    if text.isdigit():
        return text
    try:
        return bytes.fromhex(text)
    except ValueError:
        return text


def _differing(phone, number):
    """Name → the places of the groups that differ. A half that fits somewhere differs nowhere."""
    found = [number[:_HALF], number[_HALF:]]
    mine = [(name, digits) for name, digits in _halves(phone) if digits not in found]
    other = [digits for digits in found if digits not in phone.digits.values()]
    return {name: _places(digits, seen) for (name, digits), seen in zip(mine, other, strict=False)}


def _places(digits, seen):
    pairs = zip(_groups(digits), _groups(seen), strict=True)
    return [place for place, (a, b) in enumerate(pairs) if a != b]


def _sentence(marks):
    one = all(len(groups) == 1 for groups in marks.values())
    who = " and ".join(f"{name}'s key" for name in marks)
    if one:
        return f"One group in the digits from {who} differs. Was it misread? Read it again."
    return f"The two phones hold different values for {who}. Do not send yet."
