"""Whether to send a failed request again, and after how long. Pure functions: nothing here waits or sends."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from versori_magics.errors import ApiError, PlatformError, TransportError

if TYPE_CHECKING:
    from collections.abc import Collection

RETRIED_STATUSES = frozenset({408, 429, 500, 502, 503, 504})
# A gateway uses these when it does not know whether the platform processed the request, whatever the body says.
_GATEWAY_STATUSES = frozenset({408, 502, 504})
_PAUSE_STATUSES = frozenset({429, 503})


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """How often a request is sent, and how long it may take.

    Parameters
    ----------
    sends : int
        Maximum number of sends of one request in one turn. Default 4.
    turns : int
        Maximum number of turns of a row in a run; see `may_have_another_turn`. Default 3.
    seconds : float
        Time limit of one turn with its waits, without the pauses that the platform asks for. Default 45.
    base, cap : float
        Full jitter: the wait before send n + 1 is uniform in 0 to ``min(cap, base * 2 ** (n - 1))`` seconds.
    longest_pause : float
        The longest Retry-After, in seconds, that is waited for. Default 120.
    """

    sends: int = 4
    turns: int = 3
    seconds: float = 45.0
    base: float = 0.5
    cap: float = 8.0
    longest_pause: float = 120.0


@dataclass(frozen=True, slots=True)
class Retry:
    """Send the request again.

    Parameters
    ----------
    wait : float
        Seconds to wait first.
    pause : bool
        Whether the platform asked for this wait, so that all other requests wait too.
    """

    wait: float
    pause: bool = False


@dataclass(frozen=True, slots=True)
class GiveUp:
    """Do not send the request again.

    Parameters
    ----------
    retry_after : float or None
        Seconds that the platform asks to wait, if they are more than the policy allows.
    """

    retry_after: float | None = None


def decide(policy: RetryPolicy, attempt: int, elapsed: float, failure: PlatformError, jitter: float) -> Retry | GiveUp:
    """Decide what follows a failed send.

    Parameters
    ----------
    policy : RetryPolicy
        The limits.
    attempt : int
        Number of sends so far, 1 after the first.
    elapsed : float
        Seconds since the first send, without the pauses that the platform asked for.
    failure : PlatformError
        The result of the last send.
    jitter : float
        A random number from 0 to 1, passed in so that the result depends only on the arguments.
    """
    if not is_transient(failure):
        return GiveUp()
    pause = requested_pause(failure)
    if pause is not None and pause > policy.longest_pause:
        return GiveUp(retry_after=pause)
    if attempt >= policy.sends:
        return GiveUp()
    if pause is not None:
        return Retry(pause, pause=True)
    wait = jitter * min(policy.cap, policy.base * 2 ** (attempt - 1))
    return GiveUp() if elapsed + wait > policy.seconds else Retry(wait)


def may_have_another_turn(
    policy: RetryPolicy, turn: int, failures: Collection[PlatformError], recovered: Collection[int | str]
) -> bool:
    """Tell whether a row that has used up its sends may have another turn at the end of its run.

    Yes, if other rows were deleted after the same type of failure: the network is then the likely cause, not the row.

    Parameters
    ----------
    policy : RetryPolicy
        The limits.
    turn : int
        Number of turns so far, 1 after the first.
    failures : collection of PlatformError
        The failures of the last turn.
    recovered : collection of int or str
        Failure types after which another row was still deleted; see `failure_type`.
    """
    if turn >= policy.turns or not all(map(is_transient, failures)):
        return False
    return any(failure_type(failure) in recovered for failure in failures)


def failure_type(failure: PlatformError) -> int | str:
    """Return the type of a failure: the HTTP status, or the name of the error if there is none."""
    return failure.status if isinstance(failure, ApiError) else type(failure).__name__


def requested_pause(failure: PlatformError) -> float | None:
    """Return the seconds of a Retry-After that concerns all requests (429 and 503), or None."""
    return failure.retry_after if isinstance(failure, ApiError) and failure.status in _PAUSE_STATUSES else None


def is_transient(failure: PlatformError) -> bool:
    """Tell whether the same request may succeed a little later."""
    return isinstance(failure, TransportError) or (isinstance(failure, ApiError) and failure.status in RETRIED_STATUSES)


def may_have_succeeded(failure: PlatformError) -> bool:
    """Tell whether a DELETE may have deleted its connection although it failed.

    Only a 4xx means that nothing was done, even if a gateway sent it, except for 408 (a timeout) and a 404 that is not
    the platform's own (which a wrong address causes too). DeleteConnection documents no status but 204, so an error of
    the server itself, a 5xx, may come after the deletion; so may a missing response, a gateway's page, a redirect or an
    undocumented success.
    """
    if isinstance(failure, TransportError):
        return failure.sent
    if not isinstance(failure, ApiError):
        return True
    if failure.status == 404:  # noqa: PLR2004 - Not Found
        return not failure.documented
    return not 400 <= failure.status < 500 or failure.status == 408  # noqa: PLR2004 - the 4xx range, Request Timeout


def may_still_be_carried_out(failure: PlatformError) -> bool:
    """Tell whether a DELETE that failed may delete its connection later.

    Not if its response is a refusal, or an error of the platform itself, which has then finished with the request. A
    gateway may give up before the platform does.
    """
    if isinstance(failure, ApiError) and (failure.documented or 400 <= failure.status < 500):  # noqa: PLR2004 - 4xx
        return failure.status in _GATEWAY_STATUSES
    return may_have_succeeded(failure)
