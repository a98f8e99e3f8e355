"""The stop button: the first press lets what is in flight finish, the second returns at once."""

from __future__ import annotations

import signal
import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from types import FrameType, TracebackType
    from typing import Self


class StopButton:
    """While it is entered, SIGINT does not raise in the middle of our work: it is counted.

    Raising KeyboardInterrupt afterwards is the caller's part, once the report is shown. Outside the main thread, where
    no signal arrives, it does nothing but hold `stop`.

    Parameters
    ----------
    stop : threading.Event, optional
        Set by the first press, or by anybody else who wants the run to stop.
    """

    def __init__(self, stop: threading.Event | None = None) -> None:
        self.stop = threading.Event() if stop is None else stop
        self.presses = 0
        self._before: object = None
        self._installed = False

    @property
    def pressed(self) -> bool:
        """Whether it was pressed at all."""
        return self.presses > 0

    @property
    def at_once(self) -> bool:
        """Whether it was pressed twice: do not wait for what is in flight."""
        return self.presses > 1

    def _press(self, _number: int, _frame: FrameType | None) -> None:
        self.presses += 1
        self.stop.set()

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():
            self._before = signal.signal(signal.SIGINT, self._press)
            self._installed = True
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._installed:
            signal.signal(signal.SIGINT, self._before)  # type: ignore[arg-type]  # what signal.signal itself returned
            self._installed = False
