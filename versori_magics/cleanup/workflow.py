"""prepare / execute / resume: the one orchestration behind the magics, the functions and the form."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from versori_magics.cleanup.consent import describe_agreement
from versori_magics.cleanup.journal import is_under_way, under_way_error
from versori_magics.cleanup.plan import Plan
from versori_magics.cleanup.protection import NO_PROTECTION, Protection, read_protection, recorded_protection
from versori_magics.cleanup.report import Report
from versori_magics.cleanup.run import (
    recheck_rows,
    recheck_unfinished,
    recorded_report,
    resume_run,
    start_run,
)
from versori_magics.cleanup.selection import resolve_breaking, resolve_selection
from versori_magics.errors import ConsentError, PlanError, RunStoppedError
from versori_magics.inventory.snapshot import Snapshots
from versori_magics.next_step import Action, NextStep

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence

    from versori_magics.api.models import Connection
    from versori_magics.cleanup.consent import Consent
    from versori_magics.cleanup.plan import PlanRow
    from versori_magics.cleanup.platform import Platform
    from versori_magics.cleanup.records import RowOutcome
    from versori_magics.cleanup.run import RunOptions, UnfinishedRun
    from versori_magics.cleanup.selection import Selection
    from versori_magics.cleanup.stop_button import StopButton

ReportT = TypeVar("ReportT", bound=Report)


@dataclass(frozen=True, slots=True)
class Workflow:
    """Cleans up one organisation; created for each command.

    Parameters
    ----------
    platform : Platform
        The organisation on its server.
    journal_folder : Path
        The folder in which runs are recorded.
    protection_file : Path or None
        Connections that are never deleted; read before every check, so that new rules apply.
    """

    platform: Platform
    journal_folder: Path
    protection_file: Path | None = None

    def prepare(
        self,
        selection: Selection,
        *,
        allow_breaking: Collection[str] = (),
        max_rows: int | None = None,
        no_projects: bool = False,
    ) -> Plan:
        """Resolve a selection, read its connections and decide what happens to each; deletes nothing.

        Parameters
        ----------
        selection : str, list, Series, or DataFrame with a column `id`
            Connection ids.
        allow_breaking : collection of str
            Selected ids that may be deleted although they are static and in use.
        max_rows : int, optional
            Refuse a larger selection as a whole. Default: no limit.
        no_projects : bool
            Whether the user says that the organisation has no projects. Default False.

        Raises
        ------
        SelectionError, PlanError, ArgumentError
            Nothing was sent.
        PlatformError
            If the state of a connection cannot be determined.
        """
        platform = self.platform
        ids = resolve_selection(selection, platform.server, platform.organisation)
        check_size(len(ids), max_rows)
        breaking = resolve_breaking(allow_breaking, ids)
        list_connections = cache(platform.connections)  # two checks need the list, and often neither is made
        protection = self._protection(list_connections=list_connections)
        unmatched_rules = protection.unmatched_rules(list_connections()) if ids and protection.rules else ()
        created_at = datetime.now(UTC).isoformat(timespec="milliseconds")
        snapshots = platform.snapshots(ids, no_projects=no_projects) if ids else Snapshots()
        return Plan.create(
            platform.server,
            platform.organisation,
            ids,
            snapshots,
            created_at=created_at,
            no_projects=no_projects,
            breaking=breaking,
            protection=protection,
            unmatched_rules=unmatched_rules,
        )

    def recorded_report(self, plan: Plan) -> Report | None:
        """Return the report of a plan that was executed already, or None.

        Raises
        ------
        PlanError
            If the plan is for another server or organisation.
        JournalError
            If the plan is being executed now.
        """
        self._check_origin(plan)
        return recorded_report(plan, self.journal_folder)

    def execute(self, plan: Plan, consent: Consent | None, options: RunOptions, *, is_fresh: bool = False) -> Report:
        """Execute a plan that was agreed to.

        Parameters
        ----------
        plan : Plan
            From `prepare`.
        consent : Consent or None
            To this plan; None only if it deletes nothing.
        options : RunOptions
            Workers, progress and stop button.
        is_fresh : bool
            Whether the plan was created just now. If not, its rows are rechecked, and those that changed are kept.

        Raises
        ------
        ConsentError, PlanError, JournalError, PlatformError
            Nothing was sent.
        """
        self._check_origin(plan)
        _check_consent(plan, consent)
        if not plan.rows:
            return Report("", plan.server, plan.organisation, plan.created_at, (), ended=True)

        def recheck(rows: Sequence[PlanRow]) -> tuple[list[PlanRow], list[RowOutcome]]:
            protection = self._protection(plan)
            return recheck_rows(rows, self._snapshots(plan, rows), plan.breaking, protection)

        scan = options.usage_scan(recheck)
        if is_fresh:
            scan.rely_on(plan.created_at)
        return start_run(plan, self.platform, self.journal_folder, options, scan, describe_agreement(consent))

    def prepare_resume(self, unfinished: UnfinishedRun, *, recheck: bool = True) -> Plan:
        """Return the rows of an unfinished run that may still be deleted, as a plan with the run's id.

        Parameters
        ----------
        unfinished : UnfinishedRun
            From `find_unfinished_run`.
        recheck : bool
            Whether to read the current state of the rows. False returns every unfinished row as it was planned;
            `resume` rechecks in any case.

        Raises
        ------
        JournalError
            If the run is already running.
        PlanError
            If the run is for another server or organisation.
        """
        report = unfinished.report
        if is_under_way(Path(report.journal)):
            raise under_way_error(report.run)
        return unfinished.plan(self._recheck_unfinished(unfinished)[0] if recheck else unfinished.rows)

    def resume(self, plan: Plan, consent: Consent | None, options: RunOptions) -> Report:
        """Finish a run: recheck its unfinished rows, and delete those that were agreed to and have not changed.

        Parameters
        ----------
        plan : Plan
            From `prepare_resume`.
        consent, options
            As for `execute`.
        """
        self._check_origin(plan)
        _check_consent(plan, consent)
        agreed_ids = {row.id for row in plan.to_delete}
        agreed = describe_agreement(consent)
        return resume_run(
            plan.id, agreed_ids, self.platform, self.journal_folder, options, self._recheck_unfinished, agreed
        )

    def _recheck_unfinished(self, unfinished: UnfinishedRun) -> tuple[list[PlanRow], list[RowOutcome]]:
        plan = unfinished.plan(unfinished.rows)
        self._check_origin(plan)
        if not plan.rows:
            return [], []
        protection = self._protection(plan)
        return recheck_unfinished(unfinished, self._snapshots(plan, plan.rows), protection)

    def _snapshots(self, plan: Plan, rows: Sequence[PlanRow]) -> Snapshots:
        return self.platform.snapshots([row.id for row in rows], no_projects=plan.no_projects)

    def _protection(
        self,
        plan: Plan | None = None,
        *,
        list_connections: Callable[[], Sequence[tuple[Connection, str]]] | None = None,
    ) -> Protection:
        """Return the rules of the protection files as they are now, and those that a plan was made with."""
        paths = [path for path in (self.protection_file, plan and plan.protection_file) if path]
        protection = NO_PROTECTION
        for path in dict.fromkeys(map(Path, paths)):
            protection |= read_protection(path)
        protection.check_comments(list_connections or self.platform.connections)
        return protection if plan is None else protection | recorded_protection(plan.protection)

    def _check_origin(self, plan: Plan) -> None:
        platform = self.platform
        if (plan.server, plan.organisation) != (platform.server, platform.organisation):
            raise PlanError(
                f"The plan is for organisation {plan.organisation} on {plan.server}, not for"
                f" {platform.organisation} on {platform.server}.",
                hint="" if plan.server != platform.server else f"Use organisation {plan.organisation}.",
                next_step=NextStep(Action.CONNECT, plan.server) if plan.server != platform.server else None,
            )


def finish(report: ReportT, stop_button: StopButton, show: Callable[[ReportT], object]) -> ReportT:
    """Return the report of a run that reached its last row; otherwise show it and raise.

    Raises
    ------
    KeyboardInterrupt
        If the stop button was pressed.
    RunStoppedError
        If the run ended before its last row, now or when it was executed.
    """
    if stop_button.pressed:
        show(report)
        raise KeyboardInterrupt
    if problem := _problem(report):
        show(report)
        raise RunStoppedError(problem, report=report, next_step=report.next_step)
    return report


def _problem(report: Report) -> str:
    """Return why a report is not that of a run that reached its last row; empty if it is."""
    if report.stopped:
        return f"The run ended early: {report.stopped}."
    if not report.ended:
        return "The run was interrupted."
    return report.damage if report.unfinished else ""


def check_size(rows: int, max_rows: int | None) -> None:
    """Raise a `PlanError` if there are more rows than allowed."""
    if max_rows is not None and rows > max_rows:
        raise PlanError(
            f"{rows:,} connections are selected; the maximum is {max_rows:,}. Nothing was sent.",
            next_step=NextStep(Action.RAISE_LIMIT, str(rows)),
        )


def _check_consent(plan: Plan, consent: Consent | None) -> None:
    if consent is not None:
        consent.check(plan)
    elif plan.to_delete:
        raise ConsentError("Nobody agreed to this plan, so nothing was sent.", hint="Review it and agree to it.")
