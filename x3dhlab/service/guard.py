"""What stands before a handler: the socket, how often somebody may ask, and how much a request may
bring. The prekey service and a room's page share it."""

import errno
import math
import os
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass, field

CLIENTS = 4096  # callers whose rate is remembered


@dataclass(slots=True)
class Rate:
    """A bucket of `size` for each client; `each_second` come back. The oldest are forgotten."""

    size: float
    each_second: float
    clock: Callable[[], float] = time.monotonic
    _buckets: dict = field(default_factory=dict, repr=False)

    def wait(self, client: str) -> float:
        """0 if this client may go on, else the seconds until it may."""
        now = self.clock()
        left, then = self._buckets.pop(client, (self.size, now))
        left = min(self.size, left + (now - then) * self.each_second)
        allowed = left >= 1
        self._buckets[client] = (left - allowed, now)
        if len(self._buckets) > CLIENTS:
            self._buckets.pop(next(iter(self._buckets)))
        if allowed:
            return 0
        return (1 - left) / self.each_second if self.each_second else math.inf

    def take(self, client: str) -> bool:
        """True if this client may go on."""
        return self.wait(client) == 0


async def read_body(receive, limit: int) -> bytes | None:
    """The bytes of a request, or None as soon as there are too many."""
    body, more = b"", True
    while more and len(body) <= limit:
        message = await receive()
        body += message.get("body", b"")
        more = message.get("more_body", False)
    return body if len(body) <= limit else None


def again(body: bytes, receive):
    """A `receive` that gives a body that was read before, then what follows."""
    waiting = [{"type": "http.request", "body": body, "more_body": False}]

    async def receiving():
        return waiting.pop() if waiting else await receive()

    return receiving


def listen(host: str, port: int) -> socket.socket:
    """A socket that listens, so that its address is good when it is told; port 0 is any free one.

    Raises `OSError`; its `strerror` says what to do.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # With the protocol's number, asyncio sends at once: without it, answers wait 40 ms.
    listening = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        if os.name == "posix":
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind((host, port))
        listening.listen(1024)
    except OSError as problem:
        listening.close()
        if problem.errno == errno.EADDRINUSE:
            problem.strerror = f"port {port} is busy; choose another one with --port"
        raise
    return listening
