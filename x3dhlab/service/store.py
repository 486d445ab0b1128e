"""The prekey store: public keys by user name, one-time prekeys handed out once.

SQLite by default, PostgreSQL by URL, both through SQLAlchemy. A one-time prekey is deleted in the
statement that selects it, so that two requests never get the same one. Its number stays behind as
a tombstone: an upload that repeats it is ignored instead of issuing the key again.

A request that carries a number is answered with the same bundle when it comes again (A43): a lost
answer costs no second key. The answer is kept under a hash of who asked for whom.
"""

from dataclasses import replace

import sqlalchemy as sql

from x3dhlab.errors import (
    DuplicatePreKey,
    IdentityMismatch,
    TooLarge,
    Truncated,
    UnknownUser,
    expect,
)
from x3dhlab.primitives import KEY_LENGTH, SIGNATURE_LENGTH, check_bytes, verify
from x3dhlab.service.database import (
    BUSY_SECONDS,
    NAME_LIMIT,
    STEP,
    Database,
    check_name,
    insert_new,
)
from x3dhlab.wire import KemPreKey, OneTimePreKey, PreKeyBundle, Publication, encode_key

DEVICES_LIMIT = 4096  # bytes of a signed device list; 16 devices need less than 2,000

_EC, _KEM = "EC", "KEM"
_DEVICES = "Sesame §3.1"

_metadata = sql.MetaData()
_users = sql.Table(
    "users",
    _metadata,
    sql.Column("name", sql.String(NAME_LIMIT), primary_key=True),
    sql.Column("identity_key", sql.LargeBinary, nullable=False),
    # Empty while the name is bound and nothing is published.
    sql.Column("publication", sql.LargeBinary, nullable=False),
)
_devices = sql.Table(
    "device_lists",
    _metadata,
    sql.Column("name", sql.String(NAME_LIMIT), primary_key=True),
    sql.Column("signed", sql.LargeBinary, nullable=False),
)
_answers = sql.Table(
    "answers",
    _metadata,
    sql.Column("request", sql.LargeBinary, primary_key=True),
    sql.Column("bundle", sql.LargeBinary, nullable=False),
    sql.Column("at", sql.BigInteger, nullable=False, index=True),
)
_prekeys = sql.Table(
    "one_time_prekeys",
    _metadata,
    sql.Column("name", sql.String(NAME_LIMIT), primary_key=True),
    sql.Column("kind", sql.String(3), primary_key=True),
    sql.Column("identifier", sql.BigInteger, primary_key=True, autoincrement=False),
    sql.Column("prekey", sql.LargeBinary, nullable=False),
)
_issued = sql.Table(
    "issued_prekeys",
    _metadata,
    sql.Column("name", sql.String(NAME_LIMIT), primary_key=True),
    sql.Column("kind", sql.String(3), primary_key=True),
    sql.Column("identifier", sql.BigInteger, primary_key=True, autoincrement=False),
)

# Statements of every fetch, built once: building one takes longer than running it.
_head_of = sql.select(_users.c.publication).where(_users.c.name == sql.bindparam("user"))
_oldest = (
    sql.select(_prekeys.c.identifier)
    .where(_prekeys.c.name == sql.bindparam("user"), _prekeys.c.kind == sql.bindparam("sort"))
    .order_by(_prekeys.c.identifier)
    .limit(1)
    .with_for_update(skip_locked=True)
    .scalar_subquery()
)
_take_oldest = (
    _prekeys.delete()
    .where(
        _prekeys.c.name == sql.bindparam("user"),
        _prekeys.c.kind == sql.bindparam("sort"),
        _prekeys.c.identifier == _oldest,
    )
    .returning(_prekeys.c.identifier, _prekeys.c.prekey)
)
_bury = _issued.insert()
_answered = sql.select(_answers.c.bundle).where(_answers.c.request == sql.bindparam("number"))
_answer = _answers.update().where(_answers.c.request == sql.bindparam("number"))


class PreKeyStore:
    """`PreKeyStore()` lives in memory; `PreKeyStore("sqlite:///keys.db")` in a file.

    A request waits up to `busy_seconds` for another one's transaction. After that, and for a
    database that is missing, read-only or damaged, every method raises `StoreUnavailable`.
    """

    def __init__(self, place: str | Database = "sqlite://", *, busy_seconds: float = BUSY_SECONDS):
        self.database = Database.of(place, busy_seconds=busy_seconds)
        self.database.prepare(_metadata)

    def close(self) -> None:
        """Give the database connection back."""
        self.database.close()

    def bind(self, name: str, identity_key: bytes) -> None:
        """From now on the name belongs to this identity key, before anything is published.

        Raises `IdentityMismatch` if it belongs to another one.
        """
        check_name(name)
        check_bytes(identity_key, "identity key", KEY_LENGTH, step=STEP)
        with self.database.transaction() as connection:
            _bind(connection, name, identity_key)

    def known(self, name: str) -> bool:
        """Does the name belong to somebody?"""
        check_name(name)
        with self.database.transaction() as connection:
            return _identity(connection, name) is not None

    def publish(self, name: str, publication: Publication) -> None:
        """X3DH §3.2: store a user's keys; one-time prekeys are added to those that are there.

        Raises `BadSignature` for a prekey that its identity key did not sign, `IdentityMismatch`
        for a second identity key under one name, `DuplicatePreKey` for a number that is taken.
        """
        check_name(name)
        expect(publication, Publication, "publication", step=STEP)
        check_signatures(publication)
        self.keep(name, publication)

    def keep(self, name: str, publication: Publication) -> None:
        """`publish` what passed `check_signatures` before: that takes long, this needs the turn."""
        check_name(name)
        head = replace(publication, one_time_prekeys=(), kem_prekeys=())
        with self.database.transaction() as connection:
            _bind(connection, name, publication.identity_key)
            connection.execute(
                _users.update().where(_users.c.name == name).values(publication=head.encode())
            )
            _add(connection, name, publication.one_time_prekeys, publication.kem_prekeys)

    def replenish(self, name: str, one_time_prekeys=(), kem_prekeys=()) -> None:
        """X3DH §3.2: add one-time prekeys to a user who has published before."""
        check_name(name)
        for prekey in kem_prekeys:
            expect(prekey, KemPreKey, "KEM prekey", step=STEP)
        with self.database.transaction() as connection:
            mine = sql.select(_users).where(_users.c.name == name).with_for_update()
            user = connection.execute(mine).first()
            if user is None or not user.publication:
                raise _unknown(name)
            for prekey in kem_prekeys:
                verify(user.identity_key, prekey.kem_prekey, prekey.kem_prekey_signature)
            _add(connection, name, one_time_prekeys, kem_prekeys)

    def fetch(self, name: str, *, request: bytes | None = None, now: int = 0) -> PreKeyBundle:
        """X3DH §3.3: a bundle; takes one one-time prekey of each kind out of the store, atomically.

        When the pool is dry the bundle comes without a one-time prekey, and with the last-resort
        KEM prekey if there is one. The same `request` (32 bytes that stand for requester, name and
        number) gets the same bundle until `forget`. Raises `UnknownUser`.
        """
        check_name(name)
        with self.database.transaction() as connection:
            if request is None:
                return _fetch(connection, name)
            if insert_new(connection, _answers, request=request, bundle=b"", at=now):
                bundle = _fetch(connection, name)
                connection.execute(_answer, {"number": request, "bundle": bundle.encode()})
                return bundle
            kept = connection.execute(_answered, {"number": request}).scalar_one()
            return PreKeyBundle.decode(kept)

    def forget(self, *, before: int) -> int:
        """Delete answers that were given before that time, in seconds. Returns how many."""
        with self.database.transaction() as connection:
            return connection.execute(_answers.delete().where(_answers.c.at < before)).rowcount

    def discard(self) -> int:
        """Delete every one-time prekey that waits, of all users. Returns how many.

        The first thing to do after a backup was put back: some of them were given out since, and
        the table does not know which (A71). Their owners refill with new numbers.
        """
        with self.database.transaction() as connection:
            return connection.execute(_prekeys.delete()).rowcount

    def count(self, name: str) -> int:
        """How many one-time prekeys (EC) are left for a user. Raises `UnknownUser`."""
        return self.counts(name)[0]

    def counts(self, name: str) -> tuple[int, int]:
        """How many one-time prekeys are left: EC and KEM. Raises `UnknownUser`."""
        check_name(name)
        with self.database.transaction() as connection:
            if not _published(connection, name):
                raise _unknown(name)
            rows = connection.execute(
                sql.select(_prekeys.c.kind, sql.func.count())
                .where(_prekeys.c.name == name)
                .group_by(_prekeys.c.kind)
            )
            left = {row.kind: row[1] for row in rows}
        return left.get(_EC, 0), left.get(_KEM, 0)

    def set_devices(self, name: str, signed: bytes) -> None:
        """Keep a signed device list (see `messaging.devices`): its bytes, the signature last.

        Only the signature is looked at. Raises `BadSignature`, `UnknownUser`, `TooLarge`.
        """
        check_name(name)
        expect(signed, bytes, "device list", step=_DEVICES)
        if len(signed) > DEVICES_LIMIT:
            raise TooLarge(f"a device list has at most {DEVICES_LIMIT} bytes", step=_DEVICES)
        if len(signed) < SIGNATURE_LENGTH:
            raise Truncated("a device list ends with a signature", step=_DEVICES)
        content, signature = signed[:-SIGNATURE_LENGTH], signed[-SIGNATURE_LENGTH:]
        with self.database.transaction() as connection:
            identity = _identity(connection, name)
            if identity is None:
                raise _unknown(name)
            verify(identity, content, signature)
            if not insert_new(connection, _devices, name=name, signed=signed):
                mine = _devices.c.name == name
                connection.execute(_devices.update().where(mine).values(signed=signed))

    def devices(self, name: str) -> bytes:
        """The signed device list of a user. Raises `UnknownUser` if there is none."""
        check_name(name)
        with self.database.transaction() as connection:
            row = connection.execute(
                sql.select(_devices.c.signed).where(_devices.c.name == name)
            ).first()
        if row is None:
            raise UnknownUser(
                f"nobody has stored a device list under the name {name}", step=_DEVICES, name=name
            )
        return row.signed


def _fetch(connection, name):
    head = _published(connection, name)
    if not head:
        raise _unknown(name)
    head = Publication.decode(head)
    one_time, kem = _take(connection, name, _EC), _take(connection, name, _KEM)
    return _bundle(head, one_time, kem)


def _bundle(head, one_time, kem):
    bundle = PreKeyBundle(
        identity_key=head.identity_key,
        signed_prekey_id=head.signed_prekey_id,
        signed_prekey=head.signed_prekey,
        signed_prekey_signature=head.signed_prekey_signature,
    )
    if one_time is not None:
        prekey = OneTimePreKey.decode(one_time)
        bundle = replace(
            bundle,
            one_time_prekey_id=prekey.one_time_prekey_id,
            one_time_prekey=prekey.one_time_prekey,
        )
    last_resort = next(iter(head.last_resort_kem_prekeys), None)
    prekey = KemPreKey.decode(kem) if kem is not None else last_resort
    if prekey is not None:
        bundle = replace(
            bundle,
            kem_prekey_id=prekey.kem_prekey_id,
            kem_prekey=prekey.kem_prekey,
            kem_prekey_signature=prekey.kem_prekey_signature,
        )
    return bundle


def _take(connection, name, kind):
    """Delete and return the oldest one-time prekey of a kind, or None when there is none."""
    row = connection.execute(_take_oldest, {"user": name, "sort": kind}).first()
    if row is None:
        return None
    connection.execute(_bury, {"name": name, "kind": kind, "identifier": row.identifier})
    return row.prekey


def _add(connection, name, one_time_prekeys, kem_prekeys):
    for prekey in one_time_prekeys:
        expect(prekey, OneTimePreKey, "one-time prekey", step=STEP)
    uploads = [(_EC, prekey.one_time_prekey_id, prekey.encode()) for prekey in one_time_prekeys]
    uploads += [(_KEM, prekey.kem_prekey_id, prekey.encode()) for prekey in kem_prekeys]
    numbers = [identifier for _, identifier, _ in uploads]
    stored = {
        (row.kind, row.identifier): row.prekey
        for row in connection.execute(_numbered(_prekeys, name, numbers))
    }
    issued = {
        (row.kind, row.identifier) for row in connection.execute(_numbered(_issued, name, numbers))
    }
    fresh = {}
    for kind, identifier, prekey in uploads:
        if (kind, identifier) in issued:
            continue
        there = stored.get((kind, identifier), fresh.get((kind, identifier)))
        if there is None:
            fresh[kind, identifier] = prekey
        elif there != prekey:
            raise DuplicatePreKey(
                f"one-time prekey {identifier} of {name} exists with another key",
                step=STEP,
                identifier=identifier,
            )
    if fresh:
        connection.execute(
            _prekeys.insert(),
            [
                {"name": name, "kind": kind, "identifier": identifier, "prekey": prekey}
                for (kind, identifier), prekey in fresh.items()
            ],
        )


def _numbered(table, name, numbers):
    return sql.select(table).where(table.c.name == name, table.c.identifier.in_(numbers))


def _bind(connection, name, identity_key):
    if insert_new(connection, _users, name=name, identity_key=identity_key, publication=b""):
        return
    # Locked: what follows may depend on what else this user uploads.
    mine = sql.select(_users.c.identity_key).where(_users.c.name == name).with_for_update()
    if connection.execute(mine).scalar_one() != identity_key:
        raise IdentityMismatch(f"{name} is bound to another identity key", step=STEP, name=name)


def _published(connection, name):
    row = connection.execute(_head_of, {"user": name}).first()
    return b"" if row is None else row.publication


def _identity(connection, name):
    row = connection.execute(sql.select(_users.c.identity_key).where(_users.c.name == name)).first()
    return None if row is None else row.identity_key


def check_signatures(publication: Publication) -> None:
    """X3DH §3.2: raise `BadSignature` unless the identity key signed each signed prekey."""
    verify(
        publication.identity_key,
        encode_key(publication.signed_prekey),
        publication.signed_prekey_signature,
    )
    for prekey in (*publication.kem_prekeys, *publication.last_resort_kem_prekeys):
        expect(prekey, KemPreKey, "KEM prekey", step=STEP)
        verify(publication.identity_key, prekey.kem_prekey, prekey.kem_prekey_signature)


def _unknown(name):
    return UnknownUser(
        f"nobody has published keys under the name {name}", step="X3DH §3.3", name=name
    )
