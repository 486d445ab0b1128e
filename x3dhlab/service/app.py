"""The prekey service and message relay over HTTP and WebSocket.

What it stores is public keys, ciphertexts and who sends to whom. It never sees a private key, and
makes none. The jobs that two published designs give to their servers, and where they are here:

    design C: POST /keys                      PUT /v1/users/{name}/keys. There the server makes the
                                              keys; here the device does, and sends public halves.
    design C: GET /keys/:userId               POST /v1/users/{name}/bundles. It takes a key, so it
                                              is no GET; repeated with its number it takes none.
                                              The KEM prekey comes with its signature. Whoever has
                                              a token may ask: a service that wanted a friendship
                                              first would have to know who the friends are.
    design C: POST /session/establish         none: Alice's device makes the session by itself.
    design C: limits a user and minute        for the pair and for the target (`limits`), for the
                                              account and for the address (`Limits`).
    design E: POST /keys/prekeys, /identity   PUT /v1/users/{name}/keys: one signed whole.
    design E: GET /keys/prekeys/{userID}      POST /v1/users/{name}/bundles
    design E: GET /keys/identity/{userID}     in the bundle; a key alone would be believed without
                                              its signatures.
    design E: column `used`                   a taken key is deleted; its number stays.
    design E: table `sessions`                none: root and chain keys never leave a device (A18).
    design E: POST /conversations/…/messages  POST /v1/mailboxes/{name}/messages, or the socket.
                                              The envelope is relayed whole, with its header.
    design E: GET /conversations/…/messages   GET /v1/mailboxes/{name}/messages
    design E: POST /messages/{id}/delivered   POST /v1/mailboxes/{name}/acknowledgements: the
                                              message is deleted then.
    design E: GET /ws                         WS /v1/socket, see `relay`
    design E: /conversations, …/mark-read,    none: they would tell the server who reads what and
    …/read, …/typing, DELETE /messages/{id}   when. Inside the encryption, clients can do it.
    design E: POST /media/upload              none here: see the lessons on files.

One process keeps the limits in its memory. Several on one database hand out no key twice, but
each has buckets of its own: together they allow as many times more.
"""

import asyncio
import contextlib
import hashlib
import math
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Annotated

from fastapi import Depends, FastAPI, Header, Query, Response, WebSocket
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from starlette.exceptions import HTTPException

from x3dhlab import __version__
from x3dhlab.errors import (
    BadSignature,
    InvalidField,
    NotYours,
    RateLimited,
    Refused,
    TooLarge,
    UnknownUser,
)
from x3dhlab.service import forms, relay
from x3dhlab.service.accounts import (
    CHALLENGE_SECONDS,
    TOKEN_SECONDS,
    Account,
    Accounts,
    digest,
    not_signed_in,
)
from x3dhlab.service.commits import Commits
from x3dhlab.service.database import Database
from x3dhlab.service.guard import Rate, again, read_body
from x3dhlab.service.limits import PER_PAIR, PER_TARGET, FetchLimits, Limit
from x3dhlab.service.mailbox import PAGE, Letter, Mailbox
from x3dhlab.service.metrics import ONE_TIME_KEY_MISSING, REPLAY, SIGNATURE_INVALID, Metrics
from x3dhlab.service.store import PreKeyStore, check_signatures
from x3dhlab.wire import Publication

BODY_LIMIT = 256 * 1024  # bytes; the largest publication as base64
BODY_SECONDS = 10  # for a body to arrive
ANSWER_SECONDS = 3600  # as long, a repeated request gets the same bundle
MESSAGE_SECONDS = 30 * 24 * 3600  # as long, a message waits
CLEANING_SECONDS = 60
REMEMBERED = 10_000  # tokens and names that need no look into the database


@dataclass(frozen=True)
class Limits:
    """What one may ask for. Rates are a size and how many come back in a second."""

    pair: Limit = PER_PAIR
    target: Limit = PER_TARGET
    address: tuple[float, float] = (1000, 300)  # a whole class may stand behind one
    account: tuple[float, float] = (100, 20)
    signing_in: tuple[float, float] = (100, 2)  # challenges for one address

    @classmethod
    def none(cls) -> "Limits":
        """For measurements: nobody waits."""
        much = (1e12, 1e9)
        return cls(Limit(10**9, 1), Limit(10**9, 1), much, much, much)


class Gates:
    """The limits at work, in the memory of this process."""

    def __init__(self, limits: Limits, clock: Callable[[], float]):
        self.clock = clock
        self.fetches = FetchLimits(limits.pair, limits.target)
        self.address, self.account, self.signing_in = (
            Rate(*rate, clock=clock) for rate in (limits.address, limits.account, limits.signing_in)
        )

    def check_fetch(self, requester: str, target: str) -> None:
        """Raise `RateLimited` if this pair, or this target, has to wait."""
        self.fetches.now = int(self.clock())
        self.fetches.check(requester, target)

    def check_account(self, name: str) -> None:
        """Raise `RateLimited` if this account asks too often."""
        _wait(self.account.wait(name), "this account asks too often")

    def check_signing_in(self, address: str) -> None:
        """Raise `RateLimited` if too many challenges go to this address."""
        _wait(self.signing_in.wait(address), "too many sign-ins from this address")


def _wait(seconds, what):
    if seconds:
        seconds = math.ceil(seconds)
        raise RateLimited(f"{what}: wait {seconds} seconds", seconds=seconds)


@dataclass
class Core:
    """What routes and sockets share."""

    database: Database
    limits: Gates
    clock: Callable[[], float]
    metrics: Metrics = field(default_factory=Metrics)
    hub: relay.Hub = field(default_factory=relay.Hub)

    def __post_init__(self):
        self.store = PreKeyStore(self.database)
        self.mailbox = Mailbox(self.database)
        self.accounts = Accounts(self.store, clock=self.clock)
        self.commits = Commits(self.database)
        self._tokens, self._names = OrderedDict(), OrderedDict()

    async def account(self, token: str) -> Account:
        """Whose token this is. Raises `NotSignedIn`."""
        key = digest(token.encode())
        account = self._tokens.get(key)
        if account is None:
            account = await self.commits(self.accounts.find, token)
            _remember(self._tokens, key, account)
        if account.ends <= self.clock():
            raise not_signed_in()
        return account

    async def check_known(self, name: str) -> None:
        """Raise `UnknownUser` unless the name belongs to somebody; it does so for ever."""
        if name not in self._names:
            if not await self.commits(self.store.known, name):
                raise UnknownUser("nobody has this name here", step="X3DH §3.3")
            _remember(self._names, name, True)

    async def send(self, account, recipient, number, envelope) -> forms.Stored:
        """Keep a message and wake its recipient."""
        await self.check_known(recipient)
        sequence, new = await self.commits(
            self.mailbox.put,
            recipient,
            account.name,
            envelope,
            message_id=number,
            now=int(self.clock()),
        )
        if new:
            self.metrics.stored.inc()
            self.hub.ring(recipient)
        else:
            self.metrics.problem(REPLAY)
        return forms.Stored(id=number, sequence=sequence, new=new)

    async def pending(self, account, after, limit) -> list[Letter]:
        """The oldest messages that wait for an account."""
        letters = await self.commits(self.mailbox.pending, account.name, after, limit=limit)
        self.metrics.delivered.inc(len(letters))
        return letters

    async def acknowledge(self, account, sequences) -> int:
        """Delete messages that their owner has."""
        count = await self.commits(self.mailbox.acknowledge, account.name, sequences)
        self.metrics.acknowledged.inc(count)
        return count

    @staticmethod
    def waiting(letter: Letter) -> forms.Waiting:
        """A waiting message as it is told."""
        return forms.Waiting(
            sequence=letter.sequence,
            sender=letter.sender,
            id=letter.message_id,
            envelope=letter.envelope,
        )

    def told(self, problem: Refused) -> dict:
        """A refusal as it is told: its class, a sentence, and the facts that help."""
        if isinstance(problem, BadSignature) or isinstance(problem.__cause__, BadSignature):
            self.metrics.problem(SIGNATURE_INVALID)
        return forms.told(problem)

    async def clean(self) -> None:
        """Delete what has run out, now and then, as long as this runs."""
        while True:
            with contextlib.suppress(Refused):
                self.metrics.expired.inc(await self.commits(self._expire, int(self.clock())))
            await asyncio.sleep(CLEANING_SECONDS)

    def _expire(self, now):
        with self.database.transaction():
            self.accounts.expire()
            self.store.forget(before=now - ANSWER_SECONDS)
            return self.mailbox.expire(now - MESSAGE_SECONDS)

    async def stop(self) -> None:
        """Finish what is under way, then let go of the database."""
        await asyncio.to_thread(self.commits.close)
        self.database.close()


def _remember(known, key, value):
    known[key] = value
    if len(known) > REMEMBERED:
        known.popitem(last=False)


def application(
    database: str | Database = "sqlite://",
    *,
    limits: Limits | None = None,
    clock: Callable[[], float] = time.time,
) -> FastAPI:
    """The service on a database, as an ASGI application. Raises `StoreUnavailable`.

    `clock` gives seconds since 1970.
    """
    core = Core(Database.of(database), Gates(limits or Limits(), clock), clock)

    @contextlib.asynccontextmanager
    async def living(_):
        tasks = [
            asyncio.create_task(core.clean()),
            asyncio.create_task(relay.look_for_others(core)),
        ]
        yield
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await core.stop()

    app = FastAPI(
        title="x3dhlab prekey service",
        version=__version__,
        description="Public keys, bundles and mailboxes. See also the WebSocket at /v1/socket.",
        lifespan=living,
        docs_url=None,
        redoc_url=None,
        responses=_REFUSALS,
    )
    app.state.core = core
    signed_in = Depends(_who(core))
    _add_signing_in(app, core)
    _add_keys(app, core, signed_in)
    _add_mailboxes(app, core, signed_in)
    _add_operation(app, core, signed_in)
    _add_refusals(app, core)
    app.add_middleware(Guard, core=core)
    return app


_REFUSALS = {
    400: {"model": forms.Problem, "description": "The body is not JSON."},
    413: {"model": forms.Problem, "description": "The request is too large."},
    422: {"model": forms.Problem, "description": "The request cannot be understood."},
    429: {"model": forms.Problem, "description": "Wait: `seconds`, or the header Retry-After."},
    503: {"model": forms.Problem, "description": "The database cannot be used now: try again."},
}
_SIGNED_IN = {401: {"model": forms.Problem, "description": "Sign in first."}}
_OWN = _SIGNED_IN | {403: {"model": forms.Problem, "description": "It is not yours."}}
_NAMED = {404: {"model": forms.Problem, "description": "Nobody has this name."}}
_TAKEN = {409: {"model": forms.Problem, "description": "It is taken: another key stands there."}}


def _who(core):
    bearer = HTTPBearer(auto_error=False, description="A token of POST /v1/tokens.")

    async def who(header: Annotated[HTTPAuthorizationCredentials | None, Depends(bearer)]):
        if header is None:
            raise not_signed_in()
        account = await core.account(header.credentials)
        core.limits.check_account(account.name)
        return account

    return who


def _own(account, name):
    if account.name != name:
        raise NotYours("this belongs to another account: use your own name", step="X3DH §4.7")


def _add_signing_in(app, core):
    @app.post("/v1/challenges", tags=["sign in"])
    async def challenge(asked: forms.SigningIn) -> forms.Challenge:
        """32 random bytes, to be signed with the identity key of this name."""
        made = await core.commits(core.accounts.challenge, asked.name)
        return forms.Challenge(challenge=made, expires_in=CHALLENGE_SECONDS)

    @app.post("/v1/tokens", tags=["sign in"], responses=_SIGNED_IN | _TAKEN)
    async def token(answer: forms.Answer) -> forms.Token:
        """A token for a signed challenge. A free name belongs to this identity key from now on."""
        made = await core.commits(
            core.accounts.token,
            answer.name,
            answer.identity_key,
            answer.challenge,
            answer.signature,
        )
        return forms.Token(token=made, expires_in=TOKEN_SECONDS)


def _add_keys(app, core, signed_in):
    @app.put("/v1/users/{name}/keys", tags=["keys"], responses=_OWN | _TAKEN)
    async def publish(
        name: forms.NameInPath, upload: forms.Upload, account: Account = signed_in
    ) -> forms.Counts:
        """Publish, rotate or replenish: signed prekeys are replaced, one-time prekeys added."""
        _own(account, name)
        publication = Publication.decode(upload.publication)
        await asyncio.to_thread(check_signatures, publication)  # up to 0.1 s
        await core.commits(core.store.keep, name, publication)
        return await counted(name)

    async def counted(name):
        one_time, kem = await core.commits(core.store.counts, name)
        return forms.Counts(one_time=one_time, kem=kem)

    @app.get("/v1/users/{name}/counts", tags=["keys"], responses=_OWN | _NAMED)
    async def counts(name: forms.NameInPath, account: Account = signed_in) -> forms.Counts:
        """How many one-time prekeys are left: for their owner."""
        _own(account, name)
        return await counted(name)

    @app.post("/v1/users/{name}/bundles", tags=["keys"], responses=_SIGNED_IN | _NAMED)
    async def bundle(
        name: forms.NameInPath,
        account: Account = signed_in,
        number: Annotated[
            str | None,
            Header(
                alias="Idempotency-Key",
                pattern=r"^[!-~]{1,64}$",
                description="Your number for this request: repeated, it takes no second key.",
            ),
        ] = None,
    ) -> forms.Bundle:
        """Take one one-time prekey of each kind, and get them in a bundle."""
        core.limits.check_fetch(account.name, name)
        made = await core.commits(
            core.store.fetch, name, request=_request(account, name, number), now=int(core.clock())
        )
        if made.one_time_prekey_id is None:
            core.metrics.problem(ONE_TIME_KEY_MISSING)
        return forms.Bundle(bundle=made.encode())

    @app.put(
        "/v1/users/{name}/devices",
        tags=["keys"],
        status_code=204,
        responses=_OWN | _NAMED,
    )
    async def set_devices(
        name: forms.NameInPath, told: forms.DeviceList, account: Account = signed_in
    ) -> None:
        """Store the list of devices that the identity key signed."""
        _own(account, name)
        await core.commits(core.store.set_devices, name, told.list)

    @app.get("/v1/users/{name}/devices", tags=["keys"], responses=_SIGNED_IN | _NAMED)
    async def devices(name: forms.NameInPath, account: Account = signed_in) -> forms.DeviceList:
        """The signed list of devices; whoever reads it checks the signature."""
        return forms.DeviceList(list=await core.commits(core.store.devices, name))


def _request(account, name, number):
    """What stands for requester, name and number: nobody reads the pair out of the database."""
    if number is None:
        return None
    parts = [part.encode() for part in (account.name, name, number)]
    return hashlib.sha256(b"".join(len(p).to_bytes(4, "big") + p for p in parts)).digest()


def _add_mailboxes(app, core, signed_in):
    path = "/v1/mailboxes/{name}"

    @app.post(
        f"{path}/messages",
        tags=["mailboxes"],
        status_code=202,
        responses=_SIGNED_IN | _NAMED,
    )
    async def send(
        name: forms.NameInPath, sending: forms.Sending, account: Account = signed_in
    ) -> forms.Stored:
        """Put a message into a mailbox. The same id again is the same message."""
        return await core.send(account, name, sending.id, sending.envelope)

    @app.get(f"{path}/messages", tags=["mailboxes"], responses=_OWN)
    async def messages(
        name: forms.NameInPath,
        after: Annotated[int, Query(ge=0, lt=2**63, description="Leave out up to here.")] = 0,
        account: Account = signed_in,
    ) -> forms.Page:
        """The oldest messages that wait, in order; they wait until they are acknowledged."""
        _own(account, name)
        letters = await core.pending(account, after, PAGE)
        page = [core.waiting(letter) for letter in letters]
        return forms.Page(messages=page, more=len(page) == PAGE)

    @app.post(f"{path}/acknowledgements", tags=["mailboxes"], responses=_OWN)
    async def acknowledge(
        name: forms.NameInPath, told: forms.Acknowledgement, account: Account = signed_in
    ) -> forms.Acknowledged:
        """These messages are kept by their owner: the service deletes them."""
        _own(account, name)
        return forms.Acknowledged(acknowledged=await core.acknowledge(account, told.sequences))

    @app.websocket("/v1/socket")
    async def socket(connection: WebSocket):
        await relay.Connection(core, connection).serve()


def _add_operation(app, core, signed_in):
    @app.post("/v1/reports", tags=["operation"], status_code=204, responses=_SIGNED_IN)
    async def report(told: forms.Report, account: Account = signed_in) -> None:
        """Say that a first message failed, and why. Only the count is kept."""
        core.metrics.problem(told.reason, "client")

    @app.get("/v1/health", tags=["operation"])
    async def health() -> forms.Health:
        """Does the service reach its database?"""
        await core.commits(core.store.known, "health")
        return forms.Health(status="ok")

    @app.get("/metrics", tags=["operation"], response_class=Response)
    async def numbers():
        """Counters in Prometheus' text format: no names, no keys, no pairs."""
        return Response(core.metrics.text(), media_type="text/plain; version=0.0.4")


def _add_refusals(app, core):
    @app.exception_handler(Refused)
    async def refused(_, problem):
        return _refusal(forms.status(problem), core.told(problem))

    @app.exception_handler(RequestValidationError)
    async def not_understood(_, problem):
        found = problem.errors()
        wrong = InvalidField(forms.sentence(found), field=forms.place(found[0]))
        return _refusal(422, core.told(wrong))

    @app.exception_handler(HTTPException)
    async def not_there(_, problem):
        sentence = {
            404: "There is nothing at this address: /openapi.json lists what there is.",
            405: "This address has other methods: /openapi.json lists them.",
            400: "The body is not JSON.",
        }.get(problem.status_code, "The request cannot be answered.")
        told = {"error": "Refused", "message": sentence}
        return _refusal(problem.status_code, told, problem.headers)


def _refusal(status, told, headers=None):
    headers = dict(headers or {})
    if status in (429, 503):
        headers["Retry-After"] = str(told.get("seconds", 1))
    if status == 401:
        headers["WWW-Authenticate"] = "Bearer"
    return JSONResponse(told, status, headers=headers)


class Guard:
    """Before any handler: rate and size. Before an answer ends: the count and the log."""

    def __init__(self, app, core: Core):
        self.app, self.core = app, core

    async def __call__(self, scope, receive, send):
        if scope["type"] == "lifespan":
            await self.app(scope, receive, send)
            return
        began, status = time.perf_counter(), 0

        async def sending(message):
            nonlocal status
            status = message.get("status", status)
            if message["type"] == "http.response.body" and not message.get("more_body"):
                route = getattr(scope.get("route"), "path", "none")
                seconds = time.perf_counter() - began
                self.core.metrics.answered(_method(scope["method"]), route, status, seconds)
            await send(message)

        await self._pass(scope, receive, sending)

    async def _pass(self, scope, receive, send):
        try:
            self._check_rates(scope)
            if scope["type"] == "http":
                receive = again(await _body(receive), receive)
        except Refused as problem:
            if scope["type"] == "websocket":
                await send({"type": "websocket.close", "code": relay.TOO_MANY})
                return
            answer = _refusal(forms.status(problem), self.core.told(problem))
            await answer(scope, receive, send)
            return
        await self.app(scope, receive, send)

    def _check_rates(self, scope):
        address = (scope["client"] or ("",))[0]
        gates = self.core.limits
        _wait(gates.address.wait(address), "too many requests from this address")
        if scope["path"] == "/v1/challenges":
            gates.check_signing_in(address)


def _method(method):
    """Whatever a client calls its method: a counter has few labels."""
    return method if method in ("GET", "POST", "PUT", "DELETE", "HEAD", "OPTIONS") else "other"


async def _body(receive):
    try:
        async with asyncio.timeout(BODY_SECONDS):
            body = await read_body(receive, BODY_LIMIT)
    except TimeoutError:
        raise InvalidField("the body did not arrive in time", field="body") from None
    if body is None:
        raise TooLarge(f"a request has at most {BODY_LIMIT} bytes", field="body")
    return body
