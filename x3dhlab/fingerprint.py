"""Safety numbers: two identity keys as 60 digits or a QR code that two people can compare.

The algorithm is that of libsignal's `fingerprint` module. Both people hold the same two keys and
two stable names, such as phone numbers, so both phones show the same digits; a server that gave
one of them another key makes the digits differ. Nothing here is secret. This module does not know
whether anybody looked: `contacts` remembers that.
"""

import hashlib
from dataclasses import dataclass

from x3dhlab.errors import InvalidField, UnknownVersion, WrongLength, WrongType, expect
from x3dhlab.layout import Constant, Fixed, Layout, Number
from x3dhlab.wire import encode_key

# Each try of somebody who looks for a key with the same digits costs this many hashes.
ROUNDS = 5200
HALF = 30  # digits for one person
VERSION = 2  # of the QR payload; libsignal knows 1 and 2, the bytes behind it are the same
STEP = "libsignal fingerprint"

MINE, THEIRS = "mine", "theirs"


@dataclass(frozen=True, slots=True)
class QrPayload(Layout):
    """What the QR code of one phone holds: 74 bytes, in libsignal's protobuf form.

    `local` and `remote` are the first 32 bytes of the hashes of the phone's owner and of the other
    person.
    """

    local: bytes
    remote: bytes
    version: int = VERSION

    STEP = STEP
    LAYOUT = (
        Constant("version tag", b"\x08", "Protobuf: field 1, a number."),
        Number("version", 1, "The version: two phones must have the same."),
        Constant("local tag", b"\x12\x22\x0a\x20", "Protobuf: field 2, 32 bytes inside."),
        Fixed("local", 32, "The owner's hash, its first 32 bytes."),
        Constant("remote tag", b"\x1a\x22\x0a\x20", "Protobuf: field 3, 32 bytes inside."),
        Fixed("remote", 32, "The other person's hash, its first 32 bytes."),
    )


def digits(stable_id: str, identity: bytes) -> str:
    """The 30 digits of one person: six 5-byte numbers of the hash, each modulo 100,000."""
    hashed = _hash(stable_id, identity)
    chunks = [int.from_bytes(hashed[at : at + 5], "big") for at in range(0, HALF, 5)]
    return "".join(f"{chunk % 100_000:05}" for chunk in chunks)


def safety_number(my_id: str, my_identity: bytes, their_id: str, their_identity: bytes) -> str:
    """The 60 digits that both phones show: the two halves, the smaller one first.

    Identity keys are 32 bytes. Raises `WrongType`, `WrongLength` or `InvalidField`.
    """
    return "".join(sorted((digits(my_id, my_identity), digits(their_id, their_identity))))


def qr_payload(my_id: str, my_identity: bytes, their_id: str, their_identity: bytes) -> bytes:
    """The bytes of my QR code: version, my hash, their hash. On their phone the two are swapped."""
    mine, theirs = _hash(my_id, my_identity), _hash(their_id, their_identity)
    return QrPayload(mine[:32], theirs[:32]).encode()


def compare(
    seen: bytes | str, my_id: str, my_identity: bytes, their_id: str, their_identity: bytes
) -> tuple[str, ...]:
    """Compare what the other phone shows with the keys that I hold: the sides that differ.

    `seen` is its QR payload (bytes) or its 60 digits (str, spaces allowed). The result is empty
    when all fits. `MINE` in it: the other phone holds another key, or another name, for me;
    `THEIRS`: I hold another one for its owner. Raises `UnknownVersion` when the versions differ.
    """
    if isinstance(seen, str):
        halves = _halves(seen)
        expected = {
            MINE: digits(my_id, my_identity) in halves,
            THEIRS: digits(their_id, their_identity) in halves,
        }
    else:
        payload = _payload(seen)
        expected = {
            MINE: payload.remote == _hash(my_id, my_identity)[:32],
            THEIRS: payload.local == _hash(their_id, their_identity)[:32],
        }
    return tuple(side for side, fits in expected.items() if not fits)


def groups(number: str) -> list[str]:
    """Digits in groups of five, as people read them aloud."""
    expect(number, str, "number", step=STEP)
    return [number[at : at + 5] for at in range(0, len(number), 5)]


def _hash(stable_id, identity):
    expect(stable_id, str, "stable id", step=STEP)
    if not stable_id:
        raise InvalidField("a stable id must not be empty", step=STEP)
    name, key = stable_id.encode(), encode_key(identity)
    hashed = b"\x00\x00" + key + name
    for _ in range(ROUNDS):
        hashed = hashlib.sha512(hashed + key).digest()
    return hashed


def _payload(seen):
    if type(seen) is not bytes:
        raise WrongType(f"a QR payload must be bytes, not {type(seen).__name__}", step=STEP)
    payload = QrPayload.decode(seen)
    if payload.version != VERSION:
        raise UnknownVersion(
            f"the other phone shows version {payload.version}, this one {VERSION}",
            step=STEP,
            expected=VERSION,
            got=payload.version,
        )
    return payload


def _halves(seen):
    number = "".join(seen.split())
    if len(number) != 2 * HALF:
        raise WrongLength(
            f"a safety number has {2 * HALF} digits, not {len(number)}",
            step=STEP,
            expected=2 * HALF,
            got=len(number),
        )
    if not (number.isascii() and number.isdigit()):
        raise InvalidField("a safety number has digits only", step=STEP)
    return number[:HALF], number[HALF:]
