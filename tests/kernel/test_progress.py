"""Progress in a real kernel: one display, updated at most ten times a second."""

from support.hostile_platform import HostilePlatform, world
from support.kernels import Kernel

SHOW = """
from collections import Counter
from versori_magics.cleanup.executor import RunProgress
from versori_magics.notebook.display.progress import ProgressDisplay
show = ProgressDisplay()
def at(done, seconds, **options):
    state = {"in_flight": 8, "outcomes": Counter(deleted=done), "pause_left": 0.0, "is_stopping": False, **options}
    show(RunProgress(planned=1000, done=done, seconds=seconds, **state))
"""


def test_in_two_seconds_one_display_is_updated_twenty_times_and_keeps_the_last_state(kernel: Kernel) -> None:
    cell = kernel.ok(f"{SHOW}\nfor n in range(1000): at(n, n / 500)\nfor _ in range(32): at(1000, 2.0, in_flight=0)")
    assert len(cell.outputs) == 1
    assert 15 <= cell.updates <= 21
    assert cell.text.startswith("1,000 of 1,000 done (1,000 deleted)")


def test_a_run_that_stops_counts_the_requests_in_flight_down_to_a_last_state(kernel: Kernel) -> None:
    cell = kernel.ok(
        f"{SHOW}\nfor n in range(33): at(500 + n, 1 + n / 1000, in_flight=32 - n, is_stopping=True)\n"
        "for _ in range(32): at(532, 1.1, in_flight=0, is_stopping=True)"
    )
    assert len(cell.outputs) == 1
    assert cell.updates == 1
    assert cell.text.startswith(
        "532 of 1,000 done (532 deleted) · 468 left, 0 in flight · stopping: nothing more is sent"
    )


def test_a_run_with_32_workers_has_one_display_that_ends_with_every_planned_row(
    kernel: Kernel, platform: HostilePlatform
) -> None:
    platform.reset(world(free=200), latency=0.1)
    kernel.ok("df = %versori_connections . --usage")
    cell = kernel.ok("r = %versori_delete . df --yes --max 200 --workers 32")
    assert len(cell.outputs) == 1
    assert 2 <= cell.updates <= 10 * cell.seconds + 2
    assert cell.text.startswith("200 of 200 done (200 deleted)")


def test_a_run_that_sends_nothing_shows_no_progress(kernel: Kernel, platform: HostilePlatform) -> None:
    platform.reset(world(static=3))
    kernel.ok("df = %versori_connections . --usage")
    assert kernel.ok("r = %versori_delete . df --yes").outputs == []
