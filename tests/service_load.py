"""The service under load, measured. Clients and service share the machine.

python -m tests.service_load store [KEYS] [KEYS] …  fetches a second in one process, by pool size
python -m tests.service_load bundles                32 clients in a closed loop, then 100/s offered
python -m tests.service_load relay                  50 clients with sockets, and a restart
With `--postgres` behind it: on a private PostgreSQL cluster that waits for the disk.

The load generator of `bundles` speaks HTTP by itself, over connections that stay open: a client
library would take more of the two cores than the service.
"""

import asyncio
import base64
import contextlib
import json
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field, replace

import websockets

from x3dhlab import prekeys
from x3dhlab.keys import KeyPair
from x3dhlab.primitives import sign
from x3dhlab.service.client import HttpTransport
from x3dhlab.service.commits import Commits
from x3dhlab.service.store import PreKeyStore
from x3dhlab.wire import OneTimePreKey, PreKeyBundle

TARGET = "Bob"
BATCH = 10_000  # keys in one upload to the store
PAUSE = 0.05  # seconds before a lost connection is made again
SERVE = (
    "from x3dhlab.service import running, app;"
    "running.serve({url!r}, port={port}, limits=app.Limits.none())"
)


def stock(url: str, count: int) -> PreKeyStore:
    """A store where `TARGET` has `count` one-time prekeys: their numbers are 1 to `count`."""
    store, publication = PreKeyStore(url), prekeys.publication(prekeys.generate(one_time=1))
    store.publish(TARGET, replace(publication, one_time_prekeys=()))
    for first in range(1, count + 1, BATCH):
        keys = range(first, min(first + BATCH, count + 1))
        store.replenish(TARGET, [OneTimePreKey(n, n.to_bytes(32, "big")) for n in keys])
    return store


@contextlib.contextmanager
def served(url: str, port: int = 0):
    """The command in a process of its own. Yields (process, address)."""
    command = [sys.executable, "-u", "-c", SERVE.format(url=url, port=port)]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL}  # its log
    with subprocess.Popen(command, text=True, **pipes) as process:
        try:
            told = process.stdout.readline()
            yield process, told.split()[-1]
        finally:
            process.kill()


def tokens(address: str, names) -> dict[str, str]:
    """Sign in under these names, each with a key of its own: name → token."""
    transport = HttpTransport(address)
    for name in names:
        keys = KeyPair.generate()
        transport.introduce(name, keys.public, lambda told, keys=keys: sign(keys.private, told))
    found = {name: transport._signed_in(name)["Authorization"] for name in names}
    transport.close()
    return found


@dataclass
class Load:
    """What was seen: seconds of each answer, one-time keys or texts that came, refusals."""

    answered: list[float] = field(default_factory=list)
    got: list = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    seconds: float = 0.0  # from the first request to the last answer

    @property
    def rate(self):
        """Answers a second."""
        return len(self.answered) / self.seconds

    def quantile(self, part: float) -> float:
        """Milliseconds in which this part of the answers came."""
        times = sorted(self.answered)
        return 1000 * times[min(len(times) - 1, int(part * len(times)))]


@contextlib.contextmanager
def _timed(load):
    began = time.perf_counter()
    yield
    load.seconds = time.perf_counter() - began


# The store in one process


async def fetches(store: PreKeyStore, *, clients=32, each=100) -> Load:
    """So many clients fetch by turns, through the commits that the service uses."""
    load, commits = Load(), Commits(store.database)

    async def client():
        for _ in range(each):
            began = time.perf_counter()
            bundle = await commits(store.fetch, TARGET)
            load.answered.append(time.perf_counter() - began)
            load.got.append(bundle.one_time_prekey_id)

    with _timed(load):
        await asyncio.gather(*(client() for _ in range(clients)))
    commits.close()
    return load


# Bundles over HTTP


class Line:
    """One connection that stays open, and one account."""

    def __init__(self, address, token):
        self.host, self.port = address.removeprefix("http://").split(":")
        self.head = (
            f"POST /v1/users/{TARGET}/bundles HTTP/1.1\r\nHost: {self.host}\r\n"
            f"Authorization: {token}\r\nContent-Length: 0\r\nIdempotency-Key: "
        )

    async def fetch(self, load, number):
        """One bundle; keeps its time and the number of its one-time key."""
        began = time.perf_counter()
        if not hasattr(self, "reader"):
            self.reader, self.writer = await asyncio.open_connection(self.host, self.port)
        self.writer.write(f"{self.head}{number}\r\n\r\n".encode())
        head = (await self.reader.readuntil(b"\r\n\r\n")).decode().lower()
        length = int(head.split("content-length:")[1].split("\r\n")[0])
        body = await self.reader.readexactly(length)
        load.answered.append(time.perf_counter() - began)
        if head.startswith("http/1.1 200"):
            bundle = base64.b64decode(json.loads(body)["bundle"])
            load.got.append(PreKeyBundle.decode(bundle).one_time_prekey_id)
        else:
            load.errors.append(f"{head[9:12]} {body[:80]!r}")


async def closed_loop(address, accounts, *, each=100) -> Load:
    """Each account asks again as soon as it has its answer."""
    load = Load()

    async def client(token):
        line = Line(address, token)
        for number in range(each):
            await line.fetch(load, number)

    with _timed(load):
        await asyncio.gather(*(client(token) for token in accounts))
    return load


async def offered(address, accounts, *, rate=100, count=1000) -> Load:
    """Requests at equal distances, whether the earlier ones are answered or not.

    A time counts from the moment at which the request should have left.
    """
    load, lines = Load(), [Line(address, token) for token in accounts]
    free, began, tasks = asyncio.Queue(), time.perf_counter(), []
    for line in lines:
        free.put_nowait(line)

    async def one(number, due):
        line = await free.get()
        await line.fetch(load, f"offered-{number}")
        load.answered[-1] = time.perf_counter() - due
        free.put_nowait(line)

    with _timed(load):
        for number in range(count):
            due = began + number / rate
            await asyncio.sleep(max(0, due - time.perf_counter()))
            tasks.append(asyncio.create_task(one(number, due)))
        await asyncio.gather(*tasks)
    return load


# Messages over sockets


class Phone:
    """A client that sends to the next one, repeats what is not stored, and acknowledges."""

    def __init__(self, load, address, name, token, to, count):
        self.load, self.name, self.to = load, name, to
        self.address = f"ws{address.removeprefix('http')}/v1/socket"
        self.token, self.received = token, []
        texts = {f"{name}-{n}": f"{name} {n}" for n in range(count)}
        self.unsent = {number: base64.b64encode(text.encode()) for number, text in texts.items()}

    async def run(self, until):
        """Connect, again and again, until everything is sent and `until` is set."""
        while not until.is_set():
            with contextlib.suppress(OSError, websockets.WebSocketException):
                headers = {"Authorization": self.token}
                async with websockets.connect(
                    self.address, additional_headers=headers, compression=None
                ) as socket:
                    await self._talk(socket, until)
            await asyncio.sleep(0 if until.is_set() else PAUSE)

    async def _talk(self, socket, until):
        writing = asyncio.create_task(self._write(socket))
        stopping = asyncio.create_task(self._close(socket, until))
        try:
            async for text in socket:
                await self._heard(socket, json.loads(text))
        finally:
            writing.cancel()
            stopping.cancel()
            await asyncio.gather(writing, stopping, return_exceptions=True)

    async def _write(self, socket):
        for number, envelope in list(self.unsent.items()):
            frame = {"type": "send", "to": self.to, "id": number, "envelope": envelope.decode()}
            await socket.send(json.dumps(frame))

    async def _close(self, socket, until):
        await until.wait()
        await socket.close()

    async def _heard(self, socket, frame):
        if frame["type"] == "stored":
            self.unsent.pop(frame["id"], None)
        elif frame["type"] == "message":
            self.received.append(base64.b64decode(frame["envelope"]).decode())
            self.load.answered.append(time.perf_counter())
            ack = {"type": "ack", "sequences": [frame["sequence"]]}
            await socket.send(json.dumps(ack))
        elif frame["type"] == "error":
            self.load.errors.append(f"{frame['error']} {frame['message']}")


async def relay(address, accounts, *, each=100, midway=None) -> Load:
    """Everybody sends to the next one in a circle, until all has arrived, or an error.

    `midway` is called when a third has arrived. `got` has every text, as often as it arrived.
    """
    load, names, over = Load(), list(accounts), asyncio.Event()
    circle = zip(names, names[1:] + names[:1], strict=True)
    phones = [Phone(load, address, name, accounts[name], to, each) for name, to in circle]
    tasks = [asyncio.create_task(phone.run(over)) for phone in phones]
    wanted, began = {f"{name} {n}" for name in names for n in range(each)}, time.perf_counter()
    while not _arrived(phones) >= wanted and not load.errors:
        if midway is not None and len(load.answered) > len(wanted) // 3:
            await asyncio.to_thread(midway)
            midway = None
        await asyncio.sleep(PAUSE)
    load.seconds = load.answered[-1] - began
    over.set()
    await asyncio.gather(*tasks)
    load.got = [text for phone in phones for text in phone.received]
    return load


def _arrived(phones):
    return {text for phone in phones for text in phone.received}


class Restarting:
    """A service that `restart` kills with SIGKILL and starts again at its address."""

    def __init__(self, url):
        self.url, self._stack = url, contextlib.ExitStack()

    def __enter__(self):
        self._process, self.address = self._stack.enter_context(served(self.url))
        return self

    def __exit__(self, *_):
        self._stack.close()

    def restart(self):
        """Kill it and wait until the next one answers."""
        self._process.kill()
        self._process.wait()
        port = int(self.address.rsplit(":", 1)[1])
        self._process, _ = self._stack.enter_context(served(self.url, port))


# Figures


@contextlib.contextmanager
def databases(postgres):
    """A function that gives the URL of an empty database."""
    if postgres:
        from tests import postgres as private

        with private.cluster(durable=True) as place:
            numbers = iter(range(1000))
            yield lambda: private.new_database(place, f"load{next(numbers)}")
    else:
        with tempfile.TemporaryDirectory() as folder:
            numbers = iter(range(1000))
            yield lambda: f"sqlite:///{folder}/keys{next(numbers)}.db"


def syncs(seconds: float = 1.0) -> float:
    """How often a second this disk makes 4 kB safe: what no commit can be faster than."""
    with tempfile.TemporaryFile() as file:
        count, began = 0, time.perf_counter()
        while time.perf_counter() - began < seconds:
            os.pwrite(file.fileno(), os.urandom(4096), 0)
            os.fdatasync(file.fileno())
            count += 1
        return count / (time.perf_counter() - began)


def tell(what, load):
    """One line of figures."""
    print(
        f"{what}: {load.rate:.0f}/s; p50 {load.quantile(0.5):.1f} ms,"
        f" p99 {load.quantile(0.99):.1f} ms; {len(load.errors)} errors;"
        f" load average {os.getloadavg()[0]:.1f}"
    )


def main(what, *sizes):
    """Print the figures of one kind."""
    print(f"the disk makes {syncs():.0f} writes safe a second")
    with databases("--postgres" in sizes) as new:
        sizes = [int(size) for size in sizes if size != "--postgres"]
        {"store": _store, "bundles": _bundles, "relay": _relay}[what](new, *sizes)


def _store(new, *sizes):
    stores = {size: stock(new(), size) for size in sizes or (10_000, 1_000_000)}
    for _ in range(3):
        for size, store in stores.items():
            spent = time.process_time()
            load = asyncio.run(fetches(store))
            spent = (time.process_time() - spent) / len(load.answered)
            tell(f"{size} keys, 32 clients, {1e6 * spent:.0f} us of CPU a fetch", load)


def _bundles(new, clients=32, each=150):
    url = new()
    stock(url, clients * each + 2000).close()
    with served(url) as (_, address):
        accounts = list(tokens(address, [f"client {n}" for n in range(clients)]).values())
        load = asyncio.run(closed_loop(address, accounts, each=each))
        tell(f"{clients} clients in a closed loop", load)
        assert len(set(load.got)) == len(load.got) == clients * each
        tell("100/s offered", asyncio.run(offered(address, accounts)))


def _relay(new, clients=50, each=100):
    with Restarting(new()) as service:
        accounts = tokens(service.address, [f"phone-{n}" for n in range(clients)])
        for what, midway in (("without a restart", None), ("with one", service.restart)):
            load = asyncio.run(relay(service.address, accounts, each=each, midway=midway))
            print(
                f"{clients} sockets, {what}: {clients * each / load.seconds:.0f} messages/s,"
                f" {len(load.got) - len(set(load.got))} came twice, none is missing;"
                f" {len(load.errors)} errors; load average {os.getloadavg()[0]:.1f}"
            )


if __name__ == "__main__":
    main(*sys.argv[1:])
