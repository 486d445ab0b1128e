"""Views of recorded runs, and questions to the learner: plain data in, pictures and text out.

A widget shows; it never acts. Each one is a Python class with traits, one ES module in `static/`,
and a text and picture form that stays readable where no kernel runs.
"""

from x3dhlab.widgets.claims import Card, ClaimDeck
from x3dhlab.widgets.console import AttackConsole
from x3dhlab.widgets.decisions import Decision, DecisionBoard
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
from x3dhlab.widgets.inspector import ByteInspector, Checked
from x3dhlab.widgets.kdf import Block, Finding, KdfWorkbench, Report, Row
from x3dhlab.widgets.lineage import KeyLineage
from x3dhlab.widgets.matrix import CompromiseMatrix, Heading, Truth
from x3dhlab.widgets.player import ProtocolPlayer
from x3dhlab.widgets.puzzles import FreeAnswer, Match, Order, Pair, Step
from x3dhlab.widgets.questions import Option, Predict, Quiz
from x3dhlab.widgets.safety import Phone, SafetyNumber
from x3dhlab.widgets.theatre import RatchetTheatre

__all__ = [
    "FALLS",
    "HOLDS",
    "NOTE",
    "AttackConsole",
    "Block",
    "ByteInspector",
    "Card",
    "Check",
    "Checked",
    "ClaimDeck",
    "Choose",
    "CompromiseMatrix",
    "Decision",
    "DecisionBoard",
    "Experiment",
    "Finding",
    "FreeAnswer",
    "Heading",
    "KdfWorkbench",
    "KeyLineage",
    "Match",
    "Number",
    "Option",
    "Order",
    "Outcome",
    "Pair",
    "Phone",
    "Predict",
    "ProtocolPlayer",
    "Quiz",
    "RatchetTheatre",
    "Report",
    "Row",
    "SafetyNumber",
    "Step",
    "Text",
    "Truth",
]
