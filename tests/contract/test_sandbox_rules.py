"""How the platform behaves: what a deletion does, and what a list says."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest

from versori_magics.sandbox import Sandbox


class Platform:
    """The platform as one sees it from outside."""

    def __init__(self, http: httpx.Client) -> None:
        self.http = http

    def pages(self, path: str, **query: Any) -> list[dict[str, Any]]:
        found = [self.http.get(path, params=query).raise_for_status().json()]
        while cursor := found[-1]["next"]:
            found.append(self.http.get(path, params={**query, "after": cursor}).raise_for_status().json())
        return found

    def connections(self, **query: Any) -> list[dict[str, Any]]:
        return [item for page in self.pages("/connections", first=1000, **query) for item in page["items"]]

    def environments(self) -> dict[str, dict[str, Any]]:
        projects = self.http.get("/projects").json()["projects"]
        return {env["id"]: {**env, "project": project} for project in projects for env in project["environments"]}

    def static(self) -> dict[str, list[tuple[str, str]]]:
        """Return the (environment, template) of each connection that an environment uses."""
        found: dict[str, list[tuple[str, str]]] = {}
        for id_, environment in self.environments().items():
            path = f"/projects/{environment['project']['id']}/connections"
            for connection in self.http.get(path, params={"env_id": id_}).json()["items"]:
                found.setdefault(connection["id"], []).append((id_, connection["connectionTemplateId"]))
        return found

    def activations(self) -> list[dict[str, Any]]:
        return [a for env in self.environments() for a in self.http.get(f"/environments/{env}/activations").json()]

    def dynamic(self) -> dict[str, dict[str, Any]]:
        """Return the activation of each connection that an end user uses."""
        return {c["id"]: a for a in self.activations() for c in a.get("connections", [])}

    def delete(self, connection: str) -> httpx.Response:
        return self.http.delete(f"/connections/{connection}")


@pytest.fixture
def platform(http: httpx.Client) -> Platform:
    return Platform(http)


def test_a_static_connection_in_use_goes_and_breaks_its_environment(platform: Platform, sandbox: Sandbox) -> None:
    before = platform.environments()
    connection, ((environment, _),) = next(
        (c, used)
        for c, used in platform.static().items()
        if len(used) == 1 and before[used[0][0]]["status"] == "running"
    )
    answer = platform.delete(connection)
    after = platform.environments()
    assert (answer.status_code, answer.content) == (204, b"")
    assert after[environment]["status"] == "error"
    assert {id_ for id_ in after if after[id_]["status"] != before[id_]["status"]} == {environment}
    assert connection not in platform.static()
    assert sandbox.broken == [f"{after[environment]['project']['name']} / {after[environment]['name']}"]
    assert sandbox.deleted == [connection]


def test_a_static_connection_of_two_environments_breaks_both(platform: Platform, sandbox: Sandbox) -> None:
    connection, used = next((c, used) for c, used in platform.static().items() if len(used) > 1)
    assert platform.delete(connection).status_code == 204
    assert {platform.environments()[environment]["status"] for environment, _ in used} == {"error"}
    assert len(sandbox.broken) == 2


def test_a_dynamic_connection_in_use_is_refused_and_stays(platform: Platform, sandbox: Sandbox) -> None:
    connection, activation = next(iter(platform.dynamic().items()))
    answer = platform.delete(connection)
    error = answer.json()
    assert answer.status_code == 409
    assert activation["user"]["displayName"] in error["details"]
    assert activation["user"]["externalId"] in error["details"]
    environment = platform.environments()[activation["environment"]["id"]]
    assert f"{environment['project']['name']} / {environment['name']}" in error["details"]
    assert platform.http.get(f"/connections/{connection}").status_code == 200
    assert connection in platform.dynamic()
    assert sandbox.deleted == []
    assert sandbox.broken == []


def test_a_connection_that_nobody_uses_goes_and_breaks_nothing(platform: Platform, sandbox: Sandbox) -> None:
    used = {*platform.static(), *platform.dynamic()}
    connection = next(c["id"] for c in platform.connections() if c["id"] not in used)
    assert platform.delete(connection).status_code == 204
    assert platform.http.get(f"/connections/{connection}").status_code == 404
    assert connection not in {c["id"] for c in platform.connections()}
    assert sandbox.broken == []


def test_deletions_are_told_in_order_and_each_broken_environment_once(platform: Platform, sandbox: Sandbox) -> None:
    chosen = sorted(platform.static(), reverse=True)
    for connection in chosen:
        platform.delete(connection)
    assert sandbox.deleted == chosen
    assert len(sandbox.broken) == len(set(sandbox.broken)) > 5


def test_a_second_deletion_finds_nothing(platform: Platform, sandbox: Sandbox) -> None:
    connection = next(iter(platform.static()))
    assert [platform.delete(connection).status_code for _ in range(3)] == [204, 404, 404]
    assert sandbox.deleted == [connection]


def test_without_its_activation_a_dynamic_connection_is_free(platform: Platform) -> None:
    connection, activation = next(iter(platform.dynamic().items()))
    path = f"/environments/{activation['environment']['id']}/activations/{activation['id']}"
    elsewhere = next(env for env in platform.environments() if env != activation["environment"]["id"])
    assert platform.http.delete(f"/environments/{elsewhere}/activations/{activation['id']}").status_code == 404
    assert platform.http.delete(path).status_code == 204
    assert platform.http.delete(path).status_code == 404
    assert activation["id"] not in {a["id"] for a in platform.activations()}
    assert platform.delete(connection).status_code == 204


def test_an_unlinked_connection_breaks_nothing_any_more(platform: Platform, sandbox: Sandbox) -> None:
    connection, used = next((c, used) for c, used in platform.static().items() if len(used) > 1)
    for n, (_, template) in enumerate(used, start=1):
        answer = platform.http.request(
            "DELETE", f"/connections/{connection}/link", json={"connectionTemplateId": template}
        )
        assert answer.status_code == 204
        assert len(platform.static().get(connection, [])) == len(used) - n
    assert platform.delete(connection).status_code == 204
    assert sandbox.broken == []


@pytest.mark.parametrize("size", [1, 7, 20, 249, 250, 251, 1000])
def test_pages_add_up_to_the_total_without_doubles_and_in_order(size: int, platform: Platform) -> None:
    pages = platform.pages("/connections", first=size)
    ids = [item["id"] for page in pages for item in page["items"]]
    assert {page["totalCount"] for page in pages} == {250}
    assert len(ids) == 250
    assert ids == sorted(set(ids))
    assert all(len(page["items"]) == min(size, 1000) for page in pages[:-1])


def test_a_page_has_20_unless_told_and_never_more_than_1000(platform: Platform) -> None:
    assert len(platform.http.get("/connections").json()["items"]) == 20
    with Sandbox(connections=1_001) as large:
        url = f"{large.url}/o/{large.organisation}/connections?first=5000"
        page = httpx.get(url, headers={"Authorization": "JWT sandbox"}, trust_env=False).json()
    assert (len(page["items"]), page["totalCount"], bool(page["next"])) == (1000, 1001, True)


def test_before_leads_back_through_the_same_pages(platform: Platform) -> None:
    there = platform.pages("/connections", first=60)
    back = [there[-1]]
    while cursor := back[-1]["prev"]:
        back.append(platform.http.get("/connections", params={"first": 60, "before": cursor}).json())
    assert [page["items"] for page in reversed(back)] == [page["items"] for page in there]


def test_a_cursor_survives_deletions(platform: Platform) -> None:
    used = platform.dynamic()
    expected = [c["id"] for c in platform.connections() if c["id"] in used]
    page = platform.http.get("/connections", params={"first": 50}).json()
    seen = [c["id"] for c in page["items"]]
    # Everything that may go goes, also the row that the cursor was made from.
    for connection in platform.connections():
        platform.delete(connection["id"])
    while cursor := page["next"]:
        page = platform.http.get("/connections", params={"first": 50, "after": cursor}).json()
        assert page["totalCount"] == len(expected)
        seen += [c["id"] for c in page["items"]]
    assert [id_ for id_ in seen if id_ in used] == expected
    assert len(seen) == len(set(seen))


def test_connections_can_be_listed_by_system(platform: Platform) -> None:
    systems = [item["id"] for page in platform.pages("/systems") for item in page["items"]]
    total = 0
    for system in systems:
        found = platform.connections(system_id=system)
        assert found
        assert {c["systemId"] for c in found} == {system}
        total += platform.http.get("/connections", params={"first": 1, "system_id": system}).json()["totalCount"]
    assert total == 250


def test_connections_can_be_listed_by_end_user(platform: Platform) -> None:
    activation = next(a for a in platform.activations() if len(a.get("connections", [])) > 1)
    user = activation["user"]["id"]
    expected = {c for c, a in platform.dynamic().items() if a["user"]["id"] == user}
    assert {c["id"] for c in platform.connections(end_user_id=user)} == expected
    system = activation["connections"][0]["systemId"]
    both = platform.connections(end_user_id=user, system_id=system)
    assert {c["id"] for c in both} == {c["id"] for c in platform.connections(system_id=system)} & expected


def test_end_users_are_found_by_external_id_and_by_name(platform: Platform) -> None:
    def search(text: str) -> list[str]:
        page = platform.http.get("/users", params={"search": text}).json()
        assert page["totalCount"] == len(page["users"])
        return [user["id"] for user in page["users"]]

    user = platform.http.get("/users").json()["users"][0]
    assert search(user["externalId"]) == [user["id"]]
    assert user["id"] in search(user["displayName"].upper())
    assert search("nobody at all") == []


def test_systems_are_found_by_name(platform: Platform) -> None:
    found = platform.http.get("/systems", params={"search": "netsuite"}).json()
    assert [system["name"] for system in found["items"]] == ["NetSuite"]
    assert found["totalCount"] == 1


def test_two_hundred_deletions_from_eight_threads_lose_none(platform: Platform, sandbox: Sandbox) -> None:
    ids = [c["id"] for c in platform.connections()]
    with ThreadPoolExecutor(8) as pool:
        statuses = list(pool.map(lambda id_: platform.delete(id_).status_code, ids))
    gone = {id_ for id_, status in zip(ids, statuses, strict=True) if status == 204}
    assert set(statuses) == {204, 409}
    assert set(sandbox.deleted) == gone
    assert len(sandbox.deleted) == len(gone)
    assert {c["id"] for c in platform.connections()} == set(ids) - gone == set(platform.dynamic())
