"""The stop button: the first press lets requests in flight finish, the second returns at once."""

from __future__ import annotations

import signal
import threading
from typing import TYPE_CHECKING

from versori_magics.interrupts import receives_interrupts

if TYPE_CHECKING:
    from types import FrameType, TracebackType
    from typing import Self


class StopButton:
    """Counts SIGINT while it is entered, instead of letting it raise in the middle of a deletion.

    The caller shows the report and then raises KeyboardInterrupt. In other threads, which receive no signals, it only
    holds `stop`. It can be entered several times; the outermost exit restores the handler.

    Parameters
    ----------
    stop : threading.Event, optional
        Set by the first press, or by other code that stops the run.
    """

    def __init__(self, stop: threading.Event | None = None) -> None:
        self.stop = threading.Event() if stop is None else stop
        self.presses = 0
        self._previous_handler: object = None
        self._depth = 0

    @property
    def pressed(self) -> bool:
        """Whether it was pressed."""
        return self.presses > 0

    @property
    def pressed_twice(self) -> bool:
        """Whether to return without waiting for requests in flight."""
        return self.presses > 1

    def _press(self, _number: int, _frame: FrameType | None) -> None:
        self.presses += 1
        self.stop.set()

    def __enter__(self) -> Self:
        if receives_interrupts():
            if not self._depth:
                self._previous_handler = signal.signal(signal.SIGINT, self._press)
            self._depth += 1
        return self

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._depth and receives_interrupts():
            self._depth -= 1
            if not self._depth:
                signal.signal(signal.SIGINT, self._previous_handler)  # type: ignore[arg-type]  # what it returned
