"""What lesson 02 claims: which bits count, which bytes are signed, which keys are refused."""

import pytest

from x3dhlab import scenes
from x3dhlab.attacks import low_order, signing
from x3dhlab.attacks.low_order import LOW_ORDER, ladder
from x3dhlab.errors import BadSignature, LowOrderKey
from x3dhlab.keys import KeyPair
from x3dhlab.primitives import deterministic, dh, random_bytes, sign, verify
from x3dhlab.wire import encode_key


def uncounted_bits(half):
    experiment = scenes.flip_a_key_bit()
    experiment.set(half=half)
    found = []
    for bit in range(256):
        experiment.set(bit=bit)
        if "same" in experiment.outcome["sentence"]:
            found.append(bit)
    return found


def test_five_bits_of_a_private_key_do_not_count_and_one_of_a_public_key():
    assert uncounted_bits("private") == [0, 1, 2, 254, 255]
    assert uncounted_bits("public") == [255]


def test_no_single_bit_of_a_signed_prekey_or_its_signature_can_change():
    pair, signed = KeyPair.generate(), encode_key(KeyPair.generate().public)
    both = signed + sign(pair.private, signed)
    for bit in range(8 * len(both)):
        damaged = (int.from_bytes(both, "big") ^ 1 << bit).to_bytes(len(both), "big")
        with pytest.raises(BadSignature):
            verify(pair.public, damaged[:33], damaged[33:])
    verify(pair.public, both[:33], both[33:])
    assert 8 * len(both) == 776


def test_the_ladder_agrees_with_the_library_and_lacks_its_refusal():
    a, b = KeyPair.generate(), KeyPair.generate()
    assert ladder(a.private, b.public) == dh(a.private, b.public)
    assert ladder(a.private, low_order.with_bit_255(b.public)) == dh(a.private, b.public)
    for key in LOW_ORDER.values():
        assert ladder(a.private, key) == bytes(32)
        with pytest.raises(LowOrderKey):
            dh(a.private, key)


def test_the_ladder_without_clamping_uses_the_scalar_as_it_is():
    base = (9).to_bytes(32, "little")
    assert ladder((1).to_bytes(32, "little"), base, clamp=False) == base
    assert ladder((1).to_bytes(32, "little"), base) != base


def claim(signed=signing.ENCODED):
    """Only the client that checks 33 bytes and stops is both reachable and safe."""
    good = [name for name, falls in signing.clients(signed).items() if falls == [False, False]]
    return good == ["checks 33 bytes, stop"]


def test_only_the_client_that_checks_the_signed_bytes_and_stops_is_reachable_and_safe():
    assert claim()


def test_the_claim_about_clients_fails_when_bob_signs_other_bytes():
    assert not claim(signing.RAW)


def test_the_claim_about_clients_fails_for_a_verifier_that_accepts_everything(monkeypatch):
    monkeypatch.setattr(signing, "verify", lambda *_: None)
    assert not claim()


def test_who_goes_on_after_a_bad_signature_uses_a_key_that_the_server_reads_later():
    meeting = signing.meet(signing.RAW, signing.GO_ON, forged=True)
    assert (meeting.bob_reads, meeting.read_later) == ("", signing.TEXT.decode())
    assert signing.meet(signing.RAW, signing.GO_ON).read_later == ""


def test_the_experiment_with_two_teams_runs_again_at_every_change():
    experiment = scenes.signed_bytes()
    assert "cannot be reached" in experiment.outcome["sentence"]
    experiment.set(on_failure="go on")
    assert experiment.outcome["sentence"] == "Alice writes, and Bob reads."
    experiment.set(server="exchanges Bob's prekeys")
    assert experiment.outcome["verdict"] == "falls"
    experiment.set(on_failure="stop", checked=signing.ENCODED)
    assert experiment.outcome["sentence"].startswith("Alice stops")


def test_a_message_from_nobody_is_read_unless_the_output_is_checked():
    assert low_order.refusals() == {
        "no check": 0,
        "the key is not 32 zeros": 1,
        "the key is not on a list of seven": 7,
        "the output is not zero": len(LOW_ORDER),
    }


def test_a_random_key_without_owner_opens_nothing():
    contact = low_order.write_as_nobody(KeyPair.generate().public, "no check")
    assert contact.read == ""
    assert contact.secret != low_order.public_secret()


def test_the_message_from_nobody_runs_again_at_every_change():
    experiment = scenes.write_as_nobody()
    assert experiment.outcome["verdict"] == "falls"
    experiment.set(check="the key is not 32 zeros")
    assert experiment.outcome["verdict"] == "holds"
    experiment.set(key="0, bit 255 set")
    assert experiment.outcome["verdict"] == "falls"
    experiment.set(check="the output is not zero")
    assert experiment.outcome["verdict"] == "holds"


def signed_twice(make):
    pair, nonce = KeyPair.generate(), random_bytes(64)
    pairs = [(text, make(pair.private, text, nonce)) for text in (b"one", b"two")]
    for text, signature in pairs:
        verify(pair.public, text, signature)
    return pair, pairs


def test_two_signatures_with_one_nonce_give_the_key_for_both_jobs():
    pair, pairs = signed_twice(signing.careless_sign)
    a = signing.recover_scalar(pair.public, *pairs)
    verify(pair.public, b"forged", signing.sign_with_scalar(a, b"forged", 7))
    peer = KeyPair.generate()
    scalar = a.to_bytes(32, "little")
    assert ladder(scalar, peer.public, clamp=False) == dh(pair.private, peer.public)


def test_the_specified_signer_gives_nothing_away_when_its_random_bytes_repeat():
    pair, pairs = signed_twice(lambda k, text, nonce: sign(k, text, nonce=nonce))
    assert signing.recover_scalar(pair.public, *pairs) is None


def test_one_message_signed_twice_gives_nothing_away():
    pair, nonce = KeyPair.generate(), random_bytes(64)
    same = (b"one", signing.careless_sign(pair.private, b"one", nonce))
    assert signing.recover_scalar(pair.public, same, same) is None


def test_a_strict_verifier_refuses_a_libsignal_signature_exactly_when_its_bit_is_set():
    for n in range(12):
        with deterministic(f"dialect {n}"):
            pair = KeyPair.generate()
            made = signing.sign_as_libsignal(pair.private, b"m", random_bytes(64))
        if made[63] & 128:
            with pytest.raises(BadSignature):
                verify(pair.public, b"m", made)
        else:
            verify(pair.public, b"m", made)


def test_the_published_libsignal_signature_is_refused_and_has_the_bit_set():
    parts = [bytes.fromhex(signing.LIBSIGNAL[name]) for name in ("public", "message", "signature")]
    assert parts[2][63] & 128
    with pytest.raises(BadSignature):
        verify(*parts)


def test_a_signature_over_33_bytes_never_fits_the_last_32_of_them():
    for _ in range(5):
        pair, prekey = KeyPair.generate(), KeyPair.generate().public
        with pytest.raises(BadSignature):
            verify(pair.public, prekey, sign(pair.private, encode_key(prekey)))
