"""Build the platform's requests and decode its responses, without any input or output."""

from __future__ import annotations

import email.utils
import re
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

import msgspec

from versori_magics.api.ids import canonical_ulid
from versori_magics.api.models import ErrorBody
from versori_magics.catch import catch
from versori_magics.errors import ApiError, FieldError, ForbiddenError, NotFoundError, PlatformError, UnauthorisedError
from versori_magics.text import one_line

if TYPE_CHECKING:
    from collections.abc import Mapping

    from versori_magics.api.masking import TokenMask

T = TypeVar("T")

TEXT_LIMIT = 2_000  # characters of a message; enough for a person, and keeps megabytes out of notebooks
FIELD_LIMIT = 50
_ERROR_CLASSES: dict[int, type[ApiError]] = {401: UnauthorisedError, 403: ForbiddenError, 404: NotFoundError}


@dataclass(frozen=True, slots=True)
class ApiRequest:
    """A request without its server and its token.

    Parameters
    ----------
    method : str
        HTTP method.
    path : str
        Path below the server's URL. Only the functions of this module build one, so every id in it is a ULID.
    query : mapping
        Query parameters.
    """

    method: str
    path: str
    query: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ApiResponse:
    """A complete response.

    Parameters
    ----------
    status : int
        HTTP status.
    headers : mapping
        Names in lower case.
    body : bytes
        Decompressed.
    """

    status: int
    headers: Mapping[str, str] = field(repr=False)  # may contain cookies
    body: bytes = field(repr=False)  # may contain credentials


def list_connections(organisation: str, **query: str) -> ApiRequest:
    """ListConnections; `query`: ``first``, ``after``, ``system_id``, ``end_user_id``."""
    return ApiRequest("GET", _path(organisation, "connections"), query)


def get_connection(organisation: str, connection: str) -> ApiRequest:
    """GetConnection."""
    return ApiRequest("GET", _path(organisation, "connections", _ulid(connection)))


def delete_connection(organisation: str, connection: str) -> ApiRequest:
    """DeleteConnection."""
    return ApiRequest("DELETE", _path(organisation, "connections", _ulid(connection)))


def list_projects(organisation: str) -> ApiRequest:
    """ListProjects, which is not paged."""
    return ApiRequest("GET", _path(organisation, "projects"))


def list_environment_connections(organisation: str, project: str, environment: str, **query: str) -> ApiRequest:
    """ListEnvironmentConnections: the static connections of one environment."""
    return ApiRequest(
        "GET",
        _path(organisation, "projects", _ulid(project), "connections"),
        {"env_id": _ulid(environment), **query},
    )


def list_activations(organisation: str, environment: str, **query: str) -> ApiRequest:
    """ListActivations of one environment, which returns a bare array; `query`: ``static``."""
    return ApiRequest("GET", _path(organisation, "environments", _ulid(environment), "activations"), query)


def get_activation(organisation: str, environment: str, activation: str) -> ApiRequest:
    """GetActivation."""
    return ApiRequest("GET", _path(organisation, "environments", _ulid(environment), "activations", _ulid(activation)))


def list_systems(organisation: str, **query: str) -> ApiRequest:
    """ListSystems; `query`: ``first``, ``after``, ``search``."""
    return ApiRequest("GET", _path(organisation, "systems"), query)


def list_end_users(organisation: str, **query: str) -> ApiRequest:
    """ListEndUsers; `query`: ``search``, and ``first`` and ``after``, which are not documented."""
    return ApiRequest("GET", _path(organisation, "users"), query)


def _path(organisation: str, *parts: str) -> str:
    return "/".join(("/o", _ulid(organisation), *parts))


def _ulid(value: str) -> str:
    """Return a ULID in upper case, safe to be part of a path."""
    ulid = canonical_ulid(value)
    if ulid is None:
        raise PlatformError(f"{one_line(value, 60)!r} is not a ULID, so no request was sent.")
    return ulid


def decode_response(request: ApiRequest, response: ApiResponse, body_type: type[T]) -> T:
    """Return the body of a response to a read.

    Parameters
    ----------
    request : ApiRequest
        For messages.
    response : ApiResponse
        The platform's response.
    body_type : type
        The type of the documented body, such as a struct of `models`.

    Raises
    ------
    ApiError
        If the status is not 200 or the body is not the documented one.
    """
    if response.status != 200:  # noqa: PLR2004 - the one documented status of every read
        raise error_from(request, response)
    body = _decode(response.body, body_type)
    if isinstance(body, _Undecodable):
        raise ApiError(
            f"The platform answered 200, but the body is not the documented one ({_summary(response)}): {body.reason}",
            status=200,
            method=request.method,
            path=request.path,
            hint="Check the server's URL, and that no proxy or login page answers in its place.",
        )
    return body


def raise_unless_deleted(request: ApiRequest, response: ApiResponse) -> None:
    """Check the response to a DeleteConnection.

    Raises
    ------
    ApiError
        If it is not the documented 204.
    """
    if response.status != 204:  # noqa: PLR2004 - the one documented success of DeleteConnection
        raise error_from(request, response)


def error_from(request: ApiRequest, response: ApiResponse) -> ApiError:
    """Return the error for an unsuccessful response.

    Its `documented` is True only if the platform itself sent the documented Error, which has a status of at least 400.
    """
    status = response.status
    create = partial(
        _ERROR_CLASSES.get(status, ApiError),
        status=status,
        method=request.method,
        path=request.path,
        retry_after=parse_retry_after(response.headers),
    )
    body = _decode(response.body, ErrorBody)
    if isinstance(body, ErrorBody) and status >= 400:  # noqa: PLR2004 - the range of errors
        return create(
            one_line(body.message, TEXT_LIMIT) or "The platform gave no message.",
            code=one_line(body.code, 100),
            fields=[
                FieldError(one_line(name), one_line(message, TEXT_LIMIT))
                for name, message in body.field_errors()[:FIELD_LIMIT]
            ],
            details=one_line("" if body.details is None else body.details, TEXT_LIMIT),
            documented=True,
        )
    if 300 <= status < 400:  # noqa: PLR2004 - the range of redirects
        return create(
            f"The platform answered {status}, a redirect {_target(response)}; redirects are never followed.",
            hint="Set VERSORI_SERVER to the server's final address.",
        )
    return create(f"HTTP {status}, and the body is not the documented Error: {_summary(response)}.")


def mask_token(response: ApiResponse, mask: TokenMask) -> ApiResponse:
    """Return a response without the token, which servers and gateways sometimes repeat.

    Everything that is kept of a response is taken from the result: messages, names, and the texts that describe it.
    """
    headers = {name: mask.text(value) for name, value in response.headers.items()}
    text = response.body.decode("utf-8", "replace")
    return ApiResponse(response.status, headers, _masked(text, mask) if mask.is_needed(text) else response.body)


def _masked(text: str, mask: TokenMask) -> bytes:
    # In a JSON body each text is masked after it is decoded, because decoding the whole body could break its syntax.
    document = catch(
        lambda: msgspec.json.encode(mask.document(msgspec.json.decode(text))),
        msgspec.MsgspecError,
        RecursionError,
        OverflowError,
    )
    return mask.text(text).encode() if isinstance(document, Exception) else document


def parse_retry_after(headers: Mapping[str, str], now: datetime | None = None) -> float | None:
    """Return how many seconds the platform asks to wait, or None.

    Parameters
    ----------
    headers : mapping
        Names in lower case. `retry-after` is a number of seconds or an HTTP date.
    now : datetime, optional
        The time that a date is compared with if the response has no `date` header, which takes precedence so that a
        wrong clock on this machine does no harm. Default: the current time.
    """
    text = headers.get("retry-after", "").strip()
    if re.fullmatch(r"\d{1,9}(\.\d{1,6})?", text, re.ASCII):
        return float(text)
    until = _http_date(text)
    if until is None:
        return None
    now = _http_date(headers.get("date", "")) or now or datetime.now(UTC)
    return max(0.0, (until - now).total_seconds())


def _http_date(text: str) -> datetime | None:
    date = catch(lambda: email.utils.parsedate_to_datetime(text), TypeError, ValueError, IndexError, OverflowError)
    if isinstance(date, Exception):
        return None
    return date if date.tzinfo else date.replace(tzinfo=UTC)


class _Undecodable(NamedTuple):
    reason: str


_decoders: dict[object, msgspec.json.Decoder[Any]] = {}


def _decode(body: bytes, body_type: type[T]) -> T | _Undecodable:
    # Creating a decoder takes longer than decoding a page with it.
    decoder = _decoders.get(body_type) or _decoders.setdefault(body_type, msgspec.json.Decoder(body_type))
    result: T | Exception = catch(lambda: decoder.decode(body), msgspec.DecodeError, UnicodeDecodeError, RecursionError)
    # Only the exception's text: its repr can contain the body, and with it credentials.
    return _Undecodable(one_line(result, 200)) if isinstance(result, Exception) else result


def _target(response: ApiResponse) -> str:
    """Return the target of a redirect, without credentials and query."""
    location = response.headers.get("location", "")
    if not location:
        return "without a location"
    return "to " + one_line(re.sub(r"//[^/@]*@", "//", location).split("?")[0], 120)


def _summary(response: ApiResponse) -> str:
    """Describe a body in a few words, so that a gateway's page can be distinguished from a bug."""
    content_type = one_line(response.headers.get("content-type", "no content type").split(";")[0], 60)
    title = re.search(rb"<title[^>]*>(.{0,200}?)</title>", response.body[:20_000], re.IGNORECASE | re.DOTALL)
    # An undecodable success may be a connection with its credentials, so none of it is quoted.
    start = b"" if response.status < 300 else response.body[:120]  # noqa: PLR2004 - the range of successes
    excerpt = one_line((title[1] if title else start).decode("utf-8", "replace"), 120)
    return f"{content_type}, {len(response.body):,} bytes" + (f", {excerpt!r}" if excerpt else "")
