"""Sends one request to one server, and returns its complete response within bounds of time and size."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING

from versori_magics.api import protocol
from versori_magics.api.auth import http_auth
from versori_magics.api.content_encoding import Undecodable, decode_body, too_long
from versori_magics.api.masking import TokenMask
from versori_magics.errors import TransportError
from versori_magics.text import one_line

if TYPE_CHECKING:
    import httpx

    from versori_magics.api.auth import AuthScheme, Secret
    from versori_magics.api.clock import Clock
    from versori_magics.api.transport_pool import TransportPool

BODY_LIMIT = 32 * 1024 * 1024  # bytes, as received and again as decoded; far more than the largest page of 1,000 items
CONNECT_SECONDS = 5.0


class Sender:
    """Sends requests with the token in them, each once; safe to use from several threads.

    Parameters
    ----------
    server : str
        Base URL, checked.
    token : Secret
        The token, checked. It is masked in everything that the server sends.
    scheme : AuthScheme
        ``bearer``, ``jwt`` or ``cookie``.
    pool : TransportPool
        The connections to the server.
    clock : Clock
        Source of time.
    """

    def __init__(self, server: str, token: Secret, scheme: AuthScheme, pool: TransportPool, clock: Clock) -> None:
        self._server = server
        self._auth = http_auth(token, scheme)
        self._mask = TokenMask(token)
        self._headers = {"Accept": "application/json", "Accept-Encoding": "gzip", "User-Agent": _user_agent()}
        self._pool = pool
        self._clock = clock

    def close(self) -> None:
        """Close idle sockets now, and each busy one when its request ends."""
        self._pool.close()

    def send(self, request: protocol.ApiRequest, seconds: float) -> protocol.ApiResponse | TransportError:
        """Send a request once, and return its response or the error that it failed with.

        The caller raises the error: raised in an ``except`` block, it would carry httpx's frames in its context, and
        with them the header that contains the token.
        """
        try:
            return self._exchange(request, seconds)
        except BaseException as error:  # noqa: BLE001 - an interrupt of any type is raised again, without httpx's frames
            interrupt = error.with_traceback(None)
            interrupt.__context__ = None
        raise interrupt

    def _exchange(self, request: protocol.ApiRequest, seconds: float) -> protocol.ApiResponse | TransportError:
        import httpx

        from versori_magics.api.watched_stream import is_too_early

        if self._pool.is_closed:
            return _no_response(request, "the client is closed", sent=False)
        deadline = self._clock.now() + seconds + CONNECT_SECONDS
        try:
            # Not through httpx.Client, because its redirects, cookies and hooks are not wanted.
            with (
                self._pool.acquire(seconds + CONNECT_SECONDS) as transport,
                closing(transport.handle_request(self._signed(request, seconds))) as response,
            ):
                if is_too_early(response):
                    return _no_response(request, "a response came before the request, so it belongs to an earlier one")
                return self._receive(request, response, deadline, seconds)
        except (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.UnsupportedProtocol) as error:
            return _no_response(request, self._reason(error), sent=False)
        except Exception as error:  # noqa: BLE001 - whatever fails, the platform may have received the request
            is_late = self._clock.now() > deadline  # the pool has then closed the connection
            return _no_response(request, _too_slow(seconds) if is_late else self._reason(error))

    def _signed(self, request: protocol.ApiRequest, seconds: float) -> httpx.Request:
        """Return a request with the token in it. Do not assign it to a variable, which a traceback might show."""
        import httpx

        unsigned = httpx.Request(
            request.method,
            self._server + request.path,
            params=request.query or None,
            headers=self._headers,
            extensions={
                "timeout": {"connect": CONNECT_SECONDS, "read": seconds, "write": seconds, "pool": seconds},
            },
        )
        return next(self._auth.sync_auth_flow(unsigned))

    def _receive(
        self, request: protocol.ApiRequest, response: httpx.Response, deadline: float, seconds: float
    ) -> protocol.ApiResponse | TransportError:
        """Return a response once its whole body has arrived."""
        body = bytearray()
        for chunk in response.iter_raw():
            body += chunk
            if len(body) > BODY_LIMIT:
                return _no_response(request, too_long(BODY_LIMIT).reason)
            if self._clock.now() > deadline:
                return _no_response(request, _too_slow(seconds))
        encodings = response.headers.get_list("content-encoding", split_commas=True)
        decoded = decode_body(bytes(body), encodings, BODY_LIMIT)
        if isinstance(decoded, Undecodable):
            return _no_response(request, self._mask.text(decoded.reason))
        complete = protocol.ApiResponse(response.status_code, dict(response.headers), decoded)
        return protocol.mask_token(complete, self._mask)

    def _reason(self, error: Exception) -> str:
        """Return the name of an error and its shortened text, unless the text may quote a header of the request."""
        text = one_line(self._mask.text(str(error)), 120)
        may_quote_header = any(word in text.lower() for word in ("header", "authorization", "cookie", "bearer"))
        return type(error).__name__ + (f" ({text})" if text and not may_quote_header else "")


def _no_response(request: protocol.ApiRequest, reason: str, *, sent: bool = True) -> TransportError:
    return TransportError(
        f"{'No complete response from' if sent else 'No connection to'} the platform: {reason}.",
        hint="" if sent else "Check the network, the VPN and the server's address.",
        method=request.method,
        path=request.path,
        sent=sent,
    )


def _too_slow(seconds: float) -> str:
    return f"it took longer than {seconds:.0f} s"


def _user_agent() -> str:
    from versori_magics._version import __version__

    return f"versori_magics/{__version__}"
