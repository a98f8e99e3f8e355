"""What the verbs return shows itself, as text and as HTML, and never fails a cell that merely looks."""

from html.parser import HTMLParser
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from versori_magics.deletion.plan import PlanRow, Verdict
from versori_magics.deletion.report import Outcome, ReportRow
from versori_magics.notebook.shown import ConnectionView, DeletionPlan, DeletionReport, Shown, Text, bundle
from versori_magics.platform.models import Connection
from versori_magics.platform.usage import ConnectionUsage, Use

ONE = "01ARZ3NDEKTSV4RRFFQ69G5FAV"
SERVERS_TEXT = st.text(max_size=50) | st.sampled_from(["<script>x</script>", "\x1b[0m", "\u202e", "\ud800", "y" * 9999])


class Broken:
    def __str__(self) -> str:
        raise RuntimeError("no")

    __repr__ = __str__


def view(usage: ConnectionUsage | None = None, **fields: Any) -> ConnectionView:
    return ConnectionView(
        msgspec.convert({"id": ONE, **fields}, Connection), fields.get("system", ""), usage or ConnectionUsage("unused")
    )


def everything() -> list[Any]:
    row = ReportRow(ONE, "One", Outcome.DELETED)
    return [
        Shown("Connected", {"server": "https://s"}),
        DeletionPlan(ONE, "https://s", ONE, "", (PlanRow(ONE, Verdict.DELETE, "One"),)),
        DeletionReport(ONE, "https://s", ONE, "", (row,), ended=True),
        view(name="One"),
    ]


@pytest.mark.parametrize("shown", everything(), ids=lambda shown: type(shown).__name__)
def test_each_shows_itself_as_text_and_as_html_and_its_repr_is_the_text(shown: Any) -> None:
    forms = shown._repr_mimebundle_()
    assert set(forms) == {"text/plain", "text/html"}
    assert repr(shown) == forms["text/plain"]
    assert forms == shown._repr_mimebundle_(include=None, exclude=None)
    assert "<" not in forms["text/plain"]
    assert forms["text/html"].startswith("<style>.versori")
    assert '<div class="versori">' in forms["text/html"]


def test_a_repr_never_raises_whatever_is_in_it() -> None:
    for shown in (Shown("x", {"y": Broken()}), Shown(Broken(), {})):  # type: ignore[arg-type]
        assert repr(shown) == "<not shown: RuntimeError>"
        assert shown._repr_mimebundle_() == {"text/plain": "<not shown: RuntimeError>"}
    broken = DeletionReport(ONE, "s", ONE, "", (Broken(),), ended=True)  # type: ignore[arg-type]
    assert repr(broken) == "<not shown: AttributeError>"
    assert repr(DeletionPlan(ONE, "s", ONE, "", (Broken(),))).startswith("<not shown")  # type: ignore[arg-type]
    assert bundle(lambda: 1 // 0, lambda: "x") == {"text/plain": "<not shown: ZeroDivisionError>"}  # type: ignore[arg-type,return-value]


@given(
    st.dictionaries(st.sampled_from(["name", "baseUrl", "systemId", "createdAt", "updatedAt"]), SERVERS_TEXT),
    SERVERS_TEXT,
    st.lists(SERVERS_TEXT | st.integers(), max_size=2),
)
def test_a_connection_shows_itself_whatever_a_server_sends(
    fields: dict[str, str], text: str, errors: list[Any]
) -> None:
    credentials = [{"credential": {"type": text, "errors": errors, "expiresAt": text, "data": "S3CR3T"}}] * 2
    use = Use("static", text, text, text, text, text)
    shown = view(ConnectionUsage("static", (use,) * 5), credentials=credentials, data="S3CR3T", **fields)
    forms = shown._repr_mimebundle_()
    assert not forms["text/plain"].startswith("<not shown")
    tags: set[str] = set()
    reader = HTMLParser()
    reader.handle_starttag = lambda tag, _: tags.add(tag)  # type: ignore[method-assign]
    reader.feed(forms["text/html"])
    assert tags <= {"style", "div", "b", "table", "thead", "tbody", "tr", "th", "td"}
    assert "S3CR3T" not in forms["text/html"] + forms["text/plain"]
    assert len(forms["text/html"]) < 20_000


def test_a_connection_tells_its_usage() -> None:
    use = Use("static", "Orders", "P", "production", "E", "running")
    shown = view(ConnectionUsage("static", (use,)), name="One")
    assert (shown.id, shown.name, shown.kind, shown.in_use, shown.running) == (ONE, "One", "static", True, 1)
    assert shown.used_by == "Orders / production (running)"
    assert "in use" in repr(shown)
    assert view().name == ""
    assert "(no name)" in repr(view())


@pytest.mark.parametrize(
    ("credential", "says"),
    [
        ({}, "never validated"),
        ({"errors": []}, "valid"),
        ({"errors": ["the grant has expired"]}, "the grant has expired"),
    ],
)
def test_a_connection_tells_whether_its_credentials_are_valid(credential: dict[str, Any], says: str) -> None:
    line = next(
        line for line in repr(view(credentials=[{"credential": credential}])).splitlines() if "credentials" in line
    )
    assert line.split(maxsplit=1)[1] == says


def test_a_frame_has_a_row_for_each_row() -> None:
    plan, report = everything()[1:3]
    assert plan.frame["verdict"].tolist() == ["delete"]
    assert report.frame["outcome"].tolist() == ["deleted"]


def test_help_is_shown_as_it_is() -> None:
    assert repr(Text("usage: %x\n  y")) == "usage: %x\n  y"
