"""A scriptable fake of the platform on a real socket: it behaves like the platform until a test tells it to fail.

For example: `with HostilePlatform(world(free=3)) as platform: platform.on("DELETE", "", drop_after())`.
"""

import json
import socket
import struct
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict
from types import TracebackType
from typing import Literal, Self

from support.fault_answers import (
    NONE,
    Answer,
    Fault,
    answer,
    delay,
    delay_after,
    drip,
    drop_after,
    drop_before,
    edit,
    error,
    garbage,
    gzip,
    hang_up,
    html,
    redirect,
    retry_after,
    rst,
    truncate,
    truncate_body,
)
from support.fault_rules import FaultRule
from support.hostile_access import RateLimit, check_credentials
from support.hostile_http import RecordedRequest, RequestServer
from support.hostile_operations import ULID, ApiError, Operation, find_mistake, recognise
from support.hostile_world import SECRET, Json, World, world

__all__ = [
    "FOREVER",
    "SECRET",
    "TOKEN",
    "Answer",
    "Fault",
    "HostilePlatform",
    "RecordedRequest",
    "World",
    "answer",
    "delay",
    "delay_after",
    "drip",
    "drop_after",
    "drop_before",
    "edit",
    "error",
    "garbage",
    "gzip",
    "hang_up",
    "html",
    "redirect",
    "retry_after",
    "rst",
    "truncate",
    "truncate_body",
    "world",
]
FOREVER = sys.maxsize
TOKEN = "t0ken-for-tests-only"


class HostilePlatform:
    """The server: it listens as soon as it is made, and leaves nothing behind after `close()`.

    Parameters
    ----------
    world : World, optional
        The organisation.
    token, scheme : str
        The credentials that it accepts.
    prefix, latency
        A path that every request begins with; seconds that every request takes.
    strict : bool
        Whether a request that no client should send is recorded in `unexpected`, and answered with a 500.
    port : int
        0 for a free one.

    Attributes
    ----------
    script : dict
        Connection id -> the faults of its next DELETEs.
    decide : callable or None
        (request) -> fault or None; called if neither `script` nor a rule has a fault.
    """

    def __init__(
        self,
        world: World | None = None,
        *,
        token: str = TOKEN,
        scheme: Literal["bearer", "jwt", "cookie", "any"] = "bearer",
        prefix: str = "",
        latency: float = 0,
        strict: bool = True,
        port: int = 0,
    ) -> None:
        self.lock = threading.Condition()
        self.token, self.scheme, self.strict = token, scheme, strict
        self.control: Callable[[HostilePlatform, RecordedRequest], Answer | None] | None = None
        self._interrupt = threading.Event()
        self._start_over(world, None, latency)
        self._server = RequestServer(self._handle, self._complain, self.lock, prefix=prefix, port=port)
        self.url = self._server.url

    def _start_over(self, state: World | None, script: Mapping[str, Iterable[Fault]] | None, latency: float) -> None:
        self.world = state or world()
        self.script = {id_: list(faults) for id_, faults in (script or {}).items()}
        self.decide: Callable[[RecordedRequest], Fault | None] | None = None
        self.latency = latency
        self.unexpected: list[str] = []
        self.max_in_flight = 0
        self._rules: list[FaultRule] = []
        self._requests: list[RecordedRequest] = []
        self._sends: Counter[str] = Counter()
        self._in_flight: set[int] = set()
        self._client_connections: set[int] = set()
        self._dead_after: int | None = None
        self._rate_limit: RateLimit | None = None

    def reset(
        self, world: World | None = None, script: Mapping[str, Iterable[Fault]] | None = None, *, latency: float = 0
    ) -> None:
        """Hang up on everyone and start over: new world, no records, no other faults. Url and token stay."""
        self._interrupt.set()
        self._server.disconnect_all()
        with self.lock:
            self._start_over(world, script, latency)
        self._interrupt.clear()

    def close(self) -> None:
        self._server.close()
        self._interrupt.set()
        self._server.disconnect_all()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, exc: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    # What a test tells it.

    def on(
        self, method: str, path_regex: str, *faults: Fault, times: int | None = None, every: int | None = None
    ) -> Self:
        """Give matching requests (path, or target with its query; method "*" is any) these faults, in order of arrival.

        Each fault once, or `times` faults in all, round and round; with `every`, only each so-manieth request.
        """
        with self.lock:
            self._rules.append(FaultRule(method, path_regex, faults, len(faults) if times is None else times, every))
        return self

    def dead_token_after(self, deletions: int | None) -> None:
        """Answer every request with a 401 once so many connections are deleted; None for never."""
        self._dead_after = deletions

    def rate_limit(self, per_second: float | None, retry_after: str | None = "1") -> None:
        """Answer 429 to requests above so many within any second; None for no limit."""
        self._rate_limit = None if per_second is None else RateLimit(per_second, retry_after)

    # What it tells a test.

    @property
    def organisation(self) -> str:
        return self.world.organisation

    @property
    def requests(self) -> list[RecordedRequest]:
        with self.lock:
            return list(self._requests)

    @property
    def deletes(self) -> list[RecordedRequest]:
        return [request for request in self.requests if request.operation == "DeleteConnection"]

    def sends(self, connection_id: str) -> int:
        """Return how many DELETEs of a connection arrived."""
        return self._sends[connection_id]

    @property
    def deleted(self) -> set[str]:
        with self.lock:
            return set(self.world.deleted)

    @property
    def open_connections(self) -> int:
        """Connections that sent a request; a stranger may try a port that belonged to another server before."""
        with self.lock:
            return len(self._server.sockets.keys() & self._client_connections)

    @property
    def in_flight(self) -> int:
        return len(self._in_flight)

    def wait_for(self, predicate: Callable[[], object], timeout: float = 5) -> bool:
        """Wait until the predicate holds; raise an AssertionError if it does not in time."""
        with self.lock:
            holds = self.lock.wait_for(lambda: bool(predicate()), timeout)
            assert holds, f"not within {timeout} s; saw {self.state()!s:.2000}"
        return True

    def verify(self) -> None:
        """Raise an AssertionError if a client sent what no client should send."""
        with self.lock:
            assert not self.unexpected, "unexpected requests:\n" + "\n".join(self.unexpected)

    def env(self) -> dict[str, str]:
        """Return the environment variables with which the package connects to this platform."""
        settings = {"SERVER": self.url, "ORGANISATION": self.organisation, "TOKEN": self.token}
        if self.scheme in {"jwt", "cookie"}:
            settings["AUTH"] = self.scheme
        return {f"VERSORI_{name}": value for name, value in settings.items()}

    def state(self) -> Json:
        """Return everything that a judge in another process may need, as JSON."""
        with self.lock:
            return {
                "url": self.url,
                "organisation": self.organisation,
                "token": self.token,
                "static": self.world.static,
                "dynamic": self.world.dynamic,
                "free": self.world.free,
                "environments": [asdict(environment) for environment in self.world.environments],
                "connections": list(self.world.connections),
                "deleted": list(self.world.deleted),
                "broken": self.world.broken,
                "sends": dict(self._sends),
                "requests": len(self._requests),
                "operations": Counter(request.operation for request in self._requests),
                "open_connections": self.open_connections,
                "in_flight": self.in_flight,
                "max_in_flight": self.max_in_flight,
                "unexpected": list(self.unexpected),
            }

    # How a request is served.

    def _handle(self, sock: socket.socket, request: RecordedRequest) -> bool:
        if self.control is not None and (controlled := self.control(self, request)) is not None:
            sock.sendall(controlled.raw())
            return True
        fault, operation = self._record(request)
        try:
            if self._interrupt.wait(self.latency + fault.wait):
                return False
            true_answer = self._perform(request, operation) if fault.do else None
            if self._interrupt.wait(fault.wait_after):
                return False
            if not self._send(sock, request, fault, fault.instead or true_answer or Answer(500)):
                return False
            if fault.end == "reset":
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            return fault.end == "keep" and request.headers.get("connection", "").lower() != "close"
        except OSError:
            request.answered = None
            raise
        finally:
            self._finish(request)

    def _complain(self, description: str) -> None:
        with self.lock:
            self.unexpected.append(description)

    def _record(self, request: RecordedRequest) -> tuple[Fault, Operation | None]:
        with self.lock:
            operation, request.ids = recognise(request.method, request.path) or (None, ())
            request.operation = operation.name if operation else ""
            mistake = find_mistake(request, operation, self.world, self.token)
            request.number = len(self._requests)
            self._requests.append(request)
            self._client_connections.add(request.connection)
            self._in_flight.add(request.number)
            self.max_in_flight = max(self.max_in_flight, len(self._in_flight))
            if request.operation == "DeleteConnection":
                self._sends[request.ids[0]] += 1
            if mistake and self.strict:
                self.unexpected.append(f"{request.method} {request.target}: {mistake}")
                fault = error(500, message=mistake)
            else:
                fault = self._choose_fault(request)
            request.fault = fault.name
            self.lock.notify_all()
            return fault, operation

    def _choose_fault(self, request: RecordedRequest) -> Fault:
        if request.operation == "DeleteConnection" and self.script.get(request.ids[0]):
            return self.script[request.ids[0]].pop(0)
        ruled = next(filter(None, (rule.next_fault(request) for rule in self._rules)), None)
        return ruled or (self.decide(request) if self.decide else None) or NONE

    def _send(self, sock: socket.socket, request: RecordedRequest, fault: Fault, true_answer: Answer) -> bool:
        sent = fault.transform(true_answer) if fault.transform else true_answer
        raw = sent.raw() if fault.raw is None else fault.raw
        if fault.raw is None and (fault.cut is None or fault.cut >= len(raw)):
            request.answered = sent.status
        *first, last = [raw[: fault.cut]] if not fault.per_byte else [bytes([byte]) for byte in raw]
        for piece in first:
            sock.sendall(piece)
            if self._interrupt.wait(fault.per_byte):
                return False
        self._finish(request)  # before the client can send its next request, or both would count as in flight
        sock.sendall(last)
        return True

    def _finish(self, request: RecordedRequest) -> None:
        with self.lock:
            self._in_flight.discard(request.number)
            self.lock.notify_all()

    def _perform(self, request: RecordedRequest, operation: Operation | None) -> Answer:
        """Do what the platform would do: authenticate, limit the rate, and then the operation itself."""
        with self.lock:
            headers = {"Content-Type": "application/json"}
            try:
                payload = self._run(request, operation)
                result = Answer(204) if payload is None else Answer(200, json.dumps(payload).encode(), headers)
            except ApiError as refusal:
                result = Answer(refusal.status, json.dumps(refusal.body).encode(), {**headers, **refusal.headers})
            request.result = result.status
            self.lock.notify_all()
        return result

    def _run(self, request: RecordedRequest, operation: Operation | None) -> Json | list[Json] | None:
        if self._dead_after is not None and len(self.world.deleted) >= self._dead_after:
            raise ApiError(401, "the token has expired")
        check_credentials(request.headers, self.scheme, self.token)
        if self._rate_limit is not None:
            self._rate_limit.check()
        if operation is None or not request.path.startswith(f"/o/{self.organisation}/"):
            raise ApiError(404, "not found", request.path)
        if not all(ULID.fullmatch(id_) for id_ in request.ids):
            raise ApiError(400, "an id is not a ULID", request.path)
        return operation.run(self.world, request.ids, request.query, request.body)
