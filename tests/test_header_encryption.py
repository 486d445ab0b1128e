"""What only the variant with header encryption promises; `test_ratchet` runs the rest over both."""

from dataclasses import replace

import pytest

from x3dhlab import header_encryption, primitives, trace
from x3dhlab.errors import DecryptionFailed, Refused, TooManySkipped, WrongLength
from x3dhlab.header_encryption import State, decrypt, encrypt, expand
from x3dhlab.keys import KeyPair
from x3dhlab.ratchet import MAX_SKIP, bind
from x3dhlab.wire import Header, HiddenHeaderMessage

AD = b"associated data"


def start(secret=b"\x07" * 32):
    SPK_B = KeyPair.generate()
    SK, hka, nhkb = expand(secret)
    return State.initiator(SK, SPK_B.public, hka, nhkb), State.responder(SK, SPK_B, hka, nhkb)


def converse(alice, bob, rounds=1):
    """Each side sends one message and receives one, `rounds` times."""
    for _ in range(rounds):
        alice, message = encrypt(alice, b"question", AD)
        bob, _ = decrypt(bob, message, AD)
        bob, message = encrypt(bob, b"answer", AD)
        alice, _ = decrypt(alice, message, AD)
    return alice, bob


def test_the_header_keys_of_the_two_sides_mirror_each_other():
    alice, bob = start()
    assert (alice.HKs, alice.HKr, alice.NHKr) == (bob.NHKr, None, bob.NHKs)
    assert (bob.HKs, bob.HKr) == (None, None)
    alice, bob = converse(alice, bob, rounds=2)
    assert (alice.HKr, alice.NHKr) == (bob.HKs, bob.NHKs)
    alice, message = encrypt(alice, b"text", AD)
    bob, _ = decrypt(bob, message, AD)
    assert (alice.HKs, alice.NHKs) == (bob.HKr, bob.NHKr)


def test_nobody_on_the_way_sees_the_ratchet_key_or_the_numbers():
    alice, bob = converse(*start())
    seen = set()
    for _ in range(20):
        alice, message = encrypt(alice, b"text", AD)
        assert alice.DHs.public not in message.encode()
        seen.add(message.header[:16])
        seen.add(message.nonce)
    assert len(seen) == 40


def test_all_hidden_headers_have_the_same_length():
    alice, _ = start()
    lengths = set()
    for _ in range(300):
        alice, message = encrypt(alice, b"text", AD)
        lengths.add(len(message.header))
    assert len(lengths) == 1


def test_a_header_key_serves_one_chain_and_is_then_replaced():
    alice, bob = start()
    keys = []
    for _ in range(4):
        keys.append(alice.HKs)
        alice, bob = converse(alice, bob)
    assert len(set(keys)) == 4


@pytest.mark.parametrize("field", ["nonce", "header", "ciphertext"])
def test_every_part_of_a_message_is_authenticated(field):
    alice, bob = converse(*start())
    alice, message = encrypt(alice, b"text", AD)
    value = getattr(message, field)
    for position in (0, len(value) - 1):
        forged = value[:position] + bytes([value[position] ^ 1]) + value[position + 1 :]
        with pytest.raises(DecryptionFailed):
            decrypt(bob, replace(message, **{field: forged}), AD)
    assert decrypt(bob, message, AD)[1] == b"text"


def test_the_header_of_one_message_does_not_fit_the_text_of_another():
    alice, bob = converse(*start())
    alice, one = encrypt(alice, b"one", AD)
    alice, two = encrypt(alice, b"two", AD)
    mixed = HiddenHeaderMessage(one.nonce, one.header, two.ciphertext)
    with pytest.raises(DecryptionFailed):
        decrypt(bob, mixed, AD)


def test_a_stranger_cannot_cause_any_skipping():
    """A44: without the header key, a forged jump is not even read."""
    alice, bob = converse(*start())
    jump = Header(KeyPair.generate().public, 0, 2_000_000).encode()
    nonce = bytes(16)
    sealed = primitives.seal(b"\x01" * 32, jump, b"", nonce=nonce)
    with pytest.raises(DecryptionFailed):
        decrypt(bob, HiddenHeaderMessage(nonce, sealed, bytes(48)), AD)


def test_a_jump_by_whoever_holds_the_header_key_is_bounded():
    alice, bob = converse(*start())
    header = Header(alice.DHs.public, alice.PN, MAX_SKIP + 1).encode()
    nonce = bytes(16)
    sealed = primitives.seal(alice.HKs, header, b"", nonce=nonce)
    with pytest.raises(TooManySkipped):
        decrypt(bob, HiddenHeaderMessage(nonce, sealed, bytes(48)), AD)


def test_skipped_messages_of_several_chains_are_found_by_their_header_keys():
    alice, bob = converse(*start())
    late = []
    for number in range(3):
        alice, message = encrypt(alice, b"late %d" % number, AD)
        late.append(message)
        alice, bob = converse(alice, bob)
    assert len({key for key, _ in bob.MKSKIPPED}) == 3
    for number, message in reversed(list(enumerate(late))):
        bob, text = decrypt(bob, message, AD)
        assert text == b"late %d" % number
    assert not bob.MKSKIPPED


@pytest.mark.parametrize("position", range(3))
def test_every_shared_secret_matters(position):
    SPK_B = KeyPair.generate()
    ours, theirs = list(expand(bytes(32))), list(expand(bytes(32)))
    theirs[position] = bytes(32)
    SK, hka, nhkb = ours
    alice = State.initiator(SK, SPK_B.public, hka, nhkb)
    SK, hka, nhkb = theirs
    bob = State.responder(SK, SPK_B, hka, nhkb)
    with pytest.raises(Refused):
        converse(alice, bob)


def test_the_three_expanded_secrets_differ_and_depend_on_the_handshake():
    assert len(set(expand(bytes(32)) + expand(b"\x01" * 32))) == 6
    with pytest.raises(WrongLength):
        expand(bytes(31))


@pytest.mark.parametrize("position", range(32))
def test_every_byte_of_both_inputs_matters_for_all_three_outputs_of_kdf_rk(position):
    def flip(value):
        return value[:position] + bytes([value[position] ^ 1]) + value[position + 1 :]

    rk, dh = bytes(32), b"\x01" * 32
    before = header_encryption.kdf_rk(rk, dh)
    for after in (
        header_encryption.kdf_rk(flip(rk), dh),
        header_encryption.kdf_rk(rk, flip(dh)),
    ):
        assert all(one != other for one, other in zip(before, after, strict=True))


def test_the_first_two_outputs_are_those_of_the_same_hkdf_without_a_header_key():
    # HKDF's first 64 bytes do not depend on its length: the variants differ by info alone.
    from x3dhlab import ratchet

    rk, dh = bytes(32), b"\x01" * 32
    hidden = header_encryption.kdf_rk(rk, dh, info=b"same")
    assert hidden[:2] == ratchet.kdf_rk(rk, dh, info=b"same")


def test_the_associated_data_binds_nonce_and_hidden_header():
    alice, _ = start()
    with trace.record() as run:
        _, message = encrypt(alice, b"text", AD)
    (text,) = [
        event for event in run.events if event.kind == "SEAL" and event.inputs[1][1] == b"text"
    ]
    assert text.inputs[2][1] == bind(AD, message.nonce + message.header)


def test_an_encoded_message_survives_the_wire():
    alice, bob = start()
    _, message = encrypt(alice, b"text", AD)
    arrived = HiddenHeaderMessage.decode(message.encode())
    assert decrypt(bob, arrived, AD)[1] == b"text"
