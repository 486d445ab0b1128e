"""A deck of claims: a verdict counts only together with a run that decides the claim."""

from collections.abc import Callable
from dataclasses import dataclass

import traitlets

from x3dhlab import progress
from x3dhlab.widgets import drawing
from x3dhlab.widgets.base import View, module, style
from x3dhlab.widgets.questions import record

VERDICTS = {
    "holds": "Agree: it holds",
    "false": "Disagree: it is false",
    "contradicts": "Contradict: the two sentences on this card exclude each other",
    "depends": "It depends: on a condition that the claim does not name",
}
_FOUND = {
    "holds": "the claim holds",
    "false": "the claim is false",
    "contradicts": "the design contradicts itself",
    "depends": "it depends",
}
# The question to ask when the run is right and the verdict is not.
_ASK = {
    "contradicts": "Read both sentences on the card. Can both be true?",
    "depends": "Does what was seen show a case of each kind? Which condition separates them?",
    "holds": "Does what was seen speak against the sentence, or for it?",
    "false": "Does what was seen speak against the sentence, or for it?",
}
_OPEN, _COUNTS = "open", "counts"
SHOWN = 12  # cards in the still picture


@dataclass(frozen=True, slots=True)
class Card:
    """One claim. `runs` maps the name of each demonstration to its title; "" stands for no run.

    `shown_by` is the name of the one that decides. `after` is the lesson that opens the card, or
    an empty string. `beside` is another sentence of the same design, without which no card can be
    a contradiction. `also` are further verdicts that the run supports; they count as well.
    """

    id: str
    claim: str
    verdict: str
    why: str
    runs: dict[str, str]
    shown_by: str = ""
    after: str = ""
    beside: str = ""
    also: tuple[str, ...] = ()

    @property
    def verdicts(self) -> set[str]:
        """The verdicts that count."""
        return {self.verdict, *self.also}


class ClaimDeck(View):
    """Cards to judge. `run(name)` carries out a demonstration and says what was seen.

    A verdict counts when it is right and the demonstration chosen with it decides the claim. What
    counted is kept in the progress file.
    """

    _esm = module("claims")
    _css = style("claims")
    title = traitlets.Unicode("").tag(sync=True)
    cards = traitlets.List().tag(sync=True)
    verdicts = traitlets.List().tag(sync=True)
    outcomes = traitlets.Dict().tag(sync=True)

    def __init__(self, title: str, cards, run: Callable[[str], str]):
        self._cards = {card.id: card for card in cards}
        if len(self._cards) < len(cards) or not cards:
            raise ValueError("a deck needs cards with different ids")
        if any(card.verdicts - set(VERDICTS) or card.shown_by not in card.runs for card in cards):
            raise ValueError("every card needs a known verdict, and its demonstration among `runs`")
        if any("contradicts" in card.verdicts and not card.beside for card in cards):
            raise ValueError("a contradiction needs a second sentence: `beside`")
        self._run = run
        super().__init__(
            title=title,
            cards=[_public(card) for card in cards],
            verdicts=[[name, words] for name, words in VERDICTS.items()],
            outcomes={},
        )
        self.on_msg(self._on_message)
        self._resume()

    def judge(self, id: str, verdict: str, shown_by: str = "") -> bool:
        """Run the demonstration, judge the card, record it. True if the verdict counts.

        Raises `ValueError` for a card that is unknown or not open, and for an unknown choice.
        """
        card = self._cards.get(id)
        if card is None or card.after:
            raise ValueError(f"no open card has the id {id!r}")
        if verdict not in VERDICTS or shown_by not in card.runs:
            raise ValueError("choose one of the verdicts, and one of the demonstrations")
        seen = self._run(shown_by) if shown_by else ""
        fits, right = shown_by == card.shown_by, verdict in card.verdicts
        value = {"verdict": verdict, "shown_by": shown_by, "correct": fits and right}
        problem = record("answer", _name(id), value)
        self._tell(card, verdict, shown_by, seen=seen, problem=problem)
        return fits and right

    @property
    def counted(self) -> list[str]:
        """The ids of the cards that count. What counted once, stays."""
        return [id for id, outcome in self.outcomes.items() if outcome["counted"]]

    def _resume(self):
        right = {
            entry.name
            for entry in progress.entries()
            if entry.kind == "answer" and isinstance(entry.value, dict)
            if entry.value.get("correct") is True
        }
        for card in self._cards.values():
            if _name(card.id) in right and not card.after:
                self._tell(card, card.verdict, card.shown_by, earlier=True)

    def _tell(self, card, verdict, shown_by, *, seen="", earlier=False, problem=""):
        fits, right = shown_by == card.shown_by, verdict in card.verdicts
        before = self.outcomes.get(card.id, {})
        outcome = {
            "verdict": verdict,
            "shown_by": shown_by,
            "seen": seen,
            "counts": fits and right,
            "counted": fits and right or before.get("counted", False),
            "said": _said(card, verdict, shown_by),
            "why": card.why if fits and right else "",
            "earlier": earlier,
            "attempt": before.get("attempt", 0) + 1,
            "problem": problem,
        }
        self.outcomes = {**self.outcomes, card.id: outcome}

    def _on_message(self, _, content, buffers):
        if content.get("kind") == "judge":
            id = content.get("id")
            try:
                self.judge(id, content.get("verdict"), content.get("shown_by"))
            except Exception as problem:
                before = self.outcomes.get(id, {"counts": False, "counted": False, "attempt": 0})
                said = f"This does not count: {problem}."
                told = {**before, "problem": said, "attempt": before["attempt"] + 1}
                self.outcomes = {**self.outcomes, str(id): told}

    def _state(self, card):
        if card.after:
            return f"opens after lesson {card.after}"
        return _COUNTS if card.id in self.counted else _OPEN

    def _status(self):
        open_ = sum(not card.after for card in self._cards.values())
        return f"{len(self.counted)} of {len(self._cards)} count, {open_} are open."

    def _text(self):
        lines = [f"Claims: {self.title}. {self._status()}"]
        for card in self._cards.values():
            beside = f" Elsewhere: {card.beside}" if card.beside else ""
            lines.append(f"  {card.id} ({self._state(card)}): {card.claim}{beside}")
        return "\n".join(lines)

    def _svg(self):
        y, body = 32, [drawing.text(20, 32, f"{self.title}. {self._status()}", "t b")]
        cards = [card for card in self._cards.values() if not card.after][:SHOWN]
        for card in cards:
            y += 8
            for number, line in enumerate(drawing.wrap(card.claim, 70)):
                y += 20
                if not number:
                    body.append(drawing.text(20, y, card.id, "m s"))
                body.append(drawing.text(70, y, line))
        if len(cards) < len(self._cards):
            y += 30
            more = len(self._cards) - len(cards)
            body.append(drawing.text(20, y, f"and {more} more cards", "m s"))
        return drawing.document(640, y + 24, body, title=f"Claims: {self.title}")


def _public(card):
    """What the page may know: neither the verdict nor the demonstration that decides."""
    runs = [[name, title] for name, title in card.runs.items()]
    shown = {"id": card.id, "claim": card.claim, "beside": card.beside}
    return {**shown, "runs": runs, "after": card.after}


def _name(id):
    return f"claim.{id}"


def _said(card, verdict, shown_by):
    """What the run has to do with the claim, and the verdict with the run."""
    if shown_by != card.shown_by:
        if not shown_by:
            return "Something can run here, and words alone do not count."
        return "It ran, and it does not decide this claim: whatever it shows, the claim may stand."
    if verdict == card.verdict:
        return f"This counts: {_FOUND[verdict]}."
    if verdict in card.also:
        return f"This counts. The card's own verdict: {_FOUND[card.verdict]}."
    return f"The run is the right one. The verdict is not. {_question(card, verdict)}"


def _question(card, verdict):
    if verdict == "contradicts":
        both = "Read both sentences on the card: they can be true together."
        return both if card.beside else "A contradiction needs two sentences. This card shows one."
    if verdict == "depends" and card.verdict == "false":
        return "Which condition would make the sentence true? What was seen shows none."
    return _ASK[card.verdict]
