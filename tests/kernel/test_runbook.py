"""The clean-up runbook, run unattended by papermill."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from support.hostile_platform import SECRET, HostilePlatform, world
from support.kernels import TIMEOUT, assert_no_secret

RUNBOOK = Path(__file__).parents[2] / "notebooks" / "cleanup-runbook.ipynb"
ZERO_TIME = "0001-01-01"


def run_runbook(
    tmp_path: Path, platform: HostilePlatform, env: dict[str, str], *parameters: str
) -> tuple[int, list[dict[str, Any]]]:
    """Run the runbook with papermill; return the exit code and the outputs of the notebook that records the run."""
    record = tmp_path / "record.ipynb"
    command = [sys.executable, "-m", "papermill", "--no-progress-bar", str(RUNBOOK), str(record), *parameters]
    completed = subprocess.run(
        command, env={**os.environ, **env}, capture_output=True, text=True, timeout=TIMEOUT, check=False
    )
    written = record.read_text()
    assert_no_secret([written, completed.stdout, completed.stderr], platform.token, SECRET)
    return completed.returncode, [output for cell in json.loads(written)["cells"] for output in cell.get("outputs", [])]


def text_of(outputs: list[dict[str, Any]]) -> str:
    texts = [output.get("data", {}).get("text/plain", "") for output in outputs]
    return "\n".join("".join(text) for text in texts)


def old_and_unused(platform: HostilePlatform) -> set[str]:
    """Return the ids that the runbook may delete, without asking the package."""
    free = {id_: platform.world.connections[id_] for id_ in platform.world.free}
    return {
        id_
        for id_, connection in free.items()
        if not connection.updated_at.startswith((ZERO_TIME, "2999"))
        and not any(word in connection.name.lower() for word in ("production", "live"))
    }


@pytest.fixture
def organisation(platform: HostilePlatform) -> HostilePlatform:
    """An organisation whose connections differ in name, age and usage."""
    platform.reset(world(free=40, static=6, dynamic=6))
    with platform.lock:
        connections = platform.world.connections
        for number, id_ in enumerate(platform.world.free):
            if number % 5 == 0:
                connections[id_].name = f"Shop {('LIVE', 'production')[number % 2]} {number}"
            if number % 5 == 1:
                connections[id_].updated_at = "2999-01-01T00:00:00Z"
    return platform


def test_without_apply_the_runbook_succeeds_and_deletes_nothing(
    organisation: HostilePlatform, env: dict[str, str], tmp_path: Path
) -> None:
    code, outputs = run_runbook(tmp_path, organisation, env, "-p", "apply", "False")
    assert code == 0
    assert f"{len(old_and_unused(organisation))} to delete" in text_of(outputs)
    assert "Nothing was deleted: apply is False." in text_of(outputs)
    assert organisation.deletes == []


def test_with_apply_the_runbook_deletes_exactly_the_old_connections_that_nobody_uses(
    organisation: HostilePlatform, env: dict[str, str], tmp_path: Path
) -> None:
    expected = old_and_unused(organisation)
    assert 10 < len(expected) < 40
    code, outputs = run_runbook(tmp_path, organisation, env, "-p", "apply", "True", "-p", "days", "365")
    assert code == 0
    assert organisation.deleted == expected
    assert organisation.world.broken == []
    assert f"{len(expected)} deleted" in text_of(outputs)
    assert f"{len(expected)} of {len(expected)} done" in text_of(outputs)  # the last state of the progress


def test_with_an_expired_token_the_runbook_fails_and_its_record_says_what_to_do(
    organisation: HostilePlatform, env: dict[str, str], tmp_path: Path
) -> None:
    organisation.dead_token_after(0)
    code, outputs = run_runbook(tmp_path, organisation, env, "-p", "apply", "True")
    assert code != 0
    assert organisation.deletes == []
    (error,) = [output for output in outputs if output["output_type"] == "error"]
    assert error["ename"] == "UnauthorisedError"
    assert "the token has expired" in error["evalue"]
    assert "The platform does not accept the token. Renew the token, set VERSORI_TOKEN" in error["evalue"]
    assert len("\n".join(error["traceback"]).splitlines()) <= 3
