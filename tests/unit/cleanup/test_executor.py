import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

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
    page,
    plan_of,
    refused,
    replay,
)

from versori_magics.api.retry import RetryPolicy
from versori_magics.cleanup.executor import RunProgress
from versori_magics.cleanup.journal import is_under_way, read_journal
from versori_magics.cleanup.plan import PlanRow, Verdict
from versori_magics.cleanup.records import Outcome, RowOutcome, RowSent, RunClosed
from versori_magics.cleanup.report import Report
from versori_magics.cleanup.stop_button import StopButton
from versori_magics.errors import PlatformError

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


# The age of the usage scan.


class Scans:
    """A recheck that remembers what it was asked, and can change or remove rows."""

    def __init__(self, clock: InstantClock) -> None:
        self.clock = clock
        self.calls: list[tuple[float, list[str]]] = []
        self.outcomes: dict[str, RowOutcome] = {}
        self.seconds = 0.0

    def __call__(self, rows: Sequence[PlanRow]) -> tuple[list[PlanRow], list[RowOutcome]]:
        self.calls.append((self.clock.time, [row.id for row in rows]))
        self.clock.time += self.seconds
        unchanged = [row for row in rows if row.id not in self.outcomes]
        return unchanged, [self.outcomes[row.id] for row in rows if row.id in self.outcomes]


def slow_delete(clock: InstantClock, seconds: float, answers: dict[str, list[Exception | None]] | None = None) -> Any:
    """Return a `delete` after which the clock has moved on, and which remembers when each row was sent."""
    delete = ScriptedDelete(answers)
    times: list[tuple[float, str]] = []

    def before_send(key: str) -> None:
        times.append((clock.time, key))
        clock.time += seconds

    delete.before_send = before_send
    return delete, times


@pytest.mark.parametrize("workers", [1, 4, 16])
def test_no_row_is_sent_on_the_word_of_a_scan_that_is_older_than_five_minutes(tmp_path: Path, workers: int) -> None:
    clock = InstantClock()
    scans = Scans(clock)
    delete, times = slow_delete(clock, 25)
    plan = plan_of(40)
    make_executor(tmp_path, plan, delete, clock=clock, workers=workers, recheck=scans).run(plan.rows)
    assert replay(tmp_path).counts["deleted"] == 40
    began = [0.0, *(start for start, _ in scans.calls)]
    for sent, _ in times:
        assert sent - max(start for start in began if start <= sent) <= 300
    for start, asked in scans.calls:
        assert sorted(asked) == sorted(key for sent, key in times if sent >= start), (
            "it asked for the rows that were left"
        )
    assert len(scans.calls) >= 3


def test_row_that_came_into_use_during_a_long_run_is_kept(tmp_path: Path) -> None:
    clock = InstantClock()
    scans = Scans(clock)
    scans.outcomes = {make_id(4): RowOutcome(make_id(4), Outcome.CHANGED, message="kept: it is in use now")}
    delete, _ = slow_delete(clock, 100)
    make_executor(tmp_path, plan_of(6), delete, clock=clock, recheck=scans).run(plan_of(6).rows)
    report = replay(tmp_path)
    assert [row.outcome for row in report.rows] == ["deleted"] * 4 + ["changed", "deleted"]
    assert report.rows[4].message == "kept: it is in use now"
    assert make_id(4) not in delete.sends
    assert (report.ended, report.stopped) == (True, "")


def test_row_that_waited_in_a_pause_is_scanned_again_before_it_is_sent(tmp_path: Path) -> None:
    clock = InstantClock()
    scans = Scans(clock)
    pause = refused(429, retry_after=120.0)
    delete, times = slow_delete(clock, 0, {FIRST: [pause, pause, pause]})
    make_executor(tmp_path, plan_of(3), delete, clock=clock, workers=3, recheck=scans).run(plan_of(3).rows)
    (scan,) = [start for start, _ in scans.calls]
    assert 270 < scan <= max(sent for sent, key in times if key == FIRST)
    row = replay(tmp_path).rows[0]
    assert (row.outcome, row.attempts) == ("deleted", 4)


def test_scan_does_not_count_as_a_turn_or_against_the_time_limit_of_a_row(tmp_path: Path) -> None:
    clock = InstantClock()
    scans = Scans(clock)
    scans.seconds = 200
    delete = ScriptedDelete({FIRST: [refused(429), refused(429), refused(429)]})
    delete.before_send = lambda _: setattr(clock, "time", clock.time + 9)
    executor = make_executor(tmp_path, plan_of(1), delete, clock=clock, recheck=scans)
    clock.time += 260
    executor.run(plan_of(1).rows)  # more than 45 s with the scan, less without
    row = replay(tmp_path).rows[0]
    assert (row.outcome, row.attempts, len(scans.calls)) == ("deleted", 4, 1)


def test_row_waiting_for_another_turn_is_scanned_again_with_its_counters_kept(tmp_path: Path) -> None:
    clock = InstantClock()
    scans = Scans(clock)
    delete, _ = slow_delete(clock, 5, {FIRST: [page(503)] * 5, make_id(1): [page(503)]})
    executor = make_executor(
        tmp_path,
        plan_of(60),
        delete,
        clock=clock,
        recheck=scans,
        exists=lambda *_: True,
        policy=RetryPolicy(seconds=999),
    )
    executor.run(plan_of(60).rows)
    report = replay(tmp_path)
    assert report.counts["deleted"] == 60
    assert (delete.sends.count(FIRST), report.rows[0].attempts) == (6, 6)
    assert len(scans.calls) == 1
    assert FIRST in scans.calls[0][1]


@pytest.mark.parametrize(
    ("answer", "found", "outcome"),
    [
        (page(503), Outcome.ALREADY_GONE, "deleted"),
        (refused(500), Outcome.ALREADY_GONE, "deleted"),
        (refused(429), Outcome.ALREADY_GONE, "already_gone"),
        (page(503), Outcome.CHANGED, "unknown"),
        (refused(500), Outcome.CHANGED, "changed"),
        (refused(429), Outcome.CHANGED, "changed"),
        (refused(429), Outcome.PROTECTED, "protected"),
    ],
)
def test_row_that_a_scan_takes_out_after_a_send_has_the_outcome_that_is_known(
    tmp_path: Path, answer: Exception, found: Outcome, outcome: str
) -> None:
    clock = InstantClock()
    scans = Scans(clock)
    scans.outcomes = {FIRST: RowOutcome(FIRST, found, message="what the scan found")}
    delete = ScriptedDelete({FIRST: [answer]})
    delete.before_send = lambda _: setattr(clock, "time", clock.time + 280)
    executor = make_executor(tmp_path, plan_of(2), delete, clock=clock, recheck=scans, policy=RetryPolicy(seconds=999))
    executor.run(plan_of(2).rows)
    first, second = replay(tmp_path).rows
    assert (first.outcome, first.attempts, second.outcome) == (outcome, 1, "deleted")
    assert delete.sends == [FIRST, make_id(1)]


@pytest.mark.parametrize("workers", [1, 16])
def test_run_whose_rows_cannot_be_scanned_again_stops_and_says_why(tmp_path: Path, workers: int) -> None:
    clock = InstantClock()

    def recheck(_: object) -> Any:
        raise PlatformError("The platform is down.", hint="Call them.")

    delete, _ = slow_delete(clock, 280 / workers)
    make_executor(tmp_path, plan_of(40), delete, clock=clock, workers=workers, recheck=recheck).run(plan_of(40).rows)
    report = replay(tmp_path)
    assert report.stopped == (
        "the connections that are left could not be checked again: The platform is down. Call them"
    )
    assert report.counts["deleted"] == len(delete.sends) < 40
    assert report.counts["not_attempted"] == 40 - len(delete.sends)
    assert len(report.unfinished) == report.counts["not_attempted"]


def test_run_stops_if_a_scan_takes_longer_than_four_minutes(tmp_path: Path) -> None:
    clock = InstantClock()
    scans = Scans(clock)
    scans.seconds = 241
    delete, _ = slow_delete(clock, 280)
    make_executor(tmp_path, plan_of(3), delete, clock=clock, recheck=scans).run(plan_of(3).rows)
    report = replay(tmp_path)
    assert [row.outcome for row in report.rows] == ["deleted", "not_attempted", "not_attempted"]
    assert "Finding out who uses the connections took 241 s." in report.stopped


def test_stop_ends_a_scan_and_nothing_more_is_sent(tmp_path: Path) -> None:
    clock, stop_button, release = InstantClock(), StopButton(), threading.Event()

    def recheck(rows: Sequence[PlanRow]) -> tuple[list[PlanRow], list[RowOutcome]]:
        stop_button.presses = 1
        stop_button.stop.set()
        release.wait(30)
        return list(rows), []

    delete, _ = slow_delete(clock, 280)
    executor = make_executor(tmp_path, plan_of(3), delete, clock=clock, stop_button=stop_button, recheck=recheck)
    executor.run(plan_of(3).rows)
    release.set()
    report = replay(tmp_path)
    assert [row.outcome for row in report.rows] == ["deleted", "not_attempted", "not_attempted"]
    assert (report.stopped, delete.sends) == ("the stop button was pressed", [FIRST])
    assert not is_under_way(journal_path(tmp_path))


def test_progress_is_shown_during_a_scan(tmp_path: Path) -> None:
    clock, history, shown = InstantClock(), [], threading.Event()

    def recheck(rows: Sequence[PlanRow]) -> tuple[list[PlanRow], list[RowOutcome]]:
        assert shown.wait(30)
        return list(rows), []

    def on_progress(progress: RunProgress) -> None:
        history.append(progress)
        if progress.is_scanning:
            shown.set()

    delete, _ = slow_delete(clock, 280)
    make_executor(tmp_path, plan_of(2), delete, clock=clock, recheck=recheck).run(plan_of(2).rows, on_progress)
    assert any((progress.is_scanning, progress.done, progress.in_flight) == (True, 1, 0) for progress in history)
    assert not history[-1].is_scanning
    assert replay(tmp_path).counts["deleted"] == 2


# Threads that cannot be started.


@pytest.mark.parametrize("available", [0, 1, 5])
def test_run_ends_with_an_outcome_for_each_row_if_threads_cannot_be_started(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, available: int
) -> None:
    start, left = threading.Thread.start, iter(range(available))

    def start_or_fail(thread: threading.Thread) -> None:
        if next(left, None) is None:
            raise RuntimeError("can't start new thread")
        start(thread)

    executor = make_executor(tmp_path, plan_of(20), ScriptedDelete(), workers=8)
    monkeypatch.setattr(threading.Thread, "start", start_or_fail)
    executor.run(plan_of(20).rows)
    report = replay(tmp_path)
    assert report.counts["deleted" if available else "not_attempted"] == 20
    assert ("no further thread" in report.stopped) == (not available)
    assert report.ended
    assert not is_under_way(journal_path(tmp_path))
