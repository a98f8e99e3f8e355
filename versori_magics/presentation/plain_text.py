"""Plans, reports and summaries as plain text, for terminals and logs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from versori_magics.presentation.limits import CELL_LENGTH, NOTE_LENGTH, REASON_LENGTH
from versori_magics.presentation.wording import (
    NO_NAME,
    OUTCOME_WORDS,
    VERDICT_WORDS,
    more_rows,
    origin,
    outcome_reason,
    plan_notes,
    plan_rows_in_order,
    plan_source,
    plan_title,
    report_notes,
    report_rows_in_order,
    report_title,
)
from versori_magics.text import cut, one_line

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from versori_magics.cleanup.plan import Plan, PlanRow
    from versori_magics.cleanup.report import Report, ReportRow

TEXT_ROWS = 20  # rows shown of a plan or a report


def plan_text(plan: Plan, more_hint: str = "", max_rows: int | None = TEXT_ROWS) -> str:
    """Return a plan: its counts, what it breaks, then the first rows, those that are kept first.

    Parameters
    ----------
    plan : Plan
        The plan.
    more_hint : str
        Where the reader finds all rows, in the caller's own syntax. Default empty.
    max_rows : int or None
        Maximum number of rows; None for all. Default 20.
    """
    rows = [(VERDICT_WORDS[row.verdict], _plan_line(row)) for row in plan_rows_in_order(plan)[:max_rows]]
    notes = [plan_source(plan), *plan_notes(plan)]
    return _text(plan_title(plan), notes, rows, len(plan.rows), more_hint)


def report_text(report: Report, hint: str = "", more_hint: str = "") -> str:
    """Return a report: its counts, why the run ended, then the first rows, errors first.

    Parameters
    ----------
    report : Report
        The report.
    hint : str
        What to do next, in the caller's own syntax. Default empty.
    more_hint : str
        Where the reader finds all rows, in the caller's own syntax. Default empty.
    """
    rows = [(OUTCOME_WORDS[row.outcome], _report_line(row)) for row in report_rows_in_order(report)[:TEXT_ROWS]]
    notes = [origin(report), *report_notes(report, hint)]
    return _text(report_title(report), notes, rows, len(report.rows), more_hint)


def pairs_text(title: str, pairs: Mapping[str, object]) -> str:
    """Return a title and aligned lines of names and values."""
    width = max((len(name) for name in pairs), default=0)
    lines = [f"  {name:<{width}}  {one_line(value, CELL_LENGTH)}" for name, value in pairs.items()]
    return "\n".join([one_line(title), *lines])


def _text(title: str, notes: Sequence[str], rows: Sequence[tuple[str, str]], total: int, more_hint: str) -> str:
    """Return a title, notes, and rows of (words, line), the words aligned."""
    width = max((len(words) for words, _ in rows), default=0)
    lines = [title, *(f"  {one_line(note, NOTE_LENGTH)}" for note in notes)]
    lines += [f"  {words:<{width}}  {line}".rstrip() for words, line in rows]
    if total > len(rows):
        lines.append(f"  {more_rows(total - len(rows), more_hint)}")
    return "\n".join(lines)


def _plan_line(row: PlanRow) -> str:
    system = f" [{one_line(row.system, 30)}]" if row.system else ""
    return f"{_id_and_name(row)}{system}  {one_line(row.reason, 160)}"


def _report_line(row: ReportRow) -> str:
    return f"{_id_and_name(row)}  {cut(outcome_reason(row), REASON_LENGTH)}"


def _id_and_name(row: PlanRow | ReportRow) -> str:
    return f"{row.id}  {one_line(row.name or NO_NAME, 60)}"
