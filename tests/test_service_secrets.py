"""The service never sees a private key: everything it had in its hands is searched for one.

A recorded run names every secret: private halves, shared secrets, chain and message keys, texts.
The haystack is the database with its log, the service's log lines, its metrics, and every byte
that reached it.
"""

import base64
import json
import logging

import pytest

from x3dhlab import pqxdh, x3dh
from x3dhlab.messaging.devices import sign_list
from x3dhlab.party import Party
from x3dhlab.service import running
from x3dhlab.service.app import Limits, application
from x3dhlab.service.client import HttpTransport
from x3dhlab.service.metrics import JsonLines
from x3dhlab.trace import record

# The inputs of an operation that are keys, and what of its outputs is secret; see `trace`.
KEYS = {"PUBLIC": 0, "DH": 0, "DECAPS": 0, "HKDF": 1, "HMAC": 0, "SIGN": 0, "SEAL": 0, "OPEN": 0}
TEXT = b"Meet me at noon, by the old bridge."


class Listening:
    """An ASGI application that keeps what comes in, and hands it on."""

    def __init__(self, app, heard):
        self.app, self.heard = app, heard

    async def __call__(self, scope, receive, send):
        self.heard += [scope.get("raw_path", b""), *(v for _, v in scope.get("headers", ()))]

        async def receiving():
            message = await receive()
            self.heard += [message.get("body", b""), (message.get("text") or "").encode()]
            return message

        await self.app(scope, receiving, send)


def secrets_of(trace):
    """Every secret of the run; what is shorter than 16 bytes could be anywhere by chance."""
    found = {TEXT}
    for event in trace.events:
        if event.kind in KEYS:
            found.add(event.inputs[KEYS[event.kind]][1])
        if event.kind in ("DH", "HKDF", "DECAPS"):
            found.update(value for _, value in event.outputs)
        if event.kind == "SEAL":
            found.add(event.inputs[1][1])
    return {value for value in found if len(value) >= 16}


def spellings(value):
    """The ways in which bytes may be written down."""
    yield value
    yield value.hex().encode()
    yield value.hex().upper().encode()
    yield base64.urlsafe_b64encode(value).rstrip(b"=")
    for shift in range(3):  # as base64, wherever the value begins in what is encoded
        whole = value[(-shift) % 3 :]  # from the next group of three bytes to the last one
        yield base64.b64encode(whole[: len(whole) // 3 * 3])


def found_in(values, haystack):
    """Which of the values stand there, in any spelling."""
    return {value for value in values if any(s in haystack for s in spellings(value))}


def decoded(body):
    """The base64 texts of a JSON body as the bytes that they stand for."""
    try:
        fields = json.loads(body).values()
    except (ValueError, AttributeError):
        return
    for text in fields:
        try:
            yield base64.b64decode(text, validate=True)
        except (ValueError, TypeError):
            continue


@pytest.fixture(params=[x3dh, pqxdh], ids=["X3DH", "PQXDH"])
def run(request, tmp_path, monkeypatch, caplog):
    """(trace, everything that the service had, Alice, Bob) after a conversation over HTTP."""
    heard = []

    def heard_application(*arguments, **options):
        app = application(*arguments, **options)
        app.add_middleware(Listening, heard=heard)
        return app

    monkeypatch.setattr(running, "application", heard_application)
    caplog.set_level(logging.DEBUG)
    url = f"sqlite:///{tmp_path}/keys.db"
    with record() as trace, running.running(url, limits=Limits.none()) as service:
        transport = HttpTransport(service.url)
        alice, bob = people = [
            Party(name, transport, protocol=request.param, kem="ML-KEM-768", one_time=3)
            for name in ("Alice", "Bob")
        ]
        for person in people:
            person.publish()
        for _ in range(2):
            alice.send("Bob", TEXT)
            assert [received.plaintext for received in bob.receive()] == [TEXT]
            bob.send("Alice", TEXT)
            assert [received.plaintext for received in alice.receive()] == [TEXT]
        bob.rotate(now=1)
        bob.replenish(5)
        signed = sign_list(bob.identity, {"phone": bob.identity.public}, version=1)
        service.application.state.core.store.set_devices("Bob", signed)
        alice.send("Bob", TEXT)  # waits in the mailbox
        counters = service.application.state.core.metrics.text()
        files = b"".join(path.read_bytes() for path in tmp_path.iterdir())
        transport.close()
    files += b"".join(path.read_bytes() for path in tmp_path.iterdir())
    lines = "\n".join(JsonLines().format(r) + repr(vars(r)) for r in caplog.records).encode()
    inside = [value for body in heard for value in decoded(body)]
    yield trace, b"\n".join([files, lines, counters, *heard, *inside]), alice, bob


def test_nothing_secret_ever_reached_the_service(run):
    trace, haystack, *_ = run
    secrets = secrets_of(trace)
    assert len(secrets) > 40
    assert found_in(secrets, haystack) == set()


def test_the_search_finds_what_is_there(run):
    """A control: public keys are found, so private ones would be."""
    _, haystack, alice, bob = run
    public = {alice.identity.public, bob.identity.public}
    assert found_in(public, haystack) == public


def test_the_search_finds_a_secret_in_every_spelling(run):
    """A control: a service that was sent one private key would be found out."""
    trace, haystack, alice, _ = run
    secrets, leaked = secrets_of(trace), alice.identity.private
    for shift in range(3):
        encoded = base64.b64encode(b"\xa5" * shift + leaked + b"\x5a" * 7)
        assert found_in(secrets, haystack + encoded) == {leaked}
    for spelling in (leaked, leaked.hex().encode(), base64.urlsafe_b64encode(leaked)):
        assert found_in(secrets, haystack + spelling) == {leaked}


def test_every_private_half_is_among_the_secrets(run):
    """A control: the list of secrets is not short of the keys that matter."""
    trace, _, *people = run
    halves = {pair.private for p in people for pair in p.device.ring.one_time.values()}
    halves |= {person.identity.private for person in people}
    assert len(halves) > 5
    assert halves <= secrets_of(trace)


def test_logs_and_metrics_hold_no_names_and_no_public_keys(run, caplog):
    *_, alice, bob = run
    lines = [JsonLines().format(record) for record in caplog.get_records("setup")
             if record.name == "x3dhlab.service"]  # fmt: skip
    assert len(lines) > 20
    told = "\n".join(lines).encode()
    assert found_in({alice.identity.public, bob.identity.public}, told) == set()
    assert b"Alice" not in told
    assert b"Bob" not in told
