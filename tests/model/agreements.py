"""What somebody agreed to: the only thing that may be deleted."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from model.protection_rules import parse_rules

if TYPE_CHECKING:
    from pathlib import Path

    from model.site import Facts, Site


@dataclass
class Agreement:
    """One plan that somebody agreed to, or will be asked to agree to.

    Parameters
    ----------
    site : Site
        The organisation and the server that they were shown.
    ids : frozenset of str
        The connections that may be deleted.
    breaking : frozenset of str
        Those that may be deleted although an environment is linked to them.
    protection : Path or None
        The file of rules; they apply as they were then, and as they are at each later look.
    facts : dict
        Connection -> how it was seen when it was planned. Filled at the first DELETE if the plan was never shown.
    removed : set
        The connections that DELETEs for this plan removed.
    sent : set
        The connections for which a DELETE of this plan was sent, whether it reached the platform or not.
    """

    site: Site
    ids: frozenset[str]
    breaking: frozenset[str] = frozenset()
    protection: Path | None = None
    facts: dict[str, Facts | None] = field(default_factory=dict)
    removed: set[str] = field(default_factory=set)
    sent: set[str] = field(default_factory=set)
    selected: tuple[str, ...] = ()
    """Every id of the selection, deleted or not."""
    is_damaged: bool = False
    """Whether somebody damaged its journal."""
    files: set[Path] = field(default_factory=set)
    """Further files, which the command that runs now names."""

    is_lost: bool = False
    """Whether its journal is gone, so that nobody can know what it deleted."""
    shown: object = None
    """The plan, if somebody saw it before the command that carries it out, or the run that is resumed."""
    first_rules: tuple[tuple[str, str], ...] | None = None
    """The rules that the plan was made with."""

    def __post_init__(self) -> None:
        if self.first_rules is None:
            self.first_rules = self._read(self.protection)

    def rules(self) -> tuple[tuple[str, str], ...]:
        """Return the rules in force: those of the plan, and those that the files contain now."""
        files = self.files if self.protection is None else self.files | {self.protection}
        return (self.first_rules or ()) + tuple(rule for path in sorted(files) for rule in self._read(path))

    def remember_facts(self) -> None:
        """Remember how the connections were seen when they were planned."""
        if not self.facts:
            self.facts = {id_: self.site.looked(id_) for id_ in self.ids}

    @staticmethod
    def _read(path: Path | None) -> tuple[tuple[str, str], ...]:
        return parse_rules(path.read_text(encoding="utf-8")) if path is not None else ()
