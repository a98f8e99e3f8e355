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
    """Return the first rows, up to and including the one that makes them longer than `length` characters together."""
    total = 0
    taken: list[str] = []
    for row in rows:
        taken.append(row)
        total += len(row)
        if total > length:
            break
    return taken
