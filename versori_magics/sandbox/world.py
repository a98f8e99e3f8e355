"""The state of the platform and its rules; pure, and safe to use from several threads."""

from __future__ import annotations

import threading
from bisect import bisect_left
from dataclasses import replace
from operator import attrgetter
from typing import TYPE_CHECKING

from versori_magics.sandbox.refusal import Refusal, missing

if TYPE_CHECKING:
    from versori_magics.sandbox.organisation import Activation, Connection, Environment, Link, Organisation, Project


class World:
    """One organisation, and what became of it.

    Parameters
    ----------
    organisation : Organisation
        As it was seeded; it is never changed.
    """

    def __init__(self, organisation: Organisation) -> None:
        self.organisation = organisation
        self._lock = threading.Lock()
        self.reset()

    def reset(self) -> None:
        """Go back to the seeded state."""
        seeded = self.organisation
        with self._lock:
            self._connections = {connection.id: connection for connection in seeded.connections}
            self._sorted = list(seeded.connections)
            self._environments = {env.id: env for project in seeded.projects for env in project.environments}
            self._activations = {activation.id: activation for activation in seeded.activations}
            self._users_of: dict[str, set[str]] = {}
            for activation in seeded.activations:
                for connection in activation.connections:
                    self._users_of.setdefault(connection, set()).add(activation.id)
            self._links: dict[str, list[Link]] = {}
            for link in seeded.links:
                self._links.setdefault(link.connection, []).append(link)
            self._deleted: list[str] = []
            self._broken: list[str] = []

    def deleted(self) -> list[str]:
        """Return the ids of the connections deleted so far, in order."""
        with self._lock:
            return list(self._deleted)

    def broken(self) -> list[str]:
        """Return the environments that a deletion broke, as ``project / environment``, in order."""
        with self._lock:
            return list(self._broken)

    def connections(self, system: str | None = None, end_user: str | None = None) -> list[Connection]:
        """List connections in the order of their ids.

        Parameters
        ----------
        system : str, optional
            Only those of this system.
        end_user : str, optional
            Only those that an activation of this end user needs.
        """
        with self._lock:
            if end_user is None:
                found = list(self._sorted)
            else:
                used = (a.connections for a in self._activations.values() if a.user.id == end_user)
                ids = {connection for connections in used for connection in connections}
                found = [self._connections[connection] for connection in sorted(ids)]
        return found if system is None else [connection for connection in found if connection.system == system]

    def connection(self, connection: str) -> Connection:
        """Return one connection, or raise the 404."""
        with self._lock:
            return self._connection(connection)

    def delete(self, connection: str) -> None:
        """Delete a connection: refused while an end user uses it, not refused while an environment does.

        Raises
        ------
        Refusal
            404, or 409 with the end users in `details`.
        """
        with self._lock:
            name = self._connection(connection).name
            if users := self._users_of.get(connection):
                details = "; ".join(sorted(self._usage(self._activations[activation]) for activation in users))
                raise Refusal(409, f"The connection {name!r} is in use by an end user.", details=details)
            del self._connections[connection]
            del self._sorted[bisect_left(self._sorted, connection, key=attrgetter("id"))]
            self._deleted.append(connection)
            for link in self._links.pop(connection, []):
                self._break(link.environment)

    def projects(self) -> list[Project]:
        """List the projects, their environments as they are now."""
        with self._lock:
            return [
                replace(project, environments=tuple(self._environments[env.id] for env in project.environments))
                for project in self.organisation.projects
            ]

    def environment(self, environment: str) -> Environment:
        """Return one environment as it is now, or raise the 404."""
        with self._lock:
            return self._environment(environment)

    def linked(self, project: str, environment: str) -> list[Connection]:
        """List the static connections of one environment, each with the template that links it there.

        Raises
        ------
        Refusal
            404 where there is no such project, or it has no such environment.
        """
        with self._lock:
            owners = [found for found in self.organisation.projects if found.id == project]
            if not owners:
                raise missing("project")
            if environment not in {env.id for env in owners[0].environments}:
                raise missing("environment in this project")
            return [
                replace(self._connections[link.connection], template=link.template)
                for connection in sorted(self._links)
                for link in self._links[connection]
                if link.environment == environment
            ]

    def activations(self, environment: str) -> list[tuple[Activation, list[Connection]]]:
        """List the activations in one environment with their connections, or raise the 404."""
        with self._lock:
            self._environment(environment)
            return [
                (activation, [self._connections[connection] for connection in activation.connections])
                for activation in self._activations.values()
                if activation.environment == environment
            ]

    def deactivate(self, environment: str, activation: str) -> None:
        """Delete an activation, which frees its connections, or raise the 404."""
        with self._lock:
            self._environment(environment)
            found = self._activations.get(activation)
            if found is None or found.environment != environment:
                raise missing("activation in this environment")
            del self._activations[activation]
            for connection in found.connections:
                self._users_of[connection].discard(activation)

    def unlink(self, connection: str, template: str) -> None:
        """Take a static connection from the environment of a template, or raise the 404."""
        with self._lock:
            self._connection(connection)
            links = self._links.get(connection, [])
            kept = [link for link in links if link.template != template]
            if len(kept) == len(links):
                raise missing("link of this connection to that connection template")
            self._links[connection] = kept

    def _connection(self, connection: str) -> Connection:
        if connection not in self._connections:
            raise missing("connection")
        return self._connections[connection]

    def _environment(self, environment: str) -> Environment:
        if environment not in self._environments:
            raise missing("environment")
        return self._environments[environment]

    def _break(self, environment: str) -> None:
        self._environments[environment] = replace(self._environments[environment], status="error")
        name = self._readable(environment)
        if name not in self._broken:
            self._broken.append(name)

    def _usage(self, activation: Activation) -> str:
        user = activation.user
        return f"end user {user.display_name!r} ({user.external_id}) in {self._readable(activation.environment)}"

    def _readable(self, environment: str) -> str:
        project = next(p for p in self.organisation.projects if any(env.id == environment for env in p.environments))
        return f"{project.name} / {self._environments[environment].name}"
