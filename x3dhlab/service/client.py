"""The service as a transport: parties, attacks and lessons run over it as over the local one.

A request that got no answer is made again under its number, so a lost answer takes no second key
and a message is stored once. `collect` and `listen` acknowledge when their caller comes back for
more: what arrived in between and was lost with its process arrives again. Several people of one
process may share a transport; the private keys stay with whoever `introduce`d them.
"""

import base64
import json
import random
import secrets
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from urllib.parse import quote

import httpx
from websockets.exceptions import ConnectionClosed, InvalidHandshake
from websockets.sync.client import connect

from x3dhlab import errors, observe
from x3dhlab.errors import NotSignedIn, Refused, StoreUnavailable
from x3dhlab.service.accounts import STEP, statement

SERVER = "server"
PATIENCE = 10  # seconds for which a request is made again and again
FIRST_PAUSE, LONGEST_PAUSE = 0.02, 1.0  # seconds between two tries, at most
AT_ONCE = 1000  # messages in one acknowledgement


@dataclass(slots=True)
class _Person:
    """Who signs in, and what is known of the mailbox."""

    identity_key: bytes
    sign: Callable[[bytes], bytes] = field(repr=False)
    token: str = field(default="", repr=False)
    last: int = 0  # the highest sequence number that was handed out
    unacknowledged: list[int] = field(default_factory=list)


class HttpTransport:
    """A `Transport` over the service at `url`. `patience` is in seconds.

    It never takes the proxy that the environment names: a service runs here or in this room.
    Raises the service's refusals as their own classes, `StoreUnavailable` when it cannot be
    reached for that long, `NotSignedIn` for a sender that nobody introduced.
    """

    def __init__(self, url: str, *, patience: float = PATIENCE):
        self.url, self.patience = url.rstrip("/"), patience
        self._client = httpx.Client(base_url=self.url, timeout=max(1, patience), trust_env=False)
        self._people: dict[str, _Person] = {}
        self._signing_in = threading.Lock()

    def introduce(self, name: str, identity_key: bytes, sign: Callable[[bytes], bytes]) -> None:
        """Remember who `name` is; `sign` gives the identity key's XEdDSA signature of bytes."""
        self._people[name] = _Person(identity_key, sign)

    def close(self) -> None:
        """Give the connections back."""
        self._client.close()

    def publish(self, name: str, publication: bytes) -> None:
        """Store a party's public keys."""
        _crossing(name, SERVER, "publication", publication)
        self._ask(name, "PUT", f"/v1/users/{quote(name, '')}/keys", publication=publication)

    def fetch(self, name: str, requester: str) -> bytes:
        """One encoded `PreKeyBundle` of `name`; one one-time prekey, however often it is tried."""
        number = {"Idempotency-Key": secrets.token_hex(16)}
        path = f"/v1/users/{quote(name, '')}/bundles"
        bundle = base64.b64decode(self._ask(requester, "POST", path, number)["bundle"])
        _crossing(SERVER, requester, "bundle", bundle, about=name)
        return bundle

    def count(self, name: str) -> int:
        """How many one-time prekeys the service still has for `name`."""
        return self._ask(name, "GET", f"/v1/users/{quote(name, '')}/counts")["one_time"]

    def send(self, sender: str, recipient: str, data: bytes) -> None:
        """Put bytes into the recipient's mailbox, once."""
        _crossing(sender, SERVER, "message", data, about=recipient)
        path = f"/v1/mailboxes/{quote(recipient, '')}/messages"
        self._ask(sender, "POST", path, id=secrets.token_hex(16), envelope=data)

    def collect(self, name: str) -> list[tuple[str, bytes]]:
        """What is new in the mailbox of `name`; acknowledges what the last call gave."""
        self._acknowledge(name)
        person, arrived, more = self._person(name), [], True
        while more:
            path = f"/v1/mailboxes/{quote(name, '')}/messages?after={person.last}"
            page = self._ask(name, "GET", path)
            arrived += [self._arrived(name, message) for message in page["messages"]]
            more = page["more"]
        return arrived

    def listen(self, name: str) -> Iterator[tuple[str, bytes]]:
        """Messages as they come, without end; each is acknowledged when the next is asked for."""
        patience = _Patience(self.patience)
        while True:
            problem = StoreUnavailable("the service has closed the connection", step=STEP)
            try:
                with self._socket(name) as socket:
                    for text in socket:
                        patience = _Patience(self.patience)
                        yield from self._heard(name, socket, json.loads(text))
            except Refused as refusal:
                problem = refusal
                self._person(name).token = ""
            except (OSError, ConnectionClosed, InvalidHandshake) as lost:
                problem = _unreachable(lost)
            patience.pause(problem)

    def _heard(self, name, socket, frame):
        if frame["type"] == "error":
            raise _refusal(frame)
        if frame["type"] == "message":
            # A number that was there before is a repetition: its acknowledgement was lost.
            if frame["sequence"] > self._person(name).last:
                yield self._arrived(name, frame)
            self._person(name).unacknowledged.clear()
            socket.send(json.dumps({"type": "ack", "sequences": [frame["sequence"]]}))

    def _arrived(self, name, message):
        person, data = self._person(name), base64.b64decode(message["envelope"])
        person.last = message["sequence"]
        person.unacknowledged.append(message["sequence"])
        _crossing(SERVER, name, "message", data, about=message["sender"])
        return message["sender"], data

    def _acknowledge(self, name):
        done = self._person(name).unacknowledged
        while done:
            path = f"/v1/mailboxes/{quote(name, '')}/acknowledgements"
            self._ask(name, "POST", path, sequences=done[:AT_ONCE])
            del done[:AT_ONCE]

    def _socket(self, name):
        address = f"ws{self.url.removeprefix('http')}/v1/socket"
        signed_in = self._signed_in(name)
        return connect(address, additional_headers=signed_in, max_size=None, proxy=None)

    def _ask(self, name, method, path, headers=(), **body):
        patience, renewed = _Patience(self.patience), False
        while True:
            try:
                signed_in = self._signed_in(name)
                return self._once(method, path, dict(headers) | signed_in, **body)
            except NotSignedIn:
                if renewed:
                    raise
                renewed, self._person(name).token = True, ""
            except StoreUnavailable as problem:
                patience.pause(problem)

    def _signed_in(self, name):
        person = self._person(name)
        with self._signing_in:
            if not person.token:
                challenge = self._once("POST", "/v1/challenges", name=name)["challenge"]
                signature = person.sign(statement(name, base64.b64decode(challenge)))
                answer = {"identity_key": person.identity_key, "signature": signature}
                answer |= {"name": name, "challenge": challenge}
                person.token = self._once("POST", "/v1/tokens", **answer)["token"]
        return {"Authorization": f"Bearer {person.token}"}

    def _person(self, name):
        if name not in self._people:
            raise NotSignedIn(f"nobody has introduced {name} to this transport", step=STEP)
        return self._people[name]

    def _once(self, method, path, headers=(), **body):
        told = {key: _text(value) for key, value in body.items()} or None
        try:
            answer = self._client.request(method, path, headers=dict(headers), json=told)
        except httpx.TransportError as lost:
            raise _unreachable(lost) from lost
        if answer.is_success:
            return answer.json() if answer.content else None
        try:
            problem = _refusal(answer.json())
        except ValueError:
            problem = StoreUnavailable(f"the service answered {answer.status_code}", step=STEP)
        raise problem


class _Patience:
    """How long a request is made again. Pauses grow and are random: no crowd returns as one."""

    def __init__(self, seconds):
        self._until, self._pause = time.monotonic() + seconds, FIRST_PAUSE

    def pause(self, problem):
        """Wait a little; raises the problem when there was enough of it."""
        if time.monotonic() >= self._until:
            raise problem
        time.sleep(random.uniform(0, self._pause))
        self._pause = min(LONGEST_PAUSE, 2 * self._pause)


def _refusal(told):
    """A refusal of the service as the class of its name."""
    kind = getattr(errors, str(told.get("error")), Refused)
    known = isinstance(kind, type) and issubclass(kind, Refused)
    data = {key: told[key] for key in ("field", "seconds") if told.get(key)}
    return (kind if known else Refused)(
        str(told.get("message")), step=told.get("step") or STEP, **data
    )


def _unreachable(lost):
    reason = str(lost) or type(lost).__name__
    return StoreUnavailable(f"the service does not answer: {reason}", step=STEP, reason=reason)


def _text(value):
    return base64.b64encode(value).decode() if isinstance(value, bytes) else value


def _crossing(sender, recipient, what, data, about=""):
    """As `party.crossing`, which this room cannot see."""
    parties = {"what": what, "sender": sender, "recipient": recipient, "about": about}
    observe.announce("WIRE", [(what, data)], **parties)
