"""Mailboxes: what is sent to a name waits here until its owner has it.

At least once: a message leaves when it is acknowledged or when it expires, and is handed out again
until then. The same number from the same sender, sent twice, is one message; a repetition that
comes after the acknowledgement is a new one, because nothing is kept of what has left. So the
receiver must recognise repetitions as well.
"""

import re
from typing import NamedTuple

import sqlalchemy as sql

from x3dhlab.errors import InvalidField, RateLimited, TooLarge, expect
from x3dhlab.primitives import check_bytes
from x3dhlab.service.database import NAME_LIMIT, Database, check_name

ENVELOPE_LIMIT = 64 * 1024  # bytes of one message
MAILBOX_LIMIT = 1000  # messages that wait in one mailbox
PAGE = 100  # messages handed out at once
FULL_SECONDS = 60  # when to try again at a full mailbox
STEP = "Sesame §3.1"

_NUMBER = re.compile(r"[A-Za-z0-9_-]{1,64}\Z")

_metadata = sql.MetaData()
_letters = sql.Table(
    "letters",
    _metadata,
    sql.Column("sequence", sql.BigInteger().with_variant(sql.Integer, "sqlite"), primary_key=True),
    sql.Column("recipient", sql.String(NAME_LIMIT), nullable=False),
    sql.Column("sender", sql.String(NAME_LIMIT), nullable=False),
    sql.Column("message_id", sql.String(64), nullable=False),
    sql.Column("envelope", sql.LargeBinary, nullable=False),
    sql.Column("at", sql.BigInteger, nullable=False, index=True),
    sql.UniqueConstraint("recipient", "sender", "message_id"),
    sql.Index("letters_in_order", "recipient", "sequence"),
    # A sequence number is never used again: a reader remembers how far it came.
    sqlite_autoincrement=True,
)

# Statements of every message, built once: building one takes longer than running it.
_to = _letters.c.recipient == sql.bindparam("to")
_same = sql.select(_letters.c.sequence).where(
    _to,
    _letters.c.sender == sql.bindparam("by"),
    _letters.c.message_id == sql.bindparam("number"),
)
_held = sql.select(sql.func.count()).where(_to)
_keep = _letters.insert()
_oldest = (
    sql.select(_letters.c.sequence, _letters.c.sender, _letters.c.message_id, _letters.c.envelope)
    .where(_to, _letters.c.sequence > sql.bindparam("after"))
    .order_by(_letters.c.sequence)
    .limit(sql.bindparam("most", type_=sql.Integer))
)
_done = _letters.delete().where(
    _to, _letters.c.sequence.in_(sql.bindparam("sequences", expanding=True))
)


class Letter(NamedTuple):
    """One waiting message. Later ones of the same mailbox have higher sequence numbers."""

    sequence: int
    sender: str
    message_id: str
    envelope: bytes


class Mailbox:
    """All mailboxes of a service. Raises `StoreUnavailable` when the database fails."""

    def __init__(self, place: str | Database = "sqlite://"):
        self.database = Database.of(place)
        self.database.prepare(_metadata)

    def put(
        self, recipient: str, sender: str, envelope: bytes, *, message_id: str, now: int = 0
    ) -> tuple[int, bool]:
        """Keep a message; its sequence number, and whether it is new.

        `now` in seconds is what `expire` compares. Raises `TooLarge` for an envelope above
        `ENVELOPE_LIMIT`, `RateLimited` for a mailbox that holds `MAILBOX_LIMIT` messages.
        """
        check_name(recipient)
        check_name(sender)
        _check_number(message_id)
        check_bytes(envelope, "envelope", step=STEP)
        if len(envelope) > ENVELOPE_LIMIT:
            raise TooLarge(
                f"a message has at most {ENVELOPE_LIMIT} bytes", step=STEP, got=len(envelope)
            )
        with self.database.transaction() as connection:
            self.database.take_turns(connection, recipient)
            there = _find(connection, recipient, sender, message_id)
            if there is not None:
                return there, False
            _check_room(connection, recipient)
            added = connection.execute(
                _keep,
                {
                    "recipient": recipient,
                    "sender": sender,
                    "message_id": message_id,
                    "envelope": envelope,
                    "at": now,
                },
            )
            return added.inserted_primary_key[0], True

    def pending(self, name: str, after: int = 0, *, limit: int = PAGE) -> list[Letter]:
        """The oldest waiting messages with a sequence number above `after`, in order."""
        check_name(name)
        wanted = {"to": name, "after": after, "most": limit}
        with self.database.transaction() as connection:
            return [Letter(*row) for row in connection.execute(_oldest, wanted)]

    def acknowledge(self, name: str, sequences) -> int:
        """Delete messages of this mailbox; how many there were. Others are left alone."""
        check_name(name)
        mine = {"to": name, "sequences": list(sequences)}
        with self.database.transaction() as connection:
            return connection.execute(_done, mine).rowcount

    def waiting(self, names) -> set[str]:
        """Those of the names for which something waits."""
        names, found = list(names), set()
        with self.database.transaction() as connection:
            for start in range(0, len(names), PAGE):
                some = _letters.c.recipient.in_(names[start : start + PAGE])
                rows = connection.execute(sql.select(_letters.c.recipient).where(some).distinct())
                found.update(rows.scalars())
        return found

    def expire(self, before: int) -> int:
        """Delete what has waited since before that time; how many messages are lost."""
        with self.database.transaction() as connection:
            return connection.execute(_letters.delete().where(_letters.c.at < before)).rowcount


def _find(connection, recipient, sender, message_id):
    same = {"to": recipient, "by": sender, "number": message_id}
    return connection.execute(_same, same).scalar()


def _check_room(connection, recipient):
    waiting = connection.execute(_held, {"to": recipient}).scalar_one()
    if waiting >= MAILBOX_LIMIT:
        raise RateLimited(
            f"the mailbox is full: {MAILBOX_LIMIT} messages wait for their owner",
            step=STEP,
            seconds=FULL_SECONDS,
        )


def _check_number(message_id):
    expect(message_id, str, "message id", step=STEP)
    if not _NUMBER.match(message_id):
        raise InvalidField("a message id has 1 to 64 of: letters, digits, _ and -", step=STEP)
