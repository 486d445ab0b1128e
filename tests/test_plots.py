"""Figures: their words say the computed facts, other facts give other words, and they can be read
on any page."""

import base64
import io
from xml.etree import ElementTree

import pytest
from PIL import Image

from x3dhlab import kem, plots, primitives, scenes
from x3dhlab.bench import Peer, Row
from x3dhlab.layout import explain
from x3dhlab.wire import InitialMessage

SIZES = {"X3DH": (177, 95), "PQXDH": (1273, 95)}
ROWS = [
    Row("X3DH initiate", 5000.0, 200.0, 1.25, (Peer("X3DH", 2500.0, 2.0),)),
    Row("X3DH respond", 8000.0, 125.0),
    Row("message, same chain", 20000.0, 50.0, 1.1),
]
THEFT = {"Bob's state": (2, [False, False, True, True, False, True])}
SENDERS = ["Alice", "Bob"] * 3


def pictures():
    return [
        plots.message_sizes(SIZES),
        plots.handshake_costs(ROWS),
        plots.compromise_over_time(SENDERS, THEFT),
        plots.shares({"keys": 3, "text": 1}, title="A message", unit="bytes"),
        plots.verdicts({"a": [True, False]}, ["x", "y"], title="Attacks"),
    ]


each = pytest.mark.parametrize("picture", pictures(), ids=lambda picture: picture.alt[:18])


def test_the_sizes_of_messages_stand_in_the_words():
    alt = plots.message_sizes(SIZES).alt
    assert "X3DH: first 177, later 95; PQXDH: first 1273, later 95." in alt


def test_other_sizes_give_other_words_and_another_picture():
    other = {**SIZES, "PQXDH": (1753, 95)}
    before, after = plots.message_sizes(SIZES), plots.message_sizes(other)
    assert "1753" in after.alt and "1753" not in before.alt
    assert before.png != after.png


def test_only_handshakes_are_shown_with_their_time_and_their_floor():
    alt = plots.handshake_costs(ROWS).alt
    assert "X3DH initiate: 200 µs, 1.25 × its primitives; X3DH respond: 125 µs." in alt
    assert "message" not in alt


def test_another_time_gives_another_picture():
    slower = [Row("X3DH initiate", 2500.0, 400.0, 1.25), *ROWS[1:]]
    before, after = plots.handshake_costs(ROWS), plots.handshake_costs(slower)
    assert "400 µs" in after.alt
    assert before.png != after.png


def test_a_theft_says_when_it_was_and_what_it_opens():
    alt = plots.compromise_over_time(SENDERS, THEFT).alt
    assert "6 messages. Bob's state, taken after message 2: the thief reads 3–4, 6." in alt


def test_a_theft_that_opens_nothing_says_so():
    alt = plots.compromise_over_time(SENDERS, {"nothing": (0, [False] * 6)}).alt
    assert alt.endswith("the thief reads nothing.")


def test_one_more_open_message_changes_words_and_picture():
    other = {"Bob's state": (2, [False, True, True, True, False, True])}
    before = plots.compromise_over_time(SENDERS, THEFT)
    after = plots.compromise_over_time(SENDERS, other)
    assert "reads 2–4, 6" in after.alt
    assert before.png != after.png


@pytest.mark.parametrize(
    "draw",
    [
        lambda: plots.message_sizes({}),
        lambda: plots.handshake_costs(ROWS[2:]),
        lambda: plots.compromise_over_time(SENDERS, {}),
        lambda: plots.compromise_over_time(SENDERS[1:], THEFT),
    ],
)
def test_a_figure_without_facts_is_refused(draw):
    with pytest.raises(ValueError):
        draw()


@each
def test_a_figure_is_an_opaque_white_card(picture):
    image = Image.open(io.BytesIO(picture.png)).convert("RGBA")
    width, height = image.size
    assert image.getchannel("A").getextrema() == (255, 255)
    corners = [(0, 0), (width - 1, 0), (0, height - 1), (width - 1, height - 1)]
    assert {image.getpixel(corner) for corner in corners} == {(255, 255, 255, 255)}


@each
def test_the_words_are_the_text_form_and_the_alternative_text(picture):
    data = picture._repr_mimebundle_()
    assert data["text/plain"] == repr(picture) == picture.alt
    image = ElementTree.fromstring(data["text/html"].replace(">", "/>")).attrib
    assert image["alt"] == picture.alt
    assert 0 < int(image["width"]) <= 1000
    source = image["src"].removeprefix("data:image/png;base64,")
    assert base64.b64decode(source, validate=True) == picture.png


def test_no_other_form_takes_the_place_of_the_one_with_alternative_text():
    assert set(pictures()[0]._repr_mimebundle_()) == {"text/html", "text/plain"}


def test_marks_of_html_in_the_words_stay_words():
    picture = plots.shares({'<b a="1">&': 1}, title="A message", unit="bytes")
    html = picture._repr_mimebundle_()["text/html"]
    assert "&lt;b a=&quot;1&quot;&gt;&amp;" in html and "<b" not in html


def test_the_same_facts_give_the_same_bytes():
    assert [(p.alt, p.png) for p in pictures()] == [(p.alt, p.png) for p in pictures()]


def contrast(one, other):
    """The contrast of two colours (WCAG 2.2), from 1 to 21."""

    def luminance(colour):
        parts = [int(colour[n : n + 2], 16) / 255 for n in (1, 3, 5)]
        linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
        return sum(weight * p for weight, p in zip((0.2126, 0.7152, 0.0722), linear, strict=True))

    light, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


@pytest.mark.parametrize("colour", [plots.BLUE, plots.ORANGE, plots.GREEN, plots.PURPLE])
def test_every_colour_of_a_bar_can_be_told_from_the_card_and_carries_white_text(colour):
    assert contrast(colour, plots.CARD) >= 4.5


def test_text_has_the_contrast_of_text():
    assert contrast(plots.INK, plots.CARD) >= 7
    assert contrast(plots.QUIET, plots.CARD) >= 4.5


# The facts of the figures


def test_measured_sizes_differ_by_the_kem_ciphertext_and_its_labels():
    sizes = scenes.measured_sizes(b"Hello, Bob!")
    assert list(sizes) == ["X3DH", *(f"PQXDH, {name}" for name in kem.SIZES)]
    first, later = sizes["X3DH"]
    for name, parts in kem.SIZES.items():
        labels = 4 + 4  # the key's number and the length of CT
        assert sizes[f"PQXDH, {name}"] == (first + parts.ciphertext + labels, later)


def test_a_longer_text_makes_both_messages_longer():
    short, long = (scenes.measured_sizes(bytes(n))["X3DH"] for n in (11, 11 + 32))
    assert [b - a for a, b in zip(short, long, strict=True)] == [32, 32]


def test_a_later_message_is_the_first_one_without_the_handshake():
    run = scenes.conversation("A B A")
    sent = [
        data
        for event in run.trace.wire
        for _, data in event.inputs
        if dict(event.detail)["sender"] == "Alice" and dict(event.detail)["what"] == "message"
    ]
    payload = explain(sent[0], InitialMessage)[0].payload
    assert len(payload) == len(sent[1])
    assert scenes.measured_sizes(b"message 1")["X3DH"] == (len(sent[0]), len(sent[1]))


def test_a_stolen_state_opens_messages_until_both_have_answered():
    senders, thefts = scenes.opened_by_theft("A B A B A B A B", "Bob", (3,))
    assert senders == ["Alice", "Bob"] * 4
    ((after, reads),) = thefts.values()
    assert after == 3
    assert [number for number, read in enumerate(reads, 1) if read] == [4, 5]


def test_an_earlier_theft_gives_other_verdicts():
    _, thefts = scenes.opened_by_theft("A B A B A B A B", "Bob", (1, 5))
    first, second = (reads for _, reads in thefts.values())
    assert first != second
    assert any(first) and any(second)


def test_the_figures_of_scenes_say_their_computed_facts():
    assert f"first {scenes.measured_sizes()['X3DH'][0]}," in scenes.show_message_sizes().alt
    with primitives.deterministic(1):
        assert "Bob's state after 3" in scenes.show_compromise().alt


def test_a_table_of_promises_says_in_words_which_promise_falls():
    rows = {"a": [True, False], "b": [False, False]}
    words = plots.verdicts(rows, ["x", "y"], title="T", promises=True).alt
    assert words == "T. a: falls “x”. b: everything holds."
    words = plots.verdicts(rows, ["x", "y"], title="T", broke="lost", held="opens").alt
    assert words == "T. a: lost: “x”. b: opens, in every column."


def test_a_band_is_drawn_around_its_line_and_large_places_keep_their_small_values():
    lines = {"measured": [0.004, 30.0]}
    plain, banded = (
        plots.curves((20, 2000), lines, title="Load", along="users", upward="", across=True, **more)
        for more in ({}, {"bands": {"measured": ([0.001, 20.0], [0.1, 40.0])}})
    )
    assert plain.png != banded.png
    assert plain.alt == "Load, over users. measured: 0.004 at 20, 30 at 2,000."
