"""JupyterLab in a real browser: start and stop it, open a notebook, run cells, and evaluate code in its kernel."""

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
CHROMIUM_OPTIONS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
LAB_SETTINGS: dict[str, dict[str, object]] = {
    "@jupyterlab/apputils-extension/notification": {"fetchNews": "false", "checkForUpdates": False},
    "@jupyterlab/docmanager-extension/plugin": {"autosave": False},
    # Otherwise outputs outside the visible part of the page are empty.
    "@jupyterlab/notebook-extension/tracker": {"windowingMode": "none"},
    "@jupyter-widgets/jupyterlab-manager/plugin": {"saveState": True},
}
# JupyterLab must not use settings, kernels or workspaces of the person who runs the tests.
LAB_FOLDERS = {
    "JUPYTER_CONFIG_DIR": "config",
    "JUPYTER_DATA_DIR": "data",
    "JUPYTER_RUNTIME_DIR": "runtime",
    "JUPYTERLAB_SETTINGS_DIR": "settings",
    "JUPYTERLAB_WORKSPACES_DIR": "workspaces",
    "IPYTHONDIR": "ipython",
}
# Leaves nothing of a notebook in its kernel but the modules that it imported.
FORGET_EVERYTHING = """
import ipywidgets
from versori_magics.notebook.session import SESSION
SESSION.close()
ipywidgets.Widget.close_all()
get_ipython().run_line_magic("reset", "-f")
"""
SCREENSHOTS = Path(__file__).parents[1] / "browser" / "screenshots"
START_TIMEOUT = 60  # seconds


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class JupyterLab:
    """A JupyterLab server with its own settings, in a folder of its own."""

    def __init__(self, folder: Path) -> None:
        self.notebooks = folder / "notebooks"
        self.notebooks.mkdir(parents=True)
        self._write_settings(folder)
        port = _free_port()
        self.url = f"http://127.0.0.1:{port}"
        self._log_path = folder / "lab.log"
        self._process = self._start(folder, port)
        self._wait_for_start()

    @staticmethod
    def _write_settings(folder: Path) -> None:
        for plugin, values in LAB_SETTINGS.items():
            path = folder / "settings" / f"{plugin}.jupyterlab-settings"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(json.dumps(values), encoding="utf-8")

    def _start(self, folder: Path, port: int) -> subprocess.Popen[bytes]:
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
        with self._log_path.open("w", encoding="utf-8") as log:
            return subprocess.Popen(
                [*command, *(f"--{name}={value}" for name, value in options.items())],
                env=os.environ | {variable: str(folder / name) for variable, name in LAB_FOLDERS.items()},
                stdout=log,
                stderr=subprocess.STDOUT,
            )

    def _wait_for_start(self) -> None:
        deadline = time.monotonic() + START_TIMEOUT
        while True:
            try:
                self.request("GET", "/api/status")
            except OSError:
                if self._process.poll() is not None or time.monotonic() > deadline:
                    self._process.kill()
                    log = self._log_path.read_text(encoding="utf-8")
                    raise RuntimeError(f"JupyterLab did not start:\n{log[-2000:]}") from None
                time.sleep(0.2)
            else:
                return

    def request(self, method: str, path: str) -> Any:
        """Send a request to Jupyter's REST API and return the decoded answer."""
        request = urllib.request.Request(self.url + path, method=method)
        with urllib.request.urlopen(request, timeout=30) as response:
            body = response.read()
        return json.loads(body) if body else None

    def shut_down_kernels(self) -> None:
        """Shut down all kernels; they outlive the page that started them."""
        for session in self.request("GET", "/api/sessions"):
            self.request("DELETE", f"/api/sessions/{session['id']}")

    def close(self) -> None:
        self.shut_down_kernels()
        self._process.kill()  # its kernels are gone, and a polite end takes it seconds
        self._process.wait(30)

    def write(self, name: str, *cells: str) -> None:
        """Save a notebook of these code cells."""
        kernelspec = {"name": "python3", "display_name": "Python 3", "language": "python"}
        code_cells = [nbformat.v4.new_code_cell(source) for source in cells]
        notebook = nbformat.v4.new_notebook(cells=code_cells, metadata={"kernelspec": kernelspec})
        nbformat.write(notebook, self.notebooks / name)

    def read(self, name: str) -> str:
        """Return a saved notebook's text."""
        return (self.notebooks / name).read_text(encoding="utf-8")


def close_notebooks(page: Page) -> bool:
    """Close the notebooks of a page without saving them, and return whether their kernels could forget everything."""
    is_done: bool = page.evaluate(
        """async (code) => {
            const { shell, commands } = window.jupyterapp;
            for (const { context } of [...shell.widgets("main")].filter((widget) => widget.context)) {
                const { kernel } = context.sessionContext.session;
                const request = { code, silent: true, store_history: false };
                if ((await kernel.requestExecute(request, true).done).content.status !== "ok") return false;
                context.model.dirty = false;  // or it asks whether to save
            }
            await commands.execute("application:close-all");
            return !document.querySelector(".jp-Dialog");
        }""",
        FORGET_EVERYTHING,
    )
    return is_done


class Notebook:
    """An open notebook in the browser.

    A page that already shows JupyterLab opens it as a person does with a double click; another one loads JupyterLab.
    """

    def __init__(self, page: Page, lab: JupyterLab, name: str) -> None:
        self.page, self.lab, self.name = page, lab, name
        if page.evaluate("() => Boolean(window.jupyterapp)"):
            self.run_command("docmanager:open", path=name)
        else:
            page.goto(f"{lab.url}/lab/tree/{name}?reset")  # without `?reset` the tabs of the last workspace come back
        page.wait_for_selector(f"{NOTEBOOK} .jp-Cell", timeout=60_000)
        page.wait_for_function(
            """(path) => {
                const widget = window.jupyterapp?.shell.currentWidget, kernel = widget?.sessionContext?.session?.kernel;
                const isReady = Boolean(kernel) && widget.sessionContext.isReady && kernel.status === "idle";
                return isReady && widget.context.path === path;
            }""",
            arg=name,
            timeout=60_000,
        )

    def run_command(self, name: str, **arguments: object) -> None:
        """Run one of JupyterLab's commands to its end."""
        self.page.evaluate(
            "async ([name, arguments_]) => { await window.jupyterapp.commands.execute(name, arguments_); }",
            [name, arguments],
        )

    def set_theme(self, name: str) -> None:
        """Change JupyterLab's colours: `Light` or `Dark`."""
        self.run_command("apputils:change-theme", theme=f"JupyterLab {name}")
        self.page.wait_for_function(
            "(light) => document.body.dataset.jpThemeLight === light", arg=str(name == "Light").lower()
        )

    def save_screenshot(self, selector: str, name: str) -> None:
        """Save a picture of a part of the page."""
        SCREENSHOTS.mkdir(exist_ok=True)
        size = self.page.viewport_size or {"width": 1400, "height": 1000}
        # JupyterLab scrolls inside the page, so a small page would cut the picture.
        self.page.set_viewport_size({"width": size["width"], "height": 2200})
        self.page.locator(selector).first.screenshot(path=SCREENSHOTS / f"{name}.png")
        self.page.set_viewport_size({"width": size["width"], "height": size["height"]})

    def start_cell(self, cell: int) -> None:
        """Run a cell without waiting for its end."""
        self.page.evaluate("(cell) => { window.jupyterapp.shell.currentWidget.content.activeCellIndex = cell; }", cell)
        self._start_command("notebook:run-cell")

    def _start_command(self, name: str) -> None:
        # The promise of the command tells when it has ended; a kernel may report "idle" while a cell still runs.
        self.page.evaluate(
            """(name) => {
                window.commandHasEnded = false;
                window.jupyterapp.commands.execute(name).finally(() => { window.commandHasEnded = true; });
            }""",
            name,
        )

    def wait_for_end(self, seconds: float = 60) -> None:
        """Wait until the cells that were started have ended."""
        self.page.wait_for_function("() => window.commandHasEnded === true", timeout=seconds * 1000)

    def run(self, cell: int, seconds: float = 60) -> None:
        self.start_cell(cell)
        self.wait_for_end(seconds)

    def run_all(self, seconds: float = 60) -> None:
        """Run all cells, as the menu Run does."""
        self._start_command("notebook:run-all-cells")
        self.wait_for_end(seconds)

    def output(self, cell: int) -> Locator:
        return self.page.locator(f"{NOTEBOOK} .jp-Cell").nth(cell).locator(".jp-OutputArea").first

    def cell_count(self) -> int:
        return self.page.locator(f"{NOTEBOOK} .jp-Cell").count()

    def save(self) -> None:
        self.page.evaluate("() => window.jupyterapp.shell.currentWidget.context.save()")

    def execute(self, code: str) -> None:
        """Run statements in the kernel, without a cell."""
        error = self.page.evaluate(
            """async (code) => {
                const { kernel } = window.jupyterapp.shell.currentWidget.sessionContext.session;
                const request = { code, silent: true, store_history: false };
                const { content } = await kernel.requestExecute(request, true).done;
                return content.status === "ok" ? null : `${content.ename}: ${content.evalue}`;
            }""",
            code,
        )
        assert error is None, error

    def value(self, expression: str) -> Any:
        """Return the value of an expression in the kernel, made of literals; waits for a cell that runs."""
        text = self.page.evaluate(
            """async (expression) => {
                const { kernel } = window.jupyterapp.shell.currentWidget.sessionContext.session;
                const request = {
                    code: "", silent: true, store_history: false, user_expressions: { value: expression },
                };
                const { value } = (await kernel.requestExecute(request, true).done).content.user_expressions;
                return value.status === "ok" ? value.data["text/plain"] : `${value.ename}: ${value.evalue}`;
            }""",
            expression,
        )
        return ast.literal_eval(text)
