"""JupyterLab in a real browser: start and stop it, open a notebook, run cells, read what Python knows.

What was learned about it: kernels outlive the page, so they are shut down between tests; without `?reset` the tabs of
the last workspace come back; outputs off the screen are empty unless the notebook is drawn whole; a kernel may say
"idle" while a cell still runs, so wait for the promise of the run.
"""

from __future__ import annotations

import ast
import json
import os
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path
from typing import TYPE_CHECKING, Any

import nbformat

if TYPE_CHECKING:
    from playwright.sync_api import Locator, Page

NOTEBOOK = ".jp-NotebookPanel:not(.lm-mod-hidden)"
BROWSER = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
SETTINGS: dict[str, dict[str, object]] = {
    "@jupyterlab/apputils-extension/notification": {"fetchNews": "false", "checkForUpdates": False},
    "@jupyterlab/docmanager-extension/plugin": {"autosave": False},
    "@jupyterlab/notebook-extension/tracker": {"windowingMode": "none"},
    "@jupyter-widgets/jupyterlab-manager/plugin": {"saveState": True},
}
SCREENSHOTS = Path(__file__).parent / "screenshots"
START = 60  # seconds that JupyterLab may take


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Lab:
    """A JupyterLab of its own: no settings, kernels or workspaces of the person who runs it."""

    def __init__(self, folder: Path) -> None:
        self.notebooks = folder / "notebooks"
        self.notebooks.mkdir(parents=True)
        for plugin, values in SETTINGS.items():
            path = folder / "settings" / f"{plugin}.jupyterlab-settings"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(json.dumps(values), encoding="utf-8")
        places = {
            "JUPYTER_CONFIG_DIR": "config",
            "JUPYTER_DATA_DIR": "data",
            "JUPYTER_RUNTIME_DIR": "runtime",
            "JUPYTERLAB_SETTINGS_DIR": "settings",
            "JUPYTERLAB_WORKSPACES_DIR": "workspaces",
            "IPYTHONDIR": "ipython",
        }
        port = _free_port()
        self.base = f"http://127.0.0.1:{port}"
        self._log = folder / "lab.log"
        command = [sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root", "--ip=127.0.0.1"]
        options = {
            "ServerApp.port": port,
            "ServerApp.port_retries": 0,
            "IdentityProvider.token": "",
            "ServerApp.password": "",
            "ServerApp.disable_check_xsrf": True,
            "ServerApp.root_dir": self.notebooks,
            "LabApp.expose_app_in_browser": True,
        }
        with self._log.open("w", encoding="utf-8") as log:
            self._process = subprocess.Popen(
                [*command, *(f"--{name}={value}" for name, value in options.items())],
                env=os.environ | {name: str(folder / place) for name, place in places.items()},
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        self._wait()

    def _wait(self) -> None:
        until = time.monotonic() + START
        while True:
            try:
                self.request("GET", "/api/status")
            except OSError:
                if self._process.poll() is not None or time.monotonic() > until:
                    self._process.kill()
                    raise RuntimeError(f"JupyterLab did not start:\n{self._log.read_text()[-2000:]}") from None
                time.sleep(0.2)
            else:
                return

    def request(self, method: str, path: str) -> Any:
        """Ask Jupyter's REST API."""
        request = urllib.request.Request(self.base + path, method=method)
        with urllib.request.urlopen(request, timeout=30) as answer:
            body = answer.read()
        return json.loads(body) if body else None

    def kill_kernels(self) -> None:
        for session in self.request("GET", "/api/sessions"):
            self.request("DELETE", f"/api/sessions/{session['id']}")

    def close(self) -> None:
        self.kill_kernels()
        self._process.terminate()
        self._process.wait(30)

    def write(self, name: str, *cells: str) -> None:
        """Save a notebook of these code cells."""
        kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
        made = nbformat.v4.new_notebook(
            cells=[nbformat.v4.new_code_cell(cell) for cell in cells], metadata={"kernelspec": kernel}
        )
        nbformat.write(made, self.notebooks / name)

    def read(self, name: str) -> str:
        """Return a saved notebook's text."""
        return (self.notebooks / name).read_text(encoding="utf-8")


class Notebook:
    """An open notebook in the browser."""

    def __init__(self, page: Page, lab: Lab, name: str) -> None:
        self.page, self.lab, self.name = page, lab, name
        page.goto(f"{lab.base}/lab/tree/{name}?reset")
        page.wait_for_selector(f"{NOTEBOOK} .jp-Cell", timeout=60_000)
        page.wait_for_function(
            """() => {
                const widget = window.jupyterapp?.shell.currentWidget, kernel = widget?.sessionContext?.session?.kernel;
                return Boolean(kernel) && widget.sessionContext.isReady && kernel.status === "idle";
            }""",
            timeout=60_000,
        )

    def command(self, name: str, **arguments: object) -> None:
        """Run one of JupyterLab's commands to its end."""
        self.page.evaluate(
            "async ([name, arguments_]) => { await window.jupyterapp.commands.execute(name, arguments_); }",
            [name, arguments],
        )

    def theme(self, name: str) -> None:
        """Change JupyterLab's colours: `Light` or `Dark`."""
        self.command("apputils:change-theme", theme=f"JupyterLab {name}")
        self.page.wait_for_function(
            "(light) => document.body.dataset.jpThemeLight === light", arg=str(name == "Light").lower()
        )

    def picture(self, selector: str, name: str) -> None:
        """Keep a picture of a part of the page."""
        SCREENSHOTS.mkdir(exist_ok=True)
        size = self.page.viewport_size or {"width": 1400, "height": 1000}
        self.page.set_viewport_size({"width": size["width"], "height": 2200})  # JupyterLab scrolls, so the page is cut
        self.page.locator(selector).first.screenshot(path=SCREENSHOTS / f"{name}.png")
        self.page.set_viewport_size({"width": size["width"], "height": size["height"]})

    def start(self, cell: int) -> None:
        """Run a cell without waiting for its end."""
        self.page.evaluate(
            """(cell) => {
                const app = window.jupyterapp;
                app.shell.currentWidget.content.activeCellIndex = cell;
                window.finished = false;
                app.commands.execute("notebook:run-cell").finally(() => { window.finished = true; });
            }""",
            cell,
        )

    def wait(self, seconds: float = 60) -> None:
        """Wait for the end of what `start` began."""
        self.page.wait_for_function("() => window.finished === true", timeout=seconds * 1000)

    def run(self, cell: int, seconds: float = 60) -> None:
        self.start(cell)
        self.wait(seconds)

    def output(self, cell: int) -> Locator:
        return self.page.locator(f"{NOTEBOOK} .jp-Cell").nth(cell).locator(".jp-OutputArea").first

    def interrupt(self) -> None:
        """Press the stop button."""
        self.page.locator(f'{NOTEBOOK} [data-jp-item-name="interrupt"] jp-button').click()

    def cells(self) -> int:
        return self.page.locator(f"{NOTEBOOK} .jp-Cell").count()

    def save(self) -> None:
        self.page.evaluate("() => window.jupyterapp.shell.currentWidget.context.save()")

    def do(self, code: str) -> None:
        """Run statements in the kernel, without a cell."""
        error = self.page.evaluate(
            """async (code) => {
                const { kernel } = window.jupyterapp.shell.currentWidget.sessionContext.session;
                const run = { code, silent: true, store_history: false };
                const { content } = await kernel.requestExecute(run, true).done;
                return content.status === "ok" ? null : `${content.ename}: ${content.evalue}`;
            }""",
            code,
        )
        assert error is None, error

    def value(self, expression: str) -> Any:
        """Return what an expression of literals is in the kernel; waits for a cell that runs."""
        text = self.page.evaluate(
            """async (expression) => {
                const { kernel } = window.jupyterapp.shell.currentWidget.sessionContext.session;
                const run = { code: "", silent: true, store_history: false, user_expressions: { it: expression } };
                const { it } = (await kernel.requestExecute(run, true).done).content.user_expressions;
                return it.status === "ok" ? it.data["text/plain"] : `${it.ename}: ${it.evalue}`;
            }""",
            expression,
        )
        return ast.literal_eval(text)
