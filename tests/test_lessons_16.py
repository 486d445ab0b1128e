"""What lesson 16 claims: every claim of the five designs, and the run that decides it."""

import re
import tomllib
from dataclasses import replace
from importlib.resources import files
from unittest.mock import patch

import pytest

from x3dhlab import attacks, scenes
from x3dhlab.attacks import claimed, low_order, wardpost
from x3dhlab.attacks.entry import Result
from x3dhlab.errors import BadSignature, InvalidField
from x3dhlab.keys import KeyPair
from x3dhlab.primitives import argon2id, deterministic, dh, seal
from x3dhlab.scenes import claims as deck
from x3dhlab.widgets.claims import VERDICTS
from x3dhlab.wire import encode_key

CLAIMS = deck.claims()
SHOWN = [id for id, claim in CLAIMS.items() if claim.shown_by]
LESSONS = {f"{number:02}" for number in range(1, 15)}  # those that lesson 16 asks for

# The claims as data


def test_there_are_claims_of_every_design_and_no_id_stands_twice():
    rows = tomllib.loads((files("x3dhlab.scenes") / "claims.toml").read_text("utf-8"))["claim"]
    assert len(rows) == len(CLAIMS) >= 60
    assert {claim.design for claim in CLAIMS.values()} == set("ABCDE")
    assert all(re.fullmatch(r"[A-E]-\d\d", id) for id in CLAIMS)


def test_every_verdict_stands_for_some_claim_and_has_a_reason():
    assert {claim.verdict for claim in CLAIMS.values()} == set(VERDICTS)
    assert all(len(claim.claim) > 20 and len(claim.why) > 20 for claim in CLAIMS.values())


@pytest.mark.parametrize("claim", CLAIMS.values(), ids=CLAIMS)
def test_a_claim_has_a_demonstration_or_says_why_it_has_none(claim):
    assert bool(claim.shown_by) != bool(claim.no_run)
    assert claim.after in LESSONS
    named = {claim.shown_by, *claim.others} - {""}
    assert named <= set(deck.demonstrations())
    assert set(re.findall(r"\bA\d+\b", claim.why + claim.no_run)) <= _numbers()


def _numbers():
    return {attack.number for attack in attacks.catalogue()} | set(attacks.LEFT_OUT)


def test_no_run_of_the_module_is_left_without_a_claim():
    assert {claim.shown_by for claim in CLAIMS.values()} >= set(deck.RUNS)


def test_no_claim_names_a_product():
    text = (files("x3dhlab.scenes") / "claims.toml").read_text("utf-8")
    products = "Signal|WhatsApp|iMessage|Telegram|Matrix|Olm|OMEMO|Meeshy|Redis|MongoDB|Postgre"
    assert not re.findall(products, text, flags=re.I)


@pytest.mark.parametrize("id", SHOWN)
def test_the_demonstration_of_a_claim_runs_and_shows_it(id):
    result = deck.demonstrate(id)
    assert type(result) is Result and result.succeeded and result.seen


def test_the_core_deck_has_twelve_cards_of_every_verdict_and_offers_chosen_runs():
    core = [claim for claim in CLAIMS.values() if claim.core]
    assert len(core) == 12
    assert {claim.verdict for claim in core} == set(VERDICTS)
    assert any(claim.beside and claim.verdict != "contradicts" for claim in core)


def test_a_card_offers_its_own_run_once_among_others():
    for claim in CLAIMS.values():
        names = deck.offered(claim)
        assert len(set(names)) == len(names) == 2 + bool(claim.shown_by)
        assert (claim.shown_by in names) == bool(claim.shown_by)
        assert names == deck.offered(claim)


def test_a_contradiction_shows_both_places_and_other_cards_show_two_as_well():
    two = [claim for claim in CLAIMS.values() if claim.beside]
    contradictions = [c for c in CLAIMS.values() if "contradicts" in (c.verdict, *c.also)]
    assert len(contradictions) < len(two) and all(c in two for c in contradictions)
    assert all(claim.beside not in (*CLAIMS, claim.claim) for claim in two)


def test_verdicts_that_count_beside_the_cards_own_are_false_or_depends():
    for claim in CLAIMS.values():
        assert claim.verdict not in claim.also and set(claim.also) <= {"false", "depends"}


# Which runs can fail: the fault is taken out, and nothing is shown any more

CURES = {
    "deleted or kept": (claimed, "steal_and_read", lambda *arguments: b""),
    "SPK_B stolen later": (claimed, "impersonate", lambda *arguments: b""),
    "an answer": (claimed, "open_sealed", lambda *arguments: b""),
    "two forgers": (claimed.deniability, "verify", lambda *arguments: None),
    "a key for some days": (claimed, "kdf_ck", lambda chain: (chain, chain)),
    "no AD": (low_order, "with_bit_255", lambda key: KeyPair.generate().public),
    "two combiners": (claimed.hybrid, "two_steps", claimed.hybrid.one_step),
    "a late turn": (claimed.healing, "FIFTY", claimed.healing.READING),
    "another group": (claimed, "verify", lambda *arguments: None),
    "a jump too far": (claimed, "MAX_SKIP", 3),
    "missing chunks": (claimed, "received", lambda key, chunks: [b""] * 4),
    "two tags": (claimed, "open_sealed", lambda *arguments, **more: b""),
    "a foreign key": (claimed, "encode_key", lambda key: key),
    "a PIN of three digits": (claimed, "guess_pins", lambda *arguments, **cost: ""),
}


@pytest.mark.parametrize("name", CURES)
def test_a_run_without_its_fault_shows_nothing(name):
    where, part, cured = CURES[name]
    _, run = deck.RUNS[name]
    with patch.object(where, part, cured):
        try:
            shown = run().succeeded
        except Exception:
            shown = False
    assert not shown
    assert run().succeeded


# The cards


def test_a_card_opens_with_its_lesson_and_the_core_is_always_open():
    def opened(**how):
        return {card["id"] for card in scenes.claim_deck(**how).cards if not card["after"]}

    core = {claim.id for claim in CLAIMS.values() if claim.core}
    assert opened() == core
    assert opened(done=["05"]) - core == {
        c.id for c in CLAIMS.values() if c.after == "05" and not c.core
    }
    assert opened(everything=True) == set(CLAIMS)
    assert opened(core=True) == core


def test_every_card_counts_with_its_verdict_and_its_run():
    cards = scenes.claim_deck(everything=True)
    for claim in CLAIMS.values():
        wrong = next(v for v in VERDICTS if v not in (claim.verdict, *claim.also))
        if claim.shown_by not in ("three repaired faults", "A78"):
            assert not cards.judge(claim.id, wrong, claim.shown_by)
        for right in (*claim.also, claim.verdict):
            assert cards.judge(claim.id, right, claim.shown_by)
    assert set(cards.counted) == set(CLAIMS)


def test_words_alone_do_not_count_where_something_runs():
    cards = scenes.claim_deck(core=True)
    for card in cards.cards:
        assert not cards.judge(card["id"], CLAIMS[card["id"]].verdict, "")


def test_a_run_says_what_it_needs_and_one_that_shows_nothing_does_not_count():
    cards = scenes.claim_deck(core=True)
    assert cards.judge("E-06", "false", "A23")
    seen = cards.outcomes["E-06"]["seen"]
    assert "Needed: The program fills an absent DH4" in seen and "one SK" in seen
    nothing = {"A23": ("", lambda: Result(False, "nothing"))}
    with patch.object(deck, "demonstrations", lambda: nothing), pytest.raises(RuntimeError):
        cards.judge("E-06", "false", "A23")


# The key figure: in every design at least four of five fallen claims are shown by a run


def mostly_shown(found):
    return all(5 * shown >= 4 * fallen > 0 for fallen, shown in found.values())


def test_in_every_design_a_run_shows_four_of_five_claims_that_do_not_stand():
    found = deck.decided()
    assert mostly_shown(found)
    fallen, shown = map(sum, zip(*found.values(), strict=True))
    assert (shown, fallen) == (87, 93)  # as the lesson says


def test_the_figures_claim_fails_when_the_runs_do():
    real = deck.demonstrate

    def demonstrate(id):
        return replace(real(id), succeeded=False) if id < "A-04" else real(id)

    with patch.object(deck, "demonstrate", demonstrate):
        assert not mostly_shown(deck.decided())


# Single sentences of the lesson


def test_six_cards_have_no_run():
    assert sum(bool(claim.no_run) for claim in CLAIMS.values()) == 6


@pytest.mark.parametrize(
    ("settings", "verdict"),
    [
        ({}, "falls"),
        ({"refuse": True}, "holds"),
        ({"missing": "left out"}, "note"),
        ({"key": "an honest key"}, "holds"),
        ({"key": "p, bit 255 set"}, "falls"),
        ({"key": "none"}, "note"),
    ],
)
def test_the_fourth_term_is_computed_anew_at_every_change(settings, verdict):
    experiment = scenes.fill_the_fourth()
    experiment.set(**settings)
    assert experiment.outcome["verdict"] == verdict


def test_leaving_the_term_out_is_x3dh_with_three_terms():
    with deterministic("three"):
        without, _ = low_order.same_with_and_without(bytes([1]) + bytes(31), None)
    with deterministic("three"):
        filled, used = low_order.same_with_and_without(bytes([1]) + bytes(31))
    assert filled == used != without


def test_ordinary_days_leave_nobody_without_a_key_and_the_edge_does():
    for requests in (5, 10, 25):
        assert claimed.play(100, 20, 50, [requests] * 60)[0] == 0
    assert claimed.play(100, 20, 50, [25, 25, 25, 5, 25])[0] == 5
    assert claimed.play(100, 20, 50, [25, 25, 25, 6, 25])[0] == 0


def test_a_key_and_one_over_its_number_act_alike():
    bob, key = KeyPair.generate(), KeyPair.generate().public
    inverse = pow(int.from_bytes(key, "little"), -1, low_order.P).to_bytes(32, "little")
    assert inverse != key and dh(bob.private, inverse) == dh(bob.private, key)


def test_a_pin_is_found_only_among_those_that_are_tried():
    cost = {"memory_kib": 64, "passes": 1, "lanes": 1}
    blob = seal(argon2id(b"042", salt=bytes(16), **cost), b"history", b"backup")
    assert claimed.guess_pins(blob, bytes(16), ["040", "041", "042"], **cost) == "042"
    assert claimed.guess_pins(blob, bytes(16), ["040", "041"], **cost) == ""


# Wardpost


def signed_by_login(bundle, ask):
    mine = KeyPair.generate()
    signature = ask(encode_key(mine.public))
    return wardpost.Bundle(bundle.identity, mine.public, signature), mine


def exchanged(bundle, ask):
    mine = KeyPair.generate()
    return replace(bundle, prekey=mine.public), mine


def own_identity(bundle, ask):
    mine = KeyPair.generate()
    signature = wardpost.sign(mine.private, wardpost.LABEL + encode_key(mine.public))
    return wardpost.Bundle(mine.public, mine.public, signature), mine


def test_a_login_signs_the_relays_prekey_and_the_relay_reads():
    assert wardpost.tried(signed_by_login) == "the relay reads “Bed 7: the fever is back.”."


@pytest.mark.parametrize(
    ("attack", "says"),
    [
        (lambda bundle, ask: (bundle, KeyPair.generate()), "the doctor reads"),
        (exchanged, "The ward refuses the bundle: BadSignature"),
        (own_identity, "The ward refuses the bundle: IdentityMismatch"),
        (lambda bundle, ask: ask(b"short"), "Before the ward writes: InvalidField"),
        (lambda bundle, ask: [ask(bytes(32)), ask(bytes(32))], "Before the ward writes: Invalid"),
        (lambda bundle, ask: None, "The attack returns a Bundle"),
        (lambda bundle, ask: (bundle, bundle), "The attack returns a Bundle"),
    ],
)
def test_other_attacks_on_wardpost_fail(attack, says):
    assert wardpost.tried(attack).startswith(says)


def test_a_label_for_each_use_cures_wardpost():
    real = wardpost.log_in

    def labelled(doctor, challenge):
        return real(doctor, b" login" + challenge)

    with patch.object(wardpost, "log_in", labelled):
        assert "refuses the bundle: BadSignature" in wardpost.tried(signed_by_login)


def test_a_recorded_login_opens_no_mailbox_and_a_prekeys_signature_neither():
    doctor = wardpost.Doctor()
    old, new = bytes(32), bytes([1]) * 32
    answer = wardpost.log_in(doctor, old)
    wardpost.admit(doctor.identity.public, old, answer)
    for recorded in (answer, wardpost.publish(doctor).signature):
        with pytest.raises(BadSignature):
            wardpost.admit(doctor.identity.public, new, recorded)
    with pytest.raises(InvalidField):
        wardpost.log_in(doctor, old)
