"""The form where nobody can click: papermill fails, other tools and a plain shell show what to use in its place."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import nbformat
import papermill
import pytest
from nbclient import NotebookClient
from papermill.exceptions import PapermillExecutionError
from support.hostile_platform import SECRET, HostilePlatform, world
from support.kernels import PATIENCE, Kernel, no_secret

FIRST = "%load_ext versori_magics\nimport versori_magics as versori"
MAGIC, FUNCTION = "form = %versori_form\nform", "form = versori.form('.')\nform"
# In the form's own cell: nbclient keeps nothing that a thread of an earlier cell tells.
LISTED = "import time\nwhile form.frame is None or form._status.value: time.sleep(0.05)"
SHOWN = f"form = %versori_form\n{LISTED}\nassert len(form.frame) == 8\nform"
INSTEAD = ("%versori_connections . --usage", "%versori_delete . SELECTION --dry-run")


@pytest.fixture(autouse=True)
def _settings(platform: HostilePlatform, env: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    platform.reset(world(free=6, static=2))
    for name, value in env.items():
        monkeypatch.setenv(name, value)


def notebook(*cells: str, parameters: bool = False) -> Any:
    made = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
    made.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3", "language": "python"}
    if parameters:
        made.cells.insert(0, nbformat.v4.new_code_cell("days = 90", metadata={"tags": ["parameters"]}))
    return made


def rows_of(platform: HostilePlatform) -> list[str]:
    """Return what only the table of connections can have shown."""
    connections = platform.world.connections
    return [*connections, *(connection.name for connection in connections.values())]


def says_what_to_use(text: str) -> bool:
    return all(magic in text for magic in INSTEAD)


def refused(platform: HostilePlatform, path: Path, words: str) -> None:
    """Judge a run that failed by what it said and by its record."""
    assert "papermill has nobody: nothing was done." in words
    assert "Use %versori_delete ORG SELECTION --yes" in words
    outputs = [output for cell in nbformat.read(path, as_version=4).cells for output in cell.get("outputs", [])]
    (error,) = [output for output in outputs if output["output_type"] == "error"]
    assert error["ename"] == "VersoriError"
    assert len("\n".join(error["traceback"]).splitlines()) <= 3
    assert platform.requests == []
    no_secret([path.read_text(), words], platform.token, SECRET)


@pytest.mark.parametrize("cell", [MAGIC, FUNCTION])
def test_under_papermill_with_parameters_the_form_fails_and_says_what_to_use(
    platform: HostilePlatform, tmp_path: Path, cell: str
) -> None:
    source, record = tmp_path / "form.ipynb", tmp_path / "record.ipynb"
    nbformat.write(notebook(FIRST, cell, parameters=True), source)
    with pytest.raises(PapermillExecutionError) as raised:
        papermill.execute_notebook(source, record, parameters={"days": 30}, progress_bar=False)
    refused(platform, record, str(raised.value))


RUN = "import papermill\npapermill.execute_notebook('form.ipynb', './record.ipynb', progress_bar=False)\n"


@pytest.mark.parametrize("command", [["-m", "papermill", "form.ipynb", "record.ipynb"], ["-u", "run.py"], ["-c", RUN]])
def test_under_papermill_without_parameters_the_form_fails_however_it_was_started(
    platform: HostilePlatform, tmp_path: Path, command: list[str]
) -> None:
    nbformat.write(notebook(FIRST, MAGIC), tmp_path / "form.ipynb")
    (tmp_path / "run.py").write_text(RUN)
    done = subprocess.run(
        [sys.executable, *command], cwd=tmp_path, capture_output=True, text=True, timeout=PATIENCE, check=False
    )
    assert done.returncode != 0
    assert "PapermillExecutionError" in done.stderr
    refused(platform, tmp_path / "record.ipynb", done.stderr)


def test_who_opens_the_record_of_a_papermill_run_gets_the_form(kernel: Kernel, platform: HostilePlatform) -> None:
    kernel.ok("# Parameters\ndays = 30")
    assert kernel.run(MAGIC, stdin=False).failed["ename"] == "VersoriError"
    cell = kernel.run(MAGIC, stdin=True)
    assert cell.error is None
    assert "application/vnd.jupyter.widget-view+json" in cell.outputs[0]["data"]


def test_a_notebook_run_by_nbclient_is_green_and_keeps_a_summary_but_no_row_and_no_token(
    platform: HostilePlatform,
) -> None:
    made = notebook(FIRST, SHOWN)
    NotebookClient(made, timeout=int(PATIENCE), store_widget_state=True).execute()
    shown, record = made.cells[1]["outputs"]
    for kind in ("text/plain", "text/html"):
        assert says_what_to_use(shown["data"][kind])
    assert says_what_to_use(record["data"]["text/plain"])
    state = made.metadata["widgets"]["application/vnd.jupyter.widget-state+json"]["state"]
    assert shown["data"]["application/vnd.jupyter.widget-view+json"]["model_id"] in state
    no_secret([nbformat.writes(made)], platform.token, SECRET, *rows_of(platform))
    assert platform.deletes == []


def test_the_html_that_nbconvert_makes_shows_what_to_use_and_neither_row_nor_token(
    platform: HostilePlatform, tmp_path: Path
) -> None:
    nbformat.write(notebook(FIRST, SHOWN), tmp_path / "form.ipynb")
    done = subprocess.run(
        [sys.executable, "-m", "jupyter", "nbconvert", "--execute", "--to", "html", "form.ipynb"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    page = (tmp_path / "form.html").read_text()
    # Without the scripts: they come from the internet, and what they would show may not come at all.
    assert says_what_to_use(re.sub(r"<script.*?</script>", "", page, flags=re.DOTALL))
    no_secret([page], platform.token, SECRET, *rows_of(platform))
    assert platform.deletes == []


def test_in_plain_ipython_the_form_is_its_summary(platform: HostilePlatform, tmp_path: Path) -> None:
    code = (
        f"import versori_magics as versori, json\nform = versori.form()\n{LISTED}\nprint(json.dumps(repr(form)))\nform"
    )
    done = subprocess.run(
        [sys.executable, "-m", "IPython", "--no-banner", "--colors=nocolor", "-c", code],
        env={**os.environ, "IPYTHONDIR": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    first, *rest = done.stdout.splitlines()
    summary = json.loads(first)
    assert summary.startswith(f"Form for organisation {platform.organisation} of {platform.url}.\n")
    assert says_what_to_use(summary)
    assert summary in "\n".join(rest)  # the display of it
    no_secret([done.stdout, done.stderr], platform.token, SECRET, *rows_of(platform))
    assert platform.deletes == []
