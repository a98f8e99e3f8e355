"""The objects that the public functions return show themselves, and a repr never fails the cell that shows it."""

from html.parser import HTMLParser
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.presentation_examples import RUN, make_plan, make_report, refused_row

from versori_magics.api.models import Connection
from versori_magics.cleanup.plan import Plan, PlanRow, Verdict
from versori_magics.cleanup.records import Outcome
from versori_magics.cleanup.report import Report, ReportRow
from versori_magics.errors import UnfinishedError
from versori_magics.inventory.usage import ConnectionUsage, Use
from versori_magics.notebook.display.results import (
    ConnectionDetails,
    DeletionPlan,
    DeletionReport,
    PlainText,
    Summary,
    mime_bundle,
)

CONNECTION_ID = "01ARZ3NDEKTSV4RRFFQ69G5FAV"
SERVER_TEXTS = st.text(max_size=50) | st.sampled_from(["<script>x</script>", "\x1b[0m", "\u202e", "\ud800", "y" * 9999])


class Broken:
    def __str__(self) -> str:
        raise RuntimeError("no")

    __repr__ = __str__


def details(usage: ConnectionUsage | None = None, **fields: Any) -> ConnectionDetails:
    connection = msgspec.convert({"id": CONNECTION_ID, **fields}, Connection)
    return ConnectionDetails(connection, fields.get("system", ""), usage or ConnectionUsage("unused"))


def deletion_plan() -> DeletionPlan:
    return DeletionPlan.of(make_plan(PlanRow(CONNECTION_ID, Verdict.DELETE, "One")))


def deletion_report(*rows: ReportRow, **options: Any) -> DeletionReport:
    return DeletionReport.of(make_report(*rows or (ReportRow(CONNECTION_ID, "One", Outcome.DELETED),), **options))


RESULTS = [
    (Summary("Connection settings", {"server": "https://s"}), set()),
    (deletion_plan(), {"text/markdown"}),
    (deletion_report(), {"text/markdown"}),
    (details(name="One"), set()),
]


@pytest.mark.parametrize(("result", "more_types"), RESULTS, ids=lambda value: type(value).__name__)
def test_every_result_shows_itself_as_text_and_html_and_its_repr_is_the_text(result: Any, more_types: set[str]) -> None:
    bundle = result._repr_mimebundle_()
    assert set(bundle) == {"text/plain", "text/html"} | more_types
    assert repr(result) == result.to_text() == bundle["text/plain"]
    assert result.to_html() == bundle["text/html"]
    assert bundle == result._repr_mimebundle_(include=None, exclude=None)
    assert "<" not in bundle["text/plain"]
    assert bundle["text/html"].startswith("<style>.versori")
    assert '<div class="versori">' in bundle["text/html"]
    if more_types:
        assert result.to_markdown() == bundle["text/markdown"]


def test_a_repr_never_raises() -> None:
    for summary in (Summary("x", {"y": Broken()}), Summary(Broken(), {})):  # type: ignore[arg-type]
        assert repr(summary) == "<not shown: RuntimeError>"
        assert summary._repr_mimebundle_() == {"text/plain": "<not shown: RuntimeError>"}
    report = DeletionReport(RUN, "s", "O", "", (Broken(),), ended=True)  # type: ignore[arg-type]
    assert repr(report) == "<not shown: AttributeError>"
    assert repr(DeletionPlan(RUN, "s", "O", "", (Broken(),))).startswith("<not shown")  # type: ignore[arg-type]


def test_a_representation_that_fails_is_replaced_by_the_name_of_the_error() -> None:
    def fail() -> str:
        raise ZeroDivisionError

    not_shown = {"text/plain": "<not shown: ZeroDivisionError>"}
    assert mime_bundle(fail, lambda: "x") == not_shown
    assert mime_bundle(lambda: "x", fail) == not_shown
    assert mime_bundle(lambda: "x", lambda: "x", fail) == not_shown


# Plans and reports.


def test_a_plan_that_shows_itself_is_the_same_plan() -> None:
    plan = make_plan(PlanRow(CONNECTION_ID, Verdict.DELETE, "One"))
    shown = DeletionPlan.of(plan)
    assert isinstance(shown, Plan)
    assert msgspec.structs.asdict(shown) == msgspec.structs.asdict(plan)
    assert shown.rows is plan.rows
    assert shown.digest == plan.digest


def test_a_report_that_shows_itself_is_the_same_report() -> None:
    report = make_report(refused_row(), stopped="it was cancelled")
    shown = DeletionReport.of(report)
    assert isinstance(shown, Report)
    assert msgspec.structs.asdict(shown) == msgspec.structs.asdict(report)
    assert shown.rows is report.rows


def test_plans_and_reports_cannot_be_changed() -> None:
    for result in (deletion_plan(), deletion_report()):
        with pytest.raises(AttributeError):
            result.rows = ()  # type: ignore[misc]
        with pytest.raises(AttributeError):
            result.note = "x"  # type: ignore[union-attr]


def test_the_frame_of_a_plan_or_a_report_has_one_row_for_each_row() -> None:
    assert deletion_plan().frame["verdict"].tolist() == ["delete"]
    assert deletion_report().frame["outcome"].tolist() == ["deleted"]


def test_an_unfinished_report_names_the_magic_that_finishes_it_in_every_form() -> None:
    report = deletion_report(ReportRow(CONNECTION_ID, "x", Outcome.NOT_ATTEMPTED), stopped="it was cancelled")
    assert f"To finish the run: %versori_resume {RUN}" in report.to_text()
    assert f"To finish the run: %versori_resume {RUN}" in report.to_html()
    assert f"To finish the run: %versori\\_resume {RUN}" in report.to_markdown()


def test_a_finished_report_names_no_magic() -> None:
    assert "resume" not in "".join(deletion_report()._repr_mimebundle_().values())


def test_an_error_about_unfinished_rows_names_the_magic_that_finishes_them() -> None:
    report = deletion_report(ReportRow(CONNECTION_ID, "x", Outcome.FAILED))
    with pytest.raises(UnfinishedError) as caught:
        report.raise_for_unfinished()
    assert caught.value.report is report
    assert caught.value.hint == f"To finish the run: %versori_resume {RUN}"
    deletion_report().raise_for_unfinished()


# Connections.


@given(
    st.dictionaries(st.sampled_from(["name", "baseUrl", "systemId", "createdAt", "updatedAt"]), SERVER_TEXTS),
    SERVER_TEXTS,
    st.lists(SERVER_TEXTS | st.integers(), max_size=2),
)
def test_a_connection_shows_itself_safely_whatever_the_server_sends(
    fields: dict[str, str], text: str, errors: list[Any]
) -> None:
    credentials = [{"credential": {"type": text, "errors": errors, "expiresAt": text}, "data": "S3CR3T"}] * 2
    use = Use("static", text, text, text, text, text)
    result = details(ConnectionUsage("static", (use,) * 5), credentials=credentials, data="S3CR3T", **fields)
    bundle = result._repr_mimebundle_()
    assert not bundle["text/plain"].startswith("<not shown")
    tags: set[str] = set()
    reader = HTMLParser()
    reader.handle_starttag = lambda tag, _: tags.add(tag)  # type: ignore[method-assign]
    reader.feed(bundle["text/html"])
    assert tags <= {"style", "div", "b", "table", "thead", "tbody", "tr", "th", "td"}
    assert "S3CR3T" not in bundle["text/html"] + bundle["text/plain"]
    assert len(bundle["text/html"]) < 20_000


def test_a_connection_shows_its_usage() -> None:
    use = Use("static", "Orders", "P", "production", "E", "running")
    used = details(ConnectionUsage("static", (use,)), name="One")
    assert (used.id, used.name, used.kind, used.in_use, used.running) == (CONNECTION_ID, "One", "static", True, 1)
    assert used.used_by == "Orders / production (running)"
    assert "in use" in repr(used)
    assert details().name == ""
    assert "(no name)" in repr(details())


@pytest.mark.parametrize(
    ("credential", "words"),
    [
        ({}, "no known error"),
        ({"errors": []}, "no known error"),
        ({"errors": ["the grant has expired"]}, "the grant has expired"),
    ],
)
def test_a_connection_shows_the_errors_of_its_credentials(credential: dict[str, Any], words: str) -> None:
    lines = repr(details(credentials=[{"credential": credential}])).splitlines()
    (line,) = (line for line in lines if "credentials" in line)
    assert line.split(maxsplit=1)[1] == words


def test_plain_text_is_shown_as_it_is() -> None:
    assert repr(PlainText("usage: %x\n  y")) == "usage: %x\n  y"
