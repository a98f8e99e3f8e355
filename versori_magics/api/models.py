"""The platform's responses as frozen structs, reduced to the fields that this package needs.

They are tolerant on purpose: an optional field may be missing or null, and unknown fields are ignored. A credential's
`data` has no field here, so it is never decoded.
"""

from __future__ import annotations

from typing import Generic, TypeVar

import msgspec

from versori_magics.errors import FieldError

T = TypeVar("T")


class _Model(msgspec.Struct, frozen=True, rename="camel", gc=False):
    pass


class AuthSchemeConfig(_Model, frozen=True):
    """How a system authenticates its callers. The platform may add values of `type`."""

    type: str | None = None


class CredentialStatus(_Model, frozen=True):
    """A credential without its data. `errors` is UNSET if the response has no such field."""

    type: str | None = None
    errors: tuple[object, ...] | msgspec.UnsetType | None = msgspec.UNSET
    expires_at: str | None = None


class Credential(_Model, frozen=True):
    """One of a connection's credentials."""

    auth_scheme_config: AuthSchemeConfig | None = None
    credential: CredentialStatus | None = None


class Connection(_Model, frozen=True):
    """A connection. Neither its usage nor whether it is static or dynamic is part of the response."""

    id: str
    name: str | None = None
    base_url: str | None = None
    system_id: str | None = None
    connection_template_id: str | None = None
    created_at: str | None = None
    updated_at: str | None = None
    credentials: tuple[Credential | None, ...] | None = None


class System(_Model, frozen=True):
    """An external API that connections connect to."""

    id: str
    name: str | None = None
    domain: str | None = None


class EndUser(_Model, frozen=True):
    """A customer of the organisation, who brings their own connections."""

    id: str | None = None
    external_id: str | None = None
    display_name: str | None = None


class Environment(_Model, frozen=True):
    """Where a project runs. `status` is running, suspended, error or draft; the platform may add values."""

    id: str
    name: str | None = None
    status: str | None = None


class Project(_Model, frozen=True):
    """Integration code. `environments` is None if the response does not list them."""

    id: str
    name: str | None = None
    environments: tuple[Environment, ...] | None = None


class Projects(_Model, frozen=True):
    """The response of ListProjects."""

    projects: list[Project] | None = None


class ConnectionReference(_Model, frozen=True):
    """A connection in the list of an activation or an environment, of which only the id is needed."""

    id: str


class Activation(_Model, frozen=True):
    """An end user who is activated in an environment. ListActivations may omit `connections`."""

    id: str | None = None
    user: EndUser | None = None
    connections: tuple[ConnectionReference, ...] | None = None


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
        """The items, under the name that they have in every other page."""
        return self.users


class ErrorBody(_Model, frozen=True):
    """The documented Error. `code` and `message` are required, which most gateways' JSON does not have."""

    code: str | int
    message: str
    fields: object = None
    details: object = None

    def field_errors(self) -> list[FieldError]:
        """Return the entries of `fields`; malformed ones are ignored."""
        entries = self.fields if isinstance(self.fields, list) else []
        return [
            FieldError(str(entry.get("field", "")), str(entry.get("message", "")))
            for entry in entries
            if isinstance(entry, dict)
        ]
