"""Asking a person: for consent, and for a token."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from IPython.core.error import StdinNotImplementedError
from IPython.core.getipython import get_ipython

from versori_magics.errors import ConsentError, SettingsError
from versori_magics.platform.auth import Secret, read_token
from versori_magics.text import number_of, one_line

if TYPE_CHECKING:
    from versori_magics.deletion.plan import Plan


def confirm(plan: Plan) -> None:
    """Ask for consent to a plan; return only where it was given.

    One connection takes ``y``; more take ``delete N``; rows in use take ``break R``. Enter is never yes.

    Raises
    ------
    ConsentError
        Where anything else was typed, or nobody can be asked.
    """
    question = f"{what_goes(plan)}\nserver {plan.server}, organisation {plan.organisation}\n{what_to_type(plan)}: "
    answer = _ask(question)
    if answer is None:
        raise ConsentError(
            f"Nobody can be asked to confirm here, so nothing was sent ({len(plan.to_delete):,} to delete).",
            hint="Running unattended? Look at the plan (--dry-run), then add --yes.",
        )
    if not plan.is_consent(answer):
        raise ConsentError(
            f"Not confirmed ({one_line(answer, 40) or 'nothing'} was typed), so nothing was sent.",
            hint=f"Repeat it and type {plan.consent}.",
        )


def what_to_type(plan: Plan) -> str:
    """Return the request for the one answer that consents."""
    return "Delete it? y/N" if plan.consent == "y" else f"Type {plan.consent} to go on, anything else to stop"


def ask_token(server: str) -> Secret:
    """Ask for a token without showing it.

    Raises
    ------
    SettingsError
        Where nobody can be asked, or what was typed is no token.
    """
    import getpass

    typed: str | None = None
    # Without a kernel or a terminal, getpass would echo what is typed.
    if hasattr(get_ipython(), "kernel") or _at_terminal():
        try:
            typed = getpass.getpass(f"Token for {server}: ")
        except (StdinNotImplementedError, EOFError):
            typed = None
    if typed is None:
        raise SettingsError(
            f"There is no token for {server}, and nobody can be asked for one here.", hint="Set VERSORI_TOKEN."
        )
    return read_token(typed)


def what_goes(plan: Plan) -> str:
    """Return in a sentence what a plan would delete."""
    rows = plan.to_delete
    if len(rows) == 1:
        row = rows[0]
        what = f"Delete {one_line(row.name or '(no name)', 80)!r} ({one_line(row.system or 'no system', 60)}, {row.id})"
        usage = one_line(row.used_by, 200) if row.in_use else "nobody uses it"
        return f"{what}: {usage}."
    what = f"Delete {len(rows):,} of {len(plan.rows):,} selected connections"
    if plan.to_break:
        running = sum(row.running for row in plan.to_break)
        what += f", {len(plan.to_break):,} of them in use (breaks {number_of(running, 'running environment')})"
    return f"{what}."


def _ask(question: str) -> str | None:
    """Return what was typed; None where nobody can be asked."""
    try:
        return input(question)
    except (StdinNotImplementedError, EOFError):
        return None
    except (RuntimeError, ValueError, OSError):  # a process without stdin, or with one that is closed or cannot be read
        return None


def _at_terminal() -> bool:
    try:
        return sys.stdin.isatty()
    except (AttributeError, ValueError):  # there is none, or it is closed
        return False
