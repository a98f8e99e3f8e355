"""The outputs that a saved notebook keeps, run with nbclient as other tools run notebooks."""

import json
from typing import Any

import nbformat
import pytest
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError
from support.hostile_platform import SECRET, TOKEN, HostilePlatform, answer, world
from support.kernels import TIMEOUT, assert_no_secret

LOAD_AND_LIST = "%load_ext versori_magics\nimport versori_magics as versori\ndf = versori.connections('.', usage=True)"


@pytest.fixture(autouse=True)
def _settings(platform: HostilePlatform, env: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in env.items():
        monkeypatch.setenv(name, value)


def run_and_save(*cells: str, fails: bool = False) -> list[list[dict[str, Any]]]:
    """Run cells as a notebook; return each cell's outputs as they are saved."""
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
    client = NotebookClient(notebook, timeout=int(TIMEOUT))
    if fails:
        with pytest.raises(CellExecutionError):
            client.execute()
    else:
        client.execute()
    written = nbformat.writes(notebook)
    assert_no_secret([written], TOKEN, SECRET)
    return [cell.get("outputs", []) for cell in json.loads(written)["cells"]]


def text(output: dict[str, Any], mime_type: str = "text/plain") -> str:
    return "".join(output["data"][mime_type])


def test_a_saved_notebook_keeps_the_last_state_of_the_progress_and_the_report(platform: HostilePlatform) -> None:
    platform.reset(world(free=60), latency=0.05)
    _, (progress, report) = run_and_save(LOAD_AND_LIST, "versori.delete('.', df, yes=True)")
    assert text(progress).startswith("60 of 60 done (60 deleted) · ")
    assert "width:100.0%" in text(progress, "text/html")
    assert text(report).startswith("Report on 60 connections: 60 deleted")


def test_without_yes_the_cell_fails_and_the_notebook_keeps_the_plan(platform: HostilePlatform) -> None:
    _, (plan, error) = run_and_save(LOAD_AND_LIST, "%versori_delete . df", fails=True)
    assert text(plan).startswith("Plan for 5 connections: 5 to delete")
    assert error["ename"] == "ConsentError"
    assert platform.deletes == []


def test_a_report_on_3_000_rows_is_small_and_its_errors_come_first(platform: HostilePlatform) -> None:
    platform.reset(world(free=500, static=2500))
    hostile_name = "<script>alert(1)</script>\x1b[31m\u202e" + "x" * 5000
    with platform.lock:
        for connection in platform.world.connections.values():
            connection.name = hostile_name
    refused = platform.world.free[400]
    message = json.dumps({"code": "400123", "message": "<b>no</b>", "fields": [{"field": "f", "message": "m"}]})
    platform.on("DELETE", refused, answer(400, message, {"Content-Type": "application/json"}))
    delete = "r = versori.delete('.', df, yes=True, max=3000)\nr"
    _, _, outputs = run_and_save(LOAD_AND_LIST, "%versori_delete . df --dry-run", delete)
    assert len(json.dumps(outputs)) < 400_000
    report = text(outputs[-1], "text/html")
    assert len(report) < 250_000
    assert "499 deleted" in report
    first_row = report[report.index("<tbody>") : report.index("</tr>", report.index("<tbody>"))]
    assert refused in first_row
    assert "code 400123" in first_row
    assert "f: m" in first_row
    assert "<script" not in report
    assert "<b>no" not in report
    assert "\u202e" not in json.dumps(outputs, ensure_ascii=False)
    assert "\x1b" not in report
