"""Runs in a process that is killed with `kill -9`, and how they are resumed."""

import random
import signal
import subprocess
import sys

import pytest
from faults.judgement import judge_report
from faults.scenes import error_of_stopped_run, on_deletes, outcome_counts
from support import fault_answers as faults
from support.fault_answers import Fault
from support.hostile_platform import HostilePlatform, RecordedRequest, world

import versori_magics as versori
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
