"""Labelled layouts: one description of a message, used to encode, to decode and to explain it.

A dataclass lists its fields as items in `LAYOUT`. Encoder, decoder and `fields()` walk the same
items, so that they cannot drift apart. Decoding is strict: what decodes encodes to the same bytes.
"""

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

from x3dhlab.errors import (
    InvalidField,
    Malformed,
    TooLarge,
    TrailingBytes,
    Truncated,
    UnknownVersion,
    WrongLength,
    WrongType,
)


@dataclass(frozen=True, slots=True)
class Field:
    """One labelled stretch of an encoded message. `secret` means: unreadable without a key."""

    name: str
    offset: int
    length: int
    meaning: str
    secret: bool
    value: bytes


class Part(NamedTuple):
    """What an item contributes to the encoding: a `Field` that does not know its offset yet."""

    name: str
    value: bytes
    meaning: str
    secret: bool = False


class Reader:
    """Takes bytes from the front of a message and knows how far it is."""

    def __init__(self, data: bytes, what: str):
        self.data = data
        self.what = what
        self.offset = 0

    def take(self, length: int, name: str) -> bytes:
        """The next `length` bytes; `name` is the field they are for."""
        if len(self.data) - self.offset < length:
            raise Truncated(
                f"{self.what}: the bytes end inside {name}",
                field=name,
                offset=self.offset,
                expected=length,
                got=len(self.data) - self.offset,
            )
        self.offset += length
        return self.data[self.offset - length : self.offset]


@dataclass(frozen=True, slots=True)
class Constant:
    """Bytes that are the same in every message of the type: a version, a type."""

    name: str
    value: bytes
    meaning: str

    def parts(self, message) -> Iterator[Part]:
        yield Part(self.name, self.value, self.meaning)

    def read(self, reader: Reader) -> dict:
        got = reader.take(len(self.value), self.name)
        if got != self.value:
            raise UnknownVersion(
                f"{reader.what}: {self.name} is {got.hex()}, not {self.value.hex()}",
                field=self.name,
                expected=self.value.hex(),
                got=got.hex(),
            )
        return {}


@dataclass(frozen=True, slots=True)
class Fixed:
    """An attribute of `length` bytes, after the bytes `prefix` that say what kind it is."""

    name: str
    length: int
    meaning: str
    prefix: bytes = b""
    secret: bool = False

    def parts(self, message) -> Iterator[Part]:
        value = _bytes(message, self.name)
        if len(value) != self.length:
            raise WrongLength(
                f"{self.name} must be {self.length} bytes, not {len(value)}",
                field=self.name,
                expected=self.length,
                got=len(value),
            )
        yield Part(self.name, self.prefix + value, self.meaning, self.secret)

    def read(self, reader: Reader) -> dict:
        got = reader.take(len(self.prefix) + self.length, self.name)
        if not got.startswith(self.prefix):
            raise InvalidField(
                f"{reader.what}: {self.name} must begin with {self.prefix.hex()}",
                field=self.name,
                got=got[: len(self.prefix)].hex(),
            )
        return {self.name: got[len(self.prefix) :]}


@dataclass(frozen=True, slots=True)
class Number:
    """An unsigned integer attribute, big-endian."""

    name: str
    length: int
    meaning: str

    def parts(self, message) -> Iterator[Part]:
        value = getattr(message, self.name)
        if type(value) is not int:
            raise WrongType(f"{self.name} must be int", field=self.name)
        if not 0 <= value < 256**self.length:
            raise InvalidField(f"{self.name} is outside {self.length} bytes", field=self.name)
        yield Part(self.name, value.to_bytes(self.length, "big"), self.meaning)

    def read(self, reader: Reader) -> dict:
        return {self.name: int.from_bytes(reader.take(self.length, self.name), "big")}


@dataclass(frozen=True, slots=True)
class Variable:
    """An attribute of up to `limit` bytes, after its length as four bytes."""

    name: str
    limit: int
    meaning: str
    secret: bool = False

    def parts(self, message) -> Iterator[Part]:
        value = _bytes(message, self.name)
        self._check(len(value), type(message).__name__)
        yield Part(
            f"{self.name} length", len(value).to_bytes(4, "big"), "How many bytes follow, 4 bytes."
        )
        yield Part(self.name, value, self.meaning, self.secret)

    def read(self, reader: Reader) -> dict:
        length = int.from_bytes(reader.take(4, f"{self.name} length"), "big")
        self._check(length, reader.what)
        return {self.name: reader.take(length, self.name)}

    def _check(self, length, what):
        if length > self.limit:
            raise TooLarge(
                f"{what}: {self.name} has {length} bytes, the limit is {self.limit}",
                field=self.name,
                limit=self.limit,
                got=length,
            )


@dataclass(frozen=True, slots=True)
class Choice:
    """Attributes that are all there or all None, after one byte that says which (1 or 0)."""

    name: str
    items: tuple
    meaning: str

    def parts(self, message) -> Iterator[Part]:
        names = [item.name for item in self.items]
        missing = [name for name in names if getattr(message, name) is None]
        if missing and len(missing) < len(names):
            raise InvalidField(
                f"{self.name}: {', '.join(missing)} missing beside the others", field=self.name
            )
        yield Part(self.name, b"\x00" if missing else b"\x01", self.meaning)
        if not missing:
            for item in self.items:
                yield from item.parts(message)

    def read(self, reader: Reader) -> dict:
        flag = reader.take(1, self.name)
        if flag not in (b"\x00", b"\x01"):
            raise InvalidField(
                f"{reader.what}: {self.name} must be 0 or 1", field=self.name, got=flag.hex()
            )
        if flag == b"\x00":
            return {item.name: None for item in self.items}
        return {name: value for item in self.items for name, value in item.read(reader).items()}


@dataclass(frozen=True, slots=True)
class Nested:
    """An attribute that is itself a message with a layout."""

    name: str
    kind: type

    def parts(self, message) -> Iterator[Part]:
        value = getattr(message, self.name)
        if type(value) is not self.kind:
            raise WrongType(f"{self.name} must be {self.kind.__name__}", field=self.name)
        for item in self.kind.LAYOUT:
            yield from item.parts(value)

    def read(self, reader: Reader) -> dict:
        return {self.name: _read(self.kind, reader)}


@dataclass(frozen=True, slots=True)
class Many:
    """A tuple of messages with a layout, after their number as four bytes."""

    name: str
    kind: type
    limit: int
    meaning: str

    def parts(self, message) -> Iterator[Part]:
        values = getattr(message, self.name)
        if type(values) is not tuple or any(type(value) is not self.kind for value in values):
            raise WrongType(f"{self.name} must be a tuple of {self.kind.__name__}", field=self.name)
        self._check(len(values), type(message).__name__)
        yield Part(f"{self.name} count", len(values).to_bytes(4, "big"), self.meaning)
        for position, value in enumerate(values):
            for item in self.kind.LAYOUT:
                for part in item.parts(value):
                    yield Part(
                        f"{self.name}[{position}].{part.name}",
                        part.value,
                        part.meaning,
                        part.secret,
                    )

    def read(self, reader: Reader) -> dict:
        count = int.from_bytes(reader.take(4, f"{self.name} count"), "big")
        self._check(count, reader.what)
        return {self.name: tuple(_read(self.kind, reader) for _ in range(count))}

    def _check(self, count, what):
        if count > self.limit:
            raise TooLarge(
                f"{what}: {count} entries in {self.name}, the limit is {self.limit}",
                field=self.name,
                limit=self.limit,
                got=count,
            )


class Layout:
    """Gives a frozen dataclass with a `LAYOUT` its encoder, decoder and explanation.

    `STEP` is the place in a specification that describes the message; errors carry it.
    """

    __slots__ = ()
    LAYOUT: tuple = ()
    STEP: str = ""

    def encode(self) -> bytes:
        """The exact bytes of this message."""
        try:
            return b"".join([part.value for item in self.LAYOUT for part in item.parts(self)])
        except Malformed as problem:  # as in `_naming`, which would cost half of a header
            problem.step = problem.step or self.STEP
            raise

    def fields(self) -> list[Field]:
        """Every stretch of the encoding: name, offset, length, meaning, secret or public."""
        fields, offset = [], 0
        with _naming(self.STEP):
            parts = [part for item in self.LAYOUT for part in item.parts(self)]
        for part in parts:
            length = len(part.value)
            fields.append(Field(part.name, offset, length, part.meaning, part.secret, part.value))
            offset += length
        return fields

    @classmethod
    def decode(cls, data: bytes):
        """The message that encodes to exactly `data`.

        Raises `WrongType`, `UnknownVersion`, `Truncated`, `TrailingBytes`, `TooLarge` or
        `InvalidField`, all of them `Malformed`.
        """
        with _naming(cls.STEP):
            if type(data) is not bytes:
                raise WrongType(f"{cls.__name__} must be bytes, not {type(data).__name__}")
            reader = Reader(data, cls.__name__)
            message = _read(cls, reader)
            if reader.offset != len(data):
                raise TrailingBytes(
                    f"{cls.__name__}: {len(data) - reader.offset} bytes follow the last field",
                    offset=reader.offset,
                )
            return message


@contextlib.contextmanager
def _naming(step):
    """An error of the block that names no specification step gets this one."""
    try:
        yield
    except Malformed as problem:
        problem.step = problem.step or step
        raise


def _read(kind, reader):
    values = {}
    for item in kind.LAYOUT:
        values.update(item.read(reader))
    return kind(**values)


def _bytes(message, name):
    value = getattr(message, name)
    if type(value) is not bytes:
        raise WrongType(f"{name} must be bytes, not {type(value).__name__}", field=name)
    return value


def explain(data: bytes, *kinds: type) -> tuple[object, list[Field]]:
    """Decode `data` as the first of `kinds` that fits: the message and its labelled fields."""
    problem = Malformed("no message type given")
    for kind in kinds:
        try:
            message = kind.decode(data)
            return message, message.fields()
        except UnknownVersion as mismatch:
            problem = mismatch
    raise problem
