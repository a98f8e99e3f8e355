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
    """Time passes only by waiting or when a test sets it; `on_read` is called at every look at the time."""

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


def make_throttle(width: int, stop: threading.Event | None = None) -> tuple[AdaptiveThrottle, ManualClock]:
    clock = ManualClock()
    return AdaptiveThrottle(width, stop or threading.Event(), clock), clock


# The number of requests under way.


@pytest.mark.parametrize("width", [1, 3, 8])
def test_as_many_requests_as_the_width_are_under_way_and_never_more(width: int) -> None:
    throttle, _ = make_throttle(width)
    lock, together = threading.Lock(), threading.Barrier(width)
    under_way, most = 0, 0

    def work() -> None:
        nonlocal under_way, most
        for _ in range(3):
            assert throttle.enter()
            with lock:
                under_way += 1
                most = max(most, under_way)
            together.wait(timeout=30)  # passes only once `width` requests are under way
            with lock:
                under_way -= 1
            throttle.leave()

    threads = [threading.Thread(target=work, daemon=True) for _ in range(2 * width)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert not any(thread.is_alive() for thread in threads)
    assert most == width


def test_no_request_is_admitted_after_the_stop() -> None:
    stop = threading.Event()
    throttle, _ = make_throttle(4, stop)
    stop.set()
    assert not throttle.enter()


def test_stop_turns_away_a_waiting_request() -> None:
    stop = threading.Event()
    throttle, _ = make_throttle(1, stop)
    assert throttle.enter()
    admitted: list[bool] = []
    waiting = threading.Thread(target=lambda: admitted.append(throttle.enter()), daemon=True)
    waiting.start()
    stop.set()
    waiting.join(30)
    assert admitted == [False]


def test_end_of_a_request_admits_the_next_one() -> None:
    throttle, _ = make_throttle(1)
    assert throttle.enter()
    admitted: list[bool] = []
    waiting = threading.Thread(target=lambda: admitted.append(throttle.enter()), daemon=True)
    waiting.start()
    throttle.leave()
    waiting.join(30)
    assert admitted == [True]


# Pauses.


def test_pause_is_waited_for_in_short_steps() -> None:
    throttle, clock = make_throttle(4)
    throttle.pause(5)
    assert throttle.pause_left == 5
    assert throttle.enter()
    assert clock.time >= 5
    assert max(clock.waits) <= POLL_SECONDS
    assert throttle.pause_left == 0


def test_stop_ends_the_wait_for_a_pause() -> None:
    stop = threading.Event()
    throttle, clock = make_throttle(4, stop)
    throttle.pause(3_600)
    clock.on_read = lambda: stop.set() if len(clock.waits) == 2 else None
    assert not throttle.enter()
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

    clock.on_read = set_longer_pause  # between the look at the time and setting the pause
    throttle.pause(1)
    assert throttle.pause_left == 100


def test_no_request_waits_without_a_pause() -> None:
    throttle, clock = make_throttle(2)
    assert throttle.pause_left == 0
    assert throttle.enter()
    assert throttle.enter()
    assert clock.waits == []


# Fewer requests after a 429.


def send_requests(throttle: AdaptiveThrottle, count: int, *, too_many: bool = False) -> None:
    for _ in range(count):
        assert throttle.enter()
        throttle.leave(too_many=too_many)


def test_429_halves_the_width() -> None:
    throttle, clock = make_throttle(8)
    widths = []
    for _ in range(5):
        send_requests(throttle, 1, too_many=True)
        widths.append(throttle.width)
        clock.time += 1
    assert widths == [4, 2, 1, 1, 1]


def test_429s_within_a_second_count_as_one() -> None:
    throttle, clock = make_throttle(8)
    send_requests(throttle, 6, too_many=True)
    assert throttle.width == 4
    clock.time = 0.99
    send_requests(throttle, 1, too_many=True)
    assert throttle.width == 4
    clock.time = 1
    send_requests(throttle, 1, too_many=True)
    assert throttle.width == 2


def test_width_recovers_step_by_step_up_to_its_maximum() -> None:
    throttle, _ = make_throttle(4)
    send_requests(throttle, 1, too_many=True)
    assert throttle.width == 2
    send_requests(throttle, 7)
    assert throttle.width == 2
    send_requests(throttle, 1)
    assert throttle.width == 3
    send_requests(throttle, 12)
    assert throttle.width == 4
    send_requests(throttle, 100)
    assert throttle.width == 4


def test_429_restarts_the_count_of_successes() -> None:
    throttle, clock = make_throttle(2)
    send_requests(throttle, 1, too_many=True)
    send_requests(throttle, 3)
    clock.time = 5
    send_requests(throttle, 1, too_many=True)
    send_requests(throttle, 3)
    assert throttle.width == 1
    send_requests(throttle, 1)
    assert throttle.width == 2


@settings(deadline=None)
@given(st.integers(1, 32), st.lists(st.tuples(st.booleans(), st.floats(0, 2)), max_size=60))
def test_width_stays_between_one_and_its_maximum(width: int, requests: list[tuple[bool, float]]) -> None:
    throttle, clock = make_throttle(width)
    for too_many, seconds in requests:
        clock.time += seconds
        send_requests(throttle, 1, too_many=too_many)
        assert 1 <= throttle.width <= width
