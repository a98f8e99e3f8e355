"""Two requests never share a transport, and no transport stays open unnoticed."""

from __future__ import annotations

import os
import signal
import threading
import time
import warnings
from contextlib import ExitStack
from typing import TYPE_CHECKING, cast

import httpx
import pytest

from versori_magics.api import transport_pool as transport_module
from versori_magics.api.transport_pool import IDLE_SECONDS, TransportPool, open_pool
from versori_magics.errors import SettingsError

if TYPE_CHECKING:
    from collections.abc import Callable


class FakeTransport(httpx.BaseTransport):
    """Records whether it was closed."""

    is_closed = False

    def close(self) -> None:
        self.is_closed = True


class ManualTime:
    """A monotonic clock that the test moves, and sleeps that take no time."""

    now = 100.0

    def monotonic(self) -> float:
        return self.now

    def sleep(self, _: float) -> None:
        time.sleep(0.01)


@pytest.fixture
def transports() -> list[FakeTransport]:
    """Return the list of all transports that the pool created."""
    return []


@pytest.fixture
def pool(transports: list[FakeTransport]) -> TransportPool:
    def create() -> FakeTransport:
        transports.append(FakeTransport())
        return transports[-1]

    return TransportPool(create)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> ManualTime:
    clock = ManualTime()
    monkeypatch.setattr(transport_module, "time", clock)
    return clock


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_successive_requests_use_the_same_transport(pool: TransportPool, transports: list[FakeTransport]) -> None:
    for _ in range(3):
        with pool.acquire(9) as transport:
            assert transport is transports[0]
    assert len(transports) == 1


def test_concurrent_requests_use_different_transports_and_the_last_used_is_leased_first(
    pool: TransportPool, transports: list[FakeTransport]
) -> None:
    with pool.acquire(9) as first:
        with pool.acquire(9) as second:
            assert first is not second
        with pool.acquire(9) as third:
            assert third is second
    with pool.acquire(9) as fourth:
        assert fourth is first
    assert len(transports) == 2


def test_transport_of_a_failed_request_is_used_again(pool: TransportPool, transports: list[FakeTransport]) -> None:
    with pytest.raises(httpx.ReadError), pool.acquire(9):
        raise httpx.ReadError("gone")
    with pool.acquire(9) as transport:
        assert transport is transports[0]


def test_transport_that_was_idle_for_long_is_closed_after_the_next_request(
    pool: TransportPool, transports: list[FakeTransport], clock: ManualTime
) -> None:
    with pool.acquire(9), pool.acquire(9):
        pass
    clock.now += IDLE_SECONDS + 1
    with pool.acquire(9):
        pass
    assert sorted(transport.is_closed for transport in transports) == [False, True]


def test_closing_the_pool_closes_idle_transports_now_and_leased_ones_when_their_request_ends(
    pool: TransportPool, transports: list[FakeTransport]
) -> None:
    with pool.acquire(9):
        with pool.acquire(9):
            pass
        pool.close()
        assert [transport.is_closed for transport in transports] == [False, True]
        assert pool.is_closed
    assert all(transport.is_closed for transport in transports)


def test_only_the_transport_of_an_overdue_request_is_closed(
    pool: TransportPool, transports: list[FakeTransport], clock: ManualTime
) -> None:
    def shorter_request() -> None:
        with pool.acquire(5):
            begun.set()
            end.wait(10)

    begun, end = threading.Event(), threading.Event()
    thread = threading.Thread(target=shorter_request)
    with pool.acquire(9) as longer:
        thread.start()
        assert begun.wait(10)
        clock.now += 6
        wait_until(lambda: transports[1].is_closed)
        assert [transport.is_closed for transport in transports] == [False, True]
        assert longer is transports[0]
    end.set()
    thread.join()


def test_later_request_is_not_closed_because_an_earlier_one_was_overdue(clock: ManualTime) -> None:
    watcher_closes, watcher_may_close, watcher_closed = threading.Event(), threading.Event(), threading.Event()

    class SlowlyClosingTransport(FakeTransport):
        def close(self) -> None:
            is_watcher = threading.current_thread().name == "versori-watch"
            if is_watcher:
                watcher_closes.set()
                assert watcher_may_close.wait(10)
            super().close()
            if is_watcher:
                watcher_closed.set()

    pool = TransportPool(SlowlyClosingTransport)
    with pool.acquire(5):
        clock.now += 6
        assert watcher_closes.wait(10)
    with pool.acquire(5) as later:
        watcher_may_close.set()
        assert watcher_closed.wait(10)
        assert isinstance(later, SlowlyClosingTransport)
        assert not later.is_closed


def test_overdue_transport_is_closed_again_until_its_request_ends(clock: ManualTime) -> None:
    closed: list[str] = []

    class CountingTransport(httpx.BaseTransport):
        def close(self) -> None:
            closed.append(threading.current_thread().name)

    with TransportPool(CountingTransport).acquire(5):
        clock.now += 6
        wait_until(lambda: closed.count("versori-watch") >= 2)


def test_watcher_ends_when_no_transport_is_leased(pool: TransportPool, clock: ManualTime) -> None:
    with pool.acquire(9):
        assert pool._is_watched
    wait_until(lambda: not pool._is_watched)
    with pool.acquire(9):
        assert pool._is_watched


def test_unusable_proxy_is_reported_without_its_password(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.delenv("no_proxy", raising=False)
    for name in ("HTTPS_PROXY", "https_proxy"):
        monkeypatch.setenv(name, "gopher://me:hunter2@proxy.example")
    with pytest.raises(SettingsError, match="HTTPS_PROXY") as caught:
        open_pool("https://platform.example")
    assert "hunter2" not in str(caught.value)
    assert caught.value.__context__ is None


@pytest.mark.parametrize("exempt", ["platform.example", "*"])
def test_proxy_is_not_used_for_an_exempt_server(monkeypatch: pytest.MonkeyPatch, exempt: str) -> None:
    for name in ("HTTPS_PROXY", "https_proxy"):
        monkeypatch.setenv(name, "gopher://proxy.example")
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.setenv(name, exempt)
    open_pool("https://platform.example").close()


# A process that forks

needs_fork = pytest.mark.skipif(not hasattr(os, "fork"), reason="this operating system cannot fork")


def in_child(action: Callable[[], object]) -> str:
    """Return what `action` returns in a forked child, as text; empty if it fails or takes five seconds."""
    read_end, write_end = os.pipe()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # later versions of Python warn of a fork beside threads
        child = os.fork()
    if child == 0:
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        signal.alarm(5)
        try:
            os.write(write_end, str(action()).encode())
        finally:
            os._exit(0)
    os.close(write_end)
    with os.fdopen(read_end) as reader:
        text = reader.read()
    os.waitpid(child, 0)
    return text


def transport_used_by(pool: TransportPool, transports: list[FakeTransport]) -> int:
    with pool.acquire(9) as transport:
        return transports.index(cast("FakeTransport", transport))


@needs_fork
def test_child_process_does_not_use_the_connections_of_its_parent(
    pool: TransportPool, transports: list[FakeTransport]
) -> None:
    assert transport_used_by(pool, transports) == 0
    assert in_child(lambda: transport_used_by(pool, transports)) == "1"
    assert transport_used_by(pool, transports) == 0
    assert not transports[0].is_closed


@needs_fork
def test_connection_that_is_in_use_at_the_fork_is_not_used_again_by_the_child(
    pool: TransportPool, transports: list[FakeTransport]
) -> None:
    def finish_and_use_again() -> int:
        request.close()
        return transport_used_by(pool, transports)

    with ExitStack() as request:
        request.enter_context(pool.acquire(9))
        assert in_child(finish_and_use_again) == "1"
    assert transport_used_by(pool, transports) == 0


@needs_fork
def test_child_process_can_send_although_another_thread_held_the_lock_at_the_fork(
    pool: TransportPool, transports: list[FakeTransport]
) -> None:
    with pool._lock:
        assert in_child(lambda: transport_used_by(pool, transports)) == "0"


@needs_fork
def test_requests_of_a_child_process_are_watched_although_the_watcher_stayed_with_its_parent(
    pool: TransportPool, transports: list[FakeTransport], clock: ManualTime
) -> None:
    def overdue_request_is_closed() -> bool:
        with pool.acquire(5):
            clock.now += 6
            wait_until(lambda: transports[-1].is_closed)
        return True

    with pool.acquire(9):
        assert pool._is_watched
        assert in_child(overdue_request_is_closed) == "True"
        assert not transports[0].is_closed
