"""The WebSocket: messages as they come, again after a lost connection, and bounds."""

import base64
import contextlib
import json

import pytest
from service_desk import Desk, Device, text
from websockets.exceptions import ConnectionClosed

from x3dhlab.service import relay
from x3dhlab.service.accounts import TOKEN_SECONDS
from x3dhlab.service.app import Limits
from x3dhlab.service.mailbox import ENVELOPE_LIMIT, PAGE

PATIENCE = 60  # seconds after which a test gives up


@pytest.fixture
def desk():
    with Desk() as desk:
        yield desk


@pytest.fixture
def bob(desk):
    return desk.sign_in(Device("Bob"))


@pytest.fixture
def alice(desk):
    return desk.sign_in(Device("Alice"))


def hear(socket, kind=None):
    frame = json.loads(socket.recv(timeout=PATIENCE))
    assert kind is None or frame["type"] == kind, frame
    return frame


def say(socket, **frame):
    socket.send(json.dumps(frame))


def send(socket, to, envelope=b"sealed", number="1"):
    say(socket, type="send", to=to, id=number, envelope=text(envelope))


def settled(socket):
    """Everything that was said before has been handled, since frames are handled in order."""
    say(socket, type="send", to="Nobody", id="settled", envelope="")
    frames = []
    while (frame := hear(socket)).get("id") != "settled":
        frames.append(frame)
    return frames


def closed(socket):
    with pytest.raises(ConnectionClosed) as caught:
        socket.recv(timeout=PATIENCE)
    return caught.value.rcvd.code


def test_a_message_goes_from_one_socket_to_the_other_whole(desk, alice, bob):
    envelope = bytes(range(256))
    with desk.socket(alice) as hers, desk.socket(bob) as his:
        send(hers, "Bob", envelope)
        stored = hear(hers, "stored")
        got = hear(his, "message")
        assert (got["sender"], got["id"], got["sequence"]) == ("Alice", "1", stored["sequence"])
        assert base64.b64decode(got["envelope"]) == envelope


def test_what_was_sent_over_http_arrives_on_the_socket(desk, alice, bob):
    desk.send(alice, "Bob", number="before")
    with desk.socket(bob) as his:
        assert hear(his, "message")["id"] == "before"
        desk.send(alice, "Bob", number="after")
        assert hear(his, "message")["id"] == "after"


def test_what_is_not_acknowledged_comes_again_in_order_and_the_rest_does_not(desk, alice, bob):
    for number in "abc":
        desk.send(alice, "Bob", number=number)
    with desk.socket(bob) as his:
        first = [hear(his, "message") for _ in range(3)]
        say(his, type="ack", sequences=[first[1]["sequence"]])
        assert [f["type"] for f in settled(his)] == []
    with desk.socket(bob) as his:
        assert [hear(his, "message")["id"] for _ in range(2)] == ["a", "c"]
    assert [m["id"] for m in desk.waiting(bob)] == ["a", "c"]


def test_a_message_that_is_sent_again_is_stored_and_delivered_once(desk, alice, bob):
    with desk.socket(bob) as his, desk.socket(alice) as hers:
        for new in (True, False):
            send(hers, "Bob")
            assert hear(hers, "stored")["new"] is new
        send(hers, "Bob", number="2")
        assert [hear(his, "message")["id"] for _ in range(2)] == ["1", "2"]


def test_nobody_acknowledges_for_another(desk, alice, bob):
    desk.send(alice, "Bob")
    (message,) = desk.waiting(bob)
    with desk.socket(alice) as hers:
        say(hers, type="ack", sequences=[message["sequence"]])
        settled(hers)
    assert desk.waiting(bob) == [message]


def test_a_whole_mailbox_arrives_in_order(desk, alice, bob):
    count = 2 * PAGE + 5
    for number in range(count):
        desk.core.mailbox.put("Bob", "Alice", b"", message_id=str(number))
    with desk.socket(bob) as his:
        for number in range(count):
            frame = hear(his, "message")
            assert frame["id"] == str(number)
            say(his, type="ack", sequences=[frame["sequence"]])
        settled(his)
    assert desk.waiting(bob) == []


def test_a_reader_that_acknowledges_nothing_gets_a_window_and_no_more(
    desk, alice, bob, monkeypatch
):
    monkeypatch.setattr(relay, "WINDOW", 3)
    for number in "abcde":
        desk.core.mailbox.put("Bob", "Alice", b"", message_id=number)
    with desk.socket(bob) as his:
        got = [hear(his, "message") for _ in range(3)]
        assert settled(his) == []
        say(his, type="ack", sequences=[m["sequence"] for m in got])
        assert [hear(his, "message")["id"] for _ in range(2)] == ["d", "e"]


def test_two_devices_of_one_name_both_hear(desk, alice, bob):
    with desk.socket(bob) as one, desk.socket(bob) as other:
        desk.send(alice, "Bob")
        assert hear(one, "message") == hear(other, "message")


def test_a_socket_of_another_process_hears_as_well(desk, alice, bob, monkeypatch):
    """What another process stored is found by looking: nobody rings here."""
    with desk.socket(bob) as his:
        settled(his)
        desk.core.mailbox.put("Bob", "Alice", b"sealed", message_id="elsewhere")
        assert hear(his, "message")["id"] == "elsewhere"


# Who may


def test_a_token_in_the_first_frame_is_as_good_as_in_the_header(desk, alice):
    with desk.socket(None) as socket:
        say(socket, type="token", token=alice.header["Authorization"].removeprefix("Bearer "))
        assert hear(socket, "ready")["name"] == "Alice"


@pytest.mark.parametrize(
    "frame",
    [{"type": "token", "token": "nonsense"}, {"type": "ack", "sequences": [1]}, {}],
    ids=["nonsense", "no token", "nothing"],
)
def test_without_a_good_token_the_socket_says_how_to_get_one_and_closes(desk, frame):
    with desk.socket(None) as socket:
        say(socket, **frame)
        assert hear(socket, "error")["error"] in ("NotSignedIn", "InvalidField")
        assert closed(socket) == relay.NOT_SIGNED_IN


def test_a_header_with_a_bad_token_is_refused(desk):
    stranger = Device("Bob", header={"Authorization": "Bearer nonsense"})
    with pytest.raises(AssertionError, match="NotSignedIn"), desk.socket(stranger):
        pass


def test_a_socket_lives_no_longer_than_its_token(desk, alice):
    desk.clock.now += TOKEN_SECONDS - 0.2
    with desk.socket(alice) as socket:
        frame = hear(socket, "error")
        assert (frame["error"], closed(socket)) == ("NotSignedIn", relay.NOT_SIGNED_IN)
    desk.clock.now += 1
    with pytest.raises(AssertionError, match="NotSignedIn"), desk.socket(alice):
        pass


# Bounds


@pytest.mark.parametrize(
    "frame",
    ["", "{", "[]", "17", "{}", '{"type": "other"}', '{"type": "ack", "sequences": []}', b"bytes"]
    + ['{"type": "ack", "sequences": [-1]}', '{"type": "ack", "sequences": [1.5]}', "[" * 9999]
    + ['{"type": "send", "to": "a/b", "id": "1", "envelope": ""}']
    + ['{"type": "send", "to": "Bob", "id": "1", "envelope": "?"}']
    + ['{"type": "send", "to": "Bob", "id": "", "envelope": ""}', '{"type": "token", "token": 1}'],
)
def test_a_frame_that_is_none_is_answered_and_the_socket_goes_on(desk, alice, bob, frame):
    with desk.socket(alice) as socket:
        socket.send(frame)
        assert hear(socket, "error")["error"] == "InvalidField"
        send(socket, "Bob")
        hear(socket, "stored")


def test_a_refused_message_is_named_by_its_id(desk, alice):
    with desk.socket(alice) as socket:
        send(socket, "Nobody", number="x7")
        frame = hear(socket, "error")
        assert (frame["id"], frame["error"]) == ("x7", "UnknownUser")


def test_the_largest_message_fits_and_a_larger_frame_ends_the_socket(desk, alice, bob):
    with desk.socket(alice) as socket:
        send(socket, "Bob", bytes(ENVELOPE_LIMIT))
        hear(socket, "stored")
        socket.send("x" * (relay.FRAME_LIMIT + 1))
        assert closed(socket) == 1009  # message too big


def test_too_many_sockets_of_one_name_are_refused(desk, alice):
    with contextlib.ExitStack() as sockets:
        for _ in range(relay.CONNECTIONS - 1):
            sockets.enter_context(desk.socket(alice))
        refusal = pytest.raises(AssertionError, match="RateLimited")
        with desk.socket(alice), refusal, desk.socket(alice):
            pass
        # The place is free as soon as the service has noticed.
        while desk.core.metrics.registry.get_sample_value("x3dhlab_sockets") >= relay.CONNECTIONS:
            desk.client.get("/v1/health")
        with desk.socket(alice):
            pass


def test_frames_are_limited_as_requests_are():
    with Desk(limits=Limits(account=(3, 1))) as desk:
        alice = desk.sign_in(Device("Alice"))
        with desk.socket(alice) as socket:
            for _ in range(4):
                send(socket, "Nobody")
            errors = [hear(socket, "error")["error"] for _ in range(4)]
            assert errors == ["UnknownUser"] * 3 + ["RateLimited"]


def test_acknowledging_what_was_received_is_never_too_often(monkeypatch):
    with Desk(limits=Limits(account=(1, 1))) as desk:
        bob = desk.sign_in(Device("Bob"))
        for number in "abc":
            desk.core.mailbox.put("Bob", "Alice", b"", message_id=number)
        with desk.socket(bob) as his:
            for _ in range(3):
                say(his, type="ack", sequences=[hear(his, "message")["sequence"]])
            say(his, type="ack", sequences=[10**6])  # never received: this one counts
            settled(his)
        assert desk.core.mailbox.pending("Bob") == []


def test_sockets_are_counted_and_what_they_carry(desk, alice, bob):
    with desk.socket(alice) as hers, desk.socket(bob) as his:
        send(hers, "Bob")
        say(his, type="ack", sequences=[hear(his, "message")["sequence"]])
        settled(his)
        assert desk.core.metrics.registry.get_sample_value("x3dhlab_sockets") == 2
        counted = [desk.counter(f"messages_{w}") for w in ("stored", "handed_out", "acknowledged")]
        assert counted == [1, 1, 1]
