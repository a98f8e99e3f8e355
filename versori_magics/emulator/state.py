"""The current state of the platform and its rules; safe to use from several threads."""

from __future__ import annotations

import threading
from bisect import bisect_left
from dataclasses import replace
from operator import attrgetter
from typing import TYPE_CHECKING

from versori_magics.emulator.errors import ErrorResponse, not_found

if TYPE_CHECKING:
    from versori_magics.emulator.models import (
        Activation,
        Connection,
        EndUser,
        Environment,
        Link,
        Organisation,
        Project,
    )


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
        self._owned_ids: dict[str, list[str]] = {}  # connection ids by end user id, sorted
        for connection in organisation.connections:
            if connection.end_user_id is not None:
                self._owned_ids.setdefault(connection.end_user_id, []).append(connection.id)
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
        """Return the environments that lost a connection that they used, as ``project / environment``, in order."""
        with self._lock:
            return list(self._broken_environments)

    def list_connections(
        self, system_id: str | None = None, end_user_id: str | None = None, *, hide_dynamic: bool = False
    ) -> list[Connection]:
        """Return the connections, sorted by id.

        Parameters
        ----------
        system_id : str, optional
            Only the connections of this system.
        end_user_id : str, optional
            Only the connections that belong to this end user; its activations can name others.
        hide_dynamic : bool
            Without `end_user_id`, leave out the connections that belong to end users.
        """
        with self._lock:
            if end_user_id is None:
                connections = list(self._sorted_connections)
            else:
                owned_ids = self._owned_ids.get(end_user_id, [])
                connections = [self._connections[id_] for id_ in owned_ids if id_ in self._connections]
        if hide_dynamic and end_user_id is None:
            connections = [connection for connection in connections if connection.end_user_id is None]
        if system_id is None:
            return connections
        return [connection for connection in connections if connection.system_id == system_id]

    def get_connection(self, connection_id: str) -> Connection:
        """Return one connection, or raise a 404 response."""
        with self._lock:
            return self._connection(connection_id)

    def delete_connection(self, connection_id: str) -> None:
        """Delete a connection, unless it is dynamic and an activation of an end user names it.

        Environments that are linked to the connection, or have an activation that names it, change their status to
        ``error``.

        Raises
        ------
        ErrorResponse
            With status 404, or with status 409 and the end users in `details`.
        """
        with self._lock:
            connection = self._connection(connection_id)
            if connection.end_user_id is not None:
                self._check_not_used_by_end_users(connection)
            del self._connections[connection_id]
            del self._sorted_connections[bisect_left(self._sorted_connections, connection_id, key=attrgetter("id"))]
            self._deleted_ids.append(connection_id)
            for link in self._links.pop(connection_id, []):
                self._break_environment(link.environment_id)
            for activation_id in sorted(self._activation_ids.pop(connection_id, set())):
                self._break_environment(self._activations[activation_id].environment_id)

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

    def list_environment_connections(self, project_id: str, environment_id: str | None = None) -> list[Connection]:
        """Return the static connections of a project, each with the template that links it to its environment.

        Parameters
        ----------
        project_id : str
            The project.
        environment_id : str, optional
            Only the connections of this environment. Without it, a connection of two environments occurs twice.

        Raises
        ------
        ErrorResponse
            With status 404 if there is no such project, or if the environment does not belong to it.
        """
        with self._lock:
            environment_ids = self._environment_ids_of_project(project_id, environment_id)
            return [
                replace(self._connections[link.connection_id], template_id=link.template_id)
                for connection_id in sorted(self._links)
                for link in self._links[connection_id]
                if link.environment_id in environment_ids
            ]

    def list_activations(
        self, environment_id: str, *, is_static: bool | None = False
    ) -> list[tuple[Activation, list[Connection] | None]]:
        """Return the activations of an environment, each with its connections if the list shows them.

        Parameters
        ----------
        environment_id : str
            The environment.
        is_static : bool or None
            True for the static user's activation, False for those of the end users, None for all.

        Raises
        ------
        ErrorResponse
            With status 404 if there is no such environment.
        """
        with self._lock:
            self._environment(environment_id)
            return [
                (activation, self._connections_of(activation) if activation.lists_connections else None)
                for activation in self._activations.values()
                if activation.environment_id == environment_id and is_static in {None, activation.is_static}
            ]

    def get_activation(self, environment_id: str, activation_id: str) -> tuple[Activation, list[Connection]]:
        """Return one activation with its connections, or raise a 404 response."""
        with self._lock:
            activation = self._activation(environment_id, activation_id)
            return activation, self._connections_of(activation)

    def delete_activation(self, environment_id: str, activation_id: str) -> None:
        """Delete an activation, after which its connections can be deleted.

        Raises
        ------
        ErrorResponse
            With status 404 if there is none, or with status 409 if it is the static user's, which is built in.
        """
        with self._lock:
            activation = self._activation(environment_id, activation_id)
            if activation.is_static:
                raise ErrorResponse(409, "The activation of the static user cannot be deleted.")
            del self._activations[activation_id]
            for connection in self._connections_of(activation):
                self._activation_ids[connection.id].discard(activation_id)

    def list_end_users(self, activated: bool | None = None, environment_id: str | None = None) -> list[EndUser]:
        """Return the end users, sorted by id; the static users are not among them.

        Parameters
        ----------
        activated : bool, optional
            Only the end users who are activated, or only those who are not.
        environment_id : str, optional
            The environment in which they are activated or not; any environment if omitted.
        """
        with self._lock:
            activated_ids = {
                activation.end_user.id
                for activation in self._activations.values()
                if environment_id in {None, activation.environment_id}
            }
        end_users = self.organisation.end_users
        return [user for user in end_users if activated is None or (user.id in activated_ids) == activated]

    def get_end_user(self, user_id: str) -> EndUser:
        """Return the end user with this id or external id, or raise a 404 response."""
        end_users = self.organisation.end_users
        end_user = next((user for user in end_users if user_id.upper() == user.id or user_id == user.external_id), None)
        if end_user is None:
            raise not_found("end user")
        return end_user

    def unlink_connection(self, connection_id: str, template_id: str) -> None:
        """Unlink a static connection from the environment of a connection template, or raise a 404 response.

        The static user of that environment no longer uses the connection.
        """
        with self._lock:
            self._connection(connection_id)
            links = self._links.get(connection_id, [])
            remaining = [link for link in links if link.template_id != template_id]
            if len(remaining) == len(links):
                raise not_found("link of this connection to that connection template")
            self._links[connection_id] = remaining
            unlinked = {link.environment_id for link in links} - {link.environment_id for link in remaining}
            for activation_id in [*self._activation_ids.get(connection_id, ())]:
                activation = self._activations[activation_id]
                if activation.is_static and activation.environment_id in unlinked:
                    self._remove_from_activation(activation, connection_id)

    def _connection(self, connection_id: str) -> Connection:
        if connection_id not in self._connections:
            raise not_found("connection")
        return self._connections[connection_id]

    def _environment(self, environment_id: str) -> Environment:
        if environment_id not in self._environments:
            raise not_found("environment")
        return self._environments[environment_id]

    def _activation(self, environment_id: str, activation_id: str) -> Activation:
        self._environment(environment_id)
        activation = self._activations.get(activation_id)
        if activation is None or activation.environment_id != environment_id:
            raise not_found("activation in this environment")
        return activation

    def _connections_of(self, activation: Activation) -> list[Connection]:
        """Return the connections of an activation that still exist."""
        return [self._connections[id_] for id_ in activation.connection_ids if id_ in self._connections]

    def _remove_from_activation(self, activation: Activation, connection_id: str) -> None:
        remaining_ids = tuple(id_ for id_ in activation.connection_ids if id_ != connection_id)
        self._activations[activation.id] = replace(activation, connection_ids=remaining_ids)
        self._activation_ids[connection_id].discard(activation.id)

    def _check_not_used_by_end_users(self, connection: Connection) -> None:
        if activation_ids := self._activation_ids.get(connection.id):
            usages = sorted(self._describe_usage(self._activations[id_]) for id_ in activation_ids)
            message = f"The connection {connection.name!r} is in use by an end user."
            raise ErrorResponse(409, message, details="; ".join(usages))

    def _environment_ids_of_project(self, project_id: str, environment_id: str | None) -> set[str]:
        project = next((project for project in self.organisation.projects if project.id == project_id), None)
        if project is None:
            raise not_found("project")
        environment_ids = {environment.id for environment in project.environments}
        if environment_id is None:
            return environment_ids
        if environment_id not in environment_ids:
            raise not_found("environment in this project")
        return {environment_id}

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
