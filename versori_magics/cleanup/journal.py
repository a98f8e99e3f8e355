"""The journal: each send is on disk before the request is sent, and the file survives `kill -9` at any instant.

Append-only lines, one file for each run, readable by its owner only; `journal_lines` says what a line is. The file is
locked while the run is executed, and the operating system releases the lock when the process ends.
"""

from __future__ import annotations

import os
import threading
from contextlib import suppress
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from versori_magics._version import __version__
from versori_magics.api.ids import canonical_ulid
from versori_magics.catch import catch
from versori_magics.cleanup import file_lock
from versori_magics.cleanup.journal_file import (
    FORMAT_VERSION,
    SUFFIX,
    create_file,
    read_content,
    reason_of,
    sync_folder,
    unwritable_error,
)
from versori_magics.cleanup.journal_lines import Chain, JournalContent
from versori_magics.cleanup.records import (
    Entry,
    Record,
    RowOutcome,
    RowPlanned,
    RowSent,
    RunClosed,
    RunHeader,
    RunResumed,
)
from versori_magics.errors import JournalError
from versori_magics.next_step import Action, NextStep
from versori_magics.text import one_line

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path
    from typing import Self

    from versori_magics.cleanup.plan import Plan

_REMOVED = "it was removed or replaced during the run"


class Journal:
    """The open journal of one run; holds the run's lock until it is closed.

    Attributes
    ----------
    records : list of Entry
        What it holds. Outcomes are kept here even if they cannot be written.
    """

    def __init__(self, path: Path, descriptor: int) -> None:
        self.path = path
        self.records: list[Entry] = []
        self._chain = Chain(path.stem)
        self._tail: JournalContent | None = None  # what a reopened file ends with, until the first write
        self._descriptor = descriptor
        self._name = str(path)
        file = os.fstat(descriptor)
        self._identity = (file.st_ino, file.st_dev)
        self._write_lock = threading.Lock()
        self._sync_lock = threading.Lock()
        self._writes = 0
        self._synced_writes = 0
        self._failure = ""
        """Why it cannot be written any more. Nothing follows a failed write, so a torn line is always the last."""

    def __repr__(self) -> str:
        return f"Journal({str(self.path)!r}, {len(self.records)} records)"

    @classmethod
    def create(cls, folder: Path, plan: Plan, agreed: str = "", outcomes: Sequence[RowOutcome] = ()) -> Self | None:
        """Create the journal of a plan; return None if it exists, so that a plan is not executed twice.

        Parameters
        ----------
        folder : Path
            Its folder, which is created if it does not exist.
        plan : Plan
            The plan.
        agreed : str
            Who agreed to the plan and how. Default: nobody had to.
        outcomes : sequence of RowOutcome
            The outcomes of rows that are not sent. Default none.

        Raises
        ------
        JournalError
            If it cannot be written; then it does not exist.
        """
        path = folder / f"{plan.id}{SUFFIX}"
        descriptor = catch(lambda: create_file(path), OSError)
        if isinstance(descriptor, OSError):
            # FileExistsError can also mean that the folder is a file.
            if isinstance(descriptor, FileExistsError) and path.exists():
                return None
            raise unwritable_error(path, reason_of(descriptor))
        journal = cls(path, descriptor)
        try:
            journal._begin(_header(plan, agreed), [*map(RowPlanned, plan.rows), *outcomes])
        except BaseException:
            journal._discard()
            raise
        return journal

    def _begin(self, header: RunHeader, records: Sequence[Record]) -> None:
        self._lock()
        self.write(header, *records, durable=True)
        problem = catch(lambda: sync_folder(self.path.parent), OSError)
        if problem is not None:
            raise unwritable_error(self.path, reason_of(problem))

    @classmethod
    def reopen(cls, folder: Path, run: str) -> Self:
        """Open the journal of a run in order to continue it.

        Raises
        ------
        JournalError
            If there is no such journal, it cannot be read or written, or another kernel has it open.
        """
        path = find_journal(folder, run)
        descriptor = catch(lambda: os.open(path, os.O_APPEND | os.O_RDWR), OSError)
        if isinstance(descriptor, OSError):
            raise unwritable_error(path, reason_of(descriptor))
        journal = cls(path, descriptor)
        try:
            journal._lock()
            journal._tail = content = read_content(path)
        except BaseException:
            journal.close()
            raise
        journal.records, journal._chain = content.records, content.chain
        return journal

    def _lock(self) -> None:
        is_locked = catch(lambda: file_lock.lock(self._descriptor), OSError)
        if isinstance(is_locked, OSError):
            raise unwritable_error(self.path, reason_of(is_locked))
        if not is_locked:
            raise under_way_error(self.path.stem)

    def record_resume(self, agreed: str = "", outcomes: Sequence[RowOutcome] = ()) -> None:
        """Record that the run continues, who agreed to that and how, and the outcomes of rows that are not sent."""
        self.write(RunResumed(_now(), __version__, agreed), *outcomes, durable=True)

    def record_sends(self, *sends: tuple[str, int]) -> None:
        """Record DELETEs that are about to be sent; return once the record is on disk.

        Parameters
        ----------
        *sends : (str, int)
            Connection id, and the number of the attempt, from 1.

        Raises
        ------
        JournalError
            If that fails; the DELETEs must not be sent.
        """
        now = _now()
        self.write(*(RowSent(connection, attempt, now) for connection, attempt in sends), durable=True)

    def record_outcomes(self, *outcomes: RowOutcome) -> None:
        """Record the outcomes of rows."""
        self.write(*outcomes)

    def record_end(self, stopped: str) -> None:
        """Record that the run ended; `stopped` says why if it ended early."""
        self.write(RunClosed(_now(), stopped), durable=True)

    def write(self, *records: Record, durable: bool = False) -> None:
        """Append records, and if `durable`, return only once they are on disk.

        Raises
        ------
        JournalError
            If that fails. Outcomes are kept in memory even then.
        """
        with self._write_lock:
            self._append(records, durable=durable)
            self._writes += 1
            own_write = self._writes
        if durable:
            self._sync(own_write)
        if self._failure:
            raise unwritable_error(self.path, self._failure)

    def _append(self, records: Sequence[Record], *, durable: bool) -> None:
        if durable:
            self._failure = self._failure or self._find_removal()
        if not self._failure:
            try:
                self._write_lines(self._chain.seal(*records))
            except OSError as error:
                self._failure = reason_of(error)
        # An outcome has happened, written or not. A send that was not journalled is never sent.
        self.records.extend(r for r in records if not self._failure or isinstance(r, RowOutcome))

    def _write_lines(self, lines: bytes) -> None:
        if self._tail is not None:
            self._end_line(self._tail)
            self._tail = None
        while lines:
            lines = lines[os.write(self._descriptor, lines) :]

    def _end_line(self, tail: JournalContent) -> None:
        """Remove the incomplete line that `kill -9` may have left, so that it stays the last, or end a damaged line."""
        if tail.torn:
            os.ftruncate(self._descriptor, os.fstat(self._descriptor).st_size - tail.torn)
        if tail.lacks_line_end:
            os.write(self._descriptor, b"\n")

    def _find_removal(self) -> str:
        """Return the reason if the file at the path is no longer this one: then the run would leave no record."""
        try:
            found = os.stat(self._name)  # noqa: PTH116 - before every send, and Path.stat takes half as long again
        except FileNotFoundError:
            return _REMOVED
        except OSError as error:
            return reason_of(error)
        return "" if (found.st_ino, found.st_dev) == self._identity else _REMOVED

    def _sync(self, own_write: int) -> None:
        """Bring the first `own_write` writes to disk; often another thread's fsync has done it already."""
        with self._sync_lock:
            if self._synced_writes >= own_write or self._failure:
                return
            writes = self._writes
            try:
                os.fsync(self._descriptor)
            except OSError as error:  # a second fsync may succeed although the lines are lost
                self._failure = reason_of(error)
            else:
                self._synced_writes = writes

    def _discard(self) -> None:
        """Delete a journal that could not be created: nothing was sent, so its plan may be tried again."""
        with suppress(OSError):
            self.path.unlink(missing_ok=True)
        self.close()

    def close(self) -> None:
        """Release the run and close the file."""
        with self._write_lock:
            if self._descriptor >= 0:
                with suppress(OSError):
                    file_lock.unlock(self._descriptor)
                os.close(self._descriptor)
                self._descriptor = -1


def read_journal(path: Path) -> list[Entry]:
    """Return what a journal holds; nothing if the file ends within its first line.

    The lines, the name of the file, and the digest of the plan are verified. An incomplete last line is ignored: what
    it records had not happened yet. Every other damage is a `DamagedLines` among the records.

    Raises
    ------
    JournalError
        If the file cannot be read, is not the journal of this run and of this version, or does not say which
        connections the plan has.
    """
    return read_content(path).records


def find_journal(folder: Path, run: str) -> Path:
    """Return the path of a run's journal.

    Raises
    ------
    JournalError
        If `run` is not a run id or there is no such journal.
    """
    run_id = canonical_ulid(run)
    path = folder / f"{run_id}{SUFFIX}"
    if run_id is None or not path.is_file():
        raise JournalError(
            f"There is no run {one_line(run, 60)!r} in {one_line(folder, 300)}.",
            next_step=NextStep(Action.FIND_RUNS),
        )
    return path


def list_journals(folder: Path) -> Iterator[Path]:
    """Yield the journals of a folder, the newest first: run ids sort by time."""
    yield from sorted(folder.glob(f"*{SUFFIX}"), reverse=True)


def is_under_way(path: Path) -> bool:
    """Tell whether a kernel is executing the run now."""
    return file_lock.is_locked(path)


def under_way_error(run: str) -> JournalError:
    """Return the error for a run that is already running."""
    return JournalError(
        f"The run {run} is already running in this or another kernel.",
        hint="Wait until it ends, or stop it there.",
        next_step=NextStep(Action.FIND_RUNS),
    )


def _header(plan: Plan, agreed: str) -> RunHeader:
    return RunHeader(
        format=FORMAT_VERSION,
        run=plan.id,
        version=__version__,
        server=plan.server,
        organisation=plan.organisation,
        digest=plan.digest,
        started=_now(),
        ids=tuple(row.id for row in plan.rows),
        breaking=plan.breaking,
        protection=plan.protection,
        protection_file=plan.protection_file,
        no_projects=plan.no_projects,
        agreed=agreed,
    )


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")
