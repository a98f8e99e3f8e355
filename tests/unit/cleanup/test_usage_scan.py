import threading
from datetime import UTC, datetime, timedelta

import pytest
from support.cleanup_examples import InstantClock, make_id, plan_of, unchanged

from versori_magics.cleanup.records import Outcome, RowOutcome
from versori_magics.cleanup.usage_scan import Rechecked, ScanLimits, UsageScan
from versori_magics.errors import PlatformError

ROWS = plan_of(2).rows


class TwoClocks(InstantClock):
    """A clock whose wall time is set by the test."""

    wall = datetime(2026, 1, 1, tzinfo=UTC).timestamp()

    def wall_time(self) -> float:
        return self.wall


def ago(clock: TwoClocks, seconds: float) -> str:
    return (datetime.fromtimestamp(clock.wall, UTC) - timedelta(seconds=seconds)).isoformat()


def test_no_row_may_be_deleted_before_the_first_scan() -> None:
    scan = UsageScan(unchanged, TwoClocks(), ScanLimits())
    assert scan.is_stale
    assert scan.repeat(ROWS, lambda: True) == Rechecked(list(ROWS), [])
    assert not scan.is_stale


def test_scan_is_too_old_half_a_minute_before_five_minutes_are_over() -> None:
    clock = TwoClocks()
    scan = UsageScan(unchanged, clock, ScanLimits())
    scan.repeat(ROWS, lambda: True)
    clock.time += 270
    assert not scan.is_stale
    clock.time += 0.1
    assert scan.is_stale


def test_age_counts_from_the_beginning_of_the_scan() -> None:
    clock = TwoClocks()

    def recheck(rows: object) -> object:
        clock.time += 200
        return unchanged(ROWS)

    scan = UsageScan(recheck, clock, ScanLimits())  # type: ignore[arg-type]
    scan.repeat(ROWS, lambda: True)
    clock.time += 70
    assert not scan.is_stale
    clock.time += 1
    assert scan.is_stale


@pytest.mark.parametrize("hours", [8, -8])
def test_scan_is_too_old_after_the_machine_slept_or_its_clock_was_set(hours: int) -> None:
    clock = TwoClocks()
    scan = UsageScan(unchanged, clock, ScanLimits())
    scan.repeat(ROWS, lambda: True)
    clock.wall += 3_600 * hours  # while a laptop sleeps, the other clock stands still
    assert scan.is_stale


@pytest.mark.parametrize(("seconds", "is_stale"), [(0, False), (269, False), (271, True), (1e9, True), (-1, True)])
def test_plan_is_as_old_as_its_scan(seconds: float, is_stale: bool) -> None:
    clock = TwoClocks()
    scan = UsageScan(unchanged, clock, ScanLimits())
    scan.rely_on(ago(clock, seconds))
    assert scan.is_stale is is_stale


def test_age_of_a_plan_counts_against_the_run() -> None:
    clock = TwoClocks()
    scan = UsageScan(unchanged, clock, ScanLimits())
    scan.rely_on(ago(clock, 200))
    clock.time += 69
    assert not scan.is_stale
    clock.time += 2
    assert scan.is_stale


def test_scan_that_takes_more_than_four_minutes_is_an_error_that_says_what_to_do() -> None:
    clock = TwoClocks()

    def recheck(rows: object) -> object:
        clock.time += 241
        return unchanged(ROWS)

    scan = UsageScan(recheck, clock, ScanLimits())  # type: ignore[arg-type]
    with pytest.raises(PlatformError, match="Finding out who uses the connections took 241 s") as caught:
        scan.repeat(ROWS, lambda: True)
    assert "select fewer connections at a time" in caught.value.hint
    assert scan.is_stale


def test_result_of_a_scan_is_ignored_if_the_run_is_stopped_meanwhile() -> None:
    release = threading.Event()

    def recheck(rows: object) -> object:
        release.wait(30)
        return [], [RowOutcome(make_id(0), Outcome.CHANGED)]

    scan = UsageScan(recheck, TwoClocks(), ScanLimits())  # type: ignore[arg-type]
    assert scan.repeat(ROWS, lambda: False) == Rechecked(list(ROWS), [])
    assert scan.is_stale
    release.set()
