"""sandbox: a local platform for this kernel, one at a time, started on a free port and connected to."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from versori_magics.api.auth import Secret
from versori_magics.errors import ArgumentError, SandboxError, catch
from versori_magics.notebook.display.results import Summary
from versori_magics.notebook.magic_hints import magic_hints
from versori_magics.notebook.session import CURRENT
from versori_magics.notebook.validation import check_number
from versori_magics.text import one_line

if TYPE_CHECKING:
    from versori_magics.emulator import Emulator

MAX_CONNECTIONS = 100_000
_running: list[Emulator] = []  # at most one


@magic_hints()
def sandbox(action: Literal["start", "stop", "reset"] = "start", *, connections: int = 250, seed: int = 1) -> Summary:
    """Start a local platform with a made-up organisation, and connect to it.

    Parameters
    ----------
    action : {'start', 'stop', 'reset'}
        Default ``start``; ``reset`` restores everything that was deleted.
    connections : int
        How many connections it has, 1 to 100,000. Default 250.
    seed : int
        Each seed gives another organisation. Default 1.

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
    """Start a fresh sandbox in place of the running one, and connect to it."""
    from versori_magics.emulator import Emulator, EmulatorUnavailableError

    if _running:
        _running.pop().stop()
    emulator = catch(lambda: Emulator(connections=connections, seed=seed).start(), EmulatorUnavailableError, OSError)
    if isinstance(emulator, Exception):
        raise SandboxError(one_line(emulator, 300))
    _running.append(emulator)
    CURRENT.connect(
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
    return Summary("The sandbox is running and connected", pairs)


def _reset() -> Summary:
    emulator = _running_emulator()
    restored = len(emulator.deleted)
    emulator.reset()
    return Summary("The sandbox is as it was at the start", {"server": emulator.url, "restored": restored})


def _stop() -> Summary:
    """Stop it, and forget the connection to it."""
    emulator = _running_emulator()
    _running.clear()
    emulator.stop()
    CURRENT.connect({})
    return Summary("The sandbox is stopped", {"server": emulator.url})


def _running_emulator() -> Emulator:
    if not _running:
        raise SandboxError("No sandbox is running in this kernel.", hint="Start one with %versori_sandbox.")
    return _running[0]
