"""What a protection file means, written a second time and without the code under test, so that it can be judged."""

from __future__ import annotations

import fnmatch
import re
import unicodedata
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

_ULID = re.compile(r"[0-7][0-9A-HJKMNP-TV-Z]{25}", re.IGNORECASE)


def parse_rules(text: str) -> tuple[tuple[str, str], ...]:
    """Return (target, pattern) of each rule; a comment is a line of its own."""
    rules = []
    for line in map(str.strip, text.splitlines()):
        if not line or line.startswith("#"):
            continue
        target, _, pattern = line.partition(":")
        rules.append(("id", line.upper()) if _ULID.fullmatch(line) else (target.strip().lower(), pattern.strip()))
    return tuple(rules)


def protecting_rule(rules: Iterable[tuple[str, str]], connection: str, name: str, systems: Sequence[str]) -> str:
    """Return the rule that protects a connection, or an empty text.

    Parameters
    ----------
    rules : iterable of (str, str)
        From `parse_rules`.
    connection, name : str
        Id and name of the connection.
    systems : sequence of str
        Name and id of its system.
    """
    texts = {"id": [connection], "name": [name], "system": systems}
    for target, pattern in rules:
        if any(_is_match(pattern, text) for text in texts[target]):
            return f"{target}: {pattern}"
    return ""


def _is_match(pattern: str, text: str) -> bool:
    return fnmatch.fnmatchcase(_folded(text), _folded(pattern).replace("[", "[[]"))


def _folded(text: str) -> str:
    return unicodedata.normalize("NFKC", text).casefold()
