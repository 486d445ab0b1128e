"""The protocol player: a recorded run, step by step, in lanes.

`view` turns a trace into plain data; the ES module, the text form and the still picture all show
that data, so they cannot tell different stories.
"""

from itertools import count

import traitlets

from x3dhlab.trace import Trace
from x3dhlab.widgets import drawing, steps
from x3dhlab.widgets.base import View, module
from x3dhlab.widgets.diagram import sequence
from x3dhlab.widgets.holdings import Holdings
from x3dhlab.widgets.names import Names
from x3dhlab.widgets.steps import SERVER

NOBODY = "program"


def view(trace: Trace, actors=None) -> dict:
    """The run as plain data: `lanes`, `steps` and `values`.

    `actors` gives the lanes in order; actors that it leaves out come after it. A step has actor,
    kind, title, formula (lines), sentence, section, inputs and outputs (ids of values), message,
    error, changes (see `holdings`) and what the server learns.
    """
    colours = coloured_lanes(trace, actors)
    lanes = [lane["name"] for lane in colours]
    names = Names(trace, [lane for lane in lanes if lane not in (SERVER, NOBODY)])
    holdings = Holdings(names)
    colour_of = {lane["name"]: lane["colour"] for lane in colours}
    told = []
    for group in steps.groups(trace.events, names):
        step = steps.describe(group, names)
        changes = holdings.after(group)
        step["actor"] = step["actor"] or NOBODY
        step["colour"] = colour_of[step["actor"]]
        step["changes"] = [[lane or NOBODY, value, state] for lane, value, state in changes]
        step["learned"] = _learned(step["message"])
        told.append(step)
    return {
        "lanes": colours,
        "steps": told,
        "values": names.values,
    }


def coloured_lanes(trace: Trace, actors=None) -> list[dict]:
    """The lanes of a run in order, each with name, colour and whether it is a server."""
    return _coloured(_lanes(trace, actors))


def _lanes(trace, actors):
    """The named actors first, then all others as they appear; a server stands second."""
    found = list(dict.fromkeys(actors or ()))
    seen = []
    for event in trace.events:
        detail = dict(event.detail)
        seen += [detail["sender"], detail["recipient"]] if event.kind == "WIRE" else [event.actor]
    seen = [name or NOBODY for name in dict.fromkeys(seen)]
    new = [name for name in dict.fromkeys(seen) if name not in found]
    if SERVER in new and not actors:
        new.remove(SERVER)
        new.insert(1, SERVER)
    return found + new


def _coloured(lanes):
    """Each lane with its colour; people take turns through the palette, a server is grey."""
    people = count(0)
    palette = len(drawing.COLOURS) - 1
    return [
        {
            "name": lane,
            "server": lane == SERVER,
            "colour": drawing.SERVER_COLOUR if lane == SERVER else 1 + next(people) % palette,
        }
        for lane in lanes
    ]


def _learned(message):
    """What a server learns from a message that it takes or gives, besides the bytes."""
    if not message or SERVER not in (message["sender"], message["recipient"]):
        return ""
    other, about = message["sender"], message["about"]
    if message["what"] == "publication":
        return f"{other} is here and can be reached."
    if message["what"] == "prekey bundle":
        return f"{message['recipient']} wants to talk to {about}."
    if message["recipient"] == SERVER:
        return f"{other} writes to {about}: {message['size']} bytes."
    return f"{message['recipient']} is online and took the bytes from {about}."


class ProtocolPlayer(View):
    """Plays a `Trace` in lanes, forward and back.

    `actors` names the lanes in order; `start` is the number of the first step shown, from 0.
    `index` is the step that is shown now.
    """

    _esm = module("player")
    run = traitlets.Dict().tag(sync=True)
    index = traitlets.Int(0).tag(sync=True)
    title = traitlets.Unicode("").tag(sync=True)

    def __init__(self, trace: Trace, title: str = "", actors=None, start: int = 0):
        run = view(trace, actors)
        super().__init__(run=run, title=title, index=start)

    @traitlets.validate("index")
    def _keep_inside(self, proposal):
        return max(0, min(proposal["value"], len(self.run.get("steps", ())) - 1))

    def _text(self):
        return text(self.run, self.title)

    def _svg(self):
        return sequence(self.run, self.title or "A recorded run")

    def _alt(self):
        lanes = ", ".join(lane["name"] for lane in self.run["lanes"]) or "nobody"
        count = len(self.run["steps"])
        return (
            f"{self.title or 'A recorded run'}: {count} steps of {lanes}. The text form lists them."
        )


def text(run: dict, title: str = "") -> str:
    """The run as a numbered list: actor, formula, section, and the first bytes of each result."""
    head = title or "A recorded run"
    if not run["steps"]:
        return f"{head}: nothing was recorded."
    lanes = ", ".join(lane["name"] for lane in run["lanes"])
    lines = [f"{head}: {len(run['steps'])} steps. Lanes: {lanes}."]
    shown = run["steps"][:_TEXT_STEPS]
    lines += [_text_line(number, step, run) for number, step in enumerate(shown, 1)]
    if len(run["steps"]) > len(shown):
        lines.append(f"… and {len(run['steps']) - len(shown)} more steps.")
    return "\n".join(drawing.printable(line) for line in lines)


def _text_line(number, step, run):
    formula = "; ".join(step["formula"])
    actor = "" if step["message"] else f"{step['actor']}: "
    section = f" [{step['section']}]" if step["section"] else ""
    error = f" REFUSED: {step['error']}" if step["error"] else ""
    return f"{number:3}. {actor}{formula}{section}{_short_hex(step, run)}{error}"


_TEXT_VALUES = 3
_TEXT_STEPS = 200  # a saved notebook stays small


def _short_hex(step, run):
    """The first four bytes of what the step made, for at most three values."""
    if step["message"]:
        return ""
    values = [run["values"][value] for value in step["outputs"]]
    shown = [
        f"{v['name']}{' public' if v['public'] else ''} {(v['public'] or v['hex'])[:8]}…"
        for v in values
        if v["role"] != "text"
    ]
    return f" ({', '.join(shown[:_TEXT_VALUES])})" if shown else ""
