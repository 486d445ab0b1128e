"""What lesson 05 claims: which attack each public input stops, and what joined names can mean."""

import hmac

import pytest

from x3dhlab import scenes, x3dh
from x3dhlab.attacks import binding
from x3dhlab.attacks.weakened import TERMS, Cast, compute
from x3dhlab.keys import KeyPair
from x3dhlab.party import LocalTransport, Party
from x3dhlab.prekeys import publication
from x3dhlab.service.store import PreKeyStore


def diagonal(outcome):
    """The first row holds everywhere; each further row falls to exactly its own attack."""
    first, *rows = outcome.values()
    places = range(len(first))
    return not any(first) and rows == [[x == y for x in places] for y in places]


def test_each_public_input_stops_exactly_one_attack():
    assert diagonal(binding.left_out())


def test_the_claim_about_public_inputs_fails_when_two_of_them_are_left_out(monkeypatch):
    one_at_a_time = binding.recipes

    def two_at_a_time(situation):
        found = one_at_a_time(situation)
        unbound = {**found["no accounts in AD"], binding.INFO: found["no program in info"]["info"]}
        return {**found, "no accounts in AD": unbound}

    monkeypatch.setattr(binding, "recipes", two_at_a_time)
    assert not diagonal(binding.left_out())


def test_two_hmacs_and_a_prefix_give_the_published_key():
    cast = Cast(*(KeyPair.from_private(bytes([n]) * 32) for n in (1, 2, 3, 4, 5)))
    dhs = compute(TERMS, cast.private("IK_A", "EK_A"), cast.public)
    prk = hmac.digest(bytes(32), x3dh.F + b"".join(dhs), "sha256")
    key = hmac.digest(prk, b"MyProtocol\x01", "sha256")
    assert key.hex().startswith("7d96573dc14e7ad039f8451adadeb19a")


@pytest.mark.parametrize(
    ("encoding", "values", "count"),
    [
        ("joined", ("user1", "23", "4567"), 42),
        ("with commas", ("user1", "23", "4567"), 1),
        ("with commas", ("user1", "2,3", "4567"), 2),
        ("with lengths", ("user1", "2,3", "4567"), 1),
    ],
)
def test_only_lengths_leave_one_reading_of_any_names(encoding, values, count):
    encode = binding.ENCODINGS[encoding]
    found = binding.readings(encode, encode(*values))
    assert len(found) == count
    assert values in found


def test_the_three_messages_of_the_lesson_have_one_associated_data():
    three = [("user1", "23", "4567"), ("user", "123", "4567"), ("user1", "2", "34567")]
    assert {binding.joined(*values) for values in three} == {b"user1234567"}
    assert set(three) <= set(binding.readings(binding.joined, b"user1234567"))


def test_the_experiment_with_names_runs_again_at_every_change():
    experiment = scenes.names_as_bytes()
    assert experiment.outcome["verdict"] == "falls"
    experiment.set(encoding="with commas")
    assert experiment.outcome["verdict"] == "holds"
    experiment.set(recipient="2,3")
    assert "1 other reading" in experiment.outcome["sentence"]
    experiment.set(encoding="with lengths")
    assert experiment.outcome["verdict"] == "holds"


def attacks(workbench):
    return {finding["name"]: finding["verdict"] for finding in workbench.report["findings"]}


def test_two_attacks_succeed_against_the_specification_itself():
    falls = [
        name for name, verdict in attacks(scenes.kdf_workbench(x3dh)).items() if verdict == "falls"
    ]
    assert falls == ["Bob's key under another name", "Record now, read later"]


def test_another_recipe_can_give_the_key_of_the_specification():
    workbench = scenes.kdf_workbench(x3dh)
    workbench.leave_out("salt", "zeros")
    assert workbench.report["same"]
    workbench.leave_out("key material", "F")
    assert not workbench.report["same"]


def test_names_in_the_associated_data_need_their_lengths():
    workbench = scenes.kdf_workbench(x3dh)
    workbench.put_in("associated data", "sender", "recipient")
    assert attacks(workbench)["Bob's key under another name"] == "holds"
    assert attacks(workbench)["Two pairs of names, one text"] == "falls"
    workbench.put_in("associated data", "length of sender", "length of recipient")
    assert attacks(workbench)["Two pairs of names, one text"] == "holds"


def test_a_message_to_charlie_with_bobs_keys_is_read_by_bob():
    network = LocalTransport(PreKeyStore())
    alice, bob = Party("Alice", network), Party("Bob", network)
    network.publish("Charlie", publication(bob.device.ring).encode())
    alice.send("Charlie", b"I accept.")
    for sender, data in network.collect("Charlie"):
        network.send(sender, "Bob", data)
    assert [received.plaintext for received in bob.receive()] == [b"I accept."]
