"""A pool of connections to one server: a transport of its own for each request under way.

httpx's own pool looks at all of its connections for each request, which costs more than the request where many threads
share it, and now and then loses one. A transport that has one connection only does neither.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

import httpx

from versori_magics.errors import SettingsError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

WATCH_SECONDS = 0.5  # between two looks for requests that take too long
IDLE_SECONDS = 5.0  # httpx's own keep-alive; what waits longer has mostly been closed at the other end
_ONE = httpx.Limits(max_connections=1, max_keepalive_connections=1, keepalive_expiry=IDLE_SECONDS)


class Pool:
    """Hands out transports, the last used one first; safe to use from several threads.

    Parameters
    ----------
    make : callable
        () -> a new transport.
    """

    def __init__(self, make: Callable[[], httpx.BaseTransport]) -> None:
        self._make = make
        self._idle: deque[tuple[float, httpx.BaseTransport]] = deque()
        self._due: dict[int, tuple[float, httpx.BaseTransport]] = {}  # by thread: each has one request at most
        self._watched = False
        self._lock = threading.Lock()
        self.is_closed = False

    @contextmanager
    def transport(self, seconds: float) -> Iterator[httpx.BaseTransport]:
        """Lend a transport: nobody else has it until the block ends.

        Parameters
        ----------
        seconds : float
            For all of the block; then its connection is closed under it. httpx bounds each read, but not their number,
            so that a server which sends its answer letter by letter would never come to an end.
        """
        with self._lock:
            found = self._idle.pop()[1] if self._idle else None
        found = found or self._make()
        try:
            self._lend(found, seconds)
            yield found
        finally:
            self._give_back(found)

    def _lend(self, transport: httpx.BaseTransport, seconds: float) -> None:
        with self._lock:
            self._due[threading.get_ident()] = time.monotonic() + seconds, transport
            watched, self._watched = self._watched, True
        if not watched:
            threading.Thread(target=self._watch, name="versori-watch", daemon=True).start()

    def _watch(self) -> None:
        """Close what takes too long, until nothing is lent any more."""
        while True:
            time.sleep(WATCH_SECONDS)
            now = time.monotonic()
            with self._lock:
                self._watched = bool(self._due)
                if not self._watched:
                    return
                overdue = [transport for due, transport in self._due.values() if due < now]
            for transport in overdue:
                transport.close()

    def _give_back(self, transport: httpx.BaseTransport) -> None:
        now = time.monotonic()
        with self._lock:
            self._due.pop(threading.get_ident(), None)
            old = []
            if self.is_closed:
                old.append(transport)
            else:
                self._idle.append((now, transport))
            while self._idle and now - self._idle[0][0] > IDLE_SECONDS:
                old.append(self._idle.popleft()[1])
        for one in old:
            one.close()

    def close(self) -> None:
        """Close every connection that is idle, and each other one as soon as its request has ended."""
        with self._lock:
            self.is_closed = True
            idle = [transport for _, transport in self._idle]
            self._idle.clear()
        for transport in idle:
            transport.close()


def connect(server: str) -> Pool:
    """Return a pool of connections to a server; opens none.

    Parameters
    ----------
    server : str
        URL. Plain http goes to this machine only, and is not handed to a proxy that the environment names.

    Raises
    ------
    SettingsError
        Where the environment names a proxy that cannot be used.
    """
    secure = server.startswith("https:")
    host = urlsplit(server).netloc
    proxies = getproxies() if secure and not proxy_bypass(host) else {}
    proxy = proxies.get("https") or proxies.get("all")
    # One context for all: making it takes as long as many requests. Plain http has nothing to verify.
    context = httpx.create_ssl_context(verify=secure, trust_env=secure)
    make = partial(httpx.HTTPTransport, verify=context, limits=_ONE, trust_env=secure, proxy=proxy)
    problem = ""
    try:
        make().close()
    except (ImportError, ValueError, httpx.InvalidURL) as error:
        problem = type(error).__name__  # its text may hold the proxy's password
    if problem:
        raise SettingsError(
            f"The proxy that the environment names for https cannot be used ({problem}).",
            hint="Mend HTTPS_PROXY, or set NO_PROXY.",
        )
    return Pool(make)
