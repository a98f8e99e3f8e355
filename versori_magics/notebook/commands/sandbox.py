"""sandbox: start, stop and reset a local emulator, one per kernel, and connect to it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from versori_magics.api.auth import Secret
from versori_magics.catch import catch
from versori_magics.errors import ArgumentError, SandboxError
from versori_magics.interrupts import deferred_interrupts
from versori_magics.notebook.display.results import Summary
from versori_magics.notebook.magic_hints import magic_hints
from versori_magics.notebook.session import SESSION
from versori_magics.notebook.validation import check_number
from versori_magics.text import one_line

if TYPE_CHECKING:
    from versori_magics.emulator import Emulator
    from versori_magics.notebook.validation import SandboxAction

MAX_CONNECTIONS = 100_000
_running: list[Emulator] = []  # the newest last; the others serve the forms and runs that began with them


@magic_hints()
def sandbox(action: SandboxAction = "start", *, connections: int = 250, seed: int = 1) -> Summary:
    """Start a local platform with a made-up organisation, and connect to it.

    Parameters
    ----------
    action : {'start', 'stop', 'reset'}
        Default ``start``; ``reset`` restores everything that was deleted.
    connections : int
        Number of connections, 1 to 100,000. Default 250.
    seed : int
        Different seeds give different organisations. Default 1.

    Returns
    -------
    Summary
        Its address and what it contains.

    Raises
    ------
    SandboxError
        If it cannot be started, or none is running.
    """
    check_number("connections", connections, 1, MAX_CONNECTIONS)
    check_number("seed", seed, 0, None)
    match action:
        case "start":
            return _start(connections, seed)
        case "reset":
            return _reset()
        case "stop":
            return _stop()
    raise ArgumentError(f"The sandbox takes start, stop or reset, not {one_line(action, 40)!r}.")


def _start(connections: int, seed: int) -> Summary:
    """Start a fresh sandbox and connect to it; open forms and runs keep the earlier ones."""
    with deferred_interrupts():
        from versori_magics.emulator import Emulator, EmulatorUnavailableError

    emulator = catch(lambda: Emulator(connections=connections, seed=seed).start(), EmulatorUnavailableError, OSError)
    if isinstance(emulator, Exception):
        raise SandboxError(one_line(emulator, 300))
    _running.append(emulator)
    SESSION.connect(
        {
            "server": emulator.url,
            "organisation": emulator.organisation,
            "token": Secret(emulator.token),
            "auth": "bearer",
        }
    )
    pairs = {
        "server": emulator.url,
        "organisation": emulator.organisation,
        "connections": f"{connections:,}, all made up",
        "next": "df = %versori_connections . --usage",
    }
    return Summary("Connected to the sandbox", pairs)


def _reset() -> Summary:
    emulator = _running_emulator()
    restored_connections = len(emulator.deleted_ids)
    emulator.reset()
    return Summary("The sandbox was reset", {"server": emulator.url, "restored": restored_connections})


def _stop() -> Summary:
    """Stop it with the earlier ones, and forget the connection to it."""
    emulator = _running_emulator()
    while _running:
        _running.pop().stop()
    SESSION.connect({})
    return Summary("The sandbox is stopped", {"server": emulator.url})


def _running_emulator() -> Emulator:
    if not _running:
        raise SandboxError("No sandbox is running in this kernel.", hint="Start one with %versori_sandbox.")
    return _running[-1]
