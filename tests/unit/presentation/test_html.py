"""Plans, reports, progress and summaries as HTML: escaped, bounded, errors first."""

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.cleanup_examples import make_usage, make_use
from support.presentation_examples import (
    REFUSED_PARTS,
    RUN,
    HtmlReader,
    hostile_plan,
    hostile_report,
    make_plan,
    make_progress,
    make_report,
    many_plan_rows,
    many_report_rows,
    read_html,
    refused_row,
    server_texts,
)

from versori_magics.cleanup.plan import PlanRow, Verdict
from versori_magics.cleanup.records import GONE, Outcome
from versori_magics.cleanup.report import ReportRow
from versori_magics.presentation import html
from versori_magics.presentation.html import Column, Row
from versori_magics.presentation.limits import CELL_LENGTH
from versori_magics.presentation.wording import OUTCOME_WORDS, progress_line

MAX_LENGTH = 250_000
GONE_WORDS = {OUTCOME_WORDS[outcome] for outcome in GONE}

# Text from the server stays text.


@given(server_texts, server_texts, server_texts, st.sampled_from(Verdict), st.booleans())
def test_no_text_from_the_server_becomes_a_tag_of_a_plan(
    name: str, system: str, reason: str, verdict: Verdict, in_use: bool
) -> None:
    read_html(html.plan_html(hostile_plan(name, system, reason, verdict, in_use=in_use)))


@given(server_texts, server_texts, server_texts, st.sampled_from(Outcome), st.integers(0, 5), server_texts)
def test_no_text_from_the_server_becomes_a_tag_of_a_report(
    first: str, second: str, third: str, outcome: Outcome, attempts: int, hint: str
) -> None:
    read_html(html.report_html(hostile_report(first, second, third, outcome, attempts), hint))


@given(
    server_texts, st.dictionaries(st.sampled_from(["server", "organisation", "token"]), server_texts | st.integers())
)
def test_no_text_from_the_server_becomes_a_tag_of_a_summary(title: str, pairs: dict[str, Any]) -> None:
    assert len(read_html(html.pairs_html(title, pairs)).filled_rows) == len(pairs)


@given(server_texts)
def test_no_text_becomes_a_tag_of_a_cell_a_heading_or_a_box(text: str) -> None:
    read_html(html.box(html.cell(text)))
    read_html(html.box(html.table([Column(text)], [Row("bad", [text])])))
    assert len(html.cell(text)) < 6 * CELL_LENGTH + 100


@pytest.mark.parametrize(
    "foreign", ["<script>x</script>", "<b onclick=x>y</b>", "<p class='evil'>x</p>", "<td>", "</b>", "<!-- x -->"]
)
def test_the_html_checker_detects_injected_tags(foreign: str) -> None:
    reader = HtmlReader(foreign)
    assert reader.foreign or reader.open_tags


# Bounded, errors first.


def test_a_report_of_3_000_rows_is_small_and_its_errors_come_first() -> None:
    source = html.report_html(make_report(*many_report_rows(3000)), more_hint="all in <x>")
    assert len(source) < MAX_LENGTH
    reader = read_html(source)
    rows = reader.filled_rows
    assert 15 < len(rows) <= 250
    assert [row[0] for row in rows[:15]] == ["Unclear, check"] * 5 + ["Refused by Versori"] * 10
    assert "2,985 deleted" in source
    assert f"… and {3000 - len(rows):,} more rows, all in <x>" in reader.text


def test_a_report_of_3_000_errors_is_small_too() -> None:
    source = html.report_html(make_report(*many_report_rows(3000, Outcome.FAILED)))
    assert len(source) < MAX_LENGTH


def test_a_plan_of_3_000_rows_is_small_and_rows_that_are_kept_come_first() -> None:
    source = html.plan_html(make_plan(*many_plan_rows(in_use=3, to_delete=2997)))
    assert len(source) < MAX_LENGTH
    assert [row[0] for row in read_html(source).filled_rows][:4] == ["Kept, in use"] * 3 + ["Will be deleted"]
    assert "2,997 to delete, 3 kept (in use)" in source


@pytest.mark.parametrize("count", [0, 1, 10, 11, 50, 51, 250, 251, 3000])
def test_every_row_is_either_open_folded_or_counted(count: int) -> None:
    source = html.folded_table([Column("x")], range(count), lambda n: Row("good", [n]), 10, "all elsewhere")
    rows = read_html(source).filled_rows
    assert [row[0] for row in rows] == [str(n) for n in range(len(rows))]
    assert len(rows) == min(count, 10 + 200)
    uncounted = count - len(rows)
    assert (uncounted > 0) == ("more rows, all elsewhere" in source)
    assert not uncounted or f"and {uncounted:,} more row" in source


@pytest.mark.parametrize(("asked", "opened"), [(0, 10), (10, 10), (30, 30), (1000, 50)])
def test_between_10_and_50_rows_are_open_and_the_others_are_folded(asked: int, opened: int) -> None:
    source = html.folded_table([Column("x")], range(100), lambda n: Row("good", [n]), asked)
    assert len(read_html(source.partition("<details>")[0]).filled_rows) == opened
    assert f"<summary>{100 - opened} more rows</summary>" in source


def test_an_error_is_in_the_row_of_its_connection_with_code_message_fields_and_details() -> None:
    row = "".join(read_html(html.report_html(make_report(refused_row()))).rows[1])
    for part in REFUSED_PARTS:
        assert part in row


def test_a_report_begins_with_its_counts() -> None:
    report = make_report(ReportRow(RUN, "x", Outcome.DELETED))
    assert read_html(html.report_html(report)).text.startswith("Report on 1 connection: 1 deleted")


def test_a_row_that_breaks_something_is_marked_and_announced() -> None:
    row = PlanRow(RUN, Verdict.DELETE, "x", usage=make_usage("static", [make_use(1), make_use(2)]))
    source = html.plan_html(make_plan(row))
    assert "1 connection to delete is in use: deleting it breaks 2 running environments: Orders" in source
    assert '<tr class="bad">' in source
    harmless = html.plan_html(make_plan(PlanRow(RUN, Verdict.DELETE, "x")))
    assert "deleting it breaks" not in harmless
    assert '<tr class="good">' in harmless


def test_a_report_says_why_the_run_ended_and_how_to_finish_it() -> None:
    row = ReportRow(RUN, "x", Outcome.NOT_ATTEMPTED)
    stopped = html.report_html(make_report(row, stopped="the button"), hint="Finish it & rest.")
    assert "The run ended early: the button." in stopped
    assert "Finish it &amp; rest." in stopped
    assert "has not ended" in html.report_html(make_report(row, ended=False))


@given(st.lists(st.sampled_from(Outcome), max_size=80))
def test_rows_that_still_exist_come_before_rows_that_are_gone(outcomes: list[Outcome]) -> None:
    report = make_report(*(ReportRow(f"01{n:024}", "x", outcome) for n, outcome in enumerate(outcomes)))
    is_gone = [row[0] in GONE_WORDS for row in read_html(html.report_html(report)).filled_rows]
    assert is_gone == sorted(is_gone)
    assert len(is_gone) == len(outcomes)


@pytest.mark.parametrize("show", [lambda: html.plan_html(make_plan()), lambda: html.report_html(make_report())])
def test_an_empty_plan_and_an_empty_report_say_that_nothing_was_selected(show: Callable[[], str]) -> None:
    assert "nothing was selected" in read_html(show()).text


# Progress.


def test_progress_contains_its_line() -> None:
    progress = make_progress(2, 5, in_flight=2)
    assert progress_line(progress) in read_html(html.progress_html(progress)).text


@pytest.mark.parametrize(
    ("done", "planned", "width"), [(0, 5, "0.0%"), (1, 4, "25.0%"), (4, 4, "100.0%"), (0, 0, "100.0%")]
)
def test_the_bar_is_as_long_as_the_share_of_rows_that_are_done(done: int, planned: int, width: str) -> None:
    assert f"width:{width}" in html.progress_html(make_progress(done, planned))
