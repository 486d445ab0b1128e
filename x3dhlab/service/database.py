"""One database for the store, the mailboxes and the accounts: SQLite by default, PostgreSQL by URL.

What is committed stays committed, also after a power loss: SQLite runs with `synchronous=FULL`,
because a forgotten deletion would hand out a one-time prekey a second time.
"""

import contextlib
import functools
import random
import sqlite3
import threading
import time

import sqlalchemy as sql
from sqlalchemy import event
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import SQLAlchemyError

from x3dhlab.errors import InvalidField, StoreUnavailable, expect

NAME_LIMIT = 256  # characters of a user name
BUSY_SECONDS = 30  # how long a request waits for another one's transaction
STEP = "X3DH §3.2"

_PREPARING = 0x7833_6468  # the advisory lock under which PostgreSQL gets its tables
_TURNS = 0x7474  # the advisory locks of `take_turns`


class Database:
    """`Database()` lives in memory; `Database("sqlite:///keys.db")` in a file.

    A transaction waits up to `busy_seconds` for another one. After that, and for a database that
    is missing, read-only or damaged, every method raises `StoreUnavailable`.
    """

    def __init__(self, url: str = "sqlite://", *, busy_seconds: float = BUSY_SECONDS):
        expect(url, str, "url", step=STEP)
        self._thread = threading.local()
        with _told():
            self.engine = sql.create_engine(_address(url), **_options(url, busy_seconds))
            if self.engine.dialect.name == "sqlite":
                _lock_at_begin(self.engine, busy_seconds)

    @classmethod
    def of(cls, place: "str | Database", **options) -> "Database":
        """A database as it is, or the one at a URL."""
        return place if isinstance(place, Database) else cls(place, **options)

    def prepare(self, tables: sql.MetaData) -> None:
        """Make the tables that are missing; several processes may do so at once."""
        with self.transaction() as connection:
            if self.engine.dialect.name == "postgresql":
                connection.execute(sql.select(sql.func.pg_advisory_xact_lock(_PREPARING)))
            tables.create_all(connection)

    @contextlib.contextmanager
    def transaction(self):
        """A connection whose statements are kept together, or not at all.

        Inside another transaction of this thread it is a step: it can fail alone, and it is safe
        on the disk when the outermost one has ended.
        """
        around = getattr(self._thread, "connection", None)
        if around is not None:
            with _told(), _step(around):
                yield around
            return
        with _told(), self.engine.begin() as connection:
            self._thread.connection = connection
            try:
                yield connection
            finally:
                self._thread.connection = None

    def take_turns(self, connection, what: str) -> None:
        """From here to the end of the transaction, nobody else has passed here with this text."""
        if self.engine.dialect.name == "postgresql":
            turn = sql.func.pg_advisory_xact_lock(_TURNS, sql.func.hashtext(what))
            connection.execute(sql.select(turn))

    def close(self) -> None:
        """Give the connections back."""
        self.engine.dispose()


@contextlib.contextmanager
def _step(connection):
    """A savepoint. SQLAlchemy's own compiles its three statements anew each time."""
    connection.exec_driver_sql("SAVEPOINT step")
    try:
        yield
    except BaseException:
        connection.exec_driver_sql("ROLLBACK TO SAVEPOINT step")
        raise
    finally:
        connection.exec_driver_sql("RELEASE SAVEPOINT step")


def check_name(name: str) -> None:
    """Raise `WrongType` or `InvalidField` unless this can be the name of a user."""
    expect(name, str, "name", step=STEP)
    if not 0 < len(name) <= NAME_LIMIT:
        raise InvalidField(
            f"a user name has 1 to {NAME_LIMIT} characters", step=STEP, got=len(name)
        )
    if not name.isprintable():
        raise InvalidField("a user name has printable characters only", step=STEP)


def insert_new(connection, table: sql.Table, **values) -> bool:
    """Insert a row; False if its key is there. Waits for whoever is inserting the same one."""
    added = connection.execute(_insertion(table, connection.dialect.name), values).first()
    return added is not None


@functools.cache
def _insertion(table, dialect):
    insert = {"postgresql": postgresql, "sqlite": sqlite}[dialect].insert
    # The row comes back, because PostgreSQL's driver counts none for an insertion.
    return insert(table).on_conflict_do_nothing().returning(*table.primary_key)


def _address(url):
    kind, _, rest = url.partition("://")
    return f"postgresql+psycopg://{rest}" if kind in ("postgres", "postgresql") else url


def _options(url, seconds):
    if url in ("sqlite://", "sqlite:///:memory:"):
        # One connection is the database: threads take turns.
        return {
            "poolclass": sql.QueuePool,
            "pool_size": 1,
            "max_overflow": 0,
            "pool_timeout": seconds,
            "connect_args": {"check_same_thread": False},
        }
    if url.startswith("sqlite"):
        return {"connect_args": {"timeout": seconds}}
    if url.startswith("postgres"):
        waiting = f"-c lock_timeout={int(seconds * 1000)}"
        return {"pool_pre_ping": True, "connect_args": {"options": waiting}}
    return {}


def _lock_at_begin(engine, seconds):
    """Take SQLite's write lock when a transaction begins, not at its first write.

    Two readers that both want to become writers would otherwise meet a deadlock, which SQLite
    answers with an error instead of waiting. SQLite's own wait grows to 100 ms a try, and a busy
    crowd of processes can starve the one that sleeps; short random waits give each its turn.
    """

    @event.listens_for(engine, "connect")
    def _connect(connection, _):
        connection.isolation_level = None
        _patiently(connection, "PRAGMA journal_mode = WAL", seconds)
        connection.execute("PRAGMA synchronous = FULL")

    @event.listens_for(engine, "begin")
    def _begin(connection):
        database = connection.connection.driver_connection
        database.execute("PRAGMA busy_timeout = 0")
        try:
            _patiently(database, "BEGIN IMMEDIATE", seconds)
        finally:
            database.execute(f"PRAGMA busy_timeout = {int(seconds * 1000)}")


def _patiently(database, statement, seconds):
    """Run a statement that another process may hold up."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            return database.execute(statement)
        except sqlite3.OperationalError as problem:
            busy = problem.sqlite_errorcode & 0xFF == sqlite3.SQLITE_BUSY  # without its subcode
            if not busy or time.monotonic() >= deadline:
                raise
        time.sleep(random.uniform(0.0005, 0.005))


@contextlib.contextmanager
def _told():
    """Problems of the database as one refusal of ours."""
    try:
        yield
    except (SQLAlchemyError, sqlite3.Error, ImportError) as problem:
        reason = str(getattr(problem, "orig", None) or problem).splitlines()[0]
        raise StoreUnavailable(
            f"the prekey store cannot be used: {reason}", step="X3DH §2.3", reason=reason
        ) from problem
