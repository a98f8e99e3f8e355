"""The lines of a journal: a record as a JSON object each, with a sequence number and a chained checksum at its end.

The checksum covers the id of the run, the checksum of the line before, and the line. So a line that was changed,
removed, added, repeated, moved, or copied from another run does not fit, nor does the line after a missing one.
The checksum protects from accidents and careless edits; it is not a signature.

Reading never fails: the records whose lines fit are returned, with a `DamagedLines` in each place where others were.
If the end of a file is missing up to a line's end, no checksum can tell: after a crash the same may be seen. The rows
whose lines are missing are then called unknown or not attempted, and whoever resumes the run asks the platform first.
"""

from __future__ import annotations

import hashlib
import re
from typing import NamedTuple

import msgspec

from versori_magics.catch import catch
from versori_magics.cleanup.records import DamagedLines, Entry, Record

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(Record).decode
_DIGITS = 16  # of a checksum
_BEGINNING = b'{"record":"'
_NUMBER = b',"n":'
_CHECKSUM = b',"sum":"'
_END = b'"}'
_LINE_END = _END + b"\n"
_END_OF_LINE = re.compile(rb',"sum":"[0-9a-f]{16}"\}')


class Line(NamedTuple):
    """A line that has the form of one, whether or not it fits.

    Parameters
    ----------
    text : bytes
        What its checksum covers: all but the checksum.
    number : int
        Its sequence number, from 0.
    checksum : bytes
        The checksum that it states.
    """

    text: bytes
    number: int
    checksum: bytes

    @classmethod
    def parse(cls, line: bytes) -> Line | None:
        """Return the parts of a line without its line end; None if it does not have the form of one."""
        text, _, checksum = line.rpartition(_CHECKSUM)
        number = text.rpartition(_NUMBER)[2]
        if not number.isdigit() or len(number) > _DIGITS or not checksum.endswith(_END):
            return None
        return cls(text, int(number), checksum[: -len(_END)])


class Chain:
    """The end of the chain of one journal, which continues with each record.

    Parameters
    ----------
    run : str
        The id of the run.
    """

    def __init__(self, run: str) -> None:
        self._run = run.encode()
        self._number = -1
        self._checksum = b""

    def seal(self, *records: Record) -> bytes:
        """Return the lines of the next records."""
        lines: list[bytes] = []
        for record in records:
            self._number += 1
            text = b'%b,"n":%d' % (_encode(record)[:-1], self._number)
            self._checksum = self._compute_checksum(self._checksum, text)
            lines += (text, _CHECKSUM, self._checksum, _LINE_END)
        return b"".join(lines)

    def accept(self, line: Line, line_before: Line | None) -> int | None:
        """Continue with a line that was read, and return how many lines are missing before it; None if it is damaged.

        After a damaged line, it may also continue from the checksum which that line states.
        """
        fits = self._fits(line, self._checksum) or (line_before and self._fits(line, line_before.checksum))
        if not fits or line.number <= self._number:
            return None
        missing = line.number - self._number - 1
        self._number, self._checksum = line.number, line.checksum
        return missing

    def _fits(self, line: Line, checksum_before: bytes) -> bool:
        return self._compute_checksum(checksum_before, line.text) == line.checksum

    def _compute_checksum(self, checksum_before: bytes, text: bytes) -> bytes:
        return hashlib.sha256(b"".join((self._run, checksum_before, text))).hexdigest()[:_DIGITS].encode()


class JournalContent(NamedTuple):
    """What the file of a journal holds.

    Parameters
    ----------
    records : list of Entry
        The records, and where lines are damaged.
    chain : Chain
        Continues after the last record.
    torn : int
        The bytes at the end that are an incomplete last line, which records nothing that had happened.
    lacks_line_end : bool
        Whether the file does not end with a line end, although its last line is not incomplete.
    """

    records: list[Entry]
    chain: Chain
    torn: int
    lacks_line_end: bool


def read_lines(content: bytes, run: str) -> JournalContent:
    """Return what the file of the journal of a run holds."""
    records: list[Entry] = []
    chain = Chain(run)
    *lines, rest = content.split(b"\n")
    torn = len(rest) if is_torn(rest) else 0
    if rest and not torn:
        lines.append(rest)
    damaged, line_before = 0, None
    for text in lines:
        line = Line.parse(text)
        record = decode_record(text)
        missing = chain.accept(line, line_before) if line and record else None
        line_before = line
        if record is None or missing is None:
            damaged += 1
            continue
        if damaged or missing:
            records.append(DamagedLines(max(damaged, missing)))
        records.append(record)
        damaged = 0
    if damaged:
        records.append(DamagedLines(damaged))
    return JournalContent(records, chain, torn, lacks_line_end=bool(rest) and not torn)


def decode_record(line: bytes) -> Record | None:
    """Return the record of a line, whether or not its checksum fits; None if there is none."""
    record = catch(lambda: _decode(line), msgspec.DecodeError, UnicodeDecodeError)
    return None if isinstance(record, Exception) else record


def is_torn(rest: bytes) -> bool:
    """Tell whether what follows the last line end is a line that was cut off, and not a damaged one."""
    begins = rest[: len(_BEGINNING)] == _BEGINNING[: len(rest)]
    # A complete line in it lost its line end. Zeros are what a power cut may leave of any number of lines.
    return bool(rest) and begins and b"\0" not in rest and not _END_OF_LINE.search(rest)
