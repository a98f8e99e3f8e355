"""The judged world: two servers with a clock of their own, what happens on them, and a judge of every DELETE."""

from __future__ import annotations

import re
from collections import Counter
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import parse_qs

from model.judge import judge_delete
from model.organisations import make_organisation
from model.site import Site
from model.weather import MANNERS, WEATHERS, Call, Fault, error

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from model.agreements import Agreement
    from model.asgi import Answer

SERVERS = ("http://127.0.0.1:7001", "http://127.0.0.1:7002")
_OPERATIONS = (
    (re.compile(r"GET /connections"), "ListConnections"),
    (re.compile(r"GET /connections/(\w+)"), "GetConnection"),
    (re.compile(r"DELETE /connections/(\w+)"), "DeleteConnection"),
    (re.compile(r"GET /projects"), "ListProjects"),
    (re.compile(r"GET /projects/\w+/connections"), "ListEnvironmentConnections"),
    (re.compile(r"GET /environments/(\w+)/activations"), "ListActivations"),
)


class Died(BaseException):  # no error: what the client is told if its process is killed
    """The process was killed; nothing may catch it."""


class Violation(NamedTuple):
    """A broken promise: a short name for the kind, and what happened."""

    kind: str
    text: str


class Event(NamedTuple):
    """Something that happens at the n-th DELETE of a command, just before the platform acts or just after."""

    at: int
    when: str
    happen: Callable[[], None]


class World:
    """Everything outside of the process under test.

    Parameters
    ----------
    environments : int
        The number of environments of each organisation.
    manner : str
        How the platforms word their answers; one of `MANNERS`.
    servers : sequence of str
        Their addresses.
    """

    def __init__(self, environments: int = 2, manner: str = "plain", servers: tuple[str, str] = SERVERS) -> None:
        one, two = make_organisation(1, environments), make_organisation(2, environments)
        # B is a copy of A with the same ids, as a staging server often is; C is another organisation on A's server.
        self.sites = {
            "A": Site("A", servers[0], one),
            "B": Site("B", servers[1], one),
            "C": Site("C", servers[0], two),
        }
        self.time = 0.0
        self.agreement: Agreement | None = None
        """What the command that is running may delete; None if nobody agreed to anything."""
        self.command: Agreement | None = None
        """What the command that is running may delete once somebody agrees; it counts what happens."""
        self.violations: list[Violation] = []
        self.story: list[str] = []
        self.is_dead = False
        self.journals: Path | None = None
        """Where each DELETE must be on record before it is sent."""
        self.manner, self._manner = manner, MANNERS[manner]
        self.begin("calm")

    def begin(self, weather: str, event: Event | None = None) -> None:
        """Begin a command in this weather."""
        self.weather, self.event = WEATHERS[weather], event
        self.is_calm = weather == "calm"
        self.calls: Counter[str] = Counter()
        self.pending_seconds = 0.0

    def tell(self, sentence: str) -> None:
        self.story.append(f"{self.time:6.0f} s  {sentence}")

    def violate(self, kind: str, text: str) -> None:
        self.violations.append(Violation(kind, text))
        self.tell(f"!! {kind}: {text}")

    def pass_time(self, seconds: float) -> None:
        self.time += seconds

    def site_of(self, server: str, organisation: str) -> Site | None:
        matches = (site for site in self.sites.values() if (site.server, site.id) == (server, organisation))
        return next(matches, None)

    def answer(
        self,
        server: str,
        method: str,
        path: str,
        query: str,
        headers: Iterable[tuple[bytes, bytes]],
        body: bytes = b"",
    ) -> tuple[Answer | None, bool]:
        """Answer one request: (response or None if nothing arrives, whether there was a connection)."""
        if self.is_dead:
            raise Died
        _, _, organisation, rest = (*path.split("/", 3), "")[:4]
        site = self.site_of(server, organisation.upper())
        if site is None:
            return error(404), True
        return _Exchange(self, site, method, f"/{rest}", query).run(path, headers, body)

    def happens(self, when: str) -> None:
        """Let the event of this command happen, if it is due."""
        event = self.event
        if event is not None and (event.at, event.when) == (self.calls["DeleteConnection"], when):
            self.event = None
            event.happen()
            if self.is_dead:
                raise Died

    def worded(self, operation: str, query: str, answer: Answer, site: Site) -> Answer:
        return self._manner(operation, query, answer, site) if answer.status == 200 else answer


class _Exchange:
    """One request and its answer."""

    def __init__(self, world: World, site: Site, method: str, path: str, query: str) -> None:
        self.world, self.site, self.method, self.query = world, site, method, query
        self.operation, self.id = _operation(method, path)
        world.calls[self.operation] += 1
        if self.operation == "ListEnvironmentConnections":
            self.id = parse_qs(query).get("env_id", [""])[0].upper()

    def run(self, path: str, headers: Iterable[tuple[bytes, bytes]], body: bytes) -> tuple[Answer | None, bool]:
        is_delete = self.operation == "DeleteConnection"
        if is_delete:
            if self.world.command is not None:
                self.world.command.sent.add(self.id)
            self.world.happens("before")
        fault = self.world.weather(self._call())
        if fault is None or fault.acts:
            if is_delete:
                judge_delete(self.world, self.site, self.id)
            answer = self.site.answer(self.method, path, self.query, headers, body)
            if is_delete and answer.status == 204 and self.world.command is not None:
                self.world.command.removed.add(self.id)
        self._remember(fault)
        if is_delete:
            self.world.happens("after")
        if fault is not None:
            return fault.answer, fault.sent
        return self.world.worded(self.operation, self.query, answer, self.site), True

    def _call(self) -> Call:
        environments = [environment.id for environment in self.site.environments()]
        position = environments.index(self.id) if self.id in environments else -1
        calls = self.world.calls
        return Call(self.operation, calls[self.operation], position, calls["DeleteConnection"])

    def _remember(self, fault: Fault | None) -> None:
        """Remember what the client now knows."""
        site, answered = self.site, fault is None
        match self.operation:
            case "ListProjects":
                site.looked_up_projects(self.world.time, answered=answered)
            case "ListEnvironmentConnections":
                site.looked_up_links(self.id, answered=answered)
            case "ListActivations" if not self.query:
                site.looked_up_activations(self.id, answered=answered)
            case "ListConnections" if answered and "=" not in self.query.replace("first=", ""):
                site.saw()
            case "GetConnection" if answered:
                site.saw(self.id)


def _operation(method: str, path: str) -> tuple[str, str]:
    """Return the operation that a request asks for, and the id in its path."""
    for pattern, operation in _OPERATIONS:
        if match := pattern.fullmatch(f"{method} {path}"):
            return operation, (match.group(1).upper() if match.groups() else "")
    return f"{method} {path.split('/')[1]}", ""
