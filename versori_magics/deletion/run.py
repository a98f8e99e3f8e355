"""A run: one execution of one plan, from a second look at it to its report."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeVar

import msgspec

from versori_magics.deletion.engine import Engine, Progress
from versori_magics.deletion.interrupts import StopButton
from versori_magics.deletion.journal import SUFFIX, Journal, default_folder, find, read
from versori_magics.deletion.plan import Plan, PlanRow, Verdict, differs, judge
from versori_magics.deletion.protect import Protection
from versori_magics.deletion.report import KEPT, Ended, Header, Outcome, Planned, Report
from versori_magics.errors import JournalError
from versori_magics.platform.pace import Clock
from versori_magics.platform.retry import Policy
from versori_magics.settings import WORKERS

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from versori_magics.platform.survey import Seen

R = TypeVar("R", bound=Report)


@dataclass(frozen=True, slots=True)
class Platform:
    """What a run needs of floor 1.

    Parameters
    ----------
    delete : callable
        Sends one DELETE.
    exists : callable
        (id, stop) -> whether a connection stands; None where that cannot be learned.
    look : callable
        ids -> what is seen of them now.
    """

    delete: Callable[[str], None]
    exists: Callable[[str, threading.Event], bool | None]
    look: Callable[[Sequence[str]], Mapping[str, Seen]]


@dataclass(slots=True)
class Options:
    """How a run goes.

    Parameters
    ----------
    workers : int
        Requests under way at most. Default 8.
    watch : callable, optional
        Called with the progress.
    protection : Protection, optional
        As it is now: what came under it since the plan was made is kept.
    button : StopButton
        Ends the run.
    policy, clock
        For retries and waits.
    """

    workers: int = WORKERS
    watch: Callable[[Progress], None] | None = None
    protection: Protection | None = None
    button: StopButton = field(default_factory=StopButton)
    policy: Policy = field(default_factory=Policy)
    clock: Clock = field(default_factory=Clock)


def recorded(plan: Plan, kind: type[R], folder: Path | None = None) -> R | None:
    """Return the report of a plan that was carried out already; None where it was not."""
    path = (folder or default_folder()) / f"{plan.id}{SUFFIX}"
    return _replayed(path, kind) if path.is_file() else None


def _replayed(path: Path, kind: type[R]) -> R:
    return kind.replay(read(path), str(path))


def execute(
    plan: Plan, platform: Platform, kind: type[R], options: Options, *, stale: bool, folder: Path | None = None
) -> R:
    """Carry out a plan that was agreed to.

    Parameters
    ----------
    plan : Plan
        What to do; never more than that is done.
    platform : Platform
        How to reach the platform.
    kind : type
        The class of the report.
    options : Options
        How.
    stale : bool
        Whether time has passed since the plan was made: then it is looked at again, and what changed is kept.
    folder : Path, optional
        Where the journal goes. Default: `default_folder`.

    Returns
    -------
    Report
        One outcome a row. A plan that was carried out before sends nothing and gives its recorded report.

    Raises
    ------
    JournalError
        Where no journal can be written; nothing was sent.
    PlatformError
        Where the second look fails; nothing was sent.
    """
    folder = folder or default_folder()
    before = recorded(plan, kind, folder)
    if before is not None:
        return before
    kept = [Ended(row.id, KEPT[row.verdict], message=row.reason) for row in plan.rows if row.verdict in KEPT]
    rows: Sequence[PlanRow] = plan.to_delete
    if stale and rows:
        rows, moved = _second_look(rows, platform.look([row.id for row in rows]), plan.breaking, options.protection)
        kept += moved
    journal = Journal.create(folder, plan)
    if journal is None:  # another kernel was faster
        return _replayed(find(folder, plan.id), kind)
    return _carry_out(journal, kept, rows, platform, kind, options)


@dataclass(frozen=True, slots=True)
class Rest:
    """What is left of a run that was cut off or stopped.

    Parameters
    ----------
    report : Report
        How the run stands by its journal.
    breaking : tuple of str
        Ids that were agreed to break.
    rows : tuple of PlanRow
        The unfinished rows, as they were planned.
    """

    report: Report
    breaking: tuple[str, ...]
    rows: tuple[PlanRow, ...]


def rest_of(run: str, folder: Path | None = None) -> Rest:
    """Return what is left of a run.

    Raises
    ------
    JournalError
        Where there is no such run, or it was cut off before its plan was whole, so that nothing was sent.
    """
    path = find(folder or default_folder(), run)
    records = read(path)
    header = next((record for record in records if isinstance(record, Header)), None)
    planned = {record.row.id: record.row for record in records if isinstance(record, Planned)}
    if header is None or len(planned) < header.rows:
        raise JournalError(
            f"The run {path.stem} was cut off before its plan was written down, so nothing was sent.",
            hint="Make a new plan.",
        )
    report = Report.replay(records, str(path))
    unfinished = {row.id for row in report.unfinished}
    return Rest(report, header.breaking, tuple(row for key, row in planned.items() if key in unfinished))


def look_again(
    rest: Rest,
    look: Callable[[Sequence[str]], Mapping[str, Seen]],
    protection: Protection | None,
    known: Sequence[Ended] = (),
) -> tuple[list[PlanRow], list[Ended]]:
    """Ask the platform how the unfinished rows stand: which may still go, and what became of the others.

    `known` are outcomes of an earlier look; they are given back with the new ones.
    """
    if not rest.rows:
        return [], list(known)
    rows, moved = _second_look(rest.rows, look([row.id for row in rest.rows]), rest.breaking, protection)
    unknown = {row.id for row in rest.report.rows if row.outcome == Outcome.UNKNOWN}
    return rows, [
        *known,
        *(
            Ended(e.id, Outcome.DELETED, message="sent before; asked now, the platform has it no more")
            if e.outcome == Outcome.ALREADY_GONE and e.id in unknown
            else e
            for e in moved
        ),
    ]


def only(rest: Rest, rows: Sequence[PlanRow]) -> Rest:
    """Return the rest cut down to the rows that were agreed to: nothing is added while a person thinks."""
    agreed = {row.id for row in rows}
    return Rest(rest.report, rest.breaking, tuple(row for row in rest.rows if row.id in agreed))


def resume(
    run: str,
    look: Callable[[Rest], tuple[list[PlanRow], list[Ended]]],
    platform: Platform,
    kind: type[R],
    options: Options,
    folder: Path | None = None,
) -> R:
    """Finish a run; its lock is held from the look to the end, so that no two kernels finish it at once.

    Parameters
    ----------
    run : str
        Its id.
    look : callable
        Rest -> rows that may go (agreed to anew), and outcomes of the others. It may raise; then nothing is sent.
    platform, kind, options, folder
        As for `execute`.
    """
    folder = folder or default_folder()
    journal = Journal.reopen(folder, run)
    try:
        rows, moved = look(rest_of(run, folder))
        journal.resumed()
    except BaseException:
        journal.close()
        raise
    moved = _with_history(moved, journal)
    return _carry_out(journal, moved, rows, platform, kind, options)


def _with_history(ended: list[Ended], journal: Journal) -> list[Ended]:
    """Keep how often a row was sent before."""
    before = {row.id: row.attempts for row in Report.replay(journal.records).rows}
    return [
        Ended(e.id, e.outcome, e.status, e.code, e.message, e.fields, e.details, before.get(e.id, 0), e.seconds)
        for e in ended
    ]


def _second_look(
    rows: Sequence[PlanRow], seen: Mapping[str, Seen], breaking: Sequence[str], protection: Protection | None
) -> tuple[list[PlanRow], list[Ended]]:
    """Part rows into those that stand as planned, and outcomes for the others; nothing is ever added."""
    stand: list[PlanRow] = []
    moved: list[Ended] = []
    for row in rows:
        now = judge(row.id, seen.get(row.id), breaking, protection or Protection())
        if now.verdict == Verdict.NOT_FOUND:
            moved.append(Ended(row.id, Outcome.ALREADY_GONE, message="gone before it was sent"))
        elif now.verdict == Verdict.PROTECTED:
            moved.append(Ended(row.id, Outcome.PROTECTED, message=now.reason))
        elif why := differs(row, now):
            moved.append(Ended(row.id, Outcome.CHANGED, message=f"kept: {why}"))
        else:
            stand.append(row)
    return stand, moved


def _carry_out(
    journal: Journal,
    kept: Sequence[Ended],
    rows: Sequence[PlanRow],
    platform: Platform,
    kind: type[R],
    options: Options,
) -> R:
    engine = Engine(
        platform.delete,
        platform.exists,
        journal,
        options.button,
        workers=options.workers,
        policy=options.policy,
        clock=options.clock,
    )
    with options.button:
        try:
            journal.ended(*kept)
        except BaseException:
            journal.close()
            raise
        engine.run(rows, options.watch)
    report = kind.replay(list(journal.records), str(journal.path))
    # Where it returned at once, or the last line could not be written, the journal does not say why it stopped.
    stopped = engine.stopped or "the stop button was pressed twice"
    return report if report.ended else msgspec.structs.replace(report, stopped=stopped)
