"""Letterbox, version 1: a small protocol that is not X3DH. It closes part I of the course.

A newspaper prints a puzzle. Letters with answers go through a relay that nobody trusts; the first
right answer wins. The protocol promises three things: only the newspaper reads a letter, a letter
counts for the person who wrote it, and it counts once. One promise does not hold.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

from x3dhlab.errors import Refused, Replayed
from x3dhlab.keys import KeyPair
from x3dhlab.primitives import check_canonical, dh, hkdf, open_sealed, seal, sign, verify
from x3dhlab.wire import encode_key

LABEL = b"Letterbox v1"
ANSWER = b"The answer is 42."


@dataclass(frozen=True, slots=True)
class Letter:
    """What the relay carries: every field is public."""

    sender: bytes
    ephemeral: bytes
    signature: bytes = field(repr=False)
    sealed: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Box:
    """The newspaper's two key pairs and the letters it has counted. The public halves are known."""

    identity: KeyPair = field(default_factory=KeyPair.generate)
    prekey: KeyPair = field(default_factory=KeyPair.generate)
    counted: set = field(default_factory=set, repr=False)


def context(box: Box, ephemeral: bytes) -> bytes:
    """Public: the newspaper's two keys and the letter's own, each 33 bytes."""
    return encode_key(box.identity.public) + encode_key(box.prekey.public) + encode_key(ephemeral)


def key(DH1: bytes, DH2: bytes) -> bytes:
    """F, a zero salt and a label, as in X3DH."""
    return hkdf(b"\xff" * 32 + DH1 + DH2, salt=bytes(32), info=LABEL, length=32)


def post(sender: KeyPair, box: Box, text: bytes) -> Letter:
    """The sender's side: uses the public keys of the box only."""
    EK = KeyPair.generate()
    AD = context(box, EK.public)
    K = key(dh(EK.private, box.identity.public), dh(EK.private, box.prekey.public))
    signature = sign(sender.private, LABEL + AD)
    return Letter(sender.public, EK.public, signature, seal(K, text, AD))


def read(box: Box, letter: Letter) -> tuple[bytes, bytes]:
    """The newspaper's side: who wrote, and what."""
    AD = context(box, check_canonical(letter.ephemeral, "ephemeral"))
    verify(letter.sender, LABEL + AD, letter.signature)
    K = key(dh(box.identity.private, letter.ephemeral), dh(box.prekey.private, letter.ephemeral))
    if K in box.counted:
        raise Replayed("this letter was counted before")
    text = open_sealed(K, letter.sealed, AD)
    box.counted.add(K)
    return letter.sender, text


def tried(attack: Callable[[Letter, Box, KeyPair], Letter]) -> str:
    """Run an attack by the relay on Alice's letter, and say what the newspaper concludes.

    `attack(letter, box, mallory)` returns the letter that is delivered first; Alice's own follows.
    It may use Mallory's key pair and the public halves of the box.
    """
    box, alice, mallory = Box(), KeyPair.generate(), KeyPair.generate()
    names = {alice.public: "Alice", mallory.public: "Mallory"}
    letter = post(alice, box, ANSWER)
    told = []
    for arrived in (
        attack(letter, Box(_public(box.identity), _public(box.prekey)), mallory),
        letter,
    ):
        try:
            sender, text = read(box, arrived)
            told.append(f"{names.get(sender, 'somebody')} wrote “{text.decode()}”")
        except Refused as refusal:
            told.append(f"refused: {type(refusal).__name__}")
    return "; then ".join(told)


def _public(pair):
    """A pair whose private half is worthless: the attack must do without it."""
    return KeyPair(private=bytes(32), public=pair.public)
