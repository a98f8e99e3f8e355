"""The operations of the API, carried out on the hostile platform's organisation. Pure: it knows no sockets."""

import base64
import json
import re
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from operator import attrgetter
from typing import Any

from support.hostile_http import RecordedRequest
from support.hostile_world import TIMES, Activation, Json, World

ULID = re.compile(r"[0-7][0-9A-HJKMNP-TV-Z]{25}")


class ApiError(Exception):
    """The platform refuses, with the Error of the API."""

    def __init__(
        self, status: int, message: str, details: str | None = None, headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(message)
        self.status = status
        self.headers = headers or {}
        self.body: Json = {"code": f"{status}000", "message": message}
        if details is not None:
            self.body["details"] = details


def _page(world: World, items: Iterable[Any], query: Mapping[str, str], key: str = "items") -> Json:
    """Return one page of things that have an `id` and a `json()`, as `first`, `after` and `before` ask."""
    first = query.get("first", "20")
    if not re.fullmatch(r"[1-9]\d*", first):
        raise ApiError(400, "first is not a positive number", first)
    if world.page_limit_error is not None and int(first) > world.page_limit_error:
        raise ApiError(400, f"first must not be above {world.page_limit_error}", first)
    if query.get("after") and query.get("before"):
        raise ApiError(400, "after and before exclude each other")
    size = min(int(first), world.page_cap)
    rows = sorted(items, key=attrgetter("id"))
    ids = [row.id for row in rows]
    if query.get("before"):
        end = bisect_left(ids, _decode_cursor(query["before"]))
        start = max(0, end - size)
    else:
        start = bisect_right(ids, _decode_cursor(query["after"])) if query.get("after") else 0
        end = min(len(ids), start + size)
    answer: Json = {"totalCount": len(rows), key: [row.json() for row in rows[start:end]]}
    for name, has_more, at in (("next", start < end < len(ids), end - 1), ("prev", 0 < start < end, start)):
        if has_more:
            answer[name] = base64.urlsafe_b64encode(f"at:{ids[at]}".encode()).decode()
        elif world.end_cursor is not None:
            answer[name] = world.end_cursor
    return answer


def _decode_cursor(cursor: str) -> str:
    try:
        return base64.b64decode(cursor, altchars=b"-_", validate=True).decode().removeprefix("at:")
    except ValueError:
        raise ApiError(400, "the cursor is not ours", cursor) from None


def _find(things: Mapping[str, Any], id_: str, noun: str) -> Any:
    if id_ not in things:
        raise ApiError(404, f"{noun} not found", id_)
    return things[id_]


def _check_ulid(text: str) -> str:
    if not ULID.fullmatch(text):
        raise ApiError(400, "not a ULID", text)
    return text


def _list_connections(world: World, ids: Sequence[str], query: Mapping[str, str], body: bytes) -> Json:
    rows = list(world.connections.values())
    if system := query.get("system_id"):
        rows = [row for row in rows if row.system_id == _check_ulid(system)]
    if user := query.get("end_user_id"):
        of_user = world.connections_of_user(_check_ulid(user))
        rows = [row for row in rows if row.id in of_user]
    elif world.hides_connections_of_end_users:
        hidden = {id_ for user in world.users for id_ in world.connections_of_user(user)}
        rows = [row for row in rows if row.id not in hidden]
    return _page(world, rows, query)


def _get_connection(world: World, ids: Sequence[str], query: Mapping[str, str], body: bytes) -> Json:
    answer: Json = _find(world.connections, ids[0], "connection").json()
    return answer


def _delete_connection(world: World, ids: Sequence[str], query: Mapping[str, str], body: bytes) -> None:
    connection = _find(world.connections, ids[0], "connection")
    activations = list(world.activations_of(ids[0]))
    users = [activation.user.display_name for activation in activations if not activation.static]
    if users:
        raise ApiError(409, "the connection is in use by an end user", f"used by {', '.join(users)}")
    linked_to = [environment for environment, linked in world.links.items() if ids[0] in linked]
    environments = dict.fromkeys([*linked_to, *(activation.environment_id for activation in activations)])
    world.broken += [(environment, ids[0]) for environment in environments]
    world.remove(connection.id)
    world.deleted.append(connection.id)


def _unlink_connection(world: World, ids: Sequence[str], query: Mapping[str, str], body: bytes) -> None:
    _find(world.connections, ids[0], "connection")
    try:
        template = json.loads(body)["connectionTemplateId"]
    except (ValueError, KeyError, TypeError):
        raise ApiError(400, "connectionTemplateId is required") from None
    for linked in world.links.values():
        if linked.get(ids[0]) == template:
            del linked[ids[0]]
            return
    raise ApiError(404, "the connection is not linked by this template")


def _list_environment_connections(world: World, ids: Sequence[str], query: Mapping[str, str], body: bytes) -> Json:
    project = _find(world.projects, ids[0], "project")
    environment = _find({e.id: e for e in project.environments}, query.get("env_id", ""), "environment")
    rows = [world.connections[id_] for id_ in world.links.get(environment.id, {})]
    if world.environment_pages == "paged":
        return _page(world, rows, query)
    listed = rows if world.environment_pages == "whole" else rows[:20]
    return {"totalCount": len(rows), "items": [row.json() for row in listed]}


def _list_activations(world: World, ids: Sequence[str], query: Mapping[str, str], body: bytes) -> list[Json]:
    environment = _find({e.id: e for e in world.environments}, ids[0], "environment")
    static = query.get("static") == "true"
    rows = [activation for activation in world.activations.values() if activation.environment_id == environment.id]
    listed = [row for row in rows if row.static == static or (static and world.static_lists_everyone)]
    return [_activation(world, row, with_connections=not row.silent) for row in listed]


def _get_activation(world: World, ids: Sequence[str], query: Mapping[str, str], body: bytes) -> Json:
    activation = _find(world.activations, ids[1], "activation")
    if activation.environment_id != ids[0]:
        raise ApiError(404, "activation not found", ids[1])
    return _activation(world, activation, with_connections=True)


def _activation(world: World, activation: Activation, *, with_connections: bool) -> Json:
    (environment,) = (e for e in world.environments if e.id == activation.environment_id)
    shape: Json = {"id": activation.id, "user": activation.user.json(), "dynamicVariables": {}}
    shape["environment"] = environment.json()
    if with_connections:
        shape["connections"] = [world.connections[id_].json() for id_ in activation.connections]
    return shape


def _delete_activation(world: World, ids: Sequence[str], query: Mapping[str, str], body: bytes) -> None:
    if _find(world.activations, ids[1], "activation").environment_id != ids[0]:
        raise ApiError(404, "activation not found", ids[1])
    del world.activations[ids[1]]


def _list_projects(world: World, ids: Sequence[str], query: Mapping[str, str], body: bytes) -> Json:
    shapes = [
        {
            "id": project.id,
            "name": project.name,
            "createdAt": TIMES[0],
            "updatedAt": TIMES[1],
            "starred": False,
            "environments": [environment.json() for environment in project.environments],
        }
        for project in world.projects.values()
    ]
    return {"projects": shapes}


def _list_systems(world: World, ids: Sequence[str], query: Mapping[str, str], body: bytes) -> Json:
    word = query.get("search", "").lower()
    return _page(world, [system for system in world.systems.values() if word in system.name.lower()], query)


def _list_end_users(world: World, ids: Sequence[str], query: Mapping[str, str], body: bytes) -> Json:
    word = query.get("search", "").lower()
    rows = [u for u in world.users.values() if word in u.external_id.lower() or word in u.display_name.lower()]
    return _page(world, rows, query, "users")


@dataclass(frozen=True)
class Operation:
    name: str
    method: str
    pattern: str
    run: Callable[[World, Sequence[str], Mapping[str, str], bytes], Json | list[Json] | None]
    query: str = ""
    body: bool = False

    def ids(self, method: str, path: str) -> tuple[str, ...] | None:
        """Return the ids in a path below the organisation; None if this is another operation's path."""
        match = re.fullmatch(self.pattern.replace("*", "([^/]+)"), path)
        return match.groups() if match and method == self.method else None

    def parameters(self, world: World) -> set[str]:
        """Return the names of the query parameters that the operation takes."""
        is_paged = self.name == "ListEnvironmentConnections" and world.environment_pages == "paged"
        return {*self.query.split(), *(_PAGE.split() if is_paged else ())}


_PAGE = "first after before "
OPERATIONS = (
    Operation("ListConnections", "GET", "/connections", _list_connections, _PAGE + "system_id end_user_id"),
    Operation("GetConnection", "GET", "/connections/*", _get_connection),
    Operation("DeleteConnection", "DELETE", "/connections/*", _delete_connection),
    Operation("UnlinkConnectionFromEnvironment", "DELETE", "/connections/*/link", _unlink_connection, body=True),
    Operation("ListEnvironmentConnections", "GET", "/projects/*/connections", _list_environment_connections, "env_id"),
    Operation("ListActivations", "GET", "/environments/*/activations", _list_activations, "static"),
    Operation("GetActivation", "GET", "/environments/*/activations/*", _get_activation),
    Operation("DeleteActivation", "DELETE", "/environments/*/activations/*", _delete_activation),
    Operation("ListProjects", "GET", "/projects", _list_projects),
    Operation("ListSystems", "GET", "/systems", _list_systems, _PAGE + "search"),
    Operation("ListEndUsers", "GET", "/users", _list_end_users, _PAGE + "search"),
)


def recognise(method: str, path: str) -> tuple[Operation, tuple[str, ...]] | None:
    """Return the operation that a request asks for and the ids in its path; None if there is no such operation."""
    below = re.fullmatch(r"/o/[^/]+(/.*)", path)
    for operation in OPERATIONS if below else ():
        if below and (ids := operation.ids(method, below[1])) is not None:
            return operation, ids
    return None


def find_mistake(request: RecordedRequest, operation: Operation | None, world: World, token: str) -> str | None:
    """Return what is wrong with a request that no client should send; None if nothing is."""
    if operation is None:
        return "no such operation"
    organisation = request.path.split("/")[2]
    names = [pair.partition("=")[0] for pair in filter(None, request.target.partition("?")[2].split("&"))]
    unknown = set(names) - operation.parameters(world)
    carriers = [name for name, _ in request.header_lines if name.lower() in {"authorization", "cookie"}]
    mistakes = {
        "an id is not a ULID": not all(ULID.fullmatch(id_) for id_ in (organisation, *request.ids)),
        f"unknown parameters {sorted(unknown)}": bool(unknown),
        "a parameter comes twice": len(names) > len(set(names)),
        "a body where none belongs": bool(request.body) and not operation.body,
        f"credentials come twice, in {carriers}": len(carriers) > 1,
        "the token is in the target or the body": token in request.target + request.body.decode("latin-1"),
    }
    return next((text for text, is_made in mistakes.items() if is_made), None)
