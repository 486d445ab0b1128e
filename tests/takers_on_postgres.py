"""Two takers on a real PostgreSQL: every order of their statements, and the record of it.

    python -m tests.takers_on_postgres      write x3dhlab/worlds/postgres_takers.json again

A statement that waits for a lock is found by asking the server; nothing here waits for a time.
"""

import contextlib
import json
import re
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psycopg

from tests import postgres
from x3dhlab.worlds import takers
from x3dhlab.worlds.isolation import BlockedError, FailedError

RECORD = Path(takers.__file__).with_name("postgres_takers.json")
_SCHEMA = """CREATE TABLE IF NOT EXISTS one_time_prekeys
(name text, identifier int, prekey bytea, PRIMARY KEY (name, identifier))"""


class Real:
    """A database for `takers.race`: a server's, at a URL as SQLAlchemy has it."""

    def __init__(self, url):
        self.url, self.sessions = url.replace("+psycopg", ""), []
        self.main = self.connect()
        self.main.execute(_SCHEMA)

    def connect(self):
        return psycopg.connect(self.url, autocommit=True)

    def fill(self, rows):
        self.close_sessions()
        self.main.execute("TRUNCATE one_time_prekeys")
        with self.main.cursor() as cursor:
            cursor.executemany("INSERT INTO one_time_prekeys VALUES (%s, %s, %s)", rows)

    def session(self):
        self.sessions.append(Session(self))
        return self.sessions[-1]

    def left(self):
        query = "SELECT name, identifier FROM one_time_prekeys ORDER BY name, identifier"
        return self.main.execute(query).fetchall()

    def waits(self, pid):
        query = "SELECT cardinality(pg_blocking_pids(%s)) > 0"
        return self.main.execute(query, (pid,)).fetchone()[0]

    def close_sessions(self):
        while self.sessions:
            self.sessions.pop().end()


class Session:
    """One connection with a thread of its own, so that a statement can wait."""

    def __init__(self, server):
        self.server, self.connection = server, server.connect()
        self.pid = self.connection.info.backend_pid
        self.thread, self.running = ThreadPoolExecutor(1), None

    def execute(self, statement, values):
        self.running = self.running or self.thread.submit(self._execute, statement, values)
        while not self.running.done():
            if self.server.waits(self.pid):
                raise BlockedError
        running, self.running = self.running, None
        try:
            return running.result()
        except psycopg.Error as problem:
            raise FailedError(str(problem).splitlines()[0]) from problem

    def _execute(self, statement, values):
        cursor = self.connection.execute(re.sub(r":(\w+)", r"%(\1)s", statement), values)
        columns = [column.name for column in cursor.description or ()]
        return columns, cursor.fetchall() if columns else []

    def close(self):
        self.connection.rollback()

    def end(self):
        self.thread.shutdown()
        self.connection.close()


@contextlib.contextmanager
def real(url):
    """The database at a URL, closed at the end."""
    server = Real(url)
    try:
        yield server
    finally:
        server.close_sessions()
        server.main.close()


def counted(statements, server=None) -> dict[str, int]:
    """How many orders end in which way, on a real server or on the model."""
    return takers.counts(takers.races("postgresql", statements, on=server))


def main() -> None:
    """Run all of `takers.EXAMPLES` and write what happened."""
    with postgres.cluster() as place, real(postgres.new_database(place, "takers")) as server:
        version = server.main.info.server_version
        ways = takers.EXAMPLES["postgresql"]
        found = {name: counted(statements, server) for name, statements in ways.items()}
    text = {"server": f"PostgreSQL {version // 10000}.{version % 10000}", "orders": found}
    RECORD.write_text(json.dumps(text, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
