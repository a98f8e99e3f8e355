import threading
import time
from pathlib import Path

import pytest
from support.cleanup_examples import (
    FORBIDDEN,
    GONE,
    LOST,
    TOKEN_REFUSED,
    InstantClock,
    ScriptedDelete,
    journal_path,
    make_executor,
    make_id,
    make_plan,
    make_row,
    plan_of,
    refused,
    replay,
)

from versori_magics.cleanup.executor import RunProgress
from versori_magics.cleanup.journal import is_under_way, read_journal
from versori_magics.cleanup.plan import Verdict
from versori_magics.cleanup.records import RowOutcome, RowSent, RunClosed
from versori_magics.cleanup.report import Report
from versori_magics.cleanup.stop_button import StopButton

FIRST = make_id(0)


@pytest.mark.parametrize("workers", [1, 5, 32])
def test_requests_run_concurrently_up_to_the_number_of_workers_and_never_more(tmp_path: Path, workers: int) -> None:
    lock, all_busy = threading.Lock(), threading.Event()
    under_way = most = 0

    def delete(_: str) -> None:
        nonlocal under_way, most
        with lock:
            under_way += 1
            most = max(most, under_way)
            if under_way == workers:
                all_busy.set()
        all_busy.wait(5)
        with lock:
            under_way -= 1

    plan = plan_of(3 * workers)
    make_executor(tmp_path, plan, delete, workers=workers).run(plan.rows)
    assert most == workers
    assert replay(tmp_path).counts["deleted"] == 3 * workers


def test_plan_without_rows_to_delete_has_a_closed_journal(tmp_path: Path) -> None:
    plan = make_plan(make_row(1, Verdict.PROTECTED, reason="a rule"))
    make_executor(tmp_path, plan, ScriptedDelete()).run([])
    report = replay(tmp_path)
    assert [row.outcome for row in report.rows] == ["protected"]
    assert report.ended
    assert not is_under_way(journal_path(tmp_path))


def test_end_of_a_run_is_the_last_line_of_its_journal(tmp_path: Path) -> None:
    make_executor(tmp_path, plan_of(3), ScriptedDelete(), workers=3).run(plan_of(3).rows)
    assert isinstance(read_journal(journal_path(tmp_path))[-1], RunClosed)


# Answers that concern the whole run.


def test_refused_token_stops_the_run_at_once(tmp_path: Path) -> None:
    delete = ScriptedDelete({make_id(2): [TOKEN_REFUSED]})
    executor = make_executor(tmp_path, plan_of(9), delete)
    executor.run(plan_of(9).rows)
    report = replay(tmp_path)
    assert [row.outcome for row in report.rows] == ["deleted"] * 2 + ["refused"] + ["not_attempted"] * 6
    assert len(delete.sends) == 3
    assert "401" in report.stopped
    assert executor.stopped == report.stopped
    assert [row.id for row in report.unfinished] == [make_id(number) for number in range(2, 9)]


@pytest.mark.parametrize(
    ("answers", "sends"),
    [
        ([FORBIDDEN, FORBIDDEN, FORBIDDEN], 3),
        ([None, FORBIDDEN, FORBIDDEN, FORBIDDEN], 4),
        ([FORBIDDEN, FORBIDDEN, None, FORBIDDEN, FORBIDDEN, GONE, FORBIDDEN], 9),
        ([FORBIDDEN, FORBIDDEN, refused(400), FORBIDDEN, FORBIDDEN], 9),
        ([None, FORBIDDEN] * 4, 9),
    ],
)
def test_three_forbidden_deletions_in_a_row_stop_the_run(
    tmp_path: Path, answers: list[Exception | None], sends: int
) -> None:
    delete = ScriptedDelete({make_id(number): [answer] for number, answer in enumerate(answers)})
    make_executor(tmp_path, plan_of(9), delete).run(plan_of(9).rows)
    assert len(delete.sends) == sends
    assert ("403" in replay(tmp_path).stopped) == (sends < 9)


def test_requested_pause_holds_back_every_row(tmp_path: Path) -> None:
    clock, sends = InstantClock(), []
    delete = ScriptedDelete({FIRST: [refused(429, retry_after=60.0)]})
    delete.before_send = lambda key: sends.append((clock.time, key))
    plan = plan_of(6)
    make_executor(tmp_path, plan, delete, clock=clock, workers=1).run(plan.rows)
    assert sends[0] == (0.0, FIRST)
    assert min(time for time, _ in sends[1:]) >= 60
    assert replay(tmp_path).counts["deleted"] == 6


def test_too_long_a_pause_stops_the_run_and_says_how_long_to_wait(tmp_path: Path) -> None:
    delete = ScriptedDelete({FIRST: [refused(429, retry_after=121.0)]})
    make_executor(tmp_path, plan_of(3), delete).run(plan_of(3).rows)
    report = replay(tmp_path)
    assert [row.outcome for row in report.rows] == ["failed", "not_attempted", "not_attempted"]
    assert report.stopped.startswith("the platform asks to wait 121 s, until 2")
    assert len(report.unfinished) == 3


# Stopping.


def test_stop_before_the_first_row_sends_nothing(tmp_path: Path) -> None:
    stop_button = StopButton()
    stop_button.stop.set()
    delete = ScriptedDelete()
    make_executor(tmp_path, plan_of(4), delete, stop_button=stop_button, workers=3).run(plan_of(4).rows)
    report = replay(tmp_path)
    assert delete.sends == []
    assert report.counts["not_attempted"] == 4
    assert report.stopped == "it was cancelled"


def test_press_of_the_stop_button_is_the_reason_of_the_stop(tmp_path: Path) -> None:
    stop_button = StopButton()
    stop_button.presses = 1
    stop_button.stop.set()
    make_executor(tmp_path, plan_of(4), ScriptedDelete(), stop_button=stop_button).run(plan_of(4).rows)
    assert replay(tmp_path).stopped == "the stop button was pressed"


def test_stop_during_the_last_row_does_not_end_the_run_early(tmp_path: Path) -> None:
    stop_button = StopButton()
    delete = ScriptedDelete()
    delete.before_send = lambda _: stop_button.stop.set()
    make_executor(tmp_path, plan_of(1), delete, stop_button=stop_button).run(plan_of(1).rows)
    assert replay(tmp_path).stopped == ""


def test_rows_that_are_journalled_ahead_are_recorded_as_not_sent_when_the_run_stops(tmp_path: Path) -> None:
    stop_button = StopButton()
    delete = ScriptedDelete()
    delete.before_send = lambda _: stop_button.stop.set()
    executor = make_executor(tmp_path, plan_of(40), delete, stop_button=stop_button, workers=32)
    executor.run(plan_of(40).rows)
    journalled = {record.id for record in read_journal(journal_path(tmp_path)) if isinstance(record, RowSent)}
    assert journalled >= set(delete.sends)
    for row in replay(tmp_path).rows:
        assert row.outcome == ("deleted" if row.id in delete.sends else "not_attempted")


def test_run_stops_if_its_progress_cannot_be_shown(tmp_path: Path) -> None:
    sends, released = [], threading.Event()

    def delete(key: str) -> None:
        sends.append(key)
        released.wait(10)

    def on_progress(_: RunProgress) -> None:
        raise OSError("the display is gone")

    plan = plan_of(50)
    executor = make_executor(tmp_path, plan, delete, workers=2)
    with pytest.raises(OSError, match="the display is gone"):
        executor.run(plan.rows, on_progress)
    released.set()
    while is_under_way(journal_path(tmp_path)):
        time.sleep(0.01)
    assert len(sends) <= 2
    assert replay(tmp_path).counts["not_attempted"] >= 48
    assert replay(tmp_path).stopped == "it was interrupted"


# Progress.


def test_progress_adds_up_at_every_moment(tmp_path: Path) -> None:
    history: list[RunProgress] = []
    plan = plan_of(40)
    make_executor(tmp_path, plan, lambda _: time.sleep(0.02), workers=4).run(plan.rows, history.append)
    assert len(history) >= 2
    for progress in history:
        assert progress.planned == 40
        assert progress.outcomes.total() == progress.done
        assert progress.done + progress.in_flight <= 40
        assert progress.in_flight <= 4
    assert [progress.done for progress in history] == sorted(progress.done for progress in history)
    assert (history[-1].done, history[-1].in_flight) == (40, 0)


def test_progress_reports_each_outcome_once(tmp_path: Path) -> None:
    history: list[RunProgress] = []
    plan = plan_of(40)
    make_executor(tmp_path, plan, lambda _: time.sleep(0.02), workers=4).run(plan.rows, history.append)
    assert sorted(outcome.id for progress in history for outcome in progress.latest) == [row.id for row in plan.rows]


def test_progress_reports_a_pause_and_a_stop(tmp_path: Path) -> None:
    executor = make_executor(tmp_path, plan_of(2), ScriptedDelete())
    assert (executor.progress().pause_left, executor.progress().is_stopping) == (0, False)
    executor._control.throttle.pause(60)
    executor._control.stop.set()
    assert (executor.progress().pause_left, executor.progress().is_stopping) == (60, True)


# The journal comes first.


def test_each_send_is_journalled_before_its_request_is_sent(tmp_path: Path) -> None:
    delete = ScriptedDelete({make_id(number): [LOST, refused(500)] for number in range(0, 20, 2)})

    def check_journal(key: str) -> None:
        journalled = [
            (record.id, record.attempt)
            for record in read_journal(journal_path(tmp_path))
            if isinstance(record, RowSent)
        ]
        assert (key, delete.sends.count(key)) in journalled

    delete.before_send = check_journal
    make_executor(tmp_path, plan_of(20), delete, workers=8).run(plan_of(20).rows)
    assert replay(tmp_path).counts["deleted"] == 20, "an assertion inside a DELETE became an outcome"


@pytest.mark.parametrize(("workers", "ahead"), [(1, 0), (8, 0), (16, 2), (32, 6)])
def test_only_a_few_rows_are_journalled_ahead(tmp_path: Path, workers: int, ahead: int) -> None:
    open_sends = []

    def delete(_: str) -> None:
        records = read_journal(journal_path(tmp_path))
        done = {record.id for record in records if isinstance(record, RowOutcome)}
        open_sends.append(sum(isinstance(record, RowSent) and record.id not in done for record in records))

    make_executor(tmp_path, plan_of(100), delete, workers=workers).run(plan_of(100).rows)
    assert replay(tmp_path).counts["deleted"] == 100
    assert max(open_sends) <= workers + ahead


def test_journal_that_breaks_stops_the_run_before_the_next_send(tmp_path: Path) -> None:
    delete = ScriptedDelete()
    executor = make_executor(tmp_path, plan_of(9), delete)
    journal = executor._journal

    def break_journal(_: str) -> None:
        if len(delete.sends) == 3:
            journal.close()  # every later write fails, because the file is closed

    delete.before_send = break_journal
    executor.run(plan_of(9).rows)
    assert len(delete.sends) == 3
    assert executor.stopped == "the journal could not be written (Bad file descriptor)"
    report = Report.replay(journal.records)
    assert [row.outcome for row in report.rows] == ["deleted"] * 3 + ["not_attempted"] * 6
    # The file lacks the third outcome, so it says `unknown`, and not that nothing was sent.
    assert [row.outcome for row in replay(tmp_path).rows] == ["deleted"] * 2 + ["unknown"] + ["not_attempted"] * 6
