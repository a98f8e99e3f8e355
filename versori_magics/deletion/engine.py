"""The engine: workers, one outcome a row.

A worker finishes what it has in flight and looks at the stop event before each send and in each wait. Each send is in
the journal before it leaves.
"""

from __future__ import annotations

import random
import threading
from collections import Counter, deque
from dataclasses import dataclass
from typing import TYPE_CHECKING

from versori_magics.deletion.attempt import Attempt
from versori_magics.deletion.report import Outcome
from versori_magics.errors import ApiError, JournalError
from versori_magics.platform import retry
from versori_magics.platform.pace import Clock, Gate
from versori_magics.platform.workers import run_workers

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from versori_magics.deletion.interrupts import StopButton
    from versori_magics.deletion.journal import Journal
    from versori_magics.deletion.plan import PlanRow
    from versori_magics.deletion.report import Ended
    from versori_magics.errors import PlatformError

FORBIDDEN_IN_A_ROW = 3
# Up to so many workers, the default, rows are announced one by one: what kill -9 leaves open is what was in flight. For
# every four more a row is announced ahead, since making a line durable costs a third of what a request does.
ANNOUNCING_ALONE = 8


@dataclass(frozen=True, slots=True)
class Progress:
    """How a run stands.

    Parameters
    ----------
    planned, done, in_flight : int
        Rows to delete, rows with an outcome, requests under way.
    outcomes : Counter
        Outcome -> rows so far.
    seconds : float
        Since the start.
    paused : float
        Seconds for which the platform asked everybody to wait, from now.
    stopping : bool
        Whether no further request will be sent.
    ended : tuple of Ended
        The outcomes since the last progress.
    """

    planned: int
    done: int
    in_flight: int
    outcomes: Counter[str]
    seconds: float
    paused: float
    stopping: bool
    ended: tuple[Ended, ...] = ()


class Engine:
    """Carries out the rows of one run.

    Parameters
    ----------
    delete : callable
        Sends one DELETE; returns after 204, raises a `PlatformError` for everything else.
    exists : callable
        (id, stop) -> whether a connection stands, None where that cannot be learned.
    journal : Journal
        Open.
    button : StopButton
        Its `stop` event ends the run.
    workers : int
        Requests under way at most, 1 to 32.
    policy : retry.Policy, optional
        How often and how long.
    clock : Clock, optional
        The time and the waiting.
    rng : random.Random, optional
        For jitter.
    """

    def __init__(
        self,
        delete: Callable[[str], None],
        exists: Callable[[str, threading.Event], bool | None],
        journal: Journal,
        button: StopButton,
        *,
        workers: int,
        policy: retry.Policy | None = None,
        clock: Clock | None = None,
        rng: random.Random | None = None,
    ) -> None:
        self.delete = delete
        self.exists = exists
        self.journal = journal
        self._button = button
        self.stop = button.stop
        self._workers = workers
        self.policy = policy or retry.Policy()
        self.clock = clock or Clock()
        self.rng = rng or random.Random()  # noqa: S311 - jitter, not secrets
        self.gate = Gate(workers, self.stop, self.clock)
        self._lock = threading.Lock()
        self._taking = threading.Lock()
        self._left: deque[Attempt] = deque()
        self._announced: deque[Attempt] = deque()
        self._outcomes: Counter[str] = Counter()
        self._ended: list[Ended] = []
        self._planned = 0
        self._working = 0
        self._forbidden = 0
        self._began = 0.0
        self.overcome: set[int | str] = set()  # kinds of failure that rows met which have gone all the same
        self.stopped = ""

    def run(self, rows: Sequence[PlanRow], watch: Callable[[Progress], None] | None = None) -> None:
        """Delete `rows`; afterwards each has an outcome in the journal's records, and the journal is closed.

        After a second press of the stop button it returns at once; the last worker then closes the journal.

        Parameters
        ----------
        rows : sequence of PlanRow
            What to delete; nothing else is.
        watch : callable, optional
            Called with the progress, about ten times a second and once at the end, in the caller's thread.
        """
        self._began = self.clock.now()
        self._left.extend(Attempt(self, row) for row in rows)
        self._planned = len(rows)
        count = min(self._workers, len(rows))
        self._working = count

        def look() -> bool:
            if watch is not None:
                watch(self.progress())
            return not self._button.at_once

        try:
            if count:
                run_workers(self._work, count, look)
            else:
                self._close()
        except BaseException:
            self.halt("it was broken off")  # nobody watches any more, so nothing more is sent
            raise
        finally:
            self._take_back()
        if watch is not None:
            watch(self.progress())

    def progress(self) -> Progress:
        """Return how the run stands now, with the outcomes since the last call."""
        with self._lock:
            outcomes, ended = Counter(self._outcomes), tuple(self._ended)
            self._ended.clear()
            waiting = len(self._left) + len(self._announced)
            return Progress(
                planned=self._planned,
                done=outcomes.total(),
                in_flight=max(0, min(self._workers, self._planned - outcomes.total() - waiting)),
                outcomes=outcomes,
                seconds=self.clock.now() - self._began,
                paused=self.gate.paused,
                stopping=self.stop.is_set(),
                ended=ended,
            )

    def _work(self) -> None:
        try:
            while not self.stop.is_set():
                attempt = self._take()
                if attempt is None:
                    return
                ended = attempt.go()
                if ended is not None:
                    self._finish(ended)
                    continue
                with self._lock:
                    self._left.append(attempt)  # its next turn comes after all others
        finally:
            self._take_back()
            with self._lock:
                self._working -= 1
                last = self._working == 0
            if last:
                self._close()

    def _take(self) -> Attempt | None:
        """Return the next row, announced in the journal, or None."""
        with self._taking:
            if not self._announced:
                ahead = max(0, self._workers - ANNOUNCING_ALONE) // 4
                count = min(1 + ahead, len(self._left))
                some = [self._left.popleft() for _ in range(count)]
                fresh = [attempt for attempt in some if not attempt.sends]
                if fresh:
                    self.announce(*fresh)
                self._announced.extend(some)
            return self._next()

    def _next(self) -> Attempt | None:
        try:
            return self._announced.popleft()
        except IndexError:  # asked and done at once, since whoever takes back waits for nobody
            return None

    def _take_back(self) -> None:
        """Where the run was stopped, say of each row that is announced and nobody's that it was not sent."""
        while self.stop.is_set() and (attempt := self._next()) is not None:
            self._finish(attempt.interrupted())

    def _finish(self, ended: Ended) -> None:
        with self._lock:
            self._outcomes[ended.outcome] += 1
            self._ended.append(ended)
        try:
            self.journal.ended(ended)
        except JournalError as error:
            self.halt(f"the journal could not be written any more. {error.message}")

    def _close(self) -> None:
        for attempt in self._left:  # what waited for another turn when the run was stopped
            if attempt.sends:
                self._finish(attempt.interrupted())
        if self.stop.is_set() and not self.stopped and self._is_short():
            self.stopped = "the stop button was pressed" if self._button.pressed else "it was cancelled"
        try:
            self.journal.end(self.stopped)
        except JournalError as error:
            self.stopped = self.stopped or error.message
        finally:
            self.journal.close()

    def _is_short(self) -> bool:
        """Tell whether stopping kept a row from its end."""
        cut_off = (
            self._outcomes[Outcome.NOT_ATTEMPTED] + self._outcomes[Outcome.UNKNOWN] + self._outcomes[Outcome.FAILED]
        )
        return bool(self._left or cut_off)

    def halt(self, why: str) -> None:
        """Send nothing more; what is in flight finishes. The first reason stays."""
        with self._lock:
            self.stopped = self.stopped or why
        self.stop.set()

    def note_answer(self, failure: PlatformError | None) -> None:
        """Stop where an answer says that going on is senseless: 401 once, 403 three times in a row."""
        status = failure.status if isinstance(failure, ApiError) else None
        with self._lock:
            self._forbidden = self._forbidden + 1 if status == 403 else 0  # noqa: PLR2004 - Forbidden
            forbidden = self._forbidden
        if status == 401:  # noqa: PLR2004 - Unauthorised
            self.halt("the platform no longer accepts the token (401)")
        elif forbidden >= FORBIDDEN_IN_A_ROW:
            self.halt(f"the platform forbade {forbidden} deletions in a row (403)")

    def announce(self, *attempts: Attempt) -> None:
        """Write into the journal that rows are about to be sent; where that fails, they must not and will not be."""
        try:
            self.journal.sent(*((attempt.row.id, attempt.sends + 1) for attempt in attempts))
        except JournalError as error:
            self.halt(f"the journal could not be written any more. {error.message}")
        else:
            for attempt in attempts:
                attempt.announced = True
