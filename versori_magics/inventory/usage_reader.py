"""Finds out who uses each connection of an organisation, which no single API operation returns.

Three look-ups for each environment: its linked connections (ListEnvironmentConnections), the activations of its end
users (ListActivations), and the activation of its static user (ListActivations with `static`). An activation that does
not list its connections is asked for (GetActivation).
"""

from __future__ import annotations

import threading
from collections import defaultdict
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, TypeVar

import msgspec

from versori_magics.api.concurrency import map_concurrently
from versori_magics.catch import catch
from versori_magics.errors import ArgumentError, PlatformError
from versori_magics.inventory.usage import OrganisationUsage, UsageScope, Use
from versori_magics.text import number_of, one_line

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from versori_magics.api.client import Client
    from versori_magics.api.models import Activation, ConnectionReference, EndUser, Environment, Project
    from versori_magics.api.pagination import Listing

T = TypeVar("T")
R = TypeVar("R")

CONCURRENT_LOOKUPS = 16
DEFAULT_PAGE_SIZE = 20  # it is not documented whether ListEnvironmentConnections cuts its list at this length or above


def read_usage(client: Client, lookups: int = CONCURRENT_LOOKUPS, *, no_projects: bool = False) -> OrganisationUsage:
    """Find out who uses each connection of the organisation.

    Parameters
    ----------
    client : Client
        The organisation.
    lookups : int
        Maximum number of concurrent requests. Default 16.
    no_projects : bool
        Whether the user says that the organisation has no projects. If not, an empty list of projects is a problem:
        a token that may not see the projects gets one too. Default False.

    Returns
    -------
    OrganisationUsage
        A look-up that fails does not raise; it is one of the `problems`.

    Raises
    ------
    ArgumentError
        If there are projects despite `no_projects`.
    """
    return _UsageReader(client, lookups, no_projects=no_projects).read()


@dataclass(slots=True)
class _EnvironmentLists:
    """An environment with the answers to its look-ups; None if a look-up was not finished."""

    project: Project
    environment: Environment
    links: Listing[ConnectionReference] | PlatformError | None = None
    activations: list[Activation] | PlatformError | None = None
    static_activations: list[Activation] | PlatformError | None = None

    @property
    def name(self) -> str:
        return f"{_project_name(self.project)} / {self._environment_name}"

    @property
    def _environment_name(self) -> str:
        return one_line(self.environment.name or self.environment.id, 80)

    def static_use(self) -> Use:
        return Use(
            kind="static",
            project=_project_name(self.project),
            project_id=self.project.id,
            environment=self._environment_name,
            environment_id=self.environment.id,
            status=one_line(self.environment.status or "status unknown", 40),
        )

    def use_by_end_user(self, activation: Activation) -> Use:
        user, activation_id = activation.user, activation.id or ""
        end_user_id = (user.id or user.external_id if user else "") or activation_id
        return replace(self.static_use(), kind="dynamic", end_user=_user_name(user), end_user_id=end_user_id)


@dataclass(frozen=True, slots=True)
class _ActivationUse:
    """The use that an activation makes of its connections."""

    use: Use
    activation: Activation

    @property
    def subject(self) -> str:
        return f"the connections of {self.use if self.use.kind == 'dynamic' else f'the static user of {self.use}'}"


class _UsageReader:
    """Collects the uses and problems of one organisation."""

    def __init__(self, client: Client, lookups: int, *, no_projects: bool) -> None:
        self._client = client
        self._lookups = lookups
        self._no_projects = no_projects
        self._stop = threading.Event()
        self._uses: dict[str, list[Use]] = defaultdict(list)
        self._problems: list[str] = []

    def read(self) -> OrganisationUsage:
        projects = self._list_projects()
        environments = [
            _EnvironmentLists(project, environment)
            for project in projects
            for environment in project.environments or ()
        ]
        self._read_environments(environments)
        activations = [activation for environment in environments for activation in self._collect(environment)]
        self._add_activations(activations)
        return OrganisationUsage(
            {connection: tuple(dict.fromkeys(uses)) for connection, uses in self._uses.items()},
            tuple(self._problems),
            UsageScope(len(projects), len(environments), len(activations)),
        )

    def _list_projects(self) -> list[Project]:
        projects = catch(self._client.projects, PlatformError)
        if isinstance(projects, PlatformError):
            self._add_problem("the projects", projects)
            return []
        if projects and self._no_projects:
            raise _unexpected_projects(projects)
        if not projects and not self._no_projects:
            self._add_problem("the projects", "the platform lists none, as it does if the token may not see them")
        for project in projects:
            if project.environments is msgspec.UNSET:
                self._add_problem(f"project {_project_name(project)}", "the response does not list its environments")
        return projects

    def _read_environments(self, environments: Sequence[_EnvironmentLists]) -> None:
        look_ups = (self._read_links, self._read_activations, self._read_static_activations)
        work = [partial(look_up, environment) for environment in environments for look_up in look_ups]
        self._run(lambda look_up: look_up(), work)

    def _read_links(self, lists: _EnvironmentLists) -> None:
        project, environment = lists.project.id, lists.environment.id
        lists.links = catch(
            lambda: self._client.environment_connections(project, environment, self._stop), PlatformError
        )

    def _read_activations(self, lists: _EnvironmentLists) -> None:
        environment = lists.environment.id
        lists.activations = catch(lambda: self._client.activations(environment, self._stop), PlatformError)

    def _read_static_activations(self, lists: _EnvironmentLists) -> None:
        environment = lists.environment.id
        lists.static_activations = catch(
            lambda: self._client.activations(environment, self._stop, static=True), PlatformError
        )

    def _collect(self, lists: _EnvironmentLists) -> list[_ActivationUse]:
        """Collect the links of an environment, and return its activations."""
        self._add_links(lists)
        activations = self._known(f"the activations of {lists.name}", lists.activations)
        with_static = self._known(f"the static user of {lists.name}", lists.static_activations)
        if activations is None:  # then it is not known which of the others is the static user's
            return []
        ids = {activation.id for activation in activations if activation.id}
        static = [activation for activation in with_static or () if activation.id not in ids]
        return [_ActivationUse(lists.use_by_end_user(activation), activation) for activation in activations] + [
            _ActivationUse(lists.static_use(), activation) for activation in static
        ]

    def _add_links(self, lists: _EnvironmentLists) -> None:
        subject = f"the connections linked to {lists.name}"
        links = self._known(subject, lists.links)
        if links is None:
            return
        self._add_use(lists.static_use(), links.items)
        if not links.confirmed and len(links.items) >= DEFAULT_PAGE_SIZE:
            count = number_of(len(links.items), "connection")
            self._add_problem(subject, f"the list ends at {count} without a totalCount, so it may be incomplete")

    def _add_activations(self, activations: Sequence[_ActivationUse]) -> None:
        """Collect the uses by activations; those that do not list their connections are asked for."""
        unlisted = [item for item in activations if item.activation.connections is msgspec.UNSET]
        answers = iter(self._run(self._read_connections, unlisted))
        for item in activations:
            connections = item.activation.connections
            if connections is msgspec.UNSET:
                self._add_use(item.use, self._known(item.subject, next(answers)) or ())
            else:
                self._add_use(item.use, connections or ())

    def _read_connections(self, item: _ActivationUse) -> Sequence[ConnectionReference] | PlatformError:
        activation_id = item.activation.id
        if activation_id is None:
            return PlatformError("the activation lists none and has no id")
        activation = catch(
            lambda: self._client.activation(item.use.environment_id, activation_id, self._stop), PlatformError
        )
        if isinstance(activation, PlatformError):
            return activation
        if activation.connections is msgspec.UNSET:
            return PlatformError("the activation does not list them")
        return activation.connections or ()

    def _run(self, look_up: Callable[[T], R], items: Sequence[T]) -> list[R | None]:
        return map_concurrently(look_up, items, self._lookups, self._stop)

    def _known(self, subject: str, result: R | PlatformError | None) -> R | None:
        """Return the result of a look-up; if it failed or was not finished, record the problem."""
        if result is None or isinstance(result, PlatformError):
            self._add_problem(subject, result)
            return None
        return result

    def _add_use(self, use: Use, connections: Iterable[ConnectionReference]) -> None:
        for connection in connections:
            self._uses[connection.id].append(use)

    def _add_problem(self, subject: str, reason: PlatformError | str | None) -> None:
        text = reason.message if isinstance(reason, PlatformError) else reason or "the look-up was not finished"
        self._problems.append(one_line(f"{subject}: {text}", 300))


def _project_name(project: Project) -> str:
    return one_line(project.name or project.id, 80)


def _user_name(user: EndUser | None) -> str:
    if user is None:
        return "without a name"
    name = one_line(user.display_name or user.external_id or user.id or "without a name", 80)
    return f"{name} ({one_line(user.external_id, 60)})" if user.display_name and user.external_id else name


def _unexpected_projects(projects: Sequence[Project]) -> ArgumentError:
    return ArgumentError(
        f"The organisation has {number_of(len(projects), 'project')}, although you said that it has none."
        " Nothing was deleted.",
        hint="Leave that option out: who uses the connections is then read from the projects.",
    )
