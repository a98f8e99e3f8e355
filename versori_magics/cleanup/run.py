"""A run: one execution of one plan under its lock, from the recheck of its rows to its report."""

from __future__ import annotations

import time
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import msgspec

from versori_magics.api.clock import Clock
from versori_magics.api.retry import RetryPolicy
from versori_magics.cleanup.executor import Executor, RunProgress
from versori_magics.cleanup.journal import Journal, find_journal, is_under_way, read_journal, under_way_error
from versori_magics.cleanup.journal_file import LOOK_AGAIN, SUFFIX
from versori_magics.cleanup.plan import Plan, PlanRow, Verdict, describe_change, plan_row
from versori_magics.cleanup.records import Outcome, RowOutcome, find_header, recorded_plan
from versori_magics.cleanup.report import Report, ReportRow
from versori_magics.cleanup.run_control import RunControl
from versori_magics.cleanup.stop_button import StopButton
from versori_magics.cleanup.usage_scan import ScanLimits, UsageScan
from versori_magics.errors import JournalError
from versori_magics.settings import WORKERS
from versori_magics.text import one_line

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
    from pathlib import Path

    from versori_magics.cleanup.platform import Platform
    from versori_magics.cleanup.protection import Protection
    from versori_magics.cleanup.records import Entry
    from versori_magics.inventory.snapshot import ConnectionSnapshot

# Seconds. A run that has not ended is looked at again: perhaps another kernel has only just created its journal and
# not locked it yet, or ended it between the two looks.
_WAITS = (0.0, 0.05, 0.2)


@dataclass(slots=True)
class RunOptions:
    """The options of a run.

    Parameters
    ----------
    workers : int
        Maximum number of concurrent requests. Default 8.
    on_progress : callable, optional
        Called with each `RunProgress`.
    stop_button : StopButton
        Ends the run.
    policy, clock
        For retries and waits.
    scan_limits : ScanLimits
        How old a usage scan may be, and how long it may take.
    """

    workers: int = WORKERS
    on_progress: Callable[[RunProgress], None] | None = None
    stop_button: StopButton = field(default_factory=StopButton)
    policy: RetryPolicy = field(default_factory=RetryPolicy)
    clock: Clock = field(default_factory=Clock)
    scan_limits: ScanLimits = field(default_factory=ScanLimits)

    def usage_scan(self, recheck: Callable[[Sequence[PlanRow]], tuple[list[PlanRow], list[RowOutcome]]]) -> UsageScan:
        """Return a usage scan that has yet to be done."""
        return UsageScan(recheck, self.clock, self.scan_limits)

    def is_not_stopped(self) -> bool:
        """Tell whether the run may go on."""
        return not self.stop_button.stop.is_set()


@dataclass(frozen=True, slots=True)
class UnfinishedRun:
    """The unfinished part of an interrupted or stopped run.

    Parameters
    ----------
    report : Report
        The report, read from the journal.
    planned : Plan
        The whole plan of the run.
    rows : tuple of PlanRow
        The unfinished rows, as they were planned.
    """

    report: Report
    planned: Plan
    rows: tuple[PlanRow, ...]

    def plan(self, rows: Iterable[PlanRow]) -> Plan:
        """Return a plan of `rows`, for review and consent."""
        return msgspec.structs.replace(self.planned, rows=tuple(rows))


def recorded_report(plan: Plan, folder: Path) -> Report | None:
    """Return the report of a plan that was executed already, or None.

    Raises
    ------
    JournalError
        If its run is under way, its journal cannot be read, or the journal is that of another plan.
    """
    path = folder / f"{plan.id}{SUFFIX}"
    return _replay(plan, path) if path.is_file() else None


def find_unfinished_run(run: str, folder: Path) -> UnfinishedRun:
    """Return the unfinished part of a run.

    Raises
    ------
    JournalError
        If there is no such run, or its journal does not hold its whole plan.
    """
    path = find_journal(folder, run)
    return _unfinished_run(read_journal(path), path)


def start_run(
    plan: Plan,
    platform: Platform,
    folder: Path,
    options: RunOptions,
    scan: UsageScan,
    agreed: str = "",
) -> Report:
    """Execute a plan that was agreed to.

    Parameters
    ----------
    plan : Plan
        The plan; only its rows to delete are deleted.
    platform : Platform
        The platform.
    folder : Path
        Folder of the journals.
    options : RunOptions
        The options.
    scan : UsageScan
        The scan that the plan rests on; it is repeated whenever it is too old, first before anything is sent.
    agreed : str
        Who agreed to the plan and how, for the journal. Default: nobody had to.

    Returns
    -------
    Report
        One outcome for each row. A plan that was executed before sends nothing and returns its recorded report, which
        tells whether that run ended.

    Raises
    ------
    JournalError
        If no journal can be written, or the plan was executed before and its report cannot be returned, for example
        because that run is under way; nothing was sent.
    PlatformError
        If the recheck fails; nothing was sent.
    """
    if report := recorded_report(plan, folder):
        return report
    rows: Sequence[PlanRow] = plan.to_delete
    outcomes: list[RowOutcome] = []  # of rows that changed; those that the plan keeps have that of their verdict
    with options.stop_button:  # from here, so that no press can leave the run locked
        if rows and scan.is_stale:
            rows, outcomes = scan.repeat(rows, options.is_not_stopped)
        journal = Journal.create(folder, plan, agreed, outcomes)
        if journal is None:  # another kernel started this plan first
            return _replay(plan, find_journal(folder, plan.id))
        return _execute(journal, rows, platform, options, scan)


def resume_run(
    run: str,
    agreed_ids: Collection[str],
    platform: Platform,
    folder: Path,
    options: RunOptions,
    recheck: Callable[[UnfinishedRun], tuple[list[PlanRow], list[RowOutcome]]],
    agreed: str = "",
) -> Report:
    """Finish a run; its lock is held from the recheck to the end, so that no two kernels finish it at once.

    Parameters
    ----------
    run : str
        Its id.
    agreed_ids : collection of str
        The ids that may be deleted, if they are still unfinished.
    platform, folder, options
        As for `start_run`.
    recheck : callable
        (unfinished run) -> (unchanged rows, outcomes of the others). If it raises, nothing is sent.
    agreed : str
        Who agreed to continue and how, for the journal. Default: nobody had to.
    """
    with options.stop_button:  # from here, so that no press can leave the run locked
        journal = Journal.reopen(folder, run)
        try:
            unfinished = _unfinished_run(journal.records, journal.path)
            scan = options.usage_scan(lambda rows: _recheck_again(replace(unfinished, rows=tuple(rows)), recheck))
            rows, outcomes = scan.repeat(unfinished.rows, options.is_not_stopped)
            journal.record_resume(agreed, outcomes)
        except BaseException:
            journal.close()
            raise
        agreed_rows = [row for row in rows if row.id in agreed_ids]
        return _execute(journal, agreed_rows, platform, options, scan, unreviewed=len(rows) - len(agreed_rows))


def _recheck_again(
    unfinished: UnfinishedRun, recheck: Callable[[UnfinishedRun], tuple[list[PlanRow], list[RowOutcome]]]
) -> tuple[list[PlanRow], list[RowOutcome]]:
    """Recheck the rows of an unfinished run; their outcomes have the attempts of the run so far."""
    rows, outcomes = recheck(unfinished)
    attempts = {row.id: row.attempts for row in unfinished.report.rows}
    return rows, [msgspec.structs.replace(outcome, attempts=attempts[outcome.id]) for outcome in outcomes]


def recheck_rows(
    rows: Sequence[PlanRow],
    snapshots: Mapping[str, ConnectionSnapshot],
    breaking: Sequence[str],
    protection: Protection,
) -> tuple[list[PlanRow], list[RowOutcome]]:
    """Return the planned rows that are unchanged, and the outcomes of the others."""
    unchanged: list[PlanRow] = []
    outcomes: list[RowOutcome] = []
    for row in rows:
        current = plan_row(row.id, snapshots.get(row.id), breaking, protection)
        if current.verdict == Verdict.NOT_FOUND:
            outcomes.append(
                RowOutcome(row.id, Outcome.ALREADY_GONE, message="already deleted before the request was sent")
            )
        elif current.verdict == Verdict.PROTECTED:
            outcomes.append(RowOutcome(row.id, Outcome.PROTECTED, message=current.reason))
        elif change := describe_change(row, current):
            outcomes.append(RowOutcome(row.id, Outcome.CHANGED, message=f"kept: {change}"))
        else:
            unchanged.append(row)
    return unchanged, outcomes


def recheck_unfinished(
    unfinished: UnfinishedRun, snapshots: Mapping[str, ConnectionSnapshot], protection: Protection
) -> tuple[list[PlanRow], list[RowOutcome]]:
    """Recheck the rows of an unfinished run; an unknown row that no longer exists was deleted by that run."""
    rows, outcomes = recheck_rows(unfinished.rows, snapshots, unfinished.planned.breaking, protection)
    unknown = {row.id: row for row in unfinished.report.rows if row.outcome == Outcome.UNKNOWN}
    return rows, [
        RowOutcome(o.id, Outcome.DELETED, message=_deleted_earlier(unknown[o.id]))
        if o.outcome == Outcome.ALREADY_GONE and o.id in unknown
        else o
        for o in outcomes
    ]


def _deleted_earlier(row: ReportRow) -> str:
    if row.attempts:
        return "sent earlier; the connection no longer exists"
    return "the connection no longer exists; the journal is damaged, so somebody else may have deleted it"


def _unfinished_run(records: Sequence[Entry], path: Path) -> UnfinishedRun:
    plan = recorded_plan(records)
    if plan is None:
        raise _incomplete_error(path)
    report = Report.replay(records, str(path))
    unfinished = {row.id for row in report.unfinished}
    rows = tuple(row for row in plan.rows if row.id in unfinished)
    return UnfinishedRun(report, plan, rows)


def _incomplete_error(path: Path) -> JournalError:
    return JournalError(
        f"The journal of the run {path.stem} does not hold its whole plan: the run was interrupted as it began, or the"
        " file was damaged. It cannot be continued.",
        hint=LOOK_AGAIN,
    )


def _execute(
    journal: Journal,
    rows: Sequence[PlanRow],
    platform: Platform,
    options: RunOptions,
    scan: UsageScan,
    unreviewed: int = 0,
) -> Report:
    stop_button = options.stop_button
    control = RunControl(
        stop_button.stop, workers=options.workers, scan=scan, policy=options.policy, clock=options.clock
    )
    executor = Executor(platform, journal, control, stop_button, workers=options.workers, unreviewed=unreviewed)
    executor.run(rows, options.on_progress)
    report = Report.replay(list(journal.records), str(journal.path))
    if report.ended and report.stopped == executor.stopped:
        return report
    # The stop button was pressed twice, or the last line could not be written: the journal has no reason.
    stopped = executor.stopped or control.halt_reason or "the stop button was pressed twice"
    return msgspec.structs.replace(report, stopped=stopped)


def _replay(plan: Plan, path: Path) -> Report:
    """Return the report of an earlier run of a plan."""
    for wait in _WAITS:
        time.sleep(wait)
        records = read_journal(path)
        report = Report.replay(records, str(path))
        if is_under_way(path):
            raise under_way_error(plan.id)
        if report.ended:
            break
    header = find_header(records)
    if header is None:
        raise _incomplete_error(path)
    if header.digest != plan.digest:
        raise JournalError(
            f"The journal {one_line(path, 300)} is that of another plan with the same id. Nothing was sent.",
            hint="Create a new plan.",
        )
    return report
