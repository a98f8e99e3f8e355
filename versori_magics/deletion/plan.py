"""The plan: an immutable preview, one row a selected id, with a verdict and a reason."""

from __future__ import annotations

import hashlib
from collections import Counter
from datetime import UTC, datetime
from enum import StrEnum
from typing import TYPE_CHECKING

import msgspec

from versori_magics.deletion.protect import Protection
from versori_magics.deletion.selection import ids_of
from versori_magics.errors import PlanError, SelectionError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from typing import Self

    from versori_magics.platform.survey import Seen


class Verdict(StrEnum):
    """What a plan says of a row."""

    DELETE = "delete"
    IN_USE = "in_use"
    PROTECTED = "protected"
    NOT_FOUND = "not_found"


class PlanRow(msgspec.Struct, frozen=True):
    """One selected connection as it was seen.

    Parameters
    ----------
    id, name, system : str
        Which.
    verdict : Verdict
        What would become of it.
    reason : str
        Why, for a person.
    kind, used_by : str
        Its usage: static, dynamic, unused or unknown; and by whom.
    in_use : bool
        Unknown counts as True.
    running : int
        Running environments that its deletion would break.
    updated_at : str
        As the platform gave it; a plan is stale where it moves.
    """

    id: str
    verdict: Verdict
    name: str = ""
    system: str = ""
    reason: str = ""
    kind: str = ""
    in_use: bool = False
    used_by: str = ""
    running: int = 0
    updated_at: str = ""

    @property
    def breaking(self) -> bool:
        """Whether it would be deleted although it is in use."""
        return self.verdict == Verdict.DELETE and self.in_use


class Plan(msgspec.Struct, frozen=True):
    """A preview of one deletion; it can be carried out once.

    Parameters
    ----------
    id : str
        ULID; also the id of its run, so that a plan is carried out once, also across kernels.
    server, organisation : str
        Where.
    made : str
        When it was made, RFC 3339.
    rows : tuple of PlanRow
        One a selected id, in the order of the selection.
    breaking : tuple of str
        Ids that may be deleted although they are in use.
    protection : tuple of str
        The rules of protection.
    """

    id: str
    server: str
    organisation: str
    made: str
    rows: tuple[PlanRow, ...]
    breaking: tuple[str, ...] = ()
    protection: tuple[str, ...] = ()

    @classmethod
    def make(
        cls,
        server: str,
        organisation: str,
        ids: Sequence[str],
        seen: Mapping[str, Seen],
        *,
        breaking: Sequence[str] = (),
        protection: Protection | None = None,
    ) -> Self:
        """Judge each id by what was seen of it.

        Parameters
        ----------
        server, organisation : str
            Where it was seen.
        ids : sequence of str
            Canonical ids, each once.
        seen : mapping
            Id -> what was seen; an id that is missing has no connection.
        breaking : sequence of str
            Ids that may go although they are static and in use.
        protection : Protection, optional
            What is never deleted.
        """
        from ulid import ULID

        protection = protection or Protection()
        return cls(
            id=str(ULID()),
            server=server,
            organisation=organisation,
            made=datetime.now(UTC).isoformat(timespec="seconds"),
            rows=tuple(judge(key, seen.get(key), breaking, protection) for key in ids),
            breaking=tuple(breaking),
            protection=tuple(str(rule) for rule in protection.rules),
        )

    @property
    def digest(self) -> str:
        """Stands for server, organisation, policy and every row as seen (SHA-256, 64 hex digits)."""
        facts = (self.server, self.organisation, sorted(self.breaking), self.protection, self.rows)
        return hashlib.sha256(msgspec.json.encode(facts)).hexdigest()

    @property
    def to_delete(self) -> tuple[PlanRow, ...]:
        """The rows that would go."""
        return tuple(row for row in self.rows if row.verdict == Verdict.DELETE)

    @property
    def to_break(self) -> tuple[PlanRow, ...]:
        """The rows that would go although they are in use."""
        return tuple(row for row in self.rows if row.breaking)

    @property
    def consent(self) -> str:
        """What a person types to agree: ``y`` for one, ``delete N`` for more, ``break R`` where some are in use."""
        if self.to_break:
            return f"break {len(self.to_break)}"
        return "y" if len(self.to_delete) == 1 else f"delete {len(self.to_delete)}"

    def is_consent(self, typed: str) -> bool:
        """Tell whether what was typed agrees to this plan; Enter never does, nor anything where nothing would go."""
        words = " ".join(typed.split()).lower()
        return bool(self.to_delete) and (words == self.consent or (self.consent == "y" and words == "yes"))

    @property
    def counts(self) -> dict[str, int]:
        """Verdict -> number of rows; every verdict is there, and they add up to the rows."""
        found = Counter(row.verdict for row in self.rows)
        return {verdict.value: found[verdict] for verdict in Verdict}


def judge(key: str, seen: Seen | None, breaking: Iterable[str], protection: Protection) -> PlanRow:
    """Return the row of one id: its verdict, and the reason for it.

    A static connection in use is kept unless its id is named; a dynamic one always: the platform would refuse it.
    """
    if seen is None:
        return PlanRow(id=key, verdict=Verdict.NOT_FOUND, reason="the platform has no such connection")
    usage = seen.usage
    named = key in breaking
    if protected := protection.reason(key, seen):
        verdict, reason = Verdict.PROTECTED, protected
    elif not usage.in_use:
        verdict, reason = Verdict.DELETE, "nobody uses it"
    elif usage.kind == "dynamic":
        verdict, reason = (
            Verdict.IN_USE,
            f"{usage.used_by}; the platform would refuse" + (", also where it is named in --break" if named else ""),
        )
    elif named:
        verdict, reason = Verdict.DELETE, f"named in --break; it is used by {usage.used_by}"
    else:
        verdict, reason = Verdict.IN_USE, usage.used_by
    return PlanRow(
        id=key,
        verdict=verdict,
        name=seen.connection.name or "",
        system=seen.system,
        reason=reason,
        kind=usage.kind,
        in_use=usage.in_use,
        used_by=usage.used_by,
        running=usage.running,
        updated_at=seen.connection.updated_at or "",
    )


def differs(planned: PlanRow, now: PlanRow) -> str:
    """Return in what a row differs from its plan; empty where it does not."""
    if now.in_use and not planned.in_use:
        return f"it is in use now: {now.used_by}"
    for attribute, words in (
        ("name", "its name"),
        ("updated_at", "it was updated"),
        ("used_by", "who uses it"),
        ("running", "how many running environments it would break"),
        ("verdict", "its verdict"),
    ):
        before, after = getattr(planned, attribute), getattr(now, attribute)
        if before != after:
            return f"{words}: {before or 'nothing'} when planned, {after or 'nothing'} now"
    return ""


def check_breaking(breaking: object, ids: Sequence[str]) -> tuple[str, ...]:
    """Return the ids that may be broken: explicit ids of the selection, never a boolean or a filter.

    Raises
    ------
    SelectionError
        Where it is anything but a list of ids.
    PlanError
        Where an id is not selected: a flag that does not apply is a mistake.
    """
    if not isinstance(breaking, str | list | tuple | set | frozenset):
        raise SelectionError(
            f"allow_breaking takes explicit ids, not a {type(breaking).__name__}.",
            hint="Name each connection that may break: allow_breaking=['01…'].",
        )
    named = ids_of(breaking, "list of connections that may break")
    stray = [key for key in named if key not in ids]
    if stray:
        raise PlanError(
            f"{stray[0]} may break, but it is not selected.", hint="Select it too, or take it out of --break."
        )
    return named
