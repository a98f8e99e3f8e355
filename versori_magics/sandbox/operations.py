"""The operations: each takes a checked call and returns the JSON to answer, or None for 204."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from versori_magics.sandbox import checks, shapes
from versori_magics.sandbox.paging import DEFAULT_SIZE, LARGEST_SIZE, Page, cut
from versori_magics.sandbox.refusal import invalid

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from versori_magics.sandbox.shapes import Shapes
    from versori_magics.sandbox.world import World


@dataclass(frozen=True)
class Call:
    """A request whose path and parameter names are known to fit."""

    world: World
    shapes: Shapes
    path: Mapping[str, str]
    query: Mapping[str, str]
    content_type: str
    body: bytes

    def page_size(self) -> int:
        """Return the size of the page that is asked for."""
        return checks.page_size(self.query.get("first"), DEFAULT_SIZE, LARGEST_SIZE)

    def ulid(self, name: str) -> str | None:
        """Return a parameter that is an id, where it is given."""
        return checks.ulid(name, self.query[name]) if name in self.query else None

    def search(self) -> str:
        """Return what is searched for, empty for everything."""
        return self.query.get("search", "").casefold()


@dataclass(frozen=True)
class Operation:
    """What one method of one path does, and the query parameters that it takes."""

    perform: Callable[[Call], bytes | None]
    parameters: frozenset[str] = frozenset()


def _list_connections(call: Call) -> bytes:
    size = call.page_size()
    found = call.world.connections(call.ulid("system_id"), call.ulid("end_user_id"))
    return call.shapes.connections(cut("connections", found, size, call.query.get("after"), call.query.get("before")))


def _get_connection(call: Call) -> bytes:
    return call.shapes.connection(call.world.connection(call.path["connection_id"]))


def _delete_connection(call: Call) -> None:
    call.world.delete(call.path["connection_id"])


def _unlink_connection(call: Call) -> None:
    call.world.unlink(call.path["connection_id"], checks.template(call.content_type, call.body))


def _list_environment_connections(call: Call) -> bytes:
    environment = call.ulid("env_id")
    if environment is None:
        raise invalid("env_id", "is required")
    found = call.world.linked(call.path["project_id"], environment)
    return call.shapes.connections(Page(len(found), found, "", ""))


def _list_activations(call: Call) -> bytes:
    environment = call.path["environment_id"]
    return call.shapes.activations(call.world.activations(environment), call.world.environment(environment))


def _delete_activation(call: Call) -> None:
    call.world.deactivate(call.path["environment_id"], call.path["activation_id"])


def _list_projects(call: Call) -> bytes:
    return shapes.projects(call.world.projects())


def _list_systems(call: Call) -> bytes:
    size, text = call.page_size(), call.search()
    found = [
        system for system in call.world.organisation.systems if text in f"{system.name}\n{system.domain}".casefold()
    ]
    return call.shapes.systems(cut("systems", found, size, call.query.get("after"), call.query.get("before")))


def _list_users(call: Call) -> bytes:
    text = call.search()
    users = call.world.organisation.users
    return shapes.users([user for user in users if text in f"{user.external_id}\n{user.display_name}".casefold()])


PAGING = frozenset({"first", "after", "before"})

# Below /o/{organisation_id}; the words in braces are ids.
OPERATIONS: dict[str, dict[str, Operation]] = {
    "/connections": {"GET": Operation(_list_connections, PAGING | {"system_id", "end_user_id"})},
    "/connections/{connection_id}": {"GET": Operation(_get_connection), "DELETE": Operation(_delete_connection)},
    "/connections/{connection_id}/link": {"DELETE": Operation(_unlink_connection)},
    "/projects": {"GET": Operation(_list_projects)},
    "/projects/{project_id}/connections": {"GET": Operation(_list_environment_connections, frozenset({"env_id"}))},
    "/environments/{environment_id}/activations": {"GET": Operation(_list_activations)},
    "/environments/{environment_id}/activations/{activation_id}": {"DELETE": Operation(_delete_activation)},
    "/systems": {"GET": Operation(_list_systems, PAGING | {"search"})},
    "/users": {"GET": Operation(_list_users, frozenset({"search"}))},
}
