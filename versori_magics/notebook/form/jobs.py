"""Jobs: what a click sets going, one at a time, in a thread of its own.

Where a click handler runs depends on the kernel: the main thread, a subshell's thread, changing event loops. So the
handlers only start a job, and a job knows no event loop. What goes wrong in one is shown, never swallowed.
"""

from __future__ import annotations

import threading
from contextvars import copy_context
from typing import TYPE_CHECKING

from versori_magics.errors import VersoriError

if TYPE_CHECKING:
    from collections.abc import Callable


class Jobs:
    """Runs one job at a time.

    Parameters
    ----------
    show_busy : callable
        Called with what is being done, and with an empty text when nothing is.
    show_error : callable
        Called with an error that ended a job.
    """

    def __init__(self, show_busy: Callable[[str], None], show_error: Callable[[Exception], None]) -> None:
        self._show_busy = show_busy
        self._show_error = show_error
        self._lock = threading.Lock()

    def start(self, what: str, work: Callable[[], None]) -> bool:
        """Start `work`; False where a job is under way already."""
        if not self._lock.acquire(blocking=False):
            return False
        # In the clicked cell's context: without it ipykernel 7.0 cannot tell whose message a thread's is.
        inside = copy_context().run
        threading.Thread(target=inside, args=(self._run, what, work), name="versori-form", daemon=True).start()
        return True

    def _run(self, what: str, work: Callable[[], None]) -> None:
        try:
            self._show_busy(what)
            work()
        except Exception as error:  # noqa: BLE001 - a person clicked, and must learn of whatever it was
            self._show_error(error)
        finally:
            self._lock.release()
            self._show_busy("")


def words_of(error: Exception) -> str:
    """Return an error as the lines that a person reads."""
    return str(error) if isinstance(error, VersoriError) else f"{type(error).__name__}: {error}"
