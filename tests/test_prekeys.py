"""The ring of prekeys: signatures, identifiers, burning, rotation."""

from dataclasses import FrozenInstanceError

import pytest

from x3dhlab import prekeys, trace
from x3dhlab.errors import InvalidField, UnknownPreKey, UsedPreKey, WrongType
from x3dhlab.keys import KeyPair
from x3dhlab.primitives import verify
from x3dhlab.wire import BATCH_LIMIT, Publication, encode_key

RING = prekeys.generate(one_time=3)
PQ_RING = prekeys.generate(one_time=2, kem="ML-KEM-768")


def test_a_ring_signs_the_encoding_of_its_signed_prekey():
    public = prekeys.publication(RING)
    verify(public.identity_key, encode_key(public.signed_prekey), public.signed_prekey_signature)


def test_every_kem_prekey_carries_its_own_signature():
    public = prekeys.publication(PQ_RING)
    keys = (*public.kem_prekeys, *public.last_resort_kem_prekeys)
    assert len(keys) == 3
    assert len({key.kem_prekey_signature for key in keys}) == 3
    for key in keys:
        verify(public.identity_key, key.kem_prekey, key.kem_prekey_signature)


def test_a_publication_holds_no_private_key():
    encoded = prekeys.publication(PQ_RING).encode()
    assert Publication.decode(encoded) == prekeys.publication(PQ_RING)
    pairs = [PQ_RING.identity, *PQ_RING.one_time.values()]
    pairs += [key.pair for key in PQ_RING.signed.values()]
    pairs += [key.pair for key in (PQ_RING.kem_one_time | PQ_RING.kem_last_resort).values()]
    assert len(pairs) == 7
    for pair in pairs:
        assert pair.private not in encoded


def test_identifiers_are_never_used_again():
    ring = prekeys.add_one_time(prekeys.burn(RING, max(RING.one_time)), 2)
    assert set(ring.one_time) == {*list(RING.one_time)[:-1], RING.next_id, RING.next_id + 1}
    rotated = prekeys.rotate(ring)
    assert rotated.current == ring.next_id


def test_a_refill_publishes_only_the_new_keys():
    since = RING.next_id
    ring = prekeys.add_one_time(RING, 2)
    uploaded = prekeys.publication(ring, since=since).one_time_prekeys
    assert [key.one_time_prekey_id for key in uploaded] == [since, since + 1]


def test_a_key_that_was_used_is_told_from_one_that_never_was():
    used = next(iter(RING.one_time))
    ring = prekeys.burn(RING, used)
    with pytest.raises(UsedPreKey) as caught:
        prekeys.find_one_time(ring, used)
    assert caught.value.data == {"identifier": used}
    for find in (prekeys.find_one_time, prekeys.find_signed, prekeys.find_kem):
        with pytest.raises(UnknownPreKey):
            find(ring, ring.next_id)
        for impossible in (0, -1, 2**32):
            with pytest.raises(UnknownPreKey):
                find(ring, impossible)


@pytest.mark.parametrize("wrong", ["1", b"secret", 1.0, [1]])
def test_an_identifier_is_a_number(wrong):
    for find in (prekeys.find_one_time, prekeys.find_signed, prekeys.find_kem):
        with pytest.raises(WrongType) as caught:
            find(RING, wrong)
        assert "secret" not in str(caught.value)


def test_no_identifier_means_no_one_time_prekey():
    assert prekeys.find_one_time(RING, None) is None


def test_burning_deletes_one_key_and_leaves_the_old_ring_alone():
    first, *others = RING.one_time
    with trace.record() as recorded:
        ring = prekeys.burn(RING, first)
    assert list(ring.one_time) == others
    assert first in RING.one_time
    assert [event.kind for event in recorded.events] == ["FORGET"]
    assert recorded.events[0].inputs[0][1] == RING.one_time[first].private


def test_burning_nothing_or_an_unknown_key_changes_nothing():
    for identifiers in ((None,), (99,), (None, 99)):
        assert prekeys.burn(RING, *identifiers) == RING


def test_a_last_resort_kem_prekey_is_never_burnt():
    last, one_time = next(iter(PQ_RING.kem_last_resort)), next(iter(PQ_RING.kem_one_time))
    assert prekeys.burn(PQ_RING, None, last) == PQ_RING
    assert one_time not in prekeys.burn(PQ_RING, None, one_time).kem_one_time


def test_rotation_keeps_the_old_key_until_it_is_retired():
    ring = prekeys.rotate(prekeys.generate(one_time=0, now=10), now=20)
    old, new = ring.signed
    assert prekeys.publication(ring).signed_prekey_id == new
    assert prekeys.find_signed(ring, old) == ring.signed[old].pair
    retired = prekeys.retire(ring, before=20)
    assert list(retired.signed) == [new]
    with pytest.raises(UsedPreKey):
        prekeys.find_signed(retired, old)


def test_the_newest_signed_prekey_is_never_retired():
    ring = prekeys.generate(one_time=0, kem="ML-KEM-768", now=10)
    assert prekeys.retire(ring, before=1000) == ring


def test_a_ring_is_frozen():
    with pytest.raises(FrozenInstanceError):
        RING.next_id = 1
    with pytest.raises(TypeError):
        RING.one_time[1] = KeyPair.generate()


@pytest.mark.parametrize("count", [-1, BATCH_LIMIT + 1, "5", None, 2.0])
def test_a_batch_has_a_limit(count):
    with pytest.raises(InvalidField) as caught:
        prekeys.add_one_time(RING, count)
    assert caught.value.step == "X3DH §3.2"


@pytest.mark.parametrize(
    "call",
    [
        lambda: prekeys.generate(identity=b"key"),
        lambda: prekeys.rotate(None),
        lambda: prekeys.retire("ring", before=0),
        lambda: prekeys.add_one_time(None, 1),
        lambda: prekeys.publication(b""),
        lambda: prekeys.find_signed(None, 1),
        lambda: prekeys.burn({}, 1),
    ],
)
def test_a_ring_of_another_type_is_refused(call):
    with pytest.raises(WrongType) as caught:
        call()
    assert "§" in caught.value.step
