import threading
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from versori_magics.platform.workers import run_workers, side_by_side


@settings(deadline=None, max_examples=50)
@given(st.lists(st.integers()), st.integers(1, 9))
def test_results_come_in_the_order_of_the_items_whoever_did_them(items: Sequence[int], count: int) -> None:
    assert side_by_side(lambda item: item * 2, items, count) == [item * 2 for item in items]


def test_each_item_is_done_once() -> None:
    done: list[int] = []
    side_by_side(done.append, range(500), 8)
    assert sorted(done) == list(range(500))


@pytest.mark.parametrize("count", [1, 4, 16])
def test_so_many_are_under_way_at_once_and_never_more(count: int) -> None:
    lock, met = threading.Lock(), threading.Barrier(count)
    under_way, most = 0, 0

    def work(item: int) -> int:
        nonlocal under_way, most
        with lock:
            under_way += 1
            most = max(most, under_way)
        met.wait(timeout=30)  # passes only when so many are under way together
        with lock:
            under_way -= 1
        return item

    assert side_by_side(work, range(3 * count), count) == list(range(3 * count))
    assert most == count


def test_nothing_to_do_starts_no_thread() -> None:
    before = threading.active_count()
    assert side_by_side(lambda item: item, [], 16) == []
    assert threading.active_count() == before


def test_the_workers_are_daemons_and_named() -> None:
    found = side_by_side(lambda _: threading.current_thread(), range(3), 3)
    assert all(thread and thread.daemon and thread.name.startswith("versori-") for thread in found)
    assert threading.current_thread() not in found


def test_after_a_stop_nothing_more_is_begun_and_what_was_begun_is_kept() -> None:
    stop = threading.Event()

    def work(item: int) -> int:
        if item == 3:
            stop.set()
        return item

    assert side_by_side(work, range(10), 1, stop) == [0, 1, 2, 3, None, None, None, None, None, None]


def test_a_stop_before_the_start_does_nothing() -> None:
    stop = threading.Event()
    stop.set()
    assert side_by_side(lambda item: item, [1, 2], 2, stop) == [None, None]


def test_an_interrupt_while_waiting_sets_the_stop_and_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    stop, begun, over = threading.Event(), threading.Event(), threading.Event()
    done: list[int] = []

    def work(item: int) -> None:
        begun.set()
        assert stop.wait(30)
        done.append(item)
        over.set()

    def join(thread: threading.Thread, timeout: float | None = None) -> None:
        assert begun.wait(30)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "join", join)
        with pytest.raises(KeyboardInterrupt):
            side_by_side(work, range(50), 1, stop)
    assert over.wait(30)
    assert stop.is_set()
    assert done == [0]


def test_run_workers_returns_when_all_threads_have_ended() -> None:
    done: list[str] = []
    run_workers(lambda: done.append(threading.current_thread().name), 5)
    assert sorted(done) == [f"versori-{n}" for n in range(5)]


def test_who_watches_may_leave_before_the_threads_end() -> None:
    hold, looks = threading.Event(), iter([True, True, False])
    threads: list[threading.Thread] = []

    def work() -> None:
        threads.append(threading.current_thread())
        hold.wait(30)

    run_workers(work, 2, watch=lambda: next(looks))
    assert next(looks, "asked three times") == "asked three times"
    assert any(thread.is_alive() for thread in threads)
    hold.set()
    for thread in threads:
        thread.join(30)


def test_who_watches_and_stays_is_asked_until_the_end() -> None:
    hold = threading.Event()
    looks = []

    def watch() -> bool:
        looks.append(1)
        if len(looks) == 2:
            hold.set()
        return True

    run_workers(lambda: assert_(hold.wait(30)), 1, watch)
    assert len(looks) >= 2


def assert_(held: bool) -> None:
    assert held
