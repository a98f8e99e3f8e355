import threading
from collections.abc import Callable, Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from versori_magics.api.concurrency import call_in_thread, map_concurrently, start_threads, wait_for_threads
from versori_magics.errors import VersoriError


@settings(deadline=None, max_examples=50)
@given(st.lists(st.integers()), st.integers(1, 9))
def test_results_are_in_the_order_of_the_items(items: Sequence[int], count: int) -> None:
    assert map_concurrently(lambda item: item * 2, items, count) == [item * 2 for item in items]


def test_each_item_is_processed_once() -> None:
    processed: list[int] = []
    map_concurrently(processed.append, range(500), 8)
    assert sorted(processed) == list(range(500))


@pytest.mark.parametrize("count", [1, 4, 16])
def test_exactly_the_requested_number_of_threads_work_at_once(count: int) -> None:
    lock, all_working = threading.Lock(), threading.Barrier(count)
    working, max_working = 0, 0

    def work(item: int) -> int:
        nonlocal working, max_working
        with lock:
            working += 1
            max_working = max(max_working, working)
        all_working.wait(timeout=30)
        with lock:
            working -= 1
        return item

    assert map_concurrently(work, range(3 * count), count) == list(range(3 * count))
    assert max_working == count


def test_empty_sequence_starts_no_thread() -> None:
    before = threading.active_count()
    assert map_concurrently(lambda item: item, [], 16) == []
    assert threading.active_count() == before


def test_threads_are_named_daemons() -> None:
    threads = map_concurrently(lambda _: threading.current_thread(), range(3), 3)
    assert all(thread and thread.daemon and thread.name.startswith("versori-") for thread in threads)
    assert threading.current_thread() not in threads


def test_no_item_is_started_after_a_stop_and_earlier_results_are_kept() -> None:
    stop = threading.Event()

    def work(item: int) -> int:
        if item == 3:
            stop.set()
        return item

    assert map_concurrently(work, range(10), 1, stop) == [0, 1, 2, 3, None, None, None, None, None, None]


def test_nothing_is_started_if_stop_is_set_before_the_start() -> None:
    stop = threading.Event()
    stop.set()
    assert map_concurrently(lambda item: item, [1, 2], 2, stop) == [None, None]


def test_interrupt_sets_the_stop_event_and_propagates(monkeypatch: pytest.MonkeyPatch) -> None:
    stop, begun, ended = threading.Event(), threading.Event(), threading.Event()
    processed: list[int] = []

    def work(item: int) -> None:
        begun.set()
        assert stop.wait(30)
        processed.append(item)
        ended.set()

    def interrupted_join(thread: threading.Thread, timeout: float | None = None) -> None:
        assert begun.wait(30)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "join", interrupted_join)
        with pytest.raises(KeyboardInterrupt):
            map_concurrently(work, range(50), 1, stop)
    assert ended.wait(30)
    assert stop.is_set()
    assert processed == [0]


def test_wait_returns_when_all_threads_have_ended() -> None:
    names: list[str] = []
    assert wait_for_threads(start_threads(lambda: names.append(threading.current_thread().name), 5))
    assert sorted(names) == [f"versori-{number}" for number in range(5)]


def test_keep_waiting_can_end_the_wait_before_the_threads_end() -> None:
    release, answers = threading.Event(), iter([True, True, False])
    threads: list[threading.Thread] = []

    def work() -> None:
        threads.append(threading.current_thread())
        release.wait(30)

    assert not wait_for_threads(start_threads(work, 2), keep_waiting=lambda: next(answers))
    assert next(answers, "called three times") == "called three times"
    assert any(thread.is_alive() for thread in threads)
    release.set()
    for thread in threads:
        thread.join(30)


def test_keep_waiting_is_called_until_the_threads_end() -> None:
    release, was_released = threading.Event(), []
    calls = 0

    def keep_waiting() -> bool:
        nonlocal calls
        calls += 1
        if calls == 2:
            release.set()
        return True

    wait_for_threads(start_threads(lambda: was_released.append(release.wait(30)), 1), keep_waiting)
    assert was_released == [True]
    assert calls >= 2


# A call in a thread.


def test_result_of_a_call_in_a_thread_is_returned_and_its_error_is_raised() -> None:
    assert call_in_thread(lambda: threading.current_thread().name, lambda: True) == "versori-0"
    with pytest.raises(ZeroDivisionError):
        call_in_thread(lambda: 1 // 0, lambda: True)


def test_result_of_a_call_that_nobody_waits_for_is_ignored() -> None:
    release = threading.Event()
    assert call_in_thread(lambda: release.wait(30), lambda: False) is None
    release.set()


# Threads that cannot be started.


@pytest.fixture
def limit_threads(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], None]:
    """Return a function after which only so many further threads can be started."""
    start = threading.Thread.start

    def limit(count: int) -> None:
        left = iter(range(count))

        def start_or_fail(thread: threading.Thread) -> None:
            if next(left, None) is None:
                raise RuntimeError("can't start new thread")
            start(thread)

        monkeypatch.setattr(threading.Thread, "start", start_or_fail)

    return limit


@pytest.mark.parametrize("available", [1, 3])
def test_fewer_threads_do_all_the_work_if_no_more_can_be_started(
    limit_threads: Callable[[int], None], available: int
) -> None:
    limit_threads(available)
    assert map_concurrently(lambda item: item * 2, range(50), 8) == [item * 2 for item in range(50)]


def test_look_up_without_any_thread_is_an_error_that_says_so(limit_threads: Callable[[int], None]) -> None:
    limit_threads(0)
    for call in (lambda: map_concurrently(str, [1], 8), lambda: call_in_thread(str, lambda: True)):
        with pytest.raises(VersoriError, match="the operating system allows this process no further thread"):
            call()
    assert map_concurrently(str, [], 8) == []
