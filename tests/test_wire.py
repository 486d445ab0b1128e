"""Every message format: exact encodings, strict decoders, fields that tile the bytes."""

import dataclasses
import inspect

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from x3dhlab import wire
from x3dhlab.errors import (
    InvalidField,
    Malformed,
    TooLarge,
    TrailingBytes,
    Truncated,
    UnknownVersion,
    WrongLength,
    WrongType,
)
from x3dhlab.layout import Layout, explain
from x3dhlab.wire import (
    BraidMessage,
    Header,
    HiddenHeaderMessage,
    InitialMessage,
    KemPreKey,
    Message,
    OneTimePreKey,
    PreKeyBundle,
    Publication,
    SparseHeader,
    TripleHeader,
    TripleMessage,
)

KEY, KEY_2, SIGNATURE, NUMBER = b"\x11" * 32, b"\x22" * 32, b"\x33" * 64, 0x01020304
HEADER = Header(KEY, 5, 6)
CHUNK = BraidMessage(3, 1, 2, KEY)
BOTH = TripleHeader(HEADER, SparseHeader(CHUNK, 9))
KEM = KemPreKey(11, b"\x0a" + b"\x44" * 20, SIGNATURE)

EXAMPLES = {
    "one-time prekey": OneTimePreKey(NUMBER, KEY),
    "KEM prekey": KEM,
    "bare bundle": PreKeyBundle(KEY, 7, KEY_2, SIGNATURE),
    "bundle with one-time prekey": PreKeyBundle(KEY, 7, KEY_2, SIGNATURE, 9, KEY),
    "bundle with KEM prekey": PreKeyBundle(
        KEY, 7, KEY_2, SIGNATURE, None, None, 4, b"k", SIGNATURE
    ),
    "full bundle": PreKeyBundle(KEY, 7, KEY_2, SIGNATURE, 9, KEY, 4, b"kem", SIGNATURE),
    "empty publication": Publication(KEY, 7, KEY_2, SIGNATURE),
    "publication": Publication(
        KEY, 7, KEY_2, SIGNATURE, (OneTimePreKey(1, KEY), OneTimePreKey(2, KEY_2)), (KEM,), (KEM,)
    ),
    "bare initial message": InitialMessage(KEY, KEY_2, 7),
    "initial message": InitialMessage(KEY, KEY_2, 7, 9, 4, b"ciphertext", b"payload"),
    "header": HEADER,
    "message": Message(HEADER, b"ciphertext"),
    "message with hidden header": HiddenHeaderMessage(bytes(16), b"header", b"ciphertext"),
    "step of the braid without a chunk": BraidMessage(3, 0),
    "step of the braid": CHUNK,
    "header of the sparse ratchet": SparseHeader(CHUNK, 9),
    "both headers": BOTH,
    "message of the Triple Ratchet": TripleMessage(BOTH, b"ciphertext"),
}

KINDS = [
    kind
    for _, kind in inspect.getmembers(wire, inspect.isclass)
    if issubclass(kind, Layout) and kind is not Layout
]

every_example = pytest.mark.parametrize("message", EXAMPLES.values(), ids=EXAMPLES)
every_kind = pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)


def test_every_kind_of_message_has_an_example():
    assert {type(message) for message in EXAMPLES.values()} == set(KINDS)
    assert len(KINDS) == 12


def test_a_bundle_has_exactly_these_bytes():
    expected = (
        "01 01"
        + "05" + "11" * 32
        + "00000007"
        + "05" + "22" * 32
        + "33" * 64
        + "01" + "00000009" + "05" + "11" * 32
        + "00"
    )  # fmt: skip
    assert EXAMPLES["bundle with one-time prekey"].encode() == bytes.fromhex(expected)


def test_an_initial_message_has_exactly_these_bytes():
    expected = (
        "01 02"
        + "05" + "11" * 32
        + "05" + "22" * 32
        + "00000007"
        + "01" + "00000009"
        + "01" + "00000004" + "0000000a" + b"ciphertext".hex()
        + "00000007" + b"payload".hex()
    )  # fmt: skip
    assert EXAMPLES["initial message"].encode() == bytes.fromhex(expected)


@every_example
def test_what_is_encoded_decodes_to_the_same_message(message):
    assert type(message).decode(message.encode()) == message


@every_example
def test_the_fields_tile_the_encoding_exactly(message):
    encoded, offset = message.encode(), 0
    for field in message.fields():
        assert field.offset == offset
        assert field.value == encoded[offset : offset + field.length]
        assert field.meaning.endswith(".")
        offset += field.length
    assert offset == len(encoded)


@every_example
def test_a_message_cut_at_any_length_is_truncated(message):
    encoded = message.encode()
    for length in range(len(encoded)):
        with pytest.raises(Truncated) as caught:
            type(message).decode(encoded[:length])
        assert "§" in caught.value.step


@every_example
def test_one_byte_too_many_is_refused(message):
    with pytest.raises(TrailingBytes) as caught:
        type(message).decode(message.encode() + b"\x00")
    assert "§" in caught.value.step


@every_example
@pytest.mark.parametrize("wrong", [None, "text", 7, [1], bytearray(3), memoryview(b"abc")])
def test_only_bytes_are_decoded(message, wrong):
    with pytest.raises(WrongType) as caught:
        type(message).decode(wrong)
    assert "§" in caught.value.step


PARTS = (
    OneTimePreKey,
    KemPreKey,
    Header,
    BraidMessage,
    SparseHeader,
    TripleHeader,
)  # parts of other messages carry no version


@pytest.mark.parametrize("message", [m for m in EXAMPLES.values() if type(m) not in PARTS])
def test_every_other_version_and_type_is_refused(message):
    encoded = message.encode()
    assert [field.name for field in message.fields()][:2] == ["version", "type"]
    for position in (0, 1):
        for value in set(range(256)) - {encoded[position]}:
            with pytest.raises(UnknownVersion):
                other = encoded[:position] + bytes([value]) + encoded[position + 1 :]
                type(message).decode(other)


@every_example
def test_a_flag_is_zero_or_one_and_nothing_else(message):
    encoded = message.encode()
    flags = [f for f in message.fields() if f.name.startswith(("has ", "used "))]
    for field in flags:
        for value in range(2, 256):
            other = encoded[: field.offset] + bytes([value]) + encoded[field.offset + 1 :]
            with pytest.raises(InvalidField):
                type(message).decode(other)


@every_example
def test_a_key_of_another_curve_is_refused(message):
    encoded = message.encode()
    for field in message.fields():
        if field.length == 33:
            other = encoded[: field.offset] + b"\x06" + encoded[field.offset + 1 :]
            with pytest.raises(InvalidField):
                type(message).decode(other)


@every_example
def test_a_length_above_its_limit_is_refused_before_any_byte_is_read(message):
    encoded = message.encode()
    for field in message.fields():
        if field.name.endswith((" length", " count")):
            other = encoded[: field.offset] + b"\xff" * 4
            with pytest.raises(TooLarge) as caught:
                type(message).decode(other)
            assert caught.value.data["limit"] < 2**32


@every_example
def test_a_value_of_another_type_is_not_encoded(message):
    there = [f for f in dataclasses.fields(message) if getattr(message, f.name) is not None]
    for field in there:
        for wrong in ("text", 1.5, [1], bytearray(32), True):
            broken = dataclasses.replace(message, **{field.name: wrong})
            with pytest.raises(WrongType) as caught:
                broken.encode()
            assert "§" in caught.value.step


@every_example
def test_a_value_of_another_size_is_not_encoded(message):
    for field in dataclasses.fields(message):
        value = getattr(message, field.name)
        if type(value) is int:
            for wrong in (-1, 2**32):
                with pytest.raises(InvalidField):
                    dataclasses.replace(message, **{field.name: wrong}).encode()
        if type(value) is bytes and len(value) in (32, 64):
            for wrong in (value[1:], value + b"\x00"):
                with pytest.raises(WrongLength):
                    dataclasses.replace(message, **{field.name: wrong}).encode()


@pytest.mark.parametrize("missing", ["one_time_prekey", "one_time_prekey_id", "kem_prekey"])
def test_half_of_an_optional_part_is_not_encoded(missing):
    with pytest.raises(InvalidField):
        dataclasses.replace(EXAMPLES["full bundle"], **{missing: None}).encode()


def test_a_publication_above_the_batch_limit_is_refused():
    keys = tuple(OneTimePreKey(i, KEY) for i in range(wire.BATCH_LIMIT + 1))
    with pytest.raises(TooLarge) as caught:
        Publication(KEY, 7, KEY_2, SIGNATURE, keys).encode()
    assert caught.value.data["limit"] == wire.BATCH_LIMIT


# Arbitrary bytes


@every_kind
@given(data=st.binary(max_size=300))
def test_random_bytes_decode_exactly_or_are_malformed(kind, data):
    decodes_exactly_or_not_at_all(kind, data)


def decodes_exactly_or_not_at_all(kind, data):
    try:
        message = kind.decode(data)
    except Malformed as problem:
        assert "§" in problem.step
        return
    assert message.encode() == data


@st.composite
def mutated(draw, encoded):
    """A valid message with bytes changed, inserted, removed or repeated."""
    data = bytearray(encoded)
    for _ in range(draw(st.integers(1, 4))):
        start = draw(st.integers(0, len(data)))
        end = draw(st.integers(start, min(len(data), start + 8)))
        data[start:end] = draw(st.binary(max_size=8) | st.just(bytes(data[start:end]) * 2))
    return bytes(data)


@every_example
@settings(max_examples=150)
@given(data=st.data())
def test_mutated_messages_decode_exactly_or_are_malformed(message, data):
    changed = data.draw(mutated(message.encode()))
    for kind in (type(message), InitialMessage):
        decodes_exactly_or_not_at_all(kind, changed)


@given(
    identity=st.binary(min_size=32, max_size=32),
    number=st.integers(0, 2**32 - 1),
    one_time=st.none() | st.integers(0, 2**32 - 1),
    kem=st.none() | st.tuples(st.integers(0, 2**32 - 1), st.binary(max_size=wire.KEM_LIMIT)),
    payload=st.binary(max_size=500),
)
def test_any_initial_message_survives_the_wire(identity, number, one_time, kem, payload):
    message = InitialMessage(identity, KEY, number, one_time, *(kem or (None, None)), payload)
    assert InitialMessage.decode(message.encode()) == message


def test_explain_finds_the_kind_and_labels_the_bytes():
    message, fields = explain(EXAMPLES["message"].encode(), InitialMessage, Message)
    assert message == EXAMPLES["message"]
    assert [field.name for field in fields if field.secret] == ["ciphertext"]
    with pytest.raises(UnknownVersion):
        explain(EXAMPLES["full bundle"].encode(), InitialMessage, Message)
    with pytest.raises(Malformed):
        explain(b"")


# Encodings of single keys


def test_encode_ec_is_the_type_byte_and_the_key():
    assert wire.encode_key(KEY) == b"\x05" + KEY
    for wrong, error in ((KEY[1:], WrongLength), (b"\x05" + KEY, WrongLength), ("k", WrongType)):
        with pytest.raises(error) as caught:
            wire.encode_key(wrong)
        assert caught.value.step == "X3DH §2.1"


@pytest.mark.parametrize("algorithm", wire.KEM_TYPES)
def test_decode_kem_undoes_encode_kem(algorithm):
    assert wire.decode_kem(wire.encode_kem(algorithm, b"key")) == (algorithm, b"key")


def test_the_ranges_of_all_key_encodings_are_disjoint():
    kinds = [wire.EC_TYPE, *wire.KEM_TYPES.values()]
    assert len(set(kinds)) == len(kinds)
    assert {len(kind) for kind in kinds} == {1}


@pytest.mark.parametrize(
    ("call", "error"),
    [
        (lambda: wire.encode_kem("Kyber-512", b"key"), InvalidField),
        (lambda: wire.encode_kem("ML-KEM-768", "key"), WrongType),
        (lambda: wire.decode_kem(b""), InvalidField),
        (lambda: wire.decode_kem(b"\x05" + KEY), InvalidField),
        (lambda: wire.decode_kem("key"), WrongType),
    ],
)
def test_a_kem_encoding_that_names_no_kem_is_refused(call, error):
    with pytest.raises(error) as caught:
        call()
    assert caught.value.step == "PQXDH §2.1"
