"""Wardpost, version 1: a small service that no lesson contains. It closes part IV of the course.

The wards of a hospital write to the doctor on duty, over a relay that nobody trusts. Each ward has
compared the doctor's identity key with her, and she knows the wards' keys. The service promises
four things: whatever the relay does, only the doctor reads; a recorded login opens no mailbox; the
doctor knows which ward wrote; and a phone that is stolen tomorrow opens no letter of today. Not
every promise holds.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

from x3dhlab.errors import IdentityMismatch, InvalidField, Refused
from x3dhlab.keys import KeyPair
from x3dhlab.primitives import check_canonical, dh, hkdf, open_sealed, seal, sign, verify
from x3dhlab.wire import encode_key
from x3dhlab.x3dh import F

LABEL = b"Wardpost v1"
TEXT = b"Bed 7: the fever is back."


@dataclass(frozen=True, slots=True)
class Doctor:
    """Her phone: an identity key, a prekey for today, and the challenges that it has answered."""

    identity: KeyPair = field(default_factory=KeyPair.generate)
    prekey: KeyPair = field(default_factory=KeyPair.generate)
    answered: set = field(default_factory=set, repr=False)


@dataclass(frozen=True, slots=True)
class Bundle:
    """What the relay hands to a ward. All is public."""

    identity: bytes
    prekey: bytes
    signature: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Letter:
    """What the relay carries to the doctor. All is public."""

    ephemeral: bytes
    sealed: bytes = field(repr=False)


def publish(doctor: Doctor) -> Bundle:
    """The doctor, each morning: a signed prekey. In the evening its private half is deleted."""
    signature = sign(doctor.identity.private, LABEL + encode_key(doctor.prekey.public))
    return Bundle(doctor.identity.public, doctor.prekey.public, signature)


def log_in(doctor: Doctor, challenge: bytes) -> bytes:
    """The doctor's phone proves that it is hers. It answers no challenge twice."""
    if len(challenge) < 32 or challenge in doctor.answered:
        raise InvalidField("a challenge is new, and has 32 bytes or more")
    doctor.answered.add(challenge)
    return sign(doctor.identity.private, LABEL + challenge)


def admit(identity: bytes, challenge: bytes, answer: bytes) -> None:
    """The relay opens the mailbox of `identity` to whoever answers its random challenge."""
    verify(identity, LABEL + challenge, answer)


def key(DH1: bytes, DH2: bytes) -> bytes:
    """DH1 says which ward it was, DH2 is new for each letter."""
    return hkdf(F + DH1 + DH2, salt=bytes(32), info=LABEL + b" letter", length=32)


def context(ward: bytes, doctor: bytes, prekey: bytes, ephemeral: bytes) -> bytes:
    """All keys of this letter, each 33 bytes."""
    return b"".join(map(encode_key, (ward, doctor, prekey, ephemeral)))


def post(ward: KeyPair, doctor: bytes, bundle: Bundle, text: bytes) -> Letter:
    """A ward: `doctor` is the identity key that it has compared. Nothing else is believed."""
    if bundle.identity != doctor:
        raise IdentityMismatch("this is not the doctor's identity key")
    verify(doctor, LABEL + encode_key(bundle.prekey), bundle.signature)
    EK = KeyPair.generate()
    K = key(dh(ward.private, bundle.prekey), dh(EK.private, bundle.prekey))
    AD = context(ward.public, doctor, bundle.prekey, EK.public)
    return Letter(EK.public, seal(K, text, AD))


def read(prekey: KeyPair, doctor: bytes, ward: bytes, letter: Letter) -> bytes:
    """The doctor: tries the ward whose name stands on the letter."""
    ephemeral = check_canonical(letter.ephemeral, "ephemeral")
    K = key(dh(prekey.private, ward), dh(prekey.private, ephemeral))
    return open_sealed(K, letter.sealed, context(ward, doctor, prekey.public, ephemeral))


def tried(attack: Callable[[Bundle, Callable], tuple[Bundle, KeyPair]]) -> str:
    """Run an attack by the relay, and say who reads the ward's letter.

    `attack(bundle, ask)` gets the doctor's bundle, and `ask(challenge)` gives the answer of her
    phone, which logs in each time that the relay wants it. It returns the bundle that the ward
    gets, and a key pair with which the relay tries to read.
    """
    doctor, ward = Doctor(), KeyPair.generate()
    try:
        found = attack(publish(doctor), lambda challenge: log_in(doctor, challenge))
        if not isinstance(found, (tuple, list)) or [*map(type, found)] != [Bundle, KeyPair]:
            return "The attack returns a Bundle for the ward and a KeyPair, with which you read."
        bundle, pair = found
    except Refused as refusal:
        return f"Before the ward writes: {type(refusal).__name__}, {refusal}."
    try:
        letter = post(ward, doctor.identity.public, bundle, TEXT)
    except Refused as refusal:
        return f"The ward refuses the bundle: {type(refusal).__name__}, {refusal}."
    readers = []
    for name, prekey in (("the relay", pair), ("the doctor", doctor.prekey)):
        try:
            text = read(prekey, doctor.identity.public, ward.public, letter)
        except Refused:
            continue
        readers.append(f"{name} reads “{text.decode()}”")
    return f"{' and '.join(readers) or 'nobody reads'}."
