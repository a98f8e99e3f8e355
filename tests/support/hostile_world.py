"""The organisation that the hostile platform serves. It shares no code with the package that it judges."""

import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Literal

Json = dict[str, Any]
SECRET = "S3CR3T-CREDENTIAL-DATA"
TIMES = (  # as Go prints them
    "2024-03-01T09:00:00Z",
    "2024-03-01T09:00:00.5+02:00",
    "2023-11-05T23:59:59.123456789Z",
    "0001-01-01T00:00:00Z",
    "2025-07-14T06:30:00.12-05:30",
)
# Authentication scheme, type of credential.
AUTHS = (("oauth2", "oauth2-token"), ("api-key", "string"), ("basic-auth", "basic-auth"), ("a-new-one", "a-new-one"))


@dataclass
class Connection:
    id: str
    name: str
    system_id: str
    created_at: str
    updated_at: str
    credentials: list[Json]
    base_url: str = "https://api.example.com/"
    template_id: str | None = None

    def json(self) -> Json:
        shape = {
            "id": self.id,
            "name": self.name,
            "systemId": self.system_id,
            "baseUrl": self.base_url,
            "credentials": self.credentials,
            "createdAt": self.created_at,
            "updatedAt": self.updated_at,
        }
        return shape if self.template_id is None else {**shape, "connectionTemplateId": self.template_id}


@dataclass
class System:
    id: str
    name: str
    domain: str

    def json(self) -> Json:
        url = f"https://api.{self.domain}/"
        return {
            "id": self.id,
            "name": self.name,
            "domain": self.domain,
            "templateBaseUrl": url,
            "authSchemeConfigs": [],
        }


@dataclass
class Environment:
    id: str
    name: str
    status: str

    def json(self) -> Json:
        return {"id": self.id, "name": self.name, "status": self.status}


@dataclass
class Project:
    id: str
    name: str
    environments: list[Environment]


@dataclass
class User:
    id: str
    external_id: str
    display_name: str

    def json(self) -> Json:
        return {"id": self.id, "externalId": self.external_id, "displayName": self.display_name}


@dataclass
class Activation:
    id: str
    environment_id: str
    user: User
    connections: list[str]
    silent: bool = False
    """Whether ListActivations leaves out its `connections`, which is optional; it uses them all the same."""
    static: bool = False
    """Whether it is the one of the environment's static user."""


@dataclass
class World:
    """One organisation; `world()` builds one. Edit it freely, under `platform.lock` while requests are under way."""

    rng: random.Random
    organisation: str = ""
    connections: dict[str, Connection] = field(default_factory=dict)
    systems: dict[str, System] = field(default_factory=dict)
    projects: dict[str, Project] = field(default_factory=dict)
    users: dict[str, User] = field(default_factory=dict)
    activations: dict[str, Activation] = field(default_factory=dict)
    links: dict[str, dict[str, str]] = field(default_factory=dict)
    """Environment id -> static connection id -> connection template id."""
    owners: dict[str, str] = field(default_factory=dict)
    """Connection id -> the end user to whom it belongs, if that user has no activation with it."""
    static: list[str] = field(default_factory=list)
    dynamic: list[str] = field(default_factory=list)
    free: list[str] = field(default_factory=list)
    deleted: list[str] = field(default_factory=list)
    """Ids that a DELETE deleted, in order; not those that `remove` took away."""
    broken: list[tuple[str, str]] = field(default_factory=list)
    """(environment id, connection id) of each static link that a DELETE broke."""
    page_cap: int = 1000
    page_limit_error: int | None = None
    """If set, a larger `first` is a 400 Error and is not cut down to the cap."""
    end_cursor: str | None = None
    """`next` and `prev` of the last page: absent, or this text (mostly the empty one)."""
    environment_pages: Literal["whole", "cut", "paged"] = "whole"
    """How an environment's connections are listed: all at once, cut at 20 without a cursor, or in pages."""
    static_lists_everyone: bool = False
    """Whether ListActivations with `static` lists the end users too."""
    hides_connections_of_end_users: bool = False
    """Whether ListConnections lists the connections of an end user only if it is asked for that user."""
    ids: int = 0

    def ulid(self) -> str:
        """Return the next id; ids sort by the order in which they were made."""
        self.ids += 1
        number = (1_700_000_000_000 + self.ids) << 80 | self.rng.getrandbits(80)
        return "".join("0123456789ABCDEFGHJKMNPQRSTVWXYZ"[number >> shift & 31] for shift in range(125, -1, -5))

    @property
    def environments(self) -> list[Environment]:
        return [environment for project in self.projects.values() for environment in project.environments]

    def add(self, name: str | None = None, system_id: str | None = None) -> str:
        """Add a connection that nobody uses, and return its id."""
        id_, number = self.ulid(), len(self.connections)
        scheme, credential_type = AUTHS[number % len(AUTHS)]
        credential: Json = {"id": self.ulid(), "organisationId": self.organisation, "type": credential_type}
        token = {"scopes": [], "accessToken": SECRET, "refreshToken": SECRET, "expiresAt": TIMES[number % len(TIMES)]}
        credential["data"] = {"oauth2Token": token} if credential_type == "oauth2-token" else SECRET
        credential |= {"name": f"credential {number}", "expiresAt": TIMES[(number + 1) % len(TIMES)]}
        if number % 3:
            credential["errors"] = [] if number % 3 == 1 else ["the grant has expired"]
        self.connections[id_] = Connection(
            id_,
            name if name is not None else f"connection {number:05}",
            system_id or list(self.systems)[number % len(self.systems)],
            TIMES[number % len(TIMES)],
            TIMES[number // 2 % len(TIMES)],
            [{"id": self.ulid(), "authSchemeConfig": {"type": scheme}, "credential": credential}],
        )
        return id_

    def link(self, connection_id: str, environment_id: str | None = None) -> str:
        """Make an environment use the connection (static), and return the environment's id."""
        environment_id = environment_id or self.environments[0].id
        template = self.links.setdefault(environment_id, {}).setdefault(connection_id, self.ulid())
        self.connections[connection_id].template_id = template
        return environment_id

    def activate(self, connection_id: str, environment_id: str | None = None, user_id: str | None = None) -> str:
        """Make an end user (a new one unless named) use the connection, and return the activation's id."""
        user = self.users[user_id or self.add_user()]
        activation = Activation(self.ulid(), environment_id or self.environments[0].id, user, [connection_id])
        self.activations[activation.id] = activation
        return activation.id

    def activate_static_user(self, connection_id: str, environment_id: str | None = None) -> str:
        """Make an environment's workflows without an end user run on the connection; return the activation's id."""
        user = User(self.ulid(), "static", "Static user")
        environment_id = environment_id or self.environments[0].id
        activation = Activation(self.ulid(), environment_id, user, [connection_id], static=True)
        self.activations[activation.id] = activation
        return activation.id

    def add_user(self) -> str:
        """Add an end user without an activation, and return their id."""
        user_id, number = self.ulid(), len(self.users)
        self.users[user_id] = User(user_id, f"customer-{number}", f"Customer {number}")
        return user_id

    def connections_of_user(self, user_id: str) -> set[str]:
        """Return the ids of the connections that belong to an end user."""
        activations = (activation for activation in self.activations.values() if not activation.static)
        activated = {
            id_ for activation in activations if activation.user.id == user_id for id_ in activation.connections
        }
        return activated | {id_ for id_, owner in self.owners.items() if owner == user_id}

    def activations_of(self, connection_id: str) -> Iterator[Activation]:
        return (activation for activation in self.activations.values() if connection_id in activation.connections)

    def remove(self, connection_id: str) -> None:
        """Take a connection away as somebody else would: the console, a colleague."""
        self.connections.pop(connection_id, None)
        for linked in self.links.values():
            linked.pop(connection_id, None)
        for activation in self.activations.values():
            activation.connections = [id_ for id_ in activation.connections if id_ != connection_id]


def world(static: int = 0, dynamic: int = 0, free: int = 0, seed: int = 0, **options: Any) -> World:
    """Build an organisation with so many connections of each usage, mixed, in two projects of two environments."""
    built = World(random.Random(seed), **options)
    built.organisation = built.ulid()
    for name, domain in (("Shop", "shop.example"), ("Ledger", "ledger.example"), ("Warehouse", "warehouse.example")):
        system = System(built.ulid(), name, domain)
        built.systems[system.id] = system
    for name, statuses in (("Orders", ("running", "suspended")), ("Invoices", ("running", "draft"))):
        stages = zip(("production", "staging"), statuses, strict=True)
        project = Project(built.ulid(), name, [Environment(built.ulid(), stage, status) for stage, status in stages])
        built.projects[project.id] = project
    environments = [environment.id for environment in built.environments]
    usages = [built.static] * static + [built.dynamic] * dynamic + [built.free] * free
    built.rng.shuffle(usages)
    for ids in usages:
        ids.append(built.add())
    for number, id_ in enumerate(built.static):
        built.link(id_, environments[number % len(environments)])
    for number, id_ in enumerate(built.dynamic):
        built.activate(id_, environments[number % len(environments)])
    return built
