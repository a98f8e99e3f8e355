"""The faults of the hostile platform: what they send, and whether the operation was performed."""

import random
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import httpx
import pytest
from faults.raw_client import client_of, exchange
from support import fault_answers as faults
from support.fault_answers import Fault
from support.hostile_platform import FOREVER, HostilePlatform, world


@pytest.fixture
def platform(server: HostilePlatform) -> HostilePlatform:
    server.reset(world(static=4, dynamic=4, free=4))
    return server


@pytest.fixture
def client(platform: HostilePlatform) -> Iterator[httpx.Client]:
    with client_of(platform) as connected:
        yield connected


@pytest.mark.parametrize(
    ("fault", "sent", "done"),
    [
        (faults.drop_before(), b"", False),
        (faults.drop_after(), b"", True),
        (faults.truncate(12), b"HTTP/1.1 204", True),
        (faults.hang_up(), b"HTTP/1.1 204 No Content\r\n\r\n", True),
        (faults.truncate_body(), b"HTTP/1.1 204 No Content\r\nContent-Length: 20\r\n\r\n", True),
        (faults.garbage(), b"\x16\x03\x01 this is not HTTP\r\n\r\n", False),
        (faults.garbage(do=True), b"\x16\x03\x01 this is not HTTP\r\n\r\n", True),
        (faults.delay(0.01, faults.drop_after()), b"", True),
    ],
    ids=lambda value: value.name if isinstance(value, Fault) else "",
)
def test_a_fault_that_closes_the_connection_sends_exactly_these_bytes(
    platform: HostilePlatform, fault: Fault, sent: bytes, done: bool
) -> None:
    platform.on("DELETE", "/connections/", fault)
    assert exchange(platform) == sent
    assert platform.deleted == ({platform.world.free[0]} if done else set())
    (request,) = platform.deletes
    assert (request.result, request.fault) == (204 if done else None, fault.name)
    assert request.answered == (204 if sent.endswith(b"\r\n\r\n") and sent.startswith(b"HTTP") else None)
    platform.wait_for(lambda: platform.open_connections == 0)


@pytest.mark.parametrize("done", [False, True])
def test_a_reset_arrives_as_a_reset(platform: HostilePlatform, done: bool) -> None:
    platform.on("DELETE", "", faults.rst(do=done))
    with pytest.raises(ConnectionResetError):
        exchange(platform)
    assert bool(platform.deleted) is done


@pytest.mark.parametrize("done", [False, True])
@pytest.mark.parametrize("make", [faults.html, faults.error, faults.answer, faults.retry_after])
def test_a_replaced_answer_comes_with_or_without_the_deletion(
    platform: HostilePlatform, client: httpx.Client, make: Any, done: bool
) -> None:
    platform.on("DELETE", "", make(503, do=done))
    id_ = platform.world.free[0]
    assert client.delete(f"/connections/{id_}").status_code == 503
    assert (id_ in platform.deleted) is done
    assert client.delete(f"/connections/{id_}").status_code == (404 if done else 204)


def test_errors_pages_and_redirects_are_sent_as_described(platform: HostilePlatform, client: httpx.Client) -> None:
    fields = [{"field": "a[0].b", "message": "is odd"}]
    error = faults.error(422, "7", "no", fields, "why", headers={"X-A": "b"})
    platform.on("GET", "", error, faults.html(502), faults.redirect("/x"))
    platform.on("GET", "", faults.retry_after(value="Wed, 21 Oct 2026 07:28:00 GMT"), faults.answer(299, "odd"))
    answers = [client.get("/projects") for _ in range(6)]
    assert answers[0].json() == {"code": "7", "message": "no", "fields": fields, "details": "why"}
    assert answers[0].headers["X-A"] == "b"
    assert answers[1].headers["Content-Type"] == "text/html"
    assert (answers[2].status_code, answers[2].headers["Location"]) == (307, "/x")
    assert (answers[3].status_code, answers[3].headers["Retry-After"]) == (429, "Wed, 21 Oct 2026 07:28:00 GMT")
    assert (answers[4].status_code, answers[4].text, answers[5].status_code) == (299, "odd", 200)
    assert len({request.connection for request in platform.requests}) == 1  # every connection was kept alive


@pytest.mark.parametrize(
    "fault", [faults.truncate_body(), faults.truncate(150), faults.garbage(), faults.drop_after(), faults.rst()]
)
def test_a_broken_read_is_a_transport_error_to_a_client(
    platform: HostilePlatform, client: httpx.Client, fault: Fault
) -> None:
    platform.on("GET", "", fault)
    with pytest.raises(httpx.TransportError):
        client.get("/connections")
    assert client.get("/connections").status_code == 200


def test_gzip_is_valid_or_broken(platform: HostilePlatform, client: httpx.Client) -> None:
    platform.on("GET", "", faults.gzip(), faults.gzip('{"small": 1}'), faults.gzip(broken=True))
    packed = client.get("/projects")
    assert packed.headers["Content-Encoding"] == "gzip"
    assert len(packed.json()["projects"]) == 2
    assert client.get("/projects").json() == {"small": 1}
    with pytest.raises(httpx.DecodingError):
        client.get("/projects")


def test_an_edited_answer_differs_from_the_true_one(platform: HostilePlatform, client: httpx.Client) -> None:
    platform.on("GET", "first=3", faults.edit(lambda page: page | {"totalCount": 99}))
    assert client.get("/connections?first=4").json()["totalCount"] == 12
    assert client.get("/connections?first=3").json()["totalCount"] == 99


def test_a_delay_comes_before_or_after_the_deletion(platform: HostilePlatform, client: httpx.Client) -> None:
    early, late = platform.world.free[:2]
    platform.script |= {early: [faults.delay(0.3)], late: [faults.delay_after(0.3)]}
    for id_, is_gone in ((early, False), (late, True)):
        thread = threading.Thread(target=client.delete, args=(f"/connections/{id_}",))
        thread.start()
        platform.wait_for(partial(platform.sends, id_))
        time.sleep(0.1)
        assert (id_ in platform.deleted, platform.in_flight) == (is_gone, 1)
        thread.join()
        assert (id_ in platform.deleted, platform.in_flight) == (True, 0)


def test_a_slowly_sent_answer_is_complete(platform: HostilePlatform) -> None:
    platform.on("DELETE", "", faults.drip(0.005))
    start = time.monotonic()
    with client_of(platform) as client:
        assert client.delete(f"/connections/{platform.world.free[0]}").status_code == 204
    assert time.monotonic() - start > 27 * 0.005


def test_each_rule_counts_its_own_requests(platform: HostilePlatform, client: httpx.Client) -> None:
    platform.on("GET", "/projects$", faults.html(502), faults.html(503), times=3)
    platform.on("GET", "/systems", faults.html(504), every=2, times=FOREVER)
    assert [client.get("/projects").status_code for _ in range(5)] == [502, 503, 502, 200, 200]
    assert [client.get("/systems").status_code for _ in range(5)] == [200, 504, 200, 504, 200]


def test_a_script_is_for_one_connection_and_a_hook_decides_about_every_request(
    platform: HostilePlatform, client: httpx.Client
) -> None:
    scripted, other = platform.world.free[:2]
    platform.script[scripted] = [faults.html(502), faults.html(503)]
    statuses = [client.delete(f"/connections/{id_}").status_code for id_ in (scripted, other, scripted, scripted)]
    assert statuses == [502, 204, 503, 204]
    rng = random.Random(7)
    platform.decide = lambda _: faults.html(500) if rng.random() < 0.25 else None
    platform.latency = 0.005
    with ThreadPoolExecutor(8) as pool:
        statuses = list(pool.map(lambda _: client.get("/projects").status_code, range(100)))
    rng = random.Random(7)
    assert statuses.count(500) == sum(rng.random() < 0.25 for _ in range(100))
    assert 2 <= platform.max_in_flight <= 8
