"""The form's Cancel in several kernels, clicked as JupyterLab clicks: with messages on the shell channel.

The kernel decides where a click handler runs: in the main thread, in a subshell's thread, or in changing event loops.
Versions of ipykernel differ in this, so each is a real kernel here; `prepare_kernels.py` installs them.
"""

import json
import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import cache
from itertools import pairwise

import pytest
from kernel.prepare_kernels import FOLDER, VERSIONS, is_prepared
from support.hostile_platform import HostilePlatform, delay, world
from support.kernels import TIMEOUT, Kernel
from support.widget_page import WidgetPage

WITHOUT_SUBSHELLS, FIRST_WITH_SUBSHELLS = VERSIONS
INSTALLED = "installed"  # the ipykernel of the tests' environment
# (version, where clicks are handled)
ROUTES = [
    (WITHOUT_SUBSHELLS, "shell"),
    *((version, route) for version in (FIRST_WITH_SUBSHELLS, INSTALLED) for route in ("shell", "subshell")),
]
SECONDS_TO_STOP = 0.2  # from the click until nothing more is sent
WORKERS = 8
LATENCY = 0.1
ROWS = 200


@pytest.fixture
def platform(server: HostilePlatform) -> Iterator[HostilePlatform]:
    server.reset(world(free=ROWS, static=2))
    yield server
    server.verify()


def pythonpath_of(version: str) -> str:
    """Return the PYTHONPATH with which a version is the kernel; skip the test if it is not prepared, but not in CI."""
    if version == INSTALLED:
        return os.environ.get("PYTHONPATH", "")
    if not is_prepared(version):
        reason = f"ipykernel {version} is not in {FOLDER}: run python tests/kernel/prepare_kernels.py"
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)
    return os.pathsep.join(filter(None, [str(FOLDER / version), os.environ.get("PYTHONPATH")]))


@pytest.fixture(scope="module")
def kernel_of_version(env: dict[str, str]) -> Iterator[Callable[[str], Kernel]]:
    """A function that returns the kernel of a version, started at the first call."""
    with ExitStack() as stack:

        @cache
        def start(version: str) -> Kernel:
            kernel = stack.enter_context(Kernel({**env, "PYTHONPATH": pythonpath_of(version)}))
            running = kernel.value("__import__('ipykernel').__version__")
            if version == INSTALLED:
                assert int(running.split(".")[0]) >= 7, "the tests' environment must have subshells"
            else:
                assert running.startswith(f"{version}.")
            return kernel

        yield start


@pytest.fixture
def shared_kernel(request: pytest.FixtureRequest, kernel_of_version: Callable[[str], Kernel]) -> Kernel:
    return kernel_of_version(request.param)


@pytest.fixture
def page(kernel: Kernel, request: pytest.FixtureRequest) -> Iterator[WidgetPage]:
    """A form whose connections are listed."""
    opened = WidgetPage(kernel, uses_subshell=request.param == "subshell")
    kernel.ok(f"form = versori.form('.', max={ROWS})", stdin=True)
    opened.wait_until(lambda: any(opened.values("status")))
    wait_until_idle(opened)
    yield opened
    opened.close()


def in_kernels(routes: list[tuple[str, str]]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize(("shared_kernel", "page"), routes, indirect=True)


def wait_until_idle(page: WidgetPage) -> None:
    """Wait until no job is running."""
    page.wait_until(lambda: page.state("status").get("value") == "" and page.state("refresh").get("disabled") is False)


def review(page: WidgetPage, ids: list[str]) -> None:
    page.select_rows(ids)
    page.wait_until(lambda: page.state("preview").get("description") == f"Preview deletion of {len(ids)}")
    page.click("preview")


def agree(page: WidgetPage, words: str) -> None:
    page.wait_for_text("words", f"To delete, type: {words}")
    page.type("consent", words)
    page.click("delete")


def begin_run(page: WidgetPage, platform: HostilePlatform) -> None:
    """Begin to delete every free connection, and wait until some are gone."""
    platform.latency = LATENCY
    review(page, platform.world.free)
    agree(page, f"delete {ROWS}")
    platform.wait_for(lambda: len(platform.deleted) >= 3 * WORKERS, timeout=TIMEOUT)


def ids_by_outcome(kernel: Kernel) -> dict[str, set[str]]:
    """Return outcome -> ids, as the form's report has them."""
    rows: list[tuple[str, str]] = json.loads(
        kernel.value("__import__('json').dumps([(row.id, row.outcome.value) for row in form.report.rows])")
    )
    ids: dict[str, set[str]] = {}
    for id_, outcome in rows:
        ids.setdefault(outcome, set()).add(id_)
    assert sum(map(len, ids.values())) == len(rows)  # one outcome for each id
    return ids


def check_that_it_stopped(platform: HostilePlatform, clicked_at: float) -> None:
    """Judge by what arrived at the server, and when; a slow machine was slow before the click too."""
    arrivals: dict[int, list[float]] = {}
    for request in platform.deletes:
        arrivals.setdefault(request.connection, []).append(request.at)
    intervals = [later - earlier for times in arrivals.values() for earlier, later in pairwise(times)]
    after = [request.at - clicked_at for request in platform.deletes if request.at > clicked_at]
    assert [seconds for seconds in after if seconds > SECONDS_TO_STOP + max(intervals)] == []
    assert len(after) <= WORKERS * (1 + SECONDS_TO_STOP / LATENCY)
    assert len(platform.deletes) < ROWS / 2


@in_kernels(ROUTES)
def test_cancel_sends_nothing_more_and_reports_every_row_and_the_unfinished_rows_can_be_retried(
    kernel: Kernel, page: WidgetPage, platform: HostilePlatform
) -> None:
    begin_run(page, platform)
    clicked_at = page.click("cancel")
    page.wait_for_text("report", "Cancelled:")
    wait_until_idle(page)
    check_that_it_stopped(platform, clicked_at)

    gone, free = platform.deleted, set(platform.world.free)
    assert ids_by_outcome(kernel) == {"deleted": gone, "not_attempted": free - gone}
    assert len(platform.deletes) == len(gone)
    assert page.values("progress").count("Cancelled: nothing more is sent; requests in flight finish.") == 1
    assert "0 in flight · stopping: nothing more is sent" in page.values("progress")[-1]
    left = len(free - gone)
    assert f"{len(gone)} deleted, {left} not attempted" in page.values("report")[-1]
    assert page.state("cancel")["disabled"] is True

    platform.latency = 0
    page.click("retry")
    agree(page, f"delete {left}")
    page.wait_for_text("report", f"Finished: {ROWS} deleted.")
    wait_until_idle(page)
    assert ids_by_outcome(kernel) == {"deleted": free}
    assert all(platform.sends(id_) == 1 for id_ in free)

    review(page, platform.world.static)
    page.wait_for_text("question", "This plan deletes nothing.")
    assert set(page.values("error")) <= {""}


@in_kernels([route for route in ROUTES if route[1] == "subshell"])
def test_in_a_subshell_cancel_does_not_wait_for_a_running_cell(
    kernel: Kernel, page: WidgetPage, platform: HostilePlatform
) -> None:
    begin_run(page, platform)
    cell = kernel.begin("__import__('threading').Event().wait(600)")
    clicked_at = page.click("cancel")
    page.wait_for_text("report", "Cancelled:")
    check_that_it_stopped(platform, clicked_at)
    kernel.interrupt()
    assert kernel.finish(cell).failure["ename"] == "KeyboardInterrupt"
    assert ids_by_outcome(kernel)["deleted"] == platform.deleted


@in_kernels([ROUTES[0], ROUTES[-1]])
def test_cancel_while_the_rows_are_checked_again_sends_nothing(
    kernel: Kernel, page: WidgetPage, platform: HostilePlatform
) -> None:
    review(page, platform.world.free)
    page.wait_for_text("words", f"To delete, type: delete {ROWS}")
    before = len(platform.requests)
    platform.on("GET", "/connections", delay(0.5))
    agree(page, f"delete {ROWS}")
    platform.wait_for(lambda: len(platform.requests) > before, timeout=TIMEOUT)
    page.click("cancel")
    page.wait_for_text("report", f"Cancelled: {ROWS} not attempted.")
    assert platform.deletes == []
    assert ids_by_outcome(kernel) == {"not_attempted": set(platform.world.free)}
