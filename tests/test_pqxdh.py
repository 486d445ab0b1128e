"""PQXDH: both sides agree, every input matters, and nothing can be stripped or swapped."""

import inspect
from dataclasses import replace

import pytest

from x3dhlab import kem, pqxdh, primitives, wire, x3dh
from x3dhlab.errors import (
    BadKemKey,
    BadSignature,
    InvalidField,
    LowOrderKey,
    MissingKemPreKey,
    UnknownPreKey,
    WrongLength,
    WrongType,
)
from x3dhlab.kem import KemKeyPair
from x3dhlab.keys import KeyPair

IK_A, IK_B, SPK_B, OPK_B = (KeyPair.from_private(bytes([i]) * 32) for i in range(1, 5))
EK_A = KeyPair.from_private(b"\x05" * 32)


def kem_pair(algorithm="ML-KEM-768", seed=b"\x06" * 64):
    return kem.get(algorithm).generate(seed=seed)


PQPK_B = kem_pair()


def bundle_of(pair=PQPK_B, one_time=True):
    encoded = wire.encode_kem(pair.algorithm, pair.public)
    return wire.PreKeyBundle(
        identity_key=IK_B.public,
        signed_prekey_id=1,
        signed_prekey=SPK_B.public,
        signed_prekey_signature=primitives.sign(IK_B.private, wire.encode_key(SPK_B.public)),
        one_time_prekey_id=2 if one_time else None,
        one_time_prekey=OPK_B.public if one_time else None,
        kem_prekey_id=3,
        kem_prekey=encoded,
        kem_prekey_signature=primitives.sign(IK_B.private, encoded),
    )


def respond(message, pair=PQPK_B, opk=OPK_B, ik=IK_B, spk=SPK_B, **options):
    return pqxdh.respond(ik, spk, opk, pair, message, **options)


@pytest.mark.parametrize("algorithm", kem.SIZES)
@pytest.mark.parametrize("one_time", [True, False], ids=["one-time key", "no one-time key"])
def test_both_sides_agree_on_the_secret_and_the_associated_data(algorithm, one_time):
    pair = kem_pair(algorithm)
    message, ours = pqxdh.initiate(IK_A, bundle_of(pair, one_time))
    theirs = respond(message, pair, OPK_B if one_time else None)
    assert ours == theirs
    assert len(ours.secret) == 32
    assert len(ours.dh) == 3 + one_time
    assert ours.associated_data == wire.encode_key(IK_A.public) + wire.encode_key(IK_B.public)


def test_the_message_names_every_prekey_that_was_used():
    message, _ = pqxdh.initiate(IK_A, bundle_of())
    used = message.signed_prekey_id, message.one_time_prekey_id, message.kem_prekey_id
    assert used == (1, 2, 3)
    assert message.payload == b""
    assert wire.InitialMessage.decode(message.encode()) == message


def test_the_kdf_input_ends_with_the_kem_secret():
    message, agreement = pqxdh.initiate(IK_A, bundle_of(), ephemeral=EK_A, coins=bytes(32))
    _, SS = kem.get("ML-KEM-768").encapsulate(PQPK_B.public, coins=bytes(32))
    key_material = b"\xff" * 32 + b"".join(agreement.dh) + SS
    expected = primitives.hkdf(
        key_material,
        salt=bytes(32),
        info=b"x3dhlab_CURVE25519_SHA-256_ML-KEM-768",
        length=32,
    )
    assert agreement.secret == expected


def test_chosen_keys_and_coins_make_the_handshake_a_function():
    def run():
        return pqxdh.initiate(IK_A, bundle, ephemeral=EK_A, coins=bytes(32))

    bundle = bundle_of()
    assert run() == run()


def flip(data, position=0):
    return data[:position] + bytes([data[position] ^ 1]) + data[position + 1 :]


@pytest.mark.parametrize("changed", ["DH1", "DH2", "DH3", "DH4", "SS", "info", "no DH4"])
def test_every_input_of_derive_matters(changed):
    names = ("DH1", "DH2", "DH3", "DH4")
    dhs = {name: bytes([i]) * 32 for i, name in enumerate(names)}
    SS, info = b"\x09" * 32, pqxdh.info_for("ML-KEM-768")
    before = pqxdh.derive(tuple(dhs.values()), SS, info=info)
    if changed in dhs:
        dhs[changed] = flip(dhs[changed], 31)
    elif changed == "no DH4":
        del dhs["DH4"]
    elif changed == "SS":
        SS = flip(SS, 31)
    else:
        info = pqxdh.info_for("ML-KEM-1024")
    assert pqxdh.derive(tuple(dhs.values()), SS, info=info) != before


def test_the_order_of_the_dh_outputs_matters():
    dhs = tuple(bytes([i]) * 32 for i in range(4))
    info = pqxdh.info_for("ML-KEM-768")
    assert pqxdh.derive(dhs, bytes(32), info=info) != pqxdh.derive(dhs[::-1], bytes(32), info=info)


OTHER = KeyPair.from_private(b"\x0a" * 32)
INPUTS = {
    "IK_B": {"ik": OTHER},
    "SPK_B": {"spk": OTHER},
    "OPK_B": {"opk": OTHER},
    "PQPK_B": {"pair": kem_pair(seed=b"\x0b" * 64)},
    "info": {"info": b"another application"},
}


@pytest.mark.parametrize("name", INPUTS)
def test_every_key_of_the_responder_matters_for_the_secret(name):
    message, ours = pqxdh.initiate(IK_A, bundle_of())
    assert respond(message).secret == ours.secret
    assert respond(message, **INPUTS[name]).secret != ours.secret


@pytest.mark.parametrize("name", ["identity_key", "ephemeral_key", "kem_ciphertext"])
def test_every_field_of_the_message_matters_for_the_secret(name):
    message, ours = pqxdh.initiate(IK_A, bundle_of())
    altered = replace(message, **{name: flip(getattr(message, name))})
    assert respond(altered).secret != ours.secret


def test_both_identity_keys_matter_for_the_associated_data():
    message, ours = pqxdh.initiate(IK_A, bundle_of())
    altered = replace(message, identity_key=OTHER.public)
    assert respond(altered).associated_data != ours.associated_data
    assert respond(message, ik=OTHER).associated_data != ours.associated_data


def test_x3dh_with_the_same_keys_gives_another_secret():
    """A10: the two protocols cannot be taken for one another."""
    classical = replace(bundle_of(), kem_prekey_id=None, kem_prekey=None, kem_prekey_signature=None)
    _, pq = pqxdh.initiate(IK_A, bundle_of(), ephemeral=EK_A)
    _, ec = x3dh.initiate(IK_A, classical, ephemeral=EK_A)
    assert pq.dh == ec.dh
    assert pq.secret != ec.secret


KEM_FIELDS = ("kem_prekey_id", "kem_prekey", "kem_prekey_signature")


@pytest.mark.parametrize("stripped", [KEM_FIELDS, *[(name,) for name in KEM_FIELDS]], ids=str)
def test_a_bundle_without_its_kem_prekey_is_refused(stripped):
    """A10: no silent fallback to X3DH."""
    bundle = replace(bundle_of(), **dict.fromkeys(stripped))
    with pytest.raises(MissingKemPreKey):
        pqxdh.initiate(IK_A, bundle)


def test_a_message_without_its_kem_ciphertext_is_refused():
    """A10, the other direction."""
    message, _ = pqxdh.initiate(IK_A, bundle_of())
    stripped = replace(message, kem_prekey_id=None, kem_ciphertext=None)
    for pair in (PQPK_B, None):
        with pytest.raises(MissingKemPreKey):
            respond(stripped, pair)


def test_an_unsigned_kem_prekey_is_refused():
    """A11: the server's own KEM key would give it SS."""
    mallory = kem_pair(seed=b"\x0c" * 64)
    encoded = wire.encode_kem(mallory.algorithm, mallory.public)
    with pytest.raises(BadSignature):
        pqxdh.initiate(IK_A, replace(bundle_of(), kem_prekey=encoded))


def test_a_kem_prekey_signed_by_somebody_else_is_refused():
    """A11."""
    mallory = kem_pair(seed=b"\x0c" * 64)
    encoded = wire.encode_kem(mallory.algorithm, mallory.public)
    signature = primitives.sign(OTHER.private, encoded)
    with pytest.raises(BadSignature):
        pqxdh.initiate(
            IK_A, replace(bundle_of(), kem_prekey=encoded, kem_prekey_signature=signature)
        )


def test_the_signature_covers_the_type_byte():
    # A signature over the bare key would let the server rename ML-KEM to Kyber.
    bare = primitives.sign(IK_B.private, PQPK_B.public)
    with pytest.raises(BadSignature):
        pqxdh.check_bundle(replace(bundle_of(), kem_prekey_signature=bare))


def test_a_kem_key_cannot_be_relabelled():
    """A39: same length, other algorithm."""
    relabelled = wire.encode_kem("Kyber-768", PQPK_B.public)
    with pytest.raises(BadSignature):
        pqxdh.initiate(IK_A, replace(bundle_of(), kem_prekey=relabelled))


def test_kyber_labelled_ml_kem_by_its_owner_gives_two_secrets_and_no_error():
    """A39: only the first authenticated message shows it."""
    kyber = kem_pair("Kyber-768", seed=b"\x0d" * 64)
    message, ours = pqxdh.initiate(IK_A, bundle_of(KemKeyPair("ML-KEM-768", b"", kyber.public)))
    theirs = respond(message, kyber)
    assert ours.secret != theirs.secret


def test_a_prekey_of_one_kind_is_no_prekey_of_the_other_kind():
    # PQXDH §2.1 wants disjoint encodings: Sig(SPK) must never pass for Sig(PQPK).
    bundle = bundle_of()
    swapped = replace(
        bundle,
        kem_prekey=wire.encode_key(SPK_B.public),
        kem_prekey_signature=bundle.signed_prekey_signature,
    )
    with pytest.raises(InvalidField):
        pqxdh.initiate(IK_A, swapped)


def test_no_two_encodings_begin_with_the_same_byte():
    kinds = [wire.EC_TYPE, *wire.KEM_TYPES.values()]
    assert len(set(kinds)) == len(kinds)


def test_a_flipped_ciphertext_bit_gives_another_secret_and_no_error():
    """A38: implicit rejection is no success."""
    message, ours = pqxdh.initiate(IK_A, bundle_of())
    altered = replace(message, kem_ciphertext=flip(message.kem_ciphertext, 500))
    assert respond(altered).secret != ours.secret


@pytest.mark.parametrize(
    ("message_has", "responder_has"), [(True, False), (False, True)], ids=["named", "not named"]
)
def test_the_sides_must_agree_on_the_one_time_prekey(message_has, responder_has):
    message, _ = pqxdh.initiate(IK_A, bundle_of(one_time=message_has))
    with pytest.raises(UnknownPreKey):
        respond(message, opk=OPK_B if responder_has else None)


def test_a_forged_signed_prekey_is_refused():
    with pytest.raises(BadSignature):
        pqxdh.initiate(IK_A, replace(bundle_of(), signed_prekey=OTHER.public))


def test_a_low_order_one_time_prekey_is_refused():
    with pytest.raises(LowOrderKey):
        pqxdh.initiate(IK_A, replace(bundle_of(), one_time_prekey=bytes(32)))


def test_a_signed_kem_key_that_is_none_is_refused():
    encoded = wire.encode_kem("ML-KEM-768", b"\xff" * 1184)
    signed = primitives.sign(IK_B.private, encoded)
    with pytest.raises(BadKemKey):
        pqxdh.initiate(IK_A, replace(bundle_of(), kem_prekey=encoded, kem_prekey_signature=signed))


def test_a_signed_kem_key_of_another_length_is_refused():
    encoded = wire.encode_kem("ML-KEM-768", bytes(100))
    signed = primitives.sign(IK_B.private, encoded)
    with pytest.raises(WrongLength):
        pqxdh.initiate(IK_A, replace(bundle_of(), kem_prekey=encoded, kem_prekey_signature=signed))


@pytest.mark.parametrize("wrong", [None, 7, "text", b"bytes", ()], ids=lambda v: type(v).__name__)
def test_arguments_of_another_type_are_refused(wrong):
    message, _ = pqxdh.initiate(IK_A, bundle_of())
    calls = [
        lambda: pqxdh.initiate(wrong, bundle_of()),
        lambda: pqxdh.initiate(IK_A, wrong),
        lambda: respond(wrong),
        lambda: respond(message, pair=wrong),
        lambda: respond(message, ik=wrong),
        lambda: respond(message, spk=wrong),
    ]
    for call in calls:
        with pytest.raises(WrongType):
            call()


def test_the_functions_stand_in_the_same_order_as_in_x3dh():
    def names(module):
        functions = inspect.getmembers(module, inspect.isfunction)
        own = [f for _, f in functions if f.__module__ == module.__name__]
        return [f.__name__ for f in sorted(own, key=lambda f: f.__code__.co_firstlineno)]

    shared = [name for name in names(pqxdh) if name in names(x3dh)]
    assert shared == [name for name in names(x3dh) if name in shared]
    assert shared == ["check_bundle", "initiate", "respond", "derive"]


def test_a_combiner_that_ignores_the_kem_is_seen(monkeypatch):
    """Mutation control (A40): with SS left out, both sides would still agree."""
    honest = pqxdh.initiate(IK_A, bundle_of(), ephemeral=EK_A, coins=bytes(32))[1]
    monkeypatch.setattr(pqxdh, "derive", lambda dhs, SS, *, info: x3dh.derive(dhs, info=info))
    message, ours = pqxdh.initiate(IK_A, bundle_of(), ephemeral=EK_A, coins=bytes(32))
    assert respond(message) == ours
    assert ours.secret != honest.secret
    altered = replace(message, kem_ciphertext=flip(message.kem_ciphertext))
    assert respond(altered).secret == ours.secret
