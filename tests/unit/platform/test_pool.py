"""The pool: nobody shares a transport, the last used one is lent first, and none stays open unseen."""

from __future__ import annotations

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
        with lent.transport() as one:
            assert one is made[0]
    assert len(made) == 1


def test_side_by_side_get_one_each_and_the_last_used_is_lent_first(lent: pool.Pool, made: list[Transport]) -> None:
    with lent.transport() as first:
        with lent.transport() as second:
            assert first is not second
        with lent.transport() as again:
            assert again is second
    with lent.transport() as last:
        assert last is first
    assert len(made) == 2


def test_a_transport_comes_back_also_when_its_request_fails(lent: pool.Pool, made: list[Transport]) -> None:
    with pytest.raises(httpx.ReadError), lent.transport():
        raise httpx.ReadError("gone")
    with lent.transport() as one:
        assert one is made[0]


def test_what_is_idle_for_long_is_closed_by_the_next_request(
    lent: pool.Pool, made: list[Transport], clock: Time
) -> None:
    with lent.transport(), lent.transport():
        pass
    clock.now += pool.IDLE_SECONDS + 1
    with lent.transport():
        pass
    assert sorted(one.closed for one in made) == [False, True]


def test_closing_closes_what_is_idle_now_and_what_is_lent_when_it_comes_back(
    lent: pool.Pool, made: list[Transport]
) -> None:
    with lent.transport() as busy:
        with lent.transport() as idle:
            pass
        lent.close()
        assert (idle.closed, busy.closed) == (True, False)
        assert lent.is_closed
    assert all(one.closed for one in made)


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
