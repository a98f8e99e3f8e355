"""The complete list of connections with their usage."""

from collections.abc import Callable

import pytest
from support import hostile_platform as h
from support.hostile_platform import HostilePlatform, world

from versori_magics.api.client import Client
from versori_magics.errors import ForbiddenError, IncompleteError, PlatformError
from versori_magics.inventory.connections import Inventory, look_up_connections, read_inventory

ClientFactory = Callable[..., Client]
UNKNOWN_ID = "01BX5ZZKBKACTAV9WEVGEMMVRZ"


def ids_of(inventory: Inventory) -> list[str]:
    return sorted(connection.id for connection in inventory.listing.items)


def test_every_connection_is_listed_with_its_usage(platform: HostilePlatform, client_of: ClientFactory) -> None:
    platform.reset(world(static=2, dynamic=2, free=2))
    inventory = read_inventory(client_of(platform))
    assert ids_of(inventory) == list(platform.world.connections)
    assert [inventory.usage.of(id_).kind for id_ in platform.world.dynamic] == ["dynamic"] * 2
    assert inventory.warning == ""
    platform.verify()


def test_connections_of_end_users_that_the_platform_lists_for_them_only_are_added(
    platform: HostilePlatform, client_of: ClientFactory
) -> None:
    platform.reset(world(static=2, dynamic=9, free=2, hides_connections_of_end_users=True))
    without_activation = platform.world.add()
    platform.world.owners[without_activation] = platform.world.add_user()
    inventory = read_inventory(client_of(platform))
    assert ids_of(inventory) == list(platform.world.connections)
    assert inventory.usage.of(without_activation).kind == "unused"
    platform.verify()


def test_a_filter_by_system_also_applies_to_what_is_added(platform: HostilePlatform, client_of: ClientFactory) -> None:
    platform.reset(world(dynamic=9, free=5, hides_connections_of_end_users=True))
    system = next(iter(platform.world.systems))
    expected = [id_ for id_, row in platform.world.connections.items() if row.system_id == system]
    assert ids_of(read_inventory(client_of(platform), system_id=system)) == expected


def test_the_list_of_one_end_user_needs_nothing_added(platform: HostilePlatform, client_of: ClientFactory) -> None:
    platform.reset(world(dynamic=9, free=5, hides_connections_of_end_users=True))
    user = next(iter(platform.world.users))
    assert ids_of(read_inventory(client_of(platform), end_user_id=user)) == platform.world.dynamic[:1]
    assert "ListEndUsers" not in {request.operation for request in platform.requests}


def test_a_connection_that_only_an_activation_names_is_added_if_it_exists(
    platform: HostilePlatform, client_of: ClientFactory
) -> None:
    platform.reset(world(free=3))
    hidden = platform.world.free[0]
    platform.world.activate_static_user(hidden)
    ids = [{"id": hidden}, {"id": UNKNOWN_ID}, {"id": "no ULID"}]
    platform.on("GET", "/activations$", h.edit(lambda body: [{**row, "connections": ids} for row in body]), times=99)
    platform.on(
        "GET",
        "/connections\\?",
        h.edit(lambda body: {"totalCount": 2, "items": [row for row in body["items"] if row["id"] != hidden]}),
    )
    inventory = read_inventory(client_of(platform))
    assert ids_of(inventory) == platform.world.free
    assert inventory.usage.of(hidden).kind == "static"


def test_a_list_that_fails_or_is_incomplete_is_an_error(platform: HostilePlatform, client_of: ClientFactory) -> None:
    platform.reset(world(dynamic=3))
    platform.on("GET", "end_user_id=", h.edit(lambda body: {**body, "totalCount": 9}), times=99)
    with pytest.raises(IncompleteError):
        read_inventory(client_of(platform))


def test_end_users_that_may_not_be_listed_are_a_warning(platform: HostilePlatform, client_of: ClientFactory) -> None:
    platform.reset(world(dynamic=3))
    platform.on("GET", "/users", h.error(403, message="not yours"))
    inventory = read_inventory(client_of(platform))
    assert ids_of(inventory) == platform.world.dynamic
    assert "not yours" in inventory.warning


def test_a_look_up_that_fails_is_an_error_and_only_a_documented_404_is_a_missing_connection(
    platform: HostilePlatform, client_of: ClientFactory
) -> None:
    platform.reset(world(free=1))
    assert list(look_up_connections(client_of(platform), [UNKNOWN_ID, *platform.world.free])) == platform.world.free
    platform.on("GET", UNKNOWN_ID, h.error(403))
    with pytest.raises(ForbiddenError):
        look_up_connections(client_of(platform), [UNKNOWN_ID])
    platform.on("GET", UNKNOWN_ID, h.html(404))
    with pytest.raises(PlatformError):
        look_up_connections(client_of(platform), [UNKNOWN_ID])
