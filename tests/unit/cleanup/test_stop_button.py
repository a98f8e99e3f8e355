import os
import signal
import threading
import time
from collections.abc import Iterator

import pytest

from versori_magics.cleanup import stop_button
from versori_magics.cleanup.stop_button import LatePress, StopButton


@pytest.fixture(autouse=True)
def handler() -> Iterator[object]:
    """Return the handler of SIGINT, and restore it after the test."""
    before = signal.getsignal(signal.SIGINT)
    yield before
    signal.signal(signal.SIGINT, before)


def press() -> None:
    os.kill(os.getpid(), signal.SIGINT)
    time.sleep(0)  # Python handles a signal between two instructions


def test_press_is_counted_and_raises_nothing() -> None:
    with StopButton() as button:
        assert (button.pressed, button.pressed_twice, button.stop.is_set()) == (False, False, False)
        press()
        assert (button.pressed, button.pressed_twice, button.stop.is_set()) == (True, False, True)
        press()
        assert (button.pressed, button.pressed_twice, button.stop.is_set()) == (True, True, True)


def test_sigint_interrupts_again_afterwards(handler: object) -> None:
    for error in (None, ValueError):
        try:
            with StopButton() as button:
                press()
                if error:
                    raise error
        except ValueError:
            pass
        assert signal.getsignal(signal.SIGINT) is handler
        assert button.pressed
    with pytest.raises(KeyboardInterrupt):
        signal.raise_signal(signal.SIGINT)


def test_press_ends_a_wait() -> None:
    with StopButton() as button:
        threading.Timer(0.05, press).start()
        began = time.monotonic()
        while not button.stop.wait(5):
            pass
        assert time.monotonic() - began < 1
        assert button.pressed


def test_run_can_be_stopped_without_a_press() -> None:
    stop = threading.Event()
    with StopButton(stop) as button:
        stop.set()
        assert button.stop.is_set()
        assert not button.pressed


def test_stop_button_of_another_thread_leaves_sigint_alone(handler: object) -> None:
    states: list[object] = []

    def work() -> None:
        with StopButton() as button:
            states.extend([signal.getsignal(signal.SIGINT), button.stop.is_set()])

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert states == [handler, False]
    assert signal.getsignal(signal.SIGINT) is handler


def test_nested_stop_button_restores_the_outer_one() -> None:
    with StopButton() as outer:
        with StopButton() as inner:
            press()
        press()
        assert (inner.presses, outer.presses) == (1, 1)


def test_stop_button_can_be_entered_again_and_the_outermost_exit_restores_the_handler(handler: object) -> None:
    with StopButton() as button:
        with button:
            press()
        press()
        assert button.presses == 2
    assert signal.getsignal(signal.SIGINT) is handler


# A press just after the end.


def ended_run() -> tuple[StopButton, LatePress]:
    late_presses: list[LatePress] = []
    with StopButton(on_end=late_presses.append) as button:
        pass
    return button, late_presses[0]


def test_press_just_after_the_end_is_passed_on_half_a_second_later_if_something_is_still_running() -> None:
    _, late_press = ended_run()
    ended_at = time.monotonic()
    press()
    with pytest.raises(KeyboardInterrupt):
        time.sleep(30)  # the next line of the cell
    assert 0.4 < time.monotonic() - ended_at < 10
    assert signal.getsignal(signal.SIGINT) is late_press.previous_handler


def test_press_just_after_the_end_is_dropped_if_the_cell_has_ended() -> None:
    _, late_press = ended_run()
    press()
    late_press.forget(signal.SIG_IGN)
    assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    time.sleep(0.6)
    late_press(signal.SIGINT, None)


def test_later_press_interrupts_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stop_button, "LATE_SECONDS", 0)
    ended_run()
    with pytest.raises(KeyboardInterrupt):
        press()


def test_press_between_two_runs_stops_the_second_one(handler: object) -> None:
    ended_run()
    press()
    with StopButton() as second:
        assert (second.presses, second.stop.is_set()) == (1, True)
    assert signal.getsignal(signal.SIGINT) is handler
    time.sleep(0.6)  # it is not passed on as well


def test_another_handler_is_left_alone_when_the_cell_ends() -> None:
    _, late_press = ended_run()
    signal.signal(signal.SIGINT, signal.default_int_handler)
    late_press.forget(signal.SIG_IGN)
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_press_is_not_held_back_if_no_thread_can_be_started(monkeypatch: pytest.MonkeyPatch, handler: object) -> None:
    def fail(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", fail)
    with StopButton(on_end=lambda _: None):
        pass
    assert signal.getsignal(signal.SIGINT) is handler
