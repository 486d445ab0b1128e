"""What a request and an answer say: JSON with wire objects whole, as base64 of their exact bytes.

No wire object is taken apart on its way: a header that is relayed whole stays under its tag.
"""

import base64
import binascii
from typing import Annotated, Literal

from fastapi import Path
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, PlainSerializer, WithJsonSchema

from x3dhlab import errors
from x3dhlab.service.database import NAME_LIMIT
from x3dhlab.service.mailbox import ENVELOPE_LIMIT, MAILBOX_LIMIT
from x3dhlab.service.metrics import REASONS
from x3dhlab.service.store import DEVICES_LIMIT

PUBLICATION_LIMIT = 192 * 1024  # bytes; a full batch of both kinds has 167 kB

# The nearest class in the tree decides; whoever sent it can repair everything below 500.
STATUS = {
    errors.NotSignedIn: 401,
    errors.NotYours: 403,
    errors.UnknownUser: 404,
    errors.IdentityMismatch: 409,
    errors.DuplicatePreKey: 409,
    errors.TooLarge: 413,
    errors.RateLimited: 429,
    errors.StoreUnavailable: 503,
    errors.Refused: 422,
}


def status(problem: errors.Refused) -> int:
    """The HTTP status of a refusal."""
    return next(STATUS[kind] for kind in type(problem).__mro__ if kind in STATUS)


def _decode(value):
    if isinstance(value, bytes):  # an answer; JSON has none
        return value
    if not isinstance(value, str):
        raise ValueError("this is base64 in a string")
    try:
        return base64.b64decode(value, validate=True)
    except (binascii.Error, ValueError) as problem:
        raise ValueError("this is not base64") from problem


def encode(data: bytes) -> str:
    """Bytes as they stand in JSON."""
    return base64.b64encode(data).decode()


def _bytes(meaning, most, least=0):
    """Bytes as base64: the limit is that of the bytes."""
    schema = {
        "type": "string",
        "contentEncoding": "base64",
        "minLength": (least + 2) // 3 * 4,
        "maxLength": (most + 2) // 3 * 4,
        "pattern": "^([A-Za-z0-9+/]{4})*([A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$",
        "description": meaning,
    }
    return Annotated[
        bytes,
        BeforeValidator(_decode),
        PlainSerializer(encode),
        WithJsonSchema(schema),
        Field(min_length=least, max_length=most),
    ]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


Name = Annotated[
    str, Field(min_length=1, max_length=NAME_LIMIT, pattern=r"^[^/]+$", examples=["Alice"])
]
NameInPath = Annotated[
    str, Path(min_length=1, max_length=NAME_LIMIT, description="A user name.", examples=["Bob"])
]
MessageId = Annotated[
    str, Field(pattern=r"^[A-Za-z0-9_-]{1,64}$", examples=["3f0c9a"], max_length=64)
]
Sequence = Annotated[int, Field(ge=0, lt=2**63)]


class SigningIn(_Strict):
    """Who wants to sign in."""

    name: Name


class Challenge(BaseModel):
    """Sign it within `expires_in` seconds, once."""

    challenge: _bytes("32 random bytes.", 32, 32)
    expires_in: int


class Answer(_Strict):
    """The challenge and the identity key's signature; see `accounts.statement`."""

    name: Name
    identity_key: _bytes("The device's identity key, 32 bytes.", 32, 32)
    challenge: _bytes("The challenge.", 32, 32)
    signature: _bytes("XEdDSA over label, name and challenge, 64 bytes.", 64, 64)


class Token(BaseModel):
    """To be sent as `Authorization: Bearer TOKEN`."""

    token: str
    expires_in: int


class Upload(_Strict):
    """Public keys of one device: first, rotated, or more one-time prekeys."""

    publication: _bytes("A `wire.Publication`: public keys only.", PUBLICATION_LIMIT)


class Counts(BaseModel):
    """How many one-time prekeys are left."""

    one_time: int
    kem: int


class Bundle(BaseModel):
    """One bundle; its one-time prekeys are nobody else's."""

    bundle: _bytes("A `wire.PreKeyBundle`.", 8192)


class DeviceList(_Strict):
    """A device list that the account's key signed."""

    list: _bytes("A signed list, see `messaging.devices`.", DEVICES_LIMIT)


class Sending(_Strict):
    """One message. The same id sent twice is one message."""

    id: MessageId
    envelope: _bytes("The whole message: header and ciphertext.", ENVELOPE_LIMIT)


class Stored(BaseModel):
    """The message is safe on the disk; `new` is false if it was there before."""

    id: str
    sequence: int
    new: bool


class Waiting(BaseModel):
    """One message that waits. `sequence` is what an acknowledgement names."""

    sequence: int
    sender: str
    id: str
    envelope: _bytes("The whole message.", ENVELOPE_LIMIT)


class Page(BaseModel):
    """The oldest messages that wait; `more` says that others follow."""

    messages: list[Waiting]
    more: bool


class Acknowledgement(_Strict):
    """Sequence numbers of messages that are kept now; the service deletes them."""

    sequences: Annotated[list[Sequence], Field(min_length=1, max_length=MAILBOX_LIMIT)]


class Acknowledged(BaseModel):
    """How many of them waited here."""

    acknowledged: int


class Report(_Strict):
    """A problem that only a client can see. Nothing is kept but the count."""

    reason: Literal[REASONS]


class Health(BaseModel):
    """The service reaches its database."""

    status: Literal["ok"]


class Problem(BaseModel):
    """Every answer from 400 on: the class of the refusal, and what to do, in a sentence."""

    error: str
    message: str
    step: str | None = None
    field: str | None = None
    seconds: int | None = None


def told(problem: errors.Refused) -> dict:
    """A refusal as JSON: its class, a sentence, and the facts that help. Nothing it was sent."""
    said = {"error": type(problem).__name__, "message": problem.args[0]}
    if isinstance(problem, errors.StoreUnavailable):
        said["message"] = "the service cannot use its database now: try again"  # not its address
    facts = {"step": problem.step, **problem.data}
    return said | {key: facts[key] for key in ("step", "field", "seconds") if facts.get(key)}


def place(found: dict) -> str:
    """Where in a request something is wrong."""
    return ".".join(str(part) for part in found["loc"]) or "request"


def sentence(found: list[dict]) -> str:
    """What is wrong with a request: the first field and why; nothing of what it held."""
    more = f" ({len(found) - 1} more)" if len(found) > 1 else ""
    return f"{place(found[0])}: {found[0]['msg'].removeprefix('Value error, ')}{more}"
