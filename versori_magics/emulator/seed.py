"""Builds the seeded organisation: the same seed gives the same ids, names and links on every day."""

from __future__ import annotations

from datetime import UTC, datetime
from operator import attrgetter

from versori_magics.emulator import vocabulary
from versori_magics.emulator.models import (
    Activation,
    Connection,
    Credential,
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
ZERO_TIME = "0001-01-01T00:00:00Z"  # Go's zero time
BY_ID = attrgetter("id")

# Of 100 credentials, how many are valid, never validated and expired; the others are rejected by their system.
# Credentials of unused connections are expired more often.
CREDENTIAL_STATES_IN_USE = (75, 10, 10)
CREDENTIAL_STATES_UNUSED = (30, 20, 40)


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
    return _OrganisationBuilder(RandomData(seed, today)).build(connections)


class _OrganisationBuilder:
    """Collects the resources of one organisation; used once."""

    def __init__(self, random: RandomData) -> None:
        self.random = random
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
        self.zero_time_is_unused = True

    def build(self, count: int) -> Organisation:
        static_count, dynamic_count = round(count * STATIC_SHARE), round(count * DYNAMIC_SHARE)
        self.place_tricky_names(count)
        self.add_systems()
        self.add_projects()
        self.add_static_connections(static_count)
        self.add_dynamic_connections(dynamic_count)
        self.add_unused_connections(count - static_count - dynamic_count)
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
            self.systems.append(System(id_, system.name, system.domain, system.base_url, system.auth_schemes))

    def add_projects(self) -> None:
        for project in vocabulary.PROJECTS:
            age = self.random.age()
            environments = tuple(
                Environment(self.random.ulid(age), name, status) for name, status in project.environments.items()
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
            connection_ids.append(self.add_connection(system, name, template_id).id)
        if connection_ids:
            self.add_activation(end_user, environment, connection_ids)
        return len(connection_ids)

    def add_unused_connections(self, count: int) -> None:
        template_ids = list(self.template_ids.values())
        for position in range(count):
            system = self.random.choose(self.systems)
            template_id = self.random.choose(template_ids) if template_ids and position % 2 else None
            self.add_connection(system, self.unused_name(position, system), template_id, unused=True)

    def unused_name(self, position: int, system: System) -> str:
        if position % 3 == 0:
            return self.random.trial_name(system)
        if position % 3 == 1:
            return self.random.former_end_user_name(self.add_end_user())
        return self.random.leftover_name(system)

    def add_end_user(self) -> EndUser:
        number = len(self.end_users) + 1
        end_user = EndUser(self.random.ulid(self.random.age()), f"cust-{number:05}", self.random.company())
        self.end_users.append(end_user)
        return end_user

    def add_activation(self, end_user: EndUser, environment: Environment, connection_ids: list[str]) -> None:
        names = self.random.generator.sample(vocabulary.VARIABLE_NAMES, self.random.choose((0, 0, 1, 2)))
        variables = tuple(Variable(name, f"{self.random.generator.randrange(1000)}") for name in names)
        id_ = self.random.ulid(self.random.age())
        self.activations.append(Activation(id_, end_user, environment.id, tuple(connection_ids), variables))

    def add_connection(self, system: System, name: str, template_id: str | None, *, unused: bool = False) -> Connection:
        age = self.random.age()
        name = self.unique_name(system, self.tricky_names.get(len(self.connections), name))
        created_at, updated_at = self.random.created_and_updated(age)
        connection = Connection(
            id=self.random.ulid(age),
            name=name,
            system_id=system.id,
            base_url=None if self.random.chance(0.1) else self.random.url(system),
            template_id=template_id,
            credentials=self.credentials(system, age, unused=unused),
            created_at=created_at,
            updated_at=updated_at,
        )
        self.connections.append(connection)
        return connection

    def credentials(self, system: System, age: float, *, unused: bool) -> tuple[Credential, ...]:
        if self.random.chance(0.03):
            return ()
        auth_schemes: tuple[str, ...] = (self.random.choose(system.auth_schemes),)
        if self.random.chance(0.08):
            auth_schemes = system.auth_schemes
        return tuple(self.credential(auth_scheme, age, unused=unused) for auth_scheme in auth_schemes)

    def credential(self, auth_scheme: str, age: float, *, unused: bool) -> Credential:
        errors, expires_at = self.errors_and_expiry(age, unused=unused)
        type_ = self.random.choose(vocabulary.CREDENTIAL_TYPES[auth_scheme])
        name = f"{auth_scheme} {self.random.generator.randrange(1000)}"
        return Credential(self.random.ulid(age), auth_scheme, type_, name, errors, expires_at)

    def errors_and_expiry(self, age: float, *, unused: bool) -> tuple[tuple[str, ...] | None, str | None]:
        # Chosen in every case, because otherwise the random sequence, and with it the data of every seed, would change.
        rejected_errors = (self.random.choose(vocabulary.REJECTED_ERRORS),)
        valid, never_validated, expired = CREDENTIAL_STATES_UNUSED if unused else CREDENTIAL_STATES_IN_USE
        state = self.random.generator.randrange(100)
        if state < valid:
            return (), self.future_expiry()
        if state < valid + never_validated:
            return None, None
        if state < valid + never_validated + expired:
            errors = self.random.choose((vocabulary.EXPIRED_ERRORS[:1], vocabulary.EXPIRED_ERRORS))
            return errors, self.random.time(self.random.generator.uniform(1, age))
        return rejected_errors, None

    def future_expiry(self) -> str | None:
        if self.random.chance(0.5):
            return self.random.time(-self.random.generator.uniform(5, 365))
        if self.zero_time_is_unused:
            self.zero_time_is_unused = False
            return ZERO_TIME
        return None

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
