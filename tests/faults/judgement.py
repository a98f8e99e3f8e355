"""Holds a report against what the hostile platform did: the truth about every connection."""

from collections import Counter
from pathlib import Path

from support.hostile_platform import HostilePlatform

from versori_magics.cleanup.journal import read_journal
from versori_magics.cleanup.plan import Plan, Verdict
from versori_magics.cleanup.records import GONE, Outcome, RowSent
from versori_magics.cleanup.report import Report


def judge_report(platform: HostilePlatform, report: Report) -> None:
    """Check that each row has one outcome, that rows reported as gone are gone, and that no deletion is missing."""
    by_id = {row.id: row for row in report.rows}
    assert len(by_id) == len(report.rows) == sum(report.counts.values())
    reported_gone = {key for key, row in by_id.items() if row.outcome in GONE}
    unknown = {key for key, row in by_id.items() if row.outcome == Outcome.UNKNOWN}
    still_there = reported_gone & platform.world.connections.keys()
    assert not still_there, {key: by_id[key] for key in still_there}
    missing = platform.deleted - reported_gone - unknown
    assert not missing, {key: by_id.get(key) for key in missing}


def judge_run(
    platform: HostilePlatform, plan: Plan, report: Report, journal: Path, removed_by_others: set[str]
) -> None:
    """Check a report against its plan and its journal too."""
    judge_report(platform, report)
    by_id = {row.id: row for row in report.rows}
    assert list(by_id) == [row.id for row in plan.rows]
    to_delete = {row.id for row in plan.to_delete}
    assert platform.deleted <= to_delete, "something was deleted that was not planned"
    for key, row in by_id.items():
        assert row.outcome != Outcome.DELETED or key in platform.deleted | removed_by_others, row
    for planned in plan.rows:
        if planned.verdict != Verdict.DELETE:
            assert platform.sends(planned.id) == 0, planned
            assert by_id[planned.id].outcome == Outcome.IN_USE
    journalled = Counter(record.id for record in read_journal(journal) if isinstance(record, RowSent))
    for key in to_delete:
        assert platform.sends(key) <= journalled[key], "a DELETE was sent without its line in the journal"
