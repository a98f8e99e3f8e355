"""Sans-I/O: what to ask, and what an answer means. Nothing here opens a socket."""

from __future__ import annotations

import email.utils
import re
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec

from versori_magics.errors import ApiError, ForbiddenError, NotFoundError, PlatformError, UnauthorisedError
from versori_magics.platform.auth import MASK
from versori_magics.platform.ids import canonical_ulid
from versori_magics.platform.models import ErrorBody
from versori_magics.text import one_line

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

T = TypeVar("T")

TEXT_LIMIT = 2_000  # characters kept of a message: enough for a person, and five megabytes stay out of notebooks
FIELD_LIMIT = 50
_SHORT = 8  # letters: what is shorter is no secret, and masking it would spoil the text
_CLASSES: dict[int, type[ApiError]] = {401: UnauthorisedError, 403: ForbiddenError, 404: NotFoundError}


@dataclass(frozen=True, slots=True)
class Call:
    """One request, before it has a server or a token.

    Parameters
    ----------
    method : str
        HTTP method.
    path : str
        Below the server's URL; made by the functions of this module only, so every id in it is a ULID.
    query : mapping
        Query parameters.
    """

    method: str
    path: str
    query: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer, whole.

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
    headers: Mapping[str, str] = field(repr=False)  # cookies
    body: bytes = field(repr=False)  # credentials


def _path(organisation: str, *parts: str) -> str:
    """Join a path; a part that is no word of ours must be a ULID."""
    return "/".join(("/o", _id(organisation), *parts))


def _id(value: str) -> str:
    found = canonical_ulid(value)
    if found is None:
        raise PlatformError(f"{one_line(value, 60)!r} is no ULID, so no request is made of it.")
    return found


def list_connections(organisation: str, **query: str) -> Call:
    """ListConnections; `query`: ``first``, ``after``, ``system_id``, ``end_user_id``."""
    return Call("GET", _path(organisation, "connections"), query)


def get_connection(organisation: str, connection: str) -> Call:
    """GetConnection."""
    return Call("GET", _path(organisation, "connections", _id(connection)))


def delete_connection(organisation: str, connection: str) -> Call:
    """DeleteConnection, the one operation that this project stands on."""
    return Call("DELETE", _path(organisation, "connections", _id(connection)))


def list_projects(organisation: str) -> Call:
    """ListProjects; the reference documents no pages for it."""
    return Call("GET", _path(organisation, "projects"))


def list_environment_connections(organisation: str, project: str, environment: str, **query: str) -> Call:
    """ListEnvironmentConnections: the static connections of one environment."""
    return Call(
        "GET", _path(organisation, "projects", _id(project), "connections"), {"env_id": _id(environment), **query}
    )


def list_activations(organisation: str, environment: str) -> Call:
    """ListActivations of one environment: a bare array."""
    return Call("GET", _path(organisation, "environments", _id(environment), "activations"))


def list_systems(organisation: str, **query: str) -> Call:
    """ListSystems; `query`: ``first``, ``after``, ``search``."""
    return Call("GET", _path(organisation, "systems"), query)


def list_end_users(organisation: str, **query: str) -> Call:
    """ListEndUsers; `query`: ``search``."""
    return Call("GET", _path(organisation, "users"), query)


def decode(call: Call, answer: Answer, kind: type[T]) -> T:
    """Return the documented answer of a read.

    Raises
    ------
    ApiError
        Where the status is not 200 or the body is not what the reference says.
    """
    if answer.status != 200:  # noqa: PLR2004 - the one documented status of every read
        raise error_of(call, answer)
    problem = ""
    try:
        found: T = _decoder(kind)(answer.body)  # type: ignore[arg-type]  # every type is hashable
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        problem = one_line(error, 200)
    else:
        return found
    raise _class_of(200)(
        f"The platform answered 200 with something that is not the documented answer ({_looks(answer)}): {problem}",
        status=200,
        method=call.method,
        path=call.path,
        hint="Is the server's URL right, and is no proxy or login page in between?",
    )


@cache
def _decoder(kind: Any) -> Callable[[bytes], Any]:
    # A decoder is compiled once; making one costs more than a page.
    return msgspec.json.Decoder(kind).decode


def check_deleted(call: Call, answer: Answer) -> None:
    """Return where the answer is the documented 204.

    Raises
    ------
    ApiError
        For everything else.
    """
    if answer.status != 204:  # noqa: PLR2004 - the one documented success of DeleteConnection
        raise error_of(call, answer)


def error_of(call: Call, answer: Answer) -> ApiError:
    """Return what an undocumented answer says, as our error; `documented` tells the platform from a gateway."""
    try:
        body: ErrorBody | None = _decoder(ErrorBody)(answer.body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        body = None
    if answer.status < 400:  # noqa: PLR2004 - an Error with a status below 400 is not the documented one either
        body = None
    common: dict[str, Any] = {
        "status": answer.status,
        "method": call.method,
        "path": call.path,
        "retry_after": retry_after(answer.headers),
    }
    kind = _class_of(answer.status)
    if body is not None:
        return kind(
            one_line(body.message, TEXT_LIMIT) or "The platform gave no message.",
            code=one_line(body.code, 100),
            fields=[(one_line(name), one_line(text, TEXT_LIMIT)) for name, text in body.field_messages()[:FIELD_LIMIT]],
            details=one_line("" if body.details is None else body.details, TEXT_LIMIT),
            documented=True,
            **common,
        )
    if 300 <= answer.status < 400:  # noqa: PLR2004 - redirects
        to = one_line(re.sub(r"//[^/@]*@", "//", answer.headers.get("location", "nowhere")).split("?")[0], 120)
        return kind(
            f"The platform answered {answer.status}, a redirect to {to}; redirects are never followed.",
            hint="Set the server to its final address (VERSORI_SERVER).",
            **common,
        )
    return kind(f"The answer is HTTP {answer.status} and not the platform's Error: {_looks(answer)}.", **common)


def redacted(answer: Answer, token: str) -> Answer:
    """Return an answer whose text may be shown: where a server or a gateway repeats the token, it is masked."""
    if len(token) < _SHORT:
        return answer
    headers = {name: value.replace(token, MASK) for name, value in answer.headers.items()}
    # The JSON of a success is data, is never quoted, and is not to be changed.
    data = answer.status == 200 and answer.body.lstrip()[:1] in {b"{", b"["}  # noqa: PLR2004 - the success of a read
    body = answer.body if data else answer.body.replace(token.encode(), MASK.encode())
    return Answer(answer.status, headers, body)


def _class_of(status: int) -> type[ApiError]:
    return _CLASSES.get(status, ApiError)


def _looks(answer: Answer) -> str:
    """Describe a body in a few words, so that a gateway's page can be told from a bug."""
    kind = one_line(answer.headers.get("content-type", "no content type").split(";")[0], 60)
    title = re.search(rb"<title[^>]*>(.{0,200}?)</title>", answer.body[:20_000], re.IGNORECASE | re.DOTALL)
    # A success that cannot be read may well be a connection with its credentials: nothing of it is quoted.
    quoted = b"" if answer.status < 300 else answer.body[:120]  # noqa: PLR2004 - the successes
    text = title.group(1) if title else quoted
    shown = one_line(text.decode("utf-8", "replace"), 120)
    return f"{kind}, {len(answer.body):,} bytes" + (f", {shown!r}" if shown else "")


def retry_after(headers: Mapping[str, str], now: datetime | None = None) -> float | None:
    """Return how many seconds the platform asks to wait, from seconds or an HTTP date; None where it does not say.

    Parameters
    ----------
    headers : mapping
        Names in lower case.
    now : datetime, optional
        For a date: the answer's own `date` header wins, so a wrong clock here does no harm. Default: the time now.
    """
    text = headers.get("retry-after", "").strip()
    if re.fullmatch(r"\d{1,9}(\.\d{1,6})?", text, re.ASCII):
        return float(text)
    then = _http_date(text)
    if then is None:
        return None
    base = _http_date(headers.get("date", "")) or now or datetime.now(UTC)
    return max(0.0, (then - base).total_seconds())


def _http_date(text: str) -> datetime | None:
    try:
        found = email.utils.parsedate_to_datetime(text)
    except (TypeError, ValueError, IndexError, OverflowError):
        return None
    return found if found.tzinfo else found.replace(tzinfo=UTC)
