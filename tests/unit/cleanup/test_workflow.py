from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import msgspec
import pandas as pd
import pytest
from support.cleanup_examples import (
    ORGANISATION,
    RUN,
    SERVER,
    WorkflowExample,
    make_id,
    make_ids,
    make_options,
    make_platform,
    make_snapshot,
    make_use,
    outcomes_of,
    plan_of,
    unchanged_snapshot,
)

from versori_magics.cleanup.consent import consent_in_advance
from versori_magics.cleanup.plan import Verdict
from versori_magics.cleanup.records import Outcome
from versori_magics.cleanup.report import Report, ReportRow
from versori_magics.cleanup.stop_button import StopButton
from versori_magics.cleanup.workflow import Workflow, check_size, finish
from versori_magics.errors import (
    ArgumentError,
    ConsentError,
    PlanError,
    PlatformError,
    RunStoppedError,
    SelectionError,
)
from versori_magics.next_step import Action, NextStep

# Preparing.


def test_prepared_plan_has_a_row_for_each_selected_id_and_deletes_nothing(tmp_path: Path) -> None:
    example = WorkflowExample(tmp_path, [1, 2])
    example.protection_file.write_text("name: connection 2")
    plan = example.workflow.prepare(make_ids(2, 1, 3))
    assert [(row.id, row.verdict) for row in plan.rows] == [
        (make_id(2), Verdict.PROTECTED),
        (make_id(1), Verdict.DELETE),
        (make_id(3), Verdict.NOT_FOUND),
    ]
    assert (plan.server, plan.organisation) == (SERVER, ORGANISATION)
    assert plan.protection == ("name: connection 2",)
    assert example.delete.sends == []
    assert not example.journal_folder.exists()


def test_selection_is_resolved_only_once_so_an_iterator_works(tmp_path: Path) -> None:
    example = WorkflowExample(tmp_path, range(3))
    plan = example.workflow.prepare(iter(make_ids(0, 1, 2)), max_rows=3)
    assert [row.id for row in plan.to_delete] == make_ids(0, 1, 2)
    assert example.snapshots.calls == [tuple(make_ids(0, 1, 2))]


def test_empty_selection_sends_no_request_and_gives_an_empty_report(tmp_path: Path) -> None:
    example = WorkflowExample(tmp_path)
    plan = example.workflow.prepare([])
    assert plan.rows == ()
    report = example.workflow.execute(plan, None, make_options())
    assert (report.run, report.rows, report.ended) == ("", (), True)
    assert (example.snapshots.calls, example.delete.sends) == ([], [])
    assert not example.journal_folder.exists()


def test_too_large_a_selection_is_refused_before_any_request(tmp_path: Path) -> None:
    example = WorkflowExample(tmp_path, range(3))
    with pytest.raises(PlanError, match="3 connections are selected; the maximum is 2") as caught:
        example.workflow.prepare(iter(make_ids(0, 1, 2)), max_rows=2)
    assert caught.value.next_step == NextStep(Action.RAISE_LIMIT, "3")
    assert example.snapshots.calls == []


@pytest.mark.parametrize(("rows", "max_rows"), [(0, 1), (100, 100), (10_000, None)])
def test_selection_up_to_the_maximum_is_allowed(rows: int, max_rows: int | None) -> None:
    check_size(rows, max_rows)


@pytest.mark.parametrize(
    ("selection", "allow_breaking", "error"),
    [
        (["latest"], (), SelectionError),
        (pd.DataFrame({"id": make_ids(1), "organisation_id": [make_id(9)]}), (), SelectionError),
        (make_ids(1), True, SelectionError),
        (make_ids(1), make_ids(2), PlanError),
    ],
)
def test_invalid_selection_is_an_error_before_any_request(
    tmp_path: Path, selection: Any, allow_breaking: Any, error: type[Exception]
) -> None:
    example = WorkflowExample(tmp_path, [1])
    with pytest.raises(error):
        example.workflow.prepare(selection, allow_breaking=allow_breaking)
    assert example.snapshots.calls == []


def test_connection_in_use_is_deleted_only_if_its_id_is_allowed_to_break(tmp_path: Path) -> None:
    example = WorkflowExample(tmp_path)
    example.snapshots.snapshots = {make_id(number): make_snapshot(number, "static") for number in (1, 2)}
    plan = example.workflow.prepare(make_ids(1, 2), allow_breaking=make_ids(2))
    assert [row.verdict for row in plan.rows] == [Verdict.IN_USE, Verdict.DELETE]
    assert outcomes_of(example.execute(plan)) == ["in_use", "deleted"]
    assert example.delete.sends == make_ids(2)


def test_unreadable_protection_file_is_an_error_before_any_request(tmp_path: Path) -> None:
    example = WorkflowExample(tmp_path, [1])
    example.protection_file.unlink()
    with pytest.raises(ArgumentError, match="cannot be read"):
        example.workflow.prepare(make_ids(1))
    assert example.snapshots.calls == []


# Consent.


def test_plan_that_deletes_something_needs_consent(tmp_path: Path) -> None:
    example = WorkflowExample(tmp_path, [1])
    plan = example.workflow.prepare(make_ids(1))
    for is_fresh in (True, False):
        with pytest.raises(ConsentError, match="Nobody agreed to this plan, so nothing was sent"):
            example.workflow.execute(plan, None, make_options(), is_fresh=is_fresh)
    assert example.delete.sends == []
    assert not example.journal_folder.exists()


def test_consent_to_another_plan_deletes_nothing(tmp_path: Path) -> None:
    example = WorkflowExample(tmp_path, [1, 2])
    plan, other = example.workflow.prepare(make_ids(1, 2)), example.workflow.prepare(make_ids(1))
    with pytest.raises(ConsentError, match="The consent is for another plan"):
        example.workflow.execute(plan, consent_in_advance(other), make_options(), is_fresh=True)
    assert example.delete.sends == []
    assert not example.journal_folder.exists()


def test_plan_that_deletes_nothing_needs_no_consent(tmp_path: Path) -> None:
    example = WorkflowExample(tmp_path)
    report = example.workflow.execute(example.workflow.prepare(make_ids(1)), None, make_options())
    assert (outcomes_of(report), report.ended) == (["already_gone"], True)
    assert example.delete.sends == []


# Another server or organisation.


@pytest.mark.parametrize(
    ("origin", "hint", "next_step"),
    [
        ({"server": "https://other"}, "", NextStep(Action.CONNECT, "https://other")),
        ({"organisation": make_id(9)}, f"Use organisation {make_id(9)}.", None),
    ],
    ids=["server", "organisation"],
)
def test_plan_of_another_server_or_organisation_is_refused(
    tmp_path: Path, origin: dict[str, str], hint: str, next_step: NextStep | None
) -> None:
    example = WorkflowExample(tmp_path, [0])
    workflow, plan = example.workflow, msgspec.structs.replace(plan_of(1), **origin)
    calls: list[Callable[[], object]] = [
        lambda: workflow.execute(plan, consent_in_advance(plan), make_options()),
        lambda: workflow.resume(plan, consent_in_advance(plan), make_options()),
        lambda: workflow.recorded_report(plan),
    ]
    for call in calls:
        with pytest.raises(PlanError, match="The plan is for organisation") as caught:
            call()
        assert caught.value.next_step == next_step
        assert hint in caught.value.hint
    assert (example.delete.sends, example.snapshots.calls) == ([], [])
    assert not example.journal_folder.exists()


# Executing.


def test_fresh_plan_is_executed_without_a_recheck(tmp_path: Path) -> None:
    example = WorkflowExample(tmp_path, [1])
    plan = example.workflow.prepare(make_ids(1))
    assert outcomes_of(example.execute(plan, is_fresh=True)) == ["deleted"]
    assert len(example.snapshots.calls) == 1


def test_later_execution_rechecks_and_keeps_rows_that_changed(tmp_path: Path) -> None:
    example = WorkflowExample(tmp_path, range(6))
    plan = example.workflow.prepare(make_ids(*range(6)))
    example.snapshots.snapshots |= {
        make_id(1): make_snapshot(1, name="new", updated_at=None),
        make_id(2): make_snapshot(2, "static", [make_use(2)], updated_at=None),
        make_id(77): unchanged_snapshot(77),
    }
    del example.snapshots.snapshots[make_id(3)]
    example.protection_file.write_text("name: connection 4")
    report = example.execute(plan)
    assert sorted(example.delete.sends) == make_ids(0, 5)
    assert [(row.outcome, row.message) for row in report.rows] == [
        ("deleted", ""),
        ("changed", "kept: its name changed from connection 1 to new"),
        ("changed", "kept: it is in use now: Orders / environment 2 (running)"),
        ("already_gone", "already deleted before the request was sent"),
        ("protected", "protected by 'name: connection 4'"),
        ("deleted", ""),
    ]


def test_protection_file_is_read_again_at_every_recheck(tmp_path: Path) -> None:
    example = WorkflowExample(tmp_path, range(3))
    plan = example.workflow.prepare(make_ids(0, 1, 2))
    assert plan.counts["protected"] == 0
    example.protection_file.write_text(make_id(0))
    assert example.workflow.prepare(make_ids(0, 1, 2)).counts["protected"] == 1
    example.protection_file.write_text(f"{make_id(0)}\n{make_id(1)}")
    assert outcomes_of(example.execute(plan)) == ["protected", "protected", "deleted"]
    assert example.delete.sends == make_ids(2)


def test_unreadable_protection_file_at_a_recheck_sends_nothing(tmp_path: Path) -> None:
    example = WorkflowExample(tmp_path, [0])
    plan = example.workflow.prepare(make_ids(0))
    example.protection_file.unlink()
    with pytest.raises(ArgumentError, match="cannot be read"):
        example.execute(plan)
    assert example.delete.sends == []
    assert example.workflow.recorded_report(plan) is None


def test_failed_recheck_sends_nothing_and_the_plan_can_be_tried_again(tmp_path: Path) -> None:
    example = WorkflowExample(tmp_path, [1])
    plan = example.workflow.prepare(make_ids(1))

    def fail(_: Sequence[str], **__: object) -> Any:
        raise PlatformError("no answer")

    failing = Workflow(make_platform(example.delete, snapshots=fail), example.journal_folder)
    with pytest.raises(PlatformError, match="no answer"):
        failing.execute(plan, consent_in_advance(plan), make_options())
    assert example.delete.sends == []
    assert outcomes_of(example.execute(plan)) == ["deleted"]


def test_plan_is_executed_only_once(tmp_path: Path) -> None:
    example = WorkflowExample(tmp_path, [1, 2])
    plan = example.workflow.prepare(make_ids(1, 2))
    assert example.workflow.recorded_report(plan) is None
    report = example.execute(plan)
    rechecks = len(example.snapshots.calls)
    assert example.execute(plan) == report
    assert example.workflow.recorded_report(plan) == report
    assert (len(example.delete.sends), len(example.snapshots.calls)) == (2, rechecks)


# The end of a run.


def report_that(stopped: str, outcome: Outcome) -> Report:
    rows = (ReportRow(make_id(1), "connection 1", outcome),)
    return Report(RUN, SERVER, ORGANISATION, "2026-01-01T00:00:00+00:00", rows, ended=True, stopped=stopped)


def test_report_of_a_complete_run_is_returned_without_being_shown() -> None:
    report, shown = report_that("", Outcome.FAILED), list[Report]()
    assert finish(report, StopButton(), shown.append) is report
    assert shown == []


def test_run_that_ended_early_is_shown_and_raises_with_its_report() -> None:
    report, shown = report_that("the token died", Outcome.NOT_ATTEMPTED), list[Report]()
    with pytest.raises(RunStoppedError, match="The run ended early: the token died") as caught:
        finish(report, StopButton(), shown.append)
    assert shown == [report]
    assert caught.value.report is report
    assert caught.value.next_step == NextStep(Action.RESUME, RUN)
    assert caught.value.hint == "Resume the run to finish it."


def test_run_that_ended_early_with_nothing_left_needs_no_resume() -> None:
    with pytest.raises(RunStoppedError) as caught:
        finish(report_that("the token died", Outcome.DELETED), StopButton(), lambda _: None)
    assert (caught.value.hint, caught.value.next_step) == ("", None)


@pytest.mark.parametrize("stopped", ["", "the stop button was pressed"])
def test_pressed_stop_button_shows_the_report_and_interrupts_the_cell(stopped: str) -> None:
    stop_button, shown = StopButton(), list[Report]()
    stop_button.presses = 1
    report = report_that(stopped, Outcome.NOT_ATTEMPTED)
    with pytest.raises(KeyboardInterrupt):
        finish(report, stop_button, shown.append)
    assert shown == [report]
