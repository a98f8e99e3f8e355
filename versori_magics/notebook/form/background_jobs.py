"""Runs what a click starts, one job at a time, in a thread of its own.

Where a click handler runs depends on the kernel: the main thread, a subshell's thread, changing event loops. So a
handler only starts a job, and a job uses no event loop. An error in a job is always shown.
"""

from __future__ import annotations

import threading
from contextvars import copy_context
from typing import TYPE_CHECKING

from versori_magics.api.concurrency import NO_THREAD
from versori_magics.catch import catch
from versori_magics.errors import VersoriError
from versori_magics.notebook.magic_hints import add_magic_hint

if TYPE_CHECKING:
    from collections.abc import Callable


class BackgroundJobs:
    """Runs one job at a time.

    Parameters
    ----------
    show_busy : callable
        Called with a description of the job, and with an empty text when it has ended.
    show_error : callable
        Called with an error that ended a job.
    """

    def __init__(self, show_busy: Callable[[str], None], show_error: Callable[[Exception], None]) -> None:
        self._show_busy = show_busy
        self._show_error = show_error
        self._lock = threading.Lock()

    @property
    def is_busy(self) -> bool:
        """Whether a job is running."""
        return self._lock.locked()

    def start(self, description: str, work: Callable[[], None]) -> bool:
        """Start `work`; return False if a job is running already, or no thread can be started for this one."""
        if not self._lock.acquire(blocking=False):
            return False
        # In the clicked cell's context: without it, ipykernel 7.0 cannot attribute the thread's messages to a cell.
        run = copy_context().run
        thread = threading.Thread(target=run, args=(self._run, description, work), name="versori-form", daemon=True)
        if isinstance(catch(thread.start, RuntimeError), RuntimeError):
            self._lock.release()
            self._show_error(
                VersoriError(f"Nothing was done: {NO_THREAD}.", hint="Restart the kernel, then try again.")
            )
            return False
        return True

    def _run(self, description: str, work: Callable[[], None]) -> None:
        try:
            self._show_busy(description)
            work()
        except Exception as error:  # noqa: BLE001 - a person clicked and must see whatever went wrong
            self._show_error(error)
        finally:
            self._show_busy("")  # before the next job can start, which shows its own description
            self._lock.release()


def error_text(error: Exception) -> str:
    """Return the lines of an error that a person reads."""
    if not isinstance(error, VersoriError):
        return f"{type(error).__name__}: {error}"
    add_magic_hint(error)
    return str(error)
