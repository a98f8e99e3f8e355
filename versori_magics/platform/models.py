"""What the platform sends, as frozen structs with only the fields that are needed.

Tolerant on purpose: a field may be missing, null or new. Credential `data` has no field here, so it is never decoded.
Source of the shapes: platform-api, "Shapes" and "Operations".
"""

from __future__ import annotations

from typing import Any, Generic, TypeVar

import msgspec

T = TypeVar("T")


class _Model(msgspec.Struct, frozen=True, rename="camel", gc=False):
    pass


class AuthScheme(_Model, frozen=True):
    """How a system is authenticated to; `type` is open: new values may come."""

    type: str | None = None


class CredentialState(_Model, frozen=True):
    """A credential without its data. `errors`: UNSET never validated, empty valid."""

    type: str | None = None
    errors: tuple[Any, ...] | msgspec.UnsetType | None = msgspec.UNSET
    expires_at: str | None = None


class Credential(_Model, frozen=True):
    """One of a connection's credentials."""

    auth_scheme_config: AuthScheme | None = None
    credential: CredentialState | None = None


class Connection(_Model, frozen=True):
    """A connection. Whether it is static or dynamic, and whether it is in use, it does not say itself."""

    id: str
    name: str | None = None
    base_url: str | None = None
    system_id: str | None = None
    connection_template_id: str | None = None
    created_at: str | None = None
    updated_at: str | None = None
    credentials: tuple[Credential | None, ...] | None = None


class System(_Model, frozen=True):
    """An external API that connections lead to."""

    id: str
    name: str | None = None
    domain: str | None = None


class EndUser(_Model, frozen=True):
    """Somebody who brings connections of their own."""

    id: str | None = None
    external_id: str | None = None
    display_name: str | None = None


class Environment(_Model, frozen=True):
    """Where a project runs; `status` is open: running, suspended, error, draft, and what may come."""

    id: str
    name: str | None = None
    status: str | None = None


class Project(_Model, frozen=True):
    """Integration code with its environments; None where the platform gave no list of them."""

    id: str
    name: str | None = None
    environments: tuple[Environment, ...] | None = None


class Projects(_Model, frozen=True):
    """The answer of ListProjects."""

    projects: list[Project] | None = None


class Linked(_Model, frozen=True):
    """A connection as an activation or an environment names it: its id is all that is needed."""

    id: str


class Activation(_Model, frozen=True):
    """An end user switched on in an environment; `connections` is optional in the reference."""

    id: str | None = None
    user: EndUser | None = None
    connections: tuple[Linked, ...] | None = None


class Page(_Model, Generic[T], frozen=True):
    """One page of a list."""

    total_count: int | None = None
    next: str | None = None
    items: list[T] | None = None


class EndUserPage(_Model, frozen=True):
    """One page of ListEndUsers, which names its items `users`."""

    total_count: int | None = None
    next: str | None = None
    users: list[EndUser] | None = None

    @property
    def items(self) -> list[EndUser] | None:
        """The page's items, under the name that every other page has."""
        return self.users


class ErrorBody(_Model, frozen=True):
    """The documented Error: `code` and `message` are required, so a gateway's JSON does not pass for one."""

    code: str | int
    message: str
    fields: Any = None
    details: Any = None

    def field_messages(self) -> list[tuple[str, str]]:
        """Return (field, message) of each field that is wrong, whatever else the list holds."""
        entries = self.fields if isinstance(self.fields, list) else []
        return [(str(e.get("field", "")), str(e.get("message", ""))) for e in entries if isinstance(e, dict)]
