"""One JupyterLab and one Chromium for all tests; without them the tests skip, except in CI, where they fail."""

from __future__ import annotations

import os
import re
import shutil
import tempfile
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from browser.lab import Lab
    from playwright.sync_api import BrowserContext, Page, Request, WebSocket

if os.environ.get("CI"):  # where the tests would skip, CI stops here
    import jupyterlab  # noqa: F401
    import playwright.sync_api  # noqa: F401


def _missing(reason: str) -> None:
    if os.environ.get("CI"):
        pytest.fail(f"CI must run the browser tests: {reason}")
    pytest.skip(reason)


@pytest.fixture(scope="session")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    try:
        import jupyterlab  # noqa: F401
        from browser.lab import Lab
    except ImportError as error:
        _missing(f"JupyterLab is missing: {error}")
    started = Lab(tmp_path_factory.mktemp("lab"))
    yield started
    started.close()


# For a module, not the session: Playwright keeps an event loop running in this thread, and while there is one, nothing
# else in the process can talk to a kernel the blocking way (nbval and the kernel tests do).
@pytest.fixture(scope="module")
def browser(lab: Lab) -> Iterator[BrowserContext]:
    try:
        from browser.lab import BROWSER
        from playwright.sync_api import Error, sync_playwright
    except ImportError as error:
        _missing(f"Playwright is missing: {error}")
    chromium = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    with sync_playwright() as playwright, tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        try:
            context = playwright.chromium.launch_persistent_context(
                profile,
                executable_path=chromium,  # None: the one that Playwright installed, if it did
                args=list(BROWSER),
                viewport={"width": 1400, "height": 1000},
            )
        except Error as error:
            _missing(f"no Chromium: {str(error).splitlines()[0]}")
        yield context
        context.close()


@pytest.fixture
def other_hosts(lab: Lab, browser: BrowserContext) -> Iterator[list[str]]:
    """Requests to any other host than JupyterLab; one fails the test."""
    asked: list[str] = []

    own = (f"{lab.base}/", f"{lab.base.replace('http', 'ws', 1)}/", "data:", "blob:", "about:")

    def note(asking: Request | WebSocket) -> None:
        if not asking.url.startswith(own):
            asked.append(asking.url)

    def watch(page: Page) -> None:
        page.on("websocket", note)

    browser.on("request", note)
    browser.on("page", watch)
    yield asked
    browser.remove_listener("request", note)
    browser.remove_listener("page", watch)
    assert not asked, f"requests to other hosts: {asked}"


@pytest.fixture
def axe(page: Page) -> Callable[[str], list[Any]]:
    """Return what axe-core finds serious or critical in a part of the page: (rule, element, why)."""
    try:
        from axe_playwright_python.sync_playwright import Axe
    except ImportError as error:
        _missing(f"axe-core is missing: {error}")

    def judge(selector: str) -> list[Any]:
        # JupyterLab's body has no height and hides what overflows it: axe takes all for hidden and judges no colour.
        page.evaluate("document.body.style.height = '100vh'")
        found = Axe().run(page, selector, {}).response
        passed = [node for one in found["passes"] if one["id"] == "color-contrast" for node in one["nodes"]]
        assert any((check["data"] or {}).get("contrastRatio") for node in passed for check in node["any"])
        return [
            (one["id"], node["html"], node["failureSummary"])
            for one in found["violations"]
            if one["impact"] in {"serious", "critical"}
            for node in one["nodes"]
        ]

    return judge


@pytest.fixture
def page(lab: Lab, browser: BrowserContext, other_hosts: list[str], request: pytest.FixtureRequest) -> Iterator[Page]:
    """A fresh page; at the end it is photographed and the kernels are shut down."""
    opened = browser.new_page()
    errors: list[str] = []
    opened.on("pageerror", lambda error: errors.append(str(error)))
    yield opened
    from browser.lab import SCREENSHOTS

    SCREENSHOTS.mkdir(exist_ok=True)
    opened.screenshot(path=SCREENSHOTS / f"{re.sub(r'[^a-z0-9]+', '-', request.node.name.lower()).strip('-')}.png")
    opened.close()
    lab.kill_kernels()
    assert not errors, f"errors in the page: {errors}"
