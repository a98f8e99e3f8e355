"""The wording of plans, reports and progress, and the order of their rows."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from versori_magics.cleanup.consent import required_words
from versori_magics.cleanup.plan import Verdict
from versori_magics.cleanup.records import GONE, Outcome, outcomes_in_words
from versori_magics.cleanup.report import Report
from versori_magics.presentation.limits import CELL_LENGTH
from versori_magics.text import counts_in_words, number_of, one_line

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from versori_magics.cleanup.executor import RunProgress
    from versori_magics.cleanup.plan import Plan, PlanRow
    from versori_magics.cleanup.report import ReportRow

T = TypeVar("T")

NOTHING_TO_DELETE = "This plan deletes nothing."
NO_NAME = "(no name)"
VERDICT_WORDS = {
    Verdict.DELETE: "Will be deleted",
    Verdict.IN_USE: "Kept, in use",
    Verdict.PROTECTED: "Kept, protected",
    Verdict.NOT_FOUND: "Does not exist",
}
OUTCOME_WORDS = {
    Outcome.DELETED: "Deleted",
    Outcome.ALREADY_GONE: "Was already gone",
    Outcome.IN_USE: "Kept, in use",
    Outcome.PROTECTED: "Kept, protected",
    Outcome.CHANGED: "Kept, changed since review",
    Outcome.REFUSED: "Refused by Versori",
    Outcome.FAILED: "Not deleted, error",
    Outcome.UNKNOWN: "Unclear, check",
    Outcome.NOT_ATTEMPTED: "Not attempted",
}
# A person reads from the top: first the rows that are kept, or the errors.
PLAN_ORDER = (Verdict.IN_USE, Verdict.PROTECTED, Verdict.NOT_FOUND, Verdict.DELETE)
OUTCOME_ORDER = (
    Outcome.UNKNOWN,
    Outcome.FAILED,
    Outcome.REFUSED,
    Outcome.CHANGED,
    Outcome.NOT_ATTEMPTED,
    Outcome.IN_USE,
    Outcome.PROTECTED,
    Outcome.DELETED,
    Outcome.ALREADY_GONE,
)
# Words for counts, such as '13 to delete'.
_COUNTED_VERDICTS = {
    Verdict.DELETE: "to delete",
    Verdict.IN_USE: "kept (in use)",
    Verdict.PROTECTED: "kept (protected)",
    Verdict.NOT_FOUND: "not found",
}
_NOTHING_SELECTED = "nothing was selected"
_NAMED_RULES = 5  # of those that match nothing
_NAMED_ENVIRONMENTS = 3  # of those that a plan breaks
_MAX_SECONDS = 120  # a longer estimate is shown in minutes
_MIN_WHOLE_RATE = 10  # rows a second; a lower rate is shown with a decimal


def plan_title(plan: Plan) -> str:
    """Return the title of a plan: the number of its rows, and the number of rows for each verdict."""
    counts = counts_in_words({words: plan.counts[verdict] for verdict, words in _COUNTED_VERDICTS.items()})
    return f"Plan for {number_of(len(plan.rows), 'connection')}: {counts if plan.rows else _NOTHING_SELECTED}"


def report_title(report: Report) -> str:
    """Return the title of a report: the number of its rows, and the number of rows for each outcome."""
    counts = report.summary if report.rows else _NOTHING_SELECTED
    return f"Report on {number_of(len(report.rows), 'connection')}: {counts}"


def plan_rows_in_order(plan: Plan) -> list[PlanRow]:
    """Return the rows as a person reads them, those that are kept first."""
    return _in_order(plan.rows, PLAN_ORDER, lambda row: row.verdict)


def report_rows_in_order(report: Report) -> list[ReportRow]:
    """Return the rows as a person reads them, errors first."""
    return _in_order(report.rows, OUTCOME_ORDER, lambda row: row.outcome)


def _in_order(rows: Iterable[T], order: Sequence[object], key: Callable[[T], object]) -> list[T]:
    return sorted(rows, key=lambda row: order.index(key(row)))


def breaking_sentence(plan: Plan) -> str:
    """Return the sentence about the rows that are deleted although they are in use; empty if there are none."""
    rows = plan.to_break
    if not rows:
        return ""
    subject = (
        "1 connection to delete is in use: deleting it"
        if len(rows) == 1
        else f"{len(rows):,} connections to delete are in use: deleting them"
    )
    return f"{subject} breaks {_running_environments(rows)}."


def plan_notes(plan: Plan) -> list[str]:
    """Return the notes on a plan: what it breaks, what could not be checked, and the rules that match nothing."""
    notes = [note for note in (breaking_sentence(plan), plan.warning) if note]
    if plan.unmatched_rules:
        rules = ", ".join(repr(one_line(rule, 80)) for rule in plan.unmatched_rules[:_NAMED_RULES])
        others = len(plan.unmatched_rules) - _NAMED_RULES
        more = f" and {others:,} more" if others > 0 else ""
        verb = "matches" if len(plan.unmatched_rules) == 1 else "match"
        number = number_of(len(plan.unmatched_rules), "protection rule")
        notes.append(f"{number} {verb} no connection of the organisation: {rules}{more}. Check the spelling.")
    return notes


def origin(source: Plan | Report) -> str:
    """Return the server and the organisation, and the run of a report."""
    run = f", run {source.run}" if isinstance(source, Report) and source.run else ""
    return f"server {source.server}, organisation {source.organisation}{run}"


def plan_source(plan: Plan) -> str:
    """Return the server, the organisation and how much was looked at to find out who uses the connections."""
    return f"{origin(plan)}; usage read from {plan.scope}" if plan.scope else origin(plan)


def report_notes(report: Report, hint: str = "") -> list[str]:
    """Return the notes on a run that did not reach its last row, or whose journal is damaged, and how to finish it.

    Parameters
    ----------
    report : Report
        The report.
    hint : str
        What to do next, in the caller's own syntax. Default empty.
    """
    notes = []
    if report.stopped:
        notes.append(f"The run ended early: {report.stopped}.")
    elif report.run and not report.ended:
        notes.append("The run has not ended: it was interrupted or is still running.")
    if report.damage:
        notes.append(report.damage)
    return [*notes, hint] if hint else notes


def outcome_reason(row: ReportRow) -> str:
    """Return all facts about the outcome of a row: message, fields, details, status, code and number of sends."""
    parts = [one_line(row.message, CELL_LENGTH)]
    if row.outcome not in GONE:
        parts += [f"{one_line(field, 80)}: {one_line(message, 200)}" for field, message in row.fields]
        parts.append(one_line(row.details, CELL_LENGTH))
        if row.status:
            parts.append(f"HTTP {row.status}" + (f", code {one_line(row.code, 60)}" if row.code else ""))
    if row.attempts > 1:
        parts.append(f"sent {row.attempts} times")
    return " · ".join(part for part in parts if part)


def more_rows(number: int, more_hint: str = "") -> str:
    """Return the note about rows that are not shown.

    Parameters
    ----------
    number : int
        The number of rows that are not shown.
    more_hint : str
        Where the reader finds all rows, in the caller's own syntax. Default empty.
    """
    note = f"… and {number_of(number, 'more row')}"
    return f"{note}, {more_hint}" if more_hint else note


def progress_line(progress: RunProgress) -> str:
    """Return the state of a run as one line."""
    counts = f" ({outcomes_in_words(progress.outcomes)})" if progress.outcomes else ""
    parts = [f"{progress.done:,} of {progress.planned:,} done{counts}"]
    left = progress.planned - progress.done
    if left > 0:
        parts.append(f"{left:,} left, {progress.in_flight} in flight")
        parts.append(_pace(progress, left))
    parts.append(f"{progress.seconds:.1f} s")
    return " · ".join(part for part in parts if part)


def _pace(progress: RunProgress, left: int) -> str:
    """Return the rate of a run and its remaining time, or the reason why it sends nothing."""
    if progress.is_stopping:
        return "stopping: nothing more is sent"
    if progress.is_scanning:
        return "finding out again who uses them"
    if progress.pause_left:
        return f"the platform asks to wait {progress.pause_left:.0f} s"
    rate = progress.done / progress.seconds if progress.seconds else 0.0
    if not rate:
        return ""
    decimals = int(rate < _MIN_WHOLE_RATE)
    return f"{rate:.{decimals}f} a second, {_duration(left / rate)} to go"


def _duration(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < _MAX_SECONDS else f"{seconds / 60:.0f} min"


def deletion_sentence(plan: Plan) -> str:
    """Return the sentence about the deletion that a person is asked to agree to."""
    rows = plan.to_delete
    if len(rows) == 1:
        return _single_deletion(rows[0])
    sentence = f"Delete {len(rows):,} of {len(plan.rows):,} selected connections"
    if plan.to_break:
        sentence += f", {len(plan.to_break):,} of them in use (breaks {_running_environments(plan.to_break)})"
    return f"{sentence}."


def _single_deletion(row: PlanRow) -> str:
    name, system = one_line(row.name or NO_NAME, 80), one_line(row.system or "no system", 60)
    usage = f"it is used by {one_line(row.used_by, 200)}" if row.in_use else "nobody uses it"
    breaks = f" This breaks {_running_environments([row])}." if row.breaking else ""
    return f"Delete {name!r} ({system}, {row.id}): {usage}.{breaks}"


def consent_request(plan: Plan) -> str:
    """Return the request for the words that a person has to type to agree."""
    words = required_words(plan)
    if words == "y":
        return "Delete it? y/N"
    return f"Type {words} to continue, list to see every row, anything else to stop"


def _running_environments(rows: Iterable[PlanRow]) -> str:
    """Return the number and the first names of the environments; one with several connections counts once."""
    names = {id_: name for row in rows for id_, name in row.running_environments.items()}
    if not names:
        return "no running environment"
    first = ", ".join(one_line(name, 80) for name in list(names.values())[:_NAMED_ENVIRONMENTS])
    more = f" and {len(names) - _NAMED_ENVIRONMENTS:,} more" if len(names) > _NAMED_ENVIRONMENTS else ""
    return f"{number_of(len(names), 'running environment')}: {first}{more}"
