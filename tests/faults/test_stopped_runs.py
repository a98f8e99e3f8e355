"""Runs that end before their last row, or slow down, and how they are finished."""

import os
import signal
from itertools import pairwise

import pytest
from faults.judgement import judge_report
from faults.scenes import error_of_stopped_run, on_deletes, outcome_counts
from support import fault_answers as faults
from support.fault_answers import Fault
from support.hostile_platform import HostilePlatform, RecordedRequest, world

import versori_magics as versori
from versori_magics.cleanup.records import Outcome
from versori_magics.errors import PlatformError


def test_a_token_that_expires_stops_the_run_and_a_new_one_finishes_it(
    platform: HostilePlatform, monkeypatch: pytest.MonkeyPatch
) -> None:
    built = world(free=250)
    platform.reset(built)
    platform.dead_token_after(50)
    error = error_of_stopped_run(lambda: versori.delete(".", built.free, yes=True, max=250))
    report = error.report
    assert 50 < len(platform.deletes) <= 50 + 8
    assert outcome_counts(report)["deleted"] == 50
    assert outcome_counts(report)["not_attempted"] >= 250 - 50 - 8
    assert "401" in error.message
    assert "50 deleted" in str(error)
    assert f"%versori_resume {report.run}" in error.hint
    judge_report(platform, report)
    # With the expired token the rows cannot be looked up, so nothing is sent, and the run stays as it is.
    before = len(platform.deletes)
    with pytest.raises(PlatformError):
        versori.resume(report.run, yes=True)
    assert len(platform.deletes) == before
    platform.token = "another-token"
    platform.dead_token_after(None)
    monkeypatch.setenv("VERSORI_TOKEN", platform.token)
    finished = versori.resume(report.run, yes=True)
    assert outcome_counts(finished) == {"deleted": 250}
    assert platform.deleted == set(built.free)
    assert len(platform.deletes) <= 250 + 8
    assert versori.resume(report.run, yes=True).rows == finished.rows


@pytest.mark.parametrize("workers", [1, 8])
def test_single_forbidden_rows_are_refused_and_do_not_stop_the_run(platform: HostilePlatform, workers: int) -> None:
    built = world(free=9)
    platform.reset(built)
    forbidden = built.free[::3]
    platform.script |= {key: [faults.error(403)] for key in forbidden}
    if workers > 1:  # concurrent answers come in any order, so each 403 waits until another row was deleted
        platform.script |= {key: [faults.delay(0.4 * n, faults.error(403))] for n, key in enumerate(forbidden)}
        platform.script |= {key: [faults.delay(0.4 * n + 0.2)] for n, key in enumerate(built.free[1::3])}
    report = versori.delete(".", built.free, yes=True, workers=workers)
    assert outcome_counts(report) == {"deleted": 6, "refused": 3}
    assert {row.id for row in report.rows if row.outcome == Outcome.REFUSED} == set(forbidden)
    assert not report.stopped


def test_three_forbidden_rows_in_a_row_stop_the_run(platform: HostilePlatform) -> None:
    built = world(free=40)
    platform.reset(built)
    platform.on("DELETE", "", *[faults.error(403)] * 40)
    error = error_of_stopped_run(lambda: versori.delete(".", built.free, yes=True, workers=4))
    assert 3 <= len(platform.deletes) <= 3 + 4
    assert "403" in error.message
    assert outcome_counts(error.report).keys() == {"refused", "not_attempted"}


def test_a_pause_that_is_too_long_stops_the_run_and_names_the_time_to_resume(platform: HostilePlatform) -> None:
    built = world(free=30)
    platform.reset(built)

    def decide(number: int, _: RecordedRequest) -> Fault | None:
        if number == 10:
            return faults.retry_after(429, "3600")
        # Slow, so that few others are sent while the answer is on its way.
        return faults.delay(0.5) if number > 10 else None

    on_deletes(platform, decide)
    error = error_of_stopped_run(lambda: versori.delete(".", built.free, yes=True, workers=4))
    assert len(platform.deletes) <= 10 + 3
    assert "wait 3,600 s, until 2" in error.message
    assert "%versori_resume" in error.hint
    judge_report(platform, error.report)
    platform.decide = None
    assert outcome_counts(versori.resume(error.report.run, yes=True)) == {"deleted": 30}


def test_a_pause_holds_every_worker(platform: HostilePlatform) -> None:
    built = world(free=60)
    platform.reset(built, latency=0.01)
    on_deletes(platform, lambda number, _: faults.retry_after(503, "1") if number == 20 else None)
    assert outcome_counts(versori.delete(".", built.free, yes=True, workers=8)) == {"deleted": 60}
    times = [request.at for request in platform.deletes]
    gaps = [later - earlier for earlier, later in pairwise(times)]
    longest = max(range(len(gaps)), key=gaps.__getitem__)
    assert 0.9 < gaps[longest] < 3
    assert 20 <= longest + 1 < 60, "rows were sent until the answer arrived, and the others after the pause"


def test_a_429_reduces_the_number_of_concurrent_requests_for_a_while(platform: HostilePlatform) -> None:
    built = world(free=700)
    platform.reset(built, latency=0.02)
    in_flight: list[int] = []

    def decide(number: int, _: RecordedRequest) -> Fault | None:
        in_flight.append(platform.in_flight)
        return faults.error(429) if number == 60 else None

    on_deletes(platform, decide)
    assert outcome_counts(versori.delete(".", built.free, yes=True, max=700, workers=16)) == {"deleted": 700}
    assert max(in_flight[:60]) >= 12
    reduced = max(in_flight[60 + 40 : 60 + 60])
    assert reduced <= 10
    assert max(in_flight[-150:]) > reduced
    assert max(in_flight) <= 16


def test_after_sigint_requests_in_flight_finish_and_nothing_more_is_sent(platform: HostilePlatform) -> None:
    built = world(free=60)
    platform.reset(built, latency=0.1)
    on_deletes(platform, lambda number, _: os.kill(os.getpid(), signal.SIGINT) if number == 12 else None)
    with pytest.raises(KeyboardInterrupt):
        versori.delete(".", built.free, yes=True, workers=4)
    assert 12 <= len(platform.deletes) <= 12 + 2 * 4
    (run,) = versori.runs()["run"]
    platform.decide, platform.latency = None, 0
    assert len(platform.deleted) == len(platform.deletes), "requests in flight were not waited for"
    assert outcome_counts(versori.resume(run, yes=True)) == {"deleted": 60}
    assert len(platform.deletes) == 60
