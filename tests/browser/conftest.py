"""One JupyterLab and one Chromium for all tests; without them the tests are skipped, except in CI, where they fail."""

from __future__ import annotations

import os
import re
import shutil
import tempfile
from typing import TYPE_CHECKING, Any, NoReturn

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from playwright.sync_api import BrowserContext, Page, Request, WebSocket
    from support.jupyterlab import JupyterLab

if os.environ.get("CI"):  # fail here, because the tests would only be skipped
    import jupyterlab  # noqa: F401 - only its absence matters
    import playwright.sync_api  # noqa: F401 - only its absence matters


VIEWPORT: Any = {"width": 1400, "height": 1000}


def _skip_or_fail(reason: str) -> NoReturn:
    if os.environ.get("CI"):
        pytest.fail(f"CI must run the browser tests: {reason}")
    pytest.skip(reason)


@pytest.fixture(scope="session")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[JupyterLab]:
    try:
        import jupyterlab  # noqa: F401 - only its absence matters
        from support.jupyterlab import JupyterLab
    except ImportError as error:
        _skip_or_fail(f"JupyterLab is missing: {error}")
    server = JupyterLab(tmp_path_factory.mktemp("lab"))
    yield server
    server.close()


# For each module, not for the session: Playwright keeps an event loop running in this thread, and as long as it runs,
# nothing else in the process can use a blocking kernel client, as nbval and the kernel tests do.
@pytest.fixture(scope="module")
def browser(lab: JupyterLab) -> Iterator[BrowserContext]:
    try:
        from playwright.sync_api import Error, sync_playwright
        from support.jupyterlab import CHROMIUM_OPTIONS
    except ImportError as error:
        _skip_or_fail(f"Playwright is missing: {error}")
    chromium = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    with sync_playwright() as playwright, tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        try:
            context = playwright.chromium.launch_persistent_context(
                profile,
                executable_path=chromium,  # None means the one that Playwright installed, if it did
                args=list(CHROMIUM_OPTIONS),
                viewport=VIEWPORT,
            )
        except Error as error:
            _skip_or_fail(f"Chromium is missing: {str(error).splitlines()[0]}")
        yield context
        context.close()


@pytest.fixture
def other_hosts(lab: JupyterLab, browser: BrowserContext) -> Iterator[list[str]]:
    """Addresses of requests to any host other than JupyterLab; at the end a single one fails the test."""
    addresses: list[str] = []
    own_addresses = (f"{lab.url}/", f"{lab.url.replace('http', 'ws', 1)}/", "data:", "blob:", "about:")

    def record(request: Request | WebSocket) -> None:
        if not request.url.startswith(own_addresses):
            addresses.append(request.url)

    def watch_sockets(page: Page) -> None:
        page.on("websocket", record)

    browser.on("request", record)
    browser.on("page", watch_sockets)
    pages = browser.pages  # the tests share one
    for page in pages:
        watch_sockets(page)
    yield addresses
    browser.remove_listener("request", record)
    browser.remove_listener("page", watch_sockets)
    for page in pages:
        page.remove_listener("websocket", record)
    assert not addresses, f"requests to other hosts: {addresses}"


@pytest.fixture
def axe(page: Page) -> Callable[[str], list[Any]]:
    """Return a function that lists the serious and critical violations in a part of the page: (rule, element, why)."""
    try:
        from axe_playwright_python.sync_playwright import Axe
    except ImportError as error:
        _skip_or_fail(f"axe-core is missing: {error}")

    def violations(selector: str) -> list[Any]:
        # JupyterLab's body has no height and hides its overflow: axe would treat everything as hidden and skip colours.
        page.evaluate("document.body.style.height = '100vh'")
        # Every violation, but only one example of what passes, because thousands of those would take most of the time.
        options = {"resultTypes": ["violations"]}
        script = {"axe_script": "null"} if page.evaluate("() => 'axe' in window") else {}
        response = Axe(**script).run(page, selector, options).response
        contrast_nodes = [
            node for rule in response["passes"] if rule["id"] == "color-contrast" for node in rule["nodes"]
        ]
        assert any((check["data"] or {}).get("contrastRatio") for node in contrast_nodes for check in node["any"])
        return [
            (rule["id"], node["html"], node["failureSummary"])
            for rule in response["violations"]
            if rule["impact"] in {"serious", "critical"}
            for node in rule["nodes"]
        ]

    return violations


class Tab:
    """The page that the tests of a module share, because JupyterLab takes seconds to load.

    The notebooks that a test opened are closed after it, and their kernels keep only imported modules for the next one.
    """

    def __init__(self, lab: JupyterLab, browser: BrowserContext) -> None:
        self._lab, self._browser = lab, browser
        self._page: Page | None = None
        self.errors: list[str] = []

    def page(self) -> Page:
        """Return the page: a new one if there is none, or if it was closed."""
        if self._page is None or self._page.is_closed():
            self._page = self._browser.new_page()
            self._page.on("pageerror", lambda error: self.errors.append(str(error)))
        self._page.set_viewport_size(VIEWPORT)
        return self._page

    def clear(self) -> bool:
        """Close the notebooks, and return whether JupyterLab and their kernels are as good as new."""
        from support.jupyterlab import close_notebooks

        return not self.page().evaluate("() => Boolean(window.jupyterapp)") or close_notebooks(self.page())

    def discard(self) -> None:
        """Leave nothing."""
        if self._page is not None:
            self._page.close()
        self._lab.shut_down_kernels()


@pytest.fixture(scope="module")
def shared_tab(lab: JupyterLab, browser: BrowserContext) -> Iterator[Tab]:
    tab = Tab(lab, browser)
    yield tab
    tab.discard()


@pytest.fixture
def tab(shared_tab: Tab, other_hosts: list[str], request: pytest.FixtureRequest) -> Iterator[Tab]:
    """A tab without an open notebook; at the end a screenshot is saved."""
    failed_before = request.session.testsfailed
    shared_tab.errors.clear()
    yield shared_tab
    from support.jupyterlab import SCREENSHOTS

    SCREENSHOTS.mkdir(exist_ok=True)
    file_name = re.sub(r"[^a-z0-9]+", "-", request.node.name.lower()).strip("-")
    shared_tab.page().screenshot(path=SCREENSHOTS / f"{file_name}.png")
    # After a failure nothing is known about the page and its kernel.
    if request.session.testsfailed > failed_before or not shared_tab.clear():
        shared_tab.discard()
    assert not shared_tab.errors, f"errors in the page: {shared_tab.errors}"


@pytest.fixture
def page(tab: Tab) -> Page:
    return tab.page()
