"""Deleting: plan, delete, and finish what was cut off."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from versori_magics.errors import ArgumentError, PlanError, RunStoppedError
from versori_magics.notebook.arguments import check_number, check_text, kind_of
from versori_magics.notebook.session import CURRENT
from versori_magics.notebook.shown import DeletionPlan, DeletionReport
from versori_magics.platform.ids import canonical_ulid
from versori_magics.settings import MAX_ROWS, MAX_WORKERS, PROTECT_VARIABLE, WORKERS

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from versori_magics.deletion.plan import PlanRow
    from versori_magics.deletion.protect import Protection
    from versori_magics.deletion.run import Options, Platform, Rest
    from versori_magics.platform.client import Client


def plan(
    org: str, selection: Any, *, allow_breaking: Sequence[str] = (), protect: str | Path | None = None
) -> DeletionPlan:
    """Say what would become of each selected connection, and why; deletes nothing.

    Parameters
    ----------
    org : str
        ULID, or ``.`` for the connected organisation.
    selection : str, list, Series, or DataFrame with a column `id`
        Connection ids.
    allow_breaking : sequence of str
        Ids that may be deleted although they are static and in use. Default none.
    protect : path, optional
        File of connections that are never deleted. Default: VERSORI_PROTECT.

    Returns
    -------
    DeletionPlan
        One row an id, with a verdict and a reason.

    Raises
    ------
    SelectionError
        Where the selection holds anything but ids of this organisation; nothing was asked.
    PlatformError
        Where it cannot be learned what stands.
    """
    from versori_magics.deletion.selection import selected

    client = CURRENT.client(org)
    ids = selected(selection, client.server, client.organisation)
    return make_plan(client, ids, allow_breaking, protection_of(protect))


def make_plan(
    client: Client, ids: Sequence[str], allow_breaking: Sequence[str], protection: Protection | None
) -> DeletionPlan:
    """Look at the connections with these ids, and judge them."""
    from versori_magics.deletion.plan import check_breaking
    from versori_magics.platform.survey import survey

    breaking = check_breaking(allow_breaking, ids)
    return DeletionPlan.make(
        client.server,
        client.organisation,
        ids,
        survey(client, ids) if ids else {},
        breaking=breaking,
        protection=protection,
    )


def delete(
    org: str,
    selection: Any,
    *,
    yes: bool = False,
    max: int = MAX_ROWS,  # noqa: A002 - the same word as the magic's
    allow_breaking: Sequence[str] = (),
    protect: str | Path | None = None,
    workers: int = WORKERS,
) -> DeletionReport:
    """Delete connections: plan, ask, delete, report.

    Parameters
    ----------
    org : str
        ULID, or ``.`` for the connected organisation.
    selection : str, list, Series, DataFrame with a column `id`, or DeletionPlan
        Connection ids, or the plan to carry out. A plan is looked at again: what changed since is kept.
    yes : bool
        Consent beforehand, for notebooks that run unattended. Default False: a person is asked.
    max : int
        More rows than this are refused, all of them. Default 100.
    allow_breaking : sequence of str
        Ids that may be deleted although they are static and in use. Default none.
    protect : path, optional
        File of connections that are never deleted. Default: VERSORI_PROTECT.
    workers : int
        Requests under way at most, 1 to 32. Default 8.

    Returns
    -------
    DeletionReport
        Exactly one outcome an id.

    Raises
    ------
    SelectionError, PlanError, ConsentError, JournalError
        Nothing was sent.
    RunStoppedError
        The run ended before its last row; it carries the report, and says how to go on.
    KeyboardInterrupt
        After the stop button, once the report is shown.
    """
    from versori_magics.deletion.run import execute, recorded
    from versori_magics.deletion.selection import selected

    check_number("max", max, 1, None)
    check_number("workers", workers, 1, MAX_WORKERS)
    client = CURRENT.client(org)
    stale = isinstance(selection, DeletionPlan)
    if isinstance(selection, DeletionPlan):
        if not (isinstance(allow_breaking, list | tuple) and not allow_breaking):
            raise PlanError("A plan says itself what may break.", hint="Give allow_breaking to plan().")
        if (selection.server, selection.organisation) != (client.server, client.organisation):
            raise PlanError(
                f"The plan is for organisation {selection.organisation} of {selection.server}, and not for"
                f" {client.organisation} of {client.server}.",
                hint="Connect there, or make a new plan.",
            )
        if (before := recorded(selection, DeletionReport)) is not None:
            return before
        _check_size(len(selection.rows), max)
        made = selection
    else:
        _check_size(len(selected(selection, client.server, client.organisation)), max)
        made = plan(org, selection, allow_breaking=allow_breaking, protect=protect)
    if not made.rows:
        return DeletionReport("", made.server, made.organisation, made.made, (), ended=True)
    if made.to_delete and not yes:
        _show_and_confirm(made)
        stale = True  # a person may take hours to answer
    options = _options(workers, protect)
    return _finished(execute(made, platform_of(client), DeletionReport, options, stale=stale), options)


def resume(run: str, *, yes: bool = False, workers: int = WORKERS) -> DeletionReport:
    """Finish a run that was stopped or cut off.

    Its unfinished rows are asked for first; what has gone, changed or come into use is not sent. Nothing is deleted
    that was not in the plan, and consent is asked anew.

    Parameters
    ----------
    run : str
        The run's id, as `runs` lists it.
    yes : bool
        Consent beforehand. Default False.
    workers : int
        Requests under way at most, 1 to 32. Default 8.

    Returns
    -------
    DeletionReport
        Of the whole run.

    Raises
    ------
    JournalError
        Where there is no such run, nothing of it was sent, or another kernel has it.
    ConsentError, RunStoppedError, KeyboardInterrupt
        As for `delete`.
    """
    from versori_magics.deletion.journal import default_folder
    from versori_magics.deletion.run import look_again, only, rest_of
    from versori_magics.deletion.run import resume as finish

    check_number("workers", workers, 1, MAX_WORKERS)
    if canonical_ulid(run) is None:
        raise ArgumentError(f"A run is named by its id, not by {kind_of(run)}.", hint="%versori_runs lists the runs.")
    rest = rest_of(run, default_folder())
    client = CURRENT.client(rest.report.organisation)
    if rest.report.server != client.server:
        raise PlanError(
            f"The run {rest.report.run} is of {rest.report.server}, and {client.server} is connected.",
            hint=f"%versori_connect --server {rest.report.server}, then repeat.",
        )
    options = _options(workers, None)
    platform = platform_of(client)

    def look(left: Rest) -> Any:
        rows, moved = look_again(left, platform.look, options.protection)
        if not rows or yes:
            return rows, moved
        _show_and_confirm(resumed_plan(left, rows))
        return look_again(only(left, rows), platform.look, options.protection, moved)

    return _finished(finish(rest.report.run, look, platform, DeletionReport, options), options)


def resumed_plan(rest: Rest, rows: Sequence[PlanRow]) -> DeletionPlan:
    """Return what is left of a run as a plan, to be shown and agreed to."""
    report = rest.report
    return DeletionPlan(report.run, report.server, report.organisation, report.started, tuple(rows))


def _finished(report: DeletionReport, options: Options) -> DeletionReport:
    """Return the report of a run that came to its end; else show it and raise."""
    from IPython.display import display

    if options.button.pressed:
        display(report)  # type: ignore[no-untyped-call]  # IPython's
        raise KeyboardInterrupt
    if report.stopped:
        display(report)  # type: ignore[no-untyped-call]  # IPython's
        from versori_magics.notebook.render import counts

        raise RunStoppedError(
            f"The run ended early: {report.stopped}. Of {len(report.rows):,}: {counts(report.counts)}.",
            hint=report.resume_hint,
            report=report,
        )
    return report


def _show_and_confirm(made: DeletionPlan) -> None:
    from IPython.display import display

    from versori_magics.notebook.prompts import confirm

    display(made)  # type: ignore[no-untyped-call]  # IPython's
    confirm(made)


def platform_of(client: Client) -> Platform:
    """Return what a run needs of a client."""
    from versori_magics.deletion.run import Platform
    from versori_magics.platform.survey import survey

    return Platform(client.delete, client.exists, lambda ids: survey(client, ids))


def _options(workers: int, protect: str | Path | None) -> Options:
    from versori_magics.deletion.run import Options
    from versori_magics.notebook.progress import ProgressDisplay

    return Options(workers=workers, watch=ProgressDisplay(), protection=protection_of(protect))


def protection_of(protect: str | Path | None) -> Protection | None:
    """Return the protection that a file, or VERSORI_PROTECT, tells; None where neither is given."""
    from versori_magics.deletion.protect import read_protection

    if not isinstance(protect, os.PathLike):
        check_text("protect", protect)
    path = protect or os.environ.get(PROTECT_VARIABLE, "").strip()
    return read_protection(path) if path else None


def _check_size(rows: int, most: int) -> None:
    if rows > most:
        raise PlanError(
            f"{rows:,} connections are selected, and {most:,} at most are deleted at once: nothing was sent.",
            hint=f"Look at the plan (--dry-run); if it is right, --max {rows}.",
        )
