"""A51: one AES-GCM message that opens under two keys, to two texts.

Precondition: the attacker is the sender and chooses both keys. Nobody notices: both tags are good.
Whoever takes “it opened” for “this is the message that the other one saw” is deceived: a moderator
of abuse reports, several recipients, a receiver who tries several keys.

With one block left free, both tags are equal when one linear equation holds (RFC 9771 calls the
missing property key commitment). What the equation needs comes out of `seal` itself.
"""

from x3dhlab.attacks.entry import Attack, Result, attempt
from x3dhlab.attacks.nonce_reuse import BLOCK, ZERO, divide, parts, squared_hash_key, xor
from x3dhlab.primitives import AES_256_GCM, open_sealed, random_bytes, seal


def keystream(key: bytes, length: int) -> bytes:
    """What GCM adds to a text under this key: the ciphertext of zeros."""
    return parts(seal(key, bytes(length), b"", aead=AES_256_GCM))[0]


def _hash_key(key):
    one, other = (seal(key, text, b"", aead=AES_256_GCM) for text in (ZERO, b"\xff" * BLOCK))
    return squared_hash_key(one, other)


def _tag(key, ciphertext, associated_data):
    text = xor(ciphertext, keystream(key, len(ciphertext)))
    return parts(seal(key, text, associated_data, aead=AES_256_GCM))[1]


def one_for_two(
    keys: tuple[bytes, bytes], texts: tuple[bytes, bytes], associated_data: bytes = b""
) -> bytes:
    """A message that opens under both keys: to the first text and noise, to noise and the second.

    Each text has a multiple of 16 bytes. Under the first key the message begins with the first
    text; under the second key the second text follows as many bytes of noise. Then comes one block
    of noise under both. Raises `ZeroDivisionError` for equal keys.
    """
    cut, length = len(texts[0]), len(texts[0]) + len(texts[1])
    front = xor(texts[0], keystream(keys[0], length)[:cut])
    back = xor(texts[1], keystream(keys[1], length)[cut:])
    unfinished = [_tag(key, front + back + ZERO, associated_data) for key in keys]
    last = divide(xor(*unfinished), xor(*map(_hash_key, keys)))
    ciphertext = front + back + last
    return ciphertext + _tag(keys[0], ciphertext, associated_data)


# For the catalogue

TEXTS = b"nothing happened", b"the whole truth."


def _two_readers() -> Result:
    keys = random_bytes(32), random_bytes(32)
    sealed = one_for_two(keys, TEXTS)
    read = [open_sealed(key, sealed, b"", aead=AES_256_GCM) for key in keys]
    good = read[0].startswith(TEXTS[0]) and TEXTS[1] in read[1]
    return Result(good, "one message, two keys, two texts")


def _committed() -> Result:
    """A51 against the default AEAD: a message sealed for one key, opened with another."""
    keys = random_bytes(32), random_bytes(32)
    return attempt(lambda: open_sealed(keys[1], seal(keys[0], TEXTS[0], b""), b""))


CATALOGUE = (
    Attack(
        "A51",
        "One message, two keys",
        "I",
        "09",
        "The sender chooses both keys, and the box does not commit to one.",
        "One message opens under two keys, to two texts.",
        "A box whose tag commits to the key, such as encrypt-then-HMAC.",
        "RFC 9771; Dodis and others 2018.",
        works=_two_readers,
        fails=_committed,
    ),
)
