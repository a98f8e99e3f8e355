"""Plans and reports as Markdown, for issues, wikis and chats.

Every text passes through `cell`, so that nothing from the server becomes markup, a link or a formula.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from versori_magics.presentation.limits import CELL_LENGTH, NOTE_LENGTH, OUTPUT_LENGTH, REASON_LENGTH, take_up_to
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
from versori_magics.text import one_line

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from versori_magics.cleanup.plan import Plan, PlanRow
    from versori_magics.cleanup.report import Report, ReportRow

MARKDOWN_ROWS = 50  # rows shown of a plan or a report
# A colon before // and a full stop inside a word make renderers guess a link.
_MARKUP = re.compile(r"[`*_\[\]|~!]|:(?=//)|(?<=\w)\.(?=\w)")
# At the beginning of a paragraph: a heading, a list or a definition.
_BLOCK_MARKER = re.compile(r"\A(\d*)([#+=.):-])")
# MathJax and link detection read the rendered page, where a backslash escape no longer protects; an element does.
_PROTECTED = {char: f"<span>&#{ord(char)};</span>" for char in "$\\@"}
_REPLACEMENTS = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;", **_PROTECTED})


def plan_markdown(plan: Plan) -> str:
    """Return a plan: its counts, what it breaks, then a table of the first rows, those that are kept first."""
    notes = [plan_source(plan), *plan_notes(plan)]
    rows = (_plan_row(row) for row in plan_rows_in_order(plan)[:MARKDOWN_ROWS])
    return _document(plan_title(plan), notes, ("Verdict", "Name", "System", "Reason", "Id"), rows, len(plan.rows))


def report_markdown(report: Report, hint: str = "") -> str:
    """Return a report: its counts, why the run ended, then a table of the first rows, errors first.

    Parameters
    ----------
    report : Report
        The report.
    hint : str
        What to do next, in the caller's own syntax. Default empty.
    """
    notes = [origin(report), *report_notes(report, hint)]
    rows = (_report_row(row) for row in report_rows_in_order(report)[:MARKDOWN_ROWS])
    heads = ("Outcome", "Name", "System", "Reason", "Id")
    return _document(report_title(report), notes, heads, rows, len(report.rows))


def cell(text: object, max_length: int = CELL_LENGTH) -> str:
    """Return anything as one safe line of Markdown that renders as the same text."""
    return _MARKUP.sub(r"\\\g<0>", one_line(text, max_length).translate(_REPLACEMENTS))


def _document(title: str, notes: Sequence[str], heads: Sequence[str], rows: Iterable[str], total: int) -> str:
    lines = take_up_to(OUTPUT_LENGTH, rows)
    table = "\n".join([_row(heads), _row(["---"] * len(heads)), *lines]) if lines else ""
    more = more_rows(total - len(lines)) if total > len(lines) else ""
    paragraphs = [f"{cell(title)}.", *(_paragraph(note) for note in notes), table, more]
    return "\n\n".join(paragraph for paragraph in paragraphs if paragraph)


def _paragraph(note: str) -> str:
    return _BLOCK_MARKER.sub(r"\1\\\2", cell(note, NOTE_LENGTH))


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _plan_row(row: PlanRow) -> str:
    words, reason = VERDICT_WORDS[row.verdict], cell(row.reason, REASON_LENGTH)
    return _row([words, cell(row.name or NO_NAME), cell(row.system), reason, cell(row.id)])


def _report_row(row: ReportRow) -> str:
    words, reason = OUTCOME_WORDS[row.outcome], cell(outcome_reason(row), REASON_LENGTH)
    return _row([words, cell(row.name or NO_NAME), cell(row.system), reason, cell(row.id)])
