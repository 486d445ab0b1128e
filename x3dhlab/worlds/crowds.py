"""A70 with real threads and real processes: a pool that is one text, and the store of this course.

The pool is design C's: all keys of a user as one JSON text in one field, which a request reads,
shortens and writes back. `meet` makes everybody read before anybody writes, so that the worst
order is run every time; without it, luck decides. A process is started as
`python -m x3dhlab.worlds.crowds`, and does as it is told on its standard input.
"""

import json
import sqlite3
import subprocess
import sys
import threading
from contextlib import ExitStack, nullcontext
from pathlib import Path

_Lock = threading.Lock


class JsonPool:
    """One connection to the field; `make` writes the first text."""

    def __init__(self, path: str | Path):
        self._database = sqlite3.connect(path, isolation_level=None, timeout=30)
        self._database.execute("PRAGMA synchronous = OFF")  # nothing here must outlive a crash

    def make(self, count: int) -> None:
        """A table with one row, whose field holds the numbers 0 … count - 1."""
        self._database.execute("CREATE TABLE IF NOT EXISTS bundles (user PRIMARY KEY, pool)")
        row = ("Bob", json.dumps(list(range(count))))
        self._database.execute("INSERT OR REPLACE INTO bundles VALUES (?, ?)", row)

    def read(self) -> list[int]:
        """What one request finds."""
        return json.loads(self._database.execute("SELECT pool FROM bundles").fetchone()[0])

    def write(self, numbers: list[int]) -> None:
        """What one request leaves."""
        self._database.execute("UPDATE bundles SET pool = ?", (json.dumps(numbers),))

    def close(self) -> None:
        """Give the connection back."""
        self._database.close()


def threads_on_json(
    path: str | Path, crowd: int = 8, each: int = 10, *, meet: bool = True, lock: bool = False
) -> list[int]:
    """The numbers that `crowd` threads got with `each` requests. With `lock`, one at a time."""
    made = JsonPool(path)
    made.make(crowd * each)
    made.close()
    got: list[int] = []
    everybody = threading.Barrier(crowd)
    turn = _Lock() if lock else nullcontext()

    def ask():
        pool = JsonPool(path)
        for _ in range(each):
            with turn:
                numbers = pool.read()
                if meet and not lock:
                    everybody.wait()
                pool.write(numbers[1:])
            got.append(numbers[0])
            if meet:
                everybody.wait()
        pool.close()

    _together(ask, crowd)
    return got


def _together(work, crowd):
    threads = [threading.Thread(target=work) for _ in range(crowd)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def processes_on_json(path: str | Path, crowd: int = 4, each: int = 10) -> list[int]:
    """The same by processes. Each has a lock of its own, and holds it while it reads and writes."""
    pool = JsonPool(path)
    pool.make(crowd * each)
    pool.close()
    got: list[int] = []
    with ExitStack() as stack:
        workers = [stack.enter_context(_worker("json", path)) for _ in range(crowd)]
        for _ in range(each):
            for step in ("read", "write"):
                for worker in workers:
                    print(step, file=worker.stdin, flush=True)
                answers = [json.loads(worker.stdout.readline()) for worker in workers]
            got += answers
    return got


def processes_on_store(url: str, name: str, crowd: int = 4, each: int = 10) -> list[int]:
    """The one-time keys that `crowd` processes got of `name` from the store at `url`."""
    with ExitStack() as stack:
        workers = [stack.enter_context(_worker("store", url)) for _ in range(crowd)]
        for worker in workers:
            worker.stdout.readline()  # it is there
        for worker in workers:
            print(name, each, file=worker.stdin, flush=True)
        return sum((json.loads(worker.stdout.readline()) for worker in workers), [])


def _worker(kind, place):
    command = [sys.executable, "-m", "x3dhlab.worlds.crowds", kind, str(place)]
    pipe = subprocess.PIPE
    return subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True)


def _answer(value):
    print(json.dumps(value), flush=True)


def _on_json(path):
    pool, lock, numbers = JsonPool(path), threading.Lock(), []
    for step in sys.stdin:
        if step.strip() == "read":
            lock.acquire()
            numbers = pool.read()
        else:
            pool.write(numbers[1:])
            lock.release()
        _answer(numbers[0])


def _on_store(url):
    from x3dhlab.service.store import PreKeyStore

    store = PreKeyStore(url)
    _answer("ready")
    name, each = sys.stdin.readline().split()
    _answer([store.fetch(name).one_time_prekey_id for _ in range(int(each))])
    store.close()


if __name__ == "__main__":
    {"json": _on_json, "store": _on_store}[sys.argv[1]](sys.argv[2])
