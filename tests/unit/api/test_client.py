import base64
import contextlib
import copy
import itertools
import json
import os
import pickle
import signal
import socket
import threading
import traceback
import warnings
import zlib
from collections.abc import Callable
from typing import Any

import httpx
import jwt
import pytest
from support import hostile_platform as h
from support.clients import FastClock
from support.hostile_platform import HostilePlatform, world

from versori_magics.api import client as client_module
from versori_magics.api import sender as sender_module
from versori_magics.api import transport_pool as transport_module
from versori_magics.api.auth import Secret
from versori_magics.api.client import Client
from versori_magics.api.clock import Clock
from versori_magics.api.masking import TokenMask
from versori_magics.api.retry import RetryPolicy
from versori_magics.errors import (
    ApiError,
    ForbiddenError,
    NotFoundError,
    PlatformError,
    SettingsError,
    TransportError,
    UnauthorisedError,
    VersoriError,
)

Maker = Callable[..., Client]
UNKNOWN_ID = "01BX5ZZKBKACTAV9WEVGEMMVRZ"


@pytest.fixture
def connection_id(platform: HostilePlatform) -> str:
    """Return the id of the only connection of the platform."""
    platform.reset(world(free=1))
    return platform.world.free[0]


def closed_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


# Reading one connection


def test_connection_is_read_by_its_id(platform: HostilePlatform, client_of: Maker, connection_id: str) -> None:
    connection = client_of(platform).connection(connection_id)
    assert (connection.id, connection.name) == (connection_id, "connection 00000")
    (request,) = platform.requests
    assert (request.method, request.path, request.query) == (
        "GET",
        f"/o/{platform.organisation}/connections/{connection_id}",
        {},
    )
    assert request.headers["accept"] == "application/json"
    assert request.headers["user-agent"].startswith("versori_magics/")
    platform.verify()


def test_path_of_the_server_url_is_kept() -> None:
    with HostilePlatform(world(free=1), prefix="/api/v2") as platform:
        with Client(platform.url + "/", platform.organisation.lower(), platform.token) as client:
            assert client.connection(platform.world.free[0].lower()).id == platform.world.free[0]
        assert not platform.requests[0].path.startswith("(no prefix)")
        platform.verify()


def test_documented_404_means_that_the_connection_does_not_exist(platform: HostilePlatform, client_of: Maker) -> None:
    with pytest.raises(NotFoundError, match="connection not found") as caught:
        client_of(platform).connection(UNKNOWN_ID)
    assert caught.value.documented
    assert len(platform.requests) == 1


def test_undocumented_404_does_not_prove_that_the_connection_is_gone(
    platform: HostilePlatform, client_of: Maker, connection_id: str
) -> None:
    platform.on("GET", connection_id, h.html(404))
    with pytest.raises(NotFoundError) as caught:
        client_of(platform).connection(connection_id)
    assert not caught.value.documented


@pytest.mark.parametrize(
    ("fault", "exists"),
    [
        (h.edit(lambda body: body), True),
        (h.error(404), False),
        (h.html(404), None),
        (h.error(401), None),
        (h.error(403), None),
        (h.error(500), None),
        (h.answer(204), None),
        (h.answer(200, "<html>"), None),
        (h.redirect("http://localhost:1/"), None),
        (h.drop_before(), None),
        (h.garbage(), None),
    ],
)
def test_exists_is_none_unless_the_platform_itself_answers(
    platform: HostilePlatform, client_of: Maker, connection_id: str, fault: h.Fault, exists: bool | None
) -> None:
    platform.on("GET", connection_id, fault, times=9)
    assert client_of(platform).exists(connection_id) is exists


def test_exists_is_none_if_there_is_no_connection_to_the_platform(
    platform: HostilePlatform, client_of: Maker, connection_id: str
) -> None:
    assert client_of(platform, server=f"http://127.0.0.1:{closed_port()}").exists(connection_id) is None


@pytest.mark.parametrize("bad", ["", "../../projects/x", f"{UNKNOWN_ID} --yes", f"{UNKNOWN_ID}\n"])
def test_invalid_id_is_never_sent(platform: HostilePlatform, client_of: Maker, bad: str) -> None:
    client = client_of(platform)
    for call in (client.connection, client.delete, client.activations):
        with pytest.raises(PlatformError, match="is not a ULID"):
            call(bad)
    for call_with_two in (client.environment_connections, client.activation):
        with pytest.raises(PlatformError, match="is not a ULID"):
            call_with_two(UNKNOWN_ID, bad)
    assert platform.requests == []


# Deleting


def test_delete_is_one_request_without_a_body(platform: HostilePlatform, client_of: Maker, connection_id: str) -> None:
    client_of(platform).delete(connection_id)
    (request,) = platform.requests
    assert (request.method, request.path, request.body) == (
        "DELETE",
        f"/o/{platform.organisation}/connections/{connection_id}",
        b"",
    )
    assert platform.deleted == {connection_id}
    platform.verify()


@pytest.mark.parametrize(
    ("fault", "error_type"),
    [
        *((h.error(status), ApiError) for status in (400, 408, 409, 422, 429, 500, 502, 503, 504)),
        (h.error(401), UnauthorisedError),
        (h.error(403), ForbiddenError),
        (h.error(404), NotFoundError),
        (h.html(503), ApiError),
        (h.answer(200, "{}"), ApiError),
        (h.answer(202), ApiError),
        (h.redirect("/elsewhere", 308), ApiError),
        (h.retry_after(429, "1"), ApiError),
        (h.drop_before(), TransportError),
        (h.drop_after(), TransportError),
        (h.rst(do=True), TransportError),
        (h.garbage(do=True), TransportError),
        (h.truncate(10), TransportError),
    ],
    ids=lambda value: getattr(value, "name", getattr(value, "__name__", "")),
)
def test_delete_is_sent_once_whatever_the_response(
    platform: HostilePlatform, client_of: Maker, clock: FastClock, connection_id: str, fault: h.Fault, error_type: type
) -> None:
    platform.on("DELETE", "", fault, times=9)
    with pytest.raises(PlatformError) as caught:
        client_of(platform).delete(connection_id)
    assert type(caught.value) is error_type
    assert platform.sends(connection_id) == 1
    assert clock.waits == []


def test_refused_delete_has_the_reason(platform: HostilePlatform, client_of: Maker) -> None:
    platform.reset(world(dynamic=1))
    with pytest.raises(ApiError) as caught:
        client_of(platform).delete(platform.world.dynamic[0])
    assert caught.value.documented
    assert (caught.value.status, caught.value.code) == (409, "409000")
    assert caught.value.details == "used by Customer 0"


@pytest.mark.parametrize(
    "fault", [h.drop_after(), h.rst(do=True), h.garbage(do=True), h.truncate(10), h.truncate_body(), h.drop_before()]
)
def test_delete_without_a_response_counts_as_sent(
    platform: HostilePlatform, client_of: Maker, connection_id: str, fault: h.Fault
) -> None:
    platform.on("DELETE", "", fault)
    if fault.name == "truncate_body":
        client_of(platform).delete(connection_id)  # a 204 has no body, whatever it promises
        return
    with pytest.raises(TransportError, match="No complete response from the platform") as caught:
        client_of(platform).delete(connection_id)
    assert caught.value.sent
    assert (caught.value.method, caught.value.path) == (
        "DELETE",
        f"/o/{platform.organisation}/connections/{connection_id}",
    )


def test_delete_counts_as_not_sent_if_the_server_cannot_be_reached(
    platform: HostilePlatform, client_of: Maker, connection_id: str
) -> None:
    client = client_of(platform, server=f"http://127.0.0.1:{closed_port()}")
    with pytest.raises(TransportError, match="No connection to the platform") as caught:
        client.delete(connection_id)
    assert not caught.value.sent
    assert "ConnectError" in str(caught.value)
    assert "network" in caught.value.hint


def test_closed_client_sends_nothing(platform: HostilePlatform, client_of: Maker, connection_id: str) -> None:
    client = client_of(platform)
    client.close()
    with pytest.raises(TransportError, match="the client is closed") as caught:
        client.delete(connection_id)
    assert not caught.value.sent
    assert platform.requests == []


# Unusual responses


def test_compressed_response_is_read(platform: HostilePlatform, client_of: Maker, connection_id: str) -> None:
    platform.on("GET", "", h.gzip(), times=9)
    assert client_of(platform).connection(connection_id).id == connection_id
    assert "gzip" in platform.requests[0].headers["accept-encoding"]


def test_compressed_error_is_read(platform: HostilePlatform, client_of: Maker) -> None:
    platform.on("GET", "", h.gzip())
    with pytest.raises(NotFoundError, match="connection not found"):
        client_of(platform).connection(UNKNOWN_ID)


def test_response_with_broken_compression_is_incomplete(
    platform: HostilePlatform, client_of: Maker, connection_id: str
) -> None:
    platform.on("*", "", h.gzip(broken=True), times=9)
    with pytest.raises(TransportError, match="the gzip compression of the body is broken") as caught:
        client_of(platform).connection(connection_id)
    assert caught.value.sent
    assert caught.value.attempts == 4


def test_error_with_broken_compression_does_not_prove_that_nothing_was_deleted(
    platform: HostilePlatform, client_of: Maker, connection_id: str
) -> None:
    broken = h.gzip(json.dumps({"code": "1", "message": "no"}), broken=True, do=False)
    platform.on("DELETE", "", broken)
    with pytest.raises(TransportError) as caught:
        client_of(platform).delete(connection_id)
    assert caught.value.sent


def test_body_that_arrives_too_slowly_is_abandoned(
    platform: HostilePlatform, client_of: Maker, clock: FastClock, connection_id: str
) -> None:
    platform.on("GET", "", h.drip(0.0005), times=9)
    clock.seconds_per_reading = 10  # the client reads the clock after each chunk of the body
    client = client_of(platform, policy=RetryPolicy(sends=1))
    with pytest.raises(TransportError, match="took longer than 30 s") as caught:
        client.connection(connection_id)
    assert caught.value.sent
    platform.wait_for(lambda: platform.open_connections == 0)


def test_headers_that_arrive_too_slowly_are_abandoned(
    platform: HostilePlatform, client_of: Maker, connection_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    platform.on("DELETE", "", h.drip(0.1))
    monkeypatch.setattr(client_module, "DELETE_SECONDS", 0.2)
    monkeypatch.setattr(sender_module, "CONNECT_SECONDS", 0.2)
    monkeypatch.setattr(transport_module, "WATCH_SECONDS", 0.1)
    with pytest.raises(TransportError, match="took longer than") as caught:
        client_of(platform, clock=Clock()).delete(connection_id)
    assert caught.value.sent
    assert connection_id in platform.deleted  # which the client cannot know
    platform.wait_for(lambda: platform.open_connections == 0)


def test_body_that_is_too_long_is_abandoned(
    platform: HostilePlatform, client_of: Maker, connection_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    length = len(json.dumps(platform.world.connections[connection_id].json()))
    monkeypatch.setattr(sender_module, "BODY_LIMIT", length)
    assert client_of(platform).connection(connection_id).id == connection_id
    monkeypatch.setattr(sender_module, "BODY_LIMIT", length - 1)
    with pytest.raises(TransportError, match=f"longer than {length - 1} bytes"):
        client_of(platform, policy=RetryPolicy(sends=1)).connection(connection_id)


def test_length_of_a_body_is_limited_after_decompression(
    platform: HostilePlatform, client_of: Maker, connection_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sender_module, "BODY_LIMIT", 10_000)
    platform.on("GET", "", h.gzip(" " * 5_000_000), times=9)
    with pytest.raises(TransportError, match="longer than 10,000 bytes"):
        client_of(platform, policy=RetryPolicy(sends=1)).connection(connection_id)


@pytest.mark.parametrize("encodings", ["gzip, gzip", "br", "gzip, identity, gzip", "deflate"])
@pytest.mark.parametrize("method", ["connection", "delete"])
def test_body_with_any_encoding_but_one_gzip_is_an_error_that_leaves_the_result_open(
    platform: HostilePlatform, client_of: Maker, connection_id: str, encodings: str, method: str
) -> None:
    bomb = zlib.compress(zlib.compress(bytes(10_000_000), wbits=31), wbits=31)
    platform.on("*", "", h.answer(409, bomb, {"Content-Encoding": encodings}), times=9)
    with pytest.raises(TransportError, match=r"content encoding.*(only one gzip|was not asked for)") as caught:
        getattr(client_of(platform), method)(connection_id)
    assert caught.value.sent


def test_encoding_of_a_deletions_empty_response_does_not_matter(
    platform: HostilePlatform, client_of: Maker, connection_id: str
) -> None:
    platform.on("DELETE", "", h.answer(204, headers={"Content-Encoding": "br"}, do=True))
    client_of(platform).delete(connection_id)
    assert platform.deleted == {connection_id}


@pytest.mark.parametrize(
    "head",
    [
        "HTTP/1.1 200 OK\r\n" + f"X-Long: {'x' * 1_000_000}\r\n\r\n",
        "HTTP/1.1 200 OK\r\n" + "X-Many: x\r\n" * 100_000 + "\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + "1" * 1_000_000,
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2;" + "x" * 1_000_000,
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n" + "X: y\r\n" * 100_000,
        "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n{} ",
        "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: gzip, chunked\r\n\r\n{}",
        "HTTP/1.1 2000 OK\r\n\r\n",
        "HTTP/1.1 200 OK\x00\r\nA\x00: b\r\n\r\n",
        "",
    ],
    ids=lambda head: head[17:60],
)
def test_malformed_or_endless_head_of_a_response_is_an_error_that_leaves_the_result_open(
    platform: HostilePlatform, client_of: Maker, connection_id: str, head: str
) -> None:
    platform.on("DELETE", "", h.Fault("head", raw=head.encode(), end="close"))
    with pytest.raises(TransportError, match="No complete response") as caught:
        client_of(platform).delete(connection_id)
    assert caught.value.sent
    assert len(str(caught.value)) < 500
    platform.wait_for(lambda: platform.open_connections == 0)


@pytest.mark.parametrize(
    "endless",
    [
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + b"1\r\n \r\n" * 300,
        b"HTTP/1.1 100 Continue\r\n\r\n" * 99,
        b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n" * 99,
    ],
    ids=["chunks", "100", "103"],
)
def test_response_that_never_ends_is_abandoned(
    platform: HostilePlatform,
    client_of: Maker,
    connection_id: str,
    endless: bytes,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    platform.on("DELETE", "", h.Fault("endless", raw=endless, per_byte=0.001, end="close"))
    monkeypatch.setattr(client_module, "DELETE_SECONDS", 0.2)
    monkeypatch.setattr(sender_module, "CONNECT_SECONDS", 0.2)
    monkeypatch.setattr(transport_module, "WATCH_SECONDS", 0.1)
    with pytest.raises(TransportError, match="took longer than") as caught:
        client_of(platform, clock=Clock()).delete(connection_id)
    assert caught.value.sent
    platform.wait_for(lambda: platform.open_connections == 0)


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize("method", ["connection", "delete"])
def test_redirect_to_another_host_is_not_followed_and_does_not_get_the_token(
    platform: HostilePlatform, client_of: Maker, connection_id: str, status: int, method: str
) -> None:
    with HostilePlatform(scheme="any", strict=False) as other:
        platform.on("*", "", h.redirect(f"{other.url}/o/{platform.organisation}/connections/{connection_id}", status))
        with pytest.raises(ApiError, match="redirects are never followed") as caught:
            getattr(client_of(platform), method)(connection_id)
        assert caught.value.status == status
        assert f"redirect to {other.url}" in caught.value.message
        assert len(platform.requests) == 1
        assert other.requests == []
        assert other.open_connections == 0


def test_redirect_to_the_same_host_is_not_followed(
    platform: HostilePlatform, client_of: Maker, connection_id: str
) -> None:
    platform.on("*", "", h.redirect(f"/o/{platform.organisation}/connections/{connection_id}"))
    with pytest.raises(ApiError, match="redirects are never followed"):
        client_of(platform).delete(connection_id)
    assert len(platform.requests) == 1


def test_cookie_of_a_server_is_not_kept(platform: HostilePlatform, client_of: Maker, connection_id: str) -> None:
    body = json.dumps(platform.world.connections[connection_id].json())
    platform.on("GET", "", h.answer(200, body, {"Set-Cookie": "cookie=somebody-else; Path=/"}), times=2)
    client = client_of(platform)
    client.connection(connection_id)
    client.connection(connection_id)
    assert ["cookie" in request.headers for request in platform.requests] == [False, False]
    platform.verify()


# Retries


def test_read_is_retried_until_it_succeeds(
    platform: HostilePlatform, client_of: Maker, clock: FastClock, connection_id: str
) -> None:
    platform.on("GET", connection_id, h.error(503), h.html(502), h.drop_before())
    assert client_of(platform).connection(connection_id).id == connection_id
    assert len(platform.requests) == 4
    assert len(clock.waits) == 3
    assert all(0 <= wait <= longest_wait for wait, longest_wait in zip(clock.waits, (0.5, 1, 2), strict=True))


@pytest.mark.parametrize(
    ("fault", "error_type"), [(h.error(503), ApiError), (h.html(500), ApiError), (h.drop_after(), TransportError)]
)
def test_error_shows_how_often_a_read_was_sent(
    platform: HostilePlatform, client_of: Maker, connection_id: str, fault: h.Fault, error_type: type[PlatformError]
) -> None:
    platform.on("GET", connection_id, fault, times=9)
    with pytest.raises(error_type, match="sent 4 times") as caught:
        client_of(platform).connection(connection_id)
    assert getattr(caught.value, "attempts", 0) == 4 == len(platform.requests)


def test_read_is_sent_once_if_its_error_is_not_transient(platform: HostilePlatform, client_of: Maker) -> None:
    with pytest.raises(NotFoundError) as caught:
        client_of(platform).connection(UNKNOWN_ID)
    assert caught.value.attempts == 1 == len(platform.requests)


def test_read_waits_as_long_as_the_platform_asks(
    platform: HostilePlatform, client_of: Maker, clock: FastClock, connection_id: str
) -> None:
    platform.on("GET", connection_id, h.retry_after(429, "7"), h.retry_after(503, "100"))
    assert client_of(platform).connection(connection_id).id == connection_id
    assert clock.waits == [7, 100]


def test_pause_that_the_platform_asks_for_does_not_count_towards_the_time_limit(
    platform: HostilePlatform, client_of: Maker, clock: FastClock, connection_id: str
) -> None:
    platform.on("GET", connection_id, h.retry_after(429, "100"), h.html(502))
    assert client_of(platform).connection(connection_id).id == connection_id
    assert clock.waits[0] == 100
    assert len(platform.requests) == 3


def test_pause_that_is_too_long_is_an_error_that_contains_it(
    platform: HostilePlatform, client_of: Maker, clock: FastClock, connection_id: str
) -> None:
    platform.on("GET", connection_id, h.retry_after(429, "3600"))
    with pytest.raises(ApiError) as caught:
        client_of(platform).connection(connection_id)
    assert caught.value.retry_after == 3_600
    assert (len(platform.requests), clock.waits) == (1, [])


def test_read_is_abandoned_after_45_seconds(
    platform: HostilePlatform, client_of: Maker, clock: FastClock, connection_id: str
) -> None:
    clock.seconds_per_reading = 23
    platform.on("GET", connection_id, h.error(500), times=99)
    with pytest.raises(ApiError):
        client_of(platform, policy=RetryPolicy(sends=99, base=0)).connection(connection_id)
    assert len(platform.requests) < 3


def test_stop_ends_the_retries(platform: HostilePlatform, client_of: Maker, connection_id: str) -> None:
    platform.on("GET", connection_id, h.error(500), times=99)
    stop = threading.Event()
    stop.set()
    with pytest.raises(ApiError) as caught:
        client_of(platform).connection(connection_id, stop)
    assert caught.value.attempts == 1 == len(platform.requests)
    assert client_of(platform).exists(connection_id, stop) is None


def test_read_succeeds_after_the_server_closed_an_idle_socket(
    platform: HostilePlatform, client_of: Maker, connection_id: str
) -> None:
    platform.on("GET", connection_id, h.hang_up(), times=3)
    client = client_of(platform)
    for _ in range(3):
        assert client.connection(connection_id).id == connection_id
        platform.wait_for(lambda: platform.open_connections == 0)


# Tokens are never shown


FAULTS = {
    "unauthorised": h.error(401, message="no"),
    "forbidden": h.error(403),
    "not found": h.error(404),
    "html page": h.html(404),
    "in use": h.error(409, fields=[{"field": "a", "message": "b"}], details="d"),
    "server error": h.error(500),
    "long retry-after": h.retry_after(429, "3600"),
    "redirect": h.redirect("http://localhost:1/"),
    "no response": h.drop_before(),
    "connection reset": h.rst(),
    "garbage": h.garbage(),
    "cut headers": h.truncate(30),
    "cut body": h.truncate_body(),
    "broken compression": h.gzip("{}", broken=True, do=False),
    "not JSON": h.answer(200, "<html>"),
    "wrong content-length": h.answer(200, "{}", {"Content-Length": "many"}),
}


@pytest.mark.parametrize(
    ("fault", "auth"), [*((fault, "bearer") for fault in FAULTS), ("no response", "cookie"), ("server error", "jwt")]
)
def test_no_error_contains_the_token_or_another_error(
    platform: HostilePlatform, client_of: Maker, connection_id: str, fault: str, auth: str
) -> None:
    platform.on("*", "", FAULTS[fault], times=99)
    client = client_of(platform, token=Secret(platform.token), auth=auth)
    calls: list[Callable[[], object]] = [
        lambda: client.connection(connection_id),
        lambda: client.delete(connection_id),
        client.connections,
        client.systems,
        client.projects,
        lambda: client.activations(connection_id),
        lambda: client.activation(connection_id, connection_id),
        lambda: client.environment_connections(connection_id, connection_id),
        lambda: client.end_users("x"),
    ]
    errors = [error for error in map(error_of, calls) if error]
    assert len(errors) >= 7  # a 204 succeeds even if its body is cut
    for error in errors:
        assert error.__context__ is None
        assert error.__cause__ is None
        assert "/httpx/" not in "".join(traceback.format_exception(error))
        for text in (traceback_of(error), str(error), repr(error), str(vars(error)), str(error.args)):
            assert platform.token not in text
            assert base64.b64encode(platform.token.encode()).decode() not in text


def test_error_of_an_unreachable_server_does_not_contain_the_token(platform: HostilePlatform, client_of: Maker) -> None:
    server = f"http://127.0.0.1:{closed_port()}"
    client = client_of(platform, server=server, token=Secret(platform.token))
    for call in (client.projects, lambda: client.delete(UNKNOWN_ID)):
        error = error_of(call)
        assert isinstance(error, TransportError)
        assert error.__context__ is None
        assert error.__cause__ is None
        assert platform.token not in traceback_of(error)


def error_of(call: Callable[[], object]) -> VersoriError | None:
    try:
        call()
    except VersoriError as error:
        return error
    return None


def traceback_of(error: BaseException) -> str:
    """Format a traceback with its causes and with the local variables of every frame but those of this file."""
    captured = traceback.TracebackException.from_exception(error, capture_locals=True)
    for frame in captured.stack:
        if frame.filename == __file__:
            frame.locals = None  # the test's own variables contain the token
    return "".join(captured.format())


@pytest.mark.parametrize(
    "fault",
    [
        lambda token: h.error(401, code=token, message=f"the token {token} has expired", details=token),
        lambda token: h.error(400, message="no", fields=[{"field": token, "message": f"{token} is wrong"}]),
        lambda token: h.answer(502, f"<html><title>Authorization: Bearer {token}</title></html>"),
        lambda token: h.answer(500, f"GET / HTTP/1.1\r\nAuthorization: Bearer {token}"),
        lambda token: h.answer(200, f"<html><title>Bearer {token}</title></html>"),
        lambda token: h.redirect(f"https://login.example/{token}"),
        lambda token: h.error(500, message="x" * 1_990 + token),
        lambda token: h.answer(500, "no", {"Content-Type": f"text/{token}"}),
    ],
)
@pytest.mark.parametrize("method", ["connection", "delete"])
def test_token_that_the_server_repeats_is_masked(
    platform: HostilePlatform, client_of: Maker, connection_id: str, fault: Callable[[str], h.Fault], method: str
) -> None:
    platform.on("*", "", fault(platform.token), times=9)
    client = client_of(platform, token=Secret(platform.token))
    error = error_of(lambda: getattr(client, method)(connection_id))
    assert error is not None
    for text in (traceback_of(error), str(error), repr(error), str(vars(error))):
        assert platform.token not in text
        assert platform.token[:9] not in text


@pytest.mark.parametrize("method", ["connection", "delete"])
def test_interrupt_during_a_request_does_not_contain_the_token(
    platform: HostilePlatform, client_of: Maker, connection_id: str, method: str
) -> None:
    main_thread = threading.main_thread().ident
    assert main_thread

    def interrupt(request: h.RecordedRequest) -> None:
        signal.pthread_kill(main_thread, signal.SIGINT)

    client = client_of(platform, token=Secret(platform.token))
    platform.decide = interrupt
    with pytest.raises(KeyboardInterrupt) as caught:
        getattr(client, method)(connection_id)
    assert caught.value.__context__ is None
    assert platform.token not in traceback_of(caught.value)
    # No frame of httpx may be left, because some of them contain the headers.
    assert traceback.extract_tb(caught.value.__traceback__)[-1].filename == sender_module.__file__
    platform.wait_for(lambda: platform.in_flight == 0)


class BrokenTransport(httpx.BaseTransport):
    """Raises an error whose frame and text contain the token."""

    def __init__(self, error_type: type[BaseException]) -> None:
        self.error_type = error_type

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        authorization = request.headers["Authorization"]
        raise self.error_type(authorization)


@pytest.mark.parametrize(
    "error_type", [KeyError, AssertionError, TypeError, MemoryError, UnicodeError, httpx.ReadError]
)
def test_any_error_of_the_transport_leaves_the_result_open_and_does_not_contain_the_token(
    platform: HostilePlatform, client_of: Maker, error_type: type[Exception]
) -> None:
    client = client_of(platform, token=Secret(platform.token), transport=BrokenTransport(error_type))
    error = error_of(lambda: client.delete(UNKNOWN_ID))
    assert isinstance(error, TransportError)
    assert error.sent
    assert error_type.__name__ in error.message
    assert error.__context__ is None
    assert platform.token not in traceback_of(error) + repr(vars(error))


@pytest.mark.parametrize("error_type", [KeyboardInterrupt, SystemExit, GeneratorExit])
def test_any_interrupt_of_a_request_is_raised_again_without_the_frames_of_the_transport(
    platform: HostilePlatform, client_of: Maker, error_type: type[BaseException]
) -> None:
    class InterruptedTransport(BrokenTransport):
        def handle_request(self, request: httpx.Request) -> httpx.Response:
            try:
                return BrokenTransport(KeyError).handle_request(request)
            except KeyError:
                raise self.error_type  # noqa: B904 - in the context of an error that contains the token

    client = client_of(platform, token=Secret(platform.token), transport=InterruptedTransport(error_type))
    with pytest.raises(error_type) as caught:
        client.delete(UNKNOWN_ID)
    assert caught.value.__context__ is None
    assert platform.token not in traceback_of(caught.value)


def test_short_word_that_is_used_as_a_token_is_not_masked_in_messages(
    platform: HostilePlatform, client_of: Maker
) -> None:
    platform.on("GET", "", h.error(401, message="not found"))
    with pytest.raises(UnauthorisedError, match="not found"):
        client_of(platform, token="not").connection(UNKNOWN_ID)


ECHOES: dict[str, Callable[[str], str]] = {
    "JSON codes": lambda token: "".join(f"\\u{ord(char):04x}" for char in token),
    "base64 of the header": lambda token: base64.b64encode(f"Bearer {token}".encode()).decode(),
    "URL": lambda token: "".join(f"%{ord(char):02X}" for char in token),
    "HTML": lambda token: "".join(f"&#{ord(char)};" for char in token),
}


@pytest.mark.parametrize("echo", ECHOES)
@pytest.mark.parametrize("method", ["connection", "delete"])
def test_token_that_the_server_repeats_in_an_encoded_form_is_masked(
    platform: HostilePlatform, client_of: Maker, connection_id: str, echo: str, method: str
) -> None:
    encoded = ECHOES[echo](platform.token)
    faults = [
        h.answer(401, f'{{"code": "{encoded}", "message": "{encoded} is wrong", "details": {{"a": ["{encoded}"]}}}}'),
        h.error(409, message="x" * 1_950 + encoded, fields=[{"field": encoded, "message": encoded}]),
        h.answer(502, f"<title>{encoded}</title>", {"Content-Type": f"text/{encoded}"}),
        h.answer(500, encoded),
        h.redirect(f"https://login.example/{encoded}"),
        h.answer(200, "{}", {"Content-Encoding": platform.token}),
        h.Fault("status line", do=False, raw=f"HTTP/1.1 {encoded}\r\n\r\n".encode(), end="close"),
        h.Fault("header line", do=False, raw=f"HTTP/1.1 200 OK\r\n{encoded}\r\n\r\n".encode(), end="close"),
    ]
    mask = TokenMask(Secret(platform.token))
    client = client_of(platform, token=Secret(platform.token), policy=RetryPolicy(sends=1))
    for fault in faults:
        platform.on("*", "", fault)
        error = error_of(lambda: getattr(client, method)(connection_id))
        assert error is not None
        for text in (traceback_of(error), str(error), repr(error), str(vars(error))):
            assert not mask.is_needed(text)
            assert encoded[:24] not in text


def test_token_is_masked_in_every_text_that_is_read(platform: HostilePlatform, client_of: Maker) -> None:
    platform.reset(world())
    echo = ECHOES["JSON codes"](platform.token)
    connection_id = platform.world.add(name=f"named {platform.token}")
    other_id = platform.world.add(name=f"called {echo} & co")
    listing = client_of(platform).connections()
    assert {item.id: item.name for item in listing.items} == {
        connection_id: "named ***",
        other_id: "called *** & co",
    }
    assert client_of(platform).connection(connection_id).name == "named ***"


def test_data_without_the_token_is_not_changed(platform: HostilePlatform, client_of: Maker) -> None:
    platform.reset(world())
    name = 'a "quoted" \\u0041 %41 &amp; \U0001f6d2 name'
    connection_id = platform.world.add(name=name)
    assert client_of(platform).connection(connection_id).name == name


def test_client_does_not_show_the_token(platform: HostilePlatform, client_of: Maker) -> None:
    client = client_of(platform)
    assert repr(client) == f"Client('{platform.url}', '{platform.organisation}', ***, auth='bearer')"
    sender = client._sender
    for holder in (client, sender, sender._pool, sender._mask, sender._auth):
        assert platform.token not in repr(holder) + str(holder) + str(vars(holder))
    for copying in (pickle.dumps, copy.deepcopy):
        with pytest.raises(TypeError):
            copying(client)


def test_credential_data_is_never_shown(platform: HostilePlatform, client_of: Maker, connection_id: str) -> None:
    client = client_of(platform)
    connection = client.connection(connection_id)
    listing = client.connections()
    assert h.SECRET in json.dumps(platform.world.connections[connection_id].json())
    assert h.SECRET not in repr(connection) + repr(listing)
    without_id = h.edit(lambda body: {"credentials": body["credentials"]})
    platform.on("GET", connection_id, without_id, times=9)
    error = error_of(lambda: client.connection(connection_id))
    assert isinstance(error, ApiError)
    assert h.SECRET not in traceback_of(error) + repr(vars(error))


# Creating and closing a client


@pytest.mark.parametrize(
    ("server", "organisation", "token", "auth"),
    [
        ("nowhere", UNKNOWN_ID, "t", "auto"),
        ("http://platform.example", UNKNOWN_ID, "t", "auto"),
        ("production", "not-a-ulid", "t", "auto"),
        ("production", UNKNOWN_ID, "two words", "auto"),
        ("production", UNKNOWN_ID, "", "auto"),
        ("production", UNKNOWN_ID, "t", "basic"),
    ],
)
def test_invalid_settings_are_rejected(server: str, organisation: str, token: str, auth: str) -> None:
    with pytest.raises(SettingsError):
        Client(server, organisation, token, auth)


def test_proxy_of_the_environment_is_not_used_for_plain_http(
    platform: HostilePlatform, client_of: Maker, connection_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with HostilePlatform(strict=False) as proxy:
        for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
            monkeypatch.setenv(name, proxy.url)
        monkeypatch.delenv("NO_PROXY", raising=False)
        monkeypatch.delenv("no_proxy", raising=False)
        assert client_of(platform).connection(connection_id).id == connection_id
        assert proxy.requests == []
        assert proxy.open_connections == 0


def test_proxy_of_the_environment_is_used_for_https(
    platform: HostilePlatform, client_of: Maker, connection_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with HostilePlatform(strict=False) as proxy:
        for name in ("HTTPS_PROXY", "https_proxy"):
            monkeypatch.setenv(name, proxy.url)
        monkeypatch.delenv("NO_PROXY", raising=False)
        monkeypatch.delenv("no_proxy", raising=False)
        client = client_of(platform, server="https://platform.example", policy=RetryPolicy(sends=1))
        error = error_of(lambda: client.connection(connection_id))
        assert isinstance(error, TransportError)
        assert error.__context__ is None
        assert any("malformed" in line and "CONNECT" in line for line in proxy.unexpected)


def test_client_can_be_used_from_many_threads(platform: HostilePlatform, client_of: Maker) -> None:
    platform.reset(world(free=200))
    client, ids = client_of(platform), iter(platform.world.free[:])
    lock, failures = threading.Lock(), []

    def work() -> None:
        while True:
            with lock:
                next_id = next(ids, None)
            if next_id is None:
                return
            try:
                client.delete(next_id)
            except VersoriError as error:
                failures.append(error)

    threads = [threading.Thread(target=work, daemon=True) for _ in range(32)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert failures == []
    assert len(platform.deleted) == len(platform.requests) == 200
    assert platform.max_in_flight <= 32
    platform.verify()


@pytest.mark.parametrize(
    "surplus", ["HTTP/1.1 204 No Content\r\n\r\n", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"]
)
@pytest.mark.parametrize("first", ["204 No Content\r\n\r\n", "404 Not Found\r\nContent-Length: 2\r\n\r\n{}"])
def test_surplus_response_to_one_request_is_not_taken_for_the_response_to_the_next(
    platform: HostilePlatform, client_of: Maker, first: str, surplus: str
) -> None:
    platform.reset(world(free=2))
    answered_twice, refused = platform.world.free
    twice = h.Fault("twice", do=False, raw=f"HTTP/1.1 {first}{surplus}".encode())
    platform.script = {answered_twice: [twice], refused: [h.error(409, message="connection is in use")] * 2}
    client = client_of(platform)
    with contextlib.suppress(NotFoundError):
        client.delete(answered_twice)
    with pytest.raises(TransportError, match="a response came before the request") as caught:
        client.delete(refused)
    assert caught.value.sent
    with pytest.raises(ApiError, match="connection is in use"):
        client.delete(refused)
    platform.wait_for(lambda: platform.open_connections == 1)  # the shifted connection is not used again


def test_text_after_a_deletions_empty_response_is_not_taken_for_the_next_response(
    platform: HostilePlatform, client_of: Maker
) -> None:
    platform.reset(world(free=2))
    first, second = platform.world.free
    raw = b'HTTP/1.1 204 No Content\r\nContent-Length: 22\r\n\r\n{"message": "deleted"}'
    platform.script = {first: [h.Fault("body of a 204", raw=raw)], second: [h.error(409)]}
    client = client_of(platform)
    client.delete(first)
    with pytest.raises(TransportError, match="No complete response") as caught:
        client.delete(second)
    assert caught.value.sent


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this operating system cannot fork")
def test_parent_and_child_process_do_not_share_a_socket(platform: HostilePlatform, client_of: Maker) -> None:
    platform.reset(world(free=2))
    kept, refused = platform.world.free
    platform.script = {refused: [h.error(409, message="connection is in use")]}
    client = client_of(platform)
    client.connection(kept)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # later versions of Python warn of a fork beside threads
        child = os.fork()
    if child == 0:
        signal.alarm(5)
        error = error_of(lambda: client.delete(refused))
        os._exit(getattr(error, "status", 0) % 256)
    client.connection(kept)
    _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) == 409 % 256
    client.connection(kept)
    first, *_, last = platform.requests
    (from_child,) = platform.deletes
    assert first.connection == last.connection != from_child.connection


def test_socket_is_reused(platform: HostilePlatform, client_of: Maker, connection_id: str) -> None:
    client = client_of(platform)
    for _ in range(5):
        client.connection(connection_id)
    assert {request.connection for request in platform.requests} == {platform.requests[0].connection}


@pytest.mark.parametrize("fault", ["none", *FAULTS])
def test_no_socket_stays_open_after_close(
    platform: HostilePlatform, client_of: Maker, connection_id: str, fault: str
) -> None:
    if fault in FAULTS:
        platform.on("*", "", FAULTS[fault], times=99)
    with client_of(platform, policy=RetryPolicy(sends=2)) as client, contextlib.suppress(PlatformError):
        for _ in itertools.repeat(None, 2):
            client.connection(connection_id)
    platform.wait_for(lambda: platform.open_connections == 0)
    assert platform.requests


# The lists that usage is computed from


def test_projects_have_their_environments(platform: HostilePlatform, client_of: Maker) -> None:
    projects = client_of(platform).projects()
    assert [project.name for project in projects] == ["Orders", "Invoices"]
    assert [environment.status for project in projects for environment in project.environments or ()] == [
        "running",
        "suspended",
        "running",
        "draft",
    ]
    platform.verify()


@pytest.mark.parametrize("body", ["{}", '{"items": []}'])
def test_response_without_a_list_of_projects_is_an_error(
    platform: HostilePlatform, client_of: Maker, body: str
) -> None:
    platform.on("GET", "/projects", h.answer(200, body))
    with pytest.raises(PlatformError, match="contains no list of projects"):
        client_of(platform).projects()
    platform.on("GET", "/projects", h.answer(200, '{"projects": []}'))
    assert client_of(platform).projects() == []


@pytest.mark.parametrize("pages", ["whole", "paged"])
def test_all_connections_of_an_environment_are_read(platform: HostilePlatform, client_of: Maker, pages: Any) -> None:
    platform.reset(world(static=100, environment_pages=pages))
    project = next(iter(platform.world.projects.values()))
    environment = project.environments[0].id
    listing = client_of(platform).environment_connections(project.id, environment)
    assert [reference.id for reference in listing.items] == list(platform.world.links[environment])
    assert listing.confirmed
    assert all("first" not in request.query for request in platform.requests)
    assert len(platform.requests) == {"whole": 1, "paged": 2}[pages]
    platform.verify()


def test_activations_name_their_end_user_and_connections(platform: HostilePlatform, client_of: Maker) -> None:
    platform.reset(world(dynamic=1))
    (activation,) = client_of(platform).activations(platform.world.environments[0].id)
    assert activation.user
    assert (activation.user.external_id, activation.user.display_name) == ("customer-0", "Customer 0")
    assert [reference.id for reference in activation.connections or ()] == platform.world.dynamic
    platform.verify()


def test_list_of_projects_or_activations_that_is_null_is_empty(platform: HostilePlatform, client_of: Maker) -> None:
    platform.on("GET", "/projects$", h.answer(200, '{"projects": null}'))
    platform.on("GET", "/activations$", h.answer(200, "null"))
    assert client_of(platform).projects() == []
    assert client_of(platform).activations(UNKNOWN_ID) == []


# The token


@pytest.mark.parametrize(
    ("claims", "subject"), [({"sub": "customer-1"}, "customer-1"), ({"sub": ""}, ""), ({}, ""), ({"sub": None}, "")]
)
def test_client_tells_the_subject_of_a_jwt(
    platform: HostilePlatform, client_of: Maker, claims: dict[str, Any], subject: str
) -> None:
    token = jwt.encode(claims, "a-key-for-tests-that-is-long-enough", algorithm="HS256")
    assert client_of(platform, token=token).token_subject == subject


def test_token_that_is_not_a_jwt_has_no_subject(platform: HostilePlatform, client_of: Maker) -> None:
    assert client_of(platform).token_subject == ""
    assert client_of(platform, token="a.b.c").token_subject == ""
