"""Limits how many requests of a run are under way, and pauses them all when the platform asks for it."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from versori_magics.api.clock import POLL_SECONDS

if TYPE_CHECKING:
    from versori_magics.api.clock import Clock

SETTLE_SECONDS = 1.0  # 429s within this time count as one: requests that left together are refused together
RECOVER_AFTER = 4  # times `width` successes, and one more request is admitted


class AdaptiveThrottle:
    """Admits at most `width` requests at a time, none during a pause, and fewer after a 429.

    Parameters
    ----------
    max_width : int
        Most requests under way.
    stop : threading.Event
        Once it is set, no request is admitted.
    clock : Clock
        The time.
    """

    def __init__(self, max_width: int, stop: threading.Event, clock: Clock) -> None:
        self._max_width = self._width = max_width
        self._stop = stop
        self._clock = clock
        self._under_way = 0
        self._successes = 0
        self._paused_until = 0.0
        self._narrowed_at = float("-inf")
        self._changed = threading.Condition()

    @property
    def width(self) -> int:
        """Most requests that may be under way now."""
        return self._width

    @property
    def pause_left(self) -> float:
        """Seconds until the pause ends; 0 if there is none."""
        return max(0.0, self._paused_until - self._clock.now())

    def enter(self) -> bool:
        """Wait until a request may be sent; return False if it must not be sent at all, because the run stopped."""
        while not self._stop.is_set():
            with self._changed:
                pause = self.pause_left
                if self._stop.is_set():  # whoever set it may have held the lock until now
                    break
                if not pause and self._under_way < self._width:
                    self._under_way += 1
                    return True
                if not pause:
                    self._changed.wait(POLL_SECONDS)
            if pause:
                self._clock.wait(self._stop, min(pause, POLL_SECONDS))
        return False

    def leave(self, *, too_many: bool = False) -> None:
        """Report that a request has ended; `too_many` if the platform answered 429."""
        with self._changed:
            self._under_way -= 1
            if too_many:
                self._narrow()
            else:
                self._widen()
            self._changed.notify()

    def _narrow(self) -> None:
        if self._clock.now() - self._narrowed_at >= SETTLE_SECONDS:
            self._narrowed_at = self._clock.now()
            self._width = max(1, self._width // 2)
        self._successes = 0

    def _widen(self) -> None:
        self._successes += 1
        if self._successes >= RECOVER_AFTER * self._width and self._width < self._max_width:
            self._width += 1
            self._successes = 0
            self._changed.notify()

    def pause(self, seconds: float) -> None:
        """Admit nothing for so many seconds; a longer pause that is already set stays."""
        until = self._clock.now() + seconds
        with self._changed:
            self._paused_until = max(self._paused_until, until)
