"""The usage scan that the rows of a run rest on: how old it is, and the scan that replaces it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, NamedTuple

from versori_magics.api.concurrency import call_in_thread
from versori_magics.errors import PlatformError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from versori_magics.api.clock import Clock
    from versori_magics.cleanup.plan import PlanRow
    from versori_magics.cleanup.records import RowOutcome


class Rechecked(NamedTuple):
    """The result of a scan.

    Parameters
    ----------
    unchanged : list of PlanRow
        The rows that may still be deleted as planned.
    outcomes : list of RowOutcome
        The outcomes of all other rows.
    """

    unchanged: list[PlanRow]
    outcomes: list[RowOutcome]


@dataclass(frozen=True, slots=True)
class ScanLimits:
    """How old a scan may be, and how long it may take.

    Parameters
    ----------
    age : float
        Seconds from the beginning of a scan to the last DELETE that relies on it. Default 270: five minutes, less the
        half minute that a request may need to get a connection and to be written.
    seconds : float
        Longest duration of one scan. Default 240, so that half a minute is left in which rows can be deleted.
    """

    age: float = 270.0
    seconds: float = 240.0


class UsageScan:
    """Scans the rows of a run again whenever the last scan is too old; safe to use from several threads.

    Parameters
    ----------
    recheck : callable
        (rows) -> (unchanged rows, outcomes of the others), as of now.
    clock : Clock
        Source of time; tests replace it.
    limits : ScanLimits
        The limits.
    """

    def __init__(
        self,
        recheck: Callable[[Sequence[PlanRow]], tuple[list[PlanRow], list[RowOutcome]]],
        clock: Clock,
        limits: ScanLimits,
    ) -> None:
        self._recheck = recheck
        self._clock = clock
        self._limits = limits
        self._began = self._wall_began = float("-inf")

    @property
    def is_stale(self) -> bool:
        """Whether no DELETE may rely on the last scan any more; True if there was none."""
        # The first clock stands still while a laptop sleeps, and the other one can be set.
        age = max(self._clock.now() - self._began, abs(self._clock.wall_time() - self._wall_began))
        return age > self._limits.age

    def rely_on(self, began: str) -> None:
        """Rely on a scan that began at this time (RFC 3339), unless the time is too long ago or yet to come."""
        age = self._clock.wall_time() - datetime.fromisoformat(began).timestamp()
        if 0 <= age <= self._limits.age:
            self._began, self._wall_began = self._clock.now() - age, self._clock.wall_time() - age

    def repeat(self, rows: Sequence[PlanRow], keep_waiting: Callable[[], bool]) -> Rechecked:
        """Scan again.

        Parameters
        ----------
        rows : sequence of PlanRow
            The rows that are still to be deleted.
        keep_waiting : callable
            Called about ten times a second. If it returns False, the run has been stopped: the result of the scan is
            ignored, and all rows are returned as they were.

        Raises
        ------
        PlatformError
            If the scan fails, or took so long that its result must not be relied on.
        """
        began, wall_began = self._clock.now(), self._clock.wall_time()
        result = call_in_thread(lambda: self._recheck(rows), keep_waiting)
        if result is None:
            return Rechecked(list(rows), [])
        seconds = self._clock.now() - began
        if seconds > self._limits.seconds:
            raise PlatformError(
                f"Finding out who uses the connections took {seconds:,.0f} s. That is too long: by the time that they"
                " are deleted, somebody else may use them.",
                hint="Try again when the platform answers faster, or select fewer connections at a time, for example"
                " those of one system.",
            )
        self._began, self._wall_began = began, wall_began
        return Rechecked(*result)
