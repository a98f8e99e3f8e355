"""Connections that are never deleted, whatever is selected.

A protection file names them, one rule a line; a line that begins with ``#`` is a comment::

    01ARZ3NDEKTSV4RRFFQ69G5FAV     an id
    name: *production*             a name, with * and ? as in file names; case does not matter
    system: NetSuite               every connection of a system, by the system's name or id
"""

from __future__ import annotations

import fnmatch
import unicodedata
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from versori_magics.api.ids import canonical_ulid
from versori_magics.catch import catch
from versori_magics.errors import ArgumentError
from versori_magics.text import one_line

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from versori_magics.api.models import Connection
    from versori_magics.inventory.snapshot import ConnectionSnapshot


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

    def protects(self, connection: Connection, system: str) -> bool:
        """Tell whether the rule protects a connection; a connection without that property is protected too."""
        name_is_unknown = self.target == "system" and not system and not canonical_ulid(self.pattern)
        is_undecided = self.target != "id" and (name_is_unknown or not self._texts(connection, system))
        return is_undecided or self.matches(connection, system)

    def may_match(self, connection: Connection, system: str) -> bool:
        """Tell whether a connection has the property that the rule names, or has it perhaps."""
        is_unknown = self.target == "system" and connection.system_id and not system
        return bool(is_unknown) or self.matches(connection, system)

    def matches(self, connection: Connection, system: str) -> bool:
        """Tell whether a connection has the property that the rule names."""
        return any(self._matches(text) for text in self._texts(connection, system))

    def _texts(self, connection: Connection, system: str) -> list[str]:
        texts: dict[str, list[str | None]] = {
            "id": [connection.id],
            "name": [connection.name],
            "system": [system, connection.system_id],
        }
        return [text for text in texts[self.target] if text]

    def _matches(self, text: str) -> bool:
        pattern = _normal(self.pattern).replace("[", "[[]")  # a bracket has no special meaning
        return fnmatch.fnmatchcase(_normal(text), pattern)


@dataclass(frozen=True, slots=True)
class Protection:
    """All rules; without rules, nothing is protected.

    Parameters
    ----------
    rules : tuple of Rule
        In the order of the file.
    file : str
        Absolute path of the file; empty if there is none.
    """

    rules: tuple[Rule, ...] = ()
    file: str = ""

    def __or__(self, other: Protection) -> Protection:
        """Return the rules of both, and the file of the left one."""
        return Protection(tuple(dict.fromkeys(self.rules + other.rules)), self.file or other.file)

    def reason(self, snapshot: ConnectionSnapshot) -> str:
        """Return why a connection is protected, or an empty string if it is not."""
        for rule in self.rules:
            if rule.protects(snapshot.connection, snapshot.system):
                return f"protected by {one_line(str(rule), 80)!r}"
        return ""

    def unmatched_rules(self, connections: Iterable[tuple[Connection, str]]) -> list[str]:
        """Return the rules that match none of these connections.

        Parameters
        ----------
        connections : iterable of (Connection, str)
            Every connection of the organisation, with its system's name.
        """
        unmatched = list(self.rules)
        for connection, system in connections:
            unmatched = [rule for rule in unmatched if not rule.may_match(connection, system)]
        return [str(rule) for rule in unmatched]

    def check_comments(self, list_connections: Callable[[], Iterable[tuple[Connection, str]]]) -> None:
        """Check that no rule was meant to end in a comment, which only a line of its own can be.

        Parameters
        ----------
        list_connections : callable
            () -> every connection of the organisation, with its system's name. Called only if a rule contains `` #``.

        Raises
        ------
        ArgumentError
            If such a rule matches no connection.
        """
        doubtful = Protection(tuple(rule for rule in self.rules if " #" in rule.pattern))
        if doubtful.rules and (unmatched := doubtful.unmatched_rules(list_connections())):
            raise ArgumentError(
                f"The protection rule {one_line(unmatched[0], 80)!r} matches no connection. A line with a rule cannot"
                " contain a comment.",
                hint="Move the comment to a line of its own that begins with #. Nothing is deleted until then.",
            )


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
    lines = [(number, line.strip()) for number, line in enumerate(text.splitlines(), 1)]
    rules = tuple(_read_rule(line, file, number) for number, line in lines if line and not line.startswith("#"))
    return Protection(rules, str(file.absolute()))


def recorded_protection(rules: Iterable[str]) -> Protection:
    """Return the rules that a plan was made with (`Plan.protection`).

    Raises
    ------
    ArgumentError
        If one is not understood.
    """
    return Protection(tuple(_read_rule(text, Path("the plan"), number) for number, text in enumerate(rules, 1)))


def _read_rule(line: str, file: Path, number: int) -> Rule:
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


def _normal(text: str) -> str:
    """Return a text in which letters that look alike and upper and lower case are equal."""
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())
