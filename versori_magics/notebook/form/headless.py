"""Where nobody can click: a form that nobody sees must not pass for work that was done."""

from __future__ import annotations

import os
from pathlib import Path

from IPython.core.getipython import get_ipython

from versori_magics.errors import VersoriError

INJECTED = "# Parameters"  # papermill puts this at the head of the cell that it adds


def refuse_papermill() -> None:
    """Raise where papermill runs the notebook: the cell would be green with nothing done.

    Raises
    ------
    VersoriError
        With what to use in place of the form.
    """
    if _under_papermill():
        raise VersoriError(
            "A form needs somebody who clicks, and papermill has nobody: nothing was done.",
            hint="Use %versori_delete ORG SELECTION --yes; notebooks/cleanup-runbook.ipynb is made for papermill.",
        )


def _under_papermill() -> bool:
    shell = get_ipython()
    cells = shell.user_ns.get("In", []) if shell is not None else []
    if any(str(cell).startswith(INJECTED) for cell in cells):
        return True
    try:
        # jupyter_client tells a kernel who started it; papermill tells a kernel nothing of itself.
        parent = Path("/proc", os.environ.get("JPY_PARENT_PID", str(os.getppid())), "cmdline").read_bytes()
    except OSError:
        return False
    return any("papermill" in Path(os.fsdecode(word)).name for word in parent.split(b"\0")[:3])
