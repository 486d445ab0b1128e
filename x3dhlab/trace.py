"""What happened: the operations of a run, where each value came from, and what follows from a leak.

`with record() as trace:` collects every operation of `primitives` and `kem`, and every message that
crossed the wire. The trace reads; it never acts. It holds secrets that the protocol deletes, which
is its purpose: keep it out of files and logs. Its `repr` shows none of them.
"""

from collections import defaultdict, deque
from collections.abc import Iterable
from contextlib import contextmanager
from dataclasses import dataclass, field

from x3dhlab import observe
from x3dhlab.observe import Operation

# Inputs by position, as `primitives` and `kem` announce them.
_DH_PRIVATE, _DH_PUBLIC = 0, 1
_HKDF_INFO = 2
_AEAD_KEY = 0

# Their first input is a key: no constant, even where a demonstration uses one repeated byte.
_KEYED = {"PUBLIC", "DH", "SIGN", "SEAL", "OPEN", "DECAPS"}

# A value that nobody made, is short or repeats one byte, is a constant of the protocol.
_CONSTANT_LENGTH = 16


@contextmanager
def record():
    """Collect the operations of the block in a `Trace`. After an exception it ends where it was."""
    trace = Trace()
    with observe.listen(trace.events.append):
        yield trace


@dataclass(frozen=True, slots=True)
class Origin:
    """How a value became known: by operation `event` from `inputs`, under a rule of `closure`."""

    event: int
    rule: str
    inputs: tuple[bytes, ...] = field(repr=False)


@dataclass(frozen=True, slots=True)
class Closure:
    """Everything an attacker can compute. `known` maps a value to its `Origin`, None if given."""

    known: dict = field(repr=False)
    readable: frozenset = field(repr=False)

    def __contains__(self, value: bytes) -> bool:
        return value in self.known

    def reads(self, ciphertext: bytes) -> bool:
        """True if this ciphertext can be opened: its key is known, not merely its plaintext."""
        return ciphertext in self.readable


class Trace:
    """The operations of one run, in order. `events[i]` is an `observe.Operation`."""

    def __init__(self):
        self.events: list[Operation] = []

    def __repr__(self):
        return f"<Trace of {len(self.events)} operations>"

    def __len__(self):
        return len(self.events)

    # An empty trace is still a trace: `trace or Trace()` must not replace it.
    def __bool__(self):
        return True

    @property
    def wire(self) -> list[Operation]:
        """The crossings of the wire, in order."""
        return [event for event in self.events if event.kind == "WIRE"]

    def find(self, name: str, actor: str | None = None) -> bytes:
        """The last value that was called `name` (in the work of `actor`). Raises `KeyError`."""
        for event in reversed(self.events):
            if actor in (None, event.actor):
                for called, value in (*event.outputs, *event.inputs):
                    if called == name:
                        return value
        raise KeyError(f"no value is called {name!r}" + (f" at {actor}" if actor else ""))

    def names(self) -> dict[bytes, str]:
        """Each value's name where it was made, else where it was first used."""
        names = {}
        for event in self.events:
            for name, value in event.outputs:
                names.setdefault(value, name)
        for event in self.events:
            for name, value in event.inputs:
                names.setdefault(value, name)
        return names

    def lineage(self) -> dict[bytes, list[int]]:
        """For each value, the events that made it, by equality of bytes (CONCAT and SPLIT too)."""
        made = defaultdict(list)
        for index, event in enumerate(self.events):
            for _, value in event.outputs:
                if index not in made[value]:
                    made[value].append(index)
        return dict(made)

    def public(self) -> set[bytes]:
        """The recorded values that anybody can know: on the wire whole, or as a part of it."""
        wire = b"\x00".join(value for event in self.wire for _, value in event.inputs)
        values = {value for event in self.events for _, value in (*event.inputs, *event.outputs)}
        return {value for value in values if len(value) >= _CONSTANT_LENGTH and value in wire}

    def constants(self) -> set[bytes]:
        """The inputs that no run chooses: HKDF infos, labels, padding, zero salts, lengths."""
        made = {value for event in self.events for _, value in event.outputs}
        constants = set()
        for event in self.events:
            for position, (_, value) in enumerate(event.inputs):
                info = event.kind == "HKDF" and position == _HKDF_INFO
                dull = len(value) < _CONSTANT_LENGTH or len(set(value)) == 1
                if info or (dull and value not in made):
                    constants.add(value)
        return constants - {e.inputs[0][1] for e in self.events if e.kind in _KEYED}

    def closure(self, leaked: Iterable[bytes] = ()) -> Closure:
        """What follows from public bytes, constants and `leaked` by the recorded operations.

        DH needs either private key and the other public one; CONCAT and SPLIT work both ways;
        SEAL and OPEN give the plaintext to whoever has the key.
        """
        rules = self._rules()
        waiting = defaultdict(list)
        for rule in rules:
            for value in rule.needs:
                waiting[value].append(rule)
        known: dict = {}
        readable = set()
        queue = deque((value, None) for value in self.public() | self.constants() | set(leaked))
        while queue:
            value, origin = queue.popleft()
            if value in known:
                continue
            known[value] = origin
            for rule in waiting.get(value, ()):
                if all(need in known for need in rule.needs):
                    inputs = tuple(rule.needs)
                    queue.extend(
                        (given, Origin(rule.event, rule.name, inputs)) for given in rule.gives
                    )
                    if rule.name == "OPEN":
                        readable.add(rule.needs[1])
        return Closure(known, frozenset(readable))

    def missing(self, value: bytes, closure: Closure) -> list[bytes]:
        """What would have to leak too for `value` to follow: private keys and other first values.

        For a ciphertext: to be opened. It is one small set among several; empty when the closure
        has the value already.
        """
        return self.missing_all(closure).get(value, [value])

    def missing_all(self, closure: Closure) -> dict[bytes, list[bytes]]:
        """`missing` for every value and every ciphertext of the run at once."""
        rules, age = self._rules(), self._age()
        cheapest = self._cheapest(rules, closure)
        for rule in rules:
            if rule.name == "OPEN" and rule.needs[0] in cheapest:
                cheapest[rule.needs[1]] = cheapest[rule.needs[0]]
        return {value: sorted(leaves, key=age) for value, leaves in cheapest.items()}

    def _cheapest(self, rules, closure):
        """For each value a small set of first values that gives it, by relaxation to a fixpoint."""
        made = {
            value for event in self.events if event.kind != "RANDOM" for _, value in event.outputs
        }
        leaves = {need for rule in rules for need in rule.needs} - made
        cost = {leaf: frozenset([leaf]) for leaf in leaves if leaf not in closure}
        cost.update((value, frozenset()) for value in closure.known)
        changed = True
        while changed:
            changed = False
            for rule in rules:
                if all(need in cost for need in rule.needs):
                    union = frozenset().union(*(cost[need] for need in rule.needs))
                    for given in rule.gives:
                        if given not in cost or len(union) < len(cost[given]):
                            cost[given] = union
                            changed = True
        return cost

    def _age(self):
        order = {}
        for event in self.events:
            for _, value in (*event.outputs, *event.inputs):
                order.setdefault(value, len(order))
        return lambda value: order.get(value, len(order))

    def _rules(self):
        private_of = {
            public: event.inputs[0][1]
            for event in self.events
            if event.kind == "PUBLIC"
            for _, public in event.outputs
        }
        public_of = {private: public for public, private in private_of.items()}
        rules = []
        for index, event in enumerate(self.events):
            if not event.error:
                rules.extend(
                    _Rule(index, how, needs, gives)
                    for how, needs, gives in _consequences(event, private_of, public_of)
                )
        return rules


@dataclass(frozen=True, slots=True)
class _Rule:
    event: int
    name: str
    needs: list
    gives: list


def _consequences(event, private_of, public_of):
    """Yield (rule, needed values, given values) for one operation."""
    inputs = [value for _, value in event.inputs]
    outputs = [value for _, value in event.outputs]
    kind = event.kind
    if kind in ("PUBLIC", "HKDF", "HMAC", "SIGN", "DECAPS"):
        yield kind, inputs, outputs
    elif kind == "DH":
        yield kind, inputs, outputs
        private, public = inputs[_DH_PRIVATE], inputs[_DH_PUBLIC]
        if public in private_of and private in public_of:
            yield kind, [private_of[public], public_of[private]], outputs
    elif kind == "ENCAPS":
        if len(inputs) == 2:
            yield kind, inputs, outputs
        if inputs[0] in private_of:
            yield "DECAPS", [private_of[inputs[0]], outputs[0]], outputs[1:]
    elif kind == "CONCAT":
        yield "JOIN", inputs, outputs
        yield "CUT", outputs, inputs
    elif kind == "SPLIT":
        yield "CUT", inputs, outputs
        yield "JOIN", outputs, inputs
    elif kind == "SEAL":
        yield "OPEN", [inputs[_AEAD_KEY], outputs[0], *inputs[2:]], [inputs[1]]
    elif kind == "OPEN":
        yield "OPEN", inputs, outputs
