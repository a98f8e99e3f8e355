"""The plan: an immutable preview with one row for each selected id, its verdict and the reason."""

from __future__ import annotations

import hashlib
from collections import Counter
from enum import StrEnum
from typing import TYPE_CHECKING

import msgspec

from versori_magics.cleanup.protection import NO_PROTECTION, Protection
from versori_magics.inventory.usage import ConnectionUsage, UsageScope  # noqa: TC001 - msgspec reads annotations

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence
    from typing import Self

    from versori_magics.inventory.snapshot import ConnectionSnapshot, Snapshots


class Verdict(StrEnum):
    """What a plan decides about a row."""

    DELETE = "delete"
    IN_USE = "in_use"
    PROTECTED = "protected"
    NOT_FOUND = "not_found"


class PlanRow(msgspec.Struct, frozen=True):
    """One selected connection, and the facts behind its verdict.

    Parameters
    ----------
    id, name, system : str
        The connection and its system's name.
    verdict : Verdict
        What the plan does with it.
    reason : str
        The reason for the verdict, in words.
    usage : ConnectionUsage or None
        Who uses it; None if it does not exist.
    updated_at : str
        As the platform printed it; a different value means that the connection changed.
    """

    id: str
    verdict: Verdict
    name: str = ""
    system: str = ""
    reason: str = ""
    usage: ConnectionUsage | None = None
    updated_at: str = ""

    @property
    def kind(self) -> str:
        """Its usage: static, dynamic, unused or unknown; empty if it does not exist."""
        return "" if self.usage is None else self.usage.kind

    @property
    def in_use(self) -> bool:
        """Whether anybody uses it; unknown usage counts as True."""
        return self.usage is not None and self.usage.in_use

    @property
    def used_by(self) -> str:
        """Its users in words."""
        return "" if self.usage is None else self.usage.used_by

    @property
    def running(self) -> int:
        """The number of running environments that its deletion would break."""
        return 0 if self.usage is None else self.usage.running

    @property
    def running_environments(self) -> dict[str, str]:
        """Id -> name of each running environment that its deletion would break."""
        return {} if self.usage is None else self.usage.running_environments

    @property
    def breaking(self) -> bool:
        """Whether it is deleted although it is in use."""
        return self.verdict == Verdict.DELETE and self.in_use

    @property
    def users(self) -> frozenset[tuple[str, str, str, str]]:
        """Every use, as (usage kind, environment id, end user's id, status of the environment)."""
        uses = () if self.usage is None else self.usage.uses
        return frozenset((use.kind, use.environment_id, use.end_user_id, use.status) for use in uses)

    @property
    def lasting_facts(self) -> tuple[object, ...]:
        """Every fact except the status of environments, which changes by itself."""
        users = sorted({user[:-1] for user in self.users})
        return (self.id, self.verdict, self.name, self.system, self.kind, users, self.updated_at)


class Plan(msgspec.Struct, frozen=True):
    """A preview of one deletion; it can be executed once.

    Parameters
    ----------
    id : str
        ULID, which is also the id of the run: this is how a plan is executed only once, across kernels too.
    server, organisation : str
        Base URL and ULID of the organisation that has the connections.
    created_at : str
        When the connections began to be read (RFC 3339).
    rows : tuple of PlanRow
        One for each selected id, in the order of the selection.
    breaking : tuple of str
        Ids that may be deleted although they are in use.
    protection : tuple of str
        The rules of protection, one text for each.
    protection_file : str
        Absolute path of the file with the rules, which is read again whenever the rows are checked again; empty if
        there is none.
    unmatched_rules : tuple of str
        The rules that match no connection of the organisation.
    no_projects : bool
        Whether the user said that the organisation has no projects.
    scope : UsageScope or None
        How much was looked at to find out who uses the connections; None if that is not known.
    warning : str
        What could not be checked, as a sentence; empty if nothing.
    """

    id: str
    server: str
    organisation: str
    created_at: str
    rows: tuple[PlanRow, ...]
    breaking: tuple[str, ...] = ()
    protection: tuple[str, ...] = ()
    protection_file: str = ""
    unmatched_rules: tuple[str, ...] = ()
    no_projects: bool = False
    scope: UsageScope | None = None
    warning: str = ""

    @classmethod
    def create(
        cls,
        server: str,
        organisation: str,
        ids: Sequence[str],
        snapshots: Snapshots,
        *,
        created_at: str,
        no_projects: bool = False,
        breaking: Sequence[str] = (),
        protection: Protection = NO_PROTECTION,
        unmatched_rules: Sequence[str] = (),
    ) -> Self:
        """Create a plan: decide what happens to each id.

        Parameters
        ----------
        server, organisation : str
            Where the snapshots were taken.
        ids : sequence of str
            Canonical ids, each once.
        snapshots : Snapshots
            Ids without a snapshot do not exist.
        created_at : str
            When the snapshots began to be taken (RFC 3339).
        no_projects : bool
            Whether the user said that the organisation has no projects. Default False.
        breaking : sequence of str
            Ids that may be deleted although they are static and in use.
        protection : Protection
            The connections that are never deleted.
        unmatched_rules : sequence of str
            The rules that match no connection of the organisation.
        """
        from ulid import ULID

        return cls(
            id=str(ULID()),
            server=server,
            organisation=organisation,
            created_at=created_at,
            rows=tuple(plan_row(key, snapshots.get(key), breaking, protection) for key in ids),
            breaking=tuple(breaking),
            protection=tuple(str(rule) for rule in protection.rules),
            protection_file=protection.file,
            unmatched_rules=tuple(unmatched_rules),
            no_projects=no_projects,
            scope=snapshots.scope,
            warning=snapshots.warning,
        )

    @property
    def digest(self) -> str:
        """SHA-256 (64 hex digits) of server, organisation, policy and every row.

        The status of an environment is left out: it changes by itself.
        """
        rows = [row.lasting_facts for row in self.rows]
        policy = (sorted(self.breaking), self.protection, self.no_projects)
        facts = (self.server, self.organisation, policy, rows)
        return hashlib.sha256(msgspec.json.encode(facts)).hexdigest()

    @property
    def to_delete(self) -> tuple[PlanRow, ...]:
        """The rows to delete."""
        return tuple(row for row in self.rows if row.verdict == Verdict.DELETE)

    @property
    def to_break(self) -> tuple[PlanRow, ...]:
        """The rows to delete although they are in use."""
        return tuple(row for row in self.rows if row.breaking)

    @property
    def counts(self) -> dict[str, int]:
        """Verdict -> number of rows, for every verdict; the numbers add up to the rows."""
        counter = Counter(row.verdict for row in self.rows)
        return {verdict.value: counter[verdict] for verdict in Verdict}


def plan_row(
    key: str, snapshot: ConnectionSnapshot | None, breaking: Collection[str], protection: Protection
) -> PlanRow:
    """Return the row of one id: its verdict, and the reason for it.

    A static connection in use is kept unless its id is in `breaking`. A dynamic one in use is always kept:
    DeleteConnection would refuse it.
    """
    if snapshot is None:
        return PlanRow(id=key, verdict=Verdict.NOT_FOUND, reason="the connection does not exist")
    verdict, reason = _verdict(key, snapshot, breaking, protection)
    return PlanRow(
        id=key,
        verdict=verdict,
        name=snapshot.connection.name or "",
        system=snapshot.system,
        reason=reason,
        usage=snapshot.usage,
        updated_at=snapshot.connection.updated_at or "",
    )


def _verdict(
    key: str, snapshot: ConnectionSnapshot, breaking: Collection[str], protection: Protection
) -> tuple[Verdict, str]:
    usage = snapshot.usage
    may_break = key in breaking
    if rule := protection.reason(snapshot):
        return Verdict.PROTECTED, rule
    if not usage.in_use:
        return Verdict.DELETE, "nobody uses it"
    if usage.kind == "unknown":
        although = "; it cannot be allowed to break before its usage is known" if may_break else ""
        return Verdict.IN_USE, f"{usage.used_by}{although}"
    if usage.kind == "dynamic":
        although = ", even though you allowed it to break" if may_break else ""
        return Verdict.IN_USE, f"{usage.used_by}; the platform would refuse its deletion{although}"
    if may_break:
        return Verdict.DELETE, f"allowed to break; it is used by {usage.used_by}"
    return Verdict.IN_USE, usage.used_by


def describe_change(planned: PlanRow, current: PlanRow) -> str:
    """Return the difference between a row and its plan in words; empty if there is none."""
    if current.in_use and not planned.in_use:
        return current.used_by if current.kind == "unknown" else f"it is in use now: {current.used_by}"
    for noun, before, now in (
        ("its name", planned.name, current.name),
        ("its last update", planned.updated_at, current.updated_at),
        ("its users", planned.used_by, current.used_by),
        ("its verdict", planned.verdict.replace("_", " "), current.verdict.replace("_", " ")),
    ):
        if before != now:
            return f"{noun} changed from {before or 'nothing'} to {now or 'nothing'}"
    # The text names only the first users, so the whole sets are compared too.
    return "" if planned.users == current.users else f"its users changed, but not the first ones: {current.used_by}"
