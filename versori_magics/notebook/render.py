"""Escaped HTML and plain text for each thing that is shown. Pure: text in, text out.

Everything that came from the server goes through `one_line` (no control characters, cut to a length) and, for HTML,
through `html.escape`.
"""

from __future__ import annotations

import html
from typing import TYPE_CHECKING, TypeVar

from versori_magics.deletion.plan import Verdict
from versori_magics.deletion.report import GONE, Outcome
from versori_magics.text import cut, number_of, one_line

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from versori_magics.deletion.engine import Progress
    from versori_magics.deletion.plan import Plan, PlanRow
    from versori_magics.deletion.report import Report, ReportRow

T = TypeVar("T")

OPEN_ROWS = 50  # shown at once
FOLDED_ROWS = 200  # shown on a click; the rest is in `frame`
TEXT_ROWS = 20
CELL = 300  # characters of a cell
REASON = 2_000  # of one that holds all that the platform said of a row
SIZE = 180_000  # characters of HTML of a table: rows beyond it are counted, not shown

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
# Columns that keep their line, and columns that may break anywhere; the others break between words.
_CLASSES = {"id": ' class="id"', "name": ' class="long"', "reason": ' class="long"', " ": ' class="long"'}
_TONE = {
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
# Errors first: a person reads from the top.
_OUTCOME_ORDER = (
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
_VERDICT_ORDER = (Verdict.IN_USE, Verdict.PROTECTED, Verdict.NOT_FOUND, Verdict.DELETE)


def cell(text: object, limit: int = CELL) -> str:
    """Return anything as one safe line of HTML text."""
    return html.escape(one_line(text, limit))


def box(*parts: str) -> str:
    """Return parts of HTML as one piece with our style."""
    return f'{_STYLE}<div class="versori">{"".join(parts)}</div>'


def table(head: Sequence[str], rows: Iterable[tuple[str, Sequence[object]]]) -> str:
    """Return a table; a row is (tone, cells), every cell is escaped, and a cell in the column `id` keeps its line."""
    return _table(head, [_row(head, tone, cells) for tone, cells in rows])


def _table(head: Sequence[str], rows: Sequence[str]) -> str:
    heads = "".join(f"<th>{cell(name)}</th>" for name in head)
    return f"<table><thead><tr>{heads}</tr></thead><tbody>{''.join(rows)}</tbody></table>"


def _row(head: Sequence[str], tone: str, cells: Sequence[object]) -> str:
    found = "".join(
        f"<td{_CLASSES.get(name, '')}>{cell(value, REASON if name == 'reason' else CELL)}</td>"
        for name, value in zip(head, cells, strict=True)
    )
    return f'<tr class="{tone}">{found}</tr>'


def folded(
    head: Sequence[str], rows: Sequence[T], show: Callable[[T], tuple[str, Sequence[object]]], first: int
) -> str:
    """Return a table of the first rows at once, more on a click, and never more than a bound.

    `show` gives the tone and the cells of a row; it is called for the rows that are shown.
    """
    first = min(max(first, 10), OPEN_ROWS, len(rows))
    size = 0
    fitting: list[str] = []
    for row in rows[: first + FOLDED_ROWS]:
        fitting.append(_row(head, *show(row)))
        size += len(fitting[-1])
        if size > SIZE:
            break
    left = len(rows) - len(fitting)
    note = f'<p class="note">… and {left:,} more, all in <code>.frame</code></p>' if left else ""
    shown, more = fitting[:first], fitting[first:]
    parts = [_table(head, shown)] if shown else []
    if more:
        parts.append(f"<details><summary>{number_of(len(rows) - first, 'more row')}</summary>")
        parts.append(f"{_table(head, more)}{note}</details>")
    else:
        parts.append(note)
    return "".join(parts)


def counts(found: Mapping[str, int]) -> str:
    """Return the counts that are not zero, as words."""
    return " · ".join(f"{count:,} {name}" for name, count in found.items() if count) or "nothing"


def pairs_html(title: str, pairs: Mapping[str, object]) -> str:
    """Return a title and a table of names and values."""
    return box(f"<b>{cell(title)}</b>", table(("", " "), [("", (name, value)) for name, value in pairs.items()]))


def pairs_text(title: str, pairs: Mapping[str, object]) -> str:
    """Return a title and aligned lines of names and values."""
    width = max((len(name) for name in pairs), default=0)
    return "\n".join(
        [one_line(title), *(f"  {name:<{width}}  {one_line(value, CELL)}" for name, value in pairs.items())]
    )


def plan_html(plan: Plan) -> str:
    """Return a plan: counts first, what would break, then the rows, those that are kept first."""
    rows = _in_order(plan.rows, _VERDICT_ORDER, lambda row: row.verdict)
    parts = [f"<b>Plan:</b> {cell(_plan_title(plan))}<br>", f'<span class="note">{cell(_where(plan))}</span>']
    if plan.to_break:
        parts.append(f'<p class="bad">&nbsp;<b>{cell(_breaking(plan))}</b></p>')
    kept = sum(row.verdict != Verdict.DELETE or row.breaking for row in rows)
    parts.append(folded(PLAN_HEAD, rows, lambda row: (_plan_tone(row), _plan_cells(row)), kept + 10))
    return box(*parts)


def plan_text(plan: Plan) -> str:
    """Return a plan as plain text."""
    rows = _in_order(plan.rows, _VERDICT_ORDER, lambda row: row.verdict)
    lines = [f"Plan: {_plan_title(plan)}", f"  {_where(plan)}"]
    if plan.to_break:
        lines.append(f"  {_breaking(plan)}")
    lines += [
        f"  {row.verdict:<9}  {row.id}  {one_line(row.name or '(no name)', 60)}"
        + (f" [{one_line(row.system, 30)}]" if row.system else "")
        + f"  {one_line(row.reason, 160)}"
        for row in rows[:TEXT_ROWS]
    ]
    return "\n".join([*lines, *_more(len(rows))])


def report_html(report: Report) -> str:
    """Return a report: counts first, why it stopped, then the rows, errors first."""
    rows = _in_order(report.rows, _OUTCOME_ORDER, lambda row: row.outcome)
    parts = [f"<b>Report:</b> {cell(_report_title(report))}<br>", f'<span class="note">{cell(_where(report))}</span>']
    parts += [f'<p class="bad">&nbsp;<b>{cell(line, 600)}</b></p>' for line in _report_notes(report)]
    open_rows = sum(row.outcome not in GONE for row in rows)
    parts.append(folded(REPORT_HEAD, rows, lambda row: (_TONE[row.outcome], _report_cells(row)), open_rows))
    return box(*parts)


def report_text(report: Report) -> str:
    """Return a report as plain text."""
    rows = _in_order(report.rows, _OUTCOME_ORDER, lambda row: row.outcome)
    lines = [f"Report: {_report_title(report)}", f"  {_where(report)}"]
    lines += [f"  {one_line(line, 600)}" for line in _report_notes(report)]
    lines += [
        f"  {row.outcome:<13}  {row.id}  {one_line(row.name or '(no name)', 60)}"
        f"  {cut(outcome_reason(row), REASON)}".rstrip()
        for row in rows[:TEXT_ROWS]
    ]
    return "\n".join([*lines, *_more(len(rows))])


def outcome_reason(row: ReportRow) -> str:
    """Return what the platform, or we, said of a row: status, code, message, each field, details, sends."""
    parts = [one_line(row.message, CELL)]
    if row.outcome not in GONE:
        parts += [f"{one_line(field, 80)}: {one_line(text, 200)}" for field, text in row.fields]
        parts += [one_line(row.details, CELL)]
        parts += [f"HTTP {row.status}" + (f", code {one_line(row.code, 60)}" if row.code else "")] if row.status else []
    if row.attempts > 1:
        parts.append(f"sent {row.attempts} times")
    return " · ".join(part for part in parts if part)


def progress_text(progress: Progress) -> str:
    """Return how a run stands, as one line."""
    line = f"{progress.done:,} of {progress.planned:,} done"
    if progress.outcomes:
        line += f" ({counts({one: progress.outcomes[one] for one in Outcome})})"
    left = progress.planned - progress.done
    if left > 0:
        line += f" · {left:,} left, {progress.in_flight} in flight"
        rate = progress.done / progress.seconds if progress.seconds else 0.0
        if progress.stopping:
            line += " · stopping: nothing more is sent"
        elif progress.paused:
            line += f" · the platform asks to wait {progress.paused:.0f} s"
        elif rate:
            line += f" · {rate:.{int(rate < 10)}f} a second, {_about(left / rate)} to go"  # noqa: PLR2004 - one decimal
    return f"{line} · {progress.seconds:.1f} s"


def _about(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 120 else f"{seconds / 60:.0f} min"  # noqa: PLR2004 - two minutes


def progress_html(progress: Progress) -> str:
    """Return how a run stands, as a bar and one line."""
    share = 100 * progress.done / progress.planned if progress.planned else 100
    bar = (
        '<div style="width:24em;height:.6em;border:1px solid #90a4ae;border-radius:.3em;overflow:hidden">'
        f'<div style="width:{share:.1f}%;height:100%;background:#2e7d32"></div></div>'
    )
    return box(bar, cell(progress_text(progress)))


PLAN_HEAD = ("verdict", "name", "system", "id", "kind", "breaks running", "reason")
REPORT_HEAD = ("outcome", "name", "system", "id", "reason")


def _plan_cells(row: PlanRow) -> tuple[object, ...]:
    return (row.verdict, row.name, row.system, row.id, row.kind, row.running or "", row.reason)


def _report_cells(row: ReportRow) -> tuple[object, ...]:
    return (row.outcome, row.name, row.system, row.id, outcome_reason(row))


def _plan_tone(row: PlanRow) -> str:
    if row.breaking:
        return "bad"
    return {Verdict.DELETE: "good", Verdict.NOT_FOUND: "quiet"}.get(row.verdict, "kept")


def _plan_title(plan: Plan) -> str:
    return f"{len(plan.rows):,} selected: {counts(plan.counts)}"


def _report_title(report: Report) -> str:
    return f"{len(report.rows):,} planned: {counts(report.counts)}"


def _breaking(plan: Plan) -> str:
    running = sum(row.running for row in plan.to_break)
    return f"{len(plan.to_break):,} of them in use: deleting breaks {number_of(running, 'running environment')}."


def _where(shown: Plan | Report) -> str:
    run = getattr(shown, "run", "")
    return f"{shown.server}, organisation {shown.organisation}" + (f", run {run}" if run else "")


def _report_notes(report: Report) -> list[str]:
    notes = []
    if report.stopped:
        notes.append(f"The run ended early: {report.stopped}.")
    elif report.run and not report.ended:
        notes.append("The run has not come to an end: it was cut off, or is still under way.")
    if report.unfinished:
        notes.append(report.resume_hint)
    return notes


def _more(total: int) -> list[str]:
    return [f"  … and {total - TEXT_ROWS:,} more, all in .frame"] if total > TEXT_ROWS else []


def _in_order(rows: Sequence[T], order: Sequence[object], key: Callable[[T], object]) -> list[T]:
    return sorted(rows, key=lambda row: order.index(key(row)))
