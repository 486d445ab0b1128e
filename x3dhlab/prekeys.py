"""A device's ring of prekeys: generate, sign, publish, rotate, retain, find, burn.

The ring is frozen; each function returns the next one. Identifiers count up and are never used
again, so that a missing key tells its story: below the counter it existed and was deleted
(`UsedPreKey`), above it nobody ever had it (`UnknownPreKey`). This module holds private halves and
therefore never leaves the device; `publication` makes the public part of it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType

from x3dhlab import kem as kems
from x3dhlab.errors import InvalidField, UnknownPreKey, UsedPreKey, expect
from x3dhlab.kem import KemKeyPair
from x3dhlab.keys import KeyPair
from x3dhlab.primitives import forget, sign
from x3dhlab.wire import (
    BATCH_LIMIT,
    KemPreKey,
    OneTimePreKey,
    Publication,
    encode_kem,
    encode_key,
)

# Signal for Android makes 100 at a time and refills below 10.
BATCH = 100
REFILL_BELOW = 10

STEP = "X3DH §3.2"


@dataclass(frozen=True, slots=True)
class SignedPreKey:
    """A prekey pair, IK's signature over its encoding, and its age on the caller's clock."""

    pair: KeyPair | KemKeyPair
    signature: bytes = field(repr=False)
    made: int = 0


def _empty():
    return MappingProxyType({})


@dataclass(frozen=True, slots=True)
class PreKeyRing:
    """Every private key of one device. Mappings go from identifier to key, oldest first."""

    identity: KeyPair
    signed: Mapping[int, SignedPreKey]
    one_time: Mapping[int, KeyPair] = field(default_factory=_empty, repr=False)
    kem_one_time: Mapping[int, SignedPreKey] = field(default_factory=_empty, repr=False)
    kem_last_resort: Mapping[int, SignedPreKey] = field(default_factory=_empty, repr=False)
    next_id: int = 1
    kem_algorithm: str | None = None

    @property
    def current(self) -> int:
        """The identifier of the signed prekey that is published now."""
        return next(reversed(self.signed))


def generate(
    *, identity: KeyPair | None = None, one_time: int = BATCH, kem: str | None = None, now: int = 0
) -> PreKeyRing:
    """X3DH §3.2: a ring with an identity, a signed prekey and `one_time` one-time prekeys.

    With `kem` (a name that `kem.get` knows) it also gets a last-resort KEM prekey and as many
    one-time KEM prekeys, for PQXDH.
    """
    IK = identity or KeyPair.generate()
    expect(IK, KeyPair, "identity", step=STEP)
    ring = PreKeyRing(identity=IK, signed=_empty(), kem_algorithm=kem)
    return add_one_time(rotate(ring, now=now), one_time)


def rotate(ring: PreKeyRing, *, now: int = 0) -> PreKeyRing:
    """X3DH §3.2: a new signed prekey (and last-resort KEM prekey); the old ones stay for now."""
    expect(ring, PreKeyRing, "ring", step=STEP)
    SPK = KeyPair.generate()
    signature = sign(ring.identity.private, encode_key(SPK.public))
    signed = {**ring.signed, ring.next_id: SignedPreKey(SPK, signature, now)}
    ring = replace(ring, signed=MappingProxyType(signed), next_id=ring.next_id + 1)
    if ring.kem_algorithm:
        last = {**ring.kem_last_resort, ring.next_id: _kem_prekey(ring, now)}
        ring = replace(ring, kem_last_resort=MappingProxyType(last), next_id=ring.next_id + 1)
    return ring


def retire(ring: PreKeyRing, *, before: int) -> PreKeyRing:
    """X3DH §3.2: delete the signed and last-resort prekeys made before `before`, never the newest.

    Call it only when no message that used them can still be on its way.
    """
    expect(ring, PreKeyRing, "ring", step=STEP)

    def kept(keys):
        newest = next(reversed(keys), None)
        for identifier, key in keys.items():
            if key.made < before and identifier != newest:
                forget(key.pair.private)
        return MappingProxyType(
            {
                identifier: key
                for identifier, key in keys.items()
                if key.made >= before or identifier == newest
            }
        )

    return replace(ring, signed=kept(ring.signed), kem_last_resort=kept(ring.kem_last_resort))


def add_one_time(ring: PreKeyRing, count: int) -> PreKeyRing:
    """X3DH §3.2: `count` more one-time prekeys, in a PQXDH ring KEM ones too."""
    expect(ring, PreKeyRing, "ring", step=STEP)
    if type(count) is not int or not 0 <= count <= BATCH_LIMIT:
        raise InvalidField(f"a batch has 0 to {BATCH_LIMIT} one-time prekeys", step=STEP)
    first = ring.next_id
    fresh = {}
    for identifier in range(first, first + count):
        OPK = KeyPair.generate()
        fresh[identifier] = OPK
    one_time = MappingProxyType({**ring.one_time, **fresh})
    ring = replace(ring, one_time=one_time, next_id=first + count)
    if ring.kem_algorithm:
        first = ring.next_id
        fresh = {number: _kem_prekey(ring, 0) for number in range(first, first + count)}
        one_time = MappingProxyType({**ring.kem_one_time, **fresh})
        ring = replace(ring, kem_one_time=one_time, next_id=first + count)
    return ring


def _kem_prekey(ring, now):
    """PQXDH §3.2: every KEM prekey carries its own signature over EncodeKEM(PQPK)."""
    PQPK = kems.get(ring.kem_algorithm).generate()
    signature = sign(ring.identity.private, encode_kem(PQPK.algorithm, PQPK.public))
    return SignedPreKey(PQPK, signature, now)


def publication(ring: PreKeyRing, *, since: int = 0) -> Publication:
    """X3DH §3.2, PQXDH §3.2: the public halves. One-time prekeys only from identifier `since` on.

    A key that the server may have handed out must not be uploaded again, so a refill passes the
    `next_id` that the ring had before.
    """
    expect(ring, PreKeyRing, "ring", step=STEP)
    current = ring.signed[ring.current]
    last_resort = next(reversed(ring.kem_last_resort.items()), None)
    return Publication(
        identity_key=ring.identity.public,
        signed_prekey_id=ring.current,
        signed_prekey=current.pair.public,
        signed_prekey_signature=current.signature,
        one_time_prekeys=tuple(
            OneTimePreKey(identifier, pair.public)
            for identifier, pair in ring.one_time.items()
            if identifier >= since
        ),
        kem_prekeys=tuple(
            _public(identifier, key)
            for identifier, key in ring.kem_one_time.items()
            if identifier >= since
        ),
        last_resort_kem_prekeys=(_public(*last_resort),) if last_resort else (),
    )


def _public(identifier, key):
    encoded = encode_kem(key.pair.algorithm, key.pair.public)
    return KemPreKey(identifier, encoded, key.signature)


def find_signed(ring: PreKeyRing, identifier: int) -> KeyPair:
    """The signed prekey pair of that number. Raises `UsedPreKey` or `UnknownPreKey`."""
    return _find(ring, identifier, "signed prekey", "signed").pair


def find_one_time(ring: PreKeyRing, identifier: int | None) -> KeyPair | None:
    """The one-time prekey pair of that number; None for None."""
    if identifier is None:
        return None
    return _find(ring, identifier, "one-time prekey", "one_time")


def find_kem(ring: PreKeyRing, identifier: int) -> KemKeyPair:
    """The KEM prekey pair of that number, one-time or last-resort."""
    return _find(ring, identifier, "KEM prekey", "kem_one_time", "kem_last_resort").pair


def _find(ring, identifier, what, *kinds):
    expect(ring, PreKeyRing, "ring", step="X3DH §3.4")
    expect(identifier, int, "identifier", step="X3DH §3.4")
    for kind in kinds:
        if identifier in getattr(ring, kind):
            return getattr(ring, kind)[identifier]
    if 0 < identifier < ring.next_id:
        when = "" if "signed" in kinds else " after use"  # signed ones go by age
        raise UsedPreKey(
            f"{what} {identifier} was deleted{when}", step="X3DH §3.4", identifier=identifier
        )
    raise UnknownPreKey(
        f"there never was a {what} {identifier}", step="X3DH §3.4", identifier=identifier
    )


def burn(ring: PreKeyRing, one_time_id: int | None, kem_id: int | None = None) -> PreKeyRing:
    """X3DH §3.4, PQXDH §3.4: delete the one-time private keys that a message has used.

    Only after the message has decrypted: burning first would let anybody empty the ring with
    garbage that names its identifiers. A last-resort KEM prekey stays.
    """
    expect(ring, PreKeyRing, "ring", step="X3DH §3.4")
    one_time, kem_one_time = dict(ring.one_time), dict(ring.kem_one_time)
    used = one_time.pop(one_time_id, None)
    used_kem = kem_one_time.pop(kem_id, None)
    forget(*(pair.private for pair in (used, used_kem and used_kem.pair) if pair))
    return replace(
        ring,
        one_time=MappingProxyType(one_time),
        kem_one_time=MappingProxyType(kem_one_time),
    )
