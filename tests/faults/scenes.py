"""What the tests of whole runs have in common."""

from collections.abc import Callable
from typing import Any

import pytest
from support.hostile_platform import FOREVER, Fault, HostilePlatform, RecordedRequest

from versori_magics.errors import RunStoppedError

SPEEDUP = 20  # waits pass so much faster if the test can choose the clock
ONE_SECOND = str(SPEEDUP)  # a Retry-After that then takes one real second


def outcome_counts(report: Any) -> dict[str, int]:
    """Return the outcomes that occur, with their numbers of rows."""
    return {outcome: count for outcome, count in report.counts.items() if count}


def error_of_stopped_run(run: Callable[[], Any]) -> RunStoppedError:
    with pytest.raises(RunStoppedError) as caught:
        run()
    return caught.value


def on_deletes(platform: HostilePlatform, decide: Callable[[int, RecordedRequest], Fault | None]) -> None:
    """Call `decide` with each DELETE as it arrives, and its number from 1."""
    numbers = iter(range(1, FOREVER))
    platform.decide = lambda request: decide(next(numbers), request) if request.method == "DELETE" else None
