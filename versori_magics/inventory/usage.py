"""Who uses a connection: the environments that it is linked to, and the activations that name it.

Usage fails closed. A look-up that failed can concern every connection, so after one failure the usage of every
connection is `unknown`, even beside known uses, and unknown counts as in use.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from versori_magics.text import number_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

UseKind = Literal["static", "dynamic"]
UsageKind = Literal["static", "dynamic", "unused", "unknown"]
RUNNING = "running"
LISTED_USERS = 3


@dataclass(frozen=True, slots=True)
class Use:
    """One use of a connection: an environment is linked to it, or an activation names it.

    Parameters
    ----------
    kind : {'static', 'dynamic'}
        Static for an environment or its static user, on whom workflows without an end user run; dynamic for the
        activation of an end user.
    project, project_id, environment, environment_id, status : str
        The environment that is linked or holds the activation; `status` is the environment's.
    end_user : str
        The activation's end user in words; empty for a static use.
    end_user_id : str
        What identifies the end user: the id or, without one, the external id or the activation's id. Empty for a
        static use.
    """

    kind: UseKind
    project: str
    project_id: str
    environment: str
    environment_id: str
    status: str
    end_user: str = ""
    end_user_id: str = ""

    def __str__(self) -> str:
        environment = f"{self.project} / {self.environment} ({self.status})"
        return f"end user {self.end_user} in {environment}" if self.kind == "dynamic" else environment


@dataclass(frozen=True, slots=True)
class ConnectionUsage:
    """The usage of one connection.

    Parameters
    ----------
    kind : {'static', 'dynamic', 'unused', 'unknown'}
        Static if it has both kinds of use, because the platform does not refuse to delete a static connection. Unknown
        if a look-up that could concern the connection failed, even if it has known uses.
    uses : tuple of Use
        Every known use, each once.
    problem : str
        Why the usage is unknown; empty if it is known.
    """

    kind: UsageKind
    uses: tuple[Use, ...] = ()
    problem: str = ""

    @property
    def is_fully_known(self) -> bool:
        """Whether `uses` is known to be everything."""
        return self.kind != "unknown"

    @property
    def in_use(self) -> bool:
        """Whether anybody uses the connection; unknown counts as True."""
        return self.kind != "unused"

    @property
    def running(self) -> int:
        """The number of running environments, as far as known, that deleting the connection would break."""
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
        if self.is_fully_known:
            return first + others
        if not self.uses:
            return f"usage unknown: {self.problem}"
        return f"at least {number_of(len(self.uses), 'use')}, and {self.problem}. Known: {first}{others}"


_UNUSED = ConnectionUsage("unused")  # shared, because most connections of a large organisation are unused


@dataclass(frozen=True, slots=True)
class UsageScope:
    """How much was looked at to find out who uses the connections of an organisation.

    Parameters
    ----------
    projects, environments, activations : int
        How many; activations include those of static users.
    """

    projects: int = 0
    environments: int = 0
    activations: int = 0

    def __str__(self) -> str:
        return (
            f"{number_of(self.projects, 'project')}, {number_of(self.environments, 'environment')}"
            f" and {number_of(self.activations, 'activation')}"
        )


@dataclass(frozen=True, slots=True)
class OrganisationUsage:
    """The usage of every connection of an organisation.

    Parameters
    ----------
    uses : mapping
        Connection id -> its uses. A connection that is missing is unused if there are no problems.
    problems : tuple of str
        Every look-up that failed or may be incomplete.
    scope : UsageScope
        How much was looked at.
    """

    uses: Mapping[str, Sequence[Use]] = field(default_factory=dict)
    problems: tuple[str, ...] = ()
    scope: UsageScope = field(default_factory=UsageScope)

    def of(self, connection: str) -> ConnectionUsage:
        """Return the usage of the connection with this canonical id."""
        uses = tuple(self.uses.get(connection, ()))
        if self.problems:
            return ConnectionUsage("unknown", uses, self._problem())
        if not uses:
            return _UNUSED
        return ConnectionUsage("static" if any(use.kind == "static" for use in uses) else "dynamic", uses)

    def _problem(self) -> str:
        first, *others = self.problems
        if not others:
            return f"1 look-up failed or is incomplete ({first})"
        return f"{len(others) + 1:,} look-ups failed or are incomplete (the first: {first})"
