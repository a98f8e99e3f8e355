"""Encodes resources and pages as the JSON of the platform's responses."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable

    from versori_magics.emulator.models import (
        Activation,
        Connection,
        Credential,
        EndUser,
        Environment,
        Project,
        System,
    )
    from versori_magics.emulator.pagination import Page

REDACTED = "***"


def encode_json(value: Any) -> bytes:
    """Return compact JSON in UTF-8."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()


class ConnectionEncoder:
    """Encodes connections, and the activations that contain them.

    Parameters
    ----------
    organisation_id : str
        The id of the organisation, which is part of every credential.
    """

    def __init__(self, organisation_id: str) -> None:
        self._organisation_id = organisation_id
        # Connections are immutable and lists of thousands are requested repeatedly, so each is encoded only once.
        # A connection that two environments share occurs with the template of either.
        self._cache: dict[tuple[str, str | None], bytes] = {}

    def encode_connection(self, connection: Connection) -> bytes:
        """Encode one connection."""
        key = (connection.id, connection.template_id)
        if key not in self._cache:
            self._cache[key] = encode_json(self._connection_object(connection))
        return self._cache[key]

    def encode_page(self, page: Page[Connection]) -> bytes:
        """Encode a page of connections."""
        return _encode_page(page.total_count, page.next, page.prev, "items", map(self.encode_connection, page.items))

    def encode_activations(
        self, activations: list[tuple[Activation, list[Connection]]], environment: Environment
    ) -> bytes:
        """Encode the activations of an environment as a bare array."""
        return b"[%b]" % b",".join(
            self._encode_activation(activation, connections, environment) for activation, connections in activations
        )

    def _encode_activation(
        self, activation: Activation, connections: list[Connection], environment: Environment
    ) -> bytes:
        encoded = encode_json(
            {
                "id": activation.id,
                "user": _end_user_object(activation.end_user),
                "environment": _environment_object(environment),
                "dynamicVariables": {variable.name: variable.value for variable in activation.variables},
            }
        )
        # An empty list is omitted, as Go does.
        if not connections:
            return encoded
        return b'%b,"connections":[%b]}' % (encoded[:-1], b",".join(map(self.encode_connection, connections)))

    def _connection_object(self, connection: Connection) -> dict[str, Any]:
        fields: dict[str, Any] = {"id": connection.id, "name": connection.name, "systemId": connection.system_id}
        if connection.base_url is not None:
            fields["baseUrl"] = connection.base_url
        if connection.template_id is not None:
            fields["connectionTemplateId"] = connection.template_id
        fields["credentials"] = [self._credential_object(credential) for credential in connection.credentials]
        fields["createdAt"] = connection.created_at
        fields["updatedAt"] = connection.updated_at
        return fields

    def _credential_object(self, credential: Credential) -> dict[str, Any]:
        inner: dict[str, Any] = {
            "id": credential.id,
            "organisationId": self._organisation_id,
            "type": credential.type,
            "name": credential.name,
            "data": REDACTED,
        }
        if credential.errors is not None:
            inner["errors"] = list(credential.errors)
        if credential.expires_at is not None:
            inner["expiresAt"] = credential.expires_at
        return {"id": credential.id, "authSchemeConfig": {"type": credential.auth_scheme}, "credential": inner}


def encode_projects(projects: list[Project]) -> bytes:
    """Encode all projects; ListProjects is not paginated."""
    return encode_json(
        {
            "projects": [
                {
                    "id": project.id,
                    "name": project.name,
                    "createdAt": project.created_at,
                    "updatedAt": project.updated_at,
                    "starred": project.starred,
                    "environments": [_environment_object(environment) for environment in project.environments],
                }
                for project in projects
            ]
        }
    )


def encode_systems(page: Page[System]) -> bytes:
    """Encode a page of systems."""
    return _encode_page(page.total_count, page.next, page.prev, "items", map(_encode_system, page.items))


def encode_end_users(end_users: list[EndUser]) -> bytes:
    """Encode all end users as one page."""
    return _encode_page(len(end_users), "", "", "users", (encode_json(_end_user_object(user)) for user in end_users))


def _encode_page(total_count: int, next_: str, prev: str, list_name: str, items: Iterable[bytes]) -> bytes:
    start = encode_json({"totalCount": total_count, "next": next_, "prev": prev})[:-1]
    return b'%b,"%b":[%b]}' % (start, list_name.encode(), b",".join(items))


def _encode_system(system: System) -> bytes:
    return encode_json(
        {
            "id": system.id,
            "name": system.name,
            "domain": system.domain,
            "templateBaseUrl": system.base_url,
            "authSchemeConfigs": [{"type": auth_scheme} for auth_scheme in system.auth_schemes],
        }
    )


def _environment_object(environment: Environment) -> dict[str, str]:
    return {"id": environment.id, "name": environment.name, "status": environment.status}


def _end_user_object(end_user: EndUser) -> dict[str, str]:
    return {"id": end_user.id, "externalId": end_user.external_id, "displayName": end_user.display_name}
