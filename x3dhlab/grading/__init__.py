"""Grading: says whether an answer is right, and if not, which mistake was made.

References, expected values and verdicts stay in this process. The learner's code runs in another
one (`worker`), which knows inputs only. `check` is for a cell, `grade` and `cli_grade` for the
terminal and CI; all use one engine.
"""

from x3dhlab.grading.cell import check, hunt, require
from x3dhlab.grading.engine import grade
from x3dhlab.grading.hints import hint
from x3dhlab.grading.report import Report, render
from x3dhlab.grading.terminal import cli_grade

__all__ = ["Report", "check", "cli_grade", "grade", "hint", "hunt", "render", "require"]
