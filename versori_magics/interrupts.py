"""Holds the stop button back while code runs that must not be broken off in the middle."""

from __future__ import annotations

import signal
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def deferred_interrupts() -> Iterator[None]:
    """Hold SIGINT back until the block ends, and then pass it on to the handler that was there before.

    For short work that an exception between two instructions would leave half done, above all the first import of a
    library: Python removes a module whose import is interrupted, and one written in C may then never load again.
    Other threads than the main one receive no signals, so there nothing is held back.
    """
    if not receives_interrupts():
        yield
        return
    presses: list[int] = []
    # The handler is replaced instead of the signal being blocked: blocked here, it would reach another thread.
    previous = signal.signal(signal.SIGINT, lambda number, _frame: presses.append(number))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, previous)
        if presses:
            signal.raise_signal(signal.SIGINT)


def receives_interrupts() -> bool:
    """Tell whether this thread runs the handler of SIGINT, and the handler is one that can be restored."""
    is_main = threading.current_thread() is threading.main_thread()
    return is_main and signal.getsignal(signal.SIGINT) is not None  # None: installed by C code, not by Python
