"""Plans, reports and summaries as plain text: safe lines, bounded, errors first."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from support.cleanup_examples import make_usage, make_use
from support.presentation_examples import (
    ORGANISATION,
    REFUSED_PARTS,
    RUN,
    hostile_plan,
    hostile_report,
    make_plan,
    make_report,
    many_plan_rows,
    many_report_rows,
    refused_row,
    server_texts,
    steering_characters,
)

from versori_magics.cleanup.plan import PlanRow, Verdict
from versori_magics.cleanup.records import Outcome
from versori_magics.cleanup.report import ReportRow
from versori_magics.presentation.plain_text import pairs_text, plan_text, report_text


def check_lines(text: str, count: int) -> None:
    assert steering_characters(text) == []
    assert len(text.split("\n")) == count
    text.encode()


@given(server_texts, server_texts, server_texts, st.sampled_from(Verdict), st.booleans())
def test_no_text_from_the_server_adds_a_line_to_a_plan(
    name: str, system: str, reason: str, verdict: Verdict, in_use: bool
) -> None:
    plan = hostile_plan(name, system, reason, verdict, in_use=in_use)
    check_lines(plan_text(plan), 4 if plan.to_break else 3)


@given(server_texts, server_texts, server_texts, st.sampled_from(Outcome), st.integers(0, 5), server_texts)
def test_no_text_from_the_server_adds_a_line_to_a_report(
    first: str, second: str, third: str, outcome: Outcome, attempts: int, hint: str
) -> None:
    report = hostile_report(first, second, third, outcome, attempts)
    check_lines(report_text(report, hint), 3 + bool(report.stopped) + bool(hint))


@given(
    server_texts, st.dictionaries(st.sampled_from(["server", "organisation", "token"]), server_texts | st.integers())
)
def test_no_text_from_the_server_adds_a_line_to_a_summary(title: str, pairs: dict[str, Any]) -> None:
    check_lines(pairs_text(title, pairs), 1 + len(pairs))


def test_the_values_of_a_summary_are_aligned() -> None:
    assert pairs_text("Settings", {"a": 1, "long": "x"}) == "Settings\n  a     1\n  long  x"
    assert pairs_text("Settings", {}) == "Settings"


def test_a_plan_reads_as_a_title_and_aligned_rows() -> None:
    rows = (
        PlanRow(f"{RUN[:-1]}1", Verdict.DELETE, "One", "Shop", "nobody uses it"),
        PlanRow(f"{RUN[:-1]}2", Verdict.IN_USE, "", "", "Orders / production (running)"),
    )
    assert plan_text(make_plan(*rows)) == (
        "Plan for 2 connections: 1 to delete, 1 kept (in use)\n"
        f"  server https://s, organisation {ORGANISATION}\n"
        f"  Kept, in use     {RUN[:-1]}2  (no name)  Orders / production (running)\n"
        f"  Will be deleted  {RUN[:-1]}1  One [Shop]  nobody uses it"
    )


def test_a_report_reads_as_a_title_notes_and_aligned_rows() -> None:
    rows = (
        ReportRow(f"{RUN[:-1]}1", "One", Outcome.DELETED),
        ReportRow(f"{RUN[:-1]}2", "Two", Outcome.NOT_ATTEMPTED, message="the run ended before this row was sent"),
    )
    assert report_text(make_report(*rows, stopped="it was cancelled"), "Resume it.") == (
        "Report on 2 connections: 1 deleted, 1 not attempted\n"
        f"  server https://s, organisation {ORGANISATION}, run {RUN}\n"
        "  The run ended early: it was cancelled.\n"
        "  Resume it.\n"
        f"  Not attempted  {RUN[:-1]}2  Two  the run ended before this row was sent\n"
        f"  Deleted        {RUN[:-1]}1  One"
    )


def test_a_plan_says_what_it_breaks() -> None:
    row = PlanRow(RUN, Verdict.DELETE, "x", usage=make_usage("static", [make_use(1), make_use(2)]))
    assert "deleting it breaks 2 running environments" in plan_text(make_plan(row))
    assert "breaks" not in plan_text(make_plan(PlanRow(RUN, Verdict.DELETE, "x")))


def test_an_error_is_on_the_line_of_its_row_with_code_message_fields_and_details() -> None:
    line = report_text(make_report(refused_row())).splitlines()[-1]
    for part in REFUSED_PARTS:
        assert part in line


def test_a_report_of_3_000_rows_is_short_and_its_errors_come_first() -> None:
    text = report_text(make_report(*many_report_rows(3000)), more_hint="all in .frame")
    lines = text.split("\n")
    assert len(text) < 60_000
    assert [line.split("  ")[1] for line in lines[2:17]] == ["Unclear, check"] * 5 + ["Refused by Versori"] * 10
    assert lines[-1] == "  … and 2,980 more rows, all in .frame"
    assert len(lines) == 23


def test_a_plan_of_3_000_rows_is_short() -> None:
    assert len(plan_text(make_plan(*many_plan_rows(in_use=3, to_delete=2997)))) < 60_000


def test_an_empty_plan_and_an_empty_report_say_that_nothing_was_selected() -> None:
    assert "nothing was selected" in plan_text(make_plan())
    assert "nothing was selected" in report_text(make_report())
