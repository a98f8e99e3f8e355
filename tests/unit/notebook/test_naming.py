"""Names that people use, as the ids that the API takes."""

from collections.abc import Iterator

import pytest
from faults.hostile import HostilePlatform
from faults.world import Project, System, User

from versori_magics.errors import ArgumentError
from versori_magics.notebook.naming import end_user_id, environment_ids, system_id
from versori_magics.platform.client import Client


@pytest.fixture
def client(platform: HostilePlatform) -> Iterator[Client]:
    with Client(platform.url, platform.organisation, platform.token) as made:
        yield made


@pytest.mark.parametrize("wanted", ["Shop", "shop", " SHOP ", "shop.example", "Shop.Example"])
def test_a_system_is_found_by_name_and_domain_in_any_case(
    client: Client, platform: HostilePlatform, wanted: str
) -> None:
    (shop,) = (key for key, system in platform.world.systems.items() if system.name == "Shop")
    assert system_id(client, wanted) == shop
    assert system_id(client, shop) == shop
    assert system_id(client, shop.lower()) == shop


@pytest.mark.parametrize("wanted", ["Sho", "Shopp", "", "*", "Shop;Ledger", "\x1b[31m"])
def test_a_part_of_a_name_or_a_pattern_finds_nothing(client: Client, wanted: str) -> None:
    with pytest.raises(ArgumentError, match="There is no system") as caught:
        system_id(client, wanted)
    assert "\x1b" not in str(caught.value)


def test_what_was_perhaps_meant_is_said(client: Client) -> None:
    with pytest.raises(ArgumentError) as caught:
        system_id(client, "Warehose")
    assert str(caught.value).splitlines()[1].startswith("Did you mean Warehouse")


def test_a_name_that_means_two_is_refused_with_both_ids(client: Client, platform: HostilePlatform) -> None:
    with platform.lock:
        other = System(platform.world.ulid(), "shop", "other.example")
        platform.world.systems[other.id] = other
    with pytest.raises(ArgumentError, match="2 are called 'Shop'") as caught:
        system_id(client, "Shop")
    assert other.id in str(caught.value)
    assert "Give the system's id." in str(caught.value)


def test_an_end_user_is_found_by_external_id_and_by_name_and_a_ulid_is_not_asked_for(
    client: Client, platform: HostilePlatform
) -> None:
    user = next(user for user in platform.world.users.values() if user.external_id == "customer-1")
    assert end_user_id(client, "customer-1") == user.id
    assert end_user_id(client, "Customer 1") == user.id
    asked = len(platform.requests)
    assert end_user_id(client, user.id.lower()) == user.id
    assert len(platform.requests) == asked


def test_an_end_user_that_the_search_finds_by_a_part_is_not_taken(client: Client, platform: HostilePlatform) -> None:
    with platform.lock:
        user = User(platform.world.ulid(), "customer-10", "Customer 10")
        platform.world.users[user.id] = user
    with pytest.raises(ArgumentError, match="There is no end user 'customer-'"):
        end_user_id(client, "customer-")
    assert end_user_id(client, "customer-1") != user.id


def test_environments_are_found_by_project_by_name_and_by_both(client: Client, platform: HostilePlatform) -> None:
    orders, invoices = platform.world.projects.values()
    assert environment_ids(client, "orders", None) == {e.id for e in orders.environments}
    assert environment_ids(client, orders.id, None) == {e.id for e in orders.environments}
    assert environment_ids(client, None, "production") == {p.environments[0].id for p in (orders, invoices)}
    assert environment_ids(client, "Invoices", "production") == {invoices.environments[0].id}
    assert environment_ids(client, None, orders.environments[1].id) == {orders.environments[1].id}


@pytest.mark.parametrize(
    ("project", "environment", "says"),
    [
        ("Order", None, "There is no project 'Order'.\nDid you mean Orders?"),
        (None, "productoin", "There is no environment 'productoin'.\nDid you mean production"),
        ("Orders", "nosuch", "There is no environment 'nosuch'."),
    ],
)
def test_a_project_or_environment_that_is_not_there_is_an_error(
    client: Client, project: str | None, environment: str | None, says: str
) -> None:
    with pytest.raises(ArgumentError) as caught:
        environment_ids(client, project, environment)
    assert str(caught.value).startswith(says)


def test_an_environment_of_another_project_is_not_taken(client: Client, platform: HostilePlatform) -> None:
    with platform.lock:
        platform.world.projects["x"] = Project(platform.world.ulid(), "Empty", [])
    with pytest.raises(ArgumentError, match="There is no environment 'production'"):
        environment_ids(client, "Empty", "production")
    assert environment_ids(client, "Empty", None) == set()
