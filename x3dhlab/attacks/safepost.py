"""Safepost, version 1: a small hybrid protocol that no lesson contains. It closes part II.

A bank posts the four-digit code of a safe to the client, over a relay that nobody trusts. The
client answers with a receipt. The code never changes, so a recording of today counts for years. The
protocol promises four things: if the curve falls one day, nobody learns a code from a recording; if
the KEM falls, nobody does either; while the curve stands, a letter comes from the bank; and a
receipt comes from the one who read the code. One promise does not hold.
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace

from x3dhlab import kem as kems
from x3dhlab.errors import Refused
from x3dhlab.keys import KeyPair
from x3dhlab.primitives import dh, hkdf, hmac_sha256, open_sealed, random_bytes, seal
from x3dhlab.wire import encode_key
from x3dhlab.x3dh import F

LABEL = b"Safepost v1"
KEM = kems.get("ML-KEM-768")
LETTERS = 4  # in one run
PROMISES = {"curve": 1, "KEM": 2}  # which promise speaks of what has fallen


@dataclass(frozen=True, slots=True)
class Client:
    """A key pair of the curve and one of the KEM. The public halves are known and genuine."""

    identity: KeyPair = field(default_factory=KeyPair.generate)
    kem: kems.KemKeyPair = field(default_factory=KEM.generate)


@dataclass(frozen=True, slots=True)
class Letter:
    """What the relay carries to the client. All is public."""

    ephemeral: bytes
    ciphertext: bytes = field(repr=False)
    sealed: bytes = field(repr=False)


def context(bank: bytes, client: Client, ephemeral: bytes, ciphertext: bytes) -> bytes:
    """Public: all keys of this letter, and the ciphertext of the KEM."""
    curve = encode_key(bank) + encode_key(client.identity.public) + encode_key(ephemeral)
    return curve + client.kem.public + ciphertext


def keys(DH1: bytes, DH2: bytes, SS: bytes) -> tuple[bytes, bytes]:
    """One key for the code, and one for the receipt. A KEM does not say who somebody is."""
    code = hkdf(F + DH1 + DH2 + SS, salt=bytes(32), info=LABEL + b" code", length=32)
    receipt = hkdf(F + DH1 + DH2, salt=bytes(32), info=LABEL + b" receipt", length=32)
    return code, receipt


def post(bank: KeyPair, client: Client, code: bytes) -> tuple[Letter, bytes]:
    """The bank: a letter, and the receipt that it waits for. Uses the client's public keys only."""
    EK, (CT, SS) = KeyPair.generate(), KEM.encapsulate(client.kem.public)
    AD = context(bank.public, client, EK.public, CT)
    DH1 = dh(bank.private, client.identity.public)
    DH2 = dh(EK.private, client.identity.public)
    K, R = keys(DH1, DH2, SS)
    return Letter(EK.public, CT, seal(K, code, AD)), hmac_sha256(R, AD + code)


def read(client: Client, bank: bytes, letter: Letter) -> tuple[bytes, bytes]:
    """The client: the code, and the receipt that goes back over the relay."""
    AD = context(bank, client, letter.ephemeral, letter.ciphertext)
    DH1 = dh(client.identity.private, bank)
    DH2 = dh(client.identity.private, letter.ephemeral)
    K, R = keys(DH1, DH2, KEM.decapsulate(client.kem.private, letter.ciphertext))
    code = open_sealed(K, letter.sealed, AD)
    return code, hmac_sha256(R, AD + code)


def tried(
    attack: Callable[[KeyPair, Client, list[tuple[Letter, bytes]]], list[bytes]], fallen: str
) -> str:
    """Run an attack on a recording, years later, and say how many codes it found.

    `attack(bank, client, recorded)` gets each letter with its receipt, and the keys of both. If
    `fallen` is "curve" or "KEM", the private halves of that kind are there too; a private half
    that did not fall is zeros. It returns the codes in the order of the letters.
    """
    bank, client = KeyPair.generate(), Client()
    codes = [b"%04d" % (int.from_bytes(random_bytes(8)) % 10_000) for _ in range(LETTERS)]
    letters = [post(bank, client, code)[0] for code in codes]
    recorded = [(letter, read(client, bank.public, letter)[1]) for letter in letters]
    if fallen != "curve":
        bank, client = _hidden(bank), replace(client, identity=_hidden(client.identity))
    if fallen != "KEM":
        client = replace(client, kem=_hidden(client.kem))
    try:
        found = list(attack(bank, client, recorded))
    except Refused as refusal:
        return f"Mallory is stopped: {type(refusal).__name__}."
    right = sum(ours == theirs for ours, theirs in zip(codes, found, strict=False))
    broken = f" Promise {PROMISES[fallen]} is broken." if right == LETTERS else ""
    return f"Mallory finds {right} of {LETTERS} codes.{broken}"


def _hidden(pair):
    """The pair with a worthless private half: the attack must do without it."""
    return replace(pair, private=bytes(len(pair.private)))
