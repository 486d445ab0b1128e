"""What happened: the operations of a run, where each value came from, and what follows from a leak.

`with record() as trace:` collects every operation of `primitives` and `kem`, and every message that
crossed the wire. The trace reads; it never acts. It holds secrets that the protocol deletes, which
is its purpose: keep it out of files and logs. Its `repr` shows none of them.

Values are compared as bytes: one value that two people compute is one value.
"""

from collections import Counter, defaultdict, deque
from collections.abc import Iterable, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property

from x3dhlab import observe
from x3dhlab.observe import Operation

# The inputs of each operation that must stay secret, by position.
_KEYS = {
    "PUBLIC": (0,),
    "DH": (0,),
    "DECAPS": (0,),
    "ENCAPS": (1,),
    "HKDF": (1,),
    "HMAC": (0,),
    "SIGN": (0, 2),
    "SEAL": (0,),
    "OPEN": (0,),
    "FORGET": (0,),
}
# The inputs that say what an operation is for. What no operation made there is a constant.
_CONTEXTS = {"HKDF": 2, "SEAL": 2, "OPEN": 2, "SIGN": 1}
# The inputs where labels, numbers and padding stand beside secrets.
_LABELS = {"HKDF": (0,), "HMAC": (1,), "CONCAT": None}

# Up to this length a value is a number or a length. Such a value can be guessed, and standing
# somewhere on the wire says nothing about it.
_GUESSABLE = 8

GIVEN = "GIVEN"


@contextmanager
def record():
    """Collect the operations of the block in a `Trace`. After an exception it ends where it was."""
    trace = Trace()
    with observe.listen(trace.events.append):
        yield trace


# Lineage


@dataclass(frozen=True, slots=True)
class Node:
    """A value of the run. `kind` is the operation that made it first, or `GIVEN` from outside.

    `event` is where it was made (if given: first used), `actor` who did that.
    """

    id: int
    value: bytes = field(repr=False)
    name: str
    actor: str
    kind: str
    event: int

    def __str__(self):
        return f"{self.name} of {self.actor}" if self.actor else self.name


@dataclass(frozen=True, slots=True)
class Edge:
    """Operation number `event` made the node `target` from the node `source` (ids)."""

    source: int
    target: int
    event: int
    kind: str


class Lineage(Mapping):
    """Where each value came from: a mapping from a value to the numbers of the events that made it.

    `nodes` and `edges` are the same as a graph, in the order of the run; `node(value)` finds one.
    Whole messages on the wire are no nodes, and a refused operation makes nothing.
    """

    def __init__(self, events: Iterable[Operation]):
        events = list(events)
        self._made = _makers(events)
        self._nodes = _nodes(events, self._made)
        self.nodes: list[Node] = list(self._nodes.values())

    def __getitem__(self, value):
        return [event for event, _ in self._made[value]]

    def __iter__(self):
        return iter(self._made)

    def __len__(self):
        return len(self._made)

    def __repr__(self):
        return f"<Lineage of {len(self._nodes)} values>"

    def node(self, value: bytes) -> Node:
        """The node of a value. Raises `KeyError` if no operation used it."""
        return self._nodes[value]

    @cached_property
    def edges(self) -> list[Edge]:
        """One edge for each pair of an input and an output, without repetitions."""
        edges = dict.fromkeys(
            Edge(self._nodes[source].id, node.id, index, event.kind)
            for node in self.nodes
            for index, event in self._made.get(node.value, ())
            for _, source in event.inputs
        )
        return sorted(edges, key=lambda edge: edge.event)

    def ancestors(self, value: bytes) -> set[int]:
        """The ids of every value that this one was made from, its own not included."""
        found, waiting = set(), [value]
        while waiting:
            for _, event in self._made.get(waiting.pop(), ()):
                for _, source in event.inputs:
                    if self._nodes[source].id not in found:
                        found.add(self._nodes[source].id)
                        waiting.append(source)
        return found - {self._nodes[value].id}


def _makers(events):
    made = defaultdict(dict)
    for index, event in enumerate(events):
        for _, value in event.outputs:
            made[value][index] = event
    return {value: tuple(by.items()) for value, by in made.items()}


def _nodes(events, made):
    nodes = {}
    for index, event in enumerate(events):
        if event.kind == "WIRE":
            continue
        for name, value in (*event.inputs, *event.outputs):
            if value not in nodes:
                nodes[value] = _node(len(nodes), name, value, index, event, made)
    return nodes


def _node(number, name, value, index, event, made):
    if value not in made:
        return Node(number, value, name, event.actor, GIVEN, index)
    index, event = made[value][0]
    name = next(name for name, output in event.outputs if output == value)
    return Node(number, value, name, event.actor, event.kind, index)


# Closure


@dataclass(frozen=True, slots=True)
class Origin:
    """How a value became known: by operation `event` from `inputs`, under a rule of `closure`."""

    event: int
    rule: str
    inputs: tuple[bytes, ...] = field(repr=False)


@dataclass(frozen=True)
class Closure:
    """Everything an attacker can compute.

    `given` says of each value that he starts with whether it is "public", a "constant" or
    "leaked". `known` maps each value that he has to its `Origin`, None if given. `readable` maps
    each ciphertext that he can open to the `Origin` of its plaintext.
    """

    given: dict = field(repr=False)
    known: dict = field(repr=False)
    readable: dict = field(repr=False)
    events: tuple = field(repr=False)
    rules: tuple = field(repr=False)

    def __contains__(self, value: bytes) -> bool:
        return value in self.known

    def reads(self, ciphertext: bytes) -> bool:
        """True if this ciphertext can be opened: its key is known, not merely its plaintext."""
        return ciphertext in self.readable

    @cached_property
    def lineage(self) -> Lineage:
        """The lineage of the run, for the names of values."""
        return Lineage(self.events)

    def missing(self, target: bytes) -> "Missing":
        """What the attacker lacks to open the ciphertext `target`, or else to compute that value.

        Nothing is missing for what he has.
        """
        wanted = [r.needs for r in self.rules if r.name == "OPEN" and r.needs[1] == target]
        done = self.reads(target) if wanted else target in self
        alone, together = ((), ()) if done else self._search(wanted or [[target]])
        return Missing(self, tuple(map(tuple, wanted or [[target]])), alone, together)

    def _search(self, wanted):
        """Go backwards from what is wanted, as long as one unknown value decides."""
        alone, groups = {}, {}
        queue = deque()

        def consider(needs):
            unknown = tuple(dict.fromkeys(need for need in needs if need not in self.known))
            if len(unknown) > 1:
                groups[unknown] = None
            elif unknown and unknown[0] not in alone:
                alone[unknown[0]] = None
                queue.append(unknown[0])

        for needs in wanted:
            consider(needs)
        while queue:
            for rule in self._giving.get(queue.popleft(), ()):
                if rule.name != "SEAL":  # whoever can seal the text again need not read it
                    consider(rule.needs)
        return tuple(alone), tuple(group for group in groups if not alone.keys() & set(group))

    @cached_property
    def _giving(self):
        giving = defaultdict(list)
        for rule in self.rules:
            for value in rule.gives:
                giving[value].append(rule)
        return giving

    @cached_property
    def _cheapest(self):
        """For each value a small set of first values that gives it, by relaxation to a fixpoint.

        A set is a number with one bit for each entry of `_first_values`.
        """
        cost = {leaf: 1 << bit for bit, leaf in enumerate(self._first_values)}
        cost.update(dict.fromkeys(self.known, 0))
        changed = True
        while changed:
            changed = False
            for rule in self.rules:
                if all(need in cost for need in rule.needs):
                    union = _union(cost, rule.needs)
                    for given in rule.gives:
                        if given not in cost or union.bit_count() < cost[given].bit_count():
                            cost[given] = union
                            changed = True
        return cost

    @cached_property
    def _first_values(self):
        """Unknown values that nothing but chance or the outside world gave, oldest first."""
        nodes = self.lineage.nodes
        return [n.value for n in nodes if n.kind in (GIVEN, "RANDOM") and n.value not in self.known]


def _union(cost, values):
    union = 0
    for value in values:
        union |= cost[value]
    return union


@dataclass(frozen=True)
class Missing:
    """What one verdict lacks. `str` is a short sentence; the values are exact.

    Each of `alone` would be enough by itself, nearest to the target first. So would all values of
    one group of `together`.
    """

    closure: Closure = field(repr=False)
    wanted: tuple = field(repr=False)
    alone: tuple[bytes, ...] = field(repr=False)
    together: tuple[tuple[bytes, ...], ...] = field(repr=False)

    def __bool__(self):
        return bool(self.alone or self.together)

    @property
    def nearest(self) -> tuple[Node, ...]:
        """The values of `alone` as nodes of the lineage: name, actor, event."""
        return tuple(map(self._node, self.alone))

    @cached_property
    def first(self) -> tuple[bytes, ...]:
        """A small set of first values (private keys and the like) that is enough, oldest first."""
        if not self:
            return ()
        cost = self.closure._cheapest
        costs = [_union(cost, needs) for needs in self.wanted if all(n in cost for n in needs)]
        best = min(costs, key=int.bit_count, default=0)
        return tuple(v for bit, v in enumerate(self.closure._first_values) if best >> bit & 1)

    def __str__(self):
        if not self:
            return "nothing"
        alone = _counted(str(node) for node in self.nearest)
        groups = [" and ".join(map(self._described, group)) for group in self.together]
        return "; or ".join(
            [f"one of: {', '.join(alone)}"] * bool(alone)
            + [f"together: {group}" for group in dict.fromkeys(groups)]
        )

    def _described(self, value):
        """A value's name, with the first values that would give it by themselves."""
        nodes = map(self._node, self.closure.missing(value).alone[1:])
        keys = _counted(str(node) for node in nodes if node.kind in (GIVEN, "RANDOM"))
        return f"{self._node(value)} (from {' or '.join(keys)})" if keys else str(self._node(value))

    def _node(self, value):
        try:
            return self.closure.lineage.node(value)
        except KeyError:
            return Node(-1, value, "a value that this run never used", "", GIVEN, -1)


# How many kinds of values a sentence lists.
_LISTED = 4


def _counted(labels):
    """Equal labels as one with a number, in order of first appearance; the rest as a number."""
    counts = Counter(labels)
    shown = [f"{n} × {label}" if n > 1 else label for label, n in counts.items()][:_LISTED]
    rest = sum(list(counts.values())[_LISTED:])
    more = f"{rest} more value{'s' if rest > 1 else ''} before these"
    return [*shown, more] if rest else shown


class Trace:
    """The operations of one run, in order. `events[i]` is an `observe.Operation`."""

    def __init__(self):
        self.events: list[Operation] = []
        self._prepared: tuple = ((), {}, ())

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

    def lineage(self) -> Lineage:
        """For each value, the events that made it, by equality of bytes; and the whole graph."""
        return Lineage(self.events)

    def public(self) -> set[bytes]:
        """The recorded values that anybody can know: on the wire whole, or as a part of it."""
        wire = {value for event in self.wire for _, value in event.inputs}
        size = _GUESSABLE + 1
        windows = {data[i : i + size] for data in wire for i in range(len(data) - size + 1)}
        values = {value for event in self.events for _, value in (*event.inputs, *event.outputs)}
        return {
            value
            for value in values
            if len(value) >= size
            and value[:size] in windows
            and (len(value) == size or any(value in data for data in wire))
        }

    def constants(self) -> set[bytes]:
        """The inputs that no run chooses: HKDF infos, associated data, labels, lengths, padding.

        It goes by the place where a value is used, not by its looks: a private key of 32 equal
        bytes is no constant. Zeros and the F of X3DH are, wherever else they are used.
        """
        # What comes out of an OPEN may be any text, also a protocol's label.
        made = {v for e in self.events if e.kind != "OPEN" for _, v in e.outputs}
        keys = {v for e in self.events for v in _at(e, _KEYS.get(e.kind, ()))}
        zeros = {v for e in self.events for _, v in e.inputs if not v.strip(b"\x00")}
        labels = {v for e in self.events for v in _labels(e)}
        return zeros | labels | (self._contexts() - made - keys)

    def _contexts(self):
        """What stands in the place of a context, and the parts that it was joined from."""
        derived = {v for e in self.events if e.kind != "RANDOM" for _, v in e.outputs}
        contexts = set()
        for event in reversed(self.events):
            inputs = [value for _, value in event.inputs]
            if event.kind in _CONTEXTS:
                contexts.add(inputs[_CONTEXTS[event.kind]])
            elif event.kind == "HMAC" and inputs[0] in derived:
                contexts.add(inputs[1])
            elif event.kind == "CONCAT" and event.outputs[0][1] in contexts:
                contexts.update(inputs)
        return contexts

    def closure(self, leaked: Iterable[bytes] = ()) -> Closure:
        """What follows from public bytes, constants and `leaked` by the recorded operations.

        DH needs either private key and the other public one; CONCAT and SPLIT work both ways;
        SEAL and OPEN give the plaintext to whoever has the key.

        The attacker is passive: he computes from a recording. What he could do by sending bytes
        of his own, or by using one key twice, is no recorded operation; run such an attack to see
        it (A1, A27, A49).
        """
        events, origins, rules = self._prepare()
        leaked = set(leaked)
        given = {v: how or "leaked" for v, how in origins.items() if how or v in leaked}
        given |= dict.fromkeys(sorted(leaked - origins.keys()), "leaked")
        known, readable = _follow(given, rules)
        return Closure(given, known, readable, events, rules)

    def _prepare(self):
        """What no leak changes: the events, each value's origin (or ""), the rules.

        Values stand in the order of the run, so that proofs are repeatable. A list of leaks asks
        for the closure of one run many times, so the answer is kept until the run goes on.
        """
        events = tuple(self.events)
        if self._prepared[0] != events:
            public, constants = self.public(), self.constants()
            origins = {
                value: "public" if value in public else "constant" if value in constants else ""
                for event in events
                for _, value in (*event.inputs, *event.outputs)
            }
            self._prepared = events, origins, _rules(events)
        return self._prepared


def _at(event, positions):
    return [event.inputs[p][1] for p in positions if p < len(event.inputs)]


def _labels(event):
    """The labels, numbers and paddings among the inputs of one operation."""
    if event.kind not in _LABELS:
        return []
    positions = _LABELS[event.kind]
    values = _at(event, range(len(event.inputs)) if positions is None else positions)
    return [
        value
        for value in values
        if len(value) <= _GUESSABLE
        or repr(value) in event.formula
        or (event.kind == "CONCAT" and not value.strip(b"\xff"))
    ]


def _follow(given, rules):
    """Apply rules to what is given until nothing new follows. Returns known and readable."""
    lacking = {}
    waiting = defaultdict(list)
    for rule in rules:
        needs = set(rule.needs)
        lacking[id(rule)] = len(needs)
        for value in needs:
            waiting[value].append(rule)
    known: dict = {}
    readable: dict = {}
    queue = deque((value, None) for value in given)
    while queue:
        value, origin = queue.popleft()
        if value in known:
            continue
        known[value] = origin
        for rule in waiting.get(value, ()):
            lacking[id(rule)] -= 1
            if not lacking[id(rule)]:
                found = Origin(rule.event, rule.name, tuple(rule.needs))
                queue.extend((result, found) for result in rule.gives)
                if rule.name == "OPEN":
                    readable.setdefault(rule.needs[1], found)
    return known, readable


@dataclass(frozen=True, slots=True, eq=False)
class _Rule:
    event: int
    name: str
    needs: list
    gives: list


def _rules(events):
    private_of = {
        public: event.inputs[0][1]
        for event in events
        if event.kind == "PUBLIC"
        for _, public in event.outputs
    }
    public_of = {private: public for public, private in private_of.items()}
    return tuple(
        _Rule(index, how, needs, gives)
        for index, event in enumerate(events)
        if not event.error
        for how, needs, gives in _consequences(event, private_of, public_of)
    )


def _consequences(event, private_of, public_of):
    """Yield (rule, needed values, given values) for one operation."""
    inputs = [value for _, value in event.inputs]
    outputs = [value for _, value in event.outputs]
    kind = event.kind
    if kind in ("PUBLIC", "HKDF", "HMAC", "SIGN", "DECAPS"):
        yield kind, inputs, outputs
    elif kind == "DH":
        yield kind, inputs, outputs
        private, public = inputs
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
        yield "OPEN", [inputs[0], outputs[0], *inputs[2:]], [inputs[1]]
        yield "SEAL", inputs, outputs
    elif kind == "OPEN":
        yield "OPEN", inputs, outputs
        yield "SEAL", [inputs[0], outputs[0], *inputs[2:]], [inputs[1]]
