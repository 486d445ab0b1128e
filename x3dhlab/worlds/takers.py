"""Two takers of one-time prekeys at one table, in every order of their statements.

A taker is a list of SQL statements, sent one by one. Statements may use `:name`, the user whose key
is wanted, and `:identifier` and `:prekey`, from the row that an earlier statement gave. What the
last statement with columns gave is handed out. At the end the connection is closed: what was not
committed is undone. Nobody tries again after an error.

SQLite runs really, in a file. PostgreSQL is the model in `isolation`, which is tested against
results of the real one. There a deletion outside BEGIN … COMMIT is two moves, since another
transaction can come between it and its commit; SQLite lets no other writer in.
"""

import contextlib
import itertools
import json
import sqlite3
import tempfile
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from importlib.resources import files
from pathlib import Path

from x3dhlab.worlds import isolation
from x3dhlab.worlds.isolation import BlockedError, FailedError

USER, STRANGER = "Bob", "Carol"
MOST = 5  # statements of one taker; with all commits 6 moves, which have 462 orders
DIALECTS = ("sqlite", "postgresql")


def rows(keys: int) -> list[tuple[str, int, bytes]]:
    """The table before a run: `keys` rows of Bob's, and two of Carol's that nobody asks for."""
    return [(USER, n, b"Bob %d" % n) for n in range(1, keys + 1)] + [
        (STRANGER, n, b"Carol %d" % n) for n in (1, 2)
    ]


@dataclass(frozen=True, slots=True)
class Ended:
    """One order, run: the moves as they happened, what each taker got, errors, what is left."""

    moves: tuple[str, ...]
    given: tuple[int | None, ...]
    errors: tuple[str, ...]
    left: tuple[tuple[str, int], ...]
    keys: int

    @property
    def objection(self) -> str:
        """What is wrong with it, in one sentence; "" when nothing is."""
        there = {(name, number) for name, number, _ in rows(self.keys)}
        mine = {number for name, number in there if name == USER}
        gone = there - set(self.left)
        got = [number for number in self.given if number is not None]
        for taker, error in zip("XY", self.errors, strict=True):
            if error:
                return f"{taker} ends with an error: {error}"
        if len(got) > len(set(got)):
            return f"X and Y both get key {got[0]}"
        if any(number not in mine for number in got):
            return "a key is handed out that is not Bob's"
        if any(name != USER for name, _ in gone):
            return "a key of Carol's is deleted, too"
        if set(got) - {number for _, number in gone}:
            return (
                f"key {min(set(got) - {n for _, n in gone})} is handed out and stays in the table"
            )
        if {number for _, number in gone} - set(got):
            return f"key {min({n for _, n in gone} - set(got))} is deleted, and nobody gets it"
        if len(got) < min(2, self.keys):
            return f"a taker gets no key, although the table had {self.keys}"
        return ""


@dataclass(slots=True)
class _Taker:
    letter: str
    session: object
    moves: Sequence[tuple[str, tuple[str, ...]]]
    at: int = 0
    inside: int = 0
    waits: bool = False
    due: int = 0
    row: dict | None = None
    error: str = ""
    values: dict = field(default_factory=lambda: {"name": USER, "identifier": None, "prekey": None})

    def advance(self) -> str:
        """Make the move that is due. Its name; "" while it goes on waiting for the other taker."""
        label, statements = self.moves[self.at]
        try:
            while self.inside < len(statements):
                self._received(*self.session.execute(statements[self.inside], self.values))
                self.inside += 1
        except BlockedError:
            first, self.waits = not self.waits, True
            return f"{self.letter}{label.split()[0]} waits" if first else ""
        except FailedError as problem:
            return self.fail(str(problem))
        self.at, self.inside, self.waits, self.due = self.at + 1, 0, False, self.due - 1
        if self.at == len(self.moves):
            self.session.close()
        return self.letter + label

    def _received(self, columns, found):
        if columns:
            self.row = dict(zip(columns, found[0], strict=True)) if found else None
            self.values |= dict.fromkeys(("identifier", "prekey")) | (self.row or {})

    def fail(self, words):
        self.error, self.due, self.row = words, 0, None
        self.session.close()
        return self.letter + self.moves[self.at][0]

    @property
    def given(self):
        if self.row is None:
            return None
        if set(self.row) >= {"identifier", "prekey"}:
            right = (USER, self.row["identifier"], self.row["prekey"])
            return self.row["identifier"] if right in rows(9) else -1
        self.error = self.error or "the last row has no identifier and prekey"
        return None


def orders(count: int) -> Iterator[tuple[int, ...]]:
    """Every order of two takers with `count` statements each; X, who is 0, moves first."""
    for others in itertools.combinations(range(1, 2 * count), count - 1):
        yield tuple(int(place and place not in others) for place in range(2 * count))


def moves(dialect: str, statements: Sequence[str]) -> list[tuple[str, tuple[str, ...]]]:
    """The moves of one taker: the number of its statement, and what is sent.

    The last one says so if it leaves a transaction open, which the closing connection undoes.
    """
    found, inside = [], False
    for number, statement in enumerate(statements, 1):
        word = (statement.split() or [""])[0].upper().rstrip(";")
        inside = (inside or word in ("BEGIN", "START")) and word not in (
            "COMMIT",
            "END",
            "ROLLBACK",
        )
        if dialect == "sqlite" or inside or word not in ("DELETE", "WITH"):
            found.append((str(number), (statement,)))
        else:
            found += [(str(number), ("BEGIN", statement)), (f"{number} commits", ("COMMIT",))]
    if inside:
        label, sent = found.pop()
        found.append((f"{label} without COMMIT", sent))
    return found


def race(database, sent: Sequence, order: Sequence[int], keys: int = 3) -> Ended:
    """Run one order of `moves` on a database with `fill`, `session` and `left`, as `sqlite()`."""
    database.fill(rows(keys))
    takers = [_Taker(letter, database.session(), sent) for letter in "XY"]
    made = []
    for who in order:
        takers[who].due += not takers[who].error
        while move := next((done for one in takers if one.due and (done := one.advance())), ""):
            made.append(move)
    for taker in takers:
        if taker.due:
            made.append(taker.fail("each waits for the other"))
    given = tuple(taker.given for taker in takers)
    errors = tuple(taker.error for taker in takers)
    return Ended(tuple(made), given, errors, tuple(database.left()), keys)


def races(dialect: str, statements: Sequence[str], keys: int = 3, on=None) -> Iterator[Ended]:
    """Every order of two takers with these statements, on SQLite or on the model of PostgreSQL.

    `on` is another database of this dialect, such as a real server. Raises `ValueError` for a
    dialect that is none of `DIALECTS`.
    """
    if dialect not in DIALECTS:
        raise ValueError(f"the dialect is one of {', '.join(DIALECTS)}")
    sent = moves(dialect, statements)
    with _DATABASES[dialect]() if on is None else contextlib.nullcontext(on) as database:
        for order in orders(len(sent)):
            yield race(database, sent, order, keys)


def objection(dialect: str, statements: Sequence[str]) -> str:
    """The first thing that is wrong, with its order; "" if every order is right.

    Tried with three keys, with one and with none.
    """
    for keys in (3, 1, 0):
        for ended in races(dialect, statements, keys):
            if ended.objection:
                table = f"{keys or 'no'} key{'s' * (keys != 1)} in the table"
                return f"{', '.join(ended.moves)}; {table}: {ended.objection}."
    return ""


# Ways to take a key, to look at

_TABLE = "one_time_prekeys"
LOOK = f"SELECT identifier, prekey FROM {_TABLE} WHERE name = :name ORDER BY identifier LIMIT 1"
DELETE = f"DELETE FROM {_TABLE} WHERE name = :name AND identifier = :identifier"


def in_one(lock: str = "") -> str:
    """One statement that chooses, deletes and returns; `lock` stands after the choice."""
    chosen = LOOK.replace("identifier, prekey", "identifier") + f" {lock}".rstrip()
    return (
        f"DELETE FROM {_TABLE} WHERE name = :name AND identifier = ({chosen}) "
        "RETURNING identifier, prekey"
    )


EXAMPLES = {
    "sqlite": {
        "look, delete": [LOOK, DELETE],
        "BEGIN, look, delete": ["BEGIN", LOOK, DELETE, "COMMIT"],
        "BEGIN IMMEDIATE, look, delete": ["BEGIN IMMEDIATE", LOOK, DELETE, "COMMIT"],
        "DELETE … RETURNING": [in_one()],
    },
    "postgresql": {
        "look, delete": [LOOK, DELETE],
        **{
            f"BEGIN {level}, look, delete": [
                f"BEGIN ISOLATION LEVEL {level}",
                LOOK,
                DELETE,
                "COMMIT",
            ]
            for level in isolation.LEVELS
        },
        "BEGIN, look FOR UPDATE, delete": ["BEGIN", LOOK + " FOR UPDATE", DELETE, "COMMIT"],
        "DELETE … RETURNING": [in_one()],
        "DELETE … RETURNING, FOR UPDATE": [in_one("FOR UPDATE")],
        "DELETE … RETURNING, SKIP LOCKED": [in_one("FOR UPDATE SKIP LOCKED")],
    },
}

RIGHT, SAME, NONE, ERROR = "two keys", "one key for both", "no key for one", "error"


def ending(ended: Ended) -> str:
    """In which of four ways it ended."""
    if any(ended.errors):
        return ERROR
    if None in ended.given:
        return NONE
    return SAME if len(set(ended.given)) == 1 else RIGHT


def counts(runs: Iterable[Ended]) -> dict[str, int]:
    """How many orders end in which way."""
    found = Counter(map(ending, runs))
    return {way: found[way] for way in (RIGHT, SAME, NONE, ERROR)}


def recorded() -> dict:
    """What a real PostgreSQL did with the examples: its version, and the counts of each."""
    text = (files("x3dhlab.worlds") / "postgres_takers.json").read_text(encoding="utf-8")
    return json.loads(text)


# SQLite

_SCHEMA = """CREATE TABLE one_time_prekeys
(name TEXT, identifier INTEGER, prekey BLOB, PRIMARY KEY (name, identifier))"""
_ALLOWED = {
    sqlite3.SQLITE_SELECT,
    sqlite3.SQLITE_READ,
    sqlite3.SQLITE_DELETE,
    sqlite3.SQLITE_UPDATE,
    sqlite3.SQLITE_TRANSACTION,
}
_FUNCTIONS = {"min", "max", "count", "random"}
_WORK = 100  # thousands of steps of SQLite's machine, for one statement


@contextlib.contextmanager
def sqlite() -> Iterator["_SQLite"]:
    """A database in a temporary file, as the store has it; durable it need not be."""
    with tempfile.TemporaryDirectory(prefix="x3dhlab-") as place:
        database = _SQLite(str(Path(place) / "takers.db"))
        try:
            yield database
        finally:
            database.close()


class _SQLite:
    def __init__(self, path):
        self._path, self._sessions = path, []
        self._main = sqlite3.connect(path, isolation_level=None)
        self._main.execute("PRAGMA journal_mode = WAL")
        self._main.execute("PRAGMA synchronous = OFF")
        self._main.execute(_SCHEMA)

    def fill(self, found):
        for session in self._sessions:
            session.close()
        self._main.execute("BEGIN IMMEDIATE")
        self._main.execute("DELETE FROM one_time_prekeys")
        self._main.executemany("INSERT INTO one_time_prekeys VALUES (?, ?, ?)", found)
        self._main.execute("COMMIT")

    def session(self):
        self._sessions.append(_SQLiteSession(self._path))
        return self._sessions[-1]

    def left(self):
        query = "SELECT name, identifier FROM one_time_prekeys ORDER BY name, identifier"
        return self._main.execute(query).fetchall()

    def close(self):
        for session in self._sessions:
            session.close()
        self._main.close()


class _SQLiteSession:
    """Statements that somebody wrote: they may read and delete in the one table, and no more."""

    def __init__(self, path):
        self._database = sqlite3.connect(path, isolation_level=None, timeout=0)
        self._database.execute("PRAGMA synchronous = OFF")
        self._database.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, 10_000)
        self._database.set_authorizer(_authorized)

    def execute(self, statement, values):
        work = iter(range(_WORK))
        self._database.set_progress_handler(lambda: next(work, None) is None, 1000)
        try:
            cursor = self._database.execute(statement, values)
            return [column[0] for column in cursor.description or ()], cursor.fetchall()
        except sqlite3.OperationalError as problem:
            if problem.sqlite_errorcode == sqlite3.SQLITE_BUSY:
                raise BlockedError from problem
            raise FailedError(str(problem)) from problem
        except (sqlite3.Error, sqlite3.Warning, ValueError, OverflowError) as problem:
            raise FailedError(str(problem)) from problem

    def close(self):
        self._database.close()


def _authorized(action, first, second, *_):
    known = action in _ALLOWED and first != "sqlite_master"
    known = known or (action == sqlite3.SQLITE_FUNCTION and second in _FUNCTIONS)
    return sqlite3.SQLITE_OK if known else sqlite3.SQLITE_DENY


_DATABASES: dict[str, Callable] = {
    "sqlite": sqlite,
    "postgresql": lambda: contextlib.nullcontext(isolation.Postgres()),
}
