"""The pool: nobody shares a transport, the last used one is lent first, and none stays open unseen."""

from __future__ import annotations

import threading
import time

import httpx
import pytest

from versori_magics.errors import SettingsError
from versori_magics.platform import pool


class Transport(httpx.BaseTransport):
    """Only knows whether it was closed."""

    closed = False

    def close(self) -> None:
        self.closed = True


class Time:
    """A clock that is put forward by hand."""

    now = 100.0

    def monotonic(self) -> float:
        return self.now

    def sleep(self, _: float) -> None:
        time.sleep(0.01)


@pytest.fixture
def made() -> list[Transport]:
    return []


@pytest.fixture
def lent(made: list[Transport]) -> pool.Pool:
    def make() -> Transport:
        made.append(Transport())
        return made[-1]

    return pool.Pool(make)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Time:
    found = Time()
    monkeypatch.setattr(pool, "time", found)
    return found


def test_one_after_the_other_get_the_same_transport(lent: pool.Pool, made: list[Transport]) -> None:
    for _ in range(3):
        with lent.transport(9) as one:
            assert one is made[0]
    assert len(made) == 1


def test_side_by_side_get_one_each_and_the_last_used_is_lent_first(lent: pool.Pool, made: list[Transport]) -> None:
    with lent.transport(9) as first:
        with lent.transport(9) as second:
            assert first is not second
        with lent.transport(9) as again:
            assert again is second
    with lent.transport(9) as last:
        assert last is first
    assert len(made) == 2


def test_a_transport_comes_back_also_when_its_request_fails(lent: pool.Pool, made: list[Transport]) -> None:
    with pytest.raises(httpx.ReadError), lent.transport(9):
        raise httpx.ReadError("gone")
    with lent.transport(9) as one:
        assert one is made[0]


def test_what_is_idle_for_long_is_closed_by_the_next_request(
    lent: pool.Pool, made: list[Transport], clock: Time
) -> None:
    with lent.transport(9), lent.transport(9):
        pass
    clock.now += pool.IDLE_SECONDS + 1
    with lent.transport(9):
        pass
    assert sorted(one.closed for one in made) == [False, True]


def test_closing_closes_what_is_idle_now_and_what_is_lent_when_it_comes_back(
    lent: pool.Pool, made: list[Transport]
) -> None:
    with lent.transport(9) as busy:
        with lent.transport(9) as idle:
            pass
        lent.close()
        assert (idle.closed, busy.closed) == (True, False)
        assert lent.is_closed
    assert all(one.closed for one in made)


def test_what_takes_longer_than_it_may_is_closed_under_the_request_and_nothing_else_is(
    lent: pool.Pool, made: list[Transport], clock: Time
) -> None:
    def shorter() -> None:
        with lent.transport(5):
            arrived.set()
            ended.wait(10)

    arrived, ended = threading.Event(), threading.Event()
    thread = threading.Thread(target=shorter)
    with lent.transport(9) as longer:
        thread.start()
        assert arrived.wait(10)
        clock.now += 6
        for _ in range(500):
            if made[1].closed:
                break
            time.sleep(0.01)
        assert [one.closed for one in made] == [False, True]
        assert longer is made[0]
    ended.set()
    thread.join()


def test_nobody_watches_once_nothing_is_lent(lent: pool.Pool, clock: Time) -> None:
    with lent.transport(9):
        assert lent._watched
    for _ in range(500):
        if not lent._watched:
            break
        time.sleep(0.01)
    assert not lent._watched
    with lent.transport(9):
        assert lent._watched


def test_a_proxy_that_cannot_be_used_is_told_of_without_its_password(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.delenv("no_proxy", raising=False)
    for name in ("HTTPS_PROXY", "https_proxy"):
        monkeypatch.setenv(name, "gopher://me:hunter2@proxy.example")
    with pytest.raises(SettingsError, match="HTTPS_PROXY") as caught:
        pool.connect("https://platform.example")
    assert "hunter2" not in str(caught.value)
    assert caught.value.__context__ is None


@pytest.mark.parametrize("exempt", ["platform.example", "*"])
def test_a_server_that_no_proxy_names_is_reached_without_one(monkeypatch: pytest.MonkeyPatch, exempt: str) -> None:
    for name in ("HTTPS_PROXY", "https_proxy"):
        monkeypatch.setenv(name, "gopher://proxy.example")
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.setenv(name, exempt)
    pool.connect("https://platform.example").close()
