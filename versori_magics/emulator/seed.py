"""Builds the seeded organisation: the same seed gives the same ids, names and links on every day."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from operator import attrgetter

from versori_magics.emulator import vocabulary
from versori_magics.emulator.credential_seed import CredentialBuilder
from versori_magics.emulator.models import (
    Activation,
    AuthScheme,
    Connection,
    EndUser,
    Environment,
    Link,
    Organisation,
    Project,
    System,
    Variable,
)
from versori_magics.emulator.random_data import MAX_AGE_DAYS, RandomData

STATIC_SHARE = 0.25
DYNAMIC_SHARE = 0.35
SHARED_INTERVAL = 12  # every twelfth static connection is used by two environments
UNLISTED_INTERVAL = 4  # ListActivations omits the connections of every fourth activation
# Of every twenty static connections without a link, one is used by a static user all the same, and one by an end user
# whose activation does not list it.
HIDDEN_USE_INTERVAL, STATIC_USER_OFFSET, END_USER_OFFSET = 20, 7, 17
BY_ID = attrgetter("id")


def build_organisation(connections: int, seed: int, today: datetime | None = None) -> Organisation:
    """Build an organisation.

    Parameters
    ----------
    connections : int
        The number of connections.
    seed : int
        The same seed gives the same ids, names and links.
    today : datetime, optional
        Midnight (UTC) of the day from which the ages of times are counted; today if omitted.

    Returns
    -------
    Organisation
        Its connections are sorted by id.
    """
    if today is None:
        today = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    return _OrganisationBuilder(RandomData(seed, today), RandomData(f"details of {seed}", today)).build(connections)


class _OrganisationBuilder:
    """Collects the resources of one organisation; used once."""

    def __init__(self, random: RandomData, detail_random: RandomData) -> None:
        self.random = random
        # Details have a sequence of their own, so that adding one leaves the ids and names of every seed as they are.
        self.detail_random = detail_random
        self.credentials = CredentialBuilder(random)
        # The first random value, so that it depends only on the seed and not on the number of connections.
        self.id = random.ulid(MAX_AGE_DAYS)
        self.systems: list[System] = []
        self.projects: list[Project] = []
        self.environments: list[Environment] = []
        self.end_users: list[EndUser] = []
        self.connections: list[Connection] = []
        self.activations: list[Activation] = []
        self.links: list[Link] = []
        self.names_in_use: set[tuple[str, str]] = set()  # (system id, connection name)
        self.template_ids: dict[tuple[str, str, bool], str] = {}  # by environment id, system id and dynamic
        self.tricky_names: dict[int, str] = {}  # by the position of the connection

    def build(self, count: int) -> Organisation:
        static_count, dynamic_count = round(count * STATIC_SHARE), round(count * DYNAMIC_SHARE)
        self.place_tricky_names(count)
        self.add_systems()
        self.add_projects()
        self.add_static_connections(static_count)
        self.add_dynamic_connections(dynamic_count)
        self.add_unused_connections(count - static_count - dynamic_count)
        self.add_hidden_uses()
        return Organisation(
            id=self.id,
            systems=tuple(sorted(self.systems, key=BY_ID)),
            projects=tuple(self.projects),
            end_users=tuple(sorted(self.end_users, key=BY_ID)),
            connections=tuple(sorted(self.connections, key=BY_ID)),
            activations=tuple(self.activations),
            links=tuple(self.links),
        )

    def place_tricky_names(self, count: int) -> None:
        tricky_count = min(len(vocabulary.TRICKY_NAMES), count // 5)
        positions = self.random.generator.sample(range(count), tricky_count)
        self.tricky_names = dict(zip(positions, vocabulary.TRICKY_NAMES, strict=False))

    def add_systems(self) -> None:
        for system in vocabulary.SYSTEMS:
            id_ = self.random.ulid(self.random.age())
            auth_schemes = tuple(
                AuthScheme(self.detail_random.ulid(self.detail_random.age()), type_) for type_ in system.auth_schemes
            )
            self.systems.append(System(id_, system.name, system.domain, system.base_url, auth_schemes))

    def add_projects(self) -> None:
        for project in vocabulary.PROJECTS:
            age = self.random.age()
            environments = tuple(
                Environment(self.random.ulid(age), name, status, *self.detail_random.created_and_updated(age))
                for name, status in project.environments.items()
            )
            created_at, updated_at = self.random.created_and_updated(age)
            self.environments.extend(environments)
            self.projects.append(
                Project(
                    id=self.random.ulid(age),
                    name=project.name,
                    created_at=created_at,
                    updated_at=updated_at,
                    starred=self.random.chance(0.3),
                    environments=environments,
                )
            )

    def add_static_connections(self, count: int) -> None:
        running = [environment for environment in self.environments if environment.status == "running"]
        not_running = [environment for environment in self.environments if environment.status != "running"]
        for position in range(count):
            system = self.random.choose(self.systems)
            # Every third connection is used only by an environment that is not running.
            environments = [self.random.choose(not_running if position % 3 == 1 else running)]
            if (position + 1) % SHARED_INTERVAL == 0:
                environments.append(self.random.choose([e for e in self.environments if e is not environments[0]]))
            self.add_static_connection(system, environments)

    def add_static_connection(self, system: System, environments: list[Environment]) -> None:
        template_ids = [self.template_id(environment, system, dynamic=False) for environment in environments]
        connection = self.add_connection(system, self.random.static_name(system), template_ids[0])
        for environment, template_id in zip(environments, template_ids, strict=True):
            self.links.append(Link(connection.id, environment.id, template_id))

    def add_dynamic_connections(self, count: int) -> None:
        environments = [environment for environment in self.environments if environment.status != "draft"]
        remaining = count
        while remaining:
            end_user = self.add_end_user()
            # Some end users are activated in two environments, with different connections in each.
            for environment in self.random.generator.sample(environments, 2 if self.random.chance(0.3) else 1):
                remaining -= self.add_activation_with_connections(end_user, environment, remaining)
        if count:
            # One end user is activated, but has not connected anything yet.
            self.add_activation(self.add_end_user(), environments[0], [])

    def add_activation_with_connections(self, end_user: EndUser, environment: Environment, limit: int) -> int:
        """Add one to three connections, at most `limit`, and their activation; return the number of connections."""
        systems = self.random.generator.sample(self.systems, min(limit, self.random.choose((1, 1, 2, 3))))
        connection_ids = []
        for system in systems:
            template_id = self.template_id(environment, system, dynamic=True)
            name = self.random.dynamic_name(end_user, system)
            connection_ids.append(self.add_connection(system, name, template_id, end_user).id)
        if connection_ids:
            self.add_activation(end_user, environment, connection_ids)
        return len(connection_ids)

    def add_unused_connections(self, count: int) -> None:
        template_ids = list(self.template_ids.values())
        for position in range(count):
            system = self.random.choose(self.systems)
            template_id = self.random.choose(template_ids) if template_ids and position % 2 else None
            name, end_user = self.unused_name_and_owner(position, system)
            self.add_connection(system, name, template_id, end_user, unused=True)

    def unused_name_and_owner(self, position: int, system: System) -> tuple[str, EndUser | None]:
        if position % 3 == 0:
            return self.random.trial_name(system), None
        if position % 3 == 1:
            end_user = self.add_end_user()
            return self.random.former_end_user_name(end_user), end_user
        return self.random.leftover_name(system), None

    def add_hidden_uses(self) -> None:
        """Add the activations of the static users, and the connections that only an activation shows to be in use."""
        used_ids = {link.connection_id for link in self.links}
        free_ids = [c.id for c in self.connections if c.end_user_id is None and c.id not in used_ids]
        unlisted = [index for index, activation in enumerate(self.activations) if not activation.lists_connections]
        for index, id_ in zip(unlisted, free_ids[END_USER_OFFSET::HIDDEN_USE_INTERVAL], strict=False):
            activation = self.activations[index]
            self.activations[index] = replace(activation, connection_ids=(*activation.connection_ids, id_))
        static_user_ids = free_ids[STATIC_USER_OFFSET::HIDDEN_USE_INTERVAL]
        for number, environment in enumerate(self.environments):
            self.add_static_activation(environment, number, static_user_ids[number :: len(self.environments)])

    def add_static_activation(self, environment: Environment, number: int, unlinked_ids: list[str]) -> None:
        age = self.detail_random.age()
        times = self.detail_random.created_and_updated(age)
        linked_ids = [link.connection_id for link in self.links if link.environment_id == environment.id]
        self.activations.append(
            Activation(
                id=self.detail_random.ulid(age),
                end_user=EndUser(self.detail_random.ulid(age), f"static-user-{number + 1:02}", "Static user", *times),
                environment_id=environment.id,
                connection_ids=(*dict.fromkeys(linked_ids), *unlinked_ids),
                is_static=True,
                lists_connections=number % 2 == 0,
            )
        )

    def add_end_user(self) -> EndUser:
        number = len(self.end_users) + 1
        age = self.random.age()
        times = self.detail_random.created_and_updated(age)
        end_user = EndUser(self.random.ulid(age), f"cust-{number:05}", self.random.company(), *times)
        self.end_users.append(end_user)
        return end_user

    def add_activation(self, end_user: EndUser, environment: Environment, connection_ids: list[str]) -> None:
        names = self.random.generator.sample(vocabulary.VARIABLE_NAMES, self.random.choose((0, 0, 1, 2)))
        variables = tuple(Variable(name, f"{self.random.generator.randrange(1000)}") for name in names)
        id_ = self.random.ulid(self.random.age())
        self.activations.append(
            Activation(
                id=id_,
                end_user=end_user,
                environment_id=environment.id,
                connection_ids=tuple(connection_ids),
                variables=variables,
                lists_connections=(len(self.activations) + 1) % UNLISTED_INTERVAL != 0,
            )
        )

    def add_connection(
        self,
        system: System,
        name: str,
        template_id: str | None,
        end_user: EndUser | None = None,
        *,
        unused: bool = False,
    ) -> Connection:
        age = self.random.age()
        name = self.unique_name(system, self.tricky_names.get(len(self.connections), name))
        created_at, updated_at = self.random.created_and_updated(age)
        connection = Connection(
            id=self.random.ulid(age),
            name=name,
            system_id=system.id,
            base_url=None if self.random.chance(0.1) else self.random.url(system),
            template_id=template_id,
            end_user_id=end_user.id if end_user else None,
            credentials=self.credentials.build(system, age, unused=unused),
            created_at=created_at,
            updated_at=updated_at,
        )
        self.connections.append(connection)
        return connection

    def unique_name(self, system: System, name: str) -> str:
        unique, number = name, 1
        while (system.id, unique) in self.names_in_use:
            number += 1
            # From the tenth on, the numbers are random: counting through thousands of equal names would take minutes.
            suffix = number if number < 10 else self.random.generator.randrange(10, 1_000_000)  # noqa: PLR2004 - see above
            unique = f"{name} {suffix}"
        self.names_in_use.add((system.id, unique))
        return unique

    def template_id(self, environment: Environment, system: System, *, dynamic: bool) -> str:
        key = (environment.id, system.id, dynamic)
        if key not in self.template_ids:
            self.template_ids[key] = self.random.ulid(self.random.age())
        return self.template_ids[key]
