import threading

from versori_magics.api.clock import Clock


def test_clock_never_goes_back() -> None:
    clock = Clock()
    readings = [clock.now() for _ in range(100)]
    assert readings == sorted(readings)


def test_wait_ends_at_once_when_stop_is_set() -> None:
    stop = threading.Event()
    assert Clock().wait(stop, 0)
    stop.set()
    assert not Clock().wait(stop, 3_600)
