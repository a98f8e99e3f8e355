"""Asks a person for consent, and for a token."""

from __future__ import annotations

import getpass
import sys
from typing import TYPE_CHECKING

from IPython.core.error import StdinNotImplementedError
from IPython.core.getipython import get_ipython

from versori_magics.api.auth import Secret, parse_token
from versori_magics.catch import catch
from versori_magics.cleanup.consent import required_words, typed_consent
from versori_magics.errors import ConsentError, SettingsError
from versori_magics.presentation.wording import consent_request, deletion_sentence, origin
from versori_magics.text import one_line

if TYPE_CHECKING:
    from collections.abc import Callable

    from versori_magics.cleanup.consent import Consent
    from versori_magics.cleanup.plan import Plan

LIST = "list"  # the answer that shows every row and asks again
# The last three: a process without stdin, or with one that is closed or cannot be read.
_NOBODY_ANSWERS = (StdinNotImplementedError, EOFError, RuntimeError, ValueError, OSError)


def ask_for_consent(plan: Plan, show_all: Callable[[], object]) -> Consent:
    """Ask a person to agree to a plan. Only after ``list``, which shows all rows, is the question asked again.

    Parameters
    ----------
    plan : Plan
        The plan.
    show_all : callable
        () -> None. Shows every row of the plan.

    Raises
    ------
    ConsentError
        If anything but the required words was typed, or this environment cannot ask.
    """
    answer = _ask(plan)
    while answer.strip().lower() == LIST:
        show_all()
        answer = _ask(plan)
    consent = typed_consent(plan, answer)
    if consent is None:
        raise ConsentError(
            f"Not confirmed: {one_line(answer, 40) or 'nothing'} was typed, so nothing was sent.",
            hint=f"Try again and type: {required_words(plan)}",
        )
    return consent


def _ask(plan: Plan) -> str:
    question = f"{deletion_sentence(plan)}\n{origin(plan)}\n{consent_request(plan)}: "
    answer = catch(lambda: input(question), *_NOBODY_ANSWERS)
    if isinstance(answer, Exception):
        raise ConsentError(
            f"Cannot ask for confirmation here, so nothing was sent ({len(plan.to_delete):,} to delete).",
            hint="For an unattended run, review the plan (--dry-run), then add --yes.",
        )
    return answer


def ask_for_token(server: str) -> Secret:
    """Ask for a token without showing it.

    Raises
    ------
    SettingsError
        If this environment cannot ask, or the answer is not a token.
    """
    # Without a kernel or a terminal, getpass would echo what is typed.
    if hasattr(get_ipython(), "kernel") or _is_terminal():
        # A Secret at once: a traceback that shows local variables must not show the token.
        token = catch(lambda: Secret(getpass.getpass(f"Token for {server}: ")), StdinNotImplementedError, EOFError)
        if isinstance(token, Secret):
            return parse_token(token)
    raise SettingsError(
        f"There is no token for {server}, and this environment cannot ask for one.", hint="Set VERSORI_TOKEN."
    )


def _is_terminal() -> bool:
    try:
        return sys.stdin.isatty()
    except (AttributeError, ValueError):  # there is no stdin, or it is closed
        return False
