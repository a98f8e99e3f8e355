"""A few daemon threads of our own.

Not a pool of the standard library: its `__exit__` finishes everything that was queued, also after the stop button.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, TypeVar

from versori_magics.platform.pace import NAP

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

T = TypeVar("T")
R = TypeVar("R")


def run_workers(work: Callable[[], None], count: int, watch: Callable[[], bool] | None = None) -> None:
    """Run `work` in `count` daemon threads and nap until all have ended.

    Parameters
    ----------
    work : callable
        What each thread does; it must not raise.
    count : int
        How many threads.
    watch : callable, optional
        Called after each nap, at most 0.1 s apart; where it returns False, the threads are no longer waited for.
    """
    threads = [threading.Thread(target=work, name=f"versori-{n}", daemon=True) for n in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        while thread.is_alive():
            thread.join(NAP)
            if watch is not None and not watch():
                return


def side_by_side(
    work: Callable[[T], R], items: Sequence[T], count: int, stop: threading.Event | None = None
) -> list[R | None]:
    """Do `work` for each item, `count` at a time, and return the results in the order of the items.

    Parameters
    ----------
    work : callable
        Runs in the worker threads; it must return its errors, not raise them.
    items : sequence
        What to do it for.
    count : int
        Threads at most.
    stop : threading.Event, optional
        Set by an interrupt, and to be set by others, so that no further item is begun.

    Returns
    -------
    list
        One result an item; None for items that a stop kept from being done.
    """
    stop = threading.Event() if stop is None else stop
    results: list[R | None] = [None] * len(items)
    left = iter(range(len(items)))
    lock = threading.Lock()

    def worker() -> None:
        while not stop.is_set():
            with lock:
                index = next(left, None)
            if index is None:
                return
            results[index] = work(items[index])

    try:
        run_workers(worker, min(count, len(items)))
    except BaseException:
        stop.set()
        raise
    return results
