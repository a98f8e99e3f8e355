"""The current state of the platform and its rules; safe to use from several threads."""

from __future__ import annotations

import threading
from bisect import bisect_left
from dataclasses import replace
from operator import attrgetter
from typing import TYPE_CHECKING

from versori_magics.emulator.errors import ErrorResponse, not_found

if TYPE_CHECKING:
    from versori_magics.emulator.models import Activation, Connection, Environment, Link, Organisation, Project


class PlatformState:
    """One organisation and the changes made to it.

    Parameters
    ----------
    organisation : Organisation
        The seeded organisation; it is never modified.
    """

    def __init__(self, organisation: Organisation) -> None:
        self.organisation = organisation
        self._lock = threading.Lock()
        self.reset()

    def reset(self) -> None:
        """Return to the seeded state."""
        seeded = self.organisation
        with self._lock:
            self._connections = {connection.id: connection for connection in seeded.connections}
            self._sorted_connections = list(seeded.connections)
            self._environments = {env.id: env for project in seeded.projects for env in project.environments}
            self._activations = {activation.id: activation for activation in seeded.activations}
            self._activation_ids: dict[str, set[str]] = {}  # by connection id
            for activation in seeded.activations:
                for connection_id in activation.connection_ids:
                    self._activation_ids.setdefault(connection_id, set()).add(activation.id)
            self._links: dict[str, list[Link]] = {}  # by connection id
            for link in seeded.links:
                self._links.setdefault(link.connection_id, []).append(link)
            self._deleted_ids: list[str] = []
            self._broken_environments: list[str] = []

    def deleted_ids(self) -> list[str]:
        """Return the ids of the deleted connections, in the order of their deletion."""
        with self._lock:
            return list(self._deleted_ids)

    def broken_environments(self) -> list[str]:
        """Return the environments that lost a linked connection, as ``project / environment``, in order."""
        with self._lock:
            return list(self._broken_environments)

    def list_connections(self, system_id: str | None = None, end_user_id: str | None = None) -> list[Connection]:
        """Return the connections, sorted by id.

        Parameters
        ----------
        system_id : str, optional
            Only the connections of this system.
        end_user_id : str, optional
            Only the connections that an activation of this end user needs.
        """
        with self._lock:
            if end_user_id is None:
                connections = list(self._sorted_connections)
            else:
                connections = self._end_user_connections(end_user_id)
        if system_id is None:
            return connections
        return [connection for connection in connections if connection.system_id == system_id]

    def get_connection(self, connection_id: str) -> Connection:
        """Return one connection, or raise a 404 response."""
        with self._lock:
            return self._connection(connection_id)

    def delete_connection(self, connection_id: str) -> None:
        """Delete a connection, even if environments use it, but not if an end user uses it.

        Environments that are linked to the connection change their status to ``error``.

        Raises
        ------
        ErrorResponse
            With status 404, or with status 409 and the end users in `details`.
        """
        with self._lock:
            self._check_not_used_by_end_users(self._connection(connection_id))
            del self._connections[connection_id]
            del self._sorted_connections[bisect_left(self._sorted_connections, connection_id, key=attrgetter("id"))]
            self._deleted_ids.append(connection_id)
            for link in self._links.pop(connection_id, []):
                self._break_environment(link.environment_id)

    def list_projects(self) -> list[Project]:
        """Return the projects with the current status of their environments."""
        with self._lock:
            return [
                replace(project, environments=tuple(self._environments[env.id] for env in project.environments))
                for project in self.organisation.projects
            ]

    def get_environment(self, environment_id: str) -> Environment:
        """Return one environment with its current status, or raise a 404 response."""
        with self._lock:
            return self._environment(environment_id)

    def list_environment_connections(self, project_id: str, environment_id: str) -> list[Connection]:
        """Return the static connections of one environment, each with the template that links it to the environment.

        Raises
        ------
        ErrorResponse
            With status 404 if there is no such project, or if the environment does not belong to it.
        """
        with self._lock:
            self._check_environment_of_project(project_id, environment_id)
            return [
                replace(self._connections[link.connection_id], template_id=link.template_id)
                for connection_id in sorted(self._links)
                for link in self._links[connection_id]
                if link.environment_id == environment_id
            ]

    def list_activations(self, environment_id: str) -> list[tuple[Activation, list[Connection]]]:
        """Return the activations of an environment, each with its connections, or raise a 404 response."""
        with self._lock:
            self._environment(environment_id)
            return [
                (activation, [self._connections[connection_id] for connection_id in activation.connection_ids])
                for activation in self._activations.values()
                if activation.environment_id == environment_id
            ]

    def delete_activation(self, environment_id: str, activation_id: str) -> None:
        """Delete an activation, after which its connections can be deleted, or raise a 404 response."""
        with self._lock:
            self._environment(environment_id)
            activation = self._activations.get(activation_id)
            if activation is None or activation.environment_id != environment_id:
                raise not_found("activation in this environment")
            del self._activations[activation_id]
            for connection_id in activation.connection_ids:
                self._activation_ids[connection_id].discard(activation_id)

    def unlink_connection(self, connection_id: str, template_id: str) -> None:
        """Unlink a static connection from the environment of a connection template, or raise a 404 response."""
        with self._lock:
            self._connection(connection_id)
            links = self._links.get(connection_id, [])
            remaining = [link for link in links if link.template_id != template_id]
            if len(remaining) == len(links):
                raise not_found("link of this connection to that connection template")
            self._links[connection_id] = remaining

    def _connection(self, connection_id: str) -> Connection:
        if connection_id not in self._connections:
            raise not_found("connection")
        return self._connections[connection_id]

    def _environment(self, environment_id: str) -> Environment:
        if environment_id not in self._environments:
            raise not_found("environment")
        return self._environments[environment_id]

    def _end_user_connections(self, end_user_id: str) -> list[Connection]:
        activations = [a for a in self._activations.values() if a.end_user.id == end_user_id]
        ids = {connection_id for activation in activations for connection_id in activation.connection_ids}
        return [self._connections[connection_id] for connection_id in sorted(ids)]

    def _check_not_used_by_end_users(self, connection: Connection) -> None:
        if activation_ids := self._activation_ids.get(connection.id):
            usages = sorted(self._describe_usage(self._activations[id_]) for id_ in activation_ids)
            message = f"The connection {connection.name!r} is in use by an end user."
            raise ErrorResponse(409, message, details="; ".join(usages))

    def _check_environment_of_project(self, project_id: str, environment_id: str) -> None:
        project = next((project for project in self.organisation.projects if project.id == project_id), None)
        if project is None:
            raise not_found("project")
        if environment_id not in {environment.id for environment in project.environments}:
            raise not_found("environment in this project")

    def _break_environment(self, environment_id: str) -> None:
        self._environments[environment_id] = replace(self._environments[environment_id], status="error")
        name = self._full_name(environment_id)
        if name not in self._broken_environments:
            self._broken_environments.append(name)

    def _describe_usage(self, activation: Activation) -> str:
        end_user = activation.end_user
        environment = self._full_name(activation.environment_id)
        return f"end user {end_user.display_name!r} ({end_user.external_id}) in {environment}"

    def _full_name(self, environment_id: str) -> str:
        project = next(p for p in self.organisation.projects if any(e.id == environment_id for e in p.environments))
        return f"{project.name} / {self._environments[environment_id].name}"
