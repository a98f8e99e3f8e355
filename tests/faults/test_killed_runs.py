"""Runs in a process that is killed with `kill -9`, and how they are resumed."""

import random
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from faults.judgement import judge_report
from faults.scenes import error_of_stopped_run, on_deletes, outcome_counts
from support import fault_answers as faults
from support.fault_answers import Fault
from support.hostile_platform import HostilePlatform, RecordedRequest, world

import versori_magics as versori
from versori_magics.cleanup.report import Report
from versori_magics.errors import JournalError

CHILD = """
import os, sys, versori_magics as versori
ids = sys.argv[2:]
if sys.argv[1] == "delete":
    versori.delete(".", ids, yes=True, max=len(ids))
else:
    versori.resume(sys.argv[1], yes=True)
"""


def start_child(*arguments: str) -> "subprocess.Popen[bytes]":
    """Start a process that deletes ids (`"delete", *ids`) or resumes a run (its id)."""
    return subprocess.Popen(
        [sys.executable, "-c", CHILD, *arguments], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )


@pytest.mark.parametrize("seed", range(3))
def test_after_kill_9_at_any_delete_a_resume_finishes_and_every_id_has_one_outcome(
    platform: HostilePlatform, seed: int
) -> None:
    built, rng = world(free=60, dynamic=5), random.Random(seed)
    platform.reset(built, latency=0.002)
    children: list[subprocess.Popen[bytes]] = []
    last = rng.randint(1, 60)
    choices = [faults.drop_after(), None, faults.delay_after(0.2), None]

    def decide(number: int, _: RecordedRequest) -> Fault | None:
        if number == last:
            children[0].kill()
        return rng.choice(choices)

    on_deletes(platform, decide)
    platform.lock.acquire()
    try:
        children.append(start_child("delete", *built.connections))
    finally:
        platform.lock.release()
    assert children[0].wait(30) == -signal.SIGKILL
    platform.decide = None
    platform.wait_for(lambda: not platform.in_flight)
    runs = versori.runs()
    assert len(runs) == 1
    assert "interrupted" in runs.to_string()
    finished = versori.resume(runs["run"].iloc[0], yes=True)
    judge_report(platform, finished)
    assert outcome_counts(finished) == {"deleted": 60, "in_use": 5}
    assert platform.deleted == set(built.free)


def test_run_whose_folder_of_journals_is_removed_stops_and_its_error_has_every_outcome(
    platform: HostilePlatform, tmp_path: Path
) -> None:
    built = world(free=60)
    platform.reset(built, latency=0.002)
    on_deletes(platform, lambda number, _: shutil.rmtree(tmp_path / "runs") if number == 20 else None)
    stopped = error_of_stopped_run(lambda: versori.delete(".", built.free, yes=True, workers=4))
    assert "the journal could not be written (it was removed or replaced during the run)" in str(stopped)
    assert 20 <= len(platform.deletes) <= 24
    assert isinstance(stopped.report, Report)
    judge_report(platform, stopped.report)


def test_plan_that_another_kernel_is_executing_is_an_error_that_says_so(platform: HostilePlatform) -> None:
    built = world(free=6)
    platform.reset(built, latency=0.3)
    plan = versori.plan(".", built.free)
    errors: list[JournalError] = []

    def execute_again(number: int, _: RecordedRequest) -> None:
        if number == 1:
            with pytest.raises(JournalError, match="is already running") as caught:
                versori.delete(".", plan, yes=True)
            errors.append(caught.value)

    on_deletes(platform, execute_again)
    assert versori.delete(".", plan, yes=True).counts["deleted"] == 6
    assert len(errors) == 1
    assert len(platform.deletes) == 6


def test_two_kernels_cannot_resume_one_run_at_once(platform: HostilePlatform) -> None:
    built = world(free=30)
    platform.reset(built)
    on_deletes(platform, lambda number, _: faults.error(401) if number == 3 else None)
    run = error_of_stopped_run(lambda: versori.delete(".", built.free, yes=True, workers=2)).report.run
    platform.decide, platform.latency = None, 0.3
    other = start_child(run)
    before = len(platform.deletes)
    platform.wait_for(lambda: len(platform.deletes) > before, timeout=30)
    with pytest.raises(JournalError, match="already running"):
        versori.resume(run, yes=True)
    platform.latency = 0
    assert other.wait(30) == 0
    assert versori.resume(run, yes=True).counts["deleted"] == 30
    assert max(platform.sends(key) for key in built.free) <= 2
