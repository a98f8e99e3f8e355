"""The emulator as a real HTTP server on the loopback interface, in a thread of its own."""

from __future__ import annotations

import logging
import math
import os
import socket
import threading
import time
from typing import TYPE_CHECKING

from versori_magics.emulator.behaviour import Behaviour
from versori_magics.emulator.seed import build_organisation
from versori_magics.emulator.state import PlatformState

if TYPE_CHECKING:
    from types import TracebackType
    from typing import Self

    import uvicorn

TOKEN = "sandbox"  # noqa: S105 - public: it gives access only to made-up data on this machine
HOST = "127.0.0.1"
MAX_PORT = 65_535
START_SECONDS = 10.0
STOP_SECONDS = 5.0
BACKLOG = 512
# Above every level, so that nothing of the server's log appears in a notebook.
NO_LOGGING = logging.CRITICAL + 1


class EmulatorUnavailableError(RuntimeError):
    """The emulator cannot be started because a library is missing or its port cannot be used."""


class Emulator:
    """A local platform with a seeded organisation.

    Parameters
    ----------
    connections : int
        The number of connections in the organisation.
    seed : int
        The same seed gives the same ids, names and links.
    port : int
        The port to listen on; 0 chooses a free one.
    latency : float
        The delay before each response, in seconds.
    behaviour : Behaviour, optional
        What the platform's documentation leaves open, such as whether an empty list is ``null``.

    Raises
    ------
    ValueError
        If a number is out of range.
    """

    def __init__(
        self,
        connections: int = 250,
        seed: int = 1,
        port: int = 0,
        *,
        latency: float = 0.0,
        behaviour: Behaviour | None = None,
    ) -> None:
        if connections < 0:
            raise ValueError(f"connections must be 0 or more, not {connections}.")
        if not 0 <= port <= MAX_PORT:
            raise ValueError(f"port must be from 0 to {MAX_PORT}, not {port}.")
        if not (math.isfinite(latency) and latency >= 0):
            raise ValueError(f"latency must be 0 seconds or more, not {latency}.")
        self._state = PlatformState(build_organisation(connections, seed))
        self._port = port
        self._latency = latency
        self._behaviour = behaviour or Behaviour()
        self._bound_port = port
        self._server: uvicorn.Server | None = None
        self._thread: threading.Thread | None = None

    def __repr__(self) -> str:
        address = self.url if self.is_running else "stopped"
        return f"<Emulator {address} organisation={self.organisation}>"

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, error_type: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def url(self) -> str:
        """The base URL; its port is 0 if a free port is to be chosen and the emulator was never started."""
        return f"http://{HOST}:{self._bound_port}"

    @property
    def organisation(self) -> str:
        """The ULID of the organisation; it depends only on the seed."""
        return self._state.organisation.id

    @property
    def token(self) -> str:
        """The token, accepted as a bearer token, as a JWT and as the cookie."""
        return TOKEN

    @property
    def is_running(self) -> bool:
        """Whether the server is running."""
        return self._thread is not None and self._thread.is_alive()

    @property
    def deleted_ids(self) -> list[str]:
        """The ids of the deleted connections, in the order of their deletion."""
        return self._state.deleted_ids()

    @property
    def broken_environments(self) -> list[str]:
        """The environments that lost a connection that they used, as ``project / environment``, in order."""
        return self._state.broken_environments()

    def start(self) -> Self:
        """Start the server and return once it accepts connections. Does nothing if it is already running.

        After a stop, the organisation keeps its changes; if `port` is 0, another free port may be chosen.

        Raises
        ------
        EmulatorUnavailableError
            If starlette or uvicorn is missing, or the port cannot be used.
        """
        if not self.is_running:
            server = self._create_server()
            self._run(server, self._listen())
        return self

    def reset(self) -> None:
        """Return to the seeded state, on the same port."""
        self._state.reset()

    def stop(self) -> None:
        """Stop the server and free its port. Does nothing if it is not running."""
        if self._server is not None and self._thread is not None:
            self._server.should_exit = True
            self._thread.join(STOP_SECONDS)
            self._server.force_exit = True
            self._thread.join(STOP_SECONDS)
        self._server = self._thread = None

    def _create_server(self) -> uvicorn.Server:
        try:
            import uvicorn

            from versori_magics.emulator.app import create_app
        except ImportError as error:
            raise EmulatorUnavailableError(
                f"The sandbox needs a library that is not installed ({error.name}). "
                "Install it with: pip install 'versori_magics[sandbox]'"
            ) from error
        config = uvicorn.Config(
            create_app(self._state, TOKEN, self._latency, self._behaviour),
            log_config=None,
            log_level=NO_LOGGING,
            access_log=False,
            lifespan="off",
            ws="none",
            loop="asyncio",
            timeout_graceful_shutdown=1,
        )
        return uvicorn.Server(config)

    def _listen(self) -> socket.socket:
        # The port is bound here because uvicorn ends the process if it cannot bind.
        # asyncio disables Nagle's algorithm only if the protocol is given; otherwise each response takes 40 ms.
        listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        try:
            if os.name == "posix":
                # Allows a port to be reused right after it was freed. On Windows it would allow a port that is in use.
                listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind((HOST, self._port))
            listener.listen(BACKLOG)
        except OSError as error:
            listener.close()
            raise EmulatorUnavailableError(
                f"Port {self._port} on {HOST} cannot be used ({error.strerror}). "
                "Choose another port, or 0 for a free one."
            ) from error
        self._bound_port = listener.getsockname()[1]
        return listener

    def _run(self, server: uvicorn.Server, listener: socket.socket) -> None:
        self._server = server
        self._thread = threading.Thread(target=server.run, args=([listener],), name="versori-sandbox", daemon=True)
        self._thread.start()
        deadline = time.monotonic() + START_SECONDS
        while not server.started:
            if not self._thread.is_alive() or time.monotonic() > deadline:
                self.stop()
                listener.close()
                raise EmulatorUnavailableError(f"The sandbox did not start at {self.url}.")
            time.sleep(0.005)
