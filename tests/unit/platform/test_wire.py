import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from versori_magics.errors import (
    ApiError,
    ForbiddenError,
    NotFoundError,
    PlatformError,
    UnauthorisedError,
    VersoriError,
)
from versori_magics.platform import models, wire
from versori_magics.platform.wire import Answer, Call, check_deleted, decode, error_of, retry_after

ORG = "01ARZ3NDEKTSV4RRFFQ69G5FAV"
ONE = "01BX5ZZKBKACTAV9WEVGEMMVRZ"
TWO = "01BX5ZZKBKACTAV9WEVGEMMVS0"
DATA = "S3CR3T-CREDENTIAL-DATA"
DELETE = wire.delete_connection(ORG, ONE)
GET = wire.get_connection(ORG, ONE)
LIST = wire.list_connections(ORG)
Connections = models.Page[models.Connection]


def said(status: int, body: Any, **headers: str) -> Answer:
    """Make an answer; a str or bytes is the body as it stands, everything else becomes JSON."""
    raw = body if isinstance(body, bytes) else body.encode() if isinstance(body, str) else json.dumps(body).encode()
    return Answer(status, {name.replace("_", "-"): value for name, value in headers.items()}, raw)


# Requests


@pytest.mark.parametrize(
    ("call", "method", "path", "query"),
    [
        (wire.list_connections(ORG), "GET", f"/o/{ORG}/connections", {}),
        (
            wire.list_connections(ORG, first="1000", after="c", system_id=ONE, end_user_id=TWO),
            "GET",
            f"/o/{ORG}/connections",
            {"first": "1000", "after": "c", "system_id": ONE, "end_user_id": TWO},
        ),
        (wire.get_connection(ORG, ONE), "GET", f"/o/{ORG}/connections/{ONE}", {}),
        (wire.delete_connection(ORG, ONE), "DELETE", f"/o/{ORG}/connections/{ONE}", {}),
        (wire.list_projects(ORG), "GET", f"/o/{ORG}/projects", {}),
        (
            wire.list_environment_connections(ORG, ONE, TWO, after="c"),
            "GET",
            f"/o/{ORG}/projects/{ONE}/connections",
            {"env_id": TWO, "after": "c"},
        ),
        (wire.list_activations(ORG, ONE), "GET", f"/o/{ORG}/environments/{ONE}/activations", {}),
        (wire.list_systems(ORG, search="shop"), "GET", f"/o/{ORG}/systems", {"search": "shop"}),
        (wire.list_end_users(ORG, search="who"), "GET", f"/o/{ORG}/users", {"search": "who"}),
        (wire.delete_connection(ORG.lower(), ONE.lower()), "DELETE", f"/o/{ORG}/connections/{ONE}", {}),
    ],
)
def test_each_call_is_the_documented_request(call: Call, method: str, path: str, query: dict[str, str]) -> None:
    assert (call.method, call.path, dict(call.query)) == (method, path, query)


@pytest.mark.parametrize(
    "bad", ["", "../../projects/x", f"{ONE} --yes", f"{ONE}\n", f"{ONE}/link", ONE[:-1], "Z" * 26, "\u0660" * 26]
)
@pytest.mark.parametrize(
    "make",
    [
        wire.list_connections,
        lambda bad: wire.get_connection(ORG, bad),
        lambda bad: wire.get_connection(bad, ONE),
        lambda bad: wire.delete_connection(ORG, bad),
        lambda bad: wire.delete_connection(bad, ONE),
        wire.list_projects,
        lambda bad: wire.list_environment_connections(ORG, bad, ONE),
        lambda bad: wire.list_environment_connections(ORG, ONE, bad),
        lambda bad: wire.list_environment_connections(bad, ONE, TWO),
        lambda bad: wire.list_activations(ORG, bad),
        lambda bad: wire.list_activations(bad, ONE),
        wire.list_systems,
        wire.list_end_users,
    ],
)
def test_what_is_no_ulid_never_gets_into_a_path(make: Callable[[str], Call], bad: str) -> None:
    with pytest.raises(PlatformError, match="no ULID, so no request is made"):
        make(bad)


@pytest.mark.parametrize("bad", [None, 5, 5.0, ONE.encode()])
def test_an_id_that_is_no_text_is_refused_too(bad: Any) -> None:
    with pytest.raises(PlatformError, match="no ULID"):
        wire.delete_connection(ORG, bad)


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
def test_retry_after_is_read_as_seconds_or_as_a_date_by_the_servers_own_clock(
    headers: dict[str, str], seconds: float | None
) -> None:
    assert retry_after(headers, NOW) == seconds


def test_without_a_date_of_the_server_our_own_clock_is_asked() -> None:
    found = retry_after({"retry-after": "Fri, 31 Dec 9999 23:59:59 GMT"})
    assert found is not None
    assert found == pytest.approx((datetime(9999, 12, 31, tzinfo=UTC) - datetime.now(UTC)).total_seconds(), rel=0.01)


@given(st.dictionaries(st.sampled_from(["retry-after", "date"]), st.text(max_size=40)))
def test_no_header_makes_the_reading_fail_and_no_wait_is_negative(headers: dict[str, str]) -> None:
    found = retry_after(headers, NOW)
    assert found is None or 0 <= found < float("inf")


# Errors


def test_a_full_error_keeps_code_message_fields_and_details() -> None:
    body = {
        "code": "409001",
        "message": "the connection is in use",
        "fields": [{"field": "a.b[0].c", "message": "is odd"}, {"field": "d", "message": "is missing"}],
        "details": "used by Customer 1",
    }
    error = error_of(DELETE, said(409, body, retry_after="3"))
    assert type(error) is ApiError
    assert error.documented
    assert (error.status, error.code, error.message) == (409, "409001", "the connection is in use")
    assert error.fields == (("a.b[0].c", "is odd"), ("d", "is missing"))
    assert (error.details, error.retry_after) == ("used by Customer 1", 3)
    assert (error.method, error.path) == ("DELETE", f"/o/{ORG}/connections/{ONE}")
    for part in ("HTTP 409", "409001", "a.b[0].c: is odd", "d: is missing", "used by Customer 1", "DELETE /o/"):
        assert part in str(error)


def test_an_error_without_its_optional_parts_is_the_documented_one() -> None:
    error = error_of(DELETE, said(500, {"code": "500000", "message": "it did not work"}))
    assert error.documented
    assert (error.fields, error.details, error.retry_after) == ((), "", None)


@pytest.mark.parametrize(("status", "kind"), [(401, UnauthorisedError), (403, ForbiddenError), (404, NotFoundError)])
@pytest.mark.parametrize("body", [{"code": "1", "message": "no"}, "<html></html>"])
def test_401_403_and_404_have_a_class_each_whoever_says_it(status: int, kind: type, body: Any) -> None:
    error = error_of(DELETE, said(status, body))
    assert type(error) is kind
    assert error.documented is isinstance(body, dict)


def test_a_code_that_is_a_number_is_text_here() -> None:
    error = error_of(DELETE, said(500, {"code": 500000, "message": "it did not work"}))
    assert error.documented
    assert error.code == "500000"


def test_an_error_with_an_empty_message_says_so() -> None:
    assert error_of(DELETE, said(500, {"code": "1", "message": ""})).message == "The platform gave no message."


def test_new_parts_of_an_error_do_no_harm() -> None:
    assert error_of(DELETE, said(500, {"code": "1", "message": "m", "trace": {"id": [1]}})).documented


@pytest.mark.parametrize(
    ("fields", "kept"),
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
def test_malformed_fields_do_not_cost_the_message(fields: Any, kept: tuple[tuple[str, str], ...]) -> None:
    error = error_of(DELETE, said(400, {"code": "1", "message": "m", "fields": fields}))
    assert error.documented
    assert error.message == "m"
    assert error.fields == kept


@pytest.mark.parametrize(("details", "kept"), [(None, ""), (5, "5"), (["a"], "['a']"), ({"a": 1}, "{'a': 1}")])
def test_details_that_are_no_text_are_shown_as_they_are(details: Any, kept: str) -> None:
    assert error_of(DELETE, said(400, {"code": "1", "message": "m", "details": details})).details == kept


def test_of_very_many_fields_fifty_are_kept() -> None:
    fields = [{"field": str(n), "message": "m"} for n in range(1_000)]
    assert len(error_of(DELETE, said(400, {"code": "1", "message": "m", "fields": fields})).fields) == 50


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
def test_what_is_not_the_error_of_the_reference_is_not_documented(body: Any) -> None:
    error = error_of(DELETE, said(502, body, content_type="text/html; charset=utf-8"))
    assert not error.documented
    assert error.code is None
    assert "HTTP 502" in error.message
    assert "not the platform's Error" in error.message
    assert "text/html" in error.message
    assert len(str(error)) < 1_500


def test_a_gateways_page_is_told_by_its_title_and_size() -> None:
    error = error_of(DELETE, said(502, HTML, content_type="text/html; charset=utf-8"))
    assert f"text/html, {len(HTML)} bytes, '502 Bad Gateway'" in error.message
    assert "<" not in error.message


def test_a_message_of_five_megabytes_is_cut_and_its_length_said() -> None:
    error = error_of(DELETE, said(500, {"code": "1", "message": "m" * 5_000_000}))
    assert error.documented
    assert len(error.message) < wire.TEXT_LIMIT + 50
    assert error.message.endswith("… (5,000,000 characters)")
    assert "(5,000,000 characters)" in str(error)
    assert len(str(error)) < 1_000


def test_a_page_of_five_megabytes_that_is_no_error_is_named_by_size() -> None:
    error = error_of(DELETE, said(500, b"\x00" * 5_000_000))
    assert "5,000,000 bytes" in error.message
    assert len(str(error)) < 2_000


@pytest.mark.parametrize("status", [200, 201, 202, 299])
def test_an_error_body_below_400_is_not_the_documented_error(status: int) -> None:
    error = error_of(DELETE, said(status, {"code": "1", "message": "m"}))
    assert not error.documented
    assert error.status == status


@pytest.mark.parametrize("status", [300, 301, 302, 303, 304, 307, 308, 399])
def test_a_redirect_says_where_to_without_credentials_and_query(status: int) -> None:
    location = "https://user:pass@login.example/sign-in?token=abc"
    error = error_of(DELETE, said(status, {"code": "1", "message": "m"}, location=location))
    assert not error.documented
    assert "https://login.example/sign-in;" in error.message
    assert "never followed" in error.message
    for hidden in ("user", "pass", "token", "abc"):
        assert hidden not in str(error)


def test_a_redirect_to_nowhere_is_told_too() -> None:
    assert "a redirect to nowhere" in error_of(DELETE, said(302, b"")).message


def test_a_message_that_steers_a_terminal_is_written_out() -> None:
    error = error_of(DELETE, said(500, {"code": "\x1b[2J", "message": "a\x1b[31mb\u202ec", "details": "\x07"}))
    assert error.message == r"a\x1b[31mb\u202ec"
    assert str(error).replace("\n", "").isprintable()


@settings(deadline=None)
@given(st.binary(max_size=200), st.integers(100, 599))
def test_no_body_makes_the_reading_of_an_error_fail(body: bytes, status: int) -> None:
    error = error_of(DELETE, Answer(status, {}, body))
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
def test_an_error_is_documented_exactly_when_code_and_message_are_there(body: Any, status: int) -> None:
    raw = json.dumps(body)
    error = error_of(DELETE, said(status, raw))
    fits = (
        isinstance(body, dict)
        and isinstance(body.get("message"), str)
        and isinstance(body.get("code"), str | int)
        and not isinstance(body.get("code"), bool)
    )
    # JSON has no NaN and no infinity, and no half of a surrogate pair.
    assert error.documented is fits or "NaN" in raw or "Infinity" in raw or "\\ud" in raw
    assert len(error.lines()) <= 3


# Answers to reads


def test_a_page_is_read_with_what_is_there() -> None:
    body = {
        "totalCount": 1,
        "next": "c",
        "prev": "",
        "items": [
            {
                "id": ONE,
                "name": "shop",
                "baseUrl": "https://x",
                "systemId": TWO,
                "connectionTemplateId": TWO,
                "createdAt": "0001-01-01T00:00:00Z",
                "updatedAt": "2023-11-05T23:59:59.123456789Z",
                "credentials": [
                    {"id": TWO, "authSchemeConfig": {"type": "oauth2"}, "credential": {"type": "string", "errors": []}}
                ],
            }
        ],
    }
    page = decode(LIST, said(200, body), Connections)
    assert (page.total_count, page.next) == (1, "c")
    (found,) = page.items or ()
    assert (found.id, found.name, found.base_url) == (ONE, "shop", "https://x")
    assert (found.system_id, found.connection_template_id) == (TWO, TWO)
    assert (found.created_at, found.updated_at) == ("0001-01-01T00:00:00Z", "2023-11-05T23:59:59.123456789Z")
    (credential,) = found.credentials or ()
    assert credential
    assert credential.auth_scheme_config
    assert credential.auth_scheme_config.type == "oauth2"
    assert credential.credential
    assert (credential.credential.type, credential.credential.errors) == ("string", ())


def test_errors_of_a_credential_tell_never_validated_from_valid() -> None:
    body = {"id": ONE, "credentials": [{"credential": {}}, {"credential": {"errors": []}}]}
    found = decode(GET, said(200, body), models.Connection)
    never, valid = (one.credential.errors for one in found.credentials or () if one and one.credential)
    assert never is msgspec.UNSET
    assert valid == ()


def test_missing_null_new_and_unknown_values_do_not_cost_the_page() -> None:
    new = {"type": "a-new-one", "new": 1}
    items = [
        {"id": ONE},
        {"id": TWO, "name": None, "baseUrl": None, "systemId": None, "credentials": None, "createdAt": None},
        {"id": ORG, "credentials": [None, {}, {"authSchemeConfig": None, "credential": None}], "new": {"x": [1]}},
        {"id": ORG, "credentials": [{"authSchemeConfig": new, "credential": new}]},
    ]
    page = decode(LIST, said(200, {"items": items, "new": True}), Connections)
    assert [item.id for item in page.items or ()] == [ONE, TWO, ORG, ORG]
    last = (page.items or ())[3].credentials
    assert last
    assert last[0]
    assert last[0].credential
    assert last[0].credential.type == "a-new-one"
    environment = decode(GET, said(200, {"id": ONE, "status": "a-new-one"}), models.Environment)
    assert environment.status == "a-new-one"


def test_credential_data_is_not_even_decoded() -> None:
    credential = {"type": "string", "data": DATA, "errors": []}
    body = {"id": ONE, "name": "shop", "credentials": [{"credential": credential, "data": DATA}], "data": DATA}
    answer = said(200, body)
    assert DATA.encode() in answer.body
    found = decode(GET, answer, models.Connection)
    page = decode(LIST, said(200, {"items": [body]}), Connections)
    for shown in (repr(found), str(found), repr(page), str(msgspec.to_builtins(page)), repr(answer), str(answer)):
        assert DATA not in shown


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
def test_credential_data_of_an_answer_that_cannot_be_read_is_not_quoted(body: str) -> None:
    body = body.replace("DATA", DATA)
    with pytest.raises(ApiError) as caught:
        decode(GET, said(200, body), models.Connection)
    assert DATA not in str(caught.value) + repr(caught.value)
    assert f"{len(body.encode())} bytes" in str(caught.value)


@pytest.mark.parametrize(
    ("body", "kind"),
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
def test_a_200_that_is_not_the_documented_answer_is_an_error_and_not_an_empty_list(body: Any, kind: Any) -> None:
    with pytest.raises(ApiError, match="answered 200 with something that is not the documented answer") as caught:
        decode(LIST, said(200, body, content_type="text/html"), kind)
    assert caught.value.status == 200
    assert not caught.value.documented
    assert caught.value.__context__ is None
    assert caught.value.__cause__ is None
    assert "proxy or login page" in caught.value.hint


def test_a_login_page_is_told_by_its_title() -> None:
    with pytest.raises(ApiError, match="'Sign in'"):
        decode(LIST, said(200, "<!doctype html><title>Sign in</title>", content_type="text/html"), Connections)


@pytest.mark.parametrize("status", [201, 202, 204, 206, 301, 304, 400, 401, 403, 404, 429, 500, 503])
def test_a_read_takes_200_and_nothing_else(status: int) -> None:
    with pytest.raises(ApiError) as caught:
        decode(LIST, said(status, {"items": []}), Connections)
    assert caught.value.status == status


@pytest.mark.parametrize("status", [200, 201, 202, 205, 299, 301, 404, 500])
def test_a_delete_takes_204_and_nothing_else(status: int) -> None:
    check_deleted(DELETE, said(204, b""))
    with pytest.raises(ApiError) as caught:
        check_deleted(DELETE, said(status, b""))
    assert caught.value.status == status


@settings(deadline=None)
@given(st.binary(max_size=100) | ANY_JSON.map(lambda value: json.dumps(value).encode()))
def test_a_read_ends_with_the_documented_answer_or_our_error(body: bytes) -> None:
    for kind in (Connections, models.Connection, models.Projects, list[models.Activation], models.EndUserPage):
        try:
            decode(LIST, Answer(200, {}, body), kind)  # type: ignore[arg-type]
        except VersoriError as error:
            assert error.__context__ is None  # noqa: PT017 - both ends are right
