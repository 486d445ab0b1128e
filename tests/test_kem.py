"""KEMs over three libraries: they agree, they refuse, and a missing one harms nobody."""

import subprocess
import sys

import pytest

from x3dhlab import kem, primitives
from x3dhlab.errors import BadKemKey, Malformed, Unavailable, WrongLength, WrongType

BACKENDS = ("cryptography", "liboqs", "kyber-py")
POSSIBLE = [
    (algorithm, backend)
    for algorithm in kem.SIZES
    for backend in BACKENDS
    if not (backend == "cryptography" and algorithm.startswith("Kyber"))
]
PAIRS = [
    (algorithm, one, other)
    for algorithm, one in POSSIBLE
    for same, other in POSSIBLE
    if same == algorithm and one != other
]


def mechanism(algorithm, backend):
    """The KEM, or a skip that says which library is absent."""
    if (algorithm, backend) not in kem.available():
        pytest.skip(f"{algorithm} needs {backend}, which is not installed here")
    return kem.get(algorithm, backend)


@pytest.mark.parametrize(("algorithm", "backend"), POSSIBLE)
def test_both_sides_get_the_same_secret(algorithm, backend):
    subject = mechanism(algorithm, backend)
    pair = subject.generate()
    ciphertext, secret = subject.encapsulate(pair.public)
    assert subject.decapsulate(pair.private, ciphertext) == secret
    assert subject.public_of(pair.private) == pair.public
    lengths = len(pair.public), len(pair.private), len(ciphertext)
    assert lengths == (subject.sizes.public, subject.sizes.private, subject.sizes.ciphertext)
    assert len(secret) == kem.SECRET_LENGTH


@pytest.mark.parametrize(("algorithm", "backend"), POSSIBLE)
def test_two_encapsulations_give_two_secrets(algorithm, backend):
    subject = mechanism(algorithm, backend)
    public = subject.generate().public
    assert subject.encapsulate(public) != subject.encapsulate(public)


@pytest.mark.parametrize(("algorithm", "one", "other"), PAIRS)
def test_two_libraries_agree_on_one_algorithm(algorithm, one, other):
    sender, receiver = mechanism(algorithm, one), mechanism(algorithm, other)
    pair = receiver.generate()
    ciphertext, secret = sender.encapsulate(pair.public)
    assert receiver.decapsulate(pair.private, ciphertext) == secret


@pytest.mark.parametrize(("algorithm", "one", "other"), PAIRS)
def test_two_libraries_agree_on_implicit_rejection(algorithm, one, other):
    sender, receiver = mechanism(algorithm, one), mechanism(algorithm, other)
    pair = receiver.generate()
    ciphertext, secret = sender.encapsulate(pair.public)
    wrong = bytes([ciphertext[0] ^ 1]) + ciphertext[1:]
    rejected = receiver.decapsulate(pair.private, wrong)
    assert rejected == sender.decapsulate(pair.private, wrong)
    assert rejected != secret


@pytest.mark.parametrize(("algorithm", "one", "other"), PAIRS)
def test_a_seed_gives_the_same_key_pair_over_every_library(algorithm, one, other):
    seed = bytes(range(64))
    pairs = [mechanism(algorithm, backend).generate(seed=seed) for backend in (one, other)]
    assert pairs[0] == pairs[1]


@pytest.mark.parametrize("size", ["768", "1024"])
def test_kyber_and_ml_kem_of_one_size_look_alike_and_never_agree(size):
    """A39: the lengths fit, nothing raises, and the secrets differ."""
    from kyber_py.kyber import Kyber768, Kyber1024

    round_3 = {"768": Kyber768, "1024": Kyber1024}[size]
    ours = kem.get(f"ML-KEM-{size}")
    pair = ours.generate()
    secret, ciphertext = round_3.encaps(pair.public)
    assert kem.SIZES[f"ML-KEM-{size}"].public == kem.SIZES[f"Kyber-{size}"].public
    assert len(ciphertext) == ours.sizes.ciphertext
    assert ours.decapsulate(pair.private, ciphertext) != secret


def test_the_known_relation_between_the_two_secrets_holds():
    # FIPS 203 dropped Kyber's last hash: SHAKE-256(ML-KEM's secret ‖ SHA3-256(CT)) is Kyber's.
    import hashlib

    from kyber_py.kyber import Kyber768

    pair = kem.get("ML-KEM-768").generate()
    secret, ciphertext = Kyber768.encaps(pair.public)
    inner = kem.get("ML-KEM-768").decapsulate(pair.private, ciphertext)
    outer = hashlib.shake_256(inner + hashlib.sha3_256(ciphertext).digest()).digest(32)
    assert outer == secret


@pytest.mark.parametrize(("algorithm", "backend"), POSSIBLE)
def test_a_flipped_ciphertext_bit_is_no_error_and_no_success(algorithm, backend):
    """A38: decapsulation returned is not decapsulation succeeded."""
    subject = mechanism(algorithm, backend)
    pair = subject.generate()
    ciphertext, secret = subject.encapsulate(pair.public)
    for position in (0, len(ciphertext) // 2, len(ciphertext) - 1):
        altered = bytearray(ciphertext)
        altered[position] ^= 1
        assert subject.decapsulate(pair.private, bytes(altered)) != secret


@pytest.mark.parametrize(("algorithm", "backend"), POSSIBLE)
def test_wrong_lengths_and_types_are_refused_before_any_library_sees_them(algorithm, backend):
    subject = mechanism(algorithm, backend)
    pair = subject.generate()
    ciphertext, _ = subject.encapsulate(pair.public)
    for value in (b"", pair.public[:-1], pair.public + b"\0"):
        with pytest.raises(WrongLength):
            subject.encapsulate(value)
    for value in (None, "key", bytearray(pair.public), 7):
        with pytest.raises(WrongType):
            subject.encapsulate(value)
        with pytest.raises(Malformed):
            subject.decapsulate(pair.private, value)
        with pytest.raises(Malformed):
            subject.decapsulate(value, ciphertext)
    with pytest.raises(WrongLength):
        subject.decapsulate(pair.private, ciphertext[:-1])
    with pytest.raises(WrongLength):
        subject.decapsulate(pair.private[:-1], ciphertext)
    with pytest.raises(WrongLength):
        subject.generate(seed=bytes(63))


@pytest.mark.parametrize(
    ("algorithm", "backend"), [pair for pair in POSSIBLE if pair[0].startswith("ML-KEM")]
)
def test_ml_kem_refuses_a_public_key_with_a_coefficient_above_q(algorithm, backend):
    subject = mechanism(algorithm, backend)
    public = b"\xff\xff" + subject.generate().public[2:]
    with pytest.raises(BadKemKey):
        subject.encapsulate(public)


def test_chosen_coins_make_encapsulation_a_function():
    for algorithm in kem.SIZES:
        subject = kem.get(algorithm)
        public = subject.generate().public
        first = subject.encapsulate(public, coins=b"\x01" * 32)
        assert first == subject.encapsulate(public, coins=b"\x01" * 32)
        assert first != subject.encapsulate(public, coins=b"\x02" * 32)


@pytest.mark.parametrize(("algorithm", "backend"), POSSIBLE)
def test_chosen_coins_still_give_the_receiver_the_secret(algorithm, backend):
    subject = mechanism(algorithm, backend)
    pair = subject.generate()
    ciphertext, secret = subject.encapsulate(pair.public, coins=b"\x05" * 32)
    assert subject.decapsulate(pair.private, ciphertext) == secret


@pytest.mark.parametrize(("algorithm", "backend"), POSSIBLE)
def test_a_deterministic_block_repeats_key_pairs_and_ciphertexts(algorithm, backend):
    subject = mechanism(algorithm, backend)

    def run(seed):
        with primitives.deterministic(seed):
            pair = subject.generate()
            return pair, subject.encapsulate(pair.public)

    assert run("one") == run("one")
    assert run("one") != run("two")


def test_an_unknown_algorithm_is_named_with_what_there_is():
    with pytest.raises(Unavailable, match="ML-KEM-768"):
        kem.get("ML-KEM-512")


def test_an_unknown_backend_is_refused():
    with pytest.raises(Unavailable, match="wolfcrypt"):
        kem.get("ML-KEM-768", "wolfcrypt")


def test_a_library_that_lacks_an_algorithm_is_not_asked_for_it():
    with pytest.raises(Unavailable):
        kem.get("Kyber-768", "cryptography")


def test_every_algorithm_has_a_backend_here():
    assert {algorithm for algorithm, _ in kem.available()} == set(kem.SIZES)


def test_no_private_key_shows_in_a_repr():
    pair = kem.get("ML-KEM-768").generate()
    assert pair.private.hex()[:16] not in repr(pair)
    assert str(pair.private)[:20] not in repr(pair)


WITHOUT_LIBOQS = """
import sys, ctypes.util
ctypes.util.find_library = lambda name: None
from x3dhlab import kem
assert kem.find_liboqs() is None
names = {backend for _, backend in kem.available()}
pair = kem.get("Kyber-768").generate()
ciphertext, secret = kem.get("Kyber-768").encapsulate(pair.public)
assert kem.get("Kyber-768").decapsulate(pair.private, ciphertext) == secret
assert "oqs" not in sys.modules, "oqs was imported"
assert "liboqs" not in names, names
"""


def run_python(code, home):
    environment = {"HOME": str(home), "OQS_INSTALL_PATH": str(home), "PATH": "/usr/bin:/bin"}
    command = [sys.executable, "-c", code]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60)


def test_without_a_native_liboqs_nothing_is_printed_ended_fetched_or_imported(tmp_path):
    done = run_python(WITHOUT_LIBOQS, tmp_path)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert list(tmp_path.iterdir()) == []


def test_a_broken_native_liboqs_is_passed_over(tmp_path):
    (tmp_path / "lib").mkdir()
    (tmp_path / "lib" / "liboqs.so").write_bytes(b"not a library")
    done = run_python(WITHOUT_LIBOQS, tmp_path)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


IMPORT_WITH_LIBOQS = """
from x3dhlab import kem
kem.get("ML-KEM-768", "liboqs").generate()
"""


def test_a_native_liboqs_is_used_without_a_word():
    if kem.find_liboqs() is None:
        pytest.skip("no native liboqs is installed here")
    done = subprocess.run(
        [sys.executable, "-c", IMPORT_WITH_LIBOQS], capture_output=True, text=True, timeout=60
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_a_preferred_library_holds_inside_its_block_only():
    usual = kem.get("ML-KEM-768").backend
    with kem.using("kyber-py"):
        assert kem.get("ML-KEM-768").backend == "kyber-py"
        assert kem.get("ML-KEM-768", usual).backend == usual
    assert kem.get("ML-KEM-768").backend == usual


def test_a_preferred_library_that_lacks_the_algorithm_is_no_silent_fallback():
    with kem.using("cryptography"), pytest.raises(Unavailable):
        kem.get("Kyber-768")
