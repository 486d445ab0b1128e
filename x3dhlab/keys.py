"""What never leaves a device: private keys, and the agreements made with them.

An identity is a `KeyPair` like any other; what makes it an identity is that it is kept.
Secrets are marked once, here, with `repr=False`: no repr, log or traceback shows them.
"""

from dataclasses import dataclass, field

from x3dhlab import primitives


@dataclass(frozen=True, slots=True)
class KeyPair:
    """An X25519 key pair (RFC 7748 §6.1): two strings of 32 bytes."""

    private: bytes = field(repr=False)
    public: bytes

    @classmethod
    def generate(cls) -> "KeyPair":
        """A fresh key pair."""
        private = primitives.random_bytes(primitives.KEY_LENGTH)
        public = primitives.public_key(private)
        return cls(private, public)

    @classmethod
    def from_private(cls, private: bytes) -> "KeyPair":
        """The key pair of a known 32-byte private key."""
        public = primitives.public_key(private)
        return cls(private, public)


@dataclass(frozen=True, slots=True)
class Agreement:
    """What a handshake gives to its caller, beside the message for the wire.

    `secret` is SK (32 bytes), `associated_data` is AD (Encode(IK_A) ‖ Encode(IK_B), 66 bytes) and
    `dh` holds DH1…DH4 in order. A session keeps the first two and drops the third.
    """

    secret: bytes = field(repr=False)
    associated_data: bytes
    dh: tuple[bytes, ...] = field(repr=False)
