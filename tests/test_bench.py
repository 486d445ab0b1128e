"""The benchmark's reports and its notion of a floor. No figure of time is asserted anywhere."""

import io
import json
import sys
from collections import Counter

import pytest
from rich.console import Console

from x3dhlab import bench, kem, prekeys, ratchet, trace, x3dh
from x3dhlab.bench import Case, Peer, Row


@pytest.fixture(scope="module")
def every_case():
    return {case.operation: case for case in bench.cases()}


@pytest.fixture(scope="module")
def rows():
    return bench.run(seconds=0.01)


def operations(action):
    with trace.record() as run:
        action()
    return Counter(
        (event.kind, len(event.inputs[0][1]) if event.inputs else 0) for event in run.events
    )


def test_the_floor_makes_the_calls_of_the_operation_and_no_others(every_case):
    with_floor = [case for case in every_case.values() if case.floor]
    assert len(with_floor) >= 6
    for case in with_floor:
        case.ours()
        assert operations(case.floor) == operations(case.ours), case.operation


def test_the_floor_of_a_handshake_is_its_primitives():
    ring = prekeys.generate(one_time=1)
    bundle = bench.bundle_of(ring)
    floor = bench.floor_of(lambda: x3dh.initiate(ring.identity, bundle))
    kinds = Counter(kind for kind, _ in operations(floor).elements())
    assert kinds == {
        "VERIFY": 1,
        "RANDOM": 1,
        "PUBLIC": 1,
        "DH": 4,
        "CONCAT": 2,
        "HKDF": 1,
        "FORGET": 1,
    }


def test_a_message_with_a_dh_step_has_two_dh_outputs_and_one_in_a_chain_has_none(every_case):
    def count(name):
        return sum(kind == "DH" for kind, _ in operations(every_case[name].ours).elements())

    for _ in range(3):
        assert count("message, DH step") == 2
        assert count("message, same chain") == 0
        assert count("message, 5,000 later") == 0


def test_skipping_derives_a_key_for_each_skipped_message(every_case):
    kinds = Counter(
        kind
        for kind, _ in operations(every_case[f"skip {ratchet.MAX_SKIP:,} messages"].ours).elements()
    )
    assert kinds["HMAC"] == 2 * (ratchet.MAX_SKIP + 1)


def test_pqxdh_is_measured_over_every_backend_that_is_there(every_case):
    backends = {backend for algorithm, backend in kem.available() if algorithm == bench.KEM}
    for side in ("initiate", "respond"):
        measured = {name.split(", ")[1] for name in every_case if name.startswith(f"PQXDH {side}")}
        assert measured == backends


def test_a_backend_row_uses_its_own_backend(every_case, monkeypatch):
    used = set()
    genuine = kem.Kem._library

    def spy(self, name=None):
        used.add(name or self.backend)
        return genuine(self, name)

    monkeypatch.setattr(kem.Kem, "_library", spy)
    every_case["PQXDH initiate, kyber-py"].ours()
    every_case["PQXDH initiate, kyber-py"].floor()
    assert used == {"kyber-py"}


def test_the_peers_do_the_task_that_they_are_measured_at(every_case):
    assert set(every_case["message, same chain"].peers) == {"DoubleRatchet", "vodozemac"}
    assert set(every_case["X3DH respond"].peers) == {"X3DH"}
    for case in every_case.values():
        for action in case.peers.values():
            action()


def test_without_peers_the_rows_have_none(monkeypatch):
    for name in ("x3dh", "doubleratchet", "vodozemac", "xeddsa"):
        monkeypatch.setitem(sys.modules, name, None)
    assert all(not case.peers for case in bench.cases())


def test_no_peer_is_imported_with_the_package():
    import subprocess

    code = (
        "import sys, x3dhlab.bench;"
        "print(*{'x3dh', 'doubleratchet', 'vodozemac', 'xeddsa', 'oqs'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert (done.stdout.strip(), done.stderr, done.returncode) == ("", "", 0)


def test_ratios_say_who_is_faster():
    case = Case("x", print, print, {"slow": print, "fast": print})
    medians = {"ours": 2e-6, "the floor": 1e-6, "slow": 4e-6, "fast": 1e-6}
    row = bench._row(case, medians)
    assert row == Row("x", 500_000, 2, 2, (Peer("slow", 250_000, 2), Peer("fast", 1e6, 0.5)))


def test_every_case_becomes_a_row(rows, every_case):
    assert [row.operation for row in rows] == list(every_case)
    assert all(row.per_second > 0 for row in rows)
    assert all(
        (row.floor_ratio is None) == (every_case[row.operation].floor is None) for row in rows
    )


def test_json_holds_every_row_and_every_ratio(rows):
    loaded = json.loads(bench.as_json(rows))
    assert [entry["operation"] for entry in loaded] == [row.operation for row in rows]
    for entry, row in zip(loaded, rows, strict=True):
        assert entry["floor_ratio"] == row.floor_ratio
        assert [peer["name"] for peer in entry["peers"]] == [peer.name for peer in row.peers]


def test_the_table_fits_80_columns_and_names_every_operation(rows):
    page = io.StringIO()
    bench.show(rows, Console(file=page, width=80))
    text = page.getvalue()
    assert all(row.operation in text for row in rows)
    assert max(map(len, text.splitlines())) <= 80


def test_main_prints_json_on_request(capsys, monkeypatch, rows):
    monkeypatch.setattr(bench, "run", lambda seconds: rows)
    bench.main(json=True, seconds=1)
    assert json.loads(capsys.readouterr().out)
    bench.main(json=False, seconds=1)
    assert "X3DH initiate" in capsys.readouterr().out
