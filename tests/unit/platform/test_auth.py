import base64
import copy
import json
import pickle
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import httpx
import jwt
import pytest
from faults.hostile import HostilePlatform
from hypothesis import given
from hypothesis import strategies as st

from versori_magics.errors import SettingsError
from versori_magics.platform.auth import MASK, Secret, claims, expiry, http_auth, kind_of, read_token
from versori_magics.platform.client import Client

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
            traceback.TracebackException.from_exception(_raised_beside(secret), capture_locals=True).format()
        ),
    ],
)
def test_a_secret_shows_as_three_stars_and_never_itself(show: Callable[[Secret], str]) -> None:
    shown = show(Secret(VALUE))
    assert MASK in shown
    assert VALUE not in shown


def _raised_beside(secret: Secret) -> Exception:
    try:
        raise ValueError(f"beside {secret}")  # noqa: TRY301 - for its traceback
    except ValueError as error:
        return error


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_a_secret_is_not_pickled(protocol: int) -> None:
    with pytest.raises(TypeError, match="not pickled"):
        pickle.dumps(Secret(VALUE), protocol)


def test_a_secret_is_not_copied_and_a_deep_copy_is_the_same_object() -> None:
    secret = Secret(VALUE)
    with pytest.raises(TypeError, match="not pickled"):
        copy.copy(secret)
    assert copy.deepcopy({"token": [secret]})["token"][0] is secret


def test_a_secret_has_no_dict_that_would_show_it() -> None:
    assert not hasattr(Secret(VALUE), "__dict__")


def test_secrets_compare_by_value_and_never_with_the_text_itself() -> None:
    assert Secret(VALUE) == Secret(VALUE)
    assert hash(Secret(VALUE)) == hash(Secret(VALUE))
    assert Secret(VALUE) != Secret(VALUE + "x")
    assert Secret(VALUE) != VALUE
    assert Secret(VALUE).reveal() == VALUE
    assert Secret(VALUE)
    assert not Secret("")


# What a token may be


@pytest.mark.parametrize("given_as", [str, Secret])
def test_a_token_is_taken_without_the_blanks_around_it(given_as: type) -> None:
    assert read_token(given_as(f" \t{VALUE}\r\n")).reveal() == VALUE


@pytest.mark.parametrize(
    ("token", "said"),
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
def test_a_token_that_no_header_can_carry_is_refused_without_being_shown(
    token: str, said: str, given_as: type[str] | type[Secret]
) -> None:
    with pytest.raises(SettingsError) as caught:
        read_token(given_as(token))
    shown = "\n".join(
        [str(caught.value), repr(caught.value), *caught.value.lines(), *caught.value._render_traceback_()]
    )
    assert said in shown
    assert VALUE not in shown
    assert caught.value.__context__ is None


def test_a_refused_token_is_not_among_the_locals_of_our_frames() -> None:
    with pytest.raises(SettingsError) as caught:
        read_token(Secret(f"{VALUE} and more"))
    found = traceback.TracebackException.from_exception(caught.value, capture_locals=True)
    ours = [frame for frame in found.stack if frame.filename.endswith("auth.py")]
    assert ours
    assert VALUE not in "".join(str(frame.locals) for frame in ours)


@pytest.mark.parametrize("token", ["", "   ", "\r\n"])
def test_an_empty_token_is_refused_by_that_name(token: str) -> None:
    with pytest.raises(SettingsError, match="empty"):
        read_token(token)


def test_a_token_that_is_called_bearer_is_a_token() -> None:
    assert read_token("bearer").reveal() == "bearer"


@given(st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E), min_size=1))
def test_printable_ascii_without_blanks_is_always_a_token(text: str) -> None:
    assert read_token(text).reveal() == text


@given(st.text(min_size=1))
def test_what_is_accepted_can_always_be_sent_as_a_header(text: str) -> None:
    try:
        token = read_token(text)
    except SettingsError:
        return
    assert all(0x21 <= byte <= 0x7E for byte in token.reveal().encode())


# How it is sent


@pytest.mark.parametrize(
    ("token", "kind"),
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
def test_auto_reads_the_issuer_and_sends_everything_else_as_bearer(token: str, kind: str) -> None:
    assert kind_of(Secret(token)) == kind_of(Secret(token), "auto") == kind


@pytest.mark.parametrize("kind", ["bearer", "jwt", "cookie"])
def test_a_kind_that_is_asked_for_is_used_whatever_the_token(kind: str) -> None:
    assert kind_of(Secret(SIGNING_KEY), kind) == kind_of(Secret("opaque"), kind) == kind


@dataclass
class Way:
    scheme: Any
    token: str
    auth: str
    header: str
    value: str


WAYS = [
    Way("bearer", "opaque-api-key", "auto", "authorization", "Bearer opaque-api-key"),
    Way("bearer", ID_TOKEN, "auto", "authorization", f"Bearer {ID_TOKEN}"),
    Way("jwt", SIGNING_KEY, "auto", "authorization", f"JWT {SIGNING_KEY}"),
    Way("jwt", "opaque-api-key", "jwt", "authorization", "JWT opaque-api-key"),
    Way("bearer", SIGNING_KEY, "bearer", "authorization", f"Bearer {SIGNING_KEY}"),
    Way("cookie", "opaque-api-key", "cookie", "cookie", "cookie=opaque-api-key"),
]


@pytest.mark.parametrize("way", WAYS, ids=lambda way: f"{way.auth} as {way.scheme}")
def test_the_platform_gets_the_token_in_the_one_header_that_it_expects(way: Way) -> None:
    with HostilePlatform(scheme=way.scheme, token=way.token) as platform:
        with Client(platform.url, platform.organisation, way.token, way.auth) as client:
            client.projects()
            assert client.auth == way.scheme
        (request,) = platform.requests
        assert request.answered == 200
        assert request.headers[way.header] == way.value
        assert ("authorization" in request.headers) + ("cookie" in request.headers) == 1
        assert sum(way.token in value for _, value in request.header_lines) == 1
        platform.verify()


def test_the_auth_object_itself_does_not_show_the_token() -> None:
    auth = http_auth(Secret(VALUE), "bearer")
    assert VALUE not in repr(auth) + str(vars(auth))
    request = httpx.Request("GET", "http://localhost/")
    assert next(auth.auth_flow(request)).headers["Authorization"] == f"Bearer {VALUE}"


# What a token says of itself


def test_the_expiry_of_a_jwt_is_read() -> None:
    assert expiry(Secret(SIGNING_KEY)) == datetime(2030, 3, 17, 17, 46, 40, tzinfo=UTC)


def test_an_expired_jwt_still_tells_when_that_was() -> None:
    assert expiry(Secret(token_with(exp=1))) == datetime(1970, 1, 1, 0, 0, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    "exp", [None, True, "1900000000", [], {}, 10**30, -(10**30), 1e308, float("nan"), float("inf"), 10**12]
)
def test_an_absurd_expiry_is_none(exp: object) -> None:
    assert expiry(Secret(raw_jwt({"alg": "RS256", "typ": "JWT"}, {"exp": exp}))) is None


@pytest.mark.parametrize("token", ["opaque", "a.b", "a.b.c.d", token_with(iss="x")])
def test_a_token_that_names_no_expiry_has_none(token: str) -> None:
    assert expiry(Secret(token)) is None


def test_the_claims_of_what_is_no_jwt_are_empty() -> None:
    assert claims(Secret("a.b.c")) == claims(Secret("opaque")) == claims(Secret(raw_jwt({"alg": "none"}, [1]))) == {}


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["alg", "iss", "exp", "kid", "b64", "crit", "x"]), inner, max_size=4)
    ),
    max_leaves=8,
)


@given(JSON, JSON)
def test_no_token_whatever_it_holds_makes_the_reading_fail(header: object, payload: object) -> None:
    token = Secret(raw_jwt(header, payload))
    assert kind_of(token) in {"bearer", "jwt"}
    assert isinstance(claims(token), dict)
    assert expiry(token) is None or isinstance(expiry(token), datetime)
