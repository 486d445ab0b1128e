"""Key lineage: which value of a recorded run was made from which, and what falls with a leak.

`Graph` turns a trace into plain data. A key pair is one node, a value that two people compute is
one node, a sealed message stands for its text. Constants, labels and public values that protect
nothing are left out, and so is what an operation makes on its way to another value.
"""

from collections import defaultdict, deque
from collections.abc import Callable, Iterable, Mapping

import traitlets

from x3dhlab.trace import Closure, Trace
from x3dhlab.widgets import drawing, steps
from x3dhlab.widgets.base import View, module, style
from x3dhlab.widgets.layers import arrange, curve
from x3dhlab.widgets.names import JOINED, NONCE, OUTPUT, RATCHET_DH, Names, quote
from x3dhlab.widgets.player import NOBODY, coloured_lanes

# Values that are made on the way to others, or that nothing depends on.
_PASSING = {OUTPUT, JOINED, NONCE, "identifier", "coins", "text", "AD", "Sig"}
_PUBLIC = ("C", "CT")

WHOLE = 64  # so many nodes still make one picture; a larger run is shown piece by piece
NEAR = 34  # so many nodes around the one in focus
FOLD = 4  # chains with so many chain keys are folded in a large run
BOX, TALL, GAP, PITCH, EDGE = 118, 44, 10, 84, 10  # pixels


class Graph:
    """The derivation graph of a trace. `nodes` is plain data, `edges` are pairs of node ids."""

    def __init__(self, trace: Trace, actors=None):
        lanes = coloured_lanes(trace, actors)
        self.colours = {lane["name"]: lane["colour"] for lane in lanes}
        people = [lane["name"] for lane in lanes if not lane["server"] and lane["name"] != NOBODY]
        self.names = Names(trace, people)
        self.events = tuple(trace.events)
        self._makers = defaultdict(list)
        self._keys = {}
        self._texts = {}
        self._read_events()
        self.unit_of = self._units()
        self.secret_of = self._secrets()
        self._find_edges()
        self.nodes = {node["id"]: node for node in self._describe_all()}
        self.edges = [edge for edge in self.edges if edge[0] in self.nodes]
        self.chains = self._find_chains()

    # Reading the run

    def _read_events(self):
        for event in self.events:
            if event.error or event.kind == "WIRE":
                continue
            for _, value in event.outputs:
                self._makers[value].append(event)
            if event.kind in ("SEAL", "OPEN"):
                sealed, text = event.inputs[1][1], event.outputs[0][1]
                if event.kind == "SEAL":
                    sealed, text = text, sealed
                self._keys.setdefault(sealed, []).append(event)
                self._texts.setdefault(sealed, text)

    def _units(self):
        """Each value that is drawn, by bytes, with the id of its node; in order of the run."""
        units = {}
        for event in self.events:
            for _, value in (*event.inputs, *event.outputs):
                unit = self.names.holding(value)
                if value not in units and unit and self._drawn(unit, value):
                    units[value] = unit
        return units

    def _drawn(self, unit, value):
        facts = self.names.values[unit]
        if facts["role"] in _PASSING:
            return False
        return facts["secret"] or facts["part"] != "" or facts["role"] in _PUBLIC

    def _secrets(self):
        """For each node the bytes that a thief takes: of a key pair, the private half."""
        secrets = {}
        for value, unit in self.unit_of.items():
            if self.names.id(value) == unit:
                secrets[unit] = value
        return secrets

    def _find_edges(self):
        """An edge from each node to those made from it, through values that are not drawn."""
        order = {unit: number for number, unit in enumerate(dict.fromkeys(self.unit_of.values()))}
        edges: dict = {}
        self.made_by: dict = {}
        for value, unit in self.unit_of.items():
            sources, events = self._sources(value)
            self.made_by.setdefault(unit, []).extend(events)
            for source in sources:
                if order[source] < order[unit]:
                    edges[source, unit] = None
        self.edges = sorted(edges, key=lambda edge: (order[edge[1]], order[edge[0]]))
        self.order = order

    def _sources(self, value):
        """The drawn nodes that a value comes from, and the operations on the way."""
        sources, events, seen, waiting = {}, {}, {value}, deque([value])
        while waiting:
            for event, inputs in self._inputs(waiting.popleft()):
                events[id(event)] = event
                for given in inputs:
                    if given in self.unit_of:
                        sources[self.unit_of[given]] = None
                    elif given not in seen:
                        seen.add(given)
                        waiting.append(given)
        return list(sources), list(events.values())

    def _inputs(self, value):
        """The operations that made a value, each with those inputs that count."""
        if value in self._keys:
            return [(event, [event.inputs[0][1]]) for event in self._keys[value]]
        return [
            (event, [given for _, given in event.inputs])
            for event in self._makers.get(value, ())
            if event.kind not in ("PUBLIC", "OPEN", "SIGN", "RANDOM")
        ]

    # Describing

    def _describe_all(self):
        linked = {unit for edge in self.edges for unit in edge}
        self.unused = [
            unit
            for unit in self.order
            if unit not in linked and self.names.values[unit]["role"] not in _PUBLIC
        ]
        left_out = set(self.unused)
        return [self._describe(unit) for unit in self.order if unit not in left_out]

    def _describe(self, unit):
        facts = self.names.values[unit]
        value = self.secret_of.get(unit, b"")
        actors = self._actors(unit, value)
        node = {
            "id": unit,
            "name": facts["name"],
            "glyph": "DH" if facts["role"] == RATCHET_DH else facts["glyph"],
            "meaning": facts["meaning"] if facts["meaning"] != "value of this run" else "",
            "actors": actors,
            "colours": [self.colours.get(actor, 0) for actor in actors],
            "secret": facts["secret"],
            "pair": facts["part"] == "pair",
            "message": facts["role"] == "C",
            "made": self._formulas(unit),
            "size": facts["size"],
            "hex": facts["hex"][:64],
            "text": quote(self._texts[value], 60) if value in self._texts else "",
        }
        if node["message"]:
            node["meaning"] = "sealed message"
        return node

    def _actors(self, unit, value):
        events = self.made_by.get(unit) or []
        if unit in self.secret_of and value in self._keys:
            events = events[:1]
        makers = self._makers.get(value) or []
        own = [event.actor for event in (makers or events) if event.kind != "OPEN"]
        users = (
            [event.actor for event in self.events if self._uses(event, value)] if not own else []
        )
        return [actor for actor in dict.fromkeys(own or users) if actor]

    def _uses(self, event, value):
        return event.kind != "WIRE" and any(given == value for _, given in event.inputs)

    def _formulas(self, unit):
        """How the value was made, one line for each operation on the way, oldest first."""
        order = {id(event): number for number, event in enumerate(self.events)}
        events = sorted(self.made_by.get(unit, ()), key=lambda event: order[id(event)])
        lines = [steps.formula(event, self.names) for event in events if event.kind != "OPEN"]
        return list(dict.fromkeys(lines))[:4]

    # Folding and looking around

    def _find_chains(self):
        """Maximal runs of chain keys with their message keys and messages: head → members."""
        role = {unit: self.names.values[unit]["role"] for unit in self.nodes}
        after, before = {}, {}
        for source, target in self.edges:
            if role[source] == role[target] == "CK":
                after[source], before[target] = target, source
        children = defaultdict(list)
        for source, target in self.edges:
            children[source].append(target)
        chains = {}
        for head in (u for u in self.nodes if role[u] == "CK" and u not in before):
            members, key = [], head
            while key:
                mine = [key] + [child for child in children[key] if role[child] == "MK"]
                mine += [c for mk in mine[1:] for c in children[mk] if role[c] == "C"]
                members += mine
                key = after.get(key)
            if sum(role[unit] == "CK" for unit in members) >= FOLD:
                chains[head] = members
        return chains

    def folded(self, opened: Iterable[str]) -> dict[str, str]:
        """For each node of a folded chain the head that stands for it. Small runs fold nothing."""
        if len(self.nodes) <= WHOLE:
            return {}
        heads = [head for head in self.chains if head not in set(opened)]
        return {unit: head for head in heads for unit in self.chains[head]}

    def near(self, focus: str, stands_for: Mapping[str, str]) -> list[str]:
        """The nodes to draw: all of them, or those nearest to `focus` if they are too many."""
        drawn = dict.fromkeys(stands_for.get(unit, unit) for unit in self.nodes)
        if len(drawn) <= WHOLE and not focus:
            return list(drawn)
        around = defaultdict(dict)
        for source, target in self.edges:
            a, b = stands_for.get(source, source), stands_for.get(target, target)
            if a != b:
                around[a][b] = around[b][a] = None
        start = stands_for.get(focus, focus)
        if start not in drawn:
            start = self._middle(drawn)
        found, waiting = {start: None}, deque([start])
        while waiting and len(found) < NEAR:
            for unit in sorted(around[waiting.popleft()], key=self.order.get):
                if unit not in found and len(found) < NEAR:
                    found[unit] = None
                    waiting.append(unit)
        return sorted(found, key=self.order.get)

    def _middle(self, drawn):
        """Where a large run opens: at SK, which joins the handshake and the ratchet."""
        secrets = [unit for unit in drawn if self.names.values[unit]["role"] == "SK"]
        return next(iter(secrets or drawn))

    def scene(self, focus: str = "", opened: Iterable[str] = ()) -> dict:
        """What is drawn now: placed nodes, edges as SVG paths, and how many nodes are not shown."""
        # A chain that holds the focus is open: one asked to see a part of it.
        around = [head for head, members in self.chains.items() if focus in members]
        stands_for = self.folded([*opened, *around])
        units = self.near(focus, stands_for)
        inside = set(units)
        joined = dict.fromkeys(
            (stands_for.get(source, source), stands_for.get(target, target))
            for source, target in self.edges
        )
        joined = [edge for edge in joined if edge[0] != edge[1]]
        edges = [edge for edge in joined if inside.issuperset(edge)]
        places, routes, width, height = arrange(units, edges, width=BOX, gap=GAP, pitch=PITCH)
        rows = sorted({y for _, y in places.values()})
        return {
            "nodes": [
                {
                    "id": unit,
                    "x": round(places[unit][0] + EDGE),
                    "y": round(places[unit][1] + EDGE),
                    "row": rows.index(places[unit][1]),
                    "fold": self._fold(unit) if unit in stands_for.values() else None,
                    "more": sum(unit in edge and not inside.issuperset(edge) for edge in joined),
                }
                for unit in units
            ],
            "edges": [[*edge, self._path(routes[edge])] for edge in edges],
            "width": round(width + 2 * EDGE),
            "height": round(height + TALL + 2 * EDGE),
            "asked": [focus, list(opened)],  # every request changes this trait
            "whole": len(units) == len({stands_for.get(unit, unit) for unit in self.nodes}),
        }

    def _path(self, points):
        return curve([(x + EDGE, y + EDGE + TALL / 2) for x, y in points], TALL)

    def _fold(self, head):
        members = self.chains[head]
        keys = [unit for unit in members if self.names.values[unit]["role"] == "CK"]
        return {
            "name": f"{self.nodes[keys[0]]['name']}…{self.nodes[keys[-1]]['name']}",
            "members": members,
            "messages": sum(self.nodes[unit]["message"] for unit in members),
        }


class KeyLineage(View):
    """The derivation graph of a `Trace`; leak values and see what falls.

    `prove(closure)` is handed in and returns one verdict for each sealed message, as
    `proof.verdicts` does. `thefts` names sets of bytes that are stolen together, such as a device.
    `leaked` holds ids of nodes, `stolen` names of thefts, `chosen` the message whose proof is open.
    """

    _esm = module("lineage")
    _css = style("lineage")
    title = traitlets.Unicode("").tag(sync=True)
    graph = traitlets.Dict().tag(sync=True)
    scene = traitlets.Dict().tag(sync=True)
    around = traitlets.Unicode("").tag(sync=True)
    opened = traitlets.List(traitlets.Unicode()).tag(sync=True)
    leaked = traitlets.List(traitlets.Unicode()).tag(sync=True)
    stolen = traitlets.List(traitlets.Unicode()).tag(sync=True)
    attack = traitlets.Dict().tag(sync=True)
    chosen = traitlets.Unicode("").tag(sync=True)
    verdict = traitlets.Dict().tag(sync=True)

    def __init__(
        self,
        trace: Trace,
        prove: Callable[[Closure], list],
        title: str = "",
        *,
        actors=None,
        thefts: Mapping[str, Iterable[bytes]] | None = None,
        leaked: Iterable[str] = (),
    ):
        self._trace, self._prove = trace, prove
        self._thefts = {name: frozenset(values) for name, values in (thefts or {}).items()}
        self._graph = Graph(trace, actors)
        self._public = trace.closure()
        super().__init__(title=title, graph=self._plain(), scene=self._graph.scene())
        self.leaked = [self._id(name) for name in leaked]
        self._fall()
        self.observe(self._fall, ["leaked", "stolen"])
        self.observe(self._move, ["around", "opened"])
        self.observe(self._choose, ["chosen"])

    def leak(self, *names: str) -> None:
        """Leak values by name, such as `SK`, as a click would. Raises `ValueError` if unknown."""
        self.leaked = list(dict.fromkeys([*self.leaked, *map(self._id, names)]))

    def steal(self, *names: str) -> None:
        """Steal what `thefts` holds under these names. Raises `ValueError` if unknown."""
        unknown = [name for name in names if name not in self._thefts]
        if unknown:
            raise ValueError(f"nothing is called {unknown[0]!r} among the thefts")
        self.stolen = list(dict.fromkeys([*self.stolen, *names]))

    def choose(self, name: str) -> None:
        """Open the proof, or what is missing, of the message with this name, such as `C1`."""
        self.chosen = self._id(name)

    def _id(self, name):
        for unit, node in self._graph.nodes.items():
            if node["name"] == name:
                return unit
        raise ValueError(f"this run has no value called {name!r}")

    def _plain(self):
        nodes = self._graph.nodes
        return {
            "nodes": nodes,
            "parents": self._parents(),
            "messages": [unit for unit, node in nodes.items() if node["message"]],
            "thefts": list(self._thefts),
            "unused": len(self._graph.unused),
            "operations": len(self._trace),
            "box": [BOX, TALL],
        }

    def _parents(self):
        parents = defaultdict(list)
        for source, target in self._graph.edges:
            parents[target].append(source)
        return parents

    def _fall(self, change=None):
        """Compute what the attacker knows now."""
        nodes, secrets = self._graph.nodes, self._graph.secret_of
        leaked = [unit for unit in self.leaked if unit in nodes and nodes[unit]["secret"]]
        bytes_of = {secrets[unit] for unit in leaked}
        for name in self.stolen:
            bytes_of |= self._thefts.get(name, frozenset())
        closure = self._trace.closure(bytes_of)
        self._verdicts = {v.ciphertext: v for v in self._prove(closure)}
        taken = [u for u, n in nodes.items() if n["secret"] and secrets[u] in bytes_of]
        fallen = [u for u, n in nodes.items() if n["secret"] and secrets[u] in closure]
        read = [u for u, n in nodes.items() if n["message"] and self._readable(secrets[u])]
        taken_now = set(taken)
        self.attack = {
            "leaked": taken,
            "fallen": [unit for unit in fallen if unit not in taken_now],
            "read": read,
            "sentence": self._sentence(taken, fallen, read),
            "asked": [list(self.leaked), list(self.stolen)],  # every request changes this trait
        }
        self._choose()

    def _readable(self, ciphertext):
        return ciphertext in self._verdicts and self._verdicts[ciphertext].readable

    def _sentence(self, taken, fallen, read):
        messages = sum(node["message"] for node in self._graph.nodes.values())
        if not taken and not self.stolen:
            return f"Nothing is leaked. The attacker reads {len(read)} of {_count(messages)}."
        more = len(set(fallen) - set(taken))
        return (
            f"{_count(len(taken), 'value')} leaked, {more} more fall. "
            f"The attacker reads {len(read)} of {_count(messages)}."
        )

    def _move(self, change=None):
        self.scene = self._graph.scene(self.around, self.opened)

    def _choose(self, change=None):
        node = self._graph.nodes.get(self.chosen)
        if not node or not node["message"]:
            self.verdict = {}
            return
        verdict = self._verdicts.get(self._graph.secret_of[self.chosen])
        if verdict is None:
            self.verdict = {"id": self.chosen, "readable": False, "steps": [], "alone": []}
        elif verdict.readable:
            told = [self._step(step) for step in verdict.steps]
            text = quote(verdict.plaintext, 200)
            self.verdict = {"id": self.chosen, "readable": True, "steps": told, "text": text}
        else:
            self.verdict = {"id": self.chosen, "readable": False, **self._missing(verdict)}

    def _step(self, step):
        """One operation of a proof: formula, sentence, the nodes it uses and makes, its output."""
        of = self._graph.names.of
        given = [value for _, value in step.inputs]
        units = [self._graph.unit_of.get(value, "") for value in given]
        made = self._graph.unit_of.get(step.value, "")
        if step.rule == "OPEN":
            made = self._graph.unit_of.get(given[1], "")
        return {
            "formula": proof_line(step, of),
            "why": self._why(step),
            "used": [unit for unit in dict.fromkeys(units) if unit and unit != made],
            "made": made,
            "size": len(step.value),
            "hex": step.value[:32].hex(),
        }

    def _why(self, step):
        if step.value in self._public:
            return "Only public bytes go in: anybody can compute this."
        return _RULES.get(step.rule, "One operation of the run, repeated.")

    def _missing(self, verdict):
        """Values of which each would be enough, nearest first; and groups that would be."""
        missing, unit_of = verdict.missing, self._graph.unit_of
        alone = dict.fromkeys(unit_of[value] for value in missing.alone if value in unit_of)
        groups = dict.fromkeys(
            tuple(dict.fromkeys(unit_of[value] for value in group))
            for group in missing.together
            if all(value in unit_of for value in group)
        )
        nodes = self._graph.nodes
        alone = [unit for unit in alone if unit in nodes and nodes[unit]["secret"]]
        groups = [list(g) for g in groups if len(g) > 1 and all(u in nodes for u in g)]
        return {"alone": alone[:12], "together": groups[:4], "more": max(0, len(alone) - 12)}

    # Forms without a kernel

    def _text(self):
        nodes = self._graph.nodes
        head = self.title or "Key lineage"
        if not nodes:
            return f"{head}: nothing was recorded that one could leak."
        lines = [f"{head}: {len(nodes)} values, {len(self._trace)} operations."]
        lines.append(self.attack["sentence"])
        shown = list(nodes.values())[:_TEXT_NODES]
        lines += [f"  {self._line(node)}" for node in shown]
        if len(nodes) > len(shown):
            lines.append(f"… and {len(nodes) - len(shown)} more values.")
        return "\n".join(drawing.printable(line) for line in lines)

    def _line(self, node):
        who = " and ".join(node["actors"]) or "program"
        text = f" {node['text']}" if node["text"] else ""
        made = f": {'; '.join(node['made'])}" if node["made"] else ""
        return f"{node['name']}{text} [{who}, {self._state(node)}]{made}"

    def _state(self, node):
        unit = node["id"]
        if node["message"]:
            return "falls" if unit in self.attack["read"] else "holds"
        if not node["secret"]:
            return "public"
        if unit in self.attack["leaked"]:
            return "leaked"
        return "falls" if unit in self.attack["fallen"] else "secret"

    def _alt(self):
        return " ".join(self._text().split("\n", 2)[:2])

    def _svg(self):
        return picture(self.scene, self._graph.nodes, self._state, self._alt(), self.title)


_TEXT_NODES = 160  # a saved notebook stays small


def _count(number, what="message"):
    return f"{number} {what}{'' if number == 1 else 's'}"


_RULES = {
    "DH": "One private key and the other public key are enough.",
    "HKDF": "The attacker runs the same derivation.",
    "HMAC": "The attacker moves the chain forward himself.",
    "JOIN": "The parts are known, so the whole is.",
    "CUT": "The whole is known, so each part is.",
    "PUBLIC": "The public half follows from the private one.",
    "DECAPS": "The private KEM key unpacks the shared secret.",
    "ENCAPS": "The coins of the encapsulation are known.",
    "SIGN": "The private key signs.",
    "OPEN": "The key is known: the message opens, and the text is read.",
    "SEAL": "The same text under the same key gives the same bytes.",
}
_SIGNS = {"PUBLIC": "Public", "DECAPS": "Decaps", "ENCAPS": "Encaps", "SIGN": "Sign"}


def proof_line(step, of):
    """One step of a proof as a formula, with the names of the picture."""
    given, made = [of(value) for _, value in step.inputs], of(step.value)
    if step.rule == "JOIN":
        return f"{made} = {' ‖ '.join(given)}"
    if step.rule == "CUT":
        return f"{made} = a part of {given[0]}"
    if step.rule == "HKDF":
        return f"{made} = HKDF(salt = {given[0]}, {given[1]}, info = {given[2]})"
    if step.rule in ("OPEN", "SEAL"):
        return f"{made} = {step.rule.title()}({', '.join(given[:3])})"
    return f"{made} = {_SIGNS.get(step.rule, step.rule)}({', '.join(given)})"


# The still picture

_WORDS = {"leaked": "✗ leaked", "falls": "✗ falls", "holds": "holds"}
_ACTOR = "".join(f".a{n}{{fill:{pair[0]}}}" for n, pair in enumerate(drawing.COLOURS))
_ACTOR_DARK = "".join(f".a{n}{{fill:{pair[1]}}}" for n, pair in enumerate(drawing.COLOURS))
_STYLE = (
    ".e{fill:none;stroke:#aab2c0;stroke-width:1.5}.box{fill:#fff;stroke:#c3cad6}"
    ".box.secret{fill:#fbeef2}.box.falls,.box.leaked{fill:#fdeeec;stroke:#b3261e;stroke-width:2}"
    ".e.bad{stroke:#b3261e;stroke-width:2}.bad{fill:#b3261e}.e.bad{fill:none}" + _ACTOR + "text.n"
    "{font:600 11.5px ui-monospace,Menlo,Consolas,monospace}text.k{font-size:10.5px}"
    "@media(prefers-color-scheme:dark){.e{stroke:#566175}.box{fill:#161b24;stroke:#465064}"
    ".box.secret{fill:#3a1f29}.box.falls,.box.leaked{fill:#3b1d1b;stroke:#ff9b92}"
    ".e.bad{stroke:#ff9b92}text.bad{fill:#ff9b92}" + _ACTOR_DARK + "}"
)


def picture(scene: dict, nodes: dict, state: Callable[[dict], str], alt: str, title: str) -> str:
    """The scene as a still SVG, each node with its name, its makers and its state."""
    head = title or "Key lineage"
    if not nodes:
        words = [drawing.text(20, 34, head, "t b"), drawing.text(20, 62, alt, "m s")]
        return drawing.document(560, 84, words, title=head)
    bad = ("leaked", "falls")
    states = {unit: state(node) for unit, node in nodes.items()}
    lines = [
        f'<path class="e{" bad" if states[a] in bad and states[b] in bad else ""}" d="{path}"/>'
        for a, b, path in scene["edges"]
    ]
    boxes = [shape for place in scene["nodes"] for shape in _box(place, nodes, states)]
    width = max(scene["width"], 420)
    sentence = drawing.wrap(alt.split(". ", 1)[-1] if ". " in alt else alt, width // 7)
    words = [drawing.text(16, 52 + 17 * n, line, "m s") for n, line in enumerate(sentence)]
    top = 58 + 17 * len(sentence)
    shift = (width - scene["width"]) / 2
    graph = f'<g transform="translate({shift:g} {top})">{"".join(lines + boxes)}</g>'
    title_line = drawing.text(16, 30, drawing.cut(head, width // 9), "t b")
    return drawing.document(
        width, top + scene["height"], [title_line, *words, graph], title=head, style=_STYLE
    )


def _box(place, nodes, states):
    node, x, y = nodes[place["id"]], place["x"] - BOX / 2, place["y"]
    now = states[node["id"]]
    name = place["fold"]["name"] if place["fold"] else node["name"]
    small = _WORDS.get(now) or ("both" if len(node["actors"]) > 1 else "".join(node["actors"]))
    yield f'<rect class="box {now}" x="{x:g}" y="{y}" width="{BOX}" height="{TALL}" rx="7"/>'
    tall = (TALL - 8) / max(1, len(node["colours"]))
    for number, colour in enumerate(node["colours"]):
        top = y + 4 + number * tall
        yield f'<rect class="a{colour}" x="{x + 4:g}" y="{top:g}" width="4" height="{tall:g}"/>'
    yield drawing.text(x + 14, y + 19, drawing.cut(name, 15), "t n")
    kind = "bad k" if now in ("leaked", "falls") else "m k"
    yield drawing.text(x + 14, y + 35, drawing.cut(small, 17), kind)
