"""Who listens, what an operation is called, and that nothing happens when nobody listens."""

import ast
import threading
from pathlib import Path

import pytest

import x3dhlab
from x3dhlab import observe, primitives, trace, x3dh
from x3dhlab.errors import LowOrderKey
from x3dhlab.keys import KeyPair
from x3dhlab.primitives import dh, hkdf

KEY = b"\x07" * 32


def told(function, *arguments, **keywords):
    """The operations of one call: (kind, input names, output names, formula, section)."""
    with trace.record() as recorded:
        function(*arguments, **keywords)
    return [
        (
            event.kind,
            [name for name, _ in event.inputs],
            [name for name, _ in event.outputs],
            event.formula,
            event.section,
        )
        for event in recorded.events
    ]


VERIFY = (
    "VERIFY",
    ["bundle.identity_key", "encoded", "bundle.signed_prekey_signature"],
    [],
    "verify(bundle.identity_key, encoded, bundle.signed_prekey_signature)",
    "X3DH §3.3",
)
KDF = [
    (
        "CONCAT",
        ["part 1", "dhs[0]", "dhs[1]", "dhs[2]", "dhs[3]"],
        ["key_material"],
        "key_material = concat(F, *dhs)",
        "X3DH §2.2, KDF(KM)",
    ),
    (
        "HKDF",
        ["salt", "key_material", "info"],
        ["SK"],
        "return hkdf(key_material, salt=bytes(32), info=info, length=32)",
        "X3DH §2.2, KDF(KM)",
    ),
    (
        "CONCAT",
        ["part 1", "part 2"],
        ["AD"],
        "return concat(encode_key(identity_a), encode_key(identity_b))",
        "X3DH §3.3",
    ),
]


def step(result, private, public, section):
    return ("DH", [private, public], [result], f"{result} = dh({private}, {public})", section)


def test_every_operation_of_the_initiator_is_named_as_in_the_specification(cast):
    section = "X3DH §3.3"
    assert told(x3dh.initiate, cast.IK_A, cast.bundle()) == [
        VERIFY,
        ("RANDOM", [], ["EK_A.private"], "EK_A = ephemeral or KeyPair.generate()", section),
        ("PUBLIC", ["private"], ["EK_A.public"], "EK_A = ephemeral or KeyPair.generate()", section),
        step("DH1", "IK_A.private", "SPK_B", section),
        step("DH2", "EK_A.private", "IK_B", section),
        step("DH3", "EK_A.private", "SPK_B", section),
        step("DH4", "EK_A.private", "OPK_B", section),
        *KDF[:-1],
        ("FORGET", ["EK_A.private"], [], "forget(EK_A.private)", section),
        KDF[-1],
    ]


def test_every_operation_of_the_responder_is_named_as_in_the_specification(cast):
    section = "X3DH §3.4"
    message, _ = cast.initiate()
    assert told(x3dh.respond, cast.IK_B, cast.SPK_B, cast.OPK_B, message) == [
        step("DH1", "SPK_B.private", "IK_A", section),
        step("DH2", "IK_B.private", "EK_A", section),
        step("DH3", "SPK_B.private", "EK_A", section),
        step("DH4", "OPK_B.private", "EK_A", section),
        *KDF,
    ]


def test_a_learners_own_function_is_read_the_same_way():
    def shared(mine, theirs):
        """My notes, which cite no section."""
        Z = dh(mine, theirs)
        return hkdf(Z, salt=b"", info=b"", length=32)

    first, second = told(shared, KEY, KeyPair.generate().public)
    assert first == ("DH", ["mine", "theirs"], ["Z"], "Z = dh(mine, theirs)", "")
    assert second[1][1] == "Z"


def test_code_without_source_is_told_by_roles():
    namespace = {"dh": dh, "KEY": KEY, "public": KeyPair.generate().public}
    with trace.record() as recorded:
        exec("secret = dh(KEY, public)", namespace)
    [event] = recorded.events
    assert (event.kind, event.formula, event.section) == ("DH", "", "")
    assert [name for name, _ in event.outputs] == ["dh"]


def test_nothing_is_recorded_when_nobody_listens(monkeypatch, cast):
    monkeypatch.setattr(observe, "_Call", None)  # reading the stack would fail
    assert not observe.listening()
    message, ours = cast.initiate()
    assert cast.respond(message) == ours
    with pytest.raises(TypeError), trace.record():
        dh(KEY, KeyPair.generate().public)


def test_a_recording_holds_its_own_block_only():
    dh(KEY, primitives.public_key(KEY))
    with trace.record() as recorded:
        primitives.random_bytes(4)
    primitives.random_bytes(4)
    assert [event.kind for event in recorded.events] == ["RANDOM"]
    assert not observe.listening()


def test_nested_recorders_both_hear_the_inner_block():
    with trace.record() as outer:
        primitives.random_bytes(1)
        with trace.record() as inner:
            primitives.random_bytes(2)
        primitives.random_bytes(3)
    assert [len(event.outputs[0][1]) for event in outer.events] == [1, 2, 3]
    assert [len(event.outputs[0][1]) for event in inner.events] == [2]


def test_an_exception_ends_the_recording_where_it_was():
    with pytest.raises(LowOrderKey), trace.record() as recorded:
        primitives.random_bytes(1)
        dh(KEY, bytes(32))
        primitives.random_bytes(1)
    assert [(event.kind, event.error) for event in recorded.events] == [
        ("RANDOM", ""),
        ("DH", "LowOrderKey"),
    ]
    assert recorded.events[1].outputs == ()
    assert not observe.listening()


def test_an_exception_in_an_inner_block_leaves_the_outer_one_listening():
    with trace.record() as outer:
        with pytest.raises(LowOrderKey), trace.record():
            dh(KEY, bytes(32))
        primitives.random_bytes(1)
    assert [event.kind for event in outer.events] == ["DH", "RANDOM"]


def test_the_actor_is_the_innermost_one_and_is_given_back():
    with trace.record() as recorded:
        primitives.random_bytes(1)
        with observe.acting("Alice"):
            with pytest.raises(LowOrderKey), observe.acting("Bob"):
                dh(KEY, bytes(32))
            primitives.random_bytes(1)
    assert [event.actor for event in recorded.events] == ["", "Bob", "Alice"]
    assert observe.actor() == ""


def test_another_thread_is_not_overheard():
    with trace.record() as recorded:
        thread = threading.Thread(target=primitives.random_bytes, args=(4,))
        thread.start()
        thread.join()
    assert recorded.events == []


# Where announcements may be made

PACKAGE = Path(x3dhlab.__file__).parent
# The last two are where bytes cross the wire.
ANNOUNCERS = {"primitives.py", "kem.py", "party.py", "service/client.py"}
SILENT = [
    "errors", "keys", "layout", "wire", "x3dh", "pqxdh", "ratchet", "header_encryption",
    "prekeys", "session", "service/store", "progress",
]  # fmt: skip


def names(path):
    """Every name, attribute and import of a module."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Name):
            yield node.id
        elif isinstance(node, ast.Attribute):
            yield node.attr
        elif isinstance(node, (ast.Import, ast.ImportFrom)):
            yield from (part for alias in node.names for part in alias.name.split("."))
            yield from (getattr(node, "module", None) or "").split(".")


def test_only_the_doors_announce():
    modules = [path for path in PACKAGE.rglob("*.py") if "grading" not in path.parts]
    found = {str(p.relative_to(PACKAGE)) for p in modules if "announce" in set(names(p))}
    assert found == ANNOUNCERS


@pytest.mark.parametrize("module", SILENT)
def test_a_protocol_module_does_not_know_that_it_is_observed(module):
    used = set(names(PACKAGE / f"{module}.py"))
    assert used
    assert used.isdisjoint({"observe", "announce", "listen", "acting", "trace"})
