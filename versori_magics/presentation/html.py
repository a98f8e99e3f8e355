"""Plans, reports, progress and summaries as HTML that is escaped and bounded.

Every text from the server passes through `cell`: cut to a length, without control characters, escaped.
"""

from __future__ import annotations

import html
from typing import TYPE_CHECKING, NamedTuple, TypeVar

from versori_magics.cleanup.plan import Verdict
from versori_magics.cleanup.records import GONE, Outcome
from versori_magics.presentation.limits import CELL_LENGTH, NOTE_LENGTH, OUTPUT_LENGTH, REASON_LENGTH, take_up_to
from versori_magics.presentation.wording import (
    OUTCOME_WORDS,
    VERDICT_WORDS,
    more_rows,
    origin,
    outcome_reason,
    plan_notes,
    plan_rows_in_order,
    plan_source,
    plan_title,
    progress_line,
    report_notes,
    report_rows_in_order,
    report_title,
)
from versori_magics.text import number_of, one_line

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from versori_magics.cleanup.executor import RunProgress
    from versori_magics.cleanup.plan import Plan, PlanRow
    from versori_magics.cleanup.report import Report, ReportRow

T = TypeVar("T")

MIN_OPEN_ROWS = 10
MAX_OPEN_ROWS = 50
MAX_FOLDED_ROWS = 200  # shown after a click; the others are only counted

_STYLE = (
    "<style>.versori{line-height:1.45}.versori table{border-collapse:collapse;margin:.3em 0}"
    ".versori td,.versori th{text-align:left!important;vertical-align:top;padding:.2em .7em;max-width:34em;"
    "white-space:normal}"
    ".versori .id{font-family:monospace;white-space:nowrap}"
    ".versori .long{overflow-wrap:anywhere;min-width:9em}"
    ".versori .bad{border-left:4px solid #c62828}.versori .kept{border-left:4px solid #f9a825}"
    ".versori .good{border-left:4px solid #2e7d32}.versori .quiet{border-left:4px solid #90a4ae}"
    ".versori .note{opacity:.75}.versori summary{cursor:pointer}</style>"
)
_VERDICT_TONES = {
    Verdict.DELETE: "good",
    Verdict.IN_USE: "kept",
    Verdict.PROTECTED: "kept",
    Verdict.NOT_FOUND: "quiet",
}
_OUTCOME_TONES = {
    Outcome.DELETED: "good",
    Outcome.ALREADY_GONE: "quiet",
    Outcome.IN_USE: "kept",
    Outcome.PROTECTED: "kept",
    Outcome.CHANGED: "kept",
    Outcome.REFUSED: "bad",
    Outcome.FAILED: "bad",
    Outcome.UNKNOWN: "bad",
    Outcome.NOT_ATTEMPTED: "bad",
}


class Column(NamedTuple):
    """A column of a table.

    Parameters
    ----------
    head : str
        Its heading.
    css_class : str
        ``id`` never wraps and ``long`` wraps anywhere. Default empty: the column wraps between words.
    max_length : int
        Characters of a value. Default 300.
    """

    head: str
    css_class: str = ""
    max_length: int = CELL_LENGTH


class Row(NamedTuple):
    """A row of a table: the CSS class of its tone, and one value for each column."""

    tone: str
    values: Sequence[object]


_PAIR_COLUMNS = (Column(""), Column("", "long"))
_PLAN_COLUMNS = (
    Column("Verdict"),
    Column("Name", "long"),
    Column("System"),
    Column("Id", "id"),
    Column("Usage"),
    Column("Breaks running environments"),
    Column("Reason", "long", REASON_LENGTH),
)
_REPORT_COLUMNS = (
    Column("Outcome"),
    Column("Name", "long"),
    Column("System"),
    Column("Id", "id"),
    Column("Reason", "long", REASON_LENGTH),
)


def plan_html(plan: Plan, more_hint: str = "") -> str:
    """Return a plan: its counts, what it breaks, then the rows, those that are kept first.

    Parameters
    ----------
    plan : Plan
        The plan.
    more_hint : str
        Where the reader finds all rows, in the caller's own syntax. Default empty.
    """
    rows_to_notice = sum(row.verdict != Verdict.DELETE or row.breaking for row in plan.rows)
    open_rows = rows_to_notice + MIN_OPEN_ROWS
    rows = folded_table(_PLAN_COLUMNS, plan_rows_in_order(plan), _plan_row, open_rows, more_hint)
    return box(_heading(plan_title(plan), plan_source(plan), plan_notes(plan)), rows)


def report_html(report: Report, hint: str = "", more_hint: str = "") -> str:
    """Return a report: its counts, why the run ended, then the rows, errors first.

    Parameters
    ----------
    report : Report
        The report.
    hint : str
        What to do next, in the caller's own syntax. Default empty.
    more_hint : str
        Where the reader finds all rows, in the caller's own syntax. Default empty.
    """
    rows_to_notice = sum(row.outcome not in GONE for row in report.rows)
    rows = folded_table(_REPORT_COLUMNS, report_rows_in_order(report), _report_row, rows_to_notice, more_hint)
    return box(_heading(report_title(report), origin(report), report_notes(report, hint)), rows)


def pairs_html(title: str, pairs: Mapping[str, object]) -> str:
    """Return a title and a table of names and values."""
    return box(f"<b>{cell(title)}</b>", table(_PAIR_COLUMNS, [Row("", pair) for pair in pairs.items()]))


def progress_html(progress: RunProgress) -> str:
    """Return the state of a run as a bar and one line."""
    percent = 100 * progress.done / progress.planned if progress.planned else 100
    bar = (
        '<div style="width:24em;height:.6em;border:1px solid #90a4ae;border-radius:.3em;overflow:hidden">'
        f'<div style="width:{percent:.1f}%;height:100%;background:#2e7d32"></div></div>'
    )
    return box(bar, cell(progress_line(progress)))


def cell(text: object, max_length: int = CELL_LENGTH) -> str:
    """Return anything as one safe line of escaped HTML."""
    return html.escape(one_line(text, max_length))


def box(*parts: str) -> str:
    """Return pieces of HTML as one piece with our style."""
    return f'{_STYLE}<div class="versori">{"".join(parts)}</div>'


def table(columns: Sequence[Column], rows: Iterable[Row]) -> str:
    """Return a table, every heading and value escaped."""
    return _table(columns, [_row(columns, row) for row in rows])


def folded_table(
    columns: Sequence[Column], items: Sequence[T], to_row: Callable[[T], Row], open_rows: int, more_hint: str = ""
) -> str:
    """Return a table whose first rows are open and the next ones folded; the others are only counted.

    Parameters
    ----------
    columns : sequence of Column
        The columns.
    items : sequence
        One for each row.
    to_row : callable
        (item) -> Row; called only for rows that are shown.
    open_rows : int
        The number of rows to leave open, raised to 10 or reduced to 50.
    more_hint : str
        Where the reader finds all rows, in the caller's own syntax. Default empty.
    """
    open_rows = min(max(open_rows, MIN_OPEN_ROWS), MAX_OPEN_ROWS, len(items))
    candidates = (_row(columns, to_row(item)) for item in items[: open_rows + MAX_FOLDED_ROWS])
    rows = take_up_to(OUTPUT_LENGTH, candidates)
    hidden = len(items) - len(rows)
    note = f'<p class="note">{cell(more_rows(hidden, more_hint))}</p>' if hidden else ""
    open_table = _table(columns, rows[:open_rows]) if rows else ""
    if len(rows) <= open_rows:
        return open_table + note
    summary = f"<summary>{number_of(len(items) - open_rows, 'more row')}</summary>"
    return f"{open_table}<details>{summary}{_table(columns, rows[open_rows:])}{note}</details>"


def _heading(title: str, source: str, notes: Sequence[str]) -> str:
    warnings = (f'<p class="bad">&nbsp;<b>{cell(note, NOTE_LENGTH)}</b></p>' for note in notes)
    return f'<b>{cell(title)}</b><br><span class="note">{cell(source)}</span>{"".join(warnings)}'


def _table(columns: Sequence[Column], rows: Sequence[str]) -> str:
    heads = "".join(f"<th>{cell(column.head)}</th>" for column in columns)
    return f"<table><thead><tr>{heads}</tr></thead><tbody>{''.join(rows)}</tbody></table>"


def _row(columns: Sequence[Column], row: Row) -> str:
    cells = (_cell_of(column, value) for column, value in zip(columns, row.values, strict=True))
    return f'<tr class="{row.tone}">{"".join(cells)}</tr>'


def _cell_of(column: Column, value: object) -> str:
    css_class = f' class="{column.css_class}"' if column.css_class else ""
    return f"<td{css_class}>{cell(value, column.max_length)}</td>"


def _plan_row(row: PlanRow) -> Row:
    tone = "bad" if row.breaking else _VERDICT_TONES[row.verdict]
    words = VERDICT_WORDS[row.verdict]
    return Row(tone, (words, row.name, row.system, row.id, row.kind, row.running or "", row.reason))


def _report_row(row: ReportRow) -> Row:
    words = OUTCOME_WORDS[row.outcome]
    return Row(_OUTCOME_TONES[row.outcome], (words, row.name, row.system, row.id, outcome_reason(row)))
