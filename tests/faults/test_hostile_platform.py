"""The hostile platform, when it behaves: it answers as the platform does, and reports what no client should send."""

import gc
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest
from faults.raw_client import client_of, exchange, list_all
from support import hostile_process
from support.fault_answers import drop_before, html
from support.hostile_platform import FOREVER, SECRET, HostilePlatform, world


@pytest.fixture
def platform(server: HostilePlatform) -> HostilePlatform:
    server.reset(world(static=4, dynamic=4, free=4))
    return server


@pytest.fixture
def client(platform: HostilePlatform) -> Iterator[httpx.Client]:
    with client_of(platform) as connected:
        yield connected


# The operations


def test_a_world_has_unused_static_and_dynamic_connections(platform: HostilePlatform) -> None:
    built = platform.world
    assert (len(built.static), len(built.dynamic), len(built.free)) == (4, 4, 4)
    assert sorted(built.static + built.dynamic + built.free) == list(built.connections)
    assert {id_ for linked in built.links.values() for id_ in linked} == set(built.static)
    assert {id_ for activation in built.activations.values() for id_ in activation.connections} == set(built.dynamic)
    assert list(world(free=9, seed=1).connections) == list(world(free=9, seed=1).connections)
    assert list(world(free=9, seed=1).connections) != list(world(free=9, seed=2).connections)


@pytest.mark.parametrize("first", [1, 5, 12, 1000])
def test_pages_follow_one_another_to_the_end(platform: HostilePlatform, client: httpx.Client, first: int) -> None:
    items = list_all(client, first=first)
    assert [item["id"] for item in items] == list(platform.world.connections)
    assert SECRET in json.dumps(items)
    platform.verify()


def test_a_page_has_20_items_by_default_and_a_larger_one_is_capped(
    platform: HostilePlatform, client: httpx.Client
) -> None:
    platform.reset(world(free=60, page_cap=25))
    client = client_of(platform)
    assert len(client.get("/connections").json()["items"]) == 20
    assert len(client.get("/connections?first=1000").json()["items"]) == 25
    platform.world.page_limit_error = 50
    assert client.get("/connections?first=1000").status_code == 400
    client.close()


def test_before_pages_backwards_even_if_the_row_of_the_cursor_was_removed(
    platform: HostilePlatform, client: httpx.Client
) -> None:
    ids = list(platform.world.connections)
    page = client.get("/connections?first=4").json()
    platform.world.remove(ids[3])
    page = client.get("/connections", params={"first": 4, "after": page["next"]}).json()
    assert [item["id"] for item in page["items"]] == ids[4:8]
    page = client.get("/connections", params={"first": 2, "before": page["prev"]}).json()
    assert [item["id"] for item in page["items"]] == ids[1:3]
    assert client.get("/connections?after=nonsense").json().keys() == {"code", "message", "details"}


def test_the_usage_operations_show_who_uses_which_connection(platform: HostilePlatform, client: httpx.Client) -> None:
    built = platform.world
    static, dynamic = [], []
    for project in client.get("/projects").json()["projects"]:
        for environment in project["environments"]:
            page = client.get(f"/projects/{project['id']}/connections?env_id={environment['id']}").json()
            static += [item["id"] for item in page["items"]]
            for activation in client.get(f"/environments/{environment['id']}/activations").json():
                dynamic += [item["id"] for item in activation["connections"]]
                of_user = client.get("/connections", params={"end_user_id": activation["user"]["id"]}).json()
                assert [item["id"] for item in of_user["items"]] == dynamic[-1:]
    assert (sorted(static), sorted(dynamic)) == (built.static, built.dynamic)
    system = client.get("/systems?search=shop").json()["items"][0]
    assert {item["systemId"] for item in list_all(client, system_id=system["id"])} == {system["id"]}
    assert client.get("/users?search=customer-2").json()["users"][0]["externalId"] == "customer-2"
    platform.verify()


def test_the_connections_of_an_environment_can_be_cut_or_paged(platform: HostilePlatform) -> None:
    built = world(static=100)
    platform.reset(built)
    project, environment = next(iter(built.projects.values())), built.environments[0]
    with client_of(platform) as client:
        url = f"/projects/{project.id}/connections?env_id={environment.id}"
        assert len(client.get(url).json()["items"]) == 25
        built.environment_pages = "cut"
        page = client.get(url).json()
        assert (len(page["items"]), page["totalCount"], "next" in page) == (20, 25, False)
        platform.verify()
        built.environment_pages = "paged"
        page = client.get(url).json()
        assert len(client.get(f"{url}&after={page['next']}").json()["items"]) == 5
    platform.verify()


def test_free_and_static_connections_are_deleted_and_dynamic_ones_refused(
    platform: HostilePlatform, client: httpx.Client
) -> None:
    built = platform.world
    for id_, status in ((built.free[0], 204), (built.static[0], 204), (built.dynamic[0], 409), (built.free[0], 404)):
        assert client.delete(f"/connections/{id_}").status_code == status
    assert platform.deleted == {built.free[0], built.static[0]}
    assert built.broken == [(built.environments[0].id, built.static[0])]
    assert [request.result for request in platform.deletes] == [204, 204, 409, 404]
    assert (platform.sends(built.free[0]), platform.sends(built.free[1])) == (2, 0)
    assert client.get(f"/connections/{built.free[0]}").status_code == 404
    assert client.get(f"/connections/{built.free[1]}").json()["id"] == built.free[1]


def test_unlinking_and_deactivating_make_a_connection_free(platform: HostilePlatform, client: httpx.Client) -> None:
    built = platform.world
    connection, activation = built.connections[built.static[0]], next(iter(built.activations.values()))
    body = {"connectionTemplateId": connection.template_id}
    assert client.request("DELETE", f"/connections/{connection.id}/link", json=body).status_code == 204
    assert not any(connection.id in linked for linked in built.links.values())
    url = f"/environments/{activation.environment_id}/activations/{activation.id}"
    assert [client.delete(url).status_code for _ in range(2)] == [204, 404]
    assert client.delete(f"/connections/{activation.connections[0]}").status_code == 204
    assert len(platform.deletes) == 1
    platform.verify()


# Credentials, limits and addresses


@pytest.mark.parametrize(
    ("scheme", "headers"),
    [
        ("bearer", {"Authorization": "Bearer tok"}),
        ("jwt", {"Authorization": "JWT tok"}),
        ("cookie", {"Cookie": "cookie=tok"}),
    ],
)
def test_only_the_expected_credentials_are_accepted(scheme: Any, headers: dict[str, str]) -> None:
    with HostilePlatform(token="tok", scheme=scheme) as platform:
        for given, status in ((headers, 200), ({"Authorization": "Bearer other"}, 401), ({"X": "y"}, 401)):
            with client_of(platform, **given) as client:
                assert client.get("/projects").status_code == status
        assert platform.env().get("VERSORI_AUTH", "bearer") == scheme


def test_a_token_can_expire_after_so_many_deletions(platform: HostilePlatform, client: httpx.Client) -> None:
    platform.dead_token_after(2)
    ids = [platform.world.dynamic[0], *platform.world.free]
    assert [client.delete(f"/connections/{id_}").status_code for id_ in ids] == [409, 204, 204, 401, 401]
    assert client.get("/projects").status_code == 401
    assert len(platform.deleted) == 2


def test_a_rate_limit_refuses_the_requests_above_it(platform: HostilePlatform, client: httpx.Client) -> None:
    platform.rate_limit(3, retry_after="0.5")
    answers = [client.get("/projects") for _ in range(5)]
    assert [answer.status_code for answer in answers] == [200, 200, 200, 429, 429]
    assert answers[3].headers["Retry-After"] == "0.5"
    platform.rate_limit(0, retry_after=None)
    answer = client.get("/projects")
    assert answer.status_code == 429
    assert "Retry-After" not in answer.headers


def test_a_path_prefix_is_part_of_the_url() -> None:
    with HostilePlatform(prefix="/api/v2") as platform, client_of(platform) as client:
        assert client.get("/projects").status_code == 200
        assert platform.env()["VERSORI_SERVER"].endswith("/api/v2")
        assert client.get(platform.url.removesuffix("/api/v2") + "/o").status_code == 500
        assert len(platform.requests) == 2


# What no client should send


@pytest.mark.parametrize(
    ("request_line", "extra", "mistake"),
    [
        ("POST /connections", {}, "no such operation"),
        ("GET /connections/not-a-ulid", {}, "not a ULID"),
        ("GET /connections?limit=3", {}, "unknown parameters ['limit']"),
        ("GET /connections?first=3&first=4", {}, "twice"),
        ("GET /projects", {"content": b"{}"}, "a body where none belongs"),
        ("GET /projects", {"headers": [("Cookie", "cookie=x")]}, "credentials come twice"),
        ("GET /connections?after=t0ken-for-tests-only", {}, "the token is in the target"),
    ],
)
def test_a_request_that_no_client_should_send_is_reported(
    platform: HostilePlatform, client: httpx.Client, request_line: str, extra: dict[str, Any], mistake: str
) -> None:
    platform.on("*", "", drop_before())
    assert client.request(*request_line.split(), **extra).status_code == 500
    with pytest.raises(AssertionError) as caught:
        platform.verify()
    assert mistake in str(caught.value)


def test_a_request_that_is_not_http_is_reported(platform: HostilePlatform) -> None:
    assert exchange(platform, b"HELLO\r\n\r\n").startswith(b"HTTP/1.1 500 ")
    assert platform.unexpected == ["malformed: ['HELLO']"]


def test_a_platform_that_is_not_strict_answers_with_errors_instead() -> None:
    with HostilePlatform(strict=False) as platform, client_of(platform) as client:
        assert client.get("/nothing").status_code == 404
        assert client.get("/connections/x").status_code == 400
        assert client.get("/connections?limit=3").status_code == 200
        platform.verify()


# Start, reset and end


@pytest.mark.usefixtures("platform")  # the shared one is idle then, and does not disturb the count
def test_starting_and_stopping_is_fast_and_leaves_no_thread_and_no_file_open() -> None:
    gc.collect()
    threads, files = threading.active_count(), len(os.listdir("/dev/fd"))  # noqa: PTH208 - a Path keeps it open
    start = time.monotonic()
    for _ in range(50):
        HostilePlatform().close()
    assert time.monotonic() - start < 2
    with HostilePlatform(world(free=1), latency=60) as platform, ThreadPoolExecutor(4) as pool:
        exchanges = [pool.submit(exchange, platform) for _ in range(4)]
        platform.wait_for(lambda: platform.in_flight == 4)
        platform.close()
        assert [future.result() for future in exchanges] == [b""] * 4
    assert (threading.active_count(), len(os.listdir("/dev/fd"))) == (threads, files)  # noqa: PTH208 - see above
    assert platform.deleted == set()
    with pytest.raises(ConnectionRefusedError):
        exchange(platform)


def test_a_reset_forgets_everything_but_the_address(platform: HostilePlatform) -> None:
    url = platform.url
    platform.on("*", "", drop_before(), times=FOREVER).latency = 60
    thread = threading.Thread(target=exchange, args=(platform,))
    thread.start()
    platform.wait_for(lambda: platform.in_flight)
    fresh = world(free=2, seed=3)
    platform.reset(fresh, {fresh.free[1]: [html(502)]})
    thread.join()
    assert (platform.requests, platform.in_flight, platform.open_connections, platform.url) == ([], 0, 0, url)
    with client_of(platform) as client:
        assert [client.delete(f"/connections/{id_}").status_code for id_ in fresh.free] == [204, 502]
        assert platform.open_connections == 1
    platform.wait_for(lambda: platform.open_connections == 0)


def test_a_wait_that_times_out_reports_the_requests(platform: HostilePlatform) -> None:
    with pytest.raises(AssertionError, match=r"not within 0.01 s; saw .*in_flight"):
        platform.wait_for(lambda: platform.requests, timeout=0.01)


def test_in_a_process_of_its_own_it_is_judged_and_changed_from_outside() -> None:
    arguments = [str(hostile_process.__file__), "--free", "3", "--static", "1", "--prefix", "/api"]
    with (
        subprocess.Popen([sys.executable, *arguments], stdout=subprocess.PIPE, text=True, cwd=Path("/")) as process,
        httpx.Client() as judge,
    ):
        assert process.stdout is not None
        try:
            first = json.loads(process.stdout.readline())
            state, change = first["url"] + "/__state", first["url"] + "/__world"
            link = {"connection_id": first["free"][0], "environment_id": first["environments"][1]["id"]}
            faults = [{"delay": {"seconds": 0.01, "then": "drop_after"}}, {"html": {"status": 503}}]
            commands = {"link": link, "on": {"method": "DELETE", "path": "", "faults": faults}, "add": {"name": "new"}}
            results = judge.post(change, json=commands).raise_for_status().json()["made"]
            assert results == [link["environment_id"], None, results[2]]
            url = f"{first['url']}/o/{first['organisation']}/connections/"
            headers = {"Authorization": f"Bearer {first['token']}"}
            with pytest.raises(httpx.RemoteProtocolError):
                httpx.delete(url + first["free"][0], headers=headers)
            assert [httpx.delete(url + results[2], headers=headers).status_code for _ in range(2)] == [503, 204]
            last = judge.get(state).json()
            assert last["deleted"] == [first["free"][0], results[2]]
            assert last["broken"] == [[link["environment_id"], first["free"][0]]]
            assert last["sends"] == {first["free"][0]: 1, results[2]: 2}
            assert (last["requests"], last["unexpected"]) == (3, [])
            assert judge.post(change, json={"explode": 1}).status_code == 400
        finally:
            process.terminate()
