import threading
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from versori_magics.platform.pace import NAP, Clock, Gate

if TYPE_CHECKING:
    from collections.abc import Callable


class HandClock(Clock):
    """Moves only when it is waited on or told."""

    def __init__(self) -> None:
        self.time = 0.0
        self.waits: list[float] = []
        self.looked: Callable[[], None] = lambda: None

    def now(self) -> float:
        self.looked()
        return self.time

    def wait(self, stop: threading.Event, seconds: float) -> bool:
        self.waits.append(seconds)
        self.time += seconds
        return not stop.is_set()


def gate_of(width: int, stop: threading.Event | None = None) -> tuple[Gate, HandClock]:
    clock = HandClock()
    return Gate(width, stop or threading.Event(), clock), clock


# The clock


def test_the_clock_never_goes_back() -> None:
    clock = Clock()
    seen = [clock.now() for _ in range(100)]
    assert seen == sorted(seen)


def test_a_wait_is_over_at_once_when_the_run_is_stopped() -> None:
    stop = threading.Event()
    assert Clock().wait(stop, 0)
    stop.set()
    assert not Clock().wait(stop, 3_600)


# Width


@pytest.mark.parametrize("width", [1, 3, 8])
def test_as_many_requests_as_the_width_are_under_way_at_once_and_never_more(width: int) -> None:
    gate, _ = gate_of(width)
    lock, met = threading.Lock(), threading.Barrier(width)
    under_way, most = 0, 0

    def work() -> None:
        nonlocal under_way, most
        for _ in range(3):
            assert gate.enter()
            with lock:
                under_way += 1
                most = max(most, under_way)
            met.wait(timeout=30)  # passes only when so many are inside together
            with lock:
                under_way -= 1
            gate.leave()

    threads = [threading.Thread(target=work, daemon=True) for _ in range(2 * width)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert not any(thread.is_alive() for thread in threads)
    assert most == width


def test_nobody_is_let_in_after_the_stop() -> None:
    stop = threading.Event()
    gate, _ = gate_of(4, stop)
    stop.set()
    assert not gate.enter()


def test_who_waits_for_a_place_is_sent_away_by_the_stop() -> None:
    stop = threading.Event()
    gate, _ = gate_of(1, stop)
    assert gate.enter()
    told: list[bool] = []
    waiting = threading.Thread(target=lambda: told.append(gate.enter()), daemon=True)
    waiting.start()
    stop.set()
    waiting.join(30)
    assert told == [False]


def test_who_leaves_makes_place_for_the_next() -> None:
    gate, _ = gate_of(1)
    assert gate.enter()
    told: list[bool] = []
    waiting = threading.Thread(target=lambda: told.append(gate.enter()), daemon=True)
    waiting.start()
    gate.leave()
    waiting.join(30)
    assert told == [True]


# Pauses


def test_nobody_is_let_in_while_a_pause_lasts_and_nobody_sleeps_through_a_stop() -> None:
    gate, clock = gate_of(4)
    gate.pause(5)
    assert gate.paused == 5
    assert gate.enter()
    assert clock.time >= 5
    assert max(clock.waits) <= NAP
    assert gate.paused == 0


def test_a_stop_ends_the_waiting_for_a_pause() -> None:
    stop = threading.Event()
    gate, clock = gate_of(4, stop)
    gate.pause(3_600)
    clock.looked = lambda: stop.set() if len(clock.waits) == 2 else None
    assert not gate.enter()
    assert clock.time < 1


@given(st.lists(st.floats(0, 120), min_size=1, max_size=6))
def test_the_longest_pause_stays_whatever_the_order(pauses: list[float]) -> None:
    gate, _ = gate_of(1)
    for seconds in pauses:
        gate.pause(seconds)
    assert gate.paused == max(pauses)


def test_a_longer_pause_that_another_worker_sets_at_the_same_moment_stays() -> None:
    gate, clock = gate_of(4)

    def other() -> None:
        clock.looked = lambda: None
        gate.pause(100)

    clock.looked = other  # between the look at the clock and the writing down
    gate.pause(1)
    assert gate.paused == 100


def test_without_a_pause_nobody_waits() -> None:
    gate, clock = gate_of(2)
    assert gate.paused == 0
    assert gate.enter()
    assert gate.enter()
    assert clock.waits == []


# Easing off


def pass_through(gate: Gate, times: int, *, eased: bool = False) -> None:
    for _ in range(times):
        assert gate.enter()
        gate.leave(eased=eased)


def test_a_refusal_halves_the_width() -> None:
    gate, clock = gate_of(8)
    widths = []
    for _ in range(5):
        pass_through(gate, 1, eased=True)
        widths.append(gate.width)
        clock.time += 1
    assert widths == [4, 2, 1, 1, 1]


def test_refusals_of_one_second_count_as_one() -> None:
    gate, clock = gate_of(8)
    pass_through(gate, 6, eased=True)
    assert gate.width == 4
    clock.time = 0.99
    pass_through(gate, 1, eased=True)
    assert gate.width == 4
    clock.time = 1
    pass_through(gate, 1, eased=True)
    assert gate.width == 2


def test_the_width_comes_back_one_by_one_and_only_up_to_what_it_was() -> None:
    gate, _ = gate_of(4)
    pass_through(gate, 1, eased=True)
    assert gate.width == 2
    pass_through(gate, 7)
    assert gate.width == 2
    pass_through(gate, 1)
    assert gate.width == 3
    pass_through(gate, 12)
    assert gate.width == 4
    pass_through(gate, 100)
    assert gate.width == 4


def test_a_refusal_begins_the_count_anew() -> None:
    gate, clock = gate_of(2)
    pass_through(gate, 1, eased=True)
    pass_through(gate, 3)
    clock.time = 5
    pass_through(gate, 1, eased=True)
    pass_through(gate, 3)
    assert gate.width == 1
    pass_through(gate, 1)
    assert gate.width == 2


@settings(deadline=None)
@given(st.integers(1, 32), st.lists(st.tuples(st.booleans(), st.floats(0, 2)), max_size=60))
def test_the_width_stays_between_one_and_what_was_asked_for(width: int, story: list[tuple[bool, float]]) -> None:
    gate, clock = gate_of(width)
    for eased, seconds in story:
        clock.time += seconds
        pass_through(gate, 1, eased=eased)
        assert 1 <= gate.width <= width
