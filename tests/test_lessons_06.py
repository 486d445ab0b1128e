"""What lesson 06 claims: sizes, the rules of an inbox, strict reading, and the closing problem."""

import itertools
import random
from dataclasses import replace

import pytest

from x3dhlab import plots, prekeys, scenes
from x3dhlab.attacks import inbox, letterbox
from x3dhlab.errors import (
    BadSignature,
    DecryptionFailed,
    InvalidField,
    TrailingBytes,
    UnknownPreKey,
)
from x3dhlab.keys import KeyPair
from x3dhlab.party import LocalTransport, Party
from x3dhlab.primitives import check_canonical, dh, sign
from x3dhlab.scenes.first_message import _DELIVERIES
from x3dhlab.service.store import PreKeyStore
from x3dhlab.trace import record
from x3dhlab.widgets import Order
from x3dhlab.wire import InitialMessage, encode_key

LENGTHS = (5, 100, 400, 999)


def within_the_claim(lengths):
    """The messages that add at most 5 % to a text of one of these lengths."""
    sizes = scenes.sizes_on_the_wire(lengths)
    return {
        name
        for name, values in sizes.items()
        if any(size <= 1.05 * length for size, length in zip(values, lengths, strict=True))
    }


def test_no_message_under_a_thousand_bytes_stays_within_105_percent():
    assert within_the_claim(LENGTHS) == set()


def test_the_claim_about_sizes_fails_for_longer_texts():
    assert "design E" in within_the_claim((*LENGTHS, 1200))


def test_a_line_of_the_figure_needs_a_size_for_each_length():
    with pytest.raises(ValueError, match="one size for each length"):
        plots.growth((1, 2), {"short": [1]}, claim=("claim", 105), title="")


@pytest.mark.parametrize(("length", "raw", "text"), [(5, 65, 88), (100, 160, 216)])
def test_design_e_adds_60_bytes_and_a_third(length, raw, text):
    sizes = scenes.sizes_on_the_wire((length,))
    assert (sizes["design E"], sizes["design E, base64"]) == ([raw], [text])


def only_sk_stops_both(outcome):
    copy, rewritten = 1, 2
    return (
        not any(outcome["record from SK (X3DH §4.2)"])
        and outcome["record of bytes (design B)"] == [place == rewritten for place in range(4)]
        and outcome["no record"] == [place in (copy, rewritten) for place in range(4)]
        and outcome["burns first (design C)"] == [True, False, False, False]
        and outcome["unknown is none (design B)"] == [False, False, False, True]
    )


def test_a_record_of_bytes_lets_a_rewritten_copy_through_and_a_record_of_sk_does_not():
    assert only_sk_stops_both(inbox.outcomes())


def test_the_claim_about_records_fails_when_the_copy_is_not_rewritten(monkeypatch):
    monkeypatch.setattr(inbox, "rewritten", lambda data: data)
    assert not only_sk_stops_both(inbox.outcomes())


@pytest.mark.parametrize("way", [inbox.with_last_bit, inbox.with_small_point])
def test_a_rewritten_key_is_other_bytes_and_the_same_secret(way):
    pair, other = KeyPair.generate(), KeyPair.generate()
    assert way(pair.public) != pair.public
    assert dh(other.private, way(pair.public)) == dh(other.private, pair.public)
    check_canonical(pair.public, "key")
    with pytest.raises(Exception, match="honest phone"):
        check_canonical(way(pair.public), "key")


def is_refused(value):
    try:
        check_canonical(value, "key")
    except InvalidField:
        return True
    return False


def test_about_one_value_in_16_is_a_key_that_an_honest_phone_can_make():
    rng = random.Random("lesson 06")
    values = [rng.randbytes(31) + bytes([rng.randrange(128)]) for _ in range(2000)]
    honest = [KeyPair.from_private(rng.randbytes(32)).public for _ in range(50)]
    assert 2000 / 20 < 2000 - sum(map(is_refused, values)) < 2000 / 13
    assert not any(map(is_refused, honest))


@pytest.mark.parametrize("record_of", ["SK", "bytes", "none"])
def test_a_replay_with_a_one_time_key_is_refused_under_all_rules(record_of):
    for burn_first, unknown_is_none in itertools.product((False, True), repeat=2):
        rules = inbox.Rules(burn_first, record_of, unknown_is_none)
        assert not inbox.replay(rules, one_time=True).succeeded


def test_the_record_may_be_asked_before_or_after_the_text_is_opened():
    puzzle = Order("06.bob-steps")
    options = puzzle.asked["options"]
    words = ("read", "find", "compute", "ask", "open", "burn")
    read, find, compute, ask, opens, burn = (
        next(number for number, text in enumerate(options) if text.startswith(word))
        for word in words
    )
    assert puzzle.answer([read, find, compute, ask, opens, burn])
    assert puzzle.answer([read, find, compute, opens, ask, burn])
    assert not puzzle.answer([read, find, compute, opens, burn, ask])


def test_a_burnt_key_stops_a_replay_without_any_record():
    rules = inbox.Rules(record="none")
    assert not inbox.replay(rules, one_time=True).succeeded
    assert inbox.replay(rules, one_time=False).succeeded


def test_garbage_burns_nothing_when_the_text_is_opened_first():
    box = inbox.Inbox()
    before = dict(box.ring.one_time)
    for number in before:
        with pytest.raises(DecryptionFailed):
            box.receive(inbox.garbage(number))
    assert dict(box.ring.one_time) == before


def test_a_message_without_the_number_of_the_signed_prekey_is_lost_after_a_rotation():
    box = inbox.Inbox()
    message = InitialMessage.decode(inbox.write(box.bundle()))
    box.ring = prekeys.rotate(box.ring)
    with pytest.raises(DecryptionFailed):
        box.receive(replace(message, signed_prekey_id=box.ring.current).encode())
    assert box.receive(message.encode()) == inbox.TEXT


def test_an_unknown_number_has_its_own_error():
    box = inbox.Inbox()
    message = InitialMessage.decode(inbox.write(box.bundle()))
    with pytest.raises(UnknownPreKey):
        box.receive(replace(message, one_time_prekey_id=inbox.NEVER_MADE).encode())


def test_only_who_took_part_has_the_key_in_the_log():
    refused, read = (inbox.hidden_downgrade(inbox.Rules(unknown_is_none=x)) for x in (False, True))
    assert "Alice's log says" in refused.facts and "Bob's log says" not in refused.facts
    assert read.facts["Bob's log says"] == read.facts["Alice's log says"]


def test_only_a_transaction_survives_a_power_cut():
    lost, kept = {"one-time keys": 0, "sessions": 0}, {"one-time keys": 1, "sessions": 1}
    before = {"one-time keys": 1, "sessions": 0}
    assert inbox.power_cut(("burn", "store"), together=False) == lost
    assert inbox.power_cut(("store", "burn"), together=False) == kept
    for steps in (("burn", "store"), ("store", "burn")):
        assert inbox.power_cut(steps, together=True) == before


def test_no_flipped_bit_of_a_first_message_is_accepted():
    found = inbox.every_flipped_bit()
    assert found.total() == 8 * 177
    assert "accepted" not in found


def first_message():
    with record() as trace:
        network = LocalTransport(PreKeyStore())
        alice, bob = Party("Alice", network), Party("Bob", network)
        bob.publish()
        alice.send("Bob", b"Hello")
        bob.receive()
    return trace


def test_the_inspector_gives_two_refusals_for_the_last_bits_of_both_keys():
    inspector = scenes.inspect_message(first_message(), "initial message")
    errors = []
    for offset in (34, 67):
        inspector.reset()
        inspector.flip(offset, 7)
        errors.append(inspector.result["error"])
    assert errors == ["DecryptionFailed", "InvalidField"]


def test_a_byte_after_the_end_is_refused():
    data = first_message().wire[-1].inputs[0][1]
    with pytest.raises(TrailingBytes):
        InitialMessage.decode(data + b"!")


def test_an_inbox_of_ones_own_runs_again_at_every_change():
    experiment = scenes.your_inbox()
    assert experiment.outcome["verdict"] == "falls"
    experiment.set(burn="after the text has opened")
    assert experiment.outcome["verdict"] == "holds"
    experiment.set(record="the bytes that arrived", attack="again with EK_A as 1/u")
    assert experiment.outcome["verdict"] == "falls"
    experiment.set(record="a value derived from SK")
    assert experiment.outcome["verdict"] == "holds"


@pytest.mark.parametrize("delivery", _DELIVERIES)
def test_some_rules_stop_every_delivery(delivery):
    experiment = scenes.your_inbox()
    experiment.set(
        attack=delivery, burn="after the text has opened", record="a value derived from SK"
    )
    assert experiment.outcome["verdict"] == "holds"


# The closing problem


def under_another_name(letter, box, mallory):
    AD = letterbox.context(box, letter.ephemeral)
    signature = sign(mallory.private, letterbox.LABEL + AD)
    return replace(letter, sender=mallory.public, signature=signature)


def test_the_relay_of_letterbox_wins_with_a_letter_that_it_cannot_read():
    told = letterbox.tried(under_another_name)
    assert told == "Mallory wrote “The answer is 42.”; then refused: Replayed"


def test_an_honest_relay_of_letterbox_gives_the_prize_to_alice():
    told = letterbox.tried(lambda letter, box, mallory: letter)
    assert told.startswith("Alice wrote")


def test_letterbox_refuses_a_letter_whose_sender_alone_was_changed():
    box, alice, mallory = letterbox.Box(), KeyPair.generate(), KeyPair.generate()
    letter = letterbox.post(alice, box, b"42")
    with pytest.raises(BadSignature):
        letterbox.read(box, replace(letter, sender=mallory.public))


def test_the_senders_key_under_the_seal_cures_letterbox(monkeypatch):
    sealed_for = {}
    seal, open_sealed, sign_ = letterbox.seal, letterbox.open_sealed, letterbox.sign

    def signing(private, message):
        sealed_for["sender"] = KeyPair.from_private(private).public
        return sign_(private, message)

    def bound_seal(key, text, AD):
        return seal(key, text, AD + encode_key(sealed_for["sender"]))

    def bound_open(key, sealed, AD):
        return open_sealed(key, sealed, AD + encode_key(sealed_for["claimed"]))

    def checking(public, message, signature, verify=letterbox.verify):
        sealed_for["claimed"] = public
        return verify(public, message, signature)

    for name, function in (
        ("sign", signing),
        ("seal", bound_seal),
        ("open_sealed", bound_open),
        ("verify", checking),
    ):
        monkeypatch.setattr(letterbox, name, function)
    told = letterbox.tried(under_another_name)
    assert told == "refused: DecryptionFailed; then Alice wrote “The answer is 42.”"
