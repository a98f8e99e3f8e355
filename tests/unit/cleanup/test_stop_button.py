import os
import signal
import threading
import time
from collections.abc import Iterator

import pytest

from versori_magics.cleanup.stop_button import StopButton


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
