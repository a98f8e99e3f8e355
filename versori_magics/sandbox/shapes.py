"""The JSON that goes out."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable

    from versori_magics.sandbox.organisation import Activation, Connection, Credential, EndUser, Environment, Project
    from versori_magics.sandbox.organisation import System as SystemThing
    from versori_magics.sandbox.paging import Page

REDACTED = "***"


def encode(thing: Any) -> bytes:
    """Write JSON without blanks, in UTF-8."""
    return json.dumps(thing, ensure_ascii=False, separators=(",", ":")).encode()


class Shapes:
    """Writes an organisation's things.

    Parameters
    ----------
    organisation : str
        Its id, which each credential names.
    """

    def __init__(self, organisation: str) -> None:
        self._organisation = organisation
        # A connection is never changed, and a list of thousands is read again and again.
        self._written: dict[tuple[str, str | None], bytes] = {}

    def connection(self, connection: Connection) -> bytes:
        """Write one connection."""
        key = (connection.id, connection.template)
        if key not in self._written:
            shape: dict[str, Any] = {"id": connection.id, "name": connection.name, "systemId": connection.system}
            if connection.base_url is not None:
                shape["baseUrl"] = connection.base_url
            if connection.template is not None:
                shape["connectionTemplateId"] = connection.template
            shape["credentials"] = [self._credential(credential) for credential in connection.credentials]
            shape["createdAt"] = connection.created_at
            shape["updatedAt"] = connection.updated_at
            self._written[key] = encode(shape)
        return self._written[key]

    def connections(self, page: Page[Connection]) -> bytes:
        """Write a page of connections."""
        return _page(page.total, page.next, page.prev, "items", map(self.connection, page.items))

    def systems(self, page: Page[SystemThing]) -> bytes:
        """Write a page of systems."""
        return _page(page.total, page.next, page.prev, "items", map(_system, page.items))

    def activations(self, activations: list[tuple[Activation, list[Connection]]], environment: Environment) -> bytes:
        """Write an environment's activations, a bare array."""
        return b"[%b]" % b",".join(
            self._activation(activation, connections, environment) for activation, connections in activations
        )

    def _activation(self, activation: Activation, connections: list[Connection], environment: Environment) -> bytes:
        shape = {
            "id": activation.id,
            "user": _user(activation.user),
            "environment": _environment(environment),
            "dynamicVariables": dict(activation.variables),
        }
        if not connections:
            # Left out, as Go leaves out an empty list.
            return encode(shape)
        return b'%b,"connections":[%b]}' % (encode(shape)[:-1], b",".join(map(self.connection, connections)))

    def _credential(self, credential: Credential) -> dict[str, Any]:
        inner: dict[str, Any] = {
            "id": credential.id,
            "organisationId": self._organisation,
            "type": credential.type,
            "name": credential.name,
            "data": REDACTED,
        }
        if credential.errors is not None:
            inner["errors"] = list(credential.errors)
        if credential.expires_at is not None:
            inner["expiresAt"] = credential.expires_at
        return {"id": credential.id, "authSchemeConfig": {"type": credential.scheme}, "credential": inner}


def projects(found: list[Project]) -> bytes:
    """Write the projects, which are not paged."""
    return encode(
        {
            "projects": [
                {
                    "id": project.id,
                    "name": project.name,
                    "createdAt": project.created_at,
                    "updatedAt": project.updated_at,
                    "starred": project.starred,
                    "environments": [_environment(environment) for environment in project.environments],
                }
                for project in found
            ]
        }
    )


def users(found: list[EndUser]) -> bytes:
    """Write the end users, all on one page."""
    return _page(len(found), "", "", "users", (encode(_user(user)) for user in found))


def _page(total: int, next_: str, prev: str, name: str, items: Iterable[bytes]) -> bytes:
    head = encode({"totalCount": total, "next": next_, "prev": prev})[:-1]
    return b'%b,"%b":[%b]}' % (head, name.encode(), b",".join(items))


def _system(system: SystemThing) -> bytes:
    return encode(
        {
            "id": system.id,
            "name": system.name,
            "domain": system.domain,
            "templateBaseUrl": system.base_url,
            "authSchemeConfigs": [{"type": scheme} for scheme in system.schemes],
        }
    )


def _environment(environment: Environment) -> dict[str, str]:
    return {"id": environment.id, "name": environment.name, "status": environment.status}


def _user(user: EndUser) -> dict[str, str]:
    return {"id": user.id, "externalId": user.external_id, "displayName": user.display_name}
