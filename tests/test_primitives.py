"""The operations against vectors, another library, and bad input."""

import json
import random
from pathlib import Path

import pytest
import xeddsa
from hypothesis import given
from hypothesis import strategies as st

from x3dhlab import errors, primitives
from x3dhlab.errors import (
    BadSignature,
    DecryptionFailed,
    InvalidField,
    LowOrderKey,
    TooLarge,
    WrongLength,
    WrongType,
)
from x3dhlab.primitives import AES_256_GCM, CBC_HMAC

FACTS = Path(__file__).parent / "vectors" / "facts.json"


def load(path, group):
    """The vectors of one group: name → vector. A vector's `outcome` is a value or an error."""
    vectors = json.loads(path.read_text()).get(group)
    if not vectors:
        raise ValueError(f"the vector file holds no {group} vector")
    return {vector["name"]: vector for vector in vectors}


def each(group):
    vectors = load(FACTS, group)
    return pytest.mark.parametrize("vector", vectors.values(), ids=vectors)


def unhex(vector, *names):
    return [bytes.fromhex(vector[name]) for name in names]


def test_the_loader_refuses_a_file_without_vectors(tmp_path):
    empty = tmp_path / "empty.json"
    for text in ("{}", '{"signatures": []}'):
        empty.write_text(text)
        with pytest.raises(ValueError, match="no signatures vector"):
            load(empty, "signatures")


@each("dh")
def test_dh_has_the_outcome_of_the_vector(vector):
    private, public = unhex(vector, "private", "public")
    if "error" in vector:
        with pytest.raises(getattr(errors, vector["error"])) as caught:
            primitives.dh(private, public)
        assert caught.value.step == "RFC 7748 §6.1"
    else:
        assert primitives.dh(private, public).hex() == vector["outcome"]


@each("signatures")
def test_verification_has_the_outcome_of_the_vector(vector):
    public, message, signature = unhex(vector, "public", "message", "signature")
    if "error" in vector:
        with pytest.raises(getattr(errors, vector["error"])):
            primitives.verify(public, message, signature)
    else:
        primitives.verify(public, message, signature)


@each("signing")
def test_signing_gives_the_signature_of_the_vector(vector):
    private, message, nonce = unhex(vector, "private", "message", "nonce")
    assert primitives.public_key(private).hex() == vector["public"]
    assert primitives.sign(private, message, nonce=nonce).hex() == vector["outcome"]


# XEdDSA against the PyPI package of that name


def clamped(key):
    return bytes([key[0] & 248]) + key[1:31] + bytes([key[31] & 127 | 64])


def natural_sign(private):
    return xeddsa.priv_to_ed25519_pub(private)[31] >> 7


def random_keys(count):
    generator = random.Random(25519)
    return [clamped(generator.randbytes(32)) for _ in range(count)]


def theirs(private, message, nonce):
    return xeddsa.ed25519_priv_sign(xeddsa.priv_force_sign(private, False), message, nonce)


def test_signatures_equal_those_of_the_other_library_where_it_reduces_the_scalar():
    # With sign 0 that library hashes the clamped key unreduced: the nonce r differs, no more.
    keys = [key for key in random_keys(100) if natural_sign(key) == 1]
    assert len(keys) > 30
    for key in keys:
        nonce = primitives.hmac_sha256(key, b"nonce") * 2
        assert primitives.sign(key, b"message", nonce=nonce) == theirs(key, b"message", nonce)


def test_each_library_accepts_the_signatures_of_the_other():
    signs = set()
    for key in random_keys(100):
        signs.add(natural_sign(key))
        public = primitives.public_key(key)
        message = key[:5]
        primitives.verify(public, message, theirs(key, message, bytes(64)))
        edwards = xeddsa.curve25519_pub_to_ed25519_pub(public, False)
        assert xeddsa.ed25519_verify(primitives.sign(key, message), edwards, message)
    assert signs == {0, 1}


def test_each_library_refuses_what_the_other_did_not_sign():
    for key in random_keys(20):
        public = primitives.public_key(key)
        with pytest.raises(BadSignature):
            primitives.verify(public, b"other", theirs(key, b"message", bytes(64)))
        edwards = xeddsa.curve25519_pub_to_ed25519_pub(public, False)
        assert not xeddsa.ed25519_verify(primitives.sign(key, b"message"), edwards, b"other")


def test_dh_agrees_with_the_other_library():
    keys = random_keys(40)
    for private, other in zip(keys, reversed(keys), strict=True):
        public = primitives.public_key(other)
        assert primitives.dh(private, public) == xeddsa.x25519(private, public)
        assert public == xeddsa.priv_to_curve25519_pub(other)


@given(st.binary(min_size=32, max_size=32), st.binary(max_size=200), st.integers(0, 511))
def test_a_signature_with_one_bit_flipped_is_refused(private, message, bit):
    signature = bytearray(primitives.sign(private, message))
    primitives.verify(primitives.public_key(private), message, bytes(signature))
    signature[bit // 8] ^= 1 << bit % 8
    with pytest.raises(BadSignature):
        primitives.verify(primitives.public_key(private), message, bytes(signature))


def test_two_signatures_of_one_message_differ():
    assert primitives.sign(b"\x01" * 32, b"m") != primitives.sign(b"\x01" * 32, b"m")


def test_a_point_on_the_twist_has_no_signatures():
    # u = 2 is no point of the curve, so no Edwards point belongs to it.
    with pytest.raises(BadSignature):
        primitives.verify((2).to_bytes(32, "little"), b"m", bytes(64))


# Bad input


KEY = b"\x07" * 32
BAD_CALLS = {
    "dh, text as private key": (WrongType, lambda: primitives.dh("k" * 32, KEY)),
    "dh, bytearray as private key": (WrongType, lambda: primitives.dh(bytearray(KEY), KEY)),
    "dh, None as public key": (WrongType, lambda: primitives.dh(KEY, None)),
    "dh, short private key": (WrongLength, lambda: primitives.dh(KEY[:31], KEY)),
    "dh, long public key": (WrongLength, lambda: primitives.dh(KEY, KEY + b"\x05")),
    "public key of a short key": (WrongLength, lambda: primitives.public_key(b"")),
    "sign, short key": (WrongLength, lambda: primitives.sign(KEY[1:], b"m")),
    "sign, text": (WrongType, lambda: primitives.sign(KEY, "m")),
    "sign, short nonce": (WrongLength, lambda: primitives.sign(KEY, b"m", nonce=bytes(32))),
    "verify, short signature": (WrongLength, lambda: primitives.verify(KEY, b"m", bytes(63))),
    "verify, text": (WrongType, lambda: primitives.verify(KEY, "m", bytes(64))),
    "verify, encoded key": (WrongLength, lambda: primitives.verify(b"\x05" + KEY, b"", bytes(64))),
    "hkdf, no salt": (WrongType, lambda: primitives.hkdf(b"", salt=None, info=b"", length=32)),
    "hkdf, text info": (WrongType, lambda: primitives.hkdf(b"", salt=b"", info="i", length=32)),
    "hkdf, too long": (InvalidField, lambda: primitives.hkdf(b"", salt=b"", info=b"", length=8161)),
    "hkdf, nothing": (InvalidField, lambda: primitives.hkdf(b"", salt=b"", info=b"", length=0)),
    "hmac, text": (WrongType, lambda: primitives.hmac_sha256(KEY, "data")),
    "seal, short key": (WrongLength, lambda: primitives.seal(KEY[1:], b"", b"")),
    "seal, text": (WrongType, lambda: primitives.seal(KEY, "text", b"")),
    "seal, other AEAD": (WrongType, lambda: primitives.seal(KEY, b"", b"", aead="AES")),
    "seal, short nonce": (WrongLength, lambda: primitives.seal(KEY, b"", b"", nonce=bytes(12))),
    "open, text": (WrongType, lambda: primitives.open_sealed(KEY, "text", b"")),
    "open, text as data": (WrongType, lambda: primitives.open_sealed(KEY, b"", "data")),
}


@pytest.mark.parametrize("name", BAD_CALLS)
def test_bad_input_raises_its_own_error_with_the_step(name):
    error, call = BAD_CALLS[name]
    with pytest.raises(error) as caught:
        call()
    assert "§" in caught.value.step


@pytest.mark.parametrize(
    "call",
    [
        lambda: primitives.concat(b"a", "b"),
        lambda: primitives.concat(b"a", bytearray(b"b")),
        lambda: primitives.split("abcd", 2, 2),
        lambda: primitives.split(b"abcd", 2, 2.0),
        lambda: primitives.random_bytes("32"),
        lambda: primitives.forget("secret"),
    ],
)
def test_secrets_are_joined_cut_and_made_as_bytes_only(call):
    with pytest.raises(WrongType):
        call()


def test_split_cuts_exactly_or_not_at_all():
    assert primitives.split(b"abcdef", 2, 3, 1) == (b"ab", b"cde", b"f")
    with pytest.raises(WrongLength):
        primitives.split(b"abcdef", 2, 3)
    with pytest.raises(InvalidField):
        primitives.split(b"abcd", -1, 5)


def test_a_plaintext_above_the_limit_is_refused():
    with pytest.raises(TooLarge) as caught:
        primitives.seal(KEY, bytes(primitives.PLAINTEXT_LIMIT + 1), b"")
    assert caught.value.data["limit"] == primitives.PLAINTEXT_LIMIT


# Authenticated encryption

AEADS = pytest.mark.parametrize("aead", [CBC_HMAC, AES_256_GCM], ids=lambda aead: aead.name)


@AEADS
@given(st.binary(max_size=100), st.binary(max_size=40), st.none() | st.just(b"n" * 16))
def test_what_is_sealed_opens_with_the_same_arguments(aead, plaintext, data, nonce):
    sealed = primitives.seal(KEY, plaintext, data, aead=aead, nonce=nonce)
    assert primitives.open_sealed(KEY, sealed, data, aead=aead, nonce=nonce) == plaintext


@AEADS
def test_every_altered_argument_is_noticed(aead):
    sealed = primitives.seal(KEY, b"text", b"data", aead=aead)
    right = {"key": KEY, "ciphertext": sealed, "associated_data": b"data", "nonce": None}
    wrong = [
        {"key": b"\x08" * 32},
        {"associated_data": b"datb"},
        {"associated_data": b""},
        {"nonce": bytes(16)},
        {"ciphertext": b""},
        {"ciphertext": sealed + b"\x00"},
    ]
    wrong += [{"ciphertext": sealed[:length]} for length in range(len(sealed))]
    wrong += [
        {"ciphertext": sealed[:i] + bytes([sealed[i] ^ 1]) + sealed[i + 1 :]}
        for i in range(len(sealed))
    ]
    for change in wrong:
        with pytest.raises(DecryptionFailed):
            primitives.open_sealed(**{**right, **change}, aead=aead)


def test_the_two_constructions_never_share_a_key():
    with pytest.raises(DecryptionFailed):
        sealed = primitives.seal(KEY, b"text", b"", aead=CBC_HMAC)
        primitives.open_sealed(KEY, sealed, b"", aead=AES_256_GCM)


# Randomness


def test_one_seed_gives_one_stream_and_ends_with_the_block():
    def stream(seed):
        with primitives.deterministic(seed):
            assert primitives.is_deterministic()
            return primitives.random_bytes(32), primitives.random_bytes(32)

    assert stream("a") == stream("a") == stream(b"a")
    assert len({*stream("a"), *stream("b"), *stream(1)}) == 6
    assert not primitives.is_deterministic()
    assert primitives.random_bytes(32) != primitives.random_bytes(32)


def test_several_byte_strings_name_one_point():
    # RFC 7748 §5: bit 255 is ignored. The course shows this instead of hiding it.
    public = primitives.public_key(KEY)
    twin = public[:31] + bytes([public[31] | 128])
    assert primitives.dh(KEY, public) == primitives.dh(KEY, twin)
    with pytest.raises(InvalidField):
        primitives.check_canonical(twin, "key")


def test_a_low_order_key_is_refused_whatever_the_private_key():
    for private in random_keys(20):
        with pytest.raises(LowOrderKey) as caught:
            primitives.dh(private, bytes(32))
        assert private.hex() not in str(caught.value) + repr(caught.value.data)


# RFC 9106 §5.3


def rfc_9106(**changed):
    inputs = {
        "salt": b"\x02" * 16,
        "memory_kib": 32,
        "passes": 3,
        "lanes": 4,
        "secret": b"\x03" * 8,
        "associated_data": b"\x04" * 12,
    }
    return primitives.argon2id(b"\x01" * 32, **(inputs | changed)).hex()


def test_argon2id_gives_the_tag_of_the_rfc():
    tag = "0d640df58d78766c08c037a34a8b53c9d01ef0452d75b65eb52520e96b01e659"
    assert rfc_9106() == tag != rfc_9106(passes=4)


def test_argon2id_refuses_a_cost_that_the_rfc_does_not_allow():
    for changed in ({"passes": 0}, {"memory_kib": 8}, {"salt": b"short"}):
        with pytest.raises(InvalidField):
            rfc_9106(**changed)
