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

ZERO_TIME = "0001-01-01T"  # platform-api: Go's zero time can occur; it means that there is none
UNIT: Literal["us"] = "us"
_TIME = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:(\.\d{1,6})\d*)?(Z|[+-]\d\d:\d\d)", re.ASCII)
# A column of times that pandas reads as they are, one a line; a look at each would take longer than reading them.
_PLAIN_TIMES = re.compile(r"(?:(?:\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,6})?(?:Z|[+-]\d\d:\d\d))?\n)*+", re.ASCII)


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
    states = [credential_state(item) for item in items]
    columns = {
        "id": _texts(item.id for item in items),
        "name": _texts(item.name for item in items),
        "system": _texts(systems.get(item.system_id or "") for item in items),
        "system_id": _texts(item.system_id for item in items),
        "base_url": _texts(item.base_url for item in items),
        "auth": _texts(state[0] for state in states),
        "credential_errors": _texts(state[1] for state in states),
        "expires_at": _times(state[2] for state in states),
        "created_at": _times(item.created_at for item in items),
        "updated_at": _times(item.updated_at for item in items),
        "template_id": _texts(item.connection_template_id for item in items),
        "organisation_id": _texts(organisation for _ in items),
    }
    if usage is not None:
        found = [usage.of(item.id) for item in items]
        columns |= {
            "kind": _texts(one.kind for one in found),
            "in_use": pd.Series([one.in_use for one in found], dtype=bool),
            "used_by": _texts(one.used_by for one in found),
            "running": pd.Series([one.running for one in found], dtype="int64"),
        }
    frame = pd.DataFrame(columns)
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
    kinds: list[str] = []
    errors: list[str] = []
    expiries: list[str] = []
    validated = False
    for entry in connection.credentials or ():
        if entry is None:
            continue
        scheme, credential = entry.auth_scheme_config, entry.credential
        kind = (scheme.type if scheme else None) or (credential.type if credential else None)
        if kind:
            kinds.append(kind)
        if credential is None:
            continue
        if credential.errors is not msgspec.UNSET:
            validated = True
            errors += [one_line(error, 300) for error in credential.errors or ()]
        if credential.expires_at and not credential.expires_at.startswith(ZERO_TIME):
            expiries.append(credential.expires_at)
    auth = kinds[0] if len(kinds) == 1 else ", ".join(dict.fromkeys(kinds))
    return auth, "; ".join(errors) if validated else None, _earliest(expiries)


def plan_frame(plan: Plan) -> pd.DataFrame:
    """Return a plan as a DataFrame, one row a selected id."""
    rows = plan.rows
    texts = ("id", "name", "system", "verdict", "reason", "kind")
    return pd.DataFrame(
        {name: _texts(str(getattr(row, name)) for row in rows) for name in texts}
        | {
            "in_use": pd.Series([row.in_use for row in rows], dtype=bool),
            "used_by": _texts(row.used_by for row in rows),
            "running": pd.Series([row.running for row in rows], dtype="int64"),
        }
    )


def report_frame(report: Report) -> pd.DataFrame:
    """Return a report as a DataFrame, one row a planned id; `fields` holds a list of {field, message}."""
    rows = report.rows
    return pd.DataFrame(
        {
            "id": _texts(row.id for row in rows),
            "name": _texts(row.name for row in rows),
            "outcome": _texts(row.outcome.value for row in rows),
            "status": pd.Series([row.status for row in rows], dtype="Int64"),
            "code": _texts(row.code for row in rows),
            "message": _texts(row.message for row in rows),
            "fields": pd.Series(
                [[{"field": visible(name), "message": visible(text)} for name, text in row.fields] for row in rows],
                dtype=object,
            ),
            "details": _texts(row.details for row in rows),
            "attempts": pd.Series([row.attempts for row in rows], dtype="int64"),
            "seconds": pd.Series([row.seconds for row in rows], dtype="float64"),
        }
    )


def runs_frame(reports: Sequence[tuple[Report, str]], outcomes: Iterable[str]) -> pd.DataFrame:
    """Return runs as a DataFrame, the newest first; a report comes with its state in words."""
    columns: dict[str, Any] = {
        "run": _texts(report.run for report, _ in reports),
        "started": _times(report.started for report, _ in reports),
        "state": _texts(state for _, state in reports),
        "server": _texts(report.server for report, _ in reports),
        "organisation": _texts(report.organisation for report, _ in reports),
        "planned": pd.Series([len(report.rows) for report, _ in reports], dtype="int64"),
    }
    for outcome in outcomes:
        columns[outcome] = pd.Series([report.counts[outcome] for report, _ in reports], dtype="int64")
    columns["stopped"] = _texts(report.stopped for report, _ in reports)
    columns["journal"] = _texts(report.journal for report, _ in reports)
    return pd.DataFrame(columns)


def _texts(values: Iterable[str | None]) -> pd.Series[str]:
    """Return texts with their control characters made visible: a frame is shown by pandas, which lets them through."""
    texts = list(values)
    joined = "".join(filter(None, texts))  # one look at all of them: mostly there is nothing to do
    if not (joined.isascii() and joined.isprintable()):
        texts = [None if text is None else visible(text) for text in texts]
    return pd.Series(texts, dtype="str")


def _times(values: Iterable[str | None]) -> pd.Series[pd.Timestamp]:
    """Parse RFC 3339 times; what is missing, zero or no time becomes NaT, which no filter by age selects."""
    texts: list[str | None] = [text or "" for text in values]
    joined = "".join(f"{text}\n" for text in texts)
    plain = joined.count("\n") == len(texts) and ZERO_TIME not in joined and _PLAIN_TIMES.fullmatch(joined)
    if not plain:
        texts = [_micro(text or "") for text in texts]
    parsed = pd.to_datetime(pd.Series(texts, dtype="str"), format="ISO8601", utc=True, errors="coerce")
    return parsed.dt.as_unit(UNIT)


def _micro(text: str) -> str | None:
    """Return a time with six digits at most; None where it is none: pandas also reads "now", "today" and "-1"."""
    # pandas would go to nanoseconds for nine digits, and could then not hold the years that Go can.
    found = None if text.startswith(ZERO_TIME) else _TIME.fullmatch(text)
    return "".join(part or "" for part in found.groups()) if found else None


def _earliest(times: Sequence[str]) -> str | None:
    if len(times) < 2:  # noqa: PLR2004 - nothing to compare
        return times[0] if times else None
    parsed = _times(times)
    return times[int(parsed.argmin())] if parsed.notna().any() else times[0]
