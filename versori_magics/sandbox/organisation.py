"""What an organisation owns, as frozen values."""

from __future__ import annotations

from dataclasses import dataclass

WELL_KNOWN = "sandbox"  # the token: no secret, it opens nothing but the sandbox


@dataclass(frozen=True, slots=True)
class System:
    """An external API that connections lead to."""

    id: str
    name: str
    domain: str
    base_url: str
    schemes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Credential:
    """One credential of a connection; `errors` is None where it was never validated."""

    id: str
    scheme: str
    type: str
    name: str
    errors: tuple[str, ...] | None
    expires_at: str | None


@dataclass(frozen=True, slots=True)
class Connection:
    """What lets code call one system."""

    id: str
    name: str
    system: str
    base_url: str | None
    template: str | None
    credentials: tuple[Credential, ...]
    created_at: str
    updated_at: str


@dataclass(frozen=True, slots=True)
class Environment:
    """Where a project runs."""

    id: str
    name: str
    status: str


@dataclass(frozen=True, slots=True)
class Project:
    """Integration code with its environments."""

    id: str
    name: str
    created_at: str
    updated_at: str
    starred: bool
    environments: tuple[Environment, ...]


@dataclass(frozen=True, slots=True)
class EndUser:
    """Somebody who brings connections of their own."""

    id: str
    external_id: str
    display_name: str


@dataclass(frozen=True, slots=True)
class Activation:
    """An end user switched on in an environment, with the ids of the connections that this needs."""

    id: str
    user: EndUser
    environment: str
    connections: tuple[str, ...]
    variables: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Link:
    """A static connection that an environment uses, through a connection template."""

    connection: str
    environment: str
    template: str


@dataclass(frozen=True, slots=True)
class Organisation:
    """Everything that one organisation owns, as it was seeded."""

    id: str
    systems: tuple[System, ...]
    projects: tuple[Project, ...]
    users: tuple[EndUser, ...]
    connections: tuple[Connection, ...]
    activations: tuple[Activation, ...]
    links: tuple[Link, ...]
