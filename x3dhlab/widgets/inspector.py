"""The byte inspector: one message as it stands on the wire, every byte with its field.

`view` turns bytes (and a trace, if there is one) into plain data. What may happen to edited bytes
is decided by a callable that is handed in; this module only shows what it answers.
"""

from collections.abc import Callable
from dataclasses import dataclass

import traitlets

from x3dhlab.errors import Malformed, Refused
from x3dhlab.layout import Variable, explain
from x3dhlab.trace import Trace
from x3dhlab.widgets import drawing, steps
from x3dhlab.widgets.base import View, module, style
from x3dhlab.widgets.experiment import FALLS, HOLDS, NOTE
from x3dhlab.widgets.names import KINDS, Names, decode
from x3dhlab.wire import EC_TYPE, KEM_TYPES

# A page with more bytes than this would be slow, and nobody reads them.
LIMIT = 65_536
EDIT_LIMIT = 1000
_MARKS = {HOLDS: "✓", FALLS: "✗", NOTE: "·"}
_SHORTEST = 16  # bytes; below that a value is a number and no operation made it
_TEXT_FIELDS = 200
_SVG_FIELDS = 40


@dataclass(frozen=True, slots=True)
class Checked:
    """What a receiver made of the bytes: a sentence, its refusal if any, and the steps before."""

    sentence: str = ""
    refusal: Refused | None = None
    passed: tuple[str, ...] = ()


def view(data: bytes, trace: Trace | None = None) -> dict:
    """A message as plain data: kind, size, hex, route, and `fields` in order.

    A field has name, offset, length, meaning, sealed (the number of its bytes that need a key),
    value, who (may read it), origin (the operation that made it), and `parent`: the place of the
    field that it is inside, or -1.
    """
    try:
        message, fields = explain(data, *KINDS)
    except Malformed as problem:
        return _unreadable(data, trace, problem)
    story = _Story(data, trace)
    told = []
    _tell(message, fields, 0, -1, told, story)
    return {
        "kind": _kind(fields),
        "size": len(data),
        "hex": data.hex(),
        "route": story.route(),
        "fields": told,
        "problem": "",
    }


def _kind(fields):
    """The name of the message type, from the field that says it."""
    meaning = next(field.meaning for field in fields if field.name == "type")
    return meaning.partition(": ")[2].rstrip(".")


def _unreadable(data, trace, problem):
    field = {
        "name": "bytes",
        "offset": 0,
        "length": len(data),
        "meaning": "These bytes are no message of this course.",
        "sealed": 0,
        "value": "",
        "who": "Unknown.",
        "origin": "",
        "parent": -1,
    }
    return {
        "kind": "unknown bytes",
        "size": len(data),
        "hex": data.hex(),
        "route": _Story(data, trace).route(),
        "fields": [field] if data else [],
        "problem": f"{problem.args[0][:1].upper()}{problem.args[0][1:]}.",
    }


def _tell(message, fields, start, parent, told, story):
    """Append these fields and, after each, the fields of a message that stands inside it."""
    variable = {item.name for item in message.LAYOUT if isinstance(item, Variable)}
    for field in fields:
        inner, inside = decode(field.value) if field.name in variable else (None, [])
        sealed = _sealed(field)
        told.append(
            {
                "name": field.name.replace("_", " "),
                "offset": start + field.offset,
                "length": field.length,
                "meaning": field.meaning,
                "sealed": sealed,
                "value": _value(message, field),
                "who": story.who(field, sealed),
                "origin": "" if inside else story.origin(field),
                "parent": parent,
            }
        )
        if inside:
            _tell(inner, inside, start + field.offset, len(told) - 1, told, story)


def _sealed(field):
    """How many bytes of a field need a key: of a message that stands inside it, only some."""
    _, inside = decode(field.value) if field.secret else (None, [])
    return sum(map(_sealed, inside)) if inside else field.length * field.secret


def _value(message, field):
    """A number in words; other values speak through their hex."""
    value = getattr(message, field.name, None)
    if field.name.endswith(("length", "count")) or type(value) is int:
        return str(int.from_bytes(field.value, "big"))
    return ""


class _Story:
    """What a trace tells about the bytes of one message. Without a trace, what any reader knows."""

    def __init__(self, data, trace):
        self._data, self._trace = data, trace
        self._made = {}
        if trace is None:
            return
        self._names = Names(trace, list(dict.fromkeys(e.actor for e in trace.events if e.actor)))
        self._closure = trace.closure()
        for number, group in enumerate(steps.groups(trace.events, self._names), 1):
            step = steps.describe(group, self._names)
            for value in () if step["message"] else step["outputs"]:
                self._made.setdefault(value, (number, step))

    def _crossings(self):
        if self._trace is None:
            return []
        return [
            dict(event.detail) for event in self._trace.wire if event.inputs[0][1] == self._data
        ]

    def route(self):
        """The way of the message: `Alice → server → Bob`."""
        stops = []
        for detail in self._crossings():
            for name in (detail["sender"], detail["recipient"]):
                if name not in stops[-1:]:
                    stops.append(name)
        return " → ".join(stops)

    def who(self, field, sealed):
        """Who can read a field with so many sealed bytes."""
        if 0 < sealed < field.length:
            return (
                f"Everybody reads {field.length - sealed} bytes of it, {sealed} bytes are sealed. "
                "Expand the field to see which."
            )
        if not sealed:
            names = [n for d in self._crossings() for n in (d["sender"], d["recipient"])]
            seen = ", ".join(dict.fromkeys(names))
            return f"Everybody on the way{': ' + seen if seen else ''}."
        events = [
            event
            for event in (self._trace.events if self._trace is not None else ())
            if event.kind in ("SEAL", "OPEN")
            and not event.error
            and field.value in [value for _, value in (*event.inputs, *event.outputs)]
        ]
        if not events:
            return "Only who has its key."
        people = ", ".join(dict.fromkeys(event.actor or "the program" for event in events))
        key = self._names.of(events[0].inputs[0][1])
        if self._closure.reads(field.value):
            return f"Everybody: the key {key} follows from public bytes."
        return f"Only who has {key}: {people}. The public bytes of this run do not give it."

    def origin(self, field):
        """The operation that made the bytes: actor, formula, section and step of the run."""
        if self._trace is None:
            return ""
        value = field.value
        if value[:1] == EC_TYPE and len(value) == 33 or value[:1] in KEM_TYPES.values():
            value = value[1:] if self._names.id(value[1:]) else value
        number, step = self._made.get(self._names.holding(value), (0, None))
        if step is None or len(value) < _SHORTEST:
            return "No operation made it: the sender writes it as it is."
        name = self._names.of(value).split(" ")[0]
        lines = [line for line in step["formula"] if name in line.split(" = ")[0]]
        formula = (lines or step["formula"])[0]
        section = f" [{step['section']}]" if step["section"] else ""
        return f"{step['actor'] or 'program'}, step {number}: {formula}{section}"


class ByteInspector(View):
    """Shows the bytes of one message by field, and what a receiver says when some are changed.

    `check(data)` gets the edited bytes. It raises a `Refused`, or returns a sentence or a
    `Checked`. It must leave no trace of the attempt: it is called again after every change.
    `edits` is the list of changes, each [offset, value]; undo takes the last one back.
    """

    _esm = module("inspector")
    _css = style("inspector")
    message = traitlets.Dict().tag(sync=True)
    edits = traitlets.List().tag(sync=True)
    result = traitlets.Dict().tag(sync=True)
    title = traitlets.Unicode("").tag(sync=True)

    def __init__(
        self,
        data: bytes,
        title: str = "",
        *,
        trace: Trace | None = None,
        check: Callable[[bytes], object] | None = None,
    ):
        if type(data) is not bytes or len(data) > LIMIT:
            raise ValueError(f"the inspector shows bytes, at most {LIMIT} of them")
        self._data = data
        self._check = check
        super().__init__(message=view(data, trace), title=title)
        self.observe(self._again, "edits")
        self._again()

    @property
    def data(self) -> bytes:
        """The bytes with all edits."""
        edited = bytearray(self._data)
        for offset, value in self.edits:
            edited[offset] = value
        return bytes(edited)

    def edit(self, offset: int, value: int) -> None:
        """Change one byte, as typing would. Raises `ValueError` outside the message."""
        self.edits = [*self.edits, [offset, value]]

    def flip(self, offset: int, bit: int = 0) -> None:
        """Change one bit of one byte; bit 0 is the lowest."""
        if type(offset) is not int or not 0 <= offset < len(self._data):
            raise ValueError(f"there is no byte {offset!r}")
        self.edit(offset, self.data[offset] ^ 1 << bit)

    def undo(self) -> None:
        """Take the last change back."""
        self.edits = self.edits[:-1]

    def reset(self) -> None:
        """Take all changes back."""
        self.edits = []

    @traitlets.validate("edits")
    def _possible(self, proposal):
        made = proposal["value"][-EDIT_LIMIT:]
        for edit in made:
            good = isinstance(edit, list | tuple) and len(edit) == 2
            if not good or any(type(number) is not int for number in edit):
                raise ValueError(f"{edit!r} is no change of a byte")
            if not (0 <= edit[0] < len(self._data) and 0 <= edit[1] <= 255):
                raise ValueError(f"byte {edit[0]} cannot become {edit[1]}")
        return [list(edit) for edit in made]

    def _again(self, change=None):
        data = self.data
        changed = [i for i, (a, b) in enumerate(zip(self._data, data, strict=True)) if a != b]
        self.result = {"changed": changed, "hex": data.hex(), **self._judge(data, bool(changed))}

    def _judge(self, data, altered):
        if self._check is None:
            return _verdict(NOTE, "Nobody checks these bytes here.") if altered else {}
        try:
            answer = self._check(data)
        except Refused as refusal:
            answer = Checked(refusal=refusal)
        except Exception as problem:
            return _verdict(NOTE, f"The check itself stopped: {problem}")
        if not isinstance(answer, Checked):
            answer = Checked("Accepted." if answer is None else str(answer))
        if answer.refusal is None:
            sentence = (
                f"{answer.sentence} No check noticed the change." if altered else answer.sentence
            )
            return _verdict(FALLS if altered else NOTE, sentence, passed=answer.passed)
        return self._refused(answer, altered)

    def _refused(self, answer, altered):
        refusal = answer.refusal
        name = refusal.data.get("field", "")
        sentence = f"Refused: {refusal.args[0]}."
        return _verdict(
            HOLDS if altered else NOTE,
            f"{sentence} {answer.sentence}".strip(),
            passed=answer.passed,
            error=type(refusal).__name__,
            step=refusal.step,
            field=name.replace("_", " ") if isinstance(name, str) else "",
        )

    def _field_at(self, offset):
        """The innermost field at an offset."""
        inside = [
            field
            for field in self.message["fields"]
            if field["offset"] <= offset < field["offset"] + field["length"]
        ]
        return inside[-1]

    def _text(self):
        message = self.message
        route = f", {message['route']}" if message["route"] else ""
        head = f"{self.title or 'A message'}: {message['kind']}, {message['size']} bytes{route}."
        fields = message["fields"]
        lines = [head, *([message["problem"]] if message["problem"] else [])]
        lines += [self._line(field) for field in fields[:_TEXT_FIELDS]]
        if len(fields) > _TEXT_FIELDS:
            lines.append(f"… and {len(fields) - _TEXT_FIELDS} more fields.")
        return "\n".join(drawing.printable(line) for line in [*lines, *self._changes()])

    def _line(self, field):
        start, end = field["offset"], field["offset"] + field["length"]
        data = bytes.fromhex(self.message["hex"][2 * start : 2 * end])
        indent = "    " if field["parent"] >= 0 else "  "
        origin = f" From: {field['origin']}" if field["origin"] else ""
        return (
            f"{indent}{start:4} +{field['length']:<4} {field['name']} ({_state(field)}): "
            f"{grouped(data)}. {field['meaning']} Read by: {field['who']}{origin}"
        )

    def _changes(self):
        """The changed bytes and the verdict, as lines."""
        result, lines = self.result, []
        now = bytes.fromhex(result["hex"])
        for offset in result["changed"]:
            name = self._field_at(offset)["name"]
            lines.append(
                f"Changed: byte {offset} ({name}), {self._data[offset]:02x} → {now[offset]:02x}"
            )
        if result.get("sentence"):
            lines.append(f"{result['mark']} {result['sentence']}{_why(result)}")
        return lines

    def _svg(self):
        message, y = self.message, 58
        body = [drawing.text(20, 32, self.title or f"One {message['kind']}", "t b")]
        route = f" · {message['route']}" if message["route"] else ""
        body.append(
            drawing.text(20, 52, f"{message['kind']}, {message['size']} bytes{route}", "m s")
        )
        for field in message["fields"][:_SVG_FIELDS]:
            y += 24
            body += self._row(field, y)
        if len(message["fields"]) > _SVG_FIELDS:
            y += 24
            rest = len(message["fields"]) - _SVG_FIELDS
            body.append(drawing.text(20, y, f"… and {rest} more fields", "m s"))
        y += 10
        for line in (part for words in self._changes() for part in drawing.wrap(words, 110)):
            y += 20
            body.append(drawing.text(20, y, line, "t s"))
        title = f"{self.title or 'A message'}: {message['kind']}, {message['size']} bytes"
        return drawing.document(860, y + 22, body, title=title)

    def _row(self, field, y):
        start, size = field["offset"], field["length"]
        data = bytes.fromhex(self.message["hex"][2 * start : 2 * (start + min(size, 20))])
        shift = 16 if field["parent"] >= 0 else 0
        more = " …" if size > 20 else ""
        return [
            drawing.text(52, y, str(start), "m mono", "end"),
            drawing.text(66 + shift, y, drawing.cut(field["name"], 30), "t s b"),
            drawing.text(272 + shift, y, f"{size}", "m s", "end"),
            drawing.text(288 + shift, y, " ".join(f"{b:02x}" for b in data) + more, "t mono"),
            drawing.text(840, y, _state(field) if field["sealed"] else "", "m s", "end"),
        ]

    def _alt(self):
        message = self.message
        names = [field["name"] for field in message["fields"] if field["parent"] < 0]
        return (
            f"{self.title or 'A message'}: {message['kind']}, {message['size']} bytes in "
            f"{len(names)} fields. The text form lists them."
        )


def _state(field):
    if 0 < field["sealed"] < field["length"]:
        return f"{field['sealed']} of {field['length']} bytes secret"
    return "secret" if field["sealed"] else "public"


def _verdict(verdict, sentence, *, passed=(), error="", step="", field=""):
    return {
        "verdict": verdict,
        "mark": _MARKS[verdict],
        "sentence": sentence,
        "passed": list(passed),
        "error": error,
        "step": step,
        "field": field,
    }


def _why(result):
    parts = [result["error"], result["step"], result["field"] and f"field: {result['field']}"]
    found = ", ".join(part for part in parts if part)
    return f" ({found})" if found else ""


def grouped(data: bytes, limit: int = 16) -> str:
    """Hex in groups of four bytes, cut after `limit` bytes."""
    shown = data[:limit].hex()
    groups = " ".join(shown[i : i + 8] for i in range(0, len(shown), 8))
    return groups + (" …" if len(data) > limit else "")
