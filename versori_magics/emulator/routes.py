"""The operations of the API: each takes a validated request and returns the JSON of its response."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from versori_magics.emulator import json_encoding, validation
from versori_magics.emulator.errors import invalid_field
from versori_magics.emulator.pagination import DEFAULT_PAGE_SIZE, MAX_PAGE_SIZE, Identified, Page, paginate

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from versori_magics.emulator.json_encoding import ConnectionEncoder
    from versori_magics.emulator.state import PlatformState

Item = TypeVar("Item", bound=Identified)


@dataclass(frozen=True)
class OperationRequest:
    """A request with valid path parameters; the names of its query parameters are valid, but not yet their values."""

    state: PlatformState
    encoder: ConnectionEncoder
    path: Mapping[str, str]
    query: Mapping[str, str]
    content_type: str
    body: bytes

    def optional_ulid(self, name: str) -> str | None:
        """Return a query parameter that is an id, or None if it is absent."""
        return validation.parse_ulid(name, self.query[name]) if name in self.query else None

    def page_size(self) -> int:
        """Return the requested page size."""
        return validation.parse_page_size(self.query.get("first"), DEFAULT_PAGE_SIZE, MAX_PAGE_SIZE)

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
    connections = request.state.list_connections(system_id, end_user_id)
    return request.encoder.encode_page(request.paginate("connections", connections, page_size))


def _get_connection(request: OperationRequest) -> bytes:
    return request.encoder.encode_connection(request.state.get_connection(request.path["connection_id"]))


def _delete_connection(request: OperationRequest) -> None:
    request.state.delete_connection(request.path["connection_id"])


def _unlink_connection(request: OperationRequest) -> None:
    template_id = validation.parse_template_id(request.content_type, request.body)
    request.state.unlink_connection(request.path["connection_id"], template_id)


def _list_environment_connections(request: OperationRequest) -> bytes:
    environment_id = request.optional_ulid("env_id")
    if environment_id is None:
        raise invalid_field("env_id", "is required")
    connections = request.state.list_environment_connections(request.path["project_id"], environment_id)
    return request.encoder.encode_page(Page(len(connections), connections, next="", prev=""))


def _list_activations(request: OperationRequest) -> bytes:
    environment_id = request.path["environment_id"]
    activations = request.state.list_activations(environment_id)
    return request.encoder.encode_activations(activations, request.state.get_environment(environment_id))


def _delete_activation(request: OperationRequest) -> None:
    request.state.delete_activation(request.path["environment_id"], request.path["activation_id"])


def _list_projects(request: OperationRequest) -> bytes:
    return json_encoding.encode_projects(request.state.list_projects())


def _list_systems(request: OperationRequest) -> bytes:
    page_size, text = request.page_size(), request.search_text()
    systems = request.state.organisation.systems
    matches = [system for system in systems if text in f"{system.name}\n{system.domain}".casefold()]
    return json_encoding.encode_systems(request.paginate("systems", matches, page_size))


def _list_end_users(request: OperationRequest) -> bytes:
    text = request.search_text()
    end_users = request.state.organisation.end_users
    matches = [user for user in end_users if text in f"{user.external_id}\n{user.display_name}".casefold()]
    return json_encoding.encode_end_users(matches)


PAGE_PARAMETERS = frozenset({"first", "after", "before"})

# The paths start with /o/{organisation_id}; every name in braces is an id.
ROUTES: dict[str, dict[str, Operation]] = {
    "/connections": {"GET": Operation(_list_connections, PAGE_PARAMETERS | {"system_id", "end_user_id"})},
    "/connections/{connection_id}": {"GET": Operation(_get_connection), "DELETE": Operation(_delete_connection)},
    "/connections/{connection_id}/link": {"DELETE": Operation(_unlink_connection)},
    "/projects": {"GET": Operation(_list_projects)},
    "/projects/{project_id}/connections": {"GET": Operation(_list_environment_connections, frozenset({"env_id"}))},
    "/environments/{environment_id}/activations": {"GET": Operation(_list_activations)},
    "/environments/{environment_id}/activations/{activation_id}": {"DELETE": Operation(_delete_activation)},
    "/systems": {"GET": Operation(_list_systems, PAGE_PARAMETERS | {"search"})},
    "/users": {"GET": Operation(_list_end_users, frozenset({"search"}))},
}
