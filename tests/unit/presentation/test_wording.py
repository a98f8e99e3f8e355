"""The sentences and words that people read about plans, reports and progress."""

from collections import Counter

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.cleanup_examples import make_usage, make_use
from support.presentation_examples import (
    ORGANISATION,
    REFUSED_PARTS,
    RUN,
    make_plan,
    make_progress,
    make_report,
    refused_row,
    server_texts,
)

from versori_magics.cleanup.executor import RunProgress
from versori_magics.cleanup.plan import Plan, PlanRow, Verdict
from versori_magics.cleanup.records import Outcome, outcomes_in_words
from versori_magics.cleanup.report import Report, ReportRow
from versori_magics.presentation import wording

TWO_USES = make_usage("static", [make_use(1), make_use(2)])
UNUSED = make_usage("unused")
ENVIRONMENTS = "2 running environments: Orders / environment 1, Orders / environment 2"
TOKENS = {*Verdict, *Outcome}


def plan_of(*verdicts: Verdict) -> Plan:
    return make_plan(*(PlanRow(f"01{n:024}", verdict) for n, verdict in enumerate(verdicts)))


def report_of(*outcomes: Outcome) -> Report:
    return make_report(*(ReportRow(f"01{n:024}", "x", outcome) for n, outcome in enumerate(outcomes)))


def plan_to_delete(rows: int, *, breaking: int = 0, kept: int = 0, name: str = "One") -> Plan:
    return make_plan(
        *(
            PlanRow(
                f"01{n:024}", Verdict.DELETE, name, "Shop", usage=TWO_USES if n < breaking else make_usage("unused")
            )
            for n in range(rows)
        ),
        *(PlanRow(f"02{n:024}", Verdict.IN_USE, usage=TWO_USES) for n in range(kept)),
    )


# Titles.


def test_the_title_of_a_plan_counts_what_it_does_in_words() -> None:
    verdicts = [Verdict.DELETE] * 13 + [Verdict.IN_USE] * 2
    assert wording.plan_title(plan_of(*verdicts)) == "Plan for 15 connections: 13 to delete, 2 kept (in use)"
    assert (
        wording.plan_title(plan_of(*Verdict))
        == "Plan for 4 connections: 1 to delete, 1 kept (in use), 1 kept (protected), 1 not found"
    )
    assert wording.plan_title(plan_of(Verdict.DELETE)) == "Plan for 1 connection: 1 to delete"
    assert wording.plan_title(plan_of()) == "Plan for 0 connections: nothing was selected"


def test_the_title_of_a_report_counts_what_happened_in_words() -> None:
    outcomes = [Outcome.DELETED] * 1_200 + [Outcome.IN_USE] * 2
    assert wording.report_title(report_of(*outcomes)) == "Report on 1,202 connections: 1,200 deleted, 2 kept (in use)"
    assert wording.report_title(report_of(*Outcome)) == (
        "Report on 9 connections: 1 deleted, 1 already gone, 1 kept (in use), 1 kept (protected),"
        " 1 kept (changed since review), 1 refused, 1 failed, 1 unclear, 1 not attempted"
    )
    assert wording.report_title(report_of()) == "Report on 0 connections: nothing was selected"


def test_counts_of_outcomes_leave_out_zeros() -> None:
    assert outcomes_in_words({"deleted": 1200, "failed": 0, "in_use": 2}) == "1,200 deleted, 2 kept (in use)"
    assert outcomes_in_words({"deleted": 0}) == "nothing"


def test_every_verdict_and_outcome_has_words_and_a_place_in_the_order() -> None:
    assert set(wording.VERDICT_WORDS) == set(wording.PLAN_ORDER) == set(Verdict)
    assert set(wording.OUTCOME_WORDS) == set(wording.OUTCOME_ORDER) == set(Outcome)
    for text in (*wording.VERDICT_WORDS.values(), *wording.OUTCOME_WORDS.values()):
        assert text not in TOKENS
        assert "_" not in text


@given(st.lists(st.sampled_from(Verdict)))
def test_rows_that_are_kept_come_before_rows_to_delete(verdicts: list[Verdict]) -> None:
    rows = wording.plan_rows_in_order(plan_of(*verdicts))
    is_deleted = [row.verdict == Verdict.DELETE for row in rows]
    assert is_deleted == sorted(is_deleted)
    assert Counter(row.verdict for row in rows) == Counter(verdicts)


@given(st.lists(st.sampled_from(Outcome)))
def test_errors_come_first_and_rows_with_the_same_outcome_keep_their_order(outcomes: list[Outcome]) -> None:
    rows = wording.report_rows_in_order(report_of(*outcomes))
    places = [(wording.OUTCOME_ORDER.index(row.outcome), row.id) for row in rows]
    assert places == sorted(places)
    assert len(rows) == len(outcomes)


# Notes.


def test_rows_that_break_something_are_announced_in_a_sentence() -> None:
    assert wording.breaking_sentence(plan_to_delete(3)) == ""
    assert (
        wording.breaking_sentence(plan_to_delete(3, breaking=1))
        == f"1 connection to delete is in use: deleting it breaks {ENVIRONMENTS}."
    )
    assert (
        wording.breaking_sentence(plan_to_delete(3, breaking=2))
        == f"2 connections to delete are in use: deleting them breaks {ENVIRONMENTS}."
    )


def test_the_origin_names_server_and_organisation_and_the_run_of_a_report() -> None:
    assert wording.origin(make_plan()) == f"server https://s, organisation {ORGANISATION}"
    assert wording.origin(make_report()) == f"server https://s, organisation {ORGANISATION}, run {RUN}"
    assert wording.origin(Report("", "https://s", "O", "", (), ended=True)) == "server https://s, organisation O"


def test_the_notes_of_a_report_say_why_the_run_ended_and_how_to_finish_it() -> None:
    row = ReportRow(RUN, "x", Outcome.NOT_ATTEMPTED)
    stopped = make_report(row, stopped="it was cancelled")
    assert wording.report_notes(stopped, "Resume it.") == ["The run ended early: it was cancelled.", "Resume it."]
    assert wording.report_notes(stopped) == ["The run ended early: it was cancelled."]
    cut_off = make_report(row, ended=False)
    assert wording.report_notes(cut_off) == ["The run has not ended: it was interrupted or is still running."]
    assert wording.report_notes(make_report(row)) == []
    without_run = Report("", "https://s", "O", "", (), ended=False)
    assert wording.report_notes(without_run) == []
    damaged = Report(RUN, "https://s", "O", "", (row,), ended=True, damage="The journal is damaged.")
    assert wording.report_notes(damaged, "Resume it.") == ["The journal is damaged.", "Resume it."]


def test_the_reason_of_an_outcome_contains_everything_that_the_platform_said() -> None:
    reason = wording.outcome_reason(refused_row())
    for part in REFUSED_PARTS:
        assert part in reason
    assert "(519 characters)" in reason  # the long message is cut


def test_the_reason_of_a_deleted_row_leaves_out_status_and_details() -> None:
    row = ReportRow(RUN, "x", Outcome.DELETED, 204, "c", "", (), "details", 1)
    assert wording.outcome_reason(row) == ""
    assert wording.outcome_reason(ReportRow(RUN, "x", Outcome.ALREADY_GONE, attempts=2)) == "sent 2 times"


# Progress.


@pytest.mark.parametrize(
    ("progress", "line"),
    [
        (make_progress(0, 5, seconds=0.0, outcomes=Counter()), "0 of 5 done · 5 left, 0 in flight · 0.0 s"),
        (
            make_progress(2, 5, in_flight=2),
            "2 of 5 done (2 deleted) · 3 left, 2 in flight · 1.0 a second, 3 s to go · 2.0 s",
        ),
        (
            make_progress(1000, 100_000, seconds=50.0),
            "1,000 of 100,000 done (1,000 deleted) · 99,000 left, 0 in flight · 20 a second, 82 min to go · 50.0 s",
        ),
        (
            make_progress(2, 5, is_stopping=True),
            "2 of 5 done (2 deleted) · 3 left, 0 in flight · stopping: nothing more is sent · 2.0 s",
        ),
        (
            make_progress(2, 5, pause_left=7.0),
            "2 of 5 done (2 deleted) · 3 left, 0 in flight · the platform asks to wait 7 s · 2.0 s",
        ),
        (
            make_progress(5, 5, outcomes=Counter(deleted=3, unknown=1, in_use=1)),
            "5 of 5 done (3 deleted, 1 kept (in use), 1 unclear) · 2.0 s",
        ),
        (make_progress(0, 0, outcomes=Counter()), "0 of 0 done · 2.0 s"),
    ],
)
def test_progress_is_one_line(progress: RunProgress, line: str) -> None:
    assert wording.progress_line(progress) == line


# Questions.


def test_the_question_about_one_row_names_it_and_its_users() -> None:
    free, used = plan_to_delete(1), plan_to_delete(1, breaking=1)
    assert wording.deletion_sentence(free) == "Delete 'One' (Shop, 01000000000000000000000000): nobody uses it."
    users = "Orders / environment 1 (running); Orders / environment 2 (running)"
    assert wording.deletion_sentence(used) == (
        f"Delete 'One' (Shop, 01000000000000000000000000): it is used by {users}. This breaks {ENVIRONMENTS}."
    )
    nameless = make_plan(PlanRow(RUN, Verdict.DELETE))
    assert wording.deletion_sentence(nameless) == f"Delete '(no name)' (no system, {RUN}): nobody uses it."


def test_the_question_about_several_rows_counts_them_and_what_they_break() -> None:
    assert wording.deletion_sentence(plan_to_delete(2, kept=1)) == "Delete 2 of 3 selected connections."
    assert (
        wording.deletion_sentence(plan_to_delete(5, breaking=2, kept=4))
        == f"Delete 5 of 9 selected connections, 2 of them in use (breaks {ENVIRONMENTS})."
    )


def test_the_request_for_consent_contains_the_words_to_type() -> None:
    assert wording.consent_request(plan_to_delete(1, kept=3)) == "Delete it? y/N"
    otherwise = "to continue, list to see every row, anything else to stop"
    assert wording.consent_request(plan_to_delete(2)) == f"Type delete 2 {otherwise}"
    assert wording.consent_request(plan_to_delete(1, breaking=1)) == f"Type delete 1 break 1 {otherwise}"


def test_a_plan_names_the_first_protection_rules_that_match_nothing() -> None:
    plan = plan_to_delete(1)
    assert wording.plan_notes(plan) == []
    (note,) = wording.plan_notes(msgspec.structs.replace(plan, unmatched_rules=("name: x",)))
    assert note == "1 protection rule matches no connection of the organisation: 'name: x'. Check the spelling."
    rules = tuple(f"name: {number}" for number in range(7))
    (note,) = wording.plan_notes(msgspec.structs.replace(plan, unmatched_rules=rules))
    assert note.startswith("7 protection rules match no connection of the organisation: 'name: 0', ")
    assert note.endswith("'name: 4' and 2 more. Check the spelling.")


@given(server_texts)
def test_control_characters_in_a_name_are_escaped_in_the_question(name: str) -> None:
    question = wording.deletion_sentence(plan_to_delete(1, name=name))
    assert question.isprintable()
    assert len(question) < 2_000


def test_a_long_name_is_cut_in_the_question() -> None:
    question = wording.deletion_sentence(plan_to_delete(1, name="a\x1b[2J\u202e\r\n" + "b" * 500))
    assert question.isprintable()
    assert len(question) < 300
