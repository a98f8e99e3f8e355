"""Run work in a few daemon threads.

`concurrent.futures.ThreadPoolExecutor` is not used: its exit handler joins its threads, so after the stop button, when
the interpreter exits, everything that was queued would still run.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, TypeVar

from versori_magics.api.clock import POLL_SECONDS

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

T = TypeVar("T")
R = TypeVar("R")


def run_in_threads(work: Callable[[], None], count: int, keep_waiting: Callable[[], bool] | None = None) -> None:
    """Run `work` in `count` daemon threads and wait until all have ended.

    Parameters
    ----------
    work : callable
        Runs in each thread; it must not raise.
    count : int
        Number of threads.
    keep_waiting : callable, optional
        Called while waiting, at least every 0.1 s. If it returns False, the wait ends before the threads do.
    """
    threads = [threading.Thread(target=work, name=f"versori-{number}", daemon=True) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        while thread.is_alive():
            thread.join(POLL_SECONDS)
            if keep_waiting is not None and not keep_waiting():
                return


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
        run_in_threads(worker, min(count, len(items)))
    except BaseException:
        stop.set()
        raise
    return results
