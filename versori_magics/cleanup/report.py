"""The report: the outcome of each row of a run, read from the records of its journal and nothing else."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import msgspec

from versori_magics.cleanup.records import (
    NOT_ATTEMPTED,
    OUTCOME_OF_VERDICT,
    Outcome,
    Record,
    RowOutcome,
    RowPlanned,
    RowSent,
    RunClosed,
    RunHeader,
    RunResumed,
    outcomes_in_words,
)
from versori_magics.errors import FieldError, UnfinishedError
from versori_magics.next_step import Action, NextStep

if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Self

    from versori_magics.cleanup.plan import PlanRow

_TOKEN_REFUSED = frozenset({401, 403})
_NOT_DELETED = (Outcome.REFUSED, Outcome.CHANGED, Outcome.FAILED, Outcome.UNKNOWN, Outcome.NOT_ATTEMPTED)


class ReportRow(msgspec.Struct, frozen=True):
    """One row of a report; the names are the columns of `DeletionReport.frame`.

    Parameters
    ----------
    status : int or None
        HTTP status of the last response; None if there was none.
    code, message, details : str
        From the platform's last error, or this package's message.
    fields : tuple of FieldError
        The fields that the platform rejected.
    attempts : int
        DELETEs sent.
    seconds : float
        From the first send to the outcome.
    """

    id: str
    name: str
    outcome: Outcome
    status: int | None = None
    code: str | None = None
    message: str = ""
    fields: tuple[FieldError, ...] = ()
    details: str = ""
    attempts: int = 0
    seconds: float = 0.0
    system: str = ""

    @property
    def is_unfinished(self) -> bool:
        """Whether resuming may still delete it.

        It may or may not have been deleted, or only the network or the token failed.
        """
        return self.outcome in {Outcome.UNKNOWN, Outcome.NOT_ATTEMPTED, Outcome.FAILED} or (
            self.outcome == Outcome.REFUSED and self.status in _TOKEN_REFUSED
        )


class Report(msgspec.Struct, frozen=True):
    """The outcomes of one run.

    Parameters
    ----------
    run : str
        The run's id; empty if the selection was empty, so that there was no run.
    server, organisation, started : str
        Base URL, ULID and start of the run (RFC 3339).
    rows : tuple of ReportRow
        One for each planned row, in the order of the plan, each with exactly one outcome.
    ended : bool
        Whether the run ended; False if it was interrupted or is still running.
    stopped : str
        Why it ended before its last row; empty if it did not.
    journal : str
        Path of the journal.
    """

    run: str
    server: str
    organisation: str
    started: str
    rows: tuple[ReportRow, ...]
    ended: bool
    stopped: str = ""
    journal: str = ""

    @classmethod
    def replay(cls, records: Iterable[Record], journal: str = "") -> Self:
        """Create the report of a run from the records of its journal."""
        header: RunHeader | None = None
        planned: dict[str, PlanRow] = {}
        sends: dict[str, int] = {}
        outcomes: dict[str, RowOutcome] = {}
        closed: RunClosed | None = None
        for record in records:
            match record:
                case RunHeader():
                    header = record
                case RowPlanned(row):
                    planned[row.id] = row
                case RowSent(key, attempt):
                    sends[key] = max(attempt, sends.get(key, 0))
                    outcomes.pop(key, None)  # a resumed run sends a row again: its earlier outcome no longer holds
                case RowOutcome():
                    outcomes[record.id] = record
                case RunResumed():
                    closed = None
                case RunClosed():
                    closed = record
        return cls(
            run=header.run if header else "",
            server=header.server if header else "",
            organisation=header.organisation if header else "",
            started=header.started if header else "",
            rows=tuple(_report_row(row, outcomes.get(key), sends.get(key, 0)) for key, row in planned.items()),
            ended=closed is not None,
            stopped=closed.stopped if closed else "",
            journal=journal,
        )

    @property
    def counts(self) -> dict[str, int]:
        """Outcome -> number of rows, for every outcome; the numbers add up to the rows."""
        counter = Counter(row.outcome for row in self.rows)
        return {outcome.value: counter[outcome] for outcome in Outcome}

    @property
    def summary(self) -> str:
        """The counts that are not zero in words, such as ``13 deleted, 2 kept (in use)``."""
        return outcomes_in_words(self.counts)

    @property
    def unfinished(self) -> tuple[ReportRow, ...]:
        """The rows that resuming may still delete."""
        return tuple(row for row in self.rows if row.is_unfinished)

    @property
    def next_step(self) -> NextStep | None:
        """How to finish the run; None if nothing is unfinished."""
        return NextStep(Action.RESUME, self.run) if self.run and self.unfinished else None

    def raise_for_unfinished(self) -> None:
        """Raise if a row that should have been deleted was not; for unattended notebooks.

        Raises
        ------
        UnfinishedError
            If a row was refused, changed, failed, unknown or not attempted. Rows that the plan kept (in use or
            protected) raise nothing.
        """
        if any(row.outcome in _NOT_DELETED for row in self.rows):
            raise UnfinishedError("Some rows were not deleted.", report=self, next_step=self.next_step)


def _report_row(row: PlanRow, recorded_outcome: RowOutcome | None, sends: int) -> ReportRow:
    outcome = recorded_outcome or _implied_outcome(row, sends)
    return ReportRow(
        id=row.id,
        name=row.name,
        outcome=outcome.outcome,
        status=outcome.status,
        code=outcome.code,
        message=outcome.message,
        fields=outcome.fields,
        details=outcome.details,
        attempts=outcome.attempts,
        seconds=outcome.seconds,
        system=row.system,
    )


def _implied_outcome(row: PlanRow, sends: int) -> RowOutcome:
    """Return the outcome of a row for which the journal has none."""
    if sends:
        return RowOutcome(row.id, Outcome.UNKNOWN, message="sent, but no response is recorded", attempts=sends)
    planned_outcome = OUTCOME_OF_VERDICT.get(row.verdict)
    message = row.reason if planned_outcome else NOT_ATTEMPTED
    return RowOutcome(row.id, planned_outcome or Outcome.NOT_ATTEMPTED, message=message)
