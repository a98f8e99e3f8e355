"""Builds the organisation: pure, and the same for the same seed but for its times, which keep their age."""

from __future__ import annotations

from datetime import UTC, datetime
from operator import attrgetter

from versori_magics.sandbox import names
from versori_magics.sandbox.draw import OLDEST, Draw
from versori_magics.sandbox.organisation import (
    Activation,
    Connection,
    Credential,
    EndUser,
    Environment,
    Link,
    Organisation,
    Project,
    System,
)

STATIC_SHARE = 0.25
DYNAMIC_SHARE = 0.35
SHARED_EVERY = 12  # static connections, until one has two environments
ZERO_TIME = "0001-01-01T00:00:00Z"
BY_ID = attrgetter("id")

# How many in a hundred are valid, never validated, expired (the rest is rejected). Leftovers expire more often.
STATES_IN_USE = (75, 10, 10)
STATES_STALE = (30, 20, 40)


def build(connections: int, seed: int, today: datetime | None = None) -> Organisation:
    """Build the organisation.

    Parameters
    ----------
    connections : int
        How many.
    seed : int
        The same seed gives the same ids, names and links.
    today : datetime, optional
        The midnight (UTC) from which ages count; today's unless told.

    Returns
    -------
    Organisation
        With its connections in the order of their ids.
    """
    if today is None:
        today = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    return _Builder(Draw(seed, today)).organisation(connections)


class _Builder:
    def __init__(self, draw: Draw) -> None:
        self.draw = draw
        # Drawn first, so that it hangs on the seed only.
        self.id = draw.ulid(OLDEST)
        self.systems: list[System] = []
        self.projects: list[Project] = []
        self.environments: list[Environment] = []
        self.users: list[EndUser] = []
        self.connections: list[Connection] = []
        self.activations: list[Activation] = []
        self.links: list[Link] = []
        self.taken: set[tuple[str, str]] = set()
        self.templates: dict[tuple[str, str, bool], str] = {}
        self.odd_names: dict[int, str] = {}
        self.zero_time_is_due = True

    def organisation(self, count: int) -> Organisation:
        static, dynamic = round(count * STATIC_SHARE), round(count * DYNAMIC_SHARE)
        where = self.draw.random.sample(range(count), min(len(names.ODD_NAMES), count // 5))
        self.odd_names = dict(zip(where, names.ODD_NAMES, strict=False))
        self.add_systems()
        self.add_projects()
        self.add_static(static)
        self.add_dynamic(dynamic)
        self.add_unused(count - static - dynamic)
        return Organisation(
            id=self.id,
            systems=tuple(sorted(self.systems, key=BY_ID)),
            projects=tuple(self.projects),
            users=tuple(sorted(self.users, key=BY_ID)),
            connections=tuple(sorted(self.connections, key=BY_ID)),
            activations=tuple(self.activations),
            links=tuple(self.links),
        )

    def add_systems(self) -> None:
        for words in names.SYSTEMS:
            id_ = self.draw.ulid(self.draw.age())
            self.systems.append(System(id_, words.name, words.domain, words.base_url, words.schemes))

    def add_projects(self) -> None:
        for name, environments in names.PROJECTS:
            age = self.draw.age()
            made = tuple(Environment(self.draw.ulid(age), env, status) for env, status in environments)
            created, updated = self.draw.created_and_updated(age)
            self.environments.extend(made)
            self.projects.append(Project(self.draw.ulid(age), name, created, updated, self.draw.chance(0.3), made))

    def add_static(self, count: int) -> None:
        running = [env for env in self.environments if env.status == "running"]
        idle = [env for env in self.environments if env.status != "running"]
        for n in range(count):
            system = self.draw.pick(self.systems)
            # Every third one is needed only where nothing runs; now and then two environments share one.
            used_in = [self.draw.pick(idle if n % 3 == 1 else running)]
            if (n + 1) % SHARED_EVERY == 0:
                used_in.append(self.draw.pick([env for env in self.environments if env is not used_in[0]]))
            templates = [self.template(env, system, dynamic=False) for env in used_in]
            connection = self.add_connection(system, self.draw.static_name(system), templates[0])
            for env, template in zip(used_in, templates, strict=True):
                self.links.append(Link(connection.id, env.id, template))

    def add_dynamic(self, count: int) -> None:
        environments = [env for env in self.environments if env.status != "draft"]
        left = count
        while left:
            user = self.add_user()
            # Some end users are switched on in two environments, with connections of their own in each.
            for env in self.draw.random.sample(environments, 2 if self.draw.chance(0.3) else 1):
                systems = self.draw.random.sample(self.systems, min(left, self.draw.pick((1, 1, 2, 3))))
                made = []
                for system in systems:
                    template = self.template(env, system, dynamic=True)
                    made.append(self.add_connection(system, self.draw.dynamic_name(user, system), template).id)
                left -= len(made)
                if made:
                    self.activate(user, env, made)
        if count:
            # Switched on, and nothing connected yet.
            self.activate(self.add_user(), environments[0], [])

    def add_unused(self, count: int) -> None:
        templates = list(self.templates.values())
        for n in range(count):
            system = self.draw.pick(self.systems)
            template = self.draw.pick(templates) if templates and n % 2 else None
            self.add_connection(system, self.stale_name(n, system), template, stale=True)

    def stale_name(self, n: int, system: System) -> str:
        if n % 3 == 0:
            return self.draw.trial_name(system)
        if n % 3 == 1:
            return self.draw.former_name(self.add_user())
        return self.draw.leftover_name(system)

    def add_user(self) -> EndUser:
        number = len(self.users) + 1
        user = EndUser(self.draw.ulid(self.draw.age()), f"cust-{number:05}", self.draw.company())
        self.users.append(user)
        return user

    def activate(self, user: EndUser, env: Environment, connections: list[str]) -> None:
        some = self.draw.random.sample(names.VARIABLE_NAMES, self.draw.pick((0, 0, 1, 2)))
        variables = tuple((name, f"{self.draw.random.randrange(1000)}") for name in some)
        id_ = self.draw.ulid(self.draw.age())
        self.activations.append(Activation(id_, user, env.id, tuple(connections), variables))

    def add_connection(self, system: System, name: str, template: str | None, *, stale: bool = False) -> Connection:
        age = self.draw.age()
        name = self.unique(system, self.odd_names.get(len(self.connections), name))
        created, updated = self.draw.created_and_updated(age)
        connection = Connection(
            id=self.draw.ulid(age),
            name=name,
            system=system.id,
            base_url=None if self.draw.chance(0.1) else self.draw.url(system),
            template=template,
            credentials=self.credentials(system, age, stale=stale),
            created_at=created,
            updated_at=updated,
        )
        self.connections.append(connection)
        return connection

    def credentials(self, system: System, age: float, *, stale: bool) -> tuple[Credential, ...]:
        if self.draw.chance(0.03):
            return ()
        schemes: tuple[str, ...] = (self.draw.pick(system.schemes),)
        if self.draw.chance(0.08):
            schemes = system.schemes
        return tuple(self.credential(scheme, age, stale=stale) for scheme in schemes)

    def credential(self, scheme: str, age: float, *, stale: bool) -> Credential:
        errors: tuple[str, ...] | None = (self.draw.pick(names.REJECTED),)
        expires: str | None = None
        valid, never, expired = STATES_STALE if stale else STATES_IN_USE
        state = self.draw.random.randrange(100)
        if state < valid:
            errors = ()
            expires = self.draw.time(-self.draw.random.uniform(5, 365)) if self.draw.chance(0.5) else None
            if expires is None and self.zero_time_is_due:
                expires, self.zero_time_is_due = ZERO_TIME, False
        elif state < valid + never:
            errors = None
        elif state < valid + never + expired:
            errors = self.draw.pick((names.EXPIRED[:1], names.EXPIRED))
            expires = self.draw.time(self.draw.random.uniform(1, age))
        type_ = self.draw.pick(names.CREDENTIAL_TYPES[scheme])
        name = f"{scheme} {self.draw.random.randrange(1000)}"
        return Credential(self.draw.ulid(age), scheme, type_, name, errors, expires)

    def unique(self, system: System, name: str) -> str:
        found, n = name, 1
        while (system.id, found) in self.taken:
            n += 1
            # Larger numbers are drawn: counting up through thousands of namesakes would take minutes.
            found = f"{name} {n if n < 10 else self.draw.random.randrange(10, 1_000_000)}"  # noqa: PLR2004
        self.taken.add((system.id, found))
        return found

    def template(self, env: Environment, system: System, *, dynamic: bool) -> str:
        key = (env.id, system.id, dynamic)
        if key not in self.templates:
            self.templates[key] = self.draw.ulid(self.draw.age())
        return self.templates[key]
