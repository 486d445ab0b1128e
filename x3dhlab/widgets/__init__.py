"""Views of recorded runs, and questions to the learner: plain data in, pictures and text out.

A widget shows; it never acts. Each one is a Python class with traits, one ES module in `static/`,
and a text and picture form that stays readable where no kernel runs.
"""

from x3dhlab.widgets.experiment import (
    FALLS,
    HOLDS,
    NOTE,
    Check,
    Choose,
    Experiment,
    Number,
    Outcome,
    Text,
)
from x3dhlab.widgets.player import ProtocolPlayer
from x3dhlab.widgets.questions import Option, Predict, Quiz

__all__ = [
    "FALLS",
    "HOLDS",
    "NOTE",
    "Check",
    "Choose",
    "Experiment",
    "Number",
    "Option",
    "Outcome",
    "Predict",
    "ProtocolPlayer",
    "Quiz",
    "Text",
]
