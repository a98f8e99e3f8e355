"""The file of a journal: how it is created, read and verified, and the errors if that fails."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import msgspec

from versori_magics.catch import catch
from versori_magics.cleanup.journal_lines import JournalContent, read_lines
from versori_magics.cleanup.records import find_header, recorded_plan
from versori_magics.errors import JournalError
from versori_magics.settings import JOURNAL_VARIABLE
from versori_magics.text import one_line

if TYPE_CHECKING:
    from pathlib import Path

FORMAT_VERSION = 2
SUFFIX = ".jsonl"
LOOK_AGAIN = "List the connections to see which still exist, and create a new plan."


def create_file(path: Path) -> int:
    """Create a file that only its owner can read, and its folder; return its descriptor, which appends."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    return os.open(path, os.O_APPEND | os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)


def sync_folder(folder: Path) -> None:
    """Bring the names of the files in a folder to disk."""
    if os.name != "posix":  # elsewhere a folder cannot be opened
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def unwritable_error(path: Path, reason: str) -> JournalError:
    """Return the error for a journal that cannot be written."""
    return JournalError(
        f"The journal {one_line(path, 300)} cannot be written: {reason}.",
        reason=reason,
        hint=f"Nothing is deleted without a journal. Free disk space, or set {JOURNAL_VARIABLE} to another folder.",
    )


def reason_of(error: OSError) -> str:
    """Return the operating system's reason, such as ``No space left on device``."""
    return error.strerror or type(error).__name__


def read_content(path: Path) -> JournalContent:
    """Read a journal and verify it.

    Raises
    ------
    JournalError
        If the file cannot be read, or as `verify_content` does.
    """
    content = catch(path.read_bytes, OSError)
    if isinstance(content, OSError):
        raise JournalError(f"The journal {one_line(path, 300)} cannot be read: {reason_of(content)}.")
    return verify_content(content, path)


def verify_content(content: bytes, path: Path) -> JournalContent:
    """Return what a journal holds, after verifying its lines, the name of its file, and the digest of its plan.

    Raises
    ------
    JournalError
        If it is not the journal of this run and of this version, or does not say which connections the plan has.
    """
    journal = read_lines(content, path.stem)
    header = find_header(journal.records)
    if journal.records and (header is None or header.format != FORMAT_VERSION or header.run != path.stem):
        raise _unreadable_error(path, _describe_header(content.split(b"\n", 1)[0], path.stem))
    plan = recorded_plan(journal.records)
    if header is not None and plan is not None and plan.digest != header.digest:
        raise _unreadable_error(path, "does not hold the plan that was agreed to")
    return journal


class _AnyHeader(msgspec.Struct):
    format: int
    run: str


def _describe_header(line: bytes, run: str) -> str:
    """Return what is wrong with a first line that is not the header of a run."""
    header = catch(lambda: msgspec.json.decode(line, type=_AnyHeader), msgspec.DecodeError, UnicodeDecodeError)
    if isinstance(header, Exception):
        return "is not a journal, or is damaged: it does not say which connections the run is about"
    if header.format > FORMAT_VERSION:
        return "was written by a newer version of versori_magics, or is damaged"
    if header.format < FORMAT_VERSION:
        return "was written by an earlier version of versori_magics, whose journals this version cannot read"
    if header.run != run:
        return f"is that of the run {one_line(header.run, 60)}, and not of the run that it is named after"
    return "is damaged: it does not say for certain which connections the run is about"


def _unreadable_error(path: Path, problem: str) -> JournalError:
    return JournalError(f"The journal {one_line(path, 300)} {problem}.", hint=LOOK_AGAIN)
