"""Jupyter magics to see, plan and safely delete the connections of a Versori organisation.

In a notebook::

    %load_ext versori_magics
    df = %versori_connections . --usage

and as functions::

    import versori_magics as versori
    df = versori.connections(".", usage=True)
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from versori_magics._version import __version__

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell

    from versori_magics.api.client import Client
    from versori_magics.cleanup.plan import Verdict
    from versori_magics.cleanup.records import Outcome
    from versori_magics.errors import VersoriError
    from versori_magics.notebook.commands.connect import connect
    from versori_magics.notebook.commands.connections import connection, connections
    from versori_magics.notebook.commands.delete import delete, plan, resume
    from versori_magics.notebook.commands.runs import runs
    from versori_magics.notebook.commands.sandbox import sandbox
    from versori_magics.notebook.display.results import DeletionPlan, DeletionReport
    from versori_magics.notebook.form.form import form

__all__ = [
    "Client",
    "DeletionPlan",
    "DeletionReport",
    "Outcome",
    "Verdict",
    "VersoriError",
    "__version__",
    "connect",
    "connection",
    "connections",
    "delete",
    "form",
    "load_ipython_extension",
    "plan",
    "resume",
    "runs",
    "sandbox",
    "unload_ipython_extension",
]

# Public name -> its module, imported when the name is first used, so that `%load_ext` takes no noticeable time.
_LAZY = {
    "Client": "api.client",
    "DeletionPlan": "notebook.display.results",
    "DeletionReport": "notebook.display.results",
    "Outcome": "cleanup.records",
    "Verdict": "cleanup.plan",
    "VersoriError": "errors",
    "connect": "notebook.commands.connect",
    "connection": "notebook.commands.connections",
    "connections": "notebook.commands.connections",
    "delete": "notebook.commands.delete",
    "form": "notebook.form.form",
    "plan": "notebook.commands.delete",
    "resume": "notebook.commands.delete",
    "runs": "notebook.commands.runs",
    "sandbox": "notebook.commands.sandbox",
}


def __getattr__(name: str) -> Any:
    if name not in _LAZY:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    from versori_magics.interrupts import deferred_interrupts

    with deferred_interrupts():  # pandas and numpy never load again after an import that was broken off
        value = getattr(import_module(f"{__name__}.{_LAZY[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


def load_ipython_extension(shell: InteractiveShell) -> None:
    """Add the magics and their completion to a shell; prints nothing and opens no connection."""
    from versori_magics.notebook.magics import register

    register(shell)


def unload_ipython_extension(shell: InteractiveShell) -> None:
    """Remove the magics and their completion."""
    from versori_magics.notebook.magics import unregister

    unregister(shell)
