"""Protection: connections that are never deleted, whatever is selected.

A file names them, one a line; ``#`` begins a comment::

    01ARZ3NDEKTSV4RRFFQ69G5FAV     an id
    name: *production*             a name, with * and ? as in file names; upper and lower case are the same
    system: NetSuite               every connection of a system, by name or id
"""

from __future__ import annotations

import fnmatch
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from versori_magics.errors import ArgumentError
from versori_magics.platform.ids import canonical_ulid
from versori_magics.text import one_line

if TYPE_CHECKING:
    from versori_magics.platform.survey import Seen

_KINDS = ("name", "system")
_COMMENT = re.compile(r"(?:^|\s)#")  # a name may hold a # inside a word


@dataclass(frozen=True, slots=True)
class Rule:
    """One line of the file.

    Parameters
    ----------
    kind : {'id', 'name', 'system'}
        What is compared.
    pattern : str
        With what.
    """

    kind: str
    pattern: str

    def __str__(self) -> str:
        return self.pattern if self.kind == "id" else f"{self.kind}: {self.pattern}"

    def covers(self, key: str, seen: Seen) -> bool:
        """Tell whether the rule protects a connection; one that lacks the property is protected: it fails closed."""
        if self.kind == "id":
            return key == self.pattern
        texts = [seen.connection.name] if self.kind == "name" else [seen.system, seen.connection.system_id]
        known = [text for text in texts if text]
        if not known or (self.kind == "system" and not seen.system and not canonical_ulid(self.pattern)):
            return True
        pattern = self.pattern.casefold().replace("[", "[[]")  # a bracket is a letter like any other
        return any(fnmatch.fnmatchcase(text.casefold(), pattern) for text in known)


@dataclass(frozen=True, slots=True)
class Protection:
    """All rules; an empty one protects nothing.

    Parameters
    ----------
    rules : tuple of Rule
        In the order of the file.
    """

    rules: tuple[Rule, ...] = ()

    def reason(self, key: str, seen: Seen) -> str:
        """Return why a connection is protected; empty where it is not."""
        for rule in self.rules:
            if rule.covers(key, seen):
                return f"protected by {one_line(str(rule), 80)!r}"
        return ""


def read_protection(path: str | Path) -> Protection:
    """Read a protection file.

    Raises
    ------
    ArgumentError
        Where it is missing or a line makes no sense: a protection that cannot be read must not pass for none.
    """
    file = Path(path).expanduser()
    problem = ""
    lines: list[str] = []
    try:
        lines = file.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        problem = f"The protection file {one_line(file, 200)} cannot be read ({type(error).__name__})."
    if problem:
        raise ArgumentError(problem, hint="Correct the path; nothing is deleted without it.")
    rules = []
    for number, line in enumerate(lines, 1):
        text = _COMMENT.split(line, maxsplit=1)[0].strip()
        if text:
            rules.append(_rule(text, file, number))
    return Protection(tuple(rules))


def _rule(text: str, file: Path, number: int) -> Rule:
    found = canonical_ulid(text)
    if found:
        return Rule("id", found)
    kind, colon, pattern = (part.strip() for part in text.partition(":"))
    if colon and kind.lower() in _KINDS and pattern:
        return Rule(kind.lower(), pattern)
    raise ArgumentError(
        f"Line {number} of {one_line(file, 200)} is no id, 'name: PATTERN' or 'system: NAME': {one_line(text, 80)!r}.",
        hint="Correct it; nothing is deleted with a protection that is not understood.",
    )
