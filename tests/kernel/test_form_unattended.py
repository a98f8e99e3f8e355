"""The form if nobody can click: tools fail with an error that names the magic to use, exports show a summary."""

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
from nbclient.exceptions import CellExecutionError
from papermill.exceptions import PapermillExecutionError
from support.hostile_platform import SECRET, HostilePlatform, world
from support.kernels import TIMEOUT, Cell, Kernel, assert_no_secret
from support.widget_page import WidgetPage

LOAD = "%load_ext versori_magics\nimport versori_magics as versori"
MAGIC, FUNCTION = "form = %versori_form\nform", "form = versori.form('.')\nform"
WAIT = "import time\nwhile form.frame is None or form._status.value: time.sleep(0.05)"
MAGIC_THAT_WAITS = f"form = %versori_form\n{WAIT}\nassert len(form.frame) == 8\nform"
ALTERNATIVES = ("%versori_connections . --usage", "%versori_delete . CONN --dry-run")
WIDGET_VIEW = "application/vnd.jupyter.widget-view+json"
WIDGET_STATE = "application/vnd.jupyter.widget-state+json"
# What a notebook saves of its widgets.
SAVED_WIDGETS = "import json, ipywidgets; print(json.dumps(ipywidgets.Widget.get_manager_state()))"


@pytest.fixture(autouse=True)
def _settings(platform: HostilePlatform, env: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    platform.reset(world(free=6, static=2))
    for name, value in env.items():
        monkeypatch.setenv(name, value)


def make_notebook(*cells: str, parameters: bool = False) -> Any:
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
    notebook.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3", "language": "python"}
    if parameters:
        notebook.cells.insert(0, nbformat.v4.new_code_cell("days = 90", metadata={"tags": ["parameters"]}))
    return notebook


def texts_of_rows(platform: HostilePlatform) -> list[str]:
    """Return the texts that only the table of connections can have shown."""
    connections = platform.world.connections
    return [*connections, *(connection.name for connection in connections.values())]


def names_alternatives(text: str) -> bool:
    return all(magic in text for magic in ALTERNATIVES)


def check_refusal(platform: HostilePlatform, error: dict[str, Any]) -> None:
    """Check that a form was refused with an error of a few lines, before any request."""
    assert error["ename"] == "VersoriError"
    assert "The form needs a person to click, but this notebook is run by a tool" in error["evalue"]
    assert "Nothing was done." in error["evalue"]
    assert "Use %versori_delete ORG CONN instead" in error["evalue"]
    assert len("\n".join(error["traceback"]).splitlines()) <= 3
    assert platform.requests == []


def check_failed_notebook(platform: HostilePlatform, notebook: Any) -> None:
    """Check that a notebook was run, and that it records a refused form."""
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    (error,) = [output for output in outputs if output["output_type"] == "error"]
    check_refusal(platform, error)
    assert_no_secret([nbformat.writes(notebook)], platform.token, SECRET)


def check_record(platform: HostilePlatform, path: Path, messages: str) -> None:
    """Check the record of a papermill run that failed, and its messages."""
    assert "this notebook is run by a tool" in messages
    assert "Use %versori_delete ORG CONN instead" in messages
    check_failed_notebook(platform, nbformat.read(path, as_version=4))
    assert_no_secret([messages], platform.token, SECRET)


def run_tool(folder: Path, *arguments: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, *arguments], cwd=folder, capture_output=True, text=True, timeout=TIMEOUT, check=False
    )


# Tools that run notebooks


@pytest.mark.parametrize("cell", [MAGIC, FUNCTION])
def test_papermill_with_parameters_fails_and_the_error_names_the_magic_to_use(
    platform: HostilePlatform, tmp_path: Path, cell: str
) -> None:
    source, record = tmp_path / "form.ipynb", tmp_path / "record.ipynb"
    nbformat.write(make_notebook(LOAD, cell, parameters=True), source)
    with pytest.raises(PapermillExecutionError) as raised:
        papermill.execute_notebook(source, record, parameters={"days": 30}, progress_bar=False)
    check_record(platform, record, str(raised.value))


RUN = "import papermill\npapermill.execute_notebook('form.ipynb', './record.ipynb', progress_bar=False)\n"


@pytest.mark.parametrize("command", [["-m", "papermill", "form.ipynb", "record.ipynb"], ["-u", "run.py"], ["-c", RUN]])
def test_papermill_without_parameters_fails_however_it_is_started(
    platform: HostilePlatform, tmp_path: Path, command: list[str]
) -> None:
    nbformat.write(make_notebook(LOAD, MAGIC), tmp_path / "form.ipynb")
    (tmp_path / "run.py").write_text(RUN)
    completed = run_tool(tmp_path, *command)
    assert completed.returncode != 0
    assert "PapermillExecutionError" in completed.stderr
    check_record(platform, tmp_path / "record.ipynb", completed.stderr)


def test_nbclient_fails_and_the_error_names_the_magic_to_use(platform: HostilePlatform) -> None:
    notebook = make_notebook(LOAD, MAGIC)
    with pytest.raises(CellExecutionError):
        NotebookClient(notebook, timeout=int(TIMEOUT), store_widget_state=True).execute()
    check_failed_notebook(platform, notebook)


@pytest.mark.parametrize(
    "command", [["nbconvert", "--execute", "--to", "html"], ["execute", "--timeout=60"]], ids=["nbconvert", "execute"]
)
def test_jupyter_commands_that_execute_a_notebook_fail_too(
    platform: HostilePlatform, tmp_path: Path, command: list[str]
) -> None:
    nbformat.write(make_notebook(LOAD, MAGIC), tmp_path / "form.ipynb")
    completed = run_tool(tmp_path, "-m", "jupyter", *command, "form.ipynb")
    assert completed.returncode != 0
    assert "this notebook is run by a tool" in completed.stderr
    assert "Use %versori_delete ORG CONN instead" in completed.stderr
    assert not (tmp_path / "form.html").exists()
    assert platform.requests == []
    assert_no_secret([completed.stdout, completed.stderr], platform.token, SECRET)


# Where people click


def check_form(cell: Cell) -> None:
    assert cell.error is None
    assert WIDGET_VIEW in cell.outputs[0]["data"]


def test_a_person_who_opens_the_record_of_a_papermill_run_gets_the_form(
    kernel: Kernel, platform: HostilePlatform
) -> None:
    kernel.ok("# Parameters\ndays = 30")
    check_refusal(platform, kernel.run(MAGIC, stdin=False).failure)
    check_form(kernel.run(MAGIC, stdin=True))


def test_voila_shows_the_form_although_it_allows_no_input(env: dict[str, str], tmp_path: Path) -> None:
    kernel_id = "5e1c1d5e-0000-4000-8000-000000000001"
    with Kernel({**env, "VOILA_KERNEL_ID": kernel_id}, tmp_path / f"kernel-{kernel_id}.json") as kernel:
        kernel.ok(LOAD)
        check_form(kernel.run(MAGIC, stdin=False))


def test_a_tool_that_was_started_below_voila_fails(
    platform: HostilePlatform, env: dict[str, str], tmp_path: Path
) -> None:
    voila_kernel_id = "5e1c1d5e-0000-4000-8000-000000000001"
    connection_file = tmp_path / "kernel-5e1c1d5e-0000-4000-8000-000000000002.json"
    with Kernel({**env, "VOILA_KERNEL_ID": voila_kernel_id}, connection_file) as kernel:
        kernel.ok(LOAD)
        check_refusal(platform, kernel.run(MAGIC, stdin=False).failure)


def test_a_click_on_another_widget_can_open_the_form(kernel: Kernel) -> None:
    page = WidgetPage(kernel)
    kernel.ok(
        "import ipywidgets\nbutton = ipywidgets.Button()\nbutton.add_class('vs-open')\nforms = []\n"
        "button.on_click(lambda _: forms.append(versori.form()))"
    )
    page.click("open")
    page.wait_until(lambda: page.find("form"))
    page.close()
    kernel.ok("form, = forms")
    kernel.ok(WAIT)


# Saved and exported notebooks


@pytest.fixture
def saved_notebook(kernel: Kernel) -> Any:
    """A notebook in which a person opened the form and did nothing, saved with the state of its widgets."""
    cells = [kernel.ok(code, stdin=True) for code in (LOAD, MAGIC_THAT_WAITS)]
    notebook = make_notebook()
    notebook.cells = [cell.as_saved() for cell in cells]
    notebook.metadata["widgets"] = {WIDGET_STATE: json.loads(kernel.ok(SAVED_WIDGETS).text)}
    return notebook


def test_a_saved_notebook_keeps_a_summary_of_the_form_but_no_row_and_no_token(
    saved_notebook: Any, platform: HostilePlatform
) -> None:
    form, record = saved_notebook.cells[1]["outputs"]
    for mime_type in ("text/plain", "text/html"):
        assert names_alternatives(form["data"][mime_type])
    assert names_alternatives(record["data"]["text/plain"])
    state = saved_notebook.metadata["widgets"][WIDGET_STATE]["state"]
    assert form["data"][WIDGET_VIEW]["model_id"] in state
    assert_no_secret([nbformat.writes(saved_notebook)], platform.token, SECRET, *texts_of_rows(platform))
    assert platform.deletes == []


def test_the_html_of_nbconvert_names_the_magics_to_use_and_has_no_row_and_no_token(
    saved_notebook: Any, platform: HostilePlatform, tmp_path: Path
) -> None:
    nbformat.write(saved_notebook, tmp_path / "form.ipynb")
    completed = run_tool(tmp_path, "-m", "jupyter", "nbconvert", "--to", "html", "form.ipynb")
    assert completed.returncode == 0, completed.stderr
    page = (tmp_path / "form.html").read_text()
    # Without the scripts: they are loaded from the internet, and what they show may be missing.
    assert names_alternatives(re.sub(r"<script.*?</script>", "", page, flags=re.DOTALL))
    assert_no_secret([page], platform.token, SECRET, *texts_of_rows(platform))
    assert platform.deletes == []


def test_in_plain_ipython_the_form_shows_its_summary(platform: HostilePlatform, tmp_path: Path) -> None:
    code = f"import versori_magics as versori, json\nform = versori.form()\n{WAIT}\nprint(json.dumps(repr(form)))\nform"
    completed = subprocess.run(
        [sys.executable, "-m", "IPython", "--no-banner", "--colors=nocolor", "-c", code],
        env={**os.environ, "IPYTHONDIR": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=TIMEOUT,
        check=False,
    )
    assert completed.returncode == 0, completed.stderr
    first, *others = completed.stdout.splitlines()
    summary = json.loads(first)
    assert summary.startswith(f"Form for organisation {platform.organisation} of {platform.url}.\n")
    assert names_alternatives(summary)
    assert summary in "\n".join(others)  # the display of the form
    assert_no_secret([completed.stdout, completed.stderr], platform.token, SECRET, *texts_of_rows(platform))
    assert platform.deletes == []
