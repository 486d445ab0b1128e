"""What lesson 01 claims: who holds which half, and what one private half lets a server do."""

import pytest

from x3dhlab import scenes
from x3dhlab.attacks import placement
from x3dhlab.attacks.placement import AS_ALICE, AS_BOB, READ, first_contact
from x3dhlab.party import LocalTransport, Party
from x3dhlab.service.store import PreKeyStore
from x3dhlab.trace import record


def worked(contact):
    return {name for name, finding in contact.findings.items() if finding.succeeded}


def claim(terms=placement.TERMS):
    """No single private half opens the message, and each of three lets the server pose."""
    single = {name: first_contact((name,), terms=terms) for name in placement.PRIVATE}
    posing = {name for name, contact in single.items() if worked(contact) & {AS_ALICE, AS_BOB}}
    return not any(READ in worked(c) for c in single.values()) and posing == {
        "IK_A",
        "IK_B",
        "SPK_B",
    }


def test_no_single_private_half_reads_and_three_of_them_pose():
    assert claim()


@pytest.mark.parametrize("terms", [("DH2",), ("DH1", "DH3"), ("DH2", "DH3", "DH4")])
def test_the_claim_about_single_halves_fails_for_a_handshake_with_fewer_terms(terms):
    assert not claim(terms)


def test_the_server_reads_with_a_half_of_every_pair():
    assert READ in worked(first_contact(("IK_A", "EK_A")))
    assert READ in worked(first_contact(("SPK_B", "EK_A")))
    assert READ in worked(first_contact(("IK_B", "SPK_B", "OPK_B")))
    assert READ not in worked(first_contact(("IK_B", "SPK_B")))


def test_without_a_one_time_prekey_two_of_bobs_halves_are_enough():
    contact = first_contact(("IK_B", "SPK_B"), public=("IK_B", "SPK_B"))
    assert contact.terms == 3
    assert READ in worked(contact)


def test_evidence_is_the_text_that_was_read():
    contact = first_contact(("IK_A", "EK_A"))
    assert contact.findings[READ].evidence == contact.bob_reads == placement.TEXT.decode()


@pytest.mark.parametrize("missing", ["IK_B", "SPK_B"])
def test_alice_cannot_start_without_a_needed_public_half(missing):
    public = [name for name in placement.PUBLIC if name != missing]
    assert first_contact(public=public).missing == (missing,)


def test_a_placement_runs_again_at_every_change():
    experiment = scenes.place_the_keys()
    assert experiment.outcome["verdict"] == "note"
    experiment.set(public_IK_B="server too", public_SPK_B="server too")
    assert experiment.outcome["verdict"] == "holds"
    assert "one term is missing" in experiment.outcome["sentence"]
    experiment.set(public_OPK_B="server too")
    assert "missing" not in experiment.outcome["sentence"]
    experiment.set(private_IK_B="server too")
    assert experiment.outcome["sentence"] == f"The server can {AS_BOB}."


def first_run(upload=Party.publish):
    with record() as trace:
        network = LocalTransport(PreKeyStore())
        alice, bob = Party("Alice", network), Party("Bob", network)
        upload(bob)
        alice.send("Bob", b"hello")
        bob.receive()
    return trace


def kept_at_home(found):
    on_server = [halves[1] for halves in found.values()]
    at_home = [found[name][0 if name.endswith("_A") else 2] for name in found]
    away = [found[name][2 if name.endswith("_A") else 0] for name in found]
    return (
        on_server == ["public"] * 5
        and at_home == ["private + public"] * 5
        and away == ["public"] * 5
    )


def test_every_private_half_is_on_one_phone_and_none_on_the_server():
    assert kept_at_home(scenes.whereabouts(first_run()))


def test_the_picture_shows_a_private_half_that_left_its_phone():
    def careless(bob):
        bob.publish()
        bob.transport.send("Bob", "backup", bob.identity.private)

    found = scenes.whereabouts(first_run(careless))
    assert found["IK_B"][1] == "private + public"
    assert not kept_at_home(found)


def test_three_handshakes_show_which_keys_stay_and_which_change():
    seen = {name: line.split() for name, line in scenes.three_handshakes().items()}
    assert {name: len(set(values)) for name, values in seen.items()} == {
        "IK": 1,
        "SPK": 2,
        "OPK": 3,
        "EK": 3,
    }
    assert seen["SPK"][0] == seen["SPK"][1]
