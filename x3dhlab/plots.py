"""Figures in one style, each with its alternative text.

Functions take plain data and return a `Picture`. It shows as a PNG on a white card, legible in
light and dark notebooks and on code hosts, and says the same in words.
"""

import io
from dataclasses import dataclass, field

# Okabe and Ito's palette, distinct for every kind of colour vision.
BLUE, ORANGE, GREEN, PURPLE = "#0072B2", "#B84A00", "#00785A", "#AA4499"
SHOWN = 88  # pixels an inch on the page; the PNG has more, for sharp screens
INK, QUIET, GRID, CARD = "#1a1a1a", "#595959", "#d9d9d9", "#ffffff"


@dataclass(frozen=True, slots=True)
class Picture:
    """A PNG and the sentence that says what it shows."""

    alt: str
    png: bytes = field(repr=False)
    width: int = 0

    def __repr__(self):
        return self.alt

    def _repr_mimebundle_(self, include=None, exclude=None):
        data = {"image/png": self.png, "text/plain": self.alt}
        return data, {"image/png": {"alt": self.alt, "width": self.width}}


def _figure(width, height):
    # Imported here: the package must load without matplotlib.
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), dpi=144, facecolor=CARD, layout="constrained")
    axes = figure.subplots()
    axes.set_facecolor(CARD)
    for side in axes.spines.values():
        side.set_visible(False)
    axes.tick_params(colors=INK, length=0, labelsize=9)
    return figure, axes


def _picture(figure, alt):
    stream = io.BytesIO()
    figure.savefig(stream, format="png", metadata={"Software": None})
    return Picture(alt, stream.getvalue(), int(figure.get_figwidth() * SHOWN))


def verdicts(
    rows: dict[str, list[bool]], columns: list[str], *, title: str, broke="falls"
) -> Picture:
    """A table of attack outcomes: one row a design, one column an attack, True where it worked.

    A mark and a word stand in each cell, so that nothing depends on colour.
    """
    figure, axes = _figure(1.7 * len(columns) + 1.6, 0.52 * len(rows) + 1.1)
    for y, values in enumerate(rows.values()):
        for x, worked in enumerate(values):
            colour = ORANGE if worked else "#e8f3ee"
            axes.add_patch(_cell(x, y, colour))
            text, ink = (f"✗ {broke}", "white") if worked else ("✓ holds", "#00573f")
            axes.text(x, y, text, ha="center", va="center", color=ink, fontsize=9, weight="bold")
    axes.set_xlim(-0.5, len(columns) - 0.5)
    axes.set_ylim(len(rows) - 0.5, -0.5)
    axes.set_xticks(range(len(columns)), [_wrapped(column) for column in columns])
    axes.xaxis.tick_top()
    axes.set_yticks(range(len(rows)), list(rows))
    axes.set_title(title, color=INK, fontsize=11, weight="bold", loc="left", pad=12)
    return _picture(figure, f"{title}. {_in_words(rows, columns, broke)}")


def _cell(x, y, colour):
    from matplotlib.patches import FancyBboxPatch

    return FancyBboxPatch(
        (x - 0.44, y - 0.38),
        0.88,
        0.76,
        boxstyle="round,pad=0,rounding_size=0.06",
        facecolor=colour,
        edgecolor="none",
    )


def shares(parts: dict[str, int], *, title: str, unit: str) -> Picture:
    """One bar cut into its parts, each with its name, size and share of the whole."""
    figure, axes = _figure(7.6, 1.9)
    total, left = sum(parts.values()), 0
    for (name, size), colour in zip(parts.items(), (BLUE, GREEN, "#7a7a7a", PURPLE), strict=False):
        axes.barh(0, size, left=left, color=colour, edgecolor=CARD, linewidth=2, height=0.5)
        axes.text(
            left + size / 2, 0, f"{size}", ha="center", va="center", color="white", weight="bold"
        )
        label = f"{_wrapped(name)}\n{size / total:.0%}"
        axes.text(left + size / 2, -0.36, label, ha="center", va="top", color=INK, fontsize=9)
        left += size
    axes.set_xlim(0, total)
    axes.set_ylim(-0.9, 0.3)
    axes.axis("off")
    heading = f"{title}: {total} {unit}"
    axes.set_title(heading, color=INK, fontsize=11, weight="bold", loc="left")
    words = ", ".join(f"{name} {size} ({size / total:.0%})" for name, size in parts.items())
    return _picture(figure, f"{heading}: {words}.")


def _wrapped(text):
    import textwrap

    return "\n".join(textwrap.wrap(text, 17))


def _in_words(rows, columns, broke):
    sentences = []
    for name, values in rows.items():
        fallen = [column for column, worked in zip(columns, values, strict=True) if worked]
        state = f"{broke} to “{'”, “'.join(fallen)}”" if fallen else "holds against every attack"
        sentences.append(f"{name} {state}.")
    return " ".join(sentences)


def places(rows: dict[str, list[str]], columns: list[str], *, title: str) -> Picture:
    """A table of who holds what: one row a key, one column a place, a few words in each cell.

    A cell that begins with "private" is filled; an empty one shows a dash.
    """
    figure, axes = _figure(1.9 * len(columns) + 1.4, 0.52 * len(rows) + 0.9)
    for y, values in enumerate(rows.values()):
        for x, words in enumerate(values):
            secret = words.startswith("private")
            axes.add_patch(_cell(x, y, BLUE if secret else "#eef2f6" if words else CARD))
            ink = "white" if secret else INK
            axes.text(x, y, words or "–", ha="center", va="center", color=ink, fontsize=9)
    axes.set_xlim(-0.5, len(columns) - 0.5)
    axes.set_ylim(len(rows) - 0.5, -0.5)
    axes.set_xticks(range(len(columns)), columns)
    axes.xaxis.tick_top()
    axes.set_yticks(range(len(rows)), list(rows))
    axes.set_title(title, color=INK, fontsize=11, weight="bold", loc="left", pad=12)
    words = "; ".join(
        f"{name}: " + ", ".join(f"{c} {w}" for c, w in zip(columns, values, strict=True) if w)
        for name, values in rows.items()
    )
    return _picture(figure, f"{title}. {words}.")
