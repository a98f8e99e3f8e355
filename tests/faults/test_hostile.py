import gc
import json
import os
import random
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest
from faults import hostile as h
from faults.hostile import HostilePlatform, world


@pytest.fixture(scope="module")
def server() -> Iterator[HostilePlatform]:
    with HostilePlatform() as platform:
        yield platform


@pytest.fixture
def platform(server: HostilePlatform) -> HostilePlatform:
    server.reset(world(static=4, dynamic=4, free=4))
    return server


@pytest.fixture
def client(platform: HostilePlatform) -> Iterator[httpx.Client]:
    with client_of(platform) as made:
        yield made


def client_of(platform: HostilePlatform, **headers: str) -> httpx.Client:
    headers = headers or {"Authorization": f"Bearer {platform.token}"}
    return httpx.Client(base_url=f"{platform.url}/o/{platform.organisation}", headers=headers, timeout=2)


def listed(client: httpx.Client, **query: Any) -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = []
    while True:
        page = client.get("/connections", params=query).raise_for_status().json()
        items += page["items"]
        if not page.get("next"):
            assert len(items) == page["totalCount"]
            return items
        query["after"] = page["next"]


# The platform, when it behaves.


def test_a_world_mixes_the_kinds_that_were_asked_for(platform: HostilePlatform) -> None:
    made = platform.world
    assert (len(made.static), len(made.dynamic), len(made.free)) == (4, 4, 4)
    assert sorted(made.static + made.dynamic + made.free) == list(made.connections)
    assert {id_ for linked in made.links.values() for id_ in linked} == set(made.static)
    assert {id_ for one in made.activations.values() for id_ in one.connections} == set(made.dynamic)
    assert list(world(free=9, seed=1).connections) == list(world(free=9, seed=1).connections)
    assert list(world(free=9, seed=1).connections) != list(world(free=9, seed=2).connections)


@pytest.mark.parametrize("first", [1, 5, 12, 1000])
def test_pages_follow_one_another_to_the_end(platform: HostilePlatform, client: httpx.Client, first: int) -> None:
    items = listed(client, first=first)
    assert [item["id"] for item in items] == list(platform.world.connections)
    assert h.SECRET in json.dumps(items)
    platform.verify()


def test_a_page_is_20_unless_asked_and_capped_when_it_is(platform: HostilePlatform, client: httpx.Client) -> None:
    platform.reset(world(free=60, page_cap=25))
    client = client_of(platform)
    assert len(client.get("/connections").json()["items"]) == 20
    assert len(client.get("/connections?first=1000").json()["items"]) == 25
    platform.world.page_limit_error = 50
    assert client.get("/connections?first=1000").status_code == 400
    client.close()


def test_before_walks_backwards_and_a_removed_cursor_row_does_no_harm(
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


def test_the_usage_calls_tell_who_uses_what(platform: HostilePlatform, client: httpx.Client) -> None:
    made = platform.world
    static, dynamic = [], []
    for project in client.get("/projects").json()["projects"]:
        for environment in project["environments"]:
            page = client.get(f"/projects/{project['id']}/connections?env_id={environment['id']}").json()
            static += [item["id"] for item in page["items"]]
            for activation in client.get(f"/environments/{environment['id']}/activations").json():
                dynamic += [item["id"] for item in activation["connections"]]
                theirs = client.get("/connections", params={"end_user_id": activation["user"]["id"]}).json()
                assert [item["id"] for item in theirs["items"]] == dynamic[-1:]
    assert (sorted(static), sorted(dynamic)) == (made.static, made.dynamic)
    system = client.get("/systems?search=shop").json()["items"][0]
    assert {item["systemId"] for item in listed(client, system_id=system["id"])} == {system["id"]}
    assert client.get("/users?search=customer-2").json()["users"][0]["externalId"] == "customer-2"
    platform.verify()


def test_the_connections_of_an_environment_can_be_cut_or_paged(platform: HostilePlatform) -> None:
    made = world(static=100)
    platform.reset(made)
    project, environment = next(iter(made.projects.values())), made.environments[0]
    with client_of(platform) as client:
        url = f"/projects/{project.id}/connections?env_id={environment.id}"
        assert len(client.get(url).json()["items"]) == 25
        made.environment_pages = "cut"
        page = client.get(url).json()
        assert (len(page["items"]), page["totalCount"], "next" in page) == (20, 25, False)
        platform.verify()
        made.environment_pages = "paged"
        page = client.get(url).json()
        assert len(client.get(f"{url}&after={page['next']}").json()["items"]) == 5
    platform.verify()


def test_a_delete_takes_free_and_static_ones_and_refuses_dynamic_ones(
    platform: HostilePlatform, client: httpx.Client
) -> None:
    made = platform.world
    for id_, status in ((made.free[0], 204), (made.static[0], 204), (made.dynamic[0], 409), (made.free[0], 404)):
        assert client.delete(f"/connections/{id_}").status_code == status
    assert platform.deleted == {made.free[0], made.static[0]}
    assert made.broken == [(made.environments[0].id, made.static[0])]
    assert [request.result for request in platform.deletes] == [204, 204, 409, 404]
    assert (platform.sends(made.free[0]), platform.sends(made.free[1])) == (2, 0)
    assert client.get(f"/connections/{made.free[0]}").status_code == 404
    assert client.get(f"/connections/{made.free[1]}").json()["id"] == made.free[1]


def test_unlinking_and_deactivating_set_a_connection_free(platform: HostilePlatform, client: httpx.Client) -> None:
    made = platform.world
    connection, activation = made.connections[made.static[0]], next(iter(made.activations.values()))
    body = {"connectionTemplateId": connection.template_id}
    assert client.request("DELETE", f"/connections/{connection.id}/link", json=body).status_code == 204
    assert not any(connection.id in linked for linked in made.links.values())
    url = f"/environments/{activation.environment_id}/activations/{activation.id}"
    assert [client.delete(url).status_code for _ in range(2)] == [204, 404]
    assert client.delete(f"/connections/{activation.connections[0]}").status_code == 204
    assert len(platform.deletes) == 1
    platform.verify()


@pytest.mark.parametrize(
    ("scheme", "headers"),
    [
        ("bearer", {"Authorization": "Bearer tok"}),
        ("jwt", {"Authorization": "JWT tok"}),
        ("cookie", {"Cookie": "cookie=tok"}),
    ],
)
def test_only_the_expected_credentials_are_let_in(scheme: Any, headers: dict[str, str]) -> None:
    with HostilePlatform(token="tok", scheme=scheme) as platform:
        for given, status in ((headers, 200), ({"Authorization": "Bearer other"}, 401), ({"X": "y"}, 401)):
            with client_of(platform, **given) as client:
                assert client.get("/projects").status_code == status
        assert platform.env().get("VERSORI_AUTH", "bearer") == scheme


def test_a_path_prefix_is_part_of_the_url() -> None:
    with HostilePlatform(prefix="/api/v2") as platform, client_of(platform) as client:
        assert client.get("/projects").status_code == 200
        assert platform.env()["VERSORI_SERVER"].endswith("/api/v2")
        assert client.get(platform.url.removesuffix("/api/v2") + "/o").status_code == 500
        assert client.get(platform.url + "/__state").json()["requests"] == 2


# What it holds against a client.


@pytest.mark.parametrize(
    ("asked", "extra", "why"),
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
def test_what_no_client_should_send_is_held_against_it(
    platform: HostilePlatform, client: httpx.Client, asked: str, extra: dict[str, Any], why: str
) -> None:
    platform.on("*", "", h.drop_before())
    assert client.request(*asked.split(), **extra).status_code == 500
    with pytest.raises(AssertionError) as caught:
        platform.verify()
    assert why in str(caught.value)


def test_a_request_that_is_not_http_is_held_against_the_client(platform: HostilePlatform) -> None:
    assert talk(platform, b"HELLO\r\n\r\n").startswith(b"HTTP/1.1 500 ")
    assert platform.unexpected == ["malformed: ['HELLO']"]


def test_a_lenient_platform_answers_errors_instead() -> None:
    with HostilePlatform(strict=False) as platform, client_of(platform) as client:
        assert client.get("/nothing").status_code == 404
        assert client.get("/connections/x").status_code == 400
        assert client.get("/connections?limit=3").status_code == 200
        platform.verify()


# What it does to a client.


def talk(platform: HostilePlatform, request: bytes | None = None) -> bytes:
    """Send a request, by default a DELETE of the first free connection, and give every byte until the end."""
    url = httpx.URL(platform.url)
    request = (
        request
        or (
            f"DELETE /o/{platform.organisation}/connections/{platform.world.free[0]} HTTP/1.1\r\n"
            f"Host: x\r\nAuthorization: Bearer {platform.token}\r\n\r\n"
        ).encode()
    )
    with socket.create_connection((url.host, url.port or 0), timeout=2) as sock:
        sock.sendall(request)
        found = b""
        while piece := sock.recv(65536):
            found += piece
    return found


@pytest.mark.parametrize(
    ("fault", "sent", "done"),
    [
        (h.drop_before(), b"", False),
        (h.drop_after(), b"", True),
        (h.truncate(12), b"HTTP/1.1 204", True),
        (h.hang_up(), b"HTTP/1.1 204 No Content\r\n\r\n", True),
        (h.truncate_body(), b"HTTP/1.1 204 No Content\r\nContent-Length: 20\r\n\r\n", True),
        (h.garbage(), b"\x16\x03\x01 this is not HTTP\r\n\r\n", False),
        (h.garbage(do=True), b"\x16\x03\x01 this is not HTTP\r\n\r\n", True),
        (h.delay(0.01, h.drop_after()), b"", True),
    ],
    ids=lambda value: value.name if isinstance(value, h.Fault) else "",
)
def test_a_fault_that_closes_sends_these_bytes_and_no_more(
    platform: HostilePlatform, fault: h.Fault, sent: bytes, done: bool
) -> None:
    platform.on("DELETE", "/connections/", fault)
    assert talk(platform) == sent
    assert platform.deleted == ({platform.world.free[0]} if done else set())
    (request,) = platform.deletes
    assert (request.result, request.fault) == (204 if done else None, fault.name)
    assert request.answered == (204 if sent.endswith(b"\r\n\r\n") and sent.startswith(b"HTTP") else None)
    platform.wait_for(lambda: platform.open_connections == 0)


@pytest.mark.parametrize("done", [False, True])
def test_a_reset_arrives_as_a_reset(platform: HostilePlatform, done: bool) -> None:
    platform.on("DELETE", "", h.rst(do=done))
    with pytest.raises(ConnectionResetError):
        talk(platform)
    assert bool(platform.deleted) is done


@pytest.mark.parametrize("done", [False, True])
@pytest.mark.parametrize("make", [h.html, h.error, h.answer, h.retry_after])
def test_an_answer_of_choice_comes_with_or_without_the_deed(
    platform: HostilePlatform, client: httpx.Client, make: Any, done: bool
) -> None:
    platform.on("DELETE", "", make(503, do=done))
    id_ = platform.world.free[0]
    assert client.delete(f"/connections/{id_}").status_code == 503
    assert (id_ in platform.deleted) is done
    assert client.delete(f"/connections/{id_}").status_code == (404 if done else 204)


def test_errors_pages_and_redirects_look_like_themselves(platform: HostilePlatform, client: httpx.Client) -> None:
    fields = [{"field": "a[0].b", "message": "is odd"}]
    platform.on("GET", "", h.error(422, "7", "no", fields, "why", headers={"X-A": "b"}), h.html(502), h.redirect("/x"))
    platform.on("GET", "", h.retry_after(value="Wed, 21 Oct 2026 07:28:00 GMT"), h.answer(299, "odd"))
    answers = [client.get("/projects") for _ in range(6)]
    assert answers[0].json() == {"code": "7", "message": "no", "fields": fields, "details": "why"}
    assert answers[0].headers["X-A"] == "b"
    assert answers[1].headers["Content-Type"] == "text/html"
    assert (answers[2].status_code, answers[2].headers["Location"]) == (307, "/x")
    assert (answers[3].status_code, answers[3].headers["Retry-After"]) == (429, "Wed, 21 Oct 2026 07:28:00 GMT")
    assert (answers[4].status_code, answers[4].text, answers[5].status_code) == (299, "odd", 200)
    assert len({request.connection for request in platform.requests}) == 1  # all of it kept alive


@pytest.mark.parametrize("fault", [h.truncate_body(), h.truncate(150), h.garbage(), h.drop_after(), h.rst()])
def test_a_broken_read_is_a_transport_error_to_a_client(
    platform: HostilePlatform, client: httpx.Client, fault: h.Fault
) -> None:
    platform.on("GET", "", fault)
    with pytest.raises(httpx.TransportError):
        client.get("/connections")
    assert client.get("/connections").status_code == 200


def test_gzip_is_honest_or_broken(platform: HostilePlatform, client: httpx.Client) -> None:
    platform.on("GET", "", h.gzip(), h.gzip('{"small": 1}'), h.gzip(broken=True))
    packed = client.get("/projects")
    assert packed.headers["Content-Encoding"] == "gzip"
    assert len(packed.json()["projects"]) == 2
    assert client.get("/projects").json() == {"small": 1}
    with pytest.raises(httpx.DecodingError):
        client.get("/projects")


def test_an_edited_answer_can_lie(platform: HostilePlatform, client: httpx.Client) -> None:
    platform.on("GET", "first=3", h.edit(lambda page: page | {"totalCount": 99}))
    assert client.get("/connections?first=4").json()["totalCount"] == 12
    assert client.get("/connections?first=3").json()["totalCount"] == 99


def test_delays_come_before_or_after_the_deed(platform: HostilePlatform, client: httpx.Client) -> None:
    early, late = platform.world.free[:2]
    platform.script |= {early: [h.delay(0.3)], late: [h.delay_after(0.3)]}
    for id_, gone in ((early, False), (late, True)):
        thread = threading.Thread(target=client.delete, args=(f"/connections/{id_}",))
        thread.start()
        platform.wait_for(partial(platform.sends, id_))
        time.sleep(0.1)
        assert (id_ in platform.deleted, platform.in_flight) == (gone, 1)
        thread.join()
        assert (id_ in platform.deleted, platform.in_flight) == (True, 0)


def test_a_drip_is_whole_but_slow(platform: HostilePlatform) -> None:
    platform.on("DELETE", "", h.drip(0.005))
    start = time.monotonic()
    with client_of(platform) as client:
        assert client.delete(f"/connections/{platform.world.free[0]}").status_code == 204
    assert time.monotonic() - start > 27 * 0.005


def test_rules_count_their_own_requests(platform: HostilePlatform, client: httpx.Client) -> None:
    platform.on("GET", "/projects$", h.html(502), h.html(503), times=3)
    platform.on("GET", "/systems", h.html(504), every=2, times=h.FOREVER)
    assert [client.get("/projects").status_code for _ in range(5)] == [502, 503, 502, 200, 200]
    assert [client.get("/systems").status_code for _ in range(5)] == [200, 504, 200, 504, 200]


def test_a_script_belongs_to_one_connection_and_a_hook_decides_on_all(
    platform: HostilePlatform, client: httpx.Client
) -> None:
    one, other = platform.world.free[:2]
    platform.script[one] = [h.html(502), h.html(503)]
    assert [client.delete(f"/connections/{id_}").status_code for id_ in (one, other, one, one)] == [502, 204, 503, 204]
    rng = random.Random(7)
    platform.decide = lambda _: h.html(500) if rng.random() < 0.25 else None
    platform.latency = 0.005
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda _: client.get("/projects").status_code, range(100)))
    rng = random.Random(7)
    assert found.count(500) == sum(rng.random() < 0.25 for _ in range(100))
    assert 2 <= platform.max_in_flight <= 8


def test_a_token_dies_after_so_many_deletions(platform: HostilePlatform, client: httpx.Client) -> None:
    platform.dead_token_after(2)
    made = platform.world
    ids = [made.dynamic[0], *made.free]
    assert [client.delete(f"/connections/{id_}").status_code for id_ in ids] == [409, 204, 204, 401, 401]
    assert client.get("/projects").status_code == 401
    assert len(platform.deleted) == 2


def test_a_rate_limit_refuses_what_is_above_it(platform: HostilePlatform, client: httpx.Client) -> None:
    platform.rate_limit(3, retry_after="0.5")
    answers = [client.get("/projects") for _ in range(5)]
    assert [found.status_code for found in answers] == [200, 200, 200, 429, 429]
    assert answers[3].headers["Retry-After"] == "0.5"
    platform.rate_limit(3, retry_after=None)
    assert "Retry-After" not in client.get("/projects").headers


# Coming and going.


@pytest.mark.usefixtures("platform")  # the shared one is quiet then, and does not disturb the count
def test_starting_and_stopping_leaves_nothing_and_takes_a_moment() -> None:
    gc.collect()
    threads, files = threading.active_count(), len(os.listdir("/dev/fd"))  # noqa: PTH208
    start = time.monotonic()
    for _ in range(50):
        HostilePlatform().close()
    assert time.monotonic() - start < 2
    with HostilePlatform(world(free=1), latency=60) as platform, ThreadPoolExecutor(4) as pool:
        sent = [pool.submit(talk, platform) for _ in range(4)]
        platform.wait_for(lambda: platform.in_flight == 4)
        platform.close()
        assert [one.result() for one in sent] == [b""] * 4
    assert (threading.active_count(), len(os.listdir("/dev/fd"))) == (threads, files)  # noqa: PTH208
    assert platform.deleted == set()
    with pytest.raises(ConnectionRefusedError):
        talk(platform)


def test_a_reset_forgets_everything_but_the_address(platform: HostilePlatform) -> None:
    url = platform.url
    platform.on("*", "", h.drop_before(), times=h.FOREVER).latency = 60
    thread = threading.Thread(target=talk, args=(platform,))
    thread.start()
    platform.wait_for(lambda: platform.in_flight)
    fresh = world(free=2, seed=3)
    platform.reset(fresh, {fresh.free[1]: [h.html(502)]})
    thread.join()
    assert (platform.requests, platform.in_flight, platform.open_connections, platform.url) == ([], 0, 0, url)
    with client_of(platform) as client:
        assert [client.delete(f"/connections/{id_}").status_code for id_ in fresh.free] == [204, 502]
        assert platform.open_connections == 1
    platform.wait_for(lambda: platform.open_connections == 0)


def test_waiting_in_vain_says_what_was_seen(platform: HostilePlatform) -> None:
    with pytest.raises(AssertionError, match=r"not within 0.01 s; saw .*in_flight"):
        platform.wait_for(lambda: platform.requests, timeout=0.01)


def test_in_a_process_of_its_own_it_is_judged_and_edited_from_outside() -> None:
    command = [sys.executable, str(Path(__file__).with_name("hostile.py")), "--free", "3", "--static", "1"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process, httpx.Client() as judge:
        assert process.stdout is not None
        try:
            told = json.loads(process.stdout.readline())
            state, edit = told["url"] + "/__state", told["url"] + "/__world"
            link = {"connection_id": told["free"][0], "environment_id": told["environments"][1]["id"]}
            faults = [{"delay": {"seconds": 0.01, "then": "drop_after"}}, {"html": {"status": 503}}]
            order = {"link": link, "on": {"method": "DELETE", "path": "", "faults": faults}, "add": {"name": "new"}}
            made = judge.post(edit, json=order).raise_for_status().json()["made"]
            assert made == [link["environment_id"], None, made[2]]
            url = f"{told['url']}/o/{told['organisation']}/connections/"
            head = {"Authorization": f"Bearer {told['token']}"}
            with pytest.raises(httpx.RemoteProtocolError):
                httpx.delete(url + told["free"][0], headers=head)
            assert [httpx.delete(url + made[2], headers=head).status_code for _ in range(2)] == [503, 204]
            seen = judge.get(state).json()
            assert seen["deleted"] == [told["free"][0], made[2]]
            assert seen["broken"] == [[link["environment_id"], told["free"][0]]]
            assert seen["sends"] == {told["free"][0]: 1, made[2]: 2}
            assert (seen["requests"], seen["unexpected"]) == (3, [])
            assert judge.post(edit, json={"explode": 1}).status_code == 400
        finally:
            process.terminate()
