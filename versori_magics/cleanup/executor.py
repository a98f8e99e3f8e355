"""The executor: worker threads that delete the rows of a run and record one outcome for each.

A worker checks the stop event before each send and in each wait, and finishes its current request. Each send is
journalled first. When the usage scan has become too old, the workers end, and the caller's thread scans again.
"""

from __future__ import annotations

import threading
from collections import Counter, deque
from dataclasses import dataclass
from typing import TYPE_CHECKING

from versori_magics.api.concurrency import NO_THREAD, start_threads, wait_for_threads
from versori_magics.catch import catch
from versori_magics.cleanup.records import Outcome
from versori_magics.cleanup.row_deletion import RowDeletion
from versori_magics.errors import JournalError, VersoriError
from versori_magics.text import number_of, one_line

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from versori_magics.cleanup.journal import Journal
    from versori_magics.cleanup.plan import PlanRow
    from versori_magics.cleanup.platform import Platform
    from versori_magics.cleanup.records import RowOutcome
    from versori_magics.cleanup.run_control import RunControl
    from versori_magics.cleanup.stop_button import StopButton
    from versori_magics.cleanup.usage_scan import Rechecked

# With this many workers or fewer, each row is journalled just before its own send, so that after kill -9 only
# requests in flight are unknown. Above it, one row more per four workers is journalled ahead, in the same fsync.
UNBATCHED_WORKERS = 8


@dataclass(frozen=True, slots=True)
class RunProgress:
    """The state of a run at one moment.

    Parameters
    ----------
    planned, done, in_flight : int
        Rows to delete, rows with an outcome, requests in flight.
    outcomes : Counter
        Outcome -> rows so far.
    seconds : float
        Since the start.
    pause_left : float
        Seconds until a pause that the platform asked for ends.
    is_stopping : bool
        Whether no further request will be sent.
    is_scanning : bool
        Whether the run finds out again who uses the connections that are left.
    latest : tuple of RowOutcome
        The outcomes since the last progress.
    """

    planned: int
    done: int
    in_flight: int
    outcomes: Counter[str]
    seconds: float
    pause_left: float
    is_stopping: bool
    is_scanning: bool = False
    latest: tuple[RowOutcome, ...] = ()


class Executor:
    """Deletes the rows of one run.

    Parameters
    ----------
    platform : Platform
        The platform.
    journal : Journal
        Open; the executor closes it.
    control : RunControl
        The shared state of the run.
    stop_button : StopButton
        Its `stop` event is that of `control`.
    workers : int
        Maximum number of concurrent requests, 1 to 32.
    unreviewed : int
        Unfinished rows that nobody agreed to, so that this run leaves them unfinished. Default 0.
    """

    def __init__(
        self,
        platform: Platform,
        journal: Journal,
        control: RunControl,
        stop_button: StopButton,
        *,
        workers: int,
        unreviewed: int = 0,
    ) -> None:
        self._platform = platform
        self._journal = journal
        self._control = control
        self._stop_button = stop_button
        self._workers = workers
        self._unreviewed = unreviewed
        self._lock = threading.Lock()
        self._claim_lock = threading.Lock()
        self._waiting: deque[RowDeletion] = deque()
        self._journalled: deque[RowDeletion] = deque()
        self._outcomes: Counter[str] = Counter()
        self._latest: list[RowOutcome] = []
        self._planned = 0
        self._is_scanning = False
        self._participants = 1  # the caller's thread and the workers; the last one closes the journal
        self._began = 0.0
        self.stopped = ""
        """Why the run ended before its last row; empty if it did not."""

    def run(self, rows: Sequence[PlanRow], on_progress: Callable[[RunProgress], None] | None = None) -> None:
        """Delete `rows`; afterwards each has an outcome in the journal's records, and the journal is closed.

        After a second press of the stop button it returns at once; the last worker then closes the journal.

        Parameters
        ----------
        rows : sequence of PlanRow
            The rows to delete.
        on_progress : callable, optional
            Called with the progress, about ten times a second and once at the end, in the caller's thread.
        """
        self._began = self._control.clock.now()
        self._waiting.extend(RowDeletion(row, self._platform, self._control, self._journal_sends) for row in rows)
        self._planned = len(rows)

        def keep_waiting() -> bool:
            if on_progress is not None:
                on_progress(self.progress())
            return not self._stop_button.pressed_twice

        try:
            self._run_workers(keep_waiting)
            while self._has_rows_for_another_scan():
                self._scan_again(keep_waiting)
                self._run_workers(keep_waiting)
        except BaseException:
            self._control.halt("it was interrupted")  # nobody would see further deletions, so stop
            raise
        finally:
            self._interrupt_journalled()
            self._leave()
        if on_progress is not None:
            on_progress(self.progress())

    def _run_workers(self, keep_waiting: Callable[[], bool]) -> None:
        """Run the workers until they end, or `keep_waiting` ends the wait."""
        count = min(self._workers, len(self._rows_left()))
        with self._lock:
            self._participants += count
        threads = start_threads(self._work, count)
        with self._lock:
            self._participants -= count - len(threads)
        if count and not threads:
            self._control.halt(f"no request can be sent: {NO_THREAD}; restart the kernel before you resume")
        wait_for_threads(threads, keep_waiting)

    def _rows_left(self) -> list[RowDeletion]:
        """Return the rows that no worker has; those that are journalled already come first."""
        return [*self._journalled, *self._waiting]

    def _has_rows_for_another_scan(self) -> bool:
        """Tell whether the workers have ended although rows are left: the usage scan has become too old for them."""
        with self._lock:
            is_alone = self._participants == 1
        return is_alone and not self._control.stop.is_set() and bool(self._rows_left())

    def _scan_again(self, keep_waiting: Callable[[], bool]) -> None:
        """Scan again for the rows that are left; no worker runs meanwhile."""
        rows, control = [deletion.row for deletion in self._rows_left()], self._control
        self._is_scanning = True
        rechecked = catch(
            lambda: control.scan.repeat(rows, lambda: keep_waiting() and not control.stop.is_set()), VersoriError
        )
        self._is_scanning = False
        if isinstance(rechecked, VersoriError):
            control.halt(_scan_failure(rechecked))
        else:
            self._keep_unchanged(rechecked)

    def _keep_unchanged(self, rechecked: Rechecked) -> None:
        """Take the rows that have changed out of the queue, and record their outcomes."""
        unchanged = {row.id for row in rechecked.unchanged}
        outcomes = {outcome.id: outcome for outcome in rechecked.outcomes}
        rows = self._rows_left()
        self._journalled.clear()
        self._waiting = deque(deletion for deletion in rows if deletion.row.id in unchanged)
        for deletion in rows:
            if deletion.row.id not in unchanged:
                self._finish(deletion.leave_run(outcomes[deletion.row.id]))

    def progress(self) -> RunProgress:
        """Return the state of the run now, with the outcomes since the last call."""
        with self._lock:
            outcomes, latest = Counter(self._outcomes), tuple(self._latest)
            self._latest.clear()
            done, unclaimed = outcomes.total(), len(self._waiting) + len(self._journalled)
            return RunProgress(
                planned=self._planned,
                done=done,
                in_flight=max(0, min(self._workers, self._planned - done - unclaimed)),
                outcomes=outcomes,
                seconds=self._control.clock.now() - self._began,
                pause_left=self._control.throttle.pause_left,
                is_stopping=self._control.stop.is_set(),
                is_scanning=self._is_scanning,
                latest=latest,
            )

    def _work(self) -> None:
        try:
            while not self._control.stop.is_set() and not self._control.scan.is_stale:
                deletion = self._claim()
                if deletion is None:
                    return
                outcome = deletion.run_turn()
                if outcome is not None:
                    self._finish(outcome)
                    continue
                self._put_back(deletion)
        finally:
            self._interrupt_journalled()
            self._leave()

    def _put_back(self, deletion: RowDeletion) -> None:
        with self._lock:
            if deletion.is_in_turn:  # it waits for the next usage scan only
                self._waiting.appendleft(deletion)
            else:
                self._waiting.append(deletion)  # its next turn comes after all others

    def _leave(self) -> None:
        with self._lock:
            self._participants -= 1
            is_last = self._participants == 0
        if is_last:
            self._close()

    def _claim(self) -> RowDeletion | None:
        """Return the next journalled row, or None."""
        with self._claim_lock:
            if not self._journalled:
                ahead = max(0, self._workers - UNBATCHED_WORKERS) // 4
                batch = [self._waiting.popleft() for _ in range(min(1 + ahead, len(self._waiting)))]
                unsent = [deletion for deletion in batch if not deletion.sends and not deletion.is_journalled]
                if unsent:
                    self._journal_sends(*unsent)
                self._journalled.extend(batch)
            return self._pop_journalled()

    def _pop_journalled(self) -> RowDeletion | None:
        # Check and take in one step: the main thread takes rows too, without the claim lock.
        try:
            return self._journalled.popleft()
        except IndexError:
            return None

    def _journal_sends(self, *deletions: RowDeletion) -> None:
        """Journal the next send of each row; if that fails, halt, so that none of them is sent."""
        try:
            self._journal.record_sends(*((deletion.row.id, deletion.sends + 1) for deletion in deletions))
        except JournalError as error:
            self._control.halt(_journal_failure(error))
        else:
            for deletion in deletions:
                deletion.is_journalled = True

    def _interrupt_journalled(self) -> None:
        """Once the run is stopped, record every journalled but unclaimed row as not sent."""
        while self._control.stop.is_set() and (deletion := self._pop_journalled()) is not None:
            self._finish(deletion.interrupt())

    def _finish(self, outcome: RowOutcome) -> None:
        with self._lock:
            self._outcomes[outcome.outcome] += 1
            self._latest.append(outcome)
        try:
            self._journal.record_outcomes(outcome)
        except JournalError as error:
            self._control.halt(_journal_failure(error))

    def _close(self) -> None:
        self._interrupt_journalled()
        for deletion in self._waiting:  # rows that waited for another turn or scan when the run stopped
            if deletion.sends or deletion.is_journalled:
                self._finish(deletion.interrupt())
        self.stopped = self._control.halt_reason
        if self._control.stop.is_set() and not self.stopped and self._has_unfinished_rows():
            self.stopped = "the stop button was pressed" if self._stop_button.pressed else "it was cancelled"
        if self._unreviewed and not self.stopped:
            rows = number_of(self._unreviewed, "connection")
            self.stopped = f"{rows} could not be deleted when the plan was made, but can be now: resume again to review"
        try:
            self._journal.record_end(self.stopped)
        except JournalError as error:
            self.stopped = self.stopped or _journal_failure(error)
        finally:
            self._journal.close()

    def _has_unfinished_rows(self) -> bool:
        """Tell whether the stop left a row unfinished."""
        unfinished = (Outcome.NOT_ATTEMPTED, Outcome.UNKNOWN, Outcome.FAILED)
        return bool(self._waiting) or any(self._outcomes[outcome] for outcome in unfinished)


def _scan_failure(error: VersoriError) -> str:
    problem = one_line(" ".join(text for text in (error.message, error.hint) if text), 600)
    return f"the connections that are left could not be checked again: {problem.rstrip('.')}"


def _journal_failure(error: JournalError) -> str:
    return "the journal could not be written" + (f" ({error.reason})" if error.reason else "")
