"""One trial: a generated script of faults, stops and kills, carried out on a real socket and then judged.

A trial is a plan and a few executions of it: the first, then resumes, each with faults of its own, and a last one
without any. After each, the report is held against what the platform saw.
"""

import threading
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from faults.clocks import FastClock, FastWaits
from faults.fault_scripts import DELETE_TIMEOUT, FAULTS, READ_FAULTS, Execution, Script
from faults.judgement import judge_run
from faults.log_watch import LogWatch
from support.hostile_platform import SECRET, TOKEN, Fault, HostilePlatform, RecordedRequest, World, world

from versori_magics.api import client as client_module
from versori_magics.api.client import Client
from versori_magics.api.models import Connection
from versori_magics.api.retry import RetryPolicy
from versori_magics.cleanup.consent import consent_in_advance
from versori_magics.cleanup.executor import RunProgress
from versori_magics.cleanup.journal import is_under_way, read_journal
from versori_magics.cleanup.journal_lines import decode_record
from versori_magics.cleanup.plan import Plan
from versori_magics.cleanup.platform import Platform
from versori_magics.cleanup.records import Outcome, RowPlanned, RowSent, RunResumed
from versori_magics.cleanup.report import Report
from versori_magics.cleanup.run import RunOptions, find_unfinished_run
from versori_magics.cleanup.stop_button import StopButton
from versori_magics.cleanup.usage_scan import ScanLimits
from versori_magics.cleanup.workflow import Workflow
from versori_magics.errors import PlatformError
from versori_magics.inventory.snapshot import ConnectionSnapshot, Snapshots
from versori_magics.inventory.usage import ConnectionUsage, Use, UseKind
from versori_magics.notebook.display.results import DeletionPlan, DeletionReport

MAX_SENDS = RetryPolicy().sends * RetryPolicy().turns  # of one row in one execution
SPEEDUP = 1000


@dataclass
class Trial:
    platform: HostilePlatform
    folder: Path
    logs: LogWatch
    script: Script
    removed: set[str] = field(default_factory=set)
    """Rows that somebody else removed."""
    changed: set[str] = field(default_factory=set)
    """Rows that changed before they were looked at again: they must not be sent any more."""
    visible_texts: list[str] = field(default_factory=list)
    """Everything that a person could see."""
    sends: Counter[str] = field(default_factory=Counter)
    """The sends of this execution, by id."""
    is_stopped: bool = False
    sends_after_stop: int = 0
    """Sends that began after the stop button was pressed."""

    def run(self) -> list[Counter[str]]:
        """Carry the whole script out, judge it after each execution, and return the outcomes of each."""
        self.world = _make_world(self.script)
        self.platform.reset(self.world)
        self.plan = _make_plan(self.platform)
        self.path = self.folder / f"{self.plan.id}.jsonl"
        outcomes = [self._execute(execution, is_first=not n) for n, execution in enumerate(self.script.executions)]
        outcomes.append(self._execute(Execution(), is_first=False, is_last=True))
        self._check_that_nothing_is_left_to_send()
        self._check_that_no_secret_was_told()
        self.platform.verify()
        return outcomes

    def _execute(self, execution: Execution, *, is_first: bool, is_last: bool = False) -> Counter[str]:
        self._change(execution.changes, will_be_noticed=not is_first or not self.script.is_fresh)
        stop_button = StopButton()
        self._arrange(execution, stop_button)
        options = RunOptions(
            workers=execution.workers,
            on_progress=_progress_check(execution.workers),
            stop_button=stop_button,
            policy=RetryPolicy(seconds=45.0 * SPEEDUP),
            clock=FastClock(SPEEDUP),
            scan_limits=ScanLimits(age=270.0 * SPEEDUP, seconds=240.0 * SPEEDUP),
        )
        with Client(self.platform.url, self.platform.organisation, TOKEN, clock=FastWaits(SPEEDUP)) as client:
            self.visible_texts.append(repr(client))
            with _delete_timeout(10 if is_last else DELETE_TIMEOUT):
                report = self._run(client, options, execution, is_first=is_first)
                _wait_until(lambda: not is_under_way(self.path))  # pressed twice: the last worker closes it
        self.platform.wait_for(lambda: not self.platform.in_flight and not self.platform.open_connections)
        assert self.sends_after_stop <= execution.workers, "sent after the stop"
        assert all(count <= MAX_SENDS for count in self.sends.values()), self.sends
        if execution.end == "killed":
            self._cut_journal(execution.cut)
            report = self._replay()
        elif stop_button.pressed_twice:
            report = self._later_report(report)
        else:
            assert report == self._replay(), "the journal and the report differ"
            assert report.ended
        self._judge(report)
        if is_last:
            assert not report.unfinished, report.unfinished
        return Counter(row.outcome.value for row in report.rows)

    def _change(self, changes: tuple[tuple[int, str], ...], *, will_be_noticed: bool) -> None:
        """Change rows as somebody else would; if they are looked at before they are sent, it must be noticed."""
        with self.platform.lock:
            for number, change in changes:
                key = self.world.free[number]
                if key not in self.world.connections:
                    continue
                row = self.world.connections[key]
                if change == "rename":
                    row.name += "!"
                elif change == "touch":
                    row.updated_at = "2026-01-01T00:00:00Z"
                elif change == "remove" and not any(self.world.activations_of(key)):
                    self.world.remove(key)
                    self.removed.add(key)
                elif change == "activate":
                    self.world.activate(key)
                elif change == "link" and will_be_noticed:
                    self.world.link(key)
                if will_be_noticed and key in self.world.connections:
                    self.changed.add(key)

    def _arrange(self, execution: Execution, stop_button: StopButton) -> None:
        """Make the platform fail as the script says, and press the stop button when it says so."""
        faults = {key: list(names) for key, names in zip(self.world.free, execution.faults, strict=False)}
        read_faults = list(execution.read_faults)
        self.sends, self.is_stopped, self.sends_after_stop = Counter(), False, 0
        arrivals = 0

        def decide(request: RecordedRequest) -> Fault | None:
            nonlocal arrivals
            if request.operation != "DeleteConnection":
                return READ_FAULTS[read_faults.pop(0)]() if read_faults else None
            arrivals += 1
            key = request.ids[0]
            if arrivals == execution.stop_at:
                self.is_stopped = True
                stop_button.presses = 2 if execution.end == "pressed twice" else 1
                stop_button.stop.set()
            return FAULTS[faults[key].pop(0)]() if faults.get(key) else None

        with self.platform.lock:
            self.platform.decide = decide

    def _run(self, client: Client, options: RunOptions, execution: Execution, *, is_first: bool) -> Report:
        lock = threading.Lock()

        def delete(key: str) -> None:
            # Counted as it leaves: a loaded machine may see a request arrive only after the client gave up on it.
            with lock:
                self.sends[key] += 1
                self.sends_after_stop += self.is_stopped
            client.delete(key)

        workflow = Workflow(replace(Platform.of(client), delete=delete), self.folder)
        while True:
            failure: PlatformError | None = None
            try:
                if is_first:
                    consent = consent_in_advance(self.plan)
                    return workflow.execute(self.plan, consent, options, is_fresh=self.script.is_fresh)
                unfinished = find_unfinished_run(self.plan.id, self.folder)
                remaining = workflow.prepare_resume(unfinished, recheck=execution.looks_first)
                return workflow.resume(remaining, consent_in_advance(remaining), options)
            except PlatformError as error:  # the state of the rows could not be found out
                failure = error
            assert not self.sends, "sent, although the look failed"
            assert not is_under_way(self.path)
            self.visible_texts += [str(failure), *traceback.format_exception(failure)]
            self._end_read_faults()

    def _end_read_faults(self) -> None:
        before = self.platform.decide

        def decide(request: RecordedRequest) -> Fault | None:
            return before(request) if before and request.method == "DELETE" else None

        with self.platform.lock:
            self.platform.decide = decide

    def _replay(self) -> Report:
        return Report.replay(read_journal(self.path), str(self.path))

    def _cut_journal(self, fraction: float) -> None:
        """Leave the journal as a kill at some instant would: with the line of every DELETE that was sent."""
        content = self.path.read_bytes()
        journalled: Counter[str] = Counter()
        offset = durable = 0
        for line in content.splitlines(keepends=True):
            offset += len(line)
            record = decode_record(line)
            if isinstance(record, RowSent):
                journalled[record.id] += 1
                durable = offset if journalled[record.id] <= self.sends[record.id] else durable
            elif isinstance(record, RowPlanned | RunResumed):
                journalled.clear()
                durable = offset
        self.path.write_bytes(content[: durable + round(fraction * (len(content) - durable))])

    def _later_report(self, early: Report) -> Report:
        """After a second press the report came at once; requests that were in flight may have been answered since."""
        late = self._replay()
        for before, after in zip(early.rows, late.rows, strict=True):
            assert before == after or before.outcome in {Outcome.UNKNOWN, Outcome.NOT_ATTEMPTED}
            assert before.outcome != Outcome.NOT_ATTEMPTED or after.outcome == Outcome.NOT_ATTEMPTED
        self._judge(early)
        return late

    def _judge(self, report: Report) -> None:
        shown = DeletionReport.of(report)
        self.visible_texts += [*_texts(shown), str(shown.rows)]
        judge_run(self.platform, self.plan, report, self.path, self.removed)
        assert not self.changed & self.sends.keys(), "sent, although it was no longer as planned"

    def _check_that_nothing_is_left_to_send(self) -> None:
        """The same plan again, and one more resume: neither sends anything."""
        before = len(self.platform.requests)
        offline = Platform(self.plan.server, self.plan.organisation, _fail, _fail, _fail, _fail)
        workflow = Workflow(offline, self.folder)
        again = workflow.execute(self.plan, consent_in_advance(self.plan), RunOptions())
        assert again == self._replay()
        remaining = workflow.prepare_resume(find_unfinished_run(self.plan.id, self.folder))
        assert remaining.rows == ()
        assert workflow.resume(remaining, None, RunOptions()).rows == again.rows
        assert len(self.platform.requests) == before

    def _check_that_no_secret_was_told(self) -> None:
        shown = DeletionPlan.of(self.plan)
        self.visible_texts += _texts(shown)
        files = self.folder.glob(f"{self.plan.id}*")
        self.visible_texts += [path.read_text(encoding="utf-8", errors="replace") for path in files]
        for text in self.visible_texts:
            assert TOKEN not in text
            assert SECRET not in text
        assert not self.logs.leaks


def _make_world(script: Script) -> World:
    """Build an organisation with one environment, which uses every connection that is in use."""
    built = world(static=script.static, dynamic=script.dynamic, free=script.rows)
    for project in list(built.projects.values())[1:]:
        del built.projects[project.id]
    (project,) = built.projects.values()
    del project.environments[1:]
    (environment,) = project.environments
    built.links = {environment.id: {key: linked[key] for linked in built.links.values() for key in linked}}
    for activation in built.activations.values():
        activation.environment_id = environment.id
    return built


def _make_plan(platform: HostilePlatform) -> Plan:
    """Plan without asking the platform, which costs more than everything else; so only resumes ask."""
    usages: dict[str, UseKind] = dict.fromkeys(platform.world.static, "static")
    usages |= dict.fromkeys(platform.world.dynamic, "dynamic")
    snapshots = {}
    for key, row in platform.world.connections.items():
        connection = Connection(id=key, name=row.name, updated_at=row.updated_at)
        snapshots[key] = ConnectionSnapshot(connection, "", _make_usage(usages.get(key)))
    now = datetime.now(UTC).isoformat()
    ids = tuple(platform.world.connections)
    plan = Plan.create(platform.url, platform.organisation, ids, Snapshots(snapshots), created_at=now)
    assert [row.id for row in plan.to_delete] == platform.world.free
    return plan


def _make_usage(kind: UseKind | None) -> ConnectionUsage:
    if kind is None:
        return ConnectionUsage("unused")
    return ConnectionUsage(kind, (Use(kind, "Orders", "", "production", "", "running"),))


def _texts(shown: DeletionPlan | DeletionReport) -> list[str]:
    """Return an object's representations; its repr is the plain text among them."""
    return list(shown._repr_mimebundle_().values())


def _progress_check(workers: int) -> Callable[[RunProgress], None]:
    def check(progress: RunProgress) -> None:
        assert progress.done <= progress.planned
        assert progress.in_flight <= workers
        assert progress.outcomes.total() == progress.done

    return check


def _fail(*_: Any, **__: Any) -> Any:
    raise AssertionError("nothing may be asked or sent")


@contextmanager
def _delete_timeout(seconds: float) -> Iterator[None]:
    before = client_module.DELETE_SECONDS
    client_module.DELETE_SECONDS = seconds
    try:
        yield
    finally:
        client_module.DELETE_SECONDS = before


def _wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline, "not within 10 s"
        time.sleep(0.001)
