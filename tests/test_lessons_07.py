"""What lesson 07 claims: what noise and size cost whom, and what a KEM does not tell."""

import hashlib
import math

import pytest

from x3dhlab import kem, scenes
from x3dhlab.attacks import lattice
from x3dhlab.primitives import deterministic, random_bytes
from x3dhlab.scenes import kem as scene


def keys(n, count=12, noise=1):
    return [lattice.generate(n, noise=noise) for _ in range(count)]


@pytest.fixture(autouse=True)
def same_keys_each_time():
    with deterministic("the tests of lesson 07"):
        yield


# The cipher


def test_with_noise_one_every_bit_arrives():
    assert lattice.failure_rate(8, 1, keys=20, bits=50) == 0


def test_the_noise_that_is_left_is_the_sum_of_the_lesson():
    key = lattice.generate(8)
    n, u_noise = len(key.t), lattice.short(8)
    y, e2 = lattice.short(n), 1
    columns = zip(*key.A, strict=True)
    u = [lattice.dot(c, y) + small for c, small in zip(columns, u_noise, strict=True)]
    w = lattice.dot(key.t, y) + e2 - lattice.dot(key.s, u)
    left = lattice.dot(key.e, y) + e2 - lattice.dot(key.s, u_noise)
    assert lattice.centred(w) == left
    assert abs(left) <= 8 + 1 + 8 < key.q / 4


def test_every_number_is_read_as_the_nearer_of_two():
    key = lattice.generate(1)
    key.s[0] = 0
    for v in range(key.q):
        nearer_to_half = abs(v - key.q / 2) < min(v, key.q - v)
        assert lattice.decrypt_bit(key, [0], v) == nearer_to_half


def quiet_then_rising(rates):
    return rates[0] == rates[1] == 0 and rates[4] < rates[8] < rates[12] and rates[12] > 20


def test_failures_start_late_and_then_climb():
    assert quiet_then_rising(scenes.failures())


def test_the_claim_about_failures_fails_with_a_larger_modulus(monkeypatch):
    small = lattice.failure_rate
    monkeypatch.setattr(lattice, "failure_rate", lambda n, noise: small(n, noise, q=3329))
    assert not quiet_then_rising(scenes.failures())


# The attacks


def test_elimination_finds_the_key_without_noise_and_not_with_it():
    plain = [(lattice.eliminate(key.A, key.t).secret, key.s) for key in keys(6, noise=0)]
    found = [pair for pair in plain if pair[0]]  # one matrix in about ninety has no inverse
    assert len(found) > 6 and all(secret == s for secret, s in found)
    assert not any(lattice.eliminate(key.A, key.t).secret == key.s for key in keys(6))


def test_elimination_of_a_matrix_without_inverse_finds_nothing():
    assert lattice.eliminate([[1, 2], [2, 4]], [3, 6]).secret is None


@pytest.mark.parametrize("attack", [lattice.guess, lattice.by_lattice])
def test_guessing_and_reduction_find_the_key_behind_the_noise(attack):
    for key in keys(6, count=6):
        found = attack(key.A, key.t)
        assert found.secret == key.s
        assert lattice.fits(key.A, key.t, found.secret)


def found_from_copies(key, copies):
    """What the lesson's Mallory finds from the middle value of each equation."""
    again = [
        [lattice.dot(row, key.s) + lattice.short(1)[0] for row in key.A] for _ in range(copies)
    ]
    middle = [sorted(values)[copies // 2] for values in zip(*again, strict=True)]
    return lattice.eliminate(key.A, middle).secret


def test_noise_that_is_made_anew_for_one_key_averages_out():
    usable = [key for key in keys(4) if lattice.eliminate(key.A, key.t).secret]
    few, many = ([found_from_copies(k, copies) == k.s for k in usable] for copies in (1, 99))
    assert sum(few) < len(usable) / 4 and all(many)


@pytest.mark.parametrize(("n", "arrives"), [(8, True), (12, False)])
def test_a_larger_size_can_pass_the_border_with_the_same_noise(n, arrives):
    zeros, ones = [[0] * n for _ in range(n)], [1] * n
    key = lattice.ToyKey(zeros, t=ones, s=ones, e=ones)
    u, v = [-1] * n, lattice.dot(key.t, ones) + 1  # y and e2 are 1, e1 is -1, and the bit is 0
    assert (lattice.decrypt_bit(key, u, v) == 0) == arrives


def test_only_a_vector_that_leaves_small_numbers_fits():
    key = lattice.generate(8)
    other = [-key.s[0] or 1, *key.s[1:]]
    assert lattice.fits(key.A, key.t, key.s)
    assert not lattice.fits(key.A, key.t, other)
    assert not lattice.fits(key.A, key.t, key.s, noise=0) or not any(key.e)


def test_the_lattice_of_a_key_holds_its_secret():
    key = lattice.generate(5)
    rows = lattice.basis_of(key.A, key.t)
    wraps = [
        (t - lattice.dot(row, key.s) - small) // key.q
        for row, t, small in zip(key.A, key.t, key.e, strict=True)
    ]
    weights = [*wraps, *key.s, 1]
    total = [lattice.dot(weights, column) for column in zip(*rows, strict=True)]
    assert total == [*key.s, *(-small for small in key.e), 1]


def test_reduction_keeps_the_lattice_and_shortens_its_vectors():
    basis = lattice.basis_of(*(lambda key: (key.A, key.t))(lattice.generate(4)))
    reduced, steps = lattice.reduce_basis(basis)
    assert steps > 0
    assert abs(_determinant(reduced)) == abs(_determinant(basis)) == lattice.Q**4
    assert max(lattice.dot(row, row) for row in reduced) < lattice.Q**2


def _determinant(rows):
    from fractions import Fraction

    rows, value = [[Fraction(x) for x in row] for row in rows], Fraction(1)
    for place in range(len(rows)):
        pivot = next(r for r in range(place, len(rows)) if rows[r][place])
        if pivot != place:
            rows[place], rows[pivot], value = rows[pivot], rows[place], -value
        value *= rows[place][place]
        for r in range(place + 1, len(rows)):
            factor = rows[r][place] / rows[place][place]
            rows[r] = [a - factor * b for a, b in zip(rows[r], rows[place], strict=True)]
    return value


def test_two_questions_for_each_number_read_the_key_off_the_phone():
    key = lattice.generate(24)
    asked = []

    def phone(u, v):
        asked.append((u, v))
        return lattice.decrypt_bit(key, u, v)

    found = lattice.by_questions(phone, 24)
    assert found.secret == key.s
    assert len(asked) == found.steps == 48


# The key figure


def claimed(steps):
    """Guesses triple at each size; reduction starts above guessing and ends below a fifth of it."""
    eliminated, guessed, reduced = steps.values()
    factor = math.exp(math.log(guessed[-1] / guessed[0]) / (len(guessed) - 1))
    slower = reduced[-1] / reduced[-2] < 2 and eliminated[-1] / eliminated[-2] < 2
    return (
        2.4 < factor < 3.6 and reduced[0] > guessed[0] and 5 * reduced[-1] < guessed[-1] and slower
    )


def test_guesses_triple_at_each_size_and_reduction_climbs_slowly():
    assert len(scene.SIZES) >= 5
    assert claimed(scenes.costs())


def test_the_claim_about_costs_fails_when_reduction_is_another_guessing(monkeypatch):
    monkeypatch.setitem(scene.ATTACKS, "lattice reduction", scene.ATTACKS["guessing"])
    assert not claimed(scenes.costs(keys=2))


def test_the_costs_of_one_seed_are_equal_on_every_run():
    def run():
        with deterministic("twice"):
            return scenes.costs((2, 3, 4), keys=2)

    assert run() == run()


def test_costs_of_an_attack_that_finds_nothing_are_refused(monkeypatch):
    nothing = lattice.Attempt(None, 1)
    monkeypatch.setitem(scene.ATTACKS, "guessing", lambda key, noise: nothing)
    with pytest.raises(ValueError, match="guessing did not find"):
        scenes.costs((2,), keys=1)


def test_the_experiment_makes_a_new_key_at_every_change():
    experiment = scenes.break_the_toy()
    assert experiment.outcome["verdict"] == "holds"
    experiment.set(noise=0)
    assert experiment.outcome["verdict"] == "falls"
    first = dict(experiment.outcome["facts"])["the secret"]
    experiment.set(noise=1, attack="lattice reduction", n=8)
    assert experiment.outcome["verdict"] == "falls"
    assert dict(experiment.outcome["facts"])["the secret"] != first
    experiment.set(attack="guessing", n=12)
    assert "531,441 candidates" in experiment.outcome["sentence"]


# ML-KEM


@pytest.mark.parametrize("algorithm", ["ML-KEM-768", "ML-KEM-1024"])
def test_a_refused_ciphertext_gives_a_hash_of_z_and_itself(algorithm):
    mechanism = kem.get(algorithm)
    pair = mechanism.generate()
    nobodys = random_bytes(mechanism.sizes.ciphertext)
    expected = hashlib.shake_256(pair.private[32:] + nobodys).digest(32)
    assert mechanism.decapsulate(pair.private, nobodys) == expected


@pytest.mark.parametrize("byte", [0, 500, 1087])
def test_a_flipped_bit_is_seen_by_a_confirmation_and_by_nothing_else(byte):
    experiment = scenes.flip_a_ciphertext_bit()
    experiment.set(byte=byte)
    assert experiment.outcome["verdict"] == "falls"
    experiment.set(check=scene.OPENED)
    assert experiment.outcome["verdict"] == "holds"
    assert dict(experiment.outcome["facts"])["Bob's program says"] == "refused"
    experiment.set(bit=0)
    assert dict(experiment.outcome["facts"])["Bob's program says"] == "a session is open"


def test_a_kem_gives_another_secret_each_time():
    mechanism = kem.get("ML-KEM-768")
    pair = mechanism.generate()
    assert len({mechanism.encapsulate(pair.public)[1] for _ in range(3)}) == 3


@pytest.mark.parametrize("size", ["768", "1024"])
def test_kyber_and_ml_kem_have_equal_sizes_and_differ_by_the_last_hash(size):
    ml_kem, kyber = kem.get(f"ML-KEM-{size}"), kem.get(f"Kyber-{size}")
    assert ml_kem.sizes.public == kyber.sizes.public
    assert ml_kem.sizes.ciphertext == kyber.sizes.ciphertext
    pair = ml_kem.generate()
    ciphertext, theirs = kyber.encapsulate(pair.public)
    ours = ml_kem.decapsulate(pair.private, ciphertext)
    digest = hashlib.sha3_256(ciphertext).digest()
    assert ours != theirs == hashlib.shake_256(ours + digest).digest(32)


def test_one_rejection_seed_gives_two_keys_one_secret_for_garbage_only():
    mechanism = kem.get("ML-KEM-768")
    left, right = lattice.one_rejection_seed(mechanism)
    garbage, (honest, _) = random_bytes(1088), mechanism.encapsulate(left.public)

    def secrets(ciphertext):
        return [mechanism.decapsulate(pair.private, ciphertext) for pair in (left, right)]

    assert left.public != right.public
    assert len(set(secrets(garbage))) == 1
    assert len(set(secrets(honest))) == 2


def test_every_library_gives_the_same_secret_for_one_ciphertext():
    pair = kem.get("ML-KEM-768").generate()
    ciphertext, secret = kem.get("ML-KEM-768").encapsulate(pair.public)
    libraries = [name for algorithm, name in kem.available() if algorithm == "ML-KEM-768"]
    found = {
        kem.get("ML-KEM-768", name).decapsulate(pair.private, ciphertext) for name in libraries
    }
    assert len(libraries) >= 2 and found == {secret}


def test_the_times_have_a_row_for_each_algorithm_and_library():
    times = scenes.backend_times(rounds=1)
    assert list(times) == kem.available()
    assert all(len(row) == 3 and min(row) > 0 for row in times.values())


# The figures


def test_the_words_of_a_figure_say_every_measured_value():
    figure = scenes.show_costs({"guessing": [9, 24170.5]}, sizes=(2, 10))
    assert "guessing: 9 at 2, 24,170.5 at 10." in figure.alt
    assert figure.png != scenes.show_costs({"guessing": [9, 300]}, sizes=(2, 10)).png


def test_a_line_with_a_value_missing_is_refused():
    with pytest.raises(ValueError, match="one value for each place"):
        scenes.show_failures([0, 1], noises=(0, 1, 2))
