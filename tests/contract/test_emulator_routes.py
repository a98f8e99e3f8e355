"""Every operation of a running sandbox, checked against openapi.yaml."""

import json
from base64 import b64encode
from typing import Any

import httpx
import pytest
from support.openapi_contract import Contract
from ulid import ULID

from versori_magics.emulator import Emulator

ABSENT = "01ARZ3NDEKTSV4RRFFQ69G5FAV"  # a ULID that does not exist in any seeded organisation


def connections(http: httpx.Client) -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = http.get("/connections", params={"first": 1000}).raise_for_status().json()["items"]
    return items


def environments(http: httpx.Client) -> list[tuple[str, str]]:
    projects = http.get("/projects").raise_for_status().json()["projects"]
    return [(project["id"], environment["id"]) for project in projects for environment in project["environments"]]


def links(http: httpx.Client) -> list[tuple[str, str]]:
    """Return the connection id and the template id of every link."""
    return [
        (connection["id"], connection["connectionTemplateId"])
        for project, environment in environments(http)
        for connection in http.get(f"/projects/{project}/connections", params={"env_id": environment}).json()["items"]
    ]


def activations(http: httpx.Client) -> list[dict[str, Any]]:
    return [
        activation
        for _, environment in environments(http)
        for activation in http.get(f"/environments/{environment}/activations").json()
    ]


@pytest.mark.parametrize(
    "path",
    [
        "/connections",
        "/connections?first=1000",
        "/connections?first=7",
        "/connections?first=100000000000000000000",
        "/connections?after={cursor}&before={cursor}",
        "/connections?system_id={system}&end_user_id={user}",
        f"/connections?system_id={ABSENT}",
        "/connections/{connection}",
        "/connections/{lower_case_connection}",
        f"/connections/{ABSENT}",
        "/projects",
        "/projects?starred=true",
        "/projects?starred=false",
        "/projects/{project}/connections",
        "/projects/{project}/connections?env_id={environment}",
        f"/projects/{{project}}/connections?env_id={ABSENT}",
        f"/projects/{ABSENT}/connections?env_id={ABSENT}",
        "/environments/{environment}/activations",
        "/environments/{environment}/activations?static=true",
        "/environments/{environment}/activations?static=false",
        "/environments/{activation_environment}/activations/{activation}",
        "/environments/{other_environment}/activations/{activation}",
        f"/environments/{{environment}}/activations/{ABSENT}",
        f"/environments/{ABSENT}/activations",
        "/systems",
        "/systems?first=3",
        "/systems?search=SHOP",
        "/users",
        "/users?search=cust-00001",
        "/users?activated=true",
        "/users?environment_id={environment}",
        "/users?activated=true&environment_id={environment}",
        "/users?activated=false&environment_id={environment_uuid}",
        "/users/{user}",
        "/users/cust-00001",
        "/users/nobody",
    ],
)
def test_every_read_and_its_response_match_the_description(path: str, http: httpx.Client, contract: Contract) -> None:
    activation = next(a for a in activations(http) if "connections" in a)
    project, environment = environments(http)[0]
    connection = connections(http)[0]
    activation_environment = activation["environment"]["id"]
    url = path.format(
        system=connection["systemId"],
        user=activation["user"]["id"],
        connection=connection["id"],
        lower_case_connection=connection["id"].lower(),
        project=project,
        environment=environment,
        environment_uuid=ULID.from_str(environment).to_uuid(),
        activation=activation["id"],
        activation_environment=activation_environment,
        other_environment=next(other for _, other in environments(http) if other != activation_environment),
        cursor=http.get("/connections").json()["next"],
    )
    response = http.get(url)
    contract.check(response.request, response)
    is_absent = any(text in path for text in (f"/{ABSENT}", f"env_id={ABSENT}", "{other_environment}", "nobody"))
    assert response.status_code == (404 if is_absent else 200)


def test_credentials_have_no_errors_if_never_validated_and_their_secrets_are_redacted(http: httpx.Client) -> None:
    credentials = [entry["credential"] for connection in connections(http) for entry in connection["credentials"]]
    assert {"errors" in credential for credential in credentials} == {True, False}
    assert any(credential.get("errors") == [] for credential in credentials)
    assert any(credential.get("errors") for credential in credentials)
    assert {"expiresAt" in credential for credential in credentials} == {True, False}
    assert {len(credential["data"]) for credential in credentials} == {1}
    secrets = {"password", "clientSecret", "refreshToken", "accessToken", "value", "valueBase64", "key", "tokenSecret"}
    values = [(name, value) for c in credentials for data in c["data"].values() for name, value in data.items()]
    assert {name for name, _ in values} >= secrets
    assert {value for name, value in values if name in secrets} == {"***"}


def test_a_token_says_when_it_expires_and_any_other_credential_when_it_is_removed(http: httpx.Client) -> None:
    credentials = [entry["credential"] for connection in connections(http) for entry in connection["credentials"]]
    tokens = [credential for credential in credentials if credential["type"] == "oauth2-token"]
    assert {"expiresAt" in token["data"]["oauth2Token"] for token in tokens} == {True, False}
    assert {"expiresAt" in token for token in tokens} == {False}
    assert any("expiresAt" in credential for credential in credentials)


def test_every_auth_scheme_and_credential_type_matches_the_description(http: httpx.Client, contract: Contract) -> None:
    http.event_hooks["response"] = [contract.hook]
    systems = http.get("/systems").json()["items"]
    configs = {config["type"]: config for system in systems for config in system["authSchemeConfigs"]}
    assert len(configs) == 9
    used = [entry["authSchemeConfig"] for connection in connections(http) for entry in connection["credentials"]]
    all_configs = [config for system in systems for config in system["authSchemeConfigs"]]
    assert all(config in all_configs for config in used)


def test_the_lists_of_every_environment_match_the_description(http: httpx.Client, contract: Contract) -> None:
    http.event_hooks["response"] = [contract.hook]
    assert len(links(http)) > 50
    assert len(activations(http)) > 30


def test_deletions_and_their_responses_match_the_description(http: httpx.Client, contract: Contract) -> None:
    unlinked, template = links(http)[0]
    activation = activations(http)[0]
    activation_url = f"/environments/{activation['environment']['id']}/activations/{activation['id']}"
    http.event_hooks["response"] = [contract.hook]
    for url, body in (
        (f"/connections/{unlinked}/link", {"connectionTemplateId": template}),
        (activation_url, None),
        (f"/connections/{unlinked}", None),
    ):
        assert http.request("DELETE", url, json=body).status_code == 204
        repeated = http.request("DELETE", url, json=body)
        assert repeated.status_code == 404
        assert repeated.json()["code"].isdigit()


@pytest.mark.parametrize(
    ("method", "path", "field"),
    [
        ("GET", "/connections?first=0", "first"),
        ("GET", "/connections?first=-3", "first"),
        ("GET", "/connections?first=ten", "first"),
        ("GET", "/connections?first=", "first"),
        ("GET", "/connections?first=1.5", "first"),
        ("GET", "/connections?first=%D9%A3", "first"),  # an Arabic three
        ("GET", "/connections?first=1&first=2", "first"),
        ("GET", "/connections?after=elsewhere", "after"),
        ("GET", "/connections?after=", "after"),
        ("GET", "/connections?before=%FF%00", "before"),
        ("GET", "/connections?after={systems_cursor}", "after"),
        (
            "GET",
            f"/connections?after={b64encode(ABSENT.encode()).decode()}",
            "after",
        ),  # an id without the name of a list
        ("GET", "/connections?after={cursor}&before={systems_cursor}", "before"),
        ("GET", "/connections?system_id=shopify", "system_id"),
        ("GET", "/connections?end_user_id=cust-00001", "end_user_id"),
        ("GET", "/connections?page=2", "page"),
        ("GET", "/connections/42", "connection_id"),
        ("GET", f"/connections/8{ABSENT[1:]}", "connection_id"),
        ("GET", f"/connections/{ABSENT}%0A", "connection_id"),
        ("GET", f"/connections/{ABSENT[:-1]}%E2%84%AA", "connection_id"),  # the Kelvin sign, which is not the letter K
        ("GET", f"/connections/{ABSENT}?first=1", "first"),
        ("DELETE", "/connections/nan", "connection_id"),
        ("DELETE", f"/connections/{ABSENT}?force=true", "force"),
        ("GET", "/projects?first=1", "first"),
        ("GET", "/projects?starred=1", "starred"),
        ("GET", "/projects?starred=", "starred"),
        ("GET", f"/projects/{ABSENT}/connections?env_id=production", "env_id"),
        ("GET", "/projects/1/connections?env_id=1", "project_id"),
        ("GET", "/environments/production/activations", "environment_id"),
        ("GET", f"/environments/{ABSENT}/activations?static=True", "static"),
        ("GET", f"/environments/{ABSENT}/activations/1", "activation_id"),
        ("GET", f"/environments/{ABSENT}/activations/{ABSENT}?static=true", "static"),
        ("DELETE", f"/environments/{ABSENT}/activations/1", "activation_id"),
        ("GET", "/systems?first=0", "first"),
        ("GET", "/users?first=1", "first"),
        ("GET", "/users?activated=yes", "activated"),
        ("GET", "/users?activated=true&environment_id=production", "environment_id"),
        ("GET", "/users?activated=true&environment_id={{01234567-89ab-cdef-0123-456789abcdef}}", "environment_id"),
    ],
)
def test_invalid_input_is_rejected_with_the_name_of_the_field(
    method: str, path: str, field: str, http: httpx.Client, contract: Contract
) -> None:
    cursor = http.get("/connections?first=1").json()["next"]
    systems_cursor = http.get("/systems?first=1").json()["next"]
    response = http.request(method, path.format(cursor=cursor, systems_cursor=systems_cursor))
    assert response.status_code == 400
    assert [error["field"] for error in response.json()["fields"]] == [field]
    contract.check_response(response.request, response)


@pytest.mark.parametrize(
    ("content", "field"),
    [
        (b"", "body"),
        (b"{", "body"),
        (b"[]", "body"),
        (b'"\xff"', "body"),
        (b"[" * 100_000, "body"),
        (b"1" * 5_000, "body"),
        (b"{}", "connectionTemplateId"),
        (b'{"connectionTemplateId": 7}', "connectionTemplateId"),
        (b'{"connectionTemplateId": "\\ud800"}', "connectionTemplateId"),
    ],
)
def test_unlinking_with_an_invalid_body_is_rejected(
    content: bytes, field: str, http: httpx.Client, contract: Contract
) -> None:
    connection, _ = links(http)[0]
    headers = {"Content-Type": "application/json"}
    response = http.request("DELETE", f"/connections/{connection}/link", content=content, headers=headers)
    assert response.status_code == 400
    assert [error["field"] for error in response.json()["fields"]] == [field]
    contract.check_response(response.request, response)


def test_unlinking_with_a_body_that_is_not_declared_as_json_is_rejected(http: httpx.Client) -> None:
    connection, template = links(http)[0]
    body = json.dumps({"connectionTemplateId": template})
    response = http.request("DELETE", f"/connections/{connection}/link", content=body)
    assert response.status_code == 400


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Authorization": "Bearer sandbox"}, 200),
        ({"Authorization": "bearer sandbox"}, 200),
        ({"Authorization": "JWT sandbox"}, 200),
        ({"Cookie": "cookie=sandbox"}, 200),
        ({"Cookie": "theme=dark; cookie=sandbox"}, 200),
        ({}, 401),
        ({"Authorization": "Bearer other"}, 401),
        ({"Authorization": "JWT other"}, 401),
        ({"Authorization": "Basic sandbox"}, 401),
        ({"Authorization": "sandbox"}, 401),
        ({"Cookie": "cookie=other"}, 401),
        ({"Cookie": "token=sandbox"}, 401),
        ({"Authorization": "Bearer other", "Cookie": "cookie=sandbox"}, 401),
    ],
)
def test_every_auth_scheme_accepts_the_token_and_nothing_else(
    headers: dict[str, str], status: int, http: httpx.Client, contract: Contract
) -> None:
    del http.headers["Authorization"]
    for method, path in (("GET", "/projects"), ("GET", "/connections"), ("GET", f"/connections/{ABSENT}")):
        response = http.request(method, path, headers=headers)
        assert response.status_code == (404 if status == 200 and ABSENT in path else status)
        contract.check_response(response.request, response)


def test_nothing_is_deleted_without_the_token(http: httpx.Client, emulator: Emulator) -> None:
    for connection in connections(http)[:20]:
        assert http.delete(f"/connections/{connection['id']}", headers={"Authorization": ""}).status_code == 401
    assert emulator.deleted_ids == []


def test_another_organisation_is_not_found(http: httpx.Client, emulator: Emulator, contract: Contract) -> None:
    connection = connections(http)[0]["id"]
    for path in ("/connections", f"/connections/{connection}", "/projects", "/users"):
        response = http.get(f"{emulator.url}/o/{ABSENT}{path}")
        assert response.status_code == 404
        contract.check(response.request, response)


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("POST", "/connections", "GET"),
        ("HEAD", "/connections", "GET"),
        ("PUT", f"/connections/{ABSENT}", "DELETE, GET"),
        ("GET", f"/connections/{ABSENT}/link", "DELETE"),
        ("TRACE", "/projects", "GET"),
    ],
)
def test_an_unsupported_method_is_rejected_with_an_error_body(
    method: str, path: str, allowed: str, http: httpx.Client
) -> None:
    response = http.request(method, path)
    assert response.status_code == 405
    assert response.headers["Allow"] == allowed
    assert method == "HEAD" or response.json()["code"].startswith("405")


@pytest.mark.parametrize("path", ["", "/", "/connections/", "/nothing", "/../", "//connections", "/connections/%2F"])
def test_an_unknown_path_is_not_found_with_an_error_body(path: str, http: httpx.Client) -> None:
    response = http.get(path)
    assert response.status_code == 404
    assert set(response.json()) == {"code", "message"}


def test_the_contract_check_rejects_an_undocumented_response(contract: Contract) -> None:
    request = httpx.Request("GET", f"http://sandbox/o/{ABSENT}/connections", headers={"Authorization": "JWT x"})
    page = {"totalCount": 1, "items": [{"id": ABSENT, "name": "n", "credentials": [], "createdAt": "2024-01-01"}]}
    for response in (
        httpx.Response(200, json=page),
        httpx.Response(200, json={"items": []}),
        httpx.Response(200, text="<html>", headers={"Content-Type": "text/html"}),
        httpx.Response(202, json={"code": "1", "message": "m"}),
        httpx.Response(500, json={"code": 500, "message": "m"}),
    ):
        with pytest.raises(AssertionError):
            contract.check(request, response)
    contract.check(request, httpx.Response(200, json={"totalCount": 0, "items": []}))
    contract.check(request, httpx.Response(500, json={"code": "500000", "message": "m"}))


def test_the_contract_check_rejects_an_undocumented_request(contract: Contract) -> None:
    allowed = {"Authorization": "Bearer x"}
    url = f"http://sandbox/o/{ABSENT}/connections"
    for request in (
        httpx.Request("GET", url),
        httpx.Request("GET", url, headers={"Authorization": "Basic x"}),
        httpx.Request("GET", f"{url}?first=0", headers=allowed),
        httpx.Request("GET", f"{url}?limit=1", headers=allowed),
        httpx.Request("GET", f"{url}/42", headers=allowed),
        httpx.Request("POST", url, headers=allowed),
        httpx.Request("GET", "http://sandbox/connections", headers=allowed),
        httpx.Request("DELETE", f"{url}/{ABSENT}", headers=allowed, json={"sure": True}),
        httpx.Request("DELETE", f"{url}/{ABSENT}/link", headers=allowed, json={}),
    ):
        with pytest.raises(AssertionError):
            contract.check_request(request)
    contract.check_request(httpx.Request("GET", f"{url}?first=1", headers=allowed))
