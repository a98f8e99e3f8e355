"""Encodes resources and pages as the JSON of the platform's responses."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from versori_magics.emulator.credential_encoding import ZERO_ULID, CredentialEncoder

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from versori_magics.emulator.models import (
        Activation,
        Connection,
        EndUser,
        Environment,
        Project,
        System,
    )
    from versori_magics.emulator.pagination import Page


def encode_json(value: Any) -> bytes:
    """Return compact JSON in UTF-8."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()


class ResponseEncoder:
    """Encodes the bodies of responses.

    Parameters
    ----------
    organisation_id : str
        The id of the organisation, which is part of credentials and end users.
    go_encoding : bool
        Encode as the vendor's Go types do; see `Behaviour`.
    """

    def __init__(self, organisation_id: str, *, go_encoding: bool = False) -> None:
        self._organisation_id = organisation_id
        self._go_encoding = go_encoding
        self._credentials = CredentialEncoder(organisation_id, go_encoding=go_encoding)
        # Connections are immutable and lists of thousands are requested repeatedly, so each is encoded only once.
        # A connection that two environments share occurs with the template of either.
        self._cache: dict[tuple[str, str | None], bytes] = {}

    def connection(self, connection: Connection) -> bytes:
        """Encode one connection."""
        key = (connection.id, connection.template_id)
        if key not in self._cache:
            self._cache[key] = encode_json(self._connection_object(connection))
        return self._cache[key]

    def connections(self, page: Page[Connection]) -> bytes:
        """Encode a page of connections."""
        return self._page(page, "items", map(self.connection, page.items))

    def systems(self, page: Page[System]) -> bytes:
        """Encode a page of systems."""
        return self._page(page, "items", map(self._system, page.items))

    def end_users(self, page: Page[EndUser]) -> bytes:
        """Encode a page of end users."""
        return self._page(page, "users", map(self.end_user, page.items))

    def end_user(self, end_user: EndUser) -> bytes:
        """Encode one end user."""
        return encode_json(self._end_user_object(end_user))

    def projects(self, projects: list[Project]) -> bytes:
        """Encode all projects; ListProjects is not paginated."""
        return encode_json({"projects": self._list([self._project_object(project) for project in projects])})

    def activations(
        self, activations: list[tuple[Activation, list[Connection] | None]], environment: Environment
    ) -> bytes:
        """Encode the activations of an environment as a bare array; None instead of connections omits these."""
        return self._array(self.activation(*activation, environment) for activation in activations)

    def activation(
        self, activation: Activation, connections: list[Connection] | None, environment: Environment
    ) -> bytes:
        """Encode one activation; None instead of its connections omits these."""
        encoded = encode_json(
            {
                "id": activation.id,
                "user": self._end_user_object(activation.end_user),
                "environment": self._environment_object(environment),
                "dynamicVariables": {variable.name: variable.value for variable in activation.variables},
            }
        )
        if connections is None:
            return encoded
        return b'%b,"connections":%b}' % (encoded[:-1], self._array(map(self.connection, connections)))

    def _page(self, page: Page[Any], list_name: str, items: Iterable[bytes]) -> bytes:
        fields = {"totalCount": page.total_count, "next": page.next, "prev": page.prev}
        if self._go_encoding:
            fields = {name: value for name, value in fields.items() if value != ""}
        return b'%b,"%b":%b}' % (encode_json(fields)[:-1], list_name.encode(), self._array(items))

    def _array(self, items: Iterable[bytes]) -> bytes:
        encoded = b",".join(items)
        return b"null" if self._go_encoding and not encoded else b"[%b]" % encoded

    def _list(self, items: Sequence[Any]) -> Sequence[Any] | None:
        return None if self._go_encoding and not items else items

    def _connection_object(self, connection: Connection) -> dict[str, Any]:
        fields: dict[str, Any] = {"id": connection.id, "name": connection.name, "systemId": connection.system_id}
        if connection.base_url is not None:
            fields["baseUrl"] = connection.base_url
        if connection.template_id is not None or self._go_encoding:
            fields["connectionTemplateId"] = connection.template_id or ZERO_ULID
        credentials = [self._credentials.connection_credential(credential) for credential in connection.credentials]
        fields["credentials"] = self._list(credentials)
        fields["createdAt"] = connection.created_at
        fields["updatedAt"] = connection.updated_at
        return fields

    def _project_object(self, project: Project) -> dict[str, Any]:
        return {
            "id": project.id,
            "name": project.name,
            "createdAt": project.created_at,
            "updatedAt": project.updated_at,
            "starred": project.starred,
            "environments": self._list([self._environment_object(env) for env in project.environments]),
        }

    def _environment_object(self, environment: Environment) -> dict[str, Any]:
        fields = {
            "id": environment.id,
            "name": environment.name,
            "status": environment.status,
            "createdAt": environment.created_at,
            "updatedAt": environment.updated_at,
            "publicUrl": f"https://{environment.id.lower()}.example.com",
            "config": {"deploymentSpec": {"replicas": 1}},
        }
        return fields if self._go_encoding else {**fields, "lastDeployedAt": environment.updated_at}

    def _end_user_object(self, end_user: EndUser) -> dict[str, str]:
        return {
            "id": end_user.id,
            "externalId": end_user.external_id,
            "displayName": end_user.display_name,
            "organisationId": self._organisation_id,
            "createdAt": end_user.created_at,
            "updatedAt": end_user.updated_at,
        }

    def _system(self, system: System) -> bytes:
        return encode_json(
            {
                "id": system.id,
                "name": system.name,
                "domain": system.domain,
                "templateBaseUrl": system.base_url,
                "authSchemeConfigs": [self._credentials.auth_scheme_config(scheme) for scheme in system.auth_schemes],
            }
        )
