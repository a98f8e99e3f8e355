"""Pure: whether to send a request again, and how long to wait before it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from versori_magics.errors import ApiError, PlatformError, TransportError

if TYPE_CHECKING:
    from collections.abc import Collection

RETRIED_STATUSES = frozenset({408, 429, 500, 502, 503, 504})
# Somebody in between speaks with these: what happened behind is not known, whatever the body says.
_GATEWAY = frozenset({408, 502, 504})


@dataclass(frozen=True, slots=True)
class Policy:
    """How often and how long.

    Parameters
    ----------
    sends : int
        Sends of one request at most, in one turn. Default 4.
    turns : int
        Turns of a row of a run at most; see `another_turn`. Default 3.
    seconds : float
        For one request with all its waits, pauses that the platform asked for not counted. Default 45.
    base, cap : float
        Full jitter: the wait before send n + 1 is uniform in 0 to ``min(cap, base * 2 ** (n - 1))`` seconds.
    longest_pause : float
        A Retry-After above this many seconds is not waited for. Default 120.
    """

    sends: int = 4
    turns: int = 3
    seconds: float = 45.0
    base: float = 0.5
    cap: float = 8.0
    longest_pause: float = 120.0


@dataclass(frozen=True, slots=True)
class Again:
    """Send it again after `wait` seconds; `pause` says that the platform asked for it, so everybody waits."""

    wait: float
    pause: bool = False


@dataclass(frozen=True, slots=True)
class GiveUp:
    """Do not send it again; `come_back` seconds are asked for where that is why."""

    come_back: float | None = None


def decide(policy: Policy, attempt: int, elapsed: float, failure: PlatformError, roll: float) -> Again | GiveUp:
    """Decide what follows a failed send.

    Parameters
    ----------
    policy : Policy
        The numbers.
    attempt : int
        Sends so far, 1 after the first.
    elapsed : float
        Seconds since the first send, pauses that the platform asked for not counted.
    failure : PlatformError
        What came of the last send.
    roll : float
        A random number in 0 to 1; given, so that this stays a function.

    Returns
    -------
    Again or GiveUp
        `GiveUp.come_back` is set where the platform asks for a longer pause than the policy has.
    """
    if not is_transient(failure):
        return GiveUp()
    asked = asked_pause(failure)
    if asked is not None and asked > policy.longest_pause:
        return GiveUp(come_back=asked)
    if attempt >= policy.sends:
        return GiveUp()
    if asked is not None:
        return Again(asked, pause=True)
    wait = roll * min(policy.cap, policy.base * 2 ** (attempt - 1))
    return GiveUp() if elapsed + wait > policy.seconds else Again(wait)


def another_turn(
    policy: Policy, turn: int, failures: Collection[PlatformError], overcome: Collection[int | str]
) -> bool:
    """Tell whether a row whose sends are used up may have another turn at the end of its run.

    It may where other rows met a failure of the same kind and went all the same: then the way to the platform is bad,
    and not the row. What no other row overcame is not sent again.

    Parameters
    ----------
    policy : Policy
        The numbers.
    turn : int
        Turns so far, 1 after the first.
    failures : collection of PlatformError
        What came of the sends of this turn.
    overcome : collection of int or str
        Kinds of failure that rows which have gone had met.
    """
    return turn < policy.turns and all(map(is_transient, failures)) and any(kind(f) in overcome for f in failures)


def kind(failure: PlatformError) -> int | str:
    """Return what makes failures alike: the status, or that no answer came."""
    return failure.status if isinstance(failure, ApiError) else type(failure).__name__


def asked_pause(failure: PlatformError) -> float | None:
    """Return the seconds of a Retry-After that is meant for everybody (429 and 503); None where there is none."""
    return failure.retry_after if isinstance(failure, ApiError) and failure.status in {429, 503} else None


def is_transient(failure: PlatformError) -> bool:
    """Tell whether the same request may do better a little later."""
    return isinstance(failure, TransportError) or (isinstance(failure, ApiError) and failure.status in RETRIED_STATUSES)


def proves_nothing(failure: PlatformError) -> bool:
    """Tell whether a DELETE that ended so may have been done all the same.

    Only the documented answers prove anything: 204, or an Error from the platform itself. No answer, a gateway's
    page, a redirect or an undocumented success may each hide a deletion. A 4xx says that nothing was done, whoever
    says it, but for 404 (a wrong address says it too) and 408 (somebody did not wait for the end).
    """
    if isinstance(failure, TransportError):
        return failure.sent
    if not isinstance(failure, ApiError):
        return True
    if 400 <= failure.status < 500 and failure.status not in {404, 408}:  # noqa: PLR2004 - the 4xx range
        return False
    return failure.status in _GATEWAY or not failure.documented
