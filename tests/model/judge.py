"""The judge: holds every DELETE, plan, list and report against what is true of the emulator and what was agreed to."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from model.organisations import NAMES
from model.protection_rules import protecting_rule
from model.site import MAX_AGE, Facts, Site

if TYPE_CHECKING:
    from collections.abc import Collection
    from pathlib import Path

    import pandas as pd
    from model.agreements import Agreement
    from model.world import World

    from versori_magics.cleanup.plan import Plan, PlanRow
    from versori_magics.cleanup.report import Report, ReportRow

_GONE = {"deleted", "already_gone"}
_UNCLEAR = {"failed", "unknown", "not_attempted"}


# A DELETE that arrives.


def judge_delete(world: World, site: Site, connection: str) -> None:
    """Judge one DELETE at the moment at which it reaches the platform."""
    called = _called(site, connection)
    site.arrivals[connection] += 1
    world.tell(f"DELETE of {called} reaches {site}")
    if problem := _problem_of_delete(world, site, connection, world.agreement):
        kind, text = problem
        world.violate(kind, f"{called} on {site} was sent for deletion, but {text}.")
    if world.journals is not None and not _is_recorded(world.journals, connection):
        world.violate("not recorded", f"{called} on {site} was sent for deletion, but no journal says so.")


def _is_recorded(journals: Path, connection: str) -> bool:
    """Tell whether a line of a journal says that this connection is sent."""
    lines = (line for path in journals.glob("*.jsonl") for line in path.read_bytes().splitlines())
    return any(b"sent" in line and connection.encode() in line for line in lines)


def _problem_of_delete(
    world: World, site: Site, connection: str, agreement: Agreement | None
) -> tuple[str, str] | None:
    if agreement is None:
        return "nobody agreed", "nobody agreed to delete anything"
    if agreement.site is not site:
        return "another server", f"the agreement is for {agreement.site}"
    if connection not in agreement.ids:
        return "another row", "it is not a row of the plan that was agreed to"
    agreement.remember_facts()
    looked = site.looked(connection)
    if looked is None or site.scan is None:
        return "never looked", "nobody looked at it"
    if world.time - site.scan.time > MAX_AGE:
        return "old look", f"its usage was looked up {world.time - site.scan.time:.0f} s ago"
    return _problem_of_looked(site, connection, looked, agreement)


def _problem_of_looked(site: Site, connection: str, looked: Facts, agreement: Agreement) -> tuple[str, str] | None:
    if looked.uses is None:
        return "usage unknown", "a look-up of its usage failed"
    if looked.uses and connection not in agreement.breaking:
        return "in use", "it is in use"
    planned = agreement.facts.get(connection) or looked
    if planned[:2] != looked[:2]:
        return "changed", f"{planned[:2]} became {looked[:2]} since it was planned"
    if planned.uses != looked.uses:
        return "users changed", "its users are not those that were agreed to"
    return _problem_of_rules(site, connection, looked.name, agreement)


def _problem_of_rules(site: Site, connection: str, name: str, agreement: Agreement) -> tuple[str, str] | None:
    rules = agreement.rules()
    if rule := protecting_rule(rules, connection, name, site.systems_of(connection)):
        return "protected", f"a rule protects it ({rule})"
    for target, pattern in rules:
        if " #" in pattern and not any(protecting_rule([(target, pattern)], "", known, ()) for known in NAMES.values()):
            return "old comment", f"the rule {pattern!r} matches nothing and looks like one with a comment"
    return None


# What is shown.


def judge_plan(world: World, plan: Plan, agreement: Agreement) -> None:
    """Judge a plan against what the client was told while it was made."""
    site = agreement.site
    if (plan.server, plan.organisation) != (site.server, site.id):
        world.violate("another server", f"a plan for {site} names {plan.server} and {plan.organisation}")
    _judge_ids(world, "plan", [row.id for row in plan.rows], agreement.selected)
    _judge_counts(world, "plan", plan.counts, len(plan.rows))
    for row in plan.rows:
        if problem := _problem_of_plan_row(site, row, agreement):
            kind, text = problem
            world.violate(kind, f"The plan says {row.verdict.value!r} of {_called(site, row.id)}, but {text}.")
        elif world.is_calm and row.verdict.value == "in_use" and _is_known_unused(world, site, row.id):
            world.violate("kept without reason", f"{_called(site, row.id)} is called in use, but nobody uses it.")


def _is_known_unused(world: World, site: Site, connection: str) -> bool:
    """Tell whether nobody uses a connection, and the client could know it."""
    looked = site.looked(connection)
    could_know = world.manner != "activations without connections"
    return could_know and looked is not None and looked.uses == frozenset()


def _problem_of_plan_row(site: Site, row: PlanRow, agreement: Agreement) -> tuple[str, str] | None:
    verdict = row.verdict.value
    if verdict == "not_found":
        return ("unsafe plan", "it exists") if site.exists(row.id) else None
    looked = site.looked(row.id)
    uses = looked.uses if looked else None
    if not row.in_use and uses != frozenset():
        return "unsafe plan", "it is called unused and " + ("its usage is not known" if uses is None else "is in use")
    if verdict == "delete" and (uses is None or (uses and row.id not in agreement.breaking)):
        return "unsafe plan", "its usage is not known" if uses is None else "it is in use"
    if uses and verdict == "delete" and row.running < (running := _running(uses)):
        return "unsafe plan", f"it breaks {running} running environments and not {row.running}"
    return None


def _running(uses: Collection[Any]) -> int:
    return len({use.environment for use in uses if use.status == "running" and not use.end_user})


def judge_frame(world: World, site: Site, frame: pd.DataFrame) -> None:
    """Judge a list of connections with its usage."""
    existing = {item.id for item in site.organisation.connections}
    _judge_ids(world, "list", frame["id"].tolist(), existing)
    for id_, in_use in zip(frame["id"], frame["in_use"], strict=True):
        looked = site.looked(id_.upper())
        if not in_use and (looked is None or looked.uses != frozenset()):
            world.violate("unsafe list", f"{_called(site, id_)} is listed as unused, but that is not known")


def _judge_ids(world: World, noun: str, ids: list[str], expected: Collection[str]) -> None:
    if sorted(ids) != sorted(expected):
        world.violate(f"rows of the {noun}", f"The {noun} has {len(ids)} rows for {len(expected)} connections.")


def _judge_counts(world: World, noun: str, counts: dict[str, int], rows: int) -> None:
    if sum(counts.values()) != rows:
        world.violate("counts", f"The counts of the {noun} add up to {sum(counts.values())} and not to {rows}.")


# Reports.


def judge_report(world: World, report: Report, agreement: Agreement) -> None:
    """Judge a report of a plan, by whatever command it was returned, raised or shown."""
    _judge_ids(world, "report", [row.id for row in report.rows], agreement.selected)
    _judge_counts(world, "report", report.counts, len(report.rows))
    if report.rows and (report.server, report.organisation) != (agreement.site.server, agreement.site.id):
        world.violate("another server", f"a report of {agreement.site} names {report.server}")
    for row in report.rows:
        if problem := _problem_of_report_row(row, agreement):
            called = _called(agreement.site, row.id)
            world.violate("false report", f"The report says {row.outcome.value!r} of {called}, but {problem}.")


def _problem_of_report_row(row: ReportRow, agreement: Agreement) -> str:
    outcome, removed = row.outcome.value, row.id in agreement.removed
    if outcome in _GONE and agreement.site.exists(row.id):
        return "it exists"
    if outcome == "deleted" and row.id not in agreement.sent and not agreement.is_damaged:
        return "this run sent no DELETE"
    if outcome == "already_gone" and agreement.is_lost:
        return ""
    if outcome not in {"deleted", "unknown"} and removed:
        return "this run deleted it"
    return ""


def judge_calm(world: World, report: Report, agreement: Agreement) -> None:
    """Judge a report of a command during which nothing went wrong: what was agreed to must be done."""
    for row in report.rows:
        is_new = agreement.shown is None and not agreement.is_damaged
        if row.outcome.value == "in_use" and is_new and _is_known_unused(world, agreement.site, row.id):
            world.violate("kept without reason", f"{_called(agreement.site, row.id)} was kept, but nobody uses it.")
        called = f"{_called(agreement.site, row.id)} ended as {row.outcome.value!r}"
        if row.outcome.value in _UNCLEAR:
            world.violate("stuck", f"{called} although nothing went wrong: {row.message}")


def _called(site: Site, connection: str) -> str:
    return site.labels.get(connection.upper(), re.sub(r"\W", "?", connection)[:30])
