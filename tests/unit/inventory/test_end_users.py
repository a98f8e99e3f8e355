"""Connections that only the lists of end users show, and tokens that belong to an end user."""

from collections.abc import Callable

import jwt
import pytest
from support import hostile_platform as h
from support.hostile_platform import HostilePlatform, world

from versori_magics.api.client import Client
from versori_magics.api.retry import RetryPolicy
from versori_magics.errors import ForbiddenError, PlanError, PlatformError
from versori_magics.inventory.end_users import PROBED_END_USERS, check_token_for_planning, find_connections_of_end_users
from versori_magics.inventory.snapshot import take_snapshots

ClientFactory = Callable[..., Client]


def jwt_of(subject: str | None) -> str:
    claims = {"iss": "https://versori.com/sk/x"} if subject is None else {"sub": subject}
    return jwt.encode(claims, "a-key-for-tests-that-is-long-enough", algorithm="HS256")


# Connections


def users_asked_for(platform: HostilePlatform) -> list[str]:
    return [request.query["end_user_id"] for request in platform.requests if "end_user_id" in request.query]


def test_only_the_first_end_users_are_asked_for_if_the_general_list_has_their_connections(
    platform: HostilePlatform, client_of: ClientFactory
) -> None:
    platform.reset(world(dynamic=12))
    assert find_connections_of_end_users(client_of(platform), set(platform.world.connections)) == ([], "")
    assert sorted(users_asked_for(platform)) == list(platform.world.users)[:PROBED_END_USERS]
    platform.verify()


def test_every_end_user_is_asked_for_if_the_general_list_lacks_a_connection_of_the_first_ones(
    platform: HostilePlatform, client_of: ClientFactory
) -> None:
    platform.reset(world(free=1, dynamic=12, hides_connections_of_end_users=True))
    found, problem = find_connections_of_end_users(client_of(platform), set(platform.world.free))
    assert sorted(connection.id for connection in found) == platform.world.dynamic
    assert problem == ""
    assert sorted(users_asked_for(platform)) == list(platform.world.users)
    platform.verify()


def test_every_end_user_is_asked_for_on_request(platform: HostilePlatform, client_of: ClientFactory) -> None:
    platform.reset(world(dynamic=12))
    known_ids = set(platform.world.dynamic[:-1])
    found, _ = find_connections_of_end_users(client_of(platform), known_ids, ask_all=True)
    assert [connection.id for connection in found] == platform.world.dynamic[-1:]


def test_a_list_of_an_end_user_that_fails_is_an_error(platform: HostilePlatform, client_of: ClientFactory) -> None:
    platform.reset(world(dynamic=3))
    platform.on("GET", "end_user_id=", h.error(403, message="not yours"), times=1)
    with pytest.raises(ForbiddenError, match="not yours"):
        find_connections_of_end_users(client_of(platform), set())


@pytest.mark.parametrize("status", [401, 403])
def test_end_users_that_the_token_may_not_list_are_a_warning(
    platform: HostilePlatform, client_of: ClientFactory, status: int
) -> None:
    platform.on("GET", "/users", h.error(status, message="not for this token"))
    found, problem = find_connections_of_end_users(client_of(platform), set())
    assert found == []
    assert problem.startswith("Connections of end users may be missing: ")
    assert "not for this token" in problem


# Tokens


@pytest.mark.parametrize("which", ["id", "id in lower case", "external id"])
def test_a_token_of_an_end_user_cannot_be_used_to_plan(
    platform: HostilePlatform, client_of: ClientFactory, which: str
) -> None:
    platform.reset(world(dynamic=30, free=1))
    user = list(platform.world.users.values())[-1]
    subject = {"id": user.id, "id in lower case": user.id.lower(), "external id": user.external_id}[which]
    platform.token = jwt_of(subject)
    try:
        client = client_of(platform)
        assert client.connections().confirmed
        with pytest.raises(PlanError, match=f"The token belongs to end user {user.display_name}"):
            take_snapshots(client, platform.world.free)
    finally:
        platform.token = h.TOKEN
    assert [request.operation for request in platform.requests][1:] == ["ListEndUsers", "ListEndUsers"]


@pytest.mark.parametrize("subject", [None, "", "somebody-else", "Customer 0"])
def test_a_token_of_nobody_known_can_be_used_to_plan(
    platform: HostilePlatform, client_of: ClientFactory, subject: str | None
) -> None:
    platform.reset(world(dynamic=3))
    platform.token = jwt_of(subject)
    try:
        assert check_token_for_planning(client_of(platform)) == ""
    finally:
        platform.token = h.TOKEN


def test_a_token_that_is_not_a_jwt_needs_no_look_up(platform: HostilePlatform, client_of: ClientFactory) -> None:
    assert check_token_for_planning(client_of(platform)) == ""
    assert platform.requests == []


def test_a_token_that_may_not_list_end_users_can_be_used_to_plan_with_a_warning(
    platform: HostilePlatform, client_of: ClientFactory
) -> None:
    platform.reset(world(free=1))
    platform.token = jwt_of("somebody")
    platform.on("GET", "/users", h.error(403, message="not for this token"))
    try:
        snapshots = take_snapshots(client_of(platform), platform.world.free)
    finally:
        platform.token = h.TOKEN
    assert list(snapshots) == platform.world.free
    assert "not known whether the token belongs to an end user" in snapshots.warning
    assert "not for this token" in snapshots.warning


def test_end_users_that_cannot_be_listed_for_another_reason_are_an_error(
    platform: HostilePlatform, client_of: ClientFactory
) -> None:
    platform.token = jwt_of("somebody")
    platform.on("GET", "/users", h.error(500))
    try:
        with pytest.raises(PlatformError):
            check_token_for_planning(client_of(platform, policy=RetryPolicy(sends=1)))
    finally:
        platform.token = h.TOKEN
