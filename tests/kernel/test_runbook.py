"""The clean-up runbook, run unattended by papermill."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from support.hostile_platform import SECRET, HostilePlatform, world
from support.kernels import no_secret

RUNBOOK = Path(__file__).parents[2] / "notebooks" / "cleanup-runbook.ipynb"
ZERO_TIME = "0001-01-01"


def papermill(
    tmp_path: Path, platform: HostilePlatform, env: dict[str, str], *parameters: str
) -> tuple[int, list[dict[str, Any]]]:
    """Run the runbook; return the exit code and the outputs of the notebook that is the record of it."""
    record = tmp_path / "record.ipynb"
    command = [sys.executable, "-m", "papermill", "--no-progress-bar", str(RUNBOOK), str(record), *parameters]
    done = subprocess.run(command, env={**os.environ, **env}, capture_output=True, text=True, timeout=120, check=False)
    written = record.read_text()
    no_secret([written, done.stdout, done.stderr], platform.token, SECRET)
    return done.returncode, [output for cell in json.loads(written)["cells"] for output in cell.get("outputs", [])]


def shown(outputs: list[dict[str, Any]]) -> str:
    texts = [output.get("data", {}).get("text/plain", "") for output in outputs]
    return "\n".join("".join(text) for text in texts)


def old_and_unused(platform: HostilePlatform) -> set[str]:
    """Judge, apart from the package, what the runbook may delete."""
    found = {id_: platform.world.connections[id_] for id_ in platform.world.free}
    return {
        id_
        for id_, connection in found.items()
        if not connection.updated_at.startswith((ZERO_TIME, "2999"))
        and not any(word in connection.name.lower() for word in ("production", "live"))
    }


@pytest.fixture
def organisation(platform: HostilePlatform) -> HostilePlatform:
    """Give an organisation in which names, ages and users differ."""
    platform.reset(world(free=40, static=6, dynamic=6))
    with platform.lock:
        connections = platform.world.connections
        for turn, id_ in enumerate(platform.world.free):
            if turn % 5 == 0:
                connections[id_].name = f"Shop {('LIVE', 'production')[turn % 2]} {turn}"
            if turn % 5 == 1:
                connections[id_].updated_at = "2999-01-01T00:00:00Z"
    return platform


def test_without_apply_it_is_green_and_deletes_nothing(
    organisation: HostilePlatform, env: dict[str, str], tmp_path: Path
) -> None:
    code, outputs = papermill(tmp_path, organisation, env, "-p", "apply", "False")
    assert code == 0
    assert f"{len(old_and_unused(organisation))} delete" in shown(outputs)
    assert "Nothing was deleted: apply is False." in shown(outputs)
    assert organisation.deletes == []


def test_with_apply_exactly_the_old_ones_that_nobody_uses_go(
    organisation: HostilePlatform, env: dict[str, str], tmp_path: Path
) -> None:
    wanted = old_and_unused(organisation)
    assert 10 < len(wanted) < 40
    code, outputs = papermill(tmp_path, organisation, env, "-p", "apply", "True", "-p", "days", "365")
    assert code == 0
    assert organisation.deleted == wanted
    assert organisation.world.broken == []
    assert f"{len(wanted)} deleted" in shown(outputs)
    assert f"{len(wanted)} of {len(wanted)} done" in shown(outputs)  # the last state of the progress


def test_with_a_dead_token_the_run_is_red_and_the_record_says_what_to_do(
    organisation: HostilePlatform, env: dict[str, str], tmp_path: Path
) -> None:
    organisation.dead_token_after(0)
    code, outputs = papermill(tmp_path, organisation, env, "-p", "apply", "True")
    assert code != 0
    assert organisation.deletes == []
    (error,) = [output for output in outputs if output["output_type"] == "error"]
    assert error["ename"] == "UnauthorisedError"
    assert "the token has expired" in error["evalue"]
    assert "The token is not accepted: renew it, set VERSORI_TOKEN" in error["evalue"]
    assert len("\n".join(error["traceback"]).splitlines()) <= 3
