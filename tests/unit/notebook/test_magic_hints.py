"""Next steps: notebooks show them in magic syntax, and every layer below without it."""

import inspect
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from support.hostile_platform import FOREVER, HostilePlatform, error, html, world

import versori_magics as versori
from versori_magics import Client
from versori_magics.cleanup.consent import consent_in_advance
from versori_magics.cleanup.journal import Journal
from versori_magics.cleanup.platform import Platform
from versori_magics.cleanup.run import RunOptions, find_unfinished_run
from versori_magics.cleanup.workflow import Workflow, finish
from versori_magics.errors import (
    ArgumentError,
    ForbiddenError,
    JournalError,
    NotFoundError,
    PlanError,
    RunStoppedError,
    SelectionError,
    UnauthorisedError,
    UnfinishedError,
    VersoriError,
)
from versori_magics.next_step import Action, NextStep
from versori_magics.notebook.magic_hints import magic_hint, magic_hints
from versori_magics.notebook.magics import MAGICS

ULID = "01ARZ3NDEKTSV4RRFFQ69G5FAV"
# A magic, or a flag of one.
MAGIC_SYNTAX = re.compile(r"%\w|(?<![\w-])--\w")


def hint_of(call: Callable[[], Any], error_class: type[VersoriError]) -> str:
    """Return the last line of the error that a call raises."""
    with pytest.raises(error_class) as caught:
        call()
    assert type(caught.value) is error_class
    assert caught.value.lines()[-1] == caught.value.hint
    return caught.value.hint


# Every next step.


@pytest.mark.parametrize("action", Action)
def test_the_hint_of_every_action_names_a_magic_or_a_flag_that_exists(action: Action) -> None:
    flags = {flag for magic in MAGICS.values() for flag in magic.flags}
    for argument in ("", "42"):
        hint = magic_hint(NextStep(action, argument))
        assert set(re.findall(r"%(\w+)", hint)) <= set(MAGICS)
        assert set(re.findall(r"(?<!\S)--\w[\w-]*", hint)) <= flags
        assert MAGIC_SYNTAX.search(hint)


@pytest.mark.parametrize(
    ("step", "command"),
    [
        (NextStep(Action.CONNECT), "%versori_connect"),
        (NextStep(Action.CONNECT, "https://host/api"), "%versori_connect --server https://host/api,"),
        (NextStep(Action.FIND_CONNECTIONS), "df = %versori_connections . --usage"),
        (NextStep(Action.FIND_RUNS), "%versori_runs"),
        (NextStep(Action.RESUME, ULID), f"%versori_resume {ULID}"),
        (NextStep(Action.RAISE_LIMIT, "250"), "--max 250"),
        (NextStep(Action.USE_FEWER_WORKERS), "--workers"),
    ],
)
def test_a_hint_contains_the_command_to_copy(step: NextStep, command: str) -> None:
    assert command in magic_hint(step)


def test_an_error_without_a_next_step_keeps_its_hint() -> None:
    with pytest.raises(PlanError) as caught, magic_hints():
        raise PlanError("x", hint="Do this.")
    assert caught.value.hint == "Do this."


def test_an_error_that_is_not_ours_passes_unchanged() -> None:
    for problem in (KeyboardInterrupt(), ValueError("x"), StopIteration()):
        with pytest.raises(type(problem)) as caught, magic_hints():
            raise problem
        assert caught.value is problem


# The public functions.


@pytest.mark.parametrize(
    "function",
    [
        versori.connect,
        versori.connections,
        versori.connection,
        versori.plan,
        versori.delete,
        versori.resume,
        versori.runs,
        versori.form,
        versori.sandbox,
    ],
    ids=lambda function: function.__name__,
)
def test_every_public_function_gives_hints_in_magic_syntax(function: Any) -> None:
    if function is not versori.connect:  # it enters magic_hints itself, so that no frame can show a token
        assert function.__wrapped__.__module__ == function.__module__
    assert "args" not in inspect.signature(function).parameters
    assert function.__doc__


def test_an_unknown_run_points_to_the_list_of_runs() -> None:
    assert hint_of(lambda: versori.resume(ULID), JournalError) == "%versori_runs lists the runs and their state."
    assert "%versori_runs" in hint_of(lambda: versori.resume("x"), ArgumentError)


def test_a_run_under_way_points_to_the_list_of_runs(platform: HostilePlatform, tmp_path: Path) -> None:
    report = versori.delete(".", platform.world.free[0], yes=True)
    journal = Journal.reopen(tmp_path / "runs", report.run)
    for options in ({}, {"yes": True}):
        assert "%versori_runs" in hint_of(lambda options=options: versori.resume(report.run, **options), JournalError)
    journal.close()


def test_too_many_rows_name_the_number_to_allow(platform: HostilePlatform) -> None:
    hint = "Review the plan (--dry-run). If it is right, add --max 5."
    plan = versori.plan(".", platform.world.free)
    assert hint_of(lambda: versori.delete(".", platform.world.free, yes=True, max=4), PlanError) == hint
    assert hint_of(lambda: versori.delete(".", plan, yes=True, max=4), PlanError) == hint


def test_a_stopped_run_names_the_magic_that_resumes_it(platform: HostilePlatform) -> None:
    platform.dead_token_after(2)
    with pytest.raises(RunStoppedError) as caught:
        versori.delete(".", platform.world.free, yes=True, workers=1)
    run = caught.value.report.run
    assert caught.value.hint == f"To finish the run: %versori_resume {run}"
    (finished,) = versori.runs()["run"]
    assert finished == run
    with pytest.raises(UnfinishedError) as unfinished:
        caught.value.report.raise_for_unfinished()  # type: ignore[attr-defined]
    assert unfinished.value.hint == f"To finish the run: %versori_resume {run}"


def test_a_run_of_another_server_names_the_server_to_connect_to(
    platform: HostilePlatform, monkeypatch: pytest.MonkeyPatch
) -> None:
    report = versori.delete(".", platform.world.free[0], yes=True)
    monkeypatch.setenv("VERSORI_SERVER", "http://127.0.0.1:1")
    assert f"%versori_connect --server {platform.url}" in hint_of(lambda: versori.resume(report.run), PlanError)


def test_a_frame_without_ids_points_to_the_list_of_connections(platform: HostilePlatform) -> None:
    frame = pd.DataFrame({"name": ["x"]})
    for function in (versori.plan, versori.delete):
        hint = hint_of(lambda function=function: function(".", frame), SelectionError)
        assert "%versori_connections" in hint


def test_answers_of_the_platform_have_hints_in_magic_syntax(platform: HostilePlatform) -> None:
    assert "%versori_connections" in hint_of(lambda: versori.connection(".", ULID), NotFoundError)
    platform.on("GET", "/connections$", error(401))
    assert "%versori_connect" in hint_of(lambda: versori.connections("."), UnauthorisedError)
    platform.on("GET", "/connections$", error(403))
    assert not MAGIC_SYNTAX.search(hint_of(lambda: versori.connections("."), ForbiddenError))


# The layers below.


@pytest.fixture
def client(platform: HostilePlatform) -> Any:
    client = Client(platform.url, platform.organisation, platform.token)
    yield client
    client.close()


@pytest.mark.parametrize("fault", [error(400), error(401), error(403), error(404), error(409), html(404), html(200)])
def test_errors_of_a_client_contain_no_magic_syntax(client: Client, platform: HostilePlatform, fault: Any) -> None:
    calls: list[Callable[[], Any]] = [
        client.connections,
        lambda: client.connection(ULID),
        lambda: client.delete(ULID),
        client.systems,
        client.projects,
    ]
    platform.on("*", "", fault, times=FOREVER)
    for call in calls:
        with pytest.raises(VersoriError) as caught:
            call()
        assert not MAGIC_SYNTAX.search(str(caught.value)), str(caught.value)


@pytest.mark.parametrize(
    "arguments", [("nowhere", ULID, "t"), ("production", "acme", "t"), ("production", ULID, "a token with blanks")]
)
def test_errors_of_creating_a_client_contain_no_magic_syntax(arguments: tuple[str, str, str]) -> None:
    with pytest.raises(VersoriError) as caught:
        Client(*arguments)
    assert not MAGIC_SYNTAX.search(str(caught.value)), str(caught.value)


def test_errors_of_a_workflow_contain_no_magic_syntax(
    client: Client, platform: HostilePlatform, tmp_path: Path
) -> None:
    platform.reset(world(free=5))
    free = platform.world.free
    workflow = Workflow(Platform.of(client), tmp_path / "runs")
    plan = workflow.prepare(free)
    platform.dead_token_after(2)
    options = RunOptions(workers=1)
    report = workflow.execute(plan, consent_in_advance(plan), options)
    platform.dead_token_after(FOREVER)
    unfinished = find_unfinished_run(report.run, tmp_path / "runs")
    journal = Journal.reopen(tmp_path / "runs", report.run)
    elsewhere = Workflow(Platform.of(Client("https://elsewhere.example", ULID, "t")), tmp_path / "runs")
    calls: list[Callable[[], Any]] = [
        lambda: workflow.prepare("x"),
        lambda: workflow.prepare(pd.DataFrame({"name": ["x"]})),
        lambda: workflow.prepare(free, max_rows=1),
        lambda: workflow.prepare(free, allow_breaking=[ULID]),
        lambda: workflow.prepare(free, allow_breaking=True),  # type: ignore[arg-type]
        lambda: Workflow(workflow.platform, tmp_path, Path("/no/such")).prepare(free),
        lambda: workflow.execute(plan, None, options),
        lambda: elsewhere.execute(plan, None, options),
        lambda: elsewhere.prepare_resume(unfinished),
        lambda: workflow.prepare_resume(unfinished),
        lambda: find_unfinished_run(ULID, tmp_path / "runs"),
        lambda: finish(report, options.stop_button, lambda _: None),
        report.raise_for_unfinished,
    ]
    for call in calls:
        with pytest.raises(VersoriError) as caught:
            call()
        assert not MAGIC_SYNTAX.search(str(caught.value)), str(caught.value)
    journal.close()
