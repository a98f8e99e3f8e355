"""`kill -9` of a kernel in the middle of a delete, and how the next kernel finishes the run."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.hostile_platform import SECRET, HostilePlatform, delay, world
from support.kernels import Kernel, assert_no_secret, error_lines

from versori_magics.cleanup.journal import read_journal
from versori_magics.cleanup.report import Report

LOAD = "%load_ext versori_magics\nimport os\nimport versori_magics as versori"


@pytest.fixture
def journals(env: dict[str, str]) -> Iterator[Path]:
    folder = Path(env["VERSORI_JOURNAL"])
    yield folder
    for path in folder.iterdir():
        assert SECRET not in path.read_text()
        path.unlink()


def recorded_report(folder: Path) -> Report:
    (path,) = folder.glob("*.jsonl")
    return Report.replay(read_journal(path))


def new_kernel_after_kill(env: dict[str, str], platform: HostilePlatform, after: int) -> Kernel:
    """Return a new kernel, after another was killed with so many rows deleted and some requests in flight."""
    platform.decide = lambda request: (
        delay(1) if request.method == "DELETE" and len(platform.world.deleted) >= after else None
    )
    with Kernel(env) as first:
        first.ok(f"{LOAD}\ndf = %versori_connections . --usage")
        first.begin("%versori_delete . df --yes --max 1000")
        platform.wait_for(lambda: len(platform.deleted) >= after and platform.in_flight, timeout=60)
        first.kill()
        platform.wait_for(lambda: platform.in_flight == 0 and platform.open_connections == 0, timeout=60)
    platform.decide = None
    fresh = Kernel(env)
    fresh.ok(LOAD)
    return fresh


def test_a_run_that_kill_9_interrupted_is_finished_by_a_new_kernel(
    platform: HostilePlatform, env: dict[str, str], journals: Path
) -> None:
    platform.reset(world(free=120, static=6, dynamic=6), latency=0.05)
    used = {*platform.world.static, *platform.world.dynamic}
    with new_kernel_after_kill(env, platform, after=40) as kernel:
        gone = platform.deleted
        assert 40 <= len(gone) < 120
        interrupted = recorded_report(journals)
        assert not interrupted.ended
        assert {row.id for row in interrupted.rows if row.outcome == "deleted"} <= gone
        assert gone <= {row.id for row in interrupted.rows if row.outcome in {"deleted", "unknown"}}

        runs = kernel.ok("%versori_runs").text
        assert interrupted.run in runs
        assert "interrupted" in runs
        sent = len(platform.deletes)
        assert kernel.run(f"%versori_resume {interrupted.run}").failure["ename"] == "ConsentError"
        assert len(platform.deletes) == sent

        linked, removed, *_ = (row.id for row in interrupted.rows if row.outcome == "not_attempted")
        with platform.lock:
            platform.world.link(linked)
            platform.world.remove(removed)
        refused = kernel.run(f"%versori_resume {interrupted.run}", "y")
        assert refused.failure["ename"] == "ConsentError"
        assert f"Type delete {118 - len(gone)} to continue" in refused.prompts[0]
        assert len(platform.deletes) == sent
        kernel.ok(f"r = %versori_resume {interrupted.run} --yes")
        assert kernel.value("len(r.frame) == r.frame['id'].nunique() == 132") == "True"
        assert kernel.value("versori.runs().iloc[0]['state']") == "finished"

        outcomes = {row.id: row.outcome for row in recorded_report(journals).rows}
        assert set(outcomes) == {*platform.world.free, *used}
        assert {id_ for id_, outcome in outcomes.items() if outcome == "deleted"} == platform.deleted
        assert platform.deleted == set(platform.world.free) - {linked, removed}
        assert outcomes[linked] == "changed"
        assert outcomes[removed] == "already_gone"
        assert {outcomes[id_] for id_ in used} == {"in_use"}
        assert set(platform.world.connections) == used | {linked}
        assert max(platform.sends(id_) for id_ in platform.world.free) <= 2

        again = kernel.ok(f"%versori_resume {interrupted.run} --yes")  # nothing is left to send
        assert "deleted" in again.text
        assert len(platform.deletes) == sent + 118 - len(gone)
        assert_no_secret(kernel.received, platform.token, SECRET)


def test_two_kernels_cannot_resume_one_run_at_once(
    platform: HostilePlatform, env: dict[str, str], journals: Path
) -> None:
    platform.reset(world(free=100), latency=0.05)
    with new_kernel_after_kill(env, platform, after=10) as first, Kernel(env) as second:
        second.ok(LOAD)
        run = recorded_report(journals).run
        before = len(platform.deletes)
        platform.latency = 0.5  # so that the first kernel is still at work when the second one tries
        cell = first.begin(f"r = %versori_resume {run} --yes --workers 2")
        platform.wait_for(lambda: len(platform.deletes) > before, timeout=60)
        refused = second.run(f"%versori_resume {run} --yes")
        assert refused.failure["ename"] == "JournalError"
        assert "already running" in refused.failure["evalue"]
        assert "running" in second.ok("%versori_runs").text
        platform.latency = 0
        first.finish(cell)
        assert cell.error is None
        assert platform.deleted == set(platform.world.free)
        assert len(platform.deletes) <= 100 + 8  # only rows that were in flight at the kill may be sent twice
        assert first.value("r.counts['deleted']") == "100"
        assert "finished" in second.ok("%versori_runs").text


def test_a_token_that_expires_stops_the_run_and_a_new_one_finishes_it(
    kernel: Kernel, platform: HostilePlatform, journals: Path, tmp_path: Path
) -> None:
    platform.reset(world(free=250, static=5))
    platform.dead_token_after(50)
    kernel.ok("import os\ndf = %versori_connections . --usage")
    cell = kernel.run("%versori_delete . df --yes --max 1000")
    assert cell.failure["ename"] == "RunStoppedError"
    line = f"%versori_resume {recorded_report(journals).run}"
    reason, counts, hint = error_lines(cell.failure)
    assert "no longer accepts the token (401)" in reason
    assert "50 deleted" in counts
    total, *parts = map(int, re.findall(r"\d+", counts))
    assert total == sum(parts) == 255
    assert hint.endswith(line)
    assert 50 <= len(platform.deletes) < 100
    assert len(platform.deleted) == 50
    assert kernel.value("versori.runs().iloc[0]['state']") == "stopped"

    platform.dead_token_after(10**9)
    old, platform.token = platform.token, "another-t0ken-of-tests"
    expired = kernel.run(f"{line} --yes")
    assert expired.failure["ename"] == "UnauthorisedError"
    assert len(platform.deleted) == 50
    (tmp_path / "token").write_text(platform.token)
    kernel.ok(f"os.environ['VERSORI_TOKEN'] = open({str(tmp_path / 'token')!r}).read()")
    try:
        kernel.ok(f"r = {line} --yes")
    finally:
        (tmp_path / "token").write_text(old)
        kernel.ok(f"os.environ['VERSORI_TOKEN'] = open({str(tmp_path / 'token')!r}).read()")
    assert platform.deleted == set(platform.world.free)
    assert kernel.value("r.counts['deleted'], r.counts['in_use'], sum(r.counts.values())") == "(250, 5, 255)"
    assert_no_secret(kernel.received, old, platform.token, SECRET)
