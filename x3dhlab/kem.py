"""Key encapsulation mechanisms: ML-KEM (FIPS 203) and round-3 Kyber, over three libraries.

A KEM has three operations. `generate` makes a key pair; `encapsulate` turns a public key into a
ciphertext CT and a secret SS; `decapsulate` turns the private key and CT into the same SS. A wrong
CT of the right length raises nothing: it gives an unrelated SS (implicit rejection, FIPS 203 §6.3).

ML-KEM and Kyber of one size have keys and ciphertexts of equal length and never agree on SS.
`cryptography` and `liboqs-python` are fast; `kyber-py` is readable, not constant time, and the only
one that takes chosen coins. liboqs is used where a native library is found, and never fetched.
"""

import contextlib
import ctypes
import ctypes.util
import functools
import io
import os
import warnings
from collections.abc import Callable
from contextvars import ContextVar
from dataclasses import dataclass, field
from pathlib import Path

from x3dhlab.errors import BadKemKey, Unavailable
from x3dhlab.observe import announce
from x3dhlab.primitives import check_bytes, is_deterministic, random_bytes

SEED_LENGTH = 64  # FIPS 203 §7.1: d ‖ z
COINS_LENGTH = 32  # FIPS 203 §7.2: m
SECRET_LENGTH = 32

_preferred = ContextVar("x3dhlab_kem_backend", default=None)


@dataclass(frozen=True, slots=True)
class Sizes:
    """Lengths in bytes: public key, private key as this package holds it, ciphertext."""

    public: int
    private: int
    ciphertext: int


SIZES = {
    "ML-KEM-768": Sizes(1184, SEED_LENGTH, 1088),
    "ML-KEM-1024": Sizes(1568, SEED_LENGTH, 1568),
    "Kyber-768": Sizes(1184, 2400, 1088),
    "Kyber-1024": Sizes(1568, 3168, 1568),
}


@dataclass(frozen=True, slots=True)
class KemKeyPair:
    """A KEM key pair. For ML-KEM `private` is the 64-byte seed, for Kyber the expanded key."""

    algorithm: str
    private: bytes = field(repr=False)
    public: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Kem:
    """One algorithm over one library: what `get` returns."""

    algorithm: str
    backend: str

    @property
    def sizes(self) -> Sizes:
        """Lengths in bytes of keys and ciphertext."""
        return SIZES[self.algorithm]

    def generate(self, *, seed: bytes | None = None) -> KemKeyPair:
        """A key pair; `seed` is d ‖ z, 64 bytes (FIPS 203 §6.1, Kyber round 3 algorithm 7)."""
        if seed is not None:
            check_bytes(seed, "seed", SEED_LENGTH, step="FIPS 203 §7.1")
        elif self._is_ml_kem or is_deterministic():
            seed = random_bytes(SEED_LENGTH)
        library = self._library("kyber-py") if seed and not self._is_ml_kem else self._library()
        private, public = library.generate(self.algorithm, seed)
        announce("PUBLIC", [("private", private)], [("public", public)], kem=self.algorithm)
        return KemKeyPair(self.algorithm, private, public)

    def public_of(self, private: bytes) -> bytes:
        """The public key that belongs to a private key."""
        check_bytes(private, "KEM private key", self.sizes.private)
        if self._is_ml_kem:
            return self._library().generate(self.algorithm, private)[1]
        return private[-64 - self.sizes.public : -64]

    def encapsulate(self, public: bytes, *, coins: bytes | None = None) -> tuple[bytes, bytes]:
        """(CT, SS) for a public key. With `coins` (m, 32 bytes) the result is a function of both.

        Raises `WrongLength`, or `BadKemKey` when the key fails the modulus check (FIPS 203 §7.2;
        round-3 Kyber has none).
        """
        check_bytes(public, "KEM public key", self.sizes.public, step="FIPS 203 §7.2")
        if coins is not None:
            check_bytes(coins, "coins", COINS_LENGTH)
        elif is_deterministic():
            coins = random_bytes(COINS_LENGTH)
        inputs = [("public", public)] + ([("coins", coins)] if coins else [])
        try:
            library = self._library("kyber-py") if coins else self._library()
            ciphertext, secret = library.encapsulate(self.algorithm, public, coins)
        except (ValueError, RuntimeError) as problem:
            announce("ENCAPS", inputs, error="BadKemKey", kem=self.algorithm)
            raise BadKemKey("the KEM refuses this public key", step="FIPS 203 §7.2") from problem
        announce("ENCAPS", inputs, [("CT", ciphertext), ("SS", secret)], kem=self.algorithm)
        return ciphertext, secret

    def decapsulate(self, private: bytes, ciphertext: bytes) -> bytes:
        """SS, 32 bytes. A wrong ciphertext gives another SS and no error."""
        check_bytes(private, "KEM private key", self.sizes.private, step="FIPS 203 §7.3")
        check_bytes(ciphertext, "KEM ciphertext", self.sizes.ciphertext, step="FIPS 203 §7.3")
        try:
            secret = self._library().decapsulate(self.algorithm, private, ciphertext)
        except (ValueError, RuntimeError) as problem:
            raise BadKemKey("the KEM refuses this private key", step="FIPS 203 §7.3") from problem
        announce(
            "DECAPS",
            [("private", private), ("CT", ciphertext)],
            [("SS", secret)],
            kem=self.algorithm,
        )
        return secret

    @property
    def _is_ml_kem(self):
        return self.algorithm.startswith("ML-KEM")

    def _library(self, name=None):
        return _LIBRARIES[name or self.backend]


def get(algorithm: str, backend: str | None = None) -> Kem:
    """The KEM of that name over `backend`, or over the fastest library that is there.

    Raises `Unavailable` with what there is instead.
    """
    if algorithm not in SIZES:
        raise Unavailable(
            f"no KEM is called {algorithm!r}: there are {', '.join(SIZES)}", algorithm=algorithm
        )
    backend = backend or _preferred.get()
    for name, library in _LIBRARIES.items():
        if backend in (None, name) and algorithm in library.algorithms():
            return Kem(algorithm, name)
    raise Unavailable(
        f"{algorithm} is not available over {backend or 'any installed library'}",
        algorithm=algorithm,
        backend=backend,
    )


@contextlib.contextmanager
def using(backend: str):
    """Inside the block, `get` takes this library where its caller names none."""
    token = _preferred.set(backend)
    try:
        yield
    finally:
        _preferred.reset(token)


def available() -> list[tuple[str, str]]:
    """Every (algorithm, backend) that works on this machine, fastest backend first."""
    return [
        (algorithm, name)
        for algorithm in SIZES
        for name, library in _LIBRARIES.items()
        if algorithm in library.algorithms()
    ]


# The libraries. Each has algorithms(), generate(), encapsulate() and decapsulate().
# Their own encapsulation returns (SS, CT) in two cases of three; here it is always (CT, SS).


class _Cryptography:
    """pyca/cryptography, ML-KEM only."""

    @staticmethod
    def algorithms():
        return _cryptography_classes().keys()

    @staticmethod
    def generate(algorithm, seed):
        return seed, _cryptography_private(algorithm, seed).public_key().public_bytes_raw()

    @staticmethod
    def encapsulate(algorithm, public, coins):
        _, public_class = _cryptography_classes()[algorithm]
        secret, ciphertext = public_class.from_public_bytes(public).encapsulate()
        return ciphertext, secret

    @staticmethod
    def decapsulate(algorithm, private, ciphertext):
        return _cryptography_private(algorithm, private).decapsulate(ciphertext)


@functools.cache
def _cryptography_classes():
    try:
        from cryptography.hazmat.primitives.asymmetric import mlkem

        classes = {
            "ML-KEM-768": (mlkem.MLKEM768PrivateKey, mlkem.MLKEM768PublicKey),
            "ML-KEM-1024": (mlkem.MLKEM1024PrivateKey, mlkem.MLKEM1024PublicKey),
        }
        for private_class, _ in classes.values():
            private_class.from_seed_bytes(bytes(SEED_LENGTH))
        return classes
    except Exception:  # an old version, or an OpenSSL without ML-KEM: the others take over
        return {}


# Expanding a seed costs as much as three decapsulations; the last few private keys stay expanded.
_EXPANDED = 8


@functools.lru_cache(maxsize=_EXPANDED)
def _cryptography_private(algorithm, seed):
    return _cryptography_classes()[algorithm][0].from_seed_bytes(seed)


class _Liboqs:
    """liboqs through liboqs-python, where a native library is found."""

    NAMES = {
        "ML-KEM-768": "ML-KEM-768",
        "ML-KEM-1024": "ML-KEM-1024",
        "Kyber-768": "Kyber768",
        "Kyber-1024": "Kyber1024",
    }

    @classmethod
    def algorithms(cls):
        library = _import_oqs()
        enabled = library.get_enabled_kem_mechanisms() if library else ()
        return [algorithm for algorithm, name in cls.NAMES.items() if name in enabled]

    @classmethod
    def generate(cls, algorithm, seed):
        with _import_oqs().KeyEncapsulation(cls.NAMES[algorithm]) as kem:
            if seed is not None:
                return seed, bytes(kem.generate_keypair_seed(seed))
            public = kem.generate_keypair()
            return bytes(kem.export_secret_key()), bytes(public)

    @classmethod
    def encapsulate(cls, algorithm, public, coins):
        with _import_oqs().KeyEncapsulation(cls.NAMES[algorithm]) as kem:
            ciphertext, secret = kem.encap_secret(public)
            return bytes(ciphertext), bytes(secret)

    @classmethod
    def decapsulate(cls, algorithm, private, ciphertext):
        if algorithm.startswith("ML-KEM"):
            private = _liboqs_expanded(algorithm, private)
        with _import_oqs().KeyEncapsulation(cls.NAMES[algorithm], private) as kem:
            return bytes(kem.decap_secret(ciphertext))


@functools.lru_cache(maxsize=_EXPANDED)
def _liboqs_expanded(algorithm, seed):
    with _import_oqs().KeyEncapsulation(_Liboqs.NAMES[algorithm]) as kem:
        kem.generate_keypair_seed(seed)
        return bytes(kem.export_secret_key())


def find_liboqs() -> str | None:
    """The native liboqs that the loader would take, or None. Loads nothing else, fetches nothing.

    `import oqs` without one would clone and build it from the network and end the process, so it
    is only ever imported after this says yes. The places are those that liboqs-python looks in.
    """
    root = Path(os.environ.get("OQS_INSTALL_PATH") or Path.home() / "_oqs")
    names = ("liboqs.so", "liboqs.dylib", "oqs.dll", "liboqs.dll")
    candidates = [str(root / folder / name) for folder in ("lib", "lib64", "bin") for name in names]
    candidates = [path for path in candidates if os.path.exists(path)]
    candidates += filter(None, (ctypes.util.find_library(name) for name in ("oqs", "liboqs")))
    for candidate in candidates:
        with contextlib.suppress(OSError):
            ctypes.CDLL(candidate)
            return candidate
    return None


@functools.cache
def _import_oqs():
    """The module `oqs`, imported without its line on standard output, or None."""
    if find_liboqs() is None:
        return None
    try:
        with contextlib.redirect_stdout(io.StringIO()), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            import oqs
    except (Exception, SystemExit):
        return None
    return oqs


class _KyberPy:
    """kyber-py: readable Python, both families, chosen coins."""

    @staticmethod
    def algorithms():
        return SIZES.keys() if _kyber_py() else ()

    @staticmethod
    def generate(algorithm, seed):
        instance = _kyber_py()[algorithm]
        if algorithm.startswith("ML-KEM"):
            return seed, instance.key_derive(seed)[0]
        if seed is not None:
            instance = _with_randomness(instance, seed[:32], seed[32:])
        public, private = instance.keygen()
        return private, public

    @staticmethod
    def encapsulate(algorithm, public, coins):
        instance = _kyber_py()[algorithm]
        if coins is not None:
            instance = _with_randomness(instance, coins)
        secret, ciphertext = instance.encaps(public)
        return ciphertext, secret

    @staticmethod
    def decapsulate(algorithm, private, ciphertext):
        if algorithm.startswith("ML-KEM"):
            private = _kyber_py_expanded(algorithm, private)
        return _kyber_py()[algorithm].decaps(private, ciphertext)


@functools.cache
def _kyber_py():
    try:
        from kyber_py.kyber import Kyber768, Kyber1024
        from kyber_py.ml_kem import ML_KEM_768, ML_KEM_1024
    except ImportError:
        return {}
    return {
        "ML-KEM-768": ML_KEM_768,
        "ML-KEM-1024": ML_KEM_1024,
        "Kyber-768": Kyber768,
        "Kyber-1024": Kyber1024,
    }


@functools.lru_cache(maxsize=_EXPANDED)
def _kyber_py_expanded(algorithm, seed):
    return _kyber_py()[algorithm].key_derive(seed)[1]


def _with_randomness(instance, *values: bytes):
    """A copy of a kyber-py instance whose random bytes are the given values, in this order."""
    chosen = object.__new__(type(instance))
    chosen.__dict__.update(instance.__dict__)
    remaining = list(values)
    source: Callable[[int], bytes] = lambda length: remaining.pop(0)  # noqa: E731
    chosen.random_bytes = source
    return chosen


_LIBRARIES = {"cryptography": _Cryptography, "liboqs": _Liboqs, "kyber-py": _KyberPy}
