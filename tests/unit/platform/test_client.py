import base64
import contextlib
import itertools
import json
import signal
import socket
import threading
import traceback
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest
from faults import hostile as h
from faults.hostile import HostilePlatform, world

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
from versori_magics.platform import client as module
from versori_magics.platform import pool
from versori_magics.platform.auth import Secret
from versori_magics.platform.client import Client
from versori_magics.platform.pace import Clock
from versori_magics.platform.retry import Policy

if TYPE_CHECKING:
    from unit.platform.conftest import HurriedClock

Maker = Callable[..., Client]
NOBODY = "01BX5ZZKBKACTAV9WEVGEMMVRZ"


@pytest.fixture
def one(platform: HostilePlatform) -> str:
    """Give the id of the only connection there is."""
    platform.reset(world(free=1))
    return platform.world.free[0]


def closed_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


# Reading one


def test_a_connection_is_read_by_its_id(platform: HostilePlatform, client_of: Maker, one: str) -> None:
    found = client_of(platform).connection(one)
    assert (found.id, found.name) == (one, "connection 00000")
    (request,) = platform.requests
    assert (request.method, request.path, request.query) == ("GET", f"/o/{platform.organisation}/connections/{one}", {})
    assert request.headers["accept"] == "application/json"
    assert request.headers["user-agent"].startswith("versori_magics/")
    platform.verify()


def test_the_path_prefix_of_a_server_is_kept() -> None:
    with HostilePlatform(world(free=1), prefix="/api/v2") as platform:
        with Client(platform.url + "/", platform.organisation.lower(), platform.token) as client:
            assert client.connection(platform.world.free[0].lower()).id == platform.world.free[0]
        assert not platform.requests[0].path.startswith("(no prefix)")
        platform.verify()


def test_a_documented_404_says_that_the_connection_is_gone(platform: HostilePlatform, client_of: Maker) -> None:
    with pytest.raises(NotFoundError, match="connection not found") as caught:
        client_of(platform).connection(NOBODY)
    assert caught.value.documented
    assert len(platform.requests) == 1


def test_an_undocumented_404_says_nothing_about_the_connection(
    platform: HostilePlatform, client_of: Maker, one: str
) -> None:
    platform.on("GET", one, h.html(404))
    with pytest.raises(NotFoundError) as caught:
        client_of(platform).connection(one)
    assert not caught.value.documented


@pytest.mark.parametrize(
    ("fault", "there"),
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
def test_whether_a_connection_stands_is_told_only_where_it_is_known(
    platform: HostilePlatform, client_of: Maker, one: str, fault: h.Fault, there: bool | None
) -> None:
    platform.on("GET", one, fault, times=9)
    assert client_of(platform).exists(one) is there


def test_whether_a_connection_stands_is_not_known_where_nobody_answers(
    platform: HostilePlatform, client_of: Maker, one: str
) -> None:
    assert client_of(platform, server=f"http://127.0.0.1:{closed_port()}").exists(one) is None


@pytest.mark.parametrize("bad", ["", "../../projects/x", f"{NOBODY} --yes", f"{NOBODY}\n"])
def test_what_is_no_id_is_never_sent(platform: HostilePlatform, client_of: Maker, bad: str) -> None:
    client = client_of(platform)
    for call in (client.connection, client.delete, client.activations):
        with pytest.raises(PlatformError, match="no ULID"):
            call(bad)
    with pytest.raises(PlatformError, match="no ULID"):
        client.environment_connections(NOBODY, bad)
    assert platform.requests == []


# Deleting


def test_a_delete_is_one_request_without_a_body(platform: HostilePlatform, client_of: Maker, one: str) -> None:
    client_of(platform).delete(one)
    (request,) = platform.requests
    assert (request.method, request.path, request.body) == (
        "DELETE",
        f"/o/{platform.organisation}/connections/{one}",
        b"",
    )
    assert platform.deleted == {one}
    platform.verify()


@pytest.mark.parametrize(
    ("fault", "kind"),
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
def test_a_delete_is_sent_once_whatever_comes_of_it(
    platform: HostilePlatform, client_of: Maker, clock: "HurriedClock", one: str, fault: h.Fault, kind: type
) -> None:
    platform.on("DELETE", "", fault, times=9)
    with pytest.raises(PlatformError) as caught:
        client_of(platform).delete(one)
    assert type(caught.value) is kind
    assert platform.sends(one) == 1
    assert clock.waits == []


def test_a_delete_that_is_refused_says_why(platform: HostilePlatform, client_of: Maker) -> None:
    platform.reset(world(dynamic=1))
    with pytest.raises(ApiError) as caught:
        client_of(platform).delete(platform.world.dynamic[0])
    assert caught.value.documented
    assert (caught.value.status, caught.value.code) == (409, "409000")
    assert caught.value.details == "used by Customer 0"


@pytest.mark.parametrize(
    "fault", [h.drop_after(), h.rst(do=True), h.garbage(do=True), h.truncate(10), h.truncate_body(), h.drop_before()]
)
def test_a_delete_whose_answer_is_lost_may_have_been_done(
    platform: HostilePlatform, client_of: Maker, one: str, fault: h.Fault
) -> None:
    platform.on("DELETE", "", fault)
    if fault.name == "truncate_body":
        client_of(platform).delete(one)  # a 204 has no body, whatever it promises
        return
    with pytest.raises(TransportError, match="No complete answer from the platform") as caught:
        client_of(platform).delete(one)
    assert caught.value.sent
    assert (caught.value.method, caught.value.path) == ("DELETE", f"/o/{platform.organisation}/connections/{one}")


def test_a_refused_connection_means_that_nothing_was_sent(
    platform: HostilePlatform, client_of: Maker, one: str
) -> None:
    client = client_of(platform, server=f"http://127.0.0.1:{closed_port()}")
    with pytest.raises(TransportError, match="No connection to the platform") as caught:
        client.delete(one)
    assert not caught.value.sent
    assert "ConnectError" in str(caught.value)
    assert "network" in caught.value.hint


def test_after_close_a_delete_is_an_error_of_ours(platform: HostilePlatform, client_of: Maker, one: str) -> None:
    client = client_of(platform)
    client.close()
    with pytest.raises(TransportError, match="the client is closed") as caught:
        client.delete(one)
    assert not caught.value.sent
    assert platform.requests == []


# Answers that are odd on the wire


def test_a_compressed_answer_is_read(platform: HostilePlatform, client_of: Maker, one: str) -> None:
    platform.on("GET", "", h.gzip(), times=9)
    assert client_of(platform).connection(one).id == one
    assert "gzip" in platform.requests[0].headers["accept-encoding"]


def test_a_compressed_error_is_read(platform: HostilePlatform, client_of: Maker) -> None:
    platform.on("GET", "", h.gzip())
    with pytest.raises(NotFoundError, match="connection not found"):
        client_of(platform).connection(NOBODY)


def test_a_broken_compression_is_no_answer(platform: HostilePlatform, client_of: Maker, one: str) -> None:
    platform.on("*", "", h.gzip(broken=True), times=9)
    with pytest.raises(TransportError, match="DecodingError") as caught:
        client_of(platform).connection(one)
    assert caught.value.sent
    assert caught.value.attempts == 4


def test_a_broken_compression_of_an_error_does_not_prove_that_nothing_was_deleted(
    platform: HostilePlatform, client_of: Maker, one: str
) -> None:
    broken = h.gzip(json.dumps({"code": "1", "message": "no"}), broken=True, do=False)
    platform.on("DELETE", "", broken)
    with pytest.raises(TransportError) as caught:
        client_of(platform).delete(one)
    assert caught.value.sent


def test_a_body_that_drips_is_given_up(
    platform: HostilePlatform, client_of: Maker, clock: "HurriedClock", one: str
) -> None:
    platform.on("GET", "", h.drip(0.0005), times=9)
    clock.per_look = 10  # each look at the clock, one for each piece of the body, finds it ten seconds later
    client = client_of(platform, policy=Policy(sends=1))
    with pytest.raises(TransportError, match="not complete after 30 s") as caught:
        client.connection(one)
    assert caught.value.sent
    platform.wait_for(lambda: platform.open_connections == 0)


def test_an_answer_whose_head_drips_is_given_up_too(
    platform: HostilePlatform, client_of: Maker, one: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    platform.on("DELETE", "", h.drip(0.1))
    for name in ("DELETE_SECONDS", "CONNECT_SECONDS"):
        monkeypatch.setattr(module, name, 0.2)
    monkeypatch.setattr(pool, "WATCH_SECONDS", 0.1)
    with pytest.raises(TransportError, match="not complete after") as caught:
        client_of(platform, clock=Clock()).delete(one)
    assert caught.value.sent
    assert one in platform.deleted  # nobody could have known
    platform.wait_for(lambda: platform.open_connections == 0)


def test_a_body_that_is_too_long_is_given_up(
    platform: HostilePlatform, client_of: Maker, one: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    length = len(json.dumps(platform.world.connections[one].json()))
    monkeypatch.setattr(module, "BODY_LIMIT", length)
    assert client_of(platform).connection(one).id == one
    monkeypatch.setattr(module, "BODY_LIMIT", length - 1)
    with pytest.raises(TransportError, match=f"longer than {length - 1} bytes"):
        client_of(platform, policy=Policy(sends=1)).connection(one)


def test_the_limit_of_a_body_counts_what_it_unpacks_to(
    platform: HostilePlatform, client_of: Maker, one: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "BODY_LIMIT", 10_000)
    platform.on("GET", "", h.gzip(" " * 5_000_000), times=9)
    with pytest.raises(TransportError, match="longer than 10,000 bytes"):
        client_of(platform, policy=Policy(sends=1)).connection(one)


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize("method", ["connection", "delete"])
def test_a_redirect_to_another_host_is_not_followed_and_the_token_stays_here(
    platform: HostilePlatform, client_of: Maker, one: str, status: int, method: str
) -> None:
    with HostilePlatform(scheme="any", strict=False) as other:
        platform.on("*", "", h.redirect(f"{other.url}/o/{platform.organisation}/connections/{one}", status))
        with pytest.raises(ApiError, match="redirects are never followed") as caught:
            getattr(client_of(platform), method)(one)
        assert caught.value.status == status
        assert f"redirect to {other.url}" in caught.value.message
        assert len(platform.requests) == 1
        assert other.requests == []
        assert other.open_connections == 0


def test_a_redirect_to_the_same_host_is_not_followed_either(
    platform: HostilePlatform, client_of: Maker, one: str
) -> None:
    platform.on("*", "", h.redirect(f"/o/{platform.organisation}/connections/{one}"))
    with pytest.raises(ApiError, match="redirects are never followed"):
        client_of(platform).delete(one)
    assert len(platform.requests) == 1


def test_a_cookie_that_a_server_sets_is_not_kept(platform: HostilePlatform, client_of: Maker, one: str) -> None:
    body = json.dumps(platform.world.connections[one].json())
    platform.on("GET", "", h.answer(200, body, {"Set-Cookie": "cookie=somebody-else; Path=/"}), times=2)
    client = client_of(platform)
    client.connection(one)
    client.connection(one)
    assert ["cookie" in request.headers for request in platform.requests] == [False, False]
    platform.verify()


# Trying again


def test_a_read_is_tried_again_until_it_is_answered(
    platform: HostilePlatform, client_of: Maker, clock: "HurriedClock", one: str
) -> None:
    platform.on("GET", one, h.error(503), h.html(502), h.drop_before())
    assert client_of(platform).connection(one).id == one
    assert len(platform.requests) == 4
    assert len(clock.waits) == 3
    assert all(0 <= wait <= longest for wait, longest in zip(clock.waits, (0.5, 1, 2), strict=True))


@pytest.mark.parametrize(
    ("fault", "kind"), [(h.error(503), ApiError), (h.html(500), ApiError), (h.drop_after(), TransportError)]
)
def test_an_error_says_how_often_a_read_was_sent(
    platform: HostilePlatform, client_of: Maker, one: str, fault: h.Fault, kind: type[PlatformError]
) -> None:
    platform.on("GET", one, fault, times=9)
    with pytest.raises(kind, match="sent 4 times") as caught:
        client_of(platform).connection(one)
    assert getattr(caught.value, "attempts", 0) == 4 == len(platform.requests)


def test_an_error_that_is_not_tried_again_was_sent_once(platform: HostilePlatform, client_of: Maker) -> None:
    with pytest.raises(NotFoundError) as caught:
        client_of(platform).connection(NOBODY)
    assert caught.value.attempts == 1 == len(platform.requests)


def test_what_the_platform_asks_to_wait_is_waited(
    platform: HostilePlatform, client_of: Maker, clock: "HurriedClock", one: str
) -> None:
    platform.on("GET", one, h.retry_after(429, "7"), h.retry_after(503, "100"))
    assert client_of(platform).connection(one).id == one
    assert clock.waits == [7, 100]


def test_a_pause_that_the_platform_asked_for_does_not_use_up_the_time_of_the_read(
    platform: HostilePlatform, client_of: Maker, clock: "HurriedClock", one: str
) -> None:
    platform.on("GET", one, h.retry_after(429, "100"), h.html(502))
    assert client_of(platform).connection(one).id == one
    assert clock.waits[0] == 100
    assert len(platform.requests) == 3


def test_a_longer_pause_than_the_policy_has_is_an_error_that_tells_it(
    platform: HostilePlatform, client_of: Maker, clock: "HurriedClock", one: str
) -> None:
    platform.on("GET", one, h.retry_after(429, "3600"))
    with pytest.raises(ApiError) as caught:
        client_of(platform).connection(one)
    assert caught.value.retry_after == 3_600
    assert (len(platform.requests), clock.waits) == (1, [])


def test_a_read_ends_after_45_seconds(
    platform: HostilePlatform, client_of: Maker, clock: "HurriedClock", one: str
) -> None:
    clock.per_look = 23
    platform.on("GET", one, h.error(500), times=99)
    with pytest.raises(ApiError):
        client_of(platform, policy=Policy(sends=99, base=0)).connection(one)
    assert len(platform.requests) < 3


def test_a_stop_ends_the_trying(platform: HostilePlatform, client_of: Maker, one: str) -> None:
    platform.on("GET", one, h.error(500), times=99)
    stop = threading.Event()
    stop.set()
    with pytest.raises(ApiError) as caught:
        client_of(platform).connection(one, stop)
    assert caught.value.attempts == 1 == len(platform.requests)
    assert client_of(platform).exists(one, stop) is None


def test_a_connection_that_was_hung_up_in_between_is_no_failure(
    platform: HostilePlatform, client_of: Maker, one: str
) -> None:
    platform.on("GET", one, h.hang_up(), times=3)
    client = client_of(platform)
    for _ in range(3):
        assert client.connection(one).id == one
        platform.wait_for(lambda: platform.open_connections == 0)


# No token anywhere


FAULTS = {
    "refused by the platform": h.error(401, message="no"),
    "forbidden": h.error(403),
    "gone": h.error(404),
    "a page": h.html(404),
    "in use": h.error(409, fields=[{"field": "a", "message": "b"}], details="d"),
    "an error": h.error(500),
    "slow down": h.retry_after(429, "3600"),
    "redirected": h.redirect("http://localhost:1/"),
    "dropped": h.drop_before(),
    "reset": h.rst(),
    "garbage": h.garbage(),
    "cut": h.truncate(30),
    "cut in the body": h.truncate_body(),
    "packed wrong": h.gzip("{}", broken=True, do=False),
    "no JSON": h.answer(200, "<html>"),
    "a lie about its length": h.answer(200, "{}", {"Content-Length": "many"}),
}


@pytest.mark.parametrize(
    ("what", "auth"), [*((what, "bearer") for what in FAULTS), ("dropped", "cookie"), ("an error", "jwt")]
)
def test_no_error_holds_the_token_or_another_error(
    platform: HostilePlatform, client_of: Maker, one: str, what: str, auth: str
) -> None:
    platform.on("*", "", FAULTS[what], times=99)
    client = client_of(platform, token=Secret(platform.token), auth=auth)
    calls: list[Callable[[], object]] = [
        lambda: client.connection(one),
        lambda: client.delete(one),
        client.connections,
        client.systems,
        client.projects,
        lambda: client.activations(one),
        lambda: client.environment_connections(one, one),
        lambda: client.end_users("x"),
    ]
    failed = [error for error in map(caught_of, calls) if error]
    assert len(failed) >= 7  # a 204 may promise a body
    for error in failed:
        assert error.__context__ is None
        assert error.__cause__ is None
        assert "/httpx/" not in "".join(traceback.format_exception(error))
        for shown in (traceback_of(error), str(error), repr(error), str(vars(error)), str(error.args)):
            assert platform.token not in shown
            assert base64.b64encode(platform.token.encode()).decode() not in shown


def test_no_error_of_a_connection_that_is_refused_holds_the_token(platform: HostilePlatform, client_of: Maker) -> None:
    server = f"http://127.0.0.1:{closed_port()}"
    client = client_of(platform, server=server, token=Secret(platform.token))
    for call in (client.projects, lambda: client.delete(NOBODY)):
        error = caught_of(call)
        assert isinstance(error, TransportError)
        assert error.__context__ is None
        assert error.__cause__ is None
        assert platform.token not in traceback_of(error)


def caught_of(call: Callable[[], object]) -> VersoriError | None:
    try:
        call()
    except VersoriError as error:
        return error
    return None


def traceback_of(error: BaseException) -> str:
    """Format it with everything: the causes, and the variables of every frame below this file."""
    found = traceback.TracebackException.from_exception(error, capture_locals=True)
    for frame in found.stack:
        if frame.filename == __file__:
            frame.locals = None  # this test's own variables name the token
    return "".join(found.format())


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
def test_a_server_that_quotes_the_token_back_is_not_quoted(
    platform: HostilePlatform, client_of: Maker, one: str, fault: Callable[[str], h.Fault], method: str
) -> None:
    platform.on("*", "", fault(platform.token), times=9)
    client = client_of(platform, token=Secret(platform.token))
    error = caught_of(lambda: getattr(client, method)(one))
    assert error is not None
    for shown in (traceback_of(error), str(error), repr(error), str(vars(error))):
        assert platform.token not in shown
        assert platform.token[:9] not in shown


@pytest.mark.parametrize("method", ["connection", "delete"])
def test_an_interrupt_in_the_middle_of_a_request_does_not_hold_the_token(
    platform: HostilePlatform, client_of: Maker, one: str, method: str
) -> None:
    main = threading.main_thread().ident
    assert main

    def interrupt(request: h.RecordedRequest) -> None:
        signal.pthread_kill(main, signal.SIGINT)

    client = client_of(platform, token=Secret(platform.token))
    platform.decide = interrupt
    with pytest.raises(KeyboardInterrupt) as caught:
        getattr(client, method)(one)
    assert caught.value.__context__ is None
    assert platform.token not in traceback_of(caught.value)
    # Not one frame of the HTTP library: some of them hold the headers.
    assert traceback.extract_tb(caught.value.__traceback__)[-1].filename == module.__file__
    platform.wait_for(lambda: platform.in_flight == 0)


def test_a_short_word_that_serves_as_token_is_not_struck_out_of_a_message(
    platform: HostilePlatform, client_of: Maker
) -> None:
    platform.on("GET", "", h.error(401, message="not found"))
    with pytest.raises(UnauthorisedError, match="not found"):
        client_of(platform, token="not").connection(NOBODY)


def test_data_that_happens_to_hold_the_token_is_not_changed(platform: HostilePlatform, client_of: Maker) -> None:
    platform.reset(world())
    id_ = platform.world.add(name=f"named {platform.token}")
    assert client_of(platform).connection(id_).name == f"named {platform.token}"


def test_the_client_itself_does_not_show_the_token(platform: HostilePlatform, client_of: Maker) -> None:
    client = client_of(platform)
    assert repr(client) == f"Client('{platform.url}', '{platform.organisation}', ***, auth='bearer')"
    assert platform.token not in repr(client) + str(client) + str(vars(client)) + str(vars(client._pool))


def test_credential_data_is_in_nothing_that_is_shown(platform: HostilePlatform, client_of: Maker, one: str) -> None:
    client = client_of(platform)
    found = client.connection(one)
    listing = client.connections()
    assert h.SECRET in json.dumps(platform.world.connections[one].json())
    assert h.SECRET not in repr(found) + repr(listing)
    without_id = h.edit(lambda body: {"credentials": body["credentials"]})
    platform.on("GET", one, without_id, times=9)
    error = caught_of(lambda: client.connection(one))
    assert isinstance(error, ApiError)
    assert h.SECRET not in traceback_of(error) + repr(vars(error))


# What a client is made of


@pytest.mark.parametrize(
    ("server", "organisation", "token", "auth"),
    [
        ("nowhere", NOBODY, "t", "auto"),
        ("http://platform.example", NOBODY, "t", "auto"),
        ("production", "no-ulid", "t", "auto"),
        ("production", NOBODY, "two words", "auto"),
        ("production", NOBODY, "", "auto"),
        ("production", NOBODY, "t", "basic"),
    ],
)
def test_settings_that_make_no_sense_make_no_client(server: str, organisation: str, token: str, auth: str) -> None:
    with pytest.raises(SettingsError):
        Client(server, organisation, token, auth)


def test_proxies_that_the_environment_names_are_not_used_for_plain_http(
    platform: HostilePlatform, client_of: Maker, one: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with HostilePlatform(strict=False) as proxy:
        for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
            monkeypatch.setenv(name, proxy.url)
        monkeypatch.delenv("NO_PROXY", raising=False)
        monkeypatch.delenv("no_proxy", raising=False)
        assert client_of(platform).connection(one).id == one
        assert proxy.requests == []
        assert proxy.open_connections == 0


def test_proxies_that_the_environment_names_are_used_for_https(
    platform: HostilePlatform, client_of: Maker, one: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with HostilePlatform(strict=False) as proxy:
        for name in ("HTTPS_PROXY", "https_proxy"):
            monkeypatch.setenv(name, proxy.url)
        monkeypatch.delenv("NO_PROXY", raising=False)
        monkeypatch.delenv("no_proxy", raising=False)
        client = client_of(platform, server="https://platform.example", policy=Policy(sends=1))
        error = caught_of(lambda: client.connection(one))
        assert isinstance(error, TransportError)
        assert error.__context__ is None
        assert any("malformed" in line and "CONNECT" in line for line in proxy.unexpected)


def test_a_client_can_be_used_from_many_threads(platform: HostilePlatform, client_of: Maker) -> None:
    platform.reset(world(free=200))
    client, ids = client_of(platform), iter(platform.world.free[:])
    lock, failures = threading.Lock(), []

    def work() -> None:
        while True:
            with lock:
                id_ = next(ids, None)
            if id_ is None:
                return
            try:
                client.delete(id_)
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


def test_a_socket_is_used_again(platform: HostilePlatform, client_of: Maker, one: str) -> None:
    client = client_of(platform)
    for _ in range(5):
        client.connection(one)
    assert {request.connection for request in platform.requests} == {platform.requests[0].connection}


@pytest.mark.parametrize("what", ["a read", *FAULTS])
def test_nothing_stays_open_after_close(platform: HostilePlatform, client_of: Maker, one: str, what: str) -> None:
    if what in FAULTS:
        platform.on("*", "", FAULTS[what], times=99)
    with client_of(platform, policy=Policy(sends=2)) as client, contextlib.suppress(PlatformError):
        for _ in itertools.repeat(None, 2):
            client.connection(one)
    platform.wait_for(lambda: platform.open_connections == 0)
    assert platform.requests


# The lists that usage is made of


def test_projects_come_with_their_environments(platform: HostilePlatform, client_of: Maker) -> None:
    found = client_of(platform).projects()
    assert [project.name for project in found] == ["Orders", "Invoices"]
    assert [environment.status for project in found for environment in project.environments or ()] == [
        "running",
        "suspended",
        "running",
        "draft",
    ]
    platform.verify()


@pytest.mark.parametrize("body", ["{}", '{"projects": null}'])
def test_an_answer_without_projects_is_not_an_organisation_without_projects(
    platform: HostilePlatform, client_of: Maker, body: str
) -> None:
    platform.on("GET", "/projects", h.answer(200, body))
    with pytest.raises(PlatformError, match="no list of projects"):
        client_of(platform).projects()
    platform.on("GET", "/projects", h.answer(200, '{"projects": []}'))
    assert client_of(platform).projects() == []


@pytest.mark.parametrize("pages", ["whole", "paged"])
def test_the_connections_of_an_environment_are_read_to_the_end(
    platform: HostilePlatform, client_of: Maker, pages: Any
) -> None:
    platform.reset(world(static=100, environment_pages=pages))
    project = next(iter(platform.world.projects.values()))
    environment = project.environments[0].id
    found = client_of(platform).environment_connections(project.id, environment)
    assert [linked.id for linked in found.items] == list(platform.world.links[environment])
    assert found.confirmed
    assert all("first" not in request.query for request in platform.requests)
    assert len(platform.requests) == {"whole": 1, "paged": 2}[pages]
    platform.verify()


def test_the_activations_of_an_environment_name_user_and_connections(
    platform: HostilePlatform, client_of: Maker
) -> None:
    platform.reset(world(dynamic=1))
    (found,) = client_of(platform).activations(platform.world.environments[0].id)
    assert found.user
    assert (found.user.external_id, found.user.display_name) == ("customer-0", "Customer 0")
    assert [linked.id for linked in found.connections or ()] == platform.world.dynamic
    platform.verify()
