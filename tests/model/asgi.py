"""Calls the emulator's web application directly: in one process, without a socket, a thread or an event loop."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import unquote

if TYPE_CHECKING:
    from collections.abc import Iterable

    from starlette.types import ASGIApp


class Answer(NamedTuple):
    """A complete response."""

    status: int
    headers: list[tuple[bytes, bytes]]
    body: bytes


def call(
    app: ASGIApp, method: str, path: str, query: str, headers: Iterable[tuple[bytes, bytes]], body: bytes
) -> Answer:
    """Return the application's response to one request."""
    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": method,
        "scheme": "http",
        "path": unquote(path),
        "raw_path": path.encode(),
        "root_path": "",
        "query_string": query.encode(),
        "headers": [(name.lower(), value) for name, value in headers],
        "server": ("127.0.0.1", 80),
        "client": ("127.0.0.1", 1),
    }
    messages: list[Any] = []

    async def receive() -> dict[str, object]:
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(message: Any) -> None:
        messages.append(message)

    try:
        app(scope, receive, send).send(None)  # type: ignore[attr-defined]  # a coroutine, which never has to wait
    except StopIteration:
        start, *parts = messages
        return Answer(start["status"], start["headers"], b"".join(part.get("body", b"") for part in parts))
    raise RuntimeError("the emulator waits for something that is not part of this model")
