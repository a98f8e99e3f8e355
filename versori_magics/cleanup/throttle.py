"""Limits the concurrent requests of a run, and pauses them all when the platform asks for it."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from versori_magics.api.clock import POLL_SECONDS

if TYPE_CHECKING:
    from versori_magics.api.clock import Clock

SETTLE_SECONDS = 1.0  # 429s within this time count as one: requests that were sent together are refused together
RECOVER_AFTER = 4  # after this many successes per admitted request, one more is admitted


class AdaptiveThrottle:
    """Admits at most `max_requests` requests at a time, none during a pause, and fewer after a 429.

    Parameters
    ----------
    max_requests : int
        Maximum number of concurrent requests.
    stop : threading.Event
        Once it is set, no request is admitted.
    clock : Clock
        Source of time; tests replace it.
    """

    def __init__(self, max_requests: int, stop: threading.Event, clock: Clock) -> None:
        self._max_requests = self._limit = max_requests
        self._stop = stop
        self._clock = clock
        self._active = 0
        self._successes = 0
        self._paused_until = 0.0
        self._lowered_at = float("-inf")
        self._changed = threading.Condition()

    @property
    def pause_left(self) -> float:
        """Seconds until the pause ends; 0 if there is none."""
        return max(0.0, self._paused_until - self._clock.now())

    def acquire(self) -> bool:
        """Wait until a request may be sent; return False if it must not be sent at all, because the run stopped."""
        while not self._stop.is_set():
            with self._changed:
                pause = self.pause_left
                if self._stop.is_set():  # it may have been set while this thread waited for the lock
                    break
                if not pause and self._active < self._limit:
                    self._active += 1
                    return True
                if not pause:
                    self._changed.wait(POLL_SECONDS)
            if pause:
                self._clock.wait(self._stop, min(pause, POLL_SECONDS))
        return False

    def release(self, *, too_many: bool = False) -> None:
        """Release the place of a request that ended; `too_many` if the platform answered 429."""
        with self._changed:
            self._active -= 1
            if too_many:
                self._lower_limit()
            else:
                self._raise_limit()
            self._changed.notify()

    def withdraw(self) -> None:
        """Release the place of a request that was not sent after all."""
        with self._changed:
            self._active -= 1
            self._changed.notify()

    def _lower_limit(self) -> None:
        if self._clock.now() - self._lowered_at >= SETTLE_SECONDS:
            self._lowered_at = self._clock.now()
            self._limit = max(1, self._limit // 2)
        self._successes = 0

    def _raise_limit(self) -> None:
        self._successes += 1
        if self._successes >= RECOVER_AFTER * self._limit and self._limit < self._max_requests:
            self._limit += 1
            self._successes = 0
            self._changed.notify()

    def pause(self, seconds: float) -> None:
        """Admit nothing for `seconds`; a longer pause that is already set remains."""
        until = self._clock.now() + seconds
        with self._changed:
            self._paused_until = max(self._paused_until, until)
