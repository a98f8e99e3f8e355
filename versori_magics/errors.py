"""Every error that this package raises, as one tree.

::

    VersoriError                     anything we raise; strings and numbers only, never a request or a token
    ├── SettingsError                a setting is missing or makes no sense
    ├── ArgumentError                a magic or a function was called with something it cannot take
    │   └── SelectionError           what was selected is not a list of connection ids
    ├── ConsentError                 not confirmed, so nothing was sent
    ├── PlanError                    the plan may not be carried out as it is
    ├── JournalError                 the journal cannot be written or read
    ├── SandboxError                 the local sandbox cannot be started
    ├── RunStoppedError              a run ended before its last row; carries the report
    │   └── UnfinishedError          a report has rows that did not go; raised on request only
    └── PlatformError                the platform did not do what its reference says
        ├── IncompleteError          a list is known to be short, or cannot be known to be whole
        ├── TransportError           no answer came
        └── ApiError                 an answer came, and it is not the documented one
            ├── UnauthorisedError    401
            ├── ForbiddenError       403
            └── NotFoundError        404
"""

from __future__ import annotations

import os
import traceback
from typing import TYPE_CHECKING, Any

from versori_magics.text import one_line

if TYPE_CHECKING:
    from collections.abc import Sequence

DEBUG_VARIABLE = "VERSORI_DEBUG"


class VersoriError(Exception):
    """The base of every error of this package.

    Parameters
    ----------
    message : str
        What happened, and to what.
    hint : str
        What to do next. Empty when there is nothing to advise.
    """

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def lines(self) -> list[str]:
        """Return what a person is shown: what happened, particulars, what to do; three lines at most."""
        return [one_line(line, 600) for line in (self.message, self.particulars(), self.hint) if line]

    def particulars(self) -> str:
        """Return the structured part of the error as one line; empty when there is none."""
        return ""

    def __str__(self) -> str:
        return "\n".join(self.lines())

    def _render_traceback_(self) -> list[str]:
        # IPython shows these lines instead of a page of our frames; papermill and nbclient still see an error.
        if os.environ.get(DEBUG_VARIABLE, "") not in {"", "0"}:
            return "".join(traceback.format_exception(self)).splitlines()
        first, *rest = self.lines() or [""]
        return [f"{type(self).__name__}: {first}", *rest]


class SettingsError(VersoriError):
    """A setting is missing or makes no sense; nothing was sent."""


class ArgumentError(VersoriError):
    """A magic or a function was called with something it cannot take; nothing was sent."""


class SelectionError(ArgumentError):
    """What was selected is not a list of connection ids of this organisation; nothing was sent."""


class ConsentError(VersoriError):
    """The deletion was not confirmed; nothing was sent."""


class PlanError(VersoriError):
    """The plan may not be carried out as it is; nothing was sent."""


class JournalError(VersoriError):
    """The journal cannot be written or read; without a journal nothing is deleted."""


class SandboxError(VersoriError):
    """The local sandbox cannot be started."""


class RunStoppedError(VersoriError):
    """A run ended before its last row.

    Parameters
    ----------
    message, hint : str
        As in `VersoriError`.
    report : object
        The report of what was done until then.
    """

    def __init__(self, message: str, *, hint: str = "", report: Any = None) -> None:
        super().__init__(message, hint=hint)
        self.report = report


class UnfinishedError(RunStoppedError):
    """A report has rows that did not go; raised by `DeletionReport.raise_for_unfinished` only."""


class PlatformError(VersoriError):
    """The platform did not do what its reference says."""


class IncompleteError(PlatformError):
    """A list is known to be short, or cannot be known to be whole."""


class TransportError(PlatformError):
    """No answer came.

    Parameters
    ----------
    message, hint : str
        As in `VersoriError`.
    method, path : str
        Which request, without server and query.
    sent : bool
        False where the request surely never reached the platform (no connection was made).
    attempts : int
        How often it was sent.
    """

    def __init__(
        self, message: str, *, hint: str = "", method: str = "", path: str = "", sent: bool = True, attempts: int = 1
    ) -> None:
        super().__init__(message, hint=hint)
        self.method = method
        self.path = path
        self.sent = sent
        self.attempts = attempts

    def particulars(self) -> str:
        """Return the request and how often it was tried."""
        return f"{self.method} {self.path} · {_times(self.attempts)}" if self.path else ""


class ApiError(PlatformError):
    """An answer came, and it is not the documented one.

    Parameters
    ----------
    message : str
        The platform's own message, or what its answer looked like.
    status : int
        HTTP status.
    code : str or None
        The platform's machine-readable code. None where the body was not the documented Error.
    fields : sequence of (field, message)
        Which field of the request is wrong, and why.
    details : str
        The platform's details; may be empty.
    method, path : str
        Which request, without server and query.
    documented : bool
        Whether the body was the Error of the reference. Where it was not, a gateway may have spoken, and
        the answer proves nothing about the connection.
    retry_after : float or None
        Seconds the platform asks to wait.
    attempts : int
        How often it was sent.
    """

    def __init__(
        self,
        message: str,
        *,
        status: int,
        code: str | None = None,
        fields: Sequence[tuple[str, str]] = (),
        details: str = "",
        method: str = "",
        path: str = "",
        documented: bool = False,
        retry_after: float | None = None,
        attempts: int = 1,
        hint: str = "",
    ) -> None:
        super().__init__(
            message, hint=hint or (HINTS if documented or status != _NOT_FOUND else _ELSEWHERE).get(status, "")
        )
        self.status = status
        self.code = code
        self.fields = tuple(fields)
        self.details = details
        self.method = method
        self.path = path
        self.documented = documented
        self.retry_after = retry_after
        self.attempts = attempts

    def particulars(self) -> str:
        """Return status, code, every field, details, the request and how often it was tried."""
        parts = [f"HTTP {self.status}"]
        if self.code:
            parts.append(f"code {self.code}")
        parts += [f"{field}: {message}" for field, message in self.fields]
        if self.details:
            parts.append(self.details)
        parts.append(f"{self.method} {self.path}".strip())
        if self.attempts > 1:
            parts.append(_times(self.attempts))
        return " · ".join(part for part in parts if part)


class UnauthorisedError(ApiError):
    """401: the platform does not accept the token."""


class ForbiddenError(ApiError):
    """403: the token may not do this."""


class NotFoundError(ApiError):
    """404: there is no such thing, if the answer is the documented Error; else it proves nothing."""


HINTS = {
    401: "The token is not accepted: renew it, set VERSORI_TOKEN (or %versori_connect again), then repeat.",
    403: "The token may not do this: use one with the rights for this organisation.",
    404: "It is gone, or its id is of another organisation: list the connections again.",
    429: "The platform asks for fewer requests: wait, or use fewer --workers.",
}
_NOT_FOUND = 404
_ELSEWHERE = {404: "This is not the platform's own answer, so it proves nothing: is the server's URL right?"}


def _times(attempts: int) -> str:
    return "sent once" if attempts == 1 else f"sent {attempts} times"
