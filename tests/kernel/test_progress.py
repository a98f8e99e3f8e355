"""Progress in a real kernel: one display, updated as often as a browser can bear."""

from support.hostile_platform import HostilePlatform, world
from support.kernels import Kernel

SHOW = """
from collections import Counter
from versori_magics.cleanup.executor import Progress
from versori_magics.notebook.display.progress import ProgressDisplay
show = ProgressDisplay()
def at(done, seconds, **options):
    given = {"in_flight": 8, "outcomes": Counter(deleted=done), "paused": 0.0, "stopping": False, **options}
    show(Progress(planned=1000, done=done, seconds=seconds, **given))
"""


def test_two_seconds_of_a_run_update_one_display_twenty_times_and_the_last_state_stays(kernel: Kernel) -> None:
    cell = kernel.ok(f"{SHOW}\nfor n in range(1000): at(n, n / 500)\nfor _ in range(32): at(1000, 2.0, in_flight=0)")
    assert len(cell.outputs) == 1
    assert 15 <= cell.updates <= 21
    assert cell.text.startswith("1,000 of 1,000 done (1,000 deleted)")


def test_once_it_stops_what_is_in_flight_is_counted_down_to_a_last_state(kernel: Kernel) -> None:
    cell = kernel.ok(
        f"{SHOW}\nfor n in range(33): at(500 + n, 1 + n / 1000, in_flight=32 - n, stopping=True)\n"
        "for _ in range(32): at(532, 1.1, in_flight=0, stopping=True)"
    )
    assert len(cell.outputs) == 1
    assert cell.updates == 1
    assert cell.text.startswith(
        "532 of 1,000 done (532 deleted) · 468 left, 0 in flight · stopping: nothing more is sent"
    )


def test_a_run_of_32_workers_is_one_display_that_ends_with_all_that_was_planned(
    kernel: Kernel, platform: HostilePlatform
) -> None:
    platform.reset(world(free=200), latency=0.1)
    kernel.ok("df = %versori_connections . --usage")
    cell = kernel.ok("r = %versori_delete . df --yes --max 200 --workers 32")
    assert len(cell.outputs) == 1
    assert 2 <= cell.updates <= 10 * cell.seconds + 2
    assert cell.text.startswith("200 of 200 done (200 deleted)")


def test_where_nothing_is_sent_there_is_no_progress(kernel: Kernel, platform: HostilePlatform) -> None:
    platform.reset(world(static=3))
    kernel.ok("df = %versori_connections . --usage")
    assert kernel.ok("r = %versori_delete . df --yes").outputs == []
