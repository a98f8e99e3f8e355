"""The stop button, as a real SIGINT to a real kernel."""

import time
from collections.abc import Callable

import pytest
from support.hostile_platform import FOREVER, HostilePlatform, delay, world
from support.kernels import Kernel

WORKERS = 8
SECONDS_TO_STOP = 5.0  # many times what it takes on a slow machine, a fraction of what a hanging request takes


def is_usable(kernel: Kernel) -> bool:
    return kernel.value("6 * 7") == "42"


def state(kernel: Kernel) -> str:
    return kernel.value("versori.runs().iloc[0]['state']")


def count(kernel: Kernel, outcome: str) -> int:
    return int(kernel.value(f"int(versori.runs().iloc[0]['{outcome}'])"))


def test_a_press_during_a_run_sends_nothing_more_and_reports_every_row(
    kernel: Kernel, platform: HostilePlatform
) -> None:
    platform.reset(world(free=200), latency=0.1)
    kernel.ok("df = %versori_connections . --usage")
    cell = kernel.begin("%versori_delete . df --yes --max 200")
    platform.wait_for(lambda: len(platform.deletes) >= 30, timeout=60)
    before = len(platform.deletes)
    pressed_at = time.monotonic()
    kernel.interrupt()
    kernel.finish(cell)
    assert time.monotonic() - pressed_at < SECONDS_TO_STOP
    assert len(platform.deletes) <= before + 2 * WORKERS  # in flight, or begun before the signal arrived
    assert cell.failure["ename"] == "KeyboardInterrupt"
    assert "The run ended early: the stop button was pressed." in cell.text
    assert f"{len(platform.deleted)} deleted" in cell.text
    assert "%versori_resume" in cell.text

    assert is_usable(kernel)
    assert state(kernel) == "stopped"
    assert count(kernel, "deleted") == len(platform.deleted) == len(platform.deletes)
    assert count(kernel, "deleted") + count(kernel, "not_attempted") == 200
    platform.latency = 0
    sent = len(platform.deletes)
    assert kernel.ok("report = versori.resume(versori.runs().iloc[0]['run'], yes=True)").error is None
    assert platform.deleted == set(platform.world.free)
    assert len(platform.deletes) == 200
    assert len(platform.deletes) > sent
    assert state(kernel) == "finished"
    assert count(kernel, "deleted") == 200


def test_a_second_press_returns_at_once_even_if_requests_hang(kernel: Kernel, platform: HostilePlatform) -> None:
    platform.reset(world(free=20))
    platform.on("DELETE", "", delay(600), times=FOREVER)
    kernel.ok("df = %versori_connections . --usage")
    cell = kernel.begin("%versori_delete . df --yes")
    platform.wait_for(lambda: len(platform.deletes) == WORKERS, timeout=60)
    kernel.interrupt()
    time.sleep(0.5)  # so that the kernel receives two presses and not one
    pressed_at = time.monotonic()
    kernel.interrupt()
    kernel.finish(cell)
    assert time.monotonic() - pressed_at < SECONDS_TO_STOP
    assert cell.failure["ename"] == "KeyboardInterrupt"
    assert f"{WORKERS} unclear, {20 - WORKERS} not attempted" in cell.text
    assert is_usable(kernel)
    assert state(kernel) == "running"  # its requests still hang
    assert len(platform.deletes) == WORKERS

    platform.reset(world(free=20))
    kernel.ok("import time\nwhile versori.runs().iloc[0]['state'] == 'running': time.sleep(0.05)")
    assert state(kernel) == "stopped"
    assert platform.deletes == []
    assert count(kernel, "unknown") == WORKERS
    kernel.ok("report = versori.resume(versori.runs().iloc[0]['run'], yes=True)")
    assert platform.deleted == set(platform.world.free)


@pytest.mark.parametrize(("rows", "prompt"), [(1, "Delete it? y/N"), (5, "Type delete 5")])
def test_a_press_at_the_prompt_sends_nothing(kernel: Kernel, platform: HostilePlatform, rows: int, prompt: str) -> None:
    kernel.ok(f"df = %versori_connections . --usage\ndf = df.head({rows})")
    cell = kernel.run("%versori_delete . df", kernel.interrupt)
    assert prompt in cell.prompts[0]
    assert cell.failure["ename"] == "KeyboardInterrupt"
    assert platform.deletes == []
    assert is_usable(kernel)
    assert kernel.value("len(versori.runs())") == "0"


def has_requested(platform: HostilePlatform, path: str) -> Callable[[], bool]:
    return lambda: any(path in request.path for request in platform.requests)


@pytest.mark.parametrize("path", ["/connections$", "/projects$", "/activations$"])
def test_a_press_while_connections_are_listed_returns_and_the_kernel_is_usable(
    kernel: Kernel, platform: HostilePlatform, path: str
) -> None:
    platform.on("GET", path, delay(600))
    cell = kernel.begin("df = %versori_connections . --usage")
    platform.wait_for(has_requested(platform, path.strip("$")), timeout=60)
    time.sleep(0.2)  # the client is waiting for the answer now
    pressed_at = time.monotonic()
    kernel.interrupt()
    kernel.finish(cell)
    assert time.monotonic() - pressed_at < SECONDS_TO_STOP
    assert cell.failure["ename"] == "KeyboardInterrupt"
    assert is_usable(kernel)
    kernel.ok("df = %versori_connections . --usage")
    assert kernel.value("len(df)") == "5"


def test_the_verbose_traceback_of_a_press_shows_no_token_and_no_frame_of_the_http_library(
    kernel: Kernel, platform: HostilePlatform
) -> None:
    kernel.ok("%xmode Verbose")
    platform.on("GET", "/connections$", delay(600))
    cell = kernel.begin("df = %versori_connections . --usage")
    platform.wait_for(has_requested(platform, "/connections"), timeout=60)
    time.sleep(0.2)
    kernel.interrupt()
    kernel.finish(cell)
    assert cell.failure["ename"] == "KeyboardInterrupt"
    trace = "".join(cell.failure["traceback"])
    assert "api/client.py" in trace
    assert "/httpx/" not in trace
    kernel.run("%tb")
    kernel.ok("%xmode Context")
    assert not [text for text in kernel.received if platform.token in text]


PRESS_DURING_DISPLAY = """
import signal
from versori_magics.notebook.display.results import DeletionReport
shown = DeletionReport._repr_mimebundle_
def press(self, *args, **options):
    signal.raise_signal(signal.SIGINT)
    return shown(self, *args, **options)
DeletionReport._repr_mimebundle_ = press
"""
PRESS_AFTER_DISPLAY = """
import signal
def press(_):
    get_ipython().events.unregister("post_run_cell", press)
    signal.raise_signal(signal.SIGINT)
"""


def test_a_press_while_the_report_is_displayed_does_not_hide_it(kernel: Kernel, platform: HostilePlatform) -> None:
    kernel.ok("df = %versori_connections . --usage")
    kernel.ok(PRESS_DURING_DISPLAY)
    cell = kernel.ok("report = %versori_delete . df --yes\nreport")
    kernel.ok("DeletionReport._repr_mimebundle_ = shown")
    assert "5 deleted" in cell.result["text/plain"]
    assert is_usable(kernel)
    assert kernel.value("report.counts['deleted']") == "5"


def test_a_press_in_the_last_moment_of_a_cell_does_not_lose_its_reply(
    kernel: Kernel, platform: HostilePlatform
) -> None:
    kernel.ok("df = %versori_connections . --usage")
    kernel.ok(PRESS_AFTER_DISPLAY)
    cell = kernel.ok("get_ipython().events.register('post_run_cell', press)\n%versori_delete . df --yes")
    assert "5 deleted" in cell.result["text/plain"]
    assert is_usable(kernel)


def test_a_press_after_a_run_stops_the_rest_of_the_cell(kernel: Kernel, platform: HostilePlatform) -> None:
    kernel.ok("df = %versori_connections . --usage")
    cell = kernel.run(
        "import signal, time\nreport = versori.delete('.', df, yes=True)\n"
        "signal.raise_signal(signal.SIGINT)\ntime.sleep(60)"
    )
    assert cell.failure["ename"] == "KeyboardInterrupt"
    assert cell.seconds < SECONDS_TO_STOP + 10
    assert kernel.value("report.counts['deleted']") == "5"


def test_a_press_between_two_runs_of_a_cell_sends_nothing_of_the_second(
    kernel: Kernel, platform: HostilePlatform
) -> None:
    kernel.ok("import signal\ndf = %versori_connections .\nids = list(df['id'])")
    cell = kernel.run(
        "first = versori.delete('.', ids[:2], yes=True)\nsignal.raise_signal(signal.SIGINT)\n"
        "second = versori.delete('.', ids[2:], yes=True)"
    )
    assert cell.failure["ename"] == "KeyboardInterrupt"
    assert platform.deleted == set(kernel.value("' '.join(ids[:2])").split())
    assert is_usable(kernel)
