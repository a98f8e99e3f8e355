"""The report: what became of each row of a run; made from the journal's records and from nothing else."""

from __future__ import annotations

from collections import Counter
from enum import StrEnum
from typing import TYPE_CHECKING

import msgspec

from versori_magics.deletion.plan import PlanRow, Verdict
from versori_magics.errors import UnfinishedError

if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Self


class Outcome(StrEnum):
    """What became of a row; exactly one each."""

    DELETED = "deleted"
    ALREADY_GONE = "already_gone"
    IN_USE = "in_use"
    PROTECTED = "protected"
    CHANGED = "changed"
    REFUSED = "refused"
    FAILED = "failed"
    UNKNOWN = "unknown"
    NOT_ATTEMPTED = "not_attempted"


GONE = frozenset({Outcome.DELETED, Outcome.ALREADY_GONE})
# A kept row keeps its verdict as outcome; what is not there has gone already.
KEPT = {
    Verdict.IN_USE: Outcome.IN_USE,
    Verdict.PROTECTED: Outcome.PROTECTED,
    Verdict.NOT_FOUND: Outcome.ALREADY_GONE,
}
_NOT_ATTEMPTED = "the run ended before its turn"
_OUR_TOKEN = frozenset({401, 403})


class Header(msgspec.Struct, frozen=True, tag="header", tag_field="record"):
    """The first line: which plan, when and by which version. Never a token."""

    format: int
    run: str
    version: str
    server: str
    organisation: str
    digest: str
    started: str
    rows: int
    breaking: tuple[str, ...] = ()


class Planned(msgspec.Struct, frozen=True, tag="planned", tag_field="record"):
    """A snapshot of a row, as the plan saw it."""

    row: PlanRow


class Sent(msgspec.Struct, frozen=True, tag="sent", tag_field="record"):
    """A DELETE that is about to leave; durable before it does."""

    id: str
    attempt: int
    time: str


class Ended(msgspec.Struct, frozen=True, tag="outcome", tag_field="record"):
    """The outcome of a row; a later one (of a resumed run) replaces it."""

    id: str
    outcome: Outcome
    status: int | None = None
    code: str | None = None
    message: str = ""
    fields: tuple[tuple[str, str], ...] = ()
    details: str = ""
    attempts: int = 0
    seconds: float = 0.0


class Resumed(msgspec.Struct, frozen=True, tag="resumed", tag_field="record"):
    """The run goes on."""

    time: str
    version: str


class Closed(msgspec.Struct, frozen=True, tag="end", tag_field="record"):
    """The run came to an end: `stopped` is empty, or says why it ended before its last row."""

    time: str
    stopped: str = ""


Record = Header | Planned | Sent | Ended | Resumed | Closed


class ReportRow(msgspec.Struct, frozen=True):
    """One row of a report; the names are the columns of `DeletionReport.frame`.

    Parameters
    ----------
    status : int or None
        HTTP status of the last answer; None where none came or none was asked for.
    code, message, details : str
        Of the platform's last error, or our words.
    fields : tuple of (field, message)
        Which field the platform found wrong.
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
    fields: tuple[tuple[str, str], ...] = ()
    details: str = ""
    attempts: int = 0
    seconds: float = 0.0
    system: str = ""

    @property
    def unfinished(self) -> bool:
        """Whether resuming may still finish it: nobody knows, or nothing but the network or the token was wrong."""
        return self.outcome in {Outcome.UNKNOWN, Outcome.NOT_ATTEMPTED, Outcome.FAILED} or (
            self.outcome == Outcome.REFUSED and self.status in _OUR_TOKEN
        )


class Report(msgspec.Struct, frozen=True):
    """The outcomes of one run.

    Parameters
    ----------
    run : str
        The run's id; empty where nothing was selected, so that there was no run.
    server, organisation, started : str
        Where and when.
    rows : tuple of ReportRow
        One a planned row, in the order of the plan; exactly one outcome each.
    ended : bool
        Whether the run came to an end; False where it was cut off or is still under way.
    stopped : str
        Why it ended before its last row; empty where it did not.
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
        """Fold a journal's records into a report; the only way that a report of a run is made."""
        header: Header | None = None
        planned: dict[str, PlanRow] = {}
        sent: dict[str, int] = {}
        ended: dict[str, Ended] = {}
        closed: Closed | None = None
        for record in records:
            match record:
                case Header():
                    header = record
                case Planned(row):
                    planned[row.id] = row
                case Sent(key, attempt):
                    sent[key] = max(attempt, sent.get(key, 0))
                    ended.pop(key, None)  # a send after an outcome (a resumed run) opens the row again
                case Ended():
                    ended[record.id] = record
                case Resumed():
                    closed = None
                case Closed():
                    closed = record
        if header is None:
            header = Header(0, "", "", "", "", "", "", 0)
        return cls(
            run=header.run,
            server=header.server,
            organisation=header.organisation,
            started=header.started,
            rows=tuple(_row(row, ended.get(key), sent.get(key, 0)) for key, row in planned.items()),
            ended=closed is not None,
            stopped=closed.stopped if closed else "",
            journal=journal,
        )

    @property
    def counts(self) -> dict[str, int]:
        """Outcome -> number of rows; every outcome is there, and they add up to the rows."""
        found = Counter(row.outcome for row in self.rows)
        return {outcome.value: found[outcome] for outcome in Outcome}

    @property
    def unfinished(self) -> tuple[ReportRow, ...]:
        """The rows that resuming may still finish."""
        return tuple(row for row in self.rows if row.unfinished)

    def raise_for_unfinished(self) -> None:
        """Raise where a row that was to go has not gone, for notebooks that run unattended.

        Raises
        ------
        UnfinishedError
            Where a row was refused or changed, failed, was not attempted, or nobody knows. Rows that the plan kept
            (in use, protected) are no failure.
        """
        bad = {Outcome.REFUSED, Outcome.CHANGED, Outcome.FAILED, Outcome.UNKNOWN, Outcome.NOT_ATTEMPTED}
        found = {outcome: count for outcome, count in self.counts.items() if count and outcome in bad}
        if found:
            words = ", ".join(f"{count:,} {outcome}" for outcome, count in found.items())
            raise UnfinishedError(f"Not everything went: {words}.", hint=self.resume_hint, report=self)

    @property
    def resume_hint(self) -> str:
        """The line that finishes the run; empty where there is nothing to finish."""
        return f"Go on with: %versori_resume {self.run}" if self.run and self.unfinished else ""


def _row(row: PlanRow, ended: Ended | None, sent: int) -> ReportRow:
    if ended is None:
        if sent:
            ended = Ended(row.id, Outcome.UNKNOWN, message="sent, and no answer is recorded", attempts=sent)
        else:
            kept = KEPT.get(row.verdict)
            ended = Ended(row.id, kept or Outcome.NOT_ATTEMPTED, message=row.reason if kept else _NOT_ATTEMPTED)
    return ReportRow(
        id=row.id,
        name=row.name,
        outcome=ended.outcome,
        status=ended.status,
        code=ended.code,
        message=ended.message,
        fields=ended.fields,
        details=ended.details,
        attempts=ended.attempts,
        seconds=ended.seconds,
        system=row.system,
    )
