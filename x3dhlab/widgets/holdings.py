"""Who holds which values after each step, as changes that can be played forward.

A change is [lane, value, state]: "holds"; "saw" (handed on, but the holder may have kept a copy);
"deleted" (the program said so with FORGET); "gone" (used up, replaced or sent).
"""

from collections import defaultdict

from x3dhlab.widgets.names import JOINED, NONCE, OUTPUT, RATCHET_DH, Names
from x3dhlab.widgets.steps import SERVER, Group

# Values that live inside one step are shown in the step, not in the lanes.
_PASSING = {"KM", JOINED, RATCHET_DH, OUTPUT, NONCE, "identifier", "coins", "okm"}
_SENT = ("C", "CT")
_QUEUED = (*_SENT, "EK", "DHs")


class Holdings:
    """Follows the holders of values through the steps of a run."""

    def __init__(self, names: Names):
        self._names = names
        self._state: dict[str, dict[str, str]] = defaultdict(dict)
        self._changes: list = []
        self._sessions: dict[tuple[str, str], dict[str, str]] = {}
        self._session: dict[str, str] = {}
        self._dh = ("", "")

    def after(self, group: Group) -> list[list[str]]:
        """What changes with this step."""
        self._changes = []
        for event in group.events:
            if event.kind == "WIRE":
                self._cross(event)
            elif event.kind == "FORGET":
                self._forget(event)
            elif event.actor == SERVER:
                continue
            else:
                self._work(event, group.family == "ratchet")
        return self._changes

    def _set(self, lane, value, state):
        if value and self._state[lane].get(value) != state:
            self._state[lane][value] = state
            self._changes.append([lane, value, state])

    def _holds(self, lane, value):
        return self._state[lane].get(value) == "holds"

    def _role(self, value):
        return self._names.values[value]["role"] if value else ""

    def _work(self, event, ratcheting):
        lane = event.actor
        for _, data in event.inputs:
            value = self._names.holding(data)
            if value and not self._holds(lane, value):
                value = self._names.id(data)
            # A value that once left this lane does not come back by being named again.
            if value and self._role(value) not in _PASSING and value not in self._state[lane]:
                self._set(lane, value, "holds")
        for _, data in event.outputs:
            value = self._names.holding(data) if event.kind == "PUBLIC" else self._names.id(data)
            if value and self._role(value) not in _PASSING:
                self._set(lane, value, "holds")
        self._use_up(event)
        if ratcheting:
            self._ratchet(event)

    def _use_up(self, event):
        """A key that served is replaced: the chain key by the next, the message key by nothing."""
        if event.error or not event.inputs:
            return
        first = self._names.id(event.inputs[0][1])
        spent = {"HKDF": ("RK", "SK"), "SEAL": ("MK",), "OPEN": ("MK",)}.get(event.kind, ())
        advanced = event.kind == "HMAC" and any(
            self._names.role(value) == "CK" for _, value in event.outputs
        )
        if self._role(first) in spent or (advanced and self._role(first) == "CK"):
            self._set(event.actor, first, "gone")
        if advanced:
            self._advance(event.actor, first, self._names.id(event.outputs[0][1]))
        if event.kind == "OPEN":
            self._set(event.actor, self._names.id(event.inputs[1][1]), "gone")

    def _ratchet(self, event):
        """Follow each session by its root key: new keys and chains replace its old ones."""
        lane = event.actor
        values = [self._names.holding(value) for _, value in event.inputs]
        if event.kind == "DH":
            self._dh = values[0], self._names.id(event.inputs[1][1])
        elif event.kind == "HKDF":
            self._session = self._sessions.pop((lane, self._names.id(event.inputs[0][1])), {})
        elif event.kind == "SPLIT" and len(event.outputs) == 2:
            root, chain = (self._names.id(value) for _, value in event.outputs)
            own, peer = self._dh
            session = self._session
            receiving = peer != session.get("peer") and (
                own == session.get("own") or self._role(own) != "DHs"
            )
            fresh = {"own": own, "peer": peer, "CKr" if receiving else "CKs": chain}
            for place, value in fresh.items():
                old = session.get(place)
                if old and old != value and self._role(old) in ("DHs", "CK"):
                    self._set(lane, old, "gone")
            self._sessions[lane, root] = {**session, **fresh}

    def _advance(self, lane, old, new):
        for (where, _), session in self._sessions.items():
            for place in ("CKs", "CKr"):
                if where == lane and session.get(place) == old:
                    session[place] = new

    def _forget(self, event):
        lane = event.actor
        for _, data in event.inputs:
            value = self._names.id(data)
            self._set(lane, value, "deleted")

    def _cross(self, event):
        detail, data = dict(event.detail), event.inputs[0][1]
        sender, recipient = detail.get("sender", ""), detail.get("recipient", "")
        given = self._names.once(data)
        for value in self._names.inside(data):
            role = self._role(value)
            if sender == SERVER:
                if role in _QUEUED or value in given:
                    self._set(sender, value, "saw")
            elif role in _SENT:
                self._set(sender, value, "gone")
            if not self._owns(recipient, value):
                self._set(recipient, value, "holds")

    def _owns(self, lane, value):
        name = self._names.values[value]["name"]
        return any(
            self._names.values[held]["part"] == "pair"
            and (self._names.values[held]["name"], self._names.values[held]["tag"])
            == (name, self._names.values[value]["tag"])
            for held, state in self._state[lane].items()
            if state == "holds"
        )


def held(view: dict, number: int, lane: str) -> dict[str, str]:
    """The values of a lane after step `number` (from 0), by id: "holds" or "saw"."""
    state = {}
    for step in view["steps"][: number + 1]:
        for where, value, what in step["changes"]:
            if where == lane:
                state[value] = what
    return {value: what for value, what in state.items() if what in ("holds", "saw")}
