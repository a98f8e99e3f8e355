"""What the tests of this folder are made of: ids, rows, plans, answers, and a clock that nobody waits for."""

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from versori_magics.deletion.engine import Engine
from versori_magics.deletion.interrupts import StopButton
from versori_magics.deletion.journal import Journal, read
from versori_magics.deletion.plan import Plan, PlanRow, Verdict
from versori_magics.deletion.report import Report
from versori_magics.errors import ApiError, ForbiddenError, NotFoundError, TransportError, UnauthorisedError
from versori_magics.platform.models import Connection
from versori_magics.platform.pace import Clock
from versori_magics.platform.survey import Seen
from versori_magics.platform.usage import ConnectionUsage, Use

SERVER = "https://platform.example/api/v2"
ORGANISATION = "01ARZ3NDEKTSV4RRFFQ69G5FAV"
RUN = "01ARZ3NDEKTSV4RRFFQ69G5RVN"
Kind = Any


def make_id(number: int) -> str:
    return f"01ARZ3NDEKTSV4RRFFQ6{number:06}"


def make_row(number: int, verdict: Verdict = Verdict.DELETE, **facts: Any) -> PlanRow:
    return PlanRow(id=make_id(number), verdict=verdict, name=f"connection {number}", **facts)


def make_plan(*rows: PlanRow, run: str = RUN, **facts: Any) -> Plan:
    return Plan(run, SERVER, ORGANISATION, "2026-01-01T00:00:00+00:00", rows, **facts)


def make_use(number: int = 1, kind: Kind = "static", status: str = "running", user: str = "") -> Use:
    return Use(kind, "Orders", "P", f"environment {number}", f"E{number}", status, user)


def make_seen(number: int, kind: Kind = "unused", uses: Any = None, **facts: Any) -> Seen:
    """Make what is seen of a connection; `system` and the fields of a connection can be given."""
    system = facts.pop("system", "Shop")
    facts = {"name": f"connection {number}", "updated_at": "2026-01-01T00:00:00Z", "system_id": make_id(900)} | facts
    found = (make_use(kind=kind),) if uses is None and kind in {"static", "dynamic"} else tuple(uses or ())
    problem = "a look-up failed" if kind == "unknown" else ""
    return Seen(Connection(id=make_id(number), **facts), system, ConnectionUsage(kind, found, problem))


class Timeless(Clock):
    """Time passes by waiting only, and waiting takes none."""

    def __init__(self) -> None:
        self.time = 0.0
        self.waits: list[float] = []
        self._lock = threading.Lock()

    def now(self) -> float:
        return self.time

    def wait(self, stop: threading.Event, seconds: float) -> bool:
        with self._lock:
            self.time += seconds
            self.waits.append(seconds)
        return not stop.is_set()


# What a DELETE can end with.
LOST = TransportError("nothing came back")
UNSENT = TransportError("no connection", sent=False)
GONE = NotFoundError("not found", status=404, code="404000", documented=True)
PAGE_404 = NotFoundError("a page", status=404)
DEAD = UnauthorisedError("expired", status=401, documented=True)
FORBIDDEN = ForbiddenError("not yours", status=403, documented=True)


def refused(status: int, message: str = "no", **facts: Any) -> ApiError:
    return ApiError(message, status=status, code=f"{status}000", documented=True, **facts)


def page(status: int) -> ApiError:
    return ApiError("a page", status=status)


class Answers:
    """A `delete` whose answers are told for each id, one a send; then it succeeds."""

    def __init__(self, answers: dict[str, list[Exception | None]] | None = None) -> None:
        self.answers = answers or {}
        self.sends: list[str] = []
        self.before: Callable[[str], None] = lambda _: None

    def __call__(self, key: str) -> None:
        self.sends.append(key)
        self.before(key)
        left = self.answers.get(key, [])
        answer = left.pop(0) if left else None
        if answer is not None:
            raise answer


def make_engine(
    folder: Path,
    plan: Plan,
    delete: Callable[[str], None],
    *,
    exists: Callable[[str, threading.Event], bool | None] = lambda *_: None,
    workers: int = 1,
    clock: Clock | None = None,
    button: StopButton | None = None,
    **options: Any,
) -> Engine:
    journal = Journal.create(folder, plan)
    assert journal is not None
    return Engine(
        delete, exists, journal, button or StopButton(), workers=workers, clock=clock or Timeless(), **options
    )


def replayed(folder: Path, run: str = RUN) -> Report:
    return Report.replay(read(folder / f"{run}.jsonl"))
