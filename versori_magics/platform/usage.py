"""Who needs a connection: the join that the API does not offer.

Static connections are found through every environment, dynamic ones through every activation. It fails closed: one
look-up that fails makes every connection that is not known to be in use `unknown`, and unknown counts as in use.
"""

from __future__ import annotations

import threading
from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from versori_magics.errors import PlatformError
from versori_magics.platform.ids import canonical_ulid
from versori_magics.platform.workers import side_by_side
from versori_magics.text import one_line

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from versori_magics.platform.client import Client
    from versori_magics.platform.models import Activation, EndUser, Environment, Linked, Project

Kind = Literal["static", "dynamic", "unused", "unknown"]
RUNNING = "running"
LOOKUPS = 16  # side by side
SERVERS_OWN_PAGE = 20  # platform-api: whether ListEnvironmentConnections is cut at 20 is not known
SHOWN_USERS = 3


@dataclass(frozen=True, slots=True)
class Use:
    """One need: an environment that is linked to a connection, or an end user's activation that uses it.

    Parameters
    ----------
    kind : {'static', 'dynamic'}
        Which of the two.
    project, project_id, environment, environment_id, status : str
        Where; `status` is the environment's.
    end_user : str
        Who, for a dynamic one; else empty.
    """

    kind: Literal["static", "dynamic"]
    project: str
    project_id: str
    environment: str
    environment_id: str
    status: str
    end_user: str = ""

    def __str__(self) -> str:
        place = f"{self.project} / {self.environment} ({self.status})"
        return f"end user {self.end_user} in {place}" if self.kind == "dynamic" else place


@dataclass(frozen=True, slots=True)
class ConnectionUsage:
    """The usage of one connection.

    Parameters
    ----------
    kind : {'static', 'dynamic', 'unused', 'unknown'}
        Static wins where it is both: that is the one whose deletion is not refused.
    uses : tuple of Use
        Every need that was found.
    problem : str
        Why it is unknown; empty where it is known.
    """

    kind: Kind
    uses: tuple[Use, ...] = ()
    problem: str = ""

    @property
    def in_use(self) -> bool:
        """Whether anybody needs it; unknown counts as True."""
        return self.kind != "unused"

    @property
    def running(self) -> int:
        """How many running environments its deletion would break."""
        return len({use.environment_id for use in self.uses if use.kind == "static" and use.status == RUNNING})

    @property
    def used_by(self) -> str:
        """Who needs it, readable; empty where nobody does."""
        named = "; ".join(str(use) for use in self.uses[:SHOWN_USERS])
        more = f"; and {len(self.uses) - SHOWN_USERS} more" if len(self.uses) > SHOWN_USERS else ""
        return named + more or (f"not known: {self.problem}" if self.problem else "")


@dataclass(frozen=True, slots=True)
class Usage:
    """The usage of a whole organisation.

    Parameters
    ----------
    uses : mapping
        Connection id -> its uses. A connection that is missing is used by nobody, if there is no problem.
    problems : tuple of str
        Each look-up that failed or looks cut short.
    """

    uses: Mapping[str, Sequence[Use]] = field(default_factory=dict)
    problems: tuple[str, ...] = ()

    def of(self, connection: str) -> ConnectionUsage:
        """Return the usage of one connection."""
        uses = self.uses.get(connection) or self.uses.get(canonical_ulid(connection) or "")
        if uses:
            static = any(use.kind == "static" for use in uses)
            return ConnectionUsage("static" if static else "dynamic", tuple(uses))
        if self.problems:
            return ConnectionUsage("unknown", problem=self.problems[0])
        return _UNUSED


_UNUSED = ConnectionUsage("unused")  # one for all: most connections of a large organisation are


@dataclass(frozen=True, slots=True)
class _Place:
    """One environment of one project."""

    project: Project
    environment: Environment

    def use(self, kind: Literal["static", "dynamic"], user: EndUser | None = None) -> Use:
        return Use(
            kind=kind,
            project=one_line(self.project.name or self.project.id, 80),
            project_id=self.project.id,
            environment=one_line(self.environment.name or self.environment.id, 80),
            environment_id=self.environment.id,
            status=one_line(self.environment.status or "status not known", 40),
            end_user=_user_name(user) if kind == "dynamic" else "",
        )


def read_usage(client: Client, lookups: int = LOOKUPS) -> Usage:
    """Find out who needs each connection of the organisation.

    Parameters
    ----------
    client : Client
        Which organisation.
    lookups : int
        Requests side by side. Default 16.

    Returns
    -------
    Usage
        Look-ups that fail are its problems; nothing is raised for them.
    """
    return _Reader(client, lookups).read()


class _Reader:
    def __init__(self, client: Client, lookups: int) -> None:
        self.client = client
        self.lookups = lookups
        self.stop = threading.Event()
        self.uses: dict[str, list[Use]] = defaultdict(list)
        self.problems: list[str] = []

    def read(self) -> Usage:
        places = self._places()
        work = [(place, look) for place in places for look in (self._linked, self._activations)]
        # Activations that do not list their connections: their end users' connections are asked for afterwards.
        unlisted: list[tuple[_Place, EndUser | None]] = []
        for (place, _), found in zip(
            work, side_by_side(lambda item: item[1](item[0]), work, self.lookups, self.stop), strict=True
        ):
            if found is None or isinstance(found, PlatformError):
                self._problem(f"environment {place.use('static').environment}", found)
                continue
            for item in found:
                self._note(place, item, unlisted)
        self._of_end_users(unlisted)
        return Usage({key: tuple(dict.fromkeys(uses)) for key, uses in self.uses.items()}, tuple(self.problems))

    def _places(self) -> list[_Place]:
        try:
            projects = self.client.projects()
        except PlatformError as error:
            self._problem("the projects", error)
            return []
        for project in projects:
            if project.environments is None:
                self._problem(f"project {one_line(project.name or project.id, 80)}", "it holds no list of environments")
        return [_Place(project, environment) for project in projects for environment in project.environments or ()]

    def _linked(self, place: _Place) -> Sequence[Linked] | PlatformError:
        try:
            found = self.client.environment_connections(place.project.id, place.environment.id, self.stop)
        except PlatformError as error:
            return error
        if not found.confirmed and len(found.items) == SERVERS_OWN_PAGE:
            return PlatformError(f"its list ends at {SERVERS_OWN_PAGE}, and no totalCount says that this is all")
        return found.items

    def _activations(self, place: _Place) -> Sequence[Activation] | PlatformError:
        try:
            return self.client.activations(place.environment.id, self.stop)
        except PlatformError as error:
            return error

    def _note(self, place: _Place, item: Linked | Activation, unlisted: list[tuple[_Place, EndUser | None]]) -> None:
        from versori_magics.platform.models import Activation

        if not isinstance(item, Activation):
            self._add(item.id, place.use("static"))
        elif item.connections is None:
            unlisted.append((place, item.user))
        else:
            for linked in item.connections:
                self._add(linked.id, place.use("dynamic", item.user))

    def _of_end_users(self, unlisted: list[tuple[_Place, EndUser | None]]) -> None:
        ids = sorted({user.id for _, user in unlisted if user is not None and user.id})
        found = dict(zip(ids, side_by_side(self._of_end_user, ids, self.lookups, self.stop), strict=True))
        for place, user in unlisted:
            result = found.get(user.id or "") if user is not None else None
            if result is None or isinstance(result, PlatformError):
                self._problem(f"the connections of end user {_user_name(user)}", result)
                continue
            for connection in result:
                self._add(connection, place.use("dynamic", user))

    def _of_end_user(self, user: str) -> list[str] | PlatformError:
        try:
            return [connection.id for connection in self.client.connections(end_user_id=user).items]
        except PlatformError as error:
            return error

    def _add(self, connection: str, use: Use) -> None:
        self.uses[canonical_ulid(connection) or connection].append(use)

    def _problem(self, what: str, why: PlatformError | str | None) -> None:
        text = why.message if isinstance(why, PlatformError) else why or "it was not asked for"
        self.problems.append(one_line(f"{what}: {text}", 300))


def _user_name(user: EndUser | None) -> str:
    if user is None:
        return "without a name"
    name = one_line(user.display_name or user.external_id or user.id or "without a name", 80)
    return f"{name} ({one_line(user.external_id, 60)})" if user.display_name and user.external_id else name
