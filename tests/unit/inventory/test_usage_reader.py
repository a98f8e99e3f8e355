"""Reading who uses the connections of an organisation: three look-ups for each environment, and what fails."""

import json
import re
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from support import hostile_platform as h
from support.hostile_platform import HostilePlatform, world

from versori_magics.api.client import Client
from versori_magics.api.retry import RetryPolicy
from versori_magics.errors import ArgumentError
from versori_magics.inventory.usage import OrganisationUsage, UsageScope, Use
from versori_magics.inventory.usage_reader import CONCURRENT_LOOKUPS, read_usage

ClientFactory = Callable[..., Client]


@pytest.fixture
def platform(platform: HostilePlatform) -> HostilePlatform:
    """Fill the platform: four environments (running, suspended, running, draft), four connections of each kind."""
    platform.reset(world(static=4, dynamic=4, free=4))
    return platform


def usage_of(platform: HostilePlatform, client_of: ClientFactory) -> OrganisationUsage:
    return read_usage(client_of(platform, policy=RetryPolicy(sends=1)))


def refuse(platform: HostilePlatform, target_regex: str) -> None:
    """Refuse every request whose target, with its query, ends like this."""
    platform.decide = lambda request: h.error(403) if re.search(target_regex, request.target) else None


def kinds_of(usage: OrganisationUsage, ids: Sequence[str]) -> set[str]:
    return {usage.of(id_).kind for id_ in ids}


# Reading the usage of an organisation


def test_every_connection_is_static_dynamic_or_unused(platform: HostilePlatform, client_of: ClientFactory) -> None:
    usage = usage_of(platform, client_of)
    kinds = {id_: usage.of(id_).kind for id_ in platform.world.connections}
    assert [id_ for id_, kind in kinds.items() if kind == "static"] == platform.world.static
    assert [id_ for id_, kind in kinds.items() if kind == "dynamic"] == platform.world.dynamic
    assert [id_ for id_, kind in kinds.items() if kind == "unused"] == platform.world.free
    assert usage.problems == ()
    platform.verify()


def test_a_static_use_names_project_environment_and_status(platform: HostilePlatform, client_of: ClientFactory) -> None:
    usage = usage_of(platform, client_of)
    (project, *_), environments = platform.world.projects.values(), platform.world.environments
    (use,) = usage.of(platform.world.static[1]).uses
    assert use == Use("static", "Orders", project.id, "staging", environments[1].id, "suspended")
    assert [usage.of(id_).running for id_ in platform.world.static] == [1, 0, 1, 0]
    assert usage.of(platform.world.static[2]).used_by == "Invoices / production (running)"


def test_a_dynamic_use_names_the_end_user(platform: HostilePlatform, client_of: ClientFactory) -> None:
    usage = usage_of(platform, client_of)
    used = usage.of(platform.world.dynamic[0])
    assert used.used_by == "end user Customer 0 (customer-0) in Orders / production (running)"
    assert used.running == 0


def test_a_connection_with_both_kinds_of_use_counts_as_static_and_names_both(
    platform: HostilePlatform, client_of: ClientFactory
) -> None:
    both = platform.world.dynamic[0]
    platform.world.link(both, platform.world.environments[2].id)
    usage = usage_of(platform, client_of).of(both)
    assert usage.kind == "static"
    assert [use.kind for use in usage.uses] == ["static", "dynamic"]
    assert usage.running == 1
    assert "Customer 0" in usage.used_by
    assert "Invoices / production" in usage.used_by


def test_a_connection_linked_to_several_environments_counts_each_running_one_once(
    platform: HostilePlatform, client_of: ClientFactory
) -> None:
    shared = platform.world.static[0]
    for environment in platform.world.environments:
        platform.world.link(shared, environment.id)
    usage = usage_of(platform, client_of).of(shared)
    assert (len(usage.uses), usage.running) == (4, 2)
    assert usage.used_by.endswith("; and 1 more")


def in_lower_case(*ids: str) -> h.Fault:
    """Change the ids in an answer to lower case."""

    def change(body: Any) -> Any:
        text = json.dumps(body)
        for id_ in ids:
            text = text.replace(id_, id_.lower())
        return json.loads(text)

    return h.edit(change)


def test_ids_in_lower_case_are_the_same_connections_environments_and_end_users(
    platform: HostilePlatform, client_of: ClientFactory
) -> None:
    world = platform.world
    environments = [environment.id for environment in world.environments]
    expected = usage_of(platform, client_of)
    ids = [*world.connections, *world.projects, *environments, *world.users, *world.activations]
    platform.on("GET", "", in_lower_case(*ids), times=999)
    assert usage_of(platform, client_of) == expected
    assert kinds_of(expected, world.static) == {"static"}
    platform.verify()


def test_a_missing_or_new_status_is_shown_and_does_not_count_as_running(
    platform: HostilePlatform, client_of: ClientFactory
) -> None:
    platform.world.environments[0].status = "a-new-one\x1b"
    platform.world.environments[2].status = None  # type: ignore[assignment]
    usage = usage_of(platform, client_of)
    assert usage.of(platform.world.static[0]).used_by == r"Orders / production (a-new-one\x1b)"
    assert usage.of(platform.world.static[2]).used_by == "Invoices / production (status unknown)"
    assert usage.of(platform.world.static[0]).running == usage.of(platform.world.static[2]).running == 0
    assert usage.problems == ()


@pytest.mark.parametrize(
    ("user", "name"),
    [
        ({"displayName": "Ann", "externalId": "a-1"}, "Ann (a-1)"),
        ({"displayName": "Ann"}, "Ann"),
        ({"externalId": "a-1"}, "a-1"),
        ({"id": "01BX5ZZKBKACTAV9WEVGEMMVRZ"}, "01BX5ZZKBKACTAV9WEVGEMMVRZ"),
        ({}, "without a name"),
        (None, "without a name"),
        ({"displayName": "\u202enn\nA", "externalId": "<b>"}, r"\u202enn A (<b>)"),
    ],
)
def test_an_end_user_is_named_by_name_external_id_or_id(
    platform: HostilePlatform, client_of: ClientFactory, user: Any, name: str
) -> None:
    change = h.edit(lambda body: [{**activation, "user": user} for activation in body])
    platform.on("GET", "/activations", change, times=99)
    usage = usage_of(platform, client_of).of(platform.world.dynamic[0])
    assert usage.kind == "dynamic"
    assert usage.used_by.startswith(f"end user {name} in Orders")


def test_an_activation_that_does_not_list_its_connections_is_asked_for(
    platform: HostilePlatform, client_of: ClientFactory
) -> None:
    static = platform.world.free.pop()
    first, *_ = platform.world.activations.values()
    first.connections.append(static)  # an activation may name a connection that does not belong to its end user
    for activation in platform.world.activations.values():
        activation.silent = True
    usage = usage_of(platform, client_of)
    assert [usage.of(id_).kind for id_ in [*platform.world.dynamic, static]] == ["dynamic"] * 5
    assert (
        usage.of(platform.world.dynamic[3]).used_by == "end user Customer 3 (customer-3) in Invoices / staging (draft)"
    )
    assert [usage.of(id_).kind for id_ in platform.world.free] == ["unused"] * 3
    asked = [request.ids[1] for request in platform.requests if request.operation == "GetActivation"]
    assert sorted(asked) == sorted(platform.world.activations)
    assert not any("end_user_id" in request.query for request in platform.requests)
    platform.verify()


# The static user, on whom workflows without an end user run


def test_what_the_activation_of_a_static_user_names_is_static_and_in_use(
    platform: HostilePlatform, client_of: ClientFactory
) -> None:
    running, suspended, *_ = platform.world.environments
    first, second = platform.world.free[:2]
    platform.world.activate_static_user(first, running.id)
    silent = platform.world.activate_static_user(second, suspended.id)
    platform.world.activations[silent].silent = True
    usage = usage_of(platform, client_of)
    assert kinds_of(usage, [first, second]) == {"static"}
    assert [usage.of(id_).running for id_ in (first, second)] == [1, 0]
    assert usage.of(first).used_by == "Orders / production (running)"
    assert kinds_of(usage, platform.world.free[2:]) == {"unused"}
    platform.verify()


@pytest.mark.parametrize("silent", [False, True])
def test_end_users_in_the_list_of_the_static_user_stay_end_users(
    platform: HostilePlatform, client_of: ClientFactory, silent: bool
) -> None:
    platform.world.static_lists_everyone = True
    platform.world.activate_static_user(platform.world.free[0])
    for activation in platform.world.activations.values():
        activation.silent = silent
    usage = usage_of(platform, client_of)
    assert kinds_of(usage, platform.world.dynamic) == {"dynamic"}
    assert usage.of(platform.world.free[0]).kind == "static"
    assert usage.scope.activations == 5


def test_a_link_and_the_static_user_of_the_same_environment_are_one_use(
    platform: HostilePlatform, client_of: ClientFactory
) -> None:
    platform.world.activate_static_user(platform.world.static[0])
    assert len(usage_of(platform, client_of).of(platform.world.static[0]).uses) == 1


def test_if_the_end_users_of_an_environment_are_not_known_nothing_is_called_the_static_users(
    platform: HostilePlatform, client_of: ClientFactory
) -> None:
    platform.world.static_lists_everyone = True
    refuse(platform, "/activations$")
    usage = usage_of(platform, client_of)
    assert len(usage.problems) == 4
    assert all(use.kind != "static" for id_ in platform.world.dynamic for use in usage.of(id_).uses)
    assert kinds_of(usage, list(platform.world.connections)) == {"unknown"}


# How much was looked at


def test_the_scope_counts_projects_environments_and_activations(
    platform: HostilePlatform, client_of: ClientFactory
) -> None:
    platform.world.activate_static_user(platform.world.free[0])
    assert usage_of(platform, client_of).scope == UsageScope(projects=2, environments=4, activations=5)


# Look-ups that fail


FAILURES = [
    h.error(401),
    h.error(403),
    h.error(404),
    h.html(404),
    h.error(500),
    h.drop_before(),
    h.redirect("http://localhost:1/"),
    h.answer(204),
    h.answer(200, "<html>sign in</html>"),
    h.answer(200, '"text"'),
    h.truncate_body(),
    h.retry_after(429, "3600"),
]


@pytest.mark.parametrize("fault", FAILURES, ids=lambda fault: fault.name)
@pytest.mark.parametrize(
    ("path", "known_uses"),
    [
        ("/projects$", (0, 0)),
        ("/projects/.*/connections", (3, 4)),
        ("/activations$", (4, 3)),
        ("static=true", (4, 4)),
        ("/activations/", (4, 3)),
    ],
)
def test_after_a_failed_look_up_every_connection_is_unknown_even_beside_known_uses(
    platform: HostilePlatform, client_of: ClientFactory, path: str, known_uses: tuple[int, int], fault: h.Fault
) -> None:
    for activation in platform.world.activations.values():
        activation.silent = path == "/activations/"
    fail_once(platform, path, fault)
    usage = usage_of(platform, client_of)
    assert len(usage.problems) == 1
    assert kinds_of(usage, list(platform.world.connections)) == {"unknown"}
    assert all(usage.of(id_).in_use for id_ in platform.world.connections)
    assert usage.problems[0] in usage.of(platform.world.free[0]).used_by
    # The other look-ups still count: only one of four environments or activations is not known.
    assert sum(bool(usage.of(id_).uses) for id_ in platform.world.static) == known_uses[0]
    assert sum(bool(usage.of(id_).uses) for id_ in platform.world.dynamic) == known_uses[1]


def fail_once(platform: HostilePlatform, target_regex: str, fault: h.Fault) -> None:
    """Let the first request fail whose target, with its query, matches."""
    faults = [fault]

    def decide(request: h.RecordedRequest) -> h.Fault | None:
        return faults.pop() if faults and re.search(target_regex, request.target) else None

    platform.decide = decide


def test_known_uses_are_told_beside_the_number_of_failed_look_ups(
    platform: HostilePlatform, client_of: ClientFactory
) -> None:
    shared = platform.world.static[0]
    for environment in platform.world.environments:
        platform.world.link(shared, environment.id)
    first, second, *_ = platform.world.environments
    refuse(platform, f"env_id=({first.id}|{second.id})")
    usage = usage_of(platform, client_of).of(shared)
    assert (usage.kind, len(usage.uses), usage.is_fully_known) == ("unknown", 2, False)
    assert usage.used_by.startswith("at least 2 uses, and 2 look-ups failed")
    assert "Invoices / staging (draft)" in usage.used_by


def test_each_problem_names_the_look_up_that_failed(platform: HostilePlatform, client_of: ClientFactory) -> None:
    platform.on("GET", "/activations", h.error(403, message="not for you"), times=99)
    problems = usage_of(platform, client_of).problems
    names = ["Orders / production", "Orders / staging", "Invoices / production", "Invoices / staging"]
    assert list(problems) == [
        f"the {what} of {name}: not for you" for name in names for what in ("activations", "static user")
    ]


def test_a_list_that_is_cut_off_is_a_problem(platform: HostilePlatform, client_of: ClientFactory) -> None:
    platform.reset(world(static=84, free=3, environment_pages="cut"))
    usage = usage_of(platform, client_of)
    assert len(usage.problems) == 4
    assert "counts 21, but its pages contained 20" in usage.problems[0]
    assert kinds_of(usage, platform.world.free) == {"unknown"}
    assert "unused" not in kinds_of(usage, platform.world.static)


@pytest.mark.parametrize("count", [20, 21, 50, 100])
def test_a_list_of_twenty_connections_or_more_without_a_count_may_be_cut(
    platform: HostilePlatform, client_of: ClientFactory, count: int
) -> None:
    platform.reset(world(static=4 * count, free=1))
    platform.on("GET", "/projects/", h.edit(lambda body: {"items": body["items"]}), times=99)
    usage = usage_of(platform, client_of)
    assert len(usage.problems) == 4
    assert f"ends at {count} connections without a totalCount" in usage.problems[0]
    assert kinds_of(usage, list(platform.world.connections)) == {"unknown"}
    assert all(usage.of(id_).uses for id_ in platform.world.static)


def test_a_shorter_list_without_a_count_is_complete(platform: HostilePlatform, client_of: ClientFactory) -> None:
    platform.reset(world(static=76, free=1))
    platform.on("GET", "/projects/", h.edit(lambda body: {"items": body["items"]}), times=99)
    assert usage_of(platform, client_of).problems == ()


def test_a_list_of_exactly_twenty_connections_with_a_matching_count_is_complete(
    platform: HostilePlatform, client_of: ClientFactory
) -> None:
    platform.reset(world(static=80, free=1))
    assert usage_of(platform, client_of).problems == ()


def test_a_project_without_a_list_of_environments_is_a_problem(
    platform: HostilePlatform, client_of: ClientFactory
) -> None:
    def change(body: Any) -> Any:
        del body["projects"][0]["environments"]
        return body

    platform.on("GET", "/projects$", h.edit(change))
    usage = usage_of(platform, client_of)
    assert usage.problems == ("project Orders: the response does not list its environments",)
    assert kinds_of(usage, list(platform.world.connections)) == {"unknown"}


@pytest.mark.parametrize("body", ["{}", "[]", '{"items": []}', "null"])
def test_a_response_without_a_list_of_projects_is_a_problem(
    platform: HostilePlatform, client_of: ClientFactory, body: str
) -> None:
    platform.on("GET", "/projects$", h.answer(200, body))
    usage = usage_of(platform, client_of)
    assert len(usage.problems) == 1
    assert usage.problems[0].startswith("the projects: ")
    assert kinds_of(usage, list(platform.world.connections)) == {"unknown"}


# Lists that are null


def test_a_list_that_is_null_is_empty(platform: HostilePlatform, client_of: ClientFactory) -> None:
    def change(body: Any) -> Any:
        for project in body["projects"][1:]:
            project["environments"] = None
        return body

    platform.on("GET", "/projects$", h.edit(change))
    platform.on("GET", "/projects/", h.edit(lambda body: {**body, "totalCount": 0, "items": None}), times=1)
    platform.on("GET", "/projects/", h.edit(lambda _: {"items": None}), times=1)
    platform.on("GET", "/activations$", h.answer(200, "null"), times=99)
    usage = usage_of(platform, client_of)
    assert usage.problems == ()
    assert kinds_of(usage, list(platform.world.connections)) == {"unused"}


def test_the_connections_of_an_activation_that_are_null_are_none(
    platform: HostilePlatform, client_of: ClientFactory
) -> None:
    change = h.edit(lambda body: [{**activation, "connections": None} for activation in body])
    platform.on("GET", "/activations$", change, times=99)
    usage = usage_of(platform, client_of)
    assert usage.problems == ()
    assert kinds_of(usage, platform.world.dynamic) == {"unused"}


# Organisations without projects


@pytest.mark.parametrize("body", ['{"projects": []}', '{"projects": null}'])
def test_an_empty_list_of_projects_is_a_problem_unless_the_user_says_that_there_are_none(
    platform: HostilePlatform, client_of: ClientFactory, body: str
) -> None:
    platform.on("GET", "/projects$", h.answer(200, body), times=2)
    usage = usage_of(platform, client_of)
    assert len(usage.problems) == 1
    assert "the platform lists none" in usage.problems[0]
    assert kinds_of(usage, list(platform.world.connections)) == {"unknown"}
    usage = read_usage(client_of(platform), no_projects=True)
    assert (usage.problems, usage.scope) == ((), UsageScope())
    assert kinds_of(usage, list(platform.world.connections)) == {"unused"}


def test_to_say_that_there_are_no_projects_is_refused_if_there_are_any(
    platform: HostilePlatform, client_of: ClientFactory
) -> None:
    with pytest.raises(ArgumentError, match="The organisation has 2 projects, although you said that it has none"):
        read_usage(client_of(platform), no_projects=True)
    assert len(platform.requests) == 1


def test_projects_that_cannot_be_listed_are_a_problem_even_if_the_user_says_that_there_are_none(
    platform: HostilePlatform, client_of: ClientFactory
) -> None:
    platform.on("GET", "/projects$", h.error(403))
    usage = read_usage(client_of(platform), no_projects=True)
    assert kinds_of(usage, list(platform.world.connections)) == {"unknown"}


# Undocumented answers


@pytest.mark.parametrize("user", [None, {}, {"id": None, "displayName": "Ann"}, {"id": ""}])
@pytest.mark.parametrize("activation_id", [None, "0" * 26, "no ULID"])
def test_an_activation_with_neither_connections_nor_a_valid_id_is_a_problem(
    platform: HostilePlatform, client_of: ClientFactory, user: Any, activation_id: str | None
) -> None:
    fail_once(platform, "/activations$", h.edit(lambda _: [{"id": activation_id, "user": user}]))
    usage = usage_of(platform, client_of)
    assert len(usage.problems) == 1
    assert "the connections of end user" in usage.problems[0]
    assert kinds_of(usage, platform.world.free) == {"unknown"}
    platform.verify()


def test_an_activation_that_does_not_list_its_connections_when_asked_for_is_a_problem(
    platform: HostilePlatform, client_of: ClientFactory
) -> None:
    for activation in platform.world.activations.values():
        activation.silent = True
    platform.on("GET", "/activations/", h.edit(lambda body: {"id": body["id"], "user": body["user"]}), times=1)
    usage = usage_of(platform, client_of)
    assert len(usage.problems) == 1
    assert "does not list them" in usage.problems[0]
    assert kinds_of(usage, platform.world.free) == {"unknown"}


@pytest.mark.parametrize("id_", [None, "", "0" * 26])
def test_an_end_user_is_identified_by_id_external_id_or_activation(
    platform: HostilePlatform, client_of: ClientFactory, id_: str | None
) -> None:
    (activation, *_), (user, *_) = platform.world.activations.values(), platform.world.users.values()
    assert usage_of(platform, client_of).of(activation.connections[0]).uses[0].end_user_id == user.id
    for shape, expected in (
        ({"id": id_, "externalId": "a-1"}, "a-1"),
        ({"id": id_}, activation.id),
        (None, activation.id),
    ):
        fail_once(
            platform, "/activations$", h.edit(lambda body, shape=shape: [{**item, "user": shape} for item in body])
        )
        client = client_of(platform, policy=RetryPolicy(sends=1))
        assert read_usage(client, lookups=1).of(activation.connections[0]).uses[0].end_user_id == expected


def test_an_activation_with_an_empty_list_of_connections_uses_none(
    platform: HostilePlatform, client_of: ClientFactory
) -> None:
    platform.on(
        "GET", "/activations", h.edit(lambda body: [{**activation, "connections": []} for activation in body]), times=99
    )
    usage = usage_of(platform, client_of)
    assert usage.problems == ()
    assert kinds_of(usage, platform.world.dynamic) == {"unused"}


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/activations", "[null]"),
        ("/activations", '{"items": []}'),
        ("/activations", '[{"connections": [null]}]'),
        ("/activations", '[{"connections": [{}]}]'),
        ("/projects/", '{"items": [null]}'),
        ("/projects/", "{}"),
        ("/projects/", '{"totalCount": 1, "items": []}'),
        ("/projects/", "[]"),
        ("/projects/", '{"items": [], "next": "x"}'),
    ],
)
def test_an_undocumented_response_is_a_problem(
    platform: HostilePlatform, client_of: ClientFactory, path: str, body: str
) -> None:
    platform.on("GET", path, h.answer(200, body), times=999)
    usage = usage_of(platform, client_of)
    assert len(usage.problems) == (8 if path == "/activations" else 4)
    assert kinds_of(usage, platform.world.free) == {"unknown"}


def test_an_environment_whose_id_is_not_a_ulid_is_a_problem_and_never_part_of_a_url(
    platform: HostilePlatform, client_of: ClientFactory
) -> None:
    def change(body: Any) -> Any:
        body["projects"][0]["environments"][0]["id"] = "../../projects/x"
        return body

    platform.on("GET", "/projects$", h.edit(change))
    usage = usage_of(platform, client_of)
    assert len(usage.problems) == 3
    assert "not a ULID" in usage.problems[0]
    assert kinds_of(usage, platform.world.free) == {"unknown"}
    platform.verify()


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_after_a_look_up_whose_thread_crashes_every_connection_is_unknown(
    platform: HostilePlatform, client_of: ClientFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = client_of(platform)
    monkeypatch.setattr(client, "activations", lambda *_, **__: 1 / 0)
    usage = read_usage(client)
    assert usage.problems
    assert kinds_of(usage, platform.world.free) == {"unknown"}


def test_a_look_up_that_succeeds_on_retry_is_not_a_problem(platform: HostilePlatform, client_of: ClientFactory) -> None:
    platform.on("GET", "", h.error(503), times=10, every=2)
    assert read_usage(client_of(platform), lookups=1).problems == ()
    assert len(platform.requests) == 13 + 10  # thirteen reads, and ten failures


# Concurrency


def test_at_most_sixteen_look_ups_run_at_the_same_time(platform: HostilePlatform, client_of: ClientFactory) -> None:
    platform.reset(world(free=1))
    first = next(iter(platform.world.projects.values()))
    for number in range(40):
        first.environments.append(type(first.environments[0])(platform.world.ulid(), f"stage {number}", "running"))
    platform.latency = 0.01
    assert usage_of(platform, client_of).problems == ()
    assert 1 < platform.max_in_flight <= CONCURRENT_LOOKUPS == 16
    assert len(platform.requests) == 1 + 3 * 44
    platform.verify()


def test_the_number_of_concurrent_look_ups_can_be_lowered(platform: HostilePlatform, client_of: ClientFactory) -> None:
    platform.latency = 0.005
    assert read_usage(client_of(platform), lookups=1).problems == ()
    assert platform.max_in_flight == 1
