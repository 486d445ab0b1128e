"""A class of a hundred at the room's page, measured.

python -m tests.room_load [LEARNERS] [UPDATES] [SECONDS]     prints the figures

Each learner has a connection of its own and reports `UPDATES` events, one every `SECONDS` on
average (0: as fast as the answers come). The instructor's page waits for news as the real one does.
Client and server share the machine.
"""

import asyncio
import os
import random
import re
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx

from x3dhlab.classroom import places

COMMAND = "from x3dhlab.classroom import server; server.serve({!r})"
QUIET = 0.05  # seconds between two questions of the page, as in shared.js
PATIENCE = 120  # seconds; an answer that takes longer is an error


@contextmanager
def served(file: Path):
    """The command in a process of its own. Yields (address, join code, instructor's token)."""
    command = [sys.executable, "-u", "-c", COMMAND.format(str(file))]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        told = ""
        while "#" not in told:
            told += process.stdout.readline()
        code = re.search(r"Join code: (\S+)", told)[1]
        address, token = re.search(r"(http\S+)/#(\S+)", told).groups()
        try:
            yield address, code, token
        finally:
            process.kill()


@dataclass
class Load:
    """What was seen: milliseconds of each report, milliseconds until the page had it, errors."""

    answered: list[float] = field(default_factory=list)
    shown: list[float] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    state: dict = field(default_factory=dict)
    waiting: dict = field(default_factory=dict)

    def note(self, answer):
        """Keep a refusal; the load stays below every limit of the room."""
        if not answer.is_success:
            self.errors.append(f"{answer.status_code} {answer.text[:80]}")
        return answer


async def run(address, code, token, *, learners=100, updates=15, seconds=0.0) -> Load:
    """Let a class work and wait until the page shows the last of it."""
    load, over = Load(), asyncio.Event()
    async with asyncio.TaskGroup() as tasks:
        page = tasks.create_task(_page(load, address, token, over))
        work = [_learner(load, address, code, n, updates, seconds) for n in range(learners)]
        await asyncio.gather(*work)
        over.set()
        await page
    return load


def _client(address, token):
    headers = {"Authorization": f"Bearer {token}"}
    return httpx.AsyncClient(base_url=address, headers=headers, timeout=PATIENCE)


async def _learner(load, address, code, number, updates, seconds):
    name, known = f"learner {number}", list(places.of_course())
    async with _client(address, "none") as client:
        joined = load.note(await client.post("/api/join", json={"code": code, "name": name}))
        client.headers["Authorization"] = f"Bearer {joined.json()['token']}"
        for turn in range(updates):
            await asyncio.sleep(random.expovariate(1 / seconds) if seconds else 0)
            event = {"place": known[turn % len(known)], "verdict": "passed"}
            began = time.perf_counter()
            load.waiting[name] = event["place"], began
            told = {"first": turn + 1, "events": [event]}
            load.note(await client.post("/api/report", json=told))
            load.answered.append(1000 * (time.perf_counter() - began))


async def _page(load, address, token, over):
    """As room.js does: ask again when the answer is there, a little later."""
    since = ""
    async with _client(address, token) as client:
        while load.waiting or not over.is_set():
            answer = load.note(await client.get("/api/room", params={"since": since}))
            load.state = answer.json()
            since = load.state["version"]
            _look(load)
            await asyncio.sleep(QUIET)


def _look(load):
    now = time.perf_counter()
    for learner in load.state["learners"]:
        place, began = load.waiting.get(learner["name"], ("", now))
        if place and place == learner["place"]:
            load.shown.append(1000 * (now - began))
            del load.waiting[learner["name"]]


def quantile(values, part):
    """The value below which this part of them lies."""
    return sorted(values)[min(len(values) - 1, int(part * len(values)))]


def main(learners=100, updates=60, seconds=1.0):
    """Print the figures of one run."""
    with tempfile.TemporaryDirectory() as folder, served(Path(folder) / "room.db") as where:
        began = time.perf_counter()
        facts = {"learners": int(learners), "updates": int(updates), "seconds": float(seconds)}
        load = asyncio.run(run(*where, **facts))
        took = time.perf_counter() - began
    print(f"{learners} learners, {len(load.answered)} updates in {took:.1f} s", end="; ")
    print(f"{len(load.errors)} errors; load average {os.getloadavg()[0]:.1f}")
    for what, found in (("report answered", load.answered), ("on the page", load.shown)):
        told = ", ".join(
            f"p{round(100 * q)} {quantile(found, q):.0f} ms" for q in (0.5, 0.95, 0.99)
        )
        print(f"{what:<16} {told}, slowest {max(found):.0f} ms")


if __name__ == "__main__":
    main(*sys.argv[1:])
