"""The two servers of a world on real sockets, for histories with the real network and real threads."""

from __future__ import annotations

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Self

from model.process import CURRENT

if TYPE_CHECKING:
    from types import TracebackType


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1  # headers and body in one write
    server: _Server

    def do_GET(self) -> None:
        path, _, query = self.path.partition("?")
        headers = [(name.encode(), value.encode()) for name, value in self.headers.items()]
        with self.server.lock:
            world = CURRENT.world
            answer, is_connected = world.answer(self.server.url, self.command, path, query, headers)
            seconds, world.pending_seconds = world.pending_seconds, 0.0
        if answer is None or not is_connected:
            self.close_connection = True
            return
        self.send_response(answer.status)
        for name, value in answer.headers:
            if name != b"content-length":
                self.send_header(name.decode(), value.decode())
        if answer.status != 204:
            self.send_header("Content-Length", str(len(answer.body)))
        self.end_headers()
        self.wfile.write(answer.body)
        world.pass_time(seconds)

    do_DELETE = do_GET  # noqa: N815 - the name that http.server looks for

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - as in http.server
        """Write nothing."""


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, lock: threading.Lock) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.lock = lock
        self.url = f"http://127.0.0.1:{self.server_port}"

    def handle_error(self, *_: object) -> None:
        """Ignore a client that hangs up."""


class Sockets:
    """Two servers; every request goes to the current world, one at a time."""

    def __init__(self) -> None:
        lock = threading.Lock()
        self._servers = [_Server(lock), _Server(lock)]
        self.urls = (self._servers[0].url, self._servers[1].url)

    def __enter__(self) -> Self:
        for server in self._servers:
            threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(
        self, error_type: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for server in self._servers:
            server.shutdown()
            server.server_close()
