"""The deletion of one row, from its first request to its outcome."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import msgspec

from versori_magics.api import retry
from versori_magics.cleanup.records import GONE, NOT_ATTEMPTED, Outcome, RowOutcome
from versori_magics.errors import ApiError, NotFoundError, PlatformError
from versori_magics.text import one_line

if TYPE_CHECKING:
    from collections.abc import Callable

    from versori_magics.cleanup.plan import PlanRow
    from versori_magics.cleanup.platform import Platform
    from versori_magics.cleanup.run_control import RunControl

# The API does not document how it refuses to delete a connection in use: accept 409, or a message that says so.
_IN_USE = re.compile(r"\b(in[ -]use|used by|being used)\b", re.IGNORECASE)


class RowDeletion:
    """Sends the DELETEs of one row.

    A row whose sends all failed transiently may have another turn after all other rows. Before each send the usage scan
    is looked at: if it is too old, the row waits for the next one, and its turn goes on afterwards.

    Parameters
    ----------
    row : PlanRow
        The connection.
    platform : Platform
        The platform.
    control : RunControl
        Shared by all rows of the run.
    journal_send : callable
        (deletion) -> None. Writes the next send to the journal, or halts the run.

    Attributes
    ----------
    is_journalled : bool
        Whether the next send is in the journal already.
    sends : int
        DELETEs sent so far.
    is_in_turn : bool
        Whether its turn has begun and not ended.
    """

    def __init__(
        self, row: PlanRow, platform: Platform, control: RunControl, journal_send: Callable[[RowDeletion], None]
    ) -> None:
        self.row = row
        self.is_journalled = False
        self.sends = 0
        self.is_in_turn = False
        self._platform = platform
        self._control = control
        self._journal_send = journal_send
        self._turns = 0
        self._turn_failures: list[PlatformError] = []
        self._failure_types: set[int | str] = set()  # of all turns
        self._first_turn_began: float | None = None
        self._suspended_at = 0.0
        self._failure: PlatformError | None = None  # of the last send
        self._unclear: PlatformError | None = None  # of the last send that may have succeeded although it failed
        self._maybe_pending = False  # a send may still be carried out

    def run_turn(self) -> RowOutcome | None:
        """Send until there is an outcome, and return it. Never raises.

        Returns
        -------
        RowOutcome or None
            None if the row needs another turn, or its turn goes on after the next usage scan (`is_in_turn`).
        """
        control = self._control
        if self.is_in_turn:
            self._turn_began += control.clock.now() - self._suspended_at
        elif self._turns and not control.allows_another_turn(self._turns, self._turn_failures):
            return self._give_up()
        else:
            self._begin_turn()
        while True:
            if not self._send():
                self._suspended_at = control.clock.now()
                return self.interrupt() if control.stop.is_set() else None
            failure = self._failure
            if failure is None or (isinstance(failure, NotFoundError) and failure.documented):
                return self._gone_outcome(failure)
            self._record_failure(failure)
            elapsed = control.clock.now() - self._turn_began - self._throttled
            decision = control.decide(self.sends - self._sends_before_turn, elapsed, failure)
            if isinstance(decision, retry.GiveUp):
                self.is_in_turn = False
                return None if self._may_wait_for_another_turn() else self._give_up()
            if not decision.pause and not control.clock.wait(control.stop, decision.wait):
                return self.interrupt()

    def _begin_turn(self) -> None:
        self._turns += 1
        self.is_in_turn = True
        self._turn_failures = []
        self._sends_before_turn = self.sends
        self._turn_began = self._control.clock.now()
        self._throttled = 0.0  # seconds waited in the throttle, which do not count against the row
        if self._first_turn_began is None:
            self._first_turn_began = self._turn_began

    def _send(self) -> bool:
        """Send once; False if the run stopped first, or the usage scan has become too old."""
        control = self._control
        # Before the throttle: waiting for the disk there would hold back other rows.
        if not self.is_journalled:
            self._journal_send(self)
        before = control.clock.now()
        if not control.throttle.acquire():
            return False
        self._throttled += control.clock.now() - before
        if control.scan.is_stale:  # the last thing before the request: the throttle may have paused for two minutes
            control.throttle.withdraw()
            return False
        self.is_journalled = False
        too_many = False
        try:
            self.sends += 1
            failure = self._failure = self._delete()
            control.observe(failure)
            too_many = isinstance(failure, ApiError) and failure.status == 429  # noqa: PLR2004 - Too Many Requests
        finally:
            control.throttle.release(too_many=too_many)
        return True

    def _delete(self) -> PlatformError | None:
        try:
            self._platform.delete(self.row.id)
        except PlatformError as error:
            return error
        except Exception as error:  # noqa: BLE001 - whatever fails, the row must end with an outcome
            return PlatformError(f"An unexpected error occurred while it was sent: {type(error).__name__}.")
        return None

    def _record_failure(self, failure: PlatformError) -> None:
        self._turn_failures.append(failure)
        self._failure_types.add(retry.failure_type(failure))
        if retry.may_have_succeeded(failure):
            self._unclear = failure
            self._maybe_pending = self._maybe_pending or retry.may_still_be_carried_out(failure)

    def _may_wait_for_another_turn(self) -> bool:
        """Tell whether to ask again at the end of the run, when other rows show whether the failure was temporary."""
        control = self._control
        has_turns = self._turns < control.policy.turns
        return has_turns and all(map(retry.is_transient, self._turn_failures)) and not control.stop.is_set()

    def _gone_outcome(self, failure: PlatformError | None) -> RowOutcome:
        self._control.record_recovery(self._failure_types)
        if failure is None:
            return self._outcome(Outcome.DELETED, status=204)
        # A 404 to the first send means that somebody else deleted it; after an unclear response, that we did.
        return self._outcome(Outcome.DELETED if self._unclear else Outcome.ALREADY_GONE, status=404)

    def interrupt(self) -> RowOutcome:
        """Return the outcome of a row that is still unfinished when the run stops."""
        if self.sends == 0:
            return self._outcome(Outcome.NOT_ATTEMPTED, message=NOT_ATTEMPTED)
        if self._unclear:
            return self._outcome(
                Outcome.UNKNOWN,
                message=f"{_describe(self._unclear)}, and the run stopped before the connection could be checked",
            )
        return self._outcome(Outcome.FAILED)

    def leave_run(self, outcome: RowOutcome) -> RowOutcome:
        """Return the outcome of a row that is not sent again, because of `outcome` in a new usage scan."""
        if not self.sends:
            return outcome
        if outcome.outcome in GONE and self._unclear:
            message = f"{_describe(self._unclear)}, but the connection no longer exists"
            return self._outcome(Outcome.DELETED, message=message)
        if outcome.outcome not in GONE and self._maybe_pending:
            message = f"{_describe(self._unclear)}, and the connection still existed afterwards; it is not sent again"
            return self._outcome(Outcome.UNKNOWN, message=f"{message} ({outcome.message})")
        return msgspec.structs.replace(outcome, attempts=self.sends, seconds=self._seconds)

    def _give_up(self) -> RowOutcome:
        """Return the outcome of a row that has no retries left."""
        refusal = self._refusal()
        # A documented "in use" also refuses an earlier send that has yet to arrive: nothing was deleted.
        documented = isinstance(self._failure, ApiError) and self._failure.documented
        if self._unclear is None or (refusal == Outcome.IN_USE and documented):
            return self._outcome(refusal or Outcome.FAILED)
        exists = self._exists()
        if exists is False:
            return self._outcome(
                Outcome.DELETED, message=f"{_describe(self._unclear)}, but the connection no longer exists"
            )
        if exists and not self._maybe_pending:
            return self._outcome(refusal or Outcome.FAILED)
        check = "the connection still existed afterwards" if exists else "the check afterwards failed too"
        last_error = one_line(self._failure.message, 500) if self._failure else ""
        return self._outcome(
            Outcome.UNKNOWN, message=f"{_describe(self._unclear)}, and {check}. Last error: {last_error}"
        )

    def _refusal(self) -> Outcome | None:
        """Return the outcome for a 4xx; None if the last failure is not a refusal."""
        failure = self._failure
        if not isinstance(failure, ApiError) or failure.status in retry.RETRIED_STATUSES:
            return None
        if not 400 <= failure.status < 500:  # noqa: PLR2004 - the 4xx range
            return None
        words = " ".join((failure.message, failure.details, *(field.message for field in failure.fields)))
        in_use = failure.status == 409 or _IN_USE.search(words)  # noqa: PLR2004 - Conflict
        return Outcome.IN_USE if in_use else Outcome.REFUSED

    def _exists(self) -> bool | None:
        """Check whether the connection exists; None if the run stopped or there is no response."""
        control = self._control
        if not control.throttle.acquire():
            return None
        try:
            return self._platform.exists(self.row.id, control.stop)
        except Exception:  # noqa: BLE001 - any failure leaves it unknown, and the row must end
            return None
        finally:
            control.throttle.release()

    @property
    def _seconds(self) -> float:
        began = self._first_turn_began
        return 0.0 if began is None else round(self._control.clock.now() - began, 3)

    def _outcome(self, outcome: Outcome, *, status: int | None = None, message: str = "") -> RowOutcome:
        failure, seconds = self._failure, self._seconds
        if isinstance(failure, ApiError) and outcome not in {Outcome.DELETED, Outcome.ALREADY_GONE}:
            return RowOutcome(
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
        return RowOutcome(self.row.id, outcome, status=status, message=text, attempts=self.sends, seconds=seconds)


def _describe(failure: PlatformError | None) -> str:
    """Return in words what came back for a send that may have succeeded although it failed."""
    return (
        f"the deletion was answered with HTTP {failure.status}"
        if isinstance(failure, ApiError)
        else "no response arrived"
    )
