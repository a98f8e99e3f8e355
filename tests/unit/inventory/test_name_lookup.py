from collections.abc import Callable, Iterator

import pytest
from support.hostile_platform import HostilePlatform, world
from support.hostile_world import Project, System, User

from versori_magics.api.client import Client
from versori_magics.errors import ArgumentError
from versori_magics.inventory.name_lookup import find_end_user_id, find_environment_ids, find_system_id

ClientFactory = Callable[..., Client]


@pytest.fixture
def client(platform: HostilePlatform, client_of: ClientFactory) -> Iterator[Client]:
    platform.reset(world(free=5, static=2, dynamic=2))
    yield client_of(platform)
    platform.verify()


@pytest.mark.parametrize("name", ["Shop", "shop", " SHOP ", "shop.example", "Shop.Example"])
def test_a_system_is_found_by_its_id_name_or_domain_in_any_case(
    client: Client, platform: HostilePlatform, name: str
) -> None:
    (shop,) = (id_ for id_, system in platform.world.systems.items() if system.name == "Shop")
    assert find_system_id(client, name) == shop
    assert find_system_id(client, shop) == shop
    assert find_system_id(client, shop.lower()) == shop


@pytest.mark.parametrize("name", ["Sho", "Shopp", "", "*", "Shop;Ledger", "\x1b[31m"])
def test_part_of_a_name_or_a_pattern_matches_no_system(client: Client, name: str) -> None:
    with pytest.raises(ArgumentError, match="There is no system") as caught:
        find_system_id(client, name)
    assert "\x1b" not in str(caught.value)


def test_a_misspelt_system_is_answered_with_a_similar_name(client: Client) -> None:
    with pytest.raises(ArgumentError) as caught:
        find_system_id(client, "Warehose")
    assert str(caught.value).splitlines()[1].startswith("Did you mean Warehouse")


def test_a_name_that_two_systems_have_is_rejected_with_their_ids(client: Client, platform: HostilePlatform) -> None:
    with platform.lock:
        other = System(platform.world.ulid(), "shop", "other.example")
        platform.world.systems[other.id] = other
    with pytest.raises(ArgumentError, match="2 systems match 'Shop'") as caught:
        find_system_id(client, "Shop")
    assert other.id in str(caught.value)
    assert "Use the system's id." in str(caught.value)


def test_an_end_user_is_found_by_external_id_or_name_and_a_ulid_is_returned_without_a_request(
    client: Client, platform: HostilePlatform
) -> None:
    user = next(user for user in platform.world.users.values() if user.external_id == "customer-1")
    assert find_end_user_id(client, "customer-1") == user.id
    assert find_end_user_id(client, "Customer 1") == user.id
    requests = len(platform.requests)
    assert find_end_user_id(client, user.id.lower()) == user.id
    assert len(platform.requests) == requests


def test_an_end_user_whose_name_only_begins_like_the_search_does_not_match(
    client: Client, platform: HostilePlatform
) -> None:
    with platform.lock:
        user = User(platform.world.ulid(), "customer-10", "Customer 10")
        platform.world.users[user.id] = user
    with pytest.raises(ArgumentError, match="There is no end user 'customer-'"):
        find_end_user_id(client, "customer-")
    assert find_end_user_id(client, "customer-1") != user.id


def test_environments_are_found_by_project_by_name_or_by_both(client: Client, platform: HostilePlatform) -> None:
    orders, invoices = platform.world.projects.values()
    of_orders = {environment.id for environment in orders.environments}
    assert find_environment_ids(client, "orders", None) == of_orders
    assert find_environment_ids(client, orders.id, None) == of_orders
    assert find_environment_ids(client, None, "production") == {
        project.environments[0].id for project in (orders, invoices)
    }
    assert find_environment_ids(client, "Invoices", "production") == {invoices.environments[0].id}
    assert find_environment_ids(client, None, orders.environments[1].id) == {orders.environments[1].id}


@pytest.mark.parametrize(
    ("project", "environment", "message"),
    [
        ("Order", None, "There is no project 'Order'.\nDid you mean Orders?"),
        (None, "productoin", "There is no environment 'productoin'.\nDid you mean production"),
        ("Orders", "nosuch", "There is no environment 'nosuch'."),
    ],
)
def test_an_unknown_project_or_environment_is_an_error_that_suggests_a_similar_name(
    client: Client, project: str | None, environment: str | None, message: str
) -> None:
    with pytest.raises(ArgumentError) as caught:
        find_environment_ids(client, project, environment)
    assert str(caught.value).startswith(message)


def test_an_environment_of_another_project_does_not_match(client: Client, platform: HostilePlatform) -> None:
    with platform.lock:
        platform.world.projects["x"] = Project(platform.world.ulid(), "Empty", [])
    with pytest.raises(ArgumentError, match="There is no environment 'production'"):
        find_environment_ids(client, "Empty", "production")
    assert find_environment_ids(client, "Empty", None) == set()
