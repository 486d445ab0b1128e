"""What lesson 12 claims: what headers tell, what a braid costs, and who heals from which thief."""

from dataclasses import replace
from unittest.mock import patch

import pytest

from x3dhlab import erasure, kem, plots, scenes
from x3dhlab.attacks import byte_order, downgrade, headers, meterpost
from x3dhlab.attacks.downgrade import ATTACKS, Rules
from x3dhlab.attacks.headers import CLEAR, FIXED, HIDDEN, Pair
from x3dhlab.errors import DecryptionFailed, WrongLength
from x3dhlab.header_encryption import open_header
from x3dhlab.primitives import deterministic, random_bytes
from x3dhlab.scenes import quantum_ratchet as quantum
from x3dhlab.scenes.headers import score

# The first sitting: what a relay sorts by


def chains_of(passed):
    """The true chains, as the linker would write them."""
    found = {}
    for place, message in enumerate(passed):
        found.setdefault(message.chain, []).append(place)
    return list(found.values())


@pytest.mark.parametrize("kind", [CLEAR, FIXED])
@pytest.mark.parametrize("seed", range(4))
def test_clear_headers_and_one_nonce_give_every_chain_back(kind, seed):
    passed = headers.traffic(kind, pairs=4, count=40, seed=seed)
    assert headers.linked([message.data for message in passed]) == chains_of(passed)


@pytest.mark.parametrize("seed", range(4))
def test_closed_headers_leave_every_message_alone(seed):
    passed = headers.traffic(HIDDEN, pairs=4, count=40, seed=seed)
    assert any(len(chain) > 1 for chain in chains_of(passed))
    assert all(len(pile) == 1 for pile in headers.linked([m.data for m in passed]))


def test_a_gap_in_the_numbers_is_a_message_that_never_passed():
    passed = headers.traffic(CLEAR, count=60, loss=0.3)
    everything = headers.traffic(CLEAR, count=60, loss=0)
    assert score(everything)["missing"] == 0
    assert 0 < score(passed)["missing"] <= 60 - len(passed)


def test_a_closed_header_adds_the_same_bytes_to_every_message():
    sizes = []
    for kind in (CLEAR, HIDDEN):
        with deterministic("sizes"):
            sizes.append([len(message.data) for message in headers.traffic(kind)])
    assert {hidden - clear for clear, hidden in zip(*sizes, strict=True)} == {59}
    assert len(set(sizes[1])) > 1


def test_a_stored_header_key_opens_its_whole_chain_so_the_number_decides():
    pair = Pair()
    one, two, three, four = (pair.write("A", text) for text in (b"1", b"2", b"3", b"4"))
    pair.read("B", one)
    pair.read("B", three)
    ((stored, number),) = pair.states["B"].MKSKIPPED
    assert number == 1 and stored == pair.states["B"].HKr
    opened = [open_header(pair.states["B"], stored, message).number for message in (two, four)]
    assert opened == [1, 3]
    assert pair.read("B", four) == b"4" and pair.read("B", two) == b"2"


def test_a_turn_makes_the_next_header_key_the_current_one():
    pair = Pair()
    pair.read("B", pair.write("A", b"1"))
    pair.read("A", pair.write("B", b"2"))
    message, before = pair.write("A", b"3"), pair.states["B"]
    assert open_header(before, before.HKr, message) is None
    assert open_header(before, before.NHKr, message) is not None
    pair.read("B", message)
    assert pair.states["B"].HKr == before.NHKr


def test_the_relay_sorts_anew_at_every_change():
    experiment = scenes.sort_the_traffic()
    seen = [experiment.outcome["verdict"]]
    for kind in (HIDDEN, FIXED):
        experiment.set(kind=kind)
        seen.append(experiment.outcome["verdict"])
    assert seen == ["falls", "holds", "falls"]
    before = experiment.outcome
    experiment.set(pairs=7, loss=40)
    assert experiment.outcome["facts"] != before["facts"]
    piles = dict(experiment.outcome["facts"])["piles that the relay makes"]
    assert experiment.outcome["sentence"].startswith(f"{piles} of {piles} piles")


def test_a_pile_that_lacks_a_message_of_its_chain_is_not_counted_as_right(monkeypatch):
    passed = headers.traffic(CLEAR, count=40)
    assert score(passed)["right"] == score(passed)["chains"]
    monkeypatch.setattr(headers, "linked", lambda messages: [[n] for n in range(len(messages))])
    assert score(passed)["right"] < score(passed)["chains"]


# The key figure


def claim(lines):
    """Half lost: about twice as many messages with the code; more than twice that without it."""
    places = list(quantum.LOSSES)
    code, in_turn = ([values[places.index(loss)] for loss in (0, 50)] for values in lines.values())
    return 1.6 < code[1] / code[0] < 2.4 and in_turn[0] == code[0] and in_turn[1] > 2 * code[1]


def test_half_the_messages_lost_doubles_an_epoch_and_without_the_code_far_more():
    with deterministic("loss"):
        assert claim(quantum.epoch_by_loss())


def test_the_claim_fails_when_the_code_makes_no_new_chunks():
    honest = quantum.braid_run

    def without_code(**options):
        return honest(**options | {"repeat": quantum.IN_TURN})

    with deterministic("loss"), patch.object(quantum, "braid_run", without_code):
        assert not claim(quantum.epoch_by_loss())


@pytest.mark.parametrize("script", quantum.SCRIPTS.values())
@pytest.mark.parametrize("loss", [0, 0.4])
def test_an_epoch_takes_at_least_the_chunks_of_the_table(script, loss):
    run = quantum.braid_run(loss=loss, script=script, epochs=2)
    arrived = [s for s in run.steps if s.epoch == 1 and not s.lost]
    for kinds, length in (
        (("header",), 96),
        (("ek", "ek + ack"), 1152),
        (("ct1",), 960),
        (("ct2",), 160),
    ):
        assert sum(s.kind in kinds for s in arrived) >= erasure.chunks_needed(length)
    assert run.complete(1) < run.complete(2)


def test_an_epoch_without_loss_takes_86_messages_and_no_answers_give_none():
    assert quantum.braid_run().complete() == 86
    assert quantum.braid_run(count=500, script="A").complete() is None


def test_a_chunk_is_a_fiftieth_of_key_and_ciphertext():
    whole, most, average = quantum.overhead().values()
    assert whole == 2272 and average <= most < whole / 50


def test_the_braid_is_run_again_at_every_change():
    experiment = scenes.run_the_braid()
    seen = [experiment.outcome["facts"]]
    for change in ({"loss": 50}, {"seed": 2}, {"script": list(quantum.SCRIPTS)[1]}):
        experiment.set(**change)
        seen.append(experiment.outcome["facts"])
    assert all(seen.count(facts) == 1 for facts in seen)


@pytest.mark.parametrize("loss", [0, 80])
def test_the_braid_says_that_the_shortest_run_is_the_one_without_loss(loss):
    experiment = scenes.run_the_braid()
    experiment.set(loss=loss)
    assert experiment.outcome["verdict"] == ("holds" if loss == 0 else "note")


def test_the_picture_says_in_words_what_each_message_carried_and_what_was_lost():
    with deterministic("a braid"):
        run = quantum.braid_run(loss=0.2, epochs=2)
    words = quantum.show_braid(run).alt
    lost = [sum(s.lost for s in run.steps if s.sender == who) for who in "AB"]
    assert all(f"({count} lost)" in words for count in lost)
    assert "A → B: header 1–6, ek" in words
    assert f"{len(run.steps)} messages." in words
    assert f"epoch 1 complete: before message {run.complete(1) + 1}." in words


def test_the_picture_counts_as_the_experiment_does():
    with deterministic("no loss"):
        words = quantum.show_braid(quantum.braid_run(epochs=2)).alt
    assert "epoch 1 complete: before message 87." in words
    uneven = quantum.braid_run(script="AAAAB", epochs=1)
    assert f"{len(uneven.steps)} messages." in quantum.show_braid(uneven).alt


def test_a_strip_says_its_words_and_wants_rows_of_one_length():
    rows = {"one": ["read", "read", "safe"], "two": ["", "safe", "safe"]}
    words = plots.strips(rows, title="T", along="messages", lines={"now": 2}).alt
    assert "one: read 1–2, safe 3; two: nothing 1, safe 2–3. now: before message 3." in words
    for wrong in ({}, {"one": ["read"], "two": []}):
        with pytest.raises(ValueError):
            plots.strips(wrong, title="T", along="messages")


# Chunks by hand


@pytest.fixture(scope="module")
def chunks():
    ek_vector = random_bytes(kem.VECTOR_LENGTH)
    blocks = erasure.blocks_of(ek_vector)
    return ek_vector, {n: erasure.chunk(blocks, n) for n in range(60)}


@pytest.mark.parametrize("kept", [range(36), range(24, 60), range(0, 60, 2), [*range(20, 56)]])
def test_any_36_chunks_are_enough_and_35_are_not(chunks, kept):
    ek_vector, made = chunks
    chosen = {n: made[n] for n in kept}
    if len(chosen) < 36:
        with pytest.raises(WrongLength):
            erasure.join(chosen, len(ek_vector))
    else:
        assert erasure.join(chosen, len(ek_vector)) == ek_vector


def test_a_false_chunk_gives_a_false_key_and_no_error(chunks):
    ek_vector, made = chunks
    false = {n: made[n] for n in range(24, 60)}
    false[24] = bytes([false[24][0] ^ 1]) + false[24][1:]
    assert erasure.join(false, len(ek_vector)) != ek_vector


# Thieves


def numbers(reads):
    return [number for number, read in enumerate(reads, 1) if read]


def test_only_the_triple_ratchet_heals_from_a_thief_with_a_quantum_computer():
    x3dh, pqxdh, thief, both, triple = map(numbers, quantum.quantum_thefts().values())
    after = list(range(quantum.COPIED + 1, quantum.COUNT + 1))
    assert x3dh == list(range(1, quantum.COUNT + 1))
    assert pqxdh == []
    assert thief == after[:1]
    assert both == after
    assert triple == after[: len(triple)] and len(triple) == 133


def test_without_fresh_key_pairs_and_coins_the_triple_ratchet_does_not_heal():
    """The control: the thief also gets what came after the copy."""
    run = quantum.recording(quantum.TRIPLE)
    coins = {e.inputs[1][1] for e in run.trace.events if e.kind == "ENCAPS"}
    worse = replace(run, copied=run.copied | coins)
    after = list(range(quantum.COPIED + 1, quantum.COUNT + 1))
    assert numbers(worse.reads(quantum=True, thief=True)) == after


# A57 and A58


def outcomes(covered, required):
    results = {}
    for name, attack in ATTACKS.items():
        results[name] = downgrade.tried(Rules(covered, required), attack)
    return list(results.values())


def test_outside_the_tag_and_not_required_the_offer_is_taken_out_in_silence():
    delivered, stripped, altered = outcomes(covered=False, required=False)
    assert delivered.refused == () and delivered.hybrid and delivered.epochs == 1
    assert stripped.refused == () and stripped.hybrid == 0
    assert altered.refused[0] == 77 and len(altered.refused) > 20 and altered.epochs == 0


@pytest.mark.parametrize("required", [False, True])
def test_under_the_tag_each_attack_costs_one_message(required):
    delivered, stripped, altered = outcomes(covered=True, required=required)
    assert delivered.refused == ()
    assert stripped.refused == (1,) and stripped.hybrid
    assert altered.refused == (21,) and altered.epochs == 1


def test_required_alone_stops_the_silence_but_not_the_altered_chunk():
    _, stripped, altered = outcomes(covered=False, required=True)
    assert stripped.refused == (1,)
    assert len(altered.refused) > 20


@pytest.mark.parametrize("wrong", [False, True])
def test_a_swapped_byte_order_gives_two_secrets_and_no_error(wrong):
    sender, receiver = byte_order.two_secrets(wrong=wrong)
    assert (sender != receiver) is wrong


@pytest.mark.parametrize("message", [8, 20, 60])
def test_the_fault_shows_late_and_on_the_other_phone(message):
    found = byte_order.upgraded_after(message)
    assert found.refused_by == "Alice" and found.message == 86
    assert found.error == DecryptionFailed.__name__
    assert byte_order.upgraded_after(message, wrong=False).message == 0


def test_a_strict_reader_moves_the_fault_to_the_phone_that_has_it():
    found = byte_order.upgraded_after(20, strict=True)
    assert found.refused_by == "Bob" and 20 < found.message < 86


def test_without_a_half_finished_ciphertext_there_is_nothing_to_swap():
    with pytest.raises(ValueError):
        byte_order.upgraded_after(1)


# The closing problem


def as_the_meter(memory, frames):
    for sent, back in frames:
        key = meterpost.keys(memory)[1]
        yield meterpost.open_sealed(key, sent.sealed, sent.kem)
        memory, _ = meterpost.take(memory, back)


def test_a_copy_of_the_meter_reads_all_later_reports():
    assert meterpost.tried(as_the_meter) == "The thief reads 3 of 3 later reports."


@pytest.mark.parametrize("attack", [lambda memory, frames: [], lambda m, f: [b"hour 3"] * 3])
def test_a_thief_who_does_nothing_reads_nothing(attack):
    assert meterpost.tried(attack) == "The thief reads 0 of 3 later reports."


def test_a_key_pair_from_fresh_bytes_cures_meterpost():
    kept = {}

    def drawn(state):
        return kept.setdefault(state.root, meterpost.KEM.generate(seed=random_bytes(64)))

    def thief(memory, frames):
        kept.clear()
        return as_the_meter(memory, frames)

    with patch.object(meterpost, "fresh_pair", drawn):
        told = meterpost.tried(thief)
    assert told.startswith("The thief reads 1 of 3") and "DecryptionFailed" in told


def test_a_refused_attack_is_told_how_far_it_came():
    def first_try(memory, frames):
        key = meterpost.keys(memory)[1]
        return [meterpost.open_sealed(key, sent.sealed, sent.kem) for sent, _ in frames]

    def never(memory, frames):
        return [meterpost.open_sealed(bytes(32), bytes(64), b"")]

    ends = "later reports, then a call is refused: DecryptionFailed."
    assert meterpost.tried(first_try) == f"The thief reads 1 of 3 {ends}"
    assert meterpost.tried(never) == f"The thief reads 0 of 3 {ends}"


def test_the_other_promises_of_meterpost_hold():
    meter = company = meterpost.State(random_bytes(32))
    sent = meterpost.report(meter, b"3 kWh")
    company, back, text = meterpost.answer(company, sent, b"31 cents")
    meter, price = meterpost.take(meter, back)
    assert (text, price, meter) == (b"3 kWh", b"31 cents", company)
    for attempt in (
        lambda: meterpost.answer(company, sent, b"again"),
        lambda: list(as_the_meter(meter, [(sent, back)])),
        lambda: list(as_the_meter(replace(meter, hour=0), [(sent, back)])),
        lambda: meterpost.take(meter, back),
    ):
        with pytest.raises(DecryptionFailed):
            attempt()
