"""The sandbox behaves differently on request, where the platform's documentation leaves the choice open."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from support.openapi_contract import Contract, load_description, with_go_encoding

from versori_magics.emulator import Behaviour, Emulator

if TYPE_CHECKING:
    from collections.abc import Iterator

ZERO_ULID = "0" * 26


@contextmanager
def sandbox(connections: int = 60, **behaviour: Any) -> Iterator[httpx.Client]:
    """Yield an HTTP client of a sandbox with this behaviour."""
    with Emulator(connections, behaviour=Behaviour(**behaviour)) as emulator:
        base_url, headers = f"{emulator.url}/o/{emulator.organisation}", {"Authorization": f"JWT {emulator.token}"}
        with httpx.Client(base_url=base_url, headers=headers, trust_env=False) as http:
            yield http


def environments(http: httpx.Client) -> list[tuple[str, str]]:
    projects = http.get("/projects").raise_for_status().json()["projects"]
    return [(project["id"], environment["id"]) for project in projects for environment in project["environments"]]


def activation_ids(http: httpx.Client, environment: str, **query: str) -> set[str]:
    activations = http.get(f"/environments/{environment}/activations", params=query).json()
    return {activation["id"] for activation in activations}


def nulls(value: Any, path: str = "") -> set[str]:
    """Return the paths of all nulls, with a star for every position in a list."""
    if value is None:
        return {path}
    if isinstance(value, list):
        return {found for item in value for found in nulls(item, f"{path}*")}
    if isinstance(value, dict):
        return {found for name, item in value.items() for found in nulls(item, f"{path}.{name}")}
    return set()


def test_with_go_encoding_every_empty_list_is_null() -> None:
    found = set()
    with sandbox(connections=250, go_encoding=True) as http:
        found |= nulls(http.get("/connections?first=250").json(), "ListConnections")
        found |= nulls(http.get("/connections", params={"system_id": ZERO_ULID}).json(), "ListConnections")
        found |= nulls(http.get("/users?search=nobody").json(), "ListEndUsers")
        for project, environment in environments(http):
            links = http.get(f"/projects/{project}/connections", params={"env_id": environment})
            activations = http.get(f"/environments/{environment}/activations")
            found |= nulls(links.json(), "ListEnvironmentConnections") | nulls(activations.json(), "ListActivations")
    assert found == {
        "ListConnections.items",
        "ListConnections.items*.credentials",
        "ListEndUsers.users",
        "ListActivations",  # the whole body
        "ListActivations*.connections",
        "ListActivations*.connections*.credentials",
        "ListEnvironmentConnections.items*.credentials",
    }


def test_with_go_encoding_an_environment_without_links_has_null_as_its_connections() -> None:
    with sandbox(connections=0, go_encoding=True) as http:
        project, environment = environments(http)[0]
        page = http.get(f"/projects/{project}/connections", params={"env_id": environment}).json()
        assert page == {"totalCount": 0, "items": None}
        activations = http.get(f"/environments/{environment}/activations", params={"static": "true"}).json()
        assert [activation["connections"] for activation in activations] == [None]


def test_with_go_encoding_ids_that_are_not_set_are_the_zero_ulid() -> None:
    with sandbox(go_encoding=True) as http:
        connections = http.get("/connections?first=60").json()["items"]
    templates = [connection["connectionTemplateId"] for connection in connections]
    assert 0 < templates.count(ZERO_ULID) < len(templates)


def test_with_go_encoding_the_zero_time_is_a_token_that_does_not_expire() -> None:
    with sandbox(go_encoding=True) as http:
        connections = http.get("/connections?first=60").json()["items"]
    credentials = [entry["credential"] for c in connections for entry in c["credentials"] or []]
    tokens = [c["data"]["oauth2Token"]["expiresAt"] for c in credentials if c["type"] == "oauth2-token"]
    assert "0001-01-01T00:00:00Z" in tokens
    assert not any(credential.get("errors") == [] for credential in credentials)


def test_with_go_encoding_every_response_still_matches_the_description_with_null_for_lists() -> None:
    contract = Contract(with_go_encoding(load_description()))
    with sandbox(connections=30, go_encoding=True) as http:
        http.event_hooks["response"] = [contract.hook]
        for path in ("/connections", "/connections?first=60", "/systems", "/users", "/users?search=nobody"):
            http.get(path)
        for project, environment in environments(http):
            http.get(f"/projects/{project}/connections?env_id={environment}")
            for static in ("true", "false"):
                activations = http.get(f"/environments/{environment}/activations?static={static}").json()
                for activation in activations or []:
                    http.get(f"/environments/{environment}/activations/{activation['id']}")


def test_by_default_nothing_is_null(http: httpx.Client) -> None:
    for path in ("/connections?first=250", "/users?search=nobody", "/projects", "/systems"):
        assert nulls(http.get(path).json()) == set()
    for project, environment in environments(http):
        for path in (f"/projects/{project}/connections", f"/environments/{environment}/activations"):
            assert nulls(http.get(path).json()) == set()


def test_dynamic_connections_can_be_hidden_unless_their_end_user_is_given() -> None:
    with sandbox() as http:
        complete = {c["id"] for c in http.get("/connections?first=60").json()["items"]}
    with sandbox(hide_dynamic=True) as http:
        page = http.get("/connections?first=60").json()
        listed = {c["id"] for c in page["items"]}
        users = [user["id"] for user in http.get("/users").json()["users"]]
        owned = {
            c["id"] for user in users for c in http.get("/connections", params={"end_user_id": user}).json()["items"]
        }
        assert page["totalCount"] == len(listed)
        assert {http.get(f"/connections/{id_}").status_code for id_ in owned} == {200}
        system = page["items"][0]["systemId"]
        of_system = http.get("/connections", params={"first": 60, "system_id": system}).json()["items"]
    assert listed
    assert owned
    assert listed | owned == complete
    assert not listed & owned
    assert {c["id"] for c in of_system} <= listed


def test_the_static_list_of_activations_can_contain_the_ordinary_ones_too() -> None:
    with sandbox() as http:
        environment = next(env for _, env in environments(http) if activation_ids(http, env))
        ordinary = activation_ids(http, environment)
        static = activation_ids(http, environment, static="true")
    with sandbox(static_lists_all=True) as http:
        assert activation_ids(http, environment) == activation_ids(http, environment, static="false") == ordinary
        assert activation_ids(http, environment, static="true") == ordinary | static
    assert not ordinary & static


@pytest.mark.parametrize("path", ["/connections", "/systems"])
def test_a_page_size_above_the_maximum_is_reduced_to_it(path: str) -> None:
    with sandbox(max_page_size=5) as http:
        for first in ("5", "6", "1000", "9" * 30):
            page = http.get(path, params={"first": first}).json()
            assert len(page["items"]) == 5
            assert page["next"]
        assert len(http.get(path).json()["items"]) == 5


@pytest.mark.parametrize("path", ["/connections", "/systems"])
def test_a_page_size_above_the_maximum_can_be_refused(path: str, contract: Contract) -> None:
    with sandbox(max_page_size=5, refuse_large_pages=True) as http:
        for first in ("6", "1000", "9" * 30):
            response = http.get(path, params={"first": first})
            contract.check(response.request, response)
            assert response.status_code == 400
            error = response.json()
            assert error["fields"] == [{"field": "first", "message": "is more than 5"}]
            assert error["details"] == "first must be from 1 to 5"
        assert len(http.get(path, params={"first": 5}).json()["items"]) == 5
        assert len(http.get(path).json()["items"]) == 5


@pytest.mark.parametrize("size", [0, -1])
def test_a_maximum_page_size_below_one_is_rejected(size: int) -> None:
    with pytest.raises(ValueError, match="max_page_size"):
        Behaviour(max_page_size=size)
