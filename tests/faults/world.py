"""What the hostile platform holds, and what each operation of the platform does with it.

No sockets here: `perform` takes a request apart from its transport and gives the true answer. It shares no code
with the package it judges.
"""

import base64
import json
import random
import re
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from operator import attrgetter
from typing import Any, Literal

Json = dict[str, Any]
SECRET = "S3CR3T-CREDENTIAL-DATA"
ULID = re.compile(r"[0-7][0-9A-HJKMNP-TV-Z]{25}")
TIMES = (  # as Go prints them
    "2024-03-01T09:00:00Z",
    "2024-03-01T09:00:00.5+02:00",
    "2023-11-05T23:59:59.123456789Z",
    "0001-01-01T00:00:00Z",
    "2025-07-14T06:30:00.12-05:30",
)
AUTHS = (("oauth2", "oauth2-token"), ("api-key", "string"), ("basic-auth", "basic-auth"), ("a-new-one", "a-new-one"))


class ApiError(Exception):
    """The platform says no, with its Error shape."""

    def __init__(self, status: int, message: str, details: str | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.body: Json = {"code": f"{status}000", "message": message}
        if details is not None:
            self.body["details"] = details


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
    silent: bool = False  # answers without `connections`, which is optional; it still uses them


@dataclass
class World:
    """One organisation; `world()` builds one. Edit it freely, under `platform.lock` when requests are under way."""

    rng: random.Random
    organisation: str = ""
    connections: dict[str, Connection] = field(default_factory=dict)
    systems: dict[str, System] = field(default_factory=dict)
    projects: dict[str, Project] = field(default_factory=dict)
    users: dict[str, User] = field(default_factory=dict)
    activations: dict[str, Activation] = field(default_factory=dict)
    links: dict[str, dict[str, str]] = field(default_factory=dict)
    """Environment id -> static connection id -> connection template id."""
    static: list[str] = field(default_factory=list)
    dynamic: list[str] = field(default_factory=list)
    free: list[str] = field(default_factory=list)
    deleted: list[str] = field(default_factory=list)
    """Gone by a DELETE, in order (what `remove` took behind the client's back is not here)."""
    broken: list[tuple[str, str]] = field(default_factory=list)
    """(environment id, connection id) of each static link that a DELETE broke."""
    page_cap: int = 1000
    page_limit_error: int | None = None
    """When set, a larger `first` is a 400 Error rather than cut down to the cap."""
    end_cursor: str | None = None
    """What stands for "no more" in `next` and `prev`: absent, or this text (mostly the empty one)."""
    environment_pages: Literal["whole", "cut", "paged"] = "whole"
    """An environment's connections: all at once, cut at 20 without a cursor, or in pages."""
    ids: int = 0

    def ulid(self) -> str:
        """Make the next id: they sort in the order they are made."""
        self.ids += 1
        number = (1_700_000_000_000 + self.ids) << 80 | self.rng.getrandbits(80)
        return "".join("0123456789ABCDEFGHJKMNPQRSTVWXYZ"[number >> shift & 31] for shift in range(125, -1, -5))

    @property
    def environments(self) -> list[Environment]:
        return [environment for project in self.projects.values() for environment in project.environments]

    def add(self, name: str | None = None, system_id: str | None = None) -> str:
        """Add a connection that nothing uses, and give its id."""
        id_, turn = self.ulid(), len(self.connections)
        scheme, kind = AUTHS[turn % len(AUTHS)]
        credential: Json = {"id": self.ulid(), "organisationId": self.organisation, "type": kind, "data": SECRET}
        credential |= {"name": f"credential {turn}", "expiresAt": TIMES[(turn + 1) % len(TIMES)]}
        if turn % 3:
            credential["errors"] = [] if turn % 3 == 1 else ["the grant has expired"]
        self.connections[id_] = Connection(
            id_,
            name if name is not None else f"connection {turn:05}",
            system_id or list(self.systems)[turn % len(self.systems)],
            TIMES[turn % len(TIMES)],
            TIMES[turn // 2 % len(TIMES)],
            [{"id": self.ulid(), "authSchemeConfig": {"type": scheme}, "credential": credential}],
        )
        return id_

    def link(self, connection_id: str, environment_id: str | None = None) -> str:
        """Make an environment use the connection (static), and give the environment's id."""
        environment_id = environment_id or self.environments[0].id
        template = self.links.setdefault(environment_id, {}).setdefault(connection_id, self.ulid())
        self.connections[connection_id].template_id = template
        return environment_id

    def activate(self, connection_id: str, environment_id: str | None = None, user_id: str | None = None) -> str:
        """Make an end user (a new one unless named) use the connection, and give the activation's id."""
        if user_id is None:
            user_id, turn = self.ulid(), len(self.users)
            self.users[user_id] = User(user_id, f"customer-{turn}", f"Customer {turn}")
        environment_id = environment_id or self.environments[0].id
        activation = Activation(self.ulid(), environment_id, self.users[user_id], [connection_id])
        self.activations[activation.id] = activation
        return activation.id

    def remove(self, connection_id: str) -> None:
        """Take a connection away as somebody else would: the console, a colleague."""
        self.connections.pop(connection_id, None)
        for linked in self.links.values():
            linked.pop(connection_id, None)
        for activation in self.activations.values():
            activation.connections = [id_ for id_ in activation.connections if id_ != connection_id]

    def page(self, items: Iterable[Any], query: Mapping[str, str], key: str = "items") -> Json:
        """One page of things that have an `id` and a `json()`, as `first`, `after` and `before` ask."""
        first = query.get("first", "20")
        if not re.fullmatch(r"[1-9]\d*", first):
            raise ApiError(400, "first is not a positive number", first)
        if self.page_limit_error is not None and int(first) > self.page_limit_error:
            raise ApiError(400, f"first must not be above {self.page_limit_error}", first)
        if query.get("after") and query.get("before"):
            raise ApiError(400, "after and before exclude each other")
        size = min(int(first), self.page_cap)
        rows = sorted(items, key=attrgetter("id"))
        ids = [row.id for row in rows]
        if query.get("before"):
            end = bisect_left(ids, _decode(query["before"]))
            start = max(0, end - size)
        else:
            start = bisect_right(ids, _decode(query["after"])) if query.get("after") else 0
            end = min(len(ids), start + size)
        answer: Json = {"totalCount": len(rows), key: [row.json() for row in rows[start:end]]}
        for name, more, at in (("next", start < end < len(ids), end - 1), ("prev", 0 < start < end, start)):
            if more:
                answer[name] = base64.urlsafe_b64encode(f"at:{ids[at]}".encode()).decode()
            elif self.end_cursor is not None:
                answer[name] = self.end_cursor
        return answer

    def _list(self, ids: Sequence[str], query: Mapping[str, str], body: bytes) -> Json:
        rows = list(self.connections.values())
        if system := query.get("system_id"):
            rows = [row for row in rows if row.system_id == _ulid(system)]
        if user := query.get("end_user_id"):
            _ulid(user)
            theirs = {id_ for one in self.activations.values() if one.user.id == user for id_ in one.connections}
            rows = [row for row in rows if row.id in theirs]
        return self.page(rows, query)

    def _get(self, ids: Sequence[str], query: Mapping[str, str], body: bytes) -> Json:
        connection: Connection = _known(self.connections, ids[0], "connection")
        return connection.json()

    def _delete(self, ids: Sequence[str], query: Mapping[str, str], body: bytes) -> None:
        connection = _known(self.connections, ids[0], "connection")
        users = [one.user.display_name for one in list(self.activations.values()) if ids[0] in one.connections]
        if users:
            raise ApiError(409, "the connection is in use by an end user", f"used by {', '.join(users)}")
        self.broken += [(environment, ids[0]) for environment, linked in self.links.items() if ids[0] in linked]
        self.remove(connection.id)
        self.deleted.append(connection.id)

    def _unlink(self, ids: Sequence[str], query: Mapping[str, str], body: bytes) -> None:
        _known(self.connections, ids[0], "connection")
        try:
            template = json.loads(body)["connectionTemplateId"]
        except (ValueError, KeyError, TypeError):
            raise ApiError(400, "connectionTemplateId is required") from None
        for linked in self.links.values():
            if linked.get(ids[0]) == template:
                del linked[ids[0]]
                return
        raise ApiError(404, "the connection is not linked by this template")

    def _environment_connections(self, ids: Sequence[str], query: Mapping[str, str], body: bytes) -> Json:
        project = _known(self.projects, ids[0], "project")
        environment = _known({one.id: one for one in project.environments}, query.get("env_id", ""), "environment")
        rows = [self.connections[id_] for id_ in self.links.get(environment.id, {})]
        if self.environment_pages == "paged":
            return self.page(rows, query)
        shown = rows if self.environment_pages == "whole" else rows[:20]
        return {"totalCount": len(rows), "items": [row.json() for row in shown]}

    def _activations(self, ids: Sequence[str], query: Mapping[str, str], body: bytes) -> list[Json]:
        environment = _known({one.id: one for one in self.environments}, ids[0], "environment")
        answer = []
        for one in self.activations.values():
            if one.environment_id == environment.id:
                shape: Json = {"id": one.id, "user": one.user.json(), "dynamicVariables": {}}
                shape["environment"] = {"id": environment.id, "name": environment.name, "status": environment.status}
                if not one.silent:
                    shape["connections"] = [self.connections[id_].json() for id_ in one.connections]
                answer.append(shape)
        return answer

    def _deactivate(self, ids: Sequence[str], query: Mapping[str, str], body: bytes) -> None:
        if _known(self.activations, ids[1], "activation").environment_id != ids[0]:
            raise ApiError(404, "activation not found", ids[1])
        del self.activations[ids[1]]

    def _projects(self, ids: Sequence[str], query: Mapping[str, str], body: bytes) -> Json:
        shapes = [
            {
                "id": project.id,
                "name": project.name,
                "createdAt": TIMES[0],
                "updatedAt": TIMES[1],
                "starred": False,
                "environments": [{"id": e.id, "name": e.name, "status": e.status} for e in project.environments],
            }
            for project in self.projects.values()
        ]
        return {"projects": shapes}

    def _systems(self, ids: Sequence[str], query: Mapping[str, str], body: bytes) -> Json:
        word = query.get("search", "").lower()
        return self.page([one for one in self.systems.values() if word in one.name.lower()], query)

    def _users(self, ids: Sequence[str], query: Mapping[str, str], body: bytes) -> Json:
        word = query.get("search", "").lower()
        rows = [u for u in self.users.values() if word in u.external_id.lower() or word in u.display_name.lower()]
        return self.page(rows, query, "users")


@dataclass(frozen=True)
class Operation:
    name: str
    method: str
    pattern: str
    run: Callable[[World, Sequence[str], Mapping[str, str], bytes], Json | list[Json] | None]
    query: str = ""
    body: bool = False

    def ids(self, method: str, path: str) -> tuple[str, ...] | None:
        """Give the ids in the path (below the organisation) if this is the operation that is asked for."""
        match = re.fullmatch(self.pattern.replace("*", "([^/]+)"), path)
        return match.groups() if match and method == self.method else None


_PAGE = "first after before "
OPERATIONS = (
    Operation("ListConnections", "GET", "/connections", World._list, _PAGE + "system_id end_user_id"),
    Operation("GetConnection", "GET", "/connections/*", World._get),
    Operation("DeleteConnection", "DELETE", "/connections/*", World._delete),
    Operation("UnlinkConnectionFromEnvironment", "DELETE", "/connections/*/link", World._unlink, body=True),
    Operation("ListEnvironmentConnections", "GET", "/projects/*/connections", World._environment_connections, "env_id"),
    Operation("ListActivations", "GET", "/environments/*/activations", World._activations),
    Operation("DeleteActivation", "DELETE", "/environments/*/activations/*", World._deactivate),
    Operation("ListProjects", "GET", "/projects", World._projects),
    Operation("ListSystems", "GET", "/systems", World._systems, _PAGE + "search"),
    Operation("ListEndUsers", "GET", "/users", World._users, _PAGE + "search"),
)


def world(static: int = 0, dynamic: int = 0, free: int = 0, seed: int = 0, **options: Any) -> World:
    """Build an organisation with so many connections of each kind, mixed, over two projects of two environments."""
    made = World(random.Random(seed), **options)
    made.organisation = made.ulid()
    for name, domain in (("Shop", "shop.example"), ("Ledger", "ledger.example"), ("Warehouse", "warehouse.example")):
        system = System(made.ulid(), name, domain)
        made.systems[system.id] = system
    for name, statuses in (("Orders", ("running", "suspended")), ("Invoices", ("running", "draft"))):
        stages = zip(("production", "staging"), statuses, strict=True)
        project = Project(made.ulid(), name, [Environment(made.ulid(), stage, status) for stage, status in stages])
        made.projects[project.id] = project
    environments = [environment.id for environment in made.environments]
    kinds = [made.static] * static + [made.dynamic] * dynamic + [made.free] * free
    made.rng.shuffle(kinds)
    for kind in kinds:
        kind.append(made.add())
    for turn, id_ in enumerate(made.static):
        made.link(id_, environments[turn % len(environments)])
    for turn, id_ in enumerate(made.dynamic):
        made.activate(id_, environments[turn % len(environments)])
    return made


def _known(things: Mapping[str, Any], id_: str, noun: str) -> Any:
    if id_ not in things:
        raise ApiError(404, f"{noun} not found", id_)
    return things[id_]


def _ulid(text: str) -> str:
    if not ULID.fullmatch(text):
        raise ApiError(400, "not a ULID", text)
    return text


def _decode(cursor: str) -> str:
    try:
        return base64.b64decode(cursor, altchars=b"-_", validate=True).decode().removeprefix("at:")
    except ValueError:
        raise ApiError(400, "the cursor is not ours", cursor) from None
