"""The report: the outcome of each row of a run, read from the records of its journal and nothing else."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import msgspec

from versori_magics.cleanup.records import (
    NOT_ATTEMPTED,
    OUTCOME_OF_VERDICT,
    DamagedLines,
    Entry,
    Outcome,
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
from versori_magics.text import number_of

if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Self

    from versori_magics.cleanup.plan import PlanRow

_TOKEN_REFUSED = frozenset({401, 403})
_DAMAGED = "the journal is damaged, so it is not known what happened to this row"
_INCOMPLETE = "the journal does not hold its whole plan: the run was interrupted as it began, or the file was damaged"
_NOT_DELETED = (Outcome.REFUSED, Outcome.CHANGED, Outcome.FAILED, Outcome.UNKNOWN, Outcome.NOT_ATTEMPTED)


def is_unfinished(outcome: Outcome, status: int | None) -> bool:
    """Tell whether resuming may still delete a row with this outcome and this status of its last response.

    It may or may not have been deleted, or only the network or the token failed.
    """
    return outcome in {Outcome.UNKNOWN, Outcome.NOT_ATTEMPTED, Outcome.FAILED} or (
        outcome == Outcome.REFUSED and status in _TOKEN_REFUSED
    )


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
        """Whether resuming may still delete it."""
        return is_unfinished(self.outcome, self.status)


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
    damage : str
        What is wrong with the journal, as a sentence; empty if nothing is.
    """

    run: str
    server: str
    organisation: str
    started: str
    rows: tuple[ReportRow, ...]
    ended: bool
    stopped: str = ""
    journal: str = ""
    damage: str = ""

    @classmethod
    def replay(cls, entries: Iterable[Entry], journal: str = "") -> Self:
        """Create the report of a run from what its journal holds."""
        replay = _Replay()
        for entry in entries:
            replay.add(entry)
        header = replay.header
        return cls(
            run=header.run if header else "",
            server=header.server if header else "",
            organisation=header.organisation if header else "",
            started=header.started if header else "",
            rows=replay.rows(),
            ended=replay.closed is not None,
            stopped=replay.closed.stopped if replay.closed else "",
            journal=journal,
            damage=replay.damage(),
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


class _Replay:
    """The state of a run after the entries so far."""

    def __init__(self) -> None:
        self.header: RunHeader | None = None
        self.closed: RunClosed | None = None
        self._planned: dict[str, PlanRow] = {}
        self._sends: dict[str, int] = {}
        self._outcomes: dict[str, RowOutcome] = {}
        self._doubtful: set[str] = set()
        self._unanswered: set[str] = set()  # rows that were unknown when the run was resumed
        self._damaged_lines = 0

    def add(self, entry: Entry) -> None:
        match entry:
            case RunHeader():
                self.header = entry
            case RowPlanned(row):
                self._planned[row.id] = row
            case RowSent(key, attempt):
                self._sends[key] = max(attempt, self._sends.get(key, 0))
                self._outcomes.pop(key, None)  # a resumed run sends a row again: its earlier outcome no longer holds
                self._doubtful.discard(key)
            case RowOutcome():
                self._add_outcome(entry)
            case RunResumed():
                self.closed = None
                self._unanswered = {row.id for row in self.rows() if row.outcome == Outcome.UNKNOWN}
            case RunClosed():
                self.closed = entry
            case DamagedLines(lines):
                self._damaged_lines += lines
                self.closed = None  # the lost lines may have continued the run
                self._doubt()

    def _add_outcome(self, outcome: RowOutcome) -> None:
        if outcome.outcome == Outcome.NOT_ATTEMPTED and outcome.id in self._unanswered:
            self._outcomes.pop(outcome.id, None)  # not sent again, but an earlier send may still have deleted it
        else:
            self._outcomes[outcome.id] = outcome
            self._doubtful.discard(outcome.id)

    def _doubt(self) -> None:
        """Forget what a record that is lost here may have changed: the outcome of each row that could be sent again."""
        for key in self._ids:
            outcome = self._outcomes.get(key)
            if outcome is None or is_unfinished(outcome.outcome, outcome.status):
                self._outcomes.pop(key, None)
                self._doubtful.add(key)

    @property
    def _ids(self) -> tuple[str, ...]:
        return self.header.ids if self.header else ()

    @property
    def _lacks_rows(self) -> bool:
        return self.header is None or not self._planned.keys() >= set(self._ids)

    def rows(self) -> tuple[ReportRow, ...]:
        """Return the row of each id in the header; what the journal adds to these is not part of the plan."""
        if self._lacks_rows:
            self._doubt()
        return tuple(map(self._row, self._ids))

    def _row(self, key: str) -> ReportRow:
        planned = self._planned.get(key)
        outcome = self._outcomes.get(key) or self._implied_outcome(key, planned)
        return ReportRow(
            id=key,
            name=planned.name if planned else "",
            outcome=outcome.outcome,
            status=outcome.status,
            code=outcome.code,
            message=outcome.message,
            fields=outcome.fields,
            details=outcome.details,
            attempts=outcome.attempts,
            seconds=outcome.seconds,
            system=planned.system if planned else "",
        )

    def _implied_outcome(self, key: str, planned: PlanRow | None) -> RowOutcome:
        """Return the outcome of a row for which the journal has none."""
        sends = self._sends.get(key, 0)
        if not sends and planned and (outcome := OUTCOME_OF_VERDICT.get(planned.verdict)):
            return RowOutcome(key, outcome, message=planned.reason)
        if key in self._doubtful:
            return RowOutcome(key, Outcome.UNKNOWN, message=_DAMAGED, attempts=sends)
        if sends:
            return RowOutcome(key, Outcome.UNKNOWN, message="sent, but no response is recorded", attempts=sends)
        return RowOutcome(key, Outcome.NOT_ATTEMPTED, message=NOT_ATTEMPTED)

    def damage(self) -> str:
        """Return what is wrong with the journal, as a sentence."""
        if self._damaged_lines:
            lines = number_of(self._damaged_lines, "line")
            return f"The journal is damaged: {lines} changed, lost or added. Rows that this could concern are unclear."
        return f"{_INCOMPLETE[0].upper()}{_INCOMPLETE[1:]}." if self._lacks_rows else ""
