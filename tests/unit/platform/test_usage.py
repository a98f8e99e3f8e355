import json
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from faults import hostile as h
from faults.hostile import HostilePlatform, world

from versori_magics.platform.client import Client
from versori_magics.platform.retry import Policy
from versori_magics.platform.usage import LOOKUPS, ConnectionUsage, Usage, Use, read_usage

Maker = Callable[..., Client]


@pytest.fixture
def made(platform: HostilePlatform) -> HostilePlatform:
    """Give four environments (running, suspended, running, draft), four connections of each kind."""
    platform.reset(world(static=4, dynamic=4, free=4))
    return platform


def usage_of(platform: HostilePlatform, client_of: Maker) -> Usage:
    return read_usage(client_of(platform, policy=Policy(sends=1)))


def use(kind: Any = "static", number: int = 1, status: str = "running", user: str = "") -> Use:
    return Use(kind, "Orders", "p", f"stage {number}", f"e{number}", status, user)


# What a use looks like


def test_a_use_is_readable() -> None:
    assert str(use()) == "Orders / stage 1 (running)"
    assert str(use("dynamic", user="Customer 0 (customer-0)")) == (
        "end user Customer 0 (customer-0) in Orders / stage 1 (running)"
    )


def test_three_uses_are_named_and_the_others_counted() -> None:
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
def test_running_counts_the_running_environments_that_a_deletion_would_break(uses: Sequence[Use], running: int) -> None:
    assert ConnectionUsage("static", tuple(uses)).running == running


@pytest.mark.parametrize(
    ("kind", "in_use"), [("static", True), ("dynamic", True), ("unknown", True), ("unused", False)]
)
def test_unknown_counts_as_in_use(kind: Any, in_use: bool) -> None:
    assert ConnectionUsage(kind).in_use is in_use


def test_a_connection_that_is_found_nowhere_is_unused_only_where_nothing_failed() -> None:
    assert Usage().of("x") == ConnectionUsage("unused")
    assert Usage().of("x").used_by == ""
    unknown = Usage(problems=("the projects: no answer", "another")).of("x")
    assert unknown.kind == "unknown"
    assert unknown.used_by == "not known: the projects: no answer"


def test_a_use_that_was_found_stays_whatever_else_failed() -> None:
    found = Usage({"x": [use()]}, ("something failed",)).of("x")
    assert (found.kind, found.problem) == ("static", "")


# The join


def test_every_connection_is_static_dynamic_or_unused(made: HostilePlatform, client_of: Maker) -> None:
    usage = usage_of(made, client_of)
    kinds = {id_: usage.of(id_).kind for id_ in made.world.connections}
    assert [id_ for id_, kind in kinds.items() if kind == "static"] == made.world.static
    assert [id_ for id_, kind in kinds.items() if kind == "dynamic"] == made.world.dynamic
    assert [id_ for id_, kind in kinds.items() if kind == "unused"] == made.world.free
    assert usage.problems == ()
    made.verify()


def test_a_static_use_names_project_environment_and_status(made: HostilePlatform, client_of: Maker) -> None:
    usage = usage_of(made, client_of)
    (project, *_), environments = made.world.projects.values(), made.world.environments
    (found,) = usage.of(made.world.static[1]).uses
    assert found == Use("static", "Orders", project.id, "staging", environments[1].id, "suspended")
    assert [usage.of(id_).running for id_ in made.world.static] == [1, 0, 1, 0]
    assert usage.of(made.world.static[2]).used_by == "Invoices / production (running)"


def test_a_dynamic_use_names_the_end_user(made: HostilePlatform, client_of: Maker) -> None:
    usage = usage_of(made, client_of)
    found = usage.of(made.world.dynamic[0])
    assert found.used_by == "end user Customer 0 (customer-0) in Orders / production (running)"
    assert found.running == 0


def test_a_connection_that_is_both_counts_as_static_and_names_both(made: HostilePlatform, client_of: Maker) -> None:
    both = made.world.dynamic[0]
    made.world.link(both, made.world.environments[2].id)
    found = usage_of(made, client_of).of(both)
    assert found.kind == "static"
    assert [one.kind for one in found.uses] == ["dynamic", "static"]
    assert found.running == 1
    assert "Customer 0" in found.used_by
    assert "Invoices / production" in found.used_by


def test_a_connection_of_several_environments_counts_each_running_one_once(
    made: HostilePlatform, client_of: Maker
) -> None:
    shared = made.world.static[0]
    for environment in made.world.environments:
        made.world.link(shared, environment.id)
    found = usage_of(made, client_of).of(shared)
    assert (len(found.uses), found.running) == (4, 2)
    assert found.used_by.endswith("; and 1 more")


def test_an_id_is_found_in_whatever_case_it_comes(made: HostilePlatform, client_of: Maker) -> None:
    lower = h.edit(
        lambda body: json.loads(json.dumps(body).replace(made.world.static[0], made.world.static[0].lower()))
    )
    made.on("GET", "/projects/", lower, times=99)
    usage = usage_of(made, client_of)
    assert usage.of(made.world.static[0]).kind == usage.of(made.world.static[0].lower()).kind == "static"


def test_a_status_that_is_missing_or_new_is_shown_and_is_not_running(made: HostilePlatform, client_of: Maker) -> None:
    made.world.environments[0].status = "a-new-one\x1b"
    made.world.environments[2].status = None  # type: ignore[assignment]
    usage = usage_of(made, client_of)
    assert usage.of(made.world.static[0]).used_by == r"Orders / production (a-new-one\x1b)"
    assert usage.of(made.world.static[2]).used_by == "Invoices / production (status not known)"
    assert usage.of(made.world.static[0]).running == usage.of(made.world.static[2]).running == 0
    assert usage.problems == ()


@pytest.mark.parametrize(
    ("user", "shown"),
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
def test_an_end_user_is_called_by_what_there_is(made: HostilePlatform, client_of: Maker, user: Any, shown: str) -> None:
    change = h.edit(lambda body: [{**one, "user": user} for one in body])
    made.on("GET", "/activations", change, times=99)
    found = usage_of(made, client_of).of(made.world.dynamic[0])
    assert found.kind == "dynamic"
    assert found.used_by.startswith(f"end user {shown} in Orders")


def test_connections_that_an_activation_does_not_list_are_found_through_its_end_user(
    made: HostilePlatform, client_of: Maker
) -> None:
    for activation in made.world.activations.values():
        activation.silent = True
    usage = usage_of(made, client_of)
    assert [usage.of(id_).kind for id_ in made.world.dynamic] == ["dynamic"] * 4
    assert usage.of(made.world.dynamic[3]).used_by == "end user Customer 3 (customer-3) in Invoices / staging (draft)"
    assert [usage.of(id_).kind for id_ in made.world.free] == ["unused"] * 4
    asked = [request.query["end_user_id"] for request in made.requests if "end_user_id" in request.query]
    assert sorted(asked) == sorted(made.world.users)
    made.verify()


def test_an_end_user_of_several_activations_is_asked_for_once(made: HostilePlatform, client_of: Maker) -> None:
    user = next(iter(made.world.users))
    for environment in made.world.environments:
        made.world.activate(made.world.free[0], environment.id, user)
    for activation in made.world.activations.values():
        activation.silent = True
    found = usage_of(made, client_of).of(made.world.free[0])
    assert len(found.uses) == 4
    asked = [request.query["end_user_id"] for request in made.requests if "end_user_id" in request.query]
    assert asked.count(user) == 1


# It fails closed


def kinds_of(usage: Usage, ids: Sequence[str]) -> set[str]:
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
def test_a_look_up_that_fails_makes_everything_unknown_that_is_not_known_to_be_in_use(
    made: HostilePlatform, client_of: Maker, path: str, fault: h.Fault
) -> None:
    for activation in made.world.activations.values():
        activation.silent = path == "end_user_id="
    made.on("GET", path, fault, times=1)
    usage = usage_of(made, client_of)
    assert len(usage.problems) == 1
    assert kinds_of(usage, made.world.free) == {"unknown"}
    assert all(usage.of(id_).in_use for id_ in made.world.connections)
    assert usage.problems[0] in usage.of(made.world.free[0]).used_by
    # The other look-ups count nevertheless: of four environments or end users, one is not known.
    known = {
        "/projects$": (0, 0),
        "/projects/.*/connections": (3, 4),
        "/activations": (4, 3),
        "end_user_id=": (4, 3),
    }[path]
    assert sum(usage.of(id_).kind == "static" for id_ in made.world.static) == known[0]
    assert sum(usage.of(id_).kind == "dynamic" for id_ in made.world.dynamic) == known[1]


def test_the_problem_names_what_could_not_be_looked_up(made: HostilePlatform, client_of: Maker) -> None:
    made.on("GET", "/activations", h.error(403, message="not for you"), times=99)
    problems = usage_of(made, client_of).problems
    names = ["production", "staging"] * 2
    assert list(problems) == [f"environment {name}: not for you" for name in names]


def test_a_list_that_is_cut_short_is_noticed(made: HostilePlatform, client_of: Maker) -> None:
    made.reset(world(static=84, free=3, environment_pages="cut"))
    usage = usage_of(made, client_of)
    assert len(usage.problems) == 4
    assert "counts 21, and its pages held 20" in usage.problems[0]
    assert kinds_of(usage, made.world.free) == {"unknown"}
    assert "unused" not in kinds_of(usage, made.world.static)


def test_a_list_of_exactly_twenty_without_a_count_may_have_been_cut(made: HostilePlatform, client_of: Maker) -> None:
    made.reset(world(static=80, free=1))
    made.on("GET", "/projects/", h.edit(lambda body: {"items": body["items"]}), times=99)
    usage = usage_of(made, client_of)
    assert len(usage.problems) == 4
    assert "ends at 20" in usage.problems[0]
    assert kinds_of(usage, made.world.free) == {"unknown"}


@pytest.mark.parametrize("count", [76, 84])
def test_a_list_of_another_length_without_a_count_was_not_cut_at_twenty(
    made: HostilePlatform, client_of: Maker, count: int
) -> None:
    made.reset(world(static=count, free=1))
    made.on("GET", "/projects/", h.edit(lambda body: {"items": body["items"]}), times=99)
    assert usage_of(made, client_of).problems == ()


def test_a_list_of_exactly_twenty_that_the_count_confirms_is_whole(made: HostilePlatform, client_of: Maker) -> None:
    made.reset(world(static=80, free=1))
    assert usage_of(made, client_of).problems == ()


@pytest.mark.parametrize("environments", [None, "absent"])
def test_a_project_without_a_list_of_environments_is_a_problem(
    made: HostilePlatform, client_of: Maker, environments: Any
) -> None:
    def change(body: Any) -> Any:
        del body["projects"][0]["environments"]
        if environments is None:
            body["projects"][0]["environments"] = None
        return body

    made.on("GET", "/projects$", h.edit(change))
    usage = usage_of(made, client_of)
    assert usage.problems == ("project Orders: it holds no list of environments",)
    assert kinds_of(usage, made.world.free) == {"unknown"}
    assert [usage.of(id_).kind for id_ in made.world.static] == ["unknown", "unknown", "static", "static"]


@pytest.mark.parametrize("body", ["{}", '{"projects": null}', "[]", '{"items": []}'])
def test_an_answer_without_a_list_of_projects_is_a_problem(made: HostilePlatform, client_of: Maker, body: str) -> None:
    made.on("GET", "/projects$", h.answer(200, body))
    usage = usage_of(made, client_of)
    assert len(usage.problems) == 1
    assert usage.problems[0].startswith("the projects: ")
    assert kinds_of(usage, list(made.world.connections)) == {"unknown"}


def test_an_organisation_without_projects_uses_nothing(made: HostilePlatform, client_of: Maker) -> None:
    made.world.projects.clear()
    usage = usage_of(made, client_of)
    assert usage.problems == ()
    assert kinds_of(usage, list(made.world.connections)) == {"unused"}


@pytest.mark.parametrize("user", [None, {}, {"id": None, "displayName": "Ann"}, {"id": ""}])
def test_an_activation_that_lists_no_connections_and_names_no_user_is_a_problem(
    made: HostilePlatform, client_of: Maker, user: Any
) -> None:
    def change(body: Any) -> Any:
        return [{"id": one["id"], "user": user} for one in body]

    made.on("GET", "/activations", h.edit(change), times=1)
    usage = usage_of(made, client_of)
    assert len(usage.problems) == 1
    assert "the connections of end user" in usage.problems[0]
    assert kinds_of(usage, made.world.free) == {"unknown"}


def test_an_activation_with_an_empty_list_of_connections_uses_none(made: HostilePlatform, client_of: Maker) -> None:
    made.on("GET", "/activations", h.edit(lambda body: [{**one, "connections": []} for one in body]), times=99)
    usage = usage_of(made, client_of)
    assert usage.problems == ()
    assert kinds_of(usage, made.world.dynamic) == {"unused"}


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
def test_a_look_up_that_answers_something_else_is_a_problem(
    made: HostilePlatform, client_of: Maker, path: str, body: str
) -> None:
    made.on("GET", path, h.answer(200, body), times=999)
    usage = usage_of(made, client_of)
    assert len(usage.problems) == 4
    assert kinds_of(usage, made.world.free) == {"unknown"}


def test_an_environment_whose_id_is_no_ulid_is_a_problem_and_never_a_path(
    made: HostilePlatform, client_of: Maker
) -> None:
    def change(body: Any) -> Any:
        body["projects"][0]["environments"][0]["id"] = "../../projects/x"
        return body

    made.on("GET", "/projects$", h.edit(change))
    usage = usage_of(made, client_of)
    assert len(usage.problems) == 2
    assert "no ULID" in usage.problems[0]
    assert kinds_of(usage, made.world.free) == {"unknown"}
    made.verify()


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_look_up_that_breaks_down_makes_everything_unknown(
    made: HostilePlatform, client_of: Maker, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = client_of(made)
    monkeypatch.setattr(client, "activations", lambda *_: 1 / 0)
    usage = read_usage(client)
    assert usage.problems
    assert kinds_of(usage, made.world.free) == {"unknown"}


def test_a_read_that_recovers_is_no_problem(made: HostilePlatform, client_of: Maker) -> None:
    made.on("GET", "", h.error(503), times=10, every=2)
    assert read_usage(client_of(made), lookups=1).problems == ()
    assert len(made.requests) == 9 + 8  # nine reads, and all but the first were refused once


# Side by side


def test_look_ups_run_side_by_side_and_at_most_sixteen_of_them(made: HostilePlatform, client_of: Maker) -> None:
    made.reset(world(free=1))
    first = next(iter(made.world.projects.values()))
    for number in range(40):
        first.environments.append(type(first.environments[0])(made.world.ulid(), f"stage {number}", "running"))
    made.latency = 0.01
    assert usage_of(made, client_of).problems == ()
    assert 1 < made.max_in_flight <= LOOKUPS == 16
    assert len(made.requests) == 1 + 2 * 44
    made.verify()


def test_fewer_look_ups_can_be_asked_for(made: HostilePlatform, client_of: Maker) -> None:
    made.latency = 0.005
    assert read_usage(client_of(made), lookups=1).problems == ()
    assert made.max_in_flight == 1
