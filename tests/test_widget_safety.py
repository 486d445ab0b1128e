"""The safety number without a browser: real parties, both verdicts, misread digits, its forms."""

import io
from base64 import b64decode
from xml.etree import ElementTree

import pytest
import segno
from PIL import Image

from x3dhlab import fingerprint, scenes
from x3dhlab.errors import InvalidField
from x3dhlab.widgets import FALLS, HOLDS, NOTE, Phone, SafetyNumber
from x3dhlab.widgets.safety import qr_image


@pytest.fixture(scope="module")
def honest():
    return scenes.safety_numbers()


@pytest.fixture(scope="module")
def swapped():
    return scenes.safety_numbers(swapped=True)


def verdict(widget, seen):
    widget._on_message(widget, {"kind": "compare", "seen": seen}, [])
    return widget.outcome["verdict"], list(widget.outcome["differ"])


# Real parties


@pytest.mark.parametrize("way", ["digits", "scanned"])
def test_after_an_honest_talk_both_phones_agree(honest, way):
    assert verdict(honest, honest.shown[way]) == (HOLDS, [])


@pytest.mark.parametrize("way", ["digits", "scanned"])
def test_after_a_swap_the_keys_of_both_differ(swapped, way):
    told, names = verdict(swapped, swapped.shown[way])
    assert told == FALLS and sorted(names) == ["Alice", "Bob"]
    assert swapped.outcome["differ"] == dict.fromkeys(names, list(range(6)))


def test_the_phones_of_a_swap_show_different_digits(honest, swapped):
    assert digits_on(honest) == honest.shown["digits"]
    assert digits_on(swapped) != swapped.shown["digits"]


def digits_on(widget):
    return "".join(group for half in widget.shown["halves"] for group in half["groups"])


def test_the_code_on_the_screen_is_that_of_the_payload(honest):
    payload = honest._phone.payload
    assert honest.shown["qr"] == qr_image(payload) != qr_image(honest._other.payload)
    picture = Image.open(io.BytesIO(b64decode(honest.shown["qr"].partition(",")[2]))).convert("L")
    modules = segno.make(payload, mode="byte", error="m", micro=False, boost_error=False)
    drawn = [list(row) for row in modules.matrix_iter(border=4)]
    assert picture.size == (5 * len(drawn),) * 2
    read = [[picture.getpixel((5 * x + 2, 5 * y + 2)) < 128 for x in range(len(drawn))]
            for y in range(len(drawn))]  # fmt: skip
    assert read == [[bool(module) for module in row] for row in drawn]
    assert fingerprint.QrPayload.decode(payload).version == fingerprint.VERSION


# What may be typed or pasted


def misread(digits, *places):
    return "".join(
        str((int(d) + 1) % 10) if place in places else d for place, d in enumerate(digits)
    )


def test_one_misread_digit_points_at_its_group(honest):
    digits = honest.shown["digits"]
    first, second = (half["name"] for half in honest.shown["halves"])
    assert verdict(honest, misread(digits, 7)) == (FALLS, [first])
    assert honest.outcome["differ"] == {first: [1]}
    assert "misread" in honest.outcome["sentence"]
    assert verdict(honest, misread(digits, 31)) == (FALLS, [second])
    assert honest.outcome["differ"] == {second: [0]}
    assert verdict(honest, misread(digits, 7, 59)) == (FALLS, sorted([first, second]))
    assert honest.outcome["differ"] == {first: [1], second: [5]}


def test_digits_and_code_may_have_spaces_and_line_breaks(honest):
    digits, code = honest.shown["digits"], honest.shown["scanned"]
    assert verdict(honest, " ".join(fingerprint.groups(digits)) + "\n") == (HOLDS, [])
    assert verdict(honest, "\n".join((code[:60], code[60:].upper()))) == (HOLDS, [])


@pytest.mark.parametrize("seen", ["", "12345", "no digits", "0" * 61, "0802", "ff" * 74, "é" * 60])
def test_what_cannot_be_compared_is_said_to_be_so(honest, seen):
    assert verdict(honest, seen) == (NOTE, [])
    assert honest.outcome["sentence"].startswith("This cannot be compared: ")


@pytest.mark.parametrize("message", [{}, {"kind": "compare"}, {"kind": "compare", "seen": 5},
                                     {"kind": "compare", "seen": "1" * 401}])  # fmt: skip
def test_junk_from_a_page_changes_nothing(honest, message):
    verdict(honest, honest.shown["digits"])
    before = honest.outcome
    honest._on_message(honest, message, [])
    assert honest.outcome == before


# The widget alone


def small(compare, other=True):
    phone = Phone("Ann", {"Ann": "1" * 30, "Ben": "0" * 30}, b"payload")
    return SafetyNumber("Small", phone, compare, other=phone if other else None)


def test_the_smaller_half_comes_first_and_the_comparison_is_handed_in():
    asked = []
    widget = small(lambda seen: asked.append(seen) or ())
    assert [half["name"] for half in widget.shown["halves"]] == ["Ben", "Ann"]
    widget.compare("0" * 30 + "1" * 30)
    widget.compare("ab cd")
    widget.compare(b"\x01")
    assert asked == ["0" * 30 + "1" * 30, b"\xab\xcd", b"\x01"]


def test_without_another_phone_there_is_nothing_to_read():
    assert small(lambda seen: (), other=False).shown["digits"] == ""


def test_a_refusal_of_the_comparison_is_a_note():
    def refuse(seen):
        raise InvalidField("the other phone shows a riddle", step="here")

    widget = small(refuse)
    widget.compare("1" * 60)
    assert widget.outcome["sentence"] == "This cannot be compared: the other phone shows a riddle."


# Forms without a kernel


def test_the_text_form_has_all_digits_and_the_result(swapped):
    fresh = scenes.safety_numbers(swapped=True)
    assert "Not compared with Bob's phone yet." in repr(fresh) and "✗" not in repr(fresh)
    verdict(swapped, swapped.shown["digits"])
    text = repr(swapped)
    assert all(group in text for half in swapped.shown["halves"] for group in half["groups"])
    assert text.count("✗") == 13 and "different values" in text


def test_the_still_picture_has_the_digits_and_the_code(honest):
    root = ElementTree.fromstring(honest._svg())
    words = " ".join(e.text or "" for e in root.iter("{http://www.w3.org/2000/svg}text"))
    assert all(group in words for half in honest.shown["halves"] for group in half["groups"])
    [picture] = root.iter("{http://www.w3.org/2000/svg}image")
    assert picture.get("href") == honest.shown["qr"]


def test_the_page_gets_hashes_and_no_identity_key(honest):
    held = honest._compare.__closure__
    keys = [v for cell in held for v in _flat(cell.cell_contents) if isinstance(v, bytes)]
    assert len(keys) >= 2
    assert not [key for key in keys if key.hex() in str(honest.shown)]


def _flat(value):
    return value if isinstance(value, tuple) else (value,)
