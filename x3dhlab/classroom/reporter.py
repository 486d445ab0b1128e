"""The learner's side of a room: tells the page what the learner's progress file gains.

Only after `x3dhlab lab --room`, and only what is done from then on. What leaves the laptop are the
join code, the nickname, and `places.Event`s with a running number: place, verdict, name of a
mistake, chosen prediction. Code, file names, paths and free text never do. The notebook knows
nothing of it: a page that is slow, gone or hostile costs the learner one line in the terminal.
"""

import contextlib
import itertools
import json
import os
import random
import threading
from collections import deque
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

import httpx

from x3dhlab import progress
from x3dhlab.classroom import places
from x3dhlab.classroom.places import BATCH, Event
from x3dhlab.course import CourseProblem

FILE = "room.json"  # beside the progress file: the nickname's token, for the next start
PAUSE, LONGEST = 1.0, 60.0  # seconds between two looks at the file; doubled while nobody answers
SECONDS = httpx.Timeout(2)  # to connect, and for each answer
MOST_WAITING = 500  # events that wait for the page; older ones are dropped
PROMISE = (
    "The page is told: your nickname, where you are, passed or failed, names of mistakes, and"
    " which predictions you chose. Never what you wrote."
)
GONE = "The room's page does not answer. Just go on; it is told later."
_TROUBLE = (httpx.HTTPError, OSError, RuntimeError, ValueError, KeyError, TypeError)


class _UnwantedError(Exception):
    """The room refuses for good; `args[0]` says why."""


class Reporter:
    """Follows one progress file for one room. `say` gets the lines for the terminal."""

    def __init__(self, file: Path, url: str, name: str, code: str, *, say=print, transport=None):
        self._file, self._url, self._name, self._code = Path(file), _checked(url), name, code
        self._say, self._told_gone, self._called = say, False, ""
        self._place = _size(self._file)
        self._waiting, self._next = deque(), None
        self._token = self._kept_token()
        self._client = httpx.Client(
            base_url=self._url,
            headers={"User-Agent": "x3dhlab", "Accept": "application/json"},
            timeout=SECONDS,
            trust_env=False,
            transport=transport,
        )
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="room", daemon=True)

    def start(self) -> None:
        """Join and follow the file from now on. Raises `CourseProblem` if the room refuses."""
        self._say(PROMISE)
        try:
            self._join()
        except _UnwantedError as problem:
            raise CourseProblem(
                f"{problem} To open the course without the room, leave out --room."
            ) from problem
        except _TROUBLE:
            self._say_gone()
        self._thread.start()

    def stop(self) -> None:
        """Tell what is left, if the page answers at once."""
        self._stopped.set()
        if self._thread.is_alive():
            self._thread.join(timeout=2 * SECONDS.read)
        self._client.close()

    def _run(self):
        pause, answered = PAUSE, True
        try:
            while not self._stopped.wait(pause) or answered:
                answered = self.look() and not self._stopped.is_set()
                longer = min(2 * pause, LONGEST) * random.uniform(0.75, 1)
                pause = PAUSE if answered else max(PAUSE, longer)
        except _UnwantedError as problem:
            self._say(f"{problem} Just go on without it.")

    def look(self) -> bool:
        """Read what is new and tell it. False if the page does not answer, or wants to be left
        alone: what waits is told later, and counted once. Raises `_UnwantedError`."""
        self._read()
        try:
            return self._tell()
        except _TROUBLE:
            self._say_gone()
            return False

    def _say_gone(self):
        if not self._told_gone:
            self._say(GONE)
        self._told_gone = True

    # What is new in the file

    def _read(self):
        """Take the whole lines that were added; a line that is half written comes next time."""
        with contextlib.suppress(OSError), self._file.open("rb") as stream:
            if _size(self._file) < self._place:
                self._place = _size(self._file)
            stream.seek(self._place)
            added = stream.read()
            whole = added[: added.rfind(b"\n") + 1]
            self._place += len(whole)
            found = filter(None, map(_event, whole.splitlines()))
            self._waiting.extend(found)
        self._drop_the_oldest()

    def _drop_the_oldest(self):
        while len(self._waiting) > MOST_WAITING:
            self._take(1)

    def _take(self, number):
        for _ in range(number):
            self._waiting.popleft()
        self._next = None if self._next is None else self._next + number

    # What is told

    def _tell(self):
        if not self._token or self._next is None:
            self._join()
        while self._waiting:
            batch = list(itertools.islice(self._waiting, BATCH))
            if not self._report(batch):
                return False
            self._take(len(batch))
        return True

    def _report(self, batch):
        told = {"first": self._next, "events": [_said(event) for event in batch]}
        headers = {"Authorization": f"Bearer {self._token}"}
        answer = self._client.post("/api/report", json=told, headers=headers)
        if answer.status_code == 401:
            self._token = ""
        return _good(answer) is not None

    def _join(self):
        asked = {"code": self._code, "name": self._name, "token": self._token}
        found = _good(self._client.post("/api/join", json=asked))
        if found is None:
            raise ValueError("not now")
        token, name, seen = str(found["token"]), str(found["name"]), int(found["seen"])
        self._next = max(seen + 1, self._next or 1)
        if token != self._token:
            self._token = token
            self._keep_token()
        if name != self._called:
            self._called = name
            self._say(f"You are in the room as {_plain(name)}.")

    # The token of an earlier start

    def _kept_token(self):
        with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
            kept = json.loads(self._file.with_name(FILE).read_text(encoding="utf-8"))
            if (kept["room"], kept["name"]) == (self._url, self._name):
                return str(kept["token"])
        return ""

    def _keep_token(self):
        kept = {"room": self._url, "name": self._name, "token": self._token}
        with contextlib.suppress(OSError):
            self._file.parent.mkdir(parents=True, exist_ok=True)
            place = self._file.with_name(FILE)
            with open(os.open(place, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as stream:
                json.dump(kept, stream)


def _checked(url):
    try:
        parts = httpx.URL(url)
    except (httpx.InvalidURL, TypeError):
        parts = httpx.URL("")
    if parts.scheme not in ("http", "https") or not parts.host or parts.userinfo:
        raise CourseProblem("--room wants an address such as http://192.168.0.10:8765")
    return f"{parts.scheme}://{parts.netloc.decode()}"


def _size(file):
    try:
        return file.stat().st_size
    except OSError:
        return 0


def _event(line):
    try:
        entry = json.loads(line)
        return places.event(entry["kind"], entry["name"], entry["value"])
    except (ValueError, KeyError, TypeError):
        return None


def _said(event: Event):
    return {name: word for name, word in asdict(event).items() if word}


def _good(answer):
    """The facts of a good answer, None for "not now". Raises `_UnwantedError`."""
    if answer.is_success:
        return answer.json()
    if answer.status_code in (403, 410, 422):
        raise _UnwantedError(_plain(answer.json()["problem"]))
    return None


def _plain(text):
    """What a stranger's page may put on the terminal: one short line without control characters."""
    return "".join(c for c in str(text) if c.isprintable())[:200]


@contextlib.contextmanager
def reporting(workspace: Path, url: str, name: str, code: str) -> Iterator[None]:
    """Tell the room at `url` what happens in a workspace while the block runs.

    Raises `CourseProblem` for an address that is none, and if the room refuses code or name.
    """
    folder = Path(workspace).expanduser().absolute()
    reporter = Reporter(folder / progress.FOLDER / progress.FILE, url, name, code)
    reporter.start()
    try:
        yield
    finally:
        reporter.stop()
