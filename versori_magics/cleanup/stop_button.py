"""The stop button: the first press lets requests in flight finish, the second returns at once."""

from __future__ import annotations

import signal
import sys
import threading
import time
from typing import TYPE_CHECKING

from versori_magics.api.concurrency import start_threads
from versori_magics.interrupts import receives_interrupts

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType, TracebackType
    from typing import Self

LATE_SECONDS = 0.5  # the report of a long run is displayed in less


class StopButton:
    """Counts SIGINT while it is entered, instead of letting it raise in the middle of a deletion.

    The caller shows the report and then raises KeyboardInterrupt. In other threads, which receive no signals, it only
    holds `stop`. It can be entered several times; the outermost exit restores the handler.

    Parameters
    ----------
    stop : threading.Event, optional
        Set by the first press, or by other code that stops the run.
    on_end : callable, optional
        (late press) -> None. If given, a press that comes just after the end is held back, so that the report can be
        shown; it is called with what holds it back, to be told when nothing is left that a press could stop.
    """

    def __init__(self, stop: threading.Event | None = None, on_end: Callable[[LatePress], None] | None = None) -> None:
        self.stop = threading.Event() if stop is None else stop
        self.presses = 0
        self._on_end = on_end
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
                self._begin(signal.signal(signal.SIGINT, self._press))
            self._depth += 1
        return self

    def _begin(self, previous: object) -> None:
        if isinstance(previous, LatePress):  # the run before this one ended just now
            if previous.take():
                self._press(signal.SIGINT, None)
            previous = previous.previous_handler
        self._previous_handler = previous

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._depth and receives_interrupts():
            self._depth -= 1
            if not self._depth:
                signal.signal(signal.SIGINT, self._next_handler())  # type: ignore[arg-type]  # what it returned, or ours

    def _next_handler(self) -> object:
        if self._on_end is None:
            return self._previous_handler
        late_press = LatePress(self._previous_handler)
        if not start_threads(late_press.pass_on, 1):
            return self._previous_handler
        self._on_end(late_press)
        return late_press


class LatePress:
    """Holds back a press that comes just after the end of a run, and was perhaps meant for it.

    As the handler of SIGINT it raises nothing for half a second, so that the report is shown. Then a press is passed on
    if anything is still running, for example the next lines of the cell. A later press is passed on at once.

    Parameters
    ----------
    previous_handler : object
        The handler of SIGINT before the run.
    """

    def __init__(self, previous_handler: object) -> None:
        self.previous_handler = previous_handler
        self._until = time.monotonic() + LATE_SECONDS
        self._is_pressed = False
        self._is_forgotten = False

    def __call__(self, _number: int, _frame: FrameType | None) -> None:
        """Handle SIGINT."""
        if self._is_forgotten:
            return
        if time.monotonic() < self._until:
            self._is_pressed = True
            return
        signal.signal(signal.SIGINT, self.previous_handler)  # type: ignore[arg-type]  # what signal.signal returned
        signal.raise_signal(signal.SIGINT)

    def take(self) -> bool:
        """Tell whether there was a press, and do not pass it on."""
        was_pressed, self._is_pressed = self._is_pressed, False
        return was_pressed

    def forget(self, handler: object) -> None:
        """Let `handler` take its place: nothing is left that a press could stop."""
        self._is_forgotten = True
        if signal.getsignal(signal.SIGINT) is self:
            signal.signal(signal.SIGINT, handler)  # type: ignore[arg-type]  # one that signal.signal takes

    def pass_on(self) -> None:
        """Wait for half a second, and then pass a press on; runs in a thread of its own."""
        time.sleep(LATE_SECONDS)
        if self._is_pressed and not self._is_forgotten:
            _interrupt_main_thread()


def _interrupt_main_thread() -> None:
    if sys.platform == "win32":
        signal.raise_signal(signal.SIGINT)
    else:
        # To the thread itself: the signal would otherwise not end what the main thread waits for.
        signal.pthread_kill(threading.main_thread().ident, signal.SIGINT)  # type: ignore[arg-type]  # it is running
