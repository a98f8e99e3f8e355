"""Jupyter magics to see, plan and safely delete the connections of a Versori organisation.

In a notebook::

    %load_ext versori_magics
    df = %versori_connections . --usage

and as functions::

    import versori_magics as versori
    df = versori.connections(".", usage=True)
"""

from __future__ import annotations

import sys
from types import ModuleType
from typing import TYPE_CHECKING, Any

from versori_magics._version import __version__

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell

    from versori_magics.deletion.plan import Verdict
    from versori_magics.deletion.report import Outcome
    from versori_magics.errors import VersoriError
    from versori_magics.notebook.deleting import delete, plan, resume
    from versori_magics.notebook.form import form
    from versori_magics.notebook.reading import connect, connection, connections, runs
    from versori_magics.notebook.shown import DeletionPlan, DeletionReport
    from versori_magics.notebook.yard import sandbox
    from versori_magics.platform.client import Client

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

# Name -> module: what a name needs is imported when it is first used, so that loading is not noticed.
_LAZY = {
    **dict.fromkeys(("connect", "connection", "connections", "runs"), "notebook.reading"),
    **dict.fromkeys(("delete", "plan", "resume"), "notebook.deleting"),
    "form": "notebook.form",
    "Client": "platform.client",
    "DeletionPlan": "notebook.shown",
    "DeletionReport": "notebook.shown",
    "Outcome": "deletion.report",
    "Verdict": "deletion.plan",
    "VersoriError": "errors",
}


def __getattr__(name: str) -> Any:
    if name not in _LAZY:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    value = getattr(import_module(f"{__name__}.{_LAZY[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


class _Package(ModuleType):
    """The package itself: its `sandbox` is the function, also once the subpackage of that name has been imported."""

    @property
    def sandbox(self) -> Any:
        from versori_magics.notebook.yard import sandbox

        return sandbox

    @sandbox.setter
    def sandbox(self, subpackage: ModuleType) -> None:
        """Ignore what the import system sets: the subpackage is in `sys.modules`, where imports look for it."""


sys.modules[__name__].__class__ = _Package


def load_ipython_extension(shell: InteractiveShell) -> None:
    """Register the magics and their completion; silent, and opens no connection."""
    from versori_magics.notebook import completion
    from versori_magics.notebook.magics import VersoriMagics

    shell.register_magics(VersoriMagics)
    completion.install(shell)


def unload_ipython_extension(shell: InteractiveShell) -> None:
    """Take the magics away again."""
    from versori_magics.notebook import completion
    from versori_magics.notebook.magics import PARSERS, VersoriMagics

    completion.remove(shell)
    for name in PARSERS:
        shell.magics_manager.magics["line"].pop(name, None)
    shell.magics_manager.registry.pop(VersoriMagics.__name__, None)
