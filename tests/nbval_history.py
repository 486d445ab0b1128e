"""A plugin for nbval: cells enter the kernel's history, as they do in JupyterLab.

nbval asks the kernel to forget each cell; `check(...)` in a notebook reads the learner's earlier
cells from that history.
"""

from nbval.kernel import RunningKernel


def execute_cell_input(self, cell_input, allow_stdin=None):
    """The same request as nbval's own, with `store_history`; returns the message id."""
    return self.kc.execute(
        cell_input, silent=False, store_history=True, allow_stdin=allow_stdin, stop_on_error=False
    )


RunningKernel.execute_cell_input = execute_cell_input
