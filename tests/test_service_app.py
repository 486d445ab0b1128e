"""The service over HTTP: what it answers to whom, what it refuses and with which sentence."""

import asyncio
import base64
import json
import logging
from dataclasses import replace

import pytest
from service_desk import Clock, Desk, Device, text

from x3dhlab import prekeys
from x3dhlab.keys import KeyPair
from x3dhlab.messaging.devices import check_list, sign_list
from x3dhlab.service import app as module
from x3dhlab.service.accounts import TOKEN_SECONDS
from x3dhlab.service.app import ANSWER_SECONDS, BODY_LIMIT, MESSAGE_SECONDS, Limits
from x3dhlab.service.limits import PER_PAIR, Limit
from x3dhlab.service.mailbox import ENVELOPE_LIMIT
from x3dhlab.service.metrics import REASONS, JsonLines
from x3dhlab.wire import PreKeyBundle


@pytest.fixture(scope="module")
def ring():
    return prekeys.generate(one_time=3, kem="ML-KEM-768")


@pytest.fixture
def desk():
    with Desk() as desk:
        yield desk


@pytest.fixture
def bob(desk, ring):
    bob = desk.sign_in(Device("Bob", ring))
    assert desk.publish(bob).status_code == 200
    return bob


@pytest.fixture
def alice(desk):
    return desk.sign_in(Device("Alice"))


def refused(answer, status, error, *words):
    """An answer that is a refusal; its sentence holds these words."""
    told = answer.json()
    assert (answer.status_code, told["error"]) == (status, error), answer.text
    for word in words:
        assert word in told["message"]
    return told


def bundle(answer):
    assert answer.status_code == 200, answer.text
    return PreKeyBundle.decode(base64.b64decode(answer.json()["bundle"]))


# Keys


def test_publishing_says_what_is_left_and_so_does_the_count(desk, bob):
    assert desk.publish(bob).json() == {"one_time": 3, "kem": 3}
    bundle(desk.fetch(bob, "Bob"))
    left = desk.ask(bob, "GET", "/v1/users/Bob/counts").json()
    assert left == {"one_time": 2, "kem": 2}


def test_a_bundle_is_the_owners_and_takes_one_key_of_each_kind(desk, bob, alice):
    got = [bundle(desk.fetch(alice, "Bob")) for _ in range(4)]
    one_time = [b.one_time_prekey_id for b in got]
    assert one_time == [k.one_time_prekey_id for k in bob.publication().one_time_prekeys] + [None]
    assert len({b.kem_prekey_id for b in got}) == 4  # three, and the last resort
    assert {b.identity_key for b in got} == {bob.identity.public}


def test_a_repeated_request_takes_no_second_key(desk, bob, alice):
    first = desk.fetch(alice, "Bob", "once").json()
    assert desk.fetch(alice, "Bob", "once").json() == first
    assert desk.core.store.counts("Bob") == (2, 2)
    assert desk.fetch(alice, "Bob", "twice").json() != first
    assert desk.core.store.counts("Bob") == (1, 1)


def test_the_same_number_of_another_requester_is_another_request(desk, bob, alice):
    carol = desk.sign_in(Device("Carol"))
    assert desk.fetch(alice, "Bob", "1").json() != desk.fetch(carol, "Bob", "1").json()
    assert desk.core.store.counts("Bob") == (1, 1)


def test_an_answer_is_forgotten_after_a_while(desk, bob, alice):
    desk.fetch(alice, "Bob", "once")
    assert desk.core.store.forget(before=int(desk.clock.now)) == 0
    assert desk.core.store.forget(before=int(desk.clock.now) + 1) == 1
    desk.fetch(alice, "Bob", "once")
    assert desk.core.store.counts("Bob") == (1, 1)


def test_rotation_replaces_the_signed_prekey_and_keeps_the_others(desk, bob, alice):
    rotated = prekeys.rotate(bob.ring)
    answer = desk.publish(bob, prekeys.publication(rotated, since=bob.ring.next_id))
    assert answer.json()["one_time"] == 3
    assert bundle(desk.fetch(alice, "Bob")).signed_prekey_id == rotated.current


def test_a_key_that_its_owner_did_not_sign_is_refused_and_counted(desk, bob):
    forged = bob.publication(signed_prekey=bytes(32))
    refused(desk.publish(bob, forged), 422, "BadSignature")
    assert desk.counter("signature_invalid", seen_by="service") == 1
    assert desk.core.store.counts("Bob") == (3, 3)


def test_another_identity_key_and_another_key_of_one_number_are_refused(desk, bob):
    refused(desk.publish(bob, Device("Bob").publication()), 409, "IdentityMismatch")
    first = bob.publication().one_time_prekeys[0]
    twin = bob.publication(one_time_prekeys=(replace(first, one_time_prekey=bytes(32)),))
    refused(desk.publish(bob, twin), 409, "DuplicatePreKey", str(first.one_time_prekey_id))


def test_a_publication_that_cannot_be_read_is_refused_with_its_place(desk, bob):
    path, data = "/v1/users/Bob/keys", bob.publication().encode()
    for sent, error in (
        (text(data[:-1]), "Truncated"),
        (text(data + b"x"), "TrailingBytes"),
        (text(b"\x09" + data[1:]), "UnknownVersion"),
        ("not base64!", "InvalidField"),
        (17, "InvalidField"),
    ):
        answer = desk.ask(bob, "PUT", path, json={"publication": sent})
        refused(answer, 422, error, "ublication")
    assert desk.core.store.counts("Bob") == (3, 3)


def test_device_lists_come_back_as_they_were_signed(desk, bob, alice):
    account = KeyPair.from_private(bob.identity.private)
    signed = sign_list(account, {"phone": bytes(32), "laptop": b"\x01" * 32}, version=1)
    path = "/v1/users/Bob/devices"
    refused(desk.ask(alice, "GET", path), 404, "UnknownUser")
    for version in (1, 2):
        signed = sign_list(account, {"phone": bytes(32)}, version=version)
        assert desk.ask(bob, "PUT", path, json={"list": text(signed)}).status_code == 204
    got = base64.b64decode(desk.ask(alice, "GET", path).json()["list"])
    assert check_list(got, bob.identity.public).version == 2
    forged = sign_list(KeyPair.generate(), {"phone": bytes(32)}, version=3)
    refused(desk.ask(bob, "PUT", path, json={"list": text(forged)}), 422, "BadSignature")
    refused(desk.ask(bob, "PUT", path, json={"list": text(b"short")}), 422, "Truncated")
    assert base64.b64decode(desk.ask(alice, "GET", path).json()["list"]) == got


# Who may


def test_without_a_good_token_the_answer_says_how_to_get_one(desk, bob):
    how = "POST /v1/challenges"
    asked = {
        ("PUT", "/v1/users/Bob/keys"): {"publication": ""},
        ("GET", "/v1/users/Bob/counts"): None,
        ("POST", "/v1/users/Bob/bundles"): None,
        ("PUT", "/v1/users/Bob/devices"): {"list": ""},
        ("GET", "/v1/users/Bob/devices"): None,
        ("POST", "/v1/mailboxes/Bob/messages"): {"id": "1", "envelope": ""},
        ("GET", "/v1/mailboxes/Bob/messages"): None,
        ("POST", "/v1/mailboxes/Bob/acknowledgements"): {"sequences": [1]},
        ("POST", "/v1/reports"): {"reason": "replay"},
    }
    stranger = Device("Stranger", header={"Authorization": "Bearer nonsense"})
    for (method, path), body in asked.items():
        for device in (None, stranger):
            answer = desk.ask(device, method, path, json=body)
            refused(answer, 401, "NotSignedIn", how)
            assert answer.headers["www-authenticate"] == "Bearer"
    open_to_all = {("POST", "/v1/challenges"), ("POST", "/v1/tokens"), ("GET", "/v1/health")}
    paths = desk.client.get("/openapi.json").json()["paths"]
    every = {(m.upper(), p.replace("{name}", "Bob")) for p, ms in paths.items() for m in ms}
    assert every - set(asked) - open_to_all == {("GET", "/metrics")}


def test_a_token_runs_out_also_where_it_is_remembered(desk, bob):
    assert desk.ask(bob, "GET", "/v1/users/Bob/counts").status_code == 200
    desk.clock.now += TOKEN_SECONDS
    refused(desk.ask(bob, "GET", "/v1/users/Bob/counts"), 401, "NotSignedIn")
    desk.sign_in(bob)
    assert desk.ask(bob, "GET", "/v1/users/Bob/counts").status_code == 200


def test_what_is_bobs_is_not_alices(desk, bob, alice):
    desk.send(bob, "Bob")
    signed = text(sign_list(KeyPair.from_private(bob.identity.private), {"x": bytes(32)}, 1))
    for method, path, body in (
        ("PUT", "/v1/users/Bob/keys", {"publication": text(bob.publication().encode())}),
        ("GET", "/v1/users/Bob/counts", None),
        ("PUT", "/v1/users/Bob/devices", {"list": signed}),
        ("GET", "/v1/mailboxes/Bob/messages", None),
        ("POST", "/v1/mailboxes/Bob/acknowledgements", {"sequences": [1]}),
    ):
        refused(desk.ask(alice, method, path, json=body), 403, "NotYours", "your own name")
    assert len(desk.waiting(bob)) == 1


def test_a_name_that_is_taken_signs_no_other_key_in(desk, bob):
    thief = Device("Bob")
    answer = desk.client.post("/v1/tokens", json=thief.answer(desk.challenge("Bob")))
    refused(answer, 409, "IdentityMismatch")


def test_a_signature_that_does_not_fit_is_counted(desk):
    device = Device("Bob")
    answer = device.answer(desk.challenge("Bob"), signature=text(bytes(64)))
    refused(desk.client.post("/v1/tokens", json=answer), 401, "NotSignedIn", "signature")
    assert desk.counter("signature_invalid", seen_by="service") == 1


def test_nobody_is_told_of(desk, bob, alice):
    refused(desk.fetch(alice, "Nobody"), 404, "UnknownUser")
    refused(desk.send(alice, "Nobody"), 404, "UnknownUser")
    refused(desk.ask(alice, "GET", "/v1/users/Alice/counts"), 404, "UnknownUser")
    refused(desk.fetch(bob, "Alice"), 404, "UnknownUser")  # signed in, and published nothing


# Mailboxes


def test_a_message_waits_with_its_sender_until_it_is_acknowledged(desk, bob, alice):
    envelope = bytes(range(256))
    assert desk.send(alice, "Bob", envelope).status_code == 202
    for _ in range(2):
        (message,) = desk.waiting(bob)
        assert (message["sender"], base64.b64decode(message["envelope"])) == ("Alice", envelope)
    assert desk.acknowledge(bob, [message["sequence"]]).json() == {"acknowledged": 1}
    assert desk.waiting(bob) == []


def test_a_message_that_is_sent_again_is_one_message_and_counted(desk, bob, alice):
    first, second = desk.send(alice, "Bob").json(), desk.send(alice, "Bob").json()
    assert (first.pop("new"), second.pop("new")) == (True, False)
    assert first == second
    assert len(desk.waiting(bob)) == 1
    assert desk.counter("replay", seen_by="service") == 1


def test_pages_follow_each_other(desk, bob, alice, monkeypatch):
    monkeypatch.setattr(module, "PAGE", 2)
    for number in "abc":
        desk.send(alice, "Bob", number=number)
    page = desk.ask(bob, "GET", "/v1/mailboxes/Bob/messages").json()
    assert ([m["id"] for m in page["messages"]], page["more"]) == (["a", "b"], True)
    assert [m["id"] for m in desk.waiting(bob, page["messages"][-1]["sequence"])] == ["c"]


# Sizes and shapes


def test_what_is_too_large_is_refused_before_it_is_read(desk, bob, alice):
    path = "/v1/mailboxes/Bob/messages"
    answer = desk.ask(alice, "POST", path, content=b"x" * (BODY_LIMIT + 1))
    refused(answer, 413, "TooLarge", str(BODY_LIMIT))

    def endless():
        for _ in range(100):
            yield b"x" * BODY_LIMIT

    answer = desk.ask(alice, "POST", path, content=endless())
    refused(answer, 413, "TooLarge")
    assert desk.send(alice, "Bob", bytes(ENVELOPE_LIMIT), "fits").status_code == 202
    refused(desk.send(alice, "Bob", bytes(ENVELOPE_LIMIT + 1), "2"), 422, "InvalidField")


@pytest.mark.parametrize(
    "body",
    [b"", b"[", b"{}", b"null", b"[" * 100_000, b'{"name": 1}', b'{"name": "\xff"}', b"1" * 9999]
    + [json.dumps({"name": name}).encode() for name in ("", "a/b", "x" * 257, "\ud800", "a\0")]
    + [b'{"name": "Bob", "more": 1}'],
)
def test_no_body_breaks_anything(desk, body):
    answer = desk.client.post(
        "/v1/challenges", content=body, headers={"Content-Type": "application/json"}
    )
    assert answer.status_code in (400, 422), answer.text
    assert answer.json()["message"]


@pytest.mark.parametrize("name", ["%00", "%ff", "a%0ab", "%ed%a0%80", "..%2f", "x" * 300])
def test_no_name_breaks_anything(desk, alice, name):
    for path in ("users/{}/bundles", "mailboxes/{}/messages"):
        sent = {"id": "1", "envelope": ""}
        answer = desk.ask(alice, "POST", "/v1/" + path.format(name), json=sent)
        assert answer.status_code in (404, 422), answer.text


def test_a_refusal_repeats_nothing_that_was_sent(desk, alice):
    secret = "c2VjcmV0" * 4
    answer = desk.ask(alice, "POST", "/v1/mailboxes/Bob/messages", json={"id": secret + "!"})
    refused(answer, 422, "InvalidField", "body.id")
    assert secret not in answer.text


def test_another_address_or_method_says_where_to_look(desk):
    refused(desk.client.get("/v2"), 404, "Refused", "/openapi.json")
    answer = desk.client.delete("/v1/health")
    refused(answer, 405, "Refused", "/openapi.json")
    assert answer.headers["allow"] == "GET"


# Rates


def waits(answer):
    told = refused(answer, 429, "RateLimited", "wait")
    assert answer.headers["retry-after"] == str(told["seconds"])
    return told["seconds"]


def test_a_pair_has_its_bucket_and_then_waits(desk, bob, alice):
    for _ in range(PER_PAIR.size):
        bundle(desk.fetch(alice, "Bob"))
    left = desk.core.store.counts("Bob")
    seconds = waits(desk.fetch(alice, "Bob"))
    assert desk.core.store.counts("Bob") == left
    desk.clock.now += seconds
    bundle(desk.fetch(desk.sign_in(alice), "Bob"))


def test_many_requesters_together_meet_the_limit_of_the_target(ring):
    with Desk(limits=Limits(target=Limit(2, 60))) as desk:
        desk.publish(desk.sign_in(Device("Bob", ring)))
        crowd = [desk.sign_in(Device(f"thief {n}", ring)) for n in range(3)]
        answers = [desk.fetch(thief, "Bob") for thief in crowd]
        assert [answer.status_code for answer in answers] == [200, 200, 429]
        assert waits(answers[2]) == 60


@pytest.mark.parametrize(
    ("limit", "path"),
    [("account", "/v1/users/Bob/devices"), ("address", "/v1/health")],
)
def test_an_account_and_an_address_wait_when_they_ask_too_often(limit, path):
    with Desk(limits=Limits(**{limit: (5, 0.5)})) as desk:
        bob = desk.sign_in(Device("Bob"))
        answers = [desk.ask(bob, "GET", path) for _ in range(6)]
        assert answers[0].status_code != 429
        desk.clock.now += waits(answers[-1])
        assert desk.ask(bob, "GET", path).status_code != 429


def test_challenges_for_one_address_are_limited():
    with Desk(limits=Limits(signing_in=(3, 1))) as desk:
        answers = [desk.client.post("/v1/challenges", json={"name": "Bob"}) for _ in range(4)]
        assert waits(answers[3]) == 1
        assert desk.client.get("/v1/health").status_code == 200


# The database goes away


def test_without_its_database_the_service_asks_to_wait_and_tells_no_address(tmp_path, ring):
    with Desk(f"sqlite:///{tmp_path}/keys.db") as desk:
        bob = desk.sign_in(Device("Bob", ring))
        with desk.core.database.transaction() as connection:
            connection.exec_driver_sql("ALTER TABLE users RENAME TO elsewhere")
        answer = desk.publish(bob)
        refused(answer, 503, "StoreUnavailable", "try again")
        assert answer.headers["retry-after"] == "1"
        assert "users" not in answer.text
        assert desk.client.get("/v1/health").status_code == 503
        with desk.core.database.transaction() as connection:
            connection.exec_driver_sql("ALTER TABLE elsewhere RENAME TO users")
        assert desk.publish(bob).status_code == 200


# What runs out


def test_what_has_run_out_is_cleaned_when_the_service_starts(tmp_path, ring):
    url, clock = f"sqlite:///{tmp_path}/keys.db", Clock()
    with Desk(url, clock=clock) as desk:
        bob = desk.sign_in(Device("Bob", ring))
        desk.publish(bob)
        desk.send(bob, "Bob")
        desk.fetch(bob, "Bob", "once")
        desk.challenge("Bob")
    clock.now += max(MESSAGE_SECONDS, ANSWER_SECONDS) + 1
    with Desk(url, clock=clock) as desk:
        desk.sign_in(bob)  # waits behind the cleaning
        with desk.core.database.transaction() as connection:
            left = {
                table: connection.exec_driver_sql(f"SELECT count(*) FROM {table}").scalar()
                for table in ("letters", "answers", "challenges", "tokens")
            }
        assert left == {"letters": 0, "answers": 0, "challenges": 0, "tokens": 1}
        assert desk.counter("messages_expired") == 1


# What an operator sees


def test_each_cause_of_a_failed_first_message_has_its_counter(desk, bob):
    for count, reason in enumerate(REASONS, start=1):
        for _ in range(count):
            answer = desk.ask(bob, "POST", "/v1/reports", json={"reason": reason})
            assert answer.status_code == 204
    told = [desk.counter(reason, seen_by="client") for reason in REASONS]
    assert told == [1, 2, 3, 4]
    assert [desk.counter(reason, seen_by="service") for reason in REASONS] == [0] * 4
    answer = desk.ask(bob, "POST", "/v1/reports", json={"reason": "Alice is ill"})
    refused(answer, 422, "InvalidField", "body.reason")


def test_a_dry_pool_is_counted(desk, bob, alice):
    for _ in range(4):
        desk.fetch(alice, "Bob")
    assert desk.counter("one_time_key_missing", seen_by="service") == 1


def test_requests_are_counted_by_template_and_status(desk, bob, alice):
    desk.fetch(alice, "Bob")
    desk.fetch(alice, "Nobody")
    desk.client.get("/v9/Bob")
    counted = {"method": "POST", "route": "/v1/users/{name}/bundles"}
    assert desk.counter("requests", **counted, status="200") == 1
    assert desk.counter("requests", **counted, status="404") == 1
    assert desk.counter("requests", method="GET", route="none", status="404") == 1
    page = desk.client.get("/metrics").text
    assert 'route="/v1/users/{name}/bundles"' in page
    assert "Bob" not in page
    assert "Alice" not in page


def test_whoever_has_an_answer_finds_it_counted():
    app = module.application("sqlite://")
    registry, counts = app.state.core.metrics.registry, []
    labels = {"method": "GET", "route": "/metrics", "status": "200"}
    scope = {"type": "http", "method": "GET", "path": "/metrics", "query_string": b"",
             "headers": [], "client": None}  # fmt: skip

    async def receive():
        return {"type": "http.request", "body": b""}

    async def send(message):
        counts.append(registry.get_sample_value("x3dhlab_requests_total", labels))

    asyncio.run(app(scope, receive, send))
    assert counts == [None, 1]  # at the head of the answer, and at its end


def test_a_log_line_is_json_without_names(desk, bob, alice, caplog):
    with caplog.at_level(logging.INFO, logger="x3dhlab.service"):
        desk.fetch(alice, "Bob")
        desk.client.get("/v9/Bob?who=Alice")
    lines = [json.loads(JsonLines().format(record)) for record in caplog.records
             if record.name == "x3dhlab.service"]  # fmt: skip
    assert [(line["route"], line["status"]) for line in lines] == [
        ("/v1/users/{name}/bundles", 200),
        ("none", 404),
    ]
    assert set(lines[0]) == {"time", "level", "event", "method", "route", "status", "ms"}
    assert "Bob" not in str(lines)
