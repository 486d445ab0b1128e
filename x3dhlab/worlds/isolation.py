"""A model of PostgreSQL's isolation for one table of rows that are read, locked and deleted.

It reads the few statements that a taker of one-time prekeys needs, and knows three levels. READ
COMMITTED: each statement sees what was committed before it; a row that was deleted while the
statement waited for it is passed over. REPEATABLE READ and SERIALIZABLE: the whole transaction sees
what was committed before its first statement; a row that another transaction deleted since ends in
an error. What it does not know: inserts and updates, locks of whole tables, and the further
errors of SERIALIZABLE for reads that no row connects. The tests compare it with results of a real
server.
"""

import re
from dataclasses import dataclass, field

TABLE, COLUMNS = "one_time_prekeys", ("name", "identifier", "prekey")
COMMITTED, REPEATABLE, SERIALIZABLE = "READ COMMITTED", "REPEATABLE READ", "SERIALIZABLE"
LEVELS = (COMMITTED, REPEATABLE, SERIALIZABLE)


class BlockedError(Exception):
    """The statement waits for another transaction; ask again when that one has moved."""


class FailedError(Exception):
    """The database refuses the statement. `args[0]` says why."""


# What statements say


@dataclass(frozen=True, slots=True)
class Select:
    """`least` is "min" or "max" for a query of only that; `lock` is "", "wait", "skip", "error"."""

    columns: tuple[str, ...]
    terms: tuple
    down: bool = False
    limit: int | None = None
    lock: str = ""
    least: str = ""


@dataclass(frozen=True, slots=True)
class Delete:
    """`columns` are those of RETURNING."""

    terms: tuple
    columns: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Border:
    """BEGIN with its level, COMMIT or ROLLBACK."""

    kind: str
    level: str = COMMITTED


_TOKEN = re.compile(r"\s*(:?\w+|[(),*=;])")


class _Reader:
    def __init__(self, text):
        self.tokens, at = [], 0
        text = text.strip().rstrip(";").strip()
        while at < len(text):
            found = _TOKEN.match(text, at)
            if not found:
                raise FailedError(f"this checker does not read “{text[at : at + 20].strip()}”")
            self.tokens.append(found[1])
            at = found.end()
        self.at, self.named = 0, {}

    def next_is(self, *words):
        seen = [token.upper() for token in self.tokens[self.at : self.at + len(words)]]
        return seen == list(words)

    def take(self, *words):
        if self.next_is(*words):
            self.at += len(words)
            return True
        return False

    def need(self, *words):
        if not self.take(*words):
            rest = " ".join(self.tokens[self.at : self.at + 3]) or "the end"
            raise FailedError(f"this checker wants {' '.join(words)} at “{rest}”")

    def word(self):
        self.at += 1
        return self.tokens[self.at - 1] if self.at <= len(self.tokens) else ""

    def statement(self):
        found = self._statement()
        if self.at < len(self.tokens):
            raise FailedError(
                f"this checker does not read “{' '.join(self.tokens[self.at :][:4])}”"
            )
        return found

    def _statement(self):
        if self.take("BEGIN") or self.take("START", "TRANSACTION"):
            _ = self.take("TRANSACTION") or self.take("WORK")
            if not self.take("ISOLATION", "LEVEL"):
                return Border("begin")
            for level in LEVELS:
                if self.take(*level.split()):
                    return Border("begin", level)
            raise FailedError("this checker knows three isolation levels")
        if self.take("COMMIT") or self.take("END"):
            return Border("commit")
        if self.take("ROLLBACK"):
            return Border("rollback")
        if self.take("WITH"):
            name = self.word()
            self.need("AS", "(")
            self.named[name] = self.select()
            self.need(")")
        return self.delete() if self.next_is("DELETE") else self.select()

    def select(self):
        self.need("SELECT")
        least, columns = "", ()
        if self.next_is("MIN", "(") or self.next_is("MAX", "("):
            least, columns = self.word().lower(), ("identifier",)
            self.need("(", "IDENTIFIER", ")")
            _ = self.take("AS") and self.need("IDENTIFIER")
        else:
            columns = self.columns()
        self.need("FROM")
        if self.tokens[self.at : self.at + 1] and self.tokens[self.at] in self.named:
            return self.named[self.word()]
        self.need(TABLE.upper())
        terms = self.terms()
        down = self.take("ORDER", "BY", "IDENTIFIER") and self.take("DESC")
        _ = self.take("ASC")
        limit = int(self.word()) if self.take("LIMIT") else None
        lock = "wait" if self.take("FOR", "UPDATE") else ""
        if lock:
            lock = (
                "skip" if self.take("SKIP", "LOCKED") else "error" if self.take("NOWAIT") else lock
            )
        if lock and least:
            raise FailedError("FOR UPDATE is not allowed with aggregate functions")
        return Select(columns, terms, down, limit, lock, least)

    def delete(self):
        self.need("DELETE", "FROM", TABLE.upper())
        return Delete(self.terms(), self.columns() if self.take("RETURNING") else ())

    def columns(self):
        if self.take("*"):
            return COLUMNS
        found = [self.word()]
        while self.take(","):
            found.append(self.word())
        for name in found:
            if name not in COLUMNS:
                raise FailedError(f"this checker knows no column “{name}”")
        return tuple(found)

    def terms(self):
        if not self.take("WHERE"):
            return ()
        found = [self.term()]
        while self.take("AND"):
            found.append(self.term())
        return tuple(found)

    def term(self):
        column = self.word()
        if column not in COLUMNS:
            raise FailedError(f"this checker knows no column “{column}”")
        if not self.take("IN"):
            self.need("=")
        if self.take("("):
            inner = self.select()
            self.need(")")
            return column, inner
        return column, self.word()


def read(text: str) -> Select | Delete | Border:
    """A statement. Raises `FailedError` for what this model does not know."""
    try:
        return _Reader(text).statement()
    except (ValueError, IndexError) as problem:
        raise FailedError("this checker does not read the statement") from problem


# What they do


@dataclass(eq=False, slots=True)
class _Transaction:
    level: str = COMMITTED
    open: bool = False  # BEGIN was said; else it ends with its statement
    active: bool = True
    seen: frozenset | None = None


@dataclass(eq=False, slots=True)
class _Row:
    values: dict
    deleter: _Transaction | None = None
    locker: _Transaction | None = None


@dataclass(slots=True)
class Postgres:
    """The table. `session()` is a connection."""

    rows: list = field(default_factory=list)
    committed: set = field(default_factory=set)

    def fill(self, rows) -> None:
        """Begin anew with rows of (name, identifier, prekey)."""
        self.rows = [_Row(dict(zip(COLUMNS, row, strict=True))) for row in rows]
        self.committed = set()

    def left(self) -> list:
        """(name, identifier) of what is there, in order."""
        rows = [row.values for row in self.rows if row.deleter not in self.committed]
        return sorted((row["name"], row["identifier"]) for row in rows)

    def session(self) -> "Session":
        """A new connection."""
        return Session(self)


class Session:
    """One connection: `execute` gives (columns, rows)."""

    def __init__(self, database: Postgres):
        self._database = database
        self._now: _Transaction | None = None
        self._waiting: frozenset | None = None

    def execute(self, text: str, values: dict) -> tuple[list, list]:
        """Run a statement. Raises `BlockedError` or `FailedError`."""
        said = read(text)
        if isinstance(said, Border):
            return self._border(said)
        now = self._now = self._now or _Transaction()
        if now.level == COMMITTED or now.seen is None:
            # A statement that waited goes on with what it saw when it began.
            fresh = frozenset(self._database.committed)
            now.seen = fresh if self._waiting is None else self._waiting
        self._waiting = now.seen
        found = self._run(said, values)
        self._waiting = None
        if not now.open:
            self._end(committed=True)
        return list(said.columns), [tuple(row[name] for name in said.columns) for row in found]

    def close(self) -> None:
        """What was not committed is undone."""
        self._end(committed=False)

    def _border(self, said):
        if said.kind == "begin":
            self._now = self._now or _Transaction(said.level, open=True)
        else:
            self._end(committed=said.kind == "commit")
        return [], []

    def _end(self, committed):
        now, self._now, self._waiting = self._now, None, None
        if now is None:
            return
        now.active = False
        for row in self._database.rows:
            row.locker = None if row.locker is now else row.locker
            if row.deleter is now and not committed:
                row.deleter = None
        if committed:
            self._database.committed.add(now)

    def _run(self, said, values):
        if isinstance(said, Select):
            return [row.values for row in self._selected(said, values)]
        chosen = [row for row in self._matching(said.terms, values) if self._held(row, "wait")]
        for row in chosen:
            row.deleter = self._now
        return [row.values for row in chosen]

    def _selected(self, said, values):
        rows = self._matching(said.terms, values)
        if said.least:
            pick = min if said.least == "min" else max
            return [pick(rows, key=_number)] if rows else [_Row(dict.fromkeys(COLUMNS))]
        rows = iter(sorted(rows, key=_number, reverse=said.down))
        found: list[_Row] = []
        while len(found) != said.limit and (row := next(rows, None)):
            if not said.lock or self._held(row, said.lock):
                found.append(row)
        if said.lock:
            for row in found:
                row.locker = self._now
        return found

    def _matching(self, terms, values) -> list[_Row]:
        """The rows that this transaction sees and that fit; a query in a term is run once."""
        wanted = [(column, self._values(value, values)) for column, value in terms]
        rows = [row for row in self._database.rows if self._sees(row)]
        return [row for row in rows if all(row.values[c] in among for c, among in wanted)]

    def _values(self, value, values):
        if isinstance(value, Select):
            return [row.values[value.columns[0]] for row in self._selected(value, values)]
        if value.startswith(":"):
            if value[1:] not in values:
                raise FailedError(f"there is no value for {value}")
            return [values[value[1:]]]
        return [int(value)] if value.isdigit() else []

    def _sees(self, row):
        return row.deleter is not self._now and row.deleter not in (self._now.seen or ())

    def _held(self, row, how) -> bool:
        """May this transaction have the row? False: it goes on without it."""
        for other in (row.deleter, row.locker):
            if other is None or other is self._now or other in self._database.committed:
                continue
            if how == "skip":
                return False
            if how == "error":
                raise FailedError("could not obtain lock on row")
            raise BlockedError
        if row.deleter in self._database.committed:
            if self._now.level != COMMITTED:
                raise FailedError("could not serialize access due to concurrent delete")
            return False
        return True


def _number(row):
    return row.values["identifier"]
