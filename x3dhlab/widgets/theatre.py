"""The ratchet theatre: two phones, a network in the learner's hands, and a thief.

The widget shows what a `stage` tells it as plain data, and passes on what the learner wants. The
stage acts: it runs the real devices, and computes what the thief can read.
"""

import traitlets

from x3dhlab.widgets import drawing
from x3dhlab.widgets.base import View, module, style


class RatchetTheatre(View):
    """Shows two ratchet states and the messages between them; every step can be undone.

    `stage` is handed in. `stage.act(name, **facts)` makes a step or raises `ValueError`,
    `stage.view()` tells what is there, `stage.proof(number)` lists how the thief opens a message.
    `scenes.ratchet_theatre` makes one with real devices.
    """

    _esm = module("theatre", "drag")
    _css = style("drag", "theatre")
    title = traitlets.Unicode("").tag(sync=True)
    scene = traitlets.Dict().tag(sync=True)
    proof = traitlets.Dict().tag(sync=True)

    def __init__(self, stage, title: str = "Two phones and a network"):
        self._stage = stage
        self._turn = 0
        super().__init__(title=title)
        self._show()
        self.on_msg(self._on_message)

    def act(self, name: str, **facts) -> None:
        """One step, as a click makes it. Raises `ValueError` for a step that cannot be made."""
        self._stage.act(name, **facts)
        self._show()

    def explain(self, number: int) -> list[str]:
        """How the thief opens message `number`: operations in order; none if he cannot."""
        lines = self._stage.proof(number)
        self._turn += 1
        self.proof = {"number": number, "lines": lines, "turn": self._turn}
        return lines

    def _show(self, problem=""):
        # The turn makes each answer a new value, also where nothing changed.
        self._turn += 1
        self.scene = {**self._stage.view(), "problem": problem, "turn": self._turn}

    def _on_message(self, _, content, buffers):
        facts = content.get("facts", {})
        try:
            if content.get("kind") == "act":
                self.act(content.get("name"), **facts)
            elif content.get("kind") == "proof":
                self.explain(content.get("number"))
        except (ValueError, TypeError) as problem:
            self._show(f"That is not possible: {problem}.")
        except Exception as problem:
            self._show(f"This step stopped: {problem}")

    def _text(self):
        return text(self.scene, self.title)

    def _svg(self):
        return picture(self.scene, self.title)


def text(scene: dict, title: str) -> str:
    """The steps so far, both states, what is under way, and what the thief reads."""
    lines = [f"{title}: {len(scene['steps']) - 1} steps."]
    lines += [f"{number:3}. {words}" for number, words in enumerate(scene["steps"]) if number]
    if scene["now"]["refusal"]:
        lines.append(f"  {refusal(scene['now'])}")
    for phone in scene["phones"]:
        lines += ["", f"{phone['name']}'s phone: {phone['waits'] or state_line(phone)}"]
        lines += [f"  reads message {r['number']}: “{r['text']}”" for r in phone["read"]]
    for lane in scene["lanes"]:
        way = f"{lane['sender']} to {lane['recipient']}"
        lines += ["", f"Under way from {way}: {len(lane['parcels']) or 'nothing'}."]
        lines += [f"  {parcel_line(parcel)}" for parcel in lane["parcels"]]
    if scene["thief"]["copies"]:
        lines += ["", *thief_lines(scene)]
    return "\n".join(drawing.printable(line) for line in lines)


def refusal(now: dict) -> str:
    """The refusal of a step: its error, the place in the specification, and what it changed."""
    return f"Refused: {now['refusal']} [{now['section']}]. The state did not change."


def state_line(phone: dict) -> str:
    """One ratchet state in one line; `*` marks what the last step changed, `!` what is stolen."""
    parts = [
        f"{field['name']}{'*' * field['changed']} {field['value']}{'!' * field['stolen']}"
        for field in phone["fields"]
    ]
    return ", ".join([*parts, f"{len(phone['skipped']['keys'])} skipped keys"])


def parcel_line(parcel: dict) -> str:
    """One message under way: number, text, header."""
    remark = f" ({parcel['remark']})" if parcel["remark"] else ""
    handshake = ", with the handshake header" if parcel["handshake"] else ""
    header = f"DHs {parcel['key']}, PN {parcel['PN']}, N {parcel['N']}{handshake}"
    return f"message {parcel['number']}{remark}: “{parcel['text']}”, {header}"


def thief_lines(scene: dict) -> list[str]:
    """What the thief has, which messages he reads, and where he is locked out."""
    copies = " and ".join(f"{c['owner']} at step {c['step']}" for c in scene["thief"]["copies"])
    lines = [f"The thief copied the state of {copies}."]
    for message in scene["messages"]:
        verdict = (
            f"the thief reads “{message['stolen_text']}”"
            if message["readable"]
            else f"safe; the thief would need {message['missing']}"
        )
        lines.append(f"  message {message['number']} of {message['sender']}: {verdict}.")
    return lines + [f"  {healing(phone)}" for phone in scene["thief"]["next"]]


def healing(phone: dict) -> str:
    """Whether the next message of this phone is safe."""
    if not phone["ready"]:
        return f"{phone['name']} has no sending chain yet."
    if phone["readable"]:
        return f"{phone['name']}'s next message: the thief can read it."
    since = f" Healed at step {phone['since']}." if phone["since"] is not None else ""
    return f"{phone['name']}'s next message: safe.{since}"


_STYLE = (
    ".card{fill:none;stroke:#8a93a3}.new{fill:#fff2c2}.a{fill:#00639c}.b2{fill:#b24a00}"
    ".bad{fill:#b3261e}.good{fill:#00694f}"
    "@media(prefers-color-scheme:dark){.new{fill:#4a3d10}.a{fill:#62b8f0}.b2{fill:#f2a05c}"
    ".bad{fill:#ff9b92}.good{fill:#5fd6b0}}"
)
_WIDE, _PHONE, _ROW = 900, 236, 24


def picture(scene: dict, title: str) -> str:
    """The theatre as a still: a phone on each side, the messages between, the thief below."""
    body = [drawing.text(20, 32, title, "t b")]
    y = 40
    for line in drawing.wrap(scene["now"]["words"], 110):
        y += 20
        body.append(drawing.text(20, y, line, "t"))
    if scene["now"]["refusal"]:
        y += 20
        body.append(drawing.text(20, y, refusal(scene["now"]), "bad b"))
    top = y + 18
    left, right = scene["phones"]
    body += _phone(left, 20, top, "a") + _phone(right, _WIDE - 20 - _PHONE, top, "b2")
    between, bottom = _network(scene, 20 + _PHONE + 18, top)
    body += between
    bottom = max(bottom, top + 12 * _ROW + 20)
    if scene["thief"]["copies"]:
        for line in thief_lines(scene)[:14]:
            bottom += 20
            body.append(drawing.text(20, bottom, drawing.cut(line.strip(), 118), "t s"))
    return drawing.document(_WIDE, int(bottom) + 24, body, title=title, style=_STYLE)


def _phone(phone, x, y, colour):
    rows = 12 * _ROW
    body = [f'<rect class="card" x="{x}" y="{y}" width="{_PHONE}" height="{rows}" rx="12"/>']
    body.append(drawing.text(x + 12, y + 24, drawing.cut(phone["name"], 26), f"{colour} b"))
    if phone["waits"]:
        for number, line in enumerate(drawing.wrap(phone["waits"], 30)):
            body.append(drawing.text(x + 12, y + 52 + 20 * number, line, "m s"))
        return body
    for number, field in enumerate(phone["fields"], 1):
        line = y + 26 + number * _ROW
        if field["changed"]:
            body.append(
                f'<rect class="new" x="{x + 6}" y="{line - 16}" width="{_PHONE - 12}" '
                f'height="{_ROW - 2}" rx="4"/>'
            )
        mark = "stolen" if field["stolen"] else "secret" if field["secret"] else ""
        body.append(drawing.text(x + 12, line, field["name"], "t b mono"))
        body.append(drawing.text(x + 60, line, field["value"], "t mono"))
        if mark:
            kind = "bad s" if field["stolen"] else "m s"
            body.append(drawing.text(x + _PHONE - 14, line, mark, kind, "end"))
    line = y + 26 + 9 * _ROW
    skipped = f"{len(phone['skipped']['keys'])} skipped keys"
    body.append(drawing.text(x + 12, line, skipped, "t s"))
    read = ", ".join(str(r["number"]) for r in phone["read"]) or "none"
    body.append(drawing.text(x + 12, line + _ROW, drawing.cut(f"messages read: {read}", 34), "m s"))
    return body


def _network(scene, x, y):
    body, width = [], 48
    for lane in scene["lanes"]:
        y += 24
        way = f"{lane['sender']} → {lane['recipient']}"
        body.append(drawing.text(x, y, drawing.cut(way, width), "m s b"))
        for parcel in lane["parcels"][:12]:
            y += 22
            line = drawing.cut(f"{parcel['number']}  {parcel['text']}", width - 10)
            remark = f" {parcel['remark']}" if parcel["remark"] else ""
            body.append(drawing.text(x + 8, y, line + remark, "t"))
        if not lane["parcels"]:
            y += 22
            body.append(drawing.text(x + 8, y, "nothing under way", "m s"))
        y += 12
    return body, y
