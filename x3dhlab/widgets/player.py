"""The protocol player: a recorded run, step by step, in lanes."""

import traitlets

from x3dhlab.trace import Trace
from x3dhlab.widgets import drawing
from x3dhlab.widgets.base import View, module


def view(trace: Trace, actors=None) -> dict:
    """The run as plain data."""
    return {"lanes": [], "steps": [], "values": {}}


class ProtocolPlayer(View):
    """Plays a `Trace`. `actors` names the lanes in order; `start` is the first step shown."""

    _esm = module("player")
    run = traitlets.Dict().tag(sync=True)
    index = traitlets.Int(0).tag(sync=True)
    title = traitlets.Unicode("").tag(sync=True)

    def __init__(self, trace: Trace, title: str = "", actors=None, start: int = 0):
        super().__init__(run=view(trace, actors), title=title, index=start)

    def _text(self):
        return self.title or "Run"

    def _svg(self):
        return drawing.document(640, 40, [], title=self._text())
