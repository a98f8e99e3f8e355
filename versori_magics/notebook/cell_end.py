"""The end of a cell in which a run ended: a press of the stop button has nothing left to stop."""

from __future__ import annotations

import signal
from functools import partial
from typing import TYPE_CHECKING

from IPython.core.getipython import get_ipython

from versori_magics.cleanup.stop_button import StopButton

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell

    from versori_magics.cleanup.stop_button import LatePress


def stop_button() -> StopButton:
    """Return a stop button for a run; in IPython, a press just after the run does not hide its report."""
    shell = get_ipython()
    return StopButton(on_end=None if shell is None else partial(_forget_at_end_of_cell, shell))


def _forget_at_end_of_cell(shell: InteractiveShell, late_press: LatePress) -> None:
    """Forget a late press when the cell has shown its result."""
    # ipykernel loses the reply to a cell if a press comes before it is sent. The next cell installs its own handler.
    handler = signal.SIG_IGN if hasattr(shell, "kernel") else late_press.previous_handler

    def end(_result: object) -> None:
        shell.events.unregister("post_run_cell", end)
        late_press.forget(handler)

    shell.events.register("post_run_cell", end)
