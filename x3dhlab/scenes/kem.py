"""Lesson 07: a toy lattice cipher, what breaking it costs, and an ML-KEM ciphertext altered."""

import timeit
from collections.abc import Iterable
from statistics import mean

from x3dhlab import kem, plots
from x3dhlab.attacks import lattice
from x3dhlab.errors import DecryptionFailed
from x3dhlab.plots import Picture
from x3dhlab.primitives import open_sealed, seal
from x3dhlab.widgets import FALLS, HOLDS, NOTE, Choose, Experiment, Number, Outcome

SIZES = (2, 3, 4, 5, 6, 7, 8, 9, 10)
NOISES = tuple(range(14))
ATTACKS = {
    "elimination": lambda key, noise: lattice.eliminate(key.A, key.t, key.q),
    "guessing": lambda key, noise: lattice.guess(key.A, key.t, noise=noise, q=key.q),
    "lattice reduction": lambda key, noise: lattice.by_lattice(key.A, key.t, noise=noise, q=key.q),
}


def costs(sizes: Iterable[int] = SIZES, *, keys: int = 6) -> dict[str, list[float]]:
    """Attack → the mean number of steps that broke a key of each size, over `keys` new keys.

    Elimination gets keys without noise, the others keys with noise 1. Raises `ValueError` if an
    attack does not find the secret.
    """
    found = {}
    for name, attack in ATTACKS.items():
        noise = 0 if name == "elimination" else 1
        found[f"{name}, {'with' if noise else 'no'} noise"] = [
            mean(_broken(name, attack, n, noise) for _ in range(keys)) for n in sizes
        ]
    return found


def _broken(name, attack, n, noise):
    for _ in range(20):  # one matrix in about ninety cannot be eliminated; then another key is made
        key = lattice.generate(n, noise=noise)
        attempt = attack(key, noise)
        if attempt.secret is not None:
            break
    if attempt.secret is None or not lattice.fits(key.A, key.t, attempt.secret, noise=noise):
        raise ValueError(f"{name} did not find a key of size {n}")
    return attempt.steps


def show_costs(found: dict[str, list[float]], sizes: Iterable[int] = SIZES) -> Picture:
    """The figure of `costs`."""
    return plots.curves(
        list(sizes),
        found,
        title="Steps until the toy key is found",
        along="size n of the secret",
        upward="steps, each line ten times the one below",
        log=True,
    )


def failures(n: int = 8, noises: Iterable[int] = NOISES) -> list[float]:
    """The share of bits that come out wrong, in percent, for each bound of the noise."""
    return [100 * lattice.failure_rate(n, noise) for noise in noises]


def show_failures(rates: list[float], noises: Iterable[int] = NOISES) -> Picture:
    """The figure of `failures`."""
    return plots.curves(
        list(noises),
        {"measured on 400 bits": rates},
        title="Bits that Bob reads wrong, size 8",
        along="noise: entries lie between minus this and plus this",
        upward="percent",
    )


def break_the_toy() -> Experiment:
    """Choose size, noise and attack; every change makes a new key and attacks it."""

    def run(n, noise, attack):
        if attack == "guessing" and n > 8:
            return Outcome(
                NOTE, f"3 to the power {n} is {3**n:,} candidates: too many to wait for."
            )
        key = lattice.generate(n, noise=noise)
        attempt = ATTACKS[attack](key, noise)
        wrong = 100 * lattice.failure_rate(n, noise, keys=4, bits=25)
        facts = {
            "the secret": key.s,
            "the attack found": attempt.secret or "nothing",
            "steps": f"{attempt.steps:,}",
            "Bob reads wrong": f"{wrong:.0f} of 100 bits",
        }
        if attempt.secret == key.s:
            return Outcome(FALLS, f"The key is found in {attempt.steps:,} steps.", facts)
        return Outcome(HOLDS, "This attack does not find the key.", facts)

    return Experiment(
        "A new toy key, and one attack on it",
        [
            Number("n", "Size n", 2, 12, 6),
            Number("noise", "Noise", 0, 13, 1),
            Choose("attack", "Attack", tuple(ATTACKS), "elimination"),
        ],
        run,
    )


# The second sitting

NO_ERROR, OPENED = "decapsulate raised no error", "a sealed text opens with the secret"


def flip_a_ciphertext_bit(algorithm: str = "ML-KEM-768") -> Experiment:
    """Alter a KEM ciphertext on the way; Bob's program decides with the check that is chosen."""
    mechanism = kem.get(algorithm)
    bob = mechanism.generate()
    ciphertext, secret = mechanism.encapsulate(bob.public)
    sealed = seal(secret, b"Hi Bob", b"")

    def run(byte, bit, check):
        arrived = bytearray(ciphertext)
        if bit:
            arrived[byte] ^= 1 << (bit - 1)
        theirs = mechanism.decapsulate(bob.private, bytes(arrived))
        accepted = check == NO_ERROR or _opens(theirs, sealed)
        facts = {
            "Alice's secret": f"{secret.hex()[:16]}…",
            "Bob's secret": f"{theirs.hex()[:16]}…",
            "an error": "none",
            "Bob's program says": "a session is open" if accepted else "refused",
        }
        if theirs == secret:
            return Outcome(HOLDS, "Nothing was altered: both have one secret.", facts)
        if accepted:
            return Outcome(FALLS, "Bob believes in a session that Alice does not share.", facts)
        return Outcome(HOLDS, "The secrets differ, and Bob's program notices.", facts)

    return Experiment(
        f"One bit of an {algorithm} ciphertext",
        [
            Number("byte", "Byte", 0, len(ciphertext) - 1, 500),
            Number("bit", "Bit to flip (0: none)", 0, 8, 1),
            Choose("check", "Bob's program accepts when", (NO_ERROR, OPENED), NO_ERROR),
        ],
        run,
    )


def _opens(key, sealed):
    try:
        open_sealed(key, sealed, b"")
    except DecryptionFailed:
        return False
    return True


def backend_times(rounds: int = 5) -> dict[tuple[str, str], tuple[float, float, float]]:
    """(algorithm, backend) → milliseconds of generate, encapsulate, decapsulate: the best round."""
    found = {}
    for algorithm, backend in kem.available():
        mechanism = kem.get(algorithm, backend)
        pair = mechanism.generate()
        ciphertext, _ = mechanism.encapsulate(pair.public)
        actions = (
            mechanism.generate,
            lambda pair=pair, mechanism=mechanism: mechanism.encapsulate(pair.public),
            lambda pair=pair, mechanism=mechanism, sent=ciphertext: mechanism.decapsulate(
                pair.private, sent
            ),
        )
        found[algorithm, backend] = tuple(
            1000 * min(timeit.repeat(action, number=1, repeat=rounds)) for action in actions
        )
    return found
