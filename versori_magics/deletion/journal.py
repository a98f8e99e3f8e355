"""The journal: what was about to be done is durable before it is done, and survives `kill -9` at any instant.

Append-only JSON lines, one file a run, for its owner only. A lock beside it says that the run is under way; the
operating system drops it with the process.
"""

from __future__ import annotations

import os
import threading
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from versori_magics._version import __version__
from versori_magics.deletion.report import Closed, Ended, Header, Planned, Record, Resumed, Sent
from versori_magics.errors import JournalError
from versori_magics.platform.ids import canonical_ulid
from versori_magics.settings import JOURNAL_VARIABLE
from versori_magics.text import one_line

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Self

    from filelock import BaseFileLock

    from versori_magics.deletion.plan import Plan

FORMAT = 1
SUFFIX = ".jsonl"
_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(Record).decode


def default_folder() -> Path:
    """Return where journals are kept: VERSORI_JOURNAL, or this user's state folder of the operating system."""
    named = os.environ.get(JOURNAL_VARIABLE, "").strip()
    if named:
        return Path(named).expanduser()
    import platformdirs

    return Path(platformdirs.user_state_dir("versori_magics", appauthor=False)) / "runs"


class Journal:
    """The open journal of one run; holds the run's lock until it is closed."""

    def __init__(self, path: Path, lock: BaseFileLock, descriptor: int) -> None:
        self.path = path
        self.records: list[Record] = []
        self._lock = lock
        self._descriptor = descriptor
        self._write_lock = threading.Lock()
        self._sync_lock = threading.Lock()
        self._written = 0
        self._synced = 0
        self._unsynced: OSError | None = None
        self._torn = False

    def __repr__(self) -> str:
        return f"Journal({str(self.path)!r}, {len(self.records)} records)"

    @classmethod
    def create(cls, folder: Path, plan: Plan) -> Self | None:
        """Begin the journal of a plan; None where the plan has one already, so that it is not carried out twice.

        Raises
        ------
        JournalError
            Where it cannot be written.
        """
        path = folder / f"{plan.id}{SUFFIX}"
        problem: OSError | None = None
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            lock, descriptor = _open(path, os.O_CREAT | os.O_EXCL)
        except OSError as error:
            if isinstance(error, FileExistsError) and path.exists():  # and not that the folder is a file
                return None
            problem = error
        if problem is not None:
            raise _unwritable(path, problem)
        journal = cls(path, lock, descriptor)
        try:
            header = Header(
                format=FORMAT,
                run=plan.id,
                version=__version__,
                server=plan.server,
                organisation=plan.organisation,
                digest=plan.digest,
                started=_now(),
                rows=len(plan.rows),
                breaking=plan.breaking,
            )
            journal.write(header, *(Planned(row) for row in plan.rows), durable=True)
            _sync_folder(folder)
        except OSError as error:
            problem = error
        except BaseException:
            journal._discard()
            raise
        if problem is not None:
            journal._discard()
            raise _unwritable(path, problem)
        return journal

    @classmethod
    def reopen(cls, folder: Path, run: str) -> Self:
        """Open the journal of a run that is to go on.

        Raises
        ------
        JournalError
            Where there is none, it cannot be written, or another kernel has it open.
        """
        path = find(folder, run)
        problem: OSError | None = None
        try:
            lock, descriptor = _open(path)
        except OSError as error:
            problem = error
        if problem is not None:
            raise _unwritable(path, problem)
        journal = cls(path, lock, descriptor)
        try:
            journal.records += read(path)
        except BaseException:
            journal.close()
            raise
        journal._torn = True  # kill -9 may have cut off the last line
        return journal

    def resumed(self) -> None:
        """Write that the run goes on."""
        self.write(Resumed(_now(), __version__), durable=True)

    def sent(self, *sends: tuple[str, int]) -> None:
        """Write which DELETEs, (connection, which attempt) each, are about to leave; returns once that is durable.

        Raises
        ------
        JournalError
            Where it is not; the DELETE must not leave.
        """
        now = _now()
        self.write(*(Sent(connection, attempt, now) for connection, attempt in sends), durable=True)

    def ended(self, *outcomes: Ended) -> None:
        """Write the outcome of rows."""
        self.write(*outcomes)

    def end(self, stopped: str) -> None:
        """Write that the run came to an end; `stopped` says why, where it ended early."""
        self.write(Closed(_now(), stopped), durable=True)

    def write(self, *records: Record, durable: bool = False) -> None:
        """Append records, and where `durable`, return only once they are on the disk.

        Raises
        ------
        JournalError
            Where that fails. Outcomes stay known in memory all the same: they have happened.
        """
        lines = b"".join(_encode(record) + b"\n" for record in records)
        problem: OSError | None = None
        with self._write_lock:
            if self._torn:
                lines = b"\n" + lines
            try:
                while lines:
                    lines = lines[os.write(self._descriptor, lines) :]
                self._torn = False
            except OSError as error:
                problem = error
                self._torn = True  # perhaps half a line stands there: what follows begins a line of its own
            # An outcome has happened, written or not; a send that is not written will not happen.
            self.records.extend(r for r in records if problem is None or not isinstance(r, Sent))
            self._written += 1
            mine = self._written
        if problem is None and durable:
            problem = self._sync(mine)
        if problem is not None:
            raise _unwritable(self.path, problem)

    def _sync(self, mine: int) -> OSError | None:
        """Make the first `mine` writes durable; whoever waited here mostly finds it done by the one before."""
        with self._sync_lock:
            if self._synced >= mine:
                return None
            if self._unsynced is not None:  # a second try may succeed although the lines are lost
                return self._unsynced
            upto = self._written
            try:
                os.fsync(self._descriptor)
            except OSError as error:
                self._unsynced = error
                return error
            self._synced = upto
            return None

    def _discard(self) -> None:
        """Take back a journal that could not be begun: nothing was sent, so its plan may be tried again."""
        with suppress(OSError):
            self.path.unlink(missing_ok=True)
        self.close()

    def close(self) -> None:
        """Close the file and let go of the run."""
        with self._write_lock:
            if self._descriptor >= 0:
                os.close(self._descriptor)
                self._descriptor = -1
        self._lock.release()


def read(path: Path) -> list[Record]:
    """Return the records of a journal; a line that was cut off is passed over: what it told had not happened yet.

    Raises
    ------
    JournalError
        Where the file cannot be read or is none of ours.
    """
    problem = ""
    lines: list[bytes] = []
    try:
        lines = path.read_bytes().split(b"\n")
    except OSError as error:
        problem = f"The journal {one_line(path, 300)} cannot be read: {error.strerror or type(error).__name__}."
    if problem:
        raise JournalError(problem)
    records: list[Record] = []
    for line in lines:
        try:
            records.append(_decode(line))
        except (msgspec.DecodeError, UnicodeDecodeError):
            continue
    if records and (not isinstance(records[0], Header) or records[0].format > FORMAT):
        raise JournalError(
            f"The journal {one_line(path, 300)} is of another kind or a newer version.",
            hint="Use a newer versori_magics.",
        )
    return records


def find(folder: Path, run: str) -> Path:
    """Return the path of a run's journal.

    Raises
    ------
    JournalError
        Where `run` is no run id or there is no such journal.
    """
    key = canonical_ulid(run)
    path = folder / f"{key}{SUFFIX}"
    if key is None or not path.is_file():
        raise JournalError(
            f"There is no run {one_line(run, 60)!r} in {one_line(folder, 300)}.", hint="%versori_runs lists the runs."
        )
    return path


def journals(folder: Path) -> Iterator[Path]:
    """Yield the journals of a folder, the newest first (run ids sort by time)."""
    yield from sorted(folder.glob(f"*{SUFFIX}"), reverse=True)


def is_under_way(path: Path) -> bool:
    """Tell whether some kernel holds the run now."""
    if not path.with_suffix(".lock").exists():
        return False
    try:
        _lock(path).release()
    except JournalError:
        return True
    except OSError:  # a read-only folder: nobody can be writing there
        return False
    return False


def _lock(path: Path) -> BaseFileLock:
    from filelock import FileLock, Timeout

    lock = FileLock(path.with_suffix(".lock"), timeout=0, mode=0o600, thread_local=False)
    taken = False
    try:
        lock.acquire()
    except Timeout:
        taken = True
    if taken:
        raise JournalError(
            f"The run {path.stem} is under way in this or another kernel.",
            hint="Wait for it, or stop it there; %versori_runs shows how it stands.",
        )
    return lock


def _open(path: Path, flags: int = 0) -> tuple[BaseFileLock, int]:
    """Lock a run and open its journal for appending; the lock is let go again where that fails."""
    lock = _lock(path)
    try:
        return lock, os.open(path, os.O_APPEND | os.O_WRONLY | flags, 0o600)
    except BaseException:
        lock.release()
        raise


def _sync_folder(folder: Path) -> None:
    if os.name != "posix":  # elsewhere a folder cannot be opened
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _unwritable(path: Path, error: OSError) -> JournalError:
    return JournalError(
        f"The journal {one_line(path, 300)} cannot be written: {error.strerror or type(error).__name__}.",
        hint=f"Without a journal nothing is deleted. Make room, or set {JOURNAL_VARIABLE} to another folder.",
    )


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")
