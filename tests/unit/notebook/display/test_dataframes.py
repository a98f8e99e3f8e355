"""DataFrames: always the same columns and dtypes, whatever the server sends."""

import unicodedata
from typing import Any

import msgspec
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.cleanup_examples import make_usage, make_use

from versori_magics.api.models import Connection
from versori_magics.api.pagination import Listing
from versori_magics.cleanup.plan import Plan, PlanRow, Verdict
from versori_magics.cleanup.records import Outcome
from versori_magics.cleanup.report import Report, ReportRow
from versori_magics.errors import FieldError
from versori_magics.inventory.usage import OrganisationUsage, Use
from versori_magics.notebook.display.dataframes import (
    connections_frame,
    credential_state,
    plan_frame,
    report_frame,
    runs_frame,
)

ORGANISATION = "01BX5ZZKBKACTAV9WEVGEMMVRZ"
CONNECTION_ID = "01ARZ3NDEKTSV4RRFFQ69G5FAV"
TIME, TEXT = "datetime64[us, UTC]", "str"
CONNECTIONS = {
    "id": TEXT,
    "name": TEXT,
    "system": TEXT,
    "system_id": TEXT,
    "base_url": TEXT,
    "auth": TEXT,
    "credential_errors": TEXT,
    "expires_at": TIME,
    "created_at": TIME,
    "updated_at": TIME,
    "template_id": TEXT,
    "organisation_id": TEXT,
}
USAGE = {"kind": TEXT, "in_use": "bool", "used_by": TEXT, "running": "int64"}
REPORT = {
    "id": TEXT,
    "name": TEXT,
    "outcome": TEXT,
    "status": "Int64",
    "code": TEXT,
    "message": TEXT,
    "fields": "object",
    "details": TEXT,
    "attempts": "int64",
    "seconds": "float64",
}
PLAN = {
    **dict.fromkeys(("id", "name", "system", "verdict", "reason", "kind"), TEXT),
    "in_use": "bool",
    "used_by": TEXT,
    "running": "int64",
}

json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | st.text(max_size=12),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=4,
)
texts = st.text(max_size=30) | st.sampled_from(["\x1b[31mred", "a\u202eb", "<b>", "x" * 5000, "\x00", "\ud800"])


def connection(**fields: Any) -> Connection:
    return msgspec.convert({"id": CONNECTION_ID, **fields}, Connection)


def frame(*items: Connection, usage: OrganisationUsage | None = None, confirmed: bool = True) -> pd.DataFrame:
    return connections_frame(
        Listing(list(items), confirmed), {"S": "Shop"}, usage, server="https://s", organisation=ORGANISATION
    )


def dtypes(df: pd.DataFrame) -> dict[str, str]:
    return {str(name): str(dtype) for name, dtype in df.dtypes.items()}


def unsafe(text: str) -> list[str]:
    """Return the characters of a text that steer a terminal or the direction of reading."""
    return [char for char in text if unicodedata.category(char) in {"Cc", "Cf", "Cs"} and char not in "\n\u200c\u200d"]


full = connection(
    name="One",
    systemId="S",
    baseUrl="https://x",
    connectionTemplateId="T",
    createdAt="2024-03-01T09:00:00Z",
    updatedAt="2024-03-01T09:00:00.123456789+02:00",
    credentials=[
        {
            "authSchemeConfig": {"type": "oauth2"},
            "credential": {"errors": ["expired"], "expiresAt": "2025-01-01T00:00:00Z"},
        }
    ],
)
used = OrganisationUsage({CONNECTION_ID: [Use("static", "Orders", "P", "production", "E", "running")]})


@pytest.mark.parametrize("items", [(), (full,), (connection(),), (full, connection(), full)])
def test_connections_have_the_same_columns_and_dtypes_also_when_empty(
    items: tuple[Connection, ...],
) -> None:
    assert dtypes(frame(*items)) == CONNECTIONS
    assert list(frame(*items)) == list(CONNECTIONS)
    assert dtypes(frame(*items, usage=used)) == {**CONNECTIONS, **USAGE}
    assert dtypes(frame(*items, usage=OrganisationUsage(problems=("no projects",)))) == {**CONNECTIONS, **USAGE}
    assert len(frame(*items)) == len(items)


def test_every_value_of_a_connection_is_in_its_column() -> None:
    (row,) = frame(full, usage=used).to_dict("records")
    assert row == {
        "id": CONNECTION_ID,
        "name": "One",
        "system": "Shop",
        "system_id": "S",
        "base_url": "https://x",
        "auth": "oauth2",
        "credential_errors": "expired",
        "expires_at": pd.Timestamp("2025-01-01T00:00:00Z"),
        "created_at": pd.Timestamp("2024-03-01T09:00:00Z"),
        "updated_at": pd.Timestamp("2024-03-01T07:00:00.123456Z"),
        "template_id": "T",
        "organisation_id": ORGANISATION,
        "kind": "static",
        "in_use": True,
        "used_by": "Orders / production (running)",
        "running": 1,
    }


def test_the_attributes_of_a_frame_record_its_origin_and_whether_the_list_is_confirmed() -> None:
    origin = frame(full).attrs["versori"]
    assert (origin["server"], origin["organisation"], origin["completeness"]) == ("https://s", ORGANISATION, "complete")
    assert pd.Timestamp(origin["time"]) > pd.Timestamp("2026-01-01T00:00Z")
    assert frame(full, confirmed=False).attrs["versori"]["completeness"].startswith("unconfirmed")
    assert frame(usage=OrganisationUsage(problems=("x",))).attrs["versori"]["usage_problems"] == ["x"]


def test_a_part_of_a_frame_keeps_the_record_of_its_origin() -> None:
    df = frame(full, connection(), usage=used)
    for selected in (df[df["in_use"]], df["id"], df.query("in_use"), df.sort_values("name")["id"]):
        assert selected.attrs["versori"]["organisation"] == ORGANISATION


def test_unknown_usage_counts_as_in_use_and_unused_connections_do_not() -> None:
    df = frame(connection(), usage=OrganisationUsage(problems=("projects could not be read",)))
    assert df["in_use"].tolist() == [True]
    assert df["kind"].tolist() == ["unknown"]
    assert "projects could not be read" in df["used_by"][0]
    assert frame(connection(), usage=OrganisationUsage())["in_use"].tolist() == [False]


# Credentials.


@pytest.mark.parametrize(
    ("credentials", "state"),
    [
        (None, ("", "", None)),
        ([], ("", "", None)),
        ([None], ("", "", None)),
        ([{"credential": None, "authSchemeConfig": None}], ("", "", None)),
        ([{"authSchemeConfig": {"type": "brand-new"}}], ("brand-new", "", None)),
        ([{"credential": {"type": "string"}}], ("string", "", None)),
        ([{"credential": {"type": "string", "errors": []}}], ("string", "", None)),
        ([{"credential": {"type": "string", "errors": None}}], ("string", "", None)),
        ([{"credential": {"errors": ["a", {"b": 1}, 3]}}], ("", "a; {'b': 1}; 3", None)),
        ([{"credential": {"expiresAt": "0001-01-01T00:00:00Z"}}], ("", "", None)),
        (
            [
                {"credential": {"type": "x", "errors": ["e"], "expiresAt": "2026-01-01T00:00:00Z"}},
                {"credential": {"type": "x", "expiresAt": "2025-12-31T23:00:00-02:00"}},
                {"credential": {"type": "y", "expiresAt": "2026-01-01T02:00:00+03:00"}},
            ],
            ("x, y", "e", "2026-01-01T02:00:00+03:00"),
        ),
    ],
)
def test_credentials_are_summarised_as_types_errors_and_earliest_expiry(
    credentials: Any, state: tuple[Any, ...]
) -> None:
    assert credential_state(connection(credentials=credentials)) == state


@pytest.mark.parametrize("data", ["S3CR3T", {"oauth2Token": {"accessToken": "S3CR3T"}}, ["S3CR3T"], {"S3CR3T": 1}])
def test_a_frame_never_contains_credential_data(data: Any) -> None:
    secret = {"credential": {"type": "string", "data": data, "errors": []}, "data": data}
    body = {"id": CONNECTION_ID, "credentials": [secret], "data": data}
    df = frame(msgspec.json.decode(msgspec.json.encode(body), type=Connection))
    assert "S3CR3T" not in df.to_csv() + repr(df.attrs)


def test_the_expiry_of_the_token_counts_rather_than_the_removal_of_the_credential() -> None:
    def expires_at(token: Any) -> Any:
        credential = {"expiresAt": "2030-01-01T00:00:00Z", "data": {"oauth2Token": token}}
        body = {"id": CONNECTION_ID, "credentials": [{"credential": credential}]}
        return frame(msgspec.json.decode(msgspec.json.encode(body), type=Connection))["expires_at"][0]

    assert expires_at({"expiresAt": "2026-01-01T00:00:00Z"}) == pd.Timestamp("2026-01-01T00:00:00Z")
    assert expires_at({}) == pd.Timestamp("2030-01-01T00:00:00Z")


def test_a_list_that_may_lack_connections_of_end_users_is_not_called_complete() -> None:
    df = connections_frame(
        Listing([full], confirmed=True),
        {},
        None,
        server="https://s",
        organisation=ORGANISATION,
        warning="some are missing",
    )
    assert df.attrs["versori"]["completeness"] == "unconfirmed: some are missing"


# Times.


@pytest.mark.parametrize(
    ("text", "time"),
    [
        ("2024-03-01T09:00:00Z", "2024-03-01T09:00:00Z"),
        *((f"2024-03-01T09:00:00.{'123456789'[:n]}Z", f"2024-03-01T09:00:00.{'123456'[:n]}Z") for n in range(1, 10)),
        *((f"2024-03-01T09:00:00.{'9' * n}Z", f"2024-03-01T09:00:00.{'9' * min(n, 6)}Z") for n in range(1, 10)),
        ("2024-03-01T09:00:00.123456789+05:30", "2024-03-01T03:30:00.123456Z"),
        ("2024-03-01T09:00:00-08:00", "2024-03-01T17:00:00Z"),
        ("2024-03-01T09:00:00+00:00", "2024-03-01T09:00:00Z"),
        ("9999-12-31T23:59:59.999999999Z", "9999-12-31T23:59:59.999999Z"),
        ("1600-01-01T00:00:00Z", "1600-01-01T00:00:00Z"),
    ],
)
def test_times_in_every_form_that_go_prints_are_parsed(text: str, time: str) -> None:
    for others in ([], [full], [connection(createdAt="0001-01-01T00:00:00Z"), connection(createdAt="tomorrow")]):
        df = frame(connection(createdAt=text), *others)
        assert df["created_at"][0] == pd.Timestamp(time)
        assert dtypes(df)["created_at"] == TIME


@pytest.mark.parametrize(
    "text",
    [
        None,
        "",
        " ",
        "0001-01-01T00:00:00Z",
        "0001-01-01T00:00:00.000000000Z",
        "garbage",
        "now",
        "today",
        "NaT",
        "0",
        "-1",
        "1e9",
        "2024-13-01T00:00:00Z",
        "2024-02-30T00:00:00Z",
        "2024-03-01T25:00:00Z",
        "2024-03-01T09:00:00.Z.Z",
        "2024-03-01T09:00:00+99:99",
        "12024-03-01T09:00:00Z",
        "." * 400,
        "\x00",
        "2024-03-01T09:00:00Z\n2024-03-01T09:00:00Z",
        "\uff12\uff10\uff12\uff14-03-01T09:00:00Z",
    ],
)
def test_an_invalid_time_is_missing_and_no_filter_by_age_selects_it(text: str | None) -> None:
    df = frame(connection(createdAt=text, updatedAt=text), full)
    assert df["updated_at"].isna().tolist() == [True, False]
    assert dtypes(df)["updated_at"] == TIME
    assert df[df["updated_at"] < pd.Timestamp("2999-01-01", tz="UTC")]["name"].tolist() == ["One"]


@given(st.lists(st.text(max_size=40) | st.datetimes().map(lambda t: t.isoformat() + "Z") | st.none(), max_size=5))
def test_any_text_instead_of_a_time_gives_the_same_dtypes(times: list[str | None]) -> None:
    items = [
        connection(createdAt=text, updatedAt=text, credentials=[{"credential": {"expiresAt": text}}] * 2)
        for text in times
    ]
    df = frame(*items)
    assert dtypes(df) == CONNECTIONS
    assert len(df) == len(times)


# Hostile texts.


@given(
    st.fixed_dictionaries(
        {},
        optional={
            "name": texts | st.none(),
            "systemId": texts | st.none(),
            "baseUrl": texts | st.none(),
            "credentials": st.lists(
                st.none()
                | st.fixed_dictionaries(
                    {},
                    optional={
                        "authSchemeConfig": st.none() | st.fixed_dictionaries({"type": texts | st.none()}),
                        "credential": st.none()
                        | st.fixed_dictionaries(
                            {}, optional={"type": texts, "errors": st.lists(json_values) | st.none()}
                        ),
                    },
                ),
                max_size=3,
            )
            | st.none(),
        },
    )
)
def test_control_characters_are_escaped_in_connections(fields: dict[str, Any]) -> None:
    usage = OrganisationUsage({CONNECTION_ID: [Use("dynamic", "a\x1b", "P", "\u202e", "E", "\x00", "\x9b")]}, ("\x1b",))
    df = frame(connection(**fields), usage=usage)
    assert dtypes(df) == {**CONNECTIONS, **USAGE}
    assert unsafe(df.to_string()) == []
    assert unsafe(df.to_html()) == []


# Plans, reports, runs.


def plan(*rows: PlanRow) -> Plan:
    return Plan(CONNECTION_ID, "https://s", ORGANISATION, "2026-01-01T00:00:00Z", rows)


def report(*rows: ReportRow, **options: Any) -> Report:
    return Report(CONNECTION_ID, "https://s", ORGANISATION, "2026-01-01T00:00:00Z", rows, ended=True, **options)


plan_row = PlanRow(
    CONNECTION_ID, Verdict.IN_USE, "One", "Shop", "used", make_usage("static", [make_use(1), make_use(2)])
)
report_row = ReportRow(
    CONNECTION_ID,
    "One",
    Outcome.REFUSED,
    400,
    "400000",
    "no",
    (FieldError("a.b", "wrong"), FieldError("c", "bad")),
    "details",
    2,
    0.5,
)


@pytest.mark.parametrize("rows", [(), (plan_row,), (plan_row, PlanRow(CONNECTION_ID, Verdict.NOT_FOUND))])
def test_a_plan_has_the_same_columns_and_dtypes_also_when_empty(rows: tuple[PlanRow, ...]) -> None:
    assert dtypes(plan_frame(plan(*rows))) == PLAN
    assert len(plan_frame(plan(*rows))) == len(rows)


@pytest.mark.parametrize("rows", [(), (report_row,), (report_row, ReportRow(CONNECTION_ID, "", Outcome.NOT_ATTEMPTED))])
def test_a_report_has_the_same_columns_and_dtypes_also_when_empty(rows: tuple[ReportRow, ...]) -> None:
    df = report_frame(report(*rows))
    assert dtypes(df) == REPORT
    assert list(df) == list(REPORT)
    assert len(df) == len(rows)


def test_a_row_of_a_report_contains_everything_that_the_platform_said() -> None:
    (row,) = report_frame(report(report_row)).to_dict("records")
    assert row == {
        "id": CONNECTION_ID,
        "name": "One",
        "outcome": "refused",
        "status": 400,
        "code": "400000",
        "message": "no",
        "fields": [{"field": "a.b", "message": "wrong"}, {"field": "c", "message": "bad"}],
        "details": "details",
        "attempts": 2,
        "seconds": 0.5,
    }


@given(texts, texts, texts)
def test_control_characters_are_escaped_in_plans_and_reports(first: str, second: str, third: str) -> None:
    fields = (FieldError(first, second), FieldError(second, third))
    row = ReportRow(CONNECTION_ID, first, Outcome.REFUSED, 400, second, third, fields, first)
    for df in (
        report_frame(report(row)),
        plan_frame(plan(PlanRow(CONNECTION_ID, Verdict.DELETE, first, second, third))),
    ):
        assert unsafe(df.to_string()) == []
        assert unsafe(df.to_html()) == []


@pytest.mark.parametrize("rows", [[], [(report(report_row), "finished")], [(report(), "x"), (report(), "y")]])
def test_runs_have_the_same_columns_and_dtypes_and_their_counts_add_up(rows: list[tuple[Report, str]]) -> None:
    names = [outcome.value for outcome in Outcome]
    df = runs_frame(rows, names)
    assert dtypes(df) == {
        "run": TEXT,
        "started": TIME,
        "state": TEXT,
        "server": TEXT,
        "organisation": TEXT,
        "planned": "int64",
        **dict.fromkeys(names, "int64"),
        "stopped": TEXT,
        "damage": TEXT,
        "journal": TEXT,
    }
    assert (df[names].sum(axis=1) == df["planned"]).all()
