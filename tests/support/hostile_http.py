"""HTTP/1.1 on plain sockets, so that every byte of an answer and the end of a connection can be chosen."""

import itertools
import re
import socket
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from io import BufferedReader
from urllib.parse import parse_qsl

from support.fault_answers import Answer


@dataclass(eq=False)
class RecordedRequest:
    """A request as it arrived, and later what was done with it."""

    connection: int
    """The number of the client's connection, from 1."""
    method: str
    target: str
    path: str
    """Without the server's prefix and the query."""
    query: dict[str, str]
    headers: dict[str, str]
    """Names in lower case."""
    header_lines: list[tuple[str, str]]
    body: bytes
    at: float
    """When it had arrived, by time.monotonic()."""
    number: int = 0
    operation: str = ""
    ids: tuple[str, ...] = ()
    fault: str = "none"
    result: int | None = None
    """The true status; None if the operation was not performed."""
    answered: int | None = None
    """The status that was sent, whole; None if it was not."""


class MalformedRequestError(Exception):
    """The client sent something that is not HTTP/1.1."""


class RequestServer:
    """Accepts connections on loopback, and hands each request with its socket to `handle`.

    Parameters
    ----------
    handle : callable
        (socket, request) -> whether to read another request from the same socket. It writes the answer.
    complain : callable
        Called with a description of a malformed request.
    lock : Condition
        Notified when a connection comes or goes.
    prefix : str
        A path that every target begins with.
    port : int
        0 for a free one.
    """

    def __init__(
        self,
        handle: Callable[[socket.socket, RecordedRequest], bool],
        complain: Callable[[str], None],
        lock: threading.Condition,
        *,
        prefix: str,
        port: int,
    ) -> None:
        self._handle = handle
        self._complain = complain
        self._lock = lock
        self._prefix = prefix
        self._is_closed = False
        self.sockets: dict[int, socket.socket] = {}
        self._threads: list[threading.Thread] = []
        self._listener = socket.create_server(("127.0.0.1", port), backlog=512)
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}{prefix}"
        self._acceptor = threading.Thread(target=self._accept, name="hostile-accept", daemon=True)
        self._acceptor.start()

    def close(self) -> None:
        """Accept nothing more; connections that are open stay."""
        with self._lock:
            if self._is_closed:
                return
            self._is_closed = True
        with suppress(OSError), socket.create_connection(self._listener.getsockname(), timeout=1):
            pass  # wakes accept(), on every operating system
        self._acceptor.join()
        self._listener.close()

    def disconnect_all(self) -> None:
        """Shut every connection down, and wait for the threads that served them."""
        with self._lock:
            sockets, threads = list(self.sockets.values()), list(self._threads)
        for sock in sockets:
            with suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)
        for thread in threads:
            thread.join()

    def _accept(self) -> None:
        for number in itertools.count(1):
            sock, _ = self._listener.accept()
            with self._lock:
                if self._is_closed:
                    sock.close()
                    return
                thread = threading.Thread(
                    target=self._serve, args=(sock, number), name=f"hostile-{number}", daemon=True
                )
                self.sockets[number] = sock
                self._threads = [*(t for t in self._threads if t.is_alive()), thread]
                thread.start()
                self._lock.notify_all()

    def _serve(self, sock: socket.socket, number: int) -> None:
        try:
            with suppress(OSError), sock, sock.makefile("rb") as reader:
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                try:
                    while (request := self._read(reader, number)) and self._handle(sock, request):
                        pass
                except MalformedRequestError as error:
                    self._complain(f"malformed: {error}")
                    sock.sendall(Answer(500).raw())
        finally:
            with self._lock:
                self.sockets.pop(number, None)
                self._lock.notify_all()

    def _read(self, reader: BufferedReader, number: int) -> RecordedRequest | None:
        """Read the next request; None if the client hung up."""
        lines = []
        while (line := reader.readline(65536)) not in {b"\r\n", b"\n"}:
            if not line.endswith(b"\n"):
                return None
            lines.append(line.decode("latin-1").rstrip("\r\n"))
        start = re.fullmatch(r"([A-Z]+) (/\S*) HTTP/1\.1", lines[0] if lines else "")
        pairs = [(name, value.strip()) for name, _, value in (line.partition(":") for line in lines[1:])]
        headers = {name.lower(): value for name, value in pairs}
        length = headers.get("content-length", "0")
        if not start or not length.isdecimal() or "transfer-encoding" in headers or not all(name for name, _ in pairs):
            raise MalformedRequestError(lines[:1])
        body = reader.read(int(length))
        if len(body) < int(length):
            return None
        method, target = start.groups()
        target = target.removeprefix(self._prefix) if target.startswith(self._prefix) else f"(no prefix){target}"
        path, _, query = target.partition("?")
        parsed = dict(parse_qsl(query, keep_blank_values=True))
        return RecordedRequest(number, method, target, path, parsed, headers, pairs, body, time.monotonic())
