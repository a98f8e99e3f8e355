from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.cleanup_examples import ORGANISATION, RUN, SERVER, make_id, make_row

from versori_magics.cleanup.plan import Verdict
from versori_magics.cleanup.records import (
    Outcome,
    Record,
    RowOutcome,
    RowPlanned,
    RowSent,
    RunClosed,
    RunHeader,
    RunResumed,
)
from versori_magics.cleanup.report import Report
from versori_magics.errors import FieldError, UnfinishedError
from versori_magics.next_step import Action, NextStep

HEADER = RunHeader(1, RUN, "0", SERVER, ORGANISATION, "d" * 64, "2026-01-01T00:00:00+00:00", 3)
PLANNED = [
    RowPlanned(make_row(0)),
    RowPlanned(make_row(1, system="Shop")),
    RowPlanned(make_row(2, Verdict.IN_USE, reason="Orders")),
]
CLOSED = RunClosed("then")


def report_of(*records: Record, planned: Any = PLANNED) -> Report:
    return Report.replay([HEADER, *planned, *records], "journal")


def sent(number: int, attempt: int = 1) -> RowSent:
    return RowSent(make_id(number), attempt, "then")


def done(number: int, outcome: Outcome, **facts: Any) -> RowOutcome:
    return RowOutcome(make_id(number), outcome, **facts)


def test_report_has_the_run_its_server_organisation_and_time() -> None:
    report = report_of(CLOSED)
    assert (report.run, report.server, report.organisation) == (RUN, SERVER, ORGANISATION)
    assert (report.started, report.journal) == ("2026-01-01T00:00:00+00:00", "journal")
    assert (report.ended, report.stopped) == (True, "")


@pytest.mark.parametrize(
    ("records", "expected"),
    [
        ([], ["not_attempted", "not_attempted", "in_use"]),
        ([sent(0)], ["unknown", "not_attempted", "in_use"]),
        ([sent(0), done(0, Outcome.DELETED)], ["deleted", "not_attempted", "in_use"]),
        ([sent(0), done(0, Outcome.FAILED), sent(0)], ["unknown", "not_attempted", "in_use"]),
        ([done(0, Outcome.FAILED), done(0, Outcome.DELETED)], ["deleted", "not_attempted", "in_use"]),
        ([done(2, Outcome.IN_USE)], ["not_attempted", "not_attempted", "in_use"]),
        ([sent(7), done(8, Outcome.DELETED)], ["not_attempted", "not_attempted", "in_use"]),
    ],
)
def test_last_record_of_a_row_decides_its_outcome(records: list[Record], expected: list[str]) -> None:
    assert [row.outcome for row in report_of(*records).rows] == expected


@pytest.mark.parametrize(
    ("verdict", "outcome"),
    [
        (Verdict.DELETE, Outcome.NOT_ATTEMPTED),
        (Verdict.IN_USE, Outcome.IN_USE),
        (Verdict.PROTECTED, Outcome.PROTECTED),
        (Verdict.NOT_FOUND, Outcome.ALREADY_GONE),
    ],
)
def test_row_without_a_record_has_the_outcome_of_its_verdict(verdict: Verdict, outcome: Outcome) -> None:
    (row,) = report_of(planned=[RowPlanned(make_row(0, verdict, reason="because"))]).rows
    assert row.outcome == outcome
    assert row.message == ("the run ended before this row was sent" if verdict == Verdict.DELETE else "because")


def test_row_that_was_sent_without_an_answer_is_unknown() -> None:
    row = report_of(sent(0, 1), sent(0, 2)).rows[0]
    assert (row.outcome, row.attempts, row.message) == (Outcome.UNKNOWN, 2, "sent, but no response is recorded")


def test_report_row_has_every_fact_of_its_outcome() -> None:
    facts: dict[str, Any] = {
        "status": 422,
        "code": "7",
        "message": "no",
        "fields": (FieldError("a", "is odd"),),
        "details": "why",
        "attempts": 3,
        "seconds": 1.5,
    }
    row = report_of(done(1, Outcome.REFUSED, **facts)).rows[1]
    assert {name: getattr(row, name) for name in facts} == facts
    assert (row.id, row.name, row.system) == (make_id(1), "connection 1", "Shop")


def test_resumed_run_is_open_until_it_ends_again() -> None:
    stopped, resumed = RunClosed("then", "the token died"), RunResumed("later", "0")
    assert (report_of(stopped).ended, report_of(stopped).stopped) == (True, "the token died")
    assert (report_of(stopped, resumed).ended, report_of(stopped, resumed).stopped) == (False, "")
    assert (report_of(stopped, resumed, CLOSED).ended, report_of(stopped, resumed, CLOSED).stopped) == (True, "")


def test_empty_journal_gives_an_empty_report() -> None:
    assert (Report.replay([]).rows, Report.replay([]).ended) == ((), False)


OUTCOMES = st.sampled_from(list(Outcome))
KEYS = st.integers(0, 5)
RECORDS = st.lists(
    st.one_of(
        st.builds(sent, KEYS, st.integers(1, 4)),
        st.builds(done, KEYS, OUTCOMES),
        st.just(CLOSED),
        st.just(RunResumed("later", "0")),
    ),
    max_size=20,
)


@given(RECORDS)
def test_each_planned_row_has_one_outcome_whatever_the_records(records: list[Record]) -> None:
    report = report_of(*records)
    assert [row.id for row in report.rows] == [planned.row.id for planned in PLANNED]
    assert sum(report.counts.values()) == 3
    assert list(report.counts) == [outcome.value for outcome in Outcome]
    for row in report.rows:
        own = [record for record in records if isinstance(record, RowSent | RowOutcome) and record.id == row.id]
        if own and isinstance(own[-1], RowOutcome):
            assert row.outcome == own[-1].outcome
        elif own:
            assert row.outcome == Outcome.UNKNOWN
    assert Report.replay([HEADER, *PLANNED, *records], "journal") == report


@pytest.mark.parametrize(
    ("outcome", "status", "is_unfinished", "raises"),
    [
        (Outcome.DELETED, 204, False, False),
        (Outcome.ALREADY_GONE, 404, False, False),
        (Outcome.IN_USE, 409, False, False),
        (Outcome.PROTECTED, None, False, False),
        (Outcome.CHANGED, None, False, True),
        (Outcome.REFUSED, 400, False, True),
        (Outcome.REFUSED, 401, True, True),
        (Outcome.REFUSED, 403, True, True),
        (Outcome.FAILED, 500, True, True),
        (Outcome.UNKNOWN, None, True, True),
        (Outcome.NOT_ATTEMPTED, None, True, True),
    ],
)
def test_report_lists_rows_that_can_be_resumed_and_raises_for_rows_that_were_not_deleted(
    outcome: Outcome, status: int | None, is_unfinished: bool, raises: bool
) -> None:
    report = report_of(done(0, outcome, status=status), planned=PLANNED[:1])
    assert [row.id for row in report.unfinished] == ([make_id(0)] if is_unfinished else [])
    assert report.rows[0].is_unfinished is is_unfinished
    assert report.next_step == (NextStep(Action.RESUME, RUN) if is_unfinished else None)
    if not raises:
        report.raise_for_unfinished()
        return
    with pytest.raises(UnfinishedError, match="Some rows were not deleted") as caught:
        report.raise_for_unfinished()
    assert caught.value.report is report
    assert caught.value.next_step == report.next_step
    assert caught.value.particulars() == f"1 row: {report.summary}"
