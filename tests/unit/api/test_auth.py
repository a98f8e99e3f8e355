import base64
import copy
import json
import pickle
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import jwt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.hostile_platform import HostilePlatform

from versori_magics.api.auth import (
    MASK,
    AuthScheme,
    Secret,
    choose_scheme,
    http_auth,
    jwt_claims,
    parse_auth_scheme,
    parse_token,
    token_expiry,
)
from versori_magics.api.client import Client
from versori_magics.errors import SettingsError

VALUE = "s3cr3t-value-of-a-test"
KEY = "a key that is long enough for HMAC, 32 bytes and more"


def token_with(**payload: Any) -> str:
    return jwt.encode(payload, KEY, algorithm="HS256")


SIGNING_KEY = token_with(iss="https://versori.com/sk/01ARZ3NDEKTSV4RRFFQ69G5FAV", iat=1_700_000_000, exp=1_900_000_000)
ID_TOKEN = token_with(iss="https://login.example.com/", exp=1_900_000_000)


def raw_jwt(header: object, payload: object) -> str:
    parts = [base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=").decode() for part in (header, payload)]
    return ".".join([*parts, "c2lnbmF0dXJl"])


# Secret


@pytest.mark.parametrize(
    "show",
    [
        repr,
        str,
        ascii,
        format,
        lambda secret: f"{secret}",
        lambda secret: f"{secret!r:>20}",
        lambda secret: f"{secret:<40}",
        lambda secret: "%s %r" % (secret, secret),  # noqa: UP031 - the old way must not show it either
        "{}".format,
        lambda secret: repr([secret, {"token": secret}]),
        lambda secret: "\n".join(
            traceback.TracebackException.from_exception(_error_beside(secret), capture_locals=True).format()
        ),
    ],
)
def test_secret_is_shown_as_three_stars(show: Callable[[Secret], str]) -> None:
    text = show(Secret(VALUE))
    assert MASK in text
    assert VALUE not in text


def _error_beside(secret: Secret) -> Exception:
    try:
        raise ValueError(f"beside {secret}")  # noqa: TRY301 - for its traceback
    except ValueError as error:
        return error


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_secret_cannot_be_pickled(protocol: int) -> None:
    with pytest.raises(TypeError, match="cannot be pickled"):
        pickle.dumps(Secret(VALUE), protocol)


def test_secret_cannot_be_copied_and_its_deep_copy_is_itself() -> None:
    secret = Secret(VALUE)
    with pytest.raises(TypeError, match="cannot be pickled"):
        copy.copy(secret)
    assert copy.deepcopy({"token": [secret]})["token"][0] is secret


def test_secret_has_no_dict_that_would_show_its_value() -> None:
    assert not hasattr(Secret(VALUE), "__dict__")


def test_secrets_are_compared_by_value_but_never_equal_a_text() -> None:
    assert Secret(VALUE) == Secret(VALUE)
    assert hash(Secret(VALUE)) == hash(Secret(VALUE))
    assert Secret(VALUE) != Secret(VALUE + "x")
    assert Secret(VALUE) != VALUE
    assert Secret(VALUE).reveal() == VALUE
    assert Secret(VALUE)
    assert not Secret("")
    assert not Secret(" \n")


# Valid tokens


@pytest.mark.parametrize("given_as", [str, Secret])
def test_blanks_around_a_token_are_ignored(given_as: type) -> None:
    assert parse_token(given_as(f" \t{VALUE}\r\n")).reveal() == VALUE


@pytest.mark.parametrize(
    ("token", "reason"),
    [
        (f"{VALUE} and more", "blanks"),
        (f"{VALUE}\tmore", "blanks"),
        (f"{VALUE}\r\nX-Evil: 1", "line breaks"),
        (f"{VALUE}\nX-Evil: 1", "line breaks"),
        (f"{VALUE}\x00", "characters"),
        (f"{VALUE}\x7f", "characters"),
        (f"{VALUE}é", "ASCII"),
        (f"{VALUE}\u200b", "characters"),
        (f"{VALUE}\u2028x", "characters"),
        (f"Bearer {VALUE}", "the word Bearer or JWT"),
        (f"bearer\t{VALUE}", "the word Bearer or JWT"),
        (f"JWT {VALUE}", "the word Bearer or JWT"),
    ],
)
@pytest.mark.parametrize("given_as", [str, Secret])
def test_token_that_cannot_be_sent_in_a_header_is_rejected_without_being_shown(
    token: str, reason: str, given_as: type[str] | type[Secret]
) -> None:
    with pytest.raises(SettingsError) as caught:
        parse_token(given_as(token))
    text = "\n".join([str(caught.value), repr(caught.value), *caught.value.lines(), *caught.value._render_traceback_()])
    assert reason in text
    assert VALUE not in text
    assert caught.value.__context__ is None


def test_rejected_token_is_not_in_the_local_variables_of_a_traceback() -> None:
    with pytest.raises(SettingsError) as caught:
        parse_token(Secret(f"{VALUE} and more"))
    captured = traceback.TracebackException.from_exception(caught.value, capture_locals=True)
    frames = [frame for frame in captured.stack if frame.filename.endswith("/api/auth.py")]
    assert frames
    assert VALUE not in "".join(str(frame.locals) for frame in frames)


@pytest.mark.parametrize("token", [VALUE.encode(), [VALUE], {"token": VALUE}, 12345678, Path(VALUE)])
@pytest.mark.parametrize("given_as", [lambda token: token, Secret])
def test_token_that_is_not_text_is_rejected_without_being_shown(
    token: object, given_as: Callable[[object], object]
) -> None:
    with pytest.raises(SettingsError, match=f"must be text, but its type is {type(token).__name__}") as caught:
        parse_token(given_as(token))
    captured = traceback.TracebackException.from_exception(caught.value, capture_locals=True)
    frames = [frame for frame in captured.stack if frame.filename.endswith("/api/auth.py")]
    assert frames
    assert VALUE not in "".join(str(frame.locals) for frame in frames) + str(caught.value) + repr(vars(caught.value))


def test_secret_of_something_else_than_text_keeps_only_its_type() -> None:
    secret = Secret([VALUE])
    assert (secret.wrong_type, secret.reveal(), bool(secret)) == ("list", "", True)
    assert secret != Secret("")
    assert Secret.of(secret) is secret


@pytest.mark.parametrize("token", ["", "   ", "\r\n"])
def test_empty_token_is_rejected(token: str) -> None:
    with pytest.raises(SettingsError, match="empty"):
        parse_token(token)


def test_word_bearer_alone_is_a_valid_token() -> None:
    assert parse_token("bearer").reveal() == "bearer"


@given(st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E), min_size=1))
def test_printable_ascii_without_blanks_is_a_valid_token(text: str) -> None:
    assert parse_token(text).reveal() == text


@given(st.text(min_size=1))
def test_every_accepted_token_can_be_sent_in_a_header(text: str) -> None:
    try:
        token = parse_token(text)
    except SettingsError:
        return
    assert all(0x21 <= byte <= 0x7E for byte in token.reveal().encode())


# How a token is sent


@pytest.mark.parametrize(
    ("token", "scheme"),
    [
        (SIGNING_KEY, "jwt"),
        (ID_TOKEN, "bearer"),
        (token_with(iss="https://versori.com.evil.example/sk/x"), "bearer"),
        (token_with(iss="http://versori.com/sk/x"), "bearer"),
        (token_with(sub="nobody"), "bearer"),
        (raw_jwt({"alg": "RS256", "typ": "JWT"}, {"iss": ["https://versori.com/sk/x"]}), "bearer"),
        (raw_jwt({"alg": "RS256", "typ": "JWT"}, {"iss": "https://versori.com/sk/x"}), "jwt"),
        ("opaque-api-key", "bearer"),
        ("two.dots.only", "bearer"),
        ("...", "bearer"),
    ],
)
def test_auto_sends_signing_key_tokens_as_jwt_and_all_others_as_bearer(token: str, scheme: AuthScheme) -> None:
    assert choose_scheme(Secret(token)) == choose_scheme(Secret(token), "auto") == scheme


@pytest.mark.parametrize("scheme", ["bearer", "jwt", "cookie"])
def test_explicit_scheme_is_used_for_every_token(scheme: AuthScheme) -> None:
    assert choose_scheme(Secret(SIGNING_KEY), scheme) == choose_scheme(Secret("opaque"), scheme) == scheme


@pytest.mark.parametrize("setting", ["auto", "bearer", "jwt", "cookie", " JWT ", "Cookie"])
def test_setting_names_one_of_the_four_schemes(setting: str) -> None:
    assert parse_auth_scheme(setting) == setting.strip().lower()


@pytest.mark.parametrize("setting", ["basic", "", "bearer token", "jwt2"])
def test_unknown_scheme_is_rejected_with_a_list_of_the_valid_ones(setting: str) -> None:
    with pytest.raises(SettingsError, match="is not an authentication scheme") as caught:
        parse_auth_scheme(setting)
    assert caught.value.hint == "Use auto, bearer, jwt, cookie."
    assert ("'basic'" in str(caught.value)) is (setting == "basic")


@dataclass
class Case:
    scheme: Any
    token: str
    auth: str
    header: str
    value: str


CASES = [
    Case("bearer", "opaque-api-key", "auto", "authorization", "Bearer opaque-api-key"),
    Case("bearer", ID_TOKEN, "auto", "authorization", f"Bearer {ID_TOKEN}"),
    Case("jwt", SIGNING_KEY, "auto", "authorization", f"JWT {SIGNING_KEY}"),
    Case("jwt", "opaque-api-key", "jwt", "authorization", "JWT opaque-api-key"),
    Case("bearer", SIGNING_KEY, "bearer", "authorization", f"Bearer {SIGNING_KEY}"),
    Case("cookie", "opaque-api-key", "cookie", "cookie", "cookie=opaque-api-key"),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.auth} as {case.scheme}")
def test_token_is_sent_in_exactly_one_header(case: Case) -> None:
    with HostilePlatform(scheme=case.scheme, token=case.token) as platform:
        with Client(platform.url, platform.organisation, case.token, case.auth) as client:
            client.projects()
            assert client.auth == case.scheme
        (request,) = platform.requests
        assert request.answered == 200
        assert request.headers[case.header] == case.value
        assert ("authorization" in request.headers) + ("cookie" in request.headers) == 1
        assert sum(case.token in value for _, value in request.header_lines) == 1
        platform.verify()


def test_auth_object_does_not_show_the_token() -> None:
    auth = http_auth(Secret(VALUE), "bearer")
    assert VALUE not in repr(auth) + str(vars(auth))
    request = httpx.Request("GET", "http://localhost/")
    assert next(auth.auth_flow(request)).headers["Authorization"] == f"Bearer {VALUE}"


# What a token contains


def test_expiry_of_a_jwt_is_read() -> None:
    assert token_expiry(Secret(SIGNING_KEY)) == datetime(2030, 3, 17, 17, 46, 40, tzinfo=UTC)


def test_expiry_of_an_expired_jwt_is_read() -> None:
    assert token_expiry(Secret(token_with(exp=1))) == datetime(1970, 1, 1, 0, 0, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    "exp", [None, True, "1900000000", [], {}, 10**30, -(10**30), 1e308, float("nan"), float("inf"), 10**12]
)
def test_absurd_expiry_is_ignored(exp: object) -> None:
    assert token_expiry(Secret(raw_jwt({"alg": "RS256", "typ": "JWT"}, {"exp": exp}))) is None


@pytest.mark.parametrize("token", ["opaque", "a.b", "a.b.c.d", token_with(iss="x")])
def test_token_without_an_expiry_has_none(token: str) -> None:
    assert token_expiry(Secret(token)) is None


def test_token_that_is_not_a_jwt_has_no_claims() -> None:
    assert (
        jwt_claims(Secret("a.b.c"))
        == jwt_claims(Secret("opaque"))
        == jwt_claims(Secret(raw_jwt({"alg": "none"}, [1])))
        == {}
    )


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["alg", "iss", "exp", "kid", "b64", "crit", "x"]), inner, max_size=4)
    ),
    max_leaves=8,
)


@given(JSON, JSON)
def test_reading_the_claims_never_fails(header: object, payload: object) -> None:
    token = Secret(raw_jwt(header, payload))
    assert choose_scheme(token) in {"bearer", "jwt"}
    assert isinstance(jwt_claims(token), dict)
    assert token_expiry(token) is None or isinstance(token_expiry(token), datetime)
