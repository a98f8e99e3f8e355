from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.cleanup_examples import ORGANISATION, RUN, SERVER, make_id, make_row

from versori_magics.cleanup.plan import Verdict
from versori_magics.cleanup.records import (
    DamagedLines,
    Entry,
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

PLANNED = [
    RowPlanned(make_row(0)),
    RowPlanned(make_row(1, system="Shop")),
    RowPlanned(make_row(2, Verdict.IN_USE, reason="Orders")),
]
CLOSED = RunClosed("then")


def header_of(planned: Sequence[RowPlanned]) -> RunHeader:
    ids = tuple(record.row.id for record in planned)
    return RunHeader(2, RUN, "0", SERVER, ORGANISATION, "d" * 64, "2026-01-01T00:00:00+00:00", ids)


def report_of(*records: Entry, planned: Sequence[RowPlanned] = PLANNED) -> Report:
    return Report.replay([header_of(planned), *planned, *records], "journal")


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


def test_empty_journal_gives_an_empty_report_that_says_so() -> None:
    report = Report.replay([])
    assert (report.rows, report.ended) == ((), False)
    assert report.damage.startswith("The journal does not hold its whole plan")


def test_unknown_row_that_is_not_sent_again_stays_unknown() -> None:
    resumed = RunResumed("later", "0")
    for before in ([sent(0)], [sent(0), done(0, Outcome.UNKNOWN, attempts=1)]):
        row = report_of(*before, resumed, sent(0), done(0, Outcome.NOT_ATTEMPTED)).rows[0]
        assert (row.outcome, row.attempts) == (Outcome.UNKNOWN, 1)
    assert report_of(resumed, sent(0), done(0, Outcome.NOT_ATTEMPTED)).rows[0].outcome == Outcome.NOT_ATTEMPTED


# Damaged journals.


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        ([], [], "unknown"),
        ([sent(0)], [], "unknown"),
        ([sent(0), done(0, Outcome.DELETED)], [], "deleted"),
        ([sent(0), done(0, Outcome.REFUSED, status=400)], [], "refused"),
        # A lost line may be a later send of a row that could be sent again.
        ([sent(0), done(0, Outcome.FAILED)], [], "unknown"),
        ([sent(0), done(0, Outcome.REFUSED, status=401)], [], "unknown"),
        ([done(0, Outcome.NOT_ATTEMPTED)], [], "unknown"),
        # What follows the damage is certain again.
        ([], [sent(0)], "unknown"),
        ([], [done(0, Outcome.FAILED)], "failed"),
        ([], [sent(0), done(0, Outcome.DELETED)], "deleted"),
        ([], [done(0, Outcome.NOT_ATTEMPTED)], "not_attempted"),
        ([], [RunResumed("later", "0"), sent(0), done(0, Outcome.NOT_ATTEMPTED)], "unknown"),
    ],
)
def test_row_that_a_lost_line_could_concern_is_unknown(
    before: list[Record], after: list[Record], expected: str
) -> None:
    report = report_of(*before, DamagedLines(2), *after, CLOSED)
    assert report.rows[0].outcome == expected
    assert report.rows[2].outcome == Outcome.IN_USE  # never sent, whatever the lost lines were
    assert report.damage == (
        "The journal is damaged: 2 lines changed, lost or added. Rows that this could concern are unclear."
    )


def test_row_whose_plan_is_lost_is_unknown_and_so_is_every_row_that_may_have_been_sent() -> None:
    records = [header_of(PLANNED), *PLANNED[:1], PLANNED[2], DamagedLines(1), done(0, Outcome.FAILED), CLOSED]
    rows = Report.replay(records).rows
    assert [(row.id, row.name, row.outcome) for row in rows] == [
        (make_id(0), "connection 0", "unknown"),
        (make_id(1), "", "unknown"),
        (make_id(2), "connection 2", "in_use"),
    ]


def test_row_that_is_not_in_the_header_is_not_reported() -> None:
    added = [RowPlanned(make_row(7)), sent(7), done(7, Outcome.DELETED)]
    assert [row.id for row in report_of(*added, CLOSED).rows] == [make_id(0), make_id(1), make_id(2)]


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
            # A row that was unknown when the run was resumed stays so if it is not sent again.
            assert row.outcome in {own[-1].outcome, Outcome.UNKNOWN}
            assert row.outcome == own[-1].outcome or own[-1].outcome == Outcome.NOT_ATTEMPTED
        elif own:
            assert row.outcome == Outcome.UNKNOWN
    assert report_of(*records) == report


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
