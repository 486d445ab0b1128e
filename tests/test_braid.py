"""The erasure code and the ML-KEM Braid: any sufficient chunks, in any order, and no false ones."""

import functools
import random
import struct
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from x3dhlab import braid, erasure, kem
from x3dhlab.braid import Phase, State, receive, send
from x3dhlab.errors import (
    BadKemKey,
    DecryptionFailed,
    InvalidField,
    Refused,
    UnknownEpoch,
    WrongLength,
    WrongType,
)
from x3dhlab.primitives import hmac_sha256
from x3dhlab.wire import CT1, CT2, EK, EK_CT1_ACK, HEADER, NOTHING, BraidMessage

SECRET = b"\x07" * 32
KEM = kem.get(kem.INCREMENTAL)
PAIR = KEM.generate(seed=bytes(range(64)))
COINS = b"\x05" * 32
# The four parts in chunks, and how many messages an epoch needs at least.
PARTS = {"header": 3, "ek": 36, "ct1": 30, "ct2": 5}


def flip(value, position=0):
    return value[:position] + bytes([value[position] ^ 1]) + value[position + 1 :]


class Run:
    """Two machines; `keys` holds what each side learnt, by epoch."""

    def __init__(self, secret=SECRET, **fresh):
        self.states = {"A": State.initiator(secret), "B": State.responder(secret)}
        self.keys = {"A": {0: b""}, "B": {0: b""}}
        self.fresh = fresh

    def send(self, who):
        state, message, epoch, output = send(self.states[who], **self.fresh)
        self._keep(who, state, epoch, output)
        return message, epoch

    def receive(self, who, message):
        state, epoch, output = receive(self.states[who], message)
        self._keep(who, state, epoch, output)
        return epoch

    def _keep(self, who, state, epoch, output):
        self.states[who] = state
        if output is not None:
            assert output[0] not in self.keys[who]
            self.keys[who].update([output])
        assert epoch in self.keys[who]  # nobody is asked to use a key that he does not have

    def deliver(self, who, times=1):
        for _ in range(times):
            message, epoch = self.send(who)
            assert self.receive("AB".replace(who, ""), message) == epoch
        return message

    def turns(self, times):
        for _ in range(times):
            self.deliver("A")
            self.deliver("B")

    def until(self, who, phase):
        """Turns without loss until one side is in a phase."""
        for _ in range(200):
            if self.states[who].phase is phase:
                return self
            self.deliver("A")
            if self.states[who].phase is phase:
                return self
            self.deliver("B")
        raise AssertionError(f"{who} never came to {phase}")


def one_epoch(**fresh):
    """The shortest epoch: each part is sent once, and both sides waste nothing."""
    run = Run(**fresh)
    for who, part in (("A", "header"), ("B", "ct1"), ("A", "ek"), ("B", "ct2")):
        run.deliver(who, PARTS[part])
    return run


# The erasure code


@given(st.data(), st.sampled_from(sorted(PARTS.values())))
def test_any_sufficient_subset_of_chunks_gives_the_data_in_any_order(data, needed):
    original = data.draw(st.binary(min_size=32 * needed, max_size=32 * needed))
    indices = st.integers(0, erasure.MOST_CHUNKS - 1)
    chosen = data.draw(st.lists(indices, min_size=needed, max_size=needed + 3, unique=True))
    blocks = erasure.blocks_of(original)
    chunks = {index: erasure.chunk(blocks, index) for index in chosen}
    assert erasure.join(chunks, len(original)) == original


@pytest.mark.parametrize("needed", PARTS.values())
def test_one_chunk_too_few_is_refused_and_one_false_chunk_gives_false_data(needed):
    original = bytes(range(32)) * needed
    blocks = erasure.blocks_of(original)
    chunks = {index: erasure.chunk(blocks, index) for index in range(100, 100 + needed)}
    assert erasure.chunks_needed(len(original)) == needed
    with pytest.raises(WrongLength):
        erasure.join(dict(list(chunks.items())[1:]), len(original))
    chunks[100] = flip(chunks[100])
    assert erasure.join(chunks, len(original)) != original


def test_all_chunks_of_one_part_differ():
    blocks = erasure.blocks_of(random.Random(1).randbytes(1152))
    chunks = {erasure.chunk(blocks, index) for index in range(erasure.MOST_CHUNKS)}
    assert len(chunks) == erasure.MOST_CHUNKS


@pytest.mark.parametrize("index", [-1, erasure.MOST_CHUNKS, None, True, 1.0])
def test_a_chunk_number_outside_the_field_is_refused(index):
    with pytest.raises(InvalidField):
        erasure.chunk(erasure.blocks_of(bytes(96)), index)
    with pytest.raises(InvalidField):
        erasure.join({index: bytes(32)}, 32)


@pytest.mark.parametrize("data", [b"", bytes(31), bytes(33)])
def test_only_whole_blocks_are_cut(data):
    with pytest.raises(WrongLength):
        erasure.blocks_of(data)


# The machine


def test_the_shortest_epoch_takes_74_messages_and_both_sides_get_one_key():
    run = one_epoch()
    assert sum(PARTS.values()) == 74
    assert run.keys["A"] == run.keys["B"]
    assert list(run.keys["A"]) == [0, 1]
    assert run.states["A"].phase is Phase.NO_HEADER_RECEIVED


@pytest.mark.parametrize("place", range(4))
def test_an_epoch_with_one_message_less_is_not_complete(place):
    run = Run()
    plan = [("A", "header"), ("B", "ct1"), ("A", "ek"), ("B", "ct2")]
    for position, (who, part) in enumerate(plan):
        run.deliver(who, PARTS[part] - (position == place))
    assert 1 not in run.keys["A"]


def test_the_sides_swap_after_each_epoch():
    run, makers = Run(), {}
    while len(makers) < 5:
        for who in "AB":
            message = run.deliver(who)
            if message.kind == HEADER:
                makers.setdefault(message.epoch, who)
    assert makers == {1: "A", 2: "B", 3: "A", 4: "B", 5: "A"}
    assert run.keys["A"] == run.keys["B"]
    assert len(set(run.keys["A"].values())) == 5


def test_every_phase_is_reached_and_sends_what_it_says():
    run, seen = Run(), {}
    for _ in range(100):
        for who, other in ("AB", "BA"):
            message, _ = run.send(who)
            seen.setdefault(run.states[who].phase, set()).add(message.kind)
            run.receive(other, message)
    lossless = {
        Phase.KEYS_SAMPLED: {HEADER},
        Phase.HEADER_SENT: {EK},
        Phase.CT1_RECEIVED: {EK_CT1_ACK},
        Phase.EK_SENT_CT1_RECEIVED: {NOTHING},
        Phase.NO_HEADER_RECEIVED: {NOTHING},
        Phase.CT1_SAMPLED: {CT1},
        Phase.CT2_SAMPLED: {CT2},
        Phase.CT1_ACKNOWLEDGED: {NOTHING},
    }
    assert seen == lossless
    late = Run()
    late.deliver("A", 3)
    late.deliver("B", 1)
    late.deliver("A", 36)
    assert late.states["B"].phase is Phase.EK_RECEIVED_CT1_SAMPLED
    assert late.send("B")[0].kind == CT1


@settings(max_examples=30)
@given(st.integers(0, 2**32), st.floats(0, 0.7), st.floats(0, 0.7), st.floats(0, 1))
def test_loss_reordering_and_duplication_in_both_directions_harm_nothing(seed, up, down, late):
    chance, run = random.Random(seed), Run()
    loss = {"A": up, "B": down}
    flying = []
    for _ in range(500):
        who = chance.choice("AB")
        message, epoch = run.send(who)
        assert epoch in run.keys["AB".replace(who, "")]  # the receiver knows the key already
        if chance.random() >= loss[who]:
            flying += [("AB".replace(who, ""), message, epoch)] * chance.choice((1, 1, 2))
        while flying and chance.random() > late * len(flying) ** -0.5:
            receiver, message, epoch = flying.pop(chance.randrange(len(flying)))
            assert run.receive(receiver, message) == epoch
    before = min(state.epoch for state in run.states.values())
    run.turns(100)
    assert min(state.epoch for state in run.states.values()) > before
    common = run.keys["A"].keys() & run.keys["B"].keys()
    assert {e: run.keys["A"][e] for e in common} == {e: run.keys["B"][e] for e in common}
    assert abs(len(run.keys["A"]) - len(run.keys["B"])) <= 1


def test_after_the_last_chunk_the_numbers_start_again():
    run = Run()
    first, _ = run.send("A")
    for _ in range(erasure.MOST_CHUNKS - 1):
        last, _ = run.send("A")
    assert last.index == erasure.MOST_CHUNKS - 1
    assert run.send("A")[0] == first


def test_the_run_is_a_function_of_the_fresh_values():
    one = one_epoch(pair=PAIR, coins=COINS)
    assert one.keys == one_epoch(pair=PAIR, coins=COINS).keys
    ciphertext, SS = KEM.encapsulate(PAIR.public, coins=COINS)
    assert one.keys["A"][1] == braid.kdf_ok(SS, 1)
    assert KEM.decapsulate(PAIR.private, ciphertext) == SS
    for other in ({"pair": KEM.generate(), "coins": COINS}, {"pair": PAIR, "coins": bytes(32)}):
        assert one.keys["A"][1] != one_epoch(**other).keys["A"][1]


# False parts


def false_ends():
    """(state of the receiver, the last message of a part, the refusal of a false one)."""
    run = Run()
    run.deliver("A", 2)
    yield "header", run.states["B"], run.send("A")[0], DecryptionFailed
    run = Run()
    run.deliver("A", 3)
    run.deliver("B", 30)
    run.deliver("A", 35)
    yield "ek", run.states["B"], run.send("A")[0], BadKemKey
    run = one_ct2_chunk_missing(Run())
    yield "ct2", run.states["A"], run.send("B")[0], DecryptionFailed


def one_ct2_chunk_missing(run):
    run.deliver("A", 3)
    run.deliver("B", 30)
    run.deliver("A", 36)
    run.deliver("B", 4)
    return run


@pytest.mark.parametrize("position", [0, 31])
def test_a_false_last_chunk_changes_no_state_and_the_true_one_still_counts(position):
    for part, state, message, refusal in false_ends():
        before = repr(state), dict(state.chunks)
        with pytest.raises(refusal):
            receive(state, replace(message, chunk=flip(message.chunk, position)))
        assert (repr(state), dict(state.chunks)) == before, part
        assert receive(state, message)[0] != state


def test_a_false_chunk_of_ct1_is_found_by_the_mac_of_the_ciphertext():
    run = Run()
    run.deliver("A", 3)
    message, _ = run.send("B")
    run.receive("A", replace(message, chunk=flip(message.chunk)))
    run.deliver("B", 29)
    run.deliver("A", 36)
    run.deliver("B", 4)
    with pytest.raises(DecryptionFailed):
        run.deliver("B")
    assert 1 not in run.keys["A"]


def test_the_first_chunk_of_a_number_counts():
    run = Run()
    message, _ = run.send("A")
    run.receive("B", message)
    run.receive("B", replace(message, chunk=flip(message.chunk)))
    run.deliver("A", 2)
    assert run.states["B"].phase is Phase.HEADER_RECEIVED


def test_another_secret_is_noticed_at_the_header():
    run = Run()
    run.states["B"] = State.responder(flip(SECRET))
    run.deliver("A", 2)
    with pytest.raises(DecryptionFailed):
        run.deliver("A")


def test_the_authenticator_takes_in_each_epoch_key():
    """Whoever knew the secret of the start can no longer make a header after one epoch."""
    run = Run().until("A", Phase.NO_HEADER_RECEIVED)
    forger = replace(State.responder(SECRET), epoch=2, phase=Phase.KEYS_UNSAMPLED)
    state = run.states["A"]
    with pytest.raises(DecryptionFailed):
        for _ in range(PARTS["header"]):
            forger, message, _, _ = send(forger)
            state, _, _ = receive(state, message)


def test_the_macs_of_header_and_ciphertext_and_of_two_epochs_differ():
    state = State.initiator(SECRET)
    tags = {
        braid.mac(state, b"header", b"data"),
        braid.mac(state, b"ciphertext", b"data"),
        braid.mac(replace(state, epoch=2), b"header", b"data"),
        braid.mac(state, b"header", b"Data"),
        braid.mac(State.initiator(flip(SECRET)), b"header", b"data"),
        hmac_sha256(state.auth_mac, b"data"),
    }
    assert len(tags) == 6


@pytest.mark.parametrize("position", range(32))
def test_every_byte_of_every_input_matters_for_the_derived_keys(position):
    key, root = b"\x01" * 32, b"\x02" * 32
    outputs = [
        braid.kdf_ok(key, 1),
        braid.kdf_ok(flip(key, position), 1),
        braid.kdf_ok(key, 2 + position),
        *braid.kdf_auth(root, key, 1),
        *braid.kdf_auth(flip(root, position), key, 1),
        *braid.kdf_auth(root, flip(key, position), 1),
        *braid.kdf_auth(root, key, 2 + position),
    ]
    assert len(set(outputs)) == len(outputs)


# Messages that nobody sends


@pytest.mark.parametrize(
    ("message", "refusal"),
    [
        (BraidMessage(1, NOTHING, 0, bytes(32)), InvalidField),
        (BraidMessage(1, HEADER), InvalidField),
        (BraidMessage(1, CT2 + 1, 0, bytes(32)), InvalidField),
        (BraidMessage(1, HEADER, erasure.MOST_CHUNKS, bytes(32)), InvalidField),
        (BraidMessage(1, HEADER, None, bytes(32)), InvalidField),
        (BraidMessage(1, HEADER, 0, bytes(31)), WrongLength),
        (BraidMessage(0, NOTHING), InvalidField),
        (BraidMessage(2, NOTHING), UnknownEpoch),
        (b"message", WrongType),
    ],
)
def test_a_message_of_no_honest_sender_is_refused(message, refusal):
    with pytest.raises(refusal):
        receive(State.responder(SECRET), message)


@functools.cache
def states_by_phase():
    """One state of each phase that a run without loss passes."""
    run, found = Run(), {}
    for _ in range(200):
        for who in "AB":
            run.deliver(who)
            found.update({state.phase: state for state in run.states.values()})
    return found


@given(st.data(), st.integers(0, 6), st.integers(0, 6), st.integers(0, 255), st.booleans())
def test_no_message_does_more_than_to_be_refused_or_ignored(data, epoch, kind, index, empty):
    state = data.draw(st.sampled_from(list(states_by_phase().values())))
    part = (None, None) if empty else (index, bytes(32))
    try:
        after, _, output = receive(state, BraidMessage(epoch, kind, *part))
    except Refused:
        return
    assert output is None
    assert after.epoch == state.epoch or state.phase is Phase.CT2_SAMPLED


def test_messages_of_an_earlier_epoch_are_ignored_and_name_their_keys_epoch():
    run = Run()
    old, epoch = run.send("A")
    run.until("B", Phase.KEYS_UNSAMPLED)
    while run.states["B"].phase is not Phase.NO_HEADER_RECEIVED:  # where a header is taken again
        state = run.states["B"]
        assert receive(state, old) == (state, epoch, None)
        run.turns(1)
    state = run.states["B"]
    assert state.epoch > old.epoch
    assert receive(state, old) == (state, epoch, None)


def test_a_secret_of_another_length_is_refused():
    for start in (State.initiator, State.responder):
        with pytest.raises(WrongLength):
            start(bytes(31))


def test_nothing_of_an_epoch_but_the_authenticator_survives_it():
    run = Run().until("A", Phase.NO_HEADER_RECEIVED)
    state = run.states["A"]
    assert state == State(state.phase, 2, state.auth_root, state.auth_mac)


# A58: the half-finished encapsulation, saved with one byte order and read with the other


def other_byte_order(half):
    """What a reader with the other byte order and without a check makes of the noise."""
    words = struct.unpack(">1024H", half.noise)
    return replace(half, noise=struct.pack("<1024H", *(word % 3329 for word in words)))


def test_a_half_read_with_the_other_byte_order_ends_the_agreement_two_parts_later():
    """A58: ct1 is right, the wrong ct2 raises nothing at its maker; A's MAC check is the first."""
    run = Run().until("B", Phase.CT1_SAMPLED)
    state = run.states["B"]
    run.states["B"] = replace(state, half=other_byte_order(state.half))
    with pytest.raises(DecryptionFailed):
        run.until("A", Phase.NO_HEADER_RECEIVED)
    assert run.states["B"].phase is Phase.CT2_SAMPLED
    assert run.keys["B"][1] and 1 not in run.keys["A"]
