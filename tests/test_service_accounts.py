"""Signing in: a challenge counts once, a token runs out, and a name has one key."""

import pytest
import sqlalchemy as sql
from service_desk import Clock, Device

from x3dhlab.errors import IdentityMismatch, InvalidField, NotSignedIn, WrongLength
from x3dhlab.primitives import sign
from x3dhlab.service.accounts import (
    CHALLENGE_SECONDS,
    LABEL,
    TOKEN_SECONDS,
    Accounts,
    digest,
    statement,
)
from x3dhlab.service.store import PreKeyStore


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def accounts(database_url, clock):
    store = PreKeyStore(database_url)
    yield Accounts(store, clock=clock)
    store.close()


@pytest.fixture(scope="module")
def bob():
    return Device("Bob")


def token(accounts, device, challenge=None, *, name=None, signed=None):
    challenge = challenge or accounts.challenge(device.name)
    signature = sign(device.identity.private, signed or statement(device.name, challenge))
    return accounts.token(name or device.name, device.identity.public, challenge, signature)


def test_a_signed_challenge_gives_a_token_that_names_its_owner(accounts, bob, clock):
    account = accounts.find(token(accounts, bob))
    assert account == ("Bob", clock.now + TOKEN_SECONDS)


def test_challenges_and_tokens_never_repeat(accounts, bob):
    challenges = {accounts.challenge("Bob") for _ in range(5)}
    tokens = {token(accounts, bob, challenge) for challenge in challenges}
    assert (len(challenges), len(tokens)) == (5, 5)


def test_a_challenge_counts_once(accounts, bob):
    challenge = accounts.challenge("Bob")
    token(accounts, bob, challenge)
    with pytest.raises(NotSignedIn):
        token(accounts, bob, challenge)


def test_a_refused_signature_uses_the_challenge_up(accounts, bob):
    challenge = accounts.challenge("Bob")
    with pytest.raises(NotSignedIn, match="signature"):
        token(accounts, bob, challenge, signed=b"another text")
    with pytest.raises(NotSignedIn, match="challenge"):
        token(accounts, bob, challenge)


def test_the_refusal_of_a_signature_inside_a_larger_transaction_uses_it_up_too(accounts, bob):
    challenge = accounts.challenge("Bob")
    with accounts.database.transaction(), pytest.raises(NotSignedIn):
        token(accounts, bob, challenge, signed=b"another text")
    with pytest.raises(NotSignedIn, match="challenge"):
        token(accounts, bob, challenge)


@pytest.mark.parametrize(
    ("late", "good"), [(CHALLENGE_SECONDS - 1, True), (CHALLENGE_SECONDS, False)]
)
def test_a_challenge_runs_out(accounts, bob, clock, late, good):
    challenge = accounts.challenge("Bob")
    clock.now += late
    if good:
        token(accounts, bob, challenge)
    else:
        with pytest.raises(NotSignedIn):
            token(accounts, bob, challenge)


@pytest.mark.parametrize(("late", "good"), [(TOKEN_SECONDS - 1, True), (TOKEN_SECONDS, False)])
def test_a_token_runs_out(accounts, bob, clock, late, good):
    made = token(accounts, bob)
    clock.now += late
    if good:
        assert accounts.find(made).name == "Bob"
    else:
        with pytest.raises(NotSignedIn, match="POST /v1/challenges"):
            accounts.find(made)


def test_a_challenge_for_one_name_signs_no_other_in(accounts, bob):
    challenge = accounts.challenge("Carol")
    with pytest.raises(NotSignedIn):
        token(accounts, bob, challenge)


def test_every_part_of_the_statement_matters(accounts, bob):
    for wrong in (
        lambda c: statement("Carol", c),
        lambda c: statement("Bob", bytes(32)),
        lambda c: c,
        lambda c: LABEL + b"Bob" + c,
    ):
        challenge = accounts.challenge("Bob")
        with pytest.raises(NotSignedIn):
            token(accounts, bob, challenge, signed=wrong(challenge))


def test_names_do_not_run_into_challenges():
    assert statement("Bob", b"by" + bytes(30)) != statement("Bobby", bytes(30))
    assert (
        len({statement("A", b"x" * 32), statement("Ax", b"x" * 31), statement("", b"Ax" * 16)}) == 3
    )


def test_a_name_belongs_to_the_key_that_signed_in_first(accounts, bob):
    token(accounts, bob)
    thief = Device("Bob")
    with pytest.raises(IdentityMismatch):
        token(accounts, thief)
    assert accounts.find(token(accounts, bob)).name == "Bob"


def test_a_name_belongs_to_the_key_that_was_published(accounts, bob):
    accounts.store.publish("Bob", bob.publication())
    with pytest.raises(IdentityMismatch):
        token(accounts, Device("Bob"))
    token(accounts, bob)


def test_signing_in_publishes_nothing_and_publishing_needs_the_same_key(accounts, bob):
    token(accounts, bob)
    with pytest.raises(IdentityMismatch):
        accounts.store.publish("Bob", Device("Bob").publication())
    accounts.store.publish("Bob", bob.publication())
    assert accounts.store.count("Bob") == 3


def test_a_token_is_good_after_a_restart(accounts, bob, clock, database_url):
    made = token(accounts, bob)
    accounts.store.close()
    assert Accounts(PreKeyStore(database_url), clock=clock).find(made).name == "Bob"


def test_what_is_kept_signs_nobody_in(accounts, bob):
    challenge = accounts.challenge("Bob")
    made = token(accounts, bob)
    with accounts.database.transaction() as connection:
        kept = [
            bytes(row.digest)
            for table in ("challenges", "tokens")
            for row in connection.execute(sql.text(f"SELECT digest FROM {table}"))
        ]
    assert sorted(kept) == sorted([digest(challenge), digest(made.encode())])
    for stolen in kept:
        with pytest.raises(NotSignedIn):
            accounts.find(stolen.hex())


def test_what_has_run_out_is_deleted(accounts, bob, clock):
    token(accounts, bob)
    accounts.challenge("Bob")
    assert accounts.expire() == 0
    clock.now += CHALLENGE_SECONDS
    assert accounts.expire() == 1
    clock.now += TOKEN_SECONDS
    assert accounts.expire() == 1


def test_what_cannot_be_an_answer_is_refused_before_it_is_looked_up(accounts, bob):
    challenge = accounts.challenge("Bob")
    for error, arguments in (
        (InvalidField, ("", bytes(32), challenge, bytes(64))),
        (InvalidField, ("a\0b", bytes(32), challenge, bytes(64))),
        (InvalidField, ("\ud800", bytes(32), challenge, bytes(64))),
        (WrongLength, ("Bob", bytes(31), challenge, bytes(64))),
        (WrongLength, ("Bob", bytes(32), challenge + b"x", bytes(64))),
        (WrongLength, ("Bob", bytes(32), challenge, bytes(63))),
    ):
        with pytest.raises(error):
            accounts.token(*arguments)
    token(accounts, bob, challenge)
