"""Examples for tests of what people see: hostile texts, plans and reports, and a reader of HTML."""

import random
import unicodedata
from collections import Counter
from html.parser import HTMLParser
from typing import Any

from hypothesis import strategies as st

from versori_magics.cleanup.executor import RunProgress
from versori_magics.cleanup.plan import Plan, PlanRow, Verdict
from versori_magics.cleanup.records import Outcome
from versori_magics.cleanup.report import Report, ReportRow
from versori_magics.errors import FieldError
from versori_magics.inventory.usage import ConnectionUsage, Use

RUN = "01ARZ3NDEKTSV4RRFFQ69G5FAV"
SERVER = "https://s"
ORGANISATION = "01BX5ZZKBKACTAV9WEVGEMMVRZ"
MADE = "2026-01-01T00:00:00Z"
OUR_TAGS = {
    *("div", "style", "table", "thead", "tbody", "tr", "th", "td", "b", "br", "span", "p", "code"),
    *("details", "summary"),
}
OUR_ATTRIBUTES = {"class", "style"}
OUR_CLASSES = {"versori", "note", "bad", "kept", "good", "quiet", "id", "long", ""}

_hostile_texts = st.sampled_from(
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
        "| a | b |\n| --- | --- |",
        "[x](javascript:alert(1)) ![i](http://evil.example/i.png)",
        "http://evil.example www.evil.example me@evil.example <http://evil.example>",
        "**bold** _it_ `code` ~~gone~~ # head",
        "$x$ $$y$$ \\(z\\) \\begin{a}b\\end{a}",
        "\\" * 3 + "|",
    ]
)
server_texts = st.one_of(
    st.text(max_size=40), _hostile_texts, st.builds(lambda a, b: a + b, _hostile_texts, _hostile_texts)
)


class HtmlReader(HTMLParser):
    """Reads HTML as a browser would, and notes everything that is not ours."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.foreign: list[str] = []
        self.open_tags: list[str] = []
        self.words: list[str] = []
        self.rows: list[list[str]] = []
        self.feed(html)
        self.close()

    @property
    def text(self) -> str:
        return "".join(self.words)

    @property
    def filled_rows(self) -> list[list[str]]:
        """The rows of tables without their headings."""
        return [row for row in self.rows if row]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in OUR_TAGS:
            self.foreign.append(f"<{tag}>")
        self.foreign += [f"{tag} {name}={value}" for name, value in attrs if name not in OUR_ATTRIBUTES]
        self.foreign += [f"class {value}" for name, value in attrs if name == "class" and value not in OUR_CLASSES]
        if tag != "br":
            self.open_tags.append(tag)
        if tag == "tr":
            self.rows.append([])

    def handle_endtag(self, tag: str) -> None:
        if not self.open_tags or self.open_tags.pop() != tag:
            self.foreign.append(f"</{tag}>")

    def handle_data(self, data: str) -> None:
        if self.open_tags and self.open_tags[-1] != "style":
            self.words.append(data)
        if self.open_tags and self.open_tags[-1] == "td":
            self.rows[-1].append(data)

    def handle_comment(self, data: str) -> None:
        self.foreign.append(f"comment {data}")

    def handle_decl(self, decl: str) -> None:
        self.foreign.append(f"declaration {decl}")

    def unknown_decl(self, data: str) -> None:
        self.foreign.append(f"declaration {data}")

    def handle_pi(self, data: str) -> None:
        self.foreign.append(f"instruction {data}")


def read_html(html: str) -> HtmlReader:
    """Read HTML that must be complete, made of our own tags only, and free of steering characters."""
    reader = HtmlReader(html)
    assert reader.foreign == []
    assert reader.open_tags == []
    assert steering_characters(html) == []
    html.encode()
    return reader


def steering_characters(text: str) -> list[str]:
    """Return the characters that steer a terminal or the direction of reading."""
    steering = {"Cc", "Cf", "Cs", "Zl", "Zp"}
    return [char for char in text if unicodedata.category(char) in steering and char not in "\n\u200c\u200d"]


def make_plan(*rows: PlanRow) -> Plan:
    return Plan(RUN, SERVER, ORGANISATION, MADE, rows)


def make_report(*rows: ReportRow, stopped: str = "", ended: bool = True) -> Report:
    return Report(RUN, SERVER, ORGANISATION, MADE, rows, ended=ended, stopped=stopped)


def make_progress(done: int, planned: int, **options: Any) -> RunProgress:
    defaults = {
        "in_flight": 0,
        "outcomes": Counter(deleted=done),
        "seconds": 2.0,
        "pause_left": 0.0,
        "is_stopping": False,
    }
    return RunProgress(planned=planned, done=done, **{**defaults, **options})


def hostile_plan(name: str, system: str, reason: str, verdict: Verdict, *, in_use: bool) -> Plan:
    uses = (Use("static", reason, "P", name, "E", "running"),) if in_use else ()
    row = PlanRow(RUN, verdict, name, system, reason, ConnectionUsage("static" if in_use else "unused", uses))
    return make_plan(row)


def hostile_report(first: str, second: str, third: str, outcome: Outcome, attempts: int = 1) -> Report:
    fields = (FieldError(first, second), FieldError(second, third))
    row = ReportRow(RUN, first, outcome, 400, second, third, fields, first, attempts, 0.1, second)
    return make_report(row, stopped=third)


def refused_row() -> ReportRow:
    """Return a row with everything that the platform can say about an error."""
    return ReportRow(
        *(RUN, "One", Outcome.REFUSED, 400, "400123", "The message. " * 40),
        (FieldError("a[0].b", "is wrong"), FieldError("c", "is missing")),
        *("the details", 3, 1.0, "Shop"),
    )


REFUSED_PARTS = (
    *("HTTP 400", "code 400123", "The message.", "a[0].b: is wrong", "c: is missing", "the details"),
    "sent 3 times",
)


def many_report_rows(count: int, outcome: Outcome | None = None) -> list[ReportRow]:
    """Return rows with very long texts: 10 refused, 5 unknown, the others deleted; or all with one outcome."""
    outcomes = [Outcome.REFUSED] * 10 + [Outcome.UNKNOWN] * 5 + [Outcome.DELETED] * (count - 15)
    random.Random(7).shuffle(outcomes)
    fields = (FieldError("<f>", "<g>" * 200),) * 50
    return [
        ReportRow(f"01{n:024}", "<&>" * 300, outcome or shuffled, 400, "<c>", "<m>" * 900, fields, "<d>" * 999)
        for n, shuffled in enumerate(outcomes)
    ]


def many_plan_rows(in_use: int, to_delete: int) -> list[PlanRow]:
    """Return rows with very long texts, those that are kept last."""
    texts = ("<>" * 200, "&" * 200, "<b>" * 200)
    return [
        *(PlanRow(f"02{n:024}", Verdict.DELETE, *texts) for n in range(to_delete)),
        *(PlanRow(f"01{n:024}", Verdict.IN_USE, *texts) for n in range(in_use)),
    ]
