"""A service in a process of its own that can be told to die at one of its writes, by SIGKILL.

The points are: before a statement that writes, before a commit, after a commit. So between any two
writes there is one. Nothing in the service knows of it.
"""

import contextlib
import multiprocessing
import os
import signal
from collections.abc import Iterator

from sqlalchemy import event

from x3dhlab.service.app import Limits
from x3dhlab.service.running import running

WRITES = ("INSERT", "UPDATE", "DELETE")
_processes = multiprocessing.get_context("forkserver")
_processes.set_forkserver_preload(["x3dhlab.service.running"])


class Service:
    """`url` is where it answers. `arm(n)` lets it die at the n-th point from now on."""

    def __init__(self, process, pipe):
        self._process, self._pipe = process, pipe
        self.url = pipe.recv()

    def arm(self, point: int) -> None:
        """Die at that point, counted from 0."""
        self._pipe.send(point)
        self._pipe.recv()

    def died(self) -> bool:
        """Did it? Waits for its end if the connection says so."""
        try:
            self._pipe.send(None)
            return self._pipe.recv() is None
        except (EOFError, ConnectionError):
            self._process.join()
            return True


@contextlib.contextmanager
def service(database: str) -> Iterator[Service]:
    """Start one. Killed at the end if it lives."""
    ours, theirs = multiprocessing.Pipe()
    process = _processes.Process(target=_serve, args=(database, theirs))
    process.start()
    theirs.close()
    try:
        yield Service(process, ours)
    finally:
        process.kill()
        process.join()


def _serve(database, pipe):
    with running(database, limits=Limits.none()) as started:
        points = _Points(started.application.state.core.database.engine)
        pipe.send(started.url)
        while True:
            told = pipe.recv()
            if told is not None:
                points.left = told
            pipe.send("here")


class _Points:
    def __init__(self, engine):
        self.left = None
        commit = engine.dialect.do_commit

        def committing(connection):
            commit(connection)
            self.passed()

        engine.dialect.do_commit = committing
        event.listen(engine, "commit", lambda _: self.passed())
        event.listen(engine, "before_cursor_execute", self._statement)

    def _statement(self, connection, cursor, statement, *_):
        if statement.startswith(WRITES):
            self.passed()

    def passed(self):
        if self.left == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        if self.left is not None:
            self.left -= 1
