"""DataFrames of connections, plans, reports and runs, always with the same columns and dtypes, even when empty."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Literal

import pandas as pd

from versori_magics.api.models import ZERO_DAY
from versori_magics.text import one_line, visible

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from versori_magics.api.models import Connection
    from versori_magics.api.pagination import Listing
    from versori_magics.cleanup.plan import Plan
    from versori_magics.cleanup.report import Report
    from versori_magics.inventory.usage import ConnectionUsage, OrganisationUsage

SHORTEST_TIME = len("2026-11-24T09:00:00Z")
UNIT: Literal["us"] = "us"
PRINTABLE_ASCII = bytes(range(ord(" "), ord("~") + 1))
_BEYOND_MICROSECONDS = re.compile(r"(\.\d{6})\d+", re.ASCII)


def connections_frame(
    listing: Listing[Connection],
    systems: Mapping[str, str],
    usage: OrganisationUsage | None,
    *,
    server: str,
    organisation: str,
    warning: str = "",
) -> pd.DataFrame:
    """Return connections as a DataFrame, one row each.

    Parameters
    ----------
    listing : Listing
        The connections.
    systems : mapping
        System id -> name.
    usage : OrganisationUsage or None
        Adds the columns `kind`, `in_use`, `used_by` and `running`; None leaves them out.
    server, organisation : str
        The connections' server and organisation. ``attrs["versori"]`` records both, the time, and whether the
        platform's count confirms the list.
    warning : str
        Why the list may be incomplete despite that count; empty if there is no reason.

    Returns
    -------
    DataFrame
        Ids and texts are strings, times `datetime64[us, UTC]`, `in_use` a plain bool. `credential_errors` is text:
        empty if no error is known.
    """
    items = listing.items
    auths: list[str | None] = []
    errors: list[str | None] = []
    expiries: list[str | None] = []
    for item in items:
        auth, error, expiry = credential_state(item)
        auths.append(auth)
        errors.append(error)
        expiries.append(expiry)
    columns: dict[str, pd.Series[Any]] = {
        "id": _texts([item.id for item in items]),
        "name": _texts([item.name for item in items]),
        "system": _texts([systems.get(item.system_id or "") for item in items]),
        "system_id": _texts([item.system_id for item in items]),
        "base_url": _texts([item.base_url for item in items]),
        "auth": _texts(auths),
        "credential_errors": _texts(errors),
        "expires_at": _times(expiries),
        "created_at": _times([item.created_at for item in items]),
        "updated_at": _times([item.updated_at for item in items]),
        "template_id": _texts([item.connection_template_id for item in items]),
        "organisation_id": pd.Series([visible(organisation)] * len(items), dtype="str"),
    }
    if usage is not None:
        columns |= _usage_columns([usage.of(item.id) for item in items])
    frame = pd.DataFrame(columns, copy=False)  # the columns were made above, and nothing else refers to them
    frame.attrs["versori"] = {
        "server": server,
        "organisation": organisation,
        "time": datetime.now(UTC).isoformat(timespec="seconds"),
        "completeness": _completeness(listing, warning),
        "usage_problems": list(usage.problems) if usage is not None else [],
    }
    return frame


def _usage_columns(usages: Sequence[ConnectionUsage]) -> dict[str, pd.Series[Any]]:
    return {
        "kind": _texts([usage.kind for usage in usages]),
        "in_use": pd.Series([usage.in_use for usage in usages], dtype=bool),
        "used_by": _texts([usage.used_by for usage in usages]),
        "running": pd.Series([usage.running for usage in usages], dtype="int64"),
    }


def _completeness(listing: Listing[Connection], warning: str) -> str:
    if listing.confirmed and not warning:
        return "complete"
    return f"unconfirmed: {warning or 'the platform gave no totalCount'}"


def credential_state(connection: Connection) -> tuple[str, str, str | None]:
    """Return the authentication types, errors and earliest expiry of a connection's credentials.

    Returns
    -------
    str, str, str or None
        The types, separated by commas; empty if there are none. The errors, separated by semicolons; empty if none is
        known. The expiry as the platform wrote it; None if there is none.
    """
    auth = errors = ""
    expiry: str | None = None
    for entry in connection.credentials or ():
        if entry is None:
            continue
        scheme, credential = entry.auth_scheme_config, entry.credential
        auth_type = (scheme and scheme.type) or (credential and credential.type)
        if not auth:
            auth = auth_type or ""
        elif auth_type and auth_type not in auth.split(", "):
            auth = f"{auth}, {auth_type}"
        if credential is None:
            continue
        if credential.errors:
            messages = [one_line(error, 300) for error in credential.errors]
            errors = "; ".join([errors, *messages] if errors else messages)
        if credential.expires_at and credential.expires_at > ZERO_DAY:
            expiry = _earlier(expiry, credential.expires_at) if expiry else credential.expires_at
    return auth, errors, expiry


def plan_frame(plan: Plan) -> pd.DataFrame:
    """Return a plan as a DataFrame, one row for each selected id."""
    rows = plan.rows
    texts = ("id", "name", "system", "verdict", "reason", "kind")
    return pd.DataFrame(
        {name: _texts([str(getattr(row, name)) for row in rows]) for name in texts}
        | {
            "in_use": pd.Series([row.in_use for row in rows], dtype=bool),
            "used_by": _texts([row.used_by for row in rows]),
            "running": pd.Series([row.running for row in rows], dtype="int64"),
        }
    )


def report_frame(report: Report) -> pd.DataFrame:
    """Return a report as a DataFrame, one row for each planned id; `fields` holds lists of {field, message}."""
    rows = report.rows
    return pd.DataFrame(
        {
            "id": _texts([row.id for row in rows]),
            "name": _texts([row.name for row in rows]),
            "outcome": _texts([row.outcome.value for row in rows]),
            "status": pd.Series([row.status for row in rows], dtype="Int64"),
            "code": _texts([row.code for row in rows]),
            "message": _texts([row.message for row in rows]),
            "fields": pd.Series(
                [[{"field": visible(name), "message": visible(text)} for name, text in row.fields] for row in rows],
                dtype=object,
            ),
            "details": _texts([row.details for row in rows]),
            "attempts": pd.Series([row.attempts for row in rows], dtype="int64"),
            "seconds": pd.Series([row.seconds for row in rows], dtype="float64"),
        }
    )


def runs_frame(reports: Sequence[tuple[Report, str]], outcomes: Iterable[str]) -> pd.DataFrame:
    """Return runs as a DataFrame, one row each, in the given order.

    Parameters
    ----------
    reports : sequence of (Report, str)
        The report of each run, and its state in words.
    outcomes : iterable of str
        The outcomes to count, each in a column of its own.
    """
    columns: dict[str, Any] = {
        "run": _texts([report.run for report, _ in reports]),
        "started": _times([report.started for report, _ in reports]),
        "state": _texts([state for _, state in reports]),
        "server": _texts([report.server for report, _ in reports]),
        "organisation": _texts([report.organisation for report, _ in reports]),
        "planned": pd.Series([len(report.rows) for report, _ in reports], dtype="int64"),
    }
    for outcome in outcomes:
        columns[outcome] = pd.Series([report.counts[outcome] for report, _ in reports], dtype="int64")
    columns["stopped"] = _texts([report.stopped for report, _ in reports])
    columns["damage"] = _texts([report.damage for report, _ in reports])
    columns["journal"] = _texts([report.journal for report, _ in reports])
    return pd.DataFrame(columns)


def _texts(texts: list[str | None]) -> pd.Series[str]:
    """Return texts as a Series, with visible control characters, because pandas shows them as they are."""
    if not _are_printable(texts):
        texts = [None if text is None else visible(text) for text in texts]
    return pd.Series(texts, dtype="str")


def _are_printable(texts: list[str | None]) -> bool:
    """Tell whether all texts are printable ASCII; nearly always they are, and a thousand at a time is a fast check."""
    for begin in range(0, len(texts), 1000):
        joined = "".join(filter(None, texts[begin : begin + 1000]))
        if not joined.isascii() or joined.encode().translate(None, PRINTABLE_ASCII):
            return False
    return True


def _times(texts: list[str | None]) -> pd.Series[pd.Timestamp]:
    """Parse RFC 3339 times; a missing, zero or invalid time becomes NaT, so no filter by age selects it."""
    # A shorter text is not a time, but pandas would accept "now", "today" and "-1".
    times = [text if text and len(text) >= SHORTEST_TIME and text > ZERO_DAY else None for text in texts]
    parsed = _parse(times)
    if parsed.dt.unit == "ns":  # a text has more than six decimals; nanoseconds cannot hold all years that Go can
        parsed = _parse([text and _BEYOND_MICROSECONDS.sub(r"\1", text) for text in times])
    return parsed.dt.as_unit(UNIT)


def _parse(times: list[str | None]) -> pd.Series[pd.Timestamp]:
    return pd.to_datetime(pd.Series(times, dtype="str"), format="ISO8601", utc=True, errors="coerce")


def _earlier(first: str, second: str) -> str:
    times = _times([first, second])
    return second if times.isna()[0] or times[1] < times[0] else first  # every comparison with NaT is False
