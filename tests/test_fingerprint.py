"""Safety numbers: libsignal's published vectors, both orders, every input, and what is refused."""

import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from x3dhlab import fingerprint
from x3dhlab.errors import InvalidField, Malformed, UnknownVersion, WrongLength, WrongType
from x3dhlab.fingerprint import MINE, THEIRS, compare, digits, qr_payload, safety_number

VECTOR = json.loads((Path(__file__).parent / "vectors" / "fingerprint_libsignal.json").read_text())
(ALICE, BOB), KEYS = VECTOR["ids"], [bytes.fromhex(key)[1:] for key in VECTOR["keys"]]
SEEN_BY_ALICE = ALICE, KEYS[0], BOB, KEYS[1]
SEEN_BY_BOB = BOB, KEYS[1], ALICE, KEYS[0]
OTHER = bytes(range(32))

keys = some.binary(min_size=32, max_size=32)
names = some.text(min_size=1, max_size=20)


def test_the_published_number_comes_out_on_both_phones():
    assert safety_number(*SEEN_BY_ALICE) == safety_number(*SEEN_BY_BOB) == VECTOR["number"]


def test_the_published_qr_payloads_come_out():
    payloads = [qr_payload(*SEEN_BY_ALICE).hex(), qr_payload(*SEEN_BY_BOB).hex()]
    assert payloads == VECTOR["payloads"]
    assert VECTOR["version"] == fingerprint.VERSION


@settings(max_examples=25)
@given(names, keys, names, keys)
def test_both_phones_show_the_same_and_agree(mine, key, theirs, their_key):
    here, there = (mine, key, theirs, their_key), (theirs, their_key, mine, key)
    number = safety_number(*here)
    assert number == safety_number(*there)
    assert len(number) == 60 and number.isdigit() and number[:30] <= number[30:]
    assert compare(number, *there) == compare(qr_payload(*here), *there) == ()


@settings(max_examples=25)
@given(names, keys, some.integers(0, 255))
def test_every_bit_of_a_key_matters(name, key, bit):
    changed = bytearray(key)
    changed[bit // 8] ^= 1 << bit % 8
    assert digits(name, key) != digits(name, bytes(changed))


@pytest.mark.parametrize("position", range(4))
def test_every_input_matters(position):
    changed = list(SEEN_BY_ALICE)
    changed[position] = OTHER if position % 2 else "+14150000000"
    assert safety_number(*changed) != safety_number(*SEEN_BY_ALICE)
    assert qr_payload(*changed) != qr_payload(*SEEN_BY_ALICE)


def test_every_round_matters(monkeypatch):
    monkeypatch.setattr(fingerprint, "ROUNDS", fingerprint.ROUNDS - 1)
    assert safety_number(*SEEN_BY_ALICE) != VECTOR["number"]


# Who holds another key


SWAPS = {
    "Alice holds another key for Bob": ((ALICE, KEYS[0], BOB, OTHER), SEEN_BY_BOB, (THEIRS,)),
    "Bob holds another key for Alice": (SEEN_BY_ALICE, (BOB, KEYS[1], ALICE, OTHER), (MINE,)),
    "both": ((ALICE, KEYS[0], BOB, OTHER), (BOB, KEYS[1], ALICE, OTHER), (MINE, THEIRS)),
    "nobody": (SEEN_BY_ALICE, SEEN_BY_BOB, ()),
}


@pytest.mark.parametrize("swap", SWAPS)
@pytest.mark.parametrize("show", [safety_number, qr_payload])
def test_a_comparison_says_which_side_differs(swap, show):
    alice, bob, expected = SWAPS[swap]
    assert compare(show(*bob), *alice) == expected


def test_a_number_may_be_typed_with_spaces():
    typed = "\n".join(" ".join(fingerprint.groups(half)) for half in halves(VECTOR["number"]))
    assert compare(typed, *SEEN_BY_ALICE) == ()


def halves(number):
    return number[:30], number[30:]


def test_my_own_payload_shown_back_to_me_is_no_match():
    assert compare(qr_payload(*SEEN_BY_ALICE), *SEEN_BY_ALICE) == (MINE, THEIRS)


# What is refused


def test_another_version_of_the_payload_is_refused():
    with pytest.raises(UnknownVersion) as caught:
        compare(bytes.fromhex(VECTOR["older_payload"]), *SEEN_BY_BOB)
    assert caught.value.data == {"expected": 2, "got": 1}


@pytest.mark.parametrize(
    ("seen", "error"),
    [
        ("1" * 59, WrongLength),
        ("1" * 61, WrongLength),
        ("x" * 60, InvalidField),
        ("١" * 60, InvalidField),
        (b"", Malformed),
        (bytes(74), Malformed),
        (bytes.fromhex(VECTOR["payloads"][0]) + b"!", Malformed),
        (bytes.fromhex(VECTOR["payloads"][0])[:-1], Malformed),
        (None, WrongType),
        (300354, WrongType),
    ],
)
def test_what_is_no_number_and_no_payload_is_refused(seen, error):
    with pytest.raises(error):
        compare(seen, *SEEN_BY_ALICE)


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({0: b"+1415"}, WrongType),
        ({0: ""}, InvalidField),
        ({1: KEYS[0][:31]}, WrongLength),
        ({1: b"\x05" + KEYS[0]}, WrongLength),
        ({1: KEYS[0].hex()}, WrongType),
        ({2: None}, WrongType),
        ({3: b""}, WrongLength),
    ],
)
@pytest.mark.parametrize("function", [safety_number, qr_payload])
def test_a_wrong_name_or_key_is_refused(change, error, function):
    values = [change.get(place, value) for place, value in enumerate(SEEN_BY_ALICE)]
    with pytest.raises(error):
        function(*values)


def test_the_fields_of_a_payload_are_labelled():
    payload = fingerprint.QrPayload.decode(bytes.fromhex(VECTOR["payloads"][0]))
    assert sum(field.length for field in payload.fields()) == 74
    assert [field.name for field in payload.fields() if field.length == 32] == ["local", "remote"]
