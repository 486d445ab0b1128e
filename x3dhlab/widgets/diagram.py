"""A whole run as one still sequence diagram."""

from x3dhlab.widgets import drawing
from x3dhlab.widgets.drawing import COLOURS, cut, text, wrap

LINE = 17  # pixels for one line of a formula
ROWS = 60  # a longer run is cut; the text form has all steps
_LEFT, _RIGHT, _TOP = 44, 148, 84
_LANE = 266
_CHARACTER = 6.65  # pixels, of the 11 px monospace font


def _colours(which):
    return "".join(
        f".c{n}{{fill:{pair[which]}}}.l{n}{{stroke:{pair[which]}}}"
        for n, pair in enumerate(COLOURS)
    )


_STYLE = (
    ".line{stroke:#d0d6e0;stroke-width:1.5}.w{stroke-width:2}.on{fill:#fff}"
    "text.f{font:11px ui-monospace,Menlo,Consolas,monospace}text.sec{font-size:10.5px}"
    ".pill{fill:#f4f6fa;stroke:#ccd3de}text.err{fill:#b3261e;font-weight:600;font-size:11px}"
    + _colours(0)
    + "@media(prefers-color-scheme:dark){.line{stroke:#3b4556}.on{fill:#10141b}"
    ".pill{fill:#1f2632;stroke:#465064}text.err{fill:#ff9b92}" + _colours(1) + "}"
)


def sequence(run: dict, title: str) -> str:
    """The run as SVG: one column a lane, one row a step, arrows for messages."""
    lanes = {lane["name"]: number for number, lane in enumerate(run["lanes"])}
    columns = max(1, len(lanes))
    span = _LANE if columns <= 3 else 210
    width = _LEFT + columns * span + _RIGHT
    if not run["steps"]:
        words = "Nothing was recorded."
        return drawing.document(
            width, 96, [text(20, 34, title, "t b"), text(20, 66, words, "m")], title=title
        )
    place = {name: _LEFT + span * (number + 0.5) for name, number in lanes.items()}
    rows, y = [], _TOP
    for number, step in enumerate(run["steps"][:ROWS], 1):
        row, height = _row(number, step, lanes, place, span, y, width)
        rows += row
        y += height
    left = len(run["steps"]) - ROWS
    if left > 0:
        rows.append(text(_LEFT, y + 16, f"… and {left} more steps: see the text form.", "m s"))
        y += 26
    lines = [
        f'<line class="line" x1="{x:g}" x2="{x:g}" y1="{_TOP - 10}" y2="{y}"/>'
        for x in place.values()
    ]
    body = [text(20, 30, cut(title, 90), "t b"), *_heads(run["lanes"], place, span), *lines, *rows]
    return drawing.document(width, y + 14, body, title=title, style=_STYLE)


def _heads(lanes, place, span):
    heads = []
    for lane in lanes:
        x, colour = place[lane["name"]], lane["colour"]
        heads.append(
            f'<rect class="c{colour}" x="{x - 62:g}" y="46" width="124" height="26" '
            f'rx="{4 if lane["server"] else 13}"/>'
        )
        heads.append(text(x, 63, cut(lane["name"], 15), "on b s", "middle"))
    return heads


def _row(number, step, lanes, place, span, y, width):
    """The shapes of one step and its height in pixels."""
    if step["message"]:
        shapes, height = _arrow(step, place, lanes, y)
    else:
        shapes, height = _work(step, place, span, y)
    if step["error"]:
        x = place.get(step["actor"], width / 2)
        shapes.append(text(x, y + height + 9, f"✗ {step['error']}", "err", "middle"))
        height += 16
    middle = y + height / 2 + 4
    shapes.append(text(26, middle, str(number), "m s", "end"))
    if step["section"]:
        shapes.append(text(width - 12, middle, cut(step["section"], 26), "m sec", "end"))
    return shapes, height + 3


def _work(step, place, span, y):
    x = place[step["actor"]]
    width = int((span - 22) / _CHARACTER)
    formula = step["formula"] or [step["title"]]
    lines = [piece for line in formula for piece in _pieces(line, width)]
    height = LINE * len(lines) + 7
    box = max(drawing.columns(line) for line in lines) * _CHARACTER + 16
    shapes = [
        f'<rect class="pill" x="{x - box / 2:.1f}" y="{y + 1}" width="{box:.1f}" '
        f'height="{height}" rx="6"/>'
    ]
    for position, line in enumerate(lines):
        shapes.append(text(x, y + 15.5 + LINE * position, line, "t f", "middle"))
    return shapes, height + 2


def _pieces(line, width):
    """A formula in at most three lines of the pill; the text form has all of it."""
    pieces = wrap(line, width)
    return pieces if len(pieces) <= 3 else [*pieces[:2], cut(" ".join(pieces[2:]), width)]


def _arrow(step, place, lanes, y):
    message = step["message"]
    start, end = place[message["sender"]], place[message["recipient"]]
    colour = step["colour"]
    label = f"{message['what']}, {message['size']} bytes"
    if start == end:
        return [text(start, y + 15, f"↺ {label}", "t s", "middle")], 22
    towards = 1 if end > start else -1
    tip = end - 3 * towards
    line = y + 26
    head = f"{tip:g},{line} {tip - 10 * towards:g},{line - 5} {tip - 10 * towards:g},{line + 5}"
    shapes = [
        text((start + end) / 2, y + 18, label, "t s", "middle"),
        f'<path class="w l{colour}" d="M{start:g} {line}H{tip - 6 * towards:g}"/>',
        f'<polygon class="c{colour}" points="{head}"/>',
    ]
    return shapes, 34
