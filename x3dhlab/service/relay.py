"""The WebSocket of a device: messages as they come, acknowledgements back.

A frame is a JSON object with a `type`. The device sends `token` (first, unless the header had it),
`send` and `ack`; the service sends `ready`, `message`, `stored` and `error`. What is not
acknowledged comes again on the next connection, in the same order.
"""

import asyncio
import contextlib
import json
import time
from collections import defaultdict
from typing import Annotated, Literal

from fastapi import WebSocket, WebSocketDisconnect
from pydantic import Field, TypeAdapter, ValidationError

from x3dhlab.errors import InvalidField, NotSignedIn, RateLimited, Refused, StoreUnavailable
from x3dhlab.service import forms
from x3dhlab.service.accounts import not_signed_in
from x3dhlab.service.mailbox import PAGE
from x3dhlab.service.metrics import log

FRAME_LIMIT = 128 * 1024  # bytes: the largest envelope as base64, and its frame
WINDOW = 200  # messages that one connection has and has not acknowledged
CONNECTIONS = 4  # of one name
SIGN_IN_SECONDS = 10
POLL_SECONDS = 1  # between looks for messages that another process stored

# Close codes; 4000 to 4999 are for applications.
NOT_SIGNED_IN, TOO_MANY, GOING_AWAY = 4401, 4429, 1012


class Presenting(forms._Strict):
    """The first frame, if the header had no token."""

    type: Literal["token"]
    token: Annotated[str, Field(max_length=100)]


class Send(forms.Sending):
    """A message for `to`."""

    type: Literal["send"]
    to: forms.Name


class Ack(forms.Acknowledgement):
    """These messages are kept now."""

    type: Literal["ack"]


_frames = TypeAdapter(Annotated[Presenting | Send | Ack, Field(discriminator="type")])


class Hub:
    """Who is connected to this process, and wakes them when there is something for them."""

    def __init__(self):
        self._there = defaultdict(set)

    def enter(self, name: str) -> asyncio.Event:
        """A bell for one more connection. Raises `RateLimited` if there are too many."""
        if len(self._there[name]) >= CONNECTIONS:
            raise RateLimited(f"{CONNECTIONS} connections of one name are open", seconds=1)
        bell = asyncio.Event()
        self._there[name].add(bell)
        return bell

    def leave(self, name: str, bell: asyncio.Event) -> None:
        """The connection has ended."""
        self._there[name].discard(bell)
        if not self._there[name]:
            del self._there[name]

    def ring(self, name: str) -> None:
        """There is something in this mailbox."""
        for bell in self._there.get(name, ()):
            bell.set()

    def names(self) -> list[str]:
        """Who is connected here."""
        return list(self._there)


class Connection:
    """One signed-in device on one socket."""

    def __init__(self, core, socket: WebSocket):
        self.core, self.socket = core, socket
        self.account = None
        self._out = set()  # sequence numbers that this connection has and has not acknowledged

    async def serve(self) -> None:
        """From the first frame to the last."""
        await self.socket.accept()
        began = time.monotonic()
        self.core.metrics.sockets.inc()
        try:
            await self._signed_in()
        except WebSocketDisconnect:
            pass
        except Refused as problem:
            await self._refuse(problem)
        finally:
            self.core.metrics.sockets.dec()
            log("socket", seconds=round(time.monotonic() - began, 3))

    async def _signed_in(self):
        self.account = await self._sign_in()
        self._bell = self.core.hub.enter(self.account.name)
        try:
            await self._tell(type="ready", name=self.account.name)
            async with asyncio.timeout(self.account.ends - self.core.clock()):
                await self._both()
        except TimeoutError:
            raise not_signed_in() from None
        finally:
            self.core.hub.leave(self.account.name, self._bell)

    async def _both(self):
        """Reads and writes at once, until one of them ends."""
        tasks = [asyncio.create_task(self._read()), asyncio.create_task(self._write())]
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _sign_in(self):
        header = self.socket.headers.get("authorization", "")
        if header:
            return await self.core.account(header.removeprefix("Bearer "))
        try:
            async with asyncio.timeout(SIGN_IN_SECONDS):
                frame = await self._frame()
        except TimeoutError:
            raise not_signed_in() from None
        if not isinstance(frame, Presenting):
            raise not_signed_in()
        return await self.core.account(frame.token)

    async def _read(self):
        while True:
            number = None
            try:
                frame = await self._frame()
                number = getattr(frame, "id", None)
                if not (isinstance(frame, Ack) and self._out.issuperset(frame.sequences)):
                    self.core.limits.check_account(self.account.name)
                await self._handle(frame)
            except Refused as problem:
                if isinstance(problem, NotSignedIn):
                    raise
                await self._tell(type="error", id=number, **self.core.told(problem))

    async def _handle(self, frame):
        if isinstance(frame, Send):
            stored = await self.core.send(self.account, frame.to, frame.id, frame.envelope)
            await self._tell(type="stored", **stored.model_dump())
        elif isinstance(frame, Ack):
            await self.core.acknowledge(self.account, frame.sequences)
            self._out.difference_update(frame.sequences)
            self._bell.set()

    async def _frame(self):
        message = await self.socket.receive()
        if message["type"] == "websocket.disconnect":
            raise WebSocketDisconnect(message.get("code", 1005))
        text = message.get("text")
        if text is None:
            raise InvalidField("a frame is text, not bytes", field="frame")
        try:
            return _frames.validate_json(text)
        except ValidationError as problem:
            raise InvalidField(forms.sentence(problem.errors()), field="frame") from None

    async def _write(self):
        last = 0
        while True:
            self._bell.clear()
            room = min(PAGE, WINDOW - len(self._out))
            letters = await self.core.pending(self.account, last, room) if room > 0 else []
            for letter in letters:
                self._out.add(letter.sequence)
                last = letter.sequence
                await self._tell(type="message", **self.core.waiting(letter).model_dump())
            if len(letters) < PAGE:
                await self._bell.wait()

    async def _tell(self, **frame):
        await self.socket.send_text(json.dumps(frame))

    async def _refuse(self, problem):
        code = TOO_MANY if isinstance(problem, RateLimited) else NOT_SIGNED_IN
        code = GOING_AWAY if isinstance(problem, StoreUnavailable) else code
        with contextlib.suppress(WebSocketDisconnect, RuntimeError):
            await self._tell(type="error", id=None, **self.core.told(problem))
            await self.socket.close(code)


async def look_for_others(core) -> None:
    """Messages that another process stored: looked for now and then, as long as this runs."""
    while True:
        await asyncio.sleep(POLL_SECONDS)
        with contextlib.suppress(StoreUnavailable):
            for name in await core.commits(core.mailbox.waiting, core.hub.names()):
                core.hub.ring(name)
