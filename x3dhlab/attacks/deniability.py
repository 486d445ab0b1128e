"""A transcript that proves who wrote it (A69).

Precondition: the program signs each message with the identity key. The receiver can then show the
message to anybody. Without signatures he can write the same transcript himself, so showing it
proves nothing; that is what X3DH §4.4 means by deniability.
"""

from dataclasses import dataclass

from x3dhlab import x3dh
from x3dhlab.attacks.entry import Attack, Result
from x3dhlab.errors import BadSignature
from x3dhlab.keys import KeyPair
from x3dhlab.primitives import open_sealed, seal, sign, verify
from x3dhlab.wire import InitialMessage, PreKeyBundle, encode_key

TEXT = b"I sold the documents. Alice"


@dataclass(frozen=True, slots=True)
class Transcript:
    """What Bob shows to a judge: Alice's first message, and a signature where the program signs."""

    message: object
    ciphertext: bytes
    signature: bytes | None = None


def bobs_keys() -> tuple[KeyPair, KeyPair]:
    """IK_B and SPK_B."""
    return KeyPair.generate(), KeyPair.generate()


def written(alice: KeyPair, IK_B: KeyPair, SPK_B: KeyPair, *, signs: bool) -> Transcript:
    """A transcript that Alice made."""
    signature = sign(IK_B.private, encode_key(SPK_B.public))
    bundle = PreKeyBundle(IK_B.public, 1, SPK_B.public, signature)
    message, agreement = x3dh.initiate(alice, bundle)
    ciphertext = seal(agreement.secret, TEXT, agreement.associated_data)
    return Transcript(message, ciphertext, sign(alice.private, ciphertext) if signs else None)


def invented(IK_A: bytes, IK_B: KeyPair, SPK_B: KeyPair) -> Transcript:
    """The same kind of transcript, made by Bob alone: his private keys and Alice's public one."""
    EK = KeyPair.generate()
    message = InitialMessage(IK_A, EK.public, 1)
    agreement = x3dh.respond(IK_B, SPK_B, None, message)
    return Transcript(message, seal(agreement.secret, TEXT, agreement.associated_data))


def judged(shown: Transcript, IK_B: KeyPair, SPK_B: KeyPair) -> bytes:
    """A judge who holds all of Bob's keys opens the transcript. Raises what does not fit."""
    if shown.signature is not None:
        verify(shown.message.identity_key, shown.ciphertext, shown.signature)
    agreement = x3dh.respond(IK_B, SPK_B, None, shown.message)
    return open_sealed(agreement.secret, shown.ciphertext, agreement.associated_data)


def signed_proof() -> Result:
    """Bob's invention does not pass where messages are signed; Alice's own message does."""
    alice, (IK_B, SPK_B) = KeyPair.generate(), bobs_keys()
    genuine = written(alice, IK_B, SPK_B, signs=True)
    false = invented(alice.public, IK_B, SPK_B)
    forged = Transcript(false.message, false.ciphertext, sign(IK_B.private, false.ciphertext))
    try:
        judged(forged, IK_B, SPK_B)
    except BadSignature:
        return Result(judged(genuine, IK_B, SPK_B) == TEXT, "only Alice can have written it")
    return Result(False, "Bob can have written it")


def unsigned_proof() -> Result:
    """A69 against `x3dh`: the judge accepts what Bob wrote alone."""
    alice, (IK_B, SPK_B) = KeyPair.generate(), bobs_keys()
    accepted = judged(invented(alice.public, IK_B, SPK_B), IK_B, SPK_B) == TEXT
    return Result(not accepted, "Bob can have written it", "no message is signed")


CATALOGUE = (
    Attack(
        "A69",
        "A signature that proves too much",
        "C",
        "29",
        "The program signs each message with the identity key.",
        "Bob can prove to anybody what Alice wrote.",
        "Message authentication codes only; both sides can make them.",
        "X3DH §4.4; design C promises deniability and non-repudiation.",
        works=signed_proof,
        fails=unsigned_proof,
    ),
)
