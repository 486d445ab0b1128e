"""What the instructor's machine keeps about a room: one SQLite file, deleted when the room ends.

Kept are nicknames, where each learner is, verdicts, counts of named mistakes and the predictions
that were chosen. Each is counted once for a learner and a place of the course, so that no client
can make the file grow without end. The file is written ahead (WAL): a process that is killed loses
nothing that a client was told is kept; a power cut may lose the last second.
"""

import contextlib
import hashlib
import hmac
import os
import secrets
import sqlite3
import time
import unicodedata
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from x3dhlab.classroom import places
from x3dhlab.classroom.places import PASSED, Event
from x3dhlab.course import CourseProblem

MOST_LEARNERS = 200  # one room; a newcomer takes the place of somebody who never did anything
NAME_LIMIT = 24  # characters of a nickname
STUCK = 3  # the same mistake so often in one task, with no pass since
CODE_LENGTH = 6
LETTERS = "ABCDEFGHJKMNPQRSTUVWXYZ23456789"  # none that looks like another

_APPLICATION = 0x78334448  # says in the file's header that this is a room and no other database
_HEADER = b"SQLite format 3\0"
_SCHEMA = """
CREATE TABLE room(key TEXT PRIMARY KEY, value TEXT) WITHOUT ROWID;
CREATE TABLE learners(
    id INTEGER PRIMARY KEY, name TEXT, folded TEXT UNIQUE, token BLOB UNIQUE,
    seen INTEGER, place TEXT, verdict TEXT, at INTEGER);
CREATE TABLE chosen(
    learner INTEGER, place TEXT, option TEXT, late INTEGER, PRIMARY KEY(learner, place)
) WITHOUT ROWID;
CREATE TABLE tried(
    learner INTEGER, place TEXT, passed INTEGER, PRIMARY KEY(learner, place)) WITHOUT ROWID;
CREATE TABLE mistakes(
    learner INTEGER, place TEXT, name TEXT, times INTEGER, since INTEGER,
    PRIMARY KEY(learner, place, name)) WITHOUT ROWID;
CREATE TABLE revealed(place TEXT PRIMARY KEY) WITHOUT ROWID;
"""


class NotAllowed(CourseProblem):
    """The room refuses: `data["status"]` is the HTTP status that says so."""


def _refusal(status, sentence):
    return NotAllowed(sentence, status=status)


@dataclass(frozen=True, slots=True)
class Joined:
    """A learner in the room. `seen` is the number of the last event that is kept of this one."""

    token: str
    name: str
    seen: int


class Room:
    """The room in `file`, made if there is none, taken up again if there is one.

    Raises `CourseProblem` for a file that is something else or cannot be written. Every method
    raises `NotAllowed` after `end`.
    """

    def __init__(self, file: Path):
        self.file = Path(file).absolute()
        try:
            fresh = not _is_room(self.file)
            os.close(os.open(self.file, os.O_RDWR | os.O_CREAT, 0o600))
            self._db = _open(self.file, fresh)
        except (OSError, sqlite3.Error) as problem:
            raise CourseProblem(f"The room cannot be kept in {file}: {problem}.") from problem
        self.code, self.token = self.kept("code"), self.kept("token")

    # Kept words

    def kept(self, key: str) -> str:
        """A word that the room keeps about itself, or an empty string."""
        found = self._rows("SELECT value FROM room WHERE key = ?", key)
        return found[0]["value"] if found else ""

    def keep(self, key: str, value: str) -> None:
        """Keep a word until the room ends."""
        with self._change() as db:
            db.execute("INSERT OR REPLACE INTO room VALUES (?, ?)", (key, value))

    def _rows(self, question, *values):
        return self._open_db().execute(question, values).fetchall()

    @contextlib.contextmanager
    def _change(self):
        with self._open_db() as db:
            yield db

    def _open_db(self):
        if self._db is None:
            raise _refusal(410, "The room has ended.")
        return self._db

    # Learners

    def join(self, code: str, name: str, token: str = "") -> Joined:
        """Let a learner in under a name of their own, or back in with the token of before.

        Raises `NotAllowed` for a wrong code, a name that is none, or a full room.
        """
        if not hmac.compare_digest(_bytes(_as_code(code)), _bytes(self.code)):
            raise _refusal(403, "This join code is not the room's.")
        name = _checked_name(name)
        with contextlib.suppress(NotAllowed):
            return self._back(token)
        return self._add(name)

    def _back(self, token):
        found = self._learner(token)
        return Joined(token, found["name"], found["seen"])

    def _learner(self, token):
        found = self._rows("SELECT * FROM learners WHERE token = ?", _hashed(token))
        if not found:
            raise _refusal(401, "The room does not know this learner.")
        return found[0]

    def _add(self, name):
        token = secrets.token_urlsafe(24)
        with self._change() as db:
            self._make_room(db)
            name = self._free_name(name)
            values = name, _folded(name), _hashed(token), 0, "", "", _now()
            db.execute(f"INSERT INTO learners VALUES (NULL{', ?' * 7})", values)
        return Joined(token, name, 0)

    def _make_room(self, db):
        (count,) = self._rows("SELECT count(*) AS n FROM learners")
        if count["n"] < MOST_LEARNERS:
            return
        idle = "SELECT id FROM learners WHERE seen = 0 ORDER BY id LIMIT 1"
        if not db.execute(f"DELETE FROM learners WHERE id IN ({idle})").rowcount:
            raise _refusal(503, "The room is full.")

    def _free_name(self, name):
        taken = {row["folded"] for row in self._rows("SELECT folded FROM learners")}
        number, wanted = 1, name
        while _folded(wanted) in taken:
            number += 1
            wanted = f"{name[: NAME_LIMIT - 1 - len(str(number))].rstrip()} {number}"
        return wanted

    def report(self, token: str, first: int, events: list[Event]) -> int:
        """Keep events with the numbers `first`, `first` + 1 …; one that came before is skipped.

        What is no word of the course is left out. Returns the number of the last event kept.
        Raises `NotAllowed` for an unknown token.
        """
        learner = self._learner(token)
        with self._change() as db:
            for number, told in enumerate(events, first):
                said = places.accepted(told) if number > learner["seen"] else None
                if said is not None:
                    self._note(db, learner["id"], said)
            seen = max(learner["seen"], first + len(events) - 1)
            db.execute("UPDATE learners SET seen = ? WHERE id = ?", (seen, learner["id"]))
        return seen

    def _note(self, db, learner, said):
        db.execute(
            "UPDATE learners SET place = ?, verdict = ?, at = ? WHERE id = ?",
            (said.place, said.verdict, _now(), learner),
        )
        if said.option:
            db.execute(
                "INSERT OR IGNORE INTO chosen SELECT ?, ?, ?, count(*) FROM revealed"
                " WHERE place = ?",
                (learner, said.place, said.option, said.place),
            )
        if said.verdict:
            db.execute(
                "INSERT INTO tried VALUES (?, ?, ?) ON CONFLICT DO UPDATE"
                " SET passed = max(passed, excluded.passed)",
                (learner, said.place, said.verdict == PASSED),
            )
        if said.verdict == PASSED:
            done = "UPDATE mistakes SET since = 0 WHERE learner = ? AND place = ?"
            db.execute(done, (learner, said.place))
        if said.mistake:
            db.execute(
                "INSERT INTO mistakes VALUES (?, ?, ?, 1, 1) ON CONFLICT DO UPDATE"
                " SET times = times + 1, since = since + 1",
                (learner, said.place, said.mistake),
            )

    # The instructor

    def reveal(self, place: str | None) -> None:
        """Show a prediction on the class page, or None to clear it. Raises `NotAllowed`.

        From the first reveal on, answers to it are counted as late: they are no predictions.
        """
        known = places.of_course().get(place) if place else None
        if place and (known is None or known.kind != "prediction"):
            raise _refusal(422, "The course has no such prediction.")
        if place:
            with self._change() as db:
                db.execute("INSERT OR IGNORE INTO revealed VALUES (?)", (place,))
        self.keep("shown", place or "")

    def snapshot(self) -> dict:
        """Everything that the instructor's page shows, as plain data."""
        learners = self._rows("SELECT * FROM learners ORDER BY folded")
        stuck = self._stuck()
        return {
            "code": self.code,
            "now": _now(),
            "lessons": places.titles(),
            "learners": [_learner(row, stuck.get(row["id"], [])) for row in learners],
            "predictions": self._predictions(),
            "tasks": self._tasks(),
        }

    def shown(self) -> dict:
        """What everybody may see: how many are here, and the prediction that is revealed."""
        place = self.kept("shown")
        (count,) = self._rows("SELECT count(*) AS n FROM learners")
        found = [one for one in self._predictions() if place and one["place"] == place]
        return {"learners": count["n"], "shown": found[0] if found else None}

    def _stuck(self):
        question = "SELECT * FROM mistakes WHERE since >= ? ORDER BY since DESC"
        found = {}
        for row in self._rows(question, STUCK):
            facts = {"place": row["place"], "mistake": row["name"], "times": row["since"]}
            found.setdefault(row["learner"], []).append(facts)
        return found

    def _predictions(self):
        counts, late = Counter(), Counter()
        for row in self._rows("SELECT place, option, late FROM chosen"):
            (late if row["late"] else counts)[row["place"], row["option"]] += 1
        revealed = {row["place"] for row in self._rows("SELECT place FROM revealed")}
        asked = {place for place, _ in (*counts, *late)} | revealed
        shown = self.kept("shown")
        return [
            _prediction(place, counts, late, id in revealed, id == shown)
            for id, place in places.of_course().items()
            if id in asked
        ]

    def _tasks(self):
        tried = self._rows(
            "SELECT place, sum(passed) AS passed, count(*) AS tried FROM tried GROUP BY place"
        )
        made = self._rows(
            "SELECT place, name, count(*) AS learners, sum(times) AS times FROM mistakes"
            " GROUP BY place, name ORDER BY learners DESC, times DESC, name"
        )
        counts = {row["place"]: row for row in tried}
        return [
            _task(place, counts[id], [row for row in made if row["place"] == id])
            for id, place in places.of_course().items()
            if id in counts and place.kind == "task"
        ]

    # Its end

    def close(self) -> None:
        """Stop here; the file stays, and the same room goes on when it is opened again."""
        if self._db is not None:
            self._db.close()
            self._db = None

    def end(self) -> None:
        """Delete everything that was kept, and the file."""
        self.close()
        delete(self.file)


def delete(file: Path) -> None:
    """Delete the file of a room and what SQLite keeps beside it.

    Raises `CourseProblem` if there is no file, or if it is no room: nothing else is ever deleted.
    """
    if not _is_room(file):
        raise CourseProblem(f"There is no room in {file}.")
    for suffix in ("-wal", "-shm", ""):
        file.with_name(file.name + suffix).unlink(missing_ok=True)


def _is_room(file):
    """False for a file that is missing or empty. Raises `CourseProblem` for another one."""
    if not file.exists():
        return False
    with file.open("rb") as stream:
        header = stream.read(100)
    if not header:
        return False
    if header.startswith(_HEADER) and header[68:72] == _APPLICATION.to_bytes(4, "big"):
        return True
    raise CourseProblem(f"{file} is there already and is no room. Choose another one with --data.")


def _open(file, fresh):
    db = sqlite3.connect(file, timeout=5)
    db.row_factory = sqlite3.Row
    if fresh:
        with db:
            db.executescript(f"BEGIN; PRAGMA application_id = {_APPLICATION};{_SCHEMA}")
            code = "".join(secrets.choice(LETTERS) for _ in range(CODE_LENGTH))
            words = [("code", code), ("token", secrets.token_urlsafe(24))]
            db.executemany("INSERT INTO room VALUES (?, ?)", words)
    db.execute("PRAGMA journal_mode = WAL")
    db.execute("PRAGMA synchronous = NORMAL")
    db.execute("PRAGMA secure_delete = ON")
    return db


def _now():
    return int(time.time())


def _hashed(token):
    return hashlib.sha256(_bytes(token)).digest()


def _bytes(text):
    """Text from anybody: half a surrogate pair has no bytes of its own."""
    return text.encode(errors="replace")


def _as_code(text):
    return "".join(text.split()).replace("-", "").upper()


def _folded(name):
    return unicodedata.normalize("NFKC", name).casefold()


def _checked_name(text):
    """The nickname, spaces put in order. Raises `NotAllowed`."""
    name = unicodedata.normalize("NFC", " ".join(text.split()))
    if not 1 <= len(name) <= NAME_LIMIT or not name[0].isalnum() or not all(map(_in_a_name, name)):
        raise _refusal(
            422,
            f"A nickname has 1 to {NAME_LIMIT} letters, digits, spaces, dots, hyphens or"
            " underscores, and begins with a letter or digit.",
        )
    return name


def _in_a_name(character):
    return (
        character.isalnum()
        or character in " .-_'’"
        or unicodedata.category(character) in ("Mn", "Mc")
    )


def _learner(row, stuck):
    place = places.of_course().get(row["place"])
    return {
        "name": row["name"],
        "place": row["place"],
        "lesson": place.lesson if place else "",
        "kind": place.kind if place else "",
        "verdict": row["verdict"],
        "at": row["at"],
        "stuck": stuck,
    }


def _prediction(place, counts, late, revealed, shown):
    options = [
        {
            "text": option.text,
            "correct": option.correct,
            "count": counts[place.id, option.key],
        }
        for option in place.options
    ]
    return {
        "place": place.id,
        "lesson": place.lesson,
        "title": place.title,
        "options": options,
        "answers": sum(option["count"] for option in options),
        "late": sum(late[place.id, option.key] for option in place.options),
        "revealed": revealed,
        "shown": shown,
    }


def _task(place, count, made):
    mistakes = [
        {
            "name": row["name"],
            "why": place.mistakes.get(row["name"], ""),
            "learners": row["learners"],
            "times": row["times"],
        }
        for row in made
    ]
    return {
        "place": place.id,
        "lesson": place.lesson,
        "title": place.title,
        "passed": count["passed"],
        "tried": count["tried"],
        "mistakes": mistakes,
    }
