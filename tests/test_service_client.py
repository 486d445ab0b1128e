"""The client of the service: what runs over the local transport runs over HTTP, unchanged."""

import contextlib

import httpx
import pytest

from x3dhlab import pqxdh
from x3dhlab.attacks import server as attacks
from x3dhlab.errors import IdentityMismatch, NotSignedIn, RateLimited, StoreUnavailable, UnknownUser
from x3dhlab.party import LocalTransport, Party, Received
from x3dhlab.primitives import sign
from x3dhlab.scenes import figures, hybrid, safety
from x3dhlab.service import app, client
from x3dhlab.service.client import HttpTransport
from x3dhlab.service.running import running
from x3dhlab.service.store import PreKeyStore
from x3dhlab.trace import record

TEXT = b"Meet me at noon, by the old bridge."


@pytest.fixture
def services():
    """A function that starts a service in memory and gives a transport over it."""
    with contextlib.ExitStack() as stack:

        def start(*_, limits=None, **options):
            limits = limits or app.Limits.none()
            service = stack.enter_context(running(limits=limits, **options))
            return stack.enter_context(contextlib.closing(HttpTransport(service.url)))

        yield start


@pytest.fixture(params=["local", "http"])
def transport(request):
    if request.param == "local":
        return LocalTransport(PreKeyStore())
    return request.getfixturevalue("services")()


def people(transport, **options):
    alice, bob = (Party(name, transport, **options) for name in ("Alice", "Bob"))
    bob.publish()
    return alice, bob


@pytest.mark.parametrize("options", [{}, {"protocol": pqxdh, "kem": "ML-KEM-768"}])
def test_two_parties_talk(transport, options):
    alice, bob = people(transport, one_time=2, **options)
    for number in range(3):
        alice.send("Bob", b"ping %d" % number)
        assert bob.receive() == [Received("Alice", b"ping %d" % number)]
        bob.send("Alice", b"pong %d" % number)
        assert alice.receive() == [Received("Bob", b"pong %d" % number)]
    assert bob.receive() == []
    assert transport.count("Bob") == 1


def test_a_pool_is_refilled_and_prekeys_are_replaced(transport):
    alice, bob = people(transport, one_time=1)
    assert bob.replenish(20) == 20
    assert transport.count("Bob") == 21
    bob.rotate(now=1)
    alice.send("Bob", TEXT)
    used = alice.device.sessions[bob.identity.public][0].opening.signed_prekey_id
    assert used == bob.device.ring.current
    assert bob.receive() == [Received("Alice", TEXT)]


def test_the_refusals_are_the_same_classes(transport):
    alice, _ = people(transport)
    with pytest.raises(UnknownUser):
        alice.send("Carol", TEXT)
    with pytest.raises(IdentityMismatch):
        Party("Bob", transport).publish()


def test_what_crosses_the_wire_is_told_alike(services):
    seen = []
    for transport in (LocalTransport(PreKeyStore()), services()):
        with record() as run:
            alice, bob = people(transport, one_time=1)
            alice.send("Bob", TEXT)
            bob.receive()
        seen.append([(event.inputs[0][0], event.detail) for event in run.wire])
    assert len(seen[0]) == 4
    assert seen[0] == seen[1]


# Lessons and attacks over HTTP


@pytest.fixture
def over_http(monkeypatch, services):
    """In these modules, from now on, a local transport is a service of its own."""

    def change(*modules):
        for module in modules:
            monkeypatch.setattr(module, "LocalTransport", services)

    return change


def test_scenes_run_over_http(over_http):
    local = figures.measured(TEXT, {})
    over_http(figures, hybrid, safety)
    assert figures.measured(TEXT, {}) == local
    run, alice, bob = hybrid.three_messages()
    assert [event.detail for event in run.wire]
    assert alice.pins["Bob"] == bob.identity.public
    honest, deceived = (safety._after_a_talk(swapped) for swapped in (False, True))
    assert honest[0].pins["Bob"] == honest[1].identity.public
    assert deceived[0].pins["Bob"] != deceived[1].identity.public


OF_STRANGERS = "A25"  # requesters that have no account
RUNS = [
    pytest.param(attack, run, id=f"{attack.number}-{run}")
    for attack in attacks.CATALOGUE
    for run in ("works", "fails")
    if attack.number != OF_STRANGERS
]


@pytest.mark.parametrize(("attack", "run"), RUNS)
def test_the_servers_attacks_end_alike_over_http(attack, run, services, monkeypatch):
    local = getattr(attack, run)()
    # The first transport of a run is the network; others are rooms of the attacker's own.
    network = services()
    Party("the server itself", network)  # it has an account
    networks = iter([network])
    make = lambda *given: next(networks, None) or LocalTransport(*given)  # noqa: E731
    monkeypatch.setattr(attacks, "LocalTransport", make)
    result = getattr(attack, run)()
    assert next(networks, None) is None
    assert (result.succeeded, result.stopped_by) == (local.succeeded, local.stopped_by)


def test_strangers_take_no_keys(services):
    transport = services()
    people(transport, one_time=2)
    with pytest.raises(NotSignedIn):
        transport.fetch("Bob", "somebody")
    assert transport.count("Bob") == 2


# Answers that are lost


class Losing(httpx.BaseTransport):
    """Passes every request on, and loses the first answer to each."""

    def __init__(self):
        self.inner, self.asked = httpx.HTTPTransport(), []

    def handle_request(self, request):
        answer = self.inner.handle_request(request)
        asked = request.method, request.url.path, request.headers.get("Idempotency-Key")
        if asked in self.asked or "Authorization" not in request.headers:
            return answer
        answer.read()
        self.asked.append(asked)
        raise httpx.ReadError("the line is dead", request=request)


@pytest.fixture
def losing(services):
    transport = services()
    transport._client = httpx.Client(base_url=transport.url, transport=Losing())
    return transport


def test_lost_answers_cost_no_key_and_double_no_message(losing):
    alice, bob = people(losing, one_time=3)
    alice.send("Bob", TEXT)
    assert bob.receive() == [Received("Alice", TEXT)]
    assert bob.receive() == []
    assert losing.count("Bob") == 2


def test_what_was_collected_and_not_kept_arrives_again(services):
    transport = services()
    alice, bob = people(transport)
    alice.send("Bob", TEXT)
    ((_, first),) = transport.collect("Bob")
    restarted = HttpTransport(transport.url)
    restarted.introduce("Bob", bob.identity.public, bob._sign)
    assert restarted.collect("Bob") == [("Alice", first)]
    assert restarted.collect("Bob") == []
    third = HttpTransport(transport.url)
    third.introduce("Bob", bob.identity.public, bob._sign)
    assert third.collect("Bob") == []


def test_listening_gives_each_message_once_in_order_across_a_restart(tmp_path):
    url = f"sqlite:///{tmp_path}/keys.db"
    with running(url, limits=app.Limits.none()) as service:
        port, transport = service.port, HttpTransport(service.url)
        for name in ("Alice", "Bob"):
            Party(name, transport).publish()
        transport.send("Alice", "Bob", b"1")
        heard = transport.listen("Bob")
        assert next(heard) == ("Alice", b"1")
        transport.send("Alice", "Bob", b"2")
    with running(url, port=port, limits=app.Limits.none()):
        transport.send("Alice", "Bob", b"3")
        # The restarted service still has the first one, whose acknowledgement was never sent.
        assert [next(heard)[1], next(heard)[1]] == [b"2", b"3"]
        heard.close()


def test_a_token_that_has_run_out_is_renewed(services):
    now = [1_800_000_000]
    transport = services(clock=lambda: now[0])
    people(transport, one_time=2)
    now[0] += 3600
    assert transport.count("Bob") == 2


def test_a_key_that_does_not_fit_signs_nobody_in(services):
    transport = services()
    _, bob = people(transport)
    other = Party("Eve", transport)
    transport.introduce("Bob", bob.identity.public, lambda told: sign(other.identity.private, told))
    with pytest.raises(NotSignedIn):
        transport.count("Bob")


def test_limits_name_the_seconds_to_wait(services):
    transport = services(limits=app.Limits())
    alice, _ = people(transport)
    with pytest.raises(RateLimited) as caught:
        for _ in range(app.PER_PAIR.size + 1):
            transport.fetch("Bob", alice.name)
    assert 0 < caught.value.data["seconds"] <= app.PER_PAIR.seconds


def test_a_service_that_is_not_there_is_unavailable(services, monkeypatch):
    monkeypatch.setattr(client, "FIRST_PAUSE", 0)
    with running() as service:
        url = service.url
    transport = HttpTransport(url, patience=0)
    with pytest.raises(StoreUnavailable, match="does not answer"):
        Party("Bob", transport).publish()


def test_the_transport_holds_no_private_key(services):
    transport = services()
    _, bob = people(transport)
    for private in (bob.identity.private, *(key for key in (bob.device.ring.identity.private,))):
        assert private.hex() not in repr(vars(transport))
    assert "sign=" not in repr(transport._people["Bob"])


def test_a_proxy_of_the_environment_is_not_asked(monkeypatch, services):
    for scheme in ("http", "https", "all", "ws"):
        monkeypatch.setenv(f"{scheme}_proxy", "http://127.0.0.1:9")
    transport = services()
    alice, _ = people(transport, one_time=1)
    alice.send("Bob", TEXT)
    heard = transport.listen("Bob")
    assert next(heard)[0] == "Alice"
    heard.close()
