"""The journal: each send is on disk before the request is sent, and the file survives `kill -9` at any instant.

Append-only JSON lines, one file for each run, readable by its owner only. A locked file beside it shows that the run
is executing; the operating system releases the lock when the process ends.
"""

from __future__ import annotations

import os
import threading
from contextlib import suppress
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING

import msgspec

from versori_magics._version import __version__
from versori_magics.api.ids import canonical_ulid
from versori_magics.catch import catch
from versori_magics.cleanup.records import Record, RowOutcome, RowPlanned, RowSent, RunClosed, RunHeader, RunResumed
from versori_magics.errors import JournalError
from versori_magics.next_step import Action, NextStep
from versori_magics.settings import JOURNAL_VARIABLE
from versori_magics.text import one_line

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
    from typing import Self

    from filelock import BaseFileLock

    from versori_magics.cleanup.plan import Plan

FORMAT_VERSION = 1
SUFFIX = ".jsonl"
_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(Record).decode


class Journal:
    """The open journal of one run; holds the run's lock until it is closed."""

    def __init__(self, path: Path, lock: BaseFileLock, descriptor: int) -> None:
        self.path = path
        self.records: list[Record] = []
        self._lock = lock
        self._descriptor = descriptor
        self._write_lock = threading.Lock()
        self._sync_lock = threading.Lock()
        self._writes = 0
        self._synced_writes = 0
        self._sync_error: OSError | None = None
        self._ends_in_torn_line = False

    def __repr__(self) -> str:
        return f"Journal({str(self.path)!r}, {len(self.records)} records)"

    @classmethod
    def create(cls, folder: Path, plan: Plan) -> Self | None:
        """Create the journal of a plan; return None if it exists, so that a plan is not executed twice.

        Raises
        ------
        JournalError
            If it cannot be written.
        """
        path = folder / f"{plan.id}{SUFFIX}"
        opened_file = catch(lambda: _create_file(path), OSError)
        if isinstance(opened_file, OSError):
            # FileExistsError can also mean that the folder is a file.
            if isinstance(opened_file, FileExistsError) and path.exists():
                return None
            raise _unwritable(path, opened_file)
        journal = cls(path, *opened_file)
        try:
            problem = catch(lambda: journal._begin(plan), OSError)
        except BaseException:
            journal._discard()
            raise
        if problem is not None:
            journal._discard()
            raise _unwritable(path, problem)
        return journal

    def _begin(self, plan: Plan) -> None:
        header = RunHeader(
            format=FORMAT_VERSION,
            run=plan.id,
            version=__version__,
            server=plan.server,
            organisation=plan.organisation,
            digest=plan.digest,
            started=_now(),
            rows=len(plan.rows),
            breaking=plan.breaking,
        )
        self.write(header, *(RowPlanned(row) for row in plan.rows), durable=True)
        _sync_folder(self.path.parent)

    @classmethod
    def reopen(cls, folder: Path, run: str) -> Self:
        """Open the journal of a run in order to continue it.

        Raises
        ------
        JournalError
            If there is no such journal, it cannot be written, or another kernel has it open.
        """
        path = find_journal(folder, run)
        opened_file = catch(lambda: _open(path), OSError)
        if isinstance(opened_file, OSError):
            raise _unwritable(path, opened_file)
        journal = cls(path, *opened_file)
        try:
            journal.records += read_journal(path)
        except BaseException:
            journal.close()
            raise
        journal._ends_in_torn_line = True  # kill -9 may have cut off the last line
        return journal

    def record_resume(self) -> None:
        """Record that the run continues."""
        self.write(RunResumed(_now(), __version__), durable=True)

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
        lines = b"".join(_encode(record) + b"\n" for record in records)
        with self._write_lock:
            problem = self._append(lines)
            # Outcomes are kept in memory even if writing fails. A send that was not journalled is never sent.
            self.records.extend(r for r in records if problem is None or not isinstance(r, RowSent))
            self._writes += 1
            own_write = self._writes
        if problem is None and durable:
            problem = self._sync(own_write)
        if problem is not None:
            raise _unwritable(self.path, problem)

    def _append(self, lines: bytes) -> OSError | None:
        if self._ends_in_torn_line:
            lines = b"\n" + lines
        try:
            while lines:
                lines = lines[os.write(self._descriptor, lines) :]
        except OSError as error:
            self._ends_in_torn_line = True  # perhaps half a line was written: the next record starts on a new line
            return error
        self._ends_in_torn_line = False
        return None

    def _sync(self, own_write: int) -> OSError | None:
        """Bring the first `own_write` writes to disk; often another thread's fsync has done it already."""
        with self._sync_lock:
            if self._synced_writes >= own_write:
                return None
            if self._sync_error is not None:  # a second fsync may succeed although the lines are lost
                return self._sync_error
            writes = self._writes
            self._sync_error = catch(lambda: os.fsync(self._descriptor), OSError)
            if self._sync_error is None:
                self._synced_writes = writes
            return self._sync_error

    def _discard(self) -> None:
        """Delete a journal that could not be created: nothing was sent, so its plan may be tried again."""
        with suppress(OSError):
            self.path.unlink(missing_ok=True)
        self.close()

    def close(self) -> None:
        """Close the file and release the run."""
        with self._write_lock:
            if self._descriptor >= 0:
                os.close(self._descriptor)
                self._descriptor = -1
        self._lock.release()


def read_journal(path: Path) -> list[Record]:
    """Return the records of a journal, without incomplete lines: what they record had not happened yet.

    Raises
    ------
    JournalError
        If the file cannot be read or is not a journal of this version.
    """
    content = catch(path.read_bytes, OSError)
    if isinstance(content, OSError):
        reason = content.strerror or type(content).__name__
        raise JournalError(f"The journal {one_line(path, 300)} cannot be read: {reason}.")
    records: list[Record] = []
    for line in content.split(b"\n"):
        record = catch(partial(_decode, line), msgspec.DecodeError, UnicodeDecodeError)
        if not isinstance(record, Exception):
            records.append(record)
    if records and (not isinstance(records[0], RunHeader) or records[0].format > FORMAT_VERSION):
        raise JournalError(
            f"The journal {one_line(path, 300)} is not a journal, or was written by a newer version.",
            hint="Use a newer versori_magics.",
        )
    return records


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
    if not path.with_suffix(".lock").exists():
        return False
    lock = catch(lambda: _lock(path), JournalError, OSError)
    if isinstance(lock, Exception):
        return isinstance(lock, JournalError)  # OSError: a read-only folder, in which nobody can write
    lock.release()
    return False


def _lock(path: Path) -> BaseFileLock:
    from filelock import FileLock, Timeout

    lock = FileLock(path.with_suffix(".lock"), timeout=0, mode=0o600, thread_local=False)
    if isinstance(catch(lock.acquire, Timeout), Timeout):
        raise under_way_error(path.stem)
    return lock


def under_way_error(run: str) -> JournalError:
    """Return the error for a run that is already running."""
    return JournalError(
        f"The run {run} is already running in this or another kernel.",
        hint="Wait until it ends, or stop it there.",
        next_step=NextStep(Action.FIND_RUNS),
    )


def _create_file(path: Path) -> tuple[BaseFileLock, int]:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    return _open(path, os.O_CREAT | os.O_EXCL)


def _open(path: Path, flags: int = 0) -> tuple[BaseFileLock, int]:
    """Lock a run and open its journal for appending; the lock is released again if that fails."""
    lock = _lock(path)
    try:
        return lock, os.open(path, os.O_APPEND | os.O_WRONLY | flags, 0o600)
    except BaseException:
        lock.release()
        raise


def _sync_folder(folder: Path) -> None:
    if os.name != "posix":  # elsewhere a folder cannot be opened_file
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _unwritable(path: Path, error: OSError) -> JournalError:
    reason = error.strerror or type(error).__name__
    return JournalError(
        f"The journal {one_line(path, 300)} cannot be written: {reason}.",
        reason=reason,
        hint=f"Nothing is deleted without a journal. Free disk space, or set {JOURNAL_VARIABLE} to another folder.",
    )


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")
