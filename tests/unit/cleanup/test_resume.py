from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
import pytest
from support.cleanup_examples import (
    LOST,
    RUN,
    TOKEN_REFUSED,
    ScriptedDelete,
    ScriptedSnapshots,
    WorkflowExample,
    journal_path,
    make_executor,
    make_id,
    make_ids,
    make_options,
    make_plan,
    make_platform,
    make_row,
    make_snapshot,
    outcomes_of,
    plan_of,
    refused,
    replay,
    unchanged_snapshot,
)

from versori_magics.cleanup.consent import Consent, consent_in_advance
from versori_magics.cleanup.journal import Journal, is_under_way, read_journal
from versori_magics.cleanup.plan import PlanRow, Verdict, plan_row
from versori_magics.cleanup.protection import NO_PROTECTION
from versori_magics.cleanup.records import RowOutcome, RunHeader
from versori_magics.cleanup.report import Report
from versori_magics.cleanup.run import UnfinishedRun, find_unfinished_run, recheck_unfinished, resume_run
from versori_magics.errors import ArgumentError, ConsentError, JournalError, PlanError
from versori_magics.next_step import Action, NextStep


def stop_run(folder: Path) -> UnfinishedRun:
    """Run a plan of six rows whose token is refused at the third; the first two are unknown, the others not sent."""
    answers: dict[str, list[Exception | None]] = {
        make_id(0): [LOST] * 4,
        make_id(1): [LOST] * 4,
        make_id(2): [TOKEN_REFUSED],
    }
    make_executor(folder, plan_of(6), ScriptedDelete(answers)).run(plan_of(6).rows)
    assert outcomes_of(replay(folder)) == ["unknown"] * 2 + ["refused"] + ["not_attempted"] * 3
    return find_unfinished_run(RUN, folder)


def resume(folder: Path, delete: ScriptedDelete, snapshots: ScriptedSnapshots, agreed: Sequence[str]) -> Report:
    """Resume the run without a workflow."""

    def recheck(unfinished: UnfinishedRun) -> tuple[list[PlanRow], list[RowOutcome]]:
        return recheck_unfinished(unfinished, snapshots([row.id for row in unfinished.rows]), NO_PROTECTION)

    return resume_run(RUN, agreed, make_platform(delete), folder, make_options(), recheck)


def no_recheck(_: object) -> Any:
    raise AssertionError("this run has no rows to recheck")


# One run and its journal.


def test_unfinished_run_is_found_with_its_unfinished_rows_as_planned(tmp_path: Path) -> None:
    plan = make_plan(make_row(0), make_row(1), make_row(2), make_row(3, Verdict.IN_USE), breaking=(make_id(1),))
    delete = ScriptedDelete({make_id(1): [refused(400)], make_id(2): [LOST] * 4})
    make_executor(tmp_path, plan, delete).run(plan.to_delete)
    unfinished = find_unfinished_run(RUN, tmp_path)
    assert unfinished.rows == (plan.rows[2],)
    assert (unfinished.planned.rows, unfinished.planned.digest) == (plan.rows, plan.digest)
    remaining = unfinished.plan(unfinished.rows)
    assert (remaining.id, remaining.server, remaining.organisation) == (RUN, plan.server, plan.organisation)
    assert (remaining.rows, remaining.breaking) == ((plan.rows[2],), (make_id(1),))


def test_resume_sends_only_unfinished_rows_that_have_not_changed(tmp_path: Path) -> None:
    stop_run(tmp_path)
    snapshots = ScriptedSnapshots(*map(unchanged_snapshot, (1, 2, 4, 5, 77)))
    delete = ScriptedDelete()
    report = resume(tmp_path, delete, snapshots, make_ids(*range(6)))
    assert snapshots.calls == [tuple(make_ids(*range(6)))]
    assert sorted(delete.sends) == make_ids(1, 2, 4, 5)
    assert outcomes_of(report) == [
        "deleted",  # sent before, gone now
        "deleted",
        "deleted",
        "already_gone",  # never sent, gone now
        "deleted",
        "deleted",
    ]
    assert report.rows[0].attempts == 4
    header = read_journal(journal_path(tmp_path))[0]
    assert isinstance(header, RunHeader)
    assert header.ids == tuple(make_ids(*range(6)))


def test_resume_sends_only_rows_that_were_agreed_to(tmp_path: Path) -> None:
    stop_run(tmp_path)
    snapshots = ScriptedSnapshots(*map(unchanged_snapshot, range(6)))
    delete = ScriptedDelete()
    report = resume(tmp_path, delete, snapshots, make_ids(1, 4, 77))
    assert sorted(delete.sends) == make_ids(1, 4)
    assert outcomes_of(report) == [
        "unknown",
        "deleted",
        "refused",
        "not_attempted",
        "deleted",
        "not_attempted",
    ]
    assert report.ended


def test_rows_that_nobody_reviewed_are_left_and_the_run_says_so(tmp_path: Path) -> None:
    stop_run(tmp_path)
    snapshots = ScriptedSnapshots(*map(unchanged_snapshot, range(6)))
    report = resume(tmp_path, ScriptedDelete(), snapshots, make_ids(1, 4))
    assert report.stopped == (
        "4 connections could not be deleted when the plan was made, but can be now: resume again to review"
    )
    assert report.next_step == NextStep(Action.RESUME, RUN)
    assert resume(tmp_path, ScriptedDelete(), snapshots, make_ids(*range(6))).stopped == ""


def test_finished_run_can_be_resumed_and_sends_nothing(tmp_path: Path) -> None:
    make_executor(tmp_path, plan_of(2), ScriptedDelete()).run(plan_of(2).rows)
    delete = ScriptedDelete()
    report = resume(tmp_path, delete, ScriptedSnapshots(), make_ids(0, 1))
    assert (report.counts["deleted"], report.ended, delete.sends) == (2, True, [])


def test_failed_recheck_of_unfinished_rows_sends_nothing_and_releases_the_run(tmp_path: Path) -> None:
    stop_run(tmp_path)
    before = journal_path(tmp_path).read_bytes()

    def recheck(_: object) -> Any:
        raise KeyboardInterrupt

    delete = ScriptedDelete()
    with pytest.raises(KeyboardInterrupt):
        resume_run(RUN, make_ids(0), make_platform(delete), tmp_path, make_options(), recheck)
    assert delete.sends == []
    assert journal_path(tmp_path).read_bytes() == before
    assert not is_under_way(journal_path(tmp_path))


def test_run_is_locked_while_its_unfinished_rows_are_rechecked(tmp_path: Path) -> None:
    stop_run(tmp_path)

    def recheck(_: object) -> tuple[list[PlanRow], list[RowOutcome]]:
        with pytest.raises(JournalError, match="is already running in this or another kernel"):
            Journal.reopen(tmp_path, RUN)
        return [], []

    resume_run(RUN, [], make_platform(), tmp_path, make_options(), recheck)
    Journal.reopen(tmp_path, RUN).close()


def test_run_whose_journal_lacks_a_part_of_its_plan_cannot_be_resumed(tmp_path: Path) -> None:
    """Nobody can tell whether the run was interrupted as it began or the file was cut off later."""
    stop_run(tmp_path)
    content = journal_path(tmp_path).read_bytes()
    end_of_plan = content.index(b'{"record":"sent"') - 1
    for cut in range(0, end_of_plan, 11):
        journal_path(tmp_path).write_bytes(content[:cut])
        with pytest.raises(JournalError, match="does not hold its whole plan"):
            find_unfinished_run(RUN, tmp_path)
        with pytest.raises(JournalError, match="does not hold its whole plan"):
            resume_run(RUN, make_ids(0), make_platform(), tmp_path, make_options(), no_recheck)
    journal_path(tmp_path).write_bytes(content[:end_of_plan])
    assert len(find_unfinished_run(RUN, tmp_path).rows) == 6


# The workflow, in which somebody agrees to the remaining rows.


def test_resume_deletes_only_rows_of_the_plan_that_was_agreed_to(tmp_path: Path) -> None:
    example = WorkflowExample(tmp_path, range(5))  # connection 5 is gone
    example.change(make_snapshot(2, name="new", updated_at=None))
    remaining = example.workflow.prepare_resume(stop_run(example.journal_folder))
    assert remaining.id == RUN
    assert [row.id for row in remaining.rows] == make_ids(0, 1, 3, 4)
    # While a person thinks, one row changes back and another one changes.
    example.change(unchanged_snapshot(2))
    example.change(make_snapshot(3, "unknown", updated_at=None))
    report = example.resume(remaining)
    assert sorted(example.delete.sends) == make_ids(0, 1, 4)
    assert outcomes_of(report) == ["deleted", "deleted", "refused", "changed", "deleted", "already_gone"]


def test_resume_without_a_first_recheck_still_rechecks_before_it_sends(tmp_path: Path) -> None:
    example = WorkflowExample(tmp_path, range(1, 5))
    remaining = example.workflow.prepare_resume(stop_run(example.journal_folder), recheck=False)
    assert [row.id for row in remaining.rows] == make_ids(*range(6))
    assert example.snapshots.calls == []
    report = example.resume(remaining)
    assert len(example.snapshots.calls) == 1
    assert sorted(example.delete.sends) == make_ids(1, 2, 3, 4)
    assert outcomes_of(report) == ["deleted"] * 5 + ["already_gone"]
    assert report.rows[0].message == "sent earlier; the connection no longer exists"


def test_resume_of_a_finished_run_needs_no_consent_and_no_recheck(tmp_path: Path) -> None:
    example = WorkflowExample(tmp_path)
    make_executor(example.journal_folder, plan_of(1), ScriptedDelete()).run(plan_of(1).rows)
    remaining = example.workflow.prepare_resume(find_unfinished_run(RUN, example.journal_folder))
    assert remaining.rows == ()
    assert outcomes_of(example.workflow.resume(remaining, None, make_options())) == ["deleted"]
    assert (example.snapshots.calls, example.delete.sends) == ([], [])


def test_rows_allowed_to_break_may_still_break_when_the_run_is_resumed(tmp_path: Path) -> None:
    example = WorkflowExample(tmp_path)
    example.snapshots.snapshots = {make_id(1): make_snapshot(1, "static"), make_id(2): make_snapshot(2, "static")}
    breaking = make_ids(1, 2)
    rows = [plan_row(key, snapshot, breaking, NO_PROTECTION) for key, snapshot in example.snapshots.snapshots.items()]
    plan = make_plan(*rows, breaking=tuple(breaking))
    make_executor(example.journal_folder, plan, ScriptedDelete({make_id(1): [TOKEN_REFUSED]})).run(plan.rows)
    remaining = example.workflow.prepare_resume(find_unfinished_run(RUN, example.journal_folder))
    assert remaining.to_break == plan.rows
    report = example.resume(remaining)
    assert outcomes_of(report) == ["deleted"] * 2


def test_run_that_is_already_running_is_not_resumed(tmp_path: Path) -> None:
    example = WorkflowExample(tmp_path, range(6))
    unfinished = stop_run(example.journal_folder)
    journal = Journal.reopen(example.journal_folder, RUN)
    for look in (True, False):
        with pytest.raises(JournalError, match="is already running in this or another kernel") as caught:
            example.workflow.prepare_resume(unfinished, recheck=look)
        assert caught.value.next_step == NextStep(Action.FIND_RUNS)
    journal.close()
    assert example.snapshots.calls == []
    assert len(example.workflow.prepare_resume(unfinished).rows) == 6


@pytest.mark.parametrize("consent", [None, consent_in_advance(plan_of(1))], ids=["no consent", "to another plan"])
def test_resuming_needs_consent_to_the_remaining_rows(tmp_path: Path, consent: Consent | None) -> None:
    example = WorkflowExample(tmp_path, range(6))
    remaining = example.workflow.prepare_resume(stop_run(example.journal_folder))
    before = journal_path(example.journal_folder).read_bytes()
    with pytest.raises(ConsentError):
        example.workflow.resume(remaining, consent, make_options())
    assert example.delete.sends == []
    assert journal_path(example.journal_folder).read_bytes() == before


def test_run_of_another_organisation_is_not_resumed(tmp_path: Path) -> None:
    example = WorkflowExample(tmp_path, range(6))
    unfinished = stop_run(example.journal_folder)
    planned = msgspec.structs.replace(unfinished.planned, organisation=make_id(9))
    with pytest.raises(PlanError, match="The plan is for organisation"):
        example.workflow.prepare_resume(UnfinishedRun(unfinished.report, planned, unfinished.rows))
    assert example.snapshots.calls == []


def test_protection_file_is_read_again_when_a_run_is_resumed(tmp_path: Path) -> None:
    example = WorkflowExample(tmp_path, range(6))
    unfinished = stop_run(example.journal_folder)
    example.protection_file.write_text(make_id(0))
    remaining = example.workflow.prepare_resume(unfinished)
    assert [row.id for row in remaining.rows] == make_ids(1, 2, 3, 4, 5)
    example.protection_file.write_text(f"{make_id(0)}\n{make_id(1)}")
    report = example.resume(remaining)
    assert outcomes_of(report) == ["protected"] * 2 + ["deleted"] * 4
    assert sorted(example.delete.sends) == make_ids(2, 3, 4, 5)


def test_unreadable_protection_file_sends_nothing_and_releases_the_run(tmp_path: Path) -> None:
    example = WorkflowExample(tmp_path, range(6))
    remaining = example.workflow.prepare_resume(stop_run(example.journal_folder))
    example.protection_file.unlink()
    with pytest.raises(ArgumentError, match="cannot be read"):
        example.resume(remaining)
    assert example.delete.sends == []
    assert not is_under_way(journal_path(example.journal_folder))
