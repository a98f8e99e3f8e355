"""Where nobody can click: a form that nobody sees must not pass for work that was done."""

from __future__ import annotations

import os
import re
from pathlib import Path

from IPython.core.getipython import get_ipython

from versori_magics.errors import VersoriError

INJECTED = "# Parameters"  # papermill puts this at the head of the cell that it adds
_IMPORT = re.compile(r"\b(?:import|from)\s+papermill\b")


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
    """Tell whether papermill started the kernel; it tells a kernel nothing of itself, so by its traces."""
    shell = get_ipython()
    kernel = getattr(shell, "kernel", None)
    # A person may open papermill's record and run it: their page can be asked, papermill cannot.
    if shell is None or kernel is None or kernel.get_parent().get("content", {}).get("allow_stdin"):
        return False
    if any(str(cell).startswith(INJECTED) for cell in shell.user_ns.get("In", [])):
        return True
    # jupyter_client tells a kernel who started it.
    parent = Path("/proc", os.environ.get("JPY_PARENT_PID", str(os.getppid())))
    try:
        command = [os.fsdecode(word) for word in (parent / "cmdline").read_bytes().split(b"\0")]
    except OSError:
        return False
    what = next((word for word in command[1:] if not word.startswith("-")), "")  # script, module or code
    if any("papermill" in Path(word).name for word in (command[0], what)) or _IMPORT.search(what):
        return True
    try:
        return what.endswith(".py") and bool(_IMPORT.search((parent / "cwd" / what).read_text(errors="replace")))
    except OSError:
        return False
