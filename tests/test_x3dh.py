"""X3DH: vectors, an independent implementation, and what happens when one input differs."""

import asyncio
import json
from dataclasses import replace
from pathlib import Path

import pytest
import x3dh as other
from x3dh.crypto_provider import HashFunction
from x3dh.identity_key_pair import IdentityKeyPairPriv
from x3dh.types import Bundle, IdentityKeyFormat

from x3dhlab import errors, primitives, trace, x3dh
from x3dhlab.errors import BadSignature, LowOrderKey, UnknownPreKey, WrongLength, WrongType
from x3dhlab.keys import KeyPair
from x3dhlab.primitives import dh, sign
from x3dhlab.wire import InitialMessage, PreKeyBundle, encode_key

FACTS = Path(__file__).parent / "vectors" / "facts.json"
INFO = b"MyProtocol"


def load(path):
    vectors = json.loads(path.read_text()).get("x3dh")
    if not vectors:
        raise ValueError("the vector file holds no x3dh vector")
    return {vector["name"]: vector for vector in vectors}


VECTORS = load(FACTS)


def run(vector):
    """Both sides of the handshake that a vector describes: their agreements."""

    def pair(name):
        value = KeyPair.from_private(bytes.fromhex(vector[name]))
        public = vector.get(f"{name}_public")
        return replace(value, public=bytes.fromhex(public)) if public else value

    ik_a, ek_a, ik_b, spk_b = map(pair, ("ik_a", "ek_a", "ik_b", "spk_b"))
    opk_b = pair("opk_b") if vector["opk_b"] else None
    signer = pair("signer" if "signer" in vector else "ik_b")
    signature = sign(signer.private, encode_key(spk_b.public))
    bundle = PreKeyBundle(ik_b.public, 1, spk_b.public, signature)
    if opk_b:
        bundle = replace(bundle, one_time_prekey_id=2, one_time_prekey=opk_b.public)
    info = vector["info"].encode()
    message, ours = x3dh.initiate(ik_a, bundle, ephemeral=ek_a, info=info)
    return ours, x3dh.respond(ik_b, spk_b, opk_b, message, info=info)


@pytest.mark.parametrize("vector", VECTORS.values(), ids=VECTORS)
def test_the_handshake_has_the_outcome_of_the_vector(vector):
    if "error" in vector:
        with pytest.raises(getattr(errors, vector["error"])):
            run(vector)
    else:
        ours, theirs = run(vector)
        assert ours == theirs
        assert ours.secret.hex() == vector["outcome"]
        assert len(ours.dh) == (4 if vector["opk_b"] else 3)


def test_the_loader_refuses_a_file_without_vectors(tmp_path):
    empty = tmp_path / "empty.json"
    empty.write_text('{"x3dh": []}')
    with pytest.raises(ValueError, match="no x3dh vector"):
        load(empty)


# An independent implementation: the package `X3DH`


class Other(other.BaseState):
    """The other library, with the encoding that the specification recommends."""

    @staticmethod
    def _encode_public_key(key_format, pub):
        return b"\x05" + pub

    @classmethod
    def make(cls, one_time):
        state = cls.create(
            IdentityKeyFormat.CURVE_25519,
            HashFunction.SHA_256,
            INFO,
            IdentityKeyPairPriv(KeyPair.generate().private),
        )
        state.generate_pre_keys(one_time)
        return state


def to_other(bundle):
    one_time = [bundle.one_time_prekey] if bundle.one_time_prekey else []
    return Bundle(
        identity_key=bundle.identity_key,
        signed_pre_key=bundle.signed_prekey,
        signed_pre_key_sig=bundle.signed_prekey_signature,
        pre_keys=frozenset(one_time),
    )


def from_other(bundle):
    one_time = next(iter(bundle.pre_keys), None)
    return PreKeyBundle(
        bundle.identity_key,
        1,
        bundle.signed_pre_key,
        bundle.signed_pre_key_sig,
        None if one_time is None else 2,
        one_time,
    )


def agree_with_the_other_as_responder(one_time):
    bob = Other.make(one_time)
    bundle = from_other(bob.bundle)
    message, ours = x3dh.initiate(KeyPair.generate(), bundle, info=INFO)
    header = other.Header(
        identity_key=message.identity_key,
        ephemeral_key=message.ephemeral_key,
        signed_pre_key=bundle.signed_prekey,
        pre_key=bundle.one_time_prekey,
    )
    secret, data, _ = asyncio.run(bob.get_shared_secret_passive(header, require_pre_key=False))
    return (ours.secret, ours.associated_data), (secret, data)


def agree_with_the_other_as_initiator(one_time):
    IK_B, SPK_B = KeyPair.generate(), KeyPair.generate()
    OPK_B = KeyPair.generate() if one_time else None
    signature = sign(IK_B.private, encode_key(SPK_B.public))
    bundle = PreKeyBundle(IK_B.public, 1, SPK_B.public, signature)
    if OPK_B:
        bundle = replace(bundle, one_time_prekey_id=2, one_time_prekey=OPK_B.public)
    call = Other.make(0).get_shared_secret_active(to_other(bundle), require_pre_key=False)
    secret, data, header = asyncio.run(call)
    message = InitialMessage(
        header.identity_key, header.ephemeral_key, 1, bundle.one_time_prekey_id
    )
    ours = x3dh.respond(IK_B, SPK_B, OPK_B, message, info=INFO)
    return (ours.secret, ours.associated_data), (secret, data)


DIRECTIONS = [agree_with_the_other_as_responder, agree_with_the_other_as_initiator]


@pytest.mark.parametrize("agree", DIRECTIONS)
@pytest.mark.parametrize("one_time", [0, 1])
def test_another_implementation_gets_the_same_bytes(agree, one_time):
    for _ in range(10):
        ours, theirs = agree(one_time)
        assert ours == theirs


WRONG_KDFS = {
    "no F": lambda dhs, *, info: real_hkdf(b"".join(dhs), info),
    "F of 57 bytes": lambda dhs, *, info: real_hkdf(b"\xff" * 57 + b"".join(dhs), info),
    "DH2 before DH1": lambda dhs, *, info: real_hkdf(
        x3dh.F + b"".join([dhs[1], dhs[0], *dhs[2:]]), info
    ),
    "last DH left out": lambda dhs, *, info: real_hkdf(x3dh.F + b"".join(dhs[:-1]), info),
    "no info": lambda dhs, *, info: real_hkdf(x3dh.F + b"".join(dhs), b""),
    "F as salt": lambda dhs, *, info: real_hkdf(b"".join(dhs), info, salt=x3dh.F),
}


def real_hkdf(ikm, info, salt=bytes(32)):
    return primitives.hkdf(ikm, salt=salt, info=info, length=32)


@pytest.mark.parametrize("wrong", WRONG_KDFS)
@pytest.mark.parametrize("agree", DIRECTIONS)
def test_a_wrong_kdf_is_symmetric_but_the_other_implementation_notices(
    wrong, agree, monkeypatch, cast
):
    monkeypatch.setattr(x3dh, "derive", WRONG_KDFS[wrong])
    message, ours = cast.initiate()
    assert ours.secret == cast.respond(message).secret
    (secret, _), (expected, _) = agree(1)
    assert secret != expected


def test_wrong_associated_data_is_symmetric_but_the_other_implementation_notices(monkeypatch, cast):
    monkeypatch.setattr(x3dh, "associated_data", lambda a, b: a + b)
    message, ours = cast.initiate()
    assert ours.associated_data == cast.respond(message).associated_data
    (_, data), (_, expected) = agree_with_the_other_as_responder(1)
    assert data != expected


# Every input matters


def flipped(pair):
    """Another key pair: bit 3 of the private key, which clamping leaves alone, is flipped."""
    return KeyPair.from_private(bytes([pair.private[0] ^ 8]) + pair.private[1:])


def other_input(cast, name):
    if name == "info":
        return replace(cast, info=cast.info + b"!")
    if name == "no OPK_B":
        return cast.without_one_time_prekey()
    cast = replace(cast, **{name: flipped(getattr(cast, name))})
    return replace(cast, signer=cast.IK_B)


INPUTS = ["IK_A", "EK_A", "IK_B", "SPK_B", "OPK_B", "info", "no OPK_B"]


@pytest.mark.parametrize("name", INPUTS)
def test_another_input_gives_another_secret(cast, name):
    _, right = cast.initiate()
    changed = other_input(cast, name)
    message, wrong = changed.initiate()
    assert wrong.secret != right.secret
    assert changed.respond(message) == wrong


@pytest.mark.parametrize("name", ["IK_A", "IK_B"])
def test_another_identity_gives_other_associated_data(cast, name):
    _, right = cast.initiate()
    _, wrong = other_input(cast, name).initiate()
    assert wrong.associated_data != right.associated_data


@pytest.mark.parametrize("name", INPUTS)
def test_a_responder_with_another_input_gets_another_secret(cast, name):
    message, right = cast.initiate()
    wrong = other_input(cast, name)
    if name in ("IK_A", "EK_A"):
        key = {"IK_A": "identity_key", "EK_A": "ephemeral_key"}[name]
        message = replace(message, **{key: getattr(wrong, name).public})
    if name == "no OPK_B":
        message = replace(message, one_time_prekey_id=None)
    assert wrong.respond(message).secret != right.secret


def test_each_dh_output_and_its_place_matter():
    dhs = tuple(bytes([i]) * 32 for i in range(1, 5))
    orders = [dhs, dhs[:3], dhs[::-1], (dhs[1], dhs[0], *dhs[2:])]
    orders += [(*dhs[:i], b"\x09" * 32, *dhs[i + 1 :]) for i in range(4)]
    secrets = {x3dh.derive(order) for order in orders}
    assert len(secrets) == len(orders)


def test_the_four_results_are_those_of_the_specification(cast):
    _, agreement = cast.initiate()
    assert agreement.dh == (
        dh(cast.IK_A.private, cast.SPK_B.public),
        dh(cast.EK_A.private, cast.IK_B.public),
        dh(cast.EK_A.private, cast.SPK_B.public),
        dh(cast.EK_A.private, cast.OPK_B.public),
    )
    expected = encode_key(cast.IK_A.public) + encode_key(cast.IK_B.public)
    assert agreement.associated_data == expected


def test_the_message_names_the_keys_and_has_no_payload(cast):
    message, _ = cast.initiate()
    assert message == InitialMessage(cast.IK_A.public, cast.EK_A.public, 7, 9)


def test_a_fresh_ephemeral_key_is_made_for_each_handshake(cast):
    bundle = cast.bundle()
    secrets = {x3dh.initiate(cast.IK_A, bundle)[1].secret for _ in range(3)}
    assert len(secrets) == 3


# Refusals


def refused_before_any_dh(cast, bundle, error):
    with trace.record() as recorded, pytest.raises(error) as caught:
        x3dh.initiate(cast.IK_A, bundle, ephemeral=cast.EK_A)
    assert "§" in caught.value.step
    assert [event.kind for event in recorded.events if event.kind in ("DH", "HKDF")] == []
    return recorded


def test_a_bundle_whose_signature_fails_is_refused_before_any_dh(cast):
    bundle = cast.bundle()
    forged = KeyPair.generate().public
    for change in (
        {"signed_prekey": forged},
        {"identity_key": forged},
        {"signed_prekey_signature": bytes(64)},
        {"signed_prekey_signature": sign(cast.IK_B.private, cast.SPK_B.public)},
        {"signed_prekey": bytes(32)},
    ):
        recorded = refused_before_any_dh(cast, replace(bundle, **change), BadSignature)
        assert recorded.events[-1].kind == "VERIFY"
        assert recorded.events[-1].error == "BadSignature"


def test_the_control_run_with_a_good_signature_does_compute_a_dh(cast):
    with trace.record() as recorded:
        cast.initiate()
    assert [event.kind for event in recorded.events].count("DH") == 4


def test_every_bit_of_the_signed_prekey_is_signed(cast):
    bundle = cast.bundle()
    for bit in range(256):
        key = bytearray(bundle.signed_prekey)
        key[bit // 8] ^= 1 << bit % 8
        with pytest.raises(BadSignature):
            x3dh.check_bundle(replace(bundle, signed_prekey=bytes(key)))


LOW_ORDER = (1).to_bytes(32, "little")


def test_low_order_keys_from_the_wire_are_refused_on_both_sides(cast):
    with pytest.raises(LowOrderKey):
        x3dh.initiate(cast.IK_A, replace(cast.bundle(), one_time_prekey=LOW_ORDER))
    message, _ = cast.initiate()
    for name in ("identity_key", "ephemeral_key"):
        with pytest.raises(LowOrderKey):
            cast.respond(replace(message, **{name: LOW_ORDER}))


def test_bob_and_the_message_must_agree_on_the_one_time_prekey(cast):
    message, _ = cast.initiate()
    with pytest.raises(UnknownPreKey):
        cast.without_one_time_prekey().respond(message)
    with pytest.raises(UnknownPreKey):
        cast.respond(replace(message, one_time_prekey_id=None))


@pytest.mark.parametrize("half", ["one_time_prekey", "one_time_prekey_id"])
def test_a_bundle_with_half_a_one_time_prekey_is_refused(cast, half):
    refused_before_any_dh(cast, replace(cast.bundle(), **{half: None}), UnknownPreKey)


def test_values_of_another_type_are_refused_by_name(cast):
    message, _ = cast.initiate()
    pairs = cast.IK_B, cast.SPK_B, cast.OPK_B
    calls = [
        lambda: x3dh.check_bundle(b"bundle"),
        lambda: x3dh.initiate(b"key", cast.bundle()),
        lambda: x3dh.initiate(cast.IK_A, cast.bundle().encode()),
        lambda: x3dh.initiate(cast.IK_A, cast.bundle(), ephemeral=bytes([1]) * 32),
        lambda: x3dh.initiate(cast.IK_A, cast.bundle(), info="text"),
        lambda: x3dh.initiate(cast.IK_A, replace(cast.bundle(), identity_key="text")),
        lambda: x3dh.respond(*pairs, message.encode()),
        lambda: x3dh.respond(b"key", *pairs[1:], message),
        lambda: x3dh.respond(pairs[0], None, pairs[2], message),
        lambda: x3dh.respond(*pairs[:2], b"key", message),
        lambda: x3dh.derive(["text", b"", b""]),
    ]
    for call in calls:
        with pytest.raises(WrongType) as caught:
            call()
        assert "§" in caught.value.step


def test_derive_takes_three_or_four_outputs_of_32_bytes():
    for wrong in ((), [b"\x01" * 32] * 2, [b"\x01" * 32] * 5, [b"\x01" * 31] * 3):
        with pytest.raises(WrongLength):
            x3dh.derive(wrong)
