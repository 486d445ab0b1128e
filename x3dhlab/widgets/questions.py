"""Questions to the learner: predictions that are locked, and quiz questions that explain.

The right answer stays in the kernel until the learner has committed. It is never part of the text
or the picture that a saved notebook keeps.
"""

import tomllib
from collections.abc import Callable
from dataclasses import dataclass
from hashlib import sha256
from importlib.resources import files

import traitlets

from x3dhlab import progress
from x3dhlab.widgets import drawing
from x3dhlab.widgets.base import View, module

DONT_KNOW = "I don't know"
CONFIDENCE = ("sure", "think so", "guess")


@dataclass(frozen=True, slots=True)
class Option:
    """One answer. `why` says what it means; `cell` is an anchor such as `#who-reads`."""

    text: str
    correct: bool = False
    why: str = ""
    cell: str = ""


def entry(id: str) -> dict:
    """The question `id` as it stands in the course's own collection.

    `"04.kci"` is the table `kci` of `questions/04.toml`. The texts stand there and not in the
    lesson, so that the answer is not in the cell above the question. Raises `ValueError`.
    """
    lesson, _, name = id.partition(".")
    file = files("x3dhlab") / "questions" / f"{lesson}.toml"
    tables = tomllib.loads(file.read_text(encoding="utf-8")) if file.is_file() else {}
    if name not in tables:
        raise ValueError(f"the course has no question {id!r}")
    return tables[name]


def bank(id: str, part: str = "options", make: Callable = Option) -> tuple[str, list]:
    """The question `id` of the collection and its parts, each made by `make`.

    Options are mixed, the same way each time. Raises `ValueError` if there is no such question,
    or if it is of another kind.
    """
    table = entry(id)
    if part not in table:
        raise ValueError(f"the question {id!r} is of the kind {table['kind']!r}")
    parts = table[part]
    if part == "options":
        parts = sorted(parts, key=lambda option: _place(id, option["text"]))
    return table["question"], [make(**fields) for fields in parts]


def _place(id, text):
    """Where an option stands: by chance, so that no place is right more often, yet always there."""
    return sha256(f"{id} {text}".encode()).digest()


class Predict(View):
    """A prediction before a run: locked once it is made, explained only after that.

    With the id alone, question and options come from `bank`. `options` are strings or `Option`s;
    "I don't know" is always added. An earlier prediction comes back from the progress file.
    """

    _esm = module("predict")
    asked = traitlets.Dict().tag(sync=True)
    outcome = traitlets.Dict().tag(sync=True)

    def __init__(self, id: str, question: str = "", options=(), *, explain: str = ""):
        question, options = (question, options) if question else bank(id)
        self._options = [*_checked(id, question, options), Option(DONT_KNOW)]
        self._explain = explain
        super().__init__(
            asked={
                "id": id,
                "question": question,
                "options": [option.text for option in self._options],
                "confidence": list(CONFIDENCE),
            }
        )
        self.on_msg(self._on_message)
        self._resume(progress.first("prediction", id))

    def commit(self, choice: int, confidence: str = CONFIDENCE[-1]) -> None:
        """Lock the answer number `choice` (from 0), record it, and open the explanations.

        A second call changes nothing. Raises `ValueError` for an unknown choice or confidence.
        """
        if self.outcome:
            return
        if type(choice) is not int or not 0 <= choice < len(self._options):
            raise ValueError(f"choice must be 0 to {len(self._options) - 1}")
        if confidence not in CONFIDENCE:
            raise ValueError(f"confidence must be one of {', '.join(CONFIDENCE)}")
        option = self._options[choice]
        value = {
            "choice": option.text,
            "confidence": confidence,
            "correct": option.correct if self._has_right_answer() else None,
        }
        problem = record("prediction", self.asked["id"], value)
        self._reveal(choice, option.text, confidence, problem=problem)

    def _has_right_answer(self):
        return any(option.correct for option in self._options)

    def _resume(self, value):
        if isinstance(value, dict) and isinstance(value.get("choice"), str):
            texts = self.asked["options"]
            choice = texts.index(value["choice"]) if value["choice"] in texts else -1
            self._reveal(choice, value["choice"], str(value.get("confidence", "")), earlier=True)

    def _reveal(self, choice, text, confidence, *, earlier=False, problem=""):
        self.outcome = {
            "choice": choice,
            "text": text,
            "confidence": confidence,
            "earlier": earlier,
            "problem": problem,
            "judged": self._has_right_answer(),
            "options": [_meaning(option) for option in self._options],
            "explain": self._explain,
        }

    def _on_message(self, _, content, buffers):
        if content.get("kind") == "commit":
            self.commit(content.get("choice"), content.get("confidence"))

    def _status(self):
        if not self.outcome:
            return "Not predicted yet."
        return f"Predicted: {self.outcome['text']} ({self.outcome['confidence']})."

    def _text(self):
        return form("Prediction", self.asked, self._status())

    def _svg(self):
        return drawing.card("Prediction", self.asked, self._status())


class Quiz(View):
    """A question with one right answer or several. Every answer is explained; retries are free.

    Each wrong `Option` says which misconception it stands for, and names the cell that refutes it.
    """

    _esm = module("quiz")
    asked = traitlets.Dict().tag(sync=True)
    outcome = traitlets.Dict().tag(sync=True)

    def __init__(self, id: str, question: str = "", options=(), *, explain: str = ""):
        question, options = (question, options) if question else bank(id)
        self._options = _checked(id, question, options)
        self._right = {number for number, option in enumerate(self._options) if option.correct}
        if not self._right:
            raise ValueError(f"quiz {id!r} has no right answer")
        self._explain = explain
        super().__init__(
            asked={
                "id": id,
                "question": question,
                "options": [option.text for option in self._options],
                "several": len(self._right) > 1,
            }
        )
        self.on_msg(self._on_message)
        self._resume(progress.last("answer", id))

    def answer(self, *choices: int) -> bool:
        """Record these answers (from 0) and explain them. True if they are exactly the right ones.

        Raises `ValueError` for an unknown choice, or none.
        """
        if not choices or any(type(c) is not int or c not in self._numbers() for c in choices):
            raise ValueError(f"choose from 0 to {len(self._options) - 1}")
        chosen = sorted(set(choices))
        texts = [self._options[number].text for number in chosen]
        correct = set(chosen) == self._right
        problem = record("answer", self.asked["id"], {"choices": texts, "correct": correct})
        self._explain_choice(chosen, attempt=self.outcome.get("attempt", 0) + 1, problem=problem)
        return correct

    def _numbers(self):
        return range(len(self._options))

    def _resume(self, value):
        if isinstance(value, dict) and isinstance(value.get("choices"), list):
            chosen = [n for n in self._numbers() if self._options[n].text in value["choices"]]
            if chosen:
                self._explain_choice(chosen, earlier=True)

    def _explain_choice(self, chosen, *, attempt=0, earlier=False, problem=""):
        correct = set(chosen) == self._right
        self.outcome = {
            "chosen": chosen,
            "correct": correct,
            "missing": len(self._right - set(chosen)) if set(chosen) < self._right else 0,
            "meanings": [_meaning(self._options[number]) for number in chosen],
            "explain": self._explain if correct else "",
            "attempt": attempt,
            "earlier": earlier,
            "problem": problem,
        }

    def _on_message(self, _, content, buffers):
        if content.get("kind") == "answer":
            self.answer(*content.get("choices", ()))

    def _status(self):
        if not self.outcome:
            return "Not answered yet."
        texts = " + ".join(self.asked["options"][number] for number in self.outcome["chosen"])
        return f"Answered: {texts}."

    def _text(self):
        return form("Question", self.asked, self._status())

    def _svg(self):
        return drawing.card("Question", self.asked, self._status())


def check_asked(id, question):
    """Raise `ValueError` for a question without an id or without words."""
    if not all(isinstance(text, str) and text.strip() for text in (id, question)):
        raise ValueError("a question needs an id and a text")


def _checked(id, question, options):
    check_asked(id, question)
    made = [Option(option) if isinstance(option, str) else option for option in options]
    if any(not isinstance(option, Option) or not option.text for option in made):
        raise ValueError(f"the options of {id!r} must be strings or Option")
    if len(made) < 2 or len({option.text for option in made}) < len(made):
        raise ValueError(f"{id!r} needs at least two different options")
    return made


def _meaning(option):
    return {"correct": option.correct, "why": option.why, "cell": option.cell, "text": option.text}


def record(kind, name, value):
    """Write to the progress file. The answer counts for this session if the disk refuses it."""
    try:
        progress.record(kind, name, value)
    except OSError as problem:
        return f"This answer could not be saved: {problem.strerror or problem}."
    return ""


def form(kind, asked, status):
    """A question as text: its options in the order shown, and what was answered."""
    lines = [f"{kind} {asked['id']}: {asked['question']}"]
    lines += [f"  {number}. {text}" for number, text in enumerate(asked["options"], 1)]
    return "\n".join([*lines, status])
