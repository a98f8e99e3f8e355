"""A scriptable fake of the platform on a real socket, which lies, dawdles and hangs up as it is told.

In a test: `with HostilePlatform(world(free=3)) as platform: platform.on("DELETE", "", drop_after())`. In a process of
its own: `python tests/faults/hostile.py --free 50`, judged from outside by `GET /__state` and `POST /__world`
(below the prefix too, when there is one; no credentials are needed there and nothing is recorded).
"""

import argparse
import itertools
import json
import os
import re
import socket
import struct
import sys
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from io import BufferedReader
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Self
from urllib.parse import parse_qsl

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from faults.script import (
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
    named,
    redirect,
    retry_after,
    rst,
    truncate,
    truncate_body,
)
from faults.world import OPERATIONS, SECRET, ULID, ApiError, Json, Operation, World, world

__all__ = [
    "FOREVER",
    "SECRET",
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
_CONTROL = {"/__state", "/__world"}


@dataclass(eq=False)
class RecordedRequest:
    number: int
    connection: int
    """Which client socket it came on, counted from 1."""
    method: str
    target: str
    path: str
    """Without the server's prefix and the query."""
    query: dict[str, str]
    headers: dict[str, str]
    """Names in lower case."""
    header_lines: list[tuple[str, str]]
    body: bytes
    at: float
    """When it had arrived, by time.monotonic()."""
    operation: str = ""
    ids: tuple[str, ...] = ()
    fault: str = "none"
    result: int | None = None
    """The true status; None when it was not done."""
    answered: int | None = None
    """The status that was sent, whole; None when it was not."""


@dataclass
class _Rule:
    method: str
    pattern: str
    faults: tuple[Fault, ...]
    times: int
    every: int | None
    seen: int = 0
    used: int = 0

    def next(self, request: RecordedRequest) -> Fault | None:
        if self.method not in {"*", request.method}:
            return None
        if not re.search(self.pattern, request.path) and not re.search(self.pattern, request.target):
            return None
        self.seen += 1
        if self.used >= self.times or (self.every and self.seen % self.every):
            return None
        self.used += 1
        return self.faults[(self.used - 1) % len(self.faults)]


class HostilePlatform:
    """The server: up when made, gone without a trace after `close()`."""

    def __init__(
        self,
        world: World | None = None,
        *,
        token: str = "t0ken-for-tests-only",
        scheme: Literal["bearer", "jwt", "cookie", "any"] = "bearer",
        prefix: str = "",
        latency: float = 0,
        strict: bool = True,
        port: int = 0,
    ) -> None:
        self.lock = threading.Condition()
        self.token, self.scheme, self.prefix, self.strict = token, scheme, prefix, strict
        self._wake = threading.Event()
        self._closed = False
        self._sockets: dict[int, socket.socket] = {}
        self._control: set[int] = set()
        self._threads: list[threading.Thread] = []
        self._forget(world, None, latency)
        self._listener = socket.create_server(("127.0.0.1", port), backlog=512)
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}{prefix}"
        self._acceptor = threading.Thread(target=self._accept, name="hostile-accept", daemon=True)
        self._acceptor.start()

    def _forget(self, state: World | None, script: Mapping[str, Iterable[Fault]] | None, latency: float) -> None:
        self.world = state or world()
        self.script = {id_: list(faults) for id_, faults in (script or {}).items()}
        self.decide: Callable[[RecordedRequest], Fault | None] | None = None
        self.latency = latency
        self.unexpected: list[str] = []
        self.max_in_flight = 0
        self._rules: list[_Rule] = []
        self._requests: list[RecordedRequest] = []
        self._sends: Counter[str] = Counter()
        self._in_flight: set[int] = set()
        self._dead_after: int | None = None
        self._rate: tuple[float, str | None] | None = None
        self._granted: deque[float] = deque()

    def reset(
        self, world: World | None = None, script: Mapping[str, Iterable[Fault]] | None = None, *, latency: float = 0
    ) -> None:
        """Hang up on everyone, then start anew: new world, no records, no other scripts. Same url and token."""
        self._hang_up()
        with self.lock:
            self._forget(world, script, latency)
        self._wake.clear()

    def close(self) -> None:
        with self.lock:
            if self._closed:
                return
            self._closed = True
        with suppress(OSError), socket.create_connection(self._listener.getsockname(), timeout=1):
            pass  # wakes accept(), on every operating system
        self._acceptor.join()
        self._listener.close()
        self._hang_up()

    def _hang_up(self) -> None:
        self._wake.set()
        with self.lock:
            sockets, threads = list(self._sockets.values()), list(self._threads)
        for sock in sockets:
            with suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)
        for thread in threads:
            thread.join()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, exc: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    # What it is told.

    def on(
        self, method: str, path_regex: str, *faults: Fault, times: int | None = None, every: int | None = None
    ) -> Self:
        """Give matching requests (path, or target with its query; method "*" is any) these faults, in order of arrival.

        Each fault once, or `times` faults in all, round and round; with `every`, only each so-manieth request.
        """
        with self.lock:
            self._rules.append(_Rule(method, path_regex, faults, len(faults) if times is None else times, every))
        return self

    def dead_token_after(self, n: int) -> None:
        """Let n connections be deleted; from then on every request is a 401 Error."""
        self._dead_after = n

    def rate_limit(self, per_second: float, retry_after: str | None = "1") -> None:
        """Answer 429 to what goes above so many requests within any second."""
        self._rate = (per_second, retry_after)

    # What it saw.

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
        return self._sends[connection_id]

    @property
    def deleted(self) -> set[str]:
        with self.lock:
            return set(self.world.deleted)

    @property
    def open_connections(self) -> int:
        with self.lock:
            return len(self._sockets.keys() - self._control)

    @property
    def in_flight(self) -> int:
        return len(self._in_flight)

    def wait_for(self, predicate: Callable[[], object], timeout: float = 5) -> bool:
        """Wait until the predicate holds; an AssertionError when it does not in time."""
        with self.lock:
            assert self.lock.wait_for(lambda: bool(predicate()), timeout), (
                f"not within {timeout} s; saw {self.state()!s:.2000}"
            )
        return True

    def verify(self) -> None:
        with self.lock:
            assert not self.unexpected, "unexpected requests:\n" + "\n".join(self.unexpected)

    def env(self) -> dict[str, str]:
        found = {"SERVER": self.url, "ORGANISATION": self.organisation, "TOKEN": self.token}
        if self.scheme in {"jwt", "cookie"}:
            found["AUTH"] = self.scheme
        return {f"VERSORI_{name}": value for name, value in found.items()}

    def state(self) -> Json:
        """Tell everything that a judge in another process may want, as JSON."""
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

    # The wire.

    def _accept(self) -> None:
        for number in itertools.count(1):
            sock, _ = self._listener.accept()
            with self.lock:
                if self._closed:
                    sock.close()
                    return
                name = f"hostile-{number}"
                thread = threading.Thread(target=self._serve, args=(sock, number), name=name, daemon=True)
                self._sockets[number] = sock
                self._threads = [*(one for one in self._threads if one.is_alive()), thread]
                thread.start()
                self.lock.notify_all()

    def _serve(self, sock: socket.socket, number: int) -> None:
        try:
            with suppress(OSError), sock, sock.makefile("rb") as reader:
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                while (request := self._read(sock, reader, number)) and self._handle(sock, request):
                    pass
        finally:
            with self.lock:
                self._sockets.pop(number, None)
                self._control.discard(number)
                self.lock.notify_all()

    def _read(self, sock: socket.socket, reader: BufferedReader, number: int) -> RecordedRequest | None:
        lines = []
        while (line := reader.readline(65536)) not in {b"\r\n", b"\n"}:
            if not line.endswith(b"\n"):
                return None  # the client has gone
            lines.append(line.decode("latin-1").rstrip("\r\n"))
        start = re.fullmatch(r"([A-Z]+) (/\S*) HTTP/1\.1", lines[0] if lines else "")
        pairs = [(name, value.strip()) for name, _, value in (line.partition(":") for line in lines[1:])]
        headers = {name.lower(): value for name, value in pairs}
        length = headers.get("content-length", "0")
        if not start or not length.isdecimal() or "transfer-encoding" in headers or not all(name for name, _ in pairs):
            with self.lock:
                self.unexpected.append(f"malformed: {lines[:1]}")
            sock.sendall(Answer(500).raw())
            return None
        body = reader.read(int(length))
        if len(body) < int(length):
            return None
        method, target = start.groups()
        if target not in _CONTROL:
            target = target.removeprefix(self.prefix) if target.startswith(self.prefix) else f"(no prefix){target}"
        path, _, query = target.partition("?")
        parsed = dict(parse_qsl(query, keep_blank_values=True))
        now = time.monotonic()
        return RecordedRequest(0, number, method, target, path, parsed, headers, pairs, body, now)

    def _judge(self, sock: socket.socket, request: RecordedRequest) -> None:
        with self.lock:
            self._control.add(request.connection)
            try:
                made = [self._obey(verb, value) for verb, value in json.loads(request.body or b"{}").items()]
                found = Answer(200, json.dumps({**self.state(), "made": made}).encode())
            except (KeyError, TypeError, ValueError, AttributeError) as problem:
                found = Answer(400, repr(problem).encode())
        sock.sendall(found.raw())

    def _obey(self, verb: str, value: Any) -> str | None:
        made: str | None = None
        match verb:
            case "add" | "link" | "activate" | "remove":
                made = getattr(self.world, verb)(**value)
            case "on":
                faults = [named(spec) for spec in value["faults"]]
                self.on(value["method"], value["path"], *faults, times=value.get("times"), every=value.get("every"))
            case "script":
                self.script |= {id_: [named(spec) for spec in specs] for id_, specs in value.items()}
            case "latency" | "token":
                setattr(self, verb, value)
            case "dead_token_after" | "rate_limit":
                getattr(self, verb)(**value)
            case _:
                raise KeyError(verb)
        return made

    def _arrive(self, request: RecordedRequest) -> tuple[Fault, Operation | None]:
        with self.lock:
            found, complaint = self._recognise(request)
            request.number = len(self._requests)
            self._requests.append(request)
            self._in_flight.add(request.number)
            self.max_in_flight = max(self.max_in_flight, len(self._in_flight))
            if found:
                request.operation = found.name
            if request.operation == "DeleteConnection":
                self._sends[request.ids[0]] += 1
            fault: Fault | None = None
            if complaint and self.strict:
                self.unexpected.append(f"{request.method} {request.target}: {complaint}")
                fault = error(500, message=complaint)
            elif request.operation == "DeleteConnection" and self.script.get(request.ids[0]):
                fault = self.script[request.ids[0]].pop(0)
            fault = fault or next(filter(None, (rule.next(request) for rule in self._rules)), None)
            fault = fault or (self.decide(request) if self.decide else None) or NONE
            request.fault = fault.name
            self.lock.notify_all()
            return fault, found

    def _recognise(self, request: RecordedRequest) -> tuple[Operation | None, str | None]:
        below = re.fullmatch(r"/o/([^/]+)(/.*)", request.path)
        for operation in OPERATIONS if below else ():
            ids = operation.ids(request.method, below[2]) if below else None
            if below is None or ids is None:
                continue
            request.ids = ids
            known = set(operation.query.split())
            if operation.name == "ListEnvironmentConnections" and self.world.environment_pages == "paged":
                known |= {"first", "after", "before"}
            names = [pair.partition("=")[0] for pair in filter(None, request.target.partition("?")[2].split("&"))]
            carriers = [name for name, _ in request.header_lines if name.lower() in {"authorization", "cookie"}]
            checks = {
                "an id is not a ULID": not all(ULID.fullmatch(id_) for id_ in (below[1], *ids)),
                f"unknown parameters {sorted(set(names) - known)}": bool(set(names) - known),
                "a parameter comes twice": len(names) > len(set(names)),
                "a body where none belongs": bool(request.body) and not operation.body,
                f"credentials come twice, in {carriers}": len(carriers) > 1,
                "the token is in the target or the body": self.token in request.target + request.body.decode("latin-1"),
            }
            return operation, next((text for text, wrong in checks.items() if wrong), None)
        return None, "no such operation"

    def _handle(self, sock: socket.socket, request: RecordedRequest) -> bool:
        if request.target in _CONTROL:
            self._judge(sock, request)
            return True
        fault, operation = self._arrive(request)
        try:
            if self._wake.wait(self.latency + fault.wait):
                return False
            true = self._perform(request, operation) if fault.do else None
            if self._wake.wait(fault.wait_after):
                return False
            found = fault.instead or true or Answer(500)
            found = fault.transform(found) if fault.transform else found
            raw = found.raw() if fault.raw is None else fault.raw
            if fault.raw is None and (fault.cut is None or fault.cut >= len(raw)):
                request.answered = found.status
            *first, last = [raw[: fault.cut]] if not fault.per_byte else [bytes([byte]) for byte in raw]
            for piece in first:
                sock.sendall(piece)
                if self._wake.wait(fault.per_byte):
                    return False
            self._finish(request)  # before the client can know, or it would be counted twice
            sock.sendall(last)
            if fault.end == "reset":
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            return fault.end == "keep" and request.headers.get("connection", "").lower() != "close"
        except OSError:
            request.answered = None
            raise
        finally:
            self._finish(request)

    def _finish(self, request: RecordedRequest) -> None:
        with self.lock:
            self._in_flight.discard(request.number)
            self.lock.notify_all()

    def _perform(self, request: RecordedRequest, operation: Operation | None) -> Answer:
        """Do it as the platform would: who are you, not so fast, and then the operation itself."""
        with self.lock:
            headers: Json = {"Content-Type": "application/json"}
            try:
                payload = self._run(request, operation, headers)
                found = Answer(204) if payload is None else Answer(200, json.dumps(payload).encode(), headers)
            except ApiError as refusal:
                found = Answer(refusal.status, json.dumps(refusal.body).encode(), headers)
            request.result = found.status
            self.lock.notify_all()
        return found

    def _run(self, request: RecordedRequest, operation: Operation | None, headers: Json) -> Json | list[Json] | None:
        self._admit(request, headers)
        if operation is None or not request.path.startswith(f"/o/{self.organisation}/"):
            raise ApiError(404, "not found", request.path)
        if not all(ULID.fullmatch(id_) for id_ in request.ids):
            raise ApiError(400, "an id is not a ULID", request.path)
        return operation.run(self.world, request.ids, request.query, request.body)

    def _admit(self, request: RecordedRequest, headers: Json) -> None:
        if self._dead_after is not None and len(self.world.deleted) >= self._dead_after:
            raise ApiError(401, "the token has expired")
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        given = {scheme.lower(): token} if scheme else {}
        if cookie := re.search(r"(?:^|; )cookie=([^;]*)", request.headers.get("cookie", "")):
            given["cookie"] = cookie[1]
        schemes = ("bearer", "jwt", "cookie") if self.scheme == "any" else (self.scheme,)
        if not any(given.get(one) == self.token for one in schemes):
            raise ApiError(401, "authentication is required")
        if self._rate is not None:
            now, (per_second, retry) = time.monotonic(), self._rate
            while self._granted and self._granted[0] <= now - 1:
                self._granted.popleft()
            if len(self._granted) >= per_second:
                if retry is not None:
                    headers["Retry-After"] = retry
                raise ApiError(429, "too many requests")
            self._granted.append(now)


def main() -> None:
    """Serve until the parent process is gone or a signal comes; the first line printed says where."""
    parser = argparse.ArgumentParser(description=__doc__)
    for number in ("static", "dynamic", "free", "seed", "port"):
        parser.add_argument(f"--{number}", type=int, default=0)
    parser.add_argument("--page-cap", type=int, default=1000)
    parser.add_argument("--latency", type=float, default=0)
    parser.add_argument("--token", default="t0ken-for-tests-only")
    parser.add_argument("--scheme", choices=["bearer", "jwt", "cookie", "any"], default="bearer")
    parser.add_argument("--prefix", default="")
    told = parser.parse_args()
    made = world(told.static, told.dynamic, told.free, told.seed, page_cap=told.page_cap)
    options = {name: getattr(told, name) for name in ("token", "scheme", "prefix", "latency", "port")}
    parent = os.getppid()
    with suppress(KeyboardInterrupt), HostilePlatform(made, **options) as platform:
        sys.stdout.write(json.dumps(platform.state()) + "\n")
        sys.stdout.flush()
        while os.getppid() == parent:
            time.sleep(0.2)


if __name__ == "__main__":
    main()
