import os
import signal
import threading
import time
from collections.abc import Iterator

import pytest

from versori_magics.deletion.interrupts import StopButton


@pytest.fixture(autouse=True)
def handler() -> Iterator[object]:
    """Whatever a test does, SIGINT is handled afterwards as it was before."""
    before = signal.getsignal(signal.SIGINT)
    yield before
    signal.signal(signal.SIGINT, before)


def press() -> None:
    os.kill(os.getpid(), signal.SIGINT)
    time.sleep(0)  # a signal is handled between two steps


def test_a_press_is_counted_and_raises_nothing() -> None:
    with StopButton() as button:
        assert (button.pressed, button.at_once, button.stop.is_set()) == (False, False, False)
        press()
        assert (button.pressed, button.at_once, button.stop.is_set()) == (True, False, True)
        press()
        assert (button.pressed, button.at_once, button.stop.is_set()) == (True, True, True)


def test_afterwards_sigint_interrupts_again(handler: object) -> None:
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


def test_a_nap_ends_with_the_press() -> None:
    with StopButton() as button:
        threading.Timer(0.05, press).start()
        began = time.monotonic()
        while not button.stop.wait(5):
            pass
        assert time.monotonic() - began < 1
        assert button.pressed


def test_somebody_else_can_stop_without_a_press() -> None:
    stop = threading.Event()
    with StopButton(stop) as button:
        stop.set()
        assert button.stop.is_set()
        assert not button.pressed


def test_outside_the_main_thread_it_only_holds_the_event(handler: object) -> None:
    found: list[object] = []

    def work() -> None:
        with StopButton() as button:
            found.extend([signal.getsignal(signal.SIGINT), button.stop.is_set()])

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert found == [handler, False]
    assert signal.getsignal(signal.SIGINT) is handler


def test_one_within_another_gives_back_what_it_found() -> None:
    with StopButton() as outer:
        with StopButton() as inner:
            press()
        press()
        assert (inner.presses, outer.presses) == (1, 1)
