"""The service at work: in a thread and as a command; a restart loses nothing."""

import contextlib
import os
import re
import signal
import socket
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest
from service_desk import Desk, Device, text

from x3dhlab import cli
from x3dhlab.errors import StoreUnavailable
from x3dhlab.service.running import listen, running


def test_a_service_in_a_thread_answers_until_its_block_ends():
    with running() as service:
        assert httpx.get(f"{service.url}/v1/health").json() == {"status": "ok"}
    with pytest.raises(httpx.ConnectError):
        httpx.get(f"{service.url}/v1/health")


def test_it_is_reached_from_this_machine_only_unless_told_otherwise():
    with running() as service:
        assert service.url.startswith("http://127.0.0.1:")
        sockets = service._server.servers[0].sockets
        assert [s.getsockname()[0] for s in sockets] == ["127.0.0.1"]


def test_two_services_in_one_process_are_two(tmp_path):
    with Desk() as one, Desk() as other:
        one.publish(one.sign_in(Device("Bob")))
        assert one.core.store.known("Bob")
        assert not other.core.store.known("Bob")
        assert one.service.port != other.service.port


def test_a_busy_port_and_an_unusable_database_are_said():
    with contextlib.closing(listen("127.0.0.1", 0)) as busy:
        port = busy.getsockname()[1]
        with pytest.raises(StoreUnavailable, match=f"port {port} is busy"):
            running(port=port).start()
    with pytest.raises(StoreUnavailable, match="cannot be used"):
        running("sqlite:////nowhere/keys.db").start()


def test_answers_do_not_wait_for_acknowledgements():
    with contextlib.closing(listen("127.0.0.1", 0)) as listening:
        assert listening.proto == socket.IPPROTO_TCP  # asyncio asks for this before NODELAY


def test_a_restart_loses_nothing_that_was_answered(database_url):
    with Desk(database_url) as desk:
        alice, bob = desk.sign_in(Device("Alice")), desk.sign_in(Device("Bob"))
        desk.publish(bob)
        first = desk.fetch(alice, "Bob", "once").json()
        desk.send(alice, "Bob", number="a")
        desk.send(alice, "Bob", number="b")
        (gone, waits) = desk.waiting(bob)
        desk.acknowledge(bob, [gone["sequence"]])
    with Desk(database_url, clock=desk.clock) as desk:  # the tokens are good as well
        assert desk.fetch(alice, "Bob", "once").json() == first
        assert desk.core.store.counts("Bob") == (2, 0)
        assert desk.waiting(bob) == [waits]
        assert desk.send(alice, "Bob", number="b").json()["new"] is False


def test_an_open_socket_does_not_hold_up_the_end(tmp_path):
    with contextlib.ExitStack() as after:
        with Desk(f"sqlite:///{tmp_path}/keys.db") as desk:
            bob = desk.sign_in(Device("Bob"))
            after.enter_context(desk.socket(bob))
        assert not desk.service._thread.is_alive()


def test_the_end_waits_for_what_is_under_way(monkeypatch):
    begun, go_on = threading.Event(), threading.Event()
    with Desk() as desk, ThreadPoolExecutor(2) as threads:
        counts, bob = desk.core.store.counts, desk.sign_in(Device("Bob"))
        desk.publish(bob)

        def slow(name):
            begun.set()
            assert go_on.wait(60)
            return counts(name)

        monkeypatch.setattr(desk.core.store, "counts", slow)
        answer = threads.submit(desk.ask, bob, "GET", "/v1/users/Bob/counts")
        assert begun.wait(60)
        stopped = threads.submit(desk.service.stop)
        while _answers(desk.service.port):
            assert not stopped.done()
        go_on.set()
        assert answer.result(60).status_code == 200


def _answers(port):
    with contextlib.closing(socket.socket()) as asking:
        return asking.connect_ex(("127.0.0.1", port)) == 0


def test_several_services_on_one_database_are_one(database_url):
    with Desk(database_url) as one, Desk(database_url) as other:
        alice, bob = one.sign_in(Device("Alice")), other.sign_in(Device("Bob"))
        other.publish(bob)
        answers = [desk.fetch(alice, "Bob").json()["bundle"] for desk in (one, other, one)]
        assert len(set(answers)) == 3
        assert other.core.store.count("Bob") == 0
        with other.socket(bob) as his:
            one.send(alice, "Bob", b"across", number="1")
            assert text(b"across") in his.recv(timeout=60)
        (message,) = one.waiting(bob)
        one.acknowledge(bob, [message["sequence"]])
        assert other.waiting(bob) == []


def test_the_store_stays_light_without_the_service():
    heavy = ("fastapi", "uvicorn", "httpx", "websockets", "prometheus_client", "psycopg")
    code = (
        "import sys, x3dhlab.service.store, x3dhlab.service.accounts, x3dhlab.service.mailbox\n"
        f"print([name for name in {heavy} if name in sys.modules])"
    )
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert told.stdout.strip() == "[]"


# The command


@contextlib.contextmanager
def served(tmp_path, *arguments):
    """`x3dhlab serve` in a process of its own: (process, address)."""
    command = [sys.executable, "-m", "x3dhlab.cli", "serve", "--port", "0", *arguments]
    process = subprocess.Popen(
        command,
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        # Ctrl+C reaches it also where the tests themselves run in the background.
        preexec_fn=(lambda: signal.signal(signal.SIGINT, signal.default_int_handler))
        if os.name == "posix"
        else None,
    )
    try:
        found = re.search(r"http://\S+", process.stdout.readline())
        assert found, process.stderr.read()
        yield process, found[0]
    finally:
        process.kill()
        process.communicate()


@pytest.mark.skipif(os.name != "posix", reason="sends Ctrl+C as a signal")
def test_the_command_serves_until_ctrl_c_and_keeps_its_database(tmp_path):
    for _ in range(2):
        with served(tmp_path) as (process, url):
            assert httpx.get(f"{url}/v1/health").is_success
            process.send_signal(signal.SIGINT)
            out, err = process.communicate(timeout=60)
            assert process.returncode == 0, err
            assert "Stopped." in out
            assert '"route": "/v1/health"' in err
            assert "Traceback" not in err
    assert {path.name for path in tmp_path.iterdir()} == {"x3dhlab-service.db"}


def test_what_the_command_cannot_do_is_one_sentence(monkeypatch, capsys, tmp_path):
    monkeypatch.chdir(tmp_path)
    with contextlib.closing(listen("127.0.0.1", 0)) as busy:
        port = busy.getsockname()[1]
        for arguments, word in (
            (("--port", str(port)), f"port {port} is busy"),
            (("--database", "nonsense"), "cannot be used"),
        ):
            monkeypatch.setattr(sys, "argv", ["x3dhlab", "serve", *arguments])
            with pytest.raises(SystemExit) as stop:
                cli.main()
            told = capsys.readouterr()
            assert (stop.value.code, told.out) == (2, "")
            assert word in told.err
            assert len(told.err.splitlines()) == 1
