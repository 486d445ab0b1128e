"""The page of a room: who is where and who is stuck, for the instructor; a reveal, for the class.

`x3dhlab room` serves it from one machine. By default only that machine reaches it; with
`--host 0.0.0.0` everybody in the same network does. Learners need the join code, the instructor's
page needs a token of its own, and nicknames are shown nowhere else. The connection is plain HTTP:
whoever can listen in the network can read what is sent, so the instructor's page belongs on the
machine that serves it. Every request is limited in size and rate before it is looked at.
"""

import asyncio
import contextlib
import hmac
import json
import secrets
import socket
import sqlite3
from importlib.resources import files
from pathlib import Path
from typing import Annotated

import httpx
import uvicorn
from fastapi import FastAPI, Header, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict, Field
from starlette.exceptions import HTTPException

from x3dhlab.classroom import room as rooms
from x3dhlab.classroom.places import BATCH, Event
from x3dhlab.classroom.room import NotAllowed, Room
from x3dhlab.course import CourseProblem
from x3dhlab.service.guard import Rate, again, listen, read_body

BODY_LIMIT = 16 * 1024  # bytes; a report of `BATCH` events has about 3 KB
BODY_SECONDS = 5  # for a body to arrive
PATIENCE = 20  # seconds that a page waits for news before it is told that there are none
SPACING = 0.02  # seconds in which several changes become one answer
MOST_WAITING = 64  # pages that wait at once; a further one is answered immediately
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src data:;"
    " base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
HEADERS = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}
PAGES = {"/": "room.html", "/class": "class.html"}
FILES = {
    "room.css": "text/css",
    "room.js": "text/javascript",
    "class.js": "text/javascript",
    "shared.js": "text/javascript",
}


# What a request may say


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


Word = Annotated[str, Field(max_length=200)]


class Joining(_Strict):
    """`token` brings a learner back under the same nickname."""

    code: Word
    name: Word
    token: Word = ""


class Told(_Strict):
    """One event; see `places.Event`."""

    place: Word
    verdict: Word = ""
    mistake: Word = ""
    option: Word = ""


class Report(_Strict):
    """Events with the numbers `first`, `first` + 1 …"""

    first: Annotated[int, Field(ge=1, le=10**9)]
    events: Annotated[list[Told], Field(min_length=1, max_length=BATCH)]


class Reveal(_Strict):
    """The prediction to show to the class; None clears the page."""

    place: Word | None


# Limits


def everything() -> Rate:
    """Requests of one address: a whole class may stand behind one."""
    return Rate(1000, 300)


def joins() -> Rate:
    """Attempts to join from one address. The code has 31^6 forms: it is not found by trying."""
    return Rate(150, 3)


def reports() -> Rate:
    """Reports of one learner."""
    return Rate(20, 4)


class Guard:
    """Before any handler: rate, size and patience; and the headers of every answer."""

    def __init__(self, app, rate: Rate):
        self.app, self.rate = app, rate

    async def __call__(self, scope, receive, send):
        if scope["type"] != "http":
            return
        send = _with_headers(send)
        if not self.rate.take((scope["client"] or ("",))[0]):
            await _refuse(429, "Too many requests.")(scope, receive, send)
            return
        try:
            async with asyncio.timeout(BODY_SECONDS):
                body = await read_body(receive, BODY_LIMIT)
        except TimeoutError:
            await _refuse(408, "The request did not arrive.")(scope, receive, send)
            return
        if body is None:
            await _refuse(413, "The request is too long.")(scope, receive, send)
            return
        await self.app(scope, again(body, receive), send)


def _with_headers(send):
    told = [(name.lower().encode(), value.encode()) for name, value in HEADERS.items()]

    async def sending(message):
        if message["type"] == "http.response.start":
            message = message | {"headers": [*message.get("headers", ()), *told]}
        await send(message)

    return sending


def _refuse(status, sentence):
    again = {"Retry-After": "2"} if status in (429, 503) else {}
    return JSONResponse({"problem": sentence}, status, headers=again)


# News


class News:
    """Tells waiting pages that something changed, and keeps the answer until the next change."""

    def __init__(self, make):
        self._make, self._boot, self._number = make, secrets.token_hex(4), 0
        self._changed, self._waiting, self._answers = asyncio.Event(), 0, {}

    @property
    def version(self) -> str:
        """Names the present state; another process gives other names."""
        return f"{self._boot}-{self._number}"

    def ring(self) -> None:
        """Something changed."""
        self._number += 1
        self._answers = {}
        self._changed.set()
        self._changed = asyncio.Event()

    async def answer(self, what: str, since: str) -> Response:
        """The state, at once if it is not the one named `since`, else after the next change."""
        if since == self.version and self._waiting < MOST_WAITING:
            await self._wait()
        if what not in self._answers:
            state = {"version": self.version, **self._make[what]()}
            self._answers[what] = json.dumps(state).encode()
        return Response(self._answers[what], media_type="application/json")

    async def _wait(self):
        self._waiting += 1
        try:
            async with asyncio.timeout(PATIENCE):
                await self._changed.wait()
            await asyncio.sleep(SPACING)
        except TimeoutError:
            self._answers = {}  # the same state, and a later time of day
        finally:
            self._waiting -= 1


# The application


def application(room: Room, *, everything=everything, joins=joins, ended=lambda: None):
    """The page of a room as an ASGI application; `ended` is called when the room has ended."""
    quiet = {"tracing": False, "metrics": False, "logs": False, "auto_configure": False}
    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None, telemetry=quiet)
    news = News({"room": room.snapshot, "class": room.shown})
    joining, reporting = joins(), reports()
    Bearer = Annotated[str, Header(alias="Authorization", max_length=200)]  # noqa: N806

    def only_instructor(bearer):
        if not hmac.compare_digest(_token(bearer).encode(), room.token.encode()):
            raise NotAllowed("This page is the instructor's.", status=401)

    @app.post("/api/join")
    async def join(told: Joining, request: Request):
        if not joining.take((request.client or ("",))[0]):
            raise NotAllowed("Too many want to join at once.", status=429)
        joined = room.join(told.code, told.name, told.token)
        news.ring()
        return {"token": joined.token, "name": joined.name, "seen": joined.seen}

    @app.post("/api/report")
    async def report(told: Report, bearer: Bearer = ""):
        token = _token(bearer)
        if not reporting.take(token):
            raise NotAllowed("Too many reports.", status=429)
        seen = room.report(token, told.first, [Event(**e.model_dump()) for e in told.events])
        news.ring()
        return {"seen": seen}

    @app.get("/api/room")
    async def state(since: Word = "", bearer: Bearer = ""):
        only_instructor(bearer)
        return await news.answer("room", since)

    @app.post("/api/reveal")
    async def reveal(told: Reveal, bearer: Bearer = ""):
        only_instructor(bearer)
        room.reveal(told.place)
        news.ring()
        return {}

    @app.post("/api/end")
    async def end(bearer: Bearer = ""):
        only_instructor(bearer)
        room.end()
        news.ring()
        ended()
        return {}

    @app.get("/api/class")
    async def shown(since: Word = ""):
        return await news.answer("class", since)

    for path, name in PAGES.items():
        app.get(path)(_file(name, "text/html"))
    for name, media_type in FILES.items():
        app.get(f"/static/{name}")(_file(name, media_type))

    @app.exception_handler(NotAllowed)
    async def refused(_, problem):
        return _refuse(problem.data["status"], str(problem))

    @app.exception_handler(RequestValidationError)
    async def not_understood(_, problem):
        return _refuse(422, "This request is not one that the room understands.")

    @app.exception_handler(HTTPException)
    async def not_there(_, problem):
        return _refuse(problem.status_code, "The room has nothing of this kind.")

    @app.exception_handler(sqlite3.Error)
    async def not_kept(_, problem):
        return _refuse(503, "The room cannot write to its file.")

    return Guard(app, everything())


def _token(bearer):
    return bearer.removeprefix("Bearer ").encode("ascii", "replace").decode()


def _file(name, media_type):
    content = (files("x3dhlab.classroom") / "static" / name).read_bytes()

    async def send():
        return Response(content, media_type=media_type)

    return send


# The command


def serve(file: Path, *, host: str = "127.0.0.1", port: int = 0, say=print) -> None:
    """Serve the room in `file` until Ctrl+C or its end; the file is made if there is none.

    Port 0 is any that is free.
    Raises `CourseProblem` for a file that is no room, a busy port, and a room that runs already.
    """
    if Path(file).exists() and (address := _running(Room(file))):
        raise CourseProblem(f"This room runs already, on {address}.")
    listening = _listen(host, port)
    port = listening.getsockname()[1]
    room = Room(file)
    server = uvicorn.Server(_settings(room, lambda: setattr(server, "should_exit", True)))
    room.keep("address", f"http://{_reachable(host)}:{port}")
    _tell(room, host, port, say)
    with contextlib.suppress(KeyboardInterrupt):
        server.run(sockets=[listening])
    _say_goodbye(room, say)


def _settings(room, ended):
    return uvicorn.Config(
        application(room, ended=ended),
        http="h11",
        ws="none",
        lifespan="off",
        log_level="critical",
        access_log=False,
        # An address that a client only claims to have would escape the limits.
        proxy_headers=False,
        server_header=False,
        # Longer than clients keep an idle connection, so that none is closed under a request.
        timeout_keep_alive=30,
        timeout_graceful_shutdown=1,
    )


def _say_goodbye(room, say):
    if not room.file.exists():
        say("The room has ended. Its data is deleted.")
        return
    room.keep("address", "")
    room.close()
    say(f"Stopped. The room is kept in {room.file}")
    say("To go on: the same command again. To delete it all: the same command with --end.")


def end(file: Path, *, say=print) -> None:
    """End the room in `file`, running or not, and delete the file.

    Raises `CourseProblem` if there is no room.
    """
    file = Path(file).absolute()
    if not file.exists():
        raise CourseProblem(f"There is no room in {file}.")
    room = Room(file)
    address, token = room.kept("address"), room.token
    room.close()
    if address:
        with contextlib.suppress(httpx.HTTPError):
            _ask(address, token).post("/api/end", json={})
    if file.exists():
        rooms.delete(file)
    say(f"The room has ended. Deleted: {file}")


def _running(room):
    """The address at which another process serves this room, or an empty string."""
    address, token = room.kept("address"), room.token
    room.close()
    if address:
        with contextlib.suppress(httpx.HTTPError):
            return address if _ask(address, token).get("/api/room").is_success else ""
    return ""


def _ask(address, token):
    headers = {"Authorization": f"Bearer {token}"}
    return httpx.Client(base_url=address, headers=headers, timeout=3, trust_env=False)


def _listen(host, port):
    try:
        return listen(host, port)
    except OSError as problem:
        why = f"The room cannot be served on {host}: {problem.strerror}."
        raise CourseProblem(why) from problem


def _reachable(host):
    """An address of this machine for a host that stands for all of its addresses."""
    found = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)
    return f"[{found}]" if ":" in found else found


def _tell(room, host, port, say):
    here = f"http://{_reachable(host)}:{port}"
    there = f"http://{_of_the_network(host)}:{port}"
    say(f"Join code: {room.code}\n")
    say(f"For learners:  x3dhlab lab --room {there} --name NICKNAME")
    say(f"Projector:     {here}/class")
    say(f"Only for you:  {here}/#{room.token}\n")
    if host in ("127.0.0.1", "localhost", "::1"):
        say("Only this machine reaches the room. For a class in one network: --host 0.0.0.0")
    else:
        say("Everybody in this network reaches the room. The connection is not encrypted.")
    say(f"The room is kept in {room.file}\nTo stop: Ctrl+C in this window.")


def _of_the_network(host):
    """The address by which other machines reach this one; nothing is sent to find it."""
    if host not in ("0.0.0.0", "::"):
        return _reachable(host)
    with contextlib.closing(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) as probe:
        try:
            probe.connect(("192.0.2.1", 9))
            return probe.getsockname()[0]
        except OSError:
            return socket.gethostname()
