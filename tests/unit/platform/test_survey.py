from collections.abc import Callable

import pytest
from faults import hostile as h
from faults.hostile import HostilePlatform, world

from versori_magics.errors import ApiError, IncompleteError, NotFoundError, PlatformError, TransportError
from versori_magics.platform.client import Client
from versori_magics.platform.retry import Policy
from versori_magics.platform.survey import FEW, survey, system_names

Maker = Callable[..., Client]
NOBODY = "01BX5ZZKBKACTAV9WEVGEMMVRZ"


def operations(platform: HostilePlatform) -> list[str]:
    return [request.operation for request in platform.requests]


def test_what_is_seen_is_the_connection_its_system_and_its_usage(platform: HostilePlatform, client_of: Maker) -> None:
    platform.reset(world(static=1, dynamic=1, free=1))
    ids = list(platform.world.connections)
    seen = survey(client_of(platform), ids)
    assert list(seen) == ids
    for id_, one in seen.items():
        true = platform.world.connections[id_]
        assert (one.connection.id, one.connection.name) == (id_, true.name)
        assert one.system == platform.world.systems[true.system_id].name
    assert [seen[id_].usage.kind for id_ in (*platform.world.static, *platform.world.dynamic)] == ["static", "dynamic"]
    assert seen[platform.world.free[0]].usage.kind == "unused"
    platform.verify()


def test_it_is_in_the_order_of_the_ids(platform: HostilePlatform, client_of: Maker) -> None:
    platform.reset(world(free=FEW + 5))
    for ids in (platform.world.free[:9][::-1], platform.world.free[::-1]):
        assert list(survey(client_of(platform), ids)) == ids


def test_a_few_ids_are_asked_for_one_by_one(platform: HostilePlatform, client_of: Maker) -> None:
    platform.reset(world(free=100))
    ids = platform.world.free[:FEW]
    assert list(survey(client_of(platform), ids)) == ids
    assert operations(platform).count("GetConnection") == FEW == 20
    assert "ListConnections" not in operations(platform)
    assert {request.ids[0] for request in platform.requests if request.operation == "GetConnection"} == set(ids)


def test_many_ids_are_read_from_the_list(platform: HostilePlatform, client_of: Maker) -> None:
    platform.reset(world(free=100))
    ids = platform.world.free[: FEW + 1]
    assert list(survey(client_of(platform), ids)) == ids
    assert operations(platform).count("ListConnections") == 1
    assert "GetConnection" not in operations(platform)


def test_an_id_that_the_list_does_not_hold_is_asked_for_by_itself(platform: HostilePlatform, client_of: Maker) -> None:
    platform.reset(world(free=100))
    hidden = platform.world.free[7]
    # A list that is whole by its own count, and yet lacks a row.
    platform.on(
        "GET",
        "/connections\\?",
        h.edit(lambda body: {"totalCount": 99, "items": [item for item in body["items"] if item["id"] != hidden]}),
    )
    ids = [*platform.world.free, NOBODY]
    assert list(survey(client_of(platform), ids)) == platform.world.free
    asked = [request.ids[0] for request in platform.requests if request.operation == "GetConnection"]
    assert sorted(asked) == sorted([hidden, NOBODY])


def test_an_id_that_the_platform_does_not_know_is_missing(platform: HostilePlatform, client_of: Maker) -> None:
    platform.reset(world(free=2))
    first, second = platform.world.free
    assert list(survey(client_of(platform), [first, NOBODY, second])) == [first, second]


def test_where_nothing_is_found_nothing_else_is_asked(platform: HostilePlatform, client_of: Maker) -> None:
    assert survey(client_of(platform), [NOBODY]) == {}
    assert operations(platform) == ["GetConnection"]
    assert survey(client_of(platform), []) == {}
    assert len(platform.requests) == 1


@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        (h.html(404), NotFoundError),
        (h.error(403), ApiError),
        (h.error(500), ApiError),
        (h.answer(204), ApiError),
        (h.drop_before(), TransportError),
        (h.answer(200, "{}"), ApiError),
    ],
)
@pytest.mark.parametrize("count", [3, FEW + 5])
def test_an_id_of_which_nothing_can_be_learned_is_an_error_and_never_missing(
    platform: HostilePlatform, client_of: Maker, fault: h.Fault, kind: type[PlatformError], count: int
) -> None:
    platform.reset(world(free=count))
    platform.on("GET", f"/connections/{NOBODY}", fault, times=9)
    with pytest.raises(kind):
        survey(client_of(platform, policy=Policy(sends=1)), [*platform.world.free, NOBODY])


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_an_id_whose_look_up_breaks_down_is_an_error_and_never_missing(
    platform: HostilePlatform, client_of: Maker, monkeypatch: pytest.MonkeyPatch
) -> None:
    platform.reset(world(free=3))
    client = client_of(platform)
    look = client.connection
    monkeypatch.setattr(client, "connection", lambda id_: 1 / 0 if id_ == platform.world.free[1] else look(id_))
    with pytest.raises(PlatformError, match=platform.world.free[1]):
        survey(client, platform.world.free)


def test_a_list_that_is_not_whole_is_an_error(platform: HostilePlatform, client_of: Maker) -> None:
    platform.reset(world(free=30))
    platform.on("GET", "/connections\\?", h.edit(lambda body: {**body, "totalCount": 31}), times=9)
    with pytest.raises(IncompleteError, match="counts 31"):
        survey(client_of(platform), platform.world.free)


def test_usage_that_cannot_be_learned_is_unknown_and_no_error(platform: HostilePlatform, client_of: Maker) -> None:
    platform.reset(world(free=1))
    platform.on("GET", "/projects$", h.error(403))
    (seen,) = survey(client_of(platform), platform.world.free).values()
    assert seen.usage.kind == "unknown"


def test_names_of_systems_are_a_convenience(platform: HostilePlatform, client_of: Maker) -> None:
    platform.reset(world(free=1))
    platform.on("GET", "/systems", h.error(403, message="not for you"), times=2)
    (seen,) = survey(client_of(platform), platform.world.free).values()
    assert seen.system == ""
    names, why = system_names(client_of(platform))
    assert names == {}
    assert "not for you" in why
    names, why = system_names(client_of(platform))
    assert list(names.values()) == ["Shop", "Ledger", "Warehouse"]
    assert why == ""


def test_a_system_without_a_name_goes_by_its_domain(platform: HostilePlatform, client_of: Maker) -> None:
    body = (
        '{"items": [{"id": "a", "domain": "x.example"}, {"id": "b"}, {"id": "c", "name": "C", "domain": "c.example"}]}'
    )
    platform.on("GET", "/systems", h.answer(200, body))
    assert system_names(client_of(platform)) == ({"a": "x.example", "b": "", "c": "C"}, "")


def test_a_connection_without_a_system_or_of_an_unknown_one_has_no_name_for_it(
    platform: HostilePlatform, client_of: Maker
) -> None:
    platform.reset(world(free=2))
    first, second = platform.world.free
    platform.on("GET", first, h.edit(lambda body: {**body, "systemId": None}))
    platform.on("GET", second, h.edit(lambda body: {**body, "systemId": NOBODY}))
    assert [seen.system for seen in survey(client_of(platform), [first, second]).values()] == ["", ""]
