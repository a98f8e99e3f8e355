"""What the workers of a run share: the usage scan, whether to stop and why, pauses, which failures were temporary."""

from __future__ import annotations

import random
import threading
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from versori_magics.api import retry
from versori_magics.api.clock import Clock
from versori_magics.cleanup.throttle import AdaptiveThrottle
from versori_magics.errors import ApiError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from versori_magics.cleanup.usage_scan import UsageScan
    from versori_magics.errors import PlatformError

MAX_FORBIDDEN_IN_A_ROW = 3
_YEAR = 31_536_000.0  # seconds; longer waits do not fit into a datetime


class RunControl:
    """Decides for all workers of a run; safe to use from several threads.

    Parameters
    ----------
    stop : threading.Event
        Once it is set, nothing more is sent.
    workers : int
        Maximum number of concurrent requests.
    scan : UsageScan
        The usage scan that the rows rest on.
    policy : RetryPolicy, optional
        Limits of the retries.
    clock : Clock, optional
        Source of time; tests replace it.
    rng : random.Random, optional
        For jitter.

    Attributes
    ----------
    halt_reason : str
        Why the run was halted; empty if it was not.
    """

    def __init__(
        self,
        stop: threading.Event,
        *,
        workers: int,
        scan: UsageScan,
        policy: retry.RetryPolicy | None = None,
        clock: Clock | None = None,
        rng: random.Random | None = None,
    ) -> None:
        self.stop = stop
        self.scan = scan
        self.policy = policy or retry.RetryPolicy()
        self.clock = clock or Clock()
        self.throttle = AdaptiveThrottle(workers, stop, self.clock)
        self.halt_reason = ""
        self._rng = rng or random.Random()  # noqa: S311 - jitter, not secrets
        self._lock = threading.Lock()
        self._forbidden_in_a_row = 0
        self._recovered_failure_types: set[int | str] = set()

    def halt(self, reason: str) -> None:
        """Send nothing more; requests in flight finish. The first reason stays."""
        with self._lock:
            self.halt_reason = self.halt_reason or reason
        self.stop.set()

    def observe(self, failure: PlatformError | None) -> None:
        """Apply the consequence of a response for the whole run: a pause or a halt.

        Call it before the throttle admits the next request. `failure` is None for a 204.
        """
        status = failure.status if isinstance(failure, ApiError) else None
        with self._lock:
            self._forbidden_in_a_row = self._forbidden_in_a_row + 1 if status == 403 else 0  # noqa: PLR2004 - Forbidden
            forbidden = self._forbidden_in_a_row
        if status == 401:  # noqa: PLR2004 - Unauthorized
            self.halt("the platform no longer accepts the token (401): renew it before you resume")
        elif forbidden >= MAX_FORBIDDEN_IN_A_ROW:
            self.halt(
                f"the platform forbade {forbidden} deletions in a row (403):"
                " use a token with rights for this organisation before you resume"
            )
        pause = None if failure is None else retry.requested_pause(failure)
        if pause is not None:
            self._pause(pause)

    def _pause(self, seconds: float) -> None:
        if seconds <= self.policy.longest_pause:
            self.throttle.pause(seconds)
            return
        until = datetime.now(UTC) + timedelta(seconds=min(seconds, _YEAR))
        self.halt(f"the platform asks to wait {seconds:,.0f} s, until {until:%Y-%m-%d %H:%M} UTC")

    def decide(self, sends: int, elapsed: float, failure: PlatformError) -> retry.Retry | retry.GiveUp:
        """Decide what follows a failed send; see `retry.decide`."""
        return retry.decide(self.policy, sends, elapsed, failure, self._rng.random())

    def record_recovery(self, failure_types: Iterable[int | str]) -> None:
        """Record the types of failure that a row had before it was deleted."""
        self._recovered_failure_types.update(failure_types)

    def allows_another_turn(self, turns: int, failures: list[PlatformError]) -> bool:
        """Tell whether a row may have another turn; see `retry.may_have_another_turn`."""
        return retry.may_have_another_turn(self.policy, turns, failures, self._recovered_failure_types)
