"""A71: a database is put back to an older copy, and gives one-time prekeys out again.

Nobody attacks. An operator restores yesterday's backup, or a region that was behind takes over.
The table then holds keys that were given out since, and does not know it: its tombstones are of
yesterday, too. The second sender's first message is refused, because the owner has deleted the
private half; the owner is the only one who sees it.
"""

from x3dhlab.attacks import targets
from x3dhlab.attacks.entry import Attack, Result
from x3dhlab.errors import Refused
from x3dhlab.party import Party, Received
from x3dhlab.service.store import PreKeyStore


def backup(store: PreKeyStore) -> bytes:
    """A copy of the store's whole database, for a store in memory."""
    return _database(store).serialize()


def restore(store: PreKeyStore, kept: bytes) -> None:
    """The database is what it was when the copy was made."""
    _database(store).deserialize(kept)


def _database(store):
    connection = store.database.engine.raw_connection()
    try:
        return connection.driver_connection
    finally:
        connection.close()


def after_a_restore(discard: bool, senders: int = 3) -> list[Received]:
    """What Bob reads from senders who begin before and after his server's restore.

    With `discard` the operator deletes every one-time prekey first, and Bob's phone refills.
    """
    friends = targets.friends(one_time=senders + 2)
    network, bob = friends.network, friends.bob
    kept = backup(network.store)
    for number in range(1, senders + 1):
        Party(f"early {number}", network).send("Bob", b"before")
    restore(network.store, kept)
    if discard:
        network.store.discard()
        bob.replenish(senders)
    for number in range(1, senders + 1):
        Party(f"late {number}", network).send("Bob", b"after")
    return bob.receive()


def _result(discard):
    late = [one for one in after_a_restore(discard) if one.sender.startswith("late")]
    refused = [one.error for one in late if isinstance(one.error, Refused)]
    seen = f"{len(refused)} of {len(late)} later first messages are refused"
    return Result(bool(refused), seen, "" if refused else "one-time keys discarded")


CATALOGUE = (
    Attack(
        "A71",
        "A database put back",
        "D",
        "20",
        "A backup of the table of one-time prekeys is put back, or an old copy takes over.",
        "Keys that were given out since are given out again; their first messages do not open.",
        "Discard every one-time prekey after a restore, and let the phones refill.",
        "Matrix: element-meta issue 2155.",
        works=lambda: _result(discard=False),
        fails=lambda: _result(discard=True),
    ),
)
