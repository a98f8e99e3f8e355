"""Clocks with which minutes of waiting pass in milliseconds, against a real socket."""

import threading

from versori_magics.api.clock import Clock


class FastWaits(Clock):
    """Waits end early; the time is the real one, so that requests are timed as usual.

    Parameters
    ----------
    speedup : float
        By this factor waits are shorter.
    """

    def __init__(self, speedup: float) -> None:
        self.speedup = speedup

    def wait(self, stop: threading.Event, seconds: float) -> bool:
        return super().wait(stop, seconds / self.speedup)


class FastClock(FastWaits):
    """The time runs as fast as the waits, so that pauses end when they should."""

    def now(self) -> float:
        return super().now() * self.speedup
