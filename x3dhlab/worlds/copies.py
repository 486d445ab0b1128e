"""The copies of a prekey store, one for each region, and the devices of users and senders.

`Counted` keeps numbers only and is fast; `Real` keeps a `PreKeyStore` for each region, and real
devices that make and open real first messages. A world asks both the same questions, and a test
demands the same history of both. This module knows no time and no distance.
"""

from dataclasses import replace
from typing import NamedTuple

import sqlalchemy as sql

from x3dhlab import prekeys, session
from x3dhlab.attacks import put_back
from x3dhlab.errors import Refused
from x3dhlab.service.store import PreKeyStore
from x3dhlab.wire import PreKeyBundle, Publication


class Bundle(NamedTuple):
    """What is left of a `PreKeyBundle` when only numbers count."""

    signed_prekey_id: int
    one_time_prekey_id: int | None


class Upload(NamedTuple):
    """What is left of a `Publication` when only numbers count."""

    signed_prekey_id: int
    numbers: tuple[int, ...]


class _Device:
    """A user's phone that only counts: which private halves it still has."""

    def __init__(self, keys):
        self.current, self.signed = 1, {1}
        self.one_time = set(range(2, 2 + keys))
        self.next_id = 2 + keys

    def upload(self, since=0):
        return Upload(self.current, tuple(sorted(n for n in self.one_time if n >= since)))


class _Copy:
    """One region's tables: a published head for each user, keys to give, keys given."""

    def __init__(self):
        self.heads: dict[str, int] = {}
        self.left: dict[str, dict[int, None]] = {}
        self.given: dict[tuple[str, int], None] = {}

    def copied(self):
        other = _Copy()
        other.heads, other.given = dict(self.heads), dict(self.given)
        other.left = {user: dict(numbers) for user, numbers in self.left.items()}
        return other


class Counted:
    """Copies and devices as sets of numbers."""

    def __init__(self, regions, users, keys):
        self._copies = {region: _Copy() for region in regions}
        self._devices = {user: _Device(keys) for user in users}
        self._named: dict[str, Bundle] = {}

    # What a device does

    def upload(self, user: str) -> Upload:
        """Everything that the user publishes."""
        return self._devices[user].upload()

    def rotate(self, user: str, now: int) -> Upload:
        """A new signed prekey; the old private half stays."""
        device = self._devices[user]
        device.current, device.next_id = device.next_id, device.next_id + 1
        device.signed.add(device.current)
        return device.upload(device.next_id)

    def retire(self, user: str) -> list[int]:
        """Delete the private halves of every signed prekey but the newest."""
        device = self._devices[user]
        gone = sorted(device.signed - {device.current})
        device.signed = {device.current}
        return gone

    def refill(self, user: str, count: int) -> Upload:
        """`count` more one-time prekeys."""
        device = self._devices[user]
        since, device.next_id = device.next_id, device.next_id + count
        device.one_time |= set(range(since, since + count))
        return device.upload(since)

    def write(self, message: str, user: str, bundle: Bundle) -> None:
        """Somebody new starts a session with the user against this bundle."""
        self._named[message] = bundle

    def read(self, message: str, user: str) -> str | None:
        """The user opens the message. Returns the name of the refusal, or None."""
        device, (signed, one_time) = self._devices[user], self._named[message]
        if signed not in device.signed or one_time not in {None, *device.one_time}:
            return "UsedPreKey"
        device.one_time.discard(one_time)
        return None

    # What a region does

    def store(self, region: str, user: str, upload: Upload, numbers=None) -> None:
        """Keep what the user published; of the one-time prekeys only `numbers`, if given."""
        copy = self._copies[region]
        copy.heads[user] = upload.signed_prekey_id
        left = copy.left.setdefault(user, {})
        for number in upload.numbers:
            if (user, number) not in copy.given and (numbers is None or number in numbers):
                left[number] = None

    def peek(self, region: str, user: str) -> Bundle:
        """A bundle without a one-time prekey."""
        return Bundle(self._copies[region].heads[user], None)

    def take(self, region: str, user: str) -> Bundle:
        """A bundle with the oldest one-time prekey of this copy, if there is one."""
        copy = self._copies[region]
        number = next(iter(copy.left[user]), None)
        if number is not None:
            self.drop(region, user, number)
        return Bundle(copy.heads[user], number)

    def drop(self, region: str, user: str, number: int) -> None:
        """Another copy gave this key out: delete it here, too, and remember the number."""
        copy = self._copies[region]
        copy.left[user].pop(number, None)
        copy.given[user, number] = None

    def given(self, region: str) -> list[tuple[str, int]]:
        """(user, number) of every key that this copy knows to be given out."""
        return sorted(self._copies[region].given)

    def discard(self, region: str) -> None:
        """Delete every one-time prekey that waits here."""
        for numbers in self._copies[region].left.values():
            numbers.clear()

    def backup(self) -> dict:
        """All copies as they are now."""
        return {region: copy.copied() for region, copy in self._copies.items()}

    def restore(self, backup: dict) -> None:
        """Put all copies back; devices keep what they have."""
        self._copies = {region: copy.copied() for region, copy in backup.items()}


class Real:
    """A `PreKeyStore` in memory for each region, and devices with private keys.

    Replication and backup work below the store, on its rows, as those of a database do.
    """

    def __init__(self, regions, users, keys):
        self._stores = {region: PreKeyStore() for region in regions}
        rings = {user: prekeys.generate(one_time=keys) for user in users}
        self._devices = {user: session.Device(ring) for user, ring in rings.items()}
        self._sealed: dict[str, bytes] = {}

    def upload(self, user):
        return prekeys.publication(self._devices[user].ring)

    def rotate(self, user, now):
        ring = self._devices[user].ring
        return self._keep(user, prekeys.rotate(ring, now=now))

    def retire(self, user):
        before = self._devices[user].ring
        newest = before.signed[before.current].made
        self._devices[user] = session.retire(self._devices[user], before=newest)
        return sorted(set(before.signed) - set(self._devices[user].ring.signed))

    def refill(self, user, count):
        return self._keep(user, prekeys.add_one_time(self._devices[user].ring, count))

    def _keep(self, user, ring):
        since = self._devices[user].ring.next_id
        self._devices[user] = replace(self._devices[user], ring=ring)
        return prekeys.publication(ring, since=since)

    def write(self, message, user, bundle):
        sender = session.start(session.Device(prekeys.generate(one_time=0)), bundle)
        _, self._sealed[message] = session.send(sender, bundle.identity_key, b"Hello")

    def read(self, message, user):
        try:
            device, _, _ = session.receive(self._devices[user], None, self._sealed[message])
        except Refused as refusal:
            return type(refusal).__name__
        self._devices[user] = device
        return None

    def store(self, region, user, upload, numbers=None):
        keys = upload.one_time_prekeys
        if numbers is not None:
            keys = tuple(key for key in keys if key.one_time_prekey_id in numbers)
        self._stores[region].publish(user, replace(upload, one_time_prekeys=keys))

    def peek(self, region, user):
        (row,) = self._rows(region, "SELECT publication FROM users WHERE name = :name", name=user)
        head = Publication.decode(row.publication)
        return PreKeyBundle(
            head.identity_key,
            head.signed_prekey_id,
            head.signed_prekey,
            head.signed_prekey_signature,
        )

    def take(self, region, user):
        return self._stores[region].fetch(user)

    def drop(self, region, user, number):
        row = {"name": user, "kind": "EC", "number": number}
        mine = "WHERE name = :name AND kind = :kind AND identifier = :number"
        self._rows(region, f"DELETE FROM one_time_prekeys {mine}", **row)
        given = "INSERT OR IGNORE INTO issued_prekeys (name, kind, identifier)"
        self._rows(region, f"{given} VALUES (:name, :kind, :number)", **row)

    def given(self, region):
        rows = self._rows(region, "SELECT name, identifier FROM issued_prekeys")
        return sorted((row.name, row.identifier) for row in rows)

    def discard(self, region):
        self._stores[region].discard()

    def backup(self):
        return {region: put_back.backup(store) for region, store in self._stores.items()}

    def restore(self, backup):
        for region, kept in backup.items():
            put_back.restore(self._stores[region], kept)

    def _rows(self, region, statement, **values):
        with self._stores[region].database.transaction() as connection:
            found = connection.execute(sql.text(statement), values)
            return found.all() if found.returns_rows else []
