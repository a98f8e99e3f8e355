import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from versori_magics.api import models, protocol
from versori_magics.api.protocol import (
    ApiRequest,
    ApiResponse,
    decode_response,
    error_from,
    parse_retry_after,
    raise_unless_deleted,
)
from versori_magics.errors import (
    ApiError,
    FieldError,
    ForbiddenError,
    NotFoundError,
    PlatformError,
    UnauthorisedError,
    VersoriError,
)

ORG = "01ARZ3NDEKTSV4RRFFQ69G5FAV"
FIRST = "01BX5ZZKBKACTAV9WEVGEMMVRZ"
SECOND = "01BX5ZZKBKACTAV9WEVGEMMVS0"
DATA = "S3CR3T-CREDENTIAL-DATA"
DELETE = protocol.delete_connection(ORG, FIRST)
GET = protocol.get_connection(ORG, FIRST)
LIST = protocol.list_connections(ORG)
Connections = models.Page[models.Connection]


def response_with(status: int, body: Any, **headers: str) -> ApiResponse:
    """Return a response. A body that is not str or bytes is encoded as JSON."""
    raw = body if isinstance(body, bytes) else body.encode() if isinstance(body, str) else json.dumps(body).encode()
    return ApiResponse(status, {name.replace("_", "-"): value for name, value in headers.items()}, raw)


# Requests


@pytest.mark.parametrize(
    ("api_request", "method", "path", "query"),
    [
        (protocol.list_connections(ORG), "GET", f"/o/{ORG}/connections", {}),
        (
            protocol.list_connections(ORG, first="1000", after="c", system_id=FIRST, end_user_id=SECOND),
            "GET",
            f"/o/{ORG}/connections",
            {"first": "1000", "after": "c", "system_id": FIRST, "end_user_id": SECOND},
        ),
        (protocol.get_connection(ORG, FIRST), "GET", f"/o/{ORG}/connections/{FIRST}", {}),
        (protocol.delete_connection(ORG, FIRST), "DELETE", f"/o/{ORG}/connections/{FIRST}", {}),
        (protocol.list_projects(ORG), "GET", f"/o/{ORG}/projects", {}),
        (
            protocol.list_environment_connections(ORG, FIRST, SECOND, after="c"),
            "GET",
            f"/o/{ORG}/projects/{FIRST}/connections",
            {"env_id": SECOND, "after": "c"},
        ),
        (protocol.list_activations(ORG, FIRST), "GET", f"/o/{ORG}/environments/{FIRST}/activations", {}),
        (
            protocol.list_activations(ORG, FIRST, static="true"),
            "GET",
            f"/o/{ORG}/environments/{FIRST}/activations",
            {"static": "true"},
        ),
        (
            protocol.get_activation(ORG, FIRST, SECOND),
            "GET",
            f"/o/{ORG}/environments/{FIRST}/activations/{SECOND}",
            {},
        ),
        (protocol.list_systems(ORG, search="shop"), "GET", f"/o/{ORG}/systems", {"search": "shop"}),
        (protocol.list_end_users(ORG, search="who"), "GET", f"/o/{ORG}/users", {"search": "who"}),
        (protocol.delete_connection(ORG.lower(), FIRST.lower()), "DELETE", f"/o/{ORG}/connections/{FIRST}", {}),
    ],
)
def test_each_request_is_the_documented_one(
    api_request: ApiRequest, method: str, path: str, query: dict[str, str]
) -> None:
    assert (api_request.method, api_request.path, dict(api_request.query)) == (method, path, query)


@pytest.mark.parametrize(
    "bad",
    ["", "../../projects/x", f"{FIRST} --yes", f"{FIRST}\n", f"{FIRST}/link", FIRST[:-1], "Z" * 26, "\u0660" * 26],
)
@pytest.mark.parametrize(
    "build_request",
    [
        protocol.list_connections,
        lambda bad: protocol.get_connection(ORG, bad),
        lambda bad: protocol.get_connection(bad, FIRST),
        lambda bad: protocol.delete_connection(ORG, bad),
        lambda bad: protocol.delete_connection(bad, FIRST),
        protocol.list_projects,
        lambda bad: protocol.list_environment_connections(ORG, bad, FIRST),
        lambda bad: protocol.list_environment_connections(ORG, FIRST, bad),
        lambda bad: protocol.list_environment_connections(bad, FIRST, SECOND),
        lambda bad: protocol.list_activations(ORG, bad),
        lambda bad: protocol.list_activations(bad, FIRST),
        lambda bad: protocol.get_activation(ORG, FIRST, bad),
        lambda bad: protocol.get_activation(ORG, bad, FIRST),
        lambda bad: protocol.get_activation(bad, FIRST, SECOND),
        protocol.list_systems,
        protocol.list_end_users,
    ],
)
def test_invalid_id_never_becomes_part_of_a_path(build_request: Callable[[str], ApiRequest], bad: str) -> None:
    with pytest.raises(PlatformError, match="is not a ULID, so no request was sent"):
        build_request(bad)


@pytest.mark.parametrize("bad", [None, 5, 5.0, FIRST.encode()])
def test_id_that_is_not_text_is_rejected(bad: Any) -> None:
    with pytest.raises(PlatformError, match="is not a ULID"):
        protocol.delete_connection(ORG, bad)


# Retry-After

NOW = datetime(2024, 5, 1, 12, 0, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"retry-after": ""}, None),
        ({"retry-after": "   "}, None),
        ({"retry-after": "0"}, 0),
        ({"retry-after": "7"}, 7),
        ({"retry-after": " 7 "}, 7),
        ({"retry-after": "1.5"}, 1.5),
        ({"retry-after": "-1"}, None),
        ({"retry-after": "soon"}, None),
        ({"retry-after": "1e9"}, None),
        ({"retry-after": "inf"}, None),
        ({"retry-after": "٣"}, None),
        ({"retry-after": "1, 2"}, None),
        ({"retry-after": "999999999"}, 999_999_999),
        ({"retry-after": "9" * 400}, None),
        ({"retry-after": "Wed, 01 May 2024 12:00:30 GMT"}, 30),
        ({"retry-after": "Wed, 01 May 2024 14:00:30 +0200"}, 30),
        ({"retry-after": "Wed, 01 May 2024 12:00:30 -0000"}, 30),
        ({"retry-after": "Wed, 21 Oct 2015 07:28:00 GMT"}, 0),
        ({"retry-after": "Wed, 99 Oct 2015 07:28:00 GMT"}, None),
        (
            {"retry-after": "Fri, 31 Dec 9999 23:59:59 GMT"},
            (datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC) - NOW).total_seconds(),
        ),
        ({"retry-after": "Wed, 01 May 2019 12:00:30 GMT", "date": "Wed, 01 May 2019 12:00:10 GMT"}, 20),
        ({"retry-after": "Wed, 01 May 2024 12:00:30 GMT", "date": "yesterday"}, 30),
    ],
)
def test_retry_after_is_a_number_of_seconds_or_a_date_of_the_servers_clock(
    headers: dict[str, str], seconds: float | None
) -> None:
    assert parse_retry_after(headers, NOW) == seconds


def test_retry_after_date_is_compared_with_this_clock_if_the_server_sends_no_date() -> None:
    seconds = parse_retry_after({"retry-after": "Fri, 31 Dec 9999 23:59:59 GMT"})
    assert seconds is not None
    assert seconds == pytest.approx((datetime(9999, 12, 31, tzinfo=UTC) - datetime.now(UTC)).total_seconds(), rel=0.01)


@given(st.dictionaries(st.sampled_from(["retry-after", "date"]), st.text(max_size=40)))
def test_retry_after_never_fails_and_is_never_negative(headers: dict[str, str]) -> None:
    seconds = parse_retry_after(headers, NOW)
    assert seconds is None or 0 <= seconds < float("inf")


# Errors


def test_error_has_code_message_fields_and_details() -> None:
    body = {
        "code": "409001",
        "message": "the connection is in use",
        "fields": [{"field": "a.b[0].c", "message": "is odd"}, {"field": "d", "message": "is missing"}],
        "details": "used by Customer 1",
    }
    error = error_from(DELETE, response_with(409, body, retry_after="3"))
    assert type(error) is ApiError
    assert error.documented
    assert (error.status, error.code, error.message) == (409, "409001", "the connection is in use")
    assert error.fields == (FieldError("a.b[0].c", "is odd"), FieldError("d", "is missing"))
    assert (error.details, error.retry_after) == ("used by Customer 1", 3)
    assert (error.method, error.path) == ("DELETE", f"/o/{ORG}/connections/{FIRST}")
    for part in ("HTTP 409", "409001", "a.b[0].c: is odd", "d: is missing", "used by Customer 1", "DELETE /o/"):
        assert part in str(error)


def test_error_without_optional_parts_is_documented() -> None:
    error = error_from(DELETE, response_with(500, {"code": "500000", "message": "it did not work"}))
    assert error.documented
    assert (error.fields, error.details, error.retry_after) == ((), "", None)


@pytest.mark.parametrize(
    ("status", "error_type"), [(401, UnauthorisedError), (403, ForbiddenError), (404, NotFoundError)]
)
@pytest.mark.parametrize("body", [{"code": "1", "message": "no"}, "<html></html>"])
def test_401_403_and_404_have_their_own_classes_even_from_a_gateway(status: int, error_type: type, body: Any) -> None:
    error = error_from(DELETE, response_with(status, body))
    assert type(error) is error_type
    assert error.documented is isinstance(body, dict)


def test_numeric_code_becomes_text() -> None:
    error = error_from(DELETE, response_with(500, {"code": 500000, "message": "it did not work"}))
    assert error.documented
    assert error.code == "500000"


def test_error_with_an_empty_message_says_so() -> None:
    assert (
        error_from(DELETE, response_with(500, {"code": "1", "message": ""})).message == "The platform gave no message."
    )


def test_unknown_parts_of_an_error_are_ignored() -> None:
    assert error_from(DELETE, response_with(500, {"code": "1", "message": "m", "trace": {"id": [1]}})).documented


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        (None, ()),
        ("text", ()),
        (5, ()),
        ({"field": "a", "message": "b"}, ()),
        ([None, 1, "x", ["y"]], ()),
        ([{"field": "a"}], (("a", ""),)),
        ([{"message": "b"}], (("", "b"),)),
        ([{"field": 1, "message": None}], (("1", "None"),)),
        ([None, {"field": "a", "message": "b", "new": 1}], (("a", "b"),)),
        ([{"field": "a\x1b[31m", "message": "b\u202e\nc"}], ((r"a\x1b[31m", r"b\u202e c"),)),
    ],
)
def test_malformed_fields_do_not_lose_the_message(fields: Any, expected: tuple[tuple[str, str], ...]) -> None:
    error = error_from(DELETE, response_with(400, {"code": "1", "message": "m", "fields": fields}))
    assert error.documented
    assert error.message == "m"
    assert error.fields == expected


@pytest.mark.parametrize(("details", "expected"), [(None, ""), (5, "5"), (["a"], "['a']"), ({"a": 1}, "{'a': 1}")])
def test_details_that_are_not_text_are_converted(details: Any, expected: str) -> None:
    assert error_from(DELETE, response_with(400, {"code": "1", "message": "m", "details": details})).details == expected


def test_only_the_first_fifty_fields_are_kept() -> None:
    fields = [{"field": str(n), "message": "m"} for n in range(1_000)]
    assert len(error_from(DELETE, response_with(400, {"code": "1", "message": "m", "fields": fields})).fields) == 50


HTML = "<html><head><title>502 Bad\nGateway</title></head><body>nginx</body></html>"


@pytest.mark.parametrize(
    "body",
    [
        b"",
        HTML,
        "upstream connect error",
        '{"code": "1", "message": "m"',
        '["code", "message"]',
        "null",
        "5",
        '"text"',
        {"message": "no Route matched"},
        {"code": "1"},
        {"code": None, "message": "m"},
        {"code": "1", "message": None},
        {"code": "1", "message": ["m"]},
        {"error": {"code": 1, "message": "m"}},
        b'{"code": "1", "message": "\xff\xfe"}',
        b"\x00\x01\x02",
        b"[" * 100_000,
    ],
)
def test_body_that_is_not_the_documented_error_is_recognised(body: Any) -> None:
    error = error_from(DELETE, response_with(502, body, content_type="text/html; charset=utf-8"))
    assert not error.documented
    assert error.code is None
    assert "HTTP 502" in error.message
    assert "not the documented Error" in error.message
    assert "text/html" in error.message
    assert len(str(error)) < 1_500


def test_page_of_a_gateway_is_described_by_its_title_and_size() -> None:
    error = error_from(DELETE, response_with(502, HTML, content_type="text/html; charset=utf-8"))
    assert f"text/html, {len(HTML)} bytes, '502 Bad Gateway'" in error.message
    assert "<" not in error.message


def test_message_of_five_megabytes_is_cut_and_its_length_shown() -> None:
    error = error_from(DELETE, response_with(500, {"code": "1", "message": "m" * 5_000_000}))
    assert error.documented
    assert len(error.message) < protocol.TEXT_LIMIT + 50
    assert error.message.endswith("… (5,000,000 characters)")
    assert "(5,000,000 characters)" in str(error)
    assert len(str(error)) < 1_000


def test_undocumented_body_of_five_megabytes_is_described_by_its_size() -> None:
    error = error_from(DELETE, response_with(500, b"\x00" * 5_000_000))
    assert "5,000,000 bytes" in error.message
    assert len(str(error)) < 2_000


@pytest.mark.parametrize("status", [200, 201, 202, 299])
def test_error_body_with_a_status_below_400_is_not_documented(status: int) -> None:
    error = error_from(DELETE, response_with(status, {"code": "1", "message": "m"}))
    assert not error.documented
    assert error.status == status


@pytest.mark.parametrize("status", [300, 301, 302, 303, 304, 307, 308, 399])
def test_redirect_names_its_target_without_credentials_and_query(status: int) -> None:
    location = "https://user:pass@login.example/sign-in?token=abc"
    error = error_from(DELETE, response_with(status, {"code": "1", "message": "m"}, location=location))
    assert not error.documented
    assert "https://login.example/sign-in;" in error.message
    assert "never followed" in error.message
    for hidden in ("user", "pass", "token", "abc"):
        assert hidden not in str(error)


def test_redirect_without_a_location_is_reported() -> None:
    assert "a redirect without a location" in error_from(DELETE, response_with(302, b"")).message


def test_terminal_codes_in_a_message_are_escaped() -> None:
    error = error_from(
        DELETE, response_with(500, {"code": "\x1b[2J", "message": "a\x1b[31mb\u202ec", "details": "\x07"})
    )
    assert error.message == r"a\x1b[31mb\u202ec"
    assert str(error).replace("\n", "").isprintable()


@settings(deadline=None)
@given(st.binary(max_size=200), st.integers(100, 599))
def test_reading_an_error_never_fails(body: bytes, status: int) -> None:
    error = error_from(DELETE, ApiResponse(status, {}, body))
    assert error.status == status
    assert str(error).replace("\n", "").isprintable()


ANY_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["code", "message", "fields", "details", "field", "items", "next", "id"]), inner
        )
    ),
    max_leaves=10,
)


@settings(deadline=None)
@given(ANY_JSON, st.sampled_from([400, 404, 409, 500, 503]))
def test_error_is_documented_if_it_has_code_and_message(body: Any, status: int) -> None:
    raw = json.dumps(body)
    error = error_from(DELETE, response_with(status, raw))
    is_documented_error = (
        isinstance(body, dict)
        and isinstance(body.get("message"), str)
        and isinstance(body.get("code"), str | int)
        and not isinstance(body.get("code"), bool)
    )
    # JSON has no NaN and no infinity, and no half of a surrogate pair.
    assert error.documented is is_documented_error or "NaN" in raw or "Infinity" in raw or "\\ud" in raw
    assert len(error.lines()) <= 3


# Responses to reads


def test_page_of_connections_is_decoded() -> None:
    body = {
        "totalCount": 1,
        "next": "c",
        "prev": "",
        "items": [
            {
                "id": FIRST,
                "name": "shop",
                "baseUrl": "https://x",
                "systemId": SECOND,
                "connectionTemplateId": SECOND,
                "createdAt": "0001-01-01T00:00:00Z",
                "updatedAt": "2023-11-05T23:59:59.123456789Z",
                "credentials": [
                    {
                        "id": SECOND,
                        "authSchemeConfig": {"type": "oauth2"},
                        "credential": {"type": "string", "errors": []},
                    }
                ],
            }
        ],
    }
    page = decode_response(LIST, response_with(200, body), Connections)
    assert (page.total_count, page.next) == (1, "c")
    (connection,) = page.items or ()
    assert (connection.id, connection.name, connection.base_url) == (FIRST, "shop", "https://x")
    assert (connection.system_id, connection.connection_template_id) == (SECOND, SECOND)
    assert (connection.created_at, connection.updated_at) == ("0001-01-01T00:00:00Z", "2023-11-05T23:59:59.123456789Z")
    (credential,) = connection.credentials or ()
    assert credential
    assert credential.auth_scheme_config
    assert credential.auth_scheme_config.type == "oauth2"
    assert credential.credential
    assert (credential.credential.type, credential.credential.errors) == ("string", ())


def test_missing_null_and_unknown_values_are_accepted() -> None:
    new = {"type": "a-new-one", "new": 1}
    items = [
        {"id": FIRST},
        {"id": SECOND, "name": None, "baseUrl": None, "systemId": None, "credentials": None, "createdAt": None},
        {"id": ORG, "credentials": [None, {}, {"authSchemeConfig": None, "credential": None}], "new": {"x": [1]}},
        {"id": ORG, "credentials": [{"authSchemeConfig": new, "credential": new}]},
    ]
    page = decode_response(LIST, response_with(200, {"items": items, "new": True}), Connections)
    assert [item.id for item in page.items or ()] == [FIRST, SECOND, ORG, ORG]
    last = (page.items or ())[3].credentials
    assert last
    assert last[0]
    assert last[0].credential
    assert last[0].credential.type == "a-new-one"
    environment = decode_response(GET, response_with(200, {"id": FIRST, "status": "a-new-one"}), models.Environment)
    assert environment.status == "a-new-one"


def test_credential_data_is_never_kept() -> None:
    credential = {"type": "string", "data": DATA, "errors": []}
    body = {"id": FIRST, "name": "shop", "credentials": [{"credential": credential, "data": DATA}], "data": DATA}
    response = response_with(200, body)
    assert DATA.encode() in response.body
    connection = decode_response(GET, response, models.Connection)
    page = decode_response(LIST, response_with(200, {"items": [body]}), Connections)
    for value in (connection, page, msgspec.to_builtins(page), response):
        assert DATA not in repr(value) + str(value)


@pytest.mark.parametrize(
    "body",
    [
        '{"credentials":[{"credential":{"data":"DATA"}}]}',
        '{"data":"DATA"',
        '[{"data":"DATA"}]',
        ' \n{"data":"DATA"}',
        '\ufeff{"data":"DATA"}',
    ],
)
def test_undecodable_response_does_not_quote_credential_data(body: str) -> None:
    body = body.replace("DATA", DATA)
    with pytest.raises(ApiError) as caught:
        decode_response(GET, response_with(200, body), models.Connection)
    assert DATA not in str(caught.value) + repr(caught.value)
    assert f"{len(body.encode())} bytes" in str(caught.value)


@pytest.mark.parametrize(
    ("body", "body_type"),
    [
        ("", Connections),
        (HTML, Connections),
        ("<!doctype html><title>Sign in</title>", Connections),
        ('{"items": [', Connections),
        ("[]", Connections),
        ("null", Connections),
        ({"items": {}}, Connections),
        ({"items": [None]}, Connections),
        ({"items": [{"name": "without an id"}]}, Connections),
        ({"items": [{"id": None}]}, Connections),
        ({"items": [{"id": 5}]}, Connections),
        ({"totalCount": "3", "items": []}, Connections),
        ({"totalCount": 3.5, "items": []}, Connections),
        ({"next": 5, "items": []}, Connections),
        ({}, models.Connection),
        ({"items": []}, list[models.Activation]),
        (b'{"id": "\xff"}', models.Connection),
        (b"[" * 100_000, Connections),
    ],
)
def test_undocumented_body_with_status_200_is_an_error_and_not_an_empty_list(body: Any, body_type: Any) -> None:
    with pytest.raises(ApiError, match="answered 200, but the body is not the documented one") as caught:
        decode_response(LIST, response_with(200, body, content_type="text/html"), body_type)
    assert caught.value.status == 200
    assert not caught.value.documented
    assert caught.value.__context__ is None
    assert caught.value.__cause__ is None
    assert "proxy or login page" in caught.value.hint


def test_login_page_is_described_by_its_title() -> None:
    with pytest.raises(ApiError, match="'Sign in'"):
        decode_response(
            LIST, response_with(200, "<!doctype html><title>Sign in</title>", content_type="text/html"), Connections
        )


@pytest.mark.parametrize("status", [201, 202, 204, 206, 301, 304, 400, 401, 403, 404, 429, 500, 503])
def test_read_accepts_only_status_200(status: int) -> None:
    with pytest.raises(ApiError) as caught:
        decode_response(LIST, response_with(status, {"items": []}), Connections)
    assert caught.value.status == status


@pytest.mark.parametrize("status", [200, 201, 202, 205, 299, 301, 404, 500])
def test_delete_accepts_only_status_204(status: int) -> None:
    raise_unless_deleted(DELETE, response_with(204, b""))
    with pytest.raises(ApiError) as caught:
        raise_unless_deleted(DELETE, response_with(status, b""))
    assert caught.value.status == status


@settings(deadline=None)
@given(st.binary(max_size=100) | ANY_JSON.map(lambda value: json.dumps(value).encode()))
def test_read_returns_the_documented_body_or_raises_our_error(body: bytes) -> None:
    for body_type in (Connections, models.Connection, models.Projects, list[models.Activation], models.EndUserPage):
        try:
            decode_response(LIST, ApiResponse(200, {}, body), body_type)  # type: ignore[arg-type]
        except VersoriError as error:
            assert error.__context__ is None  # noqa: PT017 - decoding and failing are both right
