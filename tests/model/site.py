"""One organisation on one server: the emulator that serves it, what is true of it, and what the client saw of it."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, NamedTuple

from model import asgi

from versori_magics.emulator.app import create_app
from versori_magics.emulator.state import PlatformState

if TYPE_CHECKING:
    from collections.abc import Iterable

    from model.organisations import Made

    from versori_magics.emulator.models import Environment

TOKEN = "t0ken-for-tests-only"
MAX_AGE = 300.0  # seconds; no DELETE may rely on an older look


class Use(NamedTuple):
    """One use of a connection; `end_user` is empty if the environment is linked to it."""

    environment: str
    status: str
    end_user: str = ""


class Facts(NamedTuple):
    """What a person agrees to when they agree to delete a connection."""

    name: str
    updated_at: str
    uses: frozenset[Use] | None
    """None if a look-up failed, so that nobody can know."""


@dataclass
class Scan:
    """What one reading of the usage was told; an environment is missing until it is looked up, None if that failed."""

    time: float
    environments: list[Environment]
    linked: dict[str, frozenset[str] | None] = field(default_factory=dict)
    activated: dict[str, frozenset[tuple[str, str]] | None] = field(default_factory=dict)
    failed: bool = False

    def uses(self, connection: str) -> frozenset[Use] | None:
        """Return the uses of a connection; None if this scan is not complete."""
        uses = set()
        for environment in self.environments:
            linked, activated = self.linked.get(environment.id), self.activated.get(environment.id)
            if linked is None or activated is None or self.failed:
                return None
            if connection in linked:
                uses.add(Use(environment.id, environment.status))
            uses |= {Use(environment.id, environment.status, user) for id_, user in activated if id_ == connection}
        return frozenset(uses)


class Site:
    """One organisation on one server.

    Parameters
    ----------
    name : str
        For people.
    server : str
        Base URL.
    made : Made
        What it contains at first.
    """

    def __init__(self, name: str, server: str, made: Made) -> None:
        self.name, self.server = name, server
        self.ids, self.labels = made.ids, {id_: label for label, id_ in made.ids.items()}
        self.seen: dict[str, tuple[str, str]] = {}
        """Connection -> name and last update, as the client saw them last."""
        self.scan: Scan | None = None
        self.arrivals: Counter[str] = Counter()
        """Connection -> DELETEs that reached the platform."""
        self.named_by_static_user: frozenset[str] = frozenset()
        """Connections that an activation of the first environment's static user names."""
        self.organisation = made.organisation
        self._serve()

    def _serve(self) -> None:
        self.state = PlatformState(self.organisation)
        self._app = create_app(self.state, TOKEN)
        self._answers: dict[tuple[str, str], asgi.Answer] = {}  # to reads, until something changes

    @property
    def id(self) -> str:
        return self.organisation.id

    def __repr__(self) -> str:
        return self.name

    # What is true.

    def exists(self, connection: str) -> bool:
        return any(item.id == connection for item in self.organisation.connections)

    def facts(self, connection: str) -> tuple[str, str] | None:
        """Return name and last update of a connection, as they are."""
        items = (item for item in self.organisation.connections if item.id == connection)
        return next(((item.name, item.updated_at) for item in items), None)

    def environments(self) -> list[Environment]:
        return [environment for project in self.organisation.projects for environment in project.environments]

    def systems_of(self, connection: str) -> tuple[str, ...]:
        """Return name and id of a connection's system."""
        ids = {item.system_id for item in self.organisation.connections if item.id == connection}
        return tuple(
            text for system in self.organisation.systems if system.id in ids for text in (system.name, system.id)
        )

    def uses(self, connection: str) -> frozenset[Use]:
        """Return the uses of a connection, as they are."""
        scan = Scan(0, self.environments())
        for environment in scan.environments:
            scan.linked[environment.id] = self._linked(environment.id)
            scan.activated[environment.id] = self._activated(environment.id)
        return scan.uses(connection) or frozenset()

    def _linked(self, environment: str) -> frozenset[str]:
        links = self.organisation.links
        return frozenset(link.connection_id for link in links if link.environment_id == environment)

    def _activated(self, environment: str) -> frozenset[tuple[str, str]]:
        activations = (item for item in self.organisation.activations if item.environment_id == environment)
        named = {(id_, item.end_user.id) for item in activations for id_ in item.connection_ids}
        if environment == self.environments()[0].id:
            named |= {(id_, "") for id_ in self.named_by_static_user if self.exists(id_)}
        return frozenset(named)

    # What changes it.

    def change(self, **parts: object) -> None:
        """Replace parts of the organisation, as somebody else would."""
        self.organisation = replace(self.organisation, **parts)  # type: ignore[arg-type]
        self._serve()

    def remove(self, connection: str) -> None:
        """Delete a connection behind the client's back."""
        self.state.delete_connection(connection)
        self._forget(connection)

    def _forget(self, connection: str) -> None:
        """Follow a deletion by the emulator, which sets the status of the environments that were linked."""
        self._answers.clear()
        organisation = self.organisation
        self.organisation = replace(
            organisation,
            connections=tuple(item for item in organisation.connections if item.id != connection),
            links=tuple(link for link in organisation.links if link.connection_id != connection),
            projects=tuple(self.state.list_projects()),
        )

    # What the client sees.

    def answer(
        self, method: str, path: str, query: str, headers: Iterable[tuple[bytes, bytes]], body: bytes = b""
    ) -> asgi.Answer:
        """Let the emulator answer, and follow what it did."""
        if method == "GET" and (path, query) in self._answers:
            return self._answers[path, query]
        if query == "static=true":
            return self._static_activations(path, headers)
        answer = asgi.call(self._app, method, path, query, headers, body)
        if method == "GET":
            self._answers[path, query] = answer
        elif method == "DELETE" and answer.status == 204:
            self._forget(path.rsplit("/", 1)[1].upper())
        return answer

    def _static_activations(self, path: str, headers: Iterable[tuple[bytes, bytes]]) -> asgi.Answer:
        """Answer like the plain list, which is allowed too, and add what the static user's activation names."""
        plain = self.answer("GET", path, "", headers)
        if plain.status != 200 or self.environments()[0].id not in path or not self.named_by_static_user:
            return plain
        named = [{"id": id_} for id_ in sorted(self.named_by_static_user) if self.exists(id_)]
        activation = {"id": self.id, "user": {"id": self.id, "externalId": "static"}, "connections": named}
        return plain._replace(body=json.dumps([*json.loads(plain.body), activation]).encode())

    def looked_up_projects(self, time: float, *, answered: bool) -> None:
        self.scan = Scan(time, self.environments(), failed=not answered)

    def looked_up_links(self, environment: str, *, answered: bool) -> None:
        if self.scan is not None:
            self.scan.linked[environment] = self._linked(environment) if answered else None

    def looked_up_activations(self, environment: str, *, answered: bool) -> None:
        if self.scan is not None:
            self.scan.activated[environment] = self._activated(environment) if answered else None

    def saw(self, *connections: str) -> None:
        """Remember how the client saw these connections, or all of them."""
        for item in self.organisation.connections:
            if not connections or item.id in connections:
                self.seen[item.id] = (item.name, item.updated_at)

    def looked(self, connection: str) -> Facts | None:
        """Return a connection as the client saw it last; None if it never saw it."""
        if connection not in self.seen:
            return None
        return Facts(*self.seen[connection], self.scan.uses(connection) if self.scan else None)
