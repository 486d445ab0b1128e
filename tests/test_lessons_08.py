"""What lesson 08 claims: whom a KEM beside the curve stops, what it costs, and how it is lost."""

from dataclasses import replace
from unittest.mock import patch

import pytest

from x3dhlab import kem, pqxdh, scenes, x3dh
from x3dhlab.attacks import hybrid, safepost
from x3dhlab.errors import BadSignature, DecryptionFailed, InvalidField, MissingKemPreKey
from x3dhlab.kem import SIZES
from x3dhlab.keys import KeyPair
from x3dhlab.primitives import deterministic, dh, hkdf, hmac_sha256, random_bytes
from x3dhlab.proof import stolen, verdicts
from x3dhlab.scenes import hybrid as scene
from x3dhlab.wire import encode_key


@pytest.fixture(autouse=True)
def same_keys_each_time():
    with deterministic("the tests of lesson 08"):
        yield


# The difference


def test_the_difference_shows_the_kem_and_no_change_of_a_diffie_hellman():
    shown = scenes.what_changed("initiate")
    assert "+     CT, SS = kem.get(algorithm).encapsulate(PQPK_B, coins=coins)" in shown
    assert "dh(" not in shown and '"""' not in shown
    assert all(line[0] in "+-" for line in shown.splitlines())
    assert "verify(bundle.identity_key, bundle.kem_prekey" in scenes.what_changed("check_bundle")
    assert 'step="PQXDH §3.2"' in scenes.what_changed("check_bundle")


def test_there_is_no_difference_in_a_step_that_both_share(monkeypatch):
    monkeypatch.setattr(scene, "pqxdh", x3dh)
    assert scenes.what_changed("initiate") == ""


# A24


def read(run, leaked):
    return [verdict.plaintext for verdict in verdicts(run, leaked)]


TEXTS = [text for _, text in scene.LINES]


def test_all_keys_of_the_curve_open_x3dh_and_not_pqxdh():
    old, *_ = scenes.three_messages(x3dh)
    new, *_ = scenes.three_messages(pqxdh)
    assert read(old, hybrid.curve_keys(old)) == TEXTS
    assert read(new, hybrid.curve_keys(new)) == [None] * 3


def test_the_keys_of_the_curve_are_all_of_them_and_no_kem_key():
    run, alice, bob = scenes.three_messages()
    found = hybrid.curve_keys(run)
    assert {alice.identity.private, bob.identity.private} < found
    assert len(found) == 11 and all(len(key) == 32 for key in found)


@pytest.mark.parametrize("curve", [True, False])
@pytest.mark.parametrize("one_time", [0, 1])
def test_the_stolen_identity_and_prekeys_open_what_used_the_last_resort(one_time, curve):
    run, _, bob = scenes.three_messages(one_time=one_time)
    leaked = stolen(bob.device.ring) | (hybrid.curve_keys(run) if curve else set())
    opened = read(run, leaked)
    if one_time:
        assert opened == [None] * 3
    else:
        assert opened == (TEXTS if curve else [TEXTS[0], None, None])


def test_the_experiment_runs_anew_and_proves():
    experiment = scenes.record_now_read_later()
    assert experiment.outcome["sentence"] == "Mallory reads 3 of 3 messages."
    experiment.set(protocol="PQXDH")
    assert experiment.outcome["verdict"] == "holds"
    assert dict(experiment.outcome["facts"])["message 1"] == "closed: she lacks SS"
    experiment.set(pool="is empty", ring=True)
    assert experiment.outcome["verdict"] == "falls"
    experiment.set(curve=False)
    assert experiment.outcome["sentence"] == "Mallory reads 1 of 3 messages."


# What it costs


def kem_alone(sizes, algorithm):
    """The lesson's sentence: key, signature and 9 bytes; ciphertext and 8 bytes; later nothing."""
    old, new = sizes["X3DH"], sizes[f"PQXDH, {algorithm}"]
    public, ciphertext = SIZES[algorithm].public, SIZES[algorithm].ciphertext
    return [after - before for before, after in zip(old, new, strict=True)] == [
        public + 64 + 9,
        ciphertext + 8,
        0,
    ]


@pytest.mark.parametrize("algorithm", ["ML-KEM-768", "ML-KEM-1024"])
def test_the_kem_adds_its_key_and_ciphertext_and_nothing_later(algorithm):
    assert kem_alone(scenes.handshake_sizes(), algorithm)


def test_the_claim_about_bytes_fails_when_every_message_carries_the_ciphertext(monkeypatch):
    unanswered = tuple(line for line in scene.LINES if line[0] == "Alice")
    monkeypatch.setattr(scene, "LINES", unanswered)
    assert not kem_alone(scenes.handshake_sizes(), "ML-KEM-768")


def test_the_figure_of_bytes_says_bundle_and_first_message():
    alt = scenes.show_handshake_sizes({"X3DH": (175, 177, 95)}).alt
    assert "X3DH: bundle 175, first 177." in alt


def test_times_have_a_row_for_each_library_and_ratios_start_at_one():
    times = scenes.handshake_times(rounds=1)
    libraries = [f"{a}, {b}" for a, b in kem.available() if a.startswith("ML-KEM")]
    assert list(times) == ["X3DH", *libraries]
    alt = scenes.show_handshake_times({"X3DH": (2.0, 4.0), "other": (3.0, 8.0)}).alt
    assert "X3DH: initiate 1.0 ×, respond 1.0 ×; other: initiate 1.5 ×, respond 2.0 ×" in alt


# The key figure: what each program loses


def claimed(table):
    """The first two programs hold against all; each other one falls to something."""
    good, bad = list(table.values())[:2], list(table.values())[2:]
    return not any(map(any, good)) and all(map(any, bad))


def test_each_program_but_two_loses_something():
    table = hybrid.outcomes()
    assert claimed(table)
    fallen = {
        name: [attack for attack, fell in zip(hybrid.ATTACKS, row, strict=True) if fell]
        for name, row in table.items()
    }
    assert fallen["falls back (design D)"] == ["KEM key dropped"]
    assert fallen["no KEM signature (design C)"] == ["KEM key exchanged"]
    assert fallen["SS alone"] == ["the KEM breaks", "one key twice", "written as Alice"]
    assert fallen["DH terms alone"] == ["recorded, read later"]
    assert fallen["XOR"] == ["one key twice"]


@pytest.mark.parametrize("lost", [hybrid.ss_alone, hybrid.dhs_alone, hybrid.xor])
def test_the_claim_fails_when_pqxdh_joins_its_secrets_badly(lost, monkeypatch):
    monkeypatch.setitem(hybrid.COMBINERS, "PQXDH", lost)
    assert not claimed(hybrid.outcomes())


def test_the_claim_fails_when_alice_checks_no_bundle(monkeypatch):
    monkeypatch.setattr(pqxdh, "check_bundle", x3dh.check_bundle)
    assert not claimed(hybrid.outcomes())


@pytest.mark.parametrize("name", hybrid.PROGRAMS)
def test_in_every_program_bob_reads_what_alice_wrote(name):
    rules, bob = hybrid.PROGRAMS[name], hybrid.Bob()
    message = hybrid.write(KeyPair.generate(), bob.bundle(), rules)
    assert bob.read(message, rules) == hybrid.TEXT


def test_pqxdh_of_this_lesson_is_that_of_the_package():
    dhs, secret = tuple(random_bytes(32) for _ in range(4)), random_bytes(32)
    info = pqxdh.info_for(hybrid.KEM)
    assert hybrid.as_specified(dhs, secret, info) == pqxdh.derive(dhs, secret, info=info)


@pytest.mark.parametrize("name", hybrid.COMBINERS)
def test_only_ss_alone_lets_anybody_write_as_alice(name):
    assert hybrid.write_as_alice(hybrid.Rules(name)).succeeded == (name == "SS alone")


def test_flipping_each_input_finds_two_formulas_and_misses_xor():
    found = {
        name: all(hybrid.inputs_that_count(lambda dhs, ss, c=c: c(dhs, ss, b"")).values())
        for name, c in hybrid.COMBINERS.items()
    }
    assert [name for name, all_count in found.items() if not all_count] == [
        "SS alone",
        "DH terms alone",
    ]


def test_the_formulas_of_design_d_are_three_ways_to_three_keys():
    dhs, secret = (bytes(32),) * 3, bytes(32)
    formulas = (hybrid.two_steps, hybrid.one_step, hybrid.as_specified)
    assert len({formula(dhs, secret, b"info") for formula in formulas}) == 3


# What the package refuses


def test_the_package_refuses_what_the_lesson_plays():
    bundle = hybrid.Bob().bundle()
    with pytest.raises(MissingKemPreKey):
        pqxdh.check_bundle(hybrid.stripped(bundle))
    with pytest.raises(BadSignature):
        pqxdh.check_bundle(hybrid.exchanged(bundle)[0])


def test_bob_does_not_fall_back_by_himself():
    bob, rules = hybrid.Bob(), hybrid.Rules(falls_back=True)
    message = hybrid.write(KeyPair.generate(), hybrid.stripped(bob.bundle()), rules)
    with pytest.raises(MissingKemPreKey):
        bob.read(message, hybrid.Rules())


def test_bob_cannot_open_what_was_packed_for_the_servers_key():
    facts = hybrid.exchange(hybrid.Rules(signed=False)).facts
    assert facts["Bob"] == "refuses: DecryptionFailed"
    assert facts["later"] == f"“{hybrid.TEXT.decode()}”"


def test_the_experiment_of_programs_tries_what_was_chosen():
    experiment = scenes.your_program()
    assert experiment.outcome["verdict"] == "falls"
    experiment.set(falls_back=False)
    assert experiment.outcome["verdict"] == "holds"
    experiment.set(attack="KEM key exchanged", signed=False)
    assert experiment.outcome["verdict"] == "falls"
    experiment.set(attack="written as Alice", combiner="SS alone")
    assert experiment.outcome["verdict"] == "falls"


# Deeper


def test_a_type_byte_inside_the_signature_keeps_kinds_apart():
    assert hybrid.take_for_kem_key(bytes, bytes)
    assert not hybrid.take_for_kem_key(encode_key, lambda key: b"\x0b" + key)


def test_the_package_refuses_a_signed_prekey_in_the_kem_slot():

    bundle = hybrid.Bob().bundle()
    misplaced = replace(
        bundle,
        kem_prekey=encode_key(bundle.signed_prekey),
        kem_prekey_signature=bundle.signed_prekey_signature,
    )
    with pytest.raises(InvalidField):
        pqxdh.check_bundle(misplaced)


def test_a_wrapped_secret_can_be_packed_again_unless_the_key_is_bound():
    assert hybrid.repack(bound=False).succeeded
    assert not hybrid.repack(bound=True).succeeded


def test_ml_kem_binds_its_key_into_the_secret():
    mechanism, coins = kem.get("ML-KEM-768"), random_bytes(32)
    publics = [mechanism.generate().public for _ in range(2)]
    assert len({mechanism.encapsulate(public, coins=coins)[1] for public in publics}) == 2


# The closing problem of part II


def guess(bank, client, recorded):
    """Of all codes, those whose receipt is the recorded one."""
    found = []
    for letter, receipt in recorded:
        AD = safepost.context(bank.public, client, letter.ephemeral, letter.ciphertext)
        DH1 = dh(client.identity.private, bank.public)
        DH2 = dh(client.identity.private, letter.ephemeral)
        _, R = safepost.keys(DH1, DH2, bytes(32))
        codes = (b"%04d" % number for number in range(10_000))
        found += [code for code in codes if hmac_sha256(R, AD + code) == receipt]
    return found


def open_as_the_client(bank, client, recorded):
    return [safepost.read(client, bank.public, letter)[0] for letter, _ in recorded]


def test_with_the_keys_of_the_curve_the_receipts_of_safepost_give_every_code():
    assert safepost.tried(guess, "curve") == "Mallory finds 4 of 4 codes. Promise 1 is broken."


@pytest.mark.parametrize("fallen", ["KEM", "nothing"])
def test_with_the_key_of_the_kem_alone_the_receipts_give_no_code(fallen):
    assert safepost.tried(guess, fallen) == "Mallory finds 0 of 4 codes."


@pytest.mark.parametrize("fallen", ["curve", "KEM", "nothing"])
def test_half_of_the_secrets_open_no_letter_of_safepost(fallen):
    assert safepost.tried(open_as_the_client, fallen) == "Mallory is stopped: DecryptionFailed."


def test_all_of_the_secrets_open_every_letter_so_the_judge_can_say_yes():
    with patch.object(safepost, "_hidden", lambda pair: pair):
        told = safepost.tried(open_as_the_client, "curve")
    assert told == "Mallory finds 4 of 4 codes. Promise 1 is broken."


@pytest.mark.parametrize("attack", [lambda *_: [], lambda *_: [b"no code"] * 9])
def test_whoever_guesses_nothing_finds_nothing(attack):
    assert safepost.tried(attack, "curve") == "Mallory finds 0 of 4 codes."


def test_the_secret_of_the_kem_in_the_receipts_key_cures_safepost():
    def cured(DH1, DH2, SS):
        infos = (safepost.LABEL + b" code", safepost.LABEL + b" receipt")
        terms = x3dh.F + DH1 + DH2 + SS
        return [hkdf(terms, salt=bytes(32), info=info, length=32) for info in infos]

    with patch.object(safepost, "keys", cured):
        assert safepost.tried(guess, "curve") == "Mallory finds 0 of 4 codes."
        test_a_receipt_of_safepost_tells_that_this_code_was_read()


def test_a_receipt_of_safepost_tells_that_this_code_was_read():
    bank, client = KeyPair.generate(), safepost.Client()
    posted = [safepost.post(bank, client, code) for code in (b"0042", b"0042", b"0043")]
    assert len({receipt for _, receipt in posted}) == 3
    for (letter, receipt), code in zip(posted, (b"0042", b"0042", b"0043"), strict=True):
        assert safepost.read(client, bank.public, letter) == (code, receipt)


def test_a_letter_of_safepost_from_somebody_else_or_in_two_parts_is_refused():
    bank, client, mallory = KeyPair.generate(), safepost.Client(), KeyPair.generate()
    one, two = (safepost.post(bank, client, b"0042")[0] for _ in range(2))
    pretended = KeyPair(mallory.private, bank.public)
    for letter in (
        safepost.post(mallory, client, b"0666")[0],
        safepost.post(pretended, client, b"0666")[0],
        replace(one, ciphertext=two.ciphertext),
        replace(one, ephemeral=two.ephemeral),
        replace(one, sealed=two.sealed),
        replace(one, ephemeral=one.ephemeral[:31] + bytes([one.ephemeral[31] | 128])),
    ):
        with pytest.raises(DecryptionFailed):
            safepost.read(client, bank.public, letter)
