"""A client of the hostile platform that shares no code with the package."""

import socket
from typing import Any

import httpx
from support.hostile_platform import HostilePlatform


def client_of(platform: HostilePlatform, **headers: str) -> httpx.Client:
    """Return a client with the platform's token, or with other headers."""
    headers = headers or {"Authorization": f"Bearer {platform.token}"}
    return httpx.Client(base_url=f"{platform.url}/o/{platform.organisation}", headers=headers, timeout=2)


def list_all(client: httpx.Client, **query: Any) -> list[dict[str, Any]]:
    """List every connection, page by page."""
    items: list[dict[str, Any]] = []
    while True:
        page = client.get("/connections", params=query).raise_for_status().json()
        items += page["items"]
        if not page.get("next"):
            assert len(items) == page["totalCount"]
            return items
        query["after"] = page["next"]


def exchange(platform: HostilePlatform, request: bytes | None = None) -> bytes:
    """Send a request, by default a DELETE of the first free connection, and return every byte until the end."""
    url = httpx.URL(platform.url)
    request = (
        request
        or (
            f"DELETE /o/{platform.organisation}/connections/{platform.world.free[0]} HTTP/1.1\r\n"
            f"Host: x\r\nAuthorization: Bearer {platform.token}\r\n\r\n"
        ).encode()
    )
    with socket.create_connection((url.host, url.port or 0), timeout=2) as sock:
        sock.sendall(request)
        received = b""
        while piece := sock.recv(65536):
            received += piece
    return received
