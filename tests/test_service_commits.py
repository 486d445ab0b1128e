"""Group commit: one write for many, each can fail alone, and nobody hears before it is safe."""

import asyncio
import contextlib
import threading

import pytest
import sqlalchemy as sql

from x3dhlab.errors import StoreUnavailable, UnknownUser
from x3dhlab.service import commits as module
from x3dhlab.service.commits import Commits
from x3dhlab.service.database import Database

tables = sql.MetaData()
words = sql.Table("words", tables, sql.Column("word", sql.String(20), primary_key=True))


class Counted(Database):
    """Counts the commits, and can fail at one."""

    def __init__(self, url):
        super().__init__(url)
        self.commits, self.failing = 0, False
        self.prepare(tables)

    @contextlib.contextmanager
    def transaction(self):
        outermost = getattr(self._thread, "connection", None) is None
        with super().transaction() as connection:
            yield connection
            if outermost and self.failing:
                raise StoreUnavailable("the disk is full")
        self.commits += outermost

    def add(self, word):
        with self.transaction() as connection:
            connection.execute(words.insert().values(word=word))
        return word

    def add_and_refuse(self, word):
        with self.transaction() as connection:
            connection.execute(words.insert().values(word=word))
            raise UnknownUser("no")

    def words(self):
        with self.transaction() as connection:
            return set(connection.execute(sql.select(words.c.word)).scalars())


@pytest.fixture
def database(tmp_path):
    made = Counted(f"sqlite:///{tmp_path}/words.db")
    yield made
    made.close()


def held(database, *jobs):
    """The outcomes of jobs that all waited while the first one held the thread."""
    started, go = threading.Event(), threading.Event()

    def hold():
        started.set()
        go.wait()

    async def ask():
        commits = Commits(database)
        first = asyncio.ensure_future(commits(hold))
        await asyncio.to_thread(started.wait)
        asked = [asyncio.ensure_future(commits(*job)) for job in jobs]
        await asyncio.sleep(0)  # all are in the queue
        go.set()
        await first
        outcomes = await asyncio.gather(*asked, return_exceptions=True)
        await asyncio.to_thread(commits.close)
        return outcomes

    return asyncio.run(ask())


def test_requests_that_wait_together_are_one_commit(database):
    before = database.commits
    assert held(database, *((database.add, f"w{n}") for n in range(20))) == [
        f"w{n}" for n in range(20)
    ]
    assert database.commits == before + 1
    assert len(database.words()) == 20


def test_a_batch_has_a_largest_size(database, monkeypatch):
    monkeypatch.setattr(module, "BATCH", 4)
    before = database.commits
    held(database, *((database.add, f"w{n}") for n in range(10)))
    assert database.commits == before + 3


def test_a_refused_request_takes_back_its_own_changes_only(database):
    outcomes = held(
        database, (database.add, "a"), (database.add_and_refuse, "b"), (database.add, "c")
    )
    assert [outcomes[0], type(outcomes[1]), outcomes[2]] == ["a", UnknownUser, "c"]
    assert database.words() == {"a", "c"}


def test_a_statement_that_fails_harms_no_neighbour(database):
    outcomes = held(database, (database.add, "a"), (database.add, "a"), (database.add, "c"))
    assert [outcomes[0], type(outcomes[1]), outcomes[2]] == ["a", StoreUnavailable, "c"]
    assert database.words() == {"a", "c"}


def test_a_mistake_in_a_job_goes_to_whoever_asked(database):
    outcomes = held(database, (database.add, "a"), (lambda: 1 / 0,), (database.add, "c"))
    assert isinstance(outcomes[1], ZeroDivisionError)
    assert database.words() == {"a", "c"}


def test_when_the_commit_fails_nobody_hears_of_success(database):
    database.failing = True
    outcomes = held(database, (database.add, "a"), (database.add, "b"))
    assert [type(outcome) for outcome in outcomes] == [StoreUnavailable] * 2
    database.failing = False
    assert database.words() == set()


def test_closing_finishes_what_waits(database):
    async def ask():
        commits = Commits(database)
        asked = [asyncio.ensure_future(commits(database.add, f"w{n}")) for n in range(5)]
        await asyncio.sleep(0)
        await asyncio.to_thread(commits.close)
        return await asyncio.gather(*asked)

    assert len(asyncio.run(ask())) == 5
    assert len(database.words()) == 5


def test_too_many_waiting_requests_are_refused(database, monkeypatch):
    monkeypatch.setattr(module, "QUEUE", 3)
    outcomes = held(database, *((database.add, f"w{n}") for n in range(6)))
    refused = [o for o in outcomes if isinstance(o, StoreUnavailable)]
    assert len(refused) == 3
    assert len(database.words()) == 3


def test_whoever_leaves_takes_no_answer_from_others(database):
    async def ask():
        commits, go = Commits(database), threading.Event()
        first = asyncio.ensure_future(commits(go.wait))
        left, stays = (asyncio.ensure_future(commits(database.add, w)) for w in "ab")
        await asyncio.sleep(0)
        left.cancel()
        go.set()
        await first
        assert await asyncio.wait_for(stays, 60) == "b"
        await asyncio.to_thread(commits.close)

    asyncio.run(ask())
    assert database.words() == {"a", "b"}
