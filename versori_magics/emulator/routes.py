"""The operations of the API: each takes a validated request and returns the JSON of its response."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from versori_magics.emulator import validation
from versori_magics.emulator.pagination import DEFAULT_PAGE_SIZE, Identified, Page, paginate

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from versori_magics.emulator.behaviour import Behaviour
    from versori_magics.emulator.json_encoding import ResponseEncoder
    from versori_magics.emulator.state import PlatformState

Item = TypeVar("Item", bound=Identified)


@dataclass(frozen=True)
class OperationRequest:
    """A request with valid path parameters; the names of its query parameters are valid, but not yet their values."""

    state: PlatformState
    behaviour: Behaviour
    encoder: ResponseEncoder
    path: Mapping[str, str]
    query: Mapping[str, str]
    content_type: str
    body: bytes

    def optional_ulid(self, name: str) -> str | None:
        """Return a query parameter that is an id, or None if it is absent."""
        return validation.parse_ulid(name, self.query[name]) if name in self.query else None

    def optional_boolean(self, name: str) -> bool | None:
        """Return a query parameter that is a boolean, or None if it is absent."""
        return validation.parse_boolean(name, self.query[name]) if name in self.query else None

    def page_size(self) -> int:
        """Return the requested page size."""
        return validation.parse_page_size(
            self.query.get("first"),
            DEFAULT_PAGE_SIZE,
            self.behaviour.max_page_size,
            refuse_larger=self.behaviour.refuse_large_pages,
        )

    def search_text(self) -> str:
        """Return the requested search text, case-folded; empty if there is none."""
        return self.query.get("search", "").casefold()

    def paginate(self, list_name: str, items: Sequence[Item], page_size: int) -> Page[Item]:
        """Return the requested page of a list that is sorted by id."""
        return paginate(list_name, items, page_size, self.query.get("after"), self.query.get("before"))


@dataclass(frozen=True)
class Operation:
    """An operation: its handler returns the response body, or None for 204 No Content."""

    handle: Callable[[OperationRequest], bytes | None]
    query_parameters: frozenset[str] = frozenset()


def _list_connections(request: OperationRequest) -> bytes:
    page_size = request.page_size()
    system_id, end_user_id = request.optional_ulid("system_id"), request.optional_ulid("end_user_id")
    connections = request.state.list_connections(system_id, end_user_id, hide_dynamic=request.behaviour.hide_dynamic)
    return request.encoder.connections(request.paginate("connections", connections, page_size))


def _get_connection(request: OperationRequest) -> bytes:
    return request.encoder.connection(request.state.get_connection(request.path["connection_id"]))


def _delete_connection(request: OperationRequest) -> None:
    request.state.delete_connection(request.path["connection_id"])


def _unlink_connection(request: OperationRequest) -> None:
    template_id = validation.parse_template_id(request.content_type, request.body)
    request.state.unlink_connection(request.path["connection_id"], template_id)


def _list_environment_connections(request: OperationRequest) -> bytes:
    environment_id = request.optional_ulid("env_id")
    connections = request.state.list_environment_connections(request.path["project_id"], environment_id)
    return request.encoder.connections(_whole_list(connections))


def _list_activations(request: OperationRequest) -> bytes:
    environment_id = request.path["environment_id"]
    static = bool(request.optional_boolean("static"))
    is_static = None if static and request.behaviour.static_lists_all else static
    activations = request.state.list_activations(environment_id, is_static=is_static)
    return request.encoder.activations(activations, request.state.get_environment(environment_id))


def _get_activation(request: OperationRequest) -> bytes:
    environment_id = request.path["environment_id"]
    activation, connections = request.state.get_activation(environment_id, request.path["activation_id"])
    return request.encoder.activation(activation, connections, request.state.get_environment(environment_id))


def _delete_activation(request: OperationRequest) -> None:
    request.state.delete_activation(request.path["environment_id"], request.path["activation_id"])


def _list_projects(request: OperationRequest) -> bytes:
    starred = request.optional_boolean("starred")
    return request.encoder.projects(
        [project for project in request.state.list_projects() if starred in {None, project.starred}]
    )


def _list_systems(request: OperationRequest) -> bytes:
    page_size, text = request.page_size(), request.search_text()
    systems = request.state.organisation.systems
    matches = [system for system in systems if text in f"{system.name}\n{system.domain}".casefold()]
    return request.encoder.systems(request.paginate("systems", matches, page_size))


def _list_end_users(request: OperationRequest) -> bytes:
    text, activated = request.search_text(), request.optional_boolean("activated")
    environment_id = request.query.get("environment_id")
    if environment_id is not None:
        environment_id = validation.parse_ulid_or_uuid("environment_id", environment_id)
    end_users = request.state.list_end_users(activated, environment_id)
    matches = [user for user in end_users if text in f"{user.id}\n{user.external_id}\n{user.display_name}".casefold()]
    return request.encoder.end_users(_whole_list(matches))


def _get_end_user(request: OperationRequest) -> bytes:
    return request.encoder.end_user(request.state.get_end_user(request.path["user_id"]))


def _whole_list(items: Sequence[Item]) -> Page[Item]:
    return Page(len(items), items, next="", prev="")


PAGE_PARAMETERS = frozenset({"first", "after", "before"})

# The paths start with /o/{organisation_id}; every name in braces is an id, except for the following.
TEXT_PARAMETERS = frozenset({"user_id"})
ROUTES: dict[str, dict[str, Operation]] = {
    "/connections": {"GET": Operation(_list_connections, PAGE_PARAMETERS | {"system_id", "end_user_id"})},
    "/connections/{connection_id}": {"GET": Operation(_get_connection), "DELETE": Operation(_delete_connection)},
    "/connections/{connection_id}/link": {"DELETE": Operation(_unlink_connection)},
    "/projects": {"GET": Operation(_list_projects, frozenset({"starred"}))},
    "/projects/{project_id}/connections": {"GET": Operation(_list_environment_connections, frozenset({"env_id"}))},
    "/environments/{environment_id}/activations": {"GET": Operation(_list_activations, frozenset({"static"}))},
    "/environments/{environment_id}/activations/{activation_id}": {
        "GET": Operation(_get_activation),
        "DELETE": Operation(_delete_activation),
    },
    "/systems": {"GET": Operation(_list_systems, PAGE_PARAMETERS | {"search"})},
    "/users": {"GET": Operation(_list_end_users, frozenset({"search", "activated", "environment_id"}))},
    # An external id may contain a slash.
    "/users/{user_id:path}": {"GET": Operation(_get_end_user)},
}
