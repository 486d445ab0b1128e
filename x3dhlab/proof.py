"""Recomputes what a closure claims, from the attacker's bytes alone.

`Trace.closure` says what follows. Here each step is carried out again through `primitives` and
`kem`, starting from public bytes, constants and leaked values, and must give the claimed bytes. A
message is readable when its text comes out; otherwise the verdict says what is missing.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field

from x3dhlab import kem, primitives
from x3dhlab.errors import Refused
from x3dhlab.trace import Closure, Trace


class ProofFailed(Refused):
    """A step of a closure does not give the bytes that it claims: the closure is wrong."""


@dataclass(frozen=True, slots=True)
class Step:
    """One operation that the attacker carries out: rule, named inputs and the named output."""

    rule: str
    inputs: tuple[tuple[str, bytes], ...] = field(repr=False)
    name: str
    value: bytes = field(repr=False)

    def __str__(self):
        return f"{self.name} = {self.rule}({', '.join(name for name, _ in self.inputs)})"


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether the attacker reads one message. `steps` prove it; `missing` names what he lacks."""

    ciphertext: bytes = field(repr=False)
    plaintext: bytes | None = field(repr=False)
    steps: tuple[Step, ...] = field(default=(), repr=False)
    missing: tuple[str, ...] = ()

    @property
    def readable(self) -> bool:
        """True if the text was recomputed."""
        return self.plaintext is not None


def verdicts(trace: Trace, leaked: Iterable[bytes] = ()) -> list[Verdict]:
    """One verdict for each sealed message of the run, in order, all steps carried out."""
    closure = trace.closure(leaked)
    computed = recompute(trace, closure)
    names = trace.names()
    lacking = {}
    result = []
    for ciphertext, opening in _messages(trace).items():
        if closure.reads(ciphertext):
            plaintext = _open(trace, opening, computed)
            steps = _steps(closure, names, trace.events[opening].inputs[0][1])
            result.append(Verdict(ciphertext, plaintext, steps))
        else:
            lacking = lacking or trace.missing_all(closure)
            result.append(Verdict(ciphertext, None, missing=_named(lacking, ciphertext, names)))
    return result


def recompute(trace: Trace, closure: Closure) -> dict[bytes, bytes]:
    """Carry out every step of a closure, in order. Returns claimed → computed; they are equal.

    Raises `ProofFailed` at the first difference.
    """
    computed: dict[bytes, bytes] = {}
    for value, origin in closure.known.items():
        if origin is None:
            computed[value] = value
            continue
        event = trace.events[origin.event]
        inputs = [computed[need] for need in origin.inputs]
        computed[value] = _carry_out(origin.rule, event, inputs, value)
        if computed[value] != value:
            raise ProofFailed(f"step {origin.event} ({origin.rule}) gives other bytes")
    return computed


def _carry_out(rule, event, inputs, value):
    """The output at the place of `value` when `rule` is applied to `inputs`."""
    if rule == "DH":
        return primitives.dh(*inputs)
    if rule == "HMAC":
        return primitives.hmac_sha256(*inputs)
    if rule == "HKDF":
        salt, ikm, info = inputs
        return primitives.hkdf(ikm, salt=salt, info=info, length=len(value))
    if rule == "JOIN":
        return primitives.concat(*inputs)
    if rule == "CUT":
        parts = event.outputs if event.kind == "SPLIT" else event.inputs
        cut = primitives.split(inputs[0], *(len(part) for _, part in parts))
        return cut[[part for _, part in parts].index(value)]
    if rule == "OPEN":
        return _unseal(event, inputs)
    if rule == "SIGN":
        return primitives.sign(inputs[0], inputs[1], nonce=inputs[2])
    return _carry_out_kem(rule, event, inputs, value)


def _carry_out_kem(rule, event, inputs, value):
    details = dict(event.detail)
    if rule == "PUBLIC":
        if "kem" in details:
            return kem.get(details["kem"]).public_of(inputs[0])
        return primitives.public_key(inputs[0])
    mechanism = kem.get(details["kem"])
    if rule == "DECAPS":
        return mechanism.decapsulate(*inputs)
    ciphertext, secret = mechanism.encapsulate(inputs[0], coins=inputs[1])
    return ciphertext if len(value) == len(ciphertext) else secret


def _unseal(event, inputs):
    key, ciphertext, associated_data, *nonce = inputs
    return primitives.open_sealed(
        key,
        ciphertext,
        associated_data,
        aead=dict(event.detail)["aead"],
        nonce=nonce[0] if nonce else None,
    )


def _messages(trace):
    """Each ciphertext of the run with the event that sealed it, or that opened it."""
    found = {}
    for index, event in enumerate(trace.events):
        if event.kind == "SEAL" and not event.error:
            found.setdefault(event.outputs[0][1], index)
        elif event.kind == "OPEN" and not event.error:
            found.setdefault(event.inputs[1][1], index)
    return found


def _open(trace, index, computed):
    event = trace.events[index]
    values = [value for _, value in event.inputs]
    if event.kind == "SEAL":
        values[1] = event.outputs[0][1]
    return _unseal(event, [computed[value] for value in values])


def _steps(closure, names, target):
    """The steps that lead to `target`, in an order in which they can be carried out."""
    needed, waiting = set(), [target]
    while waiting:
        value = waiting.pop()
        if value not in needed and closure.known[value] is not None:
            needed.add(value)
            waiting.extend(closure.known[value].inputs)
    return tuple(
        Step(
            origin.rule,
            tuple((names.get(need, "public bytes"), need) for need in origin.inputs),
            names.get(value, "bytes"),
            value,
        )
        for value, origin in closure.known.items()
        if value in needed
    )


def _named(lacking, ciphertext, names):
    return tuple(names.get(value, "a secret") for value in lacking.get(ciphertext, ()))
