"""`kill -9` of a kernel in the middle of a delete, and what the next kernel makes of it."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from support.hostile_platform import SECRET, HostilePlatform, delay, world
from support.kernels import Kernel, no_secret

from versori_magics.cleanup.journal import read
from versori_magics.cleanup.report import Report

LOAD = "%load_ext versori_magics\nimport os\nimport versori_magics as versori"


@pytest.fixture
def journals(env: dict[str, str]) -> Iterator[Path]:
    folder = Path(env["VERSORI_JOURNAL"])
    yield folder
    for path in folder.iterdir():
        assert SECRET not in path.read_text()
        path.unlink()


def report(folder: Path) -> Report:
    (path,) = folder.glob("*.jsonl")
    return Report.replay(read(path))


def cut_off(env: dict[str, str], platform: HostilePlatform, after: int) -> Kernel:
    """Give a new kernel, after one that was killed with so many rows deleted and some requests under way."""
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


def test_after_kill_9_the_run_is_interrupted_and_a_new_kernel_finishes_it(
    platform: HostilePlatform, env: dict[str, str], journals: Path
) -> None:
    platform.reset(world(free=120, static=6, dynamic=6), latency=0.05)
    used = {*platform.world.static, *platform.world.dynamic}
    with cut_off(env, platform, after=40) as kernel:
        gone = platform.deleted
        assert 40 <= len(gone) < 120
        left = report(journals)
        assert not left.ended
        assert {row.id for row in left.rows if row.outcome == "deleted"} <= gone
        known = {row.id for row in left.rows if row.outcome in {"deleted", "unknown"}}
        assert gone <= known  # no DELETE without a line in the journal

        shown = kernel.ok("%versori_runs").text
        assert left.run in shown
        assert "interrupted" in shown
        sent = len(platform.deletes)
        assert kernel.run(f"%versori_resume {left.run}").failed["ename"] == "ConsentError"
        assert len(platform.deletes) == sent

        taken, removed, *_ = (row.id for row in left.rows if row.outcome == "not_attempted")
        with platform.lock:
            platform.world.link(taken)
            platform.world.remove(removed)
        wrong = kernel.run(f"%versori_resume {left.run}", "y")
        assert wrong.failed["ename"] == "ConsentError"
        assert f"Type delete {118 - len(gone)} to go on" in wrong.prompts[0]
        assert len(platform.deletes) == sent
        kernel.ok(f"r = %versori_resume {left.run} --yes")
        assert kernel.value("len(r.frame) == r.frame['id'].nunique() == 132") == "True"
        assert kernel.value("versori.runs().iloc[0]['state']") == "finished"

        ended = {row.id: row.outcome for row in report(journals).rows}
        assert set(ended) == {*platform.world.free, *used}
        assert {id_ for id_, outcome in ended.items() if outcome == "deleted"} == platform.deleted
        assert platform.deleted == set(platform.world.free) - {taken, removed}
        assert ended[taken] == "changed"
        assert ended[removed] == "already_gone"
        assert {ended[id_] for id_ in used} == {"in_use"}
        assert set(platform.world.connections) == used | {taken}
        assert max(platform.sends(id_) for id_ in platform.world.free) <= 2

        again = kernel.ok(f"%versori_resume {left.run} --yes")  # there is nothing left to do
        assert "deleted" in again.text
        assert len(platform.deletes) == sent + 118 - len(gone)
        no_secret(kernel.wire, platform.token, SECRET)


def test_two_kernels_cannot_resume_one_run_at_once(
    platform: HostilePlatform, env: dict[str, str], journals: Path
) -> None:
    platform.reset(world(free=100), latency=0.05)
    with cut_off(env, platform, after=10) as one, Kernel(env) as other:
        other.ok(LOAD)
        run = report(journals).run
        before = len(platform.deletes)
        platform.latency = 0.5  # so long does each of two workers take for one row
        cell = one.begin(f"r = %versori_resume {run} --yes --workers 2")
        platform.wait_for(lambda: len(platform.deletes) > before, timeout=60)
        refused = other.run(f"%versori_resume {run} --yes")
        assert refused.failed["ename"] == "JournalError"
        assert "under way" in refused.failed["evalue"]
        assert "running" in other.ok("%versori_runs").text
        platform.latency = 0
        one.finish(cell)
        assert cell.error is None
        assert platform.deleted == set(platform.world.free)
        assert len(platform.deletes) <= 100 + 8  # those that hung at the kill may be sent again; nothing twice else
        assert one.value("r.counts['deleted']") == "100"
        assert "finished" in other.ok("%versori_runs").text


def test_a_token_that_dies_stops_the_run_and_a_new_one_finishes_it(
    kernel: Kernel, platform: HostilePlatform, journals: Path, tmp_path: Path
) -> None:
    platform.reset(world(free=250, static=5))
    platform.dead_token_after(50)
    kernel.ok("import os\ndf = %versori_connections . --usage")
    cell = kernel.run("%versori_delete . df --yes --max 1000")
    assert cell.failed["ename"] == "RunStoppedError"
    run = report(journals).run
    first, *rest = "\n".join(cell.failed["traceback"]).splitlines()
    assert "no longer accepts the token (401)" in first
    assert "50 deleted" in first
    assert "of 255" in first.lower()
    line = f"%versori_resume {run}"
    assert rest == [f"Go on with: {line}"]
    assert 50 <= len(platform.deletes) < 100
    assert len(platform.deleted) == 50
    assert kernel.value("versori.runs().iloc[0]['state']") == "stopped"

    platform.dead_token_after(10**9)
    old, platform.token = platform.token, "another-t0ken-of-tests"
    dead = kernel.run(f"{line} --yes")
    assert dead.failed["ename"] == "UnauthorisedError"
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
    no_secret(kernel.wire, old, platform.token, SECRET)
