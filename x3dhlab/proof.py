"""Recomputes what a closure claims, from the attacker's bytes alone.

`Trace.closure` says what follows. Here each step is carried out again through `primitives` and
`kem`, starting from public bytes, constants and leaked values, and must give the claimed bytes. A
message is readable when its text comes out; otherwise the verdict says what is missing.
"""

from collections.abc import Iterable, Mapping, Sequence
from contextvars import Context
from dataclasses import dataclass, field, fields, is_dataclass
from functools import cached_property

from x3dhlab import kem, primitives
from x3dhlab.errors import Refused
from x3dhlab.kem import HEADER_LENGTH, encapsulate1
from x3dhlab.party import Party
from x3dhlab.trace import Closure, Missing, Node, Origin, Trace


class ProofFailed(Refused):
    """A step of a closure does not give the bytes that it claims: the closure is wrong."""


@dataclass(frozen=True, slots=True)
class Step:
    """One operation that the attacker carries out: rule, named inputs and the named output.

    `event` is the number of the recorded operation it repeats; `detail` holds what else the
    operation needs: a length, the AEAD, the KEM.
    """

    rule: str
    inputs: tuple[tuple[str, bytes], ...] = field(repr=False)
    name: str
    value: bytes = field(repr=False)
    event: int
    detail: tuple = ()

    def __str__(self):
        return f"{self.name} = {self.rule}({', '.join(name for name, _ in self.inputs)})"

    def carry_out(self, inputs: Sequence[bytes]) -> bytes:
        """The output of this operation for these inputs. Raises what the operation raises."""
        return _OPERATIONS[self.rule](*inputs, **dict(self.detail))


@dataclass(frozen=True)
class Verdict:
    """Whether the attacker reads one message: `steps` prove it, or `missing` says what he lacks.

    `event` is the number of the operation that sealed the message, or first opened it.
    """

    ciphertext: bytes = field(repr=False)
    plaintext: bytes | None = field(repr=False)
    event: int
    closure: Closure = field(repr=False)

    @property
    def readable(self) -> bool:
        """True if the text was recomputed."""
        return self.plaintext is not None

    @cached_property
    def steps(self) -> tuple[Step, ...]:
        """The proof: operations in order, the last one opens the message. Empty if unreadable."""
        return proof_of_reading(self.closure, self.ciphertext) if self.readable else ()

    @cached_property
    def missing(self) -> Missing:
        """What the attacker lacks; false if he lacks nothing."""
        return self.closure.missing(self.ciphertext)


def verdicts(
    trace: Trace, leaked: Iterable[bytes] = (), *, closure: Closure | None = None
) -> list[Verdict]:
    """One verdict for each sealed text of the run, in order, all proofs carried out.

    Pass the `closure` of this trace if you have it already; then `leaked` is not looked at.
    """
    closure = closure or trace.closure(leaked)
    openings = {ciphertext: _opening(closure, ciphertext) for ciphertext in closure.readable}
    values = replay(_steps(closure, _inputs(openings.values())), closure.given)
    texts = Context().run(_open_all, openings, values)
    return [
        Verdict(ciphertext, texts.get(ciphertext), event, closure)
        for ciphertext, event in _messages(closure.events).items()
    ]


def proof_of_reading(closure: Closure, ciphertext: bytes) -> tuple[Step, ...]:
    """The steps that open a readable ciphertext. Raises `KeyError` if it is not readable."""
    opening = _opening(closure, ciphertext)
    return (*_steps(closure, _inputs([opening])), opening)


def proof_of(closure: Closure, value: bytes) -> tuple[Step, ...]:
    """The steps that give a known value; none if it was given. Raises `KeyError` if unknown."""
    return _steps(closure, [value])


def replay(steps: Iterable[Step], given: Iterable[bytes]) -> dict[bytes, bytes]:
    """Carry out steps from the given bytes alone. Returns claimed → computed; they are equal.

    Raises `ProofFailed` at the first step that needs other bytes, fails, or gives other bytes.
    """
    values = {value: value for value in given}
    return Context().run(_replay, steps, values)  # empty: a listener must not hear the attacker


def recompute(closure: Closure) -> dict[bytes, bytes]:
    """Carry out every step of a closure, in order, as `replay` does."""
    return replay(_steps(closure, closure.known), closure.given)


def stolen(*holders) -> set[bytes]:
    """All byte strings that these hold now: a party's device, a session, a state, a key pair.

    It is what a thief gets who copies the memory. Deleted values are not there any more.
    """
    found: set[bytes] = set()
    for holder in holders:
        _collect(holder.device if isinstance(holder, Party) else holder, found)
    return found - {b""}


def _collect(holder, found):
    if isinstance(holder, bytes):
        found.add(holder)
    elif isinstance(holder, Mapping):
        _collect([*holder.keys(), *holder.values()], found)
    elif isinstance(holder, (list, tuple, set, frozenset)):
        for item in holder:
            _collect(item, found)
    elif is_dataclass(holder) and not isinstance(holder, type):
        for item in fields(holder):
            _collect(getattr(holder, item.name), found)


def _replay(steps, values):
    for step in steps:
        values[step.value] = _carry_out(step, values)
    return values


def _open_all(openings, values):
    return {ciphertext: _carry_out(step, values) for ciphertext, step in openings.items()}


def _carry_out(step, values):
    where = f"step {step.event} ({step.rule})"
    inputs = [values.get(value) for _, value in step.inputs]
    if None in inputs:
        raise ProofFailed(f"{where} needs bytes that the attacker does not have")
    try:
        result = step.carry_out(inputs)
    except (Refused, TypeError, ValueError, LookupError) as problem:
        raise ProofFailed(f"{where} cannot be carried out") from problem
    if result != step.value:
        raise ProofFailed(f"{where} gives other bytes")
    return result


# From a closure to steps


def _messages(events):
    """Each ciphertext of the run with the event that sealed it, or that opened it."""
    found = {}
    for index, event in enumerate(events):
        if event.kind == "SEAL" and not event.error:
            found.setdefault(event.outputs[0][1], index)
        elif event.kind == "OPEN" and not event.error:
            found.setdefault(event.inputs[1][1], index)
    return found


def _inputs(steps):
    return [value for step in steps for _, value in step.inputs]


def _opening(closure, ciphertext):
    origin = closure.readable[ciphertext]
    event = closure.events[origin.event]
    sealed = event.kind == "SEAL"
    plaintext = event.inputs[1] if sealed else event.outputs[0]
    return _step(closure, plaintext[1], origin)


def _steps(closure, targets):
    """The steps that lead to the targets, in an order in which they can be carried out."""
    needed, waiting = set(), list(targets)
    while waiting:
        value = waiting.pop()
        if value not in needed:
            needed.add(value)
            origin = closure.known[value]
            waiting.extend(origin.inputs if origin else ())
    return tuple(
        _step(closure, value, origin)
        for value, origin in closure.known.items()
        if origin and value in needed
    )


def _step(closure, value: bytes, origin: Origin) -> Step:
    event = closure.events[origin.event]
    inputs = tuple((_name(closure, need), need) for need in origin.inputs)
    detail = _detail(origin.rule, event, value)
    return Step(origin.rule, inputs, _name(closure, value), value, origin.event, detail)


def _name(closure, value):
    try:
        node: Node = closure.lineage.node(value)
    except KeyError:
        return "bytes"
    return node.name


def _detail(rule, event, value):
    """What the operation needs beside its inputs."""
    if rule == "HKDF":
        return (("length", len(value)),)
    if rule == "CUT":
        parts = [part for _, part in (event.outputs if event.kind == "SPLIT" else event.inputs)]
        return (("lengths", tuple(map(len, parts))), ("place", parts.index(value)))
    if rule == "ENCAPS":
        place = [output for _, output in event.outputs].index(value)
        return (*event.detail, ("place", place))
    return event.detail if rule in ("PUBLIC", "DECAPS", "OPEN", "SEAL") else ()


# The operations by rule. Inputs stand in the order in which they are announced.


def _public(private, kem=None):
    return _kem(kem).public_of(private) if kem else primitives.public_key(private)


def _hkdf(salt, ikm, info, *, length):
    return primitives.hkdf(ikm, salt=salt, info=info, length=length)


def _sign(private, message, nonce):
    return primitives.sign(private, message, nonce=nonce)


def _cut(data, *, lengths, place):
    return primitives.split(data, *lengths)[place]


def _decaps(private, ciphertext, *, kem):
    return _kem(kem).decapsulate(private, ciphertext)


def _encaps(public, coins, *, kem, place):
    if len(public) == HEADER_LENGTH:
        return encapsulate1(public, coins=coins)[place]
    return _kem(kem).encapsulate(public, coins=coins)[place]


def _open(key, ciphertext, associated_data, nonce=None, *, aead):
    return primitives.open_sealed(key, ciphertext, associated_data, aead=aead, nonce=nonce)


def _seal(key, plaintext, associated_data, nonce=None, *, aead):
    return primitives.seal(key, plaintext, associated_data, aead=aead, nonce=nonce)


def _kem(algorithm):
    return kem.get(algorithm)


_OPERATIONS = {
    "PUBLIC": _public,
    "DH": primitives.dh,
    "HKDF": _hkdf,
    "HMAC": primitives.hmac_sha256,
    "SIGN": _sign,
    "JOIN": primitives.concat,
    "CUT": _cut,
    "DECAPS": _decaps,
    "ENCAPS": _encaps,
    "OPEN": _open,
    "SEAL": _seal,
}
