"""Group commit: what many requests change is made safe on the disk by one write.

A commit waits for the disk, and SQLite lets one transaction write at a time. So the requests that
arrive while the disk works become the next transaction, each as a step that alone can fail.
Nobody gets an answer before the commit. PostgreSQL does the same by itself: there each request has
its own transaction, and several run at once.
"""

import asyncio
import contextlib
import queue
import threading
from collections.abc import Callable

from x3dhlab.errors import StoreUnavailable
from x3dhlab.service.database import Database

BATCH = 64  # requests in one commit
QUEUE = 2000  # requests that wait; a further one is refused
THREADS = 8  # transactions at once on PostgreSQL


class Commits:
    """Runs jobs on a database for an event loop: `await commits(job, *arguments)`."""

    def __init__(self, database: Database):
        alone = database.engine.dialect.name != "sqlite"
        self.database, self._size = database, 1 if alone else BATCH
        self._jobs = queue.Queue(QUEUE)
        self._threads = [
            threading.Thread(target=self._work, daemon=True, name="x3dhlab commits")
            for _ in range(THREADS if alone else 1)
        ]
        for thread in self._threads:
            thread.start()

    async def __call__(self, job: Callable, *arguments, **options):
        """What the job returns or raises, when it is committed."""
        loop = asyncio.get_running_loop()
        answer = loop.create_future()
        try:
            self._jobs.put_nowait((lambda: job(*arguments, **options), loop, answer))
        except queue.Full:
            raise StoreUnavailable("too many requests wait for the database") from None
        return await answer

    def close(self) -> None:
        """Finish what waits, then stop."""
        for _ in self._threads:
            self._jobs.put(None)
        for thread in self._threads:
            thread.join()

    def _work(self):
        while (first := self._jobs.get()) is not None:
            batch, last = [first], False
            with contextlib.suppress(queue.Empty):
                while len(batch) < self._size and not last:
                    job = self._jobs.get_nowait()
                    last = job is None
                    batch += [job] * (not last)
            _tell(batch, self._commit([job for job, _, _ in batch]))
            if last:
                return

    def _commit(self, jobs):
        if len(jobs) == 1:
            return [_attempt(jobs[0])]
        try:
            with self.database.transaction():
                return [_attempt(job) for job in jobs]
        except StoreUnavailable as problem:
            return [(None, problem)] * len(jobs)


def _attempt(job):
    try:
        return job(), None
    except Exception as problem:  # it belongs to whoever waits for it
        return None, problem


def _tell(batch, outcomes):
    """One wake-up of the loop for a whole batch."""
    loop = batch[0][1]
    told = [(answer, outcome) for (_, _, answer), outcome in zip(batch, outcomes, strict=True)]
    with contextlib.suppress(RuntimeError):  # the loop is gone, and with it who asked
        loop.call_soon_threadsafe(_set, told)


def _set(told):
    for answer, (result, problem) in told:
        if answer.done():  # whoever asked has left
            continue
        if problem is None:
            answer.set_result(result)
        else:
            answer.set_exception(problem)
