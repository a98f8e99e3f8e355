"""A cheap platform on loopback that answers after a given latency.

It runs in its own process, keeps no state and answers with bytes that are built once, so that the client is what is
measured.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import selectors
import subprocess
import sys
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, urlsplit

if TYPE_CHECKING:
    from collections.abc import Iterator

ORGANISATION = "01ARZ3NDEKTSV4RRFFQ69G5FAV"
CROCKFORD = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
NO_CONTENT = b"HTTP/1.1 204 No Content\r\nDate: Mon, 23 Nov 2026 09:00:00 GMT\r\n\r\n"
END = b"\r\n\r\n"


def ulid(prefix: str, number: int) -> str:
    """Return an id; the same number gives the same id."""
    digits = ""
    for _ in range(10):
        number, digit = divmod(number, 32)
        digits = CROCKFORD[digit] + digits
    return f"01HZZZZZZZZZZZ{prefix:0>2}{digits}"


@cache
def connection(number: int) -> dict[str, object]:
    """Return a connection with every documented field."""
    credential = {
        "id": ulid("CR", number),
        "organisationId": ORGANISATION,
        "type": "oauth2-client",
        "name": f"Credential number {number}",
        "errors": ["token expired"] if number % 7 == 0 else [],
        "data": "***",
        "expiresAt": "2027-01-31T12:00:00Z",
    }
    return {
        "id": ulid("C", number),
        "name": f"Connection number {number}",
        "baseUrl": f"https://shop-{number}.example.com/api/v2",
        "systemId": ulid("S", number % 20),
        "connectionTemplateId": ulid("T", number % 50),
        "createdAt": f"2026-{number % 12 + 1:02}-{number % 28 + 1:02}T09:{number % 60:02}:00.{number % 1000:03}Z",
        "updatedAt": f"2026-{number % 12 + 1:02}-{number % 28 + 1:02}T10:{number % 60:02}:00Z",
        "credentials": [{"id": ulid("CR", number), "authSchemeConfig": {"type": "oauth2"}, "credential": credential}],
    }


def page(total: int, first: int, after: int) -> bytes:
    """Return one page of connections as JSON."""
    until = min(total, after + first)
    body: dict[str, object] = {"totalCount": total, "items": [connection(n) for n in range(after, until)]}
    if until < total:
        body["next"] = str(until)
    return json.dumps(body).encode()


class Platform:
    """The answer to each path.

    Parameters
    ----------
    connections, projects, max_page : int
        How many there are, and the largest page that is granted.
    """

    def __init__(self, connections: int, projects: int, max_page: int) -> None:
        self.connections = connections
        self.projects = projects
        self.max_page = max_page
        self.answers: dict[str, bytes] = {}

    def answer(self, method: str, target: str) -> bytes:
        """Return the complete answer to a request."""
        if method == "DELETE":
            return NO_CONTENT
        if target not in self.answers:
            body = self._body(target)
            head = f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
            self.answers[target] = head.encode() + body
        return self.answers[target]

    def _body(self, target: str) -> bytes:
        url = urlsplit(target)
        query = {name: values[0] for name, values in parse_qs(url.query).items()}
        match url.path.split("/")[3:]:
            case ["connections"]:
                return page(
                    self.connections, min(self.max_page, int(query.get("first", 20))), int(query.get("after", 0))
                )
            case ["systems"]:
                systems = [{"id": ulid("S", n), "name": f"System {n}"} for n in range(20)]
                return json.dumps({"totalCount": 20, "items": systems}).encode()
            case ["projects"]:
                return json.dumps({"projects": [self._project(n) for n in range(self.projects)]}).encode()
            case ["projects", _, "connections"]:
                return json.dumps({"totalCount": 3, "items": [connection(n) for n in range(3)]}).encode()
            case ["environments", _, "activations"]:
                user = {"id": ulid("V", 0), "externalId": "u-0", "displayName": "User 0"}
                return json.dumps([{"id": ulid("A", 0), "user": user, "connections": [connection(3)]}]).encode()
        raise ValueError(target)

    def _project(self, number: int) -> dict[str, object]:
        environments = [
            {"id": ulid("E", 2 * number + n), "name": name, "status": "running"}
            for n, name in enumerate(("production", "staging"))
        ]
        return {"id": ulid("P", number), "name": f"Project {number}", "environments": environments}


class Connection(asyncio.Protocol):
    """One connection of a client."""

    def __init__(self, platform: Platform, latency: float) -> None:
        self.platform = platform
        self.latency = latency
        self.received = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        # No request has a body, and each client waits for the answer before its next request.
        self.received += data
        if not self.received.endswith(END):
            return
        method, target, _ = self.received.split(b" ", 2)
        self.received = b""
        answer = self.platform.answer(method.decode(), target.decode())
        asyncio.get_running_loop().call_later(self.latency, self._write, answer)

    def _write(self, answer: bytes) -> None:
        if not self.transport.is_closing():
            self.transport.write(answer)


async def serve(platform: Platform, latency: float) -> None:
    """Print the port, and serve until the process ends."""
    server = await asyncio.get_running_loop().create_server(lambda: Connection(platform, latency), "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)  # noqa: T201 - for the parent process
    await server.serve_forever()


@contextmanager
def serving(*, latency: float, connections: int = 0, projects: int = 0, max_page: int = 1000) -> Iterator[str]:
    """Run a platform in its own process.

    Parameters
    ----------
    latency : float
        Seconds before each answer.
    connections, projects, max_page : int
        How many there are, and the largest page that is granted.

    Yields
    ------
    str
        Its URL.
    """
    numbers = [str(number) for number in (latency, connections, projects, max_page)]
    process = subprocess.Popen([sys.executable, str(Path(__file__)), *numbers], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        yield f"http://127.0.0.1:{int(process.stdout.readline())}"
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("latency", type=float)
    for name in ("connections", "projects", "max_page"):
        parser.add_argument(name, type=int)
    options = parser.parse_args()
    # epoll rounds up to milliseconds; select does not, and there are few sockets.
    with asyncio.Runner(loop_factory=lambda: asyncio.SelectorEventLoop(selectors.SelectSelector())) as runner:
        runner.run(serve(Platform(options.connections, options.projects, options.max_page), options.latency))
