"""The faults of the hostile platform: one small constructor for each."""

import json
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from http import HTTPStatus
from typing import Any, Literal

Json = dict[str, Any]


@dataclass(frozen=True)
class Answer:
    status: int
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)

    def raw(self) -> bytes:
        """Return the bytes to send; a Content-Length among the headers is kept, even if it is wrong."""
        headers = dict(self.headers)
        has_no_body = self.status in {204, 304} or self.status < 200
        if not has_no_body and not {name.lower() for name in headers} & {"content-length", "transfer-encoding"}:
            headers["Content-Length"] = str(len(self.body))
        phrase = HTTPStatus(self.status).phrase if self.status in set(HTTPStatus) else "Unheard Of"
        lines = [f"HTTP/1.1 {self.status} {phrase}", *(f"{name}: {value}" for name, value in headers.items())]
        return "\r\n".join([*lines, "", ""]).encode("latin-1") + self.body


@dataclass(frozen=True)
class Fault:
    """What happens to one request, in this order.

    Wait, perform the operation (or not), wait, replace or transform the answer, send all or part of it, end the
    connection.
    """

    name: str
    do: bool = True
    wait: float = 0
    wait_after: float = 0
    instead: Answer | None = None
    transform: Callable[[Answer], Answer] | None = None
    raw: bytes | None = None
    cut: int | None = None
    per_byte: float = 0
    end: Literal["keep", "close", "reset"] = "keep"


NONE = Fault("none")


def drop_before() -> Fault:
    """Hang up without performing the operation."""
    return Fault("drop_before", do=False, cut=0, end="close")


def drop_after() -> Fault:
    """Perform the operation, then hang up without an answer."""
    return Fault("drop_after", cut=0, end="close")


def rst(*, do: bool = False) -> Fault:
    """Reset the connection."""
    return Fault("rst", do=do, cut=0, end="reset")


def hang_up() -> Fault:
    """Answer properly, then close the kept-alive connection unannounced."""
    return Fault("hang_up", end="close")


def delay(seconds: float, then: Fault | None = None) -> Fault:
    """Wait before the operation."""
    then = then or NONE
    return replace(then, name=f"delay, {then.name}", wait=then.wait + seconds)


def delay_after(seconds: float) -> Fault:
    """Perform the operation, then wait before the answer."""
    return Fault("delay_after", wait_after=seconds)


def truncate(n: int) -> Fault:
    """Send the first n bytes of the answer, then close."""
    return Fault("truncate", cut=n, end="close")


def truncate_body(missing: int = 20) -> Fault:
    """Promise more bytes than are sent, then close; a client rightly ignores the promise of a 204."""
    return Fault("truncate_body", end="close", transform=lambda a: _promise(a, len(a.body) + missing))


def answer(
    status: int, body: bytes | str = b"", headers: Mapping[str, str] | None = None, *, do: bool = False
) -> Fault:
    """Send this answer instead of the true one."""
    body = body.encode() if isinstance(body, str) else body
    return Fault(f"answer {status}", do=do, instead=Answer(status, body, headers or {}))


def html(status: int, *, do: bool = False) -> Fault:
    """Send a gateway's error page."""
    page = f"<html><head><title>{status}</title></head><body><h1>{status}</h1><hr>gateway</body></html>"
    return answer(status, page, {"Content-Type": "text/html"}, do=do)


def error(
    status: int,
    code: str = "",
    message: str = "it did not work",
    fields: Sequence[Mapping[str, str]] | None = None,
    details: str | None = None,
    *,
    headers: Mapping[str, str] | None = None,
    do: bool = False,
) -> Fault:
    """Send the Error of the API."""
    shape: Json = {"code": code or f"{status}000", "message": message, "fields": fields, "details": details}
    body = json.dumps({name: value for name, value in shape.items() if value is not None})
    return answer(status, body, {"Content-Type": "application/json", **(headers or {})}, do=do)


def redirect(to: str, status: int = 307) -> Fault:
    return answer(status, headers={"Location": to})


def retry_after(status: int = 429, value: str = "1", *, do: bool = False) -> Fault:
    """Send an Error with a Retry-After."""
    return error(status, message="slow down", headers={"Retry-After": value}, do=do)


def gzip(body: bytes | str | None = None, *, broken: bool = False, do: bool = True) -> Fault:
    """Compress the true answer, or a 200 with this body; `broken` spoils the stream."""

    def compress(plain: Answer) -> Answer:
        packed = zlib.compress(plain.body, wbits=31)
        packed = packed[:10] + b"\xff" * 8 + packed[18:] if broken else packed
        return replace(plain, body=packed, headers={**plain.headers, "Content-Encoding": "gzip"})

    instead = None if body is None else Answer(200, body.encode() if isinstance(body, str) else body)
    return Fault("gzip", do=do, instead=instead, transform=compress)


def edit(change: Callable[[Any], Any]) -> Fault:
    """Send the true answer with its JSON changed: a cursor that repeats, a count that is wrong."""
    return Fault("edit", transform=lambda a: replace(a, body=json.dumps(change(json.loads(a.body))).encode()))


def drip(seconds_per_byte: float) -> Fault:
    """Send the true answer byte by byte."""
    return Fault("drip", per_byte=seconds_per_byte)


def garbage(*, do: bool = False) -> Fault:
    """Send bytes that are not HTTP, then close."""
    return Fault("garbage", do=do, raw=b"\x16\x03\x01 this is not HTTP\r\n\r\n", end="close")


_FAULTS: dict[str, Callable[..., Fault]] = {
    fault.__name__: fault
    for fault in (drop_before, drop_after, rst, hang_up, delay, delay_after, truncate, truncate_body, answer, html)
} | {fault.__name__: fault for fault in (error, redirect, retry_after, gzip, drip, garbage)}


def from_json(spec: Any) -> Fault:
    """Return the fault that JSON describes: `"drop_after"`, or `{"delay": {"seconds": 1, "then": "rst"}}`."""
    name, arguments = (spec, {}) if isinstance(spec, str) else next(iter(spec.items()))
    if "then" in arguments:
        arguments = {**arguments, "then": from_json(arguments["then"])}
    return _FAULTS[name](**arguments)


def _promise(plain: Answer, length: int) -> Answer:
    return replace(plain, headers={**plain.headers, "Content-Length": str(length)})
