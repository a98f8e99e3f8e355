import json
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from support import hostile_platform as h
from support.hostile_platform import HostilePlatform, world

from versori_magics.api.client import Client
from versori_magics.api.retry import RetryPolicy
from versori_magics.inventory.usage import (
    CONCURRENT_LOOKUPS,
    ConnectionUsage,
    OrganisationUsage,
    Use,
    read_usage,
)

ClientFactory = Callable[..., Client]


@pytest.fixture
def platform(platform: HostilePlatform) -> HostilePlatform:
    """Fill the platform: four environments (running, suspended, running, draft), four connections of each kind."""
    platform.reset(world(static=4, dynamic=4, free=4))
    return platform


def usage_of(platform: HostilePlatform, client_of: ClientFactory) -> OrganisationUsage:
    return read_usage(client_of(platform, policy=RetryPolicy(sends=1)))


def use(kind: Any = "static", number: int = 1, status: str = "running", user: str = "") -> Use:
    return Use(kind, "Orders", "p", f"stage {number}", f"e{number}", status, user)


# Uses in words


def test_a_use_names_project_environment_status_and_end_user() -> None:
    assert str(use()) == "Orders / stage 1 (running)"
    assert str(use("dynamic", user="Customer 0 (customer-0)")) == (
        "end user Customer 0 (customer-0) in Orders / stage 1 (running)"
    )


def test_three_uses_are_named_and_the_others_are_counted() -> None:
    uses = [use(number=n) for n in range(5)]
    assert ConnectionUsage("static", tuple(uses[:1])).used_by == str(uses[0])
    assert ConnectionUsage("static", tuple(uses[:3])).used_by == "; ".join(map(str, uses[:3]))
    assert ConnectionUsage("static", tuple(uses)).used_by == "; ".join(map(str, uses[:3])) + "; and 2 more"


@pytest.mark.parametrize(
    ("uses", "running"),
    [
        ([], 0),
        ([use()], 1),
        ([use(), use()], 1),
        ([use(number=1), use(number=2)], 2),
        ([use(status="suspended"), use(number=2, status="draft"), use(number=3, status="error")], 0),
        ([use(status="a-new-one")], 0),
        ([use("dynamic")], 0),
        ([use("dynamic"), use(number=2)], 1),
    ],
)
def test_running_counts_the_environments_that_deleting_would_break(uses: Sequence[Use], running: int) -> None:
    assert ConnectionUsage("static", tuple(uses)).running == running


@pytest.mark.parametrize(
    ("kind", "in_use"), [("static", True), ("dynamic", True), ("unknown", True), ("unused", False)]
)
def test_unknown_counts_as_in_use(kind: Any, in_use: bool) -> None:
    assert ConnectionUsage(kind).in_use is in_use


def test_a_connection_without_uses_is_unused_only_if_every_look_up_succeeded() -> None:
    assert OrganisationUsage().of("x") == ConnectionUsage("unused")
    assert OrganisationUsage().of("x").used_by == ""
    unknown = OrganisationUsage(problems=("the projects: no answer", "another")).of("x")
    assert unknown.kind == "unknown"
    assert unknown.used_by == "usage unknown: the projects: no answer"


def test_a_known_use_counts_even_if_other_look_ups_failed() -> None:
    usage = OrganisationUsage({"x": [use()]}, ("something failed",)).of("x")
    assert (usage.kind, usage.problem) == ("static", "")


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
    assert [use.kind for use in usage.uses] == ["dynamic", "static"]
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


def test_ids_in_lower_and_upper_case_are_the_same_connection(
    platform: HostilePlatform, client_of: ClientFactory
) -> None:
    lower = h.edit(
        lambda body: json.loads(json.dumps(body).replace(platform.world.static[0], platform.world.static[0].lower()))
    )
    platform.on("GET", "/projects/", lower, times=99)
    usage = usage_of(platform, client_of)
    assert usage.of(platform.world.static[0]).kind == usage.of(platform.world.static[0].lower()).kind == "static"


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


def test_if_an_activation_lists_no_connections_those_of_its_end_user_count(
    platform: HostilePlatform, client_of: ClientFactory
) -> None:
    for activation in platform.world.activations.values():
        activation.silent = True
    usage = usage_of(platform, client_of)
    assert [usage.of(id_).kind for id_ in platform.world.dynamic] == ["dynamic"] * 4
    assert (
        usage.of(platform.world.dynamic[3]).used_by == "end user Customer 3 (customer-3) in Invoices / staging (draft)"
    )
    assert [usage.of(id_).kind for id_ in platform.world.free] == ["unused"] * 4
    looked_up = [request.query["end_user_id"] for request in platform.requests if "end_user_id" in request.query]
    assert sorted(looked_up) == sorted(platform.world.users)
    platform.verify()


def test_an_end_user_with_several_activations_is_looked_up_once(
    platform: HostilePlatform, client_of: ClientFactory
) -> None:
    user = next(iter(platform.world.users))
    for environment in platform.world.environments:
        platform.world.activate(platform.world.free[0], environment.id, user)
    for activation in platform.world.activations.values():
        activation.silent = True
    usage = usage_of(platform, client_of).of(platform.world.free[0])
    assert len(usage.uses) == 4
    looked_up = [request.query["end_user_id"] for request in platform.requests if "end_user_id" in request.query]
    assert looked_up.count(user) == 1


# Look-ups that fail


def kinds_of(usage: OrganisationUsage, ids: Sequence[str]) -> set[str]:
    return {usage.of(id_).kind for id_ in ids}


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
    h.answer(200, "null"),
    h.answer(200, '"text"'),
    h.truncate_body(),
    h.retry_after(429, "3600"),
]


@pytest.mark.parametrize("fault", FAILURES, ids=lambda fault: fault.name)
@pytest.mark.parametrize("path", ["/projects$", "/projects/.*/connections", "/activations", "end_user_id="])
def test_after_a_failed_look_up_every_connection_without_a_known_use_is_unknown(
    platform: HostilePlatform, client_of: ClientFactory, path: str, fault: h.Fault
) -> None:
    for activation in platform.world.activations.values():
        activation.silent = path == "end_user_id="
    platform.on("GET", path, fault, times=1)
    usage = usage_of(platform, client_of)
    assert len(usage.problems) == 1
    assert kinds_of(usage, platform.world.free) == {"unknown"}
    assert all(usage.of(id_).in_use for id_ in platform.world.connections)
    assert usage.problems[0] in usage.of(platform.world.free[0]).used_by
    # The other look-ups still count: only one of four environments or end users is not known.
    known = {
        "/projects$": (0, 0),
        "/projects/.*/connections": (3, 4),
        "/activations": (4, 3),
        "end_user_id=": (4, 3),
    }[path]
    assert sum(usage.of(id_).kind == "static" for id_ in platform.world.static) == known[0]
    assert sum(usage.of(id_).kind == "dynamic" for id_ in platform.world.dynamic) == known[1]


def test_a_problem_names_the_environment_that_could_not_be_looked_up(
    platform: HostilePlatform, client_of: ClientFactory
) -> None:
    platform.on("GET", "/activations", h.error(403, message="not for you"), times=99)
    problems = usage_of(platform, client_of).problems
    names = ["production", "staging"] * 2
    assert list(problems) == [f"environment {name}: not for you" for name in names]


def test_a_list_that_is_cut_off_is_a_problem(platform: HostilePlatform, client_of: ClientFactory) -> None:
    platform.reset(world(static=84, free=3, environment_pages="cut"))
    usage = usage_of(platform, client_of)
    assert len(usage.problems) == 4
    assert "counts 21, but its pages contained 20" in usage.problems[0]
    assert kinds_of(usage, platform.world.free) == {"unknown"}
    assert "unused" not in kinds_of(usage, platform.world.static)


def test_a_list_of_exactly_twenty_connections_without_a_count_is_a_problem(
    platform: HostilePlatform, client_of: ClientFactory
) -> None:
    platform.reset(world(static=80, free=1))
    platform.on("GET", "/projects/", h.edit(lambda body: {"items": body["items"]}), times=99)
    usage = usage_of(platform, client_of)
    assert len(usage.problems) == 4
    assert "ends at 20" in usage.problems[0]
    assert kinds_of(usage, platform.world.free) == {"unknown"}


@pytest.mark.parametrize("count", [76, 84])
def test_a_list_of_another_length_without_a_count_is_complete(
    platform: HostilePlatform, client_of: ClientFactory, count: int
) -> None:
    platform.reset(world(static=count, free=1))
    platform.on("GET", "/projects/", h.edit(lambda body: {"items": body["items"]}), times=99)
    assert usage_of(platform, client_of).problems == ()


def test_a_list_of_exactly_twenty_connections_with_a_matching_count_is_complete(
    platform: HostilePlatform, client_of: ClientFactory
) -> None:
    platform.reset(world(static=80, free=1))
    assert usage_of(platform, client_of).problems == ()


@pytest.mark.parametrize("environments", [None, "absent"])
def test_a_project_without_a_list_of_environments_is_a_problem(
    platform: HostilePlatform, client_of: ClientFactory, environments: Any
) -> None:
    def change(body: Any) -> Any:
        del body["projects"][0]["environments"]
        if environments is None:
            body["projects"][0]["environments"] = None
        return body

    platform.on("GET", "/projects$", h.edit(change))
    usage = usage_of(platform, client_of)
    assert usage.problems == ("project Orders: the response does not list its environments",)
    assert kinds_of(usage, platform.world.free) == {"unknown"}
    assert [usage.of(id_).kind for id_ in platform.world.static] == ["unknown", "unknown", "static", "static"]


@pytest.mark.parametrize("body", ["{}", '{"projects": null}', "[]", '{"items": []}'])
def test_a_response_without_a_list_of_projects_is_a_problem(
    platform: HostilePlatform, client_of: ClientFactory, body: str
) -> None:
    platform.on("GET", "/projects$", h.answer(200, body))
    usage = usage_of(platform, client_of)
    assert len(usage.problems) == 1
    assert usage.problems[0].startswith("the projects: ")
    assert kinds_of(usage, list(platform.world.connections)) == {"unknown"}


def test_in_an_organisation_without_projects_every_connection_is_unused(
    platform: HostilePlatform, client_of: ClientFactory
) -> None:
    platform.world.projects.clear()
    usage = usage_of(platform, client_of)
    assert usage.problems == ()
    assert kinds_of(usage, list(platform.world.connections)) == {"unused"}


@pytest.mark.parametrize("user", [None, {}, {"id": None, "displayName": "Ann"}, {"id": ""}])
def test_an_activation_with_neither_connections_nor_an_end_user_is_a_problem(
    platform: HostilePlatform, client_of: ClientFactory, user: Any
) -> None:
    def change(body: Any) -> Any:
        return [{"id": activation["id"], "user": user} for activation in body]

    platform.on("GET", "/activations", h.edit(change), times=1)
    usage = usage_of(platform, client_of)
    assert len(usage.problems) == 1
    assert "the connections of end user" in usage.problems[0]
    assert kinds_of(usage, platform.world.free) == {"unknown"}


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
        ("/projects/", '{"items": null}'),
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
    assert len(usage.problems) == 4
    assert kinds_of(usage, platform.world.free) == {"unknown"}


def test_an_environment_whose_id_is_not_a_ulid_is_a_problem_and_never_part_of_a_url(
    platform: HostilePlatform, client_of: ClientFactory
) -> None:
    def change(body: Any) -> Any:
        body["projects"][0]["environments"][0]["id"] = "../../projects/x"
        return body

    platform.on("GET", "/projects$", h.edit(change))
    usage = usage_of(platform, client_of)
    assert len(usage.problems) == 2
    assert "not a ULID" in usage.problems[0]
    assert kinds_of(usage, platform.world.free) == {"unknown"}
    platform.verify()


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_after_a_look_up_whose_thread_crashes_every_connection_is_unknown(
    platform: HostilePlatform, client_of: ClientFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = client_of(platform)
    monkeypatch.setattr(client, "activations", lambda *_: 1 / 0)
    usage = read_usage(client)
    assert usage.problems
    assert kinds_of(usage, platform.world.free) == {"unknown"}


def test_a_look_up_that_succeeds_on_retry_is_not_a_problem(platform: HostilePlatform, client_of: ClientFactory) -> None:
    platform.on("GET", "", h.error(503), times=10, every=2)
    assert read_usage(client_of(platform), lookups=1).problems == ()
    assert len(platform.requests) == 9 + 8  # nine reads, and every one but the first failed once


# Concurrency


def test_at_most_sixteen_look_ups_run_at_the_same_time(platform: HostilePlatform, client_of: ClientFactory) -> None:
    platform.reset(world(free=1))
    first = next(iter(platform.world.projects.values()))
    for number in range(40):
        first.environments.append(type(first.environments[0])(platform.world.ulid(), f"stage {number}", "running"))
    platform.latency = 0.01
    assert usage_of(platform, client_of).problems == ()
    assert 1 < platform.max_in_flight <= CONCURRENT_LOOKUPS == 16
    assert len(platform.requests) == 1 + 2 * 44
    platform.verify()


def test_the_number_of_concurrent_look_ups_can_be_lowered(platform: HostilePlatform, client_of: ClientFactory) -> None:
    platform.latency = 0.005
    assert read_usage(client_of(platform), lookups=1).problems == ()
    assert platform.max_in_flight == 1
