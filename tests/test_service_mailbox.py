"""Mailboxes: in order, at least once, within bounds; on SQLite and on PostgreSQL."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
import sqlalchemy as sql
from hypothesis import given
from hypothesis import strategies as some

from x3dhlab.errors import InvalidField, RateLimited, TooLarge, WrongType
from x3dhlab.service import mailbox as module
from x3dhlab.service.mailbox import ENVELOPE_LIMIT, FULL_SECONDS, PAGE, Mailbox


@pytest.fixture
def box(database_url):
    made = Mailbox(database_url)
    yield made
    made.database.close()


def put(box, number, *, sender="Alice", recipient="Bob", envelope=b"sealed", now=0):
    return box.put(recipient, sender, envelope, message_id=str(number), now=now)


def ids(letters):
    return [letter.message_id for letter in letters]


def test_messages_wait_in_order_with_their_senders_and_exact_bytes(box):
    put(box, 1, envelope=bytes(range(256)))
    put(box, 2, sender="Carol", envelope=b"")
    assert [(x.sender, x.message_id, bytes(x.envelope)) for x in box.pending("Bob")] == [
        ("Alice", "1", bytes(range(256))),
        ("Carol", "2", b""),
    ]


def test_nothing_leaves_because_it_was_read(box):
    put(box, 1)
    assert box.pending("Bob") == box.pending("Bob") != []


def test_what_is_acknowledged_leaves_and_nothing_else_does(box):
    first, second = put(box, 1)[0], put(box, 2)[0]
    assert box.acknowledge("Bob", [first]) == 1
    assert ids(box.pending("Bob")) == ["2"]
    assert box.acknowledge("Bob", [first, second, 10**9]) == 1
    assert box.pending("Bob") == []


def test_nobody_acknowledges_in_another_mailbox(box):
    sequence = put(box, 1)[0]
    assert box.acknowledge("Carol", [sequence]) == 0
    assert ids(box.pending("Bob")) == ["1"]


def test_a_message_that_is_sent_twice_is_there_once(box):
    sequence, new = put(box, 1)
    assert new
    assert put(box, 1) == (sequence, False)
    assert ids(box.pending("Bob")) == ["1"]


def test_the_same_number_from_another_sender_or_to_another_mailbox_is_another_message(box):
    put(box, 1)
    assert put(box, 1, sender="Carol")[1]
    assert put(box, 1, recipient="Dave")[1]
    assert len(box.pending("Bob")) == 2


def test_a_repetition_after_the_acknowledgement_is_delivered_again(box):
    """At least once: the receiver must know the message again."""
    sequence, _ = put(box, 1)
    box.acknowledge("Bob", [sequence])
    again, new = put(box, 1)
    assert new
    assert again > sequence


def test_a_sequence_number_is_never_used_again(box):
    last = put(box, 1)[0]
    box.acknowledge("Bob", [last])
    assert put(box, 2)[0] > last
    assert ids(box.pending("Bob", last)) == ["2"]


def test_a_reader_goes_on_where_it_stopped(box):
    sequences = [put(box, number)[0] for number in range(5)]
    assert ids(box.pending("Bob", sequences[2])) == ["3", "4"]
    assert ids(box.pending("Bob", limit=2)) == ["0", "1"]


def test_one_answer_is_one_page(box):
    for number in range(PAGE + 1):
        put(box, number)
    assert len(box.pending("Bob")) == PAGE


def test_a_full_mailbox_takes_no_more_until_something_leaves(box, monkeypatch):
    monkeypatch.setattr(module, "MAILBOX_LIMIT", 3)
    sequences = [put(box, number)[0] for number in range(3)]
    with pytest.raises(RateLimited) as caught:
        put(box, 4)
    assert caught.value.data["seconds"] == FULL_SECONDS
    assert put(box, 2) == (sequences[2], False)  # it is there, so it needs no room
    put(box, 4, recipient="Carol")
    box.acknowledge("Bob", sequences[:1])
    put(box, 4)


def test_a_message_has_a_largest_size(box):
    put(box, 1, envelope=bytes(ENVELOPE_LIMIT))
    with pytest.raises(TooLarge):
        put(box, 2, envelope=bytes(ENVELOPE_LIMIT + 1))
    assert ids(box.pending("Bob")) == ["1"]


def test_what_nobody_took_in_time_is_deleted(box):
    put(box, 1, now=100)
    put(box, 2, now=200)
    assert box.expire(200) == 1
    assert ids(box.pending("Bob")) == ["2"]


def test_who_has_mail(box):
    put(box, 1)
    put(box, 2, recipient="Carol")
    names = ["Bob", "Dave", *map(str, range(2 * PAGE))]
    assert box.waiting(names) == {"Bob"}
    assert box.waiting([]) == set()


@pytest.mark.parametrize("number", ["", "x" * 65, "a b", "ü", "1\n", "a;b"])
def test_a_message_id_is_a_short_word(box, number):
    with pytest.raises(InvalidField):
        put(box, number)


def test_what_cannot_be_a_message_is_refused(box):
    for error, call in (
        (InvalidField, lambda: put(box, 1, recipient="")),
        (InvalidField, lambda: put(box, 1, sender="a\0")),
        (WrongType, lambda: put(box, 1, envelope="text")),
        (WrongType, lambda: box.put("Bob", "Alice", b"", message_id=1)),
    ):
        with pytest.raises(error):
            call()
    assert box.pending("Bob") == []


def test_a_later_number_is_never_seen_before_an_earlier_one(new_postgres):
    """PostgreSQL gives numbers before they are committed: without turns, a reader skips one."""
    box = Mailbox(new_postgres())

    def elsewhere(call, *arguments):
        """In a thread, and so in a transaction of its own."""
        return threads.submit(call, *arguments)

    with ThreadPoolExecutor() as threads:
        with box.database.transaction() as connection:
            put(box, 1)
            second = elsewhere(put, box, 2)
            waiting = sql.text("SELECT count(*) FROM pg_locks WHERE NOT granted")
            while not second.done() and not connection.execute(waiting).scalar():
                pass
            seen = elsewhere(box.pending, "Bob").result()
        second.result()
    last = max((letter.sequence for letter in seen), default=0)
    assert ids(seen + box.pending("Bob", last)) == ["1", "2"]
    box.database.close()


def test_a_reader_beside_many_writers_misses_nothing(box):
    writers, each = 4, 25

    def write(sender):
        for number in range(each):
            put(box, number, sender=sender)

    threads = [threading.Thread(target=write, args=(f"writer {n}",)) for n in range(writers)]
    for thread in threads:
        thread.start()
    seen, last = [], 0
    while any(thread.is_alive() for thread in threads) or box.pending("Bob", last, limit=1):
        for letter in box.pending("Bob", last):
            seen.append((letter.sender, letter.message_id))
            last = letter.sequence
    assert len(seen) == writers * each
    assert len(set(seen)) == len(seen)


actions = some.lists(
    some.one_of(
        some.tuples(some.just("put"), some.sampled_from("AC"), some.integers(0, 3)),
        some.tuples(some.just("acknowledge"), some.integers(0, 12), some.none()),
        some.tuples(some.just("expire"), some.integers(0, 12), some.none()),
    ),
    max_size=25,
)


@given(actions)
def test_every_order_of_steps_keeps_what_is_neither_acknowledged_nor_expired(steps):
    box, expected = Mailbox(), {}  # sequence → (sender, number, time)
    for now, (what, value, number) in enumerate(steps):
        if what == "put":
            sequence, new = put(box, number, sender=value, now=now)
            there = [(s, n) for s, n, _ in expected.values()]
            assert new == ((value, str(number)) not in there)
            if new:
                expected[sequence] = (value, str(number), now)
        elif what == "acknowledge":
            box.acknowledge("Bob", [value])
            expected.pop(value, None)
        else:
            box.expire(value)
            expected = {s: kept for s, kept in expected.items() if kept[2] >= value}
        waiting = box.pending("Bob")
        assert [(x.sequence, x.sender, x.message_id) for x in waiting] == [
            (s, sender, number) for s, (sender, number, _) in sorted(expected.items())
        ]
    box.database.close()
