"""plan, delete and resume: review a deletion, carry it out, finish one that was interrupted."""

from __future__ import annotations

from typing import TYPE_CHECKING

from IPython.display import display

from versori_magics.api.ids import canonical_ulid
from versori_magics.cleanup.consent import consent_in_advance
from versori_magics.cleanup.plan import Plan
from versori_magics.cleanup.run import RunOptions, find_unfinished_run
from versori_magics.cleanup.workflow import check_size, finish
from versori_magics.errors import ArgumentError, PlanError
from versori_magics.next_step import Action, NextStep
from versori_magics.notebook.cell_end import stop_button
from versori_magics.notebook.display.progress import ProgressDisplay
from versori_magics.notebook.display.results import DeletionPlan, DeletionReport, PlainText
from versori_magics.notebook.magic_hints import magic_hints
from versori_magics.notebook.prompts import ask_for_consent
from versori_magics.notebook.session import SESSION
from versori_magics.notebook.validation import check_flag, check_number, describe_type
from versori_magics.presentation.plain_text import plan_text
from versori_magics.settings import MAX_ROWS, MAX_WORKERS, WORKERS, journal_folder

if TYPE_CHECKING:
    from collections.abc import Collection
    from os import PathLike

    from versori_magics.cleanup.consent import Consent
    from versori_magics.cleanup.report import Report
    from versori_magics.cleanup.selection import Selection


@magic_hints()
def plan(
    org: str,
    selection: Selection,
    *,
    allow_breaking: Collection[str] = (),
    protect: str | PathLike[str] | None = None,
    no_projects: bool = False,
) -> DeletionPlan:
    """Preview a deletion: what would happen to each selected connection, and why. Deletes nothing.

    Parameters
    ----------
    org : str
        ULID, or ``.`` for the connected organisation.
    selection : str, list, Series, or DataFrame with a column `id`
        Connection ids.
    allow_breaking : collection of str
        Ids that may be deleted although they are static and in use. Default none.
    protect : path, optional
        File of connections that are never deleted. Default: VERSORI_PROTECT.
    no_projects : bool
        Whether the organisation has no projects. Unless you say so, usage is unknown if the platform lists none, and
        every connection is kept. Default False.

    Returns
    -------
    DeletionPlan
        One row for each id, with a verdict and a reason.

    Raises
    ------
    SelectionError
        If the selection contains anything but ids of this organisation; nothing was sent.
    PlatformError
        If the state of a connection cannot be determined.
    """
    check_flag("no_projects", no_projects)
    workflow = SESSION.workflow(org, protect)
    return DeletionPlan.of(workflow.prepare(selection, allow_breaking=allow_breaking, no_projects=no_projects))


@magic_hints()
def delete(
    org: str,
    selection: Selection | Plan,
    *,
    yes: bool = False,
    max: int = MAX_ROWS,  # noqa: A002 - the same word as the magic's
    allow_breaking: Collection[str] = (),
    protect: str | PathLike[str] | None = None,
    workers: int = WORKERS,
    no_projects: bool = False,
) -> DeletionReport:
    """Delete connections: plan, ask, delete, report.

    Parameters
    ----------
    org : str
        ULID, or ``.`` for the connected organisation.
    selection : str, list, Series, DataFrame with a column `id`, or DeletionPlan
        Connection ids, or the plan to execute. The rows of a plan are checked again, and those that changed are
        kept.
    yes : bool
        Consent in advance, for notebooks that run unattended; only True is consent. Default False: a person is
        asked.
    max : int
        Maximum number of selected connections; nothing is sent if there are more. Default 100.
    allow_breaking : collection of str
        Ids that may be deleted although they are static and in use. Default none.
    protect : path, optional
        File of connections that are never deleted, besides those that a plan was made with. Default:
        VERSORI_PROTECT.
    workers : int
        Maximum number of concurrent requests, 1 to 32. Default 8.
    no_projects : bool
        As for `plan`. A plan that is executed keeps its own.

    Returns
    -------
    DeletionReport
        Exactly one outcome for each id.

    Raises
    ------
    SelectionError, PlanError, ConsentError, JournalError
        Nothing was sent.
    RunStoppedError
        The run ended before its last row, now or when the plan was executed; it carries the report and says how to
        resume.
    KeyboardInterrupt
        If the stop button was pressed; the report is shown first.
    """
    check_flag("yes", yes)
    check_flag("no_projects", no_projects)
    check_number("max", max, 1, None)
    check_number("workers", workers, 1, MAX_WORKERS)
    workflow = SESSION.workflow(org, protect)
    options = _options(workers)
    if isinstance(selection, Plan):
        _refuse_breaking(allow_breaking)
        if report := workflow.recorded_report(selection):
            return _finish(report, options)
        check_size(len(selection.rows), max)
        deletion_plan = selection
    else:
        deletion_plan = workflow.prepare(
            selection, allow_breaking=allow_breaking, max_rows=max, no_projects=no_projects
        )
    consent = _get_consent(deletion_plan, yes=yes)
    # A person may take hours to answer, and a plan may be older still.
    is_fresh = deletion_plan is not selection and (consent is None or consent.in_advance)
    with options.stop_button:  # until the report is returned, so that no press hides it
        return _finish(workflow.execute(deletion_plan, consent, options, is_fresh=is_fresh), options)


@magic_hints()
def resume(
    run: str, *, yes: bool = False, protect: str | PathLike[str] | None = None, workers: int = WORKERS
) -> DeletionReport:
    """Finish a run that was stopped or interrupted.

    Its unfinished rows are checked first: those that are gone, changed or in use now are not sent. Nothing is
    deleted that was not in the plan, and consent is asked for again.

    Parameters
    ----------
    run : str
        The run's id, as `runs` lists it.
    yes : bool
        Consent in advance; only True is consent. Default False.
    protect : path, optional
        File of connections that are never deleted, besides those that the plan was made with. Default:
        VERSORI_PROTECT.
    workers : int
        Maximum number of concurrent requests, 1 to 32. Default 8.

    Returns
    -------
    DeletionReport
        Of the whole run.

    Raises
    ------
    JournalError
        If there is no such run, nothing of it was sent, or another kernel is executing it.
    ConsentError, RunStoppedError, KeyboardInterrupt
        As for `delete`.
    """
    check_flag("yes", yes)
    check_number("workers", workers, 1, MAX_WORKERS)
    if canonical_ulid(run) is None:
        raise ArgumentError(
            f"A run is named by its id, not by {describe_type(run)}.", next_step=NextStep(Action.FIND_RUNS)
        )
    unfinished = find_unfinished_run(run, journal_folder())
    workflow = SESSION.workflow(unfinished.report.organisation, protect)
    remaining_plan = workflow.prepare_resume(unfinished, recheck=not yes)
    consent = _get_consent(remaining_plan, yes=yes)
    options = _options(workers)
    with options.stop_button:  # until the report is returned, so that no press hides it
        return _finish(workflow.resume(remaining_plan, consent, options), options)


def _refuse_breaking(allow_breaking: Collection[str]) -> None:
    if not (isinstance(allow_breaking, list | tuple) and not allow_breaking):
        raise PlanError(
            "allow_breaking cannot be changed when a plan is executed.", hint="Pass allow_breaking to plan() instead."
        )


def _get_consent(plan: Plan, *, yes: bool) -> Consent | None:
    """Return the consent to a plan; None if it deletes nothing, so that nobody needs to agree."""
    if not plan.to_delete:
        return None
    if yes:
        return consent_in_advance(plan)
    display(DeletionPlan.of(plan))  # type: ignore[no-untyped-call]  # IPython's
    return ask_for_consent(plan, lambda: display(PlainText(plan_text(plan, max_rows=None))))  # type: ignore[no-untyped-call]  # IPython's


def _options(workers: int) -> RunOptions:
    return RunOptions(workers=workers, on_progress=ProgressDisplay(), stop_button=stop_button())


def _finish(report: Report, options: RunOptions) -> DeletionReport:
    return finish(DeletionReport.of(report), options.stop_button, display)
