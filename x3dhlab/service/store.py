"""The prekey store: public keys by user name, one-time prekeys handed out once.

SQLite by default, PostgreSQL by URL, both through SQLAlchemy. A one-time prekey is deleted in the
statement that selects it, so that two requests never get the same one. Its number stays behind as
a tombstone: an upload that repeats it is ignored instead of issuing the key again.
"""

from dataclasses import replace

import sqlalchemy as sql

from x3dhlab.errors import (
    DuplicatePreKey,
    IdentityMismatch,
    InvalidField,
    UnknownUser,
    expect,
)
from x3dhlab.primitives import verify
from x3dhlab.service.database import BUSY_SECONDS, NAME_LIMIT, STEP, Database
from x3dhlab.wire import KemPreKey, OneTimePreKey, PreKeyBundle, Publication, encode_key

_EC, _KEM = "EC", "KEM"

_metadata = sql.MetaData()
_users = sql.Table(
    "users",
    _metadata,
    sql.Column("name", sql.String(NAME_LIMIT), primary_key=True),
    sql.Column("identity_key", sql.LargeBinary, nullable=False),
    sql.Column("publication", sql.LargeBinary, nullable=False),
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

    def publish(self, name: str, publication: Publication) -> None:
        """X3DH §3.2: store a user's keys; one-time prekeys are added to those that are there.

        Raises `BadSignature` for a prekey that its identity key did not sign, `IdentityMismatch`
        for a second identity key under one name, `DuplicatePreKey` for a number that is taken.
        """
        _check_name(name)
        expect(publication, Publication, "publication", step=STEP)
        _check_signatures(publication)
        head = replace(publication, one_time_prekeys=(), kem_prekeys=())
        with self.database.transaction() as connection:
            known = _identity(connection, name)
            if known is None:
                connection.execute(
                    _users.insert().values(
                        name=name,
                        identity_key=publication.identity_key,
                        publication=head.encode(),
                    )
                )
            elif known != publication.identity_key:
                raise IdentityMismatch(
                    f"{name} is bound to another identity key", step=STEP, name=name
                )
            else:
                connection.execute(
                    _users.update().where(_users.c.name == name).values(publication=head.encode())
                )
            _add(connection, name, publication.one_time_prekeys, publication.kem_prekeys)

    def replenish(self, name: str, one_time_prekeys=(), kem_prekeys=()) -> None:
        """X3DH §3.2: add one-time prekeys to a user who has published before."""
        _check_name(name)
        for prekey in kem_prekeys:
            expect(prekey, KemPreKey, "KEM prekey", step=STEP)
        with self.database.transaction() as connection:
            identity = _identity(connection, name)
            if identity is None:
                raise _unknown(name)
            for prekey in kem_prekeys:
                verify(identity, prekey.kem_prekey, prekey.kem_prekey_signature)
            _add(connection, name, one_time_prekeys, kem_prekeys)

    def fetch(self, name: str) -> PreKeyBundle:
        """X3DH §3.3: a bundle; takes one one-time prekey of each kind out of the store, atomically.

        When the pool is dry the bundle comes without a one-time prekey, and with the last-resort
        KEM prekey if there is one. Raises `UnknownUser`.
        """
        _check_name(name)
        with self.database.transaction() as connection:
            row = connection.execute(
                sql.select(_users.c.publication).where(_users.c.name == name)
            ).first()
            if row is None:
                raise _unknown(name)
            head = Publication.decode(row.publication)
            one_time = _take(connection, name, _EC)
            kem = _take(connection, name, _KEM)
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

    def count(self, name: str) -> int:
        """How many one-time prekeys (EC) are left for a user. Raises `UnknownUser`."""
        _check_name(name)
        with self.database.transaction() as connection:
            if _identity(connection, name) is None:
                raise _unknown(name)
            return connection.execute(
                sql.select(sql.func.count())
                .select_from(_prekeys)
                .where(_prekeys.c.name == name, _prekeys.c.kind == _EC)
            ).scalar_one()


def _take(connection, name, kind):
    """Delete and return the oldest one-time prekey of a kind, or None when there is none."""
    oldest = (
        sql.select(_prekeys.c.identifier)
        .where(_prekeys.c.name == name, _prekeys.c.kind == kind)
        .order_by(_prekeys.c.identifier)
        .limit(1)
        .with_for_update(skip_locked=True)
        .scalar_subquery()
    )
    row = connection.execute(
        _prekeys.delete()
        .where(_prekeys.c.name == name, _prekeys.c.kind == kind, _prekeys.c.identifier == oldest)
        .returning(_prekeys.c.identifier, _prekeys.c.prekey)
    ).first()
    if row is None:
        return None
    connection.execute(_issued.insert().values(name=name, kind=kind, identifier=row.identifier))
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


def _identity(connection, name):
    row = connection.execute(sql.select(_users.c.identity_key).where(_users.c.name == name)).first()
    return None if row is None else row.identity_key


def _check_signatures(publication):
    verify(
        publication.identity_key,
        encode_key(publication.signed_prekey),
        publication.signed_prekey_signature,
    )
    for prekey in (*publication.kem_prekeys, *publication.last_resort_kem_prekeys):
        expect(prekey, KemPreKey, "KEM prekey", step=STEP)
        verify(publication.identity_key, prekey.kem_prekey, prekey.kem_prekey_signature)


def _check_name(name):
    expect(name, str, "name", step=STEP)
    if not 0 < len(name) <= NAME_LIMIT:
        raise InvalidField(
            f"a user name has 1 to {NAME_LIMIT} characters", step=STEP, got=len(name)
        )


def _unknown(name):
    return UnknownUser(
        f"nobody has published keys under the name {name}", step="X3DH §3.3", name=name
    )
