"""The Double Ratchet with clear and with encrypted headers: order, loss, forgery, limits."""

import random
from dataclasses import FrozenInstanceError, dataclass, replace
from types import MappingProxyType

import pytest

from x3dhlab import header_encryption, observe, primitives, ratchet
from x3dhlab.errors import (
    DecryptionFailed,
    LowOrderKey,
    Malformed,
    NotReadyToSend,
    OldMessage,
    Refused,
    TooManySkipped,
    WrongLength,
    WrongType,
)
from x3dhlab.keys import KeyPair
from x3dhlab.primitives import AES_256_GCM, CBC_HMAC
from x3dhlab.ratchet import MAX_AGE, MAX_SKIP, MAX_STORED
from x3dhlab.wire import Header, HiddenHeaderMessage, Message

AD = b"associated data"
SK = b"\x07" * 32


def plain_pair(aead=CBC_HMAC, secret=SK):
    SPK_B = KeyPair.generate()
    alice = ratchet.State.initiator(secret, SPK_B.public, aead=aead)
    return alice, ratchet.State.responder(secret, SPK_B, aead=aead)


def hidden_pair(aead=CBC_HMAC, secret=SK):
    SPK_B = KeyPair.generate()
    shared, hka, nhkb = header_encryption.expand(secret)
    alice = header_encryption.State.initiator(shared, SPK_B.public, hka, nhkb, aead=aead)
    return alice, header_encryption.State.responder(shared, SPK_B, hka, nhkb, aead=aead)


class Pair:
    """Two ends whose states move on only when a call succeeds."""

    def __init__(self, module, make, aead):
        self.module = module
        self.states = dict(zip("AB", make(aead), strict=True))

    def send(self, who, text=b"text"):
        self.states[who], message = self.module.encrypt(self.states[who], text, AD)
        return message

    def receive(self, who, message, ad=AD):
        self.states[who], text = self.module.decrypt(self.states[who], message, ad)
        return text

    def exchange(self, *senders):
        for sender in senders:
            message = self.send(sender, sender.encode())
            assert self.receive("AB".replace(sender, ""), message) == sender.encode()


VARIANTS = {"clear headers": (ratchet, plain_pair), "hidden": (header_encryption, hidden_pair)}


@pytest.fixture(params=VARIANTS)
def variant(request):
    return VARIANTS[request.param]


@pytest.fixture(params=[CBC_HMAC, AES_256_GCM], ids=lambda aead: aead.name)
def pair(request, variant):
    return Pair(*variant, request.param)


def altered(data, position=0):
    position %= len(data)
    return data[:position] + bytes([data[position] ^ 1]) + data[position + 1 :]


def test_messages_arrive_in_both_directions(pair):
    pair.exchange(*"AABBBABAAB")


def test_the_responder_cannot_send_before_the_first_message(pair):
    with pytest.raises(NotReadyToSend):
        pair.send("B")


def test_every_order_of_arrival_decrypts_each_message_once(pair):
    """A48: late messages of a previous chain, swapped ones, and duplicates."""
    pair.exchange("A", "B")
    shuffled = random.Random(5)
    expected, waiting = set(), []
    for number in range(120):
        sender = shuffled.choice("AB")
        text = f"{sender} {number}".encode()
        waiting.append(("AB".replace(sender, ""), pair.send(sender, text)))
        expected.add(text)
        if shuffled.random() < 0.5:
            receiver, message = waiting.pop(shuffled.randrange(len(waiting)))
            expected.remove(pair.receive(receiver, message))
            with pytest.raises(Refused):
                pair.receive(receiver, message)
    shuffled.shuffle(waiting)
    for receiver, message in waiting:
        expected.remove(pair.receive(receiver, message))
    assert not expected
    assert all(not state.MKSKIPPED for state in pair.states.values())


def test_messages_three_one_two_two_open_once_each(pair):
    """A48, as the catalogue has it."""
    first, second, third = (pair.send("A", text) for text in (b"1", b"2", b"3"))
    assert [pair.receive("B", message) for message in (third, first, second)] == [b"3", b"1", b"2"]
    with pytest.raises((OldMessage, DecryptionFailed)):
        pair.receive("B", second)


def test_late_messages_of_the_previous_chain_still_open(pair):
    """A48: the number PN in the header saves them."""
    pair.exchange("A", "B")
    late = [pair.send("A", b"late") for _ in range(3)]
    pair.exchange("B")
    pair.exchange("A")
    assert [pair.receive("B", message) for message in late] == [b"late"] * 3


def test_a_forged_message_changes_no_state(pair):
    """A45: work on a copy, commit after the tag."""
    pair.exchange(*"ABA")
    genuine = pair.send("A", b"genuine")
    before = pair.states["B"]
    for position in (0, 5, len(genuine.ciphertext) - 1):
        forged = replace(genuine, ciphertext=altered(genuine.ciphertext, position))
        with pytest.raises(DecryptionFailed):
            pair.receive("B", forged)
    assert pair.states["B"] is before
    assert pair.receive("B", genuine) == b"genuine"


def test_a_state_cannot_be_changed_in_place(pair):
    state = pair.states["A"]
    with pytest.raises(FrozenInstanceError):
        state.Ns = 9
    with pytest.raises(TypeError):
        state.MKSKIPPED[b"", 0] = b"", 0


def test_a_failed_decryption_leaves_the_skipped_keys_alone(pair):
    first, second = pair.send("A", b"1"), pair.send("A", b"2")
    pair.receive("B", second)
    kept = dict(pair.states["B"].MKSKIPPED)
    with pytest.raises(DecryptionFailed):
        pair.receive("B", replace(first, ciphertext=altered(first.ciphertext)))
    assert dict(pair.states["B"].MKSKIPPED) == kept
    assert len(kept) == 1
    assert pair.receive("B", first) == b"1"


def test_a_forged_header_with_a_new_ratchet_key_does_not_brick_the_session():
    """A45: one forged header with a random key."""
    pair = Pair(ratchet, plain_pair, CBC_HMAC)
    pair.exchange(*"ABA")
    genuine = pair.send("A")
    forged = replace(genuine, header=replace(genuine.header, ratchet_key=KeyPair.generate().public))
    with pytest.raises(DecryptionFailed):
        pair.receive("B", forged)
    assert pair.receive("B", genuine) == b"text"
    pair.exchange(*"BAB")


@pytest.mark.parametrize("field", ["ratchet_key", "previous_length", "number"])
def test_every_field_of_a_clear_header_is_under_the_tag(field):
    """A47."""
    pair = Pair(ratchet, plain_pair, CBC_HMAC)
    pair.exchange(*"ABA")
    genuine = pair.send("A")
    value = getattr(genuine.header, field)
    value = altered(value) if isinstance(value, bytes) else value + 1
    with pytest.raises(Refused):
        pair.receive("B", replace(genuine, header=replace(genuine.header, **{field: value})))
    assert pair.receive("B", genuine) == b"text"


def test_the_unused_top_bit_of_a_ratchet_key_is_under_the_tag():
    # X25519 ignores bit 255: the DH output is the same, the header is not.
    pair = Pair(ratchet, plain_pair, CBC_HMAC)
    genuine = pair.send("A")
    key = bytearray(genuine.header.ratchet_key)
    key[31] ^= 128
    with pytest.raises(DecryptionFailed):
        pair.receive("B", replace(genuine, header=replace(genuine.header, ratchet_key=bytes(key))))


def test_the_associated_data_is_under_the_tag(pair):
    message = pair.send("A")
    with pytest.raises(DecryptionFailed):
        pair.receive("B", message, ad=AD + b"!")
    assert pair.receive("B", message) == b"text"


def test_no_two_pairs_of_associated_data_and_header_bind_to_the_same_bytes():
    assert ratchet.bind(b"ab", b"c") != ratchet.bind(b"a", b"bc")


def test_a_null_ratchet_key_opens_no_session():
    """A46: a forgery made without any secret, under keys from zero bytes."""
    _, mk = ratchet.kdf_ck(bytes(32))
    header = Header(bytes(32), 0, 0)
    forged = Message(header, primitives.seal(mk, b"forged", ratchet.bind(AD, header.encode())))
    for state in plain_pair():
        with pytest.raises(LowOrderKey):
            ratchet.decrypt(state, forged, AD)


def test_an_initiator_refuses_a_message_under_the_signed_prekey():
    """A46: its own DHr is named before any receiving chain exists."""
    alice, _ = plain_pair()
    header = Header(alice.DHr, 0, 0)
    with pytest.raises(DecryptionFailed):
        ratchet.decrypt(alice, Message(header, bytes(48)), AD)


def test_a_jump_of_max_skip_is_accepted_and_one_more_is_refused(pair):
    """A44: the work that a header can cause is bounded."""
    for _ in range(MAX_SKIP):
        pair.send("A")
    last, beyond = pair.send("A", b"last"), pair.send("A", b"beyond")
    before = pair.states["B"]
    with pytest.raises(TooManySkipped) as refusal:
        pair.receive("B", beyond)
    assert refusal.value.data["jump"] == MAX_SKIP + 1
    assert pair.states["B"] is before
    assert pair.receive("B", last) == b"last"
    assert pair.receive("B", beyond) == b"beyond"


def count_operations(action):
    seen = []
    with observe.listen(seen.append):
        action()
    return len(seen)


@pytest.mark.parametrize("field", ["number", "previous_length"])
def test_a_forged_jump_costs_no_work(field):
    """A44: refused before the first HMAC of the chain."""
    pair = Pair(ratchet, plain_pair, CBC_HMAC)
    pair.exchange(*"ABA")
    header = replace(pair.send("A").header, **{field: 2_000_000})
    if field == "previous_length":
        header = replace(header, ratchet_key=KeyPair.generate().public)

    def attempt():
        with pytest.raises(TooManySkipped):
            pair.receive("B", Message(header, bytes(48)))

    assert count_operations(attempt) <= 2


def test_the_store_of_skipped_keys_is_bounded_and_the_oldest_go():
    pair = Pair(ratchet, plain_pair, CBC_HMAC)
    lost = []
    while len(lost) <= MAX_STORED:
        lost += [pair.send("A") for _ in range(MAX_SKIP)]
        pair.receive("B", pair.send("A"))
    assert len(pair.states["B"].MKSKIPPED) == MAX_STORED
    with pytest.raises(OldMessage):
        pair.receive("B", lost[0])
    assert pair.receive("B", lost[-1]) == b"text"


def test_a_skipped_key_is_discarded_after_max_age_messages():
    """A55: a key for a message that never comes must not wait for a thief for ever."""
    pair = Pair(ratchet, plain_pair, CBC_HMAC)
    lost = pair.send("A")
    for _ in range(MAX_AGE):
        pair.receive("B", pair.send("A"))
    assert len(pair.states["B"].MKSKIPPED) == 1
    for _ in range(2):
        pair.receive("B", pair.send("A"))
    assert len(pair.states["B"].MKSKIPPED) == 0
    with pytest.raises(OldMessage):
        pair.receive("B", lost)


def test_whoever_steals_a_state_reads_a_skipped_message_until_its_key_goes():
    """A55: the retained key is what the attack needs."""
    pair = Pair(ratchet, plain_pair, CBC_HMAC)
    lost = pair.send("A", b"recorded by the network")
    pair.receive("B", pair.send("A"))
    stolen = pair.states["B"]
    _, text = ratchet.decrypt(stolen, lost, AD)
    assert text == b"recorded by the network"
    without = replace(stolen, MKSKIPPED=MappingProxyType({}))
    with pytest.raises(OldMessage):
        ratchet.decrypt(without, lost, AD)


def test_a_copied_sending_state_uses_a_message_key_twice():
    """A49: with a derived nonce both ciphertexts carry the same keystream under GCM."""
    alice, bob = plain_pair(AES_256_GCM)
    _, one = ratchet.encrypt(alice, b"attack at dawn", AD)
    _, two = ratchet.encrypt(alice, b"retreat at six", AD)
    assert one.header == two.header
    difference = bytes(a ^ b for a, b in zip(one.ciphertext[:14], two.ciphertext, strict=False))
    assert difference == bytes(
        a ^ b for a, b in zip(b"attack at dawn", b"retreat at six", strict=True)
    )
    bob, _ = ratchet.decrypt(bob, one, AD)
    with pytest.raises(OldMessage):
        ratchet.decrypt(bob, two, AD)


def test_a_stolen_state_is_useless_after_a_round_trip(pair):
    pair.exchange(*"AB")
    stolen = pair.states["B"]
    pair.exchange(*"ABAB")
    message = pair.send("A")
    with pytest.raises(Refused):
        pair.module.decrypt(stolen, message, AD)
    assert pair.receive("B", message) == b"text"


@pytest.mark.parametrize("position", range(32))
def test_every_byte_of_the_root_key_and_the_dh_output_matters_for_kdf_rk(position):
    rk, dh = bytes(32), b"\x01" * 32
    root, chain = ratchet.kdf_rk(rk, dh)
    for changed in (
        ratchet.kdf_rk(altered(rk, position), dh),
        ratchet.kdf_rk(rk, altered(dh, position)),
        ratchet.kdf_rk(rk, dh, info=altered(ratchet.INFO, position)),
    ):
        assert changed[0] != root
        assert changed[1] != chain


@pytest.mark.parametrize("position", range(32))
def test_every_byte_of_the_chain_key_matters_for_both_outputs_of_kdf_ck(position):
    ck = bytes(range(32))
    before, after = ratchet.kdf_ck(ck), ratchet.kdf_ck(altered(ck, position))
    assert before[0] != after[0]
    assert before[1] != after[1]
    assert before[0] != before[1]


@dataclass(frozen=True)
class Run:
    """Everything that the keys of a conversation's second chain may depend on."""

    secret: bytes = SK
    prekey: bytes = b"\x11" * 32
    alice: bytes = b"\x12" * 32
    bob: bytes = b"\x13" * 32
    info: bytes = ratchet.INFO

    def keys(self):
        """(RK, CKs, MK) of Bob after Alice's first message."""
        SPK_B, key, answer = map(KeyPair.from_private, (self.prekey, self.alice, self.bob))
        alice = ratchet.State.initiator(self.secret, SPK_B.public, ratchet_key=key, info=self.info)
        bob = ratchet.State.responder(self.secret, SPK_B, info=self.info)
        _, message = ratchet.encrypt(alice, b"", AD)
        bob, _ = ratchet.decrypt(bob, message, AD, ratchet_key=answer)
        return bob.RK, bob.CKs, ratchet.kdf_ck(bob.CKs)[1]


@pytest.mark.parametrize("name", ["secret", "prekey", "alice", "bob", "info"])
def test_every_input_of_a_conversation_matters_for_rk_ck_and_mk(name):
    before = Run().keys()
    changed = altered(getattr(Run(), name), 9)
    after = replace(Run(), **{name: changed}).keys()
    assert all(one != other for one, other in zip(before, after, strict=True))


def test_equal_inputs_give_equal_keys():
    # The control of the test above: keys differ because an input did, not by chance.
    assert Run().keys() == Run().keys()


MUTATIONS = {
    "swapped constants": lambda ck: tuple(
        primitives.hmac_sha256(ck, constant) for constant in (b"\x01", b"\x02")
    ),
    "a chain that stands still": lambda ck: (ck, primitives.hmac_sha256(ck, b"\x01")),
    "one key for both": lambda ck: (primitives.hmac_sha256(ck, b"\x01"),) * 2,
}


@pytest.mark.parametrize("mutation", MUTATIONS)
def test_a_mistake_that_both_sides_share_is_seen_by_the_known_answer(mutation):
    """Mutation control: both ends would still understand each other."""
    correct = ratchet.kdf_ck(bytes(32))
    assert MUTATIONS[mutation](bytes(32)) != correct


def test_a_one_sided_mistake_is_seen_by_the_other_side(variant, monkeypatch):
    """Mutation control: the round trip can fail."""
    pair = Pair(*variant, CBC_HMAC)
    message = pair.send("A")
    monkeypatch.setattr(ratchet, "kdf_ck", MUTATIONS["swapped constants"])
    with pytest.raises(DecryptionFailed):
        pair.receive("B", message)


@pytest.mark.parametrize("secret", [b"", bytes(31), bytes(33)])
def test_a_shared_secret_of_another_length_is_refused(variant, secret):
    _, make = variant
    with pytest.raises(WrongLength):
        make(CBC_HMAC, secret)


WRONG = [None, 7, "text", b"bytes", (), object()]


@pytest.mark.parametrize("wrong", WRONG, ids=lambda value: type(value).__name__)
def test_arguments_of_another_type_are_refused(pair, wrong):
    message = pair.send("A")
    with pytest.raises(WrongType):
        pair.module.encrypt(wrong, b"text", AD)
    with pytest.raises(WrongType):
        pair.module.decrypt(wrong, message, AD)
    with pytest.raises(WrongType):
        pair.module.decrypt(pair.states["B"], wrong, AD)
    if not isinstance(wrong, bytes):
        with pytest.raises(WrongType):
            pair.module.encrypt(pair.states["A"], wrong, AD)
        with pytest.raises(WrongType):
            pair.module.encrypt(pair.states["A"], b"text", wrong)


def test_the_message_types_of_the_variants_are_not_confused():
    clear, hidden = (
        Pair(ratchet, plain_pair, CBC_HMAC),
        Pair(header_encryption, hidden_pair, CBC_HMAC),
    )
    with pytest.raises(WrongType):
        clear.receive("B", hidden.send("A"))
    with pytest.raises(WrongType):
        hidden.receive("B", clear.send("A"))
    with pytest.raises(Malformed):
        HiddenHeaderMessage.decode(clear.send("A").encode())


def test_no_secret_of_a_state_shows_in_its_repr(pair):
    pair.send("A")
    pair.exchange("A")
    for state in pair.states.values():
        secrets = [state.RK, state.CKs, state.CKr, state.DHs.private]
        secrets += [mk for mk, _ in state.MKSKIPPED.values()]
        secrets += [getattr(state, name, None) for name in ("HKs", "HKr", "NHKs", "NHKr")]
        for secret in filter(None, secrets):
            assert repr(secret) not in repr(state)
            assert secret.hex() not in repr(state)


def test_the_work_per_message_does_not_grow_with_the_conversation(pair):
    pair.exchange("A", "B")
    early = count_operations(lambda: pair.exchange("A", "A", "B"))
    for _ in range(60):
        pair.exchange("A", "B", "B")
    assert count_operations(lambda: pair.exchange("A", "A", "B")) == early
