"""The byte inspector without a browser: labels, origins, edits, and what the receiver says."""

import base64
import json
import re
from xml.etree import ElementTree

import pytest

from x3dhlab import pqxdh, primitives, trace, x3dh
from x3dhlab.attacks import cloned
from x3dhlab.errors import BadSignature
from x3dhlab.party import LocalTransport, Party
from x3dhlab.scenes import inspect_message
from x3dhlab.service.store import PreKeyStore
from x3dhlab.trace import Trace
from x3dhlab.widgets import ByteInspector
from x3dhlab.widgets.inspector import EDIT_LIMIT, LIMIT, view
from x3dhlab.wire import InitialMessage, Message, PreKeyBundle


def recorded(protocol=x3dh, *, seed=1):
    """Two messages each way, all of them read."""
    with primitives.deterministic(seed), trace.record() as run:
        service = LocalTransport(PreKeyStore())
        alice, bob = (Party(name, service, protocol, one_time=3) for name in ("Alice", "Bob"))
        alice.publish()
        bob.publish()
        for sender, reader, text in (
            (alice, bob, b"first"),
            (bob, alice, b"second"),
            (alice, bob, b"third"),
        ):
            sender.send(reader.name, text)
            assert [item.plaintext for item in reader.receive()] == [text]
    return run


@pytest.fixture(scope="module")
def run():
    return recorded()


def field(widget, name, which=0):
    """The field of that name (with `which` among several)."""
    return [f for f in widget.message["fields"] if f["name"] == name][which]


# Labels


def test_the_fields_cover_every_byte_once(run):
    for number in range(len(run.wire)):
        widget = inspect_message(run, number)
        covered = [
            offset
            for f in widget.message["fields"]
            if f["parent"] < 0
            for offset in range(f["offset"], f["offset"] + f["length"])
        ]
        assert covered == list(range(widget.message["size"]))


def test_names_and_meanings_are_those_of_the_layout(run):
    widget = inspect_message(run, "bundle")
    fields = PreKeyBundle.decode(widget.data).fields()
    shown = [(f["name"], f["offset"], f["length"], f["meaning"]) for f in widget.message["fields"]]
    assert shown == [(f.name.replace("_", " "), f.offset, f.length, f.meaning) for f in fields]


def test_the_message_inside_the_payload_has_its_own_fields(run):
    widget = inspect_message(run, "initial message")
    place = widget.message["fields"].index(field(widget, "payload"))
    inner = [f for f in widget.message["fields"] if f["parent"] == place]
    payload = InitialMessage.decode(widget.data).payload
    assert [f["length"] for f in inner] == [f.length for f in Message.decode(payload).fields()]
    start = field(widget, "payload")["offset"]
    key = next(f for f in inner if f["name"] == "ratchet key")
    assert widget.data[key["offset"] : key["offset"] + 33][1:] in payload
    assert inner[0]["offset"] == start


def test_a_field_with_a_message_inside_is_sealed_as_far_as_its_sealed_fields(run):
    widget = inspect_message(run, "initial message")
    payload, sealed = field(widget, "payload"), field(widget, "ciphertext")
    assert sealed["sealed"] == sealed["length"] == payload["sealed"] < payload["length"]
    assert f"payload ({sealed['length']} of {payload['length']} bytes secret)" in repr(widget)
    open_bytes = payload["length"] - sealed["length"]
    assert payload["who"].startswith(f"Everybody reads {open_bytes} bytes of it, ")
    assert field(widget, "identity key")["sealed"] == 0


def test_every_key_says_who_made_it_and_in_which_step(run):
    widget = inspect_message(run, "bundle")
    assert re.fullmatch(
        r"Bob, step \d+: SPK_B = new key pair \[X3DH §3\.2\]",
        field(widget, "signed prekey")["origin"],
    )
    assert "Sign(IK_B, Encode(SPK_B))" in field(widget, "signed prekey signature")["origin"]
    assert field(widget, "signed prekey id")["origin"].startswith("No operation made it")


def test_who_can_read_follows_from_the_run(run):
    widget = inspect_message(run, "ratchet message")
    assert field(widget, "ciphertext")["who"].startswith("Only who has MK")
    assert "Bob, Alice" in field(widget, "ciphertext")["who"]
    assert field(widget, "ratchet key")["who"] == "Everybody on the way: Bob, server, Alice."


def test_a_key_that_follows_from_public_bytes_hides_nothing():
    with trace.record() as run:
        key = bytes(32)
        sealed = primitives.seal(key, b"open secret", b"")
        message = Message(header=_header(), ciphertext=sealed)
        trace.observe.announce(
            "WIRE", [("message", message.encode())], what="message", sender="A", recipient="B"
        )
    assert run.closure().reads(sealed) == view(message.encode(), run)["fields"][-1][
        "who"
    ].startswith("Everybody")


def _header():
    from x3dhlab.keys import KeyPair
    from x3dhlab.wire import Header

    return Header(KeyPair.generate().public, 0, 0)


def test_without_a_trace_the_labels_stay(run):
    data = inspect_message(run, "initial message").data
    plain = ByteInspector(data)
    assert [f["name"] for f in plain.message["fields"]] == [
        f["name"] for f in inspect_message(run, "initial message").message["fields"]
    ]
    assert all(f["origin"] == "" for f in plain.message["fields"])
    assert plain.result == {"changed": [], "hex": data.hex()}


# Edits and the receiver


@pytest.mark.parametrize("protocol", [x3dh, pqxdh])
def test_every_message_of_a_run_is_accepted_by_its_real_receiver(protocol):
    run = recorded(protocol)
    texts = [inspect_message(run, n).result["sentence"] for n in range(len(run.wire))]
    assert texts == [
        *["Accepted: the server stores it."] * 2,
        "Accepted: the handshake runs, and a first message would be sent.",
        *["Accepted: Bob reads “first”"] * 2,
        *["Accepted: Alice reads “second”"] * 2,
        *["Accepted: Bob reads “third”"] * 2,
    ]


@pytest.mark.parametrize(
    "kind, name, error, step",
    [
        ("publication", "signed prekey signature", "BadSignature", "XEdDSA §3.3"),
        ("bundle", "signed prekey", "BadSignature", "XEdDSA §3.3"),
        ("bundle", "version", "UnknownVersion", "X3DH §3.3"),
        ("initial message", "signed prekey id", "UsedPreKey", "X3DH §3.4"),
        ("initial message", "ciphertext", "DecryptionFailed", "Double Ratchet §7.2"),
        ("initial message", "payload length", "TrailingBytes", "X3DH §3.3"),
        ("ratchet message", "number", "DecryptionFailed", "Double Ratchet §7.2"),
    ],
)
def test_each_changed_field_meets_its_own_check(run, kind, name, error, step):
    widget = inspect_message(run, kind)
    changed = field(widget, name)
    widget.flip(changed["offset"] + changed["length"] - 1, 1)
    assert widget.result["verdict"] == "holds"
    assert (widget.result["error"], widget.result["step"]) == (error, step)
    assert widget.result["passed"][-1].startswith("✗")


def test_a_one_time_prekey_is_not_signed_and_the_picture_says_so(run):
    widget = inspect_message(run, "publication")
    prekey = next(f for f in widget.message["fields"] if f["name"].endswith("one time prekey"))
    widget.flip(prekey["offset"] + 5)
    assert widget.result["verdict"] == "falls"
    assert widget.result["sentence"].endswith("No check noticed the change.")


def test_trying_consumes_nothing(run):
    widget = inspect_message(run, "initial message")
    before = len(run)
    for _ in range(3):
        widget.flip(widget.message["size"] - 1)
        assert widget.result["error"] == "DecryptionFailed"
        widget.undo()
        assert widget.result["sentence"] == "Accepted: Bob reads “first”"
    assert len(run) == before


def test_undo_and_reset_take_changes_back(run):
    widget = inspect_message(run, "bundle")
    original = widget.data
    widget.edit(40, 1)
    widget.edit(41, 2)
    widget.edit(40, 3)
    assert widget.result["changed"] == [40, 41]
    widget.undo()
    assert widget.data[40] == 1
    widget.reset()
    assert widget.data == original
    assert widget.result["verdict"] == "note"


@pytest.mark.parametrize(
    "edit", [[-1, 0], [10**6, 0], [0, 256], [0, -1], [0, "1"], [0], "ab", [0, True]]
)
def test_an_impossible_edit_is_refused_and_changes_nothing(run, edit):
    widget = inspect_message(run, "bundle")
    with pytest.raises(ValueError):
        widget.edits = [edit]
    assert widget.edits == []


def test_a_flood_of_edits_keeps_the_latest(run):
    widget = inspect_message(run, "bundle")
    widget._check = None
    widget.edits = [[n % 100, n % 256] for n in range(EDIT_LIMIT + 50)]
    assert len(widget.edits) == EDIT_LIMIT


def test_a_check_of_ones_own_may_raise_return_words_or_break():
    def check(data):
        if data[0] == 1:
            raise BadSignature("wrong", step="XEdDSA §3.3")
        if data[0] == 2:
            raise KeyError("oops")
        return "Fine."

    widget = ByteInspector(b"\x00\x01", check=check)
    assert widget.result["sentence"] == "Fine."
    widget.edit(0, 1)
    assert (widget.result["error"], widget.result["step"]) == ("BadSignature", "XEdDSA §3.3")
    widget.edit(0, 2)
    assert widget.result["sentence"].startswith("The check itself stopped")


# The device that is made again from the recording


def test_the_device_before_a_message_still_has_the_one_time_prekey(run):
    at = next(
        n
        for n, event in enumerate(run.events)
        if event.kind == "WIRE" and dict(event.detail)["recipient"] == "Bob"
    )
    before, _ = cloned.device_before(run, "Bob", at)
    after, _ = cloned.device_before(run, "Bob", len(run.events))
    assert set(before.ring.one_time) - set(after.ring.one_time) == {2}
    assert len(before.sessions) == 0
    assert len(after.sessions) == 1


def test_a_recording_without_the_receivers_keys_checks_the_format_only(run):
    cut = Trace()
    cut.events = [event for event in run.events if event.kind == "WIRE"]
    widget = inspect_message(cut, "initial message")
    assert "does not hold the receiver's keys" in widget.result["sentence"]
    widget.edit(0, 9)
    assert widget.result["error"] == "UnknownVersion"


def test_an_unknown_message_is_a_sentence(run):
    for wrong in ("letter", 99, None):
        with pytest.raises(ValueError, match="no message"):
            inspect_message(run, wrong)


# Bad input and saved forms


@pytest.mark.parametrize("data", [b"", b"\x00", b"\xff" * 300, b"\x01\x02"])
def test_bytes_that_are_no_message_are_shown_with_a_sentence(data):
    widget = ByteInspector(data, "Noise")
    assert widget.message["problem"]
    assert widget.message["problem"] in repr(widget)
    ElementTree.fromstring(widget._svg())


@pytest.mark.parametrize("wrong", ["text", None, bytearray(3), bytes(LIMIT + 1)])
def test_what_is_no_bytes_or_too_much_is_refused(wrong):
    with pytest.raises(ValueError):
        ByteInspector(wrong)


def test_titles_in_any_script_fit(run):
    widget = ByteInspector(inspect_message(run, "bundle").data, "愛麗絲 <&\"'> ‮x\x07" * 20)
    ElementTree.fromstring(widget._svg())


def test_the_text_form_tells_each_field_with_its_reader_and_origin(run):
    widget = inspect_message(run, "initial message", "First message")
    text = repr(widget)
    assert text.startswith("First message: initial message, ")
    for f in widget.message["fields"]:
        line = next(
            x for x in text.split("\n") if x.split()[:1] == [str(f["offset"])] and f["name"] in x
        )
        assert f["meaning"] in line
        assert f["who"] in line
        assert f["origin"] in line


def test_the_text_form_tells_edits_and_the_verdict(run):
    widget = inspect_message(run, "bundle")
    widget.edit(0, 7)
    assert "Changed: byte 0 (version), 01 → 07" in repr(widget)
    assert "UnknownVersion, X3DH §3.3, field: version" in repr(widget)


def test_the_saved_forms_are_small_and_the_same_every_time():
    forms = []
    for _ in range(2):
        data, _ = inspect_message(recorded(pqxdh), 1, "Bob publishes")._repr_mimebundle_()
        forms.append((data["text/plain"], data["text/html"]))
    assert forms[0] == forms[1]
    assert len(json.dumps(forms[0])) < 60_000
    picture = re.search(r"base64,([^\"]+)", forms[0][1])[1]
    assert "signed prekey" in "".join(ElementTree.fromstring(base64.b64decode(picture)).itertext())
