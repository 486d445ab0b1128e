"""A plugin for nbval: notebooks run as a learner's would.

nbval asks the kernel to forget each cell; `check(...)` in a notebook reads the learner's earlier
cells from that history, so here they enter it. And each notebook starts with no progress of its
own or of another: the map of lesson 00 must not count what a solution has just passed.
"""

import os
import tempfile
from pathlib import Path

from nbval.kernel import RunningKernel

from x3dhlab import progress

_start = RunningKernel.__init__


def start(self, *arguments, **options):
    """Start the kernel with an empty progress file."""
    folder = tempfile.mkdtemp(dir=os.environ.get("TMPDIR"))
    os.environ[progress.VARIABLE] = str(Path(folder) / progress.FILE)
    _start(self, *arguments, **options)


def execute_cell_input(self, cell_input, allow_stdin=None):
    """The same request as nbval's own, with `store_history`; returns the message id."""
    return self.kc.execute(
        cell_input, silent=False, store_history=True, allow_stdin=allow_stdin, stop_on_error=False
    )


RunningKernel.__init__ = start
RunningKernel.execute_cell_input = execute_cell_input
