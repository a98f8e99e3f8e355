"""The limits that keep every output small, whatever the server sends."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

CELL_LENGTH = 300  # characters of one value
REASON_LENGTH = 2_000  # characters of a reason, which holds everything that the platform said about a row
NOTE_LENGTH = 600  # characters of a note about a whole run
OUTPUT_LENGTH = 180_000  # characters of markup of one table; the rows beyond them are counted


def take_up_to(length: int, rows: Iterable[str]) -> list[str]:
    """Return the first rows, up to and including the row with which their total length exceeds `length` characters."""
    total = 0
    first_rows: list[str] = []
    for row in rows:
        first_rows.append(row)
        total += len(row)
        if total > length:
            break
    return first_rows
