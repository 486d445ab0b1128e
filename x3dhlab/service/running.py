"""The service at work: in a thread of this process, or alone until Ctrl+C."""

import contextlib
import functools
import logging
import sys
import threading
import time

import uvicorn

from x3dhlab.errors import StoreUnavailable
from x3dhlab.service import metrics, relay
from x3dhlab.service.app import application
from x3dhlab.service.guard import listen

PORT = 8766
STOP_SECONDS = 5  # for requests that are under way


class Service:
    """A service in a thread: `with running() as service:` or `service = running().start()`."""

    def __init__(self, database: str = "sqlite://", *, host="127.0.0.1", port=0, **options):
        self._made = lambda: application(database, **options)
        self.host, self.port = host, port

    @property
    def url(self) -> str:
        """Where it answers."""
        return _address(self.host, self.port)

    def start(self) -> "Service":
        """Answers from now on. Raises `StoreUnavailable` for a database or a port."""
        self.application = self._made()
        listening = _listen(self.host, self.port)
        self.port = listening.getsockname()[1]
        self._server = uvicorn.Server(_settings(self.application))
        self._thread = threading.Thread(
            target=self._server.run, args=([listening],), daemon=True, name="x3dhlab service"
        )
        self._thread.start()
        while not self._server.started:
            if not self._thread.is_alive():
                raise StoreUnavailable("the service did not start")
            time.sleep(0.005)
        return self

    def stop(self) -> None:
        """Finish what is under way, then stop. What was answered is on the disk."""
        self._server.should_exit = True
        self._thread.join()

    def __enter__(self):
        return self.start()

    def __exit__(self, *_):
        self.stop()


running = Service


def serve(database: str, *, host: str = "127.0.0.1", port: int = PORT, say=None, **options):
    """Serve until Ctrl+C. Raises `StoreUnavailable` for a database or a port that is not usable."""
    say = say or functools.partial(print, flush=True)
    app = application(database, **options)
    listening = _listen(host, port)
    port = listening.getsockname()[1]
    _log_to(sys.stderr)
    say(f"The prekey service answers on {_address(host, port)}")
    if host in ("127.0.0.1", "localhost", "::1"):
        say("Only this machine reaches it. For others: --host 0.0.0.0")
    else:
        say("Everybody in this network reaches it. The connection is not encrypted.")
    say("To stop: Ctrl+C in this window.")
    with contextlib.suppress(KeyboardInterrupt):
        uvicorn.Server(_settings(app)).run(sockets=[listening])
    say("Stopped. What was answered is on the disk.")


def _listen(host, port):
    try:
        return listen(host, port)
    except OSError as problem:
        why = f"the service cannot listen on {host}: {problem.strerror}"
        raise StoreUnavailable(why) from problem


def _address(host, port):
    return f"http://{f'[{host}]' if ':' in host else host}:{port}"


def _settings(app):
    return uvicorn.Config(
        app,
        http="httptools",
        ws="websockets-sansio",
        ws_max_size=relay.FRAME_LIMIT,
        lifespan="on",
        log_config=None,
        log_level="critical",
        access_log=False,
        # An address that a client only claims to have would escape the limits.
        proxy_headers=False,
        server_header=False,
        timeout_keep_alive=30,
        timeout_graceful_shutdown=STOP_SECONDS,
    )


def _log_to(stream):
    handler = logging.StreamHandler(stream)
    handler.setFormatter(metrics.JsonLines())
    metrics.logger.addHandler(handler)
    metrics.logger.setLevel(logging.INFO)
    metrics.logger.propagate = False
