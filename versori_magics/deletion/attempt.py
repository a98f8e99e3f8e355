"""An attempt: one row, from its first send to its outcome."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from versori_magics.deletion.report import Ended, Outcome
from versori_magics.errors import ApiError, NotFoundError, PlatformError
from versori_magics.platform import retry
from versori_magics.text import one_line

if TYPE_CHECKING:
    from versori_magics.deletion.engine import Engine
    from versori_magics.deletion.plan import PlanRow

# The platform publishes neither status nor code of "in use": 409 means it by HTTP, else its words have to tell.
_IN_USE = re.compile(r"\b(in[ -]use|used by|being used)\b", re.IGNORECASE)
_A_YEAR = 31_536_000.0


class Attempt:
    """One row of a run; `go` returns its outcome, always.

    Parameters
    ----------
    engine : Engine
        The run: its gate, journal, clock and stop event.
    row : PlanRow
        Which connection.
    """

    def __init__(self, engine: Engine, row: PlanRow) -> None:
        self.engine = engine
        self.row = row
        self.announced = False  # whether the next send is in the journal already
        self.sends = 0
        self.turn = 0
        self.failures: list[PlatformError] = []  # of this turn
        self.met: set[int | str] = set()  # kinds of failure
        self.first: float | None = None  # when it was first taken up
        self.failure: PlatformError | None = None
        self.lost = False  # some send may have been done without our learning it
        self.pending = False  # a send before the last one was lost: it may still be on its way

    def go(self) -> Ended | None:
        """Send until there is an outcome, and return it; None asks for another turn. Never raises."""
        engine = self.engine
        if self.turn and not retry.another_turn(engine.policy, self.turn, self.failures, engine.overcome):
            return self._given_up()
        self.turn += 1
        self.before = self.sends
        self.failures = []
        self.began = engine.clock.now()
        self.waited = 0.0  # behind the gate; does not count against the row
        self.first = self.began if self.first is None else self.first
        while True:
            if not self._send():
                return self.interrupted()
            failure = self.failure
            if failure is None:
                engine.overcome.update(self.met)
                return self._ended(Outcome.DELETED, status=204)
            if isinstance(failure, NotFoundError) and failure.documented:
                engine.overcome.update(self.met)
                return self._ended(Outcome.DELETED if self.lost else Outcome.ALREADY_GONE, status=404)
            self.failures.append(failure)
            self.met.add(retry.kind(failure))
            self.pending = self.lost
            self.lost = self.lost or retry.proves_nothing(failure)
            elapsed = engine.clock.now() - self.began - self.waited
            choice = retry.decide(engine.policy, self.sends - self.before, elapsed, failure, engine.rng.random())
            if isinstance(choice, retry.GiveUp):
                # Whether another turn makes sense is known once all others have had theirs.
                later = self.turn < engine.policy.turns and all(map(retry.is_transient, self.failures))
                return None if later and not engine.stop.is_set() else self._given_up()
            if not choice.pause and not engine.clock.wait(engine.stop, choice.wait):
                return self.interrupted()

    def _pause(self, seconds: float) -> None:
        engine = self.engine
        if seconds <= engine.policy.longest_pause:
            engine.gate.pause(seconds)
            return
        when = (datetime.now(UTC) + timedelta(seconds=min(seconds, _A_YEAR))).strftime("%Y-%m-%d %H:%M UTC")
        engine.halt(f"the platform asks to come back in {seconds:,.0f} s, at {when}")

    def _send(self) -> bool:
        """Send once; False where it must not be sent any more."""
        engine = self.engine
        # Before the gate and not behind it: the disk's time is then nobody else's.
        if not self.announced:
            engine.announce(self)
        self.announced = False
        before = engine.clock.now()
        if not engine.gate.enter():
            return False
        self.waited += engine.clock.now() - before
        eased = False
        try:
            self.sends += 1
            failure = self.failure = self._delete()
            # What it means for all others must be known before the next one is let in.
            engine.note_answer(failure)
            pause = None if failure is None else retry.asked_pause(failure)
            if pause is not None:
                self._pause(pause)
            eased = isinstance(failure, ApiError) and failure.status == 429  # noqa: PLR2004 - too many
        finally:
            engine.gate.leave(eased=eased)
        return True

    def _delete(self) -> PlatformError | None:
        try:
            self.engine.delete(self.row.id)
        except PlatformError as error:
            return error
        except Exception as error:  # noqa: BLE001 - whatever goes wrong, the row must end with an outcome
            return PlatformError(f"Something unforeseen happened while it was sent: {type(error).__name__}.")
        return None

    def interrupted(self) -> Ended:
        """Return the outcome of a row that the end of its run cuts off."""
        if self.sends == 0:
            return self._ended(Outcome.NOT_ATTEMPTED, message="the run was stopped before its turn")
        if self.lost:
            return self._ended(
                Outcome.UNKNOWN, message="the run was stopped before its lost answer could be cleared up"
            )
        return self._ended(Outcome.FAILED)

    def _given_up(self) -> Ended:
        """Return the outcome of a row whose sends are used up."""
        failure = self.failure
        status = failure.status if isinstance(failure, ApiError) else None
        refused = status is not None and 400 <= status < 500 and status not in retry.RETRIED_STATUSES  # noqa: PLR2004
        refusal = self._refusal() if refused else None
        # "In use", said by the platform itself, refuses a send that is still on its way as well: nothing was done.
        told = refusal == Outcome.IN_USE and isinstance(failure, ApiError) and failure.documented
        if told or not self.lost:
            return self._ended(refusal or Outcome.FAILED)
        stands = self._settle()
        if stands is False:
            return self._ended(
                Outcome.DELETED, message="its answer was lost; asked afterwards, the platform has it no more"
            )
        if stands and refusal and not self.pending:
            return self._ended(refusal)
        asked = "it still stood when asked afterwards" if stands else "and asking afterwards gave no answer"
        last = one_line(failure.message, 500) if failure else ""
        return self._ended(Outcome.UNKNOWN, message=f"an answer was lost, {asked}. Last: {last}")

    def _refusal(self) -> Outcome:
        failure = self.failure
        if isinstance(failure, ApiError):
            words = " ".join((failure.message, failure.details, *(text for _, text in failure.fields)))
            if failure.status == 409 or _IN_USE.search(words):  # noqa: PLR2004 - Conflict
                return Outcome.IN_USE
        return Outcome.REFUSED

    def _settle(self) -> bool | None:
        """Ask whether the connection stands; None where the run was stopped or no answer tells."""
        engine = self.engine
        if not engine.gate.enter():
            return None
        try:
            return engine.exists(self.row.id, engine.stop)
        except Exception:  # noqa: BLE001 - whatever goes wrong, nothing was learned, and the row must end
            return None
        finally:
            engine.gate.leave()

    def _ended(self, outcome: Outcome, *, status: int | None = None, message: str = "") -> Ended:
        failure = self.failure
        seconds = 0.0 if self.first is None else round(self.engine.clock.now() - self.first, 3)
        if isinstance(failure, ApiError) and outcome not in {Outcome.DELETED, Outcome.ALREADY_GONE}:
            return Ended(
                id=self.row.id,
                outcome=outcome,
                status=failure.status,
                code=failure.code,
                message=message or failure.message,
                fields=failure.fields,
                details=failure.details,
                attempts=self.sends,
                seconds=seconds,
            )
        text = message or (failure.message if failure is not None and status is None else "")
        return Ended(self.row.id, outcome, status=status, message=text, attempts=self.sends, seconds=seconds)
