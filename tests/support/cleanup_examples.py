"""Examples for tests of the clean-up: ids, rows, plans, snapshots, answers, and a clock that takes no time."""

import random
import threading
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from versori_magics.api.clock import Clock
from versori_magics.api.models import Connection
from versori_magics.api.retry import RetryPolicy
from versori_magics.cleanup.consent import consent_in_advance
from versori_magics.cleanup.executor import Executor
from versori_magics.cleanup.journal import Journal, read_journal
from versori_magics.cleanup.journal_file import SUFFIX
from versori_magics.cleanup.plan import Plan, PlanRow, Verdict
from versori_magics.cleanup.platform import Platform
from versori_magics.cleanup.records import RowOutcome
from versori_magics.cleanup.report import Report
from versori_magics.cleanup.run import RunOptions
from versori_magics.cleanup.run_control import RunControl
from versori_magics.cleanup.stop_button import StopButton
from versori_magics.cleanup.usage_scan import ScanLimits, UsageScan
from versori_magics.cleanup.workflow import Workflow
from versori_magics.errors import ApiError, ForbiddenError, NotFoundError, TransportError, UnauthorisedError
from versori_magics.inventory.snapshot import ConnectionSnapshot, Snapshots
from versori_magics.inventory.usage import ConnectionUsage, UsageKind, Use, UseKind

SERVER = "https://platform.example/api/v2"
ORGANISATION = "01ARZ3NDEKTSV4RRFFQ69G5FAV"
RUN = "01ARZ3NDEKTSV4RRFFQ69G5RVN"

Recheck = Callable[[Sequence[PlanRow]], tuple[list[PlanRow], list[RowOutcome]]]


def make_id(number: int) -> str:
    return f"01ARZ3NDEKTSV4RRFFQ6{number:06}"


def make_ids(*numbers: int) -> list[str]:
    return [make_id(number) for number in numbers]


def make_row(number: int, verdict: Verdict = Verdict.DELETE, **facts: Any) -> PlanRow:
    return PlanRow(id=make_id(number), verdict=verdict, name=f"connection {number}", **facts)


def make_plan(*rows: PlanRow, run: str = RUN, **facts: Any) -> Plan:
    return Plan(run, SERVER, ORGANISATION, "2026-01-01T00:00:00+00:00", rows, **facts)


def plan_of(count: int, run: str = RUN) -> Plan:
    """Return a plan that deletes so many connections, numbered from 0."""
    return make_plan(*(make_row(number) for number in range(count)), run=run)


def make_use(number: int = 1, kind: UseKind = "static", status: str = "running", user: str = "") -> Use:
    return Use(kind, "Orders", "P", f"environment {number}", f"E{number}", status, user)


def make_usage(kind: UsageKind, uses: Iterable[Use] = ()) -> ConnectionUsage:
    """Return a usage; one that is static or dynamic has one use if none is passed."""
    default = {"static": (make_use(),), "dynamic": (make_use(kind="dynamic"),)}.get(kind, ())
    return ConnectionUsage(kind, tuple(uses) or default, "a look-up failed" if kind == "unknown" else "")


def make_snapshot(
    number: int, kind: UsageKind = "unused", uses: Iterable[Use] = (), *, system: str = "Shop", **facts: Any
) -> ConnectionSnapshot:
    """Return the snapshot of a connection; its fields can be passed."""
    facts = {"name": f"connection {number}", "updated_at": "2026-01-01T00:00:00Z", "system_id": make_id(900)} | facts
    return ConnectionSnapshot(Connection(id=make_id(number), **facts), system, make_usage(kind, uses))


def unchanged_snapshot(number: int) -> ConnectionSnapshot:
    """Return the snapshot of a connection that still is as `make_row` plans it."""
    return make_snapshot(number, updated_at=None)


class InstantClock(Clock):
    """Time passes only by waiting, and waiting takes no time."""

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


# How a DELETE can end.
LOST = TransportError("nothing came back")
UNSENT = TransportError("no connection", sent=False)
GONE = NotFoundError("not found", status=404, code="404000", documented=True)
PAGE_404 = NotFoundError("a page", status=404)
TOKEN_REFUSED = UnauthorisedError("expired", status=401, documented=True)
FORBIDDEN = ForbiddenError("not yours", status=403, documented=True)


def refused(status: int, message: str = "no", **facts: Any) -> ApiError:
    return ApiError(message, status=status, code=f"{status}000", documented=True, **facts)


def page(status: int) -> ApiError:
    return ApiError("a page", status=status)


class ScriptedDelete:
    """A `delete` with scripted answers for each id, one for each send; then it succeeds."""

    def __init__(self, answers: dict[str, list[Exception | None]] | None = None) -> None:
        self.answers = answers or {}
        self.sends: list[str] = []
        self.before_send: Callable[[str], None] = lambda _: None

    def __call__(self, key: str) -> None:
        self.sends.append(key)
        self.before_send(key)
        left = self.answers.get(key, [])
        answer = left.pop(0) if left else None
        if answer is not None:
            raise answer


class ScriptedSnapshots:
    """A `snapshots` that knows these connections, and remembers which ids it was asked for."""

    def __init__(self, *snapshots: ConnectionSnapshot) -> None:
        self.snapshots = {snapshot.connection.id: snapshot for snapshot in snapshots}
        self.calls: list[tuple[str, ...]] = []

    def __call__(self, ids: Sequence[str], *, no_projects: bool = False) -> Snapshots:
        self.calls.append(tuple(ids))
        self.no_projects = no_projects
        return Snapshots({key: self.snapshots[key] for key in ids if key in self.snapshots})

    def connections(self) -> list[tuple[Connection, str]]:
        return [(snapshot.connection, snapshot.system) for snapshot in self.snapshots.values()]


def no_snapshots(ids: Sequence[str], **_: object) -> Snapshots:
    raise AssertionError(f"this test takes no snapshots of {ids}")


def make_platform(
    delete: Callable[[str], None] | None = None,
    exists: Callable[[str, threading.Event], bool | None] = lambda *_: None,
    snapshots: Callable[..., Snapshots] = no_snapshots,
    connections: Callable[[], Sequence[tuple[Connection, str]]] = list,
) -> Platform:
    return Platform(SERVER, ORGANISATION, delete or ScriptedDelete(), exists, snapshots, connections)


def unchanged(rows: Sequence[PlanRow]) -> tuple[list[PlanRow], list[RowOutcome]]:
    """Recheck rows that are all as they were planned."""
    return list(rows), []


def fresh_scan(recheck: Recheck = unchanged, clock: Clock | None = None) -> UsageScan:
    """Return a usage scan that began just now; `recheck` is what it does when it is too old."""
    scan = UsageScan(recheck, clock or Clock(), ScanLimits())
    scan.rely_on(datetime.now(UTC).isoformat())
    assert not scan.is_stale
    return scan


def make_executor(
    folder: Path,
    plan: Plan,
    delete: Callable[[str], None],
    *,
    exists: Callable[[str, threading.Event], bool | None] = lambda *_: None,
    workers: int = 1,
    clock: Clock | None = None,
    stop_button: StopButton | None = None,
    policy: RetryPolicy | None = None,
    rng: random.Random | None = None,
    recheck: Recheck = unchanged,
) -> Executor:
    """Return an executor with an open journal of `plan`, whose usage was scanned just now."""
    journal = Journal.create(folder, plan)
    assert journal is not None
    stop_button, clock = stop_button or StopButton(), clock or InstantClock()
    scan = fresh_scan(recheck, clock)
    control = RunControl(stop_button.stop, workers=workers, scan=scan, policy=policy, clock=clock, rng=rng)
    return Executor(make_platform(delete, exists), journal, control, stop_button, workers=workers)


def journal_path(folder: Path, run: str = RUN) -> Path:
    return folder / f"{run}{SUFFIX}"


def replay(folder: Path, run: str = RUN) -> Report:
    """Return the report that the journal of a run gives."""
    return Report.replay(read_journal(journal_path(folder, run)))


class WorkflowExample:
    """A workflow on a platform without HTTP, which knows connections that are as `make_row` plans them.

    Parameters
    ----------
    folder : Path
        For the protection file, which is empty, and the journals.
    numbers : iterable of int
        The connections.
    """

    def __init__(self, folder: Path, numbers: Iterable[int] = ()) -> None:
        self.delete = ScriptedDelete()
        self.snapshots = ScriptedSnapshots(*map(unchanged_snapshot, numbers))
        self.protection_file = folder / "protect.txt"
        self.protection_file.write_text("")
        self.journal_folder = folder / "runs"
        platform = make_platform(self.delete, snapshots=self.snapshots, connections=self.snapshots.connections)
        self.workflow = Workflow(platform, self.journal_folder, self.protection_file)

    def change(self, snapshot: ConnectionSnapshot) -> None:
        self.snapshots.snapshots[snapshot.connection.id] = snapshot

    def execute(self, plan: Plan, *, is_fresh: bool = False) -> Report:
        return self.workflow.execute(plan, consent_in_advance(plan), make_options(), is_fresh=is_fresh)

    def resume(self, remaining: Plan) -> Report:
        return self.workflow.resume(remaining, consent_in_advance(remaining), make_options())


def make_options() -> RunOptions:
    return RunOptions(clock=InstantClock())


def outcomes_of(report: Report) -> list[str]:
    return [row.outcome.value for row in report.rows]
