import threading
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from versori_magics.api.clock import POLL_SECONDS, Clock
from versori_magics.cleanup.throttle import AdaptiveThrottle

if TYPE_CHECKING:
    from collections.abc import Callable


class ManualClock(Clock):
    """Time passes only by waiting or when a test sets it; `on_read` is called whenever the time is read."""

    def __init__(self) -> None:
        self.time = 0.0
        self.waits: list[float] = []
        self.on_read: Callable[[], None] = lambda: None

    def now(self) -> float:
        self.on_read()
        return self.time

    def wait(self, stop: threading.Event, seconds: float) -> bool:
        self.waits.append(seconds)
        self.time += seconds
        return not stop.is_set()


def make_throttle(limit: int, stop: threading.Event | None = None) -> tuple[AdaptiveThrottle, ManualClock]:
    clock = ManualClock()
    return AdaptiveThrottle(limit, stop or threading.Event(), clock), clock


# The number of concurrent requests.


@pytest.mark.parametrize("limit", [1, 3, 8])
def test_requests_run_concurrently_up_to_the_limit_and_never_more(limit: int) -> None:
    throttle, _ = make_throttle(limit)
    lock, together = threading.Lock(), threading.Barrier(limit)
    active, most = 0, 0

    def work() -> None:
        nonlocal active, most
        for _ in range(3):
            assert throttle.acquire()
            with lock:
                active += 1
                most = max(most, active)
            together.wait(timeout=30)  # passes only once `limit` requests are concurrent
            with lock:
                active -= 1
            throttle.release()

    threads = [threading.Thread(target=work, daemon=True) for _ in range(2 * limit)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert not any(thread.is_alive() for thread in threads)
    assert most == limit


def test_no_request_is_admitted_after_the_stop() -> None:
    stop = threading.Event()
    throttle, _ = make_throttle(4, stop)
    stop.set()
    assert not throttle.acquire()


def test_stop_rejects_a_waiting_request() -> None:
    stop = threading.Event()
    throttle, _ = make_throttle(1, stop)
    assert throttle.acquire()
    admitted: list[bool] = []
    waiting = threading.Thread(target=lambda: admitted.append(throttle.acquire()), daemon=True)
    waiting.start()
    stop.set()
    waiting.join(30)
    assert admitted == [False]


def test_end_of_a_request_admits_the_next_one() -> None:
    throttle, _ = make_throttle(1)
    assert throttle.acquire()
    admitted: list[bool] = []
    waiting = threading.Thread(target=lambda: admitted.append(throttle.acquire()), daemon=True)
    waiting.start()
    throttle.release()
    waiting.join(30)
    assert admitted == [True]


# Pauses.


def test_pause_is_waited_for_in_short_steps() -> None:
    throttle, clock = make_throttle(4)
    throttle.pause(5)
    assert throttle.pause_left == 5
    assert throttle.acquire()
    assert clock.time >= 5
    assert max(clock.waits) <= POLL_SECONDS
    assert throttle.pause_left == 0


def test_stop_ends_the_wait_for_a_pause() -> None:
    stop = threading.Event()
    throttle, clock = make_throttle(4, stop)
    throttle.pause(3_600)
    clock.on_read = lambda: stop.set() if len(clock.waits) == 2 else None
    assert not throttle.acquire()
    assert clock.time < 1


@given(st.lists(st.floats(0, 120), min_size=1, max_size=6))
def test_longest_pause_stays_whatever_the_order(pauses: list[float]) -> None:
    throttle, _ = make_throttle(1)
    for seconds in pauses:
        throttle.pause(seconds)
    assert throttle.pause_left == max(pauses)


def test_longer_pause_that_another_worker_sets_at_the_same_moment_stays() -> None:
    throttle, clock = make_throttle(4)

    def set_longer_pause() -> None:
        clock.on_read = lambda: None
        throttle.pause(100)

    clock.on_read = set_longer_pause  # between reading the time and setting the pause
    throttle.pause(1)
    assert throttle.pause_left == 100


def test_no_request_waits_without_a_pause() -> None:
    throttle, clock = make_throttle(2)
    assert throttle.pause_left == 0
    assert throttle.acquire()
    assert throttle.acquire()
    assert clock.waits == []


# Fewer requests after a 429.


def send_requests(throttle: AdaptiveThrottle, count: int, *, too_many: bool = False) -> None:
    for _ in range(count):
        assert throttle.acquire()
        throttle.release(too_many=too_many)


def test_429_halves_the_limit() -> None:
    throttle, clock = make_throttle(8)
    limits = []
    for _ in range(5):
        send_requests(throttle, 1, too_many=True)
        limits.append(throttle._limit)
        clock.time += 1
    assert limits == [4, 2, 1, 1, 1]


def test_429s_within_a_second_count_as_one() -> None:
    throttle, clock = make_throttle(8)
    send_requests(throttle, 6, too_many=True)
    assert throttle._limit == 4
    clock.time = 0.99
    send_requests(throttle, 1, too_many=True)
    assert throttle._limit == 4
    clock.time = 1
    send_requests(throttle, 1, too_many=True)
    assert throttle._limit == 2


def test_limit_recovers_step_by_step_up_to_its_maximum() -> None:
    throttle, _ = make_throttle(4)
    send_requests(throttle, 1, too_many=True)
    assert throttle._limit == 2
    send_requests(throttle, 7)
    assert throttle._limit == 2
    send_requests(throttle, 1)
    assert throttle._limit == 3
    send_requests(throttle, 12)
    assert throttle._limit == 4
    send_requests(throttle, 100)
    assert throttle._limit == 4


def test_429_restarts_the_count_of_successes() -> None:
    throttle, clock = make_throttle(2)
    send_requests(throttle, 1, too_many=True)
    send_requests(throttle, 3)
    clock.time = 5
    send_requests(throttle, 1, too_many=True)
    send_requests(throttle, 3)
    assert throttle._limit == 1
    send_requests(throttle, 1)
    assert throttle._limit == 2


@settings(deadline=None)
@given(st.integers(1, 32), st.lists(st.tuples(st.booleans(), st.floats(0, 2)), max_size=60))
def test_limit_stays_between_one_and_its_maximum(limit: int, requests: list[tuple[bool, float]]) -> None:
    throttle, clock = make_throttle(limit)
    for too_many, seconds in requests:
        clock.time += seconds
        send_requests(throttle, 1, too_many=too_many)
        assert 1 <= throttle._limit <= limit
