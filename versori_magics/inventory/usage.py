"""Finds out who uses each connection of an organisation, which no single API operation returns.

Environments list their static connections (ListEnvironmentConnections), activations their dynamic ones
(ListActivations). Usage fails closed: after any failed look-up, a connection without a known use is `unknown`, and
unknown counts as in use.
"""

from __future__ import annotations

import threading
from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from versori_magics.api.concurrency import map_concurrently
from versori_magics.api.ids import canonical_ulid
from versori_magics.catch import catch
from versori_magics.errors import PlatformError
from versori_magics.text import one_line

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from versori_magics.api.client import Client
    from versori_magics.api.models import Activation, EndUser, Environment, Project

UseKind = Literal["static", "dynamic"]
UsageKind = Literal["static", "dynamic", "unused", "unknown"]
RUNNING = "running"
CONCURRENT_LOOKUPS = 16
DEFAULT_PAGE_SIZE = 20  # it is not documented whether ListEnvironmentConnections cuts its list at this length
LISTED_USERS = 3


@dataclass(frozen=True, slots=True)
class Use:
    """One use of a connection: an environment is linked to it, or an activation names it.

    Parameters
    ----------
    kind : {'static', 'dynamic'}
        Static for an environment, dynamic for an activation.
    project, project_id, environment, environment_id, status : str
        The environment that is linked or holds the activation; `status` is the environment's.
    end_user : str
        The activation's end user; empty for a static use.
    """

    kind: UseKind
    project: str
    project_id: str
    environment: str
    environment_id: str
    status: str
    end_user: str = ""

    def __str__(self) -> str:
        environment = f"{self.project} / {self.environment} ({self.status})"
        return f"end user {self.end_user} in {environment}" if self.kind == "dynamic" else environment


@dataclass(frozen=True, slots=True)
class ConnectionUsage:
    """The usage of one connection.

    Parameters
    ----------
    kind : {'static', 'dynamic', 'unused', 'unknown'}
        Static if it has both kinds of use, because the platform does not refuse to delete a static connection.
    uses : tuple of Use
        Every known use.
    problem : str
        Why the usage is unknown; empty if it is known.
    """

    kind: UsageKind
    uses: tuple[Use, ...] = ()
    problem: str = ""

    @property
    def in_use(self) -> bool:
        """Whether anybody uses the connection; unknown counts as True."""
        return self.kind != "unused"

    @property
    def running(self) -> int:
        """The number of running environments that deleting the connection would break."""
        return len(self.running_environments)

    @property
    def running_environments(self) -> dict[str, str]:
        """Id -> name of each running environment that deleting the connection would break."""
        running = [use for use in self.uses if use.kind == "static" and use.status == RUNNING]
        return {use.environment_id: f"{use.project} / {use.environment}" for use in running}

    @property
    def used_by(self) -> str:
        """The first uses in words and the number of the others; empty if nobody uses the connection."""
        first = "; ".join(str(use) for use in self.uses[:LISTED_USERS])
        others = f"; and {len(self.uses) - LISTED_USERS} more" if len(self.uses) > LISTED_USERS else ""
        return first + others or (f"usage unknown: {self.problem}" if self.problem else "")


_UNUSED = ConnectionUsage("unused")  # shared, because most connections of a large organisation are unused


@dataclass(frozen=True, slots=True)
class OrganisationUsage:
    """The usage of every connection of an organisation.

    Parameters
    ----------
    uses : mapping
        Connection id -> its uses. A connection that is missing is unused if there are no problems.
    problems : tuple of str
        Every look-up that failed or may be incomplete.
    """

    uses: Mapping[str, Sequence[Use]] = field(default_factory=dict)
    problems: tuple[str, ...] = ()

    def of(self, connection: str) -> ConnectionUsage:
        """Return the usage of the connection with this id."""
        uses = self.uses.get(connection) or self.uses.get(canonical_ulid(connection) or "")
        if uses:
            is_static = any(use.kind == "static" for use in uses)
            return ConnectionUsage("static" if is_static else "dynamic", tuple(uses))
        return ConnectionUsage("unknown", problem=self.problems[0]) if self.problems else _UNUSED


def read_usage(client: Client, lookups: int = CONCURRENT_LOOKUPS) -> OrganisationUsage:
    """Find out who uses each connection of the organisation.

    Parameters
    ----------
    client : Client
        The organisation.
    lookups : int
        Maximum number of concurrent requests. Default 16.

    Returns
    -------
    OrganisationUsage
        A look-up that fails does not raise; it is one of the `problems`.
    """
    return _UsageReader(client, lookups).read()


@dataclass(frozen=True, slots=True)
class _EnvironmentOfProject:
    project: Project
    environment: Environment

    @property
    def name(self) -> str:
        return one_line(self.environment.name or self.environment.id, 80)

    def use(self, kind: UseKind, end_user: str = "") -> Use:
        return Use(
            kind=kind,
            project=_project_name(self.project),
            project_id=self.project.id,
            environment=self.name,
            environment_id=self.environment.id,
            status=one_line(self.environment.status or "status unknown", 40),
            end_user=end_user,
        )


@dataclass(frozen=True, slots=True)
class _UseOfConnections:
    """A use with the connections that have it; None if an activation does not list its connections."""

    use: Use
    connections: Sequence[str] | None
    end_user_id: str = ""


class _UsageReader:
    """Collects the uses and problems of one organisation."""

    def __init__(self, client: Client, lookups: int) -> None:
        self._client = client
        self._lookups = lookups
        self._stop = threading.Event()
        self._uses: dict[str, list[Use]] = defaultdict(list)
        self._problems: list[str] = []

    def read(self) -> OrganisationUsage:
        self._add_uses_of_end_users(self._read_environments())
        return OrganisationUsage(
            {connection: tuple(dict.fromkeys(uses)) for connection, uses in self._uses.items()}, tuple(self._problems)
        )

    def _read_environments(self) -> list[_UseOfConnections]:
        """Collect the uses of every environment, and return those whose connections are not listed."""
        work = [
            (environment, read)
            for environment in self._environments()
            for read in (self._read_static_use, self._read_activations)
        ]
        results = map_concurrently(lambda item: item[1](item[0]), work, self._lookups, self._stop)
        without_connections: list[_UseOfConnections] = []
        for (environment, _), result in zip(work, results, strict=True):
            if result is None or isinstance(result, PlatformError):
                self._add_problem(f"environment {environment.name}", result)
            else:
                without_connections += self._add_listed_uses(result)
        return without_connections

    def _add_listed_uses(self, uses: Iterable[_UseOfConnections]) -> list[_UseOfConnections]:
        """Collect the uses whose connections are listed, and return the others."""
        without_connections = []
        for item in uses:
            if item.connections is None:
                without_connections.append(item)
            else:
                self._add_use(item.use, item.connections)
        return without_connections

    def _environments(self) -> list[_EnvironmentOfProject]:
        projects = catch(self._client.projects, PlatformError)
        if isinstance(projects, PlatformError):
            self._add_problem("the projects", projects)
            return []
        for project in projects:
            if project.environments is None:
                self._add_problem(f"project {_project_name(project)}", "the response does not list its environments")
        return [
            _EnvironmentOfProject(project, environment)
            for project in projects
            for environment in project.environments or ()
        ]

    def _read_static_use(self, environment: _EnvironmentOfProject) -> list[_UseOfConnections] | PlatformError:
        project_id, environment_id = environment.project.id, environment.environment.id
        listing = catch(
            lambda: self._client.environment_connections(project_id, environment_id, self._stop), PlatformError
        )
        if isinstance(listing, PlatformError):
            return listing
        if not listing.confirmed and len(listing.items) == DEFAULT_PAGE_SIZE:
            return PlatformError(
                f"its list ends at {DEFAULT_PAGE_SIZE} connections without a totalCount: it may be incomplete"
            )
        return [_UseOfConnections(environment.use("static"), [connection.id for connection in listing.items])]

    def _read_activations(self, environment: _EnvironmentOfProject) -> list[_UseOfConnections] | PlatformError:
        activations = catch(lambda: self._client.activations(environment.environment.id, self._stop), PlatformError)
        if isinstance(activations, PlatformError):
            return activations
        return [_use_of_activation(environment, activation) for activation in activations]

    def _add_uses_of_end_users(self, activations: Sequence[_UseOfConnections]) -> None:
        """Collect every connection of an end user whose activation does not list its connections."""
        user_ids = sorted({activation.end_user_id for activation in activations if activation.end_user_id})
        results = map_concurrently(self._read_connections_of_end_user, user_ids, self._lookups, self._stop)
        connections = dict(zip(user_ids, results, strict=True))
        for activation in activations:
            result = connections.get(activation.end_user_id)
            if result is None or isinstance(result, PlatformError):
                self._add_problem(f"the connections of end user {activation.use.end_user}", result)
            else:
                self._add_use(activation.use, result)

    def _read_connections_of_end_user(self, user_id: str) -> list[str] | PlatformError:
        listing = catch(lambda: self._client.connections(end_user_id=user_id), PlatformError)
        return listing if isinstance(listing, PlatformError) else [connection.id for connection in listing.items]

    def _add_use(self, use: Use, connections: Iterable[str]) -> None:
        for connection in connections:
            self._uses[canonical_ulid(connection) or connection].append(use)

    def _add_problem(self, subject: str, reason: PlatformError | str | None) -> None:
        text = reason.message if isinstance(reason, PlatformError) else reason or "the look-up was not finished"
        self._problems.append(one_line(f"{subject}: {text}", 300))


def _use_of_activation(environment: _EnvironmentOfProject, activation: Activation) -> _UseOfConnections:
    user, connections = activation.user, activation.connections
    return _UseOfConnections(
        environment.use("dynamic", _user_name(user)),
        None if connections is None else [connection.id for connection in connections],
        (user.id or "") if user is not None else "",
    )


def _project_name(project: Project) -> str:
    return one_line(project.name or project.id, 80)


def _user_name(user: EndUser | None) -> str:
    if user is None:
        return "without a name"
    name = one_line(user.display_name or user.external_id or user.id or "without a name", 80)
    return f"{name} ({one_line(user.external_id, 60)})" if user.display_name and user.external_id else name
