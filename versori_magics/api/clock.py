"""Source of time, with waits that a stop event ends."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import threading

POLL_SECONDS = 0.1  # nothing blocks longer without checking its stop event


class Clock:
    """Source of time; tests replace it."""

    def now(self) -> float:
        """Return seconds since an arbitrary start; never goes back, and may stand still while the machine sleeps."""
        return time.monotonic()

    def wall_time(self) -> float:
        """Return seconds since 1970; counts the time that the machine sleeps, and goes back if somebody sets it."""
        return time.time()

    def wait(self, stop: threading.Event, seconds: float) -> bool:
        """Wait, and return False as soon as `stop` is set."""
        return not stop.wait(seconds)
