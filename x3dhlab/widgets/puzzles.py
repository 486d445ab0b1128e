"""More questions to the learner: put steps in order, match pairs, answer in one's own words.

Like the questions of `questions`: the solution stays in the kernel, every answer is kept in the
progress file, and neither the text form nor the picture tells what is right.
"""

import random
from bisect import bisect_right
from collections import Counter
from dataclasses import dataclass, field

import traitlets

from x3dhlab import progress
from x3dhlab.widgets import drawing
from x3dhlab.widgets.base import View, module, style
from x3dhlab.widgets.questions import bank, check_asked, entry, form, record

EARLY, LATE = "Too early. ", "Too late. "
LEAST, MOST = 20, 5000  # characters of an answer in the learner's own words


@dataclass(frozen=True, slots=True)
class Step:
    """One step of an `Order`. `why` says what ties it to its place.

    Steps with the same `place` may stand in any order; without one, the place is the position.
    """

    text: str
    why: str = ""
    place: int | None = None


@dataclass(frozen=True, slots=True)
class Pair:
    """One pair of a `Match`. `why` explains what the right side means.

    `mistakes` maps another right side to the reason why it does not belong to this left side.
    A pair without a left side is a distractor.
    """

    right: str
    left: str = ""
    why: str = ""
    mistakes: dict = field(default_factory=dict)


class Puzzle(View):
    """What the three have in common: a question, an outcome, and a message for each try."""

    _css = style("drag", "puzzles")
    _kind = "Puzzle"
    asked = traitlets.Dict().tag(sync=True)
    outcome = traitlets.Dict().tag(sync=True)

    def __init__(self, asked: dict, explain: str):
        check_asked(asked["id"], asked["question"])
        self._explain = explain
        super().__init__(asked=asked)
        self.on_msg(self._on_message)
        self._resume(progress.last("answer", asked["id"]))

    def _resume(self, value):
        """Show an earlier answer from the progress file again, if it still fits."""
        raise NotImplementedError

    def _close(self, *, correct, earlier=False, problem="", **facts):
        self.outcome = {
            **facts,
            "correct": correct,
            "explain": self._explain if correct else "",
            "attempt": self.outcome.get("attempt", 0) + (not earlier),
            "earlier": earlier,
            "problem": problem,
        }

    def _on_message(self, _, content, buffers):
        if content.get("kind") == "answer":
            try:
                self.answer(content.get("answer"))
            except (TypeError, ValueError) as problem:
                attempt = self.outcome.get("attempt", 0) + 1
                said = f"This answer does not count: {problem}."
                self.outcome = {**self.outcome, "problem": said, "attempt": attempt}

    def _status(self):
        raise NotImplementedError

    def _text(self):
        return form(self._kind, self.asked, self._status())

    def _svg(self):
        return drawing.card(self._kind, self.asked, self._status())


class Order(Puzzle):
    """Steps to put in order. They are shown in a mixed order, the same every time.

    With the id alone, question and `steps` come from `bank` (kind "order"); they stand in the
    right order, as strings or `Step`s. A check names the steps that stand wrong, and explains them.
    """

    _esm = module("order", "drag")
    _kind = "Order"

    def __init__(self, id: str, question: str = "", steps=(), *, explain: str = ""):
        question, steps = (question, steps) if question else bank(id, "steps", Step)
        made = [Step(step) if isinstance(step, str) else step for step in steps]
        texts = [step.text for step in made if isinstance(step, Step) and step.text]
        if len(texts) < max(2, len(made)) or len(set(texts)) < len(texts):
            raise ValueError(f"{id!r} needs at least two different steps, strings or Step")
        places = [at if step.place is None else step.place for at, step in enumerate(made)]
        if len(set(places)) < 2 or places != sorted(places):
            raise ValueError(f"the steps of {id!r} must stand in the right order")
        mixed = _mixed(id, texts, lambda order: _order([places[texts.index(t)] for t in order]))
        self._steps = {step.text: step for step in made}
        self._places = dict(zip(texts, places, strict=True))
        super().__init__({"id": id, "question": question, "options": mixed}, explain)

    def answer(self, order) -> bool:
        """Record this order (the numbers of the options, from 0) and explain what stands wrong.

        Raises `ValueError` if a step is missing, twice there or unknown.
        """
        options = self.asked["options"]
        numbers = list(order) if isinstance(order, (list, tuple)) else []
        if any(type(n) is not int for n in numbers) or sorted(numbers) != list(range(len(options))):
            raise ValueError(f"an order has each number from 0 to {len(options) - 1} once")
        texts = [options[number] for number in numbers]
        correct = not self._wrong(texts)
        problem = record("answer", self.asked["id"], {"order": texts, "correct": correct})
        self._judge(texts, problem=problem)
        return correct

    def _resume(self, value):
        texts = value.get("order") if isinstance(value, dict) else None
        if isinstance(texts, list) and Counter(map(str, texts)) == Counter(self.asked["options"]):
            self._judge(texts, earlier=True)

    def _wrong(self, texts):
        """The steps outside the longest part that is in order, each with what is wrong."""
        places = [self._places[text] for text in texts]
        kept = _longest(places)
        return {
            at: EARLY if any(places[k] < places[at] for k in kept if k > at) else LATE
            for at in range(len(texts))
            if at not in kept
        }

    def _judge(self, texts, **how):
        wrong = self._wrong(texts)
        self._close(
            order=[self.asked["options"].index(text) for text in texts],
            wrong=[[at, reason, self._steps[texts[at]].why] for at, reason in wrong.items()],
            correct=not wrong,
            **how,
        )

    def _status(self):
        if "order" not in self.outcome:
            return "Not answered yet."
        numbers = ", ".join(str(number + 1) for number in self.outcome["order"])
        return f"Answered: {numbers}."


class Match(Puzzle):
    """Things to bring together: each left side gets one right side.

    With the id alone, question and `pairs` come from `bank` (kind "match"). Where a right side
    belongs to several left sides, every right side may be used again.
    """

    _esm = module("match", "drag")
    _kind = "Match"

    def __init__(self, id: str, question: str = "", pairs=(), *, explain: str = ""):
        question, pairs = (question, pairs) if question else bank(id, "pairs", Pair)
        if any(not isinstance(pair, Pair) or not pair.right for pair in pairs):
            raise ValueError(f"the pairs of {id!r} must be Pair with a right side")
        self._pairs = {pair.left: pair for pair in pairs if pair.left}
        lefts = [pair.left for pair in pairs if pair.left]
        rights = list(dict.fromkeys(pair.right for pair in pairs))
        if len(lefts) < 2 or len(self._pairs) < len(lefts) or len(rights) < 2:
            raise ValueError(f"{id!r} needs at least two different left and right sides")
        self._why = {pair.right: pair.why for pair in reversed(pairs) if pair.why}
        solution = [self._pairs[left].right for left in lefts]
        mixed = _mixed(id, rights, lambda order: sum(map(_same, order, solution)))
        asked = {"id": id, "question": question, "lefts": lefts, "options": mixed}
        super().__init__({**asked, "again": len(set(solution)) < len(solution)}, explain)

    def answer(self, choice) -> bool:
        """Record this choice (for each left side the number of a right side) and explain it.

        Raises `ValueError` if one is missing, unknown, or used twice where that cannot be.
        """
        lefts, options = self.asked["lefts"], self.asked["options"]
        numbers = list(choice) if isinstance(choice, (list, tuple)) else []
        known = all(type(n) is int and 0 <= n < len(options) for n in numbers)
        if not known or len(numbers) != len(lefts):
            raise ValueError(f"give {len(lefts)} numbers from 0 to {len(options) - 1}")
        if not self.asked["again"] and len(set(numbers)) < len(numbers):
            raise ValueError("each right side belongs to one left side")
        chosen = {left: options[n] for left, n in zip(lefts, numbers, strict=True)}
        correct = all(self._pairs[left].right == right for left, right in chosen.items())
        problem = record("answer", self.asked["id"], {"pairs": chosen, "correct": correct})
        self._judge(chosen, problem=problem)
        return correct

    def _resume(self, value):
        chosen = value.get("pairs") if isinstance(value, dict) else None
        if not isinstance(chosen, dict) or set(chosen) != set(self.asked["lefts"]):
            return
        if all(right in self.asked["options"] for right in chosen.values()):
            self._judge(chosen, earlier=True)

    def _judge(self, chosen, **how):
        meanings = [self._meaning(left, chosen[left]) for left in self.asked["lefts"]]
        self._close(
            chosen=[self.asked["options"].index(chosen[left]) for left in self.asked["lefts"]],
            meanings=meanings,
            correct=all(meaning["correct"] for meaning in meanings),
            **how,
        )

    def _meaning(self, left, right):
        pair = self._pairs[left]
        why = self._why.get(right, "")
        if pair.right == right:
            return {"correct": True, "why": pair.why or why}
        return {"correct": False, "why": pair.mistakes.get(right) or why}

    def _status(self):
        if "chosen" not in self.outcome:
            return "Not answered yet."
        return "Answered. Each arrow leads to the number that was chosen."

    def _lines(self):
        """Each left side with an arrow to the number of its right side, then all right sides."""
        lefts, options = self.asked["lefts"], self.asked["options"]
        chosen = [number + 1 for number in self.outcome.get("chosen", ())] or ["?"] * len(lefts)
        often = "one may serve more than once" if self.asked["again"] else "each at most once"
        return [
            *(f"{left} → {number}" for left, number in zip(lefts, chosen, strict=True)),
            f"Choose from these, {often}:",
            *(f"{number}. {text}" for number, text in enumerate(options, 1)),
        ]

    def _text(self):
        head = f"{self._kind} {self.asked['id']}: {self.asked['question']}"
        return "\n".join([head, *(f"  {line}" for line in self._lines()), self._status()])

    def _svg(self):
        return drawing.card(self._kind, self.asked, self._status(), self._lines())


class FreeAnswer(Puzzle):
    """A question to answer in one's own words; the model answer opens after that.

    With the id alone, `model` and `points` come from `bank` (kind "free"). `points` are what a
    good answer contains; the learner ticks those that the own answer has. Nothing is judged.
    """

    _esm = module("free")
    _kind = "In your own words"

    def __init__(self, id: str, question: str = "", model: str = "", points=()):
        if not question:
            table = entry(id)
            if table["kind"] != "free":
                raise ValueError(f"the question {id!r} is of the kind {table['kind']!r}")
            question, model, points = table["question"], table["model"], table.get("points", ())
        if not isinstance(model, str) or not model.strip():
            raise ValueError(f"{id!r} needs a model answer")
        self._model, self._points = model, list(points)
        asked = {"id": id, "question": question, "options": [], "least": LEAST, "most": MOST}
        super().__init__(asked, "")

    def answer(self, written, ticked=()) -> None:
        """Record a text, and the numbers of the points that it contains; open the model answer.

        Raises `ValueError` for a text that is too short or too long, and for unknown points.
        """
        if isinstance(written, dict):
            written, ticked = written.get("text"), written.get("points", ())
        if not isinstance(written, str) or not LEAST <= len(written.strip()) <= MOST:
            raise ValueError(f"write between {LEAST} and {MOST} characters")
        if any(type(n) is not int or not 0 <= n < len(self._points) for n in ticked):
            raise ValueError(f"the points have the numbers 0 to {len(self._points) - 1}")
        names = [self._points[number] for number in sorted(set(ticked))]
        problem = record("answer", self.asked["id"], {"text": written, "points": names})
        self._open(written, sorted(set(ticked)), problem=problem)

    def _resume(self, value):
        if isinstance(value, dict) and isinstance(value.get("text"), str):
            named = value.get("points") or []
            ticked = [n for n, point in enumerate(self._points) if point in named]
            self._open(value["text"], ticked, earlier=True)

    def _open(self, written, ticked, **how):
        self._close(
            text=written,
            model=self._model,
            points=self._points,
            ticked=ticked,
            correct=False,
            **how,
        )

    def _status(self):
        if "text" not in self.outcome:
            return "Not answered yet."
        count = len(self.outcome["text"].split())
        return f"Answered in {count} {'word' if count == 1 else 'words'}."


def _mixed(id, texts, score):
    """The texts in an order that depends on the id only, and that has the lowest score."""
    chance = random.Random(id)
    orders = [chance.sample(texts, len(texts)) for _ in range(24)]
    # The reverse always differs, also where there are only two.
    return min([*orders, texts[::-1]], key=score)


def _same(one, other):
    return one == other


def _order(places):
    """How much order is left: the longest part that only goes up or down, then equal places."""
    longest = max(len(_longest(places)), len(_longest(places[::-1])))
    return longest, sum(map(_same, places, sorted(places)))


def _longest(places):
    """The positions of a longest part that never goes down, by patience sorting."""
    ends, tops, before = [], [], [None] * len(places)
    for at, place in enumerate(places):
        pile = bisect_right(ends, place)
        ends[pile : pile + 1] = [place]
        tops[pile : pile + 1] = [at]
        before[at] = tops[pile - 1] if pile else None
    kept, at = set(), tops[-1]
    while at is not None:
        kept.add(at)
        at = before[at]
    return kept
