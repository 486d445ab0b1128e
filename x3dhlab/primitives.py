"""The operations that every protocol step is made of.

With `kem`, this is the only module that calls a cryptographic library. Keys, scalars and points
are byte strings; every function checks type and length before it works. Each operation is
announced to `observe`. This module knows no protocol: it does not know what a prekey is.
"""

import hashlib
import hmac as _hmac
import os
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass

import nacl.bindings as sodium
import nacl.exceptions
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.argon2 import Argon2id
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from x3dhlab.errors import (
    BadSignature,
    DecryptionFailed,
    InvalidField,
    LowOrderKey,
    TooLarge,
    WrongLength,
    WrongType,
)
from x3dhlab.observe import announce

KEY_LENGTH = 32
SIGNATURE_LENGTH = 64

_P = 2**255 - 19
_Q = 2**252 + 27742317777372353535851937790883648493
_SHA256 = hashes.SHA256()
_random = ContextVar("x3dhlab_random", default=None)


def check_bytes(value, name: str, length: int | None = None, *, step: str = "") -> bytes:
    """Return `value` if it is bytes (of `length`), else raise `WrongType` or `WrongLength`."""
    if type(value) is not bytes:
        raise WrongType(f"{name} must be bytes, not {type(value).__name__}", step=step, field=name)
    if length is not None and len(value) != length:
        raise WrongLength(
            f"{name} must be {length} bytes, not {len(value)}",
            step=step,
            field=name,
            expected=length,
            got=len(value),
        )
    return value


def _check_length(value, name):
    if type(value) is not int:
        raise WrongType(f"{name} must be int, not {type(value).__name__}", field=name)
    if value < 0:
        raise InvalidField(f"{name} must not be negative", field=name, got=value)


# Random bytes


def random_bytes(length: int) -> bytes:
    """Fresh random bytes from the operating system, or the seeded stream of `deterministic`."""
    _check_length(length, "length")
    stream = _random.get()
    value = os.urandom(length) if stream is None else stream(length)
    announce("RANDOM", (), [("random", value)])
    return value


@contextmanager
def deterministic(seed: bytes | str | int):
    """Inside the block, `random_bytes` is a function of `seed`: for lessons and tests only.

    The stream is SHAKE-256(seed ‖ counter as 8 bytes). Whoever knows the seed knows every key.
    """
    seed = seed if isinstance(seed, bytes) else str(seed).encode()
    counter = 0

    def stream(length):
        nonlocal counter
        counter += 1
        return hashlib.shake_256(seed + counter.to_bytes(8, "big")).digest(length)

    token = _random.set(stream)
    try:
        yield
    finally:
        _random.reset(token)


@contextmanager
def replaying(values):
    """Inside the block, `random_bytes` gives these recorded values in order, then fresh ones.

    A value of another length than asked for is passed over. For repeating a recorded run only.
    """
    remaining = list(values)

    def stream(length):
        while remaining:
            value = remaining.pop(0)
            if len(value) == length:
                return value
        return os.urandom(length)

    token = _random.set(stream)
    try:
        yield
    finally:
        _random.reset(token)


def is_deterministic() -> bool:
    """True inside a `deterministic` block."""
    return _random.get() is not None


# Diffie-Hellman


def public_key(private: bytes) -> bytes:
    """X25519(private, 9), RFC 7748 §5: the 32-byte public key of a 32-byte private key."""
    check_bytes(private, "private key", KEY_LENGTH, step="RFC 7748 §5")
    public = sodium.crypto_scalarmult_base(private)
    announce("PUBLIC", [("private", private)], [("public", public)])
    return public


def dh(private: bytes, public: bytes) -> bytes:
    """X25519(private, public), RFC 7748 §5: 32 bytes.

    Raises `LowOrderKey` when the output is all zero (§6.1), as it is for the public keys of low
    order, whatever the private key. Like RFC 7748, it ignores bit 255 of the public key and takes
    values modulo p, so that several byte strings name the same point.
    """
    check_bytes(private, "private key", KEY_LENGTH, step="RFC 7748 §5")
    check_bytes(public, "public key", KEY_LENGTH, step="RFC 7748 §5")
    try:
        shared = sodium.crypto_scalarmult(private, public)
    except (RuntimeError, nacl.exceptions.CryptoError) as problem:
        announce("DH", [("private", private), ("public", public)], error="LowOrderKey")
        raise LowOrderKey(
            "the public key has low order: the shared secret would be all zero",
            step="RFC 7748 §6.1",
            public=public.hex(),
        ) from problem
    announce("DH", [("private", private), ("public", public)], [("dh", shared)])
    return shared


def check_canonical(public: bytes, name: str) -> bytes:
    """Return `public` if an honest key generation can have made it, else raise `InvalidField`.

    X25519 gives one output for several byte strings: bit 255 and multiples of p do not count, and
    clamped private keys cancel a point of order 8. Only one of them lies below p and in the
    subgroup of prime order. libsignal makes this check for ephemeral keys since 2025.
    """
    check_bytes(public, name, KEY_LENGTH)
    try:
        canonical = sodium.crypto_core_ed25519_is_valid_point(_convert_mont(public))
    except ValueError:
        canonical = False
    if not canonical:
        raise InvalidField(
            f"{name} is no public key that an honest phone makes",
            step="RFC 7748 §5",
            public=public.hex(),
        )
    return public


# Signatures: XEdDSA revision 1 over Curve25519 with SHA-512


def sign(private: bytes, message: bytes, *, nonce: bytes | None = None) -> bytes:
    """XEdDSA §3.3 `xeddsa_sign`: a 64-byte signature R ‖ s by a 32-byte X25519 private key.

    `nonce` is Z, 64 random bytes; two different messages must never be signed with equal `r`.
    """
    check_bytes(private, "private key", KEY_LENGTH, step="XEdDSA §3.3")
    check_bytes(message, "message", step="XEdDSA §3.3")
    Z = random_bytes(64) if nonce is None else nonce
    check_bytes(Z, "nonce", 64, step="XEdDSA §3.3")
    A, a = _calculate_key_pair(private)
    # hash_1: the prefix 2^256 - 2, little-endian, is no valid point or scalar.
    r = hashlib.sha512(b"\xfe" + b"\xff" * 31 + a + message + Z).digest()
    r = sodium.crypto_core_ed25519_scalar_reduce(r)
    R = sodium.crypto_scalarmult_ed25519_base_noclamp(r)
    h = sodium.crypto_core_ed25519_scalar_reduce(hashlib.sha512(R + A + message).digest())
    s = sodium.crypto_core_ed25519_scalar_add(r, sodium.crypto_core_ed25519_scalar_mul(h, a))
    signature = R + s
    announce(
        "SIGN",
        [("private", private), ("message", message), ("nonce", Z)],
        [("signature", signature)],
    )
    return signature


def verify(public: bytes, message: bytes, signature: bytes) -> None:
    """XEdDSA §3.3 `xeddsa_verify`: returns nothing if the signature is good.

    Raises `BadSignature` otherwise: there is no verdict that a caller could forget to read.
    """
    check_bytes(public, "public key", KEY_LENGTH, step="XEdDSA §3.3")
    check_bytes(message, "message", step="XEdDSA §3.3")
    check_bytes(signature, "signature", SIGNATURE_LENGTH, step="XEdDSA §3.3")
    inputs = [("public", public), ("message", message), ("signature", signature)]
    try:
        sodium.crypto_sign_open(signature + message, _convert_mont(public))
    except (nacl.exceptions.CryptoError, ValueError) as problem:
        announce("VERIFY", inputs, error="BadSignature")
        raise BadSignature(
            "the signature does not match the key and the message",
            step="XEdDSA §3.3",
            public=public.hex(),
        ) from problem
    announce("VERIFY", inputs)


def _calculate_key_pair(private):
    """XEdDSA §3.1 `calculate_key_pair`: the Edwards public key with sign 0, and its scalar."""
    k = bytes([private[0] & 248]) + private[1:31] + bytes([private[31] & 127 | 64])
    E = sodium.crypto_scalarmult_ed25519_base_noclamp(k)
    a = sodium.crypto_core_ed25519_scalar_reduce(k + bytes(32))
    if E[31] & 128:
        a = sodium.crypto_core_ed25519_scalar_negate(a)
    return E[:31] + bytes([E[31] & 127]), a


def _convert_mont(public):
    """XEdDSA §3.1 `convert_mont`: y = (u - 1) / (u + 1) mod p with sign bit 0."""
    u = int.from_bytes(public, "little")
    if u >= _P:
        raise ValueError("u is not reduced")
    inverse = pow(u + 1, -1, _P) if u != _P - 1 else 0
    return ((u - 1) * inverse % _P).to_bytes(32, "little")


# Key derivation


def hkdf(ikm: bytes, *, salt: bytes, info: bytes, length: int) -> bytes:
    """HKDF-SHA-256, RFC 5869: `length` bytes (at most 8,160) from input key material."""
    check_bytes(ikm, "input key material", step="RFC 5869 §2.2")
    check_bytes(salt, "salt", step="RFC 5869 §2.2")
    check_bytes(info, "info", step="RFC 5869 §2.3")
    if type(length) is not int or not 1 <= length <= 255 * 32:
        raise InvalidField("the HKDF output is 1 to 8160 bytes", step="RFC 5869 §2.3")
    output = HKDF(_SHA256, length, salt, info).derive(ikm)
    announce("HKDF", [("salt", salt), ("ikm", ikm), ("info", info)], [("okm", output)])
    return output


def hmac_sha256(key: bytes, data: bytes) -> bytes:
    """HMAC-SHA-256, RFC 2104: 32 bytes."""
    check_bytes(key, "key", step="RFC 2104 §2")
    check_bytes(data, "data", step="RFC 2104 §2")
    tag = _hmac.digest(key, data, "sha256")
    announce("HMAC", [("key", key), ("data", data)], [("tag", tag)])
    return tag


def argon2id(
    password: bytes,
    *,
    salt: bytes,
    memory_kib: int,
    passes: int,
    lanes: int,
    length: int = 32,
    secret: bytes | None = None,
    associated_data: bytes | None = None,
) -> bytes:
    """Argon2id, RFC 9106: a key from a password, slow on purpose; `memory_kib` for each call.

    Raises `InvalidField` for a cost that the RFC does not allow.
    """
    check_bytes(password, "password", step="RFC 9106 §3.1")
    check_bytes(salt, "salt", step="RFC 9106 §3.1")
    cost = {"iterations": passes, "lanes": lanes, "memory_cost": memory_kib}
    try:
        kdf = Argon2id(salt=salt, length=length, ad=associated_data, secret=secret, **cost)
    except (TypeError, ValueError) as problem:
        raise InvalidField(str(problem), step="RFC 9106 §3.1") from problem
    return kdf.derive(password)


def concat(*parts: bytes) -> bytes:
    """parts[0] ‖ parts[1] ‖ …: protocol steps join secrets only here, so that runs can be read."""
    joined = b"".join([check_bytes(part, "part") for part in parts])
    announce("CONCAT", [(f"part {i + 1}", part) for i, part in enumerate(parts)], [("all", joined)])
    return joined


def split(data: bytes, *lengths: int) -> tuple[bytes, ...]:
    """Cut `data` into parts of the given lengths, which must add up to its length."""
    check_bytes(data, "data")
    for length in lengths:
        _check_length(length, "length")
    if sum(lengths) != len(data):
        raise WrongLength(
            f"cannot cut {len(data)} bytes into parts of {lengths}", expected=sum(lengths)
        )
    parts, start = [], 0
    for length in lengths:
        parts.append(data[start : start + length])
        start += length
    announce("SPLIT", [("all", data)], [(f"part {i + 1}", part) for i, part in enumerate(parts)])
    return tuple(parts)


def forget(*secrets: bytes) -> None:
    """Say that these values are deleted here. Python cannot promise that no copy survives."""
    for secret in secrets:
        check_bytes(secret, "secret")
        announce("FORGET", [("secret", secret)])


# Authenticated encryption with associated data


@dataclass(frozen=True, slots=True)
class AEAD:
    """A construction and its HKDF info. `dataclasses.replace(CBC_HMAC, info=…)` makes another."""

    name: str
    info: bytes


CBC_HMAC = AEAD("CBC_HMAC", b"x3dhlab CBC_HMAC")
AES_256_GCM = AEAD("AES_256_GCM", b"x3dhlab AES_256_GCM")

TAG_LENGTH = {"CBC_HMAC": 32, "AES_256_GCM": 16}
PLAINTEXT_LIMIT = 2**24  # bytes; a message of the course is text, files are cut into chunks


def check_plaintext(plaintext: bytes) -> bytes:
    """Return what `seal` accepts, else raise `WrongType` or `TooLarge`."""
    check_bytes(plaintext, "plaintext", step="Double Ratchet §7.2")
    if len(plaintext) > PLAINTEXT_LIMIT:
        raise TooLarge(
            f"a plaintext has at most {PLAINTEXT_LIMIT} bytes",
            step="Double Ratchet §7.2",
            limit=PLAINTEXT_LIMIT,
            got=len(plaintext),
        )
    return plaintext


def seal(
    key: bytes,
    plaintext: bytes,
    associated_data: bytes,
    *,
    aead: AEAD = CBC_HMAC,
    nonce: bytes | None = None,
) -> bytes:
    """Encrypt and authenticate: returns ciphertext ‖ tag.

    CBC_HMAC is Double Ratchet §7.2: HKDF gives a 32-byte AES-256-CBC key, a 32-byte HMAC key and a
    16-byte IV; the 32-byte HMAC-SHA-256 tag covers associated data ‖ ciphertext. AES_256_GCM
    derives a 32-byte key and a 12-byte nonce. Without `nonce` the key must be used only once.
    With it (16 bytes, random), the key may be used again: the nonce enters the HKDF info, and the
    caller sends it along.
    """
    check_plaintext(plaintext)
    *keys, extra = _aead_inputs(key, associated_data, aead, nonce)
    if aead.name == "CBC_HMAC":
        encryption_key, authentication_key, iv = keys
        pad = 16 - len(plaintext) % 16
        encryptor = Cipher(algorithms.AES256(encryption_key), modes.CBC(iv)).encryptor()
        ciphertext = encryptor.update(plaintext + bytes([pad]) * pad) + encryptor.finalize()
        sealed = ciphertext + _hmac.digest(
            authentication_key, associated_data + ciphertext, "sha256"
        )
    else:
        sealed = AESGCM(keys[0]).encrypt(keys[1], plaintext, associated_data)
    announce(
        "SEAL",
        [("key", key), ("plaintext", plaintext), ("associated data", associated_data), *extra],
        [("ciphertext", sealed)],
        aead=aead,
    )
    return sealed


def open_sealed(
    key: bytes,
    ciphertext: bytes,
    associated_data: bytes,
    *,
    aead: AEAD = CBC_HMAC,
    nonce: bytes | None = None,
) -> bytes:
    """Check the tag, then decrypt: the inverse of `seal` with the same arguments.

    Raises `DecryptionFailed` for a wrong key, altered ciphertext or altered associated data; it
    does not say which, because nobody can know.
    """
    check_bytes(ciphertext, "ciphertext", step="Double Ratchet §7.2")
    *keys, extra = _aead_inputs(key, associated_data, aead, nonce)
    inputs = [("key", key), ("ciphertext", ciphertext), ("associated data", associated_data)]
    try:
        plaintext = _open(keys, ciphertext, associated_data, aead)
    except Exception as problem:
        announce("OPEN", inputs + extra, error="DecryptionFailed", aead=aead)
        raise DecryptionFailed(
            "the message does not open: wrong key, or altered bytes", step="Double Ratchet §7.2"
        ) from problem
    announce("OPEN", inputs + extra, [("plaintext", plaintext)], aead=aead)
    return plaintext


def _aead_inputs(key, associated_data, aead, nonce):
    step = "Double Ratchet §7.2"
    check_bytes(key, "key", KEY_LENGTH, step=step)
    check_bytes(associated_data, "associated data", step=step)
    if type(aead) is not AEAD or aead.name not in TAG_LENGTH:
        raise WrongType("aead must be CBC_HMAC or AES_256_GCM", step=step, field="aead")
    extra = [] if nonce is None else [("nonce", check_bytes(nonce, "nonce", 16, step=step))]
    info = check_bytes(aead.info, "aead info", step=step) + (nonce or b"")
    if aead.name == "CBC_HMAC":
        okm = HKDF(_SHA256, 80, None, info).derive(key)
        return okm[:32], okm[32:64], okm[64:], extra
    okm = HKDF(_SHA256, 44, None, info).derive(key)
    return okm[:32], okm[32:], extra


def _open(keys, ciphertext, associated_data, aead):
    if aead.name != "CBC_HMAC":
        return AESGCM(keys[0]).decrypt(keys[1], ciphertext, associated_data)
    decryption_key, authentication_key, iv = keys
    body, tag = ciphertext[:-32], ciphertext[-32:]
    expected = _hmac.digest(authentication_key, associated_data + body, "sha256")
    if not _hmac.compare_digest(expected, tag) or not body or len(body) % 16:
        raise ValueError("tag")
    decryptor = Cipher(algorithms.AES256(decryption_key), modes.CBC(iv)).decryptor()
    padded = decryptor.update(body) + decryptor.finalize()
    pad = padded[-1]
    if not 1 <= pad <= 16 or padded[-pad:] != bytes([pad]) * pad:
        raise ValueError("padding")
    return padded[:-pad]
