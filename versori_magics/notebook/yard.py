"""The sandbox of this kernel: one at a time, started on a free port and connected to."""

from __future__ import annotations

from typing import TYPE_CHECKING

from versori_magics.errors import ArgumentError, SandboxError
from versori_magics.notebook.arguments import check_number
from versori_magics.notebook.session import CURRENT
from versori_magics.notebook.shown import Shown
from versori_magics.text import one_line

if TYPE_CHECKING:
    from versori_magics.sandbox import Sandbox

_running: list[Sandbox] = []  # at most one


def sandbox(action: str = "start", *, connections: int = 250, seed: int = 1) -> Shown:
    """Start a local platform with a made-up organisation, and connect to it.

    Parameters
    ----------
    action : {'start', 'stop', 'reset'}
        Default start; reset brings back everything that was deleted.
    connections : int
        How many there are, 1 to 100,000. Default 250.
    seed : int
        Another organisation each. Default 1.

    Returns
    -------
    Shown
        Where it is and what is in it.

    Raises
    ------
    SandboxError
        Where it cannot be started, or none is running.
    """
    check_number("connections", connections, 1, 100_000)
    check_number("seed", seed, 0, None)
    if action == "start":
        return _start(connections, seed)
    if action == "reset":
        return _reset()
    if action == "stop":
        return _stop()
    raise ArgumentError(f"The sandbox can start, stop and reset, not {one_line(action, 40)!r}.")


def _start(connections: int, seed: int) -> Shown:
    """Start a fresh sandbox in place of the one that runs, and connect to it."""
    from versori_magics.platform.auth import Secret
    from versori_magics.sandbox import Sandbox, SandboxUnavailableError

    if _running:
        _running.pop().stop()
    problem = ""
    try:
        _running.append(Sandbox(connections=connections, seed=seed).start())
    except (SandboxUnavailableError, OSError) as error:
        problem = str(error)
    if problem:
        raise SandboxError(one_line(problem, 300))
    found = _running[0]
    CURRENT.tell(
        {"server": found.url, "organisation": found.organisation, "token": Secret(found.token), "auth": "bearer"}
    )
    return _shown("The sandbox is running and connected", found, connections)


def _reset() -> Shown:
    """Bring back everything that was deleted."""
    found = _current()
    deleted = len(found.deleted)
    found.reset()
    return Shown("The sandbox is as it was at the start", {"server": found.url, "brought back": deleted})


def _stop() -> Shown:
    """Stop it, and forget the connection to it."""
    found = _current()
    _running.clear()
    found.stop()
    CURRENT.tell({})
    return Shown("The sandbox is stopped", {"server": found.url})


def _current() -> Sandbox:
    if not _running:
        raise SandboxError("No sandbox is running in this kernel.", hint="%versori_sandbox starts one.")
    return _running[0]


def _shown(title: str, found: Sandbox, connections: int) -> Shown:
    return Shown(
        title,
        {
            "server": found.url,
            "organisation": found.organisation,
            "connections": f"{connections:,}, all made up",
            "next": "df = %versori_connections . --usage",
        },
    )
