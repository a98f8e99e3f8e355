"""Connections that are never deleted, whatever is selected.

A protection file names them, one rule a line; ``#`` begins a comment::

    01ARZ3NDEKTSV4RRFFQ69G5FAV     an id
    name: *production*             a name, with * and ? as in file names; case does not matter
    system: NetSuite               every connection of a system, by the system's name or id
"""

from __future__ import annotations

import fnmatch
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from versori_magics.api.ids import canonical_ulid
from versori_magics.catch import catch
from versori_magics.errors import ArgumentError
from versori_magics.text import one_line

if TYPE_CHECKING:
    from versori_magics.inventory.snapshot import ConnectionSnapshot

_COMMENT = re.compile(r"(?:^|\s)#")  # a name may contain a # inside a word


@dataclass(frozen=True, slots=True)
class Rule:
    """One line of a protection file.

    Parameters
    ----------
    target : {'id', 'name', 'system'}
        What the pattern is compared with.
    pattern : str
        An id, or a name with ``*`` and ``?``.
    """

    target: Literal["id", "name", "system"]
    pattern: str

    def __str__(self) -> str:
        return self.pattern if self.target == "id" else f"{self.target}: {self.pattern}"

    def protects(self, key: str, snapshot: ConnectionSnapshot) -> bool:
        """Tell whether the rule protects a connection; a connection without that property is protected too."""
        if self.target == "id":
            return key == self.pattern
        system_id = snapshot.connection.system_id
        texts = [snapshot.connection.name] if self.target == "name" else [snapshot.system, system_id]
        known_texts = [text for text in texts if text]
        name_is_unknown = self.target == "system" and not snapshot.system and not canonical_ulid(self.pattern)
        return not known_texts or name_is_unknown or any(self._matches(text) for text in known_texts)

    def _matches(self, text: str) -> bool:
        pattern = self.pattern.casefold().replace("[", "[[]")  # a bracket has no special meaning
        return fnmatch.fnmatchcase(text.casefold(), pattern)


@dataclass(frozen=True, slots=True)
class Protection:
    """All rules; without rules, nothing is protected.

    Parameters
    ----------
    rules : tuple of Rule
        In the order of the file.
    """

    rules: tuple[Rule, ...] = ()

    def reason(self, key: str, snapshot: ConnectionSnapshot) -> str:
        """Return why a connection is protected, or an empty string if it is not."""
        for rule in self.rules:
            if rule.protects(key, snapshot):
                return f"protected by {one_line(str(rule), 80)!r}"
        return ""


NO_PROTECTION = Protection()


def read_protection(path: str | Path) -> Protection:
    """Read a protection file.

    Raises
    ------
    ArgumentError
        If it cannot be read or a line is not understood. A broken file is never treated as an empty one.
    """
    file = Path(path).expanduser()
    text = catch(lambda: file.read_text(encoding="utf-8"), OSError, UnicodeDecodeError)
    if isinstance(text, Exception):
        raise ArgumentError(
            f"The protection file {one_line(file, 200)} cannot be read ({type(text).__name__}).",
            hint="Correct the path. Nothing is deleted without the protection file.",
        )
    lines = ((number, _COMMENT.split(line, maxsplit=1)[0].strip()) for number, line in enumerate(text.splitlines(), 1))
    return Protection(tuple(_parse_rule(line, file, number) for number, line in lines if line))


def _parse_rule(line: str, file: Path, number: int) -> Rule:
    if ulid := canonical_ulid(line):
        return Rule("id", ulid)
    target, _, pattern = (part.strip() for part in line.partition(":"))
    if pattern and target.lower() == "name":
        return Rule("name", pattern)
    if pattern and target.lower() == "system":
        return Rule("system", pattern)
    raise ArgumentError(
        f"Line {number} of {one_line(file, 200)} is not an id, 'name: PATTERN' or 'system: NAME':"
        f" {one_line(line, 80)!r}.",
        hint="Correct the line. Nothing is deleted while a rule is not understood.",
    )
