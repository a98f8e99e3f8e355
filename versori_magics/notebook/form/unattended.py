"""Refuses to show the form in an unattended notebook."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from IPython.core.getipython import get_ipython

from versori_magics.errors import VersoriError

if TYPE_CHECKING:
    from ipykernel.kernelbase import Kernel


def require_interactive_frontend() -> None:
    """Raise if a tool runs the notebook: the cell would succeed although nothing was deleted.

    Raises
    ------
    VersoriError
        With the magic to use instead of the form.
    """
    kernel = getattr(get_ipython(), "kernel", None)
    if kernel is not None and not _can_click(kernel):
        raise VersoriError(
            "The form needs a person to click, but this notebook is run by a tool. Nothing was done.",
            hint="Use %versori_delete ORG CONN instead: --dry-run shows the plan, --yes deletes without asking.",
        )


def _can_click(kernel: Kernel) -> bool:
    """Tell whether the frontend of the current request shows live widgets.

    Papermill, nbclient, nbconvert and `jupyter execute` do not allow input; notebooks that people use do. Voilà does
    not allow input either, but shows widgets. A message of a widget comes from somebody's click.
    """
    request = kernel.get_parent()  # type: ignore[no-untyped-call]  # ipykernel's
    is_widget_message = request.get("header", {}).get("msg_type") == "comm_msg"
    return is_widget_message or bool(request.get("content", {}).get("allow_stdin")) or _is_voila(kernel)


def _is_voila(kernel: Kernel) -> bool:
    # Programs that are started below Voilà inherit its variables, so the id must be that of this kernel.
    voila_kernel = os.environ.get("VOILA_KERNEL_ID", "")
    return bool(voila_kernel) and voila_kernel in str(getattr(kernel.parent, "connection_file", ""))
