"""The sandbox as a real HTTP server on loopback, in a thread of its own."""

from __future__ import annotations

import logging
import math
import os
import socket
import threading
import time
from typing import TYPE_CHECKING

from versori_magics.sandbox.organisation import WELL_KNOWN
from versori_magics.sandbox.seed import build
from versori_magics.sandbox.world import World

if TYPE_CHECKING:
    from types import TracebackType
    from typing import Self

    import uvicorn

HOST = "127.0.0.1"
LARGEST_PORT = 65_535
START_SECONDS = 10.0
STOP_SECONDS = 5.0
BACKLOG = 512
# Above every level, so that a notebook shows nothing of the server.
SILENT = logging.CRITICAL + 1


class SandboxUnavailableError(RuntimeError):
    """The sandbox cannot be started here: a library is missing, or its port is taken."""


class Sandbox:
    """A local platform with a seeded organisation.

    Parameters
    ----------
    connections : int
        How many connections the organisation has.
    seed : int
        The same seed gives the same ids, names and links.
    port : int
        0 takes a free one.
    latency : float
        Seconds that each request waits before it is answered.

    Raises
    ------
    ValueError
        Where a number makes no sense.
    """

    def __init__(self, connections: int = 250, seed: int = 1, port: int = 0, *, latency: float = 0.0) -> None:
        if connections < 0:
            raise ValueError(f"connections is {connections}; it cannot be negative.")
        if not 0 <= port <= LARGEST_PORT:
            raise ValueError(f"port is {port}; it must be 0 to {LARGEST_PORT}.")
        if not (math.isfinite(latency) and latency >= 0):
            raise ValueError(f"latency is {latency}; it must be seconds, 0 or more.")
        self._world = World(build(connections, seed))
        self._port = port
        self._latency = latency
        self._bound = port
        self._server: uvicorn.Server | None = None
        self._thread: threading.Thread | None = None

    def __repr__(self) -> str:
        state = self.url if self.running else "stopped"
        return f"<Sandbox {state} organisation={self.organisation}>"

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def url(self) -> str:
        """The address; port 0 in it says that it was never started."""
        return f"http://{HOST}:{self._bound}"

    @property
    def organisation(self) -> str:
        """The organisation's ULID; it hangs on the seed only."""
        return self._world.organisation.id

    @property
    def token(self) -> str:
        """The well-known token, good as a bearer token, as a JWT and as the cookie."""
        return WELL_KNOWN

    @property
    def running(self) -> bool:
        """Whether it accepts connections."""
        return self._thread is not None and self._thread.is_alive()

    @property
    def deleted(self) -> list[str]:
        """The ids of the connections deleted so far, in order."""
        return self._world.deleted()

    @property
    def broken(self) -> list[str]:
        """The environments that a deletion broke, as ``project / environment``."""
        return self._world.broken()

    def start(self) -> Self:
        """Serve; return once connections are accepted. Does nothing where it runs already.

        After a stop, port 0 means a free port again, perhaps another one; what was deleted stays deleted.

        Raises
        ------
        SandboxUnavailableError
            Where starlette or uvicorn is missing, or the port is taken.
        """
        if self.running:
            return self
        try:
            import uvicorn

            from versori_magics.sandbox.app import build as build_app
        except ImportError as error:
            raise SandboxUnavailableError(
                f"The sandbox needs a library that is missing ({error.name}). "
                "Install it with: pip install 'versori_magics[sandbox]'"
            ) from error
        listener = self._listen()
        config = uvicorn.Config(
            build_app(self._world, self._latency),
            log_config=None,
            log_level=SILENT,
            access_log=False,
            lifespan="off",
            ws="none",
            loop="asyncio",
            timeout_graceful_shutdown=1,
        )
        self._server = server = uvicorn.Server(config)
        self._thread = threading.Thread(target=server.run, args=([listener],), name="versori-sandbox", daemon=True)
        self._thread.start()
        deadline = time.monotonic() + START_SECONDS
        while not server.started:
            if not self._thread.is_alive() or time.monotonic() > deadline:
                self.stop()
                listener.close()
                raise SandboxUnavailableError(f"The sandbox did not start at {self.url}.")
            time.sleep(0.005)
        return self

    def reset(self) -> None:
        """Go back to the seeded state, on the same port."""
        self._world.reset()

    def stop(self) -> None:
        """Stop serving and free the port. Does nothing where it does not run."""
        if self._server is not None and self._thread is not None:
            self._server.should_exit = True
            self._thread.join(STOP_SECONDS)
            self._server.force_exit = True
            self._thread.join(STOP_SECONDS)
        self._server = self._thread = None

    def _listen(self) -> socket.socket:
        # Bound here, not by the server: where that fails to bind, it ends the process.
        # asyncio turns Nagle's algorithm off only where the protocol is named; with it each answer takes 40 ms.
        listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        try:
            if os.name == "posix":
                # A port that was just freed can be taken again at once; on Windows it would mean a port of others too.
                listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind((HOST, self._port))
            listener.listen(BACKLOG)
        except OSError as error:
            listener.close()
            raise SandboxUnavailableError(
                f"Port {self._port} on {HOST} cannot be used ({error.strerror}). "
                "Choose another one, or 0 for a free one."
            ) from error
        self._bound = listener.getsockname()[1]
        return listener
