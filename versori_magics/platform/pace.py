"""When the next request may go: the clock, and the one gate that all workers of a run pass."""

from __future__ import annotations

import threading
import time

NAP = 0.1  # seconds; nothing blocks longer without a look at the stop event


class Clock:
    """The time and the waiting, in one place so that tests can hurry both."""

    def now(self) -> float:
        """Return seconds from an arbitrary start, never going back."""
        return time.monotonic()

    def wait(self, stop: threading.Event, seconds: float) -> bool:
        """Wait; return False as soon as `stop` is set."""
        return not stop.wait(seconds)


class Gate:
    """Lets at most `width` requests be under way, none while a pause lasts, and fewer after a 429.

    Parameters
    ----------
    width : int
        Requests under way at most.
    stop : threading.Event
        Once it is set, nobody is let in.
    clock : Clock
        The time.
    """

    def __init__(self, width: int, stop: threading.Event, clock: Clock) -> None:
        self._most = self._width = width
        self._stop = stop
        self._clock = clock
        self._under_way = 0
        self._passed = 0
        self._opens = 0.0
        self._eased = float("-inf")
        self._free = threading.Condition()

    @property
    def width(self) -> int:
        """How many requests may be under way now."""
        return self._width

    @property
    def paused(self) -> float:
        """Seconds until the gate opens again; 0 when it is open."""
        return max(0.0, self._opens - self._clock.now())

    def enter(self) -> bool:
        """Wait until a request may go; False means it must not go at all, because the run was stopped."""
        while not self._stop.is_set():
            with self._free:
                pause = self.paused
                if self._stop.is_set():  # again, now that whoever set it has left
                    break
                if not pause and self._under_way < self._width:
                    self._under_way += 1
                    return True
                if not pause:
                    self._free.wait(NAP)
            if pause:
                self._clock.wait(self._stop, min(pause, NAP))
        return False

    def leave(self, *, eased: bool = False) -> None:
        """Say that a request has ended; `eased`: the platform said that there are too many."""
        with self._free:
            self._under_way -= 1
            if eased:
                self._ease_off()
            else:
                self._recover()
            self._free.notify()

    def _ease_off(self) -> None:
        # Requests that left together are refused together: they count as one.
        if self._clock.now() - self._eased >= 1.0:
            self._eased = self._clock.now()
            self._width = max(1, self._width // 2)
        self._passed = 0

    def _recover(self) -> None:
        self._passed += 1
        if self._passed >= 4 * self._width and self._width < self._most:
            self._width += 1
            self._passed = 0
            self._free.notify()

    def pause(self, seconds: float) -> None:
        """Let nobody in for so long; a longer pause that is already set stays."""
        opens = self._clock.now() + seconds
        with self._free:
            self._opens = max(self._opens, opens)
