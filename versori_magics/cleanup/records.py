"""The records of a journal, one JSON line each; their field names and tags are the file format."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING

import msgspec

from versori_magics.cleanup.plan import Plan, PlanRow, Verdict
from versori_magics.errors import FieldError  # noqa: TC001 - msgspec reads annotations when it creates a class
from versori_magics.text import counts_in_words

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence


class Outcome(StrEnum):
    """What happened to a row; each row has exactly one outcome."""

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
# Words for counts, such as '13 deleted'.
_COUNTED = {
    Outcome.DELETED: "deleted",
    Outcome.ALREADY_GONE: "already gone",
    Outcome.IN_USE: "kept (in use)",
    Outcome.PROTECTED: "kept (protected)",
    Outcome.CHANGED: "kept (changed since review)",
    Outcome.REFUSED: "refused",
    Outcome.FAILED: "failed",
    Outcome.UNKNOWN: "unclear",
    Outcome.NOT_ATTEMPTED: "not attempted",
}
NOT_ATTEMPTED = "the run ended before this row was sent"
# The outcome of a row that the plan does not delete.
OUTCOME_OF_VERDICT = {
    Verdict.IN_USE: Outcome.IN_USE,
    Verdict.PROTECTED: Outcome.PROTECTED,
    Verdict.NOT_FOUND: Outcome.ALREADY_GONE,
}


def outcomes_in_words(counts: Mapping[str, int]) -> str:
    """Return the counts of outcomes that are not zero, such as ``13 deleted, 2 kept (in use)``.

    Parameters
    ----------
    counts : mapping
        Outcome -> number of rows; a missing outcome counts as zero.
    """
    return counts_in_words({words: counts.get(outcome, 0) for outcome, words in _COUNTED.items()})


class RunHeader(msgspec.Struct, frozen=True, tag="header", tag_field="record"):
    """The first line: what was agreed to, by whom, when, and which version wrote it. Never a token.

    Parameters
    ----------
    ids : tuple of str
        Every id of the plan, so that a missing row is noticed.
    protection : tuple of str
        The rules of protection that the plan was made with.
    protection_file : str
        The file that they were read from; empty if there was none.
    no_projects : bool
        Whether the user said that the organisation has no projects.
    agreed : str
        Who agreed and how; empty if nobody had to.
    """

    format: int
    run: str
    version: str
    server: str
    organisation: str
    digest: str
    started: str
    ids: tuple[str, ...]
    breaking: tuple[str, ...] = ()
    protection: tuple[str, ...] = ()
    protection_file: str = ""
    no_projects: bool = False
    agreed: str = ""


class RowPlanned(msgspec.Struct, frozen=True, tag="planned", tag_field="record"):
    """A row of the plan."""

    row: PlanRow


class RowSent(msgspec.Struct, frozen=True, tag="sent", tag_field="record"):
    """A DELETE that is about to be sent; this line is on disk before the request is sent."""

    id: str
    attempt: int
    time: str


class RowOutcome(msgspec.Struct, frozen=True, tag="outcome", tag_field="record"):
    """The outcome of a row; a later one, of a resumed run, replaces it."""

    id: str
    outcome: Outcome
    status: int | None = None
    code: str | None = None
    message: str = ""
    fields: tuple[FieldError, ...] = ()
    details: str = ""
    attempts: int = 0
    seconds: float = 0.0


class RunResumed(msgspec.Struct, frozen=True, tag="resumed", tag_field="record"):
    """The run continues; `agreed` says who agreed to that and how."""

    time: str
    version: str
    agreed: str = ""


class RunClosed(msgspec.Struct, frozen=True, tag="end", tag_field="record"):
    """The run ended; `stopped` says why if it ended before its last row."""

    time: str
    stopped: str = ""


class DamagedLines(msgspec.Struct, frozen=True):
    """A place in a journal where so many lines were changed, lost or added; only ever read, never written."""

    lines: int


Record = RunHeader | RowPlanned | RowSent | RowOutcome | RunResumed | RunClosed
Entry = Record | DamagedLines


def find_header(records: Iterable[Entry]) -> RunHeader | None:
    """Return the header of a journal, or None."""
    return next((record for record in records if isinstance(record, RunHeader)), None)


def recorded_plan(records: Sequence[Entry]) -> Plan | None:
    """Return the plan of a journal with every row that its header names; None if a row or the header is missing."""
    header = find_header(records)
    rows = {record.row.id: record.row for record in records if isinstance(record, RowPlanned)}
    if header is None or not rows.keys() >= set(header.ids):
        return None
    return Plan(
        id=header.run,
        server=header.server,
        organisation=header.organisation,
        created_at=header.started,
        rows=tuple(rows[key] for key in header.ids),
        breaking=header.breaking,
        protection=header.protection,
        protection_file=header.protection_file,
        no_projects=header.no_projects,
    )
