"""Damage to a journal, other than a line that a kill cut off."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path


def _flip(path: Path, percent: int, _others: Sequence[str]) -> None:
    content = bytearray(path.read_bytes())
    if content:
        content[len(content) * percent // 100] ^= 1
        path.write_bytes(content)


def _lose_line(path: Path, percent: int, _others: Sequence[str]) -> None:
    """Lose a line that is not the last one, which a kill could have cut off."""
    lines = path.read_bytes().splitlines(keepends=True)
    if len(lines) > 1:
        del lines[(len(lines) - 1) * percent // 100]
        path.write_bytes(b"".join(lines))


def _add_row(path: Path, percent: int, others: Sequence[str]) -> None:
    """Add a row with the id of a connection that was not selected."""
    lines = path.read_bytes().splitlines(keepends=True)
    planned = [number for number, line in enumerate(lines) if b'"verdict":"delete"' in line]
    if planned and others:
        number = planned[len(planned) * percent // 100]
        own = lines[number].split(b'"row":{"id":"')[1][:26]
        lines.insert(number + 1, lines[number].replace(own, others[len(others) * percent // 100].encode()))
        path.write_bytes(b"".join(lines))


def _swap_header(path: Path, _percent: int, _others: Sequence[str]) -> None:
    """Give it the header of another run, if there is one."""
    others = sorted(other for other in path.parent.glob("*.jsonl") if other != path)
    first = others[0].read_bytes().splitlines(keepends=True)[:1] if others else []
    path.write_bytes(b"".join([*first, *path.read_bytes().splitlines(keepends=True)[len(first) :]]))


def _empty(path: Path, _percent: int, _others: Sequence[str]) -> None:
    path.write_bytes(b"")


DAMAGES: dict[str, Callable[[Path, int, Sequence[str]], None]] = {
    "a byte is flipped": _flip,
    "a line is lost": _lose_line,
    "a row is added": _add_row,
    "the header is another run's": _swap_header,
    "everything is lost": _empty,
}
