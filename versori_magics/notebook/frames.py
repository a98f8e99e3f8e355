"""Models and reports as DataFrames: the same columns and dtypes always, also when empty."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Literal

import msgspec
import pandas as pd

from versori_magics.text import one_line, visible

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from versori_magics.deletion.plan import Plan
    from versori_magics.deletion.report import Report
    from versori_magics.platform.listing import Listing
    from versori_magics.platform.models import Connection
    from versori_magics.platform.usage import Usage

# Sorts behind all that Go writes for its zero time, which means that there is none (platform-api: it can occur).
ZERO_DAY = "0001-01-01Z"
SHORTEST_TIME = len("2026-11-24T09:00:00Z")
UNIT: Literal["us"] = "us"
PRINTABLE = bytes(range(ord(" "), ord("~") + 1))
_MICRO = re.compile(r"(\.\d{6})\d+", re.ASCII)


def connections_frame(
    listing: Listing[Connection],
    systems: Mapping[str, str],
    usage: Usage | None,
    *,
    server: str,
    organisation: str,
) -> pd.DataFrame:
    """Return connections as a DataFrame, one row each.

    Parameters
    ----------
    listing : Listing
        The connections.
    systems : mapping
        System id -> name.
    usage : Usage or None
        With it, also the columns `kind`, `in_use`, `used_by` and `running`.
    server, organisation : str
        Where they are; noted in ``attrs["versori"]`` with the time and whether the platform's count confirms the list.

    Returns
    -------
    DataFrame
        Ids and texts are strings, times `datetime64[us, UTC]`, `in_use` a plain bool. `credential_errors` is text:
        missing where never validated, empty where valid.
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
    columns = {
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
        found = [usage.of(item.id) for item in items]
        columns |= {
            "kind": _texts([one.kind for one in found]),
            "in_use": pd.Series([one.in_use for one in found], dtype=bool),
            "used_by": _texts([one.used_by for one in found]),
            "running": pd.Series([one.running for one in found], dtype="int64"),
        }
    frame = pd.DataFrame(columns, copy=False)  # made here, and nobody else has them
    frame.attrs["versori"] = {
        "server": server,
        "organisation": organisation,
        "time": datetime.now(UTC).isoformat(timespec="seconds"),
        "completeness": "complete" if listing.confirmed else "unconfirmed: the platform gave no totalCount",
        "usage_problems": list(usage.problems) if usage is not None else [],
    }
    return frame


def credential_state(connection: Connection) -> tuple[str, str | None, str | None]:
    """Return (authentication types, errors, earliest expiry) of a connection's credentials.

    Errors are None where no credential was ever validated, and empty where all that were are valid.
    """
    auth = ""
    errors: str | None = None
    expiry: str | None = None
    for entry in connection.credentials or ():
        if entry is None:
            continue
        scheme, credential = entry.auth_scheme_config, entry.credential
        kind = (scheme and scheme.type) or (credential and credential.type)
        if not auth:
            auth = kind or ""
        elif kind and kind not in auth.split(", "):
            auth = f"{auth}, {kind}"
        if credential is None:
            continue
        if credential.errors is not msgspec.UNSET:
            errors = errors or ""
            if credential.errors:
                found = [one_line(error, 300) for error in credential.errors]
                errors = "; ".join([errors, *found] if errors else found)
        if credential.expires_at and credential.expires_at > ZERO_DAY:
            expiry = _earlier(expiry, credential.expires_at) if expiry else credential.expires_at
    return auth, errors, expiry


def plan_frame(plan: Plan) -> pd.DataFrame:
    """Return a plan as a DataFrame, one row a selected id."""
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
    """Return a report as a DataFrame, one row a planned id; `fields` holds a list of {field, message}."""
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
    """Return runs as a DataFrame, the newest first; a report comes with its state in words."""
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
    columns["journal"] = _texts([report.journal for report, _ in reports])
    return pd.DataFrame(columns)


def _texts(texts: list[str | None]) -> pd.Series[str]:
    """Return texts with their control characters made visible: a frame is shown by pandas, which lets them through."""
    if not _plain(texts):
        texts = [None if text is None else visible(text) for text in texts]
    return pd.Series(texts, dtype="str")


def _plain(texts: list[str | None]) -> bool:
    """Tell whether texts are all printable ASCII, a thousand at a look: mostly there is nothing to make visible."""
    for begin in range(0, len(texts), 1000):
        some = "".join(filter(None, texts[begin : begin + 1000]))
        if not some.isascii() or some.encode().translate(None, PRINTABLE):
            return False
    return True


def _times(texts: list[str | None]) -> pd.Series[pd.Timestamp]:
    """Parse RFC 3339 times; what is missing, zero or no time becomes NaT, which no filter by age selects."""
    # What is shorter is no time, though pandas would take "now", "today" and "-1" for one.
    times = [text if text and len(text) >= SHORTEST_TIME and text > ZERO_DAY else None for text in texts]
    parsed = _parsed(times)
    if parsed.dt.unit == "ns":  # of digits beyond the sixth; years that Go can hold would then be lost
        parsed = _parsed([text and _MICRO.sub(r"\1", text) for text in times])
    return parsed.dt.as_unit(UNIT)


def _parsed(times: list[str | None]) -> pd.Series[pd.Timestamp]:
    return pd.to_datetime(pd.Series(times, dtype="str"), format="ISO8601", utc=True, errors="coerce")


def _earlier(one: str, other: str) -> str:
    times = _times([one, other])
    return other if times.isna()[0] or times[1] < times[0] else one  # nothing is before NaT
