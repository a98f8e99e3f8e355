from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from unit.deletion.making import ORGANISATION, RUN, SERVER, make_id, make_row

from versori_magics.deletion.plan import Verdict
from versori_magics.deletion.report import (
    Closed,
    Ended,
    Header,
    Outcome,
    Planned,
    Record,
    Report,
    Resumed,
    Sent,
)
from versori_magics.errors import UnfinishedError

HEADER = Header(1, RUN, "0", SERVER, ORGANISATION, "d" * 64, "2026-01-01T00:00:00+00:00", 3)
PLANNED = [
    Planned(make_row(0)),
    Planned(make_row(1, system="Shop")),
    Planned(make_row(2, Verdict.IN_USE, reason="Orders")),
]
END = Closed("then")


def report_of(*records: Record, planned: Any = PLANNED) -> Report:
    return Report.replay([HEADER, *planned, *records], "journal")


def outcomes(*records: Record) -> list[str]:
    return [row.outcome.value for row in report_of(*records).rows]


def sent(number: int, attempt: int = 1) -> Sent:
    return Sent(make_id(number), attempt, "then")


def ended(number: int, outcome: Outcome, **facts: Any) -> Ended:
    return Ended(make_id(number), outcome, **facts)


def test_it_says_where_and_when_and_of_which_run() -> None:
    report = report_of(END)
    assert (report.run, report.server, report.organisation) == (RUN, SERVER, ORGANISATION)
    assert (report.started, report.journal) == ("2026-01-01T00:00:00+00:00", "journal")
    assert (report.ended, report.stopped) == (True, "")


@pytest.mark.parametrize(
    ("records", "expected"),
    [
        ([], ["not_attempted", "not_attempted", "in_use"]),
        ([sent(0)], ["unknown", "not_attempted", "in_use"]),
        ([sent(0), ended(0, Outcome.DELETED)], ["deleted", "not_attempted", "in_use"]),
        ([sent(0), ended(0, Outcome.FAILED), sent(0)], ["unknown", "not_attempted", "in_use"]),
        ([ended(0, Outcome.FAILED), ended(0, Outcome.DELETED)], ["deleted", "not_attempted", "in_use"]),
        ([ended(2, Outcome.IN_USE)], ["not_attempted", "not_attempted", "in_use"]),
        ([sent(7), ended(8, Outcome.DELETED)], ["not_attempted", "not_attempted", "in_use"]),
    ],
)
def test_records_fold_into_one_outcome_a_row(records: list[Record], expected: list[str]) -> None:
    assert outcomes(*records) == expected


@pytest.mark.parametrize(
    ("verdict", "outcome"),
    [
        (Verdict.DELETE, Outcome.NOT_ATTEMPTED),
        (Verdict.IN_USE, Outcome.IN_USE),
        (Verdict.PROTECTED, Outcome.PROTECTED),
        (Verdict.NOT_FOUND, Outcome.ALREADY_GONE),
    ],
)
def test_a_row_that_was_kept_has_its_verdict_as_outcome(verdict: Verdict, outcome: Outcome) -> None:
    (row,) = report_of(planned=[Planned(make_row(0, verdict, reason="because"))]).rows
    assert row.outcome == outcome
    assert row.message == ("the run ended before its turn" if verdict == Verdict.DELETE else "because")


def test_a_row_that_was_sent_and_not_ended_says_how_often() -> None:
    row = report_of(sent(0, 1), sent(0, 2)).rows[0]
    assert (row.outcome, row.attempts, row.message) == (Outcome.UNKNOWN, 2, "sent, and no answer is recorded")


def test_everything_that_is_known_of_a_row_is_in_its_report() -> None:
    facts: dict[str, Any] = {
        "status": 422,
        "code": "7",
        "message": "no",
        "fields": (("a", "is odd"),),
        "details": "why",
        "attempts": 3,
        "seconds": 1.5,
    }
    row = report_of(ended(1, Outcome.REFUSED, **facts)).rows[1]
    assert {name: getattr(row, name) for name in facts} == facts
    assert (row.id, row.name, row.system) == (make_id(1), "connection 1", "Shop")


def test_a_run_that_goes_on_has_not_ended_until_it_ends_again() -> None:
    stopped, resumed = Closed("then", "the token died"), Resumed("later", "0")
    assert (report_of(stopped).ended, report_of(stopped).stopped) == (True, "the token died")
    assert (report_of(stopped, resumed).ended, report_of(stopped, resumed).stopped) == (False, "")
    assert (report_of(stopped, resumed, END).ended, report_of(stopped, resumed, END).stopped) == (True, "")


def test_a_journal_without_a_single_line_gives_an_empty_report() -> None:
    assert (Report.replay([]).rows, Report.replay([]).ended) == ((), False)


OUTCOMES = st.sampled_from(list(Outcome))
KEYS = st.integers(0, 5)
RECORDS = st.lists(
    st.one_of(
        st.builds(sent, KEYS, st.integers(1, 4)),
        st.builds(ended, KEYS, OUTCOMES),
        st.just(END),
        st.just(Resumed("later", "0")),
    ),
    max_size=20,
)


@given(RECORDS)
def test_whatever_the_records_each_planned_row_has_one_outcome_and_they_add_up(records: list[Record]) -> None:
    report = report_of(*records)
    assert [row.id for row in report.rows] == [planned.row.id for planned in PLANNED]
    assert sum(report.counts.values()) == 3
    assert list(report.counts) == [outcome.value for outcome in Outcome]
    for row in report.rows:
        story = [r for r in records if isinstance(r, Sent | Ended) and r.id == row.id]
        if story and isinstance(story[-1], Ended):
            assert row.outcome == story[-1].outcome
        elif story:
            assert row.outcome == Outcome.UNKNOWN
    assert Report.replay([HEADER, *PLANNED, *records], "journal") == report


@pytest.mark.parametrize(
    ("outcome", "status", "unfinished", "raises"),
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
def test_what_resuming_may_finish_and_what_fails_a_run_that_nobody_watches(
    outcome: Outcome, status: int | None, unfinished: bool, raises: bool
) -> None:
    report = report_of(ended(0, outcome, status=status), planned=PLANNED[:1])
    assert [row.id for row in report.unfinished] == ([make_id(0)] if unfinished else [])
    assert report.resume_hint == (f"Go on with: %versori_resume {RUN}" if unfinished else "")
    if not raises:
        report.raise_for_unfinished()
        return
    with pytest.raises(UnfinishedError, match=f"Not everything went: 1 {outcome}") as caught:
        report.raise_for_unfinished()
    assert caught.value.report is report
    assert caught.value.hint == report.resume_hint
