"""The resources of an organisation, as immutable values."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class AuthScheme:
    """One way in which a system authenticates its callers; `type` is such as ``oauth2``."""

    id: str
    type: str


@dataclass(frozen=True, slots=True)
class System:
    """An external API that connections call."""

    id: str
    name: str
    domain: str
    base_url: str
    auth_schemes: tuple[AuthScheme, ...]


@dataclass(frozen=True, slots=True)
class Credential:
    """One credential of a connection; `errors` is None if the credential was never validated.

    `expires_at` is when the token of an ``oauth2-token`` expires, or when any other credential is to be removed.
    """

    id: str
    auth_scheme: AuthScheme
    type: str
    name: str
    errors: tuple[str, ...] | None
    expires_at: str | None


@dataclass(frozen=True, slots=True)
class Connection:
    """The credentials that let code call one system.

    A connection of an end user is dynamic, and `end_user_id` is its owner. A static connection has no owner.
    """

    id: str
    name: str
    system_id: str
    base_url: str | None
    template_id: str | None
    end_user_id: str | None
    credentials: tuple[Credential, ...]
    created_at: str
    updated_at: str


@dataclass(frozen=True, slots=True)
class Environment:
    """One deployment of a project, such as production; `status` says whether it is running."""

    id: str
    name: str
    status: str
    created_at: str
    updated_at: str


@dataclass(frozen=True, slots=True)
class Project:
    """An integration and its environments."""

    id: str
    name: str
    created_at: str
    updated_at: str
    starred: bool
    environments: tuple[Environment, ...]


@dataclass(frozen=True, slots=True)
class EndUser:
    """A customer of the organisation who brings connections of their own."""

    id: str
    external_id: str
    display_name: str
    created_at: str
    updated_at: str


@dataclass(frozen=True, slots=True)
class Variable:
    """A dynamic variable of an activation."""

    name: str
    value: str


@dataclass(frozen=True, slots=True)
class Activation:
    """An end user who is activated in an environment, and the connections that the end user needs there.

    Parameters
    ----------
    connection_ids : tuple of str
        Usually connections of the end user; a static connection can be among them.
    is_static : bool
        Whether it is the activation of the environment's built-in static user, whose connections are used by workflows
        without an end user.
    lists_connections : bool
        Whether ListActivations shows the connections; GetActivation always does.
    """

    id: str
    end_user: EndUser
    environment_id: str
    connection_ids: tuple[str, ...]
    variables: tuple[Variable, ...] = ()
    is_static: bool = False
    lists_connections: bool = True


@dataclass(frozen=True, slots=True)
class Link:
    """The use of a static connection by an environment, through a connection template."""

    connection_id: str
    environment_id: str
    template_id: str


@dataclass(frozen=True, slots=True)
class Organisation:
    """Everything that one organisation owns when the emulator starts."""

    id: str
    systems: tuple[System, ...]
    projects: tuple[Project, ...]
    end_users: tuple[EndUser, ...]
    connections: tuple[Connection, ...]
    activations: tuple[Activation, ...]
    links: tuple[Link, ...]
