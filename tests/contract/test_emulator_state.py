"""The rules of the emulated platform: the effects of deletions, and the contents of lists."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest
from ulid import ULID

from versori_magics.emulator import Emulator


class Platform:
    """The platform as seen through its API."""

    def __init__(self, http: httpx.Client) -> None:
        self.http = http

    def pages(self, path: str, **query: Any) -> list[dict[str, Any]]:
        pages = [self.http.get(path, params=query).raise_for_status().json()]
        while cursor := pages[-1]["next"]:
            pages.append(self.http.get(path, params={**query, "after": cursor}).raise_for_status().json())
        return pages

    def connections(self, **query: Any) -> list[dict[str, Any]]:
        return [item for page in self.pages("/connections", first=1000, **query) for item in page["items"]]

    def environments(self) -> dict[str, dict[str, Any]]:
        projects = self.http.get("/projects").json()["projects"]
        return {env["id"]: {**env, "project": project} for project in projects for env in project["environments"]}

    def links(self) -> dict[str, list[tuple[str, str]]]:
        """Return the (environment id, template id) pairs of every static connection that is in use."""
        links: dict[str, list[tuple[str, str]]] = {}
        for id_, environment in self.environments().items():
            path = f"/projects/{environment['project']['id']}/connections"
            for connection in self.http.get(path, params={"env_id": id_}).json()["items"]:
                links.setdefault(connection["id"], []).append((id_, connection["connectionTemplateId"]))
        return links

    def activations(self, **query: Any) -> list[dict[str, Any]]:
        """Return all activations with their connections, also of those that ListActivations does not show."""
        return [
            activation if "connections" in activation else self.activation(activation)
            for environment in self.environments()
            for activation in self.http.get(f"/environments/{environment}/activations", params=query).json()
        ]

    def activation(self, activation: dict[str, Any]) -> dict[str, Any]:
        path = f"/environments/{activation['environment']['id']}/activations/{activation['id']}"
        found: dict[str, Any] = self.http.get(path).raise_for_status().json()
        return found

    def activation_of(self) -> dict[str, dict[str, Any]]:
        """Return the activation of every dynamic connection that is in use."""
        activations = self.activations()
        users = {activation["user"]["id"] for activation in activations}
        dynamic = {c["id"] for user in users for c in self.connections(end_user_id=user)}
        return {c["id"]: a for a in activations for c in a["connections"] if c["id"] in dynamic}

    def users_of(self, connection: str, **query: Any) -> list[str]:
        """Return the external ids of the users whose activations name a connection."""
        activations = self.activations(**query)
        return [a["user"]["externalId"] for a in activations if connection in {c["id"] for c in a["connections"]}]

    def delete(self, connection: str) -> httpx.Response:
        return self.http.delete(f"/connections/{connection}")


@pytest.fixture
def platform(http: httpx.Client) -> Platform:
    return Platform(http)


def test_deleting_a_static_connection_in_use_succeeds_and_breaks_its_environment(
    platform: Platform, emulator: Emulator
) -> None:
    before = platform.environments()
    connection, environment = next(
        (connection, links[0][0])
        for connection, links in platform.links().items()
        if len(links) == 1 and before[links[0][0]]["status"] == "running"
    )
    response = platform.delete(connection)
    after = platform.environments()
    assert (response.status_code, response.content) == (204, b"")
    assert after[environment]["status"] == "error"
    assert {id_ for id_ in after if after[id_]["status"] != before[id_]["status"]} == {environment}
    assert connection not in platform.links()
    assert emulator.broken_environments == [f"{after[environment]['project']['name']} / {after[environment]['name']}"]
    assert emulator.deleted_ids == [connection]


def test_deleting_a_static_connection_of_two_environments_breaks_both(platform: Platform, emulator: Emulator) -> None:
    connection, links = next((c, links) for c, links in platform.links().items() if len(links) > 1)
    assert platform.delete(connection).status_code == 204
    assert {platform.environments()[environment]["status"] for environment, _ in links} == {"error"}
    assert len(emulator.broken_environments) == 2


def test_deleting_a_dynamic_connection_in_use_is_refused_and_names_the_end_user(
    platform: Platform, emulator: Emulator
) -> None:
    connection, activation = next(iter(platform.activation_of().items()))
    response = platform.delete(connection)
    error = response.json()
    assert response.status_code == 409
    assert activation["user"]["displayName"] in error["details"]
    assert activation["user"]["externalId"] in error["details"]
    environment = platform.environments()[activation["environment"]["id"]]
    assert f"{environment['project']['name']} / {environment['name']}" in error["details"]
    assert platform.http.get(f"/connections/{connection}").status_code == 200
    assert connection in platform.activation_of()
    assert emulator.deleted_ids == []
    assert emulator.broken_environments == []


def test_deleting_an_unused_connection_breaks_nothing(platform: Platform, emulator: Emulator) -> None:
    used = {
        c["id"] for static in ("false", "true") for a in platform.activations(static=static) for c in a["connections"]
    }
    connection = next(c["id"] for c in platform.connections() if c["id"] not in used)
    assert platform.delete(connection).status_code == 204
    assert platform.http.get(f"/connections/{connection}").status_code == 404
    assert connection not in {c["id"] for c in platform.connections()}
    assert emulator.broken_environments == []


def test_deleting_a_connection_that_only_the_static_user_uses_breaks_its_environment(
    platform: Platform, emulator: Emulator
) -> None:
    links = platform.links()
    activation, connection = next(
        (a, c["id"]) for a in platform.activations(static="true") for c in a["connections"] if c["id"] not in links
    )
    environment = platform.environments()[activation["environment"]["id"]]
    assert platform.delete(connection).status_code == 204
    assert platform.environments()[environment["id"]]["status"] == "error"
    assert emulator.broken_environments == [f"{environment['project']['name']} / {environment['name']}"]
    assert connection not in {c["id"] for c in platform.activation(activation)["connections"]}


def test_deleting_a_static_connection_that_an_end_user_uses_is_not_refused(
    platform: Platform, emulator: Emulator
) -> None:
    dynamic = platform.activation_of()
    activation, connection = next(
        (a, c["id"]) for a in platform.activations() for c in a["connections"] if c["id"] not in dynamic
    )
    path = f"/environments/{activation['environment']['id']}/activations/{activation['id']}"
    assert len(platform.users_of(connection)) == 1
    assert platform.delete(connection).status_code == 204
    assert platform.users_of(connection) == []
    assert platform.http.delete(path).status_code == 204
    assert len(emulator.broken_environments) == 1


def test_an_end_user_without_an_activation_still_owns_connections(platform: Platform) -> None:
    activated = {activation["user"]["id"] for activation in platform.activations()}
    former = [user["id"] for user in platform.http.get("/users").json()["users"] if user["id"] not in activated]
    owned = [c["id"] for user in former for c in platform.connections(end_user_id=user)]
    assert len(owned) > 10
    assert {platform.delete(connection).status_code for connection in owned} == {204}


def test_the_static_user_is_listed_only_on_request_and_is_not_an_end_user(platform: Platform) -> None:
    ordinary, static = platform.activations(), platform.activations(static="true")
    assert len(static) == len(platform.environments())
    assert not {a["id"] for a in static} & {a["id"] for a in ordinary}
    assert not {a["user"]["id"] for a in static} & {user["id"] for user in platform.http.get("/users").json()["users"]}
    links = platform.links()
    assert all(platform.users_of(connection, static="true") for connection in [*links][:5])


def test_the_activation_of_the_static_user_cannot_be_deleted(platform: Platform) -> None:
    activation = platform.activations(static="true")[0]
    path = f"/environments/{activation['environment']['id']}/activations/{activation['id']}"
    assert platform.http.delete(path).status_code == 409
    assert platform.activation(activation) == activation


def test_some_activations_show_their_connections_only_when_asked_for(platform: Platform) -> None:
    for static in ("false", "true"):
        listed = [
            activation
            for environment in platform.environments()
            for activation in platform.http.get(
                f"/environments/{environment}/activations", params={"static": static}
            ).json()
        ]
        assert {"connections" in activation for activation in listed} == {True, False}
        complete = {activation["id"]: activation for activation in platform.activations(static=static)}
        assert any(complete[a["id"]]["connections"] for a in listed if "connections" not in a)
        assert all(a["connections"] == complete[a["id"]]["connections"] for a in listed if "connections" in a)


def test_deletions_are_recorded_in_order_and_each_broken_environment_once(
    platform: Platform, emulator: Emulator
) -> None:
    connections = sorted(platform.links(), reverse=True)
    for connection in connections:
        platform.delete(connection)
    assert emulator.deleted_ids == connections
    assert len(emulator.broken_environments) == len(set(emulator.broken_environments)) > 5


def test_deleting_a_connection_again_returns_404(platform: Platform, emulator: Emulator) -> None:
    connection = next(iter(platform.links()))
    assert [platform.delete(connection).status_code for _ in range(3)] == [204, 404, 404]
    assert emulator.deleted_ids == [connection]


def test_a_dynamic_connection_can_be_deleted_after_its_activation(platform: Platform) -> None:
    connection, activation = next(iter(platform.activation_of().items()))
    path = f"/environments/{activation['environment']['id']}/activations/{activation['id']}"
    other_environment = next(env for env in platform.environments() if env != activation["environment"]["id"])
    assert platform.http.delete(f"/environments/{other_environment}/activations/{activation['id']}").status_code == 404
    assert platform.http.delete(path).status_code == 204
    assert platform.http.delete(path).status_code == 404
    assert activation["id"] not in {a["id"] for a in platform.activations()}
    assert platform.delete(connection).status_code == 204


def test_deleting_an_unlinked_connection_breaks_nothing(platform: Platform, emulator: Emulator) -> None:
    connection, links = next((c, links) for c, links in platform.links().items() if len(links) > 1)
    assert len(platform.users_of(connection, static="true")) == len(links)
    for unlinked_count, (_, template) in enumerate(links, start=1):
        body = {"connectionTemplateId": template}
        response = platform.http.request("DELETE", f"/connections/{connection}/link", json=body)
        assert response.status_code == 204
        assert len(platform.links().get(connection, [])) == len(links) - unlinked_count
        assert len(platform.users_of(connection, static="true")) == len(links) - unlinked_count
    assert platform.delete(connection).status_code == 204
    assert emulator.broken_environments == []


@pytest.mark.parametrize("size", [1, 7, 20, 249, 250, 251, 1000])
def test_all_pages_together_are_the_whole_list_in_order_without_duplicates(size: int, platform: Platform) -> None:
    pages = platform.pages("/connections", first=size)
    ids = [item["id"] for page in pages for item in page["items"]]
    assert {page["totalCount"] for page in pages} == {250}
    assert len(ids) == 250
    assert ids == sorted(set(ids))
    assert all(len(page["items"]) == min(size, 1000) for page in pages[:-1])


def test_a_page_has_20_connections_by_default_and_at_most_1000(platform: Platform) -> None:
    assert len(platform.http.get("/connections").json()["items"]) == 20
    with Emulator(connections=1_001) as large:
        url = f"{large.url}/o/{large.organisation}/connections?first=5000"
        page = httpx.get(url, headers={"Authorization": "JWT sandbox"}, trust_env=False).json()
    assert (len(page["items"]), page["totalCount"], bool(page["next"])) == (1000, 1001, True)


def test_the_before_cursor_returns_the_same_pages_in_reverse(platform: Platform) -> None:
    forward = platform.pages("/connections", first=60)
    backward = [forward[-1]]
    while cursor := backward[-1]["prev"]:
        backward.append(platform.http.get("/connections", params={"first": 60, "before": cursor}).json())
    assert [page["items"] for page in reversed(backward)] == [page["items"] for page in forward]


def test_after_and_before_together_return_what_lies_between(platform: Platform) -> None:
    forward = platform.pages("/connections", first=60)
    query = {"after": forward[0]["next"], "before": forward[2]["prev"]}
    assert platform.http.get("/connections", params={**query, "first": 60}).json()["items"] == forward[1]["items"]
    assert platform.http.get("/connections", params={**query, "first": 7}).json()["items"] == forward[1]["items"][:7]
    swapped = {"after": query["before"], "before": query["after"], "first": 60}
    assert platform.http.get("/connections", params=swapped).json()["items"] == []


def test_a_cursor_stays_valid_after_deletions(platform: Platform) -> None:
    undeletable = platform.activation_of()
    expected = [c["id"] for c in platform.connections() if c["id"] in undeletable]
    page = platform.http.get("/connections", params={"first": 50}).json()
    seen = [c["id"] for c in page["items"]]
    # Delete every connection that can be deleted, including the one in the cursor.
    for connection in platform.connections():
        platform.delete(connection["id"])
    while cursor := page["next"]:
        page = platform.http.get("/connections", params={"first": 50, "after": cursor}).json()
        assert page["totalCount"] == len(expected)
        seen += [c["id"] for c in page["items"]]
    assert [id_ for id_ in seen if id_ in undeletable] == expected
    assert len(seen) == len(set(seen))


def test_connections_can_be_listed_by_system(platform: Platform) -> None:
    systems = [item["id"] for page in platform.pages("/systems") for item in page["items"]]
    total = 0
    for system in systems:
        connections = platform.connections(system_id=system)
        assert connections
        assert {c["systemId"] for c in connections} == {system}
        total += platform.http.get("/connections", params={"first": 1, "system_id": system}).json()["totalCount"]
    assert total == 250


def test_connections_can_be_listed_by_end_user(platform: Platform) -> None:
    activation = next(a for a in platform.activations() if len(a.get("connections", [])) > 1)
    user = activation["user"]["id"]
    expected = {c for c, a in platform.activation_of().items() if a["user"]["id"] == user}
    assert {c["id"] for c in platform.connections(end_user_id=user)} == expected
    system = next(c["systemId"] for c in activation["connections"] if c["id"] in expected)
    filtered = platform.connections(end_user_id=user, system_id=system)
    assert {c["id"] for c in filtered} == {c["id"] for c in platform.connections(system_id=system)} & expected


def test_end_users_can_be_searched_by_id_external_id_and_name(platform: Platform) -> None:
    def search(text: str) -> list[str]:
        page = platform.http.get("/users", params={"search": text}).json()
        assert page["totalCount"] == len(page["users"])
        return [user["id"] for user in page["users"]]

    user = platform.http.get("/users").json()["users"][0]
    assert search(user["id"].lower()) == search(user["externalId"]) == [user["id"]]
    assert user["id"] in search(user["displayName"].upper())
    assert search("nobody at all") == []


def test_end_users_can_be_listed_by_activation_in_an_environment_given_as_ulid_or_uuid(platform: Platform) -> None:
    everybody = [user["id"] for user in platform.http.get("/users").json()["users"]]
    for environment in platform.environments():
        activations = platform.http.get(f"/environments/{environment}/activations").json()
        activated = {activation["user"]["id"] for activation in activations}
        for spelling in (environment, str(ULID.from_str(environment).to_uuid())):
            for text, expected in (("true", activated), ("false", {*everybody} - activated)):
                query = {"activated": text, "environment_id": spelling}
                page = platform.http.get("/users", params=query).raise_for_status().json()
                assert {user["id"] for user in page["users"]} == expected
                assert page["totalCount"] == len(expected)


def test_an_end_user_can_be_looked_up_by_id_and_external_id(platform: Platform) -> None:
    user = platform.http.get("/users").json()["users"][0]
    for text in (user["id"], user["id"].lower(), user["externalId"]):
        assert platform.http.get(f"/users/{text}").json() == user
    assert platform.http.get("/users/nobody%2Fat%20all").status_code == 404


def test_projects_can_be_listed_by_star(platform: Platform) -> None:
    projects = platform.http.get("/projects").json()["projects"]
    for text, starred in (("true", True), ("false", False)):
        expected = [project for project in projects if project["starred"] is starred]
        assert expected
        assert platform.http.get("/projects", params={"starred": text}).json()["projects"] == expected


def test_without_an_environment_the_static_connections_of_the_whole_project_are_listed(platform: Platform) -> None:
    environments = platform.environments()
    project = next(env["project"]["id"] for env in environments.values() if len(env["project"]["environments"]) > 1)
    expected = sorted(
        (connection, template)
        for connection, links in platform.links().items()
        for environment, template in links
        if environments[environment]["project"]["id"] == project
    )
    page = platform.http.get(f"/projects/{project}/connections").json()
    assert sorted((c["id"], c["connectionTemplateId"]) for c in page["items"]) == expected
    assert page["totalCount"] == len(expected)


def test_systems_can_be_searched_by_name(platform: Platform) -> None:
    page = platform.http.get("/systems", params={"search": "netsuite"}).json()
    assert [system["name"] for system in page["items"]] == ["NetSuite"]
    assert page["totalCount"] == 1


def test_concurrent_deletions_from_eight_threads_are_all_recorded(platform: Platform, emulator: Emulator) -> None:
    ids = [c["id"] for c in platform.connections()]
    with ThreadPoolExecutor(8) as pool:
        statuses = list(pool.map(lambda id_: platform.delete(id_).status_code, ids))
    deleted = {id_ for id_, status in zip(ids, statuses, strict=True) if status == 204}
    assert set(statuses) == {204, 409}
    assert set(emulator.deleted_ids) == deleted
    assert len(emulator.deleted_ids) == len(deleted)
    assert {c["id"] for c in platform.connections()} == set(ids) - deleted == set(platform.activation_of())
