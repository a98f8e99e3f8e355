"""Plans and reports as Markdown, checked by rendering it as an export of a notebook does."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from nbconvert.filters import markdown2html
from support.cleanup_examples import make_usage, make_use
from support.presentation_examples import (
    ORGANISATION,
    RUN,
    HtmlReader,
    hostile_plan,
    hostile_report,
    make_plan,
    make_report,
    many_plan_rows,
    many_report_rows,
    read_html,
    server_texts,
    steering_characters,
)

from versori_magics.cleanup.plan import PlanRow, Verdict
from versori_magics.cleanup.records import Outcome
from versori_magics.cleanup.report import ReportRow
from versori_magics.presentation.markdown import cell, plan_markdown, report_markdown
from versori_magics.text import one_line


def render(markdown: str) -> HtmlReader:
    """Return what is rendered, which must be our own tags without attributes."""
    assert steering_characters(markdown) == []
    assert "$" not in markdown
    assert "\\\\" not in markdown
    return read_html(markdown2html(markdown))


def rendered_cell(text: str) -> str:
    reader = render(f"| a | b |\n| --- | --- |\n| {text} | end |")
    assert "".join(reader.rows[1]).endswith("end")
    return reader.text.strip().removeprefix("a").strip().removeprefix("b").strip().removesuffix("end").strip()


@given(server_texts)
def test_any_text_renders_as_the_same_text(text: str) -> None:
    assert rendered_cell(cell(text)) == one_line(text, 300).strip()


@pytest.mark.parametrize(
    "text",
    [
        "**bold** _italic_ `code` ~~deleted~~",
        "[link](http://evil.example) ![image](http://evil.example/i.png) <http://evil.example>",
        "https://evil.example http://evil.example:80/x?y#z ftp://evil.example www.evil.example me@evil.example",
        "a|b\\|c\\\\|d",
        "<script>alert(1)</script> &lt;b&gt; &amp;",
        "# heading, > quote, - item, 1. item, [^1], [ ] task",
        "\\",
        "`",
    ],
)
def test_markup_renders_as_text(text: str) -> None:
    assert rendered_cell(cell(text)) == text


def test_formula_delimiters_are_separated_from_their_formula() -> None:
    # MathJax looks for a pair of delimiters in one run of text, and an element ends the run.
    assert cell("$x$") == "<span>&#36;</span>x<span>&#36;</span>"
    assert cell("\\(x\\)") == "<span>&#92;</span>(x<span>&#92;</span>)"


def test_ordinary_text_stays_readable() -> None:
    assert cell("hubspot-uk trial (2)") == "hubspot-uk trial (2)"


@given(server_texts, server_texts, server_texts, st.sampled_from(Verdict), st.booleans())
def test_a_plan_is_one_table_with_one_row_for_each_connection(
    name: str, system: str, reason: str, verdict: Verdict, in_use: bool
) -> None:
    reader = render(plan_markdown(hostile_plan(name, system, reason, verdict, in_use=in_use)))
    assert len(reader.filled_rows) == 1


@given(server_texts, server_texts, server_texts, st.sampled_from(Outcome), server_texts)
def test_a_report_is_one_table_with_one_row_for_each_connection(
    first: str, second: str, third: str, outcome: Outcome, hint: str
) -> None:
    reader = render(report_markdown(hostile_report(first, second, third, outcome), hint))
    assert len(reader.filled_rows) == 1


@pytest.mark.parametrize("hint", ["# x", "- x", "+ x", "1. x", "12) x", "=====", "> x", ": x", "---", "* * *", "~~~"])
def test_a_hint_stays_a_paragraph_of_text(hint: str) -> None:
    assert hint in render(report_markdown(make_report(), hint)).text


def test_a_plan_reads_as_a_sentence_and_a_table() -> None:
    rows = (
        PlanRow(f"{RUN[:-1]}1", Verdict.DELETE, "One", "Shop", "nobody uses it"),
        PlanRow(f"{RUN[:-1]}2", Verdict.IN_USE, "", "", "Orders / production (running)"),
    )
    assert plan_markdown(make_plan(*rows)) == (
        "Plan for 2 connections: 1 to delete, 1 kept (in use).\n\n"
        f"server https\\://s, organisation {ORGANISATION}\n\n"
        "| Verdict | Name | System | Reason | Id |\n"
        "| --- | --- | --- | --- | --- |\n"
        f"| Kept, in use | (no name) |  | Orders / production (running) | {RUN[:-1]}2 |\n"
        f"| Will be deleted | One | Shop | nobody uses it | {RUN[:-1]}1 |"
    )


def test_a_report_reads_as_a_sentence_notes_and_a_table() -> None:
    row = ReportRow(RUN, "One", Outcome.NOT_ATTEMPTED, message="the run ended before this row was sent", system="Shop")
    assert report_markdown(make_report(row, stopped="it was cancelled"), "Resume it.") == (
        "Report on 1 connection: 1 not attempted.\n\n"
        f"server https\\://s, organisation {ORGANISATION}, run {RUN}\n\n"
        "The run ended early: it was cancelled.\n\n"
        "Resume it.\n\n"
        "| Outcome | Name | System | Reason | Id |\n"
        "| --- | --- | --- | --- | --- |\n"
        f"| Not attempted | One | Shop | the run ended before this row was sent | {RUN} |"
    )


def test_a_plan_says_what_it_breaks() -> None:
    row = PlanRow(RUN, Verdict.DELETE, "x", usage=make_usage("static", [make_use(1), make_use(2)]))
    assert "deleting it breaks 2 running environments" in plan_markdown(make_plan(row))


def test_large_plans_and_reports_are_cut_and_the_other_rows_are_counted() -> None:
    plan = plan_markdown(make_plan(*many_plan_rows(in_use=3, to_delete=2997)))
    assert len(plan) < 250_000
    assert plan.endswith("… and 2,955 more rows")
    assert plan.count("| Kept, in use |") == 3
    report = report_markdown(make_report(*many_report_rows(3000, Outcome.FAILED)))
    assert len(report) < 250_000
    assert report.endswith(" more rows")


def test_an_empty_plan_and_an_empty_report_have_no_table() -> None:
    for markdown in (plan_markdown(make_plan()), report_markdown(make_report())):
        assert "nothing was selected." in markdown
        assert "|" not in markdown
