"""What lesson 09 claims: what each stolen key opens, and what a key used twice gives away."""

import hmac

import pytest

from x3dhlab import scenes
from x3dhlab.attacks import chains, nonce_reuse, two_keys
from x3dhlab.errors import DecryptionFailed
from x3dhlab.primitives import (
    AES_256_GCM,
    CBC_HMAC,
    concat,
    deterministic,
    hkdf,
    hmac_sha256,
    open_sealed,
    random_bytes,
    seal,
    split,
)
from x3dhlab.proof import verdicts

HALF = chains.COUNT // 2


def numbers(reads):
    return [number for number, read in enumerate(reads, 1) if read]


# The key figure


def claim(rows):
    """Two constants with deletion: the phone gives the future only, the log one message only."""
    read = {name: numbers(reads) for name, (_, reads) in rows.items()}
    everything = list(range(1, chains.COUNT + 1))
    deleted, kept, one, phone, log, counter, counted = read.values()
    return (
        deleted == everything[HALF:]
        and one == counted == [HALF]
        and phone == log == everything[HALF - 1 :]
        and kept == counter == everything
    )


def test_only_two_constants_with_deletion_pass_both_thefts():
    assert claim(chains.thefts())


def test_the_claim_fails_when_the_phone_keeps_its_keys(monkeypatch):
    honest = chains.taken
    monkeypatch.setattr(
        chains, "taken", lambda sent, what, after, kept: honest(sent, what, after, kept=True)
    )
    assert not claim(chains.thefts())


def test_the_claim_fails_when_both_outputs_are_one(monkeypatch):
    monkeypatch.setitem(chains.RULES, chains.TWO_CONSTANTS, chains.one_output)
    assert not claim(chains.thefts())


@pytest.mark.parametrize("after", range(chains.COUNT + 1))
def test_a_chain_key_opens_what_comes_after_its_theft(after):
    sent = chains.send(chains.TWO_CONSTANTS)
    stolen = chains.taken(sent, chains.MEMORY, after)
    assert numbers(chains.reads(sent, stolen)) == list(range(after + 1, chains.COUNT + 1))


def test_a_message_key_that_does_not_exist_yet_opens_nothing():
    sent = chains.send(chains.TWO_CONSTANTS)
    assert chains.taken(sent, chains.LOG, 0) == []
    assert numbers(chains.reads(sent, [])) == []


# A learner's own rule


def from_the_message_key(key, number):
    message_key = hmac_sha256(key, b"\x01")
    return hmac_sha256(message_key, b"\x02"), message_key


def from_the_message_key_with_hkdf(key, number):
    message_key = hmac_sha256(key, b"\x01")
    return hkdf(message_key, salt=bytes(32), info=b"next", length=32), message_key


def from_the_new_chain_key(key, number):
    following = hmac_sha256(key, b"\x02")
    return following, hmac_sha256(following, b"\x01")


def from_half_of_it(key, number):
    message_key = hmac_sha256(key, b"\x01")
    left, right = split(message_key, 16, 16)
    return hmac_sha256(concat(right, left), b"\x02"), message_key


FROM_4, FROM_5 = list(range(HALF, chains.COUNT + 1)), list(range(HALF + 1, chains.COUNT + 1))


@pytest.mark.parametrize(
    ("rule", "phone", "log"),
    [
        (from_the_message_key, FROM_5, FROM_4),
        (from_the_message_key_with_hkdf, FROM_5, FROM_4),
        (from_half_of_it, FROM_5, FROM_4),
        (from_the_new_chain_key, FROM_4, [HALF]),
    ],
)
def test_the_thief_repeats_every_step_of_a_learners_rule(monkeypatch, rule, phone, log):
    monkeypatch.setitem(chains.RULES, "mine", rule)
    sent = chains.send("mine")
    read = [chains.reads(sent, chains.taken(sent, w, HALF)) for w in (chains.MEMORY, chains.LOG)]
    assert list(map(numbers, read)) == [phone, log]


def unrecorded(key, number):
    return hmac.digest(key, b"\x02", "sha256"), hmac_sha256(key, b"\x01")


def unrecorded_inside(key, number):
    message_key = hmac_sha256(key, b"\x01")
    return hmac_sha256(message_key[::-1], b"\x02"), message_key


@pytest.mark.parametrize("rule", [unrecorded, unrecorded_inside])
def test_a_rule_that_the_trace_cannot_follow_gets_no_verdict(monkeypatch, rule):
    monkeypatch.setitem(chains.RULES, "mine", rule)
    with pytest.raises(ValueError, match="the thief cannot follow this rule"):
        chains.send("mine")


# The package's own chain


@pytest.fixture(scope="module")
def run():
    return scenes.conversation("A A A A A A")


@pytest.mark.parametrize(("who", "chain"), [("Bob", "CKr"), ("Alice", "CKs")])
@pytest.mark.parametrize("after", range(1, 7))
def test_the_closure_of_a_chain_key_opens_what_follows_and_proves_it(run, who, chain, after):
    found = verdicts(run.trace, [getattr(run.states[who, after], chain)])
    assert numbers(verdict.readable for verdict in found) == list(range(after + 1, 7))
    assert all(verdict.steps for verdict in found[after:])
    assert all(verdict.missing for verdict in found[:after])


def test_a_step_is_two_hmacs_of_the_old_chain_key(run):
    for after in range(1, 6):
        old = run.states["Alice", after].CKs
        assert hmac.digest(old, b"\x02", "sha256") == run.states["Alice", after + 1].CKs
        found = verdicts(run.trace, [hmac.digest(old, b"\x01", "sha256")])
        assert numbers(verdict.readable for verdict in found) == [after + 1]


# The experiments


def test_the_theft_is_run_again_at_every_change():
    experiment = scenes.steal_from_a_chain()
    seen = [experiment.outcome["verdict"]]
    for change in ({"kept": True}, {"kept": False, "what": chains.LOG}, {"rule": chains.COUNTER}):
        experiment.set(**change)
        seen.append(experiment.outcome["verdict"])
    assert seen == ["note", "falls", "holds", "holds"]
    experiment.set(what=chains.MEMORY)
    assert experiment.outcome["verdict"] == "falls"
    experiment.set(what=chains.LOG, after=0)
    assert "no key" in experiment.outcome["sentence"]


def test_the_experiment_says_which_keys_a_phone_kept():
    experiment = scenes.steal_from_a_chain()
    experiment.set(kept=True, after=3)
    kept = dict(experiment.outcome["facts"])["keys that the thief has"]
    assert kept == "7: 4 chain keys, 3 message keys"
    experiment.set(rule=chains.COUNTER)
    kept = dict(experiment.outcome["facts"])["keys that the thief has"]
    assert kept == "4: 1 chain key, 3 message keys"


def test_the_experiment_says_why_a_message_before_the_theft_falls():
    experiment = scenes.steal_from_a_chain()
    assert "why before it" not in dict(experiment.outcome["facts"])
    experiment.set(rule=chains.ONE_OUTPUT)
    assert "still on the phone" in dict(experiment.outcome["facts"])["why before it"]


def test_only_one_key_and_one_nonce_let_a_message_be_forged():
    experiment = scenes.forge_a_message()
    keys, box, _ = (control["name"] for control in experiment.controls)
    options = {c["name"]: c["options"] for c in experiment.controls if c["kind"] == "choose"}
    fallen = []
    for key in options[keys]:
        for kind in options[box]:
            experiment.set(keys=key, box=kind)
            if experiment.outcome["verdict"] == "falls":
                fallen.append((key, kind))
    assert fallen == [(options[keys][0], options[box][0])]


@pytest.mark.parametrize("wanted", ["", "pay Eve", "pay Eve 1000 eur", "é"])
def test_a_text_of_one_block_can_be_forged(wanted):
    experiment = scenes.forge_a_message()
    experiment.set(wanted=wanted)
    assert experiment.outcome["verdict"] == "falls"
    assert f"“{wanted}”" in experiment.outcome["sentence"]


@pytest.mark.parametrize("wanted", ["pay Eve 1000 euros", "é" * 9])
def test_a_text_of_more_than_one_block_gets_a_sentence(wanted):
    experiment = scenes.forge_a_message()
    experiment.set(wanted=wanted)
    assert experiment.outcome["sentence"] == "This text has 18 bytes; one block has 16."


# GCM's field, and the forgery


def test_the_product_is_that_of_the_standard():
    """Test case 2 of the GCM specification: the hash key, one block, and the GHASH of both."""
    H = bytes.fromhex("66e94bd4ef8a2c3b884cfa59ca342b2e")
    C = bytes.fromhex("0388dace60b6a392f328c2b971b2fe78")
    length = (128).to_bytes(16, "big")
    ghash = nonce_reuse.multiply(nonce_reuse.xor(nonce_reuse.multiply(C, H), length), H)
    assert ghash.hex() == "f38cbb1ad69223dcc3457ae5b6b0f885"


def test_a_quotient_times_the_divisor_is_the_dividend():
    a, b = random_bytes(16), random_bytes(16)
    assert nonce_reuse.multiply(nonce_reuse.divide(a, b), b) == a
    with pytest.raises(ZeroDivisionError):
        nonce_reuse.divide(a, bytes(16))


@pytest.mark.parametrize("associated_data", [b"", b"Alice to Bob", bytes(100)])
def test_two_messages_under_one_nonce_give_a_third(associated_data):
    key, texts = random_bytes(32), [random_bytes(16) for _ in range(3)]
    sealed = [seal(key, text, associated_data, aead=AES_256_GCM) for text in texts]
    assert nonce_reuse.forge(*sealed[:2], texts[0], texts[2]) == sealed[2]


def test_messages_under_two_keys_give_no_third():
    texts = [random_bytes(16) for _ in range(3)]
    keys = random_bytes(32), random_bytes(32)
    sealed = [seal(k, text, b"", aead=AES_256_GCM) for k, text in zip(keys, texts, strict=False)]
    forged = nonce_reuse.forge(*sealed, texts[0], texts[2])
    for key in keys:
        with pytest.raises(DecryptionFailed):
            open_sealed(key, forged, b"", aead=AES_256_GCM)


@pytest.mark.parametrize("associated_data", [b"", b"Alice to Bob"])
def test_one_message_opens_under_two_keys_and_no_third(associated_data):
    keys, texts = (random_bytes(32), random_bytes(32)), (b"I will hurt you.", bytes(32))
    message = two_keys.one_for_two(keys, texts, associated_data)
    one, two = (open_sealed(k, message, associated_data, aead=AES_256_GCM) for k in keys)
    assert one.startswith(texts[0]) and two[16:].startswith(texts[1])
    assert one != two
    for key, aead in ((random_bytes(32), AES_256_GCM), (keys[0], CBC_HMAC)):
        with pytest.raises(DecryptionFailed):
            open_sealed(key, message, associated_data, aead=aead)


# The recommended box


def test_the_box_is_cbc_and_an_hmac_under_parts_of_one_output():
    key, text = random_bytes(32), random_bytes(40)
    sealed = seal(key, text, b"AD")
    okm = hkdf(key, salt=bytes(32), info=CBC_HMAC.info, length=80)
    assert len(sealed) == 48 + 32
    assert hmac.digest(okm[32:64], b"AD" + sealed[:-32], "sha256") == sealed[-32:]


def test_a_reused_key_shows_equal_beginnings_of_cbc_and_no_more():
    key = random_bytes(32)
    one, two = (seal(key, b"pay Ann 10 euros on " + day, b"") for day in (b"Monday", b"Friday"))
    assert one[:16] == two[:16] and one[16:32] != two[16:32]


def test_a_restored_generator_passes_the_test_of_distinct_nonces():
    def nonces():
        with deterministic("a snapshot"):
            return {random_bytes(12) for _ in range(1000)}

    assert len(nonces()) == 1000 and nonces() == nonces()
