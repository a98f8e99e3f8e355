"""The connections to one server: a pool of transports with one connection each, and a hard deadline for every request.

httpx's own pool scans all of its connections for each request. With 32 threads at 20 ms latency a pool of
one-connection transports takes 1.18 times the minimum (latency alone); one shared `httpx.Client` 1.52 times (measured
by tests/benchmarks).
"""

from __future__ import annotations

import os
import threading
import time
import weakref
from collections import deque
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

import httpx

from versori_magics.api.watched_stream import WatchedBackend
from versori_magics.catch import catch
from versori_magics.errors import SettingsError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

WATCH_SECONDS = 0.5  # between two checks for overdue requests
IDLE_SECONDS = 5.0  # httpx's own keep-alive; a connection that is idle for longer is usually closed by the server
_ONE_CONNECTION = httpx.Limits(max_connections=1, max_keepalive_connections=1, keepalive_expiry=IDLE_SECONDS)


@dataclass(eq=False, slots=True)
class _Lease:
    """One use of a transport by one request.

    Parameters
    ----------
    transport : httpx.BaseTransport
        The transport.
    deadline : float
        On the monotonic clock, in seconds.
    is_overdue : bool
        Set by the watcher, which may close the transport at any time from then on. It is never used again.
    """

    transport: httpx.BaseTransport
    deadline: float
    is_overdue: bool = False


class TransportPool:
    """Leases transports, the last used one first; safe to use from several threads, and after a fork.

    Parameters
    ----------
    create : callable
        () -> a new transport.
    """

    def __init__(self, create: Callable[[], httpx.BaseTransport]) -> None:
        self._create = create
        self._leases: set[_Lease] = set()
        self.is_closed = False
        self._start_empty()
        _pools.add(self)

    def _start_empty(self) -> None:
        self._idle: deque[tuple[float, httpx.BaseTransport]] = deque()  # (since when, transport)
        self._is_watched = False
        self._lock = threading.Lock()

    def forget_connections(self) -> None:
        """Use none of the connections again, which belong to the parent of this process.

        Called in a child directly after the fork, when no other thread runs. A thread of the parent may have held any
        lock, so nothing is closed in order: what is no longer referenced closes its own file descriptor, and neither
        that nor TLS sends anything to the server.
        """
        for lease in self._leases:
            lease.is_overdue = True  # the request that forked, if there is one, must not put its transport back
        self._leases = set()
        self._start_empty()

    @contextmanager
    def acquire(self, seconds: float) -> Iterator[httpx.BaseTransport]:
        """Lease a transport to one request, until the block ends.

        Parameters
        ----------
        seconds : float
            Limit for the whole block, after which the transport is closed. httpx limits each read but not their
            number, so a server that sends its response byte by byte could keep a request waiting forever.
        """
        with self._lock:
            transport = self._idle.pop()[1] if self._idle else None
        lease = _Lease(transport or self._create(), time.monotonic() + seconds)
        try:
            self._register(lease)
            yield lease.transport
        finally:
            self._release(lease)

    def _register(self, lease: _Lease) -> None:
        with self._lock:
            self._leases.add(lease)
            is_watched, self._is_watched = self._is_watched, True
        if not is_watched:
            threading.Thread(target=self._watch, name="versori-watch", daemon=True).start()

    def _watch(self) -> None:
        """Close the transports of overdue requests, until no transport is leased."""
        while True:
            time.sleep(WATCH_SECONDS)
            with self._lock:
                self._is_watched = bool(self._leases)
                if not self._is_watched:
                    return
                overdue = self._mark_overdue()
            # Repeated at every check until the request ends: closing has no effect on a connection being opened.
            for lease in overdue:
                lease.transport.close()

    def _mark_overdue(self) -> list[_Lease]:
        """Mark and return the overdue leases; the caller holds the lock."""
        now = time.monotonic()
        overdue = [lease for lease in self._leases if lease.deadline < now]
        for lease in overdue:
            lease.is_overdue = True
        return overdue

    def _release(self, lease: _Lease) -> None:
        now = time.monotonic()
        to_close = []
        with self._lock:
            self._leases.discard(lease)
            # The watcher may be about to close an overdue transport, so another request must not get it.
            if self.is_closed or lease.is_overdue:
                to_close.append(lease.transport)
            else:
                self._idle.append((now, lease.transport))
            while self._idle and now - self._idle[0][0] > IDLE_SECONDS:
                to_close.append(self._idle.popleft()[1])
        for transport in to_close:
            transport.close()

    def close(self) -> None:
        """Close the idle transports now, and each leased one as soon as its request ends."""
        with self._lock:
            self.is_closed = True
            idle = [transport for _, transport in self._idle]
            self._idle.clear()
        for transport in idle:
            transport.close()


_pools: weakref.WeakSet[TransportPool] = weakref.WeakSet()


def _forget_connections_of_parent() -> None:
    """Forget every pool's connections in a child process: parent and child would read each other's responses."""
    for pool in _pools:
        pool.forget_connections()


if hasattr(os, "register_at_fork"):  # not on Windows, which cannot fork
    os.register_at_fork(after_in_child=_forget_connections_of_parent)


def _create_transport(**options: Any) -> httpx.HTTPTransport:
    transport = httpx.HTTPTransport(**options)
    # httpx's transport has no parameter for the backend, only httpcore's pool has. Tests notice if this has no effect.
    transport._pool._network_backend = WatchedBackend()  # noqa: SLF001
    return transport


def open_pool(server: str) -> TransportPool:
    """Return a pool of connections to a server; none is opened yet.

    Parameters
    ----------
    server : str
        Base URL. Plain http is for this machine only and never uses a proxy of the environment.

    Raises
    ------
    SettingsError
        If the environment names a proxy that cannot be used.
    """
    is_https = server.startswith("https:")
    proxies = getproxies() if is_https and not proxy_bypass(urlsplit(server).netloc) else {}
    create = partial(
        _create_transport,
        # One context for all transports, as creating one takes as long as many requests. Plain http verifies nothing.
        verify=httpx.create_ssl_context(verify=is_https, trust_env=is_https),
        limits=_ONE_CONNECTION,
        trust_env=is_https,
        proxy=proxies.get("https") or proxies.get("all"),
    )
    failure = catch(lambda: create().close(), ImportError, ValueError, httpx.InvalidURL)
    if failure is not None:
        # Only the failure's type: its text may contain the proxy's password.
        raise SettingsError(
            f"The https proxy of the environment cannot be used ({type(failure).__name__}).",
            hint="Fix HTTPS_PROXY, or exempt the server with NO_PROXY.",
        )
    return TransportPool(create)
