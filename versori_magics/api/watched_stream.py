"""Tell a response from one that arrived too early: before its request was sent, so that it answers an earlier one.

A server or gateway that answers one request twice would otherwise shift every later response of that connection by one:
the refused deletion of one row would be told that another row was deleted.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import httpcore

if TYPE_CHECKING:
    import ssl
    from collections.abc import Iterable

    import httpx


class WatchedStream(httpcore.NetworkStream):
    """A network stream that knows whether anything was received since the last send.

    Parameters
    ----------
    stream : httpcore.NetworkStream
        The stream that sends and receives.
    """

    def __init__(self, stream: httpcore.NetworkStream) -> None:
        self._stream = stream
        self.has_received = False

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        """Receive, and note it."""
        self.has_received = True
        return self._stream.read(max_bytes, timeout)

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        """Send; nothing is received since."""
        self.has_received = False
        self._stream.write(buffer, timeout)

    def close(self) -> None:
        """Close the stream."""
        self._stream.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        """Return the encrypted stream, watched too."""
        return WatchedStream(self._stream.start_tls(ssl_context, server_hostname, timeout))

    def get_extra_info(self, info: str) -> Any:
        """Return what the stream says about itself."""
        return self._stream.get_extra_info(info)


class WatchedBackend(httpcore.SyncBackend):
    """Opens watched connections."""

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.NetworkStream:
        """Return a connection to a server or a proxy."""
        return WatchedStream(super().connect_tcp(host, port, timeout, local_address, socket_options))


def is_too_early(response: httpx.Response) -> bool:
    """Tell whether the head of a response was received before its request was sent."""
    stream = response.extensions.get("network_stream")
    return isinstance(stream, WatchedStream) and not stream.has_received
