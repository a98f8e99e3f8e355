from collections.abc import Callable
from typing import Any

import pytest
from support import hostile_platform as h
from support.hostile_platform import HostilePlatform, world

from versori_magics.api.client import Client
from versori_magics.api.retry import RetryPolicy
from versori_magics.errors import ApiError, ArgumentError, IncompleteError, NotFoundError, PlatformError, TransportError
from versori_magics.inventory.snapshot import LIST_ALL_ABOVE, system_names, take_snapshots
from versori_magics.inventory.usage import UsageScope

ClientFactory = Callable[..., Client]
UNKNOWN_ID = "01BX5ZZKBKACTAV9WEVGEMMVRZ"


def operations(platform: HostilePlatform) -> list[str]:
    return [request.operation for request in platform.requests]


def test_a_snapshot_has_the_connection_its_system_and_its_usage(
    platform: HostilePlatform, client_of: ClientFactory
) -> None:
    platform.reset(world(static=1, dynamic=1, free=1))
    ids = list(platform.world.connections)
    snapshots = take_snapshots(client_of(platform), ids)
    assert list(snapshots) == ids
    for id_, snapshot in snapshots.items():
        expected = platform.world.connections[id_]
        assert (snapshot.connection.id, snapshot.connection.name) == (id_, expected.name)
        assert snapshot.system == platform.world.systems[expected.system_id].name
    used = [*platform.world.static, *platform.world.dynamic]
    assert [snapshots[id_].usage.kind for id_ in used] == ["static", "dynamic"]
    assert snapshots[platform.world.free[0]].usage.kind == "unused"
    platform.verify()


def test_snapshots_are_in_the_order_of_the_ids(platform: HostilePlatform, client_of: ClientFactory) -> None:
    platform.reset(world(free=LIST_ALL_ABOVE + 5))
    for ids in (platform.world.free[:9][::-1], platform.world.free[::-1]):
        assert list(take_snapshots(client_of(platform), ids)) == ids


def test_twenty_ids_are_looked_up_one_by_one(platform: HostilePlatform, client_of: ClientFactory) -> None:
    platform.reset(world(free=100))
    ids = platform.world.free[:LIST_ALL_ABOVE]
    assert list(take_snapshots(client_of(platform), ids)) == ids
    assert operations(platform).count("GetConnection") == LIST_ALL_ABOVE == 20
    assert "ListConnections" not in operations(platform)
    assert {request.ids[0] for request in platform.requests if request.operation == "GetConnection"} == set(ids)


def test_more_than_twenty_ids_are_read_from_one_list(platform: HostilePlatform, client_of: ClientFactory) -> None:
    platform.reset(world(free=100))
    ids = platform.world.free[: LIST_ALL_ABOVE + 1]
    assert list(take_snapshots(client_of(platform), ids)) == ids
    assert operations(platform).count("ListConnections") == 1
    assert "GetConnection" not in operations(platform)


def test_an_id_that_is_not_in_the_list_is_looked_up_by_itself(
    platform: HostilePlatform, client_of: ClientFactory
) -> None:
    platform.reset(world(free=100))
    hidden = platform.world.free[7]
    # The list is complete by its own count, yet one connection is missing.
    platform.on(
        "GET",
        "/connections\\?",
        h.edit(lambda body: {"totalCount": 99, "items": [item for item in body["items"] if item["id"] != hidden]}),
    )
    ids = [*platform.world.free, UNKNOWN_ID]
    assert list(take_snapshots(client_of(platform), ids)) == platform.world.free
    looked_up = [request.ids[0] for request in platform.requests if request.operation == "GetConnection"]
    assert sorted(looked_up) == sorted([hidden, UNKNOWN_ID])


def test_a_connection_that_does_not_exist_has_no_snapshot(platform: HostilePlatform, client_of: ClientFactory) -> None:
    platform.reset(world(free=2))
    first, second = platform.world.free
    assert list(take_snapshots(client_of(platform), [first, UNKNOWN_ID, second])) == [first, second]


def test_if_no_connection_exists_neither_usage_nor_systems_are_read(
    platform: HostilePlatform, client_of: ClientFactory
) -> None:
    assert take_snapshots(client_of(platform), [UNKNOWN_ID]) == {}
    assert operations(platform) == ["GetConnection"]
    assert take_snapshots(client_of(platform), []) == {}
    assert len(platform.requests) == 1


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        (h.html(404), NotFoundError),
        (h.error(403), ApiError),
        (h.error(500), ApiError),
        (h.answer(204), ApiError),
        (h.drop_before(), TransportError),
        (h.answer(200, "{}"), ApiError),
    ],
)
@pytest.mark.parametrize("count", [3, LIST_ALL_ABOVE + 5])
def test_a_failed_look_up_is_an_error_and_does_not_count_as_deleted(
    platform: HostilePlatform, client_of: ClientFactory, fault: h.Fault, error: type[PlatformError], count: int
) -> None:
    platform.reset(world(free=count))
    platform.on("GET", f"/connections/{UNKNOWN_ID}", fault, times=9)
    with pytest.raises(error):
        take_snapshots(client_of(platform, policy=RetryPolicy(sends=1)), [*platform.world.free, UNKNOWN_ID])


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_look_up_whose_thread_crashes_is_an_error_and_does_not_count_as_deleted(
    platform: HostilePlatform, client_of: ClientFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    platform.reset(world(free=3))
    client = client_of(platform)
    original = client.connection
    monkeypatch.setattr(client, "connection", lambda id_: 1 / 0 if id_ == platform.world.free[1] else original(id_))
    with pytest.raises(PlatformError, match=platform.world.free[1]):
        take_snapshots(client, platform.world.free)


def test_an_incomplete_list_is_an_error(platform: HostilePlatform, client_of: ClientFactory) -> None:
    platform.reset(world(free=30))
    platform.on("GET", "/connections\\?", h.edit(lambda body: {**body, "totalCount": 31}), times=9)
    with pytest.raises(IncompleteError, match="counts 31"):
        take_snapshots(client_of(platform), platform.world.free)


def test_usage_that_cannot_be_read_is_unknown_and_raises_nothing(
    platform: HostilePlatform, client_of: ClientFactory
) -> None:
    platform.reset(world(free=1))
    platform.on("GET", "/projects$", h.error(403))
    (snapshot,) = take_snapshots(client_of(platform), platform.world.free).values()
    assert snapshot.usage.kind == "unknown"


def test_snapshots_can_be_taken_without_the_names_of_systems(
    platform: HostilePlatform, client_of: ClientFactory
) -> None:
    platform.reset(world(free=1))
    platform.on("GET", "/systems", h.error(403, message="not for you"), times=2)
    (snapshot,) = take_snapshots(client_of(platform), platform.world.free).values()
    assert snapshot.system == ""
    names, problem = system_names(client_of(platform))
    assert names == {}
    assert "not for you" in problem
    names, problem = system_names(client_of(platform))
    assert list(names.values()) == ["Shop", "Ledger", "Warehouse"]
    assert problem == ""


def test_a_system_without_a_name_is_named_by_its_domain(platform: HostilePlatform, client_of: ClientFactory) -> None:
    body = (
        '{"items": [{"id": "a", "domain": "x.example"}, {"id": "b"}, {"id": "c", "name": "C", "domain": "c.example"}]}'
    )
    platform.on("GET", "/systems", h.answer(200, body))
    assert system_names(client_of(platform)) == ({"a": "x.example", "b": "", "c": "C"}, "")


def test_the_system_is_empty_if_the_connection_has_none_or_an_unknown_one(
    platform: HostilePlatform, client_of: ClientFactory
) -> None:
    platform.reset(world(free=2))
    first, second = platform.world.free
    platform.on("GET", first, h.edit(lambda body: {**body, "systemId": None}))
    platform.on("GET", second, h.edit(lambda body: {**body, "systemId": UNKNOWN_ID}))
    snapshots = take_snapshots(client_of(platform), [first, second])
    assert [snapshot.system for snapshot in snapshots.values()] == ["", ""]


# What the snapshots rest on


def test_snapshots_tell_how_much_was_looked_at(platform: HostilePlatform, client_of: ClientFactory) -> None:
    platform.reset(world(dynamic=3, free=1))
    assert take_snapshots(client_of(platform), platform.world.free).scope == UsageScope(2, 4, 3)


def test_connections_can_be_unused_in_an_organisation_without_projects_if_the_user_says_so(
    platform: HostilePlatform, client_of: ClientFactory
) -> None:
    platform.reset(world(free=1))
    projects = dict(platform.world.projects)
    platform.world.projects.clear()
    (snapshot,) = take_snapshots(client_of(platform), platform.world.free).values()
    assert snapshot.usage.kind == "unknown"
    (snapshot,) = take_snapshots(client_of(platform), platform.world.free, no_projects=True).values()
    assert snapshot.usage.kind == "unused"
    platform.world.projects.update(projects)
    with pytest.raises(ArgumentError, match="has 2 projects"):
        take_snapshots(client_of(platform), platform.world.free, no_projects=True)


@pytest.mark.parametrize("count", [1, LIST_ALL_ABOVE + 5])
def test_connections_that_only_their_end_users_see_have_snapshots(
    platform: HostilePlatform, client_of: ClientFactory, count: int
) -> None:
    platform.reset(world(dynamic=count, hides_connections_of_end_users=True))
    snapshots = take_snapshots(client_of(platform), platform.world.dynamic)
    assert list(snapshots) == platform.world.dynamic
    assert {snapshot.usage.kind for snapshot in snapshots.values()} == {"dynamic"}


def test_ids_in_lower_case_from_the_platform_are_found(platform: HostilePlatform, client_of: ClientFactory) -> None:
    platform.reset(world(free=LIST_ALL_ABOVE + 5))
    platform.on("GET", "/connections", lower_case_ids(), times=99)
    snapshots = take_snapshots(client_of(platform), platform.world.free)
    assert [snapshot.connection.id for snapshot in snapshots.values()] == platform.world.free
    assert {snapshot.system for snapshot in snapshots.values()} == {"Shop", "Ledger", "Warehouse"}
    assert "GetConnection" not in operations(platform)


def lower_case_ids() -> h.Fault:
    def change(body: Any) -> Any:
        rows = [{**row, "id": row["id"].lower(), "systemId": row["systemId"].lower()} for row in body["items"]]
        return {**body, "items": rows}

    return h.edit(change)
