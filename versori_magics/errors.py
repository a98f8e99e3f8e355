"""Every error that this package raises, as one tree.

::

    VersoriError                     base class; holds text and numbers only, never a request or a token
    ├── SettingsError                a setting is missing or invalid
    ├── ArgumentError                a magic or a function was called with an invalid argument
    │   └── SelectionError           the selection is not a list of connection ids of this organisation
    ├── ConsentError                 nobody agreed, so nothing was sent
    ├── PlanError                    the plan must not be executed as it is
    ├── JournalError                 the journal cannot be written or read
    ├── SandboxError                 the local sandbox cannot be started
    ├── RunStoppedError              a run ended before its last row; carries the report
    │   └── UnfinishedError          a report has rows that were not deleted; raised on request only
    └── PlatformError                the platform did not behave as documented
        ├── IncompleteError          a list is incomplete, or cannot be shown to be complete
        ├── TransportError           no response arrived
        └── ApiError                 a response arrived, but not the documented one
            ├── UnauthorisedError    401
            ├── ForbiddenError       403
            └── NotFoundError        404
"""

from __future__ import annotations

import os
import traceback
from typing import TYPE_CHECKING, NamedTuple, Protocol

from versori_magics.next_step import Action, NextStep
from versori_magics.text import number_of, one_line

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

DEBUG_VARIABLE = "VERSORI_DEBUG"


class FieldError(NamedTuple):
    """One entry of the `fields` of an Error response.

    Parameters
    ----------
    field : str
        Path of the field in the request, such as ``field1.field2[0].field3``.
    message : str
        What is wrong with it.
    """

    field: str
    message: str


class VersoriError(Exception):
    """The base class of every error of this package.

    Parameters
    ----------
    message : str
        What happened, and to what.
    hint : str
        What it means and what to do, without the syntax of a magic or command line. Default empty.
    next_step : NextStep, optional
        What to do next, as data.

    Attributes
    ----------
    step_text : str
        The next step as a sentence, which is part of `hint`. Notebooks replace it with a line to copy.
    """

    def __init__(self, message: str, *, hint: str = "", next_step: NextStep | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.next_step = next_step
        self.step_text = str(next_step) if next_step else ""
        self._advice = hint

    @property
    def hint(self) -> str:
        """What it means and what to do next; empty if there is nothing to advise."""
        return " ".join(text for text in (self._advice, self.step_text) if text)

    def lines(self) -> list[str]:
        """Return the one to three lines that a person sees: what happened, the particulars, what to do."""
        return [one_line(line, 600) for line in (self.message, self.particulars(), self.hint) if line]

    def particulars(self) -> str:
        """Return the structured part of the error as one line, or an empty string."""
        return ""

    def __str__(self) -> str:
        return "\n".join(self.lines())

    def __reduce__(self) -> tuple[Callable[..., VersoriError], tuple[object, ...]]:
        # The default calls the class with `args` only: required keywords, such as a report, would be lost.
        return _restore, (type(self), self.args, self.__dict__)

    def _render_traceback_(self) -> list[str]:
        # IPython shows these lines instead of a page of our frames; papermill and nbclient still see an error.
        if os.environ.get(DEBUG_VARIABLE, "") not in {"", "0"}:
            return "".join(traceback.format_exception(self)).splitlines()
        first, *rest = self.lines() or [""]
        return [f"{type(self).__name__}: {first}", *rest]


def _restore(cls: type[VersoriError], args: tuple[object, ...], state: dict[str, object]) -> VersoriError:
    error = cls.__new__(cls)
    error.args = args
    error.__dict__.update(state)
    return error


class SettingsError(VersoriError):
    """A setting is missing or invalid; nothing was sent."""


class ArgumentError(VersoriError):
    """A magic or a function was called with an invalid argument; nothing was sent."""


class SelectionError(ArgumentError):
    """The selection is not a list of connection ids of this organisation; nothing was sent."""


class ConsentError(VersoriError):
    """Nobody agreed to the deletion; nothing was sent."""


class PlanError(VersoriError):
    """The plan must not be executed as it is; nothing was sent."""


class JournalError(VersoriError):
    """The journal cannot be written or read; nothing is deleted without a journal.

    Parameters
    ----------
    message, hint, next_step
        As in `VersoriError`.
    reason : str
        The operating system's reason, such as ``No space left on device``; empty if it is not the cause.
    """

    def __init__(self, message: str, *, reason: str = "", hint: str = "", next_step: NextStep | None = None) -> None:
        super().__init__(message, hint=hint, next_step=next_step)
        self.reason = reason


class SandboxError(VersoriError):
    """The local sandbox cannot be started."""


class RunReport(Protocol):
    """The part of a report that an error needs."""

    @property
    def run(self) -> str:
        """The run's id."""

    @property
    def counts(self) -> dict[str, int]:
        """Outcome -> number of rows."""

    @property
    def summary(self) -> str:
        """The counts in words."""


class RunStoppedError(VersoriError):
    """A run ended before its last row.

    Parameters
    ----------
    message, hint, next_step
        As in `VersoriError`.
    report : RunReport
        The outcome of every row so far.
    """

    def __init__(self, message: str, *, report: RunReport, hint: str = "", next_step: NextStep | None = None) -> None:
        super().__init__(message, hint=hint, next_step=next_step)
        self.report = report

    def particulars(self) -> str:
        """Return the number of rows for each outcome."""
        return f"{number_of(sum(self.report.counts.values()), 'row')}: {self.report.summary}"


class UnfinishedError(RunStoppedError):
    """A report has rows that were not deleted; raised by `DeletionReport.raise_for_unfinished` only."""


class PlatformError(VersoriError):
    """The platform did not behave as documented."""


class IncompleteError(PlatformError):
    """A list is incomplete, or cannot be shown to be complete."""


class TransportError(PlatformError):
    """No response arrived.

    Parameters
    ----------
    message, hint : str
        As in `VersoriError`.
    method, path : str
        The request, without server and query.
    sent : bool
        False if the request cannot have reached the platform, because no connection was made.
    attempts : int
        How often the request was sent.
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
        """Return the request and how often it was sent."""
        return f"{self.method} {self.path} · {_times(self.attempts)}" if self.path else ""


class ApiError(PlatformError):
    """A response arrived, but not the documented one.

    Parameters
    ----------
    message : str
        The platform's own message, or a description of the response.
    status : int
        HTTP status.
    code : str or None
        The platform's machine-readable code. None if the body is not the documented Error.
    fields : sequence of FieldError
        The fields of the request that are wrong, and why.
    details : str
        The platform's details; may be empty.
    method, path : str
        The request, without server and query.
    documented : bool
        Whether the body is the documented Error. If not, a gateway may have answered, and the connection may still
        exist.
    retry_after : float or None
        Seconds that the platform asks to wait.
    attempts : int
        How often the request was sent.
    """

    def __init__(
        self,
        message: str,
        *,
        status: int,
        code: str | None = None,
        fields: Sequence[FieldError] = (),
        details: str = "",
        method: str = "",
        path: str = "",
        documented: bool = False,
        retry_after: float | None = None,
        attempts: int = 1,
        hint: str = "",
    ) -> None:
        is_conclusive = documented or status != _NOT_FOUND
        super().__init__(
            message,
            hint=hint or (_HINTS.get(status, "") if is_conclusive else _UNDOCUMENTED_404),
            next_step=NextStep(_ACTIONS[status]) if not hint and is_conclusive and status in _ACTIONS else None,
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
        """Return status, code, every field, details, the request and how often it was sent."""
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
    """403: the token is not allowed to do this."""


class NotFoundError(ApiError):
    """404: the resource does not exist if the body is the documented Error; otherwise it may exist."""


_NOT_FOUND = 404
_HINTS = {
    401: "The platform does not accept the token.",
    403: "The token is not allowed to do this. Use one with rights for this organisation.",
    404: "It does not exist: it was deleted, or its id belongs to another organisation.",
    429: "The platform asks for fewer requests.",
}
_UNDOCUMENTED_404 = (
    "This response did not come from the platform, so the connection may still exist. Check the server's URL."
)
_ACTIONS = {401: Action.RECONNECT, 404: Action.FIND_CONNECTIONS, 429: Action.USE_FEWER_WORKERS}


def _times(attempts: int) -> str:
    return "sent once" if attempts == 1 else f"sent {attempts} times"
