"""A press of the stop button at every instant of a function, one after the other, instead of at random times."""

import signal
import sys
from collections.abc import Callable, Iterator
from types import FrameType, ModuleType
from typing import Any


def presses_at_every_instant(call: Callable[[], Any], *modules: ModuleType) -> Iterator[BaseException | None]:
    """Run `call` again and again, each time with SIGINT one line later, until it ends before the press.

    Parameters
    ----------
    call : callable
        Called in this thread, which must be the main one.
    *modules : module
        The press comes at the lines of these modules only.

    Yields
    ------
    BaseException or None
        What each call raised; its traceback keeps every frame alive.
    """
    files = {module.__file__ for module in modules}
    at = 0
    while True:
        left = at
        pressed = False

        def trace(frame: FrameType, event: str, _: object) -> Any:
            nonlocal left, pressed
            if frame.f_code.co_filename not in files:
                return None
            if event == "line" and not pressed:
                if not left:
                    pressed = True
                    signal.raise_signal(signal.SIGINT)
                left -= 1
            return trace

        before = sys.gettrace()
        sys.settrace(trace)
        error: BaseException | None = None
        try:
            call()
        except BaseException as raised:  # noqa: BLE001 - the caller judges it
            error = raised
        finally:
            sys.settrace(before)
        if not pressed:
            return
        yield error
        at += 1
