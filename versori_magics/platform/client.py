"""The httpx client: iterate, get, delete."""

from __future__ import annotations

import random
import threading
from contextlib import closing
from operator import attrgetter
from typing import TYPE_CHECKING, Any, TypeVar

from versori_magics.errors import ApiError, NotFoundError, PlatformError, TransportError
from versori_magics.platform import models, retry, wire
from versori_magics.platform.auth import Secret, http_auth, kind_of, read_token
from versori_magics.platform.listing import PAGE_SIZES, Listing, collect
from versori_magics.platform.pace import Clock
from versori_magics.settings import check_auth, check_ulid, server_url
from versori_magics.text import one_line

if TYPE_CHECKING:
    from types import TracebackType
    from typing import Self

    import httpx

T = TypeVar("T")

BODY_LIMIT = 64 * 1024 * 1024  # bytes; the largest page of 1,000 connections is far below
READ_SECONDS = 30.0  # a page of 1,000 connections takes a while
DELETE_SECONDS = 10.0  # one row; what the answer was is found out afterwards
CONNECT_SECONDS = 5.0


class Client:
    """Talks to one organisation of one server; safe to use from several threads.

    Parameters
    ----------
    server : str
        ``production``, ``staging``, ``development`` or a URL (https, or http to this machine).
    organisation : str
        ULID.
    token : str or Secret
        API key or JWT.
    auth : str
        ``auto`` (default; reads the token's issuer), ``bearer``, ``jwt`` or ``cookie``.
    policy : retry.Policy, optional
        For reads. A delete is one send; its repeats belong to the run, which journals each.
    clock : Clock, optional
        The time and the waiting.
    transport : httpx.BaseTransport, optional
        For tests of what is sent.

    Raises
    ------
    SettingsError
        Where server, organisation, token or auth make no sense.
    """

    def __init__(
        self,
        server: str,
        organisation: str,
        token: str | Secret,
        auth: str = "auto",
        *,
        policy: retry.Policy | None = None,
        clock: Clock | None = None,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        from versori_magics.platform import pool

        self.server = server_url(server)
        self.organisation = check_ulid(organisation, "organisation")
        self._token = read_token(token)
        self.auth = kind_of(self._token, check_auth(auth))
        self._policy = policy or retry.Policy()
        self._clock = clock or Clock()
        self._page_sizes: dict[str, int | None] = {}
        self._auth = http_auth(self._token, self.auth)
        self._headers = {"Accept": "application/json", "Accept-Encoding": "gzip", "User-Agent": _user_agent()}
        self._pool = pool.connect(self.server) if transport is None else pool.Pool(lambda: transport)

    def __repr__(self) -> str:
        return f"Client({self.server!r}, {self.organisation!r}, ***, auth={self.auth!r})"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close every connection."""
        self._pool.close()

    def connections(
        self, *, system_id: str | None = None, end_user_id: str | None = None
    ) -> Listing[models.Connection]:
        """List the organisation's connections, all of them.

        Parameters
        ----------
        system_id, end_user_id : str, optional
            ULIDs: only the connections to this system, or of this end user.

        Raises
        ------
        PlatformError
            Where a page fails or the list is not whole.
        """
        query = {name: value for name, value in (("system_id", system_id), ("end_user_id", end_user_id)) if value}
        return self._list("connections", wire.list_connections, models.Page[models.Connection], query)

    def systems(self) -> Listing[models.System]:
        """List the organisation's systems."""
        return self._list("systems", wire.list_systems, models.Page[models.System], {})

    def connection(self, connection: str, stop: threading.Event | None = None) -> models.Connection:
        """Return one connection.

        Raises
        ------
        NotFoundError
            Where there is none; `documented` tells whether the platform itself said so.
        """
        return self._read(wire.get_connection(self.organisation, connection), models.Connection, stop)

    def exists(self, connection: str, stop: threading.Event | None = None) -> bool | None:
        """Tell whether a connection stands; None where that cannot be learned now."""
        try:
            self.connection(connection, stop)
        except NotFoundError as error:
            return False if error.documented else None
        except PlatformError:
            return None
        return True

    def delete(self, connection: str) -> None:
        """Delete one connection, with one send.

        Raises
        ------
        ApiError, TransportError
            For every end but the documented 204.
        """
        call = wire.delete_connection(self.organisation, connection)
        answer = self._send(call, DELETE_SECONDS)
        if isinstance(answer, TransportError):
            raise answer
        wire.check_deleted(call, answer)

    def projects(self) -> list[models.Project]:
        """List the projects with their environments; the reference documents no pages for this.

        Raises
        ------
        PlatformError
            Where the call fails or its answer holds no list.
        """
        found = self._read(wire.list_projects(self.organisation), models.Projects).projects
        if found is None:
            raise PlatformError("The platform's answer holds no list of projects.")
        return found

    def environment_connections(
        self, project: str, environment: str, stop: threading.Event | None = None
    ) -> Listing[models.Linked]:
        """List the static connections of one environment, following `next` where the platform gives one."""

        def ask(_: int | None, cursor: str | None) -> models.Page[models.Linked]:
            query = {"after": cursor} if cursor else {}
            call = wire.list_environment_connections(self.organisation, project, environment, **query)
            return self._read(call, models.Page[models.Linked], stop)

        # No page size is asked for: none is documented for this operation.
        return collect(ask, attrgetter("id"), f"connections of environment {environment}", None)[0]

    def activations(self, environment: str, stop: threading.Event | None = None) -> list[models.Activation]:
        """List the end users switched on in one environment."""
        return self._read(wire.list_activations(self.organisation, environment), list[models.Activation], stop)

    def end_users(self, search: str) -> list[models.EndUser]:
        """List the end users that a search finds."""

        def ask(_: int | None, cursor: str | None) -> models.EndUserPage:
            query = {"after": cursor} if cursor else {}
            return self._read(wire.list_end_users(self.organisation, search=search, **query), models.EndUserPage)

        return collect(ask, attrgetter("id"), "end users", None)[0].items

    def _list(self, what: str, make: Any, kind: Any, query: dict[str, str]) -> Listing[Any]:
        def ask(size: int | None, cursor: str | None) -> Any:
            paging = {name: str(value) for name, value in (("first", size), ("after", cursor)) if value}
            return self._read(make(self.organisation, **paging, **query), kind)

        listing, self._page_sizes[what] = collect(
            ask, attrgetter("id"), what, self._page_sizes.get(what, PAGE_SIZES[0])
        )
        return listing

    def _read(self, call: wire.Call, kind: type[T], stop: threading.Event | None = None) -> T:
        """Send a read until it is answered or the policy gives up."""
        stop = stop or threading.Event()
        began = self._clock.now()  # put forward by every pause that the platform asks for: the policy counts none
        attempt = 0
        while True:
            attempt += 1
            result = self._decoded(call, kind)
            if not isinstance(result, PlatformError):
                return result
            elapsed = self._clock.now() - began
            choice = retry.decide(self._policy, attempt, elapsed, result, random.random())  # noqa: S311 - jitter
            if isinstance(choice, retry.GiveUp) or not self._clock.wait(stop, choice.wait):
                if isinstance(result, ApiError | TransportError):
                    result.attempts = attempt
                raise result
            began += choice.wait if choice.pause else 0

    def _decoded(self, call: wire.Call, kind: type[T]) -> T | PlatformError:
        answer = self._send(call, READ_SECONDS)
        if isinstance(answer, PlatformError):
            return answer
        try:
            return wire.decode(call, answer, kind)
        except PlatformError as error:
            return error

    def _send(self, call: wire.Call, seconds: float) -> wire.Answer | TransportError:
        """Send once; return what came, also a failure, so that it is raised outside every `except` of httpx.

        An error raised inside one would carry httpx's frames along, and with them the header that holds the token.
        """
        import httpx

        if self._pool.is_closed:
            return _no_answer(call, "the client is closed", sent=False)
        deadline = self._clock.now() + seconds + CONNECT_SECONDS
        try:
            # Straight to a transport: nothing of what a Client adds (redirects, cookies, hooks) is wanted here.
            with (
                self._pool.transport(seconds + CONNECT_SECONDS) as transport,
                closing(transport.handle_request(self._request(call, seconds))) as response,
            ):
                return self._whole(call, response, deadline, seconds)
        except (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.UnsupportedProtocol) as error:
            return _no_answer(call, _reason(error), sent=False)
        except (httpx.HTTPError, httpx.StreamError, httpx.InvalidURL, OSError, RuntimeError, ValueError) as error:
            late = self._clock.now() > deadline  # the pool then closed the connection
            return _no_answer(call, _incomplete(seconds) if late else _reason(error))
        except KeyboardInterrupt:
            pass
        raise KeyboardInterrupt  # anew, for the same reason

    def _request(self, call: wire.Call, seconds: float) -> httpx.Request:
        """Return a request with the token on it; never to be kept in a variable, which a traceback might show."""
        import httpx

        timeout = {"connect": CONNECT_SECONDS, "read": seconds, "write": seconds, "pool": seconds}
        bare = httpx.Request(
            call.method,
            self.server + call.path,
            params=call.query or None,
            headers=self._headers,
            extensions={"timeout": timeout},
        )
        return next(self._auth.sync_auth_flow(bare))

    def _whole(
        self, call: wire.Call, response: httpx.Response, deadline: float, seconds: float
    ) -> wire.Answer | TransportError:
        """Return an answer once all of it is there."""
        body = bytearray()
        for chunk in response.iter_bytes():
            body += chunk
            if len(body) > BODY_LIMIT:
                return _no_answer(call, f"its answer is longer than {BODY_LIMIT:,} bytes")
            if self._clock.now() > deadline:
                return _no_answer(call, _incomplete(seconds))
        answer = wire.Answer(response.status_code, dict(response.headers), bytes(body))
        return wire.redacted(answer, self._token.reveal())


def _no_answer(call: wire.Call, reason: str, *, sent: bool = True) -> TransportError:
    known = "No connection to the platform" if not sent else "No complete answer from the platform"
    hint = "Check the network, the VPN and the server's address." if not sent else ""
    return TransportError(f"{known}: {reason}.", hint=hint, method=call.method, path=call.path, sent=sent)


def _incomplete(seconds: float) -> str:
    return f"its answer was not complete after {seconds:.0f} s"


def _reason(error: Exception) -> str:
    # Only the kind and httpx's own short text, cut: some texts of lower layers quote headers.
    text = one_line(error, 120)
    quotes = any(word in text.lower() for word in ("header", "authorization", "cookie", "bearer"))
    return type(error).__name__ + (f" ({text})" if text and not quotes else "")


def _user_agent() -> str:
    from versori_magics._version import __version__

    return f"versori_magics/{__version__}"
