"""Says in magic syntax what to do next: lower layers name a step, this module writes the line to copy."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from versori_magics.errors import VersoriError
from versori_magics.next_step import Action, NextStep

if TYPE_CHECKING:
    from collections.abc import Iterator

_HINTS = {
    Action.CONNECT: "Connect with %versori_connect --server {argument}, then try again.",
    Action.RECONNECT: "Renew the token, set VERSORI_TOKEN or use %versori_connect, then try again.",
    Action.FIND_CONNECTIONS: "List the connections again: df = %versori_connections . --usage",
    Action.FIND_RUNS: "%versori_runs lists the runs and their state.",
    Action.RESUME: "To finish the run: %versori_resume {argument}",
    Action.RAISE_LIMIT: "Review the plan (--dry-run). If it is right, add --max {argument}.",
    Action.USE_FEWER_WORKERS: "Wait, or use fewer --workers.",
}


def magic_hint(step: NextStep | None) -> str:
    """Return the next step as a sentence with the magic to use; empty if there is none."""
    return _HINTS[step.action].format(argument=step.argument) if step else ""


def add_magic_hint(error: VersoriError) -> None:
    """Word an error's next step in magic syntax."""
    error.step_text = magic_hint(error.next_step)


@contextmanager
def magic_hints() -> Iterator[None]:
    """Give every error that leaves the block its next step in magic syntax; also a decorator."""
    try:
        yield
    except VersoriError as error:
        add_magic_hint(error)
        raise
