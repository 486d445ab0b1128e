"""Who is asking: a challenge signed with the identity key, for a token that soon runs out.

The first key that signs in under a free name gets the name, as the first publication does. The
service keeps the SHA-256 of challenges and tokens only: a copy of its database signs nobody in.
"""

import hashlib
import secrets
import time
from collections.abc import Callable
from typing import NamedTuple

import sqlalchemy as sql

from x3dhlab.errors import BadSignature, NotSignedIn
from x3dhlab.primitives import KEY_LENGTH, SIGNATURE_LENGTH, check_bytes, verify
from x3dhlab.service.database import NAME_LIMIT, Database, check_name
from x3dhlab.service.store import PreKeyStore

CHALLENGE_SECONDS = 60
TOKEN_SECONDS = 15 * 60
STEP = "X3DH §4.7"

# The prekeys' signatures cover 05 ‖ key or an EncodeKEM: no sign-in begins with such a byte.
LABEL = b"x3dhlab service sign-in v1"

_metadata = sql.MetaData()


def _table(name):
    return sql.Table(
        name,
        _metadata,
        sql.Column("digest", sql.LargeBinary, primary_key=True),
        sql.Column("name", sql.String(NAME_LIMIT), nullable=False),
        sql.Column("ends", sql.BigInteger, nullable=False, index=True),
    )


_challenges, _tokens = _table("challenges"), _table("tokens")


class Account(NamedTuple):
    """Whose token it is, and when it runs out, in seconds since 1970."""

    name: str
    ends: int


def statement(name: str, challenge: bytes) -> bytes:
    """What a device signs: label ‖ length of the name (2 bytes) ‖ name ‖ challenge."""
    encoded = name.encode()
    return LABEL + len(encoded).to_bytes(2, "big") + encoded + challenge


class Accounts:
    """Challenges and tokens in the store's database. `clock` gives seconds since 1970."""

    def __init__(self, store: PreKeyStore, *, clock: Callable[[], float] = time.time):
        self.store, self.clock = store, clock
        self.database: Database = store.database
        self.database.prepare(_metadata)

    def challenge(self, name: str) -> bytes:
        """32 random bytes to sign within `CHALLENGE_SECONDS`, once."""
        check_name(name)
        challenge = secrets.token_bytes(32)
        self._keep(_challenges, challenge, name, CHALLENGE_SECONDS)
        return challenge

    def token(self, name: str, identity_key: bytes, challenge: bytes, signature: bytes) -> str:
        """A token for `TOKEN_SECONDS`; it is good after a restart as well.

        Raises `NotSignedIn` for a challenge that is unknown, used or too old, and for a signature
        that does not fit; `IdentityMismatch` for a name that belongs to another key.
        """
        check_name(name)
        check_bytes(identity_key, "identity key", KEY_LENGTH, step=STEP)
        check_bytes(challenge, "challenge", 32, step=STEP)
        check_bytes(signature, "signature", SIGNATURE_LENGTH, step=STEP)
        # Used up in a transaction of its own: a refusal below must not bring it back.
        if not self._use_up(name, challenge):
            raise NotSignedIn(
                "this challenge is unknown, used or too old: ask for a new one", step=STEP
            )
        try:
            verify(identity_key, statement(name, challenge), signature)
        except BadSignature as problem:
            raise NotSignedIn(
                "the signature does not fit: sign label, name and challenge with the identity key",
                step=STEP,
            ) from problem
        token = secrets.token_urlsafe(32)
        with self.database.transaction():
            self.store.bind(name, identity_key)
            self._keep(_tokens, token.encode(), name, TOKEN_SECONDS)
        return token

    def find(self, token: str) -> Account:
        """Whose token this is. Raises `NotSignedIn` for none that is good."""
        wanted = sql.select(_tokens.c.name, _tokens.c.ends).where(
            _tokens.c.digest == digest(token.encode())
        )
        with self.database.transaction() as connection:
            row = connection.execute(wanted).first()
        if row is None or row.ends <= self.clock():
            raise not_signed_in()
        return Account(row.name, row.ends)

    def expire(self) -> int:
        """Delete the challenges and tokens that have run out; how many."""
        now = int(self.clock())
        with self.database.transaction() as connection:
            return sum(
                connection.execute(table.delete().where(table.c.ends <= now)).rowcount
                for table in (_challenges, _tokens)
            )

    def _keep(self, table, secret, name, seconds):
        ends = int(self.clock()) + seconds
        values = {"digest": digest(secret), "name": name, "ends": ends}
        with self.database.transaction() as connection:
            connection.execute(table.insert().values(**values))

    def _use_up(self, name, challenge):
        mine = (_challenges.c.digest == digest(challenge)) & (_challenges.c.name == name)
        good = _challenges.c.ends > int(self.clock())
        with self.database.transaction() as connection:
            return connection.execute(_challenges.delete().where(mine & good)).rowcount == 1


def not_signed_in() -> NotSignedIn:
    """The refusal that says how to sign in."""
    return NotSignedIn(
        "this needs a token: POST /v1/challenges, sign the challenge, POST /v1/tokens, and send"
        " the header Authorization: Bearer TOKEN",
        step=STEP,
    )


def digest(secret: bytes) -> bytes:
    """What the service keeps of a challenge or a token."""
    return hashlib.sha256(secret).digest()
