import random
import tempfile
import threading
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from unit.deletion.making import (
    DEAD,
    FORBIDDEN,
    GONE,
    LOST,
    PAGE_404,
    RUN,
    UNSENT,
    Answers,
    Timeless,
    make_engine,
    make_id,
    make_plan,
    make_row,
    page,
    refused,
    replayed,
)

from versori_magics.deletion.engine import Progress
from versori_magics.deletion.interrupts import StopButton
from versori_magics.deletion.journal import Journal, is_under_way, read
from versori_magics.deletion.plan import Plan, Verdict
from versori_magics.deletion.report import Closed, Ended, Outcome, Report, Sent
from versori_magics.deletion.run import Options, Platform, execute
from versori_magics.errors import JournalError
from versori_magics.platform.retry import Policy

ONE = make_id(0)


def plan_of(count: int) -> Plan:
    return make_plan(*(make_row(number) for number in range(count)))


def run_one(folder: Path, *answers: Exception | None, stands: bool | None = None) -> Any:
    """Give the report's row of a connection whose DELETEs are answered so."""
    delete = Answers({ONE: list(answers)})
    engine = make_engine(folder, plan_of(1), delete, exists=lambda *_: stands)
    engine.run(plan_of(1).rows)
    (row,) = replayed(folder).rows
    assert row.attempts == len(delete.sends)
    return row


@pytest.mark.parametrize(
    ("answers", "stands", "outcome", "sends"),
    [
        ([None], None, "deleted", 1),
        ([LOST, GONE], None, "deleted", 2),
        ([LOST, None], None, "deleted", 2),
        ([page(502), GONE], None, "deleted", 2),
        ([page(503), GONE], None, "deleted", 2),
        ([refused(504), GONE], None, "deleted", 2),
        ([LOST, refused(500), GONE], None, "deleted", 3),
        ([LOST] * 4, False, "deleted", 4),
        ([LOST] * 4, True, "unknown", 4),
        ([LOST] * 4, None, "unknown", 4),
        ([LOST, UNSENT, UNSENT, UNSENT], True, "unknown", 4),
        ([GONE], None, "already_gone", 1),
        ([UNSENT, GONE], None, "already_gone", 2),
        ([refused(500), GONE], None, "already_gone", 2),
        ([refused(429), GONE], None, "already_gone", 2),
        ([refused(409)], None, "in_use", 1),
        ([refused(422, "the connection is in use")], None, "in_use", 1),
        ([refused(400, details="still used by Ann")], None, "in_use", 1),
        ([refused(400, fields=[("id", "is being used")])], None, "in_use", 1),
        ([LOST, refused(409)], True, "in_use", 2),
        ([LOST, refused(409)], None, "in_use", 2),
        ([LOST, page(409)], True, "unknown", 2),
        ([page(409)], None, "in_use", 1),
        ([refused(400)], None, "refused", 1),
        ([FORBIDDEN], None, "refused", 1),
        ([refused(500), refused(400)], None, "refused", 2),
        ([PAGE_404], True, "refused", 1),
        ([PAGE_404], False, "deleted", 1),
        ([PAGE_404], None, "unknown", 1),
        ([LOST, refused(400)], True, "unknown", 2),
        ([LOST, PAGE_404], True, "unknown", 2),
        ([LOST, FORBIDDEN], True, "unknown", 2),
        ([page(307)], True, "unknown", 1),
        ([page(200)], False, "deleted", 1),
        ([refused(500)] * 4, None, "failed", 4),
        ([UNSENT] * 4, None, "failed", 4),
        ([refused(429)] * 4, None, "failed", 4),
        ([RuntimeError("a bug")], True, "unknown", 1),
        ([RuntimeError("a bug")], False, "deleted", 1),
    ],
)
def test_these_answers_lead_to_this_outcome(
    tmp_path: Path, answers: list[Exception | None], stands: bool | None, outcome: str, sends: int
) -> None:
    row = run_one(tmp_path, *answers, stands=stands)
    assert (row.outcome, row.attempts) == (outcome, sends)


def test_what_the_platform_said_is_kept_with_the_row(tmp_path: Path) -> None:
    row = run_one(tmp_path, refused(422, "no", fields=[("a[0].b", "is odd")], details="why"))
    assert (row.status, row.code, row.message) == (422, "422000", "no")
    assert (row.fields, row.details) == ((("a[0].b", "is odd"),), "why")


def test_a_row_that_nobody_can_ask_after_is_unknown_also_when_asking_breaks(tmp_path: Path) -> None:
    def broken(*_: object) -> bool:
        raise RuntimeError("a bug")

    delete = Answers({ONE: [LOST] * 4})
    engine = make_engine(tmp_path, plan_of(3), delete, exists=broken)
    engine.run(plan_of(3).rows)
    assert [row.outcome for row in replayed(tmp_path).rows] == ["unknown", "deleted", "deleted"]
    assert replayed(tmp_path).rows[0].message.startswith("an answer was lost, and asking afterwards gave no answer")


ANSWERS = st.sampled_from(
    [
        *(None, LOST, UNSENT, GONE, PAGE_404, DEAD, FORBIDDEN, RuntimeError("a bug"), page(502), page(307)),
        *(refused(500), refused(409), refused(400), refused(429)),
        *(refused(429, retry_after=2.0), refused(503, retry_after=9_999.0)),
    ]
)


@settings(deadline=None, max_examples=150)
@given(
    answers=st.lists(st.lists(ANSWERS, max_size=5), min_size=1, max_size=8),
    kept=st.integers(0, 3),
    workers=st.integers(1, 32),
    stop_at=st.one_of(st.none(), st.integers(1, 12)),
    stands=st.sampled_from([True, False, None]),
)
def test_whatever_the_answers_each_id_has_one_outcome_and_they_add_up_to_the_plan(
    answers: list[list[Exception | None]], kept: int, workers: int, stop_at: int | None, stands: bool | None
) -> None:
    going = [make_row(number) for number in range(len(answers))]
    plan = make_plan(*going, *(make_row(50 + n, Verdict.IN_USE, reason="Orders") for n in range(kept)))
    delete = Answers({row.id: list(told) for row, told in zip(going, answers, strict=True)})
    button = StopButton()
    after_stop = []

    def before(key: str) -> None:
        if button.stop.is_set():
            after_stop.append(key)
        if len(delete.sends) == stop_at:
            button.stop.set()

    delete.before = before
    with tempfile.TemporaryDirectory() as folder:
        told = Platform(delete, lambda *_: stands, lambda _: {})
        options = Options(workers=workers, clock=Timeless(), button=button)
        report = execute(plan, told, Report, options, stale=False, folder=Path(folder))
        assert report == Report.replay(read(Path(report.journal)), report.journal)
        assert [row.id for row in report.rows] == [row.id for row in plan.rows]
        assert sum(report.counts.values()) == len(plan.rows)
        assert report.ended
        assert len(after_stop) <= workers - 1
        sends = Counter(delete.sends)
        assert sends.keys() <= {row.id for row in going}
        assert all(count <= Policy().sends * Policy().turns for count in sends.values())
        assert {row.id: row.attempts for row in report.rows if row.attempts} == sends
        for row in report.rows[len(going) :]:
            assert row.outcome == Outcome.IN_USE
        for row in report.rows:
            assert (row.outcome == Outcome.NOT_ATTEMPTED) <= (sends[row.id] == 0)
        # Carried out again, it sends nothing and tells the same.
        assert execute(plan, told, Report, options, stale=True, folder=Path(folder)) == report
        assert Counter(delete.sends) == sends


@pytest.mark.parametrize("workers", [1, 5, 32])
def test_no_more_requests_than_workers_are_under_way_and_as_many_where_there_is_work(
    tmp_path: Path, workers: int
) -> None:
    lock, full = threading.Lock(), threading.Event()
    now = most = 0

    def delete(_: str) -> None:
        nonlocal now, most
        with lock:
            now += 1
            most = max(most, now)
            if now == workers:
                full.set()
        full.wait(5)
        with lock:
            now -= 1

    plan = plan_of(3 * workers)
    make_engine(tmp_path, plan, delete, workers=workers).run(plan.rows)
    assert most == workers
    assert replayed(tmp_path).counts["deleted"] == 3 * workers


def test_a_token_that_is_refused_stops_the_run_at_once(tmp_path: Path) -> None:
    delete = Answers({make_id(2): [DEAD]})
    engine = make_engine(tmp_path, plan_of(9), delete)
    engine.run(plan_of(9).rows)
    report = replayed(tmp_path)
    assert [row.outcome for row in report.rows] == ["deleted"] * 2 + ["refused"] + ["not_attempted"] * 6
    assert len(delete.sends) == 3
    assert "401" in report.stopped
    assert engine.stopped == report.stopped
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
def test_three_forbidden_ones_in_a_row_stop_the_run_and_single_ones_do_not(
    tmp_path: Path, answers: list[Exception | None], sends: int
) -> None:
    delete = Answers({make_id(number): [answer] for number, answer in enumerate(answers)})
    make_engine(tmp_path, plan_of(9), delete).run(plan_of(9).rows)
    assert len(delete.sends) == sends
    assert ("403" in replayed(tmp_path).stopped) == (sends < 9)


def test_a_pause_the_platform_asks_for_is_waited_for_and_not_counted_against_the_row(tmp_path: Path) -> None:
    clock = Timeless()
    delete = Answers({ONE: [refused(429, retry_after=100.0), refused(503, retry_after=100.0)]})
    make_engine(tmp_path, plan_of(1), delete, clock=clock).run(plan_of(1).rows)
    assert replayed(tmp_path).counts["deleted"] == 1
    assert 200 <= clock.time < 201
    assert max(clock.waits) <= 0.1, "a nap during which the stop button is not looked at"


def test_a_pause_holds_every_row_and_not_only_the_one_that_met_it(tmp_path: Path) -> None:
    clock, times = Timeless(), []
    delete = Answers({ONE: [refused(429, retry_after=60.0)]})
    delete.before = lambda key: times.append((clock.time, key))
    plan = plan_of(6)
    make_engine(tmp_path, plan, delete, clock=clock, workers=1).run(plan.rows)
    assert times[0] == (0.0, ONE)
    assert min(at for at, _ in times[1:]) >= 60
    assert replayed(tmp_path).counts["deleted"] == 6


def test_a_pause_that_is_too_long_stops_the_run_and_says_when_to_come_back(tmp_path: Path) -> None:
    delete = Answers({ONE: [refused(429, retry_after=121.0)]})
    make_engine(tmp_path, plan_of(3), delete).run(plan_of(3).rows)
    report = replayed(tmp_path)
    assert [row.outcome for row in report.rows] == ["failed", "not_attempted", "not_attempted"]
    assert report.stopped.startswith("the platform asks to come back in 121 s, at 2")
    assert len(report.unfinished) == 3


def test_a_row_is_given_up_after_45_seconds_of_its_own(tmp_path: Path) -> None:
    clock = Timeless()
    delete = Answers({ONE: [LOST] * 4})

    def slow(_: str) -> None:
        clock.time += 25

    delete.before = slow
    make_engine(tmp_path, plan_of(1), delete, clock=clock, rng=random.Random(1)).run(plan_of(1).rows)
    assert len(delete.sends) == 2
    assert replayed(tmp_path).rows[0].outcome == Outcome.UNKNOWN


def test_the_policy_that_is_given_holds(tmp_path: Path) -> None:
    delete = Answers({ONE: [refused(500)] * 9})
    make_engine(tmp_path, plan_of(1), delete, policy=Policy(sends=6)).run(plan_of(1).rows)
    assert len(delete.sends) == 6


# Stopping.


def test_a_stop_before_the_first_row_sends_nothing_and_leaves_every_row_unattempted(tmp_path: Path) -> None:
    button = StopButton()
    button.stop.set()
    delete = Answers()
    make_engine(tmp_path, plan_of(4), delete, button=button, workers=3).run(plan_of(4).rows)
    report = replayed(tmp_path)
    assert delete.sends == []
    assert report.counts["not_attempted"] == 4
    assert report.stopped == "it was cancelled"


@pytest.mark.parametrize(
    ("answer", "outcome"),
    [(LOST, "unknown"), (page(502), "unknown"), (PAGE_404, "unknown"), (refused(500), "failed"), (UNSENT, "failed")],
)
def test_a_stop_while_a_row_is_sent_tells_what_is_known_of_it_and_asks_nothing_more(
    tmp_path: Path, answer: Exception, outcome: str
) -> None:
    button, asked = StopButton(), []

    def exists(key: str, _: threading.Event) -> bool:
        asked.append(key)
        return True

    delete = Answers({ONE: [answer]})
    delete.before = lambda _: button.stop.set()
    make_engine(tmp_path, plan_of(2), delete, button=button, exists=exists).run(plan_of(2).rows)
    assert [row.outcome for row in replayed(tmp_path).rows] == [outcome, "not_attempted"]
    assert (delete.sends, asked) == ([ONE], [])


def test_a_stop_after_the_last_row_is_no_early_end(tmp_path: Path) -> None:
    button = StopButton()
    delete = Answers()
    delete.before = lambda _: button.stop.set()
    make_engine(tmp_path, plan_of(1), delete, button=button).run(plan_of(1).rows)
    assert replayed(tmp_path).stopped == ""


def test_a_second_press_returns_at_once_and_the_last_worker_closes_the_journal(tmp_path: Path) -> None:
    button, arrived, go = StopButton(), threading.Semaphore(0), threading.Event()

    def delete(_: str) -> None:
        arrived.release()
        go.wait(10)

    def press() -> None:
        for _ in range(16):
            arrived.acquire()
        button.presses = 2
        button.stop.set()

    plan = plan_of(50)
    threading.Thread(target=press, daemon=True).start()
    told = Platform(delete, lambda *_: None, lambda _: {})
    began = time.monotonic()
    report = execute(plan, told, Report, Options(workers=16, button=button), stale=False, folder=tmp_path)
    assert time.monotonic() - began < 1
    assert (report.counts["unknown"], report.counts["not_attempted"]) == (16, 34)
    assert all(row.seconds < 1 for row in report.rows)
    assert not report.ended
    assert report.stopped == "the stop button was pressed twice"
    path = Path(report.journal)
    assert is_under_way(path)
    go.set()
    for _ in range(500):
        if not is_under_way(path):
            break
        time.sleep(0.01)
    later = Report.replay(read(path))
    assert (later.counts["deleted"], later.counts["not_attempted"], later.ended) == (16, 34, True)


def test_progress_that_cannot_be_shown_does_not_leave_the_run_going_on_unwatched(tmp_path: Path) -> None:
    sent, go = [], threading.Event()

    def delete(key: str) -> None:
        sent.append(key)
        go.wait(10)

    def watch(_: Progress) -> None:
        raise OSError("the display is gone")

    plan = plan_of(50)
    engine = make_engine(tmp_path, plan, delete, workers=2)
    with pytest.raises(OSError, match="the display is gone"):
        engine.run(plan.rows, watch)
    go.set()
    while is_under_way(tmp_path / f"{RUN}.jsonl"):
        time.sleep(0.01)
    assert len(sent) <= 2
    assert replayed(tmp_path).counts["not_attempted"] >= 48
    assert replayed(tmp_path).stopped


def test_progress_adds_up_at_every_look(tmp_path: Path) -> None:
    seen: list[Progress] = []
    plan = plan_of(40)
    make_engine(tmp_path, plan, lambda _: time.sleep(0.02), workers=4).run(plan.rows, seen.append)
    assert len(seen) >= 2
    for progress in seen:
        assert progress.planned == 40
        assert progress.outcomes.total() == progress.done
        assert progress.done + progress.in_flight <= 40
        assert progress.in_flight <= 4
    assert [progress.done for progress in seen] == sorted(progress.done for progress in seen)
    assert (seen[-1].done, seen[-1].in_flight) == (40, 0)


# The journal comes first.


def test_each_send_is_in_the_journal_before_it_leaves(tmp_path: Path) -> None:
    path = tmp_path / f"{RUN}.jsonl"

    def before(key: str) -> None:
        lines = [(r.id, r.attempt) for r in read(path) if isinstance(r, Sent)]
        assert (key, delete.sends.count(key)) in lines

    delete = Answers({make_id(number): [LOST, refused(500)] for number in range(0, 20, 2)})
    delete.before = before
    make_engine(tmp_path, plan_of(20), delete, workers=8).run(plan_of(20).rows)
    assert replayed(tmp_path).counts["deleted"] == 20, "an assertion inside a DELETE became an outcome"


@pytest.mark.parametrize(("workers", "ahead"), [(1, 0), (8, 0), (16, 2), (32, 6)])
def test_no_more_than_a_few_rows_are_in_the_journal_before_their_turn(tmp_path: Path, workers: int, ahead: int) -> None:
    path = tmp_path / f"{RUN}.jsonl"
    open_ = []

    def delete(_: str) -> None:
        records = read(path)
        ended = {r.id for r in records if isinstance(r, Ended)}
        open_.append(sum(isinstance(r, Sent) and r.id not in ended for r in records))

    make_engine(tmp_path, plan_of(100), delete, workers=workers).run(plan_of(100).rows)
    assert replayed(tmp_path).counts["deleted"] == 100
    assert max(open_) <= workers + ahead


def test_a_plan_without_rows_to_delete_is_journaled_and_closed(tmp_path: Path) -> None:
    plan = make_plan(make_row(1, Verdict.PROTECTED, reason="a rule"))
    engine = make_engine(tmp_path, plan, Answers())
    engine.run([])
    report = replayed(tmp_path)
    assert [row.outcome for row in report.rows] == ["protected"]
    assert report.ended
    assert not is_under_way(tmp_path / f"{RUN}.jsonl")


def test_a_journal_that_breaks_in_the_middle_stops_the_run_before_the_send(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    delete = Answers()
    engine = make_engine(tmp_path, plan_of(9), delete)

    def break_it(key: str) -> None:
        if len(delete.sends) == 3:
            engine.journal.close()  # every later write fails: the file is closed

    delete.before = break_it
    engine.run(plan_of(9).rows)
    assert len(delete.sends) == 3
    assert engine.stopped.startswith("the journal could not be written any more.")
    report = Report.replay(engine.journal.records)
    assert [row.outcome for row in report.rows] == ["deleted"] * 3 + ["not_attempted"] * 6
    # The file lacks the third outcome; it says `unknown`, and not that nothing was sent.
    assert [row.outcome for row in replayed(tmp_path).rows] == ["deleted"] * 2 + ["unknown"] + ["not_attempted"] * 6


def test_the_end_of_a_run_is_its_last_line(tmp_path: Path) -> None:
    make_engine(tmp_path, plan_of(3), Answers(), workers=3).run(plan_of(3).rows)
    assert isinstance(read(tmp_path / f"{RUN}.jsonl")[-1], Closed)
    with pytest.raises(JournalError):
        Journal.reopen(tmp_path, make_id(77))


def test_a_row_that_always_fails_is_sent_four_times_although_others_go(tmp_path: Path) -> None:
    for number, always in enumerate((page(503), refused(500), LOST, UNSENT)):
        folder = tmp_path / str(number)
        delete = Answers({ONE: [always] * 50})
        make_engine(folder, plan_of(9), delete, exists=lambda *_: True).run(plan_of(9).rows)
        assert delete.sends.count(ONE) == 4
        assert replayed(folder).rows[0].outcome in {Outcome.UNKNOWN, Outcome.FAILED}


def test_a_row_whose_failures_others_overcame_has_another_turn_after_all_others(tmp_path: Path) -> None:
    delete = Answers({ONE: [page(503)] * 5, make_id(1): [page(503)]})
    make_engine(tmp_path, plan_of(4), delete, exists=lambda *_: True).run(plan_of(4).rows)
    assert delete.sends == [*[ONE] * 4, *[make_id(1)] * 2, make_id(2), make_id(3), *[ONE] * 2]
    assert {row.outcome for row in replayed(tmp_path).rows} == {Outcome.DELETED}


def test_three_turns_are_the_end_also_where_others_overcame(tmp_path: Path) -> None:
    delete = Answers({ONE: [page(503)] * 50, make_id(1): [page(503)]})
    make_engine(tmp_path, plan_of(2), delete, exists=lambda *_: True).run(plan_of(2).rows)
    assert delete.sends.count(ONE) == 12
    assert replayed(tmp_path).rows[0].outcome == Outcome.UNKNOWN


def test_what_waits_for_another_turn_when_the_run_is_stopped_is_told_as_it_is_known(tmp_path: Path) -> None:
    button = StopButton()
    delete = Answers({ONE: [page(503)] * 50, make_id(2): [refused(503)] * 50, make_id(1): [page(503)]})
    delete.before = lambda key: button.stop.set() if key == make_id(3) else None
    rows = (make_row(1), make_row(0), make_row(2), make_row(3))
    make_engine(tmp_path, make_plan(*rows), delete, button=button).run(rows)
    outcomes = {row.id: row.outcome for row in replayed(tmp_path).rows}
    assert outcomes[ONE] == Outcome.UNKNOWN
    assert outcomes[make_id(2)] == Outcome.FAILED
    assert set(delete.sends) == {make_id(n) for n in range(4)}
