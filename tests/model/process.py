"""The seams between the process under test and the world: network, clock, disk, threads and what is displayed."""

from __future__ import annotations

import gc
import os
import threading
import time
from contextlib import contextmanager
from functools import lru_cache
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import httpx
from httpx import _urls
from IPython.core.displayhook import DisplayHook
from IPython.core.displaypub import DisplayPublisher
from IPython.core.formatters import DisplayFormatter
from IPython.core.interactiveshell import InteractiveShell
from traitlets.config import Config

import versori_magics
from versori_magics.api import concurrency, transport_pool
from versori_magics.api.clock import Clock
from versori_magics.cleanup import file_lock, run, stop_button
from versori_magics.cleanup.journal import Journal
from versori_magics.notebook.form import background_jobs

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import pytest
    from model.world import World


class Current:
    """The world of the history that runs now, and what it displayed."""

    world: World
    displayed: list[Any]
    answer_input: Callable[[str], str]

    def __init__(self) -> None:
        self.journals: list[Journal] = []
        """Every journal that this process opened; kept, because one that is forgotten may hold its lock."""


CURRENT = Current()


def release_locks() -> None:
    """Close every journal, as the operating system does when a process ends."""
    for journal in CURRENT.journals:
        journal.close()
    CURRENT.journals.clear()
    gc.collect()


class WorldTransport(httpx.BaseTransport):
    """Passes each request to the current world, in the same thread."""

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        url = request.url
        world = CURRENT.world
        answer, is_connected = world.answer(
            f"{url.scheme}://{url.netloc.decode()}",
            request.method,
            url.raw_path.partition(b"?")[0].decode(),
            url.query.decode(),
            request.headers.raw,
        )
        if not is_connected:
            raise httpx.ConnectError("connection refused", request=request)
        if answer is None:
            raise httpx.ReadError("connection reset", request=request)
        return httpx.Response(answer.status, headers=answer.headers, stream=_Body(answer.body, world))


class _Body(httpx.SyncByteStream):
    """A body, after which time may pass: the client has the answer, and is late with whatever it does next."""

    def __init__(self, body: bytes, world: World) -> None:
        self._body, self._world = body, world

    def __iter__(self) -> Iterator[bytes]:
        yield self._body

    def close(self) -> None:
        seconds, self._world.pending_seconds = self._world.pending_seconds, 0.0
        self._world.pass_time(seconds)


class _WorldClock(Clock):
    def now(self) -> float:
        return CURRENT.world.time

    def wait(self, stop: threading.Event, seconds: float) -> bool:
        # Jitter is random; a second instead keeps histories the same each time.
        CURRENT.world.pass_time(seconds if seconds >= 30 else 1.0)
        return not stop.is_set()


class _InlineThread:
    """A thread that does its whole work when it is started, so that a history is the same each time."""

    def __init__(self, target: Callable[..., None], args: tuple[Any, ...] = (), **_: object) -> None:
        self._target, self._args = target, args

    def start(self) -> None:
        try:
            self._target(*self._args)
        except Exception as error:  # noqa: BLE001 - a real thread would end and print it
            CURRENT.world.violate("crash", f"A thread ended with {type(error).__name__}: {error}")

    def join(self, timeout: float | None = None) -> None:
        """Return: its work is done."""

    def is_alive(self) -> bool:
        return False


class _Formatter(DisplayFormatter):  # type: ignore[misc]  # IPython's
    """Keeps the objects that are displayed, and does not format them, which would take most of the time."""

    def format(self, obj: Any, include: Any = None, exclude: Any = None) -> tuple[dict[str, str], dict[str, str]]:
        CURRENT.displayed.append(obj)
        return {"text/plain": ""}, {}


class _Silent(DisplayPublisher):  # type: ignore[misc]  # IPython's
    def publish(self, *_: Any, **__: Any) -> None:
        """Show nothing."""


class _SilentHook(DisplayHook):  # type: ignore[misc]  # IPython's
    def __call__(self, _result: Any = None) -> None:
        """Show nothing."""


@contextmanager
def shell_of_process() -> Iterator[InteractiveShell]:
    """Yield the one IPython shell, with the extension loaded."""
    InteractiveShell.clear_instance()
    config = Config({"HistoryManager": {"enabled": False}})
    shell = InteractiveShell.instance(config=config, display_pub_class=_Silent, displayhook_class=_SilentHook)
    shell.display_formatter = _Formatter(parent=shell)
    shell.run_line_magic("load_ext", "versori_magics")
    for name in versori_magics.__all__:
        getattr(versori_magics, name)  # import it
    gc.collect()
    gc.freeze()  # so that collecting what a killed kernel left behind takes no time
    try:
        yield shell
    finally:
        gc.unfreeze()
        shell.run_line_magic("unload_ext", "versori_magics")
        InteractiveShell.clear_instance()


def install_seams(patch: pytest.MonkeyPatch, *, sockets: bool = False) -> None:
    """Let the process under test live in the current world.

    Parameters
    ----------
    patch : MonkeyPatch
        Undoes it.
    sockets : bool
        Keep the real network and the real threads.
    """
    patch.setattr(Clock, "now", _WorldClock.now)
    patch.setattr(Clock, "wait", _WorldClock.wait)
    create = Journal.__init__

    def create_and_remember(journal: Journal, *args: Any, **options: Any) -> None:
        create(journal, *args, **options)
        CURRENT.journals.append(journal)

    patch.setattr(Journal, "__init__", create_and_remember)
    # A press comes during a run or not at all, so there is no wait for one that is late.
    patch.setattr(stop_button, "LATE_SECONDS", 0.0, raising=False)
    patch.setattr(os, "fsync", lambda _descriptor: None)  # a process that is killed loses nothing that was written
    patch.setattr("builtins.input", lambda prompt="": CURRENT.answer_input(prompt))
    if not sockets:
        patch.setattr(transport_pool, "open_pool", lambda _: transport_pool.TransportPool(WorldTransport))
        # The same few addresses are parsed again and again, which takes a fifth of a history's time.
        patch.setattr(_urls, "urlparse", lru_cache(maxsize=10_000)(_urls.urlparse))
        # In one thread nothing changes while it sleeps.
        sleepless = SimpleNamespace(**{**vars(time), "sleep": lambda _seconds: None})
        for sleeper in (run, file_lock):
            patch.setattr(sleeper, "time", sleepless)
        inline = SimpleNamespace(**{**vars(threading), "Thread": _InlineThread})
        for module in (concurrency, background_jobs):
            patch.setattr(module, "threading", inline)
