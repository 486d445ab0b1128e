"""Figures in one style, each with its alternative text.

Functions take plain data and return a `Picture`. It shows as a PNG on a white card, legible in
light and dark notebooks, and says the same in words.
"""

import io
from base64 import b64encode
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from html import escape

# Okabe and Ito's palette, distinct for every kind of colour vision.
BLUE, ORANGE, GREEN, PURPLE = "#0072B2", "#B84A00", "#00785A", "#AA4499"
SHADES = 48  # colours of a PNG: the flat ones, and the steps of smooth edges
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
        # As HTML: for an output of the type image/png JupyterLab shows no alternative text.
        source = f"data:image/png;base64,{b64encode(self.png).decode()}"
        html = (
            f'<img src="{source}" alt="{escape(self.alt)}" width="{self.width}" '
            'style="max-width:100%;height:auto">'
        )
        return {"text/html": html, "text/plain": self.alt}


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
    from PIL import Image

    drawn, saved = io.BytesIO(), io.BytesIO()
    figure.savefig(drawn, format="png", metadata={"Software": None})
    # A few flat colours: a palette makes the file a third as large, and notebooks stay light.
    image = Image.open(drawn).convert("RGB").quantize(SHADES, dither=Image.Dither.NONE)
    image.save(saved, format="png", optimize=True)
    return Picture(alt, saved.getvalue(), int(figure.get_figwidth() * SHOWN))


def verdicts(
    rows: dict[str, list[bool]],
    columns: list[str],
    *,
    title: str,
    broke="falls",
    held="holds",
    promises=False,
) -> Picture:
    """A table of attack outcomes: one row a design, one column an attack, True where it worked.

    With `promises` a column names what the attack would break. `broke` and `held` are the words
    of the cells.

    A mark and a word stand in each cell, so that nothing depends on colour.
    """
    figure, axes = _figure(1.7 * len(columns) + 1.6, 0.52 * len(rows) + 1.1)
    for y, values in enumerate(rows.values()):
        for x, worked in enumerate(values):
            colour = ORANGE if worked else "#e8f3ee"
            axes.add_patch(_cell(x, y, colour))
            text, ink = (f"✗ {broke}", "white") if worked else (f"✓ {held}", "#00573f")
            axes.text(x, y, text, ha="center", va="center", color=ink, fontsize=9, weight="bold")
    axes.set_xlim(-0.5, len(columns) - 0.5)
    axes.set_ylim(len(rows) - 0.5, -0.5)
    axes.set_xticks(range(len(columns)), [_wrapped(column) for column in columns])
    axes.xaxis.tick_top()
    axes.set_yticks(range(len(rows)), list(rows))
    axes.set_title(title, color=INK, fontsize=11, weight="bold", loc="left", pad=12)
    return _picture(figure, f"{title}. {_in_words(rows, columns, broke, held, promises)}")


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


def message_sizes(
    sizes: Mapping[str, tuple[float, float]],
    *,
    title: str = "",
    bars: tuple[str, str] = ("first message", "later message"),
    unit: str = "",
) -> Picture:
    """Two bars for each handshake: bytes of the first message and of a later one, from real runs.

    `scenes.measured_sizes` counts them. `bars` names two other numbers, `unit` stands behind each.
    Raises `ValueError` for an empty mapping.
    """
    _some(sizes, "sizes")
    figure, axes = _figure(7.6, 0.62 * len(sizes) + 1.3)
    for y, (first, later) in enumerate(sizes.values()):
        _bar(axes, y - 0.19, first, f"{first:,}{unit}", BLUE)
        _bar(axes, y + 0.19, later, f"{later:,}{unit}", ORANGE, hatch="//")
    _rows(axes, list(sizes), max(max(pair) for pair in sizes.values()))
    pairs = list(sizes.values())
    free = "upper right" if max(pairs[0]) < pairs[-1][1] else "lower right"
    _legend(axes, {bars[0]: (BLUE, ""), bars[1]: (ORANGE, "//")}, free)
    title = title or "Bytes of one message"
    axes.set_title(title, color=INK, fontsize=11, weight="bold", loc="left")
    short = [name.split()[0] for name in bars]
    words = "; ".join(
        f"{name}: {short[0]} {first}{unit}, {short[1]} {later}{unit}"
        for name, (first, later) in sizes.items()
    )
    return _picture(figure, f"{title}. {words}.")


def handshake_costs(rows: Iterable, *, title: str = "") -> Picture:
    """One bar for each handshake of `bench` rows, with a line where its primitives alone end.

    Rows of other operations are left out. Raises `ValueError` if no handshake is left.
    """
    rows = [row for row in rows if row.operation.split(",")[0].endswith(("initiate", "respond"))]
    _some(rows, "handshakes")
    figure, axes = _figure(7.6, 0.4 * len(rows) + 1.3)
    words = []
    for y, row in enumerate(rows):
        told = f"{row.microseconds:,.0f} µs"
        if row.floor_ratio:
            floor = row.microseconds / row.floor_ratio
            axes.plot([floor, floor], [y - 0.36, y + 0.36], color=INK, linewidth=2.5, zorder=3)
            told += f", {row.floor_ratio:.2f} × its primitives"
        _bar(axes, y, row.microseconds, told, BLUE if "initiate" in row.operation else GREEN, 0.55)
        words.append(f"{row.operation}: {told}")
    _rows(axes, [row.operation for row in rows], max(row.microseconds for row in rows), room=1.65)
    title = title or "Time of one handshake; the black line: its primitives alone"
    axes.set_title(title, color=INK, fontsize=11, weight="bold", loc="left")
    return _picture(figure, f"{title}. {'; '.join(words)}.")


def compromise_over_time(
    senders: Sequence[str], thefts: Mapping[str, tuple[int, Sequence[bool]]], *, title: str = ""
) -> Picture:
    """A row for each theft, a column for each message: which ones the thief reads.

    `senders` has who wrote each message. A theft is (k, verdicts): what was stolen after message
    k, and True for each message that it opens. Raises `ValueError` if lengths differ.
    """
    _some(thefts, "thefts")
    if any(len(reads) != len(senders) for _, reads in thefts.values()):
        raise ValueError("every theft needs one verdict for each message")
    figure, axes = _figure(0.56 * len(senders) + 2.9, 0.55 * len(thefts) + 1.5)
    for y, (after, reads) in enumerate(thefts.values()):
        for x, read in enumerate(reads):
            axes.add_patch(_cell(x, y, ORANGE if read else "#e8f3ee"))
            mark, ink = ("✗", "white") if read else ("✓", "#00573f")
            axes.text(x, y, mark, ha="center", va="center", color=ink, weight="bold")
        axes.plot([after - 0.5] * 2, [y - 0.46, y + 0.46], color=INK, linewidth=3.5)
    axes.set_xlim(-0.6, len(senders) - 0.4)
    axes.set_ylim(len(thefts) - 0.5, -0.5)
    numbers = [f"{number}\n{sender}" for number, sender in enumerate(senders, 1)]
    axes.set_xticks(range(len(senders)), numbers)
    axes.xaxis.tick_top()
    axes.set_yticks(range(len(thefts)), [_wrapped(name, 26) for name in thefts])
    title = title or "What a thief reads: ✗ read, ✓ safe, black line: the theft"
    figure.suptitle(title, color=INK, fontsize=11, weight="bold", x=0.01, ha="left")
    words = " ".join(_over_time(name, *theft) for name, theft in thefts.items())
    return _picture(figure, f"{title}. {len(senders)} messages. {words}")


def _over_time(name, after, reads):
    opened = [number for number, read in enumerate(reads, 1) if read]
    what = f"the thief reads {_ranges(opened)}" if opened else "the thief reads nothing"
    return f"{name}, taken after message {after}: {what}."


def _ranges(numbers):
    """`1–3, 7` for 1, 2, 3, 7."""
    parts = []
    for number in numbers:
        if parts and parts[-1][1] == number - 1:
            parts[-1][1] = number
        else:
            parts.append([number, number])
    return ", ".join(f"{a}" if a == b else f"{a}–{b}" for a, b in parts)


def _some(values, what):
    if not values:
        raise ValueError(f"no {what} to show")


def _bar(axes, y, length, words, colour, height=0.34, hatch=""):
    """A bar with its number behind it."""
    axes.barh(y, length, color=colour, height=height, hatch=hatch, edgecolor=CARD, linewidth=0)
    axes.annotate(
        words, (length, y), (5, 0), textcoords="offset points", va="center", color=INK, fontsize=9
    )


def _rows(axes, names, longest, room=1.15):
    axes.set_yticks(range(len(names)), names)
    axes.set_ylim(len(names) - 0.4, -0.6)
    axes.set_xlim(0, longest * room)
    axes.set_xticks([])


def _legend(axes, entries, place="lower right"):
    from matplotlib.patches import Patch

    patches = [
        Patch(facecolor=colour, hatch=hatch, edgecolor=CARD, linewidth=0, label=name)
        for name, (colour, hatch) in entries.items()
    ]
    axes.legend(handles=patches, loc=place, frameon=False, fontsize=9, labelcolor=INK)


def _wrapped(text, width=17):
    import textwrap

    return "\n".join(textwrap.wrap(text, width))


def _in_words(rows, columns, broke, held, promises):
    if promises:
        lost, kept = f": {broke}", f": everything {held}"
    elif (broke, held) == ("falls", "holds"):
        lost, kept = " falls to", " holds against every attack"
    else:
        lost, kept = f": {broke}:", f": {held}, in every column"
    sentences = []
    for name, values in rows.items():
        fallen = [column for column, worked in zip(columns, values, strict=True) if worked]
        state = f"{lost} “{'”, “'.join(fallen)}”" if fallen else kept
        sentences.append(f"{name}{state}.")
    return " ".join(sentences)


def places(
    rows: dict[str, list[str]],
    columns: list[str],
    *,
    title: str,
    marked: str = "private",
    fill: str = BLUE,
    wide: float = 1.9,
) -> Picture:
    """A table of who holds what: one row a key, one column a place, a few words in each cell.

    A cell that begins with the word `marked` is filled; an empty one shows a dash. `wide` is the
    width of a column in inches.
    """
    figure, axes = _figure(wide * len(columns) + 1.4, 0.52 * len(rows) + 0.9)
    for y, values in enumerate(rows.values()):
        for x, words in enumerate(values):
            secret = words.startswith(marked)
            axes.add_patch(_cell(x, y, fill if secret else "#eef2f6" if words else CARD))
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
    return _picture(figure, " ".join(f"{title}. {words}.".split()))


def growth(
    lengths: Sequence[int],
    sizes: Mapping[str, Sequence[int]],
    *,
    claim: tuple[str, float],
    title: str,
) -> Picture:
    """Lines of size in percent of length, both axes logarithmic, and a claimed percentage.

    `sizes` has one size for each length. Raises `ValueError` if the numbers of values differ.
    """
    if any(len(values) != len(lengths) for values in sizes.values()):
        raise ValueError("every line needs one size for each length")
    figure, axes = _figure(7.6, 3.6)
    styles = zip((BLUE, GREEN, ORANGE, PURPLE), "osD^", ("-", "--", "-", "--"), strict=True)
    words = []
    for (name, values), (colour, marker, line) in zip(sizes.items(), styles, strict=False):
        percent = [100 * size / length for size, length in zip(values, lengths, strict=True)]
        axes.plot(lengths, percent, line, color=colour, marker=marker, markersize=5, label=name)
        words.append(
            f"{name}: {percent[0]:,.0f} % for {lengths[0]} bytes, "
            f"{percent[-1]:,.0f} % for {lengths[-1]}"
        )
    axes.axhline(claim[1], color=INK, linewidth=2)
    axes.text(lengths[0], claim[1] * 0.94, claim[0], color=INK, fontsize=9, va="top")
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_ylim(bottom=80)
    axes.set_xticks(lengths, [f"{length:,}" for length in lengths])
    axes.set_xticks([], minor=True)
    ticks = [tick for tick in (100, 200, 500, 1000, 2000, 4000) if tick < axes.get_ylim()[1]]
    axes.set_yticks(ticks, [f"{tick:,} %" for tick in ticks])
    axes.set_yticks([], minor=True)
    axes.set_xlabel("bytes of text", color=INK, fontsize=9)
    axes.grid(color=GRID)
    axes.set_axisbelow(True)
    axes.legend(frameon=False, fontsize=9)
    axes.set_title(title, color=INK, fontsize=11, weight="bold", loc="left")
    return _picture(figure, f"{title}. {'; '.join(words)}. The line: {claim[0]}.")


def levels(curves: dict[str, list[int]], *, target: int, title: str, along: str) -> Picture:
    """Levels over time, one curve each, with a line at the target and each curve's name at it."""
    figure, axes = _figure(8.2, 3.4)
    styles = zip((ORANGE, BLUE, GREEN, PURPLE), ("-", "--", "-.", ":"), strict=True)
    for (name, values), (colour, style) in zip(curves.items(), styles, strict=False):
        axes.plot(values, style, color=colour, linewidth=2, drawstyle="steps-post", label=name)
    axes.axhline(target, color=QUIET, linewidth=1)
    axes.text(0, target, f"target {target}", color=QUIET, fontsize=9, va="bottom")
    axes.set_ylim(0, 1.15 * max(target, *map(max, curves.values())))
    axes.set_xlabel(along, color=INK, fontsize=9)
    axes.grid(axis="y", color=GRID, linewidth=0.8)
    axes.legend(frameon=False, fontsize=9, loc="upper left", bbox_to_anchor=(1.0, 1.0))
    axes.set_title(title, color=INK, fontsize=11, weight="bold", loc="left")
    words = "; ".join(
        f"{name} falls to {min(values)}, and from its lowest point rises to "
        f"{max(values[values.index(min(values)) :])}"
        for name, values in curves.items()
    )
    return _picture(figure, f"{title}. Target {target}. {words}.")


def curves(
    places: Sequence[float],
    lines: Mapping[str, Sequence[float]],
    *,
    title: str,
    along: str,
    upward: str,
    log: bool = False,
    room: float = 0,
    bands: Mapping[str, tuple[Sequence[float], Sequence[float]]] = {},
    across: bool = False,
) -> Picture:
    """Measured values over whole numbers, one line each; with `log` the upward axis is logarithmic.

    `room` is the share of the height that stays free above the lines, for their names. `bands` has
    the lower and the upper edge of a shade around a line; with `across` the other axis is
    logarithmic too.

    Raises `ValueError` if a line has not one value for each place.
    """
    if any(len(values) != len(places) for values in lines.values()):
        raise ValueError("every line needs one value for each place")
    figure, axes = _figure(7.6, 3.6)
    styles = zip((BLUE, ORANGE, GREEN, PURPLE), "osD^", ("-", "--", "-.", ":"), strict=True)
    for (name, values), (colour, marker, line) in zip(lines.items(), styles, strict=False):
        axes.plot(places, values, line, color=colour, marker=marker, markersize=5, label=name)
        if name in bands:
            axes.fill_between(places, *bands[name], color=colour, alpha=0.18, linewidth=0)
    if across:
        axes.set_xscale("log")
        axes.set_xticks([], minor=True)
    if log:
        axes.set_yscale("log")
        axes.yaxis.set_major_formatter(lambda value, _: f"{value:,.10g}")
        axes.set_yticks([], minor=True)
    axes.set_xticks(places, [f"{place:,}" for place in places] if across else None)
    axes.set_xlabel(along, color=INK, fontsize=9)
    axes.set_ylabel(upward, color=INK, fontsize=9)
    axes.grid(color=GRID)
    axes.set_axisbelow(True)
    if room:
        axes.set_ylim(top=axes.get_ylim()[1] / (1 - room))
    axes.legend(frameon=False, fontsize=9, loc="upper left" if room else "best")
    axes.set_title(title, color=INK, fontsize=11, weight="bold", loc="left")
    words = "; ".join(
        f"{name}: {_series(places, values, across)}" for name, values in lines.items()
    )
    return _picture(figure, f"{title}, over {along}. {words}.")


def _series(places, values, across):
    pairs = zip(places, values, strict=True)
    if across:
        return ", ".join(f"{float(f'{value:.2g}'):,.10g} at {place:,}" for place, value in pairs)
    return ", ".join(f"{round(value, 1):,.10g} at {place}" for place, value in pairs)


@dataclass(frozen=True, slots=True)
class KeyLife:
    """One signed prekey, in days: made, replaced by the next one, and its private half deleted.

    `mail` has (fetched, opened, lost) for each first message to it. None: not before the end.
    """

    name: str
    made: float
    replaced: float | None
    gone: float | None
    mail: Sequence[tuple[float, float, bool]] = ()


def lives(keys: Sequence[KeyLife], *, end: float, title: str) -> Picture:
    """The lives of signed prekeys as bars over days, and each first message from fetch to opening.

    A filled bar is a published key, a pale one a private half that is only kept.
    """
    _some(keys, "keys")
    figure, axes = _figure(8.4, 0.55 * len(keys) + 1.2)
    for y, key in enumerate(keys):
        replaced = end if key.replaced is None else key.replaced
        gone = end if key.gone is None else key.gone
        axes.barh(y, replaced - key.made, left=key.made, color=BLUE, height=0.34)
        axes.barh(y, gone - replaced, left=replaced, color="#cfe3f1", height=0.34)
        for place, (fetched, opened, lost) in enumerate(key.mail):
            colour, up = ORANGE if lost else GREEN, y - 0.27 - 0.09 * (place % 4)
            axes.plot([fetched, opened], [up, up], color=colour, linewidth=1.4)
            axes.plot([opened], [up], "X" if lost else "o", color=colour, markersize=5)
    axes.set_xlim(0, end)
    axes.set_ylim(len(keys) - 0.5, -0.8)
    axes.set_yticks(range(len(keys)), [key.name for key in keys])
    axes.set_xlabel("days", color=INK, fontsize=9)
    _legend(axes, _LIFE_COLOURS, "lower left")
    axes.set_title(title, color=INK, fontsize=11, weight="bold", loc="left")
    return _picture(figure, f"{title}. {'; '.join(map(_life_words, keys))}.")


_LIFE_COLOURS = {
    "published": (BLUE, ""),
    "private half kept": ("#cfe3f1", ""),
    "● bundle fetched … opened": (GREEN, ""),
    "✖ bundle fetched … lost": (ORANGE, ""),
}


def _life_words(key):
    until = "published" if key.replaced is None else f"published until day {key.replaced:.1f}"
    kept = "" if key.gone is None else f", kept until day {key.gone:.1f}"
    late = [f"day {opened:.1f}" for _, opened, lost in key.mail if lost]
    lost = f", {len(late)} lost ({', '.join(late)})" if late else ""
    return f"{key.name} {until}{kept}: {len(key.mail) - len(late)} messages opened{lost}"


_FIXED = {"read": ORANGE, "safe": "#e8f3ee", "": "#eeeeee"}


def strips(
    rows: Mapping[str, Sequence[str]],
    *,
    title: str,
    along: str,
    lost: Mapping[str, Iterable[int]] = {},
    lines: Mapping[str, int] = {},
) -> Picture:
    """A strip for each row: what each message is, in a word, from left to right.

    Equal neighbours are one bar with its word. `lost` has the places of a row that never arrived;
    `lines` has words for moments, each at the place before which it stands. Raises `ValueError` if
    rows differ in length.
    """
    _some(rows, "rows")
    count = len(next(iter(rows.values())))
    if any(len(words) != count for words in rows.values()):
        raise ValueError("every row needs one word for each message")
    figure, axes = _figure(8.4, (0.8 if lost else 0.56) * len(rows) + 1.35)
    colours = dict(_FIXED)
    for y, (name, words) in enumerate(rows.items()):
        for start, length in _runs(words):
            _strip(axes, y, start, length, words[start], colours, above=bool(lost))
        for place in lost.get(name, ()):
            axes.plot([place + 0.5] * 2, [y, y + 0.26], color=CARD, linewidth=300 / count)
    for words, place in lines.items():
        axes.plot([place] * 2, [-0.5, len(rows) - 0.5], color=INK, linewidth=1.2, linestyle=":")
        axes.text(place, -0.56, words, color=INK, fontsize=8, ha="center", va="bottom")
    axes.set_xlim(0, count)
    axes.set_ylim(len(rows) - 0.5, -0.5 - 0.35 * bool(lines))
    axes.set_yticks(range(len(rows)), [_wrapped(name, 26) for name in rows])
    axes.set_xlabel(along, color=INK, fontsize=9)
    figure.suptitle(title, color=INK, fontsize=11, weight="bold", x=0.01, ha="left")
    told = "; ".join(
        f"{name}: {_strip_words(words, lost.get(name))}" for name, words in rows.items()
    )
    moments = "".join(f" {words}: before message {place + 1}." for words, place in lines.items())
    return _picture(figure, f"{title}. {count} messages. {told}.{moments}")


def _runs(words):
    """(start, length) of each run of equal words."""
    starts = [n for n, word in enumerate(words) if n == 0 or words[n - 1] != word]
    ends = [*starts[1:], len(words)]
    return [(start, end - start) for start, end in zip(starts, ends, strict=True)]


def _strip(axes, y, start, length, word, colours, above):
    palette = (BLUE, GREEN, PURPLE, ORANGE, "#5a5a5a")
    colour = colours.setdefault(word, palette[(len(colours) - len(_FIXED)) % len(palette)])
    axes.barh(y, length, left=start, color=colour, height=0.52, edgecolor=CARD, linewidth=0.8)
    if word and (above or length > len(word)):
        ink = INK if above or colour.startswith("#e") else "white"
        height = y - 0.36 if above else y
        middle = start + length / 2
        axes.text(middle, height, word, color=ink, fontsize=8, ha="center", va="center")


def _strip_words(words, lost=None):
    parts = [f"{words[s] or 'nothing'} {_ranges(range(s + 1, s + n + 1))}" for s, n in _runs(words)]
    missing = f" ({len(list(lost))} lost)" if lost else ""
    return ", ".join(parts) + missing


def panels(measures: Mapping[str, Mapping[str, Sequence[float]]], *, title: str) -> Picture:
    """Several measures of the same things side by side: means as bars, the range as a line.

    `measures` is {measure: {name: values}}, with the same names everywhere.
    """
    from matplotlib.figure import Figure

    _some(measures, "measures")
    names = list(next(iter(measures.values())))
    figure = Figure(
        figsize=(8.8, 1.75 * ((len(measures) + 1) // 2) + 0.5),
        dpi=144,
        facecolor=CARD,
        layout="constrained",
    )
    grid = list(figure.subplots((len(measures) + 1) // 2, 2, squeeze=False).flat)
    for axes, (measure, values) in zip(grid, measures.items(), strict=False):
        _panel(axes, names, values)
        axes.set_title(measure, color=INK, fontsize=9, loc="left")
    for axes in grid[len(measures) :]:
        axes.axis("off")
    figure.suptitle(title, color=INK, fontsize=11, weight="bold", x=0.01, ha="left")
    words = ". ".join(
        f"{measure}: " + ", ".join(f"{name} {_mean_and_range(values[name])}" for name in names)
        for measure, values in measures.items()
    )
    return _picture(figure, f"{title}. {words}.")


def _panel(axes, names, values):
    axes.set_facecolor(CARD)
    for side in axes.spines.values():
        side.set_visible(False)
    axes.tick_params(colors=INK, length=0, labelsize=9)
    longest = max(max(values[name]) for name in names) or 1
    for y, name in enumerate(names):
        mean = sum(values[name]) / len(values[name])
        axes.barh(y, mean, color=BLUE, height=0.5)
        axes.plot([min(values[name]), max(values[name])], [y, y], color=INK, linewidth=1.2)
        axes.annotate(
            _three_digits(mean),
            (max(values[name]), y),
            (5, 0),
            textcoords="offset points",
            va="center",
            color=INK,
            fontsize=9,
        )
    _rows(axes, names, longest, room=1.25)


def _mean_and_range(values):
    mean = sum(values) / len(values)
    low, high = min(values), max(values)
    return _three_digits(mean) + ("" if low == high else f" ({low:,.4g} to {high:,.4g})")


def _three_digits(value):
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def lanes(
    names: Sequence[str],
    arrows: Iterable[tuple[str, float, str, float, str]],
    marks: Iterable[tuple[str, float, str, bool]],
    *,
    title: str,
) -> Picture:
    """Who sent what to whom, in order: one line for each name, time to the right.

    An arrow is (from, when, to, when, words), a mark is (name, when, words, is it a refusal).
    """
    arrows, marks = list(arrows), list(marks)
    figure, axes = _figure(8.4, 0.62 * len(names) + 0.9)
    row = {name: y for y, name in enumerate(names)}
    end = max([arrow[3] for arrow in arrows] + [mark[1] for mark in marks]) + 1.6
    for y in row.values():
        axes.plot([0, end], [y, y], color=GRID, linewidth=1.4, zorder=0)
    for begin, start, to, stop, words in arrows:
        ends = {"xy": (stop, row[to]), "xytext": (start, row[begin])}
        axes.annotate("", **ends, arrowprops={"arrowstyle": "-|>", "color": BLUE, "lw": 1.4})
        if words:
            where = (start, row[begin])
            axes.annotate(words, where, (4, 6), textcoords="offset points", color=INK, fontsize=9)
    for place, (name, when, words, refused) in enumerate(marks):
        colour, where = ORANGE if refused else GREEN, (when, row[name])
        axes.plot([when], [row[name]], "X" if refused else "o", color=colour, markersize=9)
        # Above the line and below it in turn, so that neighbours do not touch.
        side = (9, 5) if place % 2 else (-30, -19)
        axes.annotate(words, where, side, textcoords="offset points", color=colour, fontsize=9)
    axes.set_xlim(0.4, end)
    axes.set_ylim(len(names) - 0.4, -0.7)
    axes.set_xticks([])
    axes.set_yticks(range(len(names)), names)
    axes.set_title(title, color=INK, fontsize=11, weight="bold", loc="left")
    told = [(a[1], f"{a[0]} to {a[2]}{f': {a[4]}' if a[4] else ''}") for a in arrows]
    told += [(m[1] + 0.1, f"{m[0]} {m[2]}") for m in marks]
    return _picture(figure, f"{title}. {'; '.join(words for _, words in sorted(told))}.")
