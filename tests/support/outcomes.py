"""What a run did: the outcomes in its report, and how often the platform saw a usage scan."""

from typing import Any

from support.hostile_platform import HostilePlatform


def outcome_counts(report: Any) -> dict[str, int]:
    """Return outcome -> number of rows, without the outcomes that no row has."""
    return {outcome: count for outcome, count in report.counts.items() if count}


def outcome_by_id(report: Any) -> dict[str, str]:
    """Return id -> outcome of every row."""
    return {row.id: row.outcome.value for row in report.rows}


def count_usage_scans(platform: HostilePlatform) -> int:
    """Return how often the usage of the organisation was read; each scan lists the projects once."""
    return sum(request.path.endswith("/projects") for request in platform.requests)
