"""The client of one organisation: one method per operation of the platform's API."""

from __future__ import annotations

import random
import threading
import weakref
from functools import partial
from operator import attrgetter
from typing import TYPE_CHECKING, TypeVar

import msgspec

from versori_magics.api import models, protocol, retry
from versori_magics.api.auth import Secret, choose_scheme, jwt_claims, parse_auth_scheme, parse_token
from versori_magics.api.clock import Clock
from versori_magics.api.ids import parse_ulid
from versori_magics.api.pagination import PAGE_SIZES, Listing, fetch_all_pages, page_query
from versori_magics.api.sender import Sender
from versori_magics.api.servers import parse_server
from versori_magics.catch import catch
from versori_magics.errors import ApiError, IncompleteError, NotFoundError, PlatformError, TransportError
from versori_magics.interrupts import deferred_interrupts

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType
    from typing import Self

    import httpx

T = TypeVar("T")
PageT = TypeVar("PageT")

READ_SECONDS = 30.0  # a page of 1,000 connections takes a while
DELETE_SECONDS = 10.0  # if the response is late, the run looks up whether the connection still exists


class Client:
    """Calls the API for one organisation of one server; safe to use from several threads.

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
    policy : retry.RetryPolicy, optional
        Applies to reads. `delete` sends once; the run journals and repeats it.
    clock : Clock, optional
        Source of time; tests replace it.
    transport : httpx.BaseTransport, optional
        Used for all requests instead of connections to the server; for tests.

    Raises
    ------
    SettingsError
        If server, organisation, token or auth is invalid.
    """

    def __init__(
        self,
        server: str,
        organisation: str,
        token: str | Secret,
        auth: str = "auto",
        *,
        policy: retry.RetryPolicy | None = None,
        clock: Clock | None = None,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        # Before anything can fail: a traceback may show arguments, so they must not be the token.
        token = Secret.of(token)
        with deferred_interrupts():
            from versori_magics.api.transport_pool import TransportPool, open_pool

        self._token = parse_token(token)
        self.server = parse_server(server)
        self.organisation = parse_ulid(organisation, "organisation")
        self.auth = choose_scheme(self._token, parse_auth_scheme(auth))
        self._policy = policy or retry.RetryPolicy()
        self._clock = clock or Clock()
        self._page_sizes: dict[str, int | None] = {}  # list -> accepted page size
        pool = open_pool(self.server) if transport is None else TransportPool(lambda: transport)
        self._sender = Sender(self.server, self._token, self.auth, pool, self._clock)
        weakref.finalize(self, pool.close)

    def __repr__(self) -> str:
        return f"Client({self.server!r}, {self.organisation!r}, ***, auth={self.auth!r})"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, error_type: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close idle sockets now, and each busy one when its request ends."""
        self._sender.close()

    def for_organisation(self, organisation: str) -> Client:
        """Return a client for an organisation on the same server, with the same token; perhaps this one."""
        if parse_ulid(organisation, "organisation") == self.organisation:
            return self
        return Client(self.server, organisation, self._token, self.auth, policy=self._policy, clock=self._clock)

    @property
    def token_subject(self) -> str:
        """The unverified `sub` of the token if it is a JWT that has one; otherwise empty."""
        subject = jwt_claims(self._token).get("sub")
        return str(subject) if isinstance(subject, str | int) else ""

    def connections(
        self, *, system_id: str | None = None, end_user_id: str | None = None
    ) -> Listing[models.Connection]:
        """List all connections of the organisation.

        Parameters
        ----------
        system_id, end_user_id : str, optional
            ULIDs. List only the connections to this system, or of this end user.

        Raises
        ------
        PlatformError
            If a page fails or the list is incomplete.
        """
        query = {name: value for name, value in (("system_id", system_id), ("end_user_id", end_user_id)) if value}
        build_request = partial(protocol.list_connections, self.organisation, **query)
        return self._list("connections", build_request, models.Page[models.Connection])

    def systems(self) -> Listing[models.System]:
        """List all systems of the organisation."""
        return self._list("systems", partial(protocol.list_systems, self.organisation), models.Page[models.System])

    def connection(self, connection: str, stop: threading.Event | None = None) -> models.Connection:
        """Return one connection.

        Raises
        ------
        NotFoundError
            If it does not exist. If the error is not `documented`, a gateway may have answered.
        """
        return self._read(protocol.get_connection(self.organisation, connection), models.Connection, stop)

    def exists(self, connection: str, stop: threading.Event | None = None) -> bool | None:
        """Tell whether a connection exists; None if unknown."""
        try:
            self.connection(connection, stop)
        except NotFoundError as error:
            return False if error.documented else None
        except PlatformError:
            return None
        return True

    def delete(self, connection: str) -> None:
        """Send one request to delete a connection.

        Raises
        ------
        ApiError, TransportError
            If the response is anything but the documented 204.
        """
        request = protocol.delete_connection(self.organisation, connection)
        response = self._sender.send(request, DELETE_SECONDS)
        if isinstance(response, TransportError):
            raise response
        protocol.raise_unless_deleted(request, response)

    def projects(self) -> list[models.Project]:
        """List the projects with their environments. ListProjects is not paged.

        Raises
        ------
        PlatformError
            If the request fails or the response contains no list.
        """
        projects = self._read(protocol.list_projects(self.organisation), models.Projects).projects
        if projects is msgspec.UNSET:
            raise PlatformError("The response of ListProjects contains no list of projects.")
        return projects or []

    def environment_connections(
        self, project: str, environment: str, stop: threading.Event | None = None
    ) -> Listing[models.ConnectionReference]:
        """List the static connections of one environment."""
        build_request = partial(protocol.list_environment_connections, self.organisation, project, environment)
        fetch_page = self._page_reader(build_request, models.Page[models.ConnectionReference], stop)
        # ListEnvironmentConnections documents no page size.
        noun = f"connections of environment {environment}"
        return fetch_all_pages(fetch_page, attrgetter("id"), noun, page_size=None)[0]

    def activations(
        self, environment: str, stop: threading.Event | None = None, *, static: bool = False
    ) -> list[models.Activation]:
        """List the end users who are activated in one environment.

        With `static`, list the environment's static user; ListActivations may then list the end users too.
        """
        query = {"static": "true"} if static else {}
        request = protocol.list_activations(self.organisation, environment, **query)
        return self._read(request, models.Activations, stop) or []

    def activation(self, environment: str, activation: str, stop: threading.Event | None = None) -> models.Activation:
        """Return one activation."""
        return self._read(protocol.get_activation(self.organisation, environment, activation), models.Activation, stop)

    def end_users(self, search: str = "") -> list[models.EndUser]:
        """List the end users, or only those that match a search."""
        build_request = partial(protocol.list_end_users, self.organisation, **({"search": search} if search else {}))
        fetch_page = self._page_reader(build_request, models.EndUserPage)
        # ListEndUsers documents no page size, so one is asked for only if the list is incomplete without it.
        listing = catch(
            lambda: fetch_all_pages(fetch_page, attrgetter("id"), "end users", page_size=None), IncompleteError
        )
        if isinstance(listing, IncompleteError):
            listing = fetch_all_pages(fetch_page, attrgetter("id"), "end users")
        return listing[0].items

    def _list(
        self, noun: str, build_request: Callable[..., protocol.ApiRequest], page_type: type[models.Page[T]]
    ) -> Listing[T]:
        fetch_page = self._page_reader(build_request, page_type)
        page_size = self._page_sizes.get(noun, PAGE_SIZES[0])
        listing, self._page_sizes[noun] = fetch_all_pages(fetch_page, attrgetter("id"), noun, page_size)
        return listing

    def _page_reader(
        self,
        build_request: Callable[..., protocol.ApiRequest],
        page_type: type[PageT],
        stop: threading.Event | None = None,
    ) -> Callable[[int | None, str | None], PageT]:
        """Return a function that reads one page, as `fetch_all_pages` needs it."""
        return lambda page_size, cursor: self._read(build_request(**page_query(page_size, cursor)), page_type, stop)

    def _read(self, request: protocol.ApiRequest, body_type: type[T], stop: threading.Event | None = None) -> T:
        """Send a read until it succeeds or the policy gives up."""
        stop = stop or threading.Event()
        start = self._clock.now()  # moved by each pause that the platform asks for, which the policy does not count
        attempt = 0
        while True:
            attempt += 1
            result = self._read_once(request, body_type)
            if not isinstance(result, PlatformError):
                return result
            elapsed = self._clock.now() - start
            decision = retry.decide(self._policy, attempt, elapsed, result, random.random())  # noqa: S311 - jitter
            if isinstance(decision, retry.GiveUp) or not self._clock.wait(stop, decision.wait):
                if isinstance(result, ApiError | TransportError):
                    result.attempts = attempt
                raise result
            start += decision.wait if decision.pause else 0

    def _read_once(self, request: protocol.ApiRequest, body_type: type[T]) -> T | PlatformError:
        response = self._sender.send(request, READ_SECONDS)
        if isinstance(response, PlatformError):
            return response
        return catch(lambda: protocol.decode_response(request, response, body_type), PlatformError)
