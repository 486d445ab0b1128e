"""Still pictures as SVG text: the same every time, readable on light and dark pages."""

import unicodedata
from html import escape

# One colour per lane, for light and for dark pages: Okabe and Ito's palette, which survives the
# common kinds of colour blindness. Colour is never the only mark: lanes also differ in shape.
SERVER_COLOUR = 0
COLOURS = (
    ("#5b6472", "#aab4c4"),
    ("#00639c", "#62b8f0"),
    ("#b24a00", "#f2a05c"),
    ("#00755a", "#4fd1ab"),
    ("#9c3f79", "#e79cc8"),
    ("#7a6300", "#e3cb4a"),
)

STYLE = (
    ".bg{fill:#fff;stroke:#d5d9e0}.t{fill:#1c2330}.m{fill:#596273}"
    "text{font-family:system-ui,-apple-system,'Segoe UI',sans-serif;font-size:14px}"
    ".mono{font-family:ui-monospace,Menlo,Consolas,monospace;font-size:12px}"
    ".b{font-weight:600}.s{font-size:12px}"
    ".ring{fill:none;stroke:#8a93a3;stroke-width:1.5}"
    "@media(prefers-color-scheme:dark){"
    ".bg{fill:#161b24;stroke:#38404e}.t{fill:#e9edf3}.m{fill:#a6b0c0}}"
)


def document(width: int, height: int, body: list[str], *, title: str, style: str = "") -> str:
    """A whole SVG file on its own background, so that no page colour makes it unreadable."""
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" '
        f'width="{width}" height="{height}" role="img" aria-label="{escape(printable(title))}">'
        f"<style>{STYLE}{style}</style>"
        f'<rect class="bg" x=".5" y=".5" width="{width - 1}" height="{height - 1}" rx="8"/>'
        + "".join(body)
        + "</svg>"
    )


def text(x: float, y: float, words: str, kind: str = "t", anchor: str = "") -> str:
    """One line of text."""
    place = f' text-anchor="{anchor}"' if anchor else ""
    return f'<text class="{kind}" x="{x:g}" y="{y:g}"{place}>{escape(printable(words))}</text>'


_BIDIRECTIONAL = "\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"


def printable(words: str) -> str:
    """The text without control characters: XML forbids some, others turn the line around."""
    return "".join(
        " " if unicodedata.category(c) in ("Cc", "Cs") or c in _BIDIRECTIONAL else c for c in words
    )


def columns(words: str) -> int:
    """The width of a text in columns: East Asian wide characters take two."""
    return sum(2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in words)


def cut(words: str, width: int) -> str:
    """The text in at most `width` columns, with an ellipsis where it was cut."""
    if columns(words) <= width:
        return words
    kept = ""
    for character in words:
        if columns(kept + character) > width - 1:
            break
        kept += character
    return kept.rstrip() + "…"


def wrap(words: str, width: int) -> list[str]:
    """Lines of at most `width` columns; a longer word is cut into pieces."""
    lines = [""]
    for word in words.split():
        while columns(word) > width:
            piece = cut(word, width + 1)[:-1] or word[0]
            lines.append(piece)
            word = word[len(piece) :]
        joined = f"{lines[-1]} {word}".strip()
        if columns(joined) <= width:
            lines[-1] = joined
        else:
            lines.append(word)
    return [line for line in lines if line] or [""]


def card(kind: str, asked: dict, status: str, lines: list[str] | None = None) -> str:
    """A question with its options and what was answered. It does not show what is right.

    `lines` stand in place of the options, where there is more to do than to choose one.
    """
    y, body = 30, [text(20, 30, f"{kind} · {asked['id']}", "m s")]
    for line in wrap(asked["question"], 70):
        y += 22
        body.append(text(20, y, line, "t b"))
    y += 8
    for option in asked["options"] if lines is None else lines:
        if lines is None:
            body.append(f'<circle class="ring" cx="28" cy="{y + 19}" r="6"/>')
        for line in wrap(option, 74):
            y += 24
            body.append(text(46 if lines is None else 20, y, line))
    for number, line in enumerate(wrap(status, 96)):
        y += 18 if number else 34
        body.append(text(20, y, line, "m s"))
    return document(640, y + 20, body, title=f"{kind}: {asked['question']}")
