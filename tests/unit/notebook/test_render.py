"""What is shown: escaped, bounded, and the errors first."""

import random
import unicodedata
from collections import Counter
from collections.abc import Callable
from html.parser import HTMLParser
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from versori_magics.deletion.engine import Progress
from versori_magics.deletion.plan import PlanRow, Verdict
from versori_magics.deletion.report import GONE, Outcome, ReportRow
from versori_magics.notebook import render
from versori_magics.notebook.shown import DeletionPlan, DeletionReport

ONE = "01ARZ3NDEKTSV4RRFFQ69G5FAV"
ORGANISATION = "01BX5ZZKBKACTAV9WEVGEMMVRZ"
OURS = {
    *("div", "style", "table", "thead", "tbody", "tr", "th", "td", "b", "br", "span", "p", "code"),
    *("details", "summary"),
}
ATTRIBUTES = {"class", "style"}
CLASSES = {"versori", "note", "bad", "kept", "good", "quiet", "id", "long", ""}
LARGE = 250_000

nasty = st.sampled_from(
    [
        "<script>alert(1)</script>",
        "<img src=x onerror=alert(1)>",
        "\"><b onmouseover='x'>",
        "</td></tr></table><h1>hi",
        "' style='x' class='y",
        "&lt;b&gt; &amp; &#60;i&#62;",
        "<!-- ",
        "]]>",
        "\x1b[31mred\x1b[0m",
        "\u202egnp.exe\u2066",
        "\u2028\u2029\x00\x7f\x9b",
        "\ud800",
        "a\nb\r\nc\td",
        "x" * 20_000,
        "<" * 5_000,
    ]
)
texts = st.one_of(st.text(max_size=40), nasty, st.builds(lambda a, b: a + b, nasty, nasty))


class Reader(HTMLParser):
    """Reads HTML as a browser would, and notes what is not ours."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.strange: list[str] = []
        self.open: list[str] = []
        self.words: list[str] = []
        self.rows: list[list[str]] = []
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in OURS:
            self.strange.append(f"<{tag}>")
        self.strange += [f"{tag} {name}={value}" for name, value in attrs if name not in ATTRIBUTES]
        self.strange += [f"class {v}" for name, v in attrs if name == "class" and v not in CLASSES]
        if tag != "br":
            self.open.append(tag)
        if tag == "tr":
            self.rows.append([])

    def handle_endtag(self, tag: str) -> None:
        if not self.open or self.open.pop() != tag:
            self.strange.append(f"</{tag}>")

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] != "style":
            self.words.append(data)
        if self.open and self.open[-1] == "td":
            self.rows[-1].append(data)

    def handle_comment(self, data: str) -> None:
        self.strange.append(f"comment {data}")

    def handle_decl(self, decl: str) -> None:
        self.strange.append(f"declaration {decl}")

    def unknown_decl(self, data: str) -> None:
        self.strange.append(f"declaration {data}")

    def handle_pi(self, data: str) -> None:
        self.strange.append(f"instruction {data}")


def read(html: str) -> Reader:
    found = Reader(html)
    assert found.strange == []
    assert found.open == []
    assert steering(html) == []
    html.encode()
    return found


def steering(text: str) -> list[str]:
    return [char for char in text if unicodedata.category(char) in {"Cc", "Cf", "Cs", "Zl", "Zp"} and char not in "\n‌‍"]


def safe_text(text: str, lines: int) -> None:
    assert steering(text) == []
    assert len(text.split("\n")) == lines
    text.encode()


def plan(*rows: PlanRow) -> DeletionPlan:
    return DeletionPlan(ONE, "https://s", ORGANISATION, "2026-01-01T00:00:00Z", rows)


def report(*rows: ReportRow, stopped: str = "", ended: bool = True) -> DeletionReport:
    return DeletionReport(ONE, "https://s", ORGANISATION, "2026-01-01T00:00:00Z", rows, ended=ended, stopped=stopped)


# Whatever a server sends is text, and nothing but text.


@given(texts, texts, texts, st.sampled_from(Verdict), st.booleans())
def test_no_text_of_a_server_becomes_a_tag_of_a_plan(
    name: str, system: str, reason: str, verdict: Verdict, in_use: bool
) -> None:
    made = plan(PlanRow(ONE, verdict, name, system, reason, "static", in_use=in_use, used_by=reason, running=1))
    read(render.plan_html(made))
    safe_text(render.plan_text(made), 4 if made.to_break else 3)


@given(texts, texts, texts, st.sampled_from(Outcome), st.integers(0, 5))
def test_no_text_of_a_server_becomes_a_tag_of_a_report(
    one: str, two: str, three: str, outcome: Outcome, attempts: int
) -> None:
    row = ReportRow(ONE, one, outcome, 400, two, three, ((one, two), (two, three)), one, attempts, 0.1, two)
    made = report(row, stopped=three)
    read(render.report_html(made))
    notes = bool(made.stopped) + bool(made.unfinished)
    safe_text(render.report_text(made), 3 + notes)


@given(texts, st.dictionaries(st.sampled_from(["server", "organisation", "token"]), texts | st.integers()))
def test_no_text_of_a_server_becomes_a_tag_of_a_table_of_pairs(title: str, pairs: dict[str, Any]) -> None:
    read(render.pairs_html(title, pairs))
    safe_text(render.pairs_text(title, pairs), 1 + len(pairs))


@given(texts)
def test_no_text_becomes_a_tag_of_a_cell_a_head_or_a_box(text: str) -> None:
    read(render.box(render.cell(text)))
    read(render.box(render.table([text], [("bad", [text])])))
    assert len(render.cell(text)) < 6 * render.CELL + 100


def test_the_reader_of_these_tests_notices_what_is_not_ours() -> None:
    for html in ("<script>x</script>", "<b onclick=x>y</b>", "<p class='evil'>x</p>", "<td>", "</b>", "<!-- x -->"):
        assert Reader(html).strange or Reader(html).open


# Bounded, errors first.


def many_report_rows(count: int) -> list[ReportRow]:
    rng = random.Random(7)
    outcomes = [Outcome.REFUSED] * 10 + [Outcome.UNKNOWN] * 5 + [Outcome.DELETED] * (count - 15)
    rng.shuffle(outcomes)
    return [
        ReportRow(
            f"01{n:024}", "<&>" * 300, outcome, 400, "<c>", "<m>" * 900, (("<f>", "<g>" * 200),) * 50, "<d>" * 999
        )
        for n, outcome in enumerate(outcomes)
    ]


def test_a_report_of_3_000_rows_stays_small_and_its_errors_come_first() -> None:
    made = report(*many_report_rows(3000))
    html = render.report_html(made)
    assert len(html) < LARGE
    rows = [row for row in read(html).rows if row]
    assert 15 < len(rows) <= 250
    assert [row[0] for row in rows[:15]] == ["unknown"] * 5 + ["refused"] * 10
    assert "2,985 deleted" in html
    assert f"… and {3000 - len(rows):,} more, all in" in "".join(read(html).words)
    text = render.report_text(made)
    assert len(text) < 60_000
    assert len(text.split("\n")) < 30
    assert text.count("unknown  ") + text.count("refused  ") == 15


def test_a_report_of_3_000_errors_stays_small_too() -> None:
    rows = [ReportRow(r.id, r.name, Outcome.FAILED, 500, r.code, r.message, r.fields) for r in many_report_rows(3000)]
    assert len(render.report_html(report(*rows))) < LARGE


def test_a_plan_of_3_000_rows_stays_small_and_what_is_kept_or_breaks_comes_first() -> None:
    kept = [PlanRow(f"01{n:024}", Verdict.IN_USE, "<>" * 200, "&" * 200, "<b>" * 200) for n in range(3)]
    free = [PlanRow(f"02{n:024}", Verdict.DELETE, "<>" * 200, "&" * 200, "<b>" * 200) for n in range(2997)]
    html = render.plan_html(plan(*free, *kept))
    assert len(html) < LARGE
    assert [row[0] for row in read(html).rows if row][:4] == ["in_use"] * 3 + ["delete"]
    assert "2,997 delete" in html
    assert len(render.plan_text(plan(*free, *kept))) < 60_000


@pytest.mark.parametrize("count", [0, 1, 10, 11, 50, 51, 250, 251, 3000])
def test_no_row_is_lost_between_what_is_shown_folded_and_counted(count: int) -> None:
    html = render.folded(["x"], range(count), lambda n: ("good", [n]), 10)
    shown = [row for row in read(html).rows if row]
    assert [row[0] for row in shown] == [str(n) for n in range(len(shown))]
    left = count - len(shown)
    assert len(shown) == min(count, 10 + 200)
    assert (left > 0) == ("more, all in" in html)
    assert not left or f"and {left:,} more" in html


def test_an_error_stands_beside_its_row_with_code_message_each_field_and_details() -> None:
    row = ReportRow(
        *(ONE, "One", Outcome.REFUSED, 400, "400123", "The message. " * 40),
        (("a[0].b", "is wrong"), ("c", "is missing")),
        "the details",
        3,
        1.0,
        "Shop",
    )
    for shown in ("".join(read(render.report_html(report(row))).rows[1]), render.report_text(report(row))):
        for part in ("HTTP 400", "code 400123", "The message.", "a[0].b: is wrong", "c: is missing", "the details"):
            assert part in shown
        assert "sent 3 times" in shown


def test_counts_come_first_and_leave_out_what_is_not_there() -> None:
    assert render.counts({"deleted": 1200, "failed": 0, "in_use": 2}) == "1,200 deleted · 2 in_use"
    assert render.counts({"deleted": 0}) == "nothing"
    words = "".join(read(render.report_html(report(ReportRow(ONE, "x", Outcome.DELETED)))).words)
    assert words.startswith("Report: 1 planned: 1 deleted")


def test_a_breaking_row_is_shown_in_words_and_as_dangerous() -> None:
    row = PlanRow(ONE, Verdict.DELETE, "x", in_use=True, used_by="Orders", running=2)
    html = render.plan_html(plan(row))
    assert "1 of them in use: deleting breaks 2 running environments." in html
    assert '<tr class="bad">' in html
    assert "deleting breaks 2 running environments" in render.plan_text(plan(row))
    assert "deleting breaks" not in render.plan_html(plan(PlanRow(ONE, Verdict.DELETE, "x")))


def test_why_a_run_ended_and_how_to_go_on_is_said() -> None:
    row = ReportRow(ONE, "x", Outcome.NOT_ATTEMPTED)
    for show in (render.report_html, render.report_text):
        assert "The run ended early: the button." in show(report(row, stopped="the button"))
        assert f"Go on with: %versori_resume {ONE}" in show(report(row, stopped="the button"))
        assert "has not come to an end" in show(report(row, ended=False))
        assert "resume" not in show(report(ReportRow(ONE, "x", Outcome.DELETED)))


@given(st.lists(st.sampled_from(Outcome), max_size=80))
def test_rows_that_did_not_go_stand_before_those_that_did(outcomes: list[Outcome]) -> None:
    made = report(*(ReportRow(f"01{n:024}", "x", outcome) for n, outcome in enumerate(outcomes)))
    shown = [row[0] in GONE for row in read(render.report_html(made)).rows if row]
    assert shown == sorted(shown)
    assert len(shown) == len(outcomes)


# Progress.


def progress(done: int, planned: int, **options: Any) -> Progress:
    given = {"in_flight": 0, "outcomes": Counter(deleted=done), "seconds": 2.0, "paused": 0.0, "stopping": False}
    return Progress(planned=planned, done=done, **{**given, **options})


@pytest.mark.parametrize(
    ("made", "says"),
    [
        (progress(0, 5, seconds=0.0, outcomes=Counter()), "0 of 5 done · 5 left, 0 in flight · 0.0 s"),
        (
            progress(2, 5, in_flight=2),
            "2 of 5 done (2 deleted) · 3 left, 2 in flight · 1.0 a second, 3 s to go · 2.0 s",
        ),
        (
            progress(1000, 100_000, seconds=50.0),
            "1,000 of 100,000 done (1,000 deleted) · 99,000 left, 0 in flight · 20 a second, 82 min to go · 50.0 s",
        ),
        (
            progress(2, 5, stopping=True),
            "2 of 5 done (2 deleted) · 3 left, 0 in flight · stopping: nothing more is sent · 2.0 s",
        ),
        (
            progress(2, 5, paused=7.0),
            "2 of 5 done (2 deleted) · 3 left, 0 in flight · the platform asks to wait 7 s · 2.0 s",
        ),
        (progress(5, 5), "5 of 5 done (5 deleted) · 2.0 s"),
        (progress(0, 0, outcomes=Counter()), "0 of 0 done · 2.0 s"),
    ],
)
def test_progress_is_one_line_and_a_bar(made: Progress, says: str) -> None:
    assert render.progress_text(made) == says
    assert says in "".join(read(render.progress_html(made)).words)


@pytest.mark.parametrize(("done", "planned", "width"), [(0, 5, "0.0%"), (1, 4, "25.0%"), (4, 4, "100.0%")])
def test_the_bar_is_as_long_as_the_share_that_is_done(done: int, planned: int, width: str) -> None:
    assert f"width:{width}" in render.progress_html(progress(done, planned))


SHOWS: list[Callable[[], str]] = [lambda: render.plan_html(plan()), lambda: render.report_html(report())]


@pytest.mark.parametrize("show", SHOWS)
def test_nothing_is_shown_as_nothing(show: Callable[[], str]) -> None:
    assert "nothing" in "".join(read(show()).words)
