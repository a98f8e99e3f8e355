"""connections and connection: the complete list, its filters, and who uses each connection."""

import json
from pathlib import Path
from typing import Any

import pytest
from support.hostile_platform import SECRET, HostilePlatform, edit, error, html, world

import versori_magics as versori
from versori_magics.errors import (
    ApiError,
    ArgumentError,
    IncompleteError,
    NotFoundError,
    PlatformError,
    SelectionError,
    UnauthorisedError,
)

ULID = "01ARZ3NDEKTSV4RRFFQ69G5FAV"


def ids(frame: Any) -> set[str]:
    return set(frame["id"])


# connections.


def test_all_connections_are_listed_with_any_page_size(platform: HostilePlatform) -> None:
    for cap in (1, 4, 1000):
        platform.reset(world(free=9, static=2, page_cap=cap))
        frame = versori.connections(".")
        assert ids(frame) == set(platform.world.connections)
        assert "in_use" not in frame
        assert frame.attrs["versori"]["completeness"] == "complete"
        assert frame.attrs["versori"]["server"] == platform.url


def test_usage_adds_who_uses_each_connection(platform: HostilePlatform) -> None:
    frame = versori.connections(".", usage=True).set_index("id")
    for key in platform.world.free:
        assert frame.loc[key, ["kind", "in_use", "used_by", "running"]].tolist() == ["unused", False, "", 0]
    assert frame.loc[platform.world.static, "kind"].tolist() == ["static", "static"]
    assert frame.loc[platform.world.static, "used_by"].tolist() == [
        "Orders / production (running)",
        "Orders / staging (suspended)",
    ]
    assert frame.loc[platform.world.static, "running"].tolist() == [1, 0]
    assert frame.loc[platform.world.dynamic, "kind"].tolist() == ["dynamic", "dynamic"]
    assert "end user Customer 0 (customer-0)" in frame.loc[platform.world.dynamic[0], "used_by"]
    assert SECRET not in frame.to_csv()


def test_each_filter_keeps_exactly_the_connections_that_it_describes(platform: HostilePlatform) -> None:
    shop = {c.id for c in platform.world.connections.values() if platform.world.systems[c.system_id].name == "Shop"}
    assert ids(versori.connections(".", system="shop")) == shop
    assert ids(versori.connections(".", end_user="customer-1")) == {platform.world.dynamic[1]}
    production = {platform.world.static[0], platform.world.dynamic[0]}
    assert ids(versori.connections(".", project="Orders", environment="production")) == production
    assert ids(versori.connections(".", project="Orders")) == {*platform.world.static, *platform.world.dynamic}
    assert ids(versori.connections(".", environment="staging")) == {
        platform.world.static[1],
        platform.world.dynamic[1],
    }
    assert ids(versori.connections(".", project="Orders", system="Shop")) == shop & {
        *platform.world.static,
        *platform.world.dynamic,
    }
    assert list(versori.connections(".", project="Invoices")["id"]) == []


def test_a_filter_by_project_shows_no_usage_unless_asked_to(platform: HostilePlatform) -> None:
    assert "in_use" not in versori.connections(".", project="Orders")
    assert versori.connections(".", project="Orders", usage=True)["in_use"].all()


@pytest.mark.parametrize("name", ["system", "end_user", "project", "environment"])
@pytest.mark.parametrize("value", ["", " ", 5, 0, False, ["Shop"]])
def test_a_blank_or_invalid_filter_is_an_error_and_does_not_list_everything(
    platform: HostilePlatform, name: str, value: object
) -> None:
    with pytest.raises(ArgumentError, match=name):
        versori.connections(".", **{name: value})  # type: ignore[arg-type]
    assert platform.requests == []


def test_an_organisation_without_connections_gives_an_empty_frame_with_the_same_columns(
    platform: HostilePlatform,
) -> None:
    full = versori.connections(".", usage=True)
    platform.reset(world())
    frame = versori.connections(".", usage=True)
    assert frame.empty
    assert (frame.dtypes == full.dtypes).all()


def test_a_page_that_fails_is_an_error_that_names_the_page(platform: HostilePlatform) -> None:
    platform.reset(world(free=9, page_cap=4))
    platform.on("GET", "/connections.*after=", error(400, "400001", "bad cursor"))
    with pytest.raises(ApiError, match=r"Page 2 of the list of connections failed: bad cursor"):
        versori.connections(".")


def test_usage_that_cannot_be_read_is_unknown_and_counts_as_in_use(platform: HostilePlatform) -> None:
    platform.on("GET", "/activations$", error(403, message="not yours"), times=1)
    frame = versori.connections(".", usage=True).set_index("id")
    assert frame["in_use"].all()
    assert set(frame.loc[platform.world.free, "kind"]) == {"unknown"}
    assert "not yours" in frame.attrs["versori"]["usage_problems"][0]


@pytest.mark.parametrize("name", ["project", "environment"])
def test_incomplete_usage_cannot_be_filtered(platform: HostilePlatform, name: str) -> None:
    platform.on("GET", "/activations$", error(403, message="not yours"), times=1)
    with pytest.raises(IncompleteError, match=r"cannot be filtered by project or environment\..*not yours"):
        versori.connections(".", **{name: "Orders"})  # type: ignore[arg-type]


def test_missing_system_names_give_a_warning_at_the_line_of_the_user(platform: HostilePlatform) -> None:
    platform.on("GET", "/systems", error(403, message="not yours"), times=1)
    with pytest.warns(UserWarning, match=r"The systems' names are missing\. .*not yours") as warnings:
        frame = versori.connections(".")
    assert [warning.filename for warning in warnings] == [__file__]
    assert ids(frame) == set(platform.world.connections)
    assert frame["system"].isna().all()


def test_missing_system_names_make_a_filter_by_system_an_error(platform: HostilePlatform) -> None:
    platform.on("GET", "/systems", error(403, message="not yours"), times=1)
    with pytest.raises(IncompleteError, match="connections cannot be filtered by system"):
        versori.connections(".", system="Shop")


def test_an_expired_token_is_one_error_without_a_warning(platform: HostilePlatform) -> None:
    platform.dead_token_after(0)
    with pytest.raises(UnauthorisedError, match="the token has expired"):
        versori.connections(".", usage=True)


def test_every_failure_of_the_platform_is_a_short_error_of_this_package(platform: HostilePlatform) -> None:
    for fault in (html(200), error(418), html(404), error(401)):
        platform.on("GET", "/connections$", fault)
        with pytest.raises(PlatformError) as caught:
            versori.connections(".")
        assert len(caught.value.lines()) <= 3


def test_ids_in_lower_case_are_listed_and_filtered_like_any_other(platform: HostilePlatform) -> None:
    def change(body: Any) -> Any:
        text = json.dumps(body)
        for key in [*platform.world.connections, *platform.world.systems, *platform.world.projects]:
            text = text.replace(key, key.lower())
        return json.loads(text)

    platform.on("GET", "", edit(change), times=999)
    frame = versori.connections(".", project="Orders")
    assert ids(frame) == {*platform.world.static, *platform.world.dynamic}
    assert set(frame["system"]) <= {"Shop", "Ledger", "Warehouse"}
    assert ids(versori.connections(".")) == set(platform.world.connections)


def test_usage_lists_the_connections_that_the_platform_shows_for_an_end_user_only(platform: HostilePlatform) -> None:
    platform.world.hides_connections_of_end_users = True
    assert ids(versori.connections(".")) == {*platform.world.static, *platform.world.free}
    for options in ({"usage": True}, {"project": "Orders"}):
        assert set(platform.world.dynamic) <= ids(versori.connections(".", **options))  # type: ignore[arg-type]


def test_end_users_that_may_not_be_listed_give_a_warning_and_an_unconfirmed_list(platform: HostilePlatform) -> None:
    platform.on("GET", "/users", error(403, message="not for this token"))
    with pytest.warns(UserWarning, match=r"Connections of end users may be missing: .*not for this token") as warnings:
        frame = versori.connections(".", usage=True)
    assert [warning.filename for warning in warnings] == [__file__]
    assert ids(frame) == set(platform.world.connections)
    assert frame.attrs["versori"]["completeness"].startswith("unconfirmed: Connections of end users may be missing")


def test_without_projects_usage_is_unknown_unless_the_user_says_that_there_are_none(platform: HostilePlatform) -> None:
    with pytest.raises(ArgumentError, match="has 2 projects, although you said that it has none"):
        versori.connections(".", usage=True, no_projects=True)
    platform.world.projects.clear()
    assert set(versori.connections(".", usage=True)["kind"]) == {"unknown"}
    assert set(versori.connections(".", usage=True, no_projects=True)["kind"]) == {"unused"}


# connection.


def test_connection_shows_one_connection_with_its_usage(platform: HostilePlatform) -> None:
    static = platform.world.static[0]
    details = versori.connection(".", static.lower())
    assert (details.id, details.kind, details.in_use, details.running) == (static, "static", True, 1)
    assert details.name == platform.world.connections[static].name
    assert details.system in {"Shop", "Ledger", "Warehouse"}
    assert SECRET not in repr(details) + details._repr_mimebundle_()["text/html"]
    assert not versori.connection(".", platform.world.free[0]).in_use


def test_a_missing_connection_is_certain_only_if_the_platform_itself_says_so(platform: HostilePlatform) -> None:
    with pytest.raises(NotFoundError) as caught:
        versori.connection(".", ULID)
    assert caught.value.documented
    platform.on("GET", f"/connections/{ULID}", html(404))
    with pytest.raises(NotFoundError) as caught:
        versori.connection(".", ULID)
    assert not caught.value.documented


@pytest.mark.parametrize(
    "value", ["", "x", "../../projects/x", f"{ULID} --yes", [ULID], None, 3.0, float("nan"), b"x", Path(ULID)]
)
def test_connection_rejects_anything_but_one_id_before_any_request(platform: HostilePlatform, value: Any) -> None:
    with pytest.raises(SelectionError):
        versori.connection(".", value)
    assert platform.requests == []
