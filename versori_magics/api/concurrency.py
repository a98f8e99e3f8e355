"""Run work in a few daemon threads.

`concurrent.futures.ThreadPoolExecutor` is not used: its exit handler joins its threads, so after the stop button, when
the interpreter exits, everything that was queued would still run.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, TypeVar

from versori_magics.api.clock import POLL_SECONDS
from versori_magics.catch import catch
from versori_magics.errors import VersoriError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

T = TypeVar("T")
R = TypeVar("R")

NO_THREAD = "the operating system allows this process no further thread"


def start_threads(work: Callable[[], None], count: int) -> list[threading.Thread]:
    """Start `work` in `count` daemon threads, or in as many as the operating system allows, and return them."""
    threads = []
    for number in range(count):
        thread = threading.Thread(target=work, name=f"versori-{number}", daemon=True)
        # Only starting it tells whether the limit of threads is reached: "can't start new thread".
        if isinstance(catch(thread.start, RuntimeError), RuntimeError):
            break
        threads.append(thread)
    return threads


def wait_for_threads(threads: Sequence[threading.Thread], keep_waiting: Callable[[], bool] | None = None) -> bool:
    """Wait until all threads have ended, and return True; return False if `keep_waiting` ended the wait.

    Parameters
    ----------
    threads : sequence of Thread
        Started threads.
    keep_waiting : callable, optional
        Called while waiting, at least every 0.1 s. If it returns False, the wait ends before the threads do.
    """
    for thread in threads:
        while thread.is_alive():
            thread.join(POLL_SECONDS)
            if keep_waiting is not None and not keep_waiting():
                return False
    return True


def call_in_thread(call: Callable[[], R], keep_waiting: Callable[[], bool]) -> R | None:
    """Return what `call` returns, or None if `keep_waiting` ended the wait; the result is then ignored.

    Parameters
    ----------
    call : callable
        Runs in a daemon thread; an exception that it raises is raised here.
    keep_waiting : callable
        As for `wait_for_threads`.

    Raises
    ------
    VersoriError
        If no thread can be started.
    """
    results: list[R] = []
    errors: list[BaseException] = []

    def work() -> None:
        try:
            results.append(call())
        except BaseException as error:  # noqa: BLE001 - raised in the caller's thread
            errors.append(error)

    if not wait_for_threads(_start_any(work, 1), keep_waiting):
        return None
    for error in errors:
        raise error
    return results[0]


def map_concurrently(
    work: Callable[[T], R], items: Sequence[T], count: int, stop: threading.Event | None = None
) -> list[R | None]:
    """Call `work` with each item, `count` at a time, and return the results in the order of the items.

    Parameters
    ----------
    work : callable
        Runs in the threads; it must return its errors instead of raising them.
    items : sequence
        The arguments of the calls.
    count : int
        Maximum number of threads.
    stop : threading.Event, optional
        Once set, no further item is started. Interrupting this call sets it.

    Returns
    -------
    list
        One result per item; None for the items that were not started because of a stop.

    Raises
    ------
    VersoriError
        If no thread can be started.
    """
    stop = threading.Event() if stop is None else stop
    results: list[R | None] = [None] * len(items)
    indices = iter(range(len(items)))
    lock = threading.Lock()

    def worker() -> None:
        while not stop.is_set():
            with lock:
                index = next(indices, None)
            if index is None:
                return
            results[index] = work(items[index])

    try:
        wait_for_threads(_start_any(worker, min(count, len(items))))
    except BaseException:
        stop.set()
        raise
    return results


def _start_any(work: Callable[[], None], count: int) -> list[threading.Thread]:
    threads = start_threads(work, count)
    if count and not threads:
        raise VersoriError(f"Nothing was looked up: {NO_THREAD}.", hint="Restart the kernel, then try again.")
    return threads
