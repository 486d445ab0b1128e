"""The Sparse Post-Quantum Ratchet: one key per message, equal on both sides, for a while."""

import random
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from x3dhlab import proof, spqr
from x3dhlab.errors import OldMessage, Refused, TooManySkipped, WrongLength, WrongType
from x3dhlab.spqr import EPOCHS_KEPT, MAX_SKIP, MAX_STORED, State, receive_key, send_key

SECRET = b"\x07" * 32


def flip(value, position=0):
    return value[:position] + bytes([value[position] ^ 1]) + value[position + 1 :]


class Run:
    """Two ends whose states move on only when a call succeeds."""

    def __init__(self, secret=SECRET):
        self.states = {"A": State.initiator(secret), "B": State.responder(secret)}

    def send(self, who):
        self.states[who], header, mk = send_key(self.states[who])
        return header, mk

    def receive(self, who, header):
        self.states[who], mk = receive_key(self.states[who], header)
        return mk

    def turns(self, times):
        for _ in range(times):
            for who, other in ("AB", "BA"):
                header, mk = self.send(who)
                assert self.receive(other, header) == mk

    def until_sending_in(self, epoch):
        while any(max(sending(state), -1) < epoch for state in self.states.values()):
            self.turns(1)
        return self


def sending(state):
    """The newest epoch that this end has sent in."""
    return max((epoch for epoch, chains in state.chains.items() if chains.Ns), default=-1)


@settings(max_examples=25)
@given(st.integers(0, 2**32), st.floats(0, 0.6), st.floats(0, 0.6))
def test_both_sides_get_the_same_key_whatever_is_lost_late_or_doubled(seed, up, down):
    chance, run, flying = random.Random(seed), Run(), []
    loss, used = {"A": up, "B": down}, set()
    for _ in range(400):
        who = chance.choice("AB")
        other = "AB".replace(who, "")
        header, mk = run.send(who)
        assert mk not in used
        used.add(mk)
        if chance.random() >= loss[who]:
            flying.append((other, header, mk))
        while len(flying) > chance.randrange(8):
            receiver, header, mk = flying.pop(chance.randrange(len(flying)))
            assert run.receive(receiver, header) == mk
            with pytest.raises(OldMessage):
                run.receive(receiver, header)
    run.turns(90)
    assert min(map(sending, run.states.values())) >= 1


def test_an_epoch_changes_the_root_and_both_chains():
    run = Run().until_sending_in(2)
    roots = {run.states["A"].RK, State.initiator(SECRET).RK}
    assert len(roots) == 2
    a, b = (run.states[who].chains[2] for who in "AB")
    assert (a.CKs, a.CKr) == (b.CKr, b.CKs)
    assert a.CKs != a.CKr


def test_the_two_directions_have_different_keys():
    run = Run()
    _, one = run.send("A")
    _, other = run.send("B")
    assert one != other


def test_numbers_start_at_one_in_each_epoch():
    run, seen = Run(), {}
    for _ in range(200):
        header, mk = run.send("A")
        seen.setdefault(header.braid.epoch, header.pq_number)
        assert run.receive("B", header) == mk
        header, mk = run.send("B")
        run.receive("A", header)
    assert len(seen) > 2
    assert set(seen.values()) == {1}


@pytest.mark.parametrize("position", range(32))
def test_every_byte_of_every_input_matters_for_every_derived_key(position):
    rk, key, ck = (bytes([value]) * 32 for value in (1, 2, 3))
    outputs = [
        *spqr.kdf_init(key),
        *spqr.kdf_init(flip(key, position)),
        *spqr.kdf_rk(rk, key),
        *spqr.kdf_rk(flip(rk, position), key),
        *spqr.kdf_rk(rk, flip(key, position)),
        *spqr.kdf_ck(ck, 1),
        *spqr.kdf_ck(flip(ck, position), 1),
        *spqr.kdf_ck(ck, 2 + position),
    ]
    assert len(set(outputs)) == len(outputs) == 21


def test_another_secret_gives_other_keys():
    _, _, one = send_key(State.initiator(SECRET))
    _, _, other = send_key(State.initiator(flip(SECRET)))
    assert one != other


def test_skipped_keys_wait_for_their_messages():
    run = Run()
    late = [run.send("A") for _ in range(5)]
    header, mk = run.send("A")
    assert run.receive("B", header) == mk
    assert len(run.states["B"].MKSKIPPED) == 5
    for header, mk in reversed(late):
        assert run.receive("B", header) == mk
    assert not run.states["B"].MKSKIPPED


def test_a_jump_of_the_limit_works_and_one_more_is_refused():
    run = Run()
    header, _ = run.send("A")
    allowed = replace(header, pq_number=MAX_SKIP + 1)
    assert len(receive_key(run.states["B"], allowed)[0].MKSKIPPED) == MAX_SKIP
    with pytest.raises(TooManySkipped) as caught:
        receive_key(run.states["B"], replace(header, pq_number=MAX_SKIP + 2))
    assert caught.value.data == {"jump": MAX_SKIP + 1}


def test_the_oldest_skipped_keys_go_beyond_the_limit():
    run = Run()
    header, _ = run.send("A")
    jumps = MAX_STORED // MAX_SKIP + 1
    for jump in range(1, jumps + 1):
        run.receive("B", replace(header, pq_number=jump * (MAX_SKIP + 1)))
    skipped = run.states["B"].MKSKIPPED
    assert len(skipped) == MAX_STORED
    with pytest.raises(OldMessage):
        run.receive("B", header)
    run.receive("B", replace(header, pq_number=jumps * (MAX_SKIP + 1) - 1))


def test_number_zero_does_not_exist():
    run = Run()
    header, _ = run.send("A")
    with pytest.raises(OldMessage):
        run.receive("B", replace(header, pq_number=0))


def test_late_messages_are_read_for_one_epoch_and_no_longer():
    run = Run()
    first = [run.send("A") for _ in range(2)]
    run.until_sending_in(EPOCHS_KEPT)
    assert run.receive("B", first[0][0]) == first[0][1]
    run.until_sending_in(EPOCHS_KEPT + 1)
    with pytest.raises(OldMessage):
        run.receive("B", first[1][0])
    for state in run.states.values():
        assert min(state.chains) >= 1
        assert all(epoch >= 1 for epoch, _ in state.MKSKIPPED)


def test_the_sending_chain_of_an_old_epoch_is_gone():
    run = Run().until_sending_in(1)
    for state in run.states.values():
        assert state.chains[0].CKs is None
    start = State.initiator(SECRET).chains[0]
    assert start.CKs not in proof.stolen(*run.states.values())


def test_a_used_message_key_is_in_no_state():
    run, used = Run(), []
    for _ in range(50):
        header, mk = run.send("A")
        run.receive("B", header)
        used.append(mk)
    assert not proof.stolen(*run.states.values()) & set(used)


def test_a_refused_header_changes_no_state():
    run = Run().until_sending_in(1)
    header, mk = run.send("A")
    state = run.states["B"]
    before = proof.stolen(state)
    jump = replace(header, pq_number=header.pq_number + MAX_SKIP + 1)
    for forged in (jump, replace(header, braid=replace(header.braid, epoch=9))):
        with pytest.raises(Refused):
            receive_key(state, forged)
    assert proof.stolen(state) == before
    assert receive_key(state, header)[1] == mk


def test_other_types_and_lengths_are_refused():
    with pytest.raises(WrongType):
        send_key("state")
    with pytest.raises(WrongType):
        receive_key(State.initiator(SECRET), b"header")
    for start in (State.initiator, State.responder):
        with pytest.raises(WrongLength):
            start(bytes(33))
