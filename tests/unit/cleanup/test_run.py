import itertools
import os
import signal
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.cleanup_examples import (
    FORBIDDEN,
    GONE,
    LOST,
    PAGE_404,
    RUN,
    TOKEN_REFUSED,
    UNSENT,
    InstantClock,
    Recheck,
    ScriptedDelete,
    fresh_scan,
    make_executor,
    make_id,
    make_plan,
    make_platform,
    make_row,
    page,
    plan_of,
    refused,
    unchanged,
)
from support.interrupts import presses_at_every_instant

from versori_magics.api.retry import RetryPolicy
from versori_magics.cleanup import run as run_module
from versori_magics.cleanup import stop_button as stop_button_module
from versori_magics.cleanup.journal import Journal, is_under_way, list_journals, read_journal
from versori_magics.cleanup.plan import PlanRow, Verdict
from versori_magics.cleanup.records import Outcome, RowOutcome
from versori_magics.cleanup.report import Report
from versori_magics.cleanup.run import (
    RunOptions,
    recorded_report,
    resume_run,
    start_run,
)
from versori_magics.cleanup.stop_button import StopButton
from versori_magics.cleanup.usage_scan import UsageScan
from versori_magics.errors import JournalError, PlatformError
from versori_magics.next_step import Action, NextStep

ANSWERS = st.sampled_from(
    [
        *(None, LOST, UNSENT, GONE, PAGE_404, TOKEN_REFUSED, FORBIDDEN, RuntimeError("a bug"), page(502), page(307)),
        *(refused(500), refused(409), refused(400), refused(429)),
        *(refused(429, retry_after=2.0), refused(503, retry_after=9_999.0)),
    ]
)


def no_recheck(_: object) -> Any:
    raise AssertionError("this test does not recheck its rows")


def stale_scan(recheck: Recheck) -> UsageScan:
    """Return the scan of a plan that must be rechecked before anything is sent."""
    return RunOptions().usage_scan(recheck)


# Outcomes.


@settings(deadline=None, max_examples=150)
@given(
    answers=st.lists(st.lists(ANSWERS, max_size=5), min_size=1, max_size=8),
    kept=st.integers(0, 3),
    workers=st.integers(1, 32),
    stop_at=st.one_of(st.none(), st.integers(1, 12)),
    exists=st.sampled_from([True, False, None]),
)
def test_every_planned_row_has_exactly_one_outcome_whatever_happens(
    answers: list[list[Exception | None]], kept: int, workers: int, stop_at: int | None, exists: bool | None
) -> None:
    to_delete = [make_row(number) for number in range(len(answers))]
    plan = make_plan(*to_delete, *(make_row(50 + n, Verdict.IN_USE, reason="Orders") for n in range(kept)))
    delete = ScriptedDelete({row.id: list(scripted) for row, scripted in zip(to_delete, answers, strict=True)})
    stop_button = StopButton()
    sent_after_stop = []

    def stop_run(key: str) -> None:
        if stop_button.stop.is_set():
            sent_after_stop.append(key)
        if len(delete.sends) == stop_at:
            stop_button.stop.set()

    delete.before_send = stop_run
    with tempfile.TemporaryDirectory() as folder:
        platform = make_platform(delete, lambda *_: exists)
        options = RunOptions(workers=workers, clock=InstantClock(), stop_button=stop_button)
        report = start_run(plan, platform, Path(folder), options, fresh_scan(clock=options.clock))
        assert report == Report.replay(read_journal(Path(report.journal)), report.journal)
        assert [row.id for row in report.rows] == [row.id for row in plan.rows]
        assert sum(report.counts.values()) == len(plan.rows)
        assert report.ended
        assert len(sent_after_stop) <= workers - 1
        sends = Counter(delete.sends)
        assert sends.keys() <= {row.id for row in to_delete}
        assert all(count <= RetryPolicy().sends * RetryPolicy().turns for count in sends.values())
        assert {row.id: row.attempts for row in report.rows if row.attempts} == sends
        for row in report.rows[len(to_delete) :]:
            assert row.outcome == Outcome.IN_USE
        for row in report.rows:
            assert (row.outcome == Outcome.NOT_ATTEMPTED) <= (sends[row.id] == 0)
        # The plan is executed only once: now nothing is sent, and the report is the same.
        assert start_run(plan, platform, Path(folder), options, stale_scan(no_recheck)) == report
        assert Counter(delete.sends) == sends


def test_rows_that_the_plan_keeps_have_their_verdict_as_outcome(tmp_path: Path) -> None:
    plan = make_plan(
        make_row(1, Verdict.IN_USE, reason="Orders"),
        make_row(2, Verdict.PROTECTED, reason="a rule"),
        make_row(3, Verdict.NOT_FOUND, reason="no such connection"),
    )
    delete = ScriptedDelete()
    report = start_run(plan, make_platform(delete), tmp_path, RunOptions(), stale_scan(no_recheck))
    assert [(row.outcome, row.message) for row in report.rows] == [
        ("in_use", "Orders"),
        ("protected", "a rule"),
        ("already_gone", "no such connection"),
    ]
    assert delete.sends == []


def test_second_press_returns_at_once_and_the_last_worker_closes_the_journal(tmp_path: Path) -> None:
    stop_button, arrived, released = StopButton(), threading.Semaphore(0), threading.Event()

    def delete(_: str) -> None:
        arrived.release()
        released.wait(10)

    def press_twice() -> None:
        for _ in range(16):
            arrived.acquire()
        stop_button.presses = 2
        stop_button.stop.set()

    threading.Thread(target=press_twice, daemon=True).start()
    began = time.monotonic()
    options = RunOptions(workers=16, stop_button=stop_button)
    report = start_run(plan_of(50), make_platform(delete), tmp_path, options, fresh_scan())
    assert time.monotonic() - began < 1
    assert (report.counts["unknown"], report.counts["not_attempted"]) == (16, 34)
    assert all(row.seconds < 1 for row in report.rows)
    assert not report.ended
    assert report.stopped == "the stop button was pressed twice"
    path = Path(report.journal)
    assert is_under_way(path)
    released.set()
    for _ in range(500):
        if not is_under_way(path):
            break
        time.sleep(0.01)
    later = Report.replay(read_journal(path))
    assert (later.counts["deleted"], later.counts["not_attempted"], later.ended) == (16, 34, True)


# The recheck of a plan.


def test_only_unchanged_rows_are_sent(tmp_path: Path) -> None:
    delete = ScriptedDelete()

    def recheck(rows: Sequence[PlanRow]) -> tuple[list[PlanRow], list[RowOutcome]]:
        assert rows == plan_of(3).rows
        return [rows[1]], [RowOutcome(row.id, Outcome.CHANGED, message="kept") for row in (rows[0], rows[2])]

    report = start_run(plan_of(3), make_platform(delete), tmp_path, RunOptions(), stale_scan(recheck))
    assert delete.sends == [make_id(1)]
    assert [row.outcome for row in report.rows] == ["changed", "deleted", "changed"]


def test_failed_recheck_leaves_no_run_behind(tmp_path: Path) -> None:
    delete = ScriptedDelete()

    def recheck(_: object) -> Any:
        raise PlatformError("no answer")

    with pytest.raises(PlatformError, match="no answer"):
        start_run(plan_of(1), make_platform(delete), tmp_path, RunOptions(), stale_scan(recheck))
    assert delete.sends == []
    assert list(tmp_path.iterdir()) == []


# A plan is executed only once.


def test_executed_plan_returns_its_recorded_report(tmp_path: Path) -> None:
    delete = ScriptedDelete({make_id(1): [refused(400)]})
    assert recorded_report(plan_of(2), tmp_path) is None
    report = start_run(plan_of(2), make_platform(delete), tmp_path, RunOptions(), fresh_scan())
    assert recorded_report(plan_of(2), tmp_path) == report
    assert start_run(plan_of(2), make_platform(delete), tmp_path, RunOptions(), stale_scan(no_recheck)) == report
    assert delete.sends == [make_id(0), make_id(1)]


def test_plan_whose_run_is_under_way_is_an_error_that_says_so(tmp_path: Path) -> None:
    make_executor(tmp_path, plan_of(2), ScriptedDelete()).run(plan_of(2).rows)
    for plan in (plan_of(2), plan_of(2, make_id(1))):
        journal = Journal.create(tmp_path, plan) or Journal.reopen(tmp_path, plan.id)
        delete = ScriptedDelete()
        for use in (
            lambda plan=plan: recorded_report(plan, tmp_path),
            lambda plan=plan, delete=delete: start_run(
                plan, make_platform(delete), tmp_path, RunOptions(), fresh_scan()
            ),
        ):
            with pytest.raises(JournalError, match=f"The run {plan.id} is already running") as caught:
                use()
            assert caught.value.next_step == NextStep(Action.FIND_RUNS)
        assert delete.sends == []
        journal.close()


def test_stopped_or_interrupted_run_does_not_come_back_as_one_that_ended(tmp_path: Path) -> None:
    make_executor(tmp_path, plan_of(3), ScriptedDelete({make_id(1): [TOKEN_REFUSED]})).run(plan_of(3).rows)
    delete = ScriptedDelete()
    stopped = start_run(plan_of(3), make_platform(delete), tmp_path, RunOptions(), fresh_scan())
    assert (stopped.ended, "401" in stopped.stopped) == (True, True)
    interrupted = make_plan(make_row(1), run=make_id(1))
    journal = Journal.create(tmp_path, interrupted)
    assert journal is not None
    journal.close()
    report = start_run(interrupted, make_platform(delete), tmp_path, RunOptions(), fresh_scan())
    assert (report.ended, report.counts["not_attempted"]) == (False, 1)
    assert report.next_step == NextStep(Action.RESUME, make_id(1))
    assert delete.sends == []


def test_journal_of_another_plan_with_the_same_id_is_an_error(tmp_path: Path) -> None:
    make_executor(tmp_path, plan_of(2), ScriptedDelete()).run(plan_of(2).rows)
    delete = ScriptedDelete()
    for other in (plan_of(3), make_plan(make_row(0), make_row(1), breaking=(make_id(0),))):
        with pytest.raises(JournalError, match="is that of another plan with the same id"):
            start_run(other, make_platform(delete), tmp_path, RunOptions(), fresh_scan())
    assert delete.sends == []


def test_plan_that_another_kernel_executed_meanwhile_returns_its_report(tmp_path: Path) -> None:
    delete = ScriptedDelete()

    def recheck(rows: Sequence[PlanRow]) -> tuple[list[PlanRow], list[RowOutcome]]:
        make_executor(tmp_path, plan_of(2), ScriptedDelete()).run(plan_of(2).rows)
        return list(rows), []

    report = start_run(plan_of(2), make_platform(delete), tmp_path, RunOptions(), stale_scan(recheck))
    assert delete.sends == []
    assert report.counts["deleted"] == 2


def test_one_of_two_threads_executes_a_plan(tmp_path: Path) -> None:
    delete, barrier, messages = ScriptedDelete(), threading.Barrier(6), []
    plan = plan_of(20)

    def work() -> None:
        barrier.wait()
        try:
            start_run(plan, make_platform(delete), tmp_path, RunOptions(), fresh_scan())
        except JournalError as error:
            messages.append(error.message)

    threads = [threading.Thread(target=work) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(delete.sends) == [row.id for row in plan.rows]
    assert all("already running" in message for message in messages)


# A press of the stop button.


def locked_runs(folder: Path) -> list[str]:
    return [path.stem for path in list_journals(folder) if is_under_way(path)]


def test_press_at_any_instant_of_a_run_leaves_no_run_locked(tmp_path: Path) -> None:
    folders = (tmp_path / str(number) for number in itertools.count())
    folder = tmp_path

    def call() -> Report:
        nonlocal folder
        folder = next(folders)
        options = RunOptions(workers=1, clock=InstantClock())
        return start_run(plan_of(1), make_platform(ScriptedDelete()), folder, options, stale_scan(unchanged))

    instants = 0
    for error in presses_at_every_instant(call, run_module, stop_button_module):
        instants += 1
        assert error is None or isinstance(error, KeyboardInterrupt)
        assert locked_runs(folder) == []
    assert instants > 20


def test_press_at_any_instant_of_a_resumed_run_leaves_no_run_locked(tmp_path: Path) -> None:
    folders = (tmp_path / str(number) for number in itertools.count())
    folder = tmp_path

    def call() -> Report:
        nonlocal folder
        folder = next(folders)
        journal = Journal.create(folder, plan_of(1))
        assert journal is not None
        journal.close()
        options = RunOptions(workers=1, clock=InstantClock())
        recheck = lambda unfinished: unchanged(unfinished.rows)  # noqa: E731 - shorter
        return resume_run(RUN, [make_id(0)], make_platform(ScriptedDelete()), folder, options, recheck)

    instants = 0
    for error in presses_at_every_instant(call, run_module, stop_button_module):
        instants += 1
        assert error is None or isinstance(error, KeyboardInterrupt)
        assert locked_runs(folder) == []
    assert instants > 20


def test_press_during_the_recheck_of_a_plan_sends_nothing_and_the_run_can_be_resumed(tmp_path: Path) -> None:
    delete, stop_button, release = ScriptedDelete(), StopButton(), threading.Event()

    def recheck(rows: Sequence[PlanRow]) -> tuple[list[PlanRow], list[RowOutcome]]:
        os.kill(os.getpid(), signal.SIGINT)
        release.wait(30)
        return list(rows), []

    options = RunOptions(stop_button=stop_button)
    report = start_run(plan_of(2), make_platform(delete), tmp_path, options, stale_scan(recheck))
    release.set()
    assert stop_button.pressed
    assert delete.sends == []
    assert (report.counts["not_attempted"], report.stopped) == (2, "the stop button was pressed")
    assert len(report.unfinished) == 2
