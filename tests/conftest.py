"""What the tests share: a cast with fixed keys, two parties on a store, and Hypothesis without a
deadline, because a busy machine is not a failure."""

import itertools
from dataclasses import dataclass, replace

import pytest
from hypothesis import settings

from x3dhlab import x3dh
from x3dhlab.keys import KeyPair
from x3dhlab.party import LocalTransport, Party
from x3dhlab.primitives import sign
from x3dhlab.service.store import PreKeyStore
from x3dhlab.wire import PreKeyBundle, encode_key

settings.register_profile("ci", deadline=None)
settings.load_profile("ci")


@dataclass(frozen=True)
class Cast:
    """The five key pairs of one handshake."""

    IK_A: KeyPair
    EK_A: KeyPair
    IK_B: KeyPair
    SPK_B: KeyPair
    OPK_B: KeyPair | None
    signer: KeyPair
    info: bytes = x3dh.INFO

    def bundle(self):
        signature = sign(self.signer.private, encode_key(self.SPK_B.public), nonce=bytes(64))
        bundle = PreKeyBundle(self.IK_B.public, 7, self.SPK_B.public, signature)
        if self.OPK_B is None:
            return bundle
        return replace(bundle, one_time_prekey_id=9, one_time_prekey=self.OPK_B.public)

    def initiate(self):
        return x3dh.initiate(self.IK_A, self.bundle(), ephemeral=self.EK_A, info=self.info)

    def respond(self, message):
        return x3dh.respond(self.IK_B, self.SPK_B, self.OPK_B, message, info=self.info)

    def without_one_time_prekey(self):
        return replace(self, OPK_B=None)


@pytest.fixture
def cast():
    """Private keys 01×32 … 05×32, as in the vectors."""
    IK_A, EK_A, IK_B, SPK_B, OPK_B = (KeyPair.from_private(bytes([i]) * 32) for i in range(1, 6))
    return Cast(IK_A, EK_A, IK_B, SPK_B, OPK_B, signer=IK_B)


@pytest.fixture
def transport():
    """An honest transport over a store in memory."""
    return LocalTransport(PreKeyStore())


@pytest.fixture
def alice(transport):
    """Alice, who has published nothing."""
    return Party("Alice", transport, one_time=0)


@pytest.fixture
def bob(transport):
    """Bob, with five one-time prekeys at the server."""
    bob = Party("Bob", transport, one_time=5)
    bob.publish()
    return bob


@pytest.fixture(scope="session")
def new_postgres():
    """A function that makes an empty PostgreSQL database and returns its URL."""
    postgres = pytest.importorskip("postgres", reason="psycopg is not installed")
    if postgres.programs() is None:
        pytest.skip("PostgreSQL is not installed: .ci/run installs it")
    numbers = itertools.count()
    with postgres.cluster() as place:
        yield lambda: postgres.new_database(place, f"test{next(numbers)}")


@pytest.fixture(params=["file", "postgres"])
def database_url(request, tmp_path):
    """An empty database that outlives a process: SQLite in a file, then PostgreSQL."""
    if request.param == "file":
        return f"sqlite:///{tmp_path}/keys.db"
    return request.getfixturevalue("new_postgres")()
